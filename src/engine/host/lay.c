/* How the pairs of a walk are laid out, and the blocks of a tile. */
#include "error.h"
#include "host/kernel.h"

/* Narrow blocks are for segments that would leave most of a wide block idle: a kernel does less for
 * a column then. */
static int is_narrow(const rk_walk *walk, int64_t lanes, int rows) {
  return rows > 1 && rk_walk_filled(walk, lanes * rows) > 1.5 * rk_walk_filled(walk, lanes);
}

rk_lay rk_lay_of_walk(const rk_walk *walk, int lanes, int rows) {
  if (walk->bounded) return RK_LAY_REORDERED; /* a box is looked at for all of its rows */
  rk_lay lay = rk_walk_reorders(walk) ? RK_LAY_REORDERED : RK_LAY_WALK;
  return is_narrow(walk, lanes, rows) ? lay + 1 : lay;
}

int rk_block_rows(const rk_tile *tile) {
  return tile->axis == RK_LANES_KEPT ? tile->rows * tile->lanes : tile->rows;
}

int rk_block_columns(const rk_tile *tile) {
  return tile->axis == RK_LANES_KEPT ? 1 : tile->columns * tile->lanes;
}

rk_status rk_host_check(const rk_options *options, rk_error *error) {
  if (options->precision != RK_FLOAT16) return RK_OK;
  return rk_fail(error, RK_ERROR_DEVICE,
                 "the precision float16 is for GPUs only: see rkeops_use_gpu(), "
                 "rkeops_use_float32() and rkeops_use_float64()");
}
