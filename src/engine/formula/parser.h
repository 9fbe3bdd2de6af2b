/* Text and declarations -> expression graph, every node checked. */
#ifndef RKEOPS_PARSER_H
#define RKEOPS_PARSER_H

#include "formula/graph.h"

/* The text is definitions and a reduction; *root is the reduction's node. */
rk_status rk_parse_program(rk_graph *graph, const char *text, const char *const *declarations,
                           int n, const rk_node **root, rk_error *error);

/* The same for an expression that is not reduced. */
rk_status rk_parse_expression(rk_graph *graph, const char *text, const char *const *declarations,
                              int n, const rk_node **root, rk_error *error);

/* A definition of the table of operations: its operands are called a, b, c, their dimensions da,
 * db, dc, its integers n, m; numbers stay in the graph. */
const rk_node *rk_parse_definition(rk_graph *graph, const char *text,
                                   const rk_node *const *operand, int operands,
                                   const int *integer, rk_error *error);

#endif
