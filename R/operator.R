# Operators of LazyTensors: reductions that are asked for, computed now or later, and what is made
# of them.
#
# A reduction is one more definition of the table of a LazyTensor, and so is a derivative of it:
# text for the engine, which does the rest. An operator is a function around a "state", plain data:
#   table, leaves, data, kind   as in a LazyTensor
#   roots     identifiers of its results
#   kept      for each result, the kind of variables that it has a row for each row of
#   complex   for each result, whether its columns are parts of complex numbers
#   shapes    for each result, its shape if it is an array; see output_of()
#   options   what the call said about how to compute
#   walk      as in a LazyTensor
#   per       the kind of variables that the reduction, which the results are derived from, has a row
#             for each row of
#   positions the identifier of a result that is positions
#   of        NULL, or for each result the position in `data` of the variable that it is like, NA:
#             like a value of the reduction
#   zeros     NULL, or for each result that the user sees zeros, or NULL where it is one of `roots`

# The value op(operands, literals) as a result. The last literal is the index that is reduced.
operator_state <- function(op, operands, literals = NULL, complex = FALSE, options = NULL) {
  state <- merge_all(operands)
  node <- add_node(state$table, op, vapply(operands, root_of, ""), literals, inline = TRUE)
  kept <- if (literals[length(literals)] == "j") "Vi" else "Vj"
  list(table = node$table, leaves = state$leaves, data = state$data, kind = state$kind,
       roots = node$id, kept = kept, complex = complex, options = options, walk = state$walk,
       per = kept, positions = if (startsWith(op, "Arg")) node$id)
}

operator_text <- function(state) formula_text(state, state$roots)

# Kind, dimension and shape of result k, see output_of().
output_of_state <- function(state, k = 1L) {
  program <- program_of_state(state)
  output <- output_of(c(program, program_info(program)), k)
  if (length(state$shapes)) output$shape <- state$shapes[[k]]
  kind <- output$kind
  output$like <- if (!is.null(state$walk) && is_spread(state)) result_like(state, k)
                 else list(kind = kind, rows = if (kind == "Pm") 1L else row_count(state, kind))
  output
}

program_of_state <- function(state) {
  program <- list(text = operator_text(state), declarations = declarations_of_leaves(state),
                  options = state$options)
  if (is.null(state$walk)) return(program)
  if (is_spread(state)) return(laid_out_program(program, state))
  program$blocks <- blocks_of(state)
  program
}

# `program`: that of the state, where it is known.
compute <- function(state, program = program_of_state(state)) {
  if (!is.null(state$zeros)) return(with_zeros(compute(without_zeros(state), program), state))
  if (any_recorded(state$data)) return(compute_recorded(state, program))
  if (get_options()$formula_only)
    throw("formula", "option `formula_only` is TRUE, so nothing is computed: ", program$text,
          " with ", paste(program$declarations, collapse = ", "))
  if (!is.null(state$walk) && is_spread(state)) return(compute_spread(state, program))
  out <- run_arranged(program, lapply(state$data, interleaved))
  if (length(state$roots) == 1L) return(as_result(out, state, 1L))
  lapply(seq_along(out), function(k) as_result(out[[k]], state, k))
}

as_result <- function(out, state, k) {
  out <- if (state$complex[k]) complex_matrix(out) else shaped(out, state$shapes[[k]])
  with_row_names(out, row_names(state, state$kept[k]))
}

# Values and positions alike.
with_row_names <- function(out, names) {
  if (is.null(names)) return(out)
  if (is.list(out)) return(lapply(out, with_row_names, names))
  dimnames(out) <- c(list(names), vector("list", length(dim(out)) - 1L))
  out
}

new_lazy_operator <- function(state) {
  force(state)
  made <- NULL # the program, where that does not depend on the data
  structure(class = "LazyOperator", function(input = NULL) {
    if (!is.null(input)) state <- with_input(state, input)
    if (!is.null(state$walk)) return(compute(state))
    if (is.null(made)) made <<- program_of_state(state)
    compute(state, made)
  })
}

# The state of an operator that has one result, so that it can be differentiated.
differentiable_state <- function(op) {
  check_given(op, "op", "a reduction with call = FALSE")
  state <- if (inherits(op, "LazyOperator")) environment(op)$state
  if (is.null(state))
    unexpected(op, "op", "a reduction with call = FALSE, such as sum(x, \"j\", call = FALSE)",
               if (is.function(op))
                 "; operators of keops_kernel() have keops_grad() and keops_jvp()")
  results <- base::max(length(state$roots), length(state$zeros))
  if (results != 1L) throw("argument", "`op` has ", results, " results: expected an operator with one")
  state
}

#' @export
format.LazyOperator <- function(x, ...) {
  title <- "<LazyOperator> compute it by op(), of other data by op(list(...))"
  if (is_composed(x))
    return(c(title, shortened(environment(x)$label), entry_lines(environment(x)$entries)))
  state <- environment(x)$state
  c(title,
    paste0("formula: ", shortened(operator_text(state))), variable_lines(state),
    if (length(pairs_text(state))) paste("restricted to", pairs_text(state)),
    precision_line(state$options), option_lines(state$options))
}

#' @export
print.LazyOperator <- function(x, ...) {
  cat(format(x), sep = "\n")
  invisible(x)
}

# ---- other data ----------------------------------------------------------------------------------

# The names that variables have in texts.
names_of_variables <- function(n) paste0("V", seq_len(n) - 1L)

# The state of other data: a list of one for each variable, or of some of them by their names.
with_input <- function(state, input) {
  data <- state$data
  count <- length(data)
  at <- places_of_input(input, count)
  for (k in seq_along(at)) {
    x <- input[[k]]
    place <- at[k]
    if (!is_like(x, data[[place]]))
      x <- data_like(x, data[[place]], state$kind[place], names_of_variables(count)[place])
    data[[place]] <- x
  }
  state$data <- data
  if (is.null(walk <- state$walk)) return(state)
  for (kind in c("Vi", "Vj")) check_equal_rows(state, kind, names_of_variables(count))
  if (!is.null(walk$batch)) walk$batch <- Reduce(common_batch, lapply(data, extents_of))
  check_walk(walk, data, state$kind)
  state$walk <- walk
  state
}

# Which of `count` variables the elements of `input` are for.
places_of_input <- function(input, count) {
  if (is.list(input) && !is.object(input) && is.null(names(input)) && length(input) == count)
    return(seq_len(count)) # nearly always
  variables <- names_of_variables(count)
  check_input_list(input, variables)
  if (!is.null(names(input))) {
    check_input_names(names(input), variables)
    return(match(names(input), variables))
  }
  throw("argument", "`input` has ", counted(length(input), "element"), ": expected ", count,
        " (", paste(variables, collapse = ", "), "), or some of them by name; print(op) says what they are")
}

# Whether nothing has to be looked at: two plain matrices with as many columns.
is_like <- function(x, old) {
  is.double(x) && is.double(old) && !is.object(x) && length(size <- dim(x)) == 2L &&
    length(was <- dim(old)) == 2L && size[2L] == was[2L] && !has_groups(old)
}

# Numbers in the place of the data `old` of a variable.
data_like <- function(x, old, kind, name) {
  groups <- groups_of(old)
  is_batch <- length(dim(old)) > 2L
  is_vector <- kind == "Pm" && is.null(groups) && !is_batch
  x <- leaf_numbers(x, is.complex(old), !is_vector, name)
  if (is.complex(x) && !is.complex(old)) throw("argument", "`", name, "` is complex: expected real numbers")
  unlike <- function(...)
    throw("shape", "`", name, "` is ", describe(value_of(x)), ": expected ", ...)
  if (is_vector) {
    if (length(x) != length(old)) unlike(counted(length(old), "number"))
    return(if (is.null(dim(x))) x else reshape(x, NULL))
  }
  if (length(dim(x)) < 2L) x <- as_column(x)
  size <- dim(x)
  if (!is.null(groups)) {
    if (!identical(size, dim(old))) unlike("a matrix of ", times(dim(old)), ", a row for each group")
    return(with_groups(x, groups))
  }
  if (size[2L] != dim(old)[2L] || (length(size) > 2L) != is_batch || kind == "Pm" && size[1L] != 1L)
    unlike(if (is_batch) paste0("an array ", if (kind == "Pm") "1" else "n", " x ", dim(old)[2L], " x B...")
           else paste("a matrix with", counted(dim(old)[2L], "column")))
  x
}

# ---- derivatives ---------------------------------------------------------------------------------

#' Derivatives of reductions of LazyTensors and of R functions
#'
#' A reduction with `call = FALSE` is an operator: a function that computes it, of the data that it was
#' made of, or of other data, see [reductions]. So is [solve()][solve.LazyTensor] with `call = FALSE`.
#' These functions compute its derivatives, exactly and without storing anything of the size of all
#' pairs, with respect to any of the variables that it was made from. With `call = FALSE` they give
#' operators again, for derivatives of higher order.
#'
#' They take any other function of R too, at the point `at`: of what [base R][stop_gradient()] and
#' LazyTensors do in it. The function may itself take derivatives.
#'
#' @param op an operator: a reduction such as `sum(x, "j", call = FALSE)`, or what one of
#'   these functions gives with `call = FALSE` (`value_and_gradient()`: excluded). Or a function of one or
#'   several vectors or matrices.
#' @param wrt the variable: a LazyTensor made by [Vi()], [Vj()], [Pm()] or [LazyTensor()] that the
#'   operator was made from, or a list of several. `Vi()` of the same R matrix is the same variable,
#'   but not in another process: there it is the saved LazyTensor only. A matrix stands for all variables
#'   that were made of it, as `Vi()` and as `Vj()`. In a list, a variable that the operator does not depend
#'   on has the gradient 0, where another one of the list occurs.
#' @param at the point, for a function: a number, vector or matrix; or a list of them, the arguments in
#'   their order or by name.
#' @param cotangent a matrix or a LazyTensor of the shape of the operator's result (or of one
#'   column, or a number: the same for all columns or everywhere): the gradient is that of
#'   `sum(cotangent * op())`. `NULL` stands for 1 when the result has one column, or is the one number that a
#'   function gives. Of K-minima with
#'   several components, an array n x K x D is taken too. A LazyTensor may itself depend on
#'   variables, and further derivatives see that; plain numbers are constants.
#' @param direction a matrix or a LazyTensor of the shape of the variable; a list of as many as
#'   there are variables (in that order, or with their names), along all of which together the
#'   derivative is taken. For a function, as `at`.
#' @param call `FALSE` for an operator; not for functions.
#'
#' @return `gradient()`: a matrix of the shape of the variable (with its row names), one row for a
#'   parameter; for a list
#'   `wrt` a list of them, with its names. For a complex variable a complex matrix: the derivatives
#'   by real and imaginary parts. `jvp()`: the derivative of the result along `direction`, of the
#'   shape of the result (of its values, for pairs of values and positions).
#'   `value_and_gradient()`: a list of `value`, as `op()` gives it, and `gradient`, as `gradient()`
#'   gives it; computed together, the kernel once. Of a function the gradient has the shape and the names of
#'   `at`, and a variable that does not matter has the gradient 0.
#' @section Errors:
#' `rkeops_error_argument` where `op` is no such operator or `wrt` none of its variables (of a list: none of
#' them); `rkeops_error_shape` where the cotangent or the direction has another shape; what computing may
#' raise, see [reductions].
#' @seealso [keops_grad()] for operators from formulas, [reductions].
#' @family derivatives
#' @examples
#' x <- Vi(matrix(sin(1:12), ncol = 3))
#' y <- Vj(matrix(cos(1:60), ncol = 3))
#' s <- Pm(2)
#' op <- sum(exp(-s * sqdist(x, y)), "j", call = FALSE)
#' value_and_gradient(op, wrt = list(x = x, s = s), cotangent = matrix(1:4))
#' # the same of other points, without making anything anew
#' by_x <- gradient(op, wrt = x, cotangent = 1, call = FALSE)
#' by_x
#' by_x(list(V1 = matrix(cos(1:12), ncol = 3)))
#' # a second derivative
#' op |> gradient(wrt = x, call = FALSE) |> jvp(wrt = s, direction = 1)
#' # a function of R: the energy of points that repel each other
#' energy <- function(x) sum(exp(-sqdist(Vi(x), Vj(x))) %*% rep(1, nrow(x))) + sum(x^2)
#' value_and_gradient(energy, matrix(1:4 / 4, ncol = 2))
#' @export
gradient <- function(op, wrt, cotangent = NULL, call = TRUE, at) {
  if (is_r_function(op)) return(differentiate(op, point_of(wrt, at), cotangent)$gradient)
  check_flag(call, "call")
  check_given(wrt, "wrt", "a LazyTensor made by Vi(), Vj() or Pm(), or a matrix")
  if (!is.null(composed <- as_composed(op, wrt))) {
    new <- gradient_of_composed(composed, wrt, cotangent)
    return(if (call) new() else new)
  }
  state <- differentiable_state(op)
  new <- with_gradients(state, wrt, cotangent)
  if (call) name_gradients(compute(new), wrt) else new_lazy_operator(new)
}

#' @rdname gradient
#' @export
value_and_gradient <- function(op, wrt, cotangent = NULL, at) {
  if (is_r_function(op)) return(differentiate(op, point_of(wrt, at), cotangent))
  check_given(wrt, "wrt", "a LazyTensor made by Vi(), Vj() or Pm(), or a matrix")
  if (!is.null(composed <- as_composed(op, wrt)))
    return(gradient_of_composed(composed, wrt, cotangent, values = TRUE)())
  state <- differentiable_state(op)
  new <- with_gradients(state, wrt, cotangent, values = TRUE)
  out <- compute(new)
  gradients <- if (length(out) == 2L) out[[2L]] else out[-1L]
  list(value = out[[1L]], gradient = name_gradients(gradients, wrt))
}

#' @rdname gradient
#' @export
jvp <- function(op, wrt, direction, call = TRUE, at) {
  if (is_r_function(op)) return(differentiate_along(op, point_of(wrt, at), direction))
  check_flag(call, "call")
  check_given(wrt, "wrt", "a LazyTensor made by Vi(), Vj() or Pm(), or a matrix")
  if (!is.null(composed <- as_composed(op, wrt))) {
    new <- jvp_of_composed(composed, wrt, direction)
    return(if (call) new() else new)
  }
  state <- differentiable_state(op)
  ids <- variables_of(wrt, state)
  check_given(direction, "direction", "a matrix or a LazyTensor of the shape of the variable")
  direction <- as_directions(direction, wrt)[!is.na(ids)]
  ids <- ids[!is.na(ids)]
  shapes <- list(output_of_state(state)$shape)
  root <- state$roots
  for (k in seq_along(ids)) {
    u <- direction_along(direction[[k]], state, ids[k])
    state <- merged_state(state, u, distinct = !is.LazyTensor(direction[[k]]))
    state <- with_node(state, "Diff", c(root, ids[k], root_of(u)))
    if (k > 1L) state <- with_node(state, "Add", c(sum, state$roots))
    sum <- state$roots
  }
  state$shapes <- shapes
  if (call) compute(state) else new_lazy_operator(state)
}

# `at` of derivatives of functions, which is the second argument too.
point_of <- function(wrt, at) {
  if (!missing(at)) at
  else if (!missing(wrt)) wrt
  else throw("argument", "`at` is missing: expected numbers, or a list of them: the arguments of the function")
}

# A list, with one for each variable of `wrt` in their order.
as_directions <- function(direction, wrt) {
  if (is.LazyTensor(wrt) || !is.list(wrt)) return(list(direction))
  if (!is.list(direction) || is.LazyTensor(direction) || length(direction) != length(wrt))
    unexpected(direction, "direction", "a list of ", length(wrt), ", one for each variable of `wrt`")
  if (is_named_like(direction, wrt)) direction[names(wrt)] else direction
}

# Whether two lists have the same names, each once, in any order.
is_named_like <- function(x, y) {
  length(names(x)) && all(nzchar(names(x))) && !anyDuplicated(names(x)) &&
    length(names(x)) == length(names(y)) && setequal(names(x), names(y))
}

# `state` with the gradients by `wrt` as results, behind its own one if `values`. `name`: what the
# user knows the cotangent by.
with_gradients <- function(state, wrt, cotangent, values = FALSE, name = "cotangent") {
  ids <- variables_of(wrt, state)
  if (length(ids) > 15L)
    throw("argument", "`wrt` is a list of ", length(ids), ": expected at most 15 variables")
  output <- output_of_state(state)
  e <- cotangent_of(cotangent, output, state$complex, name)
  new <- gradient_state(state, ids[!is.na(ids)], list(e), distinct = !is.LazyTensor(cotangent), values)
  if (values) new$shapes[1L] <- list(output$shape)
  if (anyNA(ids)) {
    new$zeros <- vector("list", values + length(ids))
    new$zeros[values + which(is.na(ids))] <- lapply(wrt[is.na(ids)], zero_gradient)
  }
  new
}

# The state with the gradients by the variables `ids` of the sum of all results times their cotangents,
# LazyTensors, NULL for 0. Its one result comes first if `values`.
gradient_state <- function(state, ids, cotangents, distinct, values = FALSE) {
  known <- which(!vapply(cotangents, is.null, NA))
  new <- state
  for (e in cotangents[known]) new <- merged_state(new, e, distinct)
  add <- function(op, ids) {
    new <<- with_node(new, op, ids)
    new$roots
  }
  roots <- vapply(ids, function(id) {
    terms <- vapply(known, function(k) add("Grad", c(state$roots[k], id, root_of(cotangents[[k]]))), "")
    Reduce(function(x, y) add("Add", c(x, y)), terms)
  }, "", USE.NAMES = FALSE)
  of <- unname(new$leaves[ids])
  new$roots <- c(if (values) state$roots, roots)
  new$kept <- c(if (values) state$kept, new$kind[of])
  new$of <- c(if (values) if (is.null(state$of)) NA_integer_ else state$of, of)
  new$complex <- c(if (values) state$complex, vapply(new$data[of], is.complex, NA))
  new$shapes <- vector("list", values + length(ids))
  new
}

# The results with zeros between them, see above.
with_zeros <- function(out, state) {
  all <- state$zeros
  all[vapply(all, is.null, NA)] <- if (length(state$roots) == 1L) list(out) else out
  all
}

without_zeros <- function(state) {
  state$zeros <- NULL
  state
}

# The gradient of what does not depend on the variable x.
zero_gradient <- function(x) {
  data <- part(x, "data")[[1L]]
  size <- dim(data)
  out <- array(if (is.complex(data)) 0i else 0, if (is.null(size)) c(1L, length(data)) else size)
  if (part(x, "kind") == "Pm") out else with_row_names(out, row_names(x, part(x, "kind")))
}

# The state with the definitions of a LazyTensor added. Plain numbers are `distinct`: constants for
# further derivatives, even when they are the same object as a variable.
merged_state <- function(state, x, distinct) {
  walk <- part(x, "walk")
  if (!is.null(walk$blocks) && !identical(walk$blocks, state$walk$blocks))
    throw("argument", "a LazyTensor that is restricted to other pairs meets the operator: expected one ",
          "that is not restricted")
  merged <- merge_all(list(state, x), distinct)
  for (name in names(merged)) state[[name]] <- merged[[name]]
  state
}

with_node <- function(state, op, ids, literals = NULL) {
  node <- add_node(state$table, op, ids, literals, inline = TRUE)
  state$table <- node$table
  state$roots <- node$id
  state
}

name_gradients <- function(out, wrt) {
  if (is.LazyTensor(wrt)) return(out)
  if (length(wrt) == 1L) out <- list(out)
  names(out) <- names(wrt)
  out
}

# Identifiers of the variables `wrt` among the leaves; in a list NA for those that do not occur.
variables_of <- function(wrt, state) {
  check_given(wrt, "wrt", "a LazyTensor made by Vi(), Vj() or Pm()")
  if (is.LazyTensor(wrt)) return(variable_of(wrt, state, "wrt"))
  if (!is.list(wrt) || !length(wrt) || !all(vapply(wrt, is.LazyTensor, NA)))
    unexpected(wrt, "wrt", "a LazyTensor made by Vi(), Vj() or Pm(), or a list of them")
  ids <- vapply(wrt, variable_or_na, "", state, "wrt", USE.NAMES = FALSE)
  if (all(is.na(ids))) refuse_variable("wrt")
  if (anyDuplicated(state$leaves[ids[!is.na(ids)]])) throw("argument", "`wrt` has a variable twice")
  ids
}

check_variable <- function(x, name) {
  if (length(part(x, "table")) || length(part(x, "data")) != 1L)
    throw("argument", "`", name, "` was computed from other LazyTensors: expected a variable, as ",
          "Vi(), Vj() or Pm() make it")
}

variable_of <- function(x, state, name) {
  id <- variable_or_na(x, state, name)
  if (is.na(id)) refuse_variable(name) else id
}

variable_or_na <- function(x, state, name) {
  check_variable(x, name)
  id <- root_of(x)
  if (id %in% names(state$leaves)) return(id)
  place <- .Call(C_match_objects, part(x, "data"), part(x, "kind"), state$data, state$kind)
  if (place > 0L) names(state$leaves)[match(place, state$leaves)] else NA_character_
}

refuse_variable <- function(name)
  throw("argument", "`", name, "` is no variable of the reduction: expected one of the ",
        "LazyTensors that it was made from")

# ---- cotangents and directions -------------------------------------------------------------------

# The cotangent as a LazyTensor of the kind and the dimension of the result, or the same for all its rows.
cotangent_of <- function(e, output, complex, name) {
  like <- output$like
  dim <- output$dim / (1L + complex)
  if (is.null(e)) {
    if (dim != 1L)
      throw("argument", "`cotangent` is missing: expected one with ", dim, " columns; it may be ",
            "missing where the result has one column")
    e <- 1
  }
  if (!is.LazyTensor(e)) e <- if (is_number(e)) constant(as.double(e)) else as_variable(e, name, like, dim, output$shape)
  check_fits(e, name, like, c(dim, 1L), complex)
  if (complex) e <- as_complex_lazy(e)
  if (part(e, "dimres") == dim) e
  else define("RepeatAll", list(e), dim, dimres = dim, complex = complex)
}

direction_along <- function(u, state, id) {
  place <- state$leaves[[id]]
  x <- state$data[[place]]
  like <- like_variable(x, state$kind[place])
  dim <- dims_of(list(x), state$kind[place])
  if (!is.LazyTensor(u)) u <- as_variable(u, "direction", like, dim)
  check_fits(u, "direction", like, dim, is.complex(x))
  if (is.complex(x)) as_complex_lazy(u) else u
}

# Plain numbers as a variable `like` another one (see like_variable()): rows x dim, or one number for
# everything. `shape`: see output_of().
as_variable <- function(x, name, like, dim, shape = NULL) {
  if (length(like$extents) || !is.null(like$groups))
    return(as_variable_like(x, name, like, dim, shape))
  kind <- like$kind
  rows <- like$rows
  if (!is_gpu(x)) {
    if (length(shape) && length(dim(x)) == 3L && identical(dim(x), c(as.integer(rows), shape)))
      x <- reshape(aperm(x, c(1L, 3L, 2L)), c(rows, prod(shape)))
    x <- plain_numbers(x, name, complex_too = TRUE)
    if (length(x) == 1L) x <- repeated(x, rows * dim, c(rows, dim))
    else if (is.null(dim(x))) x <- reshape(x, if (kind == "Pm") c(1L, length(x)) else c(length(x), 1L))
  }
  if (length(dim(x)) != 2L || nrow(x) != rows || !ncol(x) %in% c(dim, 1L))
    throw("shape", "`", name, "` is ", describe(x), ": expected a matrix of ", rows, " x ", dim)
  leaf(if (kind == "Pm") as.vector(x) else x, kind)
}

check_fits <- function(x, name, like, dims, complex) {
  kind <- like$kind
  rows <- like$rows
  walk <- part(x, "walk")
  if (!is.null(walk)) check_batch_fits(walk$batch, name, like$extents)
  kinds <- setdiff(part(x, "kind"), "Pm")
  if (length(setdiff(kinds, kind)))
    throw("shape", "`", name, "` depends on ", paste(substring(kinds, 2L), collapse = " and "),
          ": expected a LazyTensor ",
          if (kind == "Pm") "of parameters" else paste("of index", substring(kind, 2L)))
  if (length(kinds) && row_count(x, kind) != rows)
    throw("shape", "`", name, "` has ", row_count(x, kind), " rows: expected ", rows)
  if (!part(x, "dimres") %in% dims)
    throw("shape", "`", name, "` has dimension ", part(x, "dimres"), ": expected ", dims[1L])
  if (part(x, "complex") && !complex)
    throw("argument", "`", name, "` is complex: expected real numbers")
}

# ---- RKeOps' gradient ----------------------------------------------------------------------------

#' Gradient of a reduction of a LazyTensor
#'
#' The function of RKeOps: the gradient of `sum(gradin * reduction.LazyTensor(f, opstr, index))`.
#' [gradient()] says the same of any reduction.
#'
#' @param f a LazyTensor.
#' @param gradin a LazyTensor of the index that is left, of the dimension of the reduction's result
#'   or of dimension 1: the same factor for all components.
#' @param opstr name of the reduction, such as `"Sum"`.
#' @param var the variable: one of those that `f` was made from (a LazyTensor), its name in
#'   `f$args`, or its position there, counted from 0.
#' @param index `"i"` or `"j"`: the index that is reduced.
#' @param ... how to compute: see [reductions].
#' @return A matrix of the shape of the variable's, one row for a parameter; complex if the variable
#'   is: then with the derivatives by real and imaginary parts as its parts.
#' @section Errors:
#' `rkeops_error_argument` where `gradin` depends on the index that is reduced or `var` is no
#' variable of `f`; `rkeops_error_shape` where dimensions or numbers of rows do not fit.
#' @family derivatives
#' @examples
#' x_i <- Vi(matrix(sin(1:12), ncol = 3))
#' y_j <- Vj(matrix(cos(1:60), ncol = 3))
#' eta_i <- Vi(rep(1, 4))
#' grad(exp(-sqdist(x_i, y_j)), eta_i, "Sum", var = x_i, index = "j")
#' # the same
#' gradient(sum(exp(-sqdist(x_i, y_j)), "j", call = FALSE), x_i, eta_i)
#' @export
grad <- function(f, gradin, opstr, var, index, ...) {
  check_lazy(f, "f")
  check_lazy(gradin, "gradin")
  check_index(index)
  left <- if (index == "j") "Vi" else "Vj"
  if (!all(part(gradin, "kind") %in% c(left, "Pm")) || !left %in% part(gradin, "kind"))
    throw("argument", "`gradin` is expected to depend on ", substring(left, 2L), " and not on ",
          index, ", the index that is reduced")
  given <- list(...)
  options <- call_options(without_walk(given))
  state <- reduction_state(restricted(f, given), opstr, index, options = options$options)
  check_reduced(left, state$kind)
  new <- with_gradients(state, leaf_named(var, f), gradin, name = "gradin")
  if (options$call) compute(new) else new_lazy_operator(new)
}

# A variable of f from its name or its position from 0.
leaf_named <- function(var, f) {
  if (is.LazyTensor(var)) {
    variable_of(var, unclass(f), "var")
    return(var)
  }
  n <- length(part(f, "data"))
  if (is_string(var)) {
    names <- names_of_variables(n)
    if (!var %in% names)
      throw("argument", "`var` is \"", var, "\", which is no variable of `f`",
            suggestion(var, names))
    var <- match(var, names) - 1L
  }
  place <- check_count(var, "var", from = 0L, to = n - 1L) + 1L
  leaf_at(f, place)
}

# The variable of which the data are element `place`.
leaf_at <- function(f, place) {
  id <- names(part(f, "leaves"))[match(place, part(f, "leaves"))]
  x <- part(f, "data")[[place]]
  kind <- part(f, "kind")[place]
  leaves <- 1L
  names(leaves) <- id
  new_lazytensor(id, list(), leaves, list(x), kind, dims_of(list(x), kind), complex = is.complex(x),
                 walk = part(f, "walk"))
}
