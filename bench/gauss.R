# Gaussian products, sum_j exp(-|x_i - y_j|^2) b_j, against a hand-written loop in the same run.
#
#     Rscript bench/gauss.R [repetitions]
#
# "rkeops" is the whole call from R, packing of the inputs included, compile excluded; "loop" is
# the loop of bench/yardstick/gauss.c alone, the fastest of several register tiles. Both alternate.
# Share of the FMA peak: floating-point operations of the formula (3 per coordinate, 2 per column,
# 19 in float32 and 29 in float64 for exp) in relation to what multiply-adds alone reach.

source("bench/common.R")

arguments <- commandArgs(trailingOnly = TRUE)
repetitions <- if (length(arguments)) as.integer(arguments[1]) else 5L

cases <- list(c(D = 3, columns = 1, n = 1e5),
              c(D = 15, columns = 15, n = 6e4),
              c(D = 100, columns = 1, n = 4e4))
tiles <- list(c(2, 4), c(2, 8), c(3, 4), c(4, 2), c(4, 4), c(6, 4))
exp_operations <- c(float32 = 19, float64 = 29)

points <- function(n, D) matrix(runif(n * D, -1.5, 1.5) / sqrt(D / 3), ncol = D)

loop <- function(case, precision, tile) {
  definitions <- c(D = case[["D"]], COLUMNS = case[["columns"]], ROWS = tile[1], STEP = tile[2])
  if (precision == "float64") definitions <- c(definitions, FLOAT64 = 1)
  yardstick("gauss.c", "yardstick_gauss", definitions)
}

run_loop <- function(f, x, y, b) {
  .C(f, x, y, b, nrow(x), nrow(y), threads, matrix(0, nrow(x), ncol(b)), 0)[7:8]
}

fastest_loop <- function(case, precision) {
  n <- as.integer(case[["n"]] / 4)
  x <- points(n, case[["D"]])
  y <- points(n, case[["D"]])
  b <- matrix(rnorm(n * case[["columns"]]), n)
  candidates <- lapply(tiles, function(tile) loop(case, precision, tile))
  best <- function(f) min(vapply(1:3, function(k) run_loop(f, x, y, b)[[2]], 0))
  times <- vapply(candidates, best, 0)
  k <- which.min(times)
  list(f = candidates[[k]], tile = paste(tiles[[k]], collapse = "x"))
}

best_median <- function(rate) sprintf("%.2f (median %.2f)", rate[["best"]], rate[["median"]])

measure <- function(case, precision) {
  use_precision(precision)
  D <- case[["D"]]
  n <- as.integer(case[["n"]])
  x <- points(n, D)
  y <- points(n, D)
  b <- matrix(rnorm(n * case[["columns"]]), n)
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                     sprintf(c("x=Vi(%d)", "y=Vj(%d)", "b=Vj(%d)"), c(D, D, case[["columns"]])))
  chosen <- fastest_loop(case, precision)
  a <- op(list(x, y, b))
  difference <- max(abs(a - run_loop(chosen$f, x, y, b)[[1]])) / max(abs(a))
  times <- alternate(c(with_narrower(list(rkeops = function() seconds(op(list(x, y, b))))),
                       loop = function() run_loop(chosen$f, x, y, b)[[2]],
                       peak = function() 1 / fma_peak(precision)), repetitions)
  summary <- best_and_median(times)
  rate <- n^2 / summary / 1e9
  peak <- 1 / summary[["best", "peak"]]
  operations <- 3 * D + 2 * case[["columns"]] + exp_operations[[precision]]
  data.frame(case = sprintf("D = %d, %d column%s, N = %g", D, case[["columns"]],
                            if (case[["columns"]] > 1) "s" else "", n),
             precision = precision,
             "rkeops (Gpair/s)" = best_median(rate[, "rkeops"]),
             "loop (Gpair/s)" = best_median(rate[, "loop"]),
             tile = chosen$tile,
             ratio = sprintf("%.0f %%", 100 * rate["best", "rkeops"] / rate["best", "loop"]),
             "of FMA peak" = sprintf("%.0f %% of %.0f GFLOP/s",
                                     100 * rate["best", "rkeops"] * operations / peak, peak),
             width_columns(n^2 / summary["best", ], list(rkeops = op), precision, trips = D),
             difference = sprintf("%.1e", difference), check.names = FALSE)
}

set.seed(1)
rows <- NULL
for (case in cases) {
  for (precision in c("float64", "float32")) rows <- rbind(rows, measure(case, precision))
}
keep("gauss", rows, c(
  "Rates are best of the repetitions; ratio = rkeops (whole call from R) / loop (loop alone);",
  sprintf("FMA peak: bench/yardstick/fmapeak.c on %d threads, between the repetitions. Processors that",
          threads),
  "add beside their multiply-adds can do more than that: differences need additions.",
  sprintf("Flags of the loop: %s, vectors of %d bytes.", paste(kernel_flags, collapse = " "),
          vector_bytes()),
  slots_note))
