/* The derivative columns of the tables as nodes. See parts.h. */
#include "derive/parts.h"
#include "error.h"
#include "formula/parser.h"

#include <stdlib.h>
#include <string.h>

unsigned char *rk_dependence(rk_derivation *w, const rk_node *variable) {
  int size = rk_graph_size(w->graph);
  unsigned char *depends = calloc((size_t)size + 1, 1);
  if (!depends) {
    rk_fail_memory(w->error, (size_t)size);
    return NULL;
  }
  depends[variable->number] = 1;
  for (int k = variable->number + 1; k < size; k++) {
    const rk_node *node = rk_graph_node(w->graph, k);
    for (int o = 0; o < node->operands; o++) depends[k] |= depends[node->operand[o]->number];
  }
  return depends;
}

unsigned char *rk_needed(rk_derivation *w, const rk_node *F) {
  unsigned char *needed = rk_graph_needed(w->graph, &F, 1);
  if (!needed) rk_fail_memory(w->error, (size_t)rk_graph_size(w->graph));
  return needed;
}

/* One of several that are only selected by what is not selected itself. */
static int is_branch(const rk_operation *operation, int k) {
  return operation->selects[k] && !operation->selects[0];
}

int rk_is_linear_in(const rk_node *node, int k) {
  return node->operation && (node->operation->transpose[k] || is_branch(node->operation, k));
}

/* ---- operations ---- */

static const rk_node *parse_operation(rk_derivation *w, const rk_node *node, const char *text,
                                      const rk_node *u) {
  static const char *const names[RK_MAX_OPERANDS] = {"a", "b", "c", "d"};
  rk_name name[RK_MAX_OPERANDS + 1];
  for (int k = 0; k < node->operands; k++) name[k] = (rk_name){names[k], node->operand[k]};
  name[node->operands] = (rk_name){"u", u};
  return rk_parse_definition(w->graph, text, name, node->operands + (u != NULL), node->integer,
                             NULL, w->error);
}

/* ---- reductions ---- */

/* The positions of an index, as a variable. */
static const rk_node *positions_of(rk_derivation *w, rk_kind kind) {
  for (int k = 0; k < rk_graph_variables(w->graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(w->graph, k);
    if (v->origin == RK_FROM_POSITION && v->kind == kind) return rk_variable_node(w->graph, k);
  }
  rk_graph_variable positions = {.name = "", .kind = kind, .dim = 2, .origin = RK_FROM_POSITION};
  int k = rk_graph_add_variable(w->graph, &positions);
  const rk_node *made = k < 0 ? NULL : rk_variable_node(w->graph, k);
  if (!made) rk_fail_memory(w->error, sizeof positions);
  return made;
}

/* Operand k of a reduction as its derivative has it, and the transpose of that: each value K times
 * for the K smallest, weights without the 1 in front of them. */
const rk_node *rk_term(rk_derivation *w, const rk_node *node, int k, const rk_node *operand) {
  if (!node->reduction) return operand;
  if (k == 0 && node->reduction->ranked)
    return rk_apply(w->graph, RK_OP_RepeatAll, &operand, 1, node->integer, 1, w->error);
  if (k == 1 && node->reduction->unit) {
    const int part[] = {1, operand->dim - 1};
    return rk_apply(w->graph, RK_OP_Extract, &operand, 1, part, 2, w->error);
  }
  return operand;
}

static const rk_node *term_transposed(rk_derivation *w, const rk_node *node, int k,
                                      const rk_node *u) {
  if (k == 0 && node->reduction->ranked) {
    const int blocks[] = {node->operand[0]->dim, node->integer[0]};
    return rk_apply(w->graph, RK_OP_SumBlocks, &u, 1, blocks, 2, w->error);
  }
  if (k == 1 && node->reduction->unit) {
    const int part[] = {1, node->operand[1]->dim};
    return rk_apply(w->graph, RK_OP_ExtractT, &u, 1, part, 2, w->error);
  }
  return u;
}

static const rk_node *parse_reduction(rk_derivation *w, const rk_node *node, const char *text) {
  rk_name name[4] = {{"a", node->operand[0]}, {"r", node}};
  int names = 2;
  if (node->operands > 1) name[names++] = (rk_name){"b", rk_term(w, node, 1, node->operand[1])};
  if (node->reduction->selects)
    name[names++] = (rk_name){"p", positions_of(w, rk_reduced_kind(node))};
  if (w->error->status) return NULL;
  return rk_parse_definition(w->graph, text, name, names, node->integer, node, w->error);
}

static int has_derivative(rk_derivation *w, const rk_node *node) {
  const rk_reduction *entry = node->reduction;
  if (entry->no_derivative)
    rk_fail(w->error, RK_ERROR_FORMULA, "%s_Reduction has no derivative: %s",
            rk_reduction_name(entry), entry->no_derivative);
  return !entry->no_derivative;
}

/* ---- columns ---- */

const rk_node *rk_selection(rk_derivation *w, const rk_node *node, int k) {
  const char *text = node->reduction ? node->reduction->selects : node->operation->selects[k];
  if (!text) return NULL;
  return node->reduction ? parse_reduction(w, node, text) : parse_operation(w, node, text, NULL);
}

const rk_node *rk_partial(rk_derivation *w, const rk_node *node, int k) {
  const char *text = node->reduction ? node->reduction->derivative[k]
                                     : node->operation->derivative[k];
  if (node->reduction && !has_derivative(w, node)) return NULL;
  if (!text) return NULL;
  return node->reduction ? parse_reduction(w, node, text) : parse_operation(w, node, text, NULL);
}

const rk_node *rk_transposed(rk_derivation *w, const rk_node *node, int k, const rk_node *u) {
  if (!u || w->error->status) return NULL;
  if (node->reduction) return term_transposed(w, node, k, u);
  return node->operation->transpose[k] ? parse_operation(w, node, node->operation->transpose[k], u)
                                       : u;
}

const rk_node *rk_sum_over(rk_derivation *w, const rk_node *terms, rk_kind kept,
                           rk_kind reduced) {
  return rk_reduce(w->graph, (rk_reducing){.reduction = rk_plain_sum(), .formula = terms,
                                           .kept = kept, .reduced = reduced}, w->error);
}

/* A sum, which shares its walk with the sums of what counts there. */
const rk_node *rk_any_over(rk_derivation *w, const rk_node *where, rk_kind kept,
                           rk_kind reduced) {
  return rk_positive(w, rk_sum_over(w, where, kept, reduced));
}

/* ---- copies ---- */

const rk_node *rk_with_operands(rk_derivation *w, const rk_node *node,
                                const rk_node *const *operand) {
  if (!memcmp(operand, node->operand, (size_t)node->operands * sizeof *operand)) return node;
  if (!node->reduction)
    return rk_apply(w->graph, node->operation->op, operand, node->operands, node->integer,
                    node->integers, w->error);
  rk_node copy = *node;
  memcpy(copy.operand, operand, (size_t)node->operands * sizeof *operand);
  const rk_node *made = rk_graph_intern(w->graph, &copy);
  if (!made) rk_fail_memory(w->error, sizeof copy);
  return made;
}
