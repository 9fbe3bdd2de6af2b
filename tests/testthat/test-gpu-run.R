# Results on a GPU: the stand-in of tests/cuda, or that of this machine (RKEOPS_TEST_GPU=1).

given <- gauss_values()
x <- given$x
y <- given$y
b <- given$b

test_that("operators and LazyTensors run where the options say when they are called", {
  got <- on_gpu({
    op <- keops_kernel(gauss, gauss_args)
    K <- exp(-sqdist(Vi(x), Vj(y)))
    run <- function() list(op(list(x, y, b)), K %*% b, op(list(t(x), t(y), t(b)), "row"))
    counters <- rkeops:::counters
    cpu <- run()
    old <- rkeops_use_gpu()
    gpu <- run()
    chosen <- get_rkeops_options(c("backend", "device_id"))
    rkeops_use_float64()
    gpu64 <- run()
    set_rkeops_options(old)
    back <- run()
    compiles <- counters()[["compiles"]]
    use_gpu()
    again <- run()
    set_rkeops_option("tagCpuGpu", 1)
    report <- unclass(rkeops_sitrep())
    set_rkeops_options()
    list(cpu = cpu, gpu = gpu, gpu64 = gpu64, back = back, again = again, chosen = chosen,
         compiles = counters()[["compiles"]] - compiles, report = report,
         at_last = get_rkeops_options("backend"), works = check_rkeops(verbose = FALSE))
  }, given)
  for (found in got$gpu) expect_truth(found)
  for (found in got$gpu64) expect_truth(found, machine_eps[["float64"]])
  expect_identical(got$back, got$cpu)
  expect_identical(got$again, got$gpu)
  expect_identical(got$compiles, 0)
  expect_identical(got$chosen, list(backend = "GPU", device_id = -1L))
  expect_identical(got$at_last, "CPU")
  expect_true(got$works)
  expect_true("option backend: GPU" %in% got$report)
  expect_true(any(grepl("^CUDA driver: .*(libcuda|nvcuda)", got$report)))
  expect_true(any(grepl("^NVRTC: .*nvrtc", got$report)))
  expect_true(any(grepl("^GPU 0: ", got$report)))
})

test_that("float16 inputs are rounded to 11 bits, and what does not fit is an error", {
  got <- on_gpu({
    op <- keops_kernel(gauss, gauss_args)
    rkeops_use_gpu()
    rkeops_use_float16()
    list(found = op(list(x, y, b)), exact = op(list(x * 0, y * 0, round(b * 8) / 8)),
         class = class_of(op(list(x, y, b * 1e6))), said = said_by(op(list(x, y, b * 1e6))),
         infinite = op(list(x, y, b / 0))[1])
  }, given)
  expect_truth(got$found, 2^-11)
  expect_equal(got$exact, matrix(sum(round(b * 8) / 8), 70, 1), tolerance = 1e-6)
  expect_match(got$class, "^rkeops_error_")
  expect_match(got$said, "`b`.*(65504|float16)|(65504|float16).*`b`")
  expect_identical(got$infinite, Inf)
})

test_that("fast_math gives the same up to rounding of its own kernel", {
  got <- on_gpu({
    op <- keops_kernel(gauss, gauss_args)
    rkeops_use_gpu()
    op(list(x, y, b))
    before <- rkeops:::counters()[c("compiles", "disk_hits")]
    set_rkeops_options(list(fast_math = TRUE))
    list(op(list(x, y, b)), sum(rkeops:::counters()[c("compiles", "disk_hits")] - before))
  }, given)
  expect_equal(got[[1]], gauss_truth()$value, tolerance = 1e-4)
  expect_identical(got[[2]], 1)
})

# ---- every operation and reduction --------------------------------------------------------------

# Several operations are the components of one formula, so that few kernels are compiled.
operation_formulas <- function() {
  table <- operation_table()
  table <- table[grepl("^[A-Z]", table$name) & !duplicated(table$name), ]
  table <- table[table$kind != "derivative", ]
  calls <- Map(function(name, operands, integers) {
    dims <- shapes_of(name, operands)[[1]]
    call_of(name, paste0(c("x", "y", "z")[seq_len(operands)], dims), integers)
  }, table$name, table$operands, table$integers)
  groups <- split(unlist(calls), (seq_along(calls) - 1) %/% 12)
  vapply(groups, function(f) Reduce(function(a, b) sprintf("Concat(%s,%s)", a, b), f), "")
}
operation_variables <- expand.grid(kind = c("Vi", "Vj", "Pm"), dim = c(1, 2, 3, 4, 6, 9, 12, 24),
                                   stringsAsFactors = FALSE)
operation_args <- sprintf("%s%d=%s(%d)", c(Vi = "x", Vj = "y", Pm = "z")[operation_variables$kind],
                          operation_variables$dim, operation_variables$kind,
                          operation_variables$dim)

# Over i and j in turn.
reduction_texts <- function() {
  over_j <- reductions_of("Subtract(x,y)", "SqDist(x,y)", "y", "j")
  over_i <- reductions_of("Subtract(x,y)", "SqDist(x,y)", "x", "i")
  base::ifelse(seq_along(over_j) %% 2 == 1, over_j, over_i)
}

for (precision in c("float32", "float64")) {
  test_that(paste("operations and reductions agree with the oracle on a GPU in", precision), {
    set.seed(4)
    data <- Map(function(kind, dim) uniform(c(Vi = 37, Vj = 70, Pm = 1)[[kind]], dim),
                operation_variables$kind, operation_variables$dim, USE.NAMES = FALSE)
    short_data <- list(uniform(37, 3), uniform(70, 3))
    operations <- sprintf("Sum_Reduction(%s, j)", operation_formulas())
    short <- c("x=Vi(3)", "y=Vj(3)")
    formulas <- c(lapply(operations, list, operation_args), lapply(reduction_texts(), list, short))
    found <- on_gpu({
      rkeops_use_gpu()
      set_rkeops_options(list(precision = precision))
      ops <- rkeops:::build_formulas(formulas)
      before <- rkeops:::counters()[["compiles"]]
      inputs <- function(f) if (length(f[[2]]) == 2L) short_data else data
      found <- Map(function(op, f) op(inputs(f)), ops, formulas)
      stopifnot(rkeops:::counters()[["compiles"]] == before)
      found
    }, list(formulas = formulas, data = data, short_data = short_data, precision = precision))
    for (k in seq_along(formulas)) {
      used <- if (length(formulas[[k]][[2]]) == 2L) short_data else data
      expected <- oracle(formulas[[k]][[1]], formulas[[k]][[2]], used)
      expected <- with_log_gamma(expected, formulas[[k]][[1]], used)
      expect_within(found[[k]], expected$value, expected$scale, machine_eps[[precision]],
                    label = formulas[[k]][[1]])
    }
  })
}

test_that("wide results of interleaved, reversed and permuted components are right on a GPU", {
  set.seed(5)
  args <- c("x=Vi(200)", "y=Vj(200)", "p=Vi(3)", "q=Vj(3)")
  data <- list(uniform(37, 200), uniform(70, 200), uniform(37, 3), uniform(70, 3))
  texts <- sprintf("Sum_Reduction(%s, j)", c(
    "ComplexMult(x,y)", "Exp(-SqDist(p,q))*ComplexMult(x,y)", "SqDist(x,y)*Complex(Sin(x),Cos(y))",
    "Exp(-SqDist(x,y))*Reverse(y)", "Exp(-SqDist(p,q))*SwapAxes(x*y,10,20,1)",
    "Concat(ComplexReal(x),Real2Complex(ComplexImag(y)))*Sum(x*Reverse(y))"))
  texts <- c(texts, "SumSoftMaxWeight_Reduction(-SqDist(p,q), ComplexMult(x,y), j)",
             "KMin_Reduction(ComplexMult(x,y), 2, j)")
  formulas <- lapply(texts, list, args)
  found <- on_gpu({
    rkeops_use_gpu()
    lapply(rkeops:::build_formulas(formulas), function(op) op(data))
  }, list(formulas = formulas, data = data))
  for (k in seq_along(texts)) {
    expected <- oracle(texts[k], args, data)
    # as many terms in a sum over components enter a term of the sum over j
    expect_within(found[[k]], expected$value, expected$scale, machine_eps[["float32"]], 200,
                  label = texts[k])
  }
})

# ---- rows, devices, kernels ---------------------------------------------------------------------

test_that("several devices give the result of one, wherever the data lie", {
  few <- uniform(40, 3)
  got <- on_standin({
    op <- keops_kernel("KMin_ArgKMin_Reduction(SqDist(x,y), 3, j)", c("x=Vi(3)", "y=Vj(3)"))
    info <- rkeops_device_info()
    rkeops_use_gpu(2)
    one <- op(list(few, few))
    X <- to_gpu(few)
    rkeops_use_gpu(0:2)
    list(info = info, one = one, several = op(list(few, few)), moved = op(list(X, few)),
         where = format(X), wrong = class_of(rkeops_use_gpu(3)), said = said_by(rkeops_use_gpu(3)),
         chosen = get_rkeops_options("device_id"))
  }, list(few = few), devices = 3, multiprocessors = 1)
  expect_identical(got$info$device, 0:2)
  expect_identical(got$several, got$one)
  expect_identical(got$moved, got$one)
  expect_identical(got$where, "<rkeops_gpu> 40 x 3 on GPU 2, float32")
  expect_identical(got$wrong, "rkeops_error_device")
  expect_match(got$said, "3")
  expect_identical(got$chosen, 0:2)
})

test_that("a GPU newer than NVRTC works, one that is too old for it is an error", {
  got <- function(...) on_standin({
    use <- said_by(rkeops_use_gpu())
    list(use, if (use == "") tryCatch(keops_kernel(gauss, gauss_args)(list(x, y, b)),
                                      error = conditionMessage))
  }, given, ...)
  newer <- got(capability = 120, archs = "75,80,90")
  expect_identical(newer[[1]], "")
  expect_truth(newer[[2]])
  older <- got(capability = 50, archs = "75,80,90")
  expect_match(paste(unlist(older), collapse = " "), "NVRTC|compute capability")
})

test_that("one call of a LazyTensor can be computed on a GPU, and differentiated there", {
  got <- on_gpu({
    K <- exp(-sqdist(Vi(x), Vj(y))) * Vj(b)
    there <- sum(K, "j", backend = "GPU", device = 0)
    op <- sum(K, "j", call = FALSE, backend = "GPU")
    before <- get_rkeops_options()
    rkeops_use_gpu()
    x_there <- Vi(to_gpu(x))
    set_rkeops_options(before)
    resident <- sum(exp(-sqdist(x_there, Vj(y))) * Vj(b), "j", call = FALSE, backend = "GPU")
    list(there = there, here = sum(K, "j"), backend = get_rkeops_option("backend"),
         gradient = gradient(op, Vi(x)), on_cpu = gradient(sum(K, "j", call = FALSE), Vi(x)),
         resident = gradient(resident, x_there))
  }, gauss_values())
  # sums of 150 terms up to 1, with a few float32 roundings of each
  near <- function(a, b) expect_lt(max(abs(a - b)), 150 * 16 * 2^-24)
  near(got$there, got$here)
  expect_identical(got$backend, "CPU")
  near(got$gradient, got$on_cpu)
  expect_identical(got$resident, got$gradient)
})
