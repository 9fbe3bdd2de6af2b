/* The code of operations.def compiled here, in the type that RK_TYPE names, on many rows at a time.
 * Included once for each type. Numbers come and go as doubles, which hold floats as they are; a
 * logical value is 0 or 1. Arrays have room for whole vectors. */
#include "names.h"
#include "lanes.h"

static inline vec RK(taken)(rk_operand x, int r) {
#if RK_TYPE == 64
  return x.step ? rk_load(x.at + r) : rk_broadcast(*x.at);
#else
  vec value;
  for (int l = 0; l < RK_LANES; l++) value[l] = (float)x.at[x.step * (r + l)];
  return value;
#endif
}

static inline void RK(give)(vec value, double *out, int r) {
#if RK_TYPE == 64
  rk_store(out + r, value);
#else
  for (int l = 0; l < RK_LANES; l++) out[r + l] = value[l];
#endif
}

#define EACH_ROW for (int r = 0; r < rows; r += RK_LANES)
#define TAKEN(k) RK(taken)(x[k], r)
#define MASK(k) rk_ne(TAKEN(k), rk_num(0))
#define OPERANDS_NUMERIC const vec a = TAKEN(0), b = TAKEN(1), c = TAKEN(2)
#define OPERANDS_LOGICAL OPERANDS_NUMERIC
#define OPERANDS_LOGICAL_ONLY const mask a = MASK(0), b = MASK(1), c = MASK(2)
#define OPERANDS_WHERE const mask a = MASK(0); const vec b = TAKEN(1), c = TAKEN(2)
#define RESULT_NUMERIC(code) (code)
#define RESULT_LOGICAL(code) rk_truth(code)
#define RESULT_LOGICAL_ONLY(code) rk_truth(code)
#define RESULT_WHERE(code) (code)

#define ELEMENTWISE(name, operands, integers, result, code, ...)                                   \
  case RK_OP_##name:                                                                               \
    EACH_ROW {                                                                                     \
      OPERANDS_##result;                                                                           \
      (void)a; (void)b; (void)c;                                                                   \
      RK(give)(RESULT_##result(code), out, r);                                                     \
    }                                                                                              \
    break;
#define GENERATED(name, operands, integers, result, dim, check, expected, code, ...)               \
  ELEMENTWISE(name, operands, integers, result, code)
#define FOLD(...)
#define PIECES(...)
#define GROUPS(...)
#define DEFINED(...)
#define ALTERNATIVE(...)
#define COMPOSED(...)
#define DERIVATIVE(...)

/* `x`: a component of each of three operands. */
void RK(rk_elementwise)(const rk_node *node, const rk_operand *x, int component, int rows,
                        double *out) {
  const int n = node->integer[0], m = node->integer[1];
  const vec k = rk_num(component);
  (void)n; (void)m; (void)k;
  switch (node->operation->op) {
#include "formula/operations.def"
    default: EACH_ROW RK(give)(rk_num(RK_NAN), out, r);
  }
}
#undef ELEMENTWISE
#undef GENERATED
#undef FOLD
#undef GROUPS

#define ELEMENTWISE(...)
#define GENERATED(...)

/* A fold while it runs: values s, positions p. */
void RK(rk_fold_start)(const rk_node *node, int rows, double *s, double *p) {
#define START(name, start) case RK_OP_##name: EACH_ROW RK(give)((start), s, r); break;
#define FOLD(name, operands, start, ...) START(name, start)
#define GROUPS(name, integers, dim, check, expected, start, ...) START(name, start)
  EACH_ROW RK(give)(rk_num(0), p, r);
  switch (node->operation->op) {
#include "formula/operations.def"
    default: EACH_ROW RK(give)(rk_num(RK_NAN), s, r);
  }
#undef FOLD
#undef GROUPS
}

/* Component `component` of the operand, x[0], enters. */
void RK(rk_fold_next)(const rk_node *node, const rk_operand *x, int component, int rows,
                      double *s_, double *p_) {
#define NEXT(name, next, place)                                                                    \
  case RK_OP_##name:                                                                               \
    EACH_ROW {                                                                                     \
      const vec a = TAKEN(0), s = RK(taken)((rk_operand){s_, 1}, r),                               \
                p = RK(taken)((rk_operand){p_, 1}, r);                                             \
      (void)p;                                                                                     \
      RK(give)((next), s_, r);                                                                     \
      RK(give)((place), p_, r);                                                                    \
    }                                                                                              \
    break;
#define FOLD(name, operands, start, next, place, ...) NEXT(name, next, place)
#define GROUPS(name, integers, dim, check, expected, start, next, ...) NEXT(name, next, p)
  const vec k = rk_num(component);
  (void)k;
  switch (node->operation->op) {
#include "formula/operations.def"
    default: break;
  }
#undef FOLD
#undef GROUPS
}

/* x[1]: a scalar operand beside the vector. */
void RK(rk_fold_end)(const rk_node *node, const rk_operand *x, int rows, const double *s_,
                     const double *p_, double *out) {
#define END(name, end)                                                                             \
  case RK_OP_##name:                                                                               \
    EACH_ROW {                                                                                     \
      const vec b = TAKEN(1), s = RK(taken)((rk_operand){s_, 1}, r),                               \
                p = RK(taken)((rk_operand){p_, 1}, r);                                             \
      (void)s; (void)p; (void)b;                                                                   \
      RK(give)((end), out, r);                                                                     \
    }                                                                                              \
    break;
#define FOLD(name, operands, start, next, place, end, ...) END(name, end)
#define GROUPS(name, ...) END(name, s)
  switch (node->operation->op) {
#include "formula/operations.def"
    default: break;
  }
}
#undef FOLD
#undef GROUPS
#undef ELEMENTWISE
#undef GENERATED
#undef PIECES
#undef DEFINED
#undef ALTERNATIVE
#undef COMPOSED
#undef DERIVATIVE
#undef EACH_ROW
#undef TAKEN
#undef MASK
#undef OPERANDS_NUMERIC
#undef OPERANDS_LOGICAL
#undef OPERANDS_LOGICAL_ONLY
#undef OPERANDS_WHERE
#undef RESULT_NUMERIC
#undef RESULT_LOGICAL
#undef RESULT_LOGICAL_ONLY
#undef RESULT_WHERE
#undef START
#undef NEXT
#undef END
#undef RK_TYPE
