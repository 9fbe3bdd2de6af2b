set_rkeops_options(options_before_tests)
unlink(test_cache, recursive = TRUE)
