# What goes wrong on a GPU, with the stand-in of tests/cuda: each time a classed error, or the right
# result, and nothing left over.

given <- gauss_values()

test_that("without a device the error says so", {
  got <- on_standin(list(class_of(rkeops_use_gpu()), said_by(rkeops_use_gpu()),
                         class_of(rkeops_device_info())), devices = 0)
  expect_identical(got[[1]], "rkeops_error_device")
  expect_match(got[[2]], "GPU")
  expect_match(got[[3]], "none|rkeops_error_device")
})

test_that("an error that stays marks the GPU, and the CPU goes on", {
  got <- on_standin({
    op <- keops_kernel(gauss, gauss_args)
    rkeops_use_gpu()
    first <- op(list(x, y, b))
    X <- to_gpu(x)
    Sys.setenv(RKEOPS_STANDIN_FAIL = "cuLaunchKernel:1:700")
    broken <- said_by(op(list(x, y, b)))
    Sys.setenv(RKEOPS_STANDIN_FAIL = "")
    again <- said_by(op(list(x, y, b)))
    classes <- c(class_of(op(list(x, y, b))), class_of(as.matrix(X)), class_of(to_gpu(x)))
    rm(X)
    invisible(gc())
    other <- { rkeops_use_gpu(1); op(list(x, y, b)) }
    rkeops_use_cpu()
    list(first = first, broken = broken, again = again, classes = classes, other = other,
         cpu = op(list(x, y, b)), chosen = class_of(rkeops_use_gpu(0)),
         backend = get_rkeops_options("backend"))
  }, given, devices = 2)
  expect_match(got$broken, "700|illegal", ignore.case = TRUE)
  expect_match(got$again, "cannot be used|restart", ignore.case = TRUE)
  expect_identical(got$classes, rep("rkeops_error_device", 3))
  expect_identical(got$other, got$first)
  expect_truth(got$cpu)
  expect_identical(got$chosen, "rkeops_error_device")
  expect_identical(got$backend, "CPU")
})

test_that("a long call on a GPU can be interrupted, and the session goes on", {
  if (!on_gpu_machine()) skip_without_standin()
  size <- if (on_gpu_machine()) 1.5e6 else 5e4
  # the stand-in is slow, and told so that its launches are short
  slow <- if (!on_gpu_machine()) standin_env(clock = 1000, multiprocessors = 1) else character()
  expect_interruptible(c(sprintf("x <- matrix(runif(%d), ncol = 3)", 3 * size), "rkeops_use_gpu()",
                         "rkeops_use_float64()"), env = slow)
})
