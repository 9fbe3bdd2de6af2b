#include "call.h"
#include "build/parts.h"
#include "error.h"

static rk_call *now;
static int running;

rk_call *rk_call_now(void) { return now; }

int rk_call_threads(void) { return now ? now->threads : rk_threads(); }

static int ask(void *data, double done) {
  rk_call *call = data;
  now = NULL;
  int stop = call->poll(call->poll_data, done);
  now = call;
  return stop;
}

rk_poll rk_call_poll(const rk_call *call) { return call->poll ? ask : NULL; }

rk_status rk_call_begin(rk_call *call, rk_poll poll, void *poll_data, rk_error *error) {
  error->status = RK_OK;
  if (running == RK_MOST_CALLS)
    return rk_fail(error, RK_ERROR_BUSY, "%d calls are running already, each of them made while "
                   "the one before it works (by a timer or a finalizer)", running);
  *call = (rk_call){.poll = poll, .poll_data = poll_data, .threads = rk_threads(),
                    .settings = rk_build_settings_hold()};
  rk_devices_hold(&call->devices);
  running++;
  now = call;
  return RK_OK;
}

void rk_call_end(rk_call *call) {
  now = NULL;
  running--;
  rk_devices_release(&call->devices);
  rk_build_settings_release(call->settings);
}
