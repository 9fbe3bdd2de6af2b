in_new_cache <- function(code) {
  folder <- tempfile("cache")
  dir.create(folder, mode = "0700")
  on.exit(unlink(folder, recursive = TRUE))
  with_options(list(cache_dir = folder, engine = "compiled"), code)
}

test_that("the cache folder is reported, measured and emptied", {
  skip_without_compiler()
  in_new_cache({
    clean_rkeops(verbose = FALSE) # kernels in the folder that is used when a cache cannot be, too
    expect_identical(stat_rkeops_cache_dir(verbose = FALSE), "0")
    keops_kernel("Sum_Reduction(x*1.25+x, j)", "x=Vi(1)")(list(1))
    clean <- stat_rkeops_cache_dir(verbose = FALSE)
    expect_message(stat_rkeops_cache_dir(verbose = TRUE, startup = TRUE), "clean_rkeops")
    expect_match(clean, "B$")
    clean_rkeops(verbose = FALSE, all = FALSE)
    expect_identical(stat_rkeops_cache_dir(verbose = FALSE), clean)
    clean_rkeops(verbose = FALSE)
    expect_identical(stat_rkeops_cache_dir(verbose = FALSE), "0")
    expect_error(clean_rkeops(all = "yes"), class = "rkeops_error_argument")
    clean_rkeops(verbose = FALSE, remove_cache_dir = TRUE)
    expect_false(dir.exists(get_rkeops_cache_dir()))
  })
})

test_that("cleaning leaves files of others alone", {
  in_new_cache({
    mine <- file.path(get_rkeops_cache_dir(), "notes.txt")
    writeLines("mine", mine)
    clean_rkeops(verbose = FALSE, remove_cache_dir = TRUE)
    expect_true(file.exists(mine))
  })
})

test_that("set_rkeops_cache_dir() takes existing folders and says what it did", {
  old <- get_rkeops_options()
  on.exit(set_rkeops_options(old))
  expect_message(set_rkeops_cache_dir(tempdir(), verbose = TRUE), class = "rkeops_message")
  expect_identical(get_rkeops_cache_dir(), normalizePath(tempdir()))
  expect_error(set_rkeops_cache_dir(tempfile()), class = "rkeops_error_argument")
  set_rkeops_cache_dir(NULL, verbose = FALSE)
  expect_identical(get_rkeops_cache_dir(), tools::R_user_dir("rkeops", "cache"))
  variables <- c("R_USER_CACHE_DIR", "XDG_CACHE_HOME")
  before <- Sys.getenv(variables, NA)
  on.exit(for (name in variables) if (is.na(before[[name]])) Sys.unsetenv(name)
          else do.call(Sys.setenv, as.list(before[name])), add = TRUE)
  Sys.setenv(XDG_CACHE_HOME = "of-others")
  for (name in c(variables, "HOME")) { # one after the other is not there
    expect_identical(default_cache_dir(), tools::R_user_dir("rkeops", "cache"))
    if (name != "HOME") Sys.unsetenv(name)
  }
})

test_that("a kernel is compiled once, for all literals, and found again on disk", {
  skip_without_compiler()
  in_new_cache({
    x <- matrix(runif(5))
    run <- function(number)
      keops_kernel(sprintf("Sum_Reduction(Exp(-%.17g*Square(x))*3.5, i)", number),
                   "x=Vi(1)")(list(x))
    run(0.1)
    before <- counters()[["compiles"]]
    for (number in runif(100, 2.5, 9)) run(number)
    expect_identical(counters()[["compiles"]], before)
    expect_equal(run(7.25), matrix(sum(exp(-7.25 * x^2) * 3.5)), tolerance = 1e-14)

    skip_on_gpu_machine()
    out <- run_r(c(using_cache(get_rkeops_cache_dir()),
                   "op <- keops_kernel('Sum_Reduction(Exp(-4.5*Square(x))*3.5, i)', 'x=Vi(1)')",
                   "invisible(op(list(matrix(1:5))))",
                   "cat(rkeops:::counters()[c('compiles', 'disk_hits')])"))
    expect_identical(out$output, "0 1")
  })
})

test_that("numbers in LazyTensors are never compiled in", {
  x <- Vi(matrix(runif(5)))
  sum(x * 0.1, "i")
  before <- counters()[["compiles"]]
  for (number in runif(20, 2.5, 9)) sum(x * number, "i")
  expect_identical(counters()[["compiles"]], before)
})
