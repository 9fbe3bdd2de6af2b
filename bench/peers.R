# The same results by other means that R users have: dense matrices, and kd-trees where RANN or
# FNN are installed.
#
#     Rscript bench/peers.R

source("bench/common.R")
set.seed(1)

in_both <- function(formula, args) {
  lapply(c("rkeops, float64" = "float64", "rkeops, float32" = "float32"),
         function(precision) keops_kernel(formula, args, precision = precision))
}

calls <- function(ops, data) lapply(ops, function(op) function() seconds(op(data)))

product <- function(n) {
  x <- matrix(rnorm(n * 3), ncol = 3)
  y <- matrix(rnorm(n * 3), ncol = 3)
  b <- matrix(rnorm(n), ncol = 1)
  ops <- in_both("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))
  dense <- function() {
    exp(2 * tcrossprod(x, y) - outer(rowSums(x^2), rowSums(y^2), "+")) %*% b
  }
  functions <- c(calls(ops, list(x, y, b)), "dense R" = function() seconds(dense()))
  summary <- best_and_median(alternate(functions, 3))
  data.frame(task = sprintf("Gaussian product, D = 3, N = %g", n),
             by = colnames(summary), seconds = sprintf("%.4f", summary["best", ]))
}

neighbours <- function(n, queries, D, K = 10) {
  y <- matrix(runif(n * D), ncol = D)
  x <- matrix(runif(queries * D), ncol = D)
  set_rkeops_options(list(index_base = 1))
  ops <- in_both(sprintf("ArgKMin_Reduction(SqDist(x,y), %d, j)", K),
                 c(sprintf("x=Vi(%d)", D), sprintf("y=Vj(%d)", D)))
  functions <- calls(ops, list(x, y))
  if (requireNamespace("RANN", quietly = TRUE))
    functions$RANN <- function() seconds(RANN::nn2(y, x, K))
  if (requireNamespace("FNN", quietly = TRUE))
    functions$FNN <- function() seconds(FNN::get.knnx(y, x, K))
  summary <- best_and_median(alternate(functions, 2))
  data.frame(task = sprintf("%d nearest of %g points, %g queries, D = %d", K, n, queries, D),
             by = colnames(summary), seconds = sprintf("%.3f", summary["best", ]))
}

keep("peers", rbind(product(5e3), neighbours(1e5, 1e5, 3), neighbours(5e4, 2000, 20)),
     "Whole calls from R, compile excluded, best of the repetitions. Kd-trees use one thread.")
