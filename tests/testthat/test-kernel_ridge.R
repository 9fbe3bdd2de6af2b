# Kernel ridge regression against dense one-liners, brute force and packages that do the same.

set.seed(5)
n <- 60L
x <- cbind(a = runif(n), b = runif(n, 0, 10))
y <- sin(5 * x[, 1]) + x[, 2] / 5 + rnorm(n, sd = 0.1)
data <- data.frame(x, y = y, g = factor(rep(c("u", "v", "w"), 20)))
kernel <- kernel_gaussian(c(0.4, 3))
K <- as.matrix(evaluate_kernel(kernel, x))
new <- cbind(a = runif(7), b = runif(7, 0, 10))
K_new <- as.matrix(evaluate_kernel(kernel, new, x))

expect_refused <- function(code, class, text) {
  error <- expect_error(code, class = paste0("rkeops_error_", class))
  if (!is.null(error)) testthat::expect_match(conditionMessage(error), text)
}
plain <- function(v) unname(as.vector(v))

# alpha and b of (K + ridge W^-1) alpha + F b = y, F' alpha = 0.
saddle <- function(K, F, y, ridge, w = rep(1, nrow(K))) {
  q <- ncol(F)
  s <- solve(rbind(cbind(K + ridge * diag(1 / w), F), cbind(t(F), matrix(0, q, q))), c(y, numeric(q)))
  list(alpha = unname(s[seq_len(nrow(K))]), beta = unname(s[-seq_len(nrow(K))]))
}

test_that("without an intercept the coefficients are solve(K + ridge I, y)", {
  for (method in c("dense", "iterative")) {
    fit <- kernel_ridge(x, y, kernel, 0.1, intercept = FALSE, method = method, tol = 1e-10)
    alpha <- solve(K + 0.1 * diag(n), y)
    expect_equal(plain(coef(fit)), alpha, tolerance = 1e-7)
    expect_equal(plain(predict(fit, new)), plain(K_new %*% alpha), tolerance = 1e-7)
    expect_equal(plain(fitted(fit)), plain(K %*% alpha), tolerance = 1e-7)
    expect_equal(plain(residuals(fit)), y - plain(K %*% alpha), tolerance = 1e-7)
    expect_identical(fit$method, method)
    if (method == "dense") expect_equal(fit$df, sum(diag(K %*% solve(K + 0.1 * diag(n)))))
    else expect_null(fit$df)
  }
})

test_that("the intercept is not penalised, and weights are those of repeated rows", {
  w <- rep(c(1, 2, 3), 20)
  truth <- saddle(K, matrix(1, n), y, 0.1, w)
  for (method in c("dense", "iterative")) {
    fit <- kernel_ridge(x, y, kernel, 0.1, weights = w, method = method, tol = 1e-10)
    expect_equal(plain(coef(fit)), c(truth$beta, truth$alpha), tolerance = 1e-6)
    expect_equal(names(coef(fit))[1], "(Intercept)")
    expect_equal(plain(predict(fit, new)), plain(K_new %*% truth$alpha + truth$beta), tolerance = 1e-7)
  }
  times <- rep(seq_len(n), w)
  repeated <- kernel_ridge(x[times, ], y[times], kernel, 0.1)
  expect_equal(predict(fit, new), predict(repeated, new), tolerance = 1e-6)
  for (method in c("dense", "iterative")) {
    weighted <- kernel_ridge(x, y, kernel, 0.1, landmarks = 25, weights = w, method = method, tol = 1e-10)
    repeated <- kernel_ridge(x[times, ], y[times], kernel, 0.1, landmarks = weighted$points)
    expect_equal(predict(weighted, new), predict(repeated, new), tolerance = 1e-5)
  }
  zero <- replace(w, 1:10, 0)
  fit <- kernel_ridge(x, y, kernel, 0.1, weights = zero)
  without <- kernel_ridge(x[-(1:10), ], y[-(1:10)], kernel, 0.1, weights = w[-(1:10)])
  expect_equal(predict(fit, new), predict(without, new))
  expect_equal(plain(fitted(fit)), plain(predict(without, x)))
  expect_length(residuals(fit), n)
  expect_identical(nobs(fit), 50L)
})

test_that("leave-one-out is what fits without the row predict", {
  w <- runif(n, 0.5, 2)
  for (landmarks in list(NULL, x[1:20, ])) {
    of <- function(rows) kernel_ridge(x[rows, ], y[rows], kernel, 0.05, landmarks, weights = w[rows])
    fit <- of(seq_len(n))
    brute <- vapply(1:12, function(i) y[i] - predict(of(-i), x[i, , drop = FALSE])[[1]], 1)
    expect_equal(plain(fit$loo)[1:12], brute, tolerance = 1e-6)
  }
})

test_that("landmarks solve the normal equations, and all rows as landmarks are the exact fit", {
  z <- x[c(3, 9, 14, 22, 31, 47, 58), ]
  K_nm <- as.matrix(evaluate_kernel(kernel, x, z))
  K_mm <- as.matrix(evaluate_kernel(kernel, z))
  w <- runif(n)
  a <- solve(crossprod(K_nm, w * K_nm) + 0.1 * K_mm, crossprod(K_nm, w * y))
  centred <- function(v) v - matrix(1, n) %*% (colSums(w * as.matrix(v)) / sum(w))
  b <- solve(crossprod(K_nm, w * centred(K_nm)) + 0.1 * K_mm, crossprod(K_nm, w * centred(y)))
  for (method in c("dense", "iterative")) {
    fit <- kernel_ridge(x, y, kernel, 0.1, z, w, intercept = FALSE, method = method, tol = 1e-10)
    expect_equal(plain(fitted(fit)), plain(K_nm %*% a), tolerance = 1e-6)
    expect_equal(plain(coef(fit)), plain(a), tolerance = 1e-4)
    fit <- kernel_ridge(x, y, kernel, 0.1, z, w, method = method, tol = 1e-10)
    expect_equal(plain(predict(fit, x)), plain(K_nm %*% b + stats::weighted.mean(y - K_nm %*% b, w)),
                 tolerance = 1e-6)
    rows <- kernel_ridge(x, y, kernel, 0.1, c(3, 9, 14, 22, 31, 47, 58), w, method = method, tol = 1e-10)
    expect_equal(fitted(rows), fitted(fit))
  }
  exact <- kernel_ridge(x, y, kernel, 0.1)
  for (method in c("dense", "iterative"))
    expect_equal(predict(kernel_ridge(x, y, kernel, 0.1, 1000, method = method, tol = 1e-9), new),
                 predict(exact, new), tolerance = 1e-5)
  many <- kernel_ridge(x, y, kernel, 0.1, landmarks = 1000)
  expect_identical(nrow(many$points), n)
  expect_equal(many$df, exact$df, tolerance = 1e-4)
  expect_equal(many$loo, exact$loo, tolerance = 1e-4)
})

test_that("larger systems are solved in few steps, as dense ones", {
  set.seed(2)
  m <- 6000
  X <- matrix(rnorm(3 * m), m)
  Y <- cbind(sin(X[, 1]), X[, 2]^2) + rnorm(2 * m, sd = 0.3)
  few <- kernel_ridge(X, Y, kernel_matern(3/2, 2), 0.5, landmarks = 200, method = "iterative")
  dense <- kernel_ridge(X, Y, kernel_matern(3/2, 2), 0.5, landmarks = few$points, method = "dense")
  expect_equal(fitted(few), fitted(dense), tolerance = 1e-3)
  expect_lt(max(few$iterations), 40)
  some <- 1:1200
  one <- kernel_ridge(X[some, ], Y[some, ], kernel_matern(3/2, 2), 0.5, method = "iterative")
  all <- kernel_ridge(X[some, ], Y[some, ], kernel_matern(3/2, 2), 0.5, method = "dense")
  expect_equal(fitted(one), fitted(all), tolerance = 1e-5)
  expect_gt(max(one$iterations), 0)
})

test_that("fits with landmarks are off by what is asked for, also where few rows are unlike all others", {
  set.seed(11)
  m <- 12000L
  X <- rbind(matrix(rnorm(2 * m - 60L), ncol = 2L), matrix(30 + 5 * rnorm(60L), ncol = 2L))
  Y <- cbind(sin(2 * X[, 1]) + rnorm(nrow(X), sd = 0.3), X[, 1] * cos(X[, 2]))
  w <- runif(nrow(X), 0.2, 3)
  z <- X[c(1:300, nrow(X) - 0:19), ]
  fit <- function(method, ...) fitted(kernel_ridge(X, Y, kernel_matern(3/2, 1), 1e-3, z, w, method = method, ...))
  truth <- fit("dense")
  off <- function(tol) {
    found <- kernel_ridge(X, Y, kernel_matern(3/2, 1), 1e-3, z, w, method = "iterative", tol = tol)
    list(by = sqrt(colSums(w * (fitted(found) - truth)^2) / colSums(w * (Y - truth)^2)), steps = max(found$iterations))
  }
  for (tol in c(0.1, 1e-2, 1e-4, 1e-7)) {
    now <- off(tol)
    expect_true(all(now$by < 2 * tol))
    expect_lte(now$steps, 4 - 2 * log10(tol)) # a step halves it, at least
  }
  expect_identical(fit("iterative"), fit("iterative", tol = 0.01))
  first <- rkeops:::rows_of_preconditioner(list(x = X, y = Y, w = w, points = z, trend = matrix(1, nrow(X)),
                                                kernel = kernel_matern(3/2, 1)), nrow(z), 1e-3,
                                           list(tol = 0.01, seed = 1L))
  expect_lt(length(first$at), nrow(X) / 2)
  expect_true(all(first$weight >= 1))
  expect_equal(sum(w[first$at] * first$weight), sum(w), tolerance = 0.05) # they stand for all
  lonely <- first$at > nrow(X) - 30L
  expect_gt(sum(lonely), 15) # of 30, and of others one in ten
  holed <- kernel_function(function(x, y) exp(-sqdist(x, y)) * sqrt(38 - x[1]) * sqrt(38 - y[1]))
  for (method in c("dense", "iterative"))
    expect_refused(suppressWarnings(kernel_ridge(X, Y, holed, 0.1, X[1:200, ], method = method)), "argument",
                   "`kernel` has values that are not finite")
  # nearly singular: the fit, or a word that the ridge is too small
  flat <- tryCatch(kernel_ridge(X, Y, kernel_gaussian(300), 0, z, method = "iterative")$residual,
                   rkeops_error_convergence = function(e) grepl("larger `ridge`", conditionMessage(e)))
  expect_true(isTRUE(flat) || all(flat <= 0.01))
  expect_error(kernel_ridge(X, Y, kernel_matern(3/2, 1), 1e-3, z, limit = 1, method = "iterative"),
               "fitted values are off", class = "rkeops_error_convergence")
})

test_that("thin plate splines are those of the saddle system", {
  polynomials <- cbind(1, x)
  for (kernel in list(kernel_thin_plate(), 0.01 * kernel_thin_plate(3))) {
    K <- as.matrix(evaluate_kernel(kernel, x))
    K_new <- as.matrix(evaluate_kernel(kernel, new, x))
    quadratic <- function(x) cbind(1, x, x[, 1]^2, x[, 1] * x[, 2], x[, 2]^2)
    F <- if (kernel$type == "scale") quadratic else function(x) cbind(1, x)
    truth <- saddle(K, F(x), y, 0.5)
    expected <- plain(K_new %*% truth$alpha + F(new) %*% truth$beta)
    for (method in c("dense", "iterative")) {
      fit <- kernel_ridge(x, y, kernel, 0.5, method = method, tol = 1e-10)
      expect_equal(plain(predict(fit, new)), expected, tolerance = 1e-6)
      expect_equal(plain(tail(coef(fit), n)), truth$alpha, tolerance = 1e-5)
      landmarks <- kernel_ridge(x, y, kernel, 0.5, landmarks = n, method = method, tol = 1e-10)
      expect_equal(plain(predict(landmarks, new)), expected, tolerance = 1e-4)
      some <- kernel_ridge(x, y, kernel, 0.5, landmarks = x[1:30, ], method = method, tol = 1e-10)
      z <- x[1:30, ]
      # the same subspace as least squares: coefficients on which polynomials vanish
      null <- qr.Q(qr(F(z)), complete = TRUE)[, -seq_len(ncol(F(z)))]
      G <- cbind(as.matrix(evaluate_kernel(kernel, x, z)) %*% null, F(x))
      penalty <- matrix(0, ncol(G), ncol(G))
      inner <- seq_len(ncol(null))
      penalty[inner, inner] <- crossprod(null, as.matrix(evaluate_kernel(kernel, z)) %*% null)
      direct <- G %*% solve(crossprod(G) + 0.5 * penalty, crossprod(G, y))
      expect_equal(plain(fitted(some)), plain(direct), tolerance = 1e-4)
    }
  }
  line <- kernel_ridge(dist ~ speed, cars, kernel_thin_plate(), 1e9)
  expect_equal(plain(fitted(line)), plain(fitted(lm(dist ~ speed, cars))), tolerance = 1e-3)
})

test_that("a path of ridges keeps the best, by leave-one-out of each", {
  ridges <- 10^(-4:1)
  fit <- kernel_ridge(x, y, kernel, ridges)
  errors <- vapply(ridges, function(r) mean(kernel_ridge(x, y, kernel, r)$loo^2), 1)
  expect_equal(fit$path$error[order(fit$path$ridge)], errors, tolerance = 1e-8)
  expect_identical(fit$ridge, ridges[which.min(errors)])
  free <- kernel_ridge(x, y, kernel)
  expect_lte(mean(free$loo^2), min(errors) * 1.01)
  found <- kernel_ridge(x, y)
  expect_length(found$kernel$parameters$length_scale, 2)
  expect_lte(mean(found$loo^2), mean(free$loo^2) * 1.1)
  expect_length(kernel_ridge(x, y, scale = FALSE)$kernel$parameters$length_scale, 1)
  ard <- kernel_ridge(x, y, kernel_gaussian(ard = TRUE))
  expect_lte(mean(ard$loo^2), mean(found$loo^2) * 1.01)
  # units do not matter
  scaled <- kernel_ridge(x * rep(c(1000, 1e-3), each = n), y)
  expect_equal(plain(fitted(scaled)), plain(fitted(found)), tolerance = 1e-6)
})

test_that("the same call has the same result and leaves random numbers alone", {
  set.seed(1)
  before <- .Random.seed
  one <- kernel_ridge(x, y, landmarks = 20)
  expect_identical(.Random.seed, before)
  two <- kernel_ridge(x, y, landmarks = 20)
  expect_identical(coef(one), coef(two))
  expect_false(identical(one$points, kernel_ridge(x, y, landmarks = 20, seed = 2)$points))
})

test_that("classes are those of one-vs-rest codes", {
  fit <- kernel_ridge(Species ~ ., iris, kernel_gaussian(1), 0.1)
  X <- as.matrix(iris[1:4])
  G <- as.matrix(evaluate_kernel(kernel_gaussian(1), X))
  scores <- vapply(levels(iris$Species), function(level) {
    truth <- saddle(G, matrix(1, 150), 2 * (iris$Species == level) - 1, 0.1)
    plain(G %*% truth$alpha + truth$beta)
  }, numeric(150))
  expect_equal(unname(predict(fit, iris, type = "response")), unname(scores), tolerance = 1e-7)
  expect_identical(unname(predict(fit, iris)), factor(levels(iris$Species)[max.col(scores)]))
  expect_identical(unname(fitted(fit)), unname(predict(fit, iris)))
  expect_gt(mean(fitted(fit) == iris$Species), 0.97)
  two <- droplevels(iris[51:150, ])
  fit <- kernel_ridge(Species ~ ., two, kernel_gaussian(1), 0.1)
  expect_null(dim(predict(fit, two, type = "response")))
  expect_identical(unname(predict(fit, two) == "virginica"), unname(predict(fit, two, type = "response") > 0))
  expect_refused(predict(kernel_ridge(x, y, kernel, 1), type = "class"), "argument", "no levels")
})

test_that("several responses are fitted together as alone", {
  both <- kernel_ridge(cbind(y, z = y^2) ~ a + b, data, kernel, 0.1)
  expect_identical(colnames(coef(both)), c("y", "z"))
  expect_equal(fitted(both)[, "z"], fitted(kernel_ridge(y^2 ~ a + b, data, kernel, 0.1)), tolerance = 1e-8)
  expect_identical(dim(predict(both, data[1:3, ])), c(3L, 2L))
})

test_that("formulas do what they do in lm: transformations, factors, interactions, NA, subset, update", {
  fit <- kernel_ridge(log(y + 5) ~ log(b) + a * g, data, ridge = 0.1)
  expect_identical(fit$frame$columns, c("log(b)", "a", "gu", "gv", "gw", "a:gu", "a:gv", "a:gw"))
  expect_equal(predict(fit, data), fitted(fit), tolerance = 1e-8)
  expect_refused(predict(fit, data.frame(a = 1, b = 1, g = "new")), "argument", "new level")
  expect_refused(predict(fit, data.frame(a = 1, g = "u")), "argument", "b")
  holes <- data
  holes$a[3] <- NA
  holes$y[7] <- NaN
  omitted <- kernel_ridge(y ~ a + b, holes, kernel, 0.1)
  expect_length(fitted(omitted), n - 2)
  excluded <- kernel_ridge(y ~ a + b, holes, kernel, 0.1, na.action = na.exclude)
  expect_identical(which(is.na(fitted(excluded))), c(`3` = 3L, `7` = 7L))
  expect_identical(which(is.na(residuals(excluded))), c(`3` = 3L, `7` = 7L))
  expect_equal(fitted(excluded)[-c(3, 7)], fitted(omitted))
  expect_identical(which(is.na(predict(omitted, holes))), c(`3` = 3L))
  expect_length(predict(omitted, holes, na.action = na.omit), n - 1)
  subset <- kernel_ridge(y ~ a + b, data, kernel, 0.1, subset = g != "u")
  expect_equal(fitted(subset), fitted(kernel_ridge(y ~ a + b, data[data$g != "u", ], kernel, 0.1)))
  expect_equal(fitted(update(omitted, data = data, ridge = 1)),
               fitted(kernel_ridge(y ~ a + b, data, kernel, 1)))
  expect_identical(formula(update(subset, . ~ a, kernel = kernel_gaussian(1))), y ~ a)
  expect_identical(nobs(subset), 40L)
  expect_refused(formula(kernel_ridge(x, y, kernel, 1)), "argument", "matrices")
  matrices <- kernel_ridge(x, y, kernel, 0.1)
  expect_equal(plain(fitted(kernel_ridge(y ~ a + b, data, kernel, 0.1))), plain(fitted(matrices)))
  expect_identical(dim(predict(matrices, x[0, ], type = "response")), NULL)
  expect_length(predict(matrices, x[0, ]), 0)
  expect_refused(logLik(matrices), "argument", "likelihood")
})

test_that("data that are hard give what is right", {
  constant <- kernel_ridge(y ~ a + one, cbind(data, one = 3))
  expect_equal(plain(fitted(constant)), plain(fitted(kernel_ridge(y ~ a, data))), tolerance = 1e-6)
  expect_equal(plain(fitted(kernel_ridge(x, rep(4, n)))), rep(4, n))
  one <- kernel_ridge(matrix(1), 3)
  expect_equal(plain(predict(one, matrix(7))), 3)
  expect_equal(plain(predict(kernel_ridge(matrix(1:2), c(1, 3), kernel_gaussian(1), 0.1), matrix(1.5))), 2)
  twice <- rbind(x, x)
  expect_refused(kernel_ridge(twice, c(y, y), kernel, 0), "argument", "rows 1 and 61 are equal")
  expect_equal(plain(predict(kernel_ridge(twice, c(y, y), kernel, 0.2), new)),
               plain(predict(kernel_ridge(x, y, kernel, 0.1), new)), tolerance = 1e-7)
  drawn <- kernel_ridge(twice, c(y, y), kernel, 0.2, landmarks = 100)
  expect_identical(nrow(drawn$points), n)
  steps <- kernel_ridge(matrix(rep(1:5, 12)), y, kernel_gaussian(1), 0.1, landmarks = 50)
  expect_identical(nrow(steps$points), 5L)
  interpolation <- kernel_ridge(x, y, kernel_laplacian(1), 0)
  expect_equal(plain(predict(interpolation, x)), y, tolerance = 1e-8)
  far <- kernel_ridge(cbind(x[, 1] + 1e8, x[, 2]), y, kernel, 0.1)
  expect_equal(plain(fitted(far)), plain(fitted(kernel_ridge(x, y, kernel, 0.1))), tolerance = 1e-4)
})

test_that("what cannot be fitted is refused by its name", {
  expect_refused(kernel_ridge(x, y[-1]), "shape", "response has 59 rows")
  expect_refused(kernel_ridge(x), "argument", "`y` is missing")
  expect_refused(kernel_ridge(data, y ~ a), "argument", "formula first")
  expect_refused(kernel_ridge(~ a, data), "argument", "`formula`")
  expect_refused(kernel_ridge(y ~ a, data, kernel = "gaussian"), "argument", "`kernel`")
  expect_refused(kernel_ridge(x, y, kernel, -1), "argument", "`ridge`")
  expect_refused(kernel_ridge(x, y, kernel, NA_real_), "argument", "`ridge`")
  expect_refused(kernel_ridge(x, y, kernel, 1, landmarks = 0), "argument", "`landmarks`")
  expect_refused(kernel_ridge(x, y, kernel, 1, landmarks = c(1, 99)), "argument", "`landmarks`")
  expect_refused(kernel_ridge(x, y, kernel, 1, landmarks = matrix(1, 2, 3)), "shape", "`landmarks`")
  expect_refused(kernel_ridge(x, y, kernel, 1, tol = 2), "argument", "`tol`")
  expect_refused(kernel_ridge(x, y, kernel, 1, skale = TRUE), "argument", "did you mean `scale`")
  expect_refused(kernel_ridge(y ~ a, data, kernel, 1, lambda = 1), "argument", "`lambda`")
  expect_refused(kernel_ridge(replace(x, 3, Inf), y), "argument", "infinite")
  expect_refused(kernel_ridge(x, y, weights = rep(0, n)), "argument", "weights")
  expect_refused(kernel_ridge(x, y, weights = -1), "argument", "weights")
  expect_refused(kernel_ridge(x, factor(rep("a", n))), "argument", "1 level")
  expect_refused(kernel_ridge(x[1:2, ], y[1:2], kernel_thin_plate()), "argument", "polynomials")
  expect_refused(kernel_ridge(cbind(x, 1), y, kernel_thin_plate(), 1), "argument", "not determined")
  expect_refused(kernel_ridge(x, y, kernel_thin_plate() + kernel, 1), "argument", "alone")
  expect_refused(kernel_ridge(x, y, kernel_gaussian(1:3), 1), "shape", "length_scale")
  many <- matrix(sin(1:4800), ncol = 2)
  expect_refused(kernel_ridge(many, cos(1:2400), kernel_laplacian(1), 0.1, method = "iterative", limit = 1),
                 "convergence", "1 step")
  wide <- data.frame(y = 1:3e4, f = factor(1:3e4))
  expect_refused(kernel_ridge(y ~ f, wide, landmarks = 3), "memory", "30000 levels")
})

test_that("it prints, draws and makes tables", {
  fit <- kernel_ridge(dist ~ speed, cars)
  expect_match(capture.output(print(fit)), "50 rows", all = FALSE)
  expect_match(capture.output(print(summary(fit))), "R squared", all = FALSE)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  curve <- plot(fit)
  expect_equal(curve$fitted, plain(predict(fit, data.frame(speed = curve$x))))
  many <- plot(kernel_ridge(y ~ a + b, data, kernel, 0.1), main = "two variables")
  expect_identical(names(many), c("fitted", "observed"))
  expect_s3_class(plot(kernel_ridge(Species ~ ., iris, ridge = 1)), "data.frame")
  tidy <- rkeops:::tidy.kernel_ridge(fit)
  expect_identical(tidy$term, c("length_scale", "ridge", "(Intercept)"))
  expect_equal(rkeops:::glance.kernel_ridge(fit)$nobs, 50)
  with_columns <- rkeops:::augment.kernel_ridge(fit)
  expect_equal(with_columns$.fitted + with_columns$.resid, cars$dist)
  expect_equal(rkeops:::augment.kernel_ridge(fit, newdata = data.frame(speed = 9))$.fitted,
               plain(predict(fit, data.frame(speed = 9))))
  holes <- airquality
  expect_identical(nrow(rkeops:::augment.kernel_ridge(kernel_ridge(Ozone ~ Wind, holes, ridge = 1))), 116L)
})

test_that("recipes are taken, and packages generics and broom find the tables", {
  skip_if_not_installed("recipes")
  zone <- Sys.getenv("TZ", NA) # recipes asks for it, and without it a service is asked that may not be there
  Sys.setenv(TZ = "UTC")
  on.exit(if (is.na(zone)) Sys.unsetenv("TZ") else Sys.setenv(TZ = zone))
  recipe <- getExportedValue("recipes", "recipe")
  logged <- getExportedValue("recipes", "step_log")(recipe(dist ~ speed, cars), "speed")
  fit <- kernel_ridge(logged, cars, ridge = 1)
  direct <- kernel_ridge(dist ~ log(speed), cars, ridge = 1)
  expect_equal(predict(fit, cars[1:5, ]), predict(direct, cars[1:5, ]))
  expect_identical(update(fit, ridge = 2)$ridge, 2)
  classes <- knn_classify(recipe(Species ~ ., iris), iris, k = 5)
  expect_identical(fitted(classes), fitted(knn_classify(Species ~ ., iris, k = 5)))
  expect_refused(kernel_ridge(recipe(~ speed, cars), cars), "argument", "0 outcomes")
  skip_if_not_installed("generics")
  expect_identical(getExportedValue("generics", "glance")(fit)$nobs, 50L)
})

test_that("packages that do the same agree", {
  skip_if_not_installed("kernlab")
  sigma <- 2
  of_kernlab <- getExportedValue("kernlab", "gausspr")(x, y, kernel = "rbfdot", kpar = list(sigma = sigma),
                                                       var = 0.1, scaled = FALSE)
  ours <- kernel_ridge(x, y, kernel_gaussian(1 / sqrt(2 * sigma)), 0.1, intercept = FALSE)
  theirs <- getExportedValue("kernlab", "predict")(of_kernlab, new)
  expect_equal(plain(predict(ours, new)), plain(theirs), tolerance = 1e-6)
  skip_if_not_installed("MASS")
  linear <- getExportedValue("MASS", "lm.ridge")(y ~ a + b, data, lambda = 3) # of variables over their spread
  spread <- apply(x, 2, function(v) sqrt(mean((v - mean(v))^2)))
  ours <- kernel_ridge(x, y, kernel_linear(spread), 3)
  expect_equal(plain(predict(ours, new)), plain(cbind(1, new) %*% coef(linear)), tolerance = 1e-7)
})

test_that("thin plate splines are those of fields::Tps at equal degrees of freedom", {
  skip_if_not_installed("fields")
  grid <- expand.grid(x = seq_len(87), y = seq_len(61))
  grid$height <- as.vector(volcano)
  some <- grid[seq(1, nrow(grid), by = 27), ]
  ours <- kernel_ridge(height ~ x + y, some, kernel_thin_plate(), 50)
  theirs <- suppressWarnings(utils::capture.output(
    fit <- getExportedValue("fields", "Tps")(as.matrix(some[1:2]), some$height, scale.type = "unscaled",
                                             df = ours$df)))
  expect_equal(plain(predict(ours, grid)), plain(predict(fit, as.matrix(grid[1:2]))), tolerance = 1e-6)
})
