/* The extremes of many numbers, in vectors: all data of a call goes through here. */
#include "look/looking.h"

#include <float.h>

#define RK_BYTES 16
#define RK_TYPE 64
#include "names.h"
#include "lanes.h"

/* Chains of minima; one by itself would wait for each of its steps. */
enum { CHAINS = 2, AT_ONCE = CHAINS * RK_LANES };

typedef struct { vec low, high, least; } chain;

static inline chain entered(chain c, vec v) {
  const vec size = rk_abs(v), some = rk_select(rk_eq(size, rk_num(0)), rk_num(RK_INF), size);
  /* the second operand where the first is NaN */
  return (chain){rk_min(v, c.low), rk_max(v, c.high), rk_min(some, c.least)};
}

/* Where some are infinite, the others count. */
static rk_extremes of_finite(const double *at, int64_t n, rk_extremes e) {
  for (int64_t r = 0; r < n; r++) {
    double v = at[r], size = fabs(v);
    if (v < e.low && v >= -DBL_MAX) e.low = v;
    if (v > e.high && v <= DBL_MAX) e.high = v;
    if (size < e.least && size > 0) e.least = size;
  }
  return e;
}

rk_extremes rk_extremes_of(const double *at, int64_t n, rk_extremes e) {
  const chain none = {rk_num(INFINITY), rk_num(-INFINITY), rk_num(INFINITY)};
  chain c[CHAINS] = {none, none};
  int64_t r = 0;
  for (; r + AT_ONCE <= n; r += AT_ONCE)
    for (int k = 0; k < CHAINS; k++) c[k] = entered(c[k], rk_load(at + r + k * RK_LANES));
  rk_extremes found = of_finite(at + r, n - r, e);
  for (int k = 0; k < CHAINS; k++)
    for (int l = 0; l < RK_LANES; l++)
      found = rk_widened(found, (rk_extremes){c[k].low[l], c[k].high[l], c[k].least[l], 0});
  return found.low < -DBL_MAX || (found.high > DBL_MAX) ? of_finite(at, n, e) : found;
}
