# Calls of rkeops that R makes while a call of rkeops runs: finalizers run at any allocation of R,
# timers of an event loop (here that of tcltk) while the engine works.

small <- list(x = uniform(9, 3), y = uniform(7, 3), b = uniform(7, 1))
smooth <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))

# `guest` is called once, by a finalizer, at the k-th allocation of `code`, whose value it is.
at_allocation <- function(k, guest, code) {
  on.exit(gctorture2(0))
  local({
    garbage <- new.env()
    reg.finalizer(garbage, function(garbage) guest())
  })
  gctorture2(step = 1e6, wait = k)
  code
}

# Some of the allocations of a call of `op`; far apart, so that a few hundred are covered.
expect_undisturbed <- function(guest, op = smooth, data = small, at = c(seq(3, 150, 7), 200, 300)) {
  came <- 0
  counted <- function() {
    came <<- came + 1
    guest()
  }
  truth <- op(data)
  for (k in at) expect_identical(at_allocation(k, counted, op(data)), truth)
  expect_gt(came, length(at) / 2)
}

forget <- function() .Call(C_forget)

test_that("a finalizer may call the same operator, or forget all, at any allocation of a call", {
  truth <- smooth(small)
  inner <- list()
  expect_undisturbed(function() inner[[length(inner) + 1L]] <<- smooth(small))
  expect_true(length(inner) > 0 && all(vapply(inner, identical, NA, truth)))
  expect_undisturbed(forget)
  expect_undisturbed(function() clean_rkeops(), at = c(20, 60))
  op <- sum(exp(-sqdist(Vi(small$x), Vj(small$y))), "j", call = FALSE)
  expect_undisturbed(forget, function(data) op(), at = seq(5, 200, 39))
  expect_undisturbed(function() {
    forget()
    smooth(small)
  }, keops_grad(smooth, "x"), unname(c(small, list(uniform(9, 1)))), at = seq(5, 200, 39))
})

test_that("options that a finalizer changes are those of the next call", {
  other <- function() with_options(list(precision = "float32", ncore = 1), smooth(small))
  truth <- other()
  inner <- NULL
  expect_undisturbed(function() inner <<- other(), at = seq(3, 90, 13))
  expect_identical(inner, truth)
})

test_that("a finalizer that fails leaves the call alone", {
  seen <- NULL
  refused <- function() seen <<- class_of_error(smooth(small[1:2]))
  class_of_error <- function(code) tryCatch({
    code
    "none"
  }, error = function(e) class(e)[1])
  expect_undisturbed(refused, at = seq(3, 90, 13))
  expect_identical(seen, "rkeops_error_argument")
})

# ---- timers --------------------------------------------------------------------------------------

# For sessions: the value of `op()` and what the `guest`, called by a timer in the middle of it,
# returned. Calls are repeated until the timer was in time: while the engine looks at R, which it
# does inside a tryCatch() of C code, and not while R code of the call runs.
during <- quote({
  suppressWarnings(suppressMessages(library(tcltk)))
  after <- function(callback) .Tcl(paste("after 5", .Tcl.callback(callback)))
  is_of_c <- function(call)
    identical(call[[1]], quote(tryCatch)) && is.call(call[[2]]) &&
      identical(call[[2]][[1]], quote(.Internal))
  engine_works <- function() any(vapply(sys.calls(), is_of_c, NA))
  during <- function(op, guest, times = 50) {
    busy <- FALSE
    inner <- NULL
    come <- function(...) {
      if (busy && is.null(inner) && engine_works()) inner <<- guest()
      else if (busy && is.null(inner)) after(come)
      invisible()
    }
    for (k in seq_len(times)) {
      busy <- TRUE
      after(come)
      outer <- op()
      busy <- FALSE
      if (!is.null(inner)) break
    }
    list(outer = outer, inner = inner)
  }
})

skip_without_timers <- function() {
  skip_on_os("windows")
  skip_if_not(capabilities("tcltk") && nzchar(system.file(package = "tcltk")), "tcltk is there")
}

# The code with `during` in front of it.
with_timers <- function(code) as.call(c(quote(`{`), as.list(during)[-1], as.list(code)[-1]))

# Of code that uses `big` and `small`, arguments of `op`; `truth` and `little` are its values.
in_session_with_timers <- function(code, rows, session = in_session) {
  set.seed(5)
  big <- list(x = uniform(rows[1], 3), y = uniform(rows[2], 3), b = uniform(rows[2], 1))
  setup <- quote({
    set_rkeops_options(list(engine = "compiled"))
    op <- keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                       c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))
    truth <- op(big)
    little <- op(small)
  })
  code <- with_timers(as.call(c(quote(`{`), as.list(setup)[-1], as.list(code)[-1])))
  session(code, list(big = big, small = small))
}

test_that("timers may run, forget, compile, fail and be interrupted while a call runs", {
  skip_without_compiler()
  skip_on_gpu_machine()
  skip_without_timers()
  got <- in_session_with_timers(quote({
    again <- during(function() op(big), function() op(small))
    clean <- during(function() op(big), function() {
      clean_rkeops()
      op(small)
    })
    fresh <- during(function() op(big), function()
      keops_kernel("Sum_Reduction(Exp(-SqDist(x,y))*b*Step(b), j)",
                   c("x=Vi(3)", "y=Vj(3)", "b=Vj(1)"))(small))
    options <- during(function() op(big), function() {
      set_rkeops_options(list(precision = "float32", ncore = 1))
      op(small)
    })
    set_rkeops_options(list(precision = "auto", ncore = 2))
    failed <- during(function() op(big), function() class_of(op(big[1:2])))
    stopped <- during(function() op(big), function() {
      tools::pskill(Sys.getpid(), tools::SIGINT)
      tryCatch(op(big), interrupt = function(e) "interrupted")
    })
    edges <- list_pairs(rep(seq_len(8000), each = 1000), rep_len(seq_len(40000), 8e6))
    on_edges <- function() sum(exp(-sqdist(Vi(big$x), Vj(big$y))), pairs = edges)
    kept <- on_edges()
    pairs <- during(on_edges, function() {
      clean_rkeops()
      list(op(small), sum(Vi(small$x)[1] * Vj(small$y)[1], pairs = cbind(1:2, 1:2)))
    })
    left <- during(on_edges, function() {
      tools::pskill(Sys.getpid(), tools::SIGINT)
      tryCatch(on_edges(), interrupt = function(e) "interrupted")
    })
    built <- during(function() {
      clean_rkeops()
      op(small)
    }, function() op(small))
    list(truth = truth, little = little, again = again, clean = clean, fresh = fresh,
         options = options, failed = failed, stopped = stopped, pairs = pairs, left = left,
         kept = kept, built = built)
  }), c(8000, 40000))
  for (name in c("again", "clean", "fresh", "options", "failed", "stopped"))
    expect_identical(got[[name]]$outer, got$truth, label = name)
  for (name in c("again", "clean")) expect_identical(got[[name]]$inner, got$little, label = name)
  expect_equal(got$fresh$inner, got$little, tolerance = 1e-12)
  expect_equal(got$options$inner, got$little, tolerance = 1e-5)
  expect_identical(got$failed$inner, "rkeops_error_argument")
  expect_identical(got$stopped$inner, "interrupted")
  expect_identical(got$pairs$outer, got$kept)
  expect_identical(got$pairs$inner[[1]], got$little)
  first <- vapply(small[c("x", "y")], function(m) m[1:2, 1], double(2))
  expect_equal(got$pairs$inner[[2]][1:2, 1], first[, 1] * first[, 2])
  expect_identical(got$left$outer, got$kept)
  expect_identical(got$left$inner, "interrupted")
  expect_identical(got$built$outer, got$little)
  expect_identical(got$built$inner, got$little)
})
