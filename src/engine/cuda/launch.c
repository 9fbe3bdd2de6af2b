/* Launches of the pair kernel, in order, and the merging of what they leave.
 *
 * The host waits for a launch when RK_LAUNCHES of them are queued. */
#include "cuda/parts.h"
#include "rounding.h"

enum { NOT_READY = 600 };

static const rk_driver *driver_of(const rk_gpu_share *s) { return rk_device_driver(s->device); }

static rk_cu_handle stream_of(const rk_gpu_share *s, int which) {
  return rk_device_stream(s->device, which);
}

/* ---- events ---- */

/* Events are made when they are first recorded: a small call needs few of them. */
rk_status rk_gpu_record(rk_gpu_share *s, rk_cu_handle *event, unsigned flags, int stream,
                        rk_error *error) {
  if (!*event) {
    int result = driver_of(s)->event_create(event, flags);
    if (result) *event = NULL;
    rk_status status = rk_device_check(s->device, result, "creating an event", error);
    if (status) return status;
  }
  return rk_device_check(s->device, driver_of(s)->event_record(*event, stream_of(s, stream)),
                         "recording an event", error);
}

rk_status rk_gpu_let_wait(rk_gpu_share *s, int stream, rk_cu_handle event, rk_error *error) {
  if (!event) return RK_OK; /* never recorded */
  return rk_device_check(s->device,
                         driver_of(s)->stream_wait_event(stream_of(s, stream), event, 0),
                         "making a stream wait", error);
}

/* ---- launches ---- */

/* The oldest launch that was not waited for. */
static rk_status wait_oldest(rk_gpu_share *s, rk_error *error) {
  int k = (int)(s->waited % RK_LAUNCHES);
  float milliseconds = 0;
  rk_status status = rk_pipe_ask(&s->pipe); /* there may be nothing to wait for */
  if (!status)
    status = rk_device_wait_event(s->device, s->stop[k], s->pairs_done / s->all_pairs, s->caller);
  if (status) return status;
  int result = driver_of(s)->event_elapsed(&milliseconds, s->start[k], s->stop[k]);
  status = rk_device_check(s->device, result, "reading its clock", error);
  s->seconds += milliseconds * 1e-3;
  s->pairs_done += s->pairs[k];
  s->pipe.done = s->pairs_done / s->all_pairs;
  s->waited++;
  return status;
}

rk_status rk_gpu_wait_launches(rk_gpu_share *s, rk_error *error) {
  rk_status status = RK_OK;
  while (s->waited < s->launches && !status) status = wait_oldest(s, error);
  return status;
}

rk_status rk_gpu_launch_pair(rk_gpu_share *s, const rk_launch *shape, double pairs,
                             void **parameters, rk_error *error) {
  int k = (int)(s->launches % RK_LAUNCHES);
  rk_status status = rk_gpu_record(s, &s->start[k], RK_WITH_TIME, RK_STREAM_RUN, error);
  if (!status)
    status = rk_device_launch(s->device, s->functions->pair, shape,
                              stream_of(s, RK_STREAM_RUN), parameters, error);
  if (!status) status = rk_gpu_record(s, &s->stop[k], RK_WITH_TIME, RK_STREAM_RUN, error);
  s->pairs[k] = pairs;
  s->launches += !status;
  return status;
}

static rk_status launch_rectangle(rk_gpu_share *s, int m, int n, rk_gpu_state to,
                                  rk_error *error) {
  int part = (int)s->cut.part;
  int groups = s->shape->component_groups > 1 ? s->shape->component_groups : 1;
  rk_cu_pointer rows = s->packed_rows + rk_packed_bytes(s->pass, s->shape, RK_NEST_ROW, s->at_row);
  rk_cu_pointer columns = s->packed_columns[s->buffer] +
                          rk_packed_bytes(s->pass, s->shape, RK_NEST_COLUMN, s->at_column);
  long long first = s->first_column + s->chunk_column + s->at_column, ld = s->cut.ld;
  rk_launch shape = {{(unsigned)rk_ceil_div(m, s->shape->row_block),
                      (unsigned)rk_ceil_div(n, part), (unsigned)groups},
                     (unsigned)s->shape->threads};
  void *parameters[] = {&rows, &columns, &s->packed, &m, &n, &part, &first, &to.values,
                        &to.positions, &ld};
  return rk_gpu_launch_pair(s, &shape, (double)m * n, parameters, error);
}

rk_status rk_gpu_launch_merge(rk_gpu_share *s, rk_gpu_merge merge, rk_error *error) {
  long long ld = s->cut.ld, from_ld = merge.from_ld;
  rk_launch shape = {{(unsigned)rk_ceil_div(merge.rows, RK_CUDA_PACK_THREADS),
                      (unsigned)rk_merge_groups(s->pass), 1}, RK_CUDA_PACK_THREADS};
  void *parameters[] = {&merge.to.values, &merge.to.positions, &ld, &merge.from.values,
                        &merge.from.positions, &from_ld, &merge.rows, &merge.parts, &merge.fresh};
  return rk_device_launch(s->device, s->functions->merge, &shape, stream_of(s, RK_STREAM_RUN),
                          parameters, error);
}

rk_gpu_state rk_gpu_rows_from(rk_gpu_state state, int64_t row) {
  state.values += (rk_cu_pointer)row * 8;
  if (state.positions) state.positions += (rk_cu_pointer)row * 8;
  return state;
}

/* A range of rows and the next columns. */
static rk_status launch_next(rk_gpu_share *s, rk_error *error) {
  int64_t m = s->chunk_rows - s->at_row, n = s->chunk_columns - s->at_column;
  if (m > s->cut.launch_rows) m = s->cut.launch_rows;
  if (n > s->cut.launch_columns) n = s->cut.launch_columns;
  rk_gpu_merge merge = {.rows = (int)m, .parts = (int)rk_ceil_div(n, s->cut.part),
                        .fresh = s->chunk_column == 0 && s->at_column == 0,
                        .to = rk_gpu_rows_from(s->state, s->at_row),
                        .from = rk_gpu_rows_from(s->part, s->at_row), .from_ld = s->cut.ld};
  rk_status status =
      launch_rectangle(s, (int)m, (int)n, s->cut.direct ? merge.to : merge.from, error);
  if (!status && !s->cut.direct) status = rk_gpu_launch_merge(s, merge, error);
  s->at_row += m;
  if (s->at_row < s->chunk_rows) return status;
  s->at_row = 0;
  s->at_column += n;
  return status;
}

rk_status rk_gpu_pump(rk_gpu_share *s, rk_pump mode, rk_error *error) {
  rk_status status = RK_OK;
  while (s->at_column < s->chunk_columns && !status) {
    if (s->launches - s->waited == RK_LAUNCHES) {
      if (mode == RK_PUMP_READY &&
          driver_of(s)->event_query(s->stop[s->waited % RK_LAUNCHES]) == NOT_READY)
        return RK_OK;
      status = wait_oldest(s, error);
    }
    if (!status)
      status = s->call->job->walk ? rk_gpu_launch_lists(s, error) : launch_next(s, error);
  }
  return status;
}

