# Systems of kernel matrices: solve() beside conjugate gradients without a preconditioner, dense Cholesky
# factors of base R, and PyKeOps' solver.
#
#     Rscript bench/solve.R
#
# Gaussian kernels of points in the unit cube, float64. Times are whole calls from R, the median of
# three; the true residual is computed anew with products in double precision. PyKeOps goes into the
# virtual environment of pykeops.R, and is left out where it takes more than two minutes a call.
#
#     RKEOPS_BENCH_CASES='20000'   those whose name has this expression

source("bench/common.R")
Sys.unsetenv("LD_LIBRARY_PATH")   # R's own libraries are not Python's
invisible(rkeops_use_cpu(ncore = threads))
python <- file.path(".build", "pykeops", "bin", "python")

case <- function(n, alpha, goal = NA, columns = 1L, width = 0.2, peers = c("plain", "PyKeOps")) {
  set.seed(1)
  x <- matrix(runif(3 * n), n)
  f <- sin(5 * x[, 1]) * cos(4 * x[, 2]) + x[, 3]^2
  b <- f + matrix(rnorm(n * columns, sd = 0.1), n)
  list(name = sprintf("N = %d, alpha = %g%s", n, alpha, if (columns > 1) paste(",", columns, "columns") else ""),
       x = x, b = b, alpha = alpha, goal = goal, peers = peers, width = width)
}

cases <- list(
  function() case(2e4, 1, 1.5),
  function() case(2e4, 1e-2, 2),
  function() case(2e4, 1e-2, columns = 64L, peers = NULL),
  function() case(1e5, 1e-2, 20, peers = NULL),
  function() case(5000, 10, peers = c("dense", "PyKeOps")),
  function() case(5000, 1, peers = c("dense", "PyKeOps")),
  function() case(5000, 1e-2, peers = c("dense", "PyKeOps")),
  function() case(5000, 1e-4, peers = c("dense", "PyKeOps")),
  function() case(5000, 1e-6, peers = "dense"))

matrix_of <- function(case)
  add_ridge(exp(-sqdist(Vi(case$x), Vj(case$x)) / (2 * case$width^2)), case$alpha)

dense_solution <- function(case) {
  d2 <- outer(rowSums(case$x^2), rowSums(case$x^2), "+") - 2 * base::tcrossprod(case$x)
  R <- chol(exp(-d2 / (2 * case$width^2)) + diag(case$alpha, nrow(case$x)))
  backsolve(R, backsolve(R, case$b, transpose = TRUE))
}

# Conjugate gradients as they stand in textbooks, at most 150 steps.
plain_solution <- function(case) {
  A <- matrix_of(case)
  out <- tryCatch(solve(A, case$b, method = "iterative", preconditioner = "none", details = TRUE,
                        limit = 150), rkeops_error_convergence = identity)
  list(steps = max(out$iterations), residual = max(out$residual))
}

pykeops_solution <- function(case) {
  folder <- tempfile("pykeops-")
  dir.create(folder)
  writeBin(as.vector(t(case$x)), file.path(folder, "x"))
  writeBin(as.vector(t(case$b)), file.path(folder, "b"))
  Sys.setenv(OMP_NUM_THREADS = threads, KEOPS_CACHE_FOLDER = folder)
  line <- system2("timeout", c("120", python, "bench/solve_case.py", folder, nrow(case$x), ncol(case$b),
                               case$width, case$alpha, 1e-6, "float64"), stdout = TRUE, stderr = FALSE)
  if (length(line)) as.numeric(strsplit(line[length(line)], " ")[[1]]) else c(NA, NA)
}

measure <- function(make) {
  case <- make()
  A <- matrix_of(case)
  out <- solve(A, case$b, details = TRUE) # compiles
  times <- replicate(3, seconds(out <<- solve(A, case$b, details = TRUE)))
  product <- stats::median(replicate(3, seconds(sum(A$parts[[1]]$value * Vj(case$b), "j"))))
  own <- stats::median(times)
  ratio <- function(time) if (is.na(time)) "" else sprintf("%.2f s, %.1f x", time, time / own)
  plain <- if ("plain" %in% case$peers) seconds(steps <- plain_solution(case)) else NA
  dense <- if ("dense" %in% case$peers) seconds(dense_solution(case)) else NA
  peer <- if ("PyKeOps" %in% case$peers && file.exists(python)) pykeops_solution(case) else c(NA, NA)
  data.frame(case = case$name, rkeops = sprintf("%.2f s", own),
             goal = if (is.na(case$goal)) "" else paste(case$goal, "s"),
             product = sprintf("%.2f s", product), columns = out$preconditioner,
             steps = max(out$iterations), residual = sprintf("%.0e", max(out$residual)),
             "no preconditioner" = if (is.na(plain)) "" else
               sprintf("%s, %d steps, %.0e", ratio(plain), steps$steps, steps$residual),
             "dense chol()" = ratio(dense),
             PyKeOps = if (is.na(peer[1])) "" else sprintf("%s, %.0e", ratio(peer[1]), peer[2]),
             check.names = FALSE)
}

named <- vapply(cases, function(make) grepl(Sys.getenv("RKEOPS_BENCH_CASES"), make()$name), NA)
if (any(named)) keep("solve", do.call(rbind, lapply(cases[named], measure)),
     c("Gaussian kernel of width 0.2 in the unit cube, relative residual 1e-6, float64; medians of three calls.",
       "Product: of the matrix and one vector (or all columns), once. Columns: of the preconditioner.",
       "Beside peers: their time, how many times that of rkeops, and the true residual that they reach."))

# ---- log determinants and eigenvalues ------------------------------------------------------------

spectral <- function(n, alpha) {
  own <- case(n, alpha)
  A <- matrix_of(own)
  logdet <- function() estimate_logdet(A, method = "iterative", preconditioner = "auto")
  largest <- function() find_eigen(A, 10, details = TRUE)
  found <- logdet()
  pairs <- largest()
  is_small <- n <= 5000
  truth <- if (is_small) as.numeric(determinant(as.matrix(A))$modulus)
  dense <- if (is_small) seconds(values <- eigen(as.matrix(A), symmetric = TRUE, only.values = TRUE)$values[1:10])
  data.frame(case = own$name,
             "log determinant" = sprintf("%.2f s", stats::median(replicate(3, seconds(logdet())))),
             "stated error" = sprintf("%.2f", found$error),
             error = if (is_small) sprintf("%.2f", abs(found$value - truth)) else "",
             "10 eigenvalues" = sprintf("%.2f s", seconds(largest())), steps = pairs$iterations,
             residual = sprintf("%.0e", max(pairs$residual)),
             "dense eigen()" = if (is_small) sprintf("%.1f s", dense) else "",
             difference = if (is_small) sprintf("%.0e", max(abs(pairs$values - values)) / values[1]) else "",
             check.names = FALSE)
}

if (grepl(Sys.getenv("RKEOPS_BENCH_CASES"), "spectra"))
  keep("spectra", rbind(spectral(5000, 1e-2), spectral(2e4, 1e-2)),
       c("The matrices of solve.R. Log determinant: estimated, median of three; its stated error, and the",
         "distance to that of the dense matrix. Eigenvalues: the largest, one call; residual relative to the",
         "largest one."))
