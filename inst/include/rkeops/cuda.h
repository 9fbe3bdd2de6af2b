/* What emitted CUDA kernels start with: the vocabulary of lanes.h for one thread, for NVRTC.
 *
 * The same sections, names and values; a vector is one real (RK_LANES is 1). Sections are pasted as
 * lanes.h says, base once, the others once for each RK_TYPE. Mathematics is CUDA's own; its errors
 * are listed in the CUDA C++ Programming Guide, "Mathematical Functions" (at most 2 ulp for exp,
 * exp2, log, sin, cos, rsqrt). Do not compile with --use_fast_math: NaN and infinities must keep
 * their meaning.
 */

//@ base
#ifndef RK_BASE
#define RK_BASE
#define RK_PASTE_(a, b) a##_##b
#define RK_PASTE(a, b) RK_PASTE_(a, b)
#define RK(name) RK_PASTE(name, RK_TYPE)
#define RK_INLINED static __device__ __forceinline__
#define RK_CALLED static __device__ __noinline__ /* when a kernel calls very often */
#define RK_INLINE RK_INLINED
#define RK_INF __int_as_float(0x7f800000)
#define RK_NAN __int_as_float(0x7fffffff)

#define RK_LANES 1
#define real RK(rk_real)   /* float, double */
#define rk_int RK(rk_int)  /* positions */
#define vec RK(rk_vec)     /* one real */
#define ivec RK(rk_ivec)
#define mask RK(rk_mask)

#define rk_load RK(rk_load)
#define rk_store RK(rk_store)
#define rk_broadcast RK(rk_broadcast)
#define rk_ibroadcast RK(rk_ibroadcast)
#define rk_lt RK(rk_lt)
#define rk_le RK(rk_le)
#define rk_gt RK(rk_gt)
#define rk_ge RK(rk_ge)
#define rk_eq RK(rk_eq)
#define rk_ne RK(rk_ne)
#define rk_ilt RK(rk_ilt)
#define rk_and RK(rk_and)
#define rk_or RK(rk_or)
#define rk_not RK(rk_not)
#define rk_select RK(rk_select)
#define rk_iselect RK(rk_iselect)
#define rk_any RK(rk_any)
#define rk_all RK(rk_all)
#define rk_isnan RK(rk_isnan)
#define rk_truth RK(rk_truth)
#define rk_min RK(rk_min)
#define rk_max RK(rk_max)
#define rk_abs RK(rk_abs)
#define rk_copysign RK(rk_copysign)
#define rk_from_int RK(rk_from_int)
#define rk_lane_index RK(rk_lane_index)
#define rk_floor RK(rk_floor)
#define rk_round RK(rk_round)
#define rk_sqrt RK(rk_sqrt)
#define rk_rsqrt RK(rk_rsqrt)
#define rk_exp RK(rk_exp)
#define rk_exp2 RK(rk_exp2)
#define rk_expm1 RK(rk_expm1)
#define rk_log RK(rk_log)
#define rk_log1p RK(rk_log1p)
#define rk_sin RK(rk_sin)
#define rk_cos RK(rk_cos)
#define rk_tanh RK(rk_tanh)
#define rk_sinh RK(rk_sinh)
#define rk_cosh RK(rk_cosh)
#define rk_asin RK(rk_asin)
#define rk_acos RK(rk_acos)
#define rk_atan RK(rk_atan)
#define rk_atan2 RK(rk_atan2)
#define rk_pow RK(rk_pow)
#define rk_powi RK(rk_powi)
#define rk_sign RK(rk_sign)
#define rk_step RK(rk_step)
#define rk_relu RK(rk_relu)
#define rk_xlogx RK(rk_xlogx)
#define rk_sinxdivx RK(rk_sinxdivx)
#define rk_mod RK(rk_mod)

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
/* The second operand where one of them is NaN (fmin would give the other one). */
RK_INLINE vec rk_min(vec a, vec b) { return a < b ? a : b; }
RK_INLINE vec rk_max(vec a, vec b) { return a > b ? a : b; }

//@ abs types
RK_INLINE vec rk_abs(vec a) { return RK_LIBM(fabs)(a); }
RK_INLINE vec rk_copysign(vec a, vec b) { return RK_LIBM(copysign)(a, b); }

//@ positions types
RK_INLINE ivec rk_lane_index() { return 0; }
RK_INLINE vec rk_from_int(ivec a) { return (real)a; }

//@ floor types
RK_INLINE vec rk_floor(vec x) { return RK_LIBM(floor)(x); }

//@ round types
RK_INLINE vec rk_round(vec x) { return RK_LIBM(round)(x); }

//@ sqrt types
RK_INLINE vec rk_sqrt(vec x) { return RK_LIBM(sqrt)(x); }

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

//@ mod floor
RK_INLINE vec rk_mod(vec f, vec n, vec d) { return f - n * rk_floor((f - d) / n); }
