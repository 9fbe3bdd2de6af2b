/* Who waits for what the engine does: is asked whether to go on, and told what went wrong. */
#ifndef RKEOPS_CALLER_H
#define RKEOPS_CALLER_H

#include "error.h"

typedef struct {
  rk_poll poll;      /* NULL: nobody is asked */
  void *data;        /* of poll */
  rk_error *error;
} rk_caller;

/* RK_OK, or RK_CANCELLED with its words. `done` as rk_poll says. */
static inline rk_status rk_ask(rk_caller caller, double done) {
  if (!caller.poll || !caller.poll(caller.data, done)) return RK_OK;
  return rk_fail(caller.error, RK_CANCELLED, "interrupted");
}

#endif
