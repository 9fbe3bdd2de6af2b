# What the examples share: the size of the problem, the comparison with plain R, and what is
# printed. Each example attaches rkeops, then sources this file.

# The first argument of the command, or `default`.
problem_size <- function(default) {
  argument <- commandArgs(trailingOnly = TRUE)
  if (!length(argument)) return(default)
  n <- suppressWarnings(as.numeric(argument[1]))
  if (is.na(n) || n < 100 || n != round(n))
    stop("the number of points is \"", argument[1], "\": expected a whole number from 100 on")
  n
}

threads_in_use <- function() {
  line <- grep("^threads:", rkeops_sitrep(), value = TRUE)
  count <- sub("^threads: *([0-9]+).*", "\\1", line)
  paste(count, if (count == "1") "thread" else "threads")
}

elapsed <- function(expr) system.time(expr)[["elapsed"]]

# `talk`: seconds that the talk about RKeOps names for this example, for so many points.
report <- function(what, seconds, talk = NULL, points = 1e5, where = threads_in_use()) {
  cat(what, "\n", sep = "")
  cat(sprintf("  rkeops, here:     %6.2f s on %s, %s, compile included\n", seconds, where,
              get_rkeops_options("precision")))
  if (!is.null(talk))
    cat(sprintf("  the talk's figure: %5.1f s on 16 cores (%g points)\n", talk, points))
}

squared_distances <- function(x, y) {
  outer(rowSums(x^2), rowSums(y^2), "+") - 2 * tcrossprod(x, y)
}

# Stops when they differ by more than `tolerance` times the largest value.
check_against_r <- function(found, expected, tolerance) {
  difference <- max(abs(found - expected)) / max(abs(expected))
  cat(sprintf("  against plain R, %d rows: largest relative difference %.1e\n", NROW(expected),
              difference))
  if (!isTRUE(difference <= tolerance))
    stop("the result differs from plain R by ", format(difference), ": expected at most ",
         tolerance)
}
