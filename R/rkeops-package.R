#' rkeops: reductions of formulas over pairs of rows, without storing the pairs
#'
#' Computes kernel products, nearest neighbours, log-sum-exps and other reductions of a formula
#' F(x_i, y_j) over all pairs of rows of R matrices. The formula is written as a text
#' ([keops_kernel()]) or made by computing with [LazyTensor()]s; it is compiled for the processor
#' once, kept in a cache, and nothing of the size of all pairs is ever stored.
#'
#' @keywords internal
#' @useDynLib rkeops, .registration = TRUE
"_PACKAGE"
