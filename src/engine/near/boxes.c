/* A tree of boxes: its leaves are made of points, what is above them of boxes. */
#include "near/boxes.h"
#include "near/order.h"
#include "rounding.h"
#include "run/call.h"
#include "run/parallel.h"

#include <stdlib.h>

/* Boxes of points from .. end - 1 have the numbers from `number` on: the first one behind them. */
static int32_t lay_out(rk_box *box, int32_t from, int32_t end, int32_t number) {
  int32_t cut = rk_cut_of(from, end, RK_BOX_LEAF), next = number + 1;
  if (cut > from) {
    next = lay_out(box, from, cut, next);
    next = lay_out(box, cut, end, next);
  }
  box[number] = (rk_box){.from = from, .end = end, .next = next};
  return next;
}

/* ---- sides ----------------------------------------------------------------------------------- */

typedef struct { const rk_boxes *boxes; const rk_points *points; int dimension; } sides;

static void take_points(const sides *s, rk_box *box) {
  const int32_t *row_at = s->boxes->row_at;
  for (int d = 0; d < s->dimension; d++) {
    const double *at = s->points->at + d * s->points->rows;
    double low = at[row_at[box->from]], high = low;
    for (int32_t k = box->from + 1; k < box->end; k++) {
      double x = at[row_at[k]];
      low = x < low ? x : low;
      high = x > high ? x : high;
    }
    box->low[d] = low;
    box->high[d] = high;
  }
}

static void unite(rk_box *box, const rk_box *a, const rk_box *b) {
  for (int d = 0; d < RK_MAX_NEAR; d++) {
    box->low[d] = a->low[d] < b->low[d] ? a->low[d] : b->low[d];
    box->high[d] = a->high[d] > b->high[d] ? a->high[d] : b->high[d];
  }
}

enum { TOGETHER = 4096 }; /* boxes of a task */

static void leaf_task(void *data, int64_t task, const rk_worker *worker) {
  const sides *s = data;
  int64_t end = (task + 1) * TOGETHER;
  (void)worker;
  for (int64_t k = task * TOGETHER; k < end && k < s->boxes->boxes; k++)
    if (s->boxes->box[k].next == k + 1) take_points(s, &s->boxes->box[k]);
}

rk_status rk_boxes_make(rk_boxes *boxes, const rk_points *points, int dimension,
                        rk_caller caller) {
  rk_cloud cloud = {.rows = points->rows, .dims = dimension};
  size_t leaves = (size_t)rk_ceil_div(points->rows, RK_BOX_LEAF);
  *boxes = (rk_boxes){.n = (int32_t)points->rows,
                      .row_at = malloc((size_t)points->rows * sizeof(int32_t) + 1),
                      .box = malloc(2 * leaves * sizeof(rk_box) + 1)};
  if (!boxes->row_at || !boxes->box)
    return rk_fail_memory(caller.error, 2 * leaves * sizeof(rk_box));
  for (int d = 0; d < dimension; d++) cloud.at[d] = points->at + d * points->rows;
  rk_status status = rk_order_make(&cloud, NULL, RK_BOX_LEAF, boxes->row_at, &boxes->boxed, caller);
  if (status || !boxes->boxed) return status;
  boxes->boxes = lay_out(boxes->box, 0, boxes->boxed, 0);
  sides s = {boxes, points, dimension};
  status = rk_parallel(rk_ceil_div(boxes->boxes, TOGETHER), rk_call_threads(), leaf_task, &s,
                       caller);
  for (int32_t k = boxes->boxes - 1; k >= 0; k--) {
    rk_box *box = &boxes->box[k];
    if (box->next > k + 1) unite(box, box + 1, &boxes->box[box[1].next]);
  }
  return status;
}

void rk_boxes_free(rk_boxes *boxes) {
  free(boxes->row_at);
  free(boxes->box);
  *boxes = (rk_boxes){.n = 0};
}
