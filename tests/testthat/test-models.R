# What models make of formulas and tables, and of new data.

frame_of <- function(formula, data, subset, weights, na.action, trend = ~ 1)
  rkeops:::input_of_formula(match.call(), parent.frame(), trend)
set.seed(5)
d <- data.frame(y = rnorm(12), a = 1:12 + 0, g = factor(rep(c("u", "v", "w"), 4)), l = rep(c(TRUE, FALSE), 6),
                s = rep(c("one", "two"), each = 6), z = runif(12), one = factor("k"))

test_that("factors become an indicator for each level, and interactions their products", {
  x <- frame_of(y ~ a + g, d)$x
  expect_identical(colnames(x), c("a", "gu", "gv", "gw"))
  expect_identical(unname(x[, -1]), unname(outer(d$g, c("u", "v", "w"), `==`) + 0))
  expect_identical(frame_of(y ~ l + s, d)$x, frame_of(y ~ as.factor(l) + as.factor(s), d)$x, ignore_attr = TRUE)
  both <- frame_of(y ~ a * g, d)$x
  expect_identical(unname(both[, "a:gv"]), d$a * (d$g == "v"))
  expect_identical(colnames(frame_of(y ~ a + one, d)$x), c("a", "one"))
  expect_identical(colnames(frame_of(y ~ . - s - z, d)$x), c("a", "gu", "gv", "gw", "lFALSE", "lTRUE", "one"))
  expect_identical(frame_of(y ~ 0 + a + g, d)$x, x)
})

test_that("trends have contrasts as in lm(), and rows with NA anywhere are left out", {
  expect_identical(colnames(frame_of(y ~ a, d, trend = ~ g + z)$trend), c("(Intercept)", "gv", "gw", "z"))
  expect_identical(dim(frame_of(y ~ a, d, trend = NULL)$trend), c(12L, 0L))
  holes <- d
  holes$z[2] <- NA
  holes$a[5] <- NA
  input <- frame_of(y ~ a, holes, trend = ~ z, na.action = na.exclude)
  expect_identical(nrow(input$x), 10L)
  expect_identical(unclass(input$na.action), c(`2` = 2L, `5` = 5L), ignore_attr = "class")
  expect_error(frame_of(y ~ a, holes, na.action = na.fail), "missing values", class = "rkeops_error_argument")
})

test_that("new data become the same columns", {
  input <- frame_of(y ~ log(a) * g + one + l, d, trend = ~ g + poly(z, 2))
  new <- rkeops:::input_of_new(input, d[c(3, 8), ])
  expect_equal(new$x, input$x[c(3, 8), ])
  expect_equal(new$trend, input$trend[c(3, 8), ], ignore_attr = TRUE)
  # what does not occur in new data is 0 there
  few <- rkeops:::input_of_new(input, d[2, ])
  expect_identical(few$x[, "gu"], c(`2` = 0), ignore_attr = TRUE)
  holes <- rkeops:::input_of_new(input, replace(d[1:3, ], cbind(2, 2), NA))
  expect_identical(holes$complete, c(TRUE, FALSE, TRUE))
  expect_identical(rkeops:::of_all_rows(c(5, 6), holes), c(`1` = 5, `2` = NA, `3` = 6))
  # of matrices, by names where there are some, else by place
  plain <- rkeops:::input_of_matrices(as.matrix(d[c("a", "z")]), d$y, trend = ~ a)
  expect_identical(rkeops:::input_of_new(plain, d[1:2, ])$x, as.matrix(d[1:2, c("a", "z")]), ignore_attr = TRUE)
  expect_identical(unname(rkeops:::input_of_new(plain, cbind(7, 8))$trend), cbind(1, 7), ignore_attr = TRUE)
})

test_that("weights of 0 leave rows out", {
  input <- frame_of(y ~ a, d, weights = a %% 3)
  expect_identical(input$kept, which(d$a %% 3 > 0))
  expect_identical(input$weights, (d$a %% 3)[input$kept])
  expect_identical(nrow(input$x), length(input$kept))
  expect_null(frame_of(y ~ a, d)$weights)
  expect_identical(nrow(frame_of(y ~ a, d, weights = replace(a, 2, NA))$x), 11L) # as of lm()
})

test_that("what is no model's input is refused", {
  refused <- function(code, message, class = "rkeops_error_argument")
    expect_error(code, message, fixed = TRUE, class = class)
  refused(frame_of(y ~ nothing, d), "`formula`: object 'nothing' not found")
  refused(frame_of(~ a, d), "expected a formula with a response")
  refused(frame_of("y ~ a", d), "`formula` is \"y ~ a\"")
  refused(frame_of(y ~ 1, d), "no variables")
  refused(frame_of(y ~ a + offset(z), d), "offset")
  refused(frame_of(y ~ log(a - 1), d), "`log(a - 1)` has infinite values")
  refused(frame_of(I(y / 0) ~ a, d), "the response in `formula` has infinite values")
  refused(frame_of(y ~ a, d[0, ]), "no rows")
  refused(frame_of(y ~ a, d, weights = rep(0, 12)), "all `weights` are 0")
  refused(frame_of(y ~ a, d, weights = -a), "`weights`")
  refused(frame_of(y ~ a, d, trend = y ~ a), "`trend`")
  refused(frame_of(list(1) ~ a, d), "`formula`")
  levels <- data.frame(y = seq_len(1e5), id = factor(seq_len(1e5)))
  refused(frame_of(y ~ id, levels), "`id` has 100000 levels in 100000 rows", "rkeops_error_memory")
  input <- frame_of(y ~ a + g, d)
  refused(rkeops:::input_of_new(input, data.frame(a = 1, g = "q")), "new level")
  refused(rkeops:::input_of_new(input, data.frame(a = 1)), "object 'g' not found")
  refused(rkeops:::input_of_new(input, "a"), "`newdata` is \"a\"")
  refused(rkeops:::input_of_matrices(d, d$y), "the column `g`")
  refused(rkeops:::input_of_matrices(as.matrix(d$a), d$y[-1]), "has 11 rows: expected 12", "rkeops_error_shape")
  plain <- rkeops:::input_of_matrices(as.matrix(d[c("a", "z")]), d$y)
  refused(rkeops:::input_of_new(plain, cbind(1, 2, 3)), "`newdata` has 3 columns: expected 2", "rkeops_error_shape")
})
