# Small dense algebra in C, on ordinary matrices: where R is linked with its reference BLAS this is
# many times as fast. Arguments may be recorded, see tape.R. Results have no names; they are the same bits
# for every number of threads.
# `threads`: at most so many of those in use; NULL: these.

# A plain matrix of doubles: a vector is one column.
as_dense <- function(x, name) {
  if (!is.numeric(x) && !is.logical(x) || is.object(x) || length(dim(x)) > 2L)
    unexpected(x, name, "a matrix of numbers")
  if (!is.matrix(x)) x <- matrix(x, ncol = 1L)
  if (!is.double(x)) storage.mode(x) <- "double"
  x
}

dense_threads <- function(threads) if (is.null(threads)) 0L else check_count(threads, "threads", 1L)

check_agree <- function(a, b, expected, found) {
  if (expected != found)
    throw("argument", "`b` is ", describe(b), ": expected ", counted(expected, "row"),
          ", as `a` is ", describe(a))
}

check_square <- function(x, name) {
  if (nrow(x) != ncol(x)) unexpected(x, name, "as many rows as columns")
}

# t(a) %*% b, or t(a) %*% a, which is symmetric to the bit.
dense_crossprod <- function(a, b = NULL, threads = NULL) {
  if (is_recorded(a) || is_recorded(b)) return(recorded_dense_crossprod(a, if (is.null(b)) a else b))
  a <- as_dense(a, "a")
  if (!is.null(b)) {
    b <- as_dense(b, "b")
    check_agree(a, b, nrow(a), nrow(b))
  }
  checked(.Call(C_dense_crossprod, a, b, dense_threads(threads), engine_options()))
}

# a %*% t(a), symmetric to the bit. Of a plain matrix.
dense_tcrossprod <- function(a, threads = NULL)
  checked(.Call(C_dense_tcrossprod, as_dense(a, "a"), dense_threads(threads), engine_options()))

# a %*% b.
dense_product <- function(a, b, threads = NULL) {
  if (is_recorded(a) || is_recorded(b)) return(recorded_dense_product(a, b))
  a <- as_dense(a, "a")
  b <- as_dense(b, "b")
  check_agree(a, b, ncol(a), nrow(b))
  checked(.Call(C_dense_product, a, b, dense_threads(threads), engine_options()))
}

# The upper triangular R with t(R) %*% R = a, as chol(): of `a` the upper triangle is read.
dense_cholesky <- function(a, threads = NULL) {
  if (is_recorded(a)) return(recorded_cholesky(a, dense_cholesky(value_of(a))))
  a <- as_dense(a, "a")
  check_square(a, "a")
  out <- checked(.Call(C_dense_cholesky, a, dense_threads(threads), engine_options()))
  if (is.integer(out))
    throw_with("argument", list(pivot = out), "`a` is not positive definite: expected positive ",
               "pivots, and pivot ", out, " of ", nrow(a), " is not")
  out
}

# The x of r x = b, or of t(r) x = b, as backsolve(): of `r` the upper triangle is read. A vector
# `b` gives a vector.
dense_solve_triangular <- function(r, b, transpose = FALSE, threads = NULL) {
  if (is_recorded(r) || is_recorded(b)) return(recorded_triangular(r, as_recorded_matrix(b), transpose))
  r <- as_dense(r, "r")
  check_square(r, "r")
  is_vector <- !is.matrix(b)
  b <- as_dense(b, "b")
  if (nrow(b) != nrow(r))
    unexpected(b, "b", counted(nrow(r), "row"), ", as `r` is ", describe(r))
  zero <- match(0, r[seq.int(1L, by = nrow(r) + 1, length.out = nrow(r))])
  if (!is.na(zero))
    throw("argument", "`r` is singular: expected no 0 on the diagonal, and number ", zero, " is 0")
  x <- checked(.Call(C_dense_solve, r, b, check_flag(transpose, "transpose"),
                     dense_threads(threads), engine_options()))
  if (is_vector) drop(x) else x
}

# ---- the same of recorded matrices ---------------------------------------------------------------

recorded_dense_product <- function(a, b)
  record(dense_product(value_of(a), value_of(b)), list(a, b), function(e, args, value, wanted)
    list(if (wanted[1L]) dense_product(e, t(args[[2L]])),
         if (wanted[2L]) dense_crossprod(args[[1L]], e)))

recorded_dense_crossprod <- function(a, b)
  record(dense_crossprod(value_of(a), value_of(b)), list(a, b), function(e, args, value, wanted)
    list(if (wanted[1L]) dense_product(args[[2L]], t(e)),
         if (wanted[2L]) dense_product(args[[1L]], e)))

# The factor `value` of a. Of the upper triangle, which was read, the cotangent has both halves.
recorded_cholesky <- function(a, value) {
  record(value, list(a), function(e, args, value, wanted) {
    half <- base::diag(0.5, nrow(value_of(value)))
    upper <- base::upper.tri(half)
    inner <- dense_product(value, t(e * (upper + 2 * half))) * (t(upper) + half)
    inner <- dense_solve_triangular(value, t(dense_solve_triangular(value, inner)))
    list((inner + t(inner)) * (upper + half))
  })
}

recorded_triangular <- function(r, b, transpose) {
  record(dense_solve_triangular(value_of(r), value_of(b), transpose), list(r, b),
         function(e, args, value, wanted) {
    e <- dense_solve_triangular(args[[1L]], e, !transpose)
    upper <- base::upper.tri(value_of(args[[1L]]), diag = TRUE)
    list(if (wanted[1L]) (0 - if (transpose) dense_product(value, t(e)) else dense_product(e, t(value))) * upper,
         if (wanted[2L]) e)
  })
}

# An orthonormal basis of the columns of x, which are independent.
orthonormal_basis <- function(x) {
  record(qr.Q(qr(value_of(x))), list(x), function(e, args, value, wanted) {
    R <- dense_crossprod(value, args[[1L]]) # of which rounding leaves numbers below the diagonal
    inner <- 0 - dense_crossprod(e, value)
    lower <- base::lower.tri(value_of(inner))
    inner <- inner * (lower + base::diag(nrow(lower))) + t(inner * lower)
    list(t(dense_solve_triangular(R, t(e + dense_product(value, inner)))))
  })
}
