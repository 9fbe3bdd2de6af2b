/* What emitted CUDA kernels start with: the vocabulary of lanes.h for one thread, for NVRTC.
 *
 * The same sections, names and values; a vector is one real (RK_LANES is 1). Sections are pasted as
 * lanes.h says, base once, the others once for each RK_TYPE.
 *
 * Mathematics is CUDA's own. Its errors are listed in the CUDA C++ Programming Guide, "Mathematical
 * Functions": in float32 at most 1 ulp for log, expm1, log1p, 2 for exp, exp2, rsqrt, tanh, sin,
 * cos, asin, acos, atan, 3 for sinh and atan2, 4 for pow; in float64 at most 2 ulp. With the
 * options of cuda/cubin.c float32 numbers below 2^-126 count as 0, a quotient is within 2 ulp and
 * a square root within 1 ulp. Not --use_fast_math: NaN and infinities must keep their meaning.
 */

//@ base
#ifndef RK_BASE
#define RK_BASE
#ifdef __CUDACC_RTC__
#pragma nv_diag_suppress 177 /* functions of a section that are not used */
#endif
#define RK_INLINED static __device__ __forceinline__
#define RK_CALLED static __device__ __noinline__ /* when a kernel calls very often */
#define RK_INLINE RK_INLINED
#define RK_INF __int_as_float(0x7f800000)
#define RK_NAN __int_as_float(0x7fffffff)

#define RK_LANES 1

#define rk_num(c) ((real)(c))

/* A function of CUDA's library, for the type at hand. */
#define RK_LIBM_32(name) name##f
#define RK_LIBM_64(name) name
#define RK_LIBM(name) RK(RK_LIBM)(name)
#endif /* RK_BASE */

//@ types
#if RK_TYPE == 32
typedef float rk_real_32;
#else
typedef double rk_real_64;
#endif
typedef int rk_int;
typedef real vec;
typedef int ivec;
typedef bool mask;
RK_INLINE vec rk_load(const real *p) { return *p; }
RK_INLINE void rk_store(real *p, vec a) { *p = a; }
RK_INLINE vec rk_broadcast(real a) { return a; }
RK_INLINE ivec rk_ibroadcast(rk_int a) { return a; }

//@ given types
/* Component d of row r of an input, while it is packed: of doubles, or of floats where ld < 0. */
RK_INLINE vec rk_given(const double *x, int d, long long ld, int r)
{
    if (ld < 0)
        return ((const float *)x)[r - d * ld];
    return x[r + d * ld];
}

//@ mask types
RK_INLINE mask rk_lt(vec a, vec b) { return a < b; }
RK_INLINE mask rk_le(vec a, vec b) { return a <= b; }
RK_INLINE mask rk_gt(vec a, vec b) { return a > b; }
RK_INLINE mask rk_ge(vec a, vec b) { return a >= b; }
RK_INLINE mask rk_eq(vec a, vec b) { return a == b; }
RK_INLINE mask rk_ne(vec a, vec b) { return a != b; }
RK_INLINE mask rk_ilt(ivec a, ivec b) { return a < b; }
RK_INLINE mask rk_and(mask a, mask b) { return a & b; }
RK_INLINE mask rk_or(mask a, mask b) { return a | b; }
RK_INLINE mask rk_not(mask m) { return !m; }
RK_INLINE vec rk_select(mask m, vec a, vec b) { return m ? a : b; }
RK_INLINE ivec rk_iselect(mask m, ivec a, ivec b) { return m ? a : b; }
RK_INLINE int rk_any(mask m) { return m; }
RK_INLINE int rk_all(mask m) { return m; }
RK_INLINE mask rk_isnan(vec a) { return a != a; }
RK_INLINE vec rk_truth(mask m) { return m ? 1 : 0; }

//@ minmax types
/* The second operand where the first is NaN; emitted text never has NaN as the second. */
RK_INLINE vec rk_min(vec a, vec b) { return RK_LIBM(fmin)(a, b); }
RK_INLINE vec rk_max(vec a, vec b) { return RK_LIBM(fmax)(a, b); }

//@ minnan types
/* NaN where one of them is NaN. */
#if RK_TYPE == 32 && !defined(RKEOPS_EMULATED) && __CUDA_ARCH__ >= 800
RK_INLINE vec rk_min_nan(vec a, vec b) {
  asm("min.NaN.f32 %0, %0, %1;" : "+f"(a) : "f"(b));
  return a;
}
RK_INLINE vec rk_max_nan(vec a, vec b) {
  asm("max.NaN.f32 %0, %0, %1;" : "+f"(a) : "f"(b));
  return a;
}
#else
RK_INLINE vec rk_min_nan(vec a, vec b) { return a < b || a != a ? a : b; }
RK_INLINE vec rk_max_nan(vec a, vec b) { return a > b || a != a ? a : b; }
#endif

//@ abs types
RK_INLINE vec rk_abs(vec a) { return RK_LIBM(fabs)(a); }
RK_INLINE vec rk_copysign(vec a, vec b) { return RK_LIBM(copysign)(a, b); }

//@ positions types
RK_INLINE ivec rk_lane_index() { return 0; }
RK_INLINE vec rk_from_int(ivec a) { return (real)a; }

//@ parts mask
RK_INLINE vec rk_high(vec a) { return (vec)(float)a; }
RK_INLINE vec rk_low(vec a) { vec rest = a - rk_high(a); return rest == rest ? rest : 0; }

//@ floor types
RK_INLINE vec rk_floor(vec x) { return RK_LIBM(floor)(x); }

//@ round types
RK_INLINE vec rk_round(vec x) { return RK_LIBM(round)(x); }

//@ inverse types
RK_INLINE vec rk_inverse(vec x) { return 1 / x; }

//@ sqrt types
RK_INLINE vec rk_sqrt(vec x) { return RK_LIBM(sqrt)(x); }

//@ invsqrt types
RK_INLINE vec rk_invsqrt(vec x) { return RK_LIBM(rsqrt)(x); }

//@ rsqrt types
/* 0 at 0. */
RK_INLINE vec rk_rsqrt(vec x) { return x == 0 ? 0 : RK_LIBM(rsqrt)(x); }

//@ exp2 types
RK_INLINE vec rk_exp2(vec x) { return RK_LIBM(exp2)(x); }

//@ exp types
RK_INLINE vec rk_exp(vec x) { return RK_LIBM(exp)(x); }

//@ expm1 types
RK_INLINE vec rk_expm1(vec x) { return RK_LIBM(expm1)(x); }

//@ log types
RK_INLINE vec rk_log(vec x) { return RK_LIBM(log)(x); }

//@ log1p types
RK_INLINE vec rk_log1p(vec x) { return RK_LIBM(log1p)(x); }

//@ sin types
RK_INLINE vec rk_sin(vec x) { return RK_LIBM(sin)(x); }

//@ cos types
RK_INLINE vec rk_cos(vec x) { return RK_LIBM(cos)(x); }

//@ tanh types
RK_INLINE vec rk_tanh(vec x) { return RK_LIBM(tanh)(x); }

//@ sinh types
RK_INLINE vec rk_sinh(vec x) { return RK_LIBM(sinh)(x); }

//@ cosh types
RK_INLINE vec rk_cosh(vec x) { return RK_LIBM(cosh)(x); }

//@ asin types
RK_INLINE vec rk_asin(vec x) { return RK_LIBM(asin)(x); }

//@ acos types
RK_INLINE vec rk_acos(vec x) { return RK_LIBM(acos)(x); }

//@ atan types
RK_INLINE vec rk_atan(vec x) { return RK_LIBM(atan)(x); }

//@ atan2 types
RK_INLINE vec rk_atan2(vec y, vec x) { return RK_LIBM(atan2)(y, x); }

//@ pow types
RK_INLINE vec rk_pow(vec a, vec b) { return RK_LIBM(pow)(a, b); }

//@ powi types
/* a^n by repeated squaring; n is a constant, so that only multiplications remain. */
RK_INLINE vec rk_powi(vec a, int n)
{
    unsigned m = n < 0 ? -(unsigned)n : (unsigned)n;
    vec y = m & 1 ? a : rk_num(1);
    while (m >>= 1) {
        a = a * a;
        if (m & 1)
            y = y * a;
    }
    return n < 0 ? rk_num(1) / y : y;
}

//@ sign types
/* 1, -1 or 0; x + 0 is +0 at both zeros and NaN at NaN. */
RK_INLINE vec rk_sign(vec x) { return x > 0 ? 1 : x < 0 ? -1 : x + 0; }

//@ step types
RK_INLINE vec rk_step(vec x) { return x < 0 ? 0 : 1; }

//@ relu types
RK_INLINE vec rk_relu(vec x) { return x < 0 ? 0 : x; }

//@ xlogx log
RK_INLINE vec rk_xlogx(vec x) { return x == 0 ? 0 : x * rk_log(x); }

//@ sinxdivx sin
RK_INLINE vec rk_sinxdivx(vec x) { return x == 0 ? 1 : rk_sin(x) / x; }

//@ softmin exp log minmax
RK_INLINE vec rk_softmin(vec a, vec b, vec c)
{
    vec least = rk_min(rk_min(a, b), c);
    return least - rk_log(rk_exp(least - a) + rk_exp(least - b) + rk_exp(least - c));
}

//@ mod floor
RK_INLINE vec rk_mod(vec f, vec n, vec d) { return f - n * rk_floor((f - d) / n); }
