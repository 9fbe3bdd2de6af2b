/* One form of what can be written in several: operands of products and sums that may change places,
 * differences that are squared, and the order of slots come in an order that follows from what
 * they are. So formulas that differ in this only have one kernel. Results do not change, save that
 * a sum of products may be rounded another way. */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"

#include <stdlib.h>
#include <string.h>

static int sign_of(double a, double b) { return (a > b) - (a < b); }

/* Of two that differ, which comes first? Values of pairs, of rows, of columns, parameters; then by
 * what they are. Nodes are unique: those that are not the same differ in one of these, or in the
 * first operand in which they do. */
static int compare(const rk_pass *pass, const rk_node *a, const rk_node *b) {
  while (a != b) {
    const rk_nest_kind level[] = {rk_level_of(pass, a), rk_level_of(pass, b)};
    const int pair[] = {level[0] == RK_NEST_PAIR, level[1] == RK_NEST_PAIR};
    if (pair[0] != pair[1]) return pair[1] - pair[0];
    if (level[0] != level[1]) return (int)level[0] - (int)level[1];
    if (a->operation != b->operation)
      return sign_of((double)a->operation->op, (double)b->operation->op);
    if (a->dim != b->dim) return a->dim - b->dim;
    int other = memcmp(a->integer, b->integer, sizeof a->integer);
    if (other) return other;
    if (a->variable != b->variable) return a->variable - b->variable;
    if (!a->operands) return sign_of(a->value, b->value);
    int k = 0;
    while (k + 1 < a->operands && a->operand[k] == b->operand[k]) k++;
    a = a->operand[k];
    b = b->operand[k];
  }
  return 0;
}

static int is_pair(const rk_node *node) { return node->level == RK_LEVEL_PAIR; }

/* The node with its operands in order, of which rk_graph_intern makes a node. */
static void put_in_order(const rk_pass *pass, rk_node *node) {
  const rk_node *a = node->operand[0], *b = node->operand[1];
  int changes = rk_node_is(node, RK_OP_Mult) ||
                (rk_node_is(node, RK_OP_Add) && is_pair(a) && is_pair(b));
  if (!changes || !is_pair(node) || compare(pass, a, b) <= 0) return;
  node->operand[0] = b;
  node->operand[1] = a;
}

/* a - b of b - a that is squared. */
static const rk_node *turned(rk_pass *pass, const rk_node *node) {
  rk_node other = *node;
  if (!rk_node_is(node, RK_OP_Subtract) || !is_pair(node) ||
      compare(pass, node->operand[0], node->operand[1]) <= 0)
    return node;
  other.operand[0] = node->operand[1];
  other.operand[1] = node->operand[0];
  return rk_graph_intern(pass->graph, &other);
}

static const rk_node *ordered(rk_pass *pass, const rk_node *node, const rk_node *const *made) {
  rk_node changed = *node;
  for (int k = 0; k < node->operands; k++) changed.operand[k] = made[node->operand[k]->number];
  for (int k = 0; k < node->operands; k++)
    if (!changed.operand[k]) return NULL;
  if (rk_node_is(node, RK_OP_Square)) changed.operand[0] = turned(pass, changed.operand[0]);
  else put_in_order(pass, &changed);
  return changed.operand[0] ? rk_graph_intern(pass->graph, &changed) : NULL;
}

rk_status rk_order(rk_pass *pass, rk_error *error) {
  const rk_node *root = pass->reduction;
  size_t size = (size_t)root->number + 1;
  const rk_node **made = calloc(size, sizeof *made);
  unsigned char *needed = rk_graph_needed(pass->graph, &root, 1);
  for (size_t k = 0; made && needed && k < size; k++) {
    const rk_node *node = rk_graph_node(pass->graph, (int)k);
    if (!needed[k]) continue;
    made[k] = node->operands && (is_pair(node) || node == root) ? ordered(pass, node, made) : node;
    if (!made[k]) break;
  }
  const rk_node *result = made && needed ? made[root->number] : NULL;
  free(made);
  free(needed);
  if (!result) return rk_fail_memory(error, size * sizeof *made);
  pass->reduction = result;
  return RK_OK;
}

/* ---- slots ---- */

/* Places of slots by node number, in the order in which they are read: from the root on, the first
 * operand first. 0: none. */
static void number_slots(const rk_pass *pass, int *place, const rk_node **stack) {
  int depth = 0, count = 0;
  const rk_node *root = pass->reduction;
  for (int k = root->operands - 1; k >= 0; k--) stack[depth++] = root->operand[k];
  while (depth) {
    const rk_node *node = stack[--depth];
    if (place[node->number]) continue;
    place[node->number] = ++count;
    if (rk_slot_offset(pass, node) >= 0) continue;
    for (int k = node->operands - 1; k >= 0; k--)
      if (!place[node->operand[k]->number]) stack[depth++] = node->operand[k];
  }
}

static void sort_slots(rk_slots *slots, const int *place) {
  for (int k = 1; k < slots->count; k++)
    for (int l = k; l && place[slots->slot[l].node->number] <
                             place[slots->slot[l - 1].node->number]; l--) {
      rk_slot slot = slots->slot[l];
      slots->slot[l] = slots->slot[l - 1];
      slots->slot[l - 1] = slot;
    }
  for (int k = 0, offset = 0; k < slots->count; k++) {
    slots->slot[k].offset = offset;
    offset += slots->slot[k].node->dim;
  }
}

rk_status rk_order_slots(rk_pass *pass, rk_error *error) {
  size_t size = (size_t)rk_graph_size(pass->graph) + 1;
  int *place = calloc(size, sizeof *place);
  const rk_node **stack = calloc(size * RK_MAX_OPERANDS, sizeof *stack);
  if (place && stack) {
    number_slots(pass, place, stack);
    for (int level = 0; level < RK_NEST_PAIR; level++) sort_slots(&pass->slots[level], place);
  }
  int failed = !place || !stack;
  free(place);
  free(stack);
  return failed ? rk_fail_memory(error, size * sizeof *stack) : RK_OK;
}
