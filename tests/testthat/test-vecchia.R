# Sites given a few earlier ones, beside dense matrices and a loop over sites.

matern <- function(range, variance) function(x) {
  d <- norm2(Vi(x) / range - Vj(x) / range)
  Pm(variance) * (1 + d) * exp(-d)
}
matern_matrix <- function(x, range, variance) {
  d <- unname(as.matrix(dist(x / range)))
  variance * (1 + d) * exp(-d)
}
all_earlier <- function(n) {
  sets <- matrix(NA_integer_, n, n - 1L)
  for (i in seq_len(n)[-1L]) sets[i, seq_len(i - 1L)] <- seq_len(i - 1L)
  sets
}
# One site after the other, by solve() of its block.
whiten_naively <- function(K, noise, z, sets) {
  n <- nrow(K)
  K <- K + diag(noise, n)
  out <- list(w = 0 * z, log_sd = numeric(n))
  for (i in seq_len(n)) {
    j <- sets[i, !is.na(sets[i, ])]
    b <- if (length(j)) solve(K[j, j, drop = FALSE], K[j, i]) else numeric()
    sd <- sqrt(K[i, i] - sum(K[j, i] * b))
    out$w[i, ] <- (z[i, ] - b %*% z[j, , drop = FALSE]) / sd
    out$log_sd[i] <- log(sd)
  }
  out
}
set.seed(61)
quakes_at <- as.matrix(datasets::quakes[sample.int(1000L, 203L), c("long", "lat")])
dimnames(quakes_at) <- NULL
magnitudes <- cbind(datasets::quakes$mag[1:203], datasets::quakes$depth[1:203] / 100, 1)

test_that("with all earlier sites whitening is that by the Cholesky factor", {
  x <- quakes_at
  noise <- seq(0.05, 0.2, length.out = nrow(x))
  out <- whiten(matern(3, 1.3), x, noise, magnitudes, all_earlier(nrow(x)))
  R <- chol(matern_matrix(x, 3, 1.3) + diag(noise))
  expect_equal(out$w, backsolve(R, magnitudes, transpose = TRUE), tolerance = 1e-9)
  expect_equal(out$log_sd, log(diag(R)), tolerance = 1e-9)
})

test_that("with few neighbours, or some of them, it is that of a loop over sites", {
  for (m in c(1L, 5L, 37L)) for (n in c(1L, 2L, 4L, 5L, 40L, 203L)) {
    x <- quakes_at[seq_len(n), , drop = FALSE]
    z <- magnitudes[seq_len(n), , drop = FALSE]
    sets <- earlier_sets(x, m)
    sets[sample.int(length(sets), length(sets) %/% 4L)] <- NA
    out <- whiten(matern(2, 0.7), x, 0.1, z, sets)
    expect_equal(out, whiten_naively(matern_matrix(x, 2, 0.7), rep(0.1, n), z, sets), tolerance = 1e-10,
                 label = paste(m, n))
  }
})

test_that("a formula of any kind is taken: sums, a constant, one of both rows only", {
  n <- 50L
  x <- quakes_at[seq_len(n), ]
  z <- magnitudes[seq_len(n), ]
  sets <- earlier_sets(x, 6L)
  covariance <- function(x) matern(2, 0.7)(x) + 0.4 + (Vi(x) | Vj(x)) * 0.01
  K <- matern_matrix(x, 2, 0.7) + 0.4 + tcrossprod(x) * 0.01
  expect_equal(whiten(covariance, x, 0.1, z, sets), whiten_naively(K, rep(0.1, n), z, sets), tolerance = 1e-8)
  same <- function(x) Pm(2) + 0 * Vi(x[, 1L])
  expect_equal(whiten(same, x, 0.5, z, sets), whiten_naively(matrix(2, n, n), rep(0.5, n), z, sets))
})

test_that("sites may depend on none; precision and backend of the session do not matter", {
  x <- quakes_at[1:30, ]
  z <- magnitudes[1:30, ]
  out <- whiten(matern(2, 0.7), x, 0.1, z, matrix(NA_integer_, 30L, 0L))
  expect_equal(out, list(w = z / sqrt(0.8), log_sd = rep(log(0.8) / 2, 30L)))
  sets <- earlier_sets(x, 5L)
  out <- whiten(matern(2, 0.7), x, 0.1, z, sets)
  old <- set_rkeops_options(precision = "float32")
  on.exit(set_rkeops_options(old))
  expect_identical(whiten(matern(2, 0.7), x, 0.1, z, sets), out)
})

test_that("formulas with matrices and functions of all kinds have the values that they have elsewhere", {
  n <- 70L
  x <- quakes_at[seq_len(n), ] / 10
  y <- magnitudes[seq_len(n), 1L]
  sets <- earlier_sets(x, 7L)
  rotation <- c(2, 0.3, 0.3, 1)
  covariances <- list(
    function(x) exp(-weightedsqdist(Vi(x), Vj(x), Pm(rotation))),
    function(x) exp(-sum(abs(Vi(x) - Vj(x)))) * cos(sum(Vi(x) - Vj(x))),
    function(x) 1 / (1 + sqnorm2(matvecmult(Pm(rotation), Vi(x) - Vj(x)))) +
      0.1 * ifelse(norm2(Vi(x) - Vj(x)) < 1, 1, 0),
    function(x) (1 + sqdist(Vi(x), Vj(x)) / 3)^(-1.5))
  for (covariance in covariances) {
    out <- whiten(covariance, x, 0.3, y, sets)
    K <- as.matrix(covariance(x))
    expect_equal(out, whiten_naively(K, rep(0.3, n), as.matrix(y), sets), tolerance = 1e-10)
  }
})

# The logarithm of the density of the first column, after least squares of it on the others.
density_of <- function(out) {
  w <- out$w
  b <- solve(crossprod(w[, -1L]), crossprod(w[, -1L], w[, 1L]))
  e <- w[, 1L] - w[, -1L] %*% b
  -sum(out$log_sd) - sum(e^2) / 2
}

test_that("gradients are those of differences, by parameters, coordinates, noise and values", {
  n <- 23L
  x <- quakes_at[seq_len(n), ] / 5
  z <- magnitudes[seq_len(n), ]
  weights <- cos(seq_len(3L * n))
  dim(weights) <- c(n, 3L)
  for (m in c(1L, 5L, n - 1L)) for (noise in list(0.3, seq(0.2, 0.5, length.out = n))) {
    sets <- if (m == n - 1L) all_earlier(n) else earlier_sets(x, m)
    f <- function(range, variance, x, noise, z) {
      out <- whiten(matern(range, variance), x, noise, z, sets)
      sum(weights * out$w^2) + sum(sin(seq_len(n)) * out$log_sd)
    }
    at <- list(c(0.7, 1.1), 1.3, x, noise, z)
    found <- gradient(f, at)
    for (k in seq_along(at)) for (e in unique(c(1L, length(at[[k]]) %/% 2L, length(at[[k]])))[1:2]) {
      if (is.na(e) || e < 1L) next
      moved <- function(h) do.call(f, replace(at, k, list(replace(at[[k]], e, at[[k]][e] + h))))
      expect_equal(found[[k]][e], (moved(1e-5) - moved(-1e-5)) / 2e-5, tolerance = 1e-6,
                   label = paste(m, length(noise), k, e))
    }
  }
})

test_that("with all earlier sites the gradient is that of the dense likelihood", {
  n <- 60L
  x <- quakes_at[seq_len(n), ]
  y <- magnitudes[seq_len(n), 1L]
  f <- function(p) {
    out <- whiten(matern(p[1L], p[2L]), x, p[3L], y, all_earlier(n))
    -sum(out$log_sd) - sum(out$w^2) / 2
  }
  found <- value_and_gradient(f, c(3, 1.3, 0.2))
  d <- unname(as.matrix(dist(x))) / 3
  K <- 1.3 * (1 + d) * exp(-d) + diag(0.2, n)
  inner <- tcrossprod(solve(K, y)) - solve(K)
  by <- list(1.3 * d^2 * exp(-d) / 3, (1 + d) * exp(-d), diag(n))
  expect_equal(found$gradient, vapply(by, function(D) sum(inner * D) / 2, 1), tolerance = 1e-9)
  expect_equal(found$value, -determinant(K)$modulus[[1L]] / 2 - sum(y * solve(K, y)) / 2, tolerance = 1e-9)
})

test_that("some cotangents are asked for, others not; second derivatives are refused", {
  n <- 30L
  x <- quakes_at[seq_len(n), ]
  sets <- earlier_sets(x, 4L)
  y <- magnitudes[seq_len(n), 1L]
  of_sd <- function(p) sum(whiten(matern(p, 1.3), x, 0.2, y, sets)$log_sd)
  of_w <- function(p) sum(whiten(matern(p, 1.3), x, 0.2, y, sets)$w)
  h <- 1e-5
  expect_equal(gradient(of_sd, 2), (of_sd(2 + h) - of_sd(2 - h)) / (2 * h), tolerance = 1e-7)
  expect_equal(gradient(of_w, 2), (of_w(2 + h) - of_w(2 - h)) / (2 * h), tolerance = 1e-7)
  by_y <- gradient(function(y) sum(whiten(matern(2, 1.3), x, 0.2, y, sets)$w), y)
  R <- vapply(seq_len(n), function(k) sum(whiten(matern(2, 1.3), x, 0.2, diag(n)[, k], sets)$w), 1)
  expect_equal(by_y, R)
  expect_error(gradient(function(p) gradient(of_sd, p), 2), "second derivatives",
               class = "rkeops_error_argument")
})

test_that("predictions are those of kriging, with all sites as neighbours, and of a loop", {
  x <- quakes_at[1:80, ]
  new <- quakes_at[81:103, ]
  z <- magnitudes[1:80, ]
  noise <- seq(0.05, 0.2, length.out = 80L)
  sets <- matrix(1:80, 23L, 80L, byrow = TRUE)
  K <- matern_matrix(rbind(x, new), 3, 1.3)
  for (noise_new in list(0, 0.3, seq_len(23L) / 20)) {
    out <- conditional(matern(3, 1.3), x, noise, z, new, sets, noise_new)
    A <- solve(K[1:80, 1:80] + diag(noise), K[1:80, 81:103])
    expect_equal(out$mean, crossprod(A, z), tolerance = 1e-9)
    expect_equal(out$sd, sqrt(1.3 + noise_new - colSums(A * K[1:80, 81:103])), tolerance = 1e-9)
  }
  near <- nearest(new, x, k = 6L)$index
  near[5L, 4:6] <- NA
  near[7L, ] <- NA
  out <- conditional(matern(3, 1.3), x, noise, z, new, near)
  for (k in c(1L, 5L)) {
    j <- near[k, !is.na(near[k, ])]
    a <- solve(K[j, j] + diag(noise[j]), K[j, 80L + k])
    expect_equal(out$mean[k, ], as.vector(a %*% z[j, ]), tolerance = 1e-10)
    expect_equal(out$sd[k], sqrt(1.3 - sum(a * K[j, 80L + k])), tolerance = 1e-10)
  }
  expect_equal(c(out$mean[7L, ], out$sd[7L]), c(0, 0, 0, sqrt(1.3)))
})

test_that("what was seen without noise is predicted as it was seen", {
  x <- quakes_at[1:50, ]
  near <- nearest(x, x, k = 8L)$index
  out <- conditional(matern(3, 1.3), x, 0, magnitudes[1:50, ], x, near)
  expect_equal(out$mean, magnitudes[1:50, ], tolerance = 1e-9)
  expect_identical(out$sd, rep(0, 50L))
  expect_true(all(conditional(matern(3, 1.3), x, 0.1, magnitudes[1:50, ], x, near)$sd > 0.1))
  near[9L, 2L] <- near[9L, 1L]
  expect_error(conditional(matern(3, 1.3), x, 0, magnitudes[1:50, ], x, near, sites = 101:150),
               "site new 9 .*site 109 ", class = "rkeops_error_argument")
})

test_that("simulation undoes whitening", {
  for (m in c(1L, 7L)) {
    sets <- earlier_sets(quakes_at, m)
    sets[11L, 1L] <- NA
    coefficients <- coefficients_of_sites(matern(3, 1.3), quakes_at, 0.1, sets)
    expect_identical(dim(coefficients), c(m + 1L, nrow(quakes_at)))
    expect_identical(coefficients[1L, 11L], 0)
    w <- whiten(matern(3, 1.3), quakes_at, 0.1, magnitudes, sets)$w
    expect_equal(simulate_ordered(coefficients, sets, w), magnitudes)
  }
})

test_that("numbers of threads change no bit", {
  n <- 5003L
  x <- cbind(cos(1.7 * seq_len(n)), sin(0.3 * seq_len(n)^1.1))
  y <- sin(seq_len(n))
  sets <- earlier_sets(x, 9L)
  f <- function(range, x, noise, y) {
    out <- whiten(matern(range, 1), x, noise, y, sets)
    sum(out$w^2) + sum(out$log_sd)
  }
  at <- list(0.3, x, rep(0.1, n), y)
  old <- set_rkeops_options(ncore = 1)
  on.exit(set_rkeops_options(old))
  one <- value_and_gradient(f, at)
  set_rkeops_options(ncore = 2)
  expect_identical(value_and_gradient(f, at), one)
})

test_that("sites that are not apart are named", {
  x <- quakes_at[1:40, ]
  x[30L, ] <- x[12L, ]
  y <- magnitudes[1:40, 1L]
  sets <- all_earlier(40L)
  found <- tryCatch(whiten(matern(3, 1.3), x, 0, y, sets), error = identity)
  expect_s3_class(found, "rkeops_error_argument")
  expect_match(conditionMessage(found), "site 30.*positive definite")
  expect_identical(found$row, 30L)
  named <- tryCatch(whiten(matern(3, 1.3), x, 0, y, sets, sites = 100L + 1:40), error = identity)
  expect_identical(c(named$site, named$row), c(130L, 130L))
  expect_true(all(is.finite(whiten(matern(3, 1.3), x, c(rep(0, 39L), 0.1) + 1e-6, y, sets)$w)))
  x[7L, 1L] <- NaN
  expect_error(whiten(matern(3, 1.3), x, 0.1, y, sets), "site 7 ", class = "rkeops_error_argument")
  expect_error(whiten(matern(3, -1), quakes_at[1:40, ], 0.1, y, sets), "site 1 ",
               class = "rkeops_error_argument")
})

test_that("covariances that are none are refused", {
  x <- quakes_at[1:10, ]
  y <- 1:10
  sets <- earlier_sets(x, 3L)
  refused <- function(covariance, words, kind = "argument")
    expect_error(whiten(covariance, x, 0.1, y, sets), words, class = paste0("rkeops_error_", kind))
  refused(function(x) x, "the covariance is a numeric 10 x 2 matrix|the covariance is")
  refused(function(x) Vi(x) - Vj(x), "dimension 1")
  refused(function(x) sqnorm2(Vi(x[-1L, ]) - Vj(x)), "10 x 10", "shape")
  expect_error(whiten(matern(1, 1), x, c(0.1, 0.2), y, sets), "noise", class = "rkeops_error_shape")
  expect_error(whiten(matern(1, 1), x, 0.1, y, sets[-1L, ]), "`sets`.*10 rows", class = "rkeops_error_shape")
  for (wrong in c(0L, 11L)) {
    sets[5L, 2L] <- wrong
    expect_error(whiten(matern(1, 1), x, 0.1, y, sets), paste("has row", wrong),
                 class = "rkeops_error_argument")
  }
})

test_that("orders are those of a loop; duplicates come last, ties by position", {
  farthest_first <- function(x) {
    to_mean <- colSums((t(x) - colMeans(x))^2)
    order <- which.min(to_mean)
    d <- rep(Inf, nrow(x))
    while (length(order) < nrow(x)) {
      d <- pmin(d, colSums((t(x) - x[order[length(order)], ])^2))
      d[order] <- -1
      order <- c(order, which.max(d))
    }
    order
  }
  set.seed(62)
  for (D in c(1L, 2L, 3L, 11L)) for (n in c(1L, 2L, 9L, 150L)) {
    x <- matrix(rnorm(n * D), n)
    if (n > 20L) x[101:110, ] <- x[1:10, ]
    expect_identical(order_sites(x), farthest_first(x), label = paste(D, n))
  }
  grid <- as.matrix(expand.grid(1:13, 1:13)) + 0
  expect_identical(order_sites(grid), farthest_first(grid))
  same <- matrix(3, 40L, 2L)
  expect_identical(order_sites(same), 1:40)
  duplicates <- rbind(grid, grid)
  expect_identical(sort(order_sites(duplicates)[170:338]), 170:338)
  expect_identical(order_sites(grid, "given"), 1:169)
  random <- order_sites(grid, "random", seed = 3)
  expect_identical(random, order_sites(grid, "random", seed = 3))
  expect_identical(sort(random), 1:169)
  expect_false(identical(random, order_sites(grid, "random", seed = 4)))
  grid[5L, 1L] <- NA
  expect_error(order_sites(grid), "finite", class = "rkeops_error_argument")
  expect_error(order_sites(grid, "maximum"), "ordering", class = "rkeops_error_argument")
})

test_that("the nearest sites before each are those of nearest(), ties by position", {
  set.seed(63)
  grid <- as.matrix(expand.grid(1:17, 1:19))[sample.int(323L), ] + 0
  for (x in list(grid, rbind(grid, grid), quakes_at, matrix(rnorm(3000), 300L), matrix(1, 1L, 1L),
                 matrix(rnorm(2100), ncol = 1L)))
    for (k in c(1L, 6L, 30L))
      expect_identical(earlier_sets(x, k), nearest(x, k = k, earlier = TRUE)$index, label = paste(nrow(x), k))
  expect_identical(earlier_sets(quakes_at, 5L, metric = "manhattan"),
                   nearest(quakes_at, k = 5L, earlier = TRUE, metric = "manhattan")$index)
  quakes_at[5L, 1L] <- NA
  expect_error(earlier_sets(quakes_at, 3L), "finite", class = "rkeops_error_argument")
})

test_that("an interrupt, or an error of the session, ends a call", {
  x <- matrix(runif(6e5), ncol = 2L)
  on.exit(setTimeLimit())
  # the limit goes on to end what comes after it, until it is lifted
  stopped <- tryCatch({
    setTimeLimit(elapsed = 0.001, transient = TRUE)
    order_sites(x)
  }, error = function(e) {
    setTimeLimit()
    conditionMessage(e)
  })
  setTimeLimit()
  expect_identical(grepl("elapsed time limit", stopped[1L]), TRUE)
})
