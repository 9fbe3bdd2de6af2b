/* Small numbers that all terms of a plain sum have in common, as the -2 of a derivative, are taken
 * out of the walk over the pairs and multiply its result, in double, when a state leaves the
 * kernel. Neither large numbers nor parameters and values of the kept row, though they are common
 * to all terms as well: they may be what keeps products and sums of the others representable, and 0
 * times what has overflowed is not 0.
 *
 * A difference x - y beside its multiple s (x - y), which an exponential reads (rewrite.c), becomes
 * (s (x - y)) / s when 1 / s can be taken out likewise: so in the gradient of a Gaussian. */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"

#include <math.h>
#include <stdlib.h>

enum { DEPTH = 16 }; /* of products in which factors are looked for */

typedef struct {
  rk_graph *graph;
  double number;             /* the product of those that were taken out */
  rk_error *error;
} factoring;

/* Nothing is left out in silence: another kernel would round in another way. */
static const rk_node *no_memory(const factoring *f) {
  if (!f->error->status) rk_fail_memory(f->error, sizeof(rk_node));
  return NULL;
}

static const rk_node *apply2(factoring *f, rk_op op, const rk_node *a, const rk_node *b) {
  return a && b ? rk_apply2(f->graph, op, a, b, f->error) : no_memory(f);
}

static int is_small(double number) { return fabs(number) >= 0x1p-4 && fabs(number) <= 0x1p4; }

static const rk_node *without(factoring *f, const rk_node *node, int depth);

/* What is chosen or 0, with its operand k without factors. */
static const rk_node *choice_without(factoring *f, const rk_node *node, int k, int depth) {
  const rk_node *operand[] = {node->operand[0], node->operand[1], node->operand[2]};
  operand[k] = without(f, operand[k], depth + 1);
  return operand[k] ? rk_apply(f->graph, node->operation->op, operand, 3, NULL, 0, f->error)
                    : NULL;
}

/* The node without its factors; NULL: out of memory. */
static const rk_node *without(factoring *f, const rk_node *node, int depth) {
  if (rk_node_is(node, RK_OP_Number)) {
    if (!is_small(f->number * node->value)) return node;
    f->number *= node->value;
    return rk_number(f->graph, 1);
  }
  if (depth == DEPTH || node->level != RK_LEVEL_PAIR) return node;
  if (rk_node_is(node, RK_OP_Minus)) {
    f->number = -f->number;
    return without(f, node->operand[0], depth + 1);
  }
  if (rk_node_is(node, RK_OP_Sum)) {
    const rk_node *inner = without(f, node->operand[0], depth + 1);
    return inner ? rk_apply1(f->graph, RK_OP_Sum, inner, f->error) : NULL;
  }
  if (rk_chosen_operand(node)) return choice_without(f, node, rk_chosen_operand(node), depth);
  if (!rk_node_is(node, RK_OP_Mult)) return node;
  const rk_node *a = without(f, node->operand[0], depth + 1);
  const rk_node *b = a ? without(f, node->operand[1], depth + 1) : NULL;
  if (!b || rk_is_number(a, 1)) return b;
  return rk_is_number(b, 1) ? a : apply2(f, RK_OP_Mult, a, b);
}

/* ---- differences ---- */

/* A - B, or B - A, if that is a node and `node` is s A - s B (or -s times the other); else NULL. */
static const rk_node *unscaled(const factoring *f, const rk_node *node, int swap, double *s) {
  if (!rk_node_is(node, RK_OP_Subtract) || node->level != RK_LEVEL_PAIR) return NULL;
  const rk_node *a = node->operand[0], *b = node->operand[1];
  if (!rk_node_is(a, RK_OP_Mult) || !rk_node_is(b, RK_OP_Mult) || a->operand[0] != b->operand[0] ||
      !rk_node_is(a->operand[0], RK_OP_Number))
    return NULL;
  rk_node wanted = *node;
  wanted.operand[swap] = a->operand[1];
  wanted.operand[!swap] = b->operand[1];
  *s = swap ? -a->operand[0]->value : a->operand[0]->value;
  return rk_graph_find(f->graph, &wanted);
}

static const rk_node *rebuilt(factoring *f, const rk_node *const *made, const rk_node *node) {
  const rk_node *operand[RK_MAX_OPERANDS];
  int changed = 0;
  for (int o = 0; o < node->operands; o++) {
    operand[o] = made[node->operand[o]->number];
    if (!operand[o]) return NULL;
    changed |= operand[o] != node->operand[o];
  }
  return changed ? rk_apply(f->graph, node->operation->op, operand, node->operands,
                            node->integer, node->integers, f->error) : node;
}

static const rk_node *replaced(factoring *f, const rk_node *root, const rk_node *old,
                               const rk_node *new, const unsigned char *needed) {
  const rk_node **made = calloc((size_t)root->number + 1, sizeof *made), *result = NULL;
  if (!made) return no_memory(f);
  for (int k = 0; k <= root->number; k++) {
    const rk_node *node = rk_graph_node(f->graph, k);
    if (needed[k] && !(made[k] = node == old ? new : rebuilt(f, made, node))) break;
  }
  result = made[root->number];
  free(made);
  return result;
}

static int needs(const factoring *f, const rk_node *root, const rk_node *node) {
  unsigned char *needed = rk_graph_needed(f->graph, &root, 1);
  if (!needed) no_memory(f);
  int found = !needed || needed[node->number];
  free(needed);
  return found;
}

/* Tries to read the difference that `scaled` is s times of from it: 0 when nothing came of it. */
static int share(factoring *f, const rk_node **formula, const rk_node *scaled, int swap,
                 const unsigned char *needed) {
  double s = 0;
  const rk_node *plain = unscaled(f, scaled, swap, &s);
  if (!plain || plain->number > (*formula)->number || !needed[plain->number]) return 0;
  const rk_node *back = apply2(f, RK_OP_Mult, rk_number(f->graph, 1 / s), scaled);
  const rk_node *other = back ? replaced(f, *formula, plain, back, needed) : NULL;
  factoring trial = *f;
  const rk_node *rest = other ? without(&trial, other, 0) : NULL;
  if (!rest || needs(f, rest, back) || needs(f, rest, plain)) return 0;
  *f = trial;
  *formula = rest;
  return 1;
}

rk_status rk_take_factor(rk_pass *pass, rk_error *error) {
  rk_graph *graph = pass->graph;
  const rk_node *formula = pass->reduction->operand[0];
  pass->factor = 1;
  if (pass->reduction->reduction != rk_plain_sum() || formula->level != RK_LEVEL_PAIR) return RK_OK;
  factoring f = {.graph = graph, .number = 1, .error = error};
  unsigned char *needed = rk_graph_needed(graph, &formula, 1);
  int shared = 0, failed = !needed;
  for (int k = 0, size = formula->number; needed && k < size && !shared && !error->status; k++) {
    const rk_node *node = rk_graph_node(graph, k);
    if (needed[k])
      shared = share(&f, &formula, node, 0, needed) || share(&f, &formula, node, 1, needed);
  }
  free(needed);
  if (!shared && !failed && !error->status) formula = without(&f, formula, 0);
  if (failed || !formula || error->status)
    return error->status ? error->status : rk_fail_memory(error, (size_t)rk_graph_size(graph));
  rk_node sum = *pass->reduction;
  sum.operand[0] = formula;
  pass->factor = f.number;
  pass->reduction = rk_graph_intern(graph, &sum);
  return pass->reduction ? RK_OK : rk_fail_memory(error, sizeof(rk_node));
}
