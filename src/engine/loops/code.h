/* The loops of loops.h in the type that RK_TYPE names, with vectors of RK_BYTES. Included once for
 * each type. Results may lie where an operand lies: a vector is read before it is written. */
#include "names.h"
#include "lanes.h"
#include "tile.h"
#include "sums.h"
#include "special.h"

/* ---- operands -------------------------------------------------------------------------------- */

/* What the lanes of one that is outer read: vectors, or one again and again. */
typedef struct { const real *at; int mask; vec all; } RK(row);

RK_INLINED const real *RK(place)(const rk_tile_run *run, rk_at x, int v) {
  return (const real *)run->base[x.base] + x.offset + (ptrdiff_t)v * run->step[x.base];
}

RK_INLINED void RK(take)(const rk_tile_run *run, rk_at x, int v, RK(row) *row) {
  const real *at = RK(place)(run, x, v);
  if (rk_is_along_lanes(x)) {
    row->at = at;
    row->mask = -1;
  } else {
    row->all = rk_broadcast(*at);
    row->at = (const real *)&row->all;
    row->mask = 0;
  }
}

RK_INLINED real *RK(target)(const rk_tile_run *run, const rk_instruction *in, int v) {
  return (real *)run->base[RK_AT_TILE] + in->to.offset + (ptrdiff_t)v * run->lanes;
}

/* A tile whose operands are all tiles is one long row. */
#define EACH_ROW(operands)                                                                         \
  int is_flat = 1;                                                                                 \
  for (int q = 0; q < operands; q++) is_flat &= in->x[q].base == RK_AT_TILE;                       \
  const int rows = is_flat ? 1 : run->outer;                                                       \
  const int length = is_flat ? run->lanes * run->outer : run->lanes;                               \
  for (int row = 0; row < rows; row++)
#define EACH_VECTOR for (int at = 0; at < length; at += RK_LANES)
/* Of few operations: several vectors, or most of the time goes into counting. */
#ifdef __clang__
#define EACH_SHORT _Pragma("clang loop unroll_count(4)") EACH_VECTOR
#else
#define EACH_SHORT _Pragma("GCC unroll 4") EACH_VECTOR
#endif
#define ROWS_1 RK(row) row_a; RK(take)(run, in->x[0], row, &row_a);
#define ROWS_2 ROWS_1 RK(row) row_b; RK(take)(run, in->x[1], row, &row_b);
#define ROWS_3 ROWS_2 RK(row) row_c; RK(take)(run, in->x[2], row, &row_c);
#define ROWS_4 ROWS_3 RK(row) row_d; RK(take)(run, in->x[3], row, &row_d);
#define VALUE(x) const vec x = rk_load(row_##x.at + (at & row_##x.mask));
#define TRUTH(x) const mask x = rk_ne(rk_load(row_##x.at + (at & row_##x.mask)), rk_num(0));
#define TAKE_NUMERIC_1 VALUE(a)
#define TAKE_NUMERIC_2 TAKE_NUMERIC_1 VALUE(b)
#define TAKE_NUMERIC_3 TAKE_NUMERIC_2 VALUE(c)
#define TAKE_NUMERIC_4 TAKE_NUMERIC_3 VALUE(d)
#define TAKE_LOGICAL_1 VALUE(a)
#define TAKE_LOGICAL_2 TAKE_NUMERIC_2
#define TAKE_LOGICAL_3 TAKE_NUMERIC_3
#define TAKE_LOGICAL_ONLY_1 TRUTH(a)
#define TAKE_LOGICAL_ONLY_2 TAKE_LOGICAL_ONLY_1 TRUTH(b)
#define TAKE_WHERE_3 TRUTH(a) VALUE(b) VALUE(c)
#define RESULT_NUMERIC(code) (code)
#define RESULT_LOGICAL(code) rk_truth(code)
#define RESULT_LOGICAL_ONLY(code) rk_truth(code)
#define RESULT_WHERE(code) (code)

/* ---- elementwise ----------------------------------------------------------------------------- */

#define LOOP(name, operands, result, code) LOOP_OVER(EACH_VECTOR, name, operands, result, code)
#define SHORT(name, operands, code) LOOP_OVER(EACH_SHORT, name, operands, NUMERIC, code)
#define LOOP_OVER(EACH, name, operands, result, code)                                              \
  static void RK(name)(const rk_tile_run *run, const rk_instruction *in) {                         \
    const int n = in->n, m = in->m;                                                                \
    const vec k = rk_num(in->k);                                                                   \
    (void)n; (void)m; (void)k;                                                                     \
    EACH_ROW(operands) {                                                                           \
      ROWS_##operands                                                                              \
      real *const out = RK(target)(run, in, row);                                                  \
      EACH {                                                                                       \
        TAKE_##result##_##operands                                                                 \
        rk_store(out + at, RESULT_##result(code));                                                 \
      }                                                                                            \
    }                                                                                              \
  }
#define ELEMENTWISE(name, operands, integers, result, code, ...)                                   \
  LOOP(of_##name, operands, result, code)
#define GENERATED(name, operands, integers, result, dim, check, expected, code, ...)               \
  LOOP(of_##name, operands, result, code)
#define FOLD(...)
#define PIECES(...)
#define GROUPS(...)
#define DEFINED(...)
#define ALTERNATIVE(...)
#define COMPOSED(...)
#define DERIVATIVE(...)
#include "formula/operations.def"
#undef ELEMENTWISE
#undef GENERATED
#undef FOLD
#undef GROUPS

/* ---- folds ----------------------------------------------------------------------------------- */

/* A fold starts; a component x[0] enters the value s, which is `to`, and before that the position
 * p, which is `to` then, with s as x[1]; the end is made of s or p, x[0], and of x[1]. */
#define START(name, code)                                                                          \
  static void RK(start_##name)(const rk_tile_run *run, const rk_instruction *in) {                 \
    real *const out = RK(target)(run, in, 0);                                                      \
    const int length = run->lanes * run->outer;                                                    \
    EACH_VECTOR rk_store(out + at, code);                                                          \
  }
#define NEXT(name, code)                                                                           \
  static void RK(next_##name)(const rk_tile_run *run, const rk_instruction *in) {                  \
    EACH_ROW(1) {                                                                                  \
      ROWS_1                                                                                       \
      real *const out = RK(target)(run, in, row);                                                  \
      EACH_VECTOR {                                                                                \
        VALUE(a)                                                                                   \
        const vec s = rk_load(out + at);                                                           \
        rk_store(out + at, code);                                                                  \
      }                                                                                            \
    }                                                                                              \
  }
#define PLACE(name, code)                                                                          \
  static void RK(place_##name)(const rk_tile_run *run, const rk_instruction *in) {                 \
    const vec k = rk_num(in->k);                                                                   \
    (void)k;                                                                                       \
    EACH_ROW(2) {                                                                                  \
      ROWS_2                                                                                       \
      real *const out = RK(target)(run, in, row);                                                  \
      EACH_VECTOR {                                                                                \
        VALUE(a) VALUE(b)                                                                          \
        const vec s = b, p = rk_load(out + at);                                                    \
        (void)a; (void)s;                                                                          \
        rk_store(out + at, code);                                                                  \
      }                                                                                            \
    }                                                                                              \
  }
#define END(name, code)                                                                            \
  static void RK(end_##name)(const rk_tile_run *run, const rk_instruction *in) {                   \
    EACH_ROW(2) {                                                                                  \
      ROWS_2                                                                                       \
      real *const out = RK(target)(run, in, row);                                                  \
      EACH_VECTOR {                                                                                \
        VALUE(a) VALUE(b)                                                                          \
        const vec s = a, p = a;                                                                    \
        (void)b; (void)s; (void)p;                                                                 \
        rk_store(out + at, code);                                                                  \
      }                                                                                            \
    }                                                                                              \
  }
#define ELEMENTWISE(...)
#define GENERATED(...)
#define FOLD(name, operands, start, next, place, end, ...)                                         \
  START(name, start) NEXT(name, next) PLACE(name, place) END(name, end)
#define GROUPS(name, integers, dim, check, expected, start, next, ...)                             \
  START(name, start) NEXT(name, next)
#include "formula/operations.def"
#undef ELEMENTWISE
#undef GENERATED
#undef FOLD
#undef GROUPS

/* ---- data ------------------------------------------------------------------------------------ */

LOOP(fill, 1, NUMERIC, a)

static void RK(read)(const rk_tile_run *run, const rk_instruction *in) {
  const double *from = run->input[in->n] + in->k * run->ld[in->n];
  real *const out = RK(target)(run, in, 0);
#if RK_TYPE == 64
  memcpy(out, from, (size_t)run->lanes * sizeof *out); /* some compilers make no vectors of loops */
#else
  for (int l = 0; l < run->lanes; l++) out[l] = (real)from[l];
#endif
}

#define GIVE(type)                                                                                 \
  static void RK(give_##type)(const rk_tile_run *run, const rk_instruction *in) {                  \
    RK(row) row_a;                                                                                 \
    RK(take)(run, in->x[0], 0, &row_a);                                                            \
    type *const out = (type *)run->out + (run->record ? in->k : in->k * run->lanes);               \
    const int step = run->record ? run->record : 1, own = row_a.mask ? 1 : 0;                      \
    if (step == 1 && own && sizeof *out == sizeof *row_a.at) {                                     \
      memcpy(out, row_a.at, (size_t)run->valid * sizeof *out);                                     \
      return;                                                                                      \
    }                                                                                              \
    for (int l = 0; l < run->valid; l++) out[l * step] = (type)row_a.at[l * own];                  \
  }
GIVE(double)
GIVE(float)

/* ---- which pairs take part ------------------------------------------------------------------- */

RK_INLINED ivec RK(column)(const rk_tile_run *run, int v, int l) {
  const int64_t j = run->column + (run->along_lanes ? l : v);
  if (run->along_lanes) return rk_lane_index() + rk_ibroadcast((rk_int)j);
  return rk_ibroadcast((rk_int)(run->column_at ? run->column_at[j] : j));
}

RK_INLINED ivec RK(load_integers)(const rk_int *at) { return (ivec)rk_load((const real *)at); }

static void RK(masks)(const rk_tile_run *run, const rk_instruction *in) {
  const rk_int *const low = run->low, *const high = run->high;
  for (int v = 0; v < run->outer; v++) {
    real *const out = RK(target)(run, in, v);
    for (int l = 0; l < run->lanes; l += RK_LANES) {
      mask is_in;
      if (run->along_lanes) {
        is_in = rk_ilt(rk_lane_index() + rk_ibroadcast(l), rk_ibroadcast(run->valid));
      } else {
        const ivec j = RK(column)(run, v, l);
        is_in = rk_and(rk_ilt(RK(load_integers)(low + l), j),
                       rk_ilt(j, RK(load_integers)(high + l)));
      }
      rk_store(out + l, rk_truth(is_in));
    }
  }
}

LOOP(keep, 3, NUMERIC, rk_select(rk_ne(b, rk_num(0)), a, c))

/* ---- sums ------------------------------------------------------------------------------------ */

RK_INLINED int RK(vectors)(const rk_tile_run *run) { return run->lanes / RK_LANES; }

/* Where the operand of a tile of states is read. */
#define OPERAND(q) const RK(place_and_step) x##q = RK(start_at)(run, in->x[q])
typedef struct { const real *at; ptrdiff_t step; int is_vector; } RK(place_and_step);
RK_INLINED RK(place_and_step) RK(start_at)(const rk_tile_run *run, rk_at x) {
  return (RK(place_and_step)){RK(place)(run, x, 0), run->step[x.base], rk_is_along_lanes(x)};
}
RK_INLINED vec RK(read_at)(const RK(place_and_step) *x, int v, int l) {
  const real *at = x->at + v * x->step;
  return x->is_vector ? rk_load(at + l) : rk_broadcast(*at);
}

static void RK(sum)(const rk_tile_run *run, const rk_instruction *in) {
  OPERAND(0);
  real *const s = (real *)run->shorts + (ptrdiff_t)in->k * run->lanes;
  for (int l = 0; l < run->lanes; l += RK_LANES) {
    vec sum = rk_load(s + l);
    for (int v = 0; v < run->outer; v++) sum += RK(read_at)(&x0, v, l);
    rk_store(s + l, sum);
  }
}

/* 2^(x - top) of so many outer ones. */
RK_INLINED int RK(powers_less)(const rk_tile_run *run, const RK(place_and_step) *x, int v, int l,
                               vec top, vec *power) {
  if (v + TOGETHER > run->outer) {
    power[0] = rk_exp2(RK(read_at)(x, v, l) - top);
    return 1;
  }
  rk_each (q, TOGETHER) power[q] = RK(read_at)(x, v + q, l) - top;
  rk_exp2_tile(power, TOGETHER);
  return TOGETHER;
}

/* The reference is at least the largest exponent, so far as that is a number; what was summed
 * before is scaled down to it. */
#define SUMS(kind)                                                                                 \
  static void RK(start_##kind)(const rk_tile_run *run) {                                           \
    rk_sum_##kind *const S = run->longs;                                                           \
    const int all = run->components * RK(vectors)(run);                                            \
    for (int k = 0; k < all; k++) {                                                                \
      rk_store((real *)run->shorts + k * RK_LANES, rk_num(0));                                     \
      rk_sum_##kind##_start(&S[k]);                                                                \
    }                                                                                              \
    for (int k = 0; k < RK(vectors)(run) && run->head; k++)                                        \
      rk_store((real *)run->head + k * RK_LANES, rk_num(-RK_LARGEST));                             \
  }                                                                                                \
  static void RK(flush_##kind)(const rk_tile_run *run) {                                           \
    rk_sum_##kind *const S = run->longs;                                                           \
    const int all = run->components * RK(vectors)(run);                                            \
    real *s = run->shorts;                                                                         \
    for (int k = 0; k < all; k++, s += RK_LANES) {                                                 \
      rk_sum_##kind##_add(&S[k], rk_load(s));                                                      \
      rk_store(s, rk_num(0));                                                                      \
    }                                                                                              \
  }                                                                                                \
  static void RK(each_##kind)(const rk_tile_run *run, const rk_instruction *in) {                  \
    OPERAND(0);                                                                                    \
    rk_sum_##kind *S = (rk_sum_##kind *)run->longs + in->k * RK(vectors)(run);                     \
    for (int l = 0; l < run->lanes; l += RK_LANES, S++)                                            \
      for (int v = 0; v < run->outer; v++) rk_sum_##kind##_add(S, RK(read_at)(&x0, v, l));         \
  }                                                                                                \
  RK_CALLED void RK(raise_##kind)(const rk_tile_run *run, int l, vec top) {                 \
    real *const m = (real *)run->head + l;                                                         \
    const vec scale = rk_exp2(rk_load(m) - top);                                                   \
    rk_store(m, top);                                                                              \
    for (int k = 0; k < run->components; k++) {                                                    \
      real *const s = (real *)run->shorts + (ptrdiff_t)k * run->lanes + l;                         \
      rk_store(s, rk_load(s) * scale);                                                             \
      rk_sum_##kind##_scale((rk_sum_##kind *)run->longs + k * RK(vectors)(run) + l / RK_LANES,     \
                            scale);                                                                \
    }                                                                                              \
  }                                                                                                \
  RK_INLINED vec RK(raised_##kind)(const rk_tile_run *run, const RK(place_and_step) *x, int l) {   \
    const vec before = rk_load((const real *)run->head + l);                                       \
    vec top = before;                                                                              \
    for (int v = 0; v < run->outer; v++) top = rk_max(RK(read_at)(x, v, l), top);                  \
    top = rk_min(top, rk_num(RK_LARGEST)); /* +Inf keeps a finite reference */                     \
    if (rk_any(rk_gt(top, before))) RK(raise_##kind)(run, l, top);                                 \
    return top;                                                                                    \
  }                                                                                                \
  static void RK(weigh_##kind)(const rk_tile_run *run, const rk_instruction *in) {                 \
    OPERAND(0);                                                                                    \
    vec power[TOGETHER];                                                                           \
    for (int l = 0, n; l < run->lanes; l += RK_LANES) {                                            \
      const vec top = RK(raised_##kind)(run, &x0, l);                                              \
      for (int v = 0; v < run->outer; v += n) {                                                    \
        n = RK(powers_less)(run, &x0, v, l, top, power);                                           \
        for (int q = 0; q < n; q++) rk_store(RK(target)(run, in, v + q) + l, power[q]);            \
      }                                                                                            \
    }                                                                                              \
  }                                                                                                \
  static void RK(weigh_sum_##kind)(const rk_tile_run *run, const rk_instruction *in) {             \
    OPERAND(0);                                                                                    \
    vec power[TOGETHER];                                                                           \
    real *const s = (real *)run->shorts + (ptrdiff_t)in->k * run->lanes;                           \
    for (int l = 0, n; l < run->lanes; l += RK_LANES) {                                            \
      const vec top = RK(raised_##kind)(run, &x0, l);                                              \
      vec sum = rk_load(s + l);                                                                    \
      for (int v = 0; v < run->outer; v += n) {                                                    \
        n = RK(powers_less)(run, &x0, v, l, top, power);                                           \
        for (int q = 0; q < n; q++) sum += power[q];                                               \
      }                                                                                            \
      rk_store(s + l, sum);                                                                        \
    }                                                                                              \
  }                                                                                                \
  static void RK(leave_##kind)(const rk_tile_run *run) {                                           \
    const rk_sum_##kind *const S = run->longs;                                                     \
    const real *const m = run->head;                                                               \
    for (int l = 0; l < run->lanes && m; l++)                                                      \
      run->to_values[l] = m[l] == -RK_LARGEST ? -1.7976931348623157e308 : m[l];                    \
    for (int k = 0; k < run->components; k++)                                                      \
      for (int l = 0; l < run->lanes; l++)                                                         \
        run->to_values[(k + (m != NULL)) * run->to_ld + l] = run->factor *                         \
          rk_sum_##kind##_lane(&S[k * RK(vectors)(run) + l / RK_LANES], l % RK_LANES);             \
  }
SUMS(same)
SUMS(kahan)
#if RK_TYPE == 32
SUMS(wide)
#endif

/* ---- several operations at once -------------------------------------------------------------- */

/* Vectors together, as they lie: see rk_exp2_tile. */
#define POWERS(name, operands, exponent)                                                           \
  static void RK(name)(const rk_tile_run *run, const rk_instruction *in) {                         \
    EACH_ROW(operands) {                                                                           \
      ROWS_##operands                                                                              \
      real *const out = RK(target)(run, in, row);                                                  \
      int at = 0;                                                                                  \
      for (; at + TOGETHER * RK_LANES <= length; at += TOGETHER * RK_LANES) {                      \
        vec x[TOGETHER];                                                                           \
        const int from = at;                                                                       \
        rk_each (q, TOGETHER) {                                                                    \
          const int at = from + q * RK_LANES;                                                      \
          TAKE_NUMERIC_##operands                                                                  \
          x[q] = exponent;                                                                         \
        }                                                                                          \
        rk_exp2_tile(x, TOGETHER);                                                                 \
        rk_each (q, TOGETHER) rk_store(out + at + q * RK_LANES, x[q]);                             \
      }                                                                                            \
      for (; at < length; at += RK_LANES) {                                                        \
        TAKE_NUMERIC_##operands                                                                    \
        rk_store(out + at, rk_exp2(exponent));                                                     \
      }                                                                                            \
    }                                                                                              \
  }
POWERS(exp2, 1, a)
POWERS(scaled_exp2, 2, a * b)
SHORT(plus, 2, a + b)
SHORT(minus, 2, a - b)
SHORT(times, 2, a * b)
SHORT(muladd, 3, a * b + c)
SHORT(mulsub, 3, a * b - c)
SHORT(submul, 3, c - a * b)
SHORT(addmul, 3, (a + b) * c)
SHORT(where_less, 4, rk_select(rk_lt(a, b), c, d))
LOOP(inverse_of_sum, 2, NUMERIC, rk_inverse(a + b))
LOOP(root_of_product, 2, NUMERIC, rk_sqrt(a * b))

RK_INLINED vec RK(added)(rk_adds how, vec sum, vec x, vec y) {
  if (how == RK_ADD_PRODUCTS) return sum + x * y;
  const vec d = x - y;
  if (how == RK_ADD_SQUARES) return sum + d * d;
  if (how == RK_ADD_MINUS_SQUARES) return sum - d * d;
  return sum + rk_abs(d);
}

/* Sums over components stay in registers: of U vectors of lanes, V outer ones. The operands are
 * those of lanes, x, and of outer ones, y, with steps from one component to the next and from one
 * of the outer ones to the next. */
typedef struct {
  const real *x, *y;
  real *out;
  ptrdiff_t x_step, y_step, y_next;
  int lanes, count, is_new;
} RK(adding);

/* Outer ones from v on; `count` is a constant where there are few components. */
RK_INLINED void RK(add_rows)(rk_adds how, int U, int V, int count, const RK(adding) *a, int v) {
  const real *const outer = a->y + v * a->y_next;
  const ptrdiff_t x_step = a->x_step, y_step = a->y_step, y_next = a->y_next;
  const int lanes = a->lanes;
  real *out = a->out + (ptrdiff_t)v * lanes;
  const real *own = a->x;
  for (int l = 0; l < lanes; l += U * RK_LANES, out += U * RK_LANES, own += U * RK_LANES) {
    vec sum[4][2];
    const real *x = own, *y = outer;
    if (a->is_new) rk_each (w, V) rk_each (u, U) sum[w][u] = rk_num(0);
    else rk_each (w, V) rk_each (u, U) sum[w][u] = rk_load(out + w * lanes + u * RK_LANES);
    for (int k = 0; k < count; k++, x += x_step, y += y_step) {
      vec mine[2];
      rk_each (u, U) mine[u] = rk_load(x + u * RK_LANES);
      rk_each (w, V) {
        const vec other = rk_broadcast(y[w * y_next]);
        rk_each (u, U) sum[w][u] = RK(added)(how, sum[w][u], mine[u], other);
      }
    }
    rk_each (w, V) rk_each (u, U) rk_store(out + w * lanes + u * RK_LANES, sum[w][u]);
  }
}

RK_INLINED void RK(add_anywhere)(rk_adds how, const rk_tile_run *run, const rk_instruction *in) {
  OPERAND(0);
  OPERAND(1);
  for (int v = 0; v < run->outer; v++)
    for (int l = 0; l < run->lanes; l += RK_LANES) {
      real *const out = RK(target)(run, in, v) + l;
      RK(place_and_step) x = x0, y = x1;
      vec sum = in->n ? rk_num(0) : rk_load(out);
      for (int k = 0; k < in->count; k++, x.at += in->step[0], y.at += in->step[1])
        sum = RK(added)(how, sum, RK(read_at)(&x, v, l), RK(read_at)(&y, v, l));
      rk_store(out, sum);
    }
}

RK_INLINED void RK(add)(rk_adds how, const rk_tile_run *run, const rk_instruction *in) {
  if (in->x[0].base != RK_AT_LANES || rk_is_along_lanes(in->x[1])) {
    RK(add_anywhere)(how, run, in);
    return;
  }
  const RK(adding) a = {.x = RK(place)(run, in->x[0], 0), .y = RK(place)(run, in->x[1], 0),
                        .out = RK(target)(run, in, 0), .x_step = in->step[0],
                        .y_step = in->step[1], .y_next = run->step[in->x[1].base],
                        .lanes = run->lanes, .count = in->count, .is_new = in->n};
  const int wide = run->lanes % (2 * RK_LANES) == 0, few = wide ? in->count : 0;
  int v = 0;
  for (; v + 4 <= run->outer; v += 4) {
    if (few == 1) RK(add_rows)(how, 2, 4, 1, &a, v);
    else if (few == 2) RK(add_rows)(how, 2, 4, 2, &a, v);
    else if (few == 3) RK(add_rows)(how, 2, 4, 3, &a, v);
    else if (wide) RK(add_rows)(how, 2, 4, a.count, &a, v);
    else RK(add_rows)(how, 1, 4, a.count, &a, v);
  }
  for (; v < run->outer; v++) {
    if (wide) RK(add_rows)(how, 2, 1, a.count, &a, v);
    else RK(add_rows)(how, 1, 1, a.count, &a, v);
  }
}
#define ADD(name, how)                                                                             \
  static void RK(name)(const rk_tile_run *run, const rk_instruction *in) { RK(add)(how, run, in); }
ADD(add_products, RK_ADD_PRODUCTS)
ADD(add_squares, RK_ADD_SQUARES)
ADD(add_minus_squares, RK_ADD_MINUS_SQUARES)
ADD(add_sizes, RK_ADD_SIZES)

/* Values of a tile, x[0], times components of what is outer, x[1], or times those of lanes less
 * those, enter K short sums of U vectors of lanes. */
RK_INLINED void RK(sum_block)(int differ, int U, int K, const rk_tile_run *run,
                              const rk_instruction *in, int k, int l) {
  const int y = differ ? 2 : 1;
  const real *tile = RK(place)(run, in->x[0], 0) + l;
  const real *outer = RK(place)(run, in->x[y], 0) + (ptrdiff_t)k * in->step[y];
  const real *own = RK(place)(run, in->x[1], 0) + (ptrdiff_t)k * in->step[1] + l;
  real *const s = (real *)run->shorts + (ptrdiff_t)(in->k + k) * run->lanes + l;
  const ptrdiff_t next = run->step[in->x[y].base];
  vec sum[4][4], x[4][4];
  rk_each (q, K)
    rk_each (u, U) {
      sum[q][u] = rk_load(s + q * run->lanes + u * RK_LANES);
      if (differ) x[q][u] = rk_load(own + q * in->step[1] + u * RK_LANES);
    }
  for (int v = 0; v < run->outer; v++, tile += run->lanes, outer += next) {
    vec weight[4];
    rk_each (u, U) weight[u] = rk_load(tile + u * RK_LANES);
    rk_each (q, K) {
      const vec b = rk_broadcast(outer[q * in->step[y]]);
      rk_each (u, U) sum[q][u] += weight[u] * (differ ? x[q][u] - b : b);
    }
  }
  rk_each (q, K)
    rk_each (u, U) rk_store(s + q * run->lanes + u * RK_LANES, sum[q][u]);
}

RK_INLINED void RK(sum_anywhere)(int differ, const rk_tile_run *run, const rk_instruction *in) {
  RK(place_and_step) x0 = RK(start_at)(run, in->x[0]), x1 = RK(start_at)(run, in->x[1]),
                     x2 = RK(start_at)(run, in->x[2]);
  for (int k = 0; k < in->count; k++, x0.at += in->step[0], x1.at += in->step[1],
           x2.at += in->step[2]) {
    real *const s = (real *)run->shorts + (ptrdiff_t)(in->k + k) * run->lanes;
    for (int l = 0; l < run->lanes; l += RK_LANES) {
      vec sum = rk_load(s + l);
      for (int v = 0; v < run->outer; v++) {
        const vec x = RK(read_at)(&x1, v, l);
        sum += RK(read_at)(&x0, v, l) * (differ ? x - RK(read_at)(&x2, v, l) : x);
      }
      rk_store(s + l, sum);
    }
  }
}

#define SUM_WIDE(differ, U, K) RK(sum_block)(differ, U, K, run, in, k, l)
RK_INLINED void RK(sum_all)(int differ, const rk_tile_run *run, const rk_instruction *in) {
  const int y = differ ? 2 : 1;
  if (in->x[0].base != RK_AT_TILE || in->step[0] || rk_is_along_lanes(in->x[y]) ||
      (differ && in->x[1].base != RK_AT_LANES) || run->lanes % (2 * RK_LANES)) {
    RK(sum_anywhere)(differ, run, in);
    return;
  }
  const int four = run->lanes % (4 * RK_LANES) == 0;
  int k = 0;
  for (; k + 4 <= in->count; k += 4)
    for (int l = 0; l < run->lanes; l += 2 * RK_LANES) SUM_WIDE(differ, 2, 4);
  const int left = in->count - k;
  if (left == 1 && four)
    for (int l = 0; l < run->lanes; l += 4 * RK_LANES) SUM_WIDE(differ, 4, 1);
  else if (left)
    for (int l = 0; l < run->lanes; l += 2 * RK_LANES) {
      if (left == 1) SUM_WIDE(differ, 2, 1);
      else if (left == 2) SUM_WIDE(differ, 2, 2);
      else SUM_WIDE(differ, 2, 3);
    }
}
static void RK(sum_products)(const rk_tile_run *run, const rk_instruction *in) {
  RK(sum_all)(0, run, in);
}
static void RK(sum_differences)(const rk_tile_run *run, const rk_instruction *in) {
  RK(sum_all)(1, run, in);
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* K values of a vector of lanes lie together, those of a component one after the other. */
RK_INLINED ptrdiff_t RK(list)(const rk_tile_run *run, int component, int l) {
  return ((ptrdiff_t)component * RK(vectors)(run) + l / RK_LANES) * run->K;
}

static void RK(start_list)(const rk_tile_run *run) {
  vec *const v = run->values;
  ivec *const p = run->positions;
  const ptrdiff_t all = RK(list)(run, run->components, 0);
  for (ptrdiff_t k = 0; k < all; k++) {
    v[k] = rk_broadcast((real)run->entry->neutral);
    p[k] = rk_ibroadcast(RK_NOWHERE);
  }
}

static void RK(leave_list)(const rk_tile_run *run) {
  for (int c = 0; c < run->components; c++)
    for (int r = 0; r < run->K; r++)
      for (int l = 0; l < run->lanes; l++) {
        const ptrdiff_t from = RK(list)(run, c, l) + r;
        const ptrdiff_t to = ((ptrdiff_t)c * run->K + r) * run->to_ld + l;
        run->to_values[to] = ((const vec *)run->values)[from][l % RK_LANES];
        const rk_int at = ((const ivec *)run->positions)[from][l % RK_LANES];
        if (run->to_positions)
          run->to_positions[to] = at == RK_NOWHERE ? RK_NO_POSITION : run->first + at;
      }
}

#define ENTER_ALL(name, code)                                                                      \
  static void RK(name)(const rk_tile_run *run, const rk_instruction *in) {                         \
    OPERAND(0);                                                                                    \
    for (int l = 0; l < run->lanes; l += RK_LANES) {                                               \
      vec *const at = (vec *)run->values + RK(list)(run, in->k, l);                                \
      vec v[1] = {*at};                                                                            \
      for (int row = 0; row < run->outer; row++) {                                                 \
        const vec g = RK(read_at)(&x0, row, l);                                                    \
        code                                                                                       \
      }                                                                                            \
      *at = *v;                                                                                    \
    }                                                                                              \
  }
/* One branch for a tile: does the least value enter anywhere? */
#define ENTER_SOME(name, guard, code)                                                              \
  RK_CALLED void RK(one_##name)(vec *v, ivec *p, int K, vec g, ivec j) { code }             \
  static void RK(name)(const rk_tile_run *run, const rk_instruction *in) {                         \
    OPERAND(0);                                                                                    \
    for (int l = 0; l < run->lanes; l += RK_LANES) {                                               \
      vec *const v = (vec *)run->values + RK(list)(run, in->k, l);                                 \
      ivec *const p = (ivec *)run->positions + RK(list)(run, in->k, l);                            \
      vec last = v[run->K - 1], g = rk_num(RK_INF);                                                \
      for (int row = 0; row < run->outer; row++) g = rk_min(RK(read_at)(&x0, row, l), g);          \
      if (!rk_any(guard)) continue;                                                                \
      for (int row = 0; row < run->outer; row++) {                                                 \
        g = RK(read_at)(&x0, row, l);                                                              \
        if (!rk_any(guard)) continue;                                                              \
        RK(one_##name)(v, p, run->K, g, RK(column)(run, row, l));                                  \
        last = v[run->K - 1];                                                                      \
      }                                                                                            \
    }                                                                                              \
  }

#define ENTERS(name, ...) ENTER_ALL(enter_##name, __VA_ARGS__)
#define ENTERS_SOME(name, guard, ...)
#include "formula/entering.def"
#undef ENTERS
#undef ENTERS_SOME
#define ENTERS(...)
#undef rk_before
#define rk_before(g, j, v, p) rk_lt(g, v)
#define ENTERS_SOME(name, guard, guard_of_equals, ...) ENTER_SOME(enter_##name, guard, __VA_ARGS__)
#include "formula/entering.def"
#undef ENTERS_SOME
#undef rk_before
#define rk_before(g, j, v, p) rk_or(rk_lt(g, v), rk_and(rk_eq(g, v), rk_ilt(j, p)))
#define ENTERS_SOME(name, guard, guard_of_equals, ...)                                             \
  ENTER_SOME(enter_of_any_##name, guard_of_equals, __VA_ARGS__)
#include "formula/entering.def"
#undef ENTERS
#undef ENTERS_SOME

/* ---- all of them ----------------------------------------------------------------------------- */

#define SUM_LOOPS(kind)                                                                            \
  {sizeof(rk_sum_##kind) / RK_LANES, RK(start_##kind), RK(flush_##kind), RK(leave_##kind),         \
   RK(each_##kind), RK(weigh_##kind), RK(weigh_sum_##kind)}

static const rk_tile_loops RK(loops) = {
  .bytes = RK_BYTES, .size = RK_TYPE / 8,
#define ELEMENTWISE(name, ...) .of[RK_OP_##name] = RK(of_##name),
#define GENERATED(name, ...) .of[RK_OP_##name] = RK(of_##name),
#define FOLD(name, ...)                                                                            \
  .start[RK_OP_##name] = RK(start_##name), .next[RK_OP_##name] = RK(next_##name),                  \
  .place[RK_OP_##name] = RK(place_##name), .end[RK_OP_##name] = RK(end_##name),
#define GROUPS(name, ...)                                                                          \
  .start[RK_OP_##name] = RK(start_##name), .next[RK_OP_##name] = RK(next_##name),
#include "formula/operations.def"
  .fill = RK(fill), .read = RK(read), .give = {RK(give_double), RK(give_float)},
  .masks = RK(masks), .keep = RK(keep), .sum = RK(sum),
#if RK_TYPE == 32
  .sums = {SUM_LOOPS(same), SUM_LOOPS(wide), SUM_LOOPS(kahan)},
#else
  .sums = {SUM_LOOPS(same), SUM_LOOPS(same), SUM_LOOPS(kahan)},
#endif
  .fused = {.exp2 = RK(exp2), .scaled_exp2 = RK(scaled_exp2), .plus = RK(plus),
            .minus = RK(minus), .times = RK(times), .muladd = RK(muladd),
            .mulsub = RK(mulsub), .submul = RK(submul), .addmul = RK(addmul),
            .inverse_of_sum = RK(inverse_of_sum), .root_of_product = RK(root_of_product),
            .where_less = RK(where_less), .sum_products = RK(sum_products),
            .sum_differences = RK(sum_differences),
            .add = {RK(add_products), RK(add_squares), RK(add_minus_squares), RK(add_sizes)}},
#define ENTERS(name, ...)                                                                          \
  .lists[RK_ENTERING_##name] = {RK(start_list), RK(leave_list), RK(enter_##name), RK(enter_##name)},
#define ENTERS_SOME(name, ...)                                                                     \
  .lists[RK_ENTERING_##name] = {RK(start_list), RK(leave_list), RK(enter_##name),                  \
                                RK(enter_of_any_##name)},
#include "formula/entering.def"
};
#undef ENTERS
#undef ENTERS_SOME
#undef ELEMENTWISE
#undef GENERATED
#undef FOLD
#undef GROUPS
#undef PIECES
#undef DEFINED
#undef ALTERNATIVE
#undef COMPOSED
#undef DERIVATIVE
#undef rk_before
