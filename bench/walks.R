# Parts of the pairs: blocks, groups, batches, bands, beside as many pairs in one dense call, and
# beside PyKeOps with `ranges` and with batch dimensions.
#
#     Rscript bench/walks.R
#
# The Gaussian product of walks_case.py in D = 3. A dense call of about as many pairs runs in turn
# with each case; its time for a pair is the yardstick. PyKeOps goes into the virtual environment of
# pykeops.R.

source("bench/common.R")
set.seed(1)
Sys.unsetenv("LD_LIBRARY_PATH")   # R's own libraries are not Python's
invisible(rkeops_use_cpu(ncore = threads))

python <- file.path(".build", "pykeops", "bin", "python")
formula <- "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"
points <- function(n) matrix(runif(3 * n), n)

data_of <- function(m, n = m) list(x = points(m), y = points(n), b = matrix(runif(n)))

# What walks are made of. Each gives the call, how many pairs it keeps, and what PyKeOps is given.
groups_of <- function(count, size, sorted) {
  g <- rep(seq_len(count), each = size)
  if (!sorted) g <- sample(g)
  list(data = data_of(count * size), blocks = keep_groups(g),
       peer = if (sorted) list(kind = "ranges", count = count, size = size))
}

batches_of <- function(count, size) {
  array_of <- function(D) array(runif(size * D * count), c(size, D, count))
  x <- array_of(3)
  y <- array_of(3)
  b <- array_of(1)
  list(call = function() sum(exp(-sqdist(Vi(x, batch = TRUE), Vj(y, batch = TRUE))) *
                               Vj(b, batch = TRUE), "j"),
       pairs = count * size^2, peer = list(kind = "batches", count = count, size = size),
       data = list(x = x, y = y, b = b))
}

band_of <- function(n, blocks) list(data = data_of(n), blocks = blocks)

near_of <- function(n, share) {
  data <- data_of(n)
  radius <- (share * 3 / (4 * pi))^(1 / 3)
  made <- min(replicate(3, seconds(keep_near(data$x, data$y, radius))))
  list(data = data, blocks = keep_near(data$x, data$y, radius), made = made)
}

# Converted once, as restrict_pairs() does.
intervals_of <- function(n, segments, each) {
  from <- unlist(lapply(seq_len(segments), function(s)
    sort(sample(seq(0L, n - 2L, by = 2L), each))))
  ends <- as.integer(seq_len(segments) * (n / segments))
  slices <- as.integer(seq_len(segments) * each)
  ranges <- list(cbind(c(0L, ends[-segments]), ends), slices, cbind(from, from + 1L))
  data <- data_of(n)
  K <- restrict_pairs(exp(-sqdist(Vi(data$x), Vj(data$y))) * Vj(data$b), ranges = ranges)
  list(call = function() sum(K, "j"), pairs = segments * each * (n / segments))
}

cases <- list(
  "2000 groups of 50 x 50, unsorted" = list(function() groups_of(2000, 50, FALSE), goal = 2),
  "2000 groups of 50 x 50, sorted" = list(function() groups_of(2000, 50, TRUE), goal = 2),
  "1000 batches of 64 x 64" = list(function() batches_of(1000, 64), goal = 1.5),
  "keep_near(), 1e6 points, 1 pair in 1000" = list(function() near_of(1e6, 1e-3), goal = 1.3),
  "keep_band(-100, 100), 1e5 rows" =
    list(function() band_of(1e5, keep_band(-100, 100)), goal = 1.5),
  "keep_lower(), 1e5 rows" = list(function() band_of(1e5, keep_lower()), goal = 1.15),
  "1e6 intervals of one column, 100 rows each" =
    list(function() intervals_of(1e5, 1000L, 1000L), goal = NA))

pairs_of <- function(case, size) {
  if (!is.null(case$pairs)) return(case$pairs)
  op <- keops_kernel("Sum_Reduction(IntCst(1), j)", c("x=Vi(3)", "y=Vj(3)"), precision = "float64")
  sum(op(case$data[1:2], blocks = case$blocks))
}

rows_first <- function(x) as.vector(if (is.matrix(x)) t(x) else aperm(x, c(2, 1, 3)))

# Seconds, and the largest difference of its result.
peer_of <- function(case, expected, precision) {
  if (is.null(case$peer) || !file.exists(python)) return(c(NA, NA))
  folder <- tempfile("pykeops-")
  dir.create(folder)
  for (name in names(case$data))
    writeBin(rows_first(case$data[[name]]), file.path(folder, name))
  writeBin(rows_first(expected), file.path(folder, "expected"))
  Sys.setenv(OMP_NUM_THREADS = threads, KEOPS_CACHE_FOLDER = folder)
  line <- system2(python, c("bench/walks_case.py", folder, case$peer$kind, case$peer$count,
                            case$peer$size, precision), stdout = TRUE, stderr = FALSE)
  as.numeric(strsplit(line[length(line)], " ")[[1]])
}

measure <- function(name, precision) {
  use_precision(precision)
  case <- cases[[name]][[1L]]()
  op <- keops_kernel(formula, c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))
  call <- if (!is.null(case$call)) case$call
          else function() op(case$data, blocks = case$blocks)
  pairs <- pairs_of(case)
  n <- ceiling(sqrt(min(pairs, 2e9)))
  dense <- data_of(n)
  times <- alternate(list(own = function() seconds(call()), dense = function() seconds(op(dense))),
                     if (pairs > 1e9) 3 else 15)
  best <- apply(times, 2, min)
  peer <- peer_of(case, call(), precision)
  data.frame(case = name, precision = precision, pairs = format(pairs, big.mark = " ", digits = 4),
             rkeops = sprintf("%.1f ms", 1e3 * best[["own"]]),
             "to dense" = sprintf("%.2f", best[["own"]] / pairs / (best[["dense"]] / n^2)),
             goal = if (is.na(cases[[name]]$goal)) "" else format(cases[[name]]$goal),
             "walk made" = if (is.null(case$made)) "" else sprintf("%.2f s", case$made),
             PyKeOps = if (is.na(peer[1])) "" else
               sprintf("%.1f ms, %.1f x", 1e3 * peer[1], peer[1] / best[["own"]]),
             difference = if (is.na(peer[2])) "" else sprintf("%.0e", peer[2]),
             check.names = FALSE)
}

chosen <- names(cases)[grepl(Sys.getenv("RKEOPS_BENCH_CASES"), names(cases))]
rows <- lapply(c("float64", "float32"), function(precision)
  do.call(rbind, lapply(chosen, measure, precision = precision)))
keep("walks", do.call(rbind, rows),
     c("Whole calls, best of 15 (3 for the large ones), D = 3, Gaussian sum.",
       "To dense: time for a kept pair, over that of a dense call of as many pairs in the same run.",
       "Walk made: `keep_near()` itself, once for a set of points, not part of the call.",
       "Difference: from PyKeOps' result, the largest, relative to the largest result."))
