# What stands on derivatives of functions: objectives for optimisers, and long loops.

#' A function and its derivatives for optimisers
#'
#' Optimisers of R take a function of one vector, its gradient and its Hessian as functions of their own:
#' `optim()`, `nlminb()`, `optimHess()` and others. This makes them of a function of vectors and matrices that
#' [gradient()] differentiates. Value and gradient are computed together, once for each point.
#'
#' @param f a function that gives a number.
#' @param start numbers, or a list of them, the arguments of `f` in their order or by name: where an
#'   optimiser begins, and the shapes.
#' @return A list of `par`, all numbers of `start` as one vector; `fn`, `gr` and `he`, functions of such a
#'   vector: the value, the gradient as a vector and the Hessian as a matrix (a product with it for each
#'   column); `restore`, the function that gives a vector the shapes of `start`.
#' @section Errors:
#' `rkeops_error_argument` where `f` is no function or `start` has no numbers; of the functions what
#' [gradient()] raises.
#' @family derivatives
#' @examples
#' sample <- cbind(cos(1:50), sin(2 * (1:50)))
#' f <- function(x) sum(norm2(Vi(x) - Vj(sample)), "j") |> mean()
#' objective <- make_objective(f, matrix(c(0.5, 1, 0, 0.2), 2))
#' fit <- optim(objective$par, objective$fn, objective$gr, method = "L-BFGS-B")
#' objective$restore(fit$par)
#' @export
make_objective <- function(f, start) {
  if (!is_r_function(f)) unexpected(f, "f", "a function of R that gives a number")
  several <- is.list(start) && !is.object(start)
  parts <- if (several) start else list(start)
  if (!length(parts)) unexpected(start, "start", "numbers, or a list of them")
  for (k in seq_along(parts)) check_argument(parts[[k]], "start")
  ends <- cumsum(lengths(parts))
  restore <- function(par) {
    if (length(par) != ends[length(ends)])
      throw("shape", "`par` has ", length(par), " numbers: expected ", ends[length(ends)])
    par <- as.vector(par)
    out <- Map(function(x, end) {
      x[] <- par[end - rev(seq_along(x)) + 1L]
      x
    }, parts, ends)
    if (several) out else out[[1L]]
  }
  last <- NULL
  at <- function(par) {
    if (!identical(last$par, par))
      last <<- c(list(par = par), value_and_gradient(f, restore(par)))
    last
  }
  flat <- function(x) unlist(x, use.names = FALSE)
  slope <- function(point) join(lapply(as_parts(gradient(f, point)), reshape, NULL))
  as_parts <- function(x) if (several) x else list(x)
  list(par = flat(parts), fn = function(par) as.vector(at(par)$value), gr = function(par) flat(at(par)$gradient),
       he = function(par) hessian_of(function(inputs) slope(if (several) inputs else inputs[[1L]]),
                                     as_parts(restore(par)), function(par) as_parts(restore(par))),
       restore = restore)
}

# A column for each number of the point: the derivative of the gradient along it.
hessian_of <- function(slope, point, restore) {
  n <- length(unlist(point))
  columns <- vapply(seq_len(n), function(k) push_along(slope, point, restore(replace(numeric(n), k, 1))),
                    numeric(n))
  matrix((columns + t(columns)) / 2, n, n)
}

#' Many steps, differentiated in little memory
#'
#' `run_steps(f, state, n)` is `f(f(...f(state)))`, n times. When [gradient()] goes back through a loop it
#' needs what each step has computed; here it keeps the state at some checkpoints only, and runs the steps
#' between two of them again. Outside of derivatives it is the loop.
#'
#' @param f a function of the state that gives the next one. It may use variables of the function that is
#'   differentiated: gradients go to them too.
#' @param state a vector or matrix, or a list of them: then `f` takes the list and gives a list.
#' @param n the number of steps.
#' @param checkpoints how many states are kept. With the default memory and the steps that are held at once
#'   grow with the root of n; each step is computed twice.
#' @return The last state. Where `f` draws random numbers, steps that run again draw the same ones, and the
#'   generator goes on from where it was.
#' @section Errors:
#' `rkeops_error_argument` for other arguments, and where a step gives no state of the same kind.
#' @family derivatives
#' @examples
#' # a pendulum: where it is after 1000 steps depends on where it began
#' step <- function(s) {
#'   v <- s[2] - 0.01 * sin(s[1])
#'   rbind(s[1] + 0.01 * v, v)
#' }
#' gradient(function(start) run_steps(step, start, 1000)[1], matrix(c(1, 0)))
#' @export
run_steps <- function(f, state, n, checkpoints = ceiling(sqrt(n))) {
  if (!is.function(f)) unexpected(f, "f", "a function of the state")
  check_given(state, "state", "numbers, or a list of them")
  n <- check_count(n, "n", from = 0L)
  checkpoints <- check_count(if (n) checkpoints else 1L, "checkpoints", from = 1L)
  run <- function(state, count) {
    for (k in seq_len(count)) state <- check_state(f(state), state)
    state
  }
  if (!length(tape$open)) return(run(state, n))
  ends <- unique(ceiling(seq(0, n, length.out = min(checkpoints, max(n, 1L)) + 1L)))
  for (count in diff(ends)) state <- run_recorded(run, state, count)
  state
}

check_state <- function(new, old) {
  if (is.list(new) != is.list(old) || length(new) != length(old))
    throw("argument", "a step gave ", describe(value_of(new)), ": expected a state of the same kind")
  new
}

# run(state, count) as one value of the tape, with the recorded values beside the state that it reads.
run_recorded <- function(run, state, count) {
  is_list <- is.list(state)
  parts <- if (is_list) state else list(state)
  of_parts <- function(parts) if (is_list) stats::setNames(parts, names(state)) else parts[[1L]]
  seed <- random_state()
  read <- new.env()
  out <- watched(read, run(of_parts(lapply(parts, value_of)), count))
  out <- if (is.list(out)) lapply(out, value_of) else value_of(out)
  own <- seq_along(parts)
  beside <- mget(ls(read), read)
  pull <- function(e, args, value, wanted) {
    before <- random_state()
    on.exit(set_random_state(before))
    set_random_state(seed)
    level <- next_level()
    inputs <- lapply(args[own], new_input, level)
    adopted <- lapply(beside, adopt, level)
    on.exit(for (x in adopted) abandon(x, level), add = TRUE)
    again <- at_level(level, bundle(run(of_parts(inputs), count)))
    walk_back(again, e, c(inputs, adopted), level)
  }
  node <- record(out, c(parts, unname(beside)), pull)
  if (is_list) of_parts(elements_of(node)) else node
}

random_state <- function() get0(".Random.seed", globalenv(), inherits = FALSE)

set_random_state <- function(x) {
  if (is.null(x)) rm(list = intersect(".Random.seed", ls(globalenv(), all.names = TRUE)), envir = globalenv())
  else assign(".Random.seed", x, globalenv())
}
