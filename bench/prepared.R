# What a step of an iteration costs when its data comes again: beside calls that keep nothing of it
# (option `prepared_memory` = 0), in one process, by processor time, in turn.
#
#     Rscript bench/prepared.R [ROUNDS]

source("bench/common.R")
set.seed(1)
rounds <- as.integer(c(commandArgs(trailingOnly = TRUE), 5)[1])
set_rkeops_options(verbosity = 0L)

points <- function(n, d) matrix(runif(n * d), ncol = d)
declared <- function(d, ...) c(paste0(c("x=Vi(", "y=Vj("), d, ")"), ...)

# Each case makes a function that does a step with new values of what changes.
k_means <- function(n, d, k) {
  x <- points(n, d)
  op <- keops_kernel("ArgMin_Reduction(SqDist(x,y), j)", declared(d))
  function() op(list(x, points(k, d)))
}
product <- function(n, d, s, radius = NULL) {
  x <- points(n, d)
  op <- keops_kernel("Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)", declared(d, "b=Vj(1)", "s=Pm(1)"))
  if (is.null(radius)) return(function() op(list(x, x, runif(n), s)))
  near <- keep_near(x, radius = radius)
  function() op(list(x, x, runif(n), s), blocks = near)
}
sinkhorn <- function(n, d, s) {
  x <- points(n, d)
  y <- points(n, d)
  op <- keops_kernel("LogSumExp_Reduction(f-s*SqDist(x,y), j)",
                     declared(d, "f=Vj(1)", "s=Pm(1)"))
  function() op(list(x, y, rnorm(n) / 10, s))
}

cases <- list(
  "k-means, N = 1e6, D = 3, 20 centres" = list(k_means, 1e6, 3, 20),
  "k-means, N = 1e6, D = 3, 100 centres" = list(k_means, 1e6, 3, 100),
  "k-means, N = 1e6, D = 20, 20 centres" = list(k_means, 1e6, 20, 20),
  "k-means, N = 1e5, D = 3, 20 centres" = list(k_means, 1e5, 3, 20),
  "CG, N = 1e4, D = 3, all pairs" = list(product, 1e4, 3, 1),
  "CG, N = 1e5, D = 3, pairs within 0.02" = list(product, 1e5, 3, 1e5, 0.02),
  "Sinkhorn, N = 1e4, D = 3, all pairs" = list(sinkhorn, 1e4, 3, 10),
  "Sinkhorn, N = 1e5, D = 3, blur 0.01" = list(sinkhorn, 1e5, 3, 1e4))

# Milliseconds of processors for a step: about a tenth of a second of them.
step_time <- function(step, times) {
  step()
  step()
  before <- sum(proc.time()[1:2])
  for (k in seq_len(times)) step()
  1e3 * (sum(proc.time()[1:2]) - before) / times
}

measure <- function(case, precision) {
  use_precision(precision)
  step <- do.call(case[[1]], case[-1])
  step()
  times <- max(3, ceiling(0.2 / max(seconds(step()), 1e-3)))
  out <- replicate(rounds, vapply(c(0, 512 * 2^20), function(bytes) {
    set_rkeops_options(prepared_memory = bytes)
    step_time(step, times)
  }, 0))
  clean_rkeops(all = FALSE)
  apply(out, 1, min)
}

table <- do.call(rbind, lapply(c("float64", "float32"), function(precision)
  do.call(rbind, lapply(names(cases), function(name) {
    time <- measure(cases[[name]], precision)
    data.frame(case = name, precision = precision, `nothing kept (ms)` = sprintf("%.1f", time[1]),
               `kept (ms)` = sprintf("%.1f", time[2]), ratio = sprintf("%.2f", time[2] / time[1]),
               check.names = FALSE)
  }))))
keep("prepared", table, paste(
  "Processor time of both threads for a step, the best of", rounds, "rounds; calls make new values",
  "of what changes, which is part of both columns. bench/prepared.R."))
