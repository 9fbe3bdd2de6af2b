# What methods of kernel ridge regression and of neighbour models share.

as_call_of <- function(call, name) {
  call[[1L]] <- as.name(name)
  call
}

# That of model(data, y ~ x).
check_no_formula <- function(y) {
  if (inherits(y, "formula"))
    throw("argument", "`y` is a formula: expected the formula first, and then `data`")
}

# ---- recipes -------------------------------------------------------------------------------------------

# A function of a package that is there, as an object of its own is.
function_of <- function(package, name) getExportedValue(package, name)

# list(formula, data, recipe): a recipe, trained where it is not, and the data that it makes.
baked_recipe <- function(x, data) {
  check_given(data, "data", "a data.frame")
  recipe <- function_of("recipes", "prep")(x, training = data)
  baked <- as.data.frame(function_of("recipes", "bake")(recipe, new_data = data))
  roles <- summary(recipe)
  of_role <- function(role) roles$variable[!is.na(roles$role) & roles$role == role]
  response <- of_role("outcome")
  variables <- of_role("predictor")
  if (!length(response) || !length(variables))
    throw("argument", "the recipe has ", counted(length(response), "outcome"), " and ",
          counted(length(variables), "predictor"), ": expected one of each at least")
  names <- lapply(response, as.name)
  left <- if (length(names) == 1L) names[[1L]] else as.call(c(list(quote(cbind)), names))
  list(formula = stats::reformulate(paste0("`", variables, "`"), left, env = globalenv()), data = baked,
       recipe = recipe)
}

# The model that `fit`, a method for formulas, makes of a recipe.
model_of_recipe <- function(fit, x, data, call, name, ...) {
  baked <- baked_recipe(x, data)
  out <- fit(baked$formula, baked$data, ...)
  out$recipe <- baked$recipe
  out$call <- as_call_of(call, name)
  out
}

# New data as a recipe makes it.
baked_new <- function(object, newdata) {
  if (is.null(object$recipe)) return(newdata)
  as.data.frame(function_of("recipes", "bake")(object$recipe, new_data = newdata))
}

# ---- values --------------------------------------------------------------------------------------------

# Of all rows of the data where na.exclude left some out: of factors too.
padded_values <- function(object, values, pad) {
  if (is.null(object$na.action) || !inherits(object$na.action, "exclude")) return(values)
  if (!is.factor(values)) return(pad(object$na.action, values))
  out <- pad(object$na.action, stats::setNames(as.integer(values), names(values)))
  stats::setNames(factor(levels(values)[out], levels = levels(values)), names(out))
}

formula_of_model <- function(x) {
  if (is.null(x$terms)) throw("argument", "the model was made of matrices: expected one of a formula")
  stats::formula(x$terms)
}

# Responses as numbers: of classes whether they are met.
mean_square <- function(residuals, weights = NULL) {
  if (is.null(weights)) weights <- rep(1, NROW(residuals))
  mean(colSums(weights * as.matrix(residuals)^2) / sum(weights))
}

# Share of the spread of numbers that is explained.
explained_share <- function(y, residuals, weights = NULL) {
  y <- as.matrix(y)
  if (is.null(weights)) weights <- rep(1, nrow(y))
  centre <- colSums(y * weights) / sum(weights)
  mean(1 - colSums(weights * as.matrix(residuals)^2) /
         colSums(weights * (y - rep(centre, each = nrow(y)))^2))
}

error_rate <- function(y, classes, weights = NULL) {
  if (is.null(weights)) weights <- rep(1, length(y))
  sum(weights * (as.character(y) != as.character(classes))) / sum(weights)
}

# ---- pictures ------------------------------------------------------------------------------------------

# Of numbers: the curve with the data where there is one variable, else what was observed over what is
# fitted. Of classes: how many of each were taken for which.
plot_model <- function(object, curve, x, ...) {
  if (is.factor(object$fitted.values)) return(plot_classes(object$y, object$fitted.values, ...))
  if (!is.null(x) && !is.matrix(object$fitted.values)) return(plot_curve(object, curve, x, ...))
  fitted <- as.vector(as.matrix(object$fitted.values))
  observed <- as.vector(as.matrix(object$y))
  plot_with(list(fitted, observed), list(...),
            list(xlab = "fitted", ylab = "observed", pch = 20, main = deparse1(object$call$formula)))
  graphics::abline(0, 1, col = "grey")
  invisible(data.frame(fitted = fitted, observed = observed))
}

plot_curve <- function(object, curve, x, ...) {
  grid <- seq(min(x), max(x), length.out = 201L)
  value <- curve(grid)
  names <- c(object$frame$columns, if (!is.null(object$terms)) deparse1(object$terms[[2L]]) else "y")
  plot_with(list(x, object$y), list(...),
            list(xlab = names[1L], ylab = names[2L], ylim = range(object$y, value), col = "grey40"))
  graphics::lines(grid, value, lwd = 2)
  invisible(data.frame(x = grid, fitted = value))
}

plot_classes <- function(y, classes, ...) {
  counts <- table(observed = y, fitted = classes)
  graphics::mosaicplot(counts, main = "observed and fitted classes", color = TRUE, ...)
  invisible(as.data.frame(counts))
}

plot_with <- function(values, given, default)
  do.call(graphics::plot, c(unname(values), given, default[setdiff(names(default), names(given))]))

# ---- tables of package generics --------------------------------------------------------------------------

# `data`, or the variables of the model, with what the model says of them.
augmented <- function(object, data, newdata, predict) {
  if (!is.null(newdata)) {
    out <- as.data.frame(newdata)
    return(cbind(out, columns_named(".fitted", predict(newdata))))
  }
  fitted <- stats::fitted(object)
  residuals <- stats::residuals(object)
  if (is.null(data)) data <- eval(object$call$data, environment(object$terms))
  if (is.null(data)) throw("argument", "`data` is missing: expected the data of the model")
  out <- as.data.frame(data)
  if (nrow(out) != NROW(fitted)) {
    at <- match(rownames(as.matrix(residuals)), rownames(out))
    if (anyNA(at)) throw("shape", "`data` has ", nrow(out), " rows: expected ", NROW(fitted))
    out <- out[at, , drop = FALSE]
  }
  cbind(out, columns_named(".fitted", fitted), columns_named(".resid", residuals))
}

columns_named <- function(name, values) {
  if (!is.matrix(values)) return(stats::setNames(list2DF(list(unname(values))), name))
  out <- as.data.frame(unname(values))
  stats::setNames(out, paste0(name, "_", colnames(values)))
}
