# Neighbour models against sorted dense distances and package class.

set.seed(7)
n <- 80L
x <- cbind(a = rnorm(n), b = rnorm(n, 0, 5))
y <- x[, 1] + sin(x[, 2]) + rnorm(n, sd = 0.1)
class <- factor(ifelse(x[, 1] + x[, 2] / 5 + rnorm(n) > 0, "high", "low"), levels = c("low", "high", "none"))
data <- data.frame(x, y = y, class = class, g = factor(rep(c("u", "v"), 40)))
new <- cbind(a = rnorm(9), b = rnorm(9, 0, 5))

expect_refused <- function(code, class, text) {
  error <- expect_error(code, class = paste0("rkeops_error_", class))
  if (!is.null(error)) testthat::expect_match(conditionMessage(error), text)
}
plain <- function(v) unname(as.vector(v))

# Distances of rows of p from rows of q, and means of the k nearest, of which `weight` is a function of
# distances.
distances <- function(p, q) sqrt(outer(p[, 1], q[, 1], "-")^2 + outer(p[, 2], q[, 2], "-")^2)
means <- function(d, y, k, weight = function(d) 1 + 0 * d, w = rep(1, length(y)))
  apply(d, 1, function(d) {
    at <- order(d)[seq_len(k)]
    stats::weighted.mean(y[at], weight(d[at]) * w[at])
  })
spread <- apply(x, 2, function(v) sqrt(mean((v - mean(v))^2)))
units <- function(p) p / rep(spread, each = nrow(p))

test_that("predictions are means of the nearest rows, fitted values of the other ones", {
  for (scale in c(TRUE, FALSE)) {
    z <- if (scale) units(x) else x
    z_new <- if (scale) units(new) else new
    d <- distances(z, z)
    diag(d) <- Inf
    weights <- list(uniform = function(d) 1 + 0 * d, inverse = function(d) 1 / d, f = function(d) exp(-d))
    for (name in names(weights)) for (k in c(1, 4, 20)) {
      w <- rep(c(1, 2, 0.5, 1), 20)
      fit <- knn_regression(x, y, k, weighting = if (name == "f") weights$f else name, scale = scale)
      expect_equal(plain(predict(fit, new)), means(distances(z_new, z), y, k, weights[[name]]))
      expect_equal(plain(fitted(fit)), means(d, y, k, weights[[name]]))
      expect_equal(plain(residuals(fit)), y - plain(fitted(fit)))
      fit <- knn_regression(x, y, k, weighting = if (name == "f") weights$f else name, weights = w,
                            scale = FALSE)
      if (!scale) expect_equal(plain(predict(fit, new)), means(distances(new, x), y, k, weights[[name]], w))
    }
  }
})

test_that("the number of neighbours with the smallest error is taken", {
  k <- c(1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
  d <- distances(units(x), units(x))
  diag(d) <- Inf
  errors <- vapply(k, function(k) mean((y - means(d, y, k))^2), 1)
  fit <- knn_regression(x, y)
  expect_equal(fit$path, data.frame(k = as.integer(k), error = errors))
  expect_equal(fit$k, k[which.min(errors)])
  expect_identical(knn_regression(x, y, c(9, 3))$path$k, c(3L, 9L))
  expect_equal(predict(fit, new), predict(knn_regression(x, y, fit$k), new))
})

test_that("classes are those of most neighbours, as of package class", {
  skip_if_not_installed("class")
  for (k in c(1, 3, 7)) {
    fit <- knn_classify(Species ~ ., iris, k, scale = FALSE)
    theirs <- getExportedValue("class", "knn.cv")(iris[1:4], iris$Species, k, prob = TRUE)
    sure <- apply(fit$prob, 1, function(p) sum(p == max(p)) == 1)
    expect_gt(sum(sure), 140)
    expect_gt(mean((unname(fitted(fit)) == theirs)[sure]), 0.98) # equal distances may be cut elsewhere
    expect_equal(plain(rowSums(fit$prob)), rep(1, 150))
  }
  fit <- knn_classify(x, class, 5, scale = FALSE)
  expect_identical(levels(fitted(fit)), c("low", "high"))
  shares <- means(distances(new, x), class == "high", 5)
  expect_equal(plain(predict(fit, new, type = "prob")[, "high"]), shares)
  expect_identical(unname(predict(fit, new)), factor(ifelse(shares > 0.5, "high", "low"), c("low", "high")))
  expect_identical(predict(fit, new), predict(fit, new, type = "class"))
  expect_equal(fit$path$error, mean(as.character(fitted(fit)) != class))
  expect_equal(plain(residuals(fit)), as.numeric(as.character(fitted(fit)) != class))
})

test_that("equal classes are told by the nearer neighbour, then by levels", {
  fit <- knn_classify(matrix(c(0, 3, 10, 11)), factor(c("b", "a", "b", "a"), c("b", "a")), 2, scale = FALSE)
  expect_identical(as.character(predict(fit, matrix(c(1, 2, 10.4, 10.6)))), c("b", "a", "b", "a"))
  same <- knn_classify(matrix(c(0, 2)), c("z", "a"), 2, scale = FALSE)
  expect_identical(as.character(predict(same, matrix(1))), "z") # the earlier row counts as nearer
  heavy <- knn_classify(matrix(c(0, 2)), c("z", "a"), 2, weights = c(1, 2), scale = FALSE)
  expect_identical(as.character(predict(heavy, matrix(0.5))), "a")
  # of equal points, those at distance 0 alone
  twice <- knn_regression(matrix(c(1, 1, 2)), c(1, 3, 9), 3, weighting = "inverse", scale = FALSE)
  expect_equal(plain(predict(twice, matrix(1))), 2)
  expect_equal(plain(fitted(twice))[1], 3)
})

test_that("other metrics get the variables as they are", {
  of <- function(metric, d) {
    fit <- knn_regression(x, y, 3, metric = metric, scale = FALSE)
    expect_equal(plain(predict(fit, new)), means(d, y, 3))
  }
  of("manhattan", abs(outer(new[, 1], x[, 1], "-")) + abs(outer(new[, 2], x[, 2], "-")))
  of("maximum", pmax(abs(outer(new[, 1], x[, 1], "-")), abs(outer(new[, 2], x[, 2], "-"))))
  cubes <- function(x, y) sum(abs(x - y)^3)
  of(cubes, abs(outer(new[, 1], x[, 1], "-"))^3 + abs(outer(new[, 2], x[, 2], "-"))^3)
  expect_equal(predict(knn_regression(x, y, 3, metric = cubes), new),
               predict(knn_regression(x, y, 3, metric = cubes, scale = FALSE), new))
  earth <- knn_regression(depth ~ long + lat, quakes, 2, metric = "haversine")
  near <- nearest(as.matrix(quakes[c("long", "lat")]), k = 2, metric = "haversine")$index
  expect_equal(plain(fitted(earth)), rowMeans(matrix(quakes$depth[near], ncol = 2)))
})

test_that("formulas, weights of 0, NA and update do what they do in lm", {
  fit <- knn_regression(y ~ a * g, data, 4)
  expect_identical(fit$frame$columns, c("a", "gu", "gv", "a:gu", "a:gv"))
  expect_refused(predict(fit, data.frame(a = 1, g = "w")), "argument", "new level")
  zero <- knn_regression(x, y, 4, weights = rep(0:1, each = 40), scale = FALSE)
  half <- knn_regression(x[41:80, ], y[41:80], 4, scale = FALSE)
  expect_equal(predict(zero, new), predict(half, new))
  expect_equal(plain(fitted(zero))[1:40], plain(predict(half, x[1:40, ])))
  expect_equal(plain(fitted(zero))[41:80], plain(fitted(half)))
  expect_identical(nobs(zero), 40L)
  holes <- data
  holes$a[3] <- NA
  excluded <- knn_regression(y ~ a + b, holes, 4, na.action = na.exclude)
  expect_identical(which(is.na(fitted(excluded))), c(`3` = 3L))
  expect_identical(which(is.na(residuals(excluded))), c(`3` = 3L))
  classes <- knn_classify(class ~ a + b, holes, 4, na.action = na.exclude)
  expect_identical(which(is.na(fitted(classes))), c(`3` = 3L))
  expect_s3_class(fitted(classes), "factor")
  expect_identical(which(is.na(predict(excluded, holes[1:5, ]))), c(`3` = 3L))
  expect_equal(fitted(update(excluded, data = data, k = 2)), fitted(knn_regression(y ~ a + b, data, 2)))
  expect_identical(formula(excluded), y ~ a + b)
  both <- knn_regression(cbind(y, z = 2 * y) ~ a + b, data, 3)
  expect_equal(predict(both, data[1:4, ])[, "z"], 2 * predict(both, data[1:4, ])[, "y"])
  expect_length(predict(half, new[0, ]), 0)
  expect_length(predict(knn_classify(x, class, 3), new[0, ]), 0)
})

test_that("hard data and wrong arguments are right or refused by name", {
  expect_identical(plain(fitted(knn_regression(matrix(1), 3))), NaN)
  expect_equal(plain(predict(knn_regression(matrix(1), 3), matrix(5))), 3)
  expect_identical(as.character(predict(knn_classify(matrix(1), "a"), matrix(5))), "a")
  expect_true(is.na(fitted(knn_classify(matrix(1), "a"))))
  constant <- knn_regression(cbind(x, 3), y, 3)
  expect_equal(plain(fitted(constant)), plain(fitted(knn_regression(x, y, 3))))
  expect_refused(knn_regression(x, y, 81), "argument", "`k`")
  expect_refused(knn_regression(x, y, 0), "argument", "`k`")
  expect_refused(knn_regression(x, y, 1.5), "argument", "`k`")
  expect_refused(knn_regression(x, y, metric = "euclid"), "argument", "euclidean")
  expect_refused(knn_regression(x, y, weighting = "gauss"), "argument", "`weighting`")
  expect_refused(knn_regression(x, y, 3, weighting = function(d) -d), "argument", "below 0")
  expect_refused(knn_regression(x, y, 3, weighting = function(d) 1), "argument", "a number for each")
  expect_refused(knn_regression(x, class), "argument", "knn_classify")
  expect_refused(knn_classify(x, cbind(y, y)), "argument", "2 columns")
  expect_refused(knn_regression(x, y[-1]), "shape", "79")
  expect_refused(knn_regression(data, y ~ a), "argument", "formula first")
  expect_refused(knn_regression(x, y, neighbours = 3), "argument", "`neighbours`")
  expect_refused(predict(knn_regression(x, y, 3), new, type = "prob"), "argument", "no levels")
  expect_refused(predict(knn_regression(x, y, 3), new[, 1]), "shape", "1 column")
})

test_that("it prints, draws and makes tables", {
  fit <- knn_regression(dist ~ speed, cars)
  expect_match(capture.output(print(fit)), "root mean squared", all = FALSE)
  expect_match(capture.output(print(summary(knn_classify(Species ~ ., iris)))), "setosa", all = FALSE)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  curve <- plot(fit)
  expect_equal(curve$fitted, plain(predict(fit, data.frame(speed = curve$x))))
  expect_s3_class(plot(knn_classify(Species ~ ., iris, 5)), "data.frame")
  expect_identical(rkeops:::glance.knn_model(fit)$k, fit$k)
  expect_equal(rkeops:::augment.knn_model(fit)$.fitted, plain(fitted(fit)))
})
