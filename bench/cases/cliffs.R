# The vocabulary of kernels, one function a case, and sums whose exponents are not of order one.
# 1e8 pairs (5e7 for bandwidths), one thread. `bench/cliffs.R` makes the tables.

n <- 1e4
r_i <- matrix(runif(n), n)
r_j <- matrix(runif(n), n)
on_unit <- "(x+y)/2"                                   # a value of the pair in (0, 1)
functions <- c(exp = "Exp(-v)", expm1 = "Expm1(v)", log = "Log(v)", log1p = "Log1p(v)",
               xlogx = "XLogX(v)", inverse = "Inv(v)", sqrt = "Sqrt(v)", rsqrt = "Rsqrt(v)",
               "inverse root" = "Inv(Sqrt(v))", quotient = "Divide(v,1+y*v)",
               sin = "Sin(v)", "sin far" = "Sin(v*1e9)", cos = "Cos(v)",
               sinxdivx = "SinXDivX(v)", asin = "Asin(v)", acos = "Acos(v)", atan = "Atan(v)",
               atan2 = "Atan2(v,x)", sinh = "Sinh(v)",
               cosh = "Cosh(v)", tanh = "Tanh(v)", power = "Powf(1+v,m)",
               "power 3" = "Pow(1+v,3)", floor = "Floor(v)", round = "Round(v,2)",
               abs = "Abs(v)", sign = "Sign(v)", step = "Step(v)", relu = "ReLU(v)",
               clamp = "Clamp(v,0.2,0.8)", "if else" = "IfElse(v-0.5,v,1)", mod = "Mod(v,x,0)")

function_case <- function(text, precision) {
  force(precision)
  op <- keops_kernel(paste0("v = ", on_unit, "; Sum_Reduction(", text, ", j)"),
                     c("x=Vi(1)", "y=Vj(1)", "m=Pm(1)"), precision = precision)
  function() op(list(r_i, r_j, -0.7))
}

x <- matrix(runif(n * 3), n)
y <- matrix(runif(n * 3), n)
b <- matrix(rnorm(n), n)
e <- matrix(rnorm(n), n)
far <- rbind(x[-1, ], 1e3)                             # one row of many is far from all others
declared <- c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "s=Pm(1)")

width_case <- function(text, s, precision, gradient = FALSE, weights = b, rows = x) {
  force(s); force(precision); force(weights); force(rows)
  op <- keops_kernel(text, declared, precision = precision)
  if (gradient) op <- keops_grad(op, "x")
  function() op(c(list(rows, y, weights, s), if (gradient) list(e)))
}

widths <- c(0.01, 1, 100, 1000, 2000, 1e4, 1e6, 1e8)      # 10 to 1e-4 times the cube
sums <- c(sum = "Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)",
          "log-sum-exp" = "LogSumExp_Reduction(-s*SqDist(x,y), j)",
          softmax = "SumSoftMaxWeight_Reduction(-s*SqDist(x,y), b, j)",
          laplacian = "Sum_Reduction(Exp(-s*Norm2(x-y))*b, j)",
          tanh = "Sum_Reduction(Tanh(Exp(-s*SqDist(x,y)))*b, j)")

cases <- list()
for (precision in c("float64", "float32")) {
  named <- function(...) paste(..., precision)
  for (k in names(functions))
    cases[[named("f", k)]] <- function_case(functions[[k]], precision)
  for (s in widths) {
    for (k in names(sums))
      cases[[named("w", k, s)]] <- width_case(sums[[k]], s, precision)
    cases[[named("w", "gradient", s)]] <- width_case(sums[["sum"]], s, precision, TRUE)
  }
  # weights whose products with the kernel are subnormal, and weights that are so themselves
  weights <- if (precision == "float64") c(small = 1e-300, tiny = 1e-310)
             else c(small = 1e-36, tiny = 1e-40)
  for (k in names(weights))
    cases[[named("w", paste0("weights-", k), 1000)]] <-
      width_case(sums[["sum"]], 1000, precision, weights = weights[[k]] * b)
  cases[[named("w", "far-row 1")]] <- width_case(sums[["log-sum-exp"]], 1, precision, rows = far)
}
