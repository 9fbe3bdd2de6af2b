# Shared by the scripts of bench/: the machine in words, timing, yardsticks, tables on disk.

suppressPackageStartupMessages(library(rkeops))

if (!file.exists("bench/common.R")) stop("run this from the root of the checkout")

threads <- as.integer(Sys.getenv("RKEOPS_BENCH_THREADS", min(2L, parallel::detectCores())))

# ---- the machine ------------------------------------------------------------------------------

cpu_field <- function(name) {
  if (!file.exists("/proc/cpuinfo")) return(NA_character_)
  line <- grep(paste0("^", name, "\\s*:"), readLines("/proc/cpuinfo"), value = TRUE)[1]
  sub("^[^:]*:\\s*", "", line)
}

compiler <- local({
  words <- system2(file.path(R.home("bin"), "R"), c("CMD", "config", "CC"), stdout = TRUE)
  strsplit(words, " ")[[1]][1]
})

machine <- function() {
  simd <- intersect(c("avx512f", "avx2", "sse2"), strsplit(cpu_field("flags"), " ")[[1]])[1]
  version <- system2(compiler, "--version", stdout = TRUE)[1]
  load <- if (file.exists("/proc/loadavg")) sub(" .*", "", readLines("/proc/loadavg")) else "?"
  c(paste("date:", format(Sys.time(), "%Y-%m-%d %H:%M", tz = "UTC"), "UTC"),
    paste0("CPU: ", cpu_field("model name"), " (family ", cpu_field("cpu family"), ", model ",
           cpu_field("model"), ", ", simd, "), ", parallel::detectCores(), " processors, ",
           threads, " threads used, load at the start ", load),
    paste0("compiler: ", version),
    paste0(R.version.string, ", rkeops ", packageVersion("rkeops"), ", ", R.version$platform))
}

# ---- time -------------------------------------------------------------------------------------

# Finer than proc.time, which counts milliseconds.
clock <- function() as.numeric(Sys.time())

seconds <- function(expression) {
  start <- clock()
  force(expression)
  clock() - start
}

# Runs every function of a named list `times` times in turn, so that a busy neighbour meets all
# of them; each returns its own time in seconds. Gives a matrix, one column per function.
alternate <- function(functions, times) {
  for (f in functions) f()
  t(sapply(seq_len(times), function(k) vapply(functions, function(f) f(), 0)))
}

best_and_median <- function(times) {
  rbind(best = apply(times, 2, min), median = apply(times, 2, stats::median))
}

# ---- yardsticks: C of bench/yardstick, compiled with the flags of the engine's kernels --------

kernel_flags <- c("-O2", "-march=native", "-fno-math-errno", "-fno-trapping-math",
                  "-ffp-contract=fast")

vector_bytes <- function() {
  flags <- strsplit(cpu_field("flags"), " ")[[1]]
  if ("avx512f" %in% flags) 64L else if ("avx" %in% flags) 32L else 16L
}

# Loads a yardstick with the given definitions; returns the native symbol.
yardstick <- function(file, symbol, definitions = NULL, bytes = vector_bytes()) {
  library <- tempfile("yardstick-", fileext = .Platform$dynlib.ext)
  given <- if (length(definitions)) paste0("-D", names(definitions), "=", definitions)
  status <- system2(compiler, c("-std=gnu11", kernel_flags, "-fPIC", "-shared", "-fopenmp",
                                paste0("-DVECTOR_BYTES=", bytes), given,
                                file.path("bench", "yardstick", file), "-o", shQuote(library)))
  if (status != 0) stop("the yardstick ", file, " does not compile")
  getNativeSymbolInfo(symbol, dyn.load(library))
}

# GFLOP/s of multiply-adds alone.
fma_peak <- local({
  loops <- list()
  function(precision) {
    if (is.null(loops[[precision]]))
      loops[[precision]] <<- yardstick("fmapeak.c", "yardstick_fmapeak",
                                       if (precision == "float64") c(FLOAT64 = 1))
    .C(loops[[precision]], threads, 0)[[2]]
  }
})

# ---- vectors, and the share of the slots in which their instructions are issued ----------------

widths <- c("AVX-512" = 64L, AVX2 = 32L)
widths <- widths[widths <= vector_bytes()]

# The programs that are made and run meanwhile have vectors of so many bytes.
with_vectors <- function(bytes, expression) {
  Sys.setenv(RKEOPS_VECTORS = bytes)
  on.exit(Sys.unsetenv("RKEOPS_VECTORS"))
  force(expression)
}

assembly <- function(source, bytes) {
  files <- tempfile(fileext = c(".c", ".s"))
  writeLines(source, files[1])
  narrow <- c("64" = "", "32" = "-mno-avx512f", "16" = "-march=x86-64")[[as.character(bytes)]]
  system2(compiler, c("-std=gnu11 -w -S -fPIC", kernel_flags, narrow, files[1], "-o", files[2]))
  readLines(files[2])
}

# First and last lines of the loops: jumps to what is above them.
loops_of <- function(lines) {
  labels <- grep("^\\.L[0-9]+:", lines)
  jumps <- grep("^\tj[a-z]+\t\\.L[0-9]+$", lines)
  start <- labels[match(sub(".*\t", "", lines[jumps]), sub(":.*", "", lines[labels]))]
  back <- !is.na(start) & start < jumps
  aggregate(end ~ start, data.frame(start = start[back], end = jumps[back]), max)
}

# Vector instructions of the loop over columns, loads and stores aside: the one that has most of them
# outside of loops in it, or the one around that. A loop over components in it, where it is not
# unrolled, counts `trips` times.
loop_operations <- function(lines, trips) {
  loops <- loops_of(lines)
  rows <- seq_len(nrow(loops))
  inside <- outer(rows, rows, function(a, b) {
    loops$start[b] > loops$start[a] & loops$end[b] <= loops$end[a]
  })
  counts <- grepl("^\t[a-z0-9]+\t.*%[xyz]mm", lines) &
    !grepl("^\tv?(mov|broadcast[a-z0-9]*\t[^%]*\\()", lines)
  own <- vapply(rows, function(k) {
    lines_of <- function(l) loops$start[l]:loops$end[l]
    sum(counts[setdiff(lines_of(k), unlist(lapply(which(inside[k, ]), lines_of)))])
  }, 0)
  most <- which.max(own)
  if (trips == 1) return(own[most])
  within <- which(inside[most, ])
  if (length(within)) return(own[most] + trips * max(own[within]))
  around <- which(inside[, most])
  own[around[which.max(loops$start[around])]] + trips * own[most]
}

# Vector instructions for a vector of pairs, over all passes of an operator that walk over pairs.
vector_operations <- function(op, bytes, trips = 1) {
  text <- with_vectors(bytes, paste(keops_source(op), collapse = "\n"))
  passes <- paste0("/* rkeops\n", strsplit(text, "/* rkeops\n", fixed = TRUE)[[1]][-1])
  passes <- passes[!grepl("* pairs: 0 steps", passes, fixed = TRUE)]
  sum(vapply(passes, function(source) {
    tile <- regmatches(source, regexec("tile: ([0-9]+) x ([0-9]+) vec", source))[[1]][-1]
    loop_operations(assembly(source, bytes), trips) / prod(as.integer(tile))
  }, 0))
}

# What a kernel issues of the vector instructions that could be issued in its time: those that the
# compiler made for a pair (counted in its loop over columns; rare branches in it count as if always
# taken), times pairs per second, in relation to what independent multiply-adds and additions of the
# same width reach in the same run. What is missing are latencies, loads and other instructions.
slot_share <- function(op, bytes, precision, pairs_per_second, trips = 1) {
  lanes <- bytes / if (precision == "float64") 8 else 4
  vector_operations(op, bytes, trips) * pairs_per_second / lanes / slots(bytes)
}

# Of a second, on all threads: the best of half a second of tries, once for each width.
slots <- local({
  known <- list()
  function(bytes) {
    name <- as.character(bytes)
    if (is.null(known[[name]])) {
      loop <- yardstick("slots.c", "yardstick_slots", bytes = bytes)
      known[[name]] <<- max(replicate(40, .C(loop, threads, 0)[[2]]))
    }
    known[[name]]
  }
})

slots_note <- paste("Slots: the share of the vector instructions that could be issued in that",
                    "time, see `slot_share` in bench/common.R.")
# The functions of a named list, and after them the same with narrower vectors: "NAME.AVX2".
with_narrower <- function(functions) {
  c(functions, unlist(lapply(functions, function(f) {
    lapply(widths[-1], function(bytes) function() with_vectors(bytes, f()))
  })))
}

# Columns of a table: for each width of vectors pairs per second and their share of the slots.
# `rates`: best ones, of what `with_narrower` made of functions that run `ops`, a named list.
width_columns <- function(rates, ops, precision, trips = 1) {
  do.call(cbind, lapply(seq_along(widths), function(k) {
    width <- names(widths)[k]
    rate <- rates[if (k == 1) names(ops) else paste(names(ops), width, sep = ".")]
    share <- mapply(slot_share, ops, widths[[k]], precision, rate, trips)
    stats::setNames(data.frame(sprintf("%.2f", rate / 1e9), percent(share)),
                    paste(width, c("(Gpair/s)", "slots")))
  }))
}

percent <- function(share) sprintf("%.0f %%", 100 * share)

use_precision <- function(precision) {
  if (precision == "float64") rkeops_use_float64() else rkeops_use_float32()
}

# ---- memory -------------------------------------------------------------------------------------

status_megabytes <- function(field, pid = "self") {
  line <- grep(paste0("^", field, ":"), readLines(file.path("/proc", pid, "status")), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# ---- results ----------------------------------------------------------------------------------

markdown <- function(table) {
  cells <- rbind(names(table), rep("---", ncol(table)), as.matrix(format(table, trim = TRUE)))
  apply(cells, 1, function(row) paste0("| ", paste(row, collapse = " | "), " |"))
}

# Prints a table and keeps it in bench/results/NAME-DATE.md with the machine and the notes.
keep <- function(name, table, notes = NULL) {
  folder <- file.path("bench", "results")
  dir.create(folder, showWarnings = FALSE)
  file <- file.path(folder, paste0(name, "-", format(Sys.Date()), ".md"))
  lines <- c(paste("#", name), "", paste("*", machine_at_start), "", markdown(table), "", notes)
  writeLines(lines, file)
  writeLines(lines)
  cat("\nwritten to", file, "\n")
}

if (identical(Sys.getenv("RKEOPS_BENCH_KEEP_CACHE"), ""))
  Sys.setenv(R_USER_CACHE_DIR = tempfile("bench-cache-"))   # every run starts without kernels
invisible(rkeops_use_cpu(ncore = threads))
machine_at_start <- machine()
