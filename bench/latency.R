# What one call costs when there is little to compute (N = 100).
#
#     Rscript bench/latency.R [repetitions of the fresh processes]
#
# First call of a new formula: after library(rkeops), parse to result, with an empty kernel cache
# and a compiler that has been run once before (so it is in the page cache). From the disk cache:
# the same formula as the first call of another R process. Repeated: the same operator again.
# Large formulas: processor time from the text to the source, and of the C compiler on it.

source("bench/common.R")

arguments <- as.numeric(commandArgs(trailingOnly = TRUE))
repetitions <- if (length(arguments)) min(arguments[1], 12) else 5

setup <- '
suppressPackageStartupMessages(library(rkeops))
rkeops_use_float64()
set.seed(1)
x <- matrix(rnorm(300), ncol = 3)
y <- matrix(rnorm(300), ncol = 3)
b <- matrix(rnorm(100), ncol = 1)
args <- c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)")
'

# Seconds of one expression in a fresh R process that has loaded the package.
in_fresh_process <- function(expression, cache) {
  script <- tempfile(fileext = ".R")
  writeLines(c(setup, "start <- as.numeric(Sys.time())", paste0("invisible({", expression, "})"),
               "cat(as.numeric(Sys.time()) - start)"), script)
  output <- system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), stdout = TRUE,
                    env = paste0("R_USER_CACHE_DIR=", cache))
  as.numeric(output[length(output)])
}

# A formula that no cache has seen.
formula_number <- function(k) {
  inside <- c("Sin(b)", "Cos(b)", "Abs(b)", "Square(b)", "Inv(b)", "Tanh(b)", "Step(b)", "ReLU(b)",
              "Sign(b)", "Minus(b)", "Exp(b)", "Atan(b)")
  sprintf("Sum_Reduction(Exp(-SqDist(x,y)) * %s, j)", inside[k])
}

call <- function(formula) {
  sprintf("keops_kernel(\"%s\", args)(list(x, y, b))", formula)
}

cache <- tempfile("latency-cache-")
dir.create(cache, mode = "0700")
invisible(in_fresh_process(call("Sum_Reduction(SqDist(x,y)*b, j)"), cache))   # warms the compiler
fresh <- function(k) in_fresh_process(call(formula_number(k)), cache)
first <- vapply(seq_len(repetitions), fresh, 0)
disk <- vapply(seq_len(repetitions), fresh, 0)
lazy <- "exp(-sum((Vi(x) - Vj(y))^2)) %*% Vj(b)"
first_lazy <- in_fresh_process(lazy, tempfile("latency-cache-"))

eval(parse(text = setup))
op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", args)
data <- list(x, y, b)
K <- exp(-sum((Vi(x) - Vj(y))^2))
v <- Vj(b)

# Median over single calls, and the mean over all of them in one go, which no clock can spoil.
repeated <- function(f, times = 1000) {
  for (k in 1:20) f()
  single <- vapply(seq_len(times), function(k) { start <- clock(); f(); clock() - start }, 0)
  start <- clock()
  for (k in seq_len(times)) f()
  c(median = stats::median(single), mean = (clock() - start) / times)
}

operator <- repeated(function() op(data))
product <- repeated(function() K %*% v)
from_scratch <- repeated(function() exp(-sum((Vi(x) - Vj(y))^2)) %*% Vj(b))

# Length of the source, and seconds of the C compiler with the flags of the engine.
source_of <- function(D) {
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                     c(sprintf("x=Vi(%d)", D), sprintf("y=Vj(%d)", D), "b=Vj(1)"))
  paste(keops_source(op), collapse = "\n")
}
compile_seconds <- function(text) {   # NA: it takes more than a minute
  file <- tempfile(fileext = ".c")
  writeLines(text, file)
  taken <- seconds(status <- system2(
    compiler, c("-std=gnu11", "-w", kernel_flags, "-fPIC", "-shared", "-nostdlib", file, "-o",
                tempfile(fileext = ".so")), timeout = 60))
  if (status == 0L) taken else NA
}
narrow <- source_of(32)
wide <- source_of(1000)
wide_compile <- vapply(1:5, function(k) compile_seconds(wide), 0)

milliseconds <- function(x) sprintf("%.1f ms", 1e3 * x)
microseconds <- function(x) {
  sprintf("%.0f us (mean of a row of calls %.0f us)", 1e6 * x[["median"]], 1e6 * x[["mean"]])
}
keep("latency", data.frame(
  what = c("first call of a new formula", "the same in a fresh R process, from the disk cache",
           "first product of LazyTensors", "repeated call of an operator",
           "repeated product of two LazyTensors", "repeated, LazyTensors made anew",
           "compile of the source for D = 1000", "its length, that for D = 32 being 1"),
  median = c(milliseconds(stats::median(first)), milliseconds(stats::median(disk)),
             milliseconds(first_lazy), microseconds(operator), microseconds(product),
             microseconds(from_scratch), milliseconds(stats::median(wide_compile)),
             sprintf("%.3f", nchar(wide) / nchar(narrow))),
  slowest = c(milliseconds(max(first)), milliseconds(max(disk)), "", "", "", "",
              milliseconds(max(wide_compile)), ""),
  aim = c("250 ms", "20 ms", "", "100 us", "", "", "500 ms", "1.5")),
  sprintf("M = N = 100, D = 3, float64; fresh processes: %d each; repeated calls: 1000.",
          repetitions))

# ---- large formulas ----------------------------------------------------------------------------

# Components picked here and there, one below the other as `x[k]` writes them.
picked <- function(name, k) {
  if (length(k) == 1L) return(sprintf("Elem(%s,%d)", name, k))
  half <- seq_len(length(k) %/% 2L)
  sprintf("Concat(%s,%s)", picked(name, k[half]), picked(name, k[-half]))
}
components <- function(n) {
  list(sprintf("d = x - y; s = %s; Sum_Reduction(Exp(-SqNorm2(s)), j)",
               picked("d", (7 * seq_len(n)^2) %% 997)), c("x=Vi(1000)", "y=Vj(1000)"))
}
terms <- function(n, last) {
  text <- sprintf("k%d = k%d + K * %d;", 2:n, 2:n - 1, 2:n)
  list(paste0("K = Exp(-SqDist(x,y)); k1 = K;", paste(text, collapse = ""), sprintf(last, n)),
       c("x=Vi(3)", "y=Vj(3)"))
}
sines <- function(n, last) {
  text <- sprintf("k%d = Sin(k%d) * k1 + %d;", 2:n, 2:n - 1, 2:n)
  list(paste0("k1 = Sum(x*y);", paste(text, collapse = ""), sprintf(last, n)),
       c("x=Vi(3)", "y=Vj(3)"))
}
warping <- function(n) {
  list("Sum_Reduction(SoftDTW_SqDist(x,y,g), j)", c(sprintf("x=Vi(%d)", n), sprintf("y=Vj(%d)", n),
                                                    "g=Pm(1)"))
}
value <- "Sum_Reduction(k%d, j)"
large <- list("100 scattered components" = components(100),
              "1000 scattered components" = components(1000),
              "sum of 200 terms" = terms(200, value), "sum of 2000 terms" = terms(2000, value),
              "300 sines inside each other" = sines(300, value),
              "their gradient" = sines(300, "Grad(Sum_Reduction(k%d, j), x, 1)"),
              "their Hessian by a vector" =
                sines(300, "Grad(Grad(Sum_Reduction(k%d, j), x, 1), x, x)"),
              "soft time warping of series of 30" = warping(30),
              "soft time warping of series of 100" = warping(100))
# Of the processor, children included: few runs, so that a busy neighbour must not count.
processor_seconds <- function(expression) {
  start <- proc.time()
  force(expression)
  sum((proc.time() - start)[-3L])
}
measured <- vapply(large, function(formula) {
  text <- NULL
  own <- processor_seconds(text <- paste(keops_source(keops_kernel(formula[[1L]], formula[[2L]])),
                                         collapse = "\n"))
  compiling <- processor_seconds(finished <- !is.na(compile_seconds(text)))
  c(own, nchar(text), if (finished) compiling else NA)
}, numeric(3))
keep("large-formulas", data.frame(
  formula = names(large), own = milliseconds(measured[1L, ]),
  source = sprintf("%.0f kB", measured[2L, ] / 1e3),
  compiler = ifelse(is.na(measured[3L, ]), "none in 60 s", sprintf("%.2f s", measured[3L, ]))),
  paste("From the text to the source (own), and the C compiler on it: seconds of the",
        "processor. A compile is stopped after 60 s of the clock."))
