# A Gaussian mixture by gradient: 50 components with full covariances in R^2, of which a sparsity
# prior on the weights leaves those that the data need. L-BFGS finds means, precisions and weights.
#
#     Rscript mixture.R [number of points, 1e4 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

n <- problem_size(1e4)
K <- 50
sparsity <- 0.1
set.seed(1)
angle <- runif(n, 0, 2 * pi)
x <- cbind(sin(2 * angle), cos(3 * angle)) + rnorm(2 * n, sd = 0.05)

# Component j: weight r_j^2, mean mu_j and precision A'A, A = exp(s_j) (1, b_j; 0, 1).
log_density <- function(mu, s, b, r) {
  from_mean <- Vi(x) - Vj(mu)
  first <- (from_mean[1] + from_mean[2] * Vj(b)) * Vj(exp(s[, 1]))
  second <- from_mean[2] * Vj(exp(s[, 2]))
  constant <- log(r^2 / sum(r^2)) + rowSums(s) - log(2 * pi)
  logsumexp(Vj(constant) - (first^2 + second^2) / 2, "j")
}
loss <- function(mu, s, b, r)                          # sum(sqrt(weights)) is the prior
  sparsity * sum(r) / sqrt(sum(r^2)) - mean(log_density(mu, s, b, r))
start <- list(mu = x[sample(n, K), ], s = matrix(2.5, K, 2), b = numeric(K), r = rep(1, K))
o <- make_objective(loss, start)
seconds <- elapsed(fit <- optim(o$par, o$fn, o$gr, method = "L-BFGS-B", control = list(maxit = 50),
                                lower = rep(c(-Inf, 1e-4), c(5 * K, K))))
report(sprintf("%d Gaussians for %g points, %d gradients", K, n, fit$counts[[2]]), seconds)
check_gradient(loss, start, gradient(loss, start))

density <- function(mu, s, b, r) sapply(1:20, function(i) {
  d <- t(x[i, ] - t(mu))
  squared <- ((d[, 1] + d[, 2] * b) * exp(s[, 1]))^2 + (d[, 2] * exp(s[, 2]))^2
  log(sum(r^2 * exp(rowSums(s) - squared / 2)) / sum(r^2) / (2 * pi))
})
found <- o$restore(fit$par)
check_against_r(do.call(log_density, found)[1:20], do.call(density, found), tolerance = 1e-10)
