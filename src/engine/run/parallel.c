/* Threads of OpenMP where there is OpenMP, else (with the compiler of Apple) threads made for each
 * call. See parallel.h.
 *
 * The number of threads: what rk_set_threads says, else half of the processors, at least one; never
 * more than OMP_THREAD_LIMIT or OMP_NUM_THREADS allow, read anew at each call; one in a forked
 * child, where a parallel region of libgomp would hang. */
#include "run/parallel.h"
#include "error.h"
#include "os.h"

#include <stdatomic.h>
#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#endif

static int wanted_threads;

static int limit_from(const char *name) {
  const char *text = getenv(name);
  int value = text ? atoi(text) : 0;
  return value > 0 ? value : 1 << 20;
}

int rk_processors(void) { return rk_os_processors(); }

int rk_has_openmp(void) {
#ifdef _OPENMP
  return 1;
#else
  return 0;
#endif
}

rk_status rk_set_threads(int threads, rk_error *error) {
  if (threads < 0)
    return rk_fail(error, RK_ERROR_ARGUMENT, "number of threads: expected 0 or more, found %d",
                   threads);
  wanted_threads = threads;
  return RK_OK;
}

int rk_threads(void) {
  if (rk_os_forked()) return 1;
  int threads = wanted_threads ? wanted_threads : (rk_os_processors() + 1) / 2;
  int limit = limit_from("OMP_THREAD_LIMIT");
  if (!wanted_threads && limit_from("OMP_NUM_THREADS") < limit)
    limit = limit_from("OMP_NUM_THREADS");
  if (threads > rk_os_processors()) threads = rk_os_processors();
  return threads < limit ? threads : limit;
}

/* One parallel call at a time (engine.h), so its state can stand here. */
static struct {
  atomic_llong next, done;
  atomic_int stopped;
  int64_t tasks;
  rk_poll poll;
  void *poll_data;
  double polled;
} call;

static void poll_now(void) {
  double now = rk_os_seconds();
  if (!call.poll || now - call.polled < 0.02) return;
  call.polled = now;
  double done = (double)atomic_load(&call.done) / (double)call.tasks;
  if (call.poll(call.poll_data, done)) atomic_store(&call.stopped, 1);
}

int rk_parallel_stopped(int thread) {
  if (thread == 0) poll_now();
  return atomic_load_explicit(&call.stopped, memory_order_relaxed);
}

static void work(rk_task task, void *data, int thread) {
  while (!rk_parallel_stopped(thread)) {
    int64_t k = atomic_fetch_add(&call.next, 1);
    if (k >= call.tasks) return;
    task(data, k, thread);
    atomic_fetch_add(&call.done, 1);
  }
}

#ifdef _OPENMP
static void work_together(rk_task task, void *data, int threads) {
#pragma omp parallel num_threads(threads)
  work(task, data, omp_get_thread_num());
}
#else
typedef struct {
  rk_task task;
  void *data;
  int thread;
  rk_os_thread *handle;
} helper;

static void help(void *data) {
  const helper *h = data;
  work(h->task, h->data, h->thread);
}

/* Threads that cannot be had are done without: the calling thread does what is left. */
static void work_together(rk_task task, void *data, int threads) {
  helper *helpers = calloc((size_t)threads, sizeof *helpers);
  int started = 0;
  for (; helpers && started < threads - 1; started++) {
    helper *h = &helpers[started];
    *h = (helper){.task = task, .data = data, .thread = started + 1};
    h->handle = rk_os_thread_start(help, h);
    if (!h->handle) break;
  }
  work(task, data, 0);
  while (started > 0) rk_os_thread_join(helpers[--started].handle);
  free(helpers);
}
#endif

rk_status rk_parallel(int64_t tasks, int threads, rk_task task, void *data, rk_poll poll,
                      void *poll_data) {
  atomic_store(&call.next, 0);
  atomic_store(&call.done, 0);
  atomic_store(&call.stopped, 0);
  call.tasks = tasks;
  call.poll = poll;
  call.poll_data = poll_data;
  call.polled = rk_os_seconds();
  if (tasks < threads) threads = (int)tasks;
  if (threads > 1) work_together(task, data, threads);
  else work(task, data, 0);
  return atomic_load(&call.stopped) ? RK_CANCELLED : RK_OK;
}
