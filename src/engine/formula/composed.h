/* Operations that are built of others by a function: the COMPOSED entries of operations.def. Their
 * derivatives are those of what they are made of. */
#ifndef RKEOPS_COMPOSED_H
#define RKEOPS_COMPOSED_H

#include "formula/operations.h"

typedef const rk_node *rk_build(rk_graph *graph, const rk_node *const *operand, const int *integer,
                                const rk_list *list, rk_error *error);

rk_build rk_tensor_dot, rk_kron;    /* tensors.c */
rk_build rk_bspline, rk_soft_dtw;   /* composed.c */

#endif
