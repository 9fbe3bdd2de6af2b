# A spatial Gaussian process: length scale, variance and noise by maximum likelihood, with the
# derivatives of solve() and estimate_logdet(), then the mean at all places. No matrix is stored.
# The preconditioner takes the same rows throughout: so the estimate is a continuous function.
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
pivots <- estimate_logdet(add_ridge(covariance(x, log(c(0.5, 1))), 0.3), method = "iterative")$pivots
loss <- function(theta, rows = seq_len(n)) {           # the negative log likelihood of a place
  A <- add_ridge(covariance(x[rows, ], theta), exp(theta[3]))
  logdet <- if (length(rows) < n) estimate_logdet(A, method = "dense")$value
            else estimate_logdet(A, method = "iterative", preconditioner = pivots)$value
  (sum(y[rows] * solve(A, y[rows])) + logdet + length(rows) * log(2 * pi)) / (2 * length(rows))
}
start <- log(c(length = 0.5, variance = 1, noise = 0.3))
o <- make_objective(loss, start)
seconds <- elapsed(found <- optim(o$par, o$fn, o$gr, method = "L-BFGS-B"))
theta <- found$par
report(sprintf("Gaussian process of %g places, %d gradients", n, found$counts[[2]]), seconds)
K <- covariance(x, theta)
fitted <- K %*% solve(add_ridge(K, exp(theta[3])), y)
print(round(c(exp(theta), error = sqrt(mean((fitted - truth)^2))), 3))
few <- function(theta) loss(theta, 1:100)
check_gradient(few, start, gradient(few, start))
K <- exp(theta[2]) * (function(r) (1 + r) * exp(-r))(as.matrix(dist(x)) / exp(theta[1]))
check_against_r(fitted, K %*% solve(K + diag(exp(theta[3]), n), y), tolerance = 1e-4)
