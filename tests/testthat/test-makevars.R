test_that("the list of objects in Makevars is that of the C files", {
  src <- test_path("..", "..", "src")
  skip_if_not(file.exists(file.path(src, "Makevars")), "the sources are not beside the tests")
  lines <- readLines(file.path(src, "Makevars"))
  start <- grep("^OBJECTS *=", lines)
  objects <- paste(lines[start:length(lines)], collapse = " ")
  listed <- strsplit(gsub("OBJECTS *=|\\\\", " ", objects), " +")[[1]]
  files <- list.files(src, pattern = "\\.c$", recursive = TRUE)
  expect_setequal(listed[nzchar(listed)], sub("\\.c$", ".o", files))
})
