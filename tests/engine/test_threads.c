/* Calls on several threads (run/parallel.c, run/threads.c, os_processors.c): every task once, on
 * whatever threads there are, and how many there should be.
 *
 *   cc -std=gnu11 -Isrc/engine tests/engine/test_threads.c <files of the engine> -lm -ldl -lpthread
 *
 * The program starts itself, with a first argument that begins with "--", as a process that is
 * given no threads, or that OpenMP binds to one processor. It stands between the engine and
 * sched_getaffinity, so that it runs on machines that are not here. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "check.h"
#include "os.h"
#include "run/parallel.h"

#include <fenv.h>
#include <stdatomic.h>
#if !defined(_WIN32)
#include "children.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#endif
#if defined(__linux__)
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#endif

static const char *myself;

static void set_variable(const char *name, const char *value) {
#if defined(_WIN32)
  _putenv_s(name, value);
#else
  if (*value) setenv(name, value, 1);
  else unsetenv(name);
#endif
}

/* ---- tasks ---------------------------------------------------------------------------------- */

enum { TASKS = 400, MOST = 16 };

/* How often each task ran, and on how many threads. */
typedef struct {
  atomic_int runs[TASKS];
  atomic_intptr_t thread[MOST]; /* address of a variable that each has */
  atomic_int wrong;             /* tasks under another rounding mode, with signals let through, or on
                                   a thread that was made under another mask */
  int rounding;
  double seconds;               /* of a task */
} tally;

static _Thread_local int here;
static _Thread_local int is_main;

/* Masks that this process had so far, and which of them was there when a thread began to work. */
static atomic_int masks = 1;
static _Thread_local int born_under;

static void note_thread(tally *t) {
  for (int k = 0; k < MOST; k++) {
    intptr_t mine = (intptr_t)&here, none = 0;
    if (atomic_compare_exchange_strong(&t->thread[k], &none, mine) || none == mine) return;
  }
}

static int signals_come_through(void) {
#if defined(_WIN32)
  return 0;
#else
  sigset_t now;
  pthread_sigmask(SIG_SETMASK, NULL, &now);
  return !sigismember(&now, SIGINT);
#endif
}

static void count_task(void *data, int64_t task, const rk_worker *worker) {
  tally *t = data;
  atomic_fetch_add(&t->runs[task], 1);
  note_thread(t);
  if (!born_under) born_under = atomic_load(&masks);
  if (!is_main && born_under != atomic_load(&masks)) atomic_fetch_add(&t->wrong, 1);
  if (fegetround() != t->rounding || (!is_main && signals_come_through()))
    atomic_fetch_add(&t->wrong, 1);
  double end = rk_os_seconds() + t->seconds;
  while (rk_os_seconds() < end && !rk_parallel_stopped(worker)) {}
}

static int all_once(tally *t) {
  for (int k = 0; k < TASKS; k++)
    if (atomic_load(&t->runs[k]) != 1) return 0;
  return 1;
}

static int threads_of(tally *t) {
  int n = 0;
  while (n < MOST && atomic_load(&t->thread[n])) n++;
  return n;
}

static rk_status run_tasks(tally *t, int threads, rk_poll poll, void *poll_data) {
  memset(t, 0, sizeof *t);
  t->rounding = fegetround();
  t->seconds = poll ? 4e-4 : 2e-5; /* a poll comes every 20 ms */
  return rk_parallel(TASKS, threads, count_task, t, (rk_caller){poll, poll_data, NULL});
}

/* ---- the crew ------------------------------------------------------------------------------- */

static void each_task_runs_once_on_at_most_so_many_threads(void) {
  tally t;
  int most = 0;
  for (int round = 0; round < 3; round++)
    for (int threads = 1; threads <= 6; threads++) {
      CHECK(run_tasks(&t, threads, NULL, NULL) == RK_OK && all_once(&t), "each task runs once");
      CHECK(threads_of(&t) <= threads, "on no more threads than allowed");
      if (threads_of(&t) > most) most = threads_of(&t);
    }
  CHECK(most > 1, "and on more than one");
  CHECK(rk_parallel(0, 4, count_task, &t, (rk_caller){0}) == RK_OK, "no tasks are no trouble");
  rk_end_threads();
  rk_end_threads();
  CHECK(run_tasks(&t, 3, NULL, NULL) == RK_OK && all_once(&t), "threads that ended are made anew");
}

static void threads_have_the_mode_of_the_caller_and_leave_signals_to_it(void) {
  tally t;
  run_tasks(&t, 4, NULL, NULL);
  CHECK(!atomic_load(&t.wrong), "the default mode, and no signals");
  if (fesetround(FE_UPWARD) == 0) {
    run_tasks(&t, 4, NULL, NULL);
    fesetround(FE_TONEAREST);
    CHECK(all_once(&t) && !atomic_load(&t.wrong), "another rounding mode");
  }
  run_tasks(&t, 4, NULL, NULL);
  CHECK(all_once(&t) && !atomic_load(&t.wrong), "and the default one again");
}

typedef struct {
  int depth;      /* calls that may still be made inside this one */
  int threads;
  int cancel;     /* the innermost call */
  int polls, good;
} nest;

static int poll_and_nest(void *data, double done) {
  nest *outer = data;
  outer->polls++;
  if (!(done >= 0 && done <= 1)) outer->good = 0;
  if (!outer->depth) return outer->cancel;
  if (outer->polls > 1) return 0;
  tally t;
  nest inner = {outer->depth - 1, outer->threads, outer->cancel, 0, 1};
  rk_status status = run_tasks(&t, inner.threads, poll_and_nest, &inner);
  int cancelled = outer->cancel && !inner.depth;
  if (status != (cancelled ? RK_CANCELLED : RK_OK) || all_once(&t) == cancelled) outer->good = 0;
  outer->good &= inner.good && inner.polls > 0;
  rk_end_threads(); /* those at work stay */
  return 0;
}

static void a_poll_may_make_a_call_of_its_own(void) {
  for (int threads = 1; threads <= 3; threads += 2)
    for (int cancel = 0; cancel <= 1; cancel++) {
      tally t;
      nest outer = {2, threads, cancel, 0, 1};
      rk_status status = run_tasks(&t, threads, poll_and_nest, &outer);
      CHECK(status == RK_OK && all_once(&t), "the outer call does each of its tasks once");
      CHECK(outer.good, "and so do those in between; only the innermost one is cancelled");
    }
}

/* ---- how many ------------------------------------------------------------------------------- */

static int threads_with(int wanted, const char *name, const char *value) {
  rk_error error;
  rk_set_threads(wanted, &error);
  set_variable(name, value);
  int threads = rk_threads();
  set_variable(name, "");
  return threads;
}

static int limit_says(const char *expected) {
  char text[200];
  return rk_threads_limit(text, sizeof text) && strstr(text, expected) != NULL;
}

static int least(int a, int b) { return a < b ? a : b; }

static void variables_bound_the_number_of_threads(void) {
  int all = rk_processors();
  CHECK(threads_with(0, "OMP_NUM_THREADS", "") == all, "all processors by default");
  CHECK(threads_with(0, "OMP_NUM_THREADS", "1") == 1, "within OMP_NUM_THREADS");
  CHECK(threads_with(0, "OMP_NUM_THREADS", "2,4") == least(all, 2), "of the first level");
  CHECK(threads_with(0, "OMP_NUM_THREADS", "many") == all, "if it is a number");
  CHECK(threads_with(0, "OMP_NUM_THREADS", "-3") == all, "above 0");
  CHECK(threads_with(all, "OMP_NUM_THREADS", "1") == all, "which is the default, no limit");
  CHECK(threads_with(0, "OMP_THREAD_LIMIT", "1") == 1, "OMP_THREAD_LIMIT is one by default");
  CHECK(threads_with(all, "OMP_THREAD_LIMIT", "1") == 1, "and for a number that is asked for");
  CHECK(threads_with(0, "_R_CHECK_LIMIT_CORES_", "TRUE") == least(all, 2), "R's checks: two");
  CHECK(threads_with(all, "_R_CHECK_LIMIT_CORES_", "warn") == least(all, 2), "or warn");
  CHECK(threads_with(0, "_R_CHECK_LIMIT_CORES_", "false") == all, "unless it is false");
  CHECK(threads_with(0, "_R_CHECK_LIMIT_CORES_", "FALSE") == all, "or FALSE");
  CHECK(threads_with(0, "_R_CHECK_LIMIT_CORES_", "falsehood") == least(all, 2), "in full");
}

static void a_number_that_cannot_be_met_has_a_reason(void) {
  rk_error error;
  char text[200], expected[100];
  int all = rk_processors();
  CHECK(threads_with(all + 5, "OMP_THREAD_LIMIT", "") == all, "no more than processors");
  snprintf(expected, sizeof expected, "may use %d processor", all);
  CHECK(limit_says(expected), "which is said");
  set_variable("OMP_THREAD_LIMIT", "1");
  CHECK(limit_says("OMP_THREAD_LIMIT is 1"), "and so is a variable");
  CHECK(rk_threads_limit(text, 4) && !text[0], "where there is room for it");
  set_variable("OMP_THREAD_LIMIT", "");
  CHECK(rk_set_threads(all, &error) == RK_OK && !rk_threads_limit(text, sizeof text),
        "nothing is said of a number that can be met");
  CHECK(rk_set_threads(0, &error) == RK_OK && !rk_threads_limit(text, sizeof text),
        "nor of the default");
  CHECK(rk_set_threads(-1, &error) == RK_ERROR_ARGUMENT, "a negative number is refused");
}

static void the_report_shows_each_input(void) {
  static const char *const keys[] = {"threads: ", "\nthreads asked for: ", "\nprocessors: online ",
                                     ", affinity ", ", quota of control groups ",
                                     "\nOMP_NUM_THREADS: 3\n", "\nOMP_THREAD_LIMIT: not set\n",
                                     "\n_R_CHECK_LIMIT_CORES_: ", "\nforked process: no\n"};
  char *report = NULL;
  rk_error error;
  set_variable("OMP_NUM_THREADS", "3");
  if (!CHECK(rk_report(&report, &error) == RK_OK, error.message)) return;
  for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
    CHECK(strstr(report, keys[k]), keys[k]);
  set_variable("OMP_NUM_THREADS", "");
  rk_free(report);
}

/* ---- processes ------------------------------------------------------------------------------ */

#if !defined(_WIN32)
static void a_forked_child_computes_alone(void) {
  tally t;
  run_tasks(&t, 3, NULL, NULL);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    char text[200];
    rk_error error;
    rk_set_threads(2, &error);
    int good = rk_threads() == 1 && rk_threads_limit(text, sizeof text) && strstr(text, "forked");
    good = good && run_tasks(&t, 3, NULL, NULL) == RK_OK && all_once(&t) && threads_of(&t) == 1;
    rk_end_threads();
    _exit(good ? 7 : 1);
  }
  CHECK(status_of(child) == 7, "serially, and says so");
  CHECK(run_tasks(&t, 3, NULL, NULL) == RK_OK && all_once(&t), "the parent goes on");
}

static void start_again(const char *argument, const char *what) {
  const char *const arguments[] = {myself, argument, NULL};
  rk_process process = {.arguments = arguments, .timeout = 120, .output_limit = 2000};
  rk_process_result result;
  rk_error error = {0};
  CHECK(rk_os_run(&process, (rk_caller){.error = &error}, &result) == RK_OK, error.message);
  if (result.exit_code == 77) check_skipped++;
  else if (!CHECK(result.end == RK_PROCESS_ENDED && result.exit_code == 0 && !result.signal, what))
    printf("%s\n", rk_text_string(&result.output));
  rk_text_free(&result.output);
}

/* A sum that takes several milliseconds. */
static rk_status sum_of_squares(double *out, int threads) {
  enum { ROWS = 6000 };
  static double x[ROWS];
  static const char *const declarations[] = {"x=Vi(1)", "y=Vj(1)"};
  rk_error error;
  for (int k = 0; k < ROWS; k++) x[k] = k % 97 / 97.0;
  rk_program *program = program_of("Sum_Reduction(SqDist(x,y), j)", declarations, 2, RK_FLOAT64);
  rk_array inputs[2] = {columns_of(x, ROWS, 1), columns_of(x, ROWS, 1)};
  rk_set_threads(threads, &error);
  rk_status status = program ? run_values(program, inputs, 2, out, &error) : RK_ERROR_INTERNAL;
  if (status) printf("%s\n", error.message);
  return status;
}

static void do_nothing(void *unused) { (void)unused; }

/* Root has no limit: another user has. Kernels are built before. */
static int without_threads(void) {
  static double before[6000], after[6000];
  struct rlimit one = {1, 1};
  check_configure();
  CHECK(sum_of_squares(before, 1) == RK_OK, "with all rights");
  if (geteuid() == 0 && setuid(65534) != 0) return 77;
  if (setrlimit(RLIMIT_NPROC, &one) != 0) return 77;
  rk_os_thread *thread = rk_os_thread_start(do_nothing, NULL);
  if (thread) return 77; /* this system gives threads all the same */
  tally t;
  CHECK(run_tasks(&t, 4, NULL, NULL) == RK_OK && all_once(&t), "each task runs");
  CHECK(threads_of(&t) == 1, "on the calling thread");
  CHECK(sum_of_squares(after, 2) == RK_OK && !memcmp(before, after, sizeof after),
        "the same result, bit for bit");
  char *report = NULL;
  rk_error error;
  if (rk_processors() > 1 && CHECK(rk_report(&report, &error) == RK_OK, error.message))
    CHECK(strstr(report, "the system let the last call have: 1 of 2\n"), "and it is in the report");
  rk_free(report);
  return check_failed;
}
#endif

#if !defined(_WIN32)
/* Without what a sanitizer does at the end, for which it wants a thread. */
static int end_at_once(int status) {
  fflush(stdout);
  _exit(status);
}
#endif

/* ---- affinity and control groups ------------------------------------------------------------ */

#if defined(__linux__)
/* A machine with room for `fake.room` processors, of which the first fake.count may be used. */
static struct { size_t room; int count; } fake;

int sched_getaffinity(pid_t process, size_t bytes, cpu_set_t *set) {
  if (!fake.room) {
    long got = syscall(SYS_sched_getaffinity, process, bytes, set);
    if (got < 0) return -1;
    memset((char *)set + got, 0, bytes - (size_t)got);
    return 0;
  }
  if (bytes < fake.room / 8) {
    errno = EINVAL;
    return -1;
  }
  memset(set, 0, bytes);
  for (int k = 0; k < fake.count; k++)
    ((unsigned long *)set)[k / 64] |= 1UL << k % 64;
  return 0;
}

static void masks_of_any_size_are_read(void) {
  int true_count = rk_os_affinity();
  int64_t changes = rk_os_affinity_changes();
  tally t;
  CHECK(true_count > 0 && rk_os_affinity_changes() == changes, "the mask stays what it is");
  run_tasks(&t, 3, NULL, NULL);
  fake.room = 8192, fake.count = 3000;
  atomic_fetch_add(&masks, 1);
  CHECK(rk_os_affinity() == 3000, "3000 of 8192 processors");
  CHECK(rk_os_affinity_changes() > changes, "which is a change");
  CHECK(run_tasks(&t, 3, NULL, NULL) == RK_OK && all_once(&t) && !atomic_load(&t.wrong),
        "threads are made anew then");
  if (!rk_os_quota()) {
    CHECK(rk_processors() == 3000, "they may be used");
    variables_bound_the_number_of_threads();
    a_number_that_cannot_be_met_has_a_reason();
  }
  fake.count = 1;
  CHECK(rk_processors() == 1, "one processor");
  fake.room = 0;
  CHECK(rk_os_affinity() == true_count, "and the true mask again");
}

static void count_mine(void *data) {
  cpu_set_t set;
  *(int *)data = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
}

/* OpenMP binds the thread that loads it, as a BLAS may have done before us. */
static int bound_by_openmp(void) {
  int before = rk_os_affinity(), mine = 0, of_thread = 0;
  void *library = dlopen("libgomp.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library || before < 2) return 77;
  void *found = dlsym(library, "GOMP_parallel");
  void (*parallel)(void (*)(void *), void *, unsigned, unsigned);
  memcpy(&parallel, &found, sizeof found);
  if (parallel) parallel(do_nothing, NULL, 1, 0);
  count_mine(&mine);
  if (mine == before) return 77;
  CHECK(rk_os_affinity() == before, "all processors count all the same");
  rk_os_thread *thread = rk_os_thread_start(count_mine, &of_thread);
  if (CHECK(thread, "a thread starts")) rk_os_thread_join(thread);
  CHECK(of_thread == before, "and may run on all of them");
  count_mine(&of_thread);
  CHECK(of_thread == mine, "the thread that is bound stays so");
  return check_failed;
}

static void a_place_of_openmp_stands_for_all(void) {
  set_variable("OMP_PROC_BIND", "true");
  start_again("--bound", "OMP_PROC_BIND");
  set_variable("OMP_PLACES", "cores");
  start_again("--bound", "and OMP_PLACES");
  set_variable("OMP_PROC_BIND", "");
  set_variable("OMP_PLACES", "");
  set_variable("GOMP_CPU_AFFINITY", "0-1023");
  start_again("--bound", "GOMP_CPU_AFFINITY");
  set_variable("GOMP_CPU_AFFINITY", "");
}

/* A file below a folder, with the folders that are missing. */
static void put(const char *folder, const char *name, const char *text) {
  rk_text path = {0};
  rk_text_format(&path, "%s/%s", folder, name);
  char *slash = strrchr(path.bytes, '/');
  *slash = 0;
  rk_os_make_folder(path.bytes);
  *slash = '/';
  rk_os_remove(path.bytes);
  CHECK(rk_os_write_new(path.bytes, text, strlen(text)), name);
  rk_text_free(&path);
}

/* `mounted`: the group at the mount point, of a hierarchy of this type and with these options. */
static void put_mount(const char *base, const char *mounted, const char *type,
                      const char *options) {
  rk_text line = {0};
  rk_text_format(&line, "22 1 0:5 / / rw - ext4 /dev/sda rw\n"
                 "32 31 0:29 %s %s/mount rw,relatime shared:9 - %s cgroup %s\n", mounted, base,
                 type, options);
  put(base, "mountinfo", line.bytes);
  rk_text_free(&line);
}

static void a_quota_of_version_2_is_read(const char *base) {
  CHECK(rk_os_quota_of(base) == 0, "no control groups, no quota");
  put_mount(base, "/", "cgroup2", "rw");
  put(base, "cgroup", "0::/job/step\n");
  CHECK(rk_os_quota_of(base) == 0, "none that says anything");
  put(base, "mount/job/step/cpu.max", "max 100000\n");
  CHECK(rk_os_quota_of(base) == 0, "max is none");
  put(base, "mount/job/cpu.max", "250000 100000\n");
  CHECK(rk_os_quota_of(base) == 3, "of a group above, rounded up");
  put(base, "mount/job/step/cpu.max", "400000 100000\n");
  CHECK(rk_os_quota_of(base) == 3, "the least one");
  put(base, "mount/cpu.max", "20000 100000\n");
  CHECK(rk_os_quota_of(base) == 1, "of the top, too, and at least one");
}

static void a_quota_of_version_1_is_read(const char *base) {
  put_mount(base, "/docker/a", "cgroup", "rw,cpu,cpuacct");
  put(base, "cgroup", "9:cpuset:/docker/a/cpu\n4:cpu,cpuacct:/docker/a/b\n0::/docker/a\n");
  put(base, "mount/cpu.cfs_period_us", "50000\n");
  put(base, "mount/cpu.cfs_quota_us", "-1\n");
  CHECK(rk_os_quota_of(base) == 0, "-1 is none");
  put(base, "mount/b/cpu.cfs_period_us", "50000\n");
  put(base, "mount/b/cpu.cfs_quota_us", "200001\n");
  CHECK(rk_os_quota_of(base) == 5, "of a group below the one that is mounted");
  put(base, "mount/cpu.cfs_quota_us", "100000\n");
  CHECK(rk_os_quota_of(base) == 2, "and of that one");
  put(base, "cgroup", "4:cpu,cpuacct:/../b\n");
  CHECK(rk_os_quota_of(base) == 2, "the mounted one where the process's own is outside of it");
  put_mount(base, "/docker/a", "cgroup", "rw,cpuset");
  CHECK(rk_os_quota_of(base) == 0, "other controllers have none");
}

static void quotas_are_read(void) {
  rk_text base = {0};
  unsigned random[2] = {0};
  rk_os_random(random, sizeof random);
  rk_text_format(&base, "%s/rkeops-threads-%08x%08x", rk_os_temporary(), random[0], random[1]);
  if (!CHECK(rk_os_make_new_folder(base.bytes), "a folder")) return;
  a_quota_of_version_2_is_read(base.bytes);
  rk_os_remove_folder(base.bytes);
  rk_os_make_new_folder(base.bytes);
  a_quota_of_version_1_is_read(base.bytes);
  rk_os_remove_folder(base.bytes);
  rk_text_free(&base);
  CHECK(rk_os_quota() >= 0 && rk_os_quota() == rk_os_quota_of("/proc/self"),
        "this process has one or none");
}
#endif

/* What the machine that runs the tests says must not count. */
static void clear_variables(void) {
  static const char *const names[] = {"OMP_NUM_THREADS", "OMP_THREAD_LIMIT",
                                      "_R_CHECK_LIMIT_CORES_"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) set_variable(names[k], "");
}

int main(int argc, char **argv) {
  is_main = 1;
  myself = argv[0];
  clear_variables();
#if !defined(_WIN32)
  if (argc > 1 && !strcmp(argv[1], "--without-threads")) return end_at_once(without_threads());
#endif
#if defined(__linux__)
  if (argc > 1 && !strcmp(argv[1], "--bound")) return end_at_once(bound_by_openmp());
#endif
  (void)argc;
  each_task_runs_once_on_at_most_so_many_threads();
  threads_have_the_mode_of_the_caller_and_leave_signals_to_it();
  a_poll_may_make_a_call_of_its_own();
  variables_bound_the_number_of_threads();
  a_number_that_cannot_be_met_has_a_reason();
  the_report_shows_each_input();
#if !defined(_WIN32)
  a_forked_child_computes_alone();
  if (!getenv("RKEOPS_TEST_CHILD")) start_again("--without-threads", "no threads, no trouble");
#endif
#if defined(__linux__)
  masks_of_any_size_are_read();
  if (!getenv("RKEOPS_TEST_CHILD")) a_place_of_openmp_stands_for_all();
  quotas_are_read();
#endif
  rk_end_threads();
  return check_end();
}
