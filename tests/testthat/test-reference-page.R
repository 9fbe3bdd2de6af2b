# ?rkeops_formulas is written from the engine's tables by tools/formulas.R.

page <- function() {
  pages <- tryCatch(tools::Rd_db("rkeops"), error = function(e) list())
  skip_if_not("rkeops_formulas.Rd" %in% names(pages), "the package is installed without help")
  file <- tempfile()
  on.exit(unlink(file))
  tools::Rd2txt(pages[["rkeops_formulas.Rd"]], file, options = list(underline_titles = FALSE))
  text <- gsub("_\b", "", readLines(file))
  gsub("[[:space:]]+", " ", paste(text, collapse = " "))
}

squeezed <- function(text) gsub("[[:space:]]+", " ", trimws(text))

test_that("the page has each operation and each reduction of the tables, as they are now", {
  text <- page()
  operations <- operation_table()
  operations <- operations[grepl("^[A-Z]", operations$name), ] # no formula can use others
  has <- function(what) vapply(squeezed(what), grepl, NA, text, fixed = TRUE)
  expect_identical(operations$name[!has(paste0(operations$name, "("))], character())
  expect_identical(operations$name[!has(operations$documentation)], character())
  first <- operations[!duplicated(operations$name), ]
  for (rule in c(unlist(first$derivatives), first$definition, first$expected))
    if (!is.na(rule) && nchar(rule) < 40 && !grepl("\\b[a-z]\\w+\\(", rule)) expect_true(has(rule), label = rule)
  reductions <- reduction_table()
  expect_identical(reductions$name[!has(paste0(reductions$name, "_Reduction("))], character())
  expect_identical(reductions$name[!has(reductions$documentation)], character())
})
