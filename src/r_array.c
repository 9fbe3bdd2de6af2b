/* R matrices as the engine's arrays, read in place or where they lie on a GPU, and its results as R
 * matrices. */
#include "r_glue.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static int is_plain(SEXP x) {
  return (TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP || TYPEOF(x) == LGLSXP) && !Rf_isObject(x);
}

/* A vector is a column, whatever the orientation of matrices; a parameter is its values. */
static int describe(SEXP x, const rk_variable *variable, int rows_inside, rk_array *array) {
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  int64_t n = XLENGTH(x);
  if (variable->kind == RK_KIND_PARAMETER) {
    *array = (rk_array){NULL, 1, n, n, 1, NULL, 0};
    return 1;
  }
  if (Rf_length(dim) <= 1) {
    *array = (rk_array){NULL, n, 1, 1, n, NULL, 0};
    return 1;
  }
  if (Rf_length(dim) != 2) return 0;
  int64_t first = INTEGER_RO(dim)[0], second = INTEGER_RO(dim)[1];
  if (rows_inside)
    *array = (rk_array){NULL, second, first, first, 1, NULL, 0};
  else
    *array = (rk_array){NULL, first, second, 1, first, NULL, 0};
  return 1;
}

/* On a GPU a matrix of to_gpu() is used where it lies. On the CPU it is copied back. */
static arrays_state unpack_gpu(SEXP x, const rk_variable *variable, int rows_inside, SEXP options,
                               rk_array *array, SEXP *values, rk_error *error) {
  if (variable->kind == RK_KIND_PARAMETER)
    *values = gpu_parameter_values(x, variable->name, error);
  else if (options_of(options)->has_devices)
    return gpu_matrix_array(x, variable->name, rows_inside, options, array, error) == RK_OK
               ? ARRAYS_ready : ARRAYS_failed;
  else
    *values = gpu_matrix_values(x, variable->name, error);
  if (*values == R_NilValue) return ARRAYS_failed;
  describe(*values, variable, rows_inside, array);
  array->data = REAL_RO(*values);
  return ARRAYS_ready;
}

static arrays_state unpack_plain(SEXP x, const rk_variable *variable, int rows_inside,
                                 rk_array *array, SEXP *values) {
  if (!is_plain(x) || !describe(x, variable, rows_inside, array)) return ARRAYS_not_plain;
  *values = TYPEOF(x) == REALSXP ? x : Rf_coerceVector(x, REALSXP);
  array->data = REAL_RO(*values);
  return ARRAYS_ready;
}

arrays_state arrays_unpack(SEXP input, SEXP keep, const rk_program_info *info, int rows_inside,
                           SEXP options, rk_array *arrays, rk_error *error) {
  prepared_begin();
  for (int k = 0; k < info->variables; k++) {
    SEXP x = VECTOR_ELT(input, k), values = R_NilValue;
    const rk_variable *variable = &info->variable[k];
    arrays_state state =
        is_gpu_matrix(x)
            ? unpack_gpu(x, variable, rows_inside, options, &arrays[k], &values, error)
            : unpack_plain(x, variable, rows_inside, &arrays[k], &values);
    if (state != ARRAYS_ready) return state;
    if (variable->kind != RK_KIND_PARAMETER && arrays[k].data)
      arrays[k].stamp = prepared_stamp(x, options);
    SET_VECTOR_ELT(keep, k, values);
  }
  return ARRAYS_ready;
}

static SEXP field_dim(const rk_field *field, int64_t rows) {
  int as_array = field->ranked && field->dim > 1;
  SEXP dim = Rf_allocVector(INTSXP, as_array ? 3 : 2);
  INTEGER(dim)[0] = (int)rows;
  INTEGER(dim)[1] = field->ranked ? field->k : field->dim;
  if (as_array) INTEGER(dim)[2] = field->dim;
  return dim;
}

/* Positions are integers while they fit. */
static SEXP field_result(const rk_field *field, int64_t kept, int64_t reduced, int64_t base,
                         rk_output *output) {
  int integers = field->is_position && reduced < INT_MAX - 1;
  SEXP result = PROTECT(
      Rf_allocVector(integers ? INTSXP : REALSXP, (R_xlen_t)(kept * field->k * field->dim)));
  Rf_setAttrib(result, R_DimSymbol, PROTECT(field_dim(field, kept)));
  output->type = integers ? RK_OUT_INT32 : RK_OUT_DOUBLE;
  output->data = integers ? (void *)INTEGER(result) : (void *)REAL(result);
  output->base = base;
  output->none_double = NA_REAL;
  output->none_int32 = NA_INTEGER;
  UNPROTECT(2);
  return result;
}

/* One matrix, or a list of values and positions. */
static SEXP one_result(const rk_result *result, const int64_t *rows, int64_t base,
                       rk_output *outputs) {
  int64_t kept = rows[result->kept], reduced = rows[result->reduced];
  if (result->fields == 1)
    return field_result(&result->field[0], kept, reduced, base, &outputs[0]);
  SEXP out = PROTECT(Rf_allocVector(VECSXP, result->fields));
  for (int k = 0; k < result->fields; k++)
    SET_VECTOR_ELT(out, k, field_result(&result->field[k], kept, reduced, base, &outputs[k]));
  UNPROTECT(1);
  return out;
}

/* ---- batches --------------------------------------------------------------------------------- */

/* Numbers of an array rows x a x b as one of rows x b x a: runs of rows stay as they are. */
SEXP rkeops_swap_axes(SEXP x, SEXP rows, SEXP a, SEXP b) {
  size_t n = (size_t)Rf_asReal(rows), inner = (size_t)Rf_asReal(a), outer = (size_t)Rf_asReal(b);
  SEXP out = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)(n * inner * outer)));
  const double *from = REAL_RO(x);
  for (size_t k = 0; k < outer && n; k++)
    for (size_t d = 0; d < inner; d++, from += n)
      memcpy(REAL(out) + (d * outer + k) * n, from, n * sizeof *from);
  UNPROTECT(1);
  return out;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Integers of the list, of which there are `n`; NULL in R is NULL. */
static rk_status block_integers(SEXP blocks, const char *name, int64_t n, const int32_t **out,
                                rk_error *error) {
  SEXP x = list_element(blocks, name);
  *out = NULL;
  if (x == R_NilValue) return RK_OK;
  if (TYPEOF(x) != INTSXP || Rf_xlength(x) != n)
    return status_set(error, RK_ERROR_ARGUMENT, "`blocks` has `%s` that are not %.0f integers",
                      name, (double)n);
  *out = INTEGER_RO(x);
  return RK_OK;
}

static int64_t last_of(const int32_t *x, int64_t n) { return n ? x[n - 1] : 0; }

rk_status blocks_unpack(SEXP blocks, rk_blocks *out, rk_error *error) {
  const int32_t *size;
  rk_status status = block_integers(blocks, "size", 2, &size, error);
  if (status) return status;
  *out = (rk_blocks){.size = {size[0], size[1]}, .base = 1,
                     .segments = Rf_xlength(list_element(blocks, "i_end"))};
  status = block_integers(blocks, "i_order", size[0], &out->order[0], error);
  if (!status) status = block_integers(blocks, "j_order", size[1], &out->order[1], error);
  if (!status) status = block_integers(blocks, "i_end", out->segments, &out->row_end, error);
  if (!status) status = block_integers(blocks, "list_end", out->segments, &out->list_end, error);
  int64_t n = status ? 0 : last_of(out->list_end, out->segments);
  if (!status) status = block_integers(blocks, "from", n, &out->from, error);
  if (!status) status = block_integers(blocks, "to", n, &out->end, error);
  SEXP offsets = list_element(blocks, "offsets");
  if (status || offsets == R_NilValue) return status;
  out->bands = (int)(Rf_xlength(offsets) / 2);
  out->lower = REAL_RO(offsets);
  out->upper = out->lower + out->bands;
  return RK_OK;
}

SEXP arrays_results(const rk_program_info *info, const int64_t *rows, int64_t base,
                    rk_output *outputs) {
  if (info->results == 1) return one_result(&info->result[0], rows, base, outputs);
  SEXP out = PROTECT(Rf_allocVector(VECSXP, info->results));
  for (int r = 0; r < info->results; r++) {
    SET_VECTOR_ELT(out, r, one_result(&info->result[r], rows, base, outputs));
    outputs += info->result[r].fields;
  }
  UNPROTECT(1);
  return out;
}

/* One comparison looks at two numbers; most are none of these. */
static void make_plain(double *value, R_xlen_t n) {
  for (R_xlen_t k = 0; k < n; k += 2) {
    double *other = &value[k + 1 < n ? k + 1 : k];
    if (!isunordered(value[k], *other)) continue;
    if (isnan(value[k])) value[k] = R_NaN;
    if (isnan(*other)) *other = R_NaN;
  }
}

/* NA is NaN in results, whatever the processor did with the bits by which R tells them apart. */
void arrays_plain_nan(const rk_program_info *info, const int64_t *rows, const rk_output *outputs) {
  for (int r = 0; r < info->results; r++)
    for (int f = 0; f < info->result[r].fields; f++, outputs++) {
      const rk_field *field = &info->result[r].field[f];
      if (field->is_position) continue;
      make_plain(outputs->data, (R_xlen_t)rows[info->result[r].kept] * field->k * field->dim);
    }
}
