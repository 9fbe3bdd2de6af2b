/* How a pass is laid out on a CPU. */
#include "cpu/kernel.h"

/* Rows in a vector. */
static int lanes_of(const rk_stage *stage) {
  return stage->vectors / rk_real_size(&stage->pass.options);
}

/* Blocks of one vector of rows are for segments that would leave most of a wide block idle: the
 * kernel does less for a column then. */
static int is_narrow(const rk_stage *stage, const rk_walk *walk) {
  int64_t lanes = lanes_of(stage);
  const int tile_rows = rk_tile_choose(&stage->pass, RK_LAY_WALK, stage->vectors).rows;
  return tile_rows > 1 &&
         rk_walk_filled(walk, lanes * tile_rows) > 1.5 * rk_walk_filled(walk, lanes);
}

/* Lanes along the kept index read R's columns as they are; with fewer rows than half a vector most
 * lanes would idle. */
rk_lay rk_lay_choose(const rk_stage *stage, rk_sizes sizes, const rk_walk *walk) {
  int lanes = lanes_of(stage);
  if (walk && walk->bounded) return RK_LAY_REORDERED; /* a box is looked at for all of its rows */
  if (walk) {
    rk_lay lay = rk_walk_reorders(walk) ? RK_LAY_REORDERED : RK_LAY_WALK;
    return is_narrow(stage, walk) ? lay + 1 : lay;
  }
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

int rk_block_rows(const rk_tile *tile) {
  return tile->axis == RK_LANES_KEPT ? tile->rows * tile->lanes : tile->rows;
}

int rk_block_columns(const rk_tile *tile) {
  return tile->axis == RK_LANES_KEPT ? 1 : tile->columns * tile->lanes;
}
