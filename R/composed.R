# Operators that are not one program of the engine: solutions of systems, and derivatives by a matrix in
# all its places. They are LazyOperators around
#   entries  the numbers they are made of: list(data, kind, id) of each; `given`, where it is not `data`, is
#            the object that the user gave
#   f        the function of a list of these numbers, which may be recorded, see tape.R
#   label    what it is, for print()
#   explain  NULL, or a function for rkeops_explain()

new_composed <- function(entries, f, label, explain = NULL) {
  force(entries)
  force(f)
  force(label)
  force(explain)
  structure(class = "LazyOperator", function(input = NULL) {
    if (!is.null(input)) entries <- entries_of_input(entries, input)
    f(lapply(entries, `[[`, "data"))
  })
}

# Other numbers of the same shapes: what is made of these entries has sizes of its own.
entries_of_input <- function(entries, input) {
  names <- names_of_variables(length(entries))
  at <- places_of_input(input, length(entries))
  entries[at] <- Map(function(x, entry, name) {
    old <- entry$data
    kind <- if (nzchar(entry$kind)) entry$kind else if (is.null(dim(old))) "Pm" else "Vi"
    x <- data_like(x, old, kind, name)
    if (!identical(dim(x), dim(old)))
      throw("shape", "`", name, "` is ", describe(value_of(x)), ": expected ", describe(value_of(old)),
            ", as this operator has sizes of its own; for others make it anew")
    replace(entry, "data", list(x))
  }, input, entries[at], names[at])
  entries
}

entry_lines <- function(entries) {
  kinds <- vapply(entries, `[[`, "", "kind")
  what <- vapply(entries, function(entry) describe(value_of(entry$data)), "")
  lines <- paste0("  ", names_of_variables(length(entries)), ": ",
                  ifelse_int(nzchar(kinds), paste0(kinds, "() of "), rep("", length(kinds))), what)
  c("variables:", first_lines(lines))
}

is_composed <- function(op) inherits(op, "LazyOperator") && is.null(environment(op)$state)

# A reduction as such an operator.
composed_of_state <- function(state) {
  new_composed(entries_of_lazy(state), function(values) compute(with_data(state, seq_along(values), values)),
               shortened(operator_text(state)))
}

# An operator that `wrt` is given for: by R objects only those with entries can be differentiated.
as_composed <- function(op, wrt) {
  if (is_composed(op)) return(environment(op))
  if (!inherits(op, "LazyOperator") || !any(vapply(as_list_of(wrt), is_object_of_numbers, NA))) return(NULL)
  environment(composed_of_state(differentiable_state(op)))
}

as_list_of <- function(x) if (is.LazyTensor(x) || !is.list(x)) list(x) else x

is_object_of_numbers <- function(x) is_recorded(x) || !is.list(x) && is.numeric(x)

# ---- derivatives ---------------------------------------------------------------------------------

# The operator of the gradients by `wrt`, behind the value if `values`.
gradient_of_composed <- function(op, wrt, cotangent, values = FALSE) {
  all <- entries_for(wrt, op$entries)
  occurs <- lengths(all) > 0L
  groups <- all[occurs]
  zeros <- lapply(as_list_of(wrt)[!occurs], function(x) zero_gradient(if (is.LazyTensor(x)) x else indexed(x, "Vi")))
  own <- seq_along(op$entries)
  extra <- entries_of_cotangent(cotangent)
  entries <- op$entries
  f <- op$f
  new_composed(c(entries, extra), function(data) {
    e <- cotangent_for(cotangent, data[-own])
    out <- pull_back(with_inputs_at(f, data[own], groups), firsts(data, groups),
                     function(value) cotangent_of_value(value, if (is.null(e) && NCOL(value) == 1L) 1 else e))
    gradients <- all
    gradients[occurs] <- Map(function(e, group) as_gradient(e, entries[[group[1L]]]), out$cotangents, groups)
    gradients[!occurs] <- zeros
    if (values) list(value = out$value, gradient = name_gradients(one_or_all(gradients), wrt))
    else name_gradients(one_or_all(gradients), wrt)
  }, paste("gradient of the", op$label))
}

jvp_of_composed <- function(op, wrt, direction) {
  check_given(direction, "direction", "numbers of the shape of the variable")
  groups <- entries_for(wrt, op$entries)
  f <- op$f
  occurs <- lengths(groups) > 0L
  groups <- groups[occurs]
  direction <- directions_of(as_directions(direction, wrt)[occurs],
                             lapply(groups, function(group) op$entries[[group[1L]]]$data))
  new_composed(op$entries, function(data)
    push_along(with_inputs_at(f, data, groups), firsts(data, groups), direction),
    paste("derivative of the", op$label))
}

one_or_all <- function(x) if (length(x) == 1L) x[[1L]] else x

firsts <- function(data, groups) lapply(groups, function(group) data[[group[1L]]])

# f(data) as a function of the data of each group: one R object, which may lie there as a vector or as a
# matrix with one column.
with_inputs_at <- function(f, data, groups) {
  function(inputs) {
    for (k in seq_along(groups))
      for (at in groups[[k]]) data[[at]] <- reshape(inputs[[k]], dim(value_of(data[[at]])))
    f(data)
  }
}

# For each of `wrt` the positions of its entries; in a list none of those that do not occur. A LazyTensor
# stands for itself, an R object for all that was made of it.
entries_for <- function(wrt, entries) {
  check_given(wrt, "wrt", "a LazyTensor made by Vi(), Vj() or Pm(), or a matrix")
  groups <- lapply(as_list_of(wrt), function(x) {
    if (is.LazyTensor(x)) places_of_variable(x, entries)
    else if (is_object_of_numbers(x)) places_of_object(x, entries)
    else unexpected(x, "wrt", "a LazyTensor made by Vi(), Vj() or Pm(), or a matrix")
  })
  if (!length(unlist(groups)))
    throw("argument", "`wrt` is no variable of the operator: expected one of those that it was made ",
          "from; numbers are one as Pm(), and a ridge as add_ridge(K, Pm(alpha))")
  if (anyDuplicated(unlist(groups))) throw("argument", "`wrt` has a variable twice")
  unname(groups)
}

places_of_variable <- function(x, entries) {
  check_variable(x, "wrt")
  by_id <- which(vapply(entries, function(entry) root_of(x) %in% entry$id, NA))
  union(by_id, same_objects(part(x, "data"), entries, part(x, "kind")))
}

places_of_object <- function(x, entries) {
  if (is_recorded(x)) return(which(vapply(entries, function(entry) identical(entry$data, x), NA)))
  given <- vapply(entries, function(entry) is_same_object(x, entry$given), NA)
  union(which(given), same_objects(part(indexed(x, "Vi"), "data"), entries))
}

is_same_object <- function(x, y) !is.null(y) && .Call(C_match_objects, list(x), "Vi", list(y), "Vi") > 0L

# Where the entries have this object, of this kind or of any but parameters.
same_objects <- function(x, entries, kind = NULL) {
  kinds <- vapply(entries, `[[`, "", "kind")
  candidates <- which(if (is.null(kind)) kinds != "Pm" else kinds == kind & kind != "Pm")
  candidates[vapply(entries[candidates], function(entry) is_same_object(x[[1L]], entry$data), NA)]
}

# With the shape of a gradient by a LazyTensor: a matrix, of a parameter one row.
as_gradient <- function(e, entry) {
  size <- dim(entry$data)
  if (is.null(size)) size <- if (entry$kind == "Pm" || length(entry$data) == 1L) c(1L, length(entry$data))
                             else c(length(entry$data), 1L)
  e <- reshape(e, size)
  if (!is_recorded(e) && !is.null(rownames(entry$data))) rownames(e) <- rownames(entry$data)
  e
}

# ---- cotangents and directions -------------------------------------------------------------------

entries_of_cotangent <- function(e) if (is.LazyTensor(e)) entries_of_lazy(e)

# As numbers; `data`: those of a LazyTensor.
cotangent_for <- function(e, data) {
  if (!is.LazyTensor(e)) return(e)
  kinds <- setdiff(part(e, "kind"), "Pm")
  if (length(kinds) != 1L)
    throw("argument", "`cotangent` depends on ", if (length(kinds)) "i and j" else "no index",
          ": expected a LazyTensor of one index, or numbers")
  compute(operator_state("Sum_Reduction", list(lazy_with_data(e, data)), if (kinds == "Vi") "j" else "i"))
}

directions_of <- function(direction, data) {
  Map(function(u, x) {
    if (is.LazyTensor(u)) u <- cotangent_for(u, part(u, "data"))
    if (!is_object_of_numbers(u) || !length(u) %in% c(1L, length(x)))
      throw("shape", "`direction` is ", describe(u), ": expected the shape of the variable, ", describe(x))
    repeated(u, length(x), dim(x))
  }, unname(direction), data)
}
