# Float32: what looking at the data costs, where it is clean and well scaled.

rkeops_use_float32()
gaussian <- function(m, n, times = 1) {
  x <- matrix(rnorm(3 * m), m)
  y <- matrix(rnorm(3 * n), n)
  b <- matrix(rnorm(n), n)
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))
  function() for (k in seq_len(times)) op(list(x, y, b))
}
nearest <- function(m, n, times = 1) {
  x <- matrix(runif(3 * m), m)
  y <- matrix(runif(3 * n), n)
  op <- keops_kernel("ArgKMin_Reduction(SqDist(x,y), 10, j)", c("x=Vi(3)", "y=Vj(3)"))
  function() for (k in seq_len(times)) op(list(x, y))
}

cases <- list(
  "sum 100 x 100, 1000 calls" = gaussian(100, 100, 1000),
  "sum 1000 x 1000, 100 calls" = gaussian(1000, 1000, 100),
  "sum 10000 x 10000" = gaussian(10000, 10000),
  "sum 100 x 1000000" = gaussian(100, 1e6),
  "sum 1000000 x 100" = gaussian(1e6, 100),
  "10 nearest 1000 x 1000, 50 calls" = nearest(1000, 1000, 50),
  "10 nearest 10000 x 10000" = nearest(10000, 10000)
)
