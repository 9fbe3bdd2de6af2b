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
#   no_vector  a symbol, for range(1, x) and others that make a vector of all parts of their
#            arguments without asking us: with a symbol R makes a list of them, which is no number
# When two LazyTensors meet, their tables are merged by identifier; leaves that are the same R
# object at that moment share one element of `data`. So the text for the engine names each value
# once, and its length grows with the number of R operations only.

new_lazytensor <- function(root, table, leaves, data, kind, dimres, logical = FALSE,
                           complex = FALSE) {
  x <- list(root = root, table = table, leaves = leaves, data = data, kind = kind,
            dimres = dimres, logical = logical, complex = complex, no_vector = quote(LazyTensor))
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
Vi <- function(x, is_complex = FALSE) indexed(x, "Vi", is_complex)

#' @rdname LazyTensor
#' @export
Vj <- function(x, is_complex = FALSE) indexed(x, "Vj", is_complex)

#' @rdname LazyTensor
#' @export
Pm <- function(x, is_complex = FALSE) parameter(x, is_complex)

indexed <- function(x, kind, is_complex = FALSE) {
  check_given(x, "x", "a matrix or a vector")
  numbers <- leaf_numbers(x, is_complex)
  if (length(dim(numbers)) > 2L)
    throw("argument", "`x` is ", describe(x), ": expected a matrix, one row for each ",
          substring(kind, 2L), ", or a vector, one number for each; matrix(x, nrow(x)) has a row ",
          "for each position of the first index")
  if (length(dim(numbers)) < 2L) numbers <- as_column(numbers)
  given <- if (!is_gpu(x)) .Call(C_given, x, numbers)
  if (!is.null(given)) attr(numbers, "rkeops_given") <- given
  leaf(numbers, kind)
}

# A vector as a matrix with one column.
as_column <- function(x) {
  if (is_gpu(x)) return(gpu_column(x))
  names <- names(x)
  matrix(x, ncol = 1L, dimnames = if (!is.null(names)) list(names, NULL))
}

# `name`: what the user knows it by.
parameter <- function(x, is_complex = FALSE, name = "x") {
  check_given(x, name, "a number or a vector")
  if (length(dim(x)) == 2L)
    throw("argument", "`", name, "` is ", describe(x), ": expected a number or a vector; ",
          "Vi() and Vj() take matrices")
  leaf(leaf_numbers(x, is_complex, is_matrix = FALSE, name), "Pm", name)
}

# As given where that is possible, so that one R object is one variable.
leaf_numbers <- function(x, is_complex, is_matrix = TRUE, name = "x") {
  check_flag(is_complex, "is_complex")
  if (is_gpu(x)) {
    if (is_complex) throw("argument", "`x` is ", describe(x), ": expected complex numbers in R")
    return(check_not_lost(x))
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
    length(data[[1L]]) == 1L && !is_gpu(data[[1L]]) && is_whole(data[[1L]])
}

leaf <- function(x, kind, name = "x") {
  dim <- if (kind == "Pm") length(x) else ncol(x)
  if (dim < 1L || dim > max_dim / parts_of(x))
    throw("shape", "`", name, "` has dimension ", dim, ": expected 1 to ", max_dim %/% parts_of(x))
  id <- .Call(C_fresh_id, Sys.getpid())
  leaves <- 1L
  names(leaves) <- id
  new_lazytensor(id, list(), leaves, list(x), kind, as.integer(dim), complex = is.complex(x))
}

# How many numbers of the engine a component is.
parts_of <- function(x) if (is.complex(x)) 2L else 1L

# A number in the text; the engine makes a hidden parameter of it.
constant <- function(x, text = number_text(x)) {
  if (!is.finite(x)) return(leaf(as.double(x), "Pm"))
  define(text, list(), dimres = 1L)
}

number_text <- function(x) .Call(C_number_text, x)

# ---- definitions ---------------------------------------------------------------------------------

# The value op(operands, literals). An operation without operands is its own text.
define <- function(op, operands, literals = NULL, dimres, logical = FALSE, complex = FALSE) {
  x <- merge_all(operands)
  node <- add_node(x$table, op, vapply(operands, root_of, ""),
                   if (length(literals)) number_text(literals))
  new_lazytensor(node$id, node$table, x$leaves, x$data, x$kind, as.integer(dimres), logical,
                 complex)
}

# The table with one more definition, and its identifier. What is `inline` never gets a name in the
# text: results do not, since reductions of two fields are no values that could have one.
add_node <- function(table, op, operands, literals = NULL, inline = FALSE) {
  id <- .Call(C_hash, c(op, operands, literals))
  node <- list(id = id, op = op, operands = operands, literals = literals)
  if (inline) node$inline <- TRUE
  list(table = .Call(C_merge_definitions, table, node), id = id)
}

root_of <- function(x) .subset2(x, "root")

# Table, leaves, data and kinds of all operands together.
merge_all <- function(operands) {
  if (!length(operands))
    return(list(table = list(), leaves = integer(), data = list(), kind = character()))
  merged <- unclass(operands[[1L]])
  for (operand in operands[-1L]) merged <- merge_two(merged, unclass(operand))
  merged
}

# Leaves with the same identifier, and those that are the same R object unless `distinct`, become
# one.
merge_two <- function(x, y, distinct = FALSE) {
  known <- match(names(y$leaves), names(x$leaves), 0L)
  place <- if (distinct) integer(length(y$data))
           else .Call(C_match_objects, y$data, y$kind, x$data, x$kind)
  place[y$leaves[known > 0L]] <- x$leaves[known]
  new <- place == 0L
  if (any(new)) {
    place[new] <- length(x$data) + seq_len(sum(new))
    check_rows(x, y, new)
    x$data <- c(x$data, y$data[new])
    x$kind <- c(x$kind, y$kind[new])
  }
  leaves <- y$leaves[known == 0L]
  leaves[] <- place[leaves]
  # made anew: R looks through all of a value that is assigned to an element of a list
  list(table = .Call(C_merge_definitions, x$table, y$table), leaves = c(x$leaves, leaves),
       data = x$data, kind = x$kind)
}

check_rows <- function(x, y, new) {
  for (kind in c("Vi", "Vj")) {
    if (!kind %in% x$kind || !kind %in% y$kind[new]) next
    rows <- c(row_count(x, kind), row_count(y, kind))
    if (rows[1L] != rows[2L])
      throw("shape", operands_with(rows, " rows for ", substring(kind, 2L)),
            ": expected equal numbers")
  }
}

# Numbers of rows of the first matrix of that kind, 1 if there is none.
row_count <- function(x, kind) {
  first <- match(kind, part(x, "kind"))
  if (is.na(first)) 1L else nrow(part(x, "data")[[first]])
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
  n <- seq_along(x$data)
  dims <- ifelse_int(x$kind == "Pm", lengths(x$data), vapply(x$data, NCOL, 1L))
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
  if (is.complex(x) && is.null(dim(x))) matrix(interleaved(x), 1L) else interleaved(x)
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
dim.LazyTensor <- function(x) c(row_count(x, "Vi"), row_count(x, "Vj"), part(x, "dimres"))

#' @export
format.LazyTensor <- function(x, ...) {
  size <- dim(x)
  c(paste0("<", class(x)[1L], "> ", size[1L], " x ", size[2L], " (i x j), dimension ", size[3L],
           if (part(x, "logical")) ", logical"),
    paste0("formula: ", shortened(formula_of(x))), variable_lines(unclass(x)), precision_line())
}

shortened <- function(formula) {
  if (nchar(formula) <= 500L) return(formula)
  paste0(substr(formula, 1L, 480L), "... (", nchar(formula), " characters)")
}

# At most 11 of them: a screen.
variable_lines <- function(x) {
  if (!length(x$data)) return(NULL)
  rows <- paste(",", vapply(x$data, NROW, 1L), "rows")
  lines <- paste0("  ", declarations_of_leaves(x),
                  ifelse_int(x$kind == "Pm", rep("", length(rows)), rows))
  c("variables:", lines[seq_len(min(length(lines), 11L))],
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
#'   `"complex"` or `"logical"`; `operations`, their number; `variables`, a data.frame of name,
#'   kind, rows, dimension and bytes of each variable; `bytes`, of all variables; `dense_bytes`, of
#'   the values. It raises no error.
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
    dimension = ifelse_int(is_matrix, vapply(data, NCOL, 1L), lengths(data)),
    bytes = bytes)
  type <- if (part(object, "complex")) "complex" else if (part(object, "logical")) "logical"
          else "real"
  structure(class = "summary.LazyTensor",
            list(dim = dim(object), type = type,
                 operations = .Call(C_count_definitions, part(object, "table")),
                 variables = variables, bytes = sum(bytes),
                 dense_bytes = dense_bytes(object, dim(object))))
}

#' @export
print.summary.LazyTensor <- function(x, ...) {
  size <- x$dim
  cat("LazyTensor, ", x$type, ": ", size[1L], " x ", size[2L], " (i x j), dimension ", size[3L],
      ", ", x$operations, if (x$operations == 1L) " operation" else " operations", "\n", sep = "")
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

is_one_number <- function(x) part(x, "dimres") == 1L && all(part(x, "kind") == "Pm")

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
  throw("argument", "`", name, "` is ", describe(x), ": expected a LazyTensor")
}

# ---- exchange of i and j -------------------------------------------------------------------------

#' Exchange of i and j
#'
#' The transposed matrix of a LazyTensor, again a formula.
#'
#' @param x a LazyTensor.
#' @return The LazyTensor with i and j exchanged in each of its variables: of `dim()` c(N, M, D),
#'   so that `t(K) %*% v` is `crossprod(K, v)`. Parameters stay. It raises no error.
#' @family functions of LazyTensors
#' @examples
#' K <- Vi(1:3) * Vj(1:2)
#' as.matrix(K)
#' as.matrix(t(K))
#' dim(t(K))
#' @export
t.LazyTensor <- function(x) {
  of_variables(x, "t", c(Vi = "Vj", Vj = "Vi", Pm = "Pm")[part(x, "kind")], part(x, "data"))
}

# The same formula of other variables. Their identifiers are new ones, made from the old ones and
# `tag`: they would mean two things otherwise. t(t(x)) has those of x. Parameters stay as they are.
of_variables <- function(x, tag, kind, data) {
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
                 x$logical, x$complex)
}

# The elements of `x` as a list of vectors that are as long as those of `like`.
relist_like <- function(x, like) {
  unname(split(x, factor(rep(seq_along(like), lengths(like)), seq_along(like))))
}

# ---- base functions that would misread a LazyTensor ----------------------------------------------

refuse_base <- function(name, advice) {
  force(name)
  force(advice)
  function(...) throw("argument", "`", name, "` of a LazyTensor: ", advice)
}

refuse_change <- function(name) {
  force(name)
  function(x, ..., value) throw("argument", "`", name, "` of a LazyTensor: it cannot be changed; ",
                                "see where() and concat()")
}

use_means <- "use rowMeans(x), colMeans(x), or mean(rowMeans(x)) for all pairs"
use_kmin <- "use Kmin(x, K, index), argKmin(x, K, index)"
use_quantile <- paste("use Kmin(x, K, index), the K smallest, or it on as.matrix(x), the dense",
                      "matrix")
use_matrix <- "use it on as.matrix(x), the dense matrix"
use_solver <- paste("use products x %*% v in conjugate gradients, see vignette(\"interpolation\"),",
                    "or it on as.matrix(x), the dense matrix")
use_picture <- "use image(as.matrix(x)), a picture of the dense matrix"
use_block <- "use x[k] for components, x[i, j] for values"
use_comparison <- paste("use x != x where NaN is to be found; if this is pmin() or pmax(),",
                        "use where(x < y, x, y) or clamp(x, a, b)")
use_values <- "use a comparison such as x == 1 with any(, index), or which() of it"

#' @export
mean.LazyTensor <- refuse_base("mean", use_means)
#' @importFrom stats median
#' @export
median.LazyTensor <- refuse_base("median", use_quantile)
#' @importFrom stats quantile
#' @export
quantile.LazyTensor <- refuse_base("quantile", use_quantile)
#' @importFrom stats weighted.mean
#' @exportS3Method
weighted.mean.LazyTensor <- refuse_base("weighted.mean", "use x %*% w / sum(w)")
#' @export
sort.LazyTensor <- refuse_base("sort", use_kmin)
#' @export
xtfrm.LazyTensor <- refuse_base("xtfrm", use_kmin)
#' @export
solve.LazyTensor <- refuse_base("solve", use_solver)
#' @export
determinant.LazyTensor <- refuse_base("determinant", use_matrix)
#' @export
chol.LazyTensor <- refuse_base("chol", use_solver)
#' @export
qr.LazyTensor <- refuse_base("qr", use_solver)
#' @export
isSymmetric.LazyTensor <- refuse_base("isSymmetric", use_matrix)
#' @export
diff.LazyTensor <- refuse_base("diff", use_matrix)
#' @export
rowsum.LazyTensor <- refuse_base("rowsum", use_matrix)
#' @export
unique.LazyTensor <- refuse_base("unique", use_matrix)
#' @export
duplicated.LazyTensor <- refuse_base("duplicated", use_matrix)
#' @export
anyDuplicated.LazyTensor <- refuse_base("anyDuplicated", use_matrix)
#' @export
cut.LazyTensor <- refuse_base("cut", use_matrix)
#' @export
split.LazyTensor <- refuse_base("split", use_matrix)
#' @export
merge.LazyTensor <- refuse_base("merge", use_matrix)
#' @export
subset.LazyTensor <- refuse_base("subset", use_matrix)
#' @export
transform.LazyTensor <- refuse_base("transform", use_matrix)
#' @export
by.LazyTensor <- refuse_base("by", use_matrix)
#' @importFrom stats aggregate
#' @export
aggregate.LazyTensor <- refuse_base("aggregate", use_matrix)
#' @importFrom stats as.ts
#' @exportS3Method
as.ts.LazyTensor <- refuse_base("as.ts", use_matrix)
#' @importFrom stats window
#' @export
window.LazyTensor <- refuse_base("window", use_matrix)
#' @importFrom stats lag
#' @export
lag.LazyTensor <- refuse_base("lag", use_matrix)
#' @importFrom stats density
#' @export
density.LazyTensor <- refuse_base("density", use_matrix)
#' @export
as.table.LazyTensor <- refuse_base("as.table", use_matrix)
#' @export
within.LazyTensor <- refuse_base("within", use_matrix)
#' @export
aperm.LazyTensor <- refuse_base("aperm", "use t(x) to exchange i and j, aperm(as.array(x), perm)")
#' @rawNamespace if (getRversion() >= "4.2.0") S3method(mtfrm, LazyTensor)
mtfrm.LazyTensor <- refuse_base("match", use_values)
#' @export
rev.LazyTensor <- refuse_base("rev", use_block)
#' @importFrom utils head
#' @export
head.LazyTensor <- refuse_base("head", use_block)
#' @importFrom utils tail
#' @export
tail.LazyTensor <- refuse_base("tail", use_block)
#' @export
seq.LazyTensor <- refuse_base("seq", use_block)
#' @exportS3Method
is.na.LazyTensor <- refuse_base("is.na", use_comparison)
#' @export
anyNA.LazyTensor <- refuse_base("anyNA", use_comparison)
#' @exportS3Method
is.nan.LazyTensor <- refuse_base("is.nan", use_comparison)
#' @exportS3Method
is.finite.LazyTensor <- refuse_base("is.finite", use_comparison)
#' @exportS3Method
is.infinite.LazyTensor <- refuse_base("is.infinite", use_comparison)
#' @export
`[<-.LazyTensor` <- refuse_change("[<-")
#' @export
`[[<-.LazyTensor` <- refuse_change("[[<-")
#' @export
`$<-.LazyTensor` <- refuse_change("$<-")
#' @export
`names<-.LazyTensor` <- refuse_change("names<-")
#' @export
`dim<-.LazyTensor` <- refuse_change("dim<-")
#' @export
`dimnames<-.LazyTensor` <- refuse_change("dimnames<-")
#' @export
`length<-.LazyTensor` <- refuse_change("length<-")
#' @export
`levels<-.LazyTensor` <- refuse_change("levels<-")
#' @rawNamespace S3method("is.na<-", LazyTensor)
`is.na<-.LazyTensor` <- refuse_change("is.na<-")
#' @export
plot.LazyTensor <- refuse_base("plot", use_picture)
#' @importFrom graphics image
#' @export
image.LazyTensor <- refuse_base("image", use_picture)
#' @importFrom graphics contour
#' @export
contour.LazyTensor <- refuse_base("contour", use_picture)
#' @importFrom graphics persp
#' @export
persp.LazyTensor <- refuse_base("persp", use_picture)
#' @importFrom graphics lines
#' @export
lines.LazyTensor <- refuse_base("lines", use_picture)
#' @importFrom graphics points
#' @export
points.LazyTensor <- refuse_base("points", use_picture)
#' @importFrom graphics barplot
#' @export
barplot.LazyTensor <- refuse_base("barplot", use_picture)
#' @importFrom graphics hist
#' @export
hist.LazyTensor <- refuse_base("hist", use_picture)
#' @importFrom graphics boxplot
#' @export
boxplot.LazyTensor <- refuse_base("boxplot", use_picture)
#' @export
c.LazyTensor <- refuse_base("c", "use list() for a list of them, concat() to join components")
#' @export
cbind.LazyTensor <- refuse_base("cbind", "use concat() to join components")
#' @export
rbind.LazyTensor <- refuse_base("rbind", "use concat() to join components")
#' @export
as.list.LazyTensor <- refuse_base(
  "as.list", "use list(x) for a list of it, apply() or as.matrix(x) for loops over values")
#' @rawNamespace S3method(unlist, LazyTensor)
unlist.LazyTensor <- refuse_base("unlist", "it is no list; as.vector(x) has its values")
#' @export
rep.LazyTensor <- refuse_base(
  "rep", "if this is ifelse(), its test must be a LazyTensor; see also where()")

# Packages that have eigenvalues of functions know no LazyTensor.
use_function <- function(name) refuse_base(name, paste0(
  "use ", name, "(function(v, args) as.vector(x %*% v), k, n = nrow(x))"))

#' @exportS3Method RSpectra::eigs_sym
eigs_sym.LazyTensor <- use_function("eigs_sym")
#' @exportS3Method RSpectra::eigs
eigs.LazyTensor <- use_function("eigs")
#' @exportS3Method RSpectra::svds
svds.LazyTensor <- refuse_base("svds", paste(
  "use svds(function(v, args) as.vector(x %*% v), k,",
  "Atrans = function(v, args) as.vector(crossprod(x, v)), dim = dim(x)[1:2])"))

# ---- functions that do not dispatch --------------------------------------------------------------

# cor(), ts(), outer(), ... do not dispatch, but they ask what they were given, and go on with a
# list of parts of a LazyTensor, or stop without advice. The question dispatches.
no_or_refuse <- function(x) {
  asking <- sys.parent()
  if (asking > 0L && goes_wrong(sys.function(asking))) refuse_asking(sys.call(asking))
  FALSE
}

goes_wrong <- function(asking) {
  identical(environment(asking), asNamespace("stats")) ||
    any(vapply(list(outer, jitter, tabulate), identical, NA, asking))
}

refuse_asking <- function(call) {
  name <- if (is.name(call[[1L]])) as.character(call[[1L]]) else "this function"
  throw("argument", "`", name, "` of a LazyTensor: ", use_matrix, call = call)
}

#' @export
is.matrix.LazyTensor <- no_or_refuse
#' @export
is.numeric.LazyTensor <- no_or_refuse
#' @export
is.array.LazyTensor <- no_or_refuse
