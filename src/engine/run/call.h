/* A call of the engine that runs: what it works with, from its first to its last line.
 *
 * A poll may do anything with the engine: run, forget, choose other devices. So each call takes, as
 * it begins, the settings of the process as they are, and is counted as a user of what it needs;
 * what is taken away meanwhile is freed when the last user is done. While a poll runs no call is
 * "now": what is done there is done with the settings of the process, and a call made there is one
 * of its own. */
#ifndef RKEOPS_CALL_H
#define RKEOPS_CALL_H

#include "run/backend.h"

/* Of calls that run, each in a poll of the one before. A poll whose call polls, and so on, without
 * an end, would take all of the stack. */
enum { RK_MOST_CALLS = 24 };

typedef struct {
  rk_poll poll;               /* the caller's */
  void *poll_data;
  int threads;                /* 0: nobody has asked yet */
  rk_pruning pruning;
  int checks_precision;
  const rk_backend *backend;
  void *held;                 /* of the backend */
  struct rk_build_settings *settings;
  double device_seconds;      /* of the kernels of the first device, by its own clock */
} rk_call;

/* RK_ERROR_BUSY: too many are running. Each rk_call_begin that gives RK_OK has its rk_call_end. */
rk_status rk_call_begin(rk_call *call, const rk_backend *backend, rk_caller caller);
void rk_call_end(rk_call *call);

/* Who waits for what is done in a call. */
rk_caller rk_call_caller(rk_call *call, rk_error *error);

/* The call that the engine works for; NULL between calls and in polls. On the calling thread. */
rk_call *rk_call_now(void);

/* Threads of the call, or of one that would begin now. On the calling thread. */
int rk_call_threads(void);

#endif
