/* What a pass computes, at which level and at which cost, as its plan says, in the user's names.
 *
 * A value that others read is called by its level: row.1 is the first one that is made for a row.
 * No name of a user has a point in it. What is computed where it is used is written there. */
#include "plan/plan.h"
#include "formula/expression.h"
#include "formula/operations.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 40 }; /* operations of a text */

static const char *const levels[] = {"parameter", "row", "column", "pair"};

typedef struct { unsigned char level; int number; } label; /* number 0: none */

typedef struct {
  const rk_pass *pass;
  const char *const *name;   /* by graph variable */
  label *label;              /* by node number: names given so far */
  int *readers;              /* by node number: of the nest */
  rk_nest_kind kind;         /* of the nest that is told */
  int named;                 /* values of it that have names */
  const rk_node *told;       /* written by its operands, not by its name */
  rk_text *text;
} telling;

/* ---- names ---- */

/* The graph variable that holds what a reduction gives. */
static int result_variable(const rk_pass *pass, const rk_node *reduction) {
  for (int k = 0; k < rk_graph_variables(pass->graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(pass->graph, k);
    if (v->origin == RK_FROM_PASS && v->source == reduction->number) return k;
  }
  return -1;
}

static int variable_of(const telling *t, const rk_node *node) {
  if (rk_is_variable(node)) return node->variable;
  return node->reduction && node != t->told ? result_variable(t->pass, node) : -1;
}

static int write_name(const void *telling_of, const rk_node *node, rk_text *text) {
  const telling *t = telling_of;
  int variable = variable_of(t, node);
  const label *label = &t->label[node->number];
  if (variable >= 0) rk_text_add(text, t->name[variable]);
  else if (label->number && node != t->told)
    rk_text_format(text, "%s.%d", levels[label->level], label->number);
  else return 0;
  return 1;
}

/* By its operands, or by its name if it has one. */
static void write_formula(telling *t, const rk_node *node, int by_operands) {
  const rk_naming naming = {write_name, t};
  t->told = by_operands ? node : NULL;
  rk_write_expression(node, &naming, MOST, t->text);
  t->told = NULL;
}

/* ---- values ---- */

static int is_root(const rk_nest *nest, const rk_node *node) {
  for (int r = 0; r < nest->roots; r++)
    if (nest->root[r] == node) return 1;
  return 0;
}

static const char *role_of(const telling *t, const rk_node *node) {
  const rk_nest *nest = &t->pass->nest[t->kind];
  if (is_root(nest, node)) return t->kind == RK_NEST_PAIR ? "reduced" : "packed";
  return nest->place[node->number] == RK_PANEL ? "panel" : "kept";
}

/* Of a pair what is reduced has no name, save where something else reads it. */
static int is_unnamed(const telling *t, const rk_node *node) {
  return t->kind == RK_NEST_PAIR && is_root(&t->pass->nest[t->kind], node) &&
         !t->readers[node->number];
}

/* A line "value: role dim name formula"; the name is "-" where there is none. What is reduced may
 * be a value of another level. */
static void tell_value(telling *t, const rk_node *node) {
  label *own = &t->label[node->number];
  int made_here = !own->number && !rk_is_variable(node);
  rk_text_format(t->text, "value: %s %d ", role_of(t, node), node->dim);
  if (made_here && !is_unnamed(t, node)) *own = (label){(unsigned char)t->kind, ++t->named};
  if (is_unnamed(t, node)) rk_text_add(t->text, "-");
  else write_name(t, node, t->text);
  rk_text_add(t->text, " ");
  write_formula(t, node, made_here);
  rk_text_add(t->text, "\n");
}

static void count_readers(telling *t) {
  const rk_nest *nest = &t->pass->nest[t->kind];
  for (int k = 0; k < rk_graph_size(t->pass->graph); k++) t->readers[k] = 0;
  for (int k = 0; k < nest->numbers; k++) { /* nodes that are newer have no place in it */
    const rk_node *node = rk_graph_node(t->pass->graph, k);
    if (nest->place[k] == RK_ELSEWHERE) continue;
    for (int o = 0; o < node->operands; o++) t->readers[node->operand[o]->number]++;
  }
}

/* A scalar with one reader is written there. */
static int has_line(const telling *t, const rk_node *node) {
  const rk_nest *nest = &t->pass->nest[t->kind];
  return is_root(nest, node) || nest->place[node->number] != RK_LOCAL ||
         t->readers[node->number] > 1;
}

static int is_of_step(const rk_nest *nest, const rk_node *node) {
  return nest->place[node->number] != RK_INLINE && nest->place[node->number] != RK_ELSEWHERE;
}

/* In the order in which they are made. */
static void tell_values(telling *t) {
  const rk_nest *nest = &t->pass->nest[t->kind];
  t->named = 0;
  count_readers(t);
  for (int k = 0; k < nest->nodes; k++)
    if (has_line(t, nest->node[k])) tell_value(t, nest->node[k]);
  for (int r = 0; r < nest->roots; r++)
    if (!is_of_step(nest, nest->root[r])) tell_value(t, nest->root[r]);
}

/* ---- numbers ---- */

static void tell_number(rk_text *text, const char *key, double value) {
  char number[RK_NUMBER_TEXT];
  rk_text_format(text, "%s: %s\n", key, rk_number_text(number, "%.12g", value));
}

static void tell_nest(telling *t, const rk_layout *layout) {
  const rk_nest *nest = &t->pass->nest[t->kind];
  rk_text_format(t->text, "[%ss]\n", levels[t->kind]);
  if (t->kind < RK_NEST_PAIR) {
    tell_number(t->text, "components", t->pass->slots[t->kind].size);
    tell_number(t->text, "bytes", layout->bytes[t->kind]);
  } else {
    tell_number(t->text, "bytes", (double)layout->bytes[RK_NEST_ROW] / layout->columns +
                                  (double)layout->bytes[RK_NEST_COLUMN] / layout->rows);
  }
  tell_number(t->text, "steps", nest->steps);
  tell_number(t->text, "operations", nest->cost);
  tell_number(t->text, "panel", nest->panel);
  tell_values(t);
}

/* ---- sums ---- */

/* The additions of n terms err by at most (fixed + each n) times the sum of the absolute values of
 * the terms, up to squares of the roundings: each term goes through so many additions. With a
 * compensation only the last ones remain, and squares. */
static void tell_bound(const rk_pass *pass, int flush, rk_text *text) {
  const rk_summing summing = rk_summing_of(pass);
  const double wide = 0x1p-53;
  double unit = !flush || pass->options.precision == RK_FLOAT64 ? wide : 0x1p-24;
  double longs = summing.longs == RK_SUM_WIDE ? wide : unit, fixed = 0, each = longs;
  if (flush && summing.longs == RK_SUM_KAHAN) fixed = 2 * unit, each = 2 * unit * unit;
  else if (flush && summing.never && !summing.each) each = unit;
  else if (flush && !summing.never) fixed = (flush + 1) * unit, each = longs / flush;
  tell_number(text, "bound_fixed", fixed);
  tell_number(text, "bound_each", each);
}

static int adds(const rk_pass *pass) {
  return !rk_keeps_values(pass->reduction->reduction) &&
         rk_reduced_kind(pass->source) != RK_KIND_PARAMETER;
}

static void tell_sums(const rk_pass *pass, int flush, rk_text *text) {
  static const char *const scheme[] = {"auto", "direct_sum", "block_sum", "kahan_scheme"};
  const rk_summing summing = rk_summing_of(pass);
  int wide = summing.longs == RK_SUM_WIDE || pass->options.precision == RK_FLOAT64 || !flush;
  rk_text_format(text, "scheme: %s\naccumulator: %s\n", scheme[pass->options.scheme],
                 wide ? "float64" : "float32");
  if (flush && !summing.never) tell_number(text, "short_sums", flush);
  tell_bound(pass, flush, text);
}

/* ---- a pass ---- */

static void tell_reduction(telling *t) {
  static const char *const index[] = {"i", "j", "none"};
  static const char *const precision[] = {"float32", "float64", "float16"};
  const rk_pass *pass = t->pass;
  int is_map = rk_reduced_kind(pass->source) == RK_KIND_PARAMETER;
  rk_text_add(t->text, "formula: ");
  write_formula(t, is_map ? pass->source->operand[0] : pass->source, 1);
  rk_text_format(t->text, "\nreduction: %s\nreduced: %s\nkept: %s\nprecision: %s\n",
                 rk_reduction_name(pass->source->reduction), index[rk_reduced_kind(pass->source)],
                 index[rk_kept_kind(pass->source)], precision[pass->options.precision]);
  tell_number(t->text, "components", pass->state.components);
  tell_number(t->text, "K", pass->state.K);
  tell_number(t->text, "factor", pass->factor);
}

void rk_explain_pass(const rk_pass *pass, const char *const *name, const rk_layout *layout,
                     rk_text *text) {
  size_t size = (size_t)rk_graph_size(pass->graph) + 1;
  telling t = {.pass = pass, .name = name, .text = text, .label = calloc(size, sizeof *t.label),
               .readers = calloc(size, sizeof *t.readers)};
  if (t.label && t.readers) {
    tell_reduction(&t);
    if (adds(pass)) tell_sums(pass, layout->flush, text);
    for (int k = 0; k < RK_NESTS; k++) {
      t.kind = (rk_nest_kind)k;
      tell_nest(&t, layout);
    }
  } else {
    text->failed = 1;
  }
  free(t.label);
  free(t.readers);
}
