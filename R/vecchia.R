# Gaussian processes whose sites depend on a few earlier ones: Vecchia's approximation.
#
# Sites have an order: row i of `sets` has the rows of at most m sites before site i, in any order, or NA.
# Given these the value of site i is normal, with mean -s a' z and standard deviation s, where the
# coefficients (a, 1 / s) are the last row of the inverse of the lower Cholesky factor of the covariances of
# c(sets[i, ], i). In units of s all values are whitened: w = W z with a sparse lower triangular W, and
# -sum(log_sd) - sum(w^2) / 2 - n log(2 pi) / 2 is the logarithm of the density of z.
#
# `covariance` is a function of coordinates, a row each in the order, that gives a LazyTensor of dimension 1:
# of (i, j) the covariance of sites i and j, which is symmetric. What it uses may be recorded, see tape.R; so
# may `noise`, one variance for all sites or one for each, and `z`.

# ---- orders --------------------------------------------------------------------------------------

# The rows of x in an order for sites: "maximin", each as far from the nearest one before it as can be, the
# first nearest to the mean of all, duplicates last; "random", drawn from `seed` on; or "given".
order_sites <- function(x, ordering = "maximin", seed = 1L) {
  ordering <- check_choice(ordering, "ordering", c("maximin", "random", "given"))
  if (ordering == "given") return(seq_len(nrow(x)))
  if (ordering == "random") return(with_seed(check_seed(seed), sample.int(nrow(x))))
  checked(.Call(C_order_farthest, finite_sites(x), engine_options()))
}

finite_sites <- function(x) {
  storage.mode(x) <- "double"
  if (!all(is.finite(x))) throw("argument", "`x` has NA or infinite values: expected finite coordinates")
  x
}

# ---- neighbours ----------------------------------------------------------------------------------

# For each row of x the m nearest rows before it, nearest first, NA where there are fewer: what
# nearest(earlier = TRUE) finds, in a third of the time where sites lie in a plane or in space. In more
# dimensions boxes leave out too little, and other metrics and restrictions are left to nearest(), too.
earlier_sets <- function(x, m, ...) {
  x <- finite_sites(x)
  if (...length() || ncol(x) > 4L) return(nearest(x, k = m, earlier = TRUE, ...)$index)
  m <- check_count(m, "m", 1L, max_k)
  checked(.Call(C_nearest_earlier, x, m, engine_options()))
}

# A column for each site: those that it depends on, of `rows`, and itself.
as_blocks_of_sites <- function(sets, own, rows = length(own)) {
  if (!is.matrix(sets) || nrow(sets) != length(own))
    throw("shape", "`sets` is ", describe(sets), ": expected a matrix with ", counted(length(own), "row"))
  wrong <- suppressWarnings(range(sets, na.rm = TRUE))
  if (length(sets) && (wrong[1L] < 1 || (wrong[2L] > rows && wrong[2L] > -Inf)))
    throw("argument", "`sets` has row ", wrong[1L + (wrong[1L] >= 1)], ": expected rows from 1 to ", rows)
  out <- t(cbind(sets, own, deparse.level = 0L))
  storage.mode(out) <- "integer"
  out
}

# ---- covariances ---------------------------------------------------------------------------------

# The state of a covariance of so many sites, as pairs.R has states, without pairs.
state_of_covariance <- function(K, rows) {
  if (!is.LazyTensor(K) || part(K, "dimres") != 1L || part(K, "complex"))
    throw("argument", "the covariance is ", describe(K), ": expected a LazyTensor of dimension 1")
  if (!is.null(part(K, "walk")))
    throw("argument", "the covariance is a LazyTensor that is restricted, or of batches: expected one that ",
          "stands for all pairs")
  sizes <- index_sizes(K)
  if (any(sizes != rows, na.rm = TRUE))
    throw("shape", "the covariance is ", times(sizes), ": expected ", times(c(rows, rows)))
  state <- unclass(K)[c("table", "leaves", "data", "kind", "complex")]
  state$roots <- part(K, "root")
  state
}

# What C takes: values of the roots at pairs, all variables as if they were of i.
formula_at_pairs <- function(state) {
  state <- with_node(state, "Sum_Reduction", state$roots, "j")
  as_engine <- ifelse_int(state$kind == "Pm", state$kind, rep("Vi", length(state$kind)))
  list(program = list(text = operator_text(state),
                      declarations = declarations_of_leaves(list(data = state$data, kind = as_engine))),
       side = match(state$kind, sides) - 1L,
       input = lapply(state$data, function(x) interleaved(if (is_gpu(x)) gpu_values(x) else x)))
}

options_of_blocks <- function() engine_options(list(precision = "float64", index_base = 1L))

# The derivatives by the data at `places`, one behind the other, times cotangents of covariances, which are
# the last variable.
slopes_at_pairs <- function(state, places) {
  ids <- vapply(places, function(place) id_of_place(state, place), "")
  root <- state$roots
  state <- with_leaf(state, matrix(0), "Vp")
  cotangent <- state$roots
  all <- NULL
  for (id in ids) {
    state <- with_node(state, "Grad", c(root, id, cotangent))
    if (!is.null(all)) state <- with_node(state, "Concat", c(all, state$roots))
    all <- state$roots
  }
  dims <- vapply(places, function(k) if (state$kind[k] == "Pm") length(state$data[[k]])
                                     else NCOL(state$data[[k]]), 1L)
  c(formula_at_pairs(state), list(to = match(state$kind[places], sides) - 1L, dim = dims))
}

# ---- whitening -----------------------------------------------------------------------------------

# list(w, log_sd) of the columns of z: a column of w for each, and the logarithms of standard deviations.
# `sites`: what the user calls the rows of x.
whiten <- function(covariance, x, noise, z, sets, sites = NULL) {
  z <- as_columns(z)
  rows <- nrow(value_of(z))
  state <- state_of_covariance(covariance(x), rows)
  blocks <- as_blocks_of_sites(sets, seq_len(rows))
  whiten_blocks(state, noise, z, blocks, sites)
}

as_columns <- function(x) if (is.null(dim(value_of(x)))) reshape(x, c(length(value_of(x)), 1L)) else x

whiten_blocks <- function(state, noise, z, blocks, sites = NULL) {
  places <- recorded_places(state)
  out <- whiten_plain(plain_state(state), value_of(noise), value_of(z), blocks, sites)[c("w", "log_sd")]
  node <- record(unname(out), c(state$data[places], list(noise, z)), function(e, args, value, wanted) {
    if (any_recorded(args) || any_recorded(e))
      throw("argument", "whitened values have no second derivatives: expected gradients only")
    own <- seq_along(places)
    now <- with_data(plain_state(state), places, args[own])
    cotangents_of_blocks(now, args[[length(args) - 1L]], args[[length(args)]], blocks, e, places, wanted)
  })
  stats::setNames(elements_of(node), names(out))
}

# Plain numbers, with the coefficients of each site where they are wanted: a column as in `blocks`. With
# `copies` the value of a site may follow from the others: then log_sd is -Inf, and w as if that were 0.
whiten_plain <- function(state, noise, z, blocks, sites = NULL, coefficients = FALSE, copies = FALSE) {
  out <- checked(.Call(C_vecchia_whiten, formula_at_pairs(state), blocks, numbers_of_blocks(noise, z),
                       c(coefficients, copies), options_of_blocks()))
  if (is.integer(out)) refuse_block(out, blocks, sites)
  out
}

numbers_of_blocks <- function(noise, z) {
  storage.mode(z) <- "double"
  list(noise = as.double(noise), z = z)
}

# `failed`: the block, and the row of it that depends on those before it.
refuse_block <- function(failed, blocks, sites) {
  own <- blocks[nrow(blocks), failed[1L]]
  named <- if (is.null(sites)) c(own, failed[2L]) else sites[c(own, failed[2L])]
  throw_with("argument", list(site = named[1L], row = named[2L]),
             "the covariances of site ", named[1L], " and of those that it depends on are not positive ",
             "definite: expected noise, or that site ", named[2L], " is apart from the others")
}

cotangents_of_blocks <- function(state, noise, z, blocks, e, places, wanted) {
  of_data <- places[wanted[seq_along(places)]]
  slopes <- if (length(of_data)) slopes_at_pairs(state, of_data)
  given <- list(w = if (is.null(e[[1L]])) numeric(ncol(blocks) * ncol(z)) else as.double(e[[1L]]),
                log_sd = if (is.null(e[[2L]])) numeric(ncol(blocks)) else as.double(e[[2L]]),
                wants = wanted[length(places) + 1:2])
  out <- checked(.Call(C_vecchia_pull, formula_at_pairs(state), slopes, blocks,
                       numbers_of_blocks(noise, z), given, options_of_blocks()))
  sums <- vector("list", length(places))
  sums[wanted[seq_along(places)]] <- Map(function(x, place) reshape(x, dim(state$data[[place]])),
                                         out$sums, of_data)
  c(sums, list(if (!is.null(out$noise)) reshape(out$noise, dim(noise)), out$z))
}

# ---- prediction, simulation ----------------------------------------------------------------------

# list(mean, sd) of new sites, each given its row of `sets`, sites that have values: a column of means for
# each column of z. `noise_new`: of the values that are predicted; 0: of the process, which is known with sd 0
# where it was seen without noise.
conditional <- function(covariance, x, noise, z, x_new, sets_new, noise_new = 0, sites = NULL) {
  z <- as_columns(z)
  n <- nrow(z)
  new <- nrow(x_new)
  state <- state_of_covariance(covariance(rbind(x, x_new)), n + new)
  out <- whiten_plain(state, c(rep_len(noise, n), rep_len(noise_new, new)),
                      rbind(z, matrix(0, new, ncol(z))), as_blocks_of_sites(sets_new, n + seq_len(new), n),
                      if (!is.null(sites)) c(sites, paste("new", seq_len(new))), copies = TRUE)
  sd <- exp(out$log_sd)
  list(mean = -ifelse_int(sd > 0, sd, rep(1, new)) * out$w, sd = sd)
}

# The coefficients of each site, a column as c(sets[i, ], i) has rows.
coefficients_of_sites <- function(covariance, x, noise, sets, sites = NULL) {
  rows <- nrow(sets)
  state <- state_of_covariance(covariance(x), rows)
  whiten_plain(state, noise, matrix(0, rows, 0L), as_blocks_of_sites(sets, seq_len(rows)), sites,
               TRUE)$coefficients
}

# The z of W z = e, by columns: what has the distribution of the values where e is standard normal.
simulate_ordered <- function(coefficients, sets, e) {
  e <- as_columns(e)
  storage.mode(e) <- "double"
  .Call(C_vecchia_solve, as_blocks_of_sites(sets, seq_len(nrow(sets))), coefficients, e)
}
