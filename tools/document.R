# Writes NAMESPACE and man/ from the comments in R/: Rscript tools/document.R
roxygen2::roxygenise(load_code = "source")
