# The cases of the other scripts of bench/, small: what must not become slower.

points <- function(n, D) matrix(runif(n * D, -1.5, 1.5) / sqrt(D / 3), ncol = D)

gaussian <- function(n, D, columns, precision, gradient = FALSE) {
  force(precision)
  inputs <- list(points(n, D), points(n, D), matrix(rnorm(n * columns), n))
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                     sprintf(c("x=Vi(%d)", "y=Vj(%d)", "b=Vj(%d)"), c(D, D, columns)),
                     precision = precision)
  if (gradient) {
    op <- keops_grad(op, "x")
    inputs <- c(inputs, list(matrix(rnorm(n * columns), n)))
  }
  function() op(inputs)
}

reduction <- function(text, precision, n = 1e4, D = 3) {
  force(precision)
  inputs <- list(points(n, D), points(n, D))
  op <- keops_kernel(text, sprintf(c("x=Vi(%d)", "y=Vj(%d)"), c(D, D)), precision = precision)
  function() op(inputs)
}

small_calls <- function(precision) {
  one <- reduction("Sum_Reduction(Exp(-SqDist(x,y)), j)", precision, n = 100)
  function() for (k in 1:2000) one()
}

lazy_calls <- function(precision) {
  force(precision)
  x <- points(100, 3)
  y <- points(100, 3)
  function() for (k in 1:200) sum(exp(-sum((Vi(x) - Vj(y))^2)), "j", precision = precision)
}

of <- function(precision) {
  list("Gaussian D = 1" = gaussian(1e4, 1, 1, precision),
       "Gaussian D = 3" = gaussian(2e4, 3, 1, precision),
       "Gaussian D = 10" = gaussian(1e4, 10, 1, precision),
       "Gaussian D = 15, 15 columns" = gaussian(6e3, 15, 15, precision),
       "Gaussian D = 100" = gaussian(5e3, 100, 1, precision),
       "gradient D = 3" = gaussian(1e4, 3, 1, precision, gradient = TRUE),
       "log-sum-exp" = reduction("LogSumExp_Reduction(-SqDist(x,y), j)", precision),
       "10 nearest" = reduction("ArgKMin_Reduction(SqDist(x,y), 10, j)", precision),
       "100 nearest" = reduction("ArgKMin_Reduction(SqDist(x,y), 100, j)", precision, 5e3),
       "argmin" = reduction("ArgMin_Reduction(SqDist(x,y), j)", precision),
       "max" = reduction("Max_Reduction(-SqDist(x,y), j)", precision),
       "Laplacian" = reduction("Sum_Reduction(Exp(-Norm2(x-y)), j)", precision),
       "Cauchy" = reduction("Sum_Reduction(Inv(1+SqDist(x,y)), j)", precision),
       "Matern 5/2" = reduction(paste0("r = Sqrt(5*SqDist(x,y)); ",
                                       "Sum_Reduction((1+r+r*r/3)*Exp(-r), j)"), precision),
       "multiquadric" = reduction("Sum_Reduction(Inv(Sqrt(1+SqDist(x,y))), j)", precision),
       "2000 calls of 100 points" = small_calls(precision),
       "200 LazyTensors of 100 points" = lazy_calls(precision))
}

cases <- c(setNames(of("float64"), paste(names(of("float64")), "float64")),
           setNames(of("float32"), paste(names(of("float32")), "float32")))
