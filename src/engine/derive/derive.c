/* The stage: derivative nodes are replaced one by one, inner ones first. See derive.h. */
#include "derive/derive.h"
#include "derive/parts.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

/* ---- their meaning ---- */

/* A direction that stands for any: it is replaced before the derivative is done. */
static const rk_node *some_direction(rk_derivation *w, int dim) {
  for (int k = 0; k < rk_graph_variables(w->graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(w->graph, k);
    if (v->origin == RK_FROM_DIRECTION && v->dim == dim) return rk_variable_node(w->graph, k);
  }
  rk_graph_variable direction = {.name = "", .kind = RK_KIND_PARAMETER, .dim = dim,
                                 .origin = RK_FROM_DIRECTION};
  int k = rk_graph_add_variable(w->graph, &direction);
  const rk_node *made = k < 0 ? NULL : rk_variable_node(w->graph, k);
  if (!made) rk_fail_memory(w->error, sizeof direction);
  return made;
}

static const rk_node *repeated(rk_derivation *w, const rk_node *node, int dim) {
  return node->dim == dim ? node
                          : rk_apply(w->graph, RK_OP_SumT, &node, 1, &dim, 1, w->error);
}

static const rk_node *reverse(rk_derivation *w, const rk_node *F, const rk_node *V,
                              const rk_node *E) {
  const rk_node *cotangent = repeated(w, E, F->dim);
  return cotangent ? rk_reverse(w, F, V, cotangent) : NULL;
}

/* Zeros become nodes here, where somebody asked for them. */
static const rk_node *or_zero(rk_derivation *w, const rk_node *node, int dim) {
  return node || w->error->status ? node : rk_zero(w, dim);
}

static const rk_node *forward(rk_derivation *w, const rk_node *F, const rk_node *V,
                              const rk_node *U) {
  const rk_node *along = repeated(w, U, V->dim);
  return along ? or_zero(w, rk_forward(w, F, V, along), F->dim) : NULL;
}

static const rk_node *jacobian(rk_derivation *w, const rk_node *F, const rk_node *V) {
  const rk_node *rows = NULL, *one = rk_number(w->graph, 1);
  for (int k = 0; k < F->dim && !w->error->status; k++) {
    const int unit[] = {F->dim, k};
    const rk_node *e =
        F->dim == 1 ? one : rk_apply(w->graph, RK_OP_ElemT, &one, 1, unit, 2, w->error);
    const rk_node *row = e ? reverse(w, F, V, e) : NULL;
    rows = rows && row ? rk_apply2(w->graph, RK_OP_Concat, rows, row, w->error) : row;
  }
  return w->error->status ? NULL : rows;
}

static const rk_node *divergence(rk_derivation *w, const rk_node *F, const rk_node *V) {
  const rk_node *direction = some_direction(w, V->dim), *one = rk_number(w->graph, 1);
  if (!direction) return NULL;
  const rk_node *along = rk_forward(w, F, V, direction);
  return or_zero(w, along ? rk_trace(w, along, direction, one) : NULL, 1);
}

static const rk_node *laplacian(rk_derivation *w, const rk_node *F, const rk_node *V) {
  const rk_node *gradient = reverse(w, F, V, rk_number(w->graph, 1));
  return gradient ? divergence(w, gradient, V) : NULL;
}

static int check_linear(rk_derivation *w, const rk_node *node, const rk_node *F,
                        const rk_node *V) {
  if (rk_is_linear(w, F, V)) return 1;
  if (!w->error->status)
    rk_fail(w->error, RK_ERROR_FORMULA, "%s: expected a formula that is linear in the variable",
            node->operation->name);
  return 0;
}

static const rk_node *linear_operator(rk_derivation *w, const rk_node *node,
                                      const rk_node *const *operand) {
  const rk_node *F = operand[0], *V = operand[1], *one = rk_number(w->graph, 1);
  if (!check_linear(w, node, F, V)) return NULL;
  if (rk_node_is(node, RK_OP_AdjointOperator)) return reverse(w, F, V, operand[2]);
  const rk_node *left = node->operands > 2 ? operand[2] : one;
  if (rk_node_is(node, RK_OP_TraceOperator)) return or_zero(w, rk_trace(w, F, V, left), 1);
  const rk_node *right = node->operands > 3 ? operand[3] : one;
  const rk_node *image = forward(w, F, V, right);
  return image ? rk_product(w, left, image, 1) : NULL;
}

static const rk_node *meaning(rk_derivation *w, const rk_node *node,
                              const rk_node *const *operand) {
  const rk_op op = node->operation->op;
  const rk_node *F = operand[0], *V = operand[1];
  w->outer = V->level;
  if (rk_is_directional(op)) return forward(w, F, V, operand[2]);
  if (rk_is_gradient(op)) return reverse(w, F, V, operand[2]);
  if (op == RK_OP_GradMatrix) return jacobian(w, F, V);
  if (op == RK_OP_Divergence) return divergence(w, F, V);
  if (op == RK_OP_Laplacian) return laplacian(w, F, V);
  return linear_operator(w, node, operand);
}

/* ---- the stage ---- */

typedef struct {
  rk_derivation w;
  const rk_node **made;   /* by number of the original node */
  unsigned char *needed;
  int size, place;
} stage;

static const rk_node *replaced(stage *s, const rk_node *node) {
  const rk_node *operand[RK_MAX_OPERANDS];
  for (int k = 0; k < node->operands; k++) operand[k] = s->made[node->operand[k]->number];
  if (!node->operation || node->operation->kind != RK_DERIVATIVE)
    return rk_with_operands(&s->w, node, operand);
  const rk_node *made = meaning(&s->w, node, operand);
  if (!made) s->place = node->place;
  return made;
}

/* A result that is not a reduction itself is computed by a map over its rows. */
static const rk_node *as_reduction(stage *s, const rk_node *node, int level) {
  if (node->reduction && node->level == level) return node;
  return rk_sum_over(&s->w, node, rk_kind_of_level(level), RK_KIND_PARAMETER);
}

static void derive(stage *s, const rk_node **root, int roots, int reduce) {
  for (int k = 0; k < s->size && !s->w.error->status; k++)
    if (s->needed[k]) s->made[k] = replaced(s, rk_graph_node(s->w.graph, k));
  for (int r = 0; r < roots && !s->w.error->status; r++) {
    const rk_node *made = s->made[root[r]->number];
    root[r] = reduce ? as_reduction(s, made, root[r]->level) : made;
  }
}

static rk_status run(rk_graph *graph, const rk_node **root, int roots, int reduce, int *place,
                     rk_error *error) {
  size_t size = (size_t)rk_graph_size(graph);
  stage s = {.w = {.graph = graph, .error = error}, .made = calloc(size + 1, sizeof *s.made),
             .needed = rk_graph_needed(graph, root, roots), .size = (int)size, .place = -1};
  error->status = RK_OK;
  if (s.made && s.needed) derive(&s, root, roots, reduce);
  else rk_fail_memory(error, size * sizeof *s.made);
  free(s.made);
  free(s.needed);
  *place = s.place;
  return error->status;
}

rk_status rk_derive(rk_graph *graph, const rk_node **root, int roots, int *place,
                    rk_error *error) {
  return run(graph, root, roots, 1, place, error);
}

rk_status rk_derive_expression(rk_graph *graph, const rk_node **root, int *place,
                               rk_error *error) {
  return run(graph, root, 1, 0, place, error);
}
