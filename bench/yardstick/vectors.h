/* What the yardstick loops share: one vector type, loads and stores, exp of a number <= 0.
 * Not the engine's code: a yardstick that shares the engine's faults would measure nothing. */
#ifndef VECTOR_BYTES
#define VECTOR_BYTES 64
#endif
#ifdef FLOAT64
typedef double real;
typedef long long whole;
#else
typedef float real;
typedef int whole;
#endif
enum { LANES = VECTOR_BYTES / (int)sizeof(real) };
typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef real loose __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real))));
typedef whole bits __attribute__((vector_size(VECTOR_BYTES)));
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 128")

INLINE vec load(const real *p) { return *(const loose *)p; }
INLINE void store(real *p, vec v) { *(loose *)p = v; }
INLINE vec all(real a) { return (vec){0} + a; }

/* 2^n comes from adding n to the exponent bits; e^r, |r| <= log(2)/2, from a polynomial that was
 * interpolated at Chebyshev nodes; below the smallest normal number the result is 0. */
#ifdef FLOAT64
#define MAGIC 6755399441055744.0 /* 1.5 * 2^52: rounds to an integer, kept in the low bits */
#define SMALLEST -708.39
#define MANTISSA 52
#define LOG2_HIGH 0.693147180369123816490
#define LOG2_LOW 1.90821492927058770002e-10
static const real coefficient[] = {2.5100472505694996e-08, 2.7620201591031547e-07,
    2.7557268276905696e-06, 2.4801521057868204e-05, 0.00019841269863171557, 0.0013888888917367081,
    0.008333333333330039, 0.041666666666623824, 0.16666666666666669, 0.5, 1, 1};
#else
#define MAGIC 12582912.0f /* 1.5 * 2^23 */
#define SMALLEST -87.33f
#define MANTISSA 23
#define LOG2_HIGH 0.693145752f
#define LOG2_LOW 1.42860677e-6f
static const real coefficient[] = {0.0013926250831497611f, 0.008363232883682618f,
    0.04166655421298415f, 0.16666576666119928f, 0.5f, 1, 1};
#endif

INLINE vec exp_negative(vec x) {
  vec shifted = x * (real)1.4426950408889634 + MAGIC;
  vec n = shifted - MAGIC;
  vec r = x - n * LOG2_HIGH - n * LOG2_LOW;
  vec p = all(coefficient[0]);
  UNROLL for (int k = 1; k < (int)(sizeof coefficient / sizeof *coefficient); k++)
    p = p * r + coefficient[k];
  bits e = (bits)p + ((bits)shifted << MANTISSA);
  return (vec)(e & (bits)(x >= SMALLEST));
}
