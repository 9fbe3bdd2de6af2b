args <- c("x=Vi(3)", "y=Vj(3)")

test_that("the oracle knows every reduction of the table", {
  expect_identical(setdiff(paste0(reduction_table()$name, "_Reduction"),
                           names(oracle_operations(1, 1))), character())
})

for (precision in c("float32", "float64")) {
  test_that(paste("all reductions agree with the oracle over i and j in", precision), {
    skip_on_cran() # takes a while
    all <- c(reductions_of("Subtract(x,y)", "SqDist(x,y)", "y", "j"),
             reductions_of("Subtract(x,y)", "SqDist(x,y)", "x", "i"))
    with_options(list(precision = precision), {
      ops <- build_formulas(lapply(all, list, args))
      set.seed(2)
      for (size in list(c(6, 9), c(40, 130), c(3, 1), c(1, 7), c(2, 2)))
        for (k in seq_along(all)) {
          data <- list(uniform(size[1], 3), uniform(size[2], 3))
          expect_oracle(all[k], args, data, precision, op = ops[[k]])
        }
    })
  })
}

test_that("ties go to the lowest position and NaN is skipped", {
  v <- c(3, 1, NaN, 1, 5, 5, NA, 3, Inf, -Inf, -Inf, Inf)
  table <- reduction_table()
  unweighted <- reductions_of("x", "x", "x", "i", table[table$operands == 1, ])
  for (text in unweighted)
    expect_oracle(text, "x=Vi(1)", list(matrix(v)))
  for (v in list(c(NaN, NaN), c(Inf, Inf), c(-Inf, -Inf), c(NaN, Inf), c(Inf, NaN, 1)))
    for (text in unweighted)
      expect_oracle(text, "x=Vi(1)", list(matrix(v)))
})

test_that("ties go to the lowest position whatever the split", {
  same <- matrix(rep(c(2, 1, 1), 5000))
  for (precision in names(machine_eps)) with_options(list(precision = precision), {
    expect_identical(argmin(Vj(same), "j"), matrix(2L))
    expect_identical(argmax(Vj(same), "j"), matrix(1L))
    expect_identical(argKmin(Vj(same), 3, "j"), matrix(c(2L, 3L, 5L), 1))
  })
})

test_that("log-sum-exp of special values is as decided", {
  lse <- keops_kernel("LogSumExp_Reduction(x, i)", "x=Vi(1)")
  for (precision in names(machine_eps)) with_options(list(precision = precision), {
    near <- function(found, truth)
      expect_equal(found, truth, tolerance = 4 * machine_eps[[precision]])
    expect_identical(lse(list(c(-Inf, -Inf))), matrix(-Inf))
    expect_identical(lse(list(c(-Inf, 0))), matrix(0))
    expect_identical(lse(list(c(1, Inf, Inf))), matrix(Inf))
    expect_identical(lse(list(c(1, NaN))), matrix(NaN))
    near(lse(list(c(1000, 1000))), matrix(1000 + log(2)))
    near(lse(list(c(-1000, -1000))), matrix(-1000 + log(2)))
    expect_identical(lse(list(double())), matrix(-Inf))
  })
})

test_that("reductions of nothing give the neutral value", {
  none <- matrix(0, 0, 2)
  some <- uniform(3, 2)
  run <- function(text) keops_kernel(text, c("x=Vi(2)", "y=Vj(2)"))(list(some, none))
  expect_identical(run("Sum_Reduction(x*y, j)"), matrix(0, 3, 2))
  expect_identical(run("Min_Reduction(x*y, j)"), matrix(Inf, 3, 2))
  expect_identical(run("Max_Reduction(x*y, j)"), matrix(-Inf, 3, 2))
  expect_identical(run("ArgMin_Reduction(x*y, j)"), matrix(NA_integer_, 3, 2))
  expect_identical(run("ArgKMin_Reduction(SqDist(x,y), 2, j)"), matrix(NA_integer_, 3, 2))
  expect_identical(run("Sum_Reduction(x*y, i)"), matrix(0, 0, 2))
})

test_that("results have the shapes of RKeOps", {
  x <- Vi(uniform(4, 3))
  y <- Vj(uniform(5, 3))
  D <- sqdist(x, y)
  expect_identical(dim(Kmin(D, 2, "j")), c(4L, 2L))
  expect_identical(dim(Kmin(x - y, 2, "j")), c(4L, 2L, 3L))
  expect_identical(dim(Kmin(x - y, 1, "i")), c(5L, 1L, 3L))
  both <- Kmin_argKmin(D, 2, "i")
  expect_type(both, "list")
  expect_null(names(both))
  expect_identical(lapply(both, dim), list(c(5L, 2L), c(5L, 2L)))
  expect_identical(lapply(min_argmin(x - y, "j"), dim), list(c(4L, 3L), c(4L, 3L)))
  expect_identical(dim(logsumexp(D, "j")), c(4L, 1L))
  expect_identical(dim(sumsoftmaxweight(D, "j", y)), c(4L, 3L))
  expect_type(argmin(D, "j"), "integer")
})

test_that("R functions reduce as their names say", {
  x <- uniform(4, 3)
  y <- uniform(5, 3)
  z <- Vi(x) * Vj(y)
  D <- sqdist(Vi(x), Vj(y))
  agrees <- function(found, text, ulps = 32) {
    truth <- oracle(text, args, list(x, y))
    expect_within(found, truth$value, truth$scale, machine_eps[["float64"]], ulps, text)
  }
  for (index in c("i", "j")) {
    text <- function(name, F = "Mult(x,y)") sprintf("%s_Reduction(%s, %s)", name, F, index)
    for (f in list(sum, sum_reduction)) agrees(f(z, index), text("Sum"))
    for (f in list(min, min_reduction)) agrees(f(z, index), text("Min"))
    for (f in list(max, max_reduction)) agrees(f(z, index), text("Max"))
    for (f in list(argmin, argmin_reduction)) agrees(f(z, index), text("ArgMin"))
    for (f in list(argmax, argmax_reduction)) agrees(f(z, index), text("ArgMax"))
    for (f in list(min_argmin, min_argmin_reduction)) agrees(f(z, index), text("Min_ArgMin"))
    for (f in list(max_argmax, max_argmax_reduction)) agrees(f(z, index), text("Max_ArgMax"))
    for (f in list(Kmin, Kmin_reduction)) agrees(f(z, 2, index), text("KMin", "Mult(x,y), 2"))
    for (f in list(argKmin, argKmin_reduction))
      agrees(f(z, 2, index), text("ArgKMin", "Mult(x,y), 2"))
    for (f in list(Kmin_argKmin, Kmin_argKmin_reduction))
      agrees(f(z, 2, index), text("KMin_ArgKMin", "Mult(x,y), 2"))
    for (f in list(logsumexp, logsumexp_reduction))
      agrees(f(D, index), text("LogSumExp", "SqDist(x,y)"))
    agrees(logsumexp(D, index, weight = Vj(y)), text("LogSumExp", "SqDist(x,y), y"))
    for (f in list(sumsoftmaxweight, sumsoftmaxweight_reduction))
      agrees(f(D, index, Vj(y)), text("SumSoftMaxWeight", "SqDist(x,y), y"))
    agrees(reduction.LazyTensor(z, "Sum", index), text("Sum"))
    agrees(reduction.LazyTensor(z, "KMin", index, 2), text("KMin", "Mult(x,y), 2"))
    agrees(reduction.LazyTensor(D, "LogSumExp", index, Vj(y)), text("LogSumExp", "SqDist(x,y), y"))
  }
  expect_identical(sum(z, index = "j"), sum(z, "j"))
  expect_identical(min(1, 2, 3), 1)
  expect_identical(sum(c(1, NA), na.rm = TRUE), 1)
})

test_that("min and max see NaN as in R, na.rm = TRUE skips it", {
  v <- rbind(c(2, NA, 1), c(NaN, -Inf, 3), c(NaN, NaN, NaN), c(Inf, 4, -2), Inf, -Inf)
  for (precision in c("float32", "float64")) for (columns in list(1:3, rep(1:3, 700)))
    with_options(list(precision = precision), {
      w <- v[, columns]
      x <- Vj(t(w)) # component i of column j
      for (f in list(min, max)) {
        truth <- matrix(apply(w, 1, f), 1)
        truth[is.na(truth)] <- NaN
        skipped <- suppressWarnings(matrix(apply(w, 1, f, na.rm = TRUE), 1))
        expect_identical(f(x, "j") + 0, truth)
        expect_identical(f(x, "j", na.rm = TRUE), skipped)
        expect_identical(f(x, index = "j", na.rm = FALSE) + 0, truth)
      }
      expect_identical(min_reduction(x, "j"), min(x, "j", na.rm = TRUE))
      expect_identical(reduction.LazyTensor(x, "Max", "j"), max(x, "j", na.rm = TRUE))
      # over the components
      for (f in list(min, max)) {
        truth <- matrix(apply(v, 1, f))
        truth[is.na(truth)] <- NaN
        expect_identical(sum(f(Vi(v)) + 0 * Vj(matrix(1)), "j"), truth)
      }
      expect_identical(sum(min(Vi(v), na.rm = TRUE) + Vj(matrix(0)), "j"),
                       matrix(c(1, -Inf, NaN, -2, Inf, -Inf)))
    })
  none <- matrix(0, 0, 2)
  expect_identical(c(min(Vj(none), "j"), max(Vj(none), "j")), c(Inf, Inf, -Inf, -Inf))
})

test_that("na.rm is for minima, maxima and their kin", {
  x <- Vi(matrix(c(3, NaN, 1)))
  expect_identical(argmin(x, "i", na.rm = TRUE), argmin(x, "i"))
  expect_identical(Kmin(x, 2, "i", na.rm = TRUE), matrix(c(1, 3), 1))
  expect_identical(min_argmin(x, "i", na.rm = TRUE), min_argmin(x, "i"))
  expect_identical(max_reduction(x, "i", na.rm = TRUE), matrix(3))
  for (f in list(sum, prod, range))
    expect_error(f(x, "i", na.rm = TRUE), class = "rkeops_error_argument")
  expect_error(sum(x, "i", na.rm = TRUE), "`na.rm` is TRUE", class = "rkeops_error_argument")
  expect_error(any(x < 1, "i", na.rm = TRUE), "na.rm", class = "rkeops_error_argument")
  expect_error(min(x, "i", na.rm = NA), "na.rm", class = "rkeops_error_argument")
  expect_error(argKmin(x, 2, "i", na.rm = FALSE), "expected TRUE", class = "rkeops_error_argument")
  expect_error(logsumexp(x, "i", na.rm = TRUE), "na.rm", class = "rkeops_error_argument")
  expect_error(sum_reduction(x, "i", na.rm = TRUE), "na.rm", class = "rkeops_error_argument")
})

test_that("what is masked by Inf has no position", {
  points <- matrix(c(0, 1, 2, 10))
  group <- matrix(c(1, 1, 1, 2)) # nobody else is in the second one
  number <- matrix(1:4)
  d <- where(Vi(number) != Vj(number) & Vi(group) == Vj(group), sqdist(Vi(points), Vj(points)), Inf)
  for (precision in c("float32", "float64")) with_options(list(precision = precision), {
    expect_identical(argmin(d, "j"), matrix(c(2L, 1L, 2L, NA)))
    expect_identical(min_argmin(d, "j"), list(matrix(c(1, 1, 1, Inf)), matrix(c(2L, 1L, 2L, NA))))
    expect_identical(max_argmax(-d, "j"), list(matrix(c(-1, -1, -1, -Inf)), argmin(d, "j")))
    expect_identical(Kmin_argKmin(d, 3, "j"),
                     list(cbind(c(1, 1, 1, Inf), c(4, 1, 4, Inf), Inf),
                          cbind(c(2L, 1L, 2L, NA), c(3L, 3L, 1L, NA), NA_integer_)))
    expect_identical(argKmin(d, 70, "j"), cbind(argKmin(d, 3, "j"), matrix(NA_integer_, 4, 67)))
    expect_identical(min(d, "j"), matrix(c(1, 1, 1, Inf)))
    v <- Vi(points)
    f <- where(Vi(number) != Vj(number) & Vi(group) == Vj(group), sqdist(v, Vj(points)), Inf)
    expect_identical(gradient(min(f, "j", call = FALSE), wrt = v), matrix(c(-2, 2, 2, 0)))
    expect_identical(gradient(min(f, "j", na.rm = TRUE, call = FALSE), wrt = v),
                     matrix(c(-2, 2, 2, 0)))
    expect_identical(gradient(Kmin(f, 2, "j", call = FALSE), wrt = v, cotangent = matrix(1, 4, 2)),
                     matrix(c(-6, 0, 6, 0)))
  })
})

test_that("the derivative of a minimum that is NaN is that of its first NaN", {
  x <- matrix(c(1, 2))
  y <- matrix(c(5, NaN, 3, NaN))
  v <- Vi(x)
  w <- Vj(y)
  square <- min((v - w)^2, "j", call = FALSE)
  expect_identical(square() + 0, matrix(NaN, 2, 1))
  expect_identical(gradient(square, wrt = v) + 0, matrix(NaN, 2, 1))
  for (f in list(min, max)) {
    op <- f(2 * v - w, "j", call = FALSE)
    expect_identical(gradient(op, wrt = w), matrix(c(0, -2, 0, 0)))
    expect_identical(gradient(op, wrt = v), matrix(c(2, 2)))
    expect_identical(jvp(op, wrt = v, direction = matrix(c(1, 10))), matrix(c(2, 20)))
    second <- gradient(gradient(f((v - Vj(matrix(c(0, 4))))^3, "j", call = FALSE), wrt = v,
                                call = FALSE), wrt = v, cotangent = 1)
    expect_identical(second, if (identical(f, min)) 6 * (x - 4) else 6 * x)
    inner <- sum(f(Vi(matrix(c(1, NaN, 3), 1)) * w), "j", call = FALSE)
    expect_identical(gradient(inner, wrt = w)[c(1, 3), ] + 0, c(NaN, NaN))
  }
})

test_that("a reduction over an index that is not there is a mistake that is said", {
  x <- matrix(as.double(1:6), 3)
  forgotten <- exp(-sum((Vi(x) - Vi(x))^2))
  said <- function(code) expect_warning(code, "depends on", class = "rkeops_warning_index")
  said(expect_identical(rowSums(forgotten), rep(1, 3)))
  said(colSums(exp(-sum((Vj(x) - Vj(x))^2))))
  said(rowMeans(forgotten))
  said(expect_identical(sum(Vi(x), "j"), x))
  said(min(Vi(x), "j"))
  said(any(Vi(x) < 1, "j"))
  said(argmin(Vi(x), "j"))
  said(Kmin(Vi(x), 2, "j"))
  said(logsumexp(sum(Vi(x)), "j"))
  said(sum(Pm(2), "i"))
  said(reduction.LazyTensor(Vi(x), "Sum", "j"))
  said(sum(Vi(x), "j", call = FALSE))
  said(grad(sum(Vi(x)), Vi(x[, 1, drop = FALSE]), "Sum", 0, "j"))
  said(keops_kernel("Sum_Reduction(SqDist(x,y), 0)", c("x=Vi(2)", "y=Vi(2)", "s=Pm(1)")))
  said(keops_kernel("k = Exp(x*y); Max_Reduction(k, i)", c("x=Vj(2)", "y=Vj(2)")))
  # an index that is there, in another operand too; what rkeops does itself; derivatives
  expect_no_warning({
    sum(Vi(x), "i")
    rowSums(exp(-sum((Vi(x) - Vj(x))^2)))
    logsumexp(sum(Vi(x)), "j", weight = Vj(x))
    diag(exp(-sum((Vi(x) - Vj(x))^2)))
    diag(forgotten)
    as.matrix(sum(Vi(x)))
    summary(sum(Vi(x)))
    forgotten %*% 1
    op <- sum(Vi(x)^2, "i", call = FALSE)
    gradient(op, wrt = Vi(x), cotangent = matrix(1, 1, 2))
    keops_grad(keops_kernel("Sum_Reduction(Square(x), 1)", "x=Vi(2)"), "x")
    keops_kernel("Sum_Reduction(x, 0)", c("x=Vi(2)", "y=Vj(2)"))
    keops_kernel("Sum_Reduction(Exp(s*x), 0)", c("x=Vi(2)", "s=Pm(1)"))
    keops_kernel("Grad(Sum_Reduction(Square(x), i), x, e)", c("x=Vi(2)", "e=Pm(2)"))
  })
})

test_that("positions count from index_base, and that is said once", {
  D <- sqdist(Vi(uniform(4, 3)), Vj(uniform(5, 3)))
  from_one <- argmin(D, "j")
  with_options(list(index_base = 0), expect_identical(argmin(D, "j"), from_one - 1L))
  session$informed <- setdiff(session$informed, "positions")
  expect_message(argmin(D, "j"), "count from 1", class = "rkeops_message")
  expect_no_message(argmin(D, "j"))
  session$informed <- setdiff(session$informed, "positions")
  with_options(list(index_base = 1), expect_no_message(argmin(D, "j")))
  # by RKeOps' names only
  expect_no_message({
    compute(reduction_state(D, "ArgKMin", "j", 2L))
    argmin(D)
    Kmin(D, 2, "j")
  })
  named <- list(function() argKmin(D, 2, "j"), function() argmax_reduction(D, "i"),
                function() min_argmin(D, "j"), function() Kmin_argKmin_reduction(D, 2, "j"),
                function() reduction.LazyTensor(D, "ArgMin", "j"),
                function() keops_kernel("ArgMin_Reduction(x, i)", "x=Vi(1)")(list(1:3)))
  for (f in named) {
    expect_message(f(), "count from 1", class = "rkeops_message")
    session$informed <- setdiff(session$informed, "positions")
  }
  session$informed <- union(session$informed, "positions")
})

test_that("formula_only shows the formula instead of computing", {
  with_options(list(formula_only = TRUE),
    expect_error(sum(Vi(matrix(1)) * 2, "i"), "Sum_Reduction(Mult(V0,2),i)", fixed = TRUE,
                 class = "rkeops_error_formula"))
})

test_that("the option sum_scheme is for sums only", {
  x <- Vi(uniform(4, 3))
  for (scheme in sum_schemes) with_options(list(sum_scheme = scheme), {
    expect_silent(sum(x, "i"))
    expect_silent(min(x, "i"))
  })
})

test_that("long lists hold the first of equals, neither Inf nor NaN, whatever came when", {
  set.seed(5)
  for (size in list(c(1, 40), c(1, 5000), c(70, 300), c(3, 2000))) {
    x <- matrix(sample(0:200, size[1], TRUE) / 8)
    y <- matrix(sample(0:200, size[2], TRUE) / 8)
    y[c(7, 9)] <- Inf
    y[20:25] <- NaN
    D <- abs(Vi(x) - Vj(y))
    dense <- abs(outer(x[, 1], y[, 1], "-"))
    for (K in c(64, 300)) {
      order_of <- function(v) {
        v[is.infinite(v)] <- NA
        c(order(v, na.last = NA), rep(NA, K))[seq_len(K)]
      }
      positions <- t(apply(dense, 1, order_of))
      values <- t(apply(dense, 1, function(v) c(sort(v), rep(Inf, K))[seq_len(K)]))
      with_options(list(precision = "float32", index_base = 1), {
        found <- Kmin_argKmin(D, K, "j")
        expect_identical(found[[2]], positions)
        expect_identical(found[[1]], values)
        expect_identical(argKmin(t(D), K, "i"), positions)
      })
    }
  }
})
