/* See tree.h. The order of near/ halves sites; more coordinates than it takes only make boxes
 * larger. */
#include "vecchia/tree.h"
#include "near/order.h"
#include "rounding.h"

#include <stdlib.h>

enum { LEAF = 8 };

/* Boxes of places from .. end - 1 have the numbers from `number` on: the first one behind them. */
static int32_t lay_out(rk_site_box *box, int32_t from, int32_t end, int32_t number) {
  const int32_t cut = rk_cut_of(from, end, LEAF);
  int32_t next = number + 1;
  box[number] = (rk_site_box){from, end, 0};
  if (cut == from) return next;
  box[number].second = lay_out(box, from, cut, next);
  return lay_out(box, cut, end, box[number].second);
}

static void widen(double *side, const double *low, const double *high, int dims) {
  for (int d = 0; d < dims; d++) {
    if (low[d] < side[d]) side[d] = low[d];
    if (high[d] > side[dims + d]) side[dims + d] = high[d];
  }
}

static void take_sides(rk_site_tree *t) {
  const int dims = t->dims;
  for (int32_t k = t->boxes - 1; k >= 0; k--) {
    double *side = t->side + (int64_t)k * 2 * dims;
    const rk_site_box *box = &t->box[k];
    const double *from = t->at + (int64_t)box->from * dims;
    for (int d = 0; d < dims; d++) side[d] = side[dims + d] = from[d];
    for (int32_t p = box->from; p < box->end && !box->second; p++, from += dims)
      widen(side, from, from, dims);
    for (int half = 0; half < 2 && box->second; half++) {
      const double *other = t->side + (int64_t)(half ? box->second : k + 1) * 2 * dims;
      widen(side, other, other + dims, dims);
    }
  }
}

rk_status rk_site_tree_make(rk_site_tree *t, const rk_points *sites, int dims, rk_caller caller) {
  const size_t n = (size_t)sites->rows, boxes = 2 * (size_t)rk_ceil_div(sites->rows, LEAF) + 1;
  rk_cloud cloud = {.rows = sites->rows, .dims = dims < RK_MAX_DIMS ? dims : RK_MAX_DIMS};
  const size_t numbers = (n + 2 * boxes) * (size_t)dims;
  *t = (rk_site_tree){.dims = dims, .sites = (int32_t)n,
                      .row_at = malloc(n * sizeof *t->row_at + 1),
                      .at = malloc(n * (size_t)dims * sizeof *t->at + 1),
                      .box = malloc(boxes * sizeof *t->box),
                      .side = malloc(2 * boxes * (size_t)dims * sizeof *t->side)};
  if (!t->row_at || !t->at || !t->box || !t->side)
    return rk_fail_memory(caller.error, numbers * sizeof(double));
  for (int d = 0; d < cloud.dims; d++) cloud.at[d] = sites->at + d * sites->rows;
  int32_t placed;
  rk_status status = rk_order_make(&cloud, NULL, LEAF, t->row_at, &placed, caller);
  if (status || !n) return status;
  for (size_t k = 0; k < n; k++)
    for (int d = 0; d < dims; d++)
      t->at[k * (size_t)dims + (size_t)d] = sites->at[d * sites->rows + t->row_at[k]];
  t->boxes = lay_out(t->box, 0, t->sites, 0);
  take_sides(t);
  return status;
}

void rk_site_tree_free(rk_site_tree *t) {
  free(t->row_at);
  free(t->at);
  free(t->box);
  free(t->side);
  *t = (rk_site_tree){.dims = 0};
}
