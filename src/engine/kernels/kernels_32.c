/* Kernels for vectors of 32 bytes: AVX2 with FMA. */
#include "kernels/tables.h"

#ifdef RK_HAS_WIDE_KERNELS
#ifdef __clang__ /* whose pragma says nothing to the preprocessor */
#define __AVX__ 1
#define __AVX2__ 1
#define __FMA__ 1
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#define RK_BYTES 32
#include "kernels/all.h"
#ifdef __clang__
#pragma clang attribute pop
#endif

const rk_built_entry rk_built_32[] = {
#include "kernels/table.def"
};
#endif
