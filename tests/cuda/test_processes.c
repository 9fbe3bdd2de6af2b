/* Processes that use a GPU: the same bits in two runs and in two processes, thousands of calls
 * without losing memory, calls that are interrupted, processes that are killed while they compute,
 * two at a time. On the stand-in and, unchanged, on real GPUs.
 *
 * Each process is this program again, with its task as argument; the first never opens the driver.
 * A task ends with 0, with NO_GPU, or with another status when something is wrong. */
#include "gpu_fixture.h"

#include "children.h"
#include "os.h"

#include <signal.h>
#include <time.h>

enum { NO_GPU = 77 };

static const char *self;

/* ---- task "check": results of a few kernels are right ---- */

static int check_kernels(void) {
  static const struct { int number; pair_kind kind; rk_precision precision; } kernel[] = {
    {SUM, GAUSS, RK_FLOAT32}, {9, SQUARE_DISTANCE, RK_FLOAT32},
    {FIRST_EXPONENTIAL, PRODUCT, RK_FLOAT64}};
  check_seed ^= (unsigned long long)time(NULL) << 20 ^ (unsigned long long)getpid();
  cloud *c = cloud_new(259, 461, 3, 2, 0, 0);
  int wrong = 0;
  for (int k = 0; k < 3; k++) {
    rk_options options = {.precision = kernel[k].precision};
    problem q = problem_of(c, &rules[kernel[k].number], kernel[k].kind, 'j', &options, 0);
    wrong += wrong_in(&q, &options, c->input);
  }
  cloud_free(c);
  return wrong;
}

/* ---- task "bits": the same in every run; prints a number made of all bits ---- */

static uint64_t hash_of(const double *x, long n, uint64_t hash) {
  const unsigned char *byte = (const unsigned char *)x;
  for (long k = 0; k < n * 8; k++) hash = (hash ^ byte[k]) * 1099511628211u;
  return hash;
}

static const struct { const char *text; int m, n, D, E, out; rk_precision precision; } runs[] = {
  {"Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", 1500, 1300, 3, 2, 2, RK_FLOAT32},
  {"Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", 3, 60011, 3, 2, 2, RK_FLOAT32},
  {"Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", 700, 1300, 3, 2, 2, RK_FLOAT64},
  {"LogSumExp_Reduction(p*(x|y)+a, j)", 900, 2011, 3, 2, 1, RK_FLOAT32},
  {"ArgKMin_Reduction(SqDist(x,y), 3, j)", 900, 2011, 3, 2, 3, RK_FLOAT32},
  {"Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", 300, 500, 100, 1, 1, RK_FLOAT32},
  {"Sum_Reduction(b/(1+SqDist(x,y)), j)", 300, 500, 3, 100, 100, RK_FLOAT32},
  {"L = LogSumExp_Reduction(-4*SqDist(x,y), j); Sum_Reduction(Exp(-4*SqDist(x,y) - L)*b, j)",
   400, 700, 3, 2, 2, RK_FLOAT32},
  {"Grad(Sum_Reduction(Exp(-p*SqDist(x,y))*b, j), y, Concat(a,a))", 400, 700, 3, 2, 3, RK_FLOAT32}};
enum { RUNS = sizeof runs / sizeof *runs };

/* Twice with the inputs where they are, with another garbage in the result, then after all kernels
 * were forgotten and with the inputs on the GPU. */
static int same_bits(int k, uint64_t *hash) {
  int repeats = check_is_small() ? 2 : 4, part = check_is_small() ? 3 : 1, different = 0;
  int m = runs[k].m / part, n = runs[k].n / part;
  cloud *c = cloud_new(m, n, runs[k].D, runs[k].E, 0, 0);
  rk_options options = {.precision = runs[k].precision};
  rk_array input[INPUTS];
  rk_resident *resident[INPUTS] = {NULL};
  long size = (long)(strstr(runs[k].text, ", y, ") ? n : m) * runs[k].out;
  double *first = random_numbers(size, 0, 1), *again = random_numbers(size, 0, 1);
  memcpy(input, c->input, sizeof input);
  for (int turn = 0; turn < repeats && !different; turn++) {
    if (turn == repeats - 1) {
      rk_forget();
      for (int a = 0; a < INPUTS; a++)
        if (!rk_resident_new(&c->input[a], RK_FLOAT64, &resident[a], NULL, NULL, &last))
          input[a] = rk_resident_array(resident[a]);
    }
    rk_program *program = program_for(c, runs[k].text, &options);
    if (!program || run_values(program, input, INPUTS, turn ? again : first, &last)) {
      printf("  %s: %s\n", runs[k].text, last.message);
      different = 1;
    } else if (turn) {
      different = memcmp(first, again, (size_t)size * 8) != 0;
      if (different) printf("  %s: other bits in run %d\n", runs[k].text, turn + 1);
    }
  }
  *hash = hash_of(first, size, *hash);
  for (int a = 0; a < INPUTS; a++) rk_resident_free(resident[a]);
  free(first);
  free(again);
  cloud_free(c);
  return different;
}

static int print_bits(void) {
  uint64_t hash = 14695981039346656037u;
  int different = 0;
  for (int k = 0; k < RUNS; k++) different += same_bits(k, &hash);
  printf("bits %016llx\n", (unsigned long long)hash);
  return different;
}

/* ---- task "calls": memory after many calls ---- */

/* Inputs of two sizes in host memory and on the GPU, budgets, programs of two passes: the same
 * again after 60 calls. */
static int one_call(int k, const cloud *c, rk_program *const *program) {
  static double out[4096];
  rk_settings settings = {.gpu_memory = k % 5 == 4 ? 200 << 10 : 0};
  rk_array input[INPUTS];
  rk_resident *resident = NULL;
  memcpy(input, c->input, sizeof input);
  rk_status status = rk_configure(&settings, &last);
  if (!status && k % 2 == 1)
    status = rk_resident_new(&c->input[k / 2 % 2], RK_FLOAT64, &resident, NULL, NULL, &last);
  if (resident) input[k / 2 % 2] = rk_resident_array(resident);
  if (!status) status = run_values(program[k % 3], input, INPUTS, out, &last);
  rk_resident_free(resident);
  if (status) printf("  call %d: %s\n", k, last.message);
  return status != RK_OK;
}

static int many_calls(void) {
  int calls = check_is_small() ? 240 : 10000, settled = 120, failed = 0;
  cloud *c[2] = {cloud_new(500, 700, 3, 2, 0, 0), cloud_new(1500, 200, 3, 2, 0, 0)};
  rk_program *program[3];
  rk_options options = {.precision = RK_FLOAT32};
  rk_device_info before, after;
  program[0] = program_for(c[0], runs[0].text, &options);
  program[1] = program_for(c[0], runs[7].text, &options);
  program[2] = program_for(c[0], "Min_ArgMin_Reduction(SqDist(x,y), j)", &options);
  for (int k = 0; k < calls && !failed; k++) {
    if (k == settled) failed += rk_device_describe(0, &before, &last) != RK_OK;
    failed += one_call(k, c[k / 30 % 2], program);
  }
  failed += rk_device_describe(0, &after, &last) != RK_OK;
  cloud_free(c[0]);
  cloud_free(c[1]);
  if (failed) return 1;
  printf("  free %lld, then %lld bytes; kept for later calls %lld, then %lld\n",
         (long long)before.free, (long long)after.free, (long long)before.pooled,
         (long long)after.pooled);
  return after.held || after.free < before.free || after.pooled > before.pooled;
}

/* ---- tasks "interrupted" and "killed": a call of many seconds ---- */

static volatile sig_atomic_t interrupted;
static double interrupted_at;

static void note_interrupt(int number) {
  (void)number;
  interrupted = 1;
  interrupted_at = rk_os_seconds();
}

static int poll_interrupt(void *data, double done) {
  (void)data;
  (void)done;
  return interrupted;
}

/* The number of points, as many as columns, with which a sum in float64 takes 30 seconds. */
static int points_of_a_long_call(void) {
  rk_options options = {.precision = RK_FLOAT64};
  double seconds = 0;
  int n = 500;
  for (; seconds < 0.1; n *= 2) {
    cloud *c = cloud_new(2 * n, 2 * n, 3, 2, 0, 0);
    double *out = random_numbers(4L * n, 0, 1);
    rk_program *program = program_for(c, runs[0].text, &options);
    if (!program || run_values(program, c->input, INPUTS, out, &last)) return 0;
    seconds = rk_gpu_seconds();
    free(out);
    cloud_free(c);
  }
  return (int)(n * sqrt(30 / seconds));
}

/* Says "begun", and when the result is not awaited, ends well in the given way. */
static int long_call(int is_killed) {
  rk_options options = {.precision = RK_FLOAT64};
  int n = points_of_a_long_call();
  if (!n) return 2;
  signal(SIGINT, note_interrupt);
  cloud *c = cloud_new(n, n, 3, 2, 0, 0);
  double *out = random_numbers(2L * n, 0, 1);
  rk_output output = {.type = RK_OUT_DOUBLE, .data = out};
  rk_program *program = program_for(c, runs[0].text, &options);
  printf("begun\n");
  fflush(stdout);
  rk_status status = rk_run(program, c->input, INPUTS, &output, poll_interrupt, NULL, &last);
  double delay = rk_os_seconds() - interrupted_at;
  free(out);
  cloud_free(c);
  if (is_killed) return 3; /* nobody killed it */
  printf("  %d points; ended %.3f s after the signal\n", n, delay);
  if (status != RK_CANCELLED) return 4;
  rk_device_info info;
  if (rk_device_describe(0, &info, &last) || info.held) return 5;
  if (check_kernels()) return 6;
  return delay < 5 ? 0 : 7;
}

/* ---- task "free": what the device has, in MiB and rounded down ---- */

static int print_free(void) {
  rk_device_info info;
  if (rk_device_describe(0, &info, &last)) return 1;
  printf("free %lld\n", (long long)(info.free >> 20));
  return 0;
}

/* ---- starting tasks ---- */

typedef struct { pid_t pid; FILE *out; char found[64]; } child;

static child start(const char *task) {
  child c = {.found = ""};
  int ends[2];
  if (pipe(ends)) exit(2);
  fflush(NULL);
  c.pid = fork();
  if (!c.pid) {
    dup2(ends[1], 1);
    close(ends[0]);
    close(ends[1]);
    execl(self, self, task, (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  c.out = fdopen(ends[0], "r");
  return c;
}

/* Reads up to a line that begins with `word`, of which the rest is kept; other lines are shown. */
static int read_until(child *c, const char *word) {
  char line[512];
  size_t n = strlen(word);
  while (fgets(line, sizeof line, c->out)) {
    if (strncmp(line, word, n)) fputs(line, stdout);
    else {
      snprintf(c->found, sizeof c->found, "%.60s", line + n);
      return 1;
    }
  }
  return 0;
}

static int end(child *c) {
  char line[512];
  while (fgets(line, sizeof line, c->out)) fputs(line, stdout);
  fclose(c->out);
  return status_of(c->pid);
}

static int run_task(const char *task) {
  child c = start(task);
  return end(&c);
}

static long long free_memory(void) {
  child c = start("free");
  read_until(&c, "free ");
  return end(&c) ? -1 : atoll(c.found);
}

/* ---- tests ---- */

static void test_bits(void) {
  char first[64] = "";
  for (int k = 0; k < 2; k++) {
    child c = start("bits");
    CHECK(read_until(&c, "bits "), "a process prints its bits");
    CHECK(end(&c) == 0, "two runs give the same bits");
    if (k) CHECK(*first && !strcmp(first, c.found), "and so do two processes");
    else memcpy(first, c.found, sizeof first);
  }
}

static void test_two_at_a_time(void) {
  child a = start("check"), b = start("bits");
  CHECK(end(&a) == 0 && end(&b) == 0, "two processes on one GPU are right");
}

static void test_interrupt(void) {
  child c = start("interrupted");
  CHECK(read_until(&c, "begun"), "a long call begins");
  rk_os_sleep(0.4);
  kill(c.pid, SIGINT);
  CHECK(end(&c) == 0, "it ends soon, nothing is held, and the next call is right");
  CHECK(run_task("check") == 0, "and so are those of the next process");
}

/* Killed while it copies its inputs, and while it computes. */
static void test_kill(void) {
  static const double delay[] = {0.001, 0.5};
  long long before = free_memory(), after = -1;
  for (int k = 0; k < 2; k++) {
    child c = start("killed");
    CHECK(read_until(&c, "begun"), "a long call begins");
    rk_os_sleep(delay[k]);
    kill(c.pid, SIGKILL);
    CHECK(end(&c) == 1000 + SIGKILL, "and is killed");
    CHECK(run_task("check") == 0, "the next process is right");
  }
  for (int k = 0; k < 20 && (after = free_memory()) < before; k++) rk_os_sleep(0.25);
  printf("  %lld MiB free, %lld after processes were killed\n", before, after);
  CHECK(before > 0 && after >= before, "their memory is free again");
}

static int run_as_task(const char *task) {
  int devices;
  check_configure();
  if (rk_device_count(&devices, &last) || !devices) return NO_GPU;
  use(1);
  if (check_failed) return 1;
  if (!strcmp(task, "check")) return check_kernels();
  if (!strcmp(task, "bits")) return print_bits();
  if (!strcmp(task, "calls")) return many_calls();
  if (!strcmp(task, "interrupted")) return long_call(0);
  if (!strcmp(task, "killed")) return long_call(1);
  return print_free();
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc == 2) return run_as_task(argv[1]);
  /* short launches for the emulated clock, so that a call can be stopped between them */
  setenv("RKEOPS_STANDIN_CLOCK", "1000", 0);
  int found = run_task("check");
  if (found == NO_GPU) {
    printf("no GPU\n0 passed, 0 failed, 1 skipped\n");
    return 0;
  }
  CHECK(found == 0, "a process is right");
  test_bits();
  test_two_at_a_time();
  CHECK(run_task("calls") == 0, "many calls leave the memory as it was");
  test_interrupt();
  test_kill();
  return check_end();
}
