# LazyTensors as matrices, against plain R arrays. In float64: results of at most 9 terms differ by
# a few units of 2^-52.
optimising <- set_rkeops_options(quick_options())
x <- uniform(5, 3)
y <- uniform(7, 3)
squares <- outer(rowSums(x^2), rowSums(y^2), `+`) - 2 * x %*% t(y)
differences <- array(x[rep(1:5, 7), ] - y[rep(1:7, each = 5), ], c(5, 7, 3))
K <- exp(-sum((Vi(x) - Vj(y))^2))
dense <- exp(-squares)
L <- Vi(x) - Vj(y)

near <- function(found, truth) expect_equal(found, truth, tolerance = 1e-13)
options_before <- set_rkeops_options(list(precision = "float64"))

test_that("values are those of a plain array", {
  near(as.matrix(K), dense)
  near(as.array(K), array(dense, c(5, 7, 1)))
  near(as.array(L), differences)
  near(as.vector(L), as.vector(differences))
  near(as.numeric(K), as.vector(dense))
  expect_identical(as.matrix(K < 0.5), dense < 0.5)
  expect_type(as.array(K < 0.5), "logical")
  expect_identical(as.integer(K < 0.5), as.integer(dense < 0.5))
  expect_identical(as.logical(K < 0.5), as.vector(dense < 0.5))
  near(as.data.frame(K), as.data.frame(dense))
  z <- complex(real = x, imaginary = 1)
  Z <- Vi(matrix(z, 5)) * Vj(y)
  near(as.array(Z), array(matrix(z, 5)[rep(1:5, 7), ] * y[rep(1:7, each = 5), ], c(5, 7, 3)))
  near(as.complex(Z[1]), as.vector(outer(z[1:5], y[, 1])))
  expect_error(as.matrix(L), "dimension 3", class = "rkeops_error_shape")
})

test_that("values are there where an index is absent", {
  of_i <- Vi(x) * 2
  of_j <- Vj(y) * 2
  near(as.array(of_i), array(2 * x, c(5, 1, 3)))
  near(as.array(of_j), array(2 * y, c(1, 7, 3)))
  near(of_i[c(2, 2), ], 2 * x[c(2, 2), ])
  near(of_i[3, c(1, 1), 2], 2 * c(x[3, 2], x[3, 2]))
  near(of_j[, 2:3, 1], 2 * y[2:3, 1])
  of_none <- Pm(c(0.5, 1)) * 2
  near(as.array(of_none), array(c(1, 2), c(1, 1, 2)))
  near(of_none[c(1, 1, 1), 1, 2], c(2, 2, 2))
  near(diag(of_none), matrix(c(1, 2), 1))
  near(as.matrix(Pm(0.5)), matrix(0.5))
})

test_that("x[i, j] takes the indices of base R", {
  near(K[2, 3], dense[2, 3])
  near(K[2, ], dense[2, ])
  near(K[, 3], dense[, 3])
  near(K[, ], dense)
  near(K[-1, c(3, 3, 1)], dense[-1, c(3, 3, 1)])
  near(K[-c(1, 9), 1], dense[-c(1, 9), 1])
  near(K[c(TRUE, FALSE), 0:2], dense[c(TRUE, FALSE), 0:2])
  near(K[1.9, 1], dense[1.9, 1])
  near(K[2, 3, drop = FALSE], dense[2, 3, drop = FALSE])
  near(K[2, 3, 1, drop = FALSE], array(dense[2, 3], c(1, 1, 1)))
  near(K[integer(), 1:2], dense[integer(), 1:2])
  near(K[NULL, 1:2], dense[NULL, 1:2])
  near(K[integer(), 1:2, drop = FALSE], dense[integer(), 1:2, drop = FALSE])
  near(L[1:2, 3], differences[1:2, 3, ])
  near(L[2, 3, ], differences[2, 3, ])
  near(L[, , c(3, 1)], differences[, , c(3, 1)])
  near(L[1, , 2, drop = FALSE], differences[1, , 2, drop = FALSE])
  near(K[cbind(1:3, c(2, 2, 7))], dense[cbind(1:3, c(2, 2, 7))])
  near(K[cbind(c(0, 2, 1), c(3, 1, 0))], dense[2, 1])
  near(L[cbind(4, 5)], matrix(differences[4, 5, ], 1))
  expect_identical((K < 0.5)[1:2, 1:3], dense[1:2, 1:3] < 0.5)
})

test_that("positions that are not there stop, with the index and what was expected", {
  wrong <- list(quote(K[6, 1]), quote(K[1, 8]), quote(K[NA, 1]), quote(K[c(1, NA), 1]),
                quote(K[c(1, -1), 1]), quote(K["a", 1]), quote(K[factor(1), 1]), quote(L[1, 1, 4]),
                quote(K[rep(TRUE, 6), 1]), quote(K[list(1), 1]), quote(K[matrix(1:4, 2), 1]),
                quote(K[cbind(6, 1)]), quote(K[cbind(-1, 1)]),
                quote(K[cbind(1, 2, 3)]), quote(L[4]),
                quote(L[0]))
  for (call in wrong) expect_error(eval(call), class = "rkeops_error_shape", info = deparse(call))
  expect_error(K[c(2, 6), 1], "index `i` is a numeric vector of length 2 with 6: expected",
               fixed = TRUE)
  expect_error(K[1, 2, 1, 1], "4 indices", class = "rkeops_error_argument")
  expect_error(K[1, 2, drop = 3], "drop", class = "rkeops_error_argument")
})

test_that("x[k] chooses components, and x[] all", {
  near(as.array(L[c(3, 1)]), differences[, , c(3, 1)])
  near(as.array(L[-1]), differences[, , -1])
  expect_identical(L[]$formula, L$formula)
})

test_that("values of many pairs are computed in parts", {
  n <- 1000 # 1000 x 1100 pairs of 8 numbers are three parts
  many <- matrix(seq_len(3 * n) / 1024, n)
  found <- as.matrix(sqdist(Vi(many), Vj(rbind(many, many[1:100, ]))))
  expect_identical(dim(found), c(1000L, 1100L))
  at <- cbind(c(1, 500, 1000, 777), c(1, 1100, 1000, 512))
  near(found[at], rowSums((many[at[, 1], ] - rbind(many, many[1:100, ])[at[, 2], ])^2))
})

test_that("rows of a block are those of its pairs, wherever a part begins and ends", {
  i <- c(4L, 2L, 9L)
  j <- c(7L, 1L, 5L, 3L)
  for (first in 1:12) for (last in first:12)
    expect_identical(rows_of_block(first:last, i, j),
                     list(i = rep(i, 4L)[first:last], j = rep(j, each = 3L)[first:last]))
})

test_that("results that R cannot allocate stop with an error of ours", {
  n <- 5e6 # squared, more bytes than there are addresses
  big <- matrix(0, n, 1)
  expect_error(as.matrix(Vi(big) + Vj(big), max_size = Inf), "200 TB",
               class = "rkeops_error_memory")
  skip_on_os(c("windows", "mac"))
  skip_if(nzchar(Sys.getenv("LD_PRELOAD")), "a sanitizer needs more addresses")
  limited <- c("sh", "-c", "ulimit -v 8000000; exec \"$0\" \"$@\"")
  out <- run_r(prefix = limited, c(
    using_cache(test_cache), "x <- Vi(matrix(runif(1e6)))",
    "one <- Vj(matrix(1))",
    "cat(tryCatch(Kmin(x * one, 10000, 'j'), error = function(e) class(e)[1:2]),",
    "    dim(sum(x * one, 'j')))"))
  expect_identical(out$output, "rkeops_error_memory rkeops_error 1000000 1")
})

test_that("dense values past a size are refused before anything is computed", {
  big <- sqdist(Vi(matrix(0, 1e5, 3)), Vj(matrix(0, 1e5, 3)))
  for (f in list(as.matrix, as.array, as.numeric, function(x) x[, ]))
    expect_error(f(big), "100000 x 100000 x 1 .*80 GB.*`max_size` is 1.1 GB",
                 class = "rkeops_error_memory")
  expect_error(as.matrix(K, max_size = 279), class = "rkeops_error_memory")
  near(as.matrix(K, max_size = 280), dense)
  expect_error(as.array(K, max_size = "a"), "max_size", class = "rkeops_error_argument")
})

test_that("diag() is the values at (i, i)", {
  near(diag(K), diag(dense))
  near(diag(L), sapply(1:3, function(k) diag(differences[, , k])))
  near(diag(Vi(x)[1]), x[1, 1])
  expect_error(diag(K, 2), class = "rkeops_error_argument")
})

test_that("diag() of many rows needs no square", {
  n <- 1e6
  v <- matrix(seq_len(n) %% 100)
  expect_identical(diag(Vi(v) + Vj(v)), as.vector(2 * v))
})

test_that("sums and means of rows and columns", {
  near(rowSums(K), rowSums(dense))
  near(colSums(K), colSums(dense))
  near(rowMeans(K), rowMeans(dense))
  near(colMeans(K), colMeans(dense))
  near(rowSums(L), apply(differences, c(1, 3), sum))
  near(colMeans(L), apply(differences, c(2, 3), mean))
  near(rowSums(K < 0.5), rowSums(dense < 0.5))
  near(not_index(rowMeans(Vi(x)[1])), x[, 1])
  near(rowSums(K, sum_scheme = "kahan_scheme"), rowSums(dense))
  expect_error(rowSums(K, na.rm = TRUE), "na.rm", class = "rkeops_error_argument")
  expect_error(colSums(K, dims = 2), "dims", class = "rkeops_error_argument")
  expect_error(colSums(K, call = FALSE), "call", class = "rkeops_error_argument")
})

test_that("products have the shapes of base R", {
  a <- uniform(5, 2)
  b <- uniform(7, 2)
  near(K %*% b, dense %*% b)
  near(K %*% b[, 1], dense %*% b[, 1])
  near(K %*% as.data.frame(b), dense %*% as.matrix(as.data.frame(b)))
  near(K %*% (b > 0.5), dense %*% (b > 0.5))
  near(K %*% Vj(b), dense %*% b)
  near(K %*% Pm(2), matrix(2 * rowSums(dense)))
  near(K %*% (Vj(b) * Vj(y)[1] + 1), dense %*% (b * y[, 1] + 1))
  near(K %*% (b + 1i), dense %*% (b + 1i))
  near(t(a) %*% K, t(a) %*% dense)
  near(a[, 1] %*% K, a[, 1] %*% dense)
  near(crossprod(K, a), crossprod(dense, a))
  near(crossprod(K, a[, 1]), crossprod(dense, a[, 1]))
  near(crossprod(a, K), crossprod(a, dense))
  near(tcrossprod(K, t(b)), dense %*% b)
  near(tcrossprod(t(b), K), t(b) %*% t(dense))
  near(tcrossprod(K, as.data.frame(t(b))), dense %*% b)
  near(tcrossprod(b[, 1], K), t(b[, 1]) %*% t(dense))
  near(t(K) %*% a, crossprod(K, a))
  near(crossprod(K, Vi(a)), crossprod(dense, a))
  near(crossprod(Vi(a), K), crossprod(a, dense))
  near(tcrossprod(K, Vj(b)), dense %*% b)
  near(matrix_operation("crossprod", K, a), crossprod(dense, a)) # as R >= 4.4 calls it
  # not all columns of x_i times the sums of those of a matrix, which is no product of matrices
  expect_error(Vi(x) %*% diag(3), "depends on j", class = "rkeops_error_shape")
  expect_error(1:4 %*% Vj(y)[1], "depends on i", class = "rkeops_error_shape")
})

test_that("products that do not fit stop", {
  fits_not <- list(quote(K %*% 1:5), quote(1:7 %*% K), quote(crossprod(K, 1:7)),
                   quote(crossprod(1:7, K)), quote(tcrossprod(K, matrix(0, 7, 2))),
                   quote(tcrossprod(matrix(0, 7, 2), K)))
  for (call in fits_not)
    expect_error(eval(call), class = "rkeops_error_shape", info = deparse(call))
  b <- matrix(0, 5, 2)
  expect_error(K %*% b, "`K` has dimensions 5 x 7 (i x j), `b` has 5 rows: expected 7 rows",
               fixed = TRUE)
  expect_error(1:7 %*% K, "`1:7` has length 7, `K` has dimensions 5 x 7 (i x j): expected length 5",
               fixed = TRUE)
  for (wrong in list("a", factor(1:7), list(1), Sys.Date() + 1:7, NULL)) {
    expect_error(K %*% wrong, class = "rkeops_error_argument")
    expect_error(wrong %*% K, class = "rkeops_error_argument")
  }
})

test_that("a product of two LazyTensors is one of matrices, or refused", {
  other <- exp(-sum((Vi(y) - Vj(x))^2)) # 7 x 5
  b <- uniform(7, 1)
  refused <- list(quote(K %*% K), quote(K %*% Vi(b)), quote(K %*% Vi(x)),
                  quote(Vi(x) %*% Vi(x)), quote(crossprod(K, other)), quote(tcrossprod(K, other)))
  for (call in refused)
    expect_error(eval(call), "expected", class = "rkeops_error_shape", info = deparse(call))
  expect_error(K %*% K, fixed = TRUE,
               "`K` has dimensions 5 x 7 (i x j), `K` has dimensions 5 x 7 (i x j)")
  expect_error(K %*% Vi(b), "a second factor that depends on j, such as Vj(b)", fixed = TRUE)
  near(as.matrix(K %*% other), dense %*% as.matrix(other))
  near(as.matrix(crossprod(K)), crossprod(dense))
  v <- uniform(5, 1)
  near(K %*% (other %*% v), dense %*% as.matrix(other) %*% v)
  near(rowSums(K * t(other)), rowSums(dense * t(as.matrix(other))))
  near(crossprod(K, K %*% b), crossprod(dense) %*% b)
  near(K %*% crossprod(K, v), tcrossprod(dense) %*% v)
})

test_that("row names of the data are those of the matrix", {
  named <- `rownames<-`(x, letters[1:5])
  also <- `rownames<-`(y, LETTERS[1:7])
  N <- exp(-sum((Vi(named) - Vj(also))^2))
  truth <- `dimnames<-`(dense, list(letters[1:5], LETTERS[1:7]))
  expect_identical(dimnames(N), list(letters[1:5], LETTERS[1:7], NULL))
  expect_identical(colnames(t(N)), letters[1:5])
  near(as.matrix(N), truth)
  near(N["b", c("A", "C")], truth["b", c("A", "C")])
  near(N[2:3, 1], truth[2:3, 1])
  near(rowSums(N), rowSums(truth))
  near(colMeans(N), colMeans(truth))
  b <- `colnames<-`(uniform(7, 2), c("u", "v"))
  near(N %*% b, truth %*% b)
  near(crossprod(N, N %*% b), crossprod(truth, truth %*% b))
  near(tcrossprod(t(b), N), tcrossprod(t(b), truth))
  square <- sqdist(Vi(named), Vj(named))
  expect_identical(names(diag(square)), letters[1:5])
  expect_null(names(diag(N)))
  expect_error(N["z", 1], "row names", class = "rkeops_error_shape")
})

test_that("results of reductions have the row names of the index that is kept", {
  named <- `dimnames<-`(x, list(letters[1:5], c("u", "v", "w")))
  also <- `rownames<-`(y, LETTERS[1:7])
  a <- Vi(named)
  N <- sum((a - Vj(also))^2)
  of_rows <- list(letters[1:5], NULL)
  of_columns <- list(LETTERS[1:7], NULL)
  expect_identical(dimnames(sum(N, "j")), of_rows)
  expect_identical(dimnames(sum(N, "i")), of_columns)
  expect_identical(dimnames(sum(N * 1i, "i")), of_columns)
  expect_identical(names(rowSums(N)), letters[1:5])
  for (found in list(min(N, "j"), argmin(N, "j"), logsumexp(N, "j"), Kmin(N, 2, "j"),
                     sumsoftmaxweight(N, "j", Vj(also)), any(N < 1, "j"),
                     reduction.LazyTensor(N, "Max", "j"), sum(N, "j", call = FALSE)(), N %*% y,
                     crossprod(t(N), y), N %*% Vj(y)))
    expect_identical(dimnames(found), of_rows)
  for (both in list(min_argmin(N, "i"), Kmin_argKmin(N, 2, "i")))
    expect_identical(lapply(both, dimnames), list(of_columns, of_columns))
  expect_identical(dimnames(Kmin(N * Vi(named), 2, "j")), c(of_rows, list(NULL)))
  op <- sum(N, "j", call = FALSE)
  expect_identical(dimnames(gradient(op, a)), of_rows)
  expect_identical(dimnames(jvp(op, a, x)), of_rows)
  both <- value_and_gradient(sum(N, "i", call = FALSE), a)
  expect_identical(lapply(both, dimnames), list(value = of_columns, gradient = of_rows))
  # the first variable of an index that has names; none of them, no names
  renamed <- `rownames<-`(x, LETTERS[5:1])
  expect_identical(rownames(sum(Vi(x) + Vi(named) + Vi(renamed) + Vj(y), "j")), letters[1:5])
  expect_null(dimnames(sum(sum((Vi(x) - Vj(also))^2), "j")))
  expect_identical(rownames(sum(Vi(c(p = 1, q = 2)) * Vj(1:3), "j")), c("p", "q"))
})

test_that("no rows and one row", {
  none <- matrix(0, 0, 3)
  expect_identical(as.matrix(exp(-sum((Vi(none) - Vj(y))^2))), matrix(0, 0, 7))
  expect_identical(as.array(Vi(none) - Vj(none)), array(0, c(0, 0, 3)))
  expect_identical(diag(exp(-sum((Vi(none) - Vj(y))^2))), double())
  expect_identical(rowSums(exp(-sum((Vi(x) - Vj(none))^2))), double(5))
  expect_identical(rowMeans(exp(-sum((Vi(x) - Vj(none))^2))), rep(NaN, 5))
  near(as.matrix(exp(-sum((Vi(x[1, , drop = FALSE]) - Vj(y))^2))), dense[1, , drop = FALSE])
})

test_that("concat() takes any number of operands", {
  # copies of long texts take the compiler minutes
  wide <- Vi(matrix(0, 5, 9))
  expect_identical(wide[-5]$formula, "Concat(Extract(V0,0,4),Extract(V0,5,4))")
  expect_identical(concat(wide, 1, 2, 3, 4)$formula,
                   "Concat(Concat(Concat(V0,V1),Concat(V2,V3)),V4)")
  near(as.array(concat(L, 2, Vi(x)[3]))[2, 3, ], c(differences[2, 3, ], 2, x[2, 3]))
  expect_identical(dim(concat(L)), dim(L))
  expect_true(is.ComplexLazyTensor(concat(L, 1i, 2)))
  expect_error(concat(), class = "rkeops_error_argument")
  wide <- Pm(rep(0.5, 40000))
  expect_error(concat(wide, wide), "dimension 80000", class = "rkeops_error_shape")
})

test_that("what is printed fits a screen", {
  z <- K
  for (k in 1:30) z <- z * Vj(y + k)
  expect_lte(length(format(z)), 16)
  expect_match(format(z), "and 21 more", all = FALSE)
  expect_output(print(summary(z)), "and 20 more")
})

test_that("a summary says what a LazyTensor is made of, and computes nothing", {
  before <- counters()[["programs"]]
  s <- summary(K * 0.5)
  expect_s3_class(s, "summary.LazyTensor")
  expect_identical(s$dim, c(5L, 7L, 1L))
  expect_identical(s$variables$kind, c("Vi", "Vj"))
  expect_identical(s$variables$rows, c(5L, 7L))
  expect_identical(s$dense_bytes, 280)
  expect_output(print(s), "5 x 7 \\(i x j\\), dimension 1.*V1 +Vj +7 +3.*would take 280 bytes")
  expect_identical(summary(Pm(c(0.5, 1)))$variables$dimension, 2L)
  expect_identical(summary(K < 1)$type, "logical")
  expect_identical(counters()[["programs"]], before)
})

test_that("matrices on a GPU are matrices", {
  found <- on_gpu({
    rkeops_use_gpu()
    X <- to_gpu(x)
    K <- exp(-sum((Vi(X) - Vj(to_gpu(y)))^2))
    a <- to_gpu(matrix(1:10, 5))
    list(as.matrix(K), K[2, 3:4], diag(K), rowSums(K), crossprod(K, a), crossprod(a, K),
         K %*% to_gpu(1:7), dimnames(K), as.matrix(K * Vj(to_gpu(1:7))),
         sum(K * Vj(to_gpu(1:7)), "j"))
  }, list(x = `rownames<-`(x, letters[1:5]), y = y))
  truth <- `rownames<-`(dense, letters[1:5])
  a <- matrix(1:10, 5)
  expected <- list(truth, truth[2, 3:4], diag(dense), rowSums(truth), crossprod(dense, a),
                   crossprod(a, dense), truth %*% 1:7, list(letters[1:5], NULL, NULL),
                   truth * rep(1:7, each = 5), truth %*% 1:7)
  expect_equal(found, expected, tolerance = 1e-5) # float32, the precision of a GPU
})

set_rkeops_options(options_before)

optimise_again(optimising)

test_that("a product is that of the numbers that are there when it is computed", {
  with_options(list(precision = "float64"), {
    x <- matrix(sin(1:12), 4)
    y <- matrix(cos(1:15), 5)
    K <- exp(-sqdist(Vi(x), Vj(y)) / 2)
    dense <- as.matrix(K)
    b <- 1:5 + 0
    expect_equal(K %*% b, dense %*% b, tolerance = 1e-13)
    b[2] <- 7
    expect_equal(K %*% b, dense %*% b, tolerance = 1e-13)
    x[1, ] <- 0 # K keeps what it was made of
    expect_equal(K %*% b, dense %*% b, tolerance = 1e-13)
    other <- K
    other <- 2 * other
    expect_equal(K %*% b, dense %*% b, tolerance = 1e-13)
    expect_equal(other %*% b, 2 * dense %*% b, tolerance = 1e-13)
    expect_equal(K %*% (K %*% b)[c(1:4, 1)], dense %*% (dense %*% b)[c(1:4, 1)], tolerance = 1e-13)
    expect_equal(crossprod(K, K %*% cbind(u = b, v = 1)), crossprod(dense, dense %*% cbind(u = b, v = 1)),
                 tolerance = 1e-13)
    # a factor that is the same object as a variable, and one of integers or logical values
    D <- sqdist(Vi(y), Vj(y))
    expect_equal(D %*% y, as.matrix(D) %*% y, tolerance = 1e-13)
    expect_equal(K %*% (1:5 > 2), dense %*% (1:5 > 2), tolerance = 1e-13)
    expect_equal(K %*% 5:1, dense %*% 5:1, tolerance = 1e-13)
    expect_error(K %*% 1:4, "5", class = "rkeops_error_shape")
    expect_error(K %*% letters[1:5], class = "rkeops_error_argument")
  })
})
