/* Boxes around sites: halves of halves, down to a few sites. */
#ifndef RKEOPS_VECCHIA_TREE_H
#define RKEOPS_VECCHIA_TREE_H

#include "caller.h"

/* Sites at places from .. end - 1. The first half of a box that is split comes next, the second one
 * is number `second`; of others it is 0. */
typedef struct { int32_t from, end, second; } rk_site_box;

typedef struct {
  int dims;
  int32_t sites, boxes;
  int32_t *row_at;            /* by place, from 0 */
  double *at;                 /* coordinates by place */
  rk_site_box *box;
  double *side;               /* by box: the least of each coordinate, then the largest */
} rk_site_tree;

/* Of sites with finite coordinates, by columns. Freed by the caller, also on failure. */
rk_status rk_site_tree_make(rk_site_tree *tree, const rk_points *sites, int dims,
                            rk_caller caller);
void rk_site_tree_free(rk_site_tree *tree);

/* The square of the distance of a point to another one, to a box. */
static inline double rk_square_to(const double *a, const double *b, int dims) {
  double sum = 0;
  for (int d = 0; d < dims; d++) sum += (a[d] - b[d]) * (a[d] - b[d]);
  return sum;
}

static inline double rk_square_to_box(const rk_site_tree *t, int32_t box, const double *a) {
  const double *low = t->side + (int64_t)box * 2 * t->dims, *high = low + t->dims;
  double sum = 0;
  for (int d = 0; d < t->dims; d++) {
    const double below = low[d] - a[d], above = a[d] - high[d];
    const double gap = below > above ? below : above;
    sum += gap > 0 ? gap * gap : 0;
  }
  return sum;
}

#endif
