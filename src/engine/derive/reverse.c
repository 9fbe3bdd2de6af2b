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

/* Cotangents of one node that count in different places, in the order in which they came: those of
 * one place are summed at once, the others when all are there. */
typedef struct pending {
  rk_share share;
  struct pending *next;
} pending;

typedef struct {
  rk_derivation *w;
  const rk_node *variable;
  int whole;                   /* through reductions, or of an expression of pairs */
  int size;
  unsigned char *depends;      /* by node number, as the others */
  pending **cotangent;         /* in the current scope */
  pending *(*result)[SCOPES];  /* of the variable and of reductions, not yet summed, by scope */
} reverse;

/* ---- what waits ---- */

static rk_share joined(rk_derivation *w, const pending *all) {
  rk_share sum = {NULL, NULL, 0};
  for (; all && !w->error->status; all = all->next) sum = rk_joined(w, &sum, &all->share);
  return sum;
}

/* Adds to a list that stays short, so that time grows as the number of contributions does. */
static void append(rk_derivation *w, pending **list, const rk_share *share) {
  enum { LONGEST = 16 };
  int length = 0;
  pending **place = list;
  for (; *place && (*place)->share.where != share->where; place = &(*place)->next) length++;
  if (*place) {
    (*place)->share = rk_joined(w, &(*place)->share, share);
  } else if (length == LONGEST) {
    rk_share rest = joined(w, *list);
    (*list)->share = rk_joined(w, &rest, share);
    (*list)->next = NULL;
  } else if ((*place = rk_graph_alloc(w->graph, sizeof **place))) {
    (*place)->share = *share;
  } else {
    rk_fail_memory(w->error, sizeof **place);
  }
}

static void add(reverse *v, const rk_node *node, const rk_share *share) {
  if (!share->value || v->w->error->status || !v->depends[node->number]) return;
  append(v->w, &v->cotangent[node->number], share);
}

/* ---- through nodes ---- */

/* The cotangent of operand k of a node whose own is x. */
static rk_share through(rk_derivation *w, const rk_node *node, int k, rk_share x) {
  static const rk_share nothing;
  const rk_node *operand = rk_term(w, node, k, node->operand[k]);
  const rk_node *where = operand ? rk_selection(w, node, k) : NULL;
  if (where) {
    x = rk_narrowed(w, x, where);
    if (x.value && x.value->dim < operand->dim)
      x.value = rk_apply(w->graph, RK_OP_SumT, &x.value, 1, &operand->dim, 1, w->error);
    if (x.value && x.value->dim > operand->dim) x = rk_added_up(w, x);
  } else if (node->reduction || !node->operation->transpose[k]) {
    const rk_node *partial = rk_partial(w, node, k);
    if (!partial || w->error->status) return nothing;
    x = rk_times(w, x, partial, operand->dim);
  }
  return x.value && !w->error->status ? rk_moved(w, node, k, x) : nothing;
}

static void push(reverse *v, const rk_node *node, const rk_share *x) {
  for (int k = 0; k < node->operands && !v->w->error->status; k++) {
    if (!v->depends[node->operand[k]->number]) continue;
    rk_share share = through(v->w, node, k, *x);
    add(v, node->operand[k], &share);
  }
}

static void leave(reverse *v, const rk_node *node, const rk_share *x, int scope) {
  if (node->reduction && !v->whole) {
    rk_fail(v->w->error, RK_ERROR_FORMULA,
            "Grad of an expression of pairs through %s_Reduction: expected the gradient of the "
            "whole reduction that the expression is in", rk_reduction_name(node->reduction));
    return;
  }
  append(v->w, &v->result[node->number][scope], x);
}

/* Empties the scope, whose cotangents are at nodes up to `last`. */
static void run_scope(reverse *v, int last, int scope) {
  for (int k = last; k >= 0 && !v->w->error->status; k--) {
    const rk_node *node = rk_graph_node(v->w->graph, k);
    rk_share x = joined(v->w, v->cotangent[k]);
    if (!x.value) continue;
    v->cotangent[k] = NULL;
    if (node == v->variable || node->reduction) leave(v, node, &x, scope);
    else push(v, node, &x);
  }
}

/* ---- through reductions ---- */

/* Over the indices of the scope that `level` has not: the sum, and where one of them counts. */
static rk_share summed(rk_derivation *w, rk_share x, int scope, int level) {
  int missing = scope & ~level;
  if (x.where && x.where->level & missing) {
    x.value = rk_chosen(w, &x);
    x.is_zero_elsewhere = 1;
  }
  for (int index = RK_LEVEL_J; index && x.value; index >>= 1) {
    if (!(missing & index)) continue;
    scope &= ~index;
    x.value = rk_sum_over(w, x.value, rk_kind_of_level(scope), rk_kind_of_level(index));
    if (x.where && x.where->level & index)
      x.where = rk_any_over(w, x.where, rk_kind_of_level(scope), rk_kind_of_level(index));
  }
  return x;
}

static rk_share total(reverse *v, const rk_node *node) {
  rk_share sum = {NULL, NULL, 0};
  for (int scope = 0; scope < SCOPES && !v->w->error->status; scope++) {
    rk_share x = joined(v->w, v->result[node->number][scope]);
    if (node == v->variable) x = (rk_share){rk_chosen(v->w, &x), NULL, 0};
    if (x.value) x = summed(v->w, x, scope, node->level);
    sum = rk_joined(v->w, &sum, &x);
  }
  return sum;
}

/* Cotangent x of a reduction's result: to what it reduces. */
static void enter_reduction(reverse *v, const rk_node *node, const rk_share *x) {
  int scope = rk_level_of_kind(rk_kept_kind(node)) | rk_level_of_kind(rk_reduced_kind(node));
  int last = 0;
  for (int k = 0; k < node->operands; k++)
    if (node->operand[k]->number > last) last = node->operand[k]->number;
  push(v, node, x);
  run_scope(v, last, scope);
}

static void run_whole(reverse *v, const rk_node *F, const rk_share *E) {
  add(v, F, E);
  run_scope(v, F->number, F->level);
  for (int k = F->number; k >= 0 && !v->w->error->status; k--) {
    const rk_node *node = rk_graph_node(v->w->graph, k);
    if (!node->reduction) continue;
    rk_share x = total(v, node);
    if (x.value) enter_reduction(v, node, &x);
  }
}

static const rk_node *gradient(reverse *v, const rk_node *F, const rk_share *E) {
  if (v->whole) {
    run_whole(v, F, E);
    return total(v, v->variable).value;
  }
  add(v, F, E);
  run_scope(v, F->number, RK_LEVEL_PAIR);
  rk_share x = joined(v->w, v->result[v->variable->number][RK_LEVEL_PAIR]);
  return rk_chosen(v->w, &x);
}

const rk_node *rk_reverse(rk_derivation *w, const rk_node *F, const rk_node *variable,
                          const rk_node *E) {
  reverse v = {.w = w, .variable = variable, .whole = F->is_result,
               .size = rk_graph_size(w->graph)};
  const rk_node *result = NULL;
  v.depends = rk_dependence(w, variable);
  v.cotangent = calloc((size_t)v.size + 1, sizeof *v.cotangent);
  v.result = calloc((size_t)v.size + 1, sizeof *v.result);
  if (v.depends && v.cotangent && v.result)
    result = gradient(&v, F, &(rk_share){E, NULL, 0});
  else if (!w->error->status) rk_fail_memory(w->error, (size_t)v.size * sizeof *v.result);
  free(v.depends);
  free(v.cotangent);
  free(v.result);
  if (w->error->status) return NULL;
  return result ? result : rk_zero(w, variable->dim);
}
