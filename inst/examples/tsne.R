# t-SNE (van der Maaten and Hinton, 2008) with exact repulsion: a map of points in R^20, on which
# neighbours attract each other, by sums over pairs that nearest() lists, and all points repel.
#
#     Rscript tsne.R [number of points, 5000 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

n <- problem_size(5000)
set.seed(1)
class <- sample(10, n, replace = TRUE)
x <- matrix(rnorm(200, sd = 2), 10)[class, ] + matrix(rnorm(20 * n), n)

# Weights exp(-b_i d_ij^2) whose rows have the perplexity 30, by bisection for log(b).
near <- nearest(x, k = 90)
scaled <- near$distance^2 - near$distance[, 1]^2
low <- rep(-20, n)
high <- -low
for (step in 1:50) {
  p <- exp(-exp((low + high) / 2) * scaled)
  p <- p / rowSums(p)
  is_wide <- -rowSums(p * log(p + 1e-300)) > log(30)
  low <- ifelse(is_wide, (low + high) / 2, low)
  high <- ifelse(is_wide, high, (low + high) / 2)
}
attraction <- list_pairs(near, weights = p / n)
loss <- function(y) {
  t <- 1 + sqdist(Vi(y), Vj(y))
  exaggeration * sum(sum(log(t), pairs = attraction)) + log(sum(rowSums(1 / t)) - n)
}
y <- velocity <- matrix(rnorm(2 * n, sd = 1e-2), n)
seconds <- elapsed(for (step in 1:300) {
  exaggeration <- if (step <= 100) 12 else 1
  velocity <- (if (step <= 100) 0.5 else 0.8) * velocity - n / 4 * gradient(loss, y)
  y <- y + velocity
})
report(sprintf("t-SNE of %g points, 300 steps, %.0f ms for one", n, seconds / 0.3), seconds)
cat("  neighbours of the same class:", mean(class[nearest(y, k = 1)$index] == class), "\n")
z <- matrix(rnorm(2 * n), n)
check_gradient(loss, z, gradient(loss, z))
