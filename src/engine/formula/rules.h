/* The simplifications of rules.def. */
#ifndef RKEOPS_RULES_H
#define RKEOPS_RULES_H

#include "formula/operations.h"

/* What an operation on these operands may be written as instead; NULL: nothing simpler is known. */
const rk_node *rk_simpler(rk_graph *graph, const rk_operation *operation,
                          const rk_node *const *operand, const int *integer, rk_error *error);

#endif
