/* Contractions of row-major tensors. Axes are moved such that what is contracted comes last, the
 * products are summed there, and the axes that are kept are moved to where they are wanted. See
 * composed.h. */
#include "formula/composed.h"
#include "error.h"

enum { MAX_AXES = 2 * RK_MAX_LIST };
typedef struct { int count, size[MAX_AXES]; } axes;

static long long size_of(const axes *a, int first, int end) {
  long long size = 1;
  for (int k = first; k < end && size <= RK_MAX_DIM; k++) size *= a->size[k];
  return size;
}

static const rk_node *swap_axes(rk_graph *graph, const rk_node *a, int n, int m, int l,
                                rk_error *error) {
  const int q[] = {n, m, l};
  return a ? rk_apply(graph, RK_OP_SwapAxes, &a, 1, q, 3, error) : NULL;
}

/* Puts axis from[k] at place k, one swap of neighbouring groups of axes after the other. */
static const rk_node *permuted(rk_graph *graph, const rk_node *a, axes sizes, const int *from,
                               rk_error *error) {
  int now[MAX_AXES];
  for (int k = 0; k < sizes.count; k++) now[k] = k;
  for (int to = 0; to < sizes.count; to++) {
    int at = to, group = 1;
    while (now[at] != from[to]) at++;
    if (at == to) continue;
    while (at + group < sizes.count && now[at + group] == from[to + group]) group++;
    a = swap_axes(graph, a, (int)size_of(&sizes, to, at), (int)size_of(&sizes, at, at + group),
                  (int)size_of(&sizes, at + group, sizes.count), error);
    for (int g = 0; g < group; g++) {
      int axis = now[at + g], size = sizes.size[at + g];
      for (int k = at + g; k > to + g; k--) now[k] = now[k - 1], sizes.size[k] = sizes.size[k - 1];
      now[to + g] = axis;
      sizes.size[to + g] = size;
    }
  }
  return a;
}

/* ---- checks ---- */

static int check_sizes(const char *name, const rk_list *list, const rk_node *a, const char *which,
                       axes *sizes, rk_error *error) {
  *sizes = (axes){.count = list->count};
  for (int k = 0; k < list->count; k++) {
    sizes->size[k] = list->value[k];
    if (list->value[k] < 1 || list->value[k] > RK_MAX_DIM) {
      rk_fail(error, RK_ERROR_FORMULA,
              "%s: expected sizes from 1 to %d for the %s tensor, found %d", name, RK_MAX_DIM,
              which, list->value[k]);
      return 0;
    }
  }
  if (size_of(sizes, 0, sizes->count) == a->dim) return 1;
  rk_fail(error, RK_ERROR_FORMULA,
          "%s: expected sizes of the %s tensor whose product is its dimension %d, found %lld", name,
          which, a->dim, size_of(sizes, 0, sizes->count));
  return 0;
}

static int contains(const rk_list *list, int count, int value) {
  for (int k = 0; k < count; k++)
    if (list->value[k] == value) return 1;
  return 0;
}

/* Are these different numbers from 0 to count - 1? */
static int check_axes(const rk_list *list, int count, const char *what, rk_error *error) {
  for (int k = 0; k < list->count; k++) {
    if (list->value[k] >= 0 && list->value[k] < count && !contains(list, k, list->value[k]))
      continue;
    rk_fail(error, RK_ERROR_FORMULA, "TensorDot: expected %s that are different and from 0 to %d, "
            "found %d", what, count - 1, list->value[k]);
    return 0;
  }
  return 1;
}

static int check_contraction(const rk_list *cf, const rk_list *cg, const axes *f, const axes *g,
                             rk_error *error) {
  if (!check_axes(cf, f->count, "contracted axes of the first tensor", error) ||
      !check_axes(cg, g->count, "contracted axes of the second tensor", error))
    return 0;
  if (cf->count != cg->count) {
    rk_fail(error, RK_ERROR_FORMULA,
            "TensorDot: expected as many contracted axes of both tensors, found %d and %d",
            cf->count, cg->count);
    return 0;
  }
  for (int k = 0; k < cf->count; k++) {
    if (f->size[cf->value[k]] == g->size[cg->value[k]]) continue;
    rk_fail(error, RK_ERROR_FORMULA,
            "TensorDot: expected contracted axes of equal sizes, found %d (axis %d of the first "
            "tensor) and %d (axis %d of the second one)", f->size[cf->value[k]], cf->value[k],
            g->size[cg->value[k]], cg->value[k]);
    return 0;
  }
  return 1;
}

static int check_destinations(const rk_list *perm, int count, rk_error *error) {
  if (perm->count < 0) return 1;
  if (perm->count == count)
    return check_axes(perm, count, "destinations of the kept axes", error);
  rk_fail(error, RK_ERROR_FORMULA,
          "TensorDot: expected a permutation of the %d kept axes, found %d numbers", count,
          perm->count);
  return 0;
}

/* ---- the contraction ---- */

/* Kept axes first, in order, then the contracted ones; `kept` gets the sizes of the former. */
static const rk_node *contracted_last(rk_graph *graph, const rk_node *a, const axes *sizes,
                                      const rk_list *contracted, axes *kept, rk_error *error) {
  int from[MAX_AXES], count = 0;
  for (int k = 0; k < sizes->count; k++) {
    if (contains(contracted, contracted->count, k)) continue;
    from[count++] = k;
    kept->size[kept->count++] = sizes->size[k];
  }
  for (int k = 0; k < contracted->count; k++) from[count++] = contracted->value[k];
  return permuted(graph, a, *sizes, from, error);
}

/* Both operands have what is summed, of size `inner`, last. */
static const rk_node *products(rk_graph *graph, const rk_node *a, const rk_node *b, int inner,
                               rk_error *error) {
  if (!a || !b) return NULL;
  const long long size = (long long)a->dim * (b->dim / inner);
  if (size > RK_MAX_DIM) {
    rk_fail(error, RK_ERROR_FORMULA,
            "TensorDot: expected at most %d products in all, found %lld", RK_MAX_DIM, size);
    return NULL;
  }
  const int of_a[] = {inner, b->dim / inner}, of_b[] = {b->dim, a->dim / inner};
  const int sums[] = {1, inner};
  const rk_node *each = rk_apply(graph, RK_OP_RepeatBlocks, &a, 1, of_a, 2, error);
  const rk_node *all = rk_apply(graph, RK_OP_RepeatBlocks, &b, 1, of_b, 2, error);
  const rk_node *product = rk_apply2(graph, RK_OP_Mult, each, all, error);
  return product ? rk_apply(graph, RK_OP_SumBlocks, &product, 1, sums, 2, error) : NULL;
}

const rk_node *rk_tensor_dot(rk_graph *graph, const rk_node *const *operand, const int *integer,
                             const rk_list *list, rk_error *error) {
  axes f, g, kept = {0};
  int from[MAX_AXES], inner = 1;
  (void)integer;
  if (!check_sizes("TensorDot", &list[0], operand[0], "first", &f, error) ||
      !check_sizes("TensorDot", &list[1], operand[1], "second", &g, error) ||
      !check_contraction(&list[2], &list[3], &f, &g, error) ||
      !check_destinations(&list[4], f.count + g.count - 2 * list[2].count, error))
    return NULL;
  for (int k = 0; k < list[2].count; k++) inner *= f.size[list[2].value[k]];
  const rk_node *a = contracted_last(graph, operand[0], &f, &list[2], &kept, error);
  const rk_node *b = contracted_last(graph, operand[1], &g, &list[3], &kept, error);
  const rk_node *result = products(graph, a, b, inner, error);
  if (list[4].count < 0) return result;
  for (int k = 0; k < kept.count; k++) from[list[4].value[k]] = k;
  return permuted(graph, result, kept, from, error);
}

const rk_node *rk_kron(rk_graph *graph, const rk_node *const *operand, const int *integer,
                       const rk_list *list, rk_error *error) {
  axes f, g;
  (void)integer;
  if (!check_sizes("Kron", &list[0], operand[0], "first", &f, error) ||
      !check_sizes("Kron", &list[1], operand[1], "second", &g, error))
    return NULL;
  if (f.count != g.count) {
    rk_fail(error, RK_ERROR_FORMULA,
            "Kron: expected as many axes of both tensors, found %d and %d", f.count, g.count);
    return NULL;
  }
  axes kept = {.count = 2 * f.count};
  int from[MAX_AXES];
  for (int k = 0; k < f.count; k++) {
    kept.size[k] = f.size[k];
    kept.size[f.count + k] = g.size[k];
    from[2 * k] = k;
    from[2 * k + 1] = f.count + k;
  }
  const rk_node *all = products(graph, operand[0], operand[1], 1, error);
  return permuted(graph, all, kept, from, error);
}
