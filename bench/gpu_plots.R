# Draws what bench/gpu.sh measured, FOLDER/gpu-DATE.tsv, as FOLDER/gpu-DATE-N.png (time against the
# number of points) and FOLDER/gpu-DATE-D.png (share of the bound against their dimension).
#
#     Rscript bench/gpu_plots.R FOLDER/gpu-DATE.tsv ["title of the device"]

arguments <- commandArgs(trailingOnly = TRUE)
if (length(arguments) < 1) stop("usage: gpu_plots.R FILE.tsv [TITLE]")
measured <- utils::read.delim(arguments[1], stringsAsFactors = FALSE)
device <- if (length(arguments) > 1) paste0(", ", arguments[2]) else ""

colours <- c("rkeops" = "#0b5394", "rkeops, kernel" = "#0b5394", "rkeops, whole call" = "#6fa8dc",
             "PyKeOps" = "#b45f06", "PyTorch" = "#6a6a6a")

# A line for each, named at its right end; names that would overlap are moved apart.
draw_lines <- function(table, text_height) {
  who <- unique(table$who)
  ends <- vapply(who, function(name) {
    line <- table[table$who == name, ]
    line <- line[order(line$x), ]
    lines(line$x, line$value, col = colours[[name]], lwd = 2.5)
    points(line$x, line$value, col = colours[[name]], pch = 19, cex = 0.8)
    log10(line$value[nrow(line)])
  }, 0)
  place <- ends[order(ends)]
  for (pass in 1:50) for (k in seq_along(place)[-1]) {
    overlap <- max(0, place[k - 1] + text_height - place[k])
    place[k - (1:0)] <- place[k - (1:0)] + c(-0.5, 0.5) * overlap
  }
  last <- vapply(who, function(name) max(table$x[table$who == name]), 0)[names(place)]
  text(last, 10^place, names(place), col = colours[names(place)], pos = 4, xpd = NA, cex = 0.95)
}

# Ticks at 1, 2, 5 times powers of ten where there are few of them.
ticks <- function(range, fine) {
  powers <- 10^(floor(log10(range[1])):ceiling(log10(range[2])))
  at <- if (fine) sort(c(outer(c(1, 2, 5), powers))) else powers
  at[at >= range[1] & at <= range[2]]
}

draw <- function(file, table, title, xlab, ylab, xticks, yticks, xlabels, ylabels, limits) {
  grDevices::png(file, width = 1500, height = 1000, res = 170)
  on.exit(grDevices::dev.off())
  par(mar = c(4, 5.4, 2.6, 8), las = 1, mgp = c(2.7, 0.6, 0), tcl = -0.3, bty = "l")
  plot(range(table$x), limits, log = "xy", type = "n", axes = FALSE, xlab = xlab, ylab = "",
       main = "")
  abline(h = yticks, v = xticks, col = "#e8e8e8")
  axis(1, xticks, FALSE)
  mtext(xlabels, 1, 0.6, at = xticks)
  axis(2, yticks, ylabels)
  title(ylab = ylab, mgp = c(4.2, 0.6, 0))
  title(main = title, adj = 0, font.main = 1, cex.main = 1.1)
  draw_lines(table, diff(log10(limits)) * 0.05)
}

seconds_in_words <- function(s)
  ifelse(s >= 1, paste(s, "s"), ifelse(s >= 1e-3, paste(s * 1e3, "ms"), paste(s * 1e6, "us")))

plot_points <- function(table, file) {
  limits <- range(table$value) * c(0.8, 1.25)
  at <- ticks(limits, FALSE)
  powers <- ticks(range(table$x), FALSE)
  draw(file, table, paste0("Gaussian kernel product, D = 3, float32", device),
       "number of points, M = N", "time of one product", powers, at,
       parse(text = sprintf("10^%d", round(log10(powers)))), seconds_in_words(signif(at, 1)), limits)
}

plot_dimensions <- function(table, file) {
  limits <- c(min(table$value) * 0.8, max(1, table$value))
  at <- ticks(limits, TRUE)
  found <- sort(unique(table$x[table$who == "rkeops"]))
  # 500 and 784 alone would be closer than their names are wide
  labels <- ifelse(found %in% c(3, 10, 32, 100, 200, 500, 1000), found, "")
  draw(file, table, paste0("Gaussian kernel product, M = N = 1e5, float32", device),
       "dimension of the points, D", "share of what the device can do", found, at, labels,
       paste0(signif(at * 100, 1), "%"), limits)
}

name <- sub("[.]tsv$", "", arguments[1])
plot_points(measured[measured$plot == "N", ], paste0(name, "-N.png"))
plot_dimensions(measured[measured$plot == "D", ], paste0(name, "-D.png"))
cat("written to ", name, "-N.png and ", name, "-D.png\n", sep = "")
