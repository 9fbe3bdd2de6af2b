# How many threads are used, and what becomes of a call that cannot have them.

# R code that runs in a process of its own, there with a cache of its own: a sum that takes
# several milliseconds.
sum_in_threads <- c(
  "set_rkeops_options(cache_dir = tempdir(), precision = 'float64')",
  "set.seed(1)",
  "x <- matrix(runif(6000))",
  "sums <- function(n) { rkeops_use_cpu(ncore = n); sum(exp(-sqdist(Vi(x), Vj(x))), 'j') }",
  "alone <- sums(1)")

skip_unless_two_threads <- function() {
  engine_options() # tells the engine
  skip_if(.Call(C_threads)$threads < 2L, "no two threads may be used")
}

skip_unless_prlimit <- function() {
  skip_on_os(c("windows", "mac", "solaris"))
  skip_if(Sys.which("prlimit") == "", "prlimit is not there")
  skip_unless_two_threads()
}

test_that("a number of threads that cannot be met is said, once", {
  old <- get_rkeops_options()
  on.exit(set_rkeops_options(old))
  many <- 100000L
  expect_message(rkeops_use_cpu(ncore = many), "`ncore` is 100000, and [0-9]+ thread",
                 class = "rkeops_message")
  expect_identical(get_rkeops_options("ncore"), many)
  expect_silent(sum(Vi(matrix(1:3)) * Vj(matrix(1:4)), "j"))
  expect_message(sum(with_options(list(ncore = 99999), Vi(matrix(1)) * Vj(matrix(1))), "j"), NA)
  set_rkeops_options(ncore = 99999)
  expect_message(sum(Vi(matrix(1:3)) * Vj(matrix(1:4)), "j"), "`ncore` is 99999",
                 class = "rkeops_message")
  set_rkeops_options(ncore = many, verbosity = 0)
  expect_silent(sum(Vi(matrix(1:3)) * Vj(matrix(1:4)), "j"))
  expect_silent(rkeops_use_cpu(ncore = 1))
})

test_that("variables of the environment bound the number of threads, and are named", {
  code <- c("rkeops_use_cpu()", "cat(.Call(rkeops:::C_threads)$threads, '\\n')",
            "rkeops_use_cpu(ncore = 2)", "writeLines(rkeops_sitrep())")
  one <- run_r(code, env = "OMP_NUM_THREADS=1")
  expect_identical(trimws(one$output[1]), "1")
  expect_true("OMP_NUM_THREADS: 1" %in% one$output)
  limit <- run_r(code, env = "OMP_THREAD_LIMIT=1")
  expect_identical(trimws(limit$output[1]), "1")
  if (.Call(C_threads)$processors > 1L)
    expect_true(any(grepl("`ncore` is 2, and 1 thread is used: OMP_THREAD_LIMIT is 1",
                          limit$output, fixed = TRUE)))
  expect_true(any(startsWith(limit$output, "threads: 1 of ")))
  expect_true("threads asked for: 2" %in% limit$output)
  expect_true(any(grepl("^processors: online [0-9]+, affinity .*, quota", limit$output)))
  check <- run_r(code, env = "_R_CHECK_LIMIT_CORES_=TRUE")
  expect_true(as.integer(check$output[1]) <= 2L)
})

test_that("a call goes on where the system gives no thread: limit of memory", {
  skip_unless_prlimit()
  # less than the stack of a thread is left
  out <- run_r(c(
    sum_in_threads, "rkeops_use_cpu(ncore = 2)",
    "size <- as.numeric(sub('[^0-9]*([0-9]+).*', '\\\\1', grep('^VmSize', readLines(",
    "  '/proc/self/status'), value = TRUE))) * 1024",
    "system(sprintf('prlimit --pid %d --as=%.0f', Sys.getpid(), size + 1.5 * 2^20))",
    "stopifnot(identical(sums(2), alone))", "cat('went on\\n')"))
  expect_identical(out$status, 0L, label = paste(out$output, collapse = "\n"))
  expect_true("went on" %in% out$output)
})

test_that("threads end with the package", {
  skip_on_os(c("windows", "mac", "solaris"))
  skip_unless_two_threads()
  out <- run_r(c(sum_in_threads, "threads <- function() length(dir('/proc/self/task'))",
                 "before <- threads()", "two <- sums(2)", "during <- threads()",
                 "unloadNamespace('rkeops')", "gc()",
                 "stopifnot(during == before + 1L, threads() == before, identical(two, alone))"))
  expect_identical(out$status, 0L, label = paste(out$output, collapse = "\n"))
})

test_that("columns that are too many to lie near are walked by several blocks of rows, with the same result", {
  set.seed(4)
  y <- matrix(runif(6000 * 100), 6000)   # 5 MB, of which all rows read pieces
  b <- matrix(rnorm(12000), 6000)
  old <- get_rkeops_options()
  on.exit(set_rkeops_options(old))
  for (rows in c(1, 5, 700, 4100)) {
    x <- y[seq_len(rows) + 100L, , drop = FALSE] + 0.01
    sums <- function(threads) {
      rkeops_use_cpu(ncore = threads)
      c(exp(-sqdist(Vi(x), Vj(y))) %*% b, min(sqdist(Vi(x), Vj(y)), "j"))
    }
    out <- sums(1)
    expect_identical(sums(2), out)
    some <- unique(round(seq(1, rows, length.out = 20)))
    squares <- outer(rowSums(x[some, , drop = FALSE]^2), rowSums(y^2), "+") - 2 * x[some, , drop = FALSE] %*% t(y)
    expect_equal(matrix(out, rows)[some, , drop = FALSE], cbind(exp(-squares) %*% b, apply(squares, 1, min)),
                 tolerance = 1e-9)
  }
})
