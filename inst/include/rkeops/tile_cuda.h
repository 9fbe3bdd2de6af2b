/* What emitted CUDA kernels need besides cuda.h: the counterpart of tile.h, for one thread, and
 * what C cannot say. An emulation on a host supplies the four functions of the machine itself. */

//@ base
#define restrict __restrict__
#define RK_UNROLLED _Pragma("unroll")
#define rk_each(k, n) RK_UNROLLED for (int k = 0; k < (n); k++)
#define rk_rolled(k, n) _Pragma("unroll 1") for (int k = 0; k < (n); k++) /* of large bodies */
#define RK_NO_POSITION 0x7fffffffffffffffLL /* "no position", after every position */
#define RK_NOWHERE (-1) /* the same inside a kernel, where positions count from its first column */
#define RK_LAST 0x7fffffff /* no position is after it there */
#define RK_LARGEST_32 3.40282346638528859812e38f
#define RK_LARGEST_64 1.79769313486231570815e308
#define rk_lane(value, l) (value)
#define rk_where(condition, a) ((condition) ? (a) : 0)

#ifndef RKEOPS_EMULATED
/* Half precision as bits, rounded to nearest. */
RK_INLINED unsigned short rk_float_to_half(float a) {
  unsigned short h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(a));
  return h;
}
RK_INLINED float rk_half_to_float(unsigned short h) {
  float a;
  asm("cvt.f32.f16 %0, %1;" : "=f"(a) : "h"(h));
  return a;
}

/* 16 bytes from global to shared memory, there after rk_copy_wait_all of the thread that asked for
 * them. */
RK_INLINED void rk_copy_async_16(void *to, const void *from) {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
               : : "r"((unsigned)__cvta_generic_to_shared(to)), "l"(from) : "memory");
#else
  *(int4 *)to = *(const int4 *)from;
#endif
}
RK_INLINED void rk_copy_wait_all() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_all;" : : : "memory");
#endif
}
#endif

/* Both addresses and `bytes` are multiples of 16. */
RK_INLINED void rk_copy(void *to, const void *from, int bytes) {
  for (int at = 16 * threadIdx.x; at < bytes; at += 16 * blockDim.x)
    rk_copy_async_16((char *)to + at, (const char *)from + at);
}

/* The same by all `threads` threads of a block, known to the compiler. */
template <int threads, int bytes> RK_INLINED void rk_copy_all(void *to, const void *from) {
  char *const t = (char *)to + 16 * threadIdx.x;
  const char *const f = (const char *)from + 16 * threadIdx.x;
  RK_UNROLLED for (int at = 0; at + 16 * threads <= bytes; at += 16 * threads)
    rk_copy_async_16(t + at, f + at);
  const int rest = bytes % (16 * threads);
  if (rest && 16 * threadIdx.x < rest) rk_copy_async_16(t + bytes - rest, f + bytes - rest);
}

/* A finite parameter stays finite: 0 times it is 0. */
RK_INLINED float rk_narrow32(double a) {
  if (a > RK_LARGEST_32 && a < RK_INF) return RK_LARGEST_32;
  if (a < -RK_LARGEST_32 && a > -RK_INF) return -RK_LARGEST_32;
  return (float)a;
}
#define rk_narrow64(a) (a)

/* Names in the code of the table of reductions. */
#define int64_t long long
#define ptrdiff_t long long
#ifndef INFINITY
#define INFINITY RK_INF
#define NAN RK_NAN
#endif
#ifndef DBL_MAX
#define DBL_MAX RK_LARGEST_64
#endif
#define ln2 0.69314718055994530942
typedef struct { double head, sum, first, value; } rk_row_state;

/* Four rows or columns of a component, read at once when all of them are wanted (k is a constant
 * then); else the one at `rest`. */
template <class T> struct __align__(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) rk_quad {
  T a, b, c, d;
};
template <class T>
RK_INLINED T rk_get(const rk_quad<T> *restrict p, const int all, const int k, int rest) {
  if (!all) return (&p->a)[rest];
  const rk_quad<T> q = *p;
  return k == 0 ? q.a : k == 1 ? q.b : k == 2 ? q.c : q.d;
}

//@ sum_wide
typedef double rk_sum_wide;
RK_INLINE void rk_sum_wide_start(rk_sum_wide *sum) { *sum = 0; }
RK_INLINE void rk_sum_wide_add(rk_sum_wide *sum, vec a) { *sum += a; }
RK_INLINE void rk_sum_wide_scale(rk_sum_wide *sum, vec factor) { *sum *= factor; }
RK_INLINE double rk_sum_wide_lane(const rk_sum_wide *sum, int) { return *sum; }
