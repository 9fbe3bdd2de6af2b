/* Accuracy and special values of inst/include/rkeops/lanes.h against the C library.
 *
 *     cc -O2 -march=native -fno-math-errno -fno-trapping-math -ffp-contract=fast -DRK_BYTES=64 \
 *        [-fopenmp] -Iinst/include/rkeops -Isrc/engine tests/engine/test_math.c -lm -o test_math
 *     ./test_math [--full] [function]
 *
 * Floats are compared with double functions, doubles with long double ones (so doubles are checked
 * only where long double is longer). Without --full every 997th float and 400 000 doubles per
 * function are tried; with it all 2^32 floats and 10 million doubles. Errors are in units in the
 * last place of the true value.
 *
 * All of it twice: in the mode of the host, in which data is packed, and in that of kernels. Zero
 * begins at the smallest normal number: an operand below it may count as 0, a result below it may
 * lie anywhere between 0 and the true value, and kernels make no such number from normal ones.
 * For two functions, which take halves on the way, zero begins in kernels at twice that number.
 */
#include "float_mode.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifndef RK_BYTES
#define RK_BYTES 16
#endif

static int passed, failed, in_kernel;

static void report(int ok, const char *what) {
  passed += ok;
  failed += !ok;
  if (!ok) printf("FAILED %s, mode of %s\n", what, in_kernel ? "kernels" : "the host");
}

/* The mode that is tested, as the engine sets it; gives the mode to go back to. */
static uint64_t enter_mode(void) {
  return in_kernel ? rk_float_mode_flush() : rk_float_mode();
}

/* Without FMA products are rounded too. */
#define EXP_BOUND (RK_FMA ? 1.0 : 1.25)

/* name, true function, largest error for float and double, interval of half of the doubles */
#define FUNCTIONS(F) \
  F(exp, expl, EXP_BOUND, 1.5, -750, 712) \
  F(exp2, exp2l, EXP_BOUND, 1.5, -1080, 1026) \
  F(exp2_in_tile, exp2l, EXP_BOUND, 1.5, -1080, 1026) \
  F(expm1, expm1l, 2.0, 2.0, -40, 40) \
  F(log, logl, 1.0, 1.5, 0, 10) \
  F(log1p, log1pl, 2.0, 2.0, -1, 3) \
  F(inverse, inverse_true, 0.5001, 0.51, 0, 1e6) \
  F(sqrt, sqrtl, 0.5, 0.51, 0, 1e6) \
  BY_ESTIMATE(F) \
  F(rsqrt, rsqrt_true, 2.0, 2.0, 0, 1e6) \
  F(invsqrt, invsqrt_true, 2.0, 2.0, 0, 1e6) \
  F(sin, sinl, 2.5, 2.5, -100, 100) \
  F(cos, cosl, 3.0, 2.5, -100, 100) \
  F(tanh, tanhl, 3.0, 3.0, -22, 22) \
  F(sinh, sinhl, 3.0, 3.0, -712, 712) \
  F(cosh, coshl, 2.0, 2.5, -712, 712) \
  F(asin, asinl, 2.0, 2.0, -1, 1) \
  F(acos, acosl, 2.0, 2.0, -1, 1) \
  F(atan, atanl, 2.0, 2.0, -30, 30) \
  F(floor, floorl, 0, 0, -1e4, 1e4) \
  F(round, roundl, 0, 0, -1e4, 1e4) \
  F(abs, fabsl, 0, 0, -1e4, 1e4) \
  F(sign, sign_true, 0, 0, -3, 3) \
  F(step, step_true, 0, 0, -3, 3) \
  F(relu, relu_true, 0, 0, -3, 3) \
  F(xlogx, xlogx_true, 2.0, 2.0, 0, 10) \
  F(sinxdivx, sinxdivx_true, 3.0, 3.0, -100, 100)

static long double inverse_true(long double x) { return 1 / x; }
static long double rsqrt_true(long double x) { return x == 0 ? 0 : 1 / sqrtl(x); }
static long double invsqrt_true(long double x) { return 1 / sqrtl(x); }
static long double sign_true(long double x) { return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x; }
static long double step_true(long double x) { return x < 0 ? 0 : 1; }
static long double relu_true(long double x) { return x < 0 ? 0 : x; }
static long double xlogx_true(long double x) { return x == 0 ? 0 : x * logl(x); }
static long double sinxdivx_true(long double x) { return x == 0 ? 1 : sinl(x) / x; }

/* The same function in double where that is faster: long double ones serve floats badly. */
static double true_of_float(long double (*f)(long double), double x) {
#define FAST(name) if (f == name##l) return name(x);
  FAST(exp) FAST(exp2) FAST(expm1) FAST(log) FAST(log1p) FAST(sin) FAST(cos) FAST(tanh)
  FAST(sinh) FAST(cosh) FAST(asin) FAST(acos) FAST(atan) FAST(floor) FAST(round)
#undef FAST
  if (f == sinxdivx_true) return x == 0 ? 1 : sin(x) / x;
  if (f == xlogx_true) return x == 0 ? 0 : x * log(x);
  return (double)f(x);
}

struct tested {
  const char *name;
  long double (*truth)(long double);
  void (*run_32)(const float *, float *, int);
  void (*run_64)(const double *, double *, int);
  double bound_32, bound_64, low, high;
};

struct worst {
  double error, x;
};

enum { BLOCK = 4096 };

/* Distance of y from the true value t in units of the last place, given the precision and the
 * exponents of the type of y. Infinity counts as the first power of two that is too large. */
static double ulps(long double y, long double t, int digits, int least, int most) {
  if (isnan(t) || isnan(y)) return isnan(t) && isnan(y) ? 0 : INFINITY;
  if (isinf(t)) return y == t ? 0 : INFINITY;
  long double end = ldexpl(1, most), size = fabsl(t);
  if (size < ldexpl(1, least) && y * t >= 0 && fabsl(y) <= size) return 0;
  if (size > end) t = t > 0 ? end : -end;
  if (isinf(y)) y = y > 0 ? end : -end;
  int e = t == 0 ? least : ilogbl(t);
  if (e < least) e = least;
  if (e >= most) e = most - 1;
  return (double)(fabsl(y - t) * ldexpl(1, digits - 1 - e));
}

/* The same for a float; ordinary values, that is nearly all, without long double. */
static double float_ulps(float y, double t) {
  double size = fabs(t);
  if (!(size >= 0x1p-126 && size < 0x1p127) || !isfinite(y)) return ulps(y, t, 24, -126, 128);
  uint64_t bits;
  memcpy(&bits, &size, 8);
  bits = ((UINT64_C(2046) + 23) << 52) - (bits & UINT64_C(0xFFF0000000000000)); /* 2^(23 - e) */
  double scale;
  memcpy(&scale, &bits, 8);
  return fabs(y - t) * scale;
}

static double error_as_it_is(const struct tested *f, int bits, double x, double y) {
  return bits == 32 ? float_ulps((float)y, true_of_float(f->truth, x))
           : ulps(y, f->truth(x), 53, -1022, 1024);
}

/* Of f(x) = y. Below the smallest normal number, `least`, x may count as 0. */
static double error_of(const struct tested *f, int bits, double x, double y) {
  double least = bits == 32 ? FLT_MIN : DBL_MIN, e = error_as_it_is(f, bits, x, y);
  if (fabs(x) < least) { /* such a number may also come through a kernel, and is 0 to what reads it */
    double seen = in_kernel && fabs(y) < least ? copysign(0, y) : y;
    return fmin(e, error_as_it_is(f, bits, copysign(0, x), seen));
  }
  if (in_kernel && y != 0 && fabs(y) < least) return INFINITY;
  if (in_kernel && y == 0 && fabs(x) < 2 * least)
    return !strcmp(f->name, "expm1") || !strcmp(f->name, "sinh") ? 0 : e;
  return e;
}

static uint64_t weyl(uint64_t i) {
  i *= UINT64_C(0x9E3779B97F4A7C15);
  i ^= i >> 31;
  return i * UINT64_C(0xD6E8FEB86659FD93);
}

/* Doubles that try everything: all bit patterns, moderate exponents, the interval of interest. */
static double sample(uint64_t i, double low, double high) {
  uint64_t bits = weyl(i);
  if (i % 4 == 1) {
    uint64_t exponent = 1023 - 60 + (bits >> 52) % 81;
    bits = (bits & UINT64_C(0x800FFFFFFFFFFFFF)) | exponent << 52;
  }
  double x;
  memcpy(&x, &bits, sizeof x);
  return i % 4 < 2 ? x : low + (high - low) * ((double)(bits >> 11) * 0x1p-53);
}

#define RK_TYPE 32
#include "test_math_type.h"
#undef RK_TYPE
#define RK_TYPE 64
#include "test_math_type.h"
#undef RK_TYPE

static const struct tested table[] = {
#define ENTRY(name, truth, b32, b64, low, high) \
  {#name, truth, run_##name##_32, run_##name##_64, b32, b64, low, high},
  FUNCTIONS(ENTRY)
#undef ENTRY
};

static void line(const struct tested *f, const char *type, struct worst w, double bound) {
  int ok = w.error <= bound;
  printf("%-17s %-6s %8.4f ulp (bound %g) at %.17g = %a%s\n", f->name, type, w.error, bound, w.x,
     w.x, ok ? "" : "  <-- FAILED");
  passed += ok;
  failed += !ok;
}

static void all_of(const char *only, int full) {
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    const struct tested *f = &table[i];
    if (only && strcmp(only, f->name)) continue;
    int64_t step = full ? 1 : 997;
    line(f, "float", worst_of_32(f, (INT64_C(1) << 32) / step, step), f->bound_32);
    if (LDBL_MANT_DIG > DBL_MANT_DIG)
      line(f, "double", worst_of_64(f, full ? 10000000 : 400000, 1), f->bound_64);
  }
  uint64_t mode = enter_mode();
  lanes_32();
  lanes_64();
  powers_and_angles_32(full ? 20000 : 1000);
  powers_and_angles_64(full ? 20000 : 1000);
  many_periods_32(full ? 100000 : 5000);
  many_periods_64(full ? 100000 : 5000);
  rk_float_mode_set(mode);
}

int main(int argc, char **argv) {
  int full = argc > 1 && !strcmp(argv[1], "--full");
  const char *only = argc > 1 + full ? argv[1 + full] : NULL;
  printf("%d bytes, %s, %s\n", RK_BYTES, RK_FMA ? "FMA" : "no FMA",
     RK_AVX512 ? "AVX-512" : "general");
  for (in_kernel = 0; in_kernel <= RK_FLUSHES; in_kernel++) {
    printf("Mode of %s\n", in_kernel ? "kernels" : "the host");
    all_of(only, full);
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
