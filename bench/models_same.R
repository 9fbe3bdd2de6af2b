# Part of bench/models.R, and a script of its own: the same model of the same data by other packages,
# with parameters that are given, and by a few lines of dense matrices. Each gives numbers; what is
# compared is the largest difference relative to the largest number.
#
#     R_LIBS=.library Rscript bench/models_same.R
#
# How the packages' parameters translate, with s^2 the variance of the process, t^2 of the noise and
# lambda = t^2 / s^2:
#   kernlab   kpar sigma is 1 / (2 length_scale^2) of rbfdot, 1 / length_scale of laplacedot; var is
#             lambda; scaled = FALSE
#   fields    aRange is length_scale / sqrt(3) of Matern 3/2; Tps() has kernel r^2 log(r) / (8 pi)
#   mgcv      sp / S.scale of the smooth is lambda, where the basis is complete (k: all places);
#             bs = "tp" has the kernel |r|^3 / 12 of one variable, bs = "gp" with m = c(3, rho) Matern 3/2
#             with length_scale = sqrt(3) rho and a linear trend, m = c(-3, rho) the constant one
#   nlme      corExp and corGaus (exp(-(r / range)^2)) with a nugget, which is t^2 / (s^2 + t^2)
#   spatial   expcov's alpha is that nugget; nx counts the places where it is tabulated
#   stats     smooth.spline()'s lambda is of the variable over its range, kernel |r|^3 / 12

source("bench/common.R")
source("bench/models_data.R")

# ---- dense matrices --------------------------------------------------------------------------------

distances <- function(x, y = x) {
  x <- as.matrix(x)
  y <- as.matrix(y)
  sqrt(pmax(outer(rowSums(x^2), rowSums(y^2), "+") - 2 * base::tcrossprod(x, y), 0))
}

matern <- function(r, length_scale) (1 + sqrt(3) * r / length_scale) * exp(-sqrt(3) * r / length_scale)

# Weights of the kernel and of the trend P: (K + lambda I) c + P b = y, P' c = 0.
dense_mean <- function(K, lambda, y, P, K_new, P_new) {
  n <- length(y)
  both <- rbind(cbind(K + diag(lambda, n), P), cbind(t(P), matrix(0, ncol(P), ncol(P))))
  drop(cbind(K_new, P_new) %*% base::solve(both, c(y, numeric(ncol(P)))))
}

# Log likelihood of y = P b + noise of covariance s^2 C, at the best b and s^2; or the restricted one.
dense_likelihood <- function(C, P, y, restricted = FALSE) {
  R <- base::chol(C)
  white <- base::backsolve(R, cbind(P, y), transpose = TRUE)
  p <- seq_len(ncol(P))
  trend <- qr(white[, p, drop = FALSE])
  rest <- sum(qr.resid(trend, white[, -p])^2)
  n <- length(y) - if (restricted) ncol(P) else 0
  -n / 2 * (log(2 * pi * rest / n) + 1) - sum(log(diag(R))) -
    if (restricted) sum(log(abs(diag(qr.R(trend))))) else 0
}

# Standard errors of the process with that s^2, its trend estimated too.
dense_error <- function(K, lambda, y, P, K_new, P_new, loss = 0) {
  R <- base::chol(K + diag(lambda, length(y)))
  white <- function(x) base::backsolve(R, x, transpose = TRUE)
  of_new <- white(t(K_new))
  of_trend <- qr(white(P))
  gap <- t(P_new) - crossprod(white(P), of_new)
  variance <- 1 - colSums(of_new^2) + colSums(base::backsolve(qr.R(of_trend), gap, transpose = TRUE)^2)
  sqrt(variance * sum(qr.resid(of_trend, white(y))^2) / (length(y) - loss))
}

ones <- function(x) matrix(1, NROW(x), 1)
with_ones <- function(x) cbind(1, as.matrix(x))

# ---- rkeops, with everything given -------------------------------------------------------------------

own_ridge <- function(formula, data, kernel, lambda, new)
  stats::predict(kernel_ridge(formula, data, kernel = kernel, ridge = lambda, scale = FALSE,
                              intercept = FALSE), new)

# `noise`: its variance, in units of the process's, which is the most likely one unless it is given. That
# is computed once, so that it is no part of the time of later calls.
own_gp <- function(formula, data, kernel, noise, trend = ~ 1, method = "dense", variance = NULL) {
  if (is.null(variance)) variance <- likely_variance(formula, data, kernel, noise, trend)
  gp(formula, data, kernel = variance * kernel, noise = noise * variance, trend = trend, method = method,
     fixed = TRUE)
}

likely_variance <- local({
  known <- list()
  function(formula, data, kernel, noise, trend) {
    key <- paste(c(deparse(formula), deparse(trend), dim(data), noise, unlist(kernel[1:2])), collapse = " ")
    if (is.null(known[[key]])) {
      x <- as.matrix(data[attr(stats::terms(formula, data = data), "term.labels")])
      C <- as.matrix(evaluate_kernel(kernel, x)) + diag(noise, nrow(x))
      known[[key]] <<- dense_scale(C, stats::model.matrix(trend, data), data[[all.vars(formula)[1]]], 0)
    }
    known[[key]]
  }
})

# ---- cases -----------------------------------------------------------------------------------------

boston <- function() {
  x <- scale(MASS::Boston[1:13])
  list(x = x, y = MASS::Boston$medv, new = x[1:50, ] + 0.1,
       data = data.frame(x, medv = MASS::Boston$medv), table = as.data.frame(x[1:50, ] + 0.1))
}

# One place each, since some smoothers merge the others.
mcycle <- function() stats::aggregate(accel ~ times, MASS::mcycle, mean)

# Depths of earthquakes under Fiji, 499 places.
earthquakes <- function() {
  q <- datasets::quakes[1:500, c("long", "lat", "depth")]
  q[!duplicated(q[1:2]), ]
}
near <- function(q) q[1:40, 1:2] + 0.03

own_likelihood <- function(kernel, noise)
  as.numeric(stats::logLik(own_gp(depth ~ long + lat, earthquakes(), kernel, noise)))

cases <- list(
  "kernlab::gausspr, Gaussian, Boston" = list(
    needs = "kernlab",
    theirs = function() {
      b <- boston()
      f <- kernlab::gausspr(b$x, b$y, kernel = "rbfdot", kpar = list(sigma = 0.05), var = 0.1, scaled = FALSE)
      as.vector(kernlab::predict(f, b$new))
    },
    dense = function() {
      b <- boston()
      K <- function(x) exp(-0.05 * distances(x, b$x)^2)
      drop(K(b$new) %*% base::solve(K(b$x) + diag(0.1, nrow(b$x)), b$y))
    },
    own = function() {
      b <- boston()
      own_ridge(medv ~ ., b$data, kernel_gaussian(sqrt(10)), 0.1, b$table)
    }),
  "kernlab::gausspr, its standard deviation" = list(
    needs = "kernlab",
    theirs = function() {
      b <- boston()
      f <- kernlab::gausspr(b$x, b$y, kernel = "rbfdot", kpar = list(sigma = 0.05), var = 0.1, scaled = FALSE,
                            variance.model = TRUE)
      as.vector(kernlab::predict(f, b$new, type = "sdeviation"))
    },
    dense = function() {
      b <- boston()
      K <- function(x) exp(-0.05 * distances(x, b$x)^2)
      k <- K(b$new)
      sqrt(1 - rowSums(k * t(base::solve(K(b$x) + diag(0.1, nrow(b$x)), t(k)))))
    },
    own = function() {
      b <- boston()
      f <- own_gp(medv ~ ., b$data, kernel_gaussian(sqrt(10)), 0.1, trend = NULL, variance = 1)
      stats::predict(f, b$table, se = TRUE)$se
    }),
  "kernlab::gausspr, Laplacian, Boston" = list(
    needs = "kernlab",
    theirs = function() {
      b <- boston()
      f <- kernlab::gausspr(b$x, b$y, kernel = "laplacedot", kpar = list(sigma = 0.3), var = 0.1,
                            scaled = FALSE)
      as.vector(kernlab::predict(f, b$new))
    },
    dense = function() {
      b <- boston()
      K <- function(x) exp(-0.3 * distances(x, b$x))
      drop(K(b$new) %*% base::solve(K(b$x) + diag(0.1, nrow(b$x)), b$y))
    },
    own = function() {
      b <- boston()
      own_ridge(medv ~ ., b$data, kernel_laplacian(1 / 0.3), 0.1, b$table)
    }),
  "stats::smooth.spline, mcycle" = list(
    needs = "stats",
    theirs = function() {
      f <- stats::smooth.spline(MASS::mcycle$times, MASS::mcycle$accel, lambda = 1e-4, all.knots = TRUE)
      stats::predict(f, seq(3, 57, 0.5))$y
    },
    dense = function() {
      unit <- function(t) (t - min(MASS::mcycle$times)) / diff(range(MASS::mcycle$times))
      x <- unit(MASS::mcycle$times)
      new <- unit(seq(3, 57, 0.5))
      dense_mean(distances(x)^3 / 12, 1e-4, MASS::mcycle$accel, with_ones(x), distances(new, x)^3 / 12,
                 with_ones(new))
    },
    own = function() {
      lambda <- 1e-4 * 12 * diff(range(MASS::mcycle$times))^3
      new <- data.frame(times = seq(3, 57, 0.5))
      own_ridge(accel ~ times, MASS::mcycle, kernel_thin_plate(2), lambda, new)
    }),
  "mgcv::gam, bs = \"tp\", mcycle" = list(
    needs = "mgcv",
    theirs = function() as.vector(stats::predict(tp_smooth(), data.frame(times = seq(3, 57, 0.5)))),
    dense = function() {
      m <- mcycle()
      new <- seq(3, 57, 0.5)
      dense_mean(distances(m$times)^3 / 12, tp_lambda, m$accel, with_ones(m$times),
                 distances(new, m$times)^3 / 12, with_ones(new))
    },
    own = function()
      own_ridge(accel ~ times, mcycle(), kernel_thin_plate(2), 12 * tp_lambda,
                data.frame(times = seq(3, 57, 0.5)))),
  "mgcv::gam, bs = \"gp\", linear trend, mcycle" = list(
    needs = "mgcv",
    theirs = function() as.vector(stats::predict(gp_smooth(), data.frame(times = seq(3, 57, 0.5)))),
    dense = function() {
      m <- mcycle()
      new <- seq(3, 57, 0.5)
      K <- function(x) matern(distances(x, m$times), 10 * sqrt(3))
      dense_mean(K(m$times), gp_lambda, m$accel, with_ones(m$times), K(new), with_ones(new))
    },
    own = function() {
      f <- own_gp(accel ~ times, mcycle(), kernel_matern(3 / 2, 10 * sqrt(3)), gp_lambda, ~ times)
      stats::predict(f, data.frame(times = seq(3, 57, 0.5)))
    }),
  "fields::Tps, quakes" = list(
    needs = "fields",
    theirs = function() {
      q <- earthquakes()
      f <- fields::Tps(as.matrix(q[1:2]), q$depth, lambda = 1e-2, scale.type = "unscaled")
      as.vector(stats::predict(f, as.matrix(near(q))))
    },
    dense = function() {
      q <- earthquakes()
      K <- function(x) {
        r <- distances(x, q[1:2])
        ifelse(r > 0, r^2 * log(r), 0) / (8 * pi)
      }
      dense_mean(K(q[1:2]), 1e-2, q$depth, with_ones(q[1:2]), K(near(q)), with_ones(near(q)))
    },
    own = function() {
      q <- earthquakes()
      own_ridge(depth ~ long + lat, q, kernel_thin_plate(2), 8 * pi * 1e-2, near(q))
    }),
  "fields::mKrig, Matern 3/2, quakes" = list(
    needs = "fields",
    theirs = function() as.vector(stats::predict(kriging(), as.matrix(near(earthquakes())))),
    dense = function() {
      q <- earthquakes()
      K <- function(x) matern(distances(x, q[1:2]), 2 * sqrt(3))
      dense_mean(K(q[1:2]), 0.05, q$depth, ones(q[1:2]), K(near(q)), ones(near(q)))
    },
    own = function() {
      q <- earthquakes()
      stats::predict(own_gp(depth ~ long + lat, q, kernel_matern(3 / 2, 2 * sqrt(3)), 0.05), near(q))
    }),
  "fields::mKrig, standard errors" = list(
    needs = "fields",
    theirs = function() fields::predictSE(kriging(), as.matrix(near(earthquakes()))),
    dense = function() {
      q <- earthquakes()
      K <- function(x) matern(distances(x, q[1:2]), 2 * sqrt(3))
      dense_error(K(q[1:2]), 0.05, q$depth, ones(q[1:2]), K(near(q)), ones(near(q)))
    },
    own = function() {
      q <- earthquakes()
      f <- own_gp(depth ~ long + lat, q, kernel_matern(3 / 2, 2 * sqrt(3)), 0.05)
      stats::predict(f, near(q), se = TRUE)$se
    }),
  "fields::mKrig, log likelihood" = list(
    needs = "fields",
    theirs = function() kriging()$summary[["lnProfileLike.FULL"]],
    dense = function() {
      q <- earthquakes()
      K <- matern(distances(q[1:2]), 2 * sqrt(3))
      dense_likelihood(K + diag(0.05, nrow(q)), ones(q), q$depth)
    },
    own = function() own_likelihood(kernel_matern(3 / 2, 2 * sqrt(3)), 0.05)),
  "nlme::gls, corExp, ML, quakes" = list(
    needs = "nlme",
    theirs = function() squares(nlme::corExp, ~ 1, "ML"),
    dense = function() {
      q <- earthquakes()
      dense_likelihood(0.95 * exp(-distances(q[1:2]) / 2) + diag(0.05, nrow(q)), ones(q), q$depth)
    },
    own = function() own_likelihood(kernel_laplacian(2), 0.05 / 0.95)),
  "nlme::gls, corGaus, ML, quakes" = list(
    needs = "nlme",
    theirs = function() squares(nlme::corGaus, ~ 1, "ML"),
    dense = function() {
      q <- earthquakes()
      dense_likelihood(0.95 * exp(-(distances(q[1:2]) / 2)^2) + diag(0.05, nrow(q)), ones(q), q$depth)
    },
    own = function() own_likelihood(kernel_gaussian(sqrt(2)), 0.05 / 0.95)),
  "nlme::gls, corExp, REML, linear trend, quakes" = list(
    needs = "nlme",
    theirs = function() squares(nlme::corExp, ~ long + lat, "REML"),
    dense = function() {
      q <- earthquakes()
      dense_likelihood(0.95 * exp(-distances(q[1:2]) / 2) + diag(0.05, nrow(q)), with_ones(q[1:2]), q$depth,
                       restricted = TRUE)
    }),
  "spatial::surf.gls, quadratic trend, topo" = list(
    needs = "spatial",
    theirs = function() as.vector(spatial::prmat(surface(), 0.13, 6.13, 0.13, 6.13, 12)$z),
    dense = function() {
      t <- topography()
      dense_mean(t$K(t$x), 0.1 / 0.9, t$y, quadratic(t$x), t$K(t$new), quadratic(t$new))
    },
    own = function() {
      t <- topography()
      f <- own_gp(z ~ x + y, t$data, kernel_laplacian(0.7), 0.1 / 0.9, ~ x + y + I(x^2) + I(x * y) + I(y^2))
      stats::predict(f, t$new)
    }),
  "spatial::semat, of a new observation" = list(
    needs = "spatial",
    theirs = function() as.vector(spatial::semat(surface(), 0.13, 6.13, 0.13, 6.13, 12)$z),
    dense = function() {
      t <- topography()
      noise <- 0.1 / 0.9
      se <- function(...) dense_error(t$K(t$x), noise, t$y, quadratic(t$x), t$K(t$new), quadratic(t$new), ...)
      s2 <- dense_scale(t$K(t$x) + diag(noise, length(t$y)), quadratic(t$x), t$y, 6)
      sqrt(se(loss = 6)^2 + noise * s2)
    }))

# ---- the peers' models -------------------------------------------------------------------------------

tp_smooth <- function() {
  m <- mcycle()
  s <- mgcv::s
  mgcv::gam(accel ~ s(times, bs = "tp", k = nrow(m)), data = m, sp = 1e-3)
}

gp_smooth <- function() {
  m <- mcycle()
  s <- mgcv::s
  mgcv::gam(accel ~ s(times, bs = "gp", k = nrow(m), m = c(3, 10)), data = m, sp = 0.1)
}

lambda_of <- function(fit) fit$full.sp[[1]] / fit$smooth[[1]]$S.scale
delayedAssign("tp_lambda", lambda_of(tp_smooth()))
delayedAssign("gp_lambda", lambda_of(gp_smooth()))

kriging <- function() {
  q <- earthquakes()
  fields::mKrig(as.matrix(q[1:2]), q$depth, cov.function = "stationary.cov", lambda = 0.05, m = 1,
                cov.args = list(Covariance = "Matern", smoothness = 1.5, aRange = 2))
}

squares <- function(correlation, trend, method) {
  given <- correlation(c(2, 0.05), form = ~ long + lat, nugget = TRUE, fixed = TRUE)
  as.numeric(stats::logLik(nlme::gls(stats::update(trend, depth ~ .), earthquakes(), correlation = given,
                                     method = method)))
}

surface <- function() {
  box <- new.env()
  utils::data("topo", package = "MASS", envir = box)
  spatial::surf.gls(2, spatial::expcov, box$topo, nx = 1e5, d = 0.7, alpha = 0.1)
}

topography <- function() {
  box <- new.env()
  utils::data("topo", package = "MASS", envir = box)
  places <- seq(0.13, 6.13, length.out = 13)
  x <- box$topo[c("x", "y")]
  list(data = box$topo, x = x, y = box$topo$z, new = expand.grid(x = places, y = places),
       K = function(at) exp(-distances(at, x) / 0.7))
}

quadratic <- function(p) cbind(1, p$x, p$y, p$x^2, p$x * p$y, p$y^2)

dense_scale <- function(C, P, y, loss) {
  white <- base::backsolve(base::chol(C), cbind(P, y), transpose = TRUE)
  p <- seq_len(ncol(P))
  sum(qr.resid(qr(white[, p]), white[, -p])^2) / (length(y) - loss)
}

# ---- the table --------------------------------------------------------------------------------------

difference <- function(a, b) sprintf("%.0e", max(abs(a - b)) / max(abs(b)))

# The quickest of three.
quickest <- function(f) min(replicate(3, seconds(f())))

is_missing <- function(needs) !requireNamespace(needs, quietly = TRUE)

same_numbers <- function(name) {
  case <- cases[[name]]
  if (is_missing(case$needs) || is_missing("MASS")) return(NULL)
  if (case$needs == "fields") suppressPackageStartupMessages(library(fields)) # finds its functions by name
  theirs <- suppressWarnings(case$theirs())
  dense <- case$dense()
  has_own <- !is.null(case$own)
  own <- if (has_own) case$own()
  data.frame(model = name, "dense, differs" = difference(dense, theirs),
             "rkeops, differs" = if (has_own) difference(as.vector(own), theirs) else "",
             "its time" = sprintf("%.0f ms", 1e3 * quickest(case$theirs)),
             dense = sprintf("%.0f ms", 1e3 * quickest(case$dense)),
             rkeops = if (has_own) sprintf("%.0f ms", 1e3 * quickest(case$own)) else "", check.names = FALSE)
}

same_table <- function() do.call(rbind, lapply(names(cases), same_numbers))

if (sys.nframe() == 0L) writeLines(markdown(same_table()))
