/* Boxes around the packed records of columns, in levels: of RK_LEAF_COLUMNS columns that lie one
 * after the other, of RK_RUNS such boxes, and so on. */
#ifndef RKEOPS_LEVELS_H
#define RKEOPS_LEVELS_H

#include "bound/enclose.h"
#include "near/order.h"

enum { RK_LEAF_COLUMNS = 16, RK_MOST_LEVELS = 10 };
enum { RK_TOP = RK_ENCLOSE_BOXES }; /* boxes of the highest level, at most */

/* Components of box k at low[component * count + k]; the least and the largest position in it. */
typedef struct {
  int64_t count;
  double *low, *high;
  unsigned char *nan;
  int32_t *first, *last;
} rk_level;

typedef struct {
  int components, levels, has_nan;
  int64_t rows;
  rk_level level[RK_MOST_LEVELS];    /* the leaves first */
} rk_levels;

/* Records of `components` numbers: of a row they lie `step` apart, rows are `next` apart. */
typedef struct {
  const void *at;
  int is_double, components;
  int64_t rows;
  ptrdiff_t step, next;
} rk_records;

/* The smallest box of rows first .. first + n - 1: component c at [c * stride]. */
void rk_records_box(const rk_records *r, int64_t first, int64_t n, double *low, double *high,
                    unsigned char *nan, ptrdiff_t stride);

/* `position`: of each row. Freed by the caller, also on failure. */
rk_status rk_levels_make(rk_levels *levels, const rk_records *records, const int32_t *position,
                         rk_caller caller);
void rk_levels_free(rk_levels *levels);

/* Of the boxes of a level those whose parent is `parent`: the number of the first; how many. */
int rk_level_children(const rk_levels *levels, int level, int64_t parent, int64_t *first);

#endif
