x <- uniform(6, 3)
y <- uniform(9, 3)
b <- uniform(9, 2)
gauss <- "Sum_Reduction(Exp(-s*SqNorm2(x-y))*b, 0)"
gauss_args <- c("x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "s=Pm(1)")
op <- keops_kernel(gauss, gauss_args)
truth <- oracle("Sum_Reduction(Exp(-(s*SqNorm2(x-y)))*b, j)", gauss_args, list(x, y, b, 0.5))$value

test_that("op() returns what the operator was made from", {
  context <- op()
  expect_identical(context$formula, gauss)
  expect_identical(context$args, gauss_args)
  expect_identical(context$sum_scheme, "auto")
  expect_identical(context$args_info$var_name, c("x", "y", "b", "s"))
  expect_identical(context$args_info$var_dim, c(3L, 3L, 2L, 1L))
  expect_identical(op(NULL), context)
})

test_that("0 and j reduce over j, 1 and i reduce over i", {
  of <- function(index) sprintf("Sum_Reduction(Exp(-(s*SqNorm2(x-y)))*b, %s)", index)
  for (index in c("0", "j", "1", "i"))
    expect_oracle(of(index), gauss_args, list(x, y, b, 0.5))
  expect_identical(nrow(keops_kernel(of("1"), gauss_args)(list(x, y, b, 0.5))), 9L)
})

test_that("inputs are taken by order or by name, in any order", {
  expect_equal(op(list(x, y, b, 0.5)), truth, tolerance = 1e-14)
  named <- op(list(b = b, s = 0.5, y = y, x = x))
  expect_identical(named, op(list(x, y, b, 0.5)))
})

test_that("with positions, unnamed inputs are in their order", {
  args <- c("s=Pm(3,1)", "x=Vi(0,3)", "b=Vj(2,2)", "y=Vj(1,3)")
  with_positions <- keops_kernel(gauss, args)
  expect_identical(with_positions(list(x, y, b, 0.5)), op(list(x, y, b, 0.5)))
  expect_identical(with_positions(list(s = 0.5, x = x, b = b, y = y)), op(list(x, y, b, 0.5)))
  expect_identical(with_positions()$args_info$decl, "pos_dim")
})

test_that("with inner_dim = \"row\" matrices have one column for each point", {
  expect_identical(op(list(t(x), t(y), t(b), 0.5), inner_dim = "row"), op(list(x, y, b, 0.5)))
  one <- keops_kernel("Sum_Reduction(x*y, j)", c("x=Vi(1)", "y=Vj(1)"))
  expect_identical(one(list(1:3, 1:2), inner_dim = "row"), matrix(c(3, 6, 9)))
})

test_that("vectors, integers, logicals and data.frames are taken as numbers", {
  one <- keops_kernel("Sum_Reduction(x*y, j)", c("x=Vi(1)", "y=Vj(1)"))
  expect_identical(one(list(1:3, c(TRUE, FALSE))), matrix(c(1, 2, 3)))
  expect_identical(one(list(data.frame(a = 1:3), matrix(2L))), matrix(c(2, 4, 6)))
  expect_identical(op(list(as.data.frame(x), y, b, matrix(0.5))), op(list(x, y, b, 0.5)))
  expect_identical(one(list(c(1, NA), 1)), matrix(c(1, NaN)))
})

test_that("definitions, spaces and unused variables are fine", {
  text <- " d = x - y ; k=Exp(-s*SqNorm2(d)); Sum_Reduction( k*b , j ) "
  with_definitions <- keops_kernel(text, c(gauss_args, "z = Pm(4)"))
  expect_equal(with_definitions(list(x, y, b, 0.5, 1:4)), truth, tolerance = 1e-14)
})

test_that("operators have the priorities of the language", {
  same <- function(text, functional) {
    args <- c("x=Vi(3)", "y=Vj(3)", "s=Pm(1)")
    data <- list(x, y, 0.5)
    found <- with_options(list(precision = "float64"), keops_kernel(text, args)(data))
    truth <- oracle(functional, args, data)
    expect_within(found, truth$value, truth$scale, machine_eps[["float64"]], label = text)
  }
  same("Sum_Reduction(x+y*s, j)", "Sum_Reduction(Add(x,Mult(y,s)), j)")
  same("Sum_Reduction((x+y)*s, j)", "Sum_Reduction(Mult(Add(x,y),s), j)")
  same("Sum_Reduction(x-y-s, j)", "Sum_Reduction(Subtract(Subtract(x,y),s), j)")
  same("Sum_Reduction(x/y/s, j)", "Sum_Reduction(Divide(Divide(x,y),s), j)")
  same("Sum_Reduction(-x**2, j)", "Sum_Reduction(Minus(Square(x)), j)")
  same("Sum_Reduction(-x^2*y, j)", "Sum_Reduction(Mult(Minus(Square(x)),y), j)")
  same("Sum_Reduction(x|y+s, j)", "Sum_Reduction(Scalprod(x,Add(y,s)), j)")
  same("Sum_Reduction((x|y)+s, j)", "Sum_Reduction(Add(Scalprod(x,y),s), j)")
  same("Sum_Reduction(x+s<y*2, j)", "Sum_Reduction(LessThan(Add(x,s),Mult(y,2)), j)")
  same("Sum_Reduction(IfElse(x>=y,1,2), j)", "Sum_Reduction(IfElse(LessOrEqual(y,x),1,2), j)")
  same("Sum_Reduction(2**3**s*x, j)", "Sum_Reduction(Mult(Powf(2,Powf(3,s)),x), j)")
})

test_that("a missing index has one row", {
  one_sided <- keops_kernel("Sum_Reduction(x, j)", "x=Vi(3)")
  expect_identical(one_sided(list(x)), x)
  expect_equal(keops_kernel("Sum_Reduction(x, i)", "x=Vi(3)")(list(x)), t(colSums(x)),
               tolerance = 1e-14)
})

test_that("keops_source() returns the text for both targets", {
  for (target in c("c", "cuda")) {
    text <- keops_source(op, target)
    expect_s3_class(text, "rkeops_source")
    expect_gt(nchar(text), 100)
    expect_output(print(text), substr(text, 1, 20), fixed = TRUE)
  }
  expect_error(keops_source(op, "fortran"), class = "rkeops_error_argument")
  for (no_operator in list(mean, sqdist(Vi(1:3), Vj(1:4)), "Sum_Reduction(x, j)", NULL))
    expect_error(keops_source(no_operator), "expected an operator", class = "rkeops_error_argument")
  expect_error(keops_source(Vi(1:3)), "call = FALSE", class = "rkeops_error_argument")
})

test_that("no text of the user reaches the source", {
  named <- keops_kernel("Sum_Reduction(my_secret_name*0.123456, j)", "my_secret_name=Vi(1)")
  expect_no_match(keops_source(named), "my_secret_name|123456")
})

test_that("operators print their formula and variables", {
  op <- keops_kernel("Sum_Reduction(Square(x-y), j)", c("x=Vi(1)", "y=Vj(1)"))
  expect_output(print(op), "<rkeops operator>.*Square\\(x-y\\), j\\).*y=Vj\\(1\\)")
  expect_output(print(keops_value_and_grad(op, "x")), "<rkeops operator>.*Grad\\(.*var1=Vi\\(1\\)")
})

test_that("keops_source() takes operators of LazyTensors, derivatives and several results", {
  x <- Vi(matrix(1:6 / 8, 3))
  y <- Vj(matrix(1:8 / 8, 4))
  lazy <- sum(exp(-sqdist(x, y)), "j", call = FALSE)
  args <- c("x=Vi(2)", "y=Vj(2)")
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", args)
  for (target in c("c", "cuda")) {
    expect_identical(keops_source(lazy, target), keops_source(op, target))
    expect_identical(keops_source(gradient(lazy, x, matrix(1, 3, 1), call = FALSE), target),
                     keops_source(keops_grad(op, "x"), target))
    expect_match(keops_source(jvp(lazy, x, matrix(1, 3, 2), call = FALSE), target), "exp2")
    expect_gt(nchar(keops_source(keops_value_and_grad(op, "x"), target)),
              nchar(keops_source(op, target)))
  }
  single <- sum(exp(-sqdist(x, y)), "j", call = FALSE, precision = "float32")
  expect_false(keops_source(single, "c") == keops_source(lazy, "c"))
})
