# Iterative solvers for several right-hand sides at once, the columns of b, from x = 0.
#
# `product(p)` gives a function of matrices of p columns, the product with them. All columns meet the
# pairs in one walk, each has steps of its own, and stands still when it is done: its residual is at most
# `target`, a number for each column. When a quarter of the columns is left, the products are of as many
# only: other numbers of columns are other kernels. Each solver gives list(x, steps, ...), steps by column.

column_norms <- function(x) sqrt(colSums(x^2))

times_columns <- function(x, by) x * rep(by, each = nrow(x))

# Numbers of columns, `open` of which go on: which ones to keep, NULL for all.
columns_to_keep <- function(open) {
  p <- length(open)
  if (sum(open) > p / 4) return(NULL)
  sort(order(!open)[seq_len(max(sum(open), p %/% 4L))])
}

# x / y where open, else 0.
ratio_where <- function(open, x, y) recorded_choice(open, x, 0 * open) / recorded_choice(open, y, 1 + 0 * open)

# Conjugate gradients, for a symmetric positive definite matrix. `in_energy`: sizes of residuals r are
# sqrt(r' P^-1 r), which estimates that of what the solution is off by, e, as sqrt(e' A e). `negative`: a
# direction with no or negative curvature that was met, which ends it; NaN where products are no numbers.
# `sizes`: of the residuals at the end, as the recurrence has them.
conjugate_gradients <- function(product, precondition, b, target, limit, in_energy = FALSE) {
  x <- 0 * b
  steps <- integer(ncol(b))
  at <- seq_len(ncol(b))
  size_of <- function(residual, slope) if (in_energy) sqrt(slope) else column_norms(residual)
  multiply <- product(length(at))
  residual <- b
  solution <- x
  direction <- z <- precondition(residual)
  slope <- colSums(residual * z)
  sizes <- size_of(residual, slope)
  open <- sizes > target
  for (step in seq_len(limit)) {
    if (!any(open)) break
    image <- multiply(direction)
    curvature <- colSums(direction * image)
    bad <- which(open & !(curvature > 0))
    if (length(bad)) {
      x[, at] <- solution
      return(list(x = x, steps = steps, sizes = sizes, negative = direction[, bad[1L]],
                  curvature = curvature[bad[1L]]))
    }
    by <- ratio_where(open, slope, curvature)
    solution <- solution + times_columns(direction, by)
    residual <- residual - times_columns(image, by)
    steps[at[open]] <- step
    z <- precondition(residual)
    before <- slope
    slope <- colSums(residual * z)
    sizes[at] <- size_of(residual, slope)
    open <- open & sizes[at] > target[at]
    kept <- columns_to_keep(open)
    if (!is.null(kept)) {
      x[, at] <- solution
      if (!any(open)) break
      for (name in c("solution", "residual", "direction", "z"))
        assign(name, get(name)[, kept, drop = FALSE])
      at <- at[kept]
      open <- open[kept]
      slope <- slope[kept]
      before <- before[kept]
      multiply <- product(length(at))
    }
    direction <- z + times_columns(direction, ratio_where(open, slope, before))
  }
  x[, at] <- solution
  list(x = x, steps = steps, sizes = sizes)
}

# MINRES (Paige and Saunders, 1975), for a symmetric matrix that may be indefinite.
minimal_residuals <- function(product, b, target, limit) {
  p <- ncol(b)
  multiply <- product(p)
  steps <- integer(p)
  x <- v_before <- w <- w_before <- 0 * b
  v <- b
  beta <- eta <- column_norms(b)
  beta_before <- rep(1, p)
  cosine <- cosine_before <- rep(1, p)
  sine <- sine_before <- numeric(p)
  open <- beta > target
  for (step in seq_len(limit)) {
    if (!any(open)) break
    unit <- times_columns(v, ratio_where(open, rep(1, p), beta))
    image <- multiply(unit)
    delta <- colSums(image * unit)
    new <- image - times_columns(v, ratio_where(open, delta, beta)) -
      times_columns(v_before, ratio_where(open, beta, beta_before))
    beta_new <- column_norms(new)
    first <- cosine * delta - cosine_before * sine * beta
    size <- sqrt(first^2 + beta_new^2)
    second <- sine * delta + cosine_before * cosine * beta
    third <- sine_before * beta
    cosine_before <- cosine
    sine_before <- sine
    cosine <- ratio_where(open, first, size)
    sine <- ratio_where(open, beta_new, size)
    w_new <- times_columns(unit - times_columns(w_before, third) - times_columns(w, second),
                           ratio_where(open, rep(1, p), size))
    w_before <- w
    w <- w_new
    x <- x + times_columns(w, cosine * eta)
    eta <- -sine * eta
    v_before <- v
    v <- new
    beta_before <- beta
    beta <- beta_new
    steps[open] <- step
    open <- open & abs(eta) > target & is.finite(eta)
  }
  list(x = x, steps = steps)
}

# LSQR (Paige and Saunders, 1982), for least squares with any matrix; `transposed(p)` is for products with
# its transpose. It ends where residuals r are at most `target`, or A' r at most `tol` times A' b in size.
least_squares <- function(product, transposed, b, target, tol, limit) {
  p <- ncol(b)
  multiply <- product(p)
  multiply_transposed <- transposed(p)
  steps <- integer(p)
  unit <- function(x, size) times_columns(x, ratio_where(size > 0, rep(1, p), size))
  beta <- column_norms(b)
  u <- unit(b, beta)
  v <- multiply_transposed(u)
  alpha <- column_norms(v)
  v <- unit(v, alpha)
  w <- v
  x <- 0 * v
  phi <- beta
  rho <- alpha
  small <- tol * phi * alpha # of A' b
  open <- phi > target & alpha > 0
  for (step in seq_len(limit)) {
    if (!any(open)) break
    u <- multiply(v) - times_columns(u, alpha)
    beta <- column_norms(u)
    u <- unit(u, beta)
    v <- multiply_transposed(u) - times_columns(v, beta)
    alpha <- column_norms(v)
    v <- unit(v, alpha)
    size <- sqrt(rho^2 + beta^2)
    cosine <- ratio_where(open, rho, size)
    sine <- ratio_where(open, beta, size)
    x <- x + times_columns(w, ratio_where(open, cosine * phi, size))
    w <- v - times_columns(w, ratio_where(open, sine * alpha, size))
    rho <- -cosine * alpha
    phi <- sine * phi
    steps[open] <- step
    # |A' r| is phi alpha |cosine|
    open <- open & phi > target & phi * alpha * abs(cosine) > small
  }
  list(x = x, steps = steps)
}
