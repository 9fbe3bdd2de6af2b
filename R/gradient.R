# Derivatives of operators.
#
# A derivative is one more operation of the formula language: from "definitions; F" a text
# "definitions; Grad(F, x, e)" is made, with one more variable e declared behind the others. The
# engine differentiates, so all of this can be applied to what it returns, to any order.

#' Derivatives of operators
#'
#' From an operator made by [keops_kernel()] these functions make operators that compute
#' derivatives of its result, exactly and without storing anything of the size of all pairs. They
#' can be applied to their own results: higher derivatives, products with a Hessian.
#'
#' @param op an operator: what [keops_kernel()] or one of these functions returns
#'   (`keops_value_and_grad()`: excluded).
#' @param var a variable of `op`: its name, or its position among `op`'s declarations, counted from
#'   0.
#' @param vars names or positions of one or several variables.
#'
#' @return An operator as [keops_kernel()] describes it, with one more input at the end. `op()` of
#'   it shows formula and declarations, with the name of that input.
#'
#'   `keops_grad()`: the adjoint of the derivative. The input is the cotangent e, which has the
#'   shape of the result of `op`; the result has the shape of `var` and is the gradient of
#'   \eqn{\sum e \cdot op(...)}{sum(e * op(...))}. With respect to a parameter it is one row. Where
#'   the result of `op` is an array n x K x D (of `KMin`), so is e, or it is a matrix with K*D
#'   columns, those of the smallest first. Of `Min_ArgMin`, `KMin_ArgKMin` and the like the values
#'   are differentiated.
#'
#'   `keops_jvp()`: the derivative along the input, which has the shape of `var`. The result has
#'   that of the values of `op`.
#'
#'   `keops_value_and_grad()`: a list of `value`, as `op` gives it, and `gradients`, a list named
#'   by variable; all computed together, and the kernel once. The last input is the cotangent; it
#'   may be missing when `op` gives one column, and is 1 in each row then: the gradient of the sum
#'   of the result.
#'
#' Gradients exist for all reductions (of `ArgMin`, `ArgKMin`, ... they are 0; those of minima go to
#' the element that was chosen). `?rkeops_formulas` tells the derivative of each operation, also
#' at points where it has none.
#'
#' @section Errors:
#' `rkeops_error_argument` where `op` is no such operator or `var` none of its variables;
#' calls of what is made raise what those of [keops_kernel()] do.
#' @family derivatives
#' @family operators from formulas
#' @examples
#' x <- matrix(sin(1:12), ncol = 3)
#' y <- matrix(cos(1:60), ncol = 3)
#' op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(3)", "y=Vj(3)"))
#' dx <- keops_grad(op, "x")
#' both <- keops_value_and_grad(op, c("x", "y"))
#' str(both(list(x, y)))
#' direction <- matrix(1, 4, 3)
#' keops_jvp(dx, "x")(list(x, y, rep(1, 4), direction)) # Hessian times direction
#' @export
keops_grad <- function(op, var) {
  context <- context_of(op)
  gradients_operator(op, context, context$args_info$var_name[variable_position(context, var)])
}

#' @rdname keops_grad
#' @export
keops_jvp <- function(op, var) {
  context <- context_of(op)
  k <- variable_position(context, var)
  name <- context$args_info$var_name[k]
  program <- program_of(op)
  new <- with_variable(context, context$args_info$var_type[k], context$args_info$var_dim[k])
  formula <- parts_of_formula(context$formula)
  formula$results <- sprintf("Diff(%s, %s, %s)", formula$results, name, new$name)
  derived(op, new$context, formula, inputs = stats::setNames(shapes_of(program, name), new$name),
          shapes = list(output_of(program)$shape), of = program$batch$of)
}

#' @rdname keops_grad
#' @export
keops_value_and_grad <- function(op, vars) {
  context <- context_of(op)
  if (!length(vars) || !(is.character(vars) || is.numeric(vars)))
    unexpected(vars, "vars", "names or positions of variables")
  k <- vapply(vars, function(var) variable_position(context, var, "vars"), 1L)
  for (name in context$args_info$var_name[k[duplicated(k)]])
    throw("argument", "`vars` has `", name, "` twice")
  if (length(k) > 15L)
    throw("argument", "`vars` names ", length(k), " variables: expected at most 15, since value ",
          "and gradients are at most 16 results")
  names <- context$args_info$var_name[k]
  value_and_gradients(gradients_operator(op, context, names, values = TRUE), names, output_of(program_of(op)))
}

value_and_gradients <- function(op, names, output) {
  force(op)
  force(names)
  force(output)
  program <- program_of(op)
  structure(class = "rkeops_operator", function(input = NULL, inner_dim = "col", ...) {
    if (is.null(input)) return(op())
    out <- op(with_cotangent(input, program, output, is_row(inner_dim)), inner_dim, ...)
    list(value = out[[1L]], gradients = stats::setNames(out[-1L], names))
  })
}

# ---- new operators -------------------------------------------------------------------------------

# What op() says; an operator of one result, unless `several`. An input that only the formula names has no
# place among the declarations, where the next one would get it.
context_of <- function(op, several = FALSE) {
  program <- program_of(op)
  for (extra in setdiff(program$variables$name, op()$args_info$var_name))
    throw("argument", "`op` has the input ", extra, ", which is not declared: expected `args` of ",
          "keops_kernel() to declare all variables (and Grad with a third argument)")
  if (length(program$results) != 1L && !several)
    throw("argument", "`op` gives a value and gradients: expected an operator with one result, ",
          "such as the one that it was made from")
  op()
}

# The index of `var` among the declarations, from 1.
variable_position <- function(context, var, name = "var") {
  check_given(var, name, "the name of a variable")
  names <- context$args_info$var_name
  if (is_string(var)) {
    if (var %in% names) return(match(var, names))
    throw("argument", "`", name, "` is \"", var, "\", which is no variable of the operator",
          suggestion(var, names), ": expected one of ", paste0("`", names, "`", collapse = ", "))
  }
  if (is_number(var) && is.finite(var) && var == round(var) && var >= 0 && var < length(names))
    return(as.integer(var) + 1L)
  unexpected(var, name, "the name of a variable, or its position from 0 to ", length(names) - 1L)
}

# Kind and dimension of the values that a program gives. `shape` is c(K, D) when they are given as
# an array n x K x D.
output_of <- function(program, k = 1L) {
  result <- program$results[[k]]
  shape <- if (result$ranked[1L] && result$dim[1L] > 1L) c(result$k[1L], result$dim[1L])
  list(kind = result$kept, dim = result$k[1L] * result$dim[1L],
       shape = if (is.null(shape) && length(program$result_shapes)) program$result_shapes[[k]] else shape)
}

# What op() says with one more variable: its name, and that. Equal operators get equal names.
with_variable <- function(context, kind, dim) {
  info <- context$args_info
  taken <- unlist(regmatches(context$formula, gregexpr("[A-Za-z_][A-Za-z0-9_]*", context$formula)))
  candidates <- paste0("var", seq_len(length(unique(taken)) + length(info$var_name) + 1L))
  name <- setdiff(candidates, c(taken, info$var_name))[1L]
  position <- if (info$decl == "pos_dim") paste0(length(info$var_name), ",") else ""
  context$args <- c(context$args, sprintf("%s=%s(%s%d)", name, kind, position, dim))
  context$args_info <- parse_aliases(context$args)
  list(name = name, context = context)
}

# "definitions; result, result": the text of the definitions, and those of the results.
parts_of_formula <- function(formula) {
  formula <- sub(";\\s*$", "", formula)
  parts <- regmatches(formula, regexec("^(.*;)?([^;]*)$", formula))[[1L]]
  letters <- strsplit(parts[3L], "")[[1L]]
  commas <- which(letters == "," & cumsum((letters == "(") - (letters == ")")) == 0L)
  list(definitions = parts[2L],
       results = trimws(substring(parts[3L], c(1L, commas + 1L), c(commas - 1L, length(letters)))))
}

# The operator of the gradients by the variables `names`, of the sum of the results `known` times cotangents,
# which are inputs behind all others. Its one result comes first if `values`.
gradients_operator <- function(op, context, names, known = 1L, values = FALSE) {
  program <- program_of(op)
  formula <- parts_of_formula(context$formula)
  outputs <- lapply(known, function(k) output_of(program, k))
  cotangents <- vapply(outputs, function(output) {
    new <- with_variable(context, output$kind, output$dim)
    context <<- new$context
    new$name
  }, "")
  terms <- function(name) paste(sprintf("Grad(%s, %s, %s)", formula$results[known], name, cotangents), collapse = " + ")
  formula$results <- c(if (values) formula$results, vapply(names, terms, "", USE.NAMES = FALSE))
  derived(op, context, formula, inputs = stats::setNames(lapply(outputs, `[[`, "shape"), cotangents),
          shapes = c(if (values) list(outputs[[1L]]$shape), unname(shapes_of(program, names))),
          of = c(if (values) program$batch$of, names))
}

shapes_of <- function(program, names) lapply(names, function(name) program$shapes[[name]])

# The operator of a formula, see parts_of_formula(), made from that of `op`. `inputs` and `shapes` are shapes
# of new variables and of results, see output_of(); results are like the variables `of`.
derived <- function(op, context, formula, inputs, shapes, of = NULL) {
  context$formula <- paste(c(formula$definitions[nzchar(formula$definitions)],
                             paste(formula$results, collapse = ", ")), collapse = " ")
  program <- new_program(context$formula, declarations_of(context$args_info), program_of(op)$options)
  program$shapes <- c(program_of(op)$shapes, inputs[lengths(inputs) > 0L])
  program$result_shapes <- shapes
  per <- program_of(op)$batch$per
  if (!is.null(per)) program <- for_batches(program, per, of)
  new_operator(program, context)
}

# ---- arrays n x K x D ----------------------------------------------------------------------------

# The array of a matrix with columns k * D + d.
shaped <- function(x, shape) {
  if (is.null(shape) || !is.matrix(x)) return(x)
  aperm(array(x, c(nrow(x), rev(shape))), c(1L, 3L, 2L))
}

# `input`, in the order of the variables, with such arrays turned into matrices.
flattened <- function(input, program, rows_inside) {
  for (name in names(program$shapes)) {
    k <- match(name, program$variables$name)
    if (k > length(input) || length(dim(input[[k]])) != 3L) next
    shape <- program$shapes[[name]]
    if (!identical(dim(input[[k]])[-1L], shape))
      throw("shape", "`", name, "` is ", describe(input[[k]]), ": expected n x ",
            paste(shape, collapse = " x "))
    x <- matrix(aperm(input[[k]], c(1L, 3L, 2L)), ncol = prod(shape))
    input[[k]] <- if (rows_inside) t(x) else x
  }
  input
}

# ---- the cotangent of keops_value_and_grad() -----------------------------------------------------

# `input` with ones as cotangent where it is missing.
with_cotangent <- function(input, program, output, rows_inside) {
  name <- program$variables$name
  new <- name[length(name)]
  if (!is.list(input) || length(input) != length(name) - 1L || new %in% names(input)) return(input)
  if (output$dim > 1L)
    throw("argument", "`input` has no cotangent `", new, "`: expected one with ", output$dim,
          " columns; it may be missing where the operator gives one column")
  first <- match(output$kind, program$variables$kind[-length(name)])
  x <- if (!is.na(first)) input[[if (is.null(names(input))) first else name[first]]]
  size <- if (is.na(first)) 1L else if (is.null(dim(x))) length(x) else dim(x)
  rows <- size[if (rows_inside && length(size) == 2L) 2L else 1L]
  names <- names(input)
  input <- c(input, list(rep(1, rows)))
  if (!is.null(names)) names(input) <- c(names, new)
  input
}
