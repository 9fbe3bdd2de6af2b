/* Memory runs out: each allocation of the engine fails in turn, once and from then on, while
 * programs are read, loaded and run. Every call says so or gives the right result; nothing is lost,
 * and the next call is right.
 *
 * The linker sends the engine's calls of malloc and its like here (-Wl,--wrap); those of the
 * system's libraries are left alone. Under the address sanitizer, memory that nobody knows any more
 * is found after each run. */
#include "check.h"

#include <errno.h>
#include <stdatomic.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define LEAKS() __lsan_do_recoverable_leak_check()
#else
#define LEAKS() 0
#endif

/* ---- allocations that fail ---- */

static atomic_long allocations, failing_at; /* 0: none fails */
static int failing_for;                     /* 1: only that one; 0: all from there on */

static int fails(void) {
  long k = atomic_fetch_add(&allocations, 1) + 1, at = atomic_load(&failing_at);
  if (!at || k < at || (failing_for && k > at)) return 0;
  errno = ENOMEM;
  return 1;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t k, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t k, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t k, size_t n) { return fails() ? NULL : __real_calloc(k, n); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }

/* ---- what is tried ---- */

enum { M = 37, N = 41, OUT = 4 * M };
static const char *const declarations[] = {"x=Vi(2)", "y=Vj(2)", "b=Vj(1)", "s=Pm(1)"};
static const char *const texts[] = {
    "KMin_ArgKMin_Reduction(SqDist(x,y), 2, j)",
    "L = LogSumExp_Reduction(-s*SqDist(x,y), j); Sum_Reduction(Exp(-s*SqDist(x,y)-L)*b, j)",
    "Grad(Sum_Reduction(Exp(-SqDist(x,y))*b,j),x,0.5)",
    "Sum_Reduction(Sin(x-y)*b*1.25, j), Max_ArgMax_Reduction(SqNorm2(x-y), j)"};
enum { TEXTS = sizeof texts / sizeof *texts };

static sample s;
static double out[2][4 * OUT], want[TEXTS][4 * OUT];
static rk_status program_for(int k, rk_program **program) {
  rk_options options = {.precision = RK_FLOAT64};
  return rk_program_get(texts[k], declarations, 4, &options, program, &last);
}

static rk_status compute(int k, double *to) {
  rk_program *program = NULL;
  rk_output outputs[4];
  memset(to, 0, sizeof out[0]);
  for (int f = 0; f < 4; f++)
    outputs[f] = (rk_output){.type = RK_OUT_DOUBLE, .data = to + f * OUT, .none_double = -1};
  rk_status status = program_for(k, &program);
  return status ? status : rk_run(program, s.inputs, 4, outputs, NULL, NULL, &last);
}

/* Read, planned, written, found on the disk and run. */
static rk_status run_new(int k) {
  rk_forget();
  return compute(k, out[0]);
}

/* Known already. */
static rk_status run_again(int k) { return compute(k, out[0]); }

/* Likewise, without what cannot matter: the first of the texts, where this changes no bit. */
static rk_status run_bounded(int k) {
  rk_set_pruning(RK_PRUNE_ALWAYS);
  rk_status status = compute(k, out[0]);
  rk_set_pruning(RK_PRUNE_AUTO);
  return status;
}

/* Its texts. */
static rk_status write_sources(int k) {
  static const char *const backends[] = {"cpu", "cuda", NULL};
  rk_program *program;
  char *text = NULL;
  rk_forget();
  rk_status status = program_for(k, &program);
  for (int b = 0; backends[b] && !status; b++) {
    status = rk_source(program, backends[b], &text, &last);
    if (!status) rk_free(text);
    if (!status) status = rk_explain(program, backends[b], NULL, &text, &last);
    if (!status) rk_free(text);
  }
  return status ? status : compute(k, out[0]);
}

/* All at once, from the disk or compiled. */
static rk_status build_all(int k) {
  rk_program *program[TEXTS];
  rk_status status = RK_OK;
  rk_forget();
  for (int t = 0; t < TEXTS && !status; t++) status = program_for(t, &program[t]);
  if (!status) status = rk_build_many(program, TEXTS, NULL, NULL, &last);
  return status ? status : compute(k, out[0]);
}

/* With settings that are new, so that the compiler is looked for again. */
static rk_status configure_and_run(int k) {
  const char *cache = getenv("RKEOPS_CACHE");
  rk_settings settings = {.cache_dir = cache ? cache : ".build/test-cache", .makeconf = "/no/such"};
  rk_forget();
  rk_status status = rk_configure(&settings, &last);
  return status ? status : compute(k, out[0]);
}

/* Compiled anew, since the disk does not have it. */
static rk_status compile_anew(int k) {
  long at = atomic_exchange(&failing_at, 0);
  rk_forget();
  if (rk_cache_clear(&last)) return RK_ERROR_INTERNAL;
  atomic_store(&allocations, 0);
  atomic_store(&failing_at, at);
  return compute(k, out[0]);
}

/* An array that stays on the device. */
static rk_status keep_resident(int k) {
  rk_resident *resident = NULL;
  rk_status status = rk_resident_new(&s.inputs[0], RK_FLOAT64, &resident, NULL, NULL, &last);
  if (status) return status;
  double *back = malloc(sizeof(double) * 2 * M);
  status = back ? rk_resident_read(resident, back, NULL, NULL, &last) : RK_ERROR_MEMORY;
  int same = status || !memcmp(back, s.data[0], sizeof(double) * 2 * M);
  free(back);
  rk_resident_free(resident);
  if (!same) return RK_ERROR_INTERNAL;
  return status ? status : compute(k, out[0]);
}

/* A large run in float32, of which rows are computed in float64 where there is memory. */
enum { LARGE = 1000 };
static sample large;
static double large_want[LARGE];

static rk_status compute_large(double *to) {
  const rk_options options = {.precision = RK_FLOAT32};
  const rk_output output = {.type = RK_OUT_DOUBLE, .data = to};
  rk_program *program = NULL;
  rk_status status = rk_program_get("Sum_Reduction(Exp(-s*SqDist(x,y))*b, j)", declarations, 4,
                                    &options, &program, &last);
  return status ? status : rk_run(program, large.inputs, 4, &output, NULL, NULL, &last);
}

static rk_status run_large(int k) {
  rk_forget();
  rk_status status = compute_large(large.out);
  if (status) return status;
  if (memcmp(large.out, large_want, sizeof large_want) || *rk_warning()) return RK_ERROR_INTERNAL;
  return compute(k, out[0]);
}

/* Sites, the points of x: their order, those before each, whitening and cotangents. */
enum { BEFORE = 3 };
static const char *const of_sites[] = {"x=Vi(2)", "y=Vi(2)", "e=Vi(1)"};
static const char *const site_texts[] = {
    "Sum_Reduction(Exp(-SqDist(x,y)),0)", "Sum_Reduction(Grad(Exp(-SqDist(x,y)),x,e),0)"};

static rk_status whiten_sites(const int32_t *row, double *to, double *slopes) {
  static const rk_pair_side side[] = {RK_OF_I, RK_OF_J, RK_OF_PAIRS}, of[] = {RK_OF_I, RK_OF_I};
  static const double noise = 0.1;
  const rk_options options = {.precision = RK_FLOAT64};
  const rk_array inputs[] = {s.inputs[0], s.inputs[0], {&noise, 1, 1, 1, 1, NULL, 0}};
  rk_pair_values values[2] = {{NULL, side, inputs}, {NULL, side, inputs}};
  rk_status status = RK_OK;
  for (int t = 0; t < 2 && !status; t++) {
    status = rk_program_get(site_texts[t], of_sites, 2 + t, &options, &values[t].program, &last);
    if (!status) rk_program_hold(values[t].program);
  }
  double *const sums[] = {slopes, slopes + M};
  const rk_vecchia v = {{row, M, M, BEFORE + 1}, values[0], &noise, 1, s.data[0], 1};
  const rk_vecchia_cotangents e = {s.data[0], s.data[0], NULL, NULL, &values[1], of, sums};
  rk_vecchia_values found = {to, to + M, NULL, 0, {0}};
  if (!status) status = rk_vecchia_whiten(&v, &found, NULL, NULL, &last);
  if (!status) status = rk_vecchia_pull(&v, &e, NULL, NULL, &last);
  for (int t = 0; t < 2; t++)
    if (values[t].program) rk_program_release(values[t].program);
  return status;
}

static rk_status use_sites(int k) {
  static double known[4 * M];
  static int is_known;
  double now[4 * M] = {0};
  int32_t order[M], before[BEFORE * M], row[(BEFORE + 1) * M];
  const rk_points sites = {s.data[0], M};
  rk_forget();
  rk_status status = rk_order_farthest(&sites, 2, order, NULL, NULL, &last);
  if (!status) status = rk_nearest_earlier(&sites, 2, BEFORE, before, NULL, NULL, &last);
  if (status) return status;
  for (int i = 0; i < M; i++) {
    for (int b = 0; b < BEFORE; b++) row[i * (BEFORE + 1) + b] = before[b * M + i] + 1;
    row[i * (BEFORE + 1) + BEFORE] = i + 1;
  }
  status = whiten_sites(row, now, now + 2 * M);
  if (status) return status;
  if (!is_known) memcpy(known, now, sizeof known);
  is_known = 1;
  return memcmp(known, now, sizeof known) ? RK_ERROR_INTERNAL : compute(k, out[0]);
}

/* ---- the sweep ---- */

typedef rk_status (*trial)(int k);

/* One run in which allocation `at` fails; 0 when it has no such allocation. */
static int try_one(trial run, int k, const char *what, long at) {
  char line[200];
  atomic_store(&allocations, 0);
  atomic_store(&failing_at, at);
  rk_status status = run(k);
  int reached = atomic_load(&allocations) >= at;
  atomic_store(&failing_at, 0);
  snprintf(line, sizeof line, "%s, text %d, allocation %ld fails%s: %d", what, k, at,
           failing_for ? "" : " and all later ones", (int)status);
  if (status) {
    if (!CHECK(status == RK_ERROR_MEMORY && *last.message, line)) puts(last.message);
  } else CHECK(!memcmp(out[0], want[k], sizeof want[k]), line);
  rk_status next = compute(k, out[1]);
  if (!CHECK(!next && !memcmp(out[1], want[k], sizeof want[k]), "the next run is right"))
    printf("  after: %s: %s\n", line, next ? last.message : "other values");
  return reached;
}

static void sweep(trial run, int k, int step, const char *what) {
  long at = 1;
  for (failing_for = 0; failing_for < 2; failing_for++)
    for (at = 1; check_failed < 50 && try_one(run, k, what, at); at += step) {}
  CHECK(!LEAKS(), "nothing is lost");
  printf("%s, text %d: %ld allocations\n", what, k, at - step);
  fflush(stdout);
}

int main(void) {
  /* a step: compiling takes its time */
  const struct { trial run; const char *name; int texts, step; } trials[] = {
      {run_new, "a new program", TEXTS, 1}, {run_again, "a known program", TEXTS, 1},
      {run_bounded, "without what cannot matter", 1, 1}, {use_sites, "sites", 1, 1},
      {write_sources, "sources", TEXTS, 1}, {build_all, "many programs", 1, 1},
      {run_large, "rows in float64", !check_on_gpu(), 1},
      {configure_and_run, "settings", 1, 1}, {compile_anew, "compiled anew", !check_on_gpu(), 7},
      {keep_resident, "a resident array", check_on_gpu(), 1}};
  check_configure();
  s = sample_of(declarations, 4, M, N, 0.1, 1);
  large = sample_of(declarations, 4, LARGE, LARGE, 0.1, 1);
  CHECK(check_on_gpu() || !compute_large(large_want), "a large run");
  for (int k = 0; k < TEXTS; k++)
    if (!CHECK(!compute(k, want[k]), texts[k])) return puts(last.message), check_end();
  for (size_t t = 0; t < sizeof trials / sizeof *trials; t++)
    for (int k = 0; k < trials[t].texts; k++)
      sweep(trials[t].run, k, trials[t].step, trials[t].name);
  sample_free(&s);
  sample_free(&large);
  return check_end();
}
