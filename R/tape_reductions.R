# Reductions of LazyTensors and operators of formulas that have recorded values as data: the engine makes
# values and derivatives.

# compute() of a state of which some data are recorded.
compute_recorded <- function(state, program) {
  check_recordable(state)
  places <- which(vapply(state$data, is_recorded, NA))
  given <- state$data[places]
  out <- compute(with_data(state, places, lapply(given, value_of)), program)
  if (identical(state$roots, state$positions)) return(out)
  several <- length(state$roots) > 1L
  pull <- function(e, args, value, wanted) {
    now <- with_data(state, places, args)
    back <- compute_cotangents(now, places[wanted], if (several) e else list(e))
    parts <- vector("list", length(args))
    parts[wanted] <- back
    Map(function(part, x) if (!is.null(part)) reshape(part, dim(value_of(x))), parts, args)
  }
  if (several) return(elements_of(record(out, given, pull)))
  if (!is.list(out)) return(record(out, given, pull))
  out[[1L]] <- record(out[[1L]], given, pull) # values, and positions
  out
}

# Those of the data at `places`, of the cotangents of all results, NULL for 0: together, as many as the
# engine gives at once.
compute_cotangents <- function(state, places, cotangents) {
  e <- lapply(seq_along(cotangents), function(k)
    if (!is.null(cotangents[[k]]))
      cotangent_of(cotangents[[k]], output_of_state(state, k), FALSE, "cotangent"))
  ids <- names(state$leaves)[match(places, state$leaves)]
  groups <- split(ids, (seq_along(ids) - 1L) %/% 15L)
  out <- lapply(unname(groups), function(ids) {
    back <- compute(gradient_state(state, ids, e, distinct = TRUE))
    if (length(ids) == 1L) list(back) else back
  })
  unlist(out, recursive = FALSE)
}

with_data <- function(state, places, data) {
  state$data[places] <- data
  state
}

check_recordable <- function(state) {
  if (any(state$complex) || any(vapply(state$data, is.complex, NA)))
    throw("argument", "recorded values meet complex numbers: expected real ones")
  if (is_spread(state))
    throw("argument", "recorded values meet batches or parameters of groups: expected LazyTensors without")
}

# An operator of keops_kernel(), or a derivative of one, where some of the inputs are recorded.
run_recorded_operator <- function(op, input, inner_dim, ...) {
  if (is_row(inner_dim) || ...length() || !is.null(program_of(op)$batch))
    throw("argument", "recorded values meet `inner_dim`, blocks or batches: expected columns and all pairs")
  input <- arrange_input(input, program_of(op)$variables$name)
  out <- op(lapply(input, value_of))
  places <- which(vapply(input, is_recorded, NA))
  given <- unname(input[places])
  pull <- function(e, args, value, wanted) {
    now <- replace(input, places, args)
    Map(function(x, place, wanted) if (wanted)
      reshape(keops_grad(op, place - 1L)(unname(c(now, list(e)))), dim(value_of(x))), args, places, wanted)
  }
  if (is.integer(out)) return(out)
  if (!is.list(out)) return(record(out, given, pull))
  out[[1L]] <- record(out[[1L]], given, pull) # values, and positions
  out
}
