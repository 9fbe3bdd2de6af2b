/* What is found out about data before it is packed in float32: values on the host, ranks, centres. */
#include "check.h"
#include "formula/operations.h"
#include "formula/parser.h"
#include "look/centre.h"
#include "look/evaluate.h"
#include "look/ranks.h"
#include "run/ranges.h"

#include <float.h>

/* ---- values on the host ---- */

enum { ROWS = 600 };

static const char *const texts[] = {
  "x", "x*u + w", "Exp(-Square(x))", "Sum(x*w)", "Elem(x,2)", "Concat(u,x)",
  "Extract(Concat(x,w),1,4)",
  "MatVecMult(m,x)", "VecMatMult(x,m)", "TensorProd(x,u)", "IfElse(u,x,w)", "Where(x<w,x,u)",
  "Max(x)", "ArgMin(x)", "Norm2(x)", "SqDist(x,w)", "WeightedSqNorm(w,x)", "Powf(Abs(u),w)", "w",
  "Sum(w) * 2", "u < 0.5", "Rsqrt(Abs(x))", "Normalize(x)", "Clamp(x,0,w)", "SumT(u,5)",
  "OneHot(2,4)*u", "Reverse(x)"};

/* As a compiled program gives it: the sum over one column. */
static int run_compiled(const char *text, const char *const *declarations, int n,
                        const rk_array *inputs, double *out, int *dim) {
  char whole[200];
  rk_program *program;
  rk_error error;
  const rk_options options = {.precision = RK_FLOAT64};
  snprintf(whole, sizeof whole, "Sum_Reduction(%s, j)", text);
  if (rk_program_get(whole, declarations, n, &options, &program, &error)) return 0;
  *dim = rk_program_info_of(program)->result[0].field[0].dim;
  rk_output output = {.type = RK_OUT_DOUBLE, .data = out};
  return !rk_run(program, inputs, n, &output, NULL, NULL, &error);
}

static int is_near(double a, double b) {
  return a == b || (a != a && b != b) || fabs(a - b) <= 64 * DBL_EPSILON * (fabs(a) + fabs(b) + 1);
}

/* By graph variable: inputs, then numbers that were lifted out of the text. */
static void fill_values(rk_graph *graph, const rk_array *inputs, rk_array *value) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    rk_graph_variable *v = rk_graph_variable_at(graph, k);
    value[k] = v->origin == RK_FROM_INPUT ? inputs[v->source]
                                          : (rk_array){&v->number, 1, 1, 1, 1, NULL, 0};
  }
}

/* Blocks end where they may, the last one is not whole, and arrays have strides. */
static void test_evaluator(int stride) {
  static const char *const declarations[] = {"x=Vi(3)", "u=Vi(1)", "w=Pm(3)", "m=Pm(9)"};
  static double data[2 * 4 * ROWS + 12], out[9 * ROWS];
  for (size_t k = 0; k < sizeof data / sizeof *data; k++) data[k] = 2 * uniform() - 1;
  double *parameters = data + 8 * ROWS;
  const rk_array inputs[] = {
    {data, ROWS, 3, stride, stride == 1 ? ROWS : 1, NULL, 0},
    {data + 6 * ROWS, ROWS, 1, stride == 1 ? 1 : 2, 1, NULL, 0},
    {parameters, 1, 3, 1, 1, NULL, 0}, {parameters + 3, 1, 9, 1, 1, NULL, 0}};
  for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
    rk_graph *graph = rk_graph_new();
    const rk_node *root;
    rk_array value[16];
    rk_evaluator e;
    rk_error error = {0};
    int dim = 0, wrong = 0;
    if (!CHECK(!rk_parse_expression(graph, texts[t], declarations, 4, &root, &error) &&
                   run_compiled(texts[t], declarations, 4, inputs, out, &dim) && dim == root->dim,
               texts[t]))
      puts(error.message);
    fill_values(graph, inputs, value);
    if (dim && CHECK(!rk_evaluator_begin(&e, graph, value, &root, 1, &error), texts[t])) {
      for (int64_t first = 0; first < ROWS; first += e.block) {
        int n = ROWS - first < e.block ? (int)(ROWS - first) : e.block;
        rk_evaluate(&e, first, n);
        for (int c = 0; c < dim; c++)
          for (int r = 0; r < n; r++) {
            rk_operand x = rk_evaluated(&e, root, c);
            wrong += !is_near(x.at[x.step * r], out[c * ROWS + first + r]);
          }
      }
      CHECK(!wrong, texts[t]);
      rk_evaluator_end(&e);
    }
    rk_graph_free(graph);
  }
}

/* ---- ranks ---- */

static void test_ranks(int kind) {
  enum { N = 700 };
  double value[2][N], before[2][N], *column[] = {value[0], value[1]};
  int64_t length[] = {N, kind == 2 ? 0 : N - 3}, ranks;
  rk_error error;
  int wrong = 0, kept = 1;
  for (int k = 0; k < 2; k++)
    for (int r = 0; r < N; r++) {
      double u = uniform();
      value[k][r] = kind == 0 ? floor(100 * u) : kind == 1 ? 1e9 + floor(300 * u) / 7
                                                           : 1e3 * tan(3 * (u - 0.5));
      if (kind && r % 50 == 7)
        value[k][r] = r % 4 == 0 ? NAN : r % 4 == 1 ? INFINITY : r % 4 == 2 ? -0.0 : 0;
    }
  memcpy(before, value, sizeof value);
  CHECK(!rk_rank(column, length, 2, &ranks, (rk_caller){.error = &error}), "values are ranked");
  for (int k = 0; k < 2; k++)
    for (int r = 0; r < length[k]; r++) {
      double a = before[k][r], x = value[k][r], b = before[0][r], y = value[0][r];
      wrong += (a < b) != (x < y) || (a == b) != (x == y) || (x == x && x > (double)ranks && kind);
      kept &= x == a || a != a;
    }
  CHECK(!wrong, "ranks compare as the values do, also with those of the other column");
  CHECK(kind == 0 ? kept && !ranks : !kept && ranks > 1, "floats that are exact stay as they are");
}

/* ---- centres ---- */

typedef struct { double value[2][RK_SAMPLE]; rk_sample sample; } samples;

static rk_sample *drawn(samples *s, double (*make)(int k)) {
  double low = INFINITY, high = -INFINITY;
  for (int side = 0; side < 2; side++)
    for (int k = 0; k < RK_SAMPLE; k++) {
      double v = s->value[side][k] = make(k);
      if (v < low) low = v;
      if (v > high && v < INFINITY) high = v;
    }
  s->sample = (rk_sample){s->value[0], s->value[1], RK_SAMPLE, RK_SAMPLE, 1, 1, 1, low, high,
                          0, FLT_MAX};
  return &s->sample;
}

static double even(int k) { return 4.5e6 + 500 * uniform() + 0 * k; }
static double tailed(int k) { return exp(12 * uniform()) + 0 * k; }
static double two(int k) { return even(k) + k % 2 * 1e6; }
static double few(int k) { return k % 200 == 1 ? 0 : even(k); }
static double scales(int k) { return k % 5 < 2 ? 1e-2 * uniform() : 6e6 + uniform(); }
static double huge(int k) { return (k % 200 == 1 ? -3e38 : 3e38) * (1 + 1e-12 * uniform()); }
static double minute(int k) { return 1e-307 * (uniform() - 0.5) + 0 * k; }
static double whole(int k) { return floor(1000 * uniform()) + k % 2 * 1e6; }

static void test_centre(const char *what, double (*make)(int k), int quick, double low,
                        double high, int enough) {
  static samples s;
  rk_centring found;
  rk_sample *sample = drawn(&s, make);
  double rounding = 0;
  CHECK(rk_centre_quickly(sample, &found) == quick, what);
  rk_centre(sample, &found);
  CHECK(found.centre >= low && found.centre <= high, what);
  for (int k = 0; k < RK_SAMPLE; k++) {
    double rest = make(k) - found.centre;
    rounding = fmax(rounding, fabs(rest - (double)(float)rest));
  }
  CHECK(rk_centre_is_enough(&found, rounding) == enough, what);
}

/* ---- ranges ---- */

/* Whole vectors and what is left, with some numbers that are none, or 0, or tiny. */
static void test_ranges(void) {
  static const double strange[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1e-310, -1e-60, 3, 1e300};
  enum { MOST = 40, KINDS = sizeof strange / sizeof *strange };
  double at[MOST];
  int wrong = 0;
  for (int trial = 0; trial < 20000; trial++) {
    const int n = trial % (MOST + 1), often = trial % 7;
    rk_extremes truth = rk_nothing;
    for (int k = 0; k < n; k++) {
      at[k] = 10 * uniform() < often ? strange[(int)(KINDS * uniform())] : 2 * uniform() - 1.5;
      if (at[k] - at[k] != 0) continue;
      truth.low = fmin(truth.low, at[k]), truth.high = fmax(truth.high, at[k]);
      if (at[k] != 0) truth.least = fmin(truth.least, fabs(at[k]));
    }
    const rk_extremes range = rk_range_of(at, 1, n), sizes = rk_sizes_of_numbers(at, n);
    wrong += range.low != truth.low || range.high != truth.high || sizes.least != truth.least;
    wrong += rk_greatest_around(0, sizes.low, sizes.high) !=
             rk_greatest_around(0, truth.low, truth.high);
  }
  CHECK(!wrong, "ranges, and sizes but 0, of numbers that are finite");
}

/* ---- calls ---- */

/* A phase by what an earlier pass makes; data whose inverse is no double. */
static void test_calls(void) {
  static const char *const names[] = {"x=Vi(1)", "y=Vj(1)", "p=Pm(1)", "v=Vi(1)"};
  static const char *const text[] = {
    "Sum_Reduction(Sin(Grad(Sum_Reduction(Sin(p*(x-y)),j),p,v)*(x-y)),j)",
    "Sum_Reduction(Exp(-SqNorm2(x-y)),j)"};
  for (int k = 0; k < 2; k++) {
    sample s = sample_of(names, 4, 200, 200, k ? -1e-307 : 0, k ? 1e-307 : 1);
    double single[200];
    for (int wide = 0; wide < 2; wide++) {
      rk_output output = {.type = RK_OUT_DOUBLE, .data = wide ? s.out : single};
      rk_program *program = program_of(text[k], names, 4, wide ? RK_FLOAT64 : RK_FLOAT32);
      rk_error error;
      CHECK(!rk_run(program, s.inputs, 4, &output, NULL, NULL, &error), text[k]);
    }
    int wrong = 0;
    for (int i = 0; i < 200; i++) wrong += !(fabs(s.out[i] - single[i]) < 0.1);
    CHECK(!wrong, text[k]);
    sample_free(&s);
  }
}

/* Data that is looked at while it is packed. Of `hidden` only those rows lie where the sample says
 * that it takes quickly. */
typedef enum { EVEN, HIDDEN, TOO_LARGE, TOO_SMALL } much;

static void fill_much(sample *s, much kind) {
  for (int k = 0; k < 2; k++) {
    const int64_t rows = s->inputs[k].rows, step = rows / RK_SAMPLE_QUICK;
    for (int64_t r = 0; r < 4 * rows; r++)
      if (kind != HIDDEN || r % rows % step == 0)
        s->data[k][r] = 4.5e6 + (kind == HIDDEN ? 500 : 1) * s->data[k][r];
  }
  if (kind == TOO_LARGE) s->data[0][1] = 1e200;
  if (kind == TOO_SMALL) s->data[2][1] = 1e-60;
}

static void test_much(const char *what, much kind) {
  static const char *const names[] = {"x=Vi(4)", "y=Vj(4)", "b=Vj(1)"};
  enum { M = 33000, N = 300 };
  static double single[M];
  sample s = sample_of(names, 3, M, N, 0, 1);
  rk_error error;
  rk_status status[2];
  fill_much(&s, kind);
  for (int wide = 1; wide >= 0; wide--) {
    rk_output output = {.type = RK_OUT_DOUBLE, .data = wide ? s.out : single};
    rk_program *program = program_of("Sum_Reduction(Exp(-SqDist(x,y))*b,j)", names, 3,
                                     wide ? RK_FLOAT64 : RK_FLOAT32);
    status[wide] = rk_run(program, s.inputs, 3, &output, NULL, NULL, &error);
  }
  CHECK(!status[1] && status[0] == (kind == TOO_LARGE ? RK_ERROR_PRECISION : RK_OK), what);
  CHECK(!strstr(rk_warning(), "1e-60") == (kind != TOO_SMALL), what);
  double worst = 0;
  for (int i = 0; i < M && !status[0]; i++) worst = fmax(worst, fabs(s.out[i] - single[i]));
  if (!CHECK(worst < 1e-5 * N, what)) printf("  %g\n", worst);
  sample_free(&s);
}

int main(void) {
  check_configure();
  test_evaluator(1);
  test_evaluator(3);
  for (int kind = 0; kind < 3; kind++) test_ranks(kind);
  test_centre("values over a range", even, 1, 4.5e6, 4500500, 1);
  test_centre("a long tail", tailed, 0, 0, 3, 1);
  test_centre("two clusters", two, 0, 4.5e6, 5500500, 0);
  test_centre("a few rows at 0", few, 0, 4.5e6, 4500500, 0);
  test_centre("two scales", scales, 0, 0, 7e6, 0);
  test_centre("whole numbers in clusters", whole, 0, 0, 1001000, 1);
  test_centre("data near the largest float", huge, 0, -1e30, 1e30, 0);
  test_centre("data whose inverse is no double", minute, 0, -1e-307, 1e-307, 0);
  test_ranges();
  test_calls();
  test_much("much data of one place", EVEN);
  test_much("much data in two places, of which the quick sample sees one", HIDDEN);
  test_much("a number that float32 has not, among many", TOO_LARGE);
  test_much("a number that becomes 0, among many", TOO_SMALL);
  return check_end();
}
