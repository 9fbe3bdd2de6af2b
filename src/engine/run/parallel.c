/* The threads of a parallel call are a crew that is made when it is first needed, kept for later
 * calls and parked in between: there it waits for the system and costs nothing. The calling
 * thread works too, so a call never needs the crew: it takes the threads that can be had, however
 * few (limits of processes or of memory), does what a late one would have done, and waits only for
 * those that are in the middle of a task.
 *
 * Not OpenMP: where its runtime gets no thread it ends the process, between calls its threads may
 * spin, in a forked child it hangs, and it binds the calling thread where a variable says so.
 *
 * A call that is made by the poll of another one finds the crew at work and is done by the calling
 * thread alone. So is every call of a forked child, where the crew does not exist. */
#include "run/parallel.h"
#include "float_mode.h"
#include "os.h"
#include "run/threads.h"

#include <fenv.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The state of one call, on the stack of the calling thread: a poll may make another call. */
typedef struct {
  rk_task task;
  void *data;
  int64_t tasks;
  rk_caller caller;
  double polled;
  fenv_t mode;
  uint64_t zeros;       /* what fenv_t does not have on every system */
  atomic_llong next, done;
  atomic_int stopped;
} call;

struct rk_worker {
  call *call;
  int is_caller; /* it polls */
};

static void poll_now(call *c) {
  double now = rk_os_seconds();
  if (!c->caller.poll || now - c->polled < 0.02) return;
  double done = (double)atomic_load(&c->done) / (double)c->tasks;
  if (rk_ask(c->caller, done)) atomic_store(&c->stopped, 1);
  c->polled = rk_os_seconds();
}

int rk_parallel_stopped(const rk_worker *worker) {
  if (worker->is_caller) poll_now(worker->call);
  return atomic_load_explicit(&worker->call->stopped, memory_order_relaxed);
}

/* Once begun, a call asks after tasks only. */
static void work(const rk_worker *worker) {
  call *c = worker->call;
  int64_t k;
  while ((k = atomic_fetch_add(&c->next, 1)) < c->tasks) {
    c->task(c->data, k, worker);
    atomic_fetch_add(&c->done, 1);
    if (rk_parallel_stopped(worker)) return;
  }
}

/* ---- the crew ------------------------------------------------------------------------------- */

enum { PARKED, CALLER }; /* the places of the monitor */

/* Everything below is read and written by those who hold the monitor, save `thread` and `made`,
 * which belong to the calling thread. */
static struct {
  rk_os_monitor *monitor;
  rk_os_thread **thread;
  int made, room;
  int64_t changes;      /* of the affinity, when the threads were made */
  call *call;           /* NULL: none */
  atomic_int wanted;    /* how many may still join it */
  atomic_int at_work;   /* how many have */
  int ending;
} crew;

/* In the floating-point mode of the calling thread, so that results do not depend on who works. */
static void help(call *c) {
  fesetenv(&c->mode);
  rk_float_mode_set(c->zeros);
  work(&(rk_worker){c, 0});
}

/* Calls often come in a row, and to be woken takes a while: so there is a moment of attention
 * before a thread waits, in which whoever else wants the processor has it. */
static const double attention = 1e-4;

static int is_soon(double end) {
  rk_os_yield();
  return rk_os_seconds() < end;
}

static void live(void *unused) {
  (void)unused;
  rk_os_enter(crew.monitor);
  while (!crew.ending) {
    if (!atomic_load(&crew.wanted)) {
      rk_os_wait(crew.monitor, PARKED);
      continue;
    }
    atomic_fetch_sub(&crew.wanted, 1);
    atomic_fetch_add(&crew.at_work, 1);
    call *c = crew.call;
    rk_os_leave(crew.monitor);
    help(c);
    rk_os_enter(crew.monitor);
    if (atomic_fetch_sub(&crew.at_work, 1) == 1) rk_os_wake(crew.monitor, CALLER);
    rk_os_leave(crew.monitor);
    for (double end = rk_os_seconds() + attention; !atomic_load(&crew.wanted) && is_soon(end);) {}
    rk_os_enter(crew.monitor);
  }
  rk_os_leave(crew.monitor);
}

static int has_room(int threads) {
  if (!crew.monitor) crew.monitor = rk_os_monitor_new();
  if (threads <= crew.room) return crew.monitor != NULL;
  rk_os_thread **larger = realloc(crew.thread, (size_t)threads * sizeof *larger);
  if (!larger) return 0;
  crew.thread = larger;
  crew.room = threads;
  return crew.monitor != NULL;
}

/* Makes what is missing of `threads`, or as many as can be had. Threads that were made under
 * another affinity are made anew. */
static int hire(int threads) {
  int64_t changes = rk_os_affinity_changes();
  if (crew.made && crew.changes != changes) rk_end_threads();
  crew.changes = changes;
  while (crew.made < threads && has_room(threads)) {
    crew.thread[crew.made] = rk_os_thread_start(live, NULL);
    if (!crew.thread[crew.made]) break;
    crew.made++;
  }
  rk_threads_had(threads + 1, crew.made + 1);
  return crew.made < threads ? crew.made : threads;
}

void rk_end_threads(void) {
  if (!crew.made || crew.call || rk_os_forked()) return;
  rk_os_enter(crew.monitor);
  crew.ending = 1;
  rk_os_leave(crew.monitor);
  for (int k = 0; k < crew.made; k++) rk_os_wake(crew.monitor, PARKED);
  while (crew.made > 0) rk_os_thread_join(crew.thread[--crew.made]);
  crew.ending = 0;
}

static void work_together(call *c, int helpers) {
  fegetenv(&c->mode);
  c->zeros = rk_float_mode();
  rk_os_enter(crew.monitor);
  crew.call = c;
  atomic_store(&crew.wanted, helpers);
  rk_os_leave(crew.monitor);
  for (int k = 0; k < helpers; k++) rk_os_wake(crew.monitor, PARKED);
  work(&(rk_worker){c, 1});
  rk_os_enter(crew.monitor);
  atomic_store(&crew.wanted, 0);
  rk_os_leave(crew.monitor);
  for (double end = rk_os_seconds() + attention; atomic_load(&crew.at_work) && is_soon(end);) {}
  rk_os_enter(crew.monitor);
  while (atomic_load(&crew.at_work)) rk_os_wait(crew.monitor, CALLER);
  crew.call = NULL;
  rk_os_leave(crew.monitor);
}

rk_status rk_parallel(int64_t tasks, int threads, rk_task task, void *data, rk_caller caller) {
  call c = {.task = task, .data = data, .tasks = tasks, .caller = caller,
            .polled = rk_os_seconds()};
  if (tasks < threads) threads = (int)tasks;
  int helpers = threads > 1 && !crew.call && !rk_os_forked() ? hire(threads - 1) : 0;
  if (helpers) work_together(&c, helpers);
  else work(&(rk_worker){&c, 1});
  return atomic_load(&c.stopped) ? RK_CANCELLED : RK_OK;
}
