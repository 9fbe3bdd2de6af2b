# Float32 on data that it holds badly: errors beside R's doubles, and what it costs to mend them.
#
#     Rscript bench/float32.R [repetitions] [N]
#
# Two clusters 1e6 apart ask for sums of two floats (rkeops_explain() says so), one cluster does not:
# the same points otherwise. Stamps of time are ranked, small whole numbers are compared as they are.

source("bench/common.R")
source("tests/testthat/helper-float32.R")

arguments <- as.numeric(commandArgs(trailingOnly = TRUE))
repetitions <- if (length(arguments) >= 1) arguments[1] else 7
n <- if (length(arguments) >= 2) arguments[2] else 2e4

use_precision("float32")
set_rkeops_options(list(index_base = 1))

# ---- errors: the worst of all spellings of a distance ----

worst <- function(place, dirt, what) {
  errors <- lapply(float32_forms, float32_errors, place = place, dirt = dirt, what = what)
  if (all(vapply(errors, is.numeric, NA))) sprintf("%.1e", max(unlist(errors))) else "refused"
}
errors <- do.call(rbind, lapply(names(float32_dirt), function(dirt)
  data.frame(what = "relative error of a Gaussian sum", case = dirt,
             t(vapply(float32_places, worst, "", dirt = float32_dirt[[dirt]], what = "sum")),
             check.names = FALSE)))

# ---- times ----

near <- matrix(runif(3 * n), ncol = 3)
far <- near + 1e6 * (seq_len(n) %% 2)
time <- function(x, text) {
  op <- keops_kernel(text, c("x=Vi(3)", "y=Vj(3)"))
  function() seconds(op(list(x, x)))
}
texts <- c("Gaussian sum" = "Sum_Reduction(Exp(-SqDist(x,y)), j)",
           "minimum" = "Min_Reduction(SqDist(x,y), j)",
           "10 nearest" = "ArgKMin_Reduction(SqDist(x,y), 10, j)")
stamps <- matrix(1.7e9 + 86400 * runif(n))
whole <- matrix(floor(1000 * runif(n)))
earlier <- function(t) {
  op <- sum(Vj(t) < Vi(t), "j", call = FALSE)
  function() seconds(op())
}
million <- matrix(1.7e9 + runif(1e6))
few <- matrix(1.7e9 + runif(2))
join <- sum(Vi(million) == Vj(few), "j", call = FALSE)
functions <- c(lapply(texts, time, x = near), lapply(texts, time, x = far),
               list(whole = earlier(whole), stamps = earlier(stamps), join = function() seconds(join())))
best <- best_and_median(alternate(functions, repetitions))["best", ]
k <- seq_along(texts)
times <- data.frame(
  case = c(paste(names(texts), "in D = 3, two clusters beside one"),
           "counts of earlier stamps beside whole numbers", "1e6 stamps compared with 2: seconds"),
  ratio = sprintf("%.2f", c(best[k + length(k)] / best[k], best[["stamps"]] / best[["whole"]],
                            best[["join"]])))

keep("float32", errors, c(sprintf("N = 150 rows; %s.", paste(names(float32_forms), collapse = ", ")),
                          "", markdown(times),
                          "", sprintf("M = N = %g, float32, best of %d.", n, repetitions)))
