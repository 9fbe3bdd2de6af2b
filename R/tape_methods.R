# What base R does, of recorded values: values by the function of base R itself, cotangents by functions
# that record in turn. What is not here stops.

#' Recorded values: R functions that can be differentiated
#'
#' [gradient()], [jvp()] and [value_and_gradient()] of an R function call it with recorded values in the
#' place of its arguments. These know the functions of base R below, and may be data of LazyTensors.
#'
#' - Arithmetic: `+`, `-`, `*`, `/`, `^`, with operands that are repeated as in base R, `exp`, `log`,
#'   `log2`, `log10`, `log1p`, `expm1`, `sqrt`, `abs`, `sin`, `cos`, `tan`, their inverses, `sinh`,
#'   `cosh`, `tanh`, `asinh`, `acosh`, `atanh`, `gamma`, `lgamma`, `digamma`, `trigamma`, `besselK`,
#'   [matern()], `atan2`, `cumsum`, `pmin`, `pmax`.
#' - Sums: `sum`, `mean`, `min`, `max`, `rowSums`, `colSums`, `rowMeans`, `colMeans`.
#' - Parts: `x[...]`, `x[[...]]`, `x[...] <- y` (where x is recorded), `rbind`, `cbind`, `c` (where the
#'   first is recorded), `rep`, `rev`, `t`, `aperm`, `diag`, `head`, `tail`, `as.vector`, `dim<-`, and
#'   names.
#' - Matrices: `%*%`, `crossprod`, `tcrossprod`, and of plain matrices `solve`, `chol`,
#'   `determinant`.
#' - `Vi()`, `Vj()`, `Pm()` of recorded values, in [batches] and for groups too, arithmetic of LazyTensors
#'   with recorded numbers, reductions with real results, `K %*% b`, `op(list(...))` of reductions with
#'   `call = FALSE` and of [keops_kernel()], [add_ridge()], [solve.LazyTensor()], [estimate_logdet()] and
#'   [estimate_trace()].
#'
#' Loops, `lapply()` over a list, `Reduce()`, `do.call(rbind, ...)`, conditions and functions of the user
#' are R as it is. Comparisons give plain TRUE and FALSE, positions plain numbers. `stop_gradient(x)` is
#' the plain value, a constant for derivatives: nothing else makes one, so `as.numeric(x)`,
#' `as.matrix(x)`, `apply()`, `sapply()` and functions that are not listed stop. To fill a matrix row by
#' row, bind the rows: `do.call(rbind, rows)`.
#'
#' The derivative of `abs` and `sqrt` at 0 is 0, and of equal values `pmin`, `pmax`, `min` and `max` take
#' the first.
#'
#' @param x a recorded value, or plain numbers.
#' @param ... numbers, vectors or matrices, as for [base::pmin()].
#' @param na.rm as for [base::pmin()].
#' @return `stop_gradient()`: plain numbers. `pmin()` and `pmax()`: a recorded value where one of the
#'   arguments is one, else what base R gives.
#' @section Errors:
#' `rkeops_error_argument` from what cannot be recorded, also where base R itself stops at a recorded value,
#' as in `m[1, ] <- x` for a plain matrix m: the error names the expression, and what to write.
#' @family derivatives
#' @examples
#' f <- function(x) {
#'   d <- sqrt(rowSums((x - 0.5)^2))
#'   if (max(d) > 1) sum(d) else sum(d^2)
#' }
#' x <- matrix(c(0, 1, 1, 0.2), 2)
#' value_and_gradient(f, x)
#' @aliases RecordedValue RecordedValue-class diag,RecordedValue-method rowSums,RecordedValue-method
#' @aliases colSums,RecordedValue-method rowMeans,RecordedValue-method colMeans,RecordedValue-method
#' @export
stop_gradient <- function(x) value_of(x)

# ---- parts and shapes ----------------------------------------------------------------------------

# f(args), each number of which is one of `args` or a constant: of their positions f gives where its
# numbers come from.
rearrange <- function(f, args) {
  values <- lapply(args, value_of)
  record(do.call(f, values), args, function(e, args, value, wanted) {
    counts <- lengths(values)
    before <- cumsum(c(0, counts))
    at <- do.call(f, Map(function(x, before) {
      x[] <- before + seq_along(x)
      x
    }, values, before[seq_along(values)]))
    Map(function(x, k) if (wanted[k]) scatter(e, as.vector(at) - before[k], dim(x), counts[k]),
        values, seq_along(values))
  })
}

# Sums of the elements of e at the positions `at` of `count` numbers; others are left out.
scatter <- function(e, at, shape, count) {
  kept <- which(at >= 1 & at <= count)
  values <- value_of(e)[kept]
  at_kept <- at[kept]
  out <- numeric(count)
  if (anyDuplicated(at_kept)) {
    sums <- rowsum(values, at_kept, reorder = FALSE)
    out[as.integer(rownames(sums))] <- sums
  } else {
    out[at_kept] <- values
  }
  dim(out) <- shape
  of_e <- dim(value_of(e))
  record(out, list(e), function(e, args, value, wanted) list(gather(e, at, of_e)))
}

# The elements of x at these positions, 0 for others.
gather <- function(x, at, shape) {
  count <- length(value_of(x))
  out <- numeric(length(at))
  kept <- which(at >= 1 & at <= count)
  out[kept] <- value_of(x)[at[kept]]
  dim(out) <- shape
  of_x <- dim(value_of(x))
  record(out, list(x), function(e, args, value, wanted) list(scatter(e, at, of_x, count)))
}

# Vectors one after the other, the first of which need not be recorded as c() wants it.
join <- function(values) rearrange(base::c, unname(values))

# The numbers of x in another shape, without names.
reshape <- function(x, shape) {
  out <- as.vector(value_of(x))
  dim(out) <- shape
  before <- dim(value_of(x))
  record(out, list(x), function(e, args, value, wanted) list(reshape(e, before)))
}

# A number for each of n, or sums of what was repeated so: what an operand was repeated to, and back.
repeated <- function(x, n, shape) {
  out <- rep_len(as.vector(value_of(x)), n)
  dim(out) <- shape
  like <- value_of(x)
  record(out, list(x), function(e, args, value, wanted) list(folded(e, like)))
}

# The cotangent of an operand that was repeated to the size of e.
folded <- function(e, like) {
  count <- length(like)
  n <- length(value_of(e))
  if (n == count)
    return(if (identical(dim(value_of(e)), dim(like))) e else reshape(e, dim(like)))
  if (n %% count)
    return(scatter(e, rep_len(seq_len(count), n), dim(like), count))
  values <- as.vector(value_of(e))
  out <- if (count == 1L) base::sum(values) else base::rowSums(matrix(values, count))
  dim(out) <- dim(like)
  shape <- dim(value_of(e))
  record(out, list(e), function(e, args, value, wanted) list(repeated(e, n, shape)))
}

# ---- arithmetic ----------------------------------------------------------------------------------

# Of operands of which one at least is recorded, the other a recorded value or plain numbers.
recorded_operator <- function(operator, x, y) {
  if (missing(y))
    return(switch(operator, "+" = x, "-" = 0 - x, "!" = !value_of(x)))
  f <- get(operator, baseenv())
  operands <- list(value_of(x), value_of(y))
  check_operand(operands[[1L]], operator)
  check_operand(operands[[2L]], operator)
  value <- f(operands[[1L]], operands[[2L]])
  if (!operator %in% c("+", "-", "*", "/", "^")) {
    if (operator %in% c("%%", "%/%")) refuse_recorded(operator, "floor(stop_gradient(x))")
    return(value)
  }
  record(value, list(x, y), function(e, args, value, wanted) {
    parts <- operator_cotangents(operator, e, args[[1L]], args[[2L]], value, wanted)
    list(if (wanted[1L]) folded(parts[[1L]], operands[[1L]]), if (wanted[2L]) folded(parts[[2L]], operands[[2L]]))
  })
}

check_operand <- function(x, operator) {
  if (is.numeric(x) || is.logical(x)) return(invisible())
  throw("argument", "an operand of `", operator, "` is ", describe(x), ": expected real numbers")
}

operator_cotangents <- function(operator, e, x, y, value, wanted) {
  list(if (wanted[1L]) switch(operator, "+" = , "-" = e, "*" = e * y, "/" = e / y,
                              "^" = e * power_slope(x, y)),
       if (wanted[2L]) switch(operator, "+" = e, "-" = 0 - e, "*" = e * x, "/" = 0 - e * value / y,
                              "^" = e * value * log_or_zero(x)))
}

# Of x^y by x, without a factor Inf where y is 0 or 1.
power_slope <- function(x, y) {
  if (is_recorded(y)) y * x^(y - 1)
  else if (length(y) == 1L && y == 2) 2 * x
  else if (length(y) == 1L && y == 1) 1
  else if (length(y) == 1L && y == 0.5) 0.5 * inverse_or_zero(sqrt(x))
  else y * x^(y - (y != 0))
}

log_or_zero <- function(x) {
  is_zero <- value_of(x) == 0
  log(x + is_zero)
}

# 1 / x, and 0 where x is 0: there the functions with this derivative have none.
inverse_or_zero <- function(x) {
  is_zero <- value_of(x) == 0
  (1 - is_zero) / (x + is_zero)
}

# Derivatives of functions of one number, by its argument x and its value y.
slopes <- list(
  exp = function(x, y) y,
  expm1 = function(x, y) y + 1,
  log = function(x, y) 1 / x,
  log2 = function(x, y) 1 / (log(2) * x),
  log10 = function(x, y) 1 / (log(10) * x),
  log1p = function(x, y) 1 / (1 + x),
  sqrt = function(x, y) 0.5 * inverse_or_zero(y),
  abs = function(x, y) base::sign(value_of(x)),
  sin = function(x, y) cos(x),
  cos = function(x, y) 0 - sin(x),
  tan = function(x, y) 1 + y^2,
  asin = function(x, y) inverse_or_zero(sqrt(1 - x^2)),
  acos = function(x, y) 0 - inverse_or_zero(sqrt(1 - x^2)),
  atan = function(x, y) 1 / (1 + x^2),
  sinh = function(x, y) cosh(x),
  cosh = function(x, y) sinh(x),
  tanh = function(x, y) 1 - y^2,
  asinh = function(x, y) 1 / sqrt(1 + x^2),
  acosh = function(x, y) 1 / sqrt(x^2 - 1),
  atanh = function(x, y) 1 / (1 - x^2),
  gamma = function(x, y) y * digamma(x),
  lgamma = function(x, y) digamma(x),
  digamma = function(x, y) polygamma(x, 1),
  trigamma = function(x, y) polygamma(x, 2))

polygamma <- function(x, order)
  elementwise_of(psigamma(value_of(x), order), x, function(x, y) polygamma(x, order + 1))

elementwise_of <- function(value, x, slope)
  record(value, list(x), function(e, args, value, wanted) list(e * slope(args[[1L]], value)))

#' @export
Math.RecordedValue <- function(x, ...) {
  if (.Generic == "log" && ...length()) return(log(x) / log(...elt(1L)))
  value <- get(.Generic, baseenv())(value_of(x))
  if (!is.null(slopes[[.Generic]])) return(elementwise_of(value, x, slopes[[.Generic]]))
  if (.Generic == "cumsum")
    return(record(value, list(x), function(e, args, value, wanted)
      list(reshape(rev(cumsum(rev(e))), dim(value_of(x))))))
  refuse_recorded(.Generic, paste0(.Generic, "(stop_gradient(x)), a constant"))
}

refuse_recorded <- function(name, advice = "a function of ?stop_gradient, or stop_gradient(x) for a constant")
  throw("argument", "`", name, "` of a recorded value has no derivative here: expected ", advice)

# atan2(), of which one is recorded.
recorded_atan2 <- function(y, x) {
  like <- list(value_of(y), value_of(x))
  record(base::atan2(like[[1L]], like[[2L]]), list(y, x), function(e, args, value, wanted) {
    of <- e / (args[[1L]]^2 + args[[2L]]^2)
    list(if (wanted[1L]) folded(of * args[[2L]], like[[1L]]),
         if (wanted[2L]) folded(0 - of * args[[1L]], like[[2L]]))
  })
}

# yes where the plain `test` is TRUE, else no.
recorded_choice <- function(test, yes, no) {
  if (!is.logical(test) || anyNA(test)) unexpected(test, "test", "TRUE and FALSE")
  like <- list(value_of(yes), value_of(no))
  out <- test
  out[] <- base::ifelse(as.vector(test), as.vector(like[[1L]]), as.vector(like[[2L]]))
  chosen <- function(e, test, like) folded(gather(e, test * seq_along(test), dim(test)), like)
  record(out, list(yes, no), function(e, args, value, wanted)
    list(if (wanted[1L]) chosen(e, test, like[[1L]]), if (wanted[2L]) chosen(e, !test, like[[2L]])))
}

#' @rdname stop_gradient
#' @export
pmax <- function(..., na.rm = FALSE) {
  if (any_recorded(list(...))) recorded_extreme(list(...), na.rm, `>`) else base::pmax(..., na.rm = na.rm)
}

#' @rdname stop_gradient
#' @export
pmin <- function(..., na.rm = FALSE) {
  if (any_recorded(list(...))) recorded_extreme(list(...), na.rm, `<`) else base::pmin(..., na.rm = na.rm)
}

recorded_extreme <- function(values, na.rm, is_better) {
  if (!identical(na.rm, FALSE)) unexpected(na.rm, "na.rm", "FALSE; recorded values do not skip NaN")
  Reduce(function(x, y) {
    n <- base::max(length(x), length(y))
    shape <- if (length(x) == n) dim(x) else if (length(y) == n) dim(y)
    widened <- function(x) if (length(x) == n && identical(dim(x), shape)) x else repeated(x, n, shape)
    better <- is_better(value_of(widened(y)), value_of(widened(x)))
    recorded_choice(better | is.nan(value_of(widened(y))), widened(y), widened(x))
  }, values)
}

# ---- sums ----------------------------------------------------------------------------------------

#' @export
Summary.RecordedValue <- function(..., na.rm = FALSE) {
  if (!identical(na.rm, FALSE)) unexpected(na.rm, "na.rm", "FALSE; recorded values do not skip NaN")
  switch(.Generic,
    sum = Reduce(`+`, lapply(list(...), total)),
    max = extreme_of(list(...), which.max),
    min = extreme_of(list(...), which.min),
    refuse_recorded(.Generic, "sum(), min() or max(); a product is exp(sum(log(x)))"))
}

total <- function(x) if (is_recorded(x)) folded(reshape(x, NULL), 0) else base::sum(x)

# The first that is NaN, where there is one.
extreme_of <- function(values, which) {
  x <- join(lapply(values, reshape, NULL))
  at <- base::which(is.nan(value_of(x)))
  gather(x, if (length(at)) at[1L] else which(value_of(x)), NULL)
}

#' @export
mean.RecordedValue <- function(x, ...) total(x) / length(x)

recorded_row_sums <- function(x) {
  size <- dim(value_of(x))
  if (length(size) != 2L) unexpected(value_of(x), "x", "a matrix")
  folded(reshape(x, NULL), numeric(size[1L]))
}

recorded_sums <- function(by_rows, mean) {
  force(by_rows)
  force(mean)
  function(x, na.rm = FALSE, dims = 1L, ...) {
    check_sums(na.rm, dims)
    out <- recorded_row_sums(if (by_rows) x else t(x))
    if (mean) out / ncol(value_of(if (by_rows) x else t(x))) else out
  }
}

# ---- matrices ------------------------------------------------------------------------------------

recorded_product <- function(name, x, y) {
  if (is.null(y)) y <- x
  if (name != "%*%") {
    x <- as_recorded_matrix(x)
    y <- as_recorded_matrix(y)
  }
  if (name == "crossprod") x <- t(x)
  if (name == "tcrossprod") y <- t(y)
  a <- value_of(x)
  b <- value_of(y)
  value <- base::`%*%`(a, b)
  size <- dim(value)
  x <- reshape(x, c(size[1L], length(a) / size[1L]))
  y <- reshape(y, c(length(b) / size[2L], size[2L]))
  matrix_product(x, y, value)
}

as_recorded_matrix <- function(x) if (length(dim(x)) == 2L) x else reshape(x, c(length(x), 1L))

# Of two matrices.
matrix_product <- function(x, y, value = base::`%*%`(value_of(x), value_of(y))) {
  record(value, list(x, y), function(e, args, value, wanted)
    list(if (wanted[1L]) matrix_product(e, t(args[[2L]])),
         if (wanted[2L]) matrix_product(t(args[[1L]]), e)))
}

#' @export
t.RecordedValue <- function(x) {
  shape <- dim(value_of(x))
  record(t(value_of(x)), list(x), function(e, args, value, wanted) list(reshape(t(e), shape)))
}

#' @export
solve.RecordedValue <- function(a, b, ...) {
  n <- nrow(a)
  if (missing(b)) b <- base::diag(1, n)
  is_vector <- length(dim(b)) != 2L
  out <- matrix_solution(a, as_recorded_matrix(b), ...)
  if (is_vector) reshape(out, NULL) else out
}

matrix_solution <- function(a, b, ...) {
  value <- unname(base::solve.default(value_of(a), value_of(b), ...))
  record(value, list(a, b), function(e, args, value, wanted) {
    e <- matrix_solution(t(args[[1L]]), e, ...)
    list(if (wanted[1L]) matrix_product(0 - e, t(value)), if (wanted[2L]) e)
  })
}

#' @export
chol.RecordedValue <- function(x, ...) recorded_cholesky(x, unname(base::chol.default(value_of(x), ...)))

#' @export
determinant.RecordedValue <- function(x, logarithm = TRUE, ...) {
  if (!isTRUE(logarithm)) unexpected(logarithm, "logarithm", "TRUE; exp() of it is the determinant")
  out <- base::determinant.matrix(value_of(x))
  out$modulus <- record(as.vector(out$modulus), list(x), function(e, args, value, wanted)
    list(e * t(matrix_solution(args[[1L]], base::diag(1, nrow(value_of(args[[1L]])))))))
  out
}

# ---- methods of base R ---------------------------------------------------------------------------

#' @export
`[.RecordedValue` <- function(x, ...) rearrange(function(x) x[...], list(x))

#' @export
`[[.RecordedValue` <- function(x, ...) rearrange(function(x) x[[...]], list(x))

#' @export
`[<-.RecordedValue` <- function(x, ..., value)
  rearrange(function(x, value) {
    x[...] <- value
    x
  }, list(x, value))

#' @export
`[[<-.RecordedValue` <- function(x, ..., value)
  rearrange(function(x, value) {
    x[[...]] <- value
    x
  }, list(x, value))

#' @export
rbind.RecordedValue <- function(..., deparse.level = 1)
  rearrange(function(...) base::rbind(..., deparse.level = 0), list(...))

#' @export
cbind.RecordedValue <- function(..., deparse.level = 1)
  rearrange(function(...) base::cbind(..., deparse.level = 0), list(...))

#' @export
c.RecordedValue <- function(...) rearrange(base::c, list(...))

# What f makes of the first argument alone.
of_first <- function(f) {
  force(f)
  function(x, ...) rearrange(function(x) f(x, ...), list(x))
}

# The same of the plain value.
of_plain <- function(f) {
  force(f)
  function(x, ...) f(value_of(x), ...)
}

methods_of_recorded <- c(
  lapply(list(rep = base::rep, rev = base::rev, head = utils::head,
              tail = utils::tail, as.vector = function(x, mode = "any") {
                if (!mode %in% c("any", "numeric", "double")) refuse_recorded("as.vector(mode = )")
                base::as.vector(x)
              }), of_first),
  lapply(list(dim = base::dim, length = base::length, names = base::names, dimnames = base::dimnames,
              is.numeric = base::is.numeric, is.matrix = base::is.matrix, is.array = base::is.array,
              is.na = base::is.na, is.nan = base::is.nan, is.finite = base::is.finite,
              is.infinite = base::is.infinite, anyNA = base::anyNA), of_plain),
  list(
    aperm = function(a, perm = NULL, ...) rearrange(function(a) base::aperm(a, perm, ...), list(a)),
    all.equal = function(target, current, ...) refuse_recorded("all.equal"),
    `dim<-` = function(x, value) rearrange(function(x) {
      dim(x) <- value
      x
    }, list(x)),
    `names<-` = function(x, value) rearrange(function(x) {
      names(x) <- value
      x
    }, list(x)),
    `dimnames<-` = function(x, value) rearrange(function(x) {
      dimnames(x) <- value
      x
    }, list(x))),
  sapply(c("as.matrix", "as.list", "as.data.frame", "as.array", "as.double", "as.integer",
           "as.logical", "as.character", "as.complex", "as.environment", "$", "$<-", "levels<-",
           "length<-", "unique", "duplicated", "sort", "xtfrm", "median", "quantile", "scale", "qr"),
         function(name) {
           force(name)
           if (endsWith(name, "<-")) function(x, ..., value) refuse_recorded(name)
           else function(x, ...) refuse_recorded(name)
         }))

add_methods(methods_of_recorded, "RecordedValue", environment())

#' @evalNamespace sprintf('S3method("%s",RecordedValue)', names(methods_of_recorded))
NULL

# These do not dispatch on S3 classes, see matrix.R.
if (in_namespace) {
  setMethod("rowSums", "RecordedValue", recorded_sums(by_rows = TRUE, mean = FALSE))
  setMethod("colSums", "RecordedValue", recorded_sums(by_rows = FALSE, mean = FALSE))
  setMethod("rowMeans", "RecordedValue", recorded_sums(by_rows = TRUE, mean = TRUE))
  setMethod("colMeans", "RecordedValue", recorded_sums(by_rows = FALSE, mean = TRUE))
  setMethod("diag", "RecordedValue", function(x = 1, nrow, ncol, names = TRUE)
    if (missing(nrow) && missing(ncol)) rearrange(base::diag, list(x))
    else refuse_recorded("diag(x, nrow)", "diag(x)"))
}

#' @export
format.RecordedValue <- function(x, ...) {
  value <- value_of(x)
  paste0("<RecordedValue> ", if (is.null(dim(value))) paste("length", length(value)) else times(dim(value)))
}

#' @export
print.RecordedValue <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  print(value_of(x), ...)
  invisible(x)
}

#' @export
str.RecordedValue <- function(object, ...) cat("", format(object), "\n")
