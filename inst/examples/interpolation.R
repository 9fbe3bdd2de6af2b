# Kernel interpolation of noisy values: coefficients a with
#
#     (K + alpha I) a = b        K_ij = exp(-|x_i - x_j|^2 / (2 sigma^2))
#
# by solve(), conjugate gradients with a preconditioner, until the residual is below 1e-6 (root mean
# square).
#
#     Rscript interpolation.R [number of points, 1e4 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

n <- problem_size(1e4)
sigma <- 0.1
alpha <- 0.01
tolerance <- 1e-6
set.seed(1)
x <- matrix(runif(n), ncol = 1)
b <- x + sin(6 * x) / 2 + sin(20 * x) / 10 + rnorm(n, sd = 0.05)

seconds <- elapsed({
  K_ij <- exp(-sqdist(Vi(x), Vj(x)) / (2 * sigma^2))
  A <- add_ridge(K_ij, alpha)
  solution <- solve(A, b, tol = tolerance / sqrt(mean(b^2)), method = "iterative", details = TRUE)
})
a <- solution$value
report(sprintf("Kernel interpolation of %g points, %d steps", n, solution$iterations), seconds, 13,
       points = 1e4)

residual <- sqrt(mean((A %*% a - b)^2))
cat(sprintf("  residual %.1e\n", residual))
if (residual > 1.01 * tolerance) stop("the residual is ", residual, ": expected ", tolerance)

some <- sample(n, 20)
fitted <- (K_ij %*% a)[some]
expected <- exp(-squared_distances(x[some, , drop = FALSE], x) / (2 * sigma^2)) %*% a
check_against_r(fitted, expected, tolerance = 1e-10)
