# What needs no other package is tested in base.R.
if (requireNamespace("testthat", quietly = TRUE)) {
  library(testthat)
  library(rkeops)
  test_check("rkeops")
}
