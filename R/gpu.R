# GPUs: choosing them, what they are, and matrices that lie on them.
#
# A matrix on a GPU is plain R data, a list of
#   pointer   external pointer to the engine's copies (src/r_gpu.c); empty after readRDS() and in
#             other processes
#   dim       as of the R matrix, NULL for a vector
#   dimnames  likewise
#   size      number of elements
#   precision of the numbers there, "float32" or "float64"
# It behaves like the matrix that it was made from: inner_dim = "row" means the same for both.

new_gpu <- function(pointer, x, names) {
  x <- list(pointer = pointer, dim = if (length(dim(x)) == 2L) dim(x), dimnames = names,
            size = length(x), precision = .Call(C_gpu_precision, pointer))
  if (x$precision == "float32") session$has_floats <- TRUE
  class(x) <- "rkeops_gpu"
  x
}

is_gpu <- function(x) inherits(x, "rkeops_gpu")

#' Computing on NVIDIA GPUs
#'
#' `rkeops_use_gpu()` makes later calls compute on one or several GPUs; [rkeops_use_cpu()] goes
#' back. It opens NVIDIA's libraries at once and stops, with an error of class
#' `rkeops_error_device` that says what is missing, when they or the GPUs cannot be used: the
#' session computes where it did before, then.
#'
#' Everything that is computed on a CPU is computed on a GPU. Backend and precision are read when an
#' operator is called or a LazyTensor is reduced, so those made before run on the GPU too. Unless a
#' precision was chosen (see [rkeops_use_float64()]), it is float32 on a GPU and float64 on a CPU; a
#' message says so when that changes for the first time in a session. With
#' several GPUs each of them computes a part of the result.
#' `vignette("gpu", package = "rkeops")` says more.
#'
#' @param device which GPUs: numbers from 0 on, as RKeOps and NVIDIA's tools count. `NULL` or -1:
#'   the default one, 0.
#' @return `rkeops_use_gpu()`: the previous options, invisibly.
#'   `rkeops_device_info()`: a data.frame with one row for each GPU of the machine: number, name,
#'   compute capability, number of multiprocessors, and bytes of memory: in all, free, held by
#'   rkeops for matrices of [to_gpu()], and kept by rkeops for later calls.
#' @seealso [to_gpu()], [rkeops_sitrep()]
#' @family settings
#' @examples
#' # goes on where there is no GPU
#' tryCatch({
#'   rkeops_use_gpu()
#'   print(rkeops_device_info())
#' }, rkeops_error_device = print)
#' get_rkeops_options(c("backend", "precision"))
#' sum(exp(-sqdist(Vi(1:3), Vj(c(1.5, 2)))), "j")
#' rkeops_use_cpu(ncore = 2)
#' @export
rkeops_use_gpu <- function(device = NULL) {
  device <- check_devices(device, "device")
  engine_options()
  checked(.Call(C_use_devices, device))
  old <- set_rkeops_options(list(backend = "GPU", device_id = device))
  explain_precision(old)
  invisible(old)
}

# Said once in a session: numbers get other last digits than those that it had on the CPU.
explain_precision <- function(old) {
  if (precision_meant(old) == precision_meant(get_options())) return(invisible())
  inform_once("precision", "Precision is float32 on a GPU, and was float64 on the CPU. ",
              "rkeops_use_float64() computes in float64 on both, rkeops_use_float32() says that ",
              "float32 is meant.")
}

#' @rdname rkeops-legacy
#' @export
use_gpu <- function(device = 0) rkeops_use_gpu(device)

#' @rdname rkeops_use_gpu
#' @export
rkeops_device_info <- function() {
  engine_options()
  as.data.frame(checked(.Call(C_device_info)), stringsAsFactors = FALSE)
}

# Numbers of GPUs as integers, -1 alone for the default one.
check_devices <- function(x, name) {
  if (is.null(x)) return(-1L)
  if (is.numeric(x) && !is.object(x) && length(x) && all(is.finite(x)) && all(x == round(x)) &&
      (identical(as.double(x), -1) || all(x >= 0 & x <= .Machine$integer.max))) {
    if (!anyDuplicated(x)) return(as.integer(x))
    throw("argument", "`", name, "` names GPU ", x[duplicated(x)][1L], " twice")
  }
  unexpected(x, name, "different numbers of GPUs, counted from 0, or -1")
}

#' Matrices on a GPU
#'
#' Copies a matrix to the GPUs in use, once. What comes back is taken by operators of
#' [keops_kernel()], by [Vi()], [Vj()], [Pm()] and by `%*%` like the matrix itself, without being
#' copied again at each call.
#'
#' The copy is a snapshot in the precision that is meant when it is made: float32, unless
#' [rkeops_use_float64()] or the option `precision` say otherwise. Changing `x` later does not change
#' it. Later calls may be in another precision; one in float64 that reads a copy in float32 has only
#' its digits, and says so in a warning of class `rkeops_warning_precision`. Some matrices are kept
#' in float64 in any case, since float32 would lose what a call in float32 does not (it takes
#' differences before it rounds): with a column that lies further from 0 than 8 times its width, or
#' of whole numbers beyond 2^24, or with numbers beyond 3.4e38. Printing it says which it is.
#'
#' It is freed when nothing refers to it any more and R collects garbage (`rm()`, then `gc()`, to
#' have it at once). It cannot be changed; make another one.
#'
#' It belongs to the R process that made it. Read from a file, or in another process, it is an empty
#' shell: using it is an error of class `rkeops_error_device`. With [rkeops_use_cpu()] it still
#' works, and is copied back at each call.
#'
#' @param x what an operator takes: a numeric or logical matrix or vector, or a data.frame of
#'   numbers.
#' @param inner_dim how it will be used, as for operators of [keops_kernel()]: with `"row"`, as
#'   matrices with one column for each point. The other use is possible, and costs a second copy
#'   on the GPU.
#' @param ... not used.
#' @return An object of class `rkeops_gpu`. It has the `dim()` and the `dimnames()` of `x`;
#'   `as.matrix()` (and `as.numeric()`) of it copies the values back, as doubles of the digits that
#'   are there.
#' @family settings
#' @examples
#' # on a GPU if there is one; without, the matrix stays where it is
#' on_gpu <- tryCatch(is.list(rkeops_use_gpu()), rkeops_error_device = function(e) FALSE)
#' x <- matrix(c(0, 1, 2, 0, 0, 1), ncol = 2)
#' x_there <- if (on_gpu) to_gpu(x) else x
#' x_there
#' K_ij <- exp(-sum((Vi(x_there) - Vj(x_there))^2))
#' for (power in 1:3) print(drop(K_ij %*% (1:3)^power)) # x is not copied again
#'
#' # without a GPU in use it stops
#' rkeops_use_cpu(ncore = 2)
#' tryCatch(to_gpu(x), rkeops_error_device = print)
#' @export
to_gpu <- function(x, inner_dim = "col") {
  rows_inside <- is_row(inner_dim)
  if (is_gpu(x)) return(check_not_lost(x))
  if (get_options()$backend != "GPU")
    throw("device", "no GPU is in use: call rkeops_use_gpu() first")
  names <- names_of(x)
  if (!is.double(x) || is.object(x) || length(dim(x)) > 2L) { # others need no copy
    x <- plain_numbers(x, "x")
    storage.mode(x) <- "double"
  }
  new_gpu(checked(.Call(C_gpu_new, x, rows_inside, engine_options())), x, names)
}

# As as.matrix() of a data.frame, without the numbers of its rows.
names_of <- function(x) {
  if (!is.data.frame(x)) return(if (length(dim(x)) == 2L) dimnames(x))
  list(if (.row_names_info(x) > 0L) row.names(x), names(x))
}

# Of a vector, as a matrix with one column.
gpu_column <- function(x) {
  size <- length(x)
  x <- unclass(x)
  x$dim <- c(size, 1L)
  structure(x, class = "rkeops_gpu")
}

# A call in float64 has the digits of its inputs, and no more.
explain_digits <- function(input, precision) {
  if (precision != "float64" || !isTRUE(session$has_floats)) return(invisible())
  for (x in input)
    if (is_gpu(x) && .subset2(x, "precision") == "float32")
      caution("precision", format(x), ": a call in float64 reads it, and has its digits only. ",
              "to_gpu() after rkeops_use_float64() keeps all of them")
}

gpu_values <- function(x) checked(.Call(C_gpu_read, x, engine_options()))

# The number of the first GPU that holds it, NA when it is lost.
gpu_device <- function(x) .Call(C_gpu_device, x)

check_not_lost <- function(x) {
  if (!is.na(gpu_device(x))) return(x)
  throw("device", "`x` lies on the GPU of another R session: call to_gpu() again")
}

#' @rdname to_gpu
#' @method as.matrix rkeops_gpu
#' @export
as.matrix.rkeops_gpu <- function(x, ...) {
  values <- as.matrix(gpu_values(x))
  dimnames(values) <- .subset2(x, "dimnames")
  values
}

#' @export
as.double.rkeops_gpu <- function(x, ...) as.vector(gpu_values(x))

#' @export
as.vector.rkeops_gpu <- function(x, mode = "any") as.vector(gpu_values(x), mode)

#' @export
dim.rkeops_gpu <- function(x) .subset2(x, "dim")

#' @export
dimnames.rkeops_gpu <- function(x) .subset2(x, "dimnames")

#' @export
length.rkeops_gpu <- function(x) .subset2(x, "size")

#' @export
format.rkeops_gpu <- function(x, ...) {
  size <- if (is.null(dim(x))) paste("vector of length", length(x)) else
    paste(dim(x), collapse = " x ")
  device <- gpu_device(x)
  paste0("<rkeops_gpu> ", size, " on ",
         if (is.na(device)) "the GPU of another R session"
         else paste0("GPU ", device, ", ", .subset2(x, "precision")))
}

#' @export
print.rkeops_gpu <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

#' @export
str.rkeops_gpu <- function(object, ...) cat("", format(object), "\n")

#' @export
summary.rkeops_gpu <- function(object, ...) print(object)
