# Reductions over lists of pairs.
#
# An rkeops_pairs is plain R data, a list of
#   i, j      the rows of each pair, integers from 1, in the order in which they were given
#   size      c(M, N), numbers of rows; NA: as many as the data have
#   weight    NULL, or a number for each pair, which may be recorded
#   known     an environment: how many pairs were given, the shape of their matrix of positions, which are
#             kept where some had NA, and what was found out of i and j, see sorted_pairs()
#
# A reduction over a list is computed and differentiated here, not by the engine, which only sees sums
# of values at pairs: one primitive, sum_of_pairs(), whose gradients are such sums again, over the
# other index where a variable has that one. A state is what it is in operator.R, with `pairs`, and
# with data of kind "Vp", which have a row for each pair.

#' Lists of pairs
#'
#' Reductions over the edges of a graph, the faces of a mesh, neighbours, or other pairs (i, j) that are
#' known one by one: `sum(F, pairs = p)` adds the values of F at the pairs of each i. It takes the time of
#' the pairs that there are.
#'
#' Every reduction with an index takes `pairs`: `sum`, `min`, `max`, `argmin`, `Kmin`, `logsumexp`, ...,
#' `any`, `all`, [rowSums()], [colMeans()] and their kin. The index is `"j"` where none is given: a result
#' for each i. Pairs that are there twice count twice, in sums and among the K smallest; of equal values the
#' first j counts. A row without pairs has what a reduction over nothing has: 0, `Inf`, `NA`. Positions are
#' rows j (rows i for `index = "i"`).
#'
#' [gradient()], [jvp()] and [value_and_gradient()] differentiate them as other reductions, also with respect
#' to weights, and to any order. Sums add the pairs of a row in the order in which they are listed, on any
#' number of threads.
#'
#' Values at pairs are computed in double precision, whatever the option `precision` is.
#'
#' `F[p]` gives the values of F at the pairs, in their order, without weights; so does `F[cbind(i, j)]`.
#'
#' @section What `pairs` takes:
#' `list_pairs()` finds the order of the pairs once, so make the list once where it is used many times.
#' `pairs =` also takes what `i` takes when it stands alone:
#' - a matrix of two columns, i and j; a data.frame with columns `i` and `j`, as [find_within()] gives;
#' - what [nearest()] gives, or its matrix `index`: row i meets the columns' positions j. (A matrix of two
#'   columns is i and j; so give `nearest(x, k = 2)`, not its `index`.) Weights may have its shape.
#' - a sparse matrix of package Matrix: its stored elements, which are the weights, unless it is a pattern.
#'
#' Pairs with `NA` are skipped.
#'
#' @param i rows i of the pairs, positive whole numbers. Alone: pairs, as below; or a list of pairs, which
#'   gets other weights.
#' @param j rows j, as many.
#' @param weights a number for each pair, in their order, or a matrix as the positions are one: values are
#'   multiplied by them. For sums and means only.
#' @param x a list of pairs.
#' @param ... not used.
#' @return `list_pairs()`: a list of class `rkeops_pairs`. `as.matrix()` of it: its two columns.
#'   `t()`: the pairs (j, i).
#' @section Errors:
#' `rkeops_error_argument` for what is no such list, for weights in reductions that have none, for
#' positions below 1 or beyond the data's rows; `rkeops_error_shape` where numbers do not agree.
#' @family blocks
#' @seealso [restrict_pairs()] for many pairs that are known by labels, distances or positions.
#' @examples
#' x <- cbind(cos(1:6), sin(1:6))
#' edges <- list_pairs(i = c(1, 1, 2, 5), j = c(2, 3, 3, 6), weights = c(1, 2, 1, 1))
#' edges
#' d <- norm2(Vi(x) - Vj(x))
#' sum(d, pairs = edges)
#' d[edges]
#' min(d, pairs = list_pairs(edges, weights = NULL))
#'
#' # the length of all edges, and its gradient
#' length_of <- function(x) sum(sum(norm2(Vi(x) - Vj(x)), pairs = edges))
#' value_and_gradient(length_of, x)
#'
#' # over neighbours
#' near <- nearest(x, k = 3)
#' rowMeans(exp(-d^2), pairs = near)
#' @export
list_pairs <- function(i, j, weights = NULL) {
  check_given(i, "i", "rows of pairs, or pairs")
  if (!missing(j)) out <- new_pairs(pair_rows(i, "i"), pair_rows(j, "j"))
  else out <- as_pairs(i, "i")
  if (missing(weights)) out else with_weights(out, weights, "weights")
}

new_pairs <- function(i, j, size = c(NA_integer_, NA_integer_), weight = NULL) {
  if (length(i) != length(j))
    throw("shape", "`i` has ", length(i), " positions, `j` ", length(j), ": expected equal numbers")
  known <- new.env(parent = emptyenv())
  known$given <- length(i)
  if (anyNA(i) || anyNA(j)) {
    known$kept <- which(!is.na(i) & !is.na(j))
    i <- i[known$kept]
    j <- j[known$kept]
    weight <- weight[known$kept]
  }
  structure(class = "rkeops_pairs", list(i = i, j = j, size = size, weight = weight, known = known))
}

pair_rows <- function(x, name) {
  if (!is.numeric(x) || is.object(x)) unexpected(x, name, "positions of rows")
  x <- as.vector(x)
  out <- suppressWarnings(as.integer(x))
  wrong <- if (is.integer(x)) min(x, 1L, na.rm = TRUE) < 1L
           else anyNA(out) && any(is.na(out) & !is.na(x)) || any(out != x | out < 1L, na.rm = TRUE)
  if (wrong) throw("argument", "`", name, "` has ", describe(x[which(is.na(out) & !is.na(x) | out != x |
                     out < 1L)[1L]]), ": expected positions of rows, from 1 on")
  out
}

with_weights <- function(x, weights, name) {
  if (!is.null(weights)) {
    if (!is_recorded(weights) && !(is.numeric(weights) && !is.object(weights)))
      unexpected(weights, name, "a number for each pair")
    if (!is.null(dim(weights)) && identical(dim(weights), x$known$shape)) weights <- as.vector(t(weights))
    count <- length(value_of(weights))
    if (count == x$known$given && count != length(x$i)) weights <- weights[x$known$kept]
    else if (count != length(x$i))
      throw("shape", "`", name, "` has ", counted(count, "number"), ": expected ", x$known$given,
            ", one for each pair")
  }
  x["weight"] <- list(weights)
  x
}

# ---- what is taken for pairs -----------------------------------------------------------------------

# `rows`: of i, NA: not known.
as_pairs <- function(x, name, rows = NA) {
  if (inherits(x, "rkeops_pairs")) return(x)
  if (isS4(x) && inherits(x, "Matrix")) return(pairs_of_sparse(x))
  if (is.data.frame(x) && all(c("i", "j") %in% names(x)))
    return(new_pairs(pair_rows(x$i, paste0(name, "$i")), pair_rows(x$j, paste0(name, "$j"))))
  if (is.list(x) && !is.object(x) && is.matrix(x[["index"]])) return(pairs_of_index(x$index, name, base = 1))
  if (!is.matrix(x) || !is.numeric(x))
    unexpected(x, name, "pairs: list_pairs(i, j), a matrix of two columns, what nearest() gives, or a ",
               "sparse matrix")
  if (ncol(x) == 2L) return(new_pairs(pair_rows(x[, 1L], name), pair_rows(x[, 2L], name)))
  if (!is.na(rows) && nrow(x) != rows)
    throw("shape", "`", name, "` is ", describe(x), ": expected two columns, i and j, or ", rows,
          " rows, positions j for each i")
  pairs_of_index(x, name)
}

# Positions that reductions give count from the option's base, those of nearest() from 1.
pairs_of_index <- function(x, name, base = base_of_positions()) {
  j <- t(x)
  if (base != 1) j <- j + (1 - base)
  out <- new_pairs(rep(seq_len(nrow(x)), each = ncol(x)), pair_rows(j, name), c(nrow(x), NA_integer_))
  out$known$shape <- dim(x)
  out
}

base_of_positions <- function() get_options()$index_base

pairs_of_sparse <- function(x) {
  triples <- methods::as(methods::as(x, "generalMatrix"), "TsparseMatrix")
  value <- if (methods::.hasSlot(triples, "x")) triples@x
  i <- triples@i + 1L
  j <- triples@j + 1L
  if (is.logical(value)) {
    if (anyNA(value)) throw("argument", "`pairs` has NA: expected TRUE and FALSE")
    i <- i[value]
    j <- j[value]
    value <- NULL
  }
  new_pairs(i, j, dim(x), value)
}

# ---- sorted ----------------------------------------------------------------------------------------

# list(i, j, order, end) of the side "i" or "j": pairs by that row, in the order of the list within each,
# and which these are, NULL: all as they are; for each row, the number of pairs up to its last one.
sorted_pairs <- function(pairs, side, rows) {
  found <- pairs$known[[side]]
  if (is.null(found)) {
    at <- pairs[[side]]
    order <- if (is.unsorted(at)) order(at, method = "radix")
    found <- list(i = if (is.null(order)) pairs$i else pairs$i[order],
                  j = if (is.null(order)) pairs$j else pairs$j[order],
                  order = order, end = cumsum(tabulate(at, max(at, 0L))))
    pairs$known[[side]] <- found
  }
  more <- rows - length(found$end)
  if (more > 0L) found$end <- c(found$end, rep(length(pairs$i), more))
  found
}

check_rows_of_pairs <- function(pairs, sizes) {
  for (side in 1:2) {
    name <- c("i", "j")[side]
    if (!is.na(pairs$size[side]) && pairs$size[side] != sizes[side])
      throw("shape", "`pairs` is for ", pairs$size[side], " rows ", name, ": expected ", sizes[side])
    largest <- pairs$known[[paste0("most_", name)]]
    if (is.null(largest))
      largest <- pairs$known[[paste0("most_", name)]] <- max(pairs[[name]], 0L)
    if (largest > sizes[side])
      throw("argument", "`pairs` has row ", name, " = ", largest, ": expected rows up to ", sizes[side])
  }
}

# ---- what users see --------------------------------------------------------------------------------

#' @rdname list_pairs
#' @export
format.rkeops_pairs <- function(x, ...) {
  size <- ifelse_int(is.na(x$size), c("M", "N"), as.character(x$size))
  paste0("<rkeops_pairs> ", counted(length(x$i), "pair"), " of rows (i, j), ", times(size),
         if (!is.null(x$weight)) ", with weights")
}

#' @rdname list_pairs
#' @export
print.rkeops_pairs <- function(x, ...) {
  cat(format(x), sep = "\n")
  invisible(x)
}

#' @rdname list_pairs
#' @export
as.matrix.rkeops_pairs <- function(x, ...) cbind(i = x$i, j = x$j)

#' @rdname list_pairs
#' @export
t.rkeops_pairs <- function(x) new_pairs(x$j, x$i, rev(x$size), x$weight)

# ---- the primitive ---------------------------------------------------------------------------------

sides <- c("Vi", "Vj", "Vp", "Pm") # as rk_pair_side has them

# The state of values of x at the pairs; `roots` is their definition.
state_of_pairs <- function(x, pairs) {
  walk <- part(x, "walk")
  if (!is.null(walk))
    throw("argument", "`pairs` meets ", if (length(walk$batch)) "batches" else
          "a LazyTensor that is restricted", ": expected one that stands for all pairs")
  pairs <- as_pairs(pairs, "pairs", if ("Vi" %in% part(x, "kind")) row_count(x, "Vi") else NA)
  state <- unclass(x)[c("table", "leaves", "data", "kind", "complex")]
  state$roots <- part(x, "root")
  sizes <- index_sizes(x)
  sizes[is.na(sizes)] <- pairs$size[is.na(sizes)]
  for (side in which(is.na(sizes))) sizes[side] <- max(pairs[[c("i", "j")[side]]], 0L)
  check_rows_of_pairs(pairs, sizes)
  state$sizes <- sizes
  state$pairs <- pairs[c("i", "j", "known")]
  state$weights <- pairs$weight
  state$base <- base_of_positions()
  state$entries <- entries_of_lazy(x)
  state
}

with_leaf <- function(state, x, kind) {
  id <- .Call(C_fresh_id)
  state$data <- c(state$data, list(x))
  state$kind <- c(state$kind, kind)
  state$leaves[[id]] <- length(state$data)
  state$roots <- id
  state
}

id_of_place <- function(state, place) names(state$leaves)[match(place, state$leaves)]

rows_of_side <- function(state, side)
  switch(side, Vi = state$sizes[1L], Vj = state$sizes[2L], Vp = length(state$pairs$i), Pm = 1L)

# The list as C has it, for results of the rows of a side.
pairs_for_side <- function(state, side) {
  pairs <- state$pairs
  rows <- rows_of_side(state, side)
  sorted <- if (side %in% c("Vi", "Vj")) sorted_pairs(pairs, if (side == "Vi") "i" else "j", rows)
            else list(i = pairs$i, j = pairs$j, order = NULL, end = length(pairs$i))
  sorted$counted <- if (side == "Vi") 1L else 0L
  sorted$counted_rows <- state$sizes[if (side == "Vi") 2L else 1L]
  sorted
}

# Values of the engine: `roots` of the state enter the reduction (NULL: a row for each pair).
run_pairs <- function(state, side, reduction = NULL, base = 1L) {
  state <- with_node(state, "Sum_Reduction", state$roots, "j")
  as_engine <- ifelse_int(state$kind == "Pm", state$kind, rep("Vi", length(state$kind)))
  program <- list(text = operator_text(state),
                  declarations = declarations_of_leaves(list(data = state$data, kind = as_engine)))
  options <- engine_options(c(list(precision = "float64", index_base = base), state$options)) # the first counts
  data <- lapply(state$data, function(x) interleaved(if (is_gpu(x)) gpu_values(x) else x))
  checked(.Call(C_run_pairs, program, match(state$kind, sides) - 1L, pairs_for_side(state, side),
                reduction, data, options))
}

# For each row of a side the sum of the values at its pairs, a row for each pair of side "Vp".
sum_of_pairs <- function(state, side) {
  if (any_recorded(state$data)) return(recorded_pairs(state, side))
  reduction <- if (side != "Vp") list(text = "Sum_Reduction(V0,0)",
                                      declarations = paste0("V0=Vj(", state$dim, ")"))
  run_pairs(state, side, reduction)
}

# Gradients of such sums are such sums.
recorded_pairs <- function(state, side) {
  places <- recorded_places(state)
  record(sum_of_pairs(plain_state(state), side), state$data[places], function(e, args, value, wanted) {
    now <- with_leaf(with_data(state, places, args), if (side == "Pm") as.vector(e) else e, side)
    gradients_at_pairs(now, list(c(state$roots, now$roots)), places, wanted)
  })
}

# The gradients by the data at `places`: sums of those of the first element of each of `terms` with the
# second as cotangent, at each pair, both as identifiers.
gradients_at_pairs <- function(state, terms, places, wanted) {
  Map(function(place, wanted) {
    if (!wanted) return(NULL)
    id <- id_of_place(state, place)
    sum <- NULL
    for (term in terms) {
      state <- with_node(state, "Grad", c(term[[1L]], id, term[[2L]]))
      if (!is.null(sum)) state <- with_node(state, "Add", c(sum, state$roots))
      sum <- state$roots
    }
    like <- value_of(state$data[[place]])
    state$dim <- if (state$kind[place] == "Pm") length(like) else NCOL(like)
    reshape(sum_of_pairs(state, state$kind[place]), dim(like))
  }, places, wanted)
}

# ---- reductions ------------------------------------------------------------------------------------

# A reduction over the pairs; `given`: as reduce() has it.
reduce_pairs <- function(x, op, index, given, k = NULL, weight = NULL) {
  check_lazy(x, "x")
  check_index(index)
  if (is_restricting(given))
    throw("argument", "`pairs` meets `", intersect(walk_names, names(given))[1L], "`: expected one of them")
  options <- call_options(given[names(given) != "pairs"])
  complex <- is_complex_reduction(x, op, weight)
  state <- state_of_pairs(with_parts_of(x, weight), given[["pairs"]])
  state$side <- if (index == "j") "Vi" else "Vj"
  state$dim <- numbers_in(x)
  entries <- state$entries
  family <- family_of(op, x, weight, k, state$base)
  if (!is.null(state$weights)) {
    if (op != "Sum")
      throw("argument", "`pairs` has weights, which ", op, " has not: expected list_pairs(p, weights = NULL)")
    of_x <- state$roots
    column <- as_column_of(state$weights)
    state <- with_leaf(state, column, "Vp")
    entries <- c(entries, list(list(data = column, kind = "Vp", id = state$roots, given = state$weights)))
    state <- with_node(state, "Mult", c(state$roots, of_x))
  }
  names <- row_names(state, state$side)
  f <- function(data) {
    out <- family(with_data(state, seq_along(data), data))
    if (complex) out <- complex_matrix(out)
    if (is.null(names) || any_recorded(list(out))) out else with_row_names(out, names)
  }
  op <- new_composed(entries, f, paste0(op, " over ", counted(length(state$pairs$i), "pair"), " of ",
                                        shortened(formula_of(x))))
  if (options$call) op() else op
}

# x with the leaves and definitions of another one, too.
with_parts_of <- function(x, other) {
  if (is.null(other)) return(x)
  both <- merge_all(list(x, other))
  new_lazytensor(part(x, "root"), both$table, both$leaves, both$data, both$kind, part(x, "dimres"),
                 complex = part(x, "complex"), walk = both$walk)
}

as_column_of <- function(x) reshape(x, c(length(value_of(x)), 1L))

numbers_in <- function(x) part(x, "dimres") * (1L + part(x, "complex"))

# The function of a state that computes the reduction; positions count from `base`.
family_of <- function(op, x, weight, k, base) {
  if (op == "Sum") return(function(state) sum_of_pairs(state, state$side))
  if (!is.null(weight) || op %in% exponentials)
    return(function(state) exponential_of_pairs(state, op, weight))
  function(state) selected_of_pairs(state, op, k, base)
}

exponentials <- c("LogSumExp", "LogSumExpWeight", "SumSoftMaxWeight", "Max_SumShiftExp",
                  "Max_SumShiftExpWeight")

# The values of a state without recorded data in a reduction of the engine; `weight`: an identifier, and
# `dims` the dimensions of values and weight.
enter_pairs <- function(state, op, dims, k = NULL, weight = NULL, base = 1L) {
  if (!is.null(weight)) state <- with_node(state, "Concat", c(state$roots, weight))
  text <- paste0(op, "_Reduction(V0,", if (!is.null(k)) paste0(k, ","), if (!is.null(weight)) "V1,", "0)")
  run_pairs(state, state$side, base = base,
            list(text = text, declarations = sprintf("V%d=Vj(%d)", seq_along(dims) - 1L, dims)))
}

recorded_places <- function(state) which(vapply(state$data, is_recorded, NA))

plain_state <- function(state) with_data(state, seq_along(state$data), lapply(state$data, value_of))

# `weight`: a LazyTensor of which the state has all, or NULL.
exponential_of_pairs <- function(state, op, weight = NULL) {
  b <- if (!is.null(weight)) root_of(weight)
  out <- enter_pairs(plain_state(state), op, c(1L, if (!is.null(b)) numbers_in(weight)), weight = b)
  places <- recorded_places(state)
  if (!length(places)) return(out)
  if (startsWith(op, "Max"))
    throw("argument", op, " has no derivative: expected LogSumExp or SumSoftMaxWeight")
  record(out, state$data[places], function(e, args, value, wanted) {
    now <- with_data(state, places, args)
    gradients_of_exponential(now, op, b, value, e, places, wanted)
  })
}

# Of r = log(sum(exp(a) b)) the cotangent of b is exp(a - r) e, that of a its product with b; of
# r = sum(exp(a) b) / sum(exp(a)), with s = log(sum(exp(a))), it is exp(a - s) e, that with b - r.
gradients_of_exponential <- function(state, op, b, r, e, places, wanted) {
  a <- state$roots
  is_mean <- op == "SumSoftMaxWeight"
  shift <- if (is_mean) exponential_of_pairs(state, "LogSumExp") else r
  state <- with_leaf(state, shift, state$side)
  state <- with_node(state, "Subtract", c(a, state$roots))
  share <- with_node(state, "Exp", state$roots)
  state <- with_leaf(share, e, state$side)
  state <- with_node(state, "Mult", c(share$roots, state$roots))
  of_b <- state$roots
  if (is.null(b)) return(gradients_at_pairs(state, list(c(a, of_b)), places, wanted))
  of_a <- b
  if (is_mean) {
    state <- with_leaf(state, r, state$side)
    state <- with_node(state, "Subtract", c(b, state$roots))
    of_a <- state$roots
  }
  state <- with_node(state, "Scalprod", c(of_b, of_a))
  gradients_at_pairs(state, list(c(a, state$roots), c(b, of_b)), places, wanted)
}

# What is selected is the formula at other pairs: those that were found.
selected_of_pairs <- function(state, op, k, base) {
  plain <- plain_state(state)
  out <- enter_pairs(plain, op, state$dim, k, base = base)
  if (!length(recorded_places(state)) || startsWith(op, "Arg")) return(out)
  value <- if (is.list(out)) out[[1L]] else out
  at <- enter_pairs(plain, if (!is.null(k)) "ArgKMin" else paste0("Arg", substring(op, 1L, 3L)), state$dim, k)
  if (anyNA(value)) at <- with_first_nan(at, value, plain)
  found <- which(!is.na(at))
  row <- (found - 1L) %% nrow(value) + 1L
  component <- (found - 1L) %/% (length(value) %/% state$dim) + 1L
  of_i <- state$side == "Vi"
  state$pairs <- list(i = if (of_i) row else at[found], j = if (of_i) at[found] else row,
                      known = new.env(parent = emptyenv()))
  selected <- sum_of_pairs(state, "Vp")[cbind(seq_along(found), component)]
  rest <- value
  rest[found] <- 0
  smooth <- scatter(selected, found, dim(value), length(value)) + rest
  if (is.list(out)) list(smooth, out[[2L]]) else smooth
}

# Positions, with those of the first value that is no number where the result is none.
with_first_nan <- function(at, value, state) {
  values <- sum_of_pairs(state, "Vp")
  of_i <- state$side == "Vi"
  row <- if (of_i) state$pairs$i else state$pairs$j
  position <- if (of_i) state$pairs$j else state$pairs$i
  for (c in seq_len(ncol(values))) {
    pair <- which(is.nan(values[, c]))
    pair <- pair[order(position[pair])]
    first <- pair[match(seq_len(nrow(value)), row[pair])]
    lost <- which(is.nan(value[, c]))
    at[lost, c] <- position[first[lost]]
  }
  at
}

# ---- means, values ---------------------------------------------------------------------------------

# For each row of that index the number of its pairs, or the sum of their weights.
sizes_of_pairs <- function(x, pairs, index) {
  state <- state_of_pairs(x, pairs)
  side <- if (index == "i") "Vi" else "Vj"
  if (is.null(state$weights)) return(tabulate(state$pairs[[index]], rows_of_side(state, side)))
  state[c("table", "leaves", "data", "kind")] <- list(list(), integer(), list(), character())
  state <- with_leaf(state, as_column_of(state$weights), "Vp")
  state$dim <- 1L
  sum_of_pairs(state, side)[, 1L]
}

# The values of x at the pairs: a vector, of more than one component a matrix.
values_of_list <- function(x, pairs) {
  state <- state_of_pairs(x, pairs)
  state$dim <- numbers_in(x)
  out <- sum_of_pairs(state, "Vp")
  if (part(x, "complex")) out <- complex_matrix(out)
  if (part(x, "logical")) out <- out != 0
  if (part(x, "dimres") == 1L) out[, 1L] else out
}
