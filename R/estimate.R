# Estimates of the log determinant and the trace of matrices that are never stored, by random probes.
#
# With a preconditioner P, log det A is log det P, which is known, plus the trace of log B for
# B = P^-1/2 A P^-1/2. Of a probe w with a uniform direction, n w' log(B) w / w' w has this trace as its
# mean. It is a quadrature with the eigenvalues of the tridiagonal matrix that conjugate gradients make of
# A, P and the right-hand side z = P^1/2 w: no root of P is needed, as z is drawn from N(0, P).
#
# Gauss's rule is too large for log and that of Gauss and Radau, with a node below all eigenvalues, too
# small (Golub and Meurant, 1994): between them is the truth of each probe. The spread of probes is that
# of log B - c B where the trace of B is computed; c is the slope of log over its eigenvalues.

#' Estimates of log determinants and traces of kernel matrices
#'
#' `estimate_logdet(a)` is the logarithm of the determinant of a symmetric positive definite matrix that is
#' not stored, such as `add_ridge(K, alpha)`; `estimate_trace(a)` is the sum of the diagonal of a square
#' one, such as a product of kernel matrices. Both say how far from the truth they may be.
#'
#' The log determinant is that of a preconditioner, which is known, plus stochastic Lanczos quadrature
#' for what is left. Small matrices are factored (Cholesky), and there is no error. A trace is computed
#' exactly as the sum of the diagonal; of products of matrices, whose diagonal takes as long as all
#' entries, it is estimated (Hutch++).
#'
#' Probes are drawn from a generator that begins at `seed`: the same call has the same result, and
#' random numbers of the session stay as they are. A function of parameters is continuous in them where the
#' rows that the preconditioner takes are given, as an earlier estimate returned them, and as long as the
#' numbers of steps stay the same; else it jumps a little where other rows are taken. In a
#' function that [gradient()] differentiates, `estimate_logdet(...)$value` has the derivatives of the
#' estimate itself, with its probes: those of what an optimiser sees. Second derivatives are there
#' for `method = "dense"`.
#'
#' @param a a LazyTensor of dimension 1 or a linear operator, see [add_ridge()], with as many rows as
#'   columns.
#' @param probes how many random vectors: four times as many halve the error.
#' @param seed a whole number, where the generator of the probes begins.
#' @param tol the truncation of the quadrature that is allowed, for each row of `a`.
#' @param limit the most steps. What is truncated then is a part of `error`.
#' @param method `"dense"` makes the matrix and factors it, `"iterative"` does not, `"auto"` takes what
#'   is expected to be faster.
#' @param preconditioner `"auto"`, `"none"`, or the number of columns of the partial factorisation, or
#'   the rows that it takes for them, see [solve.LazyTensor()]. The more columns, the smaller the error.
#' @param ... not used: an argument of another name is an error.
#' @return A list of `value`; `error`, what the distance to the truth is below, but for one seed in about
#'   a thousand, with the spread of the probes, the truncation and a bound on rounding (0 where nothing
#'   is estimated); `probes`, how many were used; `steps`, the products with each of them; `method`:
#'   `"dense"` or `"iterative"`, of traces `"exact"` or `"iterative"`; of log determinants `pivots`, the rows
#'   that the preconditioner took (none where there was none).
#'
#'   The truncation is a bound where `a` is a positive semidefinite matrix plus a positive ridge. Without
#'   a ridge it rests on the smallest eigenvalue that was seen.
#' @section Errors:
#' `rkeops_error_argument` where `a` is not symmetric, or not positive definite: then the condition has a
#' `vector` v for which the product v' a v is not above 0; also for NaN and unknown arguments.
#' `rkeops_error_shape` where `a` is not square.
#' @family linear operators
#' @examples
#' x <- matrix(sin(1:400), ncol = 2)
#' A <- add_ridge(exp(-sqdist(Vi(x), Vj(x))), 0.1)
#' estimate_logdet(A)$value
#' estimate_logdet(A, method = "iterative", seed = 2)[c("value", "error")]
#' determinant(as.matrix(A))$modulus
#' estimate_trace(A %*% A)$value
#' @export
estimate_logdet <- function(a, probes = 16L, seed = 1L, tol = 1e-6, limit = 1000L,
                            method = c("auto", "dense", "iterative"), preconditioner = "auto", ...) {
  check_no_more(..., of = "estimate_logdet", known = names(formals(estimate_logdet)))
  a <- as_square(a)
  given <- list(probes = check_count(probes, "probes", 2L), seed = check_seed(seed),
                tol = check_tolerance(tol), limit = check_count(limit, "limit"),
                preconditioner = check_preconditioner(preconditioner, a))
  method <- if (missing(method)) "auto" else check_choice(method, "method", c("auto", "dense", "iterative"))
  n <- a$size[1L]
  if (a$op == "diagonal" || !n) return(without_error(logdet_of_diagonal(a), "dense", pivots = integer()))
  check_symmetric(plain_linear(a))
  if (method == "dense" || method == "auto" && n <= dense_rows) {
    R <- cholesky_or_refuse(dense_linear(a))
    return(without_error(2 * sum(log(diag(R))), "dense", pivots = integer()))
  }
  logdet_iterative(a, given)
}

#' @rdname estimate_logdet
#' @export
estimate_trace <- function(a, probes = 16L, seed = 1L, ...) {
  check_no_more(..., of = "estimate_trace", known = names(formals(estimate_trace)))
  a <- as_square(a)
  probes <- check_count(probes, "probes", 2L)
  seed <- check_seed(seed)
  terms <- terms_of(a)
  exact <- a$size[1L] <= dense_rows | vapply(terms, has_cheap_diagonal, NA)
  value <- Reduce(`+`, lapply(terms[exact], function(x) sum(diagonal_of(x))), 0)
  if (is.na(value)) throw("argument", "`a` has NaN on its diagonal: expected finite values")
  if (all(exact)) return(without_error(value, "exact"))
  out <- trace_by_probes(new_linear("sum", parts = terms[!exact]), probes, seed)
  out$value <- out$value + value
  out
}

as_square <- function(a) {
  a <- as_linear(a, "a")
  if (!is_square(a)) throw("shape", "`a` has ", size_of_linear(a), ": expected as many rows i as j")
  a
}

check_seed <- function(seed) check_count(seed, "seed", -.Machine$integer.max)

without_error <- function(value, method, ...)
  list(value = value, error = 0, probes = 0L, steps = 0L, method = method, ...)

logdet_of_diagonal <- function(a) {
  values <- if (a$size[1L]) diagonal_of(a)
  worst <- which.min(values)
  if (length(worst) && values[worst] <= 0)
    refuse_indefinite(unit_columns(length(values), worst)[, 1L], values[worst])
  sum(log(values))
}

# ---- probes --------------------------------------------------------------------------------------

# A value that draws random numbers from `seed` on; those of the session, and its generators, stay.
with_seed <- function(seed, value) {
  kinds <- RNGkind()
  state <- random_state()
  on.exit({
    suppressWarnings(do.call(RNGkind, as.list(kinds))) # one of them warns that it was used before R 3.6
    set_random_state(state)
  })
  set.seed(seed, "Mersenne-Twister", "Inversion", "Rejection")
  value
}

normal_matrix <- function(n, p) matrix(stats::rnorm(n * p), n, p)

# p columns of N(0, P).
draw_probes <- function(preconditioner, n, p) {
  z <- normal_matrix(n, p)
  if (is.null(preconditioner$ridge)) return(z)
  z <- sqrt(preconditioner$ridge) * z
  if (preconditioner$rank) z + dense_product(preconditioner$L, normal_matrix(preconditioner$rank, p)) else z
}

# What a mean of as many independent values is away from its expectation but once in a thousand, in
# units of its standard error.
error_quantile <- function(probes) stats::qt(0.9995, probes - 1)

# ---- log determinant -----------------------------------------------------------------------------

logdet_iterative <- function(a, given) {
  n <- a$size[1L]
  p <- given$probes
  # as for more products: its columns make the spread smaller too, not only the steps fewer
  preconditioner <- preconditioner_of(a, given$preconditioner, given$tol, 4L * p)
  multiply <- multiplier(a, p, "float64")
  z <- with_seed(given$seed, draw_probes(preconditioner, n, p))
  rules <- lanczos_rules(multiply, preconditioner$apply, z, lowest_eigenvalue(a, preconditioner), given)
  nodes <- unlist(lapply(rules, function(rule) rule$gauss$nodes))
  steps <- max(lengths(lapply(rules, function(rule) rule$gauss$nodes)))
  upper <- mean_of_parts(rules, "upper")
  lower <- mean_of_parts(rules, "lower")
  exact <- mean_eigenvalue(a, preconditioner, multiply, p, 2 * p * steps)
  control <- control_by(exact, rules, upper)
  spread <- sqrt(2 / (n + 2) * control$variance / p)
  truncation <- value_of(upper - lower) / 2
  rounding <- .Machine$double.eps * relative_norm(preconditioner, nodes)
  middle <- (upper + lower) / 2
  list(value = logdet_of_preconditioner(preconditioner, n) + n * (middle - control$shift),
       error = n * (error_quantile(p) * spread + truncation + rounding),
       probes = p, steps = steps, method = "iterative", pivots = as.integer(preconditioner$pivots))
}

logdet_of_preconditioner <- function(preconditioner, n) {
  if (is.null(preconditioner$ridge)) return(0)
  sum(log(repeated(preconditioner$ridge, n, NULL))) + 2 * sum(log(diag(preconditioner$inner)))
}

# What no eigenvalue of the preconditioned matrix is below, if those of what is beside the ridge are not
# below 0: L L' + ridge is at most the matrix.
lowest_eigenvalue <- function(a, preconditioner) {
  ridge <- split_ridge(a)$ridge
  if (is.null(preconditioner$ridge)) min(ridge) else min(ridge / preconditioner$ridge, 1)
}

# Eigenvalues of the matrix, the largest over the smallest, by those of the preconditioned one.
relative_norm <- function(preconditioner, nodes) {
  norm <- if (preconditioner$rank) max(rowSums(abs(dense_crossprod(value_of(preconditioner$L))))) else 0
  ridge <- if (is.null(preconditioner$ridge)) 1 else value_of(preconditioner$ridge)
  max(nodes) * (norm + max(ridge)) / (min(nodes) * min(ridge))
}

mean_of_parts <- function(rules, name) Reduce(`+`, lapply(rules, `[[`, name)) / length(rules)

# list(shift, variance): with the mean of all eigenvalues known, what the mean of log over the rules, `upper`,
# is too large by as far as their mean is, and what variance is left over the eigenvalues.
control_by <- function(exact, rules, upper) {
  nodes <- unlist(lapply(rules, function(rule) rule$gauss$nodes))
  weights <- unlist(lapply(rules, function(rule) rule$gauss$weights)) / length(rules)
  mean_of <- function(x) sum(weights * x)
  variance_of <- function(x) mean_of((x - mean_of(x))^2)
  if (is.null(exact) || variance_of(nodes) <= 0) return(list(shift = 0, variance = variance_of(log(nodes))))
  corners <- lapply(rules, function(rule) rule$matrix[1L, 1L])
  centre <- Reduce(`+`, corners) / length(rules)
  variance <- Reduce(`+`, lapply(rules, function(rule)
    (rule$matrix[1L, 1L] - centre)^2 + sum(rule$matrix[1L, -1L]^2))) / length(rules)
  slope <- (mean_of_corners(rules, function(x) x * log(x), function(x) log(x) + 1) - centre * upper) / variance
  list(shift = slope * (centre - exact), variance = variance_of(log(nodes) - value_of(slope) * nodes))
}

mean_of_corners <- function(rules, f, slope)
  Reduce(`+`, lapply(rules, function(rule) corner_of(rule$matrix, f, slope, rule$gauss))) / length(rules)

# The trace of P^-1 A over the number of rows. NULL where that is the product with more than `most` columns.
mean_eigenvalue <- function(a, preconditioner, multiply, p, most) {
  if (preconditioner$rank > most || !has_cheap_diagonal(a)) return(NULL)
  values <- diagonal_of(a)
  if (is.null(preconditioner$ridge)) return(mean(values))
  X <- t(dense_solve_triangular(preconditioner$inner, t(preconditioner$L / preconditioner$ridge),
                                transpose = TRUE))
  of_rank <- if (ncol(X)) sum(X * multiply_in_parts(multiply, p, X)) else 0
  mean(values / preconditioner$ridge) - of_rank / length(values)
}

# The product with any number of columns by one with p of them: there is no other kernel to compile.
multiply_in_parts <- function(multiply, p, x) {
  missing <- -ncol(x) %% p
  x <- cbind(x, matrix(0, nrow(x), missing))
  out <- lapply(seq(1L, ncol(x), by = p), function(first)
    multiply(x[, first + seq_len(p) - 1L, drop = FALSE]))
  do.call(cbind, out)[, seq_len(ncol(x) - missing), drop = FALSE]
}

has_cheap_diagonal <- function(x) x$op != "product" && all(vapply(x$parts, has_cheap_diagonal, NA))

# ---- quadrature ----------------------------------------------------------------------------------

# A rule for each column of z, list(nodes, weights, upper, lower): of the function log, bounds. It ends
# when bounds differ by at most 2 tol on average. All columns meet the pairs in one walk.
lanczos_rules <- function(multiply, precondition, z, lowest, given) {
  p <- ncol(z)
  residual <- z
  direction <- z <- precondition(residual)
  first <- slope <- colSums(residual * z)
  open <- rep(TRUE, p)
  pivots <- ratios <- matrix(0, 0L, p) # of the tridiagonal matrices: of their factors L D L'
  due <- 3L
  for (step in seq_len(given$limit)) {
    image <- multiply(direction)
    curvature <- colSums(direction * image)
    bad <- which(open & !(curvature > 0))
    if (length(bad))
      check_curvature(list(negative = value_of(direction)[, bad[1L]], curvature = value_of(curvature)[bad[1L]]),
                      function(v) value_of(multiply(v)), p)
    residual <- residual - times_columns(image, ratio_where(open, slope, curvature))
    z <- precondition(residual)
    before <- slope
    slope <- colSums(residual * z)
    ratio <- ratio_where(open, slope, before)
    pivots <- rbind(pivots, ratio_where(open, curvature, before))
    ratios <- rbind(ratios, ratio)
    open <- open & slope > 1e-26 * first
    if (step >= due || step == given$limit || !any(open)) {
      rules <- lapply(seq_len(p), function(k) log_rule(pivots[, k], ratios[, k], lowest))
      gap <- value_of(mean_of_parts(rules, "upper") - mean_of_parts(rules, "lower"))
      if (gap <= 2 * given$tol || !any(open)) break
      due <- step + max(2L, step %/% 5L)
    }
    direction <- z + times_columns(direction, ratio)
  }
  rules
}

# Of a probe, from the numbers of its steps: those of steps after its last one are 0. list(matrix, gauss,
# upper, lower): the tridiagonal matrix, its rule, and both means of log.
log_rule <- function(pivots, ratios, lowest) {
  k <- sum(value_of(pivots) > 0)
  pivots <- pivots[seq_len(k)]
  ratios <- pmax(ratios[seq_len(k)], 0)
  diagonal <- pivots + join(list(0, (ratios * pivots)[-k]))
  beside <- sqrt(ratios) * pivots
  x <- tridiagonal(diagonal, beside[-k])
  gauss <- rule_of(value_of(x))
  below <- 0.9 * lowest # not so near that differences lose their digits
  if (!(below > 0 && below < min(gauss$nodes))) below <- min(gauss$nodes) / 10
  last <- base::diag(k)[, k, drop = FALSE]
  corner <- below + beside[k]^2 * matrix_solution(x - below * base::diag(k), last)[k]
  list(matrix = x, gauss = gauss, upper = corner_of(x, log, function(x) 1 / x, gauss),
       lower = corner_of(tridiagonal(join(list(diagonal, corner)), beside), log, function(x) 1 / x))
}

# Symmetric.
tridiagonal <- function(diagonal, beside) {
  k <- length(diagonal)
  upper <- cbind(seq_len(k - 1L), seq_len(k - 1L) + 1L)
  rearrange(function(diagonal, beside) {
    x <- base::diag(diagonal, k)
    x[upper] <- x[upper[, 2:1, drop = FALSE]] <- beside
    x
  }, list(diagonal, beside))
}

# list(nodes, weights, vectors) of a symmetric tridiagonal matrix.
rule_of <- function(x) {
  e <- eigen(x, symmetric = TRUE)
  list(nodes = base::pmax(e$values, .Machine$double.eps * e$values[1L]), weights = e$vectors[1L, ]^2,
       vectors = e$vectors)
}

# The first entry of f(x). Its derivative by the entries of x has the differences of f between eigenvalues
# over theirs (Daletskii and Krein), where these are nearly equal the `slope` of f.
corner_of <- function(x, f, slope, rule = rule_of(value_of(x))) {
  record(sum(rule$weights * f(rule$nodes)), list(x), function(e, args, value, wanted) {
    if (is_recorded(e) || is_recorded(args[[1L]]))
      throw("argument", "an estimate is differentiated twice: expected method = \"dense\" for second ",
            "derivatives")
    nodes <- rule$nodes
    apart <- outer(nodes, nodes, `-`)
    middle <- outer(nodes, nodes, `+`) / 2
    near <- abs(apart) <= 1e-6 * middle
    ratios <- base::ifelse(near, slope(middle), outer(f(nodes), f(nodes), `-`) / apart)
    first <- rule$vectors[1L, ]
    list(e * tcrossprod(rule$vectors %*% (ratios * tcrossprod(first)), rule$vectors))
  })
}

# ---- trace ---------------------------------------------------------------------------------------

# Hutch++ (Meyer, Musco, Musco and Woodruff, 2021): the trace on the range of products with some probes is
# exact, that on what is orthogonal to it, the matrix C, the mean over others. Of w' C w the variance is at
# most twice the sum of squares of C, which |C w| shows better than the few values themselves.
trace_by_probes <- function(a, probes, seed) {
  n <- a$size[1L]
  multiply <- multiplier(a, probes, "float64")
  drawn <- with_seed(seed, list(normal_matrix(n, probes), normal_matrix(n, probes)))
  image <- multiply(drawn[[1L]])
  if (anyNA(image)) throw("argument", "products with `a` are NaN: expected finite values")
  Q <- orthonormal_basis(image)
  beside_range <- function(v) v - dense_product(Q, dense_crossprod(Q, v))
  w <- beside_range(drawn[[2L]])
  w <- times_columns(w, sqrt(n - probes) / column_norms(w))
  image <- multiply(w)
  spread <- sqrt(2 * mean(colSums(value_of(beside_range(image))^2)) / probes)
  list(value = sum(Q * multiply(Q)) + mean(colSums(w * image)), error = error_quantile(probes) * spread,
       probes = 2L * probes, steps = 3L, method = "iterative")
}
