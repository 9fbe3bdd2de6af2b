# Formulas without a compiler: option `engine`. What the loops compute is compared by the tests of the
# engine; RKEOPS_TEST_NO_COMPILER=1 runs the others with nothing else (tools/r-tests.R).

compiles <- function() .Call(C_counters)[["compiles"]]

test_that("the built-in engine compiles nothing, within the bounds of the compiled one", {
  set.seed(1)
  x <- matrix(rnorm(300), ncol = 3)
  y <- matrix(rnorm(450), ncol = 3)
  b <- rnorm(150)
  truth <- exp(-outer(rowSums(x^2), rowSums(y^2), "+") + 2 * tcrossprod(x, y)) %*% b
  before <- compiles()
  for (precision in c("float64", "float32")) {
    K <- exp(-sqdist(Vi(x), Vj(y)))
    found <- sum(K * Vj(b), "j", engine = "builtin", precision = precision)
    expect_lt(max(abs(found - truth)), c(float64 = 1e-13, float32 = 1e-5)[[precision]])
    near <- argKmin(sqdist(Vi(x), Vj(y)), 4, "j", engine = "builtin", precision = precision)
    ranks <- t(apply(as.matrix(dist(rbind(x, y)))[1:100, 101:250], 1, order))[, 1:4]
    expect_equal(near, ranks, ignore_attr = TRUE)
  }
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                     c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"), engine = "builtin")
  expect_lt(max(abs(op(list(x, y, b)) - truth)), 1e-13)
  expect_identical(compiles(), before)
})

test_that("results of the built-in engine do not depend on the number of threads", {
  x <- matrix(seq(0, 1, length.out = 6000), ncol = 3)
  found <- lapply(1:2, function(ncore) with_options(list(ncore = ncore, engine = "builtin"),
    sum(exp(-sqdist(Vi(x), Vj(x))), "j")))
  expect_identical(found[[1L]], found[[2L]])
})

test_that("option `engine` is checked, and said by the report", {
  expect_error(set_rkeops_options(engine = "fast"), class = "rkeops_error_argument")
  expect_error(sum(Vi(1:3) + Vj(1:3), "j", engine = "buildin"), "did you mean",
               class = "rkeops_error_argument")
  meant <- if (.Call(C_has_compiler)) "builtin for small calls, else compiled"
           else "builtin, there is no C compiler"
  with_options(list(engine = "auto"),
    expect_true(paste0("engine: auto (", meant, ")") %in% rkeops_sitrep()))
  with_options(list(engine = "builtin"), expect_true("engine: builtin" %in% rkeops_sitrep()))
})

test_that("without a compiler the built-in engine is meant, unless one was named", {
  # it is looked for when options change
  engine_of <- function(...) with_options(list(cache_limit = 12345, ...), engine_options()$engine)
  path <- Sys.getenv("PATH")
  named <- Sys.getenv("RKEOPS_CC", NA)
  on.exit({
    Sys.setenv(PATH = path)
    if (is.na(named)) Sys.unsetenv("RKEOPS_CC") else Sys.setenv(RKEOPS_CC = named)
    engine_of()
  })
  Sys.setenv(PATH = tempdir())
  Sys.unsetenv("RKEOPS_CC")
  expect_identical(engine_of(), "builtin")
  expect_identical(engine_of(engine = "compiled"), "compiled")
  expect_identical(engine_of(compiler = "a-compiler-that-is-not-there"), "auto")
  Sys.setenv(RKEOPS_CC = "a-compiler-that-is-not-there")
  expect_identical(engine_of(), "auto")
})

test_that("small calls compile nothing, large ones do, whatever is compiled already", {
  skip_without_compiler()
  skip_on_gpu_machine()
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)*1.5)*Cos(y|x), j)", c("x=Vi(3)", "y=Vj(3)"),
                     engine = "auto")
  K <- exp(-sqdist(Vi(uniform(1e4, 3)), Vj(uniform(1e4, 3))) * 1.5)
  x <- uniform(1e4, 3)
  small <- function() op(list(x[1:500, ], x[1:500, ]))
  before <- compiles()
  first <- small()
  expect_identical(compiles(), before)
  large <- op(list(x, x[1:2000, ]))
  expect_identical(compiles(), before + 1L)
  expect_identical(small(), first)
  expect_identical(rkeops_explain(sum(K, "j", call = FALSE, engine = "auto"))$backend, "cpu")
  expect_identical(rkeops_explain(sum(exp(-sqdist(Vi(1:9), Vj(1:9))), "j", call = FALSE,
                                      engine = "auto"))$backend, "builtin")
  expect_identical(rkeops_explain(op)$backend, "cpu") # of which no rows are known
  expect_lt(max(abs(large[1:500] - op(list(x[1:500, ], x[1:2000, ])))), 1e-11)
})

test_that("forms of one formula run the same kernel of the package, and explain names it", {
  x <- matrix(seq(0, 1, length.out = 60), ncol = 3)
  s <- 0.7
  kernel_of <- function(op) rkeops_explain(op)$passes[[1L]]$layout$kernel
  with_options(list(engine = "builtin", precision = "float64"), {
    d <- Vi(x) - Vj(x)
    lazy <- sum(exp(-sum(d^2) / (2 * s^2)) * Vj(x[, 1]), "j", call = FALSE)
    text <- keops_kernel("Sum_Reduction(b*Exp(-g*SqDist(y,x)), j)",
                         c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "g=Pm(1)"))
    expect_identical(kernel_of(lazy), "Gaussian: sum with a weight")
    expect_identical(kernel_of(text), "Gaussian: sum with a weight")
    expect_null(kernel_of(keops_kernel("Sum_Reduction(Sin(SqDist(x,y)), j)", c("x=Vi(3)", "y=Vj(3)"))))
    found <- text(list(x, x, x[, 1], 1 / (2 * s^2)))
    truth <- exp(-as.matrix(dist(x))^2 / (2 * s^2)) %*% x[, 1]
    expect_lt(max(abs(found - truth)), 1e-13)
  })
})
