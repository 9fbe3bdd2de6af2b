# The scripts of inst/examples, each in an R process of its own, at a small size.

examples <- system.file("examples", package = "rkeops")

run_example <- function(script, n, env = character()) {
  libraries <- paste(.libPaths(), collapse = .Platform$path.sep)
  environment <- c(env, paste0("R_LIBS=", shQuote(libraries)),
                   paste0("R_USER_CACHE_DIR=", shQuote(test_cache)), "OMP_THREAD_LIMIT=2")
  output <- suppressWarnings(
    system2(file.path(R.home("bin"), "Rscript"),
            c("--vanilla", shQuote(file.path(examples, script)), n),
            stdout = TRUE, stderr = TRUE, env = environment))
  list(output = as.vector(output), failed = !is.null(attr(output, "status")))
}

# Seconds that the talk names, NA where it names none.
talk <- c(gaussian_formula.R = 4.4, gaussian_lazytensor.R = 4.4, kmeans.R = 2.2,
          interpolation.R = 13, gradient.R = NA, neighbours.R = 12)

methods <- c("registration.R", "mixture.R", "sinkhorn.R", "tsne.R", "hyperbolic.R", "svgd.R",
             "stein.R", "attention.R", "gaussian_process.R")

expect_timed <- function(script, n) {
  run <- run_example(script, n)
  expect_false(run$failed, label = paste(c(script, "fails:", run$output), collapse = "\n"))
  expect_match(run$output, "rkeops, here: +[0-9.]+ s on [0-9]+ thread", all = FALSE,
               info = script)
  run
}

test_that("every example ends well and prints its time beside the talk's", {
  skip_on_cran()
  for (script in names(talk)) {
    run <- expect_timed(script, 500)
    expect_match(run$output, "against plain R, [0-9]+ rows: ", all = FALSE, info = script)
    figure <- if (is.na(talk[script])) "times the convolution"
              else paste0("talk's figure: +", format(talk[script], nsmall = 1), " s on 16 cores")
    expect_match(run$output, figure, all = FALSE, info = script)
  }
})

test_that("methods of research agree with plain R or differences, in 40 lines", {
  skip_on_cran()
  for (script in methods) {
    run <- expect_timed(script, 120)
    expect_match(run$output, "against (plain R, |central differences: )", all = FALSE, info = script)
    expect_lte(length(readLines(file.path(examples, script))), 40L)
  }
})

test_that("the convolution by a formula runs on a GPU too, where there is one", {
  skip_without_standin()
  run <- run_example("gaussian_formula.R", 100, standin_env())
  expect_false(run$failed, label = paste(run$output, collapse = "\n"))
  expect_match(run$output, "The same on a GPU", all = FALSE)
  expect_length(grep("against plain R, 20 rows: ", run$output), 2)
})

test_that("the folder holds these examples and nothing else", {
  expect_setequal(dir(examples), c(names(talk), methods, "common.R", "demo.R", "README.md"))
  listed <- readLines(file.path(examples, "README.md"))
  for (script in dir(examples, "[.]R$")) expect_match(listed, script, all = FALSE, fixed = TRUE)
})

test_that("examples stop when results differ from plain R, and when the size is no number", {
  common <- new.env()
  sys.source(file.path(examples, "common.R"), common)
  expect_output(common$check_against_r(c(1, 2), c(1, 2 + 1e-6), tolerance = 1e-5), "2 rows")
  for (wrong in list(c(1, 2.1), c(1, NA), c(Inf, 2)))
    expect_output(expect_error(common$check_against_r(wrong, c(1, 2), tolerance = 1e-5), "differs"))
  f <- function(a, b) sum(a * b^2)
  at <- list(a = 1:3, b = c(1, 2, 4))
  expect_output(common$check_gradient(f, at, list(at$b^2, 2 * at$a * at$b)), "central differences")
  for (wrong in list(c(0, 0, 0), c(1, NaN, 1), at$b))
    expect_output(expect_error(common$check_gradient(f, at, list(at$b^2, wrong)), "differs"))
  skip_on_cran()
  run <- run_example("kmeans.R", "many")
  expect_true(run$failed)
  expect_match(run$output, "expected a whole number from 100 on", all = FALSE)
})
