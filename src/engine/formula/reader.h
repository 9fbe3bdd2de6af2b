/* What the files of the parser share: where it is in a text, and the pieces that its rules are made
 * of. Functions that read go past what they read, and stay where they are when it is not there.
 * After an error they return NULL or 0; the first error is kept. */
#ifndef RKEOPS_READER_H
#define RKEOPS_READER_H

#include "formula/operations.h"
#include "formula/parser.h"
#include "formula/reductions.h"

enum { RK_MAX_DEPTH = 3000, RK_MAX_NAME = 200 };

typedef struct {
  rk_graph *graph;
  const char *what;          /* "formula" or "declaration", for messages */
  const char *text, *at;
  rk_error *error;
  int depth;
  rk_name *names;            /* definitions; in a text of a table, operands */
  int name_count, name_capacity;
  const int *integer;        /* a text of a table: numbers are exact, integers have names */
  const rk_node *over;       /* there: the reduction whose index is called "o" */
  int positions;             /* declarations: 0 not known yet, 1 given, -1 not given */
} rk_reader;

/* ---- reader.c: errors, words, names ---- */

/* Fails with the place marked in the text. */
const rk_node *rk_fail_at(rk_reader *p, const char *place, const char *format, ...)
    RK_PRINTF(3, 4);
const rk_node *rk_place_error(rk_reader *p, const char *place); /* adds it to what was said */
const rk_node *rk_in_graph(rk_reader *p, const rk_node *node);  /* NULL: out of memory */

void rk_skip_blanks(rk_reader *p);
int rk_next_is(rk_reader *p, const char *symbol);
int rk_take(rk_reader *p, const char *symbol);
int rk_expect(rk_reader *p, const char *symbol, const char *after);
const char *rk_found(rk_reader *p, char *buffer); /* what stands here, for messages; 64 bytes */
int rk_take_name(rk_reader *p, char *name);       /* RK_MAX_NAME bytes */
int rk_at_number(rk_reader *p);
int rk_take_number(rk_reader *p, double *value, int *is_integer);

/* The candidate that is most like the wanted name. */
typedef struct { const char *wanted, *best; int distance; } rk_nearest;
void rk_consider(rk_nearest *n, const char *candidate);
int rk_is_special(const char *name);              /* Vi, IntCst, ...: calls of their own form */
const rk_node *rk_fail_unknown(rk_reader *p, const char *place, const char *name, int is_called);

/* ---- declarations.c: variables, integers, numbers ---- */

int rk_find_variable(rk_graph *graph, const char *name);
int rk_find_position(rk_graph *graph, int position);
int rk_input_count(rk_graph *graph);
typedef struct { rk_kind kind; int dim, position; const char *place; } rk_variable_text;
int rk_add_input(rk_reader *p, const char *name, const rk_variable_text *v, int position);
const rk_node *rk_variable_in_place(rk_reader *p, const char *name, const char *place);
void rk_declaration(rk_reader *p, int index);
int rk_integer_called(rk_reader *p, const char *name, int *value); /* n, da, ... of a table */
int rk_integer_expression(rk_reader *p, int *value);
const rk_node *rk_number_node(rk_reader *p, double value);

/* ---- calls.c: what is written as name(arguments) ---- */

const rk_node *rk_apply_at(rk_reader *p, const char *place, rk_op op,
                           const rk_node *const *operand, int operands, const int *integer,
                           int integers);
const rk_node *rk_apply2_at(rk_reader *p, const char *place, rk_op op, const rk_node *a,
                            const rk_node *b);
const rk_node *rk_constant_call(rk_reader *p, const char *name, const char *place);
const rk_node *rk_reduction_call(rk_reader *p, char *name, const char *place);
const rk_node *rk_operation_call(rk_reader *p, const char *name, const char *place);

/* ---- parser.c ---- */

const rk_node *rk_read_expression(rk_reader *p);

#endif
