# Is there a function, a bandwidth or a reduction that is much slower than its neighbours, or a
# kernel that narrower vectors slow down by more than their width?
#
#     Rscript bench/cliffs.R LIBRARY [LIBRARY ...]
#
# Three tables by bench/turns.R, one thread: each function of the vocabulary beside exp; sums
# against the bandwidth, exp(-s |x - y|^2) for points of the unit cube, beside s = 1; and kernels
# with the vectors of AVX-512, AVX2 and SSE2, as far as the processor has them, of the last library.
# A library is one in which rkeops is installed; RKEOPS_VECTORS=32:LIBRARY takes AVX2's vectors for
# the first two tables. RKEOPS_BENCH_TABLES=vectors makes the third only.

source("bench/common.R")

builds <- commandArgs(trailingOnly = TRUE)
if (!length(builds)) builds <- dirname(find.package("rkeops"))
rounds <- Sys.getenv("RKEOPS_BENCH_ROUNDS", "3")
turns <- function(cases, builds) {
  kept <- tempfile(fileext = ".rds")
  status <- system2(file.path(R.home("bin"), "Rscript"),
                    c("bench/turns.R", cases, builds, paste0("--rounds=", rounds),
                      paste0("--keep=", kept)), stdout = FALSE)
  if (status != 0) stop("the cases did not run")
  readRDS(kept)
}
rounds_text <- sprintf("best of %s rounds of 3, processor time of one thread; in brackets,", rounds)
measured <- paste("Seconds,", rounds_text, "as a multiple of")

# Each kernel with each width of vectors: pairs per second, and their share of the issue slots.
threads <- 1L   # as in turns.R
source("bench/cases/vectors.R")
pairs <- ifelse(grepl("D = 100", names(cases)), 1.6e7, 1e8)
trips <- ifelse(grepl("D = 100", names(cases)), 100, 1)
precisions <- sub(".* ", "", names(cases))
shares <- function(bytes, rates) {
  share <- function(case, ...) slot_share(environment(case)$op, bytes, ...)
  percent(mapply(share, cases, precisions, rates, trips))
}
all_widths <- c(widths, SSE2 = 16L)
where <- sub("^[A-Z_]+=[^:]*:", "", builds[length(builds)])
table <- turns("vectors", sprintf("RKEOPS_VECTORS=%d:%s", all_widths, where))
rates <- pairs / as.matrix(table[seq_along(all_widths) + 1])
cells <- do.call(cbind, lapply(seq_along(all_widths), function(k) {
  cells <- data.frame(sprintf("%.2f (%.2f)", rates[, k] / 1e9, rates[, 1] / rates[, k]),
                      shares(all_widths[[k]], rates[, k]))
  setNames(cells, paste(names(all_widths)[k], c("(Gpair/s)", "slots")))
}))
keep("cliffs-vectors", data.frame(kernel = table$case, cells, check.names = FALSE),
     c(paste0("Rates: ", rounds_text, " the time as a multiple of that with ",
              names(all_widths)[1], "."), slots_note))
if (identical(Sys.getenv("RKEOPS_BENCH_TABLES"), "vectors")) quit()

table <- turns("cliffs", builds)
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
           measured, "exp (functions) and of s = 1 (bandwidths).")
keep("cliffs-functions", both(function_rows), notes)
keep("cliffs-bandwidths", both(width_rows), notes)
