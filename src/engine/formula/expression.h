/* Nodes as text in the formula language, for people. */
#ifndef RKEOPS_EXPRESSION_H
#define RKEOPS_EXPRESSION_H

#include "formula/graph.h"

/* What nodes are called. `write` writes the name of a node and returns 1, or returns 0 where the
 * node has none and is to be written by its operands; variables have one. */
typedef struct {
  int (*write)(const void *names, const rk_node *node, rk_text *text);
  const void *names;
} rk_naming;

/* Of at most `most` operations: what is beyond is "...". */
void rk_write_expression(const rk_node *node, const rk_naming *naming, int most, rk_text *text);

#endif
