# A whole program: registration of surfaces, with its gradient beside an adjoint written by hand.

problem <- registration(60)
loop <- function(step, state, n) {
  for (k in seq_len(n)) state <- step(state)
  state
}
set.seed(4)
p <- matrix(rnorm(length(problem$start), sd = 0.1), ncol = 3)
u <- matrix(rnorm(length(p)), ncol = 3)

test_that("the gradient is that of the adjoint by hand and of differences", {
  found <- value_and_gradient(problem$loss, p)
  by_hand <- problem$by_hand(p)
  expect_equal(found$value, by_hand$value, tolerance = 1e-12)
  expect_equal(found$gradient, unname(by_hand$gradient), tolerance = 1e-10)
  along <- function(h) problem$loss(p + h * u) - problem$loss(p - h * u)
  expect_equal(sum(found$gradient * u), (8 * along(1e-4) - along(2e-4)) / 12e-4, tolerance = 1e-8)
  # the same through a loop without checkpoints
  expect_equal(value_and_gradient(function(p) problem$loss(p, loop), p), found, tolerance = 1e-12)
})

test_that("the second order through ten steps is that of differences of the gradient", {
  slope <- function(p) gradient(problem$loss, p)
  second <- gradient(function(p) sum(gradient(problem$loss, p) * u), p)
  along <- function(h) slope(p + h * u) - slope(p - h * u)
  expect_equal(second, (8 * along(1e-5) - along(2e-5)) / 12e-5, tolerance = 1e-7)
  expect_equal(jvp(slope, p, u), second, tolerance = 1e-8)
})

test_that("with checkpoints fewer values are kept", {
  tape <- getFromNamespace("tape", "rkeops")
  kept <- function(run) {
    count <- 0
    gradient(function(p) problem$loss(p, function(...) {
      before <- tape$count
      end <- run(...)
      count <<- tape$count - before
      end
    }), p)
    count
  }
  expect_lt(kept(run_steps), kept(loop) / 10)
})
