/* What emitted C kernels start with: SIMD lanes and mathematics in GCC and Clang vector extensions.
 *
 * A sequence of sections. Each starts with a line "//@ name needs...", and the emitter pastes the
 * sections that a kernel needs, in this order. It writes
 *
 *     (names.h)
 *     #define RK_BYTES 64          bytes of a vector: 16, 32 or 64
 *     (section base)               once
 *     #define RK_TYPE 32           lanes are float; 64: double
 *     (other sections)             once for each type, with an #undef RK_TYPE in between
 *
 * Everything has a name that ends in _32 or _64; the short names of names.h (real, vec, rk_exp,
 * ...) stand for the type that RK_TYPE names at that place. Plain #include works too.
 *
 * Compile with -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math, never with -ffast-math:
 * where the CPU has FMA, argument reductions count on a*b+c being one rounding. Errors in comments
 * are the largest found by tests/engine/test_math.c. Polynomials come from tools/coefficients.py.
 * Functions keep NaN, whatever its payload, and honour infinities.
 *
 * Zero begins at the smallest normal number (2^-126, 2^-1022): kernels run in a mode in which what
 * is smaller counts as 0, as an operand and as a result (host/float_mode.h; packing keeps the mode
 * of the host, which may be another one). Errors hold for larger numbers; what a function makes of
 * smaller ones in the mode of the host lies between 0 and the true value, unless it says more.
 */

//@ base
#ifndef RK_BASE
#define RK_BASE
#define RK_INLINED static inline __attribute__((always_inline, unused))
#define RK_CALLED static __attribute__((noinline, unused)) /* when a kernel calls very often */
#define RK_INLINE RK_INLINED
#define RK_RARE static __attribute__((noinline, cold, unused))
#define RK_INF __builtin_inff()
#define RK_NAN __builtin_nanf("")

#define RK_LANES (RK_BYTES / (RK_TYPE / 8))

/* A step of all vectors of a register tile, of which there are at most 8. */
#ifdef __clang__
#define RK_ALL_OF(n) _Pragma("clang loop unroll(full)") for (int k = 0; k < n; k++)
#else
#define RK_ALL_OF(n) _Pragma("GCC unroll 8") for (int k = 0; k < n; k++)
#endif

/* A vector of one constant. c - 0 is c for every c, -0 and NaN too, and costs nothing. */
#define rk_num(c) ((real)(c) - (vec){0})

/* The C library, for the type at hand. */
#define RK_LIBM_32(name) __builtin_##name##f
#define RK_LIBM_64(name) __builtin_##name
#define RK_LIBM(name) RK(RK_LIBM)(name)

#ifdef __has_builtin
#define RK_HAS(name) __has_builtin(name)
#else /* gcc 9 has all that is used here */
#define RK_HAS(name) 1
#endif

/* a*b+c with one rounding. */
#if defined(__FMA__) || defined(__AVX512F__) || defined(__ARM_FEATURE_FMA)
#define RK_FMA 1
#else
#define RK_FMA 0
#endif

/* AVX-512: instructions whose builtins exist in both compilers (some differ in name). */
#if RK_BYTES == 64 && defined(__AVX512F__) && defined(__AVX512DQ__) \
    && RK_HAS(__builtin_ia32_scalefps512_mask) && RK_HAS(__builtin_ia32_reduceps512_mask) \
    && RK_HAS(__builtin_ia32_cmpps512_mask) && RK_HAS(__builtin_ia32_rndscaleps_mask) \
    && RK_HAS(__builtin_ia32_rsqrt14ps512_mask) && RK_HAS(__builtin_ia32_fpclassps512_mask) \
    && RK_HAS(__builtin_ia32_getmantps512_mask) && RK_HAS(__builtin_ia32_getexpps512_mask) \
    && RK_HAS(__builtin_ia32_rangeps512_mask) && RK_HAS(__builtin_ia32_vfmaddps512_mask) \
    && RK_HAS(__builtin_ia32_rcp14ps512_mask)
#define RK_AVX512 1
#define RK_ALL_32 ((unsigned short)-1)
#define RK_ALL_64 ((unsigned char)-1)
#define RK_CMP_32(a, b, how) __builtin_ia32_cmpps512_mask(a, b, how, RK_ALL_32, 4)
#define RK_CMP_64(a, b, how) __builtin_ia32_cmppd512_mask(a, b, how, RK_ALL_64, 4)
/* among the lanes of m */
#define RK_CMP_AMONG_32(a, b, how, m) __builtin_ia32_cmpps512_mask(a, b, how, m, 4)
#define RK_CMP_AMONG_64(a, b, how, m) __builtin_ia32_cmppd512_mask(a, b, how, m, 4)
#define RK_ICMP_32(a, b, how) __builtin_ia32_cmpd512_mask(a, b, how, RK_ALL_32)
#define RK_ICMP_64(a, b, how) __builtin_ia32_cmpq512_mask(a, b, how, RK_ALL_64)
#define RK_CLASS_32(a, which) __builtin_ia32_fpclassps512_mask(a, which, RK_ALL_32)
#define RK_CLASS_64(a, which) __builtin_ia32_fpclasspd512_mask(a, which, RK_ALL_64)
#define RK_ZERO_OR_INF 0x0e /* +0, -0, +Inf */
#define RK_RNDSCALE_32(a, how) __builtin_ia32_rndscaleps_mask(a, how, a, RK_ALL_32, 4)
#define RK_RNDSCALE_64(a, how) __builtin_ia32_rndscalepd_mask(a, how, a, RK_ALL_64, 4)
#define RK_SCALEF_32(a, n) __builtin_ia32_scalefps512_mask(a, n, a, RK_ALL_32, 4)
#define RK_SCALEF_64(a, n) __builtin_ia32_scalefpd512_mask(a, n, a, RK_ALL_64, 4)
#define RK_RSQRT14_32(a) __builtin_ia32_rsqrt14ps512_mask(a, a, RK_ALL_32)
#define RK_RSQRT14_64(a) __builtin_ia32_rsqrt14pd512_mask(a, a, RK_ALL_64)
#define RK_EXPONENT_32(a) __builtin_ia32_getexpps512_mask(a, a, RK_ALL_32, 4)
#define RK_EXPONENT_64(a) __builtin_ia32_getexppd512_mask(a, a, RK_ALL_64, 4)
#define RK_MANTISSA_32(a) __builtin_ia32_getmantps512_mask(a, 4, a, RK_ALL_32, 4) /* of |a| */
#define RK_MANTISSA_64(a) __builtin_ia32_getmantpd512_mask(a, 4, a, RK_ALL_64, 4)
#define RK_LESSER_32(a, b) __builtin_ia32_rangeps512_mask(a, b, 2, a, RK_ALL_32, 4) /* in size */
#define RK_LESSER_64(a, b) __builtin_ia32_rangepd512_mask(a, b, 2, a, RK_ALL_64, 4)
#define RK_FUSED_32(a, b, c) __builtin_ia32_vfmaddps512_mask(a, b, c, RK_ALL_32, 4)
#define RK_FUSED_64(a, b, c) __builtin_ia32_vfmaddpd512_mask(a, b, c, RK_ALL_64, 4)
#define RK_RCP14_32(a) __builtin_ia32_rcp14ps512_mask(a, a, RK_ALL_32)
#define RK_RCP14_64(a) __builtin_ia32_rcp14pd512_mask(a, a, RK_ALL_64)
#define RK_NONE_32 __builtin_ia32_kortestzhi
#define RK_NONE_64 __builtin_ia32_kortestzqi
#define RK_FULL_32 __builtin_ia32_kortestchi
#define RK_FULL_64 __builtin_ia32_kortestcqi
#ifdef __clang__
#define RK_BLEND_32(m, a, b) __builtin_ia32_selectps_512(m, a, b)
#define RK_BLEND_64(m, a, b) __builtin_ia32_selectpd_512(m, a, b)
#define RK_IBLEND_32(m, a, b) __builtin_ia32_selectd_512(m, a, b)
#define RK_IBLEND_64(m, a, b) __builtin_ia32_selectq_512(m, a, b)
#define RK_REDUCE_32(a, how) __builtin_ia32_reduceps512_mask(a, how, a, RK_ALL_32, 4)
#define RK_REDUCE_64(a, how) __builtin_ia32_reducepd512_mask(a, how, a, RK_ALL_64, 4)
#define RK_SQRT_32(a) __builtin_ia32_sqrtps512(a, 4)
#define RK_SQRT_64(a) __builtin_ia32_sqrtpd512(a, 4)
#define RK_LOOKUP_32(t, i) __builtin_ia32_permvarsf512(t, i)
#define RK_LOOKUP_64(t, u, i) __builtin_ia32_vpermi2varpd512(t, i, u)
#define RK_ADD_DOWN_64(a, b) __builtin_ia32_addpd512(a, b, 9)
#else
#define RK_BLEND_32(m, a, b) __builtin_ia32_blendmps_512_mask(b, a, m)
#define RK_BLEND_64(m, a, b) __builtin_ia32_blendmpd_512_mask(b, a, m)
#define RK_IBLEND_32(m, a, b) __builtin_ia32_blendmd_512_mask(b, a, m)
#define RK_IBLEND_64(m, a, b) __builtin_ia32_blendmq_512_mask(b, a, m)
#define RK_REDUCE_32(a, how) __builtin_ia32_reduceps512_mask(a, how, a, RK_ALL_32)
#define RK_REDUCE_64(a, how) __builtin_ia32_reducepd512_mask(a, how, a, RK_ALL_64)
#define RK_SQRT_32(a) __builtin_ia32_sqrtps512_mask(a, a, RK_ALL_32, 4)
#define RK_SQRT_64(a) __builtin_ia32_sqrtpd512_mask(a, a, RK_ALL_64, 4)
#define RK_LOOKUP_32(t, i) __builtin_ia32_permvarsf512_mask(t, i, t, RK_ALL_32)
#define RK_LOOKUP_64(t, u, i) __builtin_ia32_vpermt2varpd512_mask(i, t, u, RK_ALL_64)
#define RK_ADD_DOWN_64(a, b) __builtin_ia32_addpd512_mask(a, b, a, RK_ALL_64, 9)
#endif
#else
#define RK_AVX512 0
#endif

/* Reciprocals from estimates, by multiplications: of 512 bits, Intel's processors divide in 10
 * (float) and 16 cycles (double) and do two multiplications in one; AMD's, the only ones with SSE4a,
 * divide in 6 and 9, beside other work, and one multiplication in one: there division wins. So it
 * does with vectors of 256 bits, and the instruction for roots does everywhere. */
#if RK_AVX512 && !defined(__SSE4A__)
#define RK_ESTIMATES 1
#else
#define RK_ESTIMATES 0
#endif
#endif /* RK_BASE */

//@ types
#if RK_TYPE == 32
typedef float rk_real_32;
typedef int rk_int_32;
typedef unsigned rk_uint_32;
#else
typedef double rk_real_64;
typedef long long rk_int_64;
typedef unsigned long long rk_uint_64;
#endif
typedef real vec __attribute__((vector_size(RK_BYTES)));
typedef rk_int ivec __attribute__((vector_size(RK_BYTES)));
typedef RK(rk_uint) uvec __attribute__((vector_size(RK_BYTES)));
typedef vec RK(rk_anywhere) __attribute__((aligned(RK_TYPE / 8), may_alias));
#if RK_AVX512 && RK_TYPE == 32
typedef unsigned short rk_mask_32;
#elif RK_AVX512
typedef unsigned char rk_mask_64;
#else
typedef ivec mask;
#endif

/* Any address that suits a real will do. */
RK_INLINE vec rk_load(const real *p) { return *(const RK(rk_anywhere) *)p; }
RK_INLINE void rk_store(real *p, vec a) { *(RK(rk_anywhere) *)p = a; }
RK_INLINE vec rk_broadcast(real a) { return a - (vec){0}; }
RK_INLINE ivec rk_ibroadcast(rk_int a) { return a - (ivec){0}; }

//@ mask types
/* AVX-512 keeps one bit per lane in a mask register; elsewhere a lane is 0 or -1. Comparisons with
 * NaN are false, save rk_ne. */
#if RK_AVX512
RK_INLINE mask rk_lt(vec a, vec b) { return RK(RK_CMP)(a, b, 0x11); }
RK_INLINE mask rk_le(vec a, vec b) { return RK(RK_CMP)(a, b, 0x12); }
RK_INLINE mask rk_eq(vec a, vec b) { return RK(RK_CMP)(a, b, 0x00); }
RK_INLINE mask rk_ne(vec a, vec b) { return RK(RK_CMP)(a, b, 0x04); }
RK_INLINE mask rk_ilt(ivec a, ivec b) { return RK(RK_ICMP)(a, b, 1); }
RK_INLINE mask rk_not(mask m) { return (mask)~m; }
RK_INLINE vec rk_select(mask m, vec a, vec b) { return RK(RK_BLEND)(m, a, b); }
RK_INLINE ivec rk_iselect(mask m, ivec a, ivec b) { return (ivec)RK(RK_IBLEND)(m, a, b); }
RK_INLINE int rk_any(mask m) { return !RK(RK_NONE)(m, m); }
RK_INLINE int rk_all(mask m) { return RK(RK_FULL)(m, m); }
#else
RK_INLINE mask rk_lt(vec a, vec b) { return (mask)(a < b); }
RK_INLINE mask rk_le(vec a, vec b) { return (mask)(a <= b); }
RK_INLINE mask rk_eq(vec a, vec b) { return (mask)(a == b); }
RK_INLINE mask rk_ne(vec a, vec b) { return (mask)(a != b); }
RK_INLINE mask rk_ilt(ivec a, ivec b) { return (mask)(a < b); }
RK_INLINE mask rk_not(mask m) { return ~m; }
RK_INLINE ivec rk_iselect(mask m, ivec a, ivec b) { return (a & m) | (b & ~m); }
RK_INLINE vec rk_select(mask m, vec a, vec b)
{
    return (vec)(((ivec)a & m) | ((ivec)b & ~m));
}
/* The sign bits of the lanes. */
RK_INLINE int RK(rk_signs)(mask m)
{
#if RK_BYTES == 32 && defined(__AVX__) && RK_TYPE == 32
    return __builtin_ia32_movmskps256((vec)m);
#elif RK_BYTES == 32 && defined(__AVX__)
    return __builtin_ia32_movmskpd256((vec)m);
#elif RK_BYTES == 16 && defined(__SSE2__) && RK_TYPE == 32
    return __builtin_ia32_movmskps((vec)m);
#elif RK_BYTES == 16 && defined(__SSE2__)
    return __builtin_ia32_movmskpd((vec)m);
#else
    int signs = 0;
    for (int l = 0; l < RK_LANES; l++)
        signs |= (m[l] < 0) << l;
    return signs;
#endif
}
RK_INLINE int rk_any(mask m) { return RK(rk_signs)(m) != 0; }
RK_INLINE int rk_all(mask m) { return RK(rk_signs)(m) == (1 << RK_LANES) - 1; }
#endif
RK_INLINE mask rk_gt(vec a, vec b) { return rk_lt(b, a); }
RK_INLINE mask rk_ge(vec a, vec b) { return rk_le(b, a); }
RK_INLINE mask rk_and(mask a, mask b) { return a & b; }
RK_INLINE mask rk_or(mask a, mask b) { return a | b; }
RK_INLINE mask rk_isnan(vec a) { return rk_ne(a, a); }
RK_INLINE vec rk_truth(mask m) { return rk_select(m, rk_num(1), rk_num(0)); }

//@ minmax mask
/* a < b ? a : b and a > b ? a : b: the second operand where one of them is NaN. */
#if defined(__clang__) /* makes min and max of the general form */
#elif RK_AVX512 && RK_TYPE == 32
#define RK_MIN_32(a, b) __builtin_ia32_minps512_mask(a, b, a, RK_ALL_32, 4)
#define RK_MAX_32(a, b) __builtin_ia32_maxps512_mask(a, b, a, RK_ALL_32, 4)
#elif RK_AVX512
#define RK_MIN_64(a, b) __builtin_ia32_minpd512_mask(a, b, a, RK_ALL_64, 4)
#define RK_MAX_64(a, b) __builtin_ia32_maxpd512_mask(a, b, a, RK_ALL_64, 4)
#elif RK_BYTES == 32 && defined(__AVX__) && RK_TYPE == 32
#define RK_MIN_32 __builtin_ia32_minps256
#define RK_MAX_32 __builtin_ia32_maxps256
#elif RK_BYTES == 32 && defined(__AVX__)
#define RK_MIN_64 __builtin_ia32_minpd256
#define RK_MAX_64 __builtin_ia32_maxpd256
#elif RK_BYTES == 16 && defined(__SSE2__) && RK_TYPE == 32
#define RK_MIN_32 __builtin_ia32_minps
#define RK_MAX_32 __builtin_ia32_maxps
#elif RK_BYTES == 16 && defined(__SSE2__)
#define RK_MIN_64 __builtin_ia32_minpd
#define RK_MAX_64 __builtin_ia32_maxpd
#endif
#if (RK_TYPE == 32 && defined(RK_MIN_32)) || (RK_TYPE == 64 && defined(RK_MIN_64))
RK_INLINE vec rk_min(vec a, vec b) { return RK(RK_MIN)(a, b); }
RK_INLINE vec rk_max(vec a, vec b) { return RK(RK_MAX)(a, b); }
#else
RK_INLINE vec rk_min(vec a, vec b) { return rk_select(rk_lt(a, b), a, b); }
RK_INLINE vec rk_max(vec a, vec b) { return rk_select(rk_gt(a, b), a, b); }
#endif

//@ minnan minmax
/* The same, but NaN where one of them is NaN. */
#if RK_AVX512 && !defined(__clang__) && RK_TYPE == 32
#define RK_UNLESS_NAN_32(which, a, b) \
    __builtin_ia32_##which##ps512_mask(a, b, a, rk_not(rk_isnan(a)), 4)
#elif RK_AVX512 && !defined(__clang__)
#define RK_UNLESS_NAN_64(which, a, b) \
    __builtin_ia32_##which##pd512_mask(a, b, a, rk_not(rk_isnan(a)), 4)
#elif RK_AVX512
#define RK_UNLESS_NAN_32(which, a, b) rk_select(rk_isnan(a), a, rk_##which(a, b))
#define RK_UNLESS_NAN_64(which, a, b) rk_select(rk_isnan(a), a, rk_##which(a, b))
#else /* all bits set are a NaN */
#define RK_UNLESS_NAN_32(which, a, b) (vec)((ivec)rk_##which(a, b) | rk_isnan(a))
#define RK_UNLESS_NAN_64(which, a, b) (vec)((ivec)rk_##which(a, b) | rk_isnan(a))
#endif
RK_INLINE vec rk_min_nan(vec a, vec b) { return RK(RK_UNLESS_NAN)(min, a, b); }
RK_INLINE vec rk_max_nan(vec a, vec b) { return RK(RK_UNLESS_NAN)(max, a, b); }
/* rk_min_nan(b, rk_min_nan(a, s)) with one comparison for both. */
#if RK_AVX512 && !defined(__clang__) && RK_TYPE == 32
#define RK_BOTH_32(least, s, a, b) \
    __builtin_ia32_minps512_mask(least, s, rk_num(RK_NAN), RK_CMP_32(a, b, 7), 4)
#elif RK_AVX512 && !defined(__clang__)
#define RK_BOTH_64(least, s, a, b) \
    __builtin_ia32_minpd512_mask(least, s, rk_num(RK_NAN), RK_CMP_64(a, b, 7), 4)
#elif RK_AVX512
#define RK_BOTH_32(least, s, a, b) rk_select(RK_CMP_32(a, b, 7), rk_min(least, s), rk_num(RK_NAN))
#define RK_BOTH_64(least, s, a, b) rk_select(RK_CMP_64(a, b, 7), rk_min(least, s), rk_num(RK_NAN))
#else
#if RK_BYTES == 32 && defined(__AVX__)
#define RK_UNORDERED_32(a, b) (ivec)__builtin_ia32_cmpps256(a, b, 3)
#define RK_UNORDERED_64(a, b) (ivec)__builtin_ia32_cmppd256(a, b, 3)
#elif RK_BYTES == 16 && defined(__SSE2__)
#define RK_UNORDERED_32(a, b) (ivec)__builtin_ia32_cmpunordps(a, b)
#define RK_UNORDERED_64(a, b) (ivec)__builtin_ia32_cmpunordpd(a, b)
#else
#define RK_UNORDERED_32(a, b) rk_isnan(a) | rk_isnan(b)
#define RK_UNORDERED_64(a, b) rk_isnan(a) | rk_isnan(b)
#endif
#define RK_BOTH_32(least, s, a, b) (vec)((ivec)rk_min(least, s) | (RK_UNORDERED_32(a, b)))
#define RK_BOTH_64(least, s, a, b) (vec)((ivec)rk_min(least, s) | (RK_UNORDERED_64(a, b)))
#endif
RK_INLINE vec rk_min_nan_both(vec a, vec b, vec s)
{
    return RK(RK_BOTH)(rk_min(b, a), s, a, b);
}

//@ abs types
RK_INLINE vec rk_abs(vec a) { return (vec)((uvec)a & ~(uvec)rk_num(-0.0)); }
/* The size of a with the sign of b. */
RK_INLINE vec rk_copysign(vec a, vec b)
{
    uvec sign = (uvec)rk_num(-0.0);
    return (vec)(((uvec)a & ~sign) | ((uvec)b & sign));
}

//@ positions types
RK_INLINE ivec rk_lane_index(void)
{
    ivec lane = {0};
    for (int l = 0; l < RK_LANES; l++)
        lane[l] = l;
    return lane;
}
/* Exact for float below 2^24, for double below 2^51 in size. */
#if RK_TYPE == 32
RK_INLINE vec rk_from_int(ivec a) { return __builtin_convertvector(a, vec); }
#else /* few CPUs convert 64-bit integers: put a into the low bits of 1.5 * 2^52 */
RK_INLINE vec rk_from_int(ivec a)
{
    return (vec)((uvec)a + (uvec)rk_num(0x1.8p52)) - rk_num(0x1.8p52);
}
#endif

//@ parts mask
/* A number is the float next to it and a rest, which is exact; infinities and NaN have none. */
#if RK_TYPE == 64
typedef float RK(rk_narrow) __attribute__((vector_size(RK_BYTES / 2)));
RK_INLINE vec rk_high(vec a)
{
    return __builtin_convertvector(__builtin_convertvector(a, RK(rk_narrow)), vec);
}
#else
RK_INLINE vec rk_high(vec a) { return a; }
#endif
RK_INLINE vec rk_low(vec a)
{
    vec rest = a - rk_high(a);
    return rk_select(rk_isnan(rest), rk_num(0), rest);
}

//@ floor abs mask
#if RK_AVX512
RK_INLINE vec rk_floor(vec x) { return RK(RK_RNDSCALE)(x, 9); }
#elif RK_BYTES == 32 && defined(__AVX__) && RK_TYPE == 32
RK_INLINE vec rk_floor(vec x) { return __builtin_ia32_roundps256(x, 9); }
#elif RK_BYTES == 32 && defined(__AVX__)
RK_INLINE vec rk_floor(vec x) { return __builtin_ia32_roundpd256(x, 9); }
#elif RK_BYTES == 16 && defined(__SSE4_1__) && RK_TYPE == 32
RK_INLINE vec rk_floor(vec x) { return __builtin_ia32_roundps(x, 9); }
#elif RK_BYTES == 16 && defined(__SSE4_1__)
RK_INLINE vec rk_floor(vec x) { return __builtin_ia32_roundpd(x, 9); }
#else
/* Adding and subtracting 2^23 (2^52) rounds to an integer; what is larger is one, or no number. */
RK_INLINE vec rk_floor(vec x)
{
    vec big = rk_num(RK_TYPE == 32 ? 0x1p23 : 0x1p52);
    vec near = rk_copysign((rk_abs(x) + big) - big, x);
    near = rk_select(rk_gt(near, x), near - rk_num(1), near);
    return rk_select(rk_lt(rk_abs(x), big), rk_copysign(near, x), x);
}
#endif

//@ round floor abs
/* Halves away from zero. Adding the largest real below 1/2, instead of 1/2, keeps what is just
 * below a half below it. */
RK_INLINE vec rk_round(vec x)
{
    vec almost_half = rk_num(RK_TYPE == 32 ? 0x1.fffffep-2 : 0x1.fffffffffffffp-2);
    return rk_copysign(rk_floor(rk_abs(x) + almost_half), x);
}

//@ inverse mask
/* 1 / x. By estimate: y of relative error 2^-14, a Newton step, and one more for what is left. What
 * is representable is exact; the rest is rounded as a division is, but for x next below a power of
 * two (error 0.50001 ulp). Where a step has no sense, at zeros, infinities and NaN, y is right. The
 * multiply-adds are asked for by name: what is left must not depend on how much a compiler does. */
#if RK_AVX512
RK_INLINE vec rk_estimated_inverse(vec x)
{
    vec y = RK(RK_RCP14)(x), e = RK(RK_FUSED)(-x, y, rk_num(1));
    vec z = RK(RK_FUSED)(y, e, y);
    e = RK(RK_FUSED)(-x, z, rk_num(1));
    vec more = RK_TYPE == 32 ? e : RK(RK_FUSED)(e, e, e);
    return rk_select(rk_isnan(e), y, RK(RK_FUSED)(z, more, z));
}
#endif
RK_INLINE vec rk_inverse(vec x)
{
#if RK_ESTIMATES
    return rk_estimated_inverse(x);
#else
    return rk_num(1) / x;
#endif
}

//@ sqrt types
RK_INLINE vec rk_sqrt(vec x)
{
#if defined(__clang__) && RK_HAS(__builtin_elementwise_sqrt)
    return __builtin_elementwise_sqrt(x);
#elif RK_AVX512
    return RK(RK_SQRT)(x);
#elif RK_BYTES == 32 && defined(__AVX__) && RK_TYPE == 32
    return __builtin_ia32_sqrtps256(x);
#elif RK_BYTES == 32 && defined(__AVX__)
    return __builtin_ia32_sqrtpd256(x);
#elif RK_BYTES == 16 && defined(__SSE2__) && RK_TYPE == 32
    return __builtin_ia32_sqrtps(x);
#elif RK_BYTES == 16 && defined(__SSE2__)
    return __builtin_ia32_sqrtpd(x);
#else
    for (int l = 0; l < RK_LANES; l++)
        x[l] = RK_LIBM(sqrt)(x[l]);
    return x;
#endif
}

//@ invsqrt sqrt mask
/* 1 / sqrt(x), also where that is infinite. AVX-512 has an estimate of relative error 2^-14, which
 * is right for 0 and Inf; a Newton step e = 1 - x y^2, y += y e / 2 squares the error (3/8 e^2
 * remains). Error 1.1 ulp (double: 1.3). */
#if RK_AVX512
RK_INLINE vec RK(rk_rsqrt_between)(vec x)
{
    vec y = RK(RK_RSQRT14)(x);
    for (int step = 0; step < (RK_TYPE == 32 ? 1 : 2); step++) {
        vec e = rk_num(1) - (x * y) * y;
        y = (y * rk_num(0.5)) * e + y;
    }
    return y;
}
RK_INLINE vec rk_invsqrt(vec x)
{
    mask end = RK(RK_CLASS)(x, RK_ZERO_OR_INF);
    return rk_select(end, RK(RK_RSQRT14)(x), RK(rk_rsqrt_between)(x));
}
#else
RK_INLINE vec rk_invsqrt(vec x) { return rk_num(1) / rk_sqrt(x); }
#endif

//@ rsqrt invsqrt mask
/* The same, and 0 at 0. */
#if RK_AVX512
RK_INLINE vec rk_rsqrt(vec x)
{
    return rk_select(RK(RK_CLASS)(x, RK_ZERO_OR_INF), rk_num(0), RK(rk_rsqrt_between)(x));
}
#else
RK_INLINE vec rk_rsqrt(vec x)
{
    return rk_select(rk_eq(x, rk_num(0)), rk_num(0), rk_invsqrt(x));
}
#endif

//@ exponent minmax
/* For rk_exp and rk_exp2 without AVX-512: the nearest integer n of x, as a real and in the low bits
 * of `bits`, and p * 2^n by an addition to the exponent of p, where p is NaN when x is. Low bits
 * must not spoil a NaN: converted to an integer it gives 2^31, whose low bits are 0; elsewhere they
 * are those of the NaN (R's NA has some), and x comes back because 2^x > x, e^x > x. */
#if RK_TYPE == 32 && ((RK_BYTES == 32 && defined(__AVX__)) || (RK_BYTES == 16 && defined(__SSE2__)))
RK_INLINE vec RK(rk_nearest)(vec x, uvec *bits)
{
#if RK_BYTES == 32
    ivec n = (ivec)__builtin_ia32_cvtps2dq256(x);
#else
    ivec n = (ivec)__builtin_ia32_cvtps2dq(x);
#endif
    *bits = (uvec)n;
    return __builtin_convertvector(n, vec);
}
RK_INLINE vec RK(rk_scale)(vec p, uvec bits, vec x)
{
    (void)x;
    return (vec)((uvec)p + (bits << 23));
}
#else
RK_INLINE vec RK(rk_nearest)(vec x, uvec *bits)
{
    vec magic = rk_num(RK_TYPE == 32 ? 0x1.8p23 : 0x1.8p52), t = x + magic;
    *bits = (uvec)t;
    return t - magic;
}
RK_INLINE vec RK(rk_scale)(vec p, uvec bits, vec x)
{
    return rk_max((vec)((uvec)p + (bits << (RK_TYPE == 32 ? 23 : 52))), x);
}
#endif

//@ exp2 exponent
/* 2^x. AVX-512: x = k/16 + r, |r| <= 1/32 by vreduce (which gives 0 at infinities); 2^(k/16)
 * without its integer exponent comes from a table of 16 (error below 0.46 ulp); vscalef multiplies
 * by 2^floor(k/16), overflows and, in the mode of kernels, underflows to 0. In double k is rounded
 * down instead, 0 <= r <= 1/16: a polynomial of the same degree does, and floor(k/16) = floor(x)
 * needs no operation. Error 0.99 ulp (double: 1.1).
 * Elsewhere: x = n + r, |r| <= 1/2, n added to the exponent of the polynomial. The bound is where
 * n = x, r = 0: there the sum is exactly the pattern of Inf. Below the smallest normal number the
 * result is 0 in any mode. Error 0.9 ulp (1.1 without FMA).
 * In steps, for rk_pow, which adds to r what x has lost. */
#if RK_AVX512 && RK_TYPE == 32
RK_INLINE vec RK(rk_exp2_rest)(vec x) { return RK_REDUCE_32(x, 0x48); }
RK_INLINE vec RK(rk_exp2_of)(vec x, vec r)
{
    const vec table = {
        0x1p+0f, 0x1.0b5586p+0f, 0x1.172b84p+0f, 0x1.2387a6p+0f, 0x1.306fep+0f, 0x1.3dea64p+0f,
        0x1.4bfdaep+0f, 0x1.5ab07ep+0f, 0x1.6a09e6p+0f, 0x1.7a1148p+0f, 0x1.8ace54p+0f,
        0x1.9c4918p+0f, 0x1.ae89fap+0f, 0x1.c199bep+0f, 0x1.d5818ep+0f, 0x1.ea4afap+0f};
    vec t = RK_LOOKUP_32(table, (ivec)(x + rk_num(0x1.8p19))); /* k is in the low bits */
    vec p = rk_num(0x1.c6ad66p-5) * r + rk_num(0x1.ebfffp-3);
    p = p * r + rk_num(0x1.62e43p-1);
    return RK_SCALEF_32(p * (t * r) + t, x - RK(rk_exp2_rest)(x));
}
RK_INLINE vec rk_exp2(vec x) { return RK(rk_exp2_of)(x, RK(rk_exp2_rest)(x)); }
#elif RK_AVX512
RK_INLINE vec RK(rk_exp2_rest)(vec x) { return RK_REDUCE_64(x, 0x41); }
RK_INLINE vec RK(rk_exp2_of)(vec x, vec r)
{
    const vec table0 = {0x1p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0,
                        0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0, 0x1.4bfdad5362a27p+0,
                        0x1.5ab07dd485429p+0};
    const vec table1 = {0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0,
                        0x1.9c49182a3f09p+0, 0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0,
                        0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0};
    vec t = RK_LOOKUP_64(table0, table1, (ivec)RK_ADD_DOWN_64(x, rk_num(0x1.8p48)));
    vec p = rk_num(0x1.4a03887d97c36p-13) * r + rk_num(0x1.5d7518bd06c06p-10);
    p = p * r + rk_num(0x1.3b2ad0196ae52p-7);
    p = p * r + rk_num(0x1.c6b08d4e93bep-5);
    p = p * r + rk_num(0x1.ebfbdff841216p-3);
    p = p * r + rk_num(0x1.62e42fefa39abp-1);
    return RK_SCALEF_64(p * (t * r) + t, x);
}
RK_INLINE vec rk_exp2(vec x) { return RK(rk_exp2_of)(x, RK(rk_exp2_rest)(x)); }
#else
#define RK_EXP2_STEPS_32 \
    RK_FIRST(0x1.41fc1ap-13) \
    RK_STEP(0x1.5f3ed8p-10) RK_STEP(0x1.3b2e2ap-7) RK_STEP(0x1.c6af2cp-5) RK_STEP(0x1.ebfbdap-3) \
    RK_STEP(0x1.62e43p-1) RK_STEP(1)
#define RK_EXP2_STEPS_64 \
    RK_FIRST(0x1.e79bd1566b31fp-32) \
    RK_STEP(0x1.e61b4ef6f8a93p-28) RK_STEP(0x1.b5267ccccb3aep-24) RK_STEP(0x1.62bfc79da9778p-20) \
    RK_STEP(0x1.ffcbfba98acd7p-17) RK_STEP(0x1.4309130ed8adp-13) RK_STEP(0x1.5d87fe78cd715p-10) \
    RK_STEP(0x1.3b2ab6fba0195p-7) RK_STEP(0x1.c6b08d704a007p-5) RK_STEP(0x1.ebfbdff82c5a3p-3) \
    RK_STEP(0x1.62e42fefa39efp-1) RK_STEP(1)
RK_INLINE vec RK(rk_exp2_split)(vec x, uvec *n)
{
    vec a = rk_min(rk_num(RK_TYPE == 32 ? 128 : 1024), x); /* keeps NaN */
    return a - RK(rk_nearest)(a, n);
}
RK_INLINE vec RK(rk_exp2_end)(vec p, uvec n, vec x)
{
    mask under = rk_lt(x, rk_num(RK_TYPE == 32 ? -126 : -1022));
    return rk_select(under, rk_num(0), RK(rk_scale)(p, n, x));
}
/* 2^r, |r| <= 1/2. */
RK_INLINE vec RK(rk_exp2_near)(vec r)
{
#define RK_FIRST(c) vec p = rk_num(c);
#define RK_STEP(c) p = p * r + rk_num(c);
#if RK_TYPE == 32
    RK_EXP2_STEPS_32
#elif defined(__clang__) && RK_FMA /* weaves the chains of a tile into each other */
    RK_EXP2_STEPS_64
#else /* in groups: a chain of ten operations would be waited for */
    vec z = r * r, z4 = z * z;
    vec a = rk_num(0x1.5d87fe78cd715p-10) * r + rk_num(0x1.3b2ab6fba0195p-7);
    a = a * z + (rk_num(0x1.c6b08d704a007p-5) * r + rk_num(0x1.ebfbdff82c5a3p-3));
    vec b = rk_num(0x1.b5267ccccb3aep-24) * r + rk_num(0x1.62bfc79da9778p-20);
    b = b * z + (rk_num(0x1.ffcbfba98acd7p-17) * r + rk_num(0x1.4309130ed8adp-13));
    vec p = rk_num(0x1.e79bd1566b31fp-32) * r + rk_num(0x1.e61b4ef6f8a93p-28);
    p = (p * z4 + b) * z4 + a;
    p = p * r + rk_num(0x1.62e42fefa39efp-1);
    p = p * r + rk_num(1);
#endif
#undef RK_FIRST
#undef RK_STEP
    return p;
}
RK_INLINE vec rk_exp2(vec x)
{
    uvec n;
    vec p = RK(rk_exp2_near)(RK(rk_exp2_split)(x, &n));
    return RK(rk_exp2_end)(p, n, x);
}
#endif

//@ exp2_tile exp2
/* 2^x of the n vectors of a register tile, at most 8, in place. Compilers that keep the order of the
 * text let each chain of operations wait for itself: here all vectors take one operation after the
 * other. Error in double 1.0 ulp. */
#if !RK_AVX512 && RK_FMA && !defined(__clang__)
RK_INLINE void rk_exp2_tile(vec *x, int n)
{
    enum { MOST = 8 };
    vec p[MOST], r[MOST];
    uvec bits[MOST];
    RK_ALL_OF(n) r[k] = RK(rk_exp2_split)(x[k], &bits[k]);
#define RK_FIRST(c) RK_ALL_OF(n) p[k] = rk_num(c);
#define RK_STEP(c) RK_ALL_OF(n) p[k] = p[k] * r[k] + rk_num(c);
#if RK_TYPE == 32
    RK_EXP2_STEPS_32
#else
    RK_EXP2_STEPS_64
#endif
#undef RK_FIRST
#undef RK_STEP
    RK_ALL_OF(n) x[k] = RK(rk_exp2_end)(p[k], bits[k], x[k]);
}
#else
RK_INLINE void rk_exp2_tile(vec *x, int n)
{
    for (int k = 0; k < n; k++)
        x[k] = rk_exp2(x[k]);
}
#endif

//@ exp_tail types
/* (e^r - 1 - r) / r^2 for |r| <= ln2/2. */
#if RK_TYPE == 32
RK_INLINE vec rk_exp_tail(vec r)
{
    vec p = rk_num(0x1.6a228ap-10) * r + rk_num(0x1.123b16p-7);
    p = p * r + rk_num(0x1.5558dp-5);
    p = p * r + rk_num(0x1.55549p-3);
    return p * r + rk_num(0x1.fffffcp-2);
}
#else
RK_INLINE vec rk_exp_tail(vec r)
{
    vec p = rk_num(0x1.ad7e8a2156f05p-26) * r + rk_num(0x1.28ae348805389p-22);
    p = p * r + rk_num(0x1.71df271ff99f5p-19);
    p = p * r + rk_num(0x1.a019994433677p-16);
    p = p * r + rk_num(0x1.a01a0128fd109p-13);
    p = p * r + rk_num(0x1.6c16c1846fcbep-10);
    p = p * r + rk_num(0x1.11111111280aap-7);
    p = p * r + rk_num(0x1.5555555550723p-5);
    p = p * r + rk_num(0x1.55555555554f9p-3);
    return p * r + rk_num(0x1.000000000000ap-1);
}
#endif

//@ exp exp_tail exponent
/* e^x, as exp2; r = x - n ln2 with ln2 in two parts, the first short enough for n times it to be
 * exact (Cody and Waite). Error 1.0 ulp (double: 1.2). */
#if RK_AVX512 && RK_TYPE == 32
RK_INLINE vec rk_exp(vec x)
{
    const vec table = {
        0x1p+0f, 0x1.0b5586p+0f, 0x1.172b84p+0f, 0x1.2387a6p+0f, 0x1.306fep+0f, 0x1.3dea64p+0f,
        0x1.4bfdaep+0f, 0x1.5ab07ep+0f, 0x1.6a09e6p+0f, 0x1.7a1148p+0f, 0x1.8ace54p+0f,
        0x1.9c4918p+0f, 0x1.ae89fap+0f, 0x1.c199bep+0f, 0x1.d5818ep+0f, 0x1.ea4afap+0f};
    vec a = rk_min(rk_num(89), rk_max(rk_num(-105), x)); /* keeps NaN */
    vec k = a * rk_num(0x1.715476p0) + rk_num(0x1.8p19);
    vec n = k - rk_num(0x1.8p19); /* a multiple of 1/16 */
    vec t = RK_LOOKUP_32(table, (ivec)k);
    vec r = a - n * rk_num(0x1.62e4p-1);
    r = r - n * rk_num(0x1.7f7d1cp-20);
    vec p = rk_num(0x1.5555ecp-3) * r + rk_num(0x1.00021ep-1);
    p = p * r + rk_num(1);
    return RK_SCALEF_32(p * (t * r) + t, n);
}
#elif RK_AVX512
RK_INLINE vec rk_exp(vec x)
{
    const vec table0 = {0x1p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0,
                        0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0, 0x1.4bfdad5362a27p+0,
                        0x1.5ab07dd485429p+0};
    const vec table1 = {0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0,
                        0x1.9c49182a3f09p+0, 0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0,
                        0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0};
    vec a = rk_min(rk_num(710), rk_max(rk_num(-746), x));
    vec k = a * rk_num(0x1.71547652b82fep0) + rk_num(0x1.8p48);
    vec n = k - rk_num(0x1.8p48);
    vec t = RK_LOOKUP_64(table0, table1, (ivec)k);
    vec r = a - n * rk_num(0x1.62e42fefa4p-1);
    r = n * rk_num(0x1.8432a1b0e2634p-43) + r;
    vec p = rk_num(0x1.6c14c542dd15fp-10) * r + rk_num(0x1.11123bdeb8b5ap-7);
    p = p * r + rk_num(0x1.5555555902ca9p-5);
    p = p * r + rk_num(0x1.555555548df43p-3);
    p = p * r + rk_num(0x1.fffffffffffb8p-2);
    p = p * r + rk_num(1);
    return RK_SCALEF_64(p * (t * r) + t, n);
}
#elif RK_TYPE == 32
RK_INLINE vec rk_exp(vec x)
{
    uvec bits;
    vec n = RK(rk_nearest)(x * rk_num(0x1.715476p0), &bits);
    vec r = x - n * rk_num(0x1.62e4p-1);
    r = r - n * rk_num(0x1.7f7d1cp-20);
    vec p = rk_exp_tail(r) * r + rk_num(1);
    p = p * r + rk_num(1);
    p = RK(rk_scale)(p, bits, x);
    p = rk_select(rk_lt(x, rk_num(-0x1.5d589ep6)), rk_num(0), p);
    return rk_select(rk_gt(x, rk_num(0x1.62e42ep6)), rk_num(RK_INF), p);
}
#else
RK_INLINE vec rk_exp(vec x)
{
    uvec bits;
    vec n = RK(rk_nearest)(x * rk_num(0x1.71547652b82fep0), &bits);
    vec r = x - n * rk_num(0x1.62e42fefa4p-1);
    r = n * rk_num(0x1.8432a1b0e2634p-43) + r;
    vec p = rk_exp_tail(r) * r + rk_num(1);
    p = p * r + rk_num(1);
    p = RK(rk_scale)(p, bits, x);
    p = rk_select(rk_lt(x, rk_num(-0x1.6232bdd7abcd2p9)), rk_num(0), p);
    return rk_select(rk_gt(x, rk_num(0x1.62e42fefa39efp9)), rk_num(RK_INF), p);
}
#endif

//@ expm1 exp_tail minmax
/* e^x - 1 = 2 (s (e^r - 1) + (s - 1/2)) with s = 2^(n-1), whose pattern t carries in its low bits:
 * halves, so that n = 128 (1024) does no harm. In kernels zero begins at twice the smallest normal
 * number, for sinh too. Error 1.6 ulp. */
RK_INLINE vec rk_expm1(vec x)
{
#if RK_TYPE == 32
    vec a = rk_min(rk_num(89), rk_max(rk_num(-20), x));
    vec t = a * rk_num(0x1.715476p0) + rk_num(0x1.8p23 + 126);
    vec n = t - rk_num(0x1.8p23 + 126);
    vec r = a - n * rk_num(0x1.62e4p-1);
    r = r - n * rk_num(0x1.7f7d1cp-20);
    vec s = (vec)((uvec)t << 23);
#else
    vec a = rk_min(rk_num(710), rk_max(rk_num(-40), x));
    vec t = a * rk_num(0x1.71547652b82fep0) + rk_num(0x1.8p52 + 1022);
    vec n = t - rk_num(0x1.8p52 + 1022);
    vec r = a - n * rk_num(0x1.62e42fefa4p-1);
    r = n * rk_num(0x1.8432a1b0e2634p-43) + r;
    vec s = (vec)((uvec)t << 52);
#endif
    vec e = rk_exp_tail(r) * (r * r) + r;
    vec y = e * s + (s - rk_num(0.5));
    return y + y;
}

//@ log mask
/* x = 2^k m, sqrt(1/2) <= m < sqrt(2), f = m - 1, s = f / (2 + f), z = s^2:
 * log m = 2 atanh s = f - (f^2/2 - s (f^2/2 + z R(z))), as in fdlibm. -Inf below the smallest
 * normal number, in any mode. */
RK_INLINE vec rk_log(vec x)
{
#if RK_TYPE == 32
    enum { shift = 23 };
    const uvec root = (uvec)rk_num(0x1.6a09e6p-1), one = (uvec)rk_num(1);
    vec least = rk_num(0x1p-126);
    vec to_real = rk_num(0x1p23), bias = rk_num(0x1p23 + 127);
    vec ln2 = rk_num(0x1.62e4p-1), ln2_low = rk_num(0x1.7f7d1cp-20);
#else
    enum { shift = 52 };
    const uvec root = (uvec)rk_num(0x1.6a09e667f3bcdp-1), one = (uvec)rk_num(1);
    vec least = rk_num(0x1p-1022);
    vec to_real = rk_num(0x1p52), bias = rk_num(0x1p52 + 1023);
    vec ln2 = rk_num(0x1.62e42fefa4p-1), ln2_low = rk_num(-0x1.8432a1b0e2634p-43);
#endif
    uvec u = (uvec)x + (one - root);
    vec k = (vec)((u >> shift) | (uvec)to_real) - bias;
    vec f = (vec)((u & (((uvec)least) - 1)) + root) - rk_num(1);
    vec s = f / (rk_num(2) + f);
    vec z = s * s;
#if RK_TYPE == 32
    vec p = rk_num(0x1.31e2f2p-2) * z + rk_num(0x1.995ec8p-2);
    p = p * z + rk_num(0x1.55557ap-1);
#else
    vec p = rk_num(0x1.2f055bc6a9d7cp-3) * z + rk_num(0x1.39a1bb59967c4p-3);
    p = p * z + rk_num(0x1.74663ee3e0e7cp-3);
    p = p * z + rk_num(0x1.c71c520967e1bp-3);
    p = p * z + rk_num(0x1.24924941f12e3p-2);
    p = p * z + rk_num(0x1.999999997fdd2p-2);
    p = p * z + rk_num(0x1.5555555555592p-1);
#endif
    vec h = rk_num(0.5) * f * f;
    vec y = k * ln2 + (f - (h - (s * (z * p + h) + k * ln2_low)));
    y = rk_select(rk_lt(x, rk_num(RK_INF)), y, x);
    y = rk_select(rk_lt(x, least), rk_num(-RK_INF), y);
    return rk_select(rk_le(x, -least), rk_num(RK_NAN), y);
}

//@ log1p log abs
/* log u + (x - (u - 1)) / u with u = 1 + x rounded: the second term is what rounding lost. */
RK_INLINE vec rk_log1p(vec x)
{
    vec u = rk_num(1) + x;
    vec lost = (x - (u - rk_num(1))) / u;
    lost = rk_select(rk_lt(rk_abs(lost), rk_num(1)), lost, rk_num(0)); /* u is 0 or Inf */
    return rk_select(rk_eq(x, rk_num(0)), x, rk_log(u) + lost);
}

//@ fused types
/* a*b + c, where c is close to -a*b, with one rounding or as if; also without FMA, by Dekker's
 * products of halves of a and b. */
#if RK_FMA && RK_AVX512 && RK_TYPE == 32
RK_INLINED vec RK(rk_fused)(vec a, vec b, vec c) { return RK_FUSED_32(a, b, c); }
#elif RK_FMA && RK_AVX512
RK_INLINED vec RK(rk_fused)(vec a, vec b, vec c) { return RK_FUSED_64(a, b, c); }
#elif RK_FMA && defined(__clang__) && RK_HAS(__builtin_elementwise_fma)
RK_INLINED vec RK(rk_fused)(vec a, vec b, vec c) { return __builtin_elementwise_fma(a, b, c); }
#elif defined(__FMA__) && RK_BYTES == 32 && RK_HAS(__builtin_ia32_vfmaddps256) && RK_TYPE == 32
RK_INLINED vec RK(rk_fused)(vec a, vec b, vec c) { return __builtin_ia32_vfmaddps256(a, b, c); }
#elif defined(__FMA__) && RK_BYTES == 32 && RK_HAS(__builtin_ia32_vfmaddps256)
RK_INLINED vec RK(rk_fused)(vec a, vec b, vec c) { return __builtin_ia32_vfmaddpd256(a, b, c); }
#else
RK_INLINED vec RK(rk_fused)(vec a, vec b, vec c)
{
    uvec high = (uvec)rk_num(0);
    high = high - (RK(rk_uint))(RK_TYPE == 32 ? 0x1000 : 0x8000000);
    vec ah = (vec)((uvec)a & high), al = a - ah, bh = (vec)((uvec)b & high), bl = b - bh;
    return (((ah * bh + c) + ah * bl) + al * bh) + al * bl;
}
#endif

//@ pi_reduction types
/* x - n pi for |n| < 2^20. With FMA pi is three reals, each difference being rounded once; without,
 * a float is reduced in double, and a double with pieces of pi short enough for exact products. */
#if RK_TYPE == 32
typedef double rk_pi_double_32 __attribute__((vector_size(RK_BYTES)));
typedef float rk_pi_float_32 __attribute__((vector_size(RK_BYTES / 2)));
#endif
#if RK_TYPE == 32 && RK_FMA
RK_INLINE vec rk_minus_n_pi(vec x, vec n)
{
    vec r = x - n * rk_num(0x1.921fb6p+1);
    r = n * rk_num(0x1.777a5cp-24) + r;
    return n * rk_num(0x1.ee59dap-49) + r;
}
#elif RK_TYPE == 32
RK_INLINE vec rk_minus_n_pi(vec x, vec n)
{
    union { vec v; rk_pi_float_32 half[2]; } a = {x}, k = {n};
    for (int i = 0; i < 2; i++) {
        rk_pi_double_32 m = __builtin_convertvector(k.half[i], rk_pi_double_32);
        rk_pi_double_32 r = __builtin_convertvector(a.half[i], rk_pi_double_32);
        r = (r - m * 0x1.921fb544p+1) - m * 0x1.0b4611a626331p-33;
        a.half[i] = __builtin_convertvector(r, rk_pi_float_32);
    }
    return a.v;
}
#elif RK_FMA
RK_INLINE vec rk_minus_n_pi(vec x, vec n)
{
    vec r = x - n * rk_num(0x1.921fb54442d18p+1);
    r = r - n * rk_num(0x1.1a62633145c07p-53);
    return n * rk_num(0x1.f1976b7ed8fbcp-109) + r;
}
#else
RK_INLINE vec rk_minus_n_pi(vec x, vec n)
{
    vec r = x - n * rk_num(0x1.921fb544p+1);
    r = r - n * rk_num(0x1.0b4611a6p-33);
    r = r - n * rk_num(0x1.3198a2ep-68);
    return r - n * rk_num(0x1.b839a252049c1p-103);
}
#endif

//@ sin_near pi_reduction
/* sin(r) for |r| <= pi/2, its sign changed where the lowest bit of `odd` is set. With that of r,
 * the largest errors of all floats below 2^20 are 2.14 ulp (sin) and 2.94 ulp (cos, near 2^20). */
RK_INLINE vec rk_sin_near(vec r, vec odd)
{
    vec z = r * r;
#if RK_TYPE == 32
    vec p = rk_num(0x1.5d63f2p-19) * z - rk_num(0x1.9f6afap-13);
    p = p * z + rk_num(0x1.110ec4p-7);
    p = p * z - rk_num(0x1.55554cp-3);
#else
    vec p = rk_num(0x1.87cf2fb868bf8p-49) * z - rk_num(0x1.ae3fe38732bb5p-41);
    p = p * z + rk_num(0x1.6123bf544731bp-33);
    p = p * z - rk_num(0x1.ae64549ede3a2p-26);
    p = p * z + rk_num(0x1.71de3a522d2bbp-19);
    p = p * z - rk_num(0x1.a01a01a013ca2p-13);
    p = p * z + rk_num(0x1.11111111110b6p-7);
    p = p * z - rk_num(0x1.5555555555555p-3);
#endif
    vec y = p * (r * z) + r;
    return (vec)((uvec)y ^ ((uvec)odd << (RK_TYPE - 1)));
}

//@ sin_far sin_near mask abs minmax fused
/* What sin and, half a period ahead of where it is `ahead`, cos are beyond 2^20: x / pi modulo 2 as
 * Payne and Hanek do it. Of 1/pi only those digits enter whose products with x make no whole
 * periods. The nearest multiple of pi is taken away; what is left changes its sign where that is
 * odd. Error 0.7 ulp (double: 2.0). */
#if RK_TYPE == 32
/* 2^(4k - 3) / pi modulo 2, for x from 2^20 16^k on, in two words: times a float the first one, of
 * 29 bits, is exact. */
static const double rk_turns_32[][2] = {
    {0x1.45f307p-5, -0x1.1b1bbead603d9p-32}, {0x1.45f306ep-1, -0x1.b1bbead603d8bp-32},
    {0x1.7cc1b74p-3, -0x1.8ddf56b01ec54p-31}, {0x1.f306dcap-1, -0x1.bbead603d8a83p-32},
    {-0x1.9f246c6p-2, -0x1.df56b01ec5417p-31}, {-0x1.f246c6ep-2, -0x1.f56b01ec5417p-31},
    {0x1.b72722p-3, 0x1.529fc2757d1f5p-32}, {-0x1.236377dp-1, -0x1.6b01ec5417056p-31},
    {0x1.c9c882ap-1, 0x1.4fe13abe8fa9ap-31}, {0x1.391054ap-2, 0x1.fc2757d1f534ep-32},
    {0x1.c882a54p-1, -0x1.ec54170565912p-35}, {0x1.1054a8p-2, -0x1.ec54170565912p-31},
    {0x1.054a7fp-2, 0x1.3abe8fa9a6eep-31}, {0x1.529fc28p-4, -0x1.505c1596447e5p-33},
    {-0x1.5ac07b1p-1, -0x1.4170565911f92p-31}, {-0x1.ac07b15p-1, -0x1.70565911f924fp-35},
    {0x1.3f84ebp-1, -0x1.70565911f924fp-31}, {-0x1.ec5418p-7, 0x1.f534ddc0db629p-32},
    {-0x1.ec5417p-3, -0x1.596447e493ad5p-33}, {0x1.3abe8fcp-3, -0x1.65911f924eb53p-31},
    {0x1.d5f47d4p-2, 0x1.a6ee06db14acdp-31}, {-0x1.505c159p-1, -0x1.911f924eb5336p-31},
    {-0x1.05c1596p-1, -0x1.11f924eb53362p-31}, {-0x1.705659p-3, -0x1.1f924eb53361ep-31},
    {-0x1.c159644p-1, -0x1.f924eb53361dep-31}, {-0x1.596448p-5, 0x1.b6c52b3278872p-33},
    {-0x1.596447ep-1, -0x1.24eb53361de38p-31}};
typedef long long rk_pi_int_32 __attribute__((vector_size(RK_BYTES)));
#define RK_TURN(l) rk_turns_32[k[l]][word]
#if RK_BYTES == 64
#define RK_TURNS RK_TURN(0), RK_TURN(1), RK_TURN(2), RK_TURN(3), \
    RK_TURN(4), RK_TURN(5), RK_TURN(6), RK_TURN(7)
#elif RK_BYTES == 32
#define RK_TURNS RK_TURN(0), RK_TURN(1), RK_TURN(2), RK_TURN(3)
#else
#define RK_TURNS RK_TURN(0), RK_TURN(1)
#endif
RK_INLINED rk_pi_double_32 rk_turns_of_32(const unsigned *k, int word)
{
    return (rk_pi_double_32){RK_TURNS};
}
RK_INLINED vec rk_far_sine_32(vec size, int ahead)
{
    union { uvec v; unsigned lane[2][RK_LANES / 2]; } k = {((uvec)size - 0x49800000) >> 25};
    union { vec v; rk_pi_float_32 half[2]; } a = {(vec)((uvec)size - ((k.v << 25) - (3 << 23)))};
    for (int i = 0; i < 2; i++) {
        rk_pi_double_32 y = __builtin_convertvector(a.half[i], rk_pi_double_32);
        rk_pi_double_32 head = y * rk_turns_of_32(k.lane[i], 0) + (ahead ? 0.5 : 0);
        rk_pi_double_32 tail = y * rk_turns_of_32(k.lane[i], 1), t = (head + tail) + 0x1.8p52;
        rk_pi_double_32 r = ((head - (t - 0x1.8p52)) + tail) * 0x1.921fb54442d18p+1, z = r * r;
        rk_pi_double_32 p = (0x1.5d63f2p-19 * z - 0x1.9f6afap-13) * z + 0x1.110ec4p-7;
        r = (p * z - 0x1.55554cp-3) * (r * z) + r;
        r = (rk_pi_double_32)((rk_pi_int_32)r ^ (rk_pi_int_32)t << 63);
        a.half[i] = __builtin_convertvector(r, rk_pi_float_32);
    }
    return a.v;
}
#else
static const unsigned char rk_turns_64[] = /* the bits of 1/(2 pi), after 32 zeros */
    "\x00\x00\x00\x00\x28\xbe\x60\xdb\x93\x91\x05\x4a\x7f\x09\xd5\xf4\x7d\x4d\x37\x70\x36\xd8"
    "\xa5\x66\x4f\x10\xe4\x10\x7f\x94\x58\xea\xf7\xae\xf1\x58\x6d\xc9\x1b\x8e\x90\x93\x74\xb8"
    "\x01\x92\x4b\xba\x82\x74\x64\x87\x3f\x87\x7a\xc7\x2c\x4a\x69\xcf\xba\x20\x8d\x7d\x4b\xae"
    "\xd1\x21\x3a\x67\x1c\x09\xad\x17\xdf\x90\x4e\x64\x75\x8e\x60\xd4\xce\x7d\x27\x21\x17\xe2"
    "\xef\x7e\x4a\x0e\xc7\xfe\x25\xff\xf7\x81\x66\x03\xfb\xcb\xc4\x62\xd6\x82\x9b\x47\xdb\x4d"
    "\x9f\xb3\xc9\xf2\xc2\x6d\xd3\xd1\x8f\xd9\xa7\x97\xfa\x8b\x5d\x49\xee\xb1\xfa\xf9\x7c\x5e"
    "\xcf\x41\xce\x7d\xe2\x94\xa4\xba\x9a\xfe\xd7\xec\x47\xe3\x57\x42\x15\x80\xcc\x11";
RK_INLINED unsigned long long rk_turns_at_64(unsigned byte)
{
    unsigned long long bits;
    __builtin_memcpy(&bits, rk_turns_64 + byte, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bits = __builtin_bswap64(bits);
#endif
    return bits;
}
/* The upper half of a product. */
RK_INLINED unsigned long long rk_upper_64(unsigned long long a, unsigned long long b)
{
#ifdef __SIZEOF_INT128__
    return (unsigned long long)((unsigned __int128)a * b >> 64);
#else
    unsigned long long half = 0xffffffff, a1 = a >> 32, a0 = a & half, b1 = b >> 32, b0 = b & half;
    unsigned long long u = a1 * b0 + (a0 * b0 >> 32), v = a0 * b1 + (u & half);
    return a1 * b1 + (u >> 32) + (v >> 32);
#endif
}
typedef union { uvec v; unsigned long long lane[RK_LANES]; } rk_lanes_64;
/* Halves of integers as reals. */
RK_INLINED vec rk_upper_word_64(uvec n)
{
    return (vec)(n >> 32 | (uvec)rk_num(0x1p52)) - rk_num(0x1p52);
}
RK_INLINED vec rk_lower_word_64(uvec n)
{
    return (vec)((n & 0xffffffff) | (uvec)rk_num(0x1p52)) - rk_num(0x1p52);
}
/* Fixed point: *turn and *rest are 128 bits of the part of a turn. One lane after the other, as the
 * products of two words that it takes are none that lanes have. */
RK_INLINED void rk_turned_64(uvec size, uvec *turn, uvec *rest)
{
    rk_lanes_64 x = {size}, first, second;
    for (int l = 0; l < RK_LANES; l++) {
        unsigned bit = (unsigned)(x.lane[l] >> 52) - 1043;
        unsigned long long m = (x.lane[l] & 0xfffffffffffff) | 0x10000000000000;
        m <<= bit % 8;
        unsigned long long next = rk_turns_at_64(bit / 8 + 8), low = m * next;
        second.lane[l] = low + rk_upper_64(m, rk_turns_at_64(bit / 8 + 16));
        first.lane[l] = m * rk_turns_at_64(bit / 8) + rk_upper_64(m, next);
        first.lane[l] += second.lane[l] < low;
    }
    *turn = first.v;
    *rest = second.v;
}
RK_INLINED vec rk_far_sine_64(vec size, int ahead)
{
    uvec turn, rest, sign = (uvec)rk_num(-0.0);
    rk_turned_64((uvec)size, &turn, &rest);
    turn += (rest >> 63) + (ahead ? 2ULL << 62 : 1ULL << 62); /* one more: no sign of the rest */
    rest = rest ^ sign;
    uvec near = turn & ~sign;
    vec up = (rk_upper_word_64(near) - rk_num(0x1p30)) * rk_num(0x1p32);
    vec head = up + rk_lower_word_64(near), tail = rk_lower_word_64(near) - (head - up);
    up = (rk_upper_word_64(rest) - rk_num(0x1p31)) * rk_num(0x1p32);
    tail += (up + rk_lower_word_64(rest)) * rk_num(0x1p-64);
    vec unit = rk_num(0x1.921fb54442d18p-62), r = head * unit;
    r = r + (RK(rk_fused)(head, unit, -r) + (head * rk_num(0x1.1a62633145c07p-116) + tail * unit));
    return rk_sin_near(r, (vec)(turn >> 63));
}
#endif
RK_RARE vec RK(rk_sin_far)(vec x, vec y, int ahead)
{
    vec most = rk_num(RK_TYPE == 32 ? 0x1.fffffep127 : 0x1.fffffffffffffp1023);
    vec size = rk_max(rk_num(0x1p20), rk_min(rk_abs(x), most));
    vec far = RK(rk_far_sine)(size, ahead) + (x - x); /* no number at infinities */
    far = ahead ? far : (vec)((uvec)far ^ ((uvec)x & (uvec)rk_num(-0.0)));
    return rk_select(rk_lt(rk_abs(x), rk_num(0x1p20)), y, far);
}

//@ sin sin_far
/* sin x = (-1)^n sin(x - n pi), n = round(x / pi). */
RK_INLINE vec rk_sin(vec x)
{
    vec magic = rk_num(RK_TYPE == 32 ? 0x1.8p23 : 0x1.8p52);
    vec t = x * rk_num(RK_TYPE == 32 ? 0x1.45f306p-2 : 0x1.45f306dc9c883p-2) + magic;
    vec y = rk_sin_near(rk_minus_n_pi(x, t - magic), t);
    mask near = rk_lt(rk_abs(x), rk_num(0x1p20));
    return __builtin_expect(rk_all(near), 1) ? y : RK(rk_sin_far)(x, y, 0);
}

//@ cos sin_far
/* cos x = (-1)^n sin(x - (n - 1/2) pi), n = round(x / pi + 1/2). */
RK_INLINE vec rk_cos(vec x)
{
    vec magic = rk_num(RK_TYPE == 32 ? 0x1.8p23 : 0x1.8p52);
    vec over_pi = rk_num(RK_TYPE == 32 ? 0x1.45f306p-2 : 0x1.45f306dc9c883p-2);
    vec t = (x * over_pi + rk_num(0.5)) + magic;
    vec y = rk_sin_near(rk_minus_n_pi(x, (t - magic) - rk_num(0.5)), t);
    mask near = rk_lt(rk_abs(x), rk_num(0x1p20));
    return __builtin_expect(rk_all(near), 1) ? y : RK(rk_sin_far)(x, y, 1);
}

//@ tanh expm1 abs
/* -e / (2 + e), e = e^(-2|x|) - 1. */
RK_INLINE vec rk_tanh(vec x)
{
    vec e = rk_expm1(rk_num(-2) * rk_abs(x));
    return rk_copysign(e / (rk_num(2) + e), x);
}

//@ half_exp exp abs mask
/* e^|x| / 2 where e^|x| may overflow, else y: |x| - c is exact, and e^c / 2 nearly so. */
RK_RARE vec RK(rk_half_exp)(vec x, vec y)
{
    vec c = rk_num(RK_TYPE == 32 ? 0x1.104p+0 : 0x1.d49dp+0), size = rk_abs(x);
    vec far = rk_exp(size - c) * rk_num(RK_TYPE == 32 ? 0x1.72bdfep+0 : 0x1.8f2d301af19c2p+1);
    return rk_select(rk_lt(size, rk_num(RK_TYPE == 32 ? 88 : 709)), y, far);
}

//@ sinh expm1 half_exp
/* (e + e / (1 + e)) / 2, e = e^|x| - 1, where that cannot overflow. */
RK_INLINE vec rk_sinh(vec x)
{
    vec e = rk_expm1(rk_abs(x));
    vec y = rk_copysign(rk_num(0.5) * (e + e / (rk_num(1) + e)), x);
    mask near = rk_lt(rk_abs(x), rk_num(RK_TYPE == 32 ? 88 : 709));
    return __builtin_expect(rk_all(near), 1) ? y : rk_copysign(RK(rk_half_exp)(x, y), x);
}

//@ cosh half_exp
RK_INLINE vec rk_cosh(vec x)
{
    vec e = rk_exp(rk_abs(x));
    vec y = rk_num(0.5) * (e + rk_num(1) / e);
    mask near = rk_lt(rk_abs(x), rk_num(RK_TYPE == 32 ? 88 : 709));
    return __builtin_expect(rk_all(near), 1) ? y : RK(rk_half_exp)(x, y);
}

//@ pow exp2 mask abs floor fused positions
/* |a|^b = 2^(b log2 |a|), the logarithm in two words, of which one is *low: kernels with several
 * powers of one base compute it once, as the compiler sees that it is the same.
 * AVX-512: |a| = 2^k m, m c = 1 + r with c from a table of 16, of so few bits that r is exact;
 * log2 m = -log2 c + r P(r), -1/32 <= r <= 1/16. c is 1 in the first sixteenth and 1/2 in the last,
 * so that nothing cancels near 1. vgetexp and vgetmant serve 0 and infinity, too.
 * Elsewhere: m as in rk_log, s = (m-1) / (m+1), log2 m = s P(s^2); bases below the smallest normal
 * number count as 0. P(x) is one + two x + p, and is taken in two words, too: p also has what `one`
 * lacks, and the rest of it what `two` does. Short chains of operations matter: they are what takes
 * the time. What y = b log2 |a| has lost enters with its rest.
 * Error 1.4 ulp (double: 1.6). */
#if RK_AVX512
RK_INLINED vec RK(rk_log2_wide)(vec a, vec *low)
{
#if RK_TYPE == 32
    const vec inverses = {0x1p+0f, 0x1.ep-1f, 0x1.cp-1f, 0x1.bp-1f, 0x1.9p-1f, 0x1.8p-1f,
                          0x1.7p-1f, 0x1.6p-1f, 0x1.5p-1f, 0x1.4p-1f, 0x1.38p-1f, 0x1.28p-1f,
                          0x1.2p-1f, 0x1.18p-1f, 0x1.1p-1f, 0x1p-1f};
    const vec heads = {0x0p+0f, 0x1.7d6p-4f, 0x1.8a88p-3f, 0x1.f6p-3f, 0x1.6cbp-2f, 0x1.a9p-2f,
                       0x1.e7ep-2f, 0x1.14c6p-1f, 0x1.3722p-1f, 0x1.5b2cp-1f, 0x1.6dep-1f,
                       0x1.94c2p-1f, 0x1.a9p-1f, 0x1.bdcep-1f, 0x1.d338p-1f, 0x1p+0f};
    const vec tails = {0x0p+0f, 0x1.25b3eep-22f, 0x1.80abfcp-19f, -0x1.3ab7cep-18f,
                       0x1.ed0cbap-19f, -0x1.a39fbep-20f, -0x1.40358ep-19f, -0x1.3e032ep-18f,
                       0x1.5db83ap-20f, 0x1.ed0cbap-20f, -0x1.eac382p-20f, 0x1.0e9258p-18f,
                       -0x1.a39fbep-19f, 0x1.3b992cp-18f, 0x1.20a6dep-21f, 0x0p+0f};
    vec m = RK_MANTISSA_32(a);
    ivec i = (ivec)((uvec)m >> 19);
    vec inverse = RK_LOOKUP_32(inverses, i), head = RK_LOOKUP_32(heads, i);
    vec tail = RK_LOOKUP_32(tails, i), one = rk_num(0x1.715476p+0), two = rk_num(-0x1.715476p-1);
    vec r = m * inverse - rk_num(1);
    vec z = r * r;
    vec p2 = rk_num(-0x1.cb84dap-3) * r + rk_num(0x1.27980cp-2);
    vec p1 = rk_num(-0x1.715b8ep-2) * r + rk_num(0x1.ec70a4p-2);
    vec p = (p2 * z + p1) * z + rk_num(0x1.4aa4f6p-26);
#else
    const vec inverses0 = {0x1p+0, 0x1.ep-1, 0x1.cp-1, 0x1.bp-1, 0x1.9p-1, 0x1.8p-1, 0x1.7p-1,
                           0x1.6p-1};
    const vec inverses1 = {0x1.5p-1, 0x1.4p-1, 0x1.38p-1, 0x1.28p-1, 0x1.2p-1, 0x1.18p-1, 0x1.1p-1,
                           0x1p-1};
    const vec heads0 = {0x0p+0, 0x1.7d60496cfcp-4, 0x1.8a8980abfcp-3, 0x1.f5fd8a9064p-3,
                        0x1.6cb0f6865dp-2, 0x1.a8ff971811p-2, 0x1.e7df5fe539p-2,
                        0x1.14c560fe688p-1};
    const vec heads1 = {0x1.37222bb7078p-1, 0x1.5b2c3da197p-1, 0x1.6ddfc2a79p-1,
                        0x1.94c287492c8p-1, 0x1.a8ff9718108p-1, 0x1.bdce9dcc96p-1,
                        0x1.d338120a6ep-1, 0x1p+0};
    const vec tails0 = {0x0p+0, -0x1.2ce6312ebb81dp-46, -0x1.66cccab240e9p-46,
                        -0x1.cb6f70109b0f1p-47, -0x1.c57f2495fb7fap-44, -0x1.6879fa00b120ap-44,
                        -0x1.532c412ba94dbp-44, 0x1.7c407050799bfp-44};
    const vec tails1 = {-0x1.c22d2cad415aep-44, 0x1.1d406db502403p-44, -0x1.ce60916e52e91p-44,
                        -0x1.927dfc23d978p-44, 0x1.2f0c0bfe9dbecp-44, 0x1.871a7610e40bdp-45,
                        -0x1.3167ccc538261p-44, 0x0p+0};
    vec m = RK_MANTISSA_64(a);
    ivec i = (ivec)((uvec)m >> 48);
    vec inverse = RK_LOOKUP_64(inverses0, inverses1, i), head = RK_LOOKUP_64(heads0, heads1, i);
    vec tail = RK_LOOKUP_64(tails0, tails1, i);
    vec one = rk_num(0x1.71547652b82fep+0), two = rk_num(-0x1.71547652b82fep-1);
    vec r = m * inverse - rk_num(1);
    vec z = r * r, zz = z * z;
    vec p5 = rk_num(-0x1.55dd30db56cd7p-4) * r + rk_num(0x1.0474f383586cbp-3);
    vec p4 = rk_num(-0x1.273e6c5ece1cfp-3) * r + rk_num(0x1.484ea773779eep-3);
    vec p3 = rk_num(-0x1.7154a924d9678p-3) * r + rk_num(0x1.a61762639db36p-3);
    vec p2 = rk_num(-0x1.ec709db813d68p-3) * r + rk_num(0x1.2776c50ef44fdp-2);
    vec p1 = rk_num(-0x1.71547652b8abap-2) * r + rk_num(0x1.ec709dc3a0406p-2);
    vec p = p1 * z + rk_num(0x1.773016ad77064p-56);
    p = ((p5 * z + p4) * zz + (p3 * z + p2)) * zz + p;
#endif
    vec h = one + two * r, g = h + p, gl = RK(rk_fused)(two, r, one - h) + ((h - g) + p);
    vec k = RK(RK_EXPONENT)(a) + head, y = r * g, high = k + y;
    *low = RK(rk_fused)(r, g, k - high) + (r * gl + tail);
    return high;
}
#else
RK_INLINED vec RK(rk_log2_wide)(vec a, vec *low)
{
#if RK_TYPE == 32
    const uvec root = (uvec)rk_num(0x1.6a09e6p-1);
    vec one = rk_num(0x1.715476p+1), two = rk_num(0x1.ec709ep-1), least = rk_num(0x1p-126);
    uvec u = (uvec)rk_abs(a) - root;
    vec k = rk_from_int((ivec)u >> 23);
#else /* few processors shift the sign of 64 bits, or convert such integers */
    const uvec root = (uvec)rk_num(0x1.6a09e667f3bcdp-1), unit = (uvec)rk_num(1);
    vec one = rk_num(0x1.71547652b82fep+1), two = rk_num(0x1.ec709dc3a03fdp-1);
    vec least = rk_num(0x1p-1022), to_real = rk_num(0x1p52), bias = rk_num(0x1p52 + 1023);
    uvec u = (uvec)rk_abs(a) + (unit - root);
    vec k = (vec)((u >> 52) | (uvec)to_real) - bias;
#endif
    vec m = (vec)((u & ((uvec)least - 1)) + root);
    vec f = m - rk_num(1), d = m + rk_num(1), over = rk_num(1) / d, s = f * over;
    vec sl = (RK(rk_fused)(-s, d, f) - s * (m - (d - rk_num(1)))) * over;
    vec z = s * s, zz = z * z;
#if RK_TYPE == 32
    vec p = rk_num(0x1.a5c1e2p-2) * z + rk_num(0x1.2776f8p-1);
    p = (rk_num(0x1.59a3b6p-2) * zz + p) * zz + rk_num(0x1.4aaa68p-25);
    vec zl = rk_num(-0.0); /* + zl: no operation */
#else
    vec p3 = rk_num(0x1.87896438fc218p-3) * z + rk_num(0x1.c6a17f0c9a84ap-3);
    vec p2 = rk_num(0x1.0c9a5d60a748p-2) * z + rk_num(0x1.484b14396d919p-2);
    vec p1 = rk_num(0x1.a61762a729c75p-2) * z + rk_num(0x1.2776c50ef9e95p-1);
    vec p = ((rk_num(0x1.872d73927bf1ep-3) * zz + p3) * zz + p2) * zz + p1;
    p = p * zz + rk_num(0x1.775a45dd1b901p-55);
    vec zl = two * RK(rk_fused)(s, s, -z);
#endif
    vec h = one + two * z, g = h + p;
    vec gl = (RK(rk_fused)(two, z, one - h) + zl) + ((h - g) + p);
    vec y = s * g, high = k + y, slope = (two + two) * z + g;
    *low = RK(rk_fused)(s, g, k - high) + (s * gl + sl * slope);
    return high;
}
#endif
/* Zeros, infinities, NaN and negative bases, as C has them: y = |a|^b where nothing is special. */
RK_CALLED vec RK(rk_pow_special)(vec a, vec b, vec y)
{
    vec size = rk_abs(a), inf = rk_num(RK_INF), one = rk_num(1), zero = rk_num(0);
    vec least = rk_num(RK_TYPE == 32 ? 0x1p-126 : 0x1p-1022);
    mask whole = rk_eq(rk_floor(b), b);
    mask odd = rk_and(whole, rk_ne(rk_floor(b * rk_num(0.5)) * rk_num(2), b));
    mask grows = rk_gt(b, zero), large = rk_gt(size, one);
    vec end = rk_select(rk_eq(rk_abs(b), inf), inf, zero);
    mask endless = rk_or(rk_eq(end, inf), rk_or(rk_eq(size, inf), rk_lt(size, least)));
    mask up = rk_or(rk_and(grows, large), rk_and(rk_lt(b, zero), rk_lt(size, one)));
    y = rk_select(endless, rk_select(up, inf, zero), y);
    y = rk_select(rk_and(rk_eq(size, one), rk_eq(end, inf)), one, y);
    mask below = rk_and(rk_lt(a, zero), rk_lt(size, inf));
    below = rk_and(below, rk_and(rk_not(whole), rk_ge(size, least)));
    y = rk_select(rk_or(below, rk_or(rk_isnan(a), rk_isnan(b))), rk_num(RK_NAN), y);
    y = rk_select(odd, rk_copysign(y, a), y);
    return rk_select(rk_or(rk_eq(b, zero), rk_eq(a, one)), one, y);
}
#if RK_AVX512 /* vgetexp and vgetmant see the sign of no number */
RK_INLINED vec RK(rk_pow_of)(vec high, vec low, vec b)
{
    vec y = b * high, r = b * low + RK(rk_fused)(b, high, RK(rk_exp2_rest)(y) - y);
    return RK(rk_exp2_of)(y, RK(RK_LESSER)(r, rk_num(0.25)));
}
RK_INLINED mask RK(rk_pow_is_plain)(vec a, vec high, vec b)
{
    vec y = b * high;
    return RK(RK_CMP_AMONG)(y, y, 7, RK(RK_ICMP)((ivec)a, (ivec){0}, 5));
}
#else
RK_INLINED vec RK(rk_pow_of)(vec high, vec low, vec b)
{
    enum { most = RK_TYPE == 32 ? 128 : 1024, shift = RK_TYPE == 32 ? 23 : 52 };
    vec y = b * high;
    uvec bits;
    vec n = RK(rk_nearest)(rk_min(rk_num(most), y), &bits);
    vec r = b * low + RK(rk_fused)(b, high, -n);
    vec p = RK(rk_exp2_near)(rk_min(r, rk_num(0.51)));
    vec scaled = (vec)((uvec)p + (bits << shift));
    scaled = rk_select(rk_lt(y, rk_num(2 - most)), rk_num(0), scaled);
    return rk_min(scaled, rk_num(RK_INF)); /* 2^most and more are patterns beyond it */
}
/* One comparison of integers for both ends of a; that of b is often made once for many. */
RK_INLINED mask RK(rk_pow_is_plain)(vec a, vec high, vec b)
{
    uvec least = (uvec)rk_num(RK_TYPE == 32 ? 0x1p-126 : 0x1p-1022), inf = (uvec)rk_num(RK_INF);
    uvec lowest = (uvec)rk_num(-0.0);
    mask inside = rk_ilt((ivec)((uvec)a - least + lowest), (ivec)(inf - least + lowest));
    (void)high;
    return rk_and(inside, rk_lt(rk_abs(b), rk_num(RK_INF)));
}
#endif
RK_INLINE vec rk_pow(vec a, vec b)
{
    vec low, high = RK(rk_log2_wide)(a, &low), y = RK(rk_pow_of)(high, low, b);
    mask plain = RK(rk_pow_is_plain)(a, high, b);
    return __builtin_expect(rk_all(plain), 1) ? y : RK(rk_pow_special)(a, b, y);
}

//@ pow_tile pow
/* a^b of the n vectors of a register tile, at most 8, in place of a: a processor sees a few hundred
 * operations ahead, which are two powers one after the other, but the logarithms of all, and then
 * the rest of all. One branch for all, too. */
RK_INLINE void rk_pow_tile(vec *a, const vec *b, int n)
{
    enum { MOST = 8 };
    vec high[MOST], low[MOST], y[MOST];
    mask plain = rk_eq(rk_num(0), rk_num(0));
    RK_ALL_OF(n) high[k] = RK(rk_log2_wide)(a[k], &low[k]);
    RK_ALL_OF(n) y[k] = RK(rk_pow_of)(high[k], low[k], b[k]);
    RK_ALL_OF(n) plain = rk_and(plain, RK(rk_pow_is_plain)(a[k], high[k], b[k]));
    if (__builtin_expect(!rk_all(plain), 0))
        RK_ALL_OF(n) y[k] = RK(rk_pow_special)(a[k], b[k], y[k]);
    RK_ALL_OF(n) a[k] = y[k];
}

//@ right_angle types
#define RK_PI_2_HEAD rk_num(RK_TYPE == 32 ? 0x1.921fb6p+0 : 0x1.921fb54442d18p+0)
#define RK_PI_2_TAIL rk_num(RK_TYPE == 32 ? -0x1.777a5cp-25 : 0x1.1a62633145c07p-54)

//@ asin right_angle sqrt mask abs
/* asin x = x + x z P(z), z = x^2, for |x| <= 1/2; above asin x = pi/2 - 2 asin sqrt((1 - x) / 2).
 * Error 1.6 ulp (double: 1.7). */
RK_INLINE vec RK(rk_asin_tail)(vec z)
{
#if RK_TYPE == 32
    vec p = rk_num(0x1.59db58p-5) * z + rk_num(0x1.8ba1a6p-6);
    p = p * z + rk_num(0x1.748c7ap-5);
    p = p * z + rk_num(0x1.330152p-4);
    p = p * z + rk_num(0x1.5555cap-3);
#else
    vec p = rk_num(0x1.05cecdffc57e8p-5) * z - rk_num(0x1.0af64d19e13abp-6);
    p = p * z + rk_num(0x1.40b2ec5a4a806p-6);
    p = p * z + rk_num(0x1.aab1f75693cffp-8);
    p = p * z + rk_num(0x1.8ee4df71f66a5p-7);
    p = p * z + rk_num(0x1.c6f873e6c7fdap-7);
    p = p * z + rk_num(0x1.1c6c285065231p-6);
    p = p * z + rk_num(0x1.6e89ef6e9f5ccp-6);
    p = p * z + rk_num(0x1.f1c72c6ddc359p-6);
    p = p * z + rk_num(0x1.6db6db41d1c7bp-5);
    p = p * z + rk_num(0x1.333333336f8c7p-4);
    p = p * z + rk_num(0x1.5555555555387p-3);
#endif
    return p * z;
}
RK_INLINE vec rk_asin(vec x)
{
    vec a = rk_abs(x);
    mask far = rk_gt(a, rk_num(0.5));
    vec z = rk_select(far, rk_num(0.5) - rk_num(0.5) * a, a * a);
    vec s = rk_select(far, rk_num(-2) * rk_sqrt(z), a);
    vec y = s * RK(rk_asin_tail)(z);
    vec tail = rk_select(far, RK_PI_2_TAIL, rk_num(0));
    vec head = rk_select(far, RK_PI_2_HEAD, rk_num(0));
    return rk_copysign(head + (s + (y + tail)), x);
}

//@ acos asin
/* pi/2 - asin x for |x| <= 1/2, else 2 asin sqrt((1 - |x|) / 2), taken from pi where x < 0: n times
 * pi/2 and s + s z P(z). Error 1.2 ulp. */
RK_INLINE vec rk_acos(vec x)
{
    vec a = rk_abs(x);
    mask far = rk_gt(a, rk_num(0.5)), left = rk_lt(x, rk_num(0));
    vec z = rk_select(far, rk_num(0.5) - rk_num(0.5) * a, a * a);
    vec s = rk_select(far, rk_num(2) * rk_sqrt(z), a);
    mask minus = rk_or(rk_and(far, left), rk_and(rk_not(far), rk_not(left)));
    s = rk_select(minus, -s, s);
    vec y = s * RK(rk_asin_tail)(z);
    vec n = rk_select(far, rk_select(left, rk_num(2), rk_num(0)), rk_num(1));
    return n * RK_PI_2_HEAD + (s + (n * RK_PI_2_TAIL + y));
}

//@ arc right_angle mask abs minmax
/* The angle whose tangent is least / most, taken from a right angle where `swap` is set, is
 * *head + (t + *rest) with the result t. AVX-512: tan(u - v) of that and of v = atan(c), where c is
 * the quotient's nearest multiple of 1/8 up to 7/8: |t| <= 1/15, heads of few bits from a table. */
#if RK_AVX512
RK_INLINED vec RK(rk_arc)(vec least, vec most, mask swap, vec *head, vec *rest)
{
    vec q = rk_min(least * RK(RK_RCP14)(most), rk_num(0.9));
#if RK_TYPE == 32
    const vec heads = {0x0p+0f, 0x1.fd5b8p-4f, 0x1.f5b74p-3f, 0x1.6f61ap-2f, 0x1.dac68p-2f,
                       0x1.1e00cp-1f, 0x1.4979p-1f, 0x1.700a8p-1f, 0x1.921fb8p+0f, 0x1.7249f8p+0f,
                       0x1.5368c8p+0f, 0x1.36475p+0f, 0x1.1b6e18p+0f, 0x1.031f58p+0f,
                       0x1.dac67p-1f, 0x1.b434fp-1f};
    const vec tails = {0x0p+0f, 0x1.4d5618p-23f, 0x1.f92c8p-23f, -0x1.7c3642p-23f,
                       -0x1.f53c8ap-23f, -0x1.508406p-23f, -0x1.736584p-23f, -0x1.d43dcep-24f,
                       -0x1.5dde98p-23f, 0x1.54cb52p-23f, 0x1.51e9dp-24f, 0x1.e57aaep-27f,
                       0x1.2ebbe4p-24f, -0x1.ab5242p-28f, 0x1.586ed4p-27f, -0x1.cefecp-25f};
    vec magic = rk_select(swap, rk_num(0x1.8p20 + 1), rk_num(0x1.8p20)), k = q + magic;
    vec tail = RK_LOOKUP_32(tails, (ivec)k);
    *head = RK_LOOKUP_32(heads, (ivec)k);
#else
    const vec heads0 = {0x0p+0, 0x1.fd5ba9aac2f8p-4, 0x1.f5b75f92c80ep-3, 0x1.6f61941e4defp-2,
                        0x1.dac670561bb5p-2, 0x1.1e00babdefebp-1, 0x1.4978fa3269eep-1,
                        0x1.700a7c578463p-1};
    const vec heads1 = {0x1.921fb54442d18p+0, 0x1.7249faa996a2p+0, 0x1.5368c951e9cfcp+0,
                        0x1.3647503caf55cp+0, 0x1.1b6e192ebbe44p+0, 0x1.031f57e54adcp+0,
                        0x1.dac670561bb5p-1, 0x1.b434ee31014p-1};
    const vec tails0 = {0x0p+0, -0x1.239a6ed0cec18p-52, -0x1.4ea9238610a08p-54,
                        0x1.1ce2a8c848b74p-55, -0x1.2ea406ee84d0fp-55, 0x1.f9b5c835e1666p-52,
                        0x1.2483350fe548bp-53, 0x1.e73cb2da55211p-52};
    const vec tails1 = {0x1.1a62633145c07p-54, 0x1.6a33079d2031ap-52, 0x1.3485c35bab308p-53,
                        0x1.17e21d9a42c9ap-55, 0x1.b1b466a88828ep-54, -0x1.b31d2f698ff64p-52,
                        -0x1.2ea406ee84d0fp-54, -0x1.a0a41a0e03b0fp-52};
    vec magic = rk_select(swap, rk_num(0x1.8p49 + 1), rk_num(0x1.8p49)), k = q + magic;
    vec tail = RK_LOOKUP_64(tails0, tails1, (ivec)k);
    *head = RK_LOOKUP_64(heads0, heads1, (ivec)k);
#endif
    vec c = k - magic, t = (least - c * most) / (c * least + most), z = t * t;
#if RK_TYPE == 32
    vec p = rk_num(0x1.97cac6p-3) * z - rk_num(0x1.555504p-2);
#else
    vec p = rk_num(-0x1.703c9f3b3496p-4) * z + rk_num(0x1.c71745a0d06fp-4);
    p = p * z - rk_num(0x1.249247ab6f983p-3);
    p = p * z + rk_num(0x1.999999993bd8p-3);
    p = p * z - rk_num(0x1.5555555555519p-2);
#endif
    t = rk_select(swap, -t, t);
    *rest = t * (z * p) + tail;
    return t;
}
#else
/* atan t = t + t z P(z), z = t^2, for 0 <= t <= 1: this is z P(z). */
RK_INLINED vec RK(rk_arc)(vec t)
{
    vec z = t * t;
#if RK_TYPE == 32
    vec p = rk_num(0x1.85e3eep-9) * z - rk_num(0x1.0fab1ep-6);
    p = p * z + rk_num(0x1.64cad8p-5);
    p = p * z - rk_num(0x1.36804ep-4);
    p = p * z + rk_num(0x1.b568ep-4);
    p = p * z - rk_num(0x1.231b66p-3);
    p = p * z + rk_num(0x1.997adep-3);
    p = p * z - rk_num(0x1.5554e6p-2);
#else /* in groups: a chain of nineteen operations would be waited for */
    vec zz = z * z, z4 = zz * zz;
    vec a = rk_num(0x1.c71c70b068ba8p-4) * z - rk_num(0x1.2492491ffb404p-3);
    vec b = rk_num(0x1.e17b95a575baap-5) * z - rk_num(0x1.1108f2011f2f3p-4);
    vec c = rk_num(0x1.17b7bd083f06dp-5) * z - rk_num(0x1.4fa1aedbb67e7p-5);
    vec d = rk_num(0x1.ff3b2214f953bp-9) * z - rk_num(0x1.2f9aaf165f998p-7);
    a = a * zz + (rk_num(0x1.9999999985cbcp-3) * z - rk_num(0x1.5555555555464p-2));
    b = b * zz + (rk_num(0x1.3b12bea16a85ep-4) * z - rk_num(0x1.745d0351d8d48p-4));
    c = c * zz + (rk_num(0x1.7f0ca53fcbdf4p-5) * z - rk_num(0x1.ad406c25f254ap-5));
    d = d * zz + (rk_num(0x1.17e7944f02a0ap-6) * z - rk_num(0x1.a8d92b513fcb9p-6));
    vec p = rk_num(0x1.dbb9f79bd2534p-13) * z - rk_num(0x1.35867eb80422fp-10);
    p = rk_num(-0x1.5aa5eaafac504p-16) * zz + p;
    p = (((p * z4 + d) * z4 + c) * z4 + b) * z4 + a;
#endif
    return z * p;
}
#endif

//@ atan2 arc
#if RK_AVX512
#define RK_FAR rk_num(RK_TYPE == 32 ? 0x1p126 : 0x1p1022) /* where sums do not overflow */
#define RK_NEAR rk_num(RK_TYPE == 32 ? 0x1p-100 : 0x1p-1000) /* where a reciprocal is a number */
/* A coordinate of a point, made smaller or larger with the other one where that is needed. */
RK_RARE vec RK(rk_at_hand)(vec v, vec other)
{
    vec inf = rk_num(RK_INF), size = rk_max(rk_abs(v), rk_abs(other)), one = rk_num(1);
    vec more = rk_num(RK_TYPE == 32 ? 0x1p60 : 0x1p120), less = rk_num(0.25);
    vec scale = rk_select(rk_gt(size, RK_FAR), less, rk_select(rk_lt(size, RK_NEAR), more, one));
    scale = rk_select(rk_eq(rk_abs(other), inf), rk_num(0), scale);
    return rk_select(rk_eq(rk_abs(v), inf), rk_copysign(one, v), v * scale);
}
/* Error 1.6 ulp (of atan: 1.8). */
RK_INLINE vec rk_atan2(vec y, vec x)
{
    vec size = rk_max(rk_abs(x), rk_abs(y));
    if (__builtin_expect(rk_any(rk_or(rk_gt(size, RK_FAR), rk_lt(size, RK_NEAR))), 0)) {
        vec given = y;
        y = RK(rk_at_hand)(y, x);
        x = RK(rk_at_hand)(x, given);
    }
    vec a = rk_abs(x), b = rk_abs(y), head, rest;
    vec most = rk_max(rk_num(RK_TYPE == 32 ? 0x1p-126 : 0x1p-1022), rk_max(a, b));
    mask left = rk_ilt((ivec)x, (ivec){0});
    vec t = RK(rk_arc)(rk_min(b, a), most, rk_gt(b, a), &head, &rest), zero = rk_num(0);
    vec pi = rk_num(RK_TYPE == 32 ? 0x1.921fb4p+1 : 0x1.921fb54442d18p+1);
    vec pi_tail = rk_num(RK_TYPE == 32 ? 0x1.4442d2p-23 : 0x1.1a62633145c07p-53);
    t = t + (rest - rk_select(left, pi_tail, zero));
    return rk_copysign(rk_select(left, pi - head, head) + rk_select(left, -t, t), y);
}
#else
/* Where the two sizes are the same t is 1, or 0 at zeros. Error 1.3 ulp. */
RK_INLINE vec rk_atan2(vec y, vec x)
{
    vec a = rk_abs(x), b = rk_abs(y), zero = rk_num(0);
    vec least = rk_min(a, b), most = rk_max(b, a); /* a NaN is in one of them */
    mask swap = rk_gt(b, a), left = rk_ilt((ivec)x, (ivec){0});
    vec t = rk_select(rk_eq(least, most), rk_truth(rk_gt(most, zero)), least / most);
    vec head = rk_select(swap, RK_PI_2_HEAD, rk_select(left, RK_PI_2_HEAD + RK_PI_2_HEAD, zero));
    vec tail = rk_select(swap, RK_PI_2_TAIL, rk_select(left, RK_PI_2_TAIL + RK_PI_2_TAIL, zero));
    vec rest = RK(rk_arc)(t), turned = (vec)((swap ^ left) & (ivec)rk_num(-0.0));
    t = (vec)((ivec)t ^ (ivec)turned);
    return rk_copysign(head + (t + (t * rest + tail)), y);
}
#endif

//@ atan atan2
#if RK_AVX512
RK_INLINE vec rk_atan(vec x)
{
    vec b = rk_abs(x), one = rk_num(1), head, rest, most = rk_min(RK_FAR, rk_max(one, b));
    vec t = RK(rk_arc)(rk_min(one, b), most, rk_gt(b, one), &head, &rest);
    return rk_copysign(head + (t + rest), x);
}
#else
RK_INLINE vec rk_atan(vec x)
{
    vec b = rk_abs(x), one = rk_num(1), zero = rk_num(0);
    mask swap = rk_gt(b, one);
    vec t = rk_min(one, b) / rk_max(one, b), rest = RK(rk_arc)(t);
    t = (vec)((ivec)t ^ (swap & (ivec)rk_num(-0.0)));
    t = t + (t * rest + rk_select(swap, RK_PI_2_TAIL, zero));
    return rk_copysign(rk_select(swap, RK_PI_2_HEAD, zero) + t, x);
}
#endif

//@ powi types
/* a^n by repeated squaring; n is a constant, so that only multiplications remain. */
RK_INLINE vec rk_powi(vec a, int n)
{
    unsigned m = n < 0 ? -(unsigned)n : (unsigned)n;
    vec y = m & 1 ? a : rk_num(1);
#define RK_POWI_STEP if (m >>= 1) { a = a * a; if (m & 1) y = y * a; }
    RK_POWI_STEP RK_POWI_STEP RK_POWI_STEP RK_POWI_STEP RK_POWI_STEP
#undef RK_POWI_STEP
    while (m >>= 1) { /* |n| > 63 */
        a = a * a;
        if (m & 1)
            y = y * a;
    }
    return n < 0 ? rk_num(1) / y : y;
}

//@ sign mask
/* 1, -1 or 0; x + 0 is +0 at both zeros and NaN at NaN. */
RK_INLINE vec rk_sign(vec x)
{
    vec y = rk_select(rk_lt(x, rk_num(0)), rk_num(-1), x + rk_num(0));
    return rk_select(rk_gt(x, rk_num(0)), rk_num(1), y);
}

//@ step mask
RK_INLINE vec rk_step(vec x) { return rk_select(rk_lt(x, rk_num(0)), rk_num(0), rk_num(1)); }

//@ relu minmax
/* x < 0 ? 0 : x: NaN stays. */
RK_INLINE vec rk_relu(vec x) { return rk_max(rk_num(0), x); }

//@ xlogx log abs
RK_INLINE vec rk_xlogx(vec x)
{
    mask zero = rk_lt(rk_abs(x), rk_num(RK_TYPE == 32 ? 0x1p-126 : 0x1p-1022));
    return rk_select(zero, rk_num(0), x * rk_log(x));
}

//@ sinxdivx sin
RK_INLINE vec rk_sinxdivx(vec x)
{
    return rk_select(rk_eq(x, rk_num(0)), rk_num(1), rk_sin(x) / x);
}

//@ softmin exp log minmax
RK_CALLED vec rk_softmin(vec a, vec b, vec c)
{
    vec least = rk_min(rk_min(a, b), c);
    return least - rk_log(rk_exp(least - a) + rk_exp(least - b) + rk_exp(least - c));
}

//@ mod floor
RK_INLINE vec rk_mod(vec f, vec n, vec d) { return f - n * rk_floor((f - d) / n); }
