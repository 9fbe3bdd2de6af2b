# Gaussian convolution by a formula text,
#
#     a_i = sum_j exp(-|x_i - y_j|^2) b_j        with x_i, y_j and b_j in R^15
#
#     Rscript gaussian_formula.R [number of points, 1e5 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))
rkeops_use_float32() # the precision of the talk

n <- problem_size(1e5)
D <- 15
set.seed(1)
x <- matrix(runif(n * D), ncol = D)
y <- matrix(runif(n * D), ncol = D)
b <- matrix(rnorm(n * D), ncol = D)

# The last argument of the reduction: 0 sums over j, and so does the letter j.
op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x, y)) * b, 0)",
                   c("x = Vi(15)", "y = Vj(15)", "b = Vj(15)"))

some <- sample(n, 20)
expected <- exp(-squared_distances(x[some, ], y)) %*% b

seconds <- elapsed(a <- op(list(x, y, b)))
report(sprintf("Gaussian convolution by a formula, %g x %g points in R^15", n, n), seconds, 4.4)
check_against_r(a[some, ], expected, tolerance = 1e-4)

# The same operator on a GPU; use_gpu() stops where there is none.
found <- tryCatch(is.list(use_gpu()), rkeops_error_device = function(e) FALSE)
if (found) {
  seconds <- elapsed(a <- op(list(x, y, b)))
  report("The same on a GPU", seconds, where = rkeops_device_info()$name[1])
  check_against_r(a[some, ], expected, tolerance = 1e-4)
} else {
  cat("No GPU was found: the same operator would run on it after use_gpu().\n")
}
