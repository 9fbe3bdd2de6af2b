# Kernel interpolation of noisy values: coefficients a with
#
#     (K + alpha I) a = b        K_ij = exp(-|x_i - x_j|^2 / (2 sigma^2))
#
# by conjugate gradients, until the residual is below 1e-6 (root mean square), in float64.
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

# Solves multiply(a) = b for a positive definite linear map.
conjugate_gradients <- function(multiply, b, tolerance) {
  a <- 0 * b
  residual <- b
  direction <- residual
  squared <- sum(residual^2)
  steps <- 0
  while (sqrt(squared / length(b)) > tolerance && steps < 1000) {
    image <- multiply(direction)
    along <- squared / sum(direction * image)
    a <- a + along * direction
    residual <- residual - along * image
    before <- squared
    squared <- sum(residual^2)
    direction <- residual + squared / before * direction
    steps <- steps + 1
  }
  list(a = a, steps = steps)
}

rkeops_use_float64()
seconds <- elapsed({
  K_ij <- exp(-sqdist(Vi(x), Vj(x)) / (2 * sigma^2))
  solution <- conjugate_gradients(function(p) K_ij %*% p + alpha * p, b, tolerance)
})
a <- solution$a
report(sprintf("Kernel interpolation of %g points, %d steps", n, solution$steps), seconds, 13,
       points = 1e4)

residual <- sqrt(mean((K_ij %*% a + alpha * a - b)^2))
cat(sprintf("  residual %.1e\n", residual))
# Rounding makes the residual that the steps carry along drift from the true one.
if (residual > 2 * tolerance) stop("the residual is ", residual, ": expected ", tolerance)

some <- sample(n, 20)
fitted <- (K_ij %*% a)[some]
expected <- exp(-squared_distances(x[some, , drop = FALSE], x) / (2 * sigma^2)) %*% a
check_against_r(fitted, expected, tolerance = 1e-10)
