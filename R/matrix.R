# What a user of matrices expects of a LazyTensor: products, sums of rows and columns, values.
#
# crossprod(), tcrossprod() (before R 4.4), rowSums(), colSums(), rowMeans(), colMeans() and diag()
# do not dispatch on S3 classes. They get S4 methods for ours, on the generics that the package
# methods has ready for them: package Matrix uses the same ones, in whatever order both are
# attached.

#' @importFrom methods setOldClass setMethod
NULL

# Classes and methods need a namespace; roxygen2 reads these files without one.
in_namespace <- isNamespace(topenv())

if (in_namespace) {
  setOldClass(c("ComplexLazyTensor", "LazyTensor"))
  setOldClass("LinearOperator")
  setOldClass("RecordedValue")
  # of S4 objects, such as sparse matrices: diagonal ones are added, others refused like plain ones
  arithmetic_of_matrices <- function(e1, e2) {
    if (is_linear(e1) || is_linear(e2) || meets_diagonal(.Generic, e1, e2))
      linear_arithmetic(.Generic, e1, e2)
    else as_operands(e1, e2)
  }
  for (class in c("LazyTensor", "LinearOperator")) {
    setMethod("Ops", c(class, "ANY"), arithmetic_of_matrices)
    setMethod("Ops", c("ANY", class), arithmetic_of_matrices)
  }
}

# ---- products ------------------------------------------------------------------------------------

#' Matrix product with a LazyTensor
#'
#' A LazyTensor K of dimension 1 stands for an M x N matrix, which is never stored. `K %*% b` is its
#' product with an R vector or matrix of N rows: the sums over j of `K * b`. `b %*% K` is the
#' product from the left. `crossprod(K, a)` is `t(K) %*% a` and `tcrossprod(K, a)` is `K %*% t(a)`,
#' from the left likewise. All are computed at once.
#'
#' A matrix of [to_gpu()], of package Matrix or a data.frame of numbers is taken as a plain matrix.
#' A plain vector is a column, or a row, as it fits. When K has dimension D > 1, its components are
#' multiplied by the columns of b as `*` does.
#'
#' Of two LazyTensors `K %*% L` is the sum over j of `K * L`, as in RKeOps, where L depends on j
#' alone or is constant: `K %*% Vj(b)` is the same as `K %*% b`. Where both depend on i and j it is a
#' linear operator, the product of both matrices, which is not computed: see [add_ridge()]. So are
#' `crossprod(K)`, `crossprod(K, L)` and `tcrossprod(K, L)`, except where one of both does not depend on
#' the index that is kept: then they are sums over i, or over j, of `K * L`.
#'
#' @param x,y LazyTensors, or one LazyTensor and a plain vector or matrix; other objects are
#'   multiplied as usual.
#' @param ... options of the reduction, and `blocks`, `groups` or `ranges`: see [reductions].
#' @return A matrix: M x P for `K %*% b` with P columns of b, P x N for `b %*% K`, N x P for
#'   `crossprod(K, a)`; a linear operator for two matrices. Row names of the matrices that K was made of, and names of b, are kept as in
#'   base R.
#' @section Errors:
#' `rkeops_error_shape` where numbers of rows do not fit; `rkeops_error_argument` for factors without
#' plain numbers.
#' @family reductions of LazyTensors
#' @examples
#' x <- matrix(sin(1:30), ncol = 3)
#' y <- matrix(cos(1:60), ncol = 3)
#' K_ij <- exp(-sum((Vi(x) - Vj(y))^2)) # 10 x 20
#' head(K_ij %*% (1:20 / 20))
#' dim(rep(1, 10) %*% K_ij)
#' head(crossprod(K_ij, matrix(1:20 / 20, ncol = 2)))
#' @name matrix-product
#' @aliases %*% crossprod tcrossprod
#' @eval product_aliases()
#' @usage \S4method{crossprod}{LazyTensor,ANY}(x, y = NULL, ...)
#'
#' \S4method{tcrossprod}{LazyTensor,ANY}(x, y = NULL, ...)
#' @rawNamespace export("%*%")
#' @rawNamespace if (getRversion() >= "4.3.0") exportMethods("%*%")
#' @rawNamespace exportMethods(crossprod, tcrossprod)
#' @rawNamespace if (getRversion() >= "4.3.0") S3method(matrixOps, LazyTensor)
#' @rawNamespace if (getRversion() >= "4.3.0") S3method(matrixOps, LinearOperator)
#' @rawNamespace if (getRversion() >= "4.3.0") S3method(matrixOps, RecordedValue)
#' @rawNamespace if (getRversion() >= "4.3.0") S3method(chooseOpsMethod, LazyTensor)
#' @rawNamespace if (getRversion() >= "4.3.0") S3method(chooseOpsMethod, LinearOperator)
#' @rawNamespace exportClasses(LazyTensor, ComplexLazyTensor, LinearOperator, RecordedValue)
NULL

# The help page of products, of the methods of set_product_methods().
product_aliases <- function() {
  ours <- c("LazyTensor", "LinearOperator", "RecordedValue")
  pairs <- c(outer(ours, c("ANY", ours), paste, sep = ","), paste0("ANY,", ours))
  paste("@aliases", paste0(rep(c("%*%", "crossprod", "tcrossprod"), each = length(pairs)), ",", pairs, "-method",
                           collapse = " "))
}

classes_of_matrices <- c("LazyTensor", "LinearOperator", "RecordedValue")

# Before R 4.3 nothing but a function in front of base R's takes objects without the S4 bit.
if (getRversion() < "4.3.0") `%*%` <- function(x, y) {
  if (inherits(x, classes_of_matrices) || inherits(y, classes_of_matrices)) matrix_operation("%*%", x, y)
  else base::`%*%`(x, y)
}

# The group has crossprod() and tcrossprod() from R 4.4 on, with one argument or two.
matrixOps.LazyTensor <- function(x, y = NULL, ...) matrix_operation(.Generic, x, y, list(...))
matrixOps.LinearOperator <- matrixOps.LazyTensor
matrixOps.RecordedValue <- matrixOps.LazyTensor

set_product_methods <- function(name, method) {
  ours <- classes_of_matrices
  for (class in ours) {
    setMethod(name, c(class, "ANY"), method, where = topenv())
    setMethod(name, c("ANY", class), method, where = topenv())
    for (other in ours) setMethod(name, c(class, other), method, where = topenv())
  }
}

# From R 4.3 and 4.4 on these are for products with S4 objects, which R tries before S3 methods.
if (in_namespace) {
  if (getRversion() >= "4.3.0")
    set_product_methods("%*%", function(x, y) matrix_operation("%*%", x, y))
  set_product_methods("crossprod", function(x, y = NULL, ...)
    matrix_operation("crossprod", x, y, list(...)))
  set_product_methods("tcrossprod", function(x, y = NULL, ...)
    matrix_operation("tcrossprod", x, y, list(...)))
}

# Either LazyTensor or both. `given`: options, and which pairs.
matrix_operation <- function(name, x, y, given = NULL) {
  if (!length(given) && name != "tcrossprod") {
    out <- .Call(C_product, x, y, if (name == "%*%") "j" else "i")
    if (!is.null(out)) return(checked(out))
  }
  if (is.null(y) && name != "%*%") y <- x
  if (!is_matrix_like(x) && !is_matrix_like(y)) return(recorded_product(name, x, y))
  if (is_linear(x) || is_linear(y)) return(linear_product(name, x, y))
  left <- !is.LazyTensor(x)
  if (length(given) && is_restricting(given)) {
    if (left) y <- restricted(y, given) else x <- restricted(x, given)
    given <- without_walk(given)
  }
  if (length(given) && "call" %in% names(given)) check_sums(FALSE, 1L, call = given[["call"]])
  index <- switch(name, crossprod = "i", tcrossprod = "j", if (left) "i" else "j")
  if (is.LazyTensor(x) && is.LazyTensor(y)) return(product_of_lazy(name, x, y, index, given))
  # a plain matrix has its rows along the index that is summed over, or its columns
  by_columns <- name == "tcrossprod" || name == "%*%" && left
  if (left) t_of_each(product_with(y, x, "x", index, by_columns, left, given))
  else product_with(x, y, "y", index, by_columns, left, given)
}

product_with <- function(x, b, name, index, by_columns, left, given = NULL) {
  shape <- dim(b)
  names <- names_of(b)[[if (by_columns) 1L else 2L]]
  batch <- if (length(shape) > 2L) factor_batch(x, b)
  b <- as_factor(b, name, by_columns, batch)
  kind <- paste0("V", index)
  if (nrow(b) != row_count(x, kind))
    refuse_factor(x, nrow(b), if (length(shape) == 2L) c("rows", "columns")[1L + by_columns], kind,
                  left)
  b <- leaf(b, kind, walk = if (length(batch)) new_walk(batch = batch))
  out <- reduce(if (left) b * x else x * b, "Sum", index, given)
  if (length(names) == ncol(out)) colnames(out) <- names
  out
}

refuse_factor <- function(x, found, unit, kind, left) {
  facts <- c(sizes_of(x), if (is.null(unit)) paste("length", found) else paste(found, unit))
  expected <- if (!kind %in% part(x, "kind"))
                paste("a LazyTensor that depends on", substring(kind, 2L))
              else if (is.null(unit)) paste("length", row_count(x, kind))
              else paste(row_count(x, kind), unit)
  throw("shape", operands_with(if (left) rev(facts) else facts), ": expected ", expected)
}

# A plain factor as a matrix with one row for each position of the index that is summed over.
as_factor <- function(x, name, by_columns, batch = NULL) {
  if (length(batch)) return(if (by_columns) t_of_each(x) else x)
  is_vector <- length(dim(x)) != 2L
  if (is_recorded(x)) return(if (by_columns) t(as_recorded_matrix(x)) else as_recorded_matrix(x))
  x <- plain_numbers(x, name, complex_too = TRUE)
  if (is_gpu(x) && (by_columns || is_vector)) x <- gpu_values(x)
  if (is_vector) matrix(x, ncol = 1L) else if (by_columns) t(x) else x
}

# The sum over `index` where one factor does not depend on the index that is kept.
product_of_lazy <- function(name, x, y, index, given) {
  kept <- if (index == "i") "Vj" else "Vi"
  if (!kept %in% part(y, "kind")) return(reduce(x * y, "Sum", index, given))
  if (name == "%*%") {
    if (!"Vj" %in% part(y, "kind")) refuse_product(x, y)
    return(linear_product(name, x, y))
  }
  if (kept %in% part(x, "kind")) return(linear_product(name, x, y))
  t_of_each(reduce(x * y, "Sum", index, given))
}

# Of K %*% L where L depends on i alone.
refuse_product <- function(x, y) {
  throw("shape", operands_with(sizes_of(x, y)), ": expected a second factor that depends on j, ",
        "such as Vj(b) or a plain matrix b")
}

sizes_of <- function(...) vapply(list(...), function(x)
  paste("dimensions", paste(dim(x)[1:2], collapse = " x "), "(i x j)"), "")

# ---- sums of rows and columns --------------------------------------------------------------------

#' Sums and means of rows and columns, norms
#'
#' Of a LazyTensor of dimension 1, seen as an M x N matrix: sums over j (rows) or i (columns). They
#' are reductions: nothing of that size is stored. So are the norms, but that of type `"2"`, for
#' which the dense matrix is made.
#'
#' @param x a LazyTensor; other objects as in base R.
#' @param na.rm only `FALSE`.
#' @param dims only 1.
#' @param type as in base R: `"O"` for the largest sum of a column, `"I"` for that of a row, `"F"`
#'   for the Frobenius norm, `"M"` for the largest value, `"2"` for the largest singular value.
#' @param ... options of the reduction: `sum_scheme`, `accumulator`, `precision`, `backend`,
#'   `engine`, `device`, and `blocks`, `groups` or `ranges`: see [reductions]. `norm()` has none.
#' @return A vector of length M (rows) or N (columns), with the row names of the matrices that x was
#'   made of. Means are of the pairs that there are, NaN where there are none; see
#'   [restrict_pairs()]. If x has dimension D > 1, a matrix with one column for each component. `norm()`: a
#'   number.
#' @section Errors:
#' `rkeops_error_argument` for another `na.rm`, `dims` or `type`; `rkeops_error_memory` for a norm
#' of type `"2"` of more than 2^30 bytes.
#' @family reductions of LazyTensors
#' @examples
#' x <- matrix(sin(1:30), ncol = 3)
#' y <- matrix(cos(1:60), ncol = 3)
#' K_ij <- exp(-sum((Vi(x) - Vj(y))^2))
#' rowSums(K_ij)
#' head(colMeans(K_ij))
#' norm(K_ij, "F")
#' @name row-sums
#' @usage
#' \S4method{rowSums}{LazyTensor}(x, na.rm = FALSE, dims = 1L, ...)
#'
#' \S4method{colSums}{LazyTensor}(x, na.rm = FALSE, dims = 1L, ...)
#'
#' \S4method{rowMeans}{LazyTensor}(x, na.rm = FALSE, dims = 1L, ...)
#'
#' \S4method{colMeans}{LazyTensor}(x, na.rm = FALSE, dims = 1L, ...)
#'
#' \S4method{norm}{LazyTensor}(x, type = c("O", "I", "F", "M", "2"), ...)
#' @aliases rowSums colSums rowMeans colMeans rowSums,LazyTensor-method colSums,LazyTensor-method
#' @aliases rowMeans,LazyTensor-method colMeans,LazyTensor-method norm norm,LazyTensor-method
#' @aliases norm,LazyTensor,ANY-method norm,LazyTensor,character-method
#' @aliases norm,LazyTensor,missing-method
#' @rawNamespace exportMethods(rowSums, colSums, rowMeans, colMeans, norm)
NULL

sums_over <- function(index, mean = FALSE) {
  force(index)
  force(mean)
  function(x, na.rm = FALSE, dims = 1L, ...) {
    check_sums(na.rm, dims, ...)
    given <- list(...)
    if (is_restricting(given)) x <- restricted(x, given)
    out <- reduce(x, "Sum", index, without_walk(given))
    kept <- if (index == "j") "i" else "j"
    if (mean) out <- out / (if ("pairs" %in% names(given)) sizes_of_pairs(x, given[["pairs"]], kept)
                            else pairs_of_rows(x, kept))
    if (length(dim(out)) > 2L) components_dropped(out)
    else if (part(x, "dimres") == 1L) out[, 1L] else out
  }
}

check_sums <- function(na.rm, dims, ..., call = TRUE) {
  if (!identical(na.rm, FALSE))
    unexpected(na.rm, "na.rm", "FALSE; sums do not skip NaN")
  if (!is_number(dims) || !dims %in% 1)
    unexpected(dims, "dims", "1 for a LazyTensor")
  if (!isTRUE(call))
    unexpected(call, "call", "TRUE; sum(x, index = , call = FALSE) makes an operator")
}

# Norms of the dense matrix by reductions; that of type "2" needs its singular values.
norm_of <- function(x, type = c("O", "I", "F", "M", "2"), ...) {
  check_no_batch(x, "norm(x)", "rowSums() and the like have")
  if (missing(type)) type <- "O"
  type <- check_choice(if (is_string(type)) upper(readable(type)) else type, "type",
                       c("O", "1", "I", "F", "E", "M", "2"))
  if (type == "2") return(base::norm(as.matrix(x), "2"))
  if (part(x, "dimres") != 1L || any(dim(x)[1:2] < 2L)) return(base::norm(abs(as.matrix(x)), type))
  switch(type,
    O = , `1` = max(colSums(abs(x))),
    I = max(rowSums(abs(x))),
    F = , E = sqrt(sum(rowSums(abs(x)^2))),
    M = max(0, max(abs(x), "j"))) # of a row without pairs: -Inf
}

if (in_namespace) {
  setMethod("norm", c("LazyTensor", "ANY"), norm_of)
  setMethod("norm", c("LazyTensor", "character"), norm_of) # others have methods for these, of ANY
  setMethod("norm", c("LazyTensor", "missing"), norm_of)
  setMethod("rowSums", "LazyTensor", sums_over("j"))
  setMethod("colSums", "LazyTensor", sums_over("i"))
  setMethod("rowMeans", "LazyTensor", sums_over("j", mean = TRUE))
  setMethod("colMeans", "LazyTensor", sums_over("i", mean = TRUE))
  setMethod("rowSums", "LinearOperator", sums_of_linear(by_rows = TRUE))
  setMethod("colSums", "LinearOperator", sums_of_linear(by_rows = FALSE))
  setMethod("rowMeans", "LinearOperator", sums_of_linear(by_rows = TRUE, mean = TRUE))
  setMethod("colMeans", "LinearOperator", sums_of_linear(by_rows = FALSE, mean = TRUE))
}

# ---- values --------------------------------------------------------------------------------------

#' Values of a LazyTensor
#'
#' `as.matrix()` and `as.array()` compute all values of a LazyTensor, at all pairs (i, j), and store
#' them: they are for small ones, and for looking at them. `x[i, j]` computes a block of them, see
#' [components]. `diag()` computes those at the pairs (i, i), which takes no more memory than the
#' result. `which()` of a comparison looks at all values. Pairs that [restrict_pairs()] left out are
#' 0, or FALSE.
#'
#' @param x a LazyTensor; for `as.matrix()` of dimension 1.
#' @param max_size the most bytes that the result may have; 2^30 is 1 GB.
#' @param nrow,ncol for other objects, as in base R.
#' @param names whether `diag()` keeps row names that i and j have in common.
#' @param mode,arr.ind,useNames as in base R.
#' @param ... not used.
#' @return Numbers, complex numbers, or logical values of comparisons. `as.matrix()`: an M x N
#'   matrix; `as.array()`: an array M x N x D; `as.vector()`, `as.numeric()`: its elements. M or N
#'   is 1 where x does not depend on the index. `diag()`: a vector, or a matrix with D columns.
#'   `which()`: positions in the dense matrix. They have the row names of the matrices that x was
#'   made of.
#' @section Errors:
#' `rkeops_error_memory` if the result takes more than `max_size`; `rkeops_error_shape` from
#' `as.matrix()` of dimension above 1.
#' @family functions of LazyTensors
#' @examples
#' x <- matrix(sin(1:6), ncol = 2)
#' y <- matrix(cos(1:8), ncol = 2)
#' K_ij <- exp(-sum((Vi(x) - Vj(y))^2))
#' as.matrix(K_ij)
#' dim(as.array(Vi(x) - Vj(y)))
#' diag(exp(-sum((Vi(x) - Vj(x))^2)))
#' @name values
#' @aliases diag diag,LazyTensor-method which which,LazyTensor-method
#' @usage \S4method{diag}{LazyTensor}(x = 1, nrow, ncol, names = TRUE)
#'
#' \S4method{which}{LazyTensor}(x, arr.ind = FALSE, useNames = TRUE)
#' @rawNamespace exportMethods(diag, which)
NULL

#' @rdname values
#' @method as.matrix LazyTensor
#' @export
as.matrix.LazyTensor <- function(x, ..., max_size = 2^30) {
  if (part(x, "dimres") != 1L)
    throw("shape", "`x` has dimension ", part(x, "dimres"), ": expected dimension 1, such as ",
          "x[1]; as.array(x) has all components")
  check_no_batch(x, "as.matrix(x)", "as.array(x) has")
  size <- dim(x)
  values_of_block(x, seq_len(size[1L]), seq_len(size[2L]), NULL, max_size)
}

#' @rdname values
#' @method as.array LazyTensor
#' @export
as.array.LazyTensor <- function(x, ..., max_size = 2^30) {
  size <- dim(x)
  values_of_block(x, seq_len(size[1L]), seq_len(size[2L]), seq_len(size[3L]), max_size)
}

#' @rdname values
#' @method as.vector LazyTensor
#' @export
as.vector.LazyTensor <- function(x, mode = "any") as.vector(as.array(x), mode)

#' @rdname values
#' @method as.double LazyTensor
#' @export
as.double.LazyTensor <- function(x, ...) as.double(as.array(x, ...))

#' @export
as.integer.LazyTensor <- function(x, ...) as.integer(as.array(x, ...))

#' @export
as.logical.LazyTensor <- function(x, ...) as.logical(as.array(x, ...))

#' @export
as.complex.LazyTensor <- function(x, ...) as.complex(as.array(x, ...))

#' @export
as.data.frame.LazyTensor <- function(x, ...) as.data.frame(as.matrix(x), ...)

diagonal <- function(x = 1, nrow, ncol, names = TRUE) {
  if (!missing(nrow) || !missing(ncol))
    throw("argument", "`nrow` or `ncol` is given: expected none of them, for a LazyTensor")
  n <- min(dim(x)[1:2])
  if (is_spread(x))
    return(components_dropped(components_second(
      values_in_batches(x, n, function(at) list(i = at, j = at)))))
  values <- values_of_pairs(x, n, function(at) list(i = at, j = at))
  labels <- list(row_names(x, "Vi")[seq_len(n)], row_names(x, "Vj")[seq_len(n)])
  labels <- if (names && identical(labels[[1L]], labels[[2L]])) labels[[1L]]
  if (part(x, "dimres") > 1L) matrix(values, n, dimnames = if (length(labels)) list(labels, NULL))
  else if (length(labels)) structure(values, names = labels)
  else values
}

if (in_namespace) {
  setMethod("diag", "LazyTensor", diagonal)
  setMethod("diag", "LinearOperator", function(x = 1, nrow, ncol, names = TRUE) {
    labels <- lapply(dimnames(x), utils::head, min(dim(x)))
    with_names(diagonal_of(x), if (names && length(labels) && identical(labels[[1L]], labels[[2L]])) labels[[1L]])
  })
  setMethod("which", "LazyTensor", function(x, arr.ind = FALSE, useNames = TRUE)
    which(as.matrix(x), arr.ind, useNames))
}

# An array of the values at rows i, j and components k; a matrix if k is NULL and x of dimension 1.
values_of_block <- function(x, i, j, k = NULL, max_size = 2^30) {
  m <- length(i)
  is_matrix <- is.null(k)
  if (is_matrix) k <- 1L
  check_size(x, c(m, length(j), length(k), part(x, "walk")$batch), max_size)
  values <- if (is_spread(x)) values_of_batches(x, i, j, k) else
    values_of_pairs(x, as.double(m) * length(j), function(at) rows_of_block(at, i, j), k, m)
  names <- list(row_names(x, "Vi")[i], row_names(x, "Vj")[j])
  # in place, as the values may fill half of the memory
  batch <- part(x, "walk")$batch
  dim(values) <- c(m, length(j), if (!is_matrix) length(k), batch)
  if (length(unlist(names)))
    dimnames(values) <- c(names, vector("list", length(dim(values)) - 2L))
  values
}

# The rows of the pairs `at`, which follow each other in a block stored by columns.
rows_of_block <- function(at, i, j) {
  m <- length(i)
  n <- length(at)
  before <- at[1L] - 1
  columns <- seq(before %/% m, (at[n] - 1) %/% m) + 1
  rows <- list(i = rep.int(i, length(columns)), j = rep(j[columns], each = m))
  if (length(rows$i) == n) rows else lapply(rows, `[`, before %% m + seq_len(n))
}

check_size <- function(x, size, max_size = 2^30) {
  check_positive(max_size, "max_size")
  bytes <- dense_bytes(x, size)
  if (bytes <= max_size) return(invisible())
  throw("memory", "the values are ", paste(size, collapse = " x "), " (i x j x dimension), ",
        size_text(bytes), ", and `max_size` is ", size_text(max_size), ": expected fewer rows, ",
        "x[i, j]; reductions and products need no dense values")
}

# Bytes of an R array of values of x.
dense_bytes <- function(x, size) {
  prod(size) * if (part(x, "complex")) 16 else if (part(x, "logical")) 4 else 8
}

# The values at n pairs, components k one after the other. pairs(at) are the rows of the pairs
# `at`; so many are taken at a time that copies of rows take about 32 MB, if possible a multiple of
# `m`.
values_of_pairs <- function(x, n, pairs, k = seq_len(part(x, "dimres")), m = 1L) {
  out <- new_values(x, n * length(k))
  if (!length(out)) return(out)
  x <- on_host(x)
  blocks <- blocks_of(x)
  width <- sum(vapply(part(x, "data"), NCOL, 1L)) + part(x, "dimres")
  chunk <- max(1, 2^22 %/% width)
  if (m <= chunk) chunk <- chunk - chunk %% m
  for (first in seq(1, n, by = chunk)) {
    at <- first:min(n, first + chunk - 1)
    rows <- pairs(at)
    if (!is.null(blocks)) { # pairs that are left out stay 0
      kept <- is_kept(blocks, rows$i, rows$j)
      at <- at[kept]
      rows <- lapply(rows, `[`, kept)
    }
    if (!length(at)) next
    values <- values_at(x, rows$i, rows$j)
    if (length(k) == 1L && ncol(values) == 1L) out[at] <- values
    else for (p in seq_along(k)) out[at + (p - 1) * n] <- values[, k[p]]
  }
  out
}

new_values <- function(x, n) {
  type <- if (part(x, "complex")) "complex" else if (part(x, "logical")) "logical" else "double"
  tryCatch(vector(type, n), error = function(e)
    throw("memory", "the values take ", size_text(dense_bytes(x, n)), ": R cannot allocate them"))
}

# The values at the pairs of rows (i[1], j[1]), (i[2], j[2]), ...: a matrix with one column for each
# component. All variables become variables of i, with rows repeated, and nothing is left to sum.
values_at <- function(x, i, j) {
  out <- values_of_list(with_walk(x, NULL), new_pairs(as.integer(i), as.integer(j)))
  if (is.matrix(out)) out else matrix(out)
}

# With matrices that lie on a GPU copied back.
on_host <- function(x) {
  data <- part(x, "data")
  if (!any(vapply(data, is_gpu, NA))) return(x)
  of_variables(x, "host", part(x, "kind"),
               lapply(data, function(v) if (is_gpu(v)) array(gpu_values(v), dim(v)) else v),
               part(x, "walk"))
}

# ---- names ---------------------------------------------------------------------------------------

#' @export
dimnames.LazyTensor <- function(x) {
  names <- list(row_names(x, "Vi"), row_names(x, "Vj"), NULL)
  if (length(unlist(names))) names
}

# Those of the first matrix of that kind that has row names.
row_names <- function(x, kind) {
  for (v in part(x, "data")[part(x, "kind") == kind])
    if (!is.null(names <- dimnames(v)[[1L]])) return(names)
}
