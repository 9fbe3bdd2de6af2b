# Formulas of each operation of the table, for the tests of operations and of their derivatives.

# In a full run: more, and larger.
is_full <- nzchar(Sys.getenv("RKEOPS_TEST_FULL"))

# Operands are variables of dimension 3, and each of them of dimension 1, unless said here: other
# dimensions, or a list of such. Integers are 1 unless said here.
complex_pairs <- list(c(6, 6), c(2, 6), c(6, 2))
complex_scalar <- list(c(1, 6), c(6, 1))
special_dims <- list(
  SumT = 1, ElemT = 1, OneHot = 1, SymSqNorm = c(9, 3), SqNormIso = c(1, 3), SqNormDiag = c(3, 3),
  WeightedSqNorm = list(c(1, 3), c(3, 3), c(9, 3)), WeightedSqDist = list(c(1, 3, 3), c(9, 3, 3)),
  RepeatBlocks = 6, SumBlocks = 12, SumEach = 6, SwapAxes = 24, MatVecMult = list(c(6, 3), c(3, 3)),
  VecMatMult = list(c(2, 6), c(3, 3)), TensorProd = c(2, 3), TensorDot = c(6, 12), Kron = c(6, 4),
  BSpline = c(6, 1), SoftDTW_SqDist = c(4, 3, 1), Complex = c(3, 3), ComplexReal = 6,
  ComplexImag = 6, Conj = 6, ComplexAdd = complex_pairs, ComplexSubtract = complex_pairs,
  ComplexMult = complex_pairs, ComplexDivide = complex_pairs, ComplexRealScal = complex_scalar,
  ComplexScal = c(complex_pairs, complex_scalar), ComplexSquareAbs = 6, ComplexAbs = 6,
  ComplexAngle = 6, ComplexExp = 6, ComplexSum = 6, ComplexSumT = 2
)
special_integers <- list(
  Pow = 3, Round = 1, ClampInt = c(0, 1), DiffClampInt = c(0, 1), SumT = 4, ElemT = c(4, 2),
  Extract = c(1, 2), ExtractT = c(2, 7), OneHot = 3, RepeatEach = 2, RepeatAll = 2,
  RepeatBlocks = c(3, 2), SumBlocks = c(2, 3), SumEach = 2, SwapAxes = c(2, 3, 2), BSpline = 2,
  ComplexSumT = 6
)
special_lists <- list(TensorDot = "[2,3],[3,2,2],[1],[0],[2,0,1]", Kron = "[2,3],[2,2]")
logical_operands <- list(And = 1:2, Or = 1:2, Not = 1, Where = 1)

# Declarations of three operands for each of the ways in which i, j and parameters meet.
ways <- list(c("Vi", "Vj", "Pm"), c("Vj", "Vi", "Vj"), c("Pm", "Vi", "Vi"), c("Vj", "Pm", "Vi"))

# Formulas of one operation: a list of list(text, args).
formulas_of <- function(name, operands, integers) {
  names <- letters[seq_len(operands)]
  text <- call_of(name, names, integers)
  do.call(c, lapply(shapes_of(name, operands), function(dims) lapply(ways, function(kinds)
    list(sprintf("Sum_Reduction(%s, %s)", text, if (kinds[1] == "Vj") "i" else "j"),
         sprintf("%s=%s(%d)", names, kinds[seq_len(operands)], as.integer(dims))))))
}

# The dimensions of the operands of an operation: a list of choices.
shapes_of <- function(name, operands) {
  special <- special_dims[[name]]
  if (is.list(special)) return(special)
  if (!is.null(special)) return(list(rep_len(special, operands)))
  dims <- rep_len(3, operands)
  c(list(dims), if (operands > 1) lapply(seq_len(operands), function(k) replace(dims, k, 1)))
}

call_of <- function(name, operands, integers) {
  literals <- if (integers) rep_len(c(special_integers[[name]], 1), integers)
  for (k in logical_operands[[name]]) operands[k] <- sprintf("LessThan(%s,0.5)", operands[k])
  # knots that do not come near each other, where splines have large derivatives
  if (name == "BSpline") operands[1] <- sprintf(
    "(0.1*%s+Concat(Concat(0,0.2),Concat(Concat(0.4,0.6),Concat(0.8,1))))", operands[1])
  sprintf("%s(%s)", name, paste(c(operands, literals, special_lists[[name]]), collapse = ","))
}

data_for <- function(args) {
  kind <- sub(".*=(..)\\(.*", "\\1", args)
  dim <- as.integer(sub(".*\\((\\d+)\\)", "\\1", args))
  lapply(seq_along(args), function(k) uniform(c(Vi = 5, Vj = 7, Pm = 1)[[kind[k]]], dim[k]))
}

# All reductions of a vector F or a scalar, and a weight G, over one index. Those with weights are of
# exponentials, of scalars.
reductions_of <- function(F, scalar, G, index, table = reduction_table()) {
  of <- function(rows) table$name[rows]
  weighted <- table$operands == 2
  ranked <- of(table$integers == 1)
  c(sprintf("%s_Reduction(%s, %s)", of(!weighted & table$integers == 0), F, index),
    sprintf("%s_Reduction(%s, 3, %s)", ranked, F, index),
    sprintf("%s_Reduction(%s, 3, %s)", ranked, scalar, index),
    sprintf("%s_Reduction(%s, %s)", of(weighted & table$optional == 1), scalar, index),
    sprintf("%s_Reduction(%s, %s, %s)", of(weighted), scalar, G, index))
}

# Compiles without optimisation, in a sixth of the time: for tests of what formulas are, and of which
# pairs. What the compiler makes of kernels is tested by the others, and by these in a full run.
quick_options <- function() {
  optimise <- is_full || .Platform$OS.type != "unix" || !.Call(C_has_compiler)
  list(compiler = if (optimise) get_rkeops_options("compiler") else quick_compiler())
}
compiled_quickly <- function(code) {
  on.exit(.Call(C_forget))
  with_options(quick_options(), code)
}

# Back to the options before: what was compiled quickly is no program of the tests that follow.
optimise_again <- function(options) {
  set_rkeops_options(options)
  .Call(C_forget)
}

# The script lies in the cache, whose keys hold its path and time.
quick_compiler <- function() {
  script <- file.path(test_cache, "quick-cc")
  if (file.exists(script)) return(script)
  compiler <- Sys.getenv("RKEOPS_CC")
  if (!nzchar(compiler))
    compiler <- system2(file.path(R.home("bin"), "R"), c("CMD", "config", "CC"), stdout = TRUE)
  writeLines(c("#!/bin/sh", paste("exec", compiler, '"$@" -O0')), script)
  Sys.chmod(script, "0700")
  script
}
