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

# The gradient of f at `at`, numbers or a list of them, along a random direction against differences
# of f: four values, so that the error is of fourth order.
check_gradient <- function(f, at, gradient, tolerance = 1e-8, step = 1e-4) {
  value <- function(at) if (is.list(at)) do.call(f, at) else f(at)
  moved <- function(x, u, h) if (is.list(x)) Map(moved, x, u, h) else x + h * u
  direction <- rapply(list(at), function(x) stats::rnorm(length(x)), how = "list")[[1]]
  along <- function(h) value(moved(at, direction, h)) - value(moved(at, direction, -h))
  difference <- (8 * along(step) - along(2 * step)) / (12 * step)
  found <- sum(unlist(gradient) * unlist(direction))
  error <- abs(found - difference) / abs(difference)
  cat(sprintf("  gradient against central differences: relative difference %.1e\n", error))
  if (!isTRUE(error <= tolerance))
    stop("the gradient differs from central differences by ", format(error), ": expected at most ",
         tolerance)
}

# A sphere of about n vertices, in rings between two poles: a row for each vertex and one for each
# triangle.
triangulated_sphere <- function(n) {
  across <- round(sqrt(1.6 * n))
  rings <- n %/% across
  id <- cbind(1, matrix(1 + seq_len(rings * across), across), rings * across + 2)
  following <- id[c(2:across, 1), ]
  low <- seq_len(rings + 1)
  corners <- rbind(cbind(c(id[, low]), c(following[, low]), c(following[, low + 1])),
                   cbind(c(id[, low]), c(following[, low + 1]), c(id[, low + 1])))
  height <- (col(id) - 1) * pi / (rings + 1)
  angle <- 2 * pi * row(id) / across + height
  vertices <- cbind(c(sin(height) * cos(angle)), c(sin(height) * sin(angle)), c(cos(height)))
  at_poles <- corners[, 1] == corners[, 2] | corners[, 2] == corners[, 3]
  list(vertices = vertices[!duplicated(c(id)), ], triangles = corners[!at_poles, ])
}

# Of the rows of two matrices with three columns.
cross_product <- function(a, b)
  a[, c(2, 3, 1)] * b[, c(3, 1, 2)] - a[, c(3, 1, 2)] * b[, c(2, 3, 1)]
