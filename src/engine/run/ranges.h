/* In which ranges numbers lie. */
#ifndef RKEOPS_RANGES_H
#define RKEOPS_RANGES_H

#include "caller.h"

#include <math.h>

/* The range of finite numbers, the least that is not 0 in size, and how much one of them is rounded
 * at most, where somebody asked for that. */
typedef struct { double low, high, least, rounding; } rk_extremes;
static const rk_extremes rk_nothing = {INFINITY, -INFINITY, INFINITY, 0};
static inline rk_extremes rk_widened(rk_extremes a, rk_extremes b) {
  return (rk_extremes){b.low < a.low ? b.low : a.low, b.high > a.high ? b.high : a.high,
                       b.least < a.least ? b.least : a.least,
                       b.rounding > a.rounding ? b.rounding : a.rounding};
}

/* Of numbers times another one. */
static inline rk_extremes rk_times(rk_extremes e, double times) {
  if (e.low > e.high) return e; /* nothing is finite */
  const double low = e.low * times, high = e.high * times;
  return (rk_extremes){fmin(low, high), fmax(low, high), e.least * fabs(times), e.rounding};
}

/* Of n numbers: the range, of such at steps; or the least, and a range that has their sizes and the
 * opposites of these at least. */
rk_extremes rk_range_of(const double *at, int64_t step, int64_t n);
rk_extremes rk_sizes_of_numbers(const double *at, int64_t n);

/* The largest of such numbers in size, once the centre is subtracted. */
static inline double rk_greatest_around(double centre, double low, double high) {
  return fmax(fabs(low - centre), fabs(high - centre));
}

/* Smallest and largest finite value of each component; INFINITY, -INFINITY where there is none. */
rk_status rk_range(const rk_array *x, double *low, double *high, rk_caller caller);

#endif
