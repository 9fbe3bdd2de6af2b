# Reductions of LazyTensors and operators of formulas that have recorded values as data: the engine makes
# values and derivatives.

# compute() of a state of which some data are recorded.
compute_recorded <- function(state) {
  check_recordable(state)
  places <- which(vapply(state$data, is_recorded, NA))
  given <- state$data[places]
  out <- compute(with_data(state, places, lapply(given, value_of)))
  if (identical(state$roots, state$positions)) return(out)
  several <- length(state$roots) > 1L
  pull <- function(e, args, value, wanted) {
    now <- with_data(state, places, args)
    back <- compute(gradient_state(now, places[wanted], if (several) e else list(e)))
    parts <- vector("list", length(args))
    parts[wanted] <- if (base::sum(wanted) == 1L) list(back) else back
    Map(function(part, x) if (!is.null(part)) reshape(part, dim(value_of(x))), parts, args)
  }
  if (several) return(elements_of(record(out, given, pull)))
  if (!is.list(out)) return(record(out, given, pull))
  out[[1L]] <- record(out[[1L]], given, pull) # values, and positions
  out
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

# The state with the gradients by the data at `places` of all results that have a cotangent together.
gradient_state <- function(state, places, cotangents) {
  known <- which(!vapply(cotangents, is.null, NA))
  roots <- state$roots
  wrt <- names(state$leaves)[match(places, state$leaves)]
  outputs <- lapply(known, function(k) output_of_state(state, k))
  e <- character()
  for (k in seq_along(known)) {
    output <- outputs[[k]]
    x <- leaf(flat_cotangent(cotangents[[known[k]]], output), output$kind)
    state <- merged_state(state, x, distinct = TRUE)
    e[k] <- root_of(x)
  }
  sums <- vapply(wrt, function(id) {
    sum <- NULL
    for (k in seq_along(known)) {
      state <<- with_node(state, "Grad", c(roots[known[k]], id, e[k]))
      if (k > 1L) state <<- with_node(state, "Add", c(sum, state$roots))
      sum <- state$roots
    }
    sum
  }, "")
  state$roots <- unname(sums)
  state$kept <- state$kind[places]
  state$of <- places
  state$complex <- logical(length(places))
  state$shapes <- vector("list", length(places))
  state
}

# As data of a leaf: a matrix with a row for each value that is kept, of a parameter a vector.
flat_cotangent <- function(e, output) {
  if (length(output$shape) && length(dim(value_of(e))) == 3L) e <- aperm(e, c(1L, 3L, 2L))
  reshape(e, if (output$kind != "Pm") c(length(value_of(e)) / output$dim, output$dim))
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
