# Kernels as objects: against formulas in base R, and what they refuse.

set.seed(3)
x <- matrix(rnorm(36), 12, dimnames = list(NULL, c("a", "b", "c")))
y <- matrix(rnorm(21), 7)
squares <- function(x, y, scale = 1) {
  x <- sweep(x, 2, rep_len(scale, ncol(x)), "/")
  y <- sweep(y, 2, rep_len(scale, ncol(y)), "/")
  outer(seq_len(nrow(x)), seq_len(nrow(y)), Vectorize(function(i, j) sum((x[i, ] - y[j, ])^2)))
}
dense <- function(kernel, x, y = NULL) as.matrix(evaluate_kernel(kernel, x, y))

test_that("kernels have the values of their formulas, with one or several length scales", {
  for (scale in list(0.7, c(0.5, 1, 3))) {
    r <- sqrt(squares(x, y, scale))
    expect_equal(dense(kernel_gaussian(scale), x, y), exp(-r^2 / 2), tolerance = 1e-13)
    expect_equal(dense(kernel_laplacian(scale), x, y), exp(-r), tolerance = 1e-13)
    expect_equal(dense(kernel_matern(1/2, scale), x, y), exp(-r), tolerance = 1e-13)
    s <- sqrt(3) * r
    expect_equal(dense(kernel_matern(3/2, scale), x, y), (1 + s) * exp(-s), tolerance = 1e-13)
    s <- sqrt(5) * r
    expect_equal(dense(kernel_matern(5/2, scale), x, y), (1 + s + s^2 / 3) * exp(-s), tolerance = 1e-13)
    expect_equal(dense(kernel_cauchy(scale), x, y), 1 / (1 + r^2), tolerance = 1e-13)
    scalar <- (x %*% diag(1 / rep_len(scale, 3)^2)) %*% t(y)
    expect_equal(dense(kernel_linear(scale), x, y), scalar, tolerance = 1e-13)
    expect_equal(dense(kernel_polynomial(3, 2, scale), x, y), (scalar + 2)^3, tolerance = 1e-13)
    angles <- outer(1:12, 1:7, Vectorize(function(i, j) sum((sin(pi * (x[i, ] - y[j, ]) / 2) / scale)^2)))
    expect_equal(dense(kernel_periodic(2, scale), x, y), exp(-2 * angles), tolerance = 1e-13)
  }
  f <- kernel_function(function(x, y, a, p) exp(-sum(abs(x - y))^p / a), a = 2, p = 1)
  manhattan <- outer(1:12, 1:7, Vectorize(function(i, j) sum(abs(x[i, ] - y[j, ]))))
  expect_equal(dense(f, x, y), exp(-manhattan / 2), tolerance = 1e-13)
})

test_that("a smoothness between has the values of base R's Bessel function", {
  r <- sqrt(squares(x, y))
  for (v in c(0.3, 0.8, 1, 2, 3.7)) {
    s <- sqrt(2 * v) * r / 0.9
    expected <- 2^(1 - v) / gamma(v) * s^v * besselK(s, v)
    expect_equal(dense(kernel_matern(v, 0.9), x, y), expected, tolerance = 1e-10)
  }
  expect_equal(unname(diag(dense(kernel_matern(0.8, 0.9), x))), rep(1, 12), tolerance = 1e-14)
})

test_that("thin plate splines are positive definite where polynomials vanish", {
  for (D in 1:4) for (m in c(list(NULL), if (D < 4) list(3L))) {
    points <- cbind(x, y = rnorm(12))[, seq_len(D), drop = FALSE]
    points <- rbind(points, points + 0.3 * matrix(rnorm(12 * D), 12), matrix(rnorm(12 * D), 12))
    kernel <- kernel_thin_plate(m)
    order <- rkeops:::order_of_thin_plate(kernel, D)
    powers <- as.matrix(expand.grid(rep(list(0:(order - 1)), D)))
    powers <- powers[rowSums(powers) < order, , drop = FALSE]
    P <- apply(powers, 1, function(p) apply(sweep(points, 2, p, "^"), 1, prod))
    Z <- qr.Q(qr(P), complete = TRUE)[, -seq_len(ncol(P))]
    values <- eigen(t(Z) %*% dense(kernel, points) %*% Z, symmetric = TRUE)$values
    expect_true(min(values) > -1e-12 * max(values))
  }
  r <- sqrt(squares(x[, 1:2], y[, 1:2]))
  expect_equal(dense(kernel_thin_plate(), x[, 1:2], y[, 1:2]), r^2 * log(r), tolerance = 1e-13)
})

test_that("sums, products, scales and variables are those of the matrices", {
  a <- kernel_gaussian(0.5, variables = "a")
  b <- kernel_matern(3/2, 2, variables = c("b", "c"))
  A <- exp(-squares(x[, 1, drop = FALSE], x[, 1, drop = FALSE], 0.5) / 2)
  s <- sqrt(3 * squares(x[, 2:3], x[, 2:3], 2))
  B <- (1 + s) * exp(-s)
  expect_equal(dense(2 * a * b + b / 4 + 3 * (a + b), x), 2 * A * B + B / 4 + 3 * (A + B), tolerance = 1e-13)
  expect_equal(dense(2 * (3 * a), x), 6 * A, tolerance = 1e-13)
  expect_identical(length((a + b + a)$parts), 3L)
})

test_that("on a sphere distances are chords or great circles", {
  places <- cbind(lon = c(0, 90, -30, 180), lat = c(0, 0, 45, -60))
  great <- nearest(places, places, 4, metric = "haversine")
  d <- matrix(0, 4, 4)
  d[cbind(rep(1:4, 4), as.vector(great$index))] <- great$distance
  expect_equal(dense(kernel_laplacian(1e6, metric = "haversine"), places), exp(-d / 1e6), tolerance = 1e-9)
  chord <- 2 * 6371008.8 * sin(d / 6371008.8 / 2)
  expect_equal(dense(kernel_gaussian(2e6, metric = "chord"), places), exp(-(chord / 2e6)^2 / 2),
               tolerance = 1e-9)
})

test_that("parameters have names in the whole tree, and derivatives by all of them are right", {
  k <- 2 * kernel_matern(5/2, c(0.5, 1, 2)) + kernel_periodic(3, 0.8, variables = 1) * kernel_linear(0.5) +
    4 * kernel_gaussian(2, variables = 2:3) + kernel_gaussian(1)
  all <- rkeops:::parameters_of(k)
  expect_identical(names(all), c("matern.length_scale", "matern.variance", "periodic.period",
                                 "periodic.length_scale", "linear.length_scale", "gaussian1.length_scale",
                                 "gaussian1.variance", "gaussian2.length_scale"))
  expect_identical(names(rkeops:::parameters_of(3 * kernel_cauchy(1))), c("length_scale", "variance"))
  expect_identical(rkeops:::with_parameters(k, all), k)
  ends <- cumsum(lengths(all))
  f <- function(v) {
    values <- Map(function(value, end) v[end - rev(seq_along(value)) + 1], all, ends)
    sum((rkeops:::kernel_tensor(k, x, NULL, values) %*% (1:12)) * (12:1))
  }
  at <- unlist(all)
  expect_equal(f(at), sum((dense(k, x) %*% (1:12)) * (12:1)), tolerance = 1e-12)
  slope <- vapply(seq_along(at), function(k) {
    e <- replace(numeric(length(at)), k, 1e-5)
    (f(at + e) - f(at - e)) / 2e-5
  }, 1)
  expect_equal(unname(gradient(f, at)), slope, tolerance = 1e-7)
})

test_that("they print what they are, and draw themselves", {
  expect_identical(format(2 * kernel_matern(3/2, c(0.2, 1))),
                   "<kernel> 2 * matern(smoothness = 1.5, length_scale = (0.2, 1))")
  expect_output(print(kernel_gaussian() + kernel_linear()), "to be found.*exp\\(-r\\^2 / 2\\).*sum\\(x y\\)")
  expect_identical(format((kernel_gaussian(1) + kernel_linear(2)) * kernel_periodic(1)),
                   paste("<kernel> (gaussian(length_scale = 1) + linear(length_scale = 2)) *",
                         "periodic(period = 1, length_scale = 1)"))
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  line <- plot(kernel_gaussian(0.5, variables = "a") * kernel_matern(1/2, 1, variables = "b"), "b", to = 3)
  expect_identical(names(line), c("x", "value"))
  expect_equal(line$value, exp(-abs(line$x)), tolerance = 1e-12)
  expect_identical(max(plot(kernel_gaussian(1e5, metric = "chord"))$value), 1)
})

test_that("what is no kernel is refused with what was expected", {
  refused <- function(code, message, class = "rkeops_error_argument")
    expect_error(code, message, fixed = TRUE, class = class)
  refused(kernel_gaussian(-1), "`length_scale` is -1: expected positive numbers")
  refused(kernel_gaussian(NaN), "`length_scale` is NaN")
  refused(kernel_gaussian(character()), "`length_scale`")
  refused(kernel_matern(0), "`smoothness` is 0: expected a positive number")
  refused(kernel_matern(1:2), "`smoothness`")
  refused(kernel_matern(metric = "haversine"), "expected \"chord\"")
  refused(kernel_cauchy(metric = "chord", ard = TRUE), "several length scales on a sphere")
  refused(kernel_periodic(), "`period` is missing")
  refused(kernel_polynomial(1.5), "`degree` is 1.5")
  refused(kernel_polynomial(2, -1), "`offset` is -1")
  refused(kernel_function(1), "`f` is 1")
  refused(kernel_function(function(x, y) 1, 2), "no name")
  refused(kernel_function(function(x, y) 1, a = 2), "`a` is no argument of `f`")
  refused(kernel_gaussian() + 1, "`+` of a kernel")
  refused(-kernel_gaussian(), "`-` of one kernel")
  refused(kernel_gaussian() * -1, "`factor` is -1")
  refused(2 / kernel_gaussian(), "`/` of a kernel")
  refused(evaluate_kernel("gaussian", x), "`kernel` is \"gaussian\": expected a kernel")
  refused(evaluate_kernel(kernel_gaussian(), x), "`length_scale` of the kernel is not set")
  shape <- "rkeops_error_shape"
  refused(evaluate_kernel(kernel_gaussian(1:2), x), "2 numbers and the kernel is of 3 variables", shape)
  refused(evaluate_kernel(kernel_gaussian(1), x, y[, 1:2]), "`x` has 3 columns, `y` has 2", shape)
  refused(evaluate_kernel(kernel_gaussian(1, variables = "z"), x), "`variables` has \"z\"")
  refused(evaluate_kernel(kernel_gaussian(1, variables = 4), x), "`variables` has 4")
  refused(evaluate_kernel(kernel_function(function(x, y) x - y), x), "expected a LazyTensor of dimension 1")
  refused(evaluate_kernel(kernel_thin_plate(1), x), "`order` is 1")
  refused(evaluate_kernel(kernel_gaussian(1, metric = "chord"), x), "longitude and latitude", shape)
})
