# Base functions that would misread a LazyTensor or a matrix on a GPU: methods that stop with advice
# on what to use instead.

use_means <- "use rowMeans(x), colMeans(x), or mean(rowMeans(x)) for all pairs"
use_kmin <- "use Kmin(x, K, index), argKmin(x, K, index)"
use_quantile <- paste("use Kmin(x, K, index), the K smallest, or it on as.matrix(x), the dense",
                      "matrix")
use_matrix <- "use it on as.matrix(x), the dense matrix"
use_solver <- "use solve(x, b), which needs no factors, or it on as.matrix(x), the dense matrix"
use_picture <- "use image(as.matrix(x)), a picture of the dense matrix"
use_block <- "use x[k] for components, x[i, j] for values"
use_comparison <- paste("use x != x where NaN is to be found; if this is pmin() or pmax(),",
                        "use where(x < y, x, y) or clamp(x, a, b)")
use_values <- "use a comparison such as x == 1 with any(, index), or which() of it"
use_concat <- "use concat() to join components"
use_parts <- "it cannot be changed; see where() and concat()"

# What is said of a LazyTensor, by generic function.
refused_of_lazytensor <- list(
  mean = use_means, median = use_quantile, quantile = use_quantile,
  weighted.mean = "use x %*% w / sum(w)",
  sort = use_kmin, xtfrm = use_kmin,
  chol = use_solver, qr = use_solver,
  determinant = use_matrix, isSymmetric = use_matrix, diff = use_matrix, rowsum = use_matrix,
  unique = use_matrix, duplicated = use_matrix, anyDuplicated = use_matrix, cut = use_matrix,
  split = use_matrix, merge = use_matrix, subset = use_matrix, transform = use_matrix,
  by = use_matrix, aggregate = use_matrix, as.ts = use_matrix, window = use_matrix,
  lag = use_matrix, density = use_matrix, as.table = use_matrix, within = use_matrix,
  aperm = "use t(x) to exchange i and j, aperm(as.array(x), perm)",
  rev = use_block, head = use_block, tail = use_block, seq = use_block,
  is.na = use_comparison, anyNA = use_comparison, is.nan = use_comparison,
  is.finite = use_comparison, is.infinite = use_comparison,
  `[<-` = use_parts, `[[<-` = use_parts, `$<-` = use_parts, `names<-` = use_parts,
  `dim<-` = use_parts, `dimnames<-` = use_parts, `length<-` = use_parts, `levels<-` = use_parts,
  `is.na<-` = use_parts,
  plot = use_picture, image = use_picture, contour = use_picture, persp = use_picture,
  lines = use_picture, points = use_picture, barplot = use_picture, hist = use_picture,
  boxplot = use_picture,
  c = "use list() for a list of them, concat() to join components",
  cbind = use_concat, rbind = use_concat,
  as.list = "use list(x) for a list of it, apply() or as.matrix(x) for loops over values",
  unlist = "it is no list; as.vector(x) has its values",
  rep = "if this is ifelse(), its test must be a LazyTensor; see also where()"
)

refused_on_gpu <- c("[", "[<-", "[[<-", "$<-", "is.na", "anyNA", "unique", "dim<-", "t", "mean",
                    "rbind", "cbind")

refuse <- function(name, of, advice) {
  message <- paste0("`", name, "` of a ", of, ": ", advice)
  if (endsWith(name, "<-")) function(x, ..., value) throw("argument", message)
  else function(...) throw("argument", message)
}

refuse_base <- function(name, advice) refuse(name, "LazyTensor", advice)

refuse_on_gpu <- function(name)
  refuse(name, "matrix on a GPU", "copy it back with as.matrix(), or do it before to_gpu()")

# Methods have to be in the namespace under their names.
add_methods <- function(methods, class, namespace)
  list2env(stats::setNames(methods, paste0(names(methods), ".", class)), namespace)

add_methods(Map(refuse_base, names(refused_of_lazytensor), refused_of_lazytensor), "LazyTensor",
            environment())
add_methods(sapply(refused_on_gpu, refuse_on_gpu), "rkeops_gpu", environment())

#' @importFrom graphics barplot boxplot contour hist image lines persp points
#' @importFrom stats aggregate as.ts density lag median quantile weighted.mean window
#' @importFrom utils head tail
#' @evalNamespace sprintf('S3method("%s",LazyTensor)', names(refused_of_lazytensor))
#' @evalNamespace sprintf('S3method("%s",rkeops_gpu)', refused_on_gpu)
NULL

# match() asks for it under this name.
#' @rawNamespace if (getRversion() >= "4.2.0") S3method(mtfrm, LazyTensor)
mtfrm.LazyTensor <- refuse_base("match", use_values)

# eigs() of RSpectra takes functions too; find_eigen() and methods of others are in R/eigen.R.
#' @exportS3Method RSpectra::eigs
eigs.LazyTensor <- refuse_base("eigs", paste(
  "use eigs(function(v, args) as.vector(x %*% v), k, n = nrow(x)),",
  "or find_eigen(x, k) where it is symmetric"))

# ---- functions that do not dispatch --------------------------------------------------------------

# cor(), ts(), outer(), ... do not dispatch, but they ask what they were given, and go on with a
# list of parts of a LazyTensor, or stop without advice. The question dispatches.
no_or_refuse <- function(x) {
  asking <- sys.parent()
  if (asking > 0L && goes_wrong(sys.function(asking))) refuse_asking(sys.call(asking))
  FALSE
}

goes_wrong <- function(asking) {
  identical(environment(asking), asNamespace("stats")) ||
    any(vapply(list(outer, jitter, tabulate), identical, NA, asking))
}

refuse_asking <- function(call) {
  name <- if (is.name(call[[1L]])) as.character(call[[1L]]) else "this function"
  throw("argument", "`", name, "` of a LazyTensor: ", use_matrix, call = call)
}

#' @export
is.matrix.LazyTensor <- no_or_refuse
#' @export
is.numeric.LazyTensor <- no_or_refuse
#' @export
is.array.LazyTensor <- no_or_refuse
