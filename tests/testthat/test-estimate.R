# Estimates of log determinants and traces against dense R.

n <- 300
x <- matrix(sin(1:(2 * n) * 1.3), n)
kernels <- list(
  gauss = exp(-sqdist(Vi(x), Vj(x)) / 0.5),
  laplace = exp(-norm2(Vi(x) - Vj(x))),
  cauchy = 1 / (1 + sqdist(Vi(x), Vj(x))),
  linear = (Vi(x) | Vj(x)))
dense_logdet <- function(A) as.double(determinant(as.matrix(A))$modulus)
trace_of <- function(A) sum(base::diag(as.matrix(A)))

test_that("log determinants are as far from those of dense R as they state at most", {
  skip_on_cran() # takes a while
  for (name in names(kernels)) for (alpha in list(10, 1e-2, 1e-5, seq(0.1, 5, length.out = n))) {
    A <- add_ridge(kernels[[name]], alpha)
    truth <- dense_logdet(A)
    exact <- estimate_logdet(A)
    label <- paste(name, alpha[1])
    expect_equal(exact$value, truth, tolerance = 1e-8, label = label)
    expect_identical(exact[-1], list(error = 0, probes = 0L, steps = 0L, method = "dense", pivots = integer()))
    for (preconditioner in list("auto", 10, if (alpha[1] > 1e-5) "none" else 0.9 * n)) {
      out <- estimate_logdet(A, method = "iterative", preconditioner = preconditioner)
      expect_named(out, c("value", "error", "probes", "steps", "method", "pivots"))
      expect_lt(abs(out$value - truth), out$error, label = paste(label, preconditioner))
      expect_gt(out$error, 0)
      expect_identical(out[c("probes", "method")], list(probes = 16L, method = "iterative"))
    }
  }
})

test_that("stated errors hold in 20 seeds of 20, and are not many times too large", {
  skip_on_cran() # takes a while
  A <- add_ridge(kernels$laplace, 0.01)
  truth <- dense_logdet(A)
  for (case in list(list("auto", 16), list(20, 16), list(20, 3), list("none", 8))) {
    out <- lapply(1:20, function(seed)
      estimate_logdet(A, case[[2]], seed, method = "iterative", preconditioner = case[[1]]))
    off <- vapply(out, `[[`, 1, "value") - truth
    stated <- vapply(out, `[[`, 1, "error")
    label <- paste(case, collapse = " ")
    expect_true(all(abs(off) < stated), label = label)
    expect_lt(mean(stated), 2 * stats::qt(0.9995, case[[2]] - 1) * stats::sd(off), label = label)
    expect_gt(stats::sd(off), 0)
  }
})

test_that("what is truncated is a part of the error, and bounds are bounds", {
  skip_on_cran() # takes a while
  A <- add_ridge(kernels$laplace, 1e-3)
  truth <- dense_logdet(A)
  of <- function(...) estimate_logdet(A, method = "iterative", preconditioner = 10, ...)
  many <- of(probes = 200)
  for (limit in c(1, 2, 5, 10)) {
    out <- of(probes = 200, limit = limit)
    expect_identical(out$steps, as.integer(limit))
    expect_lt(abs(out$value - truth), out$error, label = format(limit))
    expect_gt(out$error, many$error)
  }
  expect_gt(of(limit = 2)$error, 5 * of()$error)
  expect_equal(of(tol = 1e-3)$value, of(tol = 1e-10)$value, tolerance = 1e-3)
  expect_lt(of(tol = 1e-3)$steps, of(tol = 1e-10)$steps)
  # a quadrature of three steps, of four eigenvalues
  e <- list(values = c(0.1, 1, 3, 7), weights = c(0.1, 0.4, 0.3, 0.2))
  rule <- lanczos_rules(function(v) e$values * v, identity, cbind(sqrt(e$weights)), 0.1,
                        list(tol = 1e-14, limit = 3L))[[1]]
  between <- sum(e$weights * log(e$values))
  expect_gt(rule$upper, between)
  expect_lt(rule$lower, between)
})

test_that("sums, products, weights of rows and matrices without a ridge are estimated", {
  K <- kernels$gauss
  for (A in list(add_ridge(K %*% K, 0.5), 3 * add_ridge(K, 0.1) + kernels$cauchy, add_ridge(2 * K, 1:n / n),
                 exp(-50 * norm2(Vi(x) - Vj(x))))) {
    out <- estimate_logdet(A, method = "iterative")
    expect_lt(abs(out$value - dense_logdet(A)), out$error)
  }
  expect_equal(estimate_logdet(0 * K + diag(1:n))$value, sum(log(1:n)))
  one <- add_ridge(exp(-sqdist(Vi(matrix(1)), Vj(matrix(1)))), 1)
  for (preconditioner in list("auto", "none"))
    expect_equal(estimate_logdet(one, method = "iterative", preconditioner = preconditioner)$value, log(2))
  expect_equal(estimate_logdet(one)$value, log(2))
  expect_equal(estimate_trace(one)$value, 2)
})

test_that("beyond some rows the iterative way is chosen, and is precise", {
  skip_on_cran() # takes a while
  m <- 1200
  points <- matrix(sin(1:(3 * m) * 1.7), m)
  A <- add_ridge(exp(-sqdist(Vi(points), Vj(points)) / 0.5), 0.01)
  out <- estimate_logdet(A)
  expect_identical(out$method, "iterative")
  off <- abs(out$value - estimate_logdet(A, method = "dense")$value)
  expect_lt(off, out$error)
  expect_lt(off, 0.5)
  expect_lt(out$error, 1)
  K <- exp(-sqdist(Vi(points), Vj(points)) / 0.5)
  exact <- estimate_trace(A)
  expect_equal(exact, list(value = 1.01 * m, error = 0, probes = 0L, steps = 0L, method = "exact"))
  squares <- sum(as.matrix(K)^2)
  for (seed in 1:20) {
    trace <- estimate_trace(add_ridge(K %*% K, 2) + K, seed = seed)
    expect_lt(abs(trace$value - squares - 3 * m), trace$error)
    expect_lt(trace$error, 0.2 * squares)
  }
  expect_identical(trace[c("probes", "method")], list(probes = 32L, method = "iterative"))
})

test_that("random numbers of the session stay, and those of the estimate come from its seed", {
  A <- add_ridge(kernels$laplace, 0.1)
  of <- function(seed) estimate_logdet(A, seed = seed, method = "iterative", preconditioner = 10)
  kinds <- RNGkind()
  on.exit(suppressWarnings(do.call(RNGkind, as.list(kinds))))
  set.seed(1)
  first <- of(5)
  expected <- {set.seed(1); runif(3)}
  set.seed(1)
  expect_identical(of(5), first)
  expect_identical(runif(3), expected)
  expect_false(identical(of(6)$value, first$value))
  suppressWarnings(RNGkind("Wichmann-Hill", "Box-Muller", "Rounding"))
  other <- RNGkind()
  state <- get(".Random.seed", globalenv())
  expect_identical(expect_silent(of(5)), first)
  expect_identical(RNGkind(), other)
  expect_identical(get(".Random.seed", globalenv()), state)
  rm(".Random.seed", envir = globalenv())
  expect_identical(of(5), first)
  expect_false(exists(".Random.seed", globalenv(), inherits = FALSE))
  expect_identical(RNGkind(), other)
})

test_that("matrices and arguments that do not fit are classed errors", {
  refused <- function(code, message, kind = "argument")
    expect_error(code, message, class = paste0("rkeops_error_", kind))
  K <- kernels$laplace
  A <- add_ridge(K, 0.1)
  indefinite <- list(add_ridge(sqdist(Vi(x), Vj(x)), 1), add_ridge(K, -0.5), K - kernels$gauss,
                     add_ridge(K, c(-3, rep(1, n - 1))))
  for (B in indefinite) for (method in c("dense", "iterative")) {
    e <- tryCatch(estimate_logdet(B, method = method), rkeops_error_argument = identity)
    expect_match(conditionMessage(e), "not positive definite")
    expect_lte(sum(e$vector * (as.matrix(B) %*% e$vector)), 0)
  }
  refused(estimate_logdet(0 * add_ridge(K, 1) - Matrix::Diagonal(n)), "not positive definite")
  refused(estimate_logdet(Vi(x) | Vj(x + 1)), "not symmetric")
  refused(estimate_logdet(A, limits = 3), "`limits`.*estimate_logdet.*did you mean `limit`")
  refused(estimate_trace(A, 3, 1, 2), "without a name")
  refused(estimate_logdet(A, probes = 1), "`probes`.*not below 2")
  refused(estimate_logdet(A, seed = 0.5), "`seed`")
  refused(estimate_logdet(A, method = "exact"), "`method`")
  refused(estimate_logdet(A, tol = 0), "`tol`")
  refused(estimate_logdet(A, preconditioner = "all"), "`preconditioner`")
  refused(estimate_trace("A"), "`a`")
  refused(estimate_logdet(), "`a`")
  rectangular <- exp(-sqdist(Vi(x), Vj(x[1:9, ])))
  refused(estimate_logdet(rectangular), "300 x 9", "shape")
  refused(estimate_trace(rectangular), "300 x 9", "shape")
  x[3, 1] <- NaN
  bad <- exp(-sqdist(Vi(x), Vj(x)))
  refused(estimate_trace(bad), "NaN")
  for (method in c("dense", "iterative")) refused(estimate_logdet(add_ridge(bad, 1), method = method), "NaN")
})

test_that("gradients are those of the estimate, with its probes", {
  skip_on_cran() # takes a while
  points <- matrix(sin(1:500), ncol = 2)
  kernel <- function(x, s) exp(-s * sqdist(Vi(x), Vj(x)))
  differences <- function(f, p, step = 1e-5) vapply(seq_along(p), function(k) {
    h <- replace(0 * p, k, step)
    (f(p + h) - f(p - h)) / (2 * step)
  }, 1)
  p <- c(0.7, 0.3)
  for (rank in list("none", 8L, 32L)) for (method in c("iterative", "dense")) {
    f <- function(p) estimate_logdet(add_ridge(kernel(points, p[1]), p[2]), method = method,
                                     preconditioner = rank)$value
    expect_equal(gradient(f, p), differences(f, p), tolerance = if (identical(rank, "none")) 1e-3 else 1e-6)
  }
  second <- differences(function(p) sum(gradient(f, p) * c(1, 2)), p)
  expect_equal(gradient(function(p) sum(gradient(f, p) * c(1, 2)), p), second, tolerance = 1e-5)
  # by points, with a ridge for each row
  f <- function(x) estimate_logdet(add_ridge(kernel(x, 1), 0.1 + abs(x[, 1])), method = "iterative",
                                   preconditioner = 20L)$value
  few <- function(x) f(rbind(x, points[-(1:3), ]))
  expect_equal(gradient(few, points[1:3, ]), matrix(differences(few, points[1:3, ]), 3), tolerance = 1e-5)
  expect_error(gradient(function(x) sum(gradient(f, x)), points), "method = \"dense\"",
               class = "rkeops_error_argument")
})

test_that("traces have gradients, exact ones and estimates", {
  points <- matrix(sin(1:2400), ncol = 2)
  trace <- function(k, rows) function(p) {
    x <- points[seq_len(rows), ]
    K <- exp(-p[1] * norm2(Vi(x) - Vj(x)))
    L <- exp(-p[2] * sqdist(Vi(x), Vj(x)))
    estimate_trace(if (k == 1) add_ridge(K, p[2]^2) else K %*% add_ridge(L, p[2]) + p[1] * L)$value
  }
  p <- c(2, 0.5)
  step <- 1e-5
  for (rows in c(1200, 80)) for (k in 1:2) {
    f <- trace(k, rows)
    by <- function(h) (f(p + h) - f(p - h)) / (2 * step)
    expect_equal(gradient(f, p), c(by(c(step, 0)), by(c(0, step))), tolerance = 1e-5)
  }
})

test_that("with the rows of its preconditioner given an estimate is a continuous function", {
  set.seed(5)
  x <- matrix(runif(1200), ncol = 2)
  matern <- function(r) (1 + r) * exp(-r)
  estimate <- function(t, rows)
    estimate_logdet(add_ridge(matern(norm2(Vi(x) - Vj(x)) * exp(-t)), 0.2), tol = 1e-10, preconditioner = rows,
                    method = "iterative")
  along <- log(0.1) + 0:24 * 2e-3
  first <- estimate(along[1], 100)
  expect_length(first$pivots, 100)
  again <- estimate(along[1], first$pivots)
  expect_identical(again$pivots, first$pivots)
  expect_equal(again$value, first$value, tolerance = 1e-8)
  jumps <- function(rows) {
    values <- vapply(along, function(t) estimate(t, rows)$value, 1)
    max(abs(diff(values, differences = 2)))
  }
  expect_lt(jumps(first$pivots), 0.02)
  expect_gt(jumps(100), 0.1) # which is why
  b <- rnorm(600)
  A <- add_ridge(exp(-norm2(Vi(x) - Vj(x))), 0.2)
  expect_equal(solve(A, b, preconditioner = first$pivots, method = "iterative", tol = 1e-10),
               solve(A, b, method = "dense"), tolerance = 1e-8)
  for (rows in list(c(1, 601), c(2, 2), c(1.5, 2), c("a", "b"), c(1, NA)))
    expect_error(estimate(0, rows), "`preconditioner`", class = "rkeops_error_argument")
})
