/* Levels and slots of a pass, its costs. See plan.h. */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"

#include <stdlib.h>
#include <string.h>

/* ---- levels and slots ---- */

rk_nest_kind rk_level_of(const rk_pass *pass, const rk_node *node) {
  if (node->level == RK_LEVEL_PARAMETER) return RK_NEST_PARAMETER;
  if (node->level == RK_LEVEL_PAIR) return RK_NEST_PAIR;
  return node->level == pass->reduction->level ? RK_NEST_ROW : RK_NEST_COLUMN;
}

int rk_is_of_side(const rk_pass *pass, int variable, rk_nest_kind side) {
  rk_kind kind = rk_graph_variable_at(pass->graph, variable)->kind;
  return kind != RK_KIND_PARAMETER && kind == (side == RK_NEST_ROW ? rk_kept_kind(pass->source)
                                                                   : rk_reduced_kind(pass->source));
}

int rk_slot_offset(const rk_pass *pass, const rk_node *node) {
  rk_nest_kind level = rk_level_of(pass, node);
  if (level == RK_NEST_PAIR) return -1;
  const rk_slots *slots = &pass->slots[level];
  for (int k = 0; k < slots->count; k++)
    if (slots->slot[k].node == node) return slots->slot[k].offset;
  return -1;
}

int rk_variable_index(const rk_pass *pass, int variable) {
  for (int k = 0; k < pass->variables; k++)
    if (pass->variable[k] == variable) return k;
  return -1;
}

int rk_real_size(const rk_options *options) { return options->precision == RK_FLOAT64 ? 8 : 4; }

void rk_pass_free(rk_pass *pass) {
  for (int k = 0; k < RK_NESTS; k++) {
    free(pass->nest[k].root);
    free(pass->nest[k].step);
    free(pass->nest[k].each);
    free(pass->nest[k].at);
    free(pass->nest[k].node);
    free(pass->nest[k].place);
  }
  for (int k = 0; k < RK_NEST_PAIR; k++) free(pass->slots[k].slot);
  free(pass->variable);
  memset(pass, 0, sizeof *pass);
}

/* ---- costs ---- */

double rk_pair_cost(const rk_pass *pass) {
  return pass->nest[RK_NEST_PAIR].cost + 2 +
         (pass->state.K > 1 ? (double)pass->state.K * pass->state.components : 0);
}

/* ---- sums ---- */

rk_summing rk_summing_of(const rk_pass *pass) {
  const rk_options *o = &pass->options;
  if (o->scheme == RK_SCHEME_KAHAN) return (rk_summing){RK_SUM_KAHAN, 1, 1};
  int direct = o->scheme == RK_SCHEME_DIRECT;
  int wide = o->precision != RK_FLOAT64 && o->accumulator != RK_ACCUMULATOR_FLOAT32 &&
             !(direct && o->accumulator == RK_ACCUMULATOR_AUTO);
  return (rk_summing){wide ? RK_SUM_WIDE : RK_SUM_SAME,
                      direct && o->accumulator == RK_ACCUMULATOR_FLOAT64, direct};
}
