# The house rules of src/, read from its text: which folder may know which, where functions are
# declared and defined, how long functions and lines are, and that only a backend asks which one it
# is. In a checkout only.
#
# Each rule is a function of files, texts by path, and gives a line for each thing that breaks it. It
# runs on src/, and on small made-up files of which some break it: a rule that cannot fail says
# nothing.

# From the lowest to the highest: a file may include and call what is lower, and its own folder.
# "base" are the headers of the top folder that all stages share, and their files, "engine" is the
# rest of it, "glue" what speaks with R. A new folder gets a place here.
levels_of_folders <- c(base = 0, formula = 1, derive = 2, plan = 3, walk = 3, emit = 4, build = 4,
                       run = 4, look = 4, near = 4, bound = 4, dense = 4, loops = 4,
                       kernels = 4, host = 4.5,
                       builtin = 5, cpu = 5, cuda = 5, reference = 5,
                       engine = 6, vecchia = 6.5, glue = 7)
peers <- 4 # which may know each other, as long as there is no circle
backends <- names(which(levels_of_folders == 5)) # which know nothing of each other

folder_of <- function(path) {
  inside <- sub("^src/engine/", "", path)
  if (inside == path) return("glue")
  if (grepl("/", inside)) return(dirname(inside))
  if (grepl("^(engine\\.h|text\\.|error\\.|caller\\.h|trace\\.|rounding\\.h|order\\.h|float_mode\\.h|os[._])", inside)) "base"
  else "engine"
}

may_know <- function(from, to) {
  if (from == "glue") return(to %in% c("glue", "base"))
  level <- levels_of_folders[c(from, to)]
  if (anyNA(level)) return(FALSE)
  from == to || level[[2]] < level[[1]] || (level[[2]] == level[[1]] && level[[2]] == peers)
}

# Without comments, strings, characters and lines of the preprocessor.
code_of <- function(text) {
  text <- gsub("(?s)/\\*.*?\\*/", "", text, perl = TRUE)
  text <- gsub("\"(\\\\.|[^\"\\\\\n])*\"|'(\\\\.|[^'\\\\\n])+'", "0", text, perl = TRUE)
  gsub("(?m)^[ \t]*#(.*\\\\\n)*.*$", "", text, perl = TRUE)
}

matches <- function(pattern, text) regmatches(text, gregexpr(pattern, text, perl = TRUE))[[1]]

# Names of functions that stand at the beginning of a line, before a body or before a semicolon.
functions_in <- function(text, end) {
  heads <- matches(paste0("(?m)^(?!static|typedef)[a-z][^;{}()=]*\\brk_\\w+\\s*\\([^;{}]*\\)\\s*\\", end),
                   code_of(text))
  sub("(?s)^[^(]*\\b(rk_\\w+)\\s*\\(.*", "\\1", heads, perl = TRUE)
}

# Where each function is defined: paths by name.
definitions <- function(files) {
  found <- lapply(files[endsWith(names(files), ".c")], functions_in, "{")
  stats::setNames(rep(names(found), lengths(found)), unlist(found))
}

# All pairs of a file and another one of these that it includes.
includes <- function(files) {
  do.call(rbind, lapply(names(files), function(from) {
    names <- sub(".*\"(.*)\".*", "\\1", matches("#include \"[^\"]+\"", files[[from]]))
    to <- c(file.path("src/engine", names), file.path(dirname(from), names))
    to <- unique(to[to %in% names(files)])
    if (length(to)) data.frame(from = from, to = to)
  }))
}

rules <- list(
  order = function(files) {
    known <- includes(files)
    wrong <- if (!is.null(known)) known[!mapply(may_know, lapply(known$from, folder_of),
                                                lapply(known$to, folder_of)), ]
    folders <- vapply(names(files), folder_of, "")
    c(sprintf("%s includes %s", wrong$from, wrong$to),
      names(files)[grepl("#include \"../", files, fixed = TRUE)],
      names(files)[!folders %in% names(levels_of_folders)])
  },
  circles = function(files) {
    known <- includes(files)
    folders <- names(levels_of_folders)
    knows <- matrix(0, length(folders), length(folders), dimnames = list(folders, folders))
    if (!is.null(known))
      knows[cbind(vapply(known$from, folder_of, ""), vapply(known$to, folder_of, ""))] <- 1
    diag(knows) <- 0
    reached <- knows
    for (k in folders) reached <- reached | outer(reached[, k], reached[k, ], "&")
    folders[diag(reached)]
  },
  # What a header declares is defined in its folder, save what engine.h has for users; a .c file
  # declares nothing that another one has.
  declarations = function(files) {
    defined <- definitions(files)
    unlist(lapply(setdiff(names(files), "src/engine/engine.h"), function(path) {
      where <- defined[functions_in(files[[path]], ";")]
      where <- where[!is.na(where)]
      own <- vapply(where, folder_of, "") == folder_of(path) & endsWith(path, ".h")
      sprintf("%s declares %s of %s", rep(path, sum(!own)), names(where)[!own], where[!own])
    }))
  },
  calls = function(files) {
    defined <- definitions(files)
    unlist(lapply(names(files)[vapply(names(files), folder_of, "") != "glue"], function(path) {
      called <- defined[sub("\\s*\\($", "", matches("\\brk_\\w+\\s*\\(", code_of(files[[path]])))]
      called <- called[!is.na(called)]
      wrong <- !vapply(called, function(to) may_know(folder_of(path), folder_of(to)), NA)
      if (path != "src/engine/engine.h" && any(wrong))
        sprintf("%s calls %s of %s", path, names(called)[wrong], called[wrong])
    }))
  },
  # rk_backend_cpu and the like stand in the folder of a backend and in the list only.
  backends = function(files) {
    asks <- grepl(sprintf("\\brk_backend_(%s)\\b", paste(backends, collapse = "|")), files)
    ours <- vapply(names(files), folder_of, "") %in% backends
    names(files)[asks & !ours & names(files) != "src/engine/backends.c"]
  },
  functions = function(files) {
    unlist(lapply(names(files), function(path) {
      bodies <- matches("(?m)^[A-Za-z](?:[^;{}\n]|\n[^;{}\n])*\\{[^\n]*(?:\n(?!\\}).*)*\n\\}", files[[path]])
      lines <- lengths(strsplit(bodies, "\n", fixed = TRUE))
      long <- lines > 50 & grepl("^[^{]*\\)\\s*\\{", bodies)
      if (any(long)) sprintf("%s: %s: %d lines", path, sub("\n.*", "", bodies[long]), lines[long])
    }))
  },
  lines = function(files) {
    names(files)[vapply(strsplit(files, "\n", fixed = TRUE), function(lines)
      any(nchar(lines) > 100), NA)]
  })

test_that("the rules let pass what they should, and find the rest", {
  breaks <- function(rule, times, ...) {
    files <- c(...)
    expect_length(rules[[rule]](files), times)
  }
  cpu <- "src/engine/cpu/module.c"
  run <- "src/engine/run/call.c"
  plan_h <- "src/engine/plan/plan.h"
  cuda_h <- "src/engine/cuda/cuda.h"
  of <- function(path, text) stats::setNames(text, path)
  size <- "int rk_size(int n) { return n; }"
  down <- "#include \"plan/plan.h\"\n"
  up <- "#include \"cuda/cuda.h\"\n"
  breaks("order", 0, of(cpu, down), of(plan_h, ""))
  for (path in c(plan_h, cpu, "src/r_gpu.c")) breaks("order", 1, of(path, up), of(cuda_h, ""))
  breaks("order", 1, of(plan_h, "#include \"../cuda/cuda.h\"\n"))
  breaks("order", 1, of("src/engine/error.h", down), of(plan_h, ""))
  breaks("order", 0, of(cuda_h, "#include \"kernel.h\"\n"), of("src/engine/cuda/kernel.h", ""))
  breaks("order", 1, of("src/engine/attic/a.c", ""))
  build <- of("src/engine/build/build.h", "")
  breaks("circles", 0, of(run, "#include \"build/build.h\"\n"), build)
  build[] <- "#include \"run/call.c\"\n"
  breaks("circles", 2, of(run, "#include \"build/build.h\"\n"), build)
  breaks("declarations", 0, of(plan_h, "int rk_size(int n);"), of("src/engine/plan/plan.c", size))
  breaks("declarations", 1, of(cuda_h, "int rk_size(int n);"),
         of("src/engine/plan/a.c", "/* size */\nint rk_size(int n)\n{ return n; }"))
  breaks("declarations", 0, of("src/engine/engine.h", "int rk_size(int n);"), of(cpu, size))
  breaks("declarations", 1, of(run, "struct t { int a; };\nextern int rk_size(int n);"), of(cpu, size))
  breaks("calls", 0, of(cpu, "int f(void) { return rk_size(1); }"), of(run, size))
  breaks("calls", 2, of(run, "static int f(void) { return rk_size(1) + rk_size(2); }"), of(cpu, size))
  breaks("calls", 0, of(run, "/* rk_size(1) */ const char *s = \"rk_size(1)\";"), of(cpu, size))
  asks <- "return b == &rk_backend_cuda;"
  breaks("backends", 2, of(run, asks), of("src/engine/engine.c", asks))
  breaks("backends", 0, of(cuda_h, asks), of(run, "rk_backend_named(name);"),
         of("src/engine/backends.c", asks))
  for (n in 50:51) {
    body <- c("static int f(int a,", "             int b) {", rep("  a++;", n - 3), "}", "")
    breaks("functions", n - 50, of(cpu, paste(body, collapse = "\n")))
  }
  for (n in 100:101) breaks("lines", n - 100, of(cpu, strrep("\u00e4", n)))
})

test_that("src/ keeps its rules", {
  top <- file.path("..", "..")
  skip_if_not(file.exists(file.path(top, plan <- "src/engine/plan/plan.h")), "no checkout")
  paths <- file.path("src", dir(file.path(top, "src"), "\\.[ch]$", recursive = TRUE))
  files <- vapply(paths, function(path)
    paste(readLines(file.path(top, path), encoding = "UTF-8"), collapse = "\n"), "")
  expect_gt(length(files), 100)
  expect_gt(length(definitions(files)), 400)
  expect_gt(nrow(includes(files)), 300)
  for (name in names(rules))
    expect_identical(as.character(rules[[name]](files)), character(), label = name)
})

# Files of R/ share one namespace: of two definitions the last one is what all call.
test_that("no name is defined twice in R/", {
  top <- file.path("..", "..", "R")
  skip_if_not(dir.exists(top) && file.exists(file.path(top, "zzz.R")), "no checkout")
  named <- function(code) unlist(lapply(as.list(code), function(e)
    if (is.call(e) && identical(e[[1]], quote(`<-`)) && is.name(e[[2]])) as.character(e[[2]])))
  twice <- function(names) unique(names[duplicated(names)])
  expect_identical(twice(named(parse(text = "a <- 1; b <- 2; f(a <- 3); a <- 4"))), "a")
  names <- unlist(lapply(dir(top, "\\.R$", full.names = TRUE), function(path) named(parse(path, keep.source = FALSE))))
  expect_gt(length(names), 1000)
  expect_identical(twice(names), character())
})
