# Conditions. Everything that rkeops refuses is an R condition of class `rkeops_error` and one of
# the subclasses below; it carries the call that the user wrote, not the internal one.

error_kinds <- c("formula", "shape", "argument", "compile", "device", "memory", "precision",
                 "convergence", "system", "busy", "internal")

# Raises an error of class rkeops_error_<kind>. The other arguments are pasted to a message.
throw <- function(kind, ..., call = user_call()) {
  stop(structure(
    class = c(paste0("rkeops_error_", kind), "rkeops_error", "error", "condition"),
    list(message = readable(paste0(...)), call = call)
  ))
}

# The same, of a condition that has the elements `parts` too.
throw_with <- function(kind, parts, ..., call = user_call()) {
  stop(structure(
    class = c(paste0("rkeops_error_", kind), "rkeops_error", "error", "condition"),
    c(list(message = readable(paste0(...)), call = call), parts)
  ))
}

# That argument `name` is x: `...` says what was expected.
unexpected <- function(x, name, ...)
  throw("argument", "`", name, "` is ", describe(x), ": expected ", ...)

# Text that quotes what is no valid text: its bytes become <e9>.
readable <- function(text) {
  if (validEnc(text) && Encoding(text) != "bytes") text
  else iconv(text, "", "UTF-8", sub = "byte")
}

# A warning of class rkeops_warning_<kind>.
caution <- function(kind, ..., call = user_call()) {
  warning(structure(
    class = c(paste0("rkeops_warning_", kind), "rkeops_warning", "warning", "condition"),
    list(message = paste0(...), call = call)
  ))
}

# A message of class rkeops_message, unless verbosity is 0.
inform <- function(...) {
  if (get_options()$verbosity == 0L) return(invisible())
  message(structure(
    class = c("rkeops_message", "message", "condition"),
    list(message = paste0(..., "\n"), call = NULL)
  ))
}

# The same, once in a session.
inform_once <- function(key, ...) {
  if (key %in% session$informed) return(invisible())
  session$informed <- c(session$informed, key)
  inform(...)
}

# What came back from C: a result, or a status to raise.
checked <- function(out) {
  if (is.object(out) && inherits(out, "rkeops_status")) raise_status(out) else out
}

raise_status <- function(status) {
  if (!is.null(status$condition)) stop(status$condition) # such as the error of setTimeLimit()
  if (status$kind == "cancelled") raise_interrupt()
  throw(status$kind, status$message)
}

# The engine stopped because the user pressed Ctrl-C: the interrupt is raised again where
# tryCatch(interrupt = ) sees it; without a handler R goes back to its prompt.
raise_interrupt <- function() {
  interrupt <- structure(class = c("interrupt", "condition"), list(message = "", call = NULL))
  signalCondition(interrupt)
  invokeRestart("abort")
}

# The outermost call into this package among the frames that lead here. Frames of base R between
# two of ours (lapply, vapply, ...) do not end the search, anybody else's do.
user_call <- function() {
  found <- NULL
  for (frame in rev(seq_len(sys.nframe() - 1L))) {
    home <- topenv(environment(sys.function(frame)))
    if (identical(home, topenv())) found <- frame
    else if (!identical(home, baseenv()) && !identical(home, .BaseNamespaceEnv)) break
  }
  if (!is.null(found)) readable_call(sys.call(found), sys.frame(found))
}

# The call of a method as the user wrote it: the name of the generic, and no values in full (R
# has evaluated the arguments of sum, min, ... before it calls a method).
readable_call <- function(call, frame) {
  generic <- get0(".Generic", frame, inherits = FALSE)
  if (is.character(generic)) {
    call[[1L]] <- as.name(generic)
    if (identical(call$na.rm, FALSE)) call$na.rm <- NULL # R has added it
  }
  for (k in seq_along(call)[-1L])
    if (is.list(call[[k]]) || length(call[[k]]) > 1L && !is.language(call[[k]]))
      call[[k]] <- quote(x)
  call
}

# The name in `candidates` that is most like `name`, as " (did you mean `...`?)", or "". A name of
# which every letter would change is not like another; one that begins another is.
suggestion <- function(name, candidates) {
  if (!length(candidates) || is.na(name)) return("")
  name <- readable(name)
  like <- lower(candidates)
  distance <- utils::adist(lower(name), like)
  distance[nchar(name) > 2L & startsWith(like, lower(name))] <- 1
  nearest <- candidates[which.min(distance)]
  is_like <- min(distance) <= 1 + nchar(name) / 3 && min(distance) < nchar(name)
  if (is_like) paste0(" (did you mean `", nearest, "`?)") else ""
}

# tolower() asks the locale: in Turkish, that of I is no i.
lower <- function(x) chartr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", x)
upper <- function(x) chartr("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", x)

# How an R object is named in a message: "a 3 x 2 character matrix", "NULL", "a factor".
describe <- function(x) {
  if (is.null(x)) return("NULL")
  if (is.LazyTensor(x)) return("a LazyTensor")
  if (inherits(x, "LazyOperator")) return("an operator of LazyTensors")
  if (is_gpu(x)) return(if (length(dim(x))) "a matrix on a GPU" else "a vector on a GPU")
  if (is.data.frame(x)) return(paste("a data.frame with", counted(ncol(x), "column")))
  if (is.object(x)) return(paste0("an object of class \"", class(x)[1], "\""))
  if (is.function(x)) return("a function")
  type <- if (is.double(x)) "numeric" else typeof(x)
  if (length(dim(x)))
    return(paste(article(type), if (length(dim(x)) == 2) "matrix of" else "array of",
                 paste(dim(x), collapse = " x ")))
  if (length(x) == 1 && is.double(x) && is.finite(x)) return(number_text(x))
  if (length(x) == 1 && is.atomic(x)) return(deparse(x))
  paste(article(type), if (is.list(x)) "of length" else "vector of length", length(x))
}

# What to write instead of an object whose numbers are not those that one would think, after "; ".
advice_on <- function(x) {
  known <- names(instead_of)[inherits(x, names(instead_of), which = TRUE) > 0L]
  if (length(known)) return(paste0("; ", instead_of[[known[1L]]]))
  if (is.character(x)) "; as.numeric() makes numbers of texts"
  else if (is.raw(x)) "; as.integer() makes numbers of bytes"
  else if (is.object(x) && is.atomic(x)) "; as.numeric() of it has its numbers"
  else if (is.object(x) && !is.function(x)) "; give the matrix or vector of numbers that is meant"
}

instead_of <- c(
  factor = "as.integer() of it has its codes, model.matrix(~ x - 1) a column for each level",
  Date = "as.numeric() of it has days",
  POSIXct = "as.numeric() of it has seconds",
  POSIXlt = "as.numeric(as.POSIXct(x)) has seconds",
  difftime = "as.numeric(x, units = \"secs\") has seconds",
  integer64 = "as.numeric() of it, with package bit64, has its numbers",
  nanotime = "as.numeric() of it, with package nanotime, has its numbers",
  units = "as.numeric() of it, or units::drop_units(), has its numbers",
  dist = "as.matrix() of it has a row of distances for each point",
  sf = "sf::st_coordinates() of it has the coordinates",
  sfc = "sf::st_coordinates() of it has the coordinates",
  Surv = "its columns are x[, \"time\"] and x[, \"status\"]",
  formula = "model.matrix() makes a matrix of it",
  lm = "coef(), fitted() and model.matrix() of it have numbers")

article <- function(word) paste(if (grepl("^[aeiou]", word)) "an" else "a", word)

# ---- checks of arguments -------------------------------------------------------------------------

is_string <- function(x) is.character(x) && length(x) == 1L && !is.na(x)

is_number <- function(x) is.numeric(x) && length(x) == 1L && !is.object(x)

is_flag <- function(x) is.logical(x) && length(x) == 1L && !is.na(x)

check_flag <- function(x, name) {
  if (!is_flag(x)) unexpected(x, name, "TRUE or FALSE")
  x
}

# Stops when an argument of the user's is missing.
check_given <- function(x, name, expected) {
  if (missing(x)) throw("argument", "`", name, "` is missing: expected ", expected)
}

# A whole number from `from` to `to`, as an integer.
check_count <- function(x, name, from = 1L, to = .Machine$integer.max) {
  check_given(x, name, "a whole number")
  if (is_number(x) && is.finite(x) && x == round(x) && x >= from && x <= to)
    return(as.integer(x))
  bounds <- if (to < .Machine$integer.max) paste("from", from, "to", to) else
    if (from > -.Machine$integer.max) paste("not below", from)
  unexpected(x, name, "a whole number ", bounds)
}

check_choice <- function(x, name, choices) {
  if (is_string(x) && x %in% choices) return(x)
  throw("argument", "`", name, "` is ", describe(x), if (is_string(x)) suggestion(x, choices),
        ": expected ", paste0("\"", choices, "\"", collapse = " or "))
}
