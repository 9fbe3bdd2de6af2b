# GPUs in tests: R code runs in another process, on the stand-in driver of tests/cuda (see
# tools/test.sh) or on the GPU of this machine (RKEOPS_TEST_GPU=1, where all tests compute on it).
# What vignettes/gpu.Rmd says is tested in test-gpu*.R.

standin_folder <- function() Sys.getenv("RKEOPS_STANDIN_DIR")
has_standin <- function() nzchar(standin_folder())
on_gpu_machine <- function() nzchar(Sys.getenv("RKEOPS_TEST_GPU"))
skip_on_gpu_machine <- function() testthat::skip_if(on_gpu_machine(), "is about the CPU")

no_libraries <- c("RKEOPS_CUDA_PATH=/nowhere/libcuda.so", "RKEOPS_NVRTC_PATH=/nowhere/libnvrtc.so")

# Environment of a process that finds the stand-ins. Settings are those of tests/cuda/README.md, in
# lower case: devices = 2, memory = 1e6, lazy = 1.
standin_env <- function(...) {
  settings <- vapply(list(...), format, "", scientific = FALSE)
  c(paste0("RKEOPS_CUDA_PATH=", standin_library("libcuda.so.1")),
    paste0("RKEOPS_NVRTC_PATH=", standin_library("libnvrtc.so")),
    paste0("RKEOPS_STANDIN_CACHE=", standin_cache()),
    sprintf("RKEOPS_STANDIN_%s=%s", toupper(names(settings)), settings))
}

# Kernels compiled by the stand-in: kept for the next run of the tests.
standin_cache <- function() {
  folder <- Sys.getenv("RKEOPS_STANDIN_CACHE", file.path(standin_folder(), "cache"))
  dir.create(folder, showWarnings = FALSE)
  folder
}

standin_library <- function(name) file.path(standin_folder(), name)

skip_without_standin <- function()
  testthat::skip_if_not(has_standin(), "the stand-in for a GPU is not built, see tests/cuda")

# The value of R code in a process with a GPU: the stand-in, or the true one of this machine, where
# there are no settings. Skips where there is neither.
on_gpu <- function(code, values = list(), ...) {
  if (!on_gpu_machine()) skip_without_standin()
  in_session(substitute(code), values, if (!on_gpu_machine()) standin_env(...))
}

on_standin <- function(code, values = list(), ...) {
  skip_without_standin()
  in_session(substitute(code), c(values, list(standin = standin_library("libcuda.so.1"))),
             standin_env(...))
}

# The value of an R expression in another process that uses the cache of the tests and knows the
# variables in `values`. What the process says on its way out is in the failure.
in_session <- function(code, values = list(), env = character()) {
  given <- tempfile(fileext = ".rds")
  made <- tempfile(fileext = ".rds")
  on.exit(unlink(c(given, made)))
  saveRDS(values, given)
  out <- run_r(c(using_cache(get_rkeops_cache_dir()), "rkeops_use_cpu(ncore = 2)",
                 "class_of <- function(code)",
                 "  tryCatch({ code; 'none' }, error = function(e) class(e)[1])",
                 "said_by <- function(code) tryCatch({ code; '' }, error = conditionMessage)",
                 "count <- function(what) .C('rkeops_standin_counts', what, n = 0)$n",
                 sprintf("invisible(list2env(readRDS(%s), environment()))", deparse(given)),
                 paste("value <- local(", paste(deparse(code), collapse = "\n"), ")"),
                 sprintf("saveRDS(value, %s)", deparse(made))), env = env)
  if (out$status != 0L || !file.exists(made))
    stop("the process ended with status ", out$status, ":\n", paste(out$output, collapse = "\n"))
  readRDS(made)
}

# Examples of most tests: a Gaussian product of 70 x 150 points.
gauss <- "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"
gauss_args <- c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)")
gauss_values <- function(M = 70, N = 150) {
  set.seed(3)
  list(x = uniform(M, 3), y = uniform(N, 3), b = uniform(N, 1), gauss = gauss,
       gauss_args = gauss_args)
}

# What they give, and whether this is it.
gauss_truth <- function()
  oracle("Sum_Reduction(Exp(-(SqDist(x,y)))*b, j)", gauss_args, gauss_values()[c("x", "y", "b")])
expect_truth <- function(found, eps = machine_eps[["float32"]]) {
  truth <- gauss_truth()
  expect_within(found, truth$value, truth$scale, eps, label = "on a GPU")
}
