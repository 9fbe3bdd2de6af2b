/* Reverse mode: cotangents flow from a value to what it is made of. See parts.h.
 *
 * A scope is the set of indices for which a formula is evaluated: both for what a reduction
 * reduces, one for what is computed from results of reductions. Inside a scope cotangents are
 * expressions like any other. They leave it at the variable, and at results of other reductions,
 * which have fewer indices: there they are summed over the indices that are missing. So the
 * gradient of a sum over j is a sum over i where the variable belongs to j, and one over both for a
 * parameter. */
#include "derive/parts.h"
#include "error.h"

#include <stdlib.h>

enum { SCOPES = 4 }; /* sets of indices: bits RK_LEVEL_I and RK_LEVEL_J */

typedef struct { const rk_node *by_scope[SCOPES]; } pending; /* cotangents not yet summed */

typedef struct {
  rk_derivation *w;
  const rk_node *variable;
  int whole;                   /* through reductions, or of an expression of pairs */
  const rk_node *selection;    /* the current scope counts where this is TRUE; NULL: everywhere */
  int size;
  unsigned char *depends;      /* by node number, as the others */
  const rk_node **cotangent;   /* in the current scope */
  pending *result;             /* of the variable and of reductions */
} reverse;

static void add(reverse *v, const rk_node *node, const rk_node *cotangent) {
  if (!cotangent || v->w->error->status || !v->depends[node->number]) return;
  const rk_node **place = &v->cotangent[node->number];
  *place = rk_plus(v->w, *place, cotangent);
}

/* The cotangent of operand k of an operation whose own is e. */
static const rk_node *through(reverse *v, const rk_node *node, int k, const rk_node *e) {
  const rk_node *operand = node->operand[k];
  if (rk_is_linear_in(node, k)) {
    const rk_node *u = rk_transposed(v->w, node, k, e);
    return u && u->dim > operand->dim ? rk_apply1(v->w->graph, "Sum", u, v->w->error) : u;
  }
  const rk_node *partial = rk_partial(v->w, node, k);
  return partial ? rk_product(v->w, e, partial, operand->dim) : NULL;
}

static void push(reverse *v, const rk_node *node, const rk_node *e) {
  for (int k = 0; k < node->operands && !v->w->error->status; k++)
    if (v->depends[node->operand[k]->number]) add(v, node->operand[k], through(v, node, k, e));
}

static void leave(reverse *v, const rk_node *node, const rk_node *e, int scope) {
  if (node->reduction && !v->whole) {
    rk_fail(v->w->error, RK_ERROR_FORMULA,
            "Grad of an expression of pairs through %s_Reduction: expected the gradient of the "
            "whole reduction that the expression is in", rk_reduction_name(node->reduction));
    return;
  }
  if (v->selection) { /* 0 times an infinite derivative of what is not selected is no number */
    const rk_node *operand[3] = {v->selection, e, rk_zero(v->w, e->dim)};
    e = rk_apply(v->w->graph, "Where", operand, 3, NULL, 0, v->w->error);
  }
  const rk_node **place = &v->result[node->number].by_scope[scope];
  *place = rk_plus(v->w, *place, e);
}

/* Empties the scope, whose cotangents are at nodes up to `last`. */
static void run_scope(reverse *v, int last, int scope) {
  for (int k = last; k >= 0 && !v->w->error->status; k--) {
    const rk_node *e = v->cotangent[k], *node = rk_graph_node(v->w->graph, k);
    if (!e) continue;
    v->cotangent[k] = NULL;
    if (node == v->variable || node->reduction) leave(v, node, e, scope);
    else push(v, node, e);
  }
}

/* Sum over the indices of the scope that `level` has not. */
static const rk_node *summed(rk_derivation *w, const rk_node *e, int scope, int level) {
  for (int index = RK_LEVEL_J; index && e; index >>= 1) {
    if (!(scope & ~level & index)) continue;
    scope &= ~index;
    e = rk_sum_over(w, e, rk_kind_of_level(scope), rk_kind_of_level(index));
  }
  return e;
}

static const rk_node *total(reverse *v, const rk_node *node) {
  const rk_node *sum = NULL;
  for (int scope = 0; scope < SCOPES; scope++) {
    const rk_node *e = v->result[node->number].by_scope[scope];
    if (e) sum = rk_plus(v->w, sum, summed(v->w, e, scope, node->level));
  }
  return sum;
}

/* Cotangent e of a reduction's result: to what it reduces. */
static void enter_reduction(reverse *v, const rk_node *node, const rk_node *e) {
  int scope = rk_level_of_kind(rk_kept_kind(node)) | rk_level_of_kind(rk_reduced_kind(node));
  int last = 0;
  for (int k = 0; k < node->operands && !v->w->error->status; k++) {
    const rk_node *operand = node->operand[k];
    if (!v->depends[operand->number]) continue;
    add(v, operand, rk_term_cotangent(v->w, node, k, e));
    if (operand->number > last) last = operand->number;
  }
  v->selection = rk_selection(v->w, node);
  run_scope(v, last, scope);
  v->selection = NULL;
}

static void run_whole(reverse *v, const rk_node *F, const rk_node *E) {
  add(v, F, E);
  run_scope(v, F->number, F->level);
  for (int k = F->number; k >= 0 && !v->w->error->status; k--) {
    const rk_node *node = rk_graph_node(v->w->graph, k), *e = NULL;
    if (node->reduction) e = total(v, node);
    if (e) enter_reduction(v, node, e);
  }
}

const rk_node *rk_reverse(rk_derivation *w, const rk_node *F, const rk_node *variable,
                          const rk_node *E) {
  reverse v = {.w = w, .variable = variable, .whole = F->is_result,
               .size = rk_graph_size(w->graph)};
  const rk_node *result = NULL;
  v.depends = rk_dependence(w, variable);
  v.cotangent = calloc((size_t)v.size + 1, sizeof *v.cotangent);
  v.result = calloc((size_t)v.size + 1, sizeof *v.result);
  if (!v.depends || !v.cotangent || !v.result) {
    if (!w->error->status) rk_fail_memory(w->error, (size_t)v.size * sizeof *v.result);
  } else if (v.whole) {
    run_whole(&v, F, E);
    result = total(&v, variable);
  } else {
    add(&v, F, E);
    run_scope(&v, F->number, RK_LEVEL_PAIR);
    result = v.result[variable->number].by_scope[RK_LEVEL_PAIR];
  }
  free(v.depends);
  free(v.cotangent);
  free(v.result);
  if (w->error->status) return NULL;
  return result ? result : rk_zero(w, variable->dim);
}
