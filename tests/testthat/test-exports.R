# Every name that RKeOps 2 exported and those of RKeOps 1 that its users know.

rkeops_2 <- c(
  "%*%", "*", "+", "-", "/", "^", "|", "Arg", "Conj", "Im", "Mod", "Re", "Kmin", "Kmin_reduction",
  "Kmin_argKmin", "Kmin_argKmin_reduction", "argKmin", "argKmin_reduction", "argmax",
  "argmax_reduction", "argmin", "argmin_reduction", "max", "max_reduction", "max_argmax",
  "max_argmax_reduction", "min", "min_reduction", "min_argmin", "min_argmin_reduction", "sum",
  "sum_reduction", "logsumexp", "logsumexp_reduction", "sumsoftmaxweight",
  "sumsoftmaxweight_reduction", "reduction.LazyTensor", "LazyTensor", "Vi", "Vj", "Pm",
  "unaryop.LazyTensor", "binaryop.LazyTensor", "ternaryop.LazyTensor", "is.LazyTensor",
  "is.ComplexLazyTensor", "is.LazyParameter", "is.ComplexLazyParameter", "is.LazyVector",
  "is.LazyMatrix", "is.int", "abs", "acos", "asin", "atan", "atan2", "cos", "exp", "inv", "log",
  "relu", "round", "rsqrt", "sign", "sin", "sinxdivx", "sqrt", "square", "step", "xlogx", "clamp",
  "clampint", "ifelse", "mod", "norm2", "normalize", "sqdist", "sqnorm2", "weightedsqdist",
  "weightedsqnorm", "concat", "elem", "elemT", "extract", "extractT", "one_hot", "matvecmult",
  "vecmatmult", "tensorprod", "exp1j", "imag2complex", "real2complex", "grad", "keops_kernel",
  "keops_grad", "get_rkeops_options", "set_rkeops_options", "rkeops_use_cpu", "rkeops_use_gpu",
  "rkeops_use_float32", "rkeops_use_float64", "rkeops_enable_verbosity",
  "rkeops_disable_verbosity", "get_rkeops_cache_dir", "set_rkeops_cache_dir",
  "stat_rkeops_cache_dir", "clean_rkeops", "install_rkeops", "check_rkeops", "helloWorld"
)
rkeops_1 <- c("use_gpu", "use_cpu", "compile4float32", "compile4float64", "set_rkeops_option",
              "get_rkeops_option", "compile4cpu", "compile4gpu", "get_build_dir",
              "rkeops_option_names")

test_that("every name of RKeOps is exported and is a function", {
  expect_length(unique(rkeops_2), 110)
  expect_identical(setdiff(c(rkeops_2, rkeops_1), getNamespaceExports("rkeops")), character())
  for (name in c(rkeops_2, rkeops_1))
    expect_true(is.function(getExportedValue("rkeops", name)), label = name)
})

test_that("every export has a help page", {
  index <- system.file("help", "aliases.rds", package = "rkeops")
  skip_if_not(nzchar(index), "the package is installed without help")
  exports <- getNamespaceExports("rkeops")
  exports <- exports[!startsWith(exports, ".__")] # tables of S4
  expect_identical(setdiff(exports, names(readRDS(index))), character())
})

test_that("?rkeops leads to every page", {
  pages <- tryCatch(tools::Rd_db("rkeops"), error = function(e) list())
  skip_if_not("rkeops-package.Rd" %in% names(pages), "the package is installed without help")
  text <- lapply(pages, function(page) paste(as.character(page), collapse = ""))
  start <- text[["rkeops-package.Rd"]]
  for (name in setdiff(names(pages), "rkeops-package.Rd")) {
    places <- gregexpr("(?<=\\\\alias\\{)[^}]*", text[[name]], perl = TRUE)
    aliases <- regmatches(text[[name]], places)[[1]]
    links <- c(sprintf("\\link{%s}", aliases), sprintf("\\link[=%s]", aliases))
    expect_true(any(vapply(links, grepl, NA, start, fixed = TRUE)), label = name)
  }
})

test_that("functions that dispatch in base R are exported as they are", {
  for (name in base_exports)
    expect_identical(getExportedValue("rkeops", name), get(name, baseenv()), label = name)
})

test_that("a package can import any of them", {
  imports <- new.env()
  importIntoEnv(imports, rkeops_2, asNamespace("rkeops"), rkeops_2)
  expect_setequal(names(imports), rkeops_2)
  expect_identical(imports$`+`, base::`+`)
  x <- matrix(1:6, 3)
  expect_equal(imports$sum(imports$Vi(x), "i"), t(colSums(x)))
})

test_that("functions of RKeOps keep the names and the order of their arguments", {
  arguments <- list(
    keops_kernel = c("formula", "args", "sum_scheme"), LazyTensor = c("x", "index", "is_complex"),
    Vi = c("x", "is_complex"), Vj = c("x", "is_complex"), Pm = c("x", "is_complex"),
    unaryop.LazyTensor = c("x", "opstr", "opt_arg", "opt_arg2", "res_type", "dim_res"),
    binaryop.LazyTensor = c("x", "y", "opstr", "is_operator", "dim_check_type", "res_type",
                            "dim_res", "opt_arg"),
    ternaryop.LazyTensor = c("x", "y", "z", "opstr", "dim_check_type", "dim_res"),
    reduction.LazyTensor = c("x", "opstr", "index", "opt_arg"),
    grad = c("f", "gradin", "opstr", "var", "index"), Kmin = c("x", "K", "index"),
    argKmin_reduction = c("x", "K", "index"), Kmin_argKmin = c("x", "K", "index"),
    argmin = c("x", "index"), sum_reduction = c("x", "index"), min_argmin = c("x", "index"),
    logsumexp = c("x", "index", "weight"), sumsoftmaxweight = c("x", "index", "weight"),
    clamp = c("x", "a", "b"), clampint = c("x", "y", "z"), mod = c("x", "a", "b"),
    ifelse = c("test", "yes", "no"), step = "object", elem = c("x", "m"),
    elemT = c("x", "m", "n"), extract = c("x", "m", "d"), extractT = c("x", "m", "d"),
    one_hot = c("x", "D"), matvecmult = c("m", "v"), vecmatmult = c("v", "m"),
    weightedsqnorm = c("x", "s"), weightedsqdist = c("x", "y", "s"),
    get_rkeops_options = "option", set_rkeops_options = "input", rkeops_use_cpu = "ncore",
    rkeops_use_gpu = "device", set_rkeops_cache_dir = c("cache_dir", "verbose"),
    stat_rkeops_cache_dir = c("verbose", "startup"),
    clean_rkeops = c("verbose", "all", "remove_cache_dir"), check_rkeops = "verbose",
    install_rkeops = c("envname", "method", "conda", "python_version", "pip", "...",
                       "pip_ignore_installed", "ignore_installed")
  )
  for (name in names(arguments)) {
    ours <- names(formals(getExportedValue("rkeops", name)))
    expect_identical(head(ours, length(arguments[[name]])), arguments[[name]], label = name)
  }
  expect_true(identical(names(formals(keops_grad))[2], "var"))
})

test_that("install_rkeops() says that nothing is to be installed, helloWorld() greets", {
  expect_message(install_rkeops(), "Nothing is to be installed", class = "rkeops_message")
  expect_message(install_rkeops("env", method = "conda", pip = TRUE, user = "me"), "Nothing")
  expect_output(helloWorld(), "Hello")
})

test_that("names of RKeOps 1 do what they did", {
  old <- set_rkeops_options()
  on.exit(set_rkeops_options(old))
  compile4float64()
  expect_identical(get_rkeops_option("precision"), "float64")
  compile4float32()
  expect_identical(get_rkeops_option("precision"), "float32")
  set_rkeops_option("tagCpuGpu", 0)
  use_cpu()
  expect_identical(get_rkeops_option("backend"), "CPU")
})
