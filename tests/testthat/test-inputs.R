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
  expect_identical(data_of(stats::dist(matrix(c(0, 3)))), matrix(c(0, 3, 3, 0), 2))
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
                          row.names = 1L), Vi(m), emptyenv(), y ~ x)
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
  expect_error(Vi(data.frame(a = "u")), "data.frame with 1 columns: expected numeric columns")
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
