/* How a pass is laid out on a GPU. See shape.h for the two forms.
 *
 * The numbers below count 32-bit registers of a thread. They are estimates from the plan; that the
 * compiler agrees (no stack, no spill where `resident` says so) is tested with NVRTC. */
#include "cuda/shape.h"
#include "cuda/kernel.h"
#include "formula/operations.h"
#include "rounding.h"

#include <stdlib.h>
#include <string.h>

enum {
  WALK_THREADS = 128, NARROW_THREADS = 32, WALK_COLUMNS = 4, WALK_TILE = 128,
  CHEAP = 40, SHORT = 8,   /* operations of a pair, components of a record: twice the columns */
  CALL = 60,               /* operations that a function of the library stands for, compiled */
  MUCH_CODE = 1024,        /* operations that are written out: the compiler's time */
  WALK_BYTES = 16384,      /* of a tile of columns in shared memory: there are two */
  WALK_WORDS = 150,        /* what rows may take, tiles of pairs included */
  WALK_WORDS_TWO = 168,    /* the same with one row or two */
  WIDE_WORDS = 64,         /* a larger state of a row is shared by several threads */
  WALK_UNROLL = 32,        /* components of a loop that is unrolled to keep rows in registers */
  PAIR_WORDS = 64,         /* of one fold of the tile of pairs of a thread */
  PANEL_BYTES = 32768,     /* of the scalars that pass through shared memory */
  WIDE_COMPONENTS = 8      /* of a wide result for each thread, in float */
};

static int words(const rk_pass *pass) { return rk_real_size(&pass->options) / 4; }

/* ---- what there is to place ---- */

/* Registers of the state of one row with so many components. */
static int state_words(const rk_pass *pass, int components) {
  const rk_reduction *reduction = pass->reduction->reduction;
  int real = words(pass);
  if (rk_keeps_values(reduction))
    return components * pass->state.K * (reduction->keeps_positions ? 2 * real : real);
  const int sums[] = {[RK_SUM_SAME] = real, [RK_SUM_WIDE] = 2, [RK_SUM_KAHAN] = 2 * real};
  return components * (real + sums[rk_summing_of(pass).longs]) + real;
}

static int is_kept(const rk_nest *nest, const rk_node *node) {
  return nest->place[node->number] == RK_SCALAR;
}

/* Scalars of a pair that outlive their step, of the first `steps` steps. */
static int kept_scalars(const rk_pass *pass, int steps) {
  const rk_nest *nest = &pass->nest[RK_NEST_PAIR];
  int count = 0;
  for (int s = 0; s < steps; s++)
    for (int k = 0; k < nest->step[s].count; k++)
      count += is_kept(nest, nest->node[nest->step[s].first + k]);
  return count;
}

static int longest_loop(const rk_pass *pass) {
  const rk_nest *nest = &pass->nest[RK_NEST_PAIR];
  int longest = pass->state.components > pass->state.K ? pass->state.components : pass->state.K;
  for (int s = 0; s < nest->steps; s++)
    if (nest->step[s].dim > longest) longest = nest->step[s].dim;
  return longest;
}

/* Operations of a pair as the compiler sees them. */
static double code_of(const rk_pass *pass) {
  const rk_nest *nest = &pass->nest[RK_NEST_PAIR];
  double code = nest->cost;
  for (int k = 0; k < pass->reduction->number; k++) {
    const rk_node *node = rk_graph_node(pass->graph, k);
    if (node->level == RK_LEVEL_PAIR && nest->place[k] != RK_ELSEWHERE &&
        rk_effort_of(node)->is_called)
      code += (double)CALL * node->dim;
  }
  return code;
}

/* Marks the kept scalars that `node` reads, through what is computed where it is used. */
static void mark_read(const rk_nest *nest, const rk_node *node, unsigned char *seen) {
  if (seen[node->number]) return;
  seen[node->number] = 1;
  if (nest->place[node->number] != RK_INLINE) return;
  for (int k = 0; k < node->operands; k++) mark_read(nest, node->operand[k], seen);
}

int rk_exchanged(const rk_pass *pass, int steps, const rk_node **node, int capacity) {
  const rk_nest *nest = &pass->nest[RK_NEST_PAIR];
  unsigned char *seen = calloc((size_t)rk_graph_size(pass->graph), 1);
  int count = 0, made = 0;
  if (!seen) return capacity + 1;
  for (int s = 0; s < steps; s++) made += nest->step[s].count;
  for (int r = 0; r < nest->roots; r++) mark_read(nest, nest->root[r], seen);
  for (int k = made; k < nest->nodes; k++)
    for (int o = 0; o < nest->node[k]->operands; o++)
      mark_read(nest, nest->node[k]->operand[o], seen);
  for (int k = 0; k < made; k++) {
    if (!is_kept(nest, nest->node[k]) || !seen[nest->node[k]->number]) continue;
    if (count < capacity) node[count] = nest->node[k];
    count++;
  }
  free(seen);
  return count;
}

/* ---- one thread walks ---- */

static int walk_words(const rk_pass *pass, int rows) {
  int real = words(pass), record = pass->slots[RK_NEST_COLUMN].size;
  int kept = kept_scalars(pass, pass->nest[RK_NEST_PAIR].steps) + pass->nest[RK_NEST_PAIR].panel;
  int pair = (kept + 1) * WALK_COLUMNS * real;
  return rows * (pass->slots[RK_NEST_ROW].size * real + state_words(pass, pass->state.components) +
                 pair) + (record < 8 ? record : 8) * real;
}

static int column_stride(const rk_pass *pass) {
  int size = pass->slots[RK_NEST_COLUMN].size, unit = 4 / words(pass);
  if (size < unit) return size == 3 ? 4 : size;
  return (int)rk_round_up(size, unit);
}

static rk_gpu_shape walk(const rk_pass *pass, int narrow) {
  rk_gpu_shape shape = {.threads = narrow ? NARROW_THREADS : WALK_THREADS,
                        .column_block = WALK_TILE, .column_stride = column_stride(pass),
                        .component_groups = 1, .components = pass->state.components};
  int rows = 4;
  while (rows > 1 && walk_words(pass, rows) > (rows > 2 ? WALK_WORDS : WALK_WORDS_TWO)) rows /= 2;
  shape.resident =
      walk_words(pass, rows) <= WALK_WORDS_TWO && longest_loop(pass) <= WALK_UNROLL;
  int columns = WALK_COLUMNS;
  double code = code_of(pass);
  for (; columns > 1 && code * rows * columns > MUCH_CODE; columns /= 2) {}
  for (; rows > 1 && code * rows * columns > MUCH_CODE; rows /= 2) {}
  if (code > MUCH_CODE) shape.resident = 0;
  if (!shape.resident || narrow) rows = 1;
  shape.tile = (rk_tile){.rows = rows, .columns = columns, .lanes = 1, .flush = 64,
                         .bytes = rk_real_size(&pass->options)};
  if (shape.resident && pass->state.K == 1 && shape.column_stride <= SHORT &&
      code <= CHEAP && !pass->nest[RK_NEST_PAIR].panel)
    shape.tile.columns *= 2;
  shape.row_block = rows * shape.threads;
  int record = shape.column_stride * shape.tile.bytes;
  while (shape.column_block > 32 &&
         shape.column_block * record > WALK_BYTES * shape.threads / WALK_THREADS)
    shape.column_block /= 2;
  return shape;
}

/* ---- a block of threads shares a tile of pairs ---- */

typedef struct { int threads, row_block, column_block, rows, columns, enter_rows; } block_form;

/* Narrow results: a thread owns a row. */
static const block_form narrow_forms[] = {
  {128, 128, 64, 8, 8, 1}, {128, 128, 32, 8, 4, 1}, {64, 64, 32, 4, 8, 1}, {64, 64, 16, 4, 4, 1}};
/* Wide results: a thread owns a few rows of some components. */
static const block_form wide_forms[] = {{256, 64, 64, 4, 4, 4}, {128, 64, 32, 4, 4, 4}};

static int form_fits(const rk_pass *pass, const block_form *form, int steps) {
  const rk_node *node[RK_MAX_EXCHANGED];
  int bytes = rk_real_size(&pass->options), pairs = form->rows * form->columns;
  int kept = kept_scalars(pass, steps);
  double code = code_of(pass) / longest_loop(pass); /* of one component */
  int exchanged = rk_exchanged(pass, steps, node, RK_MAX_EXCHANGED);
  return exchanged <= RK_MAX_EXCHANGED && code * pairs <= MUCH_CODE &&
         exchanged * form->row_block * form->column_block * bytes <= PANEL_BYTES &&
         (kept ? kept : 1) * pairs * words(pass) <= PAIR_WORDS;
}

static const block_form *choose_form(const rk_pass *pass, const block_form *form, int forms,
                                     int steps) {
  for (int k = 0; k < forms; k++)
    if (form_fits(pass, &form[k], steps)) return &form[k];
  return NULL;
}

/* Steps up to the last loop. */
static int loop_steps(const rk_nest *nest) {
  int steps = nest->steps;
  while (steps > 0 && !nest->step[steps - 1].dim) steps--;
  return steps;
}

static int is_wide(const rk_pass *pass) {
  int most = pass->options.precision == RK_FLOAT16 ? WIDE_WORDS * 3 / 4 : WIDE_WORDS;
  return state_words(pass, pass->state.components) > most;
}

static void share_components(rk_gpu_shape *shape, const rk_pass *pass) {
  int threads = shape->threads / (shape->row_block / shape->enter.rows);
  int most = WIDE_COMPONENTS / words(pass), all = pass->state.components;
  shape->component_groups = (int)rk_ceil_div(all, threads * most);
  int of_group = (int)rk_ceil_div(all, shape->component_groups);
  shape->components = (int)rk_ceil_div(of_group, threads);
}

/* 0 when the pass has no such form. With a wide result several threads enter one pair: all steps
 * are made before. */
static int blocked(const rk_pass *pass, rk_gpu_shape *shape) {
  enum { NARROW = sizeof narrow_forms / sizeof *narrow_forms,
         WIDE = sizeof wide_forms / sizeof *wide_forms };
  const rk_nest *nest = &pass->nest[RK_NEST_PAIR];
  int wide = is_wide(pass), steps = wide ? nest->steps : loop_steps(nest);
  if (nest->panel || (wide && rk_keeps_values(pass->reduction->reduction))) return 0;
  const block_form *form = wide ? choose_form(pass, wide_forms, WIDE, steps)
                                : choose_form(pass, narrow_forms, NARROW, steps);
  if (!form) return 0;
  *shape = (rk_gpu_shape){.blocked = 1, .threads = form->threads, .row_block = form->row_block,
                          .column_block = form->column_block, .resident = 1,
                          .shared_steps = steps, .components = pass->state.components,
                          .component_groups = 1};
  shape->tile = (rk_tile){.rows = form->rows, .columns = form->columns, .lanes = 1, .flush = 64,
                          .bytes = rk_real_size(&pass->options)};
  shape->enter = shape->tile;
  shape->enter.rows = form->enter_rows;
  shape->enter.columns = WALK_COLUMNS;
  if (wide) share_components(shape, pass);
  return 1;
}

/* ---- all of a shape ---- */

/* CUDA's sine and cosine reduce very large arguments in memory of the thread. */
static int needs_library_memory(const rk_pass *pass) {
  const rk_nest *nest = &pass->nest[RK_NEST_PAIR];
  for (int k = 0; k < pass->reduction->number; k++) {
    const rk_node *node = rk_graph_node(pass->graph, k);
    if (node->level == RK_LEVEL_PAIR && nest->place[k] != RK_ELSEWHERE &&
        rk_effort_of(node)->takes_memory) return 1;
  }
  return 0;
}

static int is_narrow(rk_gpu_lay lay) {
  return lay == RK_GPU_LISTS_NARROW || lay == RK_GPU_REORDERED_NARROW;
}

rk_gpu_shape rk_gpu_shape_choose(const rk_pass *pass, rk_gpu_lay lay) {
  rk_gpu_shape shape = walk(pass, is_narrow(lay));
  if (!shape.resident) {
    rk_gpu_shape other;
    if (blocked(pass, &other)) shape = other;
  }
  shape.stackless = shape.resident && !needs_library_memory(pass);
  shape.half[RK_NEST_ROW] = rk_is_stored_as_half(pass, RK_NEST_ROW);
  shape.half[RK_NEST_COLUMN] = rk_is_stored_as_half(pass, RK_NEST_COLUMN);
  shape.tile.masks = shape.enter.masks = lay != RK_GPU_ALL;
  shape.tile.reorders = shape.enter.reorders = lay >= RK_GPU_REORDERED;
  return shape;
}

/* Narrow blocks are for segments that would leave most of a wide one idle: a thread has fewer rows
 * for each column that it reads then. */
rk_gpu_lay rk_gpu_lay_choose(const rk_pass *pass, const rk_walk *walk) {
  if (!walk) return RK_GPU_ALL;
  rk_gpu_lay lay = rk_walk_reorders(walk) ? RK_GPU_REORDERED : RK_GPU_LISTS;
  rk_gpu_shape wide = rk_gpu_shape_choose(pass, lay);
  if (wide.blocked) return lay;
  double narrow = rk_walk_filled(walk, NARROW_THREADS);
  return rk_walk_filled(walk, wide.row_block) > 1.5 * narrow ? lay + 1 : lay;
}

/* ---- packed sizes ---- */

int64_t rk_packed_count(const rk_gpu_shape *shape, rk_nest_kind side, int64_t count) {
  return rk_round_up(count, side == RK_NEST_ROW ? shape->row_block : shape->column_block);
}

size_t rk_packed_bytes(const rk_pass *pass, const rk_gpu_shape *shape, rk_nest_kind side,
                       int64_t count) {
  int size = side == RK_NEST_COLUMN && !shape->blocked ? shape->column_stride
                                                       : pass->slots[side].size;
  int bytes = shape->half[side] ? 2 : rk_real_size(&pass->options);
  return (size_t)rk_packed_count(shape, side, count) * (size_t)size * (size_t)bytes;
}

int rk_merge_groups(const rk_pass *pass) {
  return pass->state.groups < 1024 ? pass->state.groups : 1024;
}

void rk_gpu_shape_print(const rk_gpu_shape *shape, const char *prefix, rk_text *text) {
  rk_text_format(text, "%s%s: %d threads for %d rows x %d columns, %d x %d of them in a thread%s\n",
                 prefix, shape->blocked ? "blocked" : "walk", shape->threads, shape->row_block,
                 shape->column_block, shape->tile.rows, shape->tile.columns,
                 shape->stackless ? ", in registers" : shape->resident ? ", sine in memory" : "");
  if (shape->blocked)
    rk_text_format(text, "%s%d steps shared; %d rows and %d components of the result in a thread\n",
                   prefix, shape->shared_steps, shape->enter.rows, shape->components);
}
