/* Calls: constants, reductions, derivatives, operations. See reader.h. */
#include "formula/reader.h"
#include "error.h"

#include <stdio.h>
#include <string.h>

/* ---- operations on nodes, constants ---- */

const rk_node *rk_apply_at(rk_reader *p, const char *place, rk_op op,
                           const rk_node *const *operand, int operands, const int *integer,
                           int integers) {
  for (int k = 0; k < operands; k++)
    if (!operand[k]) return NULL;
  const rk_node *made = rk_apply(p->graph, op, operand, operands, integer, integers, p->error);
  return made ? made : rk_place_error(p, place);
}

const rk_node *rk_apply2_at(rk_reader *p, const char *place, rk_op op, const rk_node *a,
                            const rk_node *b) {
  const rk_node *operand[] = {a, b};
  return rk_apply_at(p, place, op, operand, 2, NULL, 0);
}

static const rk_node *zeros(rk_reader *p, const char *place, int dim) {
  if (dim < 1 || dim > RK_MAX_DIM)
    return rk_fail_at(p, place, "expected a dimension from 1 to %d, found %d", RK_MAX_DIM, dim);
  const rk_node *zero = rk_in_graph(p, rk_number(p->graph, 0));
  return zero ? rk_apply_at(p, place, RK_OP_SumT, &zero, 1, &dim, 1) : NULL;
}

/* IntCst(n), IntInv(n), RatCst(p, q), Zero(n) */
const rk_node *rk_constant_call(rk_reader *p, const char *name, const char *place) {
  int value[2] = {0, 1}, wanted = !strcmp(name, "RatCst") ? 2 : 1;
  if (!rk_expect(p, "(", "after a constant")) return NULL;
  for (int k = 0; k < wanted; k++) {
    if (k && !rk_expect(p, ",", "between two integers")) return NULL;
    if (!rk_integer_expression(p, &value[k])) return NULL;
  }
  if (!rk_expect(p, ")", "after a constant")) return NULL;
  if (!strcmp(name, "IntCst")) return rk_number_node(p, value[0]);
  if (!strcmp(name, "Zero")) return zeros(p, place, value[0]);
  int over = wanted == 2 ? value[1] : value[0];
  if (over == 0) return rk_fail_at(p, place, "%s: division by zero", name);
  return rk_number_node(p, (wanted == 2 ? value[0] : 1) / (double)over);
}

/* The two indices of a reduction. */
typedef struct { rk_kind kept, reduced; } indices;

static int reduced_index(rk_reader *p, indices *of) {
  const char *place = p->at;
  if (rk_take(p, "j") || rk_take(p, "0")) *of = (indices){RK_KIND_I, RK_KIND_J};
  else if (rk_take(p, "i") || rk_take(p, "1")) *of = (indices){RK_KIND_J, RK_KIND_I};
  else if (p->over && rk_take(p, "o"))
    *of = (indices){rk_kept_kind(p->over), rk_reduced_kind(p->over)};
  else return 0;
  rk_skip_blanks(p);
  if (*p->at == ',' || *p->at == ')' || !*p->at) return 1;
  p->at = place;
  return 0;
}

static int require_index(rk_reader *p, indices *of) {
  if (reduced_index(p, of)) return 1;
  char buffer[64];
  const char *what = rk_found(p, buffer);
  rk_fail_at(p, p->at, "expected the index that is reduced (0 or j, 1 or i), found %s", what);
  return 0;
}

/* index | weight "," index | index "," weight. A weight that is the number 0 or 1 looks like an
 * index: the last argument decides. */
static int weight_and_index(rk_reader *p, const rk_node **weight, indices *of) {
  rk_skip_blanks(p);
  const char *start = p->at;
  indices other;
  if (reduced_index(p, of)) {
    if (rk_next_is(p, ")")) return 1;
    rk_take(p, ",");
    const char *second = p->at;
    if (!reduced_index(p, &other) || !rk_next_is(p, ")")) {
      p->at = second;
      *weight = rk_read_expression(p);
      return *weight != NULL;
    }
    p->at = start;
  }
  *weight = rk_read_expression(p);
  return *weight && rk_expect(p, ",", "after the weight") && require_index(p, of);
}

/* Zero_Reduction(dimension, index): rows of zeros, KeOps's sum of nothing. */
static const rk_node *zero_reduction(rk_reader *p, const char *place) {
  int dim;
  indices of;
  if (!rk_expect(p, "(", "after the name of a reduction") || !rk_integer_expression(p, &dim) ||
      !rk_expect(p, ",", "after the dimension") || !require_index(p, &of) ||
      !rk_expect(p, ")", "at the end of the reduction"))
    return NULL;
  const rk_node *zero = zeros(p, place, dim);
  const rk_reducing what = {.reduction = rk_plain_sum(), .formula = zero, .kept = of.kept,
                            .reduced = RK_KIND_PARAMETER};
  return rk_reduce(p->graph, what, p->error);
}

const rk_node *rk_reduction_call(rk_reader *p, char *name, const char *place) {
  name[strlen(name) - strlen("_Reduction")] = 0;
  if (!strcmp(name, "Zero")) return zero_reduction(p, place);
  const rk_reduction *reduction = rk_reduction_find(name);
  if (!reduction || (rk_is_lower(name[0]) && !p->integer)) {
    rk_nearest n = {name, NULL, 6};
    const rk_reduction *entry;
    for (int k = 0; (entry = rk_reduction_at(k)); k++) rk_consider(&n, rk_reduction_name(entry));
    return rk_fail_at(p, place, "unknown reduction '%s'%s%s%s", name,
                      n.best ? "; did you mean '" : "",
                      n.best ? n.best : "", n.best ? "'?" : "");
  }
  int K = 1;
  indices of = {RK_KIND_I, RK_KIND_J};
  if (!rk_expect(p, "(", "after the name of a reduction")) return NULL;
  const rk_node *formula = rk_read_expression(p), *weight = NULL;
  if (!formula || !rk_expect(p, ",", "after the reduced formula")) return NULL;
  rk_skip_blanks(p);
  const char *middle = p->at;
  if (reduction->ranked) {
    if (!rk_integer_expression(p, &K)) return NULL;
    if (K < 1 || K > 10000)
      return rk_fail_at(p, middle, "expected K from 1 to 10000, found %d", K);
    if (!rk_expect(p, ",", "after K")) return NULL;
    if (!require_index(p, &of)) return NULL;
  } else if (reduction->weight == RK_WEIGHT_NONE) {
    if (!require_index(p, &of)) return NULL;
  } else if (!weight_and_index(p, &weight, &of)) {
    return NULL;
  }
  if (!rk_expect(p, ")", "at the end of the reduction")) return NULL;
  if (reduction->weight == RK_WEIGHT_REQUIRED && !weight)
    return rk_fail_at(p, place, "%s_Reduction: expected a weight: (formula, weight, index)", name);
  const rk_node *made = rk_reduce(
      p->graph, (rk_reducing){reduction, formula, weight, K, of.kept, of.reduced}, p->error);
  return made ? made : rk_place_error(p, place);
}

static const rk_node *refuse_count(rk_reader *p, const char *place, const rk_operation *operation,
                                   int given) {
  int most = operation->operands + operation->integers + operation->lists;
  char range[40];
  if (operation->optional) snprintf(range, sizeof range, "%d to %d", most - operation->optional,
                                    most);
  else snprintf(range, sizeof range, "%d", most);
  const char *s = most == 1 ? "" : "s";
  if (given > most)
    return rk_fail_at(p, place, "%s: expected %s argument%s, found more", operation->name, range,
                      s);
  return rk_fail_at(p, place, "%s: expected %s argument%s, found %d", operation->name, range, s,
                    given);
}

/* ---- derivatives ---- */

enum { MAX_TUPLE = 16 };

/* An expression, or several in parentheses: their number; 0 after an error. */
static int take_tuple(rk_reader *p, const rk_node **value) {
  int count = 0, round = rk_next_is(p, "(");
  rk_skip_blanks(p);
  const char *place = p->at;
  if (rk_take(p, "[") || rk_take(p, "(")) {
    do {
      if (count == MAX_TUPLE)
        return rk_fail_at(p, p->at, "more than %d variables in one derivative", MAX_TUPLE), 0;
      if (!(value[count++] = rk_read_expression(p))) return 0;
    } while (rk_take(p, ","));
    if (count > 1 || !round) return rk_expect(p, round ? ")" : "]", "after a list") ? count : 0;
    p->at = place; /* a parenthesis of the expression itself */
  }
  return (value[0] = rk_read_expression(p)) != NULL;
}

/* The cotangent that the user left out: a new input. */
static const rk_node *new_cotangent(rk_reader *p, const char *place, const rk_node *of,
                                    const rk_node *with_respect_to) {
  rk_variable_text v = {.dim = of->dim, .place = place};
  rk_kind kind = rk_graph_variable_at(p->graph, with_respect_to->variable)->kind;
  if (of->is_result) v.kind = rk_kind_of_level(of->level);
  else if (kind == RK_KIND_PARAMETER)
    return rk_fail_at(p, place, "Grad with respect to a parameter: expected a third argument");
  else v.kind = kind == RK_KIND_I ? RK_KIND_J : RK_KIND_I;
  char name[64];
  int position = rk_input_count(p->graph);
  snprintf(name, sizeof name, "Var(%d,%d,%d)", position, v.dim, v.kind);
  int added = rk_add_input(p, name, &v, position);
  return added < 0 ? NULL : rk_in_graph(p, rk_variable_node(p->graph, added));
}

/* Derivatives along several variables at once are summed. */
static const rk_node *derivative_of(rk_reader *p, const rk_operation *operation, const char *place,
                                    const rk_node *const *operand, int operands) {
  const rk_node *made =
      rk_derivative(p->graph, operation, operand, operands, (int)(place - p->text), p->error);
  return made ? made : rk_place_error(p, place);
}

static const rk_node *derivative_call(rk_reader *p, const rk_operation *operation,
                                      const char *place) {
  const rk_node *variable[MAX_TUPLE], *along[MAX_TUPLE], *operand[RK_MAX_OPERANDS], *sum = NULL;
  int given = 1, count = 1, most = operation->operands;
  p->at++; /* the parenthesis that made this a call */
  if (!(operand[0] = rk_read_expression(p))) return NULL;
  for (; rk_take(p, ","); given++) {
    if (given == most) return refuse_count(p, p->at, operation, given + 1);
    if (given == 1 && !(count = take_tuple(p, variable))) return NULL;
    if (count > 1 && !rk_is_directional(operation->op))
      return rk_fail_at(p, place, "%s: expected one variable, found a list of %d", operation->name,
                        count);
    if (given == 2 && count > 1) {
      int other = take_tuple(p, along);
      if (!other) return NULL;
      if (other != count)
        return rk_fail_at(p, place, "%s: expected %d directions, one for each variable, found %d",
                          operation->name, count, other);
    } else if (given > 1 && !(operand[given] = rk_read_expression(p))) return NULL;
  }
  if (given < most - operation->optional) return refuse_count(p, place, operation, given);
  if (!rk_expect(p, ")", "or ',' in the arguments")) return NULL;
  for (int k = 0; k < count; k++) {
    operand[1] = variable[k];
    if (count > 1) operand[2] = along[k];
    if (given == 2 && operation->op == RK_OP_Grad && rk_node_is(operand[1], RK_OP_Variable)) {
      if (!(operand[2] = new_cotangent(p, place, operand[0], operand[1]))) return NULL;
      given = 3;
    }
    const rk_node *term = derivative_of(p, operation, place, operand, given);
    sum = !term || !sum ? term : rk_apply2_at(p, place, RK_OP_Add, sum, term);
    if (!sum) return NULL;
  }
  return sum;
}

/* A keyword before a list. Lists are taken in order, so another one than permute could mislead. */
static int take_keyword(rk_reader *p, int is_optional) {
  char name[RK_MAX_NAME];
  rk_skip_blanks(p);
  const char *place = p->at;
  if (!rk_take_name(p, name)) return 1;
  if (!rk_take(p, "=")) p->at = place;
  else if (!is_optional || strcmp(name, "permute")) {
    rk_fail_at(p, place, "unknown keyword '%s': expected lists in order, or permute= for the last",
               name);
    return 0;
  }
  return 1;
}

/* list = ("[" | "(") [ integer { "," integer } ] ("]" | ")") */
static int take_list(rk_reader *p, rk_list *list) {
  int round = rk_next_is(p, "(");
  *list = (rk_list){0};
  if (!rk_take(p, "[") && !rk_take(p, "(")) {
    char buffer[64];
    rk_fail_at(p, p->at, "expected a list of integers such as [0, 1], found %s",
               rk_found(p, buffer));
    return 0;
  }
  while (!rk_next_is(p, round ? ")" : "]")) {
    if (list->count == RK_MAX_LIST) {
      rk_fail_at(p, p->at, "a list of more than %d integers", RK_MAX_LIST);
      return 0;
    }
    if (!rk_integer_expression(p, &list->value[list->count++])) return 0;
    if (!rk_take(p, ",")) break;
  }
  return rk_expect(p, round ? ")" : "]", "after a list of integers");
}

static int take_argument(rk_reader *p, const rk_operation *operation, rk_arguments *all) {
  if (all->operands < operation->operands)
    return (all->operand[all->operands++] = rk_read_expression(p)) != NULL;
  if (all->integers < operation->integers)
    return rk_integer_expression(p, &all->integer[all->integers++]);
  int is_optional = operation->optional && all->lists == operation->lists - 1;
  return take_keyword(p, is_optional) && take_list(p, &all->list[all->lists++]);
}

/* call = name "(" argument { "," argument } ")" */
const rk_node *rk_operation_call(rk_reader *p, const char *name, const char *place) {
  const rk_operation *operation = rk_operation_find(name);
  if (!operation || (rk_is_lower(name[0]) && !p->integer))
    return rk_fail_unknown(p, place, name, 1);
  if (operation->kind == RK_DERIVATIVE) return derivative_call(p, operation, place);
  rk_arguments all = {0};
  int most = operation->operands + operation->integers + operation->lists, given = 0;
  p->at++; /* the parenthesis that made this a call */
  if (!rk_next_is(p, ")")) do {
    rk_skip_blanks(p);
    if (given == most) return refuse_count(p, p->at, operation, given + 1);
    if (!take_argument(p, operation, &all)) return NULL;
    given++;
  } while (rk_take(p, ","));
  if (given < most - operation->optional && rk_next_is(p, ")"))
    return refuse_count(p, place, operation, given);
  if (!rk_expect(p, ")", "or ',' in the arguments")) return NULL;
  for (; all.lists < operation->lists; all.lists++) all.list[all.lists].count = -1;
  const rk_node *made =
      operation->lists
          ? rk_apply_lists(p->graph, operation->op, &all, p->error)
          : rk_apply(p->graph, operation->op, all.operand, all.operands, all.integer,
                     all.integers, p->error);
  return made ? made : rk_place_error(p, place);
}
