# The 10 nearest neighbours of each of n points among n others, in R^3.
#
#     Rscript neighbours.R [number of points, 1e5 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))
rkeops_use_float32() # the precision of the talk

n <- problem_size(1e5)
K <- 10
set.seed(1)
x <- matrix(runif(3 * n), ncol = 3)
y <- matrix(runif(3 * n), ncol = 3)

seconds <- elapsed(nearest <- argKmin(sqdist(Vi(x), Vj(y)), K, index = "j"))
report(sprintf("%d nearest neighbours, %g x %g points in R^3", K, n, n), seconds, 12)

# Positions may differ where two points are equally far up to rounding: distances are compared.
some <- sample(n, 20)
distances <- squared_distances(x[some, ], y)
check_against_r(matrix(distances[cbind(seq_along(some), c(nearest[some, ]))], ncol = K),
                t(apply(distances, 1, function(d) sort(d)[seq_len(K)])), tolerance = 1e-4)
