/* See ranges.h. All data of a call in float32 goes through here, so it is done in vectors. */
#include "run/ranges.h"
#include "run/call.h"
#include "run/parallel.h"
#include "rounding.h"

#include <float.h>
#include <stdlib.h>

#define RK_BYTES 16
#define RK_TYPE 64
#include "names.h"
#include "lanes.h"

/* Four vectors at a time: a chain of minima waits for each of its steps. */
enum { AT_ONCE = 4 * RK_LANES };

/* One by one, at steps: where some are infinite, the others count. */
static rk_extremes of_finite(const double *at, int64_t step, int64_t n, rk_extremes e) {
  for (int64_t r = 0; r < n; r++, at += step) {
    double v = *at, size = fabs(v);
    if (v < e.low && v >= -DBL_MAX) e.low = v;
    if (v > e.high && v <= DBL_MAX) e.high = v;
    if (size < e.least && size > 0) e.least = size;
  }
  return e;
}

/* rk_min and rk_max give the second operand where the first is NaN. */
static rk_extremes range_in_vectors(const double *at, int64_t n) {
  vec low = rk_num(INFINITY), low1 = low, low2 = low, low3 = low;
  vec high = rk_num(-INFINITY), high1 = high, high2 = high, high3 = high;
  for (int64_t r = 0; r + AT_ONCE <= n; r += AT_ONCE) {
    const vec a = rk_load(at + r), b = rk_load(at + r + RK_LANES),
              c = rk_load(at + r + 2 * RK_LANES), d = rk_load(at + r + 3 * RK_LANES);
    low = rk_min(a, low), low1 = rk_min(b, low1), low2 = rk_min(c, low2), low3 = rk_min(d, low3);
    high = rk_max(a, high), high1 = rk_max(b, high1);
    high2 = rk_max(c, high2), high3 = rk_max(d, high3);
  }
  low = rk_min(rk_min(low, low1), rk_min(low2, low3));
  high = rk_max(rk_max(high, high1), rk_max(high2, high3));
  rk_extremes found = rk_nothing;
  for (int l = 0; l < RK_LANES; l++)
    found = rk_widened(found, (rk_extremes){low[l], high[l], INFINITY, 0});
  return found;
}

static inline vec not_zero(vec size, int has_zeros) {
  return has_zeros ? rk_select(rk_eq(size, rk_num(0)), rk_num(RK_INF), size) : size;
}

/* The least is 0 where there are zeros that nobody has told of. */
static rk_extremes sizes_in_vectors(const double *at, int64_t n, int has_zeros) {
  vec least = rk_num(INFINITY), least1 = least, greatest = rk_num(-INFINITY), greatest1 = greatest;
  for (int64_t r = 0; r < n - n % AT_ONCE; r += 2 * RK_LANES) {
    const vec a = rk_abs(rk_load(at + r)), b = rk_abs(rk_load(at + r + RK_LANES));
    greatest = rk_max(a, greatest), greatest1 = rk_max(b, greatest1);
    least = rk_min(not_zero(a, has_zeros), least), least1 = rk_min(not_zero(b, has_zeros), least1);
  }
  greatest = rk_max(greatest, greatest1), least = rk_min(least, least1);
  rk_extremes found = rk_nothing;
  for (int l = 0; l < RK_LANES; l++)
    found = rk_widened(found, (rk_extremes){-greatest[l], greatest[l], least[l], 0});
  return found;
}

static rk_extremes rest_of(const double *at, int64_t n, rk_extremes found) {
  if (found.low < -DBL_MAX || found.high > DBL_MAX) return of_finite(at, 1, n, rk_nothing);
  int64_t rest = n % AT_ONCE;
  return of_finite(at + n - rest, 1, rest, found);
}

rk_extremes rk_range_of(const double *at, int64_t step, int64_t n) {
  return step == 1 ? rest_of(at, n, range_in_vectors(at, n)) : of_finite(at, step, n, rk_nothing);
}

rk_extremes rk_sizes_of_numbers(const double *at, int64_t n) {
  rk_extremes found = sizes_in_vectors(at, n, 0);
  if (found.least == 0) found = sizes_in_vectors(at, n, 1);
  return rest_of(at, n, found);
}

/* ---- arrays ---- */

enum { RANGE_ROWS = 1 << 18 };

/* A task is one component of a block of rows. */
typedef struct { const rk_array *array; int64_t blocks; rk_extremes *found; /* by task */ } ranges;

static void range_task(void *data, int64_t task, const rk_worker *worker) {
  const ranges *all = data;
  const rk_array *x = all->array;
  int64_t component = task / all->blocks, first = task % all->blocks * RANGE_ROWS,
          n = x->rows - first < RANGE_ROWS ? x->rows - first : RANGE_ROWS;
  (void)worker;
  all->found[task] = rk_range_of(
      x->data + component * x->component_stride + first * x->row_stride, x->row_stride, n);
}

rk_status rk_range(const rk_array *x, double *low, double *high, rk_caller caller) {
  ranges all = {.array = x, .blocks = rk_ceil_div(x->rows, RANGE_ROWS)};
  int64_t tasks = all.blocks * x->dim;
  all.found = malloc((size_t)tasks * sizeof *all.found + 1);
  if (!all.found) return rk_fail_memory(caller.error, (size_t)tasks * sizeof *all.found);
  double numbers = (double)x->dim * (double)x->rows;
  rk_status status =
      rk_parallel(tasks, numbers < 1e6 ? 1 : rk_call_threads(), range_task, &all, caller);
  for (int64_t d = 0; d < x->dim && !status; d++) {
    rk_extremes e = rk_nothing;
    for (int64_t k = d * all.blocks; k < (d + 1) * all.blocks; k++)
      e = rk_widened(e, all.found[k]);
    low[d] = e.low;
    high[d] = e.high;
  }
  free(all.found);
  return status;
}
