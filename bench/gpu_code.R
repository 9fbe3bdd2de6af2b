# What the compiler makes of the GPU kernels: registers, stack, and the instructions of the loops in
# which the time goes, counted in the machine code, beside the least that a pair needs. Needs nvcc
# and nvdisasm (or NVDISASM, its path), no GPU: nothing is measured here.
#
#   R_LIBS=.library Rscript bench/gpu_code.R [sm_90]

source("bench/common.R")

arch <- c(commandArgs(TRUE), "sm_90")[1]
nvdisasm <- Sys.getenv("NVDISASM", "nvdisasm")

# ---- cases ------------------------------------------------------------------------------------

gauss <- "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"
nearest <- "ArgKMin_Reduction(SqDist(x,y), 10, j)"

# `flops` and `special`: operations of a pair besides the squared distance. `goal`: seconds, or a
# share of the bound when it is below 1 and `share` says so.
case <- function(name, formula, D, flops, special, pairs = 1e12, goal = NA, share = FALSE,
                 columns = 1, precision = "float32") {
  list(name = name, formula = formula, D = D, flops = flops, special = special, pairs = pairs,
       goal = goal, share = share, columns = columns, precision = precision)
}

cases <- list(
  case("Gaussian, D = 3", gauss, 3, 1, 1, goal = 0.28),
  case("its gradient by hand", "Sum_Reduction(-2*Exp(-SqDist(x,y))*b*(x-y), j)", 3, 4, 1,
       goal = 0.42),
  case("its gradient by Grad", paste0("Grad(", gauss, ", x, e)"), 3, 4, 1, goal = 0.42),
  case("the same with a parameter", "Grad(Sum_Reduction(Exp(-p*SqDist(x,y))*b, j), x, e)", 3, 5, 1),
  case("Laplacian, D = 3", "Sum_Reduction(Exp(-Norm2(x-y))*b, j)", 3, 1, 2, goal = 0.75,
       share = TRUE),
  case("Cauchy, D = 3", "Sum_Reduction(Inv(1+SqDist(x,y))*b, j)", 3, 1, 1, goal = 0.75,
       share = TRUE),
  case("LogSumExp, D = 3", "LogSumExp_Reduction(-SqDist(x,y), j)", 3, 1, 1, goal = 0.35),
  case("LogSumExp with weights, D = 3", "LogSumExp_Reduction(-SqDist(x,y), b, j)", 3, 1, 1),
  case("argmin, D = 3", "ArgMin_Reduction(SqDist(x,y), j)", 3, 1, 0),
  case("argKmin, K = 10, D = 3", nearest, 3, 1, 0, goal = 0.4),
  case("D = 15, 15 columns", gauss, 15, 15, 1, 1e10, 0.6, TRUE, columns = 15),
  case("D = 64", gauss, 64, 1, 1, 1e10, 0.6, TRUE),
  case("D = 100", gauss, 100, 1, 1, 1e10, 0.6, TRUE),
  case("D = 784", gauss, 784, 1, 1, 1e10, 0.6, TRUE),
  case("D = 100, 100 columns", gauss, 100, 100, 1, 1e10, columns = 100),
  case("argKmin, K = 10, D = 100", nearest, 100, 1, 0, 1e10, 0.5, TRUE),
  case("Gaussian, D = 3, float64", gauss, 3, 1, 1, 4e10, 0.6, TRUE, precision = "float64"),
  case("D = 100, float64", gauss, 100, 1, 1, 1e10, precision = "float64"))

source_of <- function(case) {
  use_precision(case$precision)
  keops_source(keops_kernel(case$formula, c(
    sprintf("x=Vi(%d)", case$D), sprintf("y=Vj(%d)", case$D), sprintf("b=Vj(%d)", case$columns),
    "p=Pm(1)", "e=Vi(1)")), target = "cuda")
}

# ---- the model: an H200 ------------------------------------------------------------------------

# A multiprocessor issues 128 instructions a clock (4 warps of 32). Of these it can take 16 special
# functions or conversions to double, 64 operations in double, 64 comparisons, selections and
# operations on integers; all counts are in slots of issue.
slots <- function(instructions, special, double, other) {
  max(instructions, 8 * special, 2 * double, 2 * other)
}
multiprocessors <- 132
highest_clock <- 1.98e9
seconds_of <- function(slots, pairs) slots * pairs / (multiprocessors * 128 * highest_clock)

# The least for a pair: see bench/gpu.c. An exponential in double is 16 operations.
bound_of <- function(case) {
  flops <- case$flops + (if (case$D < 64) 2 else 1) * case$D
  if (case$precision == "float64") return(2 * (flops + 16 * case$special))
  slots(flops + case$special, case$special, 0, 0)
}

goal_of <- function(case) {
  if (case$share) bound_of(case) / case$goal
  else case$goal / seconds_of(1, case$pairs)
}

# ---- machine code -----------------------------------------------------------------------------

run <- function(command, ...) {
  out <- suppressWarnings(system2(command, c(...), stdout = TRUE, stderr = TRUE))
  if (!is.null(attr(out, "status"))) stop(paste(out, collapse = "\n"))
  out
}

compiled <- function(text) {
  cu <- tempfile(fileext = ".cu")
  cubin <- tempfile(fileext = ".cubin")
  on.exit(unlink(c(cu, cubin)))
  writeLines(text, cu)
  said <- run("nvcc", "-cubin", paste0("-arch=", arch), "-std=c++17", "-ftz=true",
              "-prec-div=false", "-prec-sqrt=false", "-Xptxas", "-v", "-o", cubin, cu)
  lines <- run(nvdisasm, "-c", cubin)
  from <- grep("^\\.text\\.rk_pair:", lines)
  sections <- grep("^\\.text\\.", lines)
  to <- c(sections[sections > from], length(lines))[1]
  list(said = said[seq(grep("entry function 'rk_pair'", said), length(said))],
       code = gsub("/\\*[0-9a-f]*\\*/", "", lines[from:to]))
}

number_before <- function(words, lines) {
  as.numeric(sub(paste0(".*?([0-9]+) ", words, ".*"), "\\1", grep(words, lines, value = TRUE)[1]))
}

# The target of a branch, by line; NA elsewhere.
targets <- function(code) {
  label <- regmatches(code, regexpr("^\\s*\\.L_x_[0-9]+(?=:)", code, perl = TRUE))
  at <- stats::setNames(grep("^\\s*\\.L_x_[0-9]+:", code), trimws(label))
  to <- rep(NA_integer_, length(code))
  branch <- grep("BRA.*`\\(\\.L_x_", code)
  to[branch] <- at[sub(".*`\\((\\.L_x_[0-9]+)\\).*", "\\1", code[branch])]
  to
}

# Loops, from a label to the last branch back to it.
loops <- function(to) {
  back <- which(!is.na(to) & to < seq_along(to))
  back <- back[!duplicated(to[back], fromLast = TRUE)]
  data.frame(from = to[back], to = back)
}

# The common path through a loop: what a branch forward may skip is rare (a list that changes, the
# columns after the last whole tile). Lines of instructions, loops inside apart.
path <- function(code, to, all, loop) {
  lines <- inside <- integer()
  line <- loop$from + 1
  while (line <= loop$to) {
    inner <- which(all$from == line & all$to < loop$to)
    if (length(inner)) {
      inside <- c(inside, inner)
      line <- all$to[inner] + 1
      next
    }
    if (grepl(";", code[line])) lines <- c(lines, line)
    forward <- !is.na(to[line]) && to[line] > line && to[line] <= loop$to
    line <- if (forward) to[line] else line + 1
  }
  list(lines = lines, inside = inside)
}

count <- function(pattern, lines) {
  sum(grepl(paste0("^\\s*(@!?U?P\\w+ +)?(", pattern, ")([.; ]|$)"), lines))
}
half_rate <- paste0("FMNMX|FSETP|FSEL|SEL|ISETP|IADD3|LEA|LOP3|PLOP3|SHF|VIADD|VIADDMNMX|VIMNMX|",
                    "FCHK|PRMT")

counts <- function(lines) {
  loads <- count("LDS", lines)
  c(instructions = length(lines), arithmetic = count("FFMA|FADD|FMUL|DFMA|DADD|DMUL", lines),
    special = count("MUFU|F2F", lines), double = count("DFMA|DADD|DMUL|DSETP", lines),
    other = count(half_rate, lines), loads = loads,
    words = loads + count("LDS\\.64", lines) + 3 * count("LDS\\.128", lines))
}

# ---- what a pair costs -------------------------------------------------------------------------

shape_of <- function(text) {
  lines <- strsplit(text, "\n")[[1]]
  form <- grep("^ \\* (walk|blocked): ", lines, value = TRUE)
  n <- as.numeric(regmatches(form, gregexpr("[0-9]+", form))[[1]])
  chunk <- grep("for (; c < ", lines, value = TRUE, fixed = TRUE)
  list(form = sub("^ \\* (.*?)(, in registers)?$", "\\1", form, perl = TRUE),
       blocked = grepl("blocked", form), threads = n[1], columns = n[3], rows = n[4],
       tile = n[4] * n[5], chunk = as.numeric(sub(".*c \\+= ([0-9]+),.*", "\\1", chunk)),
       flush = any(grepl("rk_flush(z);", lines, fixed = TRUE)))
}

# The loops in which the time goes, and of how many pairs of a thread one turn of each is a part. Of
# a walk: the loop over whole tiles and those around it. Of a blocked form: over components, over
# chunks of components (copies included), over columns that enter, over tiles.
time_loops <- function(code, shape, case) {
  to <- targets(code)
  all <- loops(to)
  found <- lapply(seq_len(nrow(all)), function(k) path(code, to, all, all[k, ]))
  turn <- t(vapply(found, function(f) counts(code[f$lines]), numeric(7)))
  around <- lapply(seq_len(nrow(all)), function(k)
    which(all$from < all$from[k] & all$to > all$to[k]))
  good <- !lengths(lapply(found, `[[`, "inside")) & lengths(around) >= if (shape$blocked) 2 else 0
  main <- which.max(ifelse(good, turn[, "arithmetic"], -1))
  outer <- around[[main]][order(-all$from[around[[main]]])]
  if (!shape$blocked) {
    part <- c(shape$tile, if (shape$flush) 64 * shape$rows, shape$columns * shape$rows)
    return(list(turn = turn[c(main, outer[seq_len(length(part) - 1)]), ], part = part))
  }
  chunk <- setdiff(seq(all$from[outer[1]], all$to[outer[1]]), seq(all$from[main], all$to[main]))
  turn[outer[1], ] <- counts(grep(";", code[chunk], value = TRUE))
  after <- which(all$from > all$to[outer[1]] & all$to < all$to[outer[2]] &
                   turn[, "arithmetic"] != turn[main, "arithmetic"]) # the rest of components
  enter <- after[which.max(turn[after, "words"])]
  components <- turn[main, "arithmetic"] / 2 / shape$tile
  list(turn = turn[c(main, outer[1], enter, outer[2]), ],
       part = shape$tile * c(components / case$D, shape$chunk / case$D,
                             turn[enter, "loads"] / shape$columns, 1))
}

# Warps of a multiprocessor: registers come in eights for each thread, shared memory with 1 KB more
# for each block.
warps_of <- function(registers, threads, shared) {
  blocks <- min(65536 %/% (ceiling(registers / 8) * 8 * threads),
                (227 * 1024) %/% (shared + 1024), 32)
  min(blocks * threads / 32, 64)
}

row <- function(case) {
  text <- source_of(case)
  made <- compiled(text)
  shape <- shape_of(text)
  l <- time_loops(made$code, shape, case)
  pair <- colSums(l$turn / l$part)
  registers <- number_before("registers", made$said)
  predicted <- slots(pair["instructions"], pair["special"], pair["double"], pair["other"])
  bound <- bound_of(case)
  goal <- goal_of(case)
  data.frame(case = case$name, form = shape$form, registers = registers,
             warps = warps_of(registers, shape$threads, number_before("bytes smem", made$said)),
             `stack + spill` = paste(number_before("bytes stack", made$said), "+",
                                     number_before("bytes spill stores", made$said)),
             `main loop` = l$turn[1, "instructions"],
             `of a pair` = sprintf("%.1f", pair["instructions"]),
             special = sprintf("%.2f", pair["special"]), words = sprintf("%.2f", pair["words"]),
             bound = sprintf("%.1f", bound), goal = if (is.na(goal)) "" else sprintf("%.1f", goal),
             predicted = sprintf("%.1f: %.3g s, %.0f %%", predicted,
                                 seconds_of(predicted, case$pairs), 100 * bound / predicted),
             meets = if (is.na(goal)) "" else if (predicted <= goal) "yes" else "no",
             check.names = FALSE, row.names = NULL)
}

keep("gpu-code", do.call(rbind, lapply(cases, row)), c(
  paste0(arch, ", ", grep("release", run("nvcc", "--version"), value = TRUE), ". Counted in ",
         "machine code, not measured: no GPU was there. `warps` of a multiprocessor; `main loop`: ",
         "instructions of one turn of the innermost loop over whole tiles, on its common path; ",
         "`of a pair`: instructions of all loops; `words` of shared memory that a thread reads."),
  paste("`bound`, `goal`, `predicted`: slots of issue for a pair, 128 a clock and multiprocessor;",
        "16 special functions, 64 operations in double, 64 comparisons and integer operations.",
        "Predicted is what these counts take at the highest clock of an H200, 132 multiprocessors",
        "of 1.98 GHz, if nothing waits for memory; percent: of the bound. Of D >= 64 the bound is",
        "one multiply-add for a component, as of a matrix product; differences take two.")))
