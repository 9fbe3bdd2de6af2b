/* See enclose.h: the nest of pairs, component by component, for some boxes at a time. */
#include "bound/enclose.h"
#include "bound/loops.h"
#include "error.h"
#include "look/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BOXES = RK_ENCLOSE_BOXES, MOST_COMPONENTS = 4096, MOST_WANTED = 1 << 20 };

/* What is known of a component in all boxes: there are numbers, without NaN; they are within the
 * range of kernels' numbers; there may be NaN. */
enum { NUMBERS = 1, IN_RANGE = 2, SOME_NAN = 4, PLAIN = NUMBERS | IN_RANGE };

/* One component: read from a record, a number, or made of others by an operation. */
typedef struct {
  const rk_node *node;
  const rk_rule *rule;         /* NULL: it is read, or a number */
  rk_loop loop;
  rk_nest_kind level;
  int component, offset;       /* of what is read: its place in the record */
  int first, count;            /* operand[first .. first + count - 1] */
} making;

struct rk_enclosing {
  rk_format format;
  const rk_loops *loops;
  making *made;                /* by component; 0 is the number 0 */
  int *operand;                /* components */
  int components, operands, most;
  int *root[2];                /* by component of a root */
  int end[2], roots;           /* components that the first roots need */
};

/* ---- what has to be done --------------------------------------------------------------------- */

/* While it is found out. */
typedef struct {
  const rk_pass *pass;
  rk_enclosing *s;
  int *first;                  /* by node number: its first component in `at` */
  int *at;                     /* components of `made`; WANTED, or 0: not needed */
  int size, all, known;        /* nodes, components of those that are needed, of them wanted */
} planning;

enum { WANTED = -1 };

typedef struct { const rk_node *node; int component; } source;

/* Down to what is not just moved; node NULL: nothing comes there, it is 0. */
static source source_of(const planning *p, const rk_node *node, int component) {
  rk_piece piece[RK_MAX_PIECES];
  if (node->dim == 1) component = 0;
  while (rk_moves(node) && rk_slot_offset(p->pass, node) < 0) {
    int pieces = rk_node_pieces(node, piece), k = 0, from = 0;
    while (k < pieces && !rk_piece_source(&piece[k], component, &from)) k++;
    if (k == pieces) return (source){NULL, 0};
    node = node->operand[piece[k].operand];
    component = node->dim == 1 ? 0 : from;
  }
  return (source){node, component};
}

static int *place_of(const planning *p, source x) {
  return &p->at[p->first[x.node->number] + x.component];
}

/* Is it made in the nest of pairs? */
static int is_made(const planning *p, const rk_node *node) {
  return !rk_node_is(node, RK_OP_Number) && rk_slot_offset(p->pass, node) < 0;
}

/* A sum of squares of differences, or minus that, is made at once. NULL: it is none. */
static const rk_node *difference_of(const planning *p, const rk_node *sum, int *is_minus) {
  const rk_node *node = sum->operand[0];
  if (!rk_node_is(sum, RK_OP_Sum) && !rk_node_is(sum, RK_OP_scaledsum)) return NULL;
  *is_minus = rk_node_is(sum, RK_OP_Sum) && rk_node_is(node, RK_OP_Minus) && is_made(p, node);
  if (*is_minus) node = node->operand[0];
  if (!rk_node_is(node, RK_OP_Square) || !is_made(p, node)) return NULL;
  node = node->operand[0];
  return rk_node_is(node, RK_OP_Subtract) && is_made(p, node) ? node : NULL;
}

/* Calls `see` for what a component is made of. */
typedef void (*seeing)(planning *p, source x);
static void see_operands(planning *p, const rk_node *node, int component, seeing see) {
  rk_piece piece[RK_MAX_PIECES];
  int is_minus;
  const rk_node *difference = difference_of(p, node, &is_minus);
  if (difference) {
    for (int k = 0; k < 2; k++)
      for (int c = 0; c < difference->dim; c++)
        see(p, source_of(p, difference->operand[k], c));
    if (node->operands > 1) see(p, source_of(p, node->operand[1], 0));
    return;
  }
  int folds = rk_folds(node), grouped = folds && node->operation->pieces, to = 0;
  if (grouped) rk_node_pieces(node, piece);
  for (int c = 0; folds && c < node->operand[0]->dim; c++)
    if (!grouped || (rk_piece_source(piece, c, &to) && to == component))
      see(p, source_of(p, node->operand[0], c));
  for (int k = folds; k < node->operands; k++)
    see(p, source_of(p, node->operand[k], folds ? 0 : component));
}

static void want(planning *p, source x) {
  if (!x.node || *place_of(p, x)) return;
  *place_of(p, x) = WANTED;
  p->known++;
}

static void count_operand(planning *p, source x) {
  (void)x;
  p->s->operands++;
}

static void add_operand(planning *p, source x) {
  p->s->operand[p->s->operands++] = x.node ? *place_of(p, x) : 0;
}

/* All that a root needs, from it downwards: operands have smaller numbers. */
static void want_root(planning *p, const rk_node *root) {
  for (int c = 0; c < root->dim; c++) want(p, source_of(p, root, c));
  for (int k = root->number; k >= 0; k--) {
    const rk_node *node = rk_graph_node(p->pass->graph, k);
    if (p->first[k] < 0 || !is_made(p, node)) continue;
    for (int c = 0; c < node->dim; c++)
      if (p->at[p->first[k] + c] == WANTED) see_operands(p, node, c, want);
  }
}

static void choose_rule(const planning *p, making *m) {
  const rk_loops *loops = p->s->loops;
  int is_minus, is_scaled = rk_node_is(m->node, RK_OP_scaledsum);
  m->rule = rk_rule_of(m->node->operation->op);
  m->loop = loops->of[m->node->operation->op];
  if (!difference_of(p, m->node, &is_minus)) return;
  m->rule = is_scaled ? &rk_scaled_squares : is_minus ? &rk_minus_squares : &rk_squares;
  m->loop = is_scaled ? loops->scaled_squares : is_minus ? loops->minus_squares : loops->squares;
}

static making making_of(const planning *p, const rk_node *node, int component) {
  making m = {.node = node, .component = component, .first = p->s->operands};
  if (is_made(p, node)) {
    choose_rule(p, &m);
  } else if (!rk_node_is(node, RK_OP_Number)) {
    m.level = rk_level_of(p->pass, node);
    m.offset = rk_slot_offset(p->pass, node) + component;
  }
  return m;
}

/* Gives components their numbers, upwards. `made` and `operand` have room. 0: nothing is known of
 * one of them. */
static int make_root(planning *p, const rk_node *root) {
  rk_enclosing *s = p->s;
  for (int k = 0; k <= root->number; k++) {
    const rk_node *node = rk_graph_node(p->pass->graph, k);
    for (int c = 0; p->first[k] >= 0 && c < node->dim; c++) {
      int *at = &p->at[p->first[k] + c];
      if (*at != WANTED) continue;
      making m = making_of(p, node, c);
      if (is_made(p, node)) {
        see_operands(p, node, c, add_operand);
        m.count = s->operands - m.first;
        if (!m.rule) return 0;
        if (m.count > s->most) s->most = m.count;
      }
      *at = s->components;
      s->made[s->components++] = m;
    }
  }
  return 1;
}

static void count_operands(planning *p) {
  for (int k = 0; k < p->size; k++) {
    const rk_node *node = rk_graph_node(p->pass->graph, k);
    for (int c = 0; p->first[k] >= 0 && is_made(p, node) && c < node->dim; c++)
      if (p->at[p->first[k] + c] == WANTED) see_operands(p, node, c, count_operand);
  }
}

/* Room for marks of all components of the nodes that are needed. 1: there is, 0: there are too
 * many, -1: no memory. */
static int mark_nodes(planning *p, const rk_nest *nest) {
  unsigned char *needed = rk_graph_needed(p->pass->graph, nest->root, nest->roots);
  int all = 0;
  p->first = malloc(((size_t)p->size + 1) * sizeof *p->first);
  for (int k = 0; needed && p->first && k < p->size; k++) {
    p->first[k] = needed[k] && all <= MOST_WANTED ? all : -1;
    if (needed[k] && all <= MOST_WANTED) all += rk_graph_node(p->pass->graph, k)->dim;
  }
  int is_known = needed && p->first;
  free(needed);
  p->all = all;
  p->at = calloc((size_t)all + 1, sizeof *p->at);
  return !is_known || !p->at ? -1 : all <= MOST_WANTED;
}

static int make_roots(planning *p, const rk_nest *nest) {
  rk_enclosing *s = p->s;
  int bounded = 1;
  memset(p->at, 0, (size_t)p->all * sizeof *p->at); /* wanted again, root by root */
  s->made = calloc((size_t)p->known + 1, sizeof *s->made);
  s->operand = calloc((size_t)s->operands + 1, sizeof *s->operand);
  if (!s->made || !s->operand) return -1;
  s->made[0].node = NULL;
  s->components = 1;
  s->operands = 0;
  for (int r = 0; r < nest->roots && bounded; r++) {
    const rk_node *root = nest->root[r];
    want_root(p, root);
    bounded = make_root(p, root);
    s->end[r] = s->components;
    s->root[r] = calloc((size_t)root->dim, sizeof **s->root);
    if (!s->root[r]) return -1;
    for (int c = 0; bounded && c < root->dim; c++) {
      source x = source_of(p, root, c);
      s->root[r][c] = x.node ? *place_of(p, x) : 0;
    }
    s->roots += bounded;
  }
  return s->roots > 0;
}

/* As mark_nodes. */
static int plan_all(planning *p) {
  const rk_nest *nest = &p->pass->nest[RK_NEST_PAIR];
  int room = mark_nodes(p, nest);
  if (room <= 0) return room;
  for (int r = 0; r < nest->roots; r++) want_root(p, nest->root[r]);
  if (p->known >= MOST_COMPONENTS) return 0;
  count_operands(p);
  return make_roots(p, nest);
}

/* ---- one operation --------------------------------------------------------------------------- */

static rk_ends ends_of(const rk_encloser *e, int c) {
  double *low = e->ends + (size_t)c * 2 * BOXES;
  return (rk_ends){low, low + BOXES};
}

static unsigned char *nan_of(const rk_encloser *e, int c) { return e->nan + (size_t)c * BOXES; }

static rk_bounds bounds_of(const rk_encloser *e, int c, int k) {
  rk_ends x = ends_of(e, c);
  return (rk_bounds){x.low[k], x.high[k], e->kind[c] & SOME_NAN ? nan_of(e, c)[k] : 0};
}

static void put_bounds(const rk_encloser *e, int c, int k, rk_bounds x) {
  rk_ends to = ends_of(e, c);
  to.low[k] = x.low;
  to.high[k] = x.high;
  nan_of(e, c)[k] = x.nan != 0;
}

/* Loops go over whole vectors. */
static void pad(rk_ends x, int n) {
  for (int k = n; k % RK_BOX_LANES; k++) {
    x.low[k] = x.low[n - 1];
    x.high[k] = x.high[n - 1];
  }
}

/* Finds out what kind of component it is. */
static void settle(rk_encloser *e, int c, int n) {
  double most = e->shared->format.largest;
  rk_ends x = ends_of(e, c);
  unsigned char *nan = nan_of(e, c), some = 0;
  int ordered = 1, ranged = 1;
  for (int k = 0; k < n; k++) {
    some |= nan[k];
    ordered &= x.low[k] <= x.high[k];
    ranged &= x.low[k] >= -most && x.high[k] <= most;
  }
  pad(x, n);
  e->kind[c] = some ? SOME_NAN : ordered ? ranged ? PLAIN : NUMBERS : 0;
}

static void by_function(rk_encloser *e, const making *m, int c, int n) {
  const rk_format *format = &e->shared->format;
  const rk_asked asked = {format, m->node, m->component};
  const int *operand = e->shared->operand + m->first;
  rk_bounds *x = e->room;
  for (int k = 0; k < n; k++) {
    for (int o = 0; o < m->count; o++) x[o] = bounds_of(e, operand[o], k);
    rk_bounds r = rk_bounds_by(m->rule, &asked, x, m->count);
    put_bounds(e, c, k, rk_bounds_widened(format, r, m->rule->ulps));
  }
  settle(e, c, n);
}

/* The ends of what a function of one operand is given: within where it is a number, and where it
 * is even, the sizes. The code of the table makes the rest of them. */
static int given_ends(const making *m, rk_ends x, int n, rk_ends to) {
  const rk_rule *rule = m->rule;
  int is_whole = 1;
  for (int k = 0; k < n; k++) {
    double low = x.low[k], high = x.high[k];
    if (rule->from < rule->to) {
      is_whole &= low >= rule->from && high <= rule->to;
      if (low < rule->from) low = rule->from == 0 ? -0.0 : rule->from;
      if (high > rule->to) high = rule->to;
    } else if (rule->turn == RK_EVEN && low <= high) {
      low = low <= 0 && high >= 0 ? 0 : fmin(fabs(low), fabs(high));
      high = fmax(fabs(x.low[k]), fabs(high));
    }
    to.low[k] = low;
    to.high[k] = high;
  }
  pad(to, n);
  return is_whole;
}

static void evaluate_end(const making *m, const double *x, int n, double *out) {
  const rk_operand at[RK_MAX_OPERANDS] = {{x, 1}, {x, 1}, {x, 1}, {x, 1}};
  rk_elementwise_64(m->node, at, m->component, n, out);
}

/* What is given is outside of where the function is a number: NaN. */
static void settle_ends(rk_encloser *e, const making *m, int c, rk_ends given, rk_ends made,
                        int n) {
  const rk_format *format = &e->shared->format;
  int operand = e->shared->operand[m->first];
  const rk_rule *rule = m->rule;
  for (int k = 0; k < n; k++) {
    rk_bounds x = bounds_of(e, operand, k);
    rk_bounds r = {fmin(made.low[k], made.high[k]), fmax(made.low[k], made.high[k]), x.nan};
    if (rule->from < rule->to) r.nan |= x.low < rule->from || x.high > rule->to;
    if (given.low[k] > given.high[k]) r = (rk_bounds){INFINITY, -INFINITY, 1};
    put_bounds(e, c, k, rk_bounds_widened(format, r, rule->ulps));
  }
  settle(e, c, n);
}

static void by_ends(rk_encloser *e, const making *m, int c, int n) {
  double *room = e->room;
  int operand = e->shared->operand[m->first];
  rk_ends given = {room, room + BOXES}, made = {room + 2 * BOXES, room + 3 * BOXES};
  int is_whole = given_ends(m, ends_of(e, operand), n, given), falls = m->rule->turn == RK_FALLS;
  int is_plain = is_whole && e->kind[operand] == PLAIN;
  const rk_loops *loops = e->shared->loops;
  const rk_format *format = &e->shared->format;
  evaluate_end(m, falls ? given.high : given.low, n, made.low);
  evaluate_end(m, falls ? given.low : given.high, n, made.high);
  for (int k = 0; k < n; k++) /* an exponential that came to 0 is above it */
    if (made.high[k] == 0 && given.high[k] < -1 && m->rule->ulps) made.high[k] = format->tiny;
  if (is_plain && (m->rule->ulps ? loops->widen(format, m->rule->ulps, made, n, ends_of(e, c))
                                 : loops->read(format, made.low, made.high, 1, n, ends_of(e, c))))
    e->kind[c] = PLAIN;
  else
    settle_ends(e, m, c, given, made, n);
}

static int by_loop(rk_encloser *e, const making *m, int c, int n) {
  const int *operand = e->shared->operand + m->first;
  rk_ends *x = e->room;
  int kind = PLAIN, needed = m->rule->ulps ? PLAIN : NUMBERS;
  for (int o = 0; o < m->count; o++) {
    kind &= e->kind[operand[o]];
    x[o] = ends_of(e, operand[o]);
  }
  if ((kind & needed) != needed) return 0;
  e->kind[c] = (unsigned char)kind;
  return m->loop(&e->shared->format, x, m->count, n, ends_of(e, c));
}

static void make_component(rk_encloser *e, const making *m, int c, int n) {
  if (m->loop && by_loop(e, m, c, n)) return;
  if (m->rule->by) by_function(e, m, c, n);
  else by_ends(e, m, c, n);
}

/* ---- what is read ---------------------------------------------------------------------------- */

static void read_number(rk_encloser *e, double value, int c, int n) {
  const rk_enclosing *s = e->shared;
  int is_plain = s->loops->read(&s->format, &value, &value, 0, n, ends_of(e, c));
  e->kind[c] = is_plain ? PLAIN : NUMBERS;
}

static void read_boxes(rk_encloser *e, const rk_slot_boxes *x, int c, int n) {
  unsigned char *nan = nan_of(e, c);
  const rk_enclosing *s = e->shared;
  int plain = s->loops->read(&s->format, x->low, x->high, x->step, n, ends_of(e, c));
  e->kind[c] = PLAIN;
  if (plain && !x->nan) return;
  for (int k = 0; k < n; k++) {
    int at = k * x->step;
    nan[k] = (x->nan && x->nan[at]) || !(x->low[at] <= x->high[at]);
  }
  e->kind[c] = memchr(nan, 1, (size_t)n) ? SOME_NAN : plain ? PLAIN : NUMBERS;
}

/* A parameter that is NaN has no place among numbers. */
static void read_parameter(rk_encloser *e, double value, int c, int n) {
  static const double none[] = {INFINITY, -INFINITY};
  static const unsigned char nan = 1;
  if (!isnan(value)) read_number(e, value, c, n);
  else read_boxes(e, &(rk_slot_boxes){&none[0], &none[1], &nan, 0}, c, n);
}

static double number_of(const rk_encloser *e, const rk_node *node) {
  double value = node ? node->value : 0;
  return e->shared->format.is_float ? (float)value : value;
}

void rk_enclose(rk_encloser *e, const double *parameters, const rk_slot_boxes *rows,
                const rk_slot_boxes *columns, int n, int roots) {
  const making *made = e->shared->made;
  int end = roots ? e->shared->end[roots - 1] : 0;
  for (int c = 0; c < end; c++) {
    const making *m = &made[c];
    if (m->rule) make_component(e, m, c, n);
    else if (!m->node || rk_node_is(m->node, RK_OP_Number))
      read_parameter(e, number_of(e, m->node), c, n);
    else if (m->level == RK_NEST_PARAMETER) read_parameter(e, parameters[m->offset], c, n);
    else read_boxes(e, (m->level == RK_NEST_ROW ? rows : columns) + m->offset, c, n);
  }
}

rk_enclosed rk_enclosed_root(const rk_encloser *e, int root, int component) {
  int c = e->shared->root[root][component];
  rk_ends x = ends_of(e, c);
  return (rk_enclosed){x.low, x.high, e->kind[c] & SOME_NAN ? nan_of(e, c) : NULL};
}

double rk_enclosed_narrowed(const rk_encloser *e, int k) {
  double narrowed = 0;
  for (int c = 0; c < e->shared->end[0]; c++) {
    const making *m = &e->shared->made[c];
    rk_ends x = ends_of(e, c);
    double all = x.high[0] - x.low[0], left = x.high[k] - x.low[k];
    if (m->rule && m->node->dim == 1 && all > 0 && all < INFINITY && left < all)
      narrowed += (all - left) / all;
  }
  return narrowed;
}

/* ---- memory ---------------------------------------------------------------------------------- */

static rk_status make_room(rk_encloser *e, rk_error *error) {
  size_t components = (size_t)e->components + 1, most = (size_t)e->shared->most + 1;
  size_t room = most * sizeof(rk_bounds) + 4 * BOXES * sizeof(double);
  e->ends = calloc(components * 2 * BOXES, sizeof *e->ends);
  e->nan = calloc(components, BOXES);
  e->kind = calloc(components, 1);
  e->room = calloc(room, 1);
  if (e->ends && e->nan && e->kind && e->room) return RK_OK;
  return rk_fail_memory(error, components * 2 * BOXES * sizeof *e->ends);
}

rk_status rk_encloser_begin(rk_encloser *e, const rk_pass *pass, rk_error *error) {
  *e = (rk_encloser){.shared = calloc(1, sizeof *e->shared)};
  if (!e->shared) return rk_fail_memory(error, sizeof *e->shared);
  planning p = {.pass = pass, .s = e->shared, .size = rk_graph_size(pass->graph)};
  e->shared->format = rk_format_of(pass->options.precision);
  e->shared->loops = rk_loops_here();
  int done = pass->options.fast_math ? 0 : plan_all(&p);
  free(p.first);
  free(p.at);
  if (done < 0) return rk_fail_memory(error, ((size_t)p.size + (size_t)p.known) * sizeof(making));
  e->is_bounded = done;
  e->roots = e->shared->roots;
  e->components = e->shared->components;
  return make_room(e, error);
}

rk_status rk_encloser_another(rk_encloser *e, const rk_encloser *first, rk_error *error) {
  *e = *first;
  e->is_another = 1;
  return make_room(e, error);
}

void rk_encloser_end(rk_encloser *e) {
  if (!e->is_another && e->shared) {
    free(e->shared->made);
    free(e->shared->operand);
    for (int r = 0; r < 2; r++) free(e->shared->root[r]);
    free(e->shared);
  }
  free(e->ends);
  free(e->nan);
  free(e->kind);
  free(e->room);
  *e = (rk_encloser){0};
}
