# Rscript tools/readme.R: writes what README.md says of speed, and the repository's address in it,
# from the newest tables of bench/results/ and from DESCRIPTION, and draws figures/speed.png.
# `readme_text()` gives the lines without writing them: a test holds the file against them.

# The newest table of a benchmark, all its cells as text, and the processor that it names.
read_results <- function(name, folder = "bench/results") {
  file <- max(dir(folder, paste0("^", name, "-[-0-9]+\\.md$"), full.names = TRUE))
  lines <- readLines(file)
  rows <- strsplit(sub("^\\|", "", grep("^\\|", lines, value = TRUE)), "\\|")
  rows <- lapply(rows, trimws)
  table <- as.data.frame(do.call(rbind, rows[-(1:2)]), stringsAsFactors = FALSE)
  names(table) <- rows[[1]]
  list(table = table, file = basename(file),
       processor = sub("^\\* CPU: ", "", grep("^\\* CPU: ", lines, value = TRUE)),
       day = sub(".*-(....-..-..)\\.md$", "\\1", file))
}

cell <- function(results, column, ...) {
  table <- results$table
  wanted <- list(...)
  for (name in names(wanted)) table <- table[table[[name]] == wanted[[name]], ]
  if (nrow(table) != 1L) stop(results$file, " has ", nrow(table), " rows of ", wanted[[1L]])
  table[[column]]
}

first_number <- function(text) as.numeric(sub("^[^0-9]*([0-9.]+).*", "\\1", text))

time_text <- function(seconds) {
  vapply(seconds, function(s) {
    if (s < 0.995) paste(format(signif(1e3 * s, 2), scientific = FALSE), "ms")
    else paste(format(signif(s, 2)), "s")
  }, "")
}

# What is compared: a task, the precision, the seconds of each tool.
comparisons <- function() {
  peers <- read_results("peers")
  python <- read_results("pykeops")
  tasks <- unique(peers$table$task)
  of_peers <- lapply(tasks, function(task) {
    rows <- peers$table[peers$table$task == task, ]
    data.frame(task = task, by = rows$by, seconds = as.numeric(rows$seconds))
  })
  of_python <- lapply(unique(python$table$task), function(task) {
    rows <- python$table[python$table$task == task, ]
    label <- sprintf("%s, N = %s", task, rows$N[1])
    data.frame(task = label,
               by = c(paste0("rkeops, ", rows$precision), paste0("PyKeOps, ", rows$precision)),
               seconds = first_number(c(rows$rkeops, rows$PyKeOps)) / 1e3)
  })
  list(peers = of_peers, python = of_python, files = c(peers$file, python$file),
       processor = python$processor, day = python$day)
}

# "AMD EPYC (family 26, model 2, avx512f), 2 processors, 2 threads used, ..." in fewer words.
processor_text <- function(text) {
  instructions <- c(avx512f = "AVX-512", avx2 = "AVX2", sse2 = "SSE2")
  set <- names(instructions)[vapply(names(instructions), grepl, NA, text)][1]
  sprintf("%s threads of an %s (%s)", sub(".* ([0-9]+) threads? used.*", "\\1", text),
          sub(" \\(.*", "", text), instructions[[set]])
}

rate <- function(results, case) {
  of <- function(precision) {
    text <- cell(results, "rkeops (Gpair/s)", case = case, precision = precision)
    sprintf(if (first_number(text) < 10) "%.1f" else "%.0f", first_number(text))
  }
  c(of("float64"), of("float32"))
}

speed_section <- function() {
  gauss <- read_results("gauss")
  latency <- read_results("latency")
  compared <- comparisons()
  python <- read_results("pykeops")$table
  sums <- python[grepl("^Gaussian|^log", python$task), ]
  ratios <- function(precision) {
    range <- range(as.numeric(sums$ratio[sums$precision == precision]))
    paste(range[1], "to", range[2])
  }
  loops <- first_number(gauss$table$ratio)
  of_loops <- function(precision) {
    range <- range(loops[gauss$table$precision == precision])
    paste0(range[1], " to ", range[2], " %")
  }
  cases <- unique(gauss$table$case)
  rows <- vapply(cases, function(case) {
    rates <- rate(gauss, case)
    sprintf("| Gaussian product, %s | %s | %s |", case, rates[1], rates[2])
  }, "")
  first <- cell(latency, "median", what = "first call of a new formula")
  disk <- cell(latency, "median", what = "the same in a fresh R process, from the disk cache")
  again <- cell(latency, "median", what = "repeated call of an operator")
  c("![Time of rkeops, PyKeOps, dense R and kd-trees](figures/speed.png)", "",
    paste0("Whole calls from R on ", processor_text(gauss$processor), ", ", gauss$day, ":"), "",
    "| 1e9 pairs per second | float64, the default | float32 |", "|---|---|---|", unname(rows), "",
    paste0("That is ", of_loops("float64"), " (float64) and ", of_loops("float32"),
           " (float32) of a hand-written C loop."),
    paste0("Products and log-sum-exp are ", ratios("float64"), " (float64) and ", ratios("float32"),
           " (float32) times as fast as in PyKeOps on the same processors."),
    paste0("A new formula is compiled in ", time_text(first_number(first) / 1e3),
           ", found in the disk cache of another day in ", time_text(first_number(disk) / 1e3),
           "; a call with 100 points takes ", first_number(again), " microseconds."),
    paste0("Tables and methods: [bench/README.md](bench/README.md)."))
}

between <- function(lines, name, new) {
  start <- which(lines == paste0("<!-- ", name, ": by tools/readme.R -->"))
  end <- which(lines == paste0("<!-- end of ", name, " -->"))
  if (length(start) != 1L || length(end) != 1L) stop("README.md has no section ", name)
  c(lines[seq_len(start)], new, lines[end:length(lines)])
}

readme_text <- function() {
  lines <- readLines("README.md")
  address <- read.dcf("DESCRIPTION", "URL")[1]
  lines <- sub("git clone [^ ]+", paste("git clone", address), lines)
  between(lines, "speed", speed_section())
}

# ---- the picture ------------------------------------------------------------------------------

shade <- function(by) {
  ifelse(by == "rkeops, float64", "#1b5e8a", ifelse(by == "rkeops, float32", "#6fb1d8", "#b9b4a6"))
}

draw_bars <- function(part) {
  part <- part[order(-part$seconds), ]
  reach <- range(part$seconds)
  start <- 10^floor(log10(reach[1]) - 0.2)
  places <- barplot(log10(part$seconds / start), horiz = TRUE, names.arg = part$by, las = 1,
                    col = shade(part$by), border = NA, axes = FALSE, main = part$task[1],
                    xlim = c(0, log10(reach[2] / start) + 0.9), cex.names = 0.95)
  text(log10(part$seconds / start), places, time_text(part$seconds), pos = 4, cex = 0.95)
}

draw_speed <- function(file) {
  compared <- comparisons()
  parts <- c(compared$python[c(1, 3)], compared$peers)
  grDevices::png(file, width = 1000, height = 620, res = 100)
  old <- par(mfrow = c(3, 2), mar = c(1, 8.5, 2.2, 1), cex.main = 1, font.main = 1)
  for (part in parts) draw_bars(part)
  plot.new()
  text(0, 0.8, paste0("Time of a whole call, scale logarithmic.\n",
                      processor_text(compared$processor), ",\n",
                      "kd-trees (RANN, FNN) on one thread.\n",
                      paste(compared$files, collapse = ", ")), adj = c(0, 1), cex = 0.95)
  par(old)
  invisible(grDevices::dev.off())
}

if (sys.nframe() == 0L) {
  text <- readme_text()
  writeLines(text, "README.md")
  draw_speed("figures/speed.png")
}
