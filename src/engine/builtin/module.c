/* The backend that needs no compiler. Its part of a stage are modules: for each way to lay out the
 * pairs a kernel of the package, where there is one for the pass, else a program of loops. */
#include "builtin/program.h"
#include "error.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

extern const rk_backend rk_backend_builtin;

/* A kernel serves all walks. */
enum { BUILT_ALL, BUILT_WALK, BUILT };
typedef struct {
  rk_module module[RK_LAYS + BUILT];
  rk_pair_program program[RK_LAYS + BUILT];
  int asked[BUILT];          /* whether there is a kernel */
} modules;

static modules *modules_of(const rk_stage *stage) {
  return rk_stage_part(stage, &rk_backend_builtin);
}

/* Bytes of the lanes of blocks: wide and narrow ones, and of columns. Values of a tile lie in the
 * first cache together. */
enum { WIDE = 256, NARROW = RK_LANE_BYTES, ALONG_COLUMNS = 1024, MOST_COLUMNS = 16, NEAR = 24576 };

/* ---- layouts --------------------------------------------------------------------------------- */

/* Lanes along the columns where rows are fewer than half a block. */
static rk_lay lay_of(const rk_stage *stage, rk_sizes sizes, const rk_walk *walk) {
  const int64_t size = rk_real_size(&stage->pass.options), wide = WIDE / size;
  if (walk) return rk_lay_of_walk(walk, (int)(NARROW / size), WIDE / NARROW);
  int is_long = sizes.reduced >= 4 * (ALONG_COLUMNS / size);
  return 2 * sizes.kept <= wide && is_long ? RK_LAY_REDUCED : RK_LAY_KEPT;
}

static rk_tile tile_of(const rk_stage *stage, rk_lay lay) {
  const int size = rk_real_size(&stage->pass.options);
  const int is_narrow = lay == RK_LAY_WALK_NARROW || lay == RK_LAY_REORDERED_NARROW;
  rk_tile tile = {.bytes = NARROW, .lanes = NARROW / size, .rows = is_narrow ? 1 : WIDE / NARROW,
                  .columns = 1, .flush = 64, .masks = lay >= RK_LAY_WALK,
                  .reorders = lay >= RK_LAY_REORDERED};
  if (lay == RK_LAY_REDUCED) {
    tile.axis = RK_LANES_REDUCED;
    tile.lanes = ALONG_COLUMNS / size;
    tile.rows = 1;
  }
  return tile;
}

/* ---- programs -------------------------------------------------------------------------------- */

/* Nothing is there afterwards: what could not be made is freed at once, and with its stage. */
static void free_lists(rk_tile_program *p) {
  free(p->list);
  free(p->number);
  *p = (rk_tile_program){.loops = NULL};
}

static void free_program(rk_pair_program *p) {
  for (int k = 0; k < RK_NESTS; k++) free_lists(&p->nest[k]);
  free_lists(&p->masked);
}

/* Data is packed in double, in chunks of so many rows at most. */
enum { PACKED = 64, LEAST = 8 };

/* Loops for vectors of 64 bytes have run on no processor yet: they are there for tests that ask for
 * them. */
static int loop_bytes(const rk_stage *stage) {
  const char *asked = getenv("RKEOPS_VECTORS");
  return stage->vectors > 32 && !(asked && *asked) ? 32 : stage->vectors;
}

static int lanes_of(const rk_pair_program *p) { return p->tile.rows * p->tile.lanes; }

static void make_pairs(rk_pair_program *p, const rk_stage *stage) {
  const int kept = p->tile.axis == RK_LANES_KEPT;
  rk_tile_shape shape = {.axis = p->tile.axis, .lanes = lanes_of(p),
                         .outer = kept ? MOST_COLUMNS : 1, .reorders = p->tile.reorders,
                         .bytes = NEAR};
  rk_tile_program *const pair = &p->nest[RK_NEST_PAIR];
  pair->loops = p->masked.loops = rk_tile_loops_of(loop_bytes(stage), p->size == 8);
  rk_make_program(pair, &stage->pass, RK_NEST_PAIR, shape);
  shape.masks = p->tile.masks || !kept;
  if (shape.masks) rk_make_program(&p->masked, &stage->pass, RK_NEST_PAIR, shape);
}

static void make_packing(rk_pair_program *p, const rk_stage *stage) {
  const int lanes = lanes_of(p);
  for (int k = 0; k < RK_NEST_PAIR; k++) {
    const int rows = k == RK_NEST_PARAMETER ? LEAST : lanes > PACKED ? lanes : PACKED;
    const rk_tile_shape shape = {.lanes = rows, .outer = 1, .bytes = NEAR};
    p->nest[k].loops = rk_tile_loops_of(loop_bytes(stage), 1);
    rk_make_program(&p->nest[k], &stage->pass, (rk_nest_kind)k, shape);
  }
}

/* A number that no other program has. */
static uint64_t next_serial(void) {
  static atomic_uint_fast64_t last;
  return atomic_fetch_add(&last, 1) + 1;
}

static rk_pair_program start_program(const rk_pass *pass) {
  const rk_reduction *entry = pass->reduction->reduction;
  rk_pair_program p = {.reduction = entry, .state = pass->state,
                       .size = rk_real_size(&pass->options), .factor = pass->factor,
                       .is_sum = !rk_keeps_values(entry)};
  for (int k = 0; k < RK_NEST_PAIR; k++) p.record[k] = pass->slots[k].size;
  return p;
}

static int has_failed(const rk_pair_program *p) {
  int failed = p->masked.failed;
  for (int k = 0; k < RK_NESTS; k++) failed |= p->nest[k].failed;
  return failed;
}

static int make_program(rk_pair_program *p, const rk_stage *stage, rk_lay lay) {
  const rk_pass *pass = &stage->pass;
  const rk_reduction *entry = pass->reduction->reduction;
  *p = start_program(pass);
  p->tile = tile_of(stage, lay);
  const rk_summing summing = rk_summing_of(pass);
  p->is_merged = !p->is_sum && entry->entering == RK_ENTERING_NONE;
  p->flush = summing.never ? 1 << 30 : p->tile.flush;
  make_pairs(p, stage);
  make_packing(p, stage);
  const rk_tile_loops *loops = p->nest[RK_NEST_PAIR].loops;
  p->sums = loops->sums[summing.longs];
  p->list = loops->lists[entry->entering];
  if (p->is_merged) {
    p->list.start = rk_merge_start;
    p->list.leave = rk_merge_leave;
  }
  return !has_failed(p);
}

/* What all modules have besides. */
static void complete(rk_module *module, const rk_pair_program *p) {
  module->parameters = rk_pack_builtin_parameters;
  module->rows = rk_pack_builtin_rows;
  module->columns = rk_pack_builtin_columns;
  module->program = p;
  module->serial = next_serial();
}

static int make_module(const rk_stage *stage, modules *m, rk_lay lay) {
  rk_pair_program *p = &m->program[lay];
  if (!make_program(p, stage, lay)) {
    free_program(p);
    return 0;
  }
  m->module[lay] = (rk_module){.tile = p->tile, .work = rk_builtin_work(p),
                               .state = rk_builtin_state(p), .pair = rk_pair_builtin};
  complete(&m->module[lay], p);
  return 1;
}

/* Is there a kernel? 0: out of memory. */
static int ask_for_kernel(const rk_stage *stage, modules *m, int walks) {
  rk_pair_program *p = &m->program[RK_LAYS + walks];
  rk_module *module = &m->module[RK_LAYS + walks];
  m->asked[walks] = 1;
  *p = start_program(&stage->pass);
  if (!rk_find_built(&stage->pass, stage->vectors, walks, p)) return 1;
  make_packing(p, stage);
  if (has_failed(p)) {
    free_program(p);
    m->asked[walks] = 0;
    return 0;
  }
  *module = rk_built_module(&stage->pass, p);
  complete(module, p);
  return 1;
}

/* Kernels have lanes along the kept index. Where few rows are kept loops have them along the
 * columns, save for what selects: walks that leave pairs out see the same bits as those that do
 * not. */
static int suits_kernels(const rk_stage *stage, rk_sizes sizes, rk_lay lay) {
  const int64_t lanes = stage->vectors / rk_real_size(&stage->pass.options);
  return lay != RK_LAY_REDUCED || 2 * sizes.kept > lanes ||
         rk_keeps_values(stage->pass.reduction->reduction);
}

/* NULL: out of memory. */
static const rk_module *module_of(rk_stage *stage, rk_sizes sizes, const rk_walk *walk) {
  const rk_lay lay = lay_of(stage, sizes, walk);
  modules *m = modules_of(stage);
  if (!m) {
    m = calloc(1, sizeof *m);
    if (!m) return NULL;
    rk_stage_set_part(stage, &rk_backend_builtin, m);
  }
  const int walks = walk != NULL;
  if (suits_kernels(stage, sizes, lay)) {
    if (!m->asked[walks] && !ask_for_kernel(stage, m, walks)) return NULL;
    if (m->module[RK_LAYS + walks].pair) return &m->module[RK_LAYS + walks];
  }
  return m->module[lay].pair || make_module(stage, m, lay) ? &m->module[lay] : NULL;
}

/* ---- the backend ----------------------------------------------------------------------------- */

static int is_built(const rk_wanted *wanted) {
  (void)wanted;
  return 1;
}

/* There is no text but the plan. */
static rk_status source(const rk_wanted *wanted, int n, rk_text *text, rk_error *error) {
  for (int k = 0; k < n; k++) rk_plan_head(&wanted[k].stage->pass, NULL, "", text);
  return text->failed ? rk_fail_memory(error, text->length) : RK_OK;
}

static rk_status run(const rk_job *job, rk_caller caller) {
  const rk_module *module = module_of(job->stage, job->sizes, job->walk);
  if (!module) return rk_fail_memory(caller.error, sizeof(modules));
  return rk_run_tasks(job, module, caller);
}

static void forget(rk_stage *stage) {
  modules *m = modules_of(stage);
  for (int k = 0; m && k < RK_LAYS + BUILT; k++) free_program(&m->program[k]);
  free(m);
  rk_stage_set_part(stage, &rk_backend_builtin, NULL);
}

static void explain(const rk_wanted *wanted, rk_layout *layout, rk_text *lines) {
  const rk_lay lay = lay_of(wanted->stage, wanted->sizes, wanted->walk);
  rk_pair_program own = {.size = 0};
  const int is_built = suits_kernels(wanted->stage, wanted->sizes, lay) &&
                       rk_find_built(&wanted->stage->pass, wanted->stage->vectors,
                                     wanted->walk != NULL, &own);
  const rk_tile tile = is_built ? own.tile : tile_of(wanted->stage, lay);
  const int kept = tile.axis == RK_LANES_KEPT, lanes = tile.rows * tile.lanes;
  layout->rows = kept ? lanes : 1;
  layout->columns = is_built ? tile.columns : kept ? MOST_COLUMNS : lanes;
  layout->flush = tile.flush;
  rk_text_format(lines, "tile_rows: %d\ntile_columns: %d\nlanes_along: %s\n", layout->rows,
                 layout->columns, kept ? "rows" : "columns");
  if (is_built) rk_text_format(lines, "kernel: %s\n", own.built.name);
}

const rk_backend rk_backend_builtin = {
  .name = "builtin", .shows_rows = 1, .takes_bounds = 1, .check = rk_host_check,
  .is_built = is_built,
  .source = source, .run = run, .forget = forget, .explain = explain};
