# Neighbours and pairs within a radius against all distances in dense R.

# Coordinates on a grid of steps that float32 holds: distances are exact in both precisions, so that
# there are many ties. Rows 5 to 8 are equal, 9 to 14 lie on a line, 15 is far away, 16 has no place.
points <- local({
  set.seed(19)
  x <- matrix(sample(0:12, 60, replace = TRUE) / 4, ncol = 2)
  x[6:8, ] <- rep(x[5, ], each = 3)
  x[9:14, 2] <- 1
  x[15, ] <- c(1000, -1000)
  x[16, 1] <- NaN
  x[17, 2] <- NA
  x[18, 2] <- -Inf
  x
})
others <- rbind(points[c(3, 3, 16), ], matrix(0:21 / 4 - 2, ncol = 2))

between <- function(f) function(x, y)
  outer(seq_len(nrow(x)), seq_len(nrow(y)), Vectorize(function(i, j) f(x[i, ], y[j, ])))
dense <- list(euclidean = between(function(a, b) sqrt(sum((a - b)^2))),
              manhattan = between(function(a, b) sum(abs(a - b))),
              maximum = between(function(a, b) max(abs(a - b))))

# The k nearest of each row of a matrix of distances, of those that are `kept`.
nearest_of <- function(d, k, kept = TRUE) {
  d[!kept | !is.finite(d)] <- NA
  index <- t(apply(d, 1, function(v) order(v, na.last = NA)[seq_len(k)]))
  dim(index) <- c(nrow(d), k)
  distance <- array(d[cbind(as.vector(row(index)), as.vector(index))], dim(index))
  distance[is.na(index)] <- Inf
  list(index = index, distance = distance)
}

pairs_of <- function(d, radius, kept = TRUE) {
  at <- which(t(is.finite(d) & d <= radius & kept), arr.ind = TRUE)
  list2DF(list(i = unname(at[, 2]), j = unname(at[, 1]), distance = d[at[, 2:1, drop = FALSE]]))
}

other <- function(x) row(diag(nrow(x))) != col(diag(nrow(x)))
precisions <- c("float64", "float32")
# All metrics in float64, and one of them in float32.
cases <- expand.grid(metric = names(dense), precision = precisions, stringsAsFactors = FALSE)
if (!is_full) cases <- cases[1:4, ]

test_that("neighbours are those of all distances: equal points, lines, outliers, NaN, ties", {
  for (case in seq_len(nrow(cases))) {
    metric <- cases$metric[case]
    precision <- cases$precision[case]
    d <- dense[[metric]](points, points)
    expect_equal(nearest(points, k = 5, metric = metric, precision = precision),
                 nearest_of(d, 5, other(points)), tolerance = 1e-7, info = paste(metric, precision))
    d <- dense[[metric]](points, others)
    expect_equal(nearest(points, others, 5, metric, precision = precision), nearest_of(d, 5),
                 tolerance = 1e-7, info = paste(metric, precision))
  }
  expect_identical(nearest(points, k = 5)$index, nearest_of(dense$euclidean(points, points), 5,
                                                            other(points))$index)
})

test_that("the point itself is left out by its position alone", {
  near <- nearest(points, k = 2)
  expect_identical(near$index[5:8, ], rbind(6:7, c(5L, 7L), 5:6, 5:6))
  expect_identical(near$distance[5:8, ], matrix(0, 4, 2))
  expect_identical(nearest(points, points, 2)$index[5:8, ], matrix(5:6, 4, 2, byrow = TRUE))
})

test_that("only those within the radius, which is exact, in the own group, or earlier", {
  d <- dense$euclidean(points, points)
  kept <- other(points)
  group <- rep(c("a", "b", NA), length.out = 30)
  same <- outer(group, group, "==") %in% TRUE
  for (radius in c(0, 0.25, sqrt(0.125), 1, Inf)) for (precision in precisions) {
    run <- function(...) nearest(points, k = 5, radius = radius, precision = precision, ...)
    expect_equal(run(), nearest_of(d, 5, kept & d <= radius & !is.na(d)), tolerance = 1e-7,
                 info = paste(radius, precision))
    expect_equal(run(groups = group)$index, nearest_of(d, 5, kept & same & d <= radius)$index)
    expect_equal(run(earlier = TRUE)$index, nearest_of(d, 5, row(d) > col(d) & d <= radius)$index)
    expect_equal(run(earlier = TRUE, groups = group)$index,
                 nearest_of(d, 5, same & row(d) > col(d) & d <= radius)$index)
  }
  label <- list(i = group, j = rep(c("b", "c"), 7))
  expect_equal(nearest(points, others, 5, groups = label),
               nearest_of(dense$euclidean(points, others), 5,
                          outer(label$i, label$j, "==") %in% TRUE), tolerance = 1e-7)
  expect_equal(nearest(points, k = 5, blocks = keep_band(-3, 2))$index,
               nearest_of(d, 5, kept & col(d) - row(d) >= -3 & col(d) - row(d) <= 2)$index)
})

test_that("few points: one, none, fewer than k", {
  one <- list(index = matrix(NA_integer_, 1, 5), distance = matrix(Inf, 1, 5))
  expect_identical(nearest(points[1, , drop = FALSE], k = 5), one)
  expect_identical(nearest(points[1:3, ], k = 5)$index[, 3:5], matrix(NA_integer_, 3, 3))
  expect_identical(dim(nearest(points[0, ], k = 5)$index), c(0L, 5L))
  expect_identical(dim(nearest(points[0, ], points, 5)$distance), c(0L, 5L))
  expect_identical(nearest(points[1, , drop = FALSE], points[0, ], 5), one)
  for (x in list(points[0, ], points[1, , drop = FALSE], points[16:18, ]))
    expect_identical(nrow(find_within(x, radius = 9)), 0L)
  expect_identical(nrow(find_within(points, points[0, ], 9)), 0L)
})

test_that("what Vi() takes: vectors, data frames, integers, row names", {
  x <- c(a = 3, b = 1, c = 1, d = 7)
  near <- nearest(x, k = 2)
  expect_identical(near$index, matrix(c(2L, 3L, 2L, 1L, 3L, 1L, 1L, 2L), 4,
                                      dimnames = list(letters[1:4], NULL))[, ])
  expect_identical(near$distance[["d", 1]], 4)
  expect_identical(nearest(as.integer(x), k = 2)$index, unname(near$index))
  expect_identical(nearest(data.frame(v = unname(x)), data.frame(w = 2), 2)$index,
                   cbind(rep(1L, 4), NA))
  expect_identical(dimnames(find_within(x, radius = 2, output = "matrix")),
                   list(letters[1:4], letters[1:4]))
})

test_that("all pairs within a radius, however many a row has", {
  for (case in if (is_full) seq_len(nrow(cases)) else c(1, 4)) {
    metric <- cases$metric[case]
    precision <- cases$precision[case]
    d <- dense[[metric]](points, points)
    for (radius in c(0, 0.25, sqrt(0.125), 1, Inf))
      expect_equal(find_within(points, radius = radius, metric = metric, precision = precision),
                   pairs_of(d, radius, other(points)), tolerance = 1e-7,
                   info = paste(metric, precision, radius))
  }
  d <- dense$euclidean(points, others)
  expect_equal(find_within(points, others, 1), pairs_of(d, 1))
  label <- list(i = rep(c("a", "b", NA), 10), j = rep(c("b", "c"), 7))
  expect_equal(find_within(points, others, 2, groups = label),
               pairs_of(d, 2, outer(label$i, label$j, "==") %in% TRUE))
  expect_type(find_within(points, others, 1)$j, "integer")
})

test_that("what is left out changes nothing", {
  set.seed(7)
  x <- rbind(as_float32(matrix(stats::rnorm(8000), ncol = 2)), matrix(c(0.5, NA, 50, -50), 2), 0.5)
  x <- x[c(seq_len(nrow(x)), rep(nrow(x), 20)), ]
  for (precision in precisions) {
    same <- function(search, ...)
      expect_identical(search(x, ..., precision = precision, prune = TRUE),
                       search(x, ..., precision = precision, prune = FALSE))
    same(nearest, k = 5)
    same(nearest, k = 5, earlier = TRUE)
    same(nearest, k = 5, radius = 0.05)
    same(find_within, radius = 0.05)
  }
  for (metric in c("manhattan", "maximum"))
    expect_identical(nearest(x, k = 5, metric = metric, prune = TRUE),
                     nearest(x, k = 5, metric = metric, prune = FALSE))
})

test_that("large groups", {
  set.seed(6)
  x <- as_float32(matrix(stats::runif(18400), ncol = 2))
  group <- sample(c("a", "b", NA), 9200, replace = TRUE, prob = c(0.49, 0.49, 0.02))
  for (earlier in c(FALSE, TRUE))
    expect_identical(nearest(x, k = 5, groups = group, earlier = earlier, prune = TRUE),
                     nearest(x, k = 5, groups = group, earlier = earlier, prune = FALSE))
  pairs <- find_within(x, radius = 0.01)
  kept <- (group[pairs$i] == group[pairs$j]) %in% TRUE
  expect_equal(find_within(x, radius = 0.01, groups = group), pairs[kept, ],
               ignore_attr = "row.names")
  y <- x[1:4600, ]
  labels <- list(i = group[1:4600], j = rev(group))
  expect_identical(nearest(y, x, 5, groups = labels, prune = TRUE),
                   nearest(y, x, 5, blocks = keep_groups(labels$i, labels$j), prune = FALSE))
})

test_that("other groups of a point as i than as j", {
  label <- list(i = rep(c("a", "b", NA), 10), j = rep(c("b", "c", "a"), each = 10))
  kept <- other(points) & outer(label$i, label$j, "==") %in% TRUE
  d <- dense$euclidean(points, points)
  expect_equal(nearest(points, k = 5, groups = label), nearest_of(d, 5, kept), tolerance = 1e-7)
  expect_equal(find_within(points, radius = 1, groups = label), pairs_of(d, 1, kept))
})

# More neighbours than the longest lists have, so that columns are looked at in pieces; in a cluster
# of equal points all of them at once.
test_that("rows with thousands of neighbours, and clusters", {
  set.seed(3)
  x <- c(rep(0.5, 1300), stats::rnorm(1500), 30 + 1:3)
  d <- abs(outer(x, x, "-"))
  group <- rep(1:2, length.out = length(x))
  for (radius in c(0, 0.05, 2)) {
    expect_equal(find_within(x, radius = radius), pairs_of(d, radius, other(cbind(x))))
    expect_equal(find_within(x, x, radius, groups = group),
                 pairs_of(d, radius, outer(group, group, "==")))
  }
})

test_that("pairs are those that nearest() finds", {
  set.seed(4)
  x <- as_float32(matrix(stats::rnorm(400), ncol = 2))
  for (precision in precisions) {
    near <- nearest(x, k = 199, precision = precision)
    radius <- near$distance[1, 20] # that of a pair
    pairs <- find_within(x, radius = radius, precision = precision)
    at <- which(t(near$distance <= radius), arr.ind = TRUE)
    found <- list2DF(list(i = unname(at[, 2]), j = near$index[at[, 2:1]], distance = near$distance[at[, 2:1]]))
    found <- found[order(found$i, found$j), ]
    expect_equal(pairs, found, ignore_attr = "row.names")
    expect_identical(sum(pairs$i == 1L), 20L)
    limited <- nearest(x, k = 199, radius = radius, precision = precision)
    expect_identical(is.na(limited$index), near$distance > radius)
  }
})

test_that("the cosine, great circles, functions and formulas", {
  x <- rbind(points[1:12, ] + 0.25, 0)
  cosine <- between(function(a, b) 1 - sum(a * b) / sqrt(sum(a^2) * sum(b^2)))(x, x)
  near <- nearest(x, k = 5, metric = "cosine")
  expect_equal(near$distance, nearest_of(cosine, 5, other(x))$distance)
  expect_equal(near$index[13, ], rep(NA_integer_, 5))
  expect_equal(nearest(x[1:3, ] * 1e200, x[1:12, ], 5, "cosine")$distance,
               nearest(x[1:3, ], x[1:12, ], 5, "cosine")$distance)

  city <- cbind(c(2.35, -0.13, 12.5, 182.35, -177.65), c(48.86, 51.51, 41.9, -48.86, 10))
  great_circle <- between(function(a, b) {
    h <- sin((a[2] - b[2]) * pi / 360)^2 +
      cos(a[2] * pi / 180) * cos(b[2] * pi / 180) * sin((a[1] - b[1]) * pi / 360)^2
    2 * 6371008.8 * asin(min(1, sqrt(h)))
  })(city, city)
  expect_equal(nearest(city, k = 5, metric = "haversine"), nearest_of(great_circle, 5, other(city)))
  expect_equal(find_within(city, radius = 1.2e6, metric = "haversine"),
               pairs_of(great_circle, 1.2e6, other(city)))
  expect_equal(nrow(find_within(city, radius = Inf, metric = "haversine")), 20)

  cubes <- between(function(a, b) 0.5 * sum(abs(a - b)^3))(points, others)
  half <- Pm(0.5)
  by_function <- function(x, y) half * sum(abs(x - y)^3)
  expect_equal(nearest(points, others, 5, by_function), nearest_of(cubes, 5))
  expect_equal(nearest(points, others, 5, "d = Abs(x - y); 0.5 * Sum(d * d * d)"), nearest_of(cubes, 5))
  negative <- function(x, y) -sqdist(x, y)
  expect_equal(find_within(points[1:15, ], others[-3, ], -3, negative),
               pairs_of(-dense$euclidean(points[1:15, ], others[-3, ])^2, -3))
})

test_that("a sparse matrix", {
  skip_if_not_installed("Matrix")
  m <- find_within(points, radius = 1, output = "matrix")
  expect_s4_class(m, "dgCMatrix")
  pairs <- find_within(points, radius = 1)
  expect_length(m@x, nrow(pairs))
  expect_equal(as.matrix(m)[cbind(pairs$i, pairs$j)], pairs$distance)
  expect_identical(dim(find_within(points[0, ], others, 1, output = "matrix")), c(0L, 14L))
})

test_that("(j, i) is a pair where (i, j) is, with the same distance", {
  set.seed(5)
  x <- matrix(stats::rnorm(400, mean = 50), ncol = 2)
  pairs <- find_within(x, radius = 0.5, precision = "float32")
  back <- pairs[order(pairs$j, pairs$i), ]
  expect_identical(pairs$distance, back$distance)
  expect_identical(pairs$i, back$j)
})

test_that("the radius is an end to the last digit", {
  y <- c(1, 1 + 1e-9, 1 - 1e-9, 0)
  expect_identical(nearest(0, y, 5, radius = 1)$index, cbind(4L, 3L, 1L, NA, NA))
  expect_identical(find_within(0, y, 1)$j, c(1L, 3L, 4L))
})

# Where one program counts less than another one finds, rows are searched once more.
test_that("a list that is full is no answer", {
  x <- cbind(c(1:5, 20, 21))
  part <- c(distance_field(x, x, "euclidean"), list(i = 11:17, j = 21:27))
  found <- pairs_of_lists(part, 4L, 2, list(index_base = 1L))
  expect_identical(found$is_full, c(FALSE, TRUE, TRUE, TRUE, FALSE, FALSE, FALSE))
  expect_identical(tabulate(found$pairs$i, 17)[11:17], c(3L, 0L, 0L, 0L, 3L, 2L, 2L))
  expect_identical(sort(found$pairs$j[found$pairs$i == 11]), 21:23)
})

test_that("a radius that float32 does not hold", {
  x <- matrix(c(1, 2, 3e10, 0, 0, 0), ncol = 2)
  for (precision in precisions) {
    expect_identical(nrow(find_within(x, radius = 1e25, precision = precision)), 6L)
    expect_identical(nearest(x, k = 5, radius = 1e25, precision = precision)$index[1, ],
                     c(2L, 3L, NA, NA, NA))
  }
})

test_that("positions count from 1, and nothing is said of it", {
  informed <- session$informed
  session$informed <- setdiff(informed, "positions")
  on.exit(session$informed <- informed)
  expect_silent(near <- nearest(points, k = 5))
  with_options(list(index_base = 0L), {
    expect_identical(nearest(points, k = 5), near)
    expect_identical(find_within(points, radius = 1), find_within(points, radius = 1))
    expect_identical(min(find_within(points, radius = 1)$j), 1L)
  })
})

test_that("what is wrong is named", {
  refused <- function(code, kind, text) {
    e <- tryCatch(code, rkeops_error = identity)
    expect_s3_class(e, paste0("rkeops_error_", kind))
    expect_match(conditionMessage(e), text, fixed = TRUE)
  }
  refused(nearest(points), "argument", "`k` is missing")
  refused(nearest(points, 5), "argument", "`k` is missing, and `y` is 5: expected `k = 5`")
  refused(nearest(points, k = 0), "argument", "`k` is 0: expected a whole number from 1 to 10000")
  refused(nearest(k = 1), "argument", "`x` is missing")
  refused(nearest(k = 1, metric = "haversine"), "argument", "`x` is missing")
  refused(nearest(points, NULL, 1), "argument", "`y` is NULL")
  refused(nearest(points, letters, 1), "argument", "`y` is ")
  refused(nearest(points + 0i, k = 1), "argument", "`x` is ")
  refused(nearest(array(0, c(2, 2, 2)), k = 1), "argument", "`x` is ")
  refused(nearest(points[, 0], k = 1), "shape", "`x` has 0 columns")
  refused(nearest(points, cbind(others, 1), 1), "shape", "`x` has 2 columns, `y` has 3")
  refused(nearest(points, k = 1, metric = "euclidian"), "argument", "did you mean `euclidean`?")
  refused(nearest(points, k = 1, metric = 2), "argument", "`metric` is 2")
  refused(nearest(points, k = 1, metric = "SqDist(x, z)"), "formula", "z")
  refused(nearest(points, k = 1, metric = "x - y"), "shape", "`metric` is a formula of dimension 2")
  refused(nearest(points, k = 1, metric = function(x, y) 1), "argument", "`metric` is a function")
  refused(nearest(points, k = 1, metric = function(x, y) x - y), "shape", "`metric` gives")
  refused(nearest(points, k = 1, metric = function(x, y) sum(x)), "argument", "`metric` gives")
  refused(nearest(cbind(1, 2:91, 3), k = 1, metric = "haversine"), "shape", "`x` has 3 columns")
  refused(nearest(cbind(1, 2:91), k = 1, metric = "haversine"), "argument", "latitude 91 in row 90")
  refused(nearest(data.frame(Latitude = 1:2, Longitude = 1:2), k = 1, metric = "haversine"), "argument",
          "`x` has the columns `Latitude` and `Longitude`")
  refused(nearest(points, k = 1, metric = "L2"), "argument", "`metric` is \"L2\"")
  refused(nearest(points, k = 1, radius = -1), "argument", "`radius` is -1")
  refused(nearest(points, k = 1, radius = NA), "argument", "`radius` is NA")
  refused(nearest(points, others, 1, earlier = TRUE), "argument", "`earlier` is TRUE and `y`")
  refused(nearest(points, k = 1, groups = 1:3), "shape", "`groups`")
  refused(nearest(points, k = 1, call = FALSE), "argument", "`call` is given")
  refused(nearest(points, k = 1, precison = "float32"), "argument", "`precison`")
  refused(find_within(points), "argument", "`radius` is missing")
  refused(find_within(points, 2), "argument", "`y` is 2: expected `radius = 2`")
  refused(find_within(points, radius = 1, blocks = drop_self()), "argument", "`blocks` is given")
  refused(find_within(points, radius = 1, output = "list"), "argument", "`output` is")
})
