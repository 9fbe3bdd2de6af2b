# What the compiler makes of the GPU kernels: registers, stack, and the instructions of the loops in
# which the time goes, counted in the machine code. Needs nvcc and nvdisasm (or NVDISASM, its path),
# no GPU: nothing is measured here.
#
#   R_LIBS=.library Rscript bench/gpu_code.R [sm_90]

source("bench/common.R")

arch <- c(commandArgs(TRUE), "sm_90")[1]
nvdisasm <- Sys.getenv("NVDISASM", "nvdisasm")

gauss <- "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"
cases <- list(
  list("Gaussian, D = 3", gauss, 3), list("its gradient by hand, D = 3",
       "Sum_Reduction(-2*Exp(-SqDist(x,y))*b*(x-y), j)", 3),
  list("Laplacian, D = 3", "Sum_Reduction(Exp(-Norm2(x-y))*b, j)", 3),
  list("Cauchy, D = 3", "Sum_Reduction(Inv(1+SqDist(x,y))*b, j)", 3),
  list("LogSumExp, D = 3", "LogSumExp_Reduction(-SqDist(x,y), j)", 3),
  list("argmin, D = 3", "ArgMin_Reduction(SqDist(x,y), j)", 3),
  list("D = 15, 15 columns", gauss, 15, 15), list("D = 64", gauss, 64), list("D = 784", gauss, 784),
  list("D = 100, 100 columns", gauss, 100, 100),
  list("softmax average, D = 64, 64 columns", "SumSoftMaxWeight_Reduction((x|y), b, j)", 64, 64),
  list("Gaussian, D = 3, float64", gauss, 3, precision = "float64"),
  list("D = 100, float64", gauss, 100, precision = "float64"))

source_of <- function(case) {
  use_precision(if (is.null(case$precision)) "float32" else case$precision)
  d <- case[[3]]
  columns <- if (length(case) > 3 && is.numeric(case[[4]])) case[[4]] else 1
  op <- keops_kernel(case[[2]], c(sprintf("x=Vi(%d)", d), sprintf("y=Vj(%d)", d),
                                  sprintf("b=Vj(%d)", columns)))
  keops_source(op, target = "cuda")
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

# Loops, from a branch back to its label; `within` says which of them hold no other.
loops <- function(code) {
  label <- regmatches(code, regexpr("^\\s*\\.L_x_[0-9]+(?=:)", code, perl = TRUE))
  at <- stats::setNames(grep("^\\s*\\.L_x_[0-9]+:", code), trimws(label))
  back <- grep("BRA.*`\\(\\.L_x_", code)
  target <- at[sub(".*`\\((\\.L_x_[0-9]+)\\).*", "\\1", code[back])]
  keep <- !is.na(target) & target < back
  data.frame(from = target[keep], to = back[keep])
}

count <- function(pattern, lines) sum(grepl(pattern, lines))
arithmetic <- "(FFMA|FADD|FMUL|DFMA|DADD|DMUL)"

counts <- function(code, loop) {
  body <- code[seq(loop$from + 1, loop$to)]
  body <- body[grepl(";", body)]
  c(instructions = length(body), arithmetic = count(arithmetic, body),
    special = count("MUFU", body), shared = count("LDS", body), global = count("LDG\\.", body))
}

# The innermost loop with much arithmetic and little else: that of whole tiles.
main_loop <- function(code) {
  all <- loops(code)
  inner <- vapply(seq_len(nrow(all)), function(k)
    !any(all$from > all$from[k] & all$to < all$to[k]), NA)
  found <- vapply(which(inner), function(k) counts(code, all[k, ]), numeric(5))
  found[, which.max(found["arithmetic", ]^2 / found["instructions", ])]
}

row <- function(case) {
  text <- source_of(case)
  made <- compiled(text)
  n <- main_loop(made$code)
  form <- grep("^ \\* (walk|blocked): ", strsplit(text, "\n")[[1]], value = TRUE)
  data.frame(case = case[[1]], form = sub("^ \\* (.*), in registers$", "\\1", form),
             registers = number_before("registers", made$said),
             `stack + spill` = paste(number_before("bytes stack", made$said), "+",
                                     number_before("bytes spill stores", made$said)),
             instructions = n[["instructions"]], arithmetic = n[["arithmetic"]],
             `special functions` = n[["special"]], `from shared` = n[["shared"]],
             `from global` = n[["global"]],
             share = sprintf("%.0f %%", 100 * n[["arithmetic"]] / n[["instructions"]]),
             check.names = FALSE)
}

keep("gpu-code", do.call(rbind, lapply(cases, row)), c(
  paste0(arch, ", ", grep("release", run("nvcc", "--version"), value = TRUE), ". Instructions of ",
         "the innermost loop of rk_pair in which whole tiles are computed; `share`: arithmetic ",
         "among them. Counted in machine code, not measured: no GPU was there."),
  paste("A walk does rows x columns of a thread in one turn, a blocked form so many pairs for one",
        "component of the vectors (or, with many columns of the result, 4 columns for its rows and",
        "components)."))
)
