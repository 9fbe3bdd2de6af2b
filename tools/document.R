# Writes NAMESPACE and man/ from the comments in R/ and the engine's tables:
# Rscript tools/document.R
roxygen2::roxygenise(load_code = "source")

# The page of all operations asks the engine: a copy of the package is built for it.
local({
  copy <- tempfile("rkeops-")
  library <- file.path(copy, "library")
  dir.create(library, recursive = TRUE)
  files <- c("DESCRIPTION", "NAMESPACE", "LICENSE", "R", "inst", "src")
  file.copy(files, copy, recursive = TRUE)
  unlink(dir(copy, "\\.(o|so|dll)$", full.names = TRUE, recursive = TRUE))
  status <- system2(file.path(R.home("bin"), "R"),
                    c("CMD", "INSTALL", "--no-docs", "--no-test-load",
                      paste0("--library=", shQuote(library)), shQuote(copy)),
                    stdout = FALSE, stderr = FALSE)
  if (status != 0) stop("the package does not install")
  loadNamespace("rkeops", lib.loc = library)
  source("tools/formulas.R")
  write_formulas_page()
  unlink(copy, recursive = TRUE)
})
