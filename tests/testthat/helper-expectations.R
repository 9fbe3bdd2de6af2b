# testthat sets up how it would print a difference, for some milliseconds, before it sees that there
# is none. What is identical needs none of that: it passes at once.
expect_identical <- function(object, expected, ..., label = deparse1(substitute(object))) {
  if (!identical(object, expected))
    return(testthat::expect_identical(object, expected, ..., label = label))
  testthat::succeed()
  invisible(object)
}

expect_equal <- function(object, expected, ..., label = deparse1(substitute(object))) {
  if (!identical(object, expected))
    return(testthat::expect_equal(object, expected, ..., label = label))
  testthat::succeed()
  invisible(object)
}

expect_true <- function(object, ..., label = deparse1(substitute(object)))
  if (isTRUE(object)) expect_identical(TRUE, TRUE) else testthat::expect_true(object, ..., label = label)

expect_false <- function(object, ..., label = deparse1(substitute(object)))
  if (isFALSE(object)) expect_identical(FALSE, FALSE) else testthat::expect_false(object, ..., label = label)
