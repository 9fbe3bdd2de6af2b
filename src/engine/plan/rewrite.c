/* Moves work out of the pair loop: what depends on one index only is computed while packing, in
 * double precision, so the rewritten formula is made such that there is much of that.
 *
 *  - exp(c * B) with B a sum of squares, or its root, and a number c: becomes exp2(B'), in
 *    float32 with the factor c log2(e) moved into the vectors that B is made of. A factor that is
 *    only known at run time is multiplied by log2(e) once and stays one multiplication for each
 *    pair.
 *  - a reduction of exponentials counts in powers of 2 likewise.
 *  - a reduction that keeps the largest keeps the smallest of minus the values.
 *  - a / b with b of less than a pair is a times 1 / b, save where steps are counted: the floor of
 *    49 / 49 is 1.
 *  - 1 / sqrt(B) of a pair is one function, where nothing else reads the root.
 *
 * In float64 a difference x - y is that of the user's own numbers: a factor before it
 * would round coordinates, which may be many orders larger than what they differ by, where the
 * difference of near ones is exact. So factors are multiplied in after the squares: these are
 * rounded themselves, one rounding more is nothing beside theirs.
 *
 * Results change by rounding only.
 */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double log2e = 1.4426950408889634074;

typedef struct {
  rk_graph *graph;
  int moves;             /* factors into the data, before differences: not float64 */
  int half;              /* data is stored as half: scaled it might leave its range */
  const rk_node **made;  /* by number of the original node */
  int *uses;             /* by number of the original node: its readers in the formula */
  int *stepped;          /* is it read by what counts steps, directly or through others? */
  rk_error *error;
} rewriting;

static const rk_node *apply1(rewriting *w, rk_op op, const rk_node *a) {
  return a ? rk_apply1(w->graph, op, a, w->error) : NULL;
}

static const rk_node *apply2(rewriting *w, rk_op op, const rk_node *a, const rk_node *b) {
  return a && b ? rk_apply2(w->graph, op, a, b, w->error) : NULL;
}

static int is_pair(const rk_node *node) { return node->level == RK_LEVEL_PAIR; }
static int is_parameter(const rk_node *node) {
  return node->level == RK_LEVEL_PARAMETER && node->dim == 1;
}

/* ---- factors ---- */

/* node = factor * rest with a factor of parameter level (NULL: none found). */
static const rk_node *split_factor(rewriting *w, const rk_node *node, const rk_node **rest) {
  const rk_node *factor = NULL;
  for (;;) {
    const rk_node *next = NULL;
    if (rk_node_is(node, RK_OP_Minus)) {
      next = rk_number(w->graph, -1);
      node = node->operand[0];
    } else if (rk_node_is(node, RK_OP_Mult) && is_parameter(node->operand[0])) {
      next = node->operand[0];
      node = node->operand[1];
    } else if (rk_node_is(node, RK_OP_Mult) && is_parameter(node->operand[1])) {
      next = node->operand[1];
      node = node->operand[0];
    } else if (rk_node_is(node, RK_OP_Divide) && is_parameter(node->operand[1])) {
      next = apply1(w, RK_OP_Inv, node->operand[1]);
      node = node->operand[0];
    } else {
      *rest = node;
      return factor;
    }
    if (!next) return NULL;
    if (!factor) factor = next;
    else if (rk_node_is(next, RK_OP_Number) && rk_node_is(factor, RK_OP_Number))
      factor = rk_number(w->graph, next->value * factor->value);
    else factor = apply2(w, RK_OP_Mult, next, factor);
  }
}

/* factor * node where that is a value of one index less than a pair, or a difference of such. */
static const rk_node *scaled(rewriting *w, const rk_node *node, const rk_node *factor) {
  if (!is_pair(node)) return apply2(w, RK_OP_Mult, factor, node);
  if (!rk_node_is(node, RK_OP_Subtract) && !rk_node_is(node, RK_OP_Add)) return NULL;
  const rk_node *a = node->operand[0], *b = node->operand[1];
  if (is_pair(a) || is_pair(b)) return NULL;
  const rk_node *right = scaled(w, b, factor);
  return apply2(w, node->operation->op, scaled(w, a, factor), right);
}

/* Sum of squares of something that can be scaled: scale^2 * node, or NULL. */
static const rk_node *scaled_squares(rewriting *w, const rk_node *node, const rk_node *scale) {
  if (rk_node_is(node, RK_OP_Sum)) {
    const rk_node *inner = scaled_squares(w, node->operand[0], scale);
    return apply1(w, RK_OP_Sum, inner);
  }
  if (!rk_node_is(node, RK_OP_Square) || !is_pair(node)) return NULL;
  return apply1(w, RK_OP_Square, scaled(w, node->operand[0], scale));
}

/* Minus inside the sum: it costs nothing there (a fused multiply-subtract). */
static const rk_node *minus(rewriting *w, const rk_node *node) {
  if (rk_node_is(node, RK_OP_Sum))
    return apply1(w, RK_OP_Sum, apply1(w, RK_OP_Minus, node->operand[0]));
  return apply1(w, RK_OP_Minus, node);
}

/* c * squares with the root of |c| in the vectors that it is made of. Only for a number: the root
 * of a factor that is known at run time could overflow the data, and its sign costs a
 * multiplication for each pair anyway. */
static const rk_node *fold_factor(rewriting *w, const rk_node *squares, const rk_node *c) {
  if (w->half || !rk_node_is(c, RK_OP_Number) ||
      !(fabs(c->value) > 0x1p-60 && fabs(c->value) < 0x1p60))
    return NULL;
  const rk_node *inner = scaled_squares(w, squares, rk_number(w->graph, sqrt(fabs(c->value))));
  return inner && c->value < 0 ? minus(w, inner) : inner;
}

/* factor * node, the factor moved into the data; NULL when it cannot be moved. */
static const rk_node *absorb(rewriting *w, const rk_node *node, const rk_node *factor) {
  if (!is_pair(node)) return node->dim == 1 ? apply2(w, RK_OP_Mult, factor, node) : NULL;
  if (!w->moves) return NULL;
  if (rk_node_is(node, RK_OP_Sqrt)) {
    /* f sqrt(B) = sign(f) sqrt(f^2 B) */
    if (!rk_node_is(factor, RK_OP_Number)) return NULL;
    const rk_node *square = rk_number(w->graph, factor->value * factor->value);
    const rk_node *inner = fold_factor(w, node->operand[0], square);
    const rk_node *root = apply1(w, RK_OP_Sqrt, inner);
    return root && factor->value < 0 ? apply1(w, RK_OP_Minus, root) : root;
  }
  return fold_factor(w, node, factor);
}

/* Is the sum of squares (or its root) read by nothing else? A shared one is not made again for each
 * factor. */
static int is_own(const rewriting *w, const rk_node *node) {
  for (; node->operands; node = node->operand[0]) {
    if (w->uses[node->number] > 1) return 0;
    if (!rk_node_is(node, RK_OP_Sqrt) && !rk_node_is(node, RK_OP_Sum)) break;
  }
  return 1;
}

static int is_squares(const rk_node *node) {
  while (rk_node_is(node, RK_OP_Sqrt) || rk_node_is(node, RK_OP_Sum)) node = node->operand[0];
  return is_pair(node) && rk_node_is(node, RK_OP_Square);
}

/* factor * what was made of `node`, by an operation for each pair. In float64 a sum is multiplied
 * where it ends, which is no work for a pair that waits: kernels of exponentials are as fast as
 * without the factor. */
static const rk_node *times(rewriting *w, const rk_node *factor, const rk_node *node) {
  const rk_node *made = w->made[node->number];
  if (w->moves || !is_own(w, node) || !is_pair(made) || !rk_node_is(made, RK_OP_Sum))
    return apply2(w, RK_OP_Mult, factor, made);
  return apply2(w, RK_OP_scaledsum, made->operand[0], factor);
}

/* `node` is of the original formula: node * log2(e), as cheaply as it can be had. NULL when that
 * would cost an operation for each pair and the argument is no sum of squares in float64. */
static const rk_node *in_base_2(rewriting *w, const rk_node *node) {
  const rk_node *rest = node, *factor = split_factor(w, node, &rest);
  const rk_node *base = w->made[rest->number], *scale = rk_number(w->graph, log2e);
  if (w->error->status || !scale || !base) return NULL;
  if (factor && rk_node_is(factor, RK_OP_Number))
    scale = rk_number(w->graph, factor->value * log2e);
  else if (factor) scale = apply2(w, RK_OP_Mult, scale, factor);
  const rk_node *moved = scale && is_own(w, rest) ? absorb(w, base, scale) : NULL;
  if (moved || w->error->status) return moved;
  return factor || (!w->moves && is_squares(base)) ? times(w, scale, rest) : NULL;
}

static const rk_node *exponential(rewriting *w, const rk_node *argument) {
  const rk_node *power = is_pair(argument) && argument->dim == 1 ? in_base_2(w, argument) : NULL;
  if (w->error->status) return NULL;
  return power ? apply1(w, RK_OP_exp2, power) : apply1(w, RK_OP_Exp, w->made[argument->number]);
}

/* ---- the walk ---- */

static const rk_node *quotient(rewriting *w, const rk_node *node, const rk_node *a,
                               const rk_node *b) {
  if (!is_pair(node) || is_pair(b) || w->stepped[node->number])
    return apply2(w, RK_OP_Divide, a, b);
  return apply2(w, RK_OP_Mult, a, apply1(w, RK_OP_Inv, b));
}

static const rk_node *inverse(rewriting *w, const rk_node *node, const rk_node *a) {
  int one = w->uses[node->operand[0]->number] == 1 && !w->stepped[node->number];
  int root = is_pair(a) && rk_node_is(a, RK_OP_Sqrt);
  return root && one ? apply1(w, RK_OP_invsqrt, a->operand[0]) : apply1(w, RK_OP_Inv, a);
}

static const rk_node *rebuild(rewriting *w, const rk_node *node, const rk_node *const *operand) {
  if (rk_node_is(node, RK_OP_Exp)) return exponential(w, node->operand[0]);
  if (rk_node_is(node, RK_OP_Divide)) return quotient(w, node, operand[0], operand[1]);
  if (rk_node_is(node, RK_OP_Inv)) return inverse(w, node, operand[0]);
  return rk_apply(w->graph, node->operation->op, operand, node->operands, node->integer,
                  node->integers, w->error);
}

static int pass_variable(rewriting *w, const rk_node *node) {
  for (int k = 0; k < rk_graph_variables(w->graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(w->graph, k);
    if (v->origin == RK_FROM_PASS && v->source == node->number) return k;
  }
  rk_graph_variable result = {.name = "", .kind = rk_kept_kind(node), .dim = node->dim,
                              .origin = RK_FROM_PASS, .source = node->number};
  return rk_graph_add_variable(w->graph, &result);
}

/* The result of a reduction inside a formula is read like data. A result has the ranks of the K
 * smallest one after the other for each component, a formula value the other way round. */
static const rk_node *pass_result(rewriting *w, const rk_node *node) {
  rk_state_shape shape = rk_state_of(node);
  int k = pass_variable(w, node), dim = node->dim / shape.K;
  const rk_node *result = k < 0 ? NULL : rk_variable_node(w->graph, k);
  if (!result || shape.K == 1 || dim == 1) return result;
  int sizes[] = {dim, shape.K, 1};
  return rk_apply(w->graph, RK_OP_SwapAxes, &result, 1, sizes, 3, w->error);
}

static const rk_node *rewrite_node(rewriting *w, const rk_node *node) {
  if (node->reduction) return pass_result(w, node);
  if (!node->operands) return node;
  const rk_node *operand[RK_MAX_OPERANDS];
  for (int k = 0; k < node->operands; k++) {
    operand[k] = w->made[node->operand[k]->number];
    if (!operand[k]) return NULL;
  }
  return rebuild(w, node, operand);
}

/* Does it give another value when its operand is off by one rounding, and not by as little? Where a
 * kernel ends (d / h < 1) it comes to 0 there, and a quotient takes longer than a product. */
static int counts_steps(const rk_node *node) {
  static const rk_op all[] = {RK_OP_Floor, RK_OP_Round, RK_OP_Mod, RK_OP_OneHot, RK_OP_Equal,
                              RK_OP_NotEqual};
  for (size_t k = 0; k < sizeof all / sizeof *all; k++)
    if (rk_node_is(node, all[k])) return 1;
  return 0;
}

/* Counts the readers of what `root` is made of, down to the results of earlier passes. */
static void count_uses(rewriting *w, const rk_node *root) {
  for (int k = 0; k < root->operands; k++) w->uses[root->operand[k]->number]++;
  for (int k = root->number - 1; k >= 0; k--) {
    const rk_node *node = rk_graph_node(w->graph, k);
    if (!w->uses[k] || node->reduction) continue;
    for (int o = 0; o < node->operands; o++) {
      w->uses[node->operand[o]->number]++;
      w->stepped[node->operand[o]->number] |= w->stepped[k] || counts_steps(node);
    }
  }
}

static const rk_node *rewrite_reduction(rewriting *w, const rk_node *reduction) {
  const rk_reduction *entry = reduction->reduction;
  rk_node result = *reduction;
  for (int k = 0; k < reduction->operands; k++) {
    result.operand[k] = w->made[reduction->operand[k]->number];
    if (!result.operand[k]) return NULL;
  }
  if (entry->negate) result.operand[0] = apply1(w, RK_OP_Minus, result.operand[0]);
  if (entry->has_head && result.operand[0]) {
    const rk_node *power = in_base_2(w, reduction->operand[0]);
    if (!power && !w->error->status)
      power = apply2(w, RK_OP_Mult, rk_number(w->graph, entry->head_scale), result.operand[0]);
    result.operand[0] = power;
  }
  if (!result.operand[0]) return NULL;
  return rk_graph_intern(w->graph, &result);
}

rk_status rk_rewrite(rk_pass *pass, rk_error *error) {
  size_t size = (size_t)pass->reduction->number + 1;
  rewriting w = {.graph = pass->graph, .error = error,
                 .moves = pass->options.precision != RK_FLOAT64,
                 .half = pass->options.precision == RK_FLOAT16,
                 .made = calloc(size, sizeof *w.made), .uses = calloc(size, sizeof *w.uses),
                 .stepped = calloc(size, sizeof *w.stepped)};
  const rk_node *result = NULL;
  if (w.made && w.uses && w.stepped) {
    count_uses(&w, pass->reduction);
    for (size_t k = 0; k + 1 < size; k++)
      if (w.uses[k]) w.made[k] = rewrite_node(&w, rk_graph_node(pass->graph, (int)k));
    result = rewrite_reduction(&w, pass->reduction);
  }
  free(w.made);
  free(w.uses);
  free(w.stepped);
  if (!result) return error->status ? error->status : rk_fail_memory(error, size * sizeof *w.made);
  pass->reduction = result;
  return RK_OK;
}
