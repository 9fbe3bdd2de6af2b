/* How a pass is laid out on a CPU. */
#include "cpu/kernel.h"

/* Rows in a vector. */
static int lanes_of(const rk_stage *stage) {
  return stage->vectors / rk_real_size(&stage->pass.options);
}

/* Lanes along the kept index read R's columns as they are; with fewer rows than half a vector most
 * lanes would idle. */
rk_lay rk_lay_choose(const rk_stage *stage, rk_sizes sizes, const rk_walk *walk) {
  int lanes = lanes_of(stage);
  if (walk)
    return rk_lay_of_walk(walk, lanes, rk_tile_choose(&stage->pass, RK_LAY_WALK,
                                                      stage->vectors).rows);
  return 2 * sizes.kept <= lanes && sizes.reduced >= 4 * lanes ? RK_LAY_REDUCED : RK_LAY_KEPT;
}

/* Vector registers hold the tile of folds and short sums: 16 of 32, 8 of 16. Panels, very wide
 * results and what the functions of a large nest share live in memory: one row of vectors at a time
 * keeps them near. K smallest with many lanes change more often than with few. Measured with
 * bench/gauss.R and bench/reductions.R. */
rk_tile rk_tile_choose(const rk_pass *pass, rk_lay lay, int bytes) {
  rk_tile tile = {.axis = lay == RK_LAY_REDUCED ? RK_LANES_REDUCED : RK_LANES_KEPT, .bytes = bytes,
                  .lanes = bytes / rk_real_size(&pass->options), .rows = bytes >= 64 ? 4 : 2,
                  .columns = 4, .flush = 64, .masks = lay >= RK_LAY_WALK,
                  .reorders = lay >= RK_LAY_REORDERED};
  if (pass->state.K > 1) tile.rows = 2;
  if (pass->nest[RK_NEST_PAIR].panel > 8 || pass->nest[RK_NEST_PAIR].is_large ||
      pass->state.components * pass->state.K > 2048 || lay == RK_LAY_WALK_NARROW ||
      lay == RK_LAY_REORDERED_NARROW)
    tile.rows = 1;
  return tile;
}
