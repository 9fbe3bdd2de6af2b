# Rows that are shared: batches, and parameters with a row for each group.
#
# The engine knows rows of i and of j, and blocks of pairs. A batch of M rows is M rows of it, and all
# batches are blocks beside each other. What depends on the index that is kept has rows for each batch;
# the other index has as many batches as its variables have, so that columns of all batches lie in
# memory once. Variables with fewer rows than the engine sees are repeated when a reduction is computed,
# and their gradients summed, which is the same for the formula. So are parameters of a group or batch:
# for the engine they are variables of the index that is kept.
#
# A layout is a list of
#   per      "Vi" or "Vj", the index that the reduction keeps
#   size     numbers of i and j of a batch, named Vi and Vj
#   extents  those of batches for the engine, a list named likewise
#   groups   of the index `per`, as coded() gives them

#' Batches
#'
#' The same formula for many small problems at once, each with its own rows: `Vi(x, batch = TRUE)` of
#' an array M x D x B is a batch of B matrices M x D, and a reduction has a result for each of them. One
#' call computes all.
#'
#' Batches are the dimensions from the third on, in any number: an array M x D x B x C has B * C
#' batches. `Vj()` takes arrays N x D x B..., `Pm()` 1 x D x B...: a parameter for each batch. Where
#' variables meet, their extents are equal or 1, counted from the third dimension; those that end early
#' go on with 1. An extent of 1 stands for all: the same rows in each batch. Variables without
#' batches have extents of 1, so `Vi(x, batch = TRUE) - Vj(y)` has the columns y in each batch. Their
#' gradients are sums over the batches that share them.
#'
#' Batches are never guessed: without `batch = TRUE` arrays of more than two dimensions are refused.
#' In products `K %*% b`, `crossprod(K, a)`, ... of a LazyTensor that has batches, plain arrays have
#' their batches from the third dimension on, and matrices none.
#'
#' @details
#' | of K of M x N pairs, dimension D, batches B... | value |
#' |---|---|
#' | `dim(K)` | c(M, N, D, B...) |
#' | `sum(K, "j")`, `min(K, "j")`, ... | M x D x B...; positions are those in a batch |
#' | `Kmin(K, n, "j")` | M x n x D x B..., M x n x B... where D is 1 |
#' | `K %*% b`, b of N x P, or N x P x B... | M x P x B... |
#' | `a %*% K`, `crossprod(K, a)` | P x N x B..., N x P x B... |
#' | `rowSums(K)`, `colMeans(K)`, `diag(K)` | M x B..., N x B..., min(M, N) x B... |
#' | `K[i, j]`, `as.array(K)` | i x j x B..., M x N x D x B... |
#' | `t(K)` | i and j exchanged in each batch |
#' | gradients | arrays of the shape of the variable |
#'
#' [restrict_pairs()] of K leaves out the same pairs in each batch. `as.matrix()` and `norm()` are
#' refused.
#'
#' Operators of [keops_kernel()] with `batch = TRUE` and derivatives of them take arrays likewise.
#' Variables that have no batches are matrices or vectors, as ever.
#'
#' Batches of columns that are shared lie in memory once. Of the index that is kept, rows that are
#' shared are repeated for each batch while a reduction is computed.
#'
#' @section Errors:
#' `rkeops_error_argument` from `Vi()`, `Vj()` and `Pm()` for what is no array of three dimensions or
#' more, from `keops_kernel()` for formulas that are not one reduction, and for blocks that limit j - i
#' where M and N differ; `rkeops_error_shape` where extents or numbers of rows do not fit.
#' @family functions of LazyTensors
#' @examples
#' x <- array(sin(1:60), c(5, 2, 6)) # 6 batches of 5 points in the plane
#' y <- array(cos(1:48), c(4, 2, 6))
#' K_ij <- exp(-sqdist(Vi(x, batch = TRUE), Vj(y, batch = TRUE)))
#' K_ij
#' dim(sum(K_ij, "j"))
#' dim(K_ij %*% matrix(1, 4, 3))
#' K_ij[1:2, 1, drop = FALSE][, , 6]
#'
#' # the same columns in each batch, and a width for each
#' y_j <- Vj(y[, , 1])
#' s <- Pm(array(1:6, c(1, 1, 6)), batch = TRUE)
#' op <- logsumexp(-s * sqdist(Vi(x, batch = TRUE), y_j), "j", call = FALSE)
#' str(gradient(op, list(y = y_j, s = s)))
#'
#' op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(2)", "y=Vj(2)"), batch = TRUE)
#' dim(op(list(x, y)))
#' @name batches
NULL

# ---- data ----------------------------------------------------------------------------------------

extents_of <- function(v) dim(v)[-(1:2)]

# The dimensions of variables.
dims_of <- function(data, kind) {
  is_vector <- kind == "Pm" & lengths(lapply(data, dim)) < 2L
  ifelse_int(is_vector, lengths(data), vapply(data, NCOL, 1L))
}

batched <- function(x, kind, is_complex) {
  check_given(x, "x", "an array of batches")
  rows <- switch(kind, Vi = "M", Vj = "N", Pm = "1")
  if (is_gpu(x) || length(dim(x)) < 3L || !are_numbers(x) || kind == "Pm" && nrow(x) != 1L)
    unexpected(x, "x", "an array ", rows, " x D x B..., with batches from the third dimension on")
  leaf(leaf_numbers(x, is_complex), kind, walk = new_walk(batch = extents_of(x)))
}

# Plain or recorded.
are_numbers <- function(x) is_recorded(x) || !is.object(x) && (is_plain_number(x) || is.complex(x))

parameter_of_groups <- function(x, groups, is_complex) {
  check_given(x, "x", "a matrix with a row for each group")
  labels <- if (is.factor(groups)) levels(groups)[groups] else groups
  if (is.raw(labels)) labels <- as.integer(labels)
  coded(labels, "groups")
  if (anyNA(labels) || anyDuplicated(labels))
    throw("argument", "`groups` has NA or a label twice: expected a label for each row of `x`")
  x <- leaf_numbers(x, is_complex)
  if (is_gpu(x)) x <- gpu_values(x)
  if (length(dim(x)) < 2L) x <- as_column(x)
  if (nrow(x) != length(labels) || !nrow(x))
    throw("shape", "`x` has ", counted(nrow(x), "row"), ", `groups` ", counted(length(labels), "label"),
          ": expected a row for each group")
  leaf(with_groups(x, labels), "Pm", walk = new_walk())
}

with_groups <- function(x, labels) {
  out <- value_of(x)
  attr(out, "rkeops_groups") <- labels
  record(out, list(x), function(e, args, value, wanted) list(reshape(e, dim(out))))
}

groups_of <- function(v) attr(value_of(v), "rkeops_groups")

# Behind the declarations of variables.
shared_texts <- function(x) {
  if (is.null(x$walk)) return("")
  groups <- ifelse_int(vapply(x$data, has_groups, NA), paste(",", vapply(x$data, NROW, 1L), "groups"),
                       rep("", length(x$data)))
  extents <- lapply(x$data, extents_of)
  paste0(groups, ifelse_int(lengths(extents) > 0L,
                            paste0(", batches ", vapply(extents, times, "")), rep("", length(extents))))
}

# M x D x B... as a matrix with M * B... rows, interleaved; n x P... with n = M * B... as M x P... x B...
flat <- function(v) {
  if (length(dim(v)) > 2L) {
    columns <- ncol(v)
    v <- swap_axes(v, nrow(v), columns)
    dim(v) <- c(length(v) / columns, columns)
  }
  interleaved(v)
}

# Values of an array rows x a x b as those of rows x b x a.
swap_axes <- function(x, rows, a) {
  b <- if (rows && a) length(x) / rows / a else 0
  if (a == 1L || b == 1L) x
  else if (is.double(x)) .Call(C_swap_axes, x, rows, a, b)
  else aperm(array(x, c(rows, a, b)), c(1L, 3L, 2L))
}

stacked <- function(x, rows, extents) {
  if (!length(extents)) return(x)
  shape <- dim(x)[-1L]
  x <- swap_axes(x, rows, prod(extents))
  dim(x) <- c(rows, shape, extents)
  x
}

# ---- two extents ---------------------------------------------------------------------------------

# With ones behind, as many as n.
padded <- function(extents, n) c(extents, rep(1L, n - length(extents)))

common_batch <- function(x, y) {
  if (is.null(x) || is.null(y)) return(c(x, y))
  n <- max(length(x), length(y))
  if (!fits_batch(x, y)) throw("shape", "operands have batches of ", times(x), " and of ", times(y),
                               ": expected equal extents, or 1")
  x <- padded(x, n)
  ifelse_int(x == 1L, padded(y, n), x)
}

fits_batch <- function(x, y) {
  n <- max(length(x), length(y))
  x <- padded(x, n)
  y <- padded(y, n)
  all(x == y | x == 1L | y == 1L)
}

# For each batch of the extents `to` the one of `from`, NULL where these are the same.
batches_in <- function(from, to) {
  from <- padded(from, length(to))
  if (all(from == to)) return(NULL)
  at <- lapply(seq_along(to), function(k) if (from[k] == 1L) rep(1L, to[k]) else seq_len(to[k]))
  as.vector(do.call(`[`, c(list(array(seq_len(prod(from)), from)), at, drop = FALSE)))
}

# ---- layouts -------------------------------------------------------------------------------------

# Whether a LazyTensor or a state has variables that share rows.
is_spread <- function(x) {
  walk <- part(x, "walk")
  !is.null(walk) && (!is.null(walk$batch) || any(vapply(part(x, "data"), has_groups, NA)))
}

has_groups <- function(v) !is.null(groups_of(v))

# `full`: rows of all batches for both indices.
layout_of <- function(x, per, full = FALSE) {
  walk <- part(x, "walk")
  batch <- walk$batch
  kind <- part(x, "kind")
  size <- c(Vi = row_count(x, "Vi"), Vj = row_count(x, "Vj"))
  other <- if (per == "Vi") "Vj" else "Vi"
  shared <- Reduce(common_batch, lapply(part(x, "data")[kind == other], extents_of))
  extents <- list(batch, if (full || !is.null(walk$blocks$offsets)) batch
                         else padded(shared, length(batch)))
  names(extents) <- c(per, other)
  rows <- size * c(prod(extents$Vi), prod(extents$Vj))
  if (any(rows >= 2^31))
    throw("shape", "all batches together have ", max(rows), " rows: expected fewer than 2^31")
  list(per = per, size = size, extents = extents, groups = walk$groups[[substring(per, 2L)]])
}

# Numbers of rows of i and j that the engine sees.
rows_laid_out <- function(layout)
  as.integer(layout$size * c(prod(layout$extents$Vi), prod(layout$extents$Vj)))

# How a variable is for the engine: its `kind` there, the `index` of its row for each of the engine's
# (NULL: they are the same), the numbers of its `rows` in a batch and `extents`.
laid_out <- function(v, kind, layout, is_row = has_groups(v) || length(dim(v)) > 2L) {
  if (kind == "Pm" && !is_row) return(list(kind = kind, rows = 1L, extents = NULL))
  engine <- if (kind == "Pm") layout$per else kind
  n <- layout$size[[engine]]
  stored <- if (kind != "Pm") n else if (has_groups(v)) nrow(v) else 1L
  row <- if (has_groups(v)) rows_of_groups(groups_of(v), layout)
         else if (kind == "Pm") rep(1L, n)
  batch <- batches_in(extents_of(v), layout$extents[[engine]])
  count <- prod(layout$extents[[engine]])
  index <- if (!is.null(row) || !is.null(batch))
    rep(if (is.null(row)) seq_len(n) else row, count) +
      rep(stored * ((if (is.null(batch)) seq_len(count) else batch) - 1L), each = n)
  list(kind = engine, index = index, rows = stored, extents = extents_of(v))
}

# The row for the group of each i (or j), NA where it has none.
rows_of_groups <- function(labels, layout) {
  groups <- layout$groups
  if (is.null(groups))
    throw("argument", "a parameter has a row for each group: expected groups of i and j, as ",
          "restrict_pairs(x, groups = ) takes them")
  check_alike(groups, list(label = labels), c("groups", "groups` of `Pm()"))
  row <- match(groups$label, labels)
  lost <- is.na(row[groups$code]) & !is.na(groups$code)
  if (any(lost))
    throw("argument", "a parameter has no row for group ",
          describe(groups$label[groups$code[lost][1L]]), ": expected one for each")
  row[groups$code]
}

# A variable with a row for each of the engine's. Rows without group meet nothing.
spread_rows <- function(v, place) {
  if (is.null(place$index) && is_gpu(v)) return(v)
  if (is_gpu(v)) v <- array(gpu_values(v), dim(v))
  if (place$kind != "Pm" && length(dim(v)) < 2L) v <- matrix(v, 1L)
  v <- flat(v)
  if (is.null(place$index)) return(v)
  index <- place$index
  index[is.na(index)] <- 1L
  unname(v)[index, , drop = FALSE]
}

# The sums of what the engine gives for each of its rows, for each row of the variable.
collected <- function(x, place) {
  if (is.null(place$index)) return(x)
  known <- !is.na(place$index)
  sums <- rowsum(x[known, , drop = FALSE], place$index[known])
  out <- matrix(0, place$rows * prod(place$extents), ncol(x))
  out[as.integer(rownames(sums)), ] <- sums
  out
}

# ---- blocks --------------------------------------------------------------------------------------

# Those of all batches; NULL: all pairs.
blocks_laid_out <- function(blocks, layout) {
  size <- layout$size
  if (!is.null(blocks)) blocks <- sized(blocks, size[["Vi"]], size[["Vj"]])
  turned <- layout$per == "Vj"
  kept <- layout$extents[[layout$per]]
  other <- layout$extents[[if (turned) "Vi" else "Vj"]]
  if (prod(other) == 1L && is.null(blocks) || !length(kept)) return(blocks)
  check_bands(blocks, layout)
  if (turned && !is.null(blocks)) blocks <- t(blocks)
  shared <- batches_in(other, kept)
  if (is.null(shared)) shared <- seq_len(prod(kept))
  if (turned) size <- rev(size)
  out <- repeated_blocks(blocks, size[[1L]], size[[2L]], shared, as.integer(prod(other)))
  if (turned) t(out) else out
}

# Differences of positions are those within a batch where all batches have equal numbers of i and j.
check_bands <- function(blocks, layout) {
  if (is.null(blocks$offsets) || layout$size[[1L]] == layout$size[[2L]]) return(invisible())
  throw("argument", "`blocks` limit j - i in batches of ", times(layout$size), " pairs: expected blocks ",
        "of groups or labels, or equal numbers of i and j")
}

# Batches of M rows beside each other; batch b meets the columns of batch `shared[b]` of `n`.
repeated_blocks <- function(blocks, M, N, shared, n) {
  if (is.null(blocks)) blocks <- all_blocks(M, N)
  shifted <- function(x, step, batch = seq_along(shared))
    rep(x, length(batch)) + rep(step * (batch - 1L), each = length(x))
  new_blocks(
    as.integer(c(M * length(shared), N * n)),
    i_order = if (!is.null(blocks$i_order)) shifted(blocks$i_order, M),
    j_order = if (!is.null(blocks$j_order)) shifted(blocks$j_order, N, seq_len(n)),
    i_end = shifted(blocks$i_end, M), list_end = shifted(blocks$list_end, length(blocks$from)),
    from = shifted(blocks$from, N, shared), to = shifted(blocks$to, N, shared),
    offsets = blocks$offsets)
}

# ---- computing -----------------------------------------------------------------------------------

places_in <- function(x, layout)
  Map(laid_out, part(x, "data"), part(x, "kind"), MoreArgs = list(layout))

# A program for variables at these places: their declarations, its blocks, and how all of them lie.
laid_out_program <- function(program, state) {
  layout <- layout_of(state, state$per)
  places <- places_in(state, layout)
  engine <- list(kind = vapply(places, `[[`, "", "kind"), data = state$data, walk = state$walk)
  program$declarations <- declarations_of_leaves(engine)
  program$blocks <- blocks_laid_out(state$walk$blocks, layout)
  program$layout <- layout
  program$places <- places
  program
}

compute_spread <- function(state, program) {
  layout <- program$layout
  places <- program$places
  out <- run_arranged(program, Map(spread_rows, state$data, places))
  if (length(state$roots) == 1L) return(spread_result(out, state, 1L, layout, places))
  lapply(seq_along(out), function(k) spread_result(out[[k]], state, k, layout, places))
}

spread_result <- function(out, state, k, layout, places) {
  of <- state$of[k]
  if (is.null(of) || is.na(of)) {
    kept <- state$kept[k]
    place <- list(rows = layout$size[[kept]], extents = layout$extents[[kept]])
    names <- row_names(state, kept)
  } else {
    place <- places[[of]]
    names <- if (state$kind[of] != "Pm" || has_groups(state$data[[of]])) dimnames(state$data[[of]])[[1L]]
  }
  out <- each_field(out, batch_field, place, layout, state$shapes[[k]], state$complex[k])
  with_row_names(out, names)
}

# Values and positions alike.
each_field <- function(out, f, ...) if (is.list(out)) lapply(out, f, ...) else f(out, ...)

batch_field <- function(out, place, layout, shape, complex = FALSE) {
  if (is.integer(out)) out <- within_batch(out, layout)
  out <- collected(out, place)
  out <- if (complex) complex_matrix(out) else shaped(out, shape)
  stacked(out, place$rows, place$extents)
}

# Positions among the rows of a batch.
within_batch <- function(position, layout) {
  n <- layout$size[[if (layout$per == "Vi") "Vj" else "Vi"]]
  base <- as.integer(get_options()$index_base)
  if (n) (position - base) %% n + base else position
}

# ---- results, cotangents and directions ----------------------------------------------------------

# What result k of a state is like: kind and number of rows of it, extents and labels.
result_like <- function(state, k) {
  of <- state$of[k]
  if (!is.null(of) && !is.na(of)) return(like_variable(state$data[[of]], state$kind[of]))
  kept <- state$kept[k]
  list(kind = kept, rows = row_count(state, kept), extents = layout_of(state, state$per)$extents[[kept]])
}

like_variable <- function(v, kind)
  list(kind = kind, rows = if (kind == "Pm" && length(dim(v)) < 2L) 1L else nrow(v),
       extents = extents_of(v), groups = groups_of(v))

# Plain numbers as a variable like another one: see as_variable().
as_variable_like <- function(x, name, like, dim, shape = NULL) {
  full <- c(like$rows, dim, like$extents)
  if (length(shape) && identical(dim(x), as.integer(c(like$rows, shape, like$extents)))) {
    x <- aperm(x, c(1L, 3L, 2L, 3L + seq_along(like$extents)))
    dim(x) <- full
  }
  if (length(dim(x)) < 3L) x <- plain_numbers(x, name, complex_too = TRUE)
  if (is_gpu(x)) x <- array(gpu_values(x), dim(x))
  if (!are_numbers(x)) refuse_numbers(x, name, "numbers")
  if (length(x) == 1L) x <- repeated(x, prod(full), full)
  size <- if (length(dim(x)) > 1L) dim(x) else if (like$kind == "Pm") c(1L, length(x))
          else c(length(x), 1L)
  fits <- length(size) <= length(full) && size[1L] == like$rows
  size <- padded(size, max(0L, length(full) - length(size)) + length(size))
  if (!fits || !all(size[-1L] == full[-1L] | size[-1L] == 1L))
    throw("shape", "`", name, "` is ", describe(x), ": expected an array of ", times(full))
  leaf_like(reshape(x, size), like)
}

leaf_like <- function(x, like) {
  if (!is.null(like$groups)) x <- with_groups(x, like$groups)
  batch <- if (length(like$extents)) as.integer(extents_of(x))
  if (like$kind == "Pm" && is.null(batch) && is.null(like$groups)) x <- as.vector(x)
  leaf(x, like$kind, walk = new_walk(batch = batch))
}

check_batch_fits <- function(batch, name, extents) {
  if (is.null(batch)) return(invisible())
  n <- max(length(batch), length(extents))
  if (all(padded(batch, n) == 1L | padded(batch, n) == padded(extents, n))) return(invisible())
  throw("shape", "`", name, "` has batches of ", times(batch), ": expected ",
        if (length(extents)) times(extents) else "none")
}

# ---- values --------------------------------------------------------------------------------------

# The same values, with variables that share nothing: batches beside each other in both indices.
expanded <- function(x) {
  layout <- layout_of(x, "Vi", full = TRUE)
  places <- places_in(x, layout)
  data <- Map(spread_values, part(x, "data"), places)
  of_variables(x, "rows", vapply(places, `[[`, "", "kind"), data,
               new_walk(blocks_laid_out(part(x, "walk")$blocks, layout)))
}

# As spread_rows(), complex numbers as they are.
spread_values <- function(v, place) {
  if (is.complex(v) && !is.null(dim(v))) {
    out <- spread_rows(v, place)
    return(complex_matrix(out))
  }
  if (place$kind == "Pm") v else spread_rows(v, place)
}

# In batches, the values at n pairs of each: an array n x B... x K. pairs(at) as in values_of_pairs(),
# for pairs in any order.
values_in_batches <- function(x, n, pairs, k = seq_len(part(x, "dimres"))) {
  batch <- part(x, "walk")$batch
  size <- dim(x)
  of_all <- function(at) {
    before <- (at - 1) %/% n
    rows <- pairs(at - n * before)
    list(i = rows$i + size[1L] * before, j = rows$j + size[2L] * before)
  }
  array(values_of_pairs(expanded(x), n * prod(batch), of_all, k), c(n, batch, length(k)))
}

# Those of a block: c(m, n, K, B...) in this order.
values_of_batches <- function(x, i, j, k) {
  m <- length(i)
  pairs <- function(at) list(i = i[(at - 1) %% m + 1], j = j[(at - 1) %/% m + 1])
  components_second(values_in_batches(x, as.double(m) * length(j), pairs, k))
}

# n x B... x K as n x K x B...
components_second <- function(x) {
  n <- length(dim(x))
  if (n == 2L) x else aperm(x, c(1L, n, 2:(n - 1L)))
}

# n x K x B... without its second extent where that is 1.
components_dropped <- function(x) {
  if (dim(x)[2L] > 1L) return(x)
  names <- dimnames(x)
  if (length(dim(x)) == 2L) return(stats::setNames(as.vector(x), names[[1L]]))
  array(x, dim(x)[-2L], if (!is.null(names)) names[-2L])
}

# t() of the matrix of each batch.
t_of_each <- function(x) {
  n <- length(dim(x))
  if (n < 3L) t(x) else aperm(x, c(2:1, 3:n))
}

# The batches of a plain factor of a product with x, NULL: none.
factor_batch <- function(x, b) {
  if (is.object(b) && !is_recorded(b)) return(NULL)
  if (!are_numbers(b) || is.null(part(x, "walk")$batch))
    refuse_numbers(b, "a factor", "a numeric matrix or vector; Vj(b, batch = TRUE) has batches")
  extents_of(b)
}

check_no_batch <- function(x, what, instead) {
  if (!is.null(part(x, "walk")$batch))
    throw("shape", what, " of batches ", times(part(x, "walk")$batch), ": expected none; ", instead,
          " a result for each batch")
}

# ---- operators from formulas ---------------------------------------------------------------------

# A program of batches is that of a formula whose parameters are variables of the index `per`, with
# an element `batch`, a list of
#   per  as in a layout
#   of   for each result the name of the variable that it is like, NA: like a value of the reduction
# Its `variables` and `results` are as the user declared them.
batch_program <- function(program, info) {
  if (!is_reduction_text(program$text) || lengths(gregexpr("_Reduction", program$text, fixed = TRUE)) > 1L ||
      length(program$results) > 1L)
    throw("argument", "`formula` is not one reduction: expected one, with `batch = TRUE`; keops_grad() ",
          "makes its derivatives")
  for (extra in setdiff(program$variables$name, info$var_name))
    throw("argument", "`formula` has the input ", extra, ", which is not declared: expected `args` ",
          "to declare all variables, with `batch = TRUE`")
  for_batches(program, program$results[[1L]]$kept, NA_character_)
}

for_batches <- function(program, per, of) {
  variables <- program$variables
  kind <- stats::setNames(variables$kind, variables$name)
  declarations <- sub("=Pm(", paste0("=", per, "("), program$declarations, fixed = TRUE)
  out <- new_program(program$text, declarations, program$options)
  out$shapes <- program$shapes
  out$result_shapes <- program$result_shapes
  out$variables$kind <- variables$kind
  for (k in which(!is.na(of))) out$results[[k]]$kept <- kind[[of[k]]]
  out$batch <- list(per = per, of = of)
  out
}

# The declarations of a program as the user wrote them.
declared <- function(program) {
  if (is.null(program$batch)) return(program$declarations)
  with(program$variables, paste0(name, "=", kind, "(", dim, ")"))
}

# `given`: arguments that say which pairs.
run_batches <- function(program, input, rows_inside, given) {
  if (rows_inside)
    throw("argument", "`inner_dim` is \"row\": expected \"col\", for batches")
  variables <- program$variables
  if (length(input) != length(variables$name)) return(run_arranged(program, input)) # an error
  data <- Map(batch_input, input, variables$name, variables$kind, variables$dim,
              MoreArgs = list(program$shapes))
  x <- list(data = data, kind = variables$kind)
  for (kind in c("Vi", "Vj")) check_equal_rows(x, kind, variables$name)
  blocks <- blocks_for_input(given, data, program, FALSE)
  x$walk <- new_walk(blocks, batch = Reduce(common_batch, lapply(data, extents_of)))
  layout <- layout_of(x, program$batch$per)
  places <- Map(laid_out, data, x$kind, MoreArgs = list(layout, is_row = TRUE))
  program$blocks <- blocks_laid_out(blocks, layout)
  out <- run_arranged(program, unname(Map(spread_rows, data, places)))
  if (has_positions(out)) explain_positions()
  batch_results(out, program, layout, stats::setNames(places, variables$name))
}

# An input with two dimensions at least, and its parameters in one row.
batch_input <- function(x, name, kind, dim, shapes) {
  if (length(dim(x)) < 3L) {
    x <- plain_numbers(x, name, kind != "Pm")
    if (is_gpu(x)) x <- if (is.null(dim(x))) gpu_values(x) else array(gpu_values(x), dim(x))
    x <- if (kind == "Pm") matrix(x, 1L) else if (length(dim(x)) < 2L) as_column(x) else x
  }
  if (!is_plain_number(x) || is.object(x)) refuse_numbers(x, name, "an array of numbers")
  shape <- shapes[[name]]
  if (length(shape) && length(dim(x)) > 2L && identical(dim(x)[2:3], shape)) {
    x <- aperm(x, c(1L, 3L, 2L, 3L + seq_len(length(dim(x)) - 3L)))
    x <- array(x, c(nrow(x), dim, dim(x)[-(1:3)]))
  }
  if (ncol(x) != dim || kind == "Pm" && nrow(x) != 1L)
    throw("shape", "`", name, "` is ", describe(x), ": expected ", if (kind == "Pm") "1" else "n", " x ",
          dim, ", and batches from the third dimension on")
  x
}

check_equal_rows <- function(x, kind, names) {
  rows <- vapply(x$data[x$kind == kind], nrow, 1L)
  wrong <- which(rows != rows[1L])
  if (length(wrong))
    throw("shape", paste0("`", names[x$kind == kind][c(1L, wrong[1L])], "` has ", rows[c(1L, wrong[1L])],
                          " rows", collapse = ", "), ": expected equal numbers")
}

batch_results <- function(out, program, layout, places) {
  of <- program$batch$of
  kept <- layout$per
  shapes <- lapply(seq_along(of), function(k) output_of(program, k)$shape)
  one <- function(out, k) {
    place <- if (is.na(of[k])) list(rows = layout$size[[kept]], extents = layout$extents[[kept]])
             else places[[of[k]]]
    each_field(out, batch_field, place, layout, shapes[[k]])
  }
  if (length(of) == 1L) one(out, 1L) else lapply(seq_along(of), function(k) one(out[[k]], k))
}
