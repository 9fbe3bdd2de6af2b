/* One component of a value, in the type that RK_TYPE names: the code of operations.def compiled
 * here, on vectors of which the first lane counts. Included once for each type. Numbers come and go
 * as doubles, which hold floats as they are; a logical value is 0 or 1. */
#include "names.h"
#include "lanes.h"

#define FIRST(code) { const vec out = (code); return out[0]; }
#define NUMBERS const vec a = rk_num(x[0]), b = rk_num(x[1]), c = rk_num(x[2])
#define MASK(value) rk_ne(rk_num(value), rk_num(0))
#define OPERANDS_NUMERIC NUMBERS
#define OPERANDS_LOGICAL NUMBERS
#define OPERANDS_LOGICAL_ONLY const mask a = MASK(x[0]), b = MASK(x[1]), c = MASK(x[2])
#define OPERANDS_WHERE const mask a = MASK(x[0]); const vec b = rk_num(x[1]), c = rk_num(x[2])
#define RESULT_NUMERIC(code) FIRST(code)
#define RESULT_LOGICAL(code) FIRST(rk_truth(code))
#define RESULT_LOGICAL_ONLY(code) FIRST(rk_truth(code))
#define RESULT_WHERE(code) FIRST(code)

#define ELEMENTWISE(name, operands, integers, result, code, ...)                                   \
  case RK_OP_##name: {                                                                             \
    OPERANDS_##result;                                                                             \
    (void)a; (void)b; (void)c;                                                                     \
    RESULT_##result(code)                                                                          \
  }
#define GENERATED(name, operands, integers, result, dim, check, expected, code, ...)               \
  ELEMENTWISE(name, operands, integers, result, code)
#define FOLD(...)
#define PIECES(...)
#define GROUPS(...)
#define DEFINED(...)
#define ALTERNATIVE(...)
#define COMPOSED(...)
#define DERIVATIVE(...)

/* `x`: the components of the operands. */
static double RK(rk_elementwise)(const rk_node *node, const double *x, int component) {
  const int n = node->integer[0], m = node->integer[1];
  const vec k = rk_num(component);
  (void)n; (void)m; (void)k;
  switch (node->operation->op) {
#include "formula/operations.def"
    default: return NAN;
  }
}
#undef ELEMENTWISE
#undef GENERATED
#undef FOLD
#undef GROUPS

/* A fold while it runs: the value s, the position p. */
typedef struct { double s, p; } RK(rk_folding);

static void RK(rk_fold_start)(const rk_node *node, RK(rk_folding) *f) {
  f->p = 0;
  switch (node->operation->op) {
#define ELEMENTWISE(...)
#define GENERATED(...)
#define START(name, start) case RK_OP_##name: f->s = (start)[0]; break;
#define FOLD(name, operands, start, ...) START(name, start)
#define GROUPS(name, integers, dim, check, expected, start, ...) START(name, start)
#include "formula/operations.def"
    default: f->s = NAN;
  }
#undef FOLD
#undef GROUPS
}

/* Component `component` of the operand, `value`, enters. */
static void RK(rk_fold_next)(const rk_node *node, RK(rk_folding) *f, double value, int component) {
  const vec a = rk_num(value), s = rk_num(f->s), p = rk_num(f->p), k = rk_num(component);
  (void)p; (void)k;
  switch (node->operation->op) {
#define NEXT(name, next, place) case RK_OP_##name: f->s = (next)[0]; f->p = (place)[0]; break;
#define FOLD(name, operands, start, next, place, ...) NEXT(name, next, place)
#define GROUPS(name, integers, dim, check, expected, start, next, ...) NEXT(name, next, p)
#include "formula/operations.def"
    default: f->s = NAN;
  }
#undef FOLD
#undef GROUPS
}

/* `second`: a scalar operand beside the vector. */
static double RK(rk_fold_end)(const rk_node *node, const RK(rk_folding) *f, double second) {
  const vec s = rk_num(f->s), p = rk_num(f->p), b = rk_num(second);
  (void)p; (void)b;
  switch (node->operation->op) {
#define FOLD(name, operands, start, next, place, end, ...) case RK_OP_##name: return (end)[0];
#define GROUPS(name, ...) case RK_OP_##name: return s[0];
#include "formula/operations.def"
    default: return NAN;
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
#undef FIRST
#undef NUMBERS
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
#undef RK_TYPE
