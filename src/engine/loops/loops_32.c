/* Loops for vectors of 32 bytes: AVX2 with FMA. */
#include "loops/tables.h"

#ifdef RK_HAS_WIDE_LOOPS
#ifdef __clang__ /* whose pragma says nothing to the preprocessor */
#define __AVX__ 1
#define __AVX2__ 1
#define __FMA__ 1
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define RK_BYTES 32
#include "loops/both.h"
#ifdef __clang__
#pragma clang attribute pop
#endif

const rk_tile_loops *const rk_tile_loops_32[2] = {&loops_32, &loops_64};
#endif
