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

# Some calls of some functions fail once: in a right result or in a classed error, and nothing is left
# over. All calls of all functions: tests/cuda/test_faults.c.
test_that("whichever call of the driver fails, the error is classed or the result right", {
  got <- on_standin({
    dyn.load(standin)
    op <- keops_kernel(gauss, gauss_args)
    outcome <- function(code) tryCatch(code, rkeops_error = function(e) class(e)[1])
    failing <- function(name, k, code, run) {
      Sys.setenv(RKEOPS_STANDIN_FAIL = sprintf("%s:%d:%d", name, k, code))
      on.exit(Sys.setenv(RKEOPS_STANDIN_FAIL = ""))
      outcome(run())
    }
    starting <- lapply(c("cuInit", "cuDeviceGetCount", "cuDevicePrimaryCtxRetain"), failing, 1, 999,
                       rkeops_use_gpu)
    rkeops_use_gpu(0)
    all <- function() {
      X <- to_gpu(x)
      list(op(list(X, y, b)), as.matrix(X))
    }
    all()
    left <- function() {
      invisible(gc())
      c(rkeops_device_info()$held[1], vapply(c("pushed", "streams", "events", "pinned"), count, 1))
    }
    good <- all()
    at_rest <- left()
    running <- list()
    for (name in c("cuMemAlloc", "cuMemHostAlloc", "cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync",
                   "cuEventRecord", "cuLaunchKernel", "cuCtxPushCurrent", "cuModuleLoadDataEx"))
      for (code in if (grepl("Alloc|Launch|Load", name)) 2:1 else 1) for (k in 1:4) {
        if (grepl("Module", name)) .Call(rkeops:::C_forget)
        end <- failing(name, k, code, all)
        running <- c(running, list(list(paste(name, code, k),
                                        if (identical(end, good)) "right" else end, left())))
      }
    list(starting = starting, running = running, at_rest = at_rest, after = identical(all(), good))
  }, given, devices = 2)
  expect_identical(got$starting, as.list(rep("rkeops_error_device", 3)))
  for (run in got$running) {
    expect_match(run[[2]], "^(right|rkeops_error_(device|memory|compile))$", label = run[[1]])
    expect_identical(run[[3]], got$at_rest, label = paste("left after", run[[1]]))
  }
  expect_true(any(vapply(got$running, `[[`, "", 2) != "right"))
  expect_true(got$after)
})

test_that("a failure of NVRTC is an error of class rkeops_error_compile, and not for ever", {
  got <- on_standin({
    op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b*Sin(b), j)", gauss_args)
    rkeops_use_gpu()
    outcome <- function(fault) {
      Sys.setenv(RKEOPS_STANDIN_FAIL = fault)
      end <- class_of(op(list(x, y, b)))
      Sys.setenv(RKEOPS_STANDIN_FAIL = "")
      end
    }
    c(outcome("nvrtcCreateProgram:1:4"), outcome("nvrtcCompileProgram:1:6"),
      outcome("nvrtcGetCUBIN:1:4"), outcome(""))
  }, given)
  expect_identical(got, c(rep("rkeops_error_compile", 3), "none"))
})

# The file of a process that computes for long: it writes its number, then "done" or what
# `at_interrupt` gives, then TRUE. The stand-in is slow, and told so that its launches are short.
long_call <- function(at_interrupt = "0") {
  file <- tempfile()
  size <- if (on_gpu_machine()) 1.5e6 else 5e4
  script <- r_script(c(
    using_cache(get_rkeops_cache_dir()), sprintf("x <- matrix(runif(%d), ncol = 3)", 3 * size),
    "rkeops_use_gpu()",
    "rkeops_use_float64()",
    "invisible(sum(exp(-sqdist(Vi(x[1:9, ]), Vj(x[1:9, ]))), 'j'))",
    sprintf("report <- function(...) cat(..., '\\n', file = %s, append = TRUE)", deparse(file)),
    "report(Sys.getpid())",
    "tryCatch({ for (k in 1:20) sum(exp(-sqdist(Vi(x), Vj(x))), 'j'); report('done') },",
    sprintf("         interrupt = function(e) report(%s))", at_interrupt),
    "report(sum(Vi(x[1:2, ]), 'j')[1] > 0)"))
  slow <- if (!on_gpu_machine()) standin_env(clock = 1000, multiprocessors = 1) else character()
  start_script(script, env = slow)
  file
}

lines_of <- function(file, n) {
  lines <- character()
  for (k in 1:300) {
    if (file.exists(file)) lines <- readLines(file)
    if (length(lines) >= n) break
    Sys.sleep(0.1)
  }
  lines
}

test_that("a long call on a GPU can be interrupted, and the session goes on", {
  skip_on_os("windows")
  if (!on_gpu_machine()) skip_without_standin()
  file <- long_call("as.numeric(Sys.time())")
  on.exit(unlink(file))
  process <- as.integer(lines_of(file, 1)[1])
  on.exit(tools::pskill(process, tools::SIGKILL), add = TRUE)
  skip_if_not(takes_interrupts(process), "this process was started with interrupts ignored")
  Sys.sleep(1)
  stopped <- as.numeric(Sys.time())
  tools::pskill(process, tools::SIGINT)
  lines <- lines_of(file, 3)
  expect_length(lines, 3)
  expect_lt(as.numeric(lines[2]) - stopped, 2)
})

test_that("a process that is killed while it computes on a GPU leaves it usable", {
  skip_on_os("windows")
  if (!on_gpu_machine()) skip_without_standin()
  file <- long_call()
  on.exit(unlink(file))
  process <- as.integer(lines_of(file, 1)[1])
  Sys.sleep(1)
  tools::pskill(process, tools::SIGKILL)
  expect_truth(on_gpu({
    rkeops_use_gpu()
    keops_kernel(gauss, gauss_args)(list(x, y, b))
  }, given))
  expect_length(lines_of(file, 1), 1)
})
