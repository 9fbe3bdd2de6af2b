/* GPUs: which are used, what they are, and R matrices that lie on them.
 *
 * The R object of to_gpu() (R/gpu.R) holds an external pointer to a gpu_matrix. It stands for the R
 * matrix it was made from, so an operator may read its rows or its columns as points (inner_dim);
 * the engine keeps a copy for each of the two that was wanted, the second one made from the first
 * when it is first asked for. Parameters are read on the host: their values are fetched once.
 *
 * The finalizer leaves everything to rk_resident_free, which does nothing in a forked child. It
 * does not run when R ends: the process gives its memory back by itself.
 */
#include "r_glue.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMETER = 65535 };

enum { POINTS_are_rows, POINTS_are_columns };

typedef struct {
  int64_t rows, columns;    /* of the R matrix; a vector is one column */
  int is_vector;
  rk_resident *resident[2]; /* by what the points are; at least one is there */
} gpu_matrix;

static int alive; /* gpu_matrix that are not finalized yet */

/* ---- where to compute ------------------------------------------------------------------------ */

static rk_status use_devices(SEXP device, rk_error *error) {
  int n = Rf_length(device);
  if (TYPEOF(device) != INTSXP || n < 1)
    return status_set(error, RK_ERROR_ARGUMENT, "the option `device_id` is no vector of numbers");
  const int *number = INTEGER_RO(device);
  return rk_use_backend("cuda", n == 1 && *number == -1 ? &(int){0} : number, n, error);
}

rk_status backend_use(SEXP options, rk_error *error) {
  const call_options *o = options_of(options);
  return o->has_devices ? use_devices(list_element(options, "device_id"), error)
                        : rk_use_backend(o->backend, NULL, 0, error);
}

/* Tried before the options say so; the next call puts back what they say then. */
SEXP rkeops_use_devices(SEXP device) {
  rk_error error;
  return use_devices(device, &error) == RK_OK ? R_NilValue : status_object(&error);
}

static SEXP column(SEXP table, int k, SEXPTYPE type, int n) {
  SEXP values = Rf_allocVector(type, n);
  SET_VECTOR_ELT(table, k, values);
  return values;
}

SEXP rkeops_device_info(void) {
  rk_error error;
  rk_device_info info;
  int n = 0;
  if (rk_device_count(&n, &error) != RK_OK) return status_object(&error);
  const char *names[] = {"device", "name", "capability", "multiprocessors", "memory", "free",
                         "held", "pooled", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int c = 0; c < 8; c++)
    column(out, c, c == 0 || c == 3 ? INTSXP : c < 3 ? STRSXP : REALSXP, n);
  for (int k = 0; k < n; k++) {
    if (rk_device_describe(k, &info, &error) != RK_OK) {
      UNPROTECT(1);
      return status_object(&error);
    }
    char capability[32];
    snprintf(capability, sizeof capability, "%d.%d", info.major, info.minor);
    INTEGER(VECTOR_ELT(out, 0))[k] = k;
    SET_STRING_ELT(VECTOR_ELT(out, 1), k, Rf_mkCharCE(info.name, CE_UTF8));
    SET_STRING_ELT(VECTOR_ELT(out, 2), k, Rf_mkChar(capability));
    INTEGER(VECTOR_ELT(out, 3))[k] = info.multiprocessors;
    const int64_t bytes[] = {info.memory, info.free, info.held, info.pooled};
    for (int c = 0; c < 4; c++) REAL(VECTOR_ELT(out, 4 + c))[k] = (double)bytes[c];
  }
  UNPROTECT(1);
  return out;
}

/* ---- life of a matrix ------------------------------------------------------------------------ */

static void finalize(SEXP pointer) {
  gpu_matrix *x = R_ExternalPtrAddr(pointer);
  if (!x) return;
  R_ClearExternalPtr(pointer);
  for (int k = 0; k < 2; k++) rk_resident_free(x->resident[k]);
  free(x);
  alive--;
}

/* How many are there: the code must stay loaded as long as one of them may be finalized. */
SEXP rkeops_gpu_alive(void) { return Rf_ScalarInteger(alive); }

/* `values` with the points that are asked for. In an R matrix, rows lie one number apart and
 * columns in one piece. */
static rk_array points_of(const gpu_matrix *x, const double *values, int points, int in_one_piece) {
  int64_t n = points == POINTS_are_rows ? x->rows : x->columns;
  int64_t d = points == POINTS_are_rows ? x->columns : x->rows;
  return (rk_array){values, n, d, in_one_piece ? d : 1, in_one_piece ? 1 : n, NULL, 0};
}

static rk_status try_resident_new(const rk_array *array, rk_precision precision, SEXP options,
                                  rk_resident **made, poll_state *state, rk_error *error) {
  rk_status status = backend_use(options, error);
  return status ? status
                : rk_resident_new(array, precision, made, state ? poll_r : NULL, state, error);
}

/* Dead matrices keep device memory until R looks for garbage, so that is done before giving up. */
static rk_status resident_new(const rk_array *array, rk_precision precision, SEXP options,
                              rk_resident **made, poll_state *state, rk_error *error) {
  rk_status status = try_resident_new(array, precision, options, made, state, error);
  if (status != RK_ERROR_MEMORY) return status;
  R_gc();
  return try_resident_new(array, precision, options, made, state, error);
}

static rk_resident *copy_of(const gpu_matrix *x) {
  return x->resident[0] ? x->resident[0] : x->resident[1];
}

/* What the numbers of the first copy are. */
static rk_precision precision_of(const gpu_matrix *x) {
  return rk_resident_bytes(copy_of(x)) == sizeof(float) ? RK_FLOAT32 : RK_FLOAT64;
}

/* The engine's copy whose points are what is wanted, made from the other one when it is missing:
 * that is read back component by component, so its components, our points, lie in one piece. A
 * finalizer may have made it meanwhile. */
static rk_status make_missing(gpu_matrix *x, int points, SEXP options, rk_error *error) {
  rk_resident *made = NULL;
  SEXP values = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)(x->rows * x->columns)));
  rk_status status = rk_resident_read(x->resident[!points], REAL(values), NULL, NULL, error);
  if (status == RK_OK) {
    rk_array array = points_of(x, REAL(values), points, 1);
    status = resident_new(&array, precision_of(x), options, &made, NULL, error);
  }
  UNPROTECT(1);
  if (x->resident[points]) rk_resident_free(made);
  else x->resident[points] = made;
  return status;
}

/* A pointer object for x (a plain matrix or vector of doubles) on the GPUs in use. */
SEXP rkeops_gpu_new(SEXP x, SEXP rows_inside, SEXP options) {
  rk_error error;
  if (backend_use(options, &error) != RK_OK) return status_object(&error);
  SEXP dim = Rf_getAttrib(x, R_DimSymbol);
  gpu_matrix *made = calloc(1, sizeof *made);
  if (!made) {
    status_set(&error, RK_ERROR_MEMORY, "out of memory: %d bytes", (int)sizeof *made);
    return status_object(&error);
  }
  made->is_vector = Rf_length(dim) != 2;
  made->rows = made->is_vector ? XLENGTH(x) : INTEGER_RO(dim)[0];
  made->columns = made->is_vector ? 1 : INTEGER_RO(dim)[1];
  alive++;
  SEXP pointer = PROTECT(R_MakeExternalPtr(made, Rf_install("rkeops_gpu"), R_NilValue));
  R_RegisterCFinalizerEx(pointer, finalize, FALSE);

  int points = !made->is_vector && Rf_asLogical(rows_inside);
  rk_array array = points_of(made, REAL_RO(x), points, points == POINTS_are_columns);
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  poll_state state = poll_begin(options, found);
  const call_options *meant = options_of(options);
  rk_status status = meant->status;
  if (status) error = meant->error;
  else
    status = resident_new(&array, meant->engine.precision, options, &made->resident[points], &state,
                          &error);
  poll_end(&state);
  SEXP result = pointer;
  if (status != RK_OK) {
    finalize(pointer);
    result = status_failure(status, &error, found);
  }
  UNPROTECT(2);
  return result;
}

/* ---- use ------------------------------------------------------------------------------------- */

int is_gpu_matrix(SEXP x) { return TYPEOF(x) == VECSXP && Rf_inherits(x, "rkeops_gpu"); }

/* NULL and an error when it came out of a file or from another process. */
static gpu_matrix *matrix_of(SEXP x, const char *name, rk_error *error) {
  SEXP pointer = list_element(x, "pointer");
  gpu_matrix *matrix = NULL;
  if (TYPEOF(pointer) == EXTPTRSXP && R_ExternalPtrTag(pointer) == Rf_install("rkeops_gpu"))
    matrix = R_ExternalPtrAddr(pointer);
  if (!matrix)
    status_set(error, RK_ERROR_DEVICE,
               "`%s` lies on the GPU of another R session: call to_gpu() again", name);
  return matrix;
}

static void transpose(const double *from, int64_t rows, int64_t columns, double *to) {
  for (int64_t c = 0; c < columns; c++)
    for (int64_t r = 0; r < rows; r++) to[c * rows + r] = from[r * columns + c];
}

/* The R matrix or vector, copied back. R_NilValue on failure. */
static SEXP read_back(const gpu_matrix *x, poll_state *state, rk_status *status, rk_error *error) {
  rk_resident *rows = x->resident[POINTS_are_rows];
  R_xlen_t n = (R_xlen_t)(x->rows * x->columns);
  SEXP out = PROTECT(Rf_allocVector(REALSXP, n));
  SEXP turned = PROTECT(rows ? out : Rf_allocVector(REALSXP, n));
  *status = rk_resident_read(rows ? rows : x->resident[POINTS_are_columns], REAL(turned),
                             state ? poll_r : NULL, state, error);
  if (!rows && *status == RK_OK) transpose(REAL(turned), x->rows, x->columns, REAL(out));
  if (!x->is_vector) {
    SEXP dim = Rf_allocVector(INTSXP, 2);
    INTEGER(dim)[0] = (int)x->rows;
    INTEGER(dim)[1] = (int)x->columns;
    Rf_setAttrib(out, R_DimSymbol, dim);
  }
  UNPROTECT(2);
  return *status == RK_OK ? out : R_NilValue;
}

SEXP rkeops_gpu_read(SEXP x, SEXP options) {
  rk_error error;
  rk_status status;
  gpu_matrix *matrix = matrix_of(x, "x", &error);
  if (!matrix) return status_object(&error);
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1));
  poll_state state = poll_begin(options, found);
  SEXP out = PROTECT(read_back(matrix, &state, &status, &error));
  poll_end(&state);
  if (status != RK_OK) out = status_failure(status, &error, found);
  UNPROTECT(2);
  return out;
}

/* The first device that holds it; NA when it is lost. */
SEXP rkeops_gpu_device(SEXP x) {
  rk_error error;
  gpu_matrix *matrix = matrix_of(x, "x", &error);
  if (!matrix) return Rf_ScalarInteger(NA_INTEGER);
  return Rf_ScalarInteger(rk_resident_device(copy_of(matrix)));
}

/* What its numbers are there, which may be more than was meant. */
SEXP rkeops_gpu_precision(SEXP pointer) {
  const gpu_matrix *matrix = TYPEOF(pointer) == EXTPTRSXP ? R_ExternalPtrAddr(pointer) : NULL;
  int is_float32 = matrix && precision_of(matrix) == RK_FLOAT32;
  return Rf_mkString(is_float32 ? "float32" : "float64");
}

SEXP gpu_matrix_values(SEXP x, const char *name, rk_error *error) {
  rk_status status;
  gpu_matrix *matrix = matrix_of(x, name, error);
  if (!matrix) return R_NilValue;
  SEXP pointer = list_element(x, "pointer");
  if (R_ExternalPtrProtected(pointer) != R_NilValue) return R_ExternalPtrProtected(pointer);
  return read_back(matrix, NULL, &status, error);
}

/* Parameters are small and read at each call: their values are kept with the pointer. */
SEXP gpu_parameter_values(SEXP x, const char *name, rk_error *error) {
  SEXP values = PROTECT(gpu_matrix_values(x, name, error));
  if (values != R_NilValue && XLENGTH(values) <= MAX_PARAMETER)
    R_SetExternalPtrProtected(list_element(x, "pointer"), values);
  UNPROTECT(1);
  return values;
}

rk_status gpu_matrix_array(SEXP x, const char *name, int rows_inside, SEXP options,
                           rk_array *array, rk_error *error) {
  gpu_matrix *matrix = matrix_of(x, name, error);
  if (!matrix) return RK_ERROR_DEVICE;
  rk_status status = RK_OK;
  int points = !matrix->is_vector && rows_inside ? POINTS_are_columns : POINTS_are_rows;
  if (!matrix->resident[points]) status = make_missing(matrix, points, options, error);
  if (status == RK_OK) *array = rk_resident_array(matrix->resident[points]);
  return status;
}
