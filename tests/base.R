# The essentials, where there is nothing but R: no testthat, no other suggested package.
library(rkeops)
set.seed(1)
cache <- tempfile("rkeops-cache-")
dir.create(cache, mode = "0700")
old <- set_rkeops_options(list(cache_dir = cache, ncore = 2, precision = "float64",
                               index_base = 1))

x <- matrix(runif(15), 5)
y <- matrix(runif(21), 7)
b <- matrix(runif(14), 7)
squares <- outer(1:5, 1:7, Vectorize(function(i, j) sum((x[i, ] - y[j, ])^2)))
k <- exp(-squares)
same <- function(a, b) stopifnot(isTRUE(all.equal(a, b, tolerance = 1e-13)))

K <- exp(-sqdist(Vi(x), Vj(y)))
same(K %*% b, base::`%*%`(k, b))
same(sum(K, "j"), matrix(base::rowSums(k)))
same(rowSums(K), base::rowSums(k))
same(as.matrix(K), k)
same(argmin(-K, "j"), matrix(max.col(k)))
same(sum(Vi(x[, 1, drop = FALSE]) * Vj(b + 1i), "j"), x[, 1] %o% colSums(b + 1i))

op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(2)"))
same(op(list(x, y, b)), base::`%*%`(k, b))
slope <- base::`%*%`(k, y * b[, 1]) - x * c(base::`%*%`(k, b[, 1]))
same(keops_grad(op, "x")(list(x, y, b, cbind(rep(1, 5), 0))), 2 * slope)
x_i <- Vi(x)
f <- sum(exp(-sqdist(x_i, Vj(y))) * Vj(b[, 1, drop = FALSE]), "j", call = FALSE)
same(gradient(f, x_i), 2 * slope)

file <- tempfile(fileext = ".rds")
saveRDS(list(K, op), file)
read <- readRDS(file)
stopifnot(identical(sum(read[[1]], "j"), sum(K, "j")),
          identical(read[[2]](list(x, y, b)), op(list(x, y, b))))

error <- tryCatch(keops_kernel("Sum_Reduction(Expp(x), j)", "x=Vi(3)"), error = identity)
stopifnot(inherits(error, "rkeops_error_formula"), grepl("Exp", conditionMessage(error)))

set_rkeops_options(old)
unlink(c(cache, file), recursive = TRUE)
