/* See ranges.h. */
#include "run/ranges.h"
#include "run/call.h"
#include "run/parallel.h"
#include "run/resident.h"

#include <math.h>
#include <stdlib.h>

enum { RANGE_ROWS = 1 << 18 };

/* The range of the finite values of one or two arrays; a task is one component of a block of rows.
 * Those of an array that lies with a backend are known. */
typedef struct {
  const rk_array *array[2];
  int64_t blocks[2];
  int whole;                /* 0: data around 0 has no centre, look no further */
  double *low, *high;       /* by task */
} ranges;

static void range_task(void *data, int64_t task, const rk_worker *worker) {
  ranges *all = data;
  int64_t per = all->blocks[0] + all->blocks[1], component = task / per, block = task % per;
  const rk_array *x = all->array[block >= all->blocks[0]];
  if (block >= all->blocks[0]) block -= all->blocks[0];
  int64_t first = block * RANGE_ROWS,
          end = first + RANGE_ROWS < x->rows ? first + RANGE_ROWS : x->rows;
  const double *at = x->data + component * x->component_stride + first * x->row_stride;
  double low = INFINITY, high = -INFINITY;
  (void)worker;
  while (first < end && (all->whole || !(low <= 0 && high >= 0))) {
    int64_t stop = first + 1024 < end ? first + 1024 : end;
    for (; first < stop; first++, at += x->row_stride) {
      double value = *at, up = value - value == 0 ? value : -INFINITY;
      double down = value - value == 0 ? value : INFINITY;
      low = down < low ? down : low;
      high = up > high ? up : high;
    }
  }
  all->low[task] = low;
  all->high[task] = high;
}

static rk_status find_ranges(ranges *all, int64_t dim, rk_caller caller) {
  double numbers = 0;
  for (int k = 0; k < 2; k++) {
    const rk_array *x = all->array[k];
    if (!x || x->resident) continue;
    all->blocks[k] = (x->rows + RANGE_ROWS - 1) / RANGE_ROWS;
    numbers += (double)dim * (double)x->rows;
  }
  int64_t tasks = (all->blocks[0] + all->blocks[1]) * dim;
  all->low = malloc((size_t)tasks * sizeof *all->low + 1);
  all->high = malloc((size_t)tasks * sizeof *all->high + 1);
  if (!all->low || !all->high) return rk_fail_memory(caller.error, (size_t)tasks * 16);
  return rk_parallel(tasks, numbers < 1e6 ? 1 : rk_call_threads(), range_task, all, caller);
}

static void widen(double *low, double *high, double other_low, double other_high) {
  if (other_low < *low) *low = other_low;
  if (other_high > *high) *high = other_high;
}

static void range_of(const ranges *all, int64_t component, double *low, double *high) {
  int64_t per = all->blocks[0] + all->blocks[1];
  *low = INFINITY;
  *high = -INFINITY;
  for (int64_t k = component * per; k < (component + 1) * per; k++)
    widen(low, high, all->low[k], all->high[k]);
  for (int k = 0; k < 2; k++) {
    const rk_resident *resident = all->array[k] ? all->array[k]->resident : NULL;
    if (resident && resident->low)
      widen(low, high, resident->low[component], resident->high[component]);
  }
}

static void free_ranges(ranges *all) {
  free(all->low);
  free(all->high);
}

rk_status rk_range(const rk_array *x, double *low, double *high, rk_caller caller) {
  ranges all = {.array = {x}, .whole = 1};
  rk_status status = find_ranges(&all, x->dim, caller);
  for (int64_t d = 0; d < x->dim && !status; d++) range_of(&all, d, &low[d], &high[d]);
  free_ranges(&all);
  return status;
}

static double centre_of(double low, double high) {
  double middle = 0.5 * low + 0.5 * high;
  if (low > 0 && high < INFINITY) return middle < 2 * low ? middle : 2 * low;
  if (high < 0 && low > -INFINITY) return middle > 2 * high ? middle : 2 * high;
  return 0; /* on both sides of 0, or nothing finite */
}

rk_status rk_centre(const rk_array *x, const rk_array *y, double *centre, rk_caller caller) {
  ranges all = {.array = {x, y}};
  rk_status status = find_ranges(&all, x->dim, caller);
  for (int64_t d = 0; d < x->dim && !status; d++) {
    double low, high;
    range_of(&all, d, &low, &high);
    centre[d] = centre_of(low, high);
  }
  free_ranges(&all);
  return status;
}
