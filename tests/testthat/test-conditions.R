test_that("an error carries its class, the user's call and a message", {
  error <- tryCatch(elem(Vi(matrix(0, 2, 3)), 7), error = identity)
  expect_s3_class(error, c("rkeops_error_argument", "rkeops_error", "error", "condition"),
                  exact = TRUE)
  expect_identical(conditionCall(error)[[1]], quote(elem))
  expect_match(conditionMessage(error), "`m` is 7: expected a whole number from 0 to 2")
})

test_that("operators and group functions appear in calls as they were written", {
  x <- Vi(matrix(0, 2, 3))
  y <- Vi(matrix(0, 2, 2))
  error <- tryCatch(x + y, error = identity)
  expect_identical(deparse(conditionCall(error)), "x + y")
  expect_match(conditionMessage(error), "`x` has dimension 3, `y` has dimension 2")
  error <- tryCatch(sum(x, index = "k"), error = identity)
  expect_identical(conditionCall(error)[[1]], quote(sum))
  expect_lt(nchar(paste(deparse(conditionCall(error)), collapse = "")), 100)
})

test_that("a misspelt name comes with a suggestion", {
  expect_match(suggestion("precison", c("backend", "precision")), "did you mean `precision`")
  expect_identical(suggestion("zzzzzz", c("backend", "precision")), "")
})

test_that("an interrupt of the engine is an interrupt of R", {
  status <- structure(list(kind = "cancelled", message = ""), class = "rkeops_status")
  expect_identical(tryCatch(checked(status), interrupt = function(e) "caught"), "caught")
})

test_that("every status of the engine has a class", {
  for (kind in error_kinds) {
    status <- structure(list(kind = kind, message = "text"), class = "rkeops_status")
    expect_error(checked(status), "text", class = paste0("rkeops_error_", kind))
  }
})
