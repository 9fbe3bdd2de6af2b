# A spatial Gaussian process: length scale, variance and noise by maximum likelihood, with the
# derivatives of solve() and estimate_logdet(), then the mean at all places. No matrix is stored.
# The estimate jumps where its preconditioner takes other columns: Adam's steps, no line search.
#
#     Rscript gaussian_process.R [number of places, 2000 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

n <- problem_size(2000)
set.seed(1)
x <- matrix(runif(2 * n), ncol = 2)
truth <- sin(8 * x[, 1]) * cos(5 * x[, 2]) + x[, 1]
y <- truth + rnorm(n, sd = 0.3)

covariance <- function(x, theta) {                      # Matern 3/2
  r <- norm2(Vi(x) - Vj(x)) * exp(-theta[1])
  exp(theta[2]) * (1 + r) * exp(-r)
}
loss <- function(theta, rows = seq_len(n)) {           # the negative log likelihood of a place
  A <- add_ridge(covariance(x[rows, ], theta), exp(theta[3]))
  fit <- sum(y[rows] * solve(A, y[rows]))
  (fit + estimate_logdet(A)$value + length(rows) * log(2 * pi)) / (2 * length(rows))
}
start <- theta <- log(c(length = 0.5, variance = 1, noise = 0.3))
first <- second <- 0
seconds <- elapsed(for (k in 1:25) {
  slope <- gradient(loss, theta)
  first <- 0.8 * first + 0.2 * slope
  second <- 0.9 * second + 0.1 * slope^2
  theta <- theta - 0.15 * first / (1 - 0.8^k) / sqrt(second / (1 - 0.9^k))
})
report(sprintf("Gaussian process of %g places, 25 gradients", n), seconds)
K <- covariance(x, theta)
fitted <- K %*% solve(add_ridge(K, exp(theta[3])), y)
print(round(c(exp(theta), error = sqrt(mean((fitted - truth)^2))), 3))
few <- function(theta) loss(theta, 1:100)
check_gradient(few, start, gradient(few, start))
K <- exp(theta[2]) * (function(r) (1 + r) * exp(-r))(as.matrix(dist(x)) / exp(theta[1]))
check_against_r(fitted, K %*% solve(K + diag(exp(theta[3]), n), y), tolerance = 1e-4)
