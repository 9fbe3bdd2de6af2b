# Objectives for optimisers, and long loops of steps.

set.seed(5)

test_that("an objective has value, gradient and Hessian of one vector", {
  f <- function(a, b) sum((a %*% b - 1)^2) + sum(a^4)
  start <- list(a = matrix(1:4 / 4, 2), b = c(x = 0.3, y = 0.1))
  o <- make_objective(f, start)
  expect_identical(o$par, c(1:4 / 4, 0.3, 0.1))
  expect_identical(o$restore(o$par), start)
  expect_equal(o$fn(o$par), do.call(f, unname(start)))
  expect_equal(o$gr(o$par), unlist(gradient(f, start), use.names = FALSE))
  expect_equal(o$he(o$par), optimHess(o$par, o$fn, o$gr), tolerance = 1e-4)
  fit <- nlminb(o$par, o$fn, o$gr, o$he)
  expect_lt(max(abs(o$gr(fit$par))), 1e-4)
  expect_named(o$restore(fit$par), c("a", "b"))
  one <- make_objective(function(x) sum(exp(-sqdist(Vi(x), Vj(x))) %*% rep(1, 3)), matrix(1:6 / 6, 3))
  expect_equal(one$he(one$par), optimHess(one$par, one$fn, one$gr), tolerance = 1e-4)
  # value and gradient of a point take one pass
  calls <- 0
  counted <- make_objective(function(x) {
    calls <<- calls + 1
    sum(x^2)
  }, c(1, 2))
  expect_equal(c(counted$fn(c(1, 3)), counted$gr(c(1, 3))), c(10, 2, 6))
  expect_equal(calls, 1)
  expect_error(make_objective(1, 1), "`f`", class = "rkeops_error_argument")
  expect_error(make_objective(sum, "a"), "`start`", class = "rkeops_error_argument")
  expect_error(one$fn(1:5), "`par`", class = "rkeops_error_shape")
})

kernel <- function(x, y, s) exp(-s * sqdist(Vi(x), Vj(y)))

# Points that move along their momenta, which repel each other.
shoot <- function(run) function(q, p, s) {
  step <- function(state) {
    slope <- gradient(function(q) sum(state$p * (kernel(q, q, s) %*% state$p)) / 2, state$q)
    list(q = state$q + 0.1 * (kernel(state$q, state$q, s) %*% state$p), p = state$p - 0.1 * slope)
  }
  end <- run(step, list(q = q, p = p))
  sum(end$q^3) + sum(end$p^2)
}
loop <- function(step, state) {
  for (k in 1:7) state <- step(state)
  state
}

test_that("steps with checkpoints have the derivatives of the loop, to second order", {
  q <- matrix(rnorm(20), 10)
  at <- list(q, matrix(rnorm(20), 10) / 5, 0.7)
  plain <- shoot(loop)
  expected <- value_and_gradient(plain, at)
  for (checkpoints in c(1, 3, 7, 20)) {
    f <- shoot(function(step, state) run_steps(step, state, 7, checkpoints))
    expect_equal(value_and_gradient(f, at), expected, tolerance = 1e-12)
    expect_identical(do.call(f, at), do.call(plain, at))
  }
  along <- function(f) gradient(function(q) sum(gradient(function(q) f(q, at[[2]], 0.7), q) * at[[2]]), q)
  expect_equal(along(f), along(plain), tolerance = 1e-10)
  expect_equal(jvp(f, at, at), jvp(plain, at, at), tolerance = 1e-10)
})

test_that("loops of steps nest, and draw the same random numbers again", {
  nested <- function(x) run_steps(function(s) run_steps(function(z) 0.9 * z + x * s, s, 5), x, 7)
  step <- 1e-6
  expect_equal(gradient(nested, 1.1), (nested(1.1 + step) - nested(1.1 - step)) / (2 * step), tolerance = 1e-6)
  noisy <- function(x) run_steps(function(s) s + x * rnorm(1), x, 9, 4)
  set.seed(3)
  slope <- gradient(noisy, 2)
  after <- runif(1)
  set.seed(3)
  value <- noisy(2)
  expect_equal(slope * 2, value)
  expect_identical(runif(1), after)
  expect_identical(run_steps(function(x) x + 1, 1, 0), 1)
  expect_equal(gradient(function(x) run_steps(function(s) s * x, x, 0), 3), 1)
  expect_error(run_steps(function(x) list(x), 1, 3), "a step gave", class = "rkeops_error_argument")
  expect_error(run_steps(1, 1, 3), "`f`", class = "rkeops_error_argument")
  expect_error(run_steps(sum, 1, -1), "`n`", class = "rkeops_error_argument")
  expect_error(run_steps(sum, 1, 1, 0), "`checkpoints`", class = "rkeops_error_argument")
})

test_that("what is kept are the checkpoints", {
  kept <- function(checkpoints) {
    most <- 0
    f <- function(x) {
      base <- tape$count
      end <- run_steps(function(s) sin(s) + x, x, 100, checkpoints)
      most <<- tape$count - base
      end
    }
    gradient(f, 0.5)
    most
  }
  tape <- getFromNamespace("tape", "rkeops")
  expect_lte(kept(5), 20)
  expect_gte(kept(100), 100)
})
