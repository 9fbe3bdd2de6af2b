# Reductions of LazyTensors and operators of formulas that have recorded values as data: the engine makes
# values and derivatives.

# compute() of a state of which some data are recorded.
compute_recorded <- function(state, program) {
  check_recordable(state)
  places <- which(vapply(state$data, is_recorded, NA))
  given <- state$data[places]
  out <- compute(with_data(state, places, lapply(given, value_of)), program)
  if (identical(state$roots, state$positions)) return(out)
  record_results(out, given, length(state$roots) > 1L, function(e, args, wanted)
    compute_cotangents(with_data(state, places, args), places[wanted], e))
}

# What the engine gave of the arguments `given`. `gradients`: a function of the cotangents of all results,
# NULL for 0, of the arguments and of which of them are wanted: the list of their cotangents.
record_results <- function(out, given, several, gradients) {
  pull <- function(e, args, value, wanted) {
    parts <- vector("list", length(args))
    parts[wanted] <- gradients(if (several) e else list(e), args, wanted)
    Map(function(part, x) if (!is.null(part)) reshape(part, dim(value_of(x))), parts, args)
  }
  if (several) return(elements_of(record(out, given, pull)))
  if (!is.list(out)) return(record(out, given, pull))
  out[[1L]] <- record(out[[1L]], given, pull) # values, and positions
  out
}

# Those of the data at `places`, of the cotangents of all results, NULL for 0.
compute_cotangents <- function(state, places, cotangents) {
  e <- lapply(seq_along(cotangents), function(k)
    if (!is.null(cotangents[[k]]))
      cotangent_of(cotangents[[k]], output_of_state(state, k), FALSE, "cotangent"))
  together(names(state$leaves)[match(places, state$leaves)], function(ids)
    compute(gradient_state(state, ids, e, distinct = TRUE)))
}

# The list of what f gives of the elements of x, of as many of them at once as the engine has results. Of
# one element f gives no list.
together <- function(x, f) {
  if (length(x) == 1L) return(list(f(x)))
  if (length(x) <= 16L) return(f(x))
  out <- lapply(split(x, (seq_along(x) - 1L) %/% 16L), function(x) if (length(x) == 1L) list(f(x)) else f(x))
  unlist(unname(out), recursive = FALSE)
}

with_data <- function(state, places, data) {
  state$data[places] <- data
  state
}

check_recordable <- function(state) {
  if (any(state$complex))
    throw("argument", "a recorded value is to be complex: expected a real result, as of Re(), Im() or Mod() of the ",
          "LazyTensor")
}

# An operator of keops_kernel(), or a derivative of one, where some of the inputs are recorded.
run_recorded_operator <- function(op, input, inner_dim, ...) {
  program <- program_of(op)
  input <- arrange_input(input, program$variables$name)
  if (is_row(inner_dim)) input <- Map(with_rows_first, input, program$variables$kind)
  out <- op(lapply(input, value_of), ...)
  places <- which(vapply(input, is_recorded, NA))
  if (is.integer(out)) return(out)
  record_results(out, unname(input[places]), length(program$results) > 1L, function(e, args, wanted) {
    known <- which(!vapply(e, is.null, NA))
    now <- unname(c(replace(input, places, args), e[known]))
    together(program$variables$name[places[wanted]], function(names) kept_gradients(op, names, known)(now, ...))
  })
}

# gradients_operator(), made once.
kept_gradients <- function(op, names, known) {
  home <- environment(op)
  key <- paste(c(names, known), collapse = " ")
  if (is.null(home$made[[key]]))
    home$made[[key]] <- gradients_operator(op, context_of(op, several = TRUE), names, known)
  home$made[[key]]
}

with_rows_first <- function(x, kind) if (kind != "Pm" && length(dim(x)) == 2L) t(x) else x
