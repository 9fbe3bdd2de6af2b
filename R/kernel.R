# Operators made from a formula text.
#
# An operator is a closure over a "program": a plain list with the text, the declarations,
# options of its own and what the engine said about them. Handles of the engine are looked up by
# text at each call, so an operator can be saved and sent to other processes.

#' An operator from a formula
#'
#' Makes an R function that computes a reduction such as
#' \eqn{\sum_j \exp(-|x_i - y_j|^2) b_j}{sum_j exp(-|x_i - y_j|^2) b_j} for all i, without ever
#' storing anything of the size of all pairs.
#'
#' @param formula one string: a reduction of an expression, such as
#'   `"Sum_Reduction(Exp(-SqDist(x,y))*b, j)"`, possibly after definitions separated by `;`
#'   (`"d = x - y; Sum_Reduction(Exp(-SqNorm2(d))*b, j)"`). The last argument of the reduction is
#'   the index that is reduced: `j` or 0 for one result for each i, `i` or 1 for one for each j.
#'   [rkeops_formulas] is the reference of all operations and reductions.
#' @param args character vector that declares the variables: `"x=Vi(3)"` has one row of 3 numbers
#'   for each i, `"y=Vj(3)"` for each j, `"s=Pm(1)"` is a parameter. Either all or none have a
#'   position: `"x=Vi(0,3)"`.
#' @param sum_scheme how sums are added up: `"auto"`, `"direct_sum"`, `"block_sum"` or
#'   `"kahan_scheme"`. Where it is not given, option `sum_scheme` of the session is read at each
#'   call.
#' @param ... `accumulator`, `precision`, `backend`, `engine`, `device`: how this operator computes,
#'   as in [reductions]; what is not given is an option of the session, read at each call.
#' @param batch `TRUE` for an operator that takes arrays of batches, see [batches].
#'
#' @return A function `op(input = NULL, inner_dim = "col", ...)`.
#'
#'   `input` is a list with one element for each variable, in the order of `args` (of positions
#'   when they are given), or in any order with the names of the variables. A variable of
#'   dimension D is a matrix with D columns and one row for each i or j (a plain vector is one
#'   column); a parameter is a vector of length D. With `inner_dim = "row"` matrices have one column
#'   for each i or j instead (the numbers 1 and 0 of RKeOps 1.x are read as `"col"` and `"row"`).
#'   [to_gpu()] makes inputs that lie on a GPU. Further arguments `blocks`, `groups` and `ranges` say
#'   which pairs are computed, as in [restrict_pairs()].
#'
#'   The result is a matrix with one row for each i (or j): of D columns for most reductions, for
#'   `Min_ArgMin` and `Max_ArgMax` a list of two such matrices (values and positions), for `KMin`
#'   and `ArgKMin` an array n x K x D (a matrix n x K when D is 1), for `KMin_ArgKMin` a list of
#'   two. Positions count from 1, see option `index_base` of [set_rkeops_options()]. A formula of
#'   several results, separated by commas, gives a list of them. A reduction over an index that
#'   none of several variables has gives a warning of class `rkeops_warning_index`.
#'
#'   `op()` returns what the operator was made from: a list of `formula`, `args`, `args_info` and
#'   `sum_scheme`.
#' @section Errors:
#' `rkeops_error_formula` where the text is wrong, with the place in it; `rkeops_error_argument` for
#' other arguments and for inputs without plain numbers; `rkeops_error_shape` where dimensions or
#' numbers of rows do not fit; `rkeops_error_compile`, `rkeops_error_memory`, `rkeops_error_device`
#' where a call cannot be computed.
#' @family operators from formulas
#' @examples
#' op <- keops_kernel("Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)",
#'                    c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "s=Pm(1)"))
#' x <- matrix(sin(1:30), ncol = 3)
#' y <- matrix(cos(1:60), ncol = 3)
#' head(op(list(x, y, rep(1, 20), 0.5)))
#' head(op(list(s = 0.5, b = rep(1, 20), x = x, y = y)))
#' @seealso [keops_grad()] for derivatives.
#' @export
keops_kernel <- function(formula, args, sum_scheme = "auto", ..., batch = FALSE) {
  check_given(formula, "formula", "one string")
  check_given(args, "args", "strings such as \"x=Vi(3)\"")
  if (!is_string(formula))
    unexpected(formula, "formula", "one string")
  info <- parse_aliases(args)
  # an operator with the default scheme has none of its own: the option of the session counts
  options <- if (missing(sum_scheme)) kernel_options(...)
             else kernel_options(sum_scheme = sum_scheme, ...)
  context <- list(formula = formula, args = args, args_info = info, sum_scheme = sum_scheme)
  program <- new_program(formula, declarations_of(info), options)
  kinds <- program$variables$kind
  if (is_reduction_text(formula) && sum(kinds != "Pm") > 1L) # not a map of one variable
    check_reduced(program$results[[1L]]$kept, kinds)
  new_operator(if (check_flag(batch, "batch")) batch_program(program, info) else program, context)
}

# Is the first result that of a reduction, and not a derivative or made of other results?
is_reduction_text <- function(formula)
  grepl("^[[:space:]]*[A-Za-z_]+_Reduction[[:space:]]*\\(", sub("^.*;", "", formula))

kernel_options <- function(..., call) {
  if (!missing(call))
    throw("argument", "`call` is for reductions of LazyTensors: an operator computes when it is ",
          "called")
  call_options(list(...))$options
}

new_operator <- function(program, context) {
  force(program)
  force(context)
  made <- list() # operators of gradients, see kept_gradients()
  op <- structure(class = "rkeops_operator", function(input = NULL, inner_dim = "col", ...) {
    if (is.null(input)) return(context)
    if (is.list(input) && any_recorded(input)) return(run_recorded_operator(op, input, inner_dim, ...))
    run_program(program, input, inner_dim, ...)
  })
  op
}

#' @export
format.rkeops_operator <- function(x, ...) {
  program <- program_of(x)
  c("<rkeops operator> compute it by op(list(...)), see its parts by op()",
    paste0("formula: ", shortened(program$text)),
    "variables:", paste0("  ", declared(program)),
    if (!is.null(program$batch)) "batches: dimensions of arrays from the third on",
    precision_line(program$options), option_lines(program$options))
}

#' @export
print.rkeops_operator <- function(x, ...) {
  cat(format(x), sep = "\n")
  invisible(x)
}

option_lines <- function(options) {
  options <- options[names(options) != "precision" & !vapply(options, identical, NA, "auto")]
  if (length(options))
    paste0("options: ", paste(names(options), vapply(options, option_text, ""), sep = " = ",
                              collapse = ", "))
}

# ---- declarations --------------------------------------------------------------------------------

# With blanks between words, not within them.
alias_pattern <- paste(c("^", "([A-Za-z_][A-Za-z0-9_]*)", "=", "(Vi|Vj|Pm)", "\\(",
                         "(?:([0-9]+)[ \t\r\n]*,)?", "([0-9]+)", "\\)", "$"),
                       collapse = "[ \t\r\n]*")

# What "x=Vi(3)" and "x=Vi(0,3)" say, for all of them.
parse_aliases <- function(args) {
  if (!is.character(args) || !length(args) || anyNA(args))
    throw("argument", "`args` is ", describe(args),
          ": expected strings such as \"x=Vi(3)\", \"y=Vj(3)\", \"s=Pm(1)\"")
  parts <- regmatches(args, regexec(alias_pattern, args, perl = TRUE))
  wrong <- lengths(parts) == 0L
  if (any(wrong))
    throw("argument", "`args` has the element \"", args[wrong][1L],
          "\": expected a name, \"=\", one of Vi, Vj and Pm, and a dimension in parentheses; ",
          "a name has letters A to Z and a to z, digits and \"_\", and begins with no digit")
  part <- function(k) vapply(parts, `[`, "", k)
  position <- part(4L)
  check_positions(position, length(args))
  check_distinct(part(2L))
  list(args = args, var_name = part(2L), var_type = part(3L),
       var_pos = if (all(nzchar(position))) as.integer(position) else seq_along(args) - 1L,
       var_dim = check_dims(part(5L), args),
       decl = if (nzchar(position[1L])) "pos_dim" else "dim")
}

check_positions <- function(position, n) {
  given <- nzchar(position)
  if (any(given) && !all(given))
    throw("argument", "`args` gives positions to some variables only: expected all or none")
  if (any(given) && !setequal(as.numeric(position), seq_len(n) - 1))
    throw("argument", "`args` gives the positions ", paste(position, collapse = ", "),
          ": expected each of 0 to ", n - 1L, " once")
}

check_distinct <- function(names) {
  if (anyDuplicated(names))
    throw("formula", "`args` declares `", names[duplicated(names)][1L], "` twice")
}

max_dim <- 65535L

check_dims <- function(dims, args) {
  wrong <- as.numeric(dims) < 1 | as.numeric(dims) > max_dim
  if (any(wrong))
    throw("shape", "`args` has the element \"", args[wrong][1L],
          "\": expected a dimension from 1 to ", max_dim)
  as.integer(dims)
}

declarations_of <- function(info) {
  place <- order(info$var_pos)
  paste0(info$var_name, "=", info$var_type, "(", info$var_dim, ")")[place]
}

# ---- programs ------------------------------------------------------------------------------------

# Errors of the formula appear here: the engine parses it, but compiles nothing yet.
# `options`: those of the session that this program has its own of.
new_program <- function(text, declarations, options = NULL) {
  program <- list(text = enc2utf8(text), declarations = declarations, options = options)
  c(program, program_info(program))
}

# Variables and results.
program_info <- function(program) {
  checked(.Call(C_program_info, program, engine_options(program$options)))
}

run_program <- function(program, input, inner_dim = "col", ...) {
  input <- arrange_input(input, program$variables$name)
  rows_inside <- is_row(inner_dim)
  if (!is.null(program$batch)) return(run_batches(program, input, rows_inside, list(...)))
  if (...length()) program$blocks <- blocks_for_input(list(...), input, program, rows_inside)
  if (length(program$shapes)) input <- flattened(input, program, rows_inside)
  out <- run_arranged(program, input, rows_inside)
  if (has_positions(out)) explain_positions()
  shapes <- program$result_shapes
  if (is.null(shapes)) out
  else if (length(shapes) == 1L) shaped(out, shapes[[1L]])
  else Map(shaped, out, shapes)
}

# `input` in the order of the variables.
run_arranged <- function(program, input, rows_inside = FALSE) {
  options <- engine_options(program$options)
  out <- .Call(C_run, program, input, rows_inside, options)
  if (is.null(out)) {
    variables <- program_info(program)$variables
    out <- .Call(C_run, program, plain_input(input, variables), rows_inside, options)
  }
  explain_digits(input, options$precision)
  checked(out)
}

# What float32 made of the data of a call, a line for each kind of trouble: C_run calls it.
explain_rounding <- function(text) {
  for (line in strsplit(text, "\n", fixed = TRUE)[[1L]]) caution("precision", line)
}

# Positions are integers, values are not. Positions past 2^31 - 1 are doubles: of so many rows
# somebody has computed before.
has_positions <- function(out) {
  is.integer(out) || is.list(out) && any(vapply(out, has_positions, NA))
}

is_row <- function(inner_dim) {
  if (identical(inner_dim, "col")) return(FALSE) # nearly always
  if (is_number(inner_dim) && inner_dim %in% 0:1) return(is_row_of_1x(inner_dim))
  identical(inner_dim, "row") || check_choice(inner_dim, "inner_dim", c("col", "row")) == "row"
}

# RKeOps 1.x said 0 and 1, and gave results of the orientation of the inputs.
is_row_of_1x <- function(inner_dim) {
  if (inner_dim == 0)
    inform_once("inner_dim", "`inner_dim = 0` is read as \"row\". Results have one row for each i ",
                "(or j) in any case: t() makes of them what RKeOps 1.x gave.")
  inner_dim == 0
}

# `input` in the order of the variables.
arrange_input <- function(input, variables) {
  check_input_list(input, variables)
  given <- names(input)
  if (is.null(given) || identical(given, variables)) return(input)
  check_input_names(given, variables)
  for (name in setdiff(variables, given)) throw("argument", "`input` has no element `", name, "`")
  input[variables]
}

check_input_list <- function(input, variables) {
  if (!is.list(input) || is.object(input))
    unexpected(input, "input", "a list of matrices, one for each of ",
               paste0("`", variables, "`", collapse = ", "))
}

check_input_names <- function(given, variables) {
  if (!all(nzchar(given)))
    throw("argument", "`input` names some of its elements only: expected all or none")
  for (name in given[!given %in% variables])
    throw("argument", "`input` has an element `", name, "` that is no variable of the formula",
          suggestion(name, setdiff(variables, given)))
  for (name in given[duplicated(given)]) throw("argument", "`input` has two elements `", name, "`")
}

# Elements that C code does not take as they are: converted, or refused.
plain_input <- function(input, variables) {
  for (k in seq_along(input))
    input[[k]] <- plain_numbers(input[[k]], variables$name[k], variables$kind[k] != "Pm")
  unname(input)
}

# A plain numeric (or logical) matrix or vector with the values of x; on a GPU it stays there.
plain_numbers <- function(x, name, is_matrix = TRUE, complex_too = FALSE) {
  if (is_gpu(x) || is_recorded(x)) return(x)
  expected <- if (is_matrix) "a numeric matrix or vector" else "a number or a vector"
  fits <- function(x) is_plain_number(x) || complex_too && is.complex(x)
  if (is.LazyTensor(x) || is.null(x) || is.atomic(x) && !is.complex(x) && !is_plain_number(x))
    refuse_numbers(x, name, expected)
  if (inherits(x, "float32")) {
    x <- doubles_of(x)
  } else if (is.data.frame(x)) {
    wrong <- which(!vapply(x, fits, NA))
    if (length(wrong)) refuse_column(x, wrong[1L], name)
    x <- as.matrix(x)
  } else if (is.object(x)) {
    numbers <- matrix_of_object(x)
    if (!fits(numbers)) refuse_numbers(x, name, expected)
    x <- numbers
  }
  if (is.complex(x) && !complex_too)
    throw("argument", "`", name, "` is complex: expected real numbers; a formula takes complex ",
          "ones as columns Re, Im, Re, Im, ..., a LazyTensor takes them as they are")
  if (!fits(x) || is_matrix && length(dim(x)) > 2L) refuse_numbers(x, name, expected)
  attributes(x) <- list(dim = dim(x))
  x
}

# as.matrix() of an object, or NULL where that has not as many numbers as the object says: a matrix
# of all distances, fields of dates, parts of a model.
matrix_of_object <- function(x) {
  numbers <- tryCatch(as.matrix(x), error = function(e) NULL)
  size <- dim(x)
  same <- if (length(size) == 2L) identical(as.double(dim(numbers)), as.double(size))
          else length(size) < 2L && length(numbers) == length(x)
  if (same) numbers
}

# Dates and the like are no numbers for R either; the bits of integer64 are those of other ones, and
# what an S4 class calls its numbers may be a part of them.
is_plain_number <- function(x) {
  if (!(is.numeric(x) || is.logical(x))) return(FALSE)
  !is.object(x) || !isS4(x) && !inherits(x, names(instead_of))
}

# Of a matrix or vector of package float: bits of float32 numbers, kept as integers.
doubles_of <- function(x) {
  bits <- x@Data
  values <- readBin(writeBin(as.vector(bits), raw()), "double", length(bits), size = 4L)
  dim(values) <- dim(bits)
  values
}

refuse_numbers <- function(x, name, expected) {
  unexpected(x, name, expected, advice_on(x))
}

refuse_column <- function(x, k, name) {
  column <- .subset2(x, k)
  unexpected(x, name, "numeric columns, and `", names(x)[k], "` is ", describe(column),
             advice_on(if (inherits(x, "sf")) x else column))
}

# ---- source --------------------------------------------------------------------------------------

#' The source text of an operator
#'
#' What rkeops writes and compiles for an operator, with the current options: for reading, and for
#' reports. Nothing is compiled or computed.
#'
#' @param op an operator: a function made by [keops_kernel()] or [keops_grad()] and the like, or a
#'   reduction of LazyTensors with `call = FALSE`, or [gradient()] or [jvp()] of one.
#' @param target `"c"` for the text that a CPU runs, `"cuda"` for the text that a GPU runs (of the
#'   newest kind that rkeops knows when no GPU is in use). The default is that of the backend.
#' @return A string of class `rkeops_source`, printed as text: one source for each pass over the
#'   pairs, one after the other. It names no variable and no number of the user's.
#' @section Errors:
#' `rkeops_error_argument` for an `op` that is no operator, a LazyTensor included, and for another
#' `target`.
#' @family operators from formulas
#' @examples
#' op <- keops_kernel("Sum_Reduction(Square(x-y), j)", c("x=Vi(1)", "y=Vj(1)"))
#' lines <- strsplit(keops_source(op, "c"), "\n")[[1]]
#' cat(head(lines, 12), sep = "\n")
#'
#' # of a reduction of LazyTensors, and of its gradient
#' x <- Vi(1:3)
#' op <- sum((x - Vj(1:4))^2, "j", call = FALSE)
#' nchar(keops_source(op, "cuda")) > 1000
#' nchar(keops_source(gradient(op, x, call = FALSE), "c")) > 1000
#' @export
keops_source <- function(op, target = c("c", "cuda")) {
  program <- program_to_show(op)
  if (identical(target, c("c", "cuda")))
    target <- if (engine_options(program$options)$backend == "GPU") "cuda" else "c"
  check_choice(target, "target", c("c", "cuda"))
  program$options$backend <- if (target == "cuda") "GPU" else "CPU" # and what "auto" means
  program$options$engine <- "compiled"
  text <- checked(.Call(C_source, program, engine_options(program$options)))
  structure(text, class = "rkeops_source")
}

# That of any operator; `op` is checked.
program_to_show <- function(op) {
  check_given(op, "op", "an operator")
  if (is_composed(op))
    throw("argument", "`op` is the ", shortened(environment(op)$label), ": expected an operator that is one ",
          "program, a reduction with call = FALSE")
  if (inherits(op, "LazyOperator")) return(program_of_state(environment(op)$state))
  program <- if (is.function(op)) environment(op)$program
  if (is_program(program)) return(program)
  unexpected(op, "op", "an operator: a function made by keops_kernel(), or a reduction with ",
             "call = FALSE",
             if (is.LazyTensor(op)) ", such as sum(x, \"j\", call = FALSE)")
}

is_program <- function(x) is.list(x) && !is.null(x$declarations)

#' @export
print.rkeops_source <- function(x, ...) {
  cat(x, "\n", sep = "")
  invisible(x)
}

program_of <- function(op) {
  program <- if (is.function(op)) environment(op)$program
  if (!is_program(program))
    unexpected(op, "op", "a function made by keops_kernel()",
               if (inherits(op, "LazyOperator"))
                 "; gradient() and jvp() are for those of LazyTensors")
  program
}

# ---- for tests -----------------------------------------------------------------------------------

# Compiles many formulas at once: `formulas` is a list of lists of a formula and its declarations.
build_formulas <- function(formulas) {
  programs <- lapply(formulas, function(f) new_program(f[[1L]], f[[2L]]))
  checked(.Call(C_build_many, programs, engine_options()))
  lapply(programs, new_operator, NULL)
}

operation_table <- function() as_table(.Call(C_operation_table))

reduction_table <- function() as_table(.Call(C_reduction_table))

as_table <- function(columns) {
  columns$derivatives <- I(columns$derivatives)
  as.data.frame(columns, stringsAsFactors = FALSE)
}

counters <- function() .Call(C_counters)
