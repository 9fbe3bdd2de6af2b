# One case of bench/models.R in a process of its own: DATASET METHOD. Fits, predicts, and prints what
# was measured, NAME=VALUE by tabs; or missing=PACKAGE. A process starts with an empty kernel cache:
# the times of rkeops include its compiler.
#
#     R_LIBS=.library Rscript bench/models_case.R co2 gp-vecchia

source("bench/common.R")
source("bench/models_data.R")

response <- function(data) stats::as.formula(paste(names(data)[1], "~ ."))

variables <- function(data) as.matrix(data[-1])

first_rows <- function(data, n) data[seq_len(min(n, nrow(data))), ]

# ---- rkeops ---------------------------------------------------------------------------------------

# One length scale for each variable where there are more than two.
own_kernel <- function(data) kernel_matern(3 / 2, ard = ncol(data) > 3)

ridge_on <- function(landmarks) list(
  needs = "rkeops::kernel_ridge",
  fit = function(data)
    kernel_ridge(response(data), data, kernel = own_kernel(data), landmarks = landmarks, seed = 1),
  predict = function(fit, new) list(mean = stats::predict(fit, new)))

# The same with length scales and a ridge that were chosen before, on a part of the rows.
ridge_as_chosen <- function(landmarks) {
  chosen <- NULL
  list(
    needs = "rkeops::kernel_ridge",
    prepare = function(data)
      chosen <<- kernel_ridge(response(data), first_rows(data, 20000), kernel = own_kernel(data),
                              landmarks = 1000, seed = 1),
    fit = function(data)
      kernel_ridge(response(data), data, kernel = chosen$kernel, ridge = chosen$ridge, landmarks = landmarks,
                   seed = 1),
    predict = function(fit, new) list(mean = stats::predict(fit, new)))
}

process <- function(method, rows = Inf) list(
  needs = "rkeops::gp",
  fit = function(data)
    gp(response(data), first_rows(data, rows), kernel = own_kernel(data), method = method),
  predict = function(fit, new) {
    out <- stats::predict(fit, new, se = TRUE, interval = "prediction")
    list(mean = out$fit, sd = (out$upper - out$lower) / (2 * stats::qnorm(0.975)))
  },
  note = function(fit) {
    found <- stats::coef(fit, "covariance")
    sprintf("%s, log likelihood %.1f, %d evaluations", paste(names(found), signif(found, 3), collapse = ", "),
            as.numeric(stats::logLik(fit)), as.integer(fit$evaluations[1]))
  })

neighbours <- list(
  needs = "rkeops::knn_regression",
  fit = function(data) knn_regression(response(data), data, k = 10),
  predict = function(fit, new) list(mean = stats::predict(fit, new)))

# ---- peers ----------------------------------------------------------------------------------------

linear <- list(
  needs = "stats::lm",
  fit = function(data) stats::lm(response(data), data),
  predict = function(fit, new) {
    out <- stats::predict(fit, new, se.fit = TRUE)
    list(mean = out$fit, sd = sqrt(out$se.fit^2 + out$residual.scale^2))
  })

# A smooth of each variable, or the one that is given.
additive <- function(smooth = NULL) list(
  needs = "mgcv::bam",
  fit = function(data) {
    if (is.null(smooth)) {
      levels <- vapply(data[-1], function(v) length(unique(v)), 0L)
      smooth <- paste(sprintf("s(%s, k = %d)", names(levels), pmin(20L, levels)), collapse = " + ")
    }
    s <- mgcv::s
    mgcv::bam(stats::as.formula(paste(names(data)[1], "~", smooth)), data = data, discrete = TRUE,
              nthreads = threads)
  },
  predict = function(fit, new) {
    out <- stats::predict(fit, new, se.fit = TRUE, discrete = FALSE)
    list(mean = as.vector(out$fit), sd = sqrt(as.vector(out$se.fit)^2 + fit$sig2))
  })

forest <- list(
  needs = "ranger::ranger",
  fit = function(data)
    ranger::ranger(response(data), data, num.trees = 200, num.threads = threads, seed = 1),
  predict = function(fit, new) list(mean = stats::predict(fit, new, num.threads = threads)$predictions))

# Matern 3/2 and a linear drift; likelihood by the package's own search.
spatial_process <- function(rows) list(
  needs = "fields::spatialProcess",
  fit = function(data) {
    suppressPackageStartupMessages(library(fields))
    few <- first_rows(data, rows)
    fields::spatialProcess(variables(few), few[[1]],
                           cov.args = list(Covariance = "Matern", smoothness = 1.5))
  },
  predict = function(fit, new) {
    x <- variables(new)
    list(mean = as.vector(stats::predict(fit, x)),
         sd = sqrt(fields::predictSE(fit, x)^2 + fit$summary[["tau"]]^2))
  },
  note = function(fit)
    sprintf("length scale %.4g, noise %.3g of the process's variance, log likelihood %.1f",
            sqrt(3) * fit$summary[["aRange"]], fit$summary[["lambda"]], fit$summary[["lnProfileLike.FULL"]]))

# ---- cases ----------------------------------------------------------------------------------------

both <- list(lm = linear, bam = additive(), ranger = forest, "knn" = neighbours,
             "ridge-1000" = ridge_on(1000), "ridge-5000" = ridge_on(5000),
             "ridge-5000-given" = ridge_as_chosen(5000))

cases <- list(
  flights = both,
  co2 = list(bam = additive("s(lon, lat, k = 500)"), knn = neighbours,
             "fields-1000" = spatial_process(1000), "fields-2000" = spatial_process(2000),
             "gp-dense-1000" = process("dense", 1000), "gp-dense-2000" = process("dense", 2000),
             "gp-dense-5000" = process("dense", 5000), "gp-exact-20000" = process("iterative", 20000),
             "gp-vecchia" = process("vecchia")),
  diamonds = c(both, list("gp-vecchia" = process("vecchia"), "gp-dense-5000" = process("dense", 5000))))

# Whether a function "package::name" can be had.
is_there <- function(name) {
  parts <- strsplit(name, "::")[[1]]
  requireNamespace(parts[1], quietly = TRUE) && exists(parts[2], asNamespace(parts[1]), inherits = FALSE)
}

timed <- function(code) {
  start <- proc.time()
  value <- force(code)
  spent <- proc.time() - start
  list(value = value, seconds = spent[["elapsed"]], processor = sum(spent[c(1, 2)]))
}

measure <- function(case, data) {
  if (!is.null(case$prepare)) case$prepare(data$train)
  fit <- timed(case$fit(data$train))
  predicted <- timed(case$predict(fit$value, data$test))
  out <- c(fit = fit$seconds, processor = fit$processor, predict = predicted$seconds,
           scores(data$test[[1]], predicted$value$mean, predicted$value$sd),
           megabytes = status_megabytes("VmHWM"))
  c(sprintf("%s=%.10g", names(out), out), if (!is.null(case$note)) paste0("note=", case$note(fit$value)))
}

given <- commandArgs(trailingOnly = TRUE)
case <- cases[[given[1]]][[given[2]]]
data <- list(flights = flights_data, co2 = co2_data, diamonds = diamonds_data)[[given[1]]]
cat(if (is_there(case$needs)) measure(case, data()) else paste0("missing=", case$needs), sep = "\t")
cat("\n")
