/* The R option `rkeops` (a list, see R/options.R) as the engine wants it. */
#include "r_glue.h"

#include <string.h>

SEXP list_element(SEXP list, const char *name) {
  SEXP names = Rf_getAttrib(list, R_NamesSymbol);
  for (int k = 0, n = Rf_length(names); k < n; k++) {
    const char *found = CHAR(STRING_ELT(names, k));
    if (*found == *name && !strcmp(found, name)) return VECTOR_ELT(list, k);
  }
  return R_NilValue;
}

const char *option_string(SEXP options, const char *name, const char *otherwise) {
  SEXP value = list_element(options, name);
  if (TYPEOF(value) != STRSXP || Rf_xlength(value) != 1) return otherwise;
  if (STRING_ELT(value, 0) == NA_STRING) return otherwise;
  return Rf_translateCharUTF8(STRING_ELT(value, 0));
}

double option_number(SEXP options, const char *name, double otherwise) {
  SEXP value = list_element(options, name);
  if (!(Rf_isNumeric(value) || Rf_isLogical(value)) || Rf_xlength(value) != 1) return otherwise;
  return Rf_asReal(value);
}

static rk_pruning option_pruning(SEXP options) {
  SEXP value = list_element(options, "prune");
  if (!Rf_isLogical(value) || Rf_xlength(value) != 1) return RK_PRUNE_AUTO;
  return Rf_asLogical(value) ? RK_PRUNE_ALWAYS : RK_PRUNE_NEVER;
}

/* The position of `word` in `words`, or -1 after writing what was expected. */
static int choice(const char *what, const char *word, const char *const *words, rk_error *error) {
  for (int k = 0; words[k]; k++)
    if (!strcmp(word, words[k])) return k;
  status_set(error, RK_ERROR_ARGUMENT, "%s is \"%s\": expected one of \"%s\", \"%s\", ...", what,
             word, words[0], words[1]);
  return -1;
}

static rk_status engine_options(SEXP options, rk_options *out, rk_error *error) {
  /* in the order of the enumerations of engine.h */
  static const char *const precisions[] = {"float32", "float64", "float16", NULL};
  static const char *const schemes[] = {"auto", "direct_sum", "block_sum", "kahan_scheme", NULL};
  static const char *const accumulators[] = {"auto", "float32", "float64", NULL};

  int precision = choice("the option `precision`", option_string(options, "precision", "float32"),
                         precisions, error);
  int sum = choice("`sum_scheme`", option_string(options, "sum_scheme", "auto"), schemes, error);
  int accumulator = choice("the option `accumulator`",
                           option_string(options, "accumulator", "auto"), accumulators, error);
  if (precision < 0 || sum < 0 || accumulator < 0) return error->status;
  out->precision = (rk_precision)precision;
  out->scheme = (rk_scheme)sum;
  out->accumulator = (rk_accumulator)accumulator;
  out->fast_math = option_number(options, "fast_math", 0) != 0;
  return RK_OK;
}

static void read_options(SEXP options, call_options *out) {
  const char *engine = option_string(options, "engine", "auto");
  memset(out, 0, sizeof *out); /* padding too: the options are part of a key */
  out->has_devices = !strcmp(option_string(options, "backend", "CPU"), "GPU");
  out->backend = out->has_devices               ? "cuda"
                 : !strcmp(engine, "compiled") ? "cpu"
                 : !strcmp(engine, "builtin")  ? "builtin"
                                               : "auto";
  out->status = engine_options(options, &out->engine, &out->error);
  out->pruning = option_pruning(options);
  out->check_precision = option_number(options, "check_precision", 1) != 0;
  out->index_base = (int64_t)option_number(options, "index_base", 1);
  out->progress = (progress_kind)option_number(options, "show_progress", PROGRESS_none);
  out->line_every = option_number(options, "line_every", 0);
  out->formula_only = option_number(options, "formula_only", 0) != 0;
}

/* Lists that were read lately are kept: as long as they are, an address means one of them, and
 * nobody modifies it. */
const call_options *options_of(SEXP options) {
  enum { KEPT = 4 };
  static call_options read[KEPT];
  static SEXP kept;
  static int next;
  if (!kept) R_PreserveObject(kept = Rf_allocVector(VECSXP, KEPT));
  for (int k = 0; k < KEPT; k++)
    if (VECTOR_ELT(kept, k) == options) return &read[k];
  int k = next++ % KEPT;
  SET_VECTOR_ELT(kept, k, options);
  read_options(options, &read[k]);
  return &read[k];
}

/* The R option and what it means. As long as it is kept, an address means one object, and nobody
 * modifies that. */
static SEXP known;

SEXP rkeops_know_options(SEXP options) {
  if (!known) R_PreserveObject(known = Rf_allocVector(VECSXP, 2));
  SET_VECTOR_ELT(known, 0, Rf_GetOption1(Rf_install("rkeops")));
  SET_VECTOR_ELT(known, 1, options);
  return R_NilValue;
}

SEXP options_known(void) {
  SEXP given = Rf_GetOption1(Rf_install("rkeops"));
  return known && given != R_NilValue && given == VECTOR_ELT(known, 0) ? VECTOR_ELT(known, 1)
                                                                     : R_NilValue;
}

SEXP rkeops_known_options(void) { return options_known(); }

static const char *path_or_null(SEXP x) {
  if (TYPEOF(x) != STRSXP || Rf_xlength(x) != 1 || STRING_ELT(x, 0) == NA_STRING) return NULL;
  return Rf_translateChar(STRING_ELT(x, 0));
}

/* What the engine shows goes where R's messages go. That may be a connection of the user, which may
 * fail: the text is lost then, and the call goes on. */
static void say(void *text) {
  static const size_t most = 1000; /* at a time: R's consoles have buffers */
  size_t left = strlen(text), part;
  for (const char *at = text; left; at += part, left -= part) {
    part = left < most ? left : most;
    REprintf("%.*s", (int)part, at);
  }
}

static void show_trace(const char *text) { R_ToplevelExec(say, (void *)text); }

SEXP rkeops_has_compiler(void) { return Rf_ScalarLogical(rk_has_compiler()); }

SEXP rkeops_configure(SEXP include_dir, SEXP fallback_dir, SEXP makeconf, SEXP options) {
  rk_error error;
  rk_settings settings;
  memset(&settings, 0, sizeof settings);
  settings.include_dir = path_or_null(include_dir);
  settings.fallback_dir = path_or_null(fallback_dir);
  settings.makeconf = path_or_null(makeconf);
  settings.cache_dir = path_or_null(list_element(options, "cache_dir"));
  settings.compiler = option_string(options, "compiler", "");
  settings.compile_timeout = option_number(options, "compile_timeout", 0);
  settings.cache_limit = (int64_t)option_number(options, "cache_limit", 0);
  settings.trace = option_string(options, "trace", "");
  settings.write = show_trace;
  double prepared = option_number(options, "prepared_memory", 0);
  settings.prepared_memory = prepared > 0 ? (int64_t)prepared : -1;
  settings.gpu_memory = (int64_t)option_number(options, "gpu_memory", -1);
  if (rk_configure(&settings, &error) != RK_OK) return status_object(&error);
  prepared_configure(prepared);
  if (rk_set_threads((int)option_number(options, "ncore", 0), &error) != RK_OK)
    return status_object(&error);
  return R_NilValue;
}

/* Names that the option `debug` may have. */
SEXP rkeops_traced_stages(void) {
  int n = 0;
  while (rk_traced_stage(n)) n++;
  SEXP out = PROTECT(Rf_allocVector(STRSXP, n));
  for (int k = 0; k < n; k++) SET_STRING_ELT(out, k, Rf_mkChar(rk_traced_stage(k)));
  UNPROTECT(1);
  return out;
}

SEXP rkeops_end_threads(void) {
  rk_end_threads();
  return R_NilValue;
}

/* `limit`: why it is fewer threads than were asked for, or NULL. */
SEXP rkeops_threads(void) {
  const char *names[] = {"threads", "processors", "limit", ""};
  char limit[200];
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, Rf_ScalarInteger(rk_threads()));
  SET_VECTOR_ELT(out, 1, Rf_ScalarInteger(rk_processors()));
  if (rk_threads_limit(limit, sizeof limit)) SET_VECTOR_ELT(out, 2, Rf_mkString(limit));
  UNPROTECT(1);
  return out;
}
