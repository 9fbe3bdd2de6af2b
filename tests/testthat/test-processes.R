# LazyTensors and operators outlive their session: files, workers, forks, and packages that import
# rkeops.

skip_on_cran() # starts R and installs a package

set.seed(8)
X <- matrix(rnorm(15), 5)
Y <- matrix(rnorm(21), 7)
x <- Vi(X)
y <- Vj(Y)
s <- Pm(0.5)
K <- exp(-s * sqdist(x, y))
z <- K * Vj(matrix(complex(argument = 1:7)))
lazy <- sum(K, "j", call = FALSE, precision = "float64")
op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(3)", "y=Vj(3)"))
objects <- list(K = K, z = z, x = x, s = s, lazy = lazy, op = op, grad = keops_grad(op, "x"),
                gradient = gradient(lazy, x, call = FALSE))
input <- list(X, Y)

# What a process finds; `o` are the objects, as they came to it. Every result but the last two is
# also one of objects of two origins.
results_of <- quote(list(
  sum(o$K, "j"), sum(o$z, "i"), o$lazy(), o$op(input), o$grad(c(input, list(rep(1, 5)))),
  o$gradient(), gradient(o$lazy, o$x), gradient(o$lazy, o$s), sum(o$K * o$x, "i"),
  sum(o$K + Vi(o$x$data[[1L]]) + Pm(0.5), "j"), o$K[2:3, c(TRUE, FALSE)], dim(o$K)))
find_results <- function(o) eval(results_of, list(o = o, input = input), globalenv())

test_that("what was saved gives the same in a new R --vanilla", {
  expected <- find_results(objects)
  file <- tempfile(fileext = ".rds")
  made <- tempfile(fileext = ".rds")
  on.exit(unlink(c(file, made)))
  saveRDS(list(o = objects, input = input), file)
  out <- run_r(c(using_cache(get_rkeops_cache_dir()),
                 sprintf("list2env(readRDS(%s), environment())", deparse(file)),
                 "x <- matrix(0, 5, 3); other <- Vi(x)", # identifiers made here are other ones
                 "stopifnot(identical(dim(other + o$x), c(5L, 1L, 3L)))",
                 paste("results <-", paste(deparse(results_of), collapse = "\n")),
                 sprintf("saveRDS(results, %s)", deparse(made))))
  expect_identical(out$status, 0L, info = paste(out$output, collapse = "\n"))
  expect_identical(readRDS(made), expected)
  # and back again, beside what is here
  back <- readRDS(file)$o
  expect_identical(find_results(back), expected)
  expect_equal(sum(back$K - K, "j"), matrix(0, 5, 1))
  expect_identical(gradient(back$lazy, x), gradient(lazy, x)) # the same variable
})

test_that("workers of a PSOCK cluster compute with them", {
  cluster <- parallel::makePSOCKcluster(2L)
  on.exit(parallel::stopCluster(cluster))
  parallel::clusterCall(cluster, function(paths, cache) {
    .libPaths(paths)
    library(rkeops)
    rkeops::set_rkeops_options(list(cache_dir = cache, ncore = 1))
    NULL
  }, .libPaths(), get_rkeops_cache_dir())
  parallel::clusterExport(cluster, c("input", "results_of"), environment())
  found <- parallel::clusterCall(cluster, function(o) eval(results_of, list(o = o, input = input)),
                                 objects)
  for (worker in found) expect_identical(worker, find_results(objects))
  # variables that workers made meet here, each with its own identifier
  made <- parallel::clusterCall(cluster, function() Vi(matrix(1:5)))
  expect_identical(sum(made[[1L]] * made[[2L]], "j"), matrix((1:5)^2))
  product <- made[[1L]] * made[[2L]]
  expect_length(product$args, 2L)
})

test_that("forks compute with them", {
  skip_on_os("windows")
  expected <- find_results(objects)
  found <- parallel::mclapply(1:2, function(k) find_results(objects), mc.cores = 2L)
  expect_identical(found, list(expected, expected))
})

# ---- a package that imports rkeops ---------------------------------------------------------------

package_files <- list(
  DESCRIPTION = c("Package: usesrkeops", "Version: 0.1", "Title: Uses Rkeops",
                  "Description: A test.", "License: MIT", "Author: A", "Maintainer: A <a@b.org>",
                  "Imports: rkeops"),
  NAMESPACE = c("export(smooth, degrees, kernel_sum)",
                "importFrom(rkeops, Vi, Vj, keops_kernel, rowSums, colMeans, sqdist)",
                "if (getRversion() < \"4.3.0\") importFrom(rkeops, \"%*%\")"),
  "R/code.R" = c(
    "gaussian <- function(x, y) exp(-sqdist(Vi(x), Vj(y)))",
    "smooth <- function(x, y, b) gaussian(x, y) %*% b / rowSums(gaussian(x, y))",
    "degrees <- function(x, y) list(rowSums(gaussian(x, y)), colMeans(gaussian(x, y)))",
    "kernel_sum <- keops_kernel(\"Sum_Reduction(Exp(-SqDist(x,y)), j)\",",
    "                           c(\"x=Vi(3)\", \"y=Vj(3)\"))",
    "plain <- function(m) rowSums(m) + m %*% rep(1, ncol(m))"))

test_that("a package that imports rkeops works, also with an operator made when it was built", {
  folder <- file.path(tempfile("package-"), "usesrkeops")
  library <- tempfile("library-")
  dir.create(file.path(folder, "R"), recursive = TRUE)
  dir.create(library)
  on.exit(unlink(c(dirname(folder), library), recursive = TRUE))
  for (file in names(package_files))
    writeLines(package_files[[file]], file.path(folder, file))
  paths <- c(library, .libPaths())
  log <- suppressWarnings(
    system2(file.path(R.home("bin"), "R"),
            c("CMD", "INSTALL", "--no-docs", paste0("--library=", shQuote(library)),
              shQuote(folder)), stdout = TRUE, stderr = TRUE,
            env = paste0("R_LIBS=", shQuote(paste(paths, collapse = .Platform$path.sep)))))
  expect_null(attr(log, "status"), info = paste(log, collapse = "\n"))

  given <- tempfile(fileext = ".rds")
  made <- tempfile(fileext = ".rds")
  on.exit(unlink(c(given, made)), add = TRUE)
  saveRDS(list(X = X, Y = Y), given)
  out <- run_r(c("detach(\"package:rkeops\")", # imported only
                 sprintf(".libPaths(%s)", paste(deparse(paths), collapse = "")),
                 "library(usesrkeops)",
                 paste0("rkeops::", using_cache(get_rkeops_cache_dir())),
                 sprintf("list2env(readRDS(%s), environment())", deparse(given)),
                 "found <- list(smooth(X, Y, Y), degrees(X, Y), kernel_sum(list(X, Y)),",
                 "              usesrkeops:::plain(X))",
                 sprintf("saveRDS(found, %s)", deparse(made))))
  expect_identical(out$status, 0L, info = paste(out$output, collapse = "\n"))
  found <- readRDS(made)
  dense <- as.matrix(exp(-sqdist(x, y)))
  # float32 sums of 7 terms of order 1
  near <- function(a, b) expect_equal(a, b, tolerance = 64 * 2^-24)
  near(found[[1L]], dense %*% Y / rowSums(dense))
  near(found[[2L]], list(rowSums(dense), colMeans(dense)))
  near(found[[3L]], matrix(rowSums(dense)))
  expect_equal(found[[4L]], matrix(2 * rowSums(X)))
})
