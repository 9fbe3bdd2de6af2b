# Kernel ridge regression: what users call, and what is chosen for them. Solvers are in ridge.R.

#' Kernel ridge regression
#'
#' A smooth function of the variables, fitted by penalised least squares: f(x) = b + sum_j a_j k(x, z_j)
#' minimises sum_i w_i (y_i - f(x_i))^2 + ridge a' K a. The points z are all rows, or some of them as
#' landmarks, with which hundreds of thousands of rows are fitted in seconds. Responses are numbers, several
#' columns of them, or classes.
#'
#' With all rows the coefficients solve (K + ridge W^-1) a + b = y with a sum of 0: `ridge` is the variance of
#' the noise of a Gaussian process, absolute and not divided by the number of rows, as `var` of
#' `kernlab::gausspr()`. With landmarks they solve (K_mn W K_nm + ridge K_mm) a = K_mn W (y - b). The
#' intercept b, and the polynomials that go with [kernel_thin_plate()], are not penalised.
#'
#' Parameters in `kernel` are in the units of the variables, whatever `scale` is. Length scales that are
#' `NULL`, and a `ridge` that is, are chosen together: they minimise the mean squared error of predictions of
#' each row by the others (leave-one-out), which is known without fitting again. Up to 1000 rows it is that of
#' all rows; of more rows, that of a subsample of 1000 rows; with landmarks of at most 3000 rows and 400
#' landmarks. A ridge means the same there as for all rows. `set.seed()` has no influence, `seed` has.
#'
#' A factor as response is coded as -1 and 1: one column for two levels, 1 for the second one, else one column
#' for each level against the others. The class of the largest score is predicted. Scores are no
#' probabilities. Support vector machines are not here: see package kernlab or e1071.
#'
#' @section Time and memory:
#' `"dense"` makes and factors the matrix of n rows (or n rows and m landmarks): it gives leave-one-out
#' residuals and effective degrees of freedom beside the fit. `"iterative"` never stores it: conjugate
#' gradients with a preconditioner, in memory for n p + m^2 numbers. A step is one walk over all pairs of
#' rows; with landmarks two walks, from rows to landmarks and back, which begin at a fit to some of the rows, as
#' many as pay, drawn with those that are unlike others. `"auto"` is dense up to 2000 rows, or 1e7 numbers
#' and 2000 landmarks.
#'
#' @param x a formula, a matrix or data.frame of numbers, or a recipe of package recipes.
#' @param formula a formula with a response, `y ~ x1 + x2` or `cbind(y1, y2) ~ .`. Factors become an indicator
#'   for each level.
#' @param data a data.frame or matrix with the variables of the formula.
#' @param y the response for each row of `x`: a vector or matrix of numbers, or a factor.
#' @param kernel a kernel, see [kernels].
#' @param ridge a number not below 0; several: the one with the smallest error of leave-one-out is taken;
#'   `NULL`: it is found.
#' @param landmarks `NULL` for all rows; how many different rows are drawn as landmarks, all where there are
#'   fewer; or the positions of rows; or a matrix of points.
#' @param weights case weights, numbers not below 0: a row of weight 2 counts as two equal rows.
#' @param subset,na.action as in [stats::lm()].
#' @param scale whether variables differ in their units: one length scale that is `NULL` becomes one for each
#'   variable in proportion to its standard deviation; `FALSE`: one for all.
#' @param intercept whether there is one.
#' @param method `"dense"`, `"iterative"` or `"auto"`, see below.
#' @param tol what is asked for where a fit is iterated: with all rows the relative residual of the linear
#'   system, 1e-6 if `NULL`; with landmarks how far fitted values may be off, about, as a part of the
#'   residuals, 0.01 if `NULL`: then the mean squared error is larger by 1e-4 of it.
#' @param limit the most steps.
#' @param seed where the generator begins that draws landmarks and subsamples; that of the session stays.
#' @param ... of methods for formulas and recipes: the other arguments.
#' @return An object of class `kernel_ridge`, a list with `coefficients`, `points`, `kernel` with its
#'   parameters, `ridge`, `fitted.values`, `residuals`, `df`, the effective degrees of freedom, and `loo`,
#'   leave-one-out residuals (`NULL` where the fit is iterative), `path`, a data.frame of ridges and their
#'   errors of leave-one-out, and `method`, `iterations`, `residual` and `seconds`. See [kernel_ridge-methods]
#'   for what it is asked.
#' @section Errors:
#' `rkeops_error_argument` for arguments that are none of these, and a ridge that is too small for a kernel of
#' equal or close points; `rkeops_error_shape` where sizes do not agree; `rkeops_error_convergence` where
#' `limit` steps do not reach `tol`; `rkeops_error_memory` for dense matrices above a gigabyte.
#' @seealso [gp()] for uncertainties and parameters by likelihood.
#' @family models
#' @examples
#' # what a car needs to stop
#' fit <- kernel_ridge(dist ~ speed, cars, kernel_matern(5/2))
#' fit
#' plot(fit)
#'
#' # the shape of a volcano from 300 of its points, by a thin plate spline
#' grid <- expand.grid(x = seq_len(87), y = seq_len(61))
#' grid$height <- as.vector(volcano)
#' set.seed(1)
#' some <- grid[sample(nrow(grid), 300), ]
#' plate <- kernel_ridge(height ~ x + y, some, kernel_thin_plate())
#' image(matrix(predict(plate, grid), 87), asp = 61 / 87, main = "volcano from 300 points")
#' points(some$x / 87, some$y / 61, pch = ".", cex = 3)
#' cor(predict(plate, grid), grid$height)^2
#'
#' # classes, with landmarks
#' species <- kernel_ridge(Species ~ ., iris, landmarks = 30)
#' table(iris$Species, predict(species, iris))
#' @export
kernel_ridge <- function(x, ...) UseMethod("kernel_ridge")

#' @rdname kernel_ridge
#' @export
kernel_ridge.formula <- function(formula, data, kernel = kernel_gaussian(), ridge = NULL, landmarks = NULL,
                                 subset, weights, na.action, ...) {
  call <- match.call()
  input <- input_of_formula(call, parent.frame())
  finished_ridge(fit_ridge(input, kernel, ridge, landmarks, ...), call)
}

#' @rdname kernel_ridge
#' @export
kernel_ridge.default <- function(x, y, kernel = kernel_gaussian(), ridge = NULL, landmarks = NULL,
                                 weights = NULL, scale = TRUE, intercept = TRUE,
                                 method = c("auto", "dense", "iterative"), tol = NULL, limit = 1000L,
                                 seed = 1L, ...) {
  call <- match.call()
  check_given(x, "x", "a formula, or points")
  check_no_more(..., of = "kernel_ridge", known = names(formals(kernel_ridge.default)))
  check_no_formula(if (missing(y)) NULL else y)
  input <- input_of_matrices(x, y, weights)
  finished_ridge(fit_ridge(input, kernel, ridge, landmarks, scale, intercept, method, tol, limit, seed), call)
}

#' @rdname kernel_ridge
#' @export
kernel_ridge.recipe <- function(x, data, ...)
  model_of_recipe(kernel_ridge.formula, x, data, match.call(), "kernel_ridge", ...)

finished_ridge <- function(object, call) {
  object$call <- as_call_of(call, "kernel_ridge")
  structure(object, class = "kernel_ridge")
}

# ---- the fit -----------------------------------------------------------------------------------------

ridge_methods <- c("auto", "dense", "iterative")

# Rows of all points, and numbers of rows and landmarks, up to which the matrix is made.
dense_ridge_rows <- 2000L
dense_landmark_numbers <- 1e7

fit_ridge <- function(input, kernel, ridge = NULL, landmarks = NULL, scale = TRUE, intercept = TRUE,
                      method = ridge_methods, tol = NULL, limit = 1000L, seed = 1L, ...) {
  started <- proc.time()[["elapsed"]]
  check_no_more(..., of = "kernel_ridge", known = names(formals(kernel_ridge.default)))
  if (is.null(tol)) tol <- if (is.null(landmarks)) 1e-6 else 0.01
  given <- list(intercept = check_flag(intercept, "intercept"), tol = check_tolerance(tol),
                limit = check_count(limit, "limit"), seed = check_seed(seed),
                scale = check_flag(scale, "scale"),
                method = if (length(method) > 1L) "auto" else check_choice(method, "method", ridge_methods))
  kernel <- check_kernel(kernel)
  ridge <- check_ridges(ridge)
  coded <- coded_response(input$y)
  x <- input$x
  w <- if (is.null(input$weights)) rep(1, nrow(x)) else input$weights
  points <- landmark_points(landmarks, x, given$seed)
  start <- start_of_scales(kernel, x, given$scale)
  whole <- list(x = x, y = coded$y, w = w, points = points)
  chosen <- chosen_ridge(whole, start, ridge, given)
  problem <- ridge_problem(x, coded$y, w, chosen$kernel, points, given$intercept)
  fit <- solved_ridge(problem, chosen$ridge, given)
  out <- c(list(kernel = chosen$kernel, ridge = chosen$ridge, path = chosen$path, chosen = chosen$told,
                points = if (is.null(points)) x else points, is_exact = is.null(points),
                plate = problem$plate, intercept = given$intercept, nobs = nrow(x)),
           coded[c("levels", "names")], fit[c("method", "df", "iterations", "residual")])
  out$coefficients <- named_coefficients(fit, out, problem)
  out <- with_values(out, input, fit, coded)
  out$seconds <- proc.time()[["elapsed"]] - started
  out
}

check_ridges <- function(ridge) {
  if (is.null(ridge)) return(NULL)
  if (!is.numeric(ridge) || is.object(ridge) || !length(ridge) || !all(is.finite(ridge)) || any(ridge < 0))
    unexpected(ridge, "ridge", "NULL, a number not below 0, or several")
  sort(unique(as.double(ridge)), decreasing = TRUE)
}

# list(y, levels, names): a matrix of numbers; of a factor 1 and -1.
coded_response <- function(y) {
  if (!is.factor(y)) {
    names <- if (is.matrix(y)) if (is.null(colnames(y))) paste0("y", seq_len(ncol(y))) else colnames(y)
    return(list(y = matrix(as.double(y), NROW(y)), levels = NULL, names = names))
  }
  y <- droplevels(y)
  levels <- levels(y)
  if (length(levels) < 2L)
    throw("argument", "the response has ", counted(length(levels), "level"), ": expected two at least")
  columns <- if (length(levels) == 2L) 2L else seq_along(levels)
  out <- 2 * outer(as.integer(y), columns, "==") - 1
  list(y = out, levels = levels, names = if (length(levels) > 2L) levels)
}

landmark_points <- function(landmarks, x, seed) {
  if (is.null(landmarks)) return(NULL)
  if (is.matrix(landmarks)) {
    out <- plain_points(landmarks, "landmarks")
    if (ncol(out) != ncol(x))
      throw("shape", "`landmarks` has ", counted(ncol(out), "column"), ": expected ", ncol(x))
    if (!all(is.finite(out))) throw("argument", "`landmarks` has values that are not finite")
    colnames(out) <- colnames(x)
    return(out[!duplicated(out), , drop = FALSE])
  }
  if (is_number(landmarks))
    return(x[distinct_rows(x, check_count(landmarks, "landmarks"), seed), , drop = FALSE])
  if (!is.numeric(landmarks) || is.object(landmarks) || !all(landmarks %in% seq_len(nrow(x))))
    unexpected(landmarks, "landmarks", "a number, rows from 1 to ", nrow(x), ", or a matrix of points")
  out <- x[landmarks, , drop = FALSE]
  out[!is_repeated(out), , drop = FALSE]
}

# Positions of at most m different rows.
distinct_rows <- function(x, m, seed) {
  n <- nrow(x)
  order <- with_seed(seed, sample.int(n))
  count <- min(n, m)
  repeat {
    at <- order[seq_len(count)]
    at <- at[!is_repeated(x[at, , drop = FALSE])]
    if (length(at) >= m || count == n) return(sort(at[seq_len(min(m, length(at)))]))
    count <- min(n, 2L * count)
  }
}

# Whether an earlier row is equal.
is_repeated <- function(x) {
  columns <- lapply(seq_len(ncol(x)), function(k) x[, k])
  order <- do.call(base::order, c(columns, method = "radix"))
  same <- rep(TRUE, nrow(x) - 1L)
  for (v in columns) same <- same & v[order[-1L]] == v[order[-length(order)]]
  out <- logical(nrow(x))
  out[order[-1L]] <- same
  out
}

solved_ridge <- function(problem, ridge, given) {
  n <- nrow(problem$x)
  m <- if (!is.null(problem$points)) nrow(problem$points)
  is_small <- if (is.null(m)) n <= dense_ridge_rows
              else n * m <= dense_landmark_numbers && m <= dense_ridge_rows
  is_dense <- given$method == "dense" || given$method == "auto" && is_small || n <= ncol(problem$trend)
  if (is_dense) {
    check_dense_size(n, if (is.null(m)) n else m)
    fit <- (if (is.null(m)) dense_ridge else dense_landmarks)(problem)(ridge)
  } else {
    fit <- (if (is.null(m)) iterative_ridge else iterative_landmarks)(problem, ridge, given)
    if (!is_reached(fit, given$tol)) refuse_unconverged_ridge(fit, given, !is.null(m))
  }
  fit$method <- if (is_dense) "dense" else "iterative"
  fit
}

check_dense_size <- function(n, m) {
  if (8 * n * m > 2^30)
    throw("memory", "the matrix is ", times(c(n, m)), ", ", size_text(8 * n * m), ": expected at most ",
          size_text(2^30), " for method = \"dense\"; \"iterative\" needs no dense matrix")
}

refuse_unconverged_ridge <- function(fit, given, has_landmarks) {
  throw_with("convergence", list(residual = fit$residual, iterations = fit$iterations),
             if (has_landmarks) "fitted values are off by " else "the residual is ",
             short_number(max(fit$residual)), if (has_landmarks) " of the residuals", " after ",
             counted(max(fit$iterations), "step"), ": expected at most ", short_number(given$tol),
             "; a larger `ridge` or `tol`", if (max(fit$iterations) >= given$limit) ", or `limit`,",
             " would help")
}

named_coefficients <- function(fit, object, problem) {
  out <- rbind(fit$beta, fit$alpha)
  rows <- rownames(object$points)
  if (is.null(rows)) rows <- seq_len(nrow(object$points))
  dimnames(out) <- list(c(colnames(problem$trend), rows), object$names)
  if (is.null(object$names)) out[, 1L] else out
}

# Fitted values and residuals, of rows of weight 0 too.
with_values <- function(object, input, fit, coded) {
  scores <- fit$fitted
  loo <- fit$loo
  y <- coded$y
  rows <- rownames(input$x)
  if (!is.null(input$kept)) {
    all <- input$all
    rows <- rownames(all$x)
    scores <- scores_at(object, all$x)
    scores[input$kept, ] <- fit$fitted
    y <- coded_response_like(all$y, object)
    if (!is.null(loo)) loo <- replace_rows(y - scores, input$kept, loo)
  }
  shaped <- function(v) {
    if (!is.null(object$names)) matrix(v, nrow(y), dimnames = list(rows, object$names))
    else stats::setNames(v[, 1L], rows)
  }
  object$scores <- if (!is.null(object$levels)) shaped(scores)
  object$fitted.values <- if (is.null(object$levels)) shaped(scores) else classes_of(shaped(scores), object)
  object$residuals <- shaped(y - scores)
  object$loo <- if (!is.null(loo)) shaped(loo)
  object$y <- if (is.null(input$kept)) input$y else input$all$y
  if (ncol(input$x) == 1L) object$variable <- unname((if (is.null(input$kept)) input else input$all)$x[, 1L])
  object$weights <- if (!is.null(input$weights)) weights_of_all(input, nrow(y))
  object$frame <- input$frame
  object$terms <- input$frame$terms
  object$na.action <- input$na.action
  object
}

replace_rows <- function(x, at, values) {
  x[at, ] <- values
  x
}

weights_of_all <- function(input, n) {
  if (is.null(input$kept)) return(input$weights)
  out <- numeric(n)
  out[input$kept] <- input$weights
  out
}

# Codes of a response of the rows that were left out, too; NA where a level is none of the model's.
coded_response_like <- function(y, object) {
  if (is.null(object$levels)) return(matrix(as.double(y), NROW(y)))
  code <- match(as.character(y), object$levels)
  2 * outer(code, if (length(object$levels) == 2L) 2L else seq_along(object$levels), "==") - 1
}

# ---- predictions -------------------------------------------------------------------------------------

# A column for each response, in one walk.
scores_at <- function(object, x) {
  coefficients <- as.matrix(object$coefficients)
  trend <- trend_at(object, x)
  q <- seq_len(ncol(trend))
  alpha <- if (length(q)) coefficients[-q, , drop = FALSE] else coefficients
  if (!nrow(x)) return(matrix(0, 0L, ncol(alpha)))
  K <- as_linear(kernel_tensor(object$kernel, x, object$points))
  unname(multiplier(K, ncol(alpha), "float64")(unname(alpha)) + trend %*% coefficients[q, , drop = FALSE])
}

classes_of <- function(scores, object) {
  code <- if (is.matrix(scores)) max.col(scores, ties.method = "first") else 1L + (scores > 0)
  rows <- if (is.matrix(scores)) rownames(scores) else names(scores)
  out <- factor(object$levels[code], levels = object$levels)
  names(out) <- rows
  out
}

# ---- what is chosen ----------------------------------------------------------------------------------

# Rows and landmarks, a pair for each stage of a search: the second one begins where the first one ends.
rows_of_choice <- 1000L
stages_of_landmark_choice <- list(c(rows = 1000L, landmarks = 200L), c(rows = 3000L, landmarks = 400L))

# The kernel with a start for each parameter that is not set, and `free`: which ones these are, list(name,
# at).
start_of_scales <- function(kernel, x, scale) {
  before <- parameters_of(kernel)
  started <- with_starts(with_scaled_starts(kernel, x, scale), x)
  free <- list()
  for (name in names(before)[vapply(before, is_unset, NA)]) {
    at <- seq_along(parameters_of(started)[[name]])
    free <- c(free, if (is.null(before[[name]])) list(list(name = name, at = at))
                    else lapply(at, function(k) list(name = name, at = k)))
  }
  list(kernel = started, free = free)
}

with_scaled_starts <- function(kernel, x, scale) {
  kernel$parts <- lapply(kernel$parts, with_scaled_starts, x, scale)
  value <- kernel$parameters$length_scale
  if (!"length_scale" %in% names(kernel$parameters) || !is_unset(value)) return(kernel)
  if (kernel$type == "periodic") kernel$parameters$length_scale <- 1
  else if (scale && !isTRUE(kernel$metric != "euclidean")) {
    own <- prepared_points(kernel, x)
    units <- units_of(own)$scale
    start <- start_of_length(own / rep(units, each = nrow(own)), ard = !is.null(value))
    kernel$parameters$length_scale <- unname(start * units)
  }
  kernel
}

kernel_at <- function(start, theta) {
  values <- parameters_of(start$kernel)
  for (k in seq_along(start$free)) {
    free <- start$free[[k]]
    values[[free$name]][free$at] <- values[[free$name]][free$at] * 2^theta[k]
  }
  with_parameters(start$kernel, values)
}

# list(kernel, ridge, path, told).
chosen_ridge <- function(whole, start, ridge, given) {
  if (length(ridge) == 1L && !length(start$free))
    return(list(kernel = start$kernel, ridge = ridge, path = data.frame(ridge = ridge, error = NA_real_)))
  is_searched <- length(start$free) > 0L || is.null(ridge)
  best <- NULL
  for (most in stages_of_choice(whole, is_searched)) {
    sub <- rows_for_choice(whole, most, given)
    error_at <- error_function(sub, start, given)
    if (nrow(sub$x) < 3L) # nothing to choose by
      return(list(kernel = start$kernel, ridge = if (is.null(ridge)) error_at$size else ridge[1L],
                  path = data.frame(ridge = numeric(), error = numeric())))
    best <- searched(error_at, length(start$free), ridge, best)
  }
  if (!is.finite(best$error))
    throw("argument", "no `ridge` has a finite error of leave-one-out: expected larger ones, or another ",
          "kernel")
  free <- length(start$free)
  theta <- best$z[seq_len(free)]
  tried <- if (is.null(ridge)) error_at$size * 2^(best$z[free + 1L] + 2 * (4:-4)) else ridge
  path <- data.frame(ridge = tried, error = vapply(tried, function(r) error_at$of(theta, r), 1))
  list(kernel = kernel_at(start, theta), path = path,
       told = list(rows = nrow(sub$x), landmarks = NROW(sub$points),
                   what = c(if (free) "parameters of the kernel", if (length(ridge) != 1L) "ridge")),
       ridge = if (is.null(ridge)) tried[5L] else ridge[which.min(path$error)])
}

stages_of_choice <- function(whole, is_searched) {
  if (is.null(whole$points)) return(list(c(rows = if (is_searched) rows_of_choice else dense_ridge_rows)))
  last <- stages_of_landmark_choice[[2L]]
  is_large <- nrow(whole$x) > last[["rows"]] / 2 && nrow(whole$points) > last[["landmarks"]] / 2
  if (is_searched && is_large) stages_of_landmark_choice else list(last)
}

rows_for_choice <- function(whole, most, given) {
  n <- nrow(whole$x)
  if (n > most[["rows"]]) {
    at <- with_seed(given$seed, sort(sample.int(n, most[["rows"]])))
    for (name in c("x", "y")) whole[[name]] <- whole[[name]][at, , drop = FALSE]
    whole$w <- whole$w[at]
  }
  m <- NROW(whole$points)
  if (m > 0L && m > most[["landmarks"]]) {
    at <- with_seed(given$seed, sort(sample.int(m, most[["landmarks"]])))
    whole$points <- whole$points[at, , drop = FALSE]
  }
  whole
}

# list(error, z) of the smallest error; from `best`, that of fewer rows, in smaller steps.
searched <- function(error_at, free, ridge, best) {
  of <- function(z) {
    theta <- z[seq_len(free)]
    if (is.null(ridge)) if (z[free + 1L] < -30) Inf else error_at$of(theta, error_at$size * 2^z[free + 1L])
    else min(vapply(ridge, function(r) error_at$of(theta, r), 1))
  }
  dimension <- free + is.null(ridge)
  if (is.null(best)) return(compass_search(start_of_search(error_at, free, ridge), dimension, of))
  best$error <- of(best$z)
  compass_search(best, dimension, of, step = 0.5, least = 0.4)
}

# list(of, size): the error of leave-one-out at (theta, ridge), and how large the kernel is.
error_function <- function(sub, start, given) {
  problem_at <- function(theta)
    ridge_problem(sub$x, sub$y, sub$w, kernel_at(start, theta), sub$points, given$intercept)
  first <- problem_at(numeric(length(start$free)))
  size <- if (!is.null(first$plate)) first$plate$size
          else mean(diagonal_of(as_linear(kernel_tensor(first$kernel, sub$x))))
  known <- NULL
  solver <- NULL
  spread <- pmax(colSums(sub$w * (sub$y - rep(colMeans(sub$y), each = nrow(sub$y)))^2) / sum(sub$w),
                 .Machine$double.xmin)
  unit <- if (ncol(sub$y) > 1L) spread / mean(spread) else 1
  list(size = if (is.finite(size) && size > 0) size else 1, of = function(theta, ridge) {
    if (!identical(theta, known)) {
      problem <- problem_at(theta)
      solver <<- if (is.null(problem$points)) dense_ridge(problem) else dense_landmarks(problem)
      known <<- theta
    }
    loo <- tryCatch(solver(ridge)$loo, rkeops_error_argument = function(e) NULL)
    error <- if (is.null(loo)) NaN else mean(colSums(sub$w * loo^2) / sum(sub$w) / unit)
    if (is.finite(error)) error else Inf
  })
}

# An error that is not smaller by this is as good: without it a search goes on to ever longer length scales
# and smaller ridges, whose systems are nearly singular.
worth_it <- 0.999

# From all length scales together and ridges that are far apart. `z`: theta, and log2 of the ridge over the
# size.
start_of_search <- function(error_at, free, ridge) {
  best <- list(error = Inf, z = c(numeric(free), if (is.null(ridge)) -7))
  for (shift in if (free) c(0, -2, 2) else 0)
    for (r in if (is.null(ridge)) c(-3, -7, -11, -16, -22, 1, 4) else NA) {
      theta <- rep(shift, free)
      error <- if (is.null(ridge)) error_at$of(theta, error_at$size * 2^r)
               else min(vapply(ridge, function(r) error_at$of(theta, r), 1))
      if (error < best$error * worth_it) best <- list(error = error, z = c(theta, if (is.null(ridge)) r))
    }
  best
}

# Steps along coordinates, halved where none is better.
compass_search <- function(best, dimension, f, step = 1, least = 0.2, limit = 40L + 20L * dimension) {
  count <- 0L
  while (dimension && step > least && count < limit) {
    better <- FALSE
    for (k in seq_len(dimension)) for (sign in c(1, -1)) {
      z <- best$z
      z[k] <- z[k] + sign * step * if (k == length(z)) 2 else 1
      count <- count + 1L
      error <- f(z)
      if (error < best$error * worth_it) {
        best <- list(error = error, z = z)
        better <- TRUE
        break
      }
    }
    if (!better) step <- step / 2
  }
  best
}
