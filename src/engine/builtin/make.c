/* A nest as a list of loops over a tile: its steps in their order, component by component. While it
 * is made each value has a number of its own, which place.c replaces by a place. */
#include "builtin/program.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A component of a node: there for good, or for the component at hand. */
typedef struct { int round; rk_at at; } made_value;
enum { NOT_YET = 0, FOR_GOOD = -1 };

typedef struct {
  rk_tile_program *made;
  const rk_pass *pass;
  const rk_nest *nest;
  rk_tile_shape shape;
  int *first;                /* by node number: its first component in `value` */
  made_value *value;
  rk_at *place;              /* by node number: positions of a fold while it runs */
  int round;
} making;

/* ---- the list -------------------------------------------------------------------------------- */

static const rk_at nowhere = {RK_AT_NUMBER, 0};

static rk_at new_tile(making *m) { return (rk_at){RK_AT_TILE, m->made->tiles++}; }

static rk_instruction *add(making *m, rk_tile_loop loop, rk_at to) {
  static rk_instruction lost;
  rk_tile_program *made = m->made;
  if (made->count == made->room) {
    int room = made->room ? 2 * made->room : 32;
    rk_instruction *larger = realloc(made->list, (size_t)room * sizeof *larger);
    if (!larger) {
      made->failed = 1;
      return &lost;
    }
    made->list = larger;
    made->room = room;
  }
  rk_instruction *in = &made->list[made->count++];
  *in = (rk_instruction){.loop = loop, .to = to, .x = {nowhere, nowhere, nowhere, nowhere}};
  return in;
}

static rk_at number(making *m, double value) {
  rk_tile_program *made = m->made;
  for (int k = 0; k < made->numbers; k++)
    if (!memcmp(&made->number[k], &value, sizeof value)) return (rk_at){RK_AT_NUMBER, k};
  double *larger = realloc(made->number, (size_t)(made->numbers + 1) * sizeof *larger);
  if (!larger) {
    made->failed = 1;
    return nowhere;
  }
  made->number = larger;
  made->number[made->numbers] = value;
  return (rk_at){RK_AT_NUMBER, made->numbers++};
}

static rk_at loop_1(making *m, rk_tile_loop loop, rk_at x) {
  rk_instruction *in = add(m, loop, nowhere);
  in->x[0] = x;
  return in->to = new_tile(m);
}

/* ---- components ------------------------------------------------------------------------------ */

static rk_at component_of(making *m, const rk_node *node, int component);

static rk_place place_of(const making *m, const rk_node *node) {
  return (rk_place)m->nest->place[node->number];
}

static int is_stored(const making *m, const rk_node *node) {
  rk_place place = place_of(m, node);
  return place == RK_PANEL || (place == RK_ELSEWHERE && rk_slot_offset(m->pass, node) >= 0);
}

static rk_at slot_of(const making *m, const rk_node *node, int component) {
  int at = rk_slot_offset(m->pass, node) + component;
  rk_nest_kind level = rk_level_of(m->pass, node);
  if (level == RK_NEST_PARAMETER) return (rk_at){RK_AT_PARAMETER, at};
  int kept = m->shape.axis == RK_LANES_KEPT;
  return (level == RK_NEST_ROW) == kept ? (rk_at){RK_AT_LANES, at * m->shape.lanes}
                                        : (rk_at){RK_AT_OUTER, at};
}

static made_value *value_of(making *m, const rk_node *node, int component) {
  return &m->value[m->first[node->number] + component];
}

static rk_at computed(making *m, const rk_node *node, int component) {
  rk_at x[RK_AT_MOST] = {nowhere, nowhere, nowhere, nowhere};
  for (int k = 0; k < node->operands; k++) x[k] = component_of(m, node->operand[k], component);
  rk_instruction *in = add(m, m->made->loops->of[node->operation->op], nowhere);
  memcpy(in->x, x, sizeof x);
  in->n = node->integer[0];
  in->m = node->integer[1];
  in->k = component;
  return in->to = new_tile(m);
}

static rk_at read_input(making *m, const rk_node *node, int component) {
  rk_instruction *in = add(m, m->made->loops->read, nowhere);
  in->n = rk_variable_index(m->pass, node->variable);
  in->k = component;
  return in->to = new_tile(m);
}

/* Where a component of a node that moves them comes from; NULL: it is 0. */
static const rk_node *origin_of(const rk_node *node, int *component) {
  rk_piece piece[RK_MAX_PIECES];
  int pieces = rk_node_pieces(node, piece);
  for (int k = 0; k < pieces; k++)
    if (rk_piece_source(&piece[k], *component, component)) return node->operand[piece[k].operand];
  return NULL;
}

static rk_at component_of(making *m, const rk_node *node, int component) {
  while (rk_moves(node) && !is_stored(m, node)) {
    if (node->dim == 1) component = 0; /* a scalar is every component of a vector */
    node = origin_of(node, &component);
    if (!node) return number(m, 0);
  }
  if (node->dim == 1) component = 0;
  if (rk_node_is(node, RK_OP_Number)) return number(m, node->value);
  if (place_of(m, node) == RK_ELSEWHERE) return slot_of(m, node, component);
  made_value *value = value_of(m, node, component);
  if (value->round == FOR_GOOD || value->round == m->round) return value->at;
  rk_at at = rk_is_variable(node) ? read_input(m, node, component) : computed(m, node, component);
  value->round = m->round;
  value->at = at;
  return at;
}

static void keep(making *m, const rk_node *node, int component, rk_at at) {
  *value_of(m, node, component) = (made_value){FOR_GOOD, at};
}

/* ---- steps ----------------------------------------------------------------------------------- */

static int ends_with(const rk_node *fold, const char *text) {
  return !strcmp(fold->operation->end, text);
}

/* Its sums, or what else it keeps, are values that change. */
static void start_fold(making *m, const rk_node *node) {
  rk_op op = node->operation->op;
  for (int c = 0; c < node->dim; c++) {
    rk_at state = new_tile(m);
    add(m, m->made->loops->start[op], state);
    keep(m, node, c, state);
  }
  if (ends_with(node, "p")) m->place[node->number] = loop_1(m, m->made->loops->fill, number(m, 0));
}

static void advance_fold(making *m, const rk_node *node, int component) {
  rk_op op = node->operation->op;
  rk_piece piece[RK_MAX_PIECES];
  int to = 0;
  if (node->operation->pieces) {
    rk_node_pieces(node, piece);
    if (!rk_piece_source(piece, component, &to)) return;
  }
  rk_at x = component_of(m, node->operand[0], component), state = value_of(m, node, to)->at;
  if (ends_with(node, "p")) {
    rk_instruction *in = add(m, m->made->loops->place[op], m->place[node->number]);
    in->x[0] = x;
    in->x[1] = state;
    in->k = component;
  }
  rk_instruction *in = add(m, m->made->loops->next[op], state);
  in->x[0] = x;
}

static void end_fold(making *m, const rk_node *node) {
  if (node->operation->pieces || ends_with(node, "s")) return;
  if (ends_with(node, "p")) {
    keep(m, node, 0, m->place[node->number]);
    return;
  }
  rk_at x[] = {value_of(m, node, 0)->at, nowhere};
  if (node->operands > 1) x[1] = component_of(m, node->operand[1], 0);
  rk_instruction *in = add(m, m->made->loops->end[node->operation->op], nowhere);
  in->x[0] = x[0];
  in->x[1] = x[1];
  in->to = new_tile(m);
  keep(m, node, 0, in->to);
}

/* A value that a step makes, of a node that may only move: it is computed here, though readers find
 * it where it is kept. */
static void make_value(making *m, const rk_node *node, int component) {
  const rk_node *from = node;
  int at = component;
  if (rk_moves(node)) {
    from = origin_of(node, &at);
    keep(m, node, component, from ? component_of(m, from, at) : number(m, 0));
  } else {
    keep(m, node, component, computed(m, node, component));
  }
}

static void make_step(making *m, const rk_step *step) {
  const rk_node *const *node = m->nest->node + step->first;
  m->round++;
  for (int k = 0; k < step->count && !step->dim; k++) make_value(m, node[k], 0);
  for (int k = 0; k < step->count && step->dim; k++)
    if (rk_folds(node[k])) start_fold(m, node[k]);
  for (int c = 0; c < step->dim; c++) {
    m->round++;
    for (int k = 0; k < step->count; k++) {
      if (rk_folds(node[k])) advance_fold(m, node[k], c);
      else make_value(m, node[k], c);
    }
  }
  for (int k = 0; k < step->count && step->dim; k++)
    if (rk_folds(node[k])) end_fold(m, node[k]);
}

/* ---- what becomes of the values -------------------------------------------------------------- */

static void fill_records(making *m) {
  const rk_slots *slots = &m->pass->slots[m->nest->kind];
  int narrow = m->nest->kind != RK_NEST_PARAMETER && m->pass->options.precision != RK_FLOAT64;
  for (int s = 0; s < slots->count; s++)
    for (int c = 0; c < slots->slot[s].node->dim; c++) {
      m->round++;
      rk_at x = component_of(m, slots->slot[s].node, c);
      rk_instruction *in = add(m, m->made->loops->give[narrow], nowhere);
      in->x[0] = x;
      in->k = slots->slot[s].offset + c;
    }
}

/* Of pairs that take no part a value that changes nothing. */
static rk_at masked(making *m, const rk_at *mask, rk_at x, double neutral) {
  if (!mask) return x;
  rk_at absent = number(m, neutral);
  rk_instruction *in = add(m, m->made->loops->keep, nowhere);
  in->x[0] = x;
  in->x[1] = *mask;
  in->x[2] = absent;
  return in->to = new_tile(m);
}

static rk_at weigh(making *m, const rk_sum_loops *sums, const rk_at *mask) {
  rk_at exponent = component_of(m, m->pass->reduction->operand[0], 0);
  return loop_1(m, sums->weigh, masked(m, mask, exponent, -INFINITY));
}

static void enter_sums(making *m, const rk_at *mask) {
  const rk_summing summing = rk_summing_of(m->pass);
  const rk_sum_loops *sums = &m->made->loops->sums[summing.longs];
  const int head = m->pass->reduction->reduction->has_head;
  const rk_node *formula = m->pass->reduction->operand[head];
  rk_at weight = head ? weigh(m, sums, mask) : nowhere;
  for (int c = 0; c < m->pass->state.components; c++) {
    m->round++;
    rk_at term = component_of(m, formula, c);
    if (head && !rk_is_number(formula, 1)) {
      rk_instruction *in = add(m, m->made->loops->of[RK_OP_Mult], nowhere);
      in->x[0] = weight;
      in->x[1] = term;
      term = in->to = new_tile(m);
    } else if (head) {
      term = weight;
    }
    term = masked(m, mask, term, 0);
    rk_instruction *in = add(m, summing.each ? sums->each : m->made->loops->sum, nowhere);
    in->x[0] = term;
    in->k = c;
  }
}

static void enter_lists(making *m, const rk_at *mask) {
  const rk_reduction *entry = m->pass->reduction->reduction;
  const rk_list_loops *list = &m->made->loops->lists[entry->entering];
  rk_tile_loop enter = entry->entering == RK_ENTERING_NONE ? rk_merge_enter
                       : m->shape.reorders                 ? list->enter_of_any
                                                           : list->enter;
  for (int c = 0; c < m->pass->state.components; c++) {
    m->round++;
    rk_at x = component_of(m, m->pass->reduction->operand[0], c);
    x = masked(m, mask, x, entry->neutral);
    rk_instruction *in = add(m, enter, nowhere);
    in->x[0] = x;
    in->k = c;
  }
}

static void enter_state(making *m) {
  rk_at mask, *const masks = m->shape.masks ? &mask : NULL;
  m->round++;
  if (masks) {
    mask = new_tile(m);
    add(m, m->made->loops->masks, mask);
  }
  if (rk_keeps_values(m->pass->reduction->reduction)) enter_lists(m, masks);
  else enter_sums(m, masks);
}

/* What would be summed, component by component. */
static void give_values(making *m) {
  for (int c = 0; c < m->pass->state.components; c++) {
    m->round++;
    rk_at x = component_of(m, m->pass->reduction->operand[0], c);
    rk_instruction *in = add(m, m->made->loops->give[0], nowhere);
    in->x[0] = x;
    in->k = c;
  }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int make_memory(making *m) {
  size_t size = (size_t)m->nest->numbers, components = 0;
  m->first = calloc(size + 1, sizeof *m->first);
  m->place = calloc(size + 1, sizeof *m->place);
  for (size_t k = 0; k < size && m->first; k++) {
    m->first[k] = (int)components;
    if (m->nest->place[k] != RK_ELSEWHERE)
      components += (size_t)rk_graph_node(m->pass->graph, (int)k)->dim;
  }
  m->value = calloc(components + 1, sizeof *m->value);
  return m->first && m->place && m->value;
}

/* Numbers in the type of the loops, in the same memory. */
static void narrow_numbers(rk_tile_program *made) {
  float *narrow = (float *)made->number;
  for (int k = 0; k < made->numbers && made->loops->size == 4; k++) {
    const float value = (float)made->number[k];
    memcpy(&narrow[k], &value, sizeof value);
  }
}

void rk_make_program(rk_tile_program *made, const rk_pass *pass, rk_nest_kind kind,
                     rk_tile_shape shape) {
  making m = {.made = made, .pass = pass, .nest = &pass->nest[kind], .shape = shape};
  made->lanes = shape.lanes;
  made->outer = shape.outer;
  if (make_memory(&m)) {
    number(&m, 0);
    for (int s = 0; s < m.nest->steps; s++) make_step(&m, &m.nest->step[s]);
    made->steps = made->count;
    if (kind != RK_NEST_PAIR) fill_records(&m);
    else if (shape.gives) give_values(&m);
    else enter_state(&m);
  } else {
    made->failed = 1;
  }
  free(m.first);
  free(m.place);
  free(m.value);
  if (made->failed) return;
  rk_fuse_loops(made);
  if (made->failed) return;
  rk_place_values(made, shape.bytes);
  narrow_numbers(made);
}
