/* Pairs that cannot matter are left out, and nothing else: every reduction, over both indices and in
 * both precisions, against the oracle, and against all pairs: what selects is the same to the bit. */
#include "oracle.h"
#include "random_blocks.h"

static const rk_precision precisions[] = {RK_FLOAT32, RK_FLOAT64};

/* ---- all reductions -------------------------------------------------------------------------- */

static rk_status run_as(rk_pruning pruning, const problem *q, rk_program *program,
                        const rk_array *input, result *to) {
  rk_set_pruning(pruning);
  return run_rule(q->r, program, input, to, NULL, NULL);
}

/* Whole results, values and positions. */
static int are_equal(const problem *q, const result *a, const result *b) {
  size_t bytes = (size_t)a->size * sizeof *a->values;
  return (!q->r->values || !memcmp(a->values, b->values, bytes)) &&
         (!q->r->positions || !memcmp(a->positions, b->positions, bytes));
}

static void check_both(const cloud *c, int number, char index, const rk_options *options,
                       int whole) {
  char text[128];
  problem q = problem_of(c, &rules[number], kind_for(number), index, options, whole);
  rule_text(q.r, q.kind, q.index, text, sizeof text);
  rk_program *program = program_for(c, text, options);
  long size = (long)kept_of(&q) * rule_dim(c, q.r, q.kind);
  result all = result_new(size), some = result_new(size);
  int ran = program && !run_as(RK_PRUNE_NEVER, &q, program, c->input, &all) &&
            !run_as(RK_PRUNE_ALWAYS, &q, program, c->input, &some);
  int good = ran && !count_wrong(&q, some.values, some.positions) &&
             (!q.r->sign || are_equal(&q, &all, &some));
  if (!CHECK(good, "a reduction without what cannot matter is right"))
    printf("  %s, %s, %d x %d\n", text, precision_name[options->precision], c->m, c->n);
  result_free(&all);
  result_free(&some);
}

/* Boxes of columns have 16, 128, 1024, ... of them, blocks of rows 8 to 64. Whole numbers have many
 * ties: the least position is the one that counts. */
static void test_reductions(void) {
  static const int rows[] = {1, 37, 130, 16, 300}, columns[] = {70, 1, 129, 1025, 2100};
  for (int precision = 0; precision < 2; precision++)
    for (int whole = 0; whole < 2; whole++)
      for (int k = 0; k < 5; k++) {
        cloud *c = cloud_new(rows[k], columns[k], 3, 2, 0, whole);
        const rk_options options = {.precision = precisions[precision]};
        for (int number = 0; number < RULES; number++) {
          check_both(c, number, 'j', &options, whole);
          if (k % 2 == precision) check_both(c, number, 'i', &options, whole);
        }
        cloud_free(c);
      }
}

/* ---- data that boxes do not like ------------------------------------------------------------- */

typedef struct { const char *name, *text; int fields; } formula;
static const formula formulas[] = {
  {"nearest", "KMin_ArgKMin_Reduction(SqDist(x,y), 7, j)", 2},
  {"cosine", "Min_ArgMin_Reduction(1-Normalize(x)|Normalize(y), j)", 2},
  {"masked", "KMin_ArgKMin_Reduction(IfElse(Elem(y,0)-Elem(x,0),SqDist(x,y),1/(0*p)), 3, j)", 2},
  {"farthest", "Max_ArgMax_Reduction(Norm2(x-y), j)", 2},
  {"propagating", "MinNaN_Reduction(SqDist(x,y), j)", 1},
  {"weighted", "ArgKMin_Reduction(b*Abs(Elem(x,0)-Elem(y,0))+Square(Elem(x,1)-Elem(y,1)), 4, j)", 1},
  {"within", "Sum_Reduction(IfElse(p-SqDist(x,y),1,0), j)", 1},
  {"counted", "Sum_Reduction(2*IfElse(0.9-SqDist(x,y),1,0), j)", 1},
  {"causal", "KMin_ArgKMin_Reduction(IfElse(Elem(x,2)-Elem(y,2),SqDist(x,y),1/(0*p)), 3, j)", 2}};

/* Clusters of several widths, duplicates, points on a line, a stray one, NaN, Inf. */
static void spoil(double *x, int n, int D, int number) {
  for (int d = 0; d < D; d++)
    for (int k = 0; k < n; k++) {
      double *at = &x[k + (long)d * n];
      if (number == 1) *at = floor(*at * 3) + (k % 5 == 0 ? 0 : *at * 1e-3);
      if (number == 2) *at = x[k % 7 + (long)d * n];
      if (number == 3 && d) *at = 0;
      if (number == 4 && k % 11 == 0) *at = NAN;
      if (number == 5 && k == n / 2) *at = 1e9;
      if (number == 6 && k % 13 == 0) *at = k % 2 ? INFINITY : -INFINITY;
      if (number == 7) *at = 0.25;
    }
}

static void check_spoilt(int number, const rk_options *options) {
  enum { M = 203, N = 1311, MOST = 7 };
  cloud *c = cloud_new(M, N, 3, 1, 0, 0);
  spoil(c->x, M, 3, number);
  spoil(c->y, N, 3, number);
  *c->p = 0.05;
  for (size_t f = 0; f < sizeof formulas / sizeof *formulas; f++) {
    rk_program *program = program_for(c, formulas[f].text, options);
    result all = result_new(M * MOST), some = result_new(M * MOST);
    const rule both = {.values = 1, .positions = formulas[f].fields > 1};
    int ran = 1;
    for (int k = 0; k < 2; k++) {
      rk_set_pruning(k ? RK_PRUNE_ALWAYS : RK_PRUNE_NEVER);
      ran &= program && !run_rule(&both, program, c->input, k ? &some : &all, NULL, NULL);
    }
    for (long k = 0; k < all.size; k++)
      ran &= near(all.values[k], some.values[k], 0) &&
             near(all.positions[k], some.positions[k], 0);
    if (!CHECK(ran, formulas[f].name))
      printf("  data %d, %s\n", number, precision_name[options->precision]);
    result_free(&all);
    result_free(&some);
  }
  cloud_free(c);
}

static void test_spoilt(void) {
  for (int precision = 0; precision < 2; precision++)
    for (int number = 0; number < 8; number++) {
      const rk_options options = {.precision = precisions[precision]};
      check_spoilt(number, &options);
    }
}

/* ---- bands ----------------------------------------------------------------------------------- */

/* Other points than itself, earlier and later ones, those at some distance in the order. */
static void test_bands(void) {
  static const double lower[][2] = {{-INFINITY, 1}, {-INFINITY, NAN}, {1, NAN}, {-40, 300}, {5, NAN}},
                      upper[][2] = {{-1, INFINITY}, {-1, NAN}, {INFINITY, NAN}, {3, 310}, {4, NAN}};
  static const char counted[] = "Sum_Reduction(IfElse(0.9-SqDist(x,y),1,0), j)";
  enum { M = 1411, N = 1411 };
  for (int precision = 0; precision < 2; precision++)
    for (int whole = 0; whole < 2; whole++) {
      cloud *c = cloud_new(M, N, 2, 1, 0, whole);
      const rk_options options = {.precision = precisions[precision]};
      for (int k = 0; k < M && !whole; k++) c->x[k] = c->y[k] = k / (double)M; /* boxes are runs */
      for (int k = 0; k < 10; k++) {
        int band = k / 2, number = k % 2 ? NEAREST : SUM;
        rk_blocks blocks = {.size = {M, N}, .bands = lower[band][1] == lower[band][1] ? 2 : 1,
                            .lower = lower[band], .upper = upper[band]};
        if (band == 4) blocks.bands = 0;
        problem q = problem_of(c, &rules[number], SQUARE_DISTANCE, 'j', &options, whole);
        result r[2] = {result_new(M * 4), result_new(M * 4)};
        char text[128];
        rule_text(q.r, q.kind, q.index, text, sizeof text);
        rk_program *program = program_for(c, k % 2 ? text : counted, &options);
        int good = program != NULL;
        for (int p = 0; p < 2 && good; p++) {
          rk_set_pruning(p ? RK_PRUNE_ALWAYS : RK_PRUNE_NEVER);
          good = !run_pairs(q.r, program, &blocks, c->input, &r[p], NULL, NULL);
        }
        for (long e = 0; e < (number == SUM ? M : 4L * M) && good; e++)
          good = near(r[0].values[e], r[1].values[e], 0) &&
                 (number == SUM || near(r[0].positions[e], r[1].positions[e], 0));
        if (!CHECK(good, "bands are kept")) printf("  %s, bands %d\n", text, band);
        result_free(&r[0]);
        result_free(&r[1]);
      }
      cloud_free(c);
    }
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* Of one sign and of both, of terms most of which are next to nothing, or nothing: beside those of
 * all pairs, relative to the sum of sizes. */
static void test_sums(void) {
  static const char *const texts[] = {
    "Sum_Reduction(Exp(-w*900*SqDist(x,y)), j)", "Sum_Reduction(Exp(-900*SqDist(x,y))*b, j)",
    "Sum_Reduction(Concat(Exp(-900*SqDist(x,y)),-Exp(-90*SqDist(x,y))*w), j)",
    "LogSumExp_Reduction(-900*SqDist(x,y), j)", "LogSumExp_Reduction(-900*SqDist(x,y), j, w)",
    "SumSoftMaxWeight_Reduction(-900*SqDist(x,y), j, b)",
    "SumSoftMaxWeight_Reduction(-900*SqDist(x,y), j, w)",
    "Sum_Reduction(ReLU(0.1-Norm2(x-y))*b, j)"};
  enum { M = 2000, N = 4000 }; /* boxes are small beside the kernels */
  for (int precision = 0; precision < 2; precision++) {
    cloud *c = cloud_new(M, N, 2, 1, 0, 0);
    const rk_options options = {.precision = precisions[precision]};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
      rk_program *program = program_for(c, texts[t], &options);
      result all = result_new(2 * M), some = result_new(2 * M);
      int good = program && !run_as(RK_PRUNE_NEVER, &(problem){.r = &rules[SUM]}, program,
                                    c->input, &all) &&
                 !run_as(RK_PRUNE_ALWAYS, &(problem){.r = &rules[SUM]}, program, c->input, &some);
      double eps = eps_of[options.precision], worst = 0;
      for (int k = 0; k < 2 * M && good; k++) {
        double size = fabs(all.values[k]) + 1; /* logarithms and sums of both signs may be near 0 */
        double off = all.values[k] == some.values[k] ? 0
                     : fabs(all.values[k] - some.values[k]) / size;
        if (off > worst) worst = off;
      }
      if (!CHECK(good && worst <= 300 * eps, texts[t]))
        printf("  %s: off by %.3g\n", precision_name[precision], worst);
      result_free(&all);
      result_free(&some);
    }
    cloud_free(c);
  }
}

/* ---- some of the pairs ----------------------------------------------------------------------- */

static int are_near(const result *a, const result *b) {
  for (long k = 0; k < a->size; k++)
    if (!near(a->values[k], b->values[k], 1e-6 * (1 + fabs(a->values[k])))) return 0;
  return 1;
}

static void check_pairs_of(const cloud *c, blocks_kind kind, int number, char index,
                           const rk_options *options) {
  char text[128];
  problem q = problem_of(c, &rules[number], SQUARE_DISTANCE, index, options, 0);
  rule_text(q.r, q.kind, q.index, text, sizeof text);
  if (strstr(text, "SumShiftExp")) return; /* the same sums are written with other exponents */
  random_blocks b = blocks_of(kind, c->m, c->n);
  rk_program *program = program_for(c, text, options);
  long size = (long)kept_of(&q) * rule_dim(c, q.r, q.kind);
  result r[2] = {result_new(size), result_new(size)};
  int good = program != NULL;
  blocks_settle(&b);
  for (int p = 0; p < 2 && good; p++) {
    rk_set_pruning(p ? RK_PRUNE_ALWAYS : RK_PRUNE_NEVER);
    good = !run_pairs(q.r, program, &b.pairs, c->input, &r[p], NULL, NULL);
  }
  if (!CHECK(good && (q.r->sign ? are_equal(&q, &r[0], &r[1]) : are_near(&r[0], &r[1])),
             "some of the pairs, without what cannot matter"))
    printf("  %s, %s, blocks %d\n", text, precision_name[options->precision], kind);
  result_free(&r[0]);
  result_free(&r[1]);
  blocks_free(&b);
}

/* Groups, intervals, bands of blocks as callers make them. */
static void test_blocks(void) {
  for (int precision = 0; precision < 2; precision++)
    for (int kind = 0; kind < BLOCKS_KINDS; kind++) {
      cloud *c = cloud_new(403, kind % 2 ? 1311 : 700, 3, 2, 0, kind % 3 == 0);
      const rk_options options = {.precision = precisions[precision]};
      for (int number = 0; number < RULES; number++)
        check_pairs_of(c, (blocks_kind)kind, number, number % 3 == 1 ? 'i' : 'j', &options);
      cloud_free(c);
    }
}

/* ---- threads, choice ------------------------------------------------------------------------- */

static void test_threads(void) {
  enum { N = 4000 };
  cloud *c = cloud_new(N, N, 2, 1, 0, 0);
  const rk_options options = {.precision = RK_FLOAT32};
  rk_program *program = program_for(c, "Sum_Reduction(Exp(-99*SqDist(x,y)), j)", &options);
  result one = result_new(N), two = result_new(N);
  CHECK(!rk_set_threads(1, &last) &&
        !run_as(RK_PRUNE_ALWAYS, &(problem){.r = &rules[SUM]}, program, c->input, &one) &&
        !rk_set_threads(2, &last) &&
        !run_as(RK_PRUNE_ALWAYS, &(problem){.r = &rules[SUM]}, program, c->input, &two) &&
        !memcmp(one.values, two.values, N * sizeof *one.values), "threads change nothing");
  rk_set_threads(0, &last);
  result_free(&one);
  result_free(&two);
  cloud_free(c);
}

static double shown(rk_program *program, const char *key) {
  char *text, words[32];
  double value = -1;
  snprintf(words, sizeof words, "\n%s: ", key);
  if (rk_explain(program, "cpu", NULL, &text, &last)) return -2;
  const char *at = strstr(text, words);
  if (at) value = strtod(at + strlen(words), NULL);
  rk_free(text);
  return value;
}

/* Neighbours in few dimensions are found without most pairs; in many, and of wide kernels, all pairs
 * are faster, which is found out. */
static void test_choice(void) {
  static const struct { int D; const char *text; int pruned; } cases[] = {
    {3, "KMin_ArgKMin_Reduction(SqDist(x,y), 5, j)", 1},
    {16, "KMin_ArgKMin_Reduction(SqDist(x,y), 5, j)", 0},
    {3, "Sum_Reduction(Exp(-SqDist(x,y)), j)", 0},
    {3, "Sum_Reduction(Exp(-4e4*SqDist(x,y)), j)", 1}};
  enum { N = 20000 };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    cloud *c = cloud_new(N, N, cases[k].D, 1, 0, 0);
    const rk_options options = {.precision = RK_FLOAT64};
    rk_program *program = program_for(c, cases[k].text, &options);
    result r = result_new(5 * N);
    const rule both = {.values = 1, .positions = 1};
    rk_set_pruning(RK_PRUNE_AUTO);
    CHECK(program && !run_rule(&both, program, c->input, &r, NULL, NULL) &&
          shown(program, "pruned") == cases[k].pruned, cases[k].text);
    double walked = shown(program, "walked");
    if (!CHECK(cases[k].pruned ? walked > 0 && walked < 0.1 : walked == 1, "most is left out"))
      printf("  %s, D = %d: walked %g\n", cases[k].text, cases[k].D, walked);
    result_free(&r);
    cloud_free(c);
  }
}

/* Where some blocks say that all pairs are faster, the call is done anew: as if nothing had been
 * tried, and what float32 cannot hold is told once. */
static void test_refused(void) {
  enum { N = 8000 };
  const char *text = "n = Sum_Reduction(ReLU(0.4-Norm2(x-y)), j); Sum_Reduction(Exp(-Abs(n-b)), j)";
  cloud *c = cloud_new(N, N, 6, 1, 0, 0);
  const rk_options options = {.precision = RK_FLOAT32};
  rk_program *program = program_for(c, text, &options);
  result all = result_new(N), some = result_new(N);
  char told[2][200] = {"", ""};
  c->b[3] = 1e-60;
  for (int k = 0; k < 2 && program; k++) {
    if (!CHECK(!run_as(k ? RK_PRUNE_AUTO : RK_PRUNE_NEVER, &(problem){.r = &rules[SUM]}, program,
                       c->input, k ? &some : &all), text))
      puts(last.message);
    snprintf(told[k], sizeof told[k], "%s", rk_warning());
  }
  CHECK(shown(program, "pruned") == 0 && shown(program, "expected") < 0.5, "it was tried");
  CHECK(*told[0] && !strcmp(told[0], told[1]), "warnings are told once");
  CHECK(!memcmp(all.values, some.values, N * sizeof *all.values), "what was tried changes no bit");
  result_free(&all);
  result_free(&some);
  cloud_free(c);
}

/* A pass that was tried in vain is not tried again; nothing changes for the other one. */
static void test_again(void) {
  enum { N = 26000 };
  const char *text = "KMin_Reduction(SqDist(x,y), 5, j), "
                     "Sum_Reduction(Exp(-4e4*Square(Elem(x,0)-Elem(y,0))), j)";
  cloud *c = cloud_new(N, N, 7, 1, 0, 0);
  const rk_options options = {.precision = RK_FLOAT64};
  rk_program *program = program_for(c, text, &options);
  result near_ones = result_new(5 * N), sum[2] = {result_new(N), result_new(N)};
  rk_set_pruning(RK_PRUNE_AUTO);
  for (int k = 0; k < 2 && program; k++) {
    const rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = near_ones.values},
                                 {.type = RK_OUT_DOUBLE, .data = sum[k].values}};
    CHECK(!rk_run(program, c->input, INPUTS, outputs, NULL, NULL, &last), text);
  }
  CHECK(!memcmp(sum[0].values, sum[1].values, N * sizeof *sum[0].values), "no bit is another one");
  result_free(&near_ones);
  result_free(&sum[0]);
  result_free(&sum[1]);
  cloud_free(c);
}

/* A call that is stopped gives nothing, and the next one is right. */
static int stop(void *data, double done) {
  (void)done;
  return --*(int *)data < 0;
}

static void test_stopped(void) {
  enum { N = 60000 };
  cloud *c = cloud_new(N, N, 3, 1, 0, 0);
  const rk_options options = {.precision = RK_FLOAT64};
  rk_program *program = program_for(c, "Min_ArgMin_Reduction(SqDist(x,y), j)", &options);
  result r = result_new(N);
  const rule both = {.values = 1, .positions = 1};
  rk_set_pruning(RK_PRUNE_ALWAYS);
  for (int asked = 0; asked < 4; asked++) {
    int left = asked;
    rk_status status = run_rule(&both, program, c->input, &r, stop, &left);
    CHECK(status == RK_OK || status == RK_CANCELLED, "a call can be stopped");
  }
  CHECK(!run_rule(&both, program, c->input, &r, NULL, NULL), "and another one runs");
  result_free(&r);
  cloud_free(c);
}

int main(void) {
  check_configure();
  test_reductions();
  test_spoilt();
  test_bands();
  test_blocks();
  test_sums();
  if (!check_is_small()) {
    test_threads();
    test_choice();
    test_refused();
    test_again();
    test_stopped();
  }
  return check_end();
}
