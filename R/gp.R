# Gaussian processes: the model and its methods. gp_likelihood.R has how parameters are found,
# gp_predict.R what is computed of a fitted one.

#' Gaussian process regression and kriging
#'
#' The response is a trend, F beta, plus a Gaussian process with covariance k, plus independent noise:
#' universal kriging where the trend has variables, ordinary kriging where it is `~ 1`. Parameters of the
#' kernel, its variance and the noise variance are found by maximum likelihood, the coefficients beta by
#' generalised least squares with them. Gradients of the likelihood are exact.
#'
#' The variables of the kernel are those of `formula`, in their own units, factors as an indicator for each
#' level; those of the `trend` are given apart. Kernels without a variance get one, sums of kernels one for
#' each term.
#'
#' @section Methods:
#' \describe{
#'   \item{`"dense"`}{Cholesky's factorisation of the covariance matrix: the exact likelihood, in n^2
#'     numbers of memory. `"auto"` takes it up to 2000 rows.}
#'   \item{`"iterative"`}{[solve()][solve.LazyTensor] and [estimate_logdet()] with the same probes and the
#'     same rows of the preconditioner throughout, so that optimisers see one smooth function; in memory
#'     linear in n. `logLik()` tells the error of the estimate. Start values are those of `"vecchia"`.}
#'   \item{`"vecchia"`}{the approximation of Vecchia: a site in an order depends on its nearest
#'     `neighbours` before it only. It takes time and memory linear in n, for millions of sites, and is
#'     close to exact in few dimensions.}
#' }
#'
#' @param x a formula `y ~ x1 + x2`; of the default method the variables, a matrix or a data.frame of
#'   numbers, a vector for one variable; or a recipe of package recipes.
#' @param formula the response and the variables of the kernel.
#' @param data a data.frame, or an environment.
#' @param y the response, a number for each row.
#' @param kernel a kernel, see [kernels].
#' @param trend a formula of the fixed effects, `~ 1` for a constant, or `NULL` for none; of the default
#'   method also a matrix.
#' @param subset,na.action as in [stats::lm()].
#' @param weights numbers not below 0, for rows: the noise variance is divided by them. Rows of weight 0 are
#'   left out.
#' @param noise the variance of the noise, where estimation starts; 0 for none; a variance for each row: they
#'   are known. `NULL`: estimated.
#' @param fixed names of parameters, as `coef(fit, "covariance")` has them, that keep the values they have
#'   in `kernel` and `noise`; `TRUE`: all of them.
#' @param method see below.
#' @param lower,upper bounds of parameters by name, `list(length_scale = 0.1)`.
#' @param priors log densities of parameters, functions by name: `list(length_scale = function(x)
#'   dgamma(x, 2, 1, log = TRUE))`. They are added to the log likelihood that is maximised.
#' @param restarts how often estimation begins anew, at random places, on a part of the rows.
#' @param neighbours of `"vecchia"`: how many.
#' @param ordering of `"vecchia"`: `"maximin"`, each site as far as possible from those before, or `"random"`.
#' @param probes of `"iterative"`: random vectors of the log determinant, see [estimate_logdet()].
#' @param seed of what is random: parts of rows, restarts, probes, orders.
#' @param ... arguments of the method for formulas and the default method.
#' @return An object of class `gp`, a list. It has [print()], [summary()], [coef()], [fitted()],
#'   [residuals()], [nobs()], [logLik()], [vcov()], [update()], [plot()], [predict()][predict.gp] and
#'   [simulate()][simulate.gp], and with package generics or broom `tidy()`, `glance()` and `augment()`.
#'   Elements: `kernel` and `noise`, as estimated; `coefficients` of the trend; `parameters`, by name;
#'   `loglik`, and `loglik_error`, what it is away from the exact one at most but for one seed in a thousand;
#'   `fitted.values`, of the process and trend without noise; `residuals`; `method`; `evaluations`, of the
#'   likelihood, `message`, of the optimiser, `seconds`.
#' @section Errors:
#' `rkeops_error_argument` for arguments that are none of these, equal points without noise, parameters
#' that do not exist; `rkeops_error_shape` where sizes do not agree.
#' @family models
#' @examples
#' # acceleration of a head in a crash (MASS::mcycle has such data): a smooth curve and its band
#' time <- seq(2, 58, length.out = 80)
#' set.seed(1)
#' accel <- -100 * exp(-(time - 21)^2 / 40) + 40 * exp(-(time - 32)^2 / 40) + rnorm(80, sd = 10)
#' fit <- gp(accel ~ time, kernel = kernel_gaussian())
#' fit
#' head(predict(fit, data.frame(time = c(10, 20, 30)), se = TRUE, interval = "prediction"))
#' plot(fit)
#'
#' # kriging of depths of earthquakes: a trend in the magnitude, sites on the Earth
#' few <- quakes[1:300, ]
#' update(gp(depth ~ long + lat, few, kernel_matern(3/2, metric = "chord")), trend = ~ mag)
#' @export
gp <- function(x, ...) UseMethod("gp")

#' @rdname gp
#' @export
gp.formula <- function(formula, data, kernel = kernel_matern(3/2), trend = ~ 1, subset, weights, na.action,
                       ...) {
  call <- match.call()
  input <- input_of_formula(call, parent.frame(), trend)
  as_model(fit_gp(input, kernel, ...), call, "gp")
}

#' @rdname gp
#' @export
gp.default <- function(x, y, kernel = kernel_matern(3/2), trend = ~ 1, weights = NULL, noise = NULL,
                       fixed = NULL, method = c("auto", "dense", "iterative", "vecchia"), lower = list(),
                       upper = list(), priors = list(), restarts = 0L, neighbours = 30L,
                       ordering = c("maximin", "random"), probes = 16L, seed = 1L, ...) {
  call <- match.call()
  check_given(x, "x", "a formula, or points")
  check_no_more(..., of = "gp", known = names(formals(gp.default)))
  input <- input_of_matrices(x, y, weights, trend)
  as_model(fit_gp(input, kernel, noise, fixed, method, lower, upper, priors, restarts, neighbours, ordering,
                  probes, seed), call, "gp")
}

#' @rdname gp
#' @export
gp.recipe <- function(x, data, ...)
  model_of_recipe(gp.formula, x, data, match.call(), "gp", ...)

as_model <- function(object, call, name) {
  object$call <- as_call_of(call, name)
  structure(object, class = name)
}

# ---- the fit -----------------------------------------------------------------------------------------

gp_methods <- c("auto", "dense", "iterative", "vecchia")

fit_gp <- function(input, kernel, noise = NULL, fixed = NULL, method = gp_methods, lower = list(),
                   upper = list(), priors = list(), restarts = 0L, neighbours = 30L,
                   ordering = c("maximin", "random"), probes = 16L, seed = 1L, ...) {
  started <- proc.time()[["elapsed"]]
  check_no_more(..., of = "gp",
                known = c("formula", "data", "subset", "na.action", names(formals(gp.default))))
  if (!is.numeric(input$y) || NCOL(input$y) > 1L)
    throw("argument", "the response is ", describe(input$y), ": expected numbers, one for each row")
  input$y <- as.vector(input$y)
  given <- list(method = if (identical(method, gp_methods)) "auto"
                         else check_choice(method, "method", gp_methods),
                restarts = check_count(restarts, "restarts", 0L),
                neighbours = check_count(neighbours, "neighbours"),
                ordering = if (length(ordering) == 2L) "maximin"
                           else check_choice(ordering, "ordering", c("maximin", "random")),
                probes = check_count(probes, "probes", 2L), seed = check_seed(seed), lower = lower,
                upper = upper, priors = priors)
  if (given$method == "auto") given$method <- if (nrow(input$x) <= most_dense_rows) "dense" else "iterative"
  input$trend <- independent_columns(input$trend)
  model <- covariance_model(input, check_kernel(kernel), noise, fixed, given)
  found <- find_parameters(input, model, given)
  out <- finish_gp(input, found$model, found$theta, given)
  out$evaluations <- found$evaluations
  out$message <- found$message
  out$seconds <- proc.time()[["elapsed"]] - started
  out
}

most_dense_rows <- 2000L

# Columns that are combinations of others are left out, as in lm().
independent_columns <- function(trend) {
  if (!ncol(trend)) return(trend)
  q <- qr(trend)
  trend[, sort(q$pivot[seq_len(q$rank)]), drop = FALSE]
}

# ---- covariance with its parameters --------------------------------------------------------------------

# What is estimated: a list of
#   kernel    with a variance for each term
#   values    all parameters by name, the noise among them unless it is known for each row
#   free      for each number of them whether it is estimated
#   lower, upper   bounds of each number, of the logarithm
#   noise     NULL, or the known variances
covariance_model <- function(input, kernel, noise, fixed, given) {
  if ("thin_plate" %in% types_of_leaves(kernel))
    throw("argument", "`kernel` is a thin plate spline: expected a positive definite kernel; kernel_ridge() ",
          "takes it")
  kernel <- with_starts(with_variances(kernel), input$x)
  n <- nrow(input$x)
  spread <- start_of_spread(input)
  known <- length(noise) > 1L || n == 1L && !is.null(noise)
  check_noise(noise, n)
  values <- parameters_of(kernel)
  is_variance <- grepl("(^|[.])variance$", names(values))
  unset <- is_variance & vapply(values, is_unset, NA)
  values[unset] <- 0.9 * spread / sum(unset) / scales_of_terms(kernel, input$x)[unset]
  if (!known) values$noise <- if (is.null(noise)) 0.1 * spread else as.double(noise)
  model <- list(kernel = with_parameters(kernel, values), values = values,
                noise = if (known) rep_len(as.double(noise), n), spread = spread)
  model$free <- free_parameters(values, fixed)
  model$prior <- checked_priors(given$priors, values)
  with_bounds(model, given)
}

# A variance for each term of a sum, or for the kernel.
with_variances <- function(kernel) {
  if (kernel$type == "sum") kernel$parts <- lapply(kernel$parts, with_variances)
  else if (kernel$type != "scale") kernel <- new_kernel("scale", list(variance = NULL), list(kernel))
  kernel
}

start_of_spread <- function(input) {
  residual <- if (ncol(input$trend)) qr.resid(qr(input$trend), input$y) else input$y
  spread <- mean(residual^2)
  if (spread > 0) spread else 1
}

# For each parameter, if it is the variance of a term, the mean of that term on the diagonal.
scales_of_terms <- function(kernel, x) {
  out <- rep(1, length(parameters_of(kernel)))
  names(out) <- names(parameters_of(kernel))
  at <- x[unique(round(seq(1, nrow(x), length.out = min(nrow(x), 100L)))), , drop = FALSE]
  labelled <- with_labels(kernel)
  terms <- if (kernel$type == "sum") labelled$parts else list(labelled)
  plain <- if (kernel$type == "sum") kernel$parts else list(kernel)
  for (k in seq_along(terms)) if (terms[[k]]$type == "scale") {
    size <- mean(diagonal_of(as_linear(kernel_tensor(plain[[k]]$parts[[1L]], at))))
    if (is.finite(size) && size > 0) out[[paste0(terms[[k]]$label, "variance")]] <- size
  }
  out
}

check_noise <- function(noise, n) {
  if (is.null(noise)) return(invisible())
  if (!is.numeric(noise) || is.object(noise) || !length(noise) %in% c(1L, n) || !all(is.finite(noise)) ||
      any(noise < 0))
    unexpected(noise, "noise", "a variance, a number not below 0, or ", n, " of them, one for each row")
}

# TRUE for each number that is estimated.
free_parameters <- function(values, fixed) {
  free <- lapply(values, function(value) rep(TRUE, length(value)))
  if (isTRUE(fixed)) fixed <- names(values)
  if (!is.null(fixed)) {
    if (!is.character(fixed)) unexpected(fixed, "fixed", "names of parameters, or TRUE")
    check_names(fixed, names(values), "fixed")
    free[fixed] <- lapply(free[fixed], function(x) rep(FALSE, length(x)))
  }
  if (identical(values$noise, 0)) free$noise <- FALSE
  unlist(free, use.names = FALSE)
}

check_names <- function(given, known, name) {
  unknown <- setdiff(given, known)
  if (length(unknown))
    throw("argument", "`", name, "` has \"", unknown[1L], "\"", suggestion(unknown[1L], known), ": expected ",
          paste0("\"", known, "\"", collapse = ", "))
}

checked_priors <- function(priors, values) {
  if (!is.list(priors)) unexpected(priors, "priors", "a list of functions by names of parameters")
  check_names(names(priors), names(values), "priors")
  if (length(priors) && (is.null(names(priors)) || !all(vapply(priors, is.function, NA))))
    throw("argument", "`priors` has what is no function with a name: expected log densities, by parameters")
  priors
}

# Of the logarithm of each number: around its start, unless said.
with_bounds <- function(model, given) {
  wide <- function(name, value) {
    last <- sub(".*[.]", "", name)
    if (last == "noise") c(1e-8, 100) * model$spread
    else if (last == "variance") c(1e-6, 1e6) * value
    else if (last == "smoothness") c(0.1, 10)
    else if (last == "period") c(1/3, 3) * value
    else c(1e-3, 1e3) * value
  }
  bounds <- function(side, name) {
    said <- given[[name]]
    if (!is.list(said)) said <- as.list(said)
    check_names(names(said), names(model$values), name)
    for (k in names(said)) check_positives(said[[k]], paste0(name, "$", k))
    unlist(Map(function(value, k) {
      one <- function(v) if (v > 0) wide(k, v)[side] else 1
      rep_len(if (is.null(said[[k]])) vapply(value, one, 1) else as.double(said[[k]]), length(value))
    }, model$values, names(model$values)), use.names = FALSE)
  }
  model$lower <- log(bounds(1L, "lower"))
  model$upper <- log(bounds(2L, "upper"))
  if (any(model$lower > model$upper))
    throw("argument", "`lower` is above `upper`: expected bounds with room between them")
  model
}

# The values from their logarithms, which may be recorded; those that are fixed stay as they are.
values_of_theta <- function(model, theta) {
  ends <- cumsum(lengths(model$values))
  Map(function(value, end) {
    at <- end - rev(seq_along(value)) + 1L
    if (any(model$free[at])) exp(theta[at]) else value
  }, model$values, ends)
}

theta_of_model <- function(model) {
  theta <- log(unlist(model$values, use.names = FALSE))
  theta[!is.finite(theta)] <- 0 # of a noise of 0, which is not used
  base::pmin(base::pmax(theta, base::ifelse(model$free, model$lower, theta)),
             base::ifelse(model$free, model$upper, theta))
}

# Noise variance of each row, or one for all.
noise_of_rows <- function(model, values, weights) {
  if (!is.null(model$noise)) return(model$noise)
  if (is.null(weights)) values$noise else values$noise * (1 / weights)
}

# ---- methods -----------------------------------------------------------------------------------------

#' @export
print.gp <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat(format_gp(x, digits), sep = "\n")
  invisible(x)
}

format_gp <- function(x, digits) {
  number <- function(v) format(v, digits = digits)
  beta <- x$coefficients
  c(paste0("Gaussian process, ", counted(nobs(x), "row"), ", method \"", x$method, "\""),
    paste0("Kernel: ", kernel_text(x$kernel)),
    if (length(x$noise) == 1L) paste("Noise variance:", number(x$noise)) else "Noise variances: known",
    if (length(beta))
      paste0("Trend: ", paste(names(beta), vapply(beta, number, ""), sep = " ", collapse = ", ")),
    paste0("Log likelihood: ", format(x$loglik, nsmall = 1L, digits = digits + 2L),
           if (x$loglik_error > 0) paste0(" +- ", short_number(x$loglik_error)), " (df = ", x$df, ")"))
}

#' @export
summary.gp <- function(object, ...) {
  covariance <- unlist(object$parameters)
  deviation <- tryCatch(deviations(vcov.gp(object, "covariance")), rkeops_error = function(e) NULL)
  table <- cbind(Estimate = covariance, `Std. Error` = NA_real_)
  if (!is.null(deviation)) table[match(names(deviation), rownames(table)), 2L] <- deviation
  trend <- cbind(Estimate = object$coefficients, `Std. Error` = deviations(vcov.gp(object)))
  structure(class = "summary.gp", list(call = object$call, text = format_gp(object, 5L), covariance = table,
                                       trend = trend, message = object$message,
                                       evaluations = object$evaluations, spread = object$residuals))
}

# Not by the generic diag(): an error in its argument would lose its class.
deviations <- function(V) sqrt(base::diag(V))

#' @export
print.summary.gp <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("Call:\n", paste(deparse(x$call), collapse = "\n"), "\n\n", sep = "")
  cat(x$text[c(1L, 2L, length(x$text))], sep = "\n")
  cat("\nParameters of the covariance:\n")
  print(x$covariance, digits = digits)
  if (nrow(x$trend)) {
    cat("\nTrend:\n")
    print(x$trend, digits = digits)
  }
  cat("\nResiduals:\n")
  print(stats::quantile(x$spread, names = TRUE), digits = digits)
  cat("\n", counted(x$evaluations, "evaluation"), " of the likelihood: ", x$message, "\n", sep = "")
  invisible(x)
}

#' Values of a Gaussian process model
#'
#' Methods of base R for [gp()].
#'
#' @param object,x,formula a fitted model.
#' @param what `"trend"`, the fixed effects; `"covariance"`, the parameters of kernel and noise that are
#'   estimated; of `coef()` also `"all"`.
#' @param ... not used.
#' @return `coef()`: numbers with names. `vcov()`: the covariance matrix of `coef()`'s values, of the
#'   trend by generalised least squares, of the parameters by the inverse Hessian of the log likelihood (of
#'   `"iterative"` fits that of Vecchia's approximation).
#'   `logLik()`: of class `logLik`, with the attribute `error`. `residuals()`: response minus `fitted()`,
#'   with NA where rows were left out by `na.exclude`.
#' @section Errors:
#' `rkeops_error_argument` for values of `what` that are none of these, a `formula()` of a model of matrices, and
#' `vcov()` of parameters at their bounds; `rkeops_error_shape` for tables of other rows.
#' @family models
#' @examples
#' fit <- gp(dist ~ speed, cars, kernel_gaussian(5), trend = ~ speed)
#' coef(fit, "all")
#' vcov(fit)
#' logLik(update(fit, trend = ~ 1))
#' summary(fit)
#' @name gp-methods
NULL

#' @rdname gp-methods
#' @export
coef.gp <- function(object, what = c("trend", "covariance", "all"), ...) {
  what <- if (length(what) > 1L) "trend" else check_choice(what, "what", c("trend", "covariance", "all"))
  switch(what, trend = object$coefficients, covariance = unlist(object$parameters),
         all = c(object$coefficients, unlist(object$parameters)))
}

#' @rdname gp-methods
#' @export
logLik.gp <- function(object, ...)
  structure(object$loglik, df = object$df, nobs = nobs.gp(object), error = object$loglik_error,
            class = "logLik")

#' @rdname gp-methods
#' @export
nobs.gp <- function(object, ...) length(object$y)

#' @rdname gp-methods
#' @export
fitted.gp <- function(object, ...) stats::napredict(object$na.action, object$fitted.values)

#' @rdname gp-methods
#' @export
residuals.gp <- function(object, ...) stats::naresid(object$na.action, object$residuals)

#' @rdname gp-methods
#' @export
formula.gp <- function(x, ...) {
  if (is.null(x$frame$terms)) throw("argument", "the model was made of matrices: expected one of a formula")
  stats::formula(x$frame$terms)
}

#' @rdname gp-methods
#' @export
vcov.gp <- function(object, what = c("trend", "covariance"), ...) {
  what <- if (length(what) > 1L) "trend" else check_choice(what, "what", c("trend", "covariance"))
  if (what == "trend") return(object$trend_covariance)
  covariance_of_parameters(object)
}

# ---- verbs of broom --------------------------------------------------------------------------------

#' @rdname gp-methods
#' @param conf.int,conf.level whether `tidy()` has intervals, and their probability.
#' @exportS3Method generics::tidy
tidy.gp <- function(x, conf.int = FALSE, conf.level = 0.95, ...) {
  covariance <- unlist(x$parameters)
  found <- rep(NA_real_, length(covariance))
  found[x$free] <- tryCatch(deviations(vcov.gp(x, "covariance")), rkeops_error = function(e) NA_real_)
  out <- data.frame(term = c(names(x$coefficients), names(covariance)),
                    estimate = c(x$coefficients, covariance),
                    std.error = c(deviations(x$trend_covariance), found), row.names = NULL)
  if (!check_flag(conf.int, "conf.int")) return(out)
  reach <- stats::qnorm((1 + conf.level) / 2) * out$std.error
  out$conf.low <- out$estimate - reach
  out$conf.high <- out$estimate + reach
  out
}

#' @rdname gp-methods
#' @exportS3Method generics::glance
glance.gp <- function(x, ...)
  data.frame(sigma = sqrt(mean(x$noise)), logLik = x$loglik, AIC = stats::AIC(x), BIC = stats::BIC(x),
             df = x$df, nobs = nobs.gp(x))

#' @rdname gp-methods
#' @param data,newdata tables that get columns `.fitted` and `.se.fit`, and `.resid` of the rows of the fit.
#' @exportS3Method generics::augment
augment.gp <- function(x, data = NULL, newdata = NULL, ...) {
  if (is.null(newdata)) {
    found <- predict.gp(x, se = TRUE)
    out <- if (is.null(data)) as.data.frame(x$x) else as.data.frame(data)
    if (is.null(data)) out$.response <- x$y
    if (nrow(out) != nrow(found))
      throw("shape", "`data` has ", nrow(out), " rows: expected the ", nrow(found), " of the fit")
    out$.resid <- unname(x$residuals)
  } else {
    found <- predict.gp(x, newdata, se = TRUE)
    out <- as.data.frame(newdata)
  }
  out$.fitted <- found$fit
  out$.se.fit <- found$se
  out
}
