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

test_that("RKEOPS_VECTORS names the vectors of kernels, and is refused where it cannot be had", {
  with_options(list(backend = "CPU"), {
    old <- Sys.getenv("RKEOPS_VECTORS", NA)
    on.exit(if (is.na(old)) Sys.unsetenv("RKEOPS_VECTORS") else Sys.setenv(RKEOPS_VECTORS = old))
    op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*Cos(x), j)", c("x=Vi(1)", "y=Vj(1)"))
    x <- matrix(c(0.1, 0.4, 0.9))
    Sys.unsetenv("RKEOPS_VECTORS")
    wide <- op(list(x, x))
    expect_match(rkeops_sitrep(), "^vectors: (16|32|64) bytes$", all = FALSE)
    Sys.setenv(RKEOPS_VECTORS = "16")
    expect_match(keops_source(op), "#define RK_BYTES 16", fixed = TRUE)
    expect_equal(op(list(x, x)), wide, tolerance = 1e-14)
    expect_match(rkeops_sitrep(), "^vectors: 16 bytes, as RKEOPS_VECTORS says", all = FALSE)
    Sys.setenv(RKEOPS_VECTORS = "24")
    expect_error(op(list(x, x)), "RKEOPS_VECTORS is \"24\": expected 16",
                 class = "rkeops_error_argument")
    expect_match(rkeops_sitrep(), "^vectors: none: .*\"24\"", all = FALSE)
  })
})
