# Small dense algebra beside base R, and what it refuses.

sizes <- c(0L, 1L, 2L, 5L, 12L, 13L, 63L, 64L, 65L, 130L, 200L)
made <- function(rows, columns) matrix(rnorm(rows * columns), rows, columns)
# Symmetric, all eigenvalues well above 0.
positive <- function(n) base::crossprod(made(n + 5L, n)) + diag(n)

test_that("products are those of base R at all sizes", {
  set.seed(20)
  for (n in sizes) for (m in c(0L, 1L, 4L, 9L, 70L)) {
    a <- made(n, m)
    b <- made(n, 3L)
    expect_equal(dense_crossprod(a), base::crossprod(a), label = paste(n, m))
    expect_equal(dense_crossprod(a, b), base::crossprod(a, b), label = paste(n, m))
    expect_equal(dense_product(t(a), b), base::crossprod(a, b), label = paste(n, m))
    expect_identical(dense_crossprod(a), t(dense_crossprod(a)))
    expect_identical(dense_tcrossprod(a), dense_crossprod(t(a)))
  }
})

test_that("factors and solutions of triangles are those of base R at all sizes", {
  set.seed(21)
  for (n in sizes[-1L]) {
    a <- positive(n)
    r <- chol(a)
    seen <- a
    seen[lower.tri(seen)] <- NaN
    expect_equal(dense_cholesky(seen), r, label = n)
    r[lower.tri(r)] <- NaN
    for (m in c(0L, 1L, 40L)) for (transpose in c(FALSE, TRUE)) {
      b <- made(n, m)
      expected <- if (m) backsolve(r, b, transpose = transpose) else b
      expect_equal(dense_solve_triangular(r, b, transpose), expected, label = paste(n, m))
    }
    b <- rnorm(n)
    expect_equal(dense_solve_triangular(r, b), backsolve(r, b))
  }
  expect_identical(dense_cholesky(matrix(0, 0, 0)), matrix(0, 0, 0))
  expect_identical(dense_solve_triangular(matrix(0, 0, 0), matrix(0, 0, 2)), matrix(0, 0, 2))
})

test_that("vectors, integers and logicals are taken as base R takes them; arguments stay", {
  a <- matrix(1:6, 3L)
  expect_identical(dense_crossprod(a), base::crossprod(a + 0))
  expect_identical(dense_crossprod(1:3, c(TRUE, FALSE, TRUE)), matrix(4))
  expect_identical(dense_product(a, 1:2), base::`%*%`(a, 1:2) + 0)
  s <- positive(70L)
  b <- made(70L, 2L)
  copies <- list(s + 0, b + 0)
  dense_solve_triangular(dense_cholesky(s), b)
  expect_identical(list(s, b), copies)
})

test_that("numbers of threads change no bit", {
  set.seed(22)
  a <- made(700L, 333L)
  long <- made(9000L, 11L)
  expect_identical(dense_crossprod(a, threads = 1), dense_crossprod(a, threads = 2))
  expect_identical(dense_crossprod(long, threads = 1), dense_crossprod(long, threads = 2))
  expect_identical(dense_product(a, t(a), threads = 1), dense_product(a, t(a), threads = 2))
  r <- dense_cholesky(positive(400L), threads = 1)
  set.seed(23)
  s <- positive(400L)
  expect_identical(dense_cholesky(s, threads = 1), dense_cholesky(s, threads = 2))
  b <- made(400L, 90L)
  expect_identical(dense_solve_triangular(r, b, threads = 1),
                   dense_solve_triangular(r, b, threads = 2))
})

test_that("a pivot that is not positive is named", {
  for (n in c(1L, 40L, 150L)) for (k in unique(c(1L, n %/% 2L + 1L, n))) {
    for (wrong in c(0, -1, NaN)) {
      a <- diag(n)
      a[k, k] <- wrong
      expect_error(dense_cholesky(a), sprintf("pivot %d of %d is not", k, n),
                   class = "rkeops_error_argument")
    }
  }
  expect_error(dense_cholesky(matrix(1, 2L, 2L)), "pivot 2 of 2", class = "rkeops_error_argument")
})

test_that("NaN and Inf go where they go in base R", {
  a <- made(40L, 7L)
  a[3, 2] <- NaN
  a[9, 5] <- Inf
  expect_identical(is.nan(dense_crossprod(a)), is.nan(base::crossprod(a)))
  expect_identical(is.infinite(dense_crossprod(a)), is.infinite(base::crossprod(a)))
  r <- chol(positive(7L))
  b <- made(7L, 3L)
  b[4, 2] <- NaN
  expect_identical(is.nan(dense_solve_triangular(r, b)), is.nan(backsolve(r, b)))
})

test_that("what does not agree is refused", {
  refused <- function(expression, words)
    expect_error(expression, words, class = "rkeops_error_argument")
  refused(dense_crossprod("a"), "`a`.*matrix of numbers")
  refused(dense_crossprod(made(3L, 2L), made(4L, 2L)), "`b`.*expected 3 rows")
  refused(dense_product(made(3L, 2L), made(3L, 2L)), "`b`.*expected 2 rows")
  refused(dense_cholesky(made(3L, 2L)), "`a`.*as many rows as columns")
  refused(dense_solve_triangular(made(3L, 2L), 1:3), "`r`.*as many rows as columns")
  refused(dense_solve_triangular(diag(3L), 1:4), "`b`.*expected 3 rows")
  refused(dense_solve_triangular(diag(c(1, 0, 0)), 1:3), "`r` is singular.*number 2")
  refused(dense_crossprod(diag(2L), threads = 0), "`threads`")
})
