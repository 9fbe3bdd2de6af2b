# Registration of surfaces (LDDMM): momenta p deform a sphere to another surface by geodesic
# shooting, ten Ralston steps of Hamilton's equations; L-BFGS finds them. A varifold distance says
# how far the surfaces are: nobody says which vertex goes where.
#
#     Rscript registration.R [number of vertices, 642 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

sphere <- triangulated_sphere(problem_size(642))
start <- sphere$vertices
kernel <- function(x, y, width) exp(-sqdist(Vi(x), Vj(y)) / width^2)
energy <- function(q, p) sum(p * (kernel(q, q, 0.5) %*% p)) / 2
by_p_and_q <- keops_kernel("k = Exp(-4 * SqDist(x, y)); Sum_Reduction(k * b, j),
                            Sum_Reduction(Grad(-k * (a|b), x, 1), j)",
                           c("x = Vi(3)", "y = Vj(3)", "a = Vi(3)", "b = Vj(3)"))
hamilton <- function(s) stats::setNames(by_p_and_q(list(s$q, s$q, s$p, s$p)), c("q", "p"))
move <- function(s, by, h) Map(function(x, slope) x + h * slope, s, by)
ralston <- function(s) {
  by <- hamilton(s)
  move(move(s, by, 0.1 / 4), hamilton(move(s, by, 0.1 * 2 / 3)), 0.1 * 3 / 4)
}
surface <- function(q) {
  corner <- lapply(1:3, function(k) q[sphere$triangles[, k], ])
  normal <- cross_product(corner[[2]] - corner[[1]], corner[[3]] - corner[[1]])
  list(centre = Reduce(`+`, corner) / 3, normal = normal, area = sqrt(rowSums(normal^2)))
}
product <- function(s, t) {
  angle <- sum(Vi(s$normal / s$area) * Vj(t$normal / t$area))
  sum(s$area * ((kernel(s$centre, t$centre, 0.4) * angle^2) %*% t$area))
}
goal <- surface(start * (1.1 + 0.3 * start[, 3] + 0.4 * start[, 1] * start[, 2]))
own <- product(goal, goal)
distance <- function(s) product(s, s) - 2 * product(s, goal) + own
loss <- function(p)
  0.1 * energy(start, p) + distance(surface(run_steps(ralston, list(q = start, p = p), 10)$q))
o <- make_objective(loss, 0 * start)
seconds <- elapsed(fit <- optim(o$par, o$fn, o$gr, method = "L-BFGS-B", control = list(maxit = 10)))
report(sprintf("Registration of %d vertices, %d gradients", nrow(start), fit$counts[[2]]), seconds)
check_gradient(loss, start / 20, gradient(loss, start / 20))
