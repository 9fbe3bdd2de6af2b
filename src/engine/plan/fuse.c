/* Reductions that can share a walk over the pairs become one, after normalised sums have become
 * means (means.c).
 *
 *  - sums of exponentials of the same values over the same index: one reduction that keeps the
 *    largest value and all sums, of which each is an expression of the kept index;
 *  - plain sums over the same index: one sum of all their components, of which each is a part. One
 *    position to reduce is an index like any other: so expressions that results are made of, each a
 *    sum of one term, share a pass too.
 *
 * Reductions share when none needs another's result, however indirectly: what is merged counts as
 * one from then on, so no circle can arise. */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"
#include "formula/parser.h"

#include <stdlib.h>
#include <string.h>

enum {
  MOST_REDUCTIONS = 512,   /* of a program in which sharing is looked for */
  MOST_COMPONENTS = 2048   /* of a reduction that is made of several */
};

typedef struct fusing fusing;

/* What is merged, and how. */
typedef struct {
  int (*joins)(const rk_node *a, const rk_node *b);
  int (*components)(const rk_node *reduction);
  int (*build)(fusing *f, int group);   /* makes the members of a group */
} rule;

struct fusing {
  rk_graph *graph;
  const rule *rule;
  const rk_node *reduction[MOST_REDUCTIONS];
  int count;
  int group[MOST_REDUCTIONS];    /* the first member of its group */
  int members[MOST_REDUCTIONS], components[MOST_REDUCTIONS]; /* of a group, at its first member */
  unsigned char *needs;          /* [a * count + b]: group a needs the result of group b */
  const rk_node **made;          /* by number of the original node */
  int size;                      /* of the original graph */
  rk_error *error;
};

static unsigned char *needs(const fusing *f, int a, int b) { return &f->needs[a * f->count + b]; }

/* ---- what is there ---- */

/* Marks what is below the marked nodes; looks into reductions too if `deep`. */
static void mark_below(const rk_graph *graph, unsigned char *marked, int from, int deep) {
  for (int k = from; k >= 0; k--) {
    const rk_node *node = rk_graph_node(graph, k);
    if (!marked[k] || (node->reduction && !deep)) continue;
    for (int o = 0; o < node->operands; o++) marked[node->operand[o]->number] = 1;
  }
}

int rk_needed_reductions(const rk_graph *graph, const rk_node *const *root, int roots,
                         const rk_node **found, int most) {
  int count = 0;
  unsigned char *needed = rk_graph_needed(graph, root, roots);
  if (!needed) return -1;
  for (int k = 0; k < rk_graph_size(graph); k++) {
    const rk_node *node = rk_graph_node(graph, k);
    if (!needed[k] || !node->reduction) continue;
    if (count < most) found[count] = node;
    count++;
  }
  free(needed);
  return count;
}

static int find_needs(fusing *f) {
  unsigned char *marked = malloc((size_t)f->size + 1);
  if (!marked) return 0;
  for (int a = 0; a < f->count; a++) {
    const rk_node *node = f->reduction[a];
    memset(marked, 0, (size_t)f->size);
    for (int o = 0; o < node->operands; o++) marked[node->operand[o]->number] = 1;
    mark_below(f->graph, marked, node->number - 1, 1);
    for (int b = 0; b < a; b++) *needs(f, a, b) = marked[f->reduction[b]->number];
  }
  free(marked);
  return 1;
}

/* ---- groups ---- */

/* a and b are one: what needs one of them needs all that either needs. */
static void merge(fusing *f, int a, int b) {
  f->group[b] = a;
  f->members[a]++;
  f->components[a] += f->components[b];
  for (int k = 0; k < f->count; k++) {
    *needs(f, a, k) |= *needs(f, b, k);
    *needs(f, k, a) |= *needs(f, k, b);
  }
  for (int k = 0; k < f->count; k++)
    for (int l = 0; *needs(f, k, a) && l < f->count; l++) *needs(f, k, l) |= *needs(f, a, l);
}

static int same_walk(const rk_node *a, const rk_node *b) {
  return rk_kept_kind(a) == rk_kept_kind(b) && rk_reduced_kind(a) == rk_reduced_kind(b);
}

static int may_merge(const fusing *f, int a, int b) {
  return f->group[a] == a && same_walk(f->reduction[a], f->reduction[b]) &&
         f->rule->joins(f->reduction[a], f->reduction[b]) && !*needs(f, a, b) &&
         !*needs(f, b, a) && f->components[a] + f->components[b] <= MOST_COMPONENTS;
}

/* The number of reductions less. */
static int find_groups(fusing *f) {
  int merged = 0;
  for (int b = 0; b < f->count; b++) {
    f->group[b] = b;
    f->members[b] = 1;
    f->components[b] = f->rule->components(f->reduction[b]);
    for (int a = 0; a < b && f->group[b] == b; a++) {
      if (!may_merge(f, a, b)) continue;
      merge(f, a, b);
      merged++;
    }
  }
  return merged;
}

/* ---- the graph anew ---- */

static const rk_node *rebuilt(fusing *f, const rk_node *node) {
  rk_node copy = *node;
  int same = 1;
  for (int o = 0; o < node->operands; o++) {
    copy.operand[o] = f->made[node->operand[o]->number];
    same &= copy.operand[o] == node->operand[o];
  }
  return same ? node : rk_graph_intern(f->graph, &copy);
}

/* Makes what the members of a group are reductions of; what that needs is made already. */
static int make_operands(fusing *f, int group) {
  unsigned char *marked = calloc((size_t)f->size + 1, 1);
  int good = marked != NULL;
  for (int k = 0; k < f->count && good; k++)
    for (int o = 0; f->group[k] == group && o < f->reduction[k]->operands; o++)
      marked[f->reduction[k]->operand[o]->number] = 1;
  if (good) mark_below(f->graph, marked, f->size - 1, 0);
  for (int k = 0; k < f->size && good; k++)
    if (marked[k] && !f->made[k])
      good = (f->made[k] = rebuilt(f, rk_graph_node(f->graph, k))) != NULL;
  free(marked);
  return good;
}

static int make_group(fusing *f, int group) {
  if (!make_operands(f, group)) return 0;
  if (f->members[group] > 1) return f->rule->build(f, group);
  const rk_node *node = f->reduction[group];
  return (f->made[node->number] = rebuilt(f, node)) != NULL;
}

/* A group is made when all that it needs is. */
static int make_groups(fusing *f) {
  unsigned char done[MOST_REDUCTIONS] = {0};
  for (int left = f->count; left > 0;) {
    int before = left;
    for (int g = 0; g < f->count; g++) {
      int ready = !done[g] && f->group[g] == g;
      for (int k = 0; k < f->count && ready; k++) ready = !*needs(f, g, k) || done[k];
      if (!ready) continue;
      if (!make_group(f, g)) return 0;
      for (int k = 0; k < f->count; k++)
        if (f->group[k] == g) done[k] = 1, left--;
    }
    if (left == before) {
      rk_fail(f->error, RK_ERROR_INTERNAL, "reductions need each other");
      return 0;
    }
  }
  return 1;
}

static const rk_node *apply(fusing *f, rk_op op, const rk_node *a, const rk_node *b) {
  const rk_node *operand[] = {a, b};
  return a && b ? rk_apply(f->graph, op, operand, 2, NULL, 0, f->error) : NULL;
}

static const rk_node *part_of(fusing *f, const rk_node *whole, int at, int dim) {
  int integer[] = {at, dim};
  return whole ? rk_apply(f->graph, RK_OP_Extract, &whole, 1, integer, 2, f->error) : NULL;
}

/* One below the other, halved so that nothing is deep. */
static const rk_node *all_of(fusing *f, const rk_node *const *list, int n) {
  if (n == 1) return list[0];
  return apply(f, RK_OP_Concat, all_of(f, list, n / 2), all_of(f, list + n / 2, n - n / 2));
}

/* ---- plain sums ---- */

static int sums_join(const rk_node *a, const rk_node *b) {
  return a->reduction == rk_plain_sum() && b->reduction == rk_plain_sum();
}

static int sum_components(const rk_node *node) { return node->operand[0]->dim; }

static int build_sums(fusing *f, int group) {
  const rk_node *part[MOST_REDUCTIONS], *first = f->reduction[group];
  int n = 0, at = 0;
  for (int k = group; k < f->count; k++)
    if (f->group[k] == group) part[n++] = f->made[f->reduction[k]->operand[0]->number];
  const rk_node *all = all_of(f, part, n);
  const rk_reducing what = {.reduction = first->reduction, .formula = all,
                            .kept = rk_kept_kind(first), .reduced = rk_reduced_kind(first)};
  const rk_node *sum = rk_reduce(f->graph, what, f->error);
  for (int k = group; k < f->count; k++) {
    if (f->group[k] != group) continue;
    const rk_node *node = f->reduction[k];
    f->made[node->number] = part_of(f, sum, at, node->dim);
    if (!f->made[node->number]) return 0;
    at += node->dim;
  }
  return 1;
}

static const rule plain_sums = {sums_join, sum_components, build_sums};

/* ---- sums of exponentials ---- */

static int exponentials_join(const rk_node *a, const rk_node *b) {
  return a->reduction->of_parts && b->reduction->of_parts && a->operand[0] == b->operand[0];
}

static int weight_components(const rk_node *node) {
  return node->reduction->has_head ? node->operand[1]->dim : 0;
}

/* The entry that keeps the largest value and every sum. */
static const rk_reduction *with_all_parts(void) {
  const rk_reduction *entry;
  for (int k = 0; (entry = rk_reduction_at(k)); k++)
    if (entry->has_head && entry->field[0].leading && entry->weight == RK_WEIGHT_REQUIRED)
      return entry;
  return NULL;
}

/* The weights of a member: that of 1, where its entry asks for it, and its own. */
typedef struct { const rk_node *weight[2]; int count; } weights;

static weights weights_of(fusing *f, const rk_node *node) {
  const rk_node *weight = f->made[node->operand[1]->number];
  if (!node->reduction->unit) return (weights){{weight, NULL}, 1};
  const rk_node *own = rk_node_is(weight, RK_OP_Concat) && rk_is_number(weight->operand[0], 1)
                           ? weight->operand[1] : part_of(f, weight, 1, weight->dim - 1);
  return (weights){{rk_number(f->graph, 1), own}, 2};
}

static int find(const rk_node *const *list, int n, const rk_node *node) {
  int k = 0;
  while (k < n && list[k] != node) k++;
  return k;
}

/* The sums with this weight, of a reduction with the largest value and all sums. */
static const rk_node *sums_with(fusing *f, const rk_node *whole, const rk_node *const *list,
                                const rk_node *weight) {
  int at = 1;
  for (int k = 0; list[k] != weight; k++) at += list[k]->dim;
  return part_of(f, whole, at, weight->dim);
}

static const rk_node *member_of(fusing *f, const rk_node *whole, const rk_node *const *list,
                                const rk_node *node) {
  weights w = weights_of(f, node);
  rk_name names[] = {{"m", part_of(f, whole, 0, 1)},
                     {"s", sums_with(f, whole, list, w.weight[w.count - 1])},
                     {"f", sums_with(f, whole, list, w.weight[0])}};
  if (!names[0].node || !names[1].node || !names[2].node) return NULL;
  return rk_parse_definition(f->graph, node->reduction->of_parts, names, 3, NULL, NULL, f->error);
}

static int build_exponentials(fusing *f, int group) {
  const rk_node *list[2 * MOST_REDUCTIONS], *first = f->reduction[group];
  int n = 0;
  for (int k = group; k < f->count; k++) {
    if (f->group[k] != group) continue;
    weights w = weights_of(f, f->reduction[k]);
    for (int o = 0; o < w.count; o++) {
      if (!w.weight[o]) return 0;
      if (find(list, n, w.weight[o]) == n) list[n++] = w.weight[o];
    }
  }
  const rk_node *weight = all_of(f, list, n);
  if (!weight) return 0;
  const rk_reducing what = {.reduction = with_all_parts(), .weight = weight,
                            .formula = f->made[first->operand[0]->number],
                            .kept = rk_kept_kind(first), .reduced = rk_reduced_kind(first)};
  const rk_node *whole = rk_reduce(f->graph, what, f->error);
  for (int k = group; k < f->count && whole; k++) {
    if (f->group[k] != group) continue;
    const rk_node *node = f->reduction[k];
    f->made[node->number] = member_of(f, whole, list, node);
    if (!f->made[node->number]) return 0;
  }
  return whole != NULL;
}

static const rule exponentials = {exponentials_join, weight_components, build_exponentials};

/* ---- both ---- */

const rk_node *rk_columns_of(const rk_node *node, int *first) {
  *first = 0;
  if (node->reduction) return node;
  if (!rk_node_is(node, RK_OP_Extract) && !rk_node_is(node, RK_OP_Elem)) return NULL;
  const rk_node *whole = node->operand[0];
  *first = node->integer[0];
  return whole->reduction && rk_state_of(whole).K == 1 ? whole : NULL;
}

/* A root that became an expression of one index is evaluated there: a sum of one term. */
static const rk_node *as_root(fusing *f, const rk_node *node, rk_kind kept) {
  int first;
  if (!node || rk_columns_of(node, &first)) return node;
  return rk_reduce(f->graph, (rk_reducing){.reduction = rk_plain_sum(), .formula = node,
                                           .kept = kept, .reduced = RK_KIND_PARAMETER}, f->error);
}

static int replace_roots(fusing *f, const rk_node **root, int roots) {
  for (int r = 0; r < roots; r++) {
    int first;
    rk_kind kept = rk_kept_kind(rk_columns_of(root[r], &first));
    const rk_node *made = f->made[root[r]->number];
    root[r] = as_root(f, made ? made : rebuilt(f, root[r]), kept);
    if (!root[r]) return 0;
  }
  return 1;
}

static rk_status fuse(fusing *f, const rk_node **root, int roots) {
  f->size = rk_graph_size(f->graph);
  f->count = rk_needed_reductions(f->graph, root, roots, f->reduction, MOST_REDUCTIONS);
  if (f->count < 0) return rk_fail_memory(f->error, (size_t)f->size);
  if (f->count < 2 || f->count > MOST_REDUCTIONS) return RK_OK;
  f->needs = calloc((size_t)f->count * (size_t)f->count, 1);
  f->made = calloc((size_t)f->size, sizeof *f->made);
  int good = f->needs && f->made && find_needs(f);
  if (good && find_groups(f)) good = make_groups(f) && replace_roots(f, root, roots);
  free(f->needs);
  free(f->made);
  if (good) return RK_OK;
  return f->error->status ? f->error->status
                          : rk_fail_memory(f->error, (size_t)f->size * sizeof *f->made);
}

rk_status rk_fuse(rk_graph *graph, const rk_node **root, int roots, rk_error *error) {
  static const rule *const rules[] = {&exponentials, &plain_sums};
  rk_status status = RK_OK;
  fusing *f = malloc(sizeof *f);
  if (!f) return rk_fail_memory(error, sizeof *f);
  for (int k = 0; k < 2 && !status; k++) {
    *f = (fusing){.graph = graph, .rule = rules[k], .error = error};
    status = fuse(f, root, roots);
  }
  free(f);
  return status;
}
