/* Gaussian processes whose sites depend on a few earlier ones. */
#include "r_glue.h"

#include <string.h>

/* Arguments of a call. Of a covariance and of its derivatives, lists of program, side and input,
 * the latter may be NULL; `sets`: a column of rows for each block; `numbers`: noise and z;
 * `wanted`: whether coefficients are, and whether sites may be copies; or the cotangents that are
 * given, and whether those of noise and z are wanted. */
typedef struct {
  SEXP formula[2], sets, numbers, wanted, options;
  rk_program *found[2];
  held_programs held;
  rk_pair_values values[2];
  rk_vecchia call;
} request;

static SEXP noise_of(const request *q) { return list_element(q->numbers, "noise"); }
static SEXP z_of(const request *q) { return list_element(q->numbers, "z"); }

/* ---- arguments ------------------------------------------------------------------------------- */

/* `keep`: a list of one element, for what is made of inputs. */
static rk_status unpack_formula(request *q, int k, SEXP keep, rk_error *error) {
  const rk_program_info *info = rk_program_info_of(q->found[k]);
  SEXP input = list_element(q->formula[k], "input"), side = list_element(q->formula[k], "side");
  if (Rf_length(input) != info->variables || Rf_length(side) != info->variables)
    return status_set(error, RK_ERROR_ARGUMENT, "%d variables have %d inputs", info->variables,
                      Rf_length(input));
  rk_pair_side *sides = (rk_pair_side *)R_alloc((size_t)info->variables + 1, sizeof *sides);
  rk_array *arrays = (rk_array *)R_alloc((size_t)info->variables + 1, sizeof *arrays);
  for (int v = 0; v < info->variables; v++) sides[v] = (rk_pair_side)INTEGER_RO(side)[v];
  SET_VECTOR_ELT(keep, k, Rf_allocVector(VECSXP, info->variables));
  arrays_state state = arrays_unpack(input, VECTOR_ELT(keep, k), info, 0, q->options, arrays,
                                     error);
  if (state == ARRAYS_not_plain)
    status_set(error, RK_ERROR_ARGUMENT, "inputs are not plain matrices");
  q->values[k] = (rk_pair_values){q->found[k], sides, arrays};
  return state == ARRAYS_ready ? RK_OK : error->status;
}

static rk_status unpack(request *q, SEXP keep, rk_error *error) {
  SEXP noise = noise_of(q), z = z_of(q);
  rk_status status = RK_OK;
  q->held.n = 0;
  for (int k = 0; k < 2 && !status; k++)
    if (q->formula[k] != R_NilValue)
      status = program_find(list_element(q->formula[k], "program"), q->options, &q->held, error);
  for (int k = 0; k < q->held.n && !status; k++) status = unpack_formula(q, k, keep, error);
  if (status) return status;
  const int64_t rows = Rf_nrows(z);
  q->call = (rk_vecchia){
    .sets = {INTEGER_RO(q->sets), Rf_ncols(q->sets), rows, Rf_nrows(q->sets)},
    .covariance = q->values[0], .noise = REAL_RO(noise), .noises = Rf_xlength(noise),
    .z = REAL_RO(z), .columns = Rf_ncols(z)};
  if (q->call.noises == 1 || q->call.noises == rows) return RK_OK;
  return status_set(error, RK_ERROR_SHAPE, "noise has %lld numbers: expected 1 or %lld",
                    (long long)q->call.noises, (long long)rows);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* list(w, log_sd, coefficients), or the block and the row that failed. */
static SEXP whiten(request *q) {
  rk_error error = {0};
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  const char *names[] = {"w", "log_sd", "coefficients", ""};
  const int blocks = Rf_ncols(q->sets);
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(out, 0, Rf_allocMatrix(REALSXP, blocks, q->call.columns));
  SET_VECTOR_ELT(out, 1, Rf_allocVector(REALSXP, blocks));
  rk_vecchia_values values = {REAL(VECTOR_ELT(out, 0)), REAL(VECTOR_ELT(out, 1)), NULL,
                              LOGICAL_RO(q->wanted)[1], {0}};
  if (LOGICAL_RO(q->wanted)[0]) {
    SET_VECTOR_ELT(out, 2, Rf_allocMatrix(REALSXP, Rf_nrows(q->sets), blocks));
    values.coefficients = REAL(VECTOR_ELT(out, 2));
  }
  poll_state state = poll_begin(q->options, found);
  rk_status status = rk_vecchia_whiten(&q->call, &values, poll_r, &state, &error);
  poll_end(&state);
  if (status) {
    out = status_failure(status, &error, found);
  } else if (values.failed[0]) {
    out = Rf_allocVector(INTSXP, 2);
    for (int k = 0; k < 2; k++) INTEGER(out)[k] = (int)values.failed[k];
  }
  UNPROTECT(2);
  return out;
}

/* ---- cotangents ------------------------------------------------------------------------------ */

static SEXP zeros(int64_t rows, int columns) {
  SEXP out = Rf_allocMatrix(REALSXP, (int)rows, columns);
  if (Rf_xlength(out)) memset(REAL(out), 0, sizeof(double) * (size_t)Rf_xlength(out));
  return out;
}

/* For each wanted variable, of which slopes have the side `to` and the dimension `dim`, a matrix of
 * zeros; *side and the result: by component. */
static double **sums_of(const request *q, SEXP sums, rk_pair_side **side) {
  SEXP to = list_element(q->formula[1], "to"), dim = list_element(q->formula[1], "dim");
  int components = 0, c = 0;
  for (int k = 0; k < Rf_length(to); k++) components += INTEGER_RO(dim)[k];
  double **at = (double **)R_alloc((size_t)components + 1, sizeof *at);
  *side = (rk_pair_side *)R_alloc((size_t)components + 1, sizeof **side);
  for (int k = 0; k < Rf_length(to); k++) {
    const rk_pair_side own = (rk_pair_side)INTEGER_RO(to)[k];
    const int64_t rows = own == RK_OF_ALL ? 1 : q->call.sets.rows;
    SET_VECTOR_ELT(sums, k, zeros(rows, INTEGER_RO(dim)[k]));
    for (int d = 0; d < INTEGER_RO(dim)[k]; d++, c++) {
      at[c] = REAL(VECTOR_ELT(sums, k)) + d * rows;
      (*side)[c] = own;
    }
  }
  return at;
}

static SEXP pull(request *q) {
  rk_error error = {0};
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  const char *names[] = {"noise", "z", "sums", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  const int has_slopes = q->formula[1] != R_NilValue;
  rk_pair_side *side = NULL;
  const int *wants = LOGICAL_RO(list_element(q->wanted, "wants"));
  SET_VECTOR_ELT(out, 0, wants[0] ? zeros(q->call.noises, 1) : R_NilValue);
  SET_VECTOR_ELT(out, 1, wants[1] ? zeros(q->call.sets.rows, q->call.columns) : R_NilValue);
  SET_VECTOR_ELT(out, 2, Rf_allocVector(VECSXP, has_slopes ? Rf_length(list_element(
                                                                 q->formula[1], "to")) : 0));
  rk_vecchia_cotangents e = {
    .w = REAL_RO(list_element(q->wanted, "w")),
    .log_sd = REAL_RO(list_element(q->wanted, "log_sd")),
    .noise = wants[0] ? REAL(VECTOR_ELT(out, 0)) : NULL,
    .z = wants[1] ? REAL(VECTOR_ELT(out, 1)) : NULL,
    .slopes = has_slopes ? &q->values[1] : NULL};
  if (has_slopes) e.sums = sums_of(q, VECTOR_ELT(out, 2), &side);
  e.side = side;
  poll_state state = poll_begin(q->options, found);
  rk_status status = rk_vecchia_pull(&q->call, &e, poll_r, &state, &error);
  poll_end(&state);
  if (status) out = status_failure(status, &error, found);
  UNPROTECT(2);
  return out;
}

/* ---- entry points ---------------------------------------------------------------------------- */

typedef struct { request q; SEXP (*work)(request *q); } call;

static SEXP run(void *data) {
  call *c = data;
  rk_error error = {0};
  SEXP keep = PROTECT(Rf_allocVector(VECSXP, 2)), out;
  rk_status status = unpack(&c->q, keep, &error);
  out = status ? status_object(&error) : c->work(&c->q);
  UNPROTECT(1);
  return out;
}

static SEXP run_call(call *c) {
  c->q.held = (held_programs){c->q.found, 0};
  return with_programs(run, c, &c->q.held);
}

SEXP rkeops_vecchia_whiten(SEXP covariance, SEXP sets, SEXP numbers, SEXP wanted, SEXP options) {
  call c = {{.formula = {covariance, R_NilValue}, .sets = sets, .numbers = numbers,
             .wanted = wanted, .options = options}, whiten};
  return run_call(&c);
}

SEXP rkeops_vecchia_pull(SEXP covariance, SEXP slopes, SEXP sets, SEXP numbers, SEXP cotangents,
                         SEXP options) {
  call c = {{.formula = {covariance, slopes}, .sets = sets, .numbers = numbers,
             .wanted = cotangents, .options = options}, pull};
  return run_call(&c);
}

SEXP rkeops_vecchia_solve(SEXP sets, SEXP coefficients, SEXP w) {
  const int64_t blocks = Rf_ncols(sets);
  const rk_sets s = {INTEGER_RO(sets), blocks, blocks, Rf_nrows(sets)};
  SEXP out = PROTECT(Rf_allocMatrix(REALSXP, (int)blocks, Rf_ncols(w)));
  for (int k = 0; k < Rf_ncols(w); k++)
    rk_vecchia_solve(&s, REAL_RO(coefficients), REAL_RO(w) + k * blocks, REAL(out) + k * blocks);
  UNPROTECT(1);
  return out;
}

/* Rows from 1. */
SEXP rkeops_order_farthest(SEXP x, SEXP options) {
  rk_error error = {0};
  const rk_points sites = {REAL_RO(x), Rf_nrows(x)};
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  SEXP out = PROTECT(Rf_allocVector(INTSXP, (R_xlen_t)sites.rows));
  poll_state state = poll_begin(options, found);
  rk_status status = rk_order_farthest(&sites, Rf_ncols(x), INTEGER(out), poll_r, &state, &error);
  poll_end(&state);
  for (int64_t k = 0; k < sites.rows && !status; k++) INTEGER(out)[k]++;
  if (status) out = status_failure(status, &error, found);
  UNPROTECT(2);
  return out;
}

/* A matrix of rows from 1, NA where there is none. */
SEXP rkeops_nearest_earlier(SEXP x, SEXP k, SEXP options) {
  rk_error error = {0};
  const rk_points sites = {REAL_RO(x), Rf_nrows(x)};
  const int columns = Rf_asInteger(k);
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  SEXP out = PROTECT(Rf_allocMatrix(INTSXP, (int)sites.rows, columns));
  int *row = INTEGER(out);
  poll_state state = poll_begin(options, found);
  rk_status status = rk_nearest_earlier(&sites, Rf_ncols(x), columns, row, poll_r, &state, &error);
  poll_end(&state);
  for (int64_t e = 0; e < sites.rows * columns && !status; e++)
    row[e] = row[e] < 0 ? NA_INTEGER : row[e] + 1;
  if (status) out = status_failure(status, &error, found);
  UNPROTECT(2);
  return out;
}
