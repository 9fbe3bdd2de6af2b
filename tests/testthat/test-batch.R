# Batches: what one call gives, against a call for each batch.
optimising <- set_rkeops_options(quick_options())

B <- c(3L, 2L)
x <- array(uniform(60, 2), c(10, 2, B))
y <- array(uniform(42, 2), c(7, 2, B))
weights <- array(uniform(21, 2), c(7, 2, 3))
widths <- array(c(0.5, 1, 2), c(1, 1, 3))

# The batch at `at` of an array with extents of 1 or none; a parameter as a vector.
batch_of <- function(v, at, is_parameter = FALSE) {
  extents <- dim(v)[-(1:2)]
  at <- pmin(at[seq_along(extents)], extents)
  out <- do.call(`[`, c(list(v, TRUE, TRUE), as.list(at), drop = FALSE))
  if (is_parameter) as.vector(out) else matrix(out, nrow(v))
}

batches <- as.matrix(expand.grid(1:3, 1:2))

# `found` in each batch is what truth(batch) gives.
expect_batches <- function(found, truth, info = NULL, ...) {
  if (!is.array(found)) # values and positions
    return(for (f in seq_along(found))
      expect_batches(found[[f]], function(at) truth(at)[[f]], info, ...))
  k <- length(dim(found)) - length(B)
  expect_identical(dim(found)[-seq_len(k)], B, info = info)
  flat <- array(found, c(dim(found)[seq_len(k)], 6))
  for (b in 1:6) {
    one <- truth(batches[b, ])
    here <- array(flat[slice.index(flat, k + 1L) == b], if (is.null(dim(one))) length(one) else dim(one))
    expect_equal(here, one, info = info, ignore_attr = TRUE, ...)
  }
}

# LazyTensors of all batches, and those of one: of rows x, columns y and a width.
variables <- list(
  "all of both" = list(x, y, widths),
  "a batch for each second index" = list(x, y[, , 1, , drop = FALSE], widths),
  "shared columns" = list(x, y[, , 1, 1], widths), "shared rows" = list(x[, , 1, 1], y, widths),
  "one width" = list(x, y[, , , 1], 0.7),
  "rows and columns of other indices" = list(x[, , , 1], y[, , 1, , drop = FALSE], 2))

lazy <- function(v, make) if (length(dim(v)) > 2L) make(v, batch = TRUE) else make(v)
lazy_of <- function(v) list(x = lazy(v[[1]], Vi), y = lazy(v[[2]], Vj), s = lazy(v[[3]], Pm))
one_of <- function(v, at) {
  pick <- function(v, p) if (length(dim(v)) > 2L) batch_of(v, at, p) else v
  list(x = Vi(pick(v[[1]], FALSE)), y = Vj(pick(v[[2]], FALSE)), s = Pm(pick(v[[3]], TRUE)))
}

distance <- function(v) v$s * sqdist(v$x, v$y)

test_that("every reduction over both indices has a result for each batch", {
  skip_on_cran() # takes a while
  reductions <- list(
    sum = function(f, ...) sum(exp(-f), ...), vector = function(f, ...) sum(concat(f, exp(-f)), ...),
    min = function(f, ...) min(f, ...), argmin = function(f, ...) argmin(f, ...),
    max = function(f, ...) max_argmax(f, ...), any = function(f, ...) any(f < 0.1, ...),
    Kmin = function(f, ...) Kmin_argKmin(f, K = 3, ...), all_K = function(f, ...) argKmin(f, K = 12, ...),
    K_of_two = function(f, ...) Kmin(concat(f, -f), K = 2, ...),
    logsumexp = function(f, ...) logsumexp(f, ...))
  most <- c("all of both", "rows and columns of other indices") # all reductions; else one of each kind
  for (name in names(variables)) for (index in c("i", "j")) for (r in names(reductions)) {
    if (!is_full && !name %in% most && !r %in% c("vector", "Kmin", "logsumexp")) next
    v <- variables[[name]]
    run <- function(v, precision) reductions[[r]](distance(v), index = index, precision = precision)
    info <- paste(name, index, r)
    expect_batches(run(lazy_of(v), "float64"), function(at) run(one_of(v, at), "float64"), info = info,
                   tolerance = 1e-13)
    if (index == "j" && name == "shared columns")
      expect_batches(run(lazy_of(v), "float32"), function(at) run(one_of(v, at), "float32"), info = info,
                     tolerance = 1e-6)
  }
})

test_that("sums are those of dense R", {
  v <- variables[["all of both"]]
  found <- sum(exp(-distance(lazy_of(v))), "j")
  for (b in 1:3) {
    d <- outer(x[, 1, b, 2], y[, 1, b, 2], "-")^2 + outer(x[, 2, b, 2], y[, 2, b, 2], "-")^2
    expect_equal(found[, 1, b, 2], rowSums(exp(-widths[b] * d)))
  }
})

# Gradients in each batch, summed where a variable is shared: of the shape of the variable.
summed <- function(v, gradient_at) {
  out <- 0 * (if (is.null(dim(v))) matrix(v, 1) else v)
  extents <- dim(out)[-(1:2)]
  for (b in 1:6) {
    at <- pmin(batches[b, seq_along(extents)], extents)
    here <- array(TRUE, dim(out))
    for (k in seq_along(at)) here <- here & slice.index(out, 2L + k) == at[k]
    out[here] <- out[here] + as.vector(gradient_at(batches[b, ]))
  }
  out
}

test_that("gradients of shared rows, columns and parameters are sums over batches", {
  skip_on_cran() # takes a while
  b <- array(uniform(42, 2), c(7, 2, B))
  reductions <- list(
    sum = function(f, b, ...) sum(exp(-f) * b, ..., call = FALSE),
    logsumexp = function(f, b, ...) logsumexp(f, "j", exp(b), call = FALSE),
    min = function(f, b, ...) min(f + b, ..., call = FALSE))
  for (name in names(variables)) for (r in names(reductions)) for (index in c("j", "i")) {
    if (r == "logsumexp" && index == "i") next
    if (!is_full && r == "min" && name != "shared columns") next
    v <- variables[[name]]
    op_of <- function(v, b) reductions[[r]](distance(v), b, index = index)
    all <- lazy_of(v)
    b_j <- Vj(b, batch = TRUE)
    op <- op_of(all, b_j)
    size <- if (index == "j") 10 else 7
    e <- array(stats::runif(2 * size * 6), c(size, 2, B))
    u <- array(stats::runif(10 * 2), c(10, 2))
    wrt <- c(all, list(b = b_j))
    found <- gradient(op, wrt, e)
    one <- function(at) {
      v <- one_of(v, at)
      b_j <- Vj(batch_of(b, at))
      list(op = op_of(v, b_j), wrt = c(v, list(b = b_j)), e = batch_of(e, at))
    }
    data <- list(x = v[[1]], y = v[[2]], s = v[[3]], b = b)
    for (n in names(data)) {
      expect_equal(found[[n]], summed(data[[n]], function(at) {
        o <- one(at)
        gradient(o$op, o$wrt[[n]], o$e)
      }), info = paste(name, r, index, n))
    }
    # a second derivative: along s, of the gradient by y
    second <- jvp(gradient(op, all$y, e, call = FALSE), all$s, 1)
    expect_equal(second, summed(v[[2]], function(at) {
      o <- one(at)
      jvp(gradient(o$op, o$wrt$y, o$e, call = FALSE), o$wrt$s, 1)
    }), info = paste(name, r, index))
    # and that of the gradient by s, which a cotangent of its shape meets
    by_s <- gradient(op, all$s, e, call = FALSE)
    c_s <- if (length(v[[3]]) > 1) array(c(1, -2, 0.5), c(1, 1, 3)) else 3
    expect_equal(gradient(by_s, all$x, c_s), summed(v[[1]], function(at) {
      o <- one(at)
      gradient(gradient(o$op, o$wrt$s, o$e, call = FALSE), o$wrt$x, if (length(c_s) > 1) c_s[at[1]] else 3)
    }), info = paste(name, r, index))
  }
})

test_that("cotangents and directions of extents 1, LazyTensors among them", {
  v <- lazy_of(variables[["all of both"]])
  op <- sum(exp(-distance(v)), "j", call = FALSE)
  e <- array(uniform(30, 1), c(10, 1, 3))
  full <- array(e, c(10, 1, 3, 2))
  expect_equal(gradient(op, v$x, e), gradient(op, v$x, full))
  expect_equal(gradient(op, v$x, Vi(e, batch = TRUE)), gradient(op, v$x, full))
  expect_equal(gradient(op, v$x, matrix(2, 10)), gradient(op, v$x, 2))
  expect_equal(jvp(op, v$y, array(1, c(7, 2, 1, 2))), jvp(op, v$y, 1))
  expect_equal(jvp(op, v$s, 0.5), jvp(op, v$s, array(0.5, c(1, 1, 3))))
  expect_error(gradient(op, v$x, array(1, c(10, 1, 2))),
               "`cotangent` is .*expected an array of 10 x 1 x 3 x 2", class = "rkeops_error_shape")
  expect_error(jvp(op, v$s, array(1, c(1, 1, 3, 2))), "`direction` is", class = "rkeops_error_shape")
  expect_error(jvp(op, v$s, Pm(array(1, c(1, 1, 3, 2)), batch = TRUE)), "`direction` has batches of 3 x 2",
               class = "rkeops_error_shape")
  flat <- sum(sqdist(Vi(x[, , 1, 1]), Vj(y[, , 1, 1])), "j", call = FALSE)
  expect_error(gradient(flat, Vj(y[, , 1, 1] + 0), Vi(e, batch = TRUE)), class = "rkeops_error")
})

test_that("products, sums, means, values, the diagonal, t()", {
  skip_on_cran() # takes a while
  for (name in names(variables)[1:4]) {
    v <- variables[[name]]
    K <- exp(-distance(lazy_of(v)))
    one <- function(at) as.matrix(exp(-distance(one_of(v, at))))
    same <- function(found, truth) expect_batches(found, truth, info = name)
    expect_identical(dim(K), c(10L, 7L, 1L, B))
    same(K[, ], one)
    same(as.array(K), function(at) array(one(at), c(10, 7, 1)))
    same(K[c(2, 9), -1], function(at) one(at)[c(2, 9), -1])
    same(K[cbind(1:4, 4:1)], function(at) one(at)[cbind(1:4, 4:1)])
    same(diag(K), function(at) diag(one(at)))
    same(t(K)[, ], function(at) t(one(at)))
    b <- matrix(uniform(7, 3), 7)
    same(K %*% b, function(at) one(at) %*% b)
    same(K %*% weights, function(at) one(at) %*% batch_of(weights, at))
    same(K %*% Vj(weights, batch = TRUE), function(at) one(at) %*% batch_of(weights, at))
    same(K %*% b[, 1], function(at) one(at) %*% b[, 1])
    same(t(K) %*% x, function(at) crossprod(one(at), batch_of(x, at)))
    same(crossprod(K, x), function(at) crossprod(one(at), batch_of(x, at)))
    same(tcrossprod(K, aperm(weights, c(2, 1, 3))), function(at) one(at) %*% batch_of(weights, at))
    same(aperm(x, c(2, 1, 3, 4)) %*% K, function(at) t(batch_of(x, at)) %*% one(at))
    same(1:10 %*% K, function(at) 1:10 %*% one(at))
    same(rowSums(K), function(at) rowSums(one(at)))
    same(colMeans(K), function(at) colMeans(one(at)))
    same(colSums(concat(K, 2 * K)), function(at) cbind(colSums(one(at)), 2 * colSums(one(at))))
  }
  two <- Vi(x, batch = TRUE) - Vj(y, batch = TRUE)
  expect_equal(two[2, 3, 2], x[2, 2, , ] - y[3, 2, , ])
  expect_equal(diag(two)[4, 1, , ], x[4, 1, , ] - y[4, 1, , ])
})

test_that("complex numbers", {
  z <- array(complex(real = y, imaginary = x[1:7, , , ]), c(7, 2, B))
  x_i <- Vi(x, batch = TRUE)
  op <- sum(exp1j(sqdist(x_i, Vj(y, batch = TRUE))) * Vj(z, batch = TRUE), "j", call = FALSE)
  one <- function(at) sum(exp1j(sqdist(Vi(batch_of(x, at)), Vj(batch_of(y, at)))) * Vj(batch_of(z, at)), "j",
                          call = FALSE)
  expect_batches(op(), function(at) one(at)())
  z_j <- Vj(z[, , 1, 1])
  op <- sum(exp1j(sqdist(x_i, Vj(y, batch = TRUE))) * z_j, "j", call = FALSE)
  e <- array(complex(real = x, imaginary = 1), dim(x))
  expect_equal(gradient(op, z_j, e), summed(z[, , 1, 1], function(at) {
    z_j <- Vj(z[, , 1, 1])
    gradient(sum(exp1j(sqdist(Vi(batch_of(x, at)), Vj(batch_of(y, at)))) * z_j, "j", call = FALSE), z_j,
             batch_of(e, at))
  }))
  expect_batches((x_i * Vj(z, batch = TRUE))[2:3, , ], function(at)
    (Vi(batch_of(x, at)) * Vj(batch_of(z, at)))[2:3, , ])
})

test_that("pairs are left out in each batch", {
  set.seed(1)
  w <- keep_groups(sample(3, 10, replace = TRUE), sample(3, 7, replace = TRUE))
  for (name in names(variables)[1:4]) for (index in c("i", "j")) {
    v <- variables[[name]]
    nearest <- function(v) Kmin_argKmin(distance(v), K = 2, index = index, blocks = w)
    expect_batches(nearest(lazy_of(v)), function(at) nearest(one_of(v, at)), info = name)
  }
  K <- restrict_pairs(exp(-distance(lazy_of(variables[[1]]))), blocks = w)
  one <- function(at) as.matrix(exp(-distance(one_of(variables[[1]], at)))) * as.matrix(w)
  expect_batches(K[, ], one)
  expect_batches(rowMeans(K), function(at) rowSums(one(at)) / rowSums(as.matrix(w)))
  expect_output(print(K), "10 x 7 (i x j), dimension 1, batches 3 x 2, ", fixed = TRUE)
  expect_error(sum(K, "j", blocks = keep_lower()), "`blocks` limit j - i in batches of 10 x 7",
               class = "rkeops_error_argument")
  square <- function(at) sqdist(Vi(batch_of(y, at)), Vj(y[, , 1, 1]))
  expect_batches(sum(sqdist(Vi(y, batch = TRUE), Vj(y[, , 1, 1])), "j", blocks = keep_band(-1, 2)),
                 function(at) sum(square(at), "j", blocks = keep_band(-1, 2)))
  g <- c("a", "b", NA, "a", "c", "b", "b", "a", "c", "c")
  p <- Pm(c(a = 1, b = 2, c = 4), groups = c("a", "b", "c"))
  op_of <- function(f) sum(exp(-p * f), "j", groups = list(i = g, j = g[1:7]), call = FALSE)
  op <- op_of(distance(lazy_of(variables[[1]])))
  expect_batches(op(), function(at) op_of(distance(one_of(variables[[1]], at)))())
  expect_equal(gradient(op, p, 1), Reduce(`+`, lapply(1:6, function(b)
    gradient(op_of(distance(one_of(variables[[1]], batches[b, ]))), p, 1))))
})

test_that("operators of formulas take batches, and their derivatives", {
  op <- keops_kernel("d = SqDist(x,y); Sum_Reduction(Exp(-s*d)*b, j)",
                     c("x=Vi(2)", "y=Vj(2)", "b=Vj(2)", "s=Pm(1)"), batch = TRUE)
  expect_output(print(op), "s=Pm(1)\nbatches", fixed = TRUE)
  for (name in names(variables)[1:4]) {
    v <- variables[[name]]
    all <- lazy_of(v)
    b_j <- Vj(weights, batch = TRUE)
    same <- sum(exp(-distance(all)) * b_j, "j", call = FALSE)
    input <- list(x = v[[1]], y = v[[2]], b = weights, s = v[[3]])
    expect_equal(op(input), same())
    expect_equal(op(rev(input)), same())
    e <- array(uniform(60, 2), c(10, 2, B))
    wrt <- c(all, list(b = b_j))[c("x", "y", "b", "s")]
    found <- keops_value_and_grad(op, c("x", "y", "b", "s"))(c(unname(input), list(e)))
    expect_equal(found, list(value = same(), gradients = gradient(same, wrt, e)))
    by_s <- keops_grad(op, "s")
    expect_equal(by_s(c(unname(input), list(e))), gradient(same, all$s, e))
    c_s <- array(c(1, -2, 0.5), c(1, 1, 3))
    expect_equal(keops_grad(by_s, "x")(c(unname(input), list(e, c_s))),
                 gradient(gradient(same, all$s, e, call = FALSE), all$x, c_s))
    expect_equal(keops_jvp(op, "y")(c(unname(input), list(1 * y[, , 1, 1]))),
                 jvp(same, all$y, 1 * y[, , 1, 1]))
    w <- keep_groups(rep(1:2, 5), rep(2:1, c(3, 4)))
    expect_equal(op(input, blocks = w), sum(exp(-distance(all)) * b_j, "j", blocks = w))
  }
  args <- c("x=Vi(2)", "y=Vj(2)")
  nearest <- keops_kernel("KMin_ArgKMin_Reduction(SqDist(x,y), 2, j)", args, batch = TRUE)
  expect_identical(nearest(list(x, y)),
                   Kmin_argKmin(sqdist(Vi(x, batch = TRUE), Vj(y, batch = TRUE)), 2, "j"))
  least <- keops_kernel("KMin_Reduction(x - y, 2, j)", args, batch = TRUE)
  expect_identical(dim(least(list(x, y))), c(10L, 2L, 2L, B))
  e <- array(stats::runif(240), c(10, 2, 2, B))
  x_i <- Vi(x, batch = TRUE)
  expect_equal(keops_grad(least, "x")(list(x, y, e)),
               gradient(Kmin(x_i - Vj(y, batch = TRUE), 2, "j", call = FALSE), x_i, e))
  refused <- function(text, ...) expect_error(keops_kernel(text, c("x=Vi(1)", "y=Vj(1)"), batch = TRUE), ...)
  refused("Grad(Sum_Reduction(x*y, j), x, Vi(2,1))", "not one reduction", class = "rkeops_error_argument")
  refused("Sum_Reduction(x*y*Pm(2,1), j)", "not declared", class = "rkeops_error_argument")
  expect_error(op(list(aperm(x), y, weights, 1), "row"), "`inner_dim` is \"row\"",
               class = "rkeops_error_argument")
  expect_error(op(list(x[1:3, , , ], y, weights[1:2, , ], 1)), "`y` has 7 rows, `b` has 2 rows",
               class = "rkeops_error_shape")
  expect_error(op(list(x, y, weights, widths[, , 1:2, drop = FALSE])), "batches of 3 x 2 and of 2",
               class = "rkeops_error_shape")
  expect_error(op(list(x[, 1, , , drop = FALSE], y, weights, 1)), "`x` is .*expected n x 2",
               class = "rkeops_error_shape")
  expect_error(op(list(x, y)), "`input` has 2 elements", class = "rkeops_error_argument")
})

test_that("what has no batches, or others, is refused", {
  expect_error(Vi(x), "batch = TRUE", class = "rkeops_error_argument")
  for (wrong in list(matrix(1, 2, 2), 1:3, NULL, array("a", c(1, 1, 1)), as.data.frame(1)))
    expect_error(Vi(wrong, batch = TRUE), "`x` is .*M x D x B", class = "rkeops_error_argument")
  expect_error(Pm(x, batch = TRUE), "1 x D x B", class = "rkeops_error_argument")
  expect_error(Vj(x, batch = NA), "`batch` is", class = "rkeops_error_argument")
  expect_error(Vi(x, batch = TRUE) - Vj(y[, , 1:2, ], batch = TRUE), "batches of 3 x 2 and of 2 x 2",
               class = "rkeops_error_shape")
  expect_error(Vi(x, batch = TRUE) + Vi(y, batch = TRUE), "rows for i", class = "rkeops_error_shape")
  K <- sqdist(Vi(x, batch = TRUE), Vj(y, batch = TRUE))
  expect_error(as.matrix(K), "as.array", class = "rkeops_error_shape")
  expect_error(norm(K), "batches", class = "rkeops_error_shape")
  expect_error(K %*% array(1, c(7, 1, 2)), "batches of", class = "rkeops_error_shape")
  expect_error(sqdist(Vi(x[, , 1, 1]), Vj(y[, , 1, 1])) %*% y, "Vj\\(b, batch = TRUE\\)",
               class = "rkeops_error_argument")
  expect_error(Vi(array(0, c(2, 0, 3)), batch = TRUE), "dimension 0", class = "rkeops_error_shape")
})

test_that("no batches, no rows, one batch, names", {
  none <- exp(-sqdist(Vi(x[, , 0, ], batch = TRUE), Vj(y[, , 0, ], batch = TRUE)))
  expect_identical(dim(sum(none, "j")), c(10L, 1L, 0L, 2L))
  empty <- exp(-sqdist(Vi(x[0, , , ], batch = TRUE), Vj(y, batch = TRUE)))
  expect_identical(dim(sum(empty, "j")), c(0L, 1L, B))
  expect_identical(sum(empty, "i"), array(0, c(7, 1, B)))
  one <- sqdist(Vi(array(x[, , 1, 1], c(10, 2, 1)), batch = TRUE), Vj(y[, , 1, 1]))
  expect_equal(sum(one, "j"), array(sum(sqdist(Vi(x[, , 1, 1]), Vj(y[, , 1, 1])), "j"), c(10, 1, 1)))
  dimnames(x) <- list(letters[1:10], NULL, NULL, NULL)
  K <- sqdist(Vi(x, batch = TRUE), Vj(y, batch = TRUE))
  expect_identical(dimnames(sum(K, "j"))[[1]], letters[1:10])
  expect_identical(dimnames(rowSums(K))[[1]], letters[1:10])
  expect_identical(dimnames(K[2:3, 1:2])[[1]], c("b", "c"))
  expect_identical(sum(unserialize(serialize(K, NULL)), "j"), sum(K, "j"))
  expect_identical(summary(K)$dim, c(10L, 7L, 1L, B))
  expect_output(print(summary(K)), "dimension 1, batches 3 x 2, ", fixed = TRUE)
  base0 <- with_options(list(index_base = 0), argmin(K, "j"))
  expect_identical(base0 + 1L, argmin(K, "j"))
})

optimise_again(optimising)
