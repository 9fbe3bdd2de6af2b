# A call of some minutes, if nobody stops it.
endless <- "sum(exp(-sqdist(Vi(x), Vj(x))), 'j')"
data <- "x <- matrix(runif(3e6), ncol = 3)"

test_that("a long call can be interrupted, and the session goes on", {
  skip_on_os("windows")
  file <- tempfile()
  script <- r_script(c(
    using_cache(get_rkeops_cache_dir()), data,
    "invisible(sum(exp(-sqdist(Vi(x[1:9, ]), Vj(x[1:9, ]))), 'j'))",
    sprintf("report <- function(...) cat(..., '\\n', file = %s, append = TRUE)", deparse(file)),
    "report(Sys.getpid())",
    sprintf("tryCatch(%s, interrupt = function(e) report(as.numeric(Sys.time())))", endless),
    "report(sum(Vi(x[1:2, ]), 'j')[1] == 0)"))
  on.exit(unlink(c(file, script)))
  start_script(script)
  lines <- function() if (file.exists(file)) readLines(file) else character()
  wait_for <- function(n) for (k in 1:300) if (length(lines()) < n) Sys.sleep(0.1)
  wait_for(1)
  pid <- as.integer(lines()[1])
  on.exit(tools::pskill(pid, tools::SIGKILL), add = TRUE)
  skip_if_not(takes_interrupts(pid), "this process was started with interrupts ignored")
  Sys.sleep(1)
  stopped <- as.numeric(Sys.time())
  tools::pskill(pid, tools::SIGINT)
  wait_for(3)
  expect_length(lines(), 3)
  expect_lt(as.numeric(lines()[2]) - stopped, 2)
})

test_that("a time limit of R ends a long call with R's own error", {
  skip_on_gpu_machine()
  x <- matrix(stats::runif(3e6), ncol = 3)
  on.exit(setTimeLimit())
  expect_error({
    setTimeLimit(elapsed = 1, transient = TRUE)
    sum(exp(-sqdist(Vi(x), Vj(x))), "j")
  }, "time limit")
  setTimeLimit()
  expect_identical(dim(sum(Vi(x[1:2, ]) * Vj(1), "j")), c(2L, 3L))
})
