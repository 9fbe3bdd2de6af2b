/* Derivative nodes -> the same graph without them.
 *
 * Everything is made from the derivative columns of the two tables: the partial derivatives of
 * elementwise operations and of reductions, the transposes of linear ones. Reverse mode, forward
 * mode and sums over broadcast operands are each in one place here; no entry mentions a cotangent.
 */
#ifndef RKEOPS_DERIVE_H
#define RKEOPS_DERIVE_H

#include "formula/graph.h"

/* Replaces the derivatives in what the roots are made of; each root is a reduction afterwards. When
 * it fails, *place is where the text asks for the derivative that cannot be had, or -1. */
rk_status rk_derive(rk_graph *graph, const rk_node **root, int roots, int *place,
                    rk_error *error);

/* The same for an expression that is not reduced. */
rk_status rk_derive_expression(rk_graph *graph, const rk_node **root, int *place,
                               rk_error *error);

#endif
