/* The functions of a module: packing, and the walk of blocks of rows over intervals of columns. */
#include "builtin/program.h"
#include "rounding.h"

#include <string.h>

static void run_list(const rk_tile_run *run, const rk_tile_program *p) {
  for (const rk_instruction *in = p->list; in < p->list + p->count; in++) in->loop(run, in);
}

/* ---- packing --------------------------------------------------------------------------------- */

static rk_tile_run packing(const double *const *x, const long long *ld, const double *params,
                           void *out, char *work, const rk_tile_program *p) {
  rk_tile_run run = {.input = x, .ld = ld, .out = out, .outer = 1};
  run.base[RK_AT_TILE] = work;
  run.base[RK_AT_PARAMETER] = (char *)params;
  run.base[RK_AT_NUMBER] = (char *)p->number;
  return run;
}

/* One row, of which there are copies for a whole vector. */
void rk_pack_builtin_parameters(const double *const *x, const long long *ld, const double *params,
                                void *out, long long n, char *work, const void *program) {
  const rk_tile_program *p = &((const rk_pair_program *)program)->nest[RK_NEST_PARAMETER];
  rk_tile_run run = packing(x, ld, params, out, work, p);
  run.lanes = p->lanes;
  run.valid = (int)n;
  run.record = 1;
  run_list(&run, p);
}

/* Along the lanes a whole block, else records. */
static void pack_side(rk_tile_run *run, long long n, const rk_pair_program *program,
                      rk_nest_kind side) {
  const rk_tile_program *p = &program->nest[side];
  const int in_lanes = (side == RK_NEST_ROW) == (program->tile.axis == RK_LANES_KEPT);
  run->lanes = run->valid = (int)n;
  run->record = in_lanes ? 0 : program->record[side];
  run_list(run, p);
}

void rk_pack_builtin_rows(const double *const *x, const long long *ld, const double *params,
                          void *out, long long n, char *work, const void *program) {
  const rk_pair_program *p = program;
  rk_tile_run run = packing(x, ld, params, out, work, &p->nest[RK_NEST_ROW]);
  pack_side(&run, n, p, RK_NEST_ROW);
}

void rk_pack_builtin_columns(const double *const *x, const long long *ld, const double *params,
                             void *out, long long n, char *work, const void *program) {
  const rk_pair_program *p = program;
  rk_tile_run run = packing(x, ld, params, out, work, &p->nest[RK_NEST_COLUMN]);
  pack_side(&run, n, p, RK_NEST_COLUMN);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static size_t rounded(size_t bytes) { return (size_t)rk_round_up((int64_t)bytes, 64); }

/* Parts of a state, one after the other: head, shorts, longs; or values, positions, and the list of
 * a pair, where lists are merged. */
typedef struct { size_t part[3], all; } state_bytes;

static state_bytes bytes_of_state(const rk_pair_program *p) {
  size_t lanes = (size_t)p->nest[RK_NEST_PAIR].lanes, components = (size_t)p->state.components;
  size_t numbers = lanes * components, size = (size_t)p->size;
  state_bytes bytes = {{0}, 0};
  if (p->is_sum) {
    bytes.part[0] = p->reduction->has_head ? lanes * size : 0;
    bytes.part[1] = numbers * size;
    bytes.part[2] = numbers * p->sums.bytes;
  } else {
    size_t each = p->is_merged ? sizeof(double) : size;
    bytes.part[0] = bytes.part[1] = numbers * (size_t)p->state.K * each;
    bytes.part[2] = p->is_merged ? 2 * (size_t)p->state.K * sizeof(double) : 0;
  }
  for (int k = 0; k < 3; k++) bytes.all += bytes.part[k] = rounded(bytes.part[k]);
  return bytes;
}

size_t rk_builtin_state(const rk_pair_program *p) { return bytes_of_state(p).all + 64; }

static size_t buffer_bytes(const rk_tile_program *p) {
  const size_t numbers = (size_t)p->tiles * (size_t)p->lanes * (size_t)p->outer;
  return p->loops ? rounded(numbers * (size_t)p->loops->size) : 0;
}

/* The buffer of the largest nest, limits of lanes, a state. */
static size_t limit_bytes(const rk_pair_program *p) {
  return rounded((size_t)p->nest[RK_NEST_PAIR].lanes * (size_t)p->size);
}

static size_t most_buffer(const rk_pair_program *p) {
  size_t most = buffer_bytes(&p->masked);
  for (int k = 0; k < RK_NESTS; k++) {
    size_t bytes = buffer_bytes(&p->nest[k]);
    if (bytes > most) most = bytes;
  }
  return most;
}

size_t rk_builtin_work(const rk_pair_program *p) {
  return most_buffer(p) + 2 * limit_bytes(p) + rk_builtin_state(p);
}

static void take_state(rk_tile_run *run, const rk_pair_program *p, char *at) {
  const state_bytes bytes = bytes_of_state(p);
  if (p->is_sum) {
    run->head = bytes.part[0] ? at : NULL;
    run->shorts = at + bytes.part[0];
    run->longs = at + bytes.part[0] + bytes.part[1];
  } else {
    run->values = at;
    run->positions = at + bytes.part[0];
    run->merged = at + bytes.part[0] + bytes.part[1];
  }
}

/* ---- pairs ----------------------------------------------------------------------------------- */

typedef struct {
  const rk_pair_program *program;
  const rk_tile_program *pair;
  const rk_walked *walked;
  rk_tile_run run;
  const char *columns;
  const int *row_at;             /* of the rows of the block */
  long long left;                /* columns of a lane until sums are flushed */
} walking;

static void start_state(const walking *w) {
  (w->program->is_sum ? w->program->sums.start : w->program->list.start)(&w->run);
}

static void leave_state(walking *w, long long block) {
  const rk_pair_program *p = w->program;
  const long long row = block * w->run.lanes;
  w->run.to_values = w->walked->values + row;
  w->run.to_positions = p->state.positions ? w->walked->positions + row : NULL;
  (p->is_sum ? p->sums.leave : p->list.leave)(&w->run);
}

static void flush(walking *w) {
  if (w->program->is_sum) w->program->sums.flush(&w->run);
  w->left = w->program->flush;
}

/* Which rows take part: positions of columns between `low` and `high`, both left out. */
static void set_limits(walking *w, const rk_interval *own) {
  enum { LAST = 0x7fffffff };
  for (int l = 0; l < w->run.lanes; l++) {
    const int is_in = own->first <= l && l < own->last;
    const long long low = is_in ? (long long)w->row_at[l] + own->lower - 1 : LAST;
    const long long high = (long long)w->row_at[l] + own->upper + 1;
    if (w->program->size == 8) {
      ((long long *)w->run.low)[l] = low;
      ((long long *)w->run.high)[l] = high;
    } else {
      ((int *)w->run.low)[l] = (int)(low < -LAST ? -LAST : low > LAST ? LAST : low);
      ((int *)w->run.high)[l] = (int)(high < -LAST ? -LAST : high > LAST ? LAST : high);
    }
  }
}

static void run_tile(walking *w, int masked) {
  const rk_tile_program *p = masked ? &w->program->masked : w->pair;
  w->run.base[RK_AT_NUMBER] = (char *)p->number;
  run_list(&w->run, p);
}

/* Lanes along the kept index: columns are records. */
static void walk_records(walking *w, const rk_interval *own) {
  rk_tile_run *run = &w->run;
  const ptrdiff_t record = (ptrdiff_t)w->program->record[RK_NEST_COLUMN] * w->program->size;
  const int most = own->masked ? w->program->masked.outer : w->pair->outer;
  if (own->masked) set_limits(w, own);
  for (long long j = own->from; j < own->end; j += run->outer) {
    long long n = own->end - j;
    if (n > most) n = most;
    if (n > w->left) n = w->left;
    run->outer = (int)n;
    run->column = j;
    run->base[RK_AT_OUTER] = (char *)w->columns + j * record;
    run_tile(w, own->masked);
    if (!(w->left -= n)) flush(w);
  }
}

/* Lanes along the reduced index: blocks of columns, the last one masked. */
static void walk_lanes(walking *w, const rk_interval *own) {
  rk_tile_run *run = &w->run;
  const ptrdiff_t record = (ptrdiff_t)w->program->record[RK_NEST_COLUMN] * w->program->size;
  for (long long j = own->from; j < own->end; j += run->lanes) {
    const long long n = own->end - j;
    run->valid = n < run->lanes ? (int)n : run->lanes;
    run->column = j;
    run->base[RK_AT_LANES] = (char *)w->columns + j * record;
    run_tile(w, n < run->lanes);
    if (!--w->left) flush(w);
  }
}

static walking begin(const rk_walked *given) {
  const rk_pair_program *p = given->program;
  const rk_tile_program *pair = &p->nest[RK_NEST_PAIR];
  const int kept = p->tile.axis == RK_LANES_KEPT;
  walking w = {.program = p, .pair = pair, .walked = given, .columns = given->columns,
               .left = p->flush};
  rk_tile_run *run = &w.run;
  *run = (rk_tile_run){.lanes = pair->lanes, .outer = 1, .K = p->state.K,
                       .components = p->state.components, .column_at = given->column_at,
                       .along_lanes = !kept, .factor = p->factor,
                       .first = given->first, .to_ld = given->ld, .size = p->size,
                       .entry = p->reduction};
  run->base[RK_AT_TILE] = given->work;
  run->base[RK_AT_PARAMETER] = (char *)given->params;
  run->step[RK_AT_TILE] = pair->lanes;
  run->step[RK_AT_OUTER] = p->record[kept ? RK_NEST_COLUMN : RK_NEST_ROW];
  run->low = given->work + most_buffer(p);
  run->high = (char *)run->low + limit_bytes(p);
  return w;
}

void rk_pair_builtin(const rk_walked *given) {
  walking w = begin(given);
  const rk_pair_program *p = w.program;
  const int kept = p->tile.axis == RK_LANES_KEPT, rows = kept ? w.pair->lanes : 1;
  const ptrdiff_t block = (ptrdiff_t)p->record[RK_NEST_ROW] * rows * p->size;
  char *own = (char *)w.run.high + limit_bytes(p);
  for (long long b = 0; b < given->blocks; b++) {
    w.run.base[kept ? RK_AT_LANES : RK_AT_OUTER] = (char *)given->rows + b * block;
    w.row_at = given->row_at ? given->row_at + b * rows : NULL;
    take_state(&w.run, p, given->states ? given->states + b * rk_builtin_state(p) : own);
    if (given->starts) start_state(&w);
    for (int64_t k = 0; k < given->intervals; k++) { /* of none the list is NULL */
      if (kept) walk_records(&w, &given->list[k]);
      else walk_lanes(&w, &given->list[k]);
    }
    flush(&w);
    if (given->ends) leave_state(&w, b);
  }
}
