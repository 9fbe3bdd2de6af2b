# What small calls cost: two libraries in turns, base R beside them.
#
#     Rscript bench/small.R OLD NEW [rounds]
#
# OLD and NEW are folders with rkeops installed. Each figure is the least of many rows of calls, of the
# processor's time, on one thread, engine "builtin"; a first call is that of a fresh process after
# library(rkeops), its median over all rounds.

arguments <- commandArgs(trailingOnly = TRUE)
libraries <- c(old = arguments[1], new = arguments[2])
rounds <- if (length(arguments) > 2L) as.integer(arguments[3]) else 5L

setup <- '
suppressPackageStartupMessages(library(rkeops))
options(rkeops = list(engine = "builtin", ncore = 1))
set.seed(1)
points <- function(n, d = 3) matrix(rnorm(n * d), n)
spent <- function() sum(proc.time()[1:2])
'
first <- list(
  "first call, keops_kernel(), N = 1000" = 'op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*Sin(b), j)",
    c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)")); op(list(x, y, b))',
  "first call, LazyTensors, N = 1000" = 'exp(-sqdist(Vi(x), Vj(y))) %*% b')
of_first <- function(code) paste0(setup, '
x <- points(1000); y <- points(1000); b <- points(1000, 1)
start <- spent()
invisible({', code, '})
cat(1e3 * (spent() - start))')

repeated <- paste0(setup, '
x <- points(100); y <- points(100); b <- rnorm(100)
small <- list(points(10), points(10), rnorm(10))
op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))
K <- exp(-sqdist(Vi(x), Vj(y)))
dense <- function(x, y)
  exp(2 * tcrossprod(x, y) - outer(rowSums(x^2), rowSums(y^2), "+"))
calls <- list(
  function() { x_i <- Vi(x); y_j <- Vj(y); sum(exp(-sqdist(x_i, y_j)), "j") },
  function() rowSums(dense(x, y)),
  function() K %*% b,
  function() dense(x, y) %*% b,
  function() op(small),
  function() dense(small[[1]], small[[2]]) %*% small[[3]])
for (f in calls) for (k in 1:50) f()
row <- function(f, n = 400) { s <- spent(); for (k in seq_len(n)) f(); 1e6 * (spent() - s) / n }
least <- rep(Inf, length(calls))
for (turn in 1:12) least <- pmin(least, vapply(calls, row, 0))
cat(least)')

of_library <- function(code, library) {
  script <- tempfile(fileext = ".R")
  writeLines(code, script)
  out <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), stdout = TRUE,
                 env = paste0("R_LIBS=", library))
  as.numeric(strsplit(out[length(out)], " ")[[1]])
}

in_turns <- function(code) {
  lapply(seq_len(rounds), function(k) vapply(libraries, function(l) of_library(code, l), numeric(6)))
}
firsts <- lapply(first, function(code) {
  times <- replicate(3L * rounds, vapply(libraries, function(l) of_library(of_first(code), l), 0))
  apply(times, 1L, stats::median)
})
least <- Reduce(pmin, in_turns(repeated))

aims <- c("10 ms", "10 ms", "100 us", "50 us", "")
base <- c(NA, NA, least[c(2, 4, 6), "new"])
now <- c(vapply(firsts, `[[`, 0, "new"), least[c(1, 3, 5), "new"])
before <- c(vapply(firsts, `[[`, 0, "old"), least[c(1, 3, 5), "old"])
unit <- c("ms", "ms", "us", "us", "us")
table <- data.frame(
  what = c(names(first), "LazyTensor made and reduced, N = 100", "K %*% b, N = 100",
           "op(list(x, y, b)), N = 10"),
  before = sprintf("%.1f %s", before, unit), now = sprintf("%.1f %s", now, unit),
  "now / before" = sprintf("%.2f", now / before),
  "base R" = ifelse(is.na(base), "", sprintf("%.1f us", base)),
  "now / base R" = ifelse(is.na(base), "", sprintf("%.2f", now / base)), aim = aims, check.names = FALSE)
cells <- rbind(names(table), rep("---", ncol(table)), as.matrix(table))
cat(apply(cells, 1, function(row) paste0("| ", paste(row, collapse = " | "), " |")), sep = "\n")
