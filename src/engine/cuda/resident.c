/* Arrays that lie on GPUs. A resident has a column-major copy of its array on one or several
 * devices, each in an arena of its own; copies on further devices are made, by way of the host,
 * when a call needs them. Its numbers are doubles, or floats where float32 is meant and loses
 * nothing that calls in float32 would keep: those take differences before they round. It outlives
 * changes of the devices in use, and the death of a device that holds it; and it is freed by the
 * last of its users: its owner, and calls that read it. */
#include "cuda/cuda.h"
#include "cuda/pipe.h"
#include "look/centre.h"
#include "run/ranges.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  rk_device *device;
  rk_arena *arena;
  rk_cu_pointer data;
} device_copy;

typedef struct {
  rk_resident base;     /* the first member: each is the other */
  device_copy *copy;
  int copies;
} gpu_resident;

static const gpu_resident *of(const rk_resident *r) { return (const gpu_resident *)r; }

static double numbers_of(const rk_resident *r) { return (double)r->rows * (double)r->dim; }
static double bytes_of(const rk_resident *r) { return numbers_of(r) * (double)r->bytes; }

static rk_status add_copy(rk_resident *resident, device_copy copy, rk_error *error) {
  gpu_resident *r = (gpu_resident *)resident;
  device_copy *more = realloc(r->copy, (size_t)(r->copies + 1) * sizeof *more);
  if (!more) return rk_fail_memory(error, (size_t)(r->copies + 1) * sizeof *more);
  more[r->copies] = copy;
  r->copy = more;
  r->copies++;
  return RK_OK;
}

void rk_resident_drop(rk_resident *resident) {
  gpu_resident *r = (gpu_resident *)resident;
  for (int k = 0; k < r->copies; k++) rk_arena_free(r->copy[k].arena);
  free(r->copy);
  free(r);
}

/* ---- to a device ---- */

static rk_status send(rk_device *device, const rk_array *x, rk_cu_pointer to, size_t bytes,
                      rk_caller caller) {
  rk_pipe pipe;
  rk_status status = rk_pipe_open(&pipe, device, caller);
  rk_pipe_begin(&pipe, to, bytes);
  if (!status) status = rk_pipe_put(&pipe, x, NULL, 0, x->rows);
  if (!status) status = rk_pipe_flush(&pipe);
  if (!status) status = rk_pipe_wait(&pipe);
  rk_pipe_close(&pipe);
  return status;
}

static rk_status copy_to(rk_resident *r, rk_device *device, const rk_array *x, rk_caller caller) {
  if (bytes_of(r) > 0x1p60)
    return rk_fail(caller.error, RK_ERROR_MEMORY, "out of memory: %.0f bytes on a GPU",
                   bytes_of(r));
  rk_status status = rk_device_enter(device, caller.error);
  if (status) return status;
  device_copy copy = {device, rk_arena_new(device), 0};
  status = copy.arena ? rk_arena_take(copy.arena, (size_t)bytes_of(r) + 8, &copy.data, caller.error)
                      : rk_fail_memory(caller.error, 64);
  if (!status) status = send(device, x, copy.data, r->bytes, caller);
  if (!status) status = add_copy(r, copy, caller.error);
  if (status) rk_arena_free(copy.arena);
  rk_device_leave(device);
  return status;
}

static rk_resident *new_resident(int64_t rows, int64_t dim) {
  gpu_resident *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->base = (rk_resident){.backend = &rk_backend_cuda, .rows = rows, .dim = dim,
                          .bytes = sizeof(double), .users = 1};
  return &r->base;
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

static int is_exact_in_float(const rk_array *x, int64_t d) {
  for (int64_t r = 0; r < x->rows; r++) {
    double v = x->data[d * x->component_stride + r * x->row_stride];
    if (v == v && (double)(float)v != v) return 0;
  }
  return 1;
}

/* Would float32 lose what a call in float32 keeps? */
static int needs_doubles(const rk_array *x, int64_t d, double low, double high) {
  enum { FAR = 8, WHOLE = 1 << 24 };
  if (!(low <= high) || is_exact_in_float(x, d)) return 0;
  double greatest = -low > high ? -low : high;
  if (greatest > FAR * (high - low)) return 1;
  if (greatest > FLT_MAX && greatest < INFINITY) return 1;
  return (greatest > WHOLE && is_of_whole_numbers(x, d)) ||
         !rk_float_is_enough(x->data + d * x->component_stride, x->row_stride, x->rows, low, high);
}

static void choose_precision(rk_resident *r, const rk_array *x, rk_precision meant) {
  r->bytes = meant == RK_FLOAT64 ? sizeof(double) : sizeof(float);
  for (int64_t d = 0; d < r->dim; d++)
    if (needs_doubles(x, d, r->low[d], r->high[d])) r->bytes = sizeof(double);
  r->is_exact = 1;
  for (int64_t d = 0; d < r->dim && r->bytes == sizeof(float); d++)
    r->is_exact &= is_exact_in_float(x, d);
  for (int64_t d = 0; d < r->dim && r->bytes == sizeof(float); d++) {
    r->low[d] = (float)r->low[d];
    r->high[d] = (float)r->high[d];
  }
}

static void take_sample(rk_resident *r, const rk_array *x, double *sample, int64_t n) {
  for (int64_t d = 0; d < x->dim; d++)
    for (int64_t k = 0; k < n; k++)
      sample[d * n + k] = x->data[d * x->component_stride +
                                  rk_sampled_row(k, x->rows, n) * x->row_stride];
  r->sample = (rk_array){sample, n, x->dim, 1, n, NULL, 0};
}

static rk_status fill(rk_resident *r, const rk_array *x, rk_precision meant, rk_caller caller) {
  int64_t n = x->rows < RK_SAMPLED ? x->rows : RK_SAMPLED;
  size_t size = (size_t)((2 + n) * x->dim + 1) * sizeof *r->low;
  r->low = malloc(size);
  if (!r->low) return rk_fail_memory(caller.error, size);
  r->high = r->low + x->dim;
  take_sample(r, x, r->high + x->dim, n);
  rk_status status = rk_range(x, r->low, r->high, caller);
  if (!status) choose_precision(r, x, meant);
  for (int k = 0; k < rk_devices() && !status; k++)
    status = copy_to(r, rk_device_at(k), x, caller);
  return status;
}

rk_status rk_resident_keep(const rk_array *x, rk_precision meant, rk_resident **made,
                           rk_caller caller) {
  rk_resident *r = new_resident(x->rows, x->dim);
  if (!r) return rk_fail_memory(caller.error, sizeof *r);
  rk_status status = fill(r, x, meant, caller);
  if (status) rk_resident_free(r);
  else *made = r;
  return status;
}

rk_status rk_resident_adopt(rk_device *device, rk_arena *arena, rk_cu_pointer data, int64_t rows,
                            int64_t dim, rk_resident **made, rk_error *error) {
  rk_resident *r = new_resident(rows, dim);
  *made = NULL;
  if (!r) return rk_fail_memory(error, sizeof *r);
  rk_status status = add_copy(r, (device_copy){device, arena, data}, error);
  if (status) rk_resident_free(r);
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
static rk_status fetch(const rk_resident *r, device_copy copy, double *out, rk_caller caller) {
  rk_pipe pipe;
  destination to = {out, r->rows, r->bytes};
  rk_status status = rk_device_enter(copy.device, caller.error);
  if (status) return status;
  status = rk_pipe_open(&pipe, copy.device, caller);
  if (!status)
    status = rk_pipe_fetch(&pipe, (rk_fetch){.from = copy.data, .bytes = r->bytes,
                                             .columns = r->dim, .ld = r->rows, .n = r->rows,
                                             .take = take_column, .data = &to});
  rk_pipe_close(&pipe);
  rk_device_leave(copy.device);
  return status;
}

/* A copy whose device broke does not matter while another one can be read. */
rk_status rk_resident_copy_back(const rk_resident *r, double *out, rk_caller caller) {
  rk_status status = RK_OK;
  for (int k = 0; k < of(r)->copies; k++) {
    status = fetch(r, of(r)->copy[k], out, caller);
    if (status != RK_ERROR_DEVICE) return status;
  }
  return status;
}

rk_status rk_resident_on(rk_resident *r, rk_device *device, rk_cu_pointer *data,
                         rk_error *error) {
  for (int k = 0; k < of(r)->copies; k++)
    if (of(r)->copy[k].device == device) {
      *data = of(r)->copy[k].data;
      return RK_OK;
    }
  double bytes = numbers_of(r) * sizeof(double), *host = NULL;
  if (bytes < 0x1p60) host = malloc((size_t)bytes + 8);
  if (!host) return rk_fail(error, RK_ERROR_MEMORY, "out of memory: %.0f bytes", bytes);
  rk_array x = {host, r->rows, r->dim, 1, r->rows, NULL, 0};
  const rk_caller unasked = {.error = error};
  rk_status status = rk_resident_copy_back(r, host, unasked);
  if (!status) status = copy_to(r, device, &x, unasked);
  free(host);
  if (!status) *data = of(r)->copy[of(r)->copies - 1].data;
  return status;
}

int rk_resident_first_device(const rk_resident *r) {
  return rk_device_number(of(r)->copy[0].device);
}
