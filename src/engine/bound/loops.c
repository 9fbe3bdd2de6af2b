/* See loops.h. */
#include "bound/loops.h"

#define RK_BYTES 16
#define RK_TYPE 64
#include "names.h"
#include "lanes.h"

enum { TWO_LANES = 1 / (RK_LANES == 2) }; /* the last one of an odd number stands for itself */
#define EACH_BOX for (int k = 0; k < n; k += RK_LANES)

/* Ends are moved by `relative` of their size and a little more, but not beyond 0, and where results
 * of half an ulp are small by no more than their size. */
typedef struct { vec relative, tiny; } widening;

static inline widening widening_of(const rk_format *format, double ulps, int terms) {
  return (widening){rk_broadcast(rk_relative(format, ulps) * terms),
                    rk_broadcast(format->tiny * terms)};
}

static inline vec lowered(widening w, vec low, vec size) {
  return low - rk_min(size * w.relative + w.tiny, size);
}

static inline vec raised(widening w, vec high, vec size) {
  return high + rk_min(size * w.relative + w.tiny, size);
}

/* Stores what is widened; the lanes that are in range. */
static inline mask stored(widening w, vec low, vec high, vec most, rk_ends out, int k) {
  low = lowered(w, low, rk_abs(low));
  high = raised(w, high, rk_abs(high));
  rk_store(out.low + k, low);
  rk_store(out.high + k, high);
  return rk_and(rk_ge(low, -most), rk_le(high, most));
}

static const mask all_lanes = {-1, -1};

static int add(const rk_format *format, const rk_ends *x, int count, int n, rk_ends out) {
  widening w = widening_of(format, 0.5, 1);
  vec most = rk_broadcast(format->largest);
  mask good = all_lanes;
  (void)count;
  EACH_BOX good &= stored(w, rk_load(x[0].low + k) + rk_load(x[1].low + k),
                          rk_load(x[0].high + k) + rk_load(x[1].high + k), most, out, k);
  return rk_all(good);
}

static int subtract(const rk_format *format, const rk_ends *x, int count, int n, rk_ends out) {
  widening w = widening_of(format, 0.5, 1);
  vec most = rk_broadcast(format->largest);
  mask good = all_lanes;
  (void)count;
  EACH_BOX good &= stored(w, rk_load(x[0].low + k) - rk_load(x[1].high + k),
                          rk_load(x[0].high + k) - rk_load(x[1].low + k), most, out, k);
  return rk_all(good);
}

static int negate(const rk_format *format, const rk_ends *x, int count, int n, rk_ends out) {
  (void)format;
  (void)count;
  EACH_BOX {
    vec high = rk_load(x->high + k);
    rk_store(out.high + k, rk_num(0) - rk_load(x->low + k));
    rk_store(out.low + k, -high);
  }
  return 1;
}

/* A low end that is 0 is -0 unless no operand is negative. */
static int multiply(const rk_format *format, const rk_ends *x, int count, int n, rk_ends out) {
  widening w = widening_of(format, 0.5, 1);
  vec most = rk_broadcast(format->largest), minus = rk_num(-0.0);
  mask good = all_lanes;
  (void)count;
  EACH_BOX {
    vec a = rk_load(x[0].low + k), b = rk_load(x[0].high + k);
    vec c = rk_load(x[1].low + k), d = rk_load(x[1].high + k);
    vec ac = a * c, ad = a * d, bc = b * c, bd = b * d;
    vec low = rk_min(rk_min(ac, ad), rk_min(bc, bd)), high = rk_max(rk_max(ac, ad), rk_max(bc, bd));
    mask sign = ((mask)a | (mask)c) & (mask)minus & rk_eq(low, rk_num(0));
    good &= stored(w, (vec)(((mask)low & ~(rk_eq(low, rk_num(0)) & (mask)minus)) | sign), high,
                   most, out, k);
  }
  return rk_all(good);
}

static int square(const rk_format *format, const rk_ends *x, int count, int n, rk_ends out) {
  widening w = widening_of(format, 0.5, 1);
  vec most = rk_broadcast(format->largest), zero = rk_num(0);
  mask good = all_lanes;
  (void)count;
  EACH_BOX {
    vec low = rk_load(x->low + k), high = rk_load(x->high + k);
    vec least = rk_max(rk_max(low, -high), zero), largest = rk_max(rk_abs(low), rk_abs(high));
    good &= stored(w, least * least, largest * largest, most, out, k);
  }
  return rk_all(good);
}

/* The rounding of a sum goes with the sizes of its terms: see total() in rules.c. */
static int add_all(const rk_format *format, const rk_ends *x, int count, int n, rk_ends out) {
  widening w = widening_of(format, 0.5, count);
  vec most = rk_broadcast(format->largest / 2);
  mask good = all_lanes;
  EACH_BOX {
    vec low = rk_load(x->low + k), high = rk_load(x->high + k);
    vec least = rk_abs(low), largest = rk_abs(high);
    for (int c = 1; c < count; c++) {
      vec l = rk_load(x[c].low + k), h = rk_load(x[c].high + k);
      low += l;
      high += h;
      least += rk_abs(l);
      largest += rk_abs(h);
    }
    good &= rk_le(rk_max(least, largest), most);
    rk_store(out.low + k, lowered(w, low, least));
    rk_store(out.high + k, raised(w, high, largest));
  }
  return rk_all(good);
}

rk_loop rk_loop_of(rk_op op) {
  switch (op) {
    case RK_OP_Add: return add;
    case RK_OP_Subtract: return subtract;
    case RK_OP_Minus: return negate;
    case RK_OP_Mult: return multiply;
    case RK_OP_Square: return square;
    case RK_OP_Sum: case RK_OP_SumBlocks: return add_all;
    default: return NULL;
  }
}

/* Away from 0 by all that a result of several ulps may be off. */
int rk_widen(const rk_format *format, double ulps, rk_ends x, int n, rk_ends out) {
  widening w = widening_of(format, ulps, 1);
  vec most = rk_broadcast(format->largest), zero = rk_num(0);
  mask good = all_lanes;
  EACH_BOX {
    vec low = rk_load(x.low + k), high = rk_load(x.high + k);
    vec down = low - (rk_abs(low) * w.relative + w.tiny);
    vec up = high + (rk_abs(high) * w.relative + w.tiny);
    down = rk_select(rk_and(rk_ge(low, zero), rk_lt(down, zero)), low * zero, down);
    up = rk_select(rk_and(rk_le(high, zero), rk_gt(up, zero)), zero, up);
    rk_store(out.low + k, down);
    rk_store(out.high + k, up);
    good &= rk_and(rk_ge(down, -most), rk_le(up, most));
  }
  return rk_all(good);
}

/* Not so for kernels that know smaller numbers, where the interval is a little wider. */
int rk_read_ends(const rk_format *format, const double *low, const double *high, int step, int n,
                 rk_ends out) {
  vec most = rk_broadcast(format->largest), least = rk_broadcast(format->tiny), zero = rk_num(0);
  mask good = all_lanes;
  EACH_BOX {
    int is_one = !step || k + RK_LANES > n, at = step ? k : 0;
    vec l = is_one ? rk_broadcast(low[at]) : rk_load(low + at);
    vec h = is_one ? rk_broadcast(high[at]) : rk_load(high + at);
    l = rk_select(rk_and(rk_ge(l, zero), rk_lt(l, least)), rk_num(-0.0), l);
    h = rk_select(rk_and(rk_le(h, zero), rk_gt(h, -least)), zero, h);
    rk_store(out.low + k, l);
    rk_store(out.high + k, h);
    good &= rk_and(rk_and(rk_ge(l, -most), rk_le(l, h)), rk_le(h, most));
  }
  return rk_all(good);
}
