# Data that float32 holds badly, and spellings of one distance: what sums, gradients and lists of
# neighbours are off by, beside R's doubles. Functions see rkeops and base only, so that they work in
# other processes too.

float32_places <- list(
  utm = list(low = c(450000, 4.5e6), width = 500),
  "200 m of longitude and latitude" = list(low = c(2.35, 48.85), width = 0.002),
  "seconds of a day" = list(low = c(1.7e9, 1.7e9), width = 86400),
  "seconds of 30 years" = list(low = c(7e8, 7e8), width = 9.5e8),
  years = list(low = c(1990, 1990), width = 34),
  prices = list(low = c(1e6, 1e6), width = 1)
)

float32_dirt <- list(
  clean = function(x, width) x,
  "a row at 0" = function(x, width) { x[1, ] <- 0; x },
  "a row at -9999" = function(x, width) { x[7, ] <- -9999; x },
  "a row at 1e9" = function(x, width) { x[3, ] <- 1e9; x },
  "two clusters" = function(x, width) x + 1e6 * (seq_len(nrow(x)) %% 2),
  "five clusters" = function(x, width) x + 1e6 * (seq_len(nrow(x)) %% 5),
  "two scales" = function(x, width) {
    near <- seq_len(nrow(x)) <= 0.4 * nrow(x)
    x <- (x - rep(colMeans(x), each = nrow(x))) / width
    x[near, ] <- x[near, ] * 1e-2
    x[!near, ] <- x[!near, ] + 6e6
    x * width / 20
  }
)

# Of x of a row and y of a column, LazyTensors of two components, and a length s.
float32_forms <- list(
  plain = function(x, y, s) sqdist(x, y) / s^2,
  "scaled by a number" = function(x, y, s) sqdist(x / s, y / s),
  "scaled by a parameter" = function(x, y, s) { p <- Pm(1 / s); sqdist(x * p, y * p) },
  "two lengths" = function(x, y, s) { p <- Pm(c(s, s)); sqdist(x / p, y / p) },
  "by component" = function(x, y, s) ((x[1] - y[1])^2 + (x[2] - y[2])^2) / s^2,
  concat = function(x, y, s) sqnorm2(concat(x[1], x[2]) - concat(y[1], y[2])) / s^2,
  offset = function(x, y, s) sqdist((x + 3 * s) / s, (y + 3 * s) / s),
  "through a matrix" = function(x, y, s) {
    turn <- matrix(c(0.6, 0.8, -0.8, 0.6), 2) / s
    sqdist(matvecmult(turn, x), matvecmult(turn, y))
  },
  weighted = function(x, y, s) weightedsqdist(x, y, diag(2) / s^2),
  "as a sum" = function(x, y, s) sqnorm2(x / s + y * (-1 / s)),
  "of several terms" = function(x, y, s) sqnorm2(((x - y) + Pm(s)) + x - (y + Pm(s))) / (4 * s^2),
  "with weights that meet, too" = function(x, y, s) sqdist(x, y) / s^2 + 0 * (x | y)
)

# Worst errors of a form on data of a place with some dirt: sums and gradients relative to the sum
# of sizes, distances to neighbours relative to those of the true neighbours. Text in place of a
# number is what was said.
float32_errors <- function(form, place, dirt, what, n = 150) {
  set.seed(3)
  x <- matrix(stats::runif(2 * n), n) * place$width + rep(place$low, each = n)
  x <- dirt(x, place$width)
  s <- place$width / 20
  d <- lapply(1:2, function(k) outer(x[, k], x[, k], "-") / s)
  squares <- d[[1]]^2 + d[[2]]^2
  row <- Vi(x)
  lazy <- form(row, Vj(x), s)
  found <- function(code) tryCatch(code, error = conditionMessage, warning = conditionMessage)
  switch(what,
    sum = found(max(abs(sum(exp(-lazy), "j")[, 1] / rowSums(exp(-squares)) - 1))),
    gradient = found({
      slope <- gradient(sum(exp(-lazy), "j", call = FALSE), row) # by x, of which y is no part
      weight <- 2 * exp(-squares) / s
      truth <- vapply(d, function(e) -rowSums(e * weight), double(n))
      size <- vapply(d, function(e) rowSums(abs(e) * weight), double(n)) + 1e-300
      max(abs(slope - truth) / pmax(size, 1e-6 * max(size)))
    }),
    nearest = found({
      position <- argKmin(lazy, 5, "j")
      best <- t(apply(squares, 1, sort))[, 1:5]
      chosen <- t(vapply(seq_len(n), function(i) sort(squares[i, position[i, ]]), double(5)))
      max((chosen - best) / pmax(best, 1e-300))
    }))
}

# All of them, as a data frame.
float32_table <- function(forms, places, dirt, what, errors) {
  cases <- expand.grid(form = names(forms), place = names(places), dirt = names(dirt),
                       what = what, stringsAsFactors = FALSE)
  cases$error <- Map(function(f, p, d, w) errors(forms[[f]], places[[p]], dirt[[d]], w),
                     cases$form, cases$place, cases$dirt, cases$what)
  cases
}

# What a formula makes of a value in doubles is off by their rounding (x / s at 1e6 degrees), and two
# floats have five digits less: where every row counts, as in gradients, that may be more than the
# limit.
float32_is_good <- function(error, case) {
  limit <- c(sum = 1e-5, nearest = 1e-6, gradient = 1e-5)[[case$what]]
  if (!is.numeric(error) || error <= limit || case$what != "gradient")
    return(is.numeric(error) && error <= limit)
  in_double <- with_options(list(precision = "float64"),
    float32_errors(float32_forms[[case$form]], float32_places[[case$place]],
                   float32_dirt[[case$dirt]], "gradient"))
  error <= 2^5 * in_double
}

expect_float32_table <- function(table) {
  for (k in seq_len(nrow(table))) {
    error <- table$error[[k]]
    label <- paste(unlist(table[k, 1:4]), collapse = ", ")
    expect_true(float32_is_good(error, table[k, ]),
                label = paste0(label, ": ", format(error, digits = 3)))
  }
}

# By how much counts of comparisons are off: labels, times, both uses of a value.
comparison_errors <- function() {
  id <- 1234567890 + c(0:19, 3, 7, 7)
  t <- 1.7e12 + cumsum(c(0.3, 0.001, 5000, 3600 + 1:19, 0.25))
  n <- length(id)
  i <- rep(seq_len(n), n)
  j <- rep(seq_len(n), each = n)
  count <- function(lazy, truth) max(abs(sum(lazy, "j") - rowSums(matrix(truth, n))))
  c(same = count(Vi(id) == Vj(id), id[i] == id[j]),
    other = count(Vi(id) != Vj(id), id[i] != id[j]),
    before = count(Vj(t) < Vi(t), t[j] < t[i]),
    window = count(where(Vj(t) > Vi(t) - 3600 & Vj(t) <= Vi(t), 1, 0),
                   t[j] > t[i] - 3600 & t[j] <= t[i]),
    columns = count(sum(Vi(cbind(id, t)) == Vj(cbind(id, rev(t)))) * 1,
                    (id[i] == id[j]) + (t[i] == rev(t)[j])),
    "one of three" = count(sum(Vi(id) == Vj(cbind(id, id + 1, id - 1))) * 1,
                           (id[i] == id[j]) + (id[i] == id[j] + 1) + (id[i] == id[j] - 1)),
    strange = {
      s <- c(NaN, Inf, -Inf, 0, -0, 1e-40, 0.1 + 0.2, 0.3, id[1:15])
      count(Vi(s) <= Vj(s), !is.na(s[i] <= s[j]) & s[i] <= s[j])
    },
    "both uses" = {
      u <- 5e6 + seq_len(n) / 7
      found <- sum(where(Vi(u) < Vj(u), exp(-(Vi(u) - Vj(u))^2), 0), "j")
      max(abs(found - rowSums(matrix(ifelse(u[i] < u[j], exp(-(u[i] - u[j])^2), 0), n)))) > 1e-5
    })
}
