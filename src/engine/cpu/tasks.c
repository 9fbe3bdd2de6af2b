/* One pass over the pairs on CPU threads.
 *
 * The rectangle of all pairs is cut into tasks: groups of row blocks, and parts of the columns when
 * there are few rows. A task walks its columns in chunks of a few milliseconds. The cuts depend on
 * the sizes and on the plan only, and states are merged in order of their columns: results are the
 * same bit for bit whatever the number of threads. */
#include "run/call.h"
#include "error.h"
#include "os.h"
#include "cpu/float_mode.h"
#include "cpu/pack.h"
#include "run/parallel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double operation_seconds = 4e-10;  /* of one vector operation, on a slow day */
static const double chunk_seconds = 4e-3, task_seconds = 2e-4, serial_seconds = 1e-3;
enum { WANTED_TASKS = 64, MAX_GROUP = 64 };
static const int64_t max_chunk = 1 << 28;       /* positions inside a chunk are 32-bit numbers */

typedef struct {
  const rk_stage *stage;
  const rk_module *module;
  const rk_packed *packed;
  const rk_output *outputs;
  int64_t kept_rows, reduced_rows;
  int64_t group, groups;          /* row blocks of a task, number of row groups */
  int64_t part, parts;            /* columns of a task, number of column parts */
  int64_t chunk;                  /* columns of one kernel call */
  ptrdiff_t ld;                   /* rows of a group */
  double *values;                 /* states of all tasks, when columns are in parts */
  int64_t *positions;
  int failed;
} job;

/* ---- cutting ---- */

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

static int64_t round_up(int64_t a, int64_t unit) { return ceil_div(a, unit) * unit; }

static void cut(job *j) {
  const rk_tile *tile = &j->module->tile;
  /* vector operations of one block of rows times one column (kept) or one vector of them */
  int64_t width = tile->axis == RK_LANES_KEPT ? 1 : tile->lanes;
  double seconds = rk_pair_cost(&j->stage->pass) * tile->rows * operation_seconds /
                   (double)width;
  int64_t unit = rk_block_columns(tile) > 1 ? rk_block_columns(tile) : 64;
  double columns = floor(chunk_seconds / seconds);
  j->chunk = columns > (double)max_chunk ? max_chunk : columns < 1 ? 1 : (int64_t)columns;
  /* a list of K values that begins anew takes in many that do not stay */
  int64_t list = 1024 * (int64_t)j->stage->pass.state.K;
  if (j->chunk < list) j->chunk = list;
  j->chunk = round_up(j->chunk, unit);
  double block_seconds = seconds * (double)(j->reduced_rows + 1);
  double group = ceil(task_seconds / block_seconds);
  j->group = group > MAX_GROUP ? MAX_GROUP : (int64_t)group;
  if (j->group > j->packed->row_blocks) j->group = j->packed->row_blocks;
  j->groups = ceil_div(j->packed->row_blocks, j->group);
  j->part = j->reduced_rows;
  if (2 * j->groups <= WANTED_TASKS &&
      block_seconds * (double)j->packed->row_blocks > serial_seconds) {
    int64_t parts = WANTED_TASKS / j->groups, least = 16 * unit;
    if (least < list) least = round_up(list, unit);
    j->part = round_up(ceil_div(j->reduced_rows, parts), unit);
    if (j->part < least) j->part = least;
  }
  if (j->part < 1) j->part = 1;
  j->parts = j->reduced_rows ? ceil_div(j->reduced_rows, j->part) : 1;
  j->ld = (ptrdiff_t)(j->group * rk_block_rows(tile));
  /* several blocks at once share the chunk's time */
  j->chunk = round_up(ceil_div(j->chunk, j->group), unit);
  if (j->chunk < list) j->chunk = round_up(list, unit);
  if (j->chunk > round_up(j->part, unit)) j->chunk = round_up(j->part, unit);
}

/* ---- one task ---- */

typedef struct {
  double *values, *partial;
  int64_t *positions, *partial_positions;
  char *work;
} buffers;

static int lanes_per_row(const job *j) {
  return j->module->tile.axis == RK_LANES_KEPT ? 1 : j->module->tile.lanes;
}

static int make_buffers(const job *j, buffers *b) {
  size_t ld = (size_t)j->ld, wide = ld * (size_t)lanes_per_row(j);
  size_t values = (size_t)j->stage->pass.state.values;
  size_t positions = (size_t)j->stage->pass.state.positions;
  b->values = rk_os_aligned(values * ld * sizeof(double));
  b->positions = rk_os_aligned(positions * ld * sizeof(int64_t));
  b->partial = rk_os_aligned(values * wide * sizeof(double));
  b->partial_positions = rk_os_aligned(positions * wide * sizeof(int64_t));
  b->work = rk_os_aligned(j->module->work);
  return b->values && b->positions && b->partial && b->partial_positions && b->work;
}

static void free_buffers(buffers *b) {
  rk_os_aligned_free(b->values);
  rk_os_aligned_free(b->positions);
  rk_os_aligned_free(b->partial);
  rk_os_aligned_free(b->partial_positions);
  rk_os_aligned_free(b->work);
}

/* The one place where kernels are called, and where the mode is theirs. */
static void run_chunk(const job *j, const buffers *b, int64_t block, int64_t blocks, int64_t from,
                      int64_t n, double *values, int64_t *positions) {
  const rk_pass *pass = &j->stage->pass;
  size_t unit = (size_t)rk_real_size(&pass->options);
  size_t row_size = (size_t)(pass->slots[RK_NEST_ROW].size * rk_block_rows(&j->module->tile));
  const char *rows = (const char *)j->packed->rows + (size_t)block * row_size * unit;
  const char *columns = (const char *)j->packed->columns +
                        (size_t)from * (size_t)pass->slots[RK_NEST_COLUMN].size * unit;
  uint64_t mode = rk_float_mode_flush();
  j->module->pair(rows, columns, j->packed->parameters, blocks, n, from, values,
                  (long long *)positions, j->ld * lanes_per_row(j), b->work);
  rk_float_mode_set(mode);
}

/* Lane l of row r of the partial states, into state r. */
static void merge_partial(const job *j, const buffers *b, int64_t rows, double *values,
                          int64_t *positions) {
  int lanes = lanes_per_row(j);
  for (int64_t r = 0; r < rows; r++)
    for (int l = 0; l < lanes; l++)
      rk_state_merge(j->stage->pass.reduction, values + r, positions + r, j->ld,
                     b->partial + r * lanes + l, b->partial_positions + r * lanes + l,
                     j->ld * lanes);
}

/* Columns from..end of a group of row blocks, into a state. */
static void run_rectangle(const job *j, const buffers *b, int64_t block, int64_t blocks,
                          int64_t from, int64_t end, double *values, int64_t *positions,
                          const rk_worker *worker) {
  int64_t rows = blocks * rk_block_rows(&j->module->tile);
  if (lanes_per_row(j) == 1 && end > from && end - from <= j->chunk) {
    run_chunk(j, b, block, blocks, from, end - from, values, positions);
    return;
  }
  rk_state_start(j->stage->pass.reduction, values, positions, j->ld, (ptrdiff_t)rows);
  for (int64_t at = from; at < end && !rk_parallel_stopped(worker); at += j->chunk) {
    int64_t n = end - at < j->chunk ? end - at : j->chunk;
    run_chunk(j, b, block, blocks, at, n, b->partial, b->partial_positions);
    merge_partial(j, b, rows, values, positions);
  }
}

static void finish_group(const job *j, int64_t group, const double *values,
                         const int64_t *positions) {
  int64_t first = group * j->ld, rows = j->kept_rows - first;
  if (rows > j->ld) rows = j->ld;
  rk_state_finish(j->stage->pass.reduction, values, positions, j->ld, (ptrdiff_t)rows, j->outputs,
                  first, j->kept_rows);
}

static size_t state_size(const job *j, int count) { return (size_t)count * (size_t)j->ld; }

static void run_task(void *data, int64_t task, const rk_worker *worker) {
  job *j = data;
  int64_t group = task / j->parts, part = task % j->parts, block = group * j->group;
  int64_t blocks = j->packed->row_blocks - block < j->group ? j->packed->row_blocks - block
                                                             : j->group;
  int64_t from = part * j->part, end = from + j->part < j->reduced_rows ? from + j->part
                                                                        : j->reduced_rows;
  const rk_state_shape *shape = &j->stage->pass.state;
  buffers b;
  if (make_buffers(j, &b)) {
    double *values = j->values ? j->values + (size_t)task * state_size(j, shape->values) : b.values;
    int64_t *positions = j->values ? j->positions + (size_t)task * state_size(j, shape->positions)
                                   : b.positions;
    run_rectangle(j, &b, block, blocks, from, end, values, positions, worker);
    if (!j->values) finish_group(j, group, values, positions);
  } else {
    j->failed = 1;
  }
  free_buffers(&b);
}

/* ---- all tasks ---- */

static void merge_parts(job *j) {
  const rk_state_shape *shape = &j->stage->pass.state;
  size_t values = state_size(j, shape->values), positions = state_size(j, shape->positions);
  for (int64_t group = 0; group < j->groups; group++) {
    double *v = j->values + (size_t)(group * j->parts) * values;
    int64_t *p = j->positions + (size_t)(group * j->parts) * positions;
    for (int64_t part = 1; part < j->parts; part++)
      for (ptrdiff_t r = 0; r < j->ld; r++)
        rk_state_merge(j->stage->pass.reduction, v + r, p + r, j->ld,
                       v + (size_t)part * values + r, p + (size_t)part * positions + r, j->ld);
    finish_group(j, group, v, p);
  }
}

static rk_status run_tasks(job *j, int threads, rk_caller caller) {
  const rk_state_shape *shape = &j->stage->pass.state;
  int64_t tasks = j->groups * j->parts;
  if (j->parts > 1) {
    j->values = rk_os_aligned((size_t)tasks * state_size(j, shape->values) * sizeof(double));
    j->positions = rk_os_aligned((size_t)tasks * state_size(j, shape->positions) * sizeof(int64_t));
    if (!j->values || !j->positions)
      return rk_fail_memory(caller.error,
                            (size_t)tasks * state_size(j, shape->values) * sizeof(double));
  }
  rk_status status = rk_parallel(tasks, threads, run_task, j, caller);
  if (status) return status;
  if (j->failed) return rk_fail_memory(caller.error, state_size(j, shape->values) * 32);
  if (j->parts > 1) merge_parts(j);
  return RK_OK;
}

static double all_seconds(const job *j) {
  return rk_pair_cost(&j->stage->pass) * (double)j->kept_rows * (double)j->reduced_rows *
         operation_seconds / j->module->tile.lanes;
}

/* Nothing is done yet while data is packed. */
static int poll_packing(void *data, double done) {
  const rk_caller *caller = data;
  (void)done;
  return caller->poll(caller->data, 0);
}

rk_status rk_run_tasks(const rk_job *work, rk_caller caller) {
  if (work->sizes.kept == 0) return RK_OK;
  rk_packed packed;
  job j = {.stage = work->stage, .module = rk_module_of(work->stage, work->sizes),
           .packed = &packed, .outputs = work->outputs, .kept_rows = work->sizes.kept,
           .reduced_rows = work->sizes.reduced};
  int all = rk_call_threads(), threads = all_seconds(&j) < serial_seconds ? 1 : all;
  const rk_caller packing = {caller.poll ? poll_packing : NULL, &caller, caller.error};
  rk_status status = rk_pack(work->stage, j.module, work->value, work->sizes, all, &packed,
                             packing);
  if (status) return status;
  cut(&j);
  status = run_tasks(&j, threads, caller);
  rk_os_aligned_free(j.values);
  rk_os_aligned_free(j.positions);
  rk_packed_free(&packed);
  return status;
}
