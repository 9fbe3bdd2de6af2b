# Names of RKeOps that this package needs no code of its own for.

# Base functions and operators that dispatch on LazyTensors by themselves. RKeOps exported its own,
# so scripts say rkeops::sum() and packages importFrom(rkeops, sum): they get base R's. The
# namespace exports what it inherits from base; attaching leaves them out, see zzz.R.
base_exports <- c("+", "-", "*", "/", "^", "|",
                  "abs", "acos", "asin", "atan", "cos", "exp", "log", "round", "sign", "sin",
                  "sqrt", "max", "min", "sum", "Arg", "Conj", "Im", "Mod", "Re",
                  if (getRversion() >= "4.3.0") "%*%")

#' Base functions that RKeOps exported
#'
#' Operators, mathematical functions, `sum`, `min`, `max` and the functions of complex numbers
#' dispatch on LazyTensors in base R. `rkeops::sum` and `importFrom(rkeops, sum)` still work and
#' give the functions of base R; `library(rkeops)` leaves them alone.
#'
#' @seealso [LazyTensor-operators], [LazyTensor-math], [reductions], [complex-numbers] for what they
#'   do with LazyTensors, [generics] for those that rkeops has to replace.
#' @examples
#' identical(rkeops::sum, base::sum)
#' @name base-functions
#' @aliases + - * / ^ | abs acos asin atan cos exp log round sign sin sqrt max min sum
#' @rawNamespace export("+", "-", "*", "/", "^", "|", abs, acos, asin, atan, cos, exp, log, round)
#' @rawNamespace export(sign, sin, sqrt, max, min, sum, Arg, Conj, Im, Mod, Re)
NULL

#' Functions of earlier versions without a task
#'
#' `install_rkeops()` installed Python packages for RKeOps 2. Nothing of that kind is needed now;
#' it says so, whatever its arguments, and [check_rkeops()] tests whether formulas can be computed.
#' `helloWorld()` prints a greeting.
#'
#' @param envname,method,conda,python_version,pip,...,pip_ignore_installed,ignore_installed without
#'   effect.
#' @return Nothing.
#' @seealso [check_rkeops()], [rkeops_sitrep()].
#' @examples
#' install_rkeops()
#' helloWorld()
#' @export
install_rkeops <- function(envname = NULL, method = c("auto", "virtualenv", "conda"),
                           conda = "auto", python_version = NULL, pip = FALSE, ...,
                           pip_ignore_installed = ignore_installed, ignore_installed = FALSE) {
  inform("Nothing is to be installed: rkeops needs neither Python nor other packages, only a C ",
         "compiler. check_rkeops() tells whether it works.")
  invisible()
}

#' @rdname install_rkeops
#' @export
helloWorld <- function() {
  cat("Hello! ?rkeops tells where to start.\n")
  invisible()
}
