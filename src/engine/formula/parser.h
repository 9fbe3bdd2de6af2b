/* Text and declarations -> expression graph, every node checked. */
#ifndef RKEOPS_PARSER_H
#define RKEOPS_PARSER_H

#include "formula/graph.h"

/* The text is definitions and one or several reductions (or derivatives of such), separated by
 * commas: root[0 .. *roots - 1], at most RK_MAX_RESULTS. */
rk_status rk_parse_program(rk_graph *graph, const char *text, const char *const *declarations,
                           int n, const rk_node **root, int *roots, rk_error *error);

/* Adds to a message the place `at` of the text, as the parser's own errors have it. */
void rk_mark_place(const char *text, int at, rk_error *error);

/* The same for an expression that is not reduced. */
rk_status rk_parse_expression(rk_graph *graph, const char *text, const char *const *declarations,
                              int n, const rk_node **root, rk_error *error);

/* A text of one of the tables: `names` have values (the dimension of a is da), n and m are the
 * integers, and the index "o" of a reduction is that of the reduction `over`, which may be NULL.
 * Numbers stay in the graph. */
typedef struct { const char *name; const rk_node *node; } rk_name;
const rk_node *rk_parse_definition(rk_graph *graph, const char *text, const rk_name *names,
                                   int count, const int *integer, const rk_node *over,
                                   rk_error *error);

#endif
