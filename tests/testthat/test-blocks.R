# Blocks against dense logical matrices.

# Equal to a dense matrix, in all that can be asked of it.
expect_dense <- function(x, dense, info = NULL) {
  storage.mode(dense) <- "logical"
  dense <- unname(dense)
  check_blocks(x, "x")
  found <- list(dim(x), as.matrix(x), as.matrix(t(x)), rows_kept(x, "i"), rows_kept(x, "j"),
                pairs_kept(x))
  expected <- list(dim(dense), dense, t(dense), as.double(rowSums(dense)),
                   as.double(colSums(dense)), as.double(sum(dense)))
  expect_identical(found, expected, info = info)
}

# TRUE where a comparison is, FALSE where it is not or NA.
outer_true <- function(x, y, f) {
  out <- outer(seq_along(x), seq_along(y), Vectorize(function(i, j) isTRUE(f(x[[i]], y[[j]]))))
  if (!length(out)) matrix(FALSE, length(x), length(y)) else out
}

equal <- function(x, y) !is.na(x) && !is.na(y) && x == y
different <- function(x, y) !is.na(x) && !is.na(y) && x != y

differences <- function(M, N) outer(seq_len(M), seq_len(N), function(i, j) j - i)

random_labels <- function(n, labels) sample(c(labels, NA), n, replace = TRUE)

test_that("groups of any atomic type are those of ==", {
  set.seed(1)
  kinds <- list(logical = c(TRUE, FALSE), integer = c(3L, -1L, 7L), double = c(0.5, -2, Inf, 1e300),
                character = c("b", "a", "", "\u00e9"), complex = c(1i, 2 + 1i, 0i),
                factor = factor(c("z", "y"), levels = c("z", "unused", "y")),
                date = as.Date("2024-01-01") + 0:2)
  for (kind in names(kinds)) for (sizes in list(c(9, 7), c(1, 5), c(5, 1), c(0, 3), c(3, 0))) {
    gi <- random_labels(sizes[1], kinds[[kind]])
    gj <- random_labels(sizes[2], kinds[[kind]])
    expect_dense(keep_groups(gi, gj), outer_true(gi, gj, equal), info = kind)
    expect_dense(keep_labels(gi, gj), outer_true(gi, gj, equal), info = kind)
    expect_dense(drop_groups(gi, gj), outer_true(gi, gj, different), info = kind)
  }
  bytes <- as.raw(c(2, 0, 2, 255))
  expect_dense(keep_groups(bytes), outer(bytes, bytes, "=="))
})

test_that("labels of different types are compared as match() does, or refused", {
  expect_dense(keep_groups(factor(c("2", "10")), c(10, 2, 3)), rbind(c(0, 1, 0), c(1, 0, 0)))
  expect_dense(keep_groups(c("a", NA), factor(c("a", NA))), rbind(c(1, 0), c(0, 0)))
  expect_dense(keep_groups(1:2, c(2, 1)), rbind(c(0, 1), c(1, 0)))
  expect_dense(keep_groups(c(NaN, NA, 1), c(NaN, 1)), rbind(0, 0, c(0, 1)))
  expect_dense(keep_groups(addNA(c("a", NA))), rbind(c(1, 0), c(0, 0)))
  expect_error(keep_groups(as.Date("2024-01-01"), 19723), "`gj` is .*same class",
               class = "rkeops_error_argument")
  for (wrong in list(NULL, list(1), data.frame(a = 1), matrix(1, 2, 2), sum,
                     structure(1, class = "integer64"))) {
    expect_error(keep_groups(wrong), "`gi` is", class = "rkeops_error_argument")
    expect_error(keep_labels(1, wrong), "`j_labels` is", class = "rkeops_error_argument")
  }
  expect_error(keep_groups(), "`gi` is missing", class = "rkeops_error_argument")
})

test_that("what is sorted keeps its order", {
  x <- keep_groups(c(1, 1, 2, NA))
  expect_null(x$i_order)
  expect_identical(x$i_end, c(2L, 3L, 4L))
  expect_identical(x$from, c(0L, 2L))
  y <- keep_groups(c("b", "a", "b", "a"))
  expect_identical(y$i_order, c(2L, 4L, 1L, 3L)) # positions ascend within a label
})

test_that("a matrix of labels says which meet", {
  set.seed(2)
  for (round in 1:10) {
    gi <- random_labels(12, c("u", "v", "w"))
    gj <- random_labels(9, 1:4)
    keep <- matrix(runif(12) < 0.5, 3, 4, dimnames = list(c("u", "v", "w"), 1:4))
    allowed <- function(a, b) !is.na(a) && !is.na(b) && keep[a, as.character(b)]
    expected <- outer_true(gi, gj, allowed)
    shuffled <- rbind(keep, unused = TRUE)[sample(4), sample(4)]
    expect_dense(keep_labels(gi, gj, shuffled), expected)
    gi <- c(gi, "u", "v", "w") # all labels are there
    gj <- c(gj, 1:4)
    expected <- outer_true(gi, gj, allowed)
    expect_dense(keep_labels(gi, gj, unname(keep)), expected)
    expect_dense(keep_labels(factor(gi, c("u", "v", "w")), gj, unname(keep)), expected)
    if (requireNamespace("Matrix", quietly = TRUE)) {
      sparse <- Matrix::Matrix(keep, sparse = TRUE)
      expect_dense(keep_labels(gi, gj, sparse), expected)
      expect_dense(keep_labels(gi, gj, as(sparse, "nMatrix")), expected)
      expect_dense(keep_labels(gi, gj, Matrix::Matrix(unname(keep), sparse = TRUE)), expected)
    }
    table <- which(keep, arr.ind = TRUE)
    table <- data.frame(a = rownames(keep)[table[, 1]], b = as.integer(table[, 2]))
    expect_dense(keep_labels(gi, gj, table[rep(sample(nrow(table)), 2), ]), expected)
    table <- as.matrix(rbind(table, c("none", 77)))
    expect_dense(keep_labels(gi, as.character(gj), table), expected)
  }
  unused <- factor(c("a", "c"), levels = c("a", "b", "c"))
  expect_dense(keep_labels(unused, 1:2, cbind(c(TRUE, TRUE, FALSE), c(FALSE, TRUE, TRUE))), diag(2))
  one <- if (requireNamespace("Matrix", quietly = TRUE)) Matrix::Diagonal(2, TRUE)
  if (!is.null(one)) expect_dense(keep_labels(1:2, c(2, 1), one), 1 - diag(2))
})

test_that("keep of a wrong size or kind is refused by name", {
  labels <- c("a", "b", "a")
  refused <- function(keep, message, class = "argument")
    expect_error(keep_labels(labels, labels, keep), message, class = paste0("rkeops_error_", class))
  refused(matrix(TRUE, 3, 2), "`keep` has 3 rows, `i_labels` 2 labels", "shape")
  refused(matrix(TRUE, 2, 1), "`keep` has 1 column, `j_labels` 2 labels", "shape")
  refused(matrix(c(TRUE, NA), 2, 2), "`keep` has NA")
  refused(matrix(TRUE, 2, 2, dimnames = list(c("a", "c"), NULL)), "no row \"b\"")
  refused(matrix(TRUE, 3, 2, dimnames = list(c("a", "b", "b"), NULL)), "two rows \"b\"")
  refused(c(TRUE, FALSE), "`keep` is")
  refused(array(TRUE, c(2, 2, 2)), "`keep` is")
  refused(matrix(1, 2, 3), "two columns")
  refused(data.frame(a = 1), "two columns")
  refused(list(1, 2), "`keep` is")
  refused(data.frame(a = as.Date("2024-01-01"), b = 1), "same class")
})

test_that("positions: bands, triangles, all but the own one", {
  for (sizes in list(c(6, 9), c(9, 6), c(1, 4), c(4, 1), c(0, 3), c(3, 0))) {
    M <- sizes[1]
    N <- sizes[2]
    d <- differences(M, N)
    cases <- list(
      list(keep_band(-2, 1), d >= -2 & d <= 1), list(keep_band(-1.5, 0.9), d >= -1 & d <= 0),
      list(keep_band(-Inf, Inf), d == d), list(keep_band(3, 3), d == 3),
      list(keep_band(100, 200), d > 99), list(keep_band(-Inf, -100), d < -99),
      list(keep_lower(), d <= 0), list(keep_lower(FALSE), d < 0), list(keep_upper(), d >= 0),
      list(keep_upper(FALSE), d > 0), list(drop_self(), d != 0))
    for (case in cases) {
      expect_identical(as.matrix(case[[1]], sizes), case[[2]])
      expect_dense(sized(case[[1]], as.integer(M), as.integer(N)), case[[2]])
    }
  }
  expect_dense(sized(keep_band(0.2, 0.8), 2L, 2L), matrix(FALSE, 2, 2))
  expect_identical(dim(drop_self()), c(NA_integer_, NA_integer_))
  expect_identical(t(keep_band(-3, Inf)), keep_band(-Inf, 3))
  for (wrong in list(NA, "a", 1:2, NULL, NaN))
    expect_error(keep_band(wrong, 1), "`lower` is", class = "rkeops_error_argument")
  expect_error(keep_band(1), "`upper` is missing", class = "rkeops_error_argument")
  expect_error(keep_band(2, 1), "`lower` is 2, `upper` is 1", class = "rkeops_error_argument")
  expect_error(keep_lower(NA), "`diagonal` is", class = "rkeops_error_argument")
})

# Blocks of one size, with the dense matrices that they stand for.
some_blocks <- function(M, N) {
  groups <- function(n, k) random_labels(n, seq_len(k))
  dense <- function(x) list(x, as.matrix(x))
  keep <- matrix(stats::runif(20) < 0.4, 4, 5, dimnames = list(1:4, 1:5))
  list(
    dense(keep_groups(sort(groups(M, 3), na.last = TRUE), sort(groups(N, 3), na.last = TRUE))),
    dense(keep_groups(groups(M, 4), groups(N, 4))), dense(drop_groups(groups(M, 3), groups(N, 3))),
    dense(keep_labels(groups(M, 4), groups(N, 5), keep)),
    dense(keep_groups(rep(NA, M), groups(N, 2))),
    dense(sized(keep_lower(), M, N)), dense(sized(keep_band(-2, 3), M, N)),
    dense(sized(keep_band(-Inf, Inf), M, N)))
}

test_that("&, | and ! are those of dense matrices, or refused", {
  skip_on_cran() # takes a while
  set.seed(3)
  refused <- 0
  same <- function(x, dense) {
    x <- tryCatch(x, rkeops_error_argument = function(e) {
      expect_match(conditionMessage(e), "of these blocks is neither intervals nor ranges")
      NULL
    })
    if (is.null(x)) refused <<- refused + 1 else expect_dense(x, dense)
    !is.null(x)
  }
  n <- 0
  for (sizes in list(c(13L, 11L), c(5L, 20L), c(1L, 6L), c(0L, 4L), c(4L, 0L))) {
    blocks <- some_blocks(sizes[1], sizes[2])
    for (a in blocks) {
      same(!a[[1]], !a[[2]])
      for (b in blocks) {
        n <- n + 1
        expect_true(same(a[[1]] & b[[1]], a[[2]] & b[[2]]))
        same(a[[1]] | b[[1]], a[[2]] | b[[2]])
        both <- a[[1]] & b[[1]]
        for (c in blocks[2])
          expect_identical(as.matrix(both & c[[1]]), a[[2]] & b[[2]] & c[[2]])
      }
    }
  }
  expect_lt(refused, n)
  expect_gt(refused, 0)
  x <- keep_groups(c(1, 2, 1), c(2, 1))
  expect_dense(x & drop_self(), as.matrix(x) & differences(3, 2) != 0)
  expect_dense(drop_self() & x, as.matrix(x) & differences(3, 2) != 0)
  expect_dense(!!x, as.matrix(x))
})

test_that("ranges of differences are combined without sizes", {
  d <- differences(12, 12)
  bands <- list(list(keep_band(-3, 1), d >= -3 & d <= 1), list(keep_band(2, 4), d >= 2 & d <= 4),
                list(keep_lower(FALSE), d < 0), list(drop_self(), d != 0),
                list(keep_band(-Inf, Inf), d == d), list(!keep_band(-Inf, Inf), d != d))
  for (a in bands) {
    expect_identical(as.matrix(!a[[1]], dim(d)), !a[[2]])
    for (b in bands) {
      expect_identical(as.matrix(a[[1]] & b[[1]], dim(d)), a[[2]] & b[[2]])
      expect_identical(as.matrix(a[[1]] | b[[1]], dim(d)), a[[2]] | b[[2]])
    }
  }
  expect_identical(keep_band(-3, 1) | keep_band(2, 4), keep_band(-3, 4)) # side by side
})

test_that("operands that do not fit are refused", {
  x <- keep_groups(1:3)
  expect_error(x & keep_groups(1:2), "`x` has 3 x 3 pairs.*2 x 2", class = "rkeops_error_shape")
  expect_error(x | TRUE, class = "rkeops_error_argument")
  expect_error(x + x, "`\\+` of blocks", class = "rkeops_error_argument")
  expect_error(sized(x, 3L, 4L), "`blocks` is of 3 x 3 pairs: expected 3 x 4",
               class = "rkeops_error_shape")
  expect_error(as.matrix(drop_self()), "expected `size`", class = "rkeops_error_argument")
  expect_error(as.matrix(drop_self(), size = 3), "`size`", class = "rkeops_error_argument")
  big <- keep_groups(rep(1, 5e4))
  expect_error(as.matrix(big), "2\\^31", class = "rkeops_error_memory")
})

test_that("single pairs are kept or not, in any number and order", {
  set.seed(4)
  for (block in some_blocks(13L, 11L)) {
    i <- sample(13, 50, replace = TRUE)
    j <- sample(11, 50, replace = TRUE)
    expect_identical(is_kept(block[[1]], i, j), block[[2]][cbind(i, j)])
  }
})

test_that("blocks that somebody has changed are refused, whatever was changed", {
  x <- keep_groups(c(2, 1, 2, NA), c(1, 2, 1, 1, 2)) & keep_band(-2, 2)
  changes <- list(size = list(c(4, 5), 4:6, c(4L, NA), c(-4L, 5L), c(5L, 5L), "a"),
                  i_order = list(1:3, c(1L, 1L, 2L, 3L), c(0L, 1L, 2L, 3L), c(2, 1, 3, 4)),
                  j_order = list(5:1 + 1L, NA_integer_),
                  i_end = list(NULL, c(1L, 3L), c(3L, 1L, 4L), c(1, 3, 4)),
                  list_end = list(1L, c(2L, 1L, 2L), c(1L, 2L, 3L), c(-1L, 2L, 2L)),
                  from = list(3L, c(3L, 2L), c(-1L, 0L)), to = list(c(6L, 5L), c(NA, 5L), 5L),
                  offsets = list(1, matrix(1, 1, 3), cbind(3, 1), rbind(c(0, 1), c(2, 3)),
                                 cbind(0, NaN), cbind(0L, 1L), cbind(0.5, 1.5),
                                 array(0:1 + 0, c(1, 2, 1))))
  for (name in names(changes)) for (value in changes[[name]]) {
    wrong <- x
    wrong[name] <- list(value)
    for (f in list(print, t, `!`))
      expect_error(f(wrong), "has been changed", class = "rkeops_error_argument",
                   info = paste(name, deparse(value)))
  }
  expect_error(check_blocks(structure(list(1), class = "rkeops_blocks"), "blocks"), "`blocks`",
               class = "rkeops_error_argument")
  # a function of R's own would keep the class: there is one of it in a session
  for (wrong in list(1, "a", function(x) x, new.env())) for (f in list(print, summary, as.matrix))
    expect_error(f(structure(wrong, class = "rkeops_blocks")), "has been changed",
                 class = "rkeops_error_argument")
  expect_error(check_blocks(1, "blocks"), "`blocks` is 1: expected blocks",
               class = "rkeops_error_argument")
})

test_that("they say what they are", {
  x <- keep_groups(c(1, 2, 1), c(2, 1))
  expect_identical(format(x), "<rkeops_blocks> 3 x 2, 2 segments, 2 intervals, 50 % of the pairs")
  expect_identical(format(keep_band(-100, 100)),
                   "<rkeops_blocks> of any size, j - i from -100 to 100")
  expect_identical(format(!keep_band(1, 1)),
                   "<rkeops_blocks> of any size, j - i up to 0 or from 2 on")
  expect_identical(format(x & keep_lower())[2], "j - i up to 0")
  expect_output(print(x), "3 x 2", fixed = TRUE)
  expect_output(str(x), "3 x 2", fixed = TRUE)
  expect_match(format(keep_groups(integer())), "no pairs")
  found <- summary(x & drop_self())
  expect_s3_class(found, "summary.rkeops_blocks")
  expect_identical(found[c("dim", "pairs", "share", "segments", "intervals")],
                   list(dim = c(3L, 2L), pairs = 3, share = 0.5, segments = 2L, intervals = 2L))
  expect_output(print(found), "3 are kept, 50 % of the pairs")
  expect_output(print(summary(drop_self(), c(10, 10))), "90 are kept")
})

test_that("a picture shows what is kept, in the order of the data or of places", {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  x <- keep_groups(c(1, 2, 1), c(2, 1))
  expect_identical(plot(x), 1 * as.matrix(x))
  expect_identical(plot(x, by_place = TRUE), rbind(c(1, 0), c(1, 0), c(0, 1)))
  expect_identical(plot(keep_lower(), size = c(2, 2)), rbind(c(1, 0), c(1, 1)))
  shares <- plot(keep_lower(), size = c(1e5, 1e5), main = "below the diagonal")
  expect_equal(dim(shares), c(256, 256))
  expect_true(all(shares[lower.tri(shares)] == 1) && all(shares[upper.tri(shares)] == 0))
  expect_equal(mean(shares), 0.5, tolerance = 1e-3)
  expect_error(plot(keep_groups(integer())), "0 x 0", class = "rkeops_error_shape")
})

test_that("many intervals are quick", {
  skip_on_cran() # takes a while
  n <- if (is_full) 1e6 else 1e5
  g <- (seq_len(n) * 7919) %% n
  x <- keep_groups(g)
  expect_length(x$from, n)
  expect_identical(summary(x)$pairs, n)
  expect_lt(summary(x)$bytes_per_interval, 33) # of one row each: two orders, ends, interval
  expect_identical(rows_kept(x, "j"), rep(1, n))
  expect_length(t(x)$from, n)
  expect_identical(pairs_kept(x & drop_self()), 0)
  y <- keep_groups(g %% 1000) # of many rows each, in another order
  rows <- n / 1000
  expect_identical(pairs_kept(x & y), n)
  expect_identical(pairs_kept(y & keep_lower()), 1000 * rows * (rows + 1) / 2)
  expect_true(all(is_kept(x, seq_len(n), seq_len(n))))
})

# ---- points that are near each other -------------------------------------------------------------

distance <- function(x, y, metric) {
  parts <- lapply(seq_len(ncol(x)), function(k) abs(outer(x[, k], y[, k], "-")))
  switch(metric, euclidean = sqrt(Reduce(`+`, lapply(parts, `^`, 2))),
         manhattan = Reduce(`+`, parts), maximum = do.call(pmax, parts))
}

test_that("keep_near() keeps all pairs within the radius, and few others", {
  set.seed(5)
  for (D in 1:3) for (metric in c("euclidean", "manhattan", "maximum")) {
    x <- matrix(runif(60 * D), 60)
    y <- rbind(x[1:20, , drop = FALSE], matrix(runif(50 * D), 50)) # some coincide
    y[c(3, 40), D] <- c(NA, NaN)
    x[7, 1] <- Inf
    for (radius in c(0, 0.05, 0.3, 5, Inf)) {
      near <- keep_near(x, y, radius, metric)
      dense <- as.matrix(near)
      expect_dense(near, dense)
      within <- distance(x, y, metric) <= radius
      within[is.na(within)] <- FALSE
      expect_true(all(dense[within]))
      expect_false(any(dense[, c(3, 40)]))
      if (radius < Inf) expect_false(any(dense[7, ]))
      else expect_true(all(dense[, -c(3, 40)]))
    }
  }
  x <- matrix(runif(6e4), ncol = 3)
  radius <- (1e-2 * 3 / 4 / pi)^(1 / 3) # 200 points in the ball
  near <- keep_near(x, radius = radius)
  expect_lt(summary(near)$share, 6e-2)
  expect_identical(near$i_order, near$j_order)
  lattice <- as.matrix(expand.grid(0:5, 0:5, 0:5)) # distances of exactly the radius
  expect_true(all(as.matrix(keep_near(lattice, radius = 1))[as.matrix(dist(lattice)) <= 1]))
  far <- c(0, 1e-8, 1e300, -1e300, 1e300)
  expect_dense(keep_near(far, radius = 1e-9) & !keep_near(far, radius = 0), matrix(FALSE, 5, 5))
})

test_that("keep_near() takes what Vi() takes, and refuses the rest by name", {
  x <- cbind(a = c(0, 1, 3), b = 0)
  expect_identical(keep_near(as.data.frame(x), radius = 1), keep_near(x, radius = 1))
  expect_identical(keep_near(x[, 1], radius = 1), keep_near(x[, 1, drop = FALSE], radius = 1))
  expect_identical(dim(keep_near(x[0, ], x, 1)), c(0L, 3L))
  expect_identical(dim(keep_near(x, x[0, ], 1)), c(3L, 0L))
  expect_dense(keep_near(x[0, ], radius = 1), matrix(FALSE, 0, 0))
  refused <- function(code, message, class = "argument")
    expect_error(code, message, class = paste0("rkeops_error_", class))
  refused(keep_near(matrix(0, 2, 4), radius = 1), "`x` has 4 columns.*where", "shape")
  refused(keep_near(x, matrix(0, 2, 1), 1), "`x` has 2 columns, `y` has 1", "shape")
  refused(keep_near(x), "`radius` is missing")
  refused(keep_near(x, radius = -1), "`radius` is -1")
  refused(keep_near(x, radius = NA), "`radius` is")
  refused(keep_near(x, radius = 1, metric = "euclid"), "did you mean `euclidean`")
  refused(keep_near("a", radius = 1), "`x` is")
  refused(keep_near(x, factor(1), 1), "`y` is")
})

# ---- ranges of PyKeOps ---------------------------------------------------------------------------

test_that("ranges of PyKeOps are blocks", {
  ranges <- list(rbind(c(0, 2), c(2, 5), c(6, 7)), c(1, 3, 3), rbind(c(0, 3), c(5, 6), c(1, 2)))
  dense <- matrix(FALSE, 8, 6)
  dense[1:2, 1:3] <- TRUE
  dense[3:5, c(6, 2)] <- TRUE
  expect_dense(as_blocks(ranges, 8L, 6L), dense)
  by_j <- list(c(0, 1, 1, 2, 2, 3, 5, 6), c(1, 3, 4, 5), c(0, 2, 0, 2, 2, 5, 0, 2, 2, 5))
  expect_dense(as_blocks(c(ranges, by_j), 8L, 6L), dense)
  shuffled <- list(ranges[[1]][c(2, 3, 1), ], c(2, 2, 3), ranges[[3]][c(2, 3, 1), ])
  expect_dense(as_blocks(shuffled, 8L, 6L), dense)
  expect_dense(as_blocks(list(integer(), integer(), integer()), 3L, 2L), matrix(FALSE, 3, 2))
  expect_dense(as_blocks(list(c(0, 0, 0, 3), 1:2, c(0, 2, 0, 1)), 3L, 2L), cbind(c(1, 1, 1), 0))
  expect_dense(as_blocks(ranges), dense[1:7, ]) # as many as they need
  x <- keep_groups(1:3)
  expect_identical(as_blocks(x, 3L, 3L), x)
  expect_dense(as_blocks(keep_lower(), 2L, 2L), rbind(c(1, 0), c(1, 1)))
})

test_that("ranges that are none are refused by name", {
  good <- list(c(0, 2, 2, 5), 1:2, c(0, 3, 1, 4))
  refused <- function(k, value, message) {
    good[[k]] <- value
    expect_error(as_blocks(good, 5L, 4L), message, class = "rkeops_error_argument")
  }
  expect_dense(as_blocks(good, 5L, 4L), rbind(c(1, 1, 1, 0), c(1, 1, 1, 0), c(0, 1, 1, 1),
                                              c(0, 1, 1, 1), c(0, 1, 1, 1)))
  refused(1, c(0, 3, 2, 5), "`ranges\\[\\[1\\]\\]` has the ranges \\[0, 3\\) and \\[2, 5\\), which")
  refused(1, c(0, 2, 2, 6), "has the range \\[2, 6\\): expected")
  refused(1, c(0, 2, 4, 3), "has the range \\[4, 3\\)")
  refused(1, c(0, 2, 2, NA), "has the range")
  refused(1, c(0, 2, 2.5, 3), "has the range")
  refused(1, c(0, 2, 2), "`ranges\\[\\[1\\]\\]` is .*pairs of start and end")
  refused(2, 1:3, "`ranges\\[\\[2\\]\\]` is")
  refused(2, 2:1, "`ranges\\[\\[2\\]\\]` does not ascend")
  refused(2, c(1, 3), "does not ascend")
  refused(3, c(0, 3, 1, 5), "`ranges\\[\\[3\\]\\]` has the range \\[1, 5\\)")
  overlap <- list(c(0, 5), 2, c(0, 3, 2, 4))
  expect_error(as_blocks(overlap, 5L, 4L), "3\\]\\]` has the ranges \\[0, 3\\) and \\[2, 4\\)",
               class = "rkeops_error_argument")
  wrong <- c(good, list(c(0, 4), 1, c(0, 5)))
  expect_error(as_blocks(wrong, 5L, 4L), "other pairs by i than by j",
               class = "rkeops_error_argument")
  for (x in list(1, NULL, good[1:2], "a", keep_groups))
    expect_error(as_blocks(x, 5L, 4L), "`ranges` is", class = "rkeops_error_argument")
  expect_error(as_blocks(keep_groups(1:3), 5L, 4L), class = "rkeops_error_shape")
})

# ---- clusters ------------------------------------------------------------------------------------

test_that("cluster_grid() numbers the cells of a grid", {
  x <- rbind(c(0.1, 0.1), c(1.5, -0.2), c(0.9, 0.2), c(NA, 1), c(-0.1, 9), c(0, Inf), c(1.2, 0))
  expect_identical(cluster_grid(x, 1), c(2L, 3L, 2L, NA, 1L, NA, 4L))
  expect_identical(cluster_grid(x, c(1, 100)), c(2L, 3L, 2L, NA, 1L, NA, 4L))
  expect_identical(cluster_grid(x[c(1, 3, 7), ], 5), c(1L, 1L, 1L))
  expect_identical(cluster_grid(c(3, 1, 2.5), 1), c(3L, 1L, 2L))
  expect_identical(cluster_grid(matrix(0, 0, 5), 1), integer())
  expect_identical(cluster_grid(c(1e300, -1e300, NA), 1e-5), c(2L, 1L, NA))
  for (wrong in list(0, -1, NA, Inf, "a", 1:3))
    expect_error(cluster_grid(x, wrong), "`size` is", class = "rkeops_error_argument")
  expect_error(cluster_grid(x), "`size` is missing", class = "rkeops_error_argument")
  expect_error(cluster_grid("a", 1), "`x` is", class = "rkeops_error_argument")
})

test_that("cluster_kmeans() finds clusters, the same for the same start", {
  set.seed(6)
  centre <- rbind(c(0, 0), c(5, 0), c(0, 5))
  truth <- sample(3, 90, replace = TRUE)
  x <- centre[truth, ] + runif(180)
  found <- cluster_kmeans(x, 3, start = x[match(1:3, truth), ])
  expect_identical(found, truth)
  with_options(list(index_base = 0), expect_identical(cluster_kmeans(x, 3, start = centre), truth))
  set.seed(7)
  one <- cluster_kmeans(x, 8, iterations = 3)
  set.seed(7)
  expect_identical(cluster_kmeans(x, 8, iterations = 3, precision = "float64"), one)
  expect_setequal(one, seq_len(max(one)))
  x[2, 2] <- NA
  expect_identical(which(is.na(cluster_kmeans(x, 3, start = centre))), 2L)
  empty <- rbind(centre, c(100, 100)) # a centre without points
  expect_identical(max(cluster_kmeans(x, 4, start = empty), na.rm = TRUE), 3L)
  expect_error(cluster_kmeans(x, 90), "`k` is 90, `x` has 89", class = "rkeops_error_argument")
  expect_error(cluster_kmeans(x, 2, start = centre), "`start` is 3 x 2: expected 2 x 2",
               class = "rkeops_error_shape")
  expect_error(cluster_kmeans(x, 0), "`k` is 0", class = "rkeops_error_argument")
})

test_that("cluster_centroids() gives weighted means, in the order of labels", {
  x <- matrix(c(1, 2, 3, 10, 5, 6, 7, 8), 4)
  label <- c("b", "a", "b", NA)
  expect_identical(cluster_centroids(x, label), rbind(a = c(2, 6), b = c(2, 6)))
  expect_equal(cluster_centroids(x, label, c(3, 1, 1, 1)), rbind(a = c(2, 6), b = c(1.5, 5.5)))
  expect_identical(rownames(cluster_centroids(1:3, factor(c("z", "y", "z"), c("z", "none", "y")))),
                   c("z", "y"))
  expect_error(cluster_centroids(x, 1:3), "`labels` has length 3", class = "rkeops_error_shape")
  expect_error(cluster_centroids(x, label, 1), "`weights` has length 1",
               class = "rkeops_error_shape")
  expect_error(cluster_centroids(x, list()), "`labels` is", class = "rkeops_error_argument")
})
