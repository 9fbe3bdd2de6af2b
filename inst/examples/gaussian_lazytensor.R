# Gaussian convolution by LazyTensors,
#
#     a_i = sum_j exp(-|x_i - y_j|^2) b_j        with x_i, y_j and b_j in R^15
#
#     Rscript gaussian_lazytensor.R [number of points, 1e5 by default]

library(rkeops)
source(system.file("examples", "common.R", package = "rkeops"))
rkeops_use_float32() # the precision of the talk

n <- problem_size(1e5)
D <- 15
set.seed(1)
x <- matrix(runif(n * D), ncol = D)
y <- matrix(runif(n * D), ncol = D)
b <- matrix(rnorm(n * D), ncol = D)

seconds <- elapsed({
  K_ij <- exp(-sum((Vi(x) - Vj(y))^2))   # symbolic, nothing is computed
  a <- K_ij %*% Vj(b)                    # the sum over j
})
report(sprintf("Gaussian convolution by LazyTensors, %g x %g points in R^15", n, n), seconds, 4.4)

some <- sample(n, 20)
check_against_r(a[some, ], exp(-squared_distances(x[some, ], y)) %*% b, tolerance = 1e-4)
