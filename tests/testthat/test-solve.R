# Linear systems against dense R.

n <- 150
x <- matrix(sin(1:(2 * n) * 1.3), n)
b <- cbind(cos(1:n), 1, 0)
kernels <- list(
  gauss = exp(-sqdist(Vi(x), Vj(x)) / 0.5),
  laplace = exp(-norm2(Vi(x) - Vj(x))),
  cauchy = 1 / (1 + sqdist(Vi(x), Vj(x))),
  linear = (Vi(x) | Vj(x)))

test_that("all methods agree with dense R, and reach the residual that they state", {
  skip_on_cran() # takes a while
  for (name in names(kernels)) for (alpha in list(10, 1e-2, 1e-6, seq(0.1, 5, length.out = n))) {
    A <- add_ridge(kernels[[name]], alpha)
    D <- as.matrix(A)
    expected <- solve(D, b)
    for (method in c("dense", "iterative")) for (tol in c(1e-4, if (alpha[1] > 1e-6) 1e-9 else 1e-7)) {
      out <- solve(A, b, tol = tol, method = method, details = TRUE)
      label <- paste(name, alpha[1], method, tol)
      expect_true(all(out$residual <= tol), label = label)
      residual <- sqrt(colSums((b - D %*% out$value)^2) / pmax(colSums(b^2), 1e-300))
      rounding <- 1e-14 * norm(D) * max(abs(out$value)) / sqrt(min(colSums(b[, 1:2]^2)))
      expect_lt(max(abs(residual - out$residual)), 1e-3 * tol + rounding, label = label)
      expect_lt(max(abs(out$value - expected)), 2 * tol * kappa(D, exact = TRUE) * max(abs(expected)) + 1e-12,
                label = label)
      expect_identical(out$method, method)
    }
    expect_identical(solve(A, b), solve(A, b, method = "dense"))
  }
})

test_that("precision, columns and preconditioners change nothing but the way", {
  A <- add_ridge(kernels$gauss, 0.05)
  expected <- solve(as.matrix(A), b)
  for (preconditioner in list("auto", "none", 0, 1, 20, n)) {
    out <- solve(A, b, method = "iterative", tol = 1e-8, preconditioner = preconditioner, details = TRUE)
    expect_equal(out$value, expected, tolerance = 1e-6, label = format(preconditioner))
    if (is.numeric(preconditioner)) expect_lte(out$preconditioner, preconditioner)
  }
  none <- solve(A, b, method = "iterative", preconditioner = "none", details = TRUE)
  some <- solve(A, b, method = "iterative", details = TRUE)
  expect_lt(max(some$iterations), max(none$iterations) / 3)
  many <- matrix(sin(1:(n * 70)), n)
  expect_equal(solve(A, many, method = "iterative", tol = 1e-9), solve(as.matrix(A), many), tolerance = 1e-6)
  expect_equal(solve(A, many, method = "iterative")[, 7, drop = FALSE],
               solve(A, many[, 7], method = "iterative"), tolerance = 1e-5)
  old <- set_rkeops_options(precision = "float32")
  on.exit(set_rkeops_options(precision = old$precision))
  expect_equal(solve(A, b, method = "iterative", tol = 1e-9), expected, tolerance = 1e-6)
})

test_that("columns of different difficulty take steps of their own", {
  A <- add_ridge(kernels$laplace, 0.01)
  e <- eigen(as.matrix(A), symmetric = TRUE)
  easy <- cbind(e$vectors[, 1], 0, matrix(sin(1:(n * 6)), n), e$vectors[, 3])
  out <- solve(A, easy, method = "iterative", preconditioner = "none", tol = 1e-8, details = TRUE)
  expect_equal(out$value, solve(as.matrix(A), easy), tolerance = 1e-6)
  expect_identical(out$iterations[2], 0L)
  expect_lt(out$iterations[1], out$iterations[3] / 4)
  expect_lt(out$iterations[9], out$iterations[3] / 4)
})

test_that("the same system has the same solution to the bit", {
  A <- add_ridge(kernels$gauss, 0.1)
  first <- solve(A, b, method = "iterative")
  set.seed(NULL)
  expect_identical(solve(A, b, method = "iterative"), first)
  seed <- get0(".Random.seed", globalenv())
  solve(A, b, method = "iterative")
  expect_identical(get0(".Random.seed", globalenv()), seed)
})

test_that("sums, products and parts of matrices are solved", {
  K <- kernels$gauss
  systems <- list(K %*% K + add_ridge(K, 0.5), add_ridge(crossprod(K), 0.1), 3 * add_ridge(K, 1),
                  add_ridge(restrict_pairs(K, groups = rep(1:3, 50)), 0.1),
                  add_ridge(restrict_pairs(K, blocks = keep_band(-5, 5)), 4), K + 2 * diag(n))
  for (A in systems) {
    expected <- solve(as.matrix(A), b)
    for (method in c("dense", "iterative"))
      expect_equal(solve(A, b, method = method, tol = 1e-10), expected, tolerance = 1e-7,
                   label = paste(format(A)[1], method))
  }
  D <- add_ridge(0 * K, 1:n) # nothing but a diagonal
  expect_equal(solve(D, b, method = "iterative"), b / 1:n, tolerance = 1e-6)
})

test_that("one row, no row and no column are solved", {
  one <- exp(-sqdist(Vi(x[1, , drop = FALSE]), Vj(x[1, , drop = FALSE])))
  for (method in c("dense", "iterative"))
    expect_equal(solve(add_ridge(one, 1), 3, method = method), matrix(1.5))
  expect_identical(dim(solve(add_ridge(kernels$gauss, 1), matrix(0, n, 0))), c(150L, 0L))
  expect_identical(dim(solve(add_ridge(kernels$gauss, 1), matrix(0, n, 0), method = "iterative")), c(150L, 0L))
})

test_that("names are those of base R", {
  z <- x
  rownames(z) <- paste0("r", 1:n)
  K <- exp(-sqdist(Vi(z), Vj(z)))
  B <- b
  dimnames(B) <- list(paste0("q", 1:n), c("u", "v", "w"))
  expect_identical(dimnames(solve(add_ridge(K, 1), B)), dimnames(solve(as.matrix(K) + diag(n), B)))
  expect_null(dimnames(solve(add_ridge(kernels$gauss, 1), cos(1:n))))
})

test_that("symmetric matrices of both signs are solved where that is said", {
  A <- add_ridge(kernels$laplace, -1)
  expected <- solve(as.matrix(A), b)
  for (method in c("dense", "iterative")) {
    out <- solve(A, b, method = method, definite = FALSE, tol = 1e-9, details = TRUE)
    expect_equal(out$value, expected, tolerance = 1e-6)
    e <- tryCatch(solve(A, b, method = method), error = identity)
    expect_s3_class(e, "rkeops_error_argument")
    expect_lte(sum(e$vector * (A %*% e$vector)), 0)
    expect_gt(sum(e$vector^2), 0)
  }
  negative <- tryCatch(solve(add_ridge(kernels$gauss, -3), b, method = "iterative"), error = identity)
  expect_lt(sum(negative$vector * (add_ridge(kernels$gauss, -3) %*% negative$vector)), 0)
})

test_that("matrices that are not square are solved by least squares", {
  y <- x[1:20, ]
  tall <- exp(-norm2(Vi(x) - Vj(y)))
  out <- solve(tall, b, tol = 1e-10, details = TRUE)
  expect_equal(out$value, qr.solve(as.matrix(tall), b), tolerance = 1e-6)
  # whatever is asked for is reached: each engine rounds in its own way
  for (tol in 10^-(7:11)) expect_true(all(solve(tall, b, tol = tol, details = TRUE)$residual <= tol))
  wide <- exp(-norm2(Vi(y) - Vj(x)))
  w <- solve(wide, b[1:20, ], tol = 1e-10)
  D <- as.matrix(wide)
  expect_equal(D %*% w, b[1:20, ], tolerance = 1e-8)
  expect_equal(w, t(D) %*% solve(D %*% t(D), b[1:20, ]), tolerance = 1e-6) # of least norm
})

test_that("ill-conditioned systems are right, or an error", {
  skip_on_cran() # takes a while
  K <- kernels$gauss
  for (alpha in 10^-(0:16)) {
    A <- add_ridge(K, alpha)
    D <- as.matrix(A)
    for (method in c("dense", "iterative")) {
      out <- tryCatch(solve(A, b[, 1:2], method = method, limit = 300, details = TRUE), error = identity)
      if (!inherits(out, "error"))
        expect_lt(max(sqrt(colSums((b[, 1:2] - D %*% out$value)^2) / colSums(b[, 1:2]^2))), 1.2e-6)
      else if (inherits(out, "rkeops_error_convergence")) {
        expect_identical(dim(out$value), c(150L, 2L))
        expect_gt(max(out$residual), 1e-6)
      } else expect_lte(sum(out$vector * (D %*% out$vector)), 1e-12)
      if (alpha >= 1e-8) expect_type(out, "list")
    }
  }
  # the same point twice, without a ridge
  twice <- exp(-sqdist(Vi(x[c(1, 1:20), ]), Vj(x[c(1, 1:20), ])))
  for (method in c("dense", "iterative"))
    expect_error(solve(twice, cos(1:21), method = method), class = "rkeops_error")
})

test_that("what is wrong is said", {
  K <- kernels$gauss
  A <- add_ridge(K, 1)
  expect_error(solve(A), "150 x 150", class = "rkeops_error_argument")
  expect_error(solve(A, 1:3), class = "rkeops_error_shape")
  expect_error(solve(A, c(NaN, b[-1, 1])), class = "rkeops_error_argument")
  expect_error(solve(A, b, tl = 1), "did you mean `tol`", class = "rkeops_error_argument")
  expect_error(solve(A, b, tol = 0), class = "rkeops_error_argument")
  expect_error(solve(A, b, limit = 0), class = "rkeops_error_argument")
  expect_error(solve(A, b, method = "cg"), class = "rkeops_error_argument")
  expect_error(solve(A, b, preconditioner = "jacobi"), class = "rkeops_error_argument")
  expect_error(solve(Vi(x) - Vj(x), b), class = "rkeops_error_shape")
  expect_error(solve(exp(-sqdist(Vi(x), Vj(x + 1))), b), "different data", class = "rkeops_error_argument")
  expect_error(solve(exp(Vi(x[, 1]) - 2 * Vj(x[, 1])), b), "not symmetric", class = "rkeops_error_argument")
  z <- x
  z[75, 1] <- NaN
  for (method in c("dense", "iterative"))
    expect_error(solve(add_ridge(exp(-sqdist(Vi(z), Vj(z))), 1), b, method = method), "NaN",
                 class = "rkeops_error_argument")
  slow <- tryCatch(solve(add_ridge(K, 1e-4), b, limit = 2, method = "iterative", preconditioner = "none"),
                   error = identity)
  expect_s3_class(slow, "rkeops_error_convergence")
  expect_identical(dim(slow$value), c(150L, 3L))
  expect_identical(max(slow$iterations), 2L)
})

test_that("of any condition number a result is right, or an error says that it is not", {
  set.seed(11)
  x <- matrix(runif(2400), ncol = 2)
  b <- matrix(rnorm(2400), ncol = 2)
  reached <- 0
  for (kernel in c("gauss", "laplace")) {
    K <- if (kernel == "gauss") exp(-sqdist(Vi(x), Vj(x)) * 10) else exp(-norm2(Vi(x) - Vj(x)))
    dense <- as.matrix(K)
    largest <- find_eigen(K, 1)$values
    for (condition in 10^c(2, 4, 6, 8, 10)) for (method in c("dense", "iterative")) {
      A <- add_ridge(K, largest / condition)
      M <- dense + diag(largest / condition, 1200)
      out <- tryCatch(solve(A, b, method = method, limit = 300L, details = TRUE),
                      rkeops_error_convergence = identity)
      true <- sqrt(colSums((b - M %*% out$value)^2) / colSums(b^2))
      expect_equal(out$residual, true, tolerance = 1e-3, info = paste(kernel, condition, method))
      is_error <- inherits(out, "condition")
      expect_identical(is_error, any(out$residual > 1e-6))
      if (is_error) next
      reached <- reached + 1
      expect_lte(max(abs(out$value - solve(M, b))), 2e-6 * condition * max(abs(out$value)))
    }
  }
  expect_gte(reached, 12)
})

# ---- derivatives ---------------------------------------------------------------------------------

set.seed(7)
points <- matrix(rnorm(60), 30)
values <- matrix(rnorm(60), 30)
e <- matrix(cos(1:60), 30)
system_of <- function(x, s, alpha) add_ridge(exp(-s * sqdist(Vi(x), Vj(x))), alpha)
solution <- function(x, s, alpha, b, ...) solve(system_of(x, s, alpha), b, tol = 1e-12, ...)

differences <- function(f, x, step = 1e-6) {
  out <- x
  for (k in seq_along(x)) {
    h <- replace(0 * x, k, step)
    out[k] <- (f(x + h) - f(x - h)) / (2 * step)
  }
  out
}

test_that("derivatives of a solution by points, parameters, ridge and right-hand side", {
  S <- Pm(0.7)
  ridge <- Pm(0.3)
  right <- Vi(values)
  by <- list(
    x = function(x) sum(e * solution(x, 0.7, 0.3, values)),
    s = function(s) sum(e * solution(points, s, 0.3, values)),
    alpha = function(alpha) sum(e * solution(points, 0.7, alpha, values)),
    b = function(b) sum(e * solution(points, 0.7, 0.3, b)))
  at <- list(x = points, s = 0.7, alpha = 0.3, b = values)
  u <- lapply(at, function(x) sin(5 * x))
  step <- 1e-5
  for (method in c("dense", "iterative")) {
    op <- solution(points, S, ridge, right, call = FALSE, method = method)
    expect_equal(op(), solution(points, 0.7, 0.3, values), tolerance = 1e-9)
    wrt <- list(x = points, s = S, alpha = ridge, b = right)
    both <- value_and_gradient(op, wrt, e)
    expect_identical(both$value, op())
    expect_named(both$gradient, names(wrt))
    for (name in names(by)) {
      g <- differences(by[[name]], at[[name]])
      expect_equal(as.vector(both$gradient[[name]]), as.vector(g), tolerance = 1e-6, info = name)
      expect_equal(gradient(op, wrt[[name]], e), both$gradient[[name]], tolerance = 1e-8, info = name)
      expect_equal(as.vector(gradient(by[[name]], at[[name]])), as.vector(g), tolerance = 1e-6, info = name)
    }
    up <- Map(`+`, at, lapply(u, `*`, step))
    down <- Map(`-`, at, lapply(u, `*`, step))
    along <- (do.call(solution, unname(up)) - do.call(solution, unname(down))) / (2 * step)
    expect_equal(jvp(op, wrt, u), along, tolerance = 1e-6)
    # the second order, of every pair of variables
    for (name in names(by)) {
      g <- gradient(op, wrt[[name]], e, call = FALSE)
      expect_identical(g(), gradient(op, wrt[[name]], e))
      for (other in names(by)) {
        moved <- function(h) {
          at[[other]] <- at[[other]] + h * u[[other]]
          gradient(function(...) sum(e * solution(...)), unname(at))[[match(name, names(at))]]
        }
        expect_equal(as.vector(jvp(g, wrt[[other]], u[[other]])),
                     as.vector(moved(1e-4) - moved(-1e-4)) / 2e-4, tolerance = 1e-5, info = paste(name, other))
      }
    }
  }
  # the variable of rows alone, and a cotangent of a LazyTensor
  rows <- gradient(op, Vi(points), e)
  expect_equal(rows + gradient(op, Vj(points), e), gradient(op, points, e), tolerance = 1e-8)
  expect_equal(gradient(op, S, 2 * Vi(e)), 2 * gradient(op, S, e), tolerance = 1e-9)
  weights <- Vi(e)
  expect_equal(jvp(gradient(op, S, 3 * weights, call = FALSE), S, 1), 3 * jvp(gradient(op, S, e, call = FALSE), S, 1),
               tolerance = 1e-8)
  expect_output(print(op), "solution of <LinearOperator> 30 x 30")
})

test_that("a ridge for each row, products, signs of both kinds and least squares have derivatives", {
  noise <- runif(30, 0.2, 0.5)
  f <- function(x, a) sum(solution(x, 1, a, values) * e)
  expect_equal(gradient(f, list(points, noise))[[2L]], differences(function(a) f(points, a), noise), tolerance = 1e-6)
  op <- solve(add_ridge(exp(-sqdist(Vi(points), Vj(points))), Vi(noise)), values, tol = 1e-12, call = FALSE)
  expect_equal(gradient(op, noise, e)[, 1L], gradient(f, list(points, noise))[[2L]], tolerance = 1e-8)
  kernel <- function(x, y = x) exp(-sqdist(Vi(x), Vj(y)))
  few <- points[1:5, ]
  cases <- list(
    product = function(x) sum(e * solve(add_ridge(crossprod(kernel(x)) + 2 * kernel(x), x[1]^2 + 1), values, tol = 1e-12)),
    indefinite = function(x) sum(e * solve(kernel(x) - 3 * kernel(2 * x) + x[2]^2 * add_ridge(kernel(x), 5), values, tol = 1e-11,
                                           definite = FALSE)),
    squares = function(x) sum(e[1:5, ] * solve(kernel(x, few), values, tol = 1e-12, limit = 5000)),
    predictor = function(x) sum((kernel(few, x) %*% solve(add_ridge(kernel(x), 0.1), values[, 1], tol = 1e-12))^2),
    powers = function(x) sum(((kernel(x) %*% kernel(x) %*% kernel(x)) %*% values)^2))
  for (name in names(cases))
    expect_equal(gradient(cases[[name]], points), differences(cases[[name]], points), tolerance = 1e-5, info = name)
  expect_error(gradient(function(x) sum(solve(kernel(few, x), values[1:5, ])), points), "least squares",
               class = "rkeops_error_argument")
})

test_that("a solution takes other numbers of the same sizes, and so do its derivatives", {
  op <- solution(points, 1, 0.3, values[, 1], call = FALSE)
  other <- points[30:1, ] / 2
  expect_output(print(op), "V[0-9]: Vi\\(\\) of a numeric matrix of 30 x 2")
  names <- sub(" *(V[0-9]+):.*", "\\1", grep("V[0-9]+:", format(op), value = TRUE))
  kinds <- sub(".*: *", "", format(op)[-(1:3)])
  input <- list(other, other)
  names(input) <- names[c(grep("^Vi", kinds), grep("^Vj", kinds))]
  expect_equal(op(input), solution(other, 1, 0.3, values[, 1]), tolerance = 1e-9)
  expect_equal(gradient(op, points, call = FALSE)(input),
               gradient(function(x) sum(solution(x, 1, 0.3, values[, 1])), other), tolerance = 1e-6)
  expect_error(op(lapply(input, function(x) x[1:3, ])), "sizes of its own", class = "rkeops_error_shape")
  expect_error(op(list(1)), "`input` has 1 element", class = "rkeops_error_argument")
})

test_that("what is no variable of a solution is refused", {
  op <- solution(points, 1, 0.3, values, call = FALSE)
  expect_error(gradient(op, Pm(1), e), "`wrt`", class = "rkeops_error_argument")
  expect_error(gradient(op, points + 0, e), "`wrt`", class = "rkeops_error_argument")
  expect_error(gradient(op, points), "`cotangent`", class = "rkeops_error_argument")
  expect_error(gradient(op, points, 1:5), "`cotangent`", class = "rkeops_error_shape")
  expect_error(jvp(op, points, 1:5), "`direction`", class = "rkeops_error_shape")
  expect_error(gradient(op, list(points, Vi(points)), e), "twice", class = "rkeops_error_argument")
  expect_error(keops_source(op), "`op`", class = "rkeops_error_argument")
  expect_error(rkeops_explain(gradient(op, points, e, call = FALSE)), "`op`", class = "rkeops_error_argument")
  expect_error(add_ridge(exp(-sqdist(Vi(points), Vj(points))), Pm(1:2)), "`alpha`", class = "rkeops_error_argument")
  expect_error(solution(points, 1, 1, 2 * Vi(values)), "`b`", class = "rkeops_error_argument")
  expect_error(gradient(function(x) sum(solve(system_of(x, 1, -2), values)), points), "not positive definite",
               class = "rkeops_error_argument")
  expect_error(gradient(function(x) sum(solve(system_of(x, 1, 1e-9), values, limit = 1L, method = "iterative",
                                              preconditioner = "none")), points), class = "rkeops_error_convergence")
})
