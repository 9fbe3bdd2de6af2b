# Complex LazyTensors against R's complex numbers. Their arithmetic is in test-r-api.R.
optimising <- set_rkeops_options(quick_options())

some_complex <- function(n, D) matrix(complex(real = uniform(n, D), imaginary = uniform(n, D)), n)

set.seed(5)
x <- some_complex(4, 3)
y <- some_complex(5, 3)
r <- uniform(4, 3)
s <- uniform(5, 1)
x_i <- Vi(x)
y_j <- Vj(y)
r_i <- Vi(r)
s_j <- Vj(s)

test_that("the class tells complex from real", {
  expect_s3_class(x_i * r_i, c("ComplexLazyTensor", "LazyTensor"), exact = TRUE)
  for (f in list(Re, Im, Mod, Arg, abs, norm2, sqnorm2))
    expect_s3_class(f(x_i), "LazyTensor", exact = TRUE)
  expect_true(is.ComplexLazyTensor(t(x_i)))
  expect_false(is.ComplexLazyTensor(r_i))
  expect_true(is.ComplexLazyParameter(Pm(2 + 1i)))
  expect_false(is.ComplexLazyParameter(Pm(2.5)))
  expect_false(is.ComplexLazyParameter(x_i))
  expect_false(is.LazyParameter(Pm(2 + 1i)))
  expect_s3_class(Pm(1:2, is_complex = TRUE), "ComplexLazyTensor")
  expect_s3_class(LazyTensor(r, "i", is_complex = TRUE), "ComplexLazyTensor")
  expect_output(print(x_i), "ComplexLazyTensor", fixed = TRUE)
})

test_that("dimensions count complex components, declarations and data real ones", {
  expect_identical(x_i$dimres, 3L)
  expect_identical(x_i$args, "V0=Vi(6)")
  expect_identical(x_i$data[[1]], cbind(Re(x), Im(x))[, c(1, 4, 2, 5, 3, 6)])
  expect_identical(Pm(1 + 2i)$data[[1]], matrix(c(1, 2), 1))
  expect_identical(dim(x_i - y_j), c(4L, 5L, 3L))
  expect_identical(extractT(x_i, 1, 5)$formula, "ExtractT(V0,2,10)")
  expect_identical(elemT(x_i[1], 1, 3)$formula, "ExtractT(Extract(V0,0,2),2,6)")
  expect_identical(concat(x_i, s_j)$dimres, 4L)
})

test_that("norms, comparisons and components have their complex meaning", {
  with_options(list(precision = "float64"), {
    expect_equal(row_values(norm2(x_i)), matrix(sqrt(rowSums(Mod(x)^2))))
    expect_equal(sum(sqdist(x_i, y_j), "j")[2, ], sum(Mod(rep(x[2, ], each = 5) - y)^2))
    expect_equal(row_values(normalize(x_i)), x / sqrt(rowSums(Mod(x)^2)))
    expect_equal(row_values(x_i[c(3, 1)]), x[, c(3, 1)])
    expect_equal(row_values(concat(x_i, r_i)), cbind(x, r))
    expect_equal(row_values(x_i == Vi(x + rep(c(0, 1, 1i), each = 4))),
                 matrix(c(1, 0, 0), 4, 3, byrow = TRUE))
    expect_equal(row_values(x_i != Vi(x + rep(c(0, 1, 1i), each = 4))),
                 matrix(c(0, 1, 1), 4, 3, byrow = TRUE))
  })
})

test_that("reductions that add give complex matrices", {
  with_options(list(precision = "float64"), {
    K <- exp1j(Re(sum(x_i * y_j)))
    dense <- exp(1i * Re(x %*% t(y)))
    b <- some_complex(5, 2)
    expect_equal(K %*% b, dense %*% b)
    expect_equal(K %*% b[, 1], dense %*% b[, 1])
    expect_equal(K %*% Vj(s), dense %*% s)
    expect_equal(t(b) %*% t(K), t(b) %*% t(dense))
    expect_equal(exp(-sqdist(x_i, y_j)) %*% b,
                 sapply(1:2, function(k) sum(exp(-sqdist(x_i, y_j)) * Vj(b[, k, drop = FALSE]),
                                             "j")))
    weights <- Re(x %*% t(y))
    expect_equal(sumsoftmaxweight(Re(sum(x_i * y_j)), "j", y_j),
                 exp(weights) %*% y / rowSums(exp(weights)))
    expect_equal(reduction.LazyTensor(x_i * y_j, "Sum", "i"), sum(x_i * y_j, "i"))
  })
})

test_that("the same complex matrix is one variable, and is no real one", {
  expect_identical((x_i + Vi(x))$args, "V0=Vi(6)")
  expect_identical((Vi(r, is_complex = TRUE) + r_i)$args, c("V0=Vi(6)", "V1=Vi(3)"))
})

test_that("matrices without rows and data frames of complex numbers are taken", {
  expect_identical(sum(Vi(x[0, ]) * y_j, "j"), matrix(0i, 0, 3))
  expect_identical(sum(Vi(x[0, ]) * y_j, "i"), matrix(0i, 5, 3))
  expect_identical(Vi(as.data.frame(x))$data, x_i$data)
})

test_that("plain numbers keep their plain functions", {
  expect_identical(exp1j(0.5), exp(0.5i))
  expect_identical(real2complex(2), 2 + 0i)
  expect_identical(imag2complex(2), 2i)
  expect_identical(Re(1 + 2i), 1)
})

test_that("what has no complex meaning is refused", {
  refused <- function(code, pattern = "complex")
    expect_error(code, pattern, class = "rkeops_error_argument")
  for (f in list(log, sqrt, cos, round, relu, step, xlogx, rsqrt, max, argmin, exp1j,
                 real2complex, imag2complex, function(z) !z, function(z) clamp(z, 0, 1),
                 function(z) mod(z, 2), function(z) atan2(z, 1), function(z) one_hot(z[1], 3),
                 function(z) ifelse(r_i, z, 0), function(z) weightedsqnorm(z, 2)))
    refused(f(x_i))
  for (operator in list(`<`, `>=`, `%%`, `%/%`, `&`, `|`)) {
    refused(operator(x_i, y_j))
    refused(operator(r_i, x_i))
  }
  for (power in list(0.5, 0, NA, r_i, 1i)) refused(x_i^power)
  refused(2^x_i)
  refused(Re(r_i), "real")
  refused(Conj(r_i), "real")
  refused(min(x_i, "j"))
  refused(logsumexp(Re(sum(x_i)), "j", weight = y_j))
  refused(Kmin(x_i, 2, "j"))
  refused(LazyTensor(x, "i", is_complex = NA), "is_complex")
  expect_error(x_i + some_complex(4, 2), class = "rkeops_error_argument")
  expect_error(x_i + Vj(some_complex(5, 2)), "dimension 3.*dimension 2",
               class = "rkeops_error_shape")
  expect_error(Vi(matrix(0i, 1, 32768)), "32767", class = "rkeops_error_shape")
})

test_that("the string interface takes interleaved real columns", {
  op <- keops_kernel("Sum_Reduction(ComplexMult(x,y), j)", c("x=Vi(6)", "y=Vj(6)"))
  with_options(list(precision = "float64"),
    expect_equal(complex_matrix(op(list(x_i$data[[1]], y_j$data[[1]]))), sum(x_i * y_j, "j")))
  expect_error(op(list(x, y)), "interleaved|Re, Im", class = "rkeops_error_argument")
})

optimise_again(optimising)
