# Linear operators: matrices that are never stored, made of LazyTensors.
#
# A LinearOperator is plain R data, a tree. A node is a list of
#   op     "kernel": a LazyTensor of dimension 1; "diagonal": a number or a value for each row;
#          "sum", "product", from left to right, or "scale", a number times a part
#   value  the LazyTensor, the diagonal, the number
#   parts  other nodes
#   size   numbers of rows and columns
#   pieces of a diagonal, what it is the sum of: list(data, kind, id, by), a number or a value for each row,
#          times the number `by`; kind and identifier if it is that of a LazyTensor
# All that computes with it is a function of nodes: products, columns, the diagonal, the exchange of
# rows and columns.

new_linear <- function(op, value = NULL, parts = list(), size = parts[[1L]]$size)
  structure(class = "LinearOperator", list(op = op, value = value, parts = parts, size = size))

is_linear <- function(x) inherits(x, "LinearOperator")

# A LazyTensor or a LinearOperator as a node.
as_linear <- function(x, name = "x") {
  check_given(x, name, "a LazyTensor")
  if (is_linear(x)) return(x)
  check_lazy(x, name)
  if (part(x, "dimres") != 1L)
    throw("shape", "`", name, "` has dimension ", part(x, "dimres"), ": expected dimension 1, a matrix")
  if (part(x, "complex"))
    throw("argument", "`", name, "` is complex: expected real numbers")
  check_no_batch(x, paste0("`", name, "` as a matrix"), "x %*% b has")
  new_linear("kernel", x, size = dim(x)[1:2])
}

is_square <- function(x) x$size[1L] == x$size[2L]

square_linear <- function(x, name = "x") {
  x <- as_linear(x, name)
  if (!is_square(x))
    throw("shape", "`", name, "` has ", size_of_linear(x), ": expected as many rows i as j")
  x
}

new_diagonal <- function(pieces, n) {
  value <- Reduce(`+`, lapply(pieces, function(piece) {
    x <- reshape(piece$data, NULL)
    if (piece$by == 1) x else piece$by * x
  }))
  x <- new_linear("diagonal", value, size = c(n, n))
  x$pieces <- pieces
  x
}

diagonal_piece <- function(data, kind = "", id = character())
  list(data = data, kind = kind, id = id, by = 1)

scaled_linear <- function(x, by) {
  if (is_recorded(by) && x$op == "diagonal")
    new_diagonal(list(diagonal_piece(by * x$value)), x$size[1L])
  else if (is_recorded(by)) new_linear("scale", by, list(x))
  else if (by == 1) x
  else if (x$op == "diagonal")
    new_diagonal(lapply(x$pieces, function(piece) replace(piece, "by", by * piece$by)), x$size[1L])
  else if (x$op == "scale") scaled_linear(x$parts[[1L]], by * x$value)
  else if (x$op == "sum") new_linear("sum", parts = lapply(x$parts, scaled_linear, by))
  else new_linear("scale", by, list(x))
}

sum_of_linear <- function(x, y) {
  if (!identical(x$size, y$size))
    throw("shape", operands_with(c(size_of_linear(x), size_of_linear(y))), ": expected equal sizes")
  terms <- c(terms_of(x), terms_of(y))
  is_diagonal <- vapply(terms, function(t) t$op == "diagonal", NA)
  ridge <- if (any(is_diagonal))
    list(new_diagonal(unlist(lapply(terms[is_diagonal], `[[`, "pieces"), recursive = FALSE), x$size[1L]))
  terms <- c(terms[!is_diagonal], ridge)
  if (length(terms) == 1L) terms[[1L]] else new_linear("sum", parts = terms)
}

terms_of <- function(x) if (x$op == "sum") x$parts else list(x)

product_of_linear <- function(x, y) {
  if (x$size[2L] != y$size[1L])
    throw("shape", operands_with(c(size_of_linear(x), size_of_linear(y))), ": expected ",
          x$size[2L], " rows of the second factor")
  factors <- c(factors_of(x), factors_of(y))
  new_linear("product", parts = factors, size = c(x$size[1L], y$size[2L]))
}

factors_of <- function(x) if (x$op == "product") x$parts else list(x)

size_of_linear <- function(x) paste("dimensions", times(x$size), "(i x j)")

# ---- what users make -----------------------------------------------------------------------------

#' Linear operators: ridges, sums and products of kernel matrices
#'
#' A LazyTensor K of dimension 1 stands for a matrix. `add_ridge(K, alpha)` stands for K + alpha I, and
#' the product of two LazyTensors that depend on both indices, `K %*% L`, for the product of both
#' matrices. Neither is computed: they are linear operators, matrices that are never stored, with what
#' matrices have.
#'
#' Numbers times linear operators, their sums, products and `crossprod()` are linear operators again,
#' and so is `K + Diagonal(n, alpha)` of package Matrix. The product with a plain vector or matrix is
#' computed at once, from the right to the left: `(K %*% L) %*% b` takes the time of two products,
#' `K %*% (L %*% b)`. `x[i, j]` and `as.matrix(x)` are plain matrices. Row names of the data of K are names
#' of rows and columns, in results and for `x[i, j]`, too.
#'
#' @param x a LazyTensor of dimension 1 with as many rows i as j, or a square linear operator; in the
#'   methods a linear operator.
#' @param alpha what is added to the diagonal: a number, or a value for each row. [Pm()] or [Vi()] of it is
#'   a variable for [gradient()].
#' @param i,j positions or names, as for matrices.
#' @param drop whether one row or one column becomes a vector.
#' @param max_size the most bytes that the dense matrix may have.
#' @param ... not used.
#' @return `add_ridge()`: an object of class `LinearOperator`. It has `dim()`, c(M, N); `dimnames()`; `t()`,
#'   `%*%`, `crossprod()`, `diag()`, `rowSums()`, `colMeans()` and the like, `x[i, j]`, `as.matrix()` and
#'   `print()`. Products with plain vectors and matrices are plain matrices, sums and means (of all N, or M,
#'   entries) take one product.
#' @section Errors:
#' `rkeops_error_shape` where sizes do not fit or `x` is not square; `rkeops_error_argument` for an
#' `alpha` that is not finite or has another length; `rkeops_error_memory` for a dense matrix of more
#' than `max_size` bytes.
#' @seealso [solve.LazyTensor()]
#' @family linear operators
#' @examples
#' x <- matrix(sin(1:30), ncol = 3)
#' K <- exp(-sqdist(Vi(x), Vj(x)))
#' A <- add_ridge(K, 0.1)
#' A
#' A %*% (1:10)
#' A[1:2, 1:3]
#' (K %*% K) %*% (1:10)
#' @aliases LinearOperator LinearOperator-class diag,LinearOperator-method rowSums,LinearOperator-method
#' @aliases colSums,LinearOperator-method rowMeans,LinearOperator-method colMeans,LinearOperator-method
#' @export
add_ridge <- function(x, alpha) {
  x <- square_linear(x)
  check_given(alpha, "alpha", "a number, or a value for each row")
  n <- x$size[1L]
  piece <- if (is.LazyTensor(alpha)) ridge_of_variable(alpha)
           else if (is_recorded(alpha)) diagonal_piece(reshape(alpha, NULL))
           else if (is.numeric(alpha) && !is.object(alpha)) diagonal_piece(as.double(alpha))
  values <- value_of(piece$data)
  if (is.null(piece) || !length(values) %in% c(1L, n) || !all(is.finite(values)))
    unexpected(value_of(alpha), "alpha", "a finite number, or ", n, " of them, one for each row")
  sum_of_linear(x, new_diagonal(list(piece), n))
}

# A variable, so that there are derivatives by it.
ridge_of_variable <- function(x) {
  if (length(part(x, "table")) || part(x, "dimres") != 1L || part(x, "complex") || is_spread(x) ||
      is_gpu(part(x, "data")[[1L]]))
    throw("argument", "`alpha` is a LazyTensor that was computed, or of several numbers a row: expected ",
          "Pm() of a number, or Vi() of a number for each row")
  diagonal_piece(part(x, "data")[[1L]], part(x, "kind"), names(part(x, "leaves")))
}

#' @export
dim.LinearOperator <- function(x) x$size

#' @export
dimnames.LinearOperator <- function(x) {
  names <- list(names_along(x, 1L), names_along(x, 2L))
  if (length(unlist(names))) names
}

# Names of rows (1) or columns (2), NULL for none.
names_along <- function(x, side) {
  switch(x$op,
    kernel = row_names(x$value, c("Vi", "Vj")[side]),
    diagonal = NULL,
    product = names_along(x$parts[[if (side == 1L) 1L else length(x$parts)]], side),
    for (part in x$parts) if (!is.null(names <- names_along(part, side))) return(names))
}

#' @export
format.LinearOperator <- function(x, ...) {
  kernels <- named_kernels(x)
  c(paste0("<LinearOperator> ", times(x$size), " (i x j): ",
           expression_text(x, stats::setNames(names(kernels), vapply(kernels, root_of, "")))),
    sprintf("%s: %s", names(kernels), vapply(kernels, function(K) shortened(formula_of(K)), "")))
}

#' @export
print.LinearOperator <- function(x, ...) {
  cat(format(x), sep = "\n")
  invisible(x)
}

#' @export
str.LinearOperator <- function(object, ...) cat("", format(object)[1L], "\n")

kernels_of <- function(x) {
  if (x$op == "kernel") list(x$value) else unlist(lapply(x$parts, kernels_of), recursive = FALSE)
}

# Those of different formulas, with names: K, or K1, K2, ...
named_kernels <- function(x) {
  kernels <- kernels_of(x)
  kernels <- kernels[!duplicated(vapply(kernels, root_of, ""))]
  stats::setNames(kernels, if (length(kernels) == 1L) "K" else paste0("K", seq_along(kernels)))
}

# "K1 %*% K2 + 0.1 I". `names`: of kernels, by the identifiers of their values.
expression_text <- function(x, names, inside = FALSE) {
  of_parts <- function(inside) vapply(x$parts, expression_text, "", names, inside)
  text <- switch(x$op,
    kernel = names[[root_of(x$value)]],
    diagonal = if (length(x$value) == 1L) paste(short_number(x$value), "I")
               else paste0("diag(", short_number(min(x$value)), " to ", short_number(max(x$value)), ")"),
    scale = paste(short_number(x$value), "*", of_parts(TRUE)),
    sum = gsub(" + -", " - ", paste(of_parts(FALSE), collapse = " + "), fixed = TRUE),
    product = paste(of_parts(TRUE), collapse = " %*% "))
  if (inside && x$op %in% c("sum", "scale")) paste0("(", text, ")") else text
}

#' @export
t.LinearOperator <- function(x) {
  switch(x$op,
    kernel = new_linear("kernel", t(x$value), size = rev(x$size)),
    diagonal = x,
    new_linear(x$op, x$value, lapply(if (x$op == "product") rev(x$parts) else x$parts, t),
               rev(x$size)))
}

# Of operands of which at least one is a linear operator, or a LazyTensor beside a diagonal matrix.
linear_arithmetic <- function(operator, x, y) {
  if (missing(y))
    switch(operator, "+" = x, "-" = scaled_linear(x, -1), refuse_linear(operator))
  else if (operator == "*" && is_factor_of_linear(x)) scaled_linear(as_linear(y), check_finite(x))
  else if (operator == "*" && is_factor_of_linear(y)) scaled_linear(as_linear(x), check_finite(y))
  else if (operator == "/" && is_factor_of_linear(y)) scaled_linear(as_linear(x), check_finite(1 / y))
  else if (operator == "+") sum_of_linear(as_term(x, y), as_term(y, x))
  else if (operator == "-") sum_of_linear(as_term(x, y), scaled_linear(as_term(y, x), -1))
  else refuse_linear(operator)
}

is_factor_of_linear <- function(x) if (is_recorded(x)) length(x) == 1L else is_number(x)

check_finite <- function(x) {
  if (!is.finite(x)) throw("argument", "a factor is ", describe(x), ": expected a finite number")
  if (is_recorded(x)) reshape(x, NULL) else as.double(x)
}

refuse_linear <- function(operator)
  throw("argument", "`", operator, "` of a linear operator: expected sums, differences and multiples of ",
        "matrices; entries are multiplied as LazyTensors, before they are one")

# A term of a sum: a LazyTensor, a linear operator, or the diagonal of a matrix that has no more.
as_term <- function(x, other) {
  if (is_linear(x) || is.LazyTensor(x)) return(as_linear(x))
  values <- diagonal_values(x)
  if (is.null(values))
    throw("argument", "an operand is ", describe(x), ": expected a LazyTensor, a linear operator or a ",
          "diagonal matrix; add_ridge(x, alpha) adds a number to the diagonal")
  n <- nrow(x)
  if (length(values) && all(values == values[1L])) values <- values[1L]
  new_diagonal(list(diagonal_piece(values)), n)
}

# The diagonal of a square matrix that is 0 beside it, NULL of others.
diagonal_values <- function(x) {
  size <- dim(x)
  if (length(size) != 2L || size[1L] != size[2L] || !size[1L]) return(NULL)
  if (methods::is(x, "Matrix")) # its classes have methods that make triangular ones of diagonal ones
    return(if (Matrix::isDiagonal(x)) as.double(Matrix::diag(x)))
  if (is.object(x) || !(is.numeric(x) || is.logical(x))) return(NULL)
  values <- base::diag(x)
  if (!anyNA(x) && sum(x != 0) == sum(values != 0) && all(is.finite(values))) as.double(values)
}

#' @rdname add_ridge
#' @export
as.matrix.LinearOperator <- function(x, ..., max_size = 2^30) with_names(dense_linear(x, max_size), dimnames(x))

# Without names.
dense_linear <- function(x, max_size = 2^30) {
  bytes <- 8 * prod(x$size)
  if (bytes > max_size)
    throw("memory", "the matrix is ", times(x$size), ", ", size_text(bytes), ", and `max_size` is ",
          size_text(max_size), ": expected fewer rows, x[i, j]; products need no dense matrix")
  columns_of(x, seq_len(x$size[2L]))
}

# Of a matrix or a vector; recorded values have none.
with_names <- function(x, names) {
  if (is.null(names) || is_recorded(x)) return(x)
  if (is.list(names)) dimnames(x) <- names else names(x) <- names
  x
}

#' @rdname add_ridge
#' @export
`[.LinearOperator` <- function(x, i, j, drop = TRUE) {
  if (nargs() - (!missing(drop)) < 3L)
    throw("argument", "`x[k]` of a linear operator: expected x[i, j], an entry or a block")
  names <- dimnames(x)
  i <- if (missing(i)) seq_len(x$size[1L]) else positions_in(i, x$size[1L], "i", names[[1L]])
  j <- if (missing(j)) seq_len(x$size[2L]) else positions_in(j, x$size[2L], "j", names[[2L]])
  out <- if (length(i) && length(j)) columns_of(x, j, i) else matrix(0, length(i), length(j))
  if (!is.null(names)) out <- with_names(out, list(names[[1L]][i], names[[2L]][j]))
  if (drop) base::drop(out) else out
}

positions_in <- function(i, n, name, names) {
  at <- if (is.character(i)) match(i, names) else tryCatch(seq_len(n)[i], error = function(e) NA)
  if (anyNA(at))
    unexpected(i, name, "positions from 1 to ", n, if (is.character(i)) if (length(names)) ", or names of them" else "; there are no names")
  at
}

# rowSums() and the like, of a matrix.
sums_of_linear <- function(by_rows, mean = FALSE) {
  force(by_rows)
  force(mean)
  function(x, na.rm = FALSE, dims = 1L, ...) {
    check_sums(na.rm, dims)
    check_no_more(..., of = paste0(if (by_rows) "row" else "col", if (mean) "Means" else "Sums"),
                  known = c("x", "na.rm", "dims"))
    if (!by_rows) x <- t(x)
    out <- reshape(linear_times(x, rep(1, x$size[2L]), "y"), NULL)
    with_names(if (mean) out / x$size[2L] else out, names_along(x, 1L))
  }
}

# ---- products ------------------------------------------------------------------------------------

# x %*% b, t(x) %*% b (crossprod) or x %*% t(b) (tcrossprod), where one at least is a linear operator.
linear_product <- function(name, x, y) {
  if (is_matrix_like(x) && is_matrix_like(y)) {
    x <- as_linear(x)
    y <- as_linear(y, "y")
    return(product_of_linear(if (name == "crossprod") t(x) else x, if (name == "tcrossprod") t(y) else y))
  }
  if (is_matrix_like(y)) { # from the left: the exchanged product of what is exchanged
    y <- as_linear(y, "y")
    return(t(linear_times(if (name == "tcrossprod") y else t(y),
                          if (name == "crossprod") x else t_plain(x), "x")))
  }
  if (name == "tcrossprod") y <- t_plain(y)
  x <- as_linear(x)
  linear_times(if (name == "crossprod") t(x) else x, y, "y")
}

is_matrix_like <- function(x) is.LazyTensor(x) || is_linear(x)

# A vector is a row or a column, as it fits.
t_plain <- function(x) if (length(dim(x)) == 2L) t(x) else x

linear_times <- function(x, b, name) {
  names <- names_of(b)[[2L]]
  b <- as_factor(b, name, FALSE)
  if (nrow(b) != x$size[2L])
    throw("shape", "`", name, "` has ", nrow(b), " rows: expected ", x$size[2L])
  out <- multiplier(x, ncol(b))(b)
  if (length(names) == ncol(out)) colnames(out) <- names
  out
}

# A function of plain matrices of p columns, the product with them: what does not depend on them is made
# once. `precision`: NULL, that of the options.
multiplier <- function(x, p, precision = NULL) {
  inner <- lapply(x$parts, multiplier, p, precision)
  value <- x$value
  switch(x$op,
    kernel = kernel_multiplier(value, p, precision),
    diagonal = function(v) value * v,
    scale = function(v) value * inner[[1L]](v),
    sum = function(v) Reduce(`+`, lapply(inner, function(f) f(v))),
    product = function(v) Reduce(function(v, f) f(v), rev(inner), v))
}

# At most so many columns meet a pair in one walk: the sums of more do not stay near the processor.
columns_at_once <- 64L

kernel_multiplier <- function(K, p, precision) {
  if (any_recorded(part(K, "data"))) return(function(v) kernel_times_recorded(K, v, precision))
  if (p > columns_at_once) {
    full <- kernel_multiplier(K, columns_at_once, precision)
    rest <- if (p %% columns_at_once) kernel_multiplier(K, p %% columns_at_once, precision)
    return(function(v) do.call(cbind, lapply(split_columns(ncol(v)), function(at)
      (if (length(at) == columns_at_once) full else rest)(v[, at, drop = FALSE]))))
  }
  v <- Vj(matrix(0, row_count(K, "Vj"), p))
  state <- product_state(K, v, precision)
  program <- program_of_state(state)
  at <- state$leaves[[root_of(v)]]
  data <- lapply(state$data, interleaved)
  function(v) {
    if (is_recorded(v)) return(kernel_times_recorded(K, v, precision))
    data[[at]] <- v
    as_result(run_arranged(program, data), state, 1L)
  }
}

# The product with the variable v.
product_state <- function(K, v, precision)
  reduction_state(K * v, "Sum", "j",
                  options = if (!is.null(precision)) call_options(list(precision = precision))$options)

# The product where K or v are recorded.
kernel_times_recorded <- function(K, v, precision)
  reduce(K * leaf(v, "Vj"), "Sum", "j", if (!is.null(precision)) list(precision = precision))

split_columns <- function(p) split(seq_len(p), (seq_len(p) - 1L) %/% columns_at_once)

# ---- what it is made of --------------------------------------------------------------------------

# The numbers in all nodes, in an order of their own: list(data, kind, id) of each, kind "" where it is no
# variable.
entries_of <- function(x) {
  switch(x$op,
    kernel = entries_of_lazy(x$value),
    diagonal = x$pieces,
    c(if (x$op == "scale") list(list(data = x$value, kind = "", id = character())),
      unlist(lapply(x$parts, entries_of), recursive = FALSE)))
}

entries_of_lazy <- function(x) {
  leaves <- part(x, "leaves")
  data <- part(x, "data")
  lapply(seq_along(data), function(k)
    list(data = data[[k]], kind = part(x, "kind")[k], id = names(leaves)[leaves == k]))
}

# The same operator of other numbers, as many as it has entries.
with_entries <- function(x, values) {
  left <- values
  take <- function(count) {
    out <- left[seq_len(count)]
    left <<- left[-seq_len(count)]
    out
  }
  replaced <- function(x) {
    if (x$op == "kernel") {
      x$value <- lazy_with_data(x$value, take(length(part(x$value, "data"))))
      return(x)
    }
    if (x$op == "diagonal")
      return(new_diagonal(Map(function(piece, data) replace(piece, "data", list(data)), x$pieces,
                              take(length(x$pieces))), x$size[1L]))
    if (x$op == "scale") x$value <- take(1L)[[1L]]
    x$parts <- lapply(x$parts, replaced)
    x
  }
  replaced(x)
}

# Of plain numbers.
plain_linear <- function(x) with_entries(x, lapply(entries_of(x), function(entry) value_of(entry$data)))

lazy_with_data <- function(x, data) {
  class <- class(x)
  x <- unclass(x)
  x$data <- data
  structure(x, class = class)
}

# ---- entries -------------------------------------------------------------------------------------

# Columns j (and of them rows i) as a dense matrix, in double precision.
columns_of <- function(x, j, i = NULL) {
  rows <- function(out) if (is.null(i)) out else out[i, , drop = FALSE]
  last <- length(x$parts)
  switch(x$op,
    kernel = kernel_columns(x$value, j, i),
    diagonal = rows(unit_columns(x$size[1L], j, x$value)),
    scale = x$value * columns_of(x$parts[[1L]], j, i),
    sum = Reduce(`+`, lapply(x$parts, columns_of, j, i)),
    product = rows(Reduce(function(v, f) multiplier(f, ncol(v), "float64")(v), rev(x$parts[-last]),
                          columns_of(x$parts[[last]], j))))
}

unit_columns <- function(n, j, value = 1) {
  out <- matrix(0, n, length(j))
  at <- cbind(j, seq_along(j))
  rearrange(function(value) {
    out[at] <- if (length(value) > 1L) value[j] else value
    out
  }, list(value))
}

# Values at 32 columns are a product with 32 unit vectors: rows are not repeated for each pair.
kernel_columns <- function(K, j, i = NULL) {
  kind <- part(K, "kind")
  if (any_recorded(part(K, "data"))) {
    columns <- recorded_columns(K, j)
    return(if (is.null(i)) columns else columns[i, , drop = FALSE])
  }
  if (!is.null(part(K, "walk")) || !"Vj" %in% kind || !"Vi" %in% kind)
    return(unname(values_of_block(K, if (is.null(i)) seq_len(dim(K)[1L]) else i, j, max_size = Inf)))
  K <- on_host(K)
  width <- min(32L, length(j))
  given <- lapply(part(K, "data"), interleaved)
  if (!is.null(i)) given[kind == "Vi"] <- lapply(given[kind == "Vi"], rows_at, i)
  rows <- nrow(given[[match("Vi", kind)]])
  at_columns <- function(j) {
    given[kind == "Vj"] <- lapply(given[kind == "Vj"], rows_at, j)
    given
  }
  part_of_K <- of_variables(K, "columns", kind, at_columns(rep_len(j, width)), NULL)
  units <- Vj(diag(width))
  state <- product_state(part_of_K, units, "float64")
  program <- program_of_state(state)
  unit_at <- state$leaves[[root_of(units)]]
  out <- matrix(0, rows, length(j))
  for (first in seq(1L, length(j), by = width)) {
    at <- first:min(first + width - 1L, length(j))
    data <- at_columns(rep_len(j[at], width))
    data[[unit_at]] <- part(units, "data")[[1L]]
    values <- run_arranged(program, data)
    out[, at] <- if (length(at) < width) values[, seq_along(at)] else values
  }
  out
}

# Where K is recorded: products with unit vectors, of the rows j alone where these are not many of all.
recorded_columns <- function(K, j) {
  n <- row_count(K, "Vj")
  if (is.null(part(K, "walk")) && length(j) < n) {
    is_j <- part(K, "kind") == "Vj"
    K <- of_variables(K, "columns", part(K, "kind"), replace(part(K, "data"), is_j,
                      lapply(part(K, "data")[is_j], function(x) x[j, , drop = FALSE])), NULL)
    n <- length(j)
    j <- seq_along(j)
  }
  kernel_multiplier(K, length(j), "float64")(unit_columns(n, j))
}

# The values at pairs (i, i) as a formula of i.
recorded_diagonal <- function(K) {
  if (!is.null(part(K, "walk")))
    throw("argument", "the diagonal of a LazyTensor that is restricted meets recorded values: expected all ",
          "of its pairs")
  n <- base::min(dim(K)[1:2])
  at <- seq_len(n)
  data <- Map(function(x, kind) if (kind == "Pm" || nrow(x) == n) x else x[at, , drop = FALSE],
              part(K, "data"), part(K, "kind"))
  K <- of_variables(K, "diagonal", sub("Vj", "Vi", part(K, "kind")), data, NULL)
  reshape(compute(operator_state("Sum_Reduction", list(K), "j", options = list(precision = "float64"))), NULL)
}

# The diagonal, in double precision.
diagonal_of <- function(x) {
  n <- min(x$size)
  switch(x$op,
    kernel = if (any_recorded(part(x$value, "data"))) recorded_diagonal(x$value) else unname(diagonal(x$value)),
    diagonal = repeated(x$value, n, NULL),
    scale = x$value * diagonal_of(x$parts[[1L]]),
    sum = Reduce(`+`, lapply(x$parts, diagonal_of)),
    product = join(lapply(split_columns(n), function(at) columns_of(x, at)[cbind(at, seq_along(at))])))
}
