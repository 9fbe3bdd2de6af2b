/* Reductions over lists of pairs against loops over the pairs. */
#include "check.h"

enum { M = 5, N = 7 };
static double x[3 * M], y[3 * N];
static const char *const variables[] = {"x=Vi(3)", "y=Vi(3)"};
static const rk_pair_side side[] = {RK_OF_I, RK_OF_J};
static const char *const one[] = {"V0=Vj(1)"}, *const sum_text = "Sum_Reduction(V0,0)";
static const rk_array inputs[] = {{x, M, 3, 1, M, NULL, 0}, {y, N, 3, 1, N, NULL, 0}};

static rk_program *program(const char *text, const char *const *declarations, int n) {
  rk_program *made = program_of(text, declarations, n, RK_FLOAT64);
  if (!made) exit(1);
  return made;
}

/* exp(-|x - y|^2) of each pair. */
static rk_program *kernel(void) {
  return program("Sum_Reduction(Exp(-SqDist(x,y)),0)", variables, 2);
}

/* What a list of numbers enters. */
static rk_program *into(const char *text) { return program(text, one, 1); }

static double value(int i, int j) {
  double square = 0;
  for (int d = 0; d < 3; d++) square += pow(x[d * M + i] - y[d * N + j], 2);
  return exp(-square);
}

/* Pairs by row i; `n` of them, `last_row` of the rows without any. */
typedef struct { int32_t *i, *j, end[M]; rk_pairs pairs; } list;

static list make_list(int n, int rows_used) {
  const size_t bytes = (size_t)n * sizeof(int32_t) + 1;
  list l = {.i = malloc(bytes), .j = malloc(bytes)};
  if (!l.i || !l.j) exit(2);
  for (int k = 0; k < n; k++) {
    l.i[k] = (int32_t)((int64_t)k * rows_used / (n ? n : 1)) + 1;
    l.j[k] = (int32_t)(uniform() * N) + 1;
    l.end[l.i[k] - 1] = k + 1;
  }
  for (int r = 1; r < M; r++)
    if (!l.end[r]) l.end[r] = l.end[r - 1];
  return l;
}

static const rk_pairs *pairs_of(list *l, int n) {
  l->pairs = (rk_pairs){n, {l->i, l->j}, NULL, M, l->end, RK_OF_J, 1};
  return &l->pairs;
}

static void free_list(list *l) {
  free(l->i);
  free(l->j);
}

static int close_to(double a, double b) { return a == b || fabs(a - b) <= 1e-12 * (1 + fabs(b)); }

static rk_status run(const rk_pairs *pairs, rk_program *to, const rk_output *out, rk_poll poll,
                     void *data) {
  return rk_run_pairs(kernel(), side, pairs, to, inputs, out, poll, data, &last);
}

/* Sums, logarithms of sums, minima with positions: of lists that end in, at and behind a chunk. */
static void test_values(int n, int threads) {
  list l = make_list(n, M - 1);
  double sum[M], least[M], log_sum[M], position[M], *all = malloc((size_t)n * sizeof *all + 1);
  const rk_output to_sum = {.data = sum}, to_log = {.data = log_sum}, to_all = {.data = all};
  const rk_output to_least[] = {{.data = least}, {.data = position, .none_double = -1}};
  const rk_pairs *pairs = pairs_of(&l, n);
  CHECK(rk_set_threads(threads, &last) == RK_OK && all, "threads");
  CHECK(!run(pairs, NULL, &to_all, NULL, NULL), "values");
  CHECK(!run(pairs, into(sum_text), &to_sum, NULL, NULL), "sums");
  CHECK(!rk_run_pairs(kernel(), side, pairs, into("LogSumExp_Reduction(V0,0)"), inputs, &to_log,
                      NULL, NULL, &last), "logarithms");
  CHECK(!rk_run_pairs(kernel(), side, pairs, into("Min_ArgMin_Reduction(V0,0)"), inputs,
                      to_least, NULL, NULL, &last), "minima");
  int good = 1;
  for (int r = 0; r < M; r++) {
    double s = 0, e = 0, m = INFINITY, at = -1;
    for (int k = r ? l.end[r - 1] : 0; k < l.end[r]; k++) {
      double v = value(l.i[k] - 1, l.j[k] - 1);
      good &= close_to(all[k], v);
      s += v;
      e += exp(v);
      if (all[k] < m || (all[k] == m && l.j[k] - 1 < at)) {
        m = all[k];
        at = l.j[k] - 1;
      }
    }
    good &= close_to(sum[r], s) && close_to(log_sum[r], log(e));
    good &= least[r] == m && position[r] == at;
  }
  CHECK(good, "as a loop has them");
  free(all);
  free_list(&l);
}

/* Inputs with a row for each pair lie in an order of their own. */
static void test_order(void) {
  static const char *const declarations[] = {"w=Vi(1)", "y=Vi(3)"}, *const three[] = {"V0=Vj(3)"};
  static const int32_t i[] = {1, 1, 4}, j[] = {7, 2, 2}, order[] = {3, 1, 2};
  static const int32_t end[] = {2, 2, 2, 3, 3};
  static const double w[] = {10, 20, 30};
  const rk_array given[] = {{w, 3, 1, 1, 3, NULL, 0}, inputs[1]};
  const rk_pair_side sides[] = {RK_OF_PAIRS, RK_OF_J};
  const rk_pairs pairs = {3, {i, j}, order, M, end, RK_OF_J, 1};
  double out[3 * M];
  const rk_output to = {.data = out};
  CHECK(!rk_run_pairs(program("Sum_Reduction(w*y,0)", declarations, 2), sides, &pairs,
                      program(sum_text, three, 1), given, &to, NULL, NULL, &last), "weights");
  int good = 1;
  for (int d = 0; d < 3; d++) {
    good &= close_to(out[d * M], 30 * y[d * N + 6] + 10 * y[d * N + 1]);
    good &= out[d * M + 1] == 0 && close_to(out[d * M + 3], 20 * y[d * N + 1]);
  }
  CHECK(good, "each pair has its own weight");
}

static rk_status run_wrong(const rk_pairs *pairs, const rk_pair_side *sides, const rk_array *given,
                           const char *reduction) {
  double out[M + N];
  const rk_output to[] = {{.data = out}, {.data = out}};
  return rk_run_pairs(kernel(), sides, pairs, into(reduction), given, to, NULL, NULL, &last);
}

static int is_refused(const rk_pairs *pairs, const rk_pair_side *sides, const rk_array *given,
                      const char *reduction, rk_status status) {
  return run_wrong(pairs, sides, given, reduction) == status;
}

static void test_refused(void) {
  static const int32_t i[] = {1, 2}, j[] = {1, N + 1}, below[] = {0, 1};
  static const int32_t end[] = {1, 2, 2, 2, 2}, back[] = {2, 1, 2, 2, 2};
  rk_pairs pairs = {2, {i, j}, NULL, M, end, RK_OF_J, 1};
  CHECK(is_refused(&pairs, side, inputs, sum_text, RK_ERROR_ARGUMENT) && said("a row that"),
        "behind the last row");
  pairs.at[1] = below;
  CHECK(is_refused(&pairs, side, inputs, sum_text, RK_ERROR_ARGUMENT) && said("a row that"),
        "before the first row");
  pairs.at[1] = i;
  CHECK(run_wrong(&pairs, side, inputs, sum_text) == RK_OK, "a list that is one");
  CHECK(is_refused(&pairs, side, inputs, "Sum_Reduction(V0,1)", RK_ERROR_ARGUMENT), "over i");
  CHECK(is_refused(&pairs, side, inputs, "Sum_Reduction(V0,0)*2", RK_ERROR_ARGUMENT),
        "no reduction alone");
  pairs.end = back;
  CHECK(is_refused(&pairs, side, inputs, sum_text, RK_ERROR_ARGUMENT) && said("ascend"),
        "ends that go back");
  pairs.end = end;
  pairs.order = below;
  CHECK(is_refused(&pairs, side, inputs, sum_text, RK_ERROR_ARGUMENT) && said("order"),
        "an order of others");
  pairs.order = NULL;
  const rk_pair_side all[] = {RK_OF_ALL, RK_OF_J};
  CHECK(is_refused(&pairs, all, inputs, sum_text, RK_ERROR_ARGUMENT),
        "a variable of i is no parameter");
  const rk_array flat[] = {{x, M, 2, 1, M, NULL, 0}, inputs[1]};
  CHECK(is_refused(&pairs, side, flat, sum_text, RK_ERROR_SHAPE) && said("x has"),
        "another dimension");
  const rk_array fewer[] = {inputs[0], {y, N - 6, 3, 1, N, NULL, 0}};
  const rk_pair_side same[] = {RK_OF_I, RK_OF_I};
  CHECK(is_refused(&pairs, same, fewer, sum_text, RK_ERROR_SHAPE) && said("expected 5 and 3"),
        "fewer rows than another input of that side");
  const rk_pair_side own[] = {RK_OF_PAIRS, RK_OF_J};
  CHECK(is_refused(&pairs, own, inputs, sum_text, RK_ERROR_SHAPE) && said("each pair"),
        "not a row for each pair");
}

/* ---- polls ---- */

typedef struct { int asked, stops; double done; int falls; } polled;

static int poll(void *data, double done) {
  polled *p = data;
  p->asked++;
  if (done >= 0) {
    if (done < p->done - 1e-9) p->falls++;
    p->done = done;
  }
  if (p->asked == 3) rk_forget();
  return p->stops && p->asked >= p->stops;
}

static void test_polls(void) {
  enum { MANY = 400000 };
  list l = make_list(MANY, M);
  double first[M], out[M];
  const rk_output to_first = {.data = first}, to = {.data = out};
  const rk_pairs *pairs = pairs_of(&l, MANY);
  CHECK(!run(pairs, into(sum_text), &to_first, NULL, NULL), "alone");
  polled p = {0};
  CHECK(!run(pairs, into(sum_text), &to, poll, &p),
        "a poll that forgets all programs");
  CHECK(!memcmp(first, out, sizeof out), "the same bits");
  CHECK(p.asked > 3 && !p.falls && p.done <= 1, "what is done only grows");
  p = (polled){.stops = 5};
  CHECK(run(pairs, into(sum_text), &to, poll, &p) ==
        RK_CANCELLED, "a poll that stops");
  free_list(&l);
}

int main(void) {
  check_configure();
  for (int k = 0; k < 3 * M; k++) x[k] = uniform();
  for (int k = 0; k < 3 * N; k++) y[k] = uniform();
  static const int sizes[] = {0, 1, 3, 4096, 4097, 36864, 36865, 100000};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
    for (int threads = 1; threads <= 2; threads++)
      test_values(check_is_small() ? sizes[k] / 50 : sizes[k], threads);
  test_order();
  test_refused();
  test_polls();
  return check_end();
}
