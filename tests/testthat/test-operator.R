# Operators of LazyTensors: reductions with call = FALSE, options of one call, derivatives.
optimising <- set_rkeops_options(quick_options())

old <- rkeops_use_float64()
set.seed(5)
X <- matrix(rnorm(15), 5)
Y <- matrix(rnorm(21), 7)
B <- matrix(rnorm(7))
E <- matrix(rnorm(5))
x <- Vi(X)
y <- Vj(Y)
b <- Vj(B)
s <- Pm(2)
op <- sum(exp(-s * sqdist(x, y)) * b, "j", call = FALSE)

squared <- function(X, Y) outer(rowSums(X^2), rowSums(Y^2), "+") - 2 * X %*% t(Y)
plain <- function(X, Y, B, s) exp(-s * squared(X, Y)) %*% B

# Central differences in double: errors of h^2 times third derivatives of order 10, and of
# 2^-52 / h times values of order 10.
step_size <- 2^-17
near <- function(got, expected) expect_lt(max(abs(got - expected)), 1e-7)
numeric_gradient <- function(f, at) {
  at[] <- vapply(seq_along(at), function(k) {
    e <- replace(0 * at, k, step_size)
    (f(at + e) - f(at - e)) / (2 * step_size)
  }, 0)
  as.matrix(at)
}

test_that("call = FALSE gives an operator that computes when it is called", {
  expect_s3_class(op, "LazyOperator")
  expect_true(is.function(op))
  near(op(), plain(X, Y, B, 2))
  expect_identical(op(), sum(exp(-s * sqdist(x, y)) * b, "j"))
  expect_output(print(op), "Sum_Reduction.*V1=Vi\\(3\\), 5 rows")
  expect_output(print(sum(x * y, "j", call = FALSE, precision = "float32")), "precision: float32")
})

test_that("each reduction gives an operator with the result of its direct call", {
  D <- (x[1] - y[1])^2
  calls <- list(
    function(...) sum(D, "j", ...), function(...) min(D, "i", ...), function(...) max(D, "j", ...),
    function(...) argmin(D, "j", ...), function(...) argmax(D, "j", ...),
    function(...) sum_reduction(D, "i", ...), function(...) min_argmin(D, "j", ...),
    function(...) max_argmax_reduction(D, "j", ...), function(...) Kmin(D, 2, "j", ...),
    function(...) argKmin(D, 2, "j", ...), function(...) Kmin_argKmin(D, 2, "j", ...),
    function(...) logsumexp(D, "j", ...), function(...) logsumexp(D, "j", y, ...),
    function(...) sumsoftmaxweight(D, "j", y, ...),
    function(...) reduction.LazyTensor(D, "Sum", "j", ...))
  for (f in calls) expect_identical(f(call = FALSE)(), f())
})

test_that("options of one call hold for it only", {
  before <- get_rkeops_options()
  K <- exp(-s * sqdist(x, y))
  exact <- matrix(rowSums(exp(-2 * squared(X, Y))))
  single <- sum(K, "j", precision = "float32")
  expect_gt(max(abs(single - exact)), 0)
  expect_lt(max(abs(single / exact - 1)), 64 * 2^-24) # exponents up to 30 are rounded to float32
  expect_lt(max(abs(sum(K, "j", precision = "float64") / exact - 1)), 2^-44)
  tenth <- 13421773 * 2^-27 # as float32
  terms <- Vj(matrix(tenth, 1e5))
  error_of <- function(...) abs(sum(terms, "j", precision = "float32", ...)[1L] - 1e5 * tenth)
  rough <- error_of(accumulator = "float32", sum_scheme = "direct_sum")
  expect_lt(error_of(accumulator = "float32", sum_scheme = "kahan_scheme"), rough / 100)
  expect_lt(error_of(accumulator = "float64", sum_scheme = "direct_sum"), rough / 100)
  expect_error(sum(K, "j", backend = "GPU", device = 99), class = "rkeops_error_device")
  expect_identical(sum(K, "j", backend = "CPU"), with_options(list(backend = "CPU"), sum(K, "j")))
  expect_identical(get_rkeops_options(), before)
  args <- c("x=Vi(3)", "y=Vj(3)")
  text <- "Sum_Reduction(Exp(-2*SqDist(x,y)), j)"
  expect_identical(keops_kernel(text, args, precision = "float32")(list(X, Y)),
                   with_options(list(precision = "float32"), keops_kernel(text, args)(list(X, Y))))
})

test_that("an operator keeps its options for its derivatives", {
  single <- sum(exp(-s * sqdist(x, y)), "j", call = FALSE, precision = "float32")
  double <- sum(exp(-s * sqdist(x, y)), "j", call = FALSE)
  expect_identical(gradient(single, x), with_options(list(precision = "float32"),
                                                      gradient(double, x)))
  expect_false(identical(gradient(single, x), gradient(double, x)))
})

test_that("gradients by every kind of variable are those of differences", {
  got <- gradient(op, list(x = x, y, b = b, s = s), E)
  expect_named(got, c("x", "", "b", "s"))
  near(got$x, numeric_gradient(function(X) sum(E * plain(X, Y, B, 2)), X))
  near(got[[2L]], numeric_gradient(function(Y) sum(E * plain(X, Y, B, 2)), Y))
  near(got$b, numeric_gradient(function(B) sum(E * plain(X, Y, B, 2)), B))
  near(got$s, numeric_gradient(function(s) sum(E * plain(X, Y, B, s)), 2))
  expect_equal(gradient(op, s, E), got$s)
  by_x <- gradient(op, x, E)
  expect_equal(by_x, got$x)
  expect_identical(gradient(op, x, Vi(E)), by_x)
  expect_identical(gradient(op, Vi(X), E), by_x) # the same matrix is the same variable
  expect_equal(gradient(op, x), gradient(op, x, rep(1, 5)))
  expect_equal(gradient(op, x, 2), 2 * gradient(op, x))
})

test_that("values and gradients come together", {
  both <- value_and_gradient(op, list(x = x, s = s), E)
  expect_equal(both$value, op(), tolerance = 1e-14)
  expect_equal(both$gradient, gradient(op, list(x = x, s = s), E), tolerance = 1e-13)
  expect_equal(value_and_gradient(op, s)$gradient, gradient(op, s), tolerance = 1e-13)
  expect_identical(value_and_gradient(op, list(s = s))$gradient, list(s = gradient(op, s)))
  nearest <- value_and_gradient(min_argmin(sqdist(x, y), "j", call = FALSE), x)
  expect_identical(nearest$value, min_argmin(sqdist(x, y), "j"))
  near(nearest$gradient, 2 * (X - Y[nearest$value[[2L]], ]))
})

test_that("jvp is the derivative along a direction, or several", {
  h <- step_size
  near(jvp(op, s, 1), (plain(X, Y, B, 2 + h) - plain(X, Y, B, 2 - h)) / (2 * h))
  near(jvp(op, list(s, x, b), list(0.5, x, 0)),
       (plain(X * (1 + h), Y, B, 2 + h / 2) - plain(X * (1 - h), Y, B, 2 - h / 2)) / (2 * h))
  expect_identical(jvp(op, list(x = x, s = s), list(s = 0.5, x = X)),
                   jvp(op, list(x = x, s = s), list(X, 0.5)))
  expect_equal(sum(E * jvp(op, y, Y)), sum(Y * gradient(op, y, E)), tolerance = 1e-12)
})

test_that("derivatives can be differentiated, also through a cotangent", {
  first <- function(s) gradient(sum(exp(-Pm(s) * sqdist(x, y)) * b, "j", call = FALSE), x, E)
  near(op |> gradient(x, E, call = FALSE) |> gradient(s, cotangent = X),
       numeric_gradient(function(s) sum(X * first(s)), 2))
  near(op |> gradient(x, s * Vi(E), call = FALSE) |> gradient(s, cotangent = x),
       numeric_gradient(function(s) sum(X * s * first(s)), 2))
  near(op |> gradient(s, E, call = FALSE) |> jvp(s, 1),
       numeric_gradient(function(s) sum(E * (-squared(X, Y) * exp(-s * squared(X, Y))) %*% B), 2))
})

test_that("plain numbers are constants, also where they are the data of a variable", {
  e <- Vi(E)
  f <- sum(exp(-s * sqdist(x, y)) * e, "j", call = FALSE)
  second <- function(cotangent)
    f |> gradient(x, cotangent, call = FALSE) |> gradient(e, cotangent = X)
  expect_equal(second(E), second(E + 0), tolerance = 1e-14)
  expect_gt(max(abs(second(E) - second(e))), 1e-3)
  along <- function(direction) f |> jvp(e, direction, call = FALSE) |> gradient(e)
  expect_equal(along(E), matrix(0, 5, 1))
  expect_equal(along(e), matrix(rowSums(exp(-2 * squared(X, Y)))), tolerance = 1e-12)
})

test_that("gradients of a function called twice keep their variables apart", {
  # The byte-code compiler makes one object of equal constants.
  f <- compiler::cmpfun(function() {
    p <- Pm(0.5)
    q <- Pm(0.5)
    gradient(sum(p * x + q * y, "j", call = FALSE), p, matrix(1, 5, 3))
  })
  expect_equal(f(), matrix(7 * sum(X)))
})

test_that("a parameter is one variable also where i and j are exchanged", {
  p <- Pm(2)
  K <- p * exp(-sqdist(x, Vj(X)))
  op <- sum(p * K + t(K), "i", call = FALSE)
  near(gradient(op, p), (2 * 2 + 1) * sum(exp(-as.matrix(dist(X))^2)))
  near(gradient(sum(t(K), "i", call = FALSE), p), sum(exp(-as.matrix(dist(X))^2)))
  expect_identical(t(t(K)), K)
})

test_that("arguments of a reduction that it does not have are refused, whatever their names", {
  refused <- function(code, name)
    expect_error(code, paste0("`", name, "` is no argument"), class = "rkeops_error_argument")
  refused(logsumexp(b, "j", k = 3), "k")
  refused(sum(b, "j", weight = b), "weight")
  refused(argmin(b, "j", op = "Max"), "op")
  refused(rowSums(b, index = "i"), "index")
})

test_that("K-minima with several components take and give arrays", {
  k <- Kmin((x - y)^2, 2, "j", call = FALSE)
  e <- array(rnorm(30), c(5, 2, 3))
  at <- function(Y) sum(e * Kmin((x - Vj(Y))^2, 2, "j"))
  near(gradient(k, y, e), numeric_gradient(at, Y))
  expect_identical(dim(jvp(k, y, Y)), c(5L, 2L, 3L))
  near(sum(e * jvp(k, y, Y)), sum(Y * gradient(k, y, e)))
})

test_that("complex variables have complex gradients", {
  Z <- matrix(complex(real = rnorm(5), imaginary = rnorm(5)))
  z <- Vi(Z)
  f <- sum(exp(z) * y[1], "j", call = FALSE)
  # real part of the sum: its derivatives by real and imaginary parts
  got <- gradient(f, z)
  near(Re(got), Re(exp(Z)) * sum(Y[, 1]))
  near(Im(got), -Im(exp(Z)) * sum(Y[, 1]))
  near(gradient(f, y, 1i)[, 1], rep(sum(Im(exp(Z))), 7))
  near(jvp(f, z, 1i), 1i * exp(Z) * sum(Y[, 1]))
})

test_that("a variable that is made anew of the same R object is the same variable", {
  Z <- Y[, 1:2] + 1i * Y[, 2:3]
  real <- Y[, 1]
  frame <- as.data.frame(Y)
  column <- Z[, 1]
  make <- list(complex = function() Vj(Z), from_real = function() Vj(Y, is_complex = TRUE),
               vector = function() Vj(real), complex_vector = function() Vj(column),
               frame = function() Vj(frame), index = function() LazyTensor(real, "j"))
  for (name in names(make)) {
    variable <- make[[name]]()
    f <- sum(Vi(X)[1] * norm2(variable), "j", call = FALSE)
    expect_identical(gradient(f, make[[name]]()), gradient(f, variable), info = name)
    again <- sum(Vi(X)[1] * sum(variable * make[[name]]()), "j", call = FALSE)
    expect_identical(gradient(again, make[[name]]()), gradient(again, variable), info = name)
  }
  near(gradient(sum(Vi(real) * Vj(real), "j", call = FALSE), Vj(real)), matrix(sum(real), 7))
  # the same numbers as real and as complex ones are two variables
  expect_error(gradient(sum(Vi(X) * Vj(Y), "j", call = FALSE), Vj(Y, is_complex = TRUE)),
               "no variable", class = "rkeops_error_argument")
})

test_that("what cannot be differentiated, or does not fit, is refused", {
  refused <- function(code, kind, text)
    expect_error(code, text, fixed = TRUE, class = paste0("rkeops_error_", kind))
  refused(gradient(sum, x), "argument", "`at`")
  refused(gradient(value_and_gradient, x), "argument", "call = FALSE")
  refused(gradient(op, x + 1), "argument", "`wrt`")
  refused(gradient(op, Vi(X + 0)), "argument", "`wrt`")
  refused(gradient(op, list()), "argument", "`wrt`")
  refused(gradient(op, list(x, x)), "argument", "twice")
  refused(gradient(op, x, 1:3), "shape", "5 x 1")
  refused(gradient(op, x, b), "shape", "depends on j")
  refused(gradient(op, x, Vi(X[1:4, 1, drop = FALSE])), "shape", "expected 5")
  refused(gradient(op, x, 1i), "argument", "complex")
  refused(grad(sqdist(x, y), Vi(X[1:4, 1, drop = FALSE]), "Sum", x, "j"), "shape", "`gradin`")
  refused(gradient(op, x, "a"), "argument", "`cotangent`")
  refused(gradient(sum(x * y, "j", call = FALSE), x), "argument", "3 columns")
  refused(gradient(gradient(op, list(x, y), call = FALSE), x), "argument", "2 results")
  refused(gradient(op, x, call = NA), "argument", "`call`")
  refused(jvp(op, x, 1:2), "shape", "5 x 3")
  refused(jvp(op, list(x, y), X), "argument", "`direction`")
  refused(keops_grad(op, 0), "argument", "gradient()")
  refused(sum(x, "j", presision = "float64"), "argument", "did you mean `precision`?")
  refused(sum(x, "j", precision = "half"), "argument", "`precision`")
  refused(sum(x, call = FALSE), "argument", "`index`")
  refused(sum(x, "j", TRUE), "argument", "`sum`")
  refused(argmin(x, "j", TRUE), "argument", "without a name")
  refused(keops_kernel("Sum_Reduction(x, j)", "x=Vi(1)", call = FALSE), "argument", "`call`")
})

test_that("an operator takes other data, in the order that it prints, or by name", {
  f <- function(s, X, Y, B) sum(exp(-Pm(s) * sqdist(Vi(X), Vj(Y))) * Vj(B), "j")
  expect_identical(op(list(2, X, Y, B)), op())
  expect_identical(op(list(0.5, X[1:2, ], Y[7:2, ], B[2:7])), f(0.5, X[1:2, ], Y[7:2, ], B[2:7]))
  expect_identical(op(list(V0 = matrix(1), V1 = as.data.frame(X[5:1, ]))), f(1, X[5:1, ], Y, B))
  expect_identical(op(), f(2, X, Y, B)) # it keeps its own
  named <- X[1:3, ]
  rownames(named) <- letters[1:3]
  expect_identical(rownames(op(list(V1 = named))), letters[1:3])
  expect_output(print(op), "of other data by op(list(...))", fixed = TRUE)
  Z <- complex(real = 1:3, imaginary = 3:1)
  z <- sum(Vi(Z) * y[1], "j", call = FALSE)
  expect_equal(z(list(1:2, Y)), matrix(1:2 * sum(Y[, 1]) + 0i))
})

test_that("derivatives take other data, too", {
  made <- function(s, X, Y, B) {
    s <- Pm(s)
    x <- Vi(X)
    op <- sum(exp(-s * sqdist(x, Vj(Y))) * Vj(B), "j", call = FALSE)
    list(x = gradient(op, x), s = gradient(op, s, matrix(3, nrow(X))), both = gradient(op, list(x, s)),
         along = jvp(op, x, X), second = op |> gradient(x, call = FALSE) |> gradient(s, cotangent = X))
  }
  ops <- list(x = gradient(op, x, call = FALSE), s = gradient(op, s, E, call = FALSE),
              both = gradient(op, list(x, s), call = FALSE), along = jvp(op, x, X, call = FALSE),
              second = op |> gradient(x, call = FALSE) |> gradient(s, cotangent = X, call = FALSE))
  X2 <- X[c(1, 3, 2), ] / 2
  data <- list(0.5, X2, Y[1:4, ], B[1:4])
  more <- list(s = matrix(3, 3), along = X2, second = X2) # cotangents and directions that are matrices
  expected <- do.call(made, data)
  for (name in names(ops))
    expect_equal(ops[[name]](c(data, more[name][name %in% names(more)]) |> unname()), expected[[name]],
                 tolerance = 1e-12, info = name)
})

test_that("operators of some pairs, of batches and of groups take other data", {
  labels <- c(1, 1, 2, 2, 2)
  a <- matrix(c(1, 3), dimnames = list(c("u", "v"), NULL))
  grouped <- function(x, y, a) sum(Pm(a, groups = 1:2) * restrict_pairs(x * y, groups = list(i = labels, j = labels)), "j",
                                   call = FALSE)
  op <- grouped(Vi(X), Vj(X), a)
  expect_identical(op(list(V0 = 2 * a)), grouped(Vi(X), Vj(X), 2 * a)())
  expect_error(op(list(V0 = a[1])), "`V0`.*2 x 1, a row for each group", class = "rkeops_error_shape")
  expect_error(op(list(V1 = X[1:4, ])), class = "rkeops_error_shape")
  band <- sum(restrict_pairs(x * Vj(X), blocks = keep_band(-1, 1)), "j", call = FALSE)
  Z <- Y[1:3, ]
  expect_identical(band(list(Z, Z)), sum(restrict_pairs(Vi(Z) * Vj(Z), blocks = keep_band(-1, 1)), "j"))
  A <- array(cos(1:30), c(5, 3, 2))
  batches <- sum(sqdist(Vi(A, batch = TRUE), y), "j", call = FALSE)
  A2 <- array(sin(1:36), c(3, 3, 4))
  expect_identical(batches(list(V0 = A2)), sum(sqdist(Vi(A2, batch = TRUE), y), "j"))
  expect_identical(gradient(batches, y, call = FALSE)(list(A2, Y[1:2, ])), {
    y2 <- Vj(Y[1:2, ])
    gradient(sum(sqdist(Vi(A2, batch = TRUE), y2), "j", call = FALSE), y2)
  })
  expect_error(batches(list(V0 = X)), "`V0`.*n x 3 x B", class = "rkeops_error_shape")
})

test_that("other data that do not fit are refused", {
  refused <- function(input, kind, text)
    expect_error(op(input), text, fixed = TRUE, class = paste0("rkeops_error_", kind))
  refused(X, "argument", "`input`")
  refused(list(X), "argument", "expected 4 (V0, V1, V2, V3)")
  refused(list(V7 = X), "argument", "`V7`")
  refused(list(V1 = X, V1 = X), "argument", "`V1`")
  refused(list(V0 = 1:2), "shape", "`V0`")
  refused(list(V1 = X[, 1:2]), "shape", "`V1`")
  refused(list(V1 = X + 1i), "argument", "`V1` is complex")
  refused(list(V1 = x), "argument", "`V1` is a LazyTensor")
  refused(list(V1 = NULL), "argument", "`V1`")
  refused(list(V2 = Y[1:2, ]), "shape", "`V3`")
  refused(list(V2 = "a"), "argument", "`V2`")
})

test_that("a variable that does not occur has the gradient 0 in a list, and no influence", {
  Z <- matrix(1, 4, 2, dimnames = list(letters[1:4], NULL))
  z <- Vj(Z)
  p <- Pm(c(1, 2))
  w <- Vi(c(1i, 2))
  zeros <- list(z = 0 * Z, p = matrix(0, 1, 2), w = matrix(0i, 2, 1))
  got <- gradient(op, list(x = x, z = z, p = p, w = w))
  expect_identical(got, c(list(x = gradient(op, x)), zeros))
  expect_identical(gradient(op, list(z, x), call = FALSE)(), list(0 * Z, gradient(op, x)))
  both <- value_and_gradient(op, list(p = p, s = s, x = x))
  expect_identical(both$value, op())
  expect_equal(both$gradient, list(p = zeros$p, s = gradient(op, s), x = gradient(op, x)), tolerance = 1e-12)
  expect_identical(jvp(op, list(z, x), list(Z, X)), jvp(op, x, X))
  A <- array(1, c(2, 1, 3))
  expect_identical(gradient(op, list(x, Vi(A, batch = TRUE)))[[2L]], 0 * A)
  # R objects, for which all of their places count
  expect_identical(gradient(op, list(x = X, z = Z))$z, 0 * Z)
  expect_identical(value_and_gradient(op, list(x = X, z = Z))$gradient$z, 0 * Z)
  expect_equal(jvp(op, list(X, Z), list(X, Z)), jvp(op, x, X), tolerance = 1e-12)
  expect_error(gradient(op, z), "no variable", class = "rkeops_error_argument")
  expect_error(gradient(op, list(z, p)), "no variable", class = "rkeops_error_argument")
  expect_error(gradient(op, list(Z, Z + 1)), "no variable", class = "rkeops_error_argument")
  expect_error(gradient(gradient(op, list(x, z), call = FALSE), x), "2 results", class = "rkeops_error_argument")
})

set_rkeops_options(old)

optimise_again(optimising)
