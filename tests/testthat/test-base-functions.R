# Functions of base R and its packages, given a LazyTensor by accident or on purpose: they mean what
# they mean for the dense matrix, or stop with an error of ours where R asks us. Those that the help
# page lists are tried in test-help.R.
optimising <- set_rkeops_options(quick_options())
x <- uniform(5, 3)
y <- uniform(7, 3)
K <- exp(-sum((Vi(x) - Vj(y))^2))
options_before <- set_rkeops_options(list(precision = "float64"))
dense <- as.matrix(K)

test_that("functions that have no meaning for a LazyTensor stop, beyond those that the help has", {
  refused <- list(
    sweep = function(k) sweep(k, 1, 1:5), Map = function(k) Map(sum, k), `[[` = function(k) k[[1]],
    t.test = stats::t.test, wilcox.test = stats::wilcox.test, max = function(k) max(k, 1),
    cor_with = function(k) stats::cor(dense, k), outer_left = function(k) 1:2 %o% k,
    round = function(k) round(k, k), log = function(k) log(k, k),
    min_text = function(k) min(k, "a"), min_raw = function(k) min(k, as.raw(1)),
    min_bytes = function(k) min(k, `Encoding<-`("fa\xE7ade", "bytes")),
    min_latin1 = function(k) min(k, "fa\xE7ade"))
  for (name in names(refused)) expect_error(refused[[name]](K), class = "rkeops_error", info = name)
})

test_that("norms are those of the dense matrix", {
  wave <- exp1j(3 * (Vi(x)[1] - Vj(y)[1])) * Vj(y)[2]
  for (k in list(K, -K, wave, K < 0.5, Vi(x)[1], t(K))) {
    values <- as.matrix(k)
    for (type in c("O", "1", "I", "F", "E", "M", "o", "f")) # base R < 4.4 takes real parts
      expect_equal(norm(k, type), base::norm(abs(values), type), tolerance = 1e-12, info = type)
    expect_equal(norm(k, "2"), svd(values)$d[1L], tolerance = 1e-12)
  }
  expect_identical(norm(K), norm(K, "O"))
  expect_identical(norm(Vi(x) | Vj(y[0L, ])), 0)
  expect_error(norm(K, "X"), "`type`", class = "rkeops_error_argument")
  expect_error(norm(Vi(x)), "dimension 3", class = "rkeops_error_shape")
})

test_that("RSpectra finds the methods for its functions, and advice where there are none", {
  square <- exp(-sum((Vi(x) - Vj(x))^2))
  expect_error(eigs.LazyTensor(square, 2), "function(v, args) as.vector(x %*% v)", fixed = TRUE,
               class = "rkeops_error_argument")
  skip_if_not_installed("RSpectra")
  eigs_sym <- getExportedValue("RSpectra", "eigs_sym") # it is no package that this one suggests
  svds <- getExportedValue("RSpectra", "svds")
  found <- eigs_sym(square, 2)
  same <- eigs_sym(function(v, args) as.vector(square %*% v), 2, n = nrow(square))
  expect_identical(names(found), names(same))
  expect_equal(found$values, same$values, tolerance = 1e-8)
  found <- svds(K, 2)
  same <- svds(function(v, args) as.vector(K %*% v), 2, dim = dim(K)[1:2],
               Atrans = function(v, args) as.vector(crossprod(K, v)))
  expect_identical(setdiff(names(same), names(found)), character()) # some versions have no nconv
  expect_equal(found$d, same$d, tolerance = 1e-8)
})

test_that("any() and all() of a comparison go over an index", {
  near <- sum((Vi(x) - Vj(y))^2) < 0.4
  expect_identical(any(near, "j"), matrix(apply(as.matrix(near), 1L, any)))
  expect_identical(all(near, index = "i"), matrix(apply(as.matrix(near), 2L, all)))
  expect_identical(any(Vi(x) > 0.5, "i")[1L, ], apply(x > 0.5, 2L, any))
  of_nothing <- Vi(x) < Vj(y[0L, ])
  expect_identical(c(any(of_nothing, "j"), all(of_nothing, "j")), rep(c(FALSE, TRUE), each = 15L))
  expect_error(any(near), "any(x, \"j\")", fixed = TRUE, class = "rkeops_error_argument")
  expect_error(any(K, "j"), "comparison", class = "rkeops_error_argument")
  expect_error(any(near, "j", call = FALSE), "`call`", class = "rkeops_error_argument")
})

test_that("lists of LazyTensors are ordinary lists", {
  both <- list(K, a = K)
  expect_length(both, 2)
  expect_identical(lapply(both, dim), list(c(5L, 7L, 1L), a = c(5L, 7L, 1L)))
  expect_true(identical(K, both$a))
})

test_that("plain numbers mean what they mean without rkeops, errors too", {
  m <- matrix(c(1.5, 2, NA, -4, 5, 6), 2, dimnames = list(c("a", "b"), NULL))
  plain <- list(m, matrix(1:6, 2), m > 0, m + 1i, 1:3, 3, "a", NULL, data.frame(a = 1:2, b = 3:4),
                list(1), array(1:8, c(2, 2, 2)), matrix(0, 0, 2))
  outcome <- function(code) tryCatch(code, error = conditionMessage, warning = conditionMessage)
  for (name in c("rowSums", "colSums", "rowMeans", "colMeans", "diag", "crossprod", "tcrossprod",
                 "which", "norm"))
    for (value in plain)
      expect_identical(outcome(get(name)(value)), outcome(getExportedValue("base", name)(value)),
                       info = name)
  expect_identical(rowSums(m, na.rm = TRUE), base::rowSums(m, na.rm = TRUE))
  expect_identical(colMeans(array(1:8, c(2, 2, 2)), dims = 2),
                   base::colMeans(array(1:8, c(2, 2, 2)), dims = 2))
  expect_identical(which(m > 0, arr.ind = TRUE), base::which(m > 0, arr.ind = TRUE))
  expect_identical(which(c(a = TRUE, b = NA), useNames = FALSE), c(a = 1L))
  expect_identical(diag(2, 3, 4), base::diag(2, 3, 4))
  expect_identical(diag(nrow = 2), base::diag(nrow = 2))
  expect_identical(crossprod(m, 1:2), base::crossprod(m, 1:2))
  expect_identical(m %*% t(m), base::`%*%`(m, t(m)))
  expect_error(m %*% m, "non-conformable")
})

# Products and sums of LazyTensors and of sparse matrices, in another process.
with_matrix <- function(attach) run_r(c(
  attach,
  "set_rkeops_options(list(precision = 'float64'))",
  using_cache(test_cache),
  "x <- matrix(1:15 / 16, 5); y <- matrix(1:21 / 32, 7)",
  "K <- exp(-sum((Vi(x) - Vj(y))^2)); dense <- as.matrix(K)",
  "S <- Matrix::sparseMatrix(c(1, 3, 7), c(1, 2, 2), x = c(1, 2, 3))",
  "W <- Matrix::sparseMatrix(c(1, 5), c(1, 2), x = c(4, 5)); s <- as.matrix(S); w <- as.matrix(W)",
  "near <- function(a, b) stopifnot(max(abs(a - b)) < 1e-12, identical(dim(a), dim(b)))",
  "near(K %*% S, dense %*% s); near(Matrix::t(W) %*% K, t(w) %*% dense)",
  "near(crossprod(K, W), crossprod(dense, w)); near(crossprod(W, K), crossprod(w, dense))",
  "near(tcrossprod(K, Matrix::t(S)), dense %*% s)",
  "near(tcrossprod(Matrix::t(S), K), t(s) %*% t(dense))",
  "near(crossprod(K, Matrix::Diagonal(5)), t(dense))",
  "near(K %*% as(c(1, 0, 0, 0, 2, 0, 0), 'sparseVector'), dense %*% c(1, 0, 0, 0, 2, 0, 0))",
  "near(rowSums(K), rowSums(dense)); near(colMeans(K), colMeans(dense))",
  "near(diag(K), base::diag(dense)); near(rowSums(s), base::rowSums(s))",
  "stopifnot(identical(which(K > 0.5), base::which(dense > 0.5)))",
  "near(Matrix::rowSums(S), base::rowSums(s)); near(Vi(S)$data[[1]], s)",
  "refused <- function(code) inherits(tryCatch(code, error = identity), 'rkeops_error_argument')",
  "stopifnot(refused(K * S), refused(S + K), refused(K < S), refused(S & K))",
  "if ('package:Matrix' %in% search()) {",
  "  near(rowSums(S), base::rowSums(s)); near(diag(Diagonal(3)), rep(1, 3))",
  "  stopifnot(identical(which(S > 1), base::which(s > 1)))",
  "  near(as.matrix(crossprod(S)), crossprod(s)); near(as.matrix(S %*% t(S)), s %*% t(s))",
  "}",
  "cat('done')"))

test_that("package Matrix and rkeops share generics, whichever is attached first", {
  skip_if_not_installed("Matrix")
  skip_on_gpu_machine()
  after <- "library(Matrix)"
  before <- c("detach('package:rkeops')", "library(Matrix)", "library(rkeops)")
  for (attach in list(after, before, "loadNamespace('Matrix')")) {
    out <- with_matrix(attach)
    expect_identical(tail(out$output, 1), "done", info = paste(out$output, collapse = "\n"))
  }
})

set_rkeops_options(options_before)

optimise_again(optimising)
