/* See levels.h. */
#include "bound/levels.h"
#include "error.h"
#include "rounding.h"
#include "run/call.h"
#include "run/parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- records --------------------------------------------------------------------------------- */

static double number_at(const rk_records *r, int64_t at) {
  return r->is_double ? ((const double *)r->at)[at] : (double)((const float *)r->at)[at];
}

void rk_records_box(const rk_records *r, int64_t first, int64_t n, double *low, double *high,
                    unsigned char *nan, ptrdiff_t stride) {
  for (int c = 0; c < r->components; c++) {
    double least = INFINITY, most = -INFINITY;
    int has_nan = 0;
    for (int64_t row = first; row < first + n; row++) {
      double x = number_at(r, row * r->next + c * r->step);
      least = x < least ? x : least;
      most = x > most ? x : most;
      has_nan |= x != x;
    }
    low[c * stride] = least;
    high[c * stride] = most;
    nan[c * stride] = (unsigned char)has_nan;
  }
}

/* ---- levels ---------------------------------------------------------------------------------- */

enum { TOGETHER = 1024 /* leaves of a task */ };

typedef struct {
  rk_levels *levels;
  const rk_records *records;
  const int32_t *position;
} making;

static void leaf_task(void *data, int64_t task, const rk_worker *worker) {
  const making *m = data;
  const rk_records *r = m->records;
  rk_level *leaves = &m->levels->level[0];
  int64_t end = (task + 1) * TOGETHER < leaves->count ? (task + 1) * TOGETHER : leaves->count;
  (void)worker;
  for (int64_t k = task * TOGETHER; k < end; k++) {
    int64_t first = k * RK_LEAF_COLUMNS, left = r->rows - first;
    int64_t n = left < RK_LEAF_COLUMNS ? left : RK_LEAF_COLUMNS;
    rk_records_box(r, first, n, leaves->low + k, leaves->high + k, leaves->nan + k,
                   leaves->count);
    leaves->first[k] = leaves->last[k] = m->position[first];
    for (int64_t row = first; row < first + n; row++) {
      if (m->position[row] < leaves->first[k]) leaves->first[k] = m->position[row];
      if (m->position[row] > leaves->last[k]) leaves->last[k] = m->position[row];
    }
  }
}

int rk_level_children(const rk_levels *l, int level, int64_t parent, int64_t *first) {
  *first = parent * RK_RUNS;
  int64_t left = l->level[level].count - *first;
  return left < RK_RUNS ? (int)left : RK_RUNS;
}

/* The box around others: of component c, those of `from` at c * from->count. */
static void unite(const rk_levels *l, int level, int64_t box) {
  const rk_level *from = &l->level[level - 1], *to = &l->level[level];
  int64_t first;
  int n = rk_level_children(l, level - 1, box, &first);
  to->first[box] = from->first[first];
  to->last[box] = from->last[first];
  for (int k = 1; k < n; k++) {
    if (from->first[first + k] < to->first[box]) to->first[box] = from->first[first + k];
    if (from->last[first + k] > to->last[box]) to->last[box] = from->last[first + k];
  }
  for (int c = 0; c < l->components; c++) {
    double low = INFINITY, high = -INFINITY;
    unsigned char nan = 0;
    for (int64_t at = c * from->count + first, k = 0; k < n; k++, at++) {
      low = from->low[at] < low ? from->low[at] : low;
      high = from->high[at] > high ? from->high[at] : high;
      nan |= from->nan[at];
    }
    to->low[c * to->count + box] = low;
    to->high[c * to->count + box] = high;
    to->nan[c * to->count + box] = nan;
  }
}

static int make_level(rk_levels *l, int64_t count) {
  rk_level *made = &l->level[l->levels++];
  size_t numbers = (size_t)count * (size_t)l->components;
  *made = (rk_level){count, malloc(numbers * sizeof(double) + 1),
                     malloc(numbers * sizeof(double) + 1), malloc(numbers + 1),
                     malloc((size_t)count * sizeof(int32_t) + 1),
                     malloc((size_t)count * sizeof(int32_t) + 1)};
  return made->low && made->high && made->nan && made->first && made->last;
}

rk_status rk_levels_make(rk_levels *l, const rk_records *records, const int32_t *position,
                         rk_caller caller) {
  making m = {l, records, position};
  int64_t count = rk_ceil_div(records->rows, RK_LEAF_COLUMNS);
  *l = (rk_levels){.components = records->components, .rows = records->rows};
  int done = make_level(l, count);
  for (; done && count > RK_TOP; done = make_level(l, count)) count = rk_ceil_div(count, RK_RUNS);
  if (!done)
    return rk_fail_memory(caller.error, (size_t)count * (size_t)l->components * sizeof(double));
  rk_status status = rk_parallel(rk_ceil_div(l->level[0].count, TOGETHER), rk_call_threads(),
                                 leaf_task, &m, caller);
  size_t marks = (size_t)l->level[0].count * (size_t)l->components;
  l->has_nan = !status && marks && memchr(l->level[0].nan, 1, marks);
  for (int k = 1; k < l->levels && !status; k++)
    for (int64_t box = 0; box < l->level[k].count; box++) unite(l, k, box);
  return status;
}

void rk_levels_free(rk_levels *l) {
  for (int k = 0; k < l->levels; k++) {
    free(l->level[k].low);
    free(l->level[k].high);
    free(l->level[k].nan);
    free(l->level[k].first);
    free(l->level[k].last);
  }
  *l = (rk_levels){.levels = 0};
}
