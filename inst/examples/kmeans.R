# k-means: 50 clusters of points in R^2, ten steps of Lloyd's algorithm.
#
#     Rscript kmeans.R [number of points, 1e5 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))
rkeops_use_float32() # the precision of the talk

n <- problem_size(1e5)
K <- 50
steps <- 10
set.seed(1)
centres <- matrix(rnorm(2 * K, sd = 4), ncol = 2)
x <- centres[sample(K, n, replace = TRUE), ] + matrix(rnorm(2 * n), ncol = 2)

nearest_mean <- function(x, means) argmin(sqdist(Vi(x), Vj(means)), index = "j")[, 1]

# A cluster that lost all its points keeps its mean.
updated <- function(means, x, cluster) {
  sums <- rowsum(cbind(x, 1), cluster)
  means[as.integer(rownames(sums)), ] <- sums[, 1:2] / sums[, 3]
  means
}

means <- x[sample(n, K), ]
seconds <- elapsed(for (step in seq_len(steps)) {
  cluster <- nearest_mean(x, means)
  used <- means
  means <- updated(means, x, cluster)
})
report(sprintf("%d-means of %g points in R^2, %d steps", K, n, steps), seconds, 2.2)

# Positions may differ where two means are equally far up to rounding: distances are compared.
some <- sample(n, min(n, 1000))
distances <- squared_distances(x[some, ], used)
check_against_r(distances[cbind(seq_along(some), cluster[some])],
                distances[cbind(seq_along(some), max.col(-distances, "first"))], tolerance = 1e-5)
