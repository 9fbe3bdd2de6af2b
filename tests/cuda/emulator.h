/* CUDA C as host C++: the file that the stand-in for NVRTC puts before the text of a kernel.
 *
 * The text itself is not changed. A thread of a block is a fiber that stops only at barriers
 * (emulator.c), so that a wrong order of threads shows in the results, the address sanitizer sees
 * every access, and the thread sanitizer sees who waits for whom.
 *
 * Known: one translation unit without #include; extern "C" __global__ functions; static __shared__
 * arrays; __device__ functions; the mathematics listed below. A name that is missing here is an
 * error when the text is compiled. RKEOPS_EMULATED is defined: cuda.h then leaves out what it says
 * with the words of a GPU, and the functions of the same names stand at the end of this file. */
#ifndef RKEOPS_EMULATOR_H
#define RKEOPS_EMULATOR_H

#include "emulated.h"

#define RKEOPS_EMULATED 1
#define __CUDA_ARCH__ RKEOPS_EMULATED_ARCH

/* ---- words of the language ------------------------------------------------------------------- */

#define RK_UNSEEN __attribute__((no_sanitize("thread"))) /* no part of what is checked */

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __constant__ static

/* Shared arrays lie together, so that they can be poisoned when a block starts. For the thread
 * sanitizer each host thread has its own: launches of two host threads are not ordered. */
#ifdef __SANITIZE_THREAD__
#define __shared__ thread_local
#else
#define __shared__ static __attribute__((section("rk_shared")))
#endif

typedef __SIZE_TYPE__ size_t;
struct __align__(16) int4 { int x, y, z, w; };

static rk_place rk_now;
static const rk_emulator_calls *rk_emulator;
#define threadIdx (rk_now.thread)
#define blockIdx (rk_now.block)
#define blockDim (rk_now.threads)
#define gridDim (rk_now.blocks)

/* ---- threads that meet ----------------------------------------------------------------------- */

#define __syncthreads() rk_emulator->barrier(__LINE__)

/* ---- mathematics ----------------------------------------------------------------------------- */

#define RK_MATH_1(name)                      \
  extern "C" double name(double) noexcept;   \
  extern "C" float name##f(float) noexcept;
#define RK_MATH_2(name)                              \
  extern "C" double name(double, double) noexcept;   \
  extern "C" float name##f(float, float) noexcept;
RK_MATH_1(exp) RK_MATH_1(exp2) RK_MATH_1(expm1) RK_MATH_1(log) RK_MATH_1(log1p) RK_MATH_1(log2)
RK_MATH_1(sin) RK_MATH_1(cos) RK_MATH_1(sinh) RK_MATH_1(cosh) RK_MATH_1(tanh) RK_MATH_1(asin)
RK_MATH_1(acos) RK_MATH_1(atan) RK_MATH_1(sqrt) RK_MATH_1(floor) RK_MATH_1(round) RK_MATH_1(fabs)
RK_MATH_2(pow) RK_MATH_2(atan2) RK_MATH_2(fmin) RK_MATH_2(fmax) RK_MATH_2(copysign)
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline double rsqrt(double x) { return 1.0 / sqrt(x); }
template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }

template <class To, class From> static inline To rk_same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "of one size");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}
static inline float __int_as_float(int x) { return rk_same_bits<float>(x); }
static inline float __uint_as_float(unsigned x) { return rk_same_bits<float>(x); }
static inline unsigned __float_as_uint(float x) { return rk_same_bits<unsigned>(x); }

/* ---- what cuda.h has one function for -------------------------------------------------------- */

static inline float rk_half_to_float(unsigned short half) {
  unsigned sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31, digits = half & 1023;
  if (exponent == 31) return __uint_as_float(sign | 0x7f800000u | digits << 13);
  if (exponent) return __uint_as_float(sign | (exponent + 112) << 23 | digits << 13);
  float small = (float)digits * 0x1p-24f;
  return sign ? -small : small;
}

/* To the nearest, ties to even, as the instruction of a GPU does it. */
static inline unsigned short rk_float_to_half(float x) {
  unsigned bits = __float_as_uint(x), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return 0x7fff;
  if (size >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);
  if (size < 0x38800000u) /* a multiple of 2^-24: the addition rounds */
    return (unsigned short)(sign | (__float_as_uint(__uint_as_float(size) + 0.5f) - 0x3f000000u));
  unsigned rest = size & 0x1fffu, half = (size - 0x38000000u) >> 13;
  return (unsigned short)(sign | (half + (rest > 0x1000u || (rest == 0x1000u && (half & 1)))));
}

/* A copy may land at any time until it is waited for: what was there is gone at once, what was
 * asked for is there only after the wait. */
static inline void rk_copy_async_16(void *shared, const void *global) {
  if (((size_t)shared | (size_t)global) & 15)
    rk_emulator->fail("asynchronous copy of 16 bytes that are not aligned", 0);
  unsigned long long *to = (unsigned long long *)shared;
  to[0] = to[1] = ~0ull;
  rk_emulator->copy_later(shared, global);
}
static inline void rk_copy_commit() {}
static inline void rk_copy_wait_all() {
  rk_late_copy copy;
  while (rk_emulator->copy_next(&copy)) {
    unsigned long long *to = (unsigned long long *)copy.to;
    const unsigned long long *from = (const unsigned long long *)copy.from;
    to[0] = from[0];
    to[1] = from[1];
  }
}

/* ---- what the stand-in for NVRTC writes after the text --------------------------------------- */

template <unsigned... K> struct rk_numbers {};
template <unsigned N, unsigned... K> struct rk_count_to : rk_count_to<N - 1, N - 1, K...> {};
template <unsigned... K> struct rk_count_to<0, K...> { typedef rk_numbers<K...> numbers; };

template <class T> struct rk_plain { typedef T type; };
template <class T> struct rk_plain<const T> { typedef T type; };

template <class... A, unsigned... K>
RK_UNSEEN static void rk_call(void (*kernel)(A...), void **parameters, rk_numbers<K...>) {
  kernel(*(typename rk_plain<A>::type *)parameters[K]...);
}
template <class F> struct rk_signature;
template <class... A> struct rk_signature<void (*)(A...)> {
  static constexpr int count = sizeof...(A);
  static constexpr unsigned size[] = {sizeof(A)..., 0};
  RK_UNSEEN static void call(void (*kernel)(A...), void **parameters) {
    rk_call(kernel, parameters, typename rk_count_to<sizeof...(A)>::numbers());
  }
};

#define RK_EMULATED_KERNEL(name, most_threads)                                                    \
  RK_UNSEEN static void rk_run_##name(void **parameters) {                                        \
    rk_signature<decltype(&name)>::call(name, parameters);                                        \
  }                                                                                               \
  extern "C" __attribute__((visibility("default"))) const rk_emulated_kernel rk_emulated_##name = \
      {rk_run_##name, rk_signature<decltype(&name)>::size, rk_signature<decltype(&name)>::count,  \
       most_threads};

#ifdef __SANITIZE_THREAD__
#define RK_SHARED_FROM 0
#define RK_SHARED_TO 0
static thread_local volatile char rk_own; /* storage of a host thread comes with the first use */
RK_UNSEEN static void rk_prepare() { rk_own = 0; }
#else
static void rk_prepare() {}
extern "C" __attribute__((weak, visibility("hidden"))) char __start_rk_shared[], __stop_rk_shared[];
#define RK_SHARED_FROM __start_rk_shared
#define RK_SHARED_TO __stop_rk_shared
#endif
#define RK_EMULATED_MODULE(architecture)                                                          \
  extern "C" __attribute__((visibility("default"))) const rk_emulated_module rk_emulated_module_; \
  const rk_emulated_module rk_emulated_module_ = {&rk_now, &rk_emulator, architecture,            \
                                                  RK_SHARED_FROM, RK_SHARED_TO, rk_prepare};
#endif
