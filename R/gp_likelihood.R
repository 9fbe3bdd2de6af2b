# Likelihoods of Gaussian processes, exact, estimated and approximate, and how they are maximised.
#
# A likelihood is a function of theta, the logarithms of all parameters, list(value, slope): the log
# likelihood with the trend's coefficients at their best, which are generalised least squares, and a
# function without arguments that gives its gradient. With those coefficients at their best, the gradient
# is that with them held where they are. A covariance matrix that is none has the value -Inf.

find_parameters <- function(input, model, given) {
  theta <- theta_of_model(model)
  free <- which(model$free)
  if (!length(free))
    return(list(theta = theta, model = model, evaluations = 0L, message = "nothing is estimated"))
  check_distinct_rows(input, model)
  n <- nrow(input$x)
  few <- rows_to_begin(n, given$seed)
  part <- input_rows(input, few)
  first <- maximise(likelihood_dense(part, model_rows(model, few)), theta, model)
  first <- with_restarts(first, likelihood_dense(part, model_rows(model, few)), model, given)
  if (length(few) == n && given$method == "dense") return(c(first, list(model = model)))
  out <- if (given$method == "dense") maximise(likelihood_dense(input, model), first$theta, model)
         else maximise_vecchia(input, model, given, first$theta)
  if (given$method == "iterative") {
    plan <- vecchia_plan(input, with_parameters(model$kernel, values_of_theta(model, out$theta)), given)
    curvature <- curvature_of(likelihood_vecchia(plan, model_rows(model, plan$order)), model)
    count <- out$evaluations
    likelihood <- likelihood_iterative(input, model, given, out$theta)
    out <- maximise_iterative(likelihood, out$theta, model, curvature)
    out$evaluations <- out$evaluations + count
  }
  c(out, list(model = model))
}

# A part of the rows that a dense likelihood takes no time for.
rows_to_begin <- function(n, seed, most = 500L)
  if (n <= most) seq_len(n) else sort(with_seed(seed, sample.int(n, most)))

input_rows <- function(input, at) {
  input$x <- input$x[at, , drop = FALSE]
  input$y <- input$y[at]
  input$trend <- independent_columns(input$trend[at, , drop = FALSE])
  input$weights <- input$weights[at]
  input
}

model_rows <- function(model, at) {
  model$noise <- model$noise[at]
  model
}

# Equal rows have equal values where there is no noise.
check_distinct_rows <- function(input, model) {
  if (!is.null(model$noise)) without <- which(model$noise == 0)
  else without <- if (identical(model$values$noise, 0)) seq_len(nrow(input$x)) else integer()
  twice <- without[duplicated(input$x[without, , drop = FALSE])]
  if (!length(twice)) return(invisible())
  same <- without[colSums(t(input$x[without, , drop = FALSE]) != input$x[twice[1L], ]) == 0]
  throw("argument", "rows ", same[1L], " and ", twice[1L], " have equal variables and `noise` is 0: ",
        "expected a noise variance above 0, or one of them")
}

# Maximises by the gradient (PORT), within the bounds, until about `gain` is left to gain.
maximise <- function(likelihood, theta, model, gain = 1e-3, steps = 150L) {
  free <- which(model$free)
  count <- 0L
  last <- NULL
  at <- function(par) {
    if (!identical(last$par, par)) {
      now <- replace(theta, free, par)
      last <<- c(list(par = par), likelihood(now), list(prior = log_prior(model, now)))
      count <<- count + 1L
    }
    last
  }
  value <- function(par) {
    point <- at(par)
    out <- -point$value - point$prior$value
    if (is.finite(out)) out else Inf
  }
  slope <- function(par) {
    point <- at(par)
    if (!is.finite(point$value)) return(numeric(length(free)))
    -(point$slope() + point$prior$slope)[free]
  }
  start <- value(theta[free])
  found <- suppressWarnings( # of infinite values, which are steps too far
    stats::nlminb(theta[free], value, slope, lower = model$lower[free], upper = model$upper[free],
                  control = list(iter.max = steps, eval.max = 2L * steps, x.tol = 1e-6,
                                 rel.tol = base::min(1e-3 * gain, gain / (1 + abs(start))))))
  list(theta = replace(theta, free, found$par), value = -found$objective, evaluations = count,
       message = if (found$convergence == 0L) "converged" else found$message)
}

# At random places within a factor of ten of the start, the best kept.
with_restarts <- function(best, likelihood, model, given) {
  count <- best$evaluations
  theta <- theta_of_model(model)
  starts <- with_seed(given$seed, lapply(seq_len(given$restarts), function(k)
    base::pmin(base::pmax(theta + stats::runif(length(theta), -log(10), log(10)), model$lower), model$upper)))
  for (start in starts) {
    other <- maximise(likelihood, base::ifelse(model$free, start, theta), model)
    count <- count + other$evaluations
    if (is.finite(other$value) && other$value > best$value) best <- other
  }
  best$evaluations <- count
  best
}

# list(value, slope) of the log densities of all parameters, the slope by differences: they are functions
# of one number.
log_prior <- function(model, theta) {
  slope <- numeric(length(theta))
  total <- 0
  names <- rep(names(model$values), lengths(model$values))
  for (name in names(model$prior)) for (k in which(names == name)) {
    f <- function(t) {
      out <- model$prior[[name]](exp(t))
      if (!is_number(out) || is.nan(out))
        throw("argument", "`priors$", name, "` gives ", describe(out), ": expected a number, a log density")
      out
    }
    total <- total + f(theta[k])
    slope[k] <- (f(theta[k] + 1e-5) - f(theta[k] - 1e-5)) / 2e-5
  }
  list(value = total, slope = base::ifelse(is.finite(slope), slope, 0))
}

# ---- dense -----------------------------------------------------------------------------------------

log_2pi <- log(2 * pi)

# The covariance matrix of the rows of x with its noise.
dense_covariance <- function(kernel, x, noise, values = parameters_of(kernel)) {
  A <- columns_of(as_linear(kernel_tensor(kernel, x, NULL, values)), seq_len(nrow(x)))
  at <- seq.int(1L, by = nrow(x) + 1L, length.out = nrow(x))
  A[at] <- A[at] + noise
  A
}

# NULL where it is not positive definite.
cholesky_or_none <- function(A) {
  force(A) # an error in it would lose its class in the generic diag()
  if (!all(is.finite(diag(A)))) return(NULL)
  tryCatch(dense_cholesky(A), rkeops_error_argument = function(e) NULL)
}

likelihood_dense <- function(input, model) function(theta) {
  values <- values_of_theta(model, theta)
  noise <- noise_of_rows(model, values, input$weights)
  n <- nrow(input$x)
  R <- cholesky_or_none(dense_covariance(model$kernel, input$x, noise, values))
  if (is.null(R)) return(list(value = -Inf))
  white <- dense_solve_triangular(R, cbind(input$y, input$trend), transpose = TRUE)
  fit <- least_squares_of(white)
  value <- -sum(log(diag(R))) - sum(fit$residual^2) / 2 - n / 2 * log_2pi
  list(value = value, slope = function() {
    alpha <- dense_solve_triangular(R, fit$residual)
    half <- dense_solve_triangular(R, base::diag(n))
    G <- (tcrossprod(alpha) - dense_product(half, t(half))) / 2
    slope_of_dense(model, values, noise, input$x, G)
  })
}

# Of the first column by the others: list(beta, residual, covariance).
least_squares_of <- function(white) {
  y <- white[, 1L]
  if (ncol(white) == 1L) return(list(beta = numeric(), residual = y, covariance = matrix(0, 0L, 0L)))
  q <- qr(white[, -1L, drop = FALSE], tol = 1e-12)
  if (q$rank < ncol(white) - 1L)
    throw("argument", "the trend's columns are combinations of each other: expected fewer")
  list(beta = qr.coef(q, y), residual = qr.resid(q, y), covariance = chol2inv(qr.R(q)))
}

# The sum of G and the derivative of the covariance, by each logarithm: `G` is symmetric.
slope_of_dense <- function(model, values, noise, x, G) {
  out <- numeric(length(model$free))
  first <- 0L
  leaves <- lapply(values[names(values) != "noise"], Pm)
  K <- kernel_tensor(model$kernel, x, NULL, leaves)
  for (name in names(values)) {
    value <- values[[name]]
    for (k in which(model$free[first + seq_along(value)]))
      out[first + k] <- if (name == "noise") sum(diag(G) * noise)
                        else value[k] * sum(G * dense_derivative(K, leaves[[name]], k, length(value)))
    first <- first + length(value)
  }
  out
}

# Of the kernel's matrix by component k of a parameter.
dense_derivative <- function(K, parameter, k, count) {
  D <- define("Diff", list(K, parameter, Pm(replace(numeric(count), k, 1))), dimres = 1L)
  columns_of(as_linear(D), seq_len(dim(K)[2L]))
}

# ---- iterative -------------------------------------------------------------------------------------

# With probes and rows of the preconditioner that stay.
likelihood_iterative <- function(input, model, given, theta) {
  start <- values_of_theta(model, theta)
  system <- function(values) system_of(input, model, values)
  pivots <- estimate_logdet(system(start), given$probes, given$seed, method = "iterative")$pivots
  if (length(pivots) < 2L) pivots <- "none"
  n <- nrow(input$x)
  solver <- list(tol = 1e-6, limit = 1000L, method = "iterative", preconditioner = pivots, definite = TRUE)
  function(theta) {
    fit <- tryCatch(generalised_fit(system(values_of_theta(model, theta)), input, solver),
                    rkeops_error_argument = function(e) NULL, rkeops_error_convergence = function(e) NULL)
    if (is.null(fit)) return(list(value = -Inf))
    logdet <- NULL
    slope <- gradient(function(theta) {
      A <- system(values_of_theta(model, theta))
      found <- estimate_logdet(A, given$probes, given$seed, method = "iterative",
                               preconditioner = pivots)$value
      logdet <<- value_of(found)
      (sum(fit$alpha * (A %*% fit$alpha)) - found) / 2
    }, theta)
    list(value = -(sum(fit$alpha * fit$residual) + logdet + n * log_2pi) / 2, slope = function() slope)
  }
}

# From the maximum of Vecchia's likelihood, by Newton's steps with its curvature, which gradients correct
# (BFGS): the estimate bends by its probes, too. So few gradients are needed, each of which takes long. What is
# left to gain is below `gain` at the end.
maximise_iterative <- function(likelihood, theta, model, curvature, gain = 0.02, steps = 12L) {
  free <- which(model$free)
  at <- function(theta) {
    point <- likelihood(theta)
    prior <- log_prior(model, theta)
    if (!is.finite(point$value)) list(value = -Inf)
    else list(theta = theta, value = point$value + prior$value, slope = (point$slope() + prior$slope)[free])
  }
  H <- curvature(theta)
  best <- at(theta)
  count <- 1L
  message <- "converged"
  repeat {
    if (!is.finite(best$value)) return(list(theta = theta, evaluations = count, message = "no start"))
    step <- newton_step(H, best, free, model)
    if (sum(step * best$slope) / 2 < gain) break
    if (count >= steps) {
      message <- paste("stopped after", count, "gradients")
      break
    }
    other <- list(value = -Inf)
    for (half in 0:3) {
      other <- at(replace(best$theta, free, best$theta[free] + step / 2^half))
      count <- count + 1L
      if (other$value >= best$value - gain / 4) break
    }
    if (other$value < best$value - gain / 4) {
      message <- "no further step is upwards"
      break
    }
    H <- corrected_curvature(H, other$theta[free] - best$theta[free], best$slope - other$slope)
    best <- other
  }
  list(theta = best$theta, value = best$value, evaluations = count, message = message)
}

# As a step and the change of the slope along it say, where that is a curvature.
corrected_curvature <- function(H, step, change) {
  along <- as.vector(H %*% step)
  if (!isTRUE(sum(step * change) > 0.05 * abs(sum(step * along)))) return(H)
  H - tcrossprod(along) / sum(step * along) + tcrossprod(change) / sum(step * change)
}

# Within the bounds; a parameter that its slope pushes against one stays.
newton_step <- function(H, point, free, model) {
  now <- point$theta[free]
  blocked <- point$slope > 0 & now >= model$upper[free] - 1e-9 |
    point$slope < 0 & now <= model$lower[free] + 1e-9
  step <- numeric(length(free))
  if (all(blocked)) return(step)
  inner <- H[!blocked, !blocked, drop = FALSE]
  e <- eigen((inner + t(inner)) / 2, symmetric = TRUE)
  size <- base::pmax(abs(e$values), 1e-8 * max(abs(e$values)))
  step[!blocked] <- e$vectors %*% (crossprod(e$vectors, point$slope[!blocked]) / size)
  step <- step * base::min(1, 1 / max(abs(step))) # no more than a factor of e at once
  base::pmin(base::pmax(now + step, model$lower[free]), model$upper[free]) - now
}

# Minus the Hessian of a likelihood, by differences of its gradient.
curvature_of <- function(likelihood, model) function(theta) {
  free <- which(model$free)
  slope <- function(theta) (likelihood(theta)$slope() + log_prior(model, theta)$slope)[free]
  H <- vapply(free, function(k) {
    step <- replace(numeric(length(theta)), k, 1e-3)
    (slope(theta + step) - slope(theta - step)) / 2e-3
  }, numeric(length(free)))
  matrix(-(H + t(H)) / 2, length(free))
}

system_of <- function(input, model, values) {
  noise <- noise_of_rows(model, values, input$weights)
  A <- as_linear(kernel_tensor(model$kernel, input$x, NULL, values))
  if (!is_recorded(noise) && all(noise == 0)) A else add_ridge(A, noise)
}

# Generalised least squares with the matrix A: list(beta, residual, alpha, covariance), A alpha = residual.
generalised_fit <- function(A, input, solver) {
  solved <- solve_system(A, cbind(input$y, input$trend), solver)
  if (!is_reached(solved, solver$tol)) refuse_unconverged(solved, solver)
  if (!ncol(input$trend))
    return(list(beta = numeric(), residual = input$y, alpha = solved$value[, 1L],
                covariance = matrix(0, 0L, 0L)))
  inner <- crossprod(input$trend, solved$value)
  R <- dense_cholesky((inner[, -1L, drop = FALSE] + t(inner[, -1L, drop = FALSE])) / 2)
  covariance <- chol2inv(R)
  beta <- as.vector(covariance %*% inner[, 1L])
  list(beta = beta, residual = input$y - as.vector(input$trend %*% beta),
       alpha = solved$value[, 1L] - as.vector(solved$value[, -1L, drop = FALSE] %*% beta),
       covariance = covariance)
}

# ---- Vecchia's approximation -------------------------------------------------------------------------

# Places in which distances are those that matter to the kernel, in units of the spread of `sites` where it
# has none.
kernel_places <- function(kernel, x, sites = x) {
  node <- if (kernel$type == "scale") kernel$parts[[1L]] else kernel
  scale <- node$parameters$length_scale
  if (length(node$parts) || is.null(node$metric) || is.null(scale)) return(in_units(x, units_of(sites)))
  unname(over_scales(prepared_points(node, x), scale))
}

# list(order, sets, input): an order of the rows, their neighbours among those before, and the rows in it.
vecchia_plan <- function(input, kernel, given) {
  places <- kernel_places(kernel, input$x)
  order <- order_sites(places, given$ordering, given$seed)
  list(order = order, sets = earlier_sets(places[order, , drop = FALSE], given$neighbours),
       input = ordered_input(input, order))
}

ordered_input <- function(input, order) {
  input$x <- input$x[order, , drop = FALSE]
  input$y <- input$y[order]
  input$trend <- input$trend[order, , drop = FALSE]
  input$weights <- input$weights[order]
  input
}

# First with few neighbours: what it finds is close, at a small part of the time. Neighbours are found anew
# where the places have changed.
maximise_vecchia <- function(input, model, given, theta) {
  count <- 0L
  most <- base::min(given$neighbours, if (given$method == "iterative") 15L else Inf)
  for (neighbours in unique(base::pmin(c(10L, most), most))) {
    kernel <- with_parameters(model$kernel, values_of_theta(model, theta))
    plan <- vecchia_plan(input, kernel, replace(given, "neighbours", neighbours))
    likelihood <- likelihood_vecchia(plan, model_rows(model, plan$order))
    out <- maximise(likelihood, theta, model, if (neighbours < given$neighbours) 0.1 else 1e-3)
    theta <- out$theta
    count <- count + out$evaluations
  }
  out$evaluations <- count
  out
}

likelihood_vecchia <- function(plan, model) {
  input <- plan$input
  z <- cbind(input$y, input$trend)
  n <- nrow(z)
  whitened <- function(values) whiten(function(x) kernel_tensor(model$kernel, x, NULL, values), input$x,
                                      noise_of_rows(model, values, input$weights), z, plan$sets)
  function(theta) {
    white <- tryCatch(whitened(values_of_theta(model, theta)), rkeops_error_argument = function(e) NULL)
    if (is.null(white)) return(list(value = -Inf))
    fit <- least_squares_of(white$w)
    contrast <- c(1, -fit$beta)
    of_white <- function(white) -sum(white$log_sd) - sum((white$w %*% contrast)^2) / 2 - n / 2 * log_2pi
    list(value = of_white(white), slope = function()
      gradient(function(theta) of_white(whitened(values_of_theta(model, theta))), theta), fit = fit)
  }
}

# ---- at the end ------------------------------------------------------------------------------------

finish_gp <- function(input, model, theta, given) {
  check_distinct_rows(input, model)
  values <- values_of_theta(model, theta)
  kernel <- with_parameters(model$kernel, values)
  model$kernel <- kernel
  state <- switch(given$method, dense = state_dense(input, model, values),
                  iterative = state_iterative(input, model, values, given),
                  vecchia = state_vecchia(input, model, values, given))
  names(state$beta) <- colnames(input$trend)
  dimnames(state$covariance) <- list(colnames(input$trend), colnames(input$trend))
  names <- rownames(input$x)
  out <- list(kernel = kernel, noise = if (is.null(model$noise)) values$noise else model$noise,
              coefficients = state$beta, trend_covariance = state$covariance, parameters = values,
              free = model$free, loglik = state$loglik, loglik_error = state$error,
              df = length(state$beta) + sum(model$free), alpha = state$alpha,
              fitted.values = stats::setNames(state$fitted, names),
              residuals = stats::setNames(input$y - state$fitted, names))
  c(out, list(method = given$method, given = given[c("neighbours", "ordering", "probes", "seed")],
              x = input$x, y = input$y, trend = input$trend, weights = input$weights, frame = input$frame,
              na.action = input$na.action, kept = input$kept, model = model[c("noise", "spread", "prior",
                                                                              "lower", "upper")]))
}

refuse_singular <- function()
  throw("argument", "the covariance matrix is not positive definite for double precision: expected a larger ",
        "`noise`, or fewer points that are nearly equal")

state_dense <- function(input, model, values) {
  noise <- noise_of_rows(model, values, input$weights)
  R <- cholesky_or_none(dense_covariance(model$kernel, input$x, noise, values))
  if (is.null(R)) refuse_singular()
  fit <- least_squares_of(dense_solve_triangular(R, cbind(input$y, input$trend), transpose = TRUE))
  alpha <- as.vector(dense_solve_triangular(R, fit$residual))
  loglik <- -sum(log(diag(R))) - sum(fit$residual^2) / 2 - nrow(input$x) / 2 * log_2pi
  list(beta = fit$beta, covariance = fit$covariance, alpha = alpha, fitted = input$y - noise * alpha,
       loglik = loglik, error = 0)
}

# More probes, until the error of the log likelihood is small.
state_iterative <- function(input, model, values, given) {
  A <- system_of(input, model, values)
  fit <- generalised_fit(A, input, list(tol = 1e-8, limit = 1000L, method = "iterative",
                                        preconditioner = "auto", definite = TRUE))
  probes <- given$probes
  repeat {
    logdet <- estimate_logdet(A, probes, given$seed, method = "iterative")
    if (logdet$error / 2 <= 0.25 || probes >= 64L * given$probes) break
    probes <- probes * if (probes < 16L * given$probes) 4L else 2L
  }
  n <- nrow(input$x)
  list(beta = fit$beta, covariance = fit$covariance, alpha = fit$alpha,
       fitted = input$y - noise_of_rows(model, values, input$weights) * fit$alpha,
       loglik = -(sum(fit$alpha * fit$residual) + logdet$value + n * log_2pi) / 2, error = logdet$error / 2)
}

state_vecchia <- function(input, model, values, given) {
  plan <- vecchia_plan(input, model$kernel, given)
  point <- likelihood_vecchia(plan, model_rows(model, plan$order))(log(unlist(values)))
  if (!is.finite(point$value)) refuse_singular()
  beta <- point$fit$beta
  list(beta = beta, covariance = point$fit$covariance, alpha = NULL, loglik = point$value, error = 0,
       fitted = fitted_vecchia(input, model, values, beta, given))
}

# Of the process and the trend at the sites themselves, by each site and its neighbours.
fitted_vecchia <- function(input, model, values, beta, given) {
  noise <- rep_len(noise_of_rows(model, values, input$weights), nrow(input$x))
  places <- kernel_places(model$kernel, input$x)
  trend <- as.vector(input$trend %*% beta)
  found <- conditional(function(x) kernel_tensor(model$kernel, x, NULL, values), input$x, noise,
                       input$y - trend, input$x, nearest(places, places, given$neighbours + 1L)$index)
  trend + as.vector(found$mean)
}

# The inverse of the curvature.
covariance_of_parameters <- function(object) {
  free <- which(object$free)
  input <- object[c("x", "y", "trend", "weights")]
  model <- c(object["kernel"], object$model, list(values = object$parameters, free = object$free))
  if (object$method == "dense") likelihood <- likelihood_dense(input, model)
  else {
    plan <- vecchia_plan(input, model$kernel, object$given)
    likelihood <- likelihood_vecchia(plan, model_rows(model, plan$order))
  }
  theta <- log(unlist(object$parameters, use.names = FALSE))
  H <- curvature_of(likelihood, model)(theta)
  names <- names(unlist(object$parameters))[free]
  size <- exp(theta[free])
  inverse <- tryCatch(chol2inv(chol.default(H)), error = function(e)
    throw("argument", "the log likelihood is no maximum in all parameters: expected those at their bounds ",
          "to be `fixed`"))
  matrix(inverse * outer(size, size), length(free), dimnames = list(names, names))
}
