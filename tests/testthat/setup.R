# Tests have a cache of their own, or one that RKEOPS_TEST_CACHE names and that stays, and use at most
# two threads.
test_cache <- Sys.getenv("RKEOPS_TEST_CACHE", file.path(tempdir(), "rkeops-test-cache"))
dir.create(test_cache, mode = "0700", showWarnings = FALSE, recursive = TRUE)
options_before_tests <- set_rkeops_options(list(cache_dir = test_cache, ncore = 2))

# The engine of tests that choose none.
if (nzchar(Sys.getenv("RKEOPS_TEST_ENGINE")))
  set_rkeops_options(list(engine = Sys.getenv("RKEOPS_TEST_ENGINE")))

# On a machine with a GPU everything may be computed there, in the precision that a CPU has by
# default: see helper-gpu.R.
if (nzchar(Sys.getenv("RKEOPS_TEST_GPU"))) {
  rkeops_use_float64()
  rkeops_use_gpu()
}

# Positions and precision are explained once in a session: not in the middle of tests.
session$informed <- union(session$informed, c("positions", "precision"))
