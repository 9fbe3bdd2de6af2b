# Derivatives in float64: against difference quotients, each other and closed forms.
optimising <- set_rkeops_options(quick_options())

in_float64 <- function(code) with_options(list(precision = "float64"), code)

# With a step h a central difference errs by h^2/6 times a third derivative and by eps / h times the
# value. At h = 2^-17, where derivatives up to the third are at most 100 times the values (as on
# the data here), that is below 1e-9 of the values and derivatives.
step_size <- 2^-17
difference_bound <- 1e-6

# The values of a result as a matrix: of a pair the first; an array n x K x D with D fastest.
values_of <- function(x) {
  if (is.list(x)) x <- x[[1]]
  if (length(dim(x)) == 3) matrix(aperm(x, c(1, 3, 2)), nrow(x)) else x
}

# The program "R, Grad(R, a, ct), ..., Diff(R, a, ua), ..." for all variables a of R.
derivative_program <- function(text, args) {
  info <- parse_aliases(args)
  output <- output_of(new_program(text, args))
  a <- info$var_name
  results <- c(text, sprintf("Grad(%s, %s, ct)", text, a), sprintf("Diff(%s, %s, u%s)", text, a, a))
  list(paste(results, collapse = ", "),
       c(args, sprintf("ct=%s(%d)", output$kind, output$dim),
         sprintf("u%s=%s(%d)", a, info$var_type, info$var_dim)))
}

# `op` computes R, `derivatives` its derivative_program(): Diff is the limit of differences, Grad
# its adjoint, <e, Diff(u)> = <Grad(e), u>.
expect_derivatives <- function(op, derivatives, data, label) {
  data <- lapply(data, as.matrix)
  data <- lapply(data, function(x) if (ncol(x) == 1) as.vector(x) else x)
  value <- values_of(op(data))
  n <- length(data)
  e <- uniform(nrow(value), ncol(value), -1, 1)
  u <- lapply(data, function(x) replace(x, TRUE, runif(length(x), -1, 1)))
  out <- lapply(derivatives(c(data, list(e), u)), values_of)
  expect_equal(out[[1]], value, tolerance = 1e-12, label = paste("value of", label))
  for (k in seq_len(n)) {
    along <- out[[1 + n + k]]
    moved <- function(h) values_of(op(replace(data, k, list(data[[k]] + h * u[[k]]))))
    quotient <- (moved(step_size) - moved(-step_size)) / (2 * step_size)
    excess <- abs(along - quotient) / (abs(quotient) + max(abs(value)) + 1)
    expect_lt(max(excess), difference_bound, label = sprintf("Diff %d of %s", k, label))
    gradient <- out[[1 + k]]
    expect_length(gradient, length(data[[k]]))
    size <- sum(abs(e * along)) + sum(abs(gradient * as.vector(u[[k]])))
    expect_lte(abs(sum(e * along) - sum(gradient * as.vector(u[[k]]))), 1e-11 * size + 1e-300,
               label = sprintf("<e, Diff %d> - <Grad %d, u> of %s", k, k, label))
  }
}

# All of them: a list of list(text, args), with few compiles.
expect_all_derivatives <- function(formulas, make_data = data_for) {
  data <- lapply(formulas, function(f) make_data(f[[2]]))
  in_float64(compiled_quickly({
    ops <- build_formulas(formulas)
    derivatives <- build_formulas(lapply(formulas, function(f) derivative_program(f[[1]], f[[2]])))
    for (k in seq_along(formulas))
      expect_derivatives(ops[[k]], derivatives[[k]], data[[k]],
                         paste(c(formulas[[k]][[1]], formulas[[k]][[2]]), collapse = " "))
  }))
}

test_that("every operation has the derivatives that difference quotients show", {
  skip_on_cran() # takes a while
  table <- operation_table()
  table <- table[grepl("^[A-Z]", table$name) & !duplicated(table$name), ]
  table <- table[table$kind != "derivative", ]
  formulas <- do.call(c, Map(formulas_of, table$name, table$operands, table$integers))
  one_way <- seq(1, length(formulas), by = 4) + rep_len(0:3, length(formulas) / 4) # for each shape
  if (is_full) one_way <- seq_along(formulas)
  set.seed(3)
  expect_all_derivatives(formulas[one_way])
})

# The gradient of a formula by one of its variables, as a formula.
gradient_formula <- function(formula, k) {
  args <- formula[[2]]
  output <- output_of(new_program(formula[[1]], args))
  list(sprintf("Grad(%s, %s, ct1)", formula[[1]], sub("=.*", "", args[1 + k %% length(args)])),
       c(args, sprintf("ct1=%s(%d)", output$kind, output$dim)))
}

test_that("every operation has the second derivatives that difference quotients show", {
  skip_on_cran() # takes a while
  table <- operation_table()
  table <- table[grepl("^[A-Z]", table$name) & !duplicated(table$name), ]
  table <- table[table$kind != "derivative", ]
  formulas <- unname(Map(function(name, operands, integers, k) {
    formulas <- formulas_of(name, operands, integers)
    gradient_formula(formulas[[1 + k %% 4]], k)
  }, table$name, table$operands, table$integers, seq_len(nrow(table))))
  set.seed(21)
  expect_all_derivatives(formulas)
})

test_that("broadcast operands, tests and real variables of complex formulas have derivatives", {
  F <- c("Powf(x,s)", "Powf(s,y)", "Powf(x,y)", "Atan2(s,x)", "Atan2(y,s)", "IfElse(x-0.5,s,y)",
         "IfElse(s-0.5,x,y*y)", "IfElse(x<y,x*s,Sin(y))", "Where(x<s,x|y,s)",
         "IfElse(s-0.5,MatVecMult(TensorProd(x,y),x),y)", "Clamp(x,s,y)", "Mod(x+3,s,y)",
         "ComplexSquareAbs(Real2Complex(x))*y", "ComplexAbs(ComplexExp1j(x)+Real2Complex(y))",
         "ComplexMult(Real2Complex(s),ComplexExp1j(x*y))", "ComplexRealScal(s,Imag2Complex(x*y))",
         "ComplexSum(ComplexDivide(Real2Complex(x),ComplexExp1j(s)))")
  args <- c("x=Vi(3)", "y=Vj(3)", "s=Pm(1)")
  set.seed(11)
  expect_all_derivatives(lapply(sprintf("Sum_Reduction(%s, j)", F), list, args))
})

test_that("every reduction has the derivatives that difference quotients show", {
  skip_on_cran() # takes a while
  F <- "Exp(-s*SqDist(x,y))*b"
  scalar <- "SqDist(x,y)*s"
  args <- c("x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "s=Pm(1)")
  all <- reduction_table()
  table <- all[is.na(all$no_derivative), ]
  texts <- function(index) reductions_of(F, scalar, "b", index, table)
  formulas <- lapply(c(texts("i"), texts("j")), list, args)
  named <- sub("_Reduction.*", "", vapply(formulas, `[[`, "", 1))
  expect_setequal(named, table$name)
  for (name in setdiff(all$name, table$name)) # raw sums: parts of the others
    expect_error(keops_kernel(sprintf("Grad(%s_Reduction(%s, b, j), x, x)", name, scalar), args),
                 "no derivative: use", class = "rkeops_error_formula")
  set.seed(4)
  expect_all_derivatives(formulas)
})

# ---- closed forms --------------------------------------------------------------------------------

# Radial kernels k(r2) of the squared distance, with first and second derivative by r2.
kernels <- list(
  Gauss = list(text = "Exp(-SqDist(x,y))", k = function(r) exp(-r), d1 = function(r) -exp(-r),
               d2 = function(r) exp(-r)),
  Cauchy = list(text = "Inv(1+SqDist(x,y))", k = function(r) 1 / (1 + r),
                d1 = function(r) -1 / (1 + r)^2, d2 = function(r) 2 / (1 + r)^3),
  Matern32 = list(text = "(1+Sqrt(3*SqDist(x,y)))*Exp(-Sqrt(3*SqDist(x,y)))",
                  k = function(r) (1 + sqrt(3 * r)) * exp(-sqrt(3 * r)),
                  d1 = function(r) -1.5 * exp(-sqrt(3 * r)),
                  d2 = function(r) 0.75 * sqrt(3 / r) * exp(-sqrt(3 * r))),
  Matern52 = list(text = "(1+Sqrt(5*SqDist(x,y))+5/3*SqDist(x,y))*Exp(-Sqrt(5*SqDist(x,y)))",
                  k = function(r) (1 + sqrt(5 * r) + 5 / 3 * r) * exp(-sqrt(5 * r)),
                  d1 = function(r) -5 / 6 * (1 + sqrt(5 * r)) * exp(-sqrt(5 * r)),
                  d2 = function(r) 25 / 12 * exp(-sqrt(5 * r))),
  Coulomb = list(text = "Rsqrt(SqDist(x,y))", k = function(r) r^-0.5,
                 d1 = function(r) -0.5 * r^-1.5, d2 = function(r) 0.75 * r^-2.5)
)

test_that("gradients, Laplacians and Hessian products of kernels are the closed forms", {
  D <- 3
  set.seed(7)
  x <- matrix(rnorm(6 * D), 6)
  y <- matrix(rnorm(9 * D), 9)
  b <- matrix(rnorm(9))
  u <- matrix(rnorm(6 * D), 6)
  e <- matrix(rnorm(6))
  args <- c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "e=Vi(1)", "u=Vi(3)")
  data <- list(x, y, b, e, u)
  difference <- function(d) outer(x[, d], y[, d], `-`)
  r <- Reduce(`+`, lapply(1:D, function(d) difference(d)^2))
  along <- Reduce(`+`, lapply(1:D, function(d) difference(d) * u[, d])) # (x - y) . u
  texts <- lapply(kernels, function(k) {
    sum <- sprintf("Sum_Reduction(%s*b, j)", k$text)
    c(gradient = sprintf("Grad(%s, x, e)", sum), tangent = sprintf("Diff(%s, x, u)", sum),
      laplacian = sprintf("Sum_Reduction(Laplacian(%s,x)*b, j)", k$text),
      divergence = sprintf("Sum_Reduction(Divergence(Grad(%s,x,1),x)*b, j)", k$text),
      hessian = sprintf("Diff(Grad(%s, x, e), x, u)", sum),
      hessian2 = sprintf("Grad(Grad(%s, x, e), x, u)", sum),
      jacobian = sprintf("Sum_Reduction(GradMatrix(%s*u,x)*b, j)", k$text))
  })
  in_float64({
    ops <- compiled_quickly(build_formulas(lapply(unlist(texts), list, args)))
    found <- lapply(ops, function(op) op(data))
    names(found) <- names(unlist(texts))
    for (name in names(kernels)) {
      k <- kernels[[name]]
      result <- function(what) found[[paste0(name, ".", what)]]
      same <- function(what, truth) expect_equal(result(what), truth, tolerance = 1e-12,
                                                 label = paste(name, what))
      times_b <- function(weight) sapply(1:D, function(d) (weight * difference(d)) %*% b)
      first <- 2 * k$d1(r)
      gradient <- times_b(first)
      same("gradient", gradient * e[, 1])
      same("tangent", matrix(rowSums(gradient * u)))
      laplacian <- (2 * D * k$d1(r) + 4 * r * k$d2(r)) %*% b
      same("laplacian", laplacian)
      same("divergence", laplacian)
      hessian <- (times_b(4 * k$d2(r) * along) + c(first %*% b) * u) * e[, 1]
      same("hessian", hessian)
      same("hessian2", hessian)
      same("jacobian", do.call(cbind, lapply(1:D, function(d) gradient * u[, d])))
    }
  })
})

test_that("linear operators and Jacobians are what the matrix says", {
  set.seed(10)
  A <- matrix(rnorm(9), 3)
  x <- matrix(rnorm(12), 4)
  u <- matrix(rnorm(12), 4)
  w <- matrix(rnorm(12), 4)
  args <- c("A=Pm(9)", "x=Vi(3)", "u=Vi(3)", "w=Vi(3)")
  rows <- function(x) matrix(x, 4, length(x), byrow = TRUE) # the same for each i
  by_row <- as.vector(t(A))
  jacobian <- function(f) t(apply(x, 1, function(v) as.vector(t(f(v)))))
  truth <- list(
    "AdjointOperator(MatVecMult(A,x), x, u)" = u %*% A,
    "TraceOperator(MatVecMult(A,x), x)" = rows(sum(diag(A))),
    "TraceOperator(MatVecMult(A,x), x, w)" = matrix(w %*% diag(A)),
    "SumLinOperator(MatVecMult(A,x), x)" = rows(sum(A)),
    "SumLinOperator(MatVecMult(A,x), x, u, w)" = matrix(rowSums((u %*% A) * w)),
    "SumLinOperator(Concat(x,VecMatMult(x,A)), x)" = rows(3 + sum(A)),
    "GradMatrix(MatVecMult(A,x), x)" = rows(by_row),
    "Divergence(MatVecMult(A,x), x)" = rows(sum(diag(A))),
    "Laplacian(x|MatVecMult(A,x), x)" = rows(2 * sum(diag(A))),
    "GradMatrix(Exp(x)*Sum(x), x)" =
      jacobian(function(v) diag(exp(v) * sum(v)) + outer(exp(v), rep(1, 3))),
    "GradMatrix(Normalize(x), x)" =
      jacobian(function(v) (diag(3) - outer(v, v) / sum(v^2)) / sqrt(sum(v^2))),
    "Divergence(Square(x)*u, x)" = matrix(rowSums(2 * x * u)),
    # what does not depend on the variable has derivatives 0
    "GradMatrix(u, x)" = rows(double(9)),
    "Divergence(u, x)" = rows(0),
    "TraceOperator(u, x)" = rows(0),
    "SumLinOperator(u, x)" = rows(0),
    "AdjointOperator(u, x, w)" = rows(double(3)),
    "Laplacian(Sum(u), x)" = rows(0),
    "Laplacian(Sum(x), x)" = rows(0),
    "TraceOperator(0*x, x)" = rows(0),
    "Grad(Sum(u), x, 1)" = rows(double(3)),
    "Diff(Sum(u), x, w)" = rows(0))
  in_float64({
    ops <- build_formulas(lapply(sprintf("Sum_Reduction(%s, j)", names(truth)), list, args))
    for (k in seq_along(truth))
      expect_equal(ops[[k]](list(by_row, x, u, w)), truth[[k]], tolerance = 1e-12,
                   label = names(truth)[k])
  })
})

test_that("singular points are as decided", {
  at <- function(F, x, ...) in_float64(
    keops_kernel(sprintf("Grad(Sum_Reduction(%s, j), x, 1)", F), "x=Vi(1)")(list(matrix(x))))[, 1]
  expect_identical(at("Sqrt(x)", 0), 0)
  expect_identical(at("Rsqrt(x)", 0), 0)
  expect_identical(at("Norm2(x)", 0), 0)
  expect_identical(at("Sum(Normalize(x))", 0), 0)
  expect_identical(at("Asin(x)", c(-1, 1)), c(0, 0))
  expect_identical(at("Acos(x)", c(-1, 1)), c(0, 0))
  expect_identical(at("SinXDivX(x)", 0), 0)
  expect_equal(at("Grad(SinXDivX(x),x,1)", 0), -1 / 3, tolerance = 1e-15)
  expect_identical(at("XLogX(x)", 0), 0)
  expect_identical(at("Grad(XLogX(x),x,1)", 0), 0)
  expect_identical(at("Powf(x,0.5)+Powf(x,0)+Powf(x,1)+Powf(x,1.5)", 0), 1)
  expect_identical(at("Grad(Powf(x,0.5)+Powf(x,1.5)+Powf(x,2.5),x,1)", 0), 0)
  expect_identical(at("Powf(x,-0.5)", 0), -Inf)
  expect_identical(at("Powf(0*x,x)", c(0, 2)), c(0, 0))
  expect_identical(at("ReLU(x)", c(-1, 0, 1)), c(0, 1, 1))
  expect_identical(at("ClampInt(x,0,1)", c(-1, 0, 0.5, 1, 2)), c(0, 1, 1, 1, 0))
  expect_identical(at("Clamp(x,0,1)", c(-1, 0, 0.5, 1, 2)), c(0, 1, 1, 1, 0))
  expect_identical(at("Abs(x)", c(-1, 0, 1)), c(-1, 0, 1))
  expect_identical(at("ComplexAbs(Real2Complex(x))", 0), 0)
  expect_identical(at("Atan2(x,0)+Atan2(0,x)", 0), 0)
  expect_identical(at("ComplexAngle(Real2Complex(x))", 0), 0)
})

# ---- what is not taken ---------------------------------------------------------------------------

test_that("vectors that are chosen whole are summed where they are, of all rows of a tile", {
  set.seed(13)
  X <- matrix(runif(70 * 10, 0.1, 1), 70)
  Y <- matrix(rnorm(37 * 10), 37)
  Y[5, ] <- c(-Inf, rep(0, 9)) # of a negative scalar product: not taken
  e <- rnorm(70)
  S <- X %*% t(Y) - 0.1
  want <- e * ((S[, -5] >= 0) %*% Y[-5, ])
  x <- Vi(X)
  op <- sum(relu((x | Vj(Y)) - 0.1), "j", call = FALSE)
  in_float64(expect_equal(gradient(op, x, e), want, tolerance = 1e-12))
})

test_that("rows and points that a mask leaves out may be anything, NaN and Inf too", {
  X <- matrix(c(0.1, 0.7, 0.4))
  Y <- matrix(c(0.2, NaN, 0.9, Inf))
  valid <- matrix(c(1, 0, 1, 0))
  in_float64({
    x <- Vi(X)
    y <- Vj(Y)
    op <- sum(where(Vj(valid) > 0, exp(-sqdist(x, y)) * y, 0), "j", call = FALSE)
    d <- outer(X[, 1], Y[c(1, 3)], `-`)
    slope <- -2 * d * exp(-d^2)
    expect_equal(gradient(op, x), matrix(slope %*% Y[c(1, 3)]), tolerance = 1e-12)
    by_y <- colSums(exp(-d^2)) - colSums(slope) * Y[c(1, 3)]
    expect_equal(gradient(op, y), matrix(c(by_y[1], 0, by_y[2], 0)), tolerance = 1e-12)
  })
})

test_that("a minimum that is NaN has the gradient of its first NaN, also behind an infinite value", {
  v <- matrix(c(2, -Inf, NaN, NaN, Inf))
  for (precision in c("float32", "float64")) for (f in list(min, max)) {
    chosen <- function(v) {
      y <- Vj(matrix(v))
      op <- f(y, "j", call = FALSE, precision = precision)
      expect_equal(c(jvp(op, y, matrix(seq_along(v)))), sum(gradient(op, y) * seq_along(v)))
      which(gradient(op, y) != 0)
    }
    expect_identical(chosen(v), 3L)
    expect_identical(chosen(-v), 3L)
    expect_identical(chosen(v[1:2]), which(v[1:2] == f(v[1:2])))
    expect_identical(chosen(-v[2:3]), 2L)
  }
})

test_that("a true zero times Inf stays NaN", {
  in_float64({
    op <- keops_kernel("Sum_Reduction(0*Inv(x), j)", "x=Vi(1)")
    expect_identical(keops_grad(op, "x")(list(matrix(0), matrix(1)))[1], NaN)
    taken <- keops_kernel("Sum_Reduction(Where(x<1,0*Inv(x),0), j)", "x=Vi(1)")
    expect_identical(keops_grad(taken, "x")(list(matrix(0), matrix(1)))[1], NaN)
  })
})

test_that("values that are finite at coincident points have finite gradients", {
  X <- matrix(c(0, 0, 1, 1, 2, 5), 3, byrow = TRUE)
  d <- function(k) outer(X[, k], X[, k], `-`)
  r <- d(1)^2 + d(2)^2
  slopes <- list(
    "XLogX(SqDist(x,y))" = log(r) + 1, "Powf(SqDist(x,y),1/2)" = r^-0.5 / 2,
    "Powf(SqDist(x,y),s)" = 0.75 * r^-0.25, "Powf(SqDist(x,y),3/2)" = 1.5 * sqrt(r),
    "Sqrt(SqDist(x,y))" = r^-0.5 / 2, "Norm2(x-y)" = r^-0.5 / 2,
    "Sqrt(SqDist(x,y))*SqDist(x,y)" = 1.5 * sqrt(r))
  args <- c("x=Vi(2)", "y=Vj(2)", "s=Pm(1)")
  data <- list(X, X, 0.75)
  in_float64({
    for (text in names(slopes)) {
      slope <- slopes[[text]]
      diag(slope) <- 0
      op <- keops_kernel(sprintf("Sum_Reduction(%s, j)", text), args)
      by_x <- keops_grad(op, "x")
      expect_equal(by_x(c(data, list(matrix(1, 3, 1)))),
                   cbind(rowSums(2 * slope * d(1)), rowSums(2 * slope * d(2))),
                   tolerance = 1e-12, label = text)
      again <- keops_grad(by_x, "x")(c(data, list(matrix(1, 3, 1), matrix(1, 3, 2))))
      expect_true(all(is.finite(again)), label = text)
    }
    op <- keops_kernel("Sum_Reduction(Powf(SqDist(x,y),s), j)", args)
    off <- r[r > 0]
    expect_equal(c(keops_grad(op, "s")(c(data, list(matrix(1, 3, 1))))), sum(log(off) * off^0.75))
  })
})

test_that("minima differentiate to the element that was selected, missing ones to none", {
  x <- matrix(c(0, 1))
  y <- matrix(c(0.1, 0.4, 5))
  op <- keops_kernel("KMin_Reduction(Square(x-y), 4, j)", c("x=Vi(1)", "y=Vj(1)"))
  in_float64({
    e <- matrix(c(1, 2, 3, 4, 10, 20, 30, 40), 2, byrow = TRUE)
    # x = 0 is nearest to 0.1, 0.4, 5; x = 1 to 0.4, 0.1, 5; the fourth is missing
    dx <- c(sum(2 * (0 - c(0.1, 0.4, 5)) * e[1, 1:3]), sum(2 * (1 - c(0.4, 0.1, 5)) * e[2, 1:3]))
    expect_equal(keops_grad(op, "x")(list(x, y, e)), matrix(dx))
    dy <- -2 * c((0 - 0.1) * 1 + (1 - 0.1) * 20, (0 - 0.4) * 2 + (1 - 0.4) * 10, -5 * 3 - 4 * 30)
    expect_equal(keops_grad(op, "y")(list(x, y, e)), matrix(dy))
  })
})

# ---- keops_grad and the like ---------------------------------------------------------------------

set.seed(8)
x <- uniform(5, 3)
y <- uniform(7, 3)
b <- uniform(7, 2)
args <- c("x=Vi(3)", "y=Vj(3)", "b=Vj(2)", "s=Pm(1)")
op <- keops_kernel("k = Exp(-s*SqDist(x,y)); Sum_Reduction(k*b, j)", args)
data <- list(x, y, b, 0.5)
e <- uniform(5, 2)

test_that("keops_grad() appends one variable of the output's kind and dimension", {
  dx <- keops_grad(op, "x")
  expect_identical(dx()$formula, "k = Exp(-s*SqDist(x,y)); Grad(Sum_Reduction(k*b, j), x, var1)")
  expect_identical(dx()$args, c(args, "var1=Vi(2)"))
  expect_identical(dx()$sum_scheme, "auto")
  expect_identical(dx()$args_info$var_name[5], "var1")
  expect_identical(keops_grad(op, 0)()$formula, dx()$formula)
  expect_identical(keops_grad(dx, "y")()$args, c(dx()$args, "var2=Vi(3)"))
  expect_identical(keops_grad(keops_grad(op, "y"), "x")()$args, c(args, "var1=Vi(2)", "var2=Vj(3)"))
  expect_identical(keops_grad(keops_grad(op, "s"), "x")()$args[6], "var2=Pm(1)")
  over_i <- keops_kernel("Sum_Reduction(x*y, i);", args)
  expect_identical(keops_grad(over_i, "y")()$formula, "Grad(Sum_Reduction(x*y, i), y, var1)")
  expect_identical(keops_grad(over_i, "y")()$args[5], "var1=Vj(3)")
  taken <- keops_kernel("var1 = x; Sum_Reduction(var1*var3, j)", c("x=Vi(1)", "var3=Vj(1)"))
  expect_identical(keops_grad(keops_grad(taken, 0), "var3")()$args[3:4],
                   c("var2=Vi(1)", "var4=Vi(1)"))
})

test_that("gradients are those of dense R, by name and by position, by row and by column", {
  k <- exp(-0.5 * outer(rowSums(x^2), rowSums(y^2), `+`) + x %*% t(y))
  ke <- k * (e %*% t(b))
  truth <- list(x = sapply(1:3, function(d) rowSums(-ke * outer(x[, d], y[, d], `-`))),
                y = sapply(1:3, function(d) colSums(ke * outer(x[, d], y[, d], `-`))),
                b = t(k) %*% e,
                s = matrix(-sum(ke * Reduce(`+`, lapply(1:3, function(d)
                  outer(x[, d], y[, d], `-`)^2)))))
  in_float64(for (v in seq_along(truth)) {
    by_name <- keops_grad(op, names(truth)[v])
    expect_equal(by_name(c(data, list(e))), truth[[v]], tolerance = 1e-12)
    expect_identical(keops_grad(op, v - 1)(c(data, list(e))), by_name(c(data, list(e))))
    expect_identical(by_name(list(var1 = e, s = 0.5, b = b, y = y, x = x)),
                     by_name(c(data, list(e))))
    turned <- c(lapply(data[1:3], t), data[4], list(t(e)))
    expect_equal(by_name(turned, inner_dim = "row"), truth[[v]], tolerance = 1e-12)
  })
})

test_that("operators whose declarations give positions have gradients", {
  placed <- keops_kernel("k = Exp(-s*SqDist(x,y)); Sum_Reduction(k*b, j)",
                         c("s=Pm(3,1)", "x=Vi(0,3)", "b=Vj(2,2)", "y=Vj(1,3)"))
  dx <- keops_grad(placed, 1)
  expect_identical(dx()$args[5], "var1=Vi(4,2)")
  expect_identical(dx()$formula, keops_grad(op, "x")()$formula)
  expect_equal(dx(c(data, list(e))), keops_grad(op, "x")(c(data, list(e))))
  both <- keops_value_and_grad(placed, "x")
  expect_equal(both(c(data, list(e)))$gradients$x, dx(c(data, list(e))))
})

test_that("keops_jvp() takes a tangent of the variable's kind and gives what op gives", {
  u <- uniform(7, 3, -1, 1)
  along <- keops_jvp(op, "y")
  expect_identical(along()$args[5], "var1=Vj(3)")
  expect_identical(along()$formula, "k = Exp(-s*SqDist(x,y)); Diff(Sum_Reduction(k*b, j), y, var1)")
  in_float64({
    moved <- function(h) op(replace(data, 2, list(y + h * u)))
    expect_equal(along(c(data, list(u))), (moved(1e-5) - moved(-1e-5)) / 2e-5, tolerance = 1e-8)
    hessian <- keops_jvp(keops_grad(op, "x"), "x")
    again <- keops_grad(keops_grad(op, "x"), "x") # a symmetric matrix
    v <- uniform(5, 3)
    expect_equal(hessian(c(data, list(e, v))), again(c(data, list(e, v))), tolerance = 1e-12)
  })
})

test_that("value and gradients come together", {
  both <- keops_value_and_grad(op, c("x", "s", "b"))
  expect_identical(both()$args, c(args, "var1=Vi(2)"))
  in_float64({
    out <- both(c(data, list(e)))
    expect_identical(names(out), c("value", "gradients"))
    expect_identical(names(out$gradients), c("x", "s", "b"))
    expect_equal(out$value, op(data), tolerance = 1e-14)
    for (v in c("x", "s", "b"))
      expect_equal(out$gradients[[v]], keops_grad(op, v)(c(data, list(e))), tolerance = 1e-13)
    expect_equal(keops_value_and_grad(op, c(0, 3))(c(data, list(e)))$gradients,
                 out$gradients[c("x", "s")], tolerance = 1e-14)
  })
})

test_that("what is indexed alike is computed in one walk over the pairs", {
  walks <- function(op) {
    source <- keops_source(op, "c")
    lengths(regmatches(source, gregexpr("void rk_pair(", source, fixed = TRUE)))
  }
  one <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))
  expect_identical(walks(one), 1L)
  expect_identical(walks(keops_value_and_grad(one, "x")), 1L)
  expect_identical(walks(keops_value_and_grad(one, c("x", "y", "b"))), 2L)
})

test_that("gradients of many points are accurate, and the same on any number of threads", {
  quick <- set_rkeops_options(optimising)
  .Call(C_forget)
  on.exit(set_rkeops_options(quick))
  x <- as_float32(matrix(rnorm(1200 * 3), ncol = 3))
  y <- as_float32(matrix(rnorm(1700 * 3), ncol = 3))
  b <- as_float32(matrix(rnorm(1700)))
  e <- as_float32(matrix(rnorm(1200)))
  both <- keops_value_and_grad(
    keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)")),
    c("x", "y", "b"))
  difference <- lapply(1:3, function(d) outer(x[, d], y[, d], `-`))
  k <- exp(-Reduce(`+`, lapply(difference, `^`, 2)))
  # sums of terms, and of their absolute values, over j or i
  over <- function(terms, sums) lapply(list(identity, abs), function(f)
    do.call(cbind, lapply(terms, function(t) sums(f(t)))))
  weighted <- k * (e %*% t(b))
  truth <- list(value = over(list(k * rep(b, each = 1200)), rowSums),
                x = over(lapply(difference, function(d) -2 * d * weighted), rowSums),
                y = over(lapply(difference, function(d) 2 * d * weighted), colSums),
                b = over(list(k * e[, 1]), colSums))
  for (precision in c("float32", "float64")) with_options(list(precision = precision), {
    out <- both(list(x, y, b, e))
    found <- c(out["value"], out$gradients)
    # exp(-r) errs by r ulps of float32 where r is rounded to it: r is at most 90 where k is not 0
    for (what in names(truth))
      expect_within(found[[what]], truth[[what]][[1]], truth[[what]][[2]],
                    machine_eps[[precision]], 90, paste(precision, what))
    with_options(list(ncore = 1), expect_identical(both(list(x, y, b, e)), out))
  })
})

test_that("the cotangent of one column may be missing", {
  one <- keops_kernel("LogSumExp_Reduction(-s*SqDist(x,y), i)", args[-3])
  both <- keops_value_and_grad(one, c("x", "y"))
  in_float64({
    truth <- both(list(x, y, 0.5, rep(1, 7)))
    expect_identical(both(list(x, y, 0.5)), truth)
    expect_identical(both(list(s = 0.5, y = y, x = x)), truth)
    expect_identical(both(list(t(x), t(y), 0.5), inner_dim = "row"), truth)
    expect_equal(both(list(as.data.frame(x), as.data.frame(y), 0.5)), truth)
  })
  # a parameter is what the result of this gradient is indexed by; arrays have rows too
  in_float64({
    by_s <- keops_value_and_grad(keops_grad(one, "s"), "s")
    expect_identical(by_s(list(x, y, 0.5, rep(1, 7))), by_s(list(x, y, 0.5, rep(1, 7), 1)))
    nearest <- keops_kernel("KMin_Reduction(Square(x-y), 2, j)", c("x=Vi(3)", "y=Vj(3)"))
    total <- keops_jvp(keops_grad(nearest, "x"), "var1")
    expect_identical(dim(total(list(x, y, array(1, c(5, 2, 3)), array(1, c(5, 2, 3))))), c(5L, 3L))
  })
  expect_error(keops_value_and_grad(op, "x")(data), "var1.*2 columns",
               class = "rkeops_error_argument")
})

test_that("arrays of the K smallest have arrays as cotangents", {
  nearest <- keops_kernel("KMin_ArgKMin_Reduction(Square(x-y), 2, j)", args[1:2])
  E <- array(runif(5 * 2 * 3), c(5, 2, 3))
  columns <- matrix(aperm(E, c(1, 3, 2)), 5)
  dx <- keops_grad(nearest, "x")
  expect_identical(dx()$args[3], "var1=Vi(6)")
  in_float64({
    value <- nearest(list(x, y))
    chosen <- function(d) matrix(y[value[[2]][, , d], d], 5)
    truth <- sapply(1:3, function(d) rowSums(2 * E[, , d] * (x[, d] - chosen(d))))
    expect_equal(dx(list(x, y, E)), truth, tolerance = 1e-12)
    expect_identical(dx(list(x, y, columns)), dx(list(x, y, E)))
    expect_identical(dx(list(t(x), t(y), E), inner_dim = "row"), dx(list(x, y, E)))
    along <- keops_jvp(nearest, "x")(list(x, y, matrix(1, 5, 3)))
    truth <- array(2 * (c(x[, c(1, 1, 2, 2, 3, 3)]) -
                          y[cbind(c(value[[2]]), rep(1:3, each = 10))]), c(5, 2, 3))
    expect_equal(along, truth, tolerance = 1e-12)
    both <- keops_value_and_grad(nearest, "x")(list(x, y, E))
    expect_equal(both$value, value)
    expect_equal(both$gradients$x, dx(list(x, y, E)))
    # the derivative of the gradient by its own cotangent is the gradient
    expect_equal(keops_jvp(dx, "var1")(list(x, y, E, E)), dx(list(x, y, E)))
  })
  expect_error(dx(list(x, y, E[, , 1:2])), "5 x 2 x 2.*n x 2 x 3", class = "rkeops_error_shape")
})

test_that("wrong operators, variables and cotangents are refused", {
  for (wrong in list(mean, 3, NULL, "op", function(input = NULL) 1))
    for (f in list(keops_grad, keops_jvp, keops_value_and_grad))
      expect_error(f(wrong, "x"), "`op`", class = "rkeops_error_argument")
  for (wrong in list("z", 4, -1, 1.5, NA, NULL, TRUE, c("x", "y"), NA_character_))
    for (f in list(keops_grad, keops_jvp))
      expect_error(f(op, wrong), "`var`", class = "rkeops_error_argument")
  expect_error(keops_grad(op, "X"), "did you mean `x`", class = "rkeops_error_argument")
  for (wrong in list(character(), NULL, "z", c("x", "x"), c(0, 4), mean, TRUE, NA))
    expect_error(keops_value_and_grad(op, wrong), "`vars`", class = "rkeops_error_argument")
  expect_error(keops_grad(keops_value_and_grad(op, "x"), "x"), "`op`.*one result",
               class = "rkeops_error_argument")
  many <- sprintf("y%d", 1:16)
  wide <- keops_kernel(sprintf("Sum_Reduction(%s, j)", paste(many, collapse = "+")),
                       paste0(many, "=Vj(1)"))
  expect_error(keops_value_and_grad(wide, many), "`vars`.*16 variables.*at most 15",
               class = "rkeops_error_argument")
  for (formula in c("Sum_Reduction(Exp(x)*Var(1,2,1), j)", "Sum_Reduction(Grad(Exp(x),x), j)"))
    expect_error(keops_grad(keops_kernel(formula, "x=Vi(2)"), "x"), "\\(1,2.*not declared",
                 class = "rkeops_error_argument")
  dx <- keops_grad(op, "x")
  expect_error(dx(data), "5 \\(x, y, b, s, var1\\)", class = "rkeops_error_argument")
  expect_error(dx(c(data, list(e[, 1]))), "var1", class = "rkeops_error_shape")
  expect_error(dx(c(data, list(e[-1, ]))), "var1", class = "rkeops_error_shape")
  expect_error(dx(c(data, list("a"))), "var1", class = "rkeops_error_argument")
  expect_error(keops_grad(op, "s")(c(data, list(0.5))), "var1", class = "rkeops_error_shape")
})

# ---- LazyTensors ---------------------------------------------------------------------------------

test_that("grad() takes a LazyTensor, a name or a position as variable", {
  x_i <- Vi(x)
  y_j <- Vj(y)
  f <- exp(-0.5 * sqdist(x_i, y_j)) * Vj(b)
  in_float64({
    dx <- keops_grad(op, "x")(c(data, list(e)))
    expect_equal(grad(f, Vi(e), "Sum", x_i, "j"), dx, tolerance = 1e-13)
    expect_equal(grad(f, Vi(e), "Sum", Vi(x), "j"), dx, tolerance = 1e-13)
    expect_equal(grad(f, Vi(e) * 2, "Sum", "V0", "j"), 2 * dx, tolerance = 1e-13)
    dy <- keops_grad(op, "y")(c(data, list(e)))
    for (var in list(y_j, "V1", 1)) expect_equal(grad(f, Vi(e), "Sum", var, "j"), dy)
    dy <- keops_grad(op, "y")(c(data, list(cbind(e[, 1], e[, 1]))))
    expect_equal(grad(f, Vi(e[, 1, drop = FALSE]), "Sum", y_j, "j"), dy)
    expect_equal(dim(grad(sum(f), Vj(b) | Pm(c(1, 2)), "Sum", x_i, "i")), c(5L, 3L))
  })
  for (wrong in list(Vi(e), "V9", 3, f, NULL))
    expect_error(grad(f, Vi(e), "Sum", wrong, "j"), "`var`", class = "rkeops_error_argument")
  expect_error(grad(f, Vj(b), "Sum", x_i, "j"), "`gradin`", class = "rkeops_error_argument")
  expect_error(grad(f, e, "Sum", x_i, "j"), "`gradin`", class = "rkeops_error_argument")
  expect_error(grad(x, Vi(e), "Sum", x_i, "j"), "`f`", class = "rkeops_error_argument")
  expect_error(grad(f, Vi(e), 1, x_i, "j"), "`opstr`", class = "rkeops_error_argument")
})

test_that("gradients by complex variables are those by real and imaginary parts", {
  z <- matrix(complex(real = uniform(4, 2), imaginary = uniform(4, 2)), 4)
  w <- matrix(complex(real = uniform(3, 2), imaginary = uniform(3, 2)), 3)
  one <- Vi(matrix(1, 4, 1))
  in_float64({
    # sum over j of Re(z * Conj(w)): its derivative by Re(z) is Re(w), by Im(z) it is Im(w)
    found <- grad(Re(Vi(z) * Conj(Vj(w))), one, "Sum", 0, "j")
    expect_equal(found, matrix(colSums(w), 4, 2, byrow = TRUE))
    found <- grad(Vi(z) * Vj(w), Vi(z), "Sum", 0, "j") # gradient e * Conj(sum of w)
    expect_equal(found, z * matrix(Conj(colSums(w)), 4, 2, byrow = TRUE))
  })
})

test_that("a long chain of operations and its gradient stay short, and run", {
  z <- Vi(x)
  first <- Vi(x)
  value <- x
  slope <- matrix(1, 5, 3)
  for (k in 1:40) {
    z <- z * z * 0.25 + first
    slope <- 0.5 * value * slope + 1
    value <- value * value * 0.25 + x
  }
  expect_lt(nchar(z$formula), 40 * 60)
  in_float64({
    expect_equal(row_values(z), value, tolerance = 1e-12)
    started <- proc.time()[["elapsed"]]
    found <- not_index(grad(z, Vi(matrix(1, 5, 1)), "Sum", 0, "j"))
    expect_lt(proc.time()[["elapsed"]] - started, 60)
    expect_equal(found, slope, tolerance = 1e-12)
  })
})

optimise_again(optimising)
