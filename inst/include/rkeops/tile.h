/* What emitted C kernels need besides lanes.h: loops over register tiles, and sums of many terms.
 * The same form of sections as lanes.h, pasted after it. */

//@ base
/* A loop with few, known steps: unrolled, so that arrays indexed by k become registers. */
#ifdef __clang__
#define rk_each(k, n) _Pragma("clang loop unroll(full)") for (int k = 0; k < (n); k++)
#define rk_rolled(k, n) _Pragma("clang loop unroll(disable)") for (int k = 0; k < (n); k++)
#else
#define rk_each(k, n) _Pragma("GCC unroll 64") for (int k = 0; k < (n); k++)
#define rk_rolled(k, n) for (int k = 0; k < (n); k++) /* of large bodies: never unrolled */
#endif
/* What has been read through these pointers is read again, not kept. */
#define rk_reread(x, y) __asm__("" : "+r"(x), "+r"(y))
#define RK_RANKS /* before a loop over K ranks: they may be many */
#define RK_STOP(done) if (done) return; /* in it */
#define RK_NO_POSITION 0x7fffffffffffffffLL /* "no position", after every position */
#define RK_NOWHERE (-1) /* the same inside a kernel, where positions count from its first column */
#define RK_LAST 0x7fffffff /* no position is after it there */
#define RK_LARGEST_32 3.40282346638528859812e38f
#define RK_LARGEST_64 1.79769313486231570815e308
#define rk_lane(value, l) ((value)[l])
#define rk_where(condition, a) ((vec)((uvec)(a) & (uvec)(condition))) /* 0 in other lanes */

//@ rows_at
/* Positions of the rows of a vector. */
typedef int RK(rk_at) __attribute__((vector_size(4 * RK_LANES), aligned(4), may_alias));
RK_INLINE ivec rk_positions(const int *at) {
  return __builtin_convertvector(*(const RK(rk_at) *)at, ivec);
}

//@ rank
/* The `held` smallest values so far, in order, with their positions, and n later ones in w and q,
 * which enter: at most K are held then, as many as is returned. Of equals the least position counts,
 * in whichever order they come. */
#define RK_AFTER(v, p, w, q) ((v) > (w) || ((v) == (w) && (p) > (q)))
RK_CALLED int rk_rank(real *v, rk_int *p, int held, int K, real *w, rk_int *q, int n) {
  for (int a = 1; a < n; a++) {
    const real g = w[a];
    const rk_int j = q[a];
    int b = a;
    for (; b > 0 && RK_AFTER(w[b - 1], q[b - 1], g, j); b--) {
      w[b] = w[b - 1];
      q[b] = q[b - 1];
    }
    w[b] = g;
    q[b] = j;
  }
  while (held + n > K) {
    if (held == 0 || !RK_AFTER(v[held - 1], p[held - 1], w[n - 1], q[n - 1])) n--;
    else held--;
  }
  const int all = held + n;
  for (int r = all - 1; n > 0; r--) {
    if (held > 0 && RK_AFTER(v[held - 1], p[held - 1], w[n - 1], q[n - 1])) {
      held--;
      v[r] = v[held];
      p[r] = p[held];
    } else {
      n--;
      v[r] = w[n];
      p[r] = q[n];
    }
  }
  return all;
}

//@ sum_wide
/* Float lanes summed in double. */
#if RK_TYPE == 32
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
#endif
