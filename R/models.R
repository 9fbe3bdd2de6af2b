# What models share: from formulas and tables to matrices, and back for new data.
#
# The input of a model is a list of
#   x         variables of the kernel: a matrix of doubles with names of columns, indicators of factors
#   y         response: a vector or matrix of doubles, or a factor
#   trend     fixed effects: a matrix, of no columns where there are none
#   weights   NULL, or a number above 0 for each row; rows of weight 0 are left out, see `kept`
#   kept      NULL, or which rows of the model frame have a weight above 0
#   frame     how new data become such matrices: list(terms, trend, xlevels, contrasts, columns); of matrices
#             list(columns)
#   na.action of the model frame

# Generics of which models have methods: in a session without stats attached, too.
#' @importFrom stats coef fitted formula logLik nobs predict residuals simulate vcov
NULL

# ---- formulas --------------------------------------------------------------------------------------

# Of the call of a method for formulas, evaluated in `env`. `trend`: NULL or a one-sided formula.
input_of_formula <- function(call, env, trend = NULL) {
  at <- match(c("formula", "data", "subset", "weights", "na.action"), names(call), 0L)
  frame_call <- call[c(1L, at)]
  formula <- eval(call$formula, env)
  data <- eval(call$data, env)
  if (!inherits(formula, "formula") || length(formula) != 3L)
    unexpected(formula, "formula", "a formula with a response, y ~ x1 + x2")
  if (!is.null(trend) && (!inherits(trend, "formula") || length(trend) != 2L))
    unexpected(trend, "trend", "a formula without a response, ~ 1 or ~ x1 + x2, or NULL")
  refusing({
    terms <- stats::terms(formula, data = if (is.data.frame(data)) data)
    check_terms(terms)
    trend <- if (!is.null(trend)) stats::terms(trend, data = if (is.data.frame(data)) data)
    frame_call[[1L]] <- quote(stats::model.frame)
    frame_call$formula <- with_variables(terms, trend)
    frame_call$drop.unused.levels <- TRUE
    frame <- eval(frame_call, env)
    of_kernel <- matrix_of_kernel(stats::delete.response(terms), frame)
    of_trend <- if (is.null(trend)) matrix(0, nrow(frame), 0L) else stats::model.matrix(trend, frame)
    both <- stats::terms(frame)
    levels <- stats::.getXlevels(stats::delete.response(both), frame)
  }, "formula")
  out <- list(x = of_kernel$x, y = stats::model.response(frame), trend = of_trend,
              frame = list(terms = terms, trend = trend, both = stats::delete.response(both),
                           xlevels = levels, contrasts = of_kernel$contrasts,
                           trend_contrasts = attr(of_trend, "contrasts"), columns = colnames(of_kernel$x)),
              na.action = attr(frame, "na.action"))
  checked_input(out, stats::model.weights(frame), "formula")
}

# Errors of base R about an argument, of the package's class.
refusing <- function(value, name) {
  tryCatch(value, error = function(e) {
    if (inherits(e, "rkeops_error")) stop(e)
    throw("argument", "`", name, "`: ", conditionMessage(e))
  })
}

check_terms <- function(terms) {
  if (!is.null(attr(terms, "offset")))
    throw("argument", "`formula` has an offset: expected none; subtract it from the response")
}

# The formula of all variables: of the kernel and of the trend.
with_variables <- function(terms, trend) {
  formula <- stats::formula(terms)
  environment(formula) <- environment(terms)
  if (is.null(trend) || !length(all.vars(trend))) return(formula)
  variables <- as.list(attr(trend, "variables"))[-1L]
  for (v in variables) formula[[3L]] <- call("+", formula[[3L]], v)
  formula
}

# Numbers as they are, an indicator for each level of a factor; no column of ones. list(x, contrasts).
matrix_of_kernel <- function(terms, frame) {
  attr(terms, "intercept") <- 1L
  labels <- names(frame)[vapply(frame, function(v) is.factor(v) || is.character(v) || is.logical(v), NA)]
  labels <- intersect(labels, vapply(as.list(attr(terms, "variables"))[-1L], deparse1, ""))
  levels <- lapply(stats::setNames(nm = labels), function(name) {
    v <- as.factor(frame[[name]])
    check_indicators(nlevels(v), nrow(frame), name)
    stats::contrasts(v, contrasts = FALSE)
  })
  levels <- levels[vapply(levels, nrow, 1L) > 1L]
  single <- setdiff(labels, names(levels)) # of one level: model.matrix() has no contrasts of it
  for (name in single) frame[[name]] <- as.numeric(as.factor(frame[[name]]))
  x <- stats::model.matrix(terms, frame, contrasts.arg = if (length(levels)) levels)
  x <- x[, attr(x, "assign") > 0L, drop = FALSE]
  if (!ncol(x)) throw("argument", "`formula` has no variables: expected one at least")
  storage.mode(x) <- "double"
  dimnames(x) <- list(rownames(x), colnames(x))
  list(x = plain_matrix(x), contrasts = levels)
}

check_indicators <- function(levels, rows, name) {
  bytes <- 8 * as.double(levels) * rows
  if (bytes > 2^31)
    throw("memory", "`", name, "` has ", levels, " levels in ", rows, " rows, ", size_text(bytes),
          " as indicators: expected at most ", size_text(2^31), "; with so many levels it is no factor")
}

plain_matrix <- function(x) matrix(as.double(x), nrow(x), ncol(x), dimnames = dimnames(x))

# ---- matrices --------------------------------------------------------------------------------------

# Of matrices or tables. `trend`: a one-sided formula of the columns of x, a matrix, or NULL.
input_of_matrices <- function(x, y, weights = NULL, trend = NULL) {
  check_given(y, "y", "a response for each row of `x`")
  if (is.data.frame(x)) {
    numeric <- vapply(x, is.numeric, NA)
    if (!all(numeric))
      throw("argument", "`x` has the column `", names(x)[!numeric][1L], "`, ",
            describe(x[[which(!numeric)[1L]]]), ": expected numbers; in formulas factors become indicators")
    x <- as.matrix(x)
  }
  x <- plain_points(x, "x")
  if (NROW(y) != nrow(x)) throw("shape", "the response has ", NROW(y), " rows: expected ", nrow(x))
  kept <- stats::complete.cases(x, y)
  missing <- which(!kept)
  if (length(missing)) {
    x <- x[kept, , drop = FALSE]
    y <- if (length(dim(y)) == 2L) y[kept, , drop = FALSE] else y[kept]
    if (length(weights) == length(kept)) weights <- weights[kept]
    if (is.matrix(trend)) trend <- trend[kept, , drop = FALSE]
  }
  out <- list(x = x, y = y, frame = list(columns = colnames(x)),
              na.action = if (length(missing)) structure(missing, class = "omit"))
  if (inherits(trend, "formula"))
    out$frame$trend <- refusing(stats::terms(trend, data = as.data.frame(x)), "trend")
  out$trend <- trend_of_matrix(out$frame, x, trend)
  if (is.null(out$frame$trend)) out$frame$trend_columns <- colnames(out$trend)
  checked_input(out, weights, "y")
}

plain_points <- function(x, name) {
  x <- rows_given(x, name)
  if (is_recorded(x)) throw("argument", "`", name, "` is recorded: expected plain numbers")
  x <- host_values(x)
  if (is.null(colnames(x))) colnames(x) <- paste0("x", seq_len(ncol(x)))
  plain_matrix(x)
}

trend_of_matrix <- function(frame, x, trend) {
  if (is.null(trend)) return(matrix(0, nrow(x), 0L))
  if (!is.null(frame$trend)) return(refusing(stats::model.matrix(frame$trend, as.data.frame(x)), "trend"))
  if (!is.numeric(trend)) unexpected(trend, "trend", "a formula such as ~ 1, a matrix, or NULL")
  trend <- as.matrix(trend)
  if (nrow(trend) != nrow(x)) throw("shape", "`trend` has ", nrow(trend), " rows: expected ", nrow(x))
  if (is.null(colnames(trend))) colnames(trend) <- paste0("trend", seq_len(ncol(trend)))
  trend
}

# ---- checks ----------------------------------------------------------------------------------------

# `name`: of the argument that has the response.
checked_input <- function(input, weights, name) {
  n <- nrow(input$x)
  input$y <- checked_response(input$y, n, name)
  if (!n) throw("argument", "there are no rows without NA: expected one at least")
  if (!all(is.finite(input$x)))
    throw("argument", "variable `", colnames(input$x)[which(!is.finite(input$x), arr.ind = TRUE)[1L, 2L]],
          "` has infinite values: expected finite ones")
  input$trend <- unname_rows(input$trend)
  if (!all(is.finite(input$trend))) throw("argument", "`trend` has infinite values: expected finite ones")
  if (is.null(weights)) return(input)
  if (!is.numeric(weights) || length(weights) != n || anyNA(weights) || any(weights < 0) ||
      !all(is.finite(weights)))
    unexpected(weights, "weights", n, " numbers not below 0, one for each row")
  if (!any(weights > 0)) throw("argument", "all `weights` are 0: expected one above 0")
  kept <- which(weights > 0)
  if (length(kept) < n) {
    input$kept <- kept
    input$all <- input[c("x", "y", "trend")]
    input$x <- input$x[kept, , drop = FALSE]
    input$y <- if (is.matrix(input$y)) input$y[kept, , drop = FALSE] else input$y[kept]
    input$trend <- input$trend[kept, , drop = FALSE]
  }
  input$weights <- as.double(weights[kept])
  input
}

unname_rows <- function(x) {
  attributes(x) <- list(dim = dim(x), dimnames = list(NULL, colnames(x)))
  x
}

checked_response <- function(y, n, name) {
  if (is.character(y) || is.logical(y)) y <- as.factor(y)
  if (NROW(y) != n) throw("shape", "the response has ", NROW(y), " rows: expected ", n)
  if (is.factor(y)) return(y)
  if (!is.numeric(y) || length(dim(y)) > 2L)
    throw("argument", "the response in `", name, "` is ", describe(y), ": expected numbers or a factor")
  if (!all(is.finite(y)))
    throw("argument", "the response in `", name, "` has infinite values: expected finite ones")
  if (is.matrix(y)) plain_matrix(y) else as.double(y)
}

# ---- new data --------------------------------------------------------------------------------------

# list(x, trend, rows, complete): the matrices of the rows without NA, the names of all rows, and which have
# no NA.
input_of_new <- function(object, newdata) {
  frame <- object$frame
  check_given(newdata, "newdata", "a data.frame or a matrix")
  if (is.null(frame$terms)) return(new_matrix(frame, newdata))
  if (is.matrix(newdata)) newdata <- as.data.frame(newdata)
  if (!is.data.frame(newdata)) unexpected(newdata, "newdata", "a data.frame with the variables of the model")
  refusing({
    table <- stats::model.frame(frame$both, newdata, na.action = stats::na.pass, xlev = frame$xlevels)
    complete <- stats::complete.cases(table)
    names <- rownames(table)
    table <- table[complete, , drop = FALSE]
    x <- matrix_of_new(frame, table)
    trend <- if (is.null(frame$trend)) matrix(0, nrow(table), 0L)
             else stats::model.matrix(frame$trend, table, contrasts.arg = frame$trend_contrasts)
  }, "newdata")
  list(x = x, trend = unname_rows(trend), rows = names, complete = complete)
}

matrix_of_new <- function(frame, table) {
  terms <- stats::delete.response(frame$terms)
  attr(terms, "intercept") <- 1L
  for (name in names(table))
    if (!is.numeric(table[[name]]) && name %in% names(frame$xlevels) && !name %in% names(frame$contrasts))
      table[[name]] <- rep(1, nrow(table))
  x <- stats::model.matrix(terms, table, contrasts.arg = if (length(frame$contrasts)) frame$contrasts)
  plain_matrix(x[, frame$columns, drop = FALSE])
}

new_matrix <- function(frame, newdata) {
  if (is.data.frame(newdata) && all(frame$columns %in% names(newdata))) newdata <- newdata[frame$columns]
  if (is.data.frame(newdata)) newdata <- as.matrix(newdata)
  x <- plain_points(newdata, "newdata")
  if (ncol(x) != length(frame$columns))
    throw("shape", "`newdata` has ", counted(ncol(x), "column"), ": expected ", length(frame$columns))
  names <- rownames(x)
  colnames(x) <- frame$columns
  complete <- stats::complete.cases(x)
  x <- x[complete, , drop = FALSE]
  if (is.null(frame$trend) && !is.null(frame$trend_columns))
    throw("argument", "the model has a `trend` that was given as a matrix: expected one given as a formula, ",
          "for predictions")
  trend <- if (is.null(frame$trend)) matrix(0, nrow(x), 0L)
           else refusing(stats::model.matrix(frame$trend, as.data.frame(x)), "newdata")
  list(x = x, trend = unname_rows(trend), rows = names, complete = complete)
}

# Values of the complete rows as values of all rows, NA for the others; a matrix stays one.
of_all_rows <- function(values, new) {
  if (is.matrix(values)) {
    out <- matrix(values[NA_integer_], length(new$complete), ncol(values))
    if (length(c(new$rows, colnames(values)))) dimnames(out) <- list(new$rows, colnames(values))
    out[new$complete, ] <- values
  } else {
    out <- values[rep(NA_integer_, length(new$complete))]
    out[new$complete] <- values
    names(out) <- new$rows
  }
  out
}

# ---- standard units --------------------------------------------------------------------------------

# list(centre, scale) of each column, so that its values have mean 0 and spread 1; a constant one stays.
units_of <- function(x, weights = NULL) {
  w <- if (is.null(weights)) rep(1 / nrow(x), nrow(x)) else weights / sum(weights)
  centre <- colSums(x * w)
  scale <- sqrt(colSums((x - rep(centre, each = nrow(x)))^2 * w))
  scale[!is.finite(scale) | scale <= 1e-10 * pmax(abs(centre), .Machine$double.xmin)] <- 1
  list(centre = centre, scale = scale)
}

in_units <- function(x, units) {
  if (is.null(units)) return(x)
  (x - rep(units$centre, each = nrow(x))) / rep(units$scale, each = nrow(x))
}
