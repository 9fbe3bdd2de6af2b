# Pairs that cannot matter are left out, or not, as `prune` says: results are the same.

set.seed(7)
x <- matrix(runif(3 * 1700), ncol = 3)
y <- matrix(runif(3 * 2300), ncol = 3)
d_ij <- sqdist(Vi(x), Vj(y))

# What a call says of it afterwards.
bounds_of <- function(op) rkeops_explain(op)$passes[[1]]$bounds

test_that("positions, values and order do not depend on `prune`", {
  for (index in c("i", "j")) {
    expect_identical(Kmin_argKmin(d_ij, 4, index, prune = TRUE),
                     Kmin_argKmin(d_ij, 4, index, prune = FALSE))
    expect_identical(min(d_ij, index = index, prune = TRUE), min(d_ij, index = index, prune = FALSE))
  }
  expect_identical(argmax(d_ij, "j", prune = TRUE), argmax(d_ij, "j", prune = FALSE))
})

test_that("sums lose nothing that counts", {
  K_ij <- exp(-300 * d_ij)
  expect_equal(sum(K_ij, "j", prune = TRUE), sum(K_ij, "j", prune = FALSE), tolerance = 1e-14)
  expect_equal(logsumexp(-300 * d_ij, "j", prune = TRUE), logsumexp(-300 * d_ij, "j", prune = FALSE),
               tolerance = 1e-13)
  near <- where(d_ij < 0.01, 1, 0)
  expect_identical(sum(near, "j", prune = TRUE), sum(near, "j", prune = FALSE))
  expect_identical(drop(sum(near, "j", prune = TRUE)),
                   apply(x[, 1:3], 1, function(p) sum(colSums((t(y) - p)^2) < 0.01) + 0))
})

test_that("other points, earlier ones, and blocks that are not bands", {
  own <- sqdist(Vi(x), Vj(x))
  for (blocks in list(drop_self(), keep_lower(FALSE), keep_band(-50, 200)))
    expect_identical(Kmin_argKmin(own, 3, "j", blocks = blocks, prune = TRUE),
                     Kmin_argKmin(own, 3, "j", blocks = blocks, prune = FALSE))
  g <- rep(1:17, 100)
  expect_identical(argKmin(own, 3, "j", groups = list(i = g, j = g), prune = TRUE),
                   argKmin(own, 3, "j", groups = list(i = g, j = g), prune = FALSE))
})

test_that("what was decided is told, and the option holds for a session and for an operator", {
  nearest_of <- function(...) argKmin(d_ij, 4, "j", call = FALSE, ...)
  op <- nearest_of(prune = TRUE)
  expect_null(bounds_of(nearest_of(precision = "float32")))
  all <- op()
  bounds <- bounds_of(op)
  expect_true(bounds$pruned)
  expect_gt(bounds$walked, 0)
  expect_lt(bounds$walked, 0.5)
  expect_match(format(rkeops_explain(op)), "pruned: .* % of the pairs were walked", all = FALSE)
  expect_identical(nearest_of(prune = FALSE)(), all)
  expect_null(bounds_of(nearest_of(prune = FALSE)))

  old <- get_rkeops_options("prune")
  on.exit(set_rkeops_options(prune = old))
  expect_identical(old, "auto")
  set_rkeops_options(prune = TRUE)
  nearest_of()()
  expect_true(bounds_of(nearest_of())$pruned)
  text <- keops_kernel("ArgKMin_Reduction(SqDist(x,y), 4, j)", c("x=Vi(3)", "y=Vj(3)"))
  expect_identical(text(list(x, y)), all)
  expect_true(bounds_of(text)$pruned)
  set_rkeops_options(prune = FALSE)
  expect_identical(text(list(x, y)), all)
  expect_null(bounds_of(text))

  for (wrong in list("yes", NA, 1, c(TRUE, FALSE), NULL))
    expect_error(set_rkeops_options(list(prune = wrong)), "prune", class = "rkeops_error_argument")
  expect_error(sum(d_ij, "j", prune = "always"), "expected \"auto\", TRUE or FALSE",
               class = "rkeops_error_argument")
})
