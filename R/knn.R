# Regression and classification by nearest neighbours.

#' Nearest neighbours as a model
#'
#' A prediction is a mean over the k nearest rows, or the class that most of them have. Neighbours are exact,
#' in any metric of [nearest()], and no distances are stored.
#'
#' Fitted values are those of the *other* rows, leave-one-out: a row is no neighbour of itself, but an equal
#' row is. So errors of the fit are those that new rows would have, and of several `k` the one with the
#' smallest is taken: of the mean squared error, or of the share of wrong classes; of equal ones the smallest
#' k.
#'
#' Neighbours count `"uniform"`ly, by the `"inverse"` of their distance (those at distance 0 alone, where
#' there are any), or by a function of the distances, a matrix with a row for each point. `weights` of rows
#' multiply that; a row of weight 0 is no neighbour. Where classes are equal but for rounding, the one with
#' the nearer neighbour is taken; of equally near ones the first level.
#'
#' @param x a formula, a matrix or data.frame of numbers, or a recipe of package recipes.
#' @param formula a formula with a response, `y ~ x1 + x2`. Factors become an indicator for each level.
#' @param data a data.frame or matrix with the variables of the formula.
#' @param y the response for each row of `x`: numbers, a vector or matrix; of `knn_classify()` a factor or
#'   what becomes one.
#' @param k how many neighbours; several: the best is taken; `NULL`: the best of 1, 2, 3, 5, 7, 10, 15, 20,
#'   30, 50.
#' @param metric a name, a function of two LazyTensors or a formula, see [nearest()].
#' @param weighting `"uniform"`, `"inverse"` or a function of distances.
#' @param weights case weights, numbers not below 0.
#' @param subset,na.action as in [stats::lm()].
#' @param scale whether variables are divided by their standard deviations: of metrics `"euclidean"`,
#'   `"manhattan"` and `"maximum"`; other metrics get the variables as they are.
#' @param ... of methods for formulas and recipes: the other arguments.
#' @return An object of class `knn_regression` or `knn_classify`, and `knn_model`: a list with `k`, `points`,
#'   `fitted.values`, `residuals` (of classes `prob`, their shares), `path`, a data.frame of `k` and its
#'   `error`, and what they were made with. See [knn-methods] for what it is asked.
#' @section Errors:
#' `rkeops_error_argument` for arguments that are none of these; `rkeops_error_shape` where sizes do not
#' agree; those of [nearest()].
#' @family models
#' @examples
#' fit <- knn_regression(mag ~ long + lat + depth, quakes)
#' fit
#' plot(fit$path, type = "b", log = "x")
#'
#' # classes over the plane of two variables
#' fit <- knn_classify(Species ~ Petal.Length + Petal.Width, iris, k = 7)
#' fit
#' plane <- expand.grid(Petal.Length = seq(1, 7, 0.1), Petal.Width = seq(0, 2.5, 0.1))
#' plot(plane, col = hcl.colors(3)[predict(fit, plane)], pch = 15, cex = 0.6)
#' points(Petal.Width ~ Petal.Length, iris, pch = 21, bg = hcl.colors(3)[Species])
#'
#' # kilometres on the Earth, weighted by a function of them
#' near <- knn_regression(depth ~ long + lat, quakes, k = 10, metric = "haversine",
#'                        weighting = function(d) exp(-d / 50e3))
#' near
#' @export
knn_regression <- function(x, ...) UseMethod("knn_regression")

#' @rdname knn_regression
#' @export
knn_regression.formula <- function(formula, data, k = NULL, subset, weights, na.action, ...) {
  call <- match.call()
  input <- input_of_formula(call, parent.frame())
  finished_knn(fit_knn(input, FALSE, k, ...), call, "knn_regression")
}

#' @rdname knn_regression
#' @export
knn_regression.default <- function(x, y, k = NULL, metric = "euclidean", weighting = "uniform",
                                   weights = NULL, scale = TRUE, ...) {
  call <- match.call()
  finished_knn(fit_knn_of_matrices(x, y, k, metric, weighting, weights, scale, FALSE, ...), call,
               "knn_regression")
}

#' @rdname knn_regression
#' @export
knn_regression.recipe <- function(x, data, ...)
  model_of_recipe(knn_regression.formula, x, data, match.call(), "knn_regression", ...)

#' @rdname knn_regression
#' @export
knn_classify <- function(x, ...) UseMethod("knn_classify")

#' @rdname knn_regression
#' @export
knn_classify.formula <- function(formula, data, k = NULL, subset, weights, na.action, ...) {
  call <- match.call()
  input <- input_of_formula(call, parent.frame())
  finished_knn(fit_knn(input, TRUE, k, ...), call, "knn_classify")
}

#' @rdname knn_regression
#' @export
knn_classify.default <- function(x, y, k = NULL, metric = "euclidean", weighting = "uniform",
                                 weights = NULL, scale = TRUE, ...) {
  call <- match.call()
  finished_knn(fit_knn_of_matrices(x, y, k, metric, weighting, weights, scale, TRUE, ...), call,
               "knn_classify")
}

#' @rdname knn_regression
#' @export
knn_classify.recipe <- function(x, data, ...)
  model_of_recipe(knn_classify.formula, x, data, match.call(), "knn_classify", ...)

finished_knn <- function(object, call, name) {
  object$call <- as_call_of(call, name)
  structure(object, class = c(name, "knn_model"))
}

fit_knn_of_matrices <- function(x, y, k, metric, weighting, weights, scale, classify, ...) {
  check_given(x, "x", "a formula, or points")
  check_no_more(..., of = if (classify) "knn_classify" else "knn_regression",
                known = names(formals(knn_regression.default)))
  check_no_formula(if (missing(y)) NULL else y)
  fit_knn(input_of_matrices(x, y, weights), classify, k, metric, weighting, scale)
}

# ---- the fit -----------------------------------------------------------------------------------------

usual_neighbours <- c(1L, 2L, 3L, 5L, 7L, 10L, 15L, 20L, 30L, 50L)

fit_knn <- function(input, classify, k = NULL, metric = "euclidean", weighting = "uniform", scale = TRUE,
                    ...) {
  check_no_more(..., of = if (classify) "knn_classify" else "knn_regression",
                known = names(formals(knn_regression.default)))
  if (!is_r_function(weighting)) check_choice(weighting, "weighting", c("uniform", "inverse"))
  check_flag(scale, "scale")
  response <- response_of_knn(input$y, classify)
  n <- nrow(input$x)
  given <- !is.null(k)
  k <- if (given) check_neighbours(k, n) else usual_neighbours[usual_neighbours < max(n, 2L)]
  is_scaled <- scale && is_string(metric) && metric %in% c("euclidean", "manhattan", "maximum")
  out <- c(list(metric = metric, weighting = weighting, nobs = n,
                units = if (is_scaled) units_of(input$x, input$weights), response = response$y,
                case_weights = input$weights), response[c("levels", "names")])
  out$points <- in_units(input$x, out$units)
  near <- nearest(out$points, k = max(k), metric = metric)
  values <- lapply(k, function(k) votes_of(out, near, k))
  errors <- vapply(values, function(v) error_of_votes(out, v, response$y), 1)
  best <- if (all(is.na(errors))) 1L else which.min(errors)
  out$k <- k[best]
  out$path <- data.frame(k = k, error = errors)
  out$is_chosen <- length(k) > 1L
  knn_with_values(out, input, values[[best]], classify)
}

check_neighbours <- function(k, n) {
  if (!is.numeric(k) || is.object(k) || !length(k) || !all(is.finite(k)) || any(k != round(k)) ||
      any(k < 1) || any(k > min(n, max_k)))
    unexpected(k, "k", "NULL, a whole number from 1 to ", min(n, max_k), ", the number of rows, or several")
  sort(unique(as.integer(k)))
}

# list(y, levels, names): numbers, or codes of levels.
response_of_knn <- function(y, classify) {
  if (!classify) {
    if (is.factor(y))
      throw("argument", "the response is a factor: expected numbers; knn_classify() takes classes")
    names <- if (is.matrix(y)) if (is.null(colnames(y))) paste0("y", seq_len(ncol(y))) else colnames(y)
    return(list(y = matrix(as.double(y), NROW(y)), names = names))
  }
  if (is.matrix(y)) throw("argument", "the response has ", ncol(y), " columns: expected one of classes")
  y <- droplevels(as.factor(y))
  list(y = as.integer(y), levels = levels(y))
}

# ---- votes ---------------------------------------------------------------------------------------------

# Of neighbours, list(index, distance): a matrix with means for each response, or with shares of each level.
votes_of <- function(object, near, k) {
  at <- seq_len(min(k, ncol(near$index)))
  index <- near$index[, at, drop = FALSE]
  w <- weights_of_neighbours(object, near$distance[, at, drop = FALSE])
  missing <- is.na(index)
  w[missing] <- 0
  index[missing] <- 1L
  if (!is.null(object$case_weights)) w <- w * object$case_weights[index]
  total <- rowSums(w)
  if (is.null(object$levels)) {
    sums <- lapply(seq_len(ncol(object$response)), function(c) rowSums(w * object$response[index, c]))
    return(matrix(unlist(sums), nrow(index)) / total)
  }
  code <- matrix(object$response[index], nrow(index))
  sums <- lapply(seq_along(object$levels), function(level) rowSums(w * (code == level)))
  structure(matrix(unlist(sums), nrow(index)) / total, code = code, weight = w)
}

weights_of_neighbours <- function(object, distance) {
  if (is_r_function(object$weighting)) {
    w <- object$weighting(distance)
    if (!is.numeric(w) || length(w) != length(distance))
      throw("argument", "`weighting` gives ", describe(w), ": expected a number for each distance")
    w <- matrix(as.double(w), nrow(distance))
    known <- is.finite(distance)
    if (any(!is.finite(w[known]) | w[known] < 0))
      throw("argument", "`weighting` gives values that are below 0 or not finite: expected numbers not ",
            "below 0")
    return(w)
  }
  if (object$weighting == "uniform") return(1 + 0 * replace(distance, !is.finite(distance), 0))
  is_zero <- distance <= 0
  nearest <- distance[, 1L]
  w <- nearest / distance # in proportion to 1 / distance, and no more than 1
  any_zero <- rowSums(is_zero) > 0
  w[any_zero, ] <- is_zero[any_zero, , drop = FALSE]
  w
}

# Of each row the class of the largest share; of equal ones that of the nearer neighbour, then the first.
classes_of_votes <- function(object, votes) {
  best <- do.call(base::pmax, lapply(seq_len(ncol(votes)), function(c) votes[, c]))
  tied <- matrix(votes >= best * (1 - 1e-12), nrow(votes))
  tied[is.na(tied)] <- FALSE
  out <- max.col(tied, ties.method = "first")
  out[is.na(best)] <- NA
  code <- attr(votes, "code")
  for (i in which(rowSums(tied) > 1L)) {
    among <- code[i, ][attr(votes, "weight")[i, ] > 0]
    out[i] <- among[tied[i, among]][1L]
  }
  out
}

# NaN where no row has a neighbour.
error_of_votes <- function(object, votes, y) {
  w <- if (is.null(object$case_weights)) rep(1, nrow(votes)) else object$case_weights
  if (!is.null(object$levels)) {
    wrong <- classes_of_votes(object, votes) != y
    return(sum((w * wrong)[!is.na(wrong)]) / sum(w[!is.na(wrong)]))
  }
  known <- !is.nan(votes[, 1L])
  mean(colSums(w[known] * (y - votes)[known, , drop = FALSE]^2) / sum(w[known]))
}

# Fitted values and residuals, of rows of weight 0 too.
knn_with_values <- function(object, input, votes, classify) {
  all <- if (is.null(input$kept)) input else input$all
  rows <- rownames(all$x)
  if (!is.null(input$kept)) {
    left <- votes_at(object, all$x[-input$kept, , drop = FALSE])
    votes <- joined_votes(votes, left, input$kept, nrow(all$x))
  }
  object$fitted.values <- (if (classify) class_factor else shaped_votes)(object, votes, rows)
  if (classify) object$prob <- shaped_votes(object, votes, rows)
  else object$residuals <- shaped_votes(object, matrix(as.double(all$y), NROW(all$y)) - votes, rows)
  if (ncol(all$x) == 1L) object$variable <- unname(all$x[, 1L])
  object$y <- all$y
  object$weights <- if (!is.null(input$weights)) weights_of_all(input, nrow(all$x))
  object$frame <- input$frame
  object$terms <- input$frame$terms
  object$na.action <- input$na.action
  object
}

joined_votes <- function(votes, left, kept, n) {
  joined <- function(a, b) {
    out <- matrix(0 * a[1L], n, ncol(a))
    out[kept, ] <- a
    out[-kept, ] <- b
    out
  }
  out <- joined(votes, left)
  for (name in intersect(c("code", "weight"), names(attributes(votes))))
    attr(out, name) <- joined(attr(votes, name), attr(left, name))
  out
}

# At other points.
votes_at <- function(object, x) {
  if (!nrow(x))
    return(matrix(0, 0L, if (is.null(object$levels)) ncol(object$response) else length(object$levels)))
  near <- nearest(in_units(x, object$units), object$points, object$k, metric = object$metric)
  votes_of(object, near, object$k)
}

class_factor <- function(object, votes, rows) {
  code <- if (nrow(votes)) classes_of_votes(object, votes) else integer()
  stats::setNames(factor(object$levels[code], levels = object$levels), rows)
}

shaped_votes <- function(object, votes, rows) {
  names <- if (is.null(object$levels)) object$names else object$levels
  if (is.null(names)) return(stats::setNames(votes[, 1L], rows))
  matrix(as.double(votes), nrow(votes), dimnames = list(rows, names))
}
