/* Random well-typed formulas against a naive evaluator: all operations, kinds of variables, shared
 * vectors, reductions of reductions, derivatives of expressions and of reductions, both precisions
 * and directions, sizes around the tiles; on one thread and several, in parts that are merged, for
 * some of the pairs only, without those that cannot matter, on GPUs with as little memory as will do.
 *
 *   test_random [seed [formulas [selecting]]]     RKEOPS_TEST_FULL=1: many more formulas
 *
 * So many programs that select (a fourth as many) are compared with themselves, pruned, on several
 * data each: 1250 are ten thousand calls.
 *
 * A failure prints the seed, and an R call that shows it, made as small as it will go. */
#include "random_blocks.h"
#include "random_generate.h"
#include "random_shrink.h"

enum { TOGETHER = 24 };

typedef struct { formula *f; query q; rk_program *program[2]; unsigned long long seed; } task;

static int failures_shown;

static void fill(formula *f, int special) {
  double low = chance(0.5) ? 0.25 : -1;
  for (int k = 0; k < f->variables; k++) {
    variable *v = &f->variable[k];
    int n = (int)rows_of(f, v->kind);
    free(v->data);
    v->data = random_numbers((long)n * v->dim, low, 1.25);
    for (int q = 0; special && n && q < 2; q++)
      v->data[below(n * v->dim)] = (double[]){NAN, INFINITY, -INFINITY, 0}[below(4)];
  }
}

static int has_derivatives(const task *t) {
  int order = t->q.r[0].steps;
  for (int k = 0; k < t->f->nodes; k++) order += t->f->node[k].order;
  return order;
}

/* Rows and columns: few for derivatives, whose evaluation takes long. */
static void choose_sizes(task *t, int round) {
  static const int sizes[][2] = {{1, 1}, {7, 3}, {8, 17}, {16, 65}, {17, 33}, {33, 8}, {65, 5},
                                 {5, 31}, {9, 130}, {0, 4}, {4, 0}, {129, 3}, {2, 40}, {70, 20}};
  static const int thin[][2] = {{1, 130}, {3, 300}, {2, 65}, {4, 129}, {1, 64}, {3, 257}};
  static const int few[][2] = {{5, 4}, {3, 9}, {1, 6}, {7, 1}, {2, 17}, {9, 3}, {33, 2}, {4, 66},
                               {0, 3}, {3, 0}};
  const int *size = has_derivatives(t) ? few[below(10)]
                    : round == 2       ? thin[below(6)] : sizes[below(14)];
  formula *f = t->f;
  f->M = size[t->q.r[0].kept];
  f->N = size[!t->q.r[0].kept];
  if (!has_kind(f, RK_KIND_I)) f->M = 1;
  if (!has_kind(f, RK_KIND_J)) f->N = 1;
}

static void show_failure(task *t, const way *w, rk_status status, const rk_error *error) {
  printf("seed %llu, float%d, %d threads%s%s%s%s%s\n", t->seed,
         w->precision == RK_FLOAT32 ? 32 : 64, w->threads, w->budget ? ", little memory" : "",
         w->blocks ? ", blocks" : "", w->prunes ? ", pruned" : "", status ? ": " : "",
         status ? error->message : "");
  static unsigned long long shown; /* a formula is shrunk once, five of them in all */
  if (!w->blocks && !w->prunes && shown != t->seed && failures_shown++ < 5) shrink_and_show(t->f, &t->q, w);
  shown = t->seed;
}

/* One run against what is expected; `bits`, when not NULL, gets or is compared with the results. */
static void check_run(task *t, const way *w, const expected *e, results *bits) {
  results out[RESULTS];
  rk_error error;
  rk_status status = run(t->f, &t->q, t->program[w->precision], w, out, &error);
  int bad = status ? -1 : count_all_wrong(t->f, &t->q, e, out);
  if (!CHECK(bad == 0, "a random formula is what it says")) show_failure(t, w, status, &error);
  if (bits && bits->first && !bad)
    CHECK(!memcmp(bits->first, out->first, (size_t)out->size * 8), "threads change no bit");
  if (bits && !bits->first) memcpy(bits, out, sizeof out);
  else free_results(out, t->q.n);
}

/* So many repetitions of the reduced rows that they are cut in parts and merged. */
static void check_parts(task *t, const way *plain) {
  rk_kind reduced = reduced_kind(&t->q);
  int n = (int)rows_of(t->f, reduced), on_gpu = check_on_gpu();
  if (!n || !has_kind(t->f, reduced) || !t->f->M || !t->f->N) return;
  results bits[RESULTS] = {{NULL, NULL, 0}};
  expected e[RESULTS];
  way w = *plain;
  repeats[reduced] = w.times = (on_gpu ? 700 : 30000) / n + 1;
  w.budget = on_gpu;
  expect_all(t->f, &t->q, e);
  check_run(t, &w, e, bits);
  w.threads = 3;
  if (!on_gpu) check_run(t, &w, e, bits);
  forget_all(e, t->q.n);
  free_results(bits, t->q.n);
  repeats[reduced] = 1;
}

/* Once more without the pairs that cannot matter. */
static void check_pruned(task *t, const way *plain, const expected *e) {
  way w = *plain;
  w.prunes = 1;
  check_run(t, &w, e, NULL);
}

/* Once more for some of the pairs only. */
static void check_blocks(task *t, const way *plain) {
  expected e[RESULTS];
  way w = *plain;
  if (!t->f->M || !t->f->N) return;
  random_blocks b = blocks_of((blocks_kind)below(BLOCKS_KINDS), t->f->M, t->f->N);
  blocks_settle(&b);
  pair_kept = b.kept;
  w.blocks = &b.pairs;
  expect_all(t->f, &t->q, e);
  check_run(t, &w, e, NULL);
  forget_all(e, t->q.n);
  pair_kept = NULL;
  blocks_free(&b);
}

static void check_formula(task *t, int narrow) {
  int rounds = has_derivatives(t) ? 2 : 2 + narrow;
  for (int round = 0; round < rounds; round++) {
    choose_sizes(t, round);
    fill(t->f, !has_derivatives(t) && chance(0.12));
    for (int precision = 0; precision < 2; precision++) {
      way w = {.precision = precision, .threads = 1, .times = 1};
      expected e[RESULTS];
      if (!t->program[precision]) continue;
      set_precision(precision);
      expect_all(t->f, &t->q, e);
      check_run(t, &w, e, NULL);
      if (round == 0) check_parts(t, &w);
      if (t->seed % 3 == 1 && !check_on_gpu()) check_pruned(t, &w, e);
      if (round == 0 && t->seed % 3 == 0) check_blocks(t, &w);
      forget_all(e, t->q.n);
    }
  }
}

static void free_formula(formula *f) {
  for (int k = 0; k < f->variables; k++) free(f->variable[k].data);
  free(f);
}

/* A third of the formulas have derivatives of expressions, of reductions, or both. */
static void make_task(task *t, unsigned long long seed) {
  t->seed = seed;
  check_seed = seed * 0x9E3779B97F4A7C15ull + 88172645463325252ull;
  for (int q = 0; q < 8; q++) uniform();
  int order = can_use("Grad") && chance(0.4) ? 1 + below(2) : 0;
  most_order = can_use("Grad") && chance(0.25) ? 1 + below(MOST_LEVEL - order > 2 ? 2 : 1) : 0;
  t->f = new_formula(&t->q, order);
}

/* ---- what selects ---------------------------------------------------------------------------- */

/* Programs that select values or positions, without the pairs that cannot matter and with all of
 * them: the same numbers. Half of the formulas have a mask of their own, half of the calls are
 * on some of the pairs; numbers have ties, and some are no numbers. */
static long bounded, left_out; /* calls whose pass is bounded; that did not walk all pairs */
enum { CALLS = 8 };                 /* of a program */

static int selects(int op) { return op != R_SUM && !is_exponential(op); }

/* A mask of the formula: a value that has no position wherever a test fails. */
static void mask_root(formula *f, final *r) {
  node x = blank(EACH, WHERE);
  int none = two_of(f, DIVIDE, number(f, is_largest(r->op) ? -1 : 1), number(f, 0));
  x.operand[0] = logical_value(f, 1, 2);
  x.operand[1] = r->root;
  x.operand[2] = none;
  r->root = add(f, x);
}

/* One value for each pair, of inputs: what is bounded. */
static int is_asked(const formula *f, const query *q) {
  const node *root = &f->node[q->r[0].root];
  return q->n == 1 && selects(q->r[0].op) && root->dim == 1 && root->indices == 3 &&
         !root->reduces && !root->order;
}

static void make_selecting(task *t, unsigned long long seed) {
  t->seed = seed;
  check_seed = seed * 0x9E3779B97F4A7C15ull + 88172645463325252ull;
  most_order = 0;
  for (;;) {
    t->f = new_formula(&t->q, 0);
    if (is_asked(t->f, &t->q)) break;
    free(t->f);
  }
  if (chance(0.5) && t->f->nodes < NODES - 30) mask_root(t->f, &t->q.r[0]);
}

/* Whole numbers of eighths, or any. */
static void fill_with_ties(formula *f) {
  int ties = chance(0.4), special = chance(0.15);
  double low = chance(0.5) ? 0.25 : -1;
  for (int k = 0; k < f->variables; k++) {
    variable *v = &f->variable[k];
    long n = rows_of(f, v->kind) * v->dim;
    free(v->data);
    v->data = random_numbers(n, low, 1.25);
    for (long e = 0; e < n && ties; e++) v->data[e] = floor(v->data[e] * 8) / 8;
    for (int q = 0; special && q < 2; q++)
      v->data[below((int)n)] = (double[]){NAN, INFINITY, -INFINITY, 0}[below(4)];
  }
}

/* How much was walked, where the pass was bounded; else -1. */
static double walked(rk_program *program) {
  char *text;
  rk_error error;
  double share = -1;
  if (rk_explain(program, "cpu", NULL, &text, &error)) return -1;
  const char *at = strstr(text, "\nwalked: ");
  if (strstr(text, "\npruned: 1") && at) share = strtod(at + 9, NULL);
  rk_free(text);
  return share;
}

/* Equal numbers; the least of 0 and -0 is the one that comes first, in whatever order. */
static int are_same(const double *a, const double *b, long n) {
  for (long k = 0; k < n; k++)
    if (!(a[k] == b[k] || (isnan(a[k]) && isnan(b[k])))) return 0;
  return 1;
}

static void check_same(task *t, const way *plain) {
  results all[RESULTS], some[RESULTS];
  rk_error error = {.status = RK_OK};
  way w = *plain;
  rk_status status = run(t->f, &t->q, t->program[w.precision], &w, all, &error);
  w.prunes = 1;
  if (!status) {
    status = run(t->f, &t->q, t->program[w.precision], &w, some, &error);
    double share = walked(t->program[w.precision]);
    bounded += share >= 0;
    left_out += share >= 0 && share < 1;
    int same = !status && are_same(all->first, some->first, all->size) &&
               are_same(all->second, some->second, all->size);
    if (!CHECK(same, "what selects is the same without pairs that cannot matter"))
      printf("  seed %llu, float%d%s %s\n", t->seed, w.precision == RK_FLOAT32 ? 32 : 64,
             w.blocks ? ", blocks" : "", status ? error.message : "");
    free_results(some, t->q.n);
  }
  free_results(all, t->q.n);
}

static void check_once(task *t) {
  static const int rows[] = {1, 9, 40, 70, 130}, columns[] = {40, 150, 400, 1100};
  way w = {.precision = t->program[1] != NULL, .threads = 1, .times = 1};
  t->f->M = rows[below(5)];
  t->f->N = columns[below(4)];
  if (t->q.r[0].kept) {
    int m = t->f->M;
    t->f->M = t->f->N;
    t->f->N = m;
  }
  fill_with_ties(t->f);
  if (chance(0.5)) return check_same(t, &w);
  random_blocks b = blocks_of((blocks_kind)below(BLOCKS_KINDS), t->f->M, t->f->N);
  blocks_settle(&b);
  w.blocks = &b.pairs;
  check_same(t, &w);
  blocks_free(&b);
}

/* On several data: what is compiled serves them all. */
static void check_selecting(task *t) {
  check_seed = t->seed * 0x9E3779B97F4A7C15ull + 1;
  for (int k = 0; k < CALLS; k++) check_once(t);
}

/* Each program in one precision. */
static void check_selecting_batch(unsigned long long seed, int count) {
  task t[TOGETHER];
  rk_program *programs[TOGETHER] = {NULL};
  rk_error error;
  for (int k = 0; k < count; k++) {
    make_selecting(&t[k], seed + (unsigned)k);
    int precision = (int)(t[k].seed % 2);
    t[k].program[!precision] = NULL;
    programs[k] = t[k].program[precision] = request(t[k].f, &t[k].q, precision, &error);
    CHECK(programs[k] != NULL, "a well-typed formula is understood");
  }
  CHECK(rk_build_many(programs, count, NULL, NULL, &error) == RK_OK, "all of them compile");
  for (int k = 0; k < count; k++) {
    if (programs[k]) check_selecting(&t[k]);
    free_formula(t[k].f);
  }
}

static void check_all_selecting(unsigned long long seed, int many) {
  for (int k = 0; k < many; k += TOGETHER)
    check_selecting_batch(seed + (unsigned)k, many - k < TOGETHER ? many - k : TOGETHER);
  printf("%d calls that select, %ld of them bounded, %ld left pairs out\n", CALLS * many, bounded,
         left_out);
  if (many >= 30) CHECK(5 * left_out >= CALLS * many, "a fifth of the calls leave pairs out");
}

/* ---- all ------------------------------------------------------------------------------------- */

static void check_batch(unsigned long long seed, int count, int narrow) {
  task t[TOGETHER];
  rk_program *programs[2 * TOGETHER] = {NULL};
  rk_error error;
  int n = 0;
  for (int k = 0; k < count; k++) {
    make_task(&t[k], seed + (unsigned)k);
    for (int precision = 0; precision < 2; precision++) {
      t[k].program[precision] = request(t[k].f, &t[k].q, precision, &error);
      if (CHECK(t[k].program[precision] != NULL, "a well-typed formula is understood"))
        programs[n++] = t[k].program[precision];
      else show_failure(&t[k], &(way){.precision = precision}, error.status, &error);
    }
  }
  CHECK(rk_build_many(programs, n, NULL, NULL, &error) == RK_OK, "all of them compile");
  for (int k = 0; k < count; k++) {
    check_formula(&t[k], k < narrow);
    free_formula(t[k].f);
  }
}

int main(int arguments, char **argument) {
  int full = getenv("RKEOPS_TEST_FULL") != NULL, many = full ? 1200 : check_is_small() ? 8 : 30;
  unsigned long long seed = arguments > 1 ? strtoull(argument[1], NULL, 10) : 20261;
  if (arguments > 2) many = atoi(argument[2]);
  int selecting = arguments > 3 ? atoi(argument[3]) : many / 4;
  setvbuf(stdout, NULL, _IOLBF, 0);
  check_configure();
  for (int k = 0; k < many; k += TOGETHER) {
    check_batch(seed + (unsigned)k, many - k < TOGETHER ? many - k : TOGETHER, full ? 4 : 1);
    if (many > 500) printf("%d formulas so far\n", k + TOGETHER);
  }
  printf("%ld numbers compared, %ld of them with a useful bound\n", compared, trusted);
  if (many >= 30)
    CHECK(10 * trusted >= 7 * compared, "at least 70 % of the numbers are really compared");
  if (!check_on_gpu()) check_all_selecting(seed, selecting);
  return check_end();
}
