# What one R operation costs while a long formula is built, at several lengths: the same for each.
#
#     Rscript bench/chains.R [longest]

source("bench/common.R")

arguments <- as.integer(commandArgs(trailingOnly = TRUE))
longest <- if (length(arguments)) arguments[1] else 8000L
lengths <- longest %/% c(16L, 8L, 4L, 2L, 1L)

x <- Vi(matrix(runif(300), 100))
sums <- function(n) {
  k <- x
  for (i in seq_len(n)) k <- k + x * i
  k
}
steps <- function(n) { # each value is used twice
  z <- x
  for (i in seq_len(n)) z <- z * z + x
  z
}
halves <- function(n) if (n == 1L) x * runif(1) else halves(n %/% 2L) + halves(n - n %/% 2L)
transposed <- function(n) {
  k <- sums(n)
  function() t(k)
}
text <- function(n) {
  k <- sums(n)
  function() k$formula
}

# Microseconds of processor time for each of n, the best of three.
per_term <- function(f, n) {
  spent <- replicate(3L, {
    start <- proc.time()
    f()
    sum((proc.time() - start)[c("user.self", "sys.self")])
  })
  min(spent) / n * 1e6
}
row <- function(what, make) {
  cost <- vapply(lengths, function(n) per_term(make(n), n), 0)
  data.frame(what, rbind(sprintf("%.0f us", cost)))
}
building <- function(f) function(n) function() f(n)
table <- rbind(row("k <- k + x * i", building(sums)), row("z <- z * z + x", building(steps)),
               row("sum of two halves", building(halves)), row("t(k)", transposed),
               row("k$formula", text))
names(table)[-1L] <- paste(lengths, "terms")
keep("chains", table, "Processor time for each term, the best of three.")
