/* Programs: found, described, run, shown, built. A program is asked for by its text at each call
 * (a hash lookup): no handle lives in an R object, so operators can be saved and sent away. */
#include "r_glue.h"
#include "text.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char **strings_utf8(SEXP x) {
  R_xlen_t n = Rf_xlength(x);
  const char **out = (const char **)R_alloc((size_t)(n > 0 ? n : 1), sizeof *out);
  for (R_xlen_t k = 0; k < n; k++) out[k] = Rf_translateCharUTF8(STRING_ELT(x, k));
  return out;
}

rk_status program_find(SEXP program, SEXP options, held_programs *held, rk_error *error) {
  const call_options *meant = options_of(options);
  if (meant->status != RK_OK) *error = meant->error;
  if (meant->status != RK_OK) return meant->status;
  SEXP declarations = list_element(program, "declarations");
  rk_program **found = &held->program[held->n];
  rk_status status =
      rk_program_get(option_string(program, "text", ""), strings_utf8(declarations),
                     Rf_length(declarations), &meant->engine, found, error);
  if (status != RK_OK) return status;
  rk_program_hold(*found);
  held->n++;
  return RK_OK;
}

static void release_programs(void *held_of, Rboolean jump) {
  held_programs *held = held_of;
  (void)jump;
  while (held->n > 0) rk_program_release(held->program[--held->n]);
}

SEXP with_programs(SEXP (*work)(void *data), void *data, held_programs *held) {
  return R_UnwindProtect(work, data, release_programs, held, NULL);
}

/* ---- entry points of one program ------------------------------------------------------------- */

/* Their arguments, as far as they have them, and the program once it is found. */
typedef struct {
  SEXP program, options, input, rows_inside, rows;
  rk_program *found;
  held_programs held;
  char said[1024];             /* by the run: rk_warning, before a finalizer can run another */
} program_request;

static rk_status find_it(program_request *q, rk_error *error) {
  return program_find(q->program, q->options, &q->held, error);
}

static SEXP with_program(SEXP (*work)(void *request), program_request *q) {
  q->held = (held_programs){&q->found, 0};
  return with_programs(work, q, &q->held);
}

/* ---- description ----------------------------------------------------------------------------- */

static const char *const kinds[] = {"Vi", "Vj", "Pm"};

static SEXP variables_of(const rk_program_info *info) {
  const char *names[] = {"name", "kind", "dim", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SEXP name = Rf_allocVector(STRSXP, info->variables);
  SET_VECTOR_ELT(out, 0, name);
  SEXP kind = Rf_allocVector(STRSXP, info->variables);
  SET_VECTOR_ELT(out, 1, kind);
  SEXP dim = Rf_allocVector(INTSXP, info->variables);
  SET_VECTOR_ELT(out, 2, dim);
  for (int k = 0; k < info->variables; k++) {
    SET_STRING_ELT(name, k, Rf_mkCharCE(info->variable[k].name, CE_UTF8));
    SET_STRING_ELT(kind, k, Rf_mkChar(kinds[info->variable[k].kind]));
    INTEGER(dim)[k] = info->variable[k].dim;
  }
  UNPROTECT(1);
  return out;
}

/* The kind of variables with the same rows, the reduction, and vectors by field. */
static SEXP result_of(const rk_result *result) {
  const char *names[] = {"kept", "reduction", "k", "dim", "ranked", "positions", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, Rf_mkString(kinds[result->kept]));
  SET_VECTOR_ELT(out, 1, Rf_mkString(result->reduction));
  for (int c = 2; c < 6; c++)
    SET_VECTOR_ELT(out, c, Rf_allocVector(c < 4 ? INTSXP : LGLSXP, result->fields));
  for (int f = 0; f < result->fields; f++) {
    INTEGER(VECTOR_ELT(out, 2))[f] = result->field[f].k;
    INTEGER(VECTOR_ELT(out, 3))[f] = result->field[f].dim;
    LOGICAL(VECTOR_ELT(out, 4))[f] = result->field[f].ranked;
    LOGICAL(VECTOR_ELT(out, 5))[f] = result->field[f].is_position;
  }
  UNPROTECT(1);
  return out;
}

static SEXP results_of(const rk_program_info *info) {
  SEXP out = PROTECT(Rf_allocVector(VECSXP, info->results));
  for (int r = 0; r < info->results; r++) SET_VECTOR_ELT(out, r, result_of(&info->result[r]));
  UNPROTECT(1);
  return out;
}

static SEXP describe_program(void *request) {
  program_request *q = request;
  rk_error error;
  if (find_it(q, &error) != RK_OK) return status_object(&error);
  const rk_program_info *info = rk_program_info_of(q->found);
  const char *names[] = {"variables", "results", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, variables_of(info));
  SET_VECTOR_ELT(out, 1, results_of(info));
  UNPROTECT(1);
  return out;
}

SEXP rkeops_program_info(SEXP program, SEXP options) {
  return with_program(describe_program, &(program_request){.program = program, .options = options});
}

/* ---- running --------------------------------------------------------------------------------- */

static SEXP wrong_number(const rk_program_info *info, SEXP input) {
  rk_error error;
  char names[512] = "";
  for (int k = 0; k < info->variables && strlen(names) + 70 < sizeof names; k++) {
    if (k) strcat(names, ", ");
    strncat(names, info->variable[k].name, 60);
  }
  status_set(&error, RK_ERROR_ARGUMENT, "`input` has %d elements: expected %d (%s)",
             Rf_length(input), info->variables, names);
  return status_object(&error);
}

static SEXP too_many_rows(int64_t rows) {
  rk_error error;
  status_set(&error, RK_ERROR_SHAPE,
             "the result would have %.0f rows: an R matrix has at most %d", (double)rows, INT_MAX);
  return status_object(&error);
}

/* Large results are allocated where R's error can be caught. */
static const double large_bytes = 0x1p28;

typedef struct {
  const rk_program_info *info;
  const int64_t *rows;
  int64_t base;
  rk_output *outputs;
} result_request;

static SEXP make_results(void *data) {
  result_request *q = data;
  return arrays_results(q->info, q->rows, q->base, q->outputs);
}

static SEXP no_results(SEXP condition, void *data) {
  (void)condition;
  (void)data;
  return R_NilValue;
}

static SEXP new_results(result_request *q, rk_error *error) {
  char number[RK_NUMBER_TEXT];
  double bytes = 0;
  for (int r = 0; r < q->info->results; r++)
    for (int f = 0; f < q->info->result[r].fields; f++) {
      const rk_field *field = &q->info->result[r].field[f];
      bytes += 8.0 * (double)q->rows[q->info->result[r].kept] * field->k * field->dim;
    }
  if (bytes < large_bytes) return make_results(q);
  SEXP result = R_tryCatchError(make_results, q, no_results, NULL);
  if (result == R_NilValue) {
    prepared_forget();
    result = R_tryCatchError(make_results, q, no_results, NULL);
  }
  if (result == R_NilValue)
    status_set(error, RK_ERROR_MEMORY, "the result takes up to %s GB: R cannot allocate it",
               rk_number_text(number, "%.1f", bytes / 1e9));
  return result;
}

/* What a call computes on: `blocks` NULL for all pairs. */
typedef struct { rk_array *arrays; const rk_blocks *blocks; } run_data;

static rk_status try_run(const program_request *q, const run_data *data, const rk_output *outputs,
                         poll_state *state, rk_error *error) {
  rk_status status = backend_use(q->options, error);
  if (status) return status;
  rk_set_pruning(options_of(q->options)->pruning);
  rk_set_precision_check(options_of(q->options)->check_precision);
  return rk_run_blocks(q->found, data->blocks, data->arrays, outputs, poll_r, state, error);
}

static SEXP run_on(program_request *q, const rk_program_info *info, const run_data *data) {
  rk_error error;
  int64_t rows[3];
  if (rk_program_rows(q->found, data->blocks, data->arrays, info->variables, rows, &error) != RK_OK)
    return status_object(&error);
  for (int r = 0; r < info->results; r++)
    if (rows[info->result[r].kept] > INT_MAX) return too_many_rows(rows[info->result[r].kept]);

  rk_output outputs[2 * RK_MAX_RESULTS];
  int64_t base = options_of(q->options)->index_base;
  SEXP result = PROTECT(new_results(&(result_request){info, rows, base, outputs}, &error));
  if (result == R_NilValue) {
    UNPROTECT(1);
    return status_object(&error);
  }
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  poll_state state = poll_begin(q->options, found);
  rk_status status = try_run(q, data, outputs, &state, &error);
  if (status == RK_ERROR_MEMORY) { /* dead matrices on a GPU are freed when R looks for garbage */
    prepared_forget();
    for (int k = 0; k < info->variables; k++) data->arrays[k].stamp = 0;
    R_gc();
    status = try_run(q, data, outputs, &state, &error);
  }
  snprintf(q->said, sizeof q->said, "%s", status == RK_OK ? rk_warning() : "");
  poll_end(&state);
  if (status == RK_OK) arrays_plain_nan(info, rows, outputs);
  else result = status_failure(status, &error, found);
  UNPROTECT(2);
  return result;
}

static SEXP run_program(void *request) {
  program_request *q = request;
  rk_error error;
  if (find_it(q, &error) != RK_OK) return status_object(&error);
  const rk_program_info *info = rk_program_info_of(q->found);
  if (Rf_length(q->input) != info->variables) return wrong_number(info, q->input);

  rk_array *arrays = (rk_array *)R_alloc((size_t)info->variables + 1, sizeof *arrays);
  SEXP keep = PROTECT(Rf_allocVector(VECSXP, info->variables));
  SEXP result = R_NilValue, given = list_element(q->program, "blocks");
  rk_blocks blocks;
  const run_data data = {arrays, given == R_NilValue ? NULL : &blocks};
  if (data.blocks && blocks_unpack(given, &blocks, &error) != RK_OK) {
    UNPROTECT(1);
    return status_object(&error);
  }
  switch (arrays_unpack(q->input, keep, info, Rf_asLogical(q->rows_inside), q->options, arrays,
                        &error)) {
  case ARRAYS_ready: result = run_on(q, info, &data); break;
  case ARRAYS_failed: result = status_object(&error); break;
  case ARRAYS_not_plain: break;
  }
  UNPROTECT(1);
  return result;
}

/* R is told what the call has to say by explain_rounding(); most have nothing. */
static void tell_warning(const char *said) {
  SEXP space = PROTECT(R_FindNamespace(PROTECT(Rf_mkString("rkeops"))));
  SEXP text = PROTECT(Rf_ScalarString(Rf_mkCharCE(said, CE_UTF8)));
  Rf_eval(PROTECT(Rf_lang2(Rf_install("explain_rounding"), text)), space);
  UNPROTECT(4);
}

/* NULL when R code has to convert an element of `input` (or to refuse it) first. */
SEXP rkeops_run(SEXP program, SEXP input, SEXP rows_inside, SEXP options) {
  program_request q = {.program = program, .options = options, .input = input,
                       .rows_inside = rows_inside};
  SEXP result = PROTECT(with_program(run_program, &q));
  if (*q.said) tell_warning(q.said);
  UNPROTECT(1);
  return result;
}

/* ---- source, explanations, builds ------------------------------------------------------------ */

static SEXP show_source(void *request) {
  program_request *q = request;
  rk_error error;
  char *text = NULL;
  if (find_it(q, &error) != RK_OK ||
      rk_source(q->found, options_of(q->options)->backend, &text, &error) != RK_OK)
    return status_object(&error);
  return engine_text(text);
}

SEXP rkeops_source(SEXP program, SEXP options) {
  return with_program(show_source, &(program_request){.program = program, .options = options});
}

static SEXP show_explanation(void *request) {
  program_request *q = request;
  rk_error error;
  char *text = NULL;
  int64_t rows[3] = {0, 0, 1};
  for (int k = 0; k < Rf_length(q->rows); k++) rows[k] = (int64_t)REAL_RO(q->rows)[k];
  if (find_it(q, &error) != RK_OK ||
      rk_explain(q->found, options_of(q->options)->backend,
                 Rf_length(q->rows) ? rows : NULL, &text, &error) != RK_OK)
    return status_object(&error);
  return engine_text(text);
}

/* `rows`: numbers of rows of i and j, or NULL. Opens no GPU. */
SEXP rkeops_explain(SEXP program, SEXP rows, SEXP options) {
  return with_program(show_explanation,
                      &(program_request){.program = program, .options = options, .rows = rows});
}

typedef struct {
  SEXP programs, options;
  held_programs held;
} build_request;

static SEXP build_programs(void *request) {
  build_request *q = request;
  rk_error error;
  for (int k = 0; k < Rf_length(q->programs); k++)
    if (program_find(VECTOR_ELT(q->programs, k), q->options, &q->held, &error) != RK_OK)
      return status_object(&error);
  SEXP condition = PROTECT(Rf_allocVector(VECSXP, 1));
  poll_state state = poll_begin(q->options, condition);
  rk_status status = backend_use(q->options, &error);
  if (status == RK_OK)
    status = rk_build_many(q->held.program, q->held.n, poll_r, &state, &error);
  poll_end(&state);
  SEXP result = status == RK_OK ? R_NilValue : status_failure(status, &error, condition);
  UNPROTECT(1);
  return result;
}

SEXP rkeops_build_many(SEXP programs, SEXP options) {
  build_request q = {.programs = programs, .options = options};
  q.held.program = (rk_program **)R_alloc((size_t)Rf_length(programs) + 1, sizeof(rk_program *));
  return with_programs(build_programs, &q, &q.held);
}

SEXP rkeops_expression(SEXP text, SEXP declarations) {
  rk_error error;
  rk_expression_info info;
  const char *formula = Rf_translateCharUTF8(STRING_ELT(text, 0));
  if (rk_expression(formula, strings_utf8(declarations), Rf_length(declarations), &info, &error) !=
      RK_OK)
    return status_object(&error);
  const char *names[] = {"dim", "is_logical", "indices", ""};
  SEXP out = PROTECT(Rf_mkNamed(INTSXP, names));
  INTEGER(out)[0] = info.dim;
  INTEGER(out)[1] = info.is_logical;
  INTEGER(out)[2] = info.indices;
  UNPROTECT(1);
  return out;
}
