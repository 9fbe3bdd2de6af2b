# Rscript tools/r-tests.R COUNTS [FILTER]: runs tests/testthat (or the files test-NAME.R whose NAME
# the expression FILTER matches) on the installed package and writes "passed failed skipped"
# (expectations) to the file COUNTS. With RKEOPS_TEST_NO_COMPILER=1 no compiler is found meanwhile.
arguments <- commandArgs(trailingOnly = TRUE)
counts_file <- arguments[1]
filter <- if (length(arguments) > 1L) arguments[2]
cache <- tempfile("rkeops-cache-")
dir.create(cache, mode = "0700")
Sys.setenv(R_USER_CACHE_DIR = cache)         # tests start from an empty kernel cache
if (is.na(Sys.getenv("NOT_CRAN", NA))) Sys.setenv(NOT_CRAN = "true")

# A PATH with all that there is but compilers.
without_compilers <- function() {
  programs <- list.files(strsplit(Sys.getenv("PATH"), ":", fixed = TRUE)[[1L]], full.names = TRUE)
  compilers <- grepl("(cc|clang|gcc|c99|c89|g\\+\\+|c\\+\\+|tcc|icx)(-[0-9.]+)?$", programs)
  folder <- tempfile("programs-")
  dir.create(folder)
  programs <- programs[!compilers & !duplicated(basename(programs))]
  stopifnot(file.symlink(programs, file.path(folder, basename(programs))))
  Sys.setenv(PATH = folder)
  Sys.unsetenv("RKEOPS_CC")
}
if (nzchar(Sys.getenv("RKEOPS_TEST_NO_COMPILER"))) without_compilers()

suppressPackageStartupMessages({
  library(testthat)
  library(rkeops)
})
results <- test_dir("tests/testthat", package = "rkeops", load_package = "installed",
                    filter = filter, reporter = "summary", stop_on_failure = FALSE)
table <- as.data.frame(results)
counts <- c(passed = sum(table$passed), failed = sum(table$failed) + sum(table$error),
            skipped = sum(table$skipped))
unlink(cache, recursive = TRUE)

cat(sprintf("R: %d passed, %d failed, %d skipped, %d warnings\n", counts[["passed"]],
            counts[["failed"]], counts[["skipped"]], sum(table$warning)))
writeLines(paste(counts, collapse = " "), counts_file)
quit(status = as.integer(counts[["failed"]] > 0))
