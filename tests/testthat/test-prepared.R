# What calls keep of R objects that come again: results are those of calls that keep nothing, to the
# last bit, whatever happened to the objects in between.

prepared <- function() counters()[["prepared"]]
hits <- function() counters()[["prepared_hits"]]
forget <- function() .Call(C_forget_prepared)

assign_op <- function() keops_kernel("ArgKMin_Reduction(SqDist(x,y)+e, 2, j)",
                                     c("x=Vi(3)", "y=Vj(3)", "e=Vi(1)"))
sum_op <- function() keops_kernel("Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)",
                                  c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "s=Pm(1)"))
n <- 5000L # rows: of more than 8192 numbers
points <- function(rows = n) matrix(runif(3 * rows), ncol = 3)

# The same call with objects that nobody has seen, bit for bit.
expect_as_new <- function(op, input, ...) {
  fresh <- lapply(input, function(x) x + 0)
  expect_identical(op(input, ...), op(fresh, ...))
}

both_precisions <- function(code) for (precision in c("float64", "float32")) {
  old <- set_rkeops_options(precision = precision)
  forget()
  code()
  set_rkeops_options(old)
}

test_that("rows of an object that comes again are found", { both_precisions(function() {
  op <- assign_op()
  x <- points()
  e <- runif(n) / 10
  before <- hits()
  op(list(x, points(4), e))
  expect_identical(prepared(), 0)
  op(list(x, points(4), e)) # e has too few numbers to be known
  expect_identical(hits(), before)
  op <- sum_op()
  for (k in 1:3) expect_as_new(op, list(x, points(4), runif(4), 2))
  expect_gt(prepared(), 0)
  expect_gt(hits(), before)
})})

test_that("an object that is modified is another one", { both_precisions(function() {
  op <- sum_op()
  x <- points()
  y <- points()
  for (step in 1:12) {
    b <- runif(n)
    expect_as_new(op, list(x, y, b, 3))
    expect_as_new(op, list(y, x, b, 3))
    if (step == 4) x[1, 1] <- 7
    if (step == 6) x <- x + 0
    if (step == 7) x[2500, 2] <- -x[2500, 2]
    if (step == 8) dim(y) <- rev(dim(y))
    if (step == 8) dim(y) <- rev(dim(y))
    if (step == 9) x[] <- rev(x)
    if (step == 10) y <- x
    if (step == 11) storage.mode(x) <- "integer"
  }
})})

test_that("a loop that modifies in place is seen at each step", {
  op <- sum_op()
  x <- points()
  y <- points(7)
  b <- runif(7)
  for (k in 1:40) {
    x[k, 1] <- k
    expect_identical(op(list(x, y, b, 1))[k], op(list(x + 0, y, b, 1))[k])
    if (k %% 3 == 0) expect_as_new(op, list(x, y, b, 1))
  }
})

test_that("memory that is free again is no known object's", {
  op <- sum_op()
  y <- points(4)
  b <- runif(4)
  for (k in 1:60) {
    x <- points()
    for (times in 1:3) expect_as_new(op, list(x, y, b, 1))
    rm(x)
    if (k %% 10 == 0) gc()
  }
})

test_that("LazyTensors of the same matrix share what is kept", {
  forget()
  x <- points()
  centre <- points(5)
  first <- argmin(sqdist(Vi(x), Vj(centre)), "j")
  argmin(sqdist(Vi(x), Vj(centre)), "j")
  before <- hits()
  expect_identical(argmin(sqdist(Vi(x), Vj(centre)), "j"), first)
  expect_gt(hits(), before)
  gradient_of <- function(x) {
    x_i <- Vi(x)
    gradient(sum(exp(-sqdist(x_i, Vj(centre))), "j", call = FALSE), x_i)
  }
  for (k in 1:3) expect_identical(gradient_of(x), gradient_of(x + 0))
  x[3, 3] <- 9
  for (k in 1:3) expect_identical(gradient_of(x), gradient_of(x + 0))
})

test_that("rows as columns and the other way round are not mixed up", {
  op <- sum_op()
  x <- matrix(runif(9000), 3000, 3)
  y <- points(6)
  b <- runif(6)
  for (k in 1:3) {
    expect_as_new(op, list(x, y, b, 1))
    expect_identical(op(list(t(x), t(y), b, 1), inner_dim = "row"), op(list(x, y, b, 1)))
  }
  z <- x
  dim(z) <- c(3L, 3000L)
  for (k in 1:3)
    expect_identical(op(list(z, t(y), b, 1), inner_dim = "row"),
                     op(list(t(z) + 0, y, b, 1)))
})

test_that("what compiled code writes behind R's back is seen where it changes all numbers", {
  skip_without_compiler()
  skip_on_os("windows")
  code <- file.path(tempdir(), "behind.c")
  library <- sub("c$", "so", code)
  writeLines(c("#include <Rinternals.h>", "SEXP behind(SEXP x) {",
               "for (R_xlen_t k = 0; k < XLENGTH(x); k++) REAL(x)[k] = 1 - REAL(x)[k];",
               "return x; }"), code)
  system2(file.path(R.home("bin"), "R"), c("CMD", "SHLIB", "-o", library, code), stdout = FALSE)
  behind <- getNativeSymbolInfo("behind", dyn.load(library))
  on.exit(dyn.unload(library))
  op <- sum_op()
  x <- points()
  y <- points(4)
  for (k in 1:4) {
    for (times in 1:3) expect_as_new(op, list(x, y, y[, 1], 2))
    .Call(behind, x)
    expect_as_new(op, list(x, y, y[, 1], 2))
  }
})

test_that("memory is bounded, and given back", {
  forget()
  old <- set_rkeops_options(prepared_memory = 8e5)
  op <- sum_op()
  y <- points(4)
  b <- runif(4)
  inputs <- replicate(5, points(), simplify = FALSE)
  for (k in 1:30) {
    expect_as_new(op, list(inputs[[k %% 5 + 1]], y, b, 1))
    expect_lte(counters()[["prepared_bytes"]], 8e5)
  }
  for (k in 1:3) expect_as_new(op, list(inputs[[1]], y, b, 1))
  expect_gt(prepared(), 0)
  expect_match(rkeops_sitrep(), "^prepared data: .* at most 1 MB$", all = FALSE)
  set_rkeops_options(prepared_memory = 0)
  for (k in 1:3) expect_as_new(op, list(inputs[[1]], y, b, 1))
  expect_identical(prepared(), 0)
  set_rkeops_options(old)
  for (k in 1:3) op(list(inputs[[1]], y, b, 1))
  expect_gt(prepared(), 0)
  clean_rkeops(all = FALSE)
  expect_identical(prepared(), 0)
  expect_error(set_rkeops_options(prepared_memory = -1), class = "rkeops_error_argument")
})

test_that("errors and garbage collection in between change nothing", {
  op <- sum_op()
  x <- points()
  for (k in 1:6) {
    expect_as_new(op, list(x, points(4), runif(4), 1))
    expect_error(op(list(x, points(4), runif(5), 1)), class = "rkeops_error_shape")
    expect_error(op(list(x, "a", runif(4), 1)), class = "rkeops_error_argument")
    if (k %% 2) gc()
  }
  gctorture2(50L, inhibit_release = FALSE)
  on.exit(gctorture(FALSE))
  out <- lapply(1:3, function(k) op(list(x, x[1:4, ], x[1:4, 1], 1)))
  gctorture(FALSE)
  for (one in out) expect_identical(one, op(list(x + 0, x[1:4, ], x[1:4, 1], 1)))
})

test_that("a forked process works on what it has", {
  skip_on_os("windows")
  op <- sum_op()
  x <- points()
  y <- points(4)
  b <- runif(4)
  for (k in 1:3) right <- op(list(x, y, b, 1))
  of_child <- parallel::mclapply(1:2, function(k) {
    same <- identical(op(list(x, y, b, 1)), right)
    x[1, 1] <- k
    as_new <- function(step) identical(op(list(x, y, b, 1)), op(list(x + 0, y, b, 1)))
    c(same, all(vapply(1:3, as_new, NA)))
  }, mc.cores = 2L)
  expect_true(all(unlist(of_child)))
  expect_as_new(op, list(x, y, b, 1))
})
