/* Values as formula text, for people: a value that is read several times, or lies deep, is named
 * once. What the parser made is shown as a text that it reads again. */
#ifndef RKEOPS_PRINT_H
#define RKEOPS_PRINT_H

#include "formula/graph.h"
#include "trace.h"

typedef struct {
  const rk_graph *graph;
  rk_text *text;
  const char *prefix, *end;    /* of each line that defines a value */
  const char *letter;          /* of values that are named: with the number of the node, */
  int counts;                  /* or counted, where graphs of one structure give one text */
  /* Writes the name of a value that is not looked into, and returns 1; 0: it has none. `text` may
   * be NULL: does it have one? */
  int (*name)(const void *data, const rk_node *node, rk_text *text);
  const void *data;
  /* by node number, made and read by print.c */
  int *readers, *height, *called;
} rk_printer;

/* Between these two the printer may be used. `root`: all that will be written; `made`: the same for
 * values whose own name (as above) will be defined. RK_ERROR_MEMORY, or RK_OK. */
rk_status rk_printer_begin(rk_printer *p, const rk_node *const *root, int roots,
                           const rk_node *const *made, int mades);
void rk_printer_end(rk_printer *p);

void rk_print_value(rk_printer *p, const rk_node *node);  /* its name, or what it is made of */
void rk_print_made(rk_printer *p, const rk_node *node);   /* what it is made of */
void rk_print_named(rk_printer *p); /* a line for each value that got a name */

/* The whole: definitions, then the roots, with the names that the user gave. */
rk_status rk_print_formula(const rk_graph *graph, const rk_node *const *root, int roots,
                           const char *prefix, rk_text *text);

/* If the stage is traced. */
void rk_trace_graph(rk_trace stage, const rk_graph *graph, const rk_node *const *root, int roots);

#endif
