# A map from 1000 earthquakes, then ten thousand million kernel values.
#
#     Rscript demo.R [picture]          writes demo.png in the current folder
#
# 1. Kernel regression (Nadaraya-Watson) of the depth of the earthquakes in datasets::quakes,
#
#        depth(p) = sum_j k(p, q_j) depth_j / sum_j k(p, q_j),  k(p, q) = exp(-|p - q|^2 / (2 h^2)),
#
#    with the bandwidth h chosen by leave-one-out cross-validation, evaluated on a fine grid, drawn
#    as a map and compared with dense matrices on a sample of rows.
# 2. The product of a 1e5 x 1e5 Gaussian kernel matrix, never stored, with a vector.
#
# In float64, the default precision on a CPU; the product in float32, too.

library(rkeops, warn.conflicts = FALSE)

km_per_degree <- 111.2
middle_latitude <- -23
tolerance <- c(float64 = 1e-8, float32 = 1e-4)  # results are far below it

kilometres <- function(long, lat) {
  cbind(long * cos(middle_latitude * pi / 180), lat) * km_per_degree
}

# One row per point: sum of the weights, and sum of the weights times the values.
weighted_sums <- function(points, sites, values, h) {
  K_ij <- exp(-sum((Vi(points) - Vj(sites))^2) / (2 * h^2))
  K_ij %*% Vj(cbind(1, values))
}

weighted_sums_dense <- function(points, sites, values, h) {
  squared <- outer(rowSums(points^2), rowSums(sites^2), "+") - 2 * tcrossprod(points, sites)
  exp(-squared / (2 * h^2)) %*% cbind(1, values)
}

leave_one_out_error <- function(sites, values, h) {
  sums <- weighted_sums(sites, sites, values, h)
  rest <- pmax(sums[, 1] - 1, 1e-6)                 # without the point itself, whose weight is 1
  sqrt(mean(((sums[, 2] - values) / rest - values)^2))
}

relative_difference <- function(a, b) max(abs(a - b)) / max(abs(b))

# Stops when it is more than rounding explains.
report_difference <- function(precision, rows, difference) {
  cat(sprintf("  against dense R on %d rows: largest relative difference %.1e (%s)\n", rows,
              difference, precision))
  if (difference > tolerance[[precision]])
    stop("results differ from dense R by more than ", tolerance[[precision]])
}

peak_memory <- function() {
  status <- "/proc/self/status"
  if (!file.exists(status)) return(NA_real_)
  line <- grep("^VmHWM:", readLines(status), value = TRUE)
  as.numeric(gsub("[^0-9]", "", line)) / 1024
}

# ---- the picture ------------------------------------------------------------------------------

map_inches <- function(long, lat, width = 6) {
  middle <- cos(mean(range(lat)) * pi / 180)
  c(width, width * diff(range(lat)) / (diff(range(long)) * middle))
}

open_png <- function(file, inches) {
  if (!capabilities("png")) stop("this R cannot write PNG files: see capabilities()")
  type <- if (capabilities("cairo")) "cairo" else getOption("bitmapType")
  margins <- c(0.75, 0.85, 0.95, 1.15)
  png(file, width = inches[1] + sum(margins[c(2, 4)]), height = inches[2] + sum(margins[c(1, 3)]),
      units = "in", res = 180, type = type)
  par(mai = margins, las = 1, mgp = c(2.5, 0.6, 0), tcl = -0.3)
}

# Colours fade to the background where no earthquake is near.
faded <- function(depth, weight, palette, breaks) {
  colour <- col2rgb(palette[findInterval(depth, breaks, all.inside = TRUE)])
  paper <- col2rgb("grey97")[, 1]
  alpha <- pmin(1, weight / 0.3)
  mixed <- t(colour) * alpha + outer(1 - alpha, paper)
  rgb(mixed[, 1], mixed[, 2], mixed[, 3], maxColorValue = 255)
}

colour_bar <- function(palette, breaks, usr) {
  width <- usr[2] - usr[1]
  height <- usr[4] - usr[3]
  left <- usr[2] + 0.04 * width
  right <- usr[2] + 0.075 * width
  bottom <- usr[3] + 0.15 * height
  top <- usr[4] - 0.15 * height
  rasterImage(as.raster(palette), left, bottom, right, top, xpd = NA)  # shallow at the top
  rect(left, bottom, right, top, border = "grey30", xpd = NA)
  marks <- seq(0, 700, by = 100)
  at <- top - marks / 700 * (top - bottom)
  segments(right, at, right + 0.01 * width, at, col = "grey30", xpd = NA)
  text(right + 0.02 * width, at, marks, adj = 0, cex = 0.8, xpd = NA)
  text(left, top + 0.03 * height, "depth (km)", adj = 0, cex = 0.8, xpd = NA)
}

point_size <- function(magnitude) 0.45 + 0.5 * (magnitude - 4)

draw_map <- function(file, long, lat, sums, h) {
  depth <- matrix(sums[, 2] / sums[, 1], length(long))
  weight <- matrix(sums[, 1], length(long))
  palette <- hcl.colors(256, "Inferno", rev = TRUE)
  breaks <- seq(0, 700, length.out = length(palette) + 1)
  colours <- matrix(faded(depth, weight, palette, breaks), length(long))
  usr <- c(range(long), range(lat))
  open_png(file, map_inches(long, lat))
  on.exit(dev.off())
  plot(NA, xlim = usr[1:2], ylim = usr[3:4], xaxs = "i", yaxs = "i", axes = FALSE,
       xlab = "longitude (degrees east)", ylab = "latitude (degrees)")
  rasterImage(as.raster(t(colours)[rev(seq_along(lat)), ]), usr[1], usr[3], usr[2], usr[4])
  points(quakes$long, quakes$lat, pch = 21, cex = point_size(quakes$mag), lwd = 0.5,
         bg = palette[findInterval(quakes$depth, breaks, all.inside = TRUE)],
         col = ifelse(quakes$depth < 350, "grey25", "grey90"))
  depth[weight < 0.5] <- NA
  contour(long, lat, depth, levels = seq(100, 600, 100), add = TRUE, lwd = 1.2, labcex = 0.8,
          col = rep(c("grey10", "white"), each = 3), method = "flattest")
  axis(1, col = "grey30")
  axis(2, col = "grey30")
  box(col = "grey30")
  colour_bar(palette, breaks, usr)
  title("How deep do earthquakes start near Fiji and Tonga?", cex.main = 1.15, line = 1.9)
  mtext(sprintf("kernel regression of %d earthquakes (datasets::quakes), bandwidth %.0f km",
                nrow(quakes), h), line = 0.7, cex = 0.8, col = "grey30")
  legend("bottomleft", legend = paste("magnitude", 4:6), pch = 21, pt.bg = "grey80",
         col = "grey25", pt.cex = point_size(4:6), cex = 0.8, bg = "white",
         box.col = "grey60", inset = 0.02)
}

# ---- 1. kernel regression -----------------------------------------------------------------------

regression <- function(file) {
  sites <- kilometres(quakes$long, quakes$lat)
  bandwidths <- seq(15, 120, by = 5)
  errors <- vapply(bandwidths, function(h) leave_one_out_error(sites, quakes$depth, h), 0)
  h <- bandwidths[which.min(errors)]
  cat(sprintf("Kernel regression of the depth of %d earthquakes (datasets::quakes)\n",
              nrow(quakes)))
  cat(sprintf("  bandwidth by leave-one-out: %g km, error %.0f km (standard deviation %.0f km)\n",
              h, min(errors), sd(quakes$depth)))

  long <- seq(176.5, 189, length.out = 450)
  lat <- seq(-30, -14, length.out = 600)
  grid <- kilometres(rep(long, length(lat)), rep(lat, each = length(long)))
  time <- system.time(sums <- weighted_sums(grid, sites, quakes$depth, h))[["elapsed"]]
  cat(sprintf("  map of %d points, %g kernel values: %.2f s\n",
              nrow(grid), nrow(grid) * nrow(sites), time))

  some <- sort(sample(nrow(grid), 1000))
  difference <- relative_difference(sums[some, ],
                                    weighted_sums_dense(grid[some, ], sites, quakes$depth, h))
  report_difference("float64", length(some), difference)

  draw_map(file, long, lat, sums, h)
  cat(sprintf("  picture: %s\n", normalizePath(file)))
}

# ---- 2. a large Gaussian product ----------------------------------------------------------------

large_product <- function(n = 1e5) {
  x <- matrix(rnorm(n * 3), ncol = 3)
  y <- matrix(rnorm(n * 3), ncol = 3)
  b <- matrix(rnorm(n), ncol = 1)
  K_ij <- exp(-sum((Vi(x) - Vj(y))^2))               # symbolic: nothing is computed
  threads <- sub("^threads: ([0-9]+).*", "\\1", grep("^threads:", rkeops_sitrep(), value = TRUE))
  cat(sprintf("\nGaussian product, %g x %g, dimension 3 (dense: %.0f GB)\n", n, n, 8 * n^2 / 1e9))
  some <- sample(n, 50)
  squared <- outer(rowSums(x[some, ]^2), rowSums(y^2), "+") - 2 * tcrossprod(x[some, ], y)
  expected <- exp(-squared) %*% b
  for (precision in names(tolerance)) {
    product <- function() sum(K_ij * Vj(b), "j", precision = precision)
    first <- system.time(a <- product())[["elapsed"]]
    again <- system.time(a <- product())[["elapsed"]]
    cat(sprintf("  %s: %.2f s with the compile, %.2f s without, on %s threads: %.3ge9 pairs/s\n",
                precision, first, again, threads, n^2 / again / 1e9))
    report_difference(precision, length(some),
                      relative_difference(a[some, , drop = FALSE], expected))
  }
  cat(sprintf("  peak memory of this R process: %.0f MB\n", peak_memory()))
}

arguments <- commandArgs(trailingOnly = TRUE)
set.seed(1)
rkeops_use_float64()
regression(if (length(arguments)) arguments[1] else "demo.png")
large_product()
