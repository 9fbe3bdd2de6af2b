/* Which loops this processor runs. */
#include "loops/tables.h"

const rk_tile_loops *rk_tile_loops_of(int bytes, int is_double) {
#ifdef RK_HAS_WIDE_LOOPS
  if (bytes >= 64 && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw"))
    return rk_tile_loops_64[is_double];
  if (bytes >= 32 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return rk_tile_loops_32[is_double];
#endif
  (void)bytes;
  return rk_tile_loops_16[is_double];
}
