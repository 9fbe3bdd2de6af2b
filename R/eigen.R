# Extreme eigenvalues and singular values of matrices that are never stored, by products with blocks of
# vectors.
#
# The search keeps an orthonormal basis V, the products W = A V and H = V' W. A step adds a block: the
# residuals of the wanted pairs of H that are not yet right, so that V is a block Krylov space. A basis
# that has become large starts again from its best vectors (thick restart). A block finds no more equal
# eigenvalues than it has columns: after all pairs are right, steps go on from a new block until it is
# seen that it leads to no better ones.

#' The largest or smallest eigenvalues of a kernel matrix
#'
#' `find_eigen(x, k)` gives k eigenvalues of a symmetric matrix and their vectors, as `eigen()` does, where
#' `x` is a LazyTensor of dimension 1 or a linear operator such as `add_ridge(K, alpha)`, without storing
#' its matrix: from products with blocks of vectors, by a block Krylov method with thick restarts. A
#' matrix of up to 1000 rows, or one of which more than a quarter of all eigenvalues is wanted and that
#' takes no more than a gigabyte, goes to `eigen()` itself.
#'
#' A pair is right when the norm of x v - lambda v is at most `tol` times the largest absolute eigenvalue:
#' then an eigenvalue is as near to lambda as that. It is computed from a product in double precision at the
#' end; the option `precision` has no influence. Eigenvalues that are equal are all found. No random
#' number decides anything: the same matrix has the same result.
#'
#' The smallest eigenvalues of a smooth kernel lie close to 0 and to each other: all vectors of that
#' space are right to `tol`.
#'
#' @param x a LazyTensor of dimension 1 or a linear operator, see [add_ridge()]. It has to be symmetric,
#'   and may be restricted, see [restrict_pairs()].
#' @param k how many eigenvalues, from 1 to the number of rows.
#' @param which the `"largest"`, the `"smallest"`, or those of largest absolute value (`"magnitude"`).
#' @param tol the norm of x v - lambda v over the largest absolute eigenvalue that is asked for; what is
#'   below 1e-12 counts as that.
#' @param limit the most steps, each a product with a block of 8 vectors.
#' @param details `TRUE` for a list that tells how it went.
#' @param ... not used: an argument of another name is an error.
#' @return A list of class `eigen`, as of `eigen()`: `values`, from the largest to the smallest, and
#'   `vectors`, orthonormal columns of which the largest component is positive. With `details`: a list of
#'   these; `residual`, the norm of x v - lambda v over the largest absolute eigenvalue for each pair;
#'   `iterations`, the number of steps; `seconds`; `method`, `"dense"` or `"iterative"`.
#' @section RSpectra:
#' `RSpectra::eigs_sym(x, k)` and `RSpectra::svds(x, k)` take a LazyTensor or a linear operator and give
#' what they give of other matrices; they are computed as here, with `opts$tol`, 1e-10 unless it is
#' given, and `opts$maxitr` as `limit`. Eigenvalues inside of the spectrum (`sigma`, `which = "SM"`) are
#' those of matrices of up to 1000 rows. `svds` takes matrices with more or fewer rows than columns.
#' @section Errors:
#' `rkeops_error_convergence` where `limit` steps are too few to find all pairs and to see that no others are
#' wanted more; the condition has what there is as `values`
#' and `vectors`, with `residual` and `iterations`. `rkeops_error_argument` for a matrix that is not
#' symmetric or has NaN, for a `k` out of range and for unknown arguments; `rkeops_error_shape` for one
#' that is not square.
#' @family linear operators
#' @examples
#' x <- matrix(sin(1:600), ncol = 2)
#' K <- exp(-sqdist(Vi(x), Vj(x)))
#' e <- find_eigen(K, 3)
#' e$values
#' max(abs(K %*% e$vectors - e$vectors %*% diag(e$values)))
#' @export
find_eigen <- function(x, k, which = c("largest", "smallest", "magnitude"), tol = 1e-8, limit = 1000L,
                       details = FALSE, ...) {
  started <- proc.time()[["elapsed"]]
  check_no_more(..., of = "find_eigen", known = names(formals(find_eigen)))
  x <- square_linear(x)
  k <- check_count(k, "k", to = x$size[1L])
  if (missing(which)) which <- "largest"
  check_choice(which, "which", c("largest", "smallest", "magnitude"))
  tol <- check_tolerance(tol)
  limit <- check_count(limit, "limit")
  check_flag(details, "details")
  check_symmetric(x, "x")
  out <- eigen_pairs(x, k, which, tol, limit)
  if (!details) return(structure(class = "eigen", out[c("values", "vectors")]))
  out$seconds <- proc.time()[["elapsed"]] - started
  out[c("values", "vectors", "residual", "iterations", "seconds", "method")]
}

# list(values, vectors, residual, iterations, products, complete, method) of a symmetric linear operator, with
# decreasing values. `which`: see wanted_order(); `sigma`: what its values are told from, or NULL.
eigen_pairs <- function(x, k, which, tol, limit, sigma = NULL, method = "auto") {
  n <- x$size[1L]
  if (method == "auto")
    method <- if (n <= dense_rows || k > n / 4 && 8 * n^2 <= 2^30) "dense" else "iterative"
  tol <- max(tol, 1e-12) # what products in double precision can show
  out <- if (method == "dense") dense_eigen(x, k, which, sigma)
         else search_eigen(block_product(x), n, list(k = k, which = which, tol = tol, limit = limit))
  at <- order(-out$values)
  out$values <- out$values[at]
  out$vectors <- times_columns(out$vectors, signs_of(out$vectors))[, at, drop = FALSE]
  out$residual <- out$residual[at]
  out$method <- method
  if (length(out$values) < k || !all(out$residual <= tol) || !out$complete) refuse_unfound(out, k, tol, limit)
  out
}

refuse_unfound <- function(out, k, tol, limit) {
  right <- sum(out$residual <= tol)
  throw_with("convergence", out[c("values", "vectors", "residual", "iterations")],
             right, " of ", counted(k, "pair"), " have a residual of at most ", short_number(tol), " after ",
             counted(out$iterations, "step"), if (right == k) ", but others may be wanted more",
             ": expected all; ",
             if (out$iterations >= limit) "a larger `limit`, or a larger `tol`" else "a larger `tol`",
             " would help. The condition has what there is as `values` and `vectors`")
}

# The first of the components that are about as large as the largest one is to be positive.
signs_of <- function(vectors) {
  apply(vectors, 2L, function(v) {
    size <- abs(v)
    if (v[which(size >= max(size) * (1 - 1e-6))[1L]] < 0) -1 else 1
  })
}

# Positions of eigenvalues, those that are wanted first. "ends": in turn from both ends; "inner": the
# smallest absolute values.
wanted_order <- function(values, which) {
  down <- order(-values)
  n <- length(values)
  switch(which,
    largest = down,
    smallest = rev(down),
    magnitude = order(-abs(values)),
    inner = order(abs(values)),
    ends = down[order(pmin(2 * seq_len(n) - 1, 2 * (n + 1 - seq_len(n))))])
}

dense_eigen <- function(x, k, which, sigma) {
  A <- dense_linear(x)
  if (!all(is.finite(A))) refuse_not_finite()
  A <- (A + t(A)) / 2
  e <- base::eigen(A, symmetric = TRUE)
  told <- if (is.null(sigma)) e$values else 1 / (e$values - sigma)
  at <- wanted_order(told, which)[seq_len(k)]
  vectors <- e$vectors[, at, drop = FALSE]
  c(with_residual(e$values[at], vectors, dense_product(A, vectors), max(abs(e$values))),
    iterations = 0L, products = 0L, complete = TRUE)
}

refuse_not_finite <- function()
  throw("argument", "the matrix has NaN or infinite values: expected finite ones")

# `size`: the largest absolute eigenvalue.
with_residual <- function(values, vectors, images, size) {
  norms <- column_norms(images - times_columns(vectors, values))
  list(values = values, vectors = vectors, residual = if (size > 0) norms / size else norms)
}

# ---- the search ----------------------------------------------------------------------------------

# Columns of a block.
block_of_vectors <- 8L

# list(apply, count): products with matrices of any number of columns, of which blocks meet the pairs in
# one walk of one kernel, and how many columns there were.
block_product <- function(x) {
  multiply <- multiplier(x, block_of_vectors, "float64")
  count <- 0L
  one <- function(V) {
    p <- ncol(V)
    out <- multiply(cbind(V, matrix(0, nrow(V), block_of_vectors - p)))[, seq_len(p), drop = FALSE]
    if (!all(is.finite(out))) refuse_not_finite()
    out
  }
  list(count = function() count, apply = function(V) {
    columns <- seq_len(ncol(V))
    count <<- count + length(columns)
    do.call(cbind, lapply(split(columns, (columns - 1L) %/% block_of_vectors),
                          function(at) one(V[, at, drop = FALSE])))
  })
}

# `given`: list(k, which, tol, limit).
search_eigen <- function(product, n, given) {
  most <- min(n, given$k + max(given$k, 16L * block_of_vectors))
  state <- list(V = matrix(0, n, 0L), W = matrix(0, n, 0L), H = matrix(0, 0L, 0L), size = 0, steps = 0L)
  block <- next_block(state, NULL)
  found <- NULL
  repeat {
    state <- with_block(state, block, product)
    pairs <- ritz_pairs(state, given$k, given$which)
    state$size <- max(state$size, abs(pairs$all))
    over <- state$steps >= given$limit || ncol(state$V) == n
    if (!is.null(found)) {
      found$complete <- is_settled(pairs, state, given)
      if (!has_same(found, pairs, state$size, given)) found <- NULL
      else if (over || found$complete) break
    }
    if (is.null(found) && (over || are_right(pairs, state, given))) {
      found <- true_pairs(state, pairs, product, given$k)
      found$complete <- ncol(state$V) == n
      if (over) break
      state <- basis_of(found, state)
      right <- all(found$residual <= given$tol)
      block <- next_block(state, if (!right) found$images - times_columns(found$vectors, found$values))
      if (!right) found <- NULL
      next
    }
    if (most < n && ncol(state$V) + block_of_vectors > most)
      state <- restarted(state, pairs, (most + given$k) %/% 2L)
    block <- next_block(state, open_residuals(pairs, given$tol * state$size))
  }
  c(found[c("values", "vectors", "residual", "complete")], iterations = state$steps,
    products = product$count())
}

with_block <- function(state, block, product) {
  images <- product$apply(block)
  beside <- dense_crossprod(state$V, images)
  corner <- dense_crossprod(block, images)
  state$H <- rbind(cbind(state$H, beside), cbind(t(beside), (corner + t(corner)) / 2))
  state$V <- cbind(state$V, block)
  state$W <- cbind(state$W, images)
  state$steps <- state$steps + 1L
  state
}

# Pairs of H, those that are wanted first: all of them by values and coefficients, and residuals of the
# first k and a block more.
ritz_pairs <- function(state, k, which) {
  e <- base::eigen(state$H, symmetric = TRUE)
  at <- wanted_order(e$values, which)
  values <- e$values[at]
  coefficients <- e$vectors[, at, drop = FALSE]
  first <- seq_len(min(length(at), k + block_of_vectors))
  Y <- coefficients[, first, drop = FALSE]
  residual <- dense_product(state$W, Y) - times_columns(dense_product(state$V, Y), values[first])
  list(all = values, coefficients = coefficients, residual = residual, norms = column_norms(residual))
}

are_right <- function(pairs, state, given) {
  k <- given$k
  length(pairs$all) >= k && all(pairs$norms[seq_len(k)] <= given$tol * state$size)
}

key_of <- function(which) if (which == "magnitude") abs else identity

# Whether the wanted values are still those that were found before.
has_same <- function(found, pairs, size, given) {
  key <- key_of(given$which)
  all(abs(key(pairs$all[seq_len(given$k)]) - key(found$values)) <= given$tol * size)
}

# Whether the best pairs beside those that were found, which come from a new block, will not be better
# than these: their residuals are smaller than what would be needed.
is_settled <- function(pairs, state, given) {
  n <- nrow(state$V)
  if (ncol(state$V) == n) return(TRUE)
  sides <- if (given$which == "ends") 2L else 1L
  inside <- given$k + 1L - seq_len(min(sides, given$k))
  outside <- inside + sides
  if (max(outside) > length(pairs$norms)) return(FALSE)
  key <- key_of(given$which)
  gap <- abs(key(pairs$all[inside]) - key(pairs$all[outside]))
  all(pairs$norms[outside] <= pmax(gap / 2, given$tol * state$size))
}

# Of a new product with the vectors. A basis of fewer than k has fewer pairs.
true_pairs <- function(state, pairs, product, k) {
  first <- seq_len(min(k, ncol(state$V)))
  vectors <- dense_product(state$V, pairs$coefficients[, first, drop = FALSE])
  images <- product$apply(vectors)
  c(with_residual(colSums(vectors * images), vectors, images, state$size), list(images = images))
}

basis_of <- function(found, state) {
  state$V <- found$vectors
  state$W <- found$images
  H <- dense_crossprod(found$vectors, found$images)
  state$H <- (H + t(H)) / 2
  state
}

restarted <- function(state, pairs, count) {
  Y <- pairs$coefficients[, seq_len(count), drop = FALSE]
  state$V <- dense_product(state$V, Y)
  state$W <- dense_product(state$W, Y)
  state$H <- base::diag(pairs$all[seq_len(count)], count)
  state
}

# Of the first pairs that are not right, as many as a block has columns.
open_residuals <- function(pairs, target) {
  open <- which(pairs$norms > target)
  pairs$residual[, utils::head(open, block_of_vectors), drop = FALSE]
}

# An orthonormal block that is orthogonal to the basis, from `directions` (or none) and, where these are
# fewer than a block, new ones.
next_block <- function(state, directions) {
  n <- nrow(state$V)
  directions <- if (is.null(directions)) matrix(0, n, 0L) else
    directions[, seq_len(min(ncol(directions), block_of_vectors)), drop = FALSE]
  round <- 0L
  repeat {
    new <- scattered(n, block_of_vectors - ncol(directions), state$steps + 1000 * round)
    block <- orthonormal_block(cbind(directions, new), state$V)
    if (ncol(block)) return(block)
    directions <- directions[, 0L, drop = FALSE]
    round <- round + 1L
  }
}

# The span of B without that of V, to which it loses digits in the first round only; what is nearly in V
# or a combination of other columns is left out.
orthonormal_block <- function(B, V) {
  room <- nrow(V) - ncol(V)
  for (round in 1:3) {
    B <- unit_columns_of(B, 0)
    B <- unit_columns_of(B - dense_product(V, dense_crossprod(V, B)), 1e-6)
    if (!ncol(B)) break
    e <- base::eigen(dense_crossprod(B), symmetric = TRUE)
    kept <- utils::head(which(e$values > 1e-8 * e$values[1L]), room)
    B <- dense_product(B, times_columns(e$vectors[, kept, drop = FALSE], 1 / sqrt(e$values[kept])))
  }
  B
}

unit_columns_of <- function(B, least) {
  norms <- column_norms(B)
  kept <- which(norms > least)
  times_columns(B[, kept, drop = FALSE], 1 / norms[kept])
}

# A matrix of numbers from -1/2 to 1/2 that look like random ones and depend on nothing but `round`:
# polynomials modulo a prime, exact in double precision.
scattered <- function(n, p, round) {
  prime <- 67108859
  s <- (seq_len(n * p) + round * 7919 * block_of_vectors) %% prime
  for (k in 1:3) s <- (s * ((s + 40503) %% prime) + 12345) %% prime
  matrix(s / prime - 0.5, n, p)
}

# ---- methods of RSpectra -------------------------------------------------------------------------

spectra_choices <- c(LM = "magnitude", LA = "largest", SA = "smallest", BE = "ends", SM = "inner")

#' @exportS3Method RSpectra::eigs_sym
eigs_sym.LazyTensor <- function(A, k, which = "LM", sigma = NULL, opts = list(), lower = TRUE, ...) {
  check_no_more(..., of = "eigs_sym", known = names(formals(eigs_sym.LazyTensor)))
  x <- square_linear(A, "A")
  k <- check_count(k, "k", to = x$size[1L])
  which <- spectra_choices[[check_choice(which, "which", names(spectra_choices))]]
  if (!is.null(sigma)) sigma <- check_finite(sigma)
  opts <- spectra_options(opts)
  check_symmetric(x, "A")
  inside <- !is.null(sigma) || which == "inner"
  if (inside && x$size[1L] > dense_rows)
    throw("argument", "`", if (is.null(sigma)) "which` is \"SM\"" else "sigma` is given", " and `A` has ",
          x$size[1L], " rows: expected at most ", dense_rows, ", as eigenvalues inside of the spectrum need ",
          "the dense matrix; \"SA\" has those of a positive definite matrix that are next to 0")
  out <- eigen_pairs(x, k, which, opts$tol, opts$maxitr, sigma, if (inside) "dense" else "auto")
  list(values = out$values, vectors = if (opts$retvec) out$vectors, nconv = k, niter = out$iterations,
       nops = out$products)
}

#' @exportS3Method RSpectra::eigs_sym
eigs_sym.LinearOperator <- eigs_sym.LazyTensor

# `opts` of RSpectra; ncv and initvec belong to its own method.
spectra_options <- function(opts) {
  known <- c("tol", "maxitr", "retvec", "ncv", "initvec", "center", "scale")
  if (!is.list(opts)) unexpected(opts, "opts", "a list")
  for (name in setdiff(names(opts), known))
    throw("argument", "`opts` has `", name, "`", suggestion(name, known), ": expected ",
          paste0("`", known, "`", collapse = ", "))
  for (name in c("center", "scale"))
    if (!is.null(opts[[name]]) && !identical(opts[[name]], FALSE))
      unexpected(opts[[name]], paste0("opts$", name), "FALSE: the matrix is never changed")
  opts <- utils::modifyList(list(tol = 1e-10, maxitr = 1000L, retvec = TRUE), opts)
  list(tol = check_tolerance(opts$tol), maxitr = check_count(opts$maxitr, "opts$maxitr"),
       retvec = check_flag(opts$retvec, "opts$retvec"))
}

#' @exportS3Method RSpectra::svds
svds.LazyTensor <- function(A, k, nu = k, nv = k, opts = list(), ...) {
  check_no_more(..., of = "svds", known = names(formals(svds.LazyTensor)))
  x <- as_linear(A, "A")
  k <- check_count(k, "k", to = min(x$size))
  nu <- check_count(nu, "nu", 0L, k)
  nv <- check_count(nv, "nv", 0L, k)
  opts <- spectra_options(opts)
  out <- singular_triplets(x, k, opts$tol, opts$maxitr)
  list(d = out$d, u = if (nu) out$u[, seq_len(nu), drop = FALSE],
       v = if (nv) out$v[, seq_len(nv), drop = FALSE], nconv = k, niter = out$iterations,
       nops = out$products)
}

#' @exportS3Method RSpectra::svds
svds.LinearOperator <- svds.LazyTensor

singular_triplets <- function(x, k, tol, limit, method = "auto") {
  if (method == "auto") method <- if (max(x$size) <= dense_rows) "dense" else "iterative"
  if (method == "dense") {
    A <- dense_linear(x)
    if (!all(is.finite(A))) refuse_not_finite()
    out <- c(base::svd(A, k, k), iterations = 0L, products = 0L)
  } else {
    out <- searched_triplets(x, k, tol, limit)
  }
  signs <- signs_of(out$v)
  out$d <- out$d[seq_len(k)]
  out$u <- times_columns(out$u, signs)
  out$v <- times_columns(out$v, signs)
  out
}

# Vectors are those of the smaller one of A' A and A A', values are not squared.
searched_triplets <- function(x, k, tol, limit) {
  is_wide <- x$size[1L] < x$size[2L]
  tall <- if (is_wide) t(x) else x
  e <- eigen_pairs(product_of_linear(t(tall), tall), k, "largest", tol, limit, method = "iterative")
  s <- base::svd(block_product(tall)$apply(e$vectors), k, k)
  v <- dense_product(e$vectors, s$v)
  list(d = s$d, u = if (is_wide) v else s$u, v = if (is_wide) s$u else v, iterations = e$iterations,
       products = 2L * e$products + k)
}
