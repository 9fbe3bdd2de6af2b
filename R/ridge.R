# Solvers of kernel ridge regression, see kernel_ridge.R.
#
# A problem is a list of
#   x, y      points and responses, matrices with a row each; `w`, a weight for each
#   kernel    with all parameters set
#   trend     columns that are not penalised: ones, polynomials or none
#   points    landmarks, a matrix, or NULL
#   plate     of a thin plate spline what makes a positive definite kernel of it, see plate_of()
#
# A model is f(x) = sum_j k(x, z_j) a_j + trend(x) b, with landmarks or all rows as z. It minimises
# sum_i w_i (y_i - f(x_i))^2 + ridge a' K a. With all rows, (K + ridge W^-1) a + trend b = y and trend' a = 0.
# Solvers give list(alpha, beta, fitted, df, loo, residual, iterations): matrices with a column for each
# response; `loo`, responses minus predictions by a fit without the row, and `df` are NULL where they would
# take longer than the fit.

ridge_problem <- function(x, y, w, kernel, points, intercept) {
  problem <- list(x = x, y = y, w = w, kernel = kernel, points = points)
  problem$plate <- plate_of(kernel, x, if (is.null(points)) x else points)
  problem$intercept <- intercept
  problem$trend <- trend_at(problem, x)
  problem
}

# The columns that are not penalised, at rows of x; of a problem or a model.
trend_at <- function(problem, x) {
  if (!is.null(problem$plate)) return(plate_polynomials(problem$plate, x))
  count <- if (problem$intercept) 1L else 0L
  matrix(1, nrow(x), count, dimnames = list(NULL, rep("(Intercept)", count)))
}

# ---- thin plates -------------------------------------------------------------------------------------

# Of the kernel k and polynomials p_1, ..., p_q of degree below its order, each 1 at one of q anchors and 0
# at the others, k(x, y) - sum p_j(x) k(z_j, y) - sum k(x, z_j) p_j(y) + sum p_j(x) (k(z_j, z_l) + s d_jl)
# p_l(y) is positive definite, and has the same splines as k where polynomials are not penalised.
# list(node, order, units, exponents, anchors, H, inverse); NULL for other kernels.
plate_of <- function(kernel, x, points) {
  node <- if (kernel$type == "scale") kernel$parts[[1L]] else kernel
  if (node$type != "thin_plate") {
    if ("thin_plate" %in% types_of_leaves(kernel))
      throw("argument", "`kernel` is a thin plate spline with other kernels: expected it alone, or times a ",
            "number")
    return(NULL)
  }
  own <- prepared_points(node, x)
  plate <- list(node = node, units = units_of(own), order = order_of_thin_plate(node, ncol(own)))
  plate$exponents <- exponents_below(plate$order, ncol(own), nrow(x))
  P <- plate_polynomials(plate, x)
  if (qr(P)$rank < ncol(P))
    throw("argument", "polynomials of degree below ", plate$order, " are not determined by the rows: ",
          "expected other variables or a smaller `order` of kernel_thin_plate()")
  candidates <- unique(round(seq(1, nrow(points), length.out = min(nrow(points), 2000L))))
  P <- plate_polynomials(plate, points[candidates, , drop = FALSE])
  at <- if (nrow(P) >= ncol(P)) qr(t(P), LAPACK = TRUE)$pivot[seq_len(ncol(P))]
  if (is.null(at) || qr(P[at, , drop = FALSE])$rank < ncol(P))
    throw("argument", "the landmarks do not determine polynomials of degree below ", plate$order,
          ": expected more landmarks")
  plate$at <- candidates[at]
  plate$anchors <- points[plate$at, , drop = FALSE]
  plate$inverse <- base::solve(P[at, , drop = FALSE])
  plate$H <- dense_linear(as_linear(kernel_tensor(kernel, plate$anchors)))
  with_size_of_plate(plate, kernel, points[candidates, , drop = FALSE])
}

# Of all monomials of degree below m: a row of exponents each.
exponents_below <- function(m, D, n) {
  count <- choose(D + m - 1L, D)
  if (count > min(n, 1000))
    throw("argument", "a thin plate spline of order ", m, " of ", counted(D, "variable"), " has ", count,
          " polynomials and there are ", counted(n, "row"), ": expected more rows, or another kernel")
  all <- as.matrix(expand.grid(rep(list(seq_len(m) - 1L), D)))
  all <- all[rowSums(all) < m, , drop = FALSE]
  unname(all[order(rowSums(all)), , drop = FALSE])
}

plate_polynomials <- function(plate, x) {
  own <- prepared_points(plate$node, x)
  names <- colnames(own)
  if (is.null(names)) names <- paste0("x", seq_len(ncol(own)))
  u <- in_units(own, plate$units)
  out <- matrix(1, nrow(x), nrow(plate$exponents))
  label <- character(nrow(plate$exponents))
  for (k in seq_along(label)) {
    e <- plate$exponents[k, ]
    for (j in which(e > 0)) out[, k] <- out[, k] * u[, j]^e[j]
    text <- paste0(names, ifelse(e > 1, paste0("^", e), ""))[e > 0]
    label[k] <- if (any(e > 0)) paste(text, collapse = ":") else "(Intercept)"
  }
  colnames(out) <- label
  out
}

# The size s of the polynomials beside the rest.
with_size_of_plate <- function(plate, kernel, points) {
  plate$half <- plate$H / 2
  values <- plate_values(plate, kernel, points)
  size <- mean(abs(2 * rowSums(values$P * values$G)))
  plate$size <- if (is.finite(size) && size > 0) size else 1
  plate$half <- (plate$H + diag(plate$size, nrow(plate$H))) / 2
  plate
}

plate_values <- function(plate, kernel, x) {
  P <- plate_polynomials(plate, x) %*% plate$inverse
  list(P = P, G = dense_linear(as_linear(kernel_tensor(kernel, x, plate$anchors))) - P %*% plate$half)
}

# The LazyTensor of a positive definite kernel.
definite_tensor <- function(problem, x, y = NULL) {
  K <- kernel_tensor(problem$kernel, x, y)
  if (is.null(problem$plate)) return(K)
  a <- plate_values(problem$plate, problem$kernel, x)
  b <- if (is.null(y)) a else plate_values(problem$plate, problem$kernel, y)
  K - (Vi(unname(cbind(a$P, a$G))) | Vj(unname(cbind(b$G, b$P))))
}

# ---- the trend ---------------------------------------------------------------------------------------

qr_of_trend <- function(trend) if (ncol(trend)) qr(trend)

# An orthonormal basis of the columns.
basis_of_trend <- function(trend) if (ncol(trend)) qr.Q(qr(trend)) else trend

without_trend <- function(v, basis) if (ncol(basis)) v - basis %*% crossprod(basis, v) else v

# Coordinates beside the trend: q fewer rows.
beside_trend <- function(decomposed, v) {
  if (is.null(decomposed)) return(v)
  qr.qty(decomposed, v)[-seq_len(decomposed$rank), , drop = FALSE]
}

# The trend's part b of values that it explains but for rounding, or best.
trend_coefficients <- function(problem, values) {
  if (!ncol(problem$trend)) return(matrix(0, 0L, ncol(values)))
  root <- sqrt(problem$w)
  out <- as.matrix(qr.coef(qr(problem$trend * root), values * root))
  dimnames(out) <- NULL
  out
}

# ---- all rows, dense ---------------------------------------------------------------------------------

# A function of the ridge. In coordinates beside the trend the matrix is symmetric and positive definite.
dense_ridge <- function(problem) {
  n <- nrow(problem$x)
  root <- sqrt(problem$w)
  decomposed <- qr_of_trend(problem$trend * root)
  q <- ncol(problem$trend)
  K <- dense_linear(as_linear(kernel_tensor(problem$kernel, problem$x)))
  inner <- beside_trend(decomposed, t(beside_trend(decomposed, K * tcrossprod(root))))
  right <- beside_trend(decomposed, problem$y * root)
  function(ridge) {
    if (n == q) return(fit_of_trend(problem))
    R <- factor_of_ridge(inner, ridge, problem$x)
    B <- dense_solve_triangular(R, diag(1, n - q))
    B <- if (is.null(decomposed)) B else qr.qy(decomposed, rbind(matrix(0, q, n - q), B))
    solved <- dense_solve_triangular(R, dense_solve_triangular(R, right, transpose = TRUE))
    off <- right - dense_product(inner, solved) - ridge * solved
    solved <- solved + dense_solve_triangular(R, dense_solve_triangular(R, off, transpose = TRUE))
    alpha <- if (is.null(decomposed)) solved else qr.qy(decomposed, rbind(matrix(0, q, ncol(right)), solved))
    inverse <- rowSums(B^2)
    of_kernel <- dense_product(K, root * alpha)
    beta <- trend_coefficients(problem, problem$y - ridge / root * alpha - of_kernel)
    list(alpha = root * alpha, beta = beta, fitted = of_kernel + problem$trend %*% beta,
         df = n - ridge * sum(inverse), loo = alpha / inverse / root,
         residual = relative_sizes(right - dense_product(inner, solved) - ridge * solved, right),
         iterations = rep(0L, ncol(right)))
  }
}

# As many columns of the trend as rows.
fit_of_trend <- function(problem) {
  beta <- trend_coefficients(problem, problem$y)
  list(alpha = 0 * problem$y, beta = beta, fitted = problem$trend %*% beta, df = nrow(problem$x),
       loo = NaN * problem$y, residual = rep(0, ncol(problem$y)), iterations = rep(0L, ncol(problem$y)))
}

relative_sizes <- function(residual, b) {
  size <- column_norms(b)
  column_norms(residual) / base::ifelse(size > 0, size, 1)
}

factor_of_ridge <- function(inner, ridge, x) {
  check_finite_kernel(inner)
  diag(inner) <- diag(inner) + ridge
  tryCatch(dense_cholesky(inner), rkeops_error_argument = function(e) refuse_singular_system(x))
}

# Of entries of the kernel, or of sums of them.
check_finite_kernel <- function(values) {
  if (!is.finite(sum(values)) && !all(is.finite(values)))
    throw("argument", "`kernel` has values that are not finite: expected finite ones at all rows")
}

refuse_singular_system <- function(x) {
  equal <- which(duplicated(x))
  throw("argument", "`ridge` is too small: the matrix of the kernel is singular",
        if (length(equal)) paste0(", as rows ", match_of_row(x, equal[1L]), " and ", equal[1L], " are equal"),
        ": expected a larger `ridge`")
}

match_of_row <- function(x, k) which(colSums(t(x) != x[k, ]) == 0)[1L]

# ---- all rows, iterative -----------------------------------------------------------------------------

# Conjugate gradients beside the trend, with the preconditioner of solve() restricted to that.
iterative_ridge <- function(problem, ridge, given) {
  p <- ncol(problem$y)
  a <- add_ridge(definite_tensor(problem, problem$x), ridge / problem$w)
  basis <- basis_of_trend(problem$trend)
  preconditioner <- preconditioner_of(a, "auto", given$tol, p)
  apply <- beside_constraint(preconditioner$apply, basis)
  step_with <- function(product) function(residual, target, limit) {
    out <- conjugate_gradients(product, apply, residual, target, limit)
    if (!is.null(out$negative)) refuse_singular_system(problem$x)
    out
  }
  beside <- function(precision) {
    multiply <- multiplier_of_columns(a, precision)
    function(p) {
      of_columns <- multiply(p)
      function(v) without_trend(of_columns(v), basis)
    }
  }
  precise <- beside("float64")
  right <- without_trend(problem$y, basis)
  multiply <- precise(p)
  out <- refined(0 * right, right, function(x) right - multiply(x), given, step_with(precise),
                 if (is_single_enough(a, preconditioner)) step_with(beside("float32")))
  of_kernel <- multiplier(as_linear(kernel_tensor(problem$kernel, problem$x)), p, "float64")(out$value)
  beta <- trend_coefficients(problem, problem$y - ridge / problem$w * out$value - of_kernel)
  list(alpha = out$value, beta = beta, fitted = of_kernel + problem$trend %*% beta, residual = out$residual,
       iterations = out$iterations, preconditioner = preconditioner$rank)
}

# P^-1 of the vectors that are orthogonal to the basis: P^-1 - P^-1 Q (Q' P^-1 Q)^-1 Q' P^-1.
beside_constraint <- function(apply, basis) {
  if (!ncol(basis)) return(apply)
  G <- apply(basis)
  inner <- crossprod(basis, G)
  R <- base::chol((inner + t(inner)) / 2)
  function(r) {
    z <- apply(r)
    z - G %*% backsolve(R, backsolve(R, crossprod(basis, z), transpose = TRUE))
  }
}

# ---- landmarks ---------------------------------------------------------------------------------------

# The Cholesky factor of K at the landmarks.
factor_of_landmarks <- function(problem) {
  K <- dense_linear(as_linear(definite_tensor(problem, problem$points)))
  check_finite_kernel(K)
  factor_with_jitter(K, 1e-14)
}

# Of K and a multiple of the unit matrix, as small as it can be.
factor_with_jitter <- function(K, jitter) {
  size <- mean(diag(K))
  for (jitter in jitter * 30^(0:5)) {
    shifted <- K
    diag(shifted) <- diag(K) + jitter * size
    R <- tryCatch(dense_cholesky(shifted), rkeops_error_argument = function(e) NULL)
    if (!is.null(R)) return(R)
  }
  throw("argument", "`kernel` is not positive definite at the landmarks: expected a covariance function")
}

# Of all entries, as least squares in coordinates where the penalty is a sum of squares. A function of the
# ridge.
dense_landmarks <- function(problem) {
  root <- sqrt(problem$w)
  basis <- basis_of_trend(problem$trend * root)
  R <- factor_of_landmarks(problem)
  V <- columns_of_landmarks(problem, R, problem$x, root)
  of_basis <- dense_product(V, basis)
  if (ncol(basis)) V <- V - tcrossprod(of_basis, basis)
  inner <- dense_tcrossprod(V)
  y <- problem$y * root
  right <- dense_product(V, without_trend(y, basis))
  function(ridge) {
    of_ridge <- factor_of_ridge(inner, ridge, problem$points)
    b <- dense_solve_triangular(of_ridge, dense_solve_triangular(of_ridge, right, transpose = TRUE))
    beside_basis <- dense_crossprod(V, b)
    fitted <- beside_basis + (y - without_trend(y, basis))
    leverage <- colSums(dense_solve_triangular(of_ridge, V, transpose = TRUE)^2) + rowSums(basis^2)
    out <- list(alpha = dense_solve_triangular(R, b), fitted = fitted / root, df = sum(leverage),
                loo = (y - fitted) / (1 - leverage) / root,
                residual = relative_sizes(right - dense_product(inner, b) - ridge * b, right),
                iterations = rep(0L, ncol(y)))
    if (!is.null(problem$plate)) return(with_trend(out, problem))
    of_kernel <- beside_basis + basis %*% crossprod(of_basis, b)
    out$beta <- trend_coefficients(problem, (fitted - of_kernel) / root)
    out
  }
}

# R^-T times the kernel between landmarks and rows of x, a column for each row, times its `root`.
columns_of_landmarks <- function(problem, R, x, root) {
  K <- definite_tensor(problem, problem$points, x)
  if (any(root != 1)) K <- K * Vj(root)
  dense_solve_triangular(R, dense_linear(as_linear(K)), transpose = TRUE)
}

# Least squares in coordinates v = R a with R' R = K at the landmarks, where the penalty is ridge v' v, and the
# preconditioner works down to the smallest eigenvalues of smooth kernels. A step is two walks, from rows to
# landmarks and back. What is off in v is measured by what fitted values are off for it, beside what these leave
# of the responses: residuals of the normal equations have the square of a large condition number in them.
iterative_landmarks <- function(problem, ridge, given) {
  p <- ncol(problem$y)
  root <- sqrt(problem$w)
  basis <- basis_of_trend(problem$trend * root)
  weighted <- function(u) root * without_trend(root * u, basis)
  R <- factor_of_landmarks(problem)
  K <- as_linear(definite_tensor(problem, problem$x, problem$points))
  walks <- lapply(c(float64 = "float64", float32 = "float32"), function(name)
    list(to = multiplier_of_columns(K, name), back = multiplier_of_columns(t(K), name)))
  to_rows <- function(walk, v) walk$to(ncol(v))(dense_solve_triangular(R, v))
  to_landmarks <- function(walk, u)
    dense_solve_triangular(R, walk$back(ncol(u))(weighted(u)), transpose = TRUE)
  step_with <- function(walk) function(residual, target, limit)
    conjugate_gradients(function(p) function(v) to_landmarks(walk, to_rows(walk, v)) + ridge * v,
                        first$apply, residual, target, limit, in_energy = TRUE)
  fitted <- NULL
  residual_at <- function(v) {
    fitted <<- list(v = v, u = to_rows(walks$float64, v))
    to_landmarks(walks$float64, problem$y - fitted$u) - ridge * v
  }
  first <- landmark_preconditioner(problem, R, ridge, given)
  is_single <- is_single_enough_at(problem, R, ridge)
  is_loose <- given$tol >= 1e-4 && !is_single # so that rounding does not matter
  residual <- residual_at(first$start)
  left <- column_norms(without_trend(root * (problem$y - fitted$u), basis))
  out <- refined(first$start, residual, residual_at, given, step_with(walks$float64),
                 if (is_single) step_with(walks$float32), function(r) sqrt(colSums(r * first$apply(r))),
                 base::pmax(left, 1e-4 * first$size), share = if (is_loose) 1 else 0.5, trusts = is_loose)
  of_kernel <- if (identical(fitted$v, out$value)) fitted$u else to_rows(walks$float64, out$value)
  beta <- trend_coefficients(problem, problem$y - of_kernel)
  out <- list(alpha = dense_solve_triangular(R, out$value), beta = beta,
              fitted = of_kernel + problem$trend %*% beta,
              residual = out$residual, iterations = out$iterations)
  if (is.null(problem$plate)) out else with_trend(out, problem)
}

# Entries in float32 are off by about 1e-7, as random numbers are, and R^-1 makes more of that.
is_single_enough_at <- function(problem, R, ridge) {
  size <- sum(problem$w) * mean(colSums(R^2))
  is.null(problem$plate) && 1e-7 * sqrt(size) < 0.02 * sqrt(ridge) * min(diag(R))
}

# ---- some of the rows in place of all ----------------------------------------------------------------

# list(apply, start, size): P^-1 with P = V' M W V + ridge, where V = K R^-1 has some of the rows, each of
# which stands for others, and M leaves the trend out; the fit to these rows, where the iteration begins; and
# how large that is, as sqrt(v' P v).
landmark_preconditioner <- function(problem, R, ridge, given) {
  rows <- rows_of_preconditioner(problem, nrow(R), ridge, given)
  normal <- normal_equations(problem, R, rows)
  inner <- factor_of_normal(normal$matrix, ridge)
  apply <- function(r) dense_solve_triangular(inner, dense_solve_triangular(inner, r, transpose = TRUE))
  start <- apply(normal$right)
  list(apply = apply, start = start, size = sqrt(colSums(start * normal$right)))
}

# The factor of normal equations with the ridge, or with as much more as makes them positive definite: it is a
# preconditioner.
factor_of_normal <- function(inner, ridge) {
  check_finite_kernel(inner)
  diag(inner) <- diag(inner) + max(ridge, 1e-13 * mean(diag(inner)))
  R <- tryCatch(dense_cholesky(inner), rkeops_error_argument = function(e) NULL)
  if (is.null(R)) factor_with_jitter(inner, 1e-12) else R
}

# list(at, weight): as many rows as make the whole take the shortest time. With c of them, and m landmarks,
# the fit to them is off by about sqrt(m / c) of the residuals, and a step reduces that to sqrt(m / c) of it, or
# a little more. They are spaced evenly on a line on which each row is as long as its share in the fit, by half,
# and its weight, by half: so rows that are unlike others are among them, which would take a step each.
rows_of_preconditioner <- function(problem, m, ridge, given) {
  n <- nrow(problem$x)
  count <- unique(round(pmin(n, m * 2^seq(0.5, 8, 0.5))))
  rate <- 1.15 * sqrt(m / count)
  steps <- base::ifelse(count == n, 1, base::ifelse(rate < 1, log(rate / given$tol) / -log(rate), Inf))
  cost <- 2 * count * m^2 * unit_costs[["dense"]] + pmax(1, steps) * 4 * n * m * unit_costs[["pair"]]
  count <- count[which.min(cost)]
  if (count == n) return(list(at = seq_len(n), weight = rep(1, n)))
  share <- shares_in_fit(problem, ridge, given)
  if (!isTRUE(sum(share) > 0)) share <- problem$w # a constant kernel beside a constant
  chance <- pmin(1, count * (problem$w / sum(problem$w) + share / sum(share)) / 2)
  at <- which(diff(floor(c(0, cumsum(chance)) + 0.5)) > 0)
  list(at = at, weight = 1 / chance[at])
}

# What the fit of a row depends on it (its leverage, at most 1), about: by some of the landmarks, rows and
# directions.
shares_in_fit <- function(problem, ridge, given, most = 500L, directions = 8L) {
  some <- function(n, count) unique(round(seq(1, n, length.out = min(n, count))))
  points <- problem$points[some(nrow(problem$points), most), , drop = FALSE]
  coarse <- replace(problem, "points", list(points))
  R <- factor_of_landmarks(coarse)
  at <- some(nrow(problem$x), 16L * most)
  weight <- rep(nrow(problem$x) / length(at), length(at))
  inner <- factor_of_normal(normal_equations(coarse, R, list(at = at, weight = weight))$matrix, ridge)
  turns <- matrix(with_seed(given$seed, stats::rnorm(nrow(R) * directions)), nrow(R))
  turns <- dense_solve_triangular(R, dense_solve_triangular(inner, turns))
  K <- as_linear(definite_tensor(problem, problem$x, points))
  root <- sqrt(problem$w)
  images <- root * multiplier(K, directions, "float64")(turns)
  pmin(1, rowSums(without_trend(images, basis_of_trend(problem$trend * root))^2) / directions)
}

# list(matrix, right): V' M W V and V' M W y of rows `at`, times their weights.
normal_equations <- function(problem, R, rows) {
  root <- sqrt(problem$w[rows$at] * rows$weight)
  basis <- basis_of_trend(problem$trend[rows$at, , drop = FALSE] * root)
  y <- without_trend(problem$y[rows$at, , drop = FALSE] * root, basis)
  m <- nrow(R)
  out <- matrix(0, m, m)
  right <- matrix(0, m, ncol(y))
  of_trend <- matrix(0, m, ncol(basis))
  for (k in split(seq_along(rows$at), (seq_along(rows$at) - 1L) %/% max(64L, 2^25 %/% m))) {
    V <- columns_of_landmarks(problem, R, problem$x[rows$at[k], , drop = FALSE], root[k])
    out <- out + dense_tcrossprod(V)
    right <- right + dense_product(V, y[k, , drop = FALSE])
    if (ncol(basis)) of_trend <- of_trend + dense_product(V, basis[k, , drop = FALSE])
  }
  if (ncol(basis)) out <- out - tcrossprod(of_trend)
  list(matrix = out, right = right)
}

# Coefficients of the kernel itself, and of the trend, of a thin plate spline.
with_trend <- function(out, problem) {
  plate <- problem$plate
  off <- crossprod(plate_polynomials(plate, problem$points) %*% plate$inverse, out$alpha)
  out$alpha[plate$at, ] <- out$alpha[plate$at, ] - off
  K <- as_linear(kernel_tensor(problem$kernel, problem$x, problem$points))
  of_kernel <- multiplier(K, ncol(out$alpha), "float64")(out$alpha)
  out$beta <- trend_coefficients(problem, out$fitted - of_kernel)
  out
}
