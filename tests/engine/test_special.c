/* Accuracy and special values of inst/include/rkeops/special.h, against integrals that are taken
 * here in long double with many more nodes, and against closed forms and recurrences. Errors are
 * counted in eps, 2^-23 (float) or 2^-52 (double), of the integral of what is integrated without
 * its sign. */
#include "check.h"

#include <float.h>

#ifndef RK_BYTES
#define RK_BYTES 16
#endif
#define RK_TYPE 64
#include "names.h"
#include "lanes.h"
#include "special.h"
#undef RK_TYPE
#define RK_TYPE 32
#include "lanes.h"
#include "special.h"
#undef RK_TYPE

typedef long double wide;

/* ---- one lane of a result whose operands are the same in every lane, in both types ---- */

enum { LOG_GAMMA, POLYGAMMA, BESSEL, MATERN };
#define VALUE(bits, type)                                                                          \
  static double value_##bits(int which, double a, double b, int n, int m) {                        \
    rk_vec_##bits x = rk_broadcast_##bits((type)a), y = rk_broadcast_##bits((type)b);              \
    return (double)(which == LOG_GAMMA   ? rk_lgamma_##bits(x)                                     \
                    : which == POLYGAMMA ? rk_polygamma_##bits(x, n)                               \
                    : which == BESSEL    ? rk_bessel_k_##bits(x, y, n)                             \
                                         : rk_matern_integral_##bits(x, y, n, m))[0];              \
  }
VALUE(64, double)
VALUE(32, float)

static double value(int single, int which, double a, double b, int n, int m) {
  return (single ? value_32 : value_64)(which, a, b, n, m);
}

/* ---- truth ---- */

typedef struct { wide value, size; } truth;

/* The integral of (at + v)^n exp(mu v - a (e^v - 1) - b (e^-v - 1)) e^top: its largest value is at
 * 0. */
static truth integral(wide mu, wide a, wide b, wide at, int n, wide top) {
  const wide h = 0.02L < 0.09L / sqrtl(a + b) ? 0.02L : 0.09L / sqrtl(a + b);
  truth t = {0, 0};
  for (int side = -1; side <= 1; side += 2)
    for (long j = side < 0;; j++) {
      wide v = (wide)(side * j) * h, e = mu * v - a * expm1l(v) - b * expm1l(-v);
      if (e < -60) break;
      wide term = expl(e) * powl(at + v, n);
      t.value += term;
      t.size += fabsl(term);
    }
  return (truth){t.value * h * expl(top), t.size * h * expl(top)};
}

static truth true_bessel(wide nu, wide x, int n) {
  wide w = hypotl(x, nu), a = (w + fabsl(nu)) / 2, b = x * x / 4 / a, peak = asinhl(nu / x);
  return integral(nu, nu < 0 ? b : a, nu < 0 ? a : b, peak, n, nu * peak - w - logl(2));
}

static truth true_matern(wide nu, wide z, int n, int m) {
  wide mu = nu - m, w = sqrtl(z + mu * mu), large = (w + fabsl(mu)) / 2, small = z / 4 / large;
  wide peak = mu < 0 ? small : large, b = mu < 0 ? large : small;
  wide top = nu - nu * logl(nu) + mu * logl(peak) - w;
  return integral(mu, peak, b, logl(peak / nu), n, top);
}

/* ---- accuracy ---- */

static double error_of(int single, double found, truth t, double allowed) {
  double largest = single ? FLT_MAX : DBL_MAX, least = single ? FLT_MIN : DBL_MIN;
  if (t.size > largest * 1e-2 || t.size < least * 1e2) return 0;
  return (double)(fabsl((wide)found - t.value) / t.size) / (single ? 0x1p-23 : 0x1p-52) / allowed;
}

static const double orders[] = {0.03, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 7.3, 15, 30};
static const double places[] = {1e-8, 1e-6, 1e-4, 1e-2, 0.1, 0.3, 0.6, 1, 1.7, 3, 5, 10, 20, 40, 80,
                                200, 500, 700};
enum { ORDERS = sizeof orders / sizeof *orders, PLACES = sizeof places / sizeof *places };

static double in_type(int single, double x) { return single ? (double)(float)x : x; }

static void bessel_functions(int single, int n) {
  double worst = 0;
  for (int i = -ORDERS; i <= ORDERS; i++)
    for (int j = 0; j < PLACES; j++) {
      double nu = i ? in_type(single, (i < 0 ? -1 : 1) * orders[abs(i) - 1]) : 0;
      double x = in_type(single, places[j]);
      truth t = true_bessel(nu, x, n);
      double allowed = 8 + x + fabs((double)logl(t.size));
      double e = error_of(single, value(single, BESSEL, nu, x, n, 0), t, allowed);
      if (!(e <= worst)) worst = e;
    }
  printf("Bessel functions of %d bits, derivative %d: %.2f of the bound\n", single ? 32 : 64, n,
         worst);
  CHECK(worst <= 1, "derivatives of Bessel functions by the order are accurate");
}

static void matern_integrals(int single, int n, int m) {
  double worst = 0;
  for (int i = 0; i < ORDERS; i++)
    for (int j = 0; j < PLACES; j++) {
      double nu = in_type(single, orders[i]), z = in_type(single, places[j] * places[j]);
      truth t = true_matern(nu, z, n, m);
      double allowed = 8 + nu + sqrt(z) + (m ? fabs((double)logl(t.size)) : 0);
      double e = error_of(single, value(single, MATERN, nu, z, n, m), t, allowed);
      if (!(e <= worst)) worst = e;
    }
  printf("integrals of %d bits, derivatives %d, %d: %.2f of the bound\n", single ? 32 : 64, n, m,
         worst);
  CHECK(worst <= 1, "Matern integrals are accurate");
}

/* At 0 it is what it tends to, where that is finite, and 0 else. */
static void at_zero(int single) {
  double eps = single ? 0x1p-23 : 0x1p-52;
  for (int i = 0; i < ORDERS; i++)
    for (int m = 0; m < 3; m++)
      for (int n = 0; n < 4; n++) {
        double nu = in_type(single, orders[i]), found = value(single, MATERN, nu, 0, n, m);
        if (nu <= m) {
          CHECK(found == 0, "what is infinite at 0 counts as 0");
          continue;
        }
        truth t = true_matern(nu, 1e-2000L, n, m);
        double allowed = 64 * (8 + nu) * eps;
        CHECK(fabsl(found - t.value) <= allowed * t.size, "the value at 0 is the limit");
      }
}

/* What psi(x + h) - psi(x - h) is and Simpson's rule makes of its derivative, apart. */
static double rise_and_slope(int single, double x) {
  double h = ldexp(1, single ? -2 : -5), p[3], s[3];
  for (int k = 0; k < 3; k++) {
    p[k] = value(single, POLYGAMMA, x + (k - 1) * h, 0, 0, 0);
    s[k] = value(single, POLYGAMMA, x + (k - 1) * h, 0, 1, 0);
  }
  return fabs((p[2] - p[0]) / (2 * h) - (s[0] + 4 * s[1] + s[2]) / 6);
}

/* psi(x + 1) - psi(x) is known, and so for its derivatives, which fall to 0. */
static double worst_step_at(int single, double x) {
  double eps = single ? 0x1p-23 : 0x1p-52, worst = 0, y = in_type(single, x + 1);
  for (int n = 0; n < 6; n++) {
    double next = value(single, POLYGAMMA, y, 0, n, 0), here = value(single, POLYGAMMA, x, 0, n, 0);
    double step = pow(-1, n) * tgamma(n + 1) / pow(x, n + 1);
    if (y - x != 1 || fabs(here) > 1e30) continue;
    worst = fmax(worst, fabs(next - here - step) / eps / fmax(fabs(here), n ? 0 : 1));
  }
  return worst;
}

static void gamma_functions(int single) {
  double eps = single ? 0x1p-23 : 0x1p-52, worst = 0, worst_step = 0, worst_sum = 0;
  for (double place = 1e-3; place < 1e5; place *= 1.07) {
    double x = in_type(single, place), size = fabs((double)lgammal(x));
    double e = fabs((double)(value(single, LOG_GAMMA, x, 0, 0, 0) - lgammal(x))) / eps;
    worst = fmax(worst, e / fmax(4 * size, 40));
    worst_step = fmax(worst_step, worst_step_at(single, x));
    if (x > 1) worst_sum = fmax(worst_sum, rise_and_slope(single, x));
  }
  printf("gamma functions: %.2f of the bound, steps %.1f eps, sums %g\n", worst, worst_step,
         worst_sum);
  CHECK(worst <= 1, "log Gamma is accurate");
  CHECK(worst_step <= 32, "polygamma functions fulfil their recurrence");
  CHECK(worst_sum <= (single ? 4e-3 : 1e-6), "trigamma is the derivative of digamma");
  CHECK(fabs(value(single, POLYGAMMA, 1, 0, 0, 0) + 0.57721566490153286) < 4 * eps, "psi(1)");
  CHECK(fabs(value(single, POLYGAMMA, 1, 0, 1, 0) - 1.6449340668482264) < 8 * eps, "psi'(1)");
  CHECK(fabs(value(single, POLYGAMMA, 1, 0, 2, 0) + 2.4041138063191886) < 16 * eps, "psi''(1)");
}

/* ---- special values ---- */

#define IS(call, want) CHECK((call) == (want), #call)
#define IS_NAN(call) CHECK(isnan(call), #call)

static void special_values(int single) {
  const double inf = INFINITY;
  for (int n = 0; n < 3; n++) {
    IS(value(single, BESSEL, 0.8, 0, n, 0), inf);
    IS(value(single, BESSEL, 0.8, inf, n, 0), 0);
    IS(value(single, BESSEL, 0.8, 1e4, n, 0), 0);
    IS_NAN(value(single, BESSEL, 0.8, -1, n, 0));
    IS_NAN(value(single, BESSEL, 0.8, NAN, n, 0));
    IS_NAN(value(single, BESSEL, NAN, 1, n, 0));
    IS(value(single, MATERN, 0.8, inf, n, 0), 0);
    IS(value(single, MATERN, 0.8, 1e9, n, 0), 0);
    IS_NAN(value(single, MATERN, 0.8, -1, n, 0));
    IS_NAN(value(single, MATERN, 0.8, NAN, n, 0));
    IS_NAN(value(single, MATERN, NAN, 1, n, 0));
    IS_NAN(value(single, MATERN, 0, 1, n, 0));
    IS_NAN(value(single, MATERN, -1, 1, n, 0));
    IS_NAN(value(single, POLYGAMMA, -0.5, 0, n, 0));
    IS_NAN(value(single, POLYGAMMA, NAN, 0, n, 0));
    IS(value(single, POLYGAMMA, inf, 0, n, 0), n ? 0 : inf);
    IS(value(single, POLYGAMMA, 0, 0, n, 0), n % 2 ? inf : -inf);
  }
  IS(value(single, BESSEL, 0, 0, 0, 0), inf);
  IS(value(single, BESSEL, 0, 1, 1, 0), 0);
  IS(value(single, BESSEL, -0.8, 0, 1, 0), -inf);
  IS(value(single, MATERN, 0.8, 1, -1, 0), 0);
  IS(value(single, LOG_GAMMA, 0, 0, 0, 0), inf);
  IS(value(single, LOG_GAMMA, inf, 0, 0, 0), inf);
  IS_NAN(value(single, LOG_GAMMA, -0.5, 0, 0, 0));
  IS_NAN(value(single, LOG_GAMMA, NAN, 0, 0, 0));
}

/* Beside other numbers a lane has the value that it has alone, but for rounding. */
static void lanes_beside_each_other(void) {
  enum { LANES = RK_BYTES / 8 };
  const double z[] = {0, 1e-9, 0.3, 4, 900, 1e6, INFINITY, 1e-4};
  for (int first = 0; first < 8; first++) {
    rk_vec_64 x = {0};
    for (int l = 0; l < LANES; l++) x[l] = z[(first + l) % 8];
    rk_vec_64 y = rk_matern_integral_64(rk_broadcast_64(0.8), x, 1, 0);
    for (int l = 0; l < LANES; l++) {
      double alone = value_64(MATERN, 0.8, x[l], 1, 0);
      CHECK(fabs(y[l] - alone) <= 1e-14 * fabs(alone), "a lane does not depend on the others");
    }
  }
}

int main(void) {
  for (int single = 0; single < 2; single++) {
    if (LDBL_MANT_DIG > DBL_MANT_DIG)
      for (int n = 0; n < 4; n++) {
        bessel_functions(single, n);
        for (int m = 0; m < 3; m++) matern_integrals(single, n, m);
      }
    if (LDBL_MANT_DIG > DBL_MANT_DIG) at_zero(single);
    gamma_functions(single);
    special_values(single);
  }
  lanes_beside_each_other();
  return check_end();
}
