test_that("a long call can be interrupted, and the session goes on", {
  expect_interruptible("x <- matrix(runif(3e6), ncol = 3)")
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
