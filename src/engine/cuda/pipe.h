/* Numbers of 8 bytes, or of 4, between host memory and a device, through two pinned buffers of the
 * pipe's own and the copy stream: while one buffer is on its way the thread fills, or empties, the
 * other. */
#ifndef RKEOPS_PIPE_H
#define RKEOPS_PIPE_H

#include "cuda/device.h"

typedef struct {
  rk_device *device;
  void *pinned[RK_PINNED_BUFFERS];
  rk_cu_handle event[RK_PINNED_BUFFERS];  /* its last copy is done */
  int busy[RK_PINNED_BUFFERS];            /* that copy was not waited for yet */
  int turn;                      /* buffer that is filled */
  size_t filled;                 /* numbers in it */
  size_t bytes;                  /* of a number on the device: 8, or 4 for float32 */
  rk_cu_pointer to;              /* where they go */
  rk_caller caller;              /* asked at once, then about every 20 ms */
  double polled, done;           /* done: what poll is told */
} rk_pipe;

/* The device is entered. Close on every path; what is on its way then is waited for. */
rk_status rk_pipe_open(rk_pipe *pipe, rk_device *device, rk_caller caller);
void rk_pipe_close(rk_pipe *pipe);

/* Polls if that was not done for a while; waiting does it too. */
rk_status rk_pipe_ask(rk_pipe *pipe);

/* To the device: what is put lies one after another from `to` on, as numbers of `bytes` bytes, once
 * it was flushed and the copy stream came so far. Rows first .. first + n of an array are put
 * column by column, or rows order[first] .. order[first + n - 1]; whole numbers of 4 bytes are
 * put as they are. */
void rk_pipe_begin(rk_pipe *pipe, rk_cu_pointer to, size_t bytes);
rk_status rk_pipe_put(rk_pipe *pipe, const rk_array *x, const int32_t *order, int64_t first,
                      int64_t n);
rk_status rk_pipe_put_whole(rk_pipe *pipe, const int32_t *number, int64_t n);
rk_status rk_pipe_flush(rk_pipe *pipe);
rk_status rk_pipe_wait(rk_pipe *pipe); /* until all that was flushed is there */

/* To the host: n numbers of `bytes` bytes of each of `columns` columns, which begin `ld` numbers
 * apart, are handed to `take` piece by piece. */
typedef void (*rk_take)(void *data, int64_t column, int64_t first, int64_t n, const void *numbers);
typedef struct {
  rk_cu_pointer from;
  size_t bytes;
  int64_t columns, ld, n;
  rk_take take;
  void *data;
} rk_fetch;
rk_status rk_pipe_fetch(rk_pipe *pipe, rk_fetch fetch);

#endif
