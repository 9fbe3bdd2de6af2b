# The help pages: what they say of base R's functions is true, and their examples show something.

pages <- tryCatch(tools::Rd_db("rkeops"), error = function(e) list())
installed_with_help <- "base-functions.Rd" %in% names(pages)

tag_of <- function(rd) vapply(rd, function(part) as.character(attr(part, "Rd_tag")), "")
flat <- function(rd) paste(unlist(rd), collapse = "")
children <- function(rd, tag) rd[tag_of(rd) == tag]

examples_of <- function(page) {
  file <- tempfile(fileext = ".R")
  on.exit(unlink(file))
  tools::Rd2ex(page, file)
  if (file.exists(file)) parse(file, keep.source = FALSE) else expression()
}

# The rows of the tables in a section: two lists of the texts in \code{}, one for each column.
rows_of_section <- function(page, title) {
  sections <- Filter(function(s) identical(trimws(flat(s[[1]])), title),
                     children(page, "\\section"))
  unlist(lapply(children(sections[[1]][[2]], "\\tabular"), rows_of_table), recursive = FALSE)
}

rows_of_table <- function(table) {
  cells <- table[[2]]
  row <- cumsum(c(FALSE, tag_of(cells)[-length(cells)] == "\\cr"))
  rows <- lapply(split(cells, row), function(cells) {
    column <- cumsum(tag_of(cells) == "\\tab")
    lapply(0:1, function(k) vapply(children(cells[column == k], "\\code"), flat, ""))
  })
  Filter(function(row) length(row[[1]]), rows)
}

# The names of all functions in a call, assignments as `[<-`.
functions_of <- function(code) {
  call <- str2lang(code)
  if (is.call(call) && identical(call[[1]], quote(`<-`)))
    return(paste0(as.character(call[[2]][[1]]), "<-"))
  setdiff(all.names(call), all.vars(call))
}

table_setup <- function() {
  here <- new.env()
  for (line in examples_of(pages[["base-functions.Rd"]]))
    if (is.call(line) && identical(line[[1]], quote(`<-`))) eval(line, here)
  here
}

# The condition with which a call stops, or its value. Pictures are drawn nowhere.
outcome <- function(code, here) {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  local <- new.env(parent = here)
  tryCatch(suppressWarnings(eval(str2lang(code), local)), error = identity)
}

test_that("the table of base R's functions is true: each call is tried", {
  skip_if_not(installed_with_help, "the package is installed without help")
  page <- pages[["base-functions.Rd"]]
  here <- table_setup()
  n <- 0
  for (title in c("Lazily", "Computed", "Refused", "Not asked"))
    for (row in rows_of_section(page, title)) for (code in row[[1]]) {
      utils::capture.output(found <- outcome(code, here))
      n <- n + 1
      switch(title,
        Lazily = expect_s3_class(found, "LazyTensor"),
        Computed = expect_false(is.LazyTensor(found) || inherits(found, "error"), label = code),
        Refused = expect_s3_class(found, "rkeops_error"),
        `Not asked` = {
          expect_s3_class(found, "simpleError")
          expect_false(inherits(found, "rkeops_error"), label = code)
        })
      if (title == "Refused") for (instead in row[[2]])
        expect_match(conditionMessage(found), sub("\\(\\)$", "(", instead), fixed = TRUE,
                     info = code)
    }
  expect_gt(n, 200)
})

test_that("functions that take the dense matrix give what they give of it", {
  skip_if_not(installed_with_help, "the package is installed without help")
  here <- table_setup()
  dense <- new.env(parent = here)
  for (name in c("K", "near")) dense[[name]] <- as.matrix(here[[name]])
  rows <- rows_of_section(pages[["base-functions.Rd"]], "Computed")
  same <- unlist(lapply(rows, function(row) row[[1]]))
  same <- same[!grepl("\"[ij]\"|^as.array|^is[.]|dim|str|summary|names|format|\\$|\\[\\[", same)]
  expect_gt(length(same), 30)
  plain <- function(x) if (is.array(x)) as.vector(x) else x
  for (code in same)
    expect_equal(plain(outcome(code, here)), plain(outcome(code, dense)), tolerance = 1e-12,
                 ignore_attr = TRUE, info = code)
})

test_that("the table has each function of base R that has a method for LazyTensors", {
  skip_if_not(installed_with_help, "the package is installed without help")
  page <- pages[["base-functions.Rd"]]
  calls <- unlist(lapply(c("Lazily", "Computed", "Refused"), function(title)
    lapply(rows_of_section(page, title), `[[`, 1)))
  known <- unlist(lapply(calls, functions_of))
  methods <- getNamespaceInfo("rkeops", "S3methods")
  generics <- methods[methods[, 2] == "LazyTensor", 1]
  groups <- c("Ops", "Math", "Summary", "Complex")
  expect_true(all(groups %in% generics))
  internal <- c("matrixOps", "chooseOpsMethod", "mtfrm", "print") # print() is what the console does
  other_packages <- c("eigs", "eigs_sym", "svds")
  wanted <- setdiff(generics, c(groups, internal, other_packages))
  for (group in groups) wanted <- c(wanted, methods::getGroupMembers(group, recursive = TRUE))
  wanted <- setdiff(wanted, c("Arith", "Compare", "Logic"))
  wanted <- c(wanted, base_exports, "crossprod", "tcrossprod", "rowSums", "colSums", "rowMeans",
              "colMeans", "norm", "diag", "which")
  expect_identical(setdiff(wanted, known), character())
})

test_that("pages of functions say what these give, in which shape, and have no empty section", {
  skip_if_not(installed_with_help, "the package is installed without help")
  for (name in names(pages)) {
    tags <- tag_of(pages[[name]])
    expect_true("\\examples" %in% tags, label = paste(name, "has an example"))
    if (!"\\usage" %in% tags) next
    expect_true("\\value" %in% tags, label = paste(name, "has a value"))
    expect_gt(nchar(flat(children(pages[[name]], "\\value"))), 20)
    expect_match(flat(pages[[name]]), "rkeops_(error|warning)|no error", info = name)
  }
})

test_that("each example prints something, the same each time, and no more than a screen", {
  skip_on_cran() # takes a while
  skip_if_not(installed_with_help, "the package is installed without help")
  skip_on_gpu_machine()
  machine <- c("rkeops_sitrep.Rd", "get_rkeops_cache_dir.Rd", "rkeops_use_gpu.Rd")
  shown <- function(name) {
    old <- set_rkeops_options()
    set_rkeops_options(cache_dir = test_cache, ncore = 2)
    on.exit(set_rkeops_options(old))
    grDevices::pdf(NULL) # pictures are drawn nowhere
    on.exit(grDevices::dev.off(), add = TRUE)
    here <- new.env(parent = globalenv())
    utils::capture.output(for (line in examples_of(pages[[name]])) {
      out <- withVisible(suppressMessages(eval(line, here)))
      if (out$visible) print(out$value)
    })
  }
  for (name in names(pages)) {
    lines <- shown(name)
    expect_true(any(nzchar(lines)), label = paste("the example of", name, "prints"))
    expect_lte(length(lines), 60)
    if (!name %in% machine) expect_identical(shown(name), lines, info = name)
  }
})
