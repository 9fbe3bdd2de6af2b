# Models against other packages that do the same. Where these are no recommended ones, their numbers.

ridge_at <- function(formula, data, kernel, ridge, new)
  predict(kernel_ridge(formula, data, kernel = kernel, ridge = ridge, scale = FALSE, intercept = FALSE), new)
gp_at <- function(formula, data, kernel, noise, trend = ~ 1, variance = 1)
  gp(formula, data, kernel = variance * kernel, trend = trend, noise = noise * variance, fixed = TRUE,
     method = "dense")

mcycle_means <- function() stats::aggregate(accel ~ times, MASS::mcycle, mean) # 94 places
fiji <- function() {
  q <- datasets::quakes[1:500, c("long", "lat", "depth")]
  q[!duplicated(q[1:2]), ]
}

# ---- base R only ------------------------------------------------------------------------------------
test_that("a cubic smoothing spline is kernel ridge regression with a thin plate kernel", {
  d <- datasets::cars # ties in speed are fine
  lambda <- 1e-3 # of smooth.spline(): of the variable over its range
  s <- stats::smooth.spline(d$speed, d$dist, lambda = lambda, all.knots = TRUE)
  new <- data.frame(speed = seq(5, 24, 0.5))
  mine <- ridge_at(dist ~ speed, d, kernel_thin_plate(2), 12 * lambda * diff(range(d$speed))^3, new)
  expect_equal(as.vector(mine), predict(s, new$speed)$y, tolerance = 1e-4)
})

# ---- recommended packages -----------------------------------------------------------------------------
test_that("thin plate smooths of mgcv with all places are kernel ridge regression", {
  skip_if_not_installed("mgcv")
  skip_if_not_installed("MASS")
  m <- mcycle_means()
  s <- mgcv::s
  g <- mgcv::gam(accel ~ s(times, bs = "tp", k = nrow(m)), data = m, sp = 1e-3)
  new <- data.frame(times = seq(3, 57, 0.5))
  lambda <- 1e-3 / g$smooth[[1]]$S.scale
  expect_equal(as.vector(ridge_at(accel ~ times, m, kernel_thin_plate(2), 12 * lambda, new)),
               as.vector(predict(g, new)), tolerance = 1e-8)
})

test_that("a Gaussian process smooth of mgcv is a Gaussian process with the same kernel and trend", {
  skip_if_not_installed("mgcv")
  skip_if_not_installed("MASS")
  m <- mcycle_means()
  s <- mgcv::s
  new <- data.frame(times = seq(3, 57, 0.5))
  for (trend in list(~ 1, ~ times)) {
    kind <- if (length(all.vars(trend))) 3 else -3
    g <- mgcv::gam(accel ~ s(times, bs = "gp", k = nrow(m), m = c(kind, 10)), data = m, sp = 0.1)
    f <- gp_at(accel ~ times, m, kernel_matern(3/2, 10 * sqrt(3)), 0.1 / g$smooth[[1]]$S.scale, trend)
    expect_equal(as.vector(predict(f, new)), as.vector(predict(g, new)), tolerance = 1e-6)
  }
})

test_that("the likelihood is that of generalised least squares", {
  skip_if_not_installed("nlme")
  q <- fiji()
  expect_same <- function(kernel, correlation, trend) {
    g <- nlme::gls(stats::update(trend, depth ~ .), q, method = "ML",
                   correlation = correlation(c(2, 0.05), form = ~ long + lat, nugget = TRUE, fixed = TRUE))
    f <- gp_at(depth ~ long + lat, q, kernel, 0.05 / 0.95, trend, variance = 0.95 * g$sigma^2)
    expect_equal(as.numeric(logLik(f)), as.numeric(logLik(g)), tolerance = 1e-8)
    expect_equal(coef(f), coef(g), tolerance = 1e-6) # coefficients of the trend
  }
  expect_same(kernel_laplacian(2), nlme::corExp, ~ 1)
  expect_same(kernel_gaussian(sqrt(2)), nlme::corGaus, ~ 1)
  expect_same(kernel_laplacian(2), nlme::corExp, ~ long + lat)
})

# nlme::gls(z ~ 1, MASS::topo, method = "ML", correlation = corGaus(form = ~ x + y, nugget = TRUE))
test_that("a Gaussian process of topo finds the maximum that gls() finds", {
  skip_if_not_installed("MASS")
  fit <- gp(z ~ x + y, MASS::topo, kernel = kernel_gaussian(), method = "dense")
  expect_gte(as.numeric(logLik(fit)), -243.603657378 - 1e-3)
  expect_lte(as.numeric(logLik(fit)), -243.603657378 + 1e-6)
})

test_that("kriging of the package spatial is a Gaussian process with a quadratic trend", {
  skip_if_not_installed("spatial")
  skip_if_not_installed("MASS")
  k <- spatial::surf.gls(2, spatial::expcov, MASS::topo, nx = 1e5, d = 0.7, alpha = 0.1)
  p <- spatial::prmat(k, 0.13, 6.13, 0.13, 6.13, 12)
  f <- gp_at(z ~ x + y, MASS::topo, kernel_laplacian(0.7), 0.1 / 0.9, ~ x + y + I(x^2) + I(x * y) + I(y^2))
  new <- expand.grid(x = p$x, y = p$y)
  expect_equal(as.vector(predict(f, new)), as.vector(p$z), tolerance = 1e-7)
  # spatial::semat() is the standard error of a new observation (noise too), with s^2 = quadratic form over
  # n - 6 instead of n: multiply by sqrt((n - 6) / n) where s^2 is by maximum likelihood
})

# ---- numbers of packages that tests cannot take ---------------------------------------------------------
# kernlab 0.9-32: gausspr(scale(Boston[1:13]), Boston$medv, "rbfdot", kpar = list(sigma = 0.05), var = 0.1,
# scaled = FALSE), at scale(Boston[1:13])[1:5, ] + 0.1
test_that("kernlab's gausspr() predicts the same", {
  skip_if_not_installed("MASS")
  x <- scale(MASS::Boston[1:13])
  data <- data.frame(x, medv = MASS::Boston$medv)
  new <- as.data.frame(x[1:5, ] + 0.1)
  expect_equal(as.vector(ridge_at(medv ~ ., data, kernel_gaussian(sqrt(10)), 0.1, new)),
               c(26.2638305278, 22.2428210655, 33.2064921913, 31.5974491015, 31.8786000338), tolerance = 1e-8)
  expect_equal(as.vector(ridge_at(medv ~ ., data, kernel_laplacian(1 / 0.3), 0.1, new)),
               c(25.4689095329, 21.801852829, 33.2660916664, 33.5851931678, 33.8408191195), tolerance = 1e-7)
  f <- gp_at(medv ~ ., data, kernel_gaussian(sqrt(10)), 0.1, trend = NULL)
  expect_equal(as.vector(predict(f, new, se = TRUE)$se),
               c(0.144655797787, 0.100871883808, 0.119338423975, 0.124318859486, 0.13011850247), tolerance = 1e-8)
})

# fields 14.1: Tps(lambda = 0.01, scale.type = "unscaled"); mKrig(m = 1, lambda = 0.05, Matern 3/2, aRange = 2)
test_that("fields' thin plate spline and kriging predict the same", {
  q <- fiji()
  new <- q[1:5, 1:2] + 0.03
  expect_equal(as.vector(ridge_at(depth ~ long + lat, q, kernel_thin_plate(2), 8 * pi * 0.01, new)),
               c(555.27442682, 634.019344836, 51.0179682511, 595.014706692, 529.867540663), tolerance = 1e-8)
  f <- gp_at(depth ~ long + lat, q, kernel_matern(3/2, 2 * sqrt(3)), 0.05, variance = 65700.2203835)
  found <- predict(f, new, se = TRUE)
  expect_equal(as.vector(found$fit), c(559.599317647, 611.905859487, 56.6417576104, 568.030063365, 525.363974487),
               tolerance = 1e-8)
  expect_equal(as.vector(found$se), c(15.9031476255, 19.5626947074, 37.3529492867, 13.3852355873, 14.7832035317),
               tolerance = 1e-8)
  expect_equal(as.numeric(logLik(f)), -2863.3707452, tolerance = 1e-9)
})
