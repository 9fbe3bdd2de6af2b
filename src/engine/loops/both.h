/* The loops in both types, as rk_tile_loops_BYTES: what a file for vectors of RK_BYTES includes,
 * once compilers know for which processors that is. */
#include "loops/tables.h"

enum { TOGETHER = 8 }; /* vectors whose powers are made together */

#undef RK_NO_POSITION /* tile.h has it too */
#define RK_TYPE 32
#include "loops/code.h"
#undef RK_TYPE
#define RK_TYPE 64
#include "loops/code.h"
#undef RK_TYPE
