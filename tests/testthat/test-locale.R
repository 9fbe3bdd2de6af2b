# What a process computes whose host has set a locale behind R's back: rpy2, Qt, GTK.

# Makes a locale in a new folder: the environment that names it. Turkish has a decimal comma, and
# an I whose small letter is no i.
made_locale <- function(charmap) {
  testthat::skip_if(Sys.which("localedef") == "", "localedef is not there")
  folder <- tempfile("locales-")
  dir.create(folder)
  name <- paste0("tr_TR.", charmap)
  said <- suppressWarnings(system2("localedef", c("-c", "-i", "tr_TR", "-f", charmap,
                                                  shQuote(file.path(folder, name))),
                                   stdout = TRUE, stderr = TRUE))
  if (!file.exists(file.path(folder, name, "LC_NUMERIC")))
    testthat::skip(paste("localedef cannot make", name, "(on Debian, install locales):", said[1L]))
  list(name = name, env = paste0("LOCPATH=", folder))
}

# Values to be the same everywhere, written in hexadecimal.
script <- c(
  "x <- matrix(c(2, 0.25)); y <- matrix(c(4, 0.5, 1))",
  "value <- function(f, ...) as.vector(keops_kernel(f, c('x=Vi(1)', 'y=Vj(1)'), ...)(list(x, y)))",
  "said <- function(code) tryCatch({ code; 'nothing' }, error = conditionMessage)",
  "results <- function() list(",
  "  constants = value('Sum_Reduction(x*1.5+y*2.25e-1,j)'),",
  "  exponent = value('Sum_Reduction(Exp(-x*0.5),j)'),",
  "  power = value('Sum_Reduction(x^2.5,j)'),",
  "  clamp = value('Sum_Reduction(Clamp(x*y,0.5,1.5),j)'),",
  "  gradient = as.vector(keops_grad(keops_kernel('Sum_Reduction(Sin(x*1.5)*y,j)',",
  "    c('x=Vi(1)', 'y=Vj(1)')), 'x')(list(x, y, matrix(c(1, 0.5))))),",
  "  lazy = as.vector(sum(Vi(x) * 1.5 + exp(-Vj(y) / 3.3), 'j')),",
  "  whole = as.vector(sum(1e15 * Vi(x) + 123456789 + Vj(y) * (0.1 + 0.2), 'j')),",
  "  pairs = list(sum(exp(-1.5 * sqdist(Vi(x), Vj(y))), pairs = list_pairs(c(1, 2, 2), 1:3, weights = c(0.5, 1, 1.5))),",
  "    gradient(function(x) sum(sum(exp(-1.5 * sqdist(Vi(x), Vj(y))), pairs = list_pairs(c(1, 2, 2), 1:3))), x)),",
  "  text = (Vi(x) * 1.5 + 1e-7 + Vj(y)^0.3)$formula,",
  "  source = keops_source(keops_kernel('Sum_Reduction(x*1.5+y*2.25e-1,j)',",
  "                                     c('x=Vi(1)', 'y=Vj(1)'))),",
  "  systems = lapply(c('dense', 'iterative'), function(method)",
  "    solve(add_ridge(exp(-1.5 * sqdist(Vi(y), Vj(y))), 0.25), c(1, 2, 3.5), method = method, tol = 1e-12)),",
  "  derivative = value_and_gradient(solve(add_ridge(exp(-sqdist(Vi(y), Vj(y))), Pm(0.25)), c(1, 2, 3.5),",
  "    method = 'iterative', call = FALSE), y, 1.5),",
  "  logdet = estimate_logdet(add_ridge(exp(-sqdist(Vi(y), Vj(y))), 0.25), method = 'iterative')$value,",
  "  eigenvalues = find_eigen(exp(-0.5 * sqdist(Vi(y), Vj(y))), 2),",
  "  unsolved = said(solve(exp(-sqdist(Vi(x), Vj(x))) - 1.5, 1:2)),",
  "  similar = said(keops_kernel('Sum_Reduction(SQDISTI(x,y),j)', c('x=Vi(1)', 'y=Vj(1)'))),",
  "  option = said(set_rkeops_option('PRECISIONI', 1)),",
  "  number = said(set_rkeops_option('ncore', 1.5)),",
  "  norm = said(norm(Vi(x) * Vj(y), 'i')),",
  "  shown = c(format(Vi(x) * 0.5), format(add_ridge(0.5 * Vi(x) * Vj(x), 0.25)), capture.output(print(get_rkeops_options()))))")

expect_same_in <- function(charmap, engine) {
  locale <- made_locale(charmap)
  out <- run_r(c(using_cache(get_rkeops_cache_dir()), script,
                 "set_rkeops_option('precision', 'float64')",
                 sprintf("set_rkeops_option('engine', '%s')", engine),
                 "before <- results()",
                 "compiled <- rkeops:::counters()[['compiles']]",
                 "invisible(.Call(rkeops:::C_forget))",
                 "for (k in c('LC_NUMERIC', 'LC_CTYPE', 'LC_COLLATE'))",
                 sprintf("  if (suppressWarnings(Sys.setlocale(k, '%s')) == '') stop(k)", locale$name),
                 "stopifnot(identical(sprintf('%.1f', 0.5), '0,5'))",
                 "after <- results()",
                 "for (k in names(before)) if (!identical(before[[k]], after[[k]]))",
                 "  print(list(k, before[[k]], after[[k]]))",
                 "stopifnot(rkeops:::counters()[['compiles']] == compiled)", # the same keys
                 "truth <- c(3 * (2 * 1.5) + 5.5 * 0.225, 3 * 0.25 * 1.5 + 5.5 * 0.225)",
                 "stopifnot(all.equal(after$constants, truth, tolerance = 1e-14))",
                 "cat('the end')"), env = locale$env)
  expect_identical(out$output, "the end")
}

test_that("a decimal comma changes no result, no source and no message", {
  expect_same_in("UTF-8", if (.Call(C_has_compiler)) "compiled" else "builtin")
})

test_that("neither does a locale whose letters have one byte", {
  expect_same_in("ISO-8859-9", "builtin")
})
