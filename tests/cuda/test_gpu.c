/* The engine on GPUs against naive loops in double: every reduction at sizes around the blocks of
 * its kernel, few rows with many columns and the reverse, large inner dimensions, wide results,
 * three precisions, small budgets, residents, several devices, cancelling. (Schemes and special
 * values: test_engine, programs of several passes: test_programs, which run on GPUs as well.) On the
 * stand-in (RKEOPS_CUDA_PATH, RKEOPS_NVRTC_PATH) and, unchanged, on real GPUs. RKEOPS_TEST_SEED
 * repeats a run; arguments name the tests to run. */
#include "gpu_fixture.h"

#include "os.h"


static int devices;          /* of this machine */

/* ---- reductions, sizes ---- */

/* Every reduction; those over i, and in half, are a part of them. */
static int is_chosen(int number, char index, int precision) {
  if (index == 'i') return precision == RK_FLOAT32 && number % 3 == 0;
  return precision != RK_FLOAT16 || number % 4 == 0;
}

static void want_rules(const cloud *c) {
  for (int number = 0; number < RULES; number++)
    for (int precision = 0; precision < 3; precision++)
      for (const char *index = "ji"; *index; index++) {
        char text[128];
        rk_options options = {.precision = (rk_precision)precision};
        rule_text(&rules[number], kind_for(number), *index, text, sizeof text);
        if (is_chosen(number, *index, precision)) want(c, text, &options);
      }
}

static void check_rules(int m, int n, int whole) {
  cloud *c = cloud_new(m, n, 3, 2, 0, whole);
  for (int number = 0; number < RULES; number++)
    for (int precision = 0; precision < 3; precision++)
      for (const char *index = "ji"; *index; index++) {
        rk_options options = {.precision = (rk_precision)precision};
        if (is_chosen(number, *index, precision))
          check_rule(c, number, kind_for(number), *index, &options, whole);
      }
  cloud_free(c);
}

static void test_reductions(void) {
  cloud *c = cloud_new(1, 1, 3, 2, 0, 0);
  want_rules(c);
  build_ahead();
  cloud_free(c);
  for (int whole = check_is_small(); whole < 2; whole++) {
    check_rules(1, 1, whole);
    check_rules(2, 3, whole);
    check_rules(37, 150, whole);
    check_rules(130, 41, whole);
    check_rules(259, 261, whole);
  }
}

/* At the edges of the blocks: 1, B - 1, B, B + 1, 2B + 3 rows and columns. */
static void check_edges(const char *what, int number, pair_kind kind, int D, int E,
                        const rk_options *options) {
  cloud *c = cloud_new(1, 1, D, E, 0, 0);
  char text[128];
  rule_text(&rules[number], kind, 'j', text, sizeof text);
  rk_gpu_shape shape = shape_of(c, text, options);
  cloud_free(c);
  int B = shape.row_block, C = shape.column_block, bad = 0;
  const int size[][2] = {{1, 1}, {B - 1, C + 1}, {B, C}, {B + 1, 2 * C + 3}, {2 * B + 3, C - 1},
                         {1, C}, {B + 1, 1}, {B, C - 1}, {B - 1, 2 * C + 3}, {1, C - 1}};
  for (int k = 0; k < (check_is_small() ? 5 : 10); k++) {
    c = cloud_new(size[k][0] > 0 ? size[k][0] : 1, size[k][1] > 0 ? size[k][1] : 1, D, E, 0, 0);
    problem q = problem_of(c, &rules[number], kind, 'j', options, 0);
    bad += wrong_in(&q, options, c->input);
    cloud_free(c);
  }
  CHECK(!bad, what);
}

static const struct { const char *what; int number; pair_kind kind; int D, E; } wide[] = {
  {"a Gaussian sum at the edges of blocks", SUM, GAUSS, 3, 1},
  {"nearest neighbours at the edges of blocks", 9, SQUARE_DISTANCE, 3, 1},
  {"a log-sum-exp at the edges of blocks", FIRST_EXPONENTIAL, PRODUCT, 5, 1},
  {"D = 40", SUM, GAUSS, 40, 1},
  {"D = 100", SUM, GAUSS, 100, 1},
  {"D = 100, log-sum-exp", FIRST_EXPONENTIAL, PRODUCT, 100, 1},
  {"D = 100, nearest neighbours", 9, SQUARE_DISTANCE, 100, 1},
  {"20 columns", SUM, GAUSS, 3, 20},
  {"100 columns", SUM, RATIONAL, 3, 100},
  {"D = 40 and 100 columns", SUM, GAUSS, 40, 100},
  {"differences of D = 40", 1, DIFFERENCE, 40, 1},
  {"soft maximum with 20 columns", 13, PRODUCT, 3, 20}};
enum { WIDE = sizeof wide / sizeof *wide };

static void test_edges(void) {
  for (int k = 0; k < WIDE; k++)
    for (int precision = 0; precision < 3; precision++) {
      cloud *c = cloud_new(1, 1, wide[k].D, wide[k].E, 0, 0);
      rk_options options = {.precision = (rk_precision)precision};
      char text[128];
      rule_text(&rules[wide[k].number], wide[k].kind, 'j', text, sizeof text);
      want(c, text, &options);
      cloud_free(c);
    }
  build_ahead();
  for (int k = 0; k < WIDE; k++)
    for (int precision = 0; precision < 3; precision++) {
      rk_options options = {.precision = (rk_precision)precision};
      if (precision == k % 3 || (precision == RK_FLOAT32 && !check_is_small()))
        check_edges(wide[k].what, wide[k].number, wide[k].kind, wide[k].D, wide[k].E, &options);
    }
}

/* Columns are split over blocks, and over launches; rows over many blocks. */
static void test_long_and_thin(void) {
  static const int size[][2] = {{1, 30000}, {3, 20011}, {20011, 3}, {30000, 1}, {70, 4099}};
  static const int number[] = {SUM, 3, 9, FIRST_EXPONENTIAL};
  for (int s = 0; s < 5; s++) {
    cloud *c = cloud_new(size[s][0], size[s][1], 3, 2, 0, 0);
    for (int k = 0; k < 4; k++) {
      rk_options options = {.precision = k % 2 ? RK_FLOAT64 : RK_FLOAT32};
      check_rule(c, number[k], kind_for(number[k]), 'j', &options, 0);
    }
    cloud_free(c);
  }
}

/* More than the pinned stages hold: data and results pass in several pieces. */
static void test_pieces(void) {
  static const int size[][2] = {{2, 250001}, {300001, 2}};
  for (int s = 0; s < (check_is_small() ? 0 : 2); s++) {
    cloud *c = cloud_new(size[s][0], size[s][1], 3, 2, 0, 1);
    rk_options options = {.precision = RK_FLOAT32};
    if (s) check_rule(c, 9, SQUARE_DISTANCE, 'j', &options, 1);
    else check_rule(c, SUM, GAUSS, 'j', &options, 1);
    rk_resident *x = NULL;
    rk_array input[INPUTS];
    memcpy(input, c->input, sizeof input);
    CHECK(!rk_resident_new(&c->input[s], s ? RK_FLOAT32 : RK_FLOAT64, &x, NULL, NULL, &last),
          "a resident of several pieces");
    if (x) input[s] = rk_resident_array(x);
    problem q = problem_of(c, &rules[SUM], GAUSS, 'j', &options, 1);
    CHECK(!wrong_in(&q, &options, input), "is right");
    rk_resident_free(x);
    cloud_free(c);
  }
}

/* ---- budgets ---- */

/* The same bits whatever the budget is not promised; the right result is. */
static void test_budgets(void) {
  cloud *c = cloud_new(3001, 2803, 3, 2, 0, 0);
  static const int64_t bytes[] = {96 << 10, 128 << 10, 200 << 10, 1 << 20};
  for (int k = 0; k < (check_is_small() ? 2 : 4); k++) {
    budget(bytes[k]);
    rk_options options = {.precision = RK_FLOAT32};
    check_rule(c, k == 1 ? 9 : SUM, k == 1 ? SQUARE_DISTANCE : GAUSS, 'j', &options, 0);
  }
  budget(4 << 10);
  rk_options options = {.precision = RK_FLOAT32};
  rk_program *program = program_for(c, "Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", &options);
  result r = result_new(6002);
  CHECK(run_rule(&rules[SUM], program, c->input, &r, NULL, NULL) == RK_ERROR_MEMORY,
        "a budget that nothing fits into is an error");
  CHECK(strstr(last.message, "needed") && strstr(last.message, "available"),
        "which names the bytes needed and available");
  long long needed = 0;
  const char *number = strstr(last.message, ": ");
  while (number && (number[2] < '0' || number[2] > '9')) number = strstr(number + 2, ": ");
  if (number) needed = atoll(number + 2);
  budget(needed + needed / 16 + 2);
  CHECK(needed > 0 && !run_rule(&rules[SUM], program, c->input, &r, NULL, NULL),
        "what is said to be needed is enough");
  problem q = problem_of(c, &rules[SUM], GAUSS, 'j', &options, 0);
  CHECK(needed > 0 && !count_wrong(&q, r.values, r.positions), "and the result is right");
  budget(0);
  result_free(&r);
  cloud_free(c);
}

/* ---- one kernel of each kind ---- */

/* Wanted, or checked. */
static void one_kind(int m, int n, int D, int E, int number, pair_kind kind,
                     const rk_options *options, int build) {
  cloud *c = cloud_new(m, n, D, E, 0, 0);
  char text[128];
  rule_text(&rules[number], kind, 'j', text, sizeof text);
  if (build) want(c, text, options);
  else check_rule(c, number, kind, 'j', options, 0);
  cloud_free(c);
}

static void all_kinds(int m, int n, int build) {
  static const rk_options options = {.precision = RK_FLOAT32}, half = {.precision = RK_FLOAT16},
                          exact = {.precision = RK_FLOAT32, .scheme = RK_SCHEME_KAHAN};
  for (int number = 0; number < RULES; number++)
    one_kind(m, n, 3, 2, number, kind_for(number), &options, build);
  one_kind(m, n, 3, 2, SUM, GAUSS, &half, build);
  one_kind(m, n, 3, 2, SUM, GAUSS, &exact, build);
  for (int k = 0; k < WIDE; k++)
    one_kind(m, n, wide[k].D, wide[k].E, wide[k].number, wide[k].kind, &options, build);
}

/* Few calls, for runs under compute-sanitizer: rows in blocks, columns split, data in pieces. */
static void test_kinds(void) {
  rk_options options = {.precision = RK_FLOAT32};
  all_kinds(1, 1, 1);
  build_ahead();
  all_kinds(130, 301, 0);
  all_kinds(2, 2003, 0);
  budget(128 << 10);
  one_kind(900, 1100, 3, 2, SUM, GAUSS, &options, 0);
  one_kind(900, 1100, 3, 2, 9, SQUARE_DISTANCE, &options, 0);
  budget(0);
}

/* ---- residents ---- */

static void test_residents(void) {
  cloud *c = cloud_new(301, 507, 3, 2, 5, 0);
  rk_options options = {.precision = RK_FLOAT32};
  rk_program *program = program_for(c, "Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", &options);
  result plain = result_new(602), other = result_new(602);
  CHECK(!run_rule(&rules[SUM], program, c->input, &plain, NULL, NULL), "arrays of the host");
  for (int mask = 1; mask < 64; mask += 6) {
    rk_array input[INPUTS];
    rk_resident *resident[INPUTS] = {NULL};
    int bad = 0;
    for (int k = 0; k < INPUTS; k++) {
      input[k] = c->input[k];
      if (!(mask >> k & 1)) continue;
      bad += rk_resident_new(&c->input[k], RK_FLOAT64, &resident[k], NULL, NULL, &last) != RK_OK;
      if (resident[k]) input[k] = rk_resident_array(resident[k]);
    }
    CHECK(!bad, "arrays are made resident");
    CHECK(!run_rule(&rules[SUM], program, input, &other, NULL, NULL) &&
          !memcmp(plain.values, other.values, 602 * 8), "residents give the same bits");
    for (int k = 0; k < INPUTS; k++) rk_resident_free(resident[k]);
  }
  result_free(&plain);
  result_free(&other);
  cloud_free(c);
}

/* Bytes of a number of what is meant in float32: 4, unless that lost digits which matter. */
static void test_resident_precision(void) {
  enum { N = 1000 };
  static const struct { double from, width, unit; rk_precision meant; size_t bytes; } cases[] = {
    {-1, 2, 0, RK_FLOAT32, 4}, {0, 1, 0, RK_FLOAT16, 4}, {-1, 2, 0, RK_FLOAT64, 8},
    {1, 1, 0, RK_FLOAT32, 4}, {6e6, 2, 0, RK_FLOAT32, 8}, {-6e6, 2, 0, RK_FLOAT32, 8},
    {3, 0, 0, RK_FLOAT32, 4}, {0.1, 0, 0, RK_FLOAT32, 8}, {0, 1e9, 1, RK_FLOAT32, 8},
    {0, 1e7, 1, RK_FLOAT32, 4}, {0, 1e9, 0, RK_FLOAT32, 4}, {-1e39, 2e39, 0, RK_FLOAT32, 8},
    {NAN, 0, 0, RK_FLOAT32, 4}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    double *given = random_numbers(2 * N, 0, 1), *back = malloc(2 * N * sizeof *back);
    int bad = 0;
    char what[48];
    for (int r = 0; r < 2 * N; r++) {
      given[r] = r < N ? r : cases[k].from + cases[k].width * given[r]; /* the first are harmless */
      if (cases[k].unit) given[r] = floor(given[r]);
    }
    rk_array x = {given, N, 2, 1, N, NULL, 0};
    rk_resident *resident = NULL;
    CHECK(!rk_resident_new(&x, cases[k].meant, &resident, NULL, NULL, &last), "a resident");
    snprintf(what, sizeof what, "case %d: %d bytes", (int)k, (int)cases[k].bytes);
    CHECK(resident && rk_resident_bytes(resident) == cases[k].bytes, what);
    if (resident) bad += rk_resident_read(resident, back, NULL, NULL, &last) != RK_OK;
    for (int r = 0; r < 2 * N && resident; r++) {
      double number = cases[k].bytes == 4 ? (double)(float)given[r] : given[r];
      bad += back[r] != number && number == number;
    }
    CHECK(!bad, what);
    rk_resident_free(resident);
    free(given);
    free(back);
  }
}

/* In float32, as inputs of both sides and of blocked kernels, whole and in chunks. */
static void test_float_residents(void) {
  for (int wide = 0; wide < 2; wide++) {
    cloud *c = cloud_new(301, 507, wide ? 70 : 3, 2, 5, 0);
    rk_options options = {.precision = RK_FLOAT32};
    rk_program *program = program_for(c, "Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", &options);
    result plain = result_new(602), other = result_new(602);
    rk_array rounded[INPUTS], input[INPUTS];
    rk_resident *resident[INPUTS] = {NULL};
    double *own[INPUTS];
    for (int k = 0; k < INPUTS; k++) {
      const rk_array *x = &c->input[k];
      size_t size = (size_t)(x->rows * x->dim);
      own[k] = malloc(size * sizeof(double) + 8);
      CHECK(!rk_resident_new(x, RK_FLOAT32, &resident[k], NULL, NULL, &last), "a resident");
      CHECK(!rk_resident_read(resident[k], own[k], NULL, NULL, &last), "is read back");
      rounded[k] = (rk_array){own[k], x->rows, x->dim, 1, x->rows, NULL, 0};
      input[k] = rk_resident_array(resident[k]);
    }
    CHECK(!run_rule(&rules[SUM], program, rounded, &plain, NULL, NULL) &&
          !run_rule(&rules[SUM], program, input, &other, NULL, NULL) &&
          !memcmp(plain.values, other.values, 602 * 8), "floats give the same bits");
    budget(wide ? 160 << 10 : 40 << 10);
    int wrong = run_rule(&rules[SUM], program, input, &other, NULL, NULL) != 0;
    for (int k = 0; k < 602; k++)
      wrong += !(fabs(plain.values[k] - other.values[k]) <= 1e-5 * (1 + fabs(plain.values[k])));
    CHECK(!wrong, "floats in chunks too");
    budget(0);
    for (int k = 0; k < INPUTS; k++) rk_resident_free(resident[k]);
    for (int k = 0; k < INPUTS; k++) free(own[k]);
    result_free(&plain);
    result_free(&other);
    cloud_free(c);
  }
}

/* Strided input, reading back, use on the CPU, on other devices, after the device changed. */
static void test_resident_life(void) {
  double *rows = random_numbers(7 * 1000, -1, 1), *back = malloc(7000 * 8);
  rk_array x = {rows, 1000, 7, 7, 1, NULL, 0};
  rk_resident *resident = NULL;
  CHECK(!rk_resident_new(&x, RK_FLOAT64, &resident, NULL, NULL, &last),
        "an array with rows in memory");
  if (!resident) return;
  CHECK(!rk_resident_read(resident, back, NULL, NULL, &last), "is read back");
  int bad = 0;
  for (int r = 0; r < 1000; r++)
    for (int d = 0; d < 7; d++) bad += back[r + 1000 * d] != rows[r * 7 + d];
  CHECK(!bad, "as it was");
  static const char *const declaration[] = {"x=Vj(7)"};
  rk_array input = rk_resident_array(resident);
  double sums[7], want[7] = {0};
  for (int r = 0; r < 1000; r++)
    for (int d = 0; d < 7; d++) want[d] += rows[r * 7 + d];
  rk_program *p = program_of("Sum_Reduction(x, j)", declaration, 1, RK_FLOAT64);
  for (int n = 0; n <= devices; n++) {
    use(n);
    CHECK(!run_values(p, &input, 1, sums, &last), "it is an input wherever the next call computes");
    for (int d = 0; d < 7; d++) bad += !(fabs(sums[d] - want[d]) < 1e-10);
  }
  use(1);
  CHECK(!bad, "and gives the same");
  rk_resident_free(resident);
  free(rows);
  free(back);
}

/* ---- devices ---- */

static void test_devices(void) {
  if (devices < 2) {
    check_skipped++;
    printf("one device only: sharing is not tested\n");
    return;
  }
  static const int size[][2] = {{9001, 100}, {60, 9001}, {5, 1500}, {3001, 2801}};
  for (int s = 0; s < (check_is_small() ? 3 : 4); s++) {
    cloud *c = cloud_new(size[s][0], size[s][1], 3, 2, 0, 0);
    for (int n = check_is_small() && devices > 2 ? 3 : 2; n <= devices && n <= 3; n++) {
      use(n);
      rk_options options = {.precision = RK_FLOAT32};
      for (int number = 0; number < RULES; number += s == 3 ? 9 : 3)
        check_rule(c, number, kind_for(number), 'j', &options, 0);
      check_rule(c, 9, SQUARE_DISTANCE, 'j', &options, 0);
    }
    cloud_free(c);
  }
  use(2);
  test_residents();
  test_float_residents();
  use(1);
}

/* Code is compiled once for devices of one architecture, and not again for the second of them. */
static void test_code_is_shared(void) {
  if (devices < 2) return;
  cloud *c = cloud_new(10, 10, 4, 1, 0, 0);
  rk_options options = {.precision = RK_FLOAT32};
  rk_program *p = program_for(c, "Sum_Reduction(Exp(-3*SqDist(x,y))*a*b, j)", &options);
  static const int second[] = {1};
  double out[10], again[10];
  use(1);
  CHECK(!run_values(p, c->input, INPUTS, out, &last), "a program runs on the first device");
  rk_counters before = rk_count();
  CHECK(!use_devices(second, 1, &last) && !run_values(p, c->input, INPUTS, again, &last),
        "and on the second one");
  rk_counters after = rk_count();
  CHECK(before.compiles == after.compiles && before.disk_hits == after.disk_hits,
        "without compiling or looking at the disk");
  CHECK(!memcmp(out, again, sizeof out), "with the same bits");
  rk_forget();
  p = program_for(c, "Sum_Reduction(Exp(-3*SqDist(x,y))*a*b, j)", &options);
  CHECK(!run_values(p, c->input, INPUTS, again, &last) && !memcmp(out, again, sizeof out),
        "also after all was forgotten");
  use(1);
  cloud_free(c);
}

/* ---- cancelling ---- */

static int stop_after(void *data, double done) {
  (void)done;
  return --*(int *)data < 0;
}

static void test_cancelling(void) {
  int size = check_is_small() ? 2000 : 6000;
  cloud *c = cloud_new(size, size, 3, 2, 0, 0);
  rk_options options = {.precision = RK_FLOAT32};
  rk_program *p = program_for(c, "Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", &options);
  result r = result_new(2L * size);
  for (int n = 1; n <= devices && n <= 3; n++) {
    use(n);
    for (int after = 0; after < 3; after++) {
      int left = after;
      budget(after == 1 ? 64 << 10 : 0);
      rk_status status = run_rule(&rules[SUM], p, c->input, &r, stop_after, &left);
      CHECK(status == RK_CANCELLED || (status == RK_OK && left >= 0),
            "a poll that says stop ends the call");
      CHECK(left >= -3, "and is not asked again and again");
    }
  }
  budget(0);
  use(1);
  rk_device_info info;
  CHECK(!rk_device_describe(0, &info, &last) && info.held == 0, "nothing is held then");
  cloud *small = cloud_new(200, 200, 3, 2, 0, 0);
  check_rule(small, SUM, GAUSS, 'j', &options, 0);
  cloud_free(small);
  result_free(&r);
  cloud_free(c);
}

/* ---- half ---- */

static void test_half(void) {
  cloud *c = cloud_new(40, 50, 3, 2, 0, 0);
  rk_options options = {.precision = RK_FLOAT16};
  double out[80];
  rk_program *p = program_for(c, "Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", &options);
  c->y[70] = 65505;
  CHECK(run_values(p, c->input, INPUTS, out, &last) == RK_ERROR_PRECISION, "65505 is no float16");
  CHECK(strstr(last.message, "`y`") && strstr(last.message, "65505"), "the error names it");
  rk_resident *y = NULL;
  rk_array input[INPUTS];
  memcpy(input, c->input, sizeof input);
  CHECK(!rk_resident_new(&c->input[1], RK_FLOAT64, &y, NULL, NULL, &last),
        "also when it is on the GPU");
  if (y) {
    input[1] = rk_resident_array(y);
    CHECK(run_values(p, input, INPUTS, out, &last) == RK_ERROR_PRECISION, "it is refused");
    rk_resident_free(y);
  }
  c->y[70] = INFINITY;
  CHECK(!run_values(p, c->input, INPUTS, out, &last), "Inf is one");
  use(0);
  CHECK(run_values(p, c->input, INPUTS, out, &last) == RK_ERROR_DEVICE, "a CPU has no float16");
  use(1);
  cloud_free(c);
}

/* ---- the clock ---- */

static void test_clock(void) {
  cloud *c = cloud_new(500, 500, 3, 2, 0, 0);
  rk_options options = {.precision = RK_FLOAT32};
  rk_program *p = program_for(c, "Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", &options);
  double out[1000];
  CHECK(!run_values(p, c->input, INPUTS, out, &last) && rk_gpu_seconds() > 0 &&
        rk_gpu_seconds() < 60, "the kernels' time is known");
  use(0);
  CHECK(!run_values(p, c->input, INPUTS, out, &last) && rk_gpu_seconds() == 0, "0 on the CPU");
  use(1);
  cloud_free(c);
}

static const struct { const char *name; void (*run)(void); } tests[] = {
  {"reductions", test_reductions}, {"edges", test_edges}, {"thin", test_long_and_thin},
  {"pieces", test_pieces}, {"budgets", test_budgets}, {"kinds", test_kinds},
  {"residents", test_residents}, {"resident_life", test_resident_life},
  {"resident_precision", test_resident_precision}, {"floats", test_float_residents},
  {"half", test_half}, {"clock", test_clock}, {"devices", test_devices},
  {"shared_code", test_code_is_shared}, {"cancelling", test_cancelling}};

int main(int argc, char **argv) {
  devices = begin_on_gpu();
  if (!devices) return 0;
  for (unsigned k = 0; k < sizeof tests / sizeof *tests; k++) {
    int chosen = argc < 2 && tests[k].run != test_kinds; /* the others do what it does */
    for (int a = 1; a < argc; a++) chosen |= !strcmp(argv[a], tests[k].name);
    double start = rk_os_seconds();
    if (chosen) tests[k].run();
    if (chosen && getenv("RKEOPS_TEST_TIMES")) printf("%6.2f s %s\n", rk_os_seconds() - start, tests[k].name);
  }
  rk_device_info info;
  rk_forget();
  CHECK(!rk_device_describe(0, &info, &last) && info.held == 0, "nothing is held at the end");
  return check_end();
}
