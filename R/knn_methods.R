# Methods of neighbour models.

#' Values of a neighbour model
#'
#' Methods of base R for [knn_regression()] and [knn_classify()]. `generics::glance()` and `augment()` give
#' what they give of other models; there are no coefficients.
#'
#' @param object,x,formula a fitted model.
#' @param newdata new values of the variables, a data.frame, or a matrix as the model was made of. Without it,
#'   fitted values: those of the other rows.
#' @param type `"response"`, numbers or classes; of classes also `"class"`, the same, and `"prob"`, the share
#'   of each level among the neighbours.
#' @param na.action what is done with rows of `newdata` that have NA: with `na.pass` predictions are NA.
#' @param digits how many digits are printed.
#' @param ... of `plot()` arguments of [graphics::plot()], else not used.
#' @return `predict()` and `fitted()`: a number for each row, a matrix with a column for each of several
#'   responses, a factor, or a matrix of shares; NaN or NA where a row has no neighbours. `residuals()`:
#'   response minus fitted values; of classes 1 where the fitted class is wrong, else 0. `nobs()`: rows of a
#'   weight above 0. `plot()`: what it draws, a data.frame, invisibly. `summary()` and `print()`: the model.
#' @section Errors:
#' `rkeops_error_argument` for new levels of factors, variables that are missing, other types;
#' `rkeops_error_shape` where numbers of columns do not agree.
#' @family models
#' @examples
#' fit <- knn_classify(Species ~ ., iris, k = c(1, 5, 15))
#' predict(fit, iris[c(1, 84, 134), ], type = "prob")
#' table(iris$Species, fitted(fit))
#' summary(fit)
#' @name knn-methods
NULL

#' @rdname knn-methods
#' @export
predict.knn_model <- function(object, newdata = NULL, type = c("response", "class", "prob"),
                              na.action = stats::na.pass, ...) {
  check_no_more(..., of = "predict", known = names(formals(predict.knn_model)))
  type <- if (length(type) > 1L) "response" else check_choice(type, "type", c("response", "class", "prob"))
  if (type != "response" && is.null(object$levels))
    throw("argument", "`type` is \"", type, "\" and the response has no levels: expected \"response\"")
  if (is.null(newdata))
    return(padded_values(object, if (type == "prob") object$prob else object$fitted.values, stats::napredict))
  new <- new_of_model(object, newdata, na.action)
  votes <- votes_at(object, new$x)
  if (is.null(object$levels) || type == "prob") of_all_rows(shaped_votes(object, votes, NULL), new)
  else of_all_rows(class_factor(object, votes, NULL), new)
}

#' @rdname knn-methods
#' @export
fitted.knn_model <- function(object, ...) padded_values(object, object$fitted.values, stats::napredict)

#' @rdname knn-methods
#' @export
residuals.knn_model <- function(object, ...) {
  values <- object$residuals
  if (is.null(values))
    values <- stats::setNames(as.numeric(as.character(object$y) != as.character(object$fitted.values)),
                              names(object$fitted.values))
  padded_values(object, values, stats::naresid)
}

#' @rdname knn-methods
#' @export
nobs.knn_model <- function(object, ...) object$nobs

#' @rdname knn-methods
#' @export
formula.knn_model <- function(x, ...) formula_of_model(x)

#' @rdname knn-methods
#' @export
print.knn_model <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat(knn_text(x, digits), sep = "\n")
  invisible(x)
}

knn_text <- function(x, digits) {
  error <- x$path$error[match(x$k, x$path$k)]
  number <- function(v) format(v, digits = digits)
  c(paste0(if (is.null(x$levels)) "Regression" else "Classification", " by ",
           counted(x$k, "nearest neighbour"), ", ", counted(x$nobs, "row"),
           if (!is.null(x$levels)) paste0(", ", length(x$levels), " class", if (length(x$levels) > 1L) "es")),
    paste0("Metric: ", if (is_string(x$metric)) x$metric else "a function",
           if (!is.null(x$units)) " of variables over their standard deviations",
           ", weighting: ", if (is_string(x$weighting)) x$weighting else "a function"),
    if (is.nan(error)) NULL
    else if (!is.null(x$levels)) paste0("Errors of leave-one-out: ", number(100 * error), " %")
    else paste0("Leave-one-out: root mean squared error ", number(sqrt(error)), ", R squared ",
                number(explained_share(x$y, x$residuals, x$weights))),
    if (x$is_chosen) paste0("Neighbours tried: ", paste(x$path$k, collapse = ", ")))
}

#' @rdname knn-methods
#' @export
summary.knn_model <- function(object, ...)
  structure(class = "summary.knn_model", list(
    call = object$call, text = knn_text(object, 5L), path = object$path,
    confusion = if (!is.null(object$levels))
      table(observed = object$y, fitted = unname(object$fitted.values)),
    spread = object$residuals))

#' @rdname knn-methods
#' @export
print.summary.knn_model <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("Call:\n", paste(deparse(x$call), collapse = "\n"), "\n\n", sep = "")
  cat(x$text, sep = "\n")
  cat("\n", if (is.null(x$confusion)) "Residuals" else "Classes by the other rows", ":\n", sep = "")
  if (is.null(x$confusion)) print(stats::quantile(x$spread, names = TRUE, na.rm = TRUE), digits = digits)
  else print(x$confusion)
  if (nrow(x$path) > 1L) {
    cat("\nErrors of leave-one-out:\n")
    print(x$path, digits = digits, row.names = FALSE)
  }
  invisible(x)
}

#' @rdname knn-methods
#' @export
plot.knn_model <- function(x, ...) {
  plot_model(x, function(grid) votes_at(x, matrix(grid, dimnames = list(NULL, x$frame$columns)))[, 1L],
             x$variable, ...)
}

#' @exportS3Method generics::glance
glance.knn_model <- function(x, ...) {
  check_no_more(..., of = "glance", known = "x")
  error <- x$path$error[match(x$k, x$path$k)]
  data.frame(k = x$k, loo.error = if (is.null(x$levels)) sqrt(error) else error, nobs = x$nobs)
}

#' @exportS3Method generics::augment
augment.knn_model <- function(x, data = NULL, newdata = NULL, ...) {
  check_no_more(..., of = "augment", known = c("x", "data", "newdata"))
  augmented(x, data, newdata, function(new) predict.knn_model(x, new))
}
