# Rscript tools/formulas.R: writes man/rkeops_formulas.Rd, the tables of operations and reductions of
# the installed package, put into tools/rkeops_formulas.Rd.in.

escaped <- function(text) gsub("([%{}\\\\])", "\\\\\\1", text)

code <- function(text) paste0("\\code{", escaped(text), "}")

sentence <- function(text) {
  text <- trimws(text)
  if (nzchar(text)) paste0(escaped(text), ".")
}

# ---- operations ----------------------------------------------------------------------------------

# Names of the operands of what is differentiated: the formula, the variable, and what else.
derivative_operands <- c(Grad = "E", Grad_WithSavedForward = "E", Diff = "U",
                         Diff_WithSavedForward = "U", AdjointOperator = "U", TraceOperator = "w",
                         SumLinOperator = "l")

arguments_of <- function(entry) {
  operands <- c("a", "b", "c", "d")
  if (entry$kind == "derivative")
    operands <- c("F", "V", derivative_operands[entry$name], if (entry$lists) NULL else "r")
  lists <- if (entry$lists) paste0("[", c("p", "q", "r", "s", "t"), "]")[seq_len(entry$lists)]
  out <- c(operands[seq_len(entry$operands)], c("n", "m", "l")[seq_len(entry$integers)], lists)
  optional <- seq_len(length(out)) > length(out) - entry$optional
  paste0(ifelse(seq_along(out) > 1, ", ", ""), out, ifelse(optional, "?", ""))
}

dimension_of <- function(entry) {
  if (!is.na(entry$dimension)) paste0("Dimension ", code(entry$dimension), ".")
  else if (entry$kind == "fold") "Dimension 1."
}

# Partial derivatives, or transposes (they contain u), for each operand.
derivatives_of <- function(entry) {
  rules <- entry$derivatives[[1L]]
  if (!entry$kind %in% c("elementwise", "fold", "pieces")) return(NULL)
  if (entry$selects) return("Derivative 1 by what is taken, nothing by the rest.")
  if (all(is.na(rules))) return("Derivative 0.")
  linear <- grepl("\\bu\\b", rules)
  rules <- ifelse(is.na(rules), "0", code(rules))
  paste0(if (any(linear)) "Linear; transpose " else "Derivative ",
         paste(rules, collapse = ", "), ".")
}

operation_item <- function(entry) {
  arguments <- paste(arguments_of(entry), collapse = "")
  definition <- if (!is.na(entry$definition) && nzchar(entry$documentation) &&
                    !grepl("\\b[a-z]\\w+\\(", entry$definition)) # of operations that formulas have
    paste0("It is ", code(entry$definition), ".")
  expected <- if (!is.na(entry$expected) && nzchar(entry$expected))
    paste0("Takes ", escaped(entry$expected), ".")
  text <- c(sentence(entry$documentation), expected, dimension_of(entry), definition,
            derivatives_of(entry))
  paste0("\\item{", code(paste0(entry$name, "(", arguments, ")")), "}{",
         paste(text, collapse = "\n"), "}")
}

# The section of the table, from its comments, in which each operation stands.
sections_of <- function(names) {
  lines <- readLines("src/engine/formula/operations.def")
  heading <- sub("^/\\* ---- (.*) ---- \\*/$", "\\1", lines)
  heading[heading == lines] <- NA
  last <- cummax(ifelse(is.na(heading), 0L, seq_along(lines)))
  name <- sub("^[A-Z]+\\((\\w+),.*$", "\\1", lines)
  unname(heading[last[match(names, name)]])
}

operations_text <- function(table) {
  usable <- grepl("^[A-Z]", table$name) # other names are the planner's
  table <- table[usable & !duplicated(table$name), ]
  section <- sections_of(table$name)
  stopifnot(!anyNA(section))
  items <- vapply(seq_len(nrow(table)), function(k) operation_item(table[k, ]), "")
  unlist(lapply(unique(section), function(title) {
    title_text <- paste0(toupper(substr(title, 1, 1)), substring(title, 2))
    c(paste0("\\section{", escaped(title_text), "}{"), "\\describe{", items[section == title], "}",
      "}")
  }))
}

# ---- reductions ----------------------------------------------------------------------------------

reduction_item <- function(entry) {
  weight <- if (entry$operands == 2L) if (entry$optional) ", G?" else ", G"
  call <- paste0(entry$name, "_Reduction(F", weight, if (entry$integers) ", K", ", j)")
  rules <- entry$derivatives[[1L]]
  notes <- c(if (entry$operands == 2L) "F has dimension 1, the weights G have any.",
             if (!is.na(entry$no_derivative))
               paste0("No derivative: ", escaped(entry$no_derivative), ".")
             else if (all(is.na(rules))) "Derivative 0."
             else if (entry$selects) "The derivative goes to what was selected.")
  paste0("\\item{", code(call), "}{", paste(c(sentence(entry$documentation), notes),
                                            collapse = "\n"), "}")
}

reductions_text <- function(table) {
  vapply(seq_len(nrow(table)), function(k) reduction_item(table[k, ]), "")
}

# ---- the page ------------------------------------------------------------------------------------

fill <- function(page, mark, lines) append(page[page != mark], lines, match(mark, page) - 1L)

page <- readLines("tools/rkeops_formulas.Rd.in")
page <- fill(page, "%REDUCTIONS%", reductions_text(rkeops:::reduction_table()))
page <- fill(page, "%OPERATIONS%", operations_text(rkeops:::operation_table()))
writeLines(page, "man/rkeops_formulas.Rd")
