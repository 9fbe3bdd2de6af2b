/* Special functions built vector by vector. See composed.h. */
#include "formula/composed.h"
#include "error.h"
#include "formula/parser.h"

/* The value of a text of the formula language over named nodes and the integers n, m, l. */
static const rk_node *formula(rk_graph *graph, const char *text, const rk_name *names, int count,
                              const int *integer, rk_error *error) {
  for (int k = 0; k < count; k++)
    if (!names[k].node) return NULL;
  return rk_parse_definition(graph, text, names, count, integer, NULL, error);
}

#define INTEGERS (const int[RK_MAX_INTEGERS])

/* ---- B-splines ---- */

/* From degree n - 1 to degree n (Cox and de Boor), for K knots. A weight is 0 where its knots
 * coincide; its denominator is 1 there, so that no derivative holds 0 * Inf. */
static const rk_node *raise_degree(rk_graph *graph, const rk_node *knots, const rk_node *x,
                                   const rk_node *values, int n, rk_error *error) {
  const int K = knots->dim;
  const rk_name of_knots[] = {{"t", knots}, {"x", x}};
  const rk_node *length = formula(graph, "Extract(t,n,m)-Extract(t,0,m)", of_knots, 1,
                                  INTEGERS{n, K - n}, error);
  const rk_name of_length[] = {{"t", knots}, {"x", x}, {"w", length}};
  const rk_node *weight = formula(graph, "Where(0<w,(x-Extract(t,0,m))/Where(0<w,w,1),0)",
                                  of_length, 3, INTEGERS{n, K - n}, error);
  const rk_name of_weight[] = {{"w", weight}, {"b", values}};
  return formula(graph, "Extract(w,0,m)*Extract(b,0,m)+(1-Extract(w,1,m))*Extract(b,1,m)",
                 of_weight, 2, INTEGERS{n, K - n - 1}, error);
}

const rk_node *rk_bspline(rk_graph *graph, const rk_node *const *operand, const int *integer,
                          const rk_list *list, rk_error *error) {
  const rk_node *knots = operand[0], *x = operand[1];
  const int degree = integer[0];
  (void)list;
  if (x->dim != 1 || degree < 0 || degree > knots->dim - 2) {
    rk_fail(error, RK_ERROR_FORMULA,
            "BSpline: expected knots, a position of dimension 1 and a degree k >= 0 with at least "
            "k + 2 knots, found %d knots, a position of dimension %d and degree %d", knots->dim,
            x->dim, degree);
    return NULL;
  }
  const rk_name names[] = {{"t", knots}, {"x", x}};
  const rk_node *values =
      formula(graph, "Where(And(Extract(t,0,m)<=x,x<Extract(t,1,m)),1,0)", names, 2,
              INTEGERS{0, knots->dim - 1}, error);
  for (int n = 1; n <= degree; n++) values = raise_degree(graph, knots, x, values, n, error);
  return values;
}

/* ---- soft dynamic time warping ---- */

/* Diagonal i + j = d of the table of costs r(i, j): rows first .. last, one vector. */
typedef struct { int first, last; const rk_node *value; } diagonal;

static const rk_node *rows_of(rk_graph *graph, const diagonal *d, int first, int last,
                              rk_error *error) {
  const rk_name name = {"r", d->value};
  return formula(graph, "Extract(r,n,m)", &name, 1,
                 INTEGERS{first - d->first, last - first + 1}, error);
}

/* The least cost before each cell of the diagonal: along the borders there is one way only. */
static const rk_node *costs_before(rk_graph *graph, const diagonal *d, int sum, const diagonal *one,
                                   const diagonal *two, rk_error *error) {
  int first = d->first > 0 ? d->first : 1, last = d->last < sum ? d->last : sum - 1;
  const rk_node *before = NULL;
  if (d->first == 0) before = rows_of(graph, one, 0, 0, error);
  if (first <= last) {
    const rk_name names[] = {{"a", rows_of(graph, two, first - 1, last - 1, error)},
                             {"b", rows_of(graph, one, first, last, error)},
                             {"c", rows_of(graph, one, first - 1, last - 1, error)}};
    const rk_node *inner = formula(graph, "softmin(a,b,c)", names, 3, INTEGERS{0}, error);
    before = before ? rk_apply2(graph, RK_OP_Concat, before, inner, error) : inner;
  }
  if (d->last == sum) {
    const rk_node *end = rows_of(graph, one, sum - 1, sum - 1, error);
    before = before ? rk_apply2(graph, RK_OP_Concat, before, end, error) : end;
  }
  return before;
}

/* Costs are counted in units of the temperature, so that the soft minimum needs none. With the
 * second series reversed, the differences of a diagonal are those of two slices. */
const rk_node *rk_soft_dtw(rk_graph *graph, const rk_node *const *operand, const int *integer,
                           const rk_list *list, rk_error *error) {
  const int n = operand[0]->dim, m = operand[1]->dim;
  (void)integer;
  (void)list;
  if (operand[2]->dim != 1) {
    rk_fail(error, RK_ERROR_FORMULA,
            "SoftDTW_SqDist: expected a temperature of dimension 1, found dimension %d",
            operand[2]->dim);
    return NULL;
  }
  const rk_node *reversed = rk_apply1(graph, RK_OP_Reverse, operand[1], error);
  const rk_node *unit = rk_apply1(graph, RK_OP_Inv, operand[2], error);
  diagonal two = {0}, one = {0};
  for (int sum = 0; sum <= n + m - 2; sum++) {
    diagonal d = {.first = sum < m ? 0 : sum - m + 1, .last = sum < n ? sum : n - 1};
    const rk_name names[] = {{"x", operand[0]}, {"y", reversed}, {"u", unit}};
    const rk_node *cost =
        formula(graph, "Square(Extract(x,n,l)-Extract(y,m,l))*u", names, 3,
                INTEGERS{d.first, m - 1 - sum + d.first, d.last - d.first + 1}, error);
    const rk_node *before = sum ? costs_before(graph, &d, sum, &one, &two, error) : NULL;
    d.value = sum ? rk_apply2(graph, RK_OP_Add, cost, before, error) : cost;
    if (!d.value) return NULL;
    two = one;
    one = d;
  }
  return rk_apply2(graph, RK_OP_Mult, one.value, operand[2], error);
}
