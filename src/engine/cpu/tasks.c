/* One pass over the pairs on CPU threads.
 *
 * The rectangle of all pairs is cut into tasks: groups of row blocks, and parts of the columns when
 * there are few rows. A task walks its columns in chunks of a few milliseconds. The cuts depend on
 * the sizes and on the plan only, and states are merged in order of their columns: results are the
 * same bit for bit whatever the number of threads. */
#include "run/call.h"
#include "error.h"
#include "os.h"
#include "rounding.h"
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
  rk_states states;               /* of all tasks, when columns are in parts */
  int failed;
} job;

/* ---- cutting ---- */

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
  j->chunk = rk_round_up(j->chunk, unit);
  double block_seconds = seconds * (double)(j->reduced_rows + 1);
  double group = ceil(task_seconds / block_seconds);
  j->group = group > MAX_GROUP ? MAX_GROUP : (int64_t)group;
  if (j->group > j->packed->row_blocks) j->group = j->packed->row_blocks;
  j->groups = rk_ceil_div(j->packed->row_blocks, j->group);
  j->part = j->reduced_rows;
  if (2 * j->groups <= WANTED_TASKS &&
      block_seconds * (double)j->packed->row_blocks > serial_seconds) {
    int64_t parts = WANTED_TASKS / j->groups, least = 16 * unit;
    if (least < list) least = rk_round_up(list, unit);
    j->part = rk_round_up(rk_ceil_div(j->reduced_rows, parts), unit);
    if (j->part < least) j->part = least;
  }
  if (j->part < 1) j->part = 1;
  j->parts = j->reduced_rows ? rk_ceil_div(j->reduced_rows, j->part) : 1;
  j->ld = (ptrdiff_t)(j->group * rk_block_rows(tile));
  /* several blocks at once share the chunk's time */
  j->chunk = rk_round_up(rk_ceil_div(j->chunk, j->group), unit);
  if (j->chunk < list) j->chunk = rk_round_up(list, unit);
  if (j->chunk > rk_round_up(j->part, unit)) j->chunk = rk_round_up(j->part, unit);
}

/* ---- one task ---- */

/* Row blocks, columns, and where the states of the rows go. */
typedef struct {
  int64_t block, blocks, from, end;
  rk_states to;
} rectangle;

typedef struct {
  rk_states own, partial;
  char *work;
} buffers;

static int lanes_per_row(const job *j) {
  return j->module->tile.axis == RK_LANES_KEPT ? 1 : j->module->tile.lanes;
}

/* `count` states after one another, each of `rows` rows. */
static rk_states make_states(const job *j, size_t count, ptrdiff_t rows) {
  const rk_state_shape *shape = &j->stage->pass.state;
  size_t all = count * (size_t)rows;
  return (rk_states){rk_os_aligned((size_t)shape->values * all * sizeof(double)),
                     rk_os_aligned((size_t)shape->positions * all * sizeof(int64_t)), rows};
}

static int has_memory(rk_states states) { return states.values && states.positions; }

static void free_states(rk_states states) {
  rk_os_aligned_free(states.values);
  rk_os_aligned_free(states.positions);
}

/* State `number` of those. */
static rk_states states_at(const job *j, rk_states all, int64_t number) {
  const rk_state_shape *shape = &j->stage->pass.state;
  return (rk_states){all.values + number * shape->values * all.ld,
                     all.positions + number * shape->positions * all.ld, all.ld};
}

static int make_buffers(const job *j, buffers *b) {
  b->own = make_states(j, 1, j->ld);
  b->partial = make_states(j, 1, j->ld * lanes_per_row(j));
  b->work = rk_os_aligned(j->module->work);
  return has_memory(b->own) && has_memory(b->partial) && b->work;
}

static void free_buffers(buffers *b) {
  free_states(b->own);
  free_states(b->partial);
  rk_os_aligned_free(b->work);
}

/* The one place where kernels are called, and where the mode is theirs. */
static void run_chunk(const job *j, const buffers *b, const rectangle *r) {
  const rk_pass *pass = &j->stage->pass;
  size_t unit = (size_t)rk_real_size(&pass->options);
  size_t row_size = (size_t)(pass->slots[RK_NEST_ROW].size * rk_block_rows(&j->module->tile));
  const char *rows = (const char *)j->packed->rows + (size_t)r->block * row_size * unit;
  const char *columns = (const char *)j->packed->columns +
                        (size_t)r->from * (size_t)pass->slots[RK_NEST_COLUMN].size * unit;
  uint64_t mode = rk_float_mode_flush();
  j->module->pair(rows, columns, j->packed->parameters, r->blocks, r->end - r->from, r->from,
                  r->to.values, (long long *)r->to.positions, j->ld * lanes_per_row(j), b->work);
  rk_float_mode_set(mode);
}

/* Lane l of row r of the partial states, into state r. */
static void merge_partial(const job *j, const buffers *b, int64_t rows, rk_states to) {
  int lanes = lanes_per_row(j);
  for (int64_t r = 0; r < rows; r++)
    for (int l = 0; l < lanes; l++)
      rk_state_merge(j->stage->pass.reduction, rk_states_from(to, r),
                     rk_states_from(b->partial, r * lanes + l));
}

static void run_rectangle(const job *j, const buffers *b, const rectangle *all,
                          const rk_worker *worker) {
  int64_t rows = all->blocks * rk_block_rows(&j->module->tile);
  if (lanes_per_row(j) == 1 && all->end > all->from && all->end - all->from <= j->chunk) {
    run_chunk(j, b, all);
    return;
  }
  rectangle r = *all;
  r.to = b->partial;
  rk_state_start(j->stage->pass.reduction, all->to, (ptrdiff_t)rows);
  for (; r.from < all->end && !rk_parallel_stopped(worker); r.from += j->chunk) {
    r.end = all->end - r.from < j->chunk ? all->end : r.from + j->chunk;
    run_chunk(j, b, &r);
    merge_partial(j, b, rows, all->to);
  }
}

static void finish_group(const job *j, int64_t group, rk_states states) {
  int64_t first = group * j->ld, rows = j->kept_rows - first;
  if (rows > j->ld) rows = j->ld;
  rk_state_finish(j->stage->pass.reduction, states, (ptrdiff_t)rows, j->outputs, first,
                  j->kept_rows);
}

static void run_task(void *data, int64_t task, const rk_worker *worker) {
  job *j = data;
  int64_t group = task / j->parts, part = task % j->parts;
  rectangle r = {.block = group * j->group, .blocks = j->group, .from = part * j->part};
  if (r.blocks > j->packed->row_blocks - r.block) r.blocks = j->packed->row_blocks - r.block;
  r.end = r.from + j->part < j->reduced_rows ? r.from + j->part : j->reduced_rows;
  buffers b;
  if (make_buffers(j, &b)) {
    r.to = j->states.values ? states_at(j, j->states, task) : b.own;
    run_rectangle(j, &b, &r, worker);
    if (!j->states.values) finish_group(j, group, r.to);
  } else {
    j->failed = 1;
  }
  free_buffers(&b);
}

/* ---- all tasks ---- */

static void merge_parts(job *j) {
  for (int64_t group = 0; group < j->groups; group++) {
    rk_states to = states_at(j, j->states, group * j->parts);
    for (int64_t part = 1; part < j->parts; part++) {
      rk_states from = states_at(j, to, part);
      for (ptrdiff_t r = 0; r < j->ld; r++)
        rk_state_merge(j->stage->pass.reduction, rk_states_from(to, r), rk_states_from(from, r));
    }
    finish_group(j, group, to);
  }
}

static rk_status run_tasks(job *j, int threads, rk_caller caller) {
  size_t bytes = (size_t)j->stage->pass.state.values * (size_t)j->ld * sizeof(double);
  int64_t tasks = j->groups * j->parts;
  if (j->parts > 1) {
    j->states = make_states(j, (size_t)tasks, j->ld);
    if (!has_memory(j->states)) return rk_fail_memory(caller.error, (size_t)tasks * bytes);
  }
  rk_status status = rk_parallel(tasks, threads, run_task, j, caller);
  if (status) return status;
  if (j->failed) return rk_fail_memory(caller.error, 4 * bytes);
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
  free_states(j.states);
  rk_packed_free(&packed);
  return status;
}
