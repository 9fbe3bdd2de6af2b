# Beside PyKeOps on the same processors and data: whole calls, first call, results compared.
#
#     Rscript bench/pykeops.R
#
# PyKeOps goes into a virtual environment of this benchmark (.build/pykeops; python3 and pip are
# needed). R writes the data to files and asks the Python process for one case after the other.

source("bench/common.R")
set.seed(1)

Sys.unsetenv("LD_LIBRARY_PATH")   # R's own libraries are not Python's
environment_folder <- file.path(".build", "pykeops")
python <- file.path(environment_folder, "bin", "python")
if (!file.exists(python)) {
  if (system2("python3", c("-m", "venv", environment_folder)) != 0) stop("python3 -m venv failed")
  if (system2(python, c("-m", "pip", "install", "-q", "numpy", "pykeops")) != 0)
    stop("pip cannot install pykeops")
}

cases <- list(
  list(task = "Gaussian product, D = 3", n = 2e4, D = 3, columns = 1,
       formula = "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"),
  list(task = "Gaussian product, D = 15, 15 columns", n = 1e4, D = 15, columns = 15,
       formula = "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"),
  list(task = "Gaussian product, D = 100", n = 5e3, D = 100, columns = 1,
       formula = "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"),
  list(task = "log-sum-exp, D = 3", n = 1e4, D = 3, columns = 1,
       formula = "LogSumExp_Reduction(-SqDist(x,y), j)"),
  list(task = "argKmin, K = 10, D = 3", n = 1e4, D = 3, columns = 1,
       formula = "ArgKMin_Reduction(SqDist(x,y), 10, j)"))

# One case in Python: seconds of the first call, then the best of five, and the largest difference.
peer <- function(case, data, expected, precision) {
  folder <- tempfile("pykeops-")
  dir.create(folder)
  for (name in names(data))
    writeBin(as.vector(t(data[[name]])), file.path(folder, name))
  writeBin(as.double(t(expected)), file.path(folder, "expected"))
  Sys.setenv(OMP_NUM_THREADS = threads, KEOPS_CACHE_FOLDER = folder)
  line <- system2(python, c("bench/pykeops_case.py", folder, case$n, case$D, case$columns,
                            precision, shQuote(case$formula)), stdout = TRUE, stderr = FALSE)
  as.numeric(strsplit(line[length(line)], " ")[[1]])
}

measure <- function(case, precision) {
  use_precision(precision)
  set_rkeops_options(list(index_base = 0))
  data <- list(x = matrix(rnorm(case$n * case$D), ncol = case$D) / sqrt(case$D),
               y = matrix(rnorm(case$n * case$D), ncol = case$D) / sqrt(case$D),
               b = matrix(rnorm(case$n * case$columns), ncol = case$columns))
  op <- keops_kernel(case$formula, c(sprintf("x=Vi(%d)", case$D), sprintf("y=Vj(%d)", case$D),
                                     sprintf("b=Vj(%d)", case$columns)))
  first <- seconds(expected <- op(data))
  own <- min(vapply(1:5, function(k) seconds(op(data)), 0))
  other <- peer(case, data, expected, precision)
  data.frame(task = case$task, precision = precision, N = format(case$n, big.mark = ""),
             rkeops = sprintf("%.2f ms", 1e3 * own), PyKeOps = sprintf("%.1f ms", 1e3 * other[2]),
             ratio = sprintf("%.0f", other[2] / own),
             "first call" = sprintf("%.2f s, %.1f s", first, other[1]),
             difference = sprintf("%.1e", other[3]), check.names = FALSE)
}

rows <- lapply(c("float64", "float32"), function(precision)
  do.call(rbind, lapply(cases, measure, precision = precision)))
keep("pykeops", do.call(rbind, rows),
     c("Whole calls from R and from Python (NumPy arrays), best of five; PyKeOps 2 with its own flags.",
       "Difference: the largest, relative to the largest result; of positions: the share that differs."))
