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
using_cache <- function(path) {
  paste0("set_rkeops_options(list(cache_dir = ", deparse(path), "))")
}
