/* What float32 cannot hold, of what packing gives it: said as an error, or as a warning. */
#include "error.h"
#include "look/evaluate.h"
#include "look/looking.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static double largest_of(const rk_looking *l, const rk_side *s, const rk_watched *value,
                         int component) {
  rk_extremes e = s->seen[value->first + component];
  double centre = value->centre < 0 ? 0 : rk_centre_of(l, value, component);
  return e.low <= e.high ? rk_greatest_around(centre, e.low, e.high) : 0;
}

double rk_greatest_of(const rk_looking *l, const rk_watched *value) {
  const rk_side *s = &l->side[rk_kind_of_level(value->node->level)];
  double greatest = 0;
  for (int c = 0; c < value->node->dim; c++)
    greatest = fmax(greatest, largest_of(l, s, value, c));
  return greatest;
}

/* Around a centre what is small beside the others does not matter. */
static double least_of(const rk_side *s, const rk_watched *value, double greatest) {
  double least = INFINITY;
  if (value->centre >= 0) return greatest > 0 ? greatest : least;
  for (int c = 0; c < value->node->dim; c++)
    least = fmin(least, s->seen[value->first + c].least);
  return least;
}

static int is_input(const rk_looking *l, const rk_node *node) {
  while (rk_moves(node)) node = node->operand[0];
  return rk_is_origin(l, node, RK_FROM_INPUT);
}

/* Is the input itself too large, where the value is a number times it? */
static int is_too_large(const rk_looking *l, const rk_watched *value, double greatest) {
  return is_input(l, value->plain.node) && (float)greatest > FLT_MAX;
}

/* A line for each kind of trouble: the first value that has it. */
static void warn(rk_looking *l, int *told, const rk_node *node, double size, const char *becomes) {
  char number[RK_NUMBER_TEXT];
  const char *name = rk_name_in(l, node);
  if ((*told)++) return;
  rk_text_format(l->warning, "%s`%s`: %s becomes %s in float32; rkeops_use_float64() keeps it\n",
                 is_input(l, node) ? "" : "what is computed of ", name ? name : "1",
                 rk_number_text(number, "%.6g", size), becomes);
}

static rk_status judge_side(rk_looking *l, const rk_side *s, int *small, int *large) {
  char number[RK_NUMBER_TEXT];
  for (int k = 0; k < s->count && s->seen; k++) {
    const rk_watched *value = &s->value[k];
    double greatest = rk_greatest_of(l, value), least = least_of(s, value, greatest);
    if (least < FLT_MIN) warn(l, small, value->node, least, "0");
    if ((float)greatest <= FLT_MAX) continue;
    greatest /= fabs(value->plain.scale);
    if (is_too_large(l, value, greatest))
      return rk_fail(l->caller.error, RK_ERROR_PRECISION,
                     "`%s`: %s is too large for float32, whose largest number is 3.4e38; "
                     "rkeops_use_float64() takes it", rk_name_in(l, value->node),
                     rk_number_text(number, "%.15g", greatest));
    warn(l, large, value->node, greatest * fabs(value->plain.scale), "infinite");
  }
  return RK_OK;
}

/* ---- phases ---- */

static const double LARGEST_PHASE = 1 << 20; /* a 16th of a radian is all that floats tell there */

static double parameter_bound(rk_looking *l, const rk_node *node) {
  rk_evaluator e;
  double greatest = 0;
  if (!rk_can_see(l, node)) return NAN; /* an earlier pass makes it */
  if (rk_evaluator_begin(&e, l->p->graph, l->host, &node, 1, l->caller.error)) l->failed = 1;
  else {
    rk_evaluate(&e, 0, 1);
    for (int c = 0; c < node->dim; c++)
      greatest = fmax(greatest, fabs(*rk_evaluated(&e, node, c).at));
  }
  rk_evaluator_end(&e);
  return greatest;
}

static double slot_bound(const rk_looking *l, const rk_node *slot) {
  int centre;
  const rk_node *node = rk_without_centre(l, slot, &centre);
  const rk_watched *value = rk_find_watched(l, node, centre);
  return value ? rk_greatest_of(l, value) : NAN;
}

/* No component is larger in size; NAN: it is not known. `bound` are those of pairs, by number. */
static double operand_bound(rk_looking *l, const rk_node *node, const double *bound) {
  if (node->level == RK_LEVEL_PARAMETER) return parameter_bound(l, node);
  return node->level == RK_LEVEL_PAIR ? bound[node->number] : slot_bound(l, node);
}

/* Of components that are put beside each other the largest that is known. */
static double pair_bound(rk_looking *l, const rk_node *node, const double *bound) {
  double a = NAN, b = 0;
  if (node->operands) a = operand_bound(l, node->operand[0], bound);
  if (node->operands > 1) b = operand_bound(l, node->operand[1], bound);
  if (rk_node_is(node, RK_OP_Add) || rk_node_is(node, RK_OP_Subtract)) return a + b;
  if (rk_node_is(node, RK_OP_Mult)) return a * b;
  if (rk_node_is(node, RK_OP_Minus)) return a;
  if (rk_node_is(node, RK_OP_Sum)) return a * node->operand[0]->dim;
  if (rk_node_is(node, RK_OP_scaledsum)) return a * b * node->operand[0]->dim;
  return rk_moves(node) ? fmax(a, b) : NAN;
}

static int is_periodic(const rk_node *node) {
  return rk_node_is(node, RK_OP_Sin) || rk_node_is(node, RK_OP_Cos);
}

static int is_of_pairs(const rk_pass *pass, const rk_node *node) {
  return pass->nest[RK_NEST_PAIR].place[node->number] != RK_ELSEWHERE &&
         node->level == RK_LEVEL_PAIR;
}

static int has_phases(const rk_pass *pass) {
  for (int k = 0; k < pass->nest[RK_NEST_PAIR].numbers; k++) {
    const rk_node *node = rk_graph_node(pass->graph, k);
    if (is_periodic(node) && is_of_pairs(pass, node)) return 1;
  }
  return 0;
}

static void warn_of_phases(rk_looking *l, const rk_node *node, double bound) {
  char number[RK_NUMBER_TEXT];
  rk_text_format(l->warning,
                 "%s of phases up to %s: beyond 2^20 float32 rounds them by a 16th of a radian "
                 "or more; subtract what they have in common, or rkeops_use_float64()\n",
                 node->operation->name, rk_number_text(number, "%.3g", bound));
}

/* Operands come before what is made of them. */
static void judge_phases(rk_looking *l, const rk_pass *pass) {
  if (!has_phases(pass)) return;
  int told = 0;
  double *bound = malloc((size_t)pass->nest[RK_NEST_PAIR].numbers * sizeof *bound);
  l->failed |= !bound;
  for (int k = 0; k < pass->nest[RK_NEST_PAIR].numbers && bound && !told; k++) {
    const rk_node *node = rk_graph_node(pass->graph, k);
    bound[k] = NAN;
    if (!is_of_pairs(pass, node)) continue;
    bound[k] = pair_bound(l, node, bound);
    double phase = is_periodic(node) ? operand_bound(l, node->operand[0], bound) : 0;
    told = phase > LARGEST_PHASE;
    if (told) warn_of_phases(l, node, phase);
  }
  free(bound);
}

rk_status rk_judge(rk_looking *l) {
  int small = 0, large = 0;
  rk_status status = RK_OK;
  if (l->p->stage[0]->pass.options.precision != RK_FLOAT32) return RK_OK;
  for (int kind = 0; kind < RK_KINDS && !status; kind++)
    status = judge_side(l, &l->side[kind], &small, &large);
  for (int s = 0; s < l->p->stages && !status; s++) judge_phases(l, &l->p->stage[s]->pass);
  return status;
}

