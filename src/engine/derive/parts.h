/* What the files of this folder share. Functions return NULL after an error; where a derivative may
 * be zero, NULL without an error stands for it: zeros never become nodes on the way. */
#ifndef RKEOPS_DERIVE_PARTS_H
#define RKEOPS_DERIVE_PARTS_H

#include "formula/graph.h"
#include "formula/operations.h"
#include "formula/reductions.h"

typedef struct {
  rk_graph *graph;
  rk_error *error;
  int outer;          /* the level whose factors come first in products: that of the variable */
} rk_derivation;

/* ---- product.c ---- */

const rk_node *rk_zero(rk_derivation *w, int dim);
const rk_node *rk_plus(rk_derivation *w, const rk_node *a, const rk_node *b); /* NULL is 0 */

/* a * b as a vector of dimension `dim` (1: the sum of its components). Numbers, scalars and vectors
 * are gathered apart, and those of lower level multiplied first, so that little is left to do for
 * each component of each pair. */
const rk_node *rk_product(rk_derivation *w, const rk_node *a, const rk_node *b, int dim);

/* ---- partial.c ---- */

/* Which nodes depend on `variable`: by number, up to the graph's size now. Freed by the caller. */
unsigned char *rk_dependence(rk_derivation *w, const rk_node *variable);

/* What F is made of, itself included: likewise. */
unsigned char *rk_needed(rk_derivation *w, const rk_node *F);

/* Is the node linear in its operand k: has it a transpose there? */
int rk_is_linear_in(const rk_node *node, int k);

/* The columns of operations and of terms of reductions. A node is made of its operand k (as `term`
 * has it, for reductions) where `selection` is TRUE, if there is one; else it has a partial
 * derivative (NULL is 0), or is linear: then the transpose, applied to u, is all there is to it. */
const rk_node *rk_term(rk_derivation *w, const rk_node *node, int k, const rk_node *operand);
const rk_node *rk_selection(rk_derivation *w, const rk_node *node, int k);
const rk_node *rk_partial(rk_derivation *w, const rk_node *node, int k);
const rk_node *rk_transposed(rk_derivation *w, const rk_node *node, int k, const rk_node *u);

const rk_node *rk_sum_over(rk_derivation *w, const rk_node *terms, rk_kind kept, rk_kind reduced);
const rk_node *rk_any_over(rk_derivation *w, const rk_node *where, rk_kind kept, rk_kind reduced);

/* A node with other operands: NULL after an error. */
const rk_node *rk_with_operands(rk_derivation *w, const rk_node *node,
                                const rk_node *const *operand);

/* ---- selection.c ---- */

/* A value that counts where a logical value of its dimension, or of dimension 1, is TRUE (NULL:
 * everywhere). Elsewhere it stands for 0: it may be anything there, unless it is known to be 0. A
 * value NULL is nothing. */
typedef struct {
  const rk_node *value, *where;
  int is_zero_elsewhere;
} rk_share;

const rk_node *rk_chosen(rk_derivation *w, const rk_share *x); /* with 0 where it does not count */

/* x where it counts at `where` only; x times a factor, as rk_product has it; the sum of the
 * components; what the transpose of a node makes of x; the sum of two. */
rk_share rk_narrowed(rk_derivation *w, rk_share x, const rk_node *where);
rk_share rk_times(rk_derivation *w, rk_share x, const rk_node *factor, int dim);
rk_share rk_added_up(rk_derivation *w, rk_share x);
rk_share rk_moved(rk_derivation *w, const rk_node *node, int k, rk_share x);
rk_share rk_joined(rk_derivation *w, const rk_share *a, const rk_share *b);

/* Is a number above 0? A logical value is that itself. */
const rk_node *rk_positive(rk_derivation *w, const rk_node *a);

/* ---- the modes ---- */

/* reverse.c: adjoint of the derivative of F by a variable, applied to E; never NULL but after an
 * error. F is an expression of pairs, or made of reductions: then it is the adjoint of the whole
 * reduction, summed over what the variable does not depend on. */
const rk_node *rk_reverse(rk_derivation *w, const rk_node *F, const rk_node *variable,
                          const rk_node *E);

/* forward.c: derivative of F by a variable along U; NULL is 0. */
const rk_node *rk_forward(rk_derivation *w, const rk_node *F, const rk_node *variable,
                          const rk_node *U);

/* linear.c */
int rk_is_linear(rk_derivation *w, const rk_node *F, const rk_node *variable);
/* Sum of weight_k M_kk, where F = M V; weight has dimension 1 or that of V; NULL is 0. */
const rk_node *rk_trace(rk_derivation *w, const rk_node *F, const rk_node *variable,
                        const rk_node *weight);

#endif
