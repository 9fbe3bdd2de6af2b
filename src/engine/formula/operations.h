/* The table of operations (operations.def) as data, and the checked application of an operation. */
#ifndef RKEOPS_OPERATIONS_H
#define RKEOPS_OPERATIONS_H

#include "formula/graph.h"

typedef enum {
  RK_LEAF, RK_ELEMENTWISE, RK_FOLD, RK_PIECES, RK_DEFINED, RK_COMPOSED, RK_DERIVATIVE
} rk_operation_kind;

/* An operation for each name of the table; a name that is not there does not compile. */
typedef enum {
  RK_OP_Variable,
  RK_OP_Number,
#define ELEMENTWISE(name, ...) RK_OP_##name,
#define GENERATED(name, ...) RK_OP_##name,
#define FOLD(name, ...) RK_OP_##name,
#define PIECES(name, ...) RK_OP_##name,
#define GROUPS(name, ...) RK_OP_##name,
#define DEFINED(name, ...) RK_OP_##name,
#define RK_PLACE_(line) RK_OP_at_##line
#define RK_PLACE(line) RK_PLACE_(line)
#define ALTERNATIVE(name, ...) RK_PLACE(__LINE__),
#define COMPOSED(name, ...) RK_OP_##name,
#define DERIVATIVE(name, ...) RK_OP_##name,
#include "formula/operations.def"
#undef ELEMENTWISE
#undef GENERATED
#undef FOLD
#undef PIECES
#undef GROUPS
#undef DEFINED
#undef ALTERNATIVE
#undef COMPOSED
#undef DERIVATIVE
  RK_OPS
} rk_op;

/* Integers that texts of the tables have names for: n, m, l, p. */
enum { RK_NAMED_INTEGERS = 4 };
int rk_named_integer(const char *name, int length); /* which one this is, or -1 */

/* A list of integers in a call, as [1, 0, 2]. */
enum { RK_MAX_LIST = 8, RK_MAX_LISTS = 5 };
typedef struct { int count, value[RK_MAX_LIST]; } rk_list;

/* Arguments of a call, in the order of the table: expressions, integers, lists. */
typedef struct {
  const rk_node *operand[RK_MAX_OPERANDS];
  int operands, integer[RK_NAMED_INTEGERS], integers;
  rk_list list[RK_MAX_LISTS];
  int lists;
} rk_arguments;

typedef enum {
  RK_RESULT_NUMERIC, RK_RESULT_LOGICAL, RK_RESULT_LOGICAL_ONLY, RK_RESULT_WHERE
} rk_result_kind;

/* Results start + step * t, t = 0 .. length - 1, are component
 * offset + (t / divide) % modulo * stride of `operand`; `more` are further digits, added likewise.
 * The table may leave out steps and strides of 1, and what is 0. */
typedef struct { int divide, modulo, stride; } rk_digit;
enum { RK_MAX_PIECES = 2, RK_MAX_DIGITS = 4 };
typedef struct {
  int operand, start, length, offset, divide, modulo, step, stride;
  rk_digit more[RK_MAX_DIGITS - 1];
} rk_piece;

struct rk_operation {
  const char *name;
  rk_op op;
  int is_alternative;                  /* of the entry before, of the same name */
  rk_operation_kind kind;
  int operands, integers;
  int optional;                        /* so many of the last operands, or lists, may be absent */
  int lists;                           /* lists of integers after the integers */
  rk_result_kind result;
  const char *code;                    /* ELEMENTWISE */
  const char *start, *next, *place, *end; /* FOLD */
  const char *definition;              /* DEFINED */
  const char *expected;                /* what `check` asks for, in words */
  int (*dim)(const int *d, const int *q);   /* NULL: that of the largest operand (FOLD: 1) */
  const char *dim_text;                /* the same as written in the table */
  int (*check)(const int *d, const int *q); /* NULL: operands of dimension 1 are broadcast */
  int (*pieces)(const int *d, const int *q, rk_piece *pieces); /* gives their number; of a FOLD: the
                                        * component of the result that each component enters */
  const char *derivative[RK_MAX_OPERANDS];
  const char *transpose[RK_MAX_OPERANDS];
  const char *selects[RK_MAX_OPERANDS];
  /* COMPOSED: made of other operations; absent lists have a negative count */
  const rk_node *(*build)(rk_graph *graph, const rk_node *const *operand, const int *integer,
                          const rk_list *list, rk_error *error);
  const char *documentation;
};

extern const rk_operation rk_operation_variable, rk_operation_number;

static inline int rk_node_is(const rk_node *node, rk_op op) {
  return node->operation && node->operation->op == op;
}
static inline int rk_is_variable(const rk_node *node) { return rk_node_is(node, RK_OP_Variable); }
static inline int rk_is_directional(rk_op op) { /* Diff and its like */
  return op == RK_OP_Diff || op == RK_OP_Diff_WithSavedForward;
}
static inline int rk_is_gradient(rk_op op) { /* Grad and its like */
  return op == RK_OP_Grad || op == RK_OP_Grad_WithSavedForward;
}
static inline int rk_moves(const rk_node *node) {
  return node->operation && node->operation->kind == RK_PIECES;
}
static inline int rk_folds(const rk_node *node) {
  return node->operation && node->operation->kind == RK_FOLD;
}

const rk_operation *rk_operation_at(int k);            /* in order; NULL past the end */
const rk_operation *rk_operation_of(rk_op op);
const rk_operation *rk_operation_find(const char *name); /* the first of that name, or NULL */

/* Applies an operation that a user wrote, or another stage makes: checks numbers, dimensions and
 * kinds, expands definitions, keeps the few local rules that change results by rounding only.
 * NULL with an error when something does not fit. */
const rk_node *rk_apply(rk_graph *graph, rk_op op, const rk_node *const *operand,
                        int operands, const int *integer, int integers, rk_error *error);
const rk_node *rk_apply_lists(rk_graph *graph, rk_op op, const rk_arguments *given,
                              rk_error *error); /* the same for COMPOSED operations */
const rk_node *rk_apply1(rk_graph *graph, rk_op op, const rk_node *a, rk_error *error);
const rk_node *rk_apply2(rk_graph *graph, rk_op op, const rk_node *a, const rk_node *b,
                         rk_error *error);

/* words.c: what one component of an elementwise operation takes; nothing of other nodes. */
typedef struct { double cost; int is_called, takes_memory; } rk_effort; /* see words.def */
const rk_effort *rk_effort_of(const rk_node *node);
int rk_code_effort(const char *code, rk_effort *effort); /* 0: of a word that is not in the table */

/* Pieces of a node that moves components or folds groups of them. */
int rk_node_pieces(const rk_node *node, rk_piece *pieces);
/* The component of the operand that result `component` is; 0: it is of another piece. */
int rk_piece_source(const rk_piece *piece, int component, int *source);
/* The digits of a piece that are not always 0; a modulo that does nothing is 0. With no digit, or
 * one with divide 1 and modulo 0, the piece is affine. */
int rk_piece_digits(const rk_piece *piece, rk_digit *digits);
int rk_piece_is_affine(const rk_piece *piece);
/* The operand that a Where is where it is not 0; 0: it may be either of two. */
int rk_chosen_operand(const rk_node *node);

/* derivatives.c: the node of a derivative that a text asks for at character `place`: F, V and the
 * others of the table, checked. The stage derive/ replaces it. */
const rk_node *rk_derivative(rk_graph *graph, const rk_operation *operation,
                             const rk_node *const *operand, int operands, int place,
                             rk_error *error);

#endif
