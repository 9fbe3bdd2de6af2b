# Methods of kernel ridge regression.

#' Values of a kernel ridge regression
#'
#' Methods of base R for [kernel_ridge()]. There is no `logLik()`: a penalised fit has none, see [gp()].
#' `generics::tidy()`, `glance()` and `augment()` give what they give of other models.
#'
#' @param object,x,formula a fitted model.
#' @param newdata new values of the variables, a data.frame, or a matrix as the model was made of. Without it,
#'   fitted values.
#' @param type `"response"`, numbers, of classes the scores; `"class"`, classes. `NULL`: classes where the
#'   response is a factor.
#' @param na.action what is done with rows of `newdata` that have NA: with `na.pass` predictions are NA.
#' @param digits how many digits are printed.
#' @param ... of `plot()` arguments of [graphics::plot()], else not used.
#' @return `predict()`, `fitted()` and `residuals()`: a vector of a number for each row, a matrix with a
#'   column for each of several responses, or a factor; residuals and scores of classes are those of the codes
#'   -1 and 1. `coef()`: the intercept, or polynomials of standardised variables, and the coefficient of each
#'   point of `object$points`, a vector or a matrix with a column for each response. `summary()`: a list of
#'   class `summary.kernel_ridge` that prints. `nobs()`: rows of a weight above 0. `plot()`: what it draws, a
#'   data.frame, invisibly: the curve and the data of one variable, observed and fitted values of several,
#'   counts of classes.
#' @section Errors:
#' `rkeops_error_argument` for new levels of factors, variables that are missing, other types;
#' `rkeops_error_shape` where numbers of columns do not agree.
#' @family models
#' @examples
#' fit <- kernel_ridge(cbind(Sepal.Length, Sepal.Width) ~ Petal.Length + Species, iris, ridge = 0.1)
#' predict(fit, data.frame(Petal.Length = c(1.5, 4.5), Species = c("setosa", "virginica")))
#' head(residuals(update(fit, Sepal.Length ~ .)))
#' @name kernel_ridge-methods
NULL

#' @rdname kernel_ridge-methods
#' @export
predict.kernel_ridge <- function(object, newdata = NULL, type = NULL, na.action = stats::na.pass, ...) {
  check_no_more(..., of = "predict", known = names(formals(predict.kernel_ridge)))
  type <- type_of_prediction(object, type)
  if (is.null(newdata)) {
    values <- if (type == "class" || is.null(object$levels)) object$fitted.values else object$scores
    return(padded_values(object, values, stats::napredict))
  }
  new <- new_of_model(object, newdata, na.action)
  scores <- of_all_rows(with_column_names(scores_at(object, new$x), object), new)
  if (type == "class") classes_of(scores, object) else scores
}

type_of_prediction <- function(object, type) {
  if (is.null(type)) return(if (is.null(object$levels)) "response" else "class")
  check_choice(type, "type", c("response", "class"))
  if (type == "class" && is.null(object$levels))
    throw("argument", "`type` is \"class\" and the response has no levels: expected \"response\"")
  type
}

new_of_model <- function(object, newdata, na.action) {
  newdata <- baked_new(object, newdata)
  new <- input_of_new(object, newdata)
  if (all(new$complete) || identical(na.action, stats::na.pass)) return(new)
  kept <- na.action(data.frame(complete = base::ifelse(new$complete, 1, NA), row.names = new$rows))
  if (inherits(attr(kept, "na.action"), "exclude")) return(new)
  new$rows <- new$rows[new$complete]
  new$complete <- new$complete[new$complete]
  new
}

with_column_names <- function(scores, object) {
  if (is.null(object$names)) return(scores[, 1L])
  colnames(scores) <- object$names
  scores
}

#' @rdname kernel_ridge-methods
#' @export
coef.kernel_ridge <- function(object, ...) object$coefficients

#' @rdname kernel_ridge-methods
#' @export
fitted.kernel_ridge <- function(object, ...) padded_values(object, object$fitted.values, stats::napredict)

#' @rdname kernel_ridge-methods
#' @export
residuals.kernel_ridge <- function(object, ...) padded_values(object, object$residuals, stats::naresid)

#' @rdname kernel_ridge-methods
#' @export
nobs.kernel_ridge <- function(object, ...) object$nobs

#' @rdname kernel_ridge-methods
#' @export
formula.kernel_ridge <- function(x, ...) formula_of_model(x)

#' @rdname kernel_ridge-methods
#' @export
logLik.kernel_ridge <- function(object, ...)
  throw("argument", "a kernel ridge regression has no likelihood: expected a model of gp()")

#' @rdname kernel_ridge-methods
#' @export
print.kernel_ridge <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat(ridge_text(x, digits), sep = "\n")
  invisible(x)
}

ridge_text <- function(x, digits) {
  number <- function(v) format(v, digits = digits)
  points <- if (x$is_exact) "" else paste0(", ", counted(nrow(x$points), "landmark"))
  c(paste0("Kernel ridge regression, ", counted(x$nobs, "row"), points, ", method \"", x$method, "\"",
           if (!is.null(x$levels)) paste0(", ", length(x$levels), " classes")),
    paste0("Kernel: ", kernel_text(x$kernel)),
    paste0("Ridge: ", short_number(x$ridge)),
    chosen_text(x),
    if (!is.null(x$df)) paste0("Effective degrees of freedom: ", number(x$df)),
    loo_text(x, number))
}

chosen_text <- function(x) {
  if (is.null(x$chosen)) return()
  paste0("By leave-one-out of ", counted(x$chosen$rows, "row"),
         if (x$chosen$landmarks) paste0(" and ", counted(x$chosen$landmarks, "landmark")), ": ",
         paste(x$chosen$what, collapse = ", "))
}

loo_text <- function(x, number) {
  if (is.null(x$loo)) return()
  error <- loo_error(x)
  if (!is.null(x$levels)) paste0("Errors of leave-one-out: ", number(100 * error), " %")
  else paste0("Leave-one-out: root mean squared error ", number(error), ", R squared ",
              number(explained_share(x$y, x$loo, x$weights)))
}

# Of numbers the root of the mean square, of classes the share of errors.
loo_error <- function(x) {
  if (is.null(x$levels)) return(sqrt(mean_square(x$loo, x$weights)))
  error_rate(x$y, classes_of(x$scores + x$residuals - x$loo, x), x$weights)
}

#' @rdname kernel_ridge-methods
#' @export
summary.kernel_ridge <- function(object, ...) {
  weights <- object$weights
  structure(class = "summary.kernel_ridge", list(
    call = object$call, text = ridge_text(object, 5L), spread = object$residuals, path = object$path,
    r.squared = if (is.null(object$levels)) explained_share(object$y, object$residuals, weights),
    error = if (!is.null(object$levels)) error_rate(object$y, object$fitted.values, weights),
    df = object$df, loo = if (!is.null(object$loo)) loo_error(object), seconds = object$seconds,
    iterations = max(object$iterations), residual = max(object$residual)))
}

#' @rdname kernel_ridge-methods
#' @export
print.summary.kernel_ridge <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("Call:\n", paste(deparse(x$call), collapse = "\n"), "\n\n", sep = "")
  cat(x$text, sep = "\n")
  cat("\nResiduals:\n")
  print(stats::quantile(x$spread, names = TRUE), digits = digits)
  if (!is.null(x$r.squared))
    cat("R squared of the fit: ", format(x$r.squared, digits = digits), "\n", sep = "")
  if (!is.null(x$error)) cat("Errors of the fit: ", format(100 * x$error, digits = digits), " %\n", sep = "")
  if (nrow(x$path) > 1L) {
    cat("\nMean squared errors of leave-one-out:\n")
    print(x$path, digits = digits, row.names = FALSE)
  }
  if (x$iterations) cat("\n", counted(x$iterations, "step"), " to a relative residual of ",
                        short_number(x$residual), "\n", sep = "")
  invisible(x)
}

#' @rdname kernel_ridge-methods
#' @export
plot.kernel_ridge <- function(x, ...) {
  plot_model(x, function(grid) scores_at(x, matrix(grid, dimnames = list(NULL, x$frame$columns)))[, 1L],
             x$variable, ...)
}

#' @exportS3Method generics::tidy
tidy.kernel_ridge <- function(x, ...) {
  check_no_more(..., of = "tidy", known = "x")
  values <- c(unlist(parameters_of(x$kernel)), ridge = x$ridge)
  trend <- utils::head(as.matrix(x$coefficients), -nrow(x$points))
  if (nrow(trend) && ncol(trend) == 1L) values <- c(values, trend[, 1L])
  data.frame(term = names(values), estimate = unname(values))
}

#' @exportS3Method generics::glance
glance.kernel_ridge <- function(x, ...) {
  check_no_more(..., of = "glance", known = "x")
  or_na <- function(v) if (is.null(v)) NA_real_ else v
  data.frame(r.squared = if (is.null(x$levels)) explained_share(x$y, x$residuals, x$weights) else NA_real_,
             sigma = sqrt(mean_square(x$residuals, x$weights)), df = or_na(x$df),
             loo.error = if (is.null(x$loo)) NA_real_ else loo_error(x), ridge = x$ridge,
             nobs = x$nobs, points = nrow(x$points))
}

#' @exportS3Method generics::augment
augment.kernel_ridge <- function(x, data = NULL, newdata = NULL, ...) {
  check_no_more(..., of = "augment", known = c("x", "data", "newdata"))
  augmented(x, data, newdata, function(new) predict.kernel_ridge(x, new))
}
