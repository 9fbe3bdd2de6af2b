# Derivatives of R functions: what they compute is recorded, and walked back.
#
# A recorded value is an environment, as base R would take a classed number apart without a word:
#   value   plain numbers, or a list of them where a call has several results
#   args    what it was computed from: recorded values, or plain ones
#   pull    function(e, args, value, wanted): of the cotangent e of the value those of the arguments, a
#           list; NULL for 0. `wanted`: which of them are asked for
#   id      later values have larger ones
#   levels  the calls of pull_back() that it depends on the inputs of
#   input   the calls that it is an input of
# `pull` computes with recorded values as with plain ones, so that derivatives have derivatives.
# There is no list of what was recorded: values that nobody refers to are forgotten.

# open: the calls of pull_back() that run now, count: of values and calls so far, read: NULL, or where
# recorded values are noted that are read.
tape <- new.env()
tape$open <- integer()
tape$count <- 0L
tape$read <- NULL

is_recorded <- function(x) is.environment(x) && inherits(x, "RecordedValue")

# Every call of an operator asks this: most elements are seen to be none at once.
any_recorded <- function(values) {
  for (x in values) if (is.environment(x) && is_recorded(x)) return(TRUE)
  FALSE
}

value_of <- function(x) if (is_recorded(x)) .subset2(x, "value") else x

# What a function gives: a recorded value where one of its arguments is one, else plain numbers.
record <- function(value, args, pull) {
  levels <- integer()
  for (x in args) if (is_recorded(x)) levels <- c(levels, .subset2(x, "levels"))
  if (!is.null(tape$read)) note_read(args)
  levels <- tape$open[tape$open %in% levels]
  if (length(levels)) new_recorded(value, args, pull, levels) else value
}

new_recorded <- function(value, args, pull, levels, input = integer()) {
  tape$count <- tape$count + 1L
  x <- new.env(FALSE, emptyenv(), 8L)
  x$value <- value
  x$args <- args
  x$pull <- pull
  x$id <- tape$count
  x$levels <- levels
  x$input <- input
  class(x) <- "RecordedValue"
  x
}

# A call that has ended leaves plain numbers.
settled <- function(x) {
  if (is.list(x)) return(lapply(x, settled))
  if (is_recorded(x) && !any(.subset2(x, "levels") %in% tape$open)) value_of(x) else x
}

# list(value, cotangents): f(at) of a list `at` and, of the cotangent of it, those of the elements of
# `at`. `cotangent`: it, or a function that makes it of the value.
pull_back <- function(f, at, cotangent) {
  level <- next_level()
  inputs <- lapply(at, new_input, level)
  out <- at_level(level, bundle(withCallingHandlers(f(inputs), error = name_expression)))
  value <- elements_of(out)
  e <- if (is.function(cotangent)) cotangent(value) else cotangent
  list(value = value, cotangents = walk_back(out, e, inputs, level))
}

next_level <- function() tape$count <- tape$count + 1L

# `code` while the call `level` records.
at_level <- function(level, code) {
  was_open <- tape$open
  on.exit(tape$open <- was_open)
  tape$open <- c(was_open, level)
  code
}

# `code` while nothing records; recorded values of running calls that it reads are noted in the environment
# `read`, by identifier.
watched <- function(read, code) {
  was_open <- tape$open
  was_read <- tape$read
  on.exit({
    tape$open <- was_open
    tape$read <- was_read
    for (name in ls(read)) if (!is.null(was_read)) note_read(list(read[[name]]))
  })
  read$.levels <- union(was_open, was_read$.levels)
  tape$open <- integer()
  tape$read <- read
  code
}

note_read <- function(args) {
  for (x in args)
    if (is_recorded(x) && any(.subset2(x, "levels") %in% tape$read$.levels))
      tape$read[[id_text(x)]] <- x
}

# A recorded value as an input of one more call, and no more.
adopt <- function(x, level) {
  assign("levels", c(.subset2(x, "levels"), level), envir = x)
  assign("input", c(.subset2(x, "input"), level), envir = x)
  x
}

abandon <- function(x, level) {
  assign("levels", setdiff(.subset2(x, "levels"), level), envir = x)
  assign("input", setdiff(.subset2(x, "input"), level), envir = x)
}

# A list of results as one recorded value.
bundle <- function(x)
  if (is.list(x)) record(lapply(x, value_of), x, function(e, args, value, wanted) e) else x

# Of numbers that may be recorded outside: these see the derivative of what is computed here.
new_input <- function(x, level) {
  levels <- c(level, if (is_recorded(x)) intersect(.subset2(x, "levels"), tape$open))
  new_recorded(value_of(x), list(x), function(e, args, value, wanted) list(e), levels, level)
}

# A recorded list as a list of recorded values.
elements_of <- function(x) {
  x <- settled(x)
  if (!is_recorded(x) || !is.list(value_of(x))) return(x)
  lapply(seq_along(value_of(x)), function(k) element_of(x, k))
}

element_of <- function(x, k) {
  count <- length(value_of(x))
  record(value_of(x)[[k]], list(x), function(e, args, value, wanted) {
    all <- vector("list", count)
    if (!is.null(e)) all[[k]] <- e
    list(all)
  })
}

walk_back <- function(out, e, inputs, level) {
  known <- new.env() # the cotangents, by identifier
  add_to(known, out, e, level)
  for (x in values_behind(out, level)) {
    key <- id_text(x)
    e <- known[[key]]
    if (is.null(e)) next
    args <- .subset2(x, "args")
    wanted <- vapply(args, depends_on, NA, level)
    parts <- .subset2(x, "pull")(e, lapply(args, settled), settled(x), wanted)
    known[[key]] <- NULL # the memory; rm() takes long
    for (k in which(wanted)) add_to(known, args[[k]], parts[[k]], level)
  }
  lapply(inputs, function(x) {
    e <- known[[id_text(x)]]
    if (is.null(e)) zeros_like(value_of(x)) else e
  })
}

zeros_like <- function(x) {
  if (is.null(dim(x))) numeric(length(x)) else array(0, dim(x))
}

id_text <- function(x) as.character(.subset2(x, "id"))

depends_on <- function(x, level) is_recorded(x) && level %in% .subset2(x, "levels")

add_to <- function(known, x, e, level) {
  if (is.null(e) || !depends_on(x, level)) return(invisible())
  key <- id_text(x)
  known[[key]] <- if (is.null(known[[key]])) e else sum_of_cotangents(known[[key]], e)
}

sum_of_cotangents <- function(x, y) {
  if (is.null(x)) y
  else if (is.null(y)) x
  else if (is.list(x)) Map(sum_of_cotangents, x, y)
  else x + y
}

# Recorded values that depend on inputs of the call `level`, without these, latest first. A value that
# is on the way has a cotangent when its turn comes, as all that use it are later.
values_behind <- function(out, level) {
  found <- vector("list", tape$count - level) # by identifier: those of what depends on inputs are larger
  left <- if (depends_on(out, level)) list(out)
  while (length(left)) {
    x <- left[[length(left)]]
    left[[length(left)]] <- NULL
    place <- .subset2(x, "id") - level
    if (level %in% .subset2(x, "input") || !is.null(found[[place]])) next
    found[[place]] <- x
    for (arg in .subset2(x, "args")) if (depends_on(arg, level)) left[[length(left) + 1L]] <- arg
  }
  rev(found[!vapply(found, is.null, NA)])
}

# ---- errors of functions that record -------------------------------------------------------------

# What base R itself refuses of a recorded value is an error of ours that names the expression of the user,
# and says what to write; other errors that functions which the user called raise deep inside are said of
# the user's call, too. What the user says stays as it is.
name_expression <- function(e) {
  frames <- frames_of_error(sys.nframe() - 1L)
  last <- frames$last
  user <- frames$user
  if (user == last && identical(conditionCall(e), sys.call(last))) return(invisible()) # of the call as such
  expression <- conditionCall(e)
  inside <- FALSE
  if (user < last) {
    expression <- readable_call(sys.call(user + 1L), sys.frame(user + 1L))
    inside <- any(vapply((user + 1L):last, function(k) is_ours(sys.function(k)), NA))
  }
  if (inherits(e, "rkeops_error") || inside) {
    if (user == last || is_ours(sys.function(user + 1L)) && inherits(e, "rkeops_error")) return(invisible())
    e$call <- expression
    stop(e)
  }
  if (frames$is_said || !has_recorded(expression, sys.frame(user)) || inherits(e, "getvarError")) return(invisible())
  throw("argument", "`", shortened_text(expression), "` meets a recorded value, which base R stops at (",
        conditionMessage(e), "): expected ", advice_for(expression), call = expression)
}

# The frames of an error, of which those from `top` on are of its handler: the `last` one that it came from,
# the innermost one of a function that is neither ours nor of base R, `user`, and whether that function
# itself called stop().
frames_of_error <- function(top) {
  last <- top
  is_stop <- function(k) any(vapply(list(.handleSimpleError, base::stop, base::stopifnot), identical, NA, sys.function(k)))
  for (k in rev(seq_len(top))) if (identical(sys.function(k), .handleSimpleError)) {
    last <- k - 1L
    break
  }
  before <- last
  while (last > 1L && is_stop(last)) last <- last - 1L
  user <- last
  while (user > 1L && (is_ours(sys.function(user)) || is_of_base(sys.function(user)))) user <- user - 1L
  list(last = last, user = user, is_said = user == last && last < before)
}

is_ours <- function(f) identical(topenv(environment(f)), topenv())

is_of_base <- function(f) {
  if (is.primitive(f)) return(TRUE)
  home <- topenv(environment(f))
  identical(home, baseenv()) || isNamespace(home) &&
    getNamespaceName(home) %in% c("base", "stats", "utils", "methods", "graphics", "grDevices", "tools")
}

# Whether a call has a recorded value, as it is or by a name.
has_recorded <- function(expression, frame) {
  if (is.name(expression)) {
    name <- as.character(expression)
    return(nzchar(name) && is_recorded(tryCatch(get0(name, frame), error = function(e) NULL)))
  }
  if (!is.call(expression)) return(is_recorded(expression))
  head <- expression[[1L]]
  if (is.name(head) && !exists(as.character(head), frame, mode = "function")) return(FALSE)
  for (k in seq_along(expression)[-1L])
    if (!identical(expression[[k]], quote(expr = )) && has_recorded(expression[[k]], frame)) return(TRUE)
  FALSE
}

shortened_text <- function(expression) {
  text <- deparse(expression, width.cutoff = 60L)
  if (length(text) > 1L) paste(text[1L], "...") else text
}

# By the functions in a call: what to write instead.
advice_of_recorded <- c(
  "<-" = "the rows of a matrix bound, do.call(rbind, rows), where a plain one would be filled",
  matrix = "dim(x) <- c(rows, columns), which gives x a shape",
  sapply = "lapply(), and do.call(rbind, values) of its list",
  vapply = "lapply(), and do.call(rbind, values) of its list",
  mapply = "lapply(), and do.call(rbind, values) of its list",
  unlist = "do.call(rbind, values) of a list",
  c = "rbind(), or c() of a recorded value first",
  outer = "x %*% t(y)", "%o%" = "x %*% t(y)", crossprod = "crossprod() of this package",
  ifelse = "where(test, yes, no)", "for" = "a loop over positions, for (k in seq_along(x))",
  "if" = "a comparison, which is plain TRUE or FALSE")

advice_for <- function(expression) {
  known <- intersect(all.names(expression), names(advice_of_recorded))
  paste0(if (length(known)) paste0(advice_of_recorded[[known[1L]]], "; or "),
         "a function of ?stop_gradient; stop_gradient(x) is a constant")
}

# ---- derivatives of functions --------------------------------------------------------------------

# What gradient() and the like take beside operators.
is_r_function <- function(f) is.function(f) && !inherits(f, c("LazyOperator", "rkeops_operator"))

# list(value, gradient) of a function of R at `at`: plain numbers, or a list of them, its arguments.
differentiate <- function(f, at, cotangent) {
  several <- is.list(at) && !is.object(at)
  arguments <- if (several) at else list(at)
  if (!length(arguments)) unexpected(at, "at", "numbers, or a list of them")
  for (k in seq_along(arguments)) check_argument(arguments[[k]], if (several) paste0("at[[", k, "]]") else "at")
  out <- pull_back(function(inputs) do.call(f, inputs), lapply(arguments, as_double),
                   function(value) cotangent_of_value(value, cotangent))
  gradients <- Map(like_argument, out$cotangents, arguments)
  list(value = out$value, gradient = if (several) gradients else gradients[[1L]])
}

check_argument <- function(x, name) {
  if (is_recorded(x) || is.numeric(x) && !is.object(x) || is.logical(x)) return(invisible())
  unexpected(x, name, "numbers: a vector, a matrix, or a list of them",
             if (is.LazyTensor(x)) "; by LazyTensors operators are differentiated: reductions with call = FALSE")
}

as_double <- function(x) {
  if (!is_recorded(x)) storage.mode(x) <- "double"
  x
}

# With the names of the argument.
like_argument <- function(e, x) {
  if (is_recorded(e)) return(e)
  attributes(e) <- attributes(value_of(x))
  e
}

# The plain numbers of what a function gave.
numbers_given <- function(value) {
  if (is.list(value) || !(is_recorded(value) || is.numeric(value)))
    throw("argument", "the function gave ", describe(value), ": expected numbers")
  value_of(value)
}

cotangent_of_value <- function(value, cotangent) {
  numbers <- numbers_given(value)
  if (is.null(cotangent)) {
    if (length(numbers) != 1L)
      throw("argument", "the function gave ", describe(numbers), " and `cotangent` is missing: expected ",
            "a number; of a matrix the gradient is that of sum(cotangent * f(at))")
    cotangent <- 1
  }
  if (!is_recorded(cotangent) && !is.numeric(cotangent))
    unexpected(cotangent, "cotangent", "numbers of the shape of the value")
  if (!length(value_of(cotangent)) %in% c(1L, length(numbers)))
    throw("shape", "`cotangent` is ", describe(value_of(cotangent)), ": expected the shape of the value, ",
          describe(numbers))
  if (length(value_of(cotangent)) == length(numbers)) reshape(cotangent, dim(numbers))
  else repeated(cotangent, length(numbers), dim(numbers))
}

# The derivative along `direction`: the cotangent of a cotangent, which the gradient is linear in.
differentiate_along <- function(f, at, direction) {
  several <- is.list(at) && !is.object(at)
  if (several != (is.list(direction) && !is.object(direction)) || several && length(at) != length(direction))
    unexpected(direction, "direction", if (several) paste("a list of", length(at)) else "numbers")
  arguments <- lapply(if (several) at else list(at), as_double)
  along <- if (several) direction else list(direction)
  for (k in seq_along(along)) {
    if (length(value_of(along[[k]])) != length(value_of(arguments[[k]])))
      throw("shape", "`direction` is ", describe(value_of(along[[k]])), ": expected ",
            describe(value_of(arguments[[k]])))
    along[[k]] <- reshape(along[[k]], dim(value_of(arguments[[k]])))
  }
  like_value <- NULL
  out <- push_along(function(inputs) {
    out <- do.call(f, inputs)
    like_value <<- numbers_given(out)
    out
  }, arguments, along)
  like_argument(out, like_value)
}

# Of a function of a list of inputs.
push_along <- function(f, at, along) {
  level <- next_level()
  e <- NULL
  gradients <- at_level(level, bundle(pull_back(f, at, function(value)
    e <<- new_input(zeros_like(numbers_given(value)), level))$cotangents))
  walk_back(gradients, along, list(e), level)[[1L]]
}
