# Bessel functions and Matern covariances, of LazyTensors, of recorded and of plain numbers.

#' Bessel functions and Matern covariances
#'
#' `matern(x, nu)` is the Matern covariance of any smoothness nu > 0,
#' \deqn{\frac{2^{1-\nu}}{\Gamma(\nu)} r^\nu K_\nu(r), \quad r = \sqrt{2 \nu x},}{2^(1-nu) / Gamma(nu)
#' r^nu K_nu(r) with r = sqrt(2 nu x),}
#' where x is the square of distance over range; it is 1 at x = 0, and exp(-x/2) in the limit of large
#' nu. `besselK(x, nu)` is the modified Bessel function of the second kind \eqn{K_\nu(x)}{K_nu(x)}; base
#' R's function does not dispatch, rkeops makes it generic, and its default method is the original function.
#'
#' Both have exact derivatives by both arguments, to any order, so that nu can be estimated. A Matern
#' covariance has derivatives at x = 0 that are finite for nu > 1, the second ones for nu > 2, and so on;
#' those that are infinite count as 0, so that gradients of sums over all pairs leave out pairs of
#' the same point. Of numbers beside LazyTensors, `nu` is best one number: a parameter.
#'
#' Values of LazyTensors have a relative error of at most (8 + nu + r) units of rounding of the
#' precision in use. One takes 30 to 45 times as long as a Matern covariance with nu = 3/2, which has
#' a closed form, `(1 + s) * exp(-s)` where `s` is `sqrt(3 * x)`.
#'
#' @param x of `matern()` the square of distance over range, of `besselK()` a number, not below 0: a
#'   LazyTensor, or numbers.
#' @param nu smoothness, or order of the Bessel function: a LazyTensor, or numbers.
#' @param expon.scaled as for [base::besselK()]; of LazyTensors FALSE.
#' @return A LazyTensor where one of the arguments is one, of the larger of both dimensions; else
#'   numbers, recorded ones where an argument is recorded (see [stop_gradient()]). NaN for x below
#'   0 and, of `matern()`, LazyTensors nu that are not above 0; `besselK()` is Inf at 0, and 0 where it is
#'   too small for a number.
#' @section Errors:
#' `rkeops_error_argument` for numbers `nu` of `matern()` that are not above 0, for complex operands and for
#' `expon.scaled = TRUE` with LazyTensors or recorded numbers; `rkeops_error_shape` where dimensions do not
#' fit.
#' @family functions of LazyTensors
#' @examples
#' x <- cbind(c(0, 0.1, 0.3, 0.6, 1), c(0, 0.2, 0.1, 0.5, 0.9))
#' range <- 0.3
#' K <- matern(sqdist(Vi(x), Vj(x)) / range^2, nu = 0.8)
#' round(as.matrix(K), 3)
#' K %*% rep(1, 5)
#'
#' # how the covariance of two points changes with the smoothness
#' gradient(function(nu) matern(0.5, nu), 0.8)
#' besselK(Vi(1:3), 0.8)[1:3, 1]
#' @name special-functions
NULL

#' @rdname special-functions
#' @export
matern <- function(x, nu) {
  plain <- value_of(nu)
  if (is.numeric(plain) && any(plain <= 0, na.rm = TRUE)) unexpected(plain, "nu", "numbers above 0")
  if (any_lazy(x, nu)) return(broadcast("Matern", as_operands(nu, x)))
  for (value in list(value_of(x), plain)) check_operand(value, "matern")
  z <- 2 * nu * x
  none <- value_of(z) == 0 & !is.na(value_of(z))
  r <- sqrt(z + none)
  log_value <- (1 - nu) * log(2) - lgamma(nu) + nu * log(r)
  value <- exp(log_value) * besselK(r, nu + 0 * r)
  none <- none | is.infinite(base::besselK(value_of(r), value_of(nu)))
  if (any(none)) where(none, 1, value) else value
}

#' @rdname special-functions
#' @export
besselK <- function(x, nu, expon.scaled = FALSE) {
  if (!any_lazy(x, nu) && (is_recorded(x) || is_recorded(nu))) {
    check_unscaled(expon.scaled)
    return(recorded_bessel(x, nu))
  }
  if (!is.LazyTensor(x) && is.LazyTensor(nu)) besselK.LazyTensor(x, nu, expon.scaled)
  else UseMethod("besselK")
}

#' @export
besselK.default <- function(x, nu, expon.scaled = FALSE) base::besselK(x, nu, expon.scaled)

#' @export
besselK.LazyTensor <- function(x, nu, expon.scaled = FALSE) {
  check_unscaled(expon.scaled)
  broadcast("BesselK", as_operands(nu, x))
}

check_unscaled <- function(expon.scaled)
  if (!identical(expon.scaled, FALSE))
    unexpected(expon.scaled, "expon.scaled", "FALSE; exp(x) * besselK(x, nu) is the scaled function")

# Of K_nu(x) the derivative of order n by nu.
recorded_bessel <- function(x, nu, n = 0) {
  like <- list(value_of(x), value_of(nu))
  value <- if (n) bessel_by_order(like[[1L]], like[[2L]], n) else base::besselK(like[[1L]], like[[2L]])
  record(value, list(x, nu), function(e, args, value, wanted) {
    K <- function(step, n) recorded_bessel(args[[1L]], args[[2L]] + step, n)
    list(if (wanted[1L]) folded(e * (K(-1, n) + K(1, n)) * -0.5, like[[1L]]),
         if (wanted[2L]) folded(e * K(0, n + 1), like[[2L]]))
  })
}

# The same of plain numbers: the integral of u^n exp(nu u - x cosh u) / 2 by the trapezoid rule, u and -u
# together. Terms are taken over the largest one, at sinh u = nu / x, and end where they are below e^-45.
bessel_by_order <- function(x, nu, n) {
  one <- function(x, nu) {
    sign <- if (n %% 2) sign(nu) else 1
    nu <- abs(nu)
    if (is.na(x + nu) || x < 0) return(NaN)
    if (x == 0 || is.infinite(x)) return(if (x == 0) sign * Inf else 0)
    w <- sqrt(x^2 + nu^2)
    peak <- asinh(nu / x)
    h <- 0.6 / sqrt(w + 9)
    last <- 90 / (w + nu)
    u <- h * seq_len(ceiling((peak + log(1 + last + sqrt(2 * last))) / h))
    top <- nu * peak - w
    terms <- u^n * exp(nu * u - x * cosh(u) - top) * (1 + (-1)^n * exp(-2 * nu * u)) / 2
    sign * exp(top) * h * sum(terms)
  }
  out <- x + nu
  out[] <- mapply(one, as.vector(x), as.vector(nu))
  out
}
