/* The part of test_math.c that is compiled once for each type. */
#include "names.h"
#include "lanes.h"

#if RK_TYPE == 32
#define TYPE(name) name##_32
#define TINY FLT_MIN
#else
#define TYPE(name) name##_64
#define TINY DBL_MIN
#endif
/* pow, atan2, sin and cos beyond 2^20 */
#define PAIR_BOUND (LDBL_MANT_DIG > DBL_MANT_DIG || RK_TYPE == 32 ? 2.0 : 4.0)

#ifdef BY_ESTIMATE
#elif RK_AVX512 /* tested on every processor that has them */
#define BY_ESTIMATE(F) F(estimated_inverse, inverse_true, 0.5001, 0.51, 0, 1e6)
#else
#define BY_ESTIMATE(F)
#endif

/* The last of some vectors that are made together. */
#define rk_exp2_in_tile RK(rk_exp2_in_tile)
static vec rk_exp2_in_tile(vec x) {
  vec tile[3] = {-x, x + x, x};
  rk_exp2_tile(tile, 3);
  return tile[2];
}

#define RUN(name, truth, b32, b64, low, high) \
  static void TYPE(run_##name)(const real *x, real *y, int n) { \
    for (int i = 0; i < n; i += RK_LANES) \
      rk_store(y + i, rk_##name(rk_load(x + i))); \
  }
FUNCTIONS(RUN)
#undef RUN

static const real TYPE(specials)[] = {
  0, -0.0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3.5, 1e9, -1e9, 4503599627370497.5, 8388609,
  2147483648.0, 88.72283, 88.72284, -87.33655, -103.97, -104, -150, 127.75, 128, -126.5, -127,
  -149, -150, 709.7827, 709.783, -708.4, -745.13, -745.2, -1074, -1075, 1023.9, 1024, 1048575.9,
  1048576, -1048577, 1e30, -1e30, TINY, -TINY, TINY / 2, TINY / 4096, RK_INF, -RK_INF, RK_NAN,
  __builtin_nan("1954"), /* R's NA */
  3.14159265358979, 1.5707963267949, 6.28318530717959,
#if RK_TYPE == 32 /* those beyond 2^20 that are next to multiples of pi/2 */
  0x1.f37c8ap+95, 0x1.47d0fep+34, -0x1.f37c8ap+96, 0x1.47d0fep+35, 0x1.32ede2p+85, FLT_MAX};
#else
  0x1.6ac5b262ca1ffp+849, -0x1.6ac5b262ca1ffp+850, 0x1.b951f1572eba5p+23, 0x1.504cac51f1eafp+131,
  0x1.6ac5b262ca1ffp+851, 0x1.e009c53148be1p+991, -0x1.4c96c11134d36p+577, DBL_MAX};
#endif

/* Block b of what is tried: every step-th bit pattern of a float, doubles of all kinds. */
static void TYPE(fill)(const struct tested *f, int64_t b, int64_t blocks, int64_t step, real *x) {
  for (int i = 0; i < BLOCK; i++) {
#if RK_TYPE == 32
    uint32_t bits = (uint32_t)((b * BLOCK + i) * step);
    memcpy(&x[i], &bits, 4);
#else
    x[i] = sample((uint64_t)b * BLOCK + (uint64_t)i + 1, f->low, f->high);
    if (b == 0) /* next to multiples of pi/2 */
      x[i] = nextafter((double)(acosl(0) * (1 + i * 163)), i % 2 ? 1e9 : 0);
#endif
  }
  (void)f, (void)step;
  if (b == blocks - 1) memcpy(x, TYPE(specials), sizeof TYPE(specials));
}

static struct worst TYPE(worst_of)(const struct tested *f, int64_t count, int64_t step) {
  struct worst worst = {0, 0};
  int64_t blocks = count / BLOCK + 2;
  #pragma omp parallel for schedule(dynamic, 16)
  for (int64_t b = 0; b < blocks; b++) {
    real x[BLOCK], y[BLOCK];
    TYPE(fill)(f, b, blocks, step, x);
    uint64_t mode = enter_mode();
    f->TYPE(run)(x, y, BLOCK);
    rk_float_mode_set(mode);
    struct worst mine = {0, 0};
    for (int i = 0; i < BLOCK; i++) {
      double e = error_of(f, RK_TYPE, x[i], y[i]);
      if (e > mine.error) mine = (struct worst){e, x[i]};
    }
    #pragma omp critical
    if (mine.error > worst.error) worst = mine;
  }
  return worst;
}

/* One lane of a result whose operands are the same in every lane. */
static real TYPE(first)(vec a) {
  real out[RK_LANES];
  rk_store(out, a);
  return out[0];
}

/* Units in the last place between y and the truth; a wrong sign of 0 or Inf is a wrong value. */
static double TYPE(pair_error)(real y, long double truth) {
  int wrong = (truth == 0 || isinf(truth)) && !isnan(y) && !signbit(y) != !signbit(truth);
  return wrong ? INFINITY : RK_TYPE == 32 ? ulps(y, truth, 24, -126, 128)
                      : ulps(y, truth, 53, -1022, 1024);
}

/* Equal as bits, but for the payload of NaN. */
static int TYPE(same)(real a, real b) {
  return isnan(a) ? isnan(b) : a == b && !signbit(a) == !signbit(b);
}

/* Is it the same in a tile, and so is the ordinary power beside it? */
static int TYPE(same_in_tile)(vec a, vec b, real power) {
  vec x[3] = {rk_num(5), rk_num(3), a}, y[3] = {rk_num(0.3), b, b};
  rk_pow_tile(x, y, 3);
  return TYPE(same)(TYPE(first)(x[2]), power)
    && TYPE(same)(TYPE(first)(x[0]), TYPE(first)(rk_pow(rk_num(5), rk_num(0.3))));
}

static void TYPE(pairs)(void) {
  const real *s = TYPE(specials);
  int n = sizeof TYPE(specials) / sizeof *s, bad_order = 0, bad_minmax = 0, bad_pow = 0;
  int bad_nan = 0, bad_both = 0, bad_tile = 0;
  int bad_atan2 = 0, bad_mod = 0, bad_copy = 0, bad_select = 0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      real a = s[i], b = s[j], size = RK_LIBM(fabs)(a);
      vec u = rk_broadcast(a), v = rk_broadcast(b);
      bad_order += rk_any(rk_lt(u, v)) != (a < b) || rk_any(rk_le(u, v)) != (a <= b)
        || rk_any(rk_gt(u, v)) != (a > b) || rk_any(rk_ge(u, v)) != (a >= b)
        || rk_any(rk_eq(u, v)) != (a == b) || rk_any(rk_ne(u, v)) != (a != b)
        || rk_all(rk_lt(u, v)) != (a < b) || rk_all(rk_isnan(u)) != !!isnan(a)
        || TYPE(first)(rk_truth(rk_lt(u, v))) != (a < b);
      bad_select += !TYPE(same)(TYPE(first)(rk_select(rk_lt(u, v), u, v)), a < b ? a : b);
      bad_minmax += !TYPE(same)(TYPE(first)(rk_min(u, v)), a < b ? a : b)
        || !TYPE(same)(TYPE(first)(rk_max(u, v)), a > b ? a : b);
      bad_nan += !TYPE(same)(TYPE(first)(rk_min_nan(u, v)), a < b || a != a ? a : b)
        || !TYPE(same)(TYPE(first)(rk_max_nan(u, v)), a > b || a != a ? a : b);
      for (int k = 0; k < n; k++) {
        vec c = rk_broadcast(s[k]);
        real want = TYPE(first)(rk_min_nan(v, rk_min_nan(u, c)));
        bad_both += !TYPE(same)(TYPE(first)(rk_min_nan_both(u, v, c)), want);
      }
      /* what is below the smallest normal number may count as 0 */
      real least = size < TINY ? 0 * a : a;
      real least_b = in_kernel && RK_LIBM(fabs)(b) < TINY ? 0 * b : b;
      real power = TYPE(first)(rk_pow(u, v)), angle = TYPE(first)(rk_atan2(u, v));
      int good_pow = 0, good_atan2 = 0;
      for (int k = 0; k < 4; k++) {
        real p = k & 1 ? least : a, q = k & 2 ? least_b : b;
        good_pow |= TYPE(pair_error)(power, powl(p, q)) <= PAIR_BOUND;
        if (!in_kernel) p = a;
        good_atan2 |= TYPE(pair_error)(angle, atan2l(p, q)) <= PAIR_BOUND;
      }
      bad_pow += !good_pow;
      bad_tile += !TYPE(same_in_tile)(u, v, power);
      bad_atan2 += !good_atan2;
      bad_copy += !TYPE(same)(TYPE(first)(rk_copysign(u, v)), signbit(b) ? -size : size);
      if (size < 1e6 && b > 0.1 && b < 1e6) {
        real m = TYPE(first)(rk_mod(u, v, rk_num(0)));
        bad_mod += !(m >= -1e-6 * (size + b) && m <= b + 1e-6 * (size + b));
      }
    }
  report(!bad_order, "comparisons");
  report(!bad_select, "select");
  report(!bad_minmax, "min and max, the second operand where one is NaN");
  report(!bad_nan, "min and max, NaN where one is NaN");
  report(!bad_both, "two numbers enter a minimum as one after the other");
  report(!bad_pow, "pow");
  report(!bad_tile, "powers of a tile are those of its vectors");
  report(!bad_atan2, "atan2");
  report(!bad_copy, "copysign");
  report(!bad_mod, "mod lies between 0 and the divisor");
  report(TYPE(first)(rk_mod(rk_num(7.5), rk_num(2), rk_num(0))) == 1.5, "mod(7.5, 2, 0)");
  report(TYPE(first)(rk_mod(rk_num(-0.5), rk_num(2), rk_num(-1))) == -0.5, "mod(-0.5, 2, -1)");
  report(TYPE(first)(rk_mod(rk_num(1.5), rk_num(2), rk_num(-1))) == -0.5, "mod(1.5, 2, -1)");
}

/* Of random operands: powers up to both ends of the range, and angles of points of all sizes. */
static void TYPE(powers_and_angles)(int blocks) {
  const double wide = RK_TYPE == 32 ? 85 : 700;
  double worst_power = 0, worst_angle = 0;
  for (uint64_t b = 0; b < (uint64_t)blocks; b++) {
    real x[RK_LANES], y[RK_LANES], power[RK_LANES], angle[RK_LANES];
    for (int l = 0; l < RK_LANES; l++) {
      uint64_t i = (b * RK_LANES + (uint64_t)l) * 4 + 3; /* inside the interval */
      double span = l % 3 == 0 ? wide : l % 3 == 1 ? 0.5 : 5, log_x = sample(i, -span, span);
      x[l] = (real)exp(log_x);
      y[l] = (real)(l % 2 ? sample(i - 1, -wide, wide) / log_x : sample(i - 1, -9, 9));
    }
    rk_store(power, rk_pow(rk_load(x), rk_load(y)));
    rk_store(angle, rk_atan2(rk_load(y), rk_load(x)));
    for (int l = 0; l < RK_LANES; l++) {
      worst_power = fmax(worst_power, TYPE(pair_error)(power[l], powl(x[l], y[l])));
      worst_angle = fmax(worst_angle, TYPE(pair_error)(angle[l], atan2l(y[l], x[l])));
    }
  }
  printf("pow, atan2 of %d bits: %.4f, %.4f ulp\n", RK_TYPE, worst_power, worst_angle);
  report(worst_power <= PAIR_BOUND, "pow of random operands");
  report(worst_angle <= PAIR_BOUND, "atan2 of random operands");
}

/* sin and cos beyond 2^20, numbers of all sizes beside each other. */
static void TYPE(many_periods)(int blocks) {
  double worst = 0;
  for (uint64_t b = 0; b < (uint64_t)blocks; b++) {
    real x[RK_LANES], y[RK_LANES], z[RK_LANES];
    for (int l = 0; l < RK_LANES; l++) {
      uint64_t bits = weyl(b * RK_LANES + (uint64_t)l + 1);
      int e = 20 + (int)(bits % (RK_TYPE == 32 ? 108 : 1004));
      x[l] = (real)ldexp(bits >> 40 & 1 ? -1 : 1, e) * (1 + (real)(bits >> 11) * (real)0x1p-53);
    }
    rk_store(y, rk_sin(rk_load(x)));
    rk_store(z, rk_cos(rk_load(x)));
    for (int l = 0; l < RK_LANES; l++) {
      worst = fmax(worst, TYPE(pair_error)(y[l], sinl(x[l])));
      worst = fmax(worst, TYPE(pair_error)(z[l], cosl(x[l])));
    }
  }
  printf("sin and cos beyond 2^20 of %d bits: %.4f ulp\n", RK_TYPE, worst);
  report(worst <= PAIR_BOUND, "sin and cos beyond 2^20");
}

static void TYPE(powers)(void) {
  const real x[] = {0, 1, -1, 2, -2, 0.5, 1.25, -3, RK_INF, -RK_INF, RK_NAN};
  int bad = 0;
#define POWER(n) \
  for (int i = 0; i < (int)(sizeof x / sizeof *x); i++) { \
    real y = TYPE(first)(rk_powi(rk_broadcast(x[i]), n)), t = (real)RK_LIBM(pow)(x[i], n); \
    bad += !TYPE(same)(y, t) && !(RK_LIBM(fabs)(y - t) <= 1e-6 * RK_LIBM(fabs)(t)); \
  }
  POWER(0) POWER(1) POWER(2) POWER(3) POWER(5) POWER(7) POWER(31) POWER(64) POWER(100)
  POWER(-1) POWER(-2) POWER(-3)
#undef POWER
  report(!bad, "powi");
}

/* Masks with exactly one lane set, or unset. */
static void TYPE(masks)(void) {
  int bad = rk_any(rk_lt(rk_num(1), rk_num(0))) || !rk_all(rk_lt(rk_num(0), rk_num(1)));
  ivec lane = rk_lane_index();
  for (int l = 0; l < RK_LANES; l++) {
    mask below = rk_ilt(lane, rk_ibroadcast(l)), upto = rk_ilt(lane, rk_ibroadcast(l + 1));
    mask one = rk_and(upto, rk_not(below));
    bad += !rk_any(one) || rk_all(one) || rk_all(rk_not(one)) || !rk_any(rk_not(one));
    bad += !rk_all(rk_or(one, rk_not(one))) || rk_any(rk_and(one, rk_not(one)));
    real out[RK_LANES];
    rk_store(out, rk_select(one, rk_num(2), rk_num(3)));
    for (int k = 0; k < RK_LANES; k++)
      bad += out[k] != (k == l ? 2 : 3);
    rk_store(out, rk_from_int(rk_iselect(below, rk_ibroadcast(-5), lane)));
    for (int k = 0; k < RK_LANES; k++)
      bad += out[k] != (k < l ? -5 : k);
  }
  report(!bad, "masks with one lane, any, all, and, or, not, iselect, from_int");
}

/* Values that users see, exactly. */
static void TYPE(exact)(void) {
#define IS(call, value) report(TYPE(same)(TYPE(first)(call), value), #call)
  IS(rk_exp(rk_num(0)), 1);
  IS(rk_exp2(rk_num(0)), 1);
  IS(rk_exp2(rk_num(3)), 8);
  IS(rk_exp2(rk_num(-10)), 0x1p-10);
  IS(rk_exp(rk_num(-RK_INF)), 0);
  IS(rk_exp2(rk_num(-RK_INF)), 0);
  IS(rk_exp(rk_num(RK_INF)), RK_INF);
  IS(rk_exp2(rk_num(RK_INF)), RK_INF);
  IS(rk_exp(rk_num(-1e30)), 0);
  IS(rk_exp2(rk_num(-1e30)), 0);
  IS(rk_exp(rk_num(1e30)), RK_INF);
  IS(rk_log(rk_num(1)), 0);
  IS(rk_log(rk_num(0)), -RK_INF);
  IS(rk_log(rk_num(-0.0)), -RK_INF);
  IS(rk_log(rk_num(-1)), RK_NAN);
  IS(rk_log(rk_num(RK_INF)), RK_INF);
  IS(rk_log1p(rk_num(-1)), -RK_INF);
  IS(rk_log1p(rk_num(-0.0)), -0.0);
  IS(rk_cos(rk_num(0)), 1);
  IS(rk_sin(rk_num(0)), 0);
  IS(rk_sin(rk_num(RK_INF)), RK_NAN);
  IS(rk_tanh(rk_num(-0.0)), -0.0);
  IS(rk_tanh(rk_num(-RK_INF)), -1);
  IS(rk_rsqrt(rk_num(0)), 0);
  IS(rk_rsqrt(rk_num(-0.0)), 0);
  IS(rk_rsqrt(rk_num(RK_INF)), 0);
  IS(rk_rsqrt(rk_num(-1)), RK_NAN);
  IS(rk_rsqrt(rk_num(4)), 0.5);
  IS(rk_invsqrt(rk_num(0)), RK_INF);
  IS(rk_invsqrt(rk_num(-0.0)), -RK_INF);
  IS(rk_invsqrt(rk_num(RK_INF)), 0);
  IS(rk_invsqrt(rk_num(-1)), RK_NAN);
  IS(rk_invsqrt(rk_num(4)), 0.5);
  IS(rk_sign(rk_num(-0.0)), 0);
  IS(rk_sign(rk_num(RK_NAN)), RK_NAN);
  IS(rk_step(rk_num(RK_NAN)), 1);
  IS(rk_step(rk_num(-0.0)), 1);
  IS(rk_relu(rk_num(RK_NAN)), RK_NAN);
  IS(rk_xlogx(rk_num(0)), 0);
  IS(rk_xlogx(rk_num(-1)), RK_NAN);
  IS(rk_sinxdivx(rk_num(0)), 1);
  IS(rk_sinxdivx(rk_num(RK_INF)), RK_NAN);
  IS(rk_powi(rk_num(0), -1), RK_INF);
  IS(rk_floor(rk_num(-0.0)), -0.0);
  IS(rk_round(rk_num(-0.25)), -0.0);
  IS(rk_round(rk_num(RK_TYPE == 32 ? 0x1.fffffep-2 : 0x1.fffffffffffffp-2)), 0);
  IS(rk_num(-0.0), -0.0);
#undef IS
}

/* Where zero begins, exactly. Of constants the compiler would know the values, in its own mode. */
static void TYPE(zero)(void) {
  const real at[] = {
#if RK_TYPE == 32
    -0x1.f8p6, -0x1.f80002p6, -0x1.5d589ep6, -0x1.5d58ap6,
#else
    -0x1.ffp9, -0x1.ff00000000001p9, -0x1.6232bdd7abcd2p9, -0x1.6232bdd7abcd3p9,
#endif
    TINY, TINY / 2};
  volatile real x[sizeof at / sizeof *at];
  for (size_t k = 0; k < sizeof at / sizeof *at; k++)
    x[k] = at[k];
#define IS(call, value) report(TYPE(same)(TYPE(first)(call), value), "zero begins: " #call)
  IS(rk_exp2(rk_broadcast(x[0])), TINY);
  report(TYPE(first)(rk_exp(rk_broadcast(x[2]))) >= TINY, "the least exp that is not 0");
  if (in_kernel || !RK_AVX512) {
    IS(rk_exp2(rk_broadcast(x[1])), 0);
    IS(rk_exp(rk_broadcast(x[3])), 0);
  }
  report(TYPE(first)(rk_log(rk_broadcast(x[4]))) > (RK_TYPE == 32 ? -88 : -709), "log, normal");
  IS(rk_log(rk_broadcast(x[5])), -RK_INF);
  IS(rk_xlogx(rk_broadcast(x[5])), 0);
  if (!in_kernel) return;
  vec tiny = {0}; /* its bits: a broadcast is an operation */
  for (int l = 0; l < RK_LANES; l++)
    tiny[l] = x[5];
  IS(rk_rsqrt(tiny), 0);
  IS(rk_sqrt(tiny), 0);
  IS(rk_num(1) / tiny, RK_INF);
  IS(rk_tanh(tiny), 0);
  IS(rk_truth(rk_eq(tiny, rk_num(0))), 1);
#undef IS
}

/* Signs of zeros, and what is representable. */
static void TYPE(reciprocals)(vec (*inverse)(vec)) {
  const int least = RK_TYPE == 32 ? -126 : -1022;
  int bad = !TYPE(same)(TYPE(first)(inverse(rk_num(0))), RK_INF)
    || !TYPE(same)(TYPE(first)(inverse(rk_num(-0.0))), -RK_INF)
    || !TYPE(same)(TYPE(first)(inverse(rk_num(RK_INF))), 0)
    || !TYPE(same)(TYPE(first)(inverse(rk_num(-RK_INF))), -0.0)
    || !TYPE(same)(TYPE(first)(inverse(rk_num(RK_NAN))), RK_NAN);
  for (int e = least; e <= -least; e++)
    bad += TYPE(first)(inverse(rk_broadcast((real)ldexp(-1, e)))) != (real)ldexp(-1, -e);
  report(!bad, "reciprocals of powers of two, zeros, infinities and NaN");
}
static vec TYPE(inverse)(vec x) { return rk_inverse(x); }
#if RK_AVX512
static vec TYPE(inverse_near)(vec x) { return rk_estimated_inverse(x); }
#endif

static void TYPE(lanes)(void) {
  TYPE(reciprocals)(TYPE(inverse));
#if RK_AVX512
  TYPE(reciprocals)(TYPE(inverse_near));
#endif
  TYPE(pairs)();
  TYPE(powers)();
  TYPE(masks)();
  TYPE(exact)();
  TYPE(zero)();
}

#undef TYPE
#undef TINY
#undef PAIR_BOUND
