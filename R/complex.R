# Complex LazyTensors. For the engine a complex vector of dimension D is one of 2 D real numbers,
# Re and Im of each component in turn; `dimres` counts complex components. The same methods serve
# real and complex LazyTensors: mixed operands would fail with two.

any_complex <- function(operands) {
  for (x in operands) if (is_complex(x)) return(TRUE)
  FALSE
}

is_complex <- function(x) if (is.LazyTensor(x)) part(x, "complex") else is.complex(x)

# ---- data ----------------------------------------------------------------------------------------

# Complex numbers as columns Re, Im, Re, Im, ...; real ones as they are.
interleaved <- function(x) {
  if (!is.complex(x)) return(x)
  rows <- if (length(dim(x)) == 2L) nrow(x) else 1L
  out <- array(0, c(rows, 2L, length(x) / max(rows, 1L)))
  out[, 1L, ] <- Re(x)
  out[, 2L, ] <- Im(x)
  if (length(dim(x)) == 2L) matrix(out, rows, 2L * ncol(x)) else as.vector(out)
}

# The complex matrix with these interleaved columns.
complex_matrix <- function(x) {
  odd <- seq(1L, ncol(x), by = 2L)
  matrix(complex(real = x[, odd], imaginary = x[, odd + 1L]), nrow(x), length(odd))
}

# Reductions that act on a vector component by component and mean the same for complex numbers.
is_complex_reduction <- function(x, op, weight) {
  if (!any_complex(c(list(x), list(weight)))) return(FALSE)
  if (op == "Sum" && is.null(weight)) return(TRUE)
  if (op == "SumSoftMaxWeight" && !part(x, "complex")) return(TRUE)
  throw("argument", "`", if (part(x, "complex")) "x" else "weight", "` is complex: expected real ",
        "numbers; sums take complex ones")
}

# ---- arithmetic ----------------------------------------------------------------------------------

#' Complex numbers
#'
#' `Vi()`, `Vj()` and `Pm()` of complex numbers make complex LazyTensors (class
#' `ComplexLazyTensor`), of which `dim()` counts complex components. They can be added, subtracted,
#' multiplied and divided, also with real operands; raised to whole powers; compared by `==` and
#' `!=`; summed (`sum(z)` over the components, `sum(z, "j")` and `K %*% b` over an index: a complex
#' R matrix); indexed by `z[k]`. `abs`, `exp`, `norm2` and other norms have their complex meaning.
#' What has none stops.
#'
#' In formulas given to [keops_kernel()] a complex vector is one of twice as many real numbers (Re
#' and Im of each component in turn), and so are the columns of results there.
#'
#' @param z a complex LazyTensor.
#' @param x a real LazyTensor, or numbers.
#' @return `Re`, `Im`, `Mod`, `Arg`: a real LazyTensor; the others: a complex one. `exp1j`:
#'   exp(i x). `real2complex`: x + 0i. `imag2complex`: i x. The last three give complex numbers for
#'   plain numbers. All have as many components as `z` or `x`; `Arg` is in radians, from -pi to pi.
#' @section Errors:
#' `rkeops_error_argument` where a complex LazyTensor is expected and a real one given, or the other
#' way round, and for operations that complex numbers do not have (`<`, `log`, `max`, ...).
#' @family functions of LazyTensors
#' @examples
#' z <- Vi(matrix(complex(modulus = 1, argument = 1:6), 3))
#' k <- Vj(matrix(c(0.5, 1, 2, 3), 2))
#' sum(exp1j(k) * Conj(z), "j") # complex numbers
#' Mod(z)                       # a real formula
#' Mod(z + 1)[, 1]
#' @name complex-numbers
NULL

#' @rdname complex-numbers
#' @aliases Re Im Mod Arg Conj
#' @export
Complex.LazyTensor <- function(z) {
  if (!part(z, "complex"))
    throw("argument", "`z` is real: expected a complex LazyTensor; real2complex() makes one")
  if (.Generic == "Conj") return(complex_define("Conj", list(z), part(z, "dimres")))
  define(complex_parts[[.Generic]], list(z), dimres = part(z, "dimres"))
}

complex_parts <- c(Re = "ComplexReal", Im = "ComplexImag", Mod = "ComplexAbs",
                   Arg = "ComplexAngle")

complex_define <- function(op, operands, dim, literals = NULL) {
  define(op, operands, literals, dim, complex = TRUE)
}

complex_operator <- function(operator, operands) {
  is_real <- !vapply(operands, is_complex, NA)
  if (operator == "*" && any(is_real))
    return(scaled("Mult", operands[[which(!is_real)]], operands[[which(is_real)]]))
  if (operator == "/" && is_real[2L]) return(scaled("Divide", operands[[1L]], operands[[2L]]))
  dim <- common_dim(operands) # before they change: an error names them as the user wrote them
  operands <- lapply(operands, as_complex_lazy)
  switch(operator,
    "+" = complex_define("ComplexAdd", operands, dim),
    "-" = complex_define("ComplexSubtract", operands, dim),
    "*" = complex_define("ComplexMult", operands, dim),
    "/" = complex_define("ComplexDivide", operands, dim),
    "==" = both_parts("Equal", "And", operands),
    "!=" = both_parts("NotEqual", "Or", operands),
    throw("argument", "`", operator, "` has no meaning for complex numbers",
          if (operator == "|") ": use sum(x * Conj(y))"))
}

# z times or divided by a real r: both parts of each component are.
scaled <- function(op, z, r) {
  dim <- common_dim(list(z, r))
  if (part(r, "dimres") > 1L) {
    if (part(z, "dimres") == 1L) z <- complex_define("RepeatAll", list(z), dim, literals = dim)
    r <- define("RepeatEach", list(r), literals = 2L, dimres = 2L * dim)
  }
  complex_define(op, list(z, r), dim)
}

both_parts <- function(op, connective, operands) {
  parts <- lapply(c("ComplexReal", "ComplexImag"), function(part_of) {
    comparison(op, lapply(operands, function(z)
      define(part_of, list(z), dimres = part(z, "dimres"))))
  })
  broadcast(connective, parts, logical = TRUE)
}

# As a complex LazyTensor.
as_complex_lazy <- function(x) {
  if (part(x, "complex")) x
  else complex_define("Real2Complex", list(x), part(x, "dimres"))
}

complex_power <- function(x, n) {
  if (!is.LazyTensor(x) || !is_number(n) || !is_whole(n) || n == 0)
    throw("argument", "a power of complex numbers has the exponent ", describe(n),
          ": expected a whole number other than 0")
  power <- positive_power(x, abs(n))
  if (n > 0) power else 1 / power
}

positive_power <- function(x, n) {
  if (n == 1) return(x)
  half <- positive_power(x, n %/% 2)
  if (n %% 2) half * half * x else half * half
}

complex_math <- function(name, x) {
  switch(name,
    exp = complex_define("ComplexExp", list(x), part(x, "dimres")),
    abs = Mod(x),
    throw("argument", "`", name, "` is not available for complex LazyTensors"))
}

# ---- from real to complex ------------------------------------------------------------------------

# A function of real LazyTensors or numbers.
to_complex <- function(op, plain) {
  force(op)
  force(plain)
  function(x) {
    if (!is.LazyTensor(x)) return(plain(x))
    complex_define(op, check_real(list(x)), part(x, "dimres"))
  }
}

#' @rdname complex-numbers
#' @export
exp1j <- to_complex("ComplexExp1j", function(x) exp(1i * x))

#' @rdname complex-numbers
#' @export
real2complex <- to_complex("Real2Complex", function(x) x + 0i)

#' @rdname complex-numbers
#' @export
imag2complex <- to_complex("Imag2Complex", function(x) 1i * x)

#' @rdname is.LazyTensor
#' @export
is.ComplexLazyTensor <- function(x) inherits(x, "ComplexLazyTensor")

#' @rdname is.LazyTensor
#' @export
is.ComplexLazyParameter <- function(x) is_one_number(check_lazy(x, "x")) && part(x, "complex")
