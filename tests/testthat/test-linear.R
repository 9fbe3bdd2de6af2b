# Linear operators against the dense matrices that they stand for.
optimising <- set_rkeops_options(quick_options())

x <- matrix(sin(1:60 * 1.7), 20)
y <- matrix(cos(1:45 * 0.9), 15)
K <- exp(-sqdist(Vi(x), Vj(x)))
L <- exp(-sqdist(Vi(x), Vj(y)))
dense_K <- as.matrix(K)
dense_L <- as.matrix(L)
ridge <- seq(0.1, 2, length.out = 20)

operators <- list(
  list(add_ridge(K, 0.5), dense_K + diag(0.5, 20)),
  list(add_ridge(K, ridge), dense_K + diag(ridge)),
  list(K + diag(20), dense_K + diag(20)),
  list(diag(ridge) - K, diag(ridge) - dense_K),
  list(2 * add_ridge(K, 1) / 4 - K, (dense_K + diag(20)) / 2 - dense_K),
  list(-add_ridge(K, 1), -(dense_K + diag(20))),
  list(K %*% L, dense_K %*% dense_L),
  list(crossprod(L), crossprod(dense_L)),
  list(tcrossprod(L), tcrossprod(dense_L)),
  list(tcrossprod(L, L) + add_ridge(K, 1), tcrossprod(dense_L) + dense_K + diag(20)),
  list(add_ridge(K, ridge) %*% add_ridge(K, 1) %*% L,
       (dense_K + diag(ridge)) %*% (dense_K + diag(20)) %*% dense_L),
  list(add_ridge(restrict_pairs(K, blocks = keep_band(-3, 3)), 1),
       as.matrix(restrict_pairs(K, blocks = keep_band(-3, 3))) + diag(20)))

test_that("products, entries and the diagonal are those of the dense matrix", {
  for (pair in operators) {
    A <- pair[[1]]
    D <- unname(pair[[2]])
    label <- format(A)[1]
    m <- nrow(D)
    n <- ncol(D)
    expect_s3_class(A, "LinearOperator")
    expect_identical(dim(A), dim(D), label = label)
    expect_equal(as.matrix(A), D, label = label)
    expect_equal(as.matrix(t(A)), t(D), label = label)
    expect_equal(A[3:2, c(1, n, 1)], D[3:2, c(1, n, 1)], label = label)
    expect_equal(A[2, -1], D[2, -1], label = label)
    expect_equal(A[2, 3:4, drop = FALSE], D[2, 3:4, drop = FALSE], label = label)
    if (m == n) expect_equal(diag(A), diag(D), label = label)
    for (f in c("rowSums", "colSums", "rowMeans", "colMeans"))
      expect_equal(get(f)(A), get(f)(D), label = paste(f, label))
    for (p in c(1, 3)) {
      v <- matrix(cos(seq_len(n * p)), n)
      u <- matrix(sin(seq_len(m * p)), m)
      expect_equal(A %*% v, D %*% v, label = label)
      expect_equal(t(u) %*% A, t(u) %*% D, label = label)
      expect_equal(crossprod(A, u), crossprod(D, u), label = label)
      expect_equal(crossprod(u, A), crossprod(u, D), label = label)
      expect_equal(tcrossprod(A, t(v)), D %*% v, label = label)
      expect_equal(tcrossprod(t(v), A), t(v) %*% t(D), label = label)
    }
    expect_equal(A %*% seq_len(n), D %*% seq_len(n), label = label)
    expect_equal(seq_len(m) %*% A, seq_len(m) %*% D, label = label)
  }
})

test_that("names are those of the dense matrix", {
  named <- x
  rownames(named) <- letters[1:20]
  N <- exp(-sqdist(Vi(named), Vj(named)))
  S <- exp(-sqdist(Vi(named), Vj(y)))
  dense_N <- as.matrix(N)
  dense_S <- as.matrix(S)
  pairs <- list(list(2 * add_ridge(N, 0.5), 2 * (dense_N + diag(0.5, 20))), list(N %*% S, dense_N %*% dense_S),
                list(K + add_ridge(N, 1), dense_N + diag(20) + dense_N), list(crossprod(S, N), crossprod(dense_S, dense_N)),
                list(crossprod(S), crossprod(dense_S)))
  for (pair in pairs) {
    A <- pair[[1L]]
    D <- pair[[2L]]
    label <- format(A)[1]
    v <- matrix(sin(seq_len(2 * ncol(D))), ncol = 2, dimnames = list(NULL, c("u", "v")))
    expect_identical(dimnames(A), dimnames(D), label = label)
    expect_equal(as.matrix(A), D, label = label)
    expect_equal(A %*% v, D %*% v, label = label)
    expect_equal(A[2:3, 1:2], D[2:3, 1:2], label = label)
    expect_equal(diag(A), diag(D), label = label)
    expect_equal(rowSums(A), rowSums(D), label = label)
    expect_equal(colMeans(A), colMeans(D), label = label)
  }
  A <- pairs[[1L]][[1L]]
  D <- pairs[[1L]][[2L]]
  expect_equal(A["b", c("c", "a")], D["b", c("c", "a")])
  expect_equal(diag(A, names = FALSE), unname(diag(D)))
  expect_error(A["zz", 1], "names of them", class = "rkeops_error_argument")
  expect_error(add_ridge(K, 1)["a", 1], "no names", class = "rkeops_error_argument")
  expect_error(rowSums(A, na.rm = TRUE), "`na.rm`", class = "rkeops_error_argument")
  expect_error(colMeans(A, precision = "float32"), "`precision` is no argument of colMeans", class = "rkeops_error_argument")
  f <- function(x) sum(rowSums(add_ridge(exp(-sqdist(Vi(x), Vj(x))), x[1]))^2)
  expect_equal(gradient(f, x[1:5, ]), gradient(function(x) {
    K <- exp(-sqdist(Vi(x), Vj(x)))
    sum((K %*% rep(1, 5) + x[1])^2)
  }, x[1:5, ]), tolerance = 1e-10)
})

test_that("rkeops_explain() tells the products of linear operators, and how systems are solved", {
  A <- 2 * (K %*% K) + add_ridge(exp(-2 * sqdist(Vi(x), Vj(x))), 1)
  told <- rkeops_explain(A)
  expect_named(told$products, c("K1", "K2"))
  expect_identical(told$products$K1, rkeops_explain(sum(K * Vj(matrix(0, 20, 1)), "j", call = FALSE)))
  expect_output(print(told), "<rkeops explanation> 20 x 20.*product with K2\n  formula: Sum_Reduction")
  explained <- function(...) rkeops_explain(solve(..., call = FALSE))
  solver_of_call <- function(...) explained(...)[c("solver", "method", "preconditioner")]
  b <- 1:20
  expect_identical(solver_of_call(A, b), list(solver = "Cholesky", method = "dense", preconditioner = 0L))
  expect_identical(solver_of_call(A, b, definite = FALSE)$solver, "LU")
  expect_identical(solver_of_call(A, b, method = "iterative"),
                   list(solver = "conjugate gradients", method = "iterative", preconditioner = 0L)) # of a product
  R <- add_ridge(K, 0.1)
  expect_identical(solver_of_call(R, b, method = "iterative")$preconditioner, 20L)
  expect_identical(solver_of_call(R, b, method = "iterative", preconditioner = 7)$preconditioner, 7L)
  expect_lte(solve(R, b, method = "iterative", details = TRUE)$preconditioner, 20)
  expect_identical(solver_of_call(R, b, method = "iterative", definite = FALSE)$solver, "MINRES")
  expect_identical(solver_of_call(L, b)$solver, "LSQR")
  expect_identical(explained(R, b, method = "iterative", tol = 1e-4)$tol, 1e-4)
  expect_output(print(explained(R, b, method = "iterative", limit = 9)),
                "conjugate gradients, iterative\npreconditioner: partial Cholesky.*in at most 9 steps")
})

test_that("more columns than meet in one walk, and many rows, are the same", {
  v <- matrix(sin(1:(20 * 131)), 20)
  expect_equal(add_ridge(K, 1) %*% v, (dense_K + diag(20)) %*% v, ignore_attr = TRUE)
  z <- matrix(sin(1:300), 150)
  M <- exp(-sqdist(Vi(z), Vj(z)))
  expect_equal(as.matrix(M %*% M), as.matrix(M) %*% as.matrix(M))
  expect_equal(diag(M %*% M), diag(as.matrix(M) %*% as.matrix(M)))
})

test_that("a diagonal matrix of package Matrix is a ridge", {
  skip_if_not_installed("Matrix")
  D <- dense_K + diag(ridge)
  expect_equal(as.matrix(K + Matrix::Diagonal(20, ridge)), D)
  expect_equal(as.matrix(Matrix::Diagonal(20, ridge) + K), D)
  expect_equal(as.matrix(add_ridge(K, 1) + Matrix::Diagonal(20)), dense_K + diag(2, 20))
})

test_that("printing says what it is", {
  expect_output(print(add_ridge(K, 0.5)), "<LinearOperator> 20 x 20 (i x j): K + 0.5 I\nK: Exp(", fixed = TRUE)
  expect_output(print(2 * (K %*% L)), "2 * K1 %*% K2\nK1: Exp(", fixed = TRUE)
  expect_output(print(add_ridge(K, ridge) %*% K), "(K + diag(0.1 to 2)) %*% K", fixed = TRUE)
})

test_that("what does not fit is refused", {
  expect_error(add_ridge(L, 1), class = "rkeops_error_shape")
  expect_error(add_ridge(K, 1:3), class = "rkeops_error_argument")
  expect_error(add_ridge(K, NaN), class = "rkeops_error_argument")
  expect_error(add_ridge(Vi(x) - Vj(x), 1), class = "rkeops_error_shape")
  expect_error(add_ridge(x, 1), class = "rkeops_error_argument")
  expect_error(add_ridge(Vi(x[, 1] + 1i) * Vj(x[, 1]), 1), class = "rkeops_error_argument")
  A <- add_ridge(K, 1)
  expect_error(A %*% 1:3, class = "rkeops_error_shape")
  expect_error(A %*% NULL, class = "rkeops_error_argument")
  expect_error(A %*% t(L), class = "rkeops_error_shape")
  expect_error(A + L, class = "rkeops_error_shape")
  expect_error(A * K, class = "rkeops_error_argument")
  expect_error(A + dense_K, class = "rkeops_error_argument")
  expect_error(exp(A), "LinearOperator|non-numeric")
  expect_error(A[1], class = "rkeops_error_argument")
  expect_error(A[21, 1], class = "rkeops_error_argument")
  expect_error(as.matrix(A, max_size = 100), class = "rkeops_error_memory")
  expect_error(K + dense_K, class = "rkeops_error_argument")
})

optimise_again(optimising)
