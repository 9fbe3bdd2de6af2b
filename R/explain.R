# How an operator is computed, told by the engine: lines "key: value" in sections, read as lists.

#' How an operator is computed
#'
#' What rkeops made of the formula of an operator, with the current options: the passes over the
#' pairs, what is computed for each parameter, row, column and pair, what that costs, how the pairs
#' are laid out in tiles, and how sums are added up. Nothing is compiled or computed, and no GPU is
#' opened.
#'
#' @param op an operator: a function made by [keops_kernel()] or [keops_grad()] and the like, a
#'   reduction of LazyTensors with `call = FALSE`, or [gradient()] or [jvp()] of one; a linear operator, see
#'   [add_ridge()]; or [solve()][solve.LazyTensor] with `call = FALSE`.
#' @return A list of class `rkeops_explanation`, which prints itself:
#'   * `backend`: `"cpu"`, `"builtin"` or `"cuda"`, as the options or the operator say now, for the numbers
#'     of rows that are known, else for a large call;
#'   * `formula`, as the operator was made, and `variables`, its declarations; `rows`, numbers of
#'     rows of i and j, where the operator has its data; `pairs`, how many pairs are computed, where
#'     [restrict_pairs()] left some out (operators of [keops_kernel()] are told when they are called);
#'   * `passes`: a list with one element for each walk over the pairs, in order.
#'
#'   A pass is a list of
#'   * `formula`, with the results of earlier passes as `pass.1`, ... (one that is no reduction is
#'     computed for each `kept` row); `result`: of which results of
#'     the operator this is the pass, missing where only later passes read it;
#'   * `reduction`, `reduced` (the index), `kept`, `components` and `K` of what is reduced,
#'     `precision`, `factor` (the result is multiplied by it at the end);
#'   * for sums `scheme`, `accumulator`, `short_sums` (so many terms are added up in `precision`
#'     before they enter a sum in that of the accumulator), `bound_fixed` and `bound_each`: the
#'     additions of n terms err by at most `bound_fixed + n * bound_each` times the sum of the
#'     absolute values of the terms. What each term itself is off by is not in it;
#'   * `levels`: lists `parameters`, `rows`, `columns` and `pairs` of `operations` (arithmetic, for
#'     one row, column or pair; an exponential counts as several), `bytes` (of the packed record of
#'     one of them; of pairs what a tile reads of its rows and columns, for each pair),
#'     `components` of that record, `steps`, `panel` (numbers in memory that are kept meanwhile) and
#'     `values`, a data frame of what is made there: `name` (that other values know it by: a
#'     variable, or `row.1`, ...; `""` for none), `formula`, `dim` and `role`: `"packed"` for
#'     other levels, `"kept"` or in a `"panel"` for later steps, `"reduced"`;
#'   * `layout`: what the backend chose, such as `tile_rows` and `tile_columns`, the pairs that one
#'     thread works on at a time;
#'   * `bounds`, after a call that looked for pairs which cannot matter (option `prune`, see
#'     [set_rkeops_options()]): `pruned`, whether some were left out; the shares of all pairs that
#'     a sample said have to be walked, `expected`, and that were, `walked`;
#'   * `data`, after a call in float32: `split`, whether differences were taken of sums of two
#'     numbers, because one has too few digits for this data; and `slots`, a data frame of the
#'     values that are packed for a `level`: `formula`, `dim`, `largest` number in size, `centre`
#'     (what was subtracted before rounding, the largest of its components) and `digits`: how many
#'     binary digits finer than the width of the data values are rounded, where differences of
#'     them are taken. `NA` where nobody looked;
#'   * `check`, after a call whose rows were compared with float64 (option `check_precision`): how many
#'     `rows`, and what the worst value was `off`, beside the sizes that [set_rkeops_options()] names.
#'
#'   Of a linear operator it is a list of class `rkeops_linear_explanation`: `operator`, what it is made of,
#'   and `products`, for each kernel the explanation of its product with a vector, as above. Of a system
#'   beside these: `solver`, such as `"Cholesky"` or `"conjugate gradients"`; `method`, `"dense"` or
#'   `"iterative"`; `preconditioner`, the most columns that one may have, 0 for none (`"auto"` takes as many
#'   of them as pay); `tol` and `limit`.
#'
#'   Later versions may add elements. Formulas are what is computed, after rewriting: names in lower
#'   case, such as `exp2`, are operations that a formula of the user cannot have. Long ones are cut:
#'   `...`.
#' @section Errors:
#' `rkeops_error_argument` for an `op` that is no operator, a LazyTensor and derivatives of systems included;
#' `rkeops_error_formula` where its formula is refused.
#' @family operators from formulas
#' @examples
#' op <- keops_kernel("Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)",
#'                    c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "s=Pm(1)"))
#' rkeops_explain(op)
#'
#' # of reductions of LazyTensors, and of their gradients
#' x <- Vi(matrix(sin(1:12), ncol = 3))
#' y <- Vj(matrix(cos(1:60), ncol = 3))
#' nearest <- min_argmin(sqdist(x, y), "j", call = FALSE)
#' rkeops_explain(nearest)
#' plan <- rkeops_explain(gradient(logsumexp(-sqdist(x, y), "j", call = FALSE), x, call = FALSE))
#' length(plan$passes)
#' plan$passes[[1]]$levels$pairs$values
#'
#' # of linear operators and systems
#' rkeops_explain(solve(add_ridge(x[1] * Vj(sin(1:4)), 0.1), 1:4, call = FALSE))$solver
#' @export
rkeops_explain <- function(op) {
  check_given(op, "op", "an operator")
  if (is_linear(op)) return(explained_linear(plain_linear(op), NULL))
  if (is_composed(op) && !is.null(explain <- environment(op)$explain)) return(explain())
  program <- program_to_show(op)
  rows <- if (inherits(op, "LazyOperator")) rows_of_state(environment(op)$state)
  blocks <- program[["blocks"]]
  text <- checked(.Call(C_explain, program, rows, engine_options(program$options)))
  sections <- sections_of(text)
  titles <- names(sections)
  number <- cumsum(titles == "pass")
  passes <- lapply(seq_len(max(number)), function(k) read_pass(sections[number == k]))
  structure(c(sections[[1L]], list(formula = program$text, variables = declared(program)),
              if (length(rows)) list(rows = rows), if (!is.null(blocks)) list(pairs = pairs_kept(blocks)),
              list(passes = passes)),
            class = "rkeops_explanation")
}

explained_linear <- function(x, precision) {
  products <- lapply(named_kernels(x), function(K)
    rkeops_explain(new_lazy_operator(product_state(K, Vj(matrix(0, row_count(K, "Vj"), 1L)), precision))))
  structure(list(operator = format(x)[1L], products = products), class = "rkeops_linear_explanation")
}

rows_of_state <- function(state) {
  rows <- if (is_spread(state)) rows_laid_out(layout_of(state, state$per))
          else c(row_count(state, "Vi"), row_count(state, "Vj"))
  c(i = as.double(rows[1L]), j = as.double(rows[2L]))
}

# ---- reading -------------------------------------------------------------------------------------

# A list of the fields of each section, the first one named "".
sections_of <- function(text) {
  lines <- strsplit(text, "\n", fixed = TRUE)[[1L]]
  title <- startsWith(lines, "[")
  fields <- lapply(split(lines[!title], factor(cumsum(title), 0:sum(title))[!title]), fields_of)
  names(fields) <- c("", gsub("[][]", "", lines[title]))
  fields
}

# Numbers where all values of a key are numbers.
fields_of <- function(lines) {
  at <- regexpr(": ", lines, fixed = TRUE)
  key <- substring(lines, 1L, at - 1L)
  fields <- split(substring(lines, at + 2L), factor(key, unique(key)))
  lapply(fields, numbers_or_text)
}

numbers_or_text <- function(text) {
  numbers <- suppressWarnings(as.double(text))
  if (anyNA(numbers)) text else numbers
}

# Sections that are no levels, `layout` and what the engine may add, stay as they are.
read_pass <- function(sections) {
  is_level <- names(sections) %in% c("parameters", "rows", "columns", "pairs")
  others <- sections[!is_level]
  if (!is.null(others$data)) others$data <- read_data(others$data)
  if (!is.null(others$bounds)) others$bounds$pruned <- others$bounds$pruned == 1
  c(others[[1L]], list(levels = lapply(sections[is_level], read_level)), others[-1L])
}

read_level <- function(fields) {
  word <- words_of(fields$value, 4L)
  fields$value <- NULL
  fields$values <- data.frame(name = sub("^-$", "", word(3L)), formula = word(4L),
                              dim = as.integer(word(2L)), role = word(1L), stringsAsFactors = FALSE)
  fields
}

read_data <- function(fields) {
  word <- words_of(fields$slot, 6L)
  number <- function(k) as.double(replace(word(k), word(k) == "NA", NA))
  list(split = fields$split == 1,
       slots = data.frame(level = word(1L), formula = word(6L), dim = as.integer(word(2L)),
                          largest = number(3L), centre = number(4L), digits = number(5L),
                          stringsAsFactors = FALSE))
}

# Of lines of n words, of which the last is all that is left: the k-th of each.
words_of <- function(lines, n) {
  words <- regmatches(lines, regexec(paste0("^", strrep("(\\S+) ", n - 1L), "(.*)$"), lines))
  function(k) vapply(words, `[`, "", k + 1L)
}

# ---- showing -------------------------------------------------------------------------------------

#' @export
format.rkeops_explanation <- function(x, ...) {
  n <- length(x$passes)
  passes <- lapply(seq_len(n), function(k) c("", pass_lines(x$passes[[k]], k, x$rows)))
  c(paste0("<rkeops explanation> ", n, if (n == 1L) " pass" else " passes", " over the pairs, on ",
           if (x$backend == "cuda") "a GPU" else "the CPU"),
    paste0("formula: ", shortened(x$formula)),
    paste0("variables: ", paste(x$variables, collapse = ", ")),
    if (length(x$rows)) paste0("rows: ", paste(names(x$rows), "=", big(x$rows), collapse = ", ")),
    if (length(x$pairs)) paste0("pairs: ", big(x$pairs), ", ", share_text(x$pairs / prod(x$rows))),
    unlist(passes))
}

#' @export
print.rkeops_explanation <- function(x, ...) {
  cat(format(x), sep = "\n")
  invisible(x)
}

#' @export
format.rkeops_linear_explanation <- function(x, ...) {
  columns <- x$preconditioner
  c(sub("<LinearOperator>", "<rkeops explanation>", x$operator, fixed = TRUE),
    if (!is.null(x$solver))
      c(paste0("solver: ", x$solver, ", ", x$method),
        if (x$method == "iterative")
          paste0("preconditioner: ", if (columns) paste("partial Cholesky, at most", counted(columns, "column"))
                                     else "none"),
        paste0("to a residual of ", short_number(x$tol), if (x$method == "iterative") paste(", in at most", counted(x$limit, "step")))),
    unlist(Map(function(product, name) c("", paste("product with", name), paste0("  ", format(product)[-1L])),
               x$products, names(x$products)), use.names = FALSE))
}

#' @export
print.rkeops_linear_explanation <- print.rkeops_explanation

big <- function(x) format(x, digits = 3L, trim = TRUE, scientific = FALSE, drop0trailing = TRUE)

pass_lines <- function(pass, number, rows) {
  c(paste0("pass ", number, ": ", shortened(pass$formula)),
    paste0("  ", c(result_line(pass), level_lines(pass$levels), layout_line(pass$layout),
                   bounds_line(pass$bounds), data_lines(pass$data), check_line(pass$check),
                   sum_lines(pass, rows))))
}

bounds_line <- function(bounds) {
  if (is.null(bounds)) return(NULL)
  share <- function(x) paste0(format(100 * x, digits = 2L), " %")
  if (bounds$pruned)
    paste0("pruned: ", share(bounds$walked), " of the pairs were walked, the others cannot matter")
  else paste0("not pruned: of a sample ", share(bounds$expected), " of the pairs matter")
}

check_line <- function(check) {
  if (!is.null(check))
    paste0("checked: ", counted(check$rows, "row"), " in float64, off by at most ", format(check$off, digits = 2L))
}

data_lines <- function(data) {
  if (is.null(data)) return(NULL)
  slots <- data$slots[!is.na(data$slots$largest), ]
  short <- function(x) vapply(x, format, "", digits = 3L)
  text <- paste0(slots$formula, " up to ", short(slots$largest),
                 ifelse_int(is.na(slots$digits), rep("", nrow(slots)),
                            paste0(" around ", short(slots$centre), ", ",
                                   vapply(slots$digits, round, 0), " digits")))
  c(if (nrow(slots)) paste0("data: ", paste(text, collapse = "; ")),
    if (data$split) "differences are of sums of two numbers: one has too few digits for this data")
}

result_line <- function(pass) {
  size <- pass$components * pass$K
  paste0(if (length(pass$result)) paste("result", paste(pass$result, collapse = ", "))
         else "for later passes",
         ": ", if (pass$kept == "none") "one row" else paste("a row for each", pass$kept), " of ",
         size, if (size == 1) " value, " else " values, ", pass$precision,
         if (pass$factor != 1) paste0(", multiplied by ", format(pass$factor), " at the end"))
}

# A table of what each level costs, beside what is made there.
level_lines <- function(levels) {
  values <- lapply(levels, value_texts)
  lines <- lengths(values)
  first <- function(x) unlist(Map(function(x, n) c(x, rep("", n - 1L)), x, lines))
  numbers <- function(key) first(vapply(levels, function(level) big(round(level[[key]], 1L)), ""))
  columns <- list(format(c("level", first(names(levels)))),
                  format(c("operations", numbers("operations")), justify = "right"),
                  format(c("bytes", numbers("bytes")), justify = "right"),
                  c("values", unlist(values)))
  do.call(paste, c(unname(columns), sep = "  "))
}

most_values <- 12L

value_texts <- function(level) {
  values <- level$values
  if (!nrow(values)) return("none")
  named <- values$name != values$formula & nzchar(values$name)
  text <- paste0(c("", "reduced: ")[1L + (values$role == "reduced")],
                 ifelse_int(named, paste(values$name, "=", values$formula), values$formula),
                 ifelse_int(values$dim > 1L, paste0("  [", values$dim, "]"), rep("", nrow(values))))
  if (length(text) <= most_values) return(text)
  c(text[seq_len(most_values - 1L)], paste("and", length(text) - most_values + 1L, "more"))
}

layout_line <- function(layout) {
  if (!length(layout)) return(NULL)
  paste0("layout: ", paste(gsub("_", " ", names(layout)), layout, collapse = ", "))
}

sum_lines <- function(pass, rows) {
  if (pass$reduced == "none") return(NULL)
  if (is.null(pass$scheme)) return("no sum: values are chosen, which adds no error")
  n <- if (length(rows)) rows[[pass$reduced]]
  c(paste0("sums: scheme ", pass$scheme, ", in ", pass$accumulator,
           if (length(pass$short_sums)) paste(" after short sums of", pass$short_sums, "terms in",
                                              pass$precision)),
    paste0("error of the additions: at most ", bound_text(pass, n), " x the sum of |terms|"))
}

bound_text <- function(pass, n) {
  short <- function(x) format(x, digits = 2L)
  if (length(n)) return(paste(short(pass$bound_fixed + n * pass$bound_each)))
  paste0("(", if (pass$bound_fixed > 0) paste(short(pass$bound_fixed), "+ "),
         short(pass$bound_each), " n)")
}
