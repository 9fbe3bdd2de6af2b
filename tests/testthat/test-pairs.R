# Reductions over lists of pairs against loops over the pairs in plain R.

set.seed(21)
M <- 7L
N <- 9L
x <- matrix(rnorm(2 * M), M)
y <- matrix(rnorm(2 * N), N)
# row 7 of i and row 9 of j have no pairs; some pairs are there twice
i <- c(sample(M - 1L, 34, TRUE), 3L, 3L, 5L)
j <- c(sample(N - 1L, 34, TRUE), 4L, 4L, 4L)
w <- rnorm(length(i))
pairs <- list_pairs(i, j)
kernel <- function(x, y) exp(-sqdist(Vi(x), Vj(y)))
value <- kernel(x, y)[pairs] # "values at pairs are in their order" checks them

# f of the pairs of each row.
by_row <- function(row, rows, f, none) {
  out <- lapply(seq_len(rows), function(r) if (any(row == r)) f(which(row == r)) else none)
  unname(do.call(rbind, out))
}

test_that("sums, minima, positions, lists and exponentials are those of a loop, over both indices", {
  f <- kernel(x, y)
  for (index in c("j", "i")) {
    row <- if (index == "j") i else j
    other <- if (index == "j") j else i
    each <- function(f, none) by_row(row, if (index == "j") M else N, f, none)
    expect_equal(sum(f, index, pairs = pairs), each(function(k) sum(value[k]), 0))
    expect_identical(min(f, index, pairs = pairs), each(function(k) min(value[k]), Inf))
    expect_identical(max(f, index, pairs = pairs), each(function(k) max(value[k]), -Inf))
    first <- function(k, sign) k[order(sign * value[k], other[k])]
    expect_identical(argmin(f, index, pairs = pairs), each(function(k) other[first(k, 1)[1]], NA_integer_))
    expect_identical(argmax(f, index, pairs = pairs), each(function(k) other[first(k, -1)[1]], NA_integer_))
    expect_identical(Kmin(f, 3, index, pairs = pairs),
                     each(function(k) c(sort(value[k]), Inf, Inf)[1:3], rep(Inf, 3)))
    expect_identical(argKmin(f, 3, index, pairs = pairs),
                     each(function(k) other[first(k, 1)][1:3], rep(NA_integer_, 3)))
    expect_equal(logsumexp(f, index, pairs = pairs), each(function(k) log(sum(exp(value[k]))), -Inf))
    b <- if (index == "j") y else x
    weight <- if (index == "j") Vj(y) else Vi(x)
    expect_equal(sumsoftmaxweight(f, index, weight, pairs = pairs),
                 each(function(k) colSums(exp(value[k]) * b[other[k], , drop = FALSE]) / sum(exp(value[k])),
                      c(NaN, NaN)))
    expect_identical(any(f > 0.5, index, pairs = pairs), each(function(k) any(value[k] > 0.5), FALSE))
    expect_identical(all(f > 0.01, index, pairs = pairs), each(function(k) all(value[k] > 0.01), TRUE))
  }
  both <- Kmin_argKmin(f, 2, pairs = pairs)
  expect_identical(both[[1]], Kmin(f, 2, pairs = pairs))
  expect_identical(both[[2]], argKmin(f, 2, pairs = pairs))
  expect_identical(sum(f, pairs = pairs), sum(f, "j", pairs = pairs))
})

test_that("weights are those of sums and means only", {
  f <- kernel(x, y)
  weighted <- list_pairs(pairs, weights = w)
  sums <- by_row(i, M, function(k) sum(w[k] * value[k]), 0)
  expect_equal(sum(f, pairs = weighted), sums)
  expect_equal(rowSums(f, pairs = weighted), sums[, 1])
  expect_equal(rowMeans(f, pairs = weighted), (sums / by_row(i, M, function(k) sum(w[k]), 0))[, 1])
  expect_equal(rowMeans(f, pairs = pairs), by_row(i, M, function(k) mean(value[k]), NaN)[, 1])
  expect_equal(colMeans(f, pairs = pairs), by_row(j, N, function(k) mean(value[k]), NaN)[, 1])
  for (refused in list(function() min(f, pairs = weighted), function() logsumexp(f, pairs = weighted),
                       function() argKmin(f, 2, pairs = weighted)))
    expect_error(refused(), class = "rkeops_error_argument", regexp = "pairs.*weights")
  expect_equal(f[weighted], value)
})

test_that("values at pairs are in their order: numbers, conditions, complex numbers, components", {
  f <- kernel(x, y)
  expect_equal(f[pairs], exp(-rowSums((x[i, ] - y[j, ])^2)))
  expect_equal(f[cbind(i, j)], value)
  expect_identical((f > 0.5)[pairs], value > 0.5)
  expect_equal((Vi(x) - Vj(y))[pairs], x[i, ] - y[j, ])
  z <- complex(real = x[, 1], imaginary = x[, 2])
  expect_equal((Vi(z) * Vj(y[, 1]))[pairs], z[i] * y[j, 1])
  expect_equal(sum(Vi(z) * Vj(y[, 1]), pairs = pairs),
               by_row(i, M, function(k) sum(z[i[k]] * y[j[k], 1]), 0i))
  expect_equal(Pm(2)[list_pairs(1:3, 1:3)], c(2, 2, 2))
  expect_equal(sum(Vj(y), pairs = list_pairs(c(1, 4), c(2, 2))), y[c(2, NA, NA, 2), ] |> (\(v) {
    v[is.na(v)] <- 0
    v
  })())
})

test_that("everything that names pairs is taken", {
  f <- kernel(x, y)
  expected <- sum(f, pairs = pairs)
  expect_identical(sum(f, pairs = cbind(i, j)), expected)
  expect_identical(sum(f, pairs = data.frame(j = j, distance = 0, i = as.numeric(i))), expected)
  expect_identical(sum(f, pairs = t(list_pairs(j, i))), expected)
  expect_identical(as.matrix(t(pairs)), cbind(i = j, j = i))
  lost <- list_pairs(c(i, NA, 2), c(j, 3, NA), weights = c(w, 1, 1))
  expect_equal(sum(f, pairs = lost), sum(f, pairs = list_pairs(i, j, w)))
  expect_output(print(pairs), "37 pairs of rows \\(i, j\\), M x N")

  near <- nearest(x, y, k = 2)
  d <- exp(-near$distance^2)
  expect_equal(rowSums(f, pairs = near), rowSums(d))
  near <- nearest(x, y, k = 3)
  expect_equal(rowSums(f, pairs = near$index), rowSums(exp(-near$distance^2)))
  shares <- matrix(runif(3 * M), M)
  expect_equal(rowSums(f, pairs = list_pairs(near, weights = shares)), rowSums(shares * exp(-near$distance^2)))
  expect_equal(rowSums(f, pairs = list_pairs(near, weights = c(t(shares)))),
               rowSums(shares * exp(-near$distance^2)))
  expect_equal(gradient(function(w) sum(rowSums(f, pairs = list_pairs(near, weights = w))), shares),
               exp(-near$distance^2))
  within <- find_within(x, y, radius = 1)
  expect_equal(rowSums(f, pairs = within),
               as.vector(rowsum(c(exp(-within$distance^2), rep(0, M)), c(within$i, 1:M))))
  expected <- list(rowSums(f, pairs = near), argmin(f, pairs = pairs))
  with_options(list(index_base = 0), {
    expect_identical(rowSums(f, pairs = nearest(x, y, k = 3)), expected[[1]])
    expect_identical(rowSums(f, pairs = argKmin(sqdist(Vi(x), Vj(y)), 3, "j")), expected[[1]])
    expect_identical(argmin(f, pairs = pairs) + 1L, expected[[2]])
  })
})

test_that("the elements of a sparse matrix are pairs, and their values weights", {
  skip_if_not_installed("Matrix")
  f <- kernel(x, y)
  once <- !duplicated(cbind(i, j))
  s <- Matrix::sparseMatrix(i[once], j[once], x = w[once], dims = c(M, N))
  expected <- rowSums(as.matrix(s) * as.matrix(f))
  expect_equal(rowSums(f, pairs = s), unname(expected))
  expect_equal(rowSums(f, pairs = as(s, "TsparseMatrix")), unname(expected))
  expect_equal(rowSums(f, pairs = s != 0), unname(rowSums((as.matrix(s) != 0) * as.matrix(f))))
  pattern <- as(s, "nMatrix")
  expect_equal(max(f, pairs = pattern)[1:6, 1], by_row(i, M, function(k) max(value[k]), -Inf)[1:6, 1])
  own <- Matrix::forceSymmetric(Matrix::crossprod(s))
  g <- kernel(y, y)
  expect_equal(rowSums(g, pairs = own), unname(rowSums(as.matrix(own) * as.matrix(g))))
  expect_error(rowSums(f, pairs = Matrix::t(s)), class = "rkeops_error_shape")
})

test_that("lists longer than what is computed at a time, rows across its ends, any number of threads", {
  set.seed(3)
  big <- 150000L
  a <- matrix(rnorm(600), ncol = 2)
  row <- sample(c(1L, 1L, 1L, seq_len(300L)), big, TRUE) # row 1 has half of them
  col <- sample(300L, big, TRUE)
  p <- list_pairs(row, col)
  f <- kernel(a, a)
  v <- exp(-rowSums((a[row, ] - a[col, ])^2))
  sums <- as.vector(rowsum(v, row))
  for (threads in 1:2) {
    out <- with_options(list(ncore = threads), {
      expect_equal(rowSums(f, pairs = p), sums)
      list(sum(f, pairs = p), logsumexp(f, pairs = p), argKmin(f, 40, pairs = p), sum(f, "i", pairs = p))
    })
    if (threads == 1) first <- out
  }
  expect_identical(out, first)
  expect_equal(drop(logsumexp(f, pairs = p)), log(as.vector(rowsum(exp(v), row))))
  smallest <- split(seq_len(big), row)[[1]]
  smallest <- smallest[order(v[smallest], col[smallest])][1:40]
  expect_identical(out[[3]][1, ], col[smallest])
  expect_equal(f[p], v)
})

test_that("values are computed in double, whatever precision is asked for: real coordinates, small widths", {
  there <- cbind(5e5 + x[, 1], 4.6e6 + x[, 2]) # metres of a map, and widths of centimetres
  f <- exp(-sqdist(Vi(there), Vj(there + 1e-3)) / 1e-4)
  edges <- list_pairs(c(1:7, 1:6), c(1:7, 2:7))
  d <- rowSums((there[edges$i, ] - (there + 1e-3)[edges$j, ])^2)
  expect_equal(f[edges], exp(-d / 1e-4), tolerance = 1e-12)
  double <- sum(f, pairs = edges)
  expect_identical(sum(f, pairs = edges, precision = "float32"), double)
  expect_identical(with_options(list(precision = "float32"), sum(f, pairs = edges)), double)
  masked <- where(Vi(1:7) == Vj(1:7), f, 0)
  expect_identical(sum(masked, pairs = edges), sum(f, pairs = cbind(1:7, 1:7)))
})

test_that("no pairs, no rows, one pair, NaN", {
  f <- kernel(x, y)
  none <- list_pairs(integer(), integer())
  expect_identical(sum(f, pairs = none), matrix(0, M, 1))
  expect_identical(argmin(f, "i", pairs = none), matrix(NA_integer_, N, 1))
  expect_identical(f[none], numeric())
  empty <- kernel(x[0, , drop = FALSE], y)
  expect_identical(sum(empty, pairs = none), matrix(0, 0, 1))
  x[2, 1] <- NaN
  f <- kernel(x, y)
  expect_identical(is.nan(min(f, pairs = pairs)[, 1]), seq_len(M) %in% intersect(2L, i))
  expect_identical(min(f, na.rm = TRUE, pairs = pairs)[2, 1], Inf)
  expect_identical(argmin(f, pairs = pairs)[2, 1], NA_integer_)
  expect_identical(is.nan(logsumexp(f, pairs = pairs)[, 1]), seq_len(M) == 2L)
  far <- logsumexp(-1e5 * sqdist(Vi(y), Vj(y)) - 1e5, pairs = list_pairs(c(1, 1, 2), c(1, 2, 3)))
  expect_equal(far[1:2, 1], c(-1e5, -1e5 * sum((y[2, ] - y[3, ])^2) - 1e5))
  expect_identical(logsumexp(log(Vi(c(0, 1)) * Vj(c(1, 2))), pairs = list_pairs(c(1, 1, 2), c(1, 2, 2)))[, 1],
                   c(-Inf, log(2)))
})

# ---- derivatives ---------------------------------------------------------------------------------

difference <- function(f, at, step = 1e-5) {
  for_one <- function(k) {
    h <- replace(numeric(length(at)), k, step)
    (f(at + h) - f(at - h)) / (2 * step)
  }
  array(vapply(seq_along(at), for_one, 1), if (is.null(dim(at))) length(at) else dim(at))
}

e <- matrix(sin(1:12), 6) # for rows that have pairs
weighted_sum <- function(x, y, w) sum(e[, 1] * sum(kernel(x, y), pairs = list_pairs(pairs, weights = w))[1:6, ])
functions <- list(
  sum = function(x) weighted_sum(x, y, w),
  min = function(x) sum(e[, 1] * min(kernel(x, y), pairs = pairs)[1:6, ]),
  max = function(x) sum(e * max(sin(Vi(x) * Vj(y)), pairs = pairs)[1:6, ]),
  min_argmin = function(x) sum(e[, 1] * min_argmin(kernel(x, y), pairs = pairs)[[1]][1:6, ]),
  Kmin = function(x) sum(Kmin(abs(Vi(x) - Vj(y)), 2, pairs = list_pairs(c(i, 1:6, 1:6), c(j, 1:6, 2:7)))[1:6, , ]^2),
  logsumexp = function(x) sum(e[, 1] * logsumexp(kernel(x, y), pairs = pairs)[1:6, ]),
  weighted = function(x) sum(e * logsumexp(kernel(x, y), weight = exp(Vj(y) * Vi(x[, 1])), pairs = pairs)[1:6, ]),
  softmax = function(x) sum(e * sumsoftmaxweight(kernel(x, y), weight = Vj(y) * Vi(x[, 1]), pairs = pairs)[1:6, ]),
  mean = function(x) sum(e[, 1] * rowMeans(kernel(x, y), pairs = list_pairs(pairs, weights = 1 + x[1, 1] * w^2))[1:6]),
  values = function(x) sum(sin(kernel(x, y)[pairs]) * w),
  twice = function(x) sum(sum(Vi(sum(kernel(x, y), pairs = pairs)) * Vj(x), pairs = cbind(1:7, 7:1))^2))

test_that("gradients and second derivatives are those of differences", {
  u <- matrix(cos(1:14), M)
  for (name in names(functions)) {
    f <- functions[[name]]
    expect_equal(gradient(f, x), difference(f, x), tolerance = 1e-7, info = name)
    slope <- function(t) gradient(f, x + t * u)
    expect_equal(jvp(function(z) gradient(f, z), x, u), (slope(1e-5) - slope(-1e-5)) / 2e-5, tolerance = 1e-5,
                 info = name)
  }
  at_y <- function(y) weighted_sum(x, y, w)
  expect_equal(gradient(at_y, y), difference(at_y, y), tolerance = 1e-7)
  at_w <- function(w) weighted_sum(x, y, w)
  expect_equal(gradient(at_w, w), as.vector(difference(at_w, w)), tolerance = 1e-7)
  at_s <- function(s) sum(e[, 1] * sum(kernel(x, y) / Pm(s), pairs = pairs)[1:6, ])
  expect_equal(gradient(at_s, 1.3), as.vector(difference(at_s, 1.3)), tolerance = 1e-7)
  over_i <- function(y) sum(sin(1:9) * logsumexp(kernel(x, y), "i", pairs = list_pairs(c(i, 1), c(j, 9)))[, 1])
  expect_equal(gradient(over_i, y), difference(over_i, y), tolerance = 1e-7)
})

test_that("a minimum over equal pairs, or of NaN, has the gradient of one pair", {
  twice <- list_pairs(c(1, 1), c(2, 2))
  once <- list_pairs(1, 2)
  f <- function(p) function(x) min(kernel(x, y), pairs = p)[1, 1]
  expect_identical(gradient(f(twice), x), gradient(f(once), x))
  lost <- function(x) sum(min(sqrt(Vi(x[, 1]) - 10) * Vj(y[, 1]), pairs = list_pairs(c(1, 1), c(2, 3)))[1, 1])
  expect_true(is.nan(gradient(lost, x)[1, 1]))
})

test_that("operators compute and differentiate by variables, matrices and weights", {
  x_i <- Vi(x)
  op <- sum(exp(-sqdist(x_i, Vj(y))), pairs = list_pairs(pairs, weights = w), call = FALSE)
  expect_output(print(op), "Sum over 37 pairs of Exp")
  expect_identical(op(), sum(kernel(x, y), pairs = list_pairs(pairs, weights = w)))
  cotangent <- c(e[, 1], 0)
  expected <- gradient(function(x) weighted_sum(x, y, w), x)
  expect_equal(gradient(op, x_i, cotangent), expected)
  expect_equal(gradient(op, x, cotangent), expected)
  expect_equal(gradient(op, w, cotangent)[, 1], gradient(function(w) weighted_sum(x, y, w), w))
  expect_equal(value_and_gradient(op, x_i, cotangent)$value, op())
  expect_equal(sum(cotangent * jvp(op, x_i, x)), sum(expected * x))
})

test_that("row names are kept", {
  rownames(x) <- letters[1:7]
  expect_identical(rownames(sum(kernel(x, y), pairs = pairs)), letters[1:7])
  expect_identical(names(rowSums(kernel(x, y), pairs = pairs)), letters[1:7])
})

test_that("what is no list of pairs of these rows is refused by name", {
  f <- kernel(x, y)
  refused <- function(code, words, class = "rkeops_error_argument")
    expect_error(code, class = class, regexp = words)
  refused(sum(f, pairs = cbind(c(1, 8), 1)), "`pairs` has row i = 8: expected rows up to 7")
  refused(sum(f, pairs = list_pairs(1, 10)), "row j = 10")
  refused(list_pairs(c(1, 0), 1:2), "`i` has 0")
  refused(list_pairs(1:2, c(1, 2.5)), "`j` has 2.5")
  refused(list_pairs(1, -3L), "`j` has -3")
  refused(list_pairs("a", 1), "`i` is")
  refused(list_pairs(1:2, 1:3), "2 positions, `j` 3", "rkeops_error_shape")
  refused(list_pairs(1:2, 1:2, weights = 1), "`weights` has 1 number", "rkeops_error_shape")
  refused(list_pairs(1:2, 1:2, weights = "a"), "`weights` is")
  refused(sum(f, pairs = 1:4), "`pairs` is")
  refused(sum(f, pairs = matrix(1, 3, 3)), "3 x 3", "rkeops_error_shape")
  refused(sum(f, pairs = pairs, blocks = keep_lower()), "`pairs` meets `blocks`")
  refused(sum(restrict_pairs(f, blocks = keep_lower()), pairs = pairs), "restricted")
  refused(sum(f, pairs = pairs, sum_schem = "kahan"), "sum_schem")
  refused(reduction.LazyTensor(f, "Max_SumShiftExp", "j", pairs = pairs) |> (\(v) gradient(function(x)
    sum(reduction.LazyTensor(kernel(x, y), "Max_SumShiftExp", "j", pairs = pairs)), x))(), "no derivative")
  broken <- pairs
  broken$i <- as.numeric(broken$i)
  broken$known <- new.env()
  refused(sum(f, pairs = broken), "no integers `i`")
})
