# Which pairs are computed: blocks, and computing with them.
#
# An rkeops_blocks is plain R data, a list of
#   size      c(M, N), numbers of i and of j; NA as long as it fits any
#   i_order   NULL, or the position of the i at each place; positions ascend within a label
#   j_order   likewise of j
#   i_end     ends of the segments of places of i: segment s has the places (i_end[s - 1], i_end[s]]
#   list_end  for each segment, the number of intervals up to its last one
#   from, to  the intervals, places (from, to] of j, ascending and apart within a segment
#   offsets   NULL, or a matrix of two columns lower, upper, ascending and apart: the differences
#             j - i of positions of the pairs that are kept, ends included
# A pair is kept when the place of j is in an interval of the segment of i and j - i in one of the
# offsets. The engine walks over the intervals as they are here (rk_blocks of engine.h).

block_parts <- c("size", "i_order", "j_order", "i_end", "list_end", "from", "to", "offsets")

new_blocks <- function(size, i_order = NULL, j_order = NULL, i_end, list_end, from, to,
                       offsets = NULL) {
  structure(class = "rkeops_blocks", list(
    size = size, i_order = i_order, j_order = j_order, i_end = i_end, list_end = list_end,
    from = from, to = to, offsets = offsets))
}

# All pairs and no pair of so many i and j.
all_blocks <- function(M, N) new_blocks(
  c(M, N), i_end = M[M > 0L], list_end = as.integer(N > 0L)[M > 0L], from = 0L[M > 0L && N > 0L],
  to = N[M > 0L && N > 0L])

no_blocks <- function(M, N) new_blocks(
  c(M, N), i_end = M[M > 0L], list_end = 0L[M > 0L], from = integer(), to = integer())

# Blocks that say something of differences of positions only fit any sizes.
offset_blocks <- function(offsets) new_blocks(
  c(NA_integer_, NA_integer_), i_end = NULL, list_end = NULL, from = NULL, to = NULL,
  offsets = offsets)

is_sized <- function(x) !anyNA(x$size)

# Of M and N i and j, or it stops.
sized <- function(x, M, N, name = "blocks") {
  if (!is_sized(x)) return(with_offsets(all_blocks(M, N), x$offsets))
  if (!identical(x$size, c(M, N)))
    throw("shape", "`", name, "` is of ", times(x$size), " pairs: expected ", times(c(M, N)))
  x
}

times <- function(size) paste(size, collapse = " x ")

# The same lists. Offsets that leave nothing or everything are said by lists alone.
with_offsets <- function(x, offsets) {
  if (is_sized(x) && !is.null(offsets)) {
    reach <- c(1 - x$size[1L], x$size[2L] - 1)
    offsets <- offsets[offsets[, 2L] >= reach[1L] & offsets[, 1L] <= reach[2L], , drop = FALSE]
    if (!nrow(offsets)) return(no_blocks(x$size[1L], x$size[2L]))
    if (offsets[1L, 1L] <= reach[1L] && offsets[1L, 2L] >= reach[2L]) offsets <- NULL
  }
  new_blocks(x$size, x$i_order, x$j_order, x$i_end, x$list_end, x$from, x$to, offsets)
}

with_lists <- function(x, lists) {
  new_blocks(x$size, x$i_order, x$j_order, lists$i_end, lists$list_end, lists$from, lists$to,
             x$offsets)
}

# ---- checks --------------------------------------------------------------------------------------

# Anybody can make such a list: what C reads is checked wherever blocks come in. The engine does it
# again, so what goes there as it is needs no check of its `lists` before.
check_blocks <- function(x, name, lists = TRUE) {
  check_given(x, name, "blocks")
  if (!inherits(x, "rkeops_blocks"))
    unexpected(x, name, "blocks, as keep_labels(), keep_groups(), keep_near() or keep_band() make")
  fault <- fault_of(x, lists)
  if (!is.null(fault))
    throw("argument", "`", name, "` has been changed: ", fault, "; expected blocks as rkeops makes")
  x
}

fault_of <- function(x, lists) {
  if (!is.list(x) || !identical(names(x), block_parts)) return("it has other elements")
  x <- unclass(x)
  if (!is.integer(x$size) || length(x$size) != 2L) return("`size` is not two integers")
  if (!are_offsets(x$offsets)) return("`offsets` are not whole numbers, ascending and apart")
  if (all(is.na(x$size))) {
    if (all(lengths(x[2:7]) == 0L) && !is.null(x$offsets)) return(NULL)
    return("it has lists, but no sizes")
  }
  if (anyNA(x$size) || any(x$size < 0L)) return("`size` is negative or half known")
  for (name in block_parts[2:3])
    if (!is.null(x[[name]]) && !is.integer(x[[name]])) return(paste0("`", name, "` is no integers"))
  for (name in block_parts[4:7])
    if (!is.integer(x[[name]])) return(paste0("`", name, "` is no integers"))
  if (lists) .Call(C_blocks_fault, x)
}

are_offsets <- function(offsets) {
  if (is.null(offsets)) return(TRUE)
  if (!is.double(offsets) || length(dim(offsets)) != 2L || ncol(offsets) != 2L || anyNA(offsets) ||
      any(offsets != floor(offsets))) return(FALSE)
  n <- nrow(offsets)
  all(offsets[, 1L] <= offsets[, 2L]) && all(offsets[-1L, 1L] > offsets[-n, 2L] + 1)
}

# ---- offsets: sets of differences of positions ---------------------------------------------------

# Intervals of whole numbers as they are kept: ascending and apart.
tidy_offsets <- function(lower, upper) {
  lower <- unname(ceiling(lower))
  upper <- unname(floor(upper))
  known <- lower <= upper & lower < Inf & upper > -Inf
  order <- order(lower[known])
  lower <- lower[known][order]
  upper <- cummax(upper[known][order])
  n <- length(lower)
  first <- c(TRUE, lower[-1L] > upper[-n] + 1)[seq_len(n)]
  last <- c(first[-1L], TRUE)[seq_len(n)]
  cbind(lower = lower[first], upper = upper[last])
}

any_offsets <- function(x, y) {
  if (!is.null(x) && !is.null(y)) tidy_offsets(c(x[, 1L], y[, 1L]), c(x[, 2L], y[, 2L]))
}

other_offsets <- function(x) tidy_offsets(c(-Inf, x[, 2L] + 1), c(x[, 1L] - 1, Inf))

common_offsets <- function(x, y) {
  if (is.null(x)) y
  else if (is.null(y)) x
  else other_offsets(any_offsets(other_offsets(x), other_offsets(y)))
}

offsets_text <- function(offsets) {
  if (!nrow(offsets)) return("no pairs")
  lower <- offsets[, 1L]
  upper <- offsets[, 2L]
  text <- paste("from", whole_text(lower), "to", whole_text(upper))
  text[upper == Inf] <- paste("from", whole_text(lower[upper == Inf]), "on")
  text[lower == -Inf] <- paste("up to", whole_text(upper[lower == -Inf]))
  text[lower == upper] <- whole_text(lower[lower == upper])
  text[lower == -Inf & upper == Inf] <- "of any size"
  n <- length(text)
  paste(c(paste("j - i", text[1L]), text[seq_len(min(n, 4L))][-1L],
          if (n > 4L) paste(n - 4L, "other ranges")), collapse = " or ")
}

whole_text <- function(x) format(x, scientific = FALSE, trim = TRUE)

# ---- places and positions ------------------------------------------------------------------------

# Numbers by place as numbers by position.
by_position <- function(values, order) {
  if (is.null(order)) return(values)
  values[order] <- values
  values
}

place_of <- function(position, order) {
  if (is.null(order)) position else by_position(seq_along(order), order)[position]
}

# The segment of each place of i, from 1.
segment_of <- function(place, i_end) findInterval(place, i_end, left.open = TRUE) + 1L

# How many j the segments meet.
list_lengths <- function(x) {
  sums <- c(0, cumsum(as.double(x$to) - x$from))[c(0L, x$list_end) + 1L]
  diff(sums)
}

segment_sizes <- function(x) diff(c(0L, x$i_end))

# How many pairs each i or each j is in, as doubles, by position.
rows_kept <- function(x, index) {
  if (!is.null(x$offsets))
    return(if (index == "i") .Call(C_blocks_counted, x) else rows_kept(t(x), "i"))
  if (index == "i") by_position(rep(list_lengths(x), segment_sizes(x)), x$i_order)
  else by_position(.Call(C_blocks_covered, x), x$j_order)
}

pairs_kept <- function(x) {
  if (!is_sized(x)) NA_real_
  else if (is.null(x$offsets)) sum(list_lengths(x) * segment_sizes(x))
  else sum(rows_kept(x, "i"))
}

# Are the pairs of these positions kept?
is_kept <- function(x, i, j) {
  segment <- segment_of(place_of(i, x$i_order), x$i_end)
  kept <- .Call(C_blocks_listed, x, as.integer(segment), as.integer(place_of(j, x$j_order)))
  if (is.null(x$offsets)) return(kept)
  offset <- as.double(j) - i
  upper <- c(-Inf, unname(x$offsets[, 2L]))
  kept & offset <= upper[findInterval(offset, x$offsets[, 1L]) + 1L]
}

# ---- what users see ------------------------------------------------------------------------------

#' Blocks: which pairs are computed
#'
#' Blocks say which pairs (i, j) a reduction looks at. [keep_labels()], [keep_groups()] and
#' [keep_near()] make them of data, [keep_band()] and others of positions. They can be printed,
#' drawn, transposed and combined: `x & y` keeps the pairs that both keep, `x | y` those that one of
#' them keeps, `!x` the others.
#'
#' Blocks are lists of intervals, 8 bytes each, not of pairs: each row i has a place in an order,
#' and places are cut into segments, which meet intervals of places of j. What [keep_band()] and
#' others say of j - i, the difference of positions, is kept beside them, so that it is cheap for
#' any numbers of rows, and fits any: `dim()` of such blocks is NA.
#'
#' `|` and `!` of blocks that limit both intervals and j - i are refused where the result has no
#' such form; `x & y` always has. A sum over the pairs of `x | y` is then that over `x`, plus that
#' over `y`, minus that over `x & y`.
#'
#' @param x,object,e1,e2 blocks.
#' @param size numbers of i and of j for blocks that fit any; else those of the blocks.
#' @param by_place whether to draw i and j at their places, with what belongs together side by side,
#'   or in the order of the data.
#' @param ... further arguments of [graphics::image()]; else not used.
#' @return `dim()` gives c(M, N), `as.matrix()` a dense logical matrix of the pairs, `t()`, `&`, `|`
#'   and `!` give blocks, `plot()` the matrix of the shares that are drawn, invisibly. `summary()`
#'   is a list of class `summary.rkeops_blocks` that prints: `dim`; `pairs`, the number of pairs
#'   kept, and `share` of all; `segments` and `intervals`, their numbers; `offsets`, the matrix of
#'   ranges of j - i, or NULL; `bytes`, and `bytes_per_interval`.
#' @section Errors:
#' `rkeops_error_shape` where blocks have other sizes than each other or than what they are used
#' with; `rkeops_error_argument` for `|` and `!` without a result in this form, for what is no
#' blocks, and where sizes are needed and not known; `rkeops_error_memory` for dense matrices of
#' 2^31 elements.
#' @family blocks
#' @examples
#' customer <- c("b", "a", "b", "c", "a", "b")
#' same <- keep_groups(customer)
#' same
#' 1 * as.matrix(same)
#'
#' # only what came before, in time
#' earlier <- same & keep_lower(diagonal = FALSE)
#' 1 * as.matrix(earlier)
#' summary(earlier)
#' plot(same | keep_groups(customer %in% c("a", "b")))
#' @name rkeops_blocks
#' @aliases rkeops_blocks-class
NULL

#' @export
dim.rkeops_blocks <- function(x) if (is.list(x)) unclass(x)$size

#' @rdname rkeops_blocks
#' @export
t.rkeops_blocks <- function(x) {
  check_blocks(x, "x")
  offsets <- x$offsets
  if (!is.null(offsets))
    offsets <- tidy_offsets(-offsets[, 2L], -offsets[, 1L])
  if (!is_sized(x)) return(offset_blocks(offsets))
  lists <- .Call(C_blocks_transposed, x)
  if (is.null(lists)) refuse_large()
  new_blocks(rev(x$size), x$j_order, x$i_order, lists$i_end, lists$list_end, lists$from, lists$to,
             offsets)
}

refuse_large <- function()
  throw("memory", "these blocks have more than 2^31 - 1 intervals: expected fewer labels, or ",
        "larger cells")

#' @export
format.rkeops_blocks <- function(x, ...) {
  check_blocks(x, "x")
  offsets <- if (!is.null(x$offsets)) offsets_text(x$offsets)
  if (!is_sized(x)) return(paste0("<rkeops_blocks> of any size, ", offsets))
  c(paste0("<rkeops_blocks> ", times(x$size), ", ", counted(length(x$i_end), "segment"), ", ",
           counted(length(x$from), "interval"), ", ", share_text(share_kept(x))), offsets)
}

counted <- function(n, what) paste0(n, " ", what, if (n != 1) "s")

share_kept <- function(x) pairs_kept(x) / prod(x$size)

share_text <- function(share) {
  if (is.nan(share)) "no pairs" else paste(format(100 * share, digits = 3L), "% of the pairs")
}

#' @export
print.rkeops_blocks <- function(x, ...) {
  cat(format(x), sep = "\n")
  invisible(x)
}

#' @export
str.rkeops_blocks <- function(object, ...) cat("", format(object)[1L], "\n")

#' @rdname rkeops_blocks
#' @export
summary.rkeops_blocks <- function(object, size = dim(object), ...) {
  x <- with_size(object, size, "object")
  bytes <- as.double(utils::object.size(x))
  pairs <- pairs_kept(x)
  structure(class = "summary.rkeops_blocks", list(
    dim = x$size, pairs = pairs, share = pairs / prod(x$size), segments = length(x$i_end),
    intervals = length(x$from), offsets = x$offsets, bytes = bytes,
    bytes_per_interval = bytes / length(x$from)))
}

#' @export
print.summary.rkeops_blocks <- function(x, ...) {
  cat("blocks of ", times(x$dim), " pairs: ", whole_text(x$pairs), " are kept, ",
      share_text(x$share), "\n", counted(x$segments, "segment"), " of i, ",
      counted(x$intervals, "interval"), " of j: ",
      whole_text(x$bytes), " bytes",
      if (x$intervals) c(", ", format(x$bytes_per_interval, digits = 3L), " for each interval"),
      "\n",
      if (!is.null(x$offsets)) c(offsets_text(x$offsets), "\n"), sep = "")
  invisible(x)
}

# Checked, and of known sizes.
with_size <- function(x, size, name) {
  check_blocks(x, name)
  if (anyNA(size))
    throw("argument", "`", name, "` fits any numbers of rows: expected `size`, c(M, N)")
  if (!is.numeric(size) || length(size) != 2L) unexpected(size, "size", "numbers of i and of j")
  sized(x, check_count(size[1L], "size", 0L), check_count(size[2L], "size", 0L), name)
}

#' @rdname rkeops_blocks
#' @export
as.matrix.rkeops_blocks <- function(x, size = dim(x), ...) {
  x <- with_size(x, size, "x")
  M <- x$size[1L]
  N <- x$size[2L]
  if (as.double(M) * N >= 2^31)
    throw("memory", "`x` is of ", times(x$size), " pairs: a dense matrix has fewer than 2^31")
  out <- matrix(FALSE, M, N)
  step <- max(1, 2^20 %/% max(M, 1L))
  for (first in seq(1, length.out = ceiling(N / step), by = step)) {
    columns <- first:min(first + step - 1, N)
    out[, columns] <- is_kept(x, rep(seq_len(M), length(columns)), rep(columns, each = M))
  }
  out
}

#' @rdname rkeops_blocks
#' @export
plot.rkeops_blocks <- function(x, size = dim(x), by_place = FALSE, ...) {
  x <- with_size(x, size, "x")
  check_flag(by_place, "by_place")
  shares <- shares_drawn(x, by_place)
  if (!length(shares)) throw("shape", "`x` is of ", times(x$size), " pairs: expected some to draw")
  draw_shares(shares, x$size, ...)
  invisible(shares)
}

most_drawn <- 256L # rows and columns of a picture
most_tried <- 2^20 # pairs that it is made of

# The share of pairs that are kept in each cell of a picture: of large blocks, among some pairs that
# are spread evenly over the cell.
shares_drawn <- function(x, by_place) {
  cells <- pmin(x$size, most_drawn)
  if (!all(cells)) return(matrix(0, cells[1L], cells[2L]))
  tries <- if (identical(cells, x$size)) 1 else most_tried %/% prod(cells)
  n <- as.double(seq_len(tries * prod(cells)))
  cell <- (n - 1) %/% tries
  i <- spread(cell %% cells[1L], n * 0.7548776662466927, x$size[1L] / cells[1L])
  j <- spread(cell %/% cells[1L], n * 0.5698402909980532, x$size[2L] / cells[2L])
  if (by_place && !is.null(x$i_order)) i <- x$i_order[i]
  if (by_place && !is.null(x$j_order)) j <- x$j_order[j]
  matrix(colMeans(matrix(is_kept(x, i, j), tries)), cells[1L])
}

# Positions in cells that are `width` wide: multiples of these two numbers, taken modulo 1, leave no
# holes in a square.
spread <- function(cell, fraction, width) 1 + floor((cell + fraction %% 1) * width)

# Row 1 is at the top, as matrices are printed.
draw_shares <- function(shares, size, ..., xlab = "j", ylab = "i", col = greys()) {
  edges <- function(k) seq(0.5, size[k] + 0.5, length.out = dim(shares)[k] + 1L)
  graphics::image(edges(2L), edges(1L), t(shares), ylim = c(size[1L] + 0.5, 0.5), zlim = c(0, 1),
                  xlab = xlab, ylab = ylab, col = col, ...)
}

# From white to black; small shares are seen too.
greys <- function() {
  level <- as.integer(255 * (1 - sqrt(seq(0, 1, length.out = 64L))))
  sprintf("#%02X%02X%02X", level, level, level)
}

# ---- algebra -------------------------------------------------------------------------------------

#' @rdname rkeops_blocks
#' @export
Ops.rkeops_blocks <- function(e1, e2) {
  if (!.Generic %in% c("&", "|", "!"))
    throw("argument", "`", .Generic, "` of blocks: expected `&`, `|` or `!`")
  if (.Generic == "!") return(other_pairs(check_blocks(e1, "x")))
  pair <- of_one_size(check_blocks(e1, "e1"), check_blocks(e2, "e2"))
  if (.Generic == "&") common_pairs(pair[[1L]], pair[[2L]])
  else any_pairs(pair[[1L]], pair[[2L]])
}

of_one_size <- function(x, y) {
  size <- if (is_sized(x)) x$size else y$size
  if (anyNA(size)) return(list(x, y))
  if (is_sized(y) && !identical(size, y$size))
    throw("shape", operands_with(c(times(x$size), times(y$size)), " pairs"),
          ": expected equal numbers")
  list(sized(x, size[1L], size[2L]), sized(y, size[1L], size[2L]))
}

common_pairs <- function(x, y) {
  lists <- if (!is_sized(x) || lists_all(y)) x else if (lists_all(x)) y
           else combined(x, y, common_table)
  with_offsets(lists, common_offsets(x$offsets, y$offsets))
}

any_pairs <- function(x, y) {
  if (keeps_all(x) || keeps_none(y)) return(x)
  if (keeps_all(y) || keeps_none(x)) return(y)
  if (same_lists(x, y)) return(with_offsets(x, any_offsets(x$offsets, y$offsets)))
  if (identical(x$offsets, y$offsets)) return(with_offsets(combined(x, y, any_table), x$offsets))
  throw("argument", "`|` of these blocks is neither intervals nor ranges of j - i: expected ",
        "blocks with the same intervals or the same ranges; sums over it are those over both minus those ",
        "over `x & y`")
}

other_pairs <- function(x) {
  if (is.null(x$offsets)) return(combined(x, x, other_table))
  if (!is_sized(x) || lists_all(x)) return(with_offsets(x, other_offsets(x$offsets)))
  throw("argument", "`!` of these blocks is neither intervals nor ranges of j - i: expected ",
        "blocks that limit one of both; sums over it are those over all pairs minus those over these")
}

lists_all <- function(x) {
  M <- x$size[1L]
  N <- x$size[2L]
  identical(x$i_end, M[M > 0L]) && identical(x$from, 0L[M > 0L && N > 0L]) &&
    identical(x$to, N[M > 0L && N > 0L])
}

keeps_all <- function(x) is_sized(x) && lists_all(x) && is.null(x$offsets)

keeps_none <- function(x) if (is_sized(x)) !length(x$from) else !nrow(x$offsets)

same_lists <- function(x, y) identical(unclass(x)[2:7], unclass(y)[2:7])

# What is kept of pairs that are in none of two, in the first, in the second, in both.
common_table <- c(FALSE, FALSE, FALSE, TRUE)
any_table <- c(FALSE, TRUE, TRUE, TRUE)
other_table <- c(TRUE, FALSE, FALSE, FALSE)

# The lists of two blocks of one size, without offsets, as one.
combined <- function(x, y, table) {
  segments <- common_segments(x, y)
  pair <- in_one_order_of_j(x, y, segments)
  lists <- .Call(C_blocks_combined, pair[[1L]], pair[[2L]], segments$i_end, segments$x, segments$y,
                 table)
  if (is.null(lists)) refuse_large()
  new_blocks(x$size, segments$order, pair[[1L]]$j_order, lists$i_end, lists$list_end, lists$from,
             lists$to)
}

# Segments of i that are in one segment of both: their ends, the order, and of which they are.
common_segments <- function(x, y) {
  if (identical(x$i_order, y$i_order)) {
    i_end <- sort(unique(c(x$i_end, y$i_end)))
    return(list(i_end = i_end, order = x$i_order, x = segment_of(i_end, x$i_end),
                y = segment_of(i_end, y$i_end)))
  }
  cells <- cells_of(by_position(rep(seq_along(x$i_end), segment_sizes(x)), x$i_order),
                    by_position(rep(seq_along(y$i_end), segment_sizes(y)), y$i_order))
  list(i_end = cells$end, order = cells$order, x = cells$x, y = cells$y)
}

# Positions sorted by two numbers: where each pair of numbers ends, and which it is.
cells_of <- function(x, y) {
  order <- order(x, y, method = "radix")
  x <- x[order]
  y <- y[order]
  n <- length(order)
  end <- which(c(x[-1L] != x[-n] | y[-1L] != y[-n], TRUE)[seq_len(n)])
  list(order = if (is.unsorted(order)) order, end = end, x = x[end], y = y[end])
}

# The same blocks, with places of j in an order that keeps together what is in one interval of both.
# Sorted by what the first one tells apart, its places stay; an interval of the second one falls
# into cells. First is the one for which the lists of all common segments are shorter then.
in_one_order_of_j <- function(x, y, segments) {
  if (identical(x$j_order, y$j_order) || !length(x$from) || !length(y$from)) return(list(x, y))
  x_end <- sort(unique(c(x$from[x$from > 0L], x$to, x$size[2L])))
  y_end <- sort(unique(c(y$from[y$from > 0L], y$to, y$size[2L])))
  x_piece <- by_position(segment_of(seq_len(x$size[2L]), x_end), x$j_order)
  y_piece <- by_position(segment_of(seq_len(x$size[2L]), y_end), y$j_order)
  cells <- cells_of(x_piece, y_piece)
  x_met <- cells_met(x, x_end, cells$x, segments$x)
  y_met <- cells_met(y, y_end, cells$y, segments$y)
  if (y_met$more <= x_met$more) {
    y <- in_cells(y, y_met, cells)
  } else {
    cells <- cells_of(y_piece, x_piece)
    x <- in_cells(x, cells_met(x, x_end, cells$y, segments$x), cells)
  }
  list(in_order_of_j(x, cells$order), in_order_of_j(y, cells$order))
}

# Cells sorted by the pieces of places that they are in, which of them each interval has, and how
# much longer this makes all lists.
cells_met <- function(x, piece_end, cell_piece, segments) {
  up_to <- c(0L, cumsum(tabulate(cell_piece, length(piece_end))))
  first <- up_to[segment_of(x$from + 1L, piece_end)]
  last <- up_to[segment_of(x$to, piece_end) + 1L]
  times_used <- rep(tabulate(segments, length(x$i_end)), diff(c(0L, x$list_end)))
  list(cells = order(cell_piece, method = "radix"), first = first, last = last,
       more = sum((as.double(last) - first - 1) * times_used))
}

in_cells <- function(x, met, cells) {
  if (sum(as.double(met$last) - met$first) > .Machine$integer.max) refuse_large()
  lists <- .Call(C_blocks_in_cells, x$list_end, met$first, met$last, met$cells, cells$end)
  with_lists(x, c(list(i_end = x$i_end), lists))
}

in_order_of_j <- function(x, order)
  new_blocks(x$size, x$i_order, order, x$i_end, x$list_end, x$from, x$to, x$offsets)
