/* The expression graph: what the parser makes, the stages rewrite and the planner reads.
 *
 * Nodes are immutable and unique: two nodes of the same operation on the same operands are one
 * (hash-consing), so sharing is found by construction and the size of a derived graph stays small.
 * A node's operands always have smaller numbers, so the order of numbers is an order of evaluation.
 * A graph owns all of its memory in one arena and is freed as a whole.
 */
#ifndef RKEOPS_GRAPH_H
#define RKEOPS_GRAPH_H

#include "engine.h"
#include "text.h"

enum { RK_MAX_OPERANDS = 4, RK_MAX_INTEGERS = 4, RK_MAX_DIM = 65535 };

/* On what a value depends: bits, so that an operation's level is the union of its operands'. */
enum { RK_LEVEL_PARAMETER = 0, RK_LEVEL_I = 1, RK_LEVEL_J = 2, RK_LEVEL_PAIR = 3 };

static inline int rk_level_of_kind(rk_kind kind) {
  return kind == RK_KIND_I ? RK_LEVEL_I : kind == RK_KIND_J ? RK_LEVEL_J : RK_LEVEL_PARAMETER;
}
static inline rk_kind rk_kind_of_level(int level) { /* of one index at most */
  return level == RK_LEVEL_I ? RK_KIND_I : level == RK_LEVEL_J ? RK_KIND_J : RK_KIND_PARAMETER;
}

typedef struct rk_operation rk_operation;
typedef struct rk_reduction rk_reduction;
typedef struct rk_graph rk_graph;

typedef struct rk_node {
  int number;                             /* position in the graph */
  const rk_operation *operation;          /* NULL for a reduction */
  const rk_reduction *reduction;          /* of the values of operand 0 (and 1: weights) */
  int operands, integers;
  const struct rk_node *operand[RK_MAX_OPERANDS];
  int integer[RK_MAX_INTEGERS];           /* a reduction: K, kept kind, reduced kind */
  double value;                           /* of a Number */
  int variable;                           /* of a Variable: index into the graph's variables */
  int dim;
  int level;
  int is_logical;
  int is_result;                          /* made of reductions, of one index at most */
  int place;                              /* of a derivative: where the text asks for it */
} rk_node;

/* A variable holds the rows of an input, or one of the values that the engine supplies itself. */
typedef enum {
  RK_FROM_INPUT,      /* inputs[source] of the call */
  RK_FROM_NUMBER,     /* a number lifted out of the formula */
  RK_FROM_CENTRE,     /* the common centre of the members, values that meet in differences */
  RK_FROM_RANK,       /* ranks of node number `source` among the members, which are compared */
  RK_FROM_PASS,       /* the result of an earlier pass: reduction node number `source` */
  RK_FROM_POSITION,   /* the positions of an index in two digits: modulo 2^20, and above */
  RK_FROM_DIRECTION   /* of a derivative while it is made: none is read later */
} rk_origin;

typedef struct {
  const char *name;
  rk_kind kind;
  int dim;
  rk_origin origin;
  int source;
  double number;
  int declared;       /* by the user, so it must be supplied even if it is not used */
  const rk_node *const *member; /* of centres and ranks: nodes of rows and of columns */
  int members;
} rk_graph_variable;

/* Are both centres, or both ranks, of the same members? */
int rk_is_of_group(const rk_graph_variable *a, const rk_graph_variable *b);

rk_graph *rk_graph_new(void);
void rk_graph_free(rk_graph *graph);
void *rk_graph_alloc(rk_graph *graph, size_t bytes);          /* zeroed, NULL when out of memory */
char *rk_graph_copy_text(rk_graph *graph, const char *text, size_t length);

int rk_graph_size(const rk_graph *graph);
const rk_node *rk_graph_node(const rk_graph *graph, int number);
int rk_graph_variables(const rk_graph *graph);
rk_graph_variable *rk_graph_variable_at(rk_graph *graph, int k);
int rk_graph_add_variable(rk_graph *graph, const rk_graph_variable *variable);

/* The node equal to *wanted (its number is ignored), added if there is none. */
const rk_node *rk_graph_intern(rk_graph *graph, const rk_node *wanted);

const rk_node *rk_graph_find(const rk_graph *graph, const rk_node *wanted); /* NULL: none yet */

/* Builders. Operands must fit: rk_apply in operations.h checks what a user wrote. */
const rk_node *rk_variable_node(rk_graph *graph, int variable);
const rk_node *rk_number(rk_graph *graph, double value);
int rk_is_number(const rk_node *node, double value);

/* What the roots are made of, themselves included: a flag by node number, freed by the caller; NULL
 * when out of memory. */
unsigned char *rk_graph_needed(const rk_graph *graph, const rk_node *const *root, int roots);

/* Canonical text of what the roots are made of: one line per node, complete: two graphs with the
 * same text compile to the same code. Also the debugging print. */
rk_status rk_graph_print(const rk_graph *graph, const rk_node *const *root, int roots,
                         rk_text *text);

#endif
