# The texts of the repository: their links lead somewhere, their R runs, their figures are those of
# bench/results. In a checkout only: the package does not contain them.

top <- file.path("..", "..")

skip_without_checkout <- function() {
  skip_if_not(file.exists(file.path(top, "README.md")) && dir.exists(file.path(top, "bench")),
              "the repository is not there")
}

read_text <- function(...) readLines(file.path(top, ...), encoding = "UTF-8")

# Targets of [text](target) and ![text](target).
links_of <- function(lines) {
  text <- paste(lines, collapse = "\n")
  found <- regmatches(text, gregexpr("\\]\\([^() ]+\\)", text))[[1]]
  substring(found, 3L, nchar(found) - 1L)
}

texts <- function() {
  c("README.md", "CONTRIBUTING.md", file.path("bench", "README.md"),
    file.path("inst", "examples", "README.md"),
    file.path("src", "engine", dir(file.path(top, "src", "engine"), "^README", recursive = TRUE)))
}

test_that("links between the texts lead to files", {
  skip_without_checkout()
  for (text in texts()) {
    links <- grep("^[a-z]+:", links_of(read_text(text)), value = TRUE, invert = TRUE)
    for (link in sub("#.*", "", links))
      expect_true(file.exists(file.path(top, dirname(text), link)), label = paste(text, link))
  }
  expect_gt(length(links_of(read_text("README.md"))), 15)
})

test_that("addresses elsewhere are written as addresses, and the repository has one", {
  skip_without_checkout()
  address <- read.dcf(file.path(top, "DESCRIPTION"), c("URL", "BugReports"))
  expect_equal(address[[2]], paste0(address[[1]], "/issues"))
  words <- unlist(regmatches(read_text("README.md"),
                             gregexpr("https?://[^ )]+", read_text("README.md"))))
  expect_true(address[[1]] %in% words)
  expect_true(all(grepl("^https://[a-z0-9.-]+/?[A-Za-z0-9./_-]*$", words)))
})

test_that("help pages and articles that texts, articles and help name are there", {
  skip_without_checkout()
  folder <- function(name, pattern) file.path(name, dir(file.path(top, name), pattern))
  articles <- folder("vignettes", "\\.Rmd$")
  others <- folder(file.path("vignettes", "articles"), "\\.Rmd$")
  for (text in c(texts(), articles, others, folder("R", "\\.R$"))) {
    lines <- read_text(text)
    found <- unlist(regmatches(lines, gregexpr("vignette\\(\"[a-z-]+\"", lines)))
    found <- sprintf("vignettes/%s.Rmd", gsub("vignette\\(|\"", "", found))
    expect_identical(setdiff(found, articles), character(), label = text)
    topics <- unlist(regmatches(lines, gregexpr("`\\?[a-z_A-Z.-]+`", lines)))
    for (topic in gsub("[`?]", "", topics))
      expect_gte(length(utils::help((topic))), 1L, label = paste(text, topic))
  }
  expect_identical(setdiff(c(articles, others), links_of(read_text("README.md"))), character())
})

test_that("README names everything that make installs", {
  skip_without_checkout()
  setup <- paste(read_text("tools", "setup.sh"), collapse = "\n")
  value <- function(name) sub(paste0(".*\n", name, "=\"([^\"$]*).*"), "\\1", setup)
  packages <- function(name) strsplit(trimws(value(name)), "[[:space:]]+")[[1]]
  words <- c("r-base-core" = "R", "r-base-dev" = "a C compiler", "fonts-dejavu-core" = "a font")
  debian <- packages("debian_packages")
  known <- debian %in% names(words)
  wanted <- c(packages("r_packages"), words[debian[known]], sub("r-cran-", "", debian[!known]))
  expect_gt(length(wanted), 8)
  install <- gsub("[[:space:]]+", " ", paste(read_text("README.md"), collapse = " "))
  install <- sub(".*`make` says what is missing(.*)Elsewhere.*", "\\1", install)
  for (word in wanted)
    expect_match(install, paste0("\\b", word, "\\b"), ignore.case = nchar(word) > 1)
})

test_that("who publishes fills in one file, and a submission is refused until then", {
  skip_without_checkout()
  skip_on_os("windows")
  old <- setwd(top)
  on.exit(setwd(old))
  mail <- eval(str2lang(read.dcf("DESCRIPTION", "Authors@R")[[1]]))$email
  others <- c("README.md", "CONTRIBUTING.md", "LICENSE",
              dir(c("R", "inst", "vignettes", "tools"), recursive = TRUE, full.names = TRUE))
  for (file in others)
    expect_false(any(grepl(mail, readLines(file, warn = FALSE), fixed = TRUE, useBytes = TRUE)),
                 label = file)
  skip_if_not(grepl("example.org", mail, fixed = TRUE), "it is filled in")
  said <- suppressWarnings(system2("sh", c("tools/check.sh", tempfile(), "cran"), stdout = TRUE,
                                   stderr = TRUE, env = "RKEOPS_PLACEHOLDERS="))
  expect_identical(attr(said, "status"), 1L)
  expect_match(said, "fills in these lines first", all = FALSE)
})

test_that("the mathematics of articles is shown without the net", {
  skip_without_checkout()
  skip_if_not(nzchar(Sys.which("pandoc")), "pandoc is not installed")
  html <- tempfile(fileext = ".html")
  on.exit(unlink(html))
  articles <- dir(file.path(top, "vignettes"), "\\.Rmd$", recursive = TRUE, full.names = TRUE)
  for (article in articles)
    expect_true(all(c("    mathjax: null", "    pandoc_args: --mathml") %in% readLines(article, 12)))
  for (option in c("", "--mathml")) { # without it, as viewers of Markdown show it
    said <- system2("pandoc", c(option, "--file-scope", "--from", "markdown", "--to", "html4",
                                "--output", html, shQuote(articles)), stdout = TRUE, stderr = TRUE)
    expect_identical(as.vector(said), character())
  }
  lines <- readLines(html)
  expect_identical(grep("class=\"math", lines, value = TRUE), character()) # what stays TeX
  expect_gt(sum(grepl("<math", lines)), 30)
})

# R CMD check takes the code out of articles without what chunks set for later ones, and without
# those that are left out of it: of these two it once stopped. A full run tries all of them.
test_that("the code of articles runs by itself, where there is no GPU too", {
  skip_without_checkout()
  skip_if_not_installed("knitr")
  skip_on_gpu_machine()
  code <- tempfile(fileext = ".R")
  grDevices::pdf(NULL)
  old <- set_rkeops_options()
  on.exit({
    unlink(code)
    grDevices::dev.off()
    set_rkeops_options(old)
  })
  articles <- if (is_full) "\\.Rmd$" else "^(gpu|migration)\\.Rmd$"
  for (article in dir(file.path(top, "vignettes"), articles, recursive = TRUE, full.names = TRUE)) {
    knitr::opts_chunk$restore()
    knitr::purl(article, code, quiet = TRUE)
    expect_gt(length(parse(code)), 3)
    expect_no_error(utils::capture.output(suppressMessages(
      source(code, local = new.env(), print.eval = TRUE))))
  }
})

test_that("functions that README names exist", {
  skip_without_checkout()
  lines <- read_text("README.md")
  spans <- unlist(regmatches(lines, gregexpr("`[^`]+`", lines)))
  calls <- unlist(regmatches(spans, gregexpr("[A-Za-z_.][A-Za-z0-9_.]*\\(", spans)))
  for (name in unique(sub("\\($", "", calls)))
    expect_true(exists(name, mode = "function"), label = name)
})

test_that("README's R runs, and prints a screen at most", {
  skip_without_checkout()
  lines <- read_text("README.md")
  fences <- grep("^```", lines)
  starts <- which(lines == "```r")
  expect_gte(length(starts), 2L)
  here <- new.env(parent = globalenv())
  for (start in starts) {
    code <- lines[(start + 1L):(fences[fences > start][1] - 1L)]
    if (!is_full) code <- gsub("1e5", "1e4", code, fixed = TRUE)
    shown <- utils::capture.output(source(exprs = parse(text = code), local = here,
                                          print.eval = TRUE))
    expect_lte(length(shown), 25L)
  }
  rows <- 1:5
  direct <- vapply(rows, function(i) sum(exp(-colSums((t(here$y) - here$x[i, ])^2)) * here$b), 0)
  expect_equal(here$a[rows, 1], direct)
  expect_equal(here$op(list(here$x, here$y, here$b)), here$a)
})

test_that("README's figures are those of the newest tables", {
  skip_without_checkout()
  old <- setwd(top)
  on.exit(setwd(old))
  tool <- new.env()
  sys.source(file.path("tools", "readme.R"), tool)
  expect_identical(tool$readme_text(), readLines("README.md"))
})

test_that("the package can be cited, with those whose work it follows", {
  expect_no_warning(cited <- utils::citation("rkeops"))
  text <- gsub("[\n*]+", " ", paste(format(cited, style = "text"), collapse = " "))
  for (words in c("rkeops: Kernel Operations", "Memory Overflows", "22 \\(74\\)",
                  "Fast geometric learning", "Charlier", "Feydy", "Bronstein"))
    expect_match(text, words)
  page <- tryCatch(tools::Rd_db("rkeops")[["rkeops-package.Rd"]], error = function(e) NULL)
  readme <- file.path(top, "README.md")
  credits <- list(utils::packageDescription("rkeops")$Description,
                  if (!is.null(page)) unlist(page),
                  if (file.exists(readme)) readLines(readme, encoding = "UTF-8"))
  for (credit in Filter(length, credits)) {
    words <- gsub("[[:space:]]+", " ", paste(credit, collapse = " "))
    for (name in c("Charlier", "Feydy", "Glaun.s", "Durif", "Collin", "Serre-Combe", "Vernay",
                   "KeOps", "written anew"))
      expect_match(words, name)
  }
})
