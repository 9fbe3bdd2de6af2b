# What needs no GPU: options, objects, and clear errors where there is none. See test-gpu-run.R.

without_gpu <- function(code) in_session(substitute(code), env = no_libraries)

test_that("device_id, gpu_memory, fast_math and float16 are checked when they are set", {
  old <- get_rkeops_options()
  on.exit(set_rkeops_options(old))
  refused <- function(...)
    expect_error(set_rkeops_options(list(...)), names(list(...)), class = "rkeops_error_argument")
  for (wrong in list("a", 0.5, NA, -2, c(0, 0), c(-1, 0), integer(), factor(1), Inf, list(0)))
    refused(device_id = wrong)
  for (wrong in list("a", NA, -1, Inf, 1:2, NULL, TRUE)) refused(gpu_memory = wrong)
  for (wrong in list("a", NA, 1, NULL)) refused(fast_math = wrong)
  refused(backend = "TPU")
  expect_identical(get_rkeops_options(), old)

  set_rkeops_options(list(device_id = c(1, 0), gpu_memory = 1e9, fast_math = TRUE))
  expect_identical(get_rkeops_options(c("device_id", "gpu_memory", "fast_math")),
                   list(device_id = 1:0, gpu_memory = 1e9, fast_math = TRUE))
  expect_output(print(get_rkeops_options()), "device_id +1, 0")
  expect_true("option device_id: 1, 0" %in% rkeops_sitrep())
  rkeops_use_float16()
  expect_identical(get_rkeops_option("precision"), "float16")
  set_rkeops_options()
  expect_identical(get_rkeops_options(c("backend", "device_id", "gpu_memory", "fast_math")),
                   list(backend = "CPU", device_id = -1L, gpu_memory = 0, fast_math = FALSE))
})

test_that("rkeops_use_gpu() refuses what is no number of a GPU, and changes nothing", {
  old <- get_rkeops_options()
  for (wrong in list("a", -2, NA, c(1, 1), 0.5))
    for (use in list(rkeops_use_gpu, use_gpu))
      expect_error(use(wrong), "device", class = "rkeops_error_argument")
  expect_identical(get_rkeops_options(), old)
})

test_that("without driver or NVRTC, rkeops_use_gpu() says what is missing and the CPU goes on", {
  got <- without_gpu({
    op <- keops_kernel("Sum_Reduction(x, j)", "x=Vi(1)")
    list(class = class_of(rkeops_use_gpu()), said = said_by(rkeops_use_gpu()),
         old_name = class_of(use_gpu(0)), info = class_of(rkeops_device_info()),
         copy = said_by(to_gpu(1)), backend = get_rkeops_options("backend"), result = op(list(1)),
         report = unclass(rkeops_sitrep()))
  })
  expect_identical(got$class, "rkeops_error_device")
  expect_match(got$said, "RKEOPS_(CUDA|NVRTC)_PATH")
  expect_identical(got$old_name, "rkeops_error_device")
  expect_identical(got$info, "rkeops_error_device")
  expect_match(got$copy, "rkeops_use_gpu()", fixed = TRUE)
  expect_identical(got$backend, "CPU")
  expect_identical(got$result, matrix(1))
  expect_true(any(grepl("CUDA driver: ", got$report)))
  expect_true(any(grepl("NVRTC: ", got$report)))
})

test_that("where nothing is found, the error says what to install", {
  said <- in_session(quote(said_by(rkeops_use_gpu())))
  skip_if(said == "", "there is a GPU")
  expect_match(said, "install|nvidia-smi|RKEOPS_", ignore.case = TRUE)
})

test_that("the backend is looked for when something is computed, not when the option is set", {
  got <- without_gpu({
    op <- keops_kernel("Sum_Reduction(x, j)", "x=Vi(1)")
    old <- set_rkeops_options(list(backend = "GPU", device_id = 0))
    new <- keops_kernel("Sum_Reduction(x+x, j)", "x=Vi(1)")
    x_i <- Vi(matrix(1))
    classes <- c(class_of(op(list(1))), class_of(new(list(1))), class_of(sum(x_i, "j")),
                 class_of(to_gpu(1)))
    checks <- suppressMessages(check_rkeops())
    rkeops_use_cpu()
    on_cpu <- c(op(list(1)), new(list(1)), sum(x_i, "j"))
    set_rkeops_option("tagCpuGpu", 1)
    again <- class_of(op(list(1)))
    set_rkeops_options(old)
    list(classes = classes, checks = checks, on_cpu = on_cpu, again = again, back = op(list(1)))
  })
  expect_identical(got$classes, rep("rkeops_error_device", 4))
  expect_false(got$checks)
  expect_identical(got$on_cpu, c(1, 2, 1))
  expect_identical(got$again, "rkeops_error_device")
  expect_identical(got$back, matrix(1))
})

test_that("float16 on a CPU is an error at the call", {
  got <- without_gpu({
    op <- keops_kernel("Sum_Reduction(x, j)", "x=Vi(1)")
    rkeops_use_float16()
    at_call <- c(class_of(op(list(1))), class_of(sum(Vi(matrix(1)), "j")))
    said <- said_by(op(list(1)))
    rkeops_use_float32()
    list(at_call = at_call, said = said, back = op(list(1)))
  })
  expect_identical(got$at_call, rep("rkeops_error_device", 2))
  expect_match(got$said, "float16.*rkeops_use_gpu")
  expect_identical(got$back, matrix(1))
})

test_that("fast_math has no effect on a CPU", {
  skip_on_gpu_machine()
  x <- uniform(20, 3)
  run <- function(fast) with_options(list(fast_math = fast), sum(exp(-sqdist(Vi(x), Vj(x))), "j"))
  expect_identical(run(TRUE), run(FALSE))
})

test_that("computing on the CPU opens none of NVIDIA's libraries", {
  skip_if_not(file.exists("/proc/self/maps"), "needs /proc")
  opened <- in_session(quote({
    invisible(sum(exp(-sqdist(Vi(matrix(1:3)), Vj(matrix(1:3)))), "j"))
    rkeops_use_cpu()
    set_rkeops_options()
    grep("libcuda|libnvrtc|standin", readLines("/proc/self/maps"), value = TRUE)
  }), env = if (has_standin()) standin_env() else character())
  expect_identical(opened, character())
})

test_that("an object of another session is refused by name, and says what it is", {
  # what readRDS() makes of it: the pointer is empty
  lost <- new_gpu(NULL, matrix(0, 4, 3), NULL)
  expect_output(print(lost), "4 x 3 on the GPU of another R session")
  expect_identical(dim(lost), 4:3)
  op <- keops_kernel("Sum_Reduction(SqDist(x,y), j)", c("x=Vi(3)", "y=Vj(3)"))
  refused <- function(code) expect_error(code, "to_gpu", class = "rkeops_error_device")
  for (use in list(Vi, Vj, to_gpu, as.matrix, as.numeric, function(x) LazyTensor(x, "i")))
    refused(use(lost))
  expect_error(op(list(y = uniform(5, 3), x = lost)), "`x` lies on the GPU of another R session",
               class = "rkeops_error_device")
  refused(Pm(new_gpu(NULL, 1:3, NULL)))
})
