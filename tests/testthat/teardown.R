set_rkeops_options(options_before_tests)
if (is.na(Sys.getenv("RKEOPS_TEST_CACHE", NA))) unlink(test_cache, recursive = TRUE)
