/* Calls in the polls of other calls: while pairs are computed, data is packed, a compiler works, an
 * array is copied to a GPU or back. Each guest does to the engine what a timer or a finalizer of
 * the host program might do; the host's result has to be the one it gets alone, bit for bit.
 *
 * Polls come by the clock: what is too fast to be asked is done again with more data. */
#include "check.h"

#include "os.h"
#include "cuda/device.h"

static const char *const names[] = {"x=Vi(3)", "y=Vj(3)", "b=Vj(1)"};
enum { NAMES = 3 };
static const char *const host_text = "Sum_Reduction(Exp(-SqDist(x,y))*b, j)";

/* ---- data ---- */

/* `out`, and behind it what it is without guests. */
static sample sample_new(int64_t m, int64_t n) { return sample_of(names, NAMES, m, n, 0.1, 1); }

static double *alone(const sample *s) { return s->out + s->m; }

static rk_program *get(const char *text) { return program_of(text, names, NAMES, RK_FLOAT64); }

static rk_status run_sample(rk_program *program, sample *s, rk_poll poll, void *data) {
  rk_output output = {.type = RK_OUT_DOUBLE, .data = s->out};
  memset(s->out, 0, (size_t)s->m * sizeof *s->out);
  return rk_run(program, s->inputs, NAMES, &output, poll, data, &last);
}

static int as_alone(const sample *s) {
  return !memcmp(s->out, alone(s), (size_t)s->m * sizeof *s->out);
}

/* What `host_text` is, as far as float64 goes: all terms are positive. */
static int is_true(const sample *s) {
  int wrong = 0;
  for (int64_t i = 0; i < s->m; i++) {
    double sum = 0;
    for (int64_t j = 0; j < s->n; j++) {
      double square = 0;
      for (int k = 0; k < 3; k++) {
        double d = s->data[0][i + k * s->m] - s->data[1][j + k * s->n];
        square += d * d;
      }
      sum += exp(-square) * s->data[2][j];
    }
    wrong += !(fabs(s->out[i] - sum) <= 1e-13 * sum);
  }
  return !wrong;
}

/* ---- guests ---- */

/* Where hosts are. */
enum { COMPUTING = 1, PACKING = 2, COMPILING = 4, BUILDING = 8, READING = 16, COPYING = 32,
       EVERYWHERE = 63 };

typedef struct guest guest;
typedef struct {
  const char *what;
  int where;                  /* places to which it comes */
  int (*visit)(guest *g);     /* 1: all went well */
} visitor;

struct guest {
  visitor is;
  double from, to;            /* when: what the poll is told */
  int visits, good, stop;
  rk_resident *input;         /* of the host, to be freed */
};

static int ask(void *data, double done) {
  guest *g = data;
  if (!g->visits && done >= g->from && done <= g->to) {
    g->visits++;
    g->good = g->is.visit(g);
  }
  return g->stop;
}

static int runs_here(const char *text, int64_t m, int64_t n) {
  sample s = sample_new(m, n);
  rk_program *program = get(text);
  int good = program && run_sample(program, &s, NULL, NULL) == RK_OK && is_true(&s);
  sample_free(&s);
  return good;
}

static int runs_the_same(guest *g) {
  (void)g;
  return runs_here(host_text, 40, 70) && runs_here(host_text, 1, 3000);
}

/* The same by other texts, which are compiled: b is above 0. */
static const char *fresh_text(void) {
  static char text[100];
  static int power = 1;
  snprintf(text, sizeof text, "Sum_Reduction(Exp(-SqDist(x,y))*IfElse(b, b, Pow(b,%d)), j)",
           ++power);
  return text;
}

static int compiles_another(guest *g) {
  (void)g;
  int64_t before = rk_count().compiles;
  return runs_here(fresh_text(), 30, 50) && rk_count().compiles > before;
}

static int builds_many(guest *g) {
  rk_program *list[2];
  (void)g;
  list[0] = get(fresh_text());
  list[1] = get(fresh_text());
  return list[0] && list[1] && rk_build_many(list, 2, NULL, NULL, &last) == RK_OK &&
         runs_here(fresh_text(), 30, 50);
}

static int forgets(guest *g) {
  rk_forget();
  return runs_the_same(g);
}

/* All programs of before go, by and by. */
static int asks_for_thousands(guest *g) {
  rk_program *program = NULL;
  char text[100];
  for (int k = 0; k < 2 * 4096 + 10; k++) {
    snprintf(text, sizeof text, "Sum_Reduction(b*%d, j)", k);
    program = get(text);
    if (!program) return 0;
  }
  return runs_the_same(g);
}

static int stops_itself(guest *g) {
  guest inner = {.is = {.visit = runs_the_same}, .from = -1, .to = 1, .stop = 1};
  sample s = sample_new(check_is_small() ? 300 : 2000, check_is_small() ? 300 : 40000);
  rk_status status = RK_OK;
  (void)g;
  for (int k = 0; k < 20 && status == RK_OK; k++)
    status = run_sample(get(host_text), &s, ask, &inner);
  sample_free(&s);
  return status == RK_CANCELLED && inner.good;
}

static int fails(guest *g) {
  sample s = sample_new(10, 10);
  (void)g;
  s.inputs[1].dim = 2;
  rk_status status = run_sample(get(host_text), &s, NULL, NULL);
  sample_free(&s);
  return status == RK_ERROR_SHAPE;
}

static int sets_threads(guest *g) {
  (void)g;
  int processors = rk_processors();
  return rk_set_threads(1, &last) == RK_OK && rk_threads() == 1 && runs_the_same(g) &&
         rk_set_threads(processors, &last) == RK_OK && runs_the_same(g);
}

static int64_t cache_number;
static void use_cache(const char *compiler) {
  const char *cache = getenv("RKEOPS_CACHE");
  char folder[1000];
  snprintf(folder, sizeof folder, "%s/nested-%lld-%lld-%lld", cache ? cache : ".build/test-cache",
           (long long)rk_os_process_id(), (long long)(rk_os_now() & 0xffffff),
           (long long)++cache_number);
  rk_settings settings = {.cache_dir = folder, .compiler = compiler, .compile_timeout = 60,
                          .gpu_memory = 128 << 10};
  CHECK(rk_configure(&settings, &last) == RK_OK, "settings are taken");
}

/* Of a compiler that is not there: the host does not get to know it, the next call does. */
static int configures(guest *g) {
  (void)g;
  use_cache("no-such-compiler");
  rk_program *program = get(fresh_text());
  int good = check_on_gpu() ||
             rk_build_many(&program, 1, NULL, NULL, &last) == RK_ERROR_COMPILE;
  use_cache("");
  return good && runs_here(fresh_text(), 30, 50);
}

static void choose_devices(void) {
  int device[8], n = check_devices(device, 8);
  CHECK(use_devices(device, n, &last) == RK_OK, "devices are chosen");
}

static int changes_devices(guest *g) {
  int device[8], n = check_devices(device, 8), good = 1;
  for (int k = 0; k < n && good; k++)
    good = use_devices(&device[k], 1, &last) == RK_OK && runs_the_same(g);
  return use_devices(NULL, 0, &last) == RK_OK && runs_the_same(g) && good;
}

static int frees_inputs(guest *g) {
  rk_resident_free(g->input);
  g->input = NULL;
  return runs_the_same(g);
}

/* An array of its own, there and back; other arrays use the memory of what is freed. */
static int copies(guest *g) {
  double *numbers = random_numbers(5000, -1, 1), *back = calloc(5000, sizeof *back);
  rk_array array = columns_of(numbers, 5000, 1);
  rk_resident *made = NULL;
  int good = 1;
  for (int k = 0; k < 3 && good; k++) {
    good = rk_resident_new(&array, RK_FLOAT64, &made, NULL, NULL, &last) == RK_OK &&
           rk_resident_read(made, back, NULL, NULL, &last) == RK_OK &&
           !memcmp(numbers, back, 5000 * sizeof *back);
    rk_resident_free(made);
  }
  free(numbers);
  free(back);
  return good && runs_the_same(g);
}

static int describes(guest *g) {
  rk_device_info info;
  char *text = NULL;
  (void)g;
  int good = rk_report(&text, &last) == RK_OK && rk_device_describe(0, &info, &last) == RK_OK;
  rk_free(text);
  return good;
}

static const visitor visitors[] = {
  {"the same program runs", EVERYWHERE, runs_the_same},
  {"another program is compiled and runs", COMPUTING | COMPILING | COPYING, compiles_another},
  {"many programs are built", COMPUTING | BUILDING, builds_many},
  {"everything is forgotten", EVERYWHERE, forgets},
  {"thousands of programs are asked for", COMPUTING, asks_for_thousands},
  {"another call is interrupted", COMPUTING | COMPILING | READING, stops_itself},
  {"another call fails", COMPUTING, fails},
  {"numbers of threads change", COMPUTING | PACKING, sets_threads},
  {"settings change", COMPUTING | COMPILING | BUILDING, configures},
  {"devices change", EVERYWHERE & ~PACKING, changes_devices},
  {"inputs are freed", READING, frees_inputs},
  {"other arrays come and go", COMPUTING | COMPILING | READING | COPYING, copies},
  {"devices are described", COMPUTING | COPYING, describes}};
enum { VISITORS = sizeof visitors / sizeof *visitors };

static int needs_gpu(const visitor *v) {
  return v->visit == frees_inputs || v->visit == copies || v->visit == describes;
}

static void for_each(int where, void (*host)(guest g)) {
  for (int k = 0; k < VISITORS; k++)
    if (visitors[k].where & where && (check_on_gpu() || !needs_gpu(&visitors[k])))
      host((guest){.is = visitors[k]});
}

static void tell(const guest *g, int good, const char *when) {
  if (!CHECK(good, when)) printf("  when %s; %s\n", g->is.what, last.message);
}

/* After a guest that changed them. */
static void settle(void) {
  choose_devices();
  CHECK(rk_set_threads(0, &last) == RK_OK, "threads as before");
}

/* ---- hosts ---- */

/* A new sample, larger each time, and what the host makes of it alone. */
static sample host_sample(int turn) {
  sample s = check_is_small() ? sample_new(200, (int64_t)400 << turn)
                              : sample_new(2000, (int64_t)30000 << turn);
  CHECK(run_sample(get(host_text), &s, NULL, NULL) == RK_OK, "alone");
  memcpy(alone(&s), s.out, (size_t)s.m * sizeof *s.out);
  return s;
}

static void while_computing(guest g) {
  g.from = 1e-9;
  g.to = 1;
  for (int turn = 0; turn < 6 && !g.visits; turn++) {
    sample s = host_sample(turn);
    rk_status status = run_sample(get(host_text), &s, ask, &g);
    settle();
    tell(&g, status == RK_OK && as_alone(&s), "a result while pairs are computed");
    sample_free(&s);
  }
  tell(&g, g.visits == 1 && g.good, "a guest while pairs are computed");
}

/* Inputs lie on the devices; one guest frees one of them. */
static void while_reading(guest g) {
  int frees = g.is.visit == frees_inputs;
  g.to = 1;
  for (int turn = 0; turn < 6 && !g.visits; turn++) {
    sample s = host_sample(turn);
    rk_resident *x = NULL, *y = NULL;
    CHECK(rk_resident_new(&s.inputs[0], RK_FLOAT64, &x, NULL, NULL, &last) == RK_OK &&
              rk_resident_new(&s.inputs[1], RK_FLOAT64, &y, NULL, NULL, &last) == RK_OK,
          "inputs are copied");
    s.inputs[0] = rk_resident_array(x);
    s.inputs[1] = rk_resident_array(y);
    g.input = frees ? y : NULL;
    rk_status status = run_sample(get(host_text), &s, ask, &g);
    settle();
    tell(&g, status == RK_OK && as_alone(&s), "a result of arrays on GPUs");
    rk_resident_free(x);
    if (!frees || g.input) rk_resident_free(y);
    sample_free(&s);
  }
  tell(&g, g.visits == 1 && g.good, "a guest while arrays on GPUs are read");
}

/* Nearly nothing is computed. */
static void while_packing(guest g) {
  for (int turn = 0; turn < 4 && !g.visits; turn++) {
    sample s = sample_new(1, (int64_t)1000000 << turn);
    CHECK(run_sample(get(host_text), &s, NULL, NULL) == RK_OK, "alone");
    memcpy(alone(&s), s.out, sizeof *s.out);
    rk_status status = run_sample(get(host_text), &s, ask, &g);
    settle();
    tell(&g, status == RK_OK && as_alone(&s), "a result while data is packed");
    sample_free(&s);
  }
  tell(&g, g.visits == 1 && g.good, "a guest while data is packed");
}

/* Also while the compiler is met for the first time. */
static void while_compiling(guest g) {
  g.from = g.to = -1;
  sample s = sample_new(30, 50);
  rk_program *program = get(fresh_text());
  use_cache("");
  rk_status status = run_sample(program, &s, ask, &g);
  settle();
  tell(&g, status == RK_OK && is_true(&s), "a result while a compiler works");
  tell(&g, g.visits == 1 && g.good, "a guest while a compiler works");
  sample_free(&s);
}

static void while_building_many(guest g) {
  g.from = g.to = -1;
  rk_program *list[2];
  list[0] = get(fresh_text());
  list[1] = get(fresh_text());
  rk_program_hold(list[0]);
  rk_program_hold(list[1]);
  rk_status status = rk_build_many(list, 2, ask, &g, &last);
  int64_t before = rk_count().compiles;
  settle();
  sample s = sample_new(30, 50);
  for (int p = 0; p < 2; p++) {
    tell(&g, status == RK_OK && run_sample(list[p], &s, NULL, NULL) == RK_OK && is_true(&s),
         "a program that was built while a guest came");
    rk_program_release(list[p]);
  }
  tell(&g, rk_count().compiles == before, "it is not built again");
  tell(&g, g.visits == 1 && g.good, "a guest while many are built");
  sample_free(&s);
}

static void while_copying(guest visitor) {
  for (int back = 0; back < 2; back++) {
    guest g = visitor;
    g.to = 1;
    for (int turn = 0; turn < 6 && !g.visits; turn++) {
      long n = 300000L << turn;
      double *numbers = random_numbers(n, -1, 1), *copy = calloc((size_t)n, sizeof *copy);
      rk_array array = columns_of(numbers, n, 1);
      rk_resident *made = NULL;
      rk_status status = rk_resident_new(&array, RK_FLOAT64, &made, back ? NULL : ask, &g, &last);
      if (!status) status = rk_resident_read(made, copy, back ? ask : NULL, &g, &last);
      settle();
      tell(&g, status == RK_OK && !memcmp(numbers, copy, (size_t)n * sizeof *copy),
           back ? "an array that comes back" : "an array that is sent");
      rk_resident_free(made);
      free(numbers);
      free(copy);
    }
    tell(&g, g.visits == 1 && g.good, "a guest while an array is copied");
  }
}

/* ---- one in the other ---- */

/* Every poll makes a call, until no more may run; then all but the first stop. */
typedef struct {
  sample *s;
  int depth, deepest, busy, wrong;
} tower;

static int climb(void *data, double done) {
  tower *t = data;
  (void)done;
  if (t->busy) return t->depth > 0;
  sample s = *t->s;
  s.out = calloc((size_t)s.m, sizeof *s.out);
  t->depth++;
  if (t->depth > t->deepest) t->deepest = t->depth;
  rk_status status = RK_OK;
  while (status == RK_OK && !t->busy) status = run_sample(get(host_text), &s, climb, t);
  t->busy |= status == RK_ERROR_BUSY;
  t->wrong += status != RK_CANCELLED && status != RK_ERROR_BUSY;
  t->depth--;
  free(s.out);
  return t->depth > 0;
}

static void test_tower(void) {
  sample s = host_sample(1);
  tower t = {.s = &s};
  rk_status status = RK_OK;
  for (int turn = 0; turn < 20 && !t.busy && !status; turn++)
    status = run_sample(get(host_text), &s, climb, &t);
  CHECK(status == RK_OK && as_alone(&s), "the first of many calls within one another");
  if (!CHECK(t.busy && !t.wrong && t.deepest == 24, "no more than 24 run: the last one is told"))
    printf("  %d, %d, %d; %s\n", t.busy, t.wrong, t.deepest, last.message);
  sample_free(&s);
}

/* ---- what cannot matter ---- */

static const char *const nearest_text = "Min_Reduction(SqDist(x,y), j)";

/* With all pairs and without those that cannot matter; what it chose last stays so. */
static int prunes(guest *g) {
  sample s = sample_new(300, 2000);
  rk_program *program = get(nearest_text);
  (void)g;
  rk_set_pruning(RK_PRUNE_ALWAYS);
  int good = program && run_sample(program, &s, NULL, NULL) == RK_OK;
  memcpy(alone(&s), s.out, (size_t)s.m * sizeof *s.out);
  rk_set_pruning(RK_PRUNE_NEVER);
  good = good && run_sample(program, &s, NULL, NULL) == RK_OK && as_alone(&s);
  sample_free(&s);
  return good;
}

/* A host that leaves pairs out, while its data is sorted and while it computes. */
static void test_pruned(void) {
  for (int computing = 0; computing < 2; computing++) {
    guest g = {.is = {.what = "a call that is pruned, another that is not", .visit = prunes},
               .from = computing ? 1e-9 : -1, .to = 1};
    for (int turn = 0; turn < 6 && !g.visits; turn++) {
      sample s = sample_new((int64_t)60000 << turn, 10000);
      rk_set_pruning(RK_PRUNE_NEVER);
      CHECK(run_sample(get(nearest_text), &s, NULL, NULL) == RK_OK, "alone");
      memcpy(alone(&s), s.out, (size_t)s.m * sizeof *s.out);
      rk_set_pruning(RK_PRUNE_ALWAYS);
      rk_status status = run_sample(get(nearest_text), &s, ask, &g);
      tell(&g, status == RK_OK && as_alone(&s), "a result that is pruned");
      sample_free(&s);
    }
    tell(&g, g.visits == 1 && g.good, "a guest of a call that is pruned");
  }
  rk_set_pruning(RK_PRUNE_AUTO);
}

/* ---- after the call ---- */

static void nothing_is_held(void) {
  rk_device_info info;
  int device[8], n = check_devices(device, 8);
  CHECK(use_devices(NULL, 0, &last) == RK_OK, "back to the CPU");
  for (int k = 0; k < n; k++)
    if (!CHECK(rk_device_describe(device[k], &info, &last) == RK_OK && !info.held && !info.pooled,
               "a device that is not used holds nothing"))
      printf("  %lld bytes, %lld bytes\n", (long long)info.held, (long long)info.pooled);
}

static int uses_the_cpu(guest *g) {
  (void)g;
  return use_devices(NULL, 0, &last) == RK_OK;
}

/* What was chosen in a poll holds from the next call on. */
static void test_afterwards(void) {
  guest g = {.is = {.what = "the CPU is chosen", .visit = uses_the_cpu}, .to = 1};
  sample s = host_sample(0);
  CHECK(run_sample(get(host_text), &s, ask, &g) == RK_OK && as_alone(&s) && g.good,
        "a call whose devices are taken away");
  CHECK(rk_gpu_seconds() > 0, "it ran there");
  rk_device_info info;
  CHECK(rk_device_describe(0, &info, &last) == RK_OK && !info.held && !info.pooled,
        "it gives back all when it ends");
  CHECK(run_sample(get(host_text), &s, NULL, NULL) == RK_OK && rk_gpu_seconds() == 0,
        "the next call runs where it was said");
  choose_devices();
  sample_free(&s);
}

static void test_hold(void) {
  rk_program *program = get(host_text);
  rk_program_hold(program);
  rk_forget();
  sample s = sample_new(40, 70);
  CHECK(run_sample(program, &s, NULL, NULL) == RK_OK && is_true(&s),
        "a program that is held stays");
  CHECK(get(host_text) != program, "what is asked for anew is another one");
  rk_program_release(program);
  sample_free(&s);
}

int main(void) {
  check_configure();
  use_cache("");
  test_hold();
  for_each(COMPUTING, while_computing);
  if (!check_is_small()) for_each(PACKING, while_packing);
#if !defined(_WIN32)
  unsetenv("RKEOPS_STANDIN_CACHE"); /* the stand-in compiles each time */
#endif
  for_each(COMPILING, while_compiling);
  for_each(BUILDING, while_building_many);
  if (check_on_gpu()) {
    for_each(READING, while_reading);
    for_each(COPYING, while_copying);
    test_afterwards();
  }
  test_tower();
  if (!check_is_small() && !check_on_gpu()) test_pruned();
  rk_forget();
  nothing_is_held();
  return check_end();
}
