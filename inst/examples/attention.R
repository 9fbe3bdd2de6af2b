# Causal attention: each token takes a mean of the values of itself and those before it, with the
# softmax of products of queries and keys as weights. The n x n weights are never stored.
#
#     Rscript attention.R [number of tokens, 2000 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))

n <- problem_size(2000)
D <- 16
heads <- 4
set.seed(1)
tokens <- matrix(rnorm(n * D * heads), n)
goal <- matrix(rnorm(n * D * heads), n)
start <- lapply(c(query = 1, key = 2, value = 3, out = 4), function(k)
  matrix(rnorm((D * heads)^2), D * heads) / sqrt(D * heads))

earlier <- Vi(matrix(1:n)) >= Vj(matrix(1:n))
attention <- function(query, key, value, out) {
  head <- function(h) {
    own <- (h - 1) * D + 1:D
    score <- sum(Vi(tokens %*% query[, own]) * Vj(tokens %*% key[, own])) / sqrt(D)
    sumsoftmaxweight(where(earlier, score, -Inf), "j", weight = Vj(tokens %*% value[, own]))
  }
  do.call(cbind, lapply(1:heads, head)) %*% out
}
loss <- function(query, key, value, out) mean((attention(query, key, value, out) - goal)^2)

seconds <- elapsed(result <- value_and_gradient(loss, start))
report(sprintf("Attention of %g tokens, %d heads in R^%d, loss and gradient", n, heads, D), seconds)
check_gradient(loss, start, result$gradient)

in_r <- function(h) {
  own <- (h - 1) * D + 1:D
  score <- tokens %*% start$query[, own] %*% t(tokens %*% start$key[, own]) / sqrt(D)
  weight <- exp(score) * lower.tri(score, diag = TRUE)
  weight %*% (tokens %*% start$value[, own]) / rowSums(weight)
}
expected <- do.call(cbind, lapply(1:heads, in_r)) %*% start$out
check_against_r(do.call(attention, start), expected, tolerance = 1e-10)
