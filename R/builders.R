# LazyTensors made from the name of an operation of the formula language. The engine says what
# dimension and kind the result has.

#' Operations by name
#'
#' Any operation of the formula language (see [rkeops_formulas]) applied to LazyTensors, also those
#' that have no R function. [reduction.LazyTensor()] does the same for reductions.
#'
#' An operation acts on the numbers that the engine has; for a complex LazyTensor these are real and
#' imaginary part of each component in turn, so that for instance `"ComplexExp"` is the exponential
#' of complex numbers and `"Exp"` is not.
#'
#' @param x,y,z operands: LazyTensors, numbers or vectors.
#' @param opstr name of the operation, such as `"Square"`.
#' @param opt_arg,opt_arg2 further arguments behind `x`, or between `x` and `y`: numbers, or
#'   LazyTensors; `NA` for none.
#' @param is_operator whether `opstr` is an operator of R, such as `"+"`.
#' @param dim_check_type what is expected of the dimensions of `x`, `y` and `z`: `"same"`,
#'   `"sameor1"` (equal, or 1), or `NA` for what the operation itself expects.
#' @param res_type class of the result: `"LazyTensor"` or `"ComplexLazyTensor"`. `NA`: complex where
#'   an operand is and the operation does not say otherwise.
#' @param dim_res the dimension that is expected of the result, or `NA`. Another one is an error.
#' @return A LazyTensor of the dimension that the engine says.
#' @section Errors:
#' `rkeops_error_formula` for a name or a number of operands that the formula language does not
#' have; `rkeops_error_shape` where dimensions do not fit, or not what `dim_res` and
#' `dim_check_type` say; `rkeops_error_argument` for other arguments.
#' @seealso [LazyTensor-operators], [elementwise], [norms] and [components] for the usual way.
#' @family functions of LazyTensors
#' @examples
#' x <- Vi(matrix(1:6, 3))
#' y <- Vj(matrix(1:4, 2))
#' as.array(unaryop.LazyTensor(x, "Pow", 3))[, 1, ]
#' unaryop.LazyTensor(x, "RepeatEach", 2)
#' binaryop.LazyTensor(x, y, "SqDist", dim_res = 1)
#' ternaryop.LazyTensor(x, 0.5, y, "Clamp")
#' @name operations-by-name
NULL

#' @rdname operations-by-name
#' @export
unaryop.LazyTensor <- function(x, opstr, opt_arg = NA, opt_arg2 = NA, res_type = NA,
                               dim_res = NA) {
  operands <- c(list(as_lazy(x)), extra_operand(opt_arg, "opt_arg"),
                extra_operand(opt_arg2, "opt_arg2"))
  typed(apply_operation(opstr, operands), res_type, dim_res)
}

#' @rdname operations-by-name
#' @export
binaryop.LazyTensor <- function(x, y, opstr, is_operator = FALSE, dim_check_type = "sameor1",
                                res_type = NA, dim_res = NA, opt_arg = NA) {
  check_flag(is_operator, "is_operator")
  operands <- list(x = as_lazy(x), y = as_lazy(y))
  check_operand_dims(opstr, operands, dim_check_type)
  extra <- extra_operand(opt_arg, "opt_arg")
  out <- if (is_operator) apply_operator(opstr, operands, extra)
         else apply_operation(opstr, c(operands[1L], extra, operands[2L]))
  typed(out, res_type, dim_res)
}

#' @rdname operations-by-name
#' @export
ternaryop.LazyTensor <- function(x, y, z, opstr, dim_check_type = "sameor1", dim_res = NA) {
  operands <- list(x = as_lazy(x), y = as_lazy(y), z = as_lazy(z))
  check_operand_dims(opstr, operands, dim_check_type)
  typed(apply_operation(opstr, operands), NA, dim_res)
}

# A list of one operand, or of none.
extra_operand <- function(x, name) {
  if (is.LazyTensor(x)) return(list(x))
  if (is.null(x) || length(x) == 1L && is.atomic(x) && is.na(x)) return(NULL)
  if (!is_number(x) || !is.finite(x))
    unexpected(x, name, "a number, a LazyTensor or NA")
  list(constant(x))
}

check_operand_dims <- function(opstr, operands, type) {
  if (length(type) == 1L && is.na(type)) return(invisible())
  check_choice(type, "dim_check_type", c("same", "sameor1"))
  dims <- vapply(operands, part, 1L, "dimres")
  if (all(dims == max(dims) | type == "sameor1" & dims == 1L)) return(invisible())
  throw("shape", "operation ", opstr, ": ",
        paste0("`", names(operands), "` has dimension ", dims, collapse = ", "),
        ": expected equal dimensions", if (type == "sameor1") ", or dimension 1")
}

apply_operator <- function(opstr, operands, extra) {
  operators <- c(names(binary_operations), "^", "|", "&", ">", ">=", "%%", "%/%")
  if (!is_string(opstr) || !opstr %in% operators)
    unexpected(opstr, "opstr", "an operator, one of ", paste(operators, collapse = " "))
  if (length(extra))
    throw("argument", "`opt_arg` is given: expected none, since operators have two operands")
  get(opstr, baseenv())(operands[[1L]], operands[[2L]])
}

# The dimension of the value is not known before the engine is asked.
apply_operation <- function(opstr, operands) {
  if (!is_string(opstr) || !grepl("^[A-Za-z][A-Za-z0-9_]*$", opstr))
    throw("argument", "`opstr` is ", describe(opstr),
          ": expected the name of an operation, such as \"Square\"")
  x <- unclass(define(opstr, unname(operands), dimres = 1L))
  value <- checked(.Call(C_expression, formula_of(x), declarations_of_leaves(x)))
  x$logical <- value[["is_logical"]] != 0L
  set_complex(x, value[["dim"]], is_complex_operation(opstr, operands, value[["dim"]]))
}

is_complex_operation <- function(opstr, operands, dim) {
  if (opstr %in% c("Complex", "Real2Complex", "Imag2Complex", "ComplexExp1j")) return(TRUE)
  any_complex(operands) && !opstr %in% c(complex_parts, "ComplexSquareAbs") && dim %% 2L == 0L
}

# x with `dim` numbers of the engine, as real or complex ones.
set_complex <- function(x, dim, complex) {
  new_lazytensor(x$root, x$table, x$leaves, x$data, x$kind,
                 as.integer(if (complex) dim %/% 2L else dim), x$logical, complex, x$walk)
}

# x with the class and the dimension that the user asks for.
typed <- function(x, res_type, dim_res) {
  if (length(res_type) != 1L || !is.na(res_type)) {
    type <- check_choice(res_type, "res_type", c("LazyTensor", "ComplexLazyTensor"))
    dim <- part(x, "dimres") * (1L + part(x, "complex"))
    complex <- type == "ComplexLazyTensor"
    if (complex && dim %% 2L)
      throw("shape", "`res_type` is \"", type, "\" and the result has ", dim,
            " numbers: expected an even number, since a complex component is two")
    x <- set_complex(unclass(x), dim, complex)
  }
  if (length(dim_res) == 1L && is.na(dim_res)) return(x)
  if (check_count(dim_res, "dim_res") != part(x, "dimres"))
    throw("shape", "`dim_res` is ", dim_res, " and the result has dimension ", part(x, "dimres"))
  x
}
