/* What emitted CUDA kernels need besides cuda.h: the counterpart of tile.h, for one thread. */

//@ base
#define restrict __restrict__
#define rk_each(k, n) for (int k = 0; k < (n); k++) /* known bounds: NVRTC unrolls by itself */
#define RK_RARE static __device__ __noinline__
#define RK_NO_POSITION 0x7fffffffffffffffLL /* "no position", after every position */
#define RK_LARGEST_32 3.40282346638528859812e38f
#define RK_LARGEST_64 1.79769313486231570815e308
#define rk_lane(value, l) (value)

//@ sum_wide
typedef double rk_sum_wide;
RK_INLINE void rk_sum_wide_start(rk_sum_wide *sum) { *sum = 0; }
RK_INLINE void rk_sum_wide_add(rk_sum_wide *sum, vec a) { *sum += a; }
RK_INLINE void rk_sum_wide_scale(rk_sum_wide *sum, vec factor) { *sum *= factor; }
RK_INLINE double rk_sum_wide_lane(const rk_sum_wide *sum, int) { return *sum; }

//@ sum_same
typedef real rk_sum_same;
RK_INLINE void rk_sum_same_start(rk_sum_same *sum) { *sum = 0; }
RK_INLINE void rk_sum_same_add(rk_sum_same *sum, vec a) { *sum += a; }
RK_INLINE void rk_sum_same_scale(rk_sum_same *sum, vec factor) { *sum *= factor; }
RK_INLINE double rk_sum_same_lane(const rk_sum_same *sum, int) { return *sum; }

//@ sum_kahan
typedef struct { real lane, rest; } rk_sum_kahan;
RK_INLINE void rk_sum_kahan_start(rk_sum_kahan *sum) { sum->lane = sum->rest = 0; }
RK_INLINE void rk_sum_kahan_add(rk_sum_kahan *sum, vec a) {
  const real term = a - sum->rest, next = sum->lane + term;
  sum->rest = (next - sum->lane) - term;
  sum->lane = next;
}
RK_INLINE void rk_sum_kahan_scale(rk_sum_kahan *sum, vec factor) {
  sum->lane *= factor;
  sum->rest *= factor;
}
RK_INLINE double rk_sum_kahan_lane(const rk_sum_kahan *sum, int) {
  return (double)sum->lane - (double)sum->rest;
}
