# Rscript tools/gctorture.R COUNTS [STEP]: what the C code of the package does while R collects
# garbage at every STEP-th allocation (5): LazyTensors, reductions, operators, derivatives, complex
# numbers, errors; the results must be those without. An object that C forgot to protect gives
# another result or ends the process. Writes "passed failed skipped" to the file COUNTS. With
# STEP = 1 no allocation is left out; that takes an hour.
arguments <- commandArgs(trailingOnly = TRUE)
counts_file <- arguments[1]
step <- if (length(arguments) > 1L) as.integer(arguments[2]) else 5L

suppressPackageStartupMessages(library(rkeops))
cache <- tempfile("rkeops-cache-")
dir.create(cache, mode = "0700")
set_rkeops_options(list(cache_dir = cache, index_base = 1))

set.seed(1)
# results longer than the vectors of which R keeps pages: those it gives back, others stay readable
x <- matrix(runif(150), 50)
y <- matrix(runif(210), 70)
b <- matrix(runif(140), 70)
e <- matrix(runif(100), 50)
w <- matrix(complex(real = runif(70), imaginary = runif(70)))
args <- c("x=Vi(3)", "y=Vj(3)", "b=Vj(2)")
text <- "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"

said <- function(code) tryCatch({ code; "no error" }, error = function(e)
  paste(c(class(e)[1:2], conditionMessage(e)), collapse = "\n"))
pairs <- function() exp(-sqdist(Vi(x), Vj(y)))
operator <- function() sum(pairs() * Vj(b), "j", call = FALSE)

work <- list(
  build = function() { z <- pairs() + 0.5; list(z$formula, z$args, z$dimres) },
  sum = function() sum(pairs() * Vj(b), "j"),
  product = function() pairs() %*% b,
  nearest = function() Kmin_argKmin(sqdist(Vi(x), Vj(y)), 3, "j"),
  positions = function() argmin(sqdist(Vi(x), Vj(y)), "i"),
  dense = function() as.matrix(pairs()),
  block = function() pairs()[2:3, 4],
  complex = function() sum(Vi(e[, 1, drop = FALSE]) * exp(Vj(w)), "j"),
  kernel = function() keops_kernel(text, args)(list(x, y, b)),
  rows = function() keops_kernel(text, args)(list(t(x), t(y), t(b)), inner_dim = "row"),
  grad = function() keops_grad(keops_kernel(text, args), "x")(list(x, y, b, e)),
  value_and_grad = function()
    keops_value_and_grad(keops_kernel(text, args), c("x", "y"))(list(x, y, b, e)),
  gradient = function() { x_i <- Vi(x); gradient(sum(exp(-sqdist(x_i, Vj(y))), "j",
                                                     call = FALSE), x_i) },
  operator = function() operator()(),
  types = function() sum(Vi(matrix(1:4, 2)) * Vj(matrix(c(TRUE, FALSE), 1)), "j"),
  wrong_text = function() said(keops_kernel("Sum_Reduction(Expp(x), j)", "x=Vi(2)")),
  wrong_rows = function() said(keops_kernel(text, args)(list(x, y, b[-1, ]))),
  wrong_type = function() said(keops_kernel(text, args)(list(x, y, "a"))),
  tables = function() rkeops:::operation_table()
)

# The value of f() while garbage is collected, after `wait` allocations for the first time.
tortured <- function(f, wait) {
  gctorture2(step, wait = wait)
  on.exit(gctorture2(0))
  f()
}

passed <- 0L
failed <- 0L
for (name in names(work)) {
  expected <- work[[name]]()                # compiles, and fills R's caches
  stopifnot(!is.null(expected))
  for (wait in unique(c(0L, step %/% 2L))) {
    found <- tryCatch(tortured(work[[name]], wait), error = function(e) e)
    good <- identical(found, expected)
    passed <- passed + good
    failed <- failed + !good
    if (!good) {
      cat(name, "differs under gctorture:\n")
      utils::str(list(found = found, expected = expected))
    }
  }
}
unlink(cache, recursive = TRUE)
cat(sprintf("gctorture: %d passed, %d failed\n", passed, failed))
writeLines(paste(passed, failed, 0L), counts_file)
