# Gradients by x of formulas that take one of several branches, and of some that take none: what it
# costs to carry a selection to the variable. 1e8 pairs, one thread.

n <- 1e4
points <- function(D) matrix(runif(n * D, -1.5, 1.5) / sqrt(D / 3), ncol = D)
gaussian <- "d = SqDist(x,y); k = Exp(-d); Sum_Reduction("

formulas <- list(
  "difference" = c(1, "Sum_Reduction(Square(x-y), j)"),
  "clamp" = c(1, "Sum_Reduction(Clamp(x-y,-0.5,0.5), j)"),
  "clamp D = 3" = c(3, "Sum_Reduction(Clamp(x-y,-0.5,0.5), j)"),
  "clamp of a square" = c(3, "Sum_Reduction(Clamp(Square(x-y),0.1,0.5), j)"),
  "relu" = c(1, "Sum_Reduction(ReLU(x-y), j)"),
  "relu D = 3" = c(3, "Sum_Reduction(ReLU(x-y), j)"),
  "relu of a scalar product" = c(10, "Sum_Reduction(ReLU((x|y)-s), j)"),
  "Gaussian D = 3" = c(3, paste0(gaussian, "k*b, j)")),
  "cutoff D = 3" = c(3, paste0(gaussian, "Where(d<s,k,0)*b, j)")),
  "cutoff by IfElse D = 3" = c(3, paste0(gaussian, "IfElse(s-d,k,0)*b, j)")),
  "Gaussian D = 10" = c(10, paste0(gaussian, "k*b, j)")),
  "cutoff D = 10" = c(10, paste0(gaussian, "Where(d<s,k,0)*b, j)")),
  "cutoff by IfElse D = 10" = c(10, paste0(gaussian, "IfElse(s-d,k,0)*b, j)")),
  "cutoff by Step D = 10" = c(10, paste0(gaussian, "Step(s-d)*k*b, j)")),
  "inverse distance" = c(3, "d = SqDist(x,y); Sum_Reduction(Where(d>0,Inv(d),0)*b, j)"),
  "log-sum-exp" = c(3, "LogSumExp_Reduction(-SqDist(x,y), j)"),
  "log-sum-exp, masked" = c(3, "d = SqDist(x,y); LogSumExp_Reduction(Where(d<s,-d,-4), j)"),
  "log-sum-exp of a masked one" =
    c(3, paste0("l = LogSumExp_Reduction(-SqDist(x,y), j); ",
                "LogSumExp_Reduction(Where((x|y)<s,l*b,0), j)")),
  "inner maximum" = c(3, "Sum_Reduction(Max(x-y)*b, j)"),
  "layer" = c(3, "Sum_Reduction(MatVecMult(A,x-y)*b, j)"),
  "relu of a layer" = c(3, "Sum_Reduction(ReLU(MatVecMult(A,x-y))*b, j)"),
  "relu of a layer of pairs" = c(3, "Sum_Reduction(ReLU(MatVecMult(A*b,x-y))*b, j)"))

gradient_case <- function(formula, precision) {
  force(precision)
  D <- as.integer(formula[1])
  op <- keops_kernel(formula[2], c(sprintf("x=Vi(%d)", D), sprintf("y=Vj(%d)", D), "b=Vj(1)",
                                   "s=Pm(1)", sprintf("A=Pm(%d)", 3 * D)), precision = precision)
  inputs <- list(points(D), points(D), matrix(rnorm(n), n), 1.2, matrix(rnorm(3 * D), 1))
  inputs <- c(inputs, list(matrix(rnorm(n * ncol(op(inputs))), n)))
  op <- keops_grad(op, "x")
  function() op(inputs)
}

cases <- list()
for (precision in c("float64", "float32"))
  for (k in names(formulas))
    cases[[paste(k, precision)]] <- gradient_case(formulas[[k]], precision)
