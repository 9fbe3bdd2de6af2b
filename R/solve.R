# Linear systems of kernel matrices.

#' Solve a linear system of a kernel matrix
#'
#' `solve(a, b)` solves a x = b, where `a` is a LazyTensor of dimension 1 or a linear operator such as
#' `add_ridge(K, alpha)`, without storing its matrix: by conjugate gradients with a preconditioner, or,
#' where it is small, by Cholesky's method. The result is right to a relative residual of `tol`, which is
#' computed anew in double precision at the end, or there is an error.
#'
#' The matrix has to be symmetric and positive definite, as that of a covariance or a positive definite
#' kernel with a ridge is. `definite = FALSE` is for symmetric matrices of both signs (MINRES), and a
#' matrix with more or fewer rows than columns is solved in the sense of least squares (LSQR).
#'
#' All columns of `b` are solved together, at little more than the cost of one. The preconditioner is a
#' partial Cholesky factorisation with as many columns as pay, by what operations cost: it makes the
#' number of steps nearly independent of the ridge. Neither a clock nor a random number decides
#' anything: the same system has the same solution. Products in single precision are used for
#' corrections of a solution whose residual is then computed in double precision, where they are precise
#' enough for the ridge; the option `precision` has no influence.
#'
#' @param a a LazyTensor of dimension 1 or a linear operator, see [add_ridge()]. It may be restricted,
#'   see [restrict_pairs()].
#' @param b a vector or matrix with as many rows as `a`.
#' @param tol the norm of b - a x over that of b which is asked for, in each column.
#' @param limit the most steps.
#' @param method `"dense"` makes the matrix and factors it, `"iterative"` does not, `"auto"` takes what
#'   is expected to be faster.
#' @param preconditioner `"auto"`, `"none"`, or the number of columns of the partial factorisation; or
#'   the rows of `a`, two or more, that it takes for them.
#' @param details `TRUE` for a list that tells how it went.
#' @param definite whether `a` is expected to be positive definite.
#' @param call `FALSE` for an operator, a function without arguments that solves the system when it is called
#'   and that [gradient()], [jvp()] and [value_and_gradient()] differentiate: by the variables that `a` is
#'   made of (`wrt = x` for a matrix `x` in all its places), by a ridge `Pm(alpha)` or `Vi(alpha)`, and by
#'   `b`. A derivative takes one more system with the same preconditioner.
#' @param ... not used: an argument of another name is an error.
#' @return A matrix with a column for each of `b`. With `details`: a list of `value`, that matrix;
#'   `residual`, the relative residual of each column; `iterations`, for each column; `seconds`;
#'   `preconditioner`, the number of its columns; `method`, `"dense"` or `"iterative"`. Of least squares,
#'   `residual` is that of the normal equations, the norm of t(a) (b - a x) over that of t(a) b.
#' @section Errors:
#' `rkeops_error_convergence` where the residual is not reached; the condition has what there is as
#' `value`, with `residual` and `iterations`. `rkeops_error_argument` where `a` is not symmetric, or not
#' positive definite: then the condition has a `vector` v for which the product v' a v is not above 0;
#' also for NaN and unknown arguments. `rkeops_error_shape` where sizes do not fit.
#' @family linear operators
#' @examples
#' x <- matrix(sin(1:200), ncol = 2)
#' b <- cos(1:100)
#' K <- exp(-sqdist(Vi(x), Vj(x)))
#' w <- solve(add_ridge(K, 0.1), b)
#' max(abs(add_ridge(K, 0.1) %*% w - b))
#' solve(add_ridge(K, 0.1), b, method = "iterative", details = TRUE)$iterations
#' @export
solve.LazyTensor <- function(a, b, tol = 1e-6, limit = 1000L, method = c("auto", "dense", "iterative"),
                             preconditioner = "auto", details = FALSE, definite = TRUE, call = TRUE,
                             ...) {
  started <- proc.time()[["elapsed"]]
  check_no_more(..., of = "solve", known = names(formals(solve.LazyTensor)))
  a <- as_linear(a, "a")
  variable <- right_hand_variable(a, if (missing(b)) NULL else b)
  b <- right_hand_side(a, variable$data)
  given <- list(tol = check_tolerance(tol), limit = check_count(limit, "limit"),
                method = if (missing(method)) "auto" else
                  check_choice(method, "method", c("auto", "dense", "iterative")),
                preconditioner = check_preconditioner(preconditioner, a),
                definite = check_flag(definite, "definite"))
  check_flag(details, "details")
  if (!check_flag(call, "call")) return(solution_operator(a, b, variable, given))
  out <- solve_recorded(a, b, given)
  names <- solution_names(a, b)
  if (!is.null(names)) dimnames(out$value) <- names
  reached <- is_reached(out, given$tol)
  if (!details && reached) return(out$value)
  out$seconds <- proc.time()[["elapsed"]] - started
  if (!reached) refuse_unconverged(out, given)
  out[c("value", "residual", "iterations", "seconds", "preconditioner", "method")]
}

#' @rdname solve.LazyTensor
#' @export
solve.LinearOperator <- solve.LazyTensor

# `known`: names of the arguments of function `of`.
check_no_more <- function(..., of, known) {
  if (!...length()) return(invisible())
  names <- ...names()
  name <- if (length(names) && nzchar(names[1L])) names[1L] else ""
  known <- paste0("`", setdiff(known, "..."), "`")
  last <- length(known)
  throw("argument", if (nzchar(name)) paste0("`", name, "` is no argument of ", of, "()",
                                           suggestion(name, gsub("`", "", known, fixed = TRUE)))
        else "an argument without a name is left", ": expected ",
        paste(known[-last], collapse = ", "), " or ", known[last])
}

check_tolerance <- function(tol) {
  if (!is_number(tol) || !is.finite(tol) || tol <= 0 || tol >= 1)
    unexpected(tol, "tol", "a number between 0 and 1")
  max(tol, 1e-14)
}

check_preconditioner <- function(x, a) {
  if (is_string(x)) return(check_choice(x, "preconditioner", c("auto", "none")))
  if (is_rows(x)) return(check_pivots(x, a$size[1L]))
  if (!is_number(x)) unexpected(x, "preconditioner", "\"auto\", \"none\", a number of columns, or rows")
  min(check_count(x, "preconditioner", from = 0L), a$size[1L])
}

check_pivots <- function(x, n) {
  if (!is.numeric(x) || is.object(x) || anyNA(match(x, seq_len(n))) || anyDuplicated(x))
    unexpected(x, "preconditioner", "different rows of `a`, from 1 to ", n)
  as.integer(x)
}

# `b` as list(data, kind, id): of a LazyTensor its variable.
right_hand_variable <- function(a, b) {
  if (is.null(b))
    throw("argument", "`b` is missing, and the inverse is a dense ", times(rev(a$size)), " matrix: ",
          "expected a right-hand side; solve(a, diag(n)) has the inverse of a small one")
  if (!is.LazyTensor(b)) return(list(data = b, kind = "", id = character()))
  if (length(part(b, "table")) || part(b, "kind") == "Pm" || part(b, "complex") || is_spread(b))
    unexpected(b, "b", "a plain vector or matrix, or Vi() of one")
  entries_of_lazy(b)[[1L]]
}

right_hand_side <- function(a, b) {
  names <- if (length(dim(b)) == 2L) names_of(b) else list(names(b), NULL)
  if (is_linear(b)) unexpected(b, "b", "a plain vector or matrix")
  if (is_gpu(b)) b <- gpu_values(b)
  b <- as_factor(b, "b", FALSE)
  if (is.complex(b)) throw("argument", "`b` is complex: expected real numbers")
  if (nrow(b) != a$size[1L])
    throw("shape", "`b` has ", nrow(b), " rows: expected ", a$size[1L])
  if (!all(is.finite(b)))
    throw("argument", "`b` has NaN or infinite values: expected finite ones")
  if (is_recorded(b)) return(b)
  storage.mode(b) <- "double"
  dimnames(b) <- if (length(unlist(names))) names
  b
}

# As solve() of matrices: rows are columns of a.
solution_names <- function(a, b) {
  rows <- if (!is_recorded(b)) names_along(a, 2L)
  if (length(rows) || length(colnames(b))) list(rows, colnames(b))
}

# ---- the choice ----------------------------------------------------------------------------------

# Up to so many rows a factorisation takes less than the steps of an iteration.
dense_rows <- 1000L

solve_system <- function(a, b, given) {
  if (!ncol(b) || !all(a$size))
    return(list(value = matrix(0, a$size[2L], ncol(b)), residual = numeric(ncol(b)),
                iterations = integer(ncol(b)), preconditioner = 0L, method = "dense"))
  if (is_square(a)) check_symmetric(a)
  switch(solver_of(a, given), LSQR = solve_least_squares(a, b, given), Cholesky = , LU = solve_dense(a, b, given),
         MINRES = solve_indefinite(a, b, given), solve_iterative(a, b, given))
}

solver_of <- function(a, given) {
  is_dense <- given$method == "dense" || given$method == "auto" && a$size[1L] <= dense_rows
  if (!is_square(a)) "LSQR"
  else if (is_dense) if (given$definite) "Cholesky" else "LU"
  else if (!given$definite) "MINRES"
  else "conjugate gradients"
}

is_reached <- function(out, tol) all(is.finite(out$residual)) && all(out$residual <= tol)

refuse_unconverged <- function(out, given) {
  worst <- max(out$residual)
  throw_with("convergence", out[c("value", "residual", "iterations")],
             "the residual is ", short_number(worst), " after ", counted(max(out$iterations), "step"),
             ": expected at most ", short_number(given$tol), "; ",
             if (max(out$iterations) >= given$limit) "a larger `limit`, "
             else "the matrix is nearly singular for double precision: ",
             "a larger ridge or `tol` would help. The condition has what there is as `value`")
}

refuse_indefinite <- function(vector, curvature) {
  throw_with("argument", list(vector = vector),
             "`a` is not positive definite: the condition has a `vector` v for which v' a v is ",
             short_number(curvature), ": expected a larger ridge, or definite = FALSE for a ",
             "symmetric matrix of both signs")
}

# By entries of a block of at most 24 rows and columns, from all over the matrix.
check_symmetric <- function(a, name = "a") {
  n <- a$size[1L]
  at <- unique(round(seq(1, n, length.out = min(n, 24L))))
  block <- columns_of(a, at, at)
  if (anyNA(block))
    throw("argument", "`", name, "` has NaN: expected finite values; rows with NaN in their data have to ",
          "be left out")
  off <- abs(block - t(block))
  if (max(off) <= 1e-8 * max(abs(block))) return(invisible())
  worst <- at[which(off == max(off), arr.ind = TRUE)[1L, ]]
  different <- !all(vapply(kernels_of(a), has_equal_rows, NA))
  throw("argument", "`", name, "` is not symmetric: ", name, "[", worst[1L], ", ", worst[2L], "] and ",
        name, "[", worst[2L], ", ", worst[1L], "] differ by ", short_number(max(off)),
        if (different) "; rows i and columns j are made of different data",
        ": expected a symmetric matrix")
}

has_equal_rows <- function(K) {
  of <- function(kind) part(K, "data")[part(K, "kind") == kind]
  all(vapply(of("Vi"), function(x) any(vapply(of("Vj"), identical, NA, x)), NA))
}

# ---- derivatives ---------------------------------------------------------------------------------

# solve_system() of numbers that may be recorded. The solution x is where the residual b - a x is 0, or, of
# least squares, a' (b - a x): with the solution y of the adjoint system for the cotangent of x, cotangents
# are those of the residual at this x, for the cotangent y of it.
solve_recorded <- function(a, b, given) {
  entries <- lapply(entries_of(a), `[[`, "data")
  at <- which(vapply(entries, is_recorded, NA))
  if (!length(at) && !is_recorded(b)) return(solve_system(a, b, given))
  if (is.null(given$kept)) given$kept <- new.env() # what is made of `a` alone serves the adjoint too
  out <- solve_system(plain_linear(a), value_of(b), given)
  args <- c(entries[at], list(b))
  with_args <- function(args) list(a = with_entries(a, replace(entries, at, args[-length(args)])),
                                   b = args[[length(args)]])
  out$value <- record(out$value, args, function(e, args, value, wanted) {
    now <- with_args(args)
    cotangent <- solve_adjoint(now$a, e, given)
    parts <- vector("list", length(args))
    parts[wanted] <- pull_back(function(inputs) {
      now <- with_args(replace(args, which(wanted), inputs))
      residual <- now$b - multiplier(now$a, ncol(now$b), "float64")(value)
      if (is_square(now$a)) residual else multiplier(t(now$a), ncol(now$b), "float64")(residual)
    }, args[wanted], cotangent)$cotangents
    parts
  })
  out
}

solve_adjoint <- function(a, e, given) {
  if (!is_square(a)) {
    if (a$size[1L] < a$size[2L])
      throw("argument", "`a` has ", size_of_linear(a), ": expected at least as many rows as columns for ",
            "derivatives of least squares")
    a <- product_of_linear(t(a), a)
    given$kept <- NULL
  }
  out <- solve_recorded(a, e, given)
  if (!is_reached(out, given$tol)) refuse_unconverged(out, given)
  out$value
}

# solve() with call = FALSE. `variable`: what the user gave as b.
solution_operator <- function(a, b, variable, given) {
  entries <- entries_of(a)
  count <- length(entries)
  if (!is_recorded(variable$data)) variable <- list(data = b, kind = variable$kind, id = variable$id,
                                                    given = variable$data)
  new_composed(c(entries, list(variable)), function(values) {
    b <- right_hand_side(a, values[[count + 1L]])
    out <- solve_recorded(with_entries(a, values[seq_len(count)]), b, given)
    if (!is_reached(out, given$tol)) refuse_unconverged(out, given)
    out$value
  }, paste0("solution of ", format(a)[1L]), function() explained_solution(plain_linear(a), given))
}

# See rkeops_explain().
explained_solution <- function(a, given) {
  solver <- solver_of(a, given)
  out <- explained_linear(a, "float64")
  columns <- if (solver == "conjugate gradients") columns_of_preconditioner(a, given$preconditioner) else 0L
  told <- list(solver = solver, method = if (solver %in% c("Cholesky", "LU")) "dense" else "iterative",
               preconditioner = columns, tol = given$tol, limit = given$limit)
  structure(c(out["operator"], told, out["products"]), class = class(out))
}

# What `make` makes of the matrix alone, kept for further systems with it.
kept_of <- function(given, name, make) {
  if (is.null(given$kept)) return(make)
  if (is.null(given$kept[[name]])) given$kept[[name]] <- make
  given$kept[[name]]
}

# ---- methods -------------------------------------------------------------------------------------

relative_residual <- function(multiply, x, b) {
  size <- column_norms(b)
  size[size == 0] <- 1
  residual <- b - multiply(x)
  list(residual = residual, size = column_norms(residual) / size)
}

solve_dense <- function(a, b, given) {
  A <- kept_of(given, "dense", dense_linear(a))
  solver <- kept_of(given, "solver", if (given$definite) {
    R <- cholesky_or_refuse(A)
    function(r) dense_solve_triangular(R, dense_solve_triangular(R, r, transpose = TRUE))
  } else {
    function(r) base::solve(A, r)
  })
  x <- 0 * b
  multiply <- function(v) dense_product(A, v)
  residual <- b
  best <- Inf
  for (round in 1:4) { # refined while that helps
    new <- x + solver(residual)
    now <- relative_residual(multiply, new, b)
    if (!all(is.finite(now$size)) || max(now$size) >= best) break
    x <- new
    best <- max(now$size)
    size <- now$size
    residual <- now$residual
    if (best <= given$tol) break
  }
  list(value = x, residual = if (is.finite(best)) size else rep(NaN, ncol(b)),
       iterations = rep(0L, ncol(b)), preconditioner = 0L, method = "dense")
}

# The Cholesky factor; else the vector that shows that there is none.
cholesky_or_refuse <- function(A) {
  if (!all(is.finite(A))) throw("argument", "`a` has NaN or infinite values: expected finite ones")
  R <- tryCatch(dense_cholesky(A), rkeops_error_argument = identity)
  if (!inherits(R, "condition")) return(R)
  A <- value_of(A)
  k <- R$pivot
  before <- seq_len(k - 1L)
  v <- numeric(nrow(A))
  v[k] <- 1
  if (k > 1L) {
    leading <- dense_cholesky(A[before, before, drop = FALSE])
    v[before] <- -dense_solve_triangular(leading, dense_solve_triangular(
      leading, A[before, k, drop = FALSE], transpose = TRUE))
  }
  v <- v / sqrt(sum(v^2))
  refuse_indefinite(v, sum(v * (A %*% v)))
}

solve_iterative <- function(a, b, given) {
  p <- ncol(b)
  preconditioner <- kept_of(given, "preconditioner", preconditioner_of(a, given$preconditioner, given$tol, p))
  precise <- multiplier_of_columns(a, "float64")
  multiply <- precise(p)
  step_with <- function(product) function(residual, target, limit) {
    out <- conjugate_gradients(product, preconditioner$apply, residual, target, limit)
    if (!is.null(out$negative)) check_curvature(out, multiply, p)
    out
  }
  out <- refined(0 * b, b, function(x) b - multiply(x), given, step_with(precise),
                 if (is_single_enough(a, preconditioner)) step_with(multiplier_of_columns(a, "float32")))
  out$preconditioner <- preconditioner$rank
  out
}

multiplier_of_columns <- function(a, precision) {
  known <- list()
  function(p) {
    key <- as.character(p)
    if (is.null(known[[key]])) known[[key]] <<- multiplier(a, p, precision)
    known[[key]]
  }
}

# Products in float32 are right to about 1e-7 of the norm of the matrix, which has to be small beside
# the smallest eigenvalue.
is_single_enough <- function(a, preconditioner) {
  if (!preconditioner$rank) return(FALSE)
  norm <- max(rowSums(abs(dense_crossprod(preconditioner$L))))
  norm * 1e-7 < 0.02 * min(preconditioner$ridge)
}

# A direction of negative curvature, by a product in double precision.
check_curvature <- function(out, multiply, p) {
  v <- out$negative
  if (anyNA(v) || is.na(out$curvature))
    throw("argument", "products with `a` are NaN: expected finite values")
  curvature <- sum(v * multiply(matrix(v, length(v), p))[, 1L])
  if (curvature <= 0) refuse_indefinite(v / sqrt(sum(v^2)), curvature / sum(v^2))
}

solve_indefinite <- function(a, b, given) {
  precise <- multiplier_of_columns(a, "float64")
  multiply <- precise(ncol(b))
  refined(0 * b, b, function(x) b - multiply(x), given, function(residual, target, limit)
    minimal_residuals(precise, residual, target, limit))
}

# Corrections by a solver of x, whose residual is given, until residuals are small enough or fall no more.
# `fast`: NULL, or one in single precision that comes first: as far as that may go, as a step there takes less
# than to look at what is left. Sizes are relative to `whole`; a solver is asked for `share` of what is
# allowed, as sizes that it goes by are not exact; `trusts`: they are taken as they are at the end.
refined <- function(x, residual, residual_at, given, solver, fast = NULL, size_of = column_norms,
                    whole = size_of(residual), share = 0.5, trusts = FALSE) {
  whole <- base::ifelse(whole > 0, whole, 1)
  size <- size_of(residual) / whole
  steps <- integer(ncol(x))
  while (any(size > given$tol) && max(steps) < given$limit) {
    target <- pmax(share * given$tol / pmax(size, given$tol), if (is.null(fast)) 0 else 3e-7)
    out <- (if (is.null(fast)) solver else fast)(
      residual, ifelse(size > given$tol, target * size * whole, Inf), given$limit - max(steps))
    steps <- steps + out$steps
    if (trusts) {
      x <- x + out$x
      size <- out$sizes / whole
      break
    }
    left <- residual_at(x + out$x)
    now <- size_of(left) / whole
    is_slow <- !isTRUE(max(now) < max(size) / 2)
    if (isTRUE(max(now) < max(size))) {
      x <- x + out$x
      size <- now
      residual <- left
    }
    if (is_slow && is.null(fast)) break
    if (is_slow) fast <- NULL
  }
  list(value = x, residual = size, iterations = steps, preconditioner = 0L, method = "iterative")
}

solve_least_squares <- function(a, b, given) {
  if (given$method == "dense")
    throw("argument", "`a` has ", size_of_linear(a), ": expected a square one for method = \"dense\"")
  direct <- multiplier_of_columns(a, "float64")
  transposed <- multiplier_of_columns(t(a), "float64")
  out <- least_squares(direct, transposed, b, given$tol * column_norms(b), given$tol / 10, given$limit)
  p <- ncol(b)
  residual <- b - direct(p)(out$x)
  size <- column_norms(b)
  normal <- column_norms(transposed(p)(residual)) / pmax(column_norms(transposed(p)(b)), .Machine$double.xmin)
  # of a system that has a solution, its own residual
  list(value = out$x, residual = pmin(normal, column_norms(residual) / ifelse(size > 0, size, 1)),
       iterations = out$steps, preconditioner = 0L, method = "iterative")
}
