# The research methods of inst/examples, each in one run beside a peer where there is one: mclust, Rtsne,
# uwot (r-cran-mclust, r-cran-rtsne, r-cran-uwot), and for the registration an adjoint by hand.
#
#     R_LIBS=.library Rscript bench/methods.R
#
# What is not installed is left out. All times are processor times, as machines are busy: of registration
# and steps of t-SNE on one thread, the best of five; of the others those of a whole run, compile included.
#
#     RKEOPS_BENCH_CASES='mixture|tsne'   those whose name has this expression

source("bench/common.R")
source("tests/testthat/helper-registration.R")
wanted <- Sys.getenv("RKEOPS_BENCH_CASES", ".")
has <- function(package) requireNamespace(package, quietly = TRUE)

# What a script has made, and its processor time, with its checks.
run_example <- function(name) {
  made <- new.env()
  made$processor <- processor_seconds(
    sys.source(file.path("inst", "examples", paste0(name, ".R")), made))
  made
}

best_of_five <- function(code) {
  code()
  min(replicate(5, processor_seconds(code())))
}

line <- function(method, seconds, peer = "", its = NA, goal = "")
  data.frame(method = method, rkeops = time_text(seconds), peer = peer,
             "its time" = if (is.na(its)) "" else time_text(its), goal = goal, check.names = FALSE)

time_text <- function(t) ifelse(t < 1, sprintf("%.0f ms", 1e3 * t), sprintf("%.1f s", t))

verdict <- function(text, is_met) paste0(text, if (is_met) ", met" else ", missed")

processor_seconds <- function(code) {
  start <- proc.time()
  force(code)
  sum((proc.time() - start)[1:2])
}

cases <- list(
  registration = function() {
    invisible(rkeops_use_cpu(ncore = 1))
    on.exit(rkeops_use_cpu(ncore = threads))
    problem <- registration(642)
    p <- problem$start / 20
    loop <- function(step, state, n) {
      for (k in seq_len(n)) state <- step(state)
      state
    }
    times <- best_and_median(alternate(list(
      hand = function() processor_seconds(problem$by_hand(p)),
      steps = function() processor_seconds(value_and_gradient(problem$loss, p)),
      loop = function() processor_seconds(value_and_gradient(function(p) problem$loss(p, loop), p))),
      5))["best", ]
    row <- function(name, time) {
      ratio <- time / times[["hand"]]
      line(name, time, "adjoint by hand", times[["hand"]],
           paste(verdict("0.1 s", time <= 0.1), verdict(sprintf("1.5 times (%.1f)", ratio), ratio <= 1.5),
                 sep = "; "))
    }
    rbind(row("registration of 642 vertices, loss and gradient, run_steps()", times[["steps"]]),
          row("the same, the steps in a loop", times[["loop"]]))
  },
  mixture = function() {
    made <- run_example("mixture")
    name <- sprintf("50 Gaussians, %d points, %d gradients", made$n, made$fit$counts[[2]])
    if (!has("mclust")) return(line(name, made$processor))
    suppressPackageStartupMessages(library(mclust))
    its <- processor_seconds(fit <- Mclust(made$x, G = 50, modelNames = "VVV", verbose = FALSE))
    likelihood <- mean(do.call(made$log_density, made$o$restore(made$fit$par)))
    cat(sprintf("log-likelihood of a point: %.3f with the prior, mclust %.3f\n", likelihood,
                fit$loglik / made$n))
    line(name, made$processor, "mclust, EM until it converges", its)
  },
  tsne = function() {
    made <- run_example("tsne")
    rkeops_use_cpu(ncore = 1)
    step <- best_of_five(function() gradient(made$loss, made$y))
    rkeops_use_cpu(ncore = threads)
    rows <- line("t-SNE of 5000 points, exact, a step on one thread", step, goal = verdict("60 ms", step <= 0.06))
    if (has("Rtsne")) {
      time <- function(steps, theta)
        processor_seconds(Rtsne::Rtsne(made$x, pca = FALSE, theta = theta, max_iter = steps))
      exact <- (time(15, 0) - time(5, 0)) / 10
      rows <- rbind(rows, line("the same", step, "Rtsne, exact", exact),
                    line("t-SNE of 5000 points, 300 steps", made$processor, "Rtsne, Barnes-Hut", time(300, 0.5)))
    }
    if (has("uwot"))
      rows <- rbind(rows, line("the same", made$processor, "uwot::umap(), as it is",
                               processor_seconds(uwot::umap(made$x, n_threads = 1))))
    rows
  },
  sinkhorn = function() line("Sinkhorn flow, 1000 points, 10 gradients", run_example("sinkhorn")$processor),
  hyperbolic = function() line("tree of 2000 nodes", run_example("hyperbolic")$processor),
  svgd = function() line("SVGD of 2000 particles, 300 steps", run_example("svgd")$processor),
  stein = function() line("two Stein tests, 3000 points", run_example("stein")$processor),
  attention = function() line("attention of 2000 tokens, loss and gradient", run_example("attention")$processor),
  gaussian_process = function()
    line("Gaussian process, 2000 places, 25 gradients", run_example("gaussian_process")$processor))

table <- do.call(rbind, lapply(cases[grepl(wanted, names(cases))], function(case) case()))
if (wanted == ".") keep("methods", table) else writeLines(markdown(table))
