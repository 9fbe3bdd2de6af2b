/* Large runs in float32 are compared with some rows in float64: what loses digits is said, once,
 * and what does not is not.
 *
 *   test_sampled [formulas [seed]]   so many random formulas (60), of which none is warned of */
#include "random_blocks.h"

enum { M = 1000, N = 1000, FIELDS = 4 };
static const char *const declarations[] = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)", "c=Vi(1)", "s=Pm(1)"};
enum { INPUTS = sizeof declarations / sizeof *declarations };

/* A squared distance that is multiplied out, which is as good as x - y near 0, and not far away. */
#define SQUARES "d = SqNorm2(x)+SqNorm2(y)-2*(x|y); "

static rk_output outputs[FIELDS];
static int32_t position[8 * M * 3];

/* Data around an offset. */
static sample data_at(double offset, int64_t m, int64_t n) {
  sample s = sample_of(declarations, INPUTS, m, n, 0.1, 1);
  for (int64_t k = 0; k < 3 * m; k++) s.data[0][k] += offset;
  for (int64_t k = 0; k < 3 * n; k++) s.data[1][k] += offset;
  free(s.out);
  s.out = calloc((size_t)(12 * (m + n)) * FIELDS, sizeof *s.out);
  return s;
}

static rk_status run_on(rk_program *program, sample *s, const rk_blocks *blocks, rk_poll poll,
                        void *data) {
  for (int k = 0; k < FIELDS; k++)
    outputs[k] = (rk_output){.type = RK_OUT_DOUBLE, .data = s->out + 12 * (s->m + s->n) * k,
                             .base = 1, .none_double = NAN};
  return rk_run_blocks(program, blocks, s->inputs, outputs, poll, data, &last);
}

static rk_program *get(const char *text, rk_precision precision) {
  return program_of(text, declarations, INPUTS, precision);
}

/* What a call says; its error, where it fails. */
static const char *told_by(rk_program *program, sample *s) {
  if (!program || run_on(program, s, NULL, NULL, NULL)) return last.message;
  return rk_warning();
}

static const char *told(const char *text, sample *s, rk_precision precision) {
  return told_by(get(text, precision), s);
}

static int is_one_line(const char *words, const char *text) {
  const char *end = strchr(text, '\n');
  int good = strstr(text, words) && end && !end[1];
  if (!good) printf("  expected \"%s\", heard \"%s\"\n", words, text);
  return good;
}

/* What the last checks found: how many passes were looked at, the largest that is off. */
static int looked_at(rk_program *program, double *off) {
  char *text = NULL;
  int passes = 0;
  *off = 0;
  if (rk_explain(program, "cpu", NULL, &text, &last)) return -1;
  for (char *at = text; (at = strstr(at, "\n[check]")); at++, passes++) {
    const double one = strtod(strstr(at, "off: ") + 5, NULL);
    if (one > *off) *off = one;
  }
  rk_free(text);
  return passes;
}

/* ---- each kind of reduction ------------------------------------------------------------------ */

static const struct { const char *text, *words; int passes; } kinds[] = {
  {SQUARES "Sum_Reduction(Exp(-d)*b, j)", "of the sum of absolute values", 1},
  {SQUARES "Sum_Reduction(Exp(-d)*c, i)", "of the sum of absolute values", 1},
  {SQUARES "Sum_Reduction((x-y)*Exp(-d), j)", "of the sum of absolute values", 1},
  {SQUARES "LogSumExp_Reduction(-d, j)", "row ", 1},
  {SQUARES "LogSumExp_Reduction(-d, j, b-0.5)", "row ", 1},
  {SQUARES "SumSoftMaxWeight_Reduction(-4*d, j, x*b)", "of the mean of absolute values", 1},
  {SQUARES "Max_SumShiftExp_Reduction(-d, j, b)", "of the sum of absolute values", 1},
  {SQUARES "Min_Reduction(d, j)", "of its size", 1},
  {SQUARES "Max_Reduction(d*(-1), i)", "of its size", 1},
  {SQUARES "MinNaN_Reduction(d, j)", "of its size", 1},
  {SQUARES "KMin_Reduction(d, 3, j)", "of its size", 1},
  {SQUARES "ArgMin_Reduction(d, j)", "the value at the position in row ", 1},
  {SQUARES "ArgMax_Reduction(-d, i)", "the value at the position in row ", 1},
  {SQUARES "ArgKMin_Reduction(Concat(d,-d), 3, j)", "the value at the position in row ", 1},
  {SQUARES "KMin_ArgKMin_Reduction(d, 3, j)", "of its size", 1},
  {SQUARES "Sum_Reduction(b*Exp(-s), j), Min_Reduction(d, j)", "of result 2 is", 2},
  {SQUARES "Sum_Reduction(Exp(-d)*b, j), Sum_Reduction(b, j)", "of result 1 is", 1},
  {SQUARES "Grad(Sum_Reduction(Exp(-d)*b,j),x,0.5)", "of the result is", 1},
  {SQUARES "Grad(Sum_Reduction(Exp(-d)*b,j),y,c)", "of the result is", 1},
  {SQUARES "L = LogSumExp_Reduction(-d, j); Sum_Reduction(Exp(-SqDist(x,y)-L)*b, j)",
   "of a reduction that the result is made of is", 2},
  {SQUARES "Grad(Min_Reduction(d,j),x,0.5)", "of a reduction that the result is made of is", 2}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void test_kinds(void) {
  sample far = data_at(300, M, N), near = data_at(0, M, N);
  const int step = check_on_gpu() && check_is_small() ? 5 : 1; /* emulated kernels take their time */
  for (int k = 0; k < KINDS; k += step) {
    double off;
    rk_program *program = get(kinds[k].text, RK_FLOAT32);
    int good = CHECK(!*told_by(program, &near), "digits that are there are no reason to warn");
    good &= CHECK(looked_at(program, &off) == kinds[k].passes && off < 3e-5,
                  "all passes are checked");
    if (!good) printf("  off by %g\n", off);
    rk_forget();
    good &= CHECK(is_one_line(kinds[k].words, told(kinds[k].text, &far, RK_FLOAT32)),
                  "digits that are lost are said");
    if (!good) printf("  %s\n", kinds[k].text);
    rk_forget();
    if (k % 5 == 0) CHECK(!*told(kinds[k].text, &far, RK_FLOAT64), "float64 is not checked");
  }
  sample_free(&far);
  sample_free(&near);
}

/* Differences lose nothing, far away or not; what loses digits in other ways does. */
static void test_other_losses(void) {
  sample far = data_at(300, M, N), near = data_at(0, M, N);
  double off;
  rk_program *good = get("Sum_Reduction(Exp(-SqDist(x,y))*b, j)", RK_FLOAT32);
  CHECK(!*told_by(good, &far) && looked_at(good, &off) == 1 && off < 1e-6,
        "differences keep their digits far away");
  CHECK(is_one_line("instead of", told("Sum_Reduction(Acos((Normalize(x)|Normalize(y))*0.9999999)"
                                       "*Exp(-9999*SqDist(Normalize(x),Normalize(y))), j)",
                                       &far, RK_FLOAT32)), "the arc cosine near 1");
  CHECK(is_one_line("is Inf instead of", told("Sum_Reduction(Exp(85+9*Elem(y,0)*c), j)", &near,
                                              RK_FLOAT32)), "numbers that float32 does not have");
  CHECK(is_one_line("is NaN instead of", told("Sum_Reduction(Sqrt(1e-9*b+Square(x-y|y)-"
                                              "(x-y|y)*((x|y)-(y|y))), j)", &near, RK_FLOAT32)),
        "roots of what rounds to less than 0");
  near.data[0][7] = NAN;
  near.data[1][3] = INFINITY;
  CHECK(!*told("Sum_Reduction(Exp(-SqDist(x,y))*b, j), LogSumExp_Reduction((x|y), i)", &near,
               RK_FLOAT32), "what is no number in float64 either is not compared");
  sample_free(&far);
  sample_free(&near);
}

/* In float16 inputs are compared as they are stored: half, around a centre where there is one. What
 * that rounds is in no sum to find, and would be ten times the limit. On GPUs. */
static void test_half(void) {
  static const char *const texts[] = {
    "Sum_Reduction(Exp(-8*SqDist(x,y)), j)", "Sum_Reduction(Exp((x|y))*b, j)",
    "ArgKMin_Reduction(SqDist(x,y), 3, j)", "Sum_Reduction(Exp(-SqDist(x,y))*Log(c)*Sin(b), j)",
    "Sum_Reduction(Exp(-SqDist(x,y))*(x|y), j)"};
  sample near = data_at(30, M, N);
  for (int k = 0; k < 5; k++) {
    double off;
    rk_program *program = get(texts[k], RK_FLOAT16);
    const char *text = told_by(program, &near);
    const int passes = looked_at(program, &off);
    if (!CHECK(!*text && off < 2e-5, "float16 computes with what it stores"))
      printf("  off by %g: %s\n  %s\n", off, texts[k], text);
    CHECK(passes == (k < 4), "what is stored as two numbers is not compared");
  }
  CHECK(is_one_line("float16 has too few digits", told(SQUARES "Sum_Reduction(Exp(-9*d), j)", &near,
                                                       RK_FLOAT16)), "float16 loses digits too");
  sample_free(&near);
}

/* ---- when ------------------------------------------------------------------------------------ */

static const char *const gauss = SQUARES "Sum_Reduction(Exp(-d)*b, j)";

static void test_turns(void) {
  sample far = data_at(300, M, N), near = data_at(0, M, N), small = data_at(300, M - 1, N);
  rk_forget();
  rk_program *program = get(gauss, RK_FLOAT32);
  for (int k = 0; k < 3; k++) CHECK(!*told_by(program, &small), "small calls are not checked");
  for (int call = 1; call <= 100; call++) {
    int is_last = call == 100, is_turn = call == 1 || call == 10;
    const char *text = told_by(program, is_turn ? &near : &far);
    if (!CHECK(is_last ? *text : !*text, "calls 1, 10 and 100 are checked"))
      printf("  call %d\n", call);
  }
  rk_forget();
  program = get(gauss, RK_FLOAT32);
  CHECK(*told_by(program, &far), "the first large call is");
  for (int call = 2; call <= 10; call++)
    CHECK(!*told_by(program, &far), "what was said is not said again");
  sample_free(&far);
  sample_free(&near);
  sample_free(&small);
}

static void test_exempt(void) {
  sample few = data_at(300, 15, 80000), some = data_at(300, 60, 20000), far = data_at(300, M, N);
  rk_forget();
  CHECK(!*told(gauss, &few, RK_FLOAT32), "results of few rows are not checked");
  CHECK(*told(gauss, &some, RK_FLOAT32), "those of some more are");
  rk_forget();
  rk_set_precision_check(0);
  CHECK(!*told(gauss, &far, RK_FLOAT32), "nothing is checked where nobody wants it");
  rk_set_precision_check(1);
  CHECK(*told(gauss, &far, RK_FLOAT32), "it is where somebody does");
  rk_forget();
  char first[1000];
  snprintf(first, sizeof first, "%s", told(gauss, &far, RK_FLOAT32));
  rk_forget();
  CHECK(!strcmp(first, told(gauss, &far, RK_FLOAT32)), "rows are the same ones each time");
  sample_free(&few);
  sample_free(&some);
  sample_free(&far);
}

/* Integers from 1, as R has them, and inputs whose rows lie one after the other. */
static void test_outputs(void) {
  sample far = data_at(300, M, N), near = data_at(0, M, N);
  static double turned[2][3 * M];
  for (int k = 0; k < 2; k++)
    for (int r = 0; r < M; r++)
      for (int c = 0; c < 3; c++) turned[k][3 * r + c] = near.data[k][r + M * c];
  for (int k = 0; k < 2; k++) near.inputs[k] = (rk_array){turned[k], M, 3, 3, 1, NULL, 0};
  for (int is_far = 0; is_far < 2; is_far++) {
    rk_output out[2] = {{.type = RK_OUT_DOUBLE, .data = far.out},
                        {.type = RK_OUT_INT32, .data = position, .base = 1, .none_int32 = -1}};
    rk_forget();
    rk_program *program = get(SQUARES "KMin_ArgKMin_Reduction(d, 3, j)", RK_FLOAT32);
    rk_status status = rk_run(program, is_far ? far.inputs : near.inputs, INPUTS, out, NULL, NULL,
                              &last);
    double off;
    CHECK(!status && looked_at(program, &off) == 1 && (off > 1e-3) == is_far,
          "positions are read as they are written");
    CHECK(!*rk_warning() == !is_far, "and warned of");
  }
  sample_free(&far);
  sample_free(&near);
}

/* Some of the pairs: a wrong column would be far off. */
static void test_blocks(void) {
  enum { ROWS = 3000, COLUMNS = 2500 };
  sample far = data_at(300, ROWS, COLUMNS), near = data_at(0, ROWS, COLUMNS);
  static const int chosen[] = {0, 1, 4, 13, 14};
  int checked = 0;
  for (int kind = 0; kind < BLOCKS_KINDS; kind++) {
    random_blocks b = blocks_of((blocks_kind)kind, ROWS, COLUMNS);
    blocks_settle(&b);
    for (int k = 0; k < 5; k++) {
      double off, ignored;
      rk_forget();
      rk_program *program = get(kinds[chosen[k]].text, RK_FLOAT32);
      rk_status status = run_on(program, &near, &b.pairs, NULL, NULL);
      const int looked = looked_at(program, &off);
      if (!CHECK(!status && !*rk_warning() && off < 3e-5, "rows meet the columns of their blocks"))
        printf("  kind %d, off by %g: %s\n", kind, off, kinds[chosen[k]].text);
      rk_forget();
      program = get(kinds[chosen[k]].text, RK_FLOAT32);
      status = run_on(program, &far, &b.pairs, NULL, NULL);
      CHECK(!status && looked_at(program, &ignored) == looked && (*rk_warning() != 0) == looked,
            "what they lose is said");
      checked += looked;
    }
    blocks_free(&b);
  }
  CHECK(checked >= 5 * BLOCKS_KINDS / 2, "half of the blocks are large");
  sample_free(&far);
  sample_free(&near);
}

/* ---- while it runs --------------------------------------------------------------------------- */

/* Asked once all pairs are done: by the check. */
typedef struct { int asked, cancels; sample *other; double inner; } listener;

static int listen(void *data, double done) {
  listener *l = data;
  if (done < 1) return 0;
  if (!l->asked++ && l->other) {
    rk_forget();
    run_on(get(gauss, RK_FLOAT32), l->other, NULL, NULL, NULL);
    l->inner = l->other->out[0];
  }
  return l->cancels;
}

/* A check that takes long is asked as the call is: it ends with it, or goes on. */
static void test_polls(void) {
  sample large = data_at(0, 500, check_is_small() ? 60000 : 1000000), other = data_at(0, M, N);
  double *before = malloc((size_t)large.m * sizeof *before);
  rk_set_precision_check(0);
  CHECK(!run_on(get(gauss, RK_FLOAT32), &other, NULL, NULL, NULL), "a guest alone");
  const double inner = other.out[0];
  CHECK(!run_on(get(gauss, RK_FLOAT32), &large, NULL, NULL, NULL), "a host alone");
  memcpy(before, large.out, (size_t)large.m * sizeof *before);
  rk_set_precision_check(1);
  for (int cancels = 0; cancels < 2; cancels++) {
    listener l = {.cancels = cancels, .other = &other};
    rk_forget();
    rk_status status = run_on(get(gauss, RK_FLOAT32), &large, NULL, listen, &l);
    if (!l.asked) {
      check_skipped++;
      continue;
    }
    CHECK(l.inner == inner, "a call in the poll of a check is right");
    CHECK(status == (cancels ? RK_CANCELLED : RK_OK), "a check is interrupted as its call is");
    if (!cancels)
      CHECK(!memcmp(before, large.out, (size_t)large.m * sizeof *before), "results stay");
    CHECK(!run_on(get(gauss, RK_FLOAT32), &large, NULL, NULL, NULL) && large.out[0] == before[0],
          "the next call is right");
  }
  free(before);
  sample_free(&large);
  sample_free(&other);
}

/* ---- random formulas ------------------------------------------------------------------------- */

/* Of one size as their operands are: what such formulas lose is rounding. */
typedef struct { char text[4000]; size_t length; } writer;

static void put(writer *w, const char *text) {
  int n = snprintf(w->text + w->length, sizeof w->text - w->length, "%s", text);
  w->length += (size_t)n;
}

static void put_value(writer *w, int depth) {
  static const char *const leaves[] = {"Elem(x,0)", "Elem(x,2)", "Elem(y,0)", "Elem(y,1)", "b", "c",
                                       "s", "(x|y)", "SqDist(x,y)", "Norm2(x-y)", "0.7"};
  static const char *const one[] = {"Exp(-Square(", "Sin(", "Cos(", "Tanh(", "Abs(", "ReLU(",
                                    "Sqrt(1+Square(", "Inv(1+Square(", "Log(2+Square(", "Atan("};
  if (!depth || uniform() < 0.1) return put(w, leaves[below(11)]);
  if (uniform() < 0.45) {
    const char *name = one[below(10)];
    put(w, name);
    put_value(w, depth - 1);
    return put(w, strstr(name, "Square") ? "))" : ")");
  }
  put(w, "(");
  put_value(w, depth - 1);
  put(w, (const char *[]){" + ", " - ", " * ", " + "}[below(4)]);
  put_value(w, depth - 1);
  put(w, ")");
}

static void random_text(writer *w) {
  static const char *const heads[] = {
    "Sum_", "Sum_", "Sum_", "LogSumExp_", "Min_", "Max_", "ArgMin_", "ArgMax_", "KMin_ArgKMin_",
    "SumSoftMaxWeight_", "LogSumExp_", "Grad(Sum_", "Grad(LogSumExp_", "MaxNaN_"};
  const int head = below(14), weighted = head == 9 || head == 10;
  *w = (writer){.length = 0};
  put(w, heads[head]);
  put(w, "Reduction(");
  put_value(w, 2 + below(4));
  put(w, head == 8 ? ", 3" : "");
  put(w, head > 10 && head < 13 ? ", j), x, 0.5)" : head < 3 && uniform() < 0.3 ? ", i)" : ", j");
  if (weighted) put(w, ", "), put_value(w, 2);
  if (weighted || head < 11 || head == 13) put(w, strstr(w->text, ", i)") ? "" : ")");
}

/* Where no backend is asked for, one that compiles nothing. */
static void test_random(int formulas, unsigned long long seed) {
  static const int sizes[][2] = {{1000, 1000}, {4000, 300}, {400, 3000}, {20000, 64}};
  int alarms = 0, compared = 0;
  double most = 0;
  writer w;
  if (!getenv("RKEOPS_TEST_BACKEND") && !check_on_gpu()) rk_use_backend("builtin", NULL, 0, &last);
  for (int k = 0; k < formulas; k++) {
    check_seed = (seed + (unsigned)k) * 0x9E3779B97F4A7C15ull + 88172645463325252ull;
    for (int q = 0; q < 8; q++) uniform();
    random_text(&w);
    const int *size = sizes[below(4)];
    sample s = data_at(0, size[0], size[1]);
    if (uniform() < 0.5)
      for (int v = 0; v < 4; v++)
        for (int64_t e = 0; e < s.inputs[v].rows * s.inputs[v].dim; e++) s.data[v][e] -= 0.55;
    rk_program *program = get(w.text, RK_FLOAT32);
    const char *text = told_by(program, &s);
    double off = 0;
    compared += program && looked_at(program, &off) > 0;
    if (off > most && off < 1) most = off;
    if (*text && strstr(text, "instead of")) {
      alarms++;
      printf("  seed %llu, %d x %d: %s\n    %s", seed + (unsigned)k, size[0], size[1], w.text,
             text);
    }
    sample_free(&s);
    if (k % 20 == 19) rk_forget();
  }
  CHECK(alarms == 0, "random formulas of one size are not warned of");
  CHECK(10 * compared >= 9 * formulas, "they are compared");
  printf("%d random formulas, %d compared, %d warned of, off by up to %.2g\n", formulas, compared,
         alarms, most);
}

int main(int arguments, char **argument) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  check_configure();
  if (arguments > 1) {
    test_random(atoi(argument[1]), arguments > 2 ? strtoull(argument[2], NULL, 10) : 1);
    return check_end();
  }
  if (check_on_gpu()) test_half();
  test_kinds();
  if (check_on_gpu() && check_is_small()) return check_end();
  test_other_losses();
  test_turns();
  test_exempt();
  test_outputs();
  test_blocks();
  test_polls();
  test_random(check_is_small() ? 20 : 60, 1);
  return check_end();
}
