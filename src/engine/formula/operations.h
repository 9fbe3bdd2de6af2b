/* The table of operations (operations.def) as data, and the checked application of an operation. */
#ifndef RKEOPS_OPERATIONS_H
#define RKEOPS_OPERATIONS_H

#include "formula/graph.h"

typedef enum {
  RK_LEAF, RK_ELEMENTWISE, RK_FOLD, RK_PIECES, RK_DEFINED
} rk_operation_kind;

typedef enum {
  RK_RESULT_NUMERIC, RK_RESULT_LOGICAL, RK_RESULT_LOGICAL_ONLY, RK_RESULT_WHERE
} rk_result_kind;

/* Results start .. start + length - 1 are components offset + (t / divide) % modulo of `operand`.
 */
typedef struct { int operand, start, length, offset, divide, modulo; } rk_piece;
enum { RK_MAX_PIECES = 2 };

struct rk_operation {
  const char *name;
  rk_operation_kind kind;
  int operands, integers;
  rk_result_kind result;
  const char *code;                    /* ELEMENTWISE */
  const char *start, *next, *place, *end; /* FOLD */
  const char *definition;              /* DEFINED */
  const char *expected;                /* what `check` asks for, in words */
  int (*dim)(const int *d, const int *q);   /* NULL: that of the largest operand (FOLD: 1) */
  int (*check)(const int *d, const int *q); /* NULL: operands of dimension 1 are broadcast */
  int (*pieces)(const int *d, const int *q, rk_piece *pieces); /* gives their number */
  const char *derivative[RK_MAX_OPERANDS];
  const char *transpose[RK_MAX_OPERANDS];
  const char *documentation;
};

extern const rk_operation rk_operation_variable, rk_operation_number;

const rk_operation *rk_operation_at(int k);            /* NULL past the end */
const rk_operation *rk_operation_find(const char *name); /* the first of that name, or NULL */

/* Applies an operation that a user wrote, or another stage makes: checks numbers, dimensions and
 * kinds, expands definitions, keeps the few local rules that change results by rounding only.
 * NULL with an error when something does not fit. */
const rk_node *rk_apply(rk_graph *graph, const char *name, const rk_node *const *operand,
                        int operands, const int *integer, int integers, rk_error *error);
const rk_node *rk_apply1(rk_graph *graph, const char *name, const rk_node *a, rk_error *error);
const rk_node *rk_apply2(rk_graph *graph, const char *name, const rk_node *a, const rk_node *b,
                         rk_error *error);

/* Pieces of a PIECES node. */
int rk_node_pieces(const rk_node *node, rk_piece *pieces);
int rk_node_is(const rk_node *node, const char *name);

#endif
