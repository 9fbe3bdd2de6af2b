# Gaussian processes: likelihoods, estimates and predictions against dense one-liners.

set.seed(1)
n <- 90
d <- data.frame(a = runif(n), b = runif(n), g = factor(sample(c("u", "v", "w"), n, TRUE)))
d$y <- 3 + 2 * d$a + sin(6 * d$a) * cos(4 * d$b) + (d$g == "v") + rnorm(n, sd = 0.1)
x <- as.matrix(d[c("a", "b")])

matern52 <- function(x, y, scale) {
  x <- t(x) / scale
  y <- t(y) / scale
  r <- sqrt(5 * Reduce(`+`, lapply(seq_along(scale), function(k) outer(x[k, ], y[k, ], "-")^2)))
  (1 + r + r^2 / 3) * exp(-r)
}

# list(loglik, beta, V, inverse, r): all of a Gaussian process of covariance A, noise included.
dense_gp <- function(A, F, y) {
  inverse <- solve(A)
  V <- solve(t(F) %*% inverse %*% F)
  beta <- V %*% t(F) %*% inverse %*% y
  r <- y - F %*% beta
  list(loglik = -determinant(A)$modulus / 2 - sum(r * (inverse %*% r)) / 2 - length(y) / 2 * log(2 * pi),
       beta = beta, V = V, inverse = inverse, r = r)
}

kernel <- 0.4 * kernel_matern(5/2, c(0.35, 0.45))
at <- function(..., noise = 0.01, fixed = TRUE) gp(y ~ a + b, d, kernel, noise = noise, fixed = fixed, ...)
K <- 0.4 * matern52(x, x, c(0.35, 0.45))
new <- data.frame(a = c(0.1, 0.5, 1.2), b = c(0.9, 0.4, -0.1), g = c("u", "v", "w"))
k <- 0.4 * matern52(x, as.matrix(new[1:2]), c(0.35, 0.45))

test_that("the likelihood, the trend and predictions are those of universal kriging, by all methods", {
  F <- cbind(1, d$a, d$g == "v", d$g == "w")
  expected <- dense_gp(K + diag(0.01, n), F, d$y)
  f <- cbind(1, new$a, new$g == "v", new$g == "w")
  mean <- f %*% expected$beta + t(k) %*% expected$inverse %*% expected$r
  u <- f - t(k) %*% expected$inverse %*% F
  variance <- 0.4 - diag(t(k) %*% expected$inverse %*% k) + diag(u %*% expected$V %*% t(u))
  for (method in c("dense", "iterative", "vecchia")) {
    fit <- at(trend = ~ a + g, method = method, neighbours = n)
    loose <- if (method == "iterative") 1e-6 else 1e-8
    expect_lt(abs(fit$loglik - expected$loglik), if (method == "iterative") fit$loglik_error + 1e-5 else 1e-7)
    expect_lt(fit$loglik_error, 0.25)
    expect_equal(unname(coef(fit)), c(expected$beta), tolerance = loose)
    expect_identical(names(coef(fit)), c("(Intercept)", "a", "gv", "gw"))
    expect_equal(unname(vcov(fit)), expected$V, tolerance = loose)
    expect_equal(unname(predict(fit, new)), c(mean), tolerance = loose)
    out <- predict(fit, new, interval = "prediction", level = 0.9)
    expect_equal(out$fit, c(mean), tolerance = loose)
    expect_equal(out$se, sqrt(variance), tolerance = loose)
    expect_equal(out$upper - out$lower, 2 * qnorm(0.95) * sqrt(variance + 0.01), tolerance = loose)
    out <- predict(fit, new, interval = "confidence")
    expect_equal(out$upper, out$fit + qnorm(0.975) * out$se, tolerance = 1e-12)
    fitted <- F %*% expected$beta + K %*% expected$inverse %*% expected$r
    expect_equal(unname(fitted(fit)), c(fitted), tolerance = loose)
    expect_equal(unname(residuals(fit)), c(d$y - fitted), tolerance = 100 * loose)
  }
})

test_that("noise may differ between rows, be divided by weights, or be 0", {
  known <- seq(0.01, 0.3, length.out = n)
  weights <- rep(c(1, 2, 0.5), n / 3)
  for (method in c("dense", "iterative", "vecchia")) {
    slack <- function(fit) if (method == "iterative") fit$loglik_error + 1e-5 else 1e-7
    fit <- at(noise = known, method = method, neighbours = n)
    expect_lt(abs(fit$loglik - dense_gp(K + diag(known), cbind(rep(1, n)), d$y)$loglik), slack(fit))
    fit <- at(weights = weights, method = method, neighbours = n)
    expect_lt(abs(fit$loglik - dense_gp(K + diag(0.01 / weights), cbind(rep(1, n)), d$y)$loglik), slack(fit))
  }
  expect_error(predict(at(noise = known), new, interval = "prediction"), "`noise` was given for each row",
               class = "rkeops_error_argument")
  fit <- at(noise = 0, trend = NULL)
  expect_equal(unname(fitted(fit)), d$y, tolerance = 1e-8)
  expect_lt(max(predict(fit, d, se = TRUE)$se), 1e-4)
  few <- d[c(1:20, 5), ]
  expect_error(gp(y ~ a + b, few, kernel, noise = 0), "rows 5 and 21 have equal variables and `noise` is 0",
               class = "rkeops_error_argument")
  # a row of weight 0 is none, a row of weight 2 is not two rows, as its noise is halved
  without <- gp(y ~ a + b, d[-3, ], kernel, noise = 0.01, fixed = TRUE)
  with <- at(weights = replace(rep(1, n), 3, 0))
  expect_identical(with$loglik, without$loglik)
  expect_identical(nobs(with), 89L)
})

# By central differences of the values, with respect to logarithms.
test_that("gradients of all likelihoods are right", {
  set.seed(2)
  input <- rkeops:::input_of_formula(quote(gp(formula = y ~ a + b, data = d)), environment(), ~ a)
  given <- list(probes = 8L, seed = 1L, neighbours = 12L, ordering = "maximin", lower = list(),
                upper = list(), priors = list())
  kernel <- kernel_matern(5/2, ard = TRUE) + kernel_periodic(0.7, variables = "b") * kernel_polynomial(2)
  model <- rkeops:::covariance_model(input, kernel, NULL, NULL, given)
  theta <- rkeops:::theta_of_model(model) + rnorm(length(model$free), sd = 0.1)
  plan <- rkeops:::vecchia_plan(input, model$kernel, given)
  likelihoods <- list(dense = rkeops:::likelihood_dense(input, model),
                      vecchia = rkeops:::likelihood_vecchia(plan, model),
                      iterative = rkeops:::likelihood_iterative(input, model, given, theta))
  for (name in names(likelihoods)) {
    f <- likelihoods[[name]]
    step <- if (name == "iterative") 1e-2 else 1e-4
    slope <- vapply(seq_along(theta), function(k) {
      e <- replace(numeric(length(theta)), k, step)
      (f(theta + e)$value - f(theta - e)$value) / (2 * step)
    }, 1)
    expect_equal(unname(f(theta)$slope()), slope, tolerance = if (name == "iterative") 0.02 else 1e-5,
                 label = name)
  }
})

test_that("estimates are at the maximum, which does not depend on the start", {
  fit <- gp(y ~ a + b, d, kernel_matern(5/2, ard = TRUE))
  minus <- function(p) -dense_gp(exp(p[3]) * matern52(x, x, exp(p[1:2])) + diag(exp(p[4]), n),
                                 cbind(rep(1, n)), d$y)$loglik
  best <- optim(log(unlist(fit$parameters)) + 0.02, minus, control = list(reltol = 1e-12, maxit = 800))
  expect_equal(-best$value, fit$loglik, tolerance = 1e-6)
  expect_identical(names(coef(fit, "covariance")), c("length_scale1", "length_scale2", "variance", "noise"))
  again <- gp(y ~ a + b, d, 0.05 * kernel_matern(5/2, c(2, 0.1)), noise = 0.3)
  expect_equal(again$loglik, fit$loglik, tolerance = 1e-6)
  expect_identical(gp(y ~ a + b, d, kernel_matern(5/2, ard = TRUE), restarts = 2)$message, "converged")
  # the observed information
  H <- optimHess(log(unlist(fit$parameters)), minus)
  size <- unlist(fit$parameters)
  expect_equal(vcov(fit, "covariance"), solve(H) * outer(size, size), tolerance = 1e-3, ignore_attr = TRUE)
  # x / y
  same <- gp(x, d$y, kernel_matern(5/2, ard = TRUE))
  expect_equal(same$loglik, fit$loglik, tolerance = 1e-10)
  expect_equal(predict(same, new[1:2]), predict(fit, new), tolerance = 1e-6, ignore_attr = TRUE)
})

test_that("nlme finds the same maximum for an exponential covariance with a nugget", {
  skip_if_not_installed("nlme")
  set.seed(4)
  s <- data.frame(a = runif(120), b = runif(120))
  D <- as.matrix(dist(s))
  s$y <- 1 + 2 * s$a + drop(t(chol(exp(-D / 0.2))) %*% rnorm(120)) + rnorm(120, sd = 0.4)
  fit <- gp(y ~ a + b, s, kernel_laplacian(), trend = ~ a)
  peer <- nlme::gls(y ~ a, s, method = "ML",
                    correlation = nlme::corExp(c(0.2, 0.2), form = ~ a + b, nugget = TRUE))
  expect_equal(as.numeric(logLik(fit)), as.numeric(logLik(peer)), tolerance = 1e-6)
  expect_equal(coef(fit), coef(peer), tolerance = 1e-3)
  expect_identical(attr(logLik(fit), "df"), attr(logLik(peer), "df"))
  expect_equal(AIC(fit), AIC(peer), tolerance = 1e-6)
  expect_equal(sqrt(diag(vcov(fit))), sqrt(diag(vcov(peer)) * (120 - 2) / 120), tolerance = 1e-2)
})

test_that("parameters may be fixed, bounded and have priors", {
  fit <- gp(y ~ a + b, d, kernel_gaussian(0.3), fixed = "length_scale")
  expect_identical(fit$parameters$length_scale, 0.3)
  expect_identical(fit$df, 3L)
  fit <- gp(y ~ a + b, d, kernel_gaussian(), upper = list(length_scale = 0.1), lower = c(noise = 0.05))
  expect_equal(fit$parameters$length_scale, 0.1, tolerance = 1e-8)
  expect_gte(fit$parameters$noise, 0.05 * (1 - 1e-8))
  free <- gp(y ~ a + b, d, kernel_gaussian())
  prior <- gp(y ~ a + b, d, kernel_gaussian(),
              priors = list(length_scale = function(x) dlnorm(x, log(0.05), 0.01, log = TRUE)))
  expect_lt(abs(log(prior$parameters$length_scale / 0.05)), 0.1)
  expect_lt(prior$loglik, free$loglik)
  sum <- gp(y ~ a + b, d, kernel_gaussian(variables = "a") + kernel_gaussian(variables = "b"))
  expect_identical(names(sum$parameters), c("gaussian1.length_scale", "gaussian1.variance",
                                            "gaussian2.length_scale", "gaussian2.variance", "noise"))
  expect_lt(sum$loglik, free$loglik)
})

test_that("simulations have the mean and the covariance of predictions", {
  points <- data.frame(a = c(0.1, 0.12, 0.5, 1.3), b = c(0.2, 0.2, 0.6, 1.4))
  for (method in c("dense", "vecchia")) {
    fit <- at(method = method, neighbours = n)
    paths <- simulate(fit, 4000, seed = 7, newdata = points)
    p <- predict(fit, points, se = TRUE)
    expect_identical(dim(paths), c(4L, 4000L))
    expect_lt(max(abs(rowMeans(paths) - p$fit) / p$se), 5 / sqrt(4000))
    expect_lt(max(abs(apply(paths, 1, var) / p$se^2 - 1)), 6 * sqrt(2 / 4000))
    expect_gt(cor(paths[1, ], paths[2, ]), 0.9)
    few <- simulate(fit, 2, seed = 7, newdata = points)
    expect_identical(simulate(fit, 2, seed = 7, newdata = points), few)
  }
  runif(1)
  state <- .Random.seed
  simulate(fit, 2, seed = 7, newdata = points)
  expect_identical(.Random.seed, state)
})

test_that("it is a model of R", {
  d2 <- replace(d, cbind(5, 4), NA)
  fit <- gp(y ~ a + b + g, d2, kernel_gaussian(0.5), subset = b > 0.05, na.action = na.exclude)
  kept <- sum(d$b > 0.05 & seq_len(n) != 5)
  expect_identical(nobs(fit), kept)
  expect_length(residuals(fit), kept + (d$b[5] > 0.05))
  expect_true(is.na(fitted(fit)["5"]))
  expect_equal(fit$x[, c("gu", "gv", "gw")], model.matrix(~ g - 1, d2[rownames(fit$x), ]), ignore_attr = TRUE)
  expect_identical(formula(fit), y ~ a + b + g)
  smaller <- update(fit, . ~ . - g)
  expect_identical(smaller$frame$columns, c("a", "b"))
  expect_s3_class(logLik(fit), "logLik")
  expect_identical(attr(logLik(fit), "error"), 0)
  expect_output(print(fit), "Gaussian process, .* rows, method \"dense\"\nKernel: .* \\* gaussian")
  expect_output(print(summary(fit)), "Std. Error.*length_scale.*\\(Intercept\\)")
  some <- predict(fit, replace(new, cbind(2, 1), NA), se = TRUE)
  expect_identical(is.na(some$fit), c(FALSE, TRUE, FALSE))
  expect_identical(nrow(predict(fit, new[0, ], se = TRUE)), 0L)
  expect_length(predict(fit, new[0, ]), 0L)
  # bases that depend on the data are those of the fit
  bent <- gp(y ~ scale(a), d, kernel_gaussian(1), trend = ~ poly(b, 2), fixed = TRUE)
  expect_equal(unname(predict(bent, d[3:5, ])), unname(fitted(bent)[3:5]), tolerance = 1e-8)
  logs <- gp(log(y) ~ sqrt(a), d, kernel_gaussian(1))
  expect_equal(unname(predict(logs, d)), unname(fitted(logs)), tolerance = 1e-7)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_identical(names(plot(logs)), c("x", "fit", "lower", "upper"))
  expect_identical(dim(plot(smaller, n = 11L)$z), c(11L, 11L))
  # a parameter at its bound has no standard error
  flat <- gp(dist ~ speed, cars, kernel_gaussian(5), trend = ~ speed)
  expect_error(vcov(flat, "covariance"), "no maximum in all parameters", class = "rkeops_error_argument")
  expect_identical(summary(flat)$covariance[, 2], c(length_scale = NA, variance = NA, noise = NA_real_))
  one <- gp(y ~ a, d[1, ], kernel_gaussian(1), noise = 1, fixed = TRUE, trend = NULL)
  A <- one$parameters$variance
  expect_equal(one$loglik, dnorm(d$y[1], 0, sqrt(A + 1), log = TRUE), tolerance = 1e-12)
})

test_that("what it cannot do is refused with what was expected", {
  refused <- function(code, message, class = "rkeops_error_argument")
    expect_error(code, message, fixed = TRUE, class = class)
  refused(gp(), "`x` is missing")
  refused(gp(y ~ nothing, d), "object 'nothing' not found")
  refused(gp(~ a, d), "expected a formula with a response")
  refused(gp(y ~ 1, d), "no variables")
  refused(gp(g ~ a, d), "the response is an object of class \"factor\"")
  refused(gp(cbind(y, y) ~ a, d), "expected numbers, one for each row")
  refused(gp(y ~ a, d, kernel_thin_plate()), "thin plate spline")
  refused(gp(y ~ a, d, "gaussian"), "`kernel` is \"gaussian\"")
  refused(gp(y ~ a, d, noise = -1), "`noise` is -1")
  refused(gp(y ~ a, d, noise = 1:3), "`noise`")
  refused(gp(y ~ a, d, fixed = "scale"), "`fixed` has \"scale\"")
  refused(gp(y ~ a, d, fixed = 1), "`fixed` is 1")
  refused(gp(y ~ a, d, lower = list(noise = -1)), "`lower$noise` is -1")
  refused(gp(y ~ a, d, lower = list(noise = 2), upper = list(noise = 1)), "`lower` is above `upper`")
  refused(gp(y ~ a, d, priors = list(noise = 1)), "log densities")
  refused(gp(y ~ a, d, method = "exact"), "`method` is \"exact\"")
  refused(gp(y ~ a, d, neighbors = 3), "no argument of gp() (did you mean `neighbours`?)")
  refused(gp(y ~ a, d, trend = y ~ a), "`trend`")
  refused(gp(y ~ a, d, weights = rep(-1, n)), "`weights`")
  refused(gp(x, d$y[-1]), "the response has 89 rows", "rkeops_error_shape")
  refused(gp(y ~ I(a / 0), d), "infinite values")
  fit <- at()
  refused(predict(fit, data.frame(a = 1)), "object 'b' not found")
  refused(predict(gp(y ~ g, d, kernel_gaussian(1), fixed = TRUE), data.frame(g = "new")), "new level")
  refused(predict(fit, new, interval = "both"), "`interval` is \"both\"")
  refused(predict(fit, new, level = 95), "`level` is 95")
  refused(predict(fit, new, type = "link"), "`type` is no argument of predict()")
  refused(formula(gp(x, d$y, kernel, fixed = TRUE)), "made of matrices")
  refused(vcov(fit, "all"), "`what` is \"all\"")
})

test_that("an iterative fit corrects a curvature that is not that of its likelihood", {
  A <- rbind(c(40, 25, 0), c(25, 30, 3), c(0, 3, 900))
  best <- c(0.3, -0.2, 0.1)
  likelihood <- function(theta) {
    off <- theta - best
    list(value = -sum(off * (A %*% off)) / 2, slope = function() -as.vector(A %*% off))
  }
  model <- list(free = c(TRUE, TRUE, TRUE), lower = rep(-9, 3), upper = rep(9, 3), values = list(a = exp(best)),
                prior = list())
  for (share in c(0.52, 0.7, 1, 2)) { # of it: steps that are too long, right, too short
    found <- rkeops:::maximise_iterative(likelihood, c(0, 0, 0), model, function(theta) share * A, gain = 1e-6)
    expect_identical(found$message, "converged")
    expect_equal(found$theta, best, tolerance = 1e-3)
    expect_lte(found$evaluations, 8)
  }
})
