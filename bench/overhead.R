# What a call of LazyTensors costs beside the computation: building and evaluating
#     sum(exp(-sum((x_i - y_j)^2)), index = "j")
# for 100 x 100 points in R^3, warm, by part, on one thread; dense R beside it.
#
#     Rscript bench/overhead.R [repetitions]

source("bench/common.R")

arguments <- as.integer(commandArgs(trailingOnly = TRUE))
repetitions <- if (length(arguments)) arguments[1] else 3000L
rkeops_use_cpu(ncore = 1)
use_precision("float64")

set.seed(1)
x <- matrix(runif(300), 100)
y <- matrix(runif(300), 100)
x_i <- Vi(x)
y_j <- Vj(y)
K_ij <- exp(-sum((x_i - y_j)^2))
lazy <- sum(K_ij, "j", call = FALSE)
op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(3)", "y=Vj(3)"))
inputs <- list(x, y)
dense <- function() {
  rowSums(exp(2 * tcrossprod(x, y) - outer(rowSums(x^2), rowSums(y^2), "+")))
}
if (max(abs(op(inputs) - dense())) > 1e-11) stop("results differ from dense R")

# The engine alone: the native routine behind a reduction, with all that it is given made before.
engine <- local({
  state <- rkeops:::reduction_state(K_ij, "Sum", "j")
  program <- list(text = rkeops:::operator_text(state),
                  declarations = rkeops:::declarations_of_leaves(state))
  options <- rkeops:::engine_options()
  routine <- rkeops:::C_run
  function() .Call(routine, program, state$data, FALSE, options)
})

whole <- "build and evaluate"
functions <- list(
  function() sum(exp(-sum((x_i - y_j)^2)), index = "j"),
  function() exp(-sum((x_i - y_j)^2)),
  function() sum(K_ij, index = "j"),
  engine,
  function() op(inputs),
  function() lazy(inputs),
  function() gradient(lazy, x_i),
  dense)
names(functions) <- c(whole, "build only", "evaluate only", "engine alone",
                      "operator of keops_kernel()", "operator of LazyTensors, other data",
                      "gradient of an operator", "dense R")

# Microseconds of processor time per call.
per_call <- function(f) {
  force(f)
  function() {
    start <- proc.time()
    for (k in seq_len(repetitions)) f()
    spent <- proc.time() - start
    (spent[["user.self"]] + spent[["sys.self"]]) / repetitions * 1e6
  }
}
times <- best_and_median(alternate(lapply(functions, per_call), 7))

keep("overhead", data.frame(
  what = colnames(times),
  best = sprintf("%.0f us", times["best", ]),
  median = sprintf("%.0f us", times["median", ]),
  "of the whole" = sprintf("%.2f", times["best", ] / times["best", whole]),
  aim = c("300 us", "", "", "100 us", "", "", "", ""), check.names = FALSE),
  sprintf("M = N = 100, D = 3, float64, one thread, %d calls, 7 times in turn; processor time.",
          repetitions))
