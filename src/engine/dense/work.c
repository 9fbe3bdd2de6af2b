/* Threads, their memory, and polls of a call that makes many products one after the other. */
#include "dense/parts.h"
#include "dense/blocks.h"
#include "os.h"

#include <stdlib.h>

static const double poll_every = 0.02;  /* seconds */
static const double few = 3e5;          /* operations: sooner done than a thread is woken */

rk_matrix rk_turned(rk_matrix x) {
  return (rk_matrix){x.at, x.columns, x.rows, x.column_step, x.row_step};
}

rk_matrix rk_dense_part(const rk_dense_work *work, rk_matrix x, int64_t row, int64_t column,
                  int64_t rows, int64_t columns) {
  x.at = (char *)x.at + (row * x.row_step + column * x.column_step) * work->kernels->size;
  x.rows = rows;
  x.columns = columns;
  return x;
}

static size_t bytes_of(const rk_dense_kernels *k, rk_dense_size size) {
  const size_t product = (size_t)(rk_dense_rows(k, size.rows) + rk_dense_columns(k, size.columns)) *
                         (size_t)rk_dense_depth(size.depth);
  const size_t triangle = RK_DENSE_BASE * (size_t)k->sides;
  return ((product > triangle ? product : triangle) * (size_t)k->size + 127) / 128 * 128;
}

rk_status rk_dense_begin(rk_dense_work *work, const rk_dense *call, rk_dense_size size,
                         double operations) {
  const int most = rk_threads(), asked = call->threads;
  *work = (rk_dense_work){.kernels = rk_dense_kernels_of(call->precision, call->error),
                          .threads = asked > 0 && asked < most ? asked : most,
                          .caller = {call->poll, call->poll_data, call->error},
                          .total = operations > 0 ? operations : 1, .polled = rk_os_seconds()};
  if (!work->kernels) return RK_ERROR_ARGUMENT;
  if (operations < few) work->threads = 1;
  work->bytes = bytes_of(work->kernels, size);
  const size_t bytes = work->bytes * (size_t)work->threads;
  work->memory = rk_os_aligned(bytes);
  work->taken = calloc((size_t)work->threads, sizeof *work->taken);
  return work->memory && work->taken ? RK_OK : rk_fail_memory(call->error, bytes);
}

void rk_dense_end(rk_dense_work *work) {
  rk_os_aligned_free(work->memory);
  free(work->taken);
}

void *rk_dense_room(rk_dense_work *work) {
  int k = 0;
  while (atomic_exchange(&work->taken[k], 1)) k = (k + 1) % work->threads;
  return (char *)work->memory + (size_t)k * work->bytes;
}

void rk_dense_leave(rk_dense_work *work, void *room) {
  atomic_store(&work->taken[(size_t)((char *)room - (char *)work->memory) / work->bytes], 0);
}

/* As rk_poll: `done` is that of the tasks that run. */
static int poll(void *data, double done) {
  rk_dense_work *work = data;
  const rk_caller caller = work->caller;
  work->polled = rk_os_seconds();
  return caller.poll && caller.poll(caller.data, (work->done + done * work->step) / work->total);
}

rk_status rk_dense_parallel(rk_dense_work *work, int64_t tasks, rk_task task, void *data,
                            double operations) {
  const rk_caller caller = {poll, work, work->caller.error};
  work->step = operations;
  rk_status status = rk_parallel(tasks, operations < few ? 1 : work->threads, task, data, caller);
  if (!status && rk_os_seconds() - work->polled > poll_every) status = rk_ask(caller, 1);
  work->done += operations;
  return status;
}
