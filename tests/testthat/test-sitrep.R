test_that("the report names versions, compiler and threads, and prints itself", {
  report <- rkeops_sitrep()
  expect_s3_class(report, "rkeops_sitrep")
  expect_true(any(grepl("^rkeops: ", report)))
  expect_true(any(grepl("^R: ", report)))
  expect_true(any(grepl("compiler", report)))
  expect_true(any(grepl("^option cache_dir: ", report)))
  expect_output(print(report), "rkeops: ")
})

test_that("check_rkeops() is TRUE where rkeops works and tells why where it does not", {
  expect_true(check_rkeops())
  expect_error(check_rkeops(verbose = "yes"), "`verbose`", class = "rkeops_error_argument")
  with_options(list(backend = "CPU", precision = "float16"), {
    expect_message(expect_false(check_rkeops()), "float16", class = "rkeops_message")
    expect_silent(expect_false(check_rkeops(verbose = FALSE)))
  })
})
