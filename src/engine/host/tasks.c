/* One pass over the pairs on CPU threads.
 *
 * The pairs are cut into tasks: groups of row blocks, and parts of their columns when there are few
 * rows. Without a walk every block has all columns; with one, each has a list of its own. A task
 * walks its list in chunks of a few milliseconds, which take the states up where the last one left
 * them. With a walk it also packs its rows, and its columns where these lie near each other: what
 * is packed is read while it is near. The cuts depend on sizes, walk and plan only, and states are
 * merged in order of the parts: results are the same bit for bit whatever the number of threads. */
#include "bound/bound.h"
#include "run/call.h"
#include "error.h"
#include "os.h"
#include "rounding.h"
#include "float_mode.h"
#include "host/pack.h"
#include "run/parallel.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const double chunk_seconds = 4e-3, task_seconds = 2e-4, serial_seconds = 1e-3;
static const double reordered = 1.5;            /* a column takes longer in another order */
enum { WANTED_TASKS = 64, MAX_GROUP = 64 };
static const int64_t max_part = 1 << 30;        /* positions inside a part are 32-bit numbers */
static const size_t near_bytes = 1 << 18;       /* of columns that a task packs, at most */
static const double packed_often = 1.5;         /* and how often each of them, on average */
static const double memory_rate = 2e9;          /* bytes a second from far, about, to a processor */
static const double far_bytes = 1 << 22;        /* of columns, which are not all near any more */
static const size_t near_state = 1 << 14;
static const double few_columns = 8;            /* of an interval: they are gathered, so many: */
static const size_t gathered_bytes = 1 << 16;

/* Room for what a task packs: one for each thread, in a row. */
typedef struct {
  char *memory;
  size_t bytes, size;                  /* of all, of one */
  size_t rows, columns, gathered;      /* where they begin in it */
  int count;
  atomic_int *taken;
} rooms;

typedef struct {
  const rk_job *work;
  const rk_stage *stage;
  const rk_module *module;
  const rk_packed *packed;
  rk_cut cut;                     /* of the rows, with a walk */
  rk_levels levels;               /* of the columns, where some cannot matter */
  double *parameters;             /* likewise, as the kernel has them */
  int64_t row_blocks;
  int64_t *group;                 /* group g has the row blocks group[g] .. group[g + 1] - 1 */
  int64_t groups;
  rk_columns *near;               /* of each group, where tasks pack columns */
  rooms rooms;                    /* with a walk */
  int gathers;                    /* columns of short intervals */
  int64_t part, parts;            /* columns of a task without a walk; number of parts */
  rk_intervals *lists;            /* with a walk, when columns are in parts: by block and part */
  int64_t chunk;                  /* columns of one kernel call, for one block */
  ptrdiff_t ld;                   /* rows of the largest group */
  rk_states states;               /* of all tasks, when columns are in parts */
  int failed;
} job;

/* ---- cutting ---- */

/* Seconds for a block of rows times one column, on average. */
static double column_seconds(const job *j) {
  const rk_tile *tile = &j->module->tile;
  int64_t width = tile->axis == RK_LANES_KEPT ? 1 : tile->lanes;
  return rk_pair_seconds(&j->stage->pass, tile->rows, width);
}

static int64_t column_unit(const job *j) {
  int columns = rk_block_columns(&j->module->tile);
  return columns > 1 ? columns : 64;
}

static size_t column_bytes(const job *j) {
  const rk_pass *pass = &j->stage->pass;
  return (size_t)pass->slots[RK_NEST_COLUMN].size * (size_t)rk_real_size(&pass->options);
}

/* In whole units. */
static int64_t gathered_columns(const job *j) {
  int64_t unit = column_unit(j), n = (int64_t)(gathered_bytes / (column_bytes(j) + 1)) / unit;
  return (n > 1 ? n : 1) * unit;
}

static rk_bounded *bounded_of(const job *j) {
  return j->work->walk ? j->work->walk->bounded : NULL;
}

/* Columns of a block, about. */
static int64_t columns_of(const job *j, int64_t block) {
  const rk_bounded *bounded = bounded_of(j);
  if (bounded) return (int64_t)(bounded->share * (double)j->work->sizes.reduced) + 1;
  return j->work->walk ? j->cut.columns[block] : j->work->sizes.reduced;
}

/* Columns that stay near while several blocks of rows read them, where a block that reads all of
 * them would wait for memory; 0 where it would not, or its states are large themselves. */
static int64_t near_columns(const job *j, double seconds) {
  double bytes = (double)column_bytes(j);
  if (j->work->walk || bytes < memory_rate * seconds || j->module->state > near_state ||
      bytes * (double)j->work->sizes.reduced < far_bytes) return 0;
  return rk_round_up((int64_t)((double)near_bytes / bytes) + 1, column_unit(j));
}

/* Blocks of a task that walk such columns together: a few bring most of what many do, and threads
 * want more tasks than a few each. */
static int64_t blocks_together(const job *j) {
  int64_t blocks = j->row_blocks / (2 * WANTED_TASKS);
  return blocks > MAX_GROUP ? MAX_GROUP : blocks > 1 ? blocks : 1;
}

/* Blocks one after the other, until there are enough for a task. */
static int cut_rows(job *j, double seconds, int64_t least) {
  int64_t blocks = j->row_blocks;
  j->group = malloc((size_t)(blocks + 1) * sizeof *j->group);
  if (!j->group) return 0;
  double sum = 0;
  j->groups = 0;
  j->ld = 0;
  for (int64_t b = 0, first = 0; b < blocks; b++) {
    sum += seconds * (double)(columns_of(j, b) + 1);
    if (b > first && b - first >= least && (sum > task_seconds || b - first == MAX_GROUP)) {
      sum = seconds * (double)(columns_of(j, b) + 1);
      j->groups++;
      first = b;
    }
    j->group[j->groups] = first;
    if (b + 1 - first > j->ld) j->ld = b + 1 - first;
  }
  j->ld *= rk_block_rows(&j->module->tile);
  j->groups += blocks > 0;
  j->group[j->groups] = blocks;
  return 1;
}

/* Columns of all blocks, and of the one that has most. */
static double all_columns(const job *j, int64_t *most) {
  double all = 0;
  *most = 0;
  for (int64_t b = 0; b < j->row_blocks; b++) {
    int64_t columns = columns_of(j, b);
    all += (double)columns;
    if (columns > *most) *most = columns;
  }
  return all;
}

static int cut(job *j) {
  double seconds = column_seconds(j), columns = floor(chunk_seconds / seconds);
  int64_t unit = column_unit(j), near = near_columns(j, seconds), most;
  if (!cut_rows(j, seconds, near ? blocks_together(j) : 1)) return 0;
  double all = all_columns(j, &most);
  j->part = most;
  if (!bounded_of(j) && 2 * j->groups <= WANTED_TASKS && all * seconds > serial_seconds) {
    /* a list of K values that begins anew takes in many that do not stay */
    int64_t least = 16 * unit, list = 1024 * (int64_t)j->stage->pass.state.K;
    if (least < list) least = rk_round_up(list, unit);
    j->part = rk_round_up(rk_ceil_div(most, WANTED_TASKS / j->groups), unit);
    if (j->part < least) j->part = least;
  }
  if (j->part > max_part) j->part = max_part;
  if (j->part < 1) j->part = 1;
  j->parts = most ? rk_ceil_div(most, j->part) : 1;
  j->chunk = columns > (double)max_part ? max_part : columns < 1 ? 1 : (int64_t)columns;
  if (near && j->chunk > near * blocks_together(j)) j->chunk = near * blocks_together(j);
  /* what keeps positions has to know where columns were */
  j->gathers = j->work->walk && !bounded_of(j) && !j->stage->pass.state.positions &&
               rk_walk_interval(j->work->walk) < few_columns;
  if (j->gathers && j->chunk > gathered_columns(j)) j->chunk = gathered_columns(j);
  return 1;
}

/* ---- one task ---- */

typedef struct {
  rk_states own, lanes;           /* of a group; where lanes lie along the columns, of each lane */
  char *work, *states;            /* of the kernel: what is between two chunks */
  rk_intervals list;
  rk_descent *descent;
  rk_intervals within;            /* what the block has before anything is left out */
  int room;
  const char *rows, *columns;     /* packed, from this block and this column on */
  char *gathered;
  int64_t block, column;
  const int32_t *position;        /* of the row at each place of these blocks, with a walk */
} buffers;

/* There are as many as threads: one of them is free. */
static int take_room(rooms *r) {
  for (int k = 0;; k = (k + 1) % r->count)
    if (!atomic_exchange(&r->taken[k], 1)) return k;
}

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

static int make_buffers(job *j, buffers *b) {
  int lanes = lanes_per_row(j);
  *b = (buffers){.own = make_states(j, 1, j->ld),
                 .room = j->work->walk ? take_room(&j->rooms) : 0};
  b->lanes = lanes > 1 ? make_states(j, 1, j->ld * lanes) : b->own;
  b->work = rk_os_aligned(j->module->work);
  return has_memory(b->own) && has_memory(b->lanes) && b->work;
}

static void free_buffers(job *j, buffers *b) {
  if (j->work->walk) atomic_store(&j->rooms.taken[b->room], 0);
  if (lanes_per_row(j) > 1) free_states(b->lanes);
  free_states(b->own);
  rk_os_aligned_free(b->work);
  rk_os_aligned_free(b->states);
  rk_intervals_free(&b->list);
  rk_intervals_free(&b->within);
  rk_descent_free(b->descent);
}

/* Row blocks that share a list, and the first column that its places count from. */
typedef struct { int64_t block, blocks, first; } rectangle;

/* The one place where kernels are called, and where the mode is theirs. */
static void call_kernel(const job *j, rk_walked *w) {
  uint64_t mode = rk_float_mode_flush();
  j->module->pair(w);
  rk_float_mode_set(mode);
}

static rk_walked walked(const job *j, const buffers *b, const rectangle *r, rk_states to) {
  const rk_pass *pass = &j->stage->pass;
  ptrdiff_t unit = rk_real_size(&pass->options);
  int rows = rk_block_rows(&j->module->tile);
  ptrdiff_t row_size = (ptrdiff_t)pass->slots[RK_NEST_ROW].size * rows * unit;
  return (rk_walked){
    .rows = b->rows + (r->block - b->block) * row_size,
    .columns = b->columns + (r->first - b->column) * (ptrdiff_t)column_bytes(j),
    .params = j->packed->parameters,
    .row_at = b->position ? b->position + (r->block - b->block) * rows : NULL,
    .column_at = j->work->walk ? j->work->walk->column_at : NULL, .blocks = r->blocks,
    .first = r->first, .starts = 1, .values = to.values, .positions = (long long *)to.positions,
    .ld = to.ld, .work = b->work, .program = j->module->program};
}

static int keep_states(const job *j, buffers *b, rk_walked *w) {
  size_t blocks = (size_t)(j->ld / rk_block_rows(&j->module->tile));
  if (!b->states) b->states = rk_os_aligned(blocks * j->module->state);
  w->states = b->states;
  return b->states != NULL;
}

/* Short intervals that all rows take, side by side: a kernel takes several columns at once. */
static void gather(const job *j, const buffers *b, rk_walked *w, rk_interval *all) {
  size_t record = column_bytes(j);
  char *to = b->gathered;
  for (long long k = 0; k < w->intervals; k++)
    if (w->list[k].masked) return;
  *all = (rk_interval){.end = 0};
  for (long long k = 0; k < w->intervals; k++) {
    int n = w->list[k].end - w->list[k].from;
    memcpy(to, (const char *)w->columns + w->list[k].from * (ptrdiff_t)record, (size_t)n * record);
    to += (size_t)n * record;
    all->end += n;
  }
  w->columns = b->gathered;
  w->list = all;
  w->intervals = 1;
}

/* All of the list in chunks; whether it came to its end. */
static int walk_list(const job *j, buffers *b, rk_intervals *list, const rectangle *r,
                     rk_states to, const rk_worker *worker) {
  rk_walked w = walked(j, b, r, to);
  const void *columns = w.columns;
  rk_interval rest, all;
  int64_t at = 0, chunk = rk_round_up(rk_ceil_div(j->chunk, r->blocks), column_unit(j));
  do {
    int64_t n = rk_intervals_take(list, at, chunk, &rest);
    w.list = n ? list->at + at : NULL;
    w.intervals = n;
    w.columns = columns;
    if (j->gathers) gather(j, b, &w, &all);
    w.ends = at + n == list->count && !rest.end;
    if ((!w.starts || !w.ends) && !keep_states(j, b, &w)) return 0;
    if (!w.starts && rk_parallel_stopped(worker)) return 1;
    call_kernel(j, &w);
    w.starts = 0;
    at += n - (rest.end != 0);
    if (rest.end) list->at[at] = rest;
  } while (!w.ends);
  return 1;
}

/* Lanes of the same row, in order. */
static void merge_lanes(const job *j, const buffers *b, int64_t rows, rk_states to) {
  int lanes = lanes_per_row(j);
  rk_state_start(j->stage->pass.reduction, to, (ptrdiff_t)rows);
  for (int64_t r = 0; r < rows; r++)
    for (int l = 0; l < lanes; l++)
      rk_state_merge(j->stage->pass.reduction, rk_states_from(to, r),
                     rk_states_from(b->lanes, r * lanes + l));
}

static int run_all_columns(const job *j, buffers *b, int64_t group, int64_t part, rk_states to,
                           const rk_worker *worker) {
  const rectangle r = {j->group[group], j->group[group + 1] - j->group[group], part * j->part};
  int64_t left = j->work->sizes.reduced - r.first, columns = left < j->part ? left : j->part;
  b->list.count = 0;
  if (columns > 0) rk_intervals_add(&b->list, (rk_interval){.end = (int)columns});
  int in_lanes = lanes_per_row(j) > 1;
  int done = !b->list.failed && walk_list(j, b, &b->list, &r, in_lanes ? b->lanes : to, worker);
  if (done && in_lanes) merge_lanes(j, b, r.blocks * rk_block_rows(&j->module->tile), to);
  return done;
}

/* Blocks of the group that share the list of this one. */
static int64_t blocks_alike(const job *j, int64_t group, int64_t block) {
  return rk_walk_alike(j->work->walk, &j->cut, block, j->group[group + 1] - block);
}

/* A list in parts, of about as many columns; of these there may be more than 32-bit numbers count,
 * those of each run of rows. */
static int cut_list(const rk_intervals *list, int64_t parts, rk_intervals *part) {
  int64_t each = rk_ceil_div(rk_intervals_columns(list), parts), left = each, p = 0;
  for (int64_t k = 0; k < list->count; k++) {
    rk_interval rest = list->at[k];
    while (rest.from < rest.end) {
      if (left <= 0 && p + 1 < parts) {
        left = each;
        p++;
      }
      rk_interval one = rest;
      if (p + 1 < parts && one.end - one.from > left) one.end = one.from + (int32_t)left;
      rk_intervals_add(&part[p], one);
      left -= one.end - one.from;
      rest.from = one.end;
    }
  }
  for (p = 0; p < parts; p++)
    if (part[p].failed) return 0;
  return 1;
}

/* Lists of blocks whose columns are in parts are made once for all of these. */
static int make_lists(job *j) {
  rk_intervals whole = {.count = 0};
  int done = 1;
  if (!j->work->walk || j->parts == 1) return 1;
  j->lists = calloc((size_t)(j->row_blocks * j->parts) + 1, sizeof *j->lists);
  for (int64_t g = 0; g < j->groups && done && j->lists; g++)
    for (int64_t b = j->group[g]; b < j->group[g + 1] && done; b += blocks_alike(j, g, b))
      done = rk_walk_list(j->work->walk, &j->cut, b, &whole) &&
             cut_list(&whole, j->parts, &j->lists[b * j->parts]);
  rk_intervals_free(&whole);
  return done && j->lists;
}

static void free_lists(job *j) {
  for (int64_t k = 0; j->lists && k < j->row_blocks * j->parts; k++)
    rk_intervals_free(&j->lists[k]);
  free(j->lists);
}

static int run_lists(const job *j, buffers *b, int64_t group, int64_t part, rk_states to,
                     const rk_worker *worker) {
  int rows = rk_block_rows(&j->module->tile), done = 1;
  int64_t end = j->group[group + 1], alike;
  for (int64_t block = j->group[group]; block < end && done; block += alike) {
    alike = blocks_alike(j, group, block);
    const rectangle r = {block, alike, 0};
    rk_states own = rk_states_from(to, (block - j->group[group]) * rows);
    rk_intervals *list = j->lists ? &j->lists[block * j->parts + part] : &b->list;
    if (!j->lists) done = rk_walk_list(j->work->walk, &j->cut, block, list);
    done = done && walk_list(j, b, list, &r, own, worker);
  }
  return done;
}

/* ---- what a task packs ---- */

/* Columns are packed by tasks where few of them are packed twice. */
static int find_near(job *j) {
  const rk_walk *walk = j->work->walk;
  if (!walk || walk->bounded || j->parts > 1) return 1;
  j->near = malloc((size_t)j->groups * sizeof *j->near + 1);
  if (!j->near) return 0;
  int64_t all = 0, most = 0;
  for (int64_t g = 0; g < j->groups; g++) {
    rk_columns c = j->near[g] = rk_walk_columns(walk, &j->cut, j->group[g], j->group[g + 1]);
    all += c.end - c.from;
    if (c.end - c.from > most) most = c.end - c.from;
  }
  size_t record = (size_t)j->stage->pass.slots[RK_NEST_COLUMN].size * sizeof(double);
  if ((double)all <= packed_often * (double)walk->columns && (size_t)most * record <= near_bytes)
    return 1;
  free(j->near);
  j->near = NULL;
  return 1;
}

static int make_rooms(job *j, int threads) {
  rooms *r = &j->rooms;
  int64_t most = 0;
  if (!j->work->walk) return 1;
  for (int64_t g = 0; g < j->groups && j->near; g++)
    if (j->near[g].end - j->near[g].from > most) most = j->near[g].end - j->near[g].from;
  r->rows = (size_t)rk_round_up(j->ld * (int64_t)sizeof(int32_t), 64);
  r->columns = r->rows + rk_part_bytes(&j->packed->row_side, j->ld);
  r->gathered = r->columns + rk_part_bytes(&j->packed->column_side, most);
  size_t gathered = j->gathers ? (size_t)gathered_columns(j) * column_bytes(j) : 0;
  r->size = (size_t)rk_round_up((int64_t)(r->gathered + gathered), 64);
  r->bytes = r->size * (size_t)threads;
  r->memory = rk_spare_take(&r->bytes);
  r->taken = calloc((size_t)threads, sizeof *r->taken);
  r->count = threads;
  return r->memory && r->taken;
}

static void free_rooms(rooms *r) {
  rk_spare_keep(r->memory, r->bytes);
  free(r->taken);
}

/* Rows of blocks first .. end - 1, all columns where they lie. */
static int pack_blocks(job *j, buffers *b, int64_t first, int64_t end) {
  char *room = j->rooms.memory + (size_t)b->room * j->rooms.size;
  rk_cut_rows(j->work->walk, &j->cut, first, end, (int32_t *)room);
  b->position = (const int32_t *)room;
  b->rows = room + j->rooms.rows;
  b->columns = j->packed->columns;
  b->gathered = room + j->rooms.gathered;
  b->block = first;
  const rk_part rows = {b->position, 0, (end - first) * j->cut.size};
  return rk_pack_part(&j->packed->row_side, rows, room + j->rooms.rows);
}

/* The rows of a group, and its columns, or where all lie. */
static int pack_group(job *j, buffers *b, int64_t group) {
  b->rows = j->packed->rows;
  b->columns = j->packed->columns;
  if (!j->work->walk) return 1;
  if (!pack_blocks(j, b, j->group[group], j->group[group + 1])) return 0;
  if (!j->near) return 1;
  char *columns = j->rooms.memory + (size_t)b->room * j->rooms.size + j->rooms.columns;
  b->columns = columns;
  b->column = j->near[group].from;
  const rk_part part = {j->work->walk->column_at, b->column, j->near[group].end - b->column};
  return rk_pack_part(&j->packed->column_side, part, columns);
}

/* ---- what may matter ---- */

/* Records as a kernel reads them: of all columns, of the rows of a block. */
static rk_records columns_to_bound(const job *j) {
  const rk_pass *pass = &j->stage->pass;
  int size = pass->slots[RK_NEST_COLUMN].size;
  return (rk_records){j->packed->columns, pass->options.precision == RK_FLOAT64, size,
                      j->work->sizes.reduced, 1, size};
}

static rk_records rows_to_bound(const job *j, const rk_walked *w) {
  const rk_pass *pass = &j->stage->pass;
  int64_t rows = rk_block_rows(&j->module->tile);
  return (rk_records){w->rows, pass->options.precision == RK_FLOAT64,
                      pass->slots[RK_NEST_ROW].size, rows, rows, 1};
}

/* What is known of a block's rows decides what they are shown next. */
static int descend(const job *j, buffers *b, const rectangle *r, rk_states to) {
  rk_walked w = walked(j, b, r, to);
  rk_records rows = rows_to_bound(j, &w);
  if (!keep_states(j, b, &w) ||
      !rk_walk_list(&bounded_of(j)->unlimited, &j->cut, r->block, &b->within)) return 0;
  w.ends = 1; /* each time: they are looked at */
  rk_descent_begin(b->descent, &rows, w.row_at, j->cut.from[r->block], &b->within);
  do {
    if (!rk_descent_next(b->descent, to, &b->list)) return 0;
    if (!b->list.count && !w.starts) break;
    w.list = b->list.at;
    w.intervals = b->list.count;
    call_kernel(j, &w);
    w.starts = 0;
  } while (b->list.count);
  rk_descent_finish(b->descent, to);
  return 1;
}

static int run_bounded(const job *j, buffers *b, int64_t group, int64_t part, rk_states to,
                       const rk_worker *worker) {
  int64_t rows = rk_block_rows(&j->module->tile), first = j->group[group];
  (void)part;
  b->descent = rk_descent_new(bounded_of(j), &j->levels, j->parameters);
  int done = b->descent != NULL;
  for (int64_t block = first; block < j->group[group + 1] && done; block++) {
    const rectangle r = {block, 1, 0};
    if (rk_parallel_stopped(worker)) break;
    done = descend(j, b, &r, rk_states_from(to, (block - first) * rows));
  }
  return done;
}

/* Some blocks from all over are tried, before all are done. */
static int is_refused(job *j) {
  enum { TRIED = 12 };
  rk_bounded *bounded = bounded_of(j);
  int64_t blocks = j->row_blocks;
  double column = rk_pair_cost(&j->stage->pass) * j->module->tile.rows;
  buffers b;
  if (bounded->must || blocks < 4 * TRIED) return 0;
  int done = make_buffers(j, &b) &&
             (b.descent = rk_descent_new(bounded, &j->levels, j->parameters));
  for (int k = 0; k < TRIED && done; k++) {
    const rectangle r = {blocks * k / TRIED, 1, 0};
    done = pack_blocks(j, &b, r.block, r.block + 1) && descend(j, &b, &r, b.own);
  }
  j->failed |= !done;
  free_buffers(j, &b);
  return !done || rk_bounded_cost(bounded, reordered * column) >
                      column * bounded->given * (double)j->work->sizes.reduced;
}

static rk_status make_bounds(job *j, rk_caller caller) {
  const rk_pass *pass = &j->stage->pass;
  int n = pass->slots[RK_NEST_PARAMETER].size;
  if (!bounded_of(j)) return RK_OK;
  j->parameters = malloc((size_t)n * sizeof *j->parameters + 1);
  if (!j->parameters) return rk_fail_memory(caller.error, (size_t)n * sizeof *j->parameters);
  for (int k = 0; k < n; k++)
    j->parameters[k] = pass->options.precision == RK_FLOAT64
                           ? ((const double *)j->packed->parameters)[k]
                           : (double)((const float *)j->packed->parameters)[k];
  const rk_records columns = columns_to_bound(j);
  return rk_levels_make(&j->levels, &columns, j->work->walk->column_at, caller);
}

/* ---- a task ---- */

static void finish_group(const job *j, int64_t group, rk_states states, const int32_t *position) {
  const rk_node *reduction = j->stage->pass.reduction;
  int64_t rows = rk_block_rows(&j->module->tile), all = j->work->sizes.kept;
  int64_t first = j->group[group] * rows, end = j->group[group + 1] * rows;
  if (!position && end > all) end = all;
  rk_state_finish(reduction, states, (ptrdiff_t)(end - first), j->work->outputs,
                  (rk_result_rows){position, first, all});
}

static void run_task(void *data, int64_t task, const rk_worker *worker) {
  job *j = data;
  int64_t group = task / j->parts, part = task % j->parts;
  buffers b;
  int done = make_buffers(j, &b) && pack_group(j, &b, group);
  if (done) {
    rk_states to = j->states.values ? states_at(j, j->states, task) : b.own;
    done = (bounded_of(j) ? run_bounded : j->work->walk ? run_lists : run_all_columns)(
        j, &b, group, part, to, worker);
    if (done && !j->states.values) finish_group(j, group, to, b.position);
  }
  if (!done) j->failed = 1;
  free_buffers(j, &b);
}

/* ---- all tasks ---- */

static void merge_parts(job *j) {
  int32_t *position = j->work->walk ? (int32_t *)j->rooms.memory : NULL;
  for (int64_t group = 0; group < j->groups; group++) {
    rk_states to = states_at(j, j->states, group * j->parts);
    for (int64_t part = 1; part < j->parts; part++) {
      rk_states from = states_at(j, to, part);
      for (ptrdiff_t r = 0; r < j->ld; r++)
        rk_state_merge(j->stage->pass.reduction, rk_states_from(to, r), rk_states_from(from, r));
    }
    if (position)
      rk_cut_rows(j->work->walk, &j->cut, j->group[group], j->group[group + 1], position);
    finish_group(j, group, to, position);
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

/* Before anything is packed. */
static double all_seconds(const job *j) {
  double pairs = j->work->walk ? j->cut.pairs
                               : (double)j->work->sizes.kept * (double)j->work->sizes.reduced;
  return rk_pair_seconds(&j->stage->pass, pairs, j->module->tile.lanes);
}

/* Nothing is done yet while data is packed. */
static int poll_packing(void *data, double done) {
  const rk_caller *caller = data;
  (void)done;
  return caller->poll(caller->data, 0);
}

/* Row blocks, and the tasks that they make. */
static rk_status cut_rows_and_columns(job *j, rk_error *error) {
  const rk_walk *walk = j->work->walk;
  int rows = rk_block_rows(&j->module->tile);
  rk_status status = walk ? rk_walk_cut(walk, rows, &j->cut, error) : RK_OK;
  if (status) return status;
  j->row_blocks = walk ? j->cut.blocks : rk_ceil_div(j->work->sizes.kept, rows);
  if (cut(j) && make_lists(j) && find_near(j)) return RK_OK;
  return rk_fail_memory(error, (size_t)j->row_blocks * sizeof *j->group);
}

static rk_status pack_and_run(job *j, rk_packed *packed, rk_caller caller) {
  const rk_caller packing = {caller.poll ? poll_packing : NULL, &caller, caller.error};
  const rk_packs now = {!j->work->walk, !j->near};
  rk_status status = rk_pack(j->work, j->module, now, packed, packing);
  if (!status) status = make_bounds(j, packing);
  if (status) return status;
  int64_t tasks = j->groups * j->parts;
  int threads = all_seconds(j) < serial_seconds ? 1 : rk_call_threads();
  if (tasks < threads) threads = (int)tasks;
  if (!make_rooms(j, threads)) return rk_fail_memory(caller.error, j->rooms.bytes);
  if (bounded_of(j) && is_refused(j)) {
    if (j->failed) return rk_fail_memory(caller.error, j->module->work);
    bounded_of(j)->is_refused = 1;
    return RK_CANCELLED; /* nobody is told: it is done again */
  }
  return run_tasks(j, threads, caller);
}

rk_status rk_run_tasks(const rk_job *work, const rk_module *module, rk_caller caller) {
  if (work->sizes.kept == 0) return RK_OK;
  rk_packed packed = {0};
  job j = {.work = work, .stage = work->stage, .packed = &packed, .module = module};
  rk_status status = cut_rows_and_columns(&j, caller.error);
  if (!status) status = pack_and_run(&j, &packed, caller);
  free_states(j.states);
  free_lists(&j);
  rk_levels_free(&j.levels);
  free(j.parameters);
  free_rooms(&j.rooms);
  free(j.near);
  free(j.group);
  rk_cut_free(&j.cut);
  rk_packed_free(&packed);
  return status;
}
