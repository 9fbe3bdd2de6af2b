# Clusters of points: labels for keep_labels(), and what stands for a cluster.

#' Clusters of points
#'
#' Labels of points that lie near each other, for [keep_labels()]: `cluster_grid()` by the cells of
#' a grid, `cluster_kmeans()` by the nearest of k centres, which are improved in turns;
#' `cluster_centroids()` gives the mean of each cluster. A reduction in two scales first asks which
#' pairs of clusters matter, of centroids, and then looks at the pairs of points in these only.
#'
#' @param x a numeric matrix with a row for each point, or a vector: one column.
#' @param size the side of the cells, a number or one for each column. The corner of a cell lies at
#'   0, so that clusters of two matrices by the same size lie in the same grid.
#' @param k how many centres there are; fewer clusters where centres lose all their points.
#' @param iterations how often the centres are moved to the means of their points. It is ended when
#'   nothing changes.
#' @param start a matrix of k centres to start from, a row each; else k rows of `x` that
#'   [sample.int()] draws: [set.seed()] makes it the same.
#' @param ... options of the reduction that finds the nearest centre, such as `backend`,
#'   `precision`: see [reductions].
#' @param labels a label for each row of `x`, as in [keep_labels()].
#' @param weights a number for each row, or `NULL`: equal weights.
#' @return `cluster_grid()` and `cluster_kmeans()` give integers 1, 2, ..., K, one for each row,
#'   each of which occurs: in the order of the cells, by their first coordinate, then the second,
#'   ...; in that of the centres. Rows with a coordinate that is no finite number have NA.
#'   `cluster_centroids()` gives a matrix with a row for each label that occurs, named by it, in the
#'   order that [keep_labels()] takes labels in.
#' @section Errors:
#' `rkeops_error_argument` for objects without plain numbers, sizes and weights that are none;
#' `rkeops_error_shape` where numbers of rows or columns do not fit.
#' @family blocks
#' @examples
#' x <- cbind(sin(1:300), cos(1.7 * 1:300))
#' cell <- cluster_grid(x, 0.25)
#' max(cell)
#'
#' # a Gaussian of width 0.1 is 0 for clusters that are further apart than 0.5 and two cells
#' centre <- cluster_centroids(x, cell)
#' keep <- as.matrix(dist(centre)) < 0.5 + 2 * sqrt(2) * 0.25
#' keep_labels(cell, cell, keep)
#'
#' table(cluster_kmeans(x, 4, start = x[1:4, ]))
#' @export
cluster_grid <- function(x, size) {
  x <- points_given(x)
  check_given(size, "size", "the side of a cell")
  if (!is.numeric(size) || is.object(size) || !length(size) %in% c(1L, ncol(x)) ||
        anyNA(size) || any(size <= 0 | size == Inf))
    unexpected(size, "size", "a number above 0, or one for each column of `x`, ", ncol(x))
  cell <- floor(x / rep(rep_len(size, ncol(x)), each = nrow(x)))
  cell[!is.finite(cell)] <- NA
  numbered_rows(cell)
}

points_given <- function(x) {
  check_given(x, "x", "a matrix or a vector")
  x <- as.matrix(plain_numbers(if (is_gpu(x)) as.matrix(x) else x, "x"))
  if (!ncol(x)) throw("shape", "`x` has 0 columns: expected at least one")
  storage.mode(x) <- "double"
  x
}

# Equal rows have equal numbers, 1, 2, ... in the order of their values; NA for those with NA.
numbered_rows <- function(x) {
  columns <- lapply(seq_len(ncol(x)), function(k) x[, k])
  known <- Reduce(`&`, lapply(columns, function(column) !is.na(column)))
  order <- do.call(order, c(columns, method = "radix"))
  order <- order[known[order]]
  is_new <- lapply(columns, function(column) diff(column[order]) != 0)
  number <- rep(NA_integer_, nrow(x))
  number[order] <- cumsum(c(TRUE, Reduce(`|`, is_new))[seq_along(order)])
  number
}

#' @rdname cluster_grid
#' @export
cluster_kmeans <- function(x, k, iterations = 10, start = NULL, ...) {
  x <- points_given(x)
  known <- which(Reduce(`&`, lapply(seq_len(ncol(x)), function(k) is.finite(x[, k]))))
  points <- x[known, , drop = FALSE]
  k <- check_count(k, "k", 1L)
  iterations <- check_count(iterations, "iterations", 0L)
  centres <- if (is.null(start)) starting_centres(points, k) else check_start(start, k, ncol(x))
  label <- nearest_centre(points, centres, ...)
  for (step in seq_len(iterations)) {
    centres[sort(unique(label)), ] <- means_of(points, label)
    before <- label
    label <- nearest_centre(points, centres, ...)
    if (identical(label, before)) break
  }
  out <- rep(NA_integer_, nrow(x))
  out[known] <- match(label, sort(unique(label)))
  out
}

starting_centres <- function(x, k) {
  if (k > nrow(x))
    throw("argument", "`k` is ", k, ", `x` has ", nrow(x), " finite rows: expected no more centres")
  x[sample.int(nrow(x), k), , drop = FALSE]
}

check_start <- function(start, k, D) {
  start <- as.matrix(plain_numbers(start, "start"))
  if (!identical(dim(start), c(k, D)))
    throw("shape", "`start` is ", times(dim(start)), ": expected ", times(c(k, D)))
  if (!all(is.finite(start))) throw("argument", "`start` has values that are no finite numbers")
  start
}

# Positions from 1, whatever the option index_base says.
nearest_centre <- function(x, centres, ...) {
  if (!nrow(x)) return(integer())
  base <- get_options()$index_base
  as.vector(reduce(sqdist(Vi(x), Vj(centres)), "ArgMin", "j", list(...))) - base + 1L
}

means_of <- function(x, label) {
  sums <- rowsum(x, label)
  sums / tabulate(label)[as.integer(rownames(sums))]
}

#' @rdname cluster_grid
#' @export
cluster_centroids <- function(x, labels, weights = NULL) {
  x <- points_given(x)
  coded <- coded(labels, "labels")
  n <- length(coded$code)
  if (n != nrow(x))
    throw("shape", "`labels` has length ", n, ", `x` has ", counted(nrow(x), "row"),
          ": expected equal numbers")
  weights <- check_weights(weights, nrow(x))
  used <- which(tabulate(coded$code, length(coded$label)) > 0L)
  known <- !is.na(coded$code)
  sums <- rowsum(cbind(x * weights, weights)[known, , drop = FALSE], coded$code[known])
  out <- sums[, seq_len(ncol(x)), drop = FALSE] / sums[, ncol(x) + 1L]
  dimnames(out) <- list(as.character(coded$label)[used], colnames(x))
  out
}

check_weights <- function(weights, n) {
  if (is.null(weights)) return(rep(1, n))
  weights <- plain_numbers(weights, "weights", is_matrix = FALSE)
  if (length(weights) != n)
    throw("shape", "`weights` has length ", length(weights), ", `x` has ", counted(n, "row"),
          ": expected equal numbers")
  as.double(weights)
}
