/* The rules B of operations.def, and the functions that they name. See rules.h. */
#include "bound/rules.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

rk_format rk_format_of(rk_precision precision) {
  if (precision == RK_FLOAT64) return (rk_format){0x1p-52, 4 * DBL_MIN, DBL_MAX, 0};
  return (rk_format){0x1p-23, 4 * (double)FLT_MIN, FLT_MAX, 1};
}

/* ---- intervals ------------------------------------------------------------------------------- */

static const rk_bounds nowhere = {INFINITY, -INFINITY, 1};

static rk_bounds between(double low, double high) { return (rk_bounds){low, high, 0}; }
static rk_bounds spanned(double x, double y) { return between(fmin(x, y), fmax(x, y)); }
static rk_bounds point(double value) { return between(value, value); }
static rk_bounds anything(int nan) { return (rk_bounds){-INFINITY, INFINITY, nan}; }
static int is_nowhere(rk_bounds x) { return !(x.low <= x.high); }
static int holds(rk_bounds x, double value) { return x.low <= value && value <= x.high; }
static int is_point(rk_bounds x) { return x.low == x.high; }
static int is_endless(rk_bounds x) { return isinf(x.low) || isinf(x.high); }
static rk_bounds negated(rk_bounds x) { return (rk_bounds){-x.high, -x.low, x.nan}; }
static double size_of(rk_bounds x) { return fmax(fabs(x.low), fabs(x.high)); }

static rk_bounds hull(rk_bounds x, rk_bounds y) {
  return (rk_bounds){x.low < y.low || (x.low == y.low && signbit(x.low)) ? x.low : y.low,
                     fmax(x.high, y.high), x.nan || y.nan};
}

/* -0 too, unless no operand is negative. */
static rk_bounds signed_zero(rk_bounds x, int is_positive) {
  if (x.low == 0) x.low = is_positive ? 0.0 : -0.0;
  return x;
}

static rk_bounds of_corners(const double *value, int is_positive) {
  rk_bounds x = between(value[0], value[0]);
  for (int k = 1; k < 4; k++) {
    x.low = fmin(x.low, value[k]);
    x.high = fmax(x.high, value[k]);
  }
  return signed_zero(x, is_positive);
}

static int are_positive(rk_bounds x, rk_bounds y) { return !signbit(x.low) && !signbit(y.low); }

/* Ends that are 0 stay: no rounding crosses it. */
static double down(const rk_format *format, double low, double by) {
  if (isinf(low)) return low < 0 ? low : format->largest;
  double to = low - (low >= 0 ? fmin(by, fabs(low)) : by); /* -0 - 0 is -0 */
  return to > format->largest ? format->largest : to < -format->largest ? -INFINITY : to;
}

rk_bounds rk_bounds_widened(const rk_format *format, rk_bounds x, double ulps) {
  double relative = rk_relative(format, ulps);
  if (!is_nowhere(x) && ulps) {
    x.low = down(format, x.low, fabs(x.low) * relative + format->tiny);
    x.high = -down(format, -x.high, fabs(x.high) * relative + format->tiny);
  }
  x.high += 0.0;
  return x;
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

/* Both infinities give NaN; the others are what the ends say. */
static rk_bounds sum(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds r = between(x[0].low + x[1].low, x[0].high + x[1].high);
  (void)asked;
  (void)count;
  r.nan = (x[0].low == -INFINITY && x[1].high == INFINITY) ||
          (x[0].high == INFINITY && x[1].low == -INFINITY);
  if (isnan(r.low)) r.low = -INFINITY;
  if (isnan(r.high)) r.high = INFINITY;
  return r;
}

static rk_bounds difference(const rk_asked *asked, rk_bounds *x, int count) {
  x[1] = negated(x[1]);
  return sum(asked, x, count);
}

/* Terms are added in any order; each sum on the way may be rounded, become 0, or overflow. */
static rk_bounds total(const rk_asked *asked, rk_bounds *x, int count) {
  const rk_format *format = asked->format;
  double low = x[0].low, high = x[0].high, below = 0, above = 0, least = 0, most = 0;
  double relative = count * rk_relative(format, 0.5);
  for (int k = 0; k < count; k++) {
    if (k) low += x[k].low, high += x[k].high;
    below += fmin(x[k].low, 0);
    above += fmax(x[k].high, 0);
    least += fabs(x[k].low);
    most += fabs(x[k].high);
  }
  int sinks = -below > format->largest, climbs = above > format->largest;
  low = sinks || !isfinite(low) ? -INFINITY
                                : low - fmin(least * relative + count * format->tiny, least);
  high = climbs || !isfinite(high) ? INFINITY
                                   : high + fmin(most * relative + count * format->tiny, most);
  return (rk_bounds){low, high, sinks && climbs};
}

static double times(double x, double y) { return x == 0 || y == 0 ? 0 : x * y; }

static rk_bounds product(const rk_asked *asked, rk_bounds *x, int count) {
  const double corner[] = {times(x[0].low, x[1].low), times(x[0].low, x[1].high),
                           times(x[0].high, x[1].low), times(x[0].high, x[1].high)};
  rk_bounds r = of_corners(corner, are_positive(x[0], x[1]));
  (void)asked;
  (void)count;
  r.nan = (holds(x[0], 0) && is_endless(x[1])) || (is_endless(x[0]) && holds(x[1], 0));
  return r;
}

static rk_bounds scaled_total(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds s = rk_bounds_widened(asked->format, total(asked, x, count - 1), 0.5), y = x[count - 1];
  rk_bounds r = product(asked, (rk_bounds[]){s, y}, 2);
  r.nan |= s.nan;
  return r;
}

static double over(double x, double y) { return isinf(x) && isinf(y) ? 0 : x / y; }

/* x over what may be 0, but not -0. */
static rk_bounds over_positive(rk_bounds x, rk_bounds y) {
  return signed_zero(between(x.low < 0 ? -INFINITY : x.low / y.high,
                             x.high > 0 ? INFINITY : x.high / y.high), are_positive(x, y));
}

static rk_bounds quotient(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds y = x[1], r;
  (void)asked;
  (void)count;
  if (holds(y, 0)) {
    int is_positive = !signbit(y.low) && y.high > 0 && y.high < INFINITY;
    r = is_positive ? over_positive(x[0], y) : anything(0);
    r.nan = holds(x[0], 0);
  } else {
    const double corner[] = {over(x[0].low, y.low), over(x[0].low, y.high),
                             over(x[0].high, y.low), over(x[0].high, y.high)};
    r = of_corners(corner, are_positive(x[0], y));
  }
  r.nan |= is_endless(x[0]) && is_endless(y);
  return r;
}

static rk_bounds inverse(const rk_asked *asked, rk_bounds *x, int count) {
  return quotient(asked, (rk_bounds[]){point(1), x[0]}, count);
}

/* ---- powers and roots ------------------------------------------------------------------------ */

static rk_bounds size_bounds(rk_bounds x) {
  double least = holds(x, 0) ? 0 : fmin(fabs(x.low), fabs(x.high));
  return between(least, size_of(x));
}

/* Products of so many factors, each rounded; one over them where n is negative. */
static rk_bounds integer_power(const rk_asked *asked, rk_bounds *x, int count) {
  int n = asked->node->integer[0], m = abs(n);
  rk_bounds y = *x, r;
  if (!n) return point(1);
  if (is_nowhere(y)) return nowhere;
  if (m > 1024) return anything(1);
  if (m % 2 == 0) y = size_bounds(y);
  r = spanned(pow(y.low, m), pow(y.high, m));
  r = rk_bounds_widened(asked->format, r, m);
  if (n < 0) r = rk_bounds_widened(asked->format, inverse(asked, &r, count), 4);
  r.nan |= x->nan;
  return r;
}

/* Of positive bases: a power is monotone in each of the two. */
static rk_bounds corner_power(const rk_asked *asked, rk_bounds a, rk_bounds b) {
  const double corner[] = {pow(a.low, b.low), pow(a.low, b.high), pow(a.high, b.low),
                           pow(a.high, b.high)};
  rk_bounds r = of_corners(corner, 1);
  if (r.high == 0) r.high = asked->format->tiny;
  return r;
}

/* Of bases from 0 on. */
static rk_bounds positive_power(const rk_asked *asked, rk_bounds a, rk_bounds b) {
  if (a.low > 0) return corner_power(asked, a, b);
  rk_bounds r = between(0, INFINITY), top = corner_power(asked, point(a.high), b);
  if (b.low >= 0) r.high = top.high;
  if (b.high < 0) r.low = top.low;
  return holds(b, 0) ? hull(r, point(1)) : r;
}

static rk_bounds any_power(const rk_asked *asked, rk_bounds a, rk_bounds b) {
  if (!signbit(a.low)) return positive_power(asked, a, b);
  int is_whole = is_point(b) && floor(b.low) == b.low && fabs(b.low) < 0x1p53;
  rk_bounds r = positive_power(asked, size_bounds(a), b);
  if (is_whole && (fmod(b.low, 2) == 0 || a.high < 0)) return fmod(b.low, 2) == 0 ? r : negated(r);
  rk_bounds both = between(-r.high, r.high);
  both.nan = !is_whole && a.low < 0;
  return both;
}

/* 1 whatever the exponent is, and whatever the base is where the exponent is 0. */
static rk_bounds power(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds r = nowhere;
  (void)count;
  if (!is_nowhere(x[0]) && !is_nowhere(x[1])) r = any_power(asked, x[0], x[1]);
  if (x[0].nan || x[1].nan) {
    r = hull(r, point(1));
    r.nan = 1;
  }
  return r;
}

static rk_bounds from_root(rk_bounds x) {
  return (rk_bounds){1 / sqrt(x.high), 1 / sqrt(fmax(x.low, 0)), x.low < 0};
}

static rk_bounds inverse_root(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  if (x->high < 0) return nowhere;
  rk_bounds r = from_root(*x);
  if (x->low <= 0 && signbit(x->low)) r.low = -INFINITY;
  return r;
}

/* No number is nearer to 0 than the smallest one. */
static rk_bounds inverse_root_or_0(const rk_asked *asked, rk_bounds *x, int count) {
  (void)count;
  if (x->high < 0) return nowhere;
  rk_bounds r = from_root(*x);
  if (x->low > 0) return r;
  return (rk_bounds){0, x->high > 0 ? asked->format->is_float ? 0x1p75 : 0x1p538 : 0, r.nan};
}

/* ---- sums of squares of differences ---------------------------------------------------------- */

static rk_bounds squares(const rk_asked *asked, rk_bounds *x, int count) {
  int terms = count / 2, nan = 0;
  for (int k = 0; k < terms; k++) {
    rk_bounds d = difference(asked, (rk_bounds[]){x[k], x[terms + k]}, 2);
    nan |= d.nan;
    d = size_bounds(rk_bounds_widened(asked->format, d, 0.5));
    x[k] = rk_bounds_widened(asked->format, between(d.low * d.low, d.high * d.high), 0.5);
  }
  rk_bounds r = total(asked, x, terms);
  r.nan |= nan;
  return r;
}

static rk_bounds minus_squares(const rk_asked *asked, rk_bounds *x, int count) {
  return negated(squares(asked, x, count));
}

static rk_bounds scaled_squares(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds s = rk_bounds_widened(asked->format, squares(asked, x, count - 1), 0.5);
  rk_bounds r = product(asked, (rk_bounds[]){s, x[count - 1]}, 2);
  r.nan |= s.nan;
  return r;
}

const rk_rule rk_squares = {.ulps = 0.5, .by = squares};
const rk_rule rk_minus_squares = {.ulps = 0.5, .by = minus_squares};
const rk_rule rk_scaled_squares = {.ulps = 0.5, .by = scaled_squares};

/* ---- functions ------------------------------------------------------------------------------- */

static double x_log_of(double x) { return x == 0 ? 0 : x * log(x); }

/* Least at 1/e. */
static rk_bounds x_log_x(const rk_asked *asked, rk_bounds *x, int count) {
  static const double lowest = 0.36787944117144233;
  (void)asked;
  (void)count;
  if (x->high < 0) return nowhere;
  double low = x_log_of(fmax(x->low, 0)), high = x_log_of(x->high);
  rk_bounds r = {fmin(low, high), fmax(low, high), x->low < 0};
  if (x->low < lowest * (1 + 0x1p-40) && x->high > lowest * (1 - 0x1p-40)) r.low = -lowest;
  return signed_zero(r, 0);
}

static const double pi = 3.14159265358979323846;

/* Is `place` in the interval, up to whole turns? It may say so where that is near its ends. */
static int has_place(rk_bounds x, double place) {
  double from = (x.low - place) / (2 * pi), to = (x.high - place) / (2 * pi);
  double near = 0x1p-48 * (1 + fmax(fabs(from), fabs(to)));
  return floor(to + near) >= ceil(from - near);
}

static rk_bounds wave(rk_bounds x, double at_low, double at_high, double top) {
  rk_bounds r = {fmin(at_low, at_high), fmax(at_low, at_high), is_endless(x)};
  if (size_of(x) > 0x1p30 || has_place(x, top)) r.high = 1;
  if (size_of(x) > 0x1p30 || has_place(x, top + pi)) r.low = -1;
  return r;
}

static rk_bounds sine(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  return wave(*x, sin(x->low), sin(x->high), pi / 2);
}

static rk_bounds cosine(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  return wave(*x, cos(x->low), cos(x->high), 0);
}

static double sine_over(double x) { return x == 0 ? 1 : sin(x) / x; }

/* Falls to its least value, -0.2173 at 4.4934; beyond that it is at most 0.1284. */
static rk_bounds sine_over_x(const rk_asked *asked, rk_bounds *x, int count) {
  static const double turn = 4.4934, least = -0.21723363, most = 0.12837456;
  rk_bounds size = size_bounds(*x), r;
  if (size.high <= turn) {
    r = spanned(sine_over(size.high), sine_over(size.low));
  } else if (size.low > 1 && !is_endless(size)) {
    rk_bounds both[] = {rk_bounds_widened(asked->format, sine(asked, &size, count), 1), size};
    r = quotient(asked, both, 2);
    r = spanned(fmax(r.low, least), fmin(r.high, fmax(sine_over(size.low), most)));
  } else {
    r = between(least, fmax(size.low < turn ? sine_over(size.low) : 0, most));
  }
  r.nan = is_endless(*x);
  return r;
}

/* The angle of the point (x[1], x[0]): of a rectangle that does not cross the left axis, at its
 * corners. */
static rk_bounds angle(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds up = x[0], right = x[1];
  (void)asked;
  (void)count;
  if (signbit(up.low) && up.high >= 0 && signbit(right.low)) return between(-pi, pi);
  const double corner[] = {atan2(up.low, right.low), atan2(up.low, right.high),
                           atan2(up.high, right.low), atan2(up.high, right.high)};
  return of_corners(corner, are_positive(up, right));
}

/* a 10^n is rounded before it becomes a whole number. */
static rk_bounds rounded(const rk_asked *asked, rk_bounds *x, int count) {
  int n = asked->node->integer[0];
  double unit = pow(10, n), ulps = n ? 2 * abs(n) + 2 : 0;
  (void)count;
  if (abs(n) > 30) return anything(1);
  rk_bounds r = rk_bounds_widened(asked->format, between(x->low * unit, x->high * unit), ulps);
  r = between(round(r.low) / unit, round(r.high) / unit);
  return rk_bounds_widened(asked->format, r, n ? ulps + 4 : 0);
}

/* a - b floor((a - c) / b): known where the floor is; else it is from c to c + b, up to rounding
 * that goes with what is subtracted. */
static rk_bounds modulo(const rk_asked *asked, rk_bounds *x, int count) {
  const rk_format *format = asked->format;
  rk_bounds a = x[0], b = x[1], c = x[2];
  double all = size_of(a) + size_of(b) + size_of(c), off = 16 * (all * format->ulp + format->tiny);
  (void)count;
  if (holds(b, 0) || !(4 * all / fmin(fabs(b.low), fabs(b.high)) < 1 / format->ulp) ||
      all > format->largest / 4)
    return anything(1);
  rk_bounds d = rk_bounds_widened(format, difference(asked, (rk_bounds[]){a, c}, 2), 1);
  rk_bounds q = rk_bounds_widened(format, quotient(asked, (rk_bounds[]){d, b}, 2), 4);
  if (floor(q.low) == floor(q.high)) {
    rk_bounds part = product(asked, (rk_bounds[]){b, point(floor(q.low))}, 2);
    d = difference(asked, (rk_bounds[]){a, part}, 2);
    return between(d.low - off, d.high + off);
  }
  return between(fmin(c.low, c.low + b.low) - off, fmax(c.high, c.high + b.high) + off);
}

/* least - log(1 + e1 + e2) of three. */
static double soft_minimum_of(double a, double b, double c) {
  double least = fmin(fmin(a, b), c);
  return least - log(exp(least - a) + exp(least - b) + exp(least - c));
}

static rk_bounds soft_minimum(const rk_asked *asked, rk_bounds *x, int count) {
  (void)count;
  if (is_endless(x[0]) || is_endless(x[1]) || is_endless(x[2])) return anything(1);
  double low = soft_minimum_of(x[0].low, x[1].low, x[2].low);
  double high = soft_minimum_of(x[0].high, x[1].high, x[2].high);
  double ulp = asked->format->ulp;
  rk_bounds r = between(low - (fabs(low) + 32) * ulp, high + (fabs(high) + 32) * ulp);
  return rk_bounds_widened(asked->format, r, 4);
}

/* ---- tests, which are 0 or 1 ----------------------------------------------------------------- */

static rk_bounds truth(int may_fail, int may_hold) { return between(!may_fail, may_hold); }

static int is_pair(const rk_bounds *x) { return !is_nowhere(x[0]) && !is_nowhere(x[1]); }
static int meets_nan(const rk_bounds *x) { return x[0].nan || x[1].nan; }

static rk_bounds less(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  return truth(meets_nan(x) || x[0].high >= x[1].low, is_pair(x) && x[0].low < x[1].high);
}

static rk_bounds less_or_equal(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  return truth(meets_nan(x) || x[0].high > x[1].low, is_pair(x) && x[0].low <= x[1].high);
}

static rk_bounds equal(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  int is_one = is_point(x[0]) && is_point(x[1]) && x[0].low == x[1].low;
  return truth(meets_nan(x) || !is_one,
               is_pair(x) && x[0].low <= x[1].high && x[1].low <= x[0].high);
}

static rk_bounds opposite(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  return between(1 - x->high, 1 - x->low);
}

static rk_bounds not_equal(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds same = equal(asked, x, count);
  return opposite(asked, &same, 1);
}

static rk_bounds both(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  return between(fmin(x[0].low, x[1].low), fmin(x[0].high, x[1].high));
}

static rk_bounds either(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  return between(fmax(x[0].low, x[1].low), fmax(x[0].high, x[1].high));
}

/* Not (a < b or a > c): TRUE with NaN. */
static rk_bounds inside(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds below = less(asked, x, count);
  rk_bounds above = less(asked, (rk_bounds[]){x[2], x[0]}, count);
  return truth(below.high > 0 || above.high > 0, below.low < 1 && above.low < 1);
}

static rk_bounds is_at(const rk_asked *asked, rk_bounds *x, int count) {
  return equal(asked, (rk_bounds[]){x[0], point(asked->component)}, count);
}

static rk_bounds is_nearest(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds y = *x;
  if (is_nowhere(y)) return point(0);
  y = rk_bounds_widened(asked->format, between(y.low + 0.5, y.high + 0.5), 0.5);
  y = (rk_bounds){floor(y.low), floor(y.high), x->nan};
  return is_at(asked, &y, count);
}

static rk_bounds step(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds below = less(asked, (rk_bounds[]){x[0], point(0)}, count);
  return opposite(asked, &below, 1);
}

/* ---- one of the operands --------------------------------------------------------------------- */

static rk_bounds choice(const rk_asked *asked, rk_bounds *x, int count) {
  (void)asked;
  (void)count;
  return x[0].low > 0 ? x[1] : x[0].high == 0 ? x[2] : hull(x[1], x[2]);
}

/* a < b ? b : a > c ? c : a, which is NaN where a is. */
static rk_bounds clamped(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds a = x[0], b = x[1], c = x[2], r = nowhere;
  (void)asked;
  (void)count;
  r.nan = a.nan;
  if (is_nowhere(a)) return r;
  if (a.low < b.high && !is_nowhere(b))
    r = hull(r, (rk_bounds){fmax(a.low, b.low), b.high, 0});
  if (a.high < b.low && !b.nan) return r;
  rk_bounds rest = {b.nan ? a.low : fmax(a.low, b.low), a.high, 0};
  if (c.nan) r = hull(r, rest);
  if (!is_nowhere(c))
    r = hull(r, (rk_bounds){fmin(rest.low, c.low), fmin(rest.high, c.high), 0});
  return signed_zero(r, 0);
}

/* An integer as a number of the kernel. */
static rk_bounds whole(const rk_asked *asked, int k) {
  int n = asked->node->integer[k];
  return point(asked->format->is_float ? (float)n : n);
}

static rk_bounds clamped_by_integers(const rk_asked *asked, rk_bounds *x, int count) {
  return clamped(asked, (rk_bounds[]){x[0], whole(asked, 0), whole(asked, 1)}, count);
}

static rk_bounds between_integers(const rk_asked *asked, rk_bounds *x, int count) {
  return inside(asked, (rk_bounds[]){x[0], whole(asked, 0), whole(asked, 1)}, count);
}

/* ---- over components ------------------------------------------------------------------------- */

/* What may be NaN may be skipped. */
static rk_bounds largest(const rk_asked *asked, rk_bounds *x, int count) {
  double low = -INFINITY, lowest = INFINITY, high = -INFINITY;
  int is_sure = 0, is_positive = 1;
  (void)asked;
  for (int k = 0; k < count; k++) {
    if (!x[k].nan) low = fmax(low, x[k].low);
    is_sure |= !x[k].nan;
    lowest = fmin(lowest, x[k].low);
    high = fmax(high, x[k].high);
    is_positive &= !signbit(x[k].low);
  }
  return signed_zero((rk_bounds){is_sure ? low : lowest, high, !is_sure}, is_positive);
}

static void negate_all(rk_bounds *x, int count) {
  for (int k = 0; k < count; k++) x[k] = negated(x[k]);
}

static rk_bounds smallest(const rk_asked *asked, rk_bounds *x, int count) {
  negate_all(x, count);
  return negated(largest(asked, x, count));
}

/* The first of those that may be it: a later one has to be larger than those before. */
static rk_bounds place_of_largest(const rk_asked *asked, rk_bounds *x, int count) {
  rk_bounds most = largest(asked, x, count);
  int first = count, last = 0, is_sure = 0;
  double before = -INFINITY;
  for (int k = 0; k < count; k++) {
    if (x[k].high >= most.low && (!is_sure || x[k].high > before)) {
      if (k < first) first = k;
      last = k;
    }
    if (!x[k].nan) before = fmax(before, x[k].low);
    is_sure |= !x[k].nan;
  }
  return between(most.nan ? 0 : first, last);
}

static rk_bounds place_of_smallest(const rk_asked *asked, rk_bounds *x, int count) {
  negate_all(x, count);
  return place_of_largest(asked, x, count);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define D(...)
#define T(...)
#define S(...)
#define B(ulps, ...) {ulps, __VA_ARGS__}
#define RISES .turn = RK_RISES
#define FALLS .turn = RK_FALLS
#define EVEN .turn = RK_EVEN
#define BY(f) .by = f
#define SEES(f) .by = f, .sees_nan = 1
#define RULE(name, ...) [RK_OP_##name] = __VA_ARGS__,
#define ELEMENTWISE(name, operands, integers, result, code, rules, doc) RULE(name, {rules})
#define GENERATED(name, operands, integers, result, dim, check, expected, code, rules, doc)        \
  RULE(name, {rules})
#define FOLD(name, operands, start, next, place, result, rules, doc) RULE(name, {rules})
#define GROUPS(name, integers, dim, check, expected, start, next, rules, doc, ...)                 \
  RULE(name, {rules})
#define PIECES(...)
#define DEFINED(...)
#define ALTERNATIVE(...)
#define COMPOSED(...)
#define DERIVATIVE(...)
/* One for each operation, of none or one rule. */
static const struct { rk_rule rule; } table[RK_OPS] = {
#include "formula/operations.def"
};

const rk_rule *rk_rule_of(rk_op op) {
  const rk_rule *rule = &table[op].rule;
  return rule->turn || rule->by ? rule : NULL;
}

rk_bounds rk_bounds_by(const rk_rule *rule, const rk_asked *asked, rk_bounds *x, int count) {
  int nan = 0, none = 0;
  if (rule->sees_nan) return rule->by(asked, x, count);
  for (int k = 0; k < count; k++) {
    nan |= x[k].nan;
    none |= is_nowhere(x[k]);
    x[k].nan = 0;
  }
  if (none) return nowhere;
  rk_bounds r = rule->by(asked, x, count);
  r.nan |= nan;
  return r;
}
