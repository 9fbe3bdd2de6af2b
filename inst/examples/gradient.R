# The gradient of a Gaussian convolution with respect to the points x_i, in two ways: by `Grad` in
# the formula, and by keops_grad(). e is the cotangent: what comes out is the gradient of
# sum(e * a), a being the convolution.
#
#     Rscript gradient.R [number of points, 1e5 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))
rkeops_use_float32() # the precision of the talk

n <- problem_size(1e5)
D <- 15
set.seed(1)
x <- matrix(runif(n * D), ncol = D)
y <- matrix(runif(n * D), ncol = D)
b <- matrix(rnorm(n * D), ncol = D)
e <- matrix(rnorm(n * D), ncol = D)

args <- c("x = Vi(15)", "y = Vj(15)", "b = Vj(15)")
op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x, y)) * b, 0)", args)
by_formula <- keops_kernel("Grad(Sum_Reduction(Exp(-SqDist(x, y)) * b, 0), y, e)",
                           c(args, "e = Vi(15)"))
by_keops_grad <- keops_grad(op, var = "x")

convolution <- elapsed(a <- op(list(x, y, b)))
seconds_y <- elapsed(dy <- by_formula(list(x, y, b, e)))
seconds_x <- elapsed(dx <- by_keops_grad(list(x, y, b, e)))

# Row k of them in plain R: the sum of -2 (p_k - q_l) exp(-|p_k - q_l|^2) <u_k, v_l> over l.
gradient_rows <- function(p, u, q, v) {
  weights <- exp(-squared_distances(p, q)) * tcrossprod(u, v)
  -2 * (p * rowSums(weights) - weights %*% q)
}
some <- sample(n, 20)

report(sprintf("Gradient by y, %g x %g points in R^15: Grad(...) in the formula", n, n), seconds_y)
cat(sprintf("  %.1f times the convolution (%.2f s)\n", seconds_y / convolution, convolution))
check_against_r(dy[some, ], gradient_rows(y[some, ], b[some, ], x, e), tolerance = 1e-4)

report("Gradient by x: keops_grad(op, var = \"x\")", seconds_x)
cat(sprintf("  %.1f times the convolution\n", seconds_x / convolution))
check_against_r(dx[some, ], gradient_rows(x[some, ], e[some, ], y, b), tolerance = 1e-4)
