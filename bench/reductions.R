# Log-sum-exp and the K = 10 nearest, D = 3: pair rates beside that of the Gaussian product of the
# same size, in the same run.
#
#     Rscript bench/reductions.R [repetitions] [N]

source("bench/common.R")

arguments <- as.numeric(commandArgs(trailingOnly = TRUE))
repetitions <- if (length(arguments) >= 1) arguments[1] else 9
n <- if (length(arguments) >= 2) arguments[2] else 3e4

set.seed(1)
x <- matrix(rnorm(n * 3), ncol = 3)
y <- matrix(rnorm(n * 3), ncol = 3)
b <- matrix(rnorm(n), ncol = 1)
points <- c("x=Vi(3)", "y=Vj(3)")

measure <- function(precision) {
  use_precision(precision)
  set_rkeops_options(list(index_base = 1))
  gauss <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c(points, "b=Vj(1)"))
  others <- list(
    LogSumExp = keops_kernel("LogSumExp_Reduction(-SqDist(x,y), j)", points),
    "argKmin, K = 10" = keops_kernel("ArgKMin_Reduction(SqDist(x,y), 10, j)", points),
    argmin = keops_kernel("ArgMin_Reduction(SqDist(x,y), j)", points),
    max = keops_kernel("Max_Reduction(-SqDist(x,y), j)", points))
  ops <- c(list("Gaussian product" = gauss), others)
  functions <- c(list("Gaussian product" = function() seconds(gauss(list(x, y, b)))),
                 lapply(others, function(op) function() seconds(op(list(x, y)))))
  summary <- best_and_median(alternate(with_narrower(functions), repetitions))
  rate <- n^2 / summary[, names(functions)] / 1e9
  data.frame(reduction = colnames(rate), precision = precision,
             "Gpair/s" = sprintf("%.2f (median %.2f)", rate["best", ], rate["median", ]),
             "of the Gaussian product" = sprintf("%.0f %%", 100 * rate["best", ] / rate["best", 1]),
             width_columns(n^2 / summary["best", ], ops, precision),
             check.names = FALSE)
}

keep("reductions", rbind(measure("float64"), measure("float32")),
     c(sprintf("D = 3, M = N = %g, whole calls from R, compile excluded, best of %d.", n,
               repetitions), slots_note, "Of argKmin what goes into the lists is not counted."))
