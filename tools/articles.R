# articles.R FOLDER: the articles that are not installed, as pages in FOLDER. What a package may take
# on the disk, 5 MB, holds the articles on rkeops itself; those on methods have the larger pictures.
folder <- commandArgs(TRUE)[1]
dir.create(folder, recursive = TRUE, showWarnings = FALSE)
for (article in dir(file.path("vignettes", "articles"), "\\.Rmd$", full.names = TRUE))
  cat(rmarkdown::render(article, output_dir = normalizePath(folder), quiet = TRUE), "\n")
