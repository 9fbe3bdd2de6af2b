# Kernels as small objects: what models take.
#
# An rkeops_kernel is plain R data, a tree. A node is a list of
#   type        a name of kernel_types, or "sum", "product", "scale", "function"
#   parameters  numbers by name; NULL, or NA for each variable: not known yet, a model finds them
#   parts       other nodes, of a sum, product or scale
#   variables   names or positions of the columns that it is a function of, NULL: all
#   and what the type has beside: smoothness, degree, metric, f
#
# Its parameters have names in the whole tree, see parameters_of(); functions of nodes take `values`, a
# list of parameters by these names, which may be recorded values of the tape or LazyTensors.

new_kernel <- function(type, parameters = list(), parts = list(), variables = NULL, ...)
  structure(class = "rkeops_kernel",
            list(type = type, parameters = parameters, parts = parts, variables = variables, ...))

is_kernel <- function(x) inherits(x, "rkeops_kernel")

# ---- what users make -----------------------------------------------------------------------------

#' Kernels for models
#'
#' Covariance functions k(x, y) of two points, as small objects: [gp()] and other models take them,
#' [evaluate_kernel()] makes the LazyTensor of all pairs of two point clouds. Kernels are added and
#' multiplied by `+` and `*`, and scaled by numbers: `2 * kernel_matern() + kernel_linear()`.
#'
#' Parameters that are `NULL` are found by the model: [gp()] estimates them by likelihood, and takes those
#' that are given as its start; [kernel_ridge()] chooses length scales by cross-validation, and takes those
#' that are given as they are.
#'
#' @section Formulas:
#' r is the distance of x and y over `length_scale`; of several length scales each variable is divided by
#' its own.
#' \describe{
#'   \item{`kernel_gaussian`}{exp(-r^2 / 2)}
#'   \item{`kernel_laplacian`}{exp(-r), the Matern kernel of smoothness 1/2}
#'   \item{`kernel_matern`}{of smoothness 3/2 with s = sqrt(3) r: (1 + s) exp(-s); of 5/2 with s = sqrt(5) r:
#'     (1 + s + s^2 / 3) exp(-s); of another smoothness v with s = sqrt(2 v) r:
#'     2^(1 - v) / gamma(v) s^v besselK(s, v)}
#'   \item{`kernel_cauchy`}{1 / (1 + r^2)}
#'   \item{`kernel_periodic`}{exp(-2 sum(sin(pi (x - y) / period)^2) / length_scale^2)}
#'   \item{`kernel_linear`}{the scalar product of x and y, each over `length_scale`}
#'   \item{`kernel_polynomial`}{(that + offset)^degree}
#'   \item{`kernel_thin_plate`}{the thin plate spline of order m: +-r^(2 m - D), times log(r) for even D, of
#'     distances r of D variables. It goes with polynomials of degree below m, which [kernel_ridge()] adds;
#'     other models do not take it.}
#' }
#'
#' @param length_scale the distance in which values fall, in the unit of the variables; several: one for
#'   each variable. `NULL`: found by the model.
#' @param smoothness 1/2, 3/2, 5/2 or another positive number; `NULL`: estimated by [gp()].
#' @param period the period, a positive number; several: one for each variable.
#' @param degree,offset a positive whole number; a number not below 0.
#' @param order the order m of a thin plate spline, above D / 2. `NULL`: the smallest above (D + 1) / 2, which
#'   is 2 up to two variables, cubic splines for one.
#' @param ard `TRUE` for a length scale of each variable, where `length_scale` is `NULL`.
#' @param metric `"euclidean"`; for points on the Earth, with columns longitude and latitude in degrees,
#'   `"chord"`, metres through it, or `"haversine"`, metres along great circles, where the kernel is one
#'   on a sphere too: `kernel_laplacian` and smoothness up to 1/2.
#' @param variables names or positions of the variables that the kernel is a function of; `NULL` for all.
#' @param f a function of two LazyTensors x and y, and of parameters, that gives a LazyTensor of dimension
#'   1, symmetric in x and y.
#' @param ... of `kernel_function` the parameters of `f` by name, positive numbers; else not used.
#' @return An object of class `rkeops_kernel`, plain data that prints its formula and draws itself by
#'   [plot()][evaluate_kernel].
#' @section Errors:
#' `rkeops_error_argument` for parameters that are not positive numbers, unknown metrics and combinations.
#' @family models
#' @examples
#' kernel_matern(3/2, length_scale = 0.2)
#' 2 * kernel_gaussian(c(1, 10)) + kernel_periodic(12, variables = "month")
#' # any function of LazyTensors
#' kernel_function(function(x, y, a) exp(-sum(abs(x - y)) / a), a = 2)
#' @name kernels
NULL

#' @rdname kernels
#' @export
kernel_gaussian <- function(length_scale = NULL, ard = FALSE, metric = "euclidean", variables = NULL)
  radial_kernel("gaussian", length_scale, ard, metric, variables)

#' @rdname kernels
#' @export
kernel_laplacian <- function(length_scale = NULL, ard = FALSE, metric = "euclidean", variables = NULL)
  radial_kernel("laplacian", length_scale, ard, metric, variables)

#' @rdname kernels
#' @export
kernel_matern <- function(smoothness = 3/2, length_scale = NULL, ard = FALSE, metric = "euclidean",
                          variables = NULL) {
  if (!is.null(smoothness)) smoothness <- check_positives(smoothness, "smoothness", one = TRUE)
  free <- is.null(smoothness)
  kernel <- radial_kernel("matern", length_scale, ard, metric, variables, smoothness)
  if (free) kernel$parameters["smoothness"] <- list(NULL) else kernel$smoothness <- smoothness
  kernel
}

#' @rdname kernels
#' @export
kernel_cauchy <- function(length_scale = NULL, ard = FALSE, metric = "euclidean", variables = NULL)
  radial_kernel("cauchy", length_scale, ard, metric, variables)

#' @rdname kernels
#' @export
kernel_periodic <- function(period, length_scale = 1, variables = NULL) {
  check_given(period, "period", "a positive number")
  new_kernel("periodic", list(period = check_positives(period, "period"),
                              length_scale = check_length_scale(length_scale, FALSE)),
             variables = check_variables(variables))
}

#' @rdname kernels
#' @export
kernel_linear <- function(length_scale = 1, ard = FALSE, variables = NULL)
  new_kernel("linear", list(length_scale = check_length_scale(length_scale, ard)),
             variables = check_variables(variables))

#' @rdname kernels
#' @export
kernel_polynomial <- function(degree = 2L, offset = 1, length_scale = 1, ard = FALSE, variables = NULL) {
  if (!is_number(offset) || !is.finite(offset) || offset < 0)
    unexpected(offset, "offset", "a number not below 0")
  parameters <- list(length_scale = check_length_scale(length_scale, ard))
  if (offset > 0) parameters$offset <- offset
  new_kernel("polynomial", parameters, variables = check_variables(variables),
             degree = check_count(degree, "degree"))
}

#' @rdname kernels
#' @export
kernel_thin_plate <- function(order = NULL, variables = NULL)
  new_kernel("thin_plate", variables = check_variables(variables),
             order = if (!is.null(order)) check_count(order, "order"))

#' @rdname kernels
#' @export
kernel_function <- function(f, ..., variables = NULL) {
  if (!is_r_function(f)) unexpected(f, "f", "a function of two LazyTensors")
  parameters <- list(...)
  if (length(parameters) && (is.null(names(parameters)) || !all(nzchar(names(parameters)))))
    throw("argument", "a parameter of `f` has no name: expected kernel_function(f, name = value)")
  for (name in names(parameters)) check_positives(parameters[[name]], name)
  unknown <- setdiff(names(parameters), names(formals(f)))
  if (length(unknown) && !"..." %in% names(formals(f)))
    throw("argument", "`", unknown[1L], "` is no argument of `f`", suggestion(unknown[1L], names(formals(f))),
          ": expected parameters of `f`")
  new_kernel("function", parameters, variables = check_variables(variables), f = f)
}

radial_kernel <- function(type, length_scale, ard, metric, variables, smoothness = NULL) {
  check_choice(metric, "metric", c("euclidean", "chord", "haversine"))
  if (metric == "haversine" && !(type == "laplacian" || type == "matern" && isTRUE(smoothness <= 1/2)))
    throw("argument", "`metric` is \"haversine\": expected \"chord\" for this kernel, as along great ",
          "circles it is not positive definite; kernel_laplacian() is")
  if (metric != "euclidean" && (check_flag(ard, "ard") || length(length_scale) > 1L))
    throw("argument", "there are several length scales on a sphere: expected one")
  new_kernel(type, list(length_scale = check_length_scale(length_scale, ard)),
             variables = check_variables(variables), metric = metric)
}

check_positives <- function(x, name, one = FALSE) {
  if (!is.numeric(x) || is.object(x) || !length(x) || !all(is.finite(x)) || any(x <= 0) ||
      one && length(x) > 1L)
    unexpected(x, name, if (one) "a positive number" else "positive numbers")
  x[] <- as.double(x)
  x
}

# NA for each variable where they are to be found, see with_starts().
check_length_scale <- function(x, ard) {
  if (!is.null(x)) check_positives(x, "length_scale")
  else if (check_flag(ard, "ard")) NA_real_
}

check_variables <- function(x) {
  if (is.null(x) || (is.character(x) || is.numeric(x) && !is.object(x)) && length(x) && !anyNA(x)) return(x)
  unexpected(x, "variables", "names or positions of variables")
}

# ---- arithmetic ------------------------------------------------------------------------------------

#' @export
Ops.rkeops_kernel <- function(e1, e2) {
  if (missing(e2)) throw("argument", "`", .Generic, "` of one kernel: expected k1 + k2, k1 * k2 or 2 * k")
  if (is_kernel(e1) && is_kernel(e2)) {
    type <- switch(.Generic, "+" = "sum", "*" = "product", refuse_kernels(.Generic))
    parts <- c(terms_of_kernel(e1, type), terms_of_kernel(e2, type))
    return(new_kernel(type, parts = parts))
  }
  number <- if (is_kernel(e1)) e2 else e1
  kernel <- if (is_kernel(e1)) e1 else e2
  if (!(.Generic == "*" || .Generic == "/" && is_kernel(e1))) refuse_kernels(.Generic)
  number <- check_positives(number, "factor", one = TRUE)
  if (.Generic == "/") number <- 1 / number
  if (kernel$type == "scale") {
    kernel$parameters$variance <- number * kernel$parameters$variance
    return(kernel)
  }
  new_kernel("scale", list(variance = number), list(kernel))
}

terms_of_kernel <- function(kernel, type) if (kernel$type == type) kernel$parts else list(kernel)

refuse_kernels <- function(operator)
  throw("argument", "`", operator, "` of a kernel: expected sums and products of kernels, and positive ",
        "numbers times kernels")

# ---- parameters ----------------------------------------------------------------------------------

# The tree with a `label` in each node that has parameters, what the names of its parameters begin with:
# "" where there is one such node, else its type, with a number where there are several of it. A scale of
# some of the kernels has those of all of them.
with_labels <- function(kernel) {
  types <- types_of_leaves(kernel)
  labels <- if (length(types) == 1L) "" else {
    several <- types %in% types[duplicated(types)]
    number <- stats::ave(seq_along(types), types, FUN = seq_along)
    paste0(types, base::ifelse(several, number, ""), ".")
  }
  next_leaf <- 0L
  labelled <- function(node) {
    first <- next_leaf + 1L
    node$parts <- lapply(node$parts, labelled)
    if (!length(node$parts)) next_leaf <<- next_leaf + 1L
    inside <- sub("[.]$", "", labels[first:next_leaf])
    node$label <- if (length(inside) < length(labels)) paste0(paste(inside, collapse = ":"), ".") else ""
    node
  }
  labelled(kernel)
}

types_of_leaves <- function(node)
  if (length(node$parts)) unlist(lapply(node$parts, types_of_leaves)) else node$type

# All parameters of the tree, by their names in it.
parameters_of <- function(kernel) {
  collect <- function(node) {
    own <- node$parameters
    if (length(own)) names(own) <- paste0(node$label, names(own))
    c(unlist(lapply(node$parts, collect), recursive = FALSE), own)
  }
  collect(with_labels(kernel))
}

# The tree with these values as its parameters.
with_parameters <- function(kernel, values) {
  put <- function(node) {
    for (name in names(node$parameters))
      node$parameters[name] <- list(values[[paste0(node$label, name)]])
    node$parts <- lapply(node$parts, put)
    node$label <- NULL
    node
  }
  put(with_labels(kernel))
}

is_unset <- function(x) is.null(x) || anyNA(x)

# The parameters that are not set, from the points: of length scales a part of the distances that there
# are; NA for each of several variables.
with_starts <- function(kernel, x) {
  kernel$parts <- lapply(kernel$parts, with_starts, x)
  for (name in names(kernel$parameters)) {
    value <- kernel$parameters[[name]]
    if (is_unset(value) && name %in% c("smoothness", "length_scale"))
      kernel$parameters[[name]] <- switch(name, smoothness = 1, length_scale =
        start_of_length(prepared_points(kernel, x), ard = !is.null(value)))
    if (is.na(match(name, c("smoothness", "variance", "offset"))) && length(kernel$parameters[[name]]) > 1L &&
        kernel$type != "function") check_one_for_each(kernel$parameters[[name]], name, kernel, x)
  }
  kernel
}

check_one_for_each <- function(value, name, kernel, x) {
  count <- ncol(selected_variables(kernel, x))
  if (length(value) != count)
    throw("shape", "`", name, "` has ", length(value), " numbers and the kernel is of ",
          counted(count, "variable"), ": expected one number, or one for each")
}

# Half of the median distance; of each variable by its spread. The rows are taken from all over the data.
start_of_length <- function(x, ard) {
  at <- unique(round(seq(1, nrow(x), length.out = min(nrow(x), 500L))))
  x <- x[at, , drop = FALSE]
  if (ard) {
    spread <- apply(x, 2L, stats::sd)
    spread[!is.finite(spread) | spread == 0] <- 1
    return(unname(spread * sqrt(ncol(x) / 2)))
  }
  distances <- stats::dist(x)
  middle <- stats::median(distances[distances > 0])
  if (is.finite(middle)) middle / 2 else 1
}

# ---- points --------------------------------------------------------------------------------------

selected_variables <- function(kernel, x) {
  at <- kernel$variables
  if (is.null(at)) return(x)
  found <- if (is.character(at)) match(at, colnames(x)) else match(at, seq_len(ncol(x)))
  if (anyNA(found))
    throw("argument", "`variables` has ", describe(at[is.na(found)][1L]), ": expected ",
          if (is.character(at)) paste0("names of columns, ", paste0("\"", colnames(x), "\"", collapse = ", "))
          else paste("positions from 1 to", ncol(x)))
  x[, found, drop = FALSE]
}

# What distances are of: the variables of the kernel, on a sphere of the Earth's size where the metric is one.
prepared_points <- function(kernel, x) {
  x <- selected_variables(kernel, x)
  if (is.null(kernel$metric) || kernel$metric == "euclidean") x else on_globe(x, "x") * earth_radius
}

# ---- evaluation ----------------------------------------------------------------------------------

#' Values of a kernel at all pairs of points
#'
#' `evaluate_kernel(k, x, y)` is the LazyTensor of k(x_i, y_j): nothing is computed before it is reduced,
#' multiplied by a vector, solved, or made dense by `as.matrix()`. `plot()` draws a kernel along a line.
#'
#' @param kernel a kernel, see [kernels]; its parameters have to be set.
#' @param x,y matrices, a point each row, of as many columns; a vector is one column. Without `y` all pairs
#'   of rows of `x`.
#' @return A LazyTensor of dimension 1, of class `LazyTensor`. `plot()`: the points of the line and
#'   the values, a data.frame, invisibly.
#' @section Errors:
#' `rkeops_error_argument` where a parameter is not set, `x` has other variables than the kernel, or is no
#' matrix of numbers; `rkeops_error_shape` where numbers of columns do not agree.
#' @family models
#' @examples
#' x <- matrix(sin(1:20), ncol = 2)
#' K <- evaluate_kernel(kernel_gaussian(0.5), x)
#' K %*% rep(1, 10)
#' plot(kernel_matern(3/2, 0.3))
#' @export
evaluate_kernel <- function(kernel, x, y = NULL) {
  kernel <- check_kernel(kernel)
  x <- rows_given(x, "x")
  if (!is.null(y)) {
    y <- rows_given(y, "y")
    if (ncol(x) != ncol(y))
      throw("shape", "`x` has ", counted(ncol(x), "column"), ", `y` has ", ncol(y),
            ": expected equal numbers")
  }
  check_set(kernel)
  kernel <- with_starts(kernel, x)
  kernel_tensor(kernel, x, y)
}

check_kernel <- function(kernel, name = "kernel") {
  if (!is_kernel(kernel)) unexpected(kernel, name, "a kernel, such as kernel_gaussian()")
  kernel
}

check_set <- function(kernel) {
  values <- parameters_of(kernel)
  unset <- names(values)[vapply(values, is_unset, NA)]
  if (length(unset))
    throw("argument", "`", unset[1L], "` of the kernel is not set: expected a number, or a model that ",
          "finds it")
}

# The LazyTensor of the kernel at the rows of plain matrices x and y (NULL: x again).
kernel_tensor <- function(kernel, x, y = NULL, values = parameters_of(kernel)) {
  evaluate <- function(node) {
    own <- stats::setNames(values[paste0(rep(node$label, length(node$parameters)), names(node$parameters))],
                           names(node$parameters))
    switch(node$type,
      sum = Reduce(`+`, lapply(node$parts, evaluate)),
      product = Reduce(`*`, lapply(node$parts, evaluate)),
      scale = evaluate(node$parts[[1L]]) * own$variance,
      "function" = function_tensor(node, x, y, own),
      leaf_tensor(node, x, y, own))
  }
  evaluate(with_labels(kernel))
}

leaf_tensor <- function(node, x, y, own) {
  x <- prepared_points(node, x)
  y <- if (!is.null(y)) prepared_points(node, y)
  switch(node$type,
    periodic = periodic_tensor(x, y, own),
    linear = , polynomial = product_tensor(node, x, y, own),
    thin_plate = thin_plate_tensor(node, x, y),
    radial_tensor(node, x, y, own))
}

# Where numbers are plain, x and y are divided by them: the formula is then that of a kernel of the package.
is_plain_parameter <- function(x) !is.LazyTensor(x) && !is_recorded(x)

variable_pair <- function(x, y) {
  x <- unname(x)
  list(Vi(x), Vj(if (is.null(y)) x else unname(y)))
}

over_scales <- function(x, scale)
  if (is.null(x)) NULL else if (length(scale) == 1L) x / scale else x / rep(scale, each = nrow(x))

# Sum of squared differences over squares of the scales, times `by`.
scaled_squares <- function(x, y, scale, by) {
  if (is_plain_parameter(scale)) {
    pair <- variable_pair(over_scales(x, scale / sqrt(by)), over_scales(y, scale / sqrt(by)))
    return(sqdist(pair[[1L]], pair[[2L]]))
  }
  pair <- variable_pair(x, y)
  if (length_of_parameter(scale) == 1L) sqdist(pair[[1L]], pair[[2L]]) * (by / scale^2)
  else weightedsqdist(pair[[1L]], pair[[2L]], as_parameter(by / scale^2))
}

scaled_norm <- function(x, y, scale, by) {
  if (is_plain_parameter(scale)) {
    pair <- variable_pair(over_scales(x, scale / by), over_scales(y, scale / by))
    return(norm2(pair[[1L]] - pair[[2L]]))
  }
  if (length_of_parameter(scale) > 1L) return(sqrt(scaled_squares(x, y, scale, by^2)))
  pair <- variable_pair(x, y)
  norm2(pair[[1L]] - pair[[2L]]) * (by / scale)
}

length_of_parameter <- function(x) if (is.LazyTensor(x)) part(x, "dimres") else length(value_of(x))

as_parameter <- function(x) if (is.LazyTensor(x)) x else Pm(x)

radial_tensor <- function(node, x, y, own) {
  scale <- own$length_scale
  norm <- function(by) if (identical(node$metric, "haversine")) haversine_norm(x, y) * (by / scale)
                       else scaled_norm(x, y, scale, by)
  if (node$type == "gaussian") return(exp(-scaled_squares(x, y, scale, 1/2)))
  if (node$type == "cauchy") return(inv(1 + scaled_squares(x, y, scale, 1)))
  if (node$type == "laplacian") return(exp(-norm(1)))
  closed <- is.null(own$smoothness) && node$smoothness %in% c(1/2, 3/2, 5/2)
  if (!closed) {
    smoothness <- if (is.null(own$smoothness)) node$smoothness else own$smoothness
    squares <- if (identical(node$metric, "haversine")) square(norm(1)) else scaled_squares(x, y, scale, 1)
    return(matern(squares, smoothness))
  }
  if (node$smoothness == 1/2) return(exp(-norm(1)))
  r <- norm(sqrt(2 * node$smoothness))
  if (node$smoothness == 3/2) (1 + r) * exp(-r) else (1 + r + square(r) / 3) * exp(-r)
}

# Along great circles, of points on a sphere of the Earth's size.
haversine_norm <- function(x, y) {
  pair <- variable_pair(x, y)
  asin(clamp(norm2(pair[[1L]] - pair[[2L]]) / (2 * earth_radius), -1, 1)) * (2 * earth_radius)
}

periodic_tensor <- function(x, y, own) {
  pair <- variable_pair(x, y)
  angle <- (pair[[1L]] - pair[[2L]]) * (pi / own$period)
  if (length_of_parameter(own$length_scale) == 1L) exp(sqnorm2(sin(angle)) * (-2 / own$length_scale^2))
  else exp(-weightedsqnorm(sin(angle), as_parameter(2 / own$length_scale^2)))
}

product_tensor <- function(node, x, y, own) {
  scale <- own$length_scale
  if (is_plain_parameter(scale)) {
    pair <- variable_pair(over_scales(x, scale), over_scales(y, scale))
    value <- (pair[[1L]] | pair[[2L]])
  } else {
    pair <- variable_pair(x, y)
    value <- if (length_of_parameter(scale) == 1L) (pair[[1L]] | pair[[2L]]) * (1 / scale^2)
             else (pair[[1L]] * (1 / as_parameter(scale)^2) | pair[[2L]])
  }
  if (node$type == "linear") return(value)
  if (!is.null(own$offset)) value <- value + own$offset
  value^node$degree
}

# Up to a positive factor: positive definite on what polynomials of degree below m vanish on.
thin_plate_tensor <- function(node, x, y) {
  D <- ncol(x)
  m <- order_of_thin_plate(node, D)
  pair <- variable_pair(x, y)
  if (D %% 2L) return(norm2(pair[[1L]] - pair[[2L]])^(2L * m - D) * (-1)^(m - (D - 1) / 2))
  s <- sqdist(pair[[1L]], pair[[2L]])
  power <- (2L * m - D) / 2
  (-1)^(m - D / 2 + 1) / 2 * (if (power > 1) s^(power - 1) else 1) * xlogx(s)
}

order_of_thin_plate <- function(node, D) {
  m <- if (is.null(node$order)) (D + 1L) %/% 2L + 1L else node$order
  if (2L * m <= D)
    throw("argument", "`order` is ", m, ": expected one above ", D / 2, " for ", counted(D, "variable"))
  m
}

function_tensor <- function(node, x, y, own) {
  pair <- variable_pair(prepared_points(node, x), if (!is.null(y)) prepared_points(node, y))
  out <- do.call(node$f, c(pair, own))
  if (!is.LazyTensor(out) || part(out, "complex") || part(out, "dimres") != 1L)
    throw("argument", "`f` of the kernel gives ", describe(out), if (is.LazyTensor(out))
          paste(" of dimension", part(out, "dimres")), ": expected a LazyTensor of dimension 1")
  out
}

# ---- what users see --------------------------------------------------------------------------------

#' @export
format.rkeops_kernel <- function(x, ...) paste0("<kernel> ", kernel_text(x))

#' @export
print.rkeops_kernel <- function(x, ...) {
  cat(format(x), sep = "\n")
  for (line in where_text(x)) cat("  ", line, "\n", sep = "")
  invisible(x)
}

kernel_text <- function(x, inside = FALSE) {
  texts <- function(inside) vapply(x$parts, kernel_text, "", inside)
  text <- switch(x$type,
    sum = paste(texts(FALSE), collapse = " + "),
    product = paste(texts(TRUE), collapse = " * "),
    scale = paste(short_number(x$parameters$variance), "*", texts(TRUE)),
    leaf_text(x))
  if (inside && x$type == "sum") paste0("(", text, ")") else text
}

# "matern(smoothness = 1.5, length_scale = 0.2)"
leaf_text <- function(x) {
  own <- c(x[intersect(c("smoothness", "degree", "order"), names(x))], x$parameters)
  own <- own[names(own) %in% names(x$parameters) | !vapply(own, is.null, NA)]
  texts <- vapply(names(own), function(name) paste0(name, " = ", values_text(own[[name]])), "")
  if (!is.null(x$metric) && x$metric != "euclidean") texts <- c(texts, paste0("metric = \"", x$metric, "\""))
  if (!is.null(x$variables)) texts <- c(texts, paste("variables =", deparse1(x$variables)))
  paste0(x$type, "(", paste(texts, collapse = ", "), ")")
}

values_text <- function(x) {
  if (is_unset(x)) return("to be found")
  text <- vapply(x, short_number, "")
  if (length(text) > 6L) text <- c(text[1:6], "...")
  if (length(text) > 1L) paste0("(", paste(text, collapse = ", "), ")") else text
}

# The formula of each type that occurs.
where_text <- function(x) {
  types <- unique(types_of_leaves(x))
  known <- c(gaussian = "exp(-r^2 / 2)", laplacian = "exp(-r)", cauchy = "1 / (1 + r^2)",
             periodic = "exp(-2 sum(sin(pi (x - y) / period)^2) / length_scale^2)",
             linear = "sum(x y) / length_scale^2", polynomial = "(sum(x y) / length_scale^2 + offset)^degree",
             thin_plate = "r^(2 m - D), times log(r) for even D", matern = "Bessel function of r")
  radial <- intersect(types, c("gaussian", "laplacian", "matern", "cauchy"))
  smoothness <- smoothness_in(x)
  if (identical(smoothness, 1/2)) known[["matern"]] <- "exp(-r)"
  if (identical(smoothness, 3/2)) known[["matern"]] <- "(1 + s) exp(-s), s = sqrt(3) r"
  if (identical(smoothness, 5/2)) known[["matern"]] <- "(1 + s + s^2 / 3) exp(-s), s = sqrt(5) r"
  if (length(smoothness) > 1L) known[["matern"]] <- "see ?kernels"
  c(vapply(intersect(types, names(known)), function(type) paste0(type, ": ", known[[type]]), ""),
    if (length(radial)) "r: the distance of x and y over length_scale")
}

smoothness_in <- function(x)
  unique(if (length(x$parts)) unlist(lapply(x$parts, smoothness_in)) else
    if (x$type == "matern" && !is.null(x$smoothness)) x$smoothness)

#' @rdname evaluate_kernel
#' @param variable the variable along which it is drawn, for kernels of several: a name or a position.
#' @param from,to where the line begins and ends; of its other variables points have `at`.
#' @param at the point y that all others are compared with, a number or one for each variable.
#' @param n how many points of the line.
#' @param ... further arguments of [graphics::plot()].
#' @export
plot.rkeops_kernel <- function(x, variable = 1L, from = NULL, to = NULL, at = 0, n = 201L, ...) {
  check_set(x)
  names <- variables_in(x)
  count <- max(dimensions_of(x), length(names), 1L)
  at <- matrix(rep_len(at, count), 1L, dimnames = list(NULL, if (length(names) == count) names))
  k <- if (is.character(variable)) match(variable, names) else check_count(variable, "variable", 1L, count)
  if (is.na(k)) unexpected(variable, "variable", "one of ", paste(names, collapse = ", "))
  reach <- 4 * reach_of(x, k)
  if (is.null(from)) from <- at[k] - reach
  if (is.null(to)) to <- at[k] + reach
  line <- at[rep(1L, n), , drop = FALSE]
  line[, k] <- seq(from, to, length.out = n)
  out <- data.frame(x = line[, k], value = as.vector(as.matrix(evaluate_kernel(x, line, at))))
  given <- list(...)
  default <- list(type = "l", xlab = if (length(names)) names[k] else "x", ylab = "k(x, y)",
                  main = kernel_text(x))
  do.call(graphics::plot, c(list(out$x, out$value), given, default[setdiff(names(default), names(given))]))
  invisible(out)
}

variables_in <- function(x) {
  if (length(x$parts)) unique(unlist(lapply(x$parts, variables_in)))
  else if (is.character(x$variables)) x$variables
}

dimensions_of <- function(x) {
  if (length(x$parts)) return(max(vapply(x$parts, dimensions_of, 1)))
  if (!is.null(x$metric) && x$metric != "euclidean") return(2)
  of_parameters <- if (x$type != "function") lengths(x$parameters)
  max(1, of_parameters, if (is.numeric(x$variables)) x$variables)
}

# A length of the kernel along variable k.
reach_of <- function(x, k) {
  if (length(x$parts)) return(max(vapply(x$parts, reach_of, 1, k)))
  scale <- x$parameters$length_scale
  if (x$type == "periodic") return(max(x$parameters$period) / 2)
  if (x$type == "function" || is.null(scale)) return(1)
  out <- scale[min(k, length(scale))]
  if (!is.null(x$metric) && x$metric != "euclidean") out / earth_radius * 180 / pi else out
}
