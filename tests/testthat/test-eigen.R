# Eigenvalues and singular values against dense R.

n <- 300
x <- matrix(sin(1:(2 * n) * 1.3), n)
gauss <- function(x, y = x, s = 0.5) exp(-sqdist(Vi(x), Vj(y)) / s)
K <- gauss(x)
laplace <- exp(-norm2(Vi(x) - Vj(x)))
nothing <- 0 * K

searched <- function(A, k, which = "largest", tol = 1e-8, limit = 1000L)
  eigen_pairs(as_linear(A), k, which, tol, limit, method = "iterative")

spectrum <- function(D) eigen((D + t(D)) / 2, symmetric = TRUE, only.values = TRUE)$values

# `out` has the eigenvalues of D that are wanted of `all`, orthonormal vectors and the residual that it
# states.
expect_eigen <- function(out, D, k, which, tol, label, all = spectrum(D)) {
  size <- max(abs(all), 1e-300)
  wanted <- sort(all[wanted_order(all, which)[1:k]], decreasing = TRUE)
  expect_lte(max(abs(out$values - wanted)), (2 * tol + 1e-13) * size, label = label)
  expect_false(is.unsorted(rev(out$values)), label = label)
  expect_lt(max(abs(crossprod(out$vectors) - diag(k))), 1e-11, label = label)
  residual <- sqrt(colSums((D %*% out$vectors - out$vectors %*% diag(out$values, k))^2)) / size
  expect_lte(max(residual), tol + 1e-13, label = label)
  if (!is.null(out$residual)) expect_lt(max(abs(residual - out$residual)), 1e-4 * tol + 1e-13, label = label)
}

test_that("both ways agree with dense R, whichever eigenvalues are wanted", {
  skip_on_cran() # takes a while
  matrices <- list(gauss = K, both_signs = add_ridge(laplace, -30), product = K %*% K - 3 * add_ridge(K, 1),
                   groups = restrict_pairs(laplace, groups = rep(1:6, 50)),
                   band = restrict_pairs(K, blocks = keep_band(-5, 5)),
                   ridges = add_ridge(K, seq(0.1, 5, length.out = n)))
  for (name in names(matrices)) {
    D <- as.matrix(matrices[[name]])
    all <- spectrum(D)
    for (which in c("largest", "smallest", "magnitude", "ends")) for (k in c(1, 7)) {
      label <- paste(name, which, k)
      if (which != "ends")
        expect_eigen(find_eigen(matrices[[name]], k, which), D, k, which, 1e-8, label, all)
      slow <- which %in% c("smallest", "ends") && name %in% c("both_signs", "groups")
      if (!slow) expect_eigen(searched(matrices[[name]], k, which), D, k, which, 1e-8, label, all)
    }
  }
  expect_eigen(searched(K, 12, tol = 1e-12), as.matrix(K), 12, "largest", 1e-12, "precise")
})

test_that("matrices of few rows and all of their eigenvalues are found", {
  for (rows in c(1, 2, 30)) {
    A <- gauss(x[seq_len(rows), , drop = FALSE])
    for (k in unique(c(1, rows))) for (which in c("largest", "smallest", "magnitude", "ends"))
      expect_eigen(searched(A, k, which), as.matrix(A), k, which, 1e-8, paste(rows, k, which))
  }
  expect_eigen(searched(laplace, n), as.matrix(laplace), n, "largest", 1e-8, "all")
  expect_eigen(find_eigen(laplace, n), as.matrix(laplace), n, "largest", 1e-8, "all")
})

test_that("eigenvalues that are equal or near each other are all found", {
  skip_on_cran() # takes a while
  angle <- 2 * pi * (1:n) / n
  systems <- list(zero = nothing, twenty = add_ridge(nothing, rep(2:1, c(20, n - 20))),
                  one_apart = add_ridge(nothing, c(rep(1, n - 1), 0)),
                  close = add_ridge(nothing, c(1 + 1e-6 * (1:20), seq(-1, 0.9, length.out = n - 20))),
                  circle = gauss(cbind(cos(angle), sin(angle)), s = 0.1),
                  twins = gauss(x[rep(1:(n / 2), 2), ]))
  for (name in names(systems)) {
    D <- as.matrix(systems[[name]])
    all <- spectrum(D)
    for (which in c("largest", "smallest", "magnitude")) for (k in c(3, 25))
      expect_eigen(searched(systems[[name]], k, which), D, k, which, 1e-8, paste(name, which, k), all)
  }
})

test_that("what a first block misses is found by a second one", {
  A <- add_ridge(nothing, c(rep(1, 60), rep(0, n - 60))) # a block has 8 vectors of each eigenvalue
  expect_equal(searched(A, 40)$values, rep(1, 40))
  expect_equal(searched(A, 70)$values, rep(1:0, c(60, 10)))
})

test_that("the same matrix has the same result to the bit, without a random number", {
  first <- searched(K, 5)
  set.seed(NULL)
  seed <- get0(".Random.seed", globalenv())
  expect_identical(searched(K, 5), first)
  expect_identical(get0(".Random.seed", globalenv()), seed)
  dense <- find_eigen(K, 5)
  expect_s3_class(dense, "eigen")
  expect_equal(dense$vectors, first$vectors, tolerance = 1e-6) # signs too
  old <- set_rkeops_options(precision = "float32")
  on.exit(set_rkeops_options(precision = old$precision))
  expect_identical(searched(K, 5), first)
})

test_that("details tell how it went", {
  out <- find_eigen(K, 2, details = TRUE)
  expect_named(out, c("values", "vectors", "residual", "iterations", "seconds", "method"))
  expect_identical(out$method, "dense")
  expect_identical(searched(K, 2)$method, "iterative")
  more <- gauss(matrix(sin(1:2002 * 1.3), 1001))
  out <- find_eigen(more, 2, details = TRUE)
  expect_identical(out$method, "iterative")
  expect_lte(max(out$residual), 1e-8)
  expect_gt(out$iterations, 0)
})

test_that("too few steps are an error that has what there is", {
  e <- tryCatch(searched(laplace, 12, "smallest", limit = 4L), error = identity)
  expect_s3_class(e, "rkeops_error_convergence")
  expect_identical(dim(e$vectors), c(300L, 12L))
  expect_identical(e$iterations, 4L)
  expect_gt(max(e$residual), 1e-8)
  expect_match(conditionMessage(e), "after 4 steps")
  few <- tryCatch(searched(nothing, 20, limit = 1L), error = identity) # not even as many vectors
  expect_s3_class(few, "rkeops_error_convergence")
  expect_length(few$values, 8)
  expect_error(searched(nothing, 3, limit = 1L), "others may be wanted more",
               class = "rkeops_error_convergence")
  expect_identical(searched(nothing, 3, limit = 2L)$values, numeric(3))
})

test_that("what cannot have real eigenvalues is refused", {
  argument <- function(code, text) expect_error(code, text, class = "rkeops_error_argument")
  y <- cos(x)
  argument(find_eigen(gauss(x, y), 2), "`x` is not symmetric")
  expect_error(find_eigen(gauss(x, y[1:9, ]), 2), "as many rows", class = "rkeops_error_shape")
  for (k in list(0, 301, 1.5, NA, "a")) argument(find_eigen(K, k), "`k`")
  argument(find_eigen(K), "`k` is missing")
  argument(find_eigen(), "`x` is missing")
  argument(find_eigen(gauss(x[0, ]), 1), "`k`")
  argument(find_eigen(K, 2, "larges"), "did you mean `largest`")
  argument(find_eigen(K, 2, tol = 0), "`tol`")
  argument(find_eigen(K, 2, limit = 0), "`limit`")
  argument(find_eigen(K, 2, details = 1), "`details`")
  argument(find_eigen(K, 2, limits = 3), "no argument of find_eigen.*did you mean `limit`")
  argument(find_eigen(diag(3), 1), "`x`")
  z <- x
  z[2, ] <- NaN # not a row of those that are tried for symmetry
  argument(find_eigen(gauss(z), 2), "NaN")
  argument(searched(gauss(z), 2), "NaN")
})

test_that("eigs_sym() has what RSpectra has", {
  D <- as.matrix(laplace)
  values <- eigen(D)$values
  out <- eigs_sym.LazyTensor(laplace, 4)
  expect_named(out, c("values", "vectors", "nconv", "niter", "nops"))
  expect_equal(out$values, values[1:4])
  expect_equal(D %*% out$vectors, out$vectors %*% diag(out$values), tolerance = 1e-8)
  expect_identical(out$nconv, 4L)
  B <- add_ridge(laplace, -2)
  shifted <- values - 2
  expect_equal(eigs_sym.LinearOperator(B, 3, "LM")$values, shifted[1:3])
  expect_equal(eigs_sym.LinearOperator(B, 3, "LA")$values, shifted[1:3])
  expect_equal(eigs_sym.LinearOperator(B, 3, "SA")$values, shifted[298:300])
  expect_equal(eigs_sym.LinearOperator(B, 3, "BE")$values, shifted[c(1, 2, 300)])
  near <- function(to) sort(shifted[order(abs(shifted - to))[1:3]], decreasing = TRUE)
  expect_equal(eigs_sym.LinearOperator(B, 3, "SM")$values, near(0))
  expect_equal(eigs_sym.LinearOperator(B, 3, sigma = 1.5)$values, near(1.5))
  expect_null(eigs_sym.LazyTensor(laplace, 2, opts = list(retvec = FALSE))$vectors)
  many <- gauss(matrix(sin(1:2002 * 1.3), 1001))
  for (code in expression(eigs_sym.LazyTensor(many, 2, "SM"), eigs_sym.LazyTensor(many, 2, sigma = 1),
                          eigs_sym.LazyTensor(K, 2, "XX"), eigs_sym.LazyTensor(K, 2, opts = list(tl = 1)),
                          eigs_sym.LazyTensor(K, 2, opts = 3), eigs_sym.LazyTensor(K, 2, n = 4),
                          eigs_sym.LazyTensor(gauss(x, cos(x)), 2)))
    expect_error(eval(code), class = "rkeops_error_argument", label = deparse(code))
  expect_error(eigs_sym.LazyTensor(add_ridge(laplace, 0), 2, "SA", opts = list(tol = 1e-13, maxitr = 1000)),
               NA)
})

test_that("svds() has what RSpectra has, of wide and tall matrices", {
  y <- matrix(cos(1:160), 80)
  for (A in list(gauss(x, y), gauss(y, x), gauss(x, y) %*% gauss(y, x[1:50, ]))) {
    D <- as.matrix(A)
    expected <- svd(D)
    for (method in c("dense", "iterative")) {
      out <- singular_triplets(as_linear(A), 6L, 1e-10, 1000L, method)
      expect_equal(out$d, expected$d[1:6], tolerance = 1e-9, label = method)
      expect_equal(crossprod(out$u), diag(6), tolerance = 1e-9)
      expect_equal(crossprod(out$v), diag(6), tolerance = 1e-9)
      expect_lt(max(abs(D %*% out$v - out$u %*% diag(out$d))), 1e-9 * out$d[1])
      expect_lt(max(abs(crossprod(D, out$u) - out$v %*% diag(out$d))), 1e-7 * out$d[1])
    }
  }
  A <- gauss(x, y)
  out <- svds.LazyTensor(A, 3, nu = 0, nv = 2)
  expect_named(out, c("d", "u", "v", "nconv", "niter", "nops"))
  expect_null(out$u)
  expect_identical(dim(out$v), c(80L, 2L))
  expect_identical(svds.LinearOperator(as_linear(A), 3)$d, out$d)
  for (code in expression(svds.LazyTensor(A, 81), svds.LazyTensor(A, 3, nu = 4),
                          svds.LazyTensor(A, 3, opts = list(center = TRUE))))
    expect_error(eval(code), class = "rkeops_error_argument", label = deparse(code))
})
