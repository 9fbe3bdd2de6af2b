/* The loops of loops.h with vectors of BYTES bytes, in functions for TARGET. Included once for each
 * size. */
#define vec HERE(vec)
#define mask HERE(mask)
typedef double vec __attribute__((vector_size(BYTES)));
typedef long long mask __attribute__((vector_size(BYTES)));
typedef vec HERE(anywhere) __attribute__((aligned(8), may_alias));

#define LANES (BYTES / 8)
#define INLINE TARGET static inline __attribute__((always_inline, unused))
#define EACH_BOX for (int k = 0; k < n; k += LANES)
#define LOAD(p) (*(const HERE(anywhere) *)(p))
#define STORE(p, x) (*(HERE(anywhere) *)(p) = (x))
#define ALL(x) ((x) - (vec){0})
#define WHERE(m, x, y) ((vec)(((mask)(x) & (m)) | ((mask)(y) & ~(m))))
#define SIGN ((mask)ALL(-0.0))
#define SIZE(x) ((vec)((mask)(x) & ~SIGN))

/* The second one where they are equal. */
#if BYTES == 32
#define LESSER __builtin_ia32_minpd256
#define LARGER __builtin_ia32_maxpd256
#elif defined(__SSE2__)
#define LESSER __builtin_ia32_minpd
#define LARGER __builtin_ia32_maxpd
#else
#define LESSER(x, y) WHERE((x) < (y), x, y)
#define LARGER(x, y) WHERE((x) > (y), x, y)
#endif

INLINE int HERE(all)(mask m) {
#if BYTES == 32
  return __builtin_ia32_movmskpd256((vec)m) == 15;
#elif defined(__SSE2__)
  return __builtin_ia32_movmskpd((vec)m) == 3;
#else
  return m[0] && m[1];
#endif
}

/* Ends are moved by `relative` of their size and a little more; where results are off by half an
 * ulp, by no more than their size, so that 0 stays 0. */
#define WIDENING(ulps, terms)                                                                      \
  const vec relative = ALL(rk_relative(format, ulps) * (terms)), tiny = ALL(format->tiny * (terms))
#define LOWERED(low, size) ((low) - LESSER((size) * relative + tiny, size))
#define RAISED(high, size) ((high) + LESSER((size) * relative + tiny, size))
#define IN_RANGE(low, high) (((low) >= -most) & ((high) <= most))
#define PREPARED(name)                                                                             \
  TARGET static int HERE(name)(const rk_format *format, const rk_ends *x, int count, int n,        \
                               rk_ends out)

/* Stores what is widened; the lanes that are in range. */
INLINE mask HERE(stored)(const rk_format *format, vec low, vec high, rk_ends out, int k) {
  WIDENING(0.5, 1);
  const vec most = ALL(format->largest);
  low = LOWERED(low, SIZE(low));
  high = RAISED(high, SIZE(high));
  STORE(out.low + k, low);
  STORE(out.high + k, high);
  return IN_RANGE(low, high);
}

PREPARED(add) {
  mask good = ~(mask){0};
  (void)count;
  EACH_BOX good &= HERE(stored)(format, LOAD(x[0].low + k) + LOAD(x[1].low + k),
                                LOAD(x[0].high + k) + LOAD(x[1].high + k), out, k);
  return HERE(all)(good);
}

PREPARED(subtract) {
  mask good = ~(mask){0};
  (void)count;
  EACH_BOX good &= HERE(stored)(format, LOAD(x[0].low + k) - LOAD(x[1].high + k),
                                LOAD(x[0].high + k) - LOAD(x[1].low + k), out, k);
  return HERE(all)(good);
}

/* x may be `out`. */
PREPARED(negate) {
  (void)format;
  (void)count;
  EACH_BOX {
    vec low = LOAD(x->low + k), high = LOAD(x->high + k);
    STORE(out.low + k, -high);
    STORE(out.high + k, 0 - low);
  }
  return 1;
}

/* A low end that is 0 is -0 unless no operand is negative. One of x may be `out`. */
PREPARED(multiply) {
  mask good = ~(mask){0};
  (void)count;
  EACH_BOX {
    vec a = LOAD(x[0].low + k), b = LOAD(x[0].high + k);
    vec c = LOAD(x[1].low + k), d = LOAD(x[1].high + k);
    vec ac = a * c, ad = a * d, bc = b * c, bd = b * d;
    vec low = LESSER(LESSER(ac, ad), LESSER(bc, bd)), high = LARGER(LARGER(ac, ad), LARGER(bc, bd));
    mask sign = (low == 0) & SIGN;
    low = (vec)(((mask)low & ~sign) | (((mask)a | (mask)c) & sign));
    good &= HERE(stored)(format, low, high, out, k);
  }
  return HERE(all)(good);
}

PREPARED(square) {
  mask good = ~(mask){0};
  (void)count;
  EACH_BOX {
    vec low = LOAD(x->low + k), high = LOAD(x->high + k);
    vec least = LARGER(LARGER(low, -high), ALL(0)), largest = LARGER(-low, high);
    good &= HERE(stored)(format, least * least, largest * largest, out, k);
  }
  return HERE(all)(good);
}

PREPARED(size) {
  (void)format;
  (void)count;
  EACH_BOX {
    vec low = LOAD(x->low + k), high = LOAD(x->high + k);
    STORE(out.low + k, LARGER(LARGER(low, -high), ALL(0)));
    STORE(out.high + k, LARGER(-low, high));
  }
  return 1;
}

/* ---- tests and choices, of numbers ---- */

#define TRUTH(m) ((vec)((m) & (mask)ALL(1)))

PREPARED(less) {
  (void)format;
  (void)count;
  EACH_BOX {
    STORE(out.low + k, TRUTH(LOAD(x[0].high + k) < LOAD(x[1].low + k)));
    STORE(out.high + k, TRUTH(LOAD(x[0].low + k) < LOAD(x[1].high + k)));
  }
  return 1;
}

PREPARED(less_or_equal) {
  (void)format;
  (void)count;
  EACH_BOX {
    STORE(out.low + k, TRUTH(LOAD(x[0].high + k) <= LOAD(x[1].low + k)));
    STORE(out.high + k, TRUTH(LOAD(x[0].low + k) <= LOAD(x[1].high + k)));
  }
  return 1;
}

/* Of two low ends that are 0 one may be -0. */
PREPARED(choose) {
  (void)format;
  (void)count;
  EACH_BOX {
    mask all = LOAD(x[0].low + k) > 0, none = LOAD(x[0].high + k) == 0;
    vec a = LOAD(x[1].low + k), b = LOAD(x[2].low + k);
    vec c = LOAD(x[1].high + k), d = LOAD(x[2].high + k), low = LESSER(a, b);
    low = (vec)((mask)low | ((low == 0) & (a == b) & ((mask)a | (mask)b) & SIGN));
    STORE(out.low + k, WHERE(all, a, WHERE(none, b, low)));
    STORE(out.high + k, WHERE(all, c, WHERE(none, d, LARGER(c, d))));
  }
  return 1;
}

/* ---- sums ---- */

/* The rounding of a sum goes with the sizes of its terms: see total() in rules.c. */
PREPARED(sum) {
  WIDENING(0.5, count);
  const vec most = ALL(format->largest / 2);
  mask good = ~(mask){0};
  EACH_BOX {
    vec low = LOAD(x->low + k), high = LOAD(x->high + k);
    vec least = SIZE(low), largest = SIZE(high);
    for (int c = 1; c < count; c++) {
      vec l = LOAD(x[c].low + k), h = LOAD(x[c].high + k);
      low += l;
      high += h;
      least += SIZE(l);
      largest += SIZE(h);
    }
    good &= LARGER(least, largest) <= most;
    STORE(out.low + k, LOWERED(low, least));
    STORE(out.high + k, RAISED(high, largest));
  }
  return HERE(all)(good);
}

PREPARED(scaled_sum) {
  const rk_ends both[] = {out, x[count - 1]};
  return HERE(sum)(format, x, count - 1, n, out) && HERE(multiply)(format, both, 2, n, out);
}

/* No term is negative, so that all that rounding does goes with the sum: one ulp for the
 * difference, a half for the square, a half for each term. */
PREPARED(squares) {
  const int terms = count / 2;
  WIDENING(0.5, terms + 4);
  const vec most = ALL(format->largest / 2);
  mask good = ~(mask){0};
  EACH_BOX {
    vec low = ALL(0), high = ALL(0);
    for (int c = 0; c < terms; c++) {
      vec least = LOAD(x[c].low + k) - LOAD(x[terms + c].high + k);
      vec largest = LOAD(x[c].high + k) - LOAD(x[terms + c].low + k), size;
      size = LARGER(-least, largest);
      least = LARGER(LARGER(least, -largest), ALL(0));
      low += least * least;
      high += size * size;
    }
    good &= high <= most;
    STORE(out.low + k, LOWERED(low, low));
    STORE(out.high + k, RAISED(high, high));
  }
  return HERE(all)(good);
}

PREPARED(minus_squares) {
  return HERE(squares)(format, x, count, n, out) && HERE(negate)(format, &out, 1, n, out);
}

PREPARED(scaled_squares) {
  const rk_ends both[] = {out, x[count - 1]};
  return HERE(squares)(format, x, count - 1, n, out) && HERE(multiply)(format, both, 2, n, out);
}

/* Away from 0 by all that a result of several ulps may be off. */
TARGET static int HERE(widen)(const rk_format *format, double ulps, rk_ends x, int n, rk_ends out) {
  WIDENING(ulps, 1);
  const vec most = ALL(format->largest);
  mask good = ~(mask){0};
  EACH_BOX {
    vec low = LOAD(x.low + k), high = LOAD(x.high + k);
    vec down = low - (SIZE(low) * relative + tiny), up = high + (SIZE(high) * relative + tiny);
    down = WHERE((low >= 0) & (down < 0), low * 0, down);
    up = WHERE((high <= 0) & (up > 0), ALL(0), up);
    STORE(out.low + k, down);
    STORE(out.high + k, up);
    good &= IN_RANGE(down, up);
  }
  return HERE(all)(good);
}

/* One end of what is read, in a vector: the last one also stands for what is behind it. */
INLINE vec HERE(taken)(const double *x, int k, int n) {
  vec v;
  if (k + LANES <= n) return LOAD(x + k);
  for (int l = 0; l < LANES; l++) v[l] = x[k + l < n ? k + l : n - 1];
  return v;
}

INLINE mask HERE(cleaned)(const rk_format *format, vec low, vec high, rk_ends out, int k) {
  const vec most = ALL(format->largest), tiny = ALL(format->tiny);
  low = WHERE((low >= 0) & (low < tiny), ALL(-0.0), low);
  high = WHERE((high <= 0) & (high > -tiny), ALL(0), high);
  STORE(out.low + k, low);
  STORE(out.high + k, high);
  return IN_RANGE(low, high) & (low <= high);
}

/* The interval is a little wider than it has to be for kernels that know smaller numbers. */
TARGET static int HERE(read)(const rk_format *format, const double *low, const double *high,
                             int step, int n, rk_ends out) {
  mask good = ~(mask){0};
  if (step) {
    EACH_BOX good &= HERE(cleaned)(format, HERE(taken)(low, k, n), HERE(taken)(high, k, n), out, k);
  } else {
    good = HERE(cleaned)(format, ALL(*low), ALL(*high), out, 0);
    const vec first = LOAD(out.low), last = LOAD(out.high);
    for (int k = LANES; k < n; k += LANES) {
      STORE(out.low + k, first);
      STORE(out.high + k, last);
    }
  }
  return HERE(all)(good);
}

static const rk_loops HERE(loops) = {
  .of = {[RK_OP_Add] = HERE(add), [RK_OP_Subtract] = HERE(subtract), [RK_OP_Minus] = HERE(negate),
         [RK_OP_Mult] = HERE(multiply), [RK_OP_Abs] = HERE(size),
         [RK_OP_LessThan] = HERE(less), [RK_OP_LessOrEqual] = HERE(less_or_equal),
         [RK_OP_Where] = HERE(choose), [RK_OP_Square] = HERE(square), [RK_OP_Sum] = HERE(sum),
         [RK_OP_SumBlocks] = HERE(sum), [RK_OP_scaledsum] = HERE(scaled_sum)},
  .squares = HERE(squares), .minus_squares = HERE(minus_squares),
  .scaled_squares = HERE(scaled_squares), .widen = HERE(widen), .read = HERE(read)};

#undef vec
#undef mask
#undef LANES
#undef INLINE
#undef EACH_BOX
#undef LOAD
#undef STORE
#undef ALL
#undef WHERE
#undef SIGN
#undef SIZE
#undef LESSER
#undef LARGER
#undef WIDENING
#undef LOWERED
#undef RAISED
#undef IN_RANGE
#undef TRUTH
#undef PREPARED
#undef BYTES
#undef TARGET
