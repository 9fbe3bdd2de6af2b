# Float32 that can be trusted: data far from 0, in clusters, with stray rows; labels and times that
# are compared; what float32 cannot hold. See src/engine/look/README.md.

in_float32 <- function(code) with_options(list(precision = "float32"), code)

test_that("every spelling of a distance keeps its digits on all data", {
  skip_on_cran() # takes a while
  skip_on_gpu_machine()
  table <- function(forms, what)
    in_float32(float32_table(float32_forms[forms], float32_places, float32_dirt, what,
                             float32_errors))
  expect_float32_table(table(names(float32_forms), "sum"))
  some <- if (is_full) names(float32_forms) else c("plain", "by component")
  expect_float32_table(table(some, "nearest"))
  expect_float32_table(table(some, "gradient"))
})

test_that("so they do on a GPU", {
  got <- on_gpu({
    rkeops_use_gpu()
    rkeops_use_float32()
    table(forms, places, dirt, c("sum", "nearest", "gradient"), errors)
  }, list(forms = float32_forms[if (is_full) TRUE else c("plain", "by component")],
          places = float32_places[if (is_full) TRUE else c("utm", "seconds of a day")],
          dirt = float32_dirt, table = float32_table, errors = float32_errors))
  expect_float32_table(got)
})

test_that("great circles by components, and logarithms, keep their digits", {
  skip_on_gpu_machine()
  n <- 120
  at <- cbind(2.35 + uniform(n, 1) * 0.003, 48.85 + uniform(n, 1) * 0.002) * pi / 180
  x <- Vi(at)
  y <- Vj(at)
  chord <- function(x, y, cosine) sin((x[[2]] - y[[2]]) / 2)^2 + cosine * sin((x[[1]] - y[[1]]) / 2)^2
  parts <- function(z) list(z[1], z[2])
  a <- in_float32(sum(exp(-chord(parts(x), parts(y), cos(x[2]) * cos(y[2])) * 1e11), "j"))
  truth <- outer(seq_len(n), seq_len(n), function(i, j)
    chord(list(at[i, 1], at[i, 2]), list(at[j, 1], at[j, 2]), cos(at[i, 2]) * cos(at[j, 2])))
  expect_lt(max(abs(a / rowSums(exp(-truth * 1e11)) - 1)), 1e-5)
  t <- matrix(1e6 * (1 + uniform(n, 1) * 1e-4))
  b <- in_float32(sum(exp(-((log(Vi(t)) - log(Vj(t))) * 1e5)^2), "j"))
  expect_lt(max(abs(b / rowSums(exp(-(outer(log(t[, 1]), log(t[, 1]), "-") * 1e5)^2)) - 1)), 1e-5)
})

test_that("labels and times are compared as what they are", {
  found <- in_float32(comparison_errors())
  expect_identical(found, 0 * found)
  found <- on_gpu({
    rkeops_use_gpu()
    rkeops_use_float32()
    rounded <- to_gpu(matrix(1:9 / 7))
    whole <- to_gpu(matrix(c(3, 1, 2)))
    list(errors = errors(), whole = sum(Vi(whole) < Vj(c(0.5, 2.5)), "j")[, 1],
         rounded = class_of(sum(Vi(rounded) == Vj(rounded), "j")))
  }, list(errors = comparison_errors))
  expect_identical(found$errors, 0 * found$errors)
  expect_identical(found$whole, c(0, 1, 1))
  expect_identical(found$rounded, "rkeops_error_precision")
})

test_that("more different values than float32 counts are refused", {
  skip_if_not(is_full, "takes a gigabyte")
  many <- matrix(seq_len(2^24 + 5) + 0.1)
  expect_error(in_float32(sum(Vj(many) < Vi(5), "j")), "`V[01]`.*16777",
               class = "rkeops_error_precision")
})

test_that("what float32 cannot hold is said", {
  x <- matrix(c(1, 2, 3), 3)
  sum_of <- function(b) in_float32(sum(exp(-sqdist(Vi(x), Vj(x))) * Vj(b), "j"))
  expect_error(sum_of(c(1, 1e200, 2)), "1e\\+200", class = "rkeops_error_precision")
  expect_error(in_float32(sum(Vi(c(-1e39, 0)) - Vj(x), "j")), "too large for float32",
               class = "rkeops_error_precision")
  expect_warning(sum_of(c(1, 1e-60, 2)), "1e-60 becomes 0", class = "rkeops_warning_precision")
  expect_warning(in_float32(sum(Vi(x) / Vj(c(1e-45, 1, 1)), "j")), "infinite",
                 class = "rkeops_warning_precision")
  tiny <- x * 1e-40
  expect_warning(in_float32(sum(exp(-((Vi(tiny) - Vj(tiny)) / 1e-40)^2), "j")), "becomes 0",
                 class = "rkeops_warning_precision")
  expect_silent(sum_of(c(0, Inf, NA)))
  day <- matrix(2459000.5 + c(0.1, 0.7, 1.4))
  power <- function(t) in_float32(sum(cos(Vi(c(30, 31)) * Vj(t)), "j"))
  expect_warning(power(day), "phases", class = "rkeops_warning_precision")
  expect_silent(power(day - day[1]))
  both <- Vi(c(30, 31)) * Vj(day)
  unknown <- exp(Vi(1:2 / 9) * Vj(day / 1e7))
  for (phase in list(concat(both, unknown), concat(unknown, both)))
    expect_warning(in_float32(sum(cos(phase), "j")), "phases", class = "rkeops_warning_precision")
  deep <- Vi(c(1.5, 2)) * Vj(1:3 * 1e6)
  for (k in 1:20) deep <- deep + (deep - Vi(1:2)) * 0.1 # each is read twice
  expect_warning(in_float32(sum(sin(deep), "j")), "phases", class = "rkeops_warning_precision")
  op <- keops_kernel("Sum_Reduction(x*y, j)", c("x=Vi(1)", "y=Vj(1)"))
  renamed <- keops_kernel("Sum_Reduction(left*right, j)", c("left=Vi(1)", "right=Vj(1)"))
  expect_error(in_float32(op(list(x, x * 1e300))), "`y`", class = "rkeops_error_precision")
  expect_error(in_float32(renamed(list(x * 1e300, x))), "`left`", class = "rkeops_error_precision")
})

test_that("an explanation says what the last call has seen", {
  skip_on_gpu_machine()
  near <- matrix(6e6 + (1:40) / 7)
  far <- near + 1e6 * (1:40 %% 2)
  seen <- function(x) in_float32({
    op <- sum((Vi(x) - Vj(x))^2, "j", call = FALSE)
    op()
    rkeops_explain(op)
  })
  one <- seen(near)$passes[[1]]$data
  two <- seen(far)
  expect_identical(c(one$split, two$passes[[1]]$data$split), c(FALSE, TRUE))
  expect_identical(one$slots$level, c("row", "column"))
  expect_true(all(one$slots$largest < 6 & abs(one$slots$centre - 6e6) < 6 & one$slots$digits > 21))
  expect_match(format(two), "sums of two numbers", all = FALSE)
  none <- seen(near[0, , drop = FALSE])$passes[[1]]$data$slots
  expect_true(all(is.na(c(none$largest, none$digits))))
  scaled <- in_float32({
    op <- sum(cos(2 * log(Vi(near)) * Vj(near - 6e6)), "j", call = FALSE)
    op()
    rkeops_explain(op)$passes[[1]]$data$slots
  })
  expect_equal(scaled$largest, c(2 * log(max(near)), 40 / 7), tolerance = 1e-5)
  expect_true(all(is.na(scaled$digits)))
  t <- in_float32(format(rkeops_explain(sum(Vi(near) < Vj(near), "j", call = FALSE))))
  expect_match(t, "rank(V0)", fixed = TRUE, all = FALSE)
  of_log <- in_float32(rkeops_explain(sum(log(Vi(near)) - Vj(near) * 2, "j", call = FALSE)))
  names <- of_log$passes[[1]]$levels$parameters$values$name
  expect_match(names, "^centre\\(.*Log\\(V[01]\\).*\\)$", all = FALSE)
})
