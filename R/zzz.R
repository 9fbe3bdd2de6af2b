# State of the session. Nothing is looked for, made or printed when the package is loaded.

session <- new.env(parent = emptyenv())
session$given <- NULL          # the R option `rkeops` as it was last checked
session$options <- NULL        # the options that it says
session$own <- NULL            # the options of the operator that was called last,
session$engine_of_own <- NULL  # and what C was handed for it
session$given_to_call <- NULL  # the same of the last reduction: what it was given,
session$call_options <- NULL   # and what that says
session$settings <- NULL       # what of it the engine was told
session$line_every <- 5        # seconds between two lines of progress = "log"
session$informed <- character()

# Base functions stay where they are: a `+` of ours on the search path, though it is base R's, would
# stop R's compiler from inlining arithmetic in the functions of the user.
.onAttach <- function(libname, pkgname) {
  attached <- as.environment(paste0("package:", pkgname))
  rm(list = intersect(base_exports, names(attached)), envir = attached)
}

# Matrices on a GPU are freed by C code, which stays as long as there are any. Threads are parked in
# that code. (R does not call R_unload_rkeops() of a library that registers its symbols only.)
.onUnload <- function(libpath) {
  gc()
  .Call(C_end_threads)
  .Call(C_forget_prepared)
  if (.Call(C_gpu_alive) == 0L) library.dynam.unload("rkeops", libpath)
}
