# Reductions of LazyTensors: over the components (no index: a formula again), or over i or j: the
# engine computes.

# Reductions that add up, and so have a summation scheme.
sum_like <- c("Sum", "LogSumExp", "SumSoftMaxWeight", "LogSumExpWeight", "Max_SumShiftExp",
              "Max_SumShiftExpWeight")

reduce <- function(x, op, index, k = NULL, weight = NULL) {
  check_lazy(x, "x")
  check_index(index)
  complex <- is_complex_reduction(x, op, weight)
  merged <- merge_all(c(list(x), if (!is.null(weight)) list(weight)))
  if (!length(merged$data))
    throw("argument", "`x` has no variable, only numbers: expected one made by Vi(), Vj() or Pm()")
  roots <- c(part(x, "root"), if (!is.null(weight)) part(weight, "root"))
  out <- run_formula(reduction_text(merged, roots, op, index, k), merged, op)
  if (complex) complex_matrix(out) else out
}

reduction_text <- function(x, roots, op, index, k = NULL) {
  parts <- formula_parts(x, roots)
  arguments <- paste(c(parts$roots, k, index), collapse = ", ")
  with_definitions(parts$definitions, paste0(op, "_Reduction(", arguments, ")"))
}

run_formula <- function(text, x, op) {
  options <- get_options()
  declarations <- declarations_of_leaves(x)
  if (options$formula_only)
    throw("formula", "option `formula_only` is TRUE, so nothing is computed: ", text, " with ",
          paste(declarations, collapse = ", "))
  run_program(new_program(text, declarations, scheme_of(op)), lapply(x$data, interleaved))
}

scheme_of <- function(op) if (op %in% sum_like) get_options()$sum_scheme else "auto"

check_index <- function(index) {
  if (is_string(index) && index %in% c("i", "j")) return(index)
  throw("argument", "`index` is ", describe(index),
        ": expected \"i\" or \"j\", the index to reduce")
}

# Over the components if there is no index. min, max and their positions have dimension 1 then.
inner_or_over <- function(x, op, index) {
  if (length(index) != 1L || !is.na(index)) return(reduce(x, op, index))
  x <- as_lazy(x)
  if (op == "Sum" && part(x, "complex"))
    return(define("ComplexSum", list(x), dimres = 1L, complex = TRUE))
  define(op, check_real(list(x)), dimres = 1L)
}

# Said once in a session: RKeOps counted from 0 and its users added 1.
explain_positions <- function() {
  if ("positions" %in% session$informed) return(invisible())
  if ("index_base" %in% attr(get_options(), "chosen")) return(invisible())
  inform_once("positions", "Positions count from 1; RKeOps 2 counted from 0. To have that: ",
              "set_rkeops_options(list(index_base = 0)).")
}

#' Reductions of LazyTensors
#'
#' With an `index`, a reduction computes: over `"j"` the result has one row for each i, over `"i"`
#' one for each j. Without, `sum`, `min`, `max`, `argmin` and `argmax` work on the components and
#' give a LazyTensor of dimension 1.
#'
#' NaN is skipped by minima and maxima, and `na.rm = TRUE` is refused. Of equal values the first
#' counts. Where fewer than K values are there, values are `Inf` and positions `NA`.
#'
#' @param x a LazyTensor of dimension D.
#' @param index `"i"` or `"j"`: the index that is reduced; `NA` for the components.
#' @param K number of smallest values.
#' @param weight a LazyTensor.
#' @param na.rm only `FALSE`.
#' @param opstr name of a reduction of the formula language, such as `"Sum"`.
#' @param opt_arg for some reductions: K, or a LazyTensor of weights.
#' @param ... not used.
#'
#' @return With n the number of rows kept: a matrix n x D. For `min_argmin` and `max_argmax` a list
#'   of two (values and positions), for `Kmin` and `argKmin` an array n x K x D (a matrix n x K
#'   when D is 1), for `Kmin_argKmin` a list of two, for `logsumexp` a matrix with one column (one
#'   for each component of the weight), for `sumsoftmaxweight` one with the dimension of the weight.
#'   Positions count from 1, see option `index_base` of [set_rkeops_options()];
#'   positions of components (no `index`) are formula values and count from 0.
#' @examples
#' x <- Vi(matrix(runif(10), ncol = 1))
#' y <- Vj(matrix(runif(20), ncol = 1))
#' D_ij <- (x - y)^2
#' sum(exp(-D_ij), index = "j")
#' min_argmin(D_ij, "j")
#' argKmin(D_ij, 3, "j")
#' logsumexp(-D_ij, "i")
#' @name reductions
NULL

#' @rdname reductions
#' @export
Summary.LazyTensor <- function(x, index = NA, ..., na.rm = FALSE) {
  if (!identical(na.rm, FALSE))
    throw("argument", "`na.rm` is ", describe(na.rm), ": expected FALSE; minima and maxima skip ",
          "NaN, sums do not")
  if (!.Generic %in% c("sum", "min", "max"))
    throw("argument", "`", .Generic, "` is not available for LazyTensors: ", use_reduction)
  if (...length() || is.LazyTensor(index))
    throw("argument", "`", .Generic, "` takes one LazyTensor and an index: expected ", .Generic,
          "(x, index = \"j\")")
  inner_or_over(x, c(sum = "Sum", min = "Min", max = "Max")[[.Generic]], index)
}

#' @rdname reductions
#' @export
argmin <- function(x, index = NA) inner_or_over(x, "ArgMin", index)

#' @rdname reductions
#' @export
argmax <- function(x, index = NA) inner_or_over(x, "ArgMax", index)

# A reduction with an index only.
reduction_over <- function(op) {
  force(op)
  function(x, index) reduce(x, op, index)
}

#' @rdname reductions
#' @export
sum_reduction <- reduction_over("Sum")

#' @rdname reductions
#' @export
min_reduction <- reduction_over("Min")

#' @rdname reductions
#' @export
max_reduction <- reduction_over("Max")

#' @rdname reductions
#' @export
argmin_reduction <- reduction_over("ArgMin")

#' @rdname reductions
#' @export
argmax_reduction <- reduction_over("ArgMax")

#' @rdname reductions
#' @export
min_argmin <- reduction_over("Min_ArgMin")

#' @rdname reductions
#' @export
min_argmin_reduction <- min_argmin

#' @rdname reductions
#' @export
max_argmax <- reduction_over("Max_ArgMax")

#' @rdname reductions
#' @export
max_argmax_reduction <- max_argmax

# A reduction that keeps the K smallest.
reduction_of_k <- function(op) {
  force(op)
  function(x, K, index) reduce(x, op, index, k = check_count(K, "K", from = 1L))
}

#' @rdname reductions
#' @export
Kmin <- reduction_of_k("KMin")

#' @rdname reductions
#' @export
Kmin_reduction <- Kmin

#' @rdname reductions
#' @export
argKmin <- reduction_of_k("ArgKMin")

#' @rdname reductions
#' @export
argKmin_reduction <- argKmin

#' @rdname reductions
#' @export
Kmin_argKmin <- reduction_of_k("KMin_ArgKMin")

#' @rdname reductions
#' @export
Kmin_argKmin_reduction <- Kmin_argKmin

#' @rdname reductions
#' @export
logsumexp <- function(x, index, weight = NULL) {
  check_exponent(x)
  reduce(x, "LogSumExp", index, weight = if (!is.null(weight)) as_weight(weight, x))
}

#' @rdname reductions
#' @export
logsumexp_reduction <- logsumexp

#' @rdname reductions
#' @export
sumsoftmaxweight <- function(x, index, weight) {
  check_exponent(x)
  reduce(x, "SumSoftMaxWeight", index, weight = as_weight(weight, x))
}

#' @rdname reductions
#' @export
sumsoftmaxweight_reduction <- sumsoftmaxweight

check_exponent <- function(x) {
  check_lazy(x, "x")
  if (part(x, "dimres") != 1L)
    throw("shape", "`x` has dimension ", part(x, "dimres"), ": expected dimension 1")
}

as_weight <- function(weight, x) {
  if (is.LazyTensor(weight)) return(weight)
  if (!(is.numeric(weight) || is.complex(weight) || is_gpu(weight)) || length(dim(weight)))
    throw("argument", "`weight` is ", describe(weight), ": expected a LazyTensor")
  as_operand(weight, x)
}

#' @rdname reductions
#' @export
reduction.LazyTensor <- function(x, opstr, index, opt_arg = NULL) {
  check_lazy(x, "x")
  if (!is_string(opstr))
    throw("argument", "`opstr` is ", describe(opstr), ": expected a name such as \"Sum\"")
  if (is.null(opt_arg)) return(reduce(x, opstr, index))
  if (is.LazyTensor(opt_arg)) return(reduce(x, opstr, index, weight = opt_arg))
  reduce(x, opstr, index, k = check_count(opt_arg, "opt_arg", from = 1L))
}

# ---- matrix product ------------------------------------------------------------------------------

#' Matrix product with a LazyTensor
#'
#' `K %*% b` is the sum over j of `K * b`: the product of the M x N matrix that the LazyTensor K of
#' dimension 1 stands for with an R vector or matrix of N rows (also one of [to_gpu()]), or with a
#' LazyTensor such as `Vj(b)`. `b %*% K` is the product from the left. It is computed at once.
#'
#' @param x,y LazyTensors, or one LazyTensor and a plain vector or matrix; other objects are
#'   multiplied as usual.
#' @return A matrix: M x P for `K %*% b` with P columns of b, P x N for `b %*% K`.
#' @examples
#' x <- matrix(runif(30), ncol = 3)
#' y <- matrix(runif(60), ncol = 3)
#' K_ij <- exp(-sum((Vi(x) - Vj(y))^2))
#' K_ij %*% runif(20)
#' @name matrix-product
#' @aliases %*%
#' @usage x \%*\% y
#' @rawNamespace if (getRversion() < "4.3.0") export("%*%")
#' @rawNamespace if (getRversion() >= "4.3.0") S3method(matrixOps, LazyTensor)
#' @rawNamespace if (getRversion() >= "4.3.0") S3method(chooseOpsMethod, LazyTensor)
NULL

`%*%` <- function(x, y) {
  if (is.LazyTensor(x) || is.LazyTensor(y)) matrix_product(x, y) else base::`%*%`(x, y)
}

matrixOps.LazyTensor <- function(x, y) matrix_product(x, y)

matrix_product <- function(x, y) {
  if (!is.LazyTensor(x)) return(t(reduce(y * leaf(t(as_factor(x, "x", 1L)), "Vi"), "Sum", "i")))
  if (!is.LazyTensor(y)) y <- leaf(as_factor(y, "y", 2L), "Vj")
  reduce(x * y, "Sum", "j")
}

# A plain factor as a matrix; a vector is a row on the left and a column on the right.
as_factor <- function(x, name, side) {
  x <- plain_numbers(x, name, complex_too = TRUE)
  if (is_gpu(x) && (side == 1L || length(dim(x)) != 2L)) x <- gpu_values(x)
  if (length(dim(x)) == 2L) x else if (side == 1L) matrix(x, nrow = 1L) else matrix(x, ncol = 1L)
}
