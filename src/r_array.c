/* R matrices as the engine's arrays, read in place, and its results as R matrices. */
#include "r_glue.h"

#include <limits.h>

static int is_plain(SEXP x) {
  return (TYPEOF(x) == REALSXP || TYPEOF(x) == INTSXP || TYPEOF(x) == LGLSXP) && !OBJECT(x);
}

/* A vector is a column, whatever the orientation of matrices; a parameter is its values. */
static int describe(SEXP x, const rk_variable *variable, int rows_inside, rk_array *array) {
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  int64_t n = XLENGTH(x);
  if (variable->kind == RK_KIND_PARAMETER) {
    *array = (rk_array){NULL, 1, n, n, 1};
    return 1;
  }
  if (Rf_length(dim) <= 1) {
    *array = (rk_array){NULL, n, 1, 1, n};
    return 1;
  }
  if (Rf_length(dim) != 2) return 0;
  int64_t first = INTEGER_RO(dim)[0], second = INTEGER_RO(dim)[1];
  if (rows_inside)
    *array = (rk_array){NULL, second, first, first, 1};
  else
    *array = (rk_array){NULL, first, second, 1, first};
  return 1;
}

arrays_state arrays_unpack(SEXP input, SEXP keep, const rk_program_info *info, int rows_inside,
                           rk_array *arrays) {
  for (int k = 0; k < info->variables; k++) {
    SEXP x = VECTOR_ELT(input, k);
    if (!is_plain(x) || !describe(x, &info->variable[k], rows_inside, &arrays[k]))
      return ARRAYS_not_plain;
    if (TYPEOF(x) != REALSXP) {
      x = Rf_coerceVector(x, REALSXP);
      SET_VECTOR_ELT(keep, k, x);
    }
    arrays[k].data = REAL_RO(x);
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
SEXP arrays_result(const rk_program_info *info, int64_t kept, int64_t reduced, int64_t base,
                   rk_output *outputs) {
  if (info->fields == 1) return field_result(&info->field[0], kept, reduced, base, &outputs[0]);
  SEXP result = PROTECT(Rf_allocVector(VECSXP, info->fields));
  for (int k = 0; k < info->fields; k++)
    SET_VECTOR_ELT(result, k, field_result(&info->field[k], kept, reduced, base, &outputs[k]));
  UNPROTECT(1);
  return result;
}
