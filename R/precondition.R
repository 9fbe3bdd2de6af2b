# Preconditioners: a matrix of small rank plus a diagonal that is close to the matrix of a system, and
# is inverted at little cost.
#
# L L' of `rank` columns is a partial Cholesky factorisation of the matrix without its ridge, by pivots
# that are drawn in proportion to what is left of the diagonal (Chen, Epperly, Tropp and Webber, 2022):
# Nystroem's approximation on these rows. With the ridge D, the inverse of L L' + D is, by Woodbury's
# formula, D^-1 - D^-1 L (I + L' D^-1 L)^-1 L' D^-1.

# What operations take, in seconds of one core, of which only the ratios matter: a pair of a product, a
# column more of it, a multiplication of dense algebra, a number read from memory.
unit_costs <- c(pair = 1e-9, column = 2e-10, dense = 5e-11, read = 5e-10)

block_of_pivots <- 64L

# list(rest, ridge): the matrix as a sum of what is not diagonal (NULL: nothing) and a diagonal.
split_ridge <- function(x) {
  terms <- terms_of(x)
  is_diagonal <- vapply(terms, function(t) t$op == "diagonal", NA)
  rest <- terms[!is_diagonal]
  list(rest = if (length(rest) == 1L) rest[[1L]] else if (length(rest)) new_linear("sum", parts = rest),
       ridge = if (any(is_diagonal)) terms[is_diagonal][[1L]]$value else 0)
}

# list(L, left, pivots): a factor of at most `rank` columns, what is left of the diagonal, and the rows that
# were taken; `rank` may be such rows, too. With NULL it ends where more columns would cost more than the
# steps that they save; `steps(left, rank)` says how many these are.
partial_cholesky <- function(x, rank = NULL, steps = NULL, p = 1L) {
  n <- x$size[1L]
  left <- diagonal_of(x)
  check_diagonal(value_of(left))
  whole <- sum(value_of(left))
  rows <- if (is_rows(rank)) rank
  most <- min(n, if (is.null(rank)) largest_rank(n) else if (is.null(rows)) rank else length(rows))
  blocks <- list() # of columns of L
  pivots <- integer()
  count <- 0L
  traces <- whole
  while (count < most && sum(value_of(left)) > n * .Machine$double.eps * whole) {
    at <- if (is.null(rows))
            draw_pivots(value_of(left), min(block_of_pivots, most - count), length(blocks) + 1L)
          else rows[seq.int(length(pivots) + 1L, min(length(pivots) + block_of_pivots, length(rows)))]
    new <- factored_columns(without_blocks(columns_of(x, at), blocks, at), at, max(value_of(left)))
    if (is.null(new)) break
    blocks <- c(blocks, list(new))
    pivots <- c(pivots, at)
    count <- if (is.null(rows)) count + ncol(new) else length(pivots)
    left <- pmax(left - rowSums(new^2), 0)
    traces <- c(traces, sum(value_of(left)))
    if (is.null(rank) && !is_worth_more(traces, count, n, p, steps)) break
  }
  list(L = if (count) do.call(cbind, blocks) else matrix(0, n, 0L), left = left, pivots = pivots)
}

# Columns at rows `at` without what the blocks have of them. One step of a record, as there are as many
# products as pairs of blocks, each as large as a block.
without_blocks <- function(columns, blocks, at) {
  plain <- value_of(columns)
  for (block in lapply(blocks, value_of)) plain <- plain - dense_product(block, t(block[at, , drop = FALSE]))
  record(plain, c(list(columns), blocks), function(e, args, value, wanted) {
    down <- 0 - e
    c(list(e), lapply(args[-1L], function(block)
      add_to_rows(dense_product(down, block[at, , drop = FALSE]), at, dense_crossprod(down, block))))
  })
}

add_to_rows <- function(x, at, values) {
  if (is_recorded(x) || is_recorded(values))
    return(x + dense_product(unit_columns(nrow(value_of(x)), at), values))
  x[at, ] <- x[at, , drop = FALSE] + values
  x
}

# Whether that is rows rather than their number.
is_rows <- function(rank) length(rank) > 1L

# Such a factor takes at most a gigabyte.
largest_rank <- function(n) max(block_of_pivots, 2^27 %/% max(n, 1L))

# Positions in proportion to `weights`, without a random number: one from each of `count` shares of
# their sum, at a place in it that changes from share to share, so that rows of a grid are not all
# those of one line.
draw_pivots <- function(weights, count, round) {
  sums <- cumsum(weights)
  k <- seq_len(count)
  inside <- (k * 0.6180339887498949 + round * 0.7548776662466927) %% 1
  at <- findInterval((k - 1 + inside) / count * sums[length(sums)], sums, left.open = TRUE) + 1L
  at <- unique(pmin(at, length(weights)))
  at[weights[at] > 0]
}

# Columns of a residual matrix at rows `at` as columns of its Cholesky factor: of pivots that are nearly
# combinations of the others none. `largest`: what is left of the diagonal at most.
factored_columns <- function(columns, at, largest) {
  inner <- columns[at, , drop = FALSE]
  inner <- (inner + t(inner)) / 2
  R <- suppressWarnings(base::chol.default(value_of(inner), pivot = TRUE, tol = 1e-10 * largest))
  count <- attr(R, "rank")
  if (!count) return(NULL)
  kept <- attr(R, "pivot")[seq_len(count)]
  R <- R[seq_len(count), seq_len(count), drop = FALSE]
  if (is_recorded(inner)) R <- recorded_cholesky(inner[kept, kept, drop = FALSE], R)
  dense_product(columns[, kept, drop = FALSE], dense_solve_triangular(R, base::diag(1, count)))
}

# Whether up to eight blocks more would save more than they take, if the trace goes on to fall as fast.
is_worth_more <- function(traces, rank, n, p, steps) {
  last <- length(traces)
  ratio <- min(1, traces[last] / traces[last - 1L])
  of_step <- function(rank) n^2 * (unit_costs[["pair"]] + p * unit_costs[["column"]]) +
    n * rank * (2 * unit_costs[["read"]] + 2 * p * unit_costs[["dense"]])
  total <- function(more) {
    rank <- rank + more * block_of_pivots
    steps(traces[last] * ratio^more, rank) * of_step(rank) + n * rank^2 * unit_costs[["dense"]] * 1.5 +
      n * rank * unit_costs[["pair"]] * 8
  }
  min(vapply(1:8, total, 1)) < total(0)
}

# How many steps reduce a residual by `tol`, by the bound on conjugate gradients: eigenvalues behind the
# first `rank` ones are taken to be about the trace over the rank.
steps_expected <- function(tol, ridge) {
  force(tol)
  force(ridge)
  function(trace, rank) 2 + sqrt(1 + trace / max(rank, 1) / ridge) / 2 * log(2 / tol)
}

# list(apply, rank, pivots, L, ridge, inner): `apply(r)` is the inverse times r; `inner` is the Cholesky factor
# of I + L' D^-1 L.
new_preconditioner <- function(L, ridge, pivots) {
  root <- sqrt(ridge)
  W <- L / root
  inner <- dense_crossprod(W)
  inner <- dense_cholesky(inner + base::diag(1, ncol(W)))
  list(rank = ncol(L), pivots = pivots, L = L, ridge = ridge, inner = inner, apply = function(r) {
    r <- r / root
    u <- dense_solve_triangular(inner, dense_crossprod(W, r), transpose = TRUE)
    (r - dense_product(W, dense_solve_triangular(inner, u))) / root
  })
}

no_preconditioner <- list(rank = 0L, apply = identity)

# The one of a system with the matrix `x`, or none. `given`: what the caller said of it, see
# solve.LazyTensor().
preconditioner_of <- function(x, given, tol, p) {
  if (!columns_of_preconditioner(x, given)) return(no_preconditioner)
  parts <- split_ridge(x)
  automatic <- identical(given, "auto")
  ridge <- parts$ridge
  smallest <- max(min(value_of(ridge)), 0)
  floor <- .Machine$double.eps * sum(value_of(diagonal_of(parts$rest)))
  factor <- partial_cholesky(parts$rest, if (!automatic) given,
                             steps_expected(tol, max(1 / mean(1 / pmax(value_of(ridge), floor)), floor)), p)
  if (!ncol(factor$L)) return(no_preconditioner)
  if (smallest <= floor) ridge <- pmax(ridge, 0) + max(mean(factor$left), floor)
  new_preconditioner(factor$L, ridge, factor$pivots)
}

# How many columns it has at most, by what is known of the system.
columns_of_preconditioner <- function(x, given) {
  rest <- split_ridge(x)$rest
  if (is.null(rest) || identical(given, "none")) 0L
  else if (is_rows(given)) length(given)
  else if (!identical(given, "auto")) given
  else if (has_cheap_columns(rest)) as.integer(min(largest_rank(x$size[1L]), x$size[1L]))
  else 0L
}

# Columns of a product take as long as products, those of some pairs as gathered rows.
has_cheap_columns <- function(x) {
  if (x$op == "kernel") is.null(part(x$value, "walk"))
  else x$op != "product" && all(vapply(x$parts, has_cheap_columns, NA))
}

# A matrix with such an entry has it as the product with a unit vector on both sides.
check_diagonal <- function(values) {
  worst <- which.min(values)
  if (!length(worst) || is.nan(values[worst]) || anyNA(values))
    throw("argument", "`a` has NaN on its diagonal: expected finite values")
  if (values[worst] >= 0) return(invisible())
  v <- numeric(length(values))
  v[worst] <- 1
  refuse_indefinite(v, values[worst])
}
