/* Lists whose entry has text only: states lie as those of the host do, and a value enters as the
 * state of one pair, merged. */
#include "builtin/program.h"

static ptrdiff_t values_of(const rk_tile_run *run) {
  return (ptrdiff_t)run->components * run->K * run->lanes;
}

/* The list of a pair, of which the first value changes, lies behind the states. */
static rk_states list_of_one(const rk_tile_run *run) {
  double *const v = (double *)run->merged;
  return (rk_states){v, (int64_t *)(v + run->K), 1};
}

void rk_merge_start(const rk_tile_run *run) {
  const rk_states one = list_of_one(run);
  double *const v = run->values;
  int64_t *const at = run->positions;
  for (ptrdiff_t k = 0; k < values_of(run); k++) {
    v[k] = run->entry->neutral;
    at[k] = RK_NO_POSITION;
  }
  for (int r = 0; r < run->K; r++) {
    one.values[r] = run->entry->neutral;
    one.positions[r] = RK_NO_POSITION;
  }
}

void rk_merge_leave(const rk_tile_run *run) {
  const double *const v = run->values;
  const int64_t *const at = run->positions;
  for (int c = 0; c < run->components * run->K; c++)
    for (int l = 0; l < run->lanes; l++) {
      const ptrdiff_t from = (ptrdiff_t)c * run->lanes + l, to = c * run->to_ld + l;
      run->to_values[to] = v[from];
      if (run->to_positions)
        run->to_positions[to] = at[from] == RK_NO_POSITION ? at[from] : run->first + at[from];
    }
}

static double value_at(const rk_tile_run *run, rk_at x, int v, int l) {
  const int own = rk_is_along_lanes(x) ? l : 0;
  const ptrdiff_t at = x.offset + (ptrdiff_t)v * run->step[x.base] + own;
  return run->size == 8 ? ((const double *)run->base[x.base])[at]
                   : (double)((const float *)run->base[x.base])[at];
}

static int64_t position_at(const rk_tile_run *run, int v, int l) {
  const int64_t j = run->column + (run->along_lanes ? l : v);
  return !run->along_lanes && run->column_at ? run->column_at[j] : j;
}

void rk_merge_enter(const rk_tile_run *run, const rk_instruction *in) {
  const rk_reduction *r = run->entry;
  const rk_states one = list_of_one(run);
  const ptrdiff_t first = (ptrdiff_t)in->k * run->K * run->lanes;
  for (int v = 0; v < run->outer; v++)
    for (int l = 0; l < run->lanes; l++) {
      const double value = value_at(run, in->x[0], v, l);
      if (r->keeps_positions && (value != value || value == r->neutral)) continue;
      one.values[0] = value;
      one.positions[0] = r->keeps_positions ? position_at(run, v, l) : RK_NO_POSITION;
      r->merge((double *)run->values + first + l, (int64_t *)run->positions + first + l, run->lanes,
               one.values, one.positions, 1, run->K);
    }
}
