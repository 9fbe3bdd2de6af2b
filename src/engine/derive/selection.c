/* Values that count in some places only. See parts.h.
 *
 * Where a formula takes one of two branches, what the other one would give has the derivative 0,
 * whatever it is: also where a partial derivative on the way to it is infinite, and 0 times that
 * would be no number. So a cotangent that leaves a branch is not multiplied by 0 but keeps, beside
 * it, where it counts, and the products on its way may be anything elsewhere. It is chosen at the
 * last moment: when it leaves the formula, when its components are added, and when it meets a
 * cotangent that counts elsewhere; the sum then counts where one of them does. So each contribution
 * is chosen once, and a value that both branches are made of counts everywhere again. */
#include "derive/parts.h"

enum { STEPS = 32 }; /* that are looked at to see that one place lies within another */

/* ---- places: logical values ---- */

static int implies(const rk_node *a, const rk_node *b, int *steps) {
  if (a == b) return 1;
  if (--*steps < 0) return 0;
  const rk_node *const *of_a = a->operand, *const *of_b = b->operand;
  if (rk_node_is(a, RK_OP_Or)) return implies(of_a[0], b, steps) && implies(of_a[1], b, steps);
  if (rk_node_is(b, RK_OP_And)) return implies(a, of_b[0], steps) && implies(a, of_b[1], steps);
  if (rk_node_is(a, RK_OP_And) && (implies(of_a[0], b, steps) || implies(of_a[1], b, steps)))
    return 1;
  return rk_node_is(b, RK_OP_Or) && (implies(a, of_b[0], steps) || implies(a, of_b[1], steps));
}

/* As far as their form shows: FALSE means nothing. */
static int is_within(const rk_node *a, const rk_node *b) {
  int steps = STEPS;
  return !b || (a && implies(a, b, &steps));
}

static int are_opposite(const rk_node *a, const rk_node *b) {
  return (rk_node_is(a, RK_OP_Not) && a->operand[0] == b) ||
         (rk_node_is(b, RK_OP_Not) && b->operand[0] == a);
}

static const rk_node *opposite(rk_derivation *w, const rk_node *a) {
  return rk_apply1(w->graph, RK_OP_Not, a, w->error);
}

static const rk_node *either(rk_derivation *w, const rk_node *a, const rk_node *b) {
  if (is_within(a, b)) return b;
  return is_within(b, a) ? a : rk_apply2(w->graph, RK_OP_Or, a, b, w->error);
}

const rk_node *rk_positive(rk_derivation *w, const rk_node *a) {
  if (!a || a->is_logical) return a;
  return rk_apply2(w->graph, RK_OP_LessThan, rk_number(w->graph, 0), a, w->error);
}

/* ---- shares ---- */

static int has_vector(const rk_share *x) { return x->where && x->where->dim > 1; }

static const rk_node *choose(rk_derivation *w, const rk_node *where, const rk_node *a,
                             const rk_node *b) {
  const rk_node *operand[] = {where, a, b};
  return rk_apply(w->graph, RK_OP_Where, operand, 3, NULL, 0, w->error);
}

const rk_node *rk_chosen(rk_derivation *w, const rk_share *x) {
  if (!x->value || !x->where || x->is_zero_elsewhere) return x->value;
  return choose(w, x->where, x->value, rk_number(w->graph, 0));
}

rk_share rk_narrowed(rk_derivation *w, rk_share x, const rk_node *where) {
  if (is_within(x.where, where)) return x;
  const rk_node *outside = opposite(w, where);
  if (!outside || (x.where && is_within(x.where, outside))) return (rk_share){NULL, NULL, 0};
  if (is_within(where, x.where)) x.where = where;
  else x.where = rk_apply2(w->graph, RK_OP_And, x.where, where, w->error);
  x.is_zero_elsewhere = 0;
  return x;
}

rk_share rk_added_up(rk_derivation *w, rk_share x) {
  if (!x.value || x.value->dim == 1) return x;
  if (has_vector(&x)) {
    x.value = rk_chosen(w, &x);
    x.where = rk_positive(w, rk_apply1(w->graph, RK_OP_Sum, x.where, w->error));
    x.is_zero_elsewhere = 1;
  }
  x.value = rk_apply1(w->graph, RK_OP_Sum, x.value, w->error);
  return x;
}

rk_share rk_times(rk_derivation *w, rk_share x, const rk_node *factor, int dim) {
  int choose_first = has_vector(&x) && dim < x.value->dim;
  x.value = rk_product(w, x.value, factor, choose_first ? x.value->dim : dim);
  x.is_zero_elsewhere &= rk_node_is(factor, RK_OP_Number);
  return choose_first ? rk_added_up(w, x) : x;
}

rk_share rk_moved(rk_derivation *w, const rk_node *node, int k, rk_share x) {
  const rk_node *value = rk_transposed(w, node, k, x.value);
  if (value == x.value || !has_vector(&x)) {
    x.value = value;
    return x;
  }
  const rk_node *chosen = rk_chosen(w, &x);
  x.value = chosen ? rk_transposed(w, node, k, chosen) : NULL;
  x.where = rk_positive(w, rk_transposed(w, node, k, x.where));
  x.is_zero_elsewhere = 1;
  return x;
}

/* ---- sums ---- */

/* Are the places of a and b the two sides of a test, within one place or everywhere? */
static int are_sides(const rk_node *a, const rk_node *b, const rk_node **place,
                     const rk_node **test) {
  *place = NULL;
  *test = a;
  if (!a || !b) return 0;
  if (are_opposite(a, b)) return 1;
  for (int k = 0; k < 4 && rk_node_is(a, RK_OP_And) && rk_node_is(b, RK_OP_And); k++) {
    int of_a = k & 1, of_b = k >> 1;
    if (a->operand[of_a] != b->operand[of_b] ||
        !are_opposite(a->operand[!of_a], b->operand[!of_b])) continue;
    *place = a->operand[of_a];
    *test = a->operand[!of_a];
    return 1;
  }
  return 0;
}

/* The value of x as part of a sum that counts at `where`, in which x lies. */
static const rk_node *as_part(rk_derivation *w, const rk_share *x, const rk_node *where) {
  return x->where == where ? x->value : rk_chosen(w, x);
}

rk_share rk_joined(rk_derivation *w, const rk_share *a, const rk_share *b) {
  if (!a->value || !b->value) return a->value ? *a : *b;
  const rk_node *place, *test;
  if (are_sides(a->where, b->where, &place, &test))
    return (rk_share){choose(w, test, a->value, b->value), place, 0};
  rk_share sum = {.where = either(w, a->where, b->where)};
  const rk_node *left = as_part(w, a, sum.where), *right = as_part(w, b, sum.where);
  sum.value = w->error->status ? NULL : rk_plus(w, left, right);
  sum.is_zero_elsewhere = (a->where != sum.where || a->is_zero_elsewhere) &&
                          (b->where != sum.where || b->is_zero_elsewhere);
  return sum;
}
