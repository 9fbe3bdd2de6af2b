# Sinkhorn divergence of two clouds of points, and the flow that it makes: ten gradient steps move
# one cloud to the other. The gradient goes through the steps of Sinkhorn's algorithm.
#
#     Rscript sinkhorn.R [number of points of each cloud, 1000 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

n <- problem_size(1000)
eps <- 0.05
set.seed(1)
x <- matrix(rnorm(2 * n, sd = 0.3), ncol = 2)
angle <- runif(n, 0, 2 * pi)
y <- cbind(cos(angle), sin(angle)) * runif(n, 0.8, 1.2) + 1

softmin <- function(x, y, g)
  eps * log(nrow(y)) - eps * logsumexp((Vj(g) - sqdist(Vi(x), Vj(y)) / 2) / eps, "j")

transport_cost <- function(x, y) {
  mend <- function(s) list(f = (s$f + softmin(x, y, s$g)) / 2, g = (s$g + softmin(y, x, s$f)) / 2)
  end <- run_steps(mend, list(f = matrix(0, nrow(x)), g = matrix(0, nrow(y))), 20)
  mean(end$f) + mean(end$g)
}
divergence <- function(x)
  transport_cost(x, y) - (transport_cost(x, x) + transport_cost(y, y)) / 2

moved <- x
seconds <- elapsed(for (step in 1:10) moved <- moved - 0.8 * n * gradient(divergence, moved))
report(sprintf("Flow of the Sinkhorn divergence, %g points, 10 gradients", n), seconds)
cat(sprintf("  divergence %.4f, afterwards %.4f\n", divergence(x), divergence(moved)))

few <- seq_len(50)
y <- y[few, ]
check_gradient(divergence, x[few, ], gradient(divergence, x[few, ]))
found <- divergence(x[few, ])
softmin <- function(x, y, g)
  -eps * log(colMeans(exp((c(g) - squared_distances(y, x) / 2) / eps)))
check_against_r(found, divergence(x[few, ]), tolerance = 1e-10)
