x <- uniform(6, 3)
y <- uniform(9, 3)
gauss <- function(x, y) exp(-sum((x - y)^2))
dense <- function(x, y) exp(-outer(rowSums(x^2), rowSums(y^2), `+`) + 2 * x %*% t(y))

test_that("what is no numeric matrix is refused", {
  for (wrong in list("a", NULL, factor("a"), list(1), array(0, c(2, 2, 2)), Vi(x)))
    expect_error(Vi(wrong), class = "rkeops_error_argument")
  for (wrong in list(x, "a", NULL, Vi(x))) expect_error(Pm(wrong), class = "rkeops_error_argument")
  expect_error(LazyTensor(x), class = "rkeops_error_argument")
  expect_error(LazyTensor(x, "k"), class = "rkeops_error_argument")
  expect_error(Vi(matrix(0, 3, 0)), class = "rkeops_error_shape")
})

test_that("a plain vector is one column of Vi() and Vj(), and a parameter of Pm()", {
  v <- c(0.5, 1, 2)
  expect_identical(dim(Vi(v)), c(3L, 1L, 1L))
  expect_identical(Vj(v)$data, list(matrix(v)))
  expect_identical(LazyTensor(v, "i")$args, "V0=Vi(1)")
  expect_identical(LazyTensor(v, "j")$args, "V0=Vj(1)")
  expect_identical(LazyTensor(v)$args, "V0=Pm(3)")
  expect_identical(Pm(v)$args, "V0=Pm(3)")
  expect_identical(rownames(Vi(c(a = 1, b = 2))), c("a", "b"))
  expect_identical(rownames(Vi(tapply(v, c("p", "q", "r"), sum))), c("p", "q", "r"))
  expect_true(is.ComplexLazyTensor(Vi(v + 1i)))
  expect_identical(dim(Vi(5)), c(1L, 1L, 1L))
  with_options(list(precision = "float64"), {
    K <- gauss(Vi(x), Vj(y))
    truth <- dense(x, y)
    expect_equal(as.matrix(K / Vi(rowSums(K))), truth / rowSums(truth), tolerance = 1e-13)
    expect_equal(sum(K * Vj(1:9), "j"), truth %*% 1:9, tolerance = 1e-13)
    expect_equal(sum(Vi(v + 2i) * Vj(v), "j"), matrix((v + 2i) * sum(v)), tolerance = 1e-13)
  })
})

test_that("what is converted is one variable as long as it is the same R object", {
  frame <- as.data.frame(x)
  v <- x[, 1]
  expect_length((Vi(frame) + Vi(frame))$args, 1)
  expect_length((Vi(v) + Vi(v))$args, 1)
  expect_length((Vi(v) + Vi(v + 0))$args, 2)
  expect_length((Vi(v) + Vj(v))$args, 2)
  expect_length((Vi(x) + Vi(x, is_complex = TRUE))$args, 2)
  expect_length((Vi(x, is_complex = TRUE) + Vi(x, is_complex = TRUE))$args, 1)
  before <- Vi(frame)
  kept <- before$data[[1L]]
  frame$V1[2] <- 100 # another object now
  expect_length((before + Vi(frame))$args, 2)
  expect_identical(before$data[[1L]], kept)
  # objects that are no more, and those of files, match nothing
  gone <- Vi(as.data.frame(x))
  gc()
  expect_length((gone + Vi(as.data.frame(x)))$args, 2)
  again <- unserialize(serialize(list(Vi(v), Vi(v)), NULL))
  expect_length((again[[1]] + again[[2]] + Vi(v))$args, 3)
  expect_null(attributes(Vi(v)$data[[1L]])$rkeops_given)
})

test_that("what is converted is kept with what was made of it, and not copied for that", {
  skip_if_not(capabilities("profmem"), "tracemem is there")
  v <- c(a = 1, b = 2)
  tracemem(v)
  expect_identical(capture.output(K <- Vi(v)), character())
  untracemem(v)
})

test_that("a frame that is changed where it lies is another variable", {
  skip_if_not_installed("data.table")
  frame <- getExportedValue("data.table", "data.table")(a = x[, 1])
  before <- Vi(frame)
  getExportedValue("data.table", "set")(frame, 2L, "a", 100)
  both <- before + Vi(frame)
  expect_length(both$args, 2)
  expect_equal(as.matrix(both)[2], x[2, 1] + 100, tolerance = 1e-6)
})

test_that("equal sub-expressions are defined once", {
  a <- Vi(x)
  b <- Vj(y)
  both <- exp(a - b) + exp(a - b)
  expect_identical(both$formula, "d1=Exp(Subtract(V0,V1)); Add(d1,d1)")
})

test_that("text stays linear in the number of operations", {
  z <- Vi(x)
  first <- Vi(x)
  for (k in 1:40) z <- z * z + first
  expect_lt(nchar(z$formula), 40 * 40)
  for (k in 1:200) z <- z * 0.5 + first
  expect_lt(nchar(z$formula), 240 * 60)
  expect_identical(z$args, "V0=Vi(3)")
})

test_that("a value shares the definitions of its operands, however many they are", {
  chain <- function(n) Reduce(function(k, i) k + Vi(x) * i, seq_len(n), Vi(x))
  k <- chain(2000)
  more <- k + Vi(x) * 0.5
  # 16 branches; three definitions are new
  branches <- rep("Vi", 16)
  same <- .Call(C_match_objects, part(more, "table"), branches, part(k, "table"), branches)
  expect_gte(sum(same > 0L), 13L)
  expect_identical(summary(more)$operations, 3L * 2000L + 3L)
  expect_identical(part(k + k * 1, "data"), part(k, "data"))
  turned <- t(more)
  expect_identical(t(turned)$formula, more$formula)
  expect_identical(turned$formula, more$formula)
  expect_identical(turned$args, "V0=Vj(3)")
  z <- Vi(x)
  for (step in 1:60) z <- z * z # 2^60 paths
  expect_lt(length(serialize(z, NULL)), 1e5)
  expect_identical(unserialize(serialize(z, NULL))$formula, z$formula)
})

test_that("equal values are one, whichever tables they come from", {
  a <- exp(Vi(x) * 2)
  first <- (a + 1) * (a - 1)
  second <- exp(a * 0.5) + a
  expect_identical((first + second)$formula,
                   paste0("d1=Exp(Mult(V0,2)); Add(Mult(Add(d1,1),Subtract(d1,1)),",
                          "Add(Exp(Mult(d1,0.5)),d1))"))
  expect_identical(summary(first + second)$operations, 12L)
})

test_that("a LazyTensor that is not as rkeops makes them is refused, not read", {
  z <- exp(Vi(x) * 2)
  broken <- function(table) {
    z <- unclass(z)
    z$table <- table
    class(z) <- "LazyTensor"
    z
  }
  definition <- function(id, operands) list(id = id, op = "Exp", operands = operands,
                                            literals = NULL)
  root <- part(z, "root")
  for (table in list(list(), list(1, 2), rep(list(3), 16), 5, list(a = list(op = "Exp")),
                     definition("zz", "zz"), definition(root, root), definition(1, root)))
    expect_error(sum(broken(table), "i"), "LazyTensor")
})

test_that("printing shows shape, formula and variables, and computes nothing", {
  before <- counters()
  K <- gauss(Vi(x), Vj(y))
  expect_output(print(K), "6 x 9 .* dimension 1")
  expect_output(print(K), "Exp(Minus(Sum(Square(Subtract(V0,V1)))))", fixed = TRUE)
  expect_output(print(K), "V1=Vj(3), 9 rows", fixed = TRUE)
  expect_output(str(K), "LazyTensor")
  z <- K
  for (k in 1:100) z <- z * z + K
  expect_lt(nchar(paste(format(z), collapse = "")), 1000)
  expect_identical(counters()[["programs"]], before[["programs"]])
  expect_identical(names(K), c("formula", "args", "data", "dimres"))
  expect_identical(K[["dimres"]], 1L)
})

test_that("numbers of rows must agree", {
  error <- expect_error(Vi(x) + Vi(y), class = "rkeops_error_shape")
  expect_match(conditionMessage(error), "`Vi(x)` has 6 rows for i, `Vi(y)` has 9 rows for i",
               fixed = TRUE)
})

test_that("t() exchanges i and j", {
  K <- gauss(Vi(x), Vj(y))
  expect_identical(dim(t(K)), c(9L, 6L, 1L))
  expect_equal(sum(t(K), "j"), sum(K, "i"), tolerance = 1e-14)
  expect_identical(t(t(K))$args, K$args)
})

test_that("LazyTensors made in forked children do not collide", {
  skip_on_os("windows")
  ours <- Vi(matrix(c(1, 2)))
  jobs <- lapply(c(10, 100), function(v) parallel::mcparallel(Vi(matrix(c(v, 2 * v)))))
  theirs <- unname(parallel::mccollect(jobs))
  all <- ours + theirs[[1]] + theirs[[2]] + Vi(matrix(c(1000, 2000)))
  expect_length(all$args, 4)
  expect_equal(row_values(all), matrix(c(1111, 2222)))
})

test_that("numbers are printed with as few digits as tell them apart", {
  shown <- format(Pm(c(1, 2)) * 0.1 + (0.1 + 0.2))
  expect_true(any(grepl("0.1)", shown, fixed = TRUE)))
  expect_true(any(grepl("0.30000000000000004", shown, fixed = TRUE)))
})

test_that("check.bounds, which warns where a vector grows by an assignment, has nothing to say", {
  said <- in_session(quote({
    K <- exp(-sqdist(Vi(x), Vj(y)))
    x_i <- Vi(x)
    y_j <- Vj(y)
    lazy <- sum(exp(-sqdist(x_i, y_j)), "j", call = FALSE)
    op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(3)", "y=Vj(3)"))
    uses <- expression(
      rkeops:::default_options(), set_rkeops_options(verbosity = 0),
      sum(exp(-sqdist(x_i, y_j)), "j", precision = "float64"),
      op(list(y = y, x = x)), keops_value_and_grad(op, c("x", "y"))(list(x, y)),
      keops_jvp(op, "x")(list(x, y, x)), value_and_gradient(lazy, list(x = x_i, y_j)),
      jvp(lazy, list(x_i, y_j), list(x, y)),
      gradient(gradient(lazy, x_i, call = FALSE), y_j, x),
      logsumexp(where(x_i[1] < y_j[1], K, -1), "j", y_j),
      sum(Vi(x + 1i) * (y_j * Pm(0.5))[2:3][1], "i"), sum(t(K), "i"), argKmin(K, 2, "j"),
      K[1:2, 3], as.matrix(K), rowSums(K), K %*% y[, 1], format(K), format(op), format(lazy),
      format(summary(K)), rkeops_sitrep(), format(get_rkeops_options()))
    options(check.bounds = TRUE)
    said <- character()
    for (use in uses)
      withCallingHandlers(eval(use), warning = function(w) {
        said <<- c(said, paste(deparse(use)[1], conditionMessage(w)))
        invokeRestart("muffleWarning")
      })
    said
  }), list(x = x, y = y))
  expect_identical(said, character())
})

test_that("numbers that meet LazyTensors are constants or parameters as ever", {
  z <- Vi(x)
  expect_identical((2 * z - 1L)$formula, "Subtract(Mult(2,V0),1)")
  expect_identical((z / 0.1 + TRUE)$formula, "Add(Divide(V0,0.1),1)")
  for (number in c(NA, Inf, NaN)) expect_identical((z + number)$args, c("V0=Vi(3)", "V1=Pm(1)"))
  expect_identical((z + 1:3)$args, c("V0=Vi(3)", "V1=Pm(3)"))
  expect_error(z + matrix(1), class = "rkeops_error_argument")
  expect_error(z + 1:2, class = "rkeops_error_shape")
  expect_error(z + Vi(y), "6 rows.*9 rows", class = "rkeops_error_shape")
})
