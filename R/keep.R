# What makes blocks: labels, groups, positions, distances, ranges of PyKeOps.

# ---- labels --------------------------------------------------------------------------------------

#' Pairs of rows by their labels
#'
#' `keep_labels()` keeps the pairs (i, j) whose labels are allowed together, `keep_groups()` those
#' with equal labels, `drop_groups()` those with different ones. Rows may come in any order: they
#' are sorted inside, results are in the order of the data.
#'
#' A matrix `keep` with dimnames has a row and a column for each label, named by it, in any order;
#' others for labels without rows do no harm. Without dimnames its rows and columns are the labels
#' in their order: levels of a factor, all of them; FALSE, TRUE; numbers and dates ascending; texts
#' as in the C locale. A table of pairs may name labels that no row has.
#'
#' NA is no label, as in [tapply()]: such rows meet nothing, in `drop_groups()` too.
#' (`!keep_groups()` lets them meet all rows.)
#'
#' @param i_labels,j_labels,gi,gj a label for each i and for each j: an atomic vector of any type or
#'   a factor. Labels of i and j may be of different types when they are texts, factors or numbers;
#'   they are compared as [match()] does.
#' @param keep which labels meet: a logical matrix, label of i x label of j, dense or of package
#'   Matrix, or a data.frame or matrix with two columns, pairs of a label of i and one of j. A
#'   logical matrix is never taken as a table. `NULL`: equal labels.
#' @return Blocks: see [rkeops_blocks].
#' @section Errors:
#' `rkeops_error_argument` for labels that are no atomic vector, for types that cannot be compared,
#' for `keep` that is neither, has NA, or lacks a name; `rkeops_error_shape` for `keep` of the wrong
#' size.
#' @family blocks
#' @examples
#' species <- c("wolf", "hare", "lynx", "hare")
#' eats <- data.frame(hunter = c("wolf", "lynx"), prey = "hare")
#' 1 * as.matrix(keep_labels(species, species, eats))
#'
#' # neighbours among four cells in a row: a matrix, label x label
#' cell <- c(1, 4, 2, 3, 3, 1)
#' near <- abs(outer(1:4, 1:4, "-")) <= 1
#' keep_labels(cell, cell, near)
#' keep_groups(cell, 1:4)
#' drop_groups(c("a", NA, "b"), c("a", "b", "c"))
#' @export
keep_labels <- function(i_labels, j_labels, keep = NULL) {
  i <- coded(i_labels, "i_labels")
  j <- coded(j_labels, "j_labels")
  pairs <- if (is.null(keep)) equal_labels(i, j, c("i_labels", "j_labels"))
           else pairs_of(keep, i, j)
  blocks_of_pairs(i, j, pairs)
}

#' @rdname keep_labels
#' @export
keep_groups <- function(gi, gj = gi) {
  i <- coded(gi, "gi")
  j <- if (missing(gj)) i else coded(gj, "gj")
  blocks_of_pairs(i, j, equal_labels(i, j, c("gi", "gj")))
}

#' @rdname keep_labels
#' @export
drop_groups <- function(gi, gj = gi) {
  i <- coded(gi, "gi")
  j <- if (missing(gj)) i else coded(gj, "gj")
  pairs <- equal_labels(i, j, c("gi", "gj"))
  same <- rep(NA_integer_, length(i$label))
  same[pairs$i] <- pairs$j
  blocks_without(places_of(i), places_of(j), same)
}

# Labels as numbers 1, 2, ... or NA, and the labels that these stand for.
coded <- function(x, name) {
  check_given(x, name, "a vector of labels")
  if (is.factor(x)) return(coded_factor(x))
  if (is.null(x) || !is.atomic(x) || isS4(x) || length(dim(x)) > 1L || inherits(x, "integer64"))
    unexpected(x, name, "an atomic vector of labels, or a factor")
  if (is.raw(x)) x <- as.integer(x)
  label <- in_order(unique(x))
  list(code = match(x, label), label = label)
}

coded_factor <- function(x) {
  code <- as.integer(x)
  if (anyNA(levels(x))) code[is.na(levels(x))[code]] <- NA
  list(code = code, label = levels(x))
}

in_order <- function(label) {
  label <- label[!is.na(label)]
  label[if (is.complex(label)) order(label) else order(label, method = "radix")]
}

equal_labels <- function(i, j, names) {
  check_alike(i, j, names)
  j_code <- match(i$label, j$label, incomparables = NA)
  list(i = which(!is.na(j_code)), j = j_code[!is.na(j_code)])
}

# Dates are no texts, and numbers of days no dates.
check_alike <- function(i, j, names) {
  if (!is.object(i$label) && !is.object(j$label)) return(invisible())
  if (!identical(class(i$label), class(j$label)))
    throw("argument", "`", names[2L], "` is ", describe(j$label), ", `", names[1L], "` is ",
          describe(i$label), ": expected labels of the same class")
}

# The pairs of codes that `keep` allows.
pairs_of <- function(keep, i, j) {
  if (is.data.frame(keep) || is.matrix(keep) && is.atomic(keep) && !is.logical(keep))
    pairs_of_table(keep, i, j)
  else pairs_of_matrix(keep, i, j)
}

pairs_of_table <- function(keep, i, j) {
  if (ncol(keep) != 2L) unexpected(keep, "keep", "two columns, a label of i and one of j")
  column <- function(k) if (is.data.frame(keep)) keep[[k]] else keep[, k]
  list(i = codes_of(column(1L), i, "i_labels"), j = codes_of(column(2L), j, "j_labels"))
}

codes_of <- function(x, coded, name) {
  if (is.factor(x)) x <- levels(x)[x]
  if (!is.atomic(x)) unexpected(x, "keep", "columns that are atomic vectors or factors")
  check_alike(coded, list(label = x), c(name, "keep"))
  match(if (is.raw(x)) as.integer(x) else x, coded$label, incomparables = NA)
}

pairs_of_matrix <- function(keep, i, j) {
  at <- places_allowed(keep)
  if (is.null(at))
    unexpected(keep, "keep", "a logical matrix, label of i x label of j, or a table of two columns")
  list(i = codes_of_side(keep, 1L, i)[at[, 1L]], j = codes_of_side(keep, 2L, j)[at[, 2L]])
}

# Where a logical matrix is TRUE, as a matrix of two columns; NULL: it is none.
places_allowed <- function(keep) {
  sparse <- isS4(keep) && inherits(keep, c("lMatrix", "nMatrix", "indMatrix"))
  if (!sparse && !(is.logical(keep) && length(dim(keep)) == 2L && !is.object(keep))) return(NULL)
  if (!inherits(keep, "nMatrix") && anyNA(keep))
    throw("argument", "`keep` has NA: expected TRUE and FALSE")
  if (sparse) Matrix::which(keep, arr.ind = TRUE) else which(keep, arr.ind = TRUE, useNames = FALSE)
}

# The code of the label that each row or column of `keep` is for; NA: no row of the data has it.
codes_of_side <- function(keep, side, coded) {
  what <- c("row", "column")[side]
  names <- dimnames(keep)[[side]]
  if (is.null(names)) return(check_labels_fit(dim(keep)[side], coded, what))
  label <- as.character(coded$label)
  lost <- setdiff(label[unique(coded$code)], c(names, NA))
  if (length(lost))
    throw("argument", "`keep` has no ", what, " \"", lost[1L], "\", a label of ", c("i", "j")[side],
          if (length(lost) > 1L) paste(" (and of", length(lost) - 1L, "others)"),
          suggestion(lost[1L], names), ": expected a ", what, " for each label")
  twice <- anyDuplicated(names)
  if (twice) throw("argument", "`keep` has two ", what, "s \"", names[twice], "\": expected one")
  match(names, label)
}

check_labels_fit <- function(size, coded, what) {
  n <- length(coded$label)
  if (size != n)
    throw("shape", "`keep` has ", counted(size, what), ", ",
          if (what == "row") "`i_labels`" else "`j_labels`", " ", counted(n, "label"),
          ": expected equal numbers, or names that are the labels")
  seq_len(n)
}

# ---- lists of labels -----------------------------------------------------------------------------

# Rows sorted by their codes, NA last, and the places (start, end] of each code.
places_of <- function(coded) {
  count <- tabulate(coded$code, length(coded$label))
  end <- cumsum(count)
  order <- if (!is_sorted(coded$code)) order(coded$code, method = "radix")
  n <- length(coded$code)
  used <- which(count > 0L)
  list(n = n, order = order, start = end - count, end = end, used = used,
       segment_end = c(end[used], n[n > sum(count)]))
}

is_sorted <- function(code) {
  code[is.na(code)] <- .Machine$integer.max
  !is.unsorted(code)
}

blocks_of_pairs <- function(i, j, pairs) {
  same <- identical(i, j)
  i <- places_of(i)
  j <- if (same) i else places_of(j)
  segment <- match(pairs$i, i$used)
  known <- !is.na(segment) & !is.na(pairs$j)
  blocks_of_intervals(i, j, segment[known], j$start[pairs$j[known]], j$end[pairs$j[known]])
}

# All labels but one of j for each of i; those with NA meet nothing.
blocks_without <- function(i, j, same) {
  n <- if (length(j$end)) max(j$end) else 0L
  same <- same[i$used]
  start <- ifelse_int(is.na(same), rep(n, length(same)), j$start[same])
  end <- ifelse_int(is.na(same), rep(n, length(same)), j$end[same])
  segment <- rep(seq_along(same), 2L)
  blocks_of_intervals(i, j, segment, c(rep(0L, length(same)), end), c(start, rep(n, length(same))))
}

# Intervals of segments, in any order, empty ones and copies among them.
blocks_of_intervals <- function(i, j, segment, from, to) {
  lists <- tidy_lists(segment, from, to, length(i$segment_end))
  new_blocks(c(i$n, j$n), i$order, j$order, i$segment_end, lists$list_end, lists$from, lists$to)
}

tidy_lists <- function(segment, from, to, segments) {
  some <- which(from < to)
  some <- some[order(segment[some], from[some], method = "radix")]
  segment <- segment[some]
  from <- from[some]
  to <- to[some]
  n <- length(some)
  first <- c(TRUE, segment[-1L] != segment[-n] | from[-1L] > to[-n])[seq_len(n)]
  last <- c(first[-1L], TRUE)[seq_len(n)]
  list(list_end = cumsum(tabulate(segment[first], segments)), from = from[first], to = to[last])
}

# ---- distances -----------------------------------------------------------------------------------

#' Pairs of points near each other
#'
#' `keep_near()` keeps at least all pairs of rows of x and y within a distance, and few others: rows
#' are sorted into boxes of neighbours, and a box meets those boxes that may have a point within the
#' radius. For exactness put `where(d < radius, ..., 0)` into the formula; the blocks save the time.
#'
#' For uniform points of which a ball of this radius has 1000, in three dimensions about three times
#' as many pairs are kept as are within the radius; fewer in one or two, more where the ball has few
#' points. [summary()][summary.rkeops_blocks] of the blocks says how many.
#'
#' @param x,y numeric matrices with a row for each i and for each j, of 1 to 3 columns; a vector is
#'   one column. What [Vi()] takes is taken.
#' @param radius the distance, ends included: a number, maybe Inf.
#' @param metric `"euclidean"`, `"manhattan"` (the sum of the differences of coordinates) or
#'   `"maximum"` (the largest one).
#' @return Blocks: see [rkeops_blocks]. Rows with NA meet nothing; those with infinite coordinates
#'   only where the radius is infinite.
#' @section Errors:
#' `rkeops_error_argument` for objects without plain numbers, other metrics, a radius that is no
#' number or below 0; `rkeops_error_shape` for more than 3 columns, or not as many for x and y.
#' @family blocks
#' @examples
#' x <- cbind(sin(1:500), cos(1.7 * 1:500))
#' near <- keep_near(x, radius = 0.1)
#' near
#' within <- as.matrix(dist(x)) <= 0.1
#' all(as.matrix(near)[within])
#' summary(near)$pairs / sum(within)
#' @export
keep_near <- function(x, y = x, radius, metric = "euclidean") {
  x <- coordinates(x, "x")
  y <- if (missing(y)) x else coordinates(y, "y")
  if (ncol(x) != ncol(y))
    throw("shape", "`x` has ", counted(ncol(x), "column"), ", `y` has ", ncol(y),
          ": expected equal numbers")
  check_given(radius, "radius", "a number")
  if (!is_number(radius) || is.na(radius) || radius < 0)
    unexpected(radius, "radius", "a number not below 0")
  metric <- match(check_choice(metric, "metric", metrics), metrics) - 1L
  if (radius == Inf) return(keep_groups(is_known(x), is_known(y)))
  lists <- checked(.Call(C_near, x, y, metric, as.double(radius), engine_options()))
  new_blocks(c(nrow(x), nrow(y)), unless_sorted(lists$i_order), unless_sorted(lists$j_order),
             lists$i_end, lists$list_end, lists$from, lists$to)
}

metrics <- c("euclidean", "manhattan", "maximum") # those of rk_metric

coordinates <- function(x, name) {
  check_given(x, name, "a matrix or a vector")
  x <- as.matrix(plain_numbers(if (is_gpu(x)) as.matrix(x) else x, name))
  if (ncol(x) < 1L || ncol(x) > 3L)
    throw("shape", "`", name, "` has ", counted(ncol(x), "column"), ": expected 1 to 3; ",
          "where(d < radius, ..., 0) in the formula takes any number of them")
  storage.mode(x) <- "double"
  x
}

# TRUE for rows without NA, else NA.
is_known <- function(x) {
  known <- rep(TRUE, nrow(x))
  for (k in seq_len(ncol(x))) known[is.na(x[, k])] <- NA
  known
}

unless_sorted <- function(order) if (is.unsorted(order)) order

# ---- positions -----------------------------------------------------------------------------------

#' Pairs of rows by their positions
#'
#' `keep_band()` keeps the pairs (i, j) whose positions differ by `lower <= j - i <= upper`, ends
#' included; `keep_lower()` keeps j <= i, the lower triangle of a matrix, `keep_upper()` j >= i,
#' both without their diagonal where it is `FALSE`; `drop_self()` keeps j != i.
#'
#' They fit any numbers of rows, cost no memory, and are exact: `keep_groups(g) & drop_self()` has
#' the pairs of different members of a group.
#'
#' @param lower,upper numbers; `-Inf` and `Inf` for no bound.
#' @param diagonal whether pairs of equal positions are kept.
#' @return Blocks that fit any sizes: see [rkeops_blocks].
#' @section Errors:
#' `rkeops_error_argument` for bounds that are no numbers, or of which the lower one is above the
#' upper one.
#' @family blocks
#' @examples
#' 1 * as.matrix(keep_band(-1, 2), size = c(4, 6))
#' keep_lower()
#' drop_self()
#' keep_upper(diagonal = FALSE) | keep_band(-3, -2)
#' @export
keep_band <- function(lower, upper) {
  check_bound(lower, "lower")
  check_bound(upper, "upper")
  if (lower > upper)
    throw("argument", "`lower` is ", describe(lower), ", `upper` is ", describe(upper),
          ": expected bounds in order")
  offset_blocks(tidy_offsets(lower, upper))
}

check_bound <- function(x, name) {
  check_given(x, name, "a number")
  if (!is_number(x) || is.na(x)) unexpected(x, name, "a number, maybe -Inf or Inf")
}

#' @rdname keep_band
#' @export
keep_lower <- function(diagonal = TRUE)
  keep_band(-Inf, if (check_flag(diagonal, "diagonal")) 0 else -1)

#' @rdname keep_band
#' @export
keep_upper <- function(diagonal = TRUE)
  keep_band(if (check_flag(diagonal, "diagonal")) 0 else 1, Inf)

#' @rdname keep_band
#' @export
drop_self <- function() offset_blocks(other_offsets(cbind(0, 0)))

# ---- ranges of PyKeOps ---------------------------------------------------------------------------

# Blocks as they are, or made of PyKeOps' `ranges`: a list of ranges_i, slices_i, redranges_j (and
# ranges_j, slices_j, redranges_i, which say the same the other way round). Ranges are [start, end)
# from 0, as a matrix of two columns or one after the other; range k of i meets the ranges of j from
# slices[k - 1] to slices[k] - 1. Sizes that are NA are those that the ranges need.
as_blocks <- function(x, M = NA, N = NA, name = "ranges") {
  if (inherits(x, "rkeops_blocks")) return(sized(check_blocks(x, name), M, N, name))
  if (!is.list(x) || is.object(x) || !length(x) %in% c(3L, 6L))
    unexpected(x, name, "blocks, or a list of 3 or 6 vectors: ranges_i, slices_i, redranges_j, ...")
  if (is.na(M)) M <- last_end(x[c(1L, 6L)])
  if (is.na(N)) N <- last_end(x[3:4])
  blocks <- blocks_of_three(x[1:3], M, N, paste0(name, "[[", 1:3, "]]"))
  if (length(x) == 6L) {
    other <- t(blocks_of_three(x[4:6], N, M, paste0(name, "[[", 4:6, "]]")))
    if (!same_pairs(blocks, other))
      throw("argument", "`", name, "` says other pairs by i than by j: expected ranges_j, ",
            "slices_j, redranges_i of the same pairs, or none")
  }
  blocks
}

last_end <- function(ranges) {
  numbers <- unlist(Filter(is.numeric, ranges))
  as.integer(max(0, numbers[is.finite(numbers) & numbers < 2^31]))
}

same_pairs <- function(x, y) {
  n <- pairs_kept(x)
  n == pairs_kept(y) && n == pairs_kept(x & y)
}

blocks_of_three <- function(x, M, N, names) {
  i <- check_ranges(x[[1L]], M, names[1L])
  j <- check_ranges(x[[3L]], N, names[3L])
  slices <- check_slices(x[[2L]], nrow(i), nrow(j), names)
  range <- rep(seq_len(nrow(i)), diff(c(0L, slices)))
  check_apart(rep(1L, nrow(i)), i, names[1L])
  check_apart(range, j, names[3L])
  end <- sort(unique(c(i[i[, 1L] < i[, 2L], ], M)))
  end <- end[end > 0L]
  segment <- match(i[, 2L], end)
  segment[i[, 1L] == i[, 2L]] <- NA
  known <- !is.na(segment[range])
  lists <- tidy_lists(segment[range][known], j[known, 1L], j[known, 2L], length(end))
  new_blocks(c(M, N), i_end = end, list_end = lists$list_end, from = lists$from, to = lists$to)
}

check_ranges <- function(x, n, name) {
  if (!is.numeric(x) || is.object(x) || is.matrix(x) && ncol(x) != 2L || length(x) %% 2)
    unexpected(x, name, "pairs of start and end")
  if (!is.matrix(x)) x <- matrix(x, ncol = 2L, byrow = TRUE)
  wrong <- which(is.na(x[, 1L]) | is.na(x[, 2L]) | x[, 1L] < 0 | x[, 2L] > n | x[, 1L] > x[, 2L] |
                   x[, 1L] %% 1 != 0 | x[, 2L] %% 1 != 0)
  if (length(wrong))
    throw("argument", "`", name, "` has the range ", range_text(x[wrong[1L], ]),
          ": expected 0 <= start <= end <= ", n)
  matrix(as.integer(x), ncol = 2L)
}

range_text <- function(range) paste0("[", range[1L], ", ", range[2L], ")")

check_slices <- function(x, ranges, intervals, names) {
  if (!is.numeric(x) || is.object(x) || length(x) != ranges)
    unexpected(x, names[2L], "as many numbers as `", names[1L], "` has ranges, ", ranges)
  if (anyNA(x) || any(x %% 1 != 0) || any(diff(c(0, x)) < 0) || max(0, x) != intervals)
    throw("argument", "`", names[2L], "` does not ascend to the number of ranges in `", names[3L],
          "`: expected ends of slices up to ", intervals)
  as.integer(x)
}

# No two ranges of a group overlap.
check_apart <- function(group, x, name) {
  order <- order(group, x[, 1L], method = "radix")
  order <- order[x[order, 1L] < x[order, 2L]]
  n <- length(order)
  here <- order[-1L]
  before <- order[-n]
  overlap <- which(group[here] == group[before] & x[here, 1L] < x[before, 2L])
  if (length(overlap))
    throw("argument", "`", name, "` has the ranges ", range_text(x[before[overlap[1L]], ]), " and ",
          range_text(x[here[overlap[1L]], ]), ", which overlap: expected ranges apart")
}
