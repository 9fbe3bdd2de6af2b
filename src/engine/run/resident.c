/* Arrays on GPUs. A resident has a column-major copy of its array on one or several devices, each
 * in an arena of its own; copies on further devices are made, by way of the host, when a call needs
 * them. It outlives changes of the devices in use, and the death of a device that holds it. */
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
  rk_resident *next;    /* among the dead */
};

static rk_resident *dead; /* freed while threads were at work on the devices */
static int held;

static double bytes_of(const rk_resident *r) { return (double)r->rows * (double)r->dim * 8; }

static rk_status add_copy(rk_resident *r, device_copy copy, rk_error *error) {
  device_copy *more = realloc(r->copy, (size_t)(r->copies + 1) * sizeof *more);
  if (!more) return rk_fail_memory(error, (size_t)(r->copies + 1) * sizeof *more);
  more[r->copies] = copy;
  r->copy = more;
  r->copies++;
  return RK_OK;
}

static void free_now(rk_resident *r) {
  for (int k = 0; k < r->copies; k++) rk_arena_free(r->copy[k].arena);
  free(r->copy);
  free(r->low);
  free(r);
}

void rk_resident_free(rk_resident *r) {
  if (!r) return;
  if (!held) {
    free_now(r);
    return;
  }
  r->next = dead;
  dead = r;
}

void rk_residents_hold(int hold) {
  held = hold;
  while (!held && dead) {
    rk_resident *r = dead;
    dead = r->next;
    free_now(r);
  }
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

rk_status rk_resident_new(const rk_array *x, rk_resident **made, rk_poll poll, void *poll_data,
                          rk_error *error) {
  error->status = RK_OK;
  *made = NULL;
  if (x->resident) return rk_fail(error, RK_ERROR_ARGUMENT, "the array lies on a GPU already");
  if (!rk_devices())
    return rk_fail(error, RK_ERROR_DEVICE, "no GPU is in use: rkeops_use_gpu() first");
  rk_resident *r = calloc(1, sizeof *r);
  if (!r) return rk_fail_memory(error, sizeof *r);
  *r = (rk_resident){.rows = x->rows, .dim = x->dim};
  r->low = malloc((size_t)(2 * x->dim + 1) * sizeof *r->low);
  r->high = r->low ? r->low + x->dim : NULL;
  rk_status status = r->low ? rk_range(x, r->low, r->high, poll, poll_data, error)
                            : rk_fail_memory(error, (size_t)x->dim * 16);
  for (int k = 0; k < rk_devices() && !status; k++)
    status = copy_to(r, rk_device_at(k), x, poll, poll_data, error);
  if (status) rk_resident_free(r);
  else *made = r;
  return status;
}

rk_status rk_resident_adopt(rk_device *device, rk_arena *arena, rk_cu_pointer data, int64_t rows,
                            int64_t dim, rk_resident **made, rk_error *error) {
  rk_resident *r = calloc(1, sizeof *r);
  *made = NULL;
  if (!r) return rk_fail_memory(error, sizeof *r);
  *r = (rk_resident){.rows = rows, .dim = dim};
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

static rk_status fetch(const rk_resident *r, const device_copy *copy, double *out, rk_poll poll,
                       void *poll_data, rk_error *error) {
  rk_pipe pipe;
  destination to = {out, r->rows};
  rk_status status = rk_device_enter(copy->device, error);
  if (status) return status;
  status = rk_pipe_open(&pipe, copy->device, poll, poll_data, error);
  if (!status)
    status = rk_pipe_fetch(&pipe, copy->data, r->dim, r->rows, r->rows, take_column, &to, error);
  rk_pipe_close(&pipe);
  rk_device_leave(copy->device);
  return status;
}

/* A copy whose device broke does not matter while another one can be read. */
rk_status rk_resident_read(rk_resident *r, double *out, rk_poll poll, void *poll_data,
                           rk_error *error) {
  rk_status status = RK_OK;
  error->status = RK_OK;
  for (int k = 0; k < r->copies; k++) {
    status = fetch(r, &r->copy[k], out, poll, poll_data, error);
    if (status != RK_ERROR_DEVICE) return status;
  }
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
  rk_status status = rk_resident_read(r, host, NULL, NULL, error);
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
