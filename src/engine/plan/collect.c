/* Sums over values of rows, of columns and of pairs, in float32: what is of one index is summed by
 * itself, in double while packing, and pairs see the difference of both sums.
 *
 *     ((x - y) + u) - v  is  (x + u) - (y + v)        x, u of a row, y, v of a column
 *     x + y              is  x - (-y)
 *
 * So terms that cancel do so before they are rounded, and join.c gives both sides a common centre.
 * A pair takes as many operations as before, or fewer. What something else reads, too, stays one
 * term, and so does what earlier passes made: that is rounded already.
 */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"

#include <stdlib.h>

/* The sums of what a sum has of each kind: rows and columns are I and J, whichever is reduced. */
typedef enum { ROWS, COLUMNS, PARAMETERS, REST, SIDES } side;

typedef struct { const rk_node *node; int is_minus; } term;

typedef struct {
  rk_graph *graph;
  int size;                 /* nodes before any is made */
  unsigned char *is_given;  /* by node number, as the next three */
  int *uses;                /* readers */
  unsigned char *is_inner;  /* a term of another sum, which alone reads it */
  const rk_node **made;
  term *list;               /* the terms of one sum; room for as many as there are nodes */
  rk_error *error;
} collecting;

static int is_sum(const rk_node *node) {
  return node->level == RK_LEVEL_PAIR && !node->is_logical && !node->reduction &&
         (rk_node_is(node, RK_OP_Add) || rk_node_is(node, RK_OP_Subtract) ||
          rk_node_is(node, RK_OP_Minus));
}

static side side_of(const collecting *c, const rk_node *node) {
  if (node->is_logical || !c->is_given[node->number]) return REST;
  switch (node->level) {
    case RK_LEVEL_I: return ROWS;
    case RK_LEVEL_J: return COLUMNS;
    case RK_LEVEL_PAIR: return REST;
    default: return PARAMETERS;
  }
}

/* The terms of a sum; sums that are terms of it alone are opened, where they stand. */
static int list_terms(const collecting *c, const rk_node *sum) {
  int count = 1;
  c->list[0] = (term){sum, 0};
  for (int k = 0; k < count;) {
    const term t = c->list[k];
    if (!is_sum(t.node) || (t.node != sum && !c->is_inner[t.node->number])) {
      k++;
      continue;
    }
    c->list[k].node = t.node->operand[0];
    c->list[k].is_minus = t.is_minus ^ rk_node_is(t.node, RK_OP_Minus);
    if (t.node->operands == 2)
      c->list[count++] = (term){t.node->operand[1],
                                t.is_minus ^ rk_node_is(t.node, RK_OP_Subtract)};
  }
  return count;
}

/* `sum` and one term more; NULL is no term yet. */
static const rk_node *with_term(collecting *c, const rk_node *sum, const rk_node *node, int minus) {
  if (!sum) return minus ? rk_apply1(c->graph, RK_OP_Minus, node, c->error) : node;
  return rk_apply2(c->graph, minus ? RK_OP_Subtract : RK_OP_Add, sum, node, c->error);
}

/* Of the terms of one side; of columns the opposite. *failed: there was an error. */
static const rk_node *sum_of(collecting *c, int count, side which, const rk_node *sum,
                             int *failed) {
  for (int k = 0; k < count && !*failed; k++) {
    const term *t = &c->list[k];
    if (side_of(c, t->node) != which) continue;
    sum = with_term(c, sum, c->made[t->node->number], t->is_minus ^ (which == COLUMNS));
    *failed = !sum;
  }
  return sum;
}

/* As it stands: a - (-b) would become a + b. */
static const rk_node *difference(collecting *c, const rk_node *rows, const rk_node *columns) {
  const rk_node wanted = {.operation = rk_operation_of(RK_OP_Subtract), .level = RK_LEVEL_PAIR,
                          .operands = 2, .operand = {rows, columns},
                          .dim = rows->dim > columns->dim ? rows->dim : columns->dim};
  return rk_graph_intern(c->graph, &wanted);
}

/* Is there something to collect: terms of both sides that are not one difference by themselves? */
static int is_worth_it(const collecting *c, int count) {
  int terms[SIDES] = {0}, apart = 0;
  for (int k = 0; k < count; k++) {
    side s = side_of(c, c->list[k].node);
    terms[s]++;
    if (s == ROWS || s == COLUMNS) apart += c->list[k].is_minus ? -1 : 1;
  }
  if (!terms[ROWS] || !terms[COLUMNS]) return 0;
  return terms[ROWS] + terms[COLUMNS] > 2 || terms[PARAMETERS] || apart || terms[REST];
}

static const rk_node *collected(collecting *c, const rk_node *node) {
  int count = list_terms(c, node), failed = 0;
  if (!is_worth_it(c, count)) return rk_rebuilt(c->graph, node, c->made, c->error);
  const rk_node *rows = sum_of(c, count, ROWS, NULL, &failed);
  const rk_node *columns = sum_of(c, count, COLUMNS, NULL, &failed);
  const rk_node *numbers = sum_of(c, count, PARAMETERS, NULL, &failed);
  if (failed) return NULL;
  int moves = numbers && numbers->dim <= rows->dim;
  if (moves) rows = with_term(c, rows, numbers, 0);
  const rk_node *sum = rows ? difference(c, rows, columns) : NULL;
  if (sum && numbers && !moves) sum = with_term(c, sum, numbers, 0);
  failed = !sum;
  return failed ? NULL : sum_of(c, count, REST, sum, &failed);
}

static void count_uses(collecting *c, const unsigned char *needed) {
  for (int k = 0; k < c->size; k++) {
    const rk_node *node = rk_graph_node(c->graph, k);
    if (!needed[k]) continue;
    c->is_given[k] = (unsigned char)rk_is_of_data(c->graph, node, c->is_given);
    for (int o = 0; o < node->operands; o++) c->uses[node->operand[o]->number]++;
  }
  for (int k = 0; k < c->size; k++) {
    const rk_node *node = rk_graph_node(c->graph, k);
    for (int o = 0; needed[k] && is_sum(node) && o < node->operands; o++)
      c->is_inner[node->operand[o]->number] = c->uses[node->operand[o]->number] == 1;
  }
}

static const rk_node *make_all(collecting *c, const unsigned char *needed) {
  for (int k = 0; k < c->size; k++) {
    const rk_node *node = rk_graph_node(c->graph, k);
    if (!needed[k]) continue;
    c->made[k] = is_sum(node) && !c->is_inner[k] ? collected(c, node)
                                                 : rk_rebuilt(c->graph, node, c->made, c->error);
    if (!c->made[k]) return NULL;
  }
  return c->made[c->size - 1];
}

rk_status rk_collect(rk_pass *pass, rk_error *error) {
  if (pass->options.precision != RK_FLOAT32) return RK_OK;
  const int size = pass->reduction->number + 1;
  const size_t room = (size_t)size + 1;
  unsigned char *needed = rk_graph_needed(pass->graph, &pass->reduction, 1);
  collecting c = {pass->graph, size, calloc(room, 1), calloc(room, sizeof *c.uses),
                  calloc(room, 1), calloc(room, sizeof *c.made), calloc(room, sizeof *c.list),
                  error};
  const rk_node *result = NULL;
  if (needed && c.is_given && c.uses && c.is_inner && c.made && c.list) {
    count_uses(&c, needed);
    result = make_all(&c, needed);
  }
  free(needed);
  free(c.is_given);
  free(c.uses);
  free(c.is_inner);
  free(c.made);
  free(c.list);
  if (!result) return error->status ? error->status : rk_fail_memory(error, room * sizeof *c.made);
  pass->reduction = result;
  return RK_OK;
}
