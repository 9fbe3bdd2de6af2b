# Functions of base R and its packages, given a LazyTensor by accident or on purpose: they mean what
# they mean for the dense matrix, or stop with an error of ours where R asks us.
x <- uniform(5, 3)
y <- uniform(7, 3)
K <- exp(-sum((Vi(x) - Vj(y))^2))
options_before <- set_rkeops_options(list(precision = "float64"))
dense <- as.matrix(K)

test_that("functions that have no meaning for a LazyTensor stop, and say what has", {
  refused <- list(
    mean = mean, median = stats::median, quantile = stats::quantile, range = range, prod = prod,
    any = any, all = all, weighted.mean = stats::weighted.mean, fivenum = stats::fivenum,
    mad = stats::mad, sort = sort, order = order, rank = rank, xtfrm = xtfrm, rev = rev,
    unique = unique, duplicated = duplicated, anyDuplicated = anyDuplicated,
    is.na = is.na, anyNA = anyNA, is.nan = is.nan, is.finite = is.finite,
    is.infinite = is.infinite, factor = factor, head = utils::head, tail = utils::tail,
    cumsum = cumsum, signif = signif, gamma = gamma, solve = solve, det = det, chol = chol, qr = qr,
    isSymmetric = isSymmetric, diff = diff, stack = utils::stack, as.list = as.list,
    unlist = unlist, rep = rep, seq = seq, plot = plot, image = graphics::image,
    contour = graphics::contour, persp = graphics::persp, hist = graphics::hist,
    boxplot = graphics::boxplot, ecdf = stats::ecdf, acf = stats::acf,
    c = function(k) c(k, k), cbind = function(k) cbind(k, 1), rbind = function(k) rbind(k, 1),
    ifelse = function(k) ifelse(TRUE, k, 0), pmin = function(k) pmin(k, 1),
    pmax = function(k) pmax(1, k), sweep = function(k) sweep(k, 1, 1:5),
    cut = function(k) cut(k, 2), split = function(k) split(k, 1:5),
    merge = function(k) merge(k, k), by = function(k) by(k, 1:5, sum),
    aggregate = function(k) stats::aggregate(k, list(1:5), sum),
    rowsum = function(k) rowsum(k, 1:5), subset = function(k) subset(k, TRUE),
    transform = function(k) transform(k, a = 1), lapply = function(k) lapply(k, sum),
    sapply = function(k) sapply(k, sum), vapply = function(k) vapply(k, sum, 1),
    Map = function(k) Map(sum, k), Reduce = function(k) Reduce(`+`, k),
    Filter = function(k) Filter(is.null, k), `[[` = function(k) k[[1]], t.test = stats::t.test,
    max = function(k) max(k, 1), sum = function(k) sum(k, k), cor = stats::cor, cov = stats::cov,
    cor_with = function(k) stats::cor(dense, k), cov2cor = stats::cov2cor,
    cov.wt = stats::cov.wt, ts = stats::ts, embed = function(k) stats::embed(k, 2),
    density = stats::density, wilcox.test = stats::wilcox.test, outer = function(k) outer(k, 1:2),
    outer_left = function(k) 1:2 %o% k, jitter = jitter, tabulate = tabulate, aperm = aperm,
    as.table = as.table, barplot = graphics::barplot, lines = graphics::lines,
    points = graphics::points, within = function(k) within(k, a <- 1),
    match = function(k) match(1, k), `%in%` = function(k) k %in% 1, round = function(k) round(k, k),
    log = function(k) log(k, k), min_text = function(k) min(k, "a"),
    min_bytes = function(k) min(k, `Encoding<-`("fa\xE7ade", "bytes")),
    min_latin1 = function(k) min(k, "fa\xE7ade"), min_raw = function(k) min(k, as.raw(1)))
  if (getRversion() < "4.2.0") refused[c("match", "%in%")] <- NULL
  for (name in names(refused)) expect_error(refused[[name]](K), class = "rkeops_error", info = name)
})

test_that("refusals name a function that does it", {
  says <- list("Kmin(x, K, index)" = quote(median(K)), "argKmin" = quote(order(K)),
               "vignette(\"interpolation\")" = quote(solve(K, 1:5)),
               "vignette(\"interpolation\")" = quote(solve(K)), "rowMeans(x)" = quote(mean(K)),
               "exp(sum(log(x), index))" = quote(prod(K)), "max(x, index)" = quote(range(K)),
               "as.matrix(x)" = quote(cor(K)),
               "where(x < y, x, y)" = quote(pmin(K, 1)), "where(x < y, x, y)" = quote(pmax(1, K)),
               "x %*% w / sum(w)" = quote(weighted.mean(K, 1:7)), "any(, index)" = quote(1 %in% K))
  if (getRversion() < "4.2.0") says <- says[names(says) != "any(, index)"]
  for (k in seq_along(says)) {
    error <- expect_error(eval(says[[k]]), class = "rkeops_error_argument")
    expect_match(conditionMessage(error), names(says)[k], fixed = TRUE)
  }
  expect_error(K + diag(5), "Vi() of a matrix", fixed = TRUE, class = "rkeops_error_argument")
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

test_that("packages that take functions for matrices are told so", {
  square <- exp(-sum((Vi(x) - Vj(x))^2))
  for (f in list(eigs_sym.LazyTensor, eigs.LazyTensor, svds.LazyTensor))
    expect_error(f(square, 2), "function(v, args) as.vector(x %*% v)", fixed = TRUE,
                 class = "rkeops_error_argument")
  skip_if_not_installed("RSpectra")
  eigs_sym <- getExportedValue("RSpectra", "eigs_sym") # it is no package that this one suggests
  svds <- getExportedValue("RSpectra", "svds")
  expect_error(eigs_sym(square, 2), class = "rkeops_error_argument")
  found <- eigs_sym(function(v, args) as.vector(square %*% v), 2, n = nrow(square))
  expect_equal(found$values, eigen(as.matrix(square))$values[1:2], tolerance = 1e-10)
  expect_error(svds(K, 2), class = "rkeops_error_argument")
  found <- svds(function(v, args) as.vector(K %*% v), 2, dim = dim(K)[1:2],
                          Atrans = function(v, args) as.vector(crossprod(K, v)))
  expect_equal(found$d, svd(dense)$d[1:2], tolerance = 1e-10)
})

test_that("where R asks nobody, it stops by itself: there is no value", {
  near <- K < 0.5
  for (call in list(quote(min(1, K)), quote(sum(1:3, K)), quote(range(1, K)),
                    quote(range(dense, K)), quote(sum(unlist(list(1, K)))),
                    quote(sum(c(1, K, recursive = TRUE))),
                    quote(round(1.5, K)), quote(log(2, base = K)), quote(which.min(K)),
                    quote(if (K > 0.5) 1), quote(while (near) break), quote(near && TRUE),
                    quote(stopifnot(near)), quote(1:K), quote(seq_len(K)), quote((1:9)[near]),
                    quote(dense[K]), quote(table(K)), quote(stats::var(K)), quote(stats::fft(K)),
                    quote(solve(dense[, 1:5], K)), quote(stats::lm(y[1:5, 1] ~ K)),
                    quote(switch(K, a = 1)), quote(numeric(K)), quote(stats::lowess(K))))
    expect_error(suppressWarnings(eval(call)), info = deparse(call))
  expect_false(is.matrix(K) || is.numeric(K) || is.array(K))
  expect_false(isTRUE(all.equal(K, dense)))
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

test_that("a LazyTensor is not changed in parts", {
  changes <- list(quote(K[1] <- 1), quote(K[[1]] <- 1), quote(K$kind <- 1), quote(names(K) <- "a"),
                  quote(dim(K) <- 35), quote(rownames(K) <- 1:5), quote(length(K) <- 1),
                  quote(levels(K) <- "a"), quote(is.na(K) <- 1))
  for (change in changes)
    expect_error(eval(change), class = "rkeops_error_argument", info = deparse(change))
})

test_that("functions that ask for a matrix get the dense one", {
  same <- list(
    svd = function(k) svd(k)$d, max.col = max.col, scale = scale, dist = stats::dist,
    prcomp = function(k) stats::prcomp(k)$sdev, sd = stats::sd, matrix = matrix,
    by_rows = function(k) apply(k, 1, sum), each = function(k) apply(k, c(1, 2), sqrt),
    as.vector = as.vector, as.numeric = as.numeric, as.complex = as.complex,
    as.integer = as.integer, as.logical = as.logical, data.frame = function(k) data.frame(k),
    nrow = nrow, ncol = ncol, NROW = NROW, which = function(k) which(k > 0.5),
    which_pairs = function(k) which(k > 0.5, arr.ind = TRUE),
    kronecker = function(k) c(kronecker(k, matrix(1:4, 2))),
    kronecker_left = function(k) c(matrix(1:6, 2) %x% k), sum_of_frame = function(k)
      sum(data.frame(a = 1:2), as.matrix(k)), kappa = function(k) svd(as.matrix(k))$d,
    sweep_values = function(k) sweep(as.matrix(k), 1, 1:5), hclust = function(k)
      stats::hclust(stats::dist(k))$height, by_columns = function(k) apply(k, 2, max),
    as.dist = function(k) stats::as.dist(as.matrix(k)[, 1:5]), cmdscale = function(k)
      abs(stats::cmdscale(stats::dist(k))), diag = diag, rowSums = rowSums, colMeans = colMeans)
  for (name in names(same))
    expect_equal(same[[name]](K), same[[name]](dense), tolerance = 1e-12, ignore_attr = TRUE,
                 info = name)
  # means as squares, which are those of all pairs
  square <- exp(-sum((Vi(x) - Vj(x))^2))
  expect_equal(eigen(square)$values, eigen(as.matrix(square))$values, tolerance = 1e-12)
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
