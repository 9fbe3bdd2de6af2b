# Formulas with several results.

test_that("reductions separated by commas give a list, in the order of the text", {
  x <- matrix(runif(21), ncol = 3)
  y <- matrix(runif(15), ncol = 3)
  args <- c("x=Vi(3)", "y=Vj(3)")
  both <- keops_kernel("k = Exp(-SqDist(x,y)); Sum_Reduction(k, j), Sum_Reduction(k*x, i)", args)
  k <- exp(-outer(1:7, 1:5, Vectorize(function(i, j) sum((x[i, ] - y[j, ])^2))))
  got <- both(list(x, y))
  expect_type(got, "list")
  expect_length(got, 2L)
  # a few roundings of each term
  expect_equal(got[[1L]], matrix(rowSums(k)), tolerance = 16 * 2^-53)
  expect_equal(got[[2L]], t(k) %*% x, tolerance = 16 * 2^-53)
})

test_that("a result of two fields is a list within the list", {
  old <- set_rkeops_options(list(index_base = 1))
  on.exit(set_rkeops_options(old))
  x <- matrix(c(0, 1, 5))
  y <- matrix(c(4, 1.5))
  got <- keops_kernel("Min_ArgMin_Reduction(SqDist(x,y), j), Sum_Reduction(x*y, j)",
                      c("x=Vi(1)", "y=Vj(1)"))(list(x, y))
  expect_identical(got[[1L]][[2L]], matrix(c(2L, 2L, 1L)))
  expect_equal(got[[1L]][[1L]], matrix(c(2.25, 0.25, 1)))
  expect_equal(got[[2L]], x * 5.5)
})

test_that("one row results are matrices with one row", {
  x <- matrix(runif(12), ncol = 2)
  y <- matrix(runif(8), ncol = 2)
  op <- keops_kernel("Grad(Sum_Reduction(Sum(x*y*p), j), p, e)",
                     c("x=Vi(2)", "y=Vj(2)", "p=Pm(2)", "e=Vi(1)"))
  got <- op(list(x, y, c(0.3, 0.7), rep(1, 6)))
  expect_identical(dim(got), c(1L, 2L))
  expect_equal(got[1L, ], colSums(x) * colSums(y), tolerance = 64 * 2^-53)
  # nothing to sum
  expect_identical(op(list(x, y[0L, , drop = FALSE], c(0.3, 0.7), rep(1, 6))), matrix(0, 1L, 2L))
})

test_that("more results than there may be are refused", {
  many <- paste(rep("Sum_Reduction(x, j)", 17), collapse = ", ")
  expect_error(keops_kernel(many, c("x=Vi(1)", "y=Vj(1)")), class = "rkeops_error_formula")
})
