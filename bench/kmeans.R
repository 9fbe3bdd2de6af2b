# Points to the nearest of some centres, the greater part of a step of k-means, beside PyKeOps and
# FAISS on the same processors and data.
#
#     Rscript bench/kmeans.R
#
# Both go into a virtual environment of this benchmark (.build/kmeans, or RKEOPS_BENCH_PYTHON is a
# python that has them). Each has a process of its own, one after the other, round by round.

source("bench/common.R")
set.seed(1)

Sys.unsetenv("LD_LIBRARY_PATH")   # R's own libraries are not Python's
python <- Sys.getenv("RKEOPS_BENCH_PYTHON", file.path(".build", "kmeans", "bin", "python"))
if (!file.exists(python)) {
  if (system2("python3", c("-m", "venv", file.path(".build", "kmeans"))) != 0)
    stop("python3 -m venv failed")
  if (system2(python, c("-m", "pip", "install", "-q", "numpy", "pykeops", "faiss-cpu")) != 0)
    stop("pip cannot install pykeops and faiss-cpu")
}
rounds <- as.integer(Sys.getenv("RKEOPS_BENCH_ROUNDS", "3"))
Sys.setenv(OMP_NUM_THREADS = threads, KEOPS_CACHE_FOLDER = tempfile("kmeans-pykeops-"))

# The best time of a peer in this round, and the share of points whose nearest differs.
peer <- function(name, folder, nearest, case, precision) {
  out <- file.path(folder, name)
  line <- system2(python, c("bench/kmeans_case.py", name, folder, case$D, precision, out),
                  stdout = TRUE, stderr = FALSE)
  positions <- readBin(out, "integer", n = case$n)
  c(time = as.numeric(line[length(line)]), differs = mean(positions != nearest))
}

measure <- function(case, precision) {
  folder <- tempfile("kmeans-")
  dir.create(folder)
  x <- matrix(runif(case$n * case$D), case$n)
  centres <- x[seq_len(case$centres), ]
  writeBin(as.vector(t(x)), file.path(folder, "x"))
  writeBin(as.vector(t(centres)), file.path(folder, "centres"))
  op <- keops_kernel("ArgMin_Reduction(SqDist(x,y), j)",
                     sprintf(c("x=Vi(%d)", "y=Vj(%d)"), case$D), precision = precision)
  nearest <- op(list(x, centres))[, 1] - 1
  peers <- c("pykeops", if (precision == "float32") "faiss")
  own <- function() min(vapply(1:5, function(k) seconds(op(list(x, centres))), 0))
  times <- replicate(rounds, c(time = own(), sapply(peers, peer, folder, nearest, case, precision)))
  best <- apply(times, 1, min)
  cell <- function(k) {
    if (k > length(peers)) return("")
    sprintf("%.1f ms (%.1f), %.0e", 1e3 * best[2 * k], best[2 * k] / best[1], best[2 * k + 1])
  }
  data.frame(points = format(case$n, big.mark = " "), centres = case$centres, D = case$D,
             precision = precision, rkeops = sprintf("%.2f ms", 1e3 * best[1]),
             PyKeOps = cell(1), FAISS = cell(2))
}

sizes <- expand.grid(centres = c(100, 1000), D = c(2, 10), n = 1e5)
cases <- lapply(seq_len(nrow(sizes)), function(k) as.list(sizes[k, ]))
rows <- lapply(c("float64", "float32"), function(precision)
  do.call(rbind, lapply(cases, measure, precision = precision)))
keep("kmeans", do.call(rbind, rows),
     c(sprintf("Whole calls from R and from Python (NumPy arrays of the precision), best of %d rounds",
               rounds),
       "of five, one process each. In brackets: the multiple of rkeops' time; then the share of points for which another",
       "centre is the nearest. FAISS (IndexFlatL2) works in float32 only. R's arrays are doubles: rkeops'",
       "time in float32 includes their conversion."))
