# Several builds of the package, or several settings of one, beside each other on the same cases.
#
#     Rscript bench/turns.R CASES BUILD [BUILD ...] [--rounds=5] [--only=PATTERN]
#
# CASES is a file of bench/cases/ without ".R": it defines `cases`, a named list of functions that
# are called without arguments; what is timed is the second and later calls, the best of three. A
# BUILD is a library in which rkeops is installed, or NAME=VALUE:LIBRARY to set an environment
# variable as well. In each round every build runs all cases once, in a process of its own, one
# after the other: a busy neighbour meets all of them. Ratios are those of the best times to the
# first build's.

arguments <- commandArgs(trailingOnly = TRUE)
option <- function(name, default) {
  given <- grep(paste0("^--", name, "="), arguments, value = TRUE)
  if (length(given)) sub("^[^=]*=", "", given[1]) else default
}
words <- grep("^--", arguments, value = TRUE, invert = TRUE)

# Of one thread processor time is taken, which other work on the machine lengthens least; R counts
# it in milliseconds, so short calls are timed several at once and long ones but once.
threads <- as.integer(Sys.getenv("RKEOPS_BENCH_THREADS", "1"))
clock <- function() if (threads == 1) sum(proc.time()[1:2]) else as.numeric(Sys.time())
seconds <- function(f, times) {
  start <- clock()
  for (k in seq_len(times)) f()
  (clock() - start) / times
}
best_of <- function(f) {
  f()
  first <- seconds(f, 1)
  times <- ceiling(0.06 / max(first, 1e-3))
  if (first > 0.3) first else min(vapply(1:3, function(k) seconds(f, times), 0))
}

if (option("worker", "") != "") {
  suppressPackageStartupMessages(library(rkeops))
  invisible(rkeops_use_cpu(ncore = threads))
  set.seed(1)
  source(file.path("bench", "cases", paste0(words[1], ".R")))
  chosen <- cases[grepl(option("only", ""), names(cases))]
  saveRDS(vapply(chosen, best_of, 0), option("worker", ""))
  quit()
}

library_of <- function(build) sub("^[A-Z_]+=[^:]*:", "", build)
setting_of <- function(build) if (grepl("^[A-Z_]+=", build)) sub(":.*", "", build)

run <- function(build, cache) {
  out <- tempfile(fileext = ".rds")
  environment <- c(paste0("R_LIBS=", library_of(build)), paste0("R_USER_CACHE_DIR=", cache),
                   setting_of(build))
  status <- system2("Rscript", c("bench/turns.R", words[1], paste0("--worker=", out),
                                 paste0("--only=", shQuote(option("only", "")))), env = environment)
  if (status != 0) stop("the cases did not run with ", build)
  readRDS(out)
}

builds <- words[-1]
caches <- replicate(length(builds), tempfile("turns-cache-"))
rounds <- as.integer(option("rounds", "5"))
times <- lapply(builds, function(build) NULL)
for (round in seq_len(rounds)) {
  for (k in seq_along(builds)) times[[k]] <- rbind(times[[k]], run(builds[k], caches[k]))
}
best <- sapply(times, function(t) apply(t, 2, min))
table <- data.frame(case = colnames(times[[1]]), best, row.names = NULL)
names(table)[-1] <- paste0("build ", seq_along(builds), " (s)")
for (k in seq_along(builds)[-1]) table[[paste0(k, " : 1")]] <- best[, k] / best[, 1]
print(format(table, digits = 3), row.names = FALSE)
if (option("keep", "") != "") saveRDS(table, option("keep", ""))
