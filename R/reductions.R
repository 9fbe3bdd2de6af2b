# Reductions of LazyTensors: over the components (no index: a formula again), or over i or j: the
# engine computes.

# `given`: what call_options() takes. A list, as names among `...` could mean arguments of this.
reduce <- function(x, op, index, given = NULL, k = NULL, weight = NULL) {
  if (!length(given) && is.null(k) && is.null(weight) && !missing(index)) {
    out <- .Call(C_reduce, op, x, index)
    if (!is.null(out)) return(checked(out))
  }
  if ("pairs" %in% names(given)) return(reduce_pairs(x, op, if (missing(index)) "j" else index, given, k, weight))
  if (length(given) && is_restricting(given)) {
    x <- restricted(x, given)
    given <- without_walk(given)
  }
  options <- if (length(given)) call_options(given) else list(call = TRUE)
  state <- reduction_state(x, op, index, k, weight, options$options)
  check_reduced(if (index == "j") "Vi" else "Vj", state$kind)
  if (options$call) compute(state) else new_lazy_operator(state)
}

# A variable of the reduced index was forgotten, or meant to be of that index, where there is none.
check_reduced <- function(kept, kinds) {
  index <- if (kept == "Vi") "j" else "i"
  if (paste0("V", index) %in% kinds) return(invisible())
  caution("index", "nothing depends on ", index, ", the index that is reduced, so that there is ",
          "one value for each ", if (index == "j") "i" else "j", ": expected a variable that V",
          index, "() makes")
}

# A reduction by one of RKeOps' names for positions and the K smallest: they skip NaN, as `na.rm`
# may say, and the first one that gives positions says where they count from.
reduce_ranks <- function(x, op, index, given, k = NULL) {
  out <- reduce(x, op, index, without_na_rm(given), k)
  if (grepl("Arg", op)) explain_positions()
  out
}

without_na_rm <- function(given) {
  if (!"na.rm" %in% names(given)) return(given)
  if (!isTRUE(given[["na.rm"]]))
    unexpected(given[["na.rm"]], "na.rm", "TRUE, as positions and the K smallest values skip NaN")
  given[names(given) != "na.rm"]
}

# A reduction as an operator's state.
reduction_state <- function(x, op, index, k = NULL, weight = NULL, options = NULL) {
  check_lazy(x, "x")
  check_index(index)
  if (!is_string(op))
    unexpected(op, "opstr", "a name such as \"Sum\"")
  operator_state(paste0(op, "_Reduction"), if (is.null(weight)) list(x) else list(x, weight),
                 c(k, index), is_complex_reduction(x, op, weight), options)
}

check_index <- function(index) {
  check_given(index, "index", "\"i\" or \"j\", the index to reduce")
  if (is_string(index) && index %in% c("i", "j")) return(index)
  throw("argument", "`index` is ", describe(index),
        if (is_string(index)) suggestion(index, c("i", "j")),
        ": expected \"i\" or \"j\", the index to reduce")
}

# Over the components if there is no index. min, max and their positions have dimension 1 then.
inner_or_over <- function(x, op, index, given, over = reduce) {
  if (length(index) == 1L && is.na(index) && "pairs" %in% names(given)) index <- "j"
  if (length(index) != 1L || !is.na(index)) return(over(x, op, index, given))
  if (length(given)) {
    call_options(without_walk(given)) # an error about a name that it does not know says more
    throw("argument", "options of a call are for reductions over an index: expected `index`")
  }
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
#' give a LazyTensor of dimension 1. `any` and `all` of a comparison need an index and give TRUE and
#' FALSE.
#'
#' `min` and `max` are NaN where one of the values is, as in R, and skip NaN with `na.rm = TRUE`; of
#' nothing they are `Inf` and `-Inf`. Positions and the K smallest values always skip NaN. Of equal
#' values the first counts. A value of `Inf` (for maxima: `-Inf`) has no position, so that
#' `where(allowed, d, Inf)` keeps pairs out of a search: where fewer than K others are there, values
#' are `Inf` and positions `NA`, and the gradient of a minimum of nothing is 0. That of a `min` that
#' is NaN is the gradient of its first NaN.
#'
#' With `call = FALSE` a reduction is an operator: `op()` computes it. `op(list(...))` computes it of other
#' data, without making the formula anew: a list of one for each variable, in the order in which `print(op)`
#' lists them, or of some of them by the names that are printed, `op(list(V1 = x))`; the others stay as they
#' are. Each is of the kind and has the columns of what it stands for, numbers of rows may be others; names
#' of rows are those of the new data. Derivatives by [gradient()] and [jvp()] with `call = FALSE` take data
#' likewise, a cotangent or a direction that is a matrix as the last one. Operators of
#' [solve()][solve.LazyTensor] and of derivatives by a matrix keep their sizes.
#'
#' A reduction over an index that `x` does not depend on gives a warning of class
#' `rkeops_warning_index`: probably a `Vj()` was forgotten.
#'
#' @param x a LazyTensor of dimension D.
#' @param index `"i"` or `"j"`: the index that is reduced; `NA` for the components.
#' @param K number of smallest values, at most 10000.
#' @param weight a LazyTensor; in `logsumexp()` factors of the exponentials, `NULL` for 1.
#' @param na.rm whether `min` and `max` skip NaN; `FALSE` for the others.
#' @param opstr name of a reduction of the formula language, such as `"Sum"`.
#' @param opt_arg for some reductions: K, or a LazyTensor of weights.
#' @param ... for positions and the K smallest values, `na.rm = TRUE`, which changes nothing. With
#'   an index, for this call only: `call = FALSE` for an operator, a function that computes the
#'   reduction when it is called and that [gradient()] differentiates; `sum_scheme`, `accumulator`,
#'   `precision`, `backend`, `engine`, `device` and `prune`, which take the values of the options
#'   `sum_scheme`, `accumulator`, `precision`, `backend`, `engine`, `device_id` and `prune` of
#'   [set_rkeops_options()], which are their defaults; `blocks`, `groups` and `ranges`, which pairs are
#'   computed: see [restrict_pairs()]; `pairs`, a list of them, see [list_pairs()].
#'
#' @return With n the number of rows kept (and their row names, if the variables of that index have
#'   any): a matrix n x D. For `min_argmin` and `max_argmax` a list
#'   of two (values and positions), for `Kmin` and `argKmin` an array n x K x D (a matrix n x K
#'   when D is 1), for `Kmin_argKmin` a list of two, for `logsumexp` a matrix with one column (one
#'   for each component of the weight), for `sumsoftmaxweight` one with the dimension of the weight.
#'   Positions count from 1, see option `index_base` of [set_rkeops_options()];
#'   positions of components (no `index`) are formula values and count from 0.
#' @section Errors:
#' `rkeops_error_argument` for another `index`, `K` or option; `rkeops_error_shape` where dimensions
#' do not fit the reduction; `rkeops_error_compile` where there is no compiler,
#' `rkeops_error_memory` and `rkeops_error_device` where a call cannot be computed.
#' @family reductions of LazyTensors
#' @examples
#' x <- Vi(1:4 / 4)
#' y <- Vj(cos(1:20))
#' D_ij <- (x - y)^2
#' sum(exp(-D_ij), index = "j")
#' argKmin(D_ij, 3, "j")
#' logsumexp(-D_ij, "j")
#' sum(exp(-D_ij), "j", precision = "float32", sum_scheme = "kahan_scheme")
#' op <- sum(exp(-D_ij), "j", call = FALSE)
#' op
#' t(op())
#' t(op(list(1:3, c(0, 1)))) # of other data
#' @name reductions
NULL

#' @rdname reductions
#' @export
Summary.LazyTensor <- function(x, index = NA, ..., na.rm = FALSE) {
  if (isFALSE(na.rm) && !...length() && !is.na(op <- summary_operations[.Generic]) && is_string(index))
    return(reduce(x, op, index)) # nearly always
  check_flag(na.rm, "na.rm")
  if (na.rm && !.Generic %in% c("min", "max"))
    throw("argument", "`na.rm` is TRUE: expected FALSE; minima and maxima can skip NaN, `",
          .Generic, "` cannot")
  if (.Generic %in% c("any", "all")) return(any_or_all(.Generic, x, index, ...))
  if (!.Generic %in% c("sum", "min", "max"))
    throw("argument", "`", .Generic, "` of a LazyTensor: use ",
          if (.Generic == "prod") "exp(sum(log(x), index)) where x > 0"
          else "min(x, index) and max(x, index)")
  if (!all(nzchar(...names())) || ...length() && is.null(...names()) || is.LazyTensor(index))
    throw("argument", "`", .Generic, "` takes one LazyTensor and an index: expected ", .Generic,
          "(x, index = \"j\")")
  op <- summary_operations[[.Generic]]
  if (na.rm) op <- sub("NaN", "", op)
  inner_or_over(x, op, index, list(...))
}

summary_operations <- c(sum = "Sum", min = "MinNaN", max = "MaxNaN")

# TRUE is 1, and of nothing the largest is -Inf and the smallest Inf.
any_or_all <- function(name, x, index, ...) {
  if (!is.LazyTensor(x) || !part(x, "logical"))
    throw("argument", "`", name, "` takes a comparison, such as x < 1: expected a LazyTensor of ",
          "logical kind")
  if (length(index) == 1L && is.na(index) && "pairs" %in% ...names()) index <- "j"
  if (!is_string(index))
    throw("argument", "`", name, "` of a LazyTensor has no index: expected ", name, "(x, \"j\"), ",
          "or ", name, "(", name, "(x, \"j\")) over all pairs")
  if ("call" %in% ...names())
    throw("argument", "`call` is given: expected none, as conditions have no derivative")
  reduce(x, if (name == "any") "Max" else "Min", index, list(...)) > 0
}

#' @rdname reductions
#' @export
argmin <- function(x, index = NA, ...)
  inner_or_over(x, "ArgMin", index, without_na_rm(list(...)), reduce_ranks)

#' @rdname reductions
#' @export
argmax <- function(x, index = NA, ...)
  inner_or_over(x, "ArgMax", index, without_na_rm(list(...)), reduce_ranks)

# A reduction with an index only.
reduction_over <- function(op, over = reduce_ranks) {
  force(op)
  force(over)
  function(x, index, ...) over(x, op, index, list(...))
}

#' @rdname rkeops-legacy
#' @export
sum_reduction <- reduction_over("Sum", reduce)

#' @rdname rkeops-legacy
#' @export
min_reduction <- reduction_over("Min")

#' @rdname rkeops-legacy
#' @export
max_reduction <- reduction_over("Max")

#' @rdname rkeops-legacy
#' @export
argmin_reduction <- reduction_over("ArgMin")

#' @rdname rkeops-legacy
#' @export
argmax_reduction <- reduction_over("ArgMax")

#' @rdname reductions
#' @export
min_argmin <- reduction_over("Min_ArgMin")

#' @rdname rkeops-legacy
#' @export
min_argmin_reduction <- min_argmin

#' @rdname reductions
#' @export
max_argmax <- reduction_over("Max_ArgMax")

#' @rdname rkeops-legacy
#' @export
max_argmax_reduction <- max_argmax

max_k <- 10000L # that of the engine

# A reduction that keeps the K smallest.
reduction_of_k <- function(op) {
  force(op)
  function(x, K, index, ...)
    reduce_ranks(x, op, index, list(...), k = check_count(K, "K", from = 1L, to = max_k))
}

#' @rdname reductions
#' @export
Kmin <- reduction_of_k("KMin")

#' @rdname rkeops-legacy
#' @export
Kmin_reduction <- Kmin

#' @rdname reductions
#' @export
argKmin <- reduction_of_k("ArgKMin")

#' @rdname rkeops-legacy
#' @export
argKmin_reduction <- argKmin

#' @rdname reductions
#' @export
Kmin_argKmin <- reduction_of_k("KMin_ArgKMin")

#' @rdname rkeops-legacy
#' @export
Kmin_argKmin_reduction <- Kmin_argKmin

#' @rdname reductions
#' @export
logsumexp <- function(x, index, weight = NULL, ...) {
  check_exponent(x)
  reduce(x, "LogSumExp", index, list(...), weight = if (!is.null(weight)) as_weight(weight, x))
}

#' @rdname rkeops-legacy
#' @export
logsumexp_reduction <- logsumexp

#' @rdname reductions
#' @export
sumsoftmaxweight <- function(x, index, weight, ...) {
  check_exponent(x)
  reduce(x, "SumSoftMaxWeight", index, list(...), weight = as_weight(weight, x))
}

#' @rdname rkeops-legacy
#' @export
sumsoftmaxweight_reduction <- sumsoftmaxweight

check_exponent <- function(x) {
  check_lazy(x, "x")
  if (part(x, "dimres") != 1L)
    throw("shape", "`x` has dimension ", part(x, "dimres"), ": expected dimension 1")
}

as_weight <- function(weight, x) {
  check_given(weight, "weight", "a LazyTensor")
  if (is.LazyTensor(weight)) return(weight)
  if (!(is.numeric(weight) || is.complex(weight) || is_gpu(weight)) || length(dim(weight)))
    unexpected(weight, "weight", "a LazyTensor")
  as_operand(weight, list(x))
}

#' @rdname reductions
#' @export
reduction.LazyTensor <- function(x, opstr, index, opt_arg = NULL, ...) {
  weight <- if (is.LazyTensor(opt_arg)) opt_arg
  k <- if (!is.null(opt_arg) && is.null(weight)) check_count(opt_arg, "opt_arg", from = 1L)
  out <- reduce(x, opstr, index, list(...), k = k, weight = weight)
  if (grepl("Arg", opstr)) explain_positions()
  out
}
