# Every pair of operators, grouped in every way, evaluated by the engine and by plain R.
optimising <- set_rkeops_options(quick_options())

arithmetic <- c("^", "*", "/", "+", "-", "|")
others <- c("%%", "%/%", "==", "!=", "<", "<=", ">", ">=", "&")

# Expressions that R can parse: three operands and two operators, two operands with unary ones.
expressions_of <- function(first, second) {
  pairs <- expand.grid(o = first, p = second, stringsAsFactors = FALSE)
  binary <- c("a %s b %s d", "(a %s b) %s d", "a %s (b %s d)")
  text <- unlist(lapply(binary, sprintf, pairs$o, pairs$p))
  unary <- c("-a %s b", "(-a) %s b", "-(a %s b)", "a %s -b", "+a %s b", "--a %s b", "a %s -b^2",
             "!a %s b", "(!a) %s b", "!(a %s b)", "a %s !b", "-!a %s b")
  text <- unique(c(text, unlist(lapply(unary, sprintf, first))))
  parsed <- lapply(text, function(t) tryCatch(parse(text = t)[[1]], error = function(e) NULL))
  names(parsed) <- text
  Filter(Negate(is.null), parsed) # such as a < b < d
}

# What operators mean where they differ from R's: NaN fulfils no comparison, `|` of numbers is the
# scalar product, and `|` and `&` of other operands stop.
meaning <- local({
  known <- function(test, where_unknown = FALSE) replace(test, is.na(test), where_unknown)
  comparisons <- lapply(c("==" = "==", "<" = "<", "<=" = "<=", ">" = ">", ">=" = ">=", "!" = "!"),
    function(name) {
      f <- get(name, baseenv())
      function(...) known(f(...))
    })
  connective <- function(f, numbers) function(x, y) {
    logical <- is.logical(x) + is.logical(y)
    if (logical == 2L) f(x, y) else if (logical == 0L) numbers(x, y) else stop("mixed operands")
  }
  list2env(c(comparisons, list(
    "!=" = function(x, y) known(x != y, TRUE), "|" = connective(`|`, `*`),
    "&" = connective(`&`, function(x, y) stop("expects comparisons")))))
})

grid <- expand.grid(a = c(0.7, 1.3, 2.9, 1.9), b = c(1.6, 0.7, 2.3))
d <- 1.1

values_in <- function(frame, expressions)
  lapply(expressions, function(e) tryCatch(eval(e, frame), error = function(e) NULL))

expect_as_plain <- function(expressions) {
  plain <- values_in(list2env(c(grid, d = d), parent = meaning), expressions)
  lazy <- values_in(list(a = Vi(matrix(grid$a)), b = Vi(matrix(grid$b)), d = Pm(d)), expressions)
  expect_identical(lengths(lazy) == 0, lengths(plain) == 0)
  plain <- plain[lengths(plain) > 0]
  lazy <- lazy[names(plain)]
  different <- !duplicated(vapply(lazy, root_of, "")) # the others have the very same definitions
  groups <- split(names(plain)[different], (seq_len(sum(different)) - 1) %/% 10)
  found <- with_options(list(precision = "float64"), lapply(groups, function(texts)
    split(row_values(do.call(concat, unname(lazy[texts]))), rep(texts, each = nrow(grid)))))
  found <- do.call(c, unname(found))
  roots <- vapply(lazy, root_of, "")
  for (text in names(plain)) {
    same <- names(which(roots[different] == roots[[text]]))
    # a few operations of about 1 ulp each; subtractions of like numbers lose two digits at most
    expect_equal(found[[same]], as.double(plain[[text]]), tolerance = 1e-13, label = text)
  }
  length(plain)
}

test_that("pairs of arithmetic operators group as in R", {
  expect_gt(expect_as_plain(expressions_of(arithmetic, arithmetic)), 150)
})

test_that("other pairs of operators group as in R", {
  skip_on_cran() # takes a while
  expect_gt(expect_as_plain(expressions_of(arithmetic, others)), 150)
  expect_gt(expect_as_plain(expressions_of(others, c(arithmetic, others))), 300)
})

test_that("%*% groups with the other operators as in R", {
  k <- outer(grid$a, 1:5 / 4)
  v <- 5:1 / 7
  plain <- list(K = k, L = k + 2, v = v, d = d)
  lazy <- c(list(K = Vi(matrix(grid$a)) * Vj(matrix(1:5 / 4))), plain[c("v", "d")])
  lazy$L <- lazy$K + 2
  text <- c(sprintf("(K %s L) %%*%% v", c("+", "-", "*", "/", "^", "<", "!=", "%%")),
            "K^L %*% v", "-K %*% v", "-(K %*% v)", "K^2 %*% v", "K %*% v * d", "d * K %*% v",
            "K %*% v - L %*% v", "(K %*% v)^2", "K %*% (v * 2)", "-K^2 %*% -v", "(d - K) %*% v")
  with_options(list(precision = "float64"), for (t in text)
    expect_equal(eval(parse(text = t), lazy), eval(parse(text = t), plain), tolerance = 1e-13,
                 label = t))
})

test_that("functions and operators mix as in R", {
  one <- expression(-exp(a)^2, exp(-a^2), 2^-a, -2^a, a^b^d, (a^b)^d, a^-b * d, -a^-b,
                    2 * a - b / 2, a - (b - d), a / (b * d), a / b * d, (a + b) * d,
                    -(a - b) / (d - a), sqrt(a)^3 - log(b) * -d, !(a < b) & b < d,
                    !a < b | b > d, -(a < b) * d)
  names(one) <- vapply(one, deparse, "")
  expect_equal(expect_as_plain(as.list(one)), length(one))
})

optimise_again(optimising)
