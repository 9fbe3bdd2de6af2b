# Kernel Stein discrepancies: does a sample come from a density that is known up to a constant? The
# Stein kernel is a formula with derivatives, scores are gradients of a function of R, and 500
# weights of a wild bootstrap share one walk over the pairs.
#
#     Rscript stein.R [number of points, 3000 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

n <- problem_size(3000)
set.seed(1)
# k = (1 + |x - y|^2)^(-1/2); of x the score is s, of y it is t; b are the weights of the sums.
stein_sum <- keops_kernel(
  "k = Rsqrt(1 + SqDist(x, y));
   h = (s|t) * k + (s|Grad(k, y, 1)) + (t|Grad(k, x, 1)) - Laplacian(k, x);
   Sum_Reduction(h * b, j)",
  c("x = Vi(2)", "y = Vj(2)", "s = Vi(2)", "t = Vj(2)", "b = Vj(501)"))
score <- function(log_density, x) gradient(function(x) sum(log_density(x)), x)

stein_test <- function(x, log_density) {
  s <- score(log_density, x)
  weight <- cbind(1, matrix(sample(c(-1, 1), 500 * nrow(x), replace = TRUE), nrow(x)))
  squared <- colSums(weight * stein_sum(list(x, x, s, s, weight))) / nrow(x)
  c(statistic = squared[1], p = mean(c(TRUE, squared[-1] >= squared[1])))
}
mixture <- function(shift) function(x)
  log(exp(-rowSums(x^2) / 2) + exp(-((x[, 1] - shift)^2 + x[, 2]^2) / 2))

x <- matrix(rnorm(2 * n), ncol = 2)
x[, 1] <- x[, 1] + 3 * rbinom(n, 1, 0.5)
seconds <- elapsed(results <- rbind(right = stein_test(x, mixture(3)),
                                    wrong = stein_test(x, mixture(3.3))))
report(sprintf("Two Stein tests of %g points, 500 bootstraps each", n), seconds)
print(signif(results, 3))
x <- x[1:100, ]
s <- score(mixture(3), x)
k <- 1 / sqrt(1 + squared_distances(x, x))
along <- rowSums(x * s) - tcrossprod(s, x)
expected <- tcrossprod(s) * k + (along + t(along) + 2) * k^3 - 3 * (1 / k^2 - 1) * k^5
check_against_r(stein_sum(list(x, x, s, s, diag(1, 100, 501)))[, 1:100], expected, 1e-10)
