/* See pipe.h. A buffer is written by the host only after its last copy was waited for; copies
 * follow one another on the copy stream, so it may be sent and then asked for without waiting. */
#include "cuda/pipe.h"
#include "error.h"
#include "os.h"
#include "rounding.h"

#include <string.h>

enum { EVENT_WITHOUT_TIME = 2 };

static rk_cu_handle stream_of(const rk_pipe *pipe) {
  return rk_device_stream(pipe->device, RK_STREAM_COPY);
}

rk_status rk_pipe_open(rk_pipe *pipe, rk_device *device, rk_caller caller) {
  const rk_driver *driver = rk_device_driver(device);
  rk_status status = RK_OK;
  *pipe = (rk_pipe){.device = device, .caller = caller};
  for (int k = 0; k < RK_PINNED_BUFFERS && !status; k++) {
    status = rk_device_take_pinned(device, &pipe->pinned[k], caller.error);
    if (status) break;
    int result = driver->event_create(&pipe->event[k], EVENT_WITHOUT_TIME);
    if (result) pipe->event[k] = NULL;
    status = rk_device_check(device, result, "creating an event", caller.error);
  }
  return status;
}

void rk_pipe_close(rk_pipe *pipe) {
  if (!pipe->device) return;
  const rk_driver *driver = rk_device_driver(pipe->device);
  for (int k = 0; k < RK_PINNED_BUFFERS; k++) {
    if (pipe->busy[k]) rk_device_wait_event(pipe->device, pipe->event[k], 0, (rk_caller){0});
    if (pipe->event[k]) driver->event_destroy(pipe->event[k]);
    rk_device_give_pinned(pipe->device, pipe->pinned[k]);
  }
  *pipe = (rk_pipe){0};
}

/* Copies may be so fast that there is nothing to wait for: so the clock decides when to ask. */
rk_status rk_pipe_ask(rk_pipe *pipe) {
  if (!pipe->caller.poll) return RK_OK;
  double now = rk_os_seconds();
  if (now - pipe->polled < 0.02) return RK_OK;
  pipe->polled = now;
  return rk_ask(pipe->caller, pipe->done);
}

static rk_status wait_for(rk_pipe *pipe, int k) {
  if (!pipe->busy[k]) return RK_OK;
  rk_status status =
      rk_device_wait_event(pipe->device, pipe->event[k], pipe->done, pipe->caller);
  if (!status) pipe->busy[k] = 0;
  return status;
}

/* After a copy of buffer k was queued. */
static rk_status mark(rk_pipe *pipe, int k) {
  int result = rk_device_driver(pipe->device)->event_record(pipe->event[k], stream_of(pipe));
  pipe->busy[k] = !result;
  return rk_device_check(pipe->device, result, "recording an event", pipe->caller.error);
}

/* ---- to the device ---- */

void rk_pipe_begin(rk_pipe *pipe, rk_cu_pointer to, size_t bytes) {
  pipe->to = to;
  pipe->bytes = bytes;
  pipe->filled = 0;
}

rk_status rk_pipe_flush(rk_pipe *pipe) {
  size_t bytes = pipe->filled * pipe->bytes;
  int k = pipe->turn;
  if (!bytes) return RK_OK;
  int result = rk_device_driver(pipe->device)->copy_to_device(pipe->to, pipe->pinned[k], bytes,
                                                              stream_of(pipe));
  rk_status status = rk_device_check(pipe->device, result, "copying to it", pipe->caller.error);
  if (!status) status = mark(pipe, k);
  pipe->to += bytes;
  pipe->filled = 0;
  pipe->turn = (k + 1) % RK_PINNED_BUFFERS;
  return status;
}

/* Numbers of one column; with an order those are `at` .. there. */
typedef struct { const double *column; int64_t stride; const int32_t *order; } numbers;

static void gather(double *to, const numbers *from, int64_t at, int64_t n) {
  const double *column = from->column;
  if (from->order)
    for (int64_t r = 0; r < n; r++) to[r] = column[from->order[at + r] * from->stride];
  else if (from->stride == 1) memcpy(to, column + at, (size_t)n * sizeof *to);
  else for (int64_t r = 0; r < n; r++) to[r] = column[(at + r) * from->stride];
}

static void gather_floats(float *to, const numbers *from, int64_t at, int64_t n) {
  for (int64_t r = 0; r < n; r++) {
    int64_t row = from->order ? from->order[at + r] : at + r;
    to[r] = (float)from->column[row * from->stride];
  }
}

/* How many numbers the buffer at turn has room for, once it is free. */
static rk_status make_room(rk_pipe *pipe, int64_t *room) {
  rk_status status = RK_OK;
  if (!pipe->filled) {
    status = rk_pipe_ask(pipe);
    if (!status) status = wait_for(pipe, pipe->turn);
    if (status) return status;
  }
  *room = (int64_t)(RK_PINNED_BYTES / pipe->bytes - pipe->filled);
  return RK_OK;
}

static void *place_in(const rk_pipe *pipe) {
  return (char *)pipe->pinned[pipe->turn] + pipe->filled * pipe->bytes;
}

/* After `taken` of the numbers that there was room for. */
static rk_status count_taken(rk_pipe *pipe, int64_t taken, int64_t room) {
  pipe->filled += (size_t)taken;
  return taken == room ? rk_pipe_flush(pipe) : RK_OK;
}

/* A part of one column: as much as the buffer has room for. */
static rk_status put_some(rk_pipe *pipe, const numbers *from, int64_t at, int64_t n,
                          int64_t *taken) {
  int64_t room;
  rk_status status = make_room(pipe, &room);
  if (status) return status;
  *taken = n < room ? n : room;
  if (pipe->bytes == sizeof(float)) gather_floats(place_in(pipe), from, at, *taken);
  else gather(place_in(pipe), from, at, *taken);
  return count_taken(pipe, *taken, room);
}

rk_status rk_pipe_put(rk_pipe *pipe, const rk_array *x, const int32_t *order, int64_t first,
                      int64_t n) {
  rk_status status = RK_OK;
  for (int64_t d = 0; d < x->dim && !status; d++) {
    const numbers from = {x->data + d * x->component_stride, x->row_stride, order};
    for (int64_t r = 0, taken = 0; r < n && !status; r += taken)
      status = put_some(pipe, &from, first + r, n - r, &taken);
  }
  return status;
}

rk_status rk_pipe_put_whole(rk_pipe *pipe, const int32_t *number, int64_t n) {
  rk_status status = RK_OK;
  for (int64_t r = 0, taken = 0, room; r < n && !status; r += taken) {
    status = make_room(pipe, &room);
    if (status) break;
    taken = n - r < room ? n - r : room;
    memcpy(place_in(pipe), number + r, (size_t)taken * sizeof *number);
    status = count_taken(pipe, taken, room);
  }
  return status;
}

rk_status rk_pipe_wait(rk_pipe *pipe) {
  rk_status status = RK_OK;
  for (int k = 0; k < RK_PINNED_BUFFERS && !status; k++) status = wait_for(pipe, k);
  return status;
}

/* ---- to the host ---- */

/* Numbers at .. at + count of the columns, padding between them included. */
static void hand_over(const rk_fetch *f, const char *numbers, int64_t at, int64_t count) {
  for (int64_t k = 0; k < count;) {
    int64_t column = (at + k) / f->ld, row = (at + k) % f->ld, left = count - k;
    int64_t here = row < f->n ? f->n - row : 0, next = f->ld - row;
    if (here > left) here = left;
    if (here) f->take(f->data, column, row, here, numbers + (size_t)k * f->bytes);
    k += next < left ? next : left;
  }
}

static rk_status ask_for(rk_pipe *pipe, int k, rk_cu_pointer from, size_t bytes) {
  int result = rk_device_driver(pipe->device)->copy_to_host(pipe->pinned[k], from, bytes,
                                                            stream_of(pipe));
  rk_status status = rk_device_check(pipe->device, result, "copying from it", pipe->caller.error);
  return status ? status : mark(pipe, k);
}

rk_status rk_pipe_fetch(rk_pipe *pipe, rk_fetch f) {
  if (f.columns < 1 || f.n < 1) return RK_OK;
  const int64_t most = (int64_t)(RK_PINNED_BYTES / f.bytes);
  int64_t total = (f.columns - 1) * f.ld + f.n, pieces = rk_ceil_div(total, most), asked = 0;
  rk_status status = RK_OK;
  for (int64_t piece = 0; piece < pieces && !status; piece++) {
    for (; asked < pieces && asked < piece + RK_PINNED_BUFFERS && !status; asked++) {
      int64_t at = asked * most, count = total - at < most ? total - at : most;
      status = ask_for(pipe, (int)(asked % RK_PINNED_BUFFERS),
                       f.from + (rk_cu_pointer)at * f.bytes, (size_t)count * f.bytes);
    }
    int k = (int)(piece % RK_PINNED_BUFFERS);
    if (!status) status = rk_pipe_ask(pipe);
    if (!status) status = wait_for(pipe, k);
    if (status) break;
    int64_t at = piece * most, count = total - at < most ? total - at : most;
    hand_over(&f, pipe->pinned[k], at, count);
  }
  return status;
}
