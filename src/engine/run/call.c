#include "run/call.h"
#include "build/build.h"

static rk_call *now;
static int running;

rk_call *rk_call_now(void) { return now; }

/* The system is asked when somebody wants to know: small calls never do. */
int rk_call_threads(void) {
  if (!now) return rk_threads();
  if (!now->threads) now->threads = rk_threads();
  return now->threads;
}

static void work_for(rk_call *call) {
  now = call;
  rk_build_settings_use(call ? call->settings : NULL);
}

static int ask(void *data, double done) {
  rk_call *call = data;
  work_for(NULL);
  int stop = call->poll(call->poll_data, done);
  work_for(call);
  return stop;
}

rk_caller rk_call_caller(rk_call *call, rk_error *error) {
  return (rk_caller){call->poll ? ask : NULL, call, error};
}

static rk_pruning pruning;

void rk_set_pruning(rk_pruning wanted) { pruning = wanted; }

static int checks_precision = 1;

void rk_set_precision_check(int on) { checks_precision = on; }

rk_status rk_call_begin(rk_call *call, const rk_backend *backend, rk_caller caller) {
  caller.error->status = RK_OK;
  if (running == RK_MOST_CALLS)
    return rk_fail(caller.error, RK_ERROR_BUSY, "%d calls are running already, each of them made "
                   "while the one before it works (by a timer or a finalizer)", running);
  *call = (rk_call){.poll = caller.poll, .poll_data = caller.data, .backend = backend,
                    .pruning = pruning, .checks_precision = checks_precision};
  rk_status status = backend->hold ? backend->hold(&call->held, caller.error) : RK_OK;
  if (status) return status;
  call->settings = rk_build_settings_hold();
  running++;
  work_for(call);
  return RK_OK;
}

void rk_call_end(rk_call *call) {
  work_for(NULL);
  running--;
  if (call->backend->release) call->backend->release(call->held);
  rk_build_settings_release(call->settings);
}
