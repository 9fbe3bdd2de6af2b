# rkeops_explain(): what it says is what the engine does.

gaussian <- function(D, ..., formula = "Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)")
  keops_kernel(formula, c(sprintf("x=Vi(%d)", D), sprintf("y=Vj(%d)", D), "b=Vj(1)", "s=Pm(1)"),
               backend = "CPU", engine = "compiled", ...)
pass_of <- function(op, k = 1L) rkeops_explain(op)$passes[[k]]

test_that("a Gaussian is one pass, with distances at the level of pairs", {
  found <- rkeops_explain(gaussian(3, precision = "float64"))
  expect_s3_class(found, "rkeops_explanation")
  expect_identical(found$backend, "cpu")
  expect_identical(found$variables, c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "s=Pm(1)"))
  expect_null(found$rows)
  expect_length(found$passes, 1)
  pass <- found$passes[[1]]
  expect_identical(pass[c("reduction", "reduced", "kept", "precision")],
                   list(reduction = "Sum", reduced = "j", kept = "i", precision = "float64"))
  expect_equal(c(pass$result, pass$components, pass$K, pass$factor), c(1, 1, 1, 1))
  levels <- pass$levels
  expect_named(levels, c("parameters", "rows", "columns", "pairs"))
  expect_identical(levels$rows$values,
                   data.frame(name = "x", formula = "x", dim = 3L, role = "packed"))
  expect_setequal(levels$columns$values$formula, c("b", "y"))
  expect_equal(c(levels$rows$bytes, levels$columns$bytes), c(24, 32))
  expect_match(levels$parameters$values$formula, "\\bs\\b")
  expect_match(levels$pairs$values$formula[1], "x - y", fixed = TRUE)
  expect_identical(tail(levels$pairs$values$role, 1), "reduced")
  expect_match(tail(levels$pairs$values$formula, 1), "exp2(", fixed = TRUE)
})

test_that("operations and bytes grow with the dimension", {
  at <- function(D) pass_of(gaussian(D, precision = "float64"))$levels
  operations <- function(D) at(D)$pairs$operations
  expect_gt(operations(4) - operations(3), 2) # a difference, a square, a sum
  expect_equal(operations(13) - operations(3), 10 * (operations(4) - operations(3)))
  expect_gt(operations(3), 9 + 5)
  expect_equal(at(13)$rows$bytes - at(3)$rows$bytes, 80)
  expect_gt(at(13)$pairs$bytes, at(3)$pairs$bytes)
})

test_that("it follows the options of the session and of the operator", {
  bytes <- function(...) pass_of(gaussian(3, ...))$levels$rows$bytes
  expect_equal(c(bytes(precision = "float64"), bytes(precision = "float32")), c(24, 12))
  op <- keops_kernel("Sum_Reduction(x*y, j)", c("x=Vi(1)", "y=Vj(1)"))
  old <- set_rkeops_options(precision = "float32", backend = "GPU", sum_scheme = "kahan_scheme")
  on.exit(set_rkeops_options(old))
  found <- rkeops_explain(op) # opens no GPU
  expect_identical(found$backend, "cuda")
  expect_identical(found$passes[[1]]$precision, "float32")
  expect_identical(found$passes[[1]]$scheme, "kahan_scheme")
  expect_true(all(c("threads", "tile_rows", "tile_columns") %in% names(found$passes[[1]]$layout)))
  expect_match(format(found)[1], "on a GPU")
})

test_that("differences are moved into the data in float32, and not in float64", {
  rows <- function(precision) pass_of(gaussian(3, precision = precision))$levels$rows$values
  expect_identical(rows("float32")$name, "row.1")
  expect_identical(rows("float32")$formula, "x - centre(x,y)")
  expect_identical(rows("float64")$name, "x")
})

test_that("LazyTensors say the same, and their numbers of rows choose the layout", {
  lazy <- function(n) {
    x <- Vi(matrix(0.5, n, 3))
    y <- Vj(matrix(0.25, 500, 3))
    sum(exp(-sqdist(x, y)), "j", call = FALSE, backend = "CPU", engine = "compiled",
        precision = "float64")
  }
  many <- rkeops_explain(lazy(1000))
  expect_identical(many$rows, c(i = 1000, j = 500))
  expect_identical(many$passes[[1]]$layout$lanes_along, "rows")
  expect_identical(rkeops_explain(lazy(1))$passes[[1]]$layout$lanes_along, "columns")
  text <- keops_kernel("Sum_Reduction(Exp(-SqDist(V0,V1)), j)", c("V0=Vi(3)", "V1=Vj(3)"),
                       backend = "CPU", engine = "compiled", precision = "float64")
  expect_identical(many$passes, rkeops_explain(text)$passes)
})

test_that("several passes: later ones read earlier ones, results are told apart", {
  op <- keops_kernel("Log(Sum_Reduction(Exp(x*y), j)), Max_Reduction(x-y, j)",
                     c("x=Vi(1)", "y=Vj(1)"))
  passes <- rkeops_explain(op)$passes
  expect_length(passes, 3)
  made <- vapply(passes, function(pass) length(pass$result) > 0L, NA)
  first <- which(!made) # read by the map only
  map <- which(vapply(passes, function(pass) pass$reduced == "none", NA))
  expect_length(first, 1)
  expect_gt(map, first)
  expect_identical(passes[[map]]$formula, sprintf("Log(pass.%d)", first))
  expect_equal(passes[[map]]$result, 1)
  expect_identical(passes[[map]]$levels$pairs$values$formula, "row.1")
  expect_setequal(unlist(lapply(passes, `[[`, "result")), 1:2)
  x <- Vi(matrix(sin(1:8), 4))
  twice <- logsumexp(-sqdist(x, Vj(matrix(cos(1:10), 5))), "j", call = FALSE)
  expect_length(rkeops_explain(gradient(twice, x, call = FALSE))$passes, 1) # a mean
})

test_that("lists, positions and states are told with their sizes", {
  pass <- pass_of(keops_kernel("KMin_ArgKMin_Reduction(Abs(x-y), 7, i)", c("x=Vi(2)", "y=Vj(2)")))
  expect_equal(c(pass$components, pass$K), c(2, 7))
  expect_identical(c(pass$reduced, pass$kept), c("i", "j"))
  expect_null(pass$scheme)
  expect_null(pass$bound_each)
  minus <- keops_kernel("Sum_Reduction(-(x*y), j)", c("x=Vi(2)", "y=Vj(2)"))
  expect_equal(pass_of(minus)$factor, -1)
  expect_true(any(grepl("2 values, .*, multiplied by -1 at the end", format(rkeops_explain(minus)))))
})

test_that("the bound of the additions holds, and is that of the scheme", {
  skip_on_gpu_machine()
  n <- 200000
  b <- (floor(2^24 * ((1:n * 0.618034) %% 1)) + 1) / 2^24 # exact in float32, and so are sums here
  bounds <- NULL
  for (scheme in c("auto", "block_sum", "kahan_scheme", "direct_sum"))
    for (accumulator in c("float32", "float64")) {
      op <- keops_kernel("Sum_Reduction(x*b, j)", c("x=Vi(1)", "b=Vj(1)"), sum_scheme = scheme,
                         precision = "float32", accumulator = accumulator, backend = "CPU")
      pass <- pass_of(op)
      bound <- (pass$bound_fixed + n * pass$bound_each) * sum(b)
      expect_lte(abs(op(list(rep(1, 40), b))[1] - sum(b)), bound)
      bounds[paste(scheme, accumulator)] <- bound / sum(b)
    }
  expect_lt(bounds[["kahan_scheme float32"]], bounds[["auto float64"]])
  expect_lt(bounds[["direct_sum float64"]], 1e-10)
  expect_lt(bounds[["auto float64"]], 1e-5)
  expect_lt(bounds[["auto float32"]], bounds[["direct_sum float32"]] / 10)
  expect_gt(bounds[["direct_sum float32"]], 1e-3)
  short <- pass_of(gaussian(3, precision = "float32"))
  expect_equal(short$bound_fixed, (short$short_sums + 1) * 2^-24)
})

test_that("it prints a table of the levels of each pass", {
  op <- gaussian(3, precision = "float64")
  lines <- format(rkeops_explain(op))
  expect_identical(capture.output(shown <- withVisible(print(rkeops_explain(op)))), lines)
  expect_false(shown$visible)
  expect_match(lines[1], "1 pass over the pairs, on the CPU", fixed = TRUE)
  for (wanted in c("^pass 1: Sum_Reduction\\(Exp\\(", "a row for each i of 1 value, float64",
                   "operations +bytes +values", "^ +rows +[0-9]+ +24 +x +\\[3\\]$",
                   "^ +pairs .*x - y", "reduced: exp2\\(", "tile rows [0-9]+",
                   "scheme auto, in float64", "at most \\(.* n\\) x the sum of \\|terms\\|"))
    expect_true(any(grepl(wanted, lines)), label = wanted)
  expect_lte(max(nchar(lines)), 120)
  nearest <- format(rkeops_explain(keops_kernel("ArgMin_Reduction(SqDist(x,y), j)",
                                                c("x=Vi(1)", "y=Vj(1)"))))
  expect_true(any(grepl("no sum", nearest)))
})

test_that("a long formula is cut, not written in full", {
  text <- paste(sprintf("Sin(%d*x-y)", 2:300), collapse = "+")
  op <- keops_kernel(paste0("Sum_Reduction(", text, ", j)"), c("x=Vi(1)", "y=Vj(1)"))
  found <- rkeops_explain(op)
  expect_match(found$passes[[1]]$formula, "...", fixed = TRUE)
  expect_lt(nchar(found$passes[[1]]$formula), 2000)
  expect_lt(length(format(found)), 60)
  expect_true(any(grepl("and [0-9]+ more", format(found))))
})

test_that("what is no operator is refused by name", {
  for (wrong in list(1, "Sum_Reduction(x, j)", mean, NULL, Vi(1:3)))
    expect_error(rkeops_explain(wrong), "`op`", class = "rkeops_error_argument")
  expect_error(rkeops_explain(), "`op`", class = "rkeops_error_argument")
  expect_error(rkeops_explain(Vi(1:3)), "call = FALSE", class = "rkeops_error_argument")
})
