# Nearest neighbours, and the pairs within a radius.
#
# What is searched is a "field" of distances, plain data:
#   before, value   text of the formula: definitions, each with a semicolon behind it, and the value
#   declarations, data, kind   its variables
#   size            numbers of i and of j
#   self            whether i and j are the same points, so that a point is no neighbour of itself
#   symmetric       whether they are, and the formula is known to be the same for (i, j) and (j, i)
#   distance        what the formula's value v stands for: a function that never falls
#   bound           a value of the formula for a radius
#   names           row names of x and of y, NULL where there are none

#' Nearest neighbours
#'
#' `nearest()` finds the k nearest rows of y for each row of x, or the k nearest other rows of x. The
#' result is exact: that of all distances, none of which is stored.
#'
#' Neighbours come in the order of their distances, those at equal distances in that of their
#' positions. Among the rows of x a point is left out by its position, so that its duplicates are
#' neighbours at distance 0; `nearest(x, x, k)` leaves nothing out. A row without a known distance to
#' another one, for NA or infinite coordinates, has no neighbours and is none.
#'
#' With `earlier = TRUE` the neighbours are found among the rows before each row: the conditioning
#' sets of Vecchia's approximation of a Gaussian process.
#'
#' Where points lie in few dimensions most pairs cannot matter and are left out: see option `prune` of
#' [set_rkeops_options()]. With small groups, and with `blocks` of small ones, all pairs are looked at
#' that these keep.
#'
#' @section Metrics:
#' \describe{
#'   \item{`"euclidean"`}{the root of the sum of squared differences. Squares are compared, and roots
#'     taken of what is found.}
#'   \item{`"manhattan"`, `"maximum"`}{the sum of the absolute differences, the largest one.}
#'   \item{`"cosine"`}{1 - cos of the angle between the rows, from 0 to 2; a row of zeros has no
#'     neighbours.}
#'   \item{`"haversine"`}{metres along great circles of a sphere of radius 6371008.8 m, the mean one
#'     of the Earth. Rows are longitude and latitude in degrees, in this order. In float32 places are
#'     known to about half a metre.}
#'   \item{a function}{of two LazyTensors, the rows of x and of y, that gives a LazyTensor of
#'     dimension 1: `function(x, y) sum(abs(x - y)^3)`. It is called once and may use other
#'     LazyTensors, such as parameters. Its values need not be distances: the smallest are found.}
#'   \item{a formula}{as a text, of `x` and `y`: `"Sqrt(WeightedSqDist(x,y,...))"`, see
#'     [rkeops_formulas].}
#' }
#' Values of a function or formula that are NaN or Inf mean that two rows are no neighbours.
#'
#' @param x,y points, a row each: what [Vi()] takes, of as many columns. A vector is one column.
#'   Without `y` neighbours are found among the rows of `x`.
#' @param k how many, at most 10000. Where there are fewer, `NA` and `Inf` fill the rows.
#' @param metric a name, a function or a formula, see below.
#' @param radius the largest distance of a neighbour, end included; in the unit of the metric.
#' @param groups labels, as in [restrict_pairs()]: neighbours are found in the own group only. A vector
#'   for both, or a list of `i`, for `x`, and `j`, for `y`.
#' @param earlier whether neighbours have to come before the point among the rows of `x`; without `y`.
#' @param ... `blocks` and `ranges` of [restrict_pairs()], for which pairs may be neighbours, and
#'   options of the call such as `precision` and `backend`, see [reductions].
#' @return A list of two matrices with a row for each row of x and k columns, nearest first: `index`,
#'   positions of rows of y (of x, without y), integers from 1 whatever option `index_base` says; and
#'   `distance`. They have the row names of x.
#' @section Errors:
#' `rkeops_error_argument` for points without plain numbers, other metrics, `k` or `radius` that are
#' no such numbers, `earlier` with `y`; `rkeops_error_shape` where numbers of columns or labels do not
#' fit; `rkeops_error_formula` for a formula that is none; what computing may raise, see [reductions].
#' @family functions of points
#' @seealso [argKmin()] for the same of any formula; `vignette("neighbours", "rkeops")`.
#' @examples
#' x <- cbind(sin(1:50), cos(1.7 * 1:50))
#' near <- nearest(x, k = 3)
#' head(near$index)
#' head(near$distance)
#'
#' # of other points, within a radius
#' nearest(cbind(c(0, 1), 0), x, k = 2, radius = 0.2)
#'
#' # in the own group; among earlier points
#' head(nearest(x, k = 2, groups = rep(c("a", "b"), 25))$index, 4)
#' head(nearest(x, k = 2, earlier = TRUE)$index, 4)
#'
#' # kilometres between cities
#' city <- rbind(Paris = c(2.35, 48.86), London = c(-0.13, 51.51), Rome = c(12.5, 41.9))
#' round(nearest(city, k = 2, metric = "haversine")$distance / 1000)
#'
#' # any formula
#' nearest(x[1:2, ], x, 2, metric = function(x, y) sum(abs(x - y)^3))$index
#' @export
nearest <- function(x, y, k, metric = "euclidean", radius = Inf, groups = NULL, earlier = FALSE, ...) {
  if (missing(k)) check_no_number(y, "k")
  k <- check_count(k, "k", 1L, max_k)
  field <- distance_field(x, y, metric)
  check_radius(radius, metric)
  if (check_flag(earlier, "earlier") && !field$self)
    throw("argument", "`earlier` is TRUE and `y` is given: expected no `y`")
  given <- list(...)
  options <- options_of_search(without_walk(given))
  blocks <- walk_given(given[names(given) %in% walk_names], field$size)$blocks
  band <- if (earlier) keep_lower(FALSE) else if (field$self) drop_self()
  kept <- both_blocks(both_blocks(blocks, blocks_of_part(whole_part(field, groups))), band)
  found <- smallest_of(field, k, kept, options)
  lapply(within_radius(found, radius), with_row_names, field$names[[1L]])
}

#' Pairs of points within a radius
#'
#' `find_within()` finds all pairs of a row of x and one of y whose distance is at most a radius. Pairs
#' are counted first and then found, in memory for a few times the pairs that there are.
#'
#' The pairs are exactly those whose distance, as it is computed and returned, is at most `radius`:
#' those that [nearest()] finds with a large enough k, but for the last digit of float32. Rows
#' without known distances, for NA or infinite coordinates, are in no pairs.
#'
#' @param x,y points, a row each: what [Vi()] takes, of as many columns. A vector is one column.
#'   Without `y` pairs of different rows of `x` are found, each both ways: (i, j) and (j, i).
#' @param radius the largest distance, end included; in the unit of the metric, see [nearest()].
#' @param metric as in [nearest()]: `"euclidean"`, `"manhattan"`, `"maximum"`, `"cosine"`,
#'   `"haversine"`, a function of two LazyTensors or a formula.
#' @param output `"table"` or `"matrix"`.
#' @param groups labels, as in [restrict_pairs()]: only pairs of one group are found.
#' @param ... options of the call such as `precision` and `backend`, see [reductions].
#' @return For `"table"` a data.frame of `i`, `j` and `distance`, ordered by i and then j: positions of
#'   rows of x and of y, integers from 1. For `"matrix"` a sparse matrix of package Matrix
#'   (`dgCMatrix`) of the distances, a row for each row of x and a column for each of y; distances of 0
#'   are stored, too, and what is not stored is further away.
#' @section Errors:
#' Those of [nearest()]; `rkeops_error_memory` for 2^31 pairs or more; `rkeops_error_system` for
#' `"matrix"` where package Matrix is not installed.
#' @family functions of points
#' @seealso [keep_near()] for reductions over such pairs, which need no list of them.
#' @examples
#' x <- cbind(sin(1:200), cos(1.7 * 1:200))
#' pairs <- find_within(x, radius = 0.05)
#' head(pairs)
#' # how many each point has
#' table(tabulate(pairs$i, 200))
#' # each pair once
#' nrow(pairs[pairs$i < pairs$j, ])
#'
#' find_within(cbind(c(0, 1), 0), x, 0.1, metric = "maximum")
#' @export
find_within <- function(x, y, radius, metric = "euclidean", output = c("table", "matrix"),
                        groups = NULL, ...) {
  if (missing(radius)) check_no_number(y, "radius")
  if (!identical(output, c("table", "matrix"))) check_choice(output, "output", c("table", "matrix"))
  field <- distance_field(x, y, metric)
  check_radius(radius, metric)
  options <- options_of_search(list(...))
  part <- whole_part(field, groups)
  pairs <- in_order_of_pairs(pairs_of_part(part, radius, options), part$symmetric)
  if (output[1L] == "table") list2DF(pairs) else sparse_matrix(pairs, field)
}

# ---- arguments -----------------------------------------------------------------------------------

# That of nearest(x, 5).
check_no_number <- function(y, name) {
  if (!missing(y) && is_number(y))
    throw("argument", "`", name, "` is missing, and `y` is ", describe(y), ": expected `", name, " = ",
          describe(y), "`")
}

check_radius <- function(radius, metric) {
  check_given(radius, "radius", "a number")
  least <- if (is_named(metric)) 0 else -Inf
  if (!is_number(radius) || is.na(radius) || radius < least)
    unexpected(radius, "radius", "a number", if (least == 0) " not below 0")
}

options_of_search <- function(given) {
  if ("call" %in% names(given))
    throw("argument", "`call` is given: expected none, as neighbours are found at once")
  for (name in intersect(names(given), walk_names))
    throw("argument", "`", name, "` is given: expected none; nearest() takes it")
  options <- call_options(given)$options
  options$index_base <- 1L
  options
}

rows_given <- function(x, name) {
  check_given(x, name, "a matrix or a vector")
  numbers <- leaf_numbers(x, FALSE, name = name)
  if (is.complex(numbers) || length(dim(numbers)) > 2L)
    unexpected(x, name, "a matrix of real numbers, a row for each point")
  if (length(dim(numbers)) < 2L) numbers <- as_column(numbers)
  if (!ncol(numbers)) throw("shape", "`", name, "` has 0 columns: expected at least one")
  numbers
}

# ---- metrics -------------------------------------------------------------------------------------

# Of the metrics that have names: the formula; what is made of points before; see above for the others.
distances <- list(
  euclidean = list(value = "SqDist(x,y)", distance = sqrt, bound = function(r) r^2),
  manhattan = list(value = "Sum(Abs(x-y))"),
  maximum = list(value = "MaxNaN(Abs(x-y))"),
  cosine = list(value = "SqDist(x,y)", prepared = function(x, name) on_unit_sphere(x),
                distance = function(v) v / 2, bound = function(r) 2 * r),
  haversine = list(value = "SqDist(x,y)", prepared = function(x, name) on_globe(x, name),
                   distance = function(v) arc(v), bound = function(r) chord(r)))

is_named <- function(metric) is_string(metric) && metric %in% names(distances)

distance_field <- function(x, y, metric) {
  self <- missing(y)
  if (identical(metric, "haversine")) {
    check_longitude_first(x, "x")
    if (!self) check_longitude_first(y, "y")
  }
  x <- rows_given(x, "x")
  y <- if (self) x else rows_given(y, "y")
  field <- if (is.function(metric)) field_of_function(metric, x, y) else field_of_text(metric, x, y)
  field$size <- c(nrow(x), nrow(y))
  field$self <- self
  field$symmetric <- self && is_named(metric)
  field$names <- list(dimnames(x)[[1L]], dimnames(y)[[1L]])
  field
}

field_of_text <- function(metric, x, y) {
  if (!is_string(metric))
    unexpected(metric, "metric", "the name of a metric, a function or a formula")
  if (!grepl("[^A-Za-z0-9_]", metric)) return(field_of_name(metric, x, y))
  field <- new_field(metric, sprintf(c("x=Vi(%d)", "y=Vj(%d)"), c(ncol(x), ncol(y))), list(x, y),
                     c("Vi", "Vj"))
  value <- checked(.Call(C_expression, metric, field$declarations))
  if (value[["dim"]] != 1L)
    throw("shape", "`metric` is a formula of dimension ", value[["dim"]], ": expected dimension 1")
  field
}

field_of_name <- function(metric, x, y) {
  known <- distances[[check_choice(metric, "metric", names(distances))]]
  if (ncol(x) != ncol(y))
    throw("shape", "`x` has ", counted(ncol(x), "column"), ", `y` has ", ncol(y),
          ": expected equal numbers")
  if (!is.null(known$prepared)) {
    same <- identical(x, y)
    x <- known$prepared(x, "x")
    y <- if (same) x else known$prepared(y, "y")
  }
  new_field(known$value, sprintf(c("x=Vi(%d)", "y=Vj(%d)"), ncol(x)), list(x, y), c("Vi", "Vj"),
            known$distance, known$bound)
}

field_of_function <- function(metric, x, y) {
  value <- metric(leaf(x, "Vi"), leaf(y, "Vj"))
  if (!is.LazyTensor(value) || part(value, "complex"))
    throw("argument", "`metric` is a function that gives ", describe(value),
          ": expected a LazyTensor of real numbers")
  if (part(value, "dimres") != 1L)
    throw("shape", "`metric` gives a LazyTensor of dimension ", part(value, "dimres"),
          ": expected dimension 1")
  if (!all(c("Vi", "Vj") %in% part(value, "kind")) || !is.null(part(value, "walk")))
    throw("argument", "`metric` gives a LazyTensor that is not one for all pairs: expected a formula ",
          "of its two arguments")
  new_field(formula_of(value), declarations_of_leaves(unclass(value)), part(value, "data"),
            part(value, "kind"))
}

new_field <- function(formula, declarations, data, kind, distance = identity, bound = identity) {
  if (is.null(distance)) distance <- identity
  if (is.null(bound)) bound <- identity
  last <- sub("^.*;", "", formula)
  list(before = substr(formula, 1L, nchar(formula) - nchar(last)), value = last,
       declarations = declarations, data = data, kind = kind, distance = distance, bound = bound)
}

on_unit_sphere <- function(x) {
  x <- host_values(x)
  largest <- do.call(pmax, lapply(seq_len(ncol(x)), function(k) abs(x[, k])))
  x <- x / largest # so that no square is too large or too small
  x / sqrt(rowSums(x^2))
}

host_values <- function(x) if (is_gpu(x)) array(gpu_values(x), dim(x)) else x

earth_radius <- 6371008.8 # metres, the mean of the axes

check_longitude_first <- function(x, name) {
  check_given(x, name, "a matrix")
  names <- lower(colnames(x))
  if (length(names) == 2L && (startsWith(names[1L], "lat") || grepl("^(lon|lng)", names[2L])))
    throw("argument", "`", name, "` has the columns ", paste0("`", colnames(x), "`", collapse = " and "),
          ": expected longitude and latitude, in this order")
}

on_globe <- function(x, name) {
  if (ncol(x) != 2L)
    throw("shape", "`", name, "` has ", counted(ncol(x), "column"), ": expected longitude and latitude")
  x <- host_values(x)
  wrong <- which(abs(x[, 2L]) > 90)
  if (length(wrong))
    throw("argument", "`", name, "` has the latitude ", number_text(x[wrong[1L], 2L]), " in row ", wrong[1L],
          ": expected columns of longitudes and latitudes, in this order, in degrees")
  longitude <- x[, 1L] / 180
  latitude <- x[, 2L] / 180
  cbind(cospi(latitude) * cospi(longitude), cospi(latitude) * sinpi(longitude), sinpi(latitude))
}

# Between the squared chord in a sphere of radius 1 and metres along a great circle.
arc <- function(v) {
  v[] <- ifelse_int(v == Inf, v, 2 * earth_radius * asin(pmin(1, sqrt(v) / 2)))
  v
}

chord <- function(r) 4 * sin(min(r / earth_radius, pi) / 2)^2

# ---- searches ------------------------------------------------------------------------------------

# The formula is `d` in the text of the reduction, values up to `limit` count; `none` is Inf.
search_field <- function(field, reduction, limit, blocks, options) {
  program <- list(
    text = paste0(field$before, "rkeops_d=", field$value, ";", reduction),
    declarations = c(field$declarations, "rkeops_limit=Pm(1)", "rkeops_none=Pm(1)"),
    options = options)
  if (!is.null(blocks)) program$blocks <- sized(blocks, field$size[1L], field$size[2L])
  run_arranged(program, c(field$data, limit, Inf))
}

# A little above the bound: what is right in the end is whether the distance is within the radius.
# What a precision cannot hold is no limit in it.
limit_of <- function(field, radius, options) {
  limit <- field$bound(radius)
  precision <- engine_options(options)$precision
  if (abs(limit) > c(float64 = 2^1022, float32 = 2^126, float16 = 2^15)[[precision]])
    return(if (limit > 0) Inf else limit)
  limit + abs(limit) * if (precision == "float16") 2^-9 else 2^-20
}

# The k smallest distances of each row; with a radius of those within about that, which is faster
# where there are many.
smallest_of <- function(field, k, blocks, options, radius = Inf) {
  limited <- if (radius == Inf) "rkeops_d" else "Where(rkeops_d<=rkeops_limit,rkeops_d,rkeops_none)"
  found <- search_field(field, sprintf("KMin_ArgKMin_Reduction(%s,%d,j)", limited, k),
                        limit_of(field, radius, options), blocks, options)
  list(index = found[[2L]], distance = field$distance(found[[1L]]))
}

within_radius <- function(found, radius) {
  if (radius == Inf) return(found)
  far <- found$distance > radius
  found$index[far] <- NA
  found$distance[far] <- Inf
  found
}

# ---- pairs ---------------------------------------------------------------------------------------

# A part of a field has positions i and j of its rows, and maybe groups, labels as coded() gives them.
whole_part <- function(field, groups) {
  part <- c(field, list(i = seq_len(field$size[1L]), j = seq_len(field$size[2L])))
  if (is.null(groups)) return(part)
  part$groups <- groups_given(groups, field$size)
  if (!identical(part$groups$i, part$groups$j)) part$symmetric <- FALSE
  part
}

part_of <- function(part, i = NULL, j = NULL) {
  if (length(i) == length(part$i)) i <- NULL
  if (!is.null(i)) part <- part_of_side(part, "i", i)
  if (!is.null(j)) part <- part_of_side(part, "j", j)
  part
}

part_of_side <- function(part, side, at) {
  for (k in which(part$kind == paste0("V", side)))
    part$data[[k]] <- rows_at(host_values(part$data[[k]]), at)
  part[[side]] <- part[[side]][at]
  if (!is.null(part$groups)) part$groups[[side]]$code <- part$groups[[side]]$code[at]
  part$size <- lengths(list(part$i, part$j))
  part
}

rows_at <- function(x, i) {
  x <- x[i, , drop = FALSE]
  if (!is.null(dimnames(x))) dimnames(x) <- NULL
  x
}

blocks_of_part <- function(part) {
  groups <- part$groups
  if (!is.null(groups))
    blocks_of_pairs(groups$i, groups$j, equal_labels(groups$i, groups$j, group_names))
}

# Lengths of the lists that are made of rows with fewer neighbours; where there are more, the columns
# are looked at in pieces that are expected to have half as many.
lengths_of_lists <- c(4L, 16L, 64L, 256L, 1024L)
longest_list <- max(lengths_of_lists)

# All pairs of a part, in any order, as a list of such lists. Rows are counted, and those with similar
# counts searched together.
pairs_of_part <- function(part, radius, options, whole = TRUE) {
  count <- search_field(part, "Sum_Reduction(rkeops_d<=rkeops_limit,j)", limit_of(part, radius, options),
                        blocks_of_part(part), options)[, 1L]
  left <- which(count > (whole && part$symmetric)) # at 0 from itself
  if (whole) check_pairs_fit(sum(count[left]))
  pairs <- list()
  for (k in lengths_of_lists) {
    now <- left[count[left] < k]
    if (!length(now)) next
    found <- pairs_of_lists(part_of(part, now), k, radius, options)
    pairs <- c(pairs, list(found$pairs))
    left <- setdiff(left, now[!found$is_full])
  }
  if (length(left)) c(pairs, pairs_of_pieces(part_of(part, left), max(count), radius, options)) else pairs
}

check_pairs_fit <- function(n) {
  if (n > .Machine$integer.max)
    throw("memory", "there are ", format(n, digits = 3L), " pairs: expected fewer than 2^31")
}

# The pairs of those rows that have fewer than k candidates, and which rows may have more: two programs
# that compute a distance may differ in its last digit.
pairs_of_lists <- function(part, k, radius, options) {
  found <- smallest_of(part, k, blocks_of_part(part), options, radius)
  is_full <- !is.na(found$index[, k]) & found$distance[, k] <= radius
  at <- which(!is.na(found$index) & found$distance <= radius & !is_full)
  pairs <- list(i = part$i[(at - 1L) %% length(part$i) + 1L], j = part$j[found$index[at]],
                distance = found$distance[at])
  kept <- if (part$symmetric) pairs$i < pairs$j else if (part$self) pairs$i != pairs$j
  if (!is.null(kept)) pairs <- lapply(pairs, `[`, kept)
  list(pairs = pairs, is_full = is_full)
}

pairs_of_pieces <- function(part, most, radius, options) {
  n <- length(part$j)
  pieces <- max(2, ceiling(2 * most / longest_list))
  end <- unique(floor(n * seq_len(pieces) / pieces))
  start <- c(0, end[-length(end)])
  unlist(Map(function(from, to) pairs_of_part(part_of(part, j = from:to), radius, options, FALSE),
             start + 1, end), recursive = FALSE)
}

# Parts in one list. In float32 a distance may depend on the other points of a part, so (j, i) gets
# what was found for (i, j).
in_order_of_pairs <- function(parts, symmetric) {
  column <- function(name, none) c(none, unlist(lapply(parts, `[[`, name)))
  i <- column("i", integer())
  j <- column("j", integer())
  distance <- column("distance", double())
  if (symmetric) {
    one <- i
    i <- c(i, j)
    j <- c(j, one)
    distance <- c(distance, distance)
  }
  order <- order(i, j, method = "radix")
  list(i = i[order], j = j[order], distance = distance[order])
}

sparse_matrix <- function(pairs, field) {
  if (!requireNamespace("Matrix", quietly = TRUE))
    throw("system", "`output` is \"matrix\", and package Matrix is not installed: expected \"table\"")
  Matrix::sparseMatrix(i = pairs$i, j = pairs$j, x = pairs$distance, dims = field$size,
                       dimnames = field$names)
}
