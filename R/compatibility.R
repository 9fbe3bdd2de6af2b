# Names of RKeOps that this package needs no code of its own for.

# Base functions and operators that dispatch on LazyTensors by themselves. RKeOps exported its own,
# so scripts say rkeops::sum() and packages importFrom(rkeops, sum): they get base R's. The
# namespace exports what it inherits from base; attaching leaves them out, see zzz.R.
base_exports <- c("+", "-", "*", "/", "^", "|",
                  "abs", "acos", "asin", "atan", "cos", "exp", "log", "round", "sign", "sin",
                  "sqrt", "max", "min", "sum", "Arg", "Conj", "Im", "Mod", "Re",
                  if (getRversion() >= "4.3.0") "%*%")

#' Base R's functions and LazyTensors
#'
#' What the functions of base R and of the packages that come with it do with LazyTensors. There are
#' three answers: a formula again (nothing is computed), R numbers, or an error that says what to
#' use instead. In the tables below, `K` is a LazyTensor of dimension 1 that depends on i and j (5 x
#' 7), `u` one of dimension 3, `near` a comparison, `z` a complex LazyTensor, `a` and `b` plain
#' vectors with a number for each i and each j; the examples make them.
#'
#' Operators, mathematical functions, `sum`, `min`, `max` and the functions of complex numbers
#' dispatch on LazyTensors in base R. RKeOps exported its own: `rkeops::sum` and
#' `importFrom(rkeops, sum)` still work, and give the functions of base R, which `library(rkeops)`
#' leaves alone. `crossprod`, `tcrossprod`, `rowSums`, `colSums`, `rowMeans`, `colMeans`, `diag`,
#' `norm`, `which`, `atan2`, `besselK`, `ifelse`, `step` and, before R 4.3, `%*%` do not dispatch there: rkeops
#' has generics of them, which do with anything else what the originals do.
#'
#' @return As the tables say: a LazyTensor, R numbers, or an error of class `rkeops_error`.
#' @section Lazily:
#' These give a LazyTensor; it has the dimension D that the right column says.
#'
#' | calls | value |
#' |---|---|
#' | `K + 1`, `2 - K`, `K * u`, `u / K`, `K^2`, `K %% 2`, `K %/% 2`, `-K`, `+K` | component by component, see [LazyTensor-operators] |
#' | `K == 1`, `K != 1`, `K < 1`, `K <= 1`, `K > 1`, `K >= 1`, `!near`, `near & TRUE` | of logical kind |
#' | `abs(K)`, `sign(K)`, `sqrt(K)`, `floor(K)`, `ceiling(K)`, `trunc(K)`, `round(K, 2)` | same D, see [LazyTensor-math] |
#' | `exp(K)`, `expm1(K)`, `log(K)`, `log(K, 2)`, `log2(K)`, `log10(K)`, `log1p(K)` | same D |
#' | `cos(K)`, `sin(K)`, `tan(K)`, `acos(K)`, `asin(K)`, `atan(K)`, `cosh(K)`, `sinh(K)`, `tanh(K)`, `atan2(K, 2)` | same D |
#' | `lgamma(K)`, `digamma(K)`, `trigamma(K)`, `besselK(K, 2)` | same D, see [special-functions] |
#' | `Re(z)`, `Im(z)`, `Mod(z)`, `Arg(z)`, `Conj(z)`, `abs(z)`, `exp(z)` | same D, see [complex-numbers] |
#' | `ifelse(near, K, 0)`, `step(K)`, `xor(near, near)` | same D, see [generics] |
#' | `sum(u)`, `min(u)`, `max(u)` | over the components: D = 1 |
#' | `t(K)` | i and j exchanged, see [t.LazyTensor] |
#' | `u[1]`, `u[2:3]` | components, see [components] |
#'
#' \tabular{ll}{
#'   \code{near | near} \tab of logical kind \cr
#'   \code{u | u} \tab scalar product, D = 1 \cr
#' }
#'
#' @section Computed:
#' These give R numbers. The reductions of the first rows need memory for their results only.
#'
#' | calls | value |
#' |---|---|
#' | `sum(K, "j")`, `min(K, "j")`, `max(u, "i")`, `any(near, "j")`, `all(near, "i")` | one row for each i (of `"i"`: for each j), D columns, see [reductions] |
#' | `K %*% b`, `a %*% K`, `crossprod(K, a)`, `tcrossprod(K, t(b))` | products, see [matrix-product] |
#' | `as.matrix(K %*% t(K))`, `as.matrix(crossprod(K))`, `as.matrix(tcrossprod(K))` | products of two of them are linear operators, see [add_ridge()] |
#' | `solve(tcrossprod(K) + diag(5), a, tol = 1e-13)` | solutions of linear systems, see [solve.LazyTensor()] |
#' | `rowSums(K)`, `colSums(K)`, `rowMeans(K)`, `colMeans(K)` | a number for each i or j, see [row-sums] |
#' | `norm(K)`, `norm(K, "F")` | a number; type `"2"` by the dense matrix |
#' | `diag(K)` | values at the pairs (i, i), see [values] |
#' | `K[1, ]`, `K[1:2, 3]`, `K[cbind(1, 2)]` | values at rows i and j, see [components] |
#' | `as.matrix(K)`, `as.array(u)`, `as.vector(K)`, `as.numeric(K)`, `as.double(K)`, `as.integer(K)`, `as.logical(near)`, `as.complex(K)`, `as.data.frame(K)`, `data.frame(K)`, `which(near)` | all values, M x N, see [values] |
#' | `svd(K)`, `scale(K)`, `apply(K, 1, sum)`, `max.col(K)`, `kronecker(K, diag(2))`, `matrix(K)`, `dist(K)`, `as.dist(K)`, `prcomp(K)`, `sd(K)` | of the dense matrix |
#' | `dim(K)`, `nrow(K)`, `ncol(K)`, `NROW(K)`, `dimnames(K)`, `summary(K)` | sizes and names; nothing is computed |
#' | `names(K)`, `K$formula`, `K[["dimres"]]`, `format(K)`, `str(K)` | the object; nothing is computed |
#' | `is.matrix(K)`, `is.array(K)`, `is.numeric(K)` | `FALSE` |
#'
#' @section Refused:
#' These stop with an error of class `rkeops_error`, which names what to use, where `x` is the
#' LazyTensor.
#'
#' | calls | instead |
#' |---|---|
#' | `mean(K)` | `rowMeans(x)`, `colMeans(x)`, `mean(rowMeans(x))` |
#' | `weighted.mean(K, b)` | `x %*% w / sum(w)` |
#' | `prod(K)` | `exp(sum(log(x), index))` |
#' | `range(K)` | `min(x, index)`, `max(x, index)` |
#' | `any(near)` | `any(x, "j")`, `any(any(x, "j"))` |
#' | `all(near)` | `all(x, "j")`, `all(all(x, "j"))` |
#' | `sum(K, K)` | `sum(x, index = "j")` |
#' | `median(K)`, `quantile(K)`, `mad(K)` | `Kmin(x, K, index)`, `as.matrix(x)` |
#' | `sort(K)`, `order(K)`, `xtfrm(K)`, `ecdf(K)` | `Kmin(x, K, index)`, `argKmin(x, K, index)` |
#' | `chol(K)`, `qr(K)` | `solve(x, b)`, `as.matrix(x)` |
#' | `cumsum(K)`, `cumprod(K)`, `cummax(K)`, `cummin(K)`, `signif(K)`, `gamma(K)`, `acosh(K)`, `asinh(K)`, `atanh(K)`, `cospi(K)`, `sinpi(K)`, `tanpi(K)` | `as.matrix(x)` |
#' | `det(K)`, `determinant(K)`, `isSymmetric(K)`, `diff(K)`, `rowsum(K, a)`, `unique(K)`, `duplicated(K)`, `anyDuplicated(K)`, `factor(K)`, `cut(K, 2)`, `split(K, a)`, `merge(K, K)`, `subset(K, TRUE)`, `transform(K, a = 1)`, `within(K, a <- 1)`, `by(K, a, sum)`, `aggregate(K, list(a), sum)`, `as.table(K)` | `as.matrix(x)` |
#' | `cor(K)`, `cov(K)`, `cov2cor(K)`, `cov.wt(K)`, `density(K)`, `ts(K)`, `as.ts(K)`, `window(K, 1)`, `lag(K)`, `acf(K)`, `embed(K, 2)`, `outer(K, 1:2)`, `jitter(K)`, `tabulate(K)` | `as.matrix(x)` |
#' | `aperm(K)` | `t(x)`, `aperm(as.array(x), perm)` |
#' | `match(1, K)`, `K %in% 1` | `x == 1`, `any(, index)`, `which()` |
#' | `is.na(K)`, `anyNA(K)`, `is.nan(K)`, `is.finite(K)`, `is.infinite(K)`, `fivenum(K)`, `rank(K)` | `x != x` |
#' | `pmin(K, 1)`, `pmax(1, K)` | `where(x < y, x, y)`, `clamp(x, a, b)` |
#' | `rep(K, 2)`, `ifelse(TRUE, K, 0)` | `where()` |
#' | `rev(K)`, `head(K)`, `tail(K)`, `seq(K)` | `x[k]`, `x[i, j]` |
#' | `c(K, K)`, `cbind(K, 1)`, `rbind(K, 1)` | `concat()` |
#' | `as.list(K)`, `lapply(K, sum)`, `sapply(K, sum)`, `vapply(K, sum, 1)`, `Reduce("+", K)`, `Filter(is.null, K)`, `stack(K)` | `list(x)`, `apply()`, `as.matrix(x)` |
#' | `unlist(K)` | `as.vector(x)` |
#' | `plot(K)`, `image(K)`, `contour(K)`, `persp(K)`, `lines(K)`, `points(K)`, `barplot(K)`, `hist(K)`, `boxplot(K)` | `image(as.matrix(x))` |
#' | `K[1] <- 1`, `K[["kind"]] <- 1`, `K$kind <- 1`, `names(K) <- "a"`, `dim(K) <- 35`, `dimnames(K) <- NULL`, `rownames(K) <- 1:5`, `length(K) <- 1`, `levels(K) <- "a"`, `is.na(K) <- 1` | `where()`, `concat()` |
#' | `K + diag(5)`, `K * matrix(1, 5, 7)` | `Vi()`, `Vj()` |
#'
#' \tabular{ll}{
#'   \code{z | z} \tab \code{sum(x * Conj(y))} \cr
#' }
#'
#' @section Not asked:
#' Where base R asks no method it stops with an error of its own, or sees the list that a LazyTensor
#' is: `length(K)` is a number of parts, `is.list(K)` is `TRUE`.
#'
#' | calls | instead |
#' |---|---|
#' | `if (K > 0.5) 1`, `near && TRUE`, `stopifnot(near)` | `where()`, `all()` |
#' | `min(1, K)`, `sum(1:3, K)` | the LazyTensor first, with an index |
#' | `which.min(K)`, `which.max(K)` | `argmin()`, `argmax()` |
#' | `var(K)`, `fft(K)`, `table(K)`, `lowess(K)`, `lm(a ~ K)`, `1:K`, `seq_len(K)` | `as.matrix()` |
#' | `round(1.5, K)`, `log(2, base = K)` | plain numbers as second argument |
#'
#' @seealso [LazyTensor-operators], [LazyTensor-math], [reductions], [complex-numbers] for the
#' rules.
#' @examples
#' x <- matrix(sin(1:15), 5)
#' y <- matrix(cos(1:21), 7)
#' K <- exp(-sqdist(Vi(x), Vj(y)))
#' u <- Vi(x) - Vj(y)
#' near <- K > 0.5
#' z <- exp1j(u)
#' a <- 1:5
#' b <- 1:7
#' K^2                                            # a formula
#' K %*% b                                        # numbers
#' tryCatch(median(K), rkeops_error = conditionMessage) # refused
#' identical(rkeops::sum, base::sum)
#' @name base-functions
#' @aliases + - * / ^ | abs acos asin atan cos exp log round sign sin sqrt max min sum
#' @rawNamespace export("+", "-", "*", "/", "^", "|", abs, acos, asin, atan, cos, exp, log, round)
#' @rawNamespace export(sign, sin, sqrt, max, min, sum, Arg, Conj, Im, Mod, Re)
NULL

#' Names of RKeOps that have others now
#'
#' Scripts for RKeOps 1.x and 2.x run with these. New ones need none of them: the table has the name
#' that is preferred.
#'
#' | old name | now |
#' |---|---|
#' | `sum_reduction(x, index)` | [sum(x, index)][reductions] |
#' | `min_reduction(x, index)`, `max_reduction(x, index)` | [min(x, index, na.rm = TRUE)][reductions], [max(x, index, na.rm = TRUE)][reductions] |
#' | `argmin_reduction()`, `argmax_reduction()` | [argmin()], [argmax()] |
#' | `min_argmin_reduction()`, `max_argmax_reduction()` | [min_argmin()], [max_argmax()] |
#' | `Kmin_reduction()`, `argKmin_reduction()`, `Kmin_argKmin_reduction()` | [Kmin()], [argKmin()], [Kmin_argKmin()] |
#' | `logsumexp_reduction()`, `sumsoftmaxweight_reduction()` | [logsumexp()], [sumsoftmaxweight()] |
#' | `grad(f, gradin, "Sum", var, index)`, see [grad()] | [gradient()] |
#' | `get_rkeops_option(option)`, `set_rkeops_option(option, value)` | [get_rkeops_options()], [set_rkeops_options()] |
#' | `rkeops_option_names()` | `names(get_rkeops_options())` |
#' | `use_cpu(ncore)` | [rkeops_use_cpu()] |
#' | `use_gpu(device)` | [rkeops_use_gpu()] |
#' | `compile4float32()`, `compile4float64()` | [rkeops_use_float32()], [rkeops_use_float64()] |
#' | `compile4cpu()`, `compile4gpu()` | nothing: a formula is compiled for where it is computed |
#' | `rkeops_enable_verbosity()`, `rkeops_disable_verbosity()` | `set_rkeops_options(verbosity = 1)`, `set_rkeops_options(verbosity = 0)` |
#' | `get_build_dir()` | [get_rkeops_cache_dir()] |
#' | `install_rkeops()` | nothing: [check_rkeops()] tells whether formulas can be computed |
#' | `helloWorld()` | nothing: it prints a greeting |
#'
#' `get_rkeops_option()` and `set_rkeops_option()` know the options of RKeOps 1.x, too: `precision`
#' may be set to `"float"` or `"double"`, `tagCpuGpu` is the backend (0: CPU), `build_dir` the
#' folder of compiled kernels. What was only about compiling (`use_cuda_if_possible`, `tag1D2D`,
#' `tagHostDevice`, `col_major`, `rkeops_dir`, `src_dir`) has no effect. `install_rkeops()` says
#' that nothing is to be installed, whatever its arguments.
#'
#' @param x,K,index,weight,... as in [reductions]. Of `install_rkeops()`, `...` is without effect.
#' @param option name of an option.
#' @param value its new value.
#' @param ncore number of threads, 0 for all, see [rkeops_use_cpu()].
#' @param device number of a GPU, see [rkeops_use_gpu()].
#' @param envname,method,conda,python_version,pip,pip_ignore_installed,ignore_installed without
#'   effect.
#' @return What the function of the right column gives. `rkeops_option_names()`: a character vector.
#'   `install_rkeops()` and `helloWorld()`: nothing.
#' @section Errors:
#' Those of the function of the right column, such as `rkeops_error_argument`.
#' @seealso `vignette("migration", "rkeops")`
#' @examples
#' x <- Vi(1:3)
#' y <- Vj(c(1.2, 2.9))
#' Kmin_reduction((x - y)^2, 1, "j")
#' identical(Kmin_reduction((x - y)^2, 1, "j"), Kmin((x - y)^2, 1, "j"))
#' get_rkeops_option("tagCpuGpu")
#' helloWorld()
#' @name rkeops-legacy
NULL

#' @rdname rkeops-legacy
#' @export
install_rkeops <- function(envname = NULL, method = c("auto", "virtualenv", "conda"),
                           conda = "auto", python_version = NULL, pip = FALSE, ...,
                           pip_ignore_installed = ignore_installed, ignore_installed = FALSE) {
  inform("Nothing is to be installed: rkeops needs neither Python nor other packages, only a C ",
         "compiler. check_rkeops() tells whether it works.")
  invisible()
}

#' @rdname rkeops-legacy
#' @export
helloWorld <- function() {
  cat("Hello! ?rkeops tells where to start.\n")
  invisible()
}
