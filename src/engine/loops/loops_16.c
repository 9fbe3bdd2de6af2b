/* Loops for vectors of 16 bytes, which every processor has. */
#define RK_BYTES 16
#include "loops/both.h"

const rk_tile_loops *const rk_tile_loops_16[2] = {&loops_32, &loops_64};
