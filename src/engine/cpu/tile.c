/* How a pass is laid out on a CPU. */
#include "cpu/kernel.h"

/* Lanes along the kept index read R's columns as they are; with fewer rows than half a vector most
 * lanes would idle. */
rk_lane_axis rk_axis_choose(const rk_stage *stage, rk_sizes sizes) {
  int lanes = stage->vectors / rk_real_size(&stage->pass.options);
  return 2 * sizes.kept <= lanes && sizes.reduced >= 4 * lanes ? RK_LANES_REDUCED : RK_LANES_KEPT;
}

/* Vector registers hold the tile of folds and short sums: 16 of 32, 8 of 16. Panels, very wide
 * results and what the functions of a large nest share live in memory: one row of vectors at a time
 * keeps them near. K smallest with many lanes change more often than with few. Measured with
 * bench/gauss.R and bench/reductions.R. */
rk_tile rk_tile_choose(const rk_pass *pass, rk_lane_axis axis, int bytes) {
  rk_tile tile = {.axis = axis, .bytes = bytes, .lanes = bytes / rk_real_size(&pass->options),
                  .rows = bytes >= 64 ? 4 : 2, .columns = 4, .flush = 64};
  if (pass->state.K > 1) tile.rows = 2;
  if (pass->nest[RK_NEST_PAIR].panel > 8 || pass->nest[RK_NEST_PAIR].is_large ||
      pass->state.components * pass->state.K > 2048)
    tile.rows = 1;
  return tile;
}

int rk_block_rows(const rk_tile *tile) {
  return tile->axis == RK_LANES_KEPT ? tile->rows * tile->lanes : tile->rows;
}

int rk_block_columns(const rk_tile *tile) {
  return tile->axis == RK_LANES_KEPT ? 1 : tile->columns * tile->lanes;
}
