# Gradients of Gaussian products, beside the product itself in the same run.
#
#     Rscript bench/gradient.R [repetitions] [N]
#
# Whole calls from R, compile excluded. "value and gradients": with respect to x, y and b together,
# by keops_value_and_grad(). Compile: of the third derivative of a Gaussian sum in D = 10, from the
# first keops_grad() to the first result with 10 points, with an empty kernel cache.

source("bench/common.R")

arguments <- as.numeric(commandArgs(trailingOnly = TRUE))
repetitions <- if (length(arguments) >= 1) arguments[1] else 9
n <- if (length(arguments) >= 2) arguments[2] else 3e4

set.seed(1)
x <- matrix(rnorm(n * 3), ncol = 3)
y <- matrix(rnorm(n * 3), ncol = 3)
b <- matrix(rnorm(n), ncol = 1)
e <- matrix(rnorm(n), ncol = 1)

measure <- function(precision) {
  use_precision(precision)
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))
  dx <- keops_grad(op, "x")
  dy <- keops_grad(op, "y")
  all <- keops_value_and_grad(op, c("x", "y", "b"))
  ops <- list(op, dx, dy, all)
  functions <- list(
    product = function() seconds(op(list(x, y, b))),
    "gradient by x" = function() seconds(dx(list(x, y, b, e))),
    "gradient by y" = function() seconds(dy(list(x, y, b, e))),
    "value and gradients by x, y, b" = function() seconds(all(list(x, y, b, e))))
  times <- alternate(with_narrower(functions), repetitions)
  rates <- n^2 / apply(times, 2, min)
  times <- times[, names(functions)]
  summary <- best_and_median(times)
  ratio <- apply(times / times[, "product"], 2, stats::median)
  data.frame(what = colnames(times), precision = precision,
             "time (s)" = sprintf("%.3f (median %.3f)", summary["best", ], summary["median", ]),
             "of the product" = sprintf("%.2f", summary["best", ] / summary["best", "product"]),
             "median of ratios" = sprintf("%.2f", ratio),
             aim = c("", "2", "", "3.5"),
             width_columns(rates, stats::setNames(ops, names(functions)), precision),
             check.names = FALSE)
}

# Seconds from the formula to the first result; the number k makes it one that no cache has seen.
third_derivative <- function(k) {
  seconds({
    op <- keops_kernel(sprintf("Sum_Reduction(Exp(-SqDist(x,y)/%s)*b, j)",
                               paste(rep("s", k), collapse = "/")),
                       c("x=Vi(10)", "y=Vj(10)", "b=Vj(1)", "s=Pm(1)"))
    third <- keops_grad(keops_grad(keops_grad(op, "x"), "x"), "x")
    points <- function(D) matrix(rnorm(10 * D), 10)
    third(list(points(10), points(10), points(1), 1, points(1), points(10), points(10)))
  })
}

table <- rbind(measure("float64"), measure("float32"))
use_precision("float64")
compile <- vapply(1:3, third_derivative, 0)
compile <- data.frame("third derivative, D = 10: compile", "float64",
                      sprintf("%.2f (median %.2f)", min(compile), stats::median(compile)), "", "",
                      "2 s", as.list(rep("", 2 * length(widths))))
keep("gradient", rbind(table, stats::setNames(compile, names(table))),
     c(sprintf("D = 3, M = N = %g, whole calls from R, best of %d, in turn.", n, repetitions),
       slots_note))
