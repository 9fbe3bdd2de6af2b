/* Into which chunks, launches and parts a share of a pass is cut. All follows from the sizes, the
 * plan, the limits of the device and the budget, never from the clock: the order in which states
 * are merged, and so the result bit by bit, is the same each time.
 *
 * Chunks: everything at once if it fits; else all columns stay and the rows come in chunks; else
 * the chunk of rows is as large as possible, since all columns are sent again for each.
 * Launches: none takes longer than about LAUNCH_SECONDS by a careful estimate, so that a wish to
 * stop, with RK_LAUNCHES of them queued, is answered within half a second.
 * Parts: so many that a launch has several times the blocks that the device holds at once: the
 * device is full, and little time is lost at the end of a launch. */
#include "cuda/parts.h"
#include "rounding.h"

#include <math.h>

static const double LAUNCH_SECONDS = 0.03;
static const double PEAK = 0.25;               /* that a kernel is assumed to reach */
enum { MULTIPROCESSOR_LANES = 128, WAVES = 16 };
enum { FULL_PART = 1024, LEAST_PART = 256 };   /* columns that are worth a block: see parts_for */
enum { MAX_PARTS = 1024, MAX_COUNT = 1 << 27 };/* numbers of rows and columns are 32 bits there */
static const double PARTS_BYTES = 256 << 20;   /* of the states of the parts of a launch */
static const double SLACK = 1 << 13;           /* buffers are rounded up */

static int64_t round_down(double a, int64_t unit) {
  return a < (double)unit ? unit : a > 0x1p40 ? ((int64_t)1 << 40) / unit * unit
                                              : (int64_t)a / unit * unit;
}
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t unit_of(const rk_gpu_sizes *s, int side) {
  return side == RK_NEST_ROW ? s->shape->row_block : s->shape->column_block;
}

int64_t rk_gpu_least_columns(const rk_gpu_shape *shape) {
  return rk_round_up(FULL_PART, shape->column_block);
}

/* ---- bytes ---- */

static double state_bytes(const rk_gpu_sizes *s) {
  return 8.0 * (s->pass->state.values + s->pass->state.positions);
}

/* States of parts beyond the first: what they may take. */
static double parts_bytes(const rk_gpu_sizes *s) {
  return fmin(PARTS_BYTES, s->budget / 8);
}

static double packed_bytes(const rk_gpu_sizes *s, rk_nest_kind side, int64_t count) {
  return (double)rk_packed_bytes(s->pass, s->shape, side, count) +
         (double)s->place_bytes[side] * (double)rk_packed_count(s->shape, side, count);
}

/* Packed rows and their two states. */
static double rows_bytes(const rk_gpu_sizes *s, int64_t rows) {
  return packed_bytes(s, RK_NEST_ROW, rows) + (double)rk_round_up(rows, 32) * 2 * state_bytes(s);
}

static double bytes_of(const rk_gpu_sizes *s, const rk_gpu_cut *cut) {
  return s->fixed + SLACK + parts_bytes(s) + (double)cut->raw + rows_bytes(s, cut->rows) +
         packed_bytes(s, RK_NEST_COLUMN, cut->columns) * cut->buffers;
}

/* ---- chunks ---- */

static void cut_slabs(const rk_gpu_sizes *s, rk_gpu_cut *cut) {
  double bytes = fmin(RK_PINNED_BYTES, s->budget / 8);
  cut->raw = 0;
  for (int side = RK_NEST_ROW; side <= RK_NEST_COLUMN; side++) {
    int64_t unit = unit_of(s, side), record = 8 * s->raw_dims[side];
    int64_t all = rk_round_up(side == RK_NEST_ROW ? s->rows : s->columns, unit);
    int64_t rows = round_down(record ? bytes / (double)record : MAX_COUNT, unit);
    cut->slab[side] = least(least(rows, all), MAX_COUNT / unit * unit);
    cut->raw = most(cut->raw, cut->slab[side] * record);
  }
}

/* The most blocks of `bytes` each that fit, at least one. */
static int64_t count_that_fits(double room, double bytes, int64_t unit) {
  return bytes > 0 ? round_down(room / bytes * (double)unit, unit) : MAX_COUNT / unit * unit;
}

static int choose_chunks(const rk_gpu_sizes *s, rk_gpu_cut *cut) {
  int64_t row_block = s->shape->row_block, column_block = s->shape->column_block;
  double block = rows_bytes(s, row_block), columns = packed_bytes(s, RK_NEST_COLUMN, s->columns);
  double column = packed_bytes(s, RK_NEST_COLUMN, column_block);
  int64_t all_rows = least(s->rows, MAX_COUNT / row_block * row_block);
  *cut = (rk_gpu_cut){.raw = cut->raw, .slab = {cut->slab[0], cut->slab[1], cut->slab[2]}};
  double room = s->budget - bytes_of(s, cut);
  cut->rows = all_rows;
  cut->columns = s->columns;
  cut->buffers = 1;
  if (bytes_of(s, cut) <= s->budget) return 1;
  if (columns <= room / 2 && block <= room - columns) {
    cut->rows = least(all_rows, count_that_fits(room - columns, block, row_block));
    return 1;
  }
  double for_rows = fmin(0.75 * room, room - 2 * column);
  if (rows_bytes(s, all_rows) > for_rows)
    cut->rows = least(all_rows, count_that_fits(for_rows, block, row_block));
  cut->columns = least(s->columns, count_that_fits((room - rows_bytes(s, cut->rows)) / 2, column,
                                                   column_block));
  cut->buffers = cut->columns < s->columns ? 2 : 1;
  return bytes_of(s, cut) <= s->budget;
}

static double least_bytes(const rk_gpu_sizes *s) {
  rk_gpu_sizes small = *s;
  rk_gpu_cut cut = {.rows = least(s->rows, s->shape->row_block),
                    .columns = least(s->columns, s->shape->column_block), .buffers = 2};
  small.budget = 0;
  cut_slabs(&small, &cut);
  /* an eighth is for parts, an eighth for slabs, a little for lists */
  return bytes_of(&small, &cut) * (s->list ? 1.5 : 4.0 / 3);
}

/* ---- launches and parts ---- */

/* Seconds of a multiprocessor for one block of rows and one column. */
static double column_seconds(const rk_gpu_sizes *s) {
  double clock = s->limits->clock > 0 ? s->limits->clock * 1e3 : 1e9;
  double slower = s->pass->options.precision == RK_FLOAT64 && s->limits->double_ratio > 1
                      ? s->limits->double_ratio : 1;
  return s->shape->row_block * rk_pair_cost(s->pass) * slower /
         (MULTIPROCESSOR_LANES * PEAK * clock);
}

static int multiprocessors(const rk_gpu_sizes *s) {
  return s->limits->multiprocessors > 0 ? s->limits->multiprocessors : 1;
}

/* Blocks that the device holds at once, if registers leave room for half of its threads. */
static int64_t capacity(const rk_gpu_sizes *s) {
  int64_t blocks = least(s->limits->blocks, s->limits->threads / 2 / s->shape->threads);
  return multiprocessors(s) * most(blocks, 1);
}

static int groups_of(const rk_gpu_shape *shape) {
  return shape->component_groups > 1 ? shape->component_groups : 1;
}

/* Several waves of blocks as long as a part keeps FULL_PART columns, one wave as long as it keeps
 * LEAST_PART. */
int64_t rk_gpu_parts(const rk_gpu_sizes *s, int64_t blocks, int64_t columns, double room) {
  int64_t full = capacity(s), parts = rk_ceil_div(WAVES * full, blocks);
  parts = least(parts, columns / FULL_PART);
  if (parts * blocks < full) parts = least(rk_ceil_div(full, blocks), columns / LEAST_PART);
  if (room < (double)parts) parts = (int64_t)room;
  return most(1, least(parts, MAX_PARTS));
}

static void cut_launches(const rk_gpu_sizes *s, rk_gpu_cut *cut) {
  int64_t row_block = s->shape->row_block, column_block = s->shape->column_block;
  double budget = LAUNCH_SECONDS * multiprocessors(s) / (column_seconds(s) * groups_of(s->shape));
  /* budget: blocks of rows times columns of a launch */
  int64_t blocks = rk_ceil_div(cut->rows, row_block), columns = least(cut->columns, MAX_COUNT);
  int64_t few = least(columns, FULL_PART);
  if ((double)blocks * (double)few > budget) blocks = round_down(budget / (double)few, 1);
  cut->launch_rows = least(cut->rows, blocks * row_block);
  cut->work = budget;
  if (s->list && s->list < columns) columns = s->list;
  if ((double)blocks * (double)columns > budget)
    columns = rk_ceil_div(columns, rk_ceil_div(columns, round_down(budget / (double)blocks, 1)));
  double room = parts_bytes(s) / (state_bytes(s) * (double)rk_round_up(cut->rows, 32));
  int64_t parts = rk_gpu_parts(s, blocks * groups_of(s->shape), columns, room);
  cut->part = rk_round_up(rk_ceil_div(columns, parts), column_block);
  cut->parts = (int)rk_ceil_div(columns, cut->part);
  cut->launch_columns = cut->part * cut->parts;
  cut->direct = cut->launch_columns >= s->columns && cut->columns == s->columns && cut->parts == 1;
}

int rk_gpu_cut_choose(const rk_gpu_sizes *s, rk_gpu_cut *cut, double *bytes) {
  *cut = (rk_gpu_cut){0};
  *bytes = least_bytes(s);
  cut_slabs(s, cut);
  if (!choose_chunks(s, cut)) return 0;
  cut->ld = rk_round_up(cut->rows, 32);
  cut_launches(s, cut);
  return 1;
}
