/* Values of rows (or columns, or parameters) on the host, without a compiler: the code of the table
 * of operations, on a block of rows at a time. */
#ifndef RKEOPS_EVALUATE_H
#define RKEOPS_EVALUATE_H

#include "caller.h"
#include "loops/rows.h"

/* Evaluates some nodes of one index at most, and of the same one, in double. */
typedef struct {
  const rk_array *value;    /* of graph variables, on the host */
  const rk_node **node;     /* what the roots are made of, in order */
  int *first;               /* by node number: its first component in `at` */
  rk_operand *at;           /* components, once a block is evaluated */
  double *store, *fold;
  int nodes, components;
  int block;                /* rows, a whole number of vectors */
  int is_another;           /* nodes and places are those of the first one */
} rk_evaluator;

rk_status rk_evaluator_begin(rk_evaluator *e, const rk_graph *graph, const rk_array *value,
                             const rk_node *const *root, int roots, rk_error *error);
void rk_evaluator_end(rk_evaluator *e);

/* Another one of the same values, that ends before the first: for tasks, which must not read the
 * graph, because a poll may add to it. */
rk_status rk_evaluator_another(rk_evaluator *e, const rk_evaluator *first, rk_error *error);

/* Rows first .. first + n - 1, n at most e->block. */
void rk_evaluate(rk_evaluator *e, int64_t first, int n);

/* A component of a node then; or its n rows, copied. */
rk_operand rk_evaluated(const rk_evaluator *e, const rk_node *node, int component);
void rk_copy_evaluated(const rk_evaluator *e, const rk_node *node, int component, int n,
                       double *to);

#endif
