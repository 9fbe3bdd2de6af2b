# Runs R code in another process that finds the same packages; `prefix` is a command that runs
# a command, such as setpriv.
run_r <- function(code, env = character(), prefix = character(), attach = TRUE) {
  script <- r_script(code, attach)
  on.exit(unlink(script))
  command <- c(prefix, interruptible(), file.path(R.home("bin"), "Rscript"), "--vanilla", script)
  output <- suppressWarnings(
    system2(command[1], shQuote(command[-1]), stdout = TRUE, stderr = TRUE, env = env))
  status <- attr(output, "status")
  list(output = as.vector(output), status = if (is.null(status)) 0L else as.integer(status))
}

r_script <- function(code, attach = TRUE) {
  script <- tempfile(fileext = ".R")
  writeLines(c(paste0(".libPaths(", paste(deparse(.libPaths()), collapse = ""), ")"),
               if (attach) "suppressPackageStartupMessages(library(rkeops))", code), script)
  script
}

# What starts a command so that it may be interrupted, where there is such a thing: a process in the
# background of a shell ignores interrupts, and so does, from R 4.3 on, an R that is started with them
# ignored.
interruptible <- function() {
  there <- nzchar(Sys.which("env")) &&
    system2("env", c("--default-signal=INT", "true"), stdout = FALSE, stderr = FALSE) == 0
  if (there) c("env", "--default-signal=INT")
}

# Starts a script that goes on beside this process and may be interrupted.
start_script <- function(script, env = character()) {
  rscript <- c(interruptible(), file.path(R.home("bin"), "Rscript"), "--vanilla", script)
  system2(rscript[1], shQuote(rscript[-1]), wait = FALSE, env = env)
}

# Whether that process takes interrupts (TRUE where the system does not say).
takes_interrupts <- function(pid) {
  status <- file.path("/proc", pid, "status")
  if (!file.exists(status)) return(TRUE)
  ignored <- sub("^SigIgn:\\s*", "", grep("^SigIgn:", readLines(status), value = TRUE))
  last <- strtoi(substring(ignored, nchar(ignored)), 16L) # the signals 1 to 4, SIGINT is 2
  bitwAnd(last, 2L) == 0L
}

# A call of some minutes on the points `x`, which `setup` makes in a process of its own: it ends soon
# after SIGINT, and the next call is right. The process writes its number, when it was interrupted,
# and TRUE.
expect_interruptible <- function(setup, env = character()) {
  testthat::skip_on_os("windows")
  file <- tempfile()
  script <- r_script(c(
    using_cache(get_rkeops_cache_dir()), setup,
    "invisible(sum(exp(-sqdist(Vi(x[1:9, ]), Vj(x[1:9, ]))), 'j'))",
    sprintf("report <- function(...) cat(..., '\\n', file = %s, append = TRUE)", deparse(file)),
    "report(Sys.getpid())",
    "tryCatch({ for (k in 1:20) sum(exp(-sqdist(Vi(x), Vj(x))), 'j'); report('done') },",
    "         interrupt = function(e) report(as.numeric(Sys.time())))",
    "report(sum(Vi(x[1:2, ]) + 0 * Vj(1), 'j')[1] == x[1])"))
  on.exit(unlink(c(file, script)))
  start_script(script, env)
  lines <- function() if (file.exists(file)) readLines(file) else character()
  wait_for <- function(n) for (k in 1:300) if (length(lines()) < n) Sys.sleep(0.1)
  wait_for(1)
  process <- as.integer(lines()[1])
  on.exit(tools::pskill(process, tools::SIGKILL), add = TRUE)
  testthat::skip_if_not(takes_interrupts(process), "this process was started with interrupts ignored")
  Sys.sleep(1)
  stopped <- as.numeric(Sys.time())
  tools::pskill(process, tools::SIGINT)
  wait_for(3)
  testthat::expect_length(lines(), 3)
  testthat::expect_lt(as.numeric(lines()[2]) - stopped, 2)
  testthat::expect_identical(trimws(lines()[3]), "TRUE")
}

# Installs a package of the given files (contents by path) into a new library: its path.
install_package <- function(name, files) {
  root <- tempfile("package-")
  library <- file.path(root, "library")
  dir.create(file.path(root, name, "R"), recursive = TRUE)
  dir.create(library)
  for (path in names(files)) writeLines(files[[path]], file.path(root, name, path))
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  said <- suppressWarnings(system2(
    file.path(R.home("bin"), "R"),
    c("CMD", "INSTALL", "--no-test-load", shQuote(paste0("--library=", library)),
      shQuote(file.path(root, name))),
    stdout = TRUE, stderr = TRUE, env = paste0("R_LIBS=", shQuote(libraries))))
  if (!is.null(attr(said, "status"))) stop(paste(said, collapse = "\n"))
  library
}

# R code that uses the given cache.
skip_without_compiler <- function()
  skip_if_not(.Call(C_has_compiler), "there is no compiler")

using_cache <- function(path) {
  engine <- get_rkeops_options("engine")
  sprintf("set_rkeops_options(list(cache_dir = %s, engine = %s))", deparse(path), deparse(engine))
}
