/* Operators on formulas that are linear in a variable. See parts.h. */
#include "derive/parts.h"
#include "error.h"

#include <stdlib.h>

/* ---- substitution ---- */

static const rk_node *substitute(rk_derivation *w, const rk_node *F, const rk_node *variable,
                                 const rk_node *value) {
  unsigned char *depends = rk_dependence(w, variable), *needed = rk_needed(w, F);
  const rk_node **made = calloc((size_t)F->number + 1, sizeof *made), *result = NULL;
  if (!made && !w->error->status) rk_fail_memory(w->error, (size_t)F->number * sizeof *made);
  for (int k = 0; k <= F->number && !w->error->status; k++) {
    const rk_node *node = rk_graph_node(w->graph, k), *operand[RK_MAX_OPERANDS];
    if (!needed[k]) continue;
    made[k] = node == variable ? value : node;
    if (node == variable || !depends[k]) continue;
    for (int o = 0; o < node->operands; o++) operand[o] = made[node->operand[o]->number];
    made[k] = rk_with_operands(w, node, operand);
  }
  if (!w->error->status) result = made[F->number];
  free(depends);
  free(needed);
  free(made);
  return result;
}

/* ---- is it linear? ---- */

static int is_zero(const rk_node *node) {
  while (rk_node_is(node, RK_OP_SumT)) node = node->operand[0];
  return rk_is_number(node, 0);
}

/* The operand of a node in which it is linear when the others do not depend on the variable. */
static int linear_in(const rk_node *node, int k) {
  if (node->reduction) return node->reduction == rk_plain_sum();
  return rk_is_linear_in(node, k) || rk_node_is(node, RK_OP_Mult) || rk_node_is(node, RK_OP_Add) ||
         rk_node_is(node, RK_OP_Subtract) || rk_node_is(node, RK_OP_Minus) ||
         (rk_node_is(node, RK_OP_Divide) && k == 0);
}

/* Are several operands linear together? In a product one of them must not depend. */
static int adds_up(const rk_node *node) {
  return !rk_node_is(node, RK_OP_Mult) && !rk_node_is(node, RK_OP_Divide);
}

static int node_is_linear(const rk_node *node, const unsigned char *depends,
                          const unsigned char *linear) {
  int dependent = 0;
  for (int k = 0; k < node->operands; k++) {
    const rk_node *operand = node->operand[k];
    if (depends[operand->number]) {
      if (!linear[operand->number] || !linear_in(node, k)) return 0;
      dependent++;
    } else if (adds_up(node) && linear_in(node, k) && !is_zero(operand)) {
      return 0;
    }
  }
  return adds_up(node) || dependent == 1;
}

int rk_is_linear(rk_derivation *w, const rk_node *F, const rk_node *variable) {
  unsigned char *depends = rk_dependence(w, variable);
  unsigned char *linear = calloc((size_t)rk_graph_size(w->graph) + 1, 1);
  int result = 0;
  if (depends && linear) {
    linear[variable->number] = 1;
    for (int k = variable->number + 1; k <= F->number; k++)
      if (depends[k]) linear[k] = (unsigned char)node_is_linear(rk_graph_node(w->graph, k),
                                                               depends, linear);
    result = !depends[F->number] || linear[F->number]; /* what does not depend gives 0 */
  } else if (!w->error->status) {
    rk_fail_memory(w->error, (size_t)rk_graph_size(w->graph));
  }
  free(depends);
  free(linear);
  return result;
}

/* ---- traces ---- */

/* The sum of weight_k F(e_k)_k runs through F as a cotangent does, with a weight for each node: a
 * product with what does not depend multiplies the weight, and a scalar s gives s(weight), since
 * every component of what it is repeated to is s. Other nodes are taken apart by components. */
typedef struct {
  rk_derivation *w;
  const rk_node *variable;
  unsigned char *depends;
  const rk_node **weight;   /* by node number */
  const rk_node *sum;
} trace;

static void add(trace *t, const rk_node *node, const rk_node *weight) {
  if (!weight || t->w->error->status || !t->depends[node->number]) return;
  t->weight[node->number] = rk_plus(t->w, t->weight[node->number], weight);
}

static void add_sum(trace *t, const rk_node *term) { t->sum = rk_plus(t->w, t->sum, term); }

static const rk_node *component(trace *t, const rk_node *node, int k) {
  return node->dim == 1 ? node
                        : rk_apply(t->w->graph, RK_OP_Elem, &node, 1, &k, 1, t->w->error);
}

static void by_components(trace *t, const rk_node *node, const rk_node *weight) {
  int n = t->variable->dim;
  const rk_node *one = rk_number(t->w->graph, 1);
  for (int k = 0; k < n && !t->w->error->status; k++) {
    const int unit[] = {n, k};
    const rk_node *e = rk_apply(t->w->graph, RK_OP_ElemT, &one, 1, unit, 2, t->w->error);
    const rk_node *column = e ? substitute(t->w, node, t->variable, e) : NULL;
    const rk_node *diagonal = column ? component(t, column, k) : NULL;
    const rk_node *factor = diagonal ? component(t, weight, k) : NULL;
    if (factor) add_sum(t, rk_product(t->w, factor, diagonal, 1));
  }
}

static void multiply(trace *t, const rk_node *node, const rk_node *weight) {
  int k = !t->depends[node->operand[0]->number];
  const rk_node *factor = node->operand[!k];
  int dim = factor->dim > weight->dim ? factor->dim : weight->dim;
  add(t, node->operand[k], rk_product(t->w, weight, factor, dim));
}

static void push(trace *t, const rk_node *node, const rk_node *weight) {
  int n = t->variable->dim;
  if (node == t->variable) {
    const rk_node *all = rk_product(t->w, weight, rk_number(t->w->graph, 1), n);
    if (all) add_sum(t, rk_apply1(t->w->graph, RK_OP_Sum, all, t->w->error));
  } else if (node->dim == 1 && n > 1) {
    const rk_node *value = rk_product(t->w, weight, rk_number(t->w->graph, 1), n);
    if (value) add_sum(t, substitute(t->w, node, t->variable, value));
  } else if (rk_node_is(node, RK_OP_Add) || rk_node_is(node, RK_OP_Subtract) ||
             rk_node_is(node, RK_OP_Minus)) {
    const rk_node *minus = rk_apply1(t->w->graph, RK_OP_Minus, weight, t->w->error);
    add(t, node->operand[0], rk_node_is(node, RK_OP_Minus) ? minus : weight);
    if (node->operands > 1)
      add(t, node->operand[1], rk_node_is(node, RK_OP_Subtract) ? minus : weight);
  } else if (rk_node_is(node, RK_OP_Mult)) {
    multiply(t, node, weight);
  } else if (rk_node_is(node, RK_OP_SumT)) {
    add(t, node->operand[0], weight);
  } else {
    by_components(t, node, weight);
  }
}

static const rk_node *through_sum(rk_derivation *w, const rk_node *F, const rk_node *variable,
                                  const rk_node *weight) {
  const rk_node *terms = rk_trace(w, F->operand[0], variable, weight);
  return terms ? rk_sum_over(w, terms, rk_kept_kind(F), rk_reduced_kind(F)) : NULL;
}

const rk_node *rk_trace(rk_derivation *w, const rk_node *F, const rk_node *variable,
                        const rk_node *weight) {
  if (F->reduction && F->reduction == rk_plain_sum())
    return through_sum(w, F, variable, weight);
  size_t size = (size_t)rk_graph_size(w->graph) + 1;
  trace t = {.w = w, .variable = variable, .depends = rk_dependence(w, variable),
             .weight = calloc(size, sizeof *t.weight)};
  if (t.depends && t.weight) {
    add(&t, F, weight);
    for (int k = F->number; k >= 0 && !w->error->status; k--)
      if (t.weight[k]) push(&t, rk_graph_node(w->graph, k), t.weight[k]);
  } else if (!w->error->status) {
    rk_fail_memory(w->error, size * sizeof *t.weight);
  }
  free(t.depends);
  free(t.weight);
  return w->error->status ? NULL : t.sum;
}
