/* What calls keep of inputs that did not change: results are those of calls that keep nothing, to
 * the last bit, whatever comes between two calls. */
#include "check.h"

static const char *const names[] = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "e=Vi(1)", "p=Pm(1)"};
enum { NAMES = 5, X = 0, Y, B, E, P };

static const char *const texts[] = {
  "Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", "Sum_Reduction(Exp(-p*SqDist(x,y))*e, i)",
  "LogSumExp_Reduction(b-p*SqDist(x,y), j)", "ArgMin_Reduction(SqDist(x,y), j)",
  "ArgKMin_Reduction(SqDist(x,y)+e, 3, j)", "Sum_Reduction(IfElse(e<=b,SqNorm2(x-y),p), j)",
  "Sum_Reduction(Square(x-y)*b, j)", "Grad(LogSumExp_Reduction(b-SqDist(x,y), j), x, e)",
  "Sum_Reduction(Log(Abs(x)+1)|Sqrt(Abs(y)), j)", "Max_Reduction(e-b, j)"};
enum { TEXTS = sizeof texts / sizeof *texts };
enum { ROWS = 300, MOST_COLUMNS = 4 };

static size_t result_size(const sample *s) {
  return (size_t)(s->m > s->n ? s->m : s->n) * MOST_COLUMNS;
}

/* The same inputs, without stamps. */
static rk_status run_plain(const char *text, const sample *s, rk_precision precision, double *out) {
  rk_array inputs[NAMES];
  for (int k = 0; k < NAMES; k++) {
    inputs[k] = s->inputs[k];
    inputs[k].stamp = 0;
  }
  return run_values(program_of(text, names, NAMES, precision), inputs, NAMES, out, &last);
}

static void compare(const char *text, const sample *s, rk_precision precision, const char *when) {
  size_t n = result_size(s);
  double *plain = calloc(n, sizeof *plain), *kept = calloc(n, sizeof *kept);
  rk_program *program = program_of(text, names, NAMES, precision);
  rk_status one = run_plain(text, s, precision, plain);
  rk_status other = run_values(program, s->inputs, NAMES, kept, &last);
  if (!CHECK(!one && !other && !memcmp(plain, kept, n * sizeof *plain), text))
    printf("  %s, precision %d: %s\n", when, precision, other ? last.message : "other results");
  free(plain);
  free(kept);
}

static void stamp(sample *s, int which) {
  for (int k = 0; k < NAMES; k++) s->inputs[k].stamp = which >> k & 1 ? rk_stamp_new() : 0;
}

/* New numbers where the old ones were. */
static void change(sample *s, int k) {
  int64_t n = s->inputs[k].rows * s->inputs[k].dim;
  for (int64_t r = 0; r < n; r++) s->data[k][r] = 1 + 2 * uniform();
  if (s->inputs[k].stamp) s->inputs[k].stamp = rk_stamp_new();
}

static sample sample_new(int64_t m, int64_t n, double low, double high) {
  sample s = sample_of(names, NAMES, m, n, low, high);
  free(s.out);
  s.out = calloc(result_size(&s) + 1, sizeof *s.out);
  return s;
}

/* ---- steps of an iteration ---- */

static void test_steps_of(const char *text, sample *s, rk_precision precision, int which) {
  static const int order[] = {B, B, P, Y, X, E};
  stamp(s, which);
  for (int k = 0; k < 3; k++) compare(text, s, precision, "the same again");
  for (unsigned k = 0; k < sizeof order / sizeof *order; k++) {
    change(s, order[k]);
    compare(text, s, precision, "with one that changed");
  }
}

static void test_steps(void) {
  static const int which[] = {1 << X, 1 << X | 1 << Y, (1 << NAMES) - 1, 1 << B};
  for (int precision = RK_FLOAT32; precision <= RK_FLOAT64; precision++)
    for (int k = 0; k < TEXTS; k++)
      for (unsigned w = 0; w < sizeof which / sizeof *which; w++) {
        sample s = sample_new(ROWS, w % 2 ? 5 : 700, 0.1, 1);
        test_steps_of(texts[k], &s, (rk_precision)precision, which[w]);
        sample_free(&s);
      }
}

/* So much that the look at float32 waits for packing; far from 0, so that there are centres. */
static void test_large(void) {
  static const int few[] = {0, 2, 3, 6};
  for (unsigned k = 0; k < sizeof few / sizeof *few; k++) {
    sample s = sample_new(check_is_small() ? 2000 : 60000, 7, 1000, 1001);
    s.data[P][0] = 1;
    stamp(&s, 1 << X | 1 << E);
    for (int step = 0; step < 4; step++) {
      compare(texts[few[k]], &s, RK_FLOAT32, "large");
      for (int64_t r = 0; r < 21; r++) s.data[Y][r] += 0.25; /* the centre may move */
    }
    s.data[X][17] = 1e30; /* far from all: another look */
    s.inputs[X].stamp = rk_stamp_new();
    for (int step = 0; step < 3; step++) compare(texts[few[k]], &s, RK_FLOAT32, "a stray row");
    sample_free(&s);
  }
}

/* ---- what is found --------------------------------------------------------------------------- */

static int64_t hits(void) { return rk_count().prepared_hits; }

static void test_found(void) {
  sample s = sample_new(ROWS, 5, 0.1, 1);
  rk_prepared_clear();
  compare(texts[3], &s, RK_FLOAT64, "nothing is known");
  CHECK(rk_count().prepared == 0, "nothing is kept of inputs without stamps");
  stamp(&s, 1 << X);
  compare(texts[3], &s, RK_FLOAT64, "new");
  CHECK(rk_count().prepared == 1 && rk_count().prepared_bytes > ROWS * 3 * 8, "rows are kept");
  int64_t before = hits();
  change(&s, Y);
  compare(texts[3], &s, RK_FLOAT64, "again");
  CHECK(hits() == before + 1, "rows are found");
  change(&s, X);
  compare(texts[3], &s, RK_FLOAT64, "another x");
  CHECK(hits() == before + 1, "rows of other numbers are not");
  rk_stamp_forget(s.inputs[X].stamp);
  CHECK(rk_count().prepared == 1, "of one stamp");
  rk_forget();
  CHECK(rk_count().prepared == 0 && rk_count().prepared_bytes == 0, "all is forgotten");
  sample_free(&s);
}

/* Two arrays in the same memory: the shape counts, too. */
static void test_layout(void) {
  double *numbers = random_numbers(ROWS * 3, 0, 1);
  double out[2][ROWS * 3];
  uint64_t stamped = rk_stamp_new();
  const char *const given[] = {"x=Vi(3)", "y=Vj(3)"};
  rk_program *program = program_of("Sum_Reduction(Square(x-y), j)", given, 2, RK_FLOAT64);
  for (int step = 0; step < 6; step++) {
    rk_array across = {numbers, ROWS, 3, 3, 1, NULL, stamped},
             down = {numbers, ROWS, 3, 1, ROWS, NULL, stamped};
    rk_array inputs[] = {step % 2 ? across : down, {numbers, 4, 3, 1, 4, NULL, 0}};
    rk_status kept = run_values(program, inputs, 2, out[0], &last);
    inputs[0].stamp = 0;
    rk_status plain = run_values(program, inputs, 2, out[1], &last);
    CHECK(!kept && !plain && !memcmp(out[0], out[1], sizeof out[0]), "layout");
  }
  free(numbers);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void set_memory(int64_t bytes) {
  const rk_settings settings = {.prepared_memory = bytes};
  CHECK(rk_configure(&settings, &last) == RK_OK, "memory is set");
}

static void test_memory(void) {
  sample s = sample_new(ROWS, 5, 0.1, 1);
  stamp(&s, 1 << X | 1 << E);
  set_memory(3 * ROWS * 4 * 8);
  for (int step = 0; step < 30; step++) {
    compare(texts[step * 7 % TEXTS], &s, step % 3 ? RK_FLOAT64 : RK_FLOAT32, "little memory");
    CHECK(rk_count().prepared_bytes <= 3 * ROWS * 4 * 8, "no more than that");
    if (step % 5 == 4) change(&s, X);
  }
  CHECK(rk_count().prepared > 0, "something is kept");
  rk_prepared_hold(3 * ROWS * 4 * 8);
  CHECK(rk_count().prepared == 0, "what the caller keeps counts");
  rk_prepared_hold(0);
  compare(texts[3], &s, RK_FLOAT64, "again");
  CHECK(rk_count().prepared == 1, "kept again");
  set_memory(-1);
  CHECK(rk_count().prepared == 0, "none");
  compare(texts[3], &s, RK_FLOAT64, "nothing is kept");
  CHECK(rk_count().prepared == 0, "none after a call");
  set_memory((int64_t)512 << 20);
  sample_free(&s);
}

/* More things than there are places for. */
static void test_many(void) {
  sample s = sample_new(40, 5, 0.1, 1);
  for (int step = 0; step < 150; step++) {
    stamp(&s, 1 << X);
    compare(texts[3], &s, RK_FLOAT64, "many");
  }
  CHECK(rk_count().prepared > 10 && rk_count().prepared < 150, "some of many");
  sample_free(&s);
}

/* ---- calls in polls, and calls that stop ----------------------------------------------------- */

typedef struct { sample *s; int polls, stops, depth; } meddler;

/* Runs the same, with what is kept, and takes away what the outer call works with. */
static int meddle(void *data, double done) {
  meddler *m = data;
  (void)done;
  if (m->depth || m->polls++ > 5) return m->stops && m->polls > m->stops;
  m->depth++;
  compare(texts[0], m->s, RK_FLOAT32, "in a poll");
  if (m->polls % 3 == 1) rk_stamp_forget(m->s->inputs[X].stamp);
  if (m->polls % 3 == 2) rk_forget();
  compare(texts[0], m->s, RK_FLOAT32, "in a poll, again");
  m->depth--;
  return m->stops && m->polls > m->stops;
}

static void test_nested(void) {
  sample s = sample_new(check_is_small() ? 300 : 30000, 12000, 0.1, 1);
  size_t n = result_size(&s);
  double *plain = calloc(n, sizeof *plain);
  int polls = 0;
  for (int stops = 0; stops < 4; stops++) {
    stamp(&s, 1 << X | 1 << Y);
    for (int step = 0; step < 3; step++) {
      meddler m = {&s, 0, stops, 0};
      rk_program *program = program_of(texts[0], names, NAMES, RK_FLOAT32);
      rk_program_hold(program);
      rk_output output = {.type = RK_OUT_DOUBLE, .data = s.out};
      rk_status status = rk_run(program, s.inputs, NAMES, &output, meddle, &m, &last);
      CHECK(status == RK_OK || (stops && status == RK_CANCELLED), "a call with calls in it");
      polls += m.polls;
      rk_program_release(program);
      run_plain(texts[0], &s, RK_FLOAT32, plain);
      CHECK(status || !memcmp(plain, s.out, (size_t)s.m * sizeof *plain), "its result");
      compare(texts[0], &s, RK_FLOAT32, "after it");
    }
  }
  CHECK(polls > 4 || check_is_small(), "there were polls");
  free(plain);
  sample_free(&s);
}

int main(void) {
  check_configure();
  test_found();
  test_steps();
  test_large();
  test_layout();
  test_memory();
  test_many();
  test_nested();
  return check_end();
}
