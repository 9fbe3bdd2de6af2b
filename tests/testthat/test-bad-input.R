# Whatever is wrong gives a classed error that names the argument, and the session goes on.

x <- uniform(4, 3)
y <- uniform(5, 3)
args <- c("x=Vi(3)", "y=Vj(3)")
text <- "Sum_Reduction(SqDist(x,y), j)"
op <- keops_kernel(text, args)

# The error of `code` has this class and mentions `name`; a good call works right after it.
expect_refused <- function(code, class, name) {
  error <- expect_error(code, class = paste0("rkeops_error_", class))
  if (!is.null(error)) testthat::expect_match(conditionMessage(error), name)
  testthat::expect_identical(dim(op(list(x, y))), c(4L, 1L))
}

test_that("wrong dimensions and rows that do not agree are refused", {
  expect_refused(op(list(x[, 1:2], y)), "shape", "x")
  expect_refused(op(list(x, cbind(y, y))), "shape", "y")
  expect_refused(op(list(t(x), y)), "shape", "x")
  expect_refused(op(list(x[, 0], y)), "shape", "x")
  expect_refused(op(list(1:3, y)), "shape", "x")
  two <- keops_kernel("Sum_Reduction(SqDist(x,y)*b, j)", c(args, "b=Vj(1)"))
  expect_refused(two(list(x, y, 1:4)), "shape", "b")
  with_parameter <- keops_kernel("Sum_Reduction(SqDist(x,y)*s, j)", c(args, "s=Pm(2)"))
  expect_refused(with_parameter(list(x, y, 1)), "shape", "s")
  expect_refused(with_parameter(list(x, y, 1:3)), "shape", "s")
})

test_that("what is no numbers is refused", {
  expect_refused(op(list(x, NULL)), "argument", "`y` is NULL")
  expect_refused(op(list(x, "a")), "argument", "`y`")
  expect_refused(op(list(matrix("a", 4, 3), y)), "argument", "`x` is a character matrix of 4 x 3")
  expect_refused(op(list(factor(1:4), y)), "argument", "`x`")
  expect_refused(op(list(x, list(1, 2, 3))), "argument", "`y`")
  expect_refused(op(list(x, data.frame(a = I(list(1, 2))))), "argument", "`y`")
  expect_refused(op(list(x, data.frame(a = c("u", "v")))), "argument", "`y`")
  expect_refused(op(list(x, y + 1i)), "argument", "`y` is complex")
  expect_refused(op(list(x, mean)), "argument", "`y` is a function")
  expect_refused(op(list(x, array(0, c(5, 3, 1)))), "argument", "`y`")
  expect_refused(op(list(x, Vj(y))), "argument", "`y` is a LazyTensor")
  expect_refused(op(list(x, quote(a))), "argument", "`y`")
})

test_that("inputs that are no list, or have wrong names, are refused", {
  expect_refused(op(x), "argument", "`input`")
  expect_refused(op(as.data.frame(x)), "argument", "`input`")
  expect_refused(op(c(x, y)), "argument", "`input`")
  expect_refused(op(x, y), "argument", "`")
  expect_refused(op(list()), "argument", "`input` has 0 elements: expected 2 \\(x, y\\)")
  expect_refused(op(list(x)), "argument", "`input` has 1")
  expect_refused(op(list(x, y, y)), "argument", "`input` has 3")
  expect_refused(op(list(x = x, y)), "argument", "`input`")
  expect_refused(op(list(x = x, z = y)), "argument", "`z`")
  expect_refused(op(list(X = x, y = y)), "argument", "`X`.*did you mean `x`")
  expect_refused(op(list(x = x, x = y)), "argument", "`x`")
  expect_refused(op(list(x = x)), "argument", "`y`")
  expect_refused(op(list(x, y), inner_dim = "rows"), "argument", "`inner_dim`")
})

test_that("wrong arguments of keops_kernel() are refused", {
  expect_refused(keops_kernel(1, args), "argument", "`formula`")
  expect_refused(keops_kernel(c(text, text), args), "argument", "`formula`")
  expect_refused(keops_kernel(text, list("x=Vi(3)")), "argument", "`args`")
  expect_refused(keops_kernel(text, character()), "argument", "`args`")
  expect_refused(keops_kernel(text, c("x=Vi(3)", NA)), "argument", "`args`")
  expect_refused(keops_kernel(text, c("x=Vi(3)", "y=Vk(3)")), "argument", "y=Vk\\(3\\)")
  expect_refused(keops_kernel(text, c("x=Vi(3)", "Vj(3)")), "argument", "Vj\\(3\\)")
  expect_refused(keops_kernel(text, c("x=Vi(3)", "y=Vj(0)")), "shape", "Vj\\(0\\)")
  expect_refused(keops_kernel(text, c("x=Vi(3)", "y=Vj(1,3)")), "argument", "positions")
  expect_refused(keops_kernel(text, c("x=Vi(0,3)", "y=Vj(0,3)")), "argument", "positions")
  expect_refused(keops_kernel(text, c("x=Vi(3)", "x=Vj(3)")), "formula", "`x` twice")
  expect_refused(keops_kernel(text, args, "fast"), "argument", "`sum_scheme`")
})

test_that("wrong formulas are refused when the operator is made, with the place", {
  declared <- c(args, "s=Pm(1)", "e=Vi(1)")
  # The caret of the message stands below the place where the text goes on with `place`.
  wrong <- function(text, pattern, place) {
    error <- expect_error(keops_kernel(text, declared), pattern, class = "rkeops_error_formula")
    if (is.null(error)) return()
    lines <- strsplit(conditionMessage(error), "\n", fixed = TRUE)[[1]]
    expect_length(lines, 3)
    at <- substring(lines[2], regexpr("^", lines[3], fixed = TRUE))
    expect_true(if (nzchar(place)) startsWith(at, place) else at == "", label = text)
  }
  # a few: test_plan.c and test_derive.c in tests/engine have all kinds
  wrong("Sum_Reduction(Expp(x), j)", "Expp.*did you mean 'Exp'", "Expp")
  wrong("Sum_Reduction(x + Concat(x,y), j)", "dimensions 3, 6", "+")
  wrong("Sum_Reduction(Where(x,y,y), j)", "logical test", "Where")
  wrong("Sum_Reduction(x, j", "expected '\\)'", "")
  wrong("Sum_Reduction(x $ y, j)", "found '\\$'", "$")
  wrong("x = y; Sum_Reduction(x, j)", "'x' is declared.*and defined", "x = y")
  wrong("KMin_Reduction(SqDist(x,y), 0, j)", "K from 1", "0")
  wrong("Grad(Sum_Reduction(x, j), x, e)", "dimension 3, found dimension 1", "Grad")
  expect_refused(keops_kernel("Sum_Reduction(SqDist(x,y)*w, j)", args), "formula", "'w'")
})

test_that("a name has the characters that a name may have", {
  for (arg in c("x.y=Vi(3)", "x y=Vi(3)", "x=V i(3)", "x=Vi(1 0)", "2x=Vi(3)", "\u00e9=Vi(3)"))
    expect_error(keops_kernel("Sum_Reduction(x, j)", c(arg, "y=Vj(3)")),
                 "a name has letters A to Z and a to z, digits and \"_\"", fixed = TRUE,
                 class = "rkeops_error_argument")
  spaced <- keops_kernel("Sum_Reduction(x-y, j)", c(" x = Vi ( 0 , 3 ) ", "y\t=Vj(1,3)\n"))
  expect_identical(spaced()$args_info$var_name, c("x", "y"))
})

test_that("messages are valid text when what they quote is none", {
  bad <- "\xe9t\xe9"
  args <- c("x=Vi(3)", "y=Vj(3)")
  said <- function(code, class) {
    message <- conditionMessage(expect_error(code, class = class))
    expect_true(validUTF8(message))
    expect_match(message, "(<e9>|\\\\x[eE]9)t")
  }
  said(keops_kernel(paste0("Sum_Reduction(x+", bad, ", j)"), args), "rkeops_error_formula")
  said(keops_kernel("Sum_Reduction(x, j)", paste0(bad, "=Vi(3)")), "rkeops_error_argument")
  said(keops_kernel("Sum_Reduction(x-y, j)", args, sum_scheme = bad), "rkeops_error_argument")
  said(keops_grad(keops_kernel("Sum_Reduction(x-y, j)", args), bad), "rkeops_error_argument")
  said(set_rkeops_option(bad, 1), "rkeops_error_argument")
  said(set_rkeops_option("cache_dir", bad), "rkeops_error_argument")
})

test_that("what is written behind a reduction counts", {
  twice <- keops_kernel("Sum_Reduction(SqDist(x,y), j)*2", args)
  expect_equal(twice(list(x, y)), 2 * op(list(x, y)), tolerance = 1e-14)
})

test_that("zero rows give an empty result or the neutral value", {
  expect_identical(op(list(x[0, ], y)), matrix(0, 0, 1))
  expect_identical(op(list(x, y[0, ])), matrix(0, 4, 1))
  expect_identical(sum(Vi(x[0, ]), "i"), matrix(0, 1, 3))
})

test_that("dimension 5000 works and 70000 is refused", {
  wide <- keops_kernel("Sum_Reduction(SqNorm2(x), j)", "x=Vi(5000)")
  expect_equal(wide(list(matrix(0.5, 2, 5000))), matrix(1250, 2), tolerance = 1e-14)
  expect_refused(keops_kernel("Sum_Reduction(x, j)", "x=Vi(70000)"), "shape", "70000")
  expect_refused(Vi(matrix(0, 1, 70000)), "shape", "70000")
  expect_refused(Pm(double(70000)), "shape", "70000")
})

test_that("K is a positive whole number, and may be larger than the number of points", {
  D <- sqdist(Vi(x), Vj(y))
  for (K in list(0, -1, 2.5, "a", NULL, c(1, 2), NA))
    expect_refused(Kmin(D, K, "j"), "argument", "`K`")
  expect_identical(argKmin(D, 7, "j")[, 6:7], matrix(NA_integer_, 4, 2))
  expect_identical(Kmin(D, 7, "j")[, 6:7], matrix(Inf, 4, 2))
})

test_that("wrong arguments of reductions are refused", {
  D <- sqdist(Vi(x), Vj(y))
  for (f in list(sum_reduction, min_reduction, argmin_reduction, min_argmin, max_argmax, logsumexp,
                 function(x, index) Kmin(x, 2, index)))
    for (index in list("k", 1, NULL, c("i", "j"), NA))
      expect_error(f(D, index), "`index`", class = "rkeops_error_argument")
  expect_refused(sum(D, index = "k"), "argument", "`index`")
  expect_refused(sum(D, na.rm = TRUE), "argument", "`na.rm`")
  expect_refused(min(D, 3), "argument", "index")
  expect_refused(sum_reduction(x, "i"), "argument", "`x`")
  expect_refused(argKmin(x, 1, "i"), "argument", "`x`")
  expect_refused(logsumexp(Vi(x), "i"), "shape", "`x`")
  expect_refused(sumsoftmaxweight(D, "i", x), "argument", "`weight`")
  expect_refused(reduction.LazyTensor(D, 3, "i"), "argument", "`opstr`")
  expect_refused(reduction.LazyTensor(D, "Summ", "i"), "formula", "Sum")
  expect_refused(reduction.LazyTensor(D, "KMin", "i", 2.5), "argument", "`opt_arg`")
})

test_that("NA, NaN and Inf are computed with", {
  v <- matrix(c(1, NA, Inf, NaN))
  total <- keops_kernel("Sum_Reduction(x+y, j)", c("x=Vi(1)", "y=Vj(1)"))
  expect_identical(total(list(v, matrix(1))), matrix(c(2, NaN, Inf, NaN)))
})

# ---- caches and compilers: what else may be wrong with a folder, tests/engine/test_build.c has ---

fresh_formula <- local({
  count <- 0
  function() { # a text that no cache knows
    count <<- count + 1
    sprintf("Sum_Reduction(Exp(x)%s, j)", strrep("*Exp(x)", count))
  }
})

test_that("a cache folder that is a file is replaced for the session", {
  file <- tempfile()
  writeLines("no folder", file)
  on.exit(unlink(file))
  options <- get_rkeops_options()
  options$cache_dir <- file.path(file, "cache")
  with_options(options,
    expect_identical(keops_kernel(fresh_formula(), "x=Vi(1)")(list(0)), matrix(1)))
})

test_that("a compiler that is missing, fails or hangs gives one readable error", {
  skip_on_os("windows")
  skip_on_gpu_machine()
  folder <- tempfile("bin")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  compiler <- function(...) {
    path <- file.path(folder, "cc")
    writeLines(c("#!/bin/sh", ...), path)
    Sys.chmod(path, "0755")
    path
  }
  refused <- function(path, pattern, timeout = 60) {
    with_options(list(compiler = path, compile_timeout = timeout, engine = "compiled"),
      expect_error(keops_kernel(fresh_formula(), "x=Vi(1)")(list(0)), pattern,
                   class = "rkeops_error_compile"))
    expect_identical(dim(op(list(x, y))), c(4L, 1L))
  }
  refused(file.path(folder, "absent"), "absent")
  refused(compiler("echo 'my own words' >&2; exit 3"), "my own words")
  refused(compiler("kill -9 $$"), ".")
  refused(compiler("while :; do :; done"), "compile_timeout", timeout = 1)
})

test_that("without a compiler on the PATH formulas run, or have one readable error where it is asked for", {
  skip_on_os("windows")
  text <- fresh_formula()
  run <- function(engine)
    sprintf("cat(tryCatch(class(keops_kernel('%s', 'x=Vi(1)', engine = '%s')(list(0))), error = class)[1], '')",
            text, engine)
  out <- run_r(c(using_cache(test_cache), "path <- Sys.getenv('PATH'); Sys.setenv(PATH = '/')",
                 run("auto"), run("compiled"), "Sys.setenv(PATH = path)"))
  expect_identical(trimws(out$output), "matrix rkeops_error_compile")
})

test_that("systems without a compiler have that error, and are solved when there is one", {
  skip_on_os("windows")
  skip_on_gpu_machine()
  x <- matrix(sin(1:20), 10)
  A <- add_ridge(exp(-0.5 * atan(sqdist(Vi(x), Vj(x)))) / (1 + tanh(sqdist(Vi(x), Vj(x)))^2), 0.5) # of this test
  op <- solve(A, 1:10, method = "iterative", call = FALSE)
  calls <- list(solve = function() solve(A, 1:10), iterative = op, gradient = function() gradient(op, x, 1),
                product = function() A %*% 1:10, logdet = function() estimate_logdet(A, method = "iterative")$value,
                eigen = function() find_eigen(A, 2)$values)
  for (name in names(calls))
    with_options(list(compiler = file.path(tempdir(), "absent"), engine = "compiled"),
                 expect_error(calls[[name]](), "absent", class = "rkeops_error_compile", info = name))
  M <- exp(-0.5 * atan(as.matrix(dist(x))^2)) / (1 + tanh(as.matrix(dist(x))^2)^2) + diag(0.5, 10)
  expect_equal(calls$solve(), unname(cbind(solve(M, 1:10))), tolerance = 1e-6)
  expect_equal(calls$iterative(), unname(cbind(solve(M, 1:10))), tolerance = 1e-6)
  expect_equal(calls$eigen(), eigen(M)$values[1:2], tolerance = 1e-6)
})

test_that("missing arguments are named", {
  D <- sqdist(Vi(matrix(1)), Vj(matrix(2)))
  op <- keops_kernel("Sum_Reduction(x, j)", "x=Vi(1)")
  expect_refused(argKmin(D, 3), "argument", "`index` is missing")
  expect_refused(argKmin(D, index = "j"), "argument", "`K` is missing")
  for (K in c(0, 10001, 3e9))
    expect_refused(argKmin(D, K, "j"), "argument", "`K` is .*from 1 to 10000")
  expect_refused(logsumexp(D), "argument", "`index` is missing")
  expect_refused(min_argmin(D), "argument", "`index` is missing")
  expect_refused(sumsoftmaxweight(D, "j"), "argument", "`weight` is missing")
  expect_refused(reduction.LazyTensor(D), "argument", "`index` is missing")
  expect_refused(keops_kernel("Sum_Reduction(x, j)"), "argument", "`args` is missing")
  expect_refused(keops_grad(op), "argument", "`var` is missing")
  expect_refused(gradient(sum(D, "j", call = FALSE)), "argument", "`wrt` is missing")
})

test_that("a reduction that is almost spelt right is suggested", {
  for (name in c("Sum_reduction", "SumReduction", "sum_reduktion"))
    expect_refused(keops_kernel(paste0(name, "(x, j)"), "x=Vi(1)"), "formula",
                   "did you mean 'Sum_Reduction'")
})

test_that("operands are named as the user wrote them", {
  D <- sqdist(Vi(matrix(1)), Vj(matrix(1:2)))
  expect_refused(sumsoftmaxweight(-D, "j", weight = Vj(matrix(1:3))), "shape",
                 "matrix.1:3..` has 3 rows")
})
