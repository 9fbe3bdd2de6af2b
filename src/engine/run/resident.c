/* Arrays on GPUs. A resident has a column-major copy of its array on one or several devices, each
 * in an arena of its own; copies on further devices are made, by way of the host, when a call needs
 * them. It outlives changes of the devices in use, and the death of a device that holds it; and it
 * is freed by the last of its users: its owner, and calls that read it. */
#include "call.h"
#include "error.h"
#include "run/gpu.h"
#include "run/pack.h"
#include "run/pipe.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
  rk_device *device;
  rk_arena *arena;
  rk_cu_pointer data;
} device_copy;

struct rk_resident {
  int64_t rows, dim;
  double *low, *high;   /* of each component; NULL for results of passes */
  device_copy *copy;
  int copies;
  int users;
};

static double bytes_of(const rk_resident *r) { return (double)r->rows * (double)r->dim * 8; }

static rk_status add_copy(rk_resident *r, device_copy copy, rk_error *error) {
  device_copy *more = realloc(r->copy, (size_t)(r->copies + 1) * sizeof *more);
  if (!more) return rk_fail_memory(error, (size_t)(r->copies + 1) * sizeof *more);
  more[r->copies] = copy;
  r->copy = more;
  r->copies++;
  return RK_OK;
}

void rk_resident_hold(rk_resident *r) { r->users++; }

void rk_resident_free(rk_resident *r) {
  if (!r || --r->users > 0) return;
  for (int k = 0; k < r->copies; k++) rk_arena_free(r->copy[k].arena);
  free(r->copy);
  free(r->low);
  free(r);
}

/* ---- to a device ---- */

static rk_status send(rk_device *device, const rk_array *x, rk_cu_pointer to, rk_poll poll,
                      void *poll_data, rk_error *error) {
  rk_pipe pipe;
  rk_status status = rk_pipe_open(&pipe, device, poll, poll_data, error);
  rk_pipe_begin(&pipe, to);
  if (!status) status = rk_pipe_put(&pipe, x, 0, x->rows, error);
  if (!status) status = rk_pipe_flush(&pipe, error);
  if (!status) status = rk_pipe_wait(&pipe, error);
  rk_pipe_close(&pipe);
  return status;
}

static rk_status copy_to(rk_resident *r, rk_device *device, const rk_array *x, rk_poll poll,
                         void *poll_data, rk_error *error) {
  if (bytes_of(r) > 0x1p60)
    return rk_fail(error, RK_ERROR_MEMORY, "out of memory: %.0f bytes on a GPU", bytes_of(r));
  rk_status status = rk_device_enter(device, error);
  if (status) return status;
  device_copy copy = {device, rk_arena_new(device), 0};
  status = copy.arena ? rk_arena_take(copy.arena, (size_t)bytes_of(r) + 8, &copy.data, error)
                      : rk_fail_memory(error, 64);
  if (!status) status = send(device, x, copy.data, poll, poll_data, error);
  if (!status) status = add_copy(r, copy, error);
  if (status) rk_arena_free(copy.arena);
  rk_device_leave(device);
  return status;
}

static rk_resident *new_resident(int64_t rows, int64_t dim) {
  rk_resident *r = calloc(1, sizeof *r);
  if (r) *r = (rk_resident){.rows = rows, .dim = dim, .users = 1};
  return r;
}

static rk_status fill(rk_resident *r, const rk_array *x, rk_call *call, rk_error *error) {
  rk_poll poll = rk_call_poll(call);
  r->low = malloc((size_t)(2 * x->dim + 1) * sizeof *r->low);
  if (!r->low) return rk_fail_memory(error, (size_t)x->dim * 16);
  r->high = r->low + x->dim;
  rk_status status = rk_range(x, r->low, r->high, poll, call, error);
  for (int k = 0; k < rk_devices() && !status; k++)
    status = copy_to(r, rk_device_at(k), x, poll, call, error);
  return status;
}

rk_status rk_resident_new(const rk_array *x, rk_resident **made, rk_poll poll, void *poll_data,
                          rk_error *error) {
  rk_call call;
  *made = NULL;
  rk_status status = rk_call_begin(&call, poll, poll_data, error);
  if (status) return status;
  if (x->resident)
    status = rk_fail(error, RK_ERROR_ARGUMENT, "the array lies on a GPU already");
  else if (!rk_devices())
    status = rk_fail(error, RK_ERROR_DEVICE, "no GPU is in use: rkeops_use_gpu() first");
  rk_resident *r = status ? NULL : new_resident(x->rows, x->dim);
  if (!status) status = r ? fill(r, x, &call, error) : rk_fail_memory(error, sizeof *r);
  if (status) rk_resident_free(r);
  else *made = r;
  rk_call_end(&call);
  return status;
}

rk_status rk_resident_adopt(rk_device *device, rk_arena *arena, rk_cu_pointer data, int64_t rows,
                            int64_t dim, rk_resident **made, rk_error *error) {
  rk_resident *r = new_resident(rows, dim);
  *made = NULL;
  if (!r) return rk_fail_memory(error, sizeof *r);
  rk_status status = add_copy(r, (device_copy){device, arena, data}, error);
  if (status) free(r);
  else *made = r;
  return status;
}

/* ---- back ---- */

typedef struct { double *out; int64_t rows; } destination;

static void take_column(void *data, int64_t column, int64_t first, int64_t n,
                        const void *numbers) {
  destination *to = data;
  memcpy(to->out + column * to->rows + first, numbers, (size_t)n * sizeof(double));
}

/* Of a copy by itself: a poll may lead to more of them, elsewhere. */
static rk_status fetch(const rk_resident *r, device_copy copy, double *out, rk_poll poll,
                       void *poll_data, rk_error *error) {
  rk_pipe pipe;
  destination to = {out, r->rows};
  rk_status status = rk_device_enter(copy.device, error);
  if (status) return status;
  status = rk_pipe_open(&pipe, copy.device, poll, poll_data, error);
  if (!status)
    status = rk_pipe_fetch(&pipe, copy.data, r->dim, r->rows, r->rows, take_column, &to, error);
  rk_pipe_close(&pipe);
  rk_device_leave(copy.device);
  return status;
}

/* A copy whose device broke does not matter while another one can be read. */
rk_status rk_resident_fetch(const rk_resident *r, double *out, rk_poll poll, void *poll_data,
                            rk_error *error) {
  rk_status status = RK_OK;
  for (int k = 0; k < r->copies; k++) {
    status = fetch(r, r->copy[k], out, poll, poll_data, error);
    if (status != RK_ERROR_DEVICE) return status;
  }
  return status;
}

rk_status rk_resident_read(rk_resident *r, double *out, rk_poll poll, void *poll_data,
                           rk_error *error) {
  rk_call call;
  rk_status status = rk_call_begin(&call, poll, poll_data, error);
  if (status) return status;
  rk_resident_hold(r);
  status = rk_resident_fetch(r, out, rk_call_poll(&call), &call, error);
  rk_resident_free(r);
  rk_call_end(&call);
  return status;
}

rk_status rk_resident_on(rk_resident *r, rk_device *device, rk_cu_pointer *data,
                         rk_error *error) {
  for (int k = 0; k < r->copies; k++)
    if (r->copy[k].device == device) {
      *data = r->copy[k].data;
      return RK_OK;
    }
  double *host = bytes_of(r) < 0x1p60 ? malloc((size_t)bytes_of(r) + 8) : NULL;
  if (!host)
    return rk_fail(error, RK_ERROR_MEMORY, "out of memory: %.0f bytes", bytes_of(r));
  rk_array x = {host, r->rows, r->dim, 1, r->rows, NULL};
  rk_status status = rk_resident_fetch(r, host, NULL, NULL, error);
  if (!status) status = copy_to(r, device, &x, NULL, NULL, error);
  free(host);
  if (!status) *data = r->copy[r->copies - 1].data;
  return status;
}

/* ---- what it is ---- */

rk_array rk_resident_array(rk_resident *r) {
  return (rk_array){NULL, r->rows, r->dim, 1, r->rows, r};
}

int rk_resident_device(const rk_resident *r) { return rk_device_number(r->copy[0].device); }

const double *rk_resident_low(const rk_resident *r) { return r->low; }
const double *rk_resident_high(const rk_resident *r) { return r->high; }
