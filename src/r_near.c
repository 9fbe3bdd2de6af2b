/* Points that are near each other, as lists of blocks. */
#include "r_glue.h"

#include <string.h>

static rk_points points_of(SEXP x) { return (rk_points){REAL_RO(x), Rf_nrows(x)}; }

/* Places and ends as they are, rows from `base`. */
static SEXP integers_of(const int32_t *from, int64_t n, int base) {
  SEXP out = Rf_allocVector(INTSXP, (R_xlen_t)n);
  for (int64_t k = 0; k < n; k++) INTEGER(out)[k] = from[k] + base;
  return out;
}

typedef struct { const rk_near_blocks *blocks; const rk_near *near; } made;

static SEXP blocks_of(void *data) {
  const rk_near_blocks *b = ((made *)data)->blocks;
  const rk_near *near = ((made *)data)->near;
  const int32_t *part[] = {b->order[0], b->order[1], b->row_end, b->list_end, b->from, b->end};
  const int64_t n[] = {near->x.rows, near->y.rows, b->segments, b->segments, b->intervals,
                       b->intervals};
  const char *names[] = {"i_order", "j_order", "i_end", "list_end", "from", "to", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int k = 0; k < 6; k++) SET_VECTOR_ELT(out, k, integers_of(part[k], n[k], k < 2));
  UNPROTECT(1);
  return out;
}

static void free_blocks(void *data) { rk_near_free(data); }

SEXP rkeops_near(SEXP x, SEXP y, SEXP metric, SEXP radius, SEXP options) {
  rk_error error = {0};
  SEXP found = PROTECT(Rf_allocVector(VECSXP, 1)), out;
  rk_near near = {points_of(x), points_of(y), Rf_ncols(x), (rk_metric)Rf_asInteger(metric),
                  Rf_asReal(radius)};
  poll_state state = poll_begin(options, found);
  rk_near_blocks blocks;
  rk_status status = rk_near_make(&near, &blocks, poll_r, &state, &error);
  poll_end(&state);
  made all = {&blocks, &near};
  if (status) {
    rk_near_free(&blocks);
    out = status_failure(status, &error, found);
  } else {
    out = R_ExecWithCleanup(blocks_of, &all, free_blocks, &blocks);
  }
  UNPROTECT(1);
  return out;
}
