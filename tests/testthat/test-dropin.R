# What scripts of RKeOps write beyond the names: options, values and fields of its versions.

test_that("options of RKeOps 1.x are set and read under their names", {
  old <- get_rkeops_options()
  on.exit(set_rkeops_options(old))
  for (case in list(c("double", "float64"), c("float", "float32"), c("float64", "float64"))) {
    set_rkeops_option("precision", case[1])
    expect_identical(get_rkeops_option("precision"), case[2])
  }
  for (tag in 0:2) { # 2: a GPU, for inputs that are there
    set_rkeops_option("tagCpuGpu", tag)
    expect_identical(get_rkeops_options("backend"), if (tag == 0) "CPU" else "GPU")
    expect_equal(get_rkeops_option("tagCpuGpu"), min(tag, 1))
  }
  dir.create(folder <- tempfile("kernels"))
  set_rkeops_option("build_dir", folder)
  expect_identical(get_rkeops_option("build_dir"), normalizePath(folder))
  expect_identical(get_build_dir(), get_rkeops_cache_dir())
  for (wrong in list(list("tagCpuGpu", 3), list("precision", "single"), list("tagcpu", 0)))
    expect_error(do.call(set_rkeops_option, wrong), class = "rkeops_error_argument")
})

test_that("what RKeOps 1.x said about compiling changes nothing", {
  before <- get_rkeops_options()
  for (option in c("use_cuda_if_possible", "tag1D2D", "tagHostDevice", "col_major", "src_dir"))
    expect_invisible(set_rkeops_option(option, 0))
  expect_invisible(compile4gpu())
  expect_invisible(compile4cpu())
  expect_identical(get_rkeops_options(), before)
  expect_identical(rkeops_option_names(), names(before))
})

test_that("inner_dim is 0 or 1 too, and what became of results is said once", {
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), 0)", c("x=Vi(3)", "y=Vj(3)"))
  x <- uniform(5, 3)
  y <- uniform(7, 3)
  informed <- session$informed
  on.exit(session$informed <- informed)
  session$informed <- setdiff(informed, "inner_dim")
  expect_message(out <- op(list(t(x), t(y)), inner_dim = 0), "inner_dim", class = "rkeops_message")
  expect_identical(out, op(list(x, y)))
  dx <- keops_grad(op, "x")
  expect_silent(turned <- dx(list(t(x), t(y), rep(1, 5)), inner_dim = 0))
  expect_identical(turned, dx(list(x, y, rep(1, 5))))
  expect_silent(expect_identical(op(list(x, y), inner_dim = 1), out))
  for (wrong in list(2, 0.5, NA_real_, c(0, 1)))
    expect_error(op(list(x, y), inner_dim = wrong), "`inner_dim`", class = "rkeops_error_argument")
})

test_that("$data shows a complex parameter as one row, $args and $data of a whole number nothing", {
  z <- c(1 + 2i, 3 - 1i)
  expect_identical(Pm(z)$data, list(matrix(c(1, 2, 3, -1), 1)))
  expect_identical(LazyTensor(c(5, 4), is_complex = TRUE)$data, list(matrix(c(5, 0, 4, 0), 1)))
  expect_identical(Vi(matrix(z))$data, list(cbind(c(1, 3), c(2, -1))))
  expect_null(LazyTensor(314)$args)
  expect_null(LazyTensor(314)$data)
})

test_that("a variable that the formula declares itself is the next input, as in RKeOps 1.x", {
  op <- keops_kernel("Sum_Reduction(Exp(-s * SqDist(x,y)) * Vj(2), 0)",
                     c("x=Vi(3)", "y=Vj(3)", "s=Pm(1)"))
  x <- uniform(5, 3)
  y <- uniform(7, 3)
  b <- uniform(7, 2)
  distance <- outer(1:5, 1:7, function(i, j) rowSums((x[i, ] - y[j, ])^2))
  expect_equal(op(list(x, y, 0.5, b)), exp(-0.5 * distance) %*% b, tolerance = 1e-13)
})
