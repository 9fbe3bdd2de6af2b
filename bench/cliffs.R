# Is there a function, a bandwidth or a reduction that is much slower than its neighbours?
#
#     Rscript bench/cliffs.R LIBRARY [LIBRARY ...]
#
# Two tables by bench/turns.R, one thread: each function of the vocabulary beside exp, and sums
# against the bandwidth, exp(-s |x - y|^2) for points of the unit cube, beside s = 1. A library is
# one in which rkeops is installed; RKEOPS_VECTORS=32:LIBRARY measures it with AVX2's vectors.

source("bench/common.R")

builds <- commandArgs(trailingOnly = TRUE)
if (!length(builds)) builds <- dirname(find.package("rkeops"))
kept <- tempfile(fileext = ".rds")
rounds <- Sys.getenv("RKEOPS_BENCH_ROUNDS", "3")
status <- system2(file.path(R.home("bin"), "Rscript"),
                  c("bench/turns.R", "cliffs", builds, paste0("--rounds=", rounds),
                    paste0("--keep=", kept)), stdout = FALSE)
if (status != 0) stop("the cases did not run")
table <- readRDS(kept)
seconds_of <- as.matrix(table[seq_along(builds) + 1])
words <- strsplit(table$case, " ")
precision <- vapply(words, function(w) w[length(w)], "")
middle <- vapply(words, function(w) paste(w[-c(1, length(w))], collapse = " "), "")
label <- function(text) paste(text, if (length(builds) > 1) seq_along(builds) else "")

# "seconds (ratio to the row that is named `one`)" for each build.
beside <- function(rows, one) {
  ratio <- sweep(seconds_of[rows, , drop = FALSE], 2, seconds_of[one, ], "/")
  array(sprintf("%.3f (%.2f)", seconds_of[rows, ], ratio), dim(ratio))
}

function_rows <- function(p) {
  rows <- which(grepl("^f ", table$case) & precision == p)
  cells <- beside(rows, rows[middle[rows] == "exp"])
  data.frame(name = middle[rows], setNames(as.data.frame(cells), label(p)), check.names = FALSE)
}
width_rows <- function(p) {
  rows <- which(grepl("^w ", table$case) & precision == p)
  what <- sub(" [^ ]*$", "", middle[rows])
  of <- ifelse(grepl("^weights", what), "sum", ifelse(what == "far-row", "log-sum-exp", what))
  first <- rows[match(paste(of, 1), middle[rows])]
  cells <- do.call(rbind, Map(beside, rows, first))
  data.frame(name = middle[rows], setNames(as.data.frame(cells), label(p)), check.names = FALSE)
}
both <- function(f) merge(f("float64"), f("float32"), by = "name", sort = FALSE)

notes <- c(paste0("Build ", seq_along(builds), ": ",
                  ifelse(grepl("=", builds), sub(":.*", "", builds), "as installed"), "."),
           sprintf("Seconds, best of %s rounds of 3, one thread; in brackets, as a multiple of", rounds),
           "exp (functions) and of s = 1 (bandwidths).")
keep("cliffs-functions", both(function_rows), notes)
keep("cliffs-bandwidths", both(width_rows), notes)
