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

/* The state of one call, on the stack of the calling thread: a poll may make another call. */
typedef struct {
  rk_task task;
  void *data;
  int64_t tasks;
  rk_poll poll;
  void *poll_data;
  double polled;
  atomic_llong next, done;
  atomic_int stopped;
} call;

struct rk_worker {
  call *call;
  int is_caller; /* it polls */
};

static void poll_now(call *c) {
  double now = rk_os_seconds();
  if (!c->poll || now - c->polled < 0.02) return;
  double done = (double)atomic_load(&c->done) / (double)c->tasks;
  if (c->poll(c->poll_data, done)) atomic_store(&c->stopped, 1);
  c->polled = rk_os_seconds();
}

int rk_parallel_stopped(const rk_worker *worker) {
  if (worker->is_caller) poll_now(worker->call);
  return atomic_load_explicit(&worker->call->stopped, memory_order_relaxed);
}

static void work(const rk_worker *worker) {
  call *c = worker->call;
  while (!rk_parallel_stopped(worker)) {
    int64_t k = atomic_fetch_add(&c->next, 1);
    if (k >= c->tasks) return;
    c->task(c->data, k, worker);
    atomic_fetch_add(&c->done, 1);
  }
}

#ifdef _OPENMP
/* Inside a poll, that is inside another region, this is one thread: the calling one. */
static void work_together(call *c, int threads) {
#pragma omp parallel num_threads(threads)
  work(&(rk_worker){c, omp_get_thread_num() == 0});
}
#else
typedef struct {
  rk_worker worker;
  rk_os_thread *handle;
} helper;

static void help(void *worker) { work(worker); }

/* Threads that cannot be had are done without: the calling thread does what is left. */
static void work_together(call *c, int threads) {
  helper *helpers = calloc((size_t)threads, sizeof *helpers);
  int started = 0;
  for (; helpers && started < threads - 1; started++) {
    helper *h = &helpers[started];
    h->worker = (rk_worker){c, 0};
    h->handle = rk_os_thread_start(help, &h->worker);
    if (!h->handle) break;
  }
  work(&(rk_worker){c, 1});
  while (started > 0) rk_os_thread_join(helpers[--started].handle);
  free(helpers);
}
#endif

rk_status rk_parallel(int64_t tasks, int threads, rk_task task, void *data, rk_poll poll,
                      void *poll_data) {
  call c = {.task = task, .data = data, .tasks = tasks, .poll = poll, .poll_data = poll_data,
            .polled = rk_os_seconds()};
  if (tasks < threads) threads = (int)tasks;
  if (threads > 1) work_together(&c, threads);
  else work(&(rk_worker){&c, 1});
  return atomic_load(&c.stopped) ? RK_CANCELLED : RK_OK;
}
