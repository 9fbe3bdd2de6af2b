# Minima and where they are, and results of many columns. In a small table of columns the smallest
# value changes often; in a large one it seldom does.

points <- function(n, D) matrix(runif(n * D), n)

nearest <- function(text, m, n, D, precision) {
  force(precision)
  inputs <- list(points(m, D), points(n, D))
  op <- keops_kernel(sprintf("%s_Reduction(SqDist(x,y), j)", text),
                     sprintf(c("x=Vi(%d)", "y=Vj(%d)"), D), precision = precision)
  function() op(inputs)
}

distances <- function(text, precision) {
  force(precision)
  inputs <- list(points(1e4, 1), points(1e4, 1))
  op <- keops_kernel(paste0(text, "_Reduction(Abs(x-y), j)"), c("x=Vi(1)", "y=Vj(1)"),
                     precision = precision)
  function() op(inputs)
}

gaussian <- function(n, D, columns, precision) {
  force(precision)
  inputs <- list(points(n, D) / sqrt(D), points(n, D) / sqrt(D), matrix(rnorm(n * columns), n))
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                     sprintf(c("x=Vi(%d)", "y=Vj(%d)", "b=Vj(%d)"), c(D, D, columns)),
                     precision = precision)
  function() op(inputs)
}

# As in the article on neighbours: the nearest of the means, then the means of the points.
kmeans_steps <- function(m, n, D, precision) {
  x <- points(m, D)
  start <- x[seq_len(n), ]
  function() {
    means <- start
    for (step in 1:5) {
      near <- argmin(sqdist(Vi(x), Vj(means)), "j", precision = precision)[, 1]
      means <- rowsum(x, factor(near, seq_len(n))) / tabulate(near, n)
    }
  }
}

of <- function(precision) {
  list("argmin D = 2, 50 columns" = nearest("ArgMin", 2e5, 50, 2, precision),
       "argmin D = 3, 1000 columns" = nearest("ArgMin", 3e4, 1000, 3, precision),
       "argmin D = 3, 10000 columns" = nearest("ArgMin", 3e3, 1e4, 3, precision),
       "argmin D = 10, 316 columns" = nearest("ArgMin", 3e4, 316, 10, precision),
       "argmin D = 100, 316 columns" = nearest("ArgMin", 5e3, 316, 100, precision),
       "value and position D = 3, 1000 columns" = nearest("Max_ArgMax", 3e4, 1000, 3, precision),
       "min D = 2, 50 columns" = nearest("Min", 2e5, 50, 2, precision),
       "min D = 3, 1000 columns" = nearest("Min", 3e4, 1000, 3, precision),
       "5 steps of k-means D = 2" = kmeans_steps(5e4, 50, 2, precision),
       "5 steps of k-means D = 10" = kmeans_steps(5e4, 50, 10, precision),
       "min D = 1" = distances("Min", precision),
       "min, NaN if one is D = 1" = distances("MinNaN", precision),
       "Gaussian D = 3, 100 columns" = gaussian(2e3, 3, 100, precision),
       "Gaussian D = 784" = gaussian(1e3, 784, 1, precision))
}

cases <- c(setNames(of("float64"), paste(names(of("float64")), "float64")),
           setNames(of("float32"), paste(names(of("float32")), "float32")))
