# What was found on this machine, and whether rkeops works on it.

#' A report on this machine
#'
#' What rkeops found: versions, compiler, processor, threads, GPU libraries, cache. Made to be
#' pasted into a bug report.
#'
#' @return A character vector of lines "key: value" of class `rkeops_sitrep`, which prints itself.
#'   What is missing is said there; it is no error.
#' @family settings
#' @examples
#' rkeops_sitrep()
#' @export
rkeops_sitrep <- function() {
  options <- get_options()
  engine_options() # tells the engine
  engine <- strsplit(checked(.Call(C_report)), "\n", fixed = TRUE)[[1L]]
  chosen <- vapply(options[setdiff(attr(options, "chosen"), "precision")], option_text, "")
  lines <- c(
    paste("rkeops:", utils::packageVersion("rkeops")),
    paste("R:", R.version.string, "on", R.version$platform),
    precision_line(),
    engine_line(options),
    if (length(chosen)) paste0("option ", names(chosen), ": ", chosen),
    engine
  )
  structure(lines, class = "rkeops_sitrep")
}

# What formulas on the CPU are computed by.
engine_line <- function(options)
  paste0("engine: ", options$engine,
         if (options$engine != "auto") ""
         else if (engine_options()$engine == "auto") " (builtin for small calls, else compiled)"
         else " (builtin, there is no C compiler)")

#' @export
print.rkeops_sitrep <- function(x, ...) {
  cat(unclass(x), sep = "\n")
  invisible(x)
}

#' Does rkeops work here?
#'
#' Computes something small, compiling it if needed, and compares it with what R computes.
#'
#' @param verbose whether to say what is wrong.
#' @return `TRUE` or `FALSE`: errors of class `rkeops_error` are said as a message.
#' @family settings
#' @examples
#' check_rkeops()
#' @export
check_rkeops <- function(verbose = TRUE) {
  check_flag(verbose, "verbose")
  problem <- tryCatch(small_computation(), rkeops_error = conditionMessage)
  if (is.null(problem)) return(TRUE)
  if (verbose) inform("rkeops does not work here: ", problem, "\nSee rkeops_sitrep().")
  FALSE
}

# NULL, or what went wrong.
small_computation <- function() {
  x <- matrix(c(0, 0.5, 1, 2), ncol = 2L)
  y <- matrix(c(1, -1, 0.25, 0), ncol = 2L)
  found <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(2)", "y=Vj(2)"))(list(x, y))
  distance <- outer(1:2, 1:2, function(i, j) rowSums((x[i, ] - y[j, ])^2))
  allowed <- c(float64 = 1e-12, float32 = 1e-5, float16 = 1e-2)[[engine_options()$precision]]
  if (max(abs(found - rowSums(exp(-distance)))) > allowed) "a wrong result"
}
