# LazyTensors that stand for some of the pairs, against dense R with the others masked.
optimising <- set_rkeops_options(quick_options())

# Blocks of every kind for so many i and j.
walks_of <- function(M, N) {
  labels <- function(n, k) sample(c(seq_len(k), NA), n, replace = TRUE)
  keep <- matrix(stats::runif(30) < 0.4, 5, 6, dimnames = list(1:5, 1:6))
  list(groups = keep_groups(labels(M, 3), labels(N, 3)), others = drop_groups(labels(M, 2), labels(N, 4)),
       labels = keep_labels(labels(M, 5), labels(N, 6), keep),
       single = keep_groups(sample(M), sample(c(seq_len(N), rep(NA, M)), N)), lower = keep_lower(),
       band = keep_groups(labels(M, 2), labels(N, 2)) & keep_band(-2, 3), all = keep_band(-Inf, Inf),
       none = keep_groups(rep(NA, M), labels(N, 2)))
}

mask_of <- function(w, M, N) as.matrix(w, size = c(M, N))

# What reductions over the pairs of a mask give: `over` of the values of each row (of each column for
# index "i") and their positions.
masked <- function(values, mask, index, over) {
  if (index == "i") return(masked(t(values), t(mask), "j", over))
  out <- lapply(seq_len(nrow(values)), function(i) {
    at <- which(mask[i, ])
    over(values[i, at], at)
  })
  do.call(rbind, out)
}

# The k smallest values, and their positions; Inf and NA where there are fewer.
smallest <- function(v, at, k) {
  order <- order(v)
  list(c(v[order], rep(Inf, k))[seq_len(k)], c(at[order], rep(NA, k))[seq_len(k)])
}

x <- uniform(23, 2)
y <- uniform(19, 2)
b <- uniform(19, 2)
d <- outer(x[, 1], y[, 1], "-")^2 + outer(x[, 2], y[, 2], "-")^2
k <- exp(-d)
D_ij <- sqdist(Vi(x), Vj(y))
K_ij <- exp(-D_ij)
precisions <- c(float64 = 1e-13, float32 = 2e-6)

test_that("every reduction leaves out what blocks do not keep, over both indices", {
  skip_on_cran() # takes a while
  set.seed(1)
  walks <- walks_of(23L, 19L)
  for (name in names(walks)) for (index in c("i", "j")) for (precision in names(precisions)) {
    w <- walks[[name]]
    m <- mask_of(w, 23L, 19L)
    near <- function(found, truth)
      expect_equal(found, truth, tolerance = precisions[[precision]], ignore_attr = TRUE,
                   info = paste(name, index, precision))
    over <- function(f, values = d) masked(values, m, index, f)
    run <- function(f, ..., x = D_ij) f(x, ..., index = index, blocks = w, precision = precision)
    near(run(sum), over(function(v, at) sum(v)))
    near(run(min), over(function(v, at) min(v, Inf)))
    near(run(max), over(function(v, at) max(v, -Inf)))
    near(run(argmin), over(function(v, at) smallest(v, at, 1)[[2]]))
    near(run(argmax), over(function(v, at) smallest(-v, at, 1)[[2]]))
    near(run(min_argmin)[[2]], over(function(v, at) smallest(v, at, 1)[[2]]))
    near(run(max_argmax)[[1]], over(function(v, at) max(v, -Inf)))
    near(run(Kmin, K = 3), over(function(v, at) smallest(v, at, 3)[[1]]))
    near(run(argKmin, K = 3), over(function(v, at) smallest(v, at, 3)[[2]]))
    near(run(Kmin_argKmin, K = 20)[[1]], over(function(v, at) smallest(v, at, 20)[[1]]))
    near(run(logsumexp), over(function(v, at) log(sum(exp(v)))))
    near(run(any, x = D_ij < 0.1), over(function(v, at) any(v < 0.1)))
    near(run(all, x = D_ij < 0.9), over(function(v, at) all(v < 0.9)))
  }
})

test_that("weights of log-sum-exp and soft maxima", {
  set.seed(2)
  for (w in walks_of(23L, 19L)) {
    m <- mask_of(w, 23L, 19L)
    some <- rowSums(m) > 0
    e <- exp(d) * m
    expect_equal(logsumexp(D_ij, "j", abs(Vj(b)), blocks = w)[some, ], log(e %*% abs(b))[some, ])
    expect_equal(sumsoftmaxweight(D_ij, "j", Vj(b), blocks = w)[some, ],
                 (e %*% b / rowSums(e))[some, ])
  }
})

test_that("products, sums and means, values, the diagonal", {
  skip_on_cran() # takes a while
  set.seed(3)
  for (w in walks_of(23L, 19L)) {
    m <- mask_of(w, 23L, 19L)
    dense <- k * m
    R <- restrict_pairs(K_ij, blocks = w)
    expect_identical(as.matrix(R) == 0, !m)
    expect_equal(as.matrix(R), dense)
    expect_equal(as.array(restrict_pairs(Vi(x) - Vj(y), blocks = w))[, , 2],
                 outer(x[, 2], y[, 2], "-") * m)
    expect_equal(R[3:5, -1], dense[3:5, -1])
    expect_equal(R[cbind(1:4, 4:1)], dense[cbind(1:4, 4:1)])
    expect_equal(diag(R), diag(dense))
    expect_identical(as.matrix(R < 2), m)
    expect_identical(which(R < 2), which(m))
    expect_equal(R %*% b, dense %*% b)
    expect_equal(R %*% Vj(b), dense %*% b)
    expect_equal(x[, 1] %*% R, x[, 1] %*% dense)
    expect_equal(crossprod(R, x), crossprod(dense, x))
    expect_equal(crossprod(K_ij, x, blocks = w), crossprod(dense, x))
    expect_equal(tcrossprod(K_ij, t(b), blocks = w), dense %*% b)
    expect_equal(t(R) %*% x, crossprod(dense, x))
    expect_equal(as.matrix(t(R)), t(dense))
    expect_identical(as.matrix(t(t(R))), as.matrix(R))
    expect_equal(rowSums(R), rowSums(dense))
    expect_equal(colSums(K_ij, blocks = w), colSums(dense))
    expect_equal(rowMeans(R), rowSums(dense) / rowSums(m))
    expect_equal(colMeans(K_ij, blocks = w), colSums(dense) / colSums(m))
    for (type in c("O", "I", "F", "M", "2")) expect_equal(norm(-R, type), norm(-dense, type))
    expect_equal(sum(R * R + 1, "j"), cbind(rowSums((dense^2 + 1) * m)))
  }
})

# Gradients of sum(e * (k * m) %*% b) by x, y, b and the factor s in k = exp(-s * d), in dense R.
dense_gradients <- function(m, s, e) {
  g <- exp(-s * d) * m * (e %*% t(b))
  list(x = -2 * s * (rowSums(g) * x - g %*% y), y = -2 * s * (colSums(g) * y - crossprod(g, x)),
       b = crossprod(exp(-s * d) * m, e), s = matrix(-sum(g * d)))
}

test_that("gradients by variables of i, of j and by parameters", {
  skip_on_cran() # takes a while
  set.seed(4)
  s <- Pm(0.7)
  e <- uniform(23, 2)
  variables <- list(x = Vi(x), y = Vj(y), b = Vj(b), s = s)
  walks <- walks_of(23L, 19L)
  for (name in names(walks)) for (precision in names(precisions)) {
    op <- sum(exp(-s * D_ij) * Vj(b), "j", blocks = walks[[name]], call = FALSE, precision = precision)
    m <- mask_of(walks[[name]], 23L, 19L)
    found <- value_and_gradient(op, variables, e)
    expect_equal(found$gradient, dense_gradients(m, 0.7, e), tolerance = 4 * precisions[[precision]],
                 info = paste(name, precision))
    expect_equal(found$value, (exp(-0.7 * d) * m) %*% b, tolerance = precisions[[precision]])
    u <- uniform(19, 2)
    expect_equal(jvp(op, variables$b, u), (exp(-0.7 * d) * m) %*% u,
                 tolerance = precisions[[precision]])
  }
})

# The same pairs by a mask in the formula: what is left out is `absent`.
by_mask <- function(f, m, absent) {
  rows <- Vi(1 * m)
  where((rows | one_hot(Vj(seq_len(ncol(m)) - 1), ncol(m))) > 0.5, f, absent)
}

test_that("programs of several passes and second derivatives are those of a mask in the formula", {
  skip_on_cran() # takes a while
  set.seed(5)
  e <- uniform(23, 1)
  v <- uniform(19, 2)
  x_i <- Vi(x)
  y_j <- Vj(y)
  reductions <- list(
    sum = list(function(f, ...) sum(exp(-f), "j", ..., call = FALSE), Inf),
    logsumexp = list(function(f, ...) logsumexp(-f, "j", ..., call = FALSE), Inf),
    min = list(function(f, ...) min(f, "j", ..., call = FALSE), Inf),
    Kmin = list(function(f, ...) reduction.LazyTensor(f, "KMin", "j", 1, ..., call = FALSE), Inf))
  for (w in walks_of(23L, 19L)[c("groups", "labels", "single", "band", "all")]) {
    m <- mask_of(w, 23L, 19L)
    some <- rowSums(m) > 0
    for (name in names(reductions)) {
      reduction <- reductions[[name]]
      first <- gradient(reduction[[1]](D_ij, blocks = w), x_i, e * some, call = FALSE)
      masked <- gradient(reduction[[1]](by_mask(D_ij, m, reduction[[2]])), x_i, e * some, call = FALSE)
      expect_equal(first()[some, ], masked()[some, ], info = name)
      expect_equal(jvp(first, y_j, v)[some, ], jvp(masked, y_j, v)[some, ], info = name)
      if (all(some))
        expect_equal(gradient(first, y_j, x), gradient(masked, y_j, x), info = name)
    }
  }
})

test_that("complex numbers", {
  set.seed(6)
  z <- matrix(complex(real = b, imaginary = b[19:1, ]), 19)
  for (w in walks_of(23L, 19L)) {
    m <- mask_of(w, 23L, 19L)
    R <- restrict_pairs(exp1j(D_ij), blocks = w)
    expect_equal(as.matrix(R), exp(1i * d) * m)
    expect_equal(R %*% z, (exp(1i * d) * m) %*% z)
    op <- sum(R * Vj(z), "j", call = FALSE)
    e <- matrix(complex(real = 1:46, imaginary = 2), 23)
    # by real and imaginary parts of z, of the sum of Re(e) Re(op()) + Im(e) Im(op())
    expect_equal(gradient(op, Vj(z), e), t(Conj(exp(1i * d)) * m) %*% e)
  }
})

test_that("operators of formulas take blocks when they are called", {
  set.seed(7)
  op <- keops_kernel("Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)",
                     c("x=Vi(2)", "y=Vj(2)", "b=Vj(2)", "s=Pm(1)"))
  e <- uniform(23, 2)
  input <- list(x, y, b, 0.7)
  for (w in walks_of(23L, 19L)) {
    m <- mask_of(w, 23L, 19L)
    truth <- dense_gradients(m, 0.7, e)
    product <- (exp(-0.7 * d) * m) %*% b
    expect_equal(op(input, blocks = w), product)
    expect_equal(op(list(t(x), t(y), t(b), 0.7), "row", blocks = w), product)
    expect_equal(keops_grad(op, "y")(c(input, list(e)), blocks = w), truth$y)
    expect_equal(keops_jvp(op, "b")(c(input, list(b)), blocks = w), product)
    both <- keops_value_and_grad(op, c("x", "y", "b", "s"))(c(input, list(e)), blocks = w)
    expect_equal(both, list(value = product, gradients = truth))
  }
  expect_equal(op(input), exp(-0.7 * d) %*% b)
  g <- sample(3, 23, replace = TRUE)
  h <- sample(2:4, 19, replace = TRUE)
  expect_equal(op(input, groups = list(i = g, j = h)), (exp(-0.7 * d) * outer(g, h, "==")) %*% b)
  count <- keops_kernel("Sum_Reduction(x, j)", "x=Vi(1)") # where nothing depends on j
  expect_identical(count(list(1:3), blocks = keep_groups(c(1, 2, 1), c(1, 1, 2, 1))),
                   matrix(c(3, 2, 9)))
  expect_identical(count(list(1:3), blocks = keep_lower()), matrix(c(1, 2, 3)))
  expect_error(op(input, blocs = w), "did you mean `blocks`", class = "rkeops_error_argument")
  expect_error(op(input, "col", w), "without a name", class = "rkeops_error_argument")
  expect_error(op(input, blocks = t(w)), "`blocks` is of 19 x 23", class = "rkeops_error_shape")
  expect_error(op(input, blocks = 1), "`blocks` is 1", class = "rkeops_error_argument")
  expect_error(op(input, groups = 1:3), "`groups` has no `j` and 3 labels|`groups",
               class = "rkeops_error_shape")
  w <- keep_groups(g, h) # lists that somebody has changed
  changes <- list(i_order = c(1L, seq_len(22)), j_order = 19:1 + 1L, i_order = 3:1, to = rep(20L, 2),
                  i_end = c(23L, 1L), from = w$from[-1], list_end = c(-1L, 2L), i_end = NULL)
  for (k in seq_along(changes)) {
    wrong <- w
    wrong[names(changes)[k]] <- changes[k]
    expect_error(op(input, blocks = wrong), "`blocks`", class = "rkeops_error_argument", info = k)
    expect_error(op(input, blocks = wrong, groups = list(i = g, j = h)), "has been changed",
                 class = "rkeops_error_argument", info = k)
  }
})

test_that("ranges of PyKeOps say which pairs, beside blocks and groups", {
  ranges <- list(rbind(c(0, 10), c(10, 23)), c(1, 3), rbind(c(4, 9), c(0, 4), c(12, 19)))
  m <- matrix(FALSE, 23, 19)
  m[1:10, 5:9] <- TRUE
  m[11:23, c(1:4, 13:19)] <- TRUE
  expect_equal(sum(K_ij, "j", ranges = ranges), cbind(rowSums(k * m)))
  expect_equal(as.matrix(restrict_pairs(K_ij, keep_lower(), ranges = ranges)),
               k * m * mask_of(keep_lower(), 23L, 19L))
  both <- restrict_pairs(K_ij, groups = list(i = rep(1:2, c(5, 18)), j = rep(2, 19)), ranges = ranges)
  m[1:5, ] <- FALSE
  expect_equal(as.matrix(both), k * m)
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), i)", c("x=Vi(2)", "y=Vj(2)"))
  expect_equal(op(list(x, y), ranges = ranges, blocks = keep_groups(rep(1:2, c(5, 18)), rep(2, 19))),
               cbind(colSums(k * m)))
  ranges[[1]][2, 2] <- 24
  expect_error(sum(K_ij, "j", ranges = ranges), "`ranges\\[\\[1\\]\\]`", class = "rkeops_error_argument")
  expect_error(op(list(x, y), ranges = 1:6), "`ranges` is", class = "rkeops_error_argument")
})

test_that("a parameter has a row for each group, and so has its gradient", {
  skip_on_cran() # takes a while
  set.seed(10)
  g <- sample(c("u", "v", "w", NA), 23, replace = TRUE)
  h <- sample(c("w", "v", "z", "u"), 19, replace = TRUE)
  m <- outer(g, h, function(g, h) !is.na(g) & g == h)
  values <- matrix(c(1, 2, 0.5, 3, 1.5, 0.7, 2, 1), 4, dimnames = list(c("w", "u", "z", "v"), NULL))
  p <- Pm(values, groups = rownames(values))
  expect_identical(dim(p), c(1L, 1L, 2L))
  expect_output(print(p), "V0=Pm(2), 4 groups", fixed = TRUE)
  e <- uniform(23, 1)
  pairs <- list(i = g, j = h)
  row <- match(g, rownames(values), nomatch = 1L) # rows without group meet nothing
  of_row <- values[row, ]
  f <- exp(-d * of_row[, 1]) * of_row[, 2]
  f[!m] <- 0
  R <- restrict_pairs(exp(-D_ij * p[1]) * p[2], groups = pairs)
  for (precision in names(precisions)) {
    op <- sum(R, "j", call = FALSE, precision = precision)
    near <- function(found, truth)
      expect_equal(found, truth, tolerance = 4 * precisions[[precision]], ignore_attr = TRUE)
    near(op(), rowSums(f))
    by_pair <- cbind(rowSums(-f * d), rowSums(f) / of_row[, 2]) * e[, 1]
    truth <- 0 * values
    for (label in rownames(values)) truth[label, ] <- colSums(by_pair[g %in% label, , drop = FALSE])
    found <- gradient(op, p, e)
    near(found, truth)
    expect_identical(rownames(found), rownames(values))
    near(gradient(sum(R, "i", call = FALSE, precision = precision), p, 1),
         gradient(op, p, 1)) # the sum over all pairs
    # second derivatives: a cotangent with a row for each group
    c_p <- matrix(stats::runif(8), 4)
    both <- gradient(gradient(op, p, e, call = FALSE), Vi(x), c_p)
    shared <- gradient(jvp(op, p, c_p, call = FALSE), Vi(x), e)
    near(both, shared)
    near(jvp(op, p, c_p), rowSums(f * (c_p[row, 2] / of_row[, 2] - d * c_p[row, 1])))
  }
  dense <- f
  expect_equal(as.matrix(R), dense)
  expect_equal(as.matrix(t(R)), t(dense))
  expect_equal(R[2:5, 3:4], dense[2:5, 3:4])
  expect_equal(diag(R), diag(dense))
  expect_equal(colSums(R), colSums(dense))
  expect_equal(colSums(t(R)), rowSums(dense))
  expect_equal(rowMeans(R), rowSums(dense) / rowSums(m))
  moved <- sample(4)
  again <- Pm(values[moved, ], groups = factor(rownames(values)[moved]))
  expect_equal(sum(exp(-D_ij * again[1]) * again[2], "j", groups = pairs), sum(R, "j"))
  z <- Pm(values[, 1] * 1i, groups = rownames(values))
  expect_equal(as.matrix(sum(D_ij * z, "j", groups = pairs)),
               cbind(rowSums(d * m * of_row[, 1]) * 1i))
  expect_identical(sum(unserialize(serialize(R, NULL)), "j"), sum(R, "j"))
})

test_that("a parameter of groups needs groups, and a row for each that rows are in", {
  p <- Pm(matrix(1:2), groups = c("a", "b"))
  refused <- function(code, message, class = "argument")
    expect_error(code, message, class = paste0("rkeops_error_", class))
  refused(sum(D_ij * p, "j"), "expected groups of i and j")
  refused(sum(D_ij * p, "j", blocks = keep_lower()), "expected groups of i and j")
  refused(sum(D_ij * p, "j", groups = list(i = rep(c("a", "c"), c(20, 3)), j = rep("a", 19))),
          "no row for group \"c\"")
  refused(sum(D_ij * p, "j", groups = list(i = as.Date("2024-01-01") + 1:23,
                                           j = as.Date("2024-01-01") + 1:19)), "same class")
  refused(Pm(matrix(1:2), groups = c("a", "a")), "a label twice")
  refused(Pm(matrix(1:2), groups = c("a", NA)), "NA")
  refused(Pm(matrix(1:2), groups = NULL), "`groups` is NULL")
  refused(Pm(matrix(1:2), groups = 1:3), "`x` has 2 rows, `groups` 3 labels", "shape")
  refused(Pm(matrix(0, 0, 2), groups = character()), "0 rows", "shape")
  op <- sum(D_ij * p, "j", groups = list(i = rep(c("a", "b"), c(20, 3)), j = rep("b", 19)), call = FALSE)
  refused(gradient(gradient(op, p, call = FALSE), Vi(x), matrix(1, 3)), "`cotangent` is .*2 x 1", "shape")
  refused(jvp(op, p, 1:3), "`direction` is", "shape")
})

test_that("rows, columns and labels in another order give the same", {
  set.seed(8)
  g <- sample(letters[1:4], 23, replace = TRUE)
  h <- sample(letters[2:5], 19, replace = TRUE)
  i <- sample(23)
  j <- sample(19)
  pairs <- function(g, h) list(i = g, j = h)
  found <- Kmin_argKmin(D_ij, 4, "j", groups = pairs(g, h))
  moved <- Kmin_argKmin(sqdist(Vi(x[i, ]), Vj(y[j, ])), 4, "j", groups = pairs(g[i], h[j]))
  expect_identical(moved[[1]], found[[1]][i, ])
  expect_identical(matrix(j[moved[[2]]], 23), found[[2]][i, ])
  other <- c(a = 9, b = -1, c = 4, d = 0, e = 2) # labels, renamed
  expect_identical(Kmin_argKmin(D_ij, 4, "j", groups = pairs(other[g], other[h])), found)
  expect_equal(sum(exp(-sqdist(Vi(x[i, ]), Vj(y[j, ]))), "j", groups = pairs(g[i], h[j])),
               sum(K_ij, "j", groups = pairs(g, h))[i, , drop = FALSE])
})

test_that("one row, one column, no rows; rows that are sorted, many, around the edges of tiles", {
  skip_on_cran() # takes a while
  set.seed(9)
  for (size in list(c(1, 1), c(1, 30), c(30, 1), c(0, 4), c(4, 0), c(64, 65), c(130, 257))) {
    M <- as.integer(size[1])
    N <- as.integer(size[2])
    p <- matrix(stats::runif(M), M, 1)
    q <- matrix(stats::runif(N), N, 1)
    dense <- exp(-outer(p[, 1], q[, 1], "-")^2)
    K <- exp(-sqdist(Vi(p), Vj(q)))
    walks <- list(keep_lower(), drop_self(), keep_groups(rep(1, M), rep(1, N)),
                  keep_groups(seq_len(M), seq_len(N)), keep_groups(seq_len(M) %/% 8, seq_len(N) %/% 16),
                  keep_groups(seq_len(M) %% 3, seq_len(N) %% 7), keep_band(-9, -1))
    for (w in walks) {
      m <- mask_of(w, M, N)
      R <- restrict_pairs(K, blocks = w)
      expect_equal(rowSums(R), rowSums(dense * m), info = size)
      expect_equal(colSums(R), colSums(dense * m), info = size)
      expect_equal(gradient(sum(R, "j", call = FALSE), Vj(q)),
                   -2 * matrix(colSums(dense * m * outer(-p[, 1], q[, 1], "+")), N, 1), info = size)
    }
  }
})

test_that("many intervals of one column or two", {
  set.seed(10)
  p <- matrix(stats::runif(150))
  q <- matrix(stats::runif(3e4))
  from <- seq(0, by = 3, length.out = 1e4)
  to <- from + rep(c(1, 2, 1), length.out = 1e4)
  listed <- c(from + 1, from[to == from + 2] + 2)
  K <- restrict_pairs(exp(-sqdist(Vi(p), Vj(q))),
                      ranges = list(rbind(c(0, 140), c(140, 150)), c(1e4, 1e4 + 1),
                                    rbind(cbind(from, to), c(7, 8))))
  dense <- exp(-outer(p[, 1], q[, 1], "-")^2)
  expect_equal(rowSums(K), c(rowSums(dense[1:140, listed]), dense[141:150, 8]))
})

test_that("the pairs belong to the object: what is computed from it has them", {
  w <- keep_groups(rep(1:2, c(10, 13)), rep(2:1, c(10, 9)))
  m <- mask_of(w, 23L, 19L)
  R <- restrict_pairs(K_ij, blocks = w)
  near <- function(f, dense) expect_equal(as.matrix(f), dense * m)
  near(R + 1, k + 1)
  near(2 * R * Vj(b[, 1]), 2 * k * rep(b[, 1], each = 23))
  near(Vi(x[, 1]) - R, x[, 1] - k)
  near(R * restrict_pairs(D_ij, blocks = w), k * d)
  near(where(D_ij < 0.5, R, 7), base::ifelse(d < 0.5, k, 7))
  near(concat(R, D_ij)[2], d)
  near(unaryop.LazyTensor(R, "Square"), k^2)
  near(restrict_pairs(R, blocks = keep_lower()), k * mask_of(keep_lower(), 23L, 19L))
  near(restrict_pairs(K_ij, blocks = w, groups = list(i = rep(1, 23), j = rep(1, 19))), k)
  expect_equal(sum(R, "j", blocks = keep_lower()),
               cbind(rowSums(k * m * mask_of(keep_lower(), 23L, 19L))))
  expect_identical(dim(R), dim(K_ij))
  copy <- unserialize(serialize(R, NULL))
  expect_identical(sum(copy, "j"), sum(R, "j"))
  expect_identical(as.matrix(restrict_pairs(restrict_pairs(K_ij, blocks = keep_lower()), blocks = w)),
                   as.matrix(restrict_pairs(R, blocks = keep_lower())))
})

test_that("an index that only blocks have", {
  w <- keep_groups(c(1, 2, 1), c(1, 1, 2, 1))
  R <- restrict_pairs(Vi(1:3), blocks = w)
  expect_identical(dim(R), c(3L, 4L, 1L))
  expect_identical(suppressWarnings(sum(R, "j")), matrix(c(3, 2, 9)))
  expect_error(R * Vj(1:5), "`blocks` is of 3 x 4 pairs: expected 3 x 5", class = "rkeops_error_shape")
  band <- restrict_pairs(Vi(1:3), blocks = keep_lower())
  expect_identical(as.matrix(band * Vj(1:3)), outer(1:3, 1:3) * lower.tri(diag(3), TRUE))
  expect_output(print(band), "j - i up to 0")
  expect_equal(as.matrix(restrict_pairs(Pm(2), groups = list(i = 1:2, j = c(2, 1)))), 2 * diag(2)[2:1, ])
})

test_that("operands with different pairs are refused", {
  w <- keep_groups(rep(1:2, c(10, 13)), rep(2:1, c(10, 9)))
  R <- restrict_pairs(K_ij, blocks = w)
  other <- restrict_pairs(D_ij, blocks = keep_lower())
  for (f in list(`+`, `*`, function(a, b) where(a < 1, b, 0), concat))
    expect_error(f(R, other), "restricted to different pairs.*a & b", class = "rkeops_error_argument")
  op <- sum(K_ij, "j", call = FALSE)
  expect_error(gradient(op, Vi(x), restrict_pairs(Vi(x[, 1]), blocks = keep_lower())),
               "restricted to other pairs", class = "rkeops_error_argument")
})

test_that("operands with the same pairs and other labels are refused: parameters go by labels", {
  of_groups <- function(labels)
    restrict_pairs(Vi(1:3) * Vj(1:3) * Pm(matrix(c(10, 20)), groups = 1:2), groups = labels)
  ones <- of_groups(c(1, 1, 2))
  expect_error(ones + of_groups(factor(c(2, 2, 1), levels = 2:1)), "their groups have other labels",
               class = "rkeops_error_argument")
  same <- of_groups(factor(c(1, 1, 2), levels = 1:3))
  expect_identical(as.matrix(ones + same), 2 * as.matrix(ones))
})

test_that("what is no blocks, or of another size, is refused by name", {
  w <- keep_groups(1:3)
  expect_error(restrict_pairs(K_ij), "`blocks`, `groups` and `ranges` are missing",
               class = "rkeops_error_argument")
  expect_error(restrict_pairs(1, w), "`x` is 1", class = "rkeops_error_argument")
  expect_error(restrict_pairs(K_ij, w), "`blocks` is of 3 x 3 pairs: expected 23 x 19",
               class = "rkeops_error_shape")
  expect_error(restrict_pairs(K_ij, matrix(TRUE, 23, 19)), "`blocks` is a logical matrix",
               class = "rkeops_error_argument")
  expect_error(sum(K_ij, "j", blocks = w), "`blocks` is of 3 x 3", class = "rkeops_error_shape")
  expect_error(sum(K_ij, "j", block = w), "did you mean `blocks`", class = "rkeops_error_argument")
  expect_error(sum(Vi(x), blocks = w), "expected `index`", class = "rkeops_error_argument")
  expect_error(crossprod(K_ij, x, call = FALSE), "`call`", class = "rkeops_error_argument")
  groups <- function(g) restrict_pairs(K_ij, groups = g)
  expect_error(groups(list(i = 1:3, j = 1:19)), "`groups\\$i` has 3 labels: expected 23",
               class = "rkeops_error_shape")
  expect_error(groups(list(i = 1:23, j = 1:3)), "`groups\\$j` has 3 labels: expected 19",
               class = "rkeops_error_shape")
  expect_error(groups(1:23), "`groups` has no `j` and 23 labels: expected 19",
               class = "rkeops_error_shape")
  expect_error(groups(list(1:23, 1:19)), "a list of `i` and `j`", class = "rkeops_error_argument")
  expect_error(groups(list(i = 1:23, j = as.list(1:19))), "`groups\\$j` is",
               class = "rkeops_error_argument")
  expect_error(groups(list(i = as.Date("2024-01-01") + 1:23, j = 1:19)), "same class",
               class = "rkeops_error_argument")
  expect_error(restrict_pairs(groups(list(i = 1:23, j = 1:19)), groups = list(i = 1:23, j = 1:19)),
               "restricted to groups already", class = "rkeops_error_argument")
  expect_equal(sum(K_ij, "j", blocks = NULL), sum(K_ij, "j"))
})

test_that("a row without pairs has what is left of nothing", {
  w <- keep_groups(c(1, NA, 1), c(1, 1, NA))
  x_i <- Vi(1:3)
  R <- restrict_pairs(sqdist(x_i, Vj(1:3)), blocks = w)
  expect_identical(sum(R, "j")[2, ], 0)
  expect_identical(min(R, "j")[2, ], Inf)
  expect_identical(max(R, "i")[3, ], -Inf)
  expect_identical(logsumexp(R, "j")[2, ], -Inf)
  expect_identical(argmin(R, "j")[2, ], NA_integer_)
  expect_identical(Kmin_argKmin(R, 2, "i")[[2]][3, ], c(NA_integer_, NA_integer_))
  expect_identical(rowMeans(R)[2], NaN)
  expect_identical(gradient(sum(R, "j", call = FALSE), x_i)[2, ], 0)
})

test_that("coordinates far from 0, a mask in the formula, NaN in rows that few meet", {
  set.seed(11)
  origin <- c(4.5e5, 5.4e6)
  place <- function(n) 200 * uniform(n, 2) + rep(origin, each = n)
  p <- place(60)
  q <- place(70)
  g <- sample(4, 60, replace = TRUE)
  h <- sample(4, 70, replace = TRUE)
  r <- outer(p[, 1], q[, 1], "-")^2 + outer(p[, 2], q[, 2], "-")^2
  same <- outer(g, h, "==")
  R <- restrict_pairs(sqdist(Vi(p), Vj(q)), blocks = keep_groups(g, h))
  for (precision in names(precisions)) {
    near <- sum(where(R < 2000, exp(-R / 2500), 0), "j", precision = precision)
    expect_equal(near, matrix(rowSums(same * (r < 2000) * exp(-r / 2500))),
                 tolerance = precisions[[precision]])
    expect_identical(argKmin(R, 3, "j", precision = precision),
                     t(apply(ifelse(same, r, Inf), 1, order))[, 1:3])
    lost <- q
    lost[h == 2, ] <- NaN
    sums <- sum(exp(-sqdist(Vi(p), Vj(lost)) / 2500), "j", blocks = keep_groups(g, h),
                precision = precision)
    expect_identical(as.vector(is.nan(sums)), g == 2)
  }
})

test_that("a call within a call has blocks of its own", {
  lab <- rep(1:50, 40)
  z <- uniform(2000, 2)
  whole <- function() sum(exp(-sqdist(Vi(z), Vj(z))), "j", blocks = keep_groups(lab))
  expected <- whole()
  inner <- NULL
  reg.finalizer(new.env(), function(e) inner <<- sum(K_ij, "j", blocks = keep_band(-1, 1)))
  outer <- whole()
  gc()
  expect_identical(outer, expected)
  expect_equal(inner, matrix(rowSums(k * mask_of(keep_band(-1, 1), 23, 19))), tolerance = 1e-13)
})

test_that("they say which pairs they stand for", {
  R <- restrict_pairs(sqdist(Vi(1:4), Vj(1:2)), blocks = keep_groups(c(1, 2, 3, 1), 1:2))
  expect_match(format(R)[1], "4 x 2 (i x j), dimension 1, 37.5 % of the pairs", fixed = TRUE)
  expect_output(print(summary(R)), "dimension 1, 37.5 % of the pairs, ", fixed = TRUE)
  expect_identical(summary(R)$pairs, "37.5 % of the pairs")
  op <- sum(R, "j", call = FALSE)
  expect_output(print(op), "restricted to 37.5 % of the pairs", fixed = TRUE)
  expect_identical(rkeops_explain(op)$pairs, 3)
  expect_output(print(rkeops_explain(op)), "pairs: 3, 37.5 % of the pairs", fixed = TRUE)
  expect_match(format(t(R))[1], "2 x 4 (i x j), dimension 1, 37.5 %", fixed = TRUE)
  expect_null(summary(sqdist(Vi(1:4), Vj(1:2)))$pairs)
})

optimise_again(optimising)
