# The oracle: a naive evaluator of the formula language in plain R.
#
# A formula in functional form, with + - * / and parentheses, is R syntax: it is parsed by R and
# evaluated where the names of the language mean the functions below. A value is an array
# M x N x D with one vector for each pair (i, j), in double; values of logical kind are logical.

# oracle("Sum_Reduction(Exp(-SqDist(x,y)), j)", c("x=Vi(3)", "y=Vj(3)"), list(x, y)): a list of
# `value`, as rkeops would return it, and `scale`, the sums of absolute values for error bounds.
oracle <- function(text, args, data) {
  pairs <- oracle_variables(args, data)
  scope <- list2env(c(oracle_operations(pairs$M, pairs$N), pairs$values, list(i = "i", j = "j")))
  parent.env(scope) <- baseenv()
  out <- NULL
  text <- gsub("]", ")", gsub("[", "c(", text, fixed = TRUE), fixed = TRUE) # lists of integers
  for (expression in parse(text = text, keep.source = FALSE)) out <- eval(expression, scope)
  out
}

oracle_variables <- function(args, data) {
  parts <- regmatches(args, regexec("^(\\w+)=(V[ij]|Pm)\\((\\d+)\\)$", args))
  name <- vapply(parts, `[`, "", 2L)
  kind <- vapply(parts, `[`, "", 3L)
  if (!is.null(names(data))) data <- data[name]
  matrices <- lapply(data, as.matrix)
  rows <- function(k) if (k %in% kind) nrow(matrices[[match(k, kind)]]) else 1L
  M <- rows("Vi")
  N <- rows("Vj")
  values <- Map(function(x, kind) {
    pick <- switch(kind, Vi = rep(seq_len(M), N), Vj = rep(seq_len(N), each = M))
    if (kind == "Pm") array(rep(as.vector(x), each = M * N), c(M, N, length(x)))
    else array(x[pick, , drop = FALSE], c(M, N, ncol(x)))
  }, matrices, kind)
  list(M = M, N = N, values = stats::setNames(values, name))
}

# ---- operations ----------------------------------------------------------------------------------

oracle_operations <- function(M, N) {
  value <- function(x) if (length(dim(x)) == 3L) x else array(x, c(M, N, 1L))
  size <- function(x) dim(x)[3L]
  spread <- function(x, D) if (size(x) == D) x else x[, , rep(1L, D), drop = FALSE]
  # component by component; operands of dimension 1 are repeated
  each <- function(f) function(...) {
    operands <- lapply(list(...), value)
    D <- max(vapply(operands, size, 1L))
    array(do.call(f, lapply(operands, function(x) as.vector(spread(x, D)))), c(M, N, D))
  }
  # vectors in, vectors of length D out
  vectors <- function(x) matrix(value(x), ncol = size(value(x)))
  rows <- function(x, f, D = 1L) {
    out <- vapply(seq_len(nrow(x)), function(r) as.double(f(x[r, ])), double(D))
    array(if (D > 1L) t(out) else out, c(M, N, D))
  }
  fold <- function(f) function(x) rows(vectors(x), f)
  best <- function(f, g) function(v) if (all(is.na(v))) g else f(v, na.rm = TRUE)
  position <- function(f) function(v) if (all(is.na(v))) 0 else f(v) - 1
  test <- function(c) if (is.logical(c)) c else !is.na(c) & c >= 0

  e <- list()
  e$`+` <- e$Add <- each(`+`)
  e$`-` <- function(a, b) if (missing(b)) e$Minus(a) else e$Subtract(a, b)
  e$Subtract <- each(function(a, b) a - b)
  e$`*` <- e$Mult <- each(`*`)
  e$`/` <- e$Divide <- each(`/`)
  e$`<` <- e$LessThan <- each(function(a, b) !is.na(a < b) & a < b)
  e$`<=` <- e$LessOrEqual <- each(function(a, b) !is.na(a <= b) & a <= b)
  e$`>` <- function(a, b) e$LessThan(b, a)
  e$`>=` <- function(a, b) e$LessOrEqual(b, a)
  e$Equal <- each(function(a, b) !is.na(a == b) & a == b)
  e$NotEqual <- each(function(a, b) is.na(a == b) | a != b)
  e$And <- each(`&`)
  e$Or <- each(`|`)
  e$Not <- each(`!`)

  e$Minus <- each(function(a) -a)
  e$Inv <- each(function(a) 1 / a)
  e$Square <- each(function(a) a^2)
  # the power of C, which is not R's for odd negative powers of -0 and where something is infinite
  power <- function(a, b) {
    odd <- !is.na(b) & is.finite(b) & abs(b) %% 2 == 1
    infinite <- is.infinite(b) | is.infinite(a) & b != round(b)
    base::ifelse(a == 0 & b < 0 & odd, 1 / a, base::ifelse(a < 0 & infinite, abs(a)^b, a^b))
  }
  e$Pow <- function(f, m) each(function(a) power(a, m))(f)
  e$Powf <- each(power)
  e$Sqrt <- each(sqrt)
  e$Rsqrt <- each(function(a) base::ifelse(a == 0, 0, 1 / sqrt(a)))
  e$Exp <- each(exp)
  e$Expm1 <- each(expm1)
  e$Log <- each(log)
  e$Log1p <- each(log1p)
  e$XLogX <- each(function(a) base::ifelse(a == 0, 0, a * log(a)))
  e$Sin <- each(sin)
  e$Cos <- each(cos)
  e$Tan <- each(tan)
  e$SinXDivX <- each(function(a) base::ifelse(a == 0, 1, sin(a) / a))
  e$Asin <- each(asin)
  e$Acos <- each(acos)
  e$Atan <- each(atan)
  e$Atan2 <- each(base::atan2)
  # lgamma() and its derivatives of negative numbers are NaN, and infinite at 0
  e$LogGamma <- each(function(a) base::ifelse(a < 0, NaN, suppressWarnings(lgamma(a))))
  e$Polygamma <- function(f, n) each(function(a) base::ifelse(
    a < 0, NaN, base::ifelse(a == 0, (-1)^(n + 1) * Inf, suppressWarnings(psigamma(a, n)))))(f)
  bessel <- function(nu, x) suppressWarnings(besselK(base::ifelse(x < 0, NaN, x), abs(nu)))
  e$BesselK <- each(bessel)
  e$Matern <- each(function(nu, d2) {
    r <- sqrt(base::ifelse(nu > 0, 2 * nu * d2, NaN))
    base::ifelse(r == 0, 1, exp((1 - nu) * log(2) - lgamma(nu) + nu * log(r)) * bessel(nu, r))
  })
  e$Sinh <- each(sinh)
  e$Cosh <- each(cosh)
  e$Tanh <- each(tanh)
  e$Abs <- each(abs)
  e$Sign <- each(sign)
  e$Step <- each(function(a) 1 - (!is.na(a) & a < 0))
  e$ReLU <- each(function(a) base::ifelse(!is.na(a) & a < 0, 0, a))
  e$Floor <- each(floor)
  e$Ceiling <- each(ceiling)
  e$Trunc <- each(trunc)
  e$Round <- function(f, d) each(function(a) sign(a) * floor(abs(a) * 10^d + 0.5) / 10^d)(f)
  e$Clamp <- each(function(f, a, b)
    base::ifelse(!is.na(f < a) & f < a, a, base::ifelse(!is.na(f > b) & f > b, b, f)))
  e$ClampInt <- function(f, a, b) e$Clamp(f, a, b)
  e$DiffClampInt <- function(f, a, b) each(function(x) 1 - (!is.na(x) & (x < a | x > b)))(f)
  e$Mod <- each(function(f, n, d) f - n * floor((f - d) / n))
  e$IfElse <- each(function(c, a, b) base::ifelse(test(c), a, b))
  e$Where <- each(function(c, a, b) base::ifelse(c, a, b))

  e$Sum <- fold(sum)
  e$Max <- fold(best(max, NaN))
  e$Min <- fold(best(min, NaN))
  e$MaxNaN <- fold(max)
  e$MinNaN <- fold(min)
  e$ArgMax <- fold(position(which.max))
  e$ArgMin <- fold(position(which.min))
  e$SumT <- function(f, n) spread(value(f), n)
  e$Elem <- function(f, m) value(f)[, , m + 1, drop = FALSE]
  e$Extract <- function(f, s, d) value(f)[, , s + seq_len(d), drop = FALSE]
  e$ElemT <- function(f, n, m) e$ExtractT(f, m, n)
  e$ExtractT <- function(f, s, d) {
    out <- array(0, c(M, N, d))
    out[, , s + seq_len(size(value(f)))] <- value(f)
    out
  }
  e$Concat <- function(f, g) array(cbind(vectors(f), vectors(g)),
                                   c(M, N, size(value(f)) + size(value(g))))
  e$RepeatBlocks <- function(f, n, m) {
    blocks <- matrix(seq_len(size(value(f))), n)
    value(f)[, , as.vector(blocks[, rep(seq_len(ncol(blocks)), each = m)]), drop = FALSE]
  }
  e$RepeatEach <- function(f, n) e$RepeatBlocks(f, 1, n)
  e$RepeatAll <- function(f, n) e$RepeatBlocks(f, size(value(f)), n)
  e$SumBlocks <- function(f, n, m) {
    D <- size(value(f))
    rows(vectors(f), function(v) apply(array(v, c(n, m, D / (n * m))), c(1, 3), sum), D / m)
  }
  e$SumEach <- function(f, n) e$SumBlocks(f, 1, n)
  e$SwapAxes <- function(f, n, m, l) {
    D <- size(value(f))
    rows(vectors(f), function(v) aperm(array(v, c(l, m, n, D / (l * m * n))), c(1, 3, 2, 4)), D)
  }
  e$Reverse <- function(f) value(f)[, , rev(seq_len(size(value(f)))), drop = FALSE]
  e$Factorize <- function(f, g) value(f)
  e$AutoFactorize <- value
  e$OneHot <- function(f, n) rows(vectors(f), function(a) floor(a + 0.5) == seq_len(n) - 1, n)

  e$Scalprod <- function(f, g) e$Sum(e$Mult(f, g))
  e$SqNorm2 <- fold(function(v) sum(v^2))
  e$Norm2 <- fold(function(v) sqrt(sum(v^2)))
  e$Normalize <- function(f)
    rows(vectors(f), function(v) if (all(v == 0)) 0 * v else v / sqrt(sum(v^2)), size(value(f)))
  e$SqDist <- function(f, g) e$SqNorm2(e$Subtract(f, g))
  e$SqNormIso <- function(s, f) e$Mult(s, e$SqNorm2(f))
  e$SqNormDiag <- function(s, f) e$Sum(e$Mult(s, e$Square(f)))
  e$SymSqNorm <- function(A, f) {
    D <- size(value(f))
    rows(cbind(vectors(A), vectors(f)), function(v) {
      x <- v[D * D + seq_len(D)]
      sum(matrix(v[seq_len(D * D)], D, D, byrow = TRUE) * outer(x, x))
    })
  }
  e$WeightedSqNorm <- function(s, f) {
    D <- c(size(value(s)), size(value(f)))
    if (D[1L] == 1L) e$SqNormIso(s, f) else if (D[1L] == D[2L]) e$SqNormDiag(s, f)
    else e$SymSqNorm(s, f)
  }
  e$WeightedSqDist <- function(s, f, g) e$WeightedSqNorm(s, e$Subtract(f, g))
  e$IntCst <- e$Var <- value

  # of two or three vectors together: g(u, v, w) gives a vector of length D
  together <- function(g, D, ...) {
    operands <- lapply(list(...), vectors)
    last <- cumsum(vapply(operands, ncol, 1L))
    rows(do.call(cbind, operands), function(v)
      do.call(g, Map(function(x, end) v[end - ncol(x) + seq_len(ncol(x))], operands, last)), D)
  }
  dims <- function(f, g) c(size(value(f)), size(value(g)))
  e$MatVecMult <- function(A, b) {
    D <- dims(A, b)
    together(function(A, b) matrix(A, ncol = D[2L], byrow = TRUE) %*% b, D[1L] / D[2L], A, b)
  }
  e$VecMatMult <- function(b, A) {
    D <- dims(b, A)
    together(function(b, A) b %*% matrix(A, D[1L], byrow = TRUE), D[2L] / D[1L], b, A)
  }
  e$TensorProd <- function(f, g)
    together(function(f, g) outer(g, f), prod(dims(f, g)), f, g)
  # row-major tensors as arrays and back
  tensor <- function(v, d) if (length(d)) aperm(array(v, rev(d)), rev(seq_along(d))) else v
  flat <- function(a) as.vector(aperm(a, rev(seq_along(dim(a)))))
  e$TensorDot <- function(f, g, df, dg, cf, cg, perm = NULL) {
    keep_f <- setdiff(seq_along(df), cf + 1)
    keep_g <- setdiff(seq_along(dg), cg + 1)
    kept <- c(df[keep_f], dg[keep_g])
    together(function(f, g) {
      A <- matrix(aperm(tensor(f, df), c(keep_f, cf + 1)), ncol = prod(df[cf + 1]))
      B <- matrix(aperm(tensor(g, dg), c(cg + 1, keep_g)), nrow = prod(dg[cg + 1]))
      if (!length(kept)) return(A %*% B)
      out <- array(A %*% B, kept)
      flat(if (length(perm)) aperm(out, order(perm)) else out)
    }, prod(kept), f, g)
  }
  e$Kron <- function(f, g, df, dg)
    together(function(f, g) flat(kronecker(tensor(f, df), tensor(g, dg))), prod(df, dg), f, g)
  e$BSpline <- function(knots, x, k) together(function(t, x) {
    basis <- function(m, k) {
      if (k == 0) return(isTRUE(t[m] <= x && x < t[m + 1]))
      weight <- function(m) if (t[m] < t[m + k]) (x - t[m]) / (t[m + k] - t[m]) else 0
      weight(m) * basis(m, k - 1) + (1 - weight(m + 1)) * basis(m + 1, k - 1)
    }
    vapply(seq_len(length(t) - k - 1), function(m) as.double(basis(m, k)), 1)
  }, size(value(knots)) - k - 1, knots, x)
  e$SoftDTW_SqDist <- function(x, y, gamma) together(function(x, y, gamma) {
    r <- matrix(Inf, length(x) + 1, length(y) + 1)
    r[1, 1] <- 0
    for (i in seq_along(x)) for (j in seq_along(y)) {
      before <- c(r[i, j], r[i, j + 1], r[i + 1, j])
      least <- min(before)
      soft <- if (sum(is.finite(before)) == 1) least
              else least - gamma * log(sum(exp((least - before) / gamma)))
      r[i + 1, j + 1] <- (x[i] - y[j])^2 + soft
    }
    r[length(x) + 1, length(y) + 1]
  }, 1L, x, y, gamma)

  # complex vectors: pairs of real numbers
  z <- function(v) complex(real = v[c(TRUE, FALSE)], imaginary = v[c(FALSE, TRUE)])
  pairs <- function(z) as.vector(rbind(Re(z), Im(z)))
  complex1 <- function(f, D) function(a) together(function(a) f(z(a)), D(size(value(a))), a)
  complex2 <- function(f) function(a, b)
    together(function(a, b) pairs(f(z(a), z(b))), max(dims(a, b)), a, b)
  same <- function(D) D
  half <- function(D) D / 2
  e$Complex <- function(a, b) together(function(a, b) as.vector(rbind(a, b)), sum(dims(a, b)), a, b)
  e$ComplexReal <- complex1(Re, half)
  e$ComplexImag <- complex1(Im, half)
  e$Real2Complex <- function(a) together(function(a) pairs(a + 0i), 2L * size(value(a)), a)
  e$Imag2Complex <- function(a) together(function(a) pairs(a * 1i), 2L * size(value(a)), a)
  e$Conj <- complex1(function(z) pairs(base::Conj(z)), same)
  e$ComplexAdd <- complex2(`+`)
  e$ComplexSubtract <- complex2(`-`)
  e$ComplexMult <- complex2(`*`)
  e$ComplexDivide <- complex2(`/`)
  e$ComplexRealScal <- e$Mult
  e$ComplexScal <- function(a, b) if (1L %in% dims(a, b)) e$Mult(a, b) else e$ComplexMult(a, b)
  e$ComplexSquareAbs <- complex1(function(z) Mod(z)^2, half)
  e$ComplexAbs <- complex1(Mod, half)
  e$ComplexAngle <- complex1(Arg, half)
  e$ComplexExp <- complex1(function(z) pairs(exp(z)), same)
  e$ComplexExp1j <- function(a) together(function(a) pairs(exp(1i * a)), 2L * size(value(a)), a)
  e$ComplexSum <- complex1(function(z) pairs(sum(z)), function(D) 2L)
  e$ComplexSumT <- function(a, n) value(a)[, , rep_len(1:2, n), drop = FALSE]
  c(e, oracle_reductions(value))
}

# ---- reductions ----------------------------------------------------------------------------------

oracle_reductions <- function(value) {
  # n x T x D with the kept index first
  turned <- function(F, over) {
    over <- if (is.numeric(over)) c("j", "i")[over + 1] else over
    if (over == "j") value(F) else aperm(value(F), c(2L, 1L, 3L))
  }
  # f of each column of terms gives `width` numbers: n x width x D
  columns <- function(F, over, f, width = 1L) {
    F <- turned(F, over)
    out <- array(f(double()), c(dim(F)[1L], width, dim(F)[3L])) # of the right type
    for (r in seq_len(dim(F)[1L])) for (d in seq_len(dim(F)[3L])) out[r, , d] <- f(F[r, , d])
    out
  }
  flat <- function(x) if (dim(x)[3L] == 1L) squeeze(x) else x
  squeeze <- function(x) matrix(x, nrow(x), prod(dim(x)[-1L]))
  scale_of <- function(F, over) squeeze(columns(F, over, function(v) sum(abs(v))))
  result <- function(value, scale = 1) list(value = value, scale = scale)

  smallest <- function(v) if (all(is.na(v))) Inf else min(v, na.rm = TRUE)
  or_nan <- function(f, none) function(v) if (length(v)) f(v) else none
  largest <- function(v) if (all(is.na(v))) -Inf else max(v, na.rm = TRUE)
  # the first of the best, NA if that is `none`
  first <- function(f, none) function(v) {
    best <- f(v)
    if (best == none) NA_integer_ else which(v == best)[1L]
  }
  order_k <- function(K) function(v) {
    v[is.na(v) | v == Inf] <- NA # no candidates
    as.integer(order(v, na.last = NA)[seq_len(K)])
  }
  value_k <- function(K) function(v) {
    out <- sort(v)[seq_len(K)]
    base::ifelse(is.na(out), Inf, out)
  }
  first_min <- first(smallest, Inf)
  first_max <- first(largest, -Inf)

  e <- list()
  e$Sum_Reduction <- function(F, over)
    result(squeeze(columns(F, over, sum)), scale_of(F, over))
  e$Min_Reduction <- function(F, over) result(squeeze(columns(F, over, smallest)))
  e$Max_Reduction <- function(F, over) result(squeeze(columns(F, over, largest)))
  e$MinNaN_Reduction <- function(F, over) result(squeeze(columns(F, over, or_nan(min, Inf))))
  e$MaxNaN_Reduction <- function(F, over) result(squeeze(columns(F, over, or_nan(max, -Inf))))
  e$ArgMin_Reduction <- function(F, over) result(squeeze(columns(F, over, first_min)))
  e$ArgMax_Reduction <- function(F, over) result(squeeze(columns(F, over, first_max)))
  e$Min_ArgMin_Reduction <- function(F, over)
    result(list(e$Min_Reduction(F, over)$value, e$ArgMin_Reduction(F, over)$value))
  e$Max_ArgMax_Reduction <- function(F, over)
    result(list(e$Max_Reduction(F, over)$value, e$ArgMax_Reduction(F, over)$value))
  e$KMin_Reduction <- function(F, K, over) result(flat(columns(F, over, value_k(K), K)))
  e$ArgKMin_Reduction <- function(F, K, over) result(flat(columns(F, over, order_k(K), K)))
  e$KMin_ArgKMin_Reduction <- function(F, K, over)
    result(list(e$KMin_Reduction(F, K, over)$value, e$ArgKMin_Reduction(F, K, over)$value))

  # maximum and sums of exp(F - maximum) * G for each component of G, and of their absolute values
  shifted <- function(F, G, over) {
    F <- squeeze(turned(F, over))
    G <- turned(G, over)
    m <- apply(F, 1L, function(v) if (length(v)) max(v) else -Inf)
    weight <- exp(F - base::ifelse(is.finite(m), m, 0))
    sums <- function(f) matrix(apply(G, 3L, function(g) rowSums(f(weight * matrix(g, nrow(F))))),
                               nrow(F))
    list(m = matrix(m), s = sums(identity), size = sums(abs), total = rowSums(weight))
  }
  e$LogSumExp_Reduction <- function(F, G, over) {
    if (missing(over)) return(e$LogSumExp_Reduction(F, 1, G))
    p <- shifted(F, G, over)
    m <- base::ifelse(is.finite(p$m[, 1L]), p$m[, 1L], 0)
    result(m + log(p$s), 1 + abs(m) + p$size / abs(p$s))
  }
  e$SumSoftMaxWeight_Reduction <- function(F, G, over) {
    p <- shifted(F, G, over)
    result(p$s / p$total, p$size / p$total)
  }
  e$LogSumExpWeight_Reduction <- e$LogSumExp_Reduction
  e$Max_SumShiftExp_Reduction <- function(F, G, over) {
    if (missing(over)) return(e$Max_SumShiftExp_Reduction(F, 1, G))
    e$Max_SumShiftExpWeight_Reduction(F, G, over)
  }
  e$Max_SumShiftExpWeight_Reduction <- function(F, G, over) {
    p <- shifted(F, G, over)
    result(cbind(p$m, p$s), cbind(1 + abs(p$m), p$size))
  }
  e
}

# ---- comparison ----------------------------------------------------------------------------------

machine_eps <- c(float32 = 2^-23, float64 = 2^-52)

# Data that float32 holds exactly, so that rounding of the inputs plays no part.
as_float32 <- function(x) {
  x[] <- readBin(writeBin(as.vector(x), raw(), size = 4L), "double", length(x), size = 4L)
  x
}

uniform <- function(n, D, from = 0.2, to = 0.9) as_float32(matrix(stats::runif(n * D, from, to), n))

with_options <- function(options, code) {
  old <- set_rkeops_options(options)
  on.exit(set_rkeops_options(old))
  force(code)
}

# The values of a LazyTensor that depends on i alone: a reduction over j, of which it is no mistake.
row_values <- function(x) not_index(sum(x, "j"))
not_index <- function(code) suppressWarnings(code, classes = "rkeops_warning_index")

# Equal within `ulps` units of rounding of the sum of absolute values; NA, NaN and Inf exactly.
expect_within <- function(found, expected, scale, eps, ulps = 32, label = "") {
  if (is.list(expected)) {
    for (k in seq_along(expected)) expect_within(found[[k]], expected[[k]], scale, eps, ulps, label)
    return(invisible())
  }
  testthat::expect_identical(dim(found), dim(expected), label = paste("dim of", label))
  special <- !is.finite(expected)
  testthat::expect_equal(found[special], expected[special], label = paste("specials of", label))
  bound <- ulps * eps * (abs(expected) + scale) + 1e-37
  excess <- max(0, (abs(found - expected) / bound)[!special])
  testthat::expect_lte(excess, 1, label = paste0("error over bound of ", label))
}

# The error of log-gamma is that of numbers of the size of 1, near its zeros too. `data`: matrices.
with_log_gamma <- function(truth, text, data) {
  if (grepl("LogGamma", text) && is.matrix(truth$scale))
    truth$scale <- truth$scale + max(vapply(data, NROW, 1L))
  truth
}

expect_oracle <- function(text, args, data, precision = c("float32", "float64"), ulps = 32,
                          op = NULL) {
  truth <- with_log_gamma(oracle(text, args, data), text, data)
  # parts of a complex number have errors of the size of its modulus
  if (grepl("Complex", text) && is.matrix(truth$scale))
    truth$scale[] <- apply(truth$scale, 1L, max)
  for (p in precision) with_options(list(precision = p), {
    found <- if (is.null(op)) keops_kernel(text, args)(data) else op(data)
    expect_within(found, truth$value, truth$scale, machine_eps[[p]], ulps, paste(p, text))
  })
}
