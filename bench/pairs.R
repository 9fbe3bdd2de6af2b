# Reductions over a list of 9e5 pairs of 1e4 points in the plane, 90 a row, as t-SNE's attraction has them:
# beside plain R on the same pairs, and all pairs by the engine. Whole calls, in one process, in turn.
#
#     Rscript bench/pairs.R [ROUNDS]
#
# Time by the clock and of processors, in milliseconds: medians. The values are compared.

source("bench/common.R")
set.seed(1)
rounds <- as.integer(c(commandArgs(trailingOnly = TRUE), 15)[1])
set_rkeops_options(verbosity = 0L)
rkeops_use_cpu(threads)

n <- 1e4
x <- matrix(rnorm(2 * n), ncol = 2)
i <- rep(seq_len(n), each = 90)
j <- sample(n, length(i), TRUE)
w <- runif(length(i))
pairs <- list_pairs(i, j)
weighted <- list_pairs(pairs, weights = w)
kernel <- function(x) 1 / (1 + sqdist(Vi(x), Vj(x)))
K <- kernel(x)
energy <- function(x) sum(sum(kernel(x), pairs = weighted))

in_r <- function(x) 1 / (1 + rowSums((x[i, ] - x[j, ])^2))
gradient_in_r <- function(x) {
  k <- -2 * w * in_r(x)^2 * (x[i, ] - x[j, ])
  unname(rowsum(k, i)) - unname(rowsum(k, j))
}
smallest_in_r <- function(x) t(apply(matrix(in_r(x), 90), 2, function(v) sort(v, partial = 1:10)[1:10]))
log_sum_in_r <- function(x) {
  k <- in_r(x)
  m <- as.vector(tapply(k, i, max))
  m + log(as.vector(rowsum(exp(k - m[i]), i)))
}

cases <- list(
  sum = list(function() rowSums(K, pairs = pairs), function() as.vector(rowsum(in_r(x), i))),
  "sum with weights" = list(function() rowSums(K, pairs = weighted), function() as.vector(rowsum(w * in_r(x), i))),
  "sum over i" = list(function() colSums(K, pairs = pairs), function() as.vector(rowsum(in_r(x), j))),
  values = list(function() K[pairs], function() in_r(x)),
  "log-sum-exp" = list(function() logsumexp(K, pairs = pairs)[, 1], function() log_sum_in_r(x)),
  "ten smallest" = list(function() Kmin(K, 10, pairs = pairs), function() smallest_in_r(x)),
  "gradient by both" = list(function() gradient(energy, x), function() gradient_in_r(x)))

timed <- function(f) {
  force(f)
  function() {
    before <- proc.time()
    f()
    spent <- proc.time() - before
    c(spent[[3]], spent[[1]] + spent[[2]])
  }
}

row_of <- function(name) {
  ours <- cases[[name]][[1]]
  theirs <- cases[[name]][[2]]
  stopifnot(all.equal(unname(ours()), unname(theirs()), tolerance = 1e-12))
  times <- replicate(rounds, c(timed(ours)(), timed(theirs)()))
  c(sprintf("%.1f", 1e3 * apply(times, 1, stats::median)),
    sprintf("%.1f", stats::median(times[3, ] / times[1, ])))
}

out <- do.call(rbind, lapply(names(cases), row_of))
colnames(out) <- c("ms", "ms of processors", "plain R, ms", "of processors", "plain R / rkeops")
all <- stats::median(replicate(5, timed(function() rowSums(K))()[1]))
keep("pairs", data.frame(case = names(cases), out, check.names = FALSE),
     sprintf("Medians of %d rounds. All %g pairs, for comparison: %.0f ms.", rounds, n^2, 1e3 * all))
