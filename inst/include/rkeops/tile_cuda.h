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
