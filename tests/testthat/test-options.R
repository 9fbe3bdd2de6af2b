test_that("options have defaults, and unknown names and values are refused", {
  old <- set_rkeops_options()
  on.exit(set_rkeops_options(old))
  expect_identical(get_rkeops_options("precision"), "float32")
  expect_identical(get_rkeops_options("backend"), "CPU")
  expect_identical(get_rkeops_options(c("precision", "index_base")),
                   list(precision = "float32", index_base = 1L))
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
  for (wrong in list(5, "x", list(backend = "GPU"))) {
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

test_that("one operator runs in both precisions, read when it is called", {
  x <- uniform(5, 3)
  y <- uniform(7, 3)
  expect_oracle("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(3)", "y=Vj(3)"), list(x, y),
                op = keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(3)", "y=Vj(3)")))
})

test_that("results do not depend on the number of threads", {
  x <- uniform(300, 3)
  y <- uniform(5000, 3)
  run <- function(n) with_options(list(ncore = n), sum(exp(-sqdist(Vi(x), Vj(y))), "j"))
  expect_identical(run(1), run(2))
})

test_that("loading the package makes and prints nothing", {
  home <- tempfile("home")
  dir.create(home)
  script <- "library(rkeops); x <- Vi(matrix(1)); stopifnot(is.null(getOption('rkeops')))"
  out <- run_r(script, env = c(paste0("R_USER_CACHE_DIR=", home)))
  expect_identical(out$status, 0L)
  expect_identical(dir(home, recursive = TRUE, include.dirs = TRUE), character())
})
