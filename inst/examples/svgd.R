# Stein variational gradient descent (Liu and Wang, 2016): particles become a sample of a density
# that is known up to a constant, and repel each other by a kernel.
#
#     Rscript svgd.R [number of particles, 2000 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

n <- problem_size(2000)
set.seed(1)
log_density <- function(x) -x[, 1]^2 / 2 - 2 * (x[, 2] - x[, 1]^2 / 2)^2     # a banana

kernel <- function(x, y, width) exp(-sqdist(Vi(x), Vj(y)) / (2 * width^2))
score <- function(x) gradient(function(x) sum(log_density(x)), x)
# The kernel is moved at its second argument: minus the derivative by the first.
direction <- function(x, width) {
  repulsion <- -gradient(function(z) sum(rowSums(kernel(z, x, width))), x)
  (kernel(x, x, width) %*% score(x) + repulsion) / nrow(x)
}

start <- x <- matrix(rnorm(2 * n), ncol = 2)
history <- 0
seconds <- elapsed(for (step in 1:300) {
  phi <- direction(x, 0.3)
  history <- if (step == 1) phi^2 else 0.9 * history + 0.1 * phi^2
  x <- x + 0.03 * phi / sqrt(history + 1e-10)
})
report(sprintf("SVGD of %g particles, 300 steps", n), seconds)
moments <- rbind(found = c(colMeans(x), var(x[, 1]), var(x[, 2])), truth = c(0, 0.5, 1, 0.75))
colnames(moments) <- c("mean 1", "mean 2", "variance 1", "variance 2")
print(round(moments, 3))
if (max(abs(moments[1, ] - moments[2, ])) > 0.2) stop("moments are wrong")

some <- sample(n, 20)
K <- exp(-squared_distances(start[some, ], start) / (2 * 0.3^2))
by_hand <- cbind(-start[, 1] + 4 * start[, 1] * (start[, 2] - start[, 1]^2 / 2),
                 -4 * (start[, 2] - start[, 1]^2 / 2))
expected <- (K %*% by_hand + (start[some, ] * rowSums(K) - K %*% start) / 0.3^2) / n
check_against_r(direction(start, 0.3)[some, ], expected, tolerance = 1e-10)
