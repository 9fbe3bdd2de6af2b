/* Sums that a logarithm of a sum of exponentials has normalised: with r = log sum exp(F), the sum
 * of exp(F - r) u is the mean of u with the weights exp(F), which one walk over the pairs computes
 * without r. The derivative of r by a variable of its own index is such a sum. See plan.h. */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"
#include "formula/parser.h"

#include <stdlib.h>

enum { DEPTH = 16 }; /* of products in which the factor is looked for */

typedef struct {
  rk_graph *graph;
  const rk_node *sum;        /* the one at hand */
  const rk_node *share;      /* its factor exp(F - r) */
  rk_error *error;
} means;

/* r, when the node is exp(F - r) over the walk of the sum. */
static const rk_node *normaliser(const means *m, const rk_node *node) {
  if (!rk_node_is(node, RK_OP_Exp) || !rk_node_is(node->operand[0], RK_OP_Subtract)) return NULL;
  const rk_node *F = node->operand[0]->operand[0], *r = node->operand[0]->operand[1];
  int fits = r->reduction && r->reduction->mean && r->operand[0] == F &&
             rk_is_number(r->operand[1], 1) && rk_kept_kind(r) == rk_kept_kind(m->sum) &&
             rk_reduced_kind(r) == rk_reduced_kind(m->sum);
  return fits ? r : NULL;
}

static const rk_node *find_share(const means *m, const rk_node *node, int depth) {
  if (normaliser(m, node)) return node;
  if (depth == DEPTH) return NULL;
  int is_product = rk_node_is(node, RK_OP_Mult);
  if (!is_product && !rk_node_is(node, RK_OP_Minus) && !rk_node_is(node, RK_OP_SumT) &&
      !rk_node_is(node, RK_OP_Add) && !rk_node_is(node, RK_OP_Subtract)) return NULL;
  const rk_node *found = find_share(m, node->operand[0], depth + 1);
  return found || !is_product ? found : find_share(m, node->operand[1], depth + 1);
}

/* The node without the factor; NULL when that is no factor of all of it. */
static const rk_node *divided(means *m, const rk_node *node, int depth) {
  const rk_node *operand[2] = {NULL, NULL};
  if (node == m->share) return rk_number(m->graph, 1);
  if (depth == DEPTH) return NULL;
  if (rk_node_is(node, RK_OP_Mult)) {
    const rk_node *first = divided(m, node->operand[0], depth + 1);
    operand[0] = first ? first : node->operand[0];
    operand[1] = first ? node->operand[1] : divided(m, node->operand[1], depth + 1);
    if (!operand[1]) return NULL;
  } else if (rk_node_is(node, RK_OP_Add) || rk_node_is(node, RK_OP_Subtract) ||
             rk_node_is(node, RK_OP_Minus) || rk_node_is(node, RK_OP_SumT)) {
    for (int k = 0; k < node->operands; k++)
      if (!(operand[k] = divided(m, node->operand[k], depth + 1))) return NULL;
  } else {
    return NULL;
  }
  return rk_apply(m->graph, node->operation->op, operand, node->operands, node->integer,
                  node->integers, m->error);
}

/* The sum as a mean, or NULL. */
static const rk_node *as_mean(means *m) {
  const rk_node *terms = m->sum->operand[0];
  m->share = find_share(m, terms, 0);
  const rk_node *u = m->share ? divided(m, terms, 0) : NULL;
  const int dim = terms->dim;
  if (u && u->dim < dim) u = rk_apply(m->graph, RK_OP_SumT, &u, 1, &dim, 1, m->error);
  if (!u || u->dim != dim) return NULL;
  const rk_node *r = normaliser(m, m->share);
  const rk_name names[] = {{"a", r->operand[0]}, {"u", u}};
  return rk_parse_definition(m->graph, r->reduction->mean, names, 2, NULL, m->sum, m->error);
}

static const rk_node *replaced(means *m, const rk_node *node, const rk_node *const *made) {
  rk_node copy = *node;
  for (int k = 0; k < node->operands; k++) copy.operand[k] = made[node->operand[k]->number];
  const rk_node *same = rk_graph_intern(m->graph, &copy);
  if (!same || !same->reduction || same->reduction != rk_plain_sum()) return same;
  m->sum = same;
  const rk_node *mean = as_mean(m);
  return mean || m->error->status ? mean : same;
}

rk_status rk_find_means(rk_graph *graph, const rk_node **root, int roots, rk_error *error) {
  size_t size = (size_t)rk_graph_size(graph);
  means m = {.graph = graph, .error = error};
  const rk_node **made = calloc(size + 1, sizeof *made);
  int good = made != NULL;
  unsigned char *needed = rk_graph_needed(graph, root, roots);
  for (size_t k = 0; k < size && good && needed; k++)
    if (needed[k]) good = (made[k] = replaced(&m, rk_graph_node(graph, (int)k), made)) != NULL;
  for (int r = 0; r < roots && good && needed; r++) root[r] = made[root[r]->number];
  good = good && needed;
  free(needed);
  free(made);
  if (good) return RK_OK;
  return error->status ? error->status : rk_fail_memory(error, size * sizeof *made);
}
