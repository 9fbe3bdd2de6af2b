# Derivatives of R functions: against central differences, the Hessian too, and forward against reverse.
optimising <- set_rkeops_options(quick_options())

set.seed(21)
x <- matrix(rnorm(12), 4)
y <- matrix(rnorm(9), 3)

differences <- function(f, x, step = 1e-5) {
  out <- x
  for (k in seq_along(x)) {
    up <- down <- x
    up[k] <- up[k] + step
    down[k] <- down[k] - step
    out[k] <- (sum(f(up)) - sum(f(down))) / (2 * step)
  }
  out
}

# f gives a number. The second derivative is taken by reverse over reverse and by forward over reverse.
expect_derivatives <- function(f, x, tolerance = 1e-6) {
  label <- deparse(substitute(f))[1L]
  both <- value_and_gradient(f, x)
  expect_equal(both$value, as.vector(f(x)), tolerance = 1e-12, info = label)
  expect_equal(both$gradient, differences(f, x), tolerance = tolerance, info = label)
  expect_identical(attributes(both$gradient), attributes(x), info = label)
  u <- x
  u[] <- cos(seq_along(x))
  expect_equal(jvp(f, x, u), sum(both$gradient * u), tolerance = 1e-10, info = label)
  step <- 1e-5
  second <- (gradient(f, x + step * u) - gradient(f, x - step * u)) / (2 * step)
  expect_equal(gradient(function(z) sum(gradient(f, z) * u), x), second, tolerance = tolerance, info = label)
  expect_equal(jvp(function(z) gradient(f, z), x, u), second, tolerance = tolerance, info = label)
}

test_that("arithmetic and functions of a number", {
  expect_derivatives(function(x) sum(x^2 - 3 * x + 1 / (x^2 + 1)), x)
  expect_derivatives(function(x) sum((-x)^3 + +x) / length(x), x)
  expect_derivatives(function(x) sum(abs(x)^2.5 * 2^x + (abs(x) + 0.5)^x), x)
  functions <- c("exp", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh", "cumsum")
  for (name in functions) expect_derivatives(function(x) sum(get(name)(x / 2) * x), x)
  positive <- abs(x) + 1.2
  for (name in c("log", "log2", "log10", "log1p", "sqrt", "abs", "acosh", "gamma", "lgamma", "digamma", "trigamma"))
    expect_derivatives(function(x) sum(get(name)(x) * x), positive, 1e-5)
  for (name in c("asin", "acos", "atanh")) expect_derivatives(function(x) sum(get(name)(x) * x), positive / 6)
  expect_derivatives(function(x) sum(besselK(x, x[1] / 3) * x) + sum(besselK(0.7, x - 2)), positive, 1e-5)
  expect_derivatives(function(x) sum(matern(x, 0.8) * x) + sum(matern(c(0, 0.7), x[2, 1])), positive, 1e-5)
  expect_derivatives(function(x) sum(log(x, 3) + log(x, base = x[1] + 2)), positive)
  expect_derivatives(function(x) sum(atan2(x, x^2 + 1) + atan2(2, x)), x)
})

test_that("operands are repeated as in base R", {
  expect_derivatives(function(x) sum((x * 1:4 + x[1:2]) / (2 + x[1, 1]^2)), x)
  expect_derivatives(function(x) sum(x[1:3]^2 * x[1:6]), x)
  expect_derivatives(function(s) sum(s[1] * x - abs(x)^s[2]), c(0.5, 2))
  expect_error(gradient(function(x) sum(x + x[1:3, 1:2]), x), "non-conformable")
})

test_that("parts are read, changed and bound", {
  expect_derivatives(function(x) {
    x[2, ] <- x[1, ] * x[3, ]
    x[[1]] <- x[4, 2]^2
    x[x > 1] <- 0.5
    sum(x[-1, 2:3]^3) + x[[2, 2]]
  }, x)
  expect_derivatives(function(x) {
    z <- rbind(x, 2 * x, do.call(rbind, lapply(1:4, function(i) x[i, ]^2)))
    w <- cbind(z, 1, rowSums(z))
    sum(w * w / (1 + w^2)) + mean(t(w) %*% w)
  }, x)
  expect_derivatives(function(x) sum(rep(x[3], 2) * rev(x)[1:2] * c(x[1, 1], 3) + head(x, 1)[1:2] *
                                       tail(x, 1)[2:3]), x)
  expect_derivatives(function(x) sum(aperm(x, 2:1) %*% x * diag(x[1:3, ])) + sum(diag(x[1:3, 1]) * y), x)
  expect_derivatives(function(x) {
    dim(x) <- c(3, 4)
    dimnames(x) <- list(letters[1:3], NULL)
    v <- as.vector(x)
    names(v) <- seq_along(v)
    sum(x["b", ]^3) + v[["5"]]
  }, x)
  expect_derivatives(function(x) Reduce(`+`, lapply(1:3, function(k) sum(x[, k])^k)), x)
})

test_that("sums, extremes and choices", {
  expect_derivatives(function(x) sum(colSums(x) * rowMeans(x)[1:3]) + sum(rowSums(x)^2) * colMeans(x)[2], x)
  expect_derivatives(function(x) max(x)^2 * min(x) + mean(x)^3 + sum(x, 2, x[1, ]^2), x)
  expect_derivatives(function(x) sum(pmax(x, 0.3)^2) + sum(pmin(0.1, x) * x) + sum(pmax(x[1:2], x[3:4], 0)^3), x)
  expect_derivatives(function(x) sum(where(x > 0, x^2, 3 * x) * where(x < 1, 2, x)), x)
  expect_identical(pmax(1:3, 2), base::pmax(1:3, 2))
  expect_identical(gradient(function(x) sum(pmax(x, 0)) + max(x), c(0, 0)), c(2, 1))
  expect_identical(gradient(function(x) sum(sqrt(x) + abs(x)), c(0, 4)), c(0, 1.25))
})

test_that("matrices and their factors", {
  S <- crossprod(matrix(rnorm(50), 10))
  expect_derivatives(function(S) {
    R <- chol(S)
    sum(R^3) + sum(solve(S, 1:5)^2) + sum(solve(S) * S[1, ]) + determinant(S)$modulus + sum(log(diag(R)))
  }, S, 1e-5)
  expect_derivatives(function(x) sum((x %*% y) %*% x[1, ]) + sum(x[1, ] %*% x[2, ]) * sum(1:4 %*% x), x)
  expect_derivatives(function(x) sum(crossprod(x)^2) + sum(crossprod(x, 1:4)^3) + sum(tcrossprod(x, y)^2) +
                       sum(tcrossprod(x[, 1])), x)
})

test_that("reductions of LazyTensors", {
  gauss <- function(x, y, s = 1) exp(-s * sqdist(Vi(x), Vj(y)))
  expect_derivatives(function(x) sum(gauss(x, x) %*% x * x), x)
  expect_derivatives(function(x) sum(logsumexp(-sqdist(Vi(x), Vj(y)), "j") * rowSums(x)), x)
  expect_derivatives(function(s) sum(gauss(x, y, s) %*% y[, 1]), 0.7)
  expect_derivatives(function(s) {
    d <- sqdist(Vi(x) * s, Vj(y) * Pm(s))
    sum(min(d, "j")) + sum(Kmin(d, 2, "j")^2) + sum(rowSums(sqrt(d))) + sum(max_argmax(d, "i")[[1L]]^2)
  }, c(0.7, 0.3, 0.2), 1e-5)
  expect_derivatives(function(x) sum(Kmin((Vi(x) - Vj(y))^2, 2, "j")^2), x)
  expect_derivatives(function(x) sum(sum(gauss(x, y), "j", call = FALSE)()^2) +
                       sum(gradient(sum(gauss(x, y), "j", call = FALSE), Vj(y), x[, 1])^2), x)
  expect_derivatives(function(v) sum((v * Vi(x)[1] + Vj(y)[2])^2, "j") |> sum(), 0.3)
  positions <- NULL
  gradient(function(x) {
    positions <<- argmin(sqdist(Vi(x), Vj(y)), "j")
    sum(x)
  }, x)
  expect_identical(positions, argmin(sqdist(Vi(x), Vj(y)), "j"))
  # a variable at several places, for Vi() and for Vj()
  op <- sum(gauss(x, x), "j", call = FALSE)
  expect_equal(gradient(op, x, 1), differences(function(x) sum(gauss(x, x), "j"), x), tolerance = 1e-6)
  expect_equal(gradient(op, x, 1), gradient(op, Vi(x), 1) + gradient(op, Vj(x), 1), tolerance = 1e-12)
})

test_that("operators of LazyTensors take recorded values as other data", {
  op <- sum(exp(-Pm(1) * sqdist(Vi(x), Vj(y))), "j", call = FALSE)
  expect_derivatives(function(x) sum(op(list(x[1]^2, x, x[1:3, ]))^2), x)
  along <- gradient(op, Vj(y), call = FALSE)
  expect_derivatives(function(x) sum(along(list(V1 = x))^2), x, 1e-5)
})

test_that("batches, parameters of groups and complex numbers between real ones", {
  A <- array(cos(1:24), c(4, 2, 3))
  B <- array(sin(1:18), c(3, 2, 3))
  plane <- B[, , 1]
  kernel <- function(a, b = Vj(B, batch = TRUE)) exp(-sqdist(Vi(a, batch = TRUE), b))
  expect_derivatives(function(a) sum(sum(kernel(a), "j")^2), A)
  expect_derivatives(function(y) sum(sum(kernel(A, Vj(y)) * Vj(y), "j")^2), plane)
  expect_derivatives(function(s) sum(logsumexp(-Pm(s, batch = TRUE) * kernel(A), "j")^2), array(c(0.5, 1, 2), c(1, 1, 3)))
  expect_derivatives(function(s) sum(logsumexp(-s * kernel(A), "i")^2), 0.7)
  expect_derivatives(function(a) sum((kernel(a) %*% a[1:3, , ])^2) + sum(rowSums(kernel(a))^3), A)
  expect_derivatives(function(a) sum(Kmin((Vi(a, batch = TRUE) - Vj(plane))^2, 2, "j")^2), A, 1e-5)
  op <- sum(kernel(A, Vj(plane)), "j", call = FALSE)
  expect_derivatives(function(e) sum(gradient(op, Vj(plane), e)^2), array(cos(1:12), c(4, 1, 3)))
  formula <- keops_kernel("Sum_Reduction(Exp(-s*SqDist(x,y))*x, j)", c("x=Vi(2)", "y=Vj(2)", "s=Pm(1)"), batch = TRUE)
  expect_derivatives(function(a) sum(formula(list(a, a[1:3, , ], 1))^2), A)
  expect_derivatives(function(y) sum(formula(list(A, y, y[1]))^2), plane)
  labels <- c("u", "u", "v", "v")
  of_groups <- function(x) restrict_pairs(exp(-sqdist(Vi(x), Vj(x))), groups = labels)
  widths <- matrix(c(0.5, 2))
  expect_derivatives(function(s) sum(sum(exp(-Pm(s, groups = c("v", "u")) * of_groups(x)), "j")^2), widths)
  expect_derivatives(function(x) sum(sum(Pm(x[1:2, ], groups = c("u", "v")) * of_groups(x), "i")^2), x)
  other <- sum(Pm(c(1, 1), groups = c("u", "v")) * of_groups(x), "j", call = FALSE)
  expect_derivatives(function(s) sum(other(list(V0 = s))^2), widths)
  expect_derivatives(function(x) sum(sum(Re(exp(1i * Vi(x)) * Vj(x[, 1] * 2)) + Mod(1i + Vj(x)), "j")^2), x)
})

test_that("operators of formulas", {
  op <- keops_kernel("Sum_Reduction(Exp(-s * SqDist(x, y)) * b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "s=Pm(1)"))
  b <- y[, 1:2]
  expect_derivatives(function(x) sum(op(list(x, x[1:3, ], b, x[1, 1]^2))^2), x)
  expect_derivatives(function(b) sum(op(list(y = y, x = x, s = 1, b = b))^2), b)
  lse <- keops_kernel("LogSumExp_Reduction(-SqDist(x, y), j)", c("x=Vi(3)", "y=Vj(3)"))
  expect_derivatives(function(x) sum(keops_grad(lse, "y")(list(x, y, x[, 1]))^2), x, 1e-5)
  near <- keops_kernel("Min_ArgMin_Reduction(SqDist(x, y), j)", c("x=Vi(3)", "y=Vj(3)"))
  expect_derivatives(function(x) sum(near(list(x, y))[[1L]]^2), x)
  expect_derivatives(function(x) sum(op(list(t(x), t(y), t(b), x[2]), inner_dim = "row")^2), x)
  expect_derivatives(function(x) sum(op(list(x, x[1:3, ], b, 1), blocks = keep_band(-1, 1))^2), x)
  both <- keops_value_and_grad(op, c("x", "s"))
  expect_derivatives(function(x) {
    out <- both(list(x, y, b, x[2], x[, 1:2]))
    sum(out$value^2) + sum(out$gradients$x * x) + out$gradients$s[1]
  }, x, 1e-5)
  two <- keops_kernel("k = SqDist(x, y); Sum_Reduction(Exp(-k) * y, j), LogSumExp_Reduction(-k, i)",
                      c("x=Vi(3)", "y=Vj(3)"))
  expect_derivatives(function(x) {
    out <- two(list(x, x[1:3, ] / 2))
    sum(out[[1L]]^2) + sum(out[[2L]]) * sum(x)
  }, x, 1e-5)
  expect_derivatives(function(x) sum(two(list(y = y, x = x))[[2L]]^2), x)
  nearest <- keops_kernel("KMin_Reduction(Square(x - y), 2, j)", c("x=Vi(3)", "y=Vj(3)"))
  expect_derivatives(function(x) sum(nearest(list(x, 2 * x[1:3, ]))^2), x)
})

test_that("all gradients of an operator are computed in one program, of many variables in few", {
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x, y)) * b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))
  programs <- function(code) {
    .Call(C_forget)
    before <- counters()[["programs"]]
    force(code)
    counters()[["programs"]] - before
  }
  expect_identical(programs(gradient(function(x) sum(op(list(x, y, x[1:3, 1]))), x)), 2)
  expect_identical(programs(gradient(function(x) sum((exp(-sqdist(Vi(x), Vj(x))) * Vi(x[, 1])) %*% x[, 2]), x)), 2)
  names <- paste0("x", 1:20)
  wide <- keops_kernel(sprintf("Sum_Reduction(Sin(%s) * y, j)", paste(names, collapse = " + ")),
                       c(paste0(names, "=Vi(3)"), "y=Vj(3)"))
  f <- function(x) sum(wide(c(lapply(1:20, function(k) x / k), list(y))))
  expect_equal(gradient(f, x), differences(f, x), tolerance = 1e-6)
  g <- function(x) sum(sum(sin(Reduce(`+`, lapply(1:20, function(k) Vi(x / k)))) * Vj(y), "j"))
  expect_equal(gradient(g, x), gradient(f, x), tolerance = 1e-10)
})

test_that("several arguments keep their names and shapes", {
  f <- function(q, p, s) s * sum(q * p) + sum(q[, 1])
  at <- list(q = x, p = x + 1, s = 2)
  both <- value_and_gradient(f, at)
  expect_named(both$gradient, c("q", "p", "s"))
  expect_equal(both$gradient$q, 2 * at$p + cbind(rep(1, 4), 0, 0))
  expect_equal(both$gradient$s, sum(x * (x + 1)))
  expect_identical(gradient(function(q, p) sum(q), list(q = x, p = 1:3))$p, c(0, 0, 0))
  expect_equal(jvp(f, at, list(x, x, 1)), sum(both$gradient$q * x + both$gradient$p * x) + both$gradient$s)
  named <- c(a = 1, b = 2)
  expect_named(gradient(function(v) v[["a"]]^2 * v[["b"]], named), c("a", "b"))
  expect_equal(gradient(function(x) x %*% y, at = x, cotangent = x), x %*% t(y))
})

test_that("derivatives may be taken inside of functions that are differentiated", {
  # of an inner variable, with the outer one as a constant of it
  f <- function(x) sum(x * gradient(function(y) sum(y^2 * x[1:2]^3), c(2, 5)))
  expect_equal(gradient(f, c(1, 2)), differences(f, c(1, 2)), tolerance = 1e-8)
  third <- function(x) gradient(function(x) gradient(function(x) gradient(function(x) x^5, x), x), x)
  expect_equal(third(2), 60 * 4)
  expect_equal(gradient(third, 2), 120 * 2)
  # what leaves a call is plain
  kept <- NULL
  gradient(function(x) {
    kept <<- x
    sum(x)
  }, 1:3)
  expect_identical(kept * 2, c(2, 4, 6))
  expect_identical(gradient(function(x) sum(x * kept), c(1, 1, 1)), c(1, 2, 3))
})

test_that("nothing is a constant without a word", {
  expect_refused <- function(f, pattern = "recorded value") {
    err <- expect_error(gradient(f, x))
    if (!is.null(pattern)) {
      expect_match(conditionMessage(err), pattern, fixed = TRUE)
      expect_s3_class(err, "rkeops_error_argument")
    }
  }
  expect_refused(function(x) sum(as.matrix(x)))
  expect_refused(function(x) as.numeric(x)[1])
  expect_refused(function(x) sum(apply(x, 1, sum)))
  expect_refused(function(x) sum(sapply(x, identity)))
  expect_refused(function(x) sum(vapply(x, identity, 1)))
  expect_refused(function(x) sum(as.list(x)[[1]]))
  expect_refused(function(x) prod(x))
  expect_refused(function(x) sum(round(x)))
  expect_refused(function(x) sum(sign(x)))
  expect_refused(function(x) sum(x %% 2))
  expect_refused(function(x) x$value)
  expect_refused(function(x) sum(sort(x)))
  expect_refused(function(x) Re(sum(exp(1i * Vi(x) + Vj(x)), "j")), "complex")
  if (getRversion() < "4.3.0") expect_refused(function(x) sum(base::`%*%`(t(x), x)), NULL)
  expect_identical(gradient(function(x) sum(x * stop_gradient(x)), x), x)
  expect_identical(stop_gradient(3), 3)
})

test_that("where base R stops at a recorded value, or we do, the error names the expression of the user", {
  expect_named_error <- function(f, expression, advice = "stop_gradient") {
    e <- tryCatch(gradient(f, x), error = identity)
    expect_s3_class(e, "rkeops_error_argument")
    expect_identical(deparse(conditionCall(e)), expression)
    expect_match(conditionMessage(e), "recorded value", info = expression)
    expect_match(conditionMessage(e), advice, fixed = TRUE, info = expression)
  }
  filled <- numeric(3)
  plain <- matrix(0, 4, 3)
  rows <- "do.call(rbind, rows)"
  expect_named_error(function(x) { plain[1, ] <- x[1, ]; sum(plain) }, "plain[1, ] <- x[1, ]", rows)
  expect_named_error(function(x) { filled[2] <- x[1]; sum(filled) }, "filled[2] <- x[1]", rows)
  expect_named_error(function(x) { filled[[2]] <- x[1]; sum(filled) }, "filled[[2]] <- x[1]", rows)
  expect_named_error(function(x) sum(matrix(x, 2)), "matrix(x, 2)", "dim(x) <-")
  expect_named_error(function(x) sum(unlist(list(x))), "sum(unlist(list(x)))", "do.call(rbind, values)")
  expect_named_error(function(x) sum(sapply(1:3, function(k) x[k])), "sum(sapply(1:3, function(k) x[k]))", "lapply()")
  expect_named_error(function(x) vapply(1:3, function(k) x[k], 1), "vapply(1:3, function(k) x[k], 1)", "lapply()")
  expect_named_error(function(x) sum(c(1, x)), "sum(c(1, x))", "rbind()")
  products <- function(x) sum(outer(x[, 1], x[, 2])) # a product of matrices from R 4.3 on
  if (getRversion() < "4.3.0") expect_named_error(products, "outer(x[, 1], x[, 2])", "x %*% t(y)")
  else expect_identical(gradient(products, x), gradient(function(x) sum(x[, 1] %*% t(x[, 2])), x))
  expect_named_error(function(x) base::ifelse(x > 0, x, 0), "base::ifelse(x > 0, x, 0)", "where(test, yes, no)")
  expect_named_error(function(x) if (x) 1 else 2, "if (x) 1 else 2", "comparison")
  expect_named_error(function(x) for (v in x) sum(v), "for (v in x) sum(v)", "seq_along(x)")
  expect_named_error(function(x) base::rowSums(x), "base::rowSums(x)")
  expect_named_error(function(x) besselI(x, 1), "besselI(x, 1)")
  expect_named_error(function(x) (1:10)[x[1]], "(1:10)[x[1]]")
  expect_named_error(function(x) cor(x), "cor(x)")
  expect_named_error(function(x) which.max(x), "which.max(x)")
  # what we stop inside of a function of base R
  expect_named_error(function(x) apply(x, 1, sum), "apply(x, 1, sum)")
  expect_named_error(function(x) as.numeric(x), "as.numeric(x)")
  expect_named_error(function(x) svd(x), "svd(x)")
  inner <- function(v) dnorm(v * 2)
  expect_named_error(function(x) inner(x), "dnorm(v * 2)")
  expect_named_error(function(x) gradient(function(y) sum(fft(y)), x), "fft(y)")
  e <- tryCatch(jvp(function(x) sum(matrix(x, 2)), x, x), error = identity)
  expect_identical(conditionCall(e), quote(matrix(x, 2)))
})

test_that("other errors are those of base R and of the user", {
  error_of <- function(f) tryCatch(gradient(f, x), error = identity)
  expect_other_error <- function(f, text, call = NULL) {
    e <- error_of(f)
    expect_false(inherits(e, "rkeops_error"))
    expect_match(conditionMessage(e), text)
    if (!is.null(call)) expect_identical(conditionCall(e), call)
  }
  mine <- function(v) stop("mine")
  expect_other_error(function(x) mine(x), "mine", quote(mine(x)))
  expect_other_error(function(x) stopifnot(is.double(x)), "is.double")
  expect_other_error(function(x) x[9, 9], "subscript", quote(x[9, 9]))
  expect_other_error(function(x) x + x[1:3, 1:2], "non-conformable", quote(x + x[1:3, 1:2]))
  expect_other_error(function(x) no_such_function(x), "no_such_function")
  expect_other_error(function(x) sum(x) + no_such_value, "no_such_value")
  expect_other_error(function(x) log("a") + sum(x), "non-numeric", quote(log("a")))
  expect_s3_class(error_of(function(x) stop(structure(class = c("own", "error", "condition"),
                                                      list(message = "own", call = NULL)))), "own")
  expect_equal(gradient(function(x) tryCatch(sum(matrix(x, 2)), error = function(e) sum(x)), x), 0 * x + 1)
})

test_that("bad input is refused", {
  expect_error(gradient(function(x) x, x), "`cotangent`", class = "rkeops_error_argument")
  expect_error(gradient(function(x) x, x, cotangent = 1:5), "`cotangent`", class = "rkeops_error_shape")
  expect_error(gradient(function(x) "a", x), "the function gave", class = "rkeops_error_argument")
  expect_error(gradient(function(x) sum(x)), "`at` is missing", class = "rkeops_error_argument")
  expect_error(gradient(function(x) sum(x), "a"), "`at`", class = "rkeops_error_argument")
  expect_error(gradient(function(x) sum(x), list(1, "a")), "`at[[2]]`", fixed = TRUE, class = "rkeops_error_argument")
  expect_error(jvp(function(x) sum(x), x, 1:2), "`direction`", class = "rkeops_error_shape")
  expect_error(gradient(function(x) stop("mine"), x), "mine")
  expect_equal(gradient(function(x) sum(x), 1), 1) # the session goes on
  expect_output(gradient(function(x) {
    print(x)
    sum(x)
  }, x), "<RecordedValue> 4 x 3")
})

optimise_again(optimising)

# ---- random programs -----------------------------------------------------------------------------

# Values are 3 x 2 matrices, of moderate size; each step takes one or two values of those before.
steps <- list(
  function(a, b) a + b, function(a, b) a - 2 * b, function(a, b) a * b, function(a, b) a / (1 + b^2),
  function(a, b) abs(a)^1.5, function(a, b) (abs(a) + 0.5)^tanh(b), function(a, b) -a, function(a, b) exp(-a^2),
  function(a, b) log(1 + a^2), function(a, b) sqrt(a^2 + 0.1), function(a, b) tanh(a), function(a, b) sin(a) * cos(b),
  function(a, b) atan2(a, b^2 + 1), function(a, b) pmax(a, b), function(a, b) pmin(a, 0.2), function(a, b) where(a > b, a, b^2),
  function(a, b) a %*% diag(b[1:2, 1]), function(a, b) tanh(crossprod(a, b)[c(1, 2, 1), ]), function(a, b) tanh(tcrossprod(a, b)[, 2:3]),
  function(a, b) cbind(a[, 2], rowSums(b)), function(a, b) rbind(a[3:2, ], colMeans(b)), function(a, b) a[3:1, ] * b[[2, 1]],
  function(a, b) { a[2, ] <- b[1, ]; a }, function(a, b) { a[a > 0.3] <- 0.1; a }, function(a, b) { a[cbind(1:2, 2:1)] <- b[1:2]; a },
  function(a, b) a - mean(b) * max(a), function(a, b) t(t(a) / (1 + colSums(b^2))), function(a, b) t(aperm(b, c(2, 1))) + a[1],
  function(a, b) { v <- c(a[, 1], b[, 2]); dim(v) <- c(3, 2); v }, function(a, b) cumsum(a)[1:3] * b,
  function(a, b) solve(crossprod(a) + diag(2), t(b)) |> t(), function(a, b) a %*% chol(crossprod(b) + diag(2)) / 2,
  function(a, b) exp(-sqdist(Vi(a), Vj(b))) %*% b, function(a, b) a * logsumexp(-sqdist(Vi(a), Vj(b)), "j")[, 1],
  function(a, b) sum(Vi(a) / (1 + sqdist(Vi(a), Vj(b))), "j"), function(a, b) cbind(a[, 1], min(sqdist(Vi(a), Vj(b)), "j")),
  function(a, b) solve(add_ridge(exp(-sqdist(Vi(a), Vj(a))), 0.5 + b[1]^2), b, tol = 1e-13),
  function(a, b) Reduce(`+`, lapply(1:2, function(k) a[, k] * b)), function(a, b) run_steps(function(s) tanh(s + b), a, 3, 2))

random_program <- function(length) {
  chosen <- sample(length(steps), length, TRUE)
  first <- vapply(seq_len(length), function(k) sample(k, 1L), 1L)
  second <- vapply(seq_len(length), function(k) sample(k, 1L), 1L)
  function(x) {
    values <- list(x)
    for (k in seq_len(length)) values[[k + 1L]] <- steps[[chosen[k]]](values[[first[k]]], values[[second[k]]])
    sum(values[[length + 1L]]) + sum(values[[length]]^2) / 4
  }
}

test_that("random programs have the derivatives of their differences", {
  set.seed(as.integer(Sys.getenv("RKEOPS_TEST_SEED", "77")))
  checked <- 0
  for (k in seq_len(if (is_full) 3000 else 150)) {
    f <- random_program(sample(2:7, 1L))
    x <- matrix(round(rnorm(6), 2) + 0.0037, 3)
    u <- matrix(round(rnorm(6), 2), 3)
    along <- function(step) (f(x + step * u) - f(x - step * u)) / (2 * step)
    g <- gradient(f, x)
    wide <- along(1e-5)
    # of two steps that differ there is a kink, or digits are lost
    if (!is.finite(wide) || abs(wide - along(3e-6)) > 1e-6 * (1 + abs(wide))) next
    checked <- checked + 1
    expect_equal(sum(g * u), wide, tolerance = 1e-5, info = k)
    expect_equal(jvp(f, x, u), sum(g * u), tolerance = 1e-9, info = k)
    second <- (gradient(f, x + 1e-5 * u) - gradient(f, x - 1e-5 * u)) / 2e-5
    again <- (gradient(f, x + 3e-6 * u) - gradient(f, x - 3e-6 * u)) / 6e-6
    if (any(abs(second - again) > 1e-5 * (1 + abs(second)))) next
    expect_equal(gradient(function(x) sum(gradient(f, x) * u), x), second, tolerance = 1e-4, info = k)
  }
  expect_gt(checked, if (is_full) 2000 else 100)
})
