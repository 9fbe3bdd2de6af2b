# Tensors, splines, time warping and complex numbers: shapes and corner cases beyond those that
# test-operations.R generates for every operation.
optimising <- set_rkeops_options(quick_options())

args <- c("x=Vi(24)", "y=Vj(24)", "p=Pm(12)", "s=Vi(1)", "t=Vj(1)")
data_of <- function(...) {
  set.seed(11)
  lapply(list(...), function(size) uniform(size[1], size[2]))
}
data <- data_of(c(5, 24), c(7, 24), c(1, 12), c(5, 1), c(7, 1))

expect_oracles <- function(texts, args, data, ulps = 64) {
  formulas <- lapply(sprintf("Sum_Reduction(%s, j)", texts), list, args)
  for (p in c("float32", "float64")) with_options(list(precision = p), {
    ops <- build_formulas(formulas)
    for (k in seq_along(ops))
      expect_oracle(formulas[[k]][[1]], args, data, p, ulps, ops[[k]])
  })
}

test_that("tensors of all shapes are contracted along all axes", {
  skip_on_cran() # takes a while
  expect_oracles(c(
    "TensorDot(x,y,[4,6],[6,4],[1],[0])", "TensorDot(x,y,[4,6],[4,6],[0],[0])",
    "TensorDot(x,y,[2,3,4],[4,3,2],[2,1],[0,1])", "TensorDot(x,y,[2,3,4],[4,2,3],[0,1,2],[1,2,0])",
    "TensorDot(x,y,[2,3,4],[3,8],[1],[0],[2,0,1])",
    "TensorDot(x-y,p,[2,3,4],[3,2,2],[1],[0],[3,1,0,2])",
    "TensorDot(x-y,x*y,[6,4],[4,6],[1],[0],[1,0])", "TensorDot(s,p,[1],[12],[],[])",
    "TensorDot(p,Extract(y,3,4),[3,2,2],[2,2],[2,1],[1,0])",
    "Kron(Extract(x,2,6),Extract(y,1,4),[2,3],[2,2])",
    "Kron(Extract(x-y,0,4),p,[2,1,2],[1,3,4])", "TensorProd(Extract(x,0,3),TensorProd(s*t,p))",
    "MatVecMult(x-y,Extract(x*y,5,4))", "VecMatMult(Extract(x-y,2,6),x*y)",
    "MatVecMult(p,MatVecMult(y-x,Extract(x,0,6)))",
    "SwapAxes(SwapAxes(x-y,2,3,4),2,4,3)", "Reverse(SwapAxes(x,4,6,1))*SwapAxes(y,2,6,2)",
    "SumBlocks(RepeatEach(Extract(x-y,0,4),3),2,3)",
    "Concat(ComplexReal(x),Reverse(ComplexImag(y)))"
  ), args, data, ulps = 200)
})

test_that("what cannot be contracted is refused with what was expected", {
  refused <- function(text, message)
    expect_error(keops_kernel(sprintf("Sum_Reduction(%s, j)", text), args), message,
                 class = "rkeops_error_formula", fixed = TRUE, label = text)
  refused("TensorDot(x,y,[4,5],[6,4],[1],[0])", "whose product is its dimension 24, found 20")
  refused("TensorDot(x,y,[4,6],[6,4],[0],[0])", "equal sizes, found 4 (axis 0")
  refused("TensorDot(x,y,[4,6],[6,4],[2],[0])", "different and from 0 to 1, found 2")
  refused("TensorDot(x,y,[4,6],[4,6],[0,0],[0,0])", "different and from 0 to 1, found 0")
  refused("TensorDot(x,y,[4,6],[6,4],[1,0],[0])", "as many contracted axes of both tensors")
  refused("TensorDot(x,y,[4,6],[6,4],[1],[0],[0])", "a permutation of the 2 kept axes")
  refused("TensorDot(x,y,[4,6],[6,4],[1],[0],[1,1])", "destinations of the kept axes")
  refused("TensorDot(x,y,[4,-6],[6,4],[1],[0])", "sizes from 1 to 65535")
  refused("TensorDot(x,y,[4,6],[6,4],[1])", "TensorDot: expected 6 to 7 arguments")
  refused("Kron(x,y,[4,6],[24])", "as many axes of both tensors")
  refused("MatVecMult(x,Extract(y,0,5))", "a row-major matrix and a vector of as many columns")
  refused("VecMatMult(Extract(y,0,5),x)", "a vector and a row-major matrix of as many rows")
  refused("BSpline(p,x,2)", "a position of dimension 1")
  refused("BSpline(p,s,11)", "at least k + 2 knots, found 12 knots")
  refused("BSpline(p,s,-1)", "degree k >= 0")
  refused("SoftDTW_SqDist(x,y,p)", "a temperature of dimension 1")
  for (f in c("ComplexReal", "ComplexImag", "Conj", "ComplexAbs", "ComplexSquareAbs",
              "ComplexAngle", "ComplexExp", "ComplexSum"))
    refused(sprintf("%s(Extract(x,0,3))", f), "an even dimension")
  for (f in c("Add", "Subtract", "Mult", "Scal", "Divide")) {
    refused(sprintf("Complex%s(x,Extract(y,0,4))", f), "even dimensions, equal or one of them 2")
    refused(sprintf("Complex%s(x,Extract(y,0,3))", f), "even dimensions, equal or one of them 2")
  }
  refused("ComplexRealScal(x,y)", "a real scalar and complex numbers of even dimension")
  refused("ComplexSumT(Extract(x,0,2),5)", "an even dimension")
})

test_that("splines of all degrees are right at, between and outside of knots that may coincide", {
  skip_on_cran() # takes a while
  knots <- as_float32(c(0, 0, 0, 0.25, 0.5, 0.5, 0.75, 1, 1, 1))
  x <- matrix(c(-1, 0, 0.1, 0.25, 0.375, 0.5, 0.6, 0.75, 0.9, 1, 2, NaN))
  args <- c("t=Pm(10)", "x=Vi(1)", "y=Vj(1)")
  data <- list(matrix(knots, 1), x, matrix(c(0, 0.125)))
  expect_oracles(sprintf("BSpline(t,x+0*y,%d)", 0:4), args, data[1:3])
  with_options(list(precision = "float64"), {
    inside <- data
    inside[[2]] <- matrix(seq(0.01, 0.99, 0.07))
    cubic <- keops_kernel("Sum_Reduction(BSpline(t,x+0*y,2), j)", args)(inside)
    expect_equal(rowSums(cubic) / 2, rep(1, 15), tolerance = 1e-14) # a partition of unity
    for (v in c("x", "t")) {
      slope <- keops_kernel(sprintf("Sum_Reduction(Grad(BSpline(t,x+0*y,2),%s,e), j)", v),
                            c(args, "e=Vi(7)"))(c(inside, list(matrix(1, 15, 7))))
      expect_true(all(is.finite(slope)))
    }
  })
})

test_that("time warping agrees with the table of costs for all lengths", {
  args <- c("x=Vi(24)", "y=Vj(24)", "p=Pm(12)", "s=Vi(1)", "t=Vj(1)")
  expect_oracles(c("SoftDTW_SqDist(s,t,Elem(p,0))", "SoftDTW_SqDist(s,Extract(y,0,5),0.5)",
                   "SoftDTW_SqDist(Extract(x,0,5),t,s)", "SoftDTW_SqDist(Extract(x,0,2),p,t)",
                   "SoftDTW_SqDist(p,Extract(x*y,3,7),s*t)"), args, data)
})

test_that("the code of time warping grows with the lengths, not with their product", {
  length_of <- function(n) {
    args <- c(sprintf("x=Vi(%d)", n), sprintf("y=Vj(%d)", n), "g=Pm(1)")
    nchar(keops_source(keops_kernel("Sum_Reduction(SoftDTW_SqDist(x,y,g), j)", args)))
  }
  expect_lt(length_of(40) - length_of(20), 1.2 * (length_of(20) - length_of(10)) * 2)
})

# ---- random movements of components --------------------------------------------------------------

optimise_again(optimising)
