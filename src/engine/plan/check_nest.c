/* The steps and places of a nest. See check.h. */
#include "plan/check.h"

#ifdef RKEOPS_CHECK_PLANS

#include "formula/operations.h"

#include <stdlib.h>

enum { NEVER = -1 };

typedef struct {
  const rk_pass *pass;
  const rk_nest *nest;
  int *step, *order;         /* by node number: which step writes it, as which one of all nodes */
  int *last;                 /* by node number: the last step that reads it */
  int *seen;                 /* by node number: 1 + the reader for which it was looked into */
  int size;
  const char *rule;          /* the first that is broken, */
  int node;                  /* by this one */
} checking;

static rk_place place_of(const checking *c, const rk_node *node) {
  return (rk_place)c->nest->place[node->number];
}

static void require(checking *c, int holds, const char *rule, const rk_node *node) {
  if (holds || c->rule) return;
  c->rule = rule;
  c->node = node->number;
}

/* ---- what steps write ---- */

static int loop_of(const checking *c, const rk_node *node) {
  if (rk_folds(node)) return node->operand[0]->dim;
  return place_of(c, node) == RK_PANEL ? node->dim : 0;
}

static void check_writing(checking *c, int step, int order) {
  const rk_node *node = c->nest->node[order];
  rk_place place = place_of(c, node);
  require(c, place > RK_INLINE, "a step makes what is kept", node);
  require(c, place == RK_PANEL || node->dim == 1, "vectors are kept in panels", node);
  require(c, c->step[node->number] == NEVER, "a value is written once", node);
  require(c, loop_of(c, node) == c->nest->step[step].dim, "a loop has the length of its values",
          node);
  require(c, rk_level_of(c->pass, node) <= c->nest->kind, "a nest makes values of its level", node);
  c->step[node->number] = step;
  c->order[node->number] = order;
}

static void check_steps(checking *c) {
  int next = 0;
  for (int s = 0; s < c->nest->steps; s++) {
    const rk_step *step = &c->nest->step[s];
    for (int k = 0; k < step->count; k++) check_writing(c, s, step->first + k);
    if (step->first != next) require(c, 0, "steps follow each other", c->nest->node[step->first]);
    next += step->count;
  }
  if (next != c->nest->nodes) require(c, 0, "each value has a step", c->nest->node[0]);
}

/* ---- what they read ---- */

/* Records are filled before: that of parameters first, those of rows and columns from it. */
static void check_record(checking *c, const rk_node *node) {
  if (rk_node_is(node, RK_OP_Number)) return;
  rk_nest_kind level = rk_level_of(c->pass, node), own = c->nest->kind;
  require(c, rk_slot_offset(c->pass, node) >= 0, "what another level makes has a slot", node);
  require(c, level < own && (own == RK_NEST_PAIR || level == RK_NEST_PARAMETER),
          "a record is filled before it is read", node);
}

static void check_kept(checking *c, const rk_node *node, int step, int order) {
  int from = c->step[node->number];
  require(c, from != NEVER, "a value is written before it is read", node);
  /* those of one loop are made side by side */
  int in_time = from < step || (from == step && !c->nest->step[step].dim &&
                                c->order[node->number] < order);
  require(c, in_time, "a value is written before it is read", node);
  require(c, place_of(c, node) != RK_LOCAL || from == step, "what later steps read is kept", node);
  if (step > c->last[node->number]) c->last[node->number] = step;
}

/* The reader is the node with this order; roots are read in a step of their own, the last. */
static void check_read(checking *c, const rk_node *node, int step, int order) {
  rk_place place = place_of(c, node);
  if (c->rule) return;
  if (place == RK_ELSEWHERE) check_record(c, node);
  else if (place != RK_INLINE) check_kept(c, node, step, order);
  else if (rk_is_variable(node))
    require(c, rk_variable_index(c->pass, node->variable) >= 0, "variables have a place in calls",
            node);
  if (place != RK_INLINE || c->seen[node->number] > order) return;
  c->seen[node->number] = order + 1;
  for (int o = 0; o < node->operands; o++) check_read(c, node->operand[o], step, order);
}

static void check_reading(checking *c) {
  const rk_nest *nest = c->nest;
  for (int k = 0; k < nest->nodes; k++) {
    const rk_node *node = nest->node[k];
    for (int o = 0; o < node->operands; o++)
      check_read(c, node->operand[o], c->step[node->number], k);
  }
  for (int r = 0; r < nest->roots; r++) check_read(c, nest->root[r], nest->steps, nest->nodes);
}

/* ---- tile memory ---- */

static int is_placed(const checking *c, const rk_node *node) {
  return place_of(c, node) == RK_PANEL || (place_of(c, node) == RK_SCALAR && c->nest->is_large);
}

static void check_bounds(checking *c, const rk_node *node) {
  int is_panel = place_of(c, node) == RK_PANEL, at = c->nest->at[node->number];
  int from = is_panel ? 0 : c->nest->panel;
  int to = is_panel ? c->nest->panel : c->nest->panel + c->nest->scalars;
  require(c, at >= from && at + node->dim <= to, "what is kept lies in tile memory", node);
}

/* Both are needed at one time, and share components. */
static int overlap(const checking *c, const rk_node *a, const rk_node *b) {
  int x = a->number, y = b->number;
  int at_once = c->step[x] <= c->last[y] && c->step[y] <= c->last[x];
  return at_once && c->nest->at[x] < c->nest->at[y] + b->dim &&
         c->nest->at[y] < c->nest->at[x] + a->dim;
}

static void check_memory(checking *c) {
  const rk_nest *nest = c->nest;
  for (int k = 0; k < nest->nodes && !c->rule; k++) {
    if (!is_placed(c, nest->node[k])) continue;
    check_bounds(c, nest->node[k]);
    for (int l = 0; l < k; l++)
      if (is_placed(c, nest->node[l]))
        require(c, !overlap(c, nest->node[k], nest->node[l]),
                "what lives at one time does not overlap", nest->node[k]);
  }
}

/* ---- all ---- */

static void check_all(checking *c) {
  for (int k = 0; k < c->size; k++) c->step[k] = NEVER;
  check_steps(c);
  for (int k = 0; k < c->size; k++) c->last[k] = c->step[k];
  if (!c->rule) check_reading(c);
  if (!c->rule) check_memory(c);
}

rk_status rk_check_nest(const rk_pass *pass, rk_nest_kind kind, rk_error *error) {
  static const char *const level[] = {"parameters", "rows", "columns", "pairs"};
  size_t size = (size_t)rk_graph_size(pass->graph) + 1;
  checking c = {.pass = pass, .nest = &pass->nest[kind], .size = rk_graph_size(pass->graph),
                .step = calloc(size, sizeof *c.step), .order = calloc(size, sizeof *c.order),
                .last = calloc(size, sizeof *c.last), .seen = calloc(size, sizeof *c.seen)};
  int good = c.step && c.order && c.last && c.seen;
  if (good) check_all(&c);
  free(c.step);
  free(c.order);
  free(c.last);
  free(c.seen);
  if (!good) return rk_fail_memory(error, size * sizeof *c.step);
  if (!c.rule) return RK_OK;
  return rk_fail(error, RK_ERROR_INTERNAL, "the nest of %s: %s, not so of n%d", level[kind], c.rule,
                 c.node);
}

#endif
