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
yardstick <- function(file, symbol, definitions = NULL) {
  library <- tempfile("yardstick-", fileext = .Platform$dynlib.ext)
  given <- if (length(definitions)) paste0("-D", names(definitions), "=", definitions)
  status <- system2(compiler, c("-std=gnu11", kernel_flags, "-fPIC", "-shared", "-fopenmp",
                                paste0("-DVECTOR_BYTES=", vector_bytes()), given,
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
