/* Reductions over lists of pairs. */
#include "r_glue.h"

/* Its arguments; `reduction` may be NULL. */
typedef struct {
  SEXP program, side, pairs, reduction, input, options;
  rk_program *found[2];
  held_programs held;
} pairs_request;

/* Integers of a list of pairs; `n` below 0: of any number. */
static const int32_t *integers(SEXP pairs, const char *name, R_xlen_t n, rk_error *error) {
  SEXP x = list_element(pairs, name);
  if (TYPEOF(x) == INTSXP && (n < 0 || Rf_xlength(x) == n)) return INTEGER_RO(x);
  status_set(error, RK_ERROR_ARGUMENT, "`pairs` has no integers `%s` that fit", name);
  return NULL;
}

static rk_status unpack_pairs(SEXP list, rk_pairs *out, rk_error *error) {
  R_xlen_t n = Rf_xlength(list_element(list, "i"));
  error->status = RK_OK;
  *out = (rk_pairs){.count = n, .rows = Rf_xlength(list_element(list, "end")), .base = 1,
                    .counted = (rk_pair_side)Rf_asInteger(list_element(list, "counted"))};
  out->at[0] = integers(list, "i", n, error);
  out->at[1] = integers(list, "j", n, error);
  out->end = integers(list, "end", -1, error);
  if (list_element(list, "order") != R_NilValue) out->order = integers(list, "order", n, error);
  if (out->counted != RK_OF_I && out->counted != RK_OF_J)
    status_set(error, RK_ERROR_ARGUMENT, "`pairs` has no side that positions count");
  return error->status;
}

/* With NULL a row for each pair. */
static SEXP run_reduction(pairs_request *q, const rk_pairs *pairs, const rk_array *arrays) {
  rk_error error = {0};
  rk_program *reduction = q->reduction == R_NilValue ? NULL : q->found[1];
  const rk_program_info *info = rk_program_info_of(reduction ? reduction : q->found[0]);
  const int *side = INTEGER_RO(q->side);
  int64_t rows[3] = {reduction ? pairs->rows : pairs->count,
                     (int64_t)Rf_asReal(list_element(q->pairs, "counted_rows")), 1};
  rk_output outputs[2];
  int64_t base = options_of(q->options)->index_base;
  SEXP result = PROTECT(arrays_results(info, rows, base, outputs));
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  rk_pair_side *sides = (rk_pair_side *)R_alloc((size_t)Rf_length(q->side) + 1, sizeof *sides);
  for (int k = 0; k < Rf_length(q->side); k++) sides[k] = (rk_pair_side)side[k];
  poll_state state = poll_begin(q->options, found);
  rk_status status = backend_use(q->options, &error);
  if (!status)
    status = rk_run_pairs(q->found[0], sides, pairs, reduction, arrays, outputs, poll_r, &state,
                          &error);
  poll_end(&state);
  if (status) result = status_failure(status, &error, found);
  else arrays_plain_nan(info, rows, outputs);
  UNPROTECT(2);
  return result;
}

static SEXP run_pairs(void *request) {
  pairs_request *q = request;
  rk_error error;
  rk_pairs pairs;
  if (program_find(q->program, q->options, &q->held, &error) != RK_OK ||
      (q->reduction != R_NilValue &&
       program_find(q->reduction, q->options, &q->held, &error) != RK_OK) ||
      unpack_pairs(q->pairs, &pairs, &error) != RK_OK)
    return status_object(&error);
  const rk_program_info *info = rk_program_info_of(q->found[0]);
  if (Rf_length(q->input) != info->variables || Rf_length(q->side) != info->variables) {
    status_set(&error, RK_ERROR_ARGUMENT, "%d variables have %d inputs", info->variables,
               Rf_length(q->input));
    return status_object(&error);
  }
  rk_array *arrays = (rk_array *)R_alloc((size_t)info->variables + 1, sizeof *arrays);
  SEXP keep = PROTECT(Rf_allocVector(VECSXP, info->variables)), result;
  switch (arrays_unpack(q->input, keep, info, 0, q->options, arrays, &error)) {
  case ARRAYS_ready: result = run_reduction(q, &pairs, arrays); break;
  case ARRAYS_failed: result = status_object(&error); break;
  default:
    status_set(&error, RK_ERROR_ARGUMENT, "inputs are not plain matrices");
    result = status_object(&error);
  }
  UNPROTECT(1);
  return result;
}

/* `side`: of each input, as rk_pair_side. `pairs`: list(i, j, order, end, counted,
 * counted_rows), with i and j in that order. */
SEXP rkeops_run_pairs(SEXP program, SEXP side, SEXP pairs, SEXP reduction, SEXP input,
                      SEXP options) {
  pairs_request q = {.program = program, .side = side, .pairs = pairs, .reduction = reduction,
                     .input = input, .options = options};
  q.held = (held_programs){q.found, 0};
  return with_programs(run_pairs, &q, &q.held);
}
