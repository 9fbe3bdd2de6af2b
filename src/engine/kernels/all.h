/* The kernels for vectors of RK_BYTES: what a file includes once compilers know for which
 * processors that is; RK_DOUBLE_ONLY: of doubles. */
#include "kernels/tables.h"

#ifdef __clang__
#pragma clang fp contract(fast)
#endif
#include "names.h"
#include "interval.h"
#include "walked.h"
#undef RK_NO_POSITION /* tile.h has it too */
#define RK_TYPE 64
#include "lanes.h"
#include "tile.h"
#include "sums.h"
#undef RK_TYPE
#define RK_TYPE 32
#include "lanes.h"
#include "tile.h"
#include "sums.h"
#undef RK_TYPE

/* Names that all texts have. */
#define RK_JOIN_(name, text) name##_##text
#define RK_JOIN(name, text) RK_JOIN_(name, text)
#define RK_OWN(name) RK_JOIN(name, RK_TEXT)
#define rk_state RK_OWN(rk_state)
#define rk_sum RK_OWN(rk_sum)
#define rk_start RK_OWN(rk_start)
#define rk_flush RK_OWN(rk_flush)
#define rk_raise RK_OWN(rk_raise)
#define rk_leave RK_OWN(rk_leave)
#define rk_changes RK_OWN(rk_changes)
#define rk_enter RK_OWN(rk_enter)
#define rk_tile RK_OWN(rk_tile)
#define rk_walk RK_OWN(rk_walk)
#define rk_pair RK_OWN(rk_pair)
#define rk_stride RK_OWN(rk_stride)
#define K RK_OWN(K)

/* What functions take besides: sizes, and the factor of sums. */
#define RK_UNUSED __attribute__((unused))
#define RK_TAKES , const int rk_d RK_UNUSED, const int rk_e RK_UNUSED, \
    const double factor RK_UNUSED
#define RK_GIVES , rk_d, rk_e, factor
#define RK_STRIDE ((sizeof(rk_state) + 127) / 64 * 64)
#define rk_span(k, n) for (int k = 0; k < (n); k++)

#include "kernels/instances.def"

#define TEXT(number, bits, ...) ENTRY_##bits(number)
#define ENTRY_64(number) {rk_pair_##number, rk_stride_##number},
#ifdef RK_DOUBLE_ONLY
#define ENTRY_32(number) {0, 0},
#else
#define ENTRY_32(number) ENTRY_64(number)
#endif
