/* Small dense algebra, on plain matrices of doubles. */
#include "r_glue.h"

#include <string.h>

static rk_matrix matrix_of(SEXP x) {
  const int64_t rows = Rf_nrows(x);
  return (rk_matrix){(void *)REAL_RO(x), rows, Rf_ncols(x), 1, rows};
}

/* One call that may be interrupted: what it works with, and what becomes of it. */
typedef struct {
  rk_dense call;
  rk_error error;
  poll_state state;
} dense_work;

static void begin(dense_work *work, SEXP threads, SEXP options, SEXP found) {
  memset(work, 0, sizeof *work);
  work->state = poll_begin(options, found);
  work->call = (rk_dense){RK_FLOAT64, Rf_asInteger(threads), poll_r, &work->state, &work->error};
}

static SEXP end(dense_work *work, rk_status status, SEXP result, SEXP found) {
  poll_end(&work->state);
  return status ? status_failure(status, &work->error, found) : result;
}

/* t(a) b; of a itself where b is NULL. */
SEXP rkeops_dense_crossprod(SEXP a, SEXP b, SEXP threads, SEXP options) {
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  const int is_square = Rf_isNull(b);
  SEXP out = PROTECT(Rf_allocMatrix(REALSXP, Rf_ncols(a), Rf_ncols(is_square ? a : b)));
  dense_work work;
  begin(&work, threads, options, found);
  const rk_matrix left = matrix_of(a), c = matrix_of(out);
  rk_status status = is_square ? rk_dense_crossprod(&work.call, left, c)
                               : rk_dense_product(&work.call, rk_turned(left), matrix_of(b), c);
  out = end(&work, status, out, found);
  UNPROTECT(2);
  return out;
}

/* a t(a). */
SEXP rkeops_dense_tcrossprod(SEXP a, SEXP threads, SEXP options) {
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  SEXP out = PROTECT(Rf_allocMatrix(REALSXP, Rf_nrows(a), Rf_nrows(a)));
  dense_work work;
  begin(&work, threads, options, found);
  rk_status status = rk_dense_crossprod(&work.call, rk_turned(matrix_of(a)), matrix_of(out));
  out = end(&work, status, out, found);
  UNPROTECT(2);
  return out;
}

SEXP rkeops_dense_product(SEXP a, SEXP b, SEXP threads, SEXP options) {
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  SEXP out = PROTECT(Rf_allocMatrix(REALSXP, Rf_nrows(a), Rf_ncols(b)));
  dense_work work;
  begin(&work, threads, options, found);
  rk_status status = rk_dense_product(&work.call, matrix_of(a), matrix_of(b), matrix_of(out));
  out = end(&work, status, out, found);
  UNPROTECT(2);
  return out;
}

static SEXP copy_of(SEXP x) {
  SEXP out = Rf_allocMatrix(REALSXP, Rf_nrows(x), Rf_ncols(x));
  memcpy(REAL(out), REAL_RO(x), sizeof(double) * (size_t)Rf_xlength(x));
  return out;
}

/* The upper factor of the symmetric matrix of which a has the upper triangle, or the number of the
 * first pivot that is not positive. */
SEXP rkeops_dense_cholesky(SEXP a, SEXP threads, SEXP options) {
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1)), out = PROTECT(copy_of(a));
  int64_t pivot = 0;
  dense_work work;
  begin(&work, threads, options, found);
  rk_status status = rk_dense_cholesky(&work.call, rk_turned(matrix_of(out)), &pivot);
  out = end(&work, status, pivot ? Rf_ScalarInteger((int)pivot) : out, found);
  UNPROTECT(2);
  return out;
}

/* The x of r x = b, or of t(r) x = b, by the upper triangle of r. */
SEXP rkeops_dense_solve(SEXP r, SEXP b, SEXP transpose, SEXP threads, SEXP options) {
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1)), out = PROTECT(copy_of(b));
  const int turn = Rf_asLogical(transpose);
  const rk_matrix triangle = matrix_of(r);
  dense_work work;
  begin(&work, threads, options, found);
  rk_status status = rk_dense_solve(&work.call, turn ? RK_LOWER : RK_UPPER,
                                    turn ? rk_turned(triangle) : triangle, matrix_of(out));
  out = end(&work, status, out, found);
  UNPROTECT(2);
  return out;
}
