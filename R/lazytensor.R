# LazyTensors: formulas over R matrices, made by computing with them.
#
# A LazyTensor is plain R data, a list of
#   root     identifier of its value
#   table    one definition per R operation, list(id, op, operands, literals), found by identifier:
#            a tree of lists that values share, see src/r_definitions.c
#   leaves   position in `data` of each leaf, named by identifier
#   data     the matrices and parameters, as given
#   kind     "Vi", "Vj" or "Pm", for each of them
#   dimres   its dimension
#   logical  whether it is of logical kind
#   complex  whether its components are complex: pairs of numbers for the engine, see complex.R
#   walk     there only if it does not stand for all pairs, or has batches: see restrict.R
#   no_vector  a symbol, for range(1, x) and others that make a vector of all parts of their
#            arguments without asking us: with a symbol R makes a list of them, which is no number
# When two LazyTensors meet, their tables are merged by identifier; leaves that are the same R
# object at that moment share one element of `data`. So the text for the engine names each value
# once, and its length grows with the number of R operations only.

# Operations make them in src/r_make.c.

new_lazytensor <- function(root, table, leaves, data, kind, dimres, logical = FALSE,
                           complex = FALSE, walk = NULL) {
  x <- list(root = root, table = table, leaves = leaves, data = data, kind = kind,
            dimres = dimres, logical = logical, complex = complex, no_vector = quote(LazyTensor))
  if (!is.null(walk)) x$walk <- walk
  class(x) <- c(if (complex) "ComplexLazyTensor", "LazyTensor")
  x
}

# A raw element; `$` is for users.
part <- function(x, name) .subset2(x, name)

#' Symbolic variables
#'
#' A LazyTensor stands for a vector at each pair (i, j) of rows of matrices. Computing with
#' LazyTensors makes a formula, nothing more; a reduction such as `sum(x, index = "j")` or
#' `x %*% b` computes.
#'
#' A matrix that is given twice for the same index is one variable; parameters are one variable only
#' where they are the same LazyTensor. [gradient()] differentiates with respect to variables.
#'
#' @param x a numeric or complex matrix with one row for each i (`Vi()`, index `"i"`) or each j
#'   (`Vj()`, index `"j"`); a vector is one column there. `Pm()` takes a number or vector: a
#'   parameter, the same for all pairs. A data.frame of numbers and matrices of packages Matrix and
#'   float are converted; factors, dates, results of [stats::dist()] and other objects that have no
#'   plain numbers are refused. [to_gpu()] of real numbers is taken too. Row names (of a vector,
#'   names) are kept for results.
#' @param index `"i"`, `"j"`, or `NA` for a parameter.
#' @param is_complex `TRUE` to take real numbers as complex ones; see [complex-numbers].
#' @param batch `TRUE` where x is an array of batches, see [batches]: M x D x B... (`Vi()`), N x D x
#'   B... (`Vj()`), 1 x D x B... (`Pm()`).
#' @param groups labels of the rows of x, a matrix or a vector: a parameter with a row for each group
#'   of [restrict_pairs()].
#' @return A LazyTensor. `dim()` of it is c(M, N, D): numbers of rows i and j (1 when it does not
#'   depend on the index) and dimension. It has the elements `formula`, `args`, `data` and
#'   `dimres`.
#' @section Errors:
#' `rkeops_error_argument` for objects without plain numbers, with what to give instead;
#' `rkeops_error_shape` for dimensions outside 1 to 65535; `rkeops_error_device` for a matrix on the
#' GPU of another session.
#' @family functions of LazyTensors
#' @examples
#' x <- matrix(sin(1:30), ncol = 3)
#' y <- matrix(cos(1:60), ncol = 3)
#' K_ij <- exp(-sum((Vi(x) - Vj(y))^2))
#' K_ij
#' dim(K_ij)
#' head(sum(K_ij, index = "j"))
#' @aliases LazyTensor-class ComplexLazyTensor-class
#' @export
LazyTensor <- function(x, index = NA, is_complex = FALSE) {
  if (length(index) != 1L || !(is.na(index) || index %in% c("i", "j")))
    throw("argument", "`index` is ", describe(index),
          if (is_string(index)) suggestion(index, c("i", "j")), ": expected \"i\", \"j\" or NA")
  if (is.na(index)) parameter(x, is_complex)
  else indexed(x, if (index == "i") "Vi" else "Vj", is_complex)
}

#' @rdname LazyTensor
#' @export
Vi <- function(x, is_complex = FALSE, batch = FALSE) {
  if (missing(batch) || !check_flag(batch, "batch")) indexed(x, "Vi", is_complex)
  else batched(x, "Vi", is_complex)
}

#' @rdname LazyTensor
#' @export
Vj <- function(x, is_complex = FALSE, batch = FALSE) {
  if (missing(batch) || !check_flag(batch, "batch")) indexed(x, "Vj", is_complex)
  else batched(x, "Vj", is_complex)
}

#' @rdname LazyTensor
#' @export
Pm <- function(x, is_complex = FALSE, batch = FALSE, groups = NULL) {
  if (!missing(batch) && check_flag(batch, "batch")) batched(x, "Pm", is_complex)
  else if (!missing(groups)) parameter_of_groups(x, groups, is_complex)
  else parameter(x, is_complex)
}

indexed <- function(x, kind, is_complex = FALSE) {
  check_given(x, "x", "a matrix or a vector")
  if (isFALSE(is_complex) && !is.null(out <- .Call(C_leaf, x, kind, NULL))) return(out)
  numbers <- leaf_numbers(x, is_complex)
  if (length(dim(numbers)) > 2L)
    unexpected(x, "x", "a matrix, one row for each ", substring(kind, 2L),
               ", or a vector, one number for each; matrix(x, nrow(x)) has a row ",
               "for each position of the first index; with batch = TRUE batches are the dimensions ",
               "from the third on")
  if (length(dim(numbers)) < 2L) numbers <- as_column(numbers)
  given <- if (!is_gpu(x) && !is_recorded(x)) .Call(C_given, x, numbers)
  if (!is.null(given)) attr(numbers, "rkeops_given") <- given
  leaf(numbers, kind)
}

# A vector as a matrix with one column.
as_column <- function(x) {
  if (is_gpu(x)) return(gpu_column(x))
  if (is_recorded(x)) return(as_recorded_matrix(x))
  names <- names(x)
  matrix(x, ncol = 1L, dimnames = if (!is.null(names)) list(names, NULL))
}

# `name`: what the user knows it by.
parameter <- function(x, is_complex = FALSE, name = "x") {
  check_given(x, name, "a number or a vector")
  if (length(dim(x)) == 2L)
    unexpected(x, name, "a number or a vector; Vi() and Vj() take matrices")
  leaf(leaf_numbers(x, is_complex, is_matrix = FALSE, name), "Pm", name)
}

# As given where that is possible, so that one R object is one variable.
leaf_numbers <- function(x, is_complex, is_matrix = TRUE, name = "x") {
  check_flag(is_complex, "is_complex")
  if (is_gpu(x)) {
    if (is_complex) unexpected(x, name, "complex numbers in R")
    return(check_not_lost(x))
  }
  if (is_recorded(x)) {
    if (is_complex) unexpected(x, name, "plain numbers for complex ones")
    return(x)
  }
  plain <- (is_plain_number(x) || is.complex(x)) && !is.object(x)
  if (!plain || !is_matrix) {
    names <- if (is_matrix) row_names_of(x)
    x <- plain_numbers(x, name, is_matrix, complex_too = TRUE)
    if (length(dim(x)) == 2L) rownames(x) <- names else names(x) <- names
  }
  if (is_complex && !is.complex(x)) x + 0i else x
}

row_names_of <- function(x) {
  if (is.data.frame(x) || length(dim(x)) == 2L) names_of(x)[[1L]] else if (is.atomic(x)) names(x)
}

is_whole <- function(x) is.numeric(x) && is.finite(x) && x == round(x) && abs(x) < 2^31

# One whole number: RKeOps had it in the text. Here it is a variable as others, so that nothing
# depends on a value; `$` shows what RKeOps showed.
is_whole_parameter <- function(x) {
  data <- part(x, "data")
  length(data) == 1L && !length(part(x, "table")) && part(x, "kind") == "Pm" &&
    length(data[[1L]]) == 1L && is.null(part(x, "walk")) && !is_gpu(data[[1L]]) && is_whole(data[[1L]])
}

leaf <- function(x, kind, name = "x", walk = NULL) {
  dim <- if (kind == "Pm" && is.null(walk)) length(x) else ncol(x)
  if (dim < 1L || dim > max_dim / parts_of(x))
    throw("shape", "`", name, "` has dimension ", dim, ": expected 1 to ", max_dim %/% parts_of(x))
  out <- .Call(C_leaf, x, kind, dim)
  if (is.null(walk)) out else with_walk(out, walk)
}

# How many numbers of the engine a component is.
parts_of <- function(x) if (is.complex(x)) 2L else 1L

# A number in the text; the engine makes a hidden parameter of it.
constant <- function(x, text = number_text(x)) {
  if (!is.finite(x)) return(leaf(as.double(x), "Pm"))
  define(text, list(), dimres = 1L)
}

number_text <- function(x) .Call(C_number_text, x)

# For people; format() of R asks the locale for the decimal point.
short_number <- function(x, digits = 3L) number_text(signif(as.double(value_of(x)), digits))

# ---- definitions ---------------------------------------------------------------------------------

# The value op(operands, literals). An operation without operands is its own text.
define <- function(op, operands, literals = NULL, dimres, logical = FALSE, complex = FALSE) {
  out <- .Call(C_define, op, operands, literals, dimres, c(logical, complex), FALSE)
  if (!is.null(out)) return(out)
  walk <- walk_of_all(operands)
  out <- .Call(C_define, op, operands, literals, dimres, c(logical, complex), TRUE)
  if (is.null(walk)) out else with_walk(out, walk)
}

# The table with one more definition, and its identifier. What is `inline` never gets a name in the
# text: results do not, since reductions of two fields are no values that could have one.
add_node <- function(table, op, operands, literals = NULL, inline = FALSE)
  .Call(C_add_node, table, op, operands, literals, inline)

root_of <- function(x) .subset2(x, "root")

# Table, leaves, data, kinds and walk of all operands together. Leaves with the same identifier, and those
# that are the same R object unless `distinct`, become one.
merge_all <- function(operands, distinct = FALSE) {
  merged <- .Call(C_merge, operands, distinct, FALSE)
  if (!is.null(merged)) return(merged)
  walk <- walk_of_all(operands)
  c(.Call(C_merge, operands, distinct, TRUE), list(walk = walk))
}

# What C code does not see: whether rows are as many, and the walk of all.
walk_of_all <- function(operands) {
  x <- unclass(operands[[1L]])[c("data", "kind", "walk")]
  for (y in operands[-1L]) {
    check_rows(x, unclass(y))
    x$data <- c(x$data, part(y, "data"))
    x$kind <- c(x$kind, part(y, "kind"))
    x$walk <- common_walk(x$walk, part(y, "walk"))
    check_walk(x$walk, x$data, x$kind)
  }
  x$walk
}

check_rows <- function(x, y) {
  for (kind in c("Vi", "Vj")) {
    if (!kind %in% x$kind || !kind %in% y$kind) next
    rows <- c(row_count(x, kind), row_count(y, kind))
    if (rows[1L] != rows[2L])
      throw("shape", operands_with(rows, " rows for ", substring(kind, 2L)),
            ": expected equal numbers")
  }
}

# Numbers of rows of the first matrix of that kind; if there is none, 1 or what blocks say.
row_count <- function(x, kind) {
  first <- match(kind, part(x, "kind"))
  if (is.na(first)) rows_of_walk(part(x, "walk"), kind) else nrow(part(x, "data")[[first]])
}

# "`Vi(x)` has dimension 3, `b` has dimension 2": operands as the user wrote them. Strings are none.
operands_with <- function(...) {
  facts <- paste0(...)
  call <- Filter(Negate(is.character), as.list(user_call())[-1L])
  call <- call[seq_len(min(length(call), length(facts)))]
  labels <- vapply(call, function(arg) deparse(arg, width.cutoff = 60L)[1L], "")
  labels <- c(labels, rep("operand", length(facts) - length(labels)))
  paste0("`", labels, "` has ", facts, collapse = ", ")
}

# ---- text ----------------------------------------------------------------------------------------

# The text of values of a LazyTensor's parts: definitions, then the values, separated by commas.
formula_text <- function(x, roots) .Call(C_formula_text, x$leaves, x$table, roots)

formula_of <- function(x) formula_text(unclass(x), part(x, "root"))

declarations_of_leaves <- function(x) {
  if (is.null(x$walk) && !is.null(out <- .Call(C_declarations, x$data, x$kind))) return(out)
  n <- seq_along(x$data)
  dims <- if (is.null(x$walk)) ifelse_int(x$kind == "Pm", lengths(x$data), vapply(x$data, NCOL, 1L))
          else dims_of(x$data, x$kind)
  sprintf("V%d=%s(%d)", n - 1L, x$kind, dims * vapply(x$data, parts_of, 1L))
}

ifelse_int <- function(test, yes, no) {
  yes[!test] <- no[!test]
  yes
}

# ---- what users see ------------------------------------------------------------------------------

#' @export
`$.LazyTensor` <- function(x, name) {
  if (name %in% c("formula", "args", "data") && is_whole_parameter(x))
    return(switch(name, formula = paste0("IntCst(", number_text(part(x, "data")[[1L]]), ")"),
                  args = NULL, data = NULL))
  switch(name, formula = formula_of(x), args = declarations_of_leaves(unclass(x)),
         data = lapply(part(x, "data"), shown_data), check_element(part(x, name), name, x))
}

# As RKeOps showed it: complex numbers as columns Re, Im, ..., those of a parameter in one row.
shown_data <- function(x) {
  if (!is_gpu(x)) attr(x, "rkeops_given") <- NULL
  if (length(dim(x)) > 2L) x
  else if (is.complex(x) && is.null(dim(x))) matrix(interleaved(x), 1L)
  else interleaved(x)
}

check_element <- function(value, name, x) {
  if (is.null(value))
    throw("argument", "a LazyTensor has no element `", name, "`", suggestion(name, names(x)),
          ": expected one of ", paste0("`", names(x), "`", collapse = ", "))
  value
}

#' @export
`[[.LazyTensor` <- function(x, i, ...) {
  if (!is_string(i))
    throw("argument", "`[[` of a LazyTensor takes the name of an element, not ", describe(i))
  eval(call("$", x, as.name(i)))
}

#' @export
names.LazyTensor <- function(x) c("formula", "args", "data", "dimres")

#' @export
dim.LazyTensor <- function(x)
  c(row_count(x, "Vi"), row_count(x, "Vj"), part(x, "dimres"), part(x, "walk")$batch)

#' @export
format.LazyTensor <- function(x, ...) {
  size <- dim(x)
  c(paste0("<", class(x)[1L], "> ", size[1L], " x ", size[2L], " (i x j), dimension ", size[3L],
           if (part(x, "logical")) ", logical", restriction(x)),
    paste0("formula: ", shortened(formula_of(x))), variable_lines(unclass(x)), precision_line())
}

shortened <- function(formula) {
  if (nchar(formula) <= 500L) return(formula)
  paste0(substr(formula, 1L, 480L), "... (", nchar(formula), " characters)")
}

variable_lines <- function(x) {
  if (!length(x$data)) return(NULL)
  rows <- paste(",", vapply(x$data, NROW, 1L), "rows")
  lines <- paste0("  ", declarations_of_leaves(x),
                  ifelse_int(x$kind == "Pm", rep("", length(rows)), rows), shared_texts(x))
  c("variables:", first_lines(lines))
}

# At most 11 of them: a screen.
first_lines <- function(lines) {
  c(lines[seq_len(min(length(lines), 11L))],
    if (length(lines) > 11L) paste("  and", length(lines) - 11L, "more"))
}

#' @export
print.LazyTensor <- function(x, ...) {
  cat(format(x), sep = "\n")
  invisible(x)
}

#' @importFrom utils str
#' @export
str.LazyTensor <- function(object, ...) cat("", format(object)[1L], "\n")

#' Summary of a LazyTensor
#'
#' What a LazyTensor is made of, and how large the dense array would be that it stands for. Nothing
#' is computed.
#'
#' @param object a LazyTensor.
#' @param ... not used.
#' @return A list of class `summary.LazyTensor` that prints: `dim`, c(M, N, D); `type`, `"real"`,
#'   `"complex"` or `"logical"`; `operations`, their number; `pairs`, the share of pairs that
#'   [restrict_pairs()] left, in words, or NULL; `variables`, a data.frame of name, kind, rows,
#'   dimension and bytes of each variable; `bytes`, of all variables; `dense_bytes`, of the values.
#'   It raises no error.
#' @family functions of LazyTensors
#' @examples
#' x <- matrix(sin(1:30), ncol = 3)
#' summary(exp(-sum((Vi(x) - Vj(x))^2)))
#' @export
summary.LazyTensor <- function(object, ...) {
  data <- part(object, "data")
  kind <- part(object, "kind")
  is_matrix <- kind != "Pm"
  bytes <- vapply(data, function(v) if (is_gpu(v)) 8 * length(v) else
    as.double(utils::object.size(v)), 1)
  variables <- data.frame(
    name = sprintf("V%d", seq_along(data) - 1L), kind = kind,
    rows = ifelse_int(is_matrix, vapply(data, NROW, 1L), rep(1L, length(data))),
    dimension = dims_of(data, kind),
    bytes = bytes)
  type <- if (part(object, "complex")) "complex" else if (part(object, "logical")) "logical"
          else "real"
  structure(class = "summary.LazyTensor",
            list(dim = dim(object), type = type,
                 operations = .Call(C_count_definitions, part(object, "table")),
                 pairs = pairs_text(object), variables = variables, bytes = sum(bytes),
                 dense_bytes = dense_bytes(object, dim(object))))
}

#' @export
print.summary.LazyTensor <- function(x, ...) {
  size <- x$dim
  cat("LazyTensor, ", x$type, ": ", size[1L], " x ", size[2L], " (i x j), dimension ", size[3L],
      if (length(size) > 3L) paste(", batches", times(size[-(1:3)])),
      if (length(x$pairs)) paste(",", x$pairs), ", ", x$operations,
      if (x$operations == 1L) " operation" else " operations", "\n", sep = "")
  shown <- x$variables
  shown$bytes <- vapply(shown$bytes, size_text, "")
  names(shown)[5L] <- "memory"
  if (nrow(shown)) print(utils::head(shown, 12L), row.names = FALSE)
  if (nrow(shown) > 12L) cat("and", nrow(shown) - 12L, "more\n")
  cat("memory: ", size_text(x$bytes), " for the variables; all values would take ",
      size_text(x$dense_bytes), "\n", sep = "")
  invisible(x)
}

#' Kinds of LazyTensors
#'
#' What an object is, and which kinds of variables a LazyTensor was made from.
#'
#' @param x an object.
#' @return `TRUE` or `FALSE`. `is.LazyTensor()`: whether it is a LazyTensor. Of a LazyTensor,
#'   `is.LazyParameter()`: whether it is one real number, the same for all pairs;
#'   `is.LazyVector()`: whether one of its variables is a parameter; `is.LazyMatrix()`: whether one
#'   of its variables is indexed by i or j; `is.ComplexLazyParameter()`: whether it is one complex
#'   number. `is.int()`: whether x is one whole number.
#' @section Errors:
#' `rkeops_error_argument` for what is no LazyTensor; `is.LazyTensor()`, `is.ComplexLazyTensor()`
#' and `is.int()` take any object.
#' @family functions of LazyTensors
#' @examples
#' s <- Pm(0.5)
#' x <- Vi(1:3)
#' c(is.LazyTensor(s), is.LazyParameter(s), is.LazyMatrix(s))
#' c(is.LazyTensor(x), is.LazyParameter(x), is.LazyMatrix(s * x))
#' is.int(3)
#' @export
is.LazyTensor <- function(x) inherits(x, "LazyTensor")

#' @rdname is.LazyTensor
#' @export
is.LazyParameter <- function(x) {
  check_lazy(x, "x")
  is_one_number(x) && !part(x, "complex")
}

is_one_number <- function(x)
  part(x, "dimres") == 1L && all(part(x, "kind") == "Pm") && !is_spread(x)

#' @rdname is.LazyTensor
#' @export
is.LazyVector <- function(x) any(part(check_lazy(x, "x"), "kind") == "Pm")

#' @rdname is.LazyTensor
#' @export
is.LazyMatrix <- function(x) any(part(check_lazy(x, "x"), "kind") != "Pm")

#' @rdname is.LazyTensor
#' @export
is.int <- function(x) is_number(x) && !is.na(x) && x == round(x)

check_lazy <- function(x, name) {
  check_given(x, name, "a LazyTensor")
  if (is.LazyTensor(x)) return(x)
  unexpected(x, name, "a LazyTensor")
}

# ---- exchange of i and j -------------------------------------------------------------------------

#' Exchange of i and j
#'
#' The transposed matrix of a LazyTensor, again a formula.
#'
#' @param x a LazyTensor.
#' @return The LazyTensor with i and j exchanged in each of its variables: of `dim()` c(N, M, D),
#'   so that `t(K) %*% v` is `crossprod(K, v)`. Parameters stay, and the pairs of [restrict_pairs()]
#'   are those that were. It raises no error.
#' @family functions of LazyTensors
#' @examples
#' K <- Vi(1:3) * Vj(1:2)
#' as.matrix(K)
#' as.matrix(t(K))
#' dim(t(K))
#' @export
t.LazyTensor <- function(x) {
  of_variables(x, "t", c(Vi = "Vj", Vj = "Vi", Pm = "Pm")[part(x, "kind")], part(x, "data"),
               transposed_walk(part(x, "walk")))
}

# The same formula of other variables. Their identifiers are new ones, made from the old ones and
# `tag`: they would mean two things otherwise. t(t(x)) has those of x. Parameters stay as they are.
of_variables <- function(x, tag, kind, data, walk) {
  x <- unclass(x)
  old <- .Call(C_definitions, x$leaves, x$table, x$root)
  ids <- c(names(x$leaves), vapply(old, `[[`, "", "id"))
  new <- ids
  others <- which(x$kind[x$leaves] != "Pm")
  new[others] <- sub("^t,t,", "", paste0(tag, ",", new[others]))
  names(x$leaves) <- new[seq_along(x$leaves)]
  table <- list()
  used <- lapply(old, `[[`, "operands")
  used <- relist_like(match(unlist(used), ids), used) # places of the operands
  for (k in seq_along(old)) {
    node <- add_node(table, old[[k]]$op, new[used[[k]]], old[[k]]$literals)
    table <- node$table
    new[length(x$leaves) + k] <- node$id
  }
  new_lazytensor(new[match(x$root, ids)], table, x$leaves, data, unname(kind), x$dimres,
                 x$logical, x$complex, walk)
}

# The elements of `x` as a list of vectors that are as long as those of `like`.
relist_like <- function(x, like) {
  unname(split(x, factor(rep(seq_along(like), lengths(like)), seq_along(like))))
}
