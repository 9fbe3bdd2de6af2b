/* Numbers below the smallest normal one: kernels take them as 0 (float_mode.h), and the mode of
 * the host is what it was, on whatever threads, after whatever happened.
 *
 * Bounds of values. With u the rounding of the precision, an exponent E of D squares is within
 * (D + 4) u E of the truth, and a sum of M terms within M u times the sum of their sizes; what is
 * flushed is smaller than the smallest normal number, three times for a term at most: e^E, its
 * product with a weight, a slope. */
#include "check.h"

#include "float_mode.h"
#include "run/parallel.h"

#include <float.h>
#include <stdatomic.h>

#if defined(_OPENMP)
#include <omp.h>
#endif

static const char *const names[] = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "s=Pm(1)", "e=Vi(1)"};
enum { NAMES = 5, D = 3 };
static const char gauss[] = "Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)";

/* ---- data ---- */

/* Of few bits: differences are exact in float32, too. */
static sample sample_new(int64_t m, int64_t n, double s, double weight) {
  sample a = sample_of(names, NAMES, m, n, 0, 1);
  for (int k = 0; k < NAMES; k++)
    for (int64_t i = 0; i < a.inputs[k].rows * a.inputs[k].dim; i++)
      a.data[k][i] = floor(a.data[k][i] * 4096 + 1) / 4096 * (k == 2 ? weight : 1);
  a.data[3][0] = s;
  return a;
}

static rk_status run_text(const char *text, rk_precision precision, sample *a, rk_poll poll,
                          void *data) {
  rk_program *program = program_of(text, names, NAMES, precision);
  rk_output output = {.type = RK_OUT_DOUBLE, .data = a->out};
  return program ? rk_run(program, a->inputs, NAMES, &output, poll, data, &last)
                 : RK_ERROR_FORMULA;
}

/* ---- the mode of the host ---- */

/* Without the flags that operations raise. */
static uint64_t mode_now(void) {
#if defined(__x86_64__)
  return rk_float_mode() & ~(uint64_t)0x3f;
#else
  return rk_float_mode();
#endif
}

typedef struct {
  uint64_t mode;          /* of the thread that calls the engine */
  int polls, stop, nests;
  atomic_int wrong;
} watch;

static int listen(void *data, double done) {
  watch *w = data;
  w->polls += done > 0;
  w->wrong += mode_now() != w->mode;
  if (w->nests-- > 0) {
    sample inner = sample_new(300, 400, 1000, 1);
    w->wrong += run_text(gauss, RK_FLOAT32, &inner, NULL, NULL) != RK_OK;
    w->wrong += mode_now() != w->mode;
    sample_free(&inner);
  }
  return w->stop && w->polls;
}

static void note_mode(void *data, int64_t task, const rk_worker *worker) {
  watch *w = data;
  (void)task;
  if (mode_now() != w->mode) w->wrong++;
  for (double end = rk_seconds() + 1e-4; rk_seconds() < end && !rk_parallel_stopped(worker);) {}
}

/* Polls come by the clock: with more data until there is one between pairs. */
static rk_status run_polled(rk_precision precision, watch *w) {
  rk_status status = RK_OK;
  w->polls = 0;
  for (int64_t n = 1000; n <= 64000 && !status && !w->polls; n *= 2) {
    sample a = sample_new(n, n, 1000, 1);
    status = run_text(gauss, precision, &a, listen, w);
    sample_free(&a);
  }
  return w->polls ? status : RK_ERROR_INTERNAL;
}

/* All that a call may come to, in the mode that is set. */
static void mode_stays(const char *which, int threads) {
  sample small = sample_new(50, 60, 1000, 1);
  watch w = {.mode = mode_now()};
  rk_set_threads(threads, &last);
  CHECK(run_text(gauss, RK_FLOAT64, &small, NULL, NULL) == RK_OK && mode_now() == w.mode, which);
  CHECK(run_polled(RK_FLOAT32, &w) == RK_OK && mode_now() == w.mode, which);
  w.nests = 2;
  CHECK(run_polled(RK_FLOAT64, &w) == RK_OK && mode_now() == w.mode, which);
  w.stop = 1;
  CHECK(run_polled(RK_FLOAT64, &w) == RK_CANCELLED && mode_now() == w.mode, "an interrupted call");
  small.inputs[1].rows--;
  CHECK(run_text(gauss, RK_FLOAT64, &small, NULL, NULL) == RK_ERROR_SHAPE, "it is an error");
  CHECK(mode_now() == w.mode, which);
  CHECK(!w.wrong, "polls have the mode of the host");
  rk_parallel(200, threads, note_mode, &w, (rk_caller){0});
  CHECK(!w.wrong, "and so have the threads that were in kernels");
  sample_free(&small);
}

static void the_mode_of_the_host_stays(void) {
  uint64_t usual = rk_float_mode();
  for (int threads = 1; threads <= 2; threads++) {
    mode_stays("the usual mode stays", threads);
    rk_float_mode_set(usual | RK_FLUSH_RESULTS);
    mode_stays("results flushed by the host", threads);
    rk_end_threads();
    rk_float_mode_set(usual | RK_FLUSH_RESULTS | RK_FLUSH_OPERANDS);
    mode_stays("all flushed by the host, threads made under it", threads);
    rk_float_mode_set(usual);
    mode_stays("and the usual mode again", threads);
  }
  rk_set_threads(0, &last);
}

/* ---- inside a parallel region of another library ---- */

static void threads_of_another_library_keep_their_modes(void) {
#if defined(_OPENMP)
  int wrong = 0, threads = 0;
  #pragma omp parallel num_threads(4) reduction(+ : wrong, threads)
  {
    uint64_t before = rk_float_mode();
    if (omp_get_thread_num() % 2) rk_float_mode_flush();
    uint64_t mine = mode_now();
    #pragma omp barrier
    #pragma omp critical
    {
      sample a = sample_new(3000, 3000, 1000, 1);
      wrong += run_text(gauss, RK_FLOAT32, &a, NULL, NULL) != RK_OK || mode_now() != mine;
      sample_free(&a);
    }
    #pragma omp barrier
    wrong += mode_now() != mine;
    rk_float_mode_set(before);
    threads++;
  }
  CHECK(threads > 1 && !wrong, "each thread of a parallel region keeps its own mode");
  #pragma omp parallel num_threads(4) reduction(+ : wrong)
  wrong += mode_now() != 0x1f80 && RK_FLUSH_RESULTS == 1 << 15;
  CHECK(!wrong, "and has the usual one in the next region");
#else
  check_skipped++;
#endif
}

/* ---- values ---- */

typedef struct {
  rk_precision precision;
  double u, least; /* rounding, smallest normal number */
} kind;
static const kind kinds[] = {{RK_FLOAT64, 0x1p-53, DBL_MIN}, {RK_FLOAT32, 0x1p-24, FLT_MIN}};

typedef struct { long double sum, slope[D], error, slope_error; } truth;

static long double difference(const sample *a, int64_t i, int64_t j, int c) {
  return (long double)a->data[0][i + c * a->m] - (long double)a->data[1][j + c * a->n];
}

/* s times the squared distance of a row and a column. */
static long double exponent(const sample *a, int64_t i, int64_t j) {
  long double square = 0;
  for (int c = 0; c < D; c++) square += difference(a, i, j, c) * difference(a, i, j, c);
  return a->data[3][0] * square;
}

static truth truth_of(const sample *a, int64_t i, const kind *k) {
  truth t = {0};
  long double steepest = 0;
  for (int64_t j = 0; j < a->n; j++) {
    long double e = exponent(a, i, j), b = a->data[2][j], term = expl(-e) * b;
    t.sum += term;
    t.error += fabsl(term) * (e * (D + 4) + 12 + (double)a->n) * k->u + k->least * (2 + fabsl(b));
    for (int c = 0; c < D; c++) {
      long double slope = -2 * a->data[3][0] * difference(a, i, j, c);
      t.slope[c] += slope * term * a->data[4][i];
      steepest = fmaxl(steepest, fabsl(slope));
    }
  }
  t.slope_error = t.error * steepest + k->least * (double)a->n;
  return t;
}

static long double logarithm_of(const sample *a, int64_t i) {
  long double least = INFINITY, sum = 0;
  for (int64_t j = 0; j < a->n; j++) least = fminl(least, exponent(a, i, j));
  for (int64_t j = 0; j < a->n; j++) sum += expl(least - exponent(a, i, j));
  return logl(sum) - least;
}

/* A width of sqrt(1 / s): most terms vanish, many lie below the smallest normal number. */
static void sums_are_right(const kind *k, double s, double weight) {
  sample a = sample_new(70, 60, s, weight);
  int wrong = 0, small = 0;
  CHECK(run_text(gauss, k->precision, &a, NULL, NULL) == RK_OK, last.message);
  for (int64_t i = 0; i < a.m; i++) {
    truth t = truth_of(&a, i, k);
    wrong += !(fabsl(a.out[i] - t.sum) <= t.error);
    small += fabsl(t.sum) < 1e3 * k->least;
  }
  if (!CHECK(!wrong, "a sum")) printf("  s = %g, weight %g, u = %g\n", s, weight, k->u);
  CHECK(small || s < 1000 || weight == 1, "rows with small sums");
  static const char slope[] = "Grad(Sum_Reduction(Exp(-s*SqDist(x,y))*b, j), x, e)";
  CHECK(run_text(slope, k->precision, &a, NULL, NULL) == RK_OK, last.message);
  wrong = 0;
  for (int64_t i = 0; i < a.m; i++) {
    truth t = truth_of(&a, i, k);
    for (int c = 0; c < D; c++)
      wrong += !(fabsl(a.out[i + c * a.m] - t.slope[c]) <= 4 * t.slope_error);
  }
  if (!CHECK(!wrong, "a gradient")) printf("  s = %g, weight %g, u = %g\n", s, weight, k->u);
  sample_free(&a);
}

/* Nothing vanishes in a logarithm of a sum: the largest term is 1. */
static void logarithms_are_right(const kind *k, double s) {
  sample a = sample_new(70, 60, s, 1);
  int wrong = 0;
  a.data[0][3] = 1000; /* one row far from all columns */
  CHECK(run_text("LogSumExp_Reduction(-s*SqDist(x,y), j)", k->precision, &a, NULL, NULL) == RK_OK,
        last.message);
  for (int64_t i = 0; i < a.m; i++) {
    long double t = logarithm_of(&a, i);
    wrong += !(fabsl(a.out[i] - t) <= (fabsl(t) * (D + 4) + 12 + (double)a.n) * k->u);
  }
  if (!CHECK(!wrong, "a logarithm of a sum")) printf("  s = %g, u = %g\n", s, k->u);
  sample_free(&a);
}

/* f of one pair: x (of a row) times b (of a column) has to be a value of the pair. */
static double value_at(const kind *k, const char *f, double x, double b) {
  char text[200];
  sample a = sample_new(1, 1, 1, 1);
  snprintf(text, sizeof text, "v = Elem(x,0)*b; Max_Reduction(%s, j)", f);
  a.data[0][0] = x;
  a.data[2][0] = b;
  double value = run_text(text, k->precision, &a, NULL, NULL) == RK_OK ? a.out[0] : NAN;
  sample_free(&a);
  return value;
}

static void zero_begins_at_the_smallest_normal_number(const kind *k) {
  double big = sqrt(k->least), small = big / 4; /* their product is below it */
  CHECK(value_at(k, "v", big, big * 1.01) > 0, "a normal product");
  if (!RK_FLUSHES) return;
  CHECK(value_at(k, "v", big, small) == 0, "a product that is 0");
  CHECK(value_at(k, "Inv(v)", big, small) == INFINITY, "its inverse");
  CHECK(value_at(k, "Log(v)", big, small) == -INFINITY, "its logarithm");
  CHECK(value_at(k, "Sqrt(v)", big, small) == 0, "its root");
  CHECK(value_at(k, "Rsqrt(v)", big, small) == 0, "the inverse of its root, as at 0");
  CHECK(value_at(k, "IfElse(v == 0, 1, 2)", big, small) == 1, "it equals 0");
  CHECK(value_at(k, "Sign(v)", big, small) == 0, "it has no sign");
  CHECK(value_at(k, "XLogX(v)", big, small) == 0, "it has no entropy");
}

/* Data is packed in double and in the mode of the host: what has one index only. */
static void packing_is_in_double_and_in_the_mode_of_the_host(void) {
  sample a = sample_new(1, 1, 1, 1);
  uint64_t usual = rk_float_mode();
  a.data[0][0] = 1;
  a.data[2][0] = 1e-310;
  static const char text[] = "Sum_Reduction(Elem(x,0)*(b*1e20), j)";
  CHECK(run_text(text, RK_FLOAT64, &a, NULL, NULL) == RK_OK, last.message);
  CHECK(fabs(a.out[0] / 1e-290 - 1) < 1e-9, "a column is not flushed before its factor is there");
  a.data[2][0] = 1e-40;
  CHECK(run_text(text, RK_FLOAT32, &a, NULL, NULL) == RK_OK, last.message);
  CHECK(fabs(a.out[0] / 1e-20 - 1) < 1e-6, "in float32 too");
  rk_float_mode_set(usual | RK_FLUSH_RESULTS | RK_FLUSH_OPERANDS);
  a.data[2][0] = 1e-310;
  rk_status status = run_text(text, RK_FLOAT64, &a, NULL, NULL);
  rk_float_mode_set(usual);
  CHECK(status == RK_OK && (a.out[0] == 0 || !RK_FLUSHES), "unless the host flushes it itself");
  sample_free(&a);
}

int main(void) {
  check_configure();
  the_mode_of_the_host_stays();
  threads_of_another_library_keep_their_modes();
  static const double widths[] = {0.01, 1, 100, 300, 1000, 2000, 1e4, 1e6, 1e8};
  for (int k = 0; k < 2; k++) {
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
      sums_are_right(&kinds[k], widths[w], 1);
      sums_are_right(&kinds[k], widths[w], k ? 0x1p-120 : 0x1p-1000);
      sums_are_right(&kinds[k], widths[w], k ? 0x1p-135 : 0x1p-1030);
      logarithms_are_right(&kinds[k], widths[w]);
    }
    zero_begins_at_the_smallest_normal_number(&kinds[k]);
  }
  packing_is_in_double_and_in_the_mode_of_the_host();
  return check_end();
}
