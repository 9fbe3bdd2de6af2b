/* Points in an order in which those that are near each other lie together: a tree of boxes. */
#ifndef RKEOPS_BOXES_H
#define RKEOPS_BOXES_H

#include "caller.h"

enum { RK_BOX_LEAF = 4 };

/* The points at places from .. end - 1, and the smallest box that has them. The boxes of a tree
 * come before those that they are split into; `next` is the number of the first one behind them. A
 * box of RK_BOX_LEAF points or fewer is not split. Coordinates that there are not are 0. */
typedef struct {
  int32_t from, end, next;
  double low[RK_MAX_NEAR], high[RK_MAX_NEAR];
} rk_box;

/* Points with a coordinate that is no finite number are in no box: they have the last places. */
typedef struct {
  int32_t n, boxed;        /* points, those in boxes */
  int32_t *row_at;         /* by place, from 0; ascending within a box that is not split */
  rk_box *box;
  int32_t boxes;
} rk_boxes;

/* Freed by the caller, also on failure. */
rk_status rk_boxes_make(rk_boxes *boxes, const rk_points *points, int dimension, rk_caller caller);
void rk_boxes_free(rk_boxes *boxes);

#endif
