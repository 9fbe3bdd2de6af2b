# The folder of compiled kernels. The engine makes it (mode 0700) when a kernel is first compiled.

#' The cache of compiled kernels
#'
#' Each new formula is compiled once, at its first large call, and kept in a folder that all R sessions of the user share:
#' `tools::R_user_dir("rkeops", "cache")` unless another one is chosen.
#'
#' @param cache_dir an existing folder, or `NULL` for the default one.
#' @param verbose whether to say what is done.
#' @param startup whether to add how to clean the folder.
#' @param all `TRUE` to remove all kernels. `FALSE` to keep those that this version of rkeops can
#'   use, which are all that the folder holds. Data that calls keep for later ones (option
#'   `prepared_memory`) is freed in any case.
#' @param remove_cache_dir whether to remove the folder too, when nothing else is in it.
#' @return `get_rkeops_cache_dir()`: a path. `set_rkeops_cache_dir()`: the
#'   previous options, invisibly. `stat_rkeops_cache_dir()`: the size of the kernels as a text such
#'   as `"1.2 MB"`, `"0"` when there are none. `clean_rkeops()`: nothing.
#' @section Errors:
#' `rkeops_error_argument` for a folder that does not exist and for other arguments.
#' @family settings
#' @examples
#' get_rkeops_cache_dir()
#' stat_rkeops_cache_dir(verbose = FALSE)
#' @export
get_rkeops_cache_dir <- function() get_rkeops_options("cache_dir")

#' @rdname rkeops-legacy
#' @export
get_build_dir <- get_rkeops_cache_dir

#' @rdname get_rkeops_cache_dir
#' @export
set_rkeops_cache_dir <- function(cache_dir = NULL, verbose = interactive()) {
  check_flag(verbose, "verbose")
  old <- get_options()
  if (is.null(cache_dir)) {
    new <- old
    new$cache_dir <- default_cache_dir()
    options(rkeops = new)
  } else {
    set_rkeops_options(list(cache_dir = cache_dir))
  }
  if (verbose)
    inform("Kernels were kept in ", old$cache_dir, " and stay there; new ones go to ",
           get_rkeops_cache_dir())
  invisible(old)
}

#' @rdname get_rkeops_cache_dir
#' @export
stat_rkeops_cache_dir <- function(verbose = interactive(), startup = FALSE) {
  check_flag(verbose, "verbose")
  check_flag(startup, "startup")
  engine_options()
  size <- size_text(checked(.Call(C_cache_usage))[["bytes"]])
  if (verbose)
    inform("Compiled kernels take ", size, " in ", get_rkeops_cache_dir(),
           if (startup) "; clean_rkeops() removes them")
  size
}

#' @rdname get_rkeops_cache_dir
#' @export
clean_rkeops <- function(verbose = interactive(), all = TRUE, remove_cache_dir = FALSE) {
  check_flag(verbose, "verbose")
  check_flag(all, "all")
  check_flag(remove_cache_dir, "remove_cache_dir")
  engine_options()
  .Call(C_forget_prepared)
  if (all || remove_cache_dir) {
    checked(.Call(C_cache_clear))
    .Call(C_forget)
  }
  folder <- get_rkeops_cache_dir()
  if (remove_cache_dir && dir.exists(folder) && !length(dir(folder, all.files = TRUE, no.. = TRUE)))
    unlink(folder, recursive = TRUE)
  if (verbose) inform("Kernels in ", folder, if (all) " were removed" else " were kept")
  invisible()
}

size_text <- function(bytes) {
  if (bytes == 0) return("0")
  k <- min(as.integer(log10(bytes) / 3), 4L)
  paste(number_text(round(bytes / 1000^k, 1)), c("bytes", "kB", "MB", "GB", "TB")[k + 1L])
}
