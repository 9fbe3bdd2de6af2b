/* The whole pipeline against plain loops: reductions at sizes around the tiles, both lane axes, both
 * precisions, threads, parts, special values, programs of two passes, a reduction added by one entry. */
#include "oracle.h"

#include "formula/reductions.h"

/* ---- reductions against loops ---- */

static void test_sizes(void) {
  static const int sizes[] = {0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97, 200};
  static const int on_gpus[] = {0, 1, 2, 127, 128, 129, 300};
  static const int rule[] = {SUM, FIRST_EXPONENTIAL, NEAREST};
  const int gpu = check_on_gpu(), *size = gpu ? on_gpus : sizes;
  const int n = gpu ? sizeof on_gpus / sizeof *on_gpus : sizeof sizes / sizeof *sizes;
  for (int a = 0; a < n; a++)
    for (int b = 0; b < n; b++) {
      if (!gpu && (a + b) % 3 && a > 1 && b > 1) continue; /* a third of the grid, all edges */
      cloud *c = cloud_new(size[a], size[b], 3, 2, 0, 0);
      for (int precision = 0; precision < 2; precision++)
        for (int k = 0; k < 3; k++) {
          const rk_options options = {.precision = (rk_precision)precision};
          check_rule(c, rule[k], kind_for(rule[k]), 'j', &options, 0);
        }
      cloud_free(c);
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
    cloud *c = cloud_new(1 + (sizes[s][0] - 1) / less, 1 + (sizes[s][1] - 1) / less, 3, 2, 0, 0);
    for (int t = 0; t < 5; t++) {
      rk_program *p = program_of(texts[t], c->declaration, 3, RK_FLOAT32);
      const rk_result *result = rk_program_info_of(p)->result;
      long rows = result->kept == RK_KIND_I ? c->m : c->n;
      long size = rows * result->field[0].dim * result->field[0].k;
      double *one = calloc((size_t)size, 8), *four = calloc((size_t)size, 8);
      double *second = calloc((size_t)size, 8);
      for (int threads = 1; threads <= 4; threads += 3) {
        rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = threads == 1 ? one : four},
                               {.type = RK_OUT_DOUBLE, .data = second}};
        rk_set_threads(threads, &error);
        CHECK(rk_run(p, c->input, 3, outputs, NULL, NULL, &error) == RK_OK, texts[t]);
      }
      CHECK(!memcmp(one, four, (size_t)size * 8), "results do not depend on the number of threads");
      free(one);
      free(four);
      free(second);
    }
    cloud_free(c);
  }
  rk_set_threads(0, &error);
}

static int stop_at_once(void *data, double done) {
  (void)done;
  ++*(int *)data;
  return 1;
}

static void test_interruption(void) {
  const int n = (int)check_long_rows();
  cloud *c = cloud_new(n, n, 3, 2, 0, 0);
  double *out = calloc((size_t)n * 2, 8);
  rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = out}};
  rk_error error;
  int calls = 0;
  rk_program *p = program_of("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", c->declaration, 3,
                             RK_FLOAT32);
  CHECK(rk_run(p, c->input, 3, outputs, stop_at_once, &calls, &error) == RK_CANCELLED,
        "a poll that says stop ends the call");
  CHECK(calls >= 1 && calls <= 3, "the poll is not called much more after that");
  c->input[0].rows = c->input[1].rows = c->input[2].rows = 100;
  CHECK(rk_run(p, c->input, 3, outputs, NULL, NULL, &error) == RK_OK, "the next call runs");
  cloud_free(c);
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

/* Points far from 0, on either side, and a few that are while the others are near it: these lose no
 * digits. */
static void test_shift(void) {
  const rk_options options = {.precision = RK_FLOAT32};
  for (int far = -1; far < 2; far++) {
    cloud *c = cloud_new(100, 100, 3, 2, far * 6e6, 0);
    if (!far) c->x[0] = 1e20, c->y[3] = -1e15;
    check_rule(c, SUM, GAUSS, 'j', &options, 0);
    cloud_free(c);
  }
}

static void test_schemes(void) {
  const int n = check_is_small() ? 300 : 3000;
  cloud *c = cloud_new(70, n, 3, 2, 0, 0);
  for (int number = 0; number <= FIRST_EXPONENTIAL; number += FIRST_EXPONENTIAL)
    for (int precision = 0; precision < 2; precision++)
      for (int scheme = 0; scheme < 4; scheme++)
        for (int accumulator = 0; accumulator < 3; accumulator++) {
          const rk_options o = {(rk_precision)precision, (rk_scheme)scheme,
                                (rk_accumulator)accumulator, check_on_gpu() && accumulator == 2};
          problem q = problem_of(c, &rules[number], kind_for(number), 'j', &o, 0);
          if (scheme == RK_SCHEME_DIRECT) q.summing = n;
          if (scheme == RK_SCHEME_BLOCK) q.summing = 128;
          if (o.fast_math) q.summing += 64;
          CHECK(!wrong_in(&q, &o, c->input), "every scheme and accumulator is right");
        }
  cloud_free(c);
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
  CHECK(reduce_numbers("KMin_Reduction(f, 2, j)", mixed, 1, NULL) == -inf, "K of fewer numbers");
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
static const rk_reduction product_entry = {
  .name = "Prod", .any_dim = 1, .neutral = 1, .enter = "v[0] = v[0] * g;",
  .merge = merge_product, .merge_text = "{ *v *= *w; }", .fields = 1,
  .field = {{.value = value_itself, .value_text = "{ (void)column; return f->value; }"}},
  .documentation = "product"};

static void test_product(void) {
  CHECK(rk_reduction_add(&product_entry) == RK_OK, "an entry is added");
  static const int sizes[][2] = {{1, 50}, {3, 100000}, {5, 1}, {40, 333}, {1000, 20000}};
  const int less = check_is_small() ? 20 : 1;
  rk_error error;
  for (int s = 0; s < 5; s++) {
    cloud *c = cloud_new(1 + (sizes[s][0] - 1) / less, 1 + (sizes[s][1] - 1) / less, 3, 2, 0, 0);
    rk_program *p = program_of("Prod_Reduction(1 + (x-y)*SqNorm2(b)/1000, j)", c->declaration, 3,
                               RK_FLOAT64);
    double *one = calloc((size_t)c->m * 3, 8), *two = calloc((size_t)c->m * 3, 8), worst = 0;
    for (int threads = 1; threads <= 2; threads++) {
      rk_set_threads(threads, &error);
      CHECK(run_values(p, c->input, 3, threads == 1 ? one : two, &error) == RK_OK, "it runs");
    }
    CHECK(!memcmp(one, two, (size_t)c->m * 24), "on threads, split and merged, with the same bits");
    for (int i = 0; i < c->m && i < 20; i++) {
      double want = 1;
      for (int j = 0; j < c->n; j++)
        want *= 1 + (c->x[i] - c->y[j]) *
                    (c->b[j] * c->b[j] + c->b[j + c->n] * c->b[j + c->n]) / 1000;
      double error_of = fabs(one[i] / want - 1) / c->n;
      if (!(error_of <= worst)) worst = error_of;
    }
    CHECK(worst < 8 * 0x1p-53, "the product is right");
    free(one);
    free(two);
    cloud_free(c);
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
        at = j + 1;
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
                           {.type = RK_OUT_INT32, .data = positions, .base = 1, .none_int32 = -7}};
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
  enum { M = 150, N = 90 };
  cloud *c = cloud_new(M, N, 3, 2, 0, 0);
  double out[M], worst = 0, error, sum_exp = 0, sum_l = 0;
  rk_program *p = program_of("F = -4*SqDist(x,y); L = LogSumExp_Reduction(F, j);"
                             "Sum_Reduction(Exp(F - L), j)", c->declaration, 3, RK_FLOAT64);
  CHECK(run_values(p, c->input, 3, out, &last) == RK_OK, "a program of two passes runs");
  for (int i = 0; i < M; i++) worst = fmax(worst, fabs(out[i] - 1));
  CHECK(worst < 1e-13, "sum of exp(F - lse) is 1");
  /* the result of the first pass as a variable of the other index, and of a third pass */
  p = program_of("L = LogSumExp_Reduction(-SqDist(x,y), i); S = Sum_Reduction(Exp(L)*x, j);"
                 "Sum_Reduction(Sum(S) + L, j)", c->declaration, 3, RK_FLOAT64);
  CHECK(run_values(p, c->input, 3, out, &last) == RK_OK, "a program of three passes runs");
  for (int j = 0; j < N; j++) {
    double sum = 0;
    for (int i = 0; i < M; i++) sum += exp(-square_distance(c, i, j, &error));
    sum_exp += sum;
    sum_l += log(sum);
  }
  for (int i = 0; i < M; i++) {
    double want = N * sum_exp * (c->x[i] + c->x[i + M] + c->x[i + 2 * M]) + sum_l;
    worst = fmax(worst, fabs(out[i] - want) / want);
  }
  CHECK(worst < 1e-12, "and reads results of both indices");
  cloud_free(c);
}

/* ---- refused ---- */

static void test_refused(void) {
  rk_error error;
  cloud *c = cloud_new(4, 5, 3, 2, 0, 0);
  double out[64];
  rk_program *p = program_of("Sum_Reduction(x*Elem(b,0)+y, j)", c->declaration, 3, RK_FLOAT32);
  rk_array bad[3] = {c->input[0], c->input[1], c->input[2]};
  bad[2].rows = 4;
  CHECK(run_values(p, bad, 3, out, &error) == RK_ERROR_SHAPE && strstr(error.message, "`b`") &&
        strstr(error.message, "`y`"), "rows that do not agree are named");
  bad[2] = c->input[2];
  bad[0].dim = 2;
  CHECK(run_values(p, bad, 3, out, &error) == RK_ERROR_SHAPE && strstr(error.message, "`x`"),
        "a wrong number of columns is named");
  CHECK(run_values(p, bad, 2, out, &error) == RK_ERROR_SHAPE, "a missing input is refused");
  rk_array huge[3] = {c->input[0], c->input[1], c->input[2]};
  huge[1].rows = huge[2].rows = 1LL << 31;
  rk_output positions = {.type = RK_OUT_INT32, .data = out};
  p = program_of("ArgMin_Reduction(x*Elem(b,0)+y, j)", c->declaration, 3, RK_FLOAT32);
  CHECK(rk_run(p, huge, 3, &positions, NULL, NULL, &error) == RK_ERROR_SHAPE,
        "positions that do not fit in 32 bits are refused");
  cloud_free(c);
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
    rk_array inputs[] = {columns_of(x, m, 1), {&one, many, 1, 0, 0, NULL, 0}};
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
