/* The whole pipeline against plain loops: reductions at sizes around the tiles, both lane axes, both
 * precisions, threads, parts, special values, programs of two passes, a reduction added by one entry. */
#include "check.h"

#include "formula/reductions.h"

static const char *const xyb[] = {"x=Vi(3)", "y=Vj(3)", "b=Vj(2)"};

typedef struct {
  int m, n;
  double *x, *y, *b;
  rk_array inputs[3];
} cloud;

static cloud cloud_new(int m, int n, double shift) {
  cloud c = {m, n, random_numbers(3L * m, shift, shift + 1), random_numbers(3L * n, shift, shift + 1),
             random_numbers(2L * n, -1, 2), {{0}}};
  c.inputs[0] = columns_of(c.x, m, 3);
  c.inputs[1] = columns_of(c.y, n, 3);
  c.inputs[2] = columns_of(c.b, n, 2);
  return c;
}

static void cloud_free(cloud *c) {
  free(c->x);
  free(c->y);
  free(c->b);
}

static double square_distance(const cloud *c, int i, int j) {
  double sum = 0;
  for (int k = 0; k < 3; k++) {
    double d = c->x[i + k * c->m] - c->y[j + k * c->n];
    sum += d * d;
  }
  return sum;
}

static double largest_error(const double *a, const double *b, long n, const double *scale) {
  double worst = 0;
  for (long k = 0; k < n; k++) {
    double error = a[k] == b[k] ? 0 : fabs(a[k] - b[k]) / (scale ? scale[k] : 1);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

/* ---- reductions against loops ---- */

static void test_sum(const cloud *c, rk_precision precision) {
  double *out = calloc((size_t)c->m * 2 + 1, sizeof *out), *want = calloc((size_t)c->m * 2 + 1, 8);
  double *scale = calloc((size_t)c->m * 2 + 1, sizeof *scale);
  rk_error error;
  for (int i = 0; i < c->m; i++)
    for (int j = 0; j < c->n; j++)
      for (int k = 0; k < 2; k++) {
        double term = exp(-square_distance(c, i, j)) * c->b[j + k * c->n];
        want[i + k * c->m] += term;
        scale[i + k * c->m] += fabs(term);
      }
  rk_program *p = program_of("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", xyb, 3, precision);
  CHECK(run_values(p, c->inputs, 3, out, &error) == RK_OK, "a Gaussian sum runs");
  for (int k = 0; k < 2 * c->m; k++) scale[k] += 1e-300;
  /* squared distances below 3: a few roundings of each term, double accumulation */
  double bound = precision == RK_FLOAT32 ? 16 * 0x1p-24 : 32 * 0x1p-53;
  CHECK(largest_error(out, want, 2L * c->m, scale) <= bound, "a Gaussian sum is right");
  free(out);
  free(want);
  free(scale);
}

static void test_log_sum(const cloud *c, rk_precision precision) {
  double *out = calloc((size_t)c->m + 1, sizeof *out), *want = calloc((size_t)c->m + 1, 8);
  rk_error error;
  for (int i = 0; i < c->m; i++) {
    for (int j = 0; j < c->n; j++) want[i] += exp(-3 * square_distance(c, i, j));
    want[i] = log(want[i]);
  }
  rk_program *p = program_of("LogSumExp_Reduction(-3*SqDist(x,y), j)", xyb, 3, precision);
  CHECK(run_values(p, c->inputs, 3, out, &error) == RK_OK, "a log-sum-exp runs");
  double bound = precision == RK_FLOAT32 ? 64 * 0x1p-24 : 128 * 0x1p-53;
  CHECK(largest_error(out, want, c->m, NULL) <= bound, "a log-sum-exp is right");
  free(out);
  free(want);
}

static int position_of_rank(const cloud *c, int i, int rank, double *value) {
  int best = -1;
  double least = INFINITY;
  for (int j = 0; j < c->n; j++) {
    double d = square_distance(c, i, j);
    int smaller = 0;
    for (int other = 0; other < c->n; other++) {
      double e = square_distance(c, i, other);
      smaller += e < d || (e == d && other < j);
    }
    if (smaller == rank) best = j, least = d;
  }
  *value = least;
  return best;
}

/* In float64 only: a rounding could exchange neighbours. */
static void test_nearest(const cloud *c) {
  enum { K = 5 };
  double *values = calloc((size_t)c->m * K + 1, sizeof *values);
  int32_t *positions = calloc((size_t)c->m * K + 1, sizeof *positions);
  rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = values},
                         {.type = RK_OUT_INT32, .data = positions, .base = 1, .none_int32 = -7}};
  rk_error error;
  rk_program *p = program_of("KMin_ArgKMin_Reduction(SqDist(x,y), 5, j)", xyb, 3, RK_FLOAT64);
  CHECK(rk_run(p, c->inputs, 3, outputs, NULL, NULL, &error) == RK_OK, "nearest neighbours run");
  int wrong = 0;
  for (int i = 0; i < c->m; i++)
    for (int r = 0; r < K; r++) {
      double value;
      int j = position_of_rank(c, i, r, &value);
      wrong += positions[i + r * c->m] != (j < 0 ? -7 : j + 1);
      wrong += !(values[i + r * c->m] == value || fabs(values[i + r * c->m] - value) < 1e-14);
    }
  CHECK(wrong == 0, "nearest neighbours and their distances are right, none past the last");
  free(values);
  free(positions);
}

static void test_sizes(void) {
  static const int sizes[] = {0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97, 200};
  static const int on_gpus[] = {0, 1, 2, 127, 128, 129, 300};
  const int gpu = check_on_gpu(), *size = gpu ? on_gpus : sizes;
  const int n = gpu ? sizeof on_gpus / sizeof *on_gpus : sizeof sizes / sizeof *sizes;
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      if (!gpu && (a + b) % 3 && a > 1 && b > 1) continue; /* a third of the grid, all edges */
      cloud c = cloud_new(size[a], size[b], 0);
      for (int precision = 0; precision < 2; precision++) {
        test_sum(&c, (rk_precision)precision);
        test_log_sum(&c, (rk_precision)precision);
      }
      if (size[a] * size[b] < 8000) test_nearest(&c);
      cloud_free(&c);
    }
}

/* ---- threads, parts, interruption ---- */

static void test_threads(void) {
  static const char *const texts[] = {
    "Sum_Reduction(Exp(-SqDist(x,y))*b, j)", "LogSumExp_Reduction(-SqDist(x,y), i)",
    "ArgKMin_Reduction(SqDist(x,y), 3, j)", "SumSoftMaxWeight_Reduction(-SqDist(x,y), b, j)",
    "Max_ArgMax_Reduction(x-y, i)"};
  static const int sizes[][2] = {{3000, 700}, {3, 200000}, {200000, 5}, {1, 100000}, {400, 30000}};
  const int less = check_is_small() ? 50 : 1;
  rk_error error;
  for (int s = 0; s < 5; s++) {
    cloud c = cloud_new(1 + (sizes[s][0] - 1) / less, 1 + (sizes[s][1] - 1) / less, 0);
    for (int t = 0; t < 5; t++) {
      rk_program *p = program_of(texts[t], xyb, 3, RK_FLOAT32);
      const rk_result *result = rk_program_info_of(p)->result;
      long rows = result->kept == RK_KIND_I ? c.m : c.n, size = rows * result->field[0].dim * result->field[0].k;
      double *one = calloc((size_t)size, 8), *four = calloc((size_t)size, 8);
      double *second = calloc((size_t)size, 8);
      for (int threads = 1; threads <= 4; threads += 3) {
        rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = threads == 1 ? one : four},
                               {.type = RK_OUT_DOUBLE, .data = second}};
        rk_set_threads(threads, &error);
        CHECK(rk_run(p, c.inputs, 3, outputs, NULL, NULL, &error) == RK_OK, texts[t]);
      }
      CHECK(!memcmp(one, four, (size_t)size * 8), "results do not depend on the number of threads");
      free(one);
      free(four);
      free(second);
    }
    cloud_free(&c);
  }
  rk_set_threads(0, &error);
}

static int stop_at_once(void *data, double done) {
  (void)done;
  ++*(int *)data;
  return 1;
}

static void test_interruption(void) {
  const int n = check_is_small() ? 1000 : 60000;
  cloud c = cloud_new(n, n, 0);
  double *out = calloc((size_t)n * 2, 8);
  rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = out}};
  rk_error error;
  int calls = 0;
  rk_program *p = program_of("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", xyb, 3, RK_FLOAT32);
  CHECK(rk_run(p, c.inputs, 3, outputs, stop_at_once, &calls, &error) == RK_CANCELLED,
        "a poll that says stop ends the call");
  CHECK(calls >= 1 && calls <= 3, "the poll is not called much more after that");
  c.inputs[0].rows = c.inputs[1].rows = c.inputs[2].rows = 100;
  CHECK(rk_run(p, c.inputs, 3, outputs, NULL, NULL, &error) == RK_OK, "the next call runs");
  cloud_free(&c);
  free(out);
}

/* ---- accuracy ---- */

static void test_accuracy(void) {
  static const char *const b[] = {"b=Vj(1)", "x=Vi(1)"};
  static const double terms[] = {0.1, 1.0 / 3, 0.7, 1.9999999, 1.2345678, 1e-20, 3e20};
  const int n = check_is_small() ? 3000 : 1000000;
  double *data = malloc((size_t)n * sizeof *data), x[40] = {0}, out[40];
  rk_error error;
  rk_program *p = program_of("Sum_Reduction(b+0*x, j)", b, 2, RK_FLOAT32);
  for (int m = 1; m <= 40; m += 39)
    for (unsigned t = 0; t < sizeof terms / sizeof *terms; t++) {
      rk_array inputs[] = {columns_of(data, n, 1), columns_of(x, m, 1)};
      for (int k = 0; k < n; k++) data[k] = terms[t];
      run_values(p, inputs, 2, out, &error);
      CHECK(fabs(out[0] / (n * terms[t]) - 1) < 1e-6, "1e6 equal terms: below 1e-6");
      double sum = 0;
      for (int k = 0; k < n; k++) sum += data[k] = terms[t] * uniform();
      run_values(p, inputs, 2, out, &error);
      CHECK(fabs(out[0] / sum - 1) < 1e-7, "1e6 random terms: below 1e-7");
    }
  free(data);
}

/* What a value or a parameter that all terms have in common is multiplied with may overflow, or
 * vanish: it stays where it is. */
static void test_large_factors(void) {
  static const char *const declarations[] = {"x=Vi(1)", "y=Vj(1)", "z=Vj(1)", "p=Pm(1)"};
  static const struct { const char *text; double x, y, z, p, want; } cases[] = {
    {"Sum_Reduction((x*(y+0*x))*Exp(z+0*x), j)", 0, 1e30, 60, 1, 0},
    {"Sum_Reduction((x*(y+0*x))*(z+0*x), j)", 1e-20, 1e20, 1e20, 1, 1e20},
    {"Sum_Reduction((p*Exp(x*y))*Exp(x*z), j)", 1, 60, 60, 1e-30, 1.304180878393632e22},
    {"Sum_Reduction((p*Square(x-y))*Square(x-z), j)", 1e-10, 0, 0, 1e30, 1e-10},
    {"Sum_Reduction(p*Exp(x*y), j)", 1, 88, 0, 1e-10, 1.6516362549940018e28}};
  for (unsigned k = 0; k < sizeof cases / sizeof *cases; k++) {
    double x[1] = {cases[k].x}, y[8], z[8], p[1] = {cases[k].p}, out[1];
    for (int j = 0; j < 8; j++) y[j] = cases[k].y, z[j] = cases[k].z;
    int n = k == 4 ? 8 : 1;
    rk_array inputs[] = {columns_of(x, 1, 1), columns_of(y, n, 1), columns_of(z, n, 1),
                         columns_of(p, 1, 1)};
    rk_error error;
    CHECK(!run_values(program_of(cases[k].text, declarations, 4, RK_FLOAT32), inputs, 4, out,
                      &error), "a product runs");
    double want = n * cases[k].want;
    /* arguments of 120 are rounded: 60 x 2^-23 */
    if (!CHECK(fabs(out[0] - want) <= 64 * 0x1p-22 * want, "a product is not taken apart"))
      printf("  %s: %g, not %g\n", cases[k].text, out[0], want);
  }
}

/* Where each term enters a sum in double by itself, terms of float32 lose nothing but that. */
static void check_each_term(int columns) {
  enum { N = 1000, M = 40, MOST = 40 };
  static double data[N * MOST], x[M], out[M * MOST];
  const rk_options options = {.precision = RK_FLOAT32, .scheme = RK_SCHEME_DIRECT,
                              .accumulator = RK_ACCUMULATOR_FLOAT64};
  const char *declarations[] = {columns == 1 ? "b=Vj(1)" : "b=Vj(40)", "x=Vi(1)"};
  double worst = 0;
  rk_error error;
  rk_program *p;
  for (int k = 0; k < N * columns; k++) data[k] = (float)(0.1 + uniform());
  CHECK(rk_program_get("Sum_Reduction(b+0*x, j)", declarations, 2, &options, &p, &error) == RK_OK,
        "a sum of each term is planned");
  for (int m = 1; m <= M; m += M - 1) {
    rk_array inputs[] = {columns_of(data, N, columns), columns_of(x, m, 1)};
    run_values(p, inputs, 2, out, &error);
    for (int k = 0; k < columns; k++) {
      double sum = 0;
      for (int j = 0; j < N; j++) sum += data[j + k * N];
      for (int i = 0; i < m; i++) worst = fmax(worst, fabs(out[i + k * m] / sum - 1));
    }
  }
  CHECK(worst <= 2 * N * 0x1p-53, "each term enters by itself");
}

static void test_shift(void) {
  for (int sign = -1; sign <= 1; sign += 2) {
    cloud c = cloud_new(100, 100, sign * 6e6);
    test_sum(&c, RK_FLOAT32);
    cloud_free(&c);
  }
  /* a shift must not cost digits of points near 0 */
  cloud d = cloud_new(50, 50, 0);
  d.x[0] = 1e20;
  d.y[3] = -1e15;
  test_sum(&d, RK_FLOAT32);
  cloud_free(&d);
}

static void test_schemes(void) {
  static const char *const texts[] = {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)",
                                      "LogSumExp_Reduction(-SqDist(x,y), Exp(b), j)"};
  cloud c = cloud_new(70, check_is_small() ? 300 : 3000, 0);
  double reference[140], out[140];
  rk_error error;
  for (int t = 0; t < 2; t++) {
    run_values(program_of(texts[t], xyb, 3, RK_FLOAT64), c.inputs, 3, reference, &error);
    for (int precision = 0; precision < 2; precision++)
      for (int scheme = 0; scheme < 4; scheme++)
        for (int accumulator = 0; accumulator < 3; accumulator++) {
          rk_options o = {(rk_precision)precision, (rk_scheme)scheme, (rk_accumulator)accumulator,
                          0};
          rk_program *p;
          rk_status status = rk_program_get(texts[t], xyb, 3, &o, &p, &error);
          if (!status) status = run_values(p, c.inputs, 3, out, &error);
          CHECK(status == RK_OK, "every scheme and accumulator runs");
          double bound = precision == RK_FLOAT32 ? 3000 * 0x1p-24 : 3000 * 0x1p-53;
          CHECK(largest_error(out, reference, 140, reference) < bound, "and gives the sum");
        }
  }
  cloud_free(&c);
}

/* ---- special values ---- */

static double reduce_numbers(const char *text, const double *numbers, int n, double *second) {
  static const char *const declarations[] = {"f=Vj(1)"};
  double out[2] = {0, 0}, positions[2] = {0, 0};
  rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = out, .none_double = -1},
                         {.type = RK_OUT_DOUBLE, .data = second ? positions : out, .none_double = -1}};
  rk_array input = columns_of(numbers, n, 1);
  rk_error error;
  rk_program *p = program_of(text, declarations, 1, RK_FLOAT32);
  if (rk_run(p, &input, 1, outputs, NULL, NULL, &error) != RK_OK) return -99;
  if (second) *second = positions[0];
  return out[0];
}

static void test_special_values(void) {
  const double inf = INFINITY, nan = NAN;
  double none[] = {nan}, with_nan[] = {3, nan, 2, 2, nan}, all_nan[] = {nan, nan}, infinite[] = {inf, inf};
  double minus[] = {-inf, -inf}, mixed[] = {-inf, 1, 1}, up[] = {1, inf, 2}, p;
  double masked[] = {inf, nan, 4, inf}, odd[] = {-inf, 2, nan, inf}, one[] = {1}, zero[] = {-0.0};
  CHECK(isnan(reduce_numbers("Sum_Reduction(f, j)", with_nan, 5, NULL)), "NaN goes through a sum");
  CHECK(reduce_numbers("Min_ArgMin_Reduction(f, j)", with_nan, 5, &p) == 2 && p == 2,
        "Min skips NaN; the first of equals is found");
  CHECK(reduce_numbers("Max_ArgMax_Reduction(f, j)", with_nan, 5, &p) == 3 && p == 0, "Max skips NaN");
  CHECK(reduce_numbers("ArgMin_Reduction(f, j)", all_nan, 2, NULL) == -1, "ArgMin of NaN is nothing");
  CHECK(reduce_numbers("ArgMin_Reduction(f, j)", none, 0, NULL) == -1, "ArgMin of nothing is nothing");
  CHECK(reduce_numbers("ArgMin_Reduction(f, j)", minus, 2, NULL) == 0, "-Inf is a value");
  CHECK(reduce_numbers("ArgMax_Reduction(f, j)", infinite, 2, NULL) == 0, "+Inf is one for maxima");
  CHECK(reduce_numbers("Min_ArgMin_Reduction(f, j)", infinite, 2, &p) == inf && p == -1,
        "+Inf is no candidate of minima");
  CHECK(reduce_numbers("Max_ArgMax_Reduction(f, j)", minus, 2, &p) == -inf && p == -1,
        "-Inf is none of maxima");
  CHECK(reduce_numbers("Min_ArgMin_Reduction(f, j)", masked, 4, &p) == 4 && p == 2,
        "what is no candidate has no position");
  CHECK(reduce_numbers("Min_Reduction(f, j)", all_nan, 2, NULL) == inf, "Min of NaN only is Inf");
  CHECK(isnan(reduce_numbers("MinNaN_Reduction(f, j)", odd, 4, NULL)), "MinNaN sees NaN");
  CHECK(isnan(reduce_numbers("MaxNaN_Reduction(f, j)", odd, 4, NULL)), "and so does MaxNaN");
  CHECK(isnan(reduce_numbers("MinNaN_Reduction(f, j)", all_nan, 2, NULL)), "also without others");
  for (int at = 0; at < 9; at++) {
    double numbers[] = {3, 4, -2, 5, 1, inf, 6, -1, 7};
    numbers[at] = nan;
    CHECK(isnan(reduce_numbers("MinNaN_Reduction(f, j)", numbers, 9, NULL)), "at any place");
    CHECK(reduce_numbers("Min_ArgMin_Reduction(f, j)", numbers, 9, &p) == (at == 2 ? -1 : -2) &&
          p == (at == 2 ? 7 : 2), "which the smallest number is not found by");
  }
  CHECK(reduce_numbers("MinNaN_Reduction(f, j)", odd, 2, NULL) == -inf, "MinNaN of numbers");
  CHECK(reduce_numbers("MaxNaN_Reduction(f, j)", odd, 2, NULL) == 2, "MaxNaN of numbers");
  CHECK(reduce_numbers("MinNaN_Reduction(f, j)", none, 0, NULL) == inf, "an empty MinNaN is Inf");
  CHECK(reduce_numbers("Sum_Reduction(f, j)", none, 0, NULL) == 0, "an empty sum is 0");
  CHECK(reduce_numbers("Min_Reduction(f, j)", none, 0, NULL) == inf, "an empty Min is Inf");
  CHECK(reduce_numbers("Max_Reduction(f, j)", none, 0, NULL) == -inf, "an empty Max is -Inf");
  CHECK(reduce_numbers("LogSumExp_Reduction(f, j)", none, 0, NULL) == -inf, "empty: -Inf");
  CHECK(reduce_numbers("LogSumExp_Reduction(f, j)", minus, 2, NULL) == -inf, "of -Inf: -Inf");
  CHECK(fabs(reduce_numbers("LogSumExp_Reduction(f, j)", mixed, 3, NULL) - 1 - log(2)) < 1e-6,
        "-Inf adds nothing");
  CHECK(reduce_numbers("Sum_Reduction(Inv(-0*f), j)", one, 1, NULL) == -inf, "-0 has its sign");
  CHECK(reduce_numbers("Sum_Reduction(Inv(f-(-0)), j)", zero, 1, NULL) == inf, "-0 - -0 is 0");
  CHECK(reduce_numbers("LogSumExp_Reduction(f, j)", up, 3, NULL) == inf, "+Inf gives +Inf");
  CHECK(isnan(reduce_numbers("LogSumExp_Reduction(f, j)", with_nan, 5, NULL)), "NaN gives NaN");
}

/* The reference of a log-sum-exp follows exponents that rise slowly, fast, from very far below, or
 * not at all. An exponent is scaled and rounded, twice: so is its part of the result. */
static void test_references(void) {
  enum { N = 300 };
  static const double step[] = {0.01, 0.3, 2, 90, -0.3, -90, 1e30};
  double f[N], most = 0, sum = 0;
  for (int s = 0; s < (int)(sizeof step / sizeof *step); s++, most = sum = 0) {
    for (int j = 0; j < N; j++) {
      f[j] = step[s] * (j - (step[s] > 1e9 ? N - 1 : N / 2));
      if (fabs(f[j]) > most && step[s] < 1e9) most = fabs(f[j]);
    }
    double top = f[step[s] > 0 ? N - 1 : 0];
    for (int j = 0; j < N; j++) sum += exp(f[j] - top);
    CHECK(fabs(reduce_numbers("LogSumExp_Reduction(f, j)", f, N, NULL) - top - log(sum)) <=
          (4 * most + 64) * 0x1p-24, "a log-sum-exp follows its exponents");
  }
}

/* An infinite term makes the sum infinite, in every scheme. */
static void test_infinite_sums(void) {
  static const char *const declarations[] = {"f=Vj(1)"};
  double numbers[300], out;
  rk_array input = columns_of(numbers, 300, 1);
  rk_error error;
  for (int k = 0; k < 300; k++) numbers[k] = k == 7 ? -INFINITY : 0.1 * k;
  for (int scheme = 0; scheme < 4; scheme++)
    for (int precision = 0; precision < 2; precision++) {
      rk_options options = {.precision = (rk_precision)precision, .scheme = (rk_scheme)scheme};
      rk_output output = {.type = RK_OUT_DOUBLE, .data = &out};
      rk_program *p;
      rk_status status =
          rk_program_get("Sum_Reduction(f, j)", declarations, 1, &options, &p, &error);
      if (!status) status = rk_run(p, &input, 1, &output, NULL, NULL, &error);
      CHECK(!status && out == -INFINITY, "a sum with -Inf is -Inf in every scheme");
    }
  for (int k = 0; k < 300; k++) numbers[k] = 1e307;
  for (int scheme = 0; scheme < 4; scheme++) {
    rk_options options = {.precision = RK_FLOAT64, .scheme = (rk_scheme)scheme};
    rk_output output = {.type = RK_OUT_DOUBLE, .data = &out};
    rk_program *p;
    CHECK(!rk_program_get("Sum_Reduction(f, j)", declarations, 1, &options, &p, &error) &&
          !rk_run(p, &input, 1, &output, NULL, NULL, &error) && out == INFINITY,
          "a sum that overflows is Inf in every scheme");
  }
}

/* In several parts of columns on a GPU: none has a term of which exp is not 0. */
static void test_low_exponents(void) {
  enum { N = 8000 };
  static const char *const declarations[] = {"f=Vj(1)"};
  double numbers[N], out = 0;
  rk_array input = columns_of(numbers, N, 1);
  rk_error error;
  for (int k = 0; k < N; k++) numbers[k] = -5000;
  rk_program *p = program_of("LogSumExp_Reduction(f, j)", declarations, 1, RK_FLOAT64);
  CHECK(!run_values(p, &input, 1, &out, &error) && fabs(out + 5000 - log(N)) < 1e-9,
        "low exponents have a logarithm of their sum");
}

/* ---- a reduction by one entry ---- */

static void merge_product(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q,
                          ptrdiff_t lw, int K) {
  (void)p; (void)ld; (void)q; (void)lw; (void)K;
  *v *= *w;
}
static double value_itself(const rk_finish *f, int column) { (void)column; return f->value; }
static const rk_reduction product = {
  .name = "Prod", .any_dim = 1, .neutral = 1, .enter = "v[0] = v[0] * g;",
  .merge = merge_product, .merge_text = "{ *v *= *w; }", .fields = 1,
  .field = {{.value = value_itself, .value_text = "{ (void)column; return f->value; }"}},
  .documentation = "product"};

static void test_product(void) {
  CHECK(rk_reduction_add(&product) == RK_OK, "an entry is added");
  static const int sizes[][2] = {{1, 50}, {3, 100000}, {5, 1}, {40, 333}, {1000, 20000}};
  const int less = check_is_small() ? 20 : 1;
  rk_error error;
  rk_program *p = program_of("Prod_Reduction(1 + (x-y)*SqNorm2(b)/1000, j)", xyb, 3, RK_FLOAT64);
  for (int s = 0; s < 5; s++) {
    cloud c = cloud_new(1 + (sizes[s][0] - 1) / less, 1 + (sizes[s][1] - 1) / less, 0);
    double *one = calloc((size_t)c.m * 3, 8), *two = calloc((size_t)c.m * 3, 8), worst = 0;
    for (int threads = 1; threads <= 2; threads++) {
      rk_set_threads(threads, &error);
      CHECK(run_values(p, c.inputs, 3, threads == 1 ? one : two, &error) == RK_OK, "it runs");
    }
    CHECK(!memcmp(one, two, (size_t)c.m * 24), "on threads, split and merged, with the same bits");
    for (int i = 0; i < c.m && i < 20; i++) {
      double want = 1;
      for (int j = 0; j < c.n; j++)
        want *= 1 + (c.x[i] - c.y[j]) *
                    (c.b[j] * c.b[j] + c.b[j + c.n] * c.b[j + c.n]) / 1000;
      double error_of = fabs(one[i] / want - 1) / c.n;
      if (!(error_of <= worst)) worst = error_of;
    }
    CHECK(worst < 8 * 0x1p-53, "the product is right");
    free(one);
    free(two);
    cloud_free(&c);
  }
  rk_set_threads(0, &error);
}

/* The K last values that are numbers: a list whose order is not that of its values. Both parts of a
 * merge are in order, "none" last. */
#define CODE_AND_TEXT(name, ...)                                                                   \
  static void name(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q,         \
                   ptrdiff_t lw, int K) __VA_ARGS__                                                \
  static const char name##_text[] = #__VA_ARGS__;
CODE_AND_TEXT(merge_last, {
  for (int a = 0; a < K && q[a * lw] != RK_NO_POSITION; a++) {
    int r = K;
    while (r > 0 && (p[(r - 1) * ld] == RK_NO_POSITION || p[(r - 1) * ld] < q[a * lw])) r--;
    for (int s = K - 1; s > r; s--) {
      v[s * ld] = v[(s - 1) * ld];
      p[s * ld] = p[(s - 1) * ld];
    }
    if (r < K) {
      v[r * ld] = w[a * lw];
      p[r * ld] = q[a * lw];
    }
  }
})
static const rk_reduction last_values = {
  .name = "KLast", .ranked = 1, .any_dim = 1, .keeps_positions = 1, .neutral = NAN,
  .enter = "const mask in = rk_eq(g, g);\n"
           "RK_RANKS for (int r = K - 1; r > 0; r--) {\n"
           "  v[r] = rk_select(in, v[r - 1], v[r]);\n"
           "  p[r] = rk_iselect(in, p[r - 1], p[r]);\n"
           "}\n"
           "v[0] = rk_select(in, g, v[0]);\n"
           "p[0] = rk_iselect(in, j, p[0]);",
  .merge = merge_last, .merge_text = merge_last_text, .fields = 2,
  .field = {{.value = value_itself, .value_text = "{ (void)column; return f->value; }"},
            {.is_position = 1}},
  .documentation = "the K last values"};

/* y_j = j, and no number in every seventh place. */
static int wrong_last(const double *values, const int32_t *positions, int m, int n, int K) {
  int wrong = 0;
  for (int i = 0; i < m; i++)
    for (int r = 0, j = n - 1; r < K; r++, j--) {
      if (j % 7 == 3) j--;
      double value = values[i + m * r];
      wrong += positions[i + m * r] != (j < 0 ? -7 : j);
      wrong += j < 0 ? !isnan(value) : value != i + j;
    }
  return wrong;
}

static void test_last_values(void) {
  enum { MOST = 70 };
  static const char *const declarations[] = {"x=Vi(1)", "y=Vj(1)"};
  static const int lists[] = {3, 63, 64, MOST}, sizes[][2] = {{70, 300}, {1, 300}, {3, 40}, {2, 9000}};
  CHECK(rk_reduction_add(&last_values) == RK_OK, "an entry is added");
  for (int s = 0; s < 4; s++) {
    int m = sizes[s][0], n = sizes[s][1];
    double *x = calloc((size_t)(m + n), sizeof *x), *y = x + m;
    double *values = calloc((size_t)m * MOST, sizeof *values);
    int32_t *positions = calloc((size_t)m * MOST, sizeof *positions);
    rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = values},
                           {.type = RK_OUT_INT32, .data = positions, .none_int32 = -7}};
    rk_array inputs[] = {columns_of(x, m, 1), columns_of(y, n, 1)};
    rk_error error;
    for (int i = 0; i < m; i++) x[i] = i;
    for (int j = 0; j < n; j++) y[j] = j % 7 == 3 ? NAN : j;
    for (int k = 0; k < 4; k++) {
      char text[64];
      snprintf(text, sizeof text, "KLast_Reduction(x+y, %d, j)", lists[k]);
      rk_program *p = program_of(text, declarations, 2, RK_FLOAT64);
      CHECK(rk_run(p, inputs, 2, outputs, NULL, NULL, &error) == RK_OK, "a list of last values runs");
      CHECK(!wrong_last(values, positions, m, n, lists[k]), "it is what the entry says, of any length");
    }
    free(x);
    free(values);
    free(positions);
  }
}

/* A list that values enter together, over several chunks of columns: the later, the smaller. */
static void test_long_list(void) {
  enum { K = 64, N = 150000 };
  static const char *const declarations[] = {"y=Vj(1)"};
  double *y = calloc(N, sizeof *y);
  int32_t at[K];
  rk_output output = {.type = RK_OUT_INT32, .data = at};
  rk_array input = columns_of(y, N, 1);
  rk_error error;
  int wrong = 0;
  for (int j = 0; j < N; j++) y[j] = -j;
  rk_program *p = program_of("ArgKMin_Reduction(y, 64, j)", declarations, 1, RK_FLOAT64);
  CHECK(rk_run(p, &input, 1, &output, NULL, NULL, &error) == RK_OK, "a long list runs");
  for (int r = 0; r < K; r++) wrong += at[r] != N - 1 - r;
  CHECK(!wrong, "positions count from the first column of all");
  free(y);
}

/* ---- the smallest value and its position ---- */

/* Small whole numbers, of which many are equal, the smallest ones late; no candidates in places. */
static double candidate(int j, int n) {
  if (j % 11 == 3) return NAN;
  if (j % 13 == 5) return INFINITY;
  return 20 + (j * 7919LL) % 1009 - (j > n / 2) * 15 - (j > n - n / 9) * 5;
}

static int wrong_least(const double *values, const int32_t *positions, const double *x,
                       const double *y, int m, int n) {
  int wrong = 0;
  for (int c = 0; c < 2; c++)
    for (int i = 0; i < m; i++) {
      double least = INFINITY;
      int32_t at = -7;
      for (int j = 0; j < n; j++) {
        double value = c ? x[i] * y[j] : fabs(x[i] - y[j]);
        if (!(value < least)) continue;
        least = value;
        at = j;
      }
      wrong += values[i + m * c] != least || positions[i + m * c] != at;
    }
  return wrong;
}

static void test_least(void) {
  static const char *const declarations[] = {"x=Vi(1)", "y=Vj(1)"};
  static const char *const texts[] = {"Min_ArgMin_Reduction(Concat(Abs(x-y),x*y), j)",
                                      "KMin_ArgKMin_Reduction(Concat(Abs(x-y),x*y), 1, j)"};
  static const int sizes[][2] = {{300, 3}, {70, 50}, {70, 6001}, {1, 50}, {3, 100000}};
  for (int s = 0; s < 5; s++) {
    int m = sizes[s][0], n = sizes[s][1];
    double *x = calloc((size_t)(m + n), sizeof *x), *y = x + m;
    double *values = calloc((size_t)m * 2, sizeof *values);
    int32_t *positions = calloc((size_t)m * 2, sizeof *positions);
    rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = values},
                           {.type = RK_OUT_INT32, .data = positions, .none_int32 = -7}};
    rk_array inputs[] = {columns_of(x, m, 1), columns_of(y, n, 1)};
    rk_error error;
    for (int i = 0; i < m; i++) x[i] = i % 60 + 1;
    for (int j = 0; j < n; j++) y[j] = candidate(j, n);
    for (int k = 0; k < 4; k++) {
      rk_program *p = program_of(texts[k / 2], declarations, 2, k % 2 ? RK_FLOAT64 : RK_FLOAT32);
      CHECK(rk_run(p, inputs, 2, outputs, NULL, NULL, &error) == RK_OK, "a minimum runs");
      CHECK(!wrong_least(values, positions, x, y, m, n), "it is the first of the smallest values");
    }
    free(x);
    free(values);
    free(positions);
  }
}

/* ---- programs of two passes ---- */

static void test_two_passes(void) {
  cloud c = cloud_new(150, 90, 0);
  double out[150], want[150], shift[150];
  rk_error error;
  rk_program *p = program_of("F = -4*SqDist(x,y); L = LogSumExp_Reduction(F, j);"
                             "Sum_Reduction(Exp(F - L), j)", xyb, 3, RK_FLOAT64);
  CHECK(run_values(p, c.inputs, 3, out, &error) == RK_OK, "a program of two passes runs");
  for (int i = 0; i < 150; i++) want[i] = 1;
  CHECK(largest_error(out, want, 150, NULL) < 1e-13, "sum of exp(F - lse) is 1");
  /* the result of the first pass as a variable of the other index, and of a third pass */
  p = program_of("L = LogSumExp_Reduction(-SqDist(x,y), i); S = Sum_Reduction(Exp(L)*x, j);"
                 "Sum_Reduction(Sum(S) + L, j)", xyb, 3, RK_FLOAT64);
  CHECK(run_values(p, c.inputs, 3, out, &error) == RK_OK, "a program of three passes runs");
  double l[90], sum_exp = 0, sum_l = 0;
  for (int j = 0; j < 90; j++) {
    l[j] = 0;
    for (int i = 0; i < 150; i++) l[j] += exp(-square_distance(&c, i, j));
    l[j] = log(l[j]);
    sum_exp += exp(l[j]);
    sum_l += l[j];
  }
  for (int i = 0; i < 150; i++) {
    shift[i] = 90 * sum_exp * (c.x[i] + c.x[i + 150] + c.x[i + 300]) + sum_l;
  }
  CHECK(largest_error(out, shift, 150, shift) < 1e-12, "and reads results of both indices");
  cloud_free(&c);
}

/* ---- refused ---- */

static void test_refused(void) {
  rk_error error;
  cloud c = cloud_new(4, 5, 0);
  double out[64];
  rk_program *p = program_of("Sum_Reduction(x*Elem(b,0)+y, j)", xyb, 3, RK_FLOAT32);
  rk_array bad[3] = {c.inputs[0], c.inputs[1], c.inputs[2]};
  bad[2].rows = 4;
  CHECK(run_values(p, bad, 3, out, &error) == RK_ERROR_SHAPE && strstr(error.message, "`b`") &&
        strstr(error.message, "`y`"), "rows that do not agree are named");
  bad[2] = c.inputs[2];
  bad[0].dim = 2;
  CHECK(run_values(p, bad, 3, out, &error) == RK_ERROR_SHAPE && strstr(error.message, "`x`"),
        "a wrong number of columns is named");
  CHECK(run_values(p, bad, 2, out, &error) == RK_ERROR_SHAPE, "a missing input is refused");
  rk_array huge[3] = {c.inputs[0], c.inputs[1], c.inputs[2]};
  huge[1].rows = huge[2].rows = 1LL << 31;
  rk_output positions = {.type = RK_OUT_INT32, .data = out};
  p = program_of("ArgMin_Reduction(x*Elem(b,0)+y, j)", xyb, 3, RK_FLOAT32);
  CHECK(rk_run(p, huge, 3, &positions, NULL, NULL, &error) == RK_ERROR_SHAPE,
        "positions that do not fit in 32 bits are refused");
  cloud_free(&c);
}

/* More columns than a 32-bit number counts: the same row again and again, 9 GB when packed. */
static void test_many_columns(void) {
  static const char *const declarations[] = {"x=Vi(1)", "y=Vj(1)"};
  const int64_t many = 2200000000;
  double one = 1, x[40], out[40];
  rk_error error;
  for (int i = 0; i < 40; i++) x[i] = i + 1;
  rk_program *p = program_of("Sum_Reduction(x*y, j)", declarations, 2, RK_FLOAT32);
  for (int m = 1; m <= 40; m += 39) {
    rk_array inputs[] = {columns_of(x, m, 1), {&one, many, 1, 0, 0, NULL}};
    rk_status status = run_values(p, inputs, 2, out, &error);
    if (status == RK_ERROR_MEMORY) check_skipped++;
    else CHECK(!status && out[0] == many && out[m - 1] == (double)m * many, "2.2e9 terms are added");
  }
}

int main(void) {
  check_configure();
  if (getenv("RKEOPS_TEST_FULL")) test_many_columns();
  test_sizes();
  test_threads();
  test_interruption();
  test_accuracy();
  test_shift();
  test_schemes();
  test_large_factors();
  check_each_term(1);
  check_each_term(40);
  test_special_values();
  test_references();
  test_infinite_sums();
  test_low_exponents();
  test_product();
  test_last_values();
  if (!check_is_small()) test_long_list();
  test_least();
  test_two_passes();
  test_refused();
  return check_end();
}
