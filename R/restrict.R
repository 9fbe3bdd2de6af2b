# Reductions over some of the pairs only.
#
# What a LazyTensor that does not stand for all pairs of rows has more than others is its `walk`, a
# list of
#   blocks  NULL for all pairs, or an rkeops_blocks, maybe one that fits any sizes
#   groups  NULL, or list(i, j): labels as coded() gives them, for parameters with a row for each
#   batch   NULL, or extents of batches, see batch.R
# The other LazyTensors have none. States of operators have that of what they were made from.

new_walk <- function(blocks = NULL, groups = NULL, batch = NULL)
  list(blocks = blocks, groups = groups, batch = batch)

#' Some of the pairs only
#'
#' `restrict_pairs()` gives a LazyTensor that stands for some of the pairs (i, j) only: those that
#' blocks keep, or those of rows of one group. All that computes with it leaves the others out:
#' reductions, products, sums of rows, values, derivatives. It takes the time of the pairs that are
#' left.
#'
#' A pair that is left out is absent, whatever the formula would be there: it adds nothing to a sum
#' and is no candidate for a minimum. Values and gradients of a row without pairs are those of a
#' reduction over nothing: 0 for sums, `-Inf` for [logsumexp()], `Inf` and position `NA` for minima.
#' Means divide by the number of pairs of the row, so they are NaN there. In `as.matrix(x)` and
#' `x[i, j]` absent pairs are 0 (FALSE for conditions).
#'
#' In arithmetic one operand may be restricted, or both in the same way; then the result is. Operands
#' that are restricted in different ways are refused: `restrict_pairs(f, blocks = a & b)` says what is
#' meant. `restrict_pairs()` of a LazyTensor that is restricted already keeps the pairs that both keep.
#'
#' Reductions with an index, [crossprod()], [rowSums()] and their kin take `blocks`, `groups` and
#' `ranges` as arguments: `sum(x, "j", blocks = w)` is `sum(restrict_pairs(x, blocks = w), "j")`. So do
#' operators of [keops_kernel()] and their derivatives, when they are called.
#'
#' @section Groups:
#' With `groups` each row i meets the rows j of its own group, as in [tapply()]: `NA` is no group, and
#' a group that is missing on one side meets nothing. [Pm()] with an argument `groups` makes a
#' parameter that has a row for each group; its gradient has one, too.
#'
#' @param x a LazyTensor.
#' @param blocks blocks: what [keep_groups()], [keep_near()] or [keep_band()] make, see
#'   [rkeops_blocks].
#' @param groups a list of `i` and `j`: for each i and for each j the label of its group, vectors of any
#'   atomic type or factors, of which `j` may be missing where it is the same; or one vector for both.
#' @param ranges `ranges` of PyKeOps, for those who have them: a list of `ranges_i`, `slices_i` and
#'   `redranges_j`, and maybe `ranges_j`, `slices_j`, `redranges_i`, which have to say the same pairs.
#'   Ranges are \[start, end) from 0, in two columns or one after the other; range k of i meets those
#'   of `redranges_j` from `slices_i[k - 1]`, from 0, to the one before `slices_i[k]`.
#' @return The LazyTensor, restricted. `print()` says the share of pairs that it has. Of several of
#'   these arguments, the pairs that all of them keep.
#' @section Errors:
#' `rkeops_error_shape` where blocks or groups have other sizes than `x`; `rkeops_error_argument` where
#' they are none, where nothing is given, and where two LazyTensors with different pairs meet.
#' @family blocks
#' @family functions of LazyTensors
#' @examples
#' customer <- c("b", "a", "b", "c", "a", "b")
#' x <- matrix(sin(1:12), ncol = 2)
#' K_ij <- exp(-sqdist(Vi(x), Vj(x)))
#' own <- restrict_pairs(K_ij, groups = customer)
#' own
#' as.matrix(own)
#' own %*% rep(1, 6)
#' rowMeans(own)
#'
#' # a width for each customer
#' width <- Pm(matrix(c(1, 2, 4)), groups = c("a", "b", "c"))
#' op <- sum(exp(-sqdist(Vi(x), Vj(x)) / width), "j", groups = customer, call = FALSE)
#' op()
#' gradient(op, width)
#'
#' # what came before
#' sum(K_ij, "j", blocks = keep_lower(diagonal = FALSE))
#' @export
restrict_pairs <- function(x, blocks = NULL, groups = NULL, ranges = NULL) {
  check_lazy(x, "x")
  if (is.null(blocks) && is.null(groups) && is.null(ranges))
    throw("argument", "`blocks`, `groups` and `ranges` are missing: expected one of them")
  restricted(x, list(blocks = blocks, groups = groups, ranges = ranges))
}

# The names by which calls are told of pairs.
walk_names <- c("blocks", "groups", "ranges")

is_restricting <- function(given) !all(is.na(match(walk_names, names(given))))

without_walk <- function(given) given[!names(given) %in% walk_names]

# `given`: a list that may have elements of these names, NULL or as restrict_pairs() takes them.
restricted <- function(x, given) {
  check_lazy(x, "x")
  walk <- part(x, "walk")
  if (!is.null(walk$groups) && !is.null(given[["groups"]]))
    throw("argument", "`groups` is given, and `x` is restricted to groups already: expected `blocks`")
  new <- walk_given(given, index_sizes(x))
  walk <- new_walk(both_blocks(walk$blocks, new$blocks),
                   if (is.null(new$groups)) walk$groups else new$groups, walk$batch)
  check_walk(walk, part(x, "data"), part(x, "kind"))
  with_walk(x, walk)
}

with_walk <- function(x, walk) {
  x <- unclass(x)
  new_lazytensor(x$root, x$table, x$leaves, x$data, x$kind, x$dimres, x$logical, x$complex, walk)
}

both_blocks <- function(x, y) if (is.null(x)) y else if (is.null(y)) x else x & y

# Numbers of i and j, NA where nothing has that index.
index_sizes <- function(x) {
  kind <- part(x, "kind")
  vapply(c("Vi", "Vj"), function(k) if (k %in% kind) row_count(x, k) else NA_integer_, 1L,
         USE.NAMES = FALSE)
}

# Blocks and groups that arguments mean, for so many i and j (NA: not known). `lists`: of blocks, see
# check_blocks().
walk_given <- function(given, size, lists = TRUE) {
  blocks <- given[["blocks"]]
  if (!is.null(blocks)) check_size_of(check_blocks(blocks, "blocks", lists), size, "blocks")
  ranges <- given[["ranges"]]
  if (!is.null(ranges)) blocks <- both_blocks(blocks, blocks_of_ranges(ranges, size))
  groups <- given[["groups"]]
  if (is.null(groups)) return(list(blocks = blocks))
  groups <- groups_given(groups, size)
  own <- blocks_of_pairs(groups$i, groups$j, equal_labels(groups$i, groups$j, group_names))
  list(blocks = both_blocks(blocks, own), groups = groups)
}

blocks_of_ranges <- function(ranges, size)
  check_size_of(as_blocks(ranges, size[1L], size[2L]), size, "ranges")

check_size_of <- function(blocks, size, name) {
  if (is_sized(blocks) && any(blocks$size != size, na.rm = TRUE)) {
    size[is.na(size)] <- blocks$size[is.na(size)]
    sized(blocks, size[1L], size[2L], name)
  }
  blocks
}

group_names <- c("groups$i", "groups$j")

groups_given <- function(groups, size) {
  given <- if (is.list(groups)) names(groups)
  if (!is.list(groups)) groups <- list(i = groups)
  if (is.data.frame(groups) || !"i" %in% names(groups) || length(setdiff(names(groups), c("i", "j"))))
    unexpected(groups, "groups", "a list of `i` and `j`, or a vector of labels")
  i <- coded(groups[["i"]], if (length(groups) == 1L) "groups" else group_names[1L])
  j <- if ("j" %in% names(groups)) coded(groups[["j"]], group_names[2L]) else i
  check_labels(i, size[1L], "i", given)
  check_labels(j, size[2L], "j", given)
  list(i = i, j = j)
}

check_labels <- function(labels, size, index, names) {
  n <- length(labels$code)
  if (is.na(size) || n == size) return(invisible())
  throw("shape", "`groups", if (index %in% names) paste0("$", index), "` has ",
        if (index == "j" && !"j" %in% names) "no `j` and ", counted(n, "label"), ": expected ", size,
        ", one for each ", index)
}

# ---- two walks -----------------------------------------------------------------------------------

# Of two LazyTensors that meet, one of them restricted at least.
common_walk <- function(x, y) {
  if (is.null(x)) return(y)
  if (is.null(y) || identical(x, y)) return(x)
  if (!is.null(x$blocks) && !is.null(y$blocks) && !identical(x$blocks, y$blocks))
    throw("argument", "operands are restricted to different pairs: expected the same blocks; combine ",
          "them first, restrict_pairs(f, blocks = a & b) keeps the pairs that both keep")
  if (!is.null(x$groups) && !is.null(y$groups) && !all(mapply(same_groups, x$groups, y$groups)))
    throw("argument", "operands are restricted to the same pairs, but their groups have other labels: ",
          "expected the same labels, by which parameters have a row for each group")
  new_walk(if (is.null(x$blocks)) y$blocks else x$blocks, if (is.null(x$groups)) y$groups else x$groups,
           common_batch(x$batch, y$batch))
}

# Whether each row has an equal label.
same_groups <- function(x, y) identical(x$code, match(y$label, x$label)[y$code])

# The rows are as many as blocks of known sizes say.
check_walk <- function(walk, data, kind) {
  if (is.null(walk$blocks) || !is_sized(walk$blocks)) return(invisible())
  rows <- index_sizes(list(data = data, kind = kind))
  check_size_of(walk$blocks, rows, "blocks")
}

# Numbers of rows where no variable has that index.
rows_of_walk <- function(walk, kind) {
  if (is.null(walk$blocks) || !is_sized(walk$blocks)) 1L else walk$blocks$size[1L + (kind == "Vj")]
}

transposed_walk <- function(walk) {
  if (is.null(walk)) return(NULL)
  new_walk(if (!is.null(walk$blocks)) t(walk$blocks),
           if (!is.null(walk$groups)) list(i = walk$groups$j, j = walk$groups$i), walk$batch)
}

# ---- sizes ---------------------------------------------------------------------------------------

# The blocks of a LazyTensor or state for its numbers of rows; NULL: all pairs.
blocks_of <- function(x) {
  blocks <- part(x, "walk")$blocks
  if (!is.null(blocks)) sized(blocks, row_count(x, "Vi"), row_count(x, "Vj"))
}

# How many pairs each i or j is in, or the same number for all.
pairs_of_rows <- function(x, index) {
  blocks <- blocks_of(x)
  if (is.null(blocks)) row_count(x, if (index == "i") "Vj" else "Vi") else rows_kept(blocks, index)
}

# "12.3 % of the pairs", NULL where it is all.
pairs_text <- function(x) {
  blocks <- part(x, "walk")$blocks
  if (is.null(blocks)) return(NULL)
  if (is_sized(blocks) || !anyNA(index_sizes(x))) share_text(share_kept(blocks_of(x)))
  else offsets_text(blocks$offsets)
}

# Behind the sizes of a LazyTensor.
restriction <- function(x) {
  pairs <- pairs_text(x)
  batch <- part(x, "walk")$batch
  paste0(if (length(batch)) paste0(", batches ", times(batch)), if (!is.null(pairs)) paste0(", ", pairs))
}

# ---- operators from formulas ---------------------------------------------------------------------

# The blocks for a call of such an operator, NULL: all pairs. `given`: the arguments behind `input` and
# `inner_dim`.
blocks_for_input <- function(given, input, program, rows_inside) {
  for (name in setdiff(names_or_none(given), walk_names))
    throw("argument", if (nzchar(name)) paste0("`", name, "`") else "an argument without a name",
          " is no argument of an operator", suggestion(name, c("inner_dim", walk_names)),
          ": expected one of ", paste0("`", c("input", "inner_dim", walk_names), "`", collapse = ", "))
  size <- vapply(c("Vi", "Vj"), rows_of_input, 1L, input, program$variables$kind, rows_inside,
                 USE.NAMES = FALSE)
  blocks <- walk_given(given, size, lists = FALSE)$blocks
  if (is.null(blocks)) return(NULL)
  if (is_sized(blocks)) size[is.na(size)] <- blocks$size[is.na(size)]
  size[is.na(size)] <- 1L
  sized(blocks, size[1L], size[2L])
}

# Numbers of rows of that kind, NA where there is no such variable.
rows_of_input <- function(kind, input, kinds, rows_inside) {
  first <- match(kind, kinds)
  if (is.na(first) || first > length(input)) return(NA_integer_)
  size <- dim(input[[first]])
  if (length(size) < 2L) length(input[[first]]) else as.integer(size[1L + rows_inside])
}
