/* What pairs see of a row and a column only together, in float32.
 *
 *  - a - b with a of a row and b of a column: both are shifted by a common centre, in double,
 *    before they are rounded, so that they keep their digits for the difference. Values that
 *    differences link are one group with one centre, whatever made them; who reads a value
 *    otherwise reads another slot.
 *  - Where one centre is not enough (rows far from it that lie near each other), each of the two is
 *    a sum of two floats: (a - b) is (high(a) - high(b)) + (low(a) - low(b)). What data asks for it
 *    is found out at each call (look/look.c): pass->split.
 *  - a < b, a == b: both become ranks among all values that they are compared with, which are whole
 *    numbers.
 *
 * Values that earlier passes made stay as they are: they are numbers of the kernel's type.
 */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"

#include <stdlib.h>

typedef enum { MEETS_NOT, MEETS_AS_DIFFERENCE, MEETS_IN_COMPARISON, MEETINGS } meeting;

typedef struct {
  rk_pass *pass;
  rk_graph *graph;
  int size;                    /* nodes before any is made */
  unsigned char *needed;       /* by node number */
  unsigned char *is_given;     /* made of inputs and numbers only */
  /* by meeting and node number, counted from 1; 0: none */
  int *leader[MEETINGS];       /* another node of its group, itself for the first one */
  int *next[MEETINGS];         /* the next node of the group */
  int *variable[MEETINGS];     /* the group's centre, at its first node; else a node's own ranks */
  const rk_node **made;        /* by node number */
  rk_error *error;
} joining;

/* ---- which values meet ---- */

int rk_is_of_data(rk_graph *graph, const rk_node *node, const unsigned char *is_of_data) {
  if (node->reduction) return 0;
  if (rk_is_variable(node)) {
    rk_origin origin = rk_graph_variable_at(graph, node->variable)->origin;
    return origin == RK_FROM_INPUT || origin == RK_FROM_NUMBER;
  }
  for (int k = 0; k < node->operands; k++)
    if (!is_of_data[node->operand[k]->number]) return 0;
  return 1;
}

static meeting meeting_of(const joining *j, const rk_node *node) {
  if (node->level != RK_LEVEL_PAIR || node->operands != 2) return MEETS_NOT;
  const rk_node *a = node->operand[0], *b = node->operand[1];
  if ((a->level | b->level) != RK_LEVEL_PAIR || a->level == RK_LEVEL_PAIR ||
      b->level == RK_LEVEL_PAIR)
    return MEETS_NOT;
  if (a->is_logical || b->is_logical || !j->is_given[a->number] || !j->is_given[b->number])
    return MEETS_NOT;
  if (rk_node_is(node, RK_OP_Subtract)) return MEETS_AS_DIFFERENCE;
  return rk_node_is(node, RK_OP_Equal) || rk_node_is(node, RK_OP_NotEqual) ||
         rk_node_is(node, RK_OP_LessThan) || rk_node_is(node, RK_OP_LessOrEqual)
             ? MEETS_IN_COMPARISON : MEETS_NOT;
}

static int leader_of(const joining *j, meeting how, int number) {
  int *leader = j->leader[how];
  while (leader[number] && leader[number] != number + 1) {
    int next = leader[number] - 1;
    leader[number] = leader[next]; /* the way gets shorter each time */
    number = next;
  }
  return number;
}

/* The one with the smaller number leads. */
static void bring_together(joining *j, meeting how, const rk_node *node) {
  int a = leader_of(j, how, node->operand[0]->number);
  int b = leader_of(j, how, node->operand[1]->number);
  int first = a < b ? a : b;
  j->leader[how][a] = j->leader[how][b] = first + 1;
}

/* Links each node of a group to the next one. */
static void link_groups(joining *j, meeting how) {
  for (int k = j->size - 1; k >= 0; k--) {
    if (!j->leader[how][k]) continue;
    int first = leader_of(j, how, k);
    if (first == k) continue;
    j->next[how][k] = j->next[how][first];
    j->next[how][first] = k + 1;
  }
}

static void find_groups(joining *j) {
  for (int k = 0; k < j->size; k++) {
    const rk_node *node = rk_graph_node(j->graph, k);
    if (!j->needed[k]) continue;
    j->is_given[k] = (unsigned char)rk_is_of_data(j->graph, node, j->is_given);
    meeting how = meeting_of(j, node);
    if (how) bring_together(j, how, node);
  }
  link_groups(j, MEETS_AS_DIFFERENCE);
  link_groups(j, MEETS_IN_COMPARISON);
}

/* ---- their variables ---- */

/* The members of a group, which the graph keeps. */
static const rk_node **members_of(joining *j, meeting how, int leader, int *count) {
  int k;
  *count = 0;
  for (k = leader + 1; k; k = j->next[how][k - 1]) ++*count;
  const rk_node **member = rk_graph_alloc(j->graph, (size_t)*count * sizeof *member);
  *count = 0;
  for (k = leader + 1; k && member; k = j->next[how][k - 1])
    member[(*count)++] = rk_graph_node(j->graph, k - 1);
  return member;
}

/* A centre is one number where a vector meets a scalar. */
static int common_dim(const rk_graph_variable *group) {
  for (int k = 1; k < group->members; k++)
    if (group->member[k]->dim != group->member[0]->dim) return 1;
  return group->member[0]->dim;
}

/* Passes that join the same values share what is made for them. */
static int variable_like(joining *j, const rk_graph_variable *wanted) {
  for (int k = 0; k < rk_graph_variables(j->graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(j->graph, k);
    if (v->source == wanted->source && rk_is_of_group(v, wanted)) return k;
  }
  return rk_graph_add_variable(j->graph, wanted);
}

/* The variable that a member reads: the centre of its group, or ranks of its own; -1: no memory. */
static int variable_for(joining *j, meeting how, const rk_node *node) {
  int leader = leader_of(j, how, node->number);
  int reader = how == MEETS_AS_DIFFERENCE ? leader : node->number;
  int *known = &j->variable[how][reader];
  if (*known) return *known - 1;
  rk_graph_variable wanted = {.name = "", .dim = node->dim, .source = reader,
                              .kind = RK_KIND_PARAMETER, .origin = RK_FROM_CENTRE};
  if (how == MEETS_IN_COMPARISON) {
    wanted.kind = rk_kind_of_level(node->level);
    wanted.origin = RK_FROM_RANK;
  }
  wanted.member = members_of(j, how, leader, &wanted.members);
  if (wanted.member && how == MEETS_AS_DIFFERENCE) wanted.dim = common_dim(&wanted);
  int k = wanted.member ? variable_like(j, &wanted) : -1;
  *known = k + 1;
  return k;
}

static const rk_node *read_for(joining *j, meeting how, const rk_node *node) {
  int k = variable_for(j, how, node);
  return k < 0 ? NULL : rk_variable_node(j->graph, k);
}

/* ---- what becomes of them ---- */

static const rk_node *apply(joining *j, rk_op op, const rk_node *a, const rk_node *b) {
  if (!a || !b) return NULL;
  return rk_apply2(j->graph, op, a, b, j->error);
}

static const rk_node *part(joining *j, rk_op op, const rk_node *a) {
  return a ? rk_apply1(j->graph, op, a, j->error) : NULL;
}

/* One after the other: every compiler's engine gives the same text. */
static const rk_node *difference(joining *j, const rk_node *a, const rk_node *b) {
  const rk_node *centre = read_for(j, MEETS_AS_DIFFERENCE, a);
  const rk_node *x = apply(j, RK_OP_Subtract, a, centre);
  const rk_node *y = apply(j, RK_OP_Subtract, b, centre);
  if (!j->pass->split) return apply(j, RK_OP_Subtract, x, y);
  const rk_node *high = part(j, RK_OP_high, x), *low = part(j, RK_OP_low, x);
  high = apply(j, RK_OP_Subtract, high, part(j, RK_OP_high, y));
  low = apply(j, RK_OP_Subtract, low, part(j, RK_OP_low, y));
  return apply(j, RK_OP_Add, high, low);
}

static const rk_node *comparison(joining *j, const rk_node *node) {
  const rk_node *a = read_for(j, MEETS_IN_COMPARISON, node->operand[0]);
  return apply(j, node->operation->op, a, read_for(j, MEETS_IN_COMPARISON, node->operand[1]));
}

const rk_node *rk_rebuilt(rk_graph *graph, const rk_node *node, const rk_node *const *made,
                          rk_error *error) {
  const rk_node *operand[RK_MAX_OPERANDS];
  int same = 1;
  for (int k = 0; k < node->operands; k++) {
    operand[k] = made[node->operand[k]->number];
    if (!operand[k]) return NULL;
    same &= operand[k] == node->operand[k];
  }
  if (same) return node;
  if (!node->reduction)
    return rk_apply(graph, node->operation->op, operand, node->operands, node->integer,
                    node->integers, error);
  rk_node result = *node;
  for (int k = 0; k < node->operands; k++) result.operand[k] = operand[k];
  return rk_graph_intern(graph, &result);
}

static const rk_node *joined(joining *j, const rk_node *node) {
  switch (meeting_of(j, node)) {
    case MEETS_AS_DIFFERENCE: return difference(j, node->operand[0], node->operand[1]);
    case MEETS_IN_COMPARISON: return comparison(j, node);
    default: return rk_rebuilt(j->graph, node, j->made, j->error);
  }
}

static int begin(joining *j) {
  size_t size = (size_t)j->size + 1;
  const rk_node *root = j->pass->reduction;
  int made = 1;
  j->needed = rk_graph_needed(j->graph, &root, 1);
  j->is_given = calloc(size, 1);
  j->made = calloc(size, sizeof *j->made);
  for (int how = MEETS_NOT + 1; how < MEETINGS; how++) {
    j->leader[how] = calloc(size, sizeof *j->leader[how]);
    j->next[how] = calloc(size, sizeof *j->next[how]);
    j->variable[how] = calloc(size, sizeof *j->variable[how]);
    made &= j->leader[how] && j->next[how] && j->variable[how];
  }
  return made && j->needed && j->is_given && j->made;
}

static void end(joining *j) {
  free(j->needed);
  free(j->is_given);
  free(j->made);
  for (int how = MEETS_NOT + 1; how < MEETINGS; how++) {
    free(j->leader[how]);
    free(j->next[how]);
    free(j->variable[how]);
  }
}

rk_status rk_join(rk_pass *pass, rk_error *error) {
  joining j = {.pass = pass, .graph = pass->graph, .size = pass->reduction->number + 1,
               .error = error};
  const rk_node *result = NULL;
  if (pass->options.precision == RK_FLOAT64) return RK_OK;
  if (begin(&j)) {
    find_groups(&j);
    int k = 0;
    for (int done = 1; k < j.size && done; k++)
      if (j.needed[k]) done = (j.made[k] = joined(&j, rk_graph_node(j.graph, k))) != NULL;
    result = j.made[j.size - 1];
  }
  end(&j);
  if (!result)
    return error->status ? error->status : rk_fail_memory(error, (size_t)j.size * sizeof *j.made);
  pass->reduction = result;
  return RK_OK;
}

/* ---- float16 ---- */

static int is_variable(const rk_pass *pass, const rk_node *node, rk_origin origin) {
  return rk_is_variable(node) &&
         rk_graph_variable_at(pass->graph, node->variable)->origin == origin;
}

int rk_slot_of_data(const rk_pass *pass, const rk_node *slot, int *centre) {
  *centre = -1;
  if (rk_node_is(slot, RK_OP_Subtract) &&
      is_variable(pass, slot->operand[1], RK_FROM_CENTRE)) {
    *centre = slot->operand[1]->variable;
    slot = slot->operand[0];
  }
  return is_variable(pass, slot, RK_FROM_INPUT) ? slot->variable : -1;
}

int rk_is_stored_as_half(const rk_pass *pass, rk_nest_kind side) {
  int centre;
  if (pass->options.precision != RK_FLOAT16 || !pass->slots[side].count) return 0;
  for (int k = 0; k < pass->slots[side].count; k++)
    if (rk_slot_of_data(pass, pass->slots[side].slot[k].node, &centre) < 0) return 0;
  return 1;
}
