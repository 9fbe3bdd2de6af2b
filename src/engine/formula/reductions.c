/* The table of reductions and the host side of their states. See reductions.h. */
#include "formula/reductions.h"
#include "error.h"
#include "formula/operations.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Code that runs here and, as text, on a device. */
#define MERGE(name, ...)                                                                           \
  static void name(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q,         \
                   ptrdiff_t lw, int K) __VA_ARGS__                                                \
  static const char name##_text[] = #__VA_ARGS__;
#define VALUE(name, ...)                                                                           \
  static double name(const rk_finish *f, int column) __VA_ARGS__                                   \
  static const char name##_text[] = #__VA_ARGS__;

MERGE(merge_sums, {
  (void)p; (void)q;
  for (int c = 0; c < K; c++) v[c * ld] += w[c * lw];
})

/* The larger reference, v[0], wins; the sums under the other are scaled down to it. */
MERGE(merge_scaled, {
  (void)p; (void)q;
  const double common = *v > *w ? *v : *w;
  const double scale = *v == common ? 1 : exp2(*v - common);
  const double other = *w == common ? 1 : exp2(*w - common);
  *v = common;
  for (int c = 1; c < K; c++) v[c * ld] = v[c * ld] * scale + w[c * lw] * other;
})

MERGE(merge_minimum, {
  (void)p; (void)q; (void)ld; (void)lw; (void)K;
  if (*w < *v) *v = *w;
})

MERGE(merge_minimum_nan, {
  (void)p; (void)q; (void)ld; (void)lw; (void)K;
  if (*w < *v || *w != *w) *v = *w;
})

/* Both lists are in order of (value, position), "none" last: so is the result. The K last of
 * both are left out first, then the result is written from its end. */
MERGE(merge_smallest, {
  int a = K;
  int b = K;
  while (a + b > K) {
    double x = v[(a - 1) * ld];
    double y = w[(b - 1) * lw];
    if (y > x || (y == x && q[(b - 1) * lw] >= p[(a - 1) * ld])) b--;
    else a--;
  }
  for (int r = K - 1; b > 0; r--) {
    double y = w[(b - 1) * lw];
    if (a > 0 && (v[(a - 1) * ld] > y ||
                  (v[(a - 1) * ld] == y && p[(a - 1) * ld] > q[(b - 1) * lw]))) {
      a--;
      v[r * ld] = v[a * ld]; p[r * ld] = p[a * ld];
    } else {
      b--;
      v[r * ld] = y; p[r * ld] = q[b * lw];
    }
  }
})

/* What enters lists, as text. */
#define ENTERS(name, ...) static const char enter_##name[] = #__VA_ARGS__;
#define ENTERS_SOME(name, some, some_of_equals, ...)                                               \
  ENTERS(name, __VA_ARGS__)                                                                        \
  static const char guard_##name[] = #some, guard_of_equals_##name[] = #some_of_equals;
#include "formula/entering.def"
#undef ENTERS
#undef ENTERS_SOME
#define ENTER(name) .enter = enter_##name, .entering = RK_ENTERING_##name
#define ENTER_SOME(name)                                                                           \
  ENTER(name), .guard = guard_##name, .guard_of_equals = guard_of_equals_##name

#define SMALLEST                                                                                   \
  .any_dim = 1, .keeps_positions = 1, .neutral = INFINITY, ENTER_SOME(smallest),                   \
  .skips = RK_SKIP_LARGER, .is_least = 1,                                                          \
  .rank = "rk_rank", .merge = merge_smallest,                                                      \
  .merge_text = merge_smallest_text

static const double ln2 = 0.69314718055994530942;
#define LOG2_E 1.4426950408889634074

VALUE(value_of, { (void)column; return f->value; })
VALUE(sum_of, { (void)column; return f->sum; })
/* sum of exp(F) G = sum * 2^head. A sum of nothing but exp(-Inf) has no logarithm of its own. */
VALUE(log_of_sum, {
  (void)column;
  return f->sum == 0 ? -INFINITY : ln2 * (f->head + log2(f->sum));
})
VALUE(quotient_of_sums, { (void)column; return f->sum / f->first; })
/* As a sum, over nothing it is 0. */
VALUE(mean_of_sums, { (void)column; return f->first == 0 ? 0 : f->sum / f->first; })
VALUE(head_and_sum, {
  if (column >= 0) return f->sum;
  return f->head <= -DBL_MAX ? -INFINITY : ln2 * f->head;
})

#define FIELD(name) .value = name, .value_text = name##_text
#define VALUES {FIELD(value_of)}
#define POSITIONS {.is_position = 1}
#define SUMS .skips = RK_SKIP_SMALL, .merge = merge_sums, .merge_text = merge_sums_text
#define EXPONENTIAL                                                                                \
  .has_head = 1, .head_scale = LOG2_E, .skips = RK_SKIP_SMALL, .merge = merge_scaled,              \
  .merge_text = merge_scaled_text

#define SELECTED(positions) .selects = "selected(p," positions ")"
#define SHARE "Exp(a-LogSumExp_Reduction(a,o))"
#define NOT_SMOOTH .no_derivative = "use LogSumExp or SumSoftMaxWeight"

#define LEAST(name, merging, skipped)                                                              \
  .any_dim = 1, .skips = skipped, .neutral = INFINITY, ENTER(name), .merge = merging,              \
  .merge_text = merging##_text, .fields = 1, .field = {VALUES}
#define NAN_BOTH .enter_both = "v[0] = rk_min_nan_both(g, h, v[0]);"
/* What a result that is NaN is made of: the first NaN, also behind an infinite number. */
#define FIRST_NAN "ArgMin_Reduction(Where(Equal(a,a),-Log(0),0),o)"
#define NAN_OR(position) "IfElse(" FIRST_NAN "," FIRST_NAN "," position ")"

enum { PLAIN_SUM };
static const rk_reduction table[] = {
  [PLAIN_SUM] = {
   .name = "Sum", .any_dim = 1, SUMS, .fields = 1, .field = {{FIELD(sum_of)}},
   .derivative = {"1"},
   .documentation = "sum"},
  {.name = "Min", LEAST(least, merge_minimum, RK_SKIP_LARGER), SELECTED("ArgMin_Reduction(a,o)"),
   .documentation = "smallest value; NaN is skipped"},
  {.name = "Max", .negate = 1, LEAST(least, merge_minimum, RK_SKIP_LARGER),
   SELECTED("ArgMax_Reduction(a,o)"),
   .documentation = "largest value; NaN is skipped"},
  {.name = "MinNaN", LEAST(least_nan, merge_minimum_nan, RK_SKIP_LARGER_NUMBERS), NAN_BOTH,
   SELECTED(NAN_OR("ArgMin_Reduction(a,o)")),
   .documentation = "smallest value; NaN if one is NaN"},
  {.name = "MaxNaN", .negate = 1, LEAST(least_nan, merge_minimum_nan, RK_SKIP_LARGER_NUMBERS),
   NAN_BOTH, SELECTED(NAN_OR("ArgMax_Reduction(a,o)")),
   .documentation = "largest value; NaN if one is NaN"},
  {.name = "ArgMin", SMALLEST, .fields = 1, .field = {POSITIONS},
   .documentation = "position of the smallest value, the first one of equals; NaN and Inf have "
                    "none"},
  {.name = "ArgMax", .negate = 1, SMALLEST, .fields = 1, .field = {POSITIONS},
   .documentation = "position of the largest value, the first one of equals; NaN and -Inf have "
                    "none"},
  {.name = "Min_ArgMin", SMALLEST, .fields = 2, .field = {VALUES, POSITIONS},
   SELECTED("ArgMin_Reduction(a,o)"),
   .documentation = "smallest value and its position"},
  {.name = "Max_ArgMax", .negate = 1, SMALLEST, .fields = 2, .field = {VALUES, POSITIONS},
   SELECTED("ArgMax_Reduction(a,o)"),
   .documentation = "largest value and its position"},
  {.name = "KMin", .ranked = 1, SMALLEST, .fields = 1, .field = {VALUES},
   SELECTED("ArgKMin_Reduction(a,n,o)"),
   .documentation = "the K smallest values in order; Inf where there are fewer"},
  {.name = "ArgKMin", .ranked = 1, SMALLEST, .fields = 1, .field = {POSITIONS},
   .documentation = "positions of the K smallest values; none where there are fewer, NaN and Inf "
                    "have none"},
  {.name = "KMin_ArgKMin", .ranked = 1, SMALLEST, .fields = 2, .field = {VALUES, POSITIONS},
   SELECTED("ArgKMin_Reduction(a,n,o)"),
   .documentation = "the K smallest values and their positions"},
  {.name = "LogSumExp", .weight = RK_WEIGHT_OPTIONAL, EXPONENTIAL,
   .fields = 1, .field = {{FIELD(log_of_sum)}}, .derivative = {"Exp(a-r)*b", "Exp(a-r)"},
   .of_parts = "m + Log(s)", .mean = "mean_Reduction(a,u,o)",
   .documentation = "log of the (weighted) sum of exp(F)"},
  {.name = "LogSumExpWeight", .weight = RK_WEIGHT_REQUIRED, EXPONENTIAL,
   .fields = 1, .field = {{FIELD(log_of_sum)}}, .derivative = {"Exp(a-r)*b", "Exp(a-r)"},
   .of_parts = "m + Log(s)",
   .documentation = "log of the sum of exp(F) times the weights"},
  {.name = "SumSoftMaxWeight", .weight = RK_WEIGHT_REQUIRED, .unit = 1, EXPONENTIAL,
   .fields = 1, .field = {{FIELD(quotient_of_sums)}},
   .derivative = {SHARE "*(b-r)", SHARE},
   .of_parts = "s / f",
   .documentation = "sum of exp(F) times the weights, over the sum of exp(F)"},
  {.name = "Max_SumShiftExp", .weight = RK_WEIGHT_OPTIONAL, EXPONENTIAL,
   .fields = 1, .field = {{.leading = 1, FIELD(head_and_sum)}}, NOT_SMOOTH,
   .of_parts = "Concat(m, s)",
   .documentation = "m and the (weighted) sum of exp(F - m), m the largest F"},
  {.name = "Max_SumShiftExpWeight", .weight = RK_WEIGHT_REQUIRED, EXPONENTIAL,
   .fields = 1, .field = {{.leading = 1, FIELD(head_and_sum)}}, NOT_SMOOTH,
   .of_parts = "Concat(m, s)",
   .documentation = "m and the weighted sum of exp(F - m), m the largest F"},
};
enum { TABLE_SIZE = sizeof table / sizeof *table, MAX_ADDED = 8 };
static const rk_reduction *added[MAX_ADDED];
static int added_count;

const rk_reduction *rk_reduction_at(int k) {
  if (k < 0) return NULL;
  if (k < TABLE_SIZE) return &table[k];
  return k - TABLE_SIZE < added_count ? added[k - TABLE_SIZE] : NULL;
}

/* Made by the engine only: no formula can name it, no list shows it. */
static const rk_reduction mean = {
  .name = "mean", .weight = RK_WEIGHT_REQUIRED, .unit = 1, EXPONENTIAL,
  .fields = 1, .field = {{FIELD(mean_of_sums)}},
  .of_parts = "s / IfElse(Equal(f,0),1,f)",
  .documentation = "SumSoftMaxWeight, and 0 over nothing"};

const rk_reduction *rk_reduction_find(const char *name) {
  const rk_reduction *entry;
  if (!strcmp(name, mean.name)) return &mean;
  for (int k = 0; (entry = rk_reduction_at(k)); k++)
    if (!strcmp(entry->name, name)) return entry;
  return NULL;
}

const rk_reduction *rk_plain_sum(void) { return &table[PLAIN_SUM]; }

const char *rk_reduction_name(const rk_reduction *reduction) { return reduction->name; }

rk_status rk_reduction_add(const rk_reduction *reduction) {
  if (added_count == MAX_ADDED) return RK_ERROR_ARGUMENT;
  added[added_count++] = reduction;
  return RK_OK;
}

/* ---- the node ---- */

/* Sums with weights have the weights as second operand: 1 where the user gave none. */
static const rk_node *weight_operand(rk_graph *graph, const rk_reduction *reduction,
                                     const rk_node *weight, rk_error *error) {
  const rk_node *one = rk_number(graph, 1);
  if (!weight) return one;
  return reduction->unit ? rk_apply2(graph, RK_OP_Concat, one, weight, error) : weight;
}

const rk_node *rk_reduce(rk_graph *graph, rk_reducing what, rk_error *error) {
  const rk_reduction *reduction = what.reduction;
  if (!what.formula) return NULL;
  if (!reduction->any_dim && what.formula->dim != 1) {
    rk_fail(error, RK_ERROR_FORMULA, "%s_Reduction: expected a formula of dimension 1, found %d",
            reduction->name, what.formula->dim);
    return NULL;
  }
  rk_node node = {.reduction = reduction, .operands = 1 + reduction->has_head,
                  .operand = {what.formula}, .integers = 3,
                  .integer = {what.K ? what.K : 1, what.kept, what.reduced},
                  .level = rk_level_of_kind(what.kept), .is_result = 1};
  if (reduction->has_head) {
    node.operand[1] = weight_operand(graph, reduction, what.weight, error);
    if (!node.operand[1]) return NULL;
  }
  rk_field field[2];
  rk_reduction_fields(&node, field);
  if ((long long)field[0].dim * field[0].k > RK_MAX_DIM) {
    rk_fail(error, RK_ERROR_FORMULA, "%s_Reduction: %lld columns are more than %d",
            reduction->name, (long long)field[0].dim * field[0].k, RK_MAX_DIM);
    return NULL;
  }
  node.dim = field[0].dim * field[0].k;
  const rk_node *made = rk_graph_intern(graph, &node);
  if (!made) rk_fail(error, RK_ERROR_MEMORY, "out of memory while building a formula");
  return made;
}

rk_kind rk_kept_kind(const rk_node *node) { return (rk_kind)node->integer[1]; }
rk_kind rk_reduced_kind(const rk_node *node) { return (rk_kind)node->integer[2]; }

/* ---- shapes ---- */

int rk_keeps_values(const rk_reduction *reduction) { return reduction->enter != NULL; }

rk_state_shape rk_state_of(const rk_node *node) {
  const rk_reduction *r = node->reduction;
  rk_state_shape shape = {.components = node->operand[r->has_head]->dim,
                          .K = r->ranked ? node->integer[0] : 1};
  int group = rk_keeps_values(r) ? shape.K : 1;
  shape.values = r->has_head + shape.components * group;
  shape.positions = r->keeps_positions ? shape.components * shape.K : 0;
  shape.groups = r->has_head ? 1 : shape.components;
  shape.group = r->has_head ? shape.values : group;
  return shape;
}

int rk_reduction_fields(const rk_node *node, rk_field *field) {
  const rk_reduction *r = node->reduction;
  rk_state_shape shape = rk_state_of(node);
  for (int k = 0; k < r->fields; k++) {
    field[k].is_position = r->field[k].is_position;
    field[k].k = shape.K;
    field[k].ranked = r->ranked;
    field[k].dim = shape.components - r->unit + r->field[k].leading;
  }
  return r->fields;
}

/* ---- states on the host ---- */

rk_states rk_states_from(rk_states s, ptrdiff_t row) {
  return (rk_states){s.values + row, s.positions ? s.positions + row : NULL, s.ld};
}

void rk_state_start(const rk_node *node, rk_states to, ptrdiff_t rows) {
  const rk_reduction *r = node->reduction;
  rk_state_shape shape = rk_state_of(node);
  for (int c = 0; c < shape.values; c++) {
    double neutral = r->has_head && c == 0 ? -DBL_MAX : r->neutral;
    for (ptrdiff_t row = 0; row < rows; row++) to.values[c * to.ld + row] = neutral;
  }
  for (int c = 0; c < shape.positions; c++)
    for (ptrdiff_t row = 0; row < rows; row++) to.positions[c * to.ld + row] = RK_NO_POSITION;
}

/* Sums all at once: it is one loop. */
void rk_state_merge(const rk_node *node, rk_states to, rk_states from) {
  const rk_reduction *r = node->reduction;
  rk_state_shape shape = rk_state_of(node);
  int lists = rk_keeps_values(r), groups = lists ? shape.groups : 1;
  int K = lists ? shape.group : shape.values;
  for (int c = 0; c < groups; c++) {
    rk_states v = rk_states_from(to, c * K * to.ld), w = rk_states_from(from, c * K * from.ld);
    r->merge(v.values, v.positions, v.ld, w.values, w.positions, w.ld, K);
  }
}

int rk_state_of_one(const rk_node *node, const rk_one_pair *one, rk_states to) {
  const rk_reduction *r = node->reduction;
  const rk_state_shape shape = rk_state_of(node);
  double scale = one->factor;
  rk_state_start(node, to, 1);
  if (r->has_head) {
    const double power = one->power;
    to.values[0] = power > one->most ? one->most : power > -one->most ? power : -DBL_MAX;
    scale = exp2(power - (to.values[0] == -DBL_MAX ? -one->most : to.values[0]));
  }
  int any = !r->keeps_positions;
  for (int c = 0; c < shape.components; c++) {
    const double value = one->value[c];
    if (!rk_keeps_values(r)) to.values[(r->has_head + c) * to.ld] = value * scale;
    else if (!r->keeps_positions) to.values[c * to.ld] = value;
    else if (value == value && value != r->neutral) {
      to.values[c * shape.K * to.ld] = value;
      to.positions[c * shape.K * to.ld] = one->position;
      any = 1;
    }
  }
  return any;
}

void rk_position_write(const rk_output *output, int64_t at, int64_t position) {
  int none = position == RK_NO_POSITION;
  if (output->type == RK_OUT_INT32)
    ((int32_t *)output->data)[at] = none ? output->none_int32 : (int32_t)(position + output->base);
  else
    ((double *)output->data)[at] = none ? output->none_double : (double)(position + output->base);
}

static int64_t result_row(rk_result_rows to, ptrdiff_t row) {
  return to.order ? to.order[row] : to.first + row;
}

/* One column of a field, of the rows of the states: made of value or position `place`, or, where
 * `component` is below 0, of the head alone. */
typedef struct { int component, place; } made_of;
static void finish_column(const rk_reduction *r, const rk_field_rule *rule, rk_states from,
                          ptrdiff_t rows, made_of of, double *out, rk_result_rows to) {
  const double *value = from.values + of.place * from.ld;
  const int is_there = rule->value == sum_of || rule->value == value_of; /* most are */
  const double sign = r->negate ? -1 : 1;
  for (ptrdiff_t row = 0; row < rows && is_there; row++)
    out[result_row(to, row)] = sign * value[row];
  for (ptrdiff_t row = 0; row < rows && !is_there; row++) {
    rk_finish state = {.head = from.values[row], .first = from.values[r->has_head * from.ld + row]};
    if (of.component >= 0) {
      state.sum = value[row];
      state.value = sign * value[row];
    }
    out[result_row(to, row)] = rule->value(&state, of.component);
  }
}

static void finish_positions(const int64_t *position, ptrdiff_t rows, const rk_output *output,
                             int64_t at, rk_result_rows to) {
  const int64_t base = output->base;
  if (output->type == RK_OUT_INT32) {
    int32_t *out = (int32_t *)output->data + at;
    for (ptrdiff_t row = 0; row < rows; row++)
      out[result_row(to, row)] = position[row] == RK_NO_POSITION
                                     ? output->none_int32 : (int32_t)(position[row] + base);
  } else {
    for (ptrdiff_t row = 0; row < rows; row++)
      rk_position_write(output, at + result_row(to, row), position[row]);
  }
}

/* cuda/frame_state.c writes the same. */
void rk_state_finish(const rk_node *node, rk_states from, ptrdiff_t rows, const rk_output *outputs,
                     rk_result_rows to) {
  const rk_reduction *r = node->reduction;
  rk_field field[2];
  int fields = rk_reduction_fields(node, field);
  for (int f = 0; f < fields; f++) {
    const rk_field_rule *rule = &r->field[f];
    int K = field[f].k, columns = K * field[f].dim;
    for (int c = 0; c < columns; c++) {
      int64_t at = c * to.all;
      const made_of of = {c / K - rule->leading, r->has_head + (r->unit - rule->leading) * K + c};
      if (!rule->is_position)
        finish_column(r, rule, from, rows, of, (double *)outputs[f].data + at, to);
      else
        finish_positions(from.positions + c * from.ld, rows, &outputs[f], at, to);
    }
  }
}
