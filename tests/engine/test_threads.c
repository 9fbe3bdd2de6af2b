/* Calls on several threads (run/parallel.c): every task once, on whatever threads there are.
 *
 *   cc -std=gnu11 -Isrc/engine tests/engine/test_threads.c <files of the engine> -lm -ldl -lpthread
 */
#include "check.h"
#include "os.h"
#include "run/parallel.h"

#include <stdatomic.h>

enum { TASKS = 400 };

/* How often each task ran. */
typedef struct {
  atomic_int runs[TASKS];
} tally;

static void count_task(void *data, int64_t task, const rk_worker *worker) {
  tally *t = data;
  atomic_fetch_add(&t->runs[task], 1);
  double end = rk_os_seconds() + 2e-4;
  while (rk_os_seconds() < end && !rk_parallel_stopped(worker)) {}
}

static int all_once(tally *t) {
  for (int k = 0; k < TASKS; k++)
    if (atomic_load(&t->runs[k]) != 1) return 0;
  return 1;
}

/* ---- a call from the poll of a call --------------------------------------------------------- */

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
  tally t = {0};
  nest inner = {outer->depth - 1, outer->threads, outer->cancel, 0, 1};
  rk_status status = rk_parallel(TASKS, inner.threads, count_task, &t, poll_and_nest, &inner);
  int cancelled = outer->cancel && !inner.depth;
  if (status != (cancelled ? RK_CANCELLED : RK_OK) || all_once(&t) == cancelled) outer->good = 0;
  outer->good &= inner.good && inner.polls > 0;
  return 0;
}

static void a_poll_may_make_a_call_of_its_own(void) {
  for (int threads = 1; threads <= 4; threads++)
    for (int cancel = 0; cancel <= 1; cancel++) {
      tally t = {0};
      nest outer = {2, threads, cancel, 0, 1};
      rk_status status = rk_parallel(TASKS, threads, count_task, &t, poll_and_nest, &outer);
      CHECK(status == RK_OK && all_once(&t), "the outer call does each of its tasks once");
      CHECK(outer.good, "and so do those in between; only the innermost one is cancelled");
    }
}

int main(void) {
  a_poll_may_make_a_call_of_its_own();
  return check_end();
}
