# The precision of the session: "auto" is float64 on a CPU and float32 on a GPU.

x <- uniform(6, 3)
y <- uniform(9, 3)
args <- c("x=Vi(3)", "y=Vj(3)")
squares <- outer(1:6, 1:9, function(i, j) rowSums((x[i, ] - y[j, ])^2))
truth <- matrix(rowSums(exp(-squares)))

# Which precision a result shows: float32 keeps a relative error of about 1e-8 here.
shown_precision <- function(found) {
  error <- max(abs(found / truth - 1))
  if (error < 1e-14) "float64" else if (error < 1e-6) "float32" else "neither"
}
with_precision <- function(precision, code) with_options(list(precision = precision), code)

test_that("nobody said a precision: it is double on a CPU, and can be fixed and freed again", {
  skip_on_gpu_machine()
  old <- set_rkeops_options(list(precision = "auto"))
  on.exit(set_rkeops_options(old))
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", args)
  run <- function() shown_precision(op(list(x, y)))
  expect_identical(run(), "float64")
  expect_identical(get_rkeops_options("precision"), "float64")
  expect_identical(get_rkeops_options()$precision, "auto")
  for (fixed in c("float32", "float64")) {
    get(paste0("rkeops_use_", fixed))()
    expect_identical(c(run(), get_rkeops_options("precision")), c(fixed, fixed))
  }
  compile4float32()
  expect_identical(c(run(), get_rkeops_option("precision")), c("float32", "float32"))
  set_rkeops_options(precision = "auto")
  expect_identical(c(run(), get_rkeops_option("precision")), c("float64", "float64"))
  expect_error(set_rkeops_options(precision = "double"), "\"auto\" or \"float32\"",
               class = "rkeops_error_argument")
})

test_that("operators that are kept, and what is derived of them, look at the option when called", {
  skip_on_gpu_machine()
  x_i <- Vi(x)
  K <- exp(-sqdist(x_i, Vj(y)))
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", args)
  ones <- matrix(1, 6, 3)
  slope <- -2 * rowSums(exp(-squares) * outer(rowSums(x), rowSums(y), "-"))
  lazy <- sum(K, "j", call = FALSE)
  made <- list(
    list(function() op(list(x, y)), truth), list(lazy, truth),
    list(function() keops_jvp(op, "x")(list(x, y, ones)), slope),
    list(jvp(lazy, x_i, ones, call = FALSE), slope),
    list(function() gradient(lazy, x_i) %*% rep(1, 3), slope))
  file <- tempfile()
  on.exit(unlink(file))
  saveRDS(made, file)
  for (entry in c(made, readRDS(file))) {
    error <- function() max(abs(entry[[1]]() / entry[[2]] - 1))
    bounds <- c(float32 = 1e-5, auto = 1e-13)
    for (precision in c("auto", "float32", "auto"))
      expect_lt(with_precision(precision, error()), bounds[[precision]])
    expect_gt(with_precision("float32", error()), 1e-10)
  }
})

test_that("a call, or an operator, may say \"auto\" where the session has fixed a precision", {
  skip_on_gpu_machine()
  K <- exp(-sqdist(Vi(x), Vj(y)))
  with_precision("float32", {
    expect_identical(shown_precision(sum(K, "j", precision = "auto")), "float64")
    op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", args, precision = "auto")
    expect_identical(shown_precision(op(list(x, y))), "float64")
    expect_identical(shown_precision(sum(K, "j")), "float32")
  })
})

test_that("what prints itself says which precision is meant", {
  skip_on_gpu_machine()
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", args)
  single <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", args, precision = "float32")
  lazy <- exp(-sqdist(Vi(x), Vj(y)))
  all <- list(op, lazy, sum(lazy, "j", call = FALSE))
  with_precision("auto", {
    for (object in all) expect_true("precision: auto (float64 on a CPU)" %in% format(object))
    expect_output(print(get_rkeops_options()), "precision +auto \\(float64 on a CPU\\)")
    expect_true("precision: auto (float64 on a CPU)" %in% rkeops_sitrep())
    expect_true("precision: float32" %in% format(single))
    on_a_gpu <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", args, backend = "GPU")
    expect_true("precision: auto (float32 on a GPU)" %in% format(on_a_gpu))
  })
  with_precision("float32", {
    for (object in all) expect_true("precision: float32" %in% format(object))
    expect_output(print(get_rkeops_options()), "precision +float32")
    expect_true("precision: float32" %in% rkeops_sitrep())
  })
})

test_that("the source that is shown is that of the precision of its target", {
  skip_on_gpu_machine()
  op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", args)
  single <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y)), j)", args, precision = "float32")
  shown <- function(precision, op, target)
    with_precision(precision, as.character(keops_source(op, target)))
  expect_identical(shown("auto", op, "c"), shown("float64", op, "c"))
  expect_identical(shown("auto", op, "cuda"), shown("float32", op, "cuda"))
  expect_identical(shown("auto", single, "c"), shown("float32", op, "c"))
  expect_false(shown("auto", op, "c") == shown("float32", op, "c"))
})

test_that("on a GPU auto is float32, which is said once, and a fixed precision stays", {
  given <- gauss_values()
  truth <- oracle("Sum_Reduction(Exp(-(SqDist(x,y)))*b, j)", gauss_args, given[c("x", "y", "b")])
  got <- on_gpu({
    heard <- character()
    listen <- function(code) withCallingHandlers(code, rkeops_message = function(m) {
      heard <<- c(heard, conditionMessage(m))
      invokeRestart("muffleMessage")
    })
    op <- keops_kernel(gauss, gauss_args)
    K <- exp(-sqdist(Vi(x), Vj(y))) * Vj(b)
    run <- function() op(list(x, y, b))
    cpu <- run()
    call <- sum(K, "j", backend = "GPU")
    rkeops_use_float64()
    listen(rkeops_use_gpu()) # nothing changes: nothing is said
    fixed <- run()
    set_rkeops_options(precision = "auto", backend = "CPU")
    silent <- length(heard)
    listen(rkeops_use_gpu())
    gpu <- run()
    meant <- get_rkeops_options("precision")
    printed <- format(op)
    listen({ rkeops_use_cpu(); rkeops_use_gpu() })
    X <- Vi(to_gpu(x))
    rkeops_use_cpu()
    list(cpu = cpu, call = call, fixed = fixed, gpu = gpu, meant = meant, printed = printed,
         back = run(), resident = sum(exp(-sqdist(X, Vj(y))) * Vj(b), "j"),
         silent = silent, heard = heard)
  }, given)
  for (double in got[c("cpu", "fixed", "back", "resident")])
    expect_within(double, truth$value, truth$scale, machine_eps[["float64"]])
  for (single in got[c("call", "gpu")]) {
    expect_within(single, truth$value, truth$scale, machine_eps[["float32"]])
    expect_gt(max(abs(single - truth$value)), 1e-9)
  }
  expect_identical(got$meant, "float32")
  expect_true("precision: auto (float32 on a GPU)" %in% got$printed)
  expect_identical(got$silent, 0L)
  expect_match(got$heard, "float32.*rkeops_use_float64\\(\\)")
  expect_length(got$heard, 1L)
})

# ---- what a user of doubles takes for granted, with the options as they are ----------------------

test_that("identifiers of 8 and 10 digits and stamps in milliseconds are told apart", {
  set.seed(1)
  for (first in c(1234567890, 20261100, 2^24)) {
    id <- matrix(sample(first + 0:19, 300, TRUE))
    expect_identical(sum(Vi(id) == Vj(id), "j")[, 1], rowSums(outer(id[, 1], id[, 1], "==")))
    expect_identical(argmin(where(Vi(id) == Vj(id), 0, 1), "j")[, 1], match(id, id))
  }
  stamp <- matrix(1.7e12 + cumsum(runif(300, 1, 1000)))
  expect_identical(sum(Vj(stamp) < Vi(stamp), "j")[, 1], 0:299 + 0)
  expect_identical(sum(abs(Vj(stamp) - Vi(stamp)) < 5000, "j")[, 1],
                   rowSums(abs(outer(stamp[, 1], stamp[, 1], "-")) < 5000))
})

test_that("great-circle distances of neighbouring points are right in both usual forms", {
  set.seed(2)
  place <- cbind(48.85 + runif(200) * 1e-3, 2.35 + runif(200) * 1e-3) * pi / 180
  lat <- place[, 1, drop = FALSE]
  lon <- place[, 2, drop = FALSE]
  u <- Vi(lat); v <- Vj(lat); p <- Vi(lon); q <- Vj(lon)
  half <- function(d) sin(d / 2)^2
  dense <- half(outer(lat[, 1], lat[, 1], "-")) +
    outer(cos(lat[, 1]), cos(lat[, 1])) * half(outer(lon[, 1], lon[, 1], "-"))
  distance <- rowSums(2 * 6371000 * asin(sqrt(dense)))
  haversine <- half(u - v) + cos(u) * cos(v) * half(p - q)
  expect_equal(sum(2 * 6371000 * asin(sqrt(haversine)), "j")[, 1], distance, tolerance = 1e-12)
  # acos(1 - d^2 / 2) loses half of the digits of d, which is 1e-7 to 1e-5 here
  cosines <- sin(u) * sin(v) + cos(u) * cos(v) * cos(p - q)
  expect_equal(sum(6371000 * acos(clamp(cosines, -1, 1)), "j")[, 1], distance, tolerance = 1e-3)
})

test_that("sums of money keep their cents, and sums of squares their variance", {
  set.seed(4)
  cents <- matrix(round(runif(1e5) * 1e9) / 100)
  expect_lt(abs(sum(Vj(cents), "j")[1] - sum(cents)), 0.005)
  year <- matrix(rnorm(1e5) + 2024)
  moments <- c(sum(Vj(year)^2, "j"), sum(Vj(year), "j")) / 1e5
  expect_equal(moments[1] - moments[2]^2, mean((year - mean(year))^2), tolerance = 1e-7)
})

# ---- rows that are compared with float64 ---------------------------------------------------------

# Clouds of 1100 points around a place, their squared distances multiplied out, which loses their digits
# far from 0. Operators of one formula are one, so each number 0.51, ... stands in one only.
far_clouds <- local({
  set.seed(5)
  function(offset) list(matrix(runif(3300), 1100) + offset, matrix(runif(3300), 1100) + offset)
})
squares <- "d = SqNorm2(x) + SqNorm2(y) - 2 * (x|y); "
warned <- function(code) {
  said <- character()
  withCallingHandlers(code, rkeops_warning_precision = function(w) {
    said <<- c(said, conditionMessage(w))
    invokeRestart("muffleWarning")
  })
  said
}

test_that("float32 results whose digits are lost are warned of, once, with row and size", {
  far <- far_clouds(300)
  with_precision("float32", {
    op <- keops_kernel(paste0(squares, "Sum_Reduction(Exp(-0.51*d), j)"), args)
    expect_warning(found <- op(far), "row \\d+ of the result is [0-9.]+ instead of [0-9.]+, off by [0-9.]+ of",
                   class = "rkeops_warning_precision")
    expect_identical(warned(again <- op(far)), character())
    expect_identical(found, again)
  })
  # the row, counted from 1, and what stands there
  op <- keops_kernel(paste0(squares, "Sum_Reduction(Exp(-0.52*d), j)"), args)
  said <- warned(with_precision("float32", found <- op(far)))
  row <- as.integer(sub(".* row (\\d+) of .*", "\\1", said))
  number <- as.numeric(regmatches(said, regexec(" is ([0-9.]+) instead of ([0-9.]+),", said))[[1]][2:3])
  expect_equal(number, c(found[row], with_precision("float64", op(far))[row]), tolerance = 1e-6)
})

test_that("lazy reductions, gradients and positions are looked at, and what keeps its digits is silent", {
  far <- far_clouds(300)
  near <- far_clouds(0)
  halves <- keep_groups(rep(1:2, each = 550)) # 605000 pairs
  most <- keep_band(-1000, 1000)
  forms <- list(
    function(d, x) logsumexp(-d, "j"),
    function(d, x) argKmin(d, 3, "j"),
    function(d, x) gradient(sum(exp(-d), "j", call = FALSE), x),
    function(d, x) sum(exp(-restrict_pairs(d, most)), "i"))
  hear <- function(form, clouds, k) {
    x <- Vi(clouds[[1]])
    y <- Vj(clouds[[2]])
    warned(form(k * (sqnorm2(x) + sqnorm2(y) - 2 * (x | y)), x))
  }
  with_precision("float32", {
    for (form in forms) {
      expect_identical(hear(form, near, 0.53), character())
      expect_length(hear(form, far, 0.54), 1L)
    }
    expect_identical(hear(function(d, x) sum(exp(-restrict_pairs(d, halves)), "j"), far, 0.54), character())
    expect_identical(warned(sum(exp(-sqdist(Vi(far[[1]]), Vj(far[[2]]))), "j")), character())
  })
})

test_that("`check_precision` says whether rows are compared, and explanations what was found", {
  far <- far_clouds(300)
  near <- far_clouds(0)
  op <- keops_kernel(paste0(squares, "Sum_Reduction(Exp(-0.55*d)*0.5*d, j)"), args)
  with_options(list(precision = "float32", check_precision = FALSE), {
    expect_identical(warned(off <- op(far)), character())
    expect_null(rkeops_explain(op)$passes[[1]]$check)
  })
  with_precision("float32", {
    expect_length(warned(on <- op(far)), 1L)
    expect_identical(on, off)
    check <- rkeops_explain(op)$passes[[1]]$check
    expect_identical(check$rows, 16)
    expect_gt(check$off, 1e-3)
    expect_true(any(grepl("checked: 16 rows in float64, off by at most 0.", format(rkeops_explain(op)), fixed = TRUE)))
    op <- keops_kernel(paste0(squares, "Sum_Reduction(Exp(-0.56*d)*d, i)"), args)
    far[[2]] <- far[[2]][1:15, ]
    far[[1]] <- far[[1]][rep(1:1100, 100), ]
    expect_identical(warned(op(far)), character()) # of 15 rows
    expect_null(rkeops_explain(op)$passes[[1]]$check)
  })
  expect_identical(warned(op(far)), character()) # float64
  expect_error(set_rkeops_options(check_precision = NA), class = "rkeops_error_argument")
})
