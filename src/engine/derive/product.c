/* Products of derivatives. See parts.h.
 *
 * A chain of partial derivatives is a product of many factors. Multiplied as they come they would
 * all be vectors of pairs; sorted, what belongs to one row or one column is multiplied once for it,
 * and what is a scalar once for a pair. */
#include "derive/parts.h"

#include <stdlib.h>

enum { MAX_FACTORS = 48, FEW = 24, LEVELS = 4 };

const rk_node *rk_zero(rk_derivation *w, int dim) {
  const rk_node *zero = rk_number(w->graph, 0);
  return dim == 1 || !zero ? zero : rk_apply(w->graph, RK_OP_SumT, &zero, 1, &dim, 1, w->error);
}

const rk_node *rk_plus(rk_derivation *w, const rk_node *a, const rk_node *b) {
  if (!a || !b) return a ? a : b;
  /* a + (-b), so that signs gather instead of nesting */
  if (rk_node_is(b, RK_OP_Minus))
    return rk_apply2(w->graph, RK_OP_Subtract, a, b->operand[0], w->error);
  if (rk_node_is(a, RK_OP_Minus))
    return rk_apply2(w->graph, RK_OP_Subtract, b, a->operand[0], w->error);
  return rk_apply2(w->graph, RK_OP_Add, a, b, w->error);
}

typedef struct {
  double number;
  const rk_node *scalar[MAX_FACTORS], *vector[MAX_FACTORS];
  int scalars, vectors;
} factors;

/* A product of factors of different kinds is taken apart; one of equal kinds stays what it is, so
 * that a chain of n operations leads to n products and not to n^2 / 2. */
static int is_mixed(const rk_node *product) {
  const rk_node *a = product->operand[0], *b = product->operand[1];
  return a->level != b->level || a->dim != b->dim || rk_node_is(a, RK_OP_Number) ||
         rk_node_is(b, RK_OP_Number);
}

static void gather(factors *f, const rk_node *node, int depth) {
  int room = f->scalars < FEW && f->vectors < FEW && depth < 8;
  if (rk_node_is(node, RK_OP_Number)) {
    f->number *= node->value;
  } else if (room && rk_node_is(node, RK_OP_Minus)) {
    f->number = -f->number;
    gather(f, node->operand[0], depth + 1);
  } else if (room && rk_node_is(node, RK_OP_SumT)) {
    gather(f, node->operand[0], depth + 1);
  } else if (room && rk_node_is(node, RK_OP_Mult) && is_mixed(node)) {
    gather(f, node->operand[0], depth + 1);
    gather(f, node->operand[1], depth + 1);
  } else if (node->dim == 1) {
    f->scalar[f->scalars++] = node;
  } else {
    f->vector[f->vectors++] = node;
  }
}

static int by_number(const void *a, const void *b) {
  const rk_node *const *x = a, *const *y = b;
  return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

static const rk_node *times(rk_derivation *w, const rk_node *a, const rk_node *b) {
  if (!a || !b) return a ? a : b;
  return rk_apply2(w->graph, RK_OP_Mult, a, b, w->error);
}

/* The product of those factors that have one level, after `product`. */
static const rk_node *of_level(rk_derivation *w, const rk_node *product,
                               const rk_node *const *factor, int n, int level) {
  for (int k = 0; k < n && !w->error->status; k++)
    if (factor[k]->level == level) product = times(w, product, factor[k]);
  return product;
}

/* outer * (inner * pair), with the parameters and the number where they are multiplied least often:
 * so it can be taken apart again for the next factor, and derivatives by variables of one index
 * share what is inside. */
static const rk_node *multiplied(rk_derivation *w, const rk_node **factor, int n,
                                 double *number) {
  const int outer = w->outer == RK_LEVEL_J ? RK_LEVEL_J : RK_LEVEL_I;
  const int order[LEVELS] = {RK_LEVEL_PAIR, RK_LEVEL_I + RK_LEVEL_J - outer, outer,
                             RK_LEVEL_PARAMETER};
  const rk_node *level[LEVELS], *product = NULL;
  int lowest = -1;
  if (n) qsort(factor, (size_t)n, sizeof *factor, by_number);
  for (int k = 0; k < LEVELS; k++) level[k] = of_level(w, NULL, factor, n, order[k]);
  for (int k = 0; k < LEVELS - 1; k++)
    if (level[k]) lowest = k;
  if (lowest >= 0 && level[LEVELS - 1]) {
    level[lowest] = times(w, level[LEVELS - 1], level[lowest]);
    level[LEVELS - 1] = NULL;
  }
  if (lowest < 0) lowest = LEVELS - 1;
  if (level[lowest] && *number != 1) {
    level[lowest] = times(w, rk_number(w->graph, *number), level[lowest]);
    *number = 1;
  }
  for (int k = 0; k < LEVELS && !w->error->status; k++)
    if (level[k]) product = times(w, level[k], product);
  return product;
}

const rk_node *rk_product(rk_derivation *w, const rk_node *a, const rk_node *b, int dim) {
  factors f = {.number = 1};
  int inner = a->dim > b->dim ? a->dim : b->dim;
  gather(&f, a, 0);
  gather(&f, b, 0);
  const rk_node *scalar = multiplied(w, f.scalar, f.scalars, &f.number);
  const rk_node *vector = multiplied(w, f.vector, f.vectors, &f.number);
  if (w->error->status) return NULL;
  if (dim == 1 && vector) vector = rk_apply1(w->graph, RK_OP_Sum, vector, w->error);
  else if (dim == 1) f.number *= inner;
  const rk_node *product = times(w, scalar, vector);
  if (w->error->status) return NULL;
  if (!product) product = rk_number(w->graph, f.number);
  else if (f.number != 1) product = times(w, rk_number(w->graph, f.number), product);
  if (!product || product->dim == dim) return product;
  return rk_apply(w->graph, RK_OP_SumT, &product, 1, &dim, 1, w->error);
}
