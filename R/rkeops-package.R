#' rkeops: reductions of formulas over pairs of rows, without storing the pairs
#'
#' Computes kernel products, nearest neighbours, log-sum-exps and other reductions of a formula
#' F(x_i, y_j) over all pairs of rows of R matrices. The formula is made by computing with
#' LazyTensors ([Vi()], [Vj()]) or written as a text ([keops_kernel()]); small calls run
#' in loops of the package; for large ones the formula is compiled for the processor once and kept in a
#' cache. Nothing of the size of all pairs is ever stored.
#'
#' @details
#' The first of the examples below computes \eqn{\sum_j \exp(-|x_i - y_j|^2) b_j}{sum_j
#' exp(-|x_i - y_j|^2) b_j} for all i. `Vi()` and `Vj()` say which index the rows of a matrix
#' belong to; what is computed with them is a formula until it is reduced over an index.
#' `vignette("introduction", "rkeops")` goes through such an example step by step.
#'
#' @section LazyTensors:
#' \describe{
#'   \item{variables}{[Vi()], [Vj()], [Pm()] and [LazyTensor()] make them of matrices, vectors and
#'     numbers; [to_gpu()] keeps a matrix on a GPU. [is.LazyTensor()] and others tell kinds apart.}
#'   \item{formulas}{[operators][LazyTensor-operators] and [mathematical functions][LazyTensor-math]
#'     of R, [ifelse(), where(), atan2() and step()][generics], [more functions of
#'     components][elementwise], [Bessel functions and Matern
#'     covariances][special-functions], [norms and distances][norms], [choice of components][components],
#'     [products of small matrices][matrices], [complex numbers][complex-numbers].}
#'   \item{reductions}{[sum(), min(), argmin(), Kmin(), logsumexp() and others][reductions];
#'     [products with matrices][matrix-product]; [sums and means of rows and columns][row-sums].}
#'   \item{as matrices}{[dense values][values], [t()][t.LazyTensor],
#'     [summary()][summary.LazyTensor].}
#' }
#'
#' @section Parts of all pairs:
#' [Blocks][rkeops_blocks] say which pairs are computed: those of [some labels or groups][keep_labels()],
#' of [points that are near each other][keep_near()] or [positions][keep_band()]. They print, draw and
#' combine by `&`, `|` and `!`; [clusters][cluster_grid()] give labels to points. [restrict_pairs()] of
#' a LazyTensor stands for these pairs only, in all that computes with it. [list_pairs()] names pairs one by
#' one: edges, faces, neighbours. [Batches][batches] are many small problems, computed at once.
#'
#' @section Points:
#' [nearest()] finds the nearest neighbours of points, [find_within()] all pairs within a radius.
#'
#' @section Linear algebra:
#' [solve()][solve.LazyTensor] of a kernel matrix, [ridges, sums and products of matrices][add_ridge()]
#' that are never stored; [find_eigen()], their largest and smallest eigenvalues;
#' [estimates of log determinants and traces][estimate_logdet()].
#'
#' @section Models:
#' [gp()] fits Gaussian processes, with [predict()][predict.gp], [simulate()][simulate.gp] and
#' [methods of models][gp-methods]; [kernel_ridge()] predicts and classifies with many rows, by
#' [its methods][kernel_ridge-methods], [knn_regression()] and [knn_classify()] by the nearest neighbours,
#' with [theirs][knn-methods]. [Kernels][kernels] are small objects
#' that models take; [evaluate_kernel()] makes the LazyTensor of one. See `vignette("models", "rkeops")`.
#'
#' @section Derivatives:
#' [gradient()], [value_and_gradient()] and [jvp()] of reductions of LazyTensors and of
#' [functions of R][stop_gradient()], [keops_grad()] and others of operators from formulas, [grad()] of
#' RKeOps. [make_objective()] is for optimisers, [run_steps()] for long loops.
#'
#' @section Formulas as texts:
#' [keops_kernel()] makes a function of a formula, [rkeops_formulas] lists all operations and
#' reductions, [unaryop.LazyTensor()] and others apply any of them to LazyTensors, [rkeops_explain()]
#' shows how an operator is computed, [keops_source()] what is compiled.
#'
#' @section Settings:
#' \describe{
#'   \item{where and how}{[rkeops_use_gpu()], [rkeops_use_cpu()]; [rkeops_use_float32()] and other
#'     precisions (unless one is chosen: float64 on a CPU, as R itself, and float32 on a GPU); every
#'     reduction takes `precision`, `backend`, ... for one call.}
#'   \item{options}{[get_rkeops_options()] has all of them: precision, threads, messages, progress.}
#'   \item{compiled kernels}{[get_rkeops_cache_dir()], [clean_rkeops()].}
#'   \item{when something is wrong}{[check_rkeops()], [rkeops_sitrep()].}
#' }
#'
#' @section Users of RKeOps:
#' Scripts run as they are, with few exceptions: `vignette("migration", "rkeops")` has them.
#' On a CPU the precision is float64 where nothing is said, not float32. Positions in results count
#' from 1. [Base functions][base-functions] that dispatch stay as they are, those that do not are
#' [made generic][generics]. [rkeops-legacy] has the old names, with those that are preferred now.
#'
#' @section Credit:
#' The formula language, LazyTensors and the names of functions are those of KeOps
#' (<https://www.kernel-operations.io/>) and RKeOps, by B. Charlier, J. Feydy, J. Glaunes, G. Durif,
#' F.-D. Collin, C. Serre-Combe and A. Vernay. The engine is written anew. `citation("rkeops")` names
#' the papers to cite.
#'
#' @section Articles:
#' `vignette(package = "rkeops")` lists them: "introduction", "lazytensors", "formulas",
#' "gradients", "interpolation", "models", "neighbours", "blocks", "gpu", "migration" and
#' "package-authors". Those on methods of research ("transport", "registration", "mixtures", "maps",
#' "hyperbolic", "stein") are in the repository, where `make articles` builds them; the programs they begin
#' with are in
#' `system.file("examples", package = "rkeops")`.
#'
#' @examples
#' x <- matrix(sin(1:300), ncol = 3)
#' y <- matrix(cos(1:600), ncol = 3)
#' b <- 1:200 / 200
#'
#' # a kernel product, with LazyTensors and as a formula
#' K_ij <- exp(-sqdist(Vi(x), Vj(y)))
#' a <- K_ij %*% b
#' op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)) * b, j)",
#'                    c("x = Vi(3)", "y = Vj(3)", "b = Vj(1)"))
#' head(a)
#' all.equal(a, op(list(x, y, b)))
#'
#' # positions of the 5 nearest neighbours
#' head(argKmin(sqdist(Vi(x), Vj(y)), 5, "j"))
#' @useDynLib rkeops, .registration = TRUE
"_PACKAGE"
