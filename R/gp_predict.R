# Predictions and simulations of fitted Gaussian processes.

#' Predictions of a Gaussian process
#'
#' The mean of the process at new points given the data, and how far the truth may be away from it.
#'
#' Standard errors are exact, with the uncertainty of the trend's coefficients, for `"dense"` fits, and for
#' `"iterative"` ones up to `exact` points: each of them takes a column of a linear system. For more points
#' they are those given the nearest `neighbours` of each point only, which are never below the exact ones
#' but by rounding, and `error` is the largest difference in a sample of 32 points where both are computed.
#' `"vecchia"` fits predict from neighbours throughout. Parameters of the covariance are taken for known.
#'
#' @param object a fitted model, see [gp()].
#' @param newdata a data.frame with the variables of the model, of models of matrices a matrix too; without
#'   it, the rows of the fit.
#' @param se whether standard errors of the process, trend included, are wanted.
#' @param interval `"confidence"`, of the process, or `"prediction"`, of a response, with its noise.
#' @param level the probability of the interval.
#' @param neighbours how many neighbours a point has where predictions are from neighbours; `NULL`: as many as
#'   the fit had, and at least 60 for standard errors.
#' @param exact how many points may have exact standard errors where the fit is iterative.
#' @param ... not used.
#' @return Without `se` and `interval` a vector of means, with the names of rows. Else a data.frame of `fit`;
#'   `se`; `lower` and `upper` with an interval; and, where standard errors are from neighbours and could be
#'   compared, `error`. Rows of `newdata` with NA have NA.
#' @section Errors:
#' `rkeops_error_argument` for variables that are missing, new levels of factors and unknown arguments; for
#' `"prediction"` where the noise is known for the rows of the fit only.
#' @family models
#' @examples
#' fit <- gp(dist ~ speed, cars, kernel_gaussian(5))
#' predict(fit, data.frame(speed = c(10, 30)), interval = "prediction")
#' @export
predict.gp <- function(object, newdata, se = FALSE, interval = c("none", "confidence", "prediction"),
                       level = 0.95, neighbours = NULL, exact = 200L, ...) {
  check_no_more(..., of = "predict", known = names(formals(predict.gp)))
  kinds <- c("none", "confidence", "prediction")
  interval <- if (length(interval) > 1L) "none" else check_choice(interval, "interval", kinds)
  wanted <- check_flag(se, "se") || interval != "none"
  if (!is_number(level) || !isTRUE(level > 0 && level < 1))
    unexpected(level, "level", "a number between 0 and 1")
  if (missing(newdata)) {
    if (!wanted) return(fitted.gp(object))
    new <- list(x = object$x, trend = object$trend, rows = rownames(object$x),
                complete = rep(TRUE, nrow(object$x)))
  } else {
    new <- input_of_new(object, baked_new(object, newdata))
    new$trend <- new$trend[, names(object$coefficients), drop = FALSE]
  }
  if (interval == "prediction" && length(object$noise) > 1L)
    throw("argument", "`interval` is \"prediction\" and `noise` was given for each row of the fit: expected ",
          "\"confidence\"")
  if (!is.null(neighbours)) neighbours <- check_count(neighbours, "neighbours")
  if (!wanted) return(of_all_rows(mean_at(object, new, neighbours), new))
  found <- distribution_at(object, new, neighbours, check_count(exact, "exact", 0L))
  out <- data.frame(fit = found$mean, se = sqrt(found$variance))
  if (interval != "none") {
    reach <- stats::qnorm((1 + level) / 2) *
      sqrt(found$variance + if (interval == "prediction") object$noise else 0)
    out$lower <- out$fit - reach
    out$upper <- out$fit + reach
  }
  out$error <- if (!is.null(found$error)) rep_len(found$error, nrow(out))
  table_of_all_rows(out, new)
}

table_of_all_rows <- function(out, new) {
  at <- match(seq_along(new$complete), which(new$complete))
  out <- out[at, , drop = FALSE]
  rownames(out) <- if (is.null(new$rows)) NULL else make.unique(as.character(new$rows))
  out
}

mean_at <- function(object, new, neighbours) {
  if (!nrow(new$x)) return(numeric())
  if (object$method == "vecchia") return(from_neighbours(object, new, neighbours, 0L)$mean)
  K <- kernel_tensor(object$kernel, new$x, object$x)
  as.vector(as_linear_product(K, object$alpha)) + as.vector(new$trend %*% object$coefficients)
}

as_linear_product <- function(K, b) linear_times(as_linear(K), b, "y")

# list(mean, variance, error) of the process and trend at new points.
distribution_at <- function(object, new, neighbours, exact) {
  if (!nrow(new$x)) return(list(mean = numeric(), variance = numeric()))
  if (object$method == "vecchia") return(from_neighbours(object, new, neighbours, 60L))
  if (object$method == "dense" || nrow(new$x) <= exact)
    return(list(mean = mean_at(object, new, NULL), variance = exact_variance(object, new)))
  out <- from_neighbours(object, new, neighbours, 60L)
  at <- unique(round(seq(1, nrow(new$x), length.out = 32L)))
  few <- list(x = new$x[at, , drop = FALSE], trend = new$trend[at, , drop = FALSE])
  error <- max(abs(sqrt(out$variance[at]) - sqrt(exact_variance(object, few))))
  list(mean = mean_at(object, new, NULL), variance = out$variance, error = error)
}

# k(x, x) of the rows of x.
prior_variance <- function(object, x) diagonal_of(as_linear(kernel_tensor(object$kernel, x)))

exact_variance <- function(object, new) {
  parts <- split(seq_len(nrow(new$x)), (seq_len(nrow(new$x)) - 1L) %/% 500L)
  solved <- solver_of_gp(object)
  unlist(lapply(parts, function(at) {
    x <- new$x[at, , drop = FALSE]
    cross <- columns_of(as_linear(kernel_tensor(object$kernel, object$x, x)), seq_along(at))
    reduction <- solved(cross)
    trend <- trend_uncertainty(object, new$trend[at, , drop = FALSE] - crossprod(reduction$solution,
                                                                                object$trend))
    base::pmax(prior_variance(object, x) - reduction$explained, 0) + trend
  }), use.names = FALSE)
}

# u' V u for each row u, V the covariance of the trend's coefficients.
trend_uncertainty <- function(object, u) if (ncol(u)) rowSums((u %*% object$trend_covariance) * u) else 0

# A function of columns c: list(solution = A^-1 c, explained = c' A^-1 c of each).
solver_of_gp <- function(object) {
  noise <- noise_of_object(object)
  if (object$method == "dense") {
    R <- cholesky_or_none(dense_covariance(object$kernel, object$x, noise))
    return(function(cross) {
      half <- dense_solve_triangular(R, cross, transpose = TRUE)
      list(solution = dense_solve_triangular(R, half), explained = colSums(half^2))
    })
  }
  A <- as_linear(kernel_tensor(object$kernel, object$x))
  if (any(noise > 0)) A <- add_ridge(A, noise)
  given <- list(tol = 1e-8, limit = 1000L, method = "iterative", preconditioner = "auto", definite = TRUE)
  function(cross) {
    out <- solve_system(A, cross, given)
    if (!is_reached(out, given$tol)) refuse_unconverged(out, given)
    list(solution = out$value, explained = colSums(cross * out$value))
  }
}

noise_of_object <- function(object) {
  if (length(object$noise) > 1L || is.null(object$weights)) object$noise else object$noise / object$weights
}

# By the nearest sites of each point.
from_neighbours <- function(object, new, neighbours, least) {
  if (is.null(neighbours)) neighbours <- base::max(object$given$neighbours, least)
  places <- model_places(object, object$x)
  sets <- nearest(model_places(object, new$x), places, base::min(neighbours, nrow(places)))$index
  residual <- object$y - as.vector(object$trend %*% object$coefficients)
  found <- conditional(function(x) kernel_tensor(object$kernel, x), object$x,
                       rep_len(noise_of_object(object), nrow(object$x)), cbind(residual, object$trend),
                       new$x, sets)
  mean <- as.matrix(found$mean)
  list(mean = mean[, 1L] + as.vector(new$trend %*% object$coefficients),
       variance = found$sd^2 + trend_uncertainty(object, new$trend - mean[, -1L, drop = FALSE]))
}

# In the units of the rows of the fit.
model_places <- function(object, x) kernel_places(object$kernel, x, object$x)

#' Simulate a Gaussian process at new points
#'
#' Values of the process and trend at new points, drawn from their joint distribution given the data.
#'
#' Up to 2000 points and a `"dense"` fit they are drawn from the exact distribution. Else points are drawn one
#' after the other, each given its nearest neighbours among the data and the points before it.
#'
#' @param object a fitted model, see [gp()].
#' @param nsim how many.
#' @param seed a number from which random numbers are drawn; `NULL`: those of the session.
#' @param newdata as in [predict.gp()].
#' @param neighbours how many, where points are drawn one after the other.
#' @param ... not used.
#' @return A matrix with a row for each row of `newdata` and a column for each simulation.
#' @section Errors:
#' `rkeops_error_argument` and `rkeops_error_shape` as of [predict.gp()].
#' @family models
#' @examples
#' fit <- gp(dist ~ speed, cars, kernel_gaussian(5))
#' speed <- seq(4, 25, by = 0.5)
#' paths <- simulate(fit, 5, seed = 1, newdata = data.frame(speed))
#' round(paths[1:3, ], 1)
#' matplot(speed, paths, type = "l")
#' points(cars)
#' @export
simulate.gp <- function(object, nsim = 1, seed = NULL, newdata, neighbours = 60L, ...) {
  check_no_more(..., of = "simulate", known = names(formals(simulate.gp)))
  nsim <- check_count(nsim, "nsim", 0L)
  neighbours <- check_count(neighbours, "neighbours")
  if (!is.null(seed)) check_seed(seed)
  new <- if (missing(newdata)) list(x = object$x, trend = object$trend, rows = rownames(object$x),
                                    complete = rep(TRUE, nrow(object$x)))
         else input_of_new(object, baked_new(object, newdata))
  new$trend <- new$trend[, names(object$coefficients), drop = FALSE]
  draw <- function() {
    if (object$method == "dense" && nrow(new$x) <= most_dense_rows) simulate_dense(object, new, nsim)
    else simulate_one_by_one(object, new, nsim, neighbours)
  }
  out <- if (!nrow(new$x)) matrix(0, 0L, nsim) else if (is.null(seed)) draw() else with_seed(seed, draw())
  colnames(out) <- if (nsim) paste0("sim_", seq_len(nsim))
  of_all_rows(out, new)
}

simulate_dense <- function(object, new, nsim) {
  n <- nrow(new$x)
  cross <- columns_of(as_linear(kernel_tensor(object$kernel, object$x, new$x)), seq_len(n))
  solution <- solver_of_gp(object)(cross)$solution
  u <- new$trend - crossprod(solution, object$trend)
  V <- columns_of(as_linear(kernel_tensor(object$kernel, new$x)), seq_len(n)) -
    dense_crossprod(cross, solution) + u %*% object$trend_covariance %*% t(u)
  mean_at(object, new, NULL) + root_of_covariance(V) %*% normal_matrix(n, nsim)
}

# L with L L' = V, which may be singular.
root_of_covariance <- function(V) {
  R <- suppressWarnings(base::chol.default((V + t(V)) / 2, pivot = TRUE, tol = 1e-12 * max(diag(V))))
  rank <- attr(R, "rank")
  R[-seq_len(rank), ] <- 0
  t(R)[order(attr(R, "pivot")), , drop = FALSE]
}

simulate_one_by_one <- function(object, new, nsim, neighbours) {
  V <- object$trend_covariance
  p <- ncol(V)
  beta <- matrix(0, 0L, nsim)
  if (p) beta <- object$coefficients + root_of_covariance(V) %*% normal_matrix(p, nsim)
  places <- model_places(object, object$x)
  new_places <- model_places(object, new$x)
  order <- order_sites(new_places, "maximin", 1L)
  n <- nrow(places)
  sets <- rbind(matrix(NA_integer_, n, neighbours),
                sets_with_earlier(places, new_places[order, , drop = FALSE], neighbours))
  noise <- c(rep_len(noise_of_object(object), n), numeric(length(order)))
  coefficients <- coefficients_of_sites(function(x) kernel_tensor(object$kernel, x),
                                        rbind(object$x, new$x[order, , drop = FALSE]), noise, sets)
  # the sites of the fit depend on none, so that they get the values that they have
  known <- (object$y - object$trend %*% matrix(beta, p, nsim)) * coefficients[neighbours + 1L, seq_len(n)]
  drawn <- simulate_ordered(coefficients, sets, rbind(known, normal_matrix(length(order), nsim)))
  drawn[n + order(order), , drop = FALSE] + new$trend %*% matrix(beta, p, nsim)
}

# For each new place, in their order, the nearest among the sites and the new places before it, as rows of
# both together.
sets_with_earlier <- function(places, new_places, m) {
  among <- nearest(new_places, places, m)
  before <- nearest(new_places, k = m, earlier = TRUE)
  index <- cbind(among$index, before$index + nrow(places))
  distance <- cbind(among$distance, before$distance)
  at <- t(apply(distance, 1L, order))[, seq_len(m), drop = FALSE]
  matrix(index[cbind(as.vector(row(at)), as.vector(at))], nrow(at))
}

#' @rdname gp-methods
#' @param variable of models of several variables the one along which the mean is drawn, the others at
#'   their medians; of two variables `NULL` is for a map of the mean.
#' @param level the probability of the band.
#' @param n how many points of the line, or of each side of the map.
#' @export
plot.gp <- function(x, variable = NULL, level = 0.95, n = 101L, ...) {
  names <- x$frame$columns
  if (is.null(variable) && length(names) == 2L) return(invisible(plot_map(x, n, ...)))
  k <- if (is.null(variable)) 1L else if (is.character(variable)) match(variable, names)
       else check_count(variable, "variable", 1L, length(names))
  if (is.na(k)) unexpected(variable, "variable", "one of ", paste(names, collapse = ", "))
  at <- matrix(apply(x$x, 2L, stats::median), n, length(names), byrow = TRUE, dimnames = list(NULL, names))
  at[, k] <- seq(min(x$x[, k]), max(x$x[, k]), length.out = n)
  new <- list(x = at, trend = trend_at_middle(x, n), rows = NULL, complete = rep(TRUE, n))
  found <- distribution_at(x, new, NULL, n)
  reach <- stats::qnorm((1 + level) / 2) * sqrt(found$variance)
  given <- list(...)
  default <- list(xlab = names[k], ylab = "response", pch = 20, col = "grey50",
                  ylim = range(x$y, found$mean - reach, found$mean + reach))
  do.call(graphics::plot, c(list(x$x[, k], x$y), given, default[setdiff(names(default), names(given))]))
  graphics::polygon(c(at[, k], rev(at[, k])), c(found$mean - reach, rev(found$mean + reach)),
                    col = grDevices::adjustcolor("steelblue", 0.3), border = NA)
  graphics::lines(at[, k], found$mean, col = "steelblue", lwd = 2)
  invisible(data.frame(x = at[, k], fit = found$mean, lower = found$mean - reach, upper = found$mean + reach))
}

# The trend's columns at their means: a plot is along a variable of the kernel.
trend_at_middle <- function(x, n) matrix(colMeans(x$trend), n, ncol(x$trend), byrow = TRUE)

plot_map <- function(x, n, ...) {
  n <- base::min(n, 101L)
  names <- x$frame$columns
  a <- seq(min(x$x[, 1L]), max(x$x[, 1L]), length.out = n)
  b <- seq(min(x$x[, 2L]), max(x$x[, 2L]), length.out = n)
  grid <- as.matrix(expand.grid(a, b))
  colnames(grid) <- names
  z <- matrix(mean_at(x, list(x = grid, trend = trend_at_middle(x, n^2)), NULL), n)
  given <- list(...)
  default <- list(xlab = names[1L], ylab = names[2L], col = grDevices::hcl.colors(64L, "YlGnBu", rev = TRUE))
  do.call(graphics::image, c(list(a, b, z), given, default[setdiff(names(default), names(given))]))
  graphics::contour(a, b, z, add = TRUE, col = "grey30")
  graphics::points(x$x, pch = 20, cex = 0.4)
  list(x = a, y = b, z = z)
}
