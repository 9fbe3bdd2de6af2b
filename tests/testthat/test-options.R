test_that("options have defaults, and unknown names and values are refused", {
  old <- set_rkeops_options()
  on.exit(set_rkeops_options(old))
  expect_identical(get_rkeops_options("precision"), "float64")
  expect_identical(get_rkeops_options("backend"), "CPU")
  expect_identical(get_rkeops_options(c("precision", "index_base")),
                   list(precision = "float64", index_base = 1L))
  expect_s3_class(get_rkeops_options(), "rkeops_options")
  expect_error(get_rkeops_options("precison"), "precision", class = "rkeops_error_argument")
  expect_error(set_rkeops_options(list(nothing = 1)), class = "rkeops_error_argument")
  expect_error(set_rkeops_options(list(precision = "half")), class = "rkeops_error_argument")
  expect_error(set_rkeops_options(list(index_base = 2)), class = "rkeops_error_argument")
  expect_error(set_rkeops_options(c(precision = "float64")), class = "rkeops_error_argument")
  expect_error(set_rkeops_options(list("float64")), class = "rkeops_error_argument")
})

test_that("what is no list of options is refused by name, and nothing is lost", {
  old <- getOption("rkeops")
  on.exit(options(rkeops = old))
  for (wrong in list(5, "x", list("GPU"))) {
    options(rkeops = wrong)
    expect_error(sum(Vi(matrix(1)) - Vj(matrix(2)), "j"), "`rkeops`",
                 class = "rkeops_error_argument")
  }
  options(rkeops = old)
  expect_equal(sum(Vi(matrix(1)) - Vj(matrix(2)), "j")[1], -1)
})

test_that("setting some options keeps the others, and what is returned sets them back", {
  old <- set_rkeops_options(list(precision = "float64"))
  expect_identical(get_rkeops_options("cache_dir"), old$cache_dir)
  expect_identical(get_rkeops_options("precision"), "float64")
  set_rkeops_options(old)
  expect_identical(get_rkeops_options(), old)
})

test_that("options are set by arguments, too", {
  old <- set_rkeops_options(precision = "float64", index_base = 0)
  on.exit(set_rkeops_options(old))
  expect_identical(get_rkeops_options(c("precision", "index_base")),
                   list(precision = "float64", index_base = 0L))
  set_rkeops_options(list(precision = "float32"), index_base = 1)
  expect_identical(get_rkeops_options(c("precision", "index_base")),
                   list(precision = "float32", index_base = 1L))
  expect_error(set_rkeops_options(precison = "float64"), "did you mean `precision`",
               class = "rkeops_error_argument")
})

test_that("the short functions and the names of RKeOps 1.x set options", {
  old <- get_rkeops_options()
  on.exit(set_rkeops_options(old))
  rkeops_use_float64()
  expect_identical(get_rkeops_option("precision"), "float64")
  compile4float32()
  expect_identical(get_rkeops_option("precision"), "float32")
  compile4float64()
  rkeops_use_float32()
  expect_identical(get_rkeops_option("precision"), "float32")
  use_cpu()
  expect_identical(get_rkeops_options("ncore"), 0L)
  rkeops_use_cpu(ncore = 1)
  expect_identical(get_rkeops_options("ncore"), 1L)
  expect_error(rkeops_use_cpu(-1), class = "rkeops_error_argument")
  set_rkeops_option("tagCpuGpu", 0)
  expect_identical(get_rkeops_options("backend"), "CPU")
  rkeops_disable_verbosity()
  expect_identical(get_rkeops_options("verbosity"), 0L)
  rkeops_enable_verbosity()
  expect_identical(get_rkeops_options("verbosity"), 1L)
})

# What the error stream gets from a sum that is new to the engine, with these options.
shown <- function(number, ...) {
  engine <- if (.Call(C_has_compiler)) "compiled" else "auto"
  old <- set_rkeops_options(engine = engine, ...)
  on.exit(set_rkeops_options(old))
  text <- paste0("Sum_Reduction(x - y - ", strrep("y - ", number), "x, j)")
  utils::capture.output({
    op <- keops_kernel(text, c("x=Vi(1)", "y=Vj(1)"))
    invisible(op(list(1, 2)))
  }, type = "message")
}

test_that("debug shows what the stages make of a new formula", {
  heads <- function(lines) grep("^rkeops [a-z]+:$", lines, value = TRUE)
  expect_identical(shown(1, debug = 0), character())
  expect_identical(heads(shown(2, debug = "parse")), "rkeops parse:")
  parsed <- shown(3, debug = "parse")
  expect_match(parsed, "  Sum_Reduction(((((x - y) - y) - y) - y) - x, j)", fixed = TRUE,
               all = FALSE)
  expect_identical(heads(shown(4, debug = c("nest", "derive"))),
                   c("rkeops derive:", "rkeops nest:"))
  stages <- if (.Call(C_has_compiler)) traced_stages() else setdiff(traced_stages(), "emit")
  expect_identical(heads(shown(5, debug = TRUE)), paste0("rkeops ", stages, ":"))
  expect_identical(heads(shown(5, debug = TRUE)), character()) # it is known
  expect_identical(heads(shown(6, debug = FALSE)), character())
  expect_error(set_rkeops_options(debug = c("parse", "nests")), "did you mean `nest`",
               class = "rkeops_error_argument")
  expect_error(set_rkeops_options(debug = NA_character_), class = "rkeops_error_argument")
})

test_that("RKEOPS_TRACE shows stages from the next new formula on", {
  old <- Sys.getenv("RKEOPS_TRACE", NA)
  on.exit(if (is.na(old)) Sys.unsetenv("RKEOPS_TRACE") else Sys.setenv(RKEOPS_TRACE = old))
  Sys.setenv(RKEOPS_TRACE = "fuse")
  expect_identical(shown(7, debug = "parse")[1], "rkeops parse:")
  expect_true("rkeops fuse:" %in% shown(8))
  Sys.unsetenv("RKEOPS_TRACE")
  expect_identical(shown(9), character())
})

test_that("options that were written by hand are checked when they are used, each by its name", {
  old <- getOption("rkeops")
  on.exit(options(rkeops = old))
  by_hand <- list(backend = "TPU", engine = "jit", device_id = 0.5, precision = "double", verbosity = 2,
                  debug = "yes", cache_dir = 3, formula_only = NA, index_base = -7.5, ncore = -1,
                  accumulator = "float16", sum_scheme = "kahan", fast_math = "yes",
                  gpu_memory = -1, prepared_memory = -1, compiler = 1, compile_timeout = 0,
                  cache_limit = "all", progress = 2, prune = 2, check_precision = "once")
  expect_setequal(names(by_hand), rkeops_option_names())
  op <- keops_kernel("Sum_Reduction(x - y, j)", c("x=Vi(1)", "y=Vj(1)"))
  for (name in names(by_hand)) {
    options(rkeops = by_hand[name])
    expect_error(op(list(1, 2)), paste0("$", name, "`"), fixed = TRUE,
                 class = "rkeops_error_argument")
    options(rkeops = replace(unclass(old), name, by_hand[name]))
    expect_error(sum(Vi(matrix(1)) - Vj(matrix(2)), "j"), paste0("$", name, "`"), fixed = TRUE,
                 class = "rkeops_error_argument")
  }
  options(rkeops = list(bakend = "CPU"))
  expect_error(op(list(1, 2)), "did you mean `backend`", class = "rkeops_error_argument")
  expect_error(set_rkeops_options(structure(by_hand[1], class = "rkeops_options")), "TPU",
               class = "rkeops_error_argument")
})

test_that("a list of some options by hand leaves the others at their defaults", {
  old <- getOption("rkeops")
  on.exit(options(rkeops = old))
  options(rkeops = list(precision = "float32", verbosity = FALSE))
  expect_identical(get_rkeops_options(c("precision", "verbosity", "index_base")),
                   list(precision = "float32", verbosity = 0L, index_base = 1L))
  by_hand <- get_rkeops_options()
  expect_identical(set_rkeops_options(), by_hand)
  expect_identical(get_rkeops_options("precision"), "float64")
  # what is handed back are options, which are put back as a whole
  options(rkeops = list(ncore = 1))
  before <- set_rkeops_options(by_hand)
  set_rkeops_options(before)
  expect_identical(get_rkeops_options(c("precision", "ncore")),
                   list(precision = "float64", ncore = 1L))
})

test_that("sum_scheme of the session holds for operators that were given none", {
  make <- function(...) keops_kernel("Sum_Reduction(x*y, j)", c("x=Vi(1)", "y=Vj(1)"), ...)
  source_of <- function(op, scheme)
    with_options(list(sum_scheme = scheme, precision = "float32"), as.character(keops_source(op)))
  plain <- make()
  expect_identical(plain()$sum_scheme, "auto")
  for (scheme in c("direct_sum", "kahan_scheme"))
    expect_identical(source_of(plain, scheme), source_of(make(sum_scheme = scheme), "auto"))
  expect_identical(source_of(make(sum_scheme = "auto"), "kahan_scheme"), source_of(plain, "auto"))
  expect_false(source_of(plain, "kahan_scheme") == source_of(plain, "auto"))
  # 1e5 terms beside a large one, which plain float32 loses
  found <- with_options(list(sum_scheme = "kahan_scheme", accumulator = "float32",
                             precision = "float32"), plain(list(1, c(2^24, rep(0.5, 1e5)))))
  expect_identical(found[1], 2^24 + 5e4)
})

test_that("loading the package makes and prints nothing", {
  home <- tempfile("home")
  dir.create(home)
  script <- "library(rkeops); x <- Vi(matrix(1)); stopifnot(is.null(getOption('rkeops')))"
  out <- run_r(script, env = c(paste0("R_USER_CACHE_DIR=", home)))
  expect_identical(out$status, 0L)
  expect_identical(dir(home, recursive = TRUE, include.dirs = TRUE), character())
})

# What a call says of its progress with a line at each look (some ten of them).
progress_lines <- function(progress, verbosity = 1) {
  before <- session$line_every
  old <- set_rkeops_options(progress = progress, verbosity = verbosity)
  session$line_every <- 0
  on.exit({
    session$line_every <- before
    .Call(C_know_options, NULL)
    set_rkeops_options(old)
  })
  x <- Vi(matrix(1:15000 / 3e4))
  y <- Vj(matrix(1:15000 / 3e4))
  utils::capture.output(invisible(sum(tanh(x - y), "j")), type = "message")
}

test_that("progress can be asked for in scripts, as lines", {
  lines <- progress_lines("log")
  expect_gt(length(lines), 0)
  expect_match(lines, "^rkeops: [0-9]+ %, [0-9]+ s$")
  share <- as.numeric(sub("rkeops: ([0-9]+) .*", "\\1", lines))
  expect_false(is.unsorted(share))
  expect_true(all(share <= 100))
  expect_identical(progress_lines("log", verbosity = 0), character())
  expect_identical(progress_lines(FALSE), character())
  skip_if(interactive())
  expect_identical(progress_lines(TRUE), character())
})

test_that("progress is TRUE, FALSE or \"log\"", {
  old <- set_rkeops_options(progress = "log")
  on.exit(set_rkeops_options(old))
  expect_identical(get_rkeops_options("progress"), "log")
  for (wrong in list("bar", 1, NA, NULL, c(TRUE, FALSE)))
    expect_error(set_rkeops_options(list(progress = wrong)), "TRUE, FALSE or \"log\"",
                 class = "rkeops_error_argument")
  expect_error(set_rkeops_options(progress = "lgo"), "did you mean `log`",
               class = "rkeops_error_argument")
})

test_that("calls follow the options, however these are set, and whatever was computed before", {
  x <- Vi(matrix(1:6 / 7, 3))
  y <- Vj(matrix(1:8 / 9, 4))
  K <- exp(-sqdist(x, y))
  b <- 1:4 / 3
  values <- function() list(sum(K, "j"), K %*% b, crossprod(K, 1:3))
  digits <- function(values, truth) base::max(abs(unlist(values) / unlist(truth) - 1))
  old <- set_rkeops_options(precision = "float64")
  on.exit(set_rkeops_options(old))
  exact <- values()
  rkeops_use_float32()
  expect_gt(digits(values(), exact), 1e-9)
  options(rkeops = old) # by hand
  by_hand <- unclass(old)
  by_hand$precision <- "float64"
  options(rkeops = by_hand)
  expect_identical(values(), exact)
  expect_gt(digits(sum(K, "j", precision = "float32"), exact[[1]]), 1e-9)
  expect_identical(values(), exact)
  set_rkeops_options(formula_only = TRUE)
  expect_error(sum(K, "j"), "formula_only", class = "rkeops_error_formula")
  expect_error(K %*% b, "formula_only", class = "rkeops_error_formula")
  by_hand$precision <- "float65"
  options(rkeops = by_hand)
  expect_error(K %*% b, "float65", class = "rkeops_error_argument")
  options(rkeops = unclass(old))
  set_rkeops_options(precision = "float64")
  expect_identical(values(), exact)
})
