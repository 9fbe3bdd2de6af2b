/* What emitted C kernels need besides lanes.h: loops over register tiles, and sums of many terms.
 * The same form of sections as lanes.h, pasted after it. */

//@ base
/* A loop with few, known steps: unrolled, so that arrays indexed by k become registers. */
#ifdef __clang__
#define rk_each(k, n) _Pragma("clang loop unroll(full)") for (int k = 0; k < (n); k++)
#else
#define rk_each(k, n) _Pragma("GCC unroll 64") for (int k = 0; k < (n); k++)
#endif
#define RK_RANKS /* before a loop over K ranks: they may be many */
#define RK_NO_POSITION 0x7fffffffffffffffLL /* "no position", after every position */
#define RK_LARGEST_32 3.40282346638528859812e38f
#define RK_LARGEST_64 1.79769313486231570815e308
#define rk_lane(value, l) ((value)[l])
#define rk_where(condition, a) ((vec)((uvec)(a) & (uvec)(condition))) /* 0 in other lanes */

//@ sum_wide
/* Float lanes summed in double. */
typedef struct { double lane[RK_LANES]; } rk_sum_wide;
typedef double RK(rk_half) __attribute__((vector_size(RK_BYTES), aligned(8), may_alias));
typedef real RK(rk_low) __attribute__((vector_size(RK_BYTES / 2), aligned(4), may_alias));
RK_INLINE void rk_sum_wide_start(rk_sum_wide *sum) {
  for (int l = 0; l < RK_LANES; l++) sum->lane[l] = 0;
}
RK_INLINE void rk_sum_wide_add(rk_sum_wide *sum, vec a) {
  enum { HALF = RK_LANES / 2 };
  RK(rk_half) *const low = (RK(rk_half) *)sum->lane, *const high = low + 1;
  *low += __builtin_convertvector(((const RK(rk_low) *)&a)[0], RK(rk_half));
  *high += __builtin_convertvector(((const RK(rk_low) *)&a)[1], RK(rk_half));
}
RK_INLINE void rk_sum_wide_scale(rk_sum_wide *sum, vec factor) {
  for (int l = 0; l < RK_LANES; l++) sum->lane[l] *= factor[l];
}
RK_INLINE double rk_sum_wide_lane(const rk_sum_wide *sum, int l) { return sum->lane[l]; }
