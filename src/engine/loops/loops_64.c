/* Loops for vectors of 64 bytes: AVX-512. */
#include "loops/tables.h"

#ifdef RK_HAS_WIDE_LOOPS
#ifdef __clang__ /* whose pragma says nothing to the preprocessor */
#define __AVX__ 1
#define __AVX2__ 1
#define __FMA__ 1
#define __AVX512F__ 1
#define __AVX512DQ__ 1
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,fma")
#endif
#define RK_BYTES 64
#include "loops/both.h"
#ifdef __clang__
#pragma clang attribute pop
#endif

const rk_tile_loops *const rk_tile_loops_64[2] = {&loops_32, &loops_64};
#endif
