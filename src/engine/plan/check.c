/* Graphs, slots and states. See check.h. */
#include "plan/check.h"

#ifdef RKEOPS_CHECK_PLANS

#include "formula/operations.h"

#include <stdlib.h>

/* ---- graphs ---- */

static int broadcast(const int *d, int n) {
  int dim = 1;
  for (int k = 0; k < n; k++)
    if (d[k] > dim) dim = d[k];
  for (int k = 0; k < n; k++)
    if (d[k] != dim && d[k] != 1) return 0;
  return dim;
}

static int reduction_dim(const rk_node *node) {
  rk_field field[2];
  rk_reduction_fields(node, field);
  return field[0].dim * field[0].k;
}

/* By the table; 0: the operands do not fit. */
static int dim_of(const rk_graph *graph, const rk_node *node) {
  const rk_operation *operation = node->operation;
  int d[RK_MAX_OPERANDS] = {0};
  if (node->reduction) return reduction_dim(node);
  if (rk_node_is(node, RK_OP_Number)) return 1;
  if (rk_is_variable(node)) return rk_graph_variable_at((rk_graph *)graph, node->variable)->dim;
  for (int k = 0; k < node->operands; k++) d[k] = node->operand[k]->dim;
  if (operation->check && !operation->check(d, node->integer)) return 0;
  if (operation->dim) return operation->dim(d, node->integer);
  int dim = broadcast(d, node->operands);
  return operation->kind == RK_FOLD && dim ? 1 : dim;
}

static int level_of(const rk_graph *graph, const rk_node *node) {
  int level = 0;
  if (node->reduction) return rk_level_of_kind(rk_kept_kind(node));
  if (rk_is_variable(node))
    return rk_level_of_kind(rk_graph_variable_at((rk_graph *)graph, node->variable)->kind);
  for (int k = 0; k < node->operands; k++) level |= node->operand[k]->level;
  return level;
}

/* A reduction reads its two indices only. */
static int reads_other_index(const rk_node *node) {
  int level = 0;
  if (!node->reduction) return 0;
  for (int k = 0; k < node->operands; k++) level |= node->operand[k]->level;
  return level & ~(rk_level_of_kind(rk_kept_kind(node)) | rk_level_of_kind(rk_reduced_kind(node)));
}

static const char *broken_rule(const rk_graph *graph, const rk_node *node) {
  for (int k = 0; k < node->operands; k++)
    if (node->operand[k]->number >= node->number) return "operands have smaller numbers";
  if (node->operation && node->operation->kind > RK_PIECES)
    return "definitions, compositions and derivatives are gone";
  if (node->dim < 1 || node->dim != dim_of(graph, node)) return "dimensions are those of the table";
  if (node->level != level_of(graph, node)) return "levels are the union of the operands'";
  return reads_other_index(node) ? "a reduction reads its two indices only" : NULL;
}

rk_status rk_check_graph(const rk_graph *graph, const rk_node *const *root, int roots,
                         const char *stage, rk_error *error) {
  unsigned char *needed = rk_graph_needed(graph, root, roots);
  if (!needed) return rk_fail_memory(error, (size_t)rk_graph_size(graph));
  const char *rule = NULL;
  int k = 0;
  for (; k < rk_graph_size(graph) && !rule; k++)
    if (needed[k]) rule = broken_rule(graph, rk_graph_node(graph, k));
  free(needed);
  if (!rule) return RK_OK;
  return rk_fail(error, RK_ERROR_INTERNAL, "after %s: %s, not so of n%d", stage, rule, k - 1);
}

/* ---- passes ---- */

static rk_status check_slots(const rk_pass *pass, rk_nest_kind level, rk_error *error) {
  static const char *const names[] = {"parameters", "rows", "columns"};
  const rk_slots *slots = &pass->slots[level];
  const rk_nest *nest = &pass->nest[level];
  const char *rule = NULL;
  int at = 0, k = 0;
  if (nest->roots != slots->count) rule = "a nest fills the slots of its level";
  for (; k < slots->count && !rule; k++) {
    const rk_slot *slot = &slots->slot[k];
    if (rk_level_of(pass, slot->node) != level) rule = "a slot is of its level";
    else if (slot->offset != at) rule = "slots lie one after the other";
    else if (nest->root[k] != slot->node) rule = "a nest fills the slots of its level";
    at += slot->node->dim;
  }
  if (!rule && at != slots->size) rule = "a record is as long as its slots";
  if (!rule) return RK_OK;
  return rk_fail(error, RK_ERROR_INTERNAL, "%s: %s, not so of slot %d", names[level], rule, k - 1);
}

/* As reductions.h says it, from the entry. */
static int state_fits(const rk_pass *pass) {
  const rk_node *node = pass->reduction;
  const rk_reduction *entry = node->reduction;
  const rk_state_shape *state = &pass->state;
  int dim = node->operand[node->operands - 1]->dim;
  int list = entry->ranked ? node->integer[0] : 1, lists = entry->enter ? dim * list : dim;
  return node->operands == 1 + entry->has_head && state->components == dim && state->K == list &&
         state->values == entry->has_head + lists &&
         state->positions == (entry->keeps_positions ? dim * list : 0);
}

static int reduces_its_roots(const rk_pass *pass) {
  const rk_nest *nest = &pass->nest[RK_NEST_PAIR];
  if (nest->roots != pass->reduction->operands) return 0;
  for (int k = 0; k < nest->roots; k++)
    if (nest->root[k] != pass->reduction->operand[k]) return 0;
  return 1;
}

rk_status rk_check_pass(const rk_pass *pass, rk_error *error) {
  rk_status status = RK_OK;
  for (int k = 0; k < RK_NEST_PAIR && !status; k++)
    status = check_slots(pass, (rk_nest_kind)k, error);
  for (int k = 0; k < RK_NESTS && !status; k++)
    status = rk_check_nest(pass, (rk_nest_kind)k, error);
  if (!status && !state_fits(pass))
    status = rk_fail(error, RK_ERROR_INTERNAL, "states are laid out as the reduction says, not so "
                     "of n%d", pass->reduction->number);
  if (!status && !reduces_its_roots(pass))
    status = rk_fail(error, RK_ERROR_INTERNAL, "the pair nest makes what is reduced, not so of n%d",
                     pass->reduction->number);
  return status;
}

#endif
