# Calls from R on the GPU, beside the C of bench/gpu.c: called by bench/gpu.sh, prints
# tab-separated lines.
#
#     Rscript bench/gpu.R cases    for each line of `gpu cases` that it reads: "r", key, precision,
#                                  best and median seconds of the whole call; and "end"
#     Rscript bench/gpu.R warm     lines "other ...", as of gpu.c: calls with little to compute
#     Rscript bench/gpu.R start    seconds in this fresh process: driver, first call, next call
#
# The package rkeops must be installed where R finds it.

suppressPackageStartupMessages(library(rkeops))

clock <- function() as.numeric(Sys.time())

# Seconds of calls after a first one: for 0.7 s, at least three.
repeated <- function(f, least = 3) {
  f()
  begun <- clock()
  times <- numeric()
  while (length(times) < least || clock() - begun < 0.7) {
    start <- clock()
    f()
    times <- c(times, clock() - start)
  }
  c(best = min(times), median = stats::median(times))
}

# Points of mean squared distance 4.5, and weights, as in gpu.c but for the numbers themselves.
points_of <- function(rows, D) {
  width <- 3 / sqrt(D / 3)
  matrix(stats::runif(rows * D, -width / 2, width / 2), ncol = D)
}
weights_of <- function(rows, columns) matrix(stats::runif(rows * columns, -1, 1), ncol = columns)

declarations <- function(D, columns) {
  c(sprintf("x=Vi(%d)", D), sprintf("y=Vj(%d)", D), sprintf("b=Vj(%d)", columns),
    sprintf("e=Vi(%d)", columns))
}

# ---- cases ----

measure <- function(line) {
  field <- strsplit(line, "\t")[[1]]
  number <- as.numeric(field[3:6])
  M <- number[1]; N <- number[2]; D <- number[3]; columns <- number[4]
  set.seed(1)
  data <- list(points_of(M, D), points_of(N, D), weights_of(N, columns), weights_of(M, columns))
  if (field[2] == "float64") rkeops_use_float64() else rkeops_use_float32()
  op <- keops_kernel(field[7], declarations(D, columns))
  times <- repeated(function() op(data))
  cat("r", field[1], field[2], times, sep = "\t")
  cat("\n")
}

measure_all <- function() {
  rkeops_use_float32() # each line says its own
  rkeops_use_gpu()
  set_rkeops_options(list(index_base = 1))
  input <- file("stdin", "r")
  while (length(line <- readLines(input, 1))) {
    tryCatch(measure(line), error = function(e) message(line, ": ", conditionMessage(e)))
    cat("end\n")
    flush(stdout())
    gc()
  }
}

# ---- little to compute ----

gauss <- "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"
small <- function() list(points_of(1000, 3), points_of(1000, 3), weights_of(1000, 1))

say <- function(what, times, goal = "", met = "") {
  cat("other", what, times[["best"]], times[["median"]], "median", goal, met, sep = "\t")
  cat("\n")
}

measure_warm <- function() {
  rkeops_use_float32()
  rkeops_use_gpu()
  data <- small()
  op <- keops_kernel(gauss, declarations(3, 1)[1:3])
  times <- repeated(function() op(data))
  say("warm call from R, M = N = 1000", times, "median 100 us",
      if (times[["median"]] <= 1e-4) "met" else "not met")
  K <- exp(-sqdist(Vi(data[[1]]), Vj(data[[2]])))
  b <- data[[3]]
  say("warm product of LazyTensors, M = N = 1000", repeated(function() K %*% b))
  kept <- lapply(data, to_gpu)
  say("warm call from R, inputs on the GPU", repeated(function() op(kept)))
}

# The driver is started by a matrix on the GPU, which needs no kernel.
measure_start <- function() {
  data <- small()
  rkeops_use_float32()
  start <- clock()
  rkeops_use_gpu()
  to_gpu(1)
  started <- clock()
  op <- keops_kernel(gauss, declarations(3, 1)[1:3])
  op(data)
  first <- clock()
  op(data)
  cat(sprintf("%.6f %.6f %.6f\n", started - start, first - started, clock() - first))
}

switch(commandArgs(trailingOnly = TRUE)[1], cases = measure_all(), warm = measure_warm(),
       start = measure_start(), stop("usage: gpu.R cases | warm | start"))
