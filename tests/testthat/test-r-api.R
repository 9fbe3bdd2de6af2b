# The interface of RKeOps 2.2, function by function, against plain R; what was wrong there and is
# mended here is marked [!]. Operators from formulas and gradients are in files of their own.
optimising <- set_rkeops_options(quick_options())

x <- uniform(5, 3)
y <- uniform(4, 3)
s <- uniform(5, 1)
p <- c(0.75, 2, 1.25)
x_i <- Vi(x)
y_j <- Vj(y)
s_i <- Vi(s)
size <- c(nrow(x), nrow(y))

# For each f(x, y, s, p) of `lazy`, and of `plain` where that is another one: dimres, and the sums
# over j. All are joined, about 15 components to a kernel.
expect_rows <- function(lazy, plain = list(), data = list(x = x, y = y, s = s, p = p)) {
  plain <- utils::modifyList(lazy, plain)
  variables <- list(Vi(data$x), Vj(data$y), Vi(data$s), Pm(data$p))
  values <- lapply(lazy, function(f) do.call(f, variables))
  truth <- lapply(plain, function(f) sums_over_j(f, data))
  for (name in names(lazy)) {
    expect_s3_class(values[[name]], "LazyTensor")
    expect_identical(values[[name]]$dimres, ncol(truth[[name]]), label = paste("dimres of", name))
    expect_identical(is.ComplexLazyTensor(values[[name]]), is.complex(truth[[name]]), label = name)
  }
  skip_on_cran() # the values take a while
  widths <- vapply(values, part, 1L, "dimres")
  for (group in split(names(lazy), (cumsum(widths) - 1L) %/% 15L)) {
    found <- with_options(list(precision = "float64"),
                          sum(concat_all(values[group], variables[[2]]), "j"))
    last <- cumsum(widths[group])
    for (name in group)
      expect_equal(found[, last[[name]] - widths[[name]] + seq_len(widths[[name]]), drop = FALSE],
                   truth[[name]] + if (is.complex(found)) 0i else 0, tolerance = 1e-13,
                   label = name)
  }
}

# One vector of all; `y` makes it depend on j.
concat_all <- function(values, y) do.call(concat, c(unname(values), list(y)))

sums_over_j <- function(f, data) {
  of_row <- function(i) Reduce(`+`, lapply(seq_len(nrow(data$y)), function(j)
    as.vector(f(data$x[i, ], data$y[j, ], data$s[i, ], data$p) + 0)))
  do.call(rbind, lapply(seq_len(nrow(data$x)), of_row))
}

# The same functions of LazyTensors and of plain numbers.
of_both <- function(...) {
  bodies <- as.list(substitute(list(...)))[-1L]
  functions <- lapply(bodies, function(b) eval(call("function", as.pairlist(
    alist(x = , y = , s = , p = )), b), globalenv()))
  names(functions) <- vapply(bodies, function(b) paste(deparse(b), collapse = ""), "")
  lapply(functions, `environment<-`, parent.frame())
}

gauss <- function(x, y) exp(-outer(rowSums(x^2), rowSums(y^2), `+`) + 2 * x %*% t(y))

refused <- function(code, ...) expect_error(code, ..., class = "rkeops_error")

test_that("[!] LogSumExpWeight is finalised, and LogSumExp takes a weight", {
  args <- c("x=Vi(1)", "y=Vj(1)")
  data <- list(x[, 1], y[, 1])
  truth <- log(outer(x[, 1], y[, 1], function(a, b) exp(a * b)) %*% y[, 1])
  for (name in c("LogSumExpWeight", "LogSumExp"))
    expect_equal(keops_kernel(paste0(name, "_Reduction(x*y, y, 0)"), args)(data), truth,
                 tolerance = 1e-14)
})

# ---- LazyTensor objects (section 3) --------------------------------------------------------------

test_that("constructors make variables with the fields of RKeOps", {
  for (v in list(LazyTensor(x, "i"), LazyTensor(x, index = "i"), x_i)) {
    expect_identical(names(v), c("formula", "args", "data", "dimres"))
    expect_match(v$args, "^[A-Za-z]+[A-Za-z0-9]*=Vi\\(3\\)$")
    expect_identical(v$data, list(x))
    expect_identical(v$dimres, 3L)
  }
  expect_match(LazyTensor(p)$args, "=Pm\\(3\\)$")
  expect_match(Pm(0.5)$args, "=Pm\\(1\\)$")
  expect_match(LazyTensor(TRUE)$args, "=Pm\\(1\\)$|^$")
  for (n in list(3, 3L, -2)) expect_identical(LazyTensor(n)$formula, paste0("IntCst(", n, ")"))
  expect_null(c(LazyTensor(3)$args, LazyTensor(3)$data))
  z <- LazyTensor(x * 1i, "i")
  expect_identical(class(z), c("ComplexLazyTensor", "LazyTensor"))
  expect_match(z$args, "=Vi\\(6\\)$")
  expect_identical(z$dimres, 3L)
  expect_identical(z$data[[1]], cbind(0, x[, 1], 0, x[, 2], 0, x[, 3]))
  expect_identical(LazyTensor(x, "i", is_complex = TRUE)$data[[1]],
                   cbind(x[, 1], 0, x[, 2], 0, x[, 3], 0))
  expect_identical(Pm(c(1 + 2i, 3))$dimres, 2L)
  for (wrong in list(x_i, "a")) refused(LazyTensor(wrong))
  refused(LazyTensor(x))
  # a plain vector is one column, where RKeOps stopped
  expect_match(LazyTensor(p, "i")$args, "=Vi\\(1\\)$")
  expect_identical(Vj(p)$data, list(matrix(p)))
  for (wrong in list(x, "a", x_i)) refused(Pm(wrong))
})

test_that("[!] an index is i or j, and nothing else", {
  for (wrong in list("k", "I", 1, TRUE, c("i", "j"), character())) refused(LazyTensor(x, wrong))
})

test_that("[!] a 1 x 1 matrix of a whole number keeps its index", {
  one <- LazyTensor(matrix(3), "i")
  expect_match(one$args, "=Vi\\(1\\)$")
  expect_true(is.LazyMatrix(one))
})

test_that("[!] NaN, infinite and large numbers are numbers like others; NULL is refused", {
  with_options(list(precision = "float64"),
    for (n in list(NaN, Inf, -Inf, 1e15, 2^31, 1e5, -1e5))
      expect_identical(row_values(s_i * 0 + LazyTensor(n)), s * 0 + n, label = paste(n)))
  refused(LazyTensor(NULL))
})

test_that("data frames are matrices", {
  expect_identical(LazyTensor(as.data.frame(x), "i")$data[[1]], x)
})

test_that("[!] an object is stored once for each index, complex ones too", {
  expect_length((Vi(x) + Vi(x))$args, 1)
  expect_length((Vi(x) + Vj(x))$args, 2)
  z <- x + 1i
  expect_length((Vi(z) + Vi(z))$args, 1)
  many <- Reduce(`+`, lapply(1:4, function(k) { # matrices that nobody else holds
    gc(FALSE)
    Vi(matrix(k * 1i, 1, 1))
  }))
  expect_length(many$args, 4)
  expect_equal(row_values(many), matrix(10i))
})

test_that("predicates, [!] also of what only contains a whole number", {
  z_i <- Vi(x + 1i)
  expect_true(all(is.LazyTensor(x_i), is.LazyTensor(z_i), is.ComplexLazyTensor(z_i)))
  expect_false(any(is.LazyTensor(x), is.LazyTensor("a"), is.ComplexLazyTensor(x_i)))
  expect_true(all(is.LazyParameter(Pm(0.5)), is.LazyParameter(LazyTensor(3)),
                  is.LazyParameter(exp(Pm(0.5)))))
  for (no in list(x_i + 3, x_i * 2, Pm(p), Pm(1i))) expect_false(is.LazyParameter(no))
  expect_true(is.ComplexLazyParameter(Pm(2i)))
  for (no in list(z_i, z_i + 2, Pm(0.5))) expect_false(is.ComplexLazyParameter(no))
  expect_true(is.LazyVector(x_i + Pm(p)))
  expect_false(is.LazyVector(x_i))
  expect_true(is.LazyMatrix(x_i + Pm(p)))
  expect_false(is.LazyMatrix(Pm(p)))
  for (f in list(is.LazyParameter, is.ComplexLazyParameter, is.LazyVector, is.LazyMatrix))
    refused(f(1))
  expect_true(is.int(3) && is.int(3L) && is.int(-2) && is.int(matrix(4)))
  expect_false(is.int(2.5) || is.int(1:2) || is.int("a"))
  expect_identical(is.int(NA_real_), FALSE) # [!] was NA
})

test_that("builders take any operation of the language by name", {
  expect_rows(list(
    unary = function(x, y, s, p) unaryop.LazyTensor(x, "Exp"),
    one_argument = function(x, y, s, p) unaryop.LazyTensor(x, "Pow", 3),
    two_arguments = function(x, y, s, p) unaryop.LazyTensor(x, "Extract", 1, 2, dim_res = 2),
    smaller = function(x, y, s, p) unaryop.LazyTensor(x, "Sum", dim_res = 1),
    dimension_asked = function(x, y, s, p) unaryop.LazyTensor(x, "SqNorm2"),
    number = function(x, y, s, p) binaryop.LazyTensor(2, x, "Subtract"),
    binary = function(x, y, s, p) binaryop.LazyTensor(x, y, "Mult"),
    operator = function(x, y, s, p) binaryop.LazyTensor(x, y, "-", is_operator = TRUE),
    one_and_three = function(x, y, s, p) binaryop.LazyTensor(s, x, "Divide"),
    plain_vector = function(x, y, s, p) binaryop.LazyTensor(x, c(1, 2, 3), "Add"),
    same = function(x, y, s, p) binaryop.LazyTensor(x, y, "Scalprod", dim_check_type = "same"),
    no_check = function(x, y, s, p) binaryop.LazyTensor(x, y[1:2], "Concat", dim_check_type = NA),
    ternary = function(x, y, s, p) ternaryop.LazyTensor(x, s, y, "IfElse"),
    middle = function(x, y, s, p) binaryop.LazyTensor(x, y, "Clamp", opt_arg = p),
    inner = function(x, y, s, p) unaryop.LazyTensor(x, "Mult", y)
  ), list(
    unary = function(x, y, s, p) exp(x),
    one_argument = function(x, y, s, p) x^3,
    two_arguments = function(x, y, s, p) x[2:3],
    smaller = function(x, y, s, p) sum(x),
    dimension_asked = function(x, y, s, p) sum(x^2),
    number = function(x, y, s, p) 2 - x,
    binary = function(x, y, s, p) x * y,
    operator = function(x, y, s, p) x - y,
    one_and_three = function(x, y, s, p) s / x,
    plain_vector = function(x, y, s, p) x + 1:3,
    same = function(x, y, s, p) sum(x * y),
    no_check = function(x, y, s, p) c(x, y[1:2]),
    ternary = function(x, y, s, p) rep(s, 3),
    middle = function(x, y, s, p) base::ifelse(x < p, p, base::ifelse(x > y, y, x)),
    inner = function(x, y, s, p) x * y))
})

test_that("[!] builders: a LazyTensor as opt_arg brings its variables", {
  out <- binaryop.LazyTensor(x_i, y_j, "Clamp", opt_arg = Pm(c(0.1, 0.2, 0.3)))
  expect_length(out$args, 3)
  expect_length(out$data, 3)
})

test_that("[!] builders: the class of the result follows all operands, or what is asked for", {
  z_i <- Vi(x + 1i)
  expect_true(is.ComplexLazyTensor(ternaryop.LazyTensor(s_i < 0.5, z_i, z_i, "Where",
                                                        dim_check_type = NA)))
  expect_true(is.ComplexLazyTensor(binaryop.LazyTensor(x_i, z_i, "*", is_operator = TRUE)))
  expect_identical(unaryop.LazyTensor(z_i, "ComplexAbs")$dimres, 3L)
  expect_false(is.ComplexLazyTensor(unaryop.LazyTensor(z_i, "ComplexAbs")))
  expect_identical(unaryop.LazyTensor(z_i, "ComplexExp")$dimres, 3L)
  expect_identical(unaryop.LazyTensor(x_i, "Real2Complex")$dimres, 3L)
  expect_true(is.ComplexLazyTensor(unaryop.LazyTensor(x_i, "Real2Complex")))
  flat <- unaryop.LazyTensor(z_i, "Minus", res_type = "LazyTensor")
  expect_identical(class(flat), "LazyTensor")
  expect_identical(flat$dimres, 6L)
  expect_identical(unaryop.LazyTensor(flat, "Minus", res_type = "ComplexLazyTensor")$dimres, 3L)
  refused(unaryop.LazyTensor(x_i, "Minus", res_type = "ComplexLazyTensor"), "even")
})

test_that("builders refuse what has no meaning, and name it", {
  refused(unaryop.LazyTensor(x, "Exp"), "`x`|Vi")
  refused(unaryop.LazyTensor(x_i, "Expp"), "did you mean 'Exp'")
  refused(unaryop.LazyTensor(x_i, "Exp(V0)+1"), "`opstr`")
  refused(unaryop.LazyTensor(x_i, "Exp", dim_res = 2), "`dim_res`.*dimension 3")
  refused(unaryop.LazyTensor(x_i, "Exp", dim_res = 2.5), "`dim_res`")
  refused(unaryop.LazyTensor(x_i, "Exp", res_type = "LazyTensr"), "did you mean")
  refused(unaryop.LazyTensor(x_i, "Pow", "a"), "`opt_arg`")
  refused(binaryop.LazyTensor(x_i, y_j[1:2], "Add"), "Add.*dimension 3.*dimension 2")
  refused(binaryop.LazyTensor(x_i, s_i, "Add", dim_check_type = "same"), "dimension 3")
  refused(binaryop.LazyTensor(x_i, y_j, "Add", dim_check_type = "sameor2"), "dim_check_type")
  refused(binaryop.LazyTensor(x_i, y_j, "Add", is_operator = TRUE), "operator")
  refused(ternaryop.LazyTensor(x_i, y_j, Pm(1:2), "Clamp"), "dimension 2")
})

test_that("[!] opt_arg of reduction.LazyTensor() is a whole number or a LazyTensor", {
  for (wrong in list(2.5, "a", -1, TRUE, x))
    refused(reduction.LazyTensor(x_i, "KMin", "j", wrong), "`opt_arg`")
})

test_that("[!] a plain number is a weight", {
  expect_equal(sumsoftmaxweight(sqdist(x_i, y_j), "j", 2), matrix(2, 5, 1), tolerance = 1e-14)
})

# ---- arithmetic and elementary functions (section 4) ---------------------------------------------

test_that("operators and functions of components are those of R", {
  expect_rows(of_both(
    x + y, x + 2, 1.5 + x, x + p, x - y, -x, +x, x * y, x * s, x / y, 2 / x, x / p, x^2, x^3, x^-1,
    x^0.5, x^-0.5, x^1.7, x^p, x^y, 2^x, square(x), sqrt(x), rsqrt(x), inv(x), exp(x), log(x),
    cos(x), sin(x), acos(x), asin(x), atan(x), atan2(x, y), abs(x - y), sign(x - y),
    xlogx(x), sinxdivx(x), matern(x, 0.8), matern(y, s), relu(x - y),
    mod(x, y), mod(x, 0.3), mod(x, y, 0.5), x %% y, x %/% 0.3))
})

test_that("[!] x^TRUE, log with a base, %/%, comparisons and & of R have their meaning", {
  expect_rows(of_both(
    x^TRUE, log(x, base = 2), log(x, 10), log2(x), log10(x), x == y, x != x, x < y, x <= s, x > p,
    x >= 0.5, !(x < y), (x < y) & (x < s), (x < y) | (x < s), log1p(x), expm1(x), cosh(x), sinh(x),
    tanh(x), tan(x), lgamma(x), digamma(x), trigamma(x), besselK(x, 0.3), besselK(1.5, y), besselK(x, s),
    floor(3 * x), ceiling(3 * x), trunc(-3 * x)))
})

test_that("[!] atan2() takes an operand of dimension 1", {
  expect_rows(of_both(atan2(x, s), atan2(s, x), atan2(1, x), atan2(x, 2)))
})

test_that("functions that R does not have, or means something else by", {
  half_away <- function(x, digits) sign(x) * floor(abs(x) * 10^digits + 0.5) / 10^digits
  norm_of <- function(x) sqrt(sum(x^2))
  expect_rows(of_both(
    x | y, round(8 * x - 4), round(x, 1), round(100 * x, -1), step(x - y), clamp(x, 0.4, 0.6),
    clamp(3 * x, 1, 2), clamp(x, s, y), clampint(3 * x, 1, 2), ifelse(x - y, x, y),
    ifelse(x - y, 1, 2), ifelse(x < y, x, 0), where(x < y, x, y), sqnorm2(x), norm2(x),
    normalize(x), sqdist(x, y), sqdist(x, 0.5), weightedsqnorm(x, s), weightedsqnorm(x, p),
    weightedsqdist(x, y, p)), list(
    `x | y` = function(x, y, s, p) sum(x * y),
    `round(8 * x - 4)` = function(x, y, s, p) half_away(8 * x - 4, 0),
    `round(x, 1)` = function(x, y, s, p) half_away(x, 1),
    `round(100 * x, -1)` = function(x, y, s, p) half_away(100 * x, -1),
    `step(x - y)` = function(x, y, s, p) x >= y,
    `clamp(x, s, y)` = function(x, y, s, p) base::ifelse(x < s, s, base::ifelse(x > y, y, x)),
    `ifelse(x - y, x, y)` = function(x, y, s, p) pmax(x, y),
    `ifelse(x - y, 1, 2)` = function(x, y, s, p) base::ifelse(x >= y, 1, 2),
    `where(x < y, x, y)` = function(x, y, s, p) pmin(x, y),
    `sqnorm2(x)` = function(x, y, s, p) sum(x^2), `norm2(x)` = function(x, y, s, p) norm_of(x),
    `normalize(x)` = function(x, y, s, p) x / norm_of(x),
    `sqdist(x, y)` = function(x, y, s, p) sum((x - y)^2),
    `sqdist(x, 0.5)` = function(x, y, s, p) sum((x - 0.5)^2),
    `weightedsqnorm(x, s)` = function(x, y, s, p) s * sum(x^2),
    `weightedsqnorm(x, p)` = function(x, y, s, p) sum(p * x^2),
    `weightedsqdist(x, y, p)` = function(x, y, s, p) sum(p * (x - y)^2)))
})

test_that("components and products, with positions from 0 and RKeOps' order of arguments", {
  at <- function(x, m, n) replace(numeric(n), m + seq_along(x), x)
  expect_rows(of_both(
    elem(x, 0), elem(x, 2), elemT(s, 1, 4), extract(x, 1, 2), extract(x, 0, 1), extractT(x, 1, 5),
    concat(x, y), concat(x, s), concat(sum(x), sum(y)), one_hot(3 * s, 4), x[2], x[2:3], x[-1],
    tensorprod(x, y), matvecmult(x, y), matvecmult(x, s), vecmatmult(x, y), vecmatmult(s, x),
    matvecmult(tensorprod(x, y), p), vecmatmult(p, tensorprod(x, y)),
    matvecmult(Pm(c(1, 2, 3, 4, 5, 6)), y)), list(
    `elem(x, 0)` = function(x, y, s, p) x[1], `elem(x, 2)` = function(x, y, s, p) x[3],
    `elemT(s, 1, 4)` = function(x, y, s, p) at(s, 1, 4),
    `extract(x, 1, 2)` = function(x, y, s, p) x[2:3],
    `extract(x, 0, 1)` = function(x, y, s, p) x[1],
    `extractT(x, 1, 5)` = function(x, y, s, p) at(x, 1, 5),
    `concat(x, y)` = function(x, y, s, p) c(x, y), `concat(x, s)` = function(x, y, s, p) c(x, s),
    `concat(sum(x), sum(y))` = function(x, y, s, p) c(sum(x), sum(y)), # [!] dimres was 6
    `one_hot(3 * s, 4)` = function(x, y, s, p) floor(3 * s + 0.5) == 0:3, # [!] Vi(1) was refused
    `tensorprod(x, y)` = function(x, y, s, p) outer(y, x),
    `matvecmult(x, y)` = function(x, y, s, p) sum(x * y),
    `matvecmult(x, s)` = function(x, y, s, p) s * x,
    `vecmatmult(x, y)` = function(x, y, s, p) sum(x * y),
    `vecmatmult(s, x)` = function(x, y, s, p) s * x,
    # [!] matrices that are no vectors
    `matvecmult(tensorprod(x, y), p)` = function(x, y, s, p) x * sum(y * p),
    `vecmatmult(p, tensorprod(x, y))` = function(x, y, s, p) y * sum(x * p),
    `matvecmult(Pm(c(1, 2, 3, 4, 5, 6)), y)` =
      function(x, y, s, p) matrix(1:6, 2, byrow = TRUE) %*% y))
})

test_that("[!] extractT() takes all positions that fit and no other", {
  expect_identical(extractT(x_i, 2, 5)$dimres, 5L)
  refused(extractT(x_i, 3, 5), "`m`")
  refused(extractT(x_i, 0, 2), "`d`")
  expect_identical(elemT(s_i, 3, 4)$dimres, 4L) # [!] dimres was 1
  refused(elemT(s_i, 4, 4), "`m`")
  refused(extract(x_i, 1, 3), "`d`")
  refused(elem(x_i, 3), "`m`")
  refused(clampint(x_i, 0.5, 2), "`y`")
})

test_that("plain R objects get the functions of R, [!] mod() and elem() too", {
  expect_identical(mod(c(5, -5), 3), c(2, 1))
  expect_identical(mod(5, 3, 1), 2)
  expect_equal(row_values(elem(c(5, 6), 1) + s_i * 0), matrix(6, 5, 1))
  expect_identical(list(square(3), relu(-1), rsqrt(4), inv(2)), list(9, 0, 0.5, 0.5))
  expect_identical(relu(c(-Inf, -1, NaN, 2)), c(0, 0, NaN, 2))
  expect_identical(xlogx(c(0, 1, 2)), c(0, 0, 2 * log(2)))
  expect_identical(sinxdivx(c(0, pi)), c(1, sin(pi) / pi))
  expect_identical(list(round(2.5), log(8, 2), TRUE | FALSE, 2^3, +1), list(2, 3, TRUE, 8, 1))
})

test_that("x %*% y sums over j, for dimensions that are equal or 1", {
  with_options(list(precision = "float64"), {
    expect_equal(exp(-sqdist(x_i, y_j)) %*% y_j, gauss(x, y) %*% y)
    expect_equal(x_i %*% y_j, x * rep(colSums(y), each = 5))
  })
})

# ---- complex LazyTensors (section 5) -------------------------------------------------------------

complex_data <- list(x = x + 1i * x[, 3:1], y = y[, 3:1] - 1i * y, s = s, p = p + 0.5i)

test_that("complex arithmetic is that of R, [!] also where real and complex operands meet", {
  expect_no_warning(expect_rows(of_both(
    x + y, x - y, x * y, x / y, x + s, s - x, x * s, s / x, x * 2, 2 * x, x + 1.5, x - 3L, x * p,
    p / x, x * (1 - 2i), Re(x) + 2i, Re(x) * 2i, 1i - Im(x), Re(y) * 3 * x, (Re(x) + 3) * y, -x, +x,
    x + p[2], y * x[1], sum(x) * Re(x) + y, exp(x) * exp(-1i * y), Mod(x) + Arg(y),
    sum(x) * s / Re(x) + c(1, 2i, 3), real2complex(Re(x)) + imag2complex(Im(y)) * y),
    data = complex_data))
})

test_that("functions of complex numbers are those of R, [!] real where the value is", {
  expect_rows(of_both(Re(x), Im(x), Mod(x * y), Arg(x), abs(x), Re(x * Conj(y)), x == x, x != y,
                      Re(sum(x)), norm2(x), sqnorm2(x), sqdist(x, y)),
              list(`norm2(x)` = function(x, y, s, p) sqrt(sum(Mod(x)^2)),
                   `sqnorm2(x)` = function(x, y, s, p) sum(Mod(x)^2),
                   `sqdist(x, y)` = function(x, y, s, p) sum(Mod(x - y)^2)), complex_data)
  expect_rows(of_both(Conj(x), exp(x), exp1j(Re(x)), real2complex(Re(x)), imag2complex(Im(x)),
                      sum(x), x^2, x^3, x^-1, square(x), inv(x), x[2:3],
                      concat(x, y), concat(x, s)),
              list(`concat(x, y)` = function(x, y, s, p) c(x, y),
                   `concat(x, s)` = function(x, y, s, p) c(x, s)), complex_data)
})

# ---- reductions (section 6) ----------------------------------------------------------------------

test_that("inner reductions have dimension 1, [!] minima and their positions too", {
  expect_rows(of_both(sum(x), min(x), max(x - y), argmin(x), argmax(x * y), exp(-sum((x - y)^2))),
              list(`argmin(x)` = function(x, y, s, p) which.min(x) - 1, # values count from 0
                   `argmax(x * y)` = function(x, y, s, p) which.max(x * y) - 1))
})

# ---- options (section 8) -------------------------------------------------------------------------

test_that("[!] all options can be set at once", {
  old <- get_rkeops_options()
  on.exit(set_rkeops_options(old))
  all <- unclass(get_rkeops_options())
  attr(all, "chosen") <- NULL
  all$precision <- "float64"
  expect_identical(set_rkeops_options(all), old)
  expect_identical(get_rkeops_options("precision"), "float64")
})

# ---- misspelt names ------------------------------------------------------------------------------

test_that("an error about a misspelt name says the nearest one", {
  suggests <- function(code, name)
    refused(code, paste0("did you mean [`']", name, "[`']\\?"))
  suggests(set_rkeops_options(list(precison = "float64")), "precision")
  suggests(get_rkeops_options("backnd"), "backend")
  suggests(set_rkeops_options(list(precision = "flaot64")), "float64")
  suggests(set_rkeops_options(list(backend = "cpu")), "CPU")
  suggests(sum(x_i, "i", precison = "float64"), "precision")
  suggests(sum(x_i, "i", precision = "Float64"), "float64")
  suggests(sum(x_i, indx = "j"), "index")
  suggests(sum(x_i, "i", sum_scheme = "kahan"), "kahan_scheme")
  suggests(keops_kernel("Sum_Reduction(x, 0)", "x=Vi(3)", sum_scheme = "block"), "block_sum")
  suggests(keops_kernel("sum_Reduction(x, 0)", "x=Vi(3)"), "Sum")
  suggests(keops_kernel("Sum_Reduction(Epx(x), 0)", "x=Vi(3)"), "Exp")
  suggests(keops_kernel("Sum_Reduction(x, 1)", "x=Vi(3)")(list(x), inner_dim = "rows"), "row")
  suggests(LazyTensor(x, "I"), "i")
  suggests(sum(x_i, "J"), "j")
  suggests(reduction.LazyTensor(x_i, "sum", "j"), "Sum")
  suggests(unaryop.LazyTensor(x_i, "Sqaure"), "Square")
  suggests(x_i$dimress, "dimres")
  suggests(x_i[["formla"]], "formula")
  suggests(keops_grad(keops_kernel("Sum_Reduction(xi, 1)", "xi=Vi(3)"), "xj"), "xi")
  expect_false(grepl("did you mean", conditionMessage(refused(sum(x_i, "k")))))
})

optimise_again(optimising)
