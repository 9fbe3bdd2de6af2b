# What a call costs beside the computation: building and evaluating
#     sum(exp(-sum((x_i - y_j)^2)), index = "j")
# for 100 x 100 points in R^3, warm, by part; and a gradient and an operator of keops_kernel().
#
#     Rscript bench/overhead.R [repetitions]
#
# Goal: the first line under 300 microseconds, of which the engine takes under 100.
library(rkeops, warn.conflicts = FALSE)

arguments <- commandArgs(trailingOnly = TRUE)
repetitions <- if (length(arguments)) as.integer(arguments[1]) else 3000L
rkeops_use_cpu(ncore = 1)

# Microseconds of processor time, the least of several rounds: other work on the machine adds only.
microseconds <- function(f, rounds = 7) {
  for (k in seq_len(repetitions %/% 10)) f()
  one <- function() {
    start <- proc.time()
    for (k in seq_len(repetitions)) f()
    spent <- proc.time() - start
    (spent[["user.self"]] + spent[["sys.self"]]) / repetitions * 1e6
  }
  min(vapply(seq_len(rounds), function(k) one(), 0))
}

set.seed(1)
x <- matrix(runif(300), 100)
y <- matrix(runif(300), 100)
x_i <- Vi(x)
y_j <- Vj(y)
K_ij <- exp(-sum((x_i - y_j)^2))
state <- rkeops:::reduction_state(K_ij, "Sum", "j")
text <- rkeops:::operator_text(state)
program <- list(text = text, declarations = rkeops:::declarations_of_leaves(state))
options <- rkeops:::engine_options()
op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(3)", "y=Vj(3)"))
lazy <- sum(K_ij, "j", call = FALSE)
inputs <- list(x, y)
outer_sum <- function() {
  d <- outer(rowSums(x^2), rowSums(y^2), "+") - 2 * tcrossprod(x, y)
  rowSums(exp(-d))
}
stopifnot(max(abs(op(inputs) - outer_sum())) < 1e-4)

times <- c(
  "LazyTensor: build and evaluate" =
    microseconds(function() sum(exp(-sum((x_i - y_j)^2)), index = "j")),
  "  build the expression" = microseconds(function() exp(-sum((x_i - y_j)^2))),
  "  evaluate it" = microseconds(function() sum(K_ij, index = "j")),
  "  engine alone" = microseconds(function()
    .Call(rkeops:::C_run, program, state$data, FALSE, options)),
  "operator of keops_kernel()" = microseconds(function() op(inputs)),
  "gradient of a LazyTensor operator" = microseconds(function() gradient(lazy, x_i)),
  "the same sum in plain R, dense" = microseconds(outer_sum))
cat(sprintf("%-36s %7.1f us\n", names(times), times), sep = "")
