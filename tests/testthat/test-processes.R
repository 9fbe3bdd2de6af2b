# LazyTensors and operators in files, in other processes, in forks, and in packages. Processes
# compute on the CPU until they are told otherwise, and so does this one here.
options_of_others <- set_rkeops_options(list(backend = "CPU"))

set.seed(14)
x <- uniform(5, 3)
y <- uniform(7, 3)
b <- uniform(7, 2)
args <- c("x=Vi(3)", "y=Vj(3)", "b=Vj(2)")
formula <- "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"
kernel <- keops_kernel(formula, args)
K <- exp(-sqdist(Vi(x), Vj(y)))
z <- Vi(matrix(complex(real = x[, 1], imaginary = x[, 2]))) * Vj(b[, 1, drop = FALSE])
b_j <- Vj(b)
lazy <- sum(K * b_j, "j", call = FALSE, precision = "float64")
e <- uniform(5, 2)

squares <- function(x, y) outer(seq_len(nrow(x)), seq_len(nrow(y)), Vectorize(function(i, j)
  sum((x[i, ] - y[j, ])^2)))

# Everything that can be saved, and what it computes.
saved <- list(K = K, z = z, b_j = b_j, kernel = kernel, slope = keops_grad(kernel, "y"),
              twice = keops_grad(keops_grad(kernel, "x"), "b"), lazy = lazy,
              lazy_slope = gradient(lazy, Vi(x), e, call = FALSE))
computed <- function(objects) with(objects, list(
  product = K %*% b, rows = rowSums(K), complex = sum(z, "j"), kernel = kernel(list(x, y, b)),
  slope = slope(list(x, y, b, e)), twice = twice(list(x, y, b, e, x)), lazy = lazy(),
  lazy_slope = lazy_slope(), new = gradient(lazy, b_j, e), dims = lapply(list(K, z), dim),
  printed = utils::capture.output(print(K), print(z), print(lazy))))

test_that("LazyTensors and operators are read in another process and compute the same", {
  here <- computed(saved)
  there <- in_session(quote(computed(saved)), list(saved = saved, computed = computed, x = x, y = y,
                                                   b = b, e = e))
  expect_identical(there, here)
})

test_that("a file written by one process is read by another, without rkeops attached", {
  file <- tempfile(fileext = ".rds")
  on.exit(unlink(file))
  saveRDS(saved[c("K", "kernel", "lazy")], file)
  out <- run_r(c(sprintf("saved <- readRDS(%s)", deparse(file)),
                 sprintf("rkeops::set_rkeops_options(list(cache_dir = %s))", deparse(test_cache)),
                 "invisible(saved$lazy())", # loads the package if reading did not
                 "cat(format(saved$lazy()[1], digits = 17), dim(saved$K), class(saved$K)[1])"),
               attach = FALSE)
  expect_identical(out$output, paste(format(lazy()[1], digits = 17), "5 7 1 LazyTensor"))
})

test_that("two processes make variables that never are confused", {
  other <- in_session(quote(exp(-sqdist(Vi(x), Vj(y + 1)))), list(x = x, y = y))
  # M x N values, each rounded a few times
  expect_equal(sum(K + other, "j"), sum(K, "j") + sum(other, "j"), tolerance = 16 * 2^-53)
  expect_equal(c(sum(K - other, "j")), rowSums(exp(-squares(x, y)) - exp(-squares(x, y + 1))),
               tolerance = 64 * 2^-53)
})

test_that("workers of a cluster compute with what they are sent", {
  skip_if_not_installed("parallel")
  no_sockets <- function(e) if (!grepl("internet routines", conditionMessage(e))) stop(e)
  workers <- suppressWarnings(tryCatch(parallel::makeCluster(2L, rscript_args = "--vanilla"),
                                       error = no_sockets))
  skip_if(is.null(workers), "this R opens no sockets")
  on.exit(parallel::stopCluster(workers))
  parallel::clusterCall(workers, .libPaths, .libPaths())
  use_cache <- as.call(list(quote(rkeops::set_rkeops_options), list(cache_dir = test_cache)))
  parallel::clusterCall(workers, eval, use_cache)
  # b comes last, so that each worker has columns of its own
  product <- quote(function(k, K, kernel, x, y, b)
    list(sum(K * rkeops::Vj(b[, k, drop = FALSE]), "j"), kernel(list(x, y, b)), Sys.getpid()))
  out <- parallel::clusterApply(workers, 1:2, eval(product, baseenv()), K, kernel, x, y, b)
  for (k in 1:2) {
    expect_identical(out[[k]][[1]], sum(K * Vj(b[, k, drop = FALSE]), "j"))
    expect_identical(out[[k]][[2]], kernel(list(x, y, b)))
  }
  expect_length(unique(c(out[[1]][[3]], out[[2]][[3]], Sys.getpid())), 3L)
  # and what they make comes back
  made <- parallel::clusterCall(workers, eval(quote(function(x) rkeops::Vi(x) * 2), baseenv()), x)
  expect_identical(sum(made[[1]] + made[[2]], "i"), sum(Vi(x) * 2 + Vi(x) * 2, "i"))
})

test_that("forks compute as their parent does, before it has computed and after", {
  skip_on_os("windows")
  skip_on_gpu_machine()
  skip_if_not_installed("parallel")
  long <- matrix(rep(x, 2000), ncol = 3, byrow = TRUE) # enough rows for several threads
  new <- function(s) sum(sqrt(1 + s * sqdist(Vi(long), Vj(y))) * Vj(b), "j")
  forked <- parallel::mclapply(1:2, new, mc.cores = 2L) # compiles in the children
  here <- lapply(1:2, new)
  expect_identical(forked, here)
  expect_identical(parallel::mclapply(1:2, new, mc.cores = 2L), here)
  expect_identical(parallel::mclapply(list(lazy, kernel), function(op) if (inherits(
    op, "LazyOperator")) op() else op(list(x, y, b)), mc.cores = 2L),
    list(lazy(), kernel(list(x, y, b))))
})

test_that("a package imports rkeops, and keeps operators from when it was built", {
  skip_on_cran() # installs a package
  library <- install_package("gausspairs", list(
    DESCRIPTION = c("Package: gausspairs", "Version: 1.0", "Title: Pairs", "Imports: rkeops",
                    "License: MIT", "Description: Pairs.", "Author: A", "Maintainer: A <a@b.org>"),
    NAMESPACE = c("importFrom(rkeops, Vi, Vj, sqdist, rowSums, keops_kernel)",
                  "if (getRversion() < \"4.3.0\") importFrom(rkeops, \"%*%\")",
                  "exportPattern(\"^[a-z]\")"),
    "R/pairs.R" = c(
      "gauss <- function(x, y) exp(-sqdist(Vi(x), Vj(y)))",
      "product <- function(x, y, b) gauss(x, y) %*% b",
      "sums <- function(x, y) sum(gauss(x, y), 'j')",
      "rows <- function(x, y) rowSums(gauss(x, y))",
      "plain <- function(A, b) list(A %*% b, rowSums(A))",
      paste("built <-", paste(deparse(call("keops_kernel", formula, args)), collapse = " ")),
      "built_lazy <- sum(gauss(matrix(1:6 / 8, 2), matrix(9:1 / 8, 3)), 'j', call = FALSE)")))
  code <- quote({
    rkeops::set_rkeops_options(list(cache_dir = test_cache))
    made <- "gausspairs"
    library(made, lib.loc = library, character.only = TRUE)
    attached <- "package:rkeops" %in% search()
    list(product(x, y, b), sums(x, y), rows(x, y), plain(x, t(x)), built(list(x, y, b)),
         built_lazy(), attached)
  })
  given <- tempfile(fileext = ".rds")
  made <- tempfile(fileext = ".rds")
  on.exit(unlink(c(given, made, library), recursive = TRUE))
  saveRDS(list(x = x, y = y, b = b, library = library, test_cache = test_cache), given)
  out <- run_r(c(sprintf("invisible(list2env(readRDS(%s), environment()))", deparse(given)),
                 "made <- ", deparse(code), sprintf("saveRDS(made, %s)", deparse(made))),
               attach = FALSE)
  expect_identical(out$status, 0L, label = paste(c(out$output, "status"), collapse = "\n"))
  there <- readRDS(made)
  built_lazy <- sum(exp(-sqdist(Vi(matrix(1:6 / 8, 2)), Vj(matrix(9:1 / 8, 3)))), "j")
  expect_identical(there, list(K %*% b, sum(K, "j"), rowSums(K),
                               list(base::`%*%`(x, t(x)), base::rowSums(x)),
                               kernel(list(x, y, b)), built_lazy, FALSE))
})

set_rkeops_options(options_of_others)
