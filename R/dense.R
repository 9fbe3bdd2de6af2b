# Small dense algebra in C, on ordinary matrices: where R is linked with its reference BLAS this is
# many times as fast. Results have no names; they are the same bits for every number of threads.
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
  a <- as_dense(a, "a")
  if (!is.null(b)) {
    b <- as_dense(b, "b")
    check_agree(a, b, nrow(a), nrow(b))
  }
  checked(.Call(C_dense_crossprod, a, b, dense_threads(threads), engine_options()))
}

# a %*% b.
dense_product <- function(a, b, threads = NULL) {
  a <- as_dense(a, "a")
  b <- as_dense(b, "b")
  check_agree(a, b, ncol(a), nrow(b))
  checked(.Call(C_dense_product, a, b, dense_threads(threads), engine_options()))
}

# The upper triangular R with t(R) %*% R = a, as chol(): of `a` the upper triangle is read.
dense_cholesky <- function(a, threads = NULL) {
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
