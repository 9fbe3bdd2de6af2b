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
    if (!rk_is_linear_in(node, k)) continue;
    const rk_node *tangent = tangent_of(f, node->operand[k]);
    any |= tangent != NULL;
    operand[k] = tangent ? tangent : rk_zero(f->w, node->operand[k]->dim);
  }
  return any ? rk_with_operands(f->w, node, operand) : NULL;
}

/* Sum over the operands of partial derivative times tangent, of the node's dimension. */
static const rk_node *chain_rule(forward *f, const rk_node *node) {
  const rk_node *sum = NULL;
  for (int k = 0; k < node->operands && !f->w->error->status; k++) {
    const rk_node *tangent = tangent_of(f, node->operand[k]);
    if (!tangent || rk_is_linear_in(node, k)) continue;
    const rk_node *partial = node->reduction ? NULL : rk_partial(f->w, node, k), *term = NULL;
    if (node->reduction) term = rk_term_tangent(f->w, node, k, tangent);
    else if (partial) term = rk_product(f->w, tangent, partial, node->dim);
    sum = rk_plus(f->w, sum, term);
  }
  return sum;
}

static const rk_node *forward_node(forward *f, const rk_node *node) {
  const rk_node *sum = chain_rule(f, node);
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
