# Kernels whose time the vectors of the processor decide: exp, roots, division, wide points.
# `bench/cliffs.R` measures them with those of AVX-512, AVX2 and SSE2.

vector_case <- function(text, precision, n = 1e4, D = 3) {
  force(precision)
  x <- matrix(runif(n * D), n) / sqrt(D)
  y <- matrix(runif(n * D), n) / sqrt(D)
  b <- matrix(rnorm(n), n)
  declared <- c(sprintf(c("x=Vi(%d)", "y=Vj(%d)"), D), "b=Vj(1)")
  op <- keops_kernel(sprintf("Sum_Reduction(%s*b, j)", text), declared, precision = precision)
  function() op(list(x, y, b))
}

gradient_case <- function(precision, n = 1e4) {
  force(precision)
  x <- matrix(runif(n * 3), n)
  b <- matrix(rnorm(n), n)
  op <- keops_grad(keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                                c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"), precision = precision), "x")
  function() op(list(x, x, b, b))
}

of <- function(precision) {
  list("exp" = vector_case("Exp(-x*y)", precision, D = 1),
       "Gaussian D = 3" = vector_case("Exp(-SqDist(x,y))", precision),
       "gradient D = 3" = gradient_case(precision),
       "Laplacian D = 3" = vector_case("Exp(-Norm2(x-y))", precision),
       "Cauchy D = 3" = vector_case("Inv(1+SqDist(x,y))", precision),
       "tanh D = 3" = vector_case("Tanh(Sum(x*y))", precision),
       "log D = 3" = vector_case("Log(1+SqDist(x,y))", precision),
       "power D = 3" = vector_case("Powf(1+SqDist(x,y),-0.7)", precision),
       "Gaussian D = 100" = vector_case("Exp(-SqDist(x,y))", precision, n = 4e3, D = 100))
}

cases <- c(setNames(of("float64"), paste(names(of("float64")), "float64")),
           setNames(of("float32"), paste(names(of("float32")), "float32")))
