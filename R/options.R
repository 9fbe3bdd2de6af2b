# Options of the session: one R option named "rkeops", a list, made when first needed.

check_switch <- function(x, name) {
  if (!(is_flag(x) || (is_number(x) && x %in% 0:1)))
    unexpected(x, name, "TRUE, FALSE, 0 or 1")
  as.integer(x)
}

check_folder <- function(x, name) {
  if (!is_string(x))
    unexpected(x, name, "the path of a folder")
  if (!dir.exists(x)) throw("argument", "`", name, "` is \"", x, "\": there is no such folder")
  normalizePath(x)
}

check_text <- function(x, name) {
  if (!is_string(x)) unexpected(x, name, "one string")
  x
}

check_positive <- function(x, name) {
  if (!is_number(x) || is.na(x) || x <= 0)
    unexpected(x, name, "a number above 0")
  as.double(x)
}

check_bytes <- function(x, name, zero = "all") {
  if (!is_number(x) || !is.finite(x) || x < 0 || x >= 2^53)
    unexpected(x, name, "a number of bytes, 0 for ", zero)
  as.double(round(x))
}

check_progress <- function(x, name) {
  if (is_flag(x) || identical(x, "log")) return(x)
  throw("argument", "`", name, "` is ", describe(x), if (is_string(x)) suggestion(x, "log"),
        ": expected TRUE, FALSE or \"log\"")
}

check_prune <- function(x, name) {
  if (is_flag(x) || identical(x, "auto")) return(x)
  throw("argument", "`", name, "` is ", describe(x), if (is_string(x)) suggestion(x, "auto"),
        ": expected \"auto\", TRUE or FALSE")
}

# Stages of the engine that can be looked into, in order.
traced_stages <- function() .Call(C_traced_stages)

check_debug <- function(x, name) {
  if (!is.character(x)) return(check_switch(x, name))
  known <- c(traced_stages(), "all")
  for (wrong in x[!x %in% known])
    throw("argument", "`", name, "` is ", describe(x), suggestion(wrong, known), ": expected ",
          "TRUE, FALSE, 0, 1 or some of ", paste0("\"", known, "\"", collapse = ", "))
  x
}

# As the engine is told.
debug_text <- function(debug)
  if (is.character(debug)) paste(debug, collapse = ",") else if (debug) "all" else ""

sum_schemes <- c("auto", "direct_sum", "block_sum", "kahan_scheme")

# Each option: its default, and how a value of it is checked, called with the value and its name.
option_table <- list(
  backend = list("CPU", check_choice, choices = c("CPU", "GPU")),
  device_id = list(-1L, check_devices),
  engine = list("auto", check_choice, choices = c("auto", "compiled", "builtin")),
  precision = list("auto", check_choice, choices = c("auto", "float32", "float64", "float16")),
  verbosity = list(1L, check_switch),
  debug = list(0L, check_debug),
  cache_dir = list(NULL, check_folder),
  formula_only = list(FALSE, check_flag),
  index_base = list(1L, check_count, from = 0L, to = 1L),
  ncore = list(0L, check_count, from = 0L),
  accumulator = list("auto", check_choice, choices = c("auto", "float32", "float64")),
  sum_scheme = list("auto", check_choice, choices = sum_schemes),
  fast_math = list(FALSE, check_flag),
  prune = list("auto", check_prune),
  check_precision = list(TRUE, check_flag),
  gpu_memory = list(0, check_bytes),
  prepared_memory = list(512 * 2^20, check_bytes, zero = "none"),
  compiler = list("", check_text),
  compile_timeout = list(60, check_positive),
  cache_limit = list(256 * 2^20, check_positive),
  progress = list(TRUE, check_progress)
)

# The value as it is kept. `name`: what the user knows it by.
check_option <- function(x, option, name = option) {
  rule <- option_table[[option]][-1L]
  do.call(rule[[1L]], c(list(x, name), rule[-1L]))
}

# tools::R_user_dir("rkeops", "cache"). To load that package takes longer than a first call may.
default_cache_dir <- function() {
  chosen <- Sys.getenv(c("R_USER_CACHE_DIR", "XDG_CACHE_HOME"))
  chosen <- chosen[nzchar(chosen)]
  if (length(chosen)) return(file.path(chosen[[1L]], "R", "rkeops"))
  if (!startsWith(R.version$os, "linux")) return(tools::R_user_dir("rkeops", "cache"))
  file.path(normalizePath("~"), ".cache", "R", "rkeops")
}

default_options <- function() {
  options <- lapply(option_table, `[[`, 1L)
  options$cache_dir <- default_cache_dir()
  structure(options, class = "rkeops_options", chosen = character())
}

# The options of the session; the R option is made when it is not there yet. Anybody may have
# written to it, so it is checked whenever it is another one than the last time.
get_options <- function() {
  given <- getOption("rkeops")
  if (is.null(given)) {
    given <- default_options()
    base::options(rkeops = given)
  }
  if (!identical(given, session$given)) {
    session$options <- checked_options(given)
    session$given <- given
  }
  session$options
}

# All options, where `given` may have been written by hand: what it lacks has its default.
checked_options <- function(given) {
  if (!is.list(given) || length(given) && !all(nzchar(names_or_none(given))))
    throw("argument", "the R option `rkeops` is ", describe(given), ": expected a list of ",
          "options; options(rkeops = NULL) goes back to the defaults")
  check_option_names(names(given))
  options <- default_options()
  for (name in names(given)) if (!is.null(given[[name]])) {
    label <- paste0("getOption(\"rkeops\")$", name)
    # the engine makes the folder, which may have been removed
    options[[name]] <- if (name == "cache_dir") check_text(given[[name]], label)
                       else check_option(given[[name]], name, label)
  }
  attr(options, "chosen") <-
    if (inherits(given, "rkeops_options")) attr(given, "chosen") else names(given)
  options
}

names_or_none <- function(x) if (is.null(names(x))) rep("", length(x)) else names(x)

# What C code is given: as get_options(), after the engine was told about any change, with the
# options `own` of an operator in their place and the precision that is meant. As long as the R option is
# the same object, C code knows what it means.
engine_options <- function(own = NULL) {
  engine <- .Call(C_known_options)
  if (is.null(engine)) engine <- apply_options(get_options())
  if (!length(own)) return(engine)
  if (!identical(own, session$own)) {
    session$engine_of_own <- with_own_options(engine, own)
    session$own <- own
  }
  session$engine_of_own
}

with_own_options <- function(engine, own) {
  engine$precision <- session$options$precision # `own` may name another backend
  engine$engine <- session$options$engine
  for (name in names(own)) engine[[name]] <- own[[name]]
  engine$precision <- precision_meant(engine)
  engine$engine <- engine_meant(engine)
  engine
}

apply_options <- function(options) {
  engine <- unclass(options)
  engine$precision <- precision_meant(options)
  engine$show_progress <- progress_shown(options)
  engine$line_every <- session$line_every
  engine$trace <- debug_text(options$debug)
  configure(engine[c("cache_dir", "compiler", "compile_timeout", "cache_limit", "ncore",
                     "gpu_memory", "prepared_memory", "trace")])
  engine$engine <- engine_meant(engine) # once the compiler's name is known
  session$own <- NULL
  .Call(C_know_options, engine)
  engine
}

# As src/r_poll.c numbers it: nothing, a bar, lines.
progress_shown <- function(options) {
  if (options$verbosity == 0L) 0L
  else if (identical(options$progress, "log")) 2L
  else as.integer(interactive() && options$progress)
}

# What option `precision` means: "auto" is what R computes in, and on GPUs, most of which are many
# times slower in float64, float32. An operator keeps "auto" and learns here, at each call, what it
# is.
precision_meant <- function(options) {
  if (options$precision != "auto") options$precision
  else if (options$backend == "GPU") "float32" else "float64"
}

# What option `engine` means: "auto" is a matter of sizes where there is a compiler.
engine_meant <- function(options) {
  if (options$engine == "auto" && !.Call(C_has_compiler)) "builtin" else options$engine
}

# For people; `own` as above.
precision_text <- function(own = NULL) {
  options <- unclass(get_options())
  for (name in names(own)) options[[name]] <- own[[name]]
  if (options$precision != "auto") return(options$precision)
  paste0("auto (", precision_meant(options), " on a ", options$backend, ")")
}

precision_line <- function(own = NULL) paste("precision:", precision_text(own))

# Tells the engine what it keeps itself, if that changed.
configure <- function(settings) {
  if (identical(settings, session$settings)) return(invisible())
  checked(.Call(C_configure, system.file("include", "rkeops", package = "rkeops"), tempdir(),
                paste0(R.home("etc"), Sys.getenv("R_ARCH"), "/Makeconf"), settings))
  before <- session$settings
  session$settings <- settings
  if (!identical(settings$ncore, before$ncore)) say_limit(settings$ncore)
}

# A number of threads that cannot be had is said when the engine is told of it.
say_limit <- function(ncore) {
  threads <- .Call(C_threads)
  if (!is.null(threads$limit))
    inform("`ncore` is ", format(ncore, scientific = FALSE), ", and ", threads$threads,
           if (threads$threads > 1L) " threads are" else " thread is", " used: ", threads$limit,
           ". See rkeops_sitrep().")
}

# Options that one call may set, with their names in the table above.
call_option_names <- c(sum_scheme = "sum_scheme", accumulator = "accumulator",
                       precision = "precision", backend = "backend", device = "device_id",
                       engine = "engine", prune = "prune")

# `given`: the arguments `...` of a reduction. `call` of them, and a list of the options. They are read
# once where calls in a row have the same.
call_options <- function(given) {
  if (!identical(given, session$given_to_call)) {
    session$call_options <- read_call_options(given)
    session$given_to_call <- given
  }
  session$call_options
}

read_call_options <- function(given) {
  call <- if ("call" %in% names(given)) check_flag(given[["call"]], "call") else TRUE
  given[["call"]] <- NULL
  for (unnamed in given[!nzchar(names_or_none(given))])
    throw("argument", "an argument without a name is ", describe(unnamed), ": expected one of ",
          paste0("`", c("call", names(call_option_names), walk_names), "`", collapse = ", "))
  options <- lapply(names(given), function(name) call_option(name, given[[name]]))
  names(options) <- call_option_names[names(given)]
  list(call = call, options = if (length(options)) options)
}

call_option <- function(name, value) {
  known <- c("call", names(call_option_names), walk_names)
  if (!name %in% setdiff(known, walk_names))
    throw("argument", "`", name, "` is no argument of a reduction",
          suggestion(name, c(known, "index", "weight")), ": expected one of ",
          paste0("`", known, "`", collapse = ", "))
  check_option(value, call_option_names[[name]], name)
}

check_option_names <- function(names) {
  for (name in names[!names %in% names(option_table)])
    throw("argument", "there is no option `", name, "`", suggestion(name, names(option_table)))
}

#' Options of rkeops
#'
#' The options of the session are kept as one R option named `rkeops`. They are read at each call,
#' so one operator can be run with several settings.
#'
#' @param option `NULL` for all options, or names of options.
#' @param input `NULL` to go back to the defaults, or a named list of new values. Options that it
#'   does not name keep their value.
#' @param ... the same as arguments: `set_rkeops_options(precision = "float64")`.
#'
#' @details
#' | option | default | meaning |
#' |---|---|---|
#' | `backend` | `"CPU"` | where formulas are computed: `"CPU"` or `"GPU"` |
#' | `engine` | `"auto"` | on a CPU: `"compiled"`, `"builtin"`, or `"auto"`: see below |
#' | `device_id` | `-1` | which GPU or GPUs, counted from 0; -1 for the default one |
#' | `precision` | `"auto"` | `"float32"`, `"float64"`, `"float16"` (GPUs); `"auto"`: see below |
#' | `accumulator` | `"auto"` | precision of sums: `"auto"`, `"float32"` or `"float64"` |
#' | `sum_scheme` | `"auto"` | how sums are added up, see [keops_kernel()] |
#' | `ncore` | `0` | number of threads; 0: all processors, see [rkeops_use_cpu()] |
#' | `fast_math` | `FALSE` | GPUs: approximate instructions, less accurate than stated |
#' | `prune` | `"auto"` | whether pairs that cannot matter are left out, see below |
#' | `check_precision` | `TRUE` | whether some rows of large float32 results are compared with float64, see below |
#' | `gpu_memory` | `0` | bytes of each GPU that a call may use; 0: nine tenths of what is free |
#' | `prepared_memory` | `512 * 2^20` | bytes for data that calls keep for later ones, see below; 0: none |
#' | `index_base` | `1` | the position of the first point in results such as those of [argmin()] |
#' | `verbosity` | `1` | 0: no messages, and no progress of calls |
#' | `progress` | `TRUE` | of long calls: `TRUE`, `"log"` or `FALSE`, see below |
#' | `cache_dir` | [get_rkeops_cache_dir()] | folder of compiled kernels |
#' | `cache_limit` | `256 * 2^20` | its size in bytes; kernels used least recently are removed |
#' | `compiler` | `""` | C compiler; `""`: the one that R was built with |
#' | `compile_timeout` | `60` | processor seconds of one compile; ten times as many by the clock |
#' | `formula_only` | `FALSE` | reductions of LazyTensors show their formula and stop |
#' | `debug` | `0` | 1: what each stage makes of a formula is shown; or names of stages, see below |
#'
#' Precision `"auto"` is float64 on a CPU, what R itself computes in, and float32 on a GPU; any
#' other value is valid on both. Operators and LazyTensors keep no precision, unless they were
#' given one: they compute in that of the time of the call. float32 is faster (on a CPU about
#' twice) and keeps seven digits; section "Float32" says of what.
#'
#' Engine `"compiled"` compiles each new formula, which takes some tenths of a second once; `"builtin"`
#' runs it by what was compiled with the package: it answers at once and needs no compiler. For sums of
#' Gaussian, Laplacian, Matern 3/2 and 5/2 and Cauchy kernels, their gradients by points, log-sum-exp of
#' squared distances and nearest neighbours these are kernels that are as fast as compiled ones (on
#' processors with AVX2; those with AVX-512 compile faster ones), else loops at about half the speed;
#' [rkeops_explain()] says which. Results of both are within the same bounds and differ in the last
#' digits. `"auto"` is `"builtin"` for calls of up to 1e8 arithmetic operations (pairs of points
#' times what the formula takes for one, see [rkeops_explain()]), which take some 10 ms then, and
#' `"compiled"` for others; never a matter of times, or of what is compiled already, so that a call gives
#' the same bits each time. Without a C compiler it is `"builtin"`; [rkeops_sitrep()] says so. On GPUs
#' formulas are always compiled.
#'
#' Where zero begins: for each pair of points, a number below the smallest normal one of the
#' precision (1.2e-38 in float32, 2.2e-308 in float64) counts as 0, as an operand and as a result,
#' since many processors need 100 times as long for such numbers. So a float32 value of 1e-40 that
#' depends on i and j has the square root 0, the inverse `Inf`, the logarithm `-Inf`, `rsqrt()` 0 as
#' at 0, and `== 0` is `TRUE`; a sum of n terms may lack n times 1.2e-38 (2.2e-308). What depends on
#' i alone, on j alone or on neither is computed before that, in double precision, where 1e-40 is a
#' number like others. On a GPU float64 keeps such numbers. R's own arithmetic is never affected.
#'
#' @section Float32:
#' What depends on i alone or on j alone is computed in double precision and rounded once, when it is
#' packed. What pairs of points see of two such values only together keeps more than its own seven
#' digits:
#' * Of a difference, as in `sqdist(x, y)`, `x / s - y / s` or `log(x) - log(y)`, a centre that both
#'   have in common is taken out before they are rounded. Coordinates of 4.5e6 m, times in seconds
#'   or prices near 1e6 lose nothing by their size. So it is with sums of several terms, as in
#'   `x + (3 - y)` or `x - y + u - v`: what depends on one index is summed first.
#' * Where one centre is not enough, since some rows lie far from it and near each other (clusters,
#'   a stray row), each of the two values is a sum of two floats, which makes the call 1.5 to 2 times
#'   as long. The data of each call decides.
#' * Values that are compared (`<`, `<=`, `==`, `!=`, ...) become ranks among all that they are
#'   compared with: identifiers of ten digits and stamps of time are compared as in R, up to 2^24
#'   different values; more are an error of class `rkeops_error_precision`, as are matrices on a GPU
#'   that are held as other numbers there.
#'
#' [rkeops_explain()] shows after a call what was found. What rounds before the difference is taken
#' is beyond help: write `sqdist(x, y)`, not `sqnorm2(x) + sqnorm2(y) - 2 * (x | y)`, and the
#' haversine by `sin((x - y) / 2)`, not the arc cosine of a scalar product.
#'
#' A finite input beyond the range of float32 (3.4e38) is an error of class
#' `rkeops_error_precision`. Warnings of class `rkeops_warning_precision` say when a number that is
#' packed and is not 0 becomes 0 (below 1.2e-38 in size) or infinite, and when a sine or cosine has
#' phases beyond 2^20, of which float32 does not know the angle any more.
#'
#' What a formula loses by itself is found by a sample: after a call of at least 1e6 pairs and 16 rows of
#' the result, some of these rows are computed in float64 too (the same ones for the same sizes; up to
#' 16, of at most 2 % of the pairs and 1e7 of them, and none where a row is more than that), from the
#' inputs as they are given or, with float16, as they are stored. Where two of them are off by more than
#' 1e-4, or a number is finite in float64 only, a warning of class `rkeops_warning_precision` says in
#' which row, and by how much:
#' * a sum, as a share of the sum of the absolute values of its row; softmax and the like so;
#' * a log-sum-exp, as it is;
#' * a minimum, a maximum or one of the K smallest, as a share of itself and the mean absolute value of
#'   what it was chosen from; at a position, the value that stands there, if it is worse.
#'
#' Sums and means of a row count as a tenth at least of what rows have on average: a row of next to
#' nothing has no digits to lose. Each reduction that a result is made of is looked at by itself.
#' That is done in calls 1, 10, 100, ... of an operator until it has warned, which it does once; results
#' are the same with `check_precision = FALSE`. Not looked at are lists of pairs ([list_pairs()]) and calls
#' with matrices that lie on a GPU ([to_gpu()]). [rkeops_explain()] shows what the last check found.
#'
#' @section Pairs that cannot matter:
#' A minimum, its position or a list of the K smallest needs few of the pairs, where points lie in a
#' space of few dimensions; so do sums of terms most of which are 0 or next to nothing. rkeops knows
#' bounds of any formula over boxes of points: it sorts rows and columns, looks at the boxes of
#' columns that promise most first, and leaves out those that cannot change a row any more. With
#' `prune = "auto"` a sample of the data says before a call whether that is faster than all pairs;
#' `TRUE` does it wherever bounds are known, `FALSE` never. [rkeops_explain()] shows after a call what
#' was decided and which share of the pairs was walked.
#'
#' Minima, maxima, lists and their positions are the same either way. Of a sum whose terms all have
#' one sign, and of log-sum-exp, softmax and the like, terms are left out that are in all below
#' 2^-60 of the result (2^-30 in float32): far below what rounding does, though last digits may be
#' others. Of other sums only terms are left out that are exactly 0. That is done on a CPU, for all
#' pairs, those of a band ([keep_band()], [drop_self()] and their like), and those of groups and of
#' blocks that are large; small ones are computed as they are given.
#'
#' @section Prepared data:
#' Before the first pair a call computes and packs what depends on rows alone. Where calls have the
#' same R objects again, as all steps of an iteration do but for one variable, a CPU keeps that from the
#' second call on: later ones find it, and give the same results to the last bit. An object is the
#' same as long as nobody has modified it; R makes a copy when a variable is modified, and that is another
#' object. Compiled code of other packages can write into an object without R's knowledge, as `set()` of
#' data.table does: 64 of its numbers are compared at each call, so what changes all of them is
#' seen, what changes a few may not be; [clean_rkeops()] forgets all objects.
#'
#' Objects of 8192 numbers or more that calls were given lately, and what is kept of them, take
#' `prepared_memory` bytes at most; what was used least recently goes first. [rkeops_sitrep()] says what
#' is kept now.
#'
#' @section Messages and profiles:
#' Calls that take long say how far they are on the error stream. With `progress = TRUE` that is a
#' bar after 2 s, in an interactive session only; with `"log"` a line every 5 s, such as
#' `rkeops: 37 %, 12 s`, in scripts too; with `FALSE`, or verbosity 0, nothing. Time before the
#' first pair, as that of compiling, shows none.
#'
#' With `debug = TRUE` the engine shows on the error stream what each of its stages made of a
#' formula that is new to the session: what was read (`"parse"`), without derivatives (`"derive"`),
#' with normalised sums as means (`"means"`), with shared walks over the pairs (`"fuse"`), each
#' reduction made ready for the machine (`"rewrite"`, `"factor"`, `"join"`), what is computed where
#' (`"nest"`), and the text that is compiled (`"emit"`), in order for each pass. A vector of these
#' names shows some. The environment variable `RKEOPS_TRACE=parse,nest` (or `all`) adds stages
#' without a change of a script. After [clean_rkeops()] every formula is new.
#'
#' The R option may also be written by hand or in a profile, `options(rkeops = list(ncore = 2))`:
#' what the list lacks has its default, and each value is checked when it is first used.
#'
#' A GPU that `backend` and `device_id` name is looked for at the next call; [rkeops_use_gpu()] sets
#' both and looks at once.
#'
#' @return `get_rkeops_options()`: a list of class `rkeops_options`, a list for several names, the
#'   value for one name. Asked for by its name, `precision` is what it means now (`"float64"` or
#'   `"float32"` for `"auto"`), which is what RKeOps scripts expect. `set_rkeops_options()`: the
#'   previous options, invisibly.
#' @section Errors:
#' `rkeops_error_argument` for options that do not exist and for values that are none of theirs;
#' what was written by hand is named as `getOption("rkeops")$...`.
#' @family settings
#' @examples
#' get_rkeops_options("precision")
#' old <- set_rkeops_options(list(index_base = 0), precision = "float32")
#' str(get_rkeops_options(c("index_base", "precision")))
#' set_rkeops_options(old)
#' @export
get_rkeops_options <- function(option = NULL) {
  options <- get_options()
  if (is.null(option)) return(options)
  if (!is.character(option) || anyNA(option))
    unexpected(option, "option", "names of options")
  check_option_names(option)
  options$precision <- precision_meant(options)
  if (length(option) == 1L) options[[option]] else unclass(options)[option]
}

# What was there is handed back as options, also where it was written by hand: NULL, the defaults, in
# place of what is none.
replace_options <- function(new) {
  old <- tryCatch(get_options(), rkeops_error_argument = function(e) NULL)
  options(rkeops = new)
  invisible(old)
}

#' @rdname get_rkeops_options
#' @export
set_rkeops_options <- function(input = NULL, ...) {
  if (...length()) input <- c(as.list(input), list(...))
  if (is.null(input)) return(replace_options(default_options()))
  if (inherits(input, "rkeops_options")) return(replace_options(checked_options(input)))
  old <- get_options()
  if (!is.list(input) || is.null(names(input)) || !all(nzchar(names(input))))
    unexpected(input, "input", "a named list of options")
  check_option_names(names(input))
  new <- old
  for (name in names(input)) new[[name]] <- check_option(input[[name]], name)
  attr(new, "chosen") <- union(attr(old, "chosen"), names(input))
  options(rkeops = new)
  invisible(old)
}

#' @rdname rkeops-legacy
#' @export
get_rkeops_option <- function(option) {
  if (identical(option, "tagCpuGpu"))
    return(match(get_rkeops_options("backend"), c("CPU", "GPU")) - 1L)
  get_rkeops_options(if (identical(option, "build_dir")) "cache_dir" else option)
}

#' @rdname rkeops-legacy
#' @export
set_rkeops_option <- function(option, value) {
  if (!is_string(option))
    unexpected(option, "option", "the name of an option")
  if (option %in% options_without_effect) return(invisible(get_options()))
  new <- list(value_of_1x(option, value))
  names(new) <- switch(option, tagCpuGpu = "backend", build_dir = "cache_dir", option)
  set_rkeops_options(new)
}

# Of RKeOps 1.x.
options_without_effect <- c("use_cuda_if_possible", "tag1D2D", "tagHostDevice", "col_major",
                            "rkeops_dir", "src_dir")

value_of_1x <- function(option, value) {
  if (option == "tagCpuGpu") # 2: a GPU, for inputs that are there
    return(c("CPU", "GPU", "GPU")[check_count(value, "value", from = 0L, to = 2L) + 1L])
  if (option == "precision" && is_string(value))
    return(switch(value, float = "float32", double = "float64", value))
  value
}

#' @rdname rkeops-legacy
#' @export
rkeops_option_names <- function() names(option_table)

#' @export
print.rkeops_options <- function(x, ...) {
  shown <- lapply(x, option_text)
  if (identical(x$precision, "auto")) shown$precision <- precision_text(x)
  for (name in names(shown)) cat(format(name, width = 16L), shown[[name]], "\n")
  invisible(x)
}

option_text <- function(value)
  paste(if (is.double(value)) number_text(value) else format(value, trim = TRUE), collapse = ", ")

#' Where and how formulas are computed
#'
#' `rkeops_use_cpu()` chooses the CPU and the number of threads (see [rkeops_use_gpu()] for GPUs),
#' `rkeops_use_float32()`, `rkeops_use_float64()` and `rkeops_use_float16()` the precision, on CPU
#' and GPU. Without any of them it is float64 on a CPU and float32 on a GPU, and
#' `set_rkeops_options(precision = "auto")` goes back to that. Results are R numbers in any case.
#' float16 is for GPUs: inputs are stored with 11
#' significant bits and up to 65504, arithmetic is that of float32; a call on a CPU is an error.
#'
#' @param ncore number of threads. `NULL` or 0: all processors that the process may use (its
#'   affinity, and the quota of its control groups), or as many as the environment variable
#'   `OMP_NUM_THREADS` says. Results do not depend on it.
#'
#' @details
#' There are never more threads than processors that the process may use, than `OMP_THREAD_LIMIT`
#' says, or than two where `_R_CHECK_LIMIT_CORES_` is set (checks of packages), and one in a forked
#' process. An `ncore` that cannot be met is said, once it is set. Where the system gives fewer
#' threads, calls go on with those there are. [rkeops_sitrep()] shows all of this.
#'
#' `RKEOPS_VECTORS=16`, `32` or `64` (an environment variable, read at each call) forces the bytes of
#' the vectors that kernels for the CPU work with, for tests and comparisons: those of SSE2, AVX2 and
#' AVX-512 on Intel and AMD, 16 only on Arm. Without it they are the widest that the processor has.
#'
#' @return The previous options, invisibly: what [set_rkeops_options()] takes to go back.
#' @section Errors:
#' `rkeops_error_argument` for an `ncore` that is no whole number from 0 on; `rkeops_error_device`
#' from calls in float16 on a CPU.
#' @family settings
#' @examples
#' old <- rkeops_use_float32()
#' rkeops_use_cpu(ncore = 2)
#' sum(Vi(c(0.1, 0.7)) + Vj(1), "j") - c(1.1, 1.7) # seven digits
#' set_rkeops_options(old)
#' get_rkeops_options("precision")
#' @export
rkeops_use_cpu <- function(ncore = NULL) {
  count <- if (is.null(ncore)) 0L else check_count(ncore, "ncore", from = 0L)
  old <- set_rkeops_options(list(backend = "CPU", ncore = count))
  engine_options() # says when it cannot be met
  invisible(old)
}

#' @rdname rkeops_use_cpu
#' @export
rkeops_use_float32 <- function() set_rkeops_options(list(precision = "float32"))

#' @rdname rkeops_use_cpu
#' @export
rkeops_use_float64 <- function() set_rkeops_options(list(precision = "float64"))

#' @rdname rkeops_use_cpu
#' @export
rkeops_use_float16 <- function() set_rkeops_options(list(precision = "float16"))

#' @rdname rkeops-legacy
#' @export
use_cpu <- function(ncore = 0) rkeops_use_cpu(ncore)

#' @rdname rkeops-legacy
#' @export
compile4float32 <- function() rkeops_use_float32()

#' @rdname rkeops-legacy
#' @export
compile4float64 <- function() rkeops_use_float64()

#' @rdname rkeops-legacy
#' @export
compile4cpu <- function() invisible(get_options())

#' @rdname rkeops-legacy
#' @export
compile4gpu <- compile4cpu

#' @rdname rkeops-legacy
#' @export
rkeops_enable_verbosity <- function() set_rkeops_options(list(verbosity = 1L))

#' @rdname rkeops-legacy
#' @export
rkeops_disable_verbosity <- function() set_rkeops_options(list(verbosity = 0L))
