# ---- every operation of the table ----------------------------------------------------------------

table <- operation_table()
table <- table[grepl("^[A-Z]", table$name) & !duplicated(table$name), ]
table <- table[table$kind != "derivative", ]
known <- names(oracle_operations(1, 1))

test_that("the oracle knows every operation of the table", {
  expect_gt(nrow(table), 50)
  expect_identical(setdiff(table$name, known), character())
})

# Each in one of the precisions, two ways of its operands in each; in both in a full run.
in_turn <- function(formulas, precision) {
  way <- rep_len(0:3, length(formulas))
  shape <- (seq_along(formulas) - 1) %/% 4
  formulas[is_full | (way + shape) %% 2 == (precision == "float64")]
}

for (precision in c("float32", "float64")) {
  test_that(paste("every operation agrees with the oracle for all operands in", precision), {
    skip_on_cran() # takes a while
    rows <- table[table$name %in% known, ]
    formulas <- do.call(c, Map(formulas_of, rows$name, rows$operands, rows$integers))
    formulas <- in_turn(formulas, precision)
    with_options(list(precision = precision), {
      before <- counters()[["compiles"]]
      ops <- build_formulas(formulas)
      built <- counters()[["compiles"]]
      for (k in seq_along(formulas)) {
        set.seed(sum(utf8ToInt(formulas[[k]][[1]]))) # whatever other operations there are
        data <- data_for(formulas[[k]][[2]])
        expect_oracle(formulas[[k]][[1]], formulas[[k]][[2]], data, precision, op = ops[[k]])
      }
      expect_lt(built - before, length(formulas) / 4)
      expect_identical(counters()[["compiles"]], built)
    })
  })
}

test_that("special values are as decided", {
  v <- c(0, -0, 1, -1, 2.5, -2.5, 1e30, -1e30, Inf, -Inf, NaN)
  unary <- c("Abs", "Sign", "Step", "ReLU", "Floor", "Sqrt", "Rsqrt", "Exp", "Log", "XLogX",
             "SinXDivX", "Inv", "Square", "Atan", "Tanh", "Minus", "Round(%s,0)", "Asin", "Acos",
             "ClampInt(%s,-1,2)", "Pow(%s,-1)", "Pow(%s,3)", "Trunc", "Ceiling")
  binary <- c("IfElse(%s,a,b)", "Equal(%s,b)", "NotEqual(%s,b)", "LessThan(%s,b)",
              "LessOrEqual(%s,b)", "Atan2(%s,b)", "Powf(%s,b)", "Mult(0,%s)", "Clamp(%s,b,1)")
  calls <- c(base::ifelse(grepl("(", unary, fixed = TRUE), unary, paste0(unary, "(%s)")), binary)
  text <- sprintf("Sum_Reduction(%s, j)", gsub("%s", "a", calls, fixed = TRUE))
  args <- c("a=Vi(1)", "b=Vi(1)")
  a <- rep(v, each = length(v))
  b <- rep(v, length(v))
  for (precision in c("float32", "float64")) with_options(list(precision = precision), {
    ops <- build_formulas(lapply(text, list, args))
    for (k in seq_along(text)) {
      truth <- suppressWarnings(oracle(text[k], args, list(a, b))$value)
      found <- ops[[k]](list(a, b))
      if (precision == "float32") {
        truth[which(truth > 3.4e38)] <- Inf
        truth[which(truth < -3.4e38)] <- -Inf
        truth[which(abs(truth) < 1.2e-38)] <- 0
      }
      expect_equal(found, truth, tolerance = 1e-5, label = paste(precision, text[k]))
    }
  })
})

# ---- what R functions emit -----------------------------------------------------------------------

x <- uniform(4, 3)
y <- uniform(5, 3)
s <- uniform(4, 1)
x_i <- Vi(x)
y_j <- Vj(y)
s_i <- Vi(s)

test_that("components are chosen as usual in R", {
  expect_identical(x_i[2]$formula, "Elem(V0,1)")
  expect_identical(x_i[2:3]$formula, "Extract(V0,1,2)")
  expect_identical(x_i[-1]$formula, "Extract(V0,1,2)")
  expect_identical(x_i[c(TRUE, FALSE, TRUE)]$dimres, 2L)
  with_options(list(precision = "float64"),
    for (k in list(2, 2:3, c(3, 1), -2, c(1, 1)))
      expect_equal(row_values(x_i[k]), x[, k, drop = FALSE]))
  for (k in list(0, 4, "a", NA, integer(), -(1:3)))
    expect_error(x_i[k], class = "rkeops_error_shape")
  expect_error(x_i[1] <- 2, class = "rkeops_error")
})

test_that("stats::step() works through ours", {
  fit <- stats::lm(mpg ~ wt + hp, data = datasets::mtcars)
  expect_s3_class(step(fit, trace = 0), "lm")
})

test_that("plain operands are numbers or vectors of the dimension, nothing else", {
  expect_error(x_i + x, "Vi()", fixed = TRUE, class = "rkeops_error_argument")
  expect_error(x * x_i, class = "rkeops_error_argument")
  expect_error(x_i + "a", class = "rkeops_error_argument")
  expect_error(x_i + NULL, class = "rkeops_error_argument")
  expect_error(x_i + 1:2, "length 2.*length 3", class = "rkeops_error_shape")
  expect_error(x_i + 1:4, "Vi() or Vj()", fixed = TRUE, class = "rkeops_error_shape")
  expect_error(x_i | s_i, class = "rkeops_error_shape")
  expect_error(x_i & y_j, class = "rkeops_error_argument")
  expect_error(where(x_i, 1, 2), class = "rkeops_error_argument")
  expect_error(atan2(x_i, 1:2), class = "rkeops_error_shape")
  expect_error(weightedsqnorm(x_i, 1:2), class = "rkeops_error_shape")
  expect_error(matvecmult(x_i, 1:2), "multiple", class = "rkeops_error_shape")
  expect_error(vecmatmult(1:2, x_i), "multiple", class = "rkeops_error_shape")
  expect_error(elemT(x_i, 0, 3), class = "rkeops_error_shape")
  expect_error(elem(x_i, 3), class = "rkeops_error_argument")
  expect_error(extract(x_i, 1, 3), class = "rkeops_error_argument")
  expect_error(extractT(x_i, 1, 3), class = "rkeops_error_argument")
  expect_error(one_hot(x_i, 3), class = "rkeops_error_shape")
  expect_error(log(x_i, base = -1), class = "rkeops_error_argument")
  expect_error(round(x_i, digits = "a"), class = "rkeops_error_argument")
})

test_that("numbers keep all their digits", {
  with_options(list(precision = "float64"), {
    expect_identical(row_values(s_i * 0 + pi), s * 0 + pi)
    expect_identical(row_values(s_i * 0 + 1e-300), s * 0 + 1e-300)
    expect_identical(row_values(s_i * 0 + 123456789), s * 0 + 123456789)
    expect_identical(row_values(s_i * 0 - 1e5), s * 0 - 1e5)
  })
})

test_that("conditions of logical kind choose where they are TRUE", {
  with_options(list(precision = "float64"), {
    expect_identical(row_values(ifelse(s_i < 0.5, 1, 2)), base::ifelse(s < 0.5, 1, 2))
    expect_identical(row_values(where(s_i < 0.5, 1, 2)), base::ifelse(s < 0.5, 1, 2))
    expect_identical(row_values(ifelse(s_i - 0.5, 1, 2)), base::ifelse(s >= 0.5, 1, 2))
    expect_identical(row_values((s_i < 0.5) * 3), (s < 0.5) * 3)
    expect_identical(row_values(!(s_i < 0.5) | (s_i < 0.3)), (!(s < 0.5) | s < 0.3) + 0)
  })
})

test_that("TRUE and FALSE stand beside conditions, alone or one for each component", {
  some <- c(TRUE, FALSE, TRUE)
  with_options(list(precision = "float64"), {
    expect_identical(row_values((x_i > 0.5) & some), t(t(x > 0.5) & some) + 0)
    expect_identical(row_values(FALSE | (s_i > 0.5)), (s > 0.5) + 0)
    expect_identical(as.matrix(xor(s_i > 0.5, TRUE)), s <= 0.5)
  })
  expect_error((s_i > 0.5) & NA, "TRUE and FALSE", class = "rkeops_error_argument")
  expect_error((s_i > 0.5) | 1, class = "rkeops_error_argument")
})

test_that("plain matrices are matrices for all pairs", {
  m <- matrix(c(1, -2, 0.5, 3, 0, 1), 2)
  form <- crossprod(m) + diag(3)
  with_options(list(precision = "float64"), {
    expect_equal(row_values(matvecmult(m, x_i)), x %*% t(m), tolerance = 1e-14)
    expect_equal(row_values(vecmatmult(x_i, t(m))), x %*% t(m), tolerance = 1e-14)
    expect_equal(row_values(weightedsqnorm(x_i, form)), matrix(rowSums(x %*% form * x)),
                 tolerance = 1e-14)
  })
  expect_error(matvecmult(t(m), x_i), "`m`.* as many columns", class = "rkeops_error_shape")
  expect_error(vecmatmult(x_i, m), "`m`.* as many rows", class = "rkeops_error_shape")
  expect_error(weightedsqnorm(x_i, m), "`s`.* 3 x 3", class = "rkeops_error_shape")
})

test_that("an operand that is none is named as the user knows it", {
  expect_error(concat(x_i, "a"), "`argument 2` is \"a\"", class = "rkeops_error_argument")
  expect_error(sqdist(x_i, x), "`y` is a numeric matrix", class = "rkeops_error_argument")
  expect_error(weightedsqnorm(x_i, "a"), "`s` is", class = "rkeops_error_argument")
  expect_error(matvecmult("a", x_i), "`m` is", class = "rkeops_error_argument")
  expect_error(tensorprod(x_i, "a"), "`y` is", class = "rkeops_error_argument")
})

test_that("a whole quotient is whole where steps are counted, whatever the divisor's index is", {
  h <- rep(1:150, each = 4)
  k <- rep(c(0, 1, 3, 50), 150)
  for (precision in c("float64", "float32")) with_options(list(precision = precision), {
    expect_identical(as.vector(sum((Vi(h * k) - Vj(0)) %/% Vi(h), "j")), k)
    expect_identical(as.vector(sum(round((Vi(h * k) - Vj(0)) / Vi(h) - 0.5), "j")),
                     sign(k - 0.5) * floor(abs(k - 0.5) + 0.5))
    expect_identical(as.vector(sum((Vi(h * k) - Vj(0)) / Vi(h) == Vi(k), "j")), rep(1, 600))
  })
  op <- keops_kernel("Sum_Reduction(Floor((x-y)/h), j)", c("x=Vi(1)", "y=Vj(1)", "h=Pm(1)"))
  for (h in c(3, 49, 98, 103, 107, 161)) expect_equal(as.vector(op(list(h * 0:9, 0, h))), 0:9)
})

test_that("1 / sqrt() of pairs is infinite at 0, and right at the ends", {
  d <- c(0, 4, 0.25, Inf, -1, NaN, 1e30, 1e-30, 3)
  for (precision in c("float64", "float32")) with_options(list(precision = precision), {
    x_i <- Vi(d)
    found <- as.vector(sum(1 / sqrt(x_i - Vj(0)), "j"))
    expect_equal(found, suppressWarnings(1 / sqrt(d)), tolerance = 3e-7)
    expect_identical(found[1:4], c(Inf, 0.5, 2, 0))
  })
})
