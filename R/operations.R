# Operations on LazyTensors: each adds one definition, named as in the formula language.

# The value of an operation on real numbers whose operands have equal dimensions, or dimension 1.
broadcast <- function(op, operands, literals = NULL, logical = FALSE) {
  out <- .Call(C_define, op, operands, literals, NULL, c(logical, FALSE), FALSE)
  if (!is.null(out)) return(out)
  check_real(operands)
  define(op, operands, literals, common_dim(operands), logical)
}

check_real <- function(operands) {
  if (any_complex(operands))
    throw("argument", "an operand is complex: expected real numbers; Re(), Im(), Mod() and Arg() ",
          "make them")
  operands
}

common_dim <- function(operands) {
  dim <- 1L
  for (x in operands) {
    size <- part(x, "dimres")
    if (dim == 1L) dim <- size
    else if (size != dim && size != 1L)
      throw("shape", operands_with("dimension ", vapply(operands, part, 1L, "dimres")),
            ": expected equal dimensions, or dimension 1")
  }
  dim
}

# A plain number or vector that meets the LazyTensors `others` is a constant or a parameter. What it
# is never depends on numbers of rows: those may be equal to its length by accident.
as_operand <- function(x, others) {
  if (is.LazyTensor(x)) return(x)
  if (is_recorded(x)) return(parameter(x))
  if (!is_vector_of_numbers(x)) refuse_operand(x, others)
  dims <- unique(c(1L, vapply(others, part, 1L, "dimres")))
  if (!length(x) %in% dims)
    throw("shape", "an operand is ", describe(x), ": expected a number",
          if (length(dims) > 1L) paste(" or a vector of length", paste(dims[-1L], collapse = ", ")),
          "; Vi() or Vj() of it is a number for each i or j, Pm() a parameter of dimension ",
          length(x))
  if (is_gpu(x)) return(parameter(x))
  if (!is.complex(x)) x <- as.double(x)
  if (length(x) == 1L && !is.complex(x)) constant(x) else leaf(as.vector(x), "Pm")
}

is_vector_of_numbers <- function(x) {
  if (is_gpu(x)) return(is.null(dim(x)))
  !is.object(x) && length(dim(x)) < 2L && length(x) > 0L &&
    (is.numeric(x) || is.logical(x) || is.complex(x))
}

refuse_operand <- function(x, others) {
  size <- dim(others[[1L]])[1:2]
  throw("argument", "an operand is ", describe(x), ": expected a LazyTensor, a number or a vector",
        advice_on(x),
        if (length(dim(x)) == 2L) paste0(
          "; Vi() of a matrix has a row of it for each i, Vj() one for each j",
          if (identical(as.integer(dim(x)), size)) paste0(
            ", and add_ridge(x, alpha) adds numbers to the diagonal")))
}

# All arguments as LazyTensors; one of them is.
as_operands <- function(...) {
  operands <- list(...)
  lazy <- vapply(operands, inherits, NA, "LazyTensor")
  if (!all(lazy)) operands[!lazy] <- lapply(operands[!lazy], as_operand, operands[lazy])
  operands
}

any_lazy <- function(...) any(vapply(list(...), is.LazyTensor, NA))

# ---- operators -----------------------------------------------------------------------------------

#' Arithmetic and comparisons of LazyTensors
#'
#' Operators work component by component; operands have equal dimensions, or dimension 1. A plain
#' number is a constant, a plain vector whose length is the dimension of the other operand a
#' parameter. Vectors of other lengths and matrices are refused: [Vi()] and [Vj()] make numbers for
#' each i or j of them, [Pm()] makes a parameter of any dimension.
#'
#' Comparisons, and `!`, `&` and `|` of them, are of logical kind: a condition for [where()] and
#' [ifelse()], 0 or 1 in arithmetic. Plain TRUE and FALSE may stand beside a comparison, NA may not.
#' NaN fulfils no comparison but `!=`. Between other LazyTensors
#' `x | y` is the scalar product. `x %% y` is x - y * floor(x / y), so NaN for an infinite y.
#' `x^2` is a square, `x^0.5` a square root, `x^-0.5` its inverse (0 at 0), other whole powers are
#' exact for negative bases. For complex operands see [complex-numbers].
#'
#' @param e1,e2 LazyTensors, numbers or vectors.
#' @return A LazyTensor of the larger of both dimensions; `x | y` of dimension 1.
#' @section Errors:
#' `rkeops_error_shape` where dimensions or numbers of rows do not fit, `rkeops_error_argument` for
#' operands that are matrices, texts or other objects, with what to give instead.
#' @family functions of LazyTensors
#' @examples
#' x <- Vi(matrix(1:6, 3))
#' y <- Vj(matrix(1:4, 2))
#' (x - y)^2
#' as.matrix(x | y)
#' sum(2 * x + c(1, 10) > y, "j") # how many of the y are below, for each component
#' @name LazyTensor-operators
#' @aliases Ops.LazyTensor
#' @export
Ops.LazyTensor <- function(e1, e2) {
  if (missing(e2)) {
    if (is.LazyTensor(e1)) return(unary_operator(.Generic, e1))
  } else if (!is.na(op <- arithmetic_operations[.Generic])) { # nearly always of plain operands
    out <- .Call(C_define, op, list(e1, e2), NULL, NULL, c(FALSE, FALSE), FALSE)
    if (!is.null(out)) return(out)
  }
  if (!is_matrix_like(e1) && (missing(e2) || !is_matrix_like(e2)))
    return(recorded_operator(.Generic, e1, e2))
  if (is_linear(e1) || !missing(e2) && (is_linear(e2) || meets_diagonal(.Generic, e1, e2)))
    return(linear_arithmetic(.Generic, e1, e2))
  if (.Generic == "^") return(power(e1, e2))
  operands <- as_operands(e1, e2)
  if (any_complex(operands)) return(complex_operator(.Generic, operands))
  switch(.Generic,
    "|" = , "&" = connective(.Generic, operands, c(is_condition(e1), is_condition(e2))),
    "%%" = broadcast("Mod", c(operands, list(constant(0)))),
    "%/%" = broadcast("Floor", list(broadcast("Divide", operands))),
    ">" = comparison("LessThan", operands, reversed = TRUE),
    ">=" = comparison("LessOrEqual", operands, reversed = TRUE),
    "<" = , "<=" = , "==" = , "!=" = comparison(binary_operations[[.Generic]], operands),
    broadcast(binary_operations[[.Generic]], operands))
}

arithmetic_operations <- c("+" = "Add", "-" = "Subtract", "*" = "Mult", "/" = "Divide")
binary_operations <- c(arithmetic_operations,
                       "<" = "LessThan", "<=" = "LessOrEqual", "==" = "Equal", "!=" = "NotEqual")

# The same function: R refuses operands of two classes that have methods of their own.
#' @export
Ops.LinearOperator <- Ops.LazyTensor
#' @export
Ops.RecordedValue <- Ops.LazyTensor

# K + diag(n) means K with a ridge.
meets_diagonal <- function(operator, x, y) {
  if (operator != "+" && operator != "-") return(FALSE)
  first <- is.LazyTensor(x)
  if (first == is.LazyTensor(y)) return(FALSE)
  plain <- if (first) y else x
  identical(dim(plain), dim(if (first) x else y)[1:2]) && !is.null(diagonal_values(plain))
}

# From R 4.3 on: our method also where the other operand's class has one (data.frame, ...).
chooseOpsMethod.LazyTensor <- function(x, y, mx, my, cl, reverse) TRUE
chooseOpsMethod.LinearOperator <- chooseOpsMethod.LazyTensor

comparison <- function(op, operands, reversed = FALSE) {
  check_real(operands)
  dim <- common_dim(operands) # before they are exchanged: an error names them in the user's order
  define(op, if (reversed) rev(operands) else operands, dimres = dim, logical = TRUE)
}

unary_operator <- function(operator, x) {
  switch(operator,
    "+" = x,
    "-" = define("Minus", list(x), dimres = part(x, "dimres"), complex = part(x, "complex")),
    "!" = if (part(x, "logical")) broadcast("Not", list(x), logical = TRUE)
          else comparison("Equal", list(x, constant(0))))
}

# Plain logical values that meet a comparison are conditions. NA is none.
is_condition <- function(x) is.logical(x) && !anyNA(x)

# `plain`: which operands were plain logical values.
connective <- function(operator, operands, plain) {
  logical <- vapply(operands, part, NA, "logical")
  if (any(logical) && any(plain)) {
    operands[plain] <- lapply(operands[plain], function(x)
      comparison("NotEqual", list(x, constant(0))))
    logical <- logical | plain
  }
  if (all(logical))
    return(broadcast(if (operator == "|") "Or" else "And", operands, logical = TRUE))
  if (operator == "|" && !any(logical)) return(scalar_product(operands))
  throw("argument", "`", operator, "` takes comparisons, such as x < 1, TRUE and FALSE: expected ",
        "operands of logical kind", if (operator == "|") ", or none for a scalar product")
}

scalar_product <- function(operands) {
  dims <- vapply(operands, part, 1L, "dimres")
  if (dims[1L] != dims[2L])
    throw("shape", operands_with("dimension ", dims), ": expected equal dimensions")
  define("Scalprod", operands, dimres = 1L)
}

power <- function(x, y) {
  if (any_complex(list(x, y))) return(complex_power(x, y))
  if (!is_number(y) || length(dim(y)) || !is.LazyTensor(x))
    return(broadcast("Powf", as_operands(x, y)))
  if (is.na(y)) return(broadcast("Powf", as_operands(x, y)))
  if (y == 2) return(broadcast("Square", list(x)))
  if (y == 0.5) return(broadcast("Sqrt", list(x)))
  if (y == -0.5) return(broadcast("Rsqrt", list(x)))
  if (is_whole(y)) return(broadcast("Pow", list(x), literals = y))
  broadcast("Powf", as_operands(x, y))
}

# ---- functions of the group Math -----------------------------------------------------------------

math_operations <- c(
  abs = "Abs", sign = "Sign", sqrt = "Sqrt", floor = "Floor", ceiling = "Ceiling",
  trunc = "Trunc", exp = "Exp", expm1 = "Expm1", log1p = "Log1p", cos = "Cos", sin = "Sin",
  tan = "Tan", acos = "Acos", asin = "Asin", atan = "Atan", cosh = "Cosh", sinh = "Sinh",
  tanh = "Tanh", lgamma = "LogGamma"
)

#' Mathematical functions of LazyTensors
#'
#' `abs`, `sign`, `sqrt`, `floor`, `ceiling`, `trunc`, `exp`, `expm1`, `log` (with a base), `log2`,
#' `log10`, `log1p`, `cos`, `sin`, `tan`, `acos`, `asin`, `atan`, `cosh`, `sinh`, `tanh`, `lgamma`,
#' `digamma`, `trigamma` and `round` work component by component. `round(x, digits)` rounds halves away from
#' zero, unlike R; `lgamma` and its derivatives are NaN below 0.
#'
#' @param x a LazyTensor.
#' @param ... `base` of `log`, a number; `digits` of `round`.
#' @return A LazyTensor of the same dimension. Where the result is no number it is NaN, without a
#'   warning; angles are in radians.
#' @section Errors:
#' `rkeops_error_argument` for other functions of the group (`cumsum`, `gamma`, `signif`, ...), for
#' complex LazyTensors (but `abs` and `exp`, see [complex-numbers]), and for a `base` that is not a
#' number above 0.
#' @family functions of LazyTensors
#' @examples
#' x <- Vi(c(1, 2, 8))
#' log(x, base = 2)
#' log(x, base = 2)[1:3, 1]
#' round(sqrt(x), 1)[1:3, 1]
#' @name LazyTensor-math
#' @aliases Math.LazyTensor
#' @export
Math.LazyTensor <- function(x, ...) {
  if (part(x, "complex")) return(complex_math(.Generic, x))
  if (!is.na(op <- math_operations[.Generic])) return(broadcast(op, list(x)))
  switch(.Generic,
    log = logarithm(x, ...),
    log2 = logarithm(x, 2),
    log10 = logarithm(x, 10),
    round = rounded(x, ...),
    digamma = broadcast("Polygamma", list(x), literals = 0),
    trigamma = broadcast("Polygamma", list(x), literals = 1),
    throw("argument", "`", .Generic, "` of a LazyTensor: ", use_matrix))
}

logarithm <- function(x, base = exp(1)) {
  if (!is_number(base) || is.na(base) || base <= 0)
    unexpected(base, "base", "a number above 0")
  natural <- broadcast("Log", list(x))
  if (base == exp(1)) natural else broadcast("Divide", list(natural, constant(log(base))))
}

rounded <- function(x, digits = 0) {
  if (!is_number(digits) || !is.finite(digits))
    unexpected(digits, "digits", "a number")
  broadcast("Round", list(x), literals = round(digits))
}

# ---- functions of one operand --------------------------------------------------------------------

# A function of one argument: the operation for a LazyTensor, `plain` for R numbers, and for a
# complex LazyTensor if `is_arithmetic`.
elementwise <- function(op, plain, is_arithmetic = FALSE) {
  force(op)
  force(plain)
  force(is_arithmetic)
  function(x) {
    if (!is.LazyTensor(x) || is_arithmetic && part(x, "complex")) plain(x)
    else broadcast(op, list(x))
  }
}

#' Elementwise functions
#'
#' Functions that R does not have; of plain numbers they give plain numbers.
#'
#' @param x a LazyTensor, or numbers.
#' @param a,b bounds: numbers or LazyTensors. In `mod()`, the modulus and the lower end of the
#'   interval of results.
#' @param y,z whole numbers: the bounds.
#' @return A LazyTensor, or numbers. `square`: x^2. `rsqrt`: 1/sqrt(x), and 0 at 0 for LazyTensors.
#'   `inv`: 1/x. `relu`: x where x >= 0, else 0. `xlogx`: x log(x), and 0 at 0. `sinxdivx`:
#'   sin(x)/x, and 1 at 0. `clamp` and `clampint`: x kept between two bounds. `mod`:
#'   x - a * floor((x - b)/a). Dimensions as in [LazyTensor-operators].
#' @section Errors:
#' `rkeops_error_argument` for complex operands (but of `square()` and `inv()`) and for bounds of
#' `clampint()` that are not whole; `rkeops_error_shape` where dimensions do not fit.
#' @family functions of LazyTensors
#' @examples
#' x <- Vi(matrix(c(-1, 0, 2, 3), 2))
#' clamp(x, 0, 1)
#' as.array(clamp(x, 0, 1))[, 1, ]
#' relu(c(-1, 2))
#' mod(c(-1, 5), 3)
#' @name elementwise
NULL

#' @rdname elementwise
#' @export
square <- elementwise("Square", function(x) x^2, is_arithmetic = TRUE)

#' @rdname elementwise
#' @export
rsqrt <- elementwise("Rsqrt", function(x) 1 / sqrt(x))

#' @rdname elementwise
#' @export
inv <- elementwise("Inv", function(x) 1 / x, is_arithmetic = TRUE)

#' @rdname elementwise
#' @export
relu <- elementwise("ReLU", function(x) pmax(x, 0))

#' @rdname elementwise
#' @export
xlogx <- elementwise("XLogX", function(x) ifelse(x == 0, 0, x * log(x)))

#' @rdname elementwise
#' @export
sinxdivx <- elementwise("SinXDivX", function(x) ifelse(x == 0, 1, sin(x) / x))

#' @rdname elementwise
#' @export
clamp <- function(x, a, b) {
  if (!any_lazy(x, a, b)) return(pmax(pmin(x, b), a))
  if (is.LazyTensor(x) && is_bound(a) && is_bound(b)) return(clampint(x, a, b))
  broadcast("Clamp", as_operands(x, a, b))
}

is_bound <- function(x) is_number(x) && is_whole(x)

#' @rdname elementwise
#' @export
clampint <- function(x, y, z) {
  bounds <- c(check_count(y, "y", from = -.Machine$integer.max),
              check_count(z, "z", from = -.Machine$integer.max))
  if (!is.LazyTensor(x)) return(pmax(pmin(x, bounds[2L]), bounds[1L]))
  broadcast("ClampInt", list(x), literals = bounds)
}

#' @rdname elementwise
#' @export
mod <- function(x, a, b = 0) {
  if (any_lazy(x, a, b)) broadcast("Mod", as_operands(x, a, b)) else x - a * floor((x - b) / a)
}

# ---- functions of base R and stats that are not generic there ------------------------------------

#' Conditions, steps and angles
#'
#' Choices between two values by a condition, a step at 0, and the angle of a point. `ifelse()`,
#' `step()` and `atan2()` of base R and stats do not dispatch; rkeops makes them generic, and their
#' default methods are the original functions. [base-functions] has all functions of base R.
#'
#' `ifelse()` of a LazyTensor takes `yes` where `test` is TRUE when it is of logical kind (a
#' comparison), and where it is not negative otherwise; `where()` accepts comparisons only.
#' `step()` of a LazyTensor is 0 where it is negative, else 1. `where()` of plain TRUE and FALSE is
#' `ifelse()` of numbers, also of [recorded][stop_gradient()] ones.
#'
#' @param y,x LazyTensors or numbers: `atan2(y, x)` is the angle of the point (x, y).
#' @param test a LazyTensor.
#' @param yes,no LazyTensors, numbers or vectors.
#' @param object a LazyTensor, or what [stats::step()] takes.
#' @param ... arguments of [stats::step()].
#' @return A LazyTensor of the largest of the dimensions, or what the original function returns.
#'   Angles are in radians, from -pi to pi. What is not chosen counts as exactly 0 in derivatives.
#' @section Errors:
#' `rkeops_error_argument` where `test` of `where()` is no comparison, and for complex operands;
#' `rkeops_error_shape` where dimensions do not fit.
#' @family functions of LazyTensors
#' @examples
#' x <- Vi(c(-1, 2))
#' where(x < 0, 0, x)
#' where(x < 0, 0, x)[1:2, 1]
#' step(x)[1:2, 1]
#' ifelse(c(TRUE, FALSE), 1, 2)
#' @name generics
NULL

#' @rdname generics
#' @export
atan2 <- function(y, x) {
  if (!any_lazy(y, x) && (is_recorded(y) || is_recorded(x))) return(recorded_atan2(y, x))
  if (!is.LazyTensor(y) && is.LazyTensor(x)) atan2.LazyTensor(y, x) else UseMethod("atan2")
}

#' @export
atan2.default <- function(y, x) base::atan2(y, x)

#' @export
atan2.LazyTensor <- function(y, x) broadcast("Atan2", as_operands(y, x))

#' @rdname generics
#' @export
ifelse <- function(test, yes, no) UseMethod("ifelse")

#' @export
ifelse.default <- base::ifelse

#' @export
ifelse.LazyTensor <- function(test, yes, no) broadcast("IfElse", as_operands(test, yes, no))

#' @rdname generics
#' @export
step <- function(object, ...) UseMethod("step")

#' @export
step.default <- stats::step

#' @export
step.LazyTensor <- function(object, ...) broadcast("Step", list(object))

#' @rdname generics
#' @export
where <- function(test, yes, no) {
  if (!any_lazy(test, yes, no)) return(recorded_choice(test, yes, no))
  if (!is.LazyTensor(test) || !part(test, "logical"))
    throw("argument", "`test` is ", describe(test), if (is.LazyTensor(test)) " of numbers",
          ": expected a comparison, such as x < 0")
  broadcast("Where", as_operands(test, yes, no))
}

# ---- vectors -------------------------------------------------------------------------------------

#' Norms and distances
#'
#' Functions of vectors: the components of a LazyTensor at one pair (i, j).
#'
#' @param x,y LazyTensors; one of two may be a number or a vector.
#' @param s weights: 1 or D numbers, or a D x D matrix (plain, or its entries by rows).
#' @return A LazyTensor of dimension 1 (`normalize()`: that of `x`). `sqnorm2`: sum of squares,
#'   `norm2`: its root, `normalize`: x / norm2(x), `sqdist`: sqnorm2(x - y), `weightedsqnorm` and
#'   `weightedsqdist`: s1 x1^2 + s2 x2^2 + ..., or the quadratic form of the matrix s.
#' @section Errors:
#' `rkeops_error_shape` where dimensions or numbers of rows do not fit, or `s` has neither 1 nor D
#' nor D x D numbers; `rkeops_error_argument` for other objects.
#' @family functions of LazyTensors
#' @examples
#' x <- Vi(matrix(1:6, 3))
#' y <- Vj(matrix(1:4, 2))
#' sqdist(x, y)
#' as.matrix(sqdist(x, y))
#' as.matrix(weightedsqdist(x, y, c(1, 10)))
#' as.matrix(norm2(x - y))
#' @name norms
NULL

#' @rdname norms
#' @export
sqnorm2 <- function(x) define("SqNorm2", as_operands_of(x), dimres = 1L)

#' @rdname norms
#' @export
norm2 <- function(x) define("Norm2", as_operands_of(x), dimres = 1L)

#' @rdname norms
#' @export
normalize <- function(x) {
  x <- as_lazy(x)
  define("Normalize", list(x), dimres = part(x, "dimres"), complex = part(x, "complex"))
}

as_operands_of <- function(x) list(as_lazy(x))

# A LazyTensor as it is, a number or vector as a parameter. `name`: what the user knows it by.
as_lazy <- function(x, name = "x") if (is.LazyTensor(x)) x else parameter(x, name = name)

# The same of a matrix: a plain one is the parameter of its entries by rows.
as_lazy_matrix <- function(x, name) {
  if (is.LazyTensor(x) || is_gpu(x) || length(dim(x)) != 2L) return(as_lazy(x, name))
  leaf(as.vector(t(plain_numbers(x, name))), "Pm", name)
}

#' @rdname norms
#' @export
sqdist <- function(x, y) define("SqNorm2", list(difference(x, y)), dimres = 1L)

# Of two operands, of which a plain one is as in arithmetic. What is none is named as the user knows
# it.
difference <- function(x, y) {
  if (is.LazyTensor(x) && is.LazyTensor(y)) return(x - y)
  operands <- list(as_lazy(x), as_lazy(y, "y"))
  if (any_lazy(x, y)) x - y else operands[[1L]] - operands[[2L]]
}

#' @rdname norms
#' @export
weightedsqnorm <- function(x, s) {
  x <- as_lazy(x)
  size <- part(x, "dimres")
  if (!is.LazyTensor(s) && length(dim(s)) == 2L && any(dim(s) != size))
    throw("shape", "`s` is ", describe(s), " and `x` has dimension ", size,
          ": expected a matrix of ", size, " x ", size)
  s <- as_lazy_matrix(s, "s")
  check_real(list(x, s))
  sizes <- unique(c(1, size, as.double(size)^2))
  if (!part(s, "dimres") %in% sizes)
    throw("shape", "`s` has dimension ", part(s, "dimres"), " and `x` has dimension ", size,
          ": expected weights of dimension ", paste(sizes, collapse = " or "))
  define("WeightedSqNorm", list(s, x), dimres = 1L)
}

#' @rdname norms
#' @export
weightedsqdist <- function(x, y, s) weightedsqnorm(difference(x, y), s)

#' Products of matrices and vectors
#'
#' A matrix is a plain R matrix, the same for all pairs, or a LazyTensor whose components are the
#' entries of a matrix by rows.
#'
#' @param m a matrix, or a LazyTensor or vector the dimension of which is a multiple of that of `v`.
#' @param v,x,y LazyTensors; one of two may be a number or a vector.
#' @return A LazyTensor. `matvecmult`: the product of m and v, where m has as many columns as v has
#'   components. `vecmatmult`: the product of v and m, where m has as many rows. `tensorprod`: all
#'   products of a component of x and one of y, those of the first component of x first.
#' @section Errors:
#' `rkeops_error_shape` where the dimension of `m` is no multiple of that of `v` or a plain matrix
#' has other numbers of rows or columns; `rkeops_error_argument` for complex operands.
#' @family functions of LazyTensors
#' @examples
#' v <- Vi(matrix(1:6, 2))
#' m <- matrix(c(1, 0, 0, 1, 0, 1), 2)
#' product <- matvecmult(m, v) # for each i, m %*% v_i
#' product
#' as.array(product)[, 1, ]
#' as.array(matvecmult(Pm(c(1, 0, 0, 0, 1, 1)), v))[, 1, ]
#' @name matrices
NULL

#' @rdname matrices
#' @export
matvecmult <- function(m, v) {
  v <- as_lazy(v, "v")
  matrix_times_vector("MatVecMult", list(as_factor_of(v, m, 2L), v), c(1L, 2L))
}

#' @rdname matrices
#' @export
vecmatmult <- function(v, m) {
  v <- as_lazy(v, "v")
  matrix_times_vector("VecMatMult", list(v, as_factor_of(v, m, 1L)), c(2L, 1L))
}

# `m` as a LazyTensor. `side`: which of the dimensions of a plain matrix is that of v.
as_factor_of <- function(v, m, side) {
  if (!is.LazyTensor(m) && length(dim(m)) == 2L && dim(m)[side] != part(v, "dimres"))
    throw("shape", "`m` is ", describe(m), " and `v` has dimension ", part(v, "dimres"),
          ": expected as many ", c("rows", "columns")[side])
  as_lazy_matrix(m, "m")
}

#' @rdname matrices
#' @export
tensorprod <- function(x, y) {
  operands <- check_real(list(as_lazy(x), as_lazy(y, "y")))
  dim <- prod(vapply(operands, part, 1L, "dimres"))
  if (dim > max_dim)
    throw("shape", "the product has dimension ", dim, ": expected at most ", max_dim)
  define("TensorProd", operands, dimres = dim)
}

# `place`: which of the operands is the matrix, which the vector.
matrix_times_vector <- function(op, operands, place) {
  check_real(operands)
  dims <- vapply(operands, part, 1L, "dimres")[place]
  if (dims[1L] %% dims[2L])
    throw("shape", "`m` has dimension ", dims[1L], " and `v` has dimension ", dims[2L],
          ": expected a multiple of it")
  define(op, operands, dimres = dims[1L] / dims[2L])
}

#' Components and blocks
#'
#' `x[k]` chooses components as usual in R, counted from 1: a LazyTensor. `x[i, j]` and `x[i, j, k]`
#' compute the values at rows i and j (and of components k) as R numbers; either may be left out.
#' The functions below count from 0, as KeOps does.
#'
#' Indices of rows are those of base R: positions, negative ones for all others, logical values, or
#' row names. A position that does not exist stops. `x[cbind(i, j)]` are the values at pairs.
#' Blocks are refused past 2^30 bytes, see [as.matrix()][values] and its `max_size`.
#'
#' @param x a LazyTensor (or numbers). `elemT()` and `one_hot()` take dimension 1.
#' @param m position of a component, from 0.
#' @param n,d number of components. In `extractT()`, of the result.
#' @param D number of components.
#' @param i alone: components, or a matrix of two columns, the rows of pairs, or [list_pairs()]. With j: rows
#'   of i.
#' @param j,k rows of j; components.
#' @param drop whether dimensions of size 1 are dropped.
#' @param ... LazyTensors, numbers or vectors; for `[`, not used.
#' @return `x[i, j]`: a matrix, or an array of three dimensions if x has dimension above 1 or k is
#'   given, without the dimensions of size 1 unless `drop` is `FALSE`. Of the others a LazyTensor.
#'   `elem`: component m. `elemT`: n components, x at position m, 0 elsewhere.
#'   `extract`: d components from position m on. `extractT`: d components, those of x from position
#'   m on, 0 elsewhere. `concat`: the components of all its arguments. `one_hot`: D components, 1 at
#'   the position nearest to x, 0 elsewhere.
#' @section Errors:
#' `rkeops_error_shape` for indices that do not exist, `rkeops_error_argument` for positions that
#' are no whole numbers in range, `rkeops_error_memory` for blocks that are too large.
#' @family functions of LazyTensors
#' @examples
#' x <- Vi(matrix(1:6, 2))
#' x[2:3]              # a formula of dimension 2
#' concat(x, x[1], 5)
#' K <- sum((x - Vj(matrix(0, 4, 3)))^2)
#' K[1, 2:3]
#' K[, 1, drop = FALSE]
#' @name components
NULL

#' @rdname components
#' @export
elem <- function(x, m) {
  x <- as_lazy(x)
  m <- check_count(m, "m", from = 0L, to = part(x, "dimres") - 1L)
  if (part(x, "complex")) move("Extract", x, m, 1L, 1L)
  else define("Elem", list(x), literals = m, dimres = 1L)
}

# Extract(x, m, n) or ExtractT(x, m, n) of dimension `dim`; a complex component is two numbers.
move <- function(op, x, m, n, dim) {
  parts <- if (part(x, "complex")) 2L else 1L
  define(op, list(x), literals = parts * c(m, n), dimres = dim, complex = part(x, "complex"))
}

#' @rdname components
#' @export
elemT <- function(x, m, n) {
  x <- as_scalar(x)
  n <- check_count(n, "n", from = 1L, to = max_dim)
  m <- check_count(m, "m", from = 0L, to = n - 1L)
  if (part(x, "complex")) move("ExtractT", x, m, n, n)
  else define("ElemT", list(x), literals = c(n, m), dimres = n)
}

#' @rdname components
#' @export
extract <- function(x, m, d) {
  x <- as_lazy(x)
  m <- check_count(m, "m", from = 0L, to = part(x, "dimres") - 1L)
  d <- check_count(d, "d", from = 1L, to = part(x, "dimres") - m)
  move("Extract", x, m, d, d)
}

#' @rdname components
#' @export
extractT <- function(x, m, d) {
  x <- as_lazy(x)
  d <- check_count(d, "d", from = part(x, "dimres"), to = max_dim)
  m <- check_count(m, "m", from = 0L, to = d - part(x, "dimres"))
  move("ExtractT", x, m, d, d)
}

#' @rdname components
#' @export
concat <- function(...) {
  if (!...length()) throw("argument", "`concat` has no argument: expected LazyTensors")
  parts <- lapply(seq_len(...length()), function(k)
    as_lazy(...elt(k), paste("argument", k)))
  while (length(parts) > 1L) # in pairs: each component is copied as often as there are rounds
    parts <- lapply(seq(1L, length(parts), by = 2L), function(k)
      if (k == length(parts)) parts[[k]] else concat_two(parts[[k]], parts[[k + 1L]]))
  parts[[1L]]
}

concat_two <- function(x, y) {
  operands <- list(x, y)
  complex <- any_complex(operands)
  if (complex) operands <- lapply(operands, as_complex_lazy)
  dim <- sum(vapply(operands, part, 1L, "dimres"))
  if (dim > max_dim)
    throw("shape", "the result has dimension ", dim, " or more: expected at most ", max_dim)
  define("Concat", operands, dimres = dim, complex = complex)
}

#' @rdname components
#' @export
one_hot <- function(x, D) {
  x <- check_real(list(as_scalar(x)))[[1L]]
  D <- check_count(D, "D", from = 1L, to = max_dim)
  define("OneHot", list(x), literals = D, dimres = D)
}

as_scalar <- function(x) {
  x <- as_lazy(x)
  if (part(x, "dimres") == 1L) return(x)
  throw("shape", "`x` has dimension ", part(x, "dimres"), ": expected dimension 1")
}

#' @rdname components
#' @export
`[.LazyTensor` <- function(x, i, j, k, ..., drop = TRUE) {
  check_flag(drop, "drop")
  given <- nargs() - 1L - !missing(drop) # x[i, ] has two, one of them empty
  if (given > 3L)
    throw("argument", "`[` of a LazyTensor has ", given, " indices: expected x[k], x[i, j] or ",
          "x[i, j, k]")
  if (given <= 1L && missing(i)) return(x)
  if (given == 1L && inherits(i, "rkeops_pairs")) return(values_of_list(x, i))
  if (given == 1L) return(if (is.matrix(i)) values_at_rows(x, i) else components_at(x, i))
  size <- dim(x)
  names <- dimnames(x)
  i <- if (missing(i)) seq_len(size[1L]) else chosen(i, size[1L], "i", names[[1L]])
  j <- if (missing(j)) seq_len(size[2L]) else chosen(j, size[2L], "j", names[[2L]])
  k <- if (missing(k)) seq_len(size[3L]) else chosen(k, size[3L], "k")
  out <- values_of_block(x, i, j, if (given == 3L || size[3L] > 1L) k)
  if (drop) drop(out) else out
}

components_at <- function(x, k) {
  k <- chosen(k, part(x, "dimres"), "k")
  if (!length(k)) throw("shape", "`[` chooses no component: expected one or more")
  runs <- unname(split(k, cumsum(c(TRUE, diff(k) != 1L)))) # of positions that follow each other
  do.call(concat, lapply(runs, function(run)
    if (length(run) == 1L) elem(x, run - 1L)
    else move("Extract", x, run[1L] - 1L, length(run), length(run))))
}

# The positions among 1, 2, ..., size that an index means.
chosen <- function(index, size, name, names = NULL) {
  if (is.null(index)) return(integer())
  all <- seq_len(size)
  plain <- is.numeric(index) || is.logical(index) || is.character(index) && !is.null(names)
  found <- if (plain && !is.object(index) && length(dim(index)) < 2L)
    if (is.character(index)) match(index, names) else
      tryCatch(all[index], error = function(e) NA) # signs are mixed
  else NA
  if (!anyNA(found) && !(is.logical(index) && length(index) > size)) return(found)
  throw("shape", "index `", name, "` is ", describe(index), wrong_one(index, found),
        ": expected positions from 1 to ", size, if (!is.null(names)) " or row names",
        if (name == "k") ", those of components; x[i, j] is for values")
}

# The first element of an index that is not there.
wrong_one <- function(index, found) {
  if (length(index) < 2L || length(found) != length(index)) return("")
  paste0(" with ", describe(index[is.na(found)][1L]))
}

# The values at the pairs that are the rows of a matrix of two columns.
values_at_rows <- function(x, pairs) {
  if (ncol(pairs) != 2L || !is.numeric(pairs))
    throw("shape", "`[` of a LazyTensor has ", describe(pairs), ": expected two columns, ",
          "positions i and j")
  if (any(pairs <= -1, na.rm = TRUE))
    throw("shape", "`[` of a LazyTensor has ", describe(pairs), " with ",
          describe(min(pairs, na.rm = TRUE)), ": expected positions")
  is_zero <- abs(pairs) < 1
  pairs <- pairs[!(is_zero[, 1L] | is_zero[, 2L]) %in% TRUE, , drop = FALSE] # as in base R
  size <- dim(x)
  i <- chosen(pairs[, 1L], size[1L], "i")
  j <- chosen(pairs[, 2L], size[2L], "j")
  check_size(x, c(length(i), 1L, size[-(1:2)]))
  if (is_spread(x)) {
    rows <- function(at) list(i = i[at], j = j[at])
    return(components_dropped(components_second(values_in_batches(x, length(i), rows))))
  }
  if (is.null(part(x, "walk"))) return(values_of_list(x, new_pairs(i, j)))
  values <- values_of_pairs(x, length(i), function(at) list(i = i[at], j = j[at]))
  if (size[3L] == 1L) values else matrix(values, length(i))
}
