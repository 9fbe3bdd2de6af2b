# Programs whose kernels are built in, without a compiler: rates beside compiled and interpreted ones.
#
#     Rscript bench/builtin.R [repetitions] [N]
#
# Processor time of whole calls on one thread, compile excluded, in turns. "built in" and "by loops" are
# engine "builtin", the latter with RKEOPS_KERNELS=none. Shares are medians of the ratios of turns.

source("bench/common.R")

arguments <- as.numeric(commandArgs(trailingOnly = TRUE))
repetitions <- if (length(arguments) >= 1) arguments[1] else 7
n <- if (length(arguments) >= 2) arguments[2] else 6000

rkeops_use_cpu(ncore = 1)

gauss <- "Sum_Reduction(Exp(-SqDist(x,y)*g)*b, j)"
programs <- list(
  "Gaussian sum" = gauss,
  "Laplacian sum" = "Sum_Reduction(Exp(-Norm2(x-y)*g)*b, j)",
  "Matern 3/2 sum" = "r = Norm2(x-y)*g; Sum_Reduction((1+r)*Exp(-r)*b, j)",
  "Cauchy sum" = "Sum_Reduction(Inv(1+SqDist(x,y)*g)*b, j)",
  "Gaussian gradient" = paste0("Grad(", gauss, ", x, e)"),
  "log-sum-exp" = "LogSumExp_Reduction(b-SqDist(x,y)*g, j)",
  "nearest neighbour" = "ArgMin_Reduction(SqDist(x,y), j)",
  "10 neighbours" = "ArgKMin_Reduction(SqDist(x,y), 10, j)")

processor_time <- function(expression) {
  start <- proc.time()
  force(expression)
  sum((proc.time() - start)[c("user.self", "sys.self")])
}

# What runs a plan is settled when it first runs: an input that is not used makes another plan.
operator <- function(text, declarations, data, by_loops) {
  op <- keops_kernel(text, c(declarations, if (by_loops) "z=Pm(1)"))
  given <- c(data, if (by_loops) list(1))
  function(engine) {
    set_rkeops_options(list(engine = engine))
    if (by_loops) Sys.setenv(RKEOPS_KERNELS = "none")
    on.exit(Sys.unsetenv("RKEOPS_KERNELS"))
    processor_time(op(given))
  }
}

measure <- function(name, D, E, precision) {
  set.seed(1)
  use_precision(precision)
  set_rkeops_options(list(prune = FALSE))
  declarations <- sprintf(c("x=Vi(%d)", "y=Vj(%d)", "b=Vj(%d)", "g=Pm(%d)", "e=Vi(%d)"),
                          c(D, D, E, 1L, E))
  data <- list(matrix(runif(n * D), n), matrix(runif(n * D), n), matrix(runif(n * E), n), 2,
               matrix(runif(n * E), n))
  known <- operator(programs[[name]], declarations, data, FALSE)
  loops <- operator(programs[[name]], declarations, data, TRUE)
  times <- alternate(list(function() known("compiled"), function() known("builtin"),
                          function() loops("builtin")), repetitions)
  share <- function(k) sprintf("%.2f", stats::median(times[, 1] / times[, k]))
  data.frame(what = name, D = D, columns = E, precision = precision,
             "compiled (ns a pair)" = sprintf("%.2f", min(times[, 1]) / n^2 * 1e9),
             "built in, of compiled" = share(2), "by loops, of compiled" = share(3),
             check.names = FALSE)
}

cases <- rbind(expand.grid(name = names(programs), D = 3L, E = 1L, stringsAsFactors = FALSE),
               data.frame(name = "Gaussian sum", D = c(1L, 2L, 10L, 3L), E = c(1L, 1L, 1L, 10L)))
table <- do.call(rbind, lapply(c("float64", "float32"), function(precision)
  do.call(rbind, lapply(seq_len(nrow(cases)), function(k)
    measure(cases$name[k], cases$D[k], cases$E[k], precision)))))
use_precision("float64")
keep("builtin", table,
     c(sprintf("M = N = %g, whole calls from R, processor time of one thread, %d turns.", n,
               repetitions),
       paste("Loops are what runs programs that have no kernel in the package. Sum over columns:",
             "so many weights for each point.")))
