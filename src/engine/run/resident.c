/* Arrays on GPUs. A resident has a column-major copy of its array on one or several devices, each
 * in an arena of its own; copies on further devices are made, by way of the host, when a call needs
 * them. Its numbers are doubles, or floats where float32 is meant and loses nothing that calls in
 * float32 would keep: those take differences before they round. It outlives changes of the devices
 * in use, and the death of a device that holds it; and it is freed by the last of its users: its
 * owner, and calls that read it. */
#include "call.h"
#include "error.h"
#include "run/gpu.h"
#include "run/pack.h"
#include "run/pipe.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  rk_device *device;
  rk_arena *arena;
  rk_cu_pointer data;
} device_copy;

struct rk_resident {
  int64_t rows, dim;
  size_t bytes;         /* of a number on the devices: 8 or 4 */
  double *low, *high;   /* of each component; NULL for results of passes */
  device_copy *copy;
  int copies;
  int users;
};

static double numbers_of(const rk_resident *r) { return (double)r->rows * (double)r->dim; }
static double bytes_of(const rk_resident *r) { return numbers_of(r) * (double)r->bytes; }

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

static rk_status send(rk_device *device, const rk_array *x, rk_cu_pointer to, size_t bytes,
                      rk_poll poll, void *poll_data, rk_error *error) {
  rk_pipe pipe;
  rk_status status = rk_pipe_open(&pipe, device, poll, poll_data, error);
  rk_pipe_begin(&pipe, to, bytes);
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
  if (!status) status = send(device, x, copy.data, r->bytes, poll, poll_data, error);
  if (!status) status = add_copy(r, copy, error);
  if (status) rk_arena_free(copy.arena);
  rk_device_leave(device);
  return status;
}

static rk_resident *new_resident(int64_t rows, int64_t dim) {
  rk_resident *r = calloc(1, sizeof *r);
  if (r) *r = (rk_resident){.rows = rows, .dim = dim, .bytes = sizeof(double), .users = 1};
  return r;
}

/* ---- in which precision ---- */

/* Whole numbers that float32 has not all of, as identifiers and times. */
static int is_of_whole_numbers(const rk_array *x, int64_t d) {
  const double *column = x->data + d * x->component_stride;
  for (int64_t r = 0; r < x->rows; r++) {
    double number = column[r * x->row_stride];
    if (number == number && number != floor(number)) return 0;
  }
  return 1;
}

/* Would float32 lose what a call in float32 keeps? Far from 0, compared with their width, are
 * coordinates of which differences are taken. */
static int needs_doubles(const rk_array *x, int64_t d, double low, double high) {
  enum { FAR = 8, WHOLE = 1 << 24 };
  if (!(low <= high) || (low == high && (double)(float)low == low)) return 0;
  double greatest = -low > high ? -low : high;
  if (greatest > FAR * (high - low)) return 1;
  if (greatest > FLT_MAX && greatest < INFINITY) return 1;
  return greatest > WHOLE && is_of_whole_numbers(x, d);
}

static void choose_precision(rk_resident *r, const rk_array *x, rk_precision meant) {
  r->bytes = meant == RK_FLOAT64 ? sizeof(double) : sizeof(float);
  for (int64_t d = 0; d < r->dim; d++)
    if (needs_doubles(x, d, r->low[d], r->high[d])) r->bytes = sizeof(double);
  for (int64_t d = 0; d < r->dim && r->bytes == sizeof(float); d++) {
    r->low[d] = (float)r->low[d];
    r->high[d] = (float)r->high[d];
  }
}

static rk_status fill(rk_resident *r, const rk_array *x, rk_precision meant, rk_call *call,
                      rk_error *error) {
  rk_poll poll = rk_call_poll(call);
  r->low = malloc((size_t)(2 * x->dim + 1) * sizeof *r->low);
  if (!r->low) return rk_fail_memory(error, (size_t)x->dim * 16);
  r->high = r->low + x->dim;
  rk_status status = rk_range(x, r->low, r->high, poll, call, error);
  if (!status) choose_precision(r, x, meant);
  for (int k = 0; k < rk_devices() && !status; k++)
    status = copy_to(r, rk_device_at(k), x, poll, call, error);
  return status;
}

rk_status rk_resident_new(const rk_array *x, rk_precision meant, rk_resident **made, rk_poll poll,
                          void *poll_data, rk_error *error) {
  rk_call call;
  *made = NULL;
  rk_status status = rk_call_begin(&call, poll, poll_data, error);
  if (status) return status;
  if (x->resident)
    status = rk_fail(error, RK_ERROR_ARGUMENT, "the array lies on a GPU already");
  else if (!rk_devices())
    status = rk_fail(error, RK_ERROR_DEVICE, "no GPU is in use: rkeops_use_gpu() first");
  rk_resident *r = status ? NULL : new_resident(x->rows, x->dim);
  if (!status) status = r ? fill(r, x, meant, &call, error) : rk_fail_memory(error, sizeof *r);
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

typedef struct { double *out; int64_t rows; size_t bytes; } destination;

static void take_column(void *data, int64_t column, int64_t first, int64_t n,
                        const void *numbers) {
  destination *to = data;
  double *out = to->out + column * to->rows + first;
  if (to->bytes == sizeof(float))
    for (int64_t k = 0; k < n; k++) out[k] = ((const float *)numbers)[k];
  else memcpy(out, numbers, (size_t)n * sizeof *out);
}

/* Of a copy by itself: a poll may lead to more of them, elsewhere. */
static rk_status fetch(const rk_resident *r, device_copy copy, double *out, rk_poll poll,
                       void *poll_data, rk_error *error) {
  rk_pipe pipe;
  destination to = {out, r->rows, r->bytes};
  rk_status status = rk_device_enter(copy.device, error);
  if (status) return status;
  status = rk_pipe_open(&pipe, copy.device, poll, poll_data, error);
  if (!status)
    status = rk_pipe_fetch(&pipe, copy.data, r->bytes, r->dim, r->rows, r->rows, take_column, &to,
                           error);
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
  double bytes = numbers_of(r) * sizeof(double), *host = NULL;
  if (bytes < 0x1p60) host = malloc((size_t)bytes + 8);
  if (!host) return rk_fail(error, RK_ERROR_MEMORY, "out of memory: %.0f bytes", bytes);
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

size_t rk_resident_bytes(const rk_resident *r) { return r->bytes; }

int rk_resident_device(const rk_resident *r) { return rk_device_number(r->copy[0].device); }

const double *rk_resident_low(const rk_resident *r) { return r->low; }
const double *rk_resident_high(const rk_resident *r) { return r->high; }
