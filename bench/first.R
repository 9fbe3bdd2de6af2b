# First calls of programs of several passes: what the compiler takes, with the library as installed.
#
#     Rscript bench/first.R LIBRARY [LIBRARY ...]
#
# Each is value and gradients with 100 points, in a process of its own with an empty kernel cache
# and a compiler that was met before, the libraries in turn, on one thread and on two.

source("bench/common.R")

libraries <- commandArgs(trailingOnly = TRUE)
if (!length(libraries)) libraries <- dirname(find.package("rkeops"))
repetitions <- as.integer(Sys.getenv("RKEOPS_BENCH_ROUNDS", "10"))

points <- c("x=Vi(3)", "y=Vj(3)")
tasks <- list(
  "Gaussian product" = list(text = "Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                            args = c(points, "b=Vj(1)"), by = c("x", "y", "b")),
  "log-sum-exp" = list(text = "LogSumExp_Reduction(-g*SqDist(x,y), j)", args = c(points, "g=Pm(1)"),
                       by = c("x", "y", "g")),
  # Two steps of a flow, then a varifold's distance to another shape.
  registration = list(
    text = paste("v1 = Sum_Reduction(Exp(-g*SqDist(x,c1))*p1, j); x1 = x + v1;",
                 "v2 = Sum_Reduction(Exp(-g*SqDist(x1,c2))*p2, j); x2 = x1 + v2;",
                 "Sum_Reduction(Exp(-h*SqDist(x2,y))*Square(Sum(u*w)), j)"),
    args = c(points, "c1=Vj(3)", "p1=Vj(3)", "c2=Vj(3)", "p2=Vj(3)", "u=Vi(3)", "w=Vj(3)",
             "g=Pm(1)", "h=Pm(1)"), by = c("x", "c1", "p1", "c2", "p2", "u")))

# Of one task in this process: seconds by the clock, of processors, and kernels.
first_call <- function(task) {
  width <- as.integer(sub(".*\\(([0-9]+)\\)", "\\1", task$args))
  data <- lapply(seq_along(width), function(k) {
    if (grepl("Pm", task$args[k])) 1 else matrix(sin(k * seq_len(100 * width[k])), 100)
  })
  start <- proc.time()
  keops_value_and_grad(keops_kernel(task$text, task$args), task$by)(data)
  taken <- proc.time() - start
  kernels <- list.files(Sys.getenv("R_USER_CACHE_DIR"), "so$", recursive = TRUE)
  c(taken[["elapsed"]], sum(taken[-3]), length(kernels) - 1)
}

if (Sys.getenv("RKEOPS_BENCH_TASK") != "") {
  keops_kernel("Sum_Reduction(x*y, j)", c("x=Vi(1)", "y=Vj(1)"))(list(1, 1))
  cat("\n", first_call(tasks[[Sys.getenv("RKEOPS_BENCH_TASK")]]), "\n")
  quit()
}

run <- function(library, task, used) {
  out <- system2(file.path(R.home("bin"), "Rscript"), c("bench/first.R"), stdout = TRUE,
                 env = c(paste0("R_LIBS=", library), paste0("RKEOPS_BENCH_THREADS=", used),
                         paste0("RKEOPS_BENCH_TASK=", shQuote(task)), "RKEOPS_BENCH_KEEP_CACHE="))
  scan(text = out[length(out)], quiet = TRUE)
}

measure <- function(task, used) {
  times <- replicate(repetitions, sapply(libraries, run, task, used))
  medians <- apply(times, 1:2, stats::median)
  cells <- sprintf("%.2f s (%.2f s, %.0f)", medians[1, ], medians[2, ], medians[3, ])
  data.frame(task = task, threads = used,
             stats::setNames(as.list(cells), paste("build", seq_along(libraries))),
             check.names = FALSE)
}
rows <- lapply(names(tasks), function(task) rbind(measure(task, 1), measure(task, 2)))
keep("first", do.call(rbind, rows), c(
  sprintf("Value and gradients, float64, first call: medians of %d by the clock; in brackets of",
          repetitions), "the processors, and the number of kernels.",
  Sys.getenv("RKEOPS_BENCH_NOTE")))
