/* One device's share of a pass: its memory, and the order of things on its two streams.
 *
 * The copy stream brings and packs data, the run stream computes; they wait for one another by
 * events only. While a chunk of columns is at work the next one is packed into the other buffer,
 * and between its slabs launches are queued as earlier ones end. The host waits for nothing but a
 * pinned buffer that is to be filled, a launch when RK_LAUNCHES of them are queued, and results.
 *
 * When memory runs out the share begins again with half the budget. */
#include "cuda/parts.h"
#include "rounding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const rk_driver *driver_of(const rk_gpu_share *s) { return rk_device_driver(s->device); }

static rk_cu_handle stream_of(const rk_gpu_share *s, int which) {
  return rk_device_stream(s->device, which);
}

/* ---- memory ---- */

static double parameter_bytes(const rk_pass *pass) {
  return 8.0 * (double)(rk_gpu_parameter_numbers(pass) + 2 * pass->slots[RK_NEST_PARAMETER].size);
}

/* Pairs of a share, and columns of the longest of its lists. */
static void measure(rk_gpu_share *s) {
  const rk_cut *blocks = &s->call->blocks;
  s->all_pairs = (double)s->rows * (double)s->columns;
  if (!s->call->job->walk) return;
  int64_t first = s->first_row / blocks->size, columns = 1;
  s->sizes.list = 1;
  for (int64_t b = first; b < first + s->rows / blocks->size; b++) {
    columns += blocks->columns[b];
    if (blocks->columns[b] > s->sizes.list) s->sizes.list = blocks->columns[b];
  }
  s->all_pairs = (double)columns * (double)blocks->size;
  s->list_room = rk_gpu_list_room(s);
}

static rk_status choose_cut(rk_gpu_share *s, rk_error *error) {
  s->sizes = (rk_gpu_sizes){.pass = s->pass, .shape = s->shape,
                            .limits = rk_device_limits_of(s->device), .rows = s->rows,
                            .columns = s->columns, .budget = (double)s->budget};
  double least;
  measure(s);
  s->sizes.fixed = parameter_bytes(s->pass) + (double)s->kept_bytes +
                   4.0 * RK_LAUNCHES * (double)s->list_room;
  for (int side = RK_NEST_ROW; side <= RK_NEST_COLUMN; side++) {
    s->sizes.raw_dims[side] = rk_gpu_raw_dims(s, (rk_nest_kind)side);
    s->sizes.place_bytes[side] = rk_gpu_order(s, (rk_nest_kind)side) ? 4 : 0;
  }
  if (rk_gpu_cut_choose(&s->sizes, &s->cut, &least)) return RK_OK;
  s->too_small = 1;
  return rk_fail(error, RK_ERROR_MEMORY,
                 "out of memory on GPU %d: %.0f bytes are needed, %zu are available",
                 rk_device_number(s->device), least, s->budget);
}

static rk_status take(rk_gpu_share *s, double bytes, rk_cu_pointer *pointer, rk_error *error) {
  return rk_arena_take(s->arena, bytes > 256 ? (size_t)bytes : 256, pointer, error);
}

static rk_status take_state(rk_gpu_share *s, double rows, rk_gpu_state *state, rk_error *error) {
  rk_status status = take(s, rows * s->pass->state.values * 8, &state->values, error);
  if (status || !s->pass->state.positions) return status;
  return take(s, rows * s->pass->state.positions * 8, &state->positions, error);
}

/* What a walk needs besides. */
static rk_status take_places(rk_gpu_share *s, rk_error *error) {
  rk_status status = RK_OK;
  if (rk_gpu_order(s, RK_NEST_ROW)) status = take(s, 4.0 * (double)s->cut.rows, &s->row_at, error);
  for (int k = 0; k < s->cut.buffers && !status && rk_gpu_order(s, RK_NEST_COLUMN); k++)
    status = take(s, 4.0 * (double)s->cut.columns, &s->column_at[k], error);
  for (int k = 0; k < RK_LAUNCHES && s->list_room && !status; k++)
    status = take(s, 4.0 * (double)s->list_room, &s->list[k], error);
  return status;
}

static rk_status take_memory(rk_gpu_share *s, rk_error *error) {
  const rk_gpu_cut *cut = &s->cut;
  double numbers = 8.0 * s->pass->slots[RK_NEST_PARAMETER].size;
  size_t rows = rk_packed_bytes(s->pass, s->shape, RK_NEST_ROW, cut->rows);
  size_t columns = rk_packed_bytes(s->pass, s->shape, RK_NEST_COLUMN, cut->columns);
  s->arena = rk_arena_new(s->device);
  if (!s->arena) return rk_fail_memory(error, 256);
  rk_status status = take(s, (double)cut->raw, &s->raw, error);
  if (!status) status = take(s, 8.0 * (double)rk_gpu_parameter_numbers(s->pass), &s->given, error);
  if (!status) status = take(s, numbers, &s->exact, error);
  if (!status) status = take(s, numbers, &s->packed, error);
  if (!status) status = take(s, (double)rows, &s->packed_rows, error);
  for (int k = 0; k < cut->buffers && !status; k++)
    status = take(s, (double)columns, &s->packed_columns[k], error);
  if (!status) status = take_state(s, (double)cut->ld, &s->state, error);
  if (!status) status = take_state(s, (double)cut->ld * cut->parts, &s->part, error);
  return status ? status : take_places(s, error);
}

/* ---- columns ---- */

/* Packs a chunk of columns; no launch is at work on that buffer any more. */
static rk_status fill(rk_gpu_share *s, int64_t first, int buffer, rk_error *error) {
  int64_t n = s->columns - first < s->cut.columns ? s->columns - first : s->cut.columns;
  rk_status status = rk_gpu_let_wait(s, RK_STREAM_COPY, s->freed[buffer], error);
  if (!status)
    status = rk_gpu_feed_side(s, RK_NEST_COLUMN, s->first_column + first, n,
                              s->packed_columns[buffer], s->column_at[buffer], error);
  if (status) return status;
  return rk_gpu_record(s, &s->filled[buffer], RK_WITHOUT_TIME, RK_STREAM_COPY, error);
}

/* The launches of a chunk of columns, while the next chunk is brought. */
static rk_status run_chunk(rk_gpu_share *s, int64_t first, int buffer, rk_error *error) {
  int64_t end = first + s->cut.columns, next = rk_gpu_next_chunk(s, end);
  s->chunk_column = first;
  s->chunk_columns = end < s->columns ? s->cut.columns : s->columns - first;
  s->at_row = s->at_column = 0;
  s->lists.block = -1;
  s->buffer = buffer;
  rk_status status = rk_gpu_let_wait(s, RK_STREAM_RUN, s->filled[buffer], error);
  if (!status) status = rk_gpu_pump(s, RK_PUMP_READY, error);
  if (!status && next < s->columns) status = fill(s, next, 1 - buffer, error);
  if (!status) status = rk_gpu_pump(s, RK_PUMP_ALL, error);
  if (status || s->cut.buffers == 1) return status;
  return rk_gpu_record(s, &s->freed[buffer], RK_WITHOUT_TIME, RK_STREAM_RUN, error);
}

static rk_status run_columns(rk_gpu_share *s, rk_error *error) {
  int there = s->cut.buffers == 1 && s->chunk_row > 0, buffer = 0;
  s->chunk_columns = s->at_column = 0; /* nothing to launch while the first chunk is brought */
  rk_status status = rk_gpu_choose_chunks(s, error);
  int64_t first = rk_gpu_next_chunk(s, 0);
  if (!status && !there) status = fill(s, first, 0, error);
  if (!status && there) /* only the rows were brought */
    status = rk_gpu_record(s, &s->filled[0], RK_WITHOUT_TIME, RK_STREAM_COPY, error);
  for (; first < s->columns && !status; first = rk_gpu_next_chunk(s, first + s->cut.columns)) {
    status = run_chunk(s, first, buffer, error);
    buffer = 1 - buffer;
  }
  return status;
}

/* ---- results ---- */

typedef struct {
  const rk_output *output;
  int is_position;
  int64_t first, rows;
  const int32_t *order;
} field_sink;

/* Rows that fill a block up repeat the one before them. */
static void take_ordered(const field_sink *to, int64_t column, int64_t first, int64_t n,
                         const void *numbers) {
  for (int64_t r = 0; r < n; r++) {
    int64_t place = to->first + first + r;
    if (place && to->order[place] == to->order[place - 1]) continue;
    int64_t at = column * to->rows + to->order[place];
    if (to->is_position) rk_position_write(to->output, at, ((const int64_t *)numbers)[r]);
    else ((double *)to->output->data)[at] = ((const double *)numbers)[r];
  }
}

static void take_field(void *data, int64_t column, int64_t first, int64_t n,
                       const void *numbers) {
  field_sink *to = data;
  if (to->order) {
    take_ordered(to, column, first, n, numbers);
    return;
  }
  int64_t at = column * to->rows + to->first + first;
  if (!to->is_position) {
    memcpy((double *)to->output->data + at, numbers, (size_t)n * sizeof(double));
    return;
  }
  const int64_t *position = numbers;
  for (int64_t r = 0; r < n; r++) rk_position_write(to->output, at + r, position[r]);
}

typedef struct { char *out; int64_t first, rows; } state_sink;

static void take_numbers(void *data, int64_t column, int64_t first, int64_t n,
                         const void *numbers) {
  state_sink *to = data;
  memcpy(to->out + (column * to->rows + to->first + first) * 8, numbers, (size_t)n * 8);
}

/* Columns of the chunk of rows. */
static rk_status fetch(rk_gpu_share *s, rk_cu_pointer from, int64_t columns, rk_take take,
                       void *data) {
  return rk_pipe_fetch(&s->pipe, (rk_fetch){.from = from, .bytes = 8, .columns = columns,
                                            .ld = s->cut.ld, .n = s->chunk_rows, .take = take,
                                            .data = data});
}

static rk_status fetch_states(rk_gpu_share *s) {
  const rk_state_shape *shape = &s->pass->state;
  state_sink values = {(char *)s->states.values, s->chunk_row, s->rows},
             positions = {(char *)s->states.positions, s->chunk_row, s->rows};
  rk_status status = fetch(s, s->state.values, shape->values, take_numbers, &values);
  if (status || !shape->positions) return status;
  return fetch(s, s->state.positions, shape->positions, take_numbers, &positions);
}

static rk_status fetch_fields(rk_gpu_share *s) {
  rk_field field[2];
  int fields = rk_reduction_fields(s->pass->reduction, field);
  rk_status status = RK_OK;
  for (int f = 0; f < fields && !status; f++) {
    field_sink to = {&s->call->job->outputs[f], field[f].is_position, s->first_row + s->chunk_row,
                     s->call->job->sizes.kept, rk_gpu_order(s, RK_NEST_ROW)};
    status = fetch(s, field[f].is_position ? s->part.positions : s->part.values,
                   (int64_t)field[f].k * field[f].dim, take_field, &to);
  }
  return status;
}

/* Numbers of the chunk of rows, into the memory of the parts (there are never more columns than in
 * a state), or to where they stay. */
static rk_status finish_chunk(rk_gpu_share *s, rk_error *error) {
  int m = (int)s->chunk_rows, as_numbers = s->kept != 0, ordered = s->call->job->walk != NULL;
  rk_cu_pointer order = s->kept ? s->row_at : 0;
  long long ld = s->cut.ld, out_ld = s->kept ? s->call->job->sizes.kept : ld;
  int64_t first = ordered ? 0 : s->first_row + s->chunk_row;
  rk_cu_pointer number = s->kept ? s->kept + (rk_cu_pointer)first * 8 : s->part.values;
  rk_launch shape = {{(unsigned)rk_ceil_div(m, RK_CUDA_PACK_THREADS), 1, 1},
                     RK_CUDA_PACK_THREADS};
  void *parameters[] = {&s->state.values, &s->state.positions, &ld, &m, &number,
                        &s->part.positions, &out_ld, &as_numbers, &order};
  return rk_device_launch(s->device, s->functions->finish, &shape, stream_of(s, RK_STREAM_RUN),
                          parameters, error);
}

static rk_status deliver_chunk(rk_gpu_share *s, rk_error *error) {
  rk_status status = s->states.values ? RK_OK : finish_chunk(s, error);
  if (!status) status = rk_gpu_record(s, &s->finished, RK_WITHOUT_TIME, RK_STREAM_RUN, error);
  if (!status) status = rk_gpu_let_wait(s, RK_STREAM_COPY, s->finished, error);
  if (status || s->kept) return status;
  return s->states.values ? fetch_states(s) : fetch_fields(s);
}

/* ---- the share ---- */

static void drop_event(rk_gpu_share *s, rk_cu_handle *event) {
  if (*event) driver_of(s)->event_destroy(*event);
  *event = NULL;
}

static void drop_events(rk_gpu_share *s) {
  for (int k = 0; k < 2; k++) {
    drop_event(s, &s->filled[k]);
    drop_event(s, &s->freed[k]);
  }
  drop_event(s, &s->finished);
  drop_event(s, &s->listed);
  for (int k = 0; k < RK_LAUNCHES; k++) {
    drop_event(s, &s->start[k]);
    drop_event(s, &s->stop[k]);
  }
}

static rk_status run_rows(rk_gpu_share *s, rk_error *error) {
  rk_status status = rk_gpu_feed_parameters(s, error);
  for (int64_t row = 0; row < s->rows && !status; row += s->cut.rows) {
    s->chunk_row = row;
    s->chunk_rows = s->rows - row < s->cut.rows ? s->rows - row : s->cut.rows;
    status = rk_gpu_feed_side(s, RK_NEST_ROW, s->first_row + row, s->chunk_rows, s->packed_rows,
                              s->row_at, error);
    if (!status) status = run_columns(s, error);
    if (!status) status = deliver_chunk(s, error);
  }
  return status ? status : rk_gpu_wait_launches(s, error);
}

static rk_status attempt(rk_gpu_share *s, rk_error *error) {
  s->launches = s->waited = 0;
  s->chunk_columns = s->at_column = 0;
  s->pairs_done = s->seconds = 0;
  rk_status status = choose_cut(s, error);
  if (!status) status = take_memory(s, error);
  if (!status) status = rk_pipe_open(&s->pipe, s->device, s->caller);
  if (!status) status = run_rows(s, error);
  if (!status && s->kept) status = rk_device_wait(s->device, s->caller);
  rk_pipe_close(&s->pipe);
  if (s->arena) rk_arena_free(s->arena); /* waits for the device */
  s->arena = NULL;
  drop_events(s);
  return status;
}

static rk_status attempts(rk_gpu_share *s, rk_error *error) {
  rk_error first = {.status = RK_OK}; /* what the device said; later budgets are of our making */
  for (;;) {
    rk_status status = attempt(s, error);
    if (status != RK_ERROR_MEMORY) return status;
    if (s->too_small) {
      if (first.status) *error = first;
      return status;
    }
    if (!first.status) first = *error;
    rk_device_trim(s->device);
    s->budget /= 2;
  }
}

/* A result that stays on the device is in an arena of its own. */
static rk_status run_and_keep(rk_gpu_share *s, rk_error *error) {
  rk_field field[2];
  rk_reduction_fields(s->pass->reduction, field);
  int64_t rows = s->call->job->sizes.kept, dim = (int64_t)field[0].k * field[0].dim;
  rk_arena *arena = rk_arena_new(s->device);
  if (!arena) return rk_fail_memory(error, 256);
  s->kept_bytes = (size_t)rows * (size_t)dim * 8;
  rk_status status = rk_arena_take(arena, s->kept_bytes + 8, &s->kept, error);
  if (!status) status = attempts(s, error);
  if (!status)
    status = rk_resident_adopt(s->device, arena, s->kept, rows, dim, s->call->job->keep, error);
  if (status) rk_arena_free(arena);
  return status;
}

void rk_gpu_share_run(rk_gpu_share *s) {
  s->pass = &s->call->job->stage->pass;
  s->shape = rk_gpu_shape_of(s->call->job);
  s->status = rk_device_enter(s->device, &s->error);
  if (!s->status) {
    s->status = s->call->job->keep ? run_and_keep(s, &s->error) : attempts(s, &s->error);
    rk_device_leave(s->device);
  }
  rk_gpu_lists_free(&s->lists);
  if (s->status) atomic_store(&s->call->stop, 1);
  atomic_store(&s->ended, 1);
}
