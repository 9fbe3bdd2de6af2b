/* Parts of the pairs on GPUs: each way to lay them out, blocked kernels, budgets that cut rows,
 * columns and lists, several devices, residents, programs whose passes stay on a device,
 * derivatives. All reductions, and ties: test_walk, which runs on GPUs as well. On the stand-ins
 * and, unchanged, on real GPUs. RKEOPS_TEST_SEED repeats a run. */
#include "gpu_fixture.h"

#include "random_blocks.h"


static int devices;                    /* of this machine */
static int met[RK_GPU_LAYS];           /* how often each layout was walked */

/* ---- one call -------------------------------------------------------------------------------- */

static rk_gpu_lay lay_of(const cloud *c, const char *text, const rk_options *options,
                         const rk_blocks *pairs) {
  static const int both[] = {1, 1};
  rk_gpu_lay lay = RK_GPU_ALL;
  rk_walks walks = {.owns = 0};
  planned p;
  if (!plan_text(&p, text, c->declaration, INPUTS, options) &&
      !rk_walks_make(&walks, pairs, pairs->size, both, &last))
    lay = rk_gpu_lay_choose(&p.pass, &walks.of[rk_kept_kind(p.pass.source)]);
  rk_walks_free(&walks);
  free_planned(&p);
  return lay;
}

typedef struct { int number; pair_kind kind; char index; rk_precision precision; } asked;

static void check_pairs(const cloud *c, const asked *a, random_blocks *b) {
  rk_options options = {.precision = a->precision};
  problem q = problem_of(c, &rules[a->number], a->kind, a->index, &options, 0);
  char text[128];
  rule_text(&rules[a->number], a->kind, a->index, text, sizeof text);
  q.blocks = &b->pairs;
  q.kept = b->kept;
  rk_gpu_lay lay = lay_of(c, text, &options, &b->pairs);
  met[lay]++;
  if (!CHECK(!wrong_in(&q, &options, c->input), "a reduction of blocks is right"))
    printf("  layout %d\n", lay);
}

static void check_kind(const cloud *c, const asked *a, blocks_kind kind) {
  random_blocks b = blocks_of(kind, c->m, c->n);
  blocks_settle(&b);
  check_pairs(c, a, &b);
  blocks_free(&b);
}

/* All of the rows in one segment, in any order if that is wanted. */
static void check_wide(const cloud *c, const asked *a, int orders) {
  random_blocks b = {.pairs = {.size = {c->m, c->n}}, .limits = {-300, -20, 0, 0, -70, 501}};
  b.pairs.bands = 2;
  for (int k = 0; k < 2 && orders; k++)
    b.pairs.order[k] = b.order[k] = random_order((int)b.pairs.size[k], 0);
  blocks_settle(&b);
  check_pairs(c, a, &b);
  blocks_free(&b);
}

/* ---- layouts --------------------------------------------------------------------------------- */

static int rows_of(const cloud *c, const asked *a) {
  rk_options options = {.precision = a->precision};
  char text[128];
  rule_text(&rules[a->number], a->kind, a->index, text, sizeof text);
  return shape_of(c, text, &options).row_block;
}

static const struct { asked what; int D, E; } cases[] = {
  {{SUM, GAUSS, 'j', RK_FLOAT32}, 3, 1},
  {{9, SQUARE_DISTANCE, 'i', RK_FLOAT64}, 1, 1},
  {{FIRST_EXPONENTIAL, PRODUCT, 'j', RK_FLOAT16}, 5, 1},
  {{1, DIFFERENCE, 'j', RK_FLOAT32}, 40, 1},
  {{9, SQUARE_DISTANCE, 'j', RK_FLOAT32}, 100, 1},
  {{FIRST_EXPONENTIAL, PRODUCT, 'i', RK_FLOAT64}, 100, 1},
  {{SUM, RATIONAL, 'j', RK_FLOAT16}, 3, 100},
  {{13, PRODUCT, 'j', RK_FLOAT32}, 3, 20}};
enum { CASES = sizeof cases / sizeof *cases };

static void check_case(int k) {
  static const blocks_kind kinds[] = {BLOCKS_GROUPS, BLOCKS_MIXED_BANDS, BLOCKS_BANDS, BLOCKS_ROWS,
                                      BLOCKS_INTERVALS, BLOCKS_LABELS};
  cloud *c = cloud_new(1, 1, cases[k].D, cases[k].E, 0, 0);
  int size = 2 * rows_of(c, &cases[k].what) - 5;
  cloud_free(c);
  int by_j = cases[k].what.index == 'j';
  c = cloud_new(by_j ? size : 291, by_j ? 291 : size, cases[k].D, cases[k].E, 0, 0);
  check_wide(c, &cases[k].what, 0);
  check_wide(c, &cases[k].what, 1);
  for (int round = 0; round < (check_is_small() ? 3 : 6); round++)
    check_kind(c, &cases[k].what, kinds[(k + round) % 6]);
  cloud_free(c);
}

static void test_layouts(void) {
  for (int k = 0; k < CASES; k++) check_case(k);
  for (int lay = RK_GPU_LISTS; lay < RK_GPU_LAYS; lay++)
    CHECK(met[lay], "each layout is walked over");
}

/* ---- chunks ---------------------------------------------------------------------------------- */

/* Two that cut both rows and columns, and all memory. */
static void check_budgets(int number, pair_kind kind, int64_t unit) {
  const int64_t bytes[] = {3 * unit, 4 * unit, 0};
  const asked a = {number, kind, 'j', RK_FLOAT32};
  cloud *c = cloud_new(1301, 1503, 3, 2, 0, 0);
  for (int k = 0; k < 3; k++) {
    budget(bytes[k]);
    check_wide(c, &a, k == 1);
    check_kind(c, &a, k == 2 ? BLOCKS_ROWS : k == 1 ? BLOCKS_GROUPS : BLOCKS_MIXED_BANDS);
    check_kind(c, &a, k == 2 ? BLOCKS_LABELS : BLOCKS_NOTHING);
  }
  budget(0);
  cloud_free(c);
}

static void test_budgets(void) {
  check_budgets(SUM, GAUSS, 37 << 10);
  check_budgets(9, SQUARE_DISTANCE, 72 << 10);
}

/* Rows that walk over very many intervals: their list comes in several launches. */
static void test_long_lists(void) {
  const asked a = {9, SQUARE_DISTANCE, 'j', RK_FLOAT32};
  cloud *c = cloud_new(3, 20011, 3, 2, 0, 0);
  check_wide(c, &a, 1);
  check_wide(c, &a, 0);
  check_kind(c, &a, BLOCKS_ROWS);
  cloud_free(c);
}

/* ---- several devices ------------------------------------------------------------------------- */

static void test_devices(void) {
  const asked sum = {SUM, GAUSS, 'j', RK_FLOAT32}, nearest = {9, SQUARE_DISTANCE, 'j', RK_FLOAT32};
  cloud *c = cloud_new(1501, 300, 3, 2, 0, 0), *few = cloud_new(3, 900, 3, 2, 0, 0);
  for (int n = 2; n <= devices && n <= 3; n++) {
    use(n);
    check_kind(c, &sum, BLOCKS_GROUPS);
    check_kind(c, &nearest, BLOCKS_MIXED_BANDS);
    check_kind(c, &nearest, BLOCKS_NOTHING);
    check_kind(few, &sum, BLOCKS_LABELS);
  }
  use(1);
  cloud_free(c);
  cloud_free(few);
}

/* ---- programs -------------------------------------------------------------------------------- */

static rk_status run_whole(rk_program *p, const rk_blocks *pairs, const rk_array *input,
                           double *out) {
  const rk_output outputs[2] = {{.type = RK_OUT_DOUBLE, .data = out, .none_double = -7},
                                {.type = RK_OUT_DOUBLE, .data = out, .none_double = -7}};
  return rk_run_blocks(p, pairs, input, outputs, NULL, NULL, &last);
}

static int differ(const double *a, const double *b, int n) {
  int count = 0;
  for (int k = 0; k < n; k++) count += !(fabs(a[k] - b[k]) <= 1e-9 * (1 + fabs(b[k])));
  return count;
}

/* The same as on the processor; with inputs that lie on the devices, too. */
static void check_program(const cloud *c, const char *text, int size, blocks_kind kind, int n) {
  enum { MOST = 1000 };
  rk_options options = {.precision = RK_FLOAT64};
  rk_program *p = program_for(c, text, &options);
  random_blocks b = blocks_of(kind, c->m, c->n);
  blocks_settle(&b);
  double want[MOST], got[MOST];
  rk_array input[INPUTS];
  rk_resident *resident[INPUTS] = {NULL};
  use(0);
  CHECK(p && !run_whole(p, &b.pairs, c->input, want), "the processor computes blocks");
  use(n);
  for (int there = 0; there < 2; there++) {
    for (int k = 0; k < INPUTS; k++) {
      input[k] = c->input[k];
      if (!there || rk_resident_new(&input[k], RK_FLOAT64, &resident[k], NULL, NULL, &last))
        continue;
      input[k] = rk_resident_array(resident[k]);
    }
    memset(got, 0, sizeof got);
    CHECK(!run_whole(p, &b.pairs, input, got), "GPUs compute them");
    if (!CHECK(!differ(got, want, size), "with the same result")) printf("  %s\n", text);
  }
  for (int k = 0; k < INPUTS; k++) rk_resident_free(resident[k]);
  use(1);
  blocks_free(&b);
}

static void test_programs(void) {
  enum { I = 301, J = 207 };
  static const struct { const char *text; int size; } programs[] = {
    {"L = LogSumExp_Reduction(-4*SqDist(x,y), j); Sum_Reduction(Exp(-4*SqDist(x,y) - L), j)", I},
    {"L = LogSumExp_Reduction(-4*SqDist(x,y), i); Sum_Reduction(Exp(-4*SqDist(x,y) - L), j)", I},
    {"Grad(Sum_Reduction(Exp(-p*SqDist(x,y))*w, j), x, a)", 3 * I},
    {"Grad(Sum_Reduction(Exp(-p*SqDist(x,y))*w, j), y, a)", 3 * J},
    {"Grad(Sum_Reduction(Exp(-p*SqDist(x,y))*w, j), p, a)", 1},
    {"Grad(Min_Reduction(SqDist(x,y), j), y, a)", 3 * J}};
  cloud *c = cloud_new(I, J, 3, 2, 0, 0);
  for (unsigned k = 0; k < sizeof programs / sizeof *programs; k++) {
    const char *text = programs[k].text;
    check_program(c, text, programs[k].size, k % 2 ? BLOCKS_LABELS : BLOCKS_MIXED_BANDS, 1);
    if (devices > 1 && k % 3 == 1)
      check_program(c, text, programs[k].size, BLOCKS_SORTED_BANDS, 2);
  }
  cloud_free(c);
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static int stop_after(void *data, double done) {
  (void)done;
  return --*(int *)data < 0;
}

static void test_cancelling(void) {
  cloud *c = cloud_new(1000, 1000, 3, 2, 0, 0);
  rk_options options = {.precision = RK_FLOAT32};
  rk_program *p = program_for(c, "Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", &options);
  random_blocks b = blocks_of(BLOCKS_LABELS, c->m, c->n);
  blocks_settle(&b);
  result r = result_new(2000);
  for (int after = 0; after < 3; after++) {
    int left = after;
    budget(after == 1 ? 96 << 10 : 0);
    rk_status status = run_pairs(&rules[SUM], p, &b.pairs, c->input, &r, stop_after, &left);
    CHECK(status == RK_CANCELLED || (status == RK_OK && left >= 0),
          "a poll that says stop ends the call");
  }
  budget(0);
  rk_device_info info;
  CHECK(!rk_device_describe(0, &info, &last) && info.held == 0, "nothing is held then");
  result_free(&r);
  blocks_free(&b);
  cloud_free(c);
}

int main(void) {
  devices = begin_on_gpu();
  if (!devices) return 0;
  test_layouts();
  test_budgets();
  test_long_lists();
  test_devices();
  test_programs();
  test_cancelling();
  rk_device_info info;
  rk_forget();
  CHECK(!rk_device_describe(0, &info, &last) && info.held == 0, "nothing is held at the end");
  return check_end();
}
