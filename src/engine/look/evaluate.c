/* See evaluate.h. */
#include "look/evaluate.h"
#include "error.h"

#include <stdlib.h>

enum { LANES = 4, BLOCK = 256, ROOM = 1 << 16 }; /* lanes of floats, rows, doubles in all */

static const double zero[LANES];

/* ---- one node -------------------------------------------------------------------------------- */

static int at_of(const rk_evaluator *e, const rk_node *node) { return e->first[node->number]; }

rk_operand rk_evaluated(const rk_evaluator *e, const rk_node *node, int component) {
  return e->at[at_of(e, node) + (node->dim == 1 ? 0 : component)];
}

void rk_copy_evaluated(const rk_evaluator *e, const rk_node *node, int component, int n,
                       double *to) {
  rk_operand x = rk_evaluated(e, node, component);
  for (int r = 0; r < n; r++) to[r] = x.at[x.step * r];
}

static void move(rk_evaluator *e, const rk_node *node) {
  rk_piece piece[RK_MAX_PIECES];
  int pieces = rk_node_pieces(node, piece), from;
  rk_operand *at = e->at + at_of(e, node);
  for (int c = 0; c < node->dim; c++) {
    at[c] = (rk_operand){zero, 0};
    for (int k = pieces - 1; k >= 0; k--)
      if (rk_piece_source(&piece[k], c, &from))
        at[c] = rk_evaluated(e, node->operand[piece[k].operand], from);
  }
}

static double *store_of(const rk_evaluator *e, const rk_node *node, int component) {
  return e->store + (size_t)(at_of(e, node) + component) * (size_t)e->block;
}

static void fold(rk_evaluator *e, const rk_node *node, int component, int rows) {
  double *s = e->fold, *p = s + e->block;
  rk_operand x[2] = {{zero, 0}, {zero, 0}};
  rk_piece piece[RK_MAX_PIECES];
  int grouped = node->operation->pieces != NULL, to = 0;
  if (grouped) rk_node_pieces(node, piece);
  if (node->operands > 1) x[1] = rk_evaluated(e, node->operand[1], 0);
  rk_fold_start_64(node, rows, s, p);
  for (int k = 0; k < node->operand[0]->dim; k++) {
    if (grouped && !(rk_piece_source(piece, k, &to) && to == component)) continue;
    x[0] = rk_evaluated(e, node->operand[0], k);
    rk_fold_next_64(node, x, k, rows, s, p);
  }
  rk_fold_end_64(node, x, rows, s, p, store_of(e, node, component));
}

static void compute(rk_evaluator *e, const rk_node *node, int rows) {
  int step = node->level != RK_LEVEL_PARAMETER;
  for (int c = 0; c < node->dim; c++) {
    rk_operand x[RK_MAX_OPERANDS] = {{zero, 0}, {zero, 0}, {zero, 0}};
    double *out = store_of(e, node, c);
    if (rk_folds(node)) {
      fold(e, node, c, rows);
    } else {
      for (int k = 0; k < node->operands; k++) x[k] = rk_evaluated(e, node->operand[k], c);
      rk_elementwise_64(node, x, c, rows, out);
    }
    e->at[at_of(e, node) + c] = (rk_operand){out, step};
  }
}

/* Rows that lie one after the other, with room for whole vectors behind them, are read there. */
static void read_rows(rk_evaluator *e, const rk_node *node, int64_t first, int n) {
  const rk_array *x = &e->value[node->variable];
  int direct = x->row_stride == 1 && first + e->block <= x->rows;
  for (int c = 0; c < node->dim; c++) {
    const double *from = x->data + c * x->component_stride;
    double *to = store_of(e, node, c);
    for (int r = 0; r < n && !direct; r++) to[r] = from[(first + r) * x->row_stride];
    e->at[at_of(e, node) + c] = (rk_operand){direct ? from + first : to, 1};
  }
}

static void read_parameter(rk_evaluator *e, const rk_node *node) {
  const rk_array *x = &e->value[node->variable];
  for (int c = 0; c < node->dim; c++)
    e->at[at_of(e, node) + c] = (rk_operand){x->data + c * x->component_stride, 0};
}

static void read_number(rk_evaluator *e, const rk_node *node) {
  e->at[at_of(e, node)] = (rk_operand){&node->value, 0};
}

static void evaluate_node(rk_evaluator *e, const rk_node *node, int64_t first, int n) {
  int is_parameter = node->level == RK_LEVEL_PARAMETER;
  if (rk_node_is(node, RK_OP_Number)) read_number(e, node);
  else if (rk_is_variable(node) && is_parameter) read_parameter(e, node);
  else if (rk_is_variable(node)) read_rows(e, node, first, n);
  else if (rk_moves(node)) move(e, node);
  else compute(e, node, is_parameter ? 1 : n);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

void rk_evaluate(rk_evaluator *e, int64_t first, int n) {
  for (int k = 0; k < e->nodes; k++) evaluate_node(e, e->node[k], first, n);
}

static int choose_block(int components) {
  int block = components ? ROOM / components / LANES * LANES : BLOCK;
  return block < LANES ? LANES : block < BLOCK ? block : BLOCK;
}

static rk_status make_room(rk_evaluator *e, rk_error *error) {
  size_t room = (size_t)(e->components + 2) * (size_t)e->block;
  e->at = calloc((size_t)e->components + 1, sizeof *e->at);
  e->store = calloc(room, sizeof *e->store);
  if (!e->at || !e->store) return rk_fail_memory(error, room * sizeof *e->store);
  e->fold = e->store + (size_t)e->components * (size_t)e->block;
  return RK_OK;
}

rk_status rk_evaluator_begin(rk_evaluator *e, const rk_graph *graph, const rk_array *value,
                             const rk_node *const *root, int roots, rk_error *error) {
  int size = rk_graph_size(graph);
  *e = (rk_evaluator){.value = value};
  unsigned char *needed = rk_graph_needed(graph, root, roots);
  e->node = calloc((size_t)size + 1, sizeof *e->node);
  e->first = calloc((size_t)size + 1, sizeof *e->first);
  for (int k = 0; needed && e->node && e->first && k < size; k++) {
    if (!needed[k]) continue;
    e->node[e->nodes++] = rk_graph_node(graph, k);
    e->first[k] = e->components;
    e->components += rk_graph_node(graph, k)->dim;
  }
  int is_known = needed != NULL;
  free(needed);
  e->block = choose_block(e->components);
  if (!is_known || !e->node || !e->first)
    return rk_fail_memory(error, (size_t)size * sizeof *e->node);
  return make_room(e, error);
}

rk_status rk_evaluator_another(rk_evaluator *e, const rk_evaluator *first, rk_error *error) {
  *e = *first;
  e->is_another = 1;
  return make_room(e, error);
}

void rk_evaluator_end(rk_evaluator *e) {
  if (!e->is_another) {
    free(e->node);
    free(e->first);
  }
  free(e->at);
  free(e->store);
  *e = (rk_evaluator){0};
}
