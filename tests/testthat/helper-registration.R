# Registration of a sphere of about n vertices by ten Ralston steps from momenta p: the loss as a function
# of R, and its value and gradient with all adjoints written by hand. bench/methods.R has it from here.

registration <- function(n) {
  shared <- new.env()
  sys.source(system.file("examples", "common.R", package = "rkeops"), shared)
  sphere <- shared$triangulated_sphere(n)
  start <- sphere$vertices
  corners <- sphere$triangles
  cross <- shared$cross_product
  args <- c("x = Vi(3)", "y = Vj(3)", "a = Vi(3)", "b = Vj(3)")
  hamilton <- keops_kernel("k = Exp(-4 * SqDist(x, y)); Sum_Reduction(k * b, j),
                            Sum_Reduction(Grad(-k * (a|b), x, 1), j)", args)
  flow <- function(s) stats::setNames(hamilton(list(s$q, s$q, s$p, s$p)), c("q", "p"))
  move <- function(s, by, h) Map(function(x, slope) x + h * slope, s, by)
  ralston <- function(s) {
    first <- flow(s)
    move(move(s, first, 0.1 / 4), flow(move(s, first, 0.1 * 2 / 3)), 0.1 * 3 / 4)
  }
  energy <- keops_kernel("Sum_Reduction(Exp(-4 * SqDist(x, y)) * (a|b), j)", args)
  product <- keops_kernel("Sum_Reduction(Exp(-6.25 * SqDist(x, y)) * Square(a|b) * s * t, j)",
                          c(args, "s = Vi(1)", "t = Vj(1)"))
  pieces <- function(q) {
    corner <- lapply(1:3, function(k) q[corners[, k], ])
    normal <- cross(corner[[2]] - corner[[1]], corner[[3]] - corner[[1]]) / 2
    area <- sqrt(rowSums(normal^2))
    list(centre = Reduce(`+`, corner) / 3, normal = normal / area, area = area)
  }
  inputs <- function(s, t) list(s$centre, t$centre, s$normal, t$normal, s$area, t$area)
  goal <- pieces(start * (1.1 + 0.3 * start[, 3] + 0.4 * start[, 1] * start[, 2]))
  own <- sum(product(inputs(goal, goal)))
  distance <- function(q) {
    s <- pieces(q)
    sum(product(inputs(s, s))) - 2 * sum(product(inputs(s, goal))) + own
  }
  loss <- function(p, run = run_steps)
    0.05 * sum(energy(list(start, start, p, p))) + distance(run(ralston, list(q = start, p = p), 10)$q)

  # Of e, the cotangent of what pieces() gives, that of the vertices.
  pieces_adjoint <- function(q, s, centre, normal, area) {
    corner <- lapply(1:3, function(k) q[corners[, k], ])
    long <- (normal - rowSums(normal * s$normal) * s$normal) / s$area + area * s$normal
    u <- corner[[2]] - corner[[1]]
    v <- corner[[3]] - corner[[1]]
    by_u <- cross(v, long) / 2
    by_v <- cross(long, u) / 2
    third <- centre / 3
    rowsum(rbind(third - by_u - by_v, third + by_u, third + by_v), c(corners))
  }
  by_all <- lapply(0:5, function(k) keops_grad(product, k))
  distance_adjoint <- function(q) {
    s <- pieces(q)
    one <- rep(1, length(s$area))
    by <- function(k, t) by_all[[k]](c(inputs(s, t), list(one)))
    both <- function(k) 2 * by(k, s) - 2 * by(k, goal) # the product is symmetric
    pieces_adjoint(q, s, both(1), both(3), c(both(5)))
  }
  # <e, flow(s)> has the gradient Hess H (-e_p, e_q): one sum, as kernel and pairs are symmetric.
  hessian <- keops_kernel(
    "D = x - y; k = Exp(-4 * SqNorm2(D)); w = dx - dy; l = -8 * (D|w) * k; m = (a|b);
     Sum_Reduction(l * b + k * db, j),
     Sum_Reduction(-8 * (k * m * w + (l * m + k * ((da|b) + (a|db))) * D), j)",
    c(args, "dx = Vi(3)", "dy = Vj(3)", "da = Vi(3)", "db = Vj(3)"))
  flow_adjoint <- function(s, e) {
    out <- hessian(list(s$q, s$q, s$p, s$p, -e$p, -e$p, e$q, e$q))
    list(q = out[[2]], p = out[[1]])
  }
  ralston_adjoint <- function(s, e) {
    middle <- move(s, flow(s), 0.1 * 2 / 3)
    by_middle <- flow_adjoint(middle, lapply(e, `*`, 0.1 * 3 / 4))
    by_first <- move(lapply(e, `*`, 0.1 / 4), by_middle, 0.1 * 2 / 3)
    Map(function(a, b, c) a + b + c, e, by_middle, flow_adjoint(s, by_first))
  }
  by_hand <- function(p) {
    states <- Reduce(function(s, k) ralston(s), 1:10, list(q = start, p = p), accumulate = TRUE)
    end <- states[[11]]$q
    e <- list(q = distance_adjoint(end), p = 0 * p)
    for (k in 10:1) e <- ralston_adjoint(states[[k]], e)
    v <- flow(states[[1]])$q
    list(value = 0.05 * sum(p * v) + distance(end), gradient = e$p + 0.1 * v)
  }
  list(start = start, loss = loss, by_hand = by_hand)
}
