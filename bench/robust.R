# Memory, interrupts, leaks, and one long row.
#
#     Rscript bench/robust.R
#
# Every measurement runs in an R process of its own, so that one does not hide another. Linux only:
# it reads /proc.

source("bench/common.R")
stopifnot(dir.exists("/proc/self"))

# ---- children ----------------------------------------------------------------------------------

prologue <- quote({
  source("bench/common.R")
  use_precision("float64")
  set.seed(1)
  points <- function(n, D) matrix(rnorm(n * D), ncol = D)
  gauss <- function(D) {
    keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                 sprintf(c("x=Vi(%d)", "y=Vj(%d)", "b=Vj(%d)"), c(D, D, 1)))
  }
  inputs <- function(m, n, D) list(points(m, D), points(n, D), points(n, 1))
})

# Starts an R process; the shell's process becomes R's, so its number is known.
start_child <- function(expression, output) {
  script <- tempfile(fileext = ".R")
  writeLines(c(deparse(prologue), deparse(expression), 'cat("\\nfinished\\n")'), script)
  command <- sprintf("echo $$ >'%s.pid'; exec '%s' --vanilla '%s' >'%s' 2>&1", output,
                     file.path(R.home("bin"), "Rscript"), script, output)
  system2("sh", c("-c", shQuote(command)), wait = FALSE)
}

wait_for <- function(file, pattern, limit) {
  end <- clock() + limit
  while (clock() < end) {
    if (file.exists(file) && any(grepl(pattern, readLines(file, warn = FALSE)))) return(invisible())
    Sys.sleep(0.02)
  }
  stop("no '", pattern, "' from a child:\n", paste(readLines(file), collapse = "\n"))
}

# The numbers in the last line that a child writes.
numbers_of <- function(output, limit = 600) {
  wait_for(output, "^finished$", limit)
  text <- readLines(output)
  text <- text[nzchar(text) & text != "finished"]
  as.numeric(strsplit(text[length(text)], " ")[[1]])
}

numbers_from_child <- function(expression) {
  output <- tempfile()
  start_child(expression, output)
  numbers_of(output)
}

line <- function(what, measured, aim) data.frame(what = what, measured = measured, aim = aim)

# ---- peak memory of a call, beyond what was there before ---------------------------------------

peak_memory <- function(m, n, D, precision = "float64") {
  peak <- numbers_from_child(bquote({
    use_precision(.(precision))
    op <- gauss(.(D))
    invisible(op(inputs(10, 10, .(D))))
    data <- inputs(.(m), .(n), .(D))
    invisible(gc(full = TRUE))
    writeLines("5", "/proc/self/clear_refs")      # the peak is counted from here
    before <- status_megabytes("VmRSS")
    invisible(op(data))
    cat(status_megabytes("VmHWM") - before)
  }))
  output <- 8 * m / 2^20
  packed <- (if (precision == "float64") 8 else 4) * (m * D + n * (D + 1)) / 2^20
  line(sprintf("peak memory of a call, M = %g, N = %g, D = %d, %s", m, n, D, precision),
       sprintf("%.1f MB beyond the inputs, of which output %.1f, packed copies %.1f, rest %.1f",
               peak, output, packed, peak - output - packed), "rest < 64 MB")
}

# ---- interrupt: from SIGINT outside to control inside -------------------------------------------

interrupt <- function(m, n, D, after = 1) {
  output <- tempfile()
  start_child(bquote({
    op <- gauss(.(D))
    small <- inputs(10, 10, .(D))
    data <- inputs(.(m), .(n), .(D))
    expected <- op(small)
    files <- length(dir("/proc/self/fd"))
    cat("running\n")
    back <- NA
    tryCatch(invisible(op(data)), interrupt = function(e) back <<- clock())
    usable <- identical(op(small), expected)
    cat(sprintf("%.6f %d %d", back, usable, length(dir("/proc/self/fd")) - files))
  }), output)
  wait_for(output, "^running$", 120)
  Sys.sleep(after)
  sent <- clock()
  tools::pskill(as.integer(readLines(paste0(output, ".pid"))), tools::SIGINT)
  result <- numbers_of(output)
  line(sprintf("interrupt %g s into M = %g, N = %g, D = %d", after, m, n, D),
       sprintf("control after %.3f s, session %s, file descriptors %+d", result[1] - sent,
               if (result[2] == 1) "usable" else "NOT usable", as.integer(result[3])), "< 0.2 s")
}

# ---- 1e4 calls ----------------------------------------------------------------------------------

leaks <- function(calls = 1e4) {
  change <- numbers_from_child(bquote({
    op <- gauss(3)
    data <- inputs(100, 100, 3)
    wrong <- inputs(100, 100, 2)
    many <- function(n) for (k in seq_len(n)) {
      op(data)
      exp(-sum((Vi(data[[1]]) - Vj(data[[2]]))^2)) %*% Vj(data[[3]])
      if (k %% 10 == 0) try(op(wrong), silent = TRUE)
    }
    state <- function() {
      gc(full = TRUE)
      c(status_megabytes("VmRSS"), length(dir("/proc/self/fd")))
    }
    many(.(calls))
    first <- state()                              # twice: the heap of R takes a while to settle
    many(.(calls))
    second <- state()
    many(.(calls))
    cat(c(second - first, state() - second))
  }))
  line(sprintf("%g calls of an operator, as many products, a tenth as many errors", calls),
       sprintf("memory %+.1f MB, the next as many %+.1f MB; file descriptors %+d", change[1],
               change[3], as.integer(change[2] + change[4])), "flat")
}

# ---- one row, many columns: against the rate at which the inputs can be packed -----------------

one_row <- function(n = 1e7) {
  packing <- yardstick("packing.c", "yardstick_packing")
  data <- list(matrix(rnorm(3), 1), matrix(rnorm(n * 3), ncol = 3), matrix(rnorm(n), ncol = 1))
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"),
                     precision = "float32") # records of floats, as the yardstick packs
  times <- alternate(list(rkeops = function() seconds(op(data)),
                          packing = function() .Call(packing, data[[2]], data[[3]], threads)), 7)
  rate <- n / best_and_median(times)["best", ] / 1e6
  line(sprintf("one row, N = %g, D = 3, float32", n),
       sprintf("%.0f million pairs/s, packing alone %.0f million rows/s: %.0f %%", rate[["rkeops"]],
               rate[["packing"]], 100 * rate[["rkeops"]] / rate[["packing"]]), ">= 50 %")
}

keep("robust", rbind(
  peak_memory(1e5, 1e5, 3), peak_memory(1e5, 1e5, 3, "float32"), peak_memory(1e6, 1e3, 3),
  peak_memory(1e3, 1e6, 3), peak_memory(1, 1e7, 3), peak_memory(2e4, 2e4, 100),
  interrupt(1e6, 1e6, 3), interrupt(1, 3e7, 3, after = 0.1), interrupt(100, 1e6, 1000),
  leaks(), one_row()),
  c("Packed copies: every input once, in the precision of the computation. A rest below zero: memory",
    "that R had freed before is used again.",
    "Packing alone: bench/yardstick/packing.c, R's columns to records of floats, same threads."))
