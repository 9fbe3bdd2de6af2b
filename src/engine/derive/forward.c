/* Forward mode: tangents flow from a variable to a value. See parts.h. */
#include "derive/parts.h"
#include "error.h"

#include <stdlib.h>

typedef struct {
  rk_derivation *w;
  unsigned char *depends;
  const rk_node **tangent;     /* by node number; NULL is 0 */
} forward;

static const rk_node *tangent_of(const forward *f, const rk_node *node) {
  return f->depends[node->number] ? f->tangent[node->number] : NULL;
}

/* An operation is jointly linear in the operands that have transposes: it is applied to tangents.
 */
static const rk_node *linear(forward *f, const rk_node *node) {
  const rk_node *operand[RK_MAX_OPERANDS];
  int any = 0;
  for (int k = 0; k < node->operands; k++) {
    operand[k] = node->operand[k];
    if (!node->operation->transpose[k]) continue;
    const rk_node *tangent = tangent_of(f, node->operand[k]);
    any |= tangent != NULL;
    operand[k] = tangent ? tangent : rk_zero(f->w, node->operand[k]->dim);
  }
  return any ? rk_with_operands(f->w, node, operand) : NULL;
}

/* The tangent of the operand that is selected, of the node's dimension. */
static const rk_node *chosen(forward *f, const rk_node *node) {
  const rk_node *made = rk_number(f->w->graph, 0);
  int any = 0;
  for (int k = node->operands - 1; k >= 0 && made; k--) {
    const rk_node *tangent = tangent_of(f, node->operand[k]);
    const rk_node *where = tangent ? rk_selection(f->w, node, k) : NULL;
    if (f->w->error->status) return NULL;
    if (!where) continue;
    const rk_node *operand[] = {where, rk_term(f->w, node, k, tangent), made};
    made = rk_apply(f->w->graph, RK_OP_Where, operand, 3, NULL, 0, f->w->error);
    any = 1;
  }
  if (!any || !made || made->dim == node->dim) return any ? made : NULL;
  if (node->dim == 1) return rk_apply1(f->w->graph, RK_OP_Sum, made, f->w->error);
  return rk_apply(f->w->graph, RK_OP_SumT, &made, 1, &node->dim, 1, f->w->error);
}

/* Sum over the operands of partial derivative times tangent, of the node's dimension. */
static const rk_node *chain_rule(forward *f, const rk_node *node) {
  const rk_node *sum = NULL;
  for (int k = 0; k < node->operands && !f->w->error->status; k++) {
    const rk_node *tangent = tangent_of(f, node->operand[k]);
    const rk_node *partial = tangent ? rk_partial(f->w, node, k) : NULL;
    if (partial) tangent = rk_term(f->w, node, k, tangent);
    if (partial && tangent) sum = rk_plus(f->w, sum, rk_product(f->w, tangent, partial, node->dim));
  }
  return sum;
}

static const rk_node *forward_node(forward *f, const rk_node *node) {
  const rk_node *sum = rk_plus(f->w, chain_rule(f, node), chosen(f, node));
  if (f->w->error->status) return NULL;
  if (node->reduction)
    return sum ? rk_sum_over(f->w, sum, rk_kept_kind(node), rk_reduced_kind(node)) : NULL;
  return rk_plus(f->w, sum, linear(f, node));
}

const rk_node *rk_forward(rk_derivation *w, const rk_node *F, const rk_node *variable,
                          const rk_node *U) {
  size_t size = (size_t)rk_graph_size(w->graph) + 1;
  forward f = {.w = w, .depends = rk_dependence(w, variable),
               .tangent = calloc(size, sizeof *f.tangent)};
  const rk_node *result = NULL;
  if (!f.depends || !f.tangent) {
    if (!w->error->status) rk_fail_memory(w->error, size * sizeof *f.tangent);
  } else {
    unsigned char *needed = rk_needed(w, F); /* only what F is made of */
    f.tangent[variable->number] = U;
    for (int k = variable->number + 1; needed && k <= F->number && !w->error->status; k++)
      if (f.depends[k] && needed[k]) f.tangent[k] = forward_node(&f, rk_graph_node(w->graph, k));
    free(needed);
    if (!w->error->status) result = tangent_of(&f, F);
  }
  free(f.depends);
  free(f.tangent);
  return result;
}
