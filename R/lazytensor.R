# LazyTensors: formulas over R matrices, made by computing with them.
#
# A LazyTensor is plain R data, a list of
#   root     identifier of its value
#   table    one definition per R operation, named by identifier and in an order in which a
#            definition uses earlier ones only: list(op, operands, literals)
#   leaves   position in `data` of each leaf, named by identifier
#   data     the matrices and parameters, as given
#   kind     "Vi", "Vj" or "Pm", for each of them
#   dimres   its dimension
#   logical  whether it is of logical kind
#   complex  whether its components are complex: pairs of numbers for the engine, see complex.R
# When two LazyTensors meet, their tables are merged by identifier; leaves that are the same R
# object at that moment share one element of `data`. So the text for the engine names each value
# once, and its length grows with the number of R operations only.

new_lazytensor <- function(root, table, leaves, data, kind, dimres, logical = FALSE,
                           complex = FALSE) {
  x <- list(root = root, table = table, leaves = leaves, data = data, kind = kind,
            dimres = dimres, logical = logical, complex = complex)
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
#' @param x a numeric or complex matrix with one row for each i (`Vi()`, index `"i"`) or each j
#'   (`Vj()`, index `"j"`), or a number or vector: a parameter, the same for all pairs. A data.frame
#'   of numbers is converted. [to_gpu()] of real ones is taken too.
#' @param index `"i"`, `"j"`, or `NA` for a parameter.
#' @param is_complex `TRUE` to take real numbers as complex ones; see [complex-numbers].
#' @return A LazyTensor. `dim()` of it is c(M, N, D): numbers of rows i and j (1 when it does not
#'   depend on the index) and dimension. It has the elements `formula`, `args`, `data` and
#'   `dimres`.
#' @examples
#' x <- matrix(runif(30), ncol = 3)
#' y <- matrix(runif(60), ncol = 3)
#' K_ij <- exp(-sum((Vi(x) - Vj(y))^2))
#' K_ij
#' sum(K_ij, index = "j")
#' @export
LazyTensor <- function(x, index = NA, is_complex = FALSE) {
  if (length(index) != 1L || !(is.na(index) || index %in% c("i", "j")))
    throw("argument", "`index` is ", describe(index), ": expected \"i\", \"j\" or NA")
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
  x <- leaf_numbers(x, is_complex)
  if (length(dim(x)) != 2L)
    throw("argument", "`x` is ", describe(x), ": expected a matrix, one row for each ",
          substring(kind, 2L), " (for instance matrix(x, ncol = 1)); Pm() makes a parameter")
  leaf(x, kind)
}

parameter <- function(x, is_complex = FALSE) {
  if (length(dim(x)) == 2L)
    throw("argument", "`x` is ", describe(x), ": expected a number or a vector; ",
          "Vi() and Vj() take matrices")
  x <- leaf_numbers(x, is_complex, is_matrix = FALSE)
  if (length(x) == 1L && !is_gpu(x) && is_whole(x))
    constant(x, paste0("IntCst(", number_text(x), ")"))
  else leaf(x, "Pm")
}

# As given where that is possible, so that one R object is one variable.
leaf_numbers <- function(x, is_complex, is_matrix = TRUE) {
  check_flag(is_complex, "is_complex")
  if (is_gpu(x)) {
    if (is_complex) throw("argument", "`x` is ", describe(x), ": expected complex numbers in R")
    return(check_not_lost(x))
  }
  plain <- (is_plain_number(x) || is.complex(x)) && !is.object(x)
  if (!plain || !is_matrix) x <- plain_numbers(x, "x", is_matrix, complex_too = TRUE)
  if (is_complex && !is.complex(x)) x + 0i else x
}

is_whole <- function(x) is.numeric(x) && is.finite(x) && x == round(x) && abs(x) < 2^31

leaf <- function(x, kind) {
  dim <- if (kind == "Pm") length(x) else ncol(x)
  if (dim < 1L || dim > max_dim / parts_of(x))
    throw("shape", "`x` has dimension ", dim, ": expected 1 to ", max_dim %/% parts_of(x))
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

number_text <- function(x) {
  for (digits in 15:17) {
    text <- sprintf("%.*g", digits, as.double(x))
    if (identical(as.double(text), as.double(x))) break
  }
  text
}

# ---- definitions ---------------------------------------------------------------------------------

# The value op(operands, literals). An operation without operands is its own text.
define <- function(op, operands, literals = NULL, dimres, logical = FALSE, complex = FALSE) {
  x <- merge_all(operands)
  ids <- vapply(operands, part, "", "root")
  literals <- if (length(literals)) number_text(literals)
  x$root <- .Call(C_hash, paste(c(op, ids, literals), collapse = ","))
  if (is.null(x$table[[x$root]]))
    x$table[[x$root]] <- list(op = op, operands = ids, literals = literals)
  new_lazytensor(x$root, x$table, x$leaves, x$data, x$kind, as.integer(dimres), logical, complex)
}

# Table, leaves, data and kinds of all operands together.
merge_all <- function(operands) {
  if (!length(operands))
    return(list(table = list(), leaves = integer(), data = list(), kind = character()))
  merged <- unclass(operands[[1L]])
  for (operand in operands[-1L]) merged <- merge_two(merged, unclass(operand))
  merged
}

# Leaves with the same identifier, and those that are the same R object, become one.
merge_two <- function(x, y) {
  known <- match(names(y$leaves), names(x$leaves), 0L)
  place <- .Call(C_match_objects, y$data, y$kind, x$data, x$kind)
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
  x$leaves <- c(x$leaves, leaves)
  x$table <- c(x$table, y$table[!names(y$table) %in% names(x$table)])
  x
}

check_rows <- function(x, y, new) {
  for (kind in intersect(x$kind, y$kind[new])) {
    rows <- c(row_count(x, kind), row_count(y, kind))
    if (kind != "Pm" && rows[1L] != rows[2L])
      throw("shape", operands_with(rows, " rows for ", substring(kind, 2L)),
            ": expected equal numbers")
  }
}

# Numbers of rows of the first matrix of that kind, 1 if there is none.
row_count <- function(x, kind) {
  first <- match(kind, part(x, "kind"))
  if (is.na(first)) 1L else nrow(part(x, "data")[[first]])
}

# "`Vi(x)` has dimension 3, `b` has dimension 2": operands as the user wrote them.
operands_with <- function(...) {
  facts <- paste0(...)
  call <- as.list(user_call())[-1L]
  call <- call[seq_len(min(length(call), length(facts)))]
  labels <- vapply(call, function(arg) deparse(arg, width.cutoff = 60L)[1L], "")
  labels <- c(labels, rep("operand", length(facts) - length(labels)))
  paste0("`", labels, "` has ", facts, collapse = ", ")
}

# ---- text ----------------------------------------------------------------------------------------

# Values used once are written where they are used, others are defined once: the length of the
# text is proportional to the number of operations. Functional form only, so no priorities.
nesting_limit <- 30L

formula_parts <- function(x, roots) {
  table <- x$table
  ids <- c(names(x$leaves), names(table))
  operands <- lapply(table, `[[`, "operands")
  operands <- split_as(match(unlist(operands), ids), lengths(operands))
  roots <- match(roots, ids)
  uses <- tabulate(c(unlist(operands), roots), length(ids))
  text <- c(paste0("V", x$leaves - 1L), character(length(table)))
  depth <- integer(length(ids))
  definitions <- character()
  for (k in seq_along(table)) {
    at <- length(x$leaves) + k
    text[at] <- node_text(table[[k]], text[operands[[k]]])
    depth[at] <- 1L + max(0L, depth[operands[[k]]])
    if (length(operands[[k]]) && (uses[at] > 1L || depth[at] > nesting_limit)) {
      name <- paste0("d", length(definitions) + 1L)
      definitions <- c(definitions, paste0(name, "=", text[at]))
      text[at] <- name
      depth[at] <- 0L
    }
  }
  list(definitions = definitions, roots = text[roots])
}

node_text <- function(node, operands) {
  arguments <- c(operands, node$literals)
  if (!length(arguments)) return(node$op)
  paste0(node$op, "(", paste(arguments, collapse = ","), ")")
}

split_as <- function(x, sizes) {
  last <- cumsum(sizes)
  lapply(seq_along(sizes), function(k) x[seq_len(sizes[k]) + last[k] - sizes[k]])
}

with_definitions <- function(definitions, text) paste(c(definitions, text), collapse = "; ")

formula_of <- function(x) {
  parts <- formula_parts(unclass(x), part(x, "root"))
  with_definitions(parts$definitions, parts$roots)
}

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
  switch(name, formula = formula_of(x), args = declarations_of_leaves(unclass(x)),
         data = lapply(part(x, "data"), interleaved), part(x, name))
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
  formula <- formula_of(x)
  if (nchar(formula) > 500L)
    formula <- paste0(substr(formula, 1L, 480L), "... (", nchar(formula), " characters)")
  data <- part(x, "data")
  rows <- vapply(data, NROW, 1L)
  rows <- ifelse_int(part(x, "kind") == "Pm", rep("", length(data)), paste(",", rows, "rows"))
  c(paste0("<", class(x)[1L], "> ", size[1L], " x ", size[2L], " (i x j), dimension ", size[3L],
           if (part(x, "logical")) ", logical"),
    paste0("formula: ", formula),
    if (length(data)) c("variables:", paste0("  ", declarations_of_leaves(unclass(x)), rows)))
}

#' @export
print.LazyTensor <- function(x, ...) {
  cat(format(x), sep = "\n")
  invisible(x)
}

#' @importFrom utils str
#' @export
str.LazyTensor <- function(object, ...) cat("", format(object)[1L], "\n")

#' @export
summary.LazyTensor <- function(object, ...) print(object)

#' Kinds of LazyTensors
#'
#' @param x an object.
#' @return `TRUE` or `FALSE`. `is.LazyTensor()`: whether it is a LazyTensor. Of a LazyTensor,
#'   `is.LazyParameter()`: whether it is one real number, the same for all pairs;
#'   `is.LazyVector()`: whether one of its variables is a parameter; `is.LazyMatrix()`: whether one
#'   of its variables is indexed by i or j; `is.ComplexLazyParameter()`: whether it is one complex
#'   number. `is.int()`: whether x is one whole number.
#' @examples
#' is.LazyTensor(Pm(0.5))
#' is.LazyParameter(Pm(0.5))
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
  if (is.LazyTensor(x)) return(x)
  throw("argument", "`", name, "` is ", describe(x), ": expected a LazyTensor")
}

# ---- exchange of i and j -------------------------------------------------------------------------

#' Exchange of i and j
#'
#' @param x a LazyTensor.
#' @return The LazyTensor with i and j exchanged in each of its variables.
#' @examples
#' dim(t(Vi(matrix(0, 3, 2))))
#' @export
t.LazyTensor <- function(x) {
  x <- unclass(x)
  new <- character() # identifiers, named by the old ones
  new[names(x$leaves)] <- vapply(paste0("t,", names(x$leaves)), function(id) .Call(C_hash, id), "")
  names(x$leaves) <- new[names(x$leaves)]
  x$kind <- c(Vi = "Vj", Vj = "Vi", Pm = "Pm")[x$kind]
  for (k in seq_along(x$table)) {
    node <- x$table[[k]]
    node$operands <- unname(new[node$operands])
    new[names(x$table)[k]] <- .Call(C_hash, paste(unlist(node), collapse = ","))
    x$table[[k]] <- node
  }
  names(x$table) <- new[names(x$table)]
  new_lazytensor(new[[x$root]], x$table, x$leaves, x$data, unname(x$kind), x$dimres, x$logical,
                 x$complex)
}

# ---- base functions that would misread a LazyTensor ----------------------------------------------

refuse_base <- function(name, advice = "it has no meaning for a LazyTensor") {
  force(name)
  force(advice)
  function(...) throw("argument", "`", name, "` of a LazyTensor: ", advice)
}

use_reduction <- "use sum(x, index = ), min(x, index = ), max(x, index = )"

#' @export
mean.LazyTensor <- refuse_base("mean", use_reduction)
#' @export
c.LazyTensor <- refuse_base("c", "use list() for a list of them, concat() to join components")
#' @export
cbind.LazyTensor <- refuse_base("cbind", "use concat()")
#' @export
rbind.LazyTensor <- refuse_base("rbind", "use concat()")
#' @export
is.na.LazyTensor <- refuse_base("is.na", "use x != x")
#' @export
rev.LazyTensor <- refuse_base("rev", "use x[k] to choose components")
#' @export
rep.LazyTensor <- refuse_base(
  "rep", "if this is ifelse(), its test must be a LazyTensor; see also where()")
#' @importFrom utils head
#' @export
head.LazyTensor <- refuse_base("head", "use x[k] to choose components")
#' @importFrom utils tail
#' @export
tail.LazyTensor <- refuse_base("tail", "use x[k] to choose components")
#' @importFrom stats median
#' @export
median.LazyTensor <- refuse_base("median", use_reduction)
#' @export
as.double.LazyTensor <- refuse_base("as.numeric", "reduce it first, for instance by sum(x, \"j\")")
#' @export
as.matrix.LazyTensor <- refuse_base("as.matrix", "reduce it first, for instance by sum(x, \"j\")")
#' @export
`[<-.LazyTensor` <- function(x, ..., value)
  throw("argument", "components of a LazyTensor cannot be changed; see where() and concat()")
