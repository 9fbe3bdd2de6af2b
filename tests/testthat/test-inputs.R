# What Vi(), Vj(), Pm(), LazyTensor() and products take as numbers.
data_of <- function(x) Vi(x)$data[[1]]
m <- matrix(c(1, 2, 3, 4, 5, 6), 3)

test_that("matrices of numbers are taken, with what they mean", {
  expect_identical(data_of(matrix(1:6, 3)), matrix(1:6, 3))
  expect_identical(data_of(m > 2), m > 2)
  expect_identical(row_values(Vi(m > 2)), (m > 2) + 0)
  expect_identical(row_values(Vi(matrix(1:6, 3))), m)
  expect_identical(data_of(data.frame(a = c(1, 2, 3), b = 4:6)), m)
  expect_identical(data_of(data.frame(a = c(TRUE, FALSE), b = 1:2)), matrix(c(1L, 0L, 1L, 2L), 2))
  expect_identical(data_of(I(m)), m)
  expect_identical(data_of(stats::ts(m)), m)
  expect_identical(unname(data_of(table(c(1, 1, 2), c(1, 2, 2)))), matrix(c(1L, 0L, 1L, 1L), 2))
  expect_identical(data_of(stats::ts(1:3)), matrix(1:3))
  expect_identical(data_of(array(1:3)), matrix(1:3))
  expect_identical(unname(data_of(table(c(1, 1, 2)))), matrix(2:1))
  expect_identical(data_of(scale(m, scale = FALSE)), m - rep(colMeans(m), each = 3),
                   ignore_attr = TRUE)
  expect_identical(Vi(data.frame(a = 1i, b = 2))$dimres, 2L)
  expect_true(is.ComplexLazyTensor(Vi(data.frame(a = 1i, b = 2))))
  expect_identical(Pm(1:3)$data, list(1:3))
  expect_identical(row_values(Pm(c(TRUE, FALSE))), matrix(c(1, 0), 1))
  expect_identical(LazyTensor(data.frame(a = 1:2), "j")$args, "V0=Vj(1)")
})

test_that("row names of matrices and data.frames are kept", {
  expect_identical(rownames(Vi(`rownames<-`(m, letters[1:3]))), letters[1:3])
  expect_identical(rownames(Vi(data.frame(a = 1:2, row.names = c("u", "v")))), c("u", "v"))
  expect_null(rownames(Vi(data.frame(a = 1:2))))
  expect_null(dimnames(Vi(`colnames<-`(m, c("a", "b")))))
})

test_that("what is no number is refused, with what it is", {
  wrong <- list(letters[1:3], matrix("a", 2, 2), factor(c("a", "b")), NULL, list(1), sum, quote(a),
                array(0, c(2, 2, 2)), data.frame(a = c("u", "v")), data.frame(a = factor("u")),
                data.frame(a = Sys.Date()), Sys.Date(), Sys.time(), as.raw(1),
                as.difftime(1, units = "mins"), structure(matrix(1), class = "integer64"),
                structure(list(structure(1, class = "integer64")), class = "data.frame",
                          row.names = 1L), Vi(m), emptyenv(), y ~ x,
                stats::dist(m), as.POSIXlt(Sys.time()), stats::lm(dist ~ speed, datasets::cars),
                data.frame(a = I(list(1))), data.frame(a = as.difftime(1, units = "mins")),
                structure(1:2, class = "units"), structure(m, class = "Surv"),
                structure(list(1, 2), class = "numbers"), ordered(1:2), numeric_version("1.2"),
                table(1:2, 1:2, 1:2), stats::hclust(stats::dist(m)), stats::ecdf(m))
  K <- Vi(m)[1] + Vj(m)[1]
  for (value in wrong) {
    for (make in list(Vi, Vj, function(x) LazyTensor(x, "i"), function(x) LazyTensor(x, "j")))
      expect_error(make(value), class = "rkeops_error_argument", info = class(value)[1])
    if (!is.LazyTensor(value))
      expect_error(K %*% value, class = "rkeops_error_argument", info = class(value)[1])
    if (length(dim(value)) != 3L || is.LazyTensor(value))
      expect_error(Pm(value), class = "rkeops_error_argument", info = class(value)[1])
  }
  expect_error(Vi(factor("a")), "`x` is an object of class \"factor\": expected a numeric matrix")
  expect_error(Vi(data.frame(a = "u")), "data.frame with 1 column: expected numeric columns")
})

test_that("an error about an object says what to give instead", {
  day <- as.Date("2024-01-02")
  says <- list(
    "as.matrix() of it" = stats::dist(m), "as.numeric(as.POSIXct(x))" = as.POSIXlt(day),
    "as.numeric() of it has days" = day, "as.numeric() of it has seconds" = as.POSIXct(day),
    "as.numeric(x, units" = as.difftime(1, units = "mins"), "as.integer() of it" = factor("a"),
    "with package bit64" = structure(1, class = "integer64"),
    "`b` is an object of class \"Date\"; as.numeric()" = data.frame(a = 1, b = day),
    "`l` is an object of class \"AsIs\"" = data.frame(l = I(list(1))),
    "fitted()" = stats::lm(dist ~ speed, datasets::cars),
    "numbers of texts" = c("1", "2"), "matrix(x, nrow(x))" = array(0, c(2, 2, 2)))
  for (words in names(says))
    expect_error(Vi(says[[words]]), words, fixed = TRUE, class = "rkeops_error_argument")
  one <- keops_kernel("Sum_Reduction(x, j)", "x=Vj(1)")
  expect_error(one(list(stats::dist(m))), "as.matrix() of it", fixed = TRUE,
               class = "rkeops_error_argument")
})

test_that("numbers of S4 classes are not taken for what they may not be", {
  here <- environment()
  span <- methods::setClass("span", contains = "numeric", where = here,
                            representation(years = "numeric"))
  on.exit(methods::removeClass("span", where = here))
  expect_error(Vi(span(c(1, 2), years = 1)), "as.numeric()", fixed = TRUE,
               class = "rkeops_error_argument")
})

test_that("a plain vector in arithmetic is a parameter of the other operand's dimension", {
  k <- Vi(m) # 3 rows, dimension 2
  one <- k[1]
  wrong <- list(quote(c(1, 2, 3) * k), quote(k - 1:3), quote(one + c(1, 2, 3)), quote(one^(1:2)),
                quote(one < c(1, 2)), quote(one == 1:3), quote(where(one < 1, c(1, 2), one)),
                quote(ifelse(one < 1, 0, c(1, 2))), quote(clamp(one, c(0, 1), 2)), quote(k + 1:4),
                quote(atan2(one, 1:3)), quote(mod(one, 1:3)), quote(sqdist(one, 1:3)),
                quote(one * (1:2 + 1i)), quote(logsumexp(one, "j", c(1, 2))),
                quote(one * tapply(1:3, 1:3, sum)))
  for (call in wrong)
    expect_error(eval(call), "Vi\\(\\) or Vj\\(\\) of it .* Pm\\(\\)", class = "rkeops_error_shape",
                 info = deparse(call))
  for (rows in 2:4) # whatever the numbers of rows are
    expect_error(Vi(matrix(1, rows, 2)) * c(1, 2, 3), "expected a number or a vector of length 2",
                 class = "rkeops_error_shape")
  expect_identical(as.array(k * c(10, 100))[, 1, ], m %*% diag(c(10, 100)))
  expect_identical(as.array(k * 10)[, 1, ], m * 10)
  expect_identical(dim(sqdist(k, c(1, 2))), c(3L, 1L, 1L))
  expect_identical(dim(where(k < c(1, 2), one, c(1, 2))), c(3L, 1L, 2L))
  expect_identical(dim(clamp(one, k, c(8, 9))), c(3L, 1L, 2L))
  expect_identical(dim(one * Pm(1:3)), c(3L, 1L, 3L))
  expect_identical(dim(k * array(1:2)), c(3L, 1L, 2L))
})

test_that("an operand that is no plain number is refused with what to write", {
  k <- Vi(m)[1] * Vj(m)[1]
  for (wrong in list(table(1:2), I(1), stats::dist(m), "a", NULL, list(1), sum, as.raw(1), m,
                     array(0, c(2, 2, 2)), structure(1, class = "mine"), numeric()))
    for (call in list(quote(k + wrong), quote(wrong * k), quote(k < wrong)))
      expect_error(eval(call), "an operand is", class = "rkeops_error_argument")
  expect_error(k + (1 - diag(3)), "add_ridge(x, alpha) adds numbers to the diagonal", fixed = TRUE)
  expect_error(k * m, "Vi() of a matrix has a row of it for each i", fixed = TRUE)
  # where both classes have methods, R before 4.3 calls none of them, and stops by itself
  other <- list(stats::ts(1), as.difftime(1, units = "secs"), Sys.Date(), factor(1),
                data.frame(a = 1), as.POSIXlt(Sys.time()))
  for (value in other) for (call in list(quote(k - value), quote(value < k)))
    if (getRversion() >= "4.3.0") expect_error(eval(call), class = "rkeops_error_argument")
    else expect_error(suppressWarnings(eval(call)))
  for (value in other[1:4]) # what R from 4.3 on calls
    expect_error(as_operands(k, value), "as.numeric|as.integer", class = "rkeops_error_argument")
})

# Packages that rkeops does not even suggest.
from <- function(package, name, ...) getExportedValue(package, name)(...)

test_that("matrices of package Matrix are converted, sparse ones too", {
  skip_if_not_installed("Matrix")
  s <- matrix(c(0, 0, 3, 4, 0, 0), 3)
  kinds <- c(dgCMatrix = "CsparseMatrix", dgTMatrix = "TsparseMatrix", dgRMatrix = "RsparseMatrix",
             dgeMatrix = "unpackedMatrix")
  for (class in names(kinds)) {
    value <- from("Matrix", "Matrix", s, sparse = class != "dgeMatrix")
    value <- methods::as(value, kinds[[class]])
    expect_s4_class(value, class)
    expect_identical(data_of(value), s)
  }
  expect_identical(data_of(from("Matrix", "Diagonal", 2)), diag(2))
  expect_identical(data_of(from("Matrix", "Matrix", s > 0, sparse = TRUE)), s > 0)
  named <- from("Matrix", "Matrix", s, sparse = TRUE, dimnames = list(letters[1:3], NULL))
  expect_identical(rownames(Vi(named)), letters[1:3])
})

test_that("matrices and vectors of package float are converted", {
  # its class: the bits of float32 numbers, as integers
  here <- environment()
  float32 <- methods::setClass("float32", methods::representation(Data = "ANY"), where = here)
  on.exit(methods::removeClass("float32", where = here))
  bits <- function(v) readBin(writeBin(as.vector(v), raw(), size = 4L), "integer", length(v))
  values <- matrix(c(0.5, -1.25, 3, 2^-20), 2)
  expect_identical(data_of(float32(Data = matrix(bits(values), 2))), values)
  expect_identical(Pm(float32(Data = bits(c(0.5, -1.25))))$data, list(c(0.5, -1.25)))
  expect_identical(Vi(values)[1] %*% float32(Data = bits(2)), values[, 1, drop = FALSE] * 2)
  skip_if_not_installed("float")
  expect_identical(data_of(from("float", "fl", values)), values)
  expect_identical(Pm(from("float", "fl", c(0.5, -1.25)))$data, list(c(0.5, -1.25)))
})
