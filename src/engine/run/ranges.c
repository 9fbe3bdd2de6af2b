/* See ranges.h. */
#include "run/ranges.h"
#include "run/call.h"
#include "run/parallel.h"
#include "rounding.h"

#include <math.h>
#include <stdlib.h>

enum { RANGE_ROWS = 1 << 18 };

/* A task is one component of a block of rows. */
typedef struct {
  const rk_array *array;
  int64_t blocks;
  double *low, *high;       /* by task */
} ranges;

static void range_task(void *data, int64_t task, const rk_worker *worker) {
  ranges *all = data;
  const rk_array *x = all->array;
  int64_t component = task / all->blocks, first = task % all->blocks * RANGE_ROWS,
          end = first + RANGE_ROWS < x->rows ? first + RANGE_ROWS : x->rows;
  const double *at = x->data + component * x->component_stride + first * x->row_stride;
  double low = INFINITY, high = -INFINITY;
  (void)worker;
  for (; first < end; first++, at += x->row_stride) {
    double value = *at, up = value - value == 0 ? value : -INFINITY;
    double down = value - value == 0 ? value : INFINITY;
    low = down < low ? down : low;
    high = up > high ? up : high;
  }
  all->low[task] = low;
  all->high[task] = high;
}

rk_status rk_range(const rk_array *x, double *low, double *high, rk_caller caller) {
  ranges all = {.array = x, .blocks = rk_ceil_div(x->rows, RANGE_ROWS)};
  int64_t tasks = all.blocks * x->dim;
  all.low = malloc((size_t)tasks * sizeof *all.low + 1);
  all.high = malloc((size_t)tasks * sizeof *all.high + 1);
  rk_status status = all.low && all.high ? RK_OK : rk_fail_memory(caller.error, (size_t)tasks * 16);
  double numbers = (double)x->dim * (double)x->rows;
  if (!status)
    status = rk_parallel(tasks, numbers < 1e6 ? 1 : rk_call_threads(), range_task, &all, caller);
  for (int64_t d = 0; d < x->dim && !status; d++) {
    low[d] = INFINITY;
    high[d] = -INFINITY;
    for (int64_t k = d * all.blocks; k < (d + 1) * all.blocks; k++) {
      low[d] = fmin(low[d], all.low[k]);
      high[d] = fmax(high[d], all.high[k]);
    }
  }
  free(all.low);
  free(all.high);
  return status;
}
