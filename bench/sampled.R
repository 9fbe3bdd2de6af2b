# What it costs to compare rows of float32 results with float64 (option `check_precision`): calls whose turn
# it is beside the same calls without, in one process and in turn: processor time on one thread. A number
# that is new makes a new operator, whose first call is checked, and no new kernel.
#
#     Rscript bench/sampled.R [repetitions] [rows ...]

source("bench/common.R")

arguments <- as.numeric(commandArgs(trailingOnly = TRUE))
repetitions <- if (length(arguments)) arguments[1] else 7
sizes <- if (length(arguments) > 1) arguments[-1] else c(900, 1000, 3000, 1e4, 3e4, 1e5)

rkeops_use_cpu(ncore = 1)
use_precision("float32")
set_rkeops_options(list(prune = FALSE))

texts <- c("Gaussian sum" = "Sum_Reduction(Exp(-SqDist(x,y)*%.8f), j)",
           "log-sum-exp" = "LogSumExp_Reduction(-SqDist(x,y)*%.8f, j)",
           "gradient of the Gaussian sum" = "Grad(Sum_Reduction(Exp(-SqDist(x,y)*%.8f), j), x, 1)",
           "5 nearest" = "KMin_ArgKMin_Reduction(SqDist(x,y)*%.8f, 5, j)")
fresh <- local({
  number <- 1
  function() number <<- number + 1e-6
})
new_operator <- function(text) keops_kernel(sprintf(text, fresh()), c("x=Vi(3)", "y=Vj(3)"))

processor_seconds <- function() sum(proc.time()[1:2])

# Seconds of the first call of operators, many at once where one is short.
first_calls <- function(text, data, on) {
  many <- max(1, round(2e8 / nrow(data[[1]])^2))
  function() {
    set_rkeops_options(list(check_precision = on))
    operators <- lapply(seq_len(many), function(k) new_operator(text))
    start <- processor_seconds()
    for (op in operators) op(data)
    (processor_seconds() - start) / many
  }
}

# Of long calls few do.
row_of <- function(name, n) {
  data <- list(matrix(runif(3 * n), n), matrix(runif(3 * n), n))
  times <- alternate(list(on = first_calls(texts[[name]], data, TRUE),
                          off = first_calls(texts[[name]], data, FALSE)),
                     if (n > 5e4) 2 else repetitions)
  best <- best_and_median(times)["best", ]
  data.frame(case = name, pairs = format(n^2, scientific = TRUE, digits = 1),
             ms = format(1e3 * best[["off"]], digits = 3), checked = format(1e3 * best[["on"]], digits = 3),
             ratio = sprintf("%.3f", best[["on"]] / best[["off"]]))
}

rows <- list()
for (n in sizes) for (name in names(texts)[if (n > 5e4) 1 else seq_along(texts)])
  rows[[length(rows) + 1]] <- row_of(name, n)
keep("sampled", do.call(rbind, rows),
     c("ms: of a call that is not checked. Fewer than 1e6 pairs are never checked. Of calls 1 to 10 of an",
       "operator two are, of calls 1 to 100 three."))
