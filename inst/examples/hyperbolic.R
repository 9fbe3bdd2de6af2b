# Hyperbolic embedding of a tree in the Poincare disc (Nickel and Kiela, 2017): parents and children
# are to be nearer than all other nodes. Riemannian steps; the tree grows by levels, and children
# begin near their parent.
#
#     Rscript hyperbolic.R [number of nodes, 2000 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

set.seed(1)
n <- problem_size(2000)
parent <- (seq_len(n) + 1) %/% 3                       # every node has three children
room <- function(x) 1 - rowSums(x^2)
acosh_1 <- function(t) log(1 + t + sqrt(t * (t + 2)))  # of 1 + t
loss <- function(x) {
  child <- 2:nrow(x)
  nodes <- matrix(c(1, child))
  t_ij <- 2 * sqdist(Vi(x), Vj(x)) * Vi(1 / room(x)) * Vj(1 / room(x))
  all <- logsumexp(where(Vi(nodes) != Vj(nodes), -acosh_1(t_ij) / 0.3, -Inf), "j")
  up <- parent[child]
  t <- 2 * rowSums((x[child, ] - x[up, ])^2) / (room(x[child, ]) * room(x[up, ]))
  mean(2 * acosh_1(t) / 0.3 + all[child, ] + all[up, ])
}
travel <- function(x, v) {                             # from x, along a geodesic
  size <- sqrt(rowSums(v^2)) + 1e-15
  y <- v * tanh(size / room(x)) / size
  xy <- 1 + 2 * rowSums(x * y)
  ((xy + rowSums(y^2)) * x + room(x) * y) / (xy + rowSums(x^2) * rowSums(y^2))
}
x <- matrix(0, 1, 2)
seconds <- elapsed(for (size in unique(pmin(n, cumsum(3^(0:7))[-1]))) {
  near <- x[parent[(nrow(x) + 1):size], , drop = FALSE]
  x <- rbind(x, travel(near, 0.3 * room(near) * matrix(rnorm(length(near)), ncol = 2)))
  for (step in 1:40) {                                 # of length 1/2 at most
    v <- -gradient(loss, x) * room(x)^2 * size / 25
    x <- travel(x, v * pmin(1, room(x) / 4 / sqrt(rowSums(v^2))))
  }
})
report(sprintf("Hyperbolic embedding of a tree of %g nodes, loss %.3f", n, loss(x)), seconds)
check_gradient(loss, x[1:100, ], gradient(loss, x[1:100, ]), step = 1e-5)
