# Attaching rkeops replaces what base R cannot dispatch, and plain R objects do not notice.

replaced <- c("atan2", "besselK", "ifelse", "pmax", "pmin", "step", if (getRversion() < "4.3.0") "%*%")
# S4 generics made from base functions, which Matrix and others share with us
shared <- c("rowSums", "colSums", "rowMeans", "colMeans", "diag", "which", "norm",
            if (getRversion() < "4.4.0") c("crossprod", "tcrossprod"))

test_that("attaching masks only what base R cannot dispatch", {
  default <- c("base", "stats", "utils", "methods", "graphics", "grDevices")
  theirs <- unlist(lapply(default, getNamespaceExports))
  masked <- intersect(names(as.environment("package:rkeops")), theirs)
  masked <- masked[!startsWith(masked, ".")]
  expect_identical(setdiff(replaced, masked), character())
  expect_identical(setdiff(masked, c(replaced, shared)), character())
})

test_that("attaching says nothing but R's own message, and leaves arithmetic to the compiler", {
  out <- run_r(c(
    "detach('package:rkeops', unload = FALSE)",
    "out <- capture.output(library(rkeops, warn.conflicts = FALSE), type = 'message')",
    "f <- compiler::cmpfun(function(x) x + exp(x))",
    "code <- paste(capture.output(print(compiler::disassemble(f))), collapse = '')",
    "cat(length(out), grepl('ADD.OP', code), grepl('EXP.OP', code))"))
  expect_identical(out$output, "0 TRUE TRUE")
})

# `call` with the functions that we replace and with those of base R: the same value, or an error
# with the same message.
expect_as_base <- function(call, frame = parent.frame()) {
  result <- function(call) tryCatch(eval(call, frame), error = conditionMessage)
  base <- list(atan2 = quote(base::atan2), besselK = quote(base::besselK), ifelse = quote(base::ifelse),
               pmax = quote(base::pmax), pmin = quote(base::pmin), step = quote(stats::step), `%*%` = quote(base::`%*%`))
  original <- do.call(substitute, list(call, base))
  expect_identical(result(call), result(original), label = paste(deparse(call), collapse = ""))
}

test_that("ifelse() is base R's for plain objects", {
  named <- c(a = TRUE, b = NA, c = FALSE)
  kinds <- factor(c("u", "v", "u"))
  days <- as.Date(c("2020-01-01", NA, "2021-01-01"))
  grid <- matrix(c(TRUE, FALSE, NA, TRUE), 2, dimnames = list(c("r", "s"), NULL))
  for (call in expression(
    ifelse(named, 1, 2), ifelse(named, "yes", c("p", "q", "r")), ifelse(kinds == "u", kinds, 0),
    ifelse(kinds, 1, 2), ifelse(is.na(days), 1, days), ifelse(grid, 1:4, -(1:4)), ifelse(1:0, 1, 2),
    ifelse(NULL, 1, 2), ifelse(logical(), 1, 2), ifelse("TRUE", 1, 2), ifelse(list(TRUE, 0), 1, 2),
    ifelse(no = 1, test = TRUE, yes = 2), ifelse(TRUE, 1), ifelse(FALSE, 1), ifelse(), ifelse(TRUE),
    ifelse(TRUE, 1, stop("not evaluated")), ifelse(stop("evaluated"), 1, 2), ifelse(sum, 1, 2),
    ifelse(no_such_object, 1, 2), ifelse(c(1, NA), c(x = 1, y = 2), 3)))
    expect_as_base(call)
  through <- function(test, yes, no) ifelse(test, yes, no) # missing arguments stay missing
  expect_identical(through(TRUE, 1), 1)
  expect_error(through(FALSE, 1), "argument \"no\" is missing, with no default", fixed = TRUE)
})

test_that("atan2() is base R's for plain objects", {
  grid <- matrix(1:4 / 3, 2, dimnames = list(NULL, c("a", "b")))
  for (call in expression(
    atan2(1:6, c(-1, 2)), atan2(1:5, 1:2), atan2(c(a = 1, b = -1), 0),
    atan2(x = 1, y = 2), atan2(grid, 1:2), atan2(1i, 2), atan2(TRUE, 1L), atan2(NA, 1),
    atan2(NULL, 1), atan2(numeric(), 1), atan2("a", 1), atan2(1, "a"), atan2(1), atan2(x = 1),
    atan2(), atan2(stop("first"), stop("second")), atan2(no_such_object, 1), atan2(factor(1), 1),
    atan2(data.frame(a = 1), 1)))
    expect_as_base(call)
})

test_that("besselK() is base R's for plain objects", {
  grid <- matrix(1:4 / 3, 2, dimnames = list(NULL, c("a", "b")))
  for (call in expression(
    besselK(1:6, c(0.5, 2)), besselK(c(a = 1, b = 2), 0), besselK(grid, 1:2), besselK(nu = 1, x = 2),
    besselK(3, 1, TRUE), besselK(800, 1, expon.scaled = TRUE), besselK(1, "a"), besselK("a", 1), besselK(1),
    besselK(), besselK(nu = 1), besselK(NULL, 1), besselK(1i, 1), besselK(NA, 1), besselK(TRUE, 1L),
    besselK(stop("first"), stop("second")), besselK(no_such_object, 1), besselK(factor(1), 1)))
    expect_as_base(call)
})

test_that("pmax() and pmin() are base R's for plain objects", {
  grid <- matrix(1:4 / 3, 2, dimnames = list(NULL, c("a", "b")))
  days <- as.Date(c("2020-01-01", NA, "2021-01-01"))
  for (call in expression(
    pmax(1:4, 2), pmin(c(a = 1, b = NA), 0, na.rm = TRUE), pmax(grid, 1), pmin(1, grid), pmax(days, days[1]),
    pmax("a", c("b", "A")), pmin(), pmax(NULL), pmax(1, NULL), pmax(1:3, 1:2), pmin(1i, 2), pmax(list(1), 2),
    pmax(factor(1:2), 1), pmin(na.rm = TRUE, 2:3, 1), pmax(no_such_object, 1), pmax(1, stop("second")), pmin(sum, 1)))
    suppressWarnings(expect_as_base(call))
})

test_that("%*% is base R's for plain objects", {
  a <- matrix(1:6, 2, dimnames = list(c("r", "s"), NULL))
  z <- matrix(1i * 1:4, 2)
  for (call in expression(
    a %*% t(a), a %*% 1:3, 1:2 %*% a, 1:3 %*% 1:3, z %*% z, a %*% c(TRUE, FALSE, NA), a %*% 1:2,
    "a" %*% 1, NULL %*% 1, list(1) %*% 1, a %*% no_such_object, (1:3 / 3) %*% t(1:3),
    `%*%`(t(a), 1:2)))
    expect_as_base(call)
})

test_that("%*% multiplies matrices of Matrix as ever, attached before us or not", {
  skip_if_not_installed("Matrix")
  m <- Matrix::Matrix(c(0, 1, 2, 0, 0, 3), 2, sparse = TRUE)
  for (call in expression(m %*% Matrix::t(m), m %*% 1:3, 1:2 %*% m, matrix(1, 2, 2) %*% m))
    expect_as_base(call)
  out <- run_r(c(
    "detach('package:rkeops'); library(Matrix); suppressPackageStartupMessages(library(rkeops))",
    "m <- Matrix(c(0, 1, 2, 0), 2, sparse = TRUE)",
    "cat(is(m %*% m, 'sparseMatrix'), identical(m %*% m, base::`%*%`(m, m)))"))
  expect_identical(tail(out$output, 1), "TRUE TRUE")
})

test_that("step() chooses the models that stats::step() chooses, inside functions too", {
  choose <- function(step, fit_by) {
    local_cars <- datasets::mtcars[1:20, ]
    largest <- mpg ~ wt + hp + qsec + drat
    fit <- switch(fit_by, lm = stats::lm(mpg ~ wt, local_cars),
                  glm = stats::glm(mpg ~ wt, data = local_cars))
    step(fit, scope = list(lower = ~1, upper = largest), direction = "both", trace = 0)
  }
  for (fit_by in c("lm", "glm")) {
    ours <- choose(step, fit_by)
    theirs <- choose(stats::step, fit_by)
    expect_identical(stats::coef(ours), stats::coef(theirs))
    expect_identical(ours$anova, theirs$anova)
    expect_identical(ours$call, theirs$call, ignore_formula_env = TRUE)
  }
  weighted <- function(step) {
    w <- seq_len(32)
    step(stats::lm(mpg ~ wt + hp, data = datasets::mtcars, weights = w), trace = 0, k = log(32))
  }
  expect_identical(stats::coef(weighted(step)), stats::coef(weighted(stats::step)))
  for (call in expression(step(), step(1), step(NULL), step(sum), step(no_such_object)))
    expect_as_base(call)
})

test_that("the default methods are the original functions", {
  expect_identical(atan2(c(0, 1, -1, NaN), c(-0, 2, Inf, 1)), base::atan2(c(0, 1, -1, NaN), c(-0, 2, Inf, 1)))
  expect_identical(besselK(c(0.5, 2, Inf), 1.5, TRUE), base::besselK(c(0.5, 2, Inf), 1.5, TRUE))
  expect_identical(ifelse.default, base::ifelse)
  expect_identical(step.default, stats::step)
})
