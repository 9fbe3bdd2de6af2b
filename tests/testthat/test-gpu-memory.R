# Matrices that stay on a GPU, and memory that is scarce.

given <- gauss_values()
x <- given$x
y <- given$y
b <- given$b

test_that("to_gpu() makes inputs that behave like the matrix", {
  got <- on_gpu({
    op <- keops_kernel(gauss, gauss_args)
    rkeops_use_gpu()
    plain <- op(list(x, y, b))
    X <- to_gpu(x)
    Y <- to_gpu(y)
    B <- to_gpu(as.vector(b))
    K <- exp(-sqdist(Vi(X), Vj(Y)))
    s <- to_gpu(c(1, 2, 3))
    alike <- list(op(list(X, Y, B)), op(list(b = b, y = Y, x = x)), K %*% B, K %*% b,
                  op(list(to_gpu(t(x)), t(y), B), "row"),
                  op(list(to_gpu(t(x), "row"), to_gpu(t(y), "row"), t(b)), "row"),
                  op(list(to_gpu(x, "row"), as.data.frame(y), B)))
    weighted <- list(sum(Vi(X) * s, "j"), sum(Vi(X) * Pm(s), "j"), sum(Vi(x) * c(1, 2, 3), "j"))
    left <- list(to_gpu(1:70) %*% K, 1:70 %*% K)
    copied <- list(as.matrix(X), as.matrix(to_gpu(x, "row")), as.matrix(B), as.numeric(B), as.vector(X))
    named <- to_gpu(matrix(1:4, 2, dimnames = list(c("a", "b"), c("u", "v"))))
    frame <- to_gpu(data.frame(u = 1:3, v = c(TRUE, NA, FALSE)))
    x2 <- x
    Z <- to_gpu(x2)
    x2[1] <- 100
    on_gpu <- list(plain = plain, alike = alike, weighted = weighted, left = left, copied = copied,
                   named = as.matrix(named), frame = as.matrix(frame), changed = as.matrix(Z)[1],
                   print = format(X), vector = format(B), dim = dim(X), length = length(X),
                   args = (Vi(X) + Vi(X) + Vi(to_gpu(x)))$args, shown = format(K),
                   columns = list(dim(Vi(B)), dim(Vj(s))),
                   classes = c(class_of(Vi(X) + X), class_of(Pm(X)), class_of(X[1, ]),
                               class_of(X[1] <- 1), class_of(t(X)), class_of(is.na(X)),
                               class_of(anyNA(X)), class_of(unique(X)),
                               class_of(X$a <- 3), class_of(X[["dim"]] <- c(3, 70)),
                               class_of(to_gpu("a")), class_of(to_gpu(K)),
                               class_of(to_gpu(array(0, c(2, 2, 2)))), class_of(op(list(X, Y))),
                               class_of(op(list(X, X[0], b)))),
                   shape = said_by(op(list(X, B, b))))
    rkeops_use_float64()
    X <- to_gpu(x)
    Y <- to_gpu(y)
    B <- to_gpu(as.vector(b))
    K <- exp(-sqdist(Vi(X), Vj(Y)))
    double <- op(list(X, Y, B))
    turned <- to_gpu(t(x), "row")
    on_gpu$doubles <- list(as.matrix(X), as.matrix(turned), format(X))
    rkeops_use_cpu()
    back <- list(op(list(X, Y, B)), K %*% B, op(list(turned, t(y), t(b)), "row"))
    c(on_gpu, list(double = double, back = back, plain_back = op(list(x, y, b)),
                   no_gpu = said_by(to_gpu(x))))
  }, given)
  expect_truth(got$plain)
  for (found in got$alike) expect_identical(found, got$plain)
  expect_identical(got$weighted[[1]], got$weighted[[3]])
  expect_identical(got$weighted[[2]], got$weighted[[3]])
  expect_identical(got$left[[1]], got$left[[2]])
  expect_identical(got$copied, list(x, x, b, as.vector(b), as.vector(x)))
  expect_identical(got$doubles, list(x, t(x), "<rkeops_gpu> 70 x 3 on GPU 0, float64"))
  expect_identical(got$named, matrix(c(1, 2, 3, 4), 2, dimnames = list(c("a", "b"), c("u", "v"))))
  expect_identical(got$frame, cbind(u = c(1, 2, 3), v = c(1, NA, 0)))
  expect_identical(got$changed, x[1])
  expect_identical(got$print, "<rkeops_gpu> 70 x 3 on GPU 0, float32")
  expect_identical(got$vector, "<rkeops_gpu> vector of length 150 on GPU 0, float32")
  expect_identical(got$dim, c(70L, 3L))
  expect_identical(got$length, 210L)
  expect_identical(got$args, c("V0=Vi(3)", "V1=Vi(3)"))
  expect_true("  V1=Vj(3), 150 rows" %in% got$shown)
  expect_equal(got$columns, list(c(150, 1, 1), c(1, 3, 1)))
  expect_identical(got$classes, rep("rkeops_error_argument", 15))
  expect_match(got$shape, "`y`")
  expect_truth(got$double, machine_eps[["float64"]])
  for (found in got$back) expect_identical(found, got$plain_back)
  expect_match(got$no_gpu, "rkeops_use_gpu()", fixed = TRUE)
})

test_that("numbers on a GPU have the precision that was meant, and what needs it float64", {
  thirds <- x / 3
  truth_of <- function(x)
    oracle("Sum_Reduction(Exp(-(SqDist(x,y)))*b, j)", gauss_args, list(x, y, b))
  expect_near <- function(found, truth, eps)
    expect_within(found, truth$value, truth$scale, machine_eps[[eps]], label = eps)
  got <- on_gpu({
    op <- keops_kernel(gauss, gauss_args)
    warned <- function(code) {
      said <- character()
      value <- withCallingHandlers(code, warning = function(w) {
        said <<- c(said, class(w)[1])
        invokeRestart("muffleWarning")
      })
      list(value = value, said = said)
    }
    rkeops_use_gpu()
    large <- matrix(seq(-1, 1, length.out = 3e5), ncol = 3)
    held <- function(x) {
      before <- rkeops_device_info()$held[1]
      X <- to_gpu(x)
      c(rkeops_device_info()$held[1] - before, length(x), sub(".*, ", "", format(X)))
    }
    bytes <- list(float32 = held(large), far = held(6e6 + large),
                  whole = held(1e9 + floor(1e9 * large)), small = held(1:1e5 + 0))
    set_rkeops_options(list(precision = "float64"))
    bytes$float64 <- held(large)
    set_rkeops_options(list(precision = "float16"))
    bytes$float16 <- held(large)
    set_rkeops_options(list(precision = "auto"))
    far <- list(6e6 + x, 6e6 + y, b)
    X <- to_gpu(thirds)
    turned <- to_gpu(t(thirds), "row")
    far_there <- list(to_gpu(far[[1]]), to_gpu(far[[2]]), b)
    single <- warned(op(list(X, y, b)))
    far <- list(op(far), op(far_there))
    rkeops_use_float64()
    double <- warned(op(list(X, y, b)))
    lazy <- warned(exp(-sqdist(Vi(X), Vj(y))) %*% b)
    exact <- warned(op(list(to_gpu(thirds), y, b)))
    rows <- warned(op(list(turned, t(y), t(b)), "row"))
    rkeops_use_cpu()
    list(bytes = bytes, single = single, far = far, double = double, lazy = lazy, exact = exact,
         rows = rows, cpu = warned(op(list(X, y, b))), read = as.matrix(X))
  }, c(given, list(thirds = thirds)))
  for (name in names(got$bytes)) {
    size <- as.numeric(got$bytes[[name]][1:2])
    wanted <- if (name %in% c("float32", "float16", "small")) 4 else 8
    expect_gte(size[1], wanted * size[2], label = name)
    expect_lt(size[1], 1.1 * wanted * size[2], label = name)
    expect_identical(got$bytes[[name]][3], c("float32", "float64")[wanted / 4], label = name)
  }
  exact <- truth_of(thirds)
  digits <- truth_of(as_float32(thirds))
  expect_near(got$single$value, exact, "float32")
  expect_identical(got$single$said, character())
  expect_identical(got$far[[1]], got$far[[2]])
  for (found in got[c("double", "lazy", "rows", "cpu")]) {
    expect_identical(found$said, "rkeops_warning_precision")
    expect_near(found$value, digits, "float64")
  }
  expect_identical(got$read, as_float32(thirds))
  expect_identical(got$exact$said, character())
  expect_near(got$exact$value, exact, "float64")
})

test_that("calls copy what changed, and no matrix of to_gpu() again", {
  got <- on_standin({
    dyn.load(standin)
    op <- keops_kernel(gauss, gauss_args)
    rkeops_use_gpu()
    copied <- function(code) {
      before <- count("to_device")
      code
      count("to_device") - before
    }
    X <- to_gpu(x)
    Y <- to_gpu(y)
    op(list(X, Y, b))
    list(plain = copied(op(list(x, y, b))), kept = copied(op(list(X, Y, b))),
         again = copied(op(list(X, Y, b))), lazily = copied(exp(-sqdist(Vi(X), Vj(Y))) %*% b),
         nothing = copied(op(list(X, Y, to_gpu(b)))) - copied(to_gpu(b)))
  }, gauss_values(3000, 2000))
  # b alone is 8000 or 16000 bytes, x and y are ten times as many
  expect_gte(got$kept, 8000)
  expect_lt(got$kept, 20000)
  expect_identical(got$again, got$kept)
  expect_identical(got$lazily, got$kept)
  expect_lt(got$nothing, 1000)
  expect_gt(got$plain, got$kept + 60000)
})

test_that("memory is freed by rm() and gc(), and before a call gives up", {
  got <- on_gpu({
    rkeops_use_gpu()
    held <- function() rkeops_device_info()$held[1]
    before <- held()
    X <- to_gpu(x)
    with_x <- held()
    rm(X)
    invisible(gc())
    freed <- held()
    list(before = before, with_x = with_x, freed = freed)
  }, given)
  expect_gte(got$with_x - got$before, 4 * length(x))
  expect_identical(got$freed, got$before)
  got <- on_standin({
    rkeops_use_gpu()
    wide <- matrix(1, 1e4, 3)
    for (k in 1:40) X <- to_gpu(wide)  # 120000 bytes each, all but the last one dead
    kept <- lapply(1:20, function(k) tryCatch(to_gpu(wide), error = identity))
    failed <- Filter(function(e) inherits(e, "error"), kept)
    rm(kept)                           # freed by the next call, which would fail otherwise
    result <- sum(Vi(wide[1:5, ]), "j")
    list(class = class(failed[[1]])[1], said = conditionMessage(failed[[1]]), result = result)
  }, memory = 2e6)
  expect_identical(got$class, "rkeops_error_memory")
  expect_match(got$said, "[0-9]+ bytes")
  expect_identical(got$result, matrix(1, 5, 3))
})

test_that("saved to a file, or in a forked child, such an object says that it is lost", {
  skip_on_os("windows")
  got <- on_gpu({
    op <- keops_kernel(gauss, gauss_args)
    rkeops_use_gpu()
    X <- to_gpu(x)
    plain <- op(list(X, y, b))
    file <- tempfile()
    saveRDS(list(X, exp(-sqdist(Vi(X), Vj(y)))), file)
    saved <- readRDS(file)
    child <- parallel::mccollect(parallel::mcparallel({
      first <- c(class_of(op(list(x, y, b))), class_of(rkeops_use_gpu()), class_of(as.matrix(X)),
                 class_of(rkeops_device_info()))
      said <- said_by(op(list(x, y, b)))
      rkeops_use_cpu()
      rm(X)
      invisible(gc())
      list(first = first, said = said, cpu = op(list(x, y, b)))
    }))[[1]]
    several <- parallel::mclapply(1:3, function(k) class_of(op(list(x, y, b))))
    list(print = format(saved[[1]]), read = class_of(as.matrix(saved[[1]])),
         operator = class_of(op(list(saved[[1]], y, b))), variable = class_of(Vi(saved[[1]])),
         lazy = class_of(saved[[2]] %*% b), child = child, several = unlist(several),
         plain = plain, after = op(list(X, y, b)))
  }, given)
  expect_match(got$print, "another R session")
  for (use in c("read", "operator", "variable", "lazy"))
    expect_identical(got[[use]], "rkeops_error_device", label = use)
  expect_identical(got$child$first, rep("rkeops_error_device", 4))
  expect_match(got$child$said, "fork")
  expect_truth(got$child$cpu)
  expect_identical(got$several, rep("rkeops_error_device", 3))
  expect_identical(got$after, got$plain)
})

test_that("the package can be unloaded while such objects are there", {
  got <- on_gpu({
    rkeops_use_gpu()
    X <- to_gpu(x)
    unloadNamespace("rkeops")
    rm(X)
    invisible(gc())
    "fine"
  }, given)
  expect_identical(got, "fine")
})

test_that("a call that cannot fit is an error that names the bytes, and the session goes on", {
  got <- on_standin({
    op <- keops_kernel(gauss, gauss_args)
    rkeops_use_gpu()
    first <- op(list(x, y, b))
    set_rkeops_options(list(gpu_memory = 100))
    error <- tryCatch(op(list(x, y, b)), error = identity)
    set_rkeops_options(list(gpu_memory = 0))
    list(class = class(error)[1], said = conditionMessage(error),
         same = identical(op(list(x, y, b)), first))
  }, given)
  expect_identical(got$class, "rkeops_error_memory")
  expect_match(got$said, "[0-9]+ bytes")
  expect_true(got$same)
})
