/* Threads. Tasks are numbered; which thread runs which task never changes a result. */
#ifndef RKEOPS_PARALLEL_H
#define RKEOPS_PARALLEL_H

#include "caller.h"

/* Who runs a task, and for which call. */
typedef struct rk_worker rk_worker;

typedef void (*rk_task)(void *data, int64_t task, const rk_worker *worker);

/* Runs tasks 0..tasks-1 on at most `threads` threads. The calling thread polls about every 20 ms
 * (tasks must be short) and reports the fraction of tasks done; the poll may call rk_parallel
 * itself. RK_OK or RK_CANCELLED. */
rk_status rk_parallel(int64_t tasks, int threads, rk_task task, void *data, rk_caller caller);

/* Set while a cancelled rk_parallel winds down: long tasks look at it between their parts. The
 * calling thread polls here too. */
int rk_parallel_stopped(const rk_worker *worker);

#endif
