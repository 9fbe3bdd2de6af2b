# Small dense algebra of the engine beside that of the BLAS and LAPACK that R is linked with.
#
#     R_LIBS=.library Rscript bench/dense.R
#
# Processor time, old and new in turn, so that what else runs on the machine meets both; shares are
# those of the multiply-adds that one thread can make in the same run.

source("bench/common.R")

inside <- function(name) get(name, asNamespace("rkeops"))
spent <- function(expression) {
  start <- proc.time()
  force(expression)
  sum((proc.time() - start)[c("user.self", "sys.self")])
}

set.seed(20)
repeats <- 2L
cases <- function(n) {
  x <- matrix(rnorm(n * n), n)
  tall <- matrix(rnorm(n * n), ncol = 50L)
  s <- base::crossprod(x) + n * diag(n)
  r <- chol(s)
  few <- x[, seq_len(64L)]
  dense <- lapply(c(cross = "dense_crossprod", product = "dense_product", chol = "dense_cholesky",
                    solve = "dense_solve_triangular"), inside)
  list(
    "crossprod(x)" = list(n^3, function() dense$cross(x, threads = 1L),
                          function() base::crossprod(x)),
    "crossprod(x, y), 50 columns each" = list(100 * n^2, function() dense$cross(tall, tall, 1L),
                                              function() base::crossprod(tall, tall)),
    "x %*% y, 64 columns" = list(128 * n^2, function() dense$product(x, few, 1L),
                                 function() base::`%*%`(x, few)),
    "chol(s)" = list(n^3 / 3, function() dense$chol(s, 1L), function() chol(s)),
    "backsolve(r, y), 64 columns" = list(64 * n^2, function() dense$solve(r, few, threads = 1L),
                                         function() backsolve(r, few)))
}

rows <- function(n) {
  all <- cases(n)
  do.call(rbind, lapply(names(all), function(name) {
    case <- all[[name]]
    # Repeated within a measurement as often as makes it a tenth of a second.
    often <- max(1L, as.integer(0.1 * 20e9 / case[[1]]))
    best <- apply(alternate(list(
      ours = function() spent(for (k in seq_len(often)) case[[2]]()) / often,
      base = function() spent(case[[3]]())), repeats), 2L, min)
    rate <- case[[1]] / best / 1e9
    data.frame(n = n, what = name, "rkeops (GFLOP/s)" = sprintf("%.1f", rate[["ours"]]),
               "of the peak" = percent(rate[["ours"]] / peak),
               "base R (GFLOP/s)" = sprintf("%.1f", rate[["base"]]),
               "times as fast" = sprintf("%.1f", rate[["ours"]] / rate[["base"]]),
               check.names = FALSE)
  }))
}

# The yardstick tells what it makes in a second by the clock.
peak <- max(replicate(3L, {
  start <- clock()
  busy <- spent(rate <- fma_peak("float64"))
  rate * (clock() - start) / busy
}))
keep("dense", do.call(rbind, lapply(c(500L, 2000L), rows)),
     c(paste0("float64, one thread; R is linked with ", basename(extSoftVersion()[["BLAS"]]),
              " and LAPACK ", La_version(), ". The peak of one thread: ", sprintf("%.0f", peak),
              " GFLOP/s."),
       paste("Processor time, the best of", repeats, "tries in turn.")))
