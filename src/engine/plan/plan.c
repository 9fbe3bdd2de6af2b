/* Levels, slots and steps of a pass. See plan.h. */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"

#include <stdlib.h>
#include <string.h>

enum {
  CHEAP = 4,   /* operations below which a vector's component is computed again where used */
  DEEP = 200   /* operations inside each other that are computed where used: the emitter recurs */
};

/* ---- levels and slots ---- */

rk_nest_kind rk_level_of(const rk_pass *pass, const rk_node *node) {
  if (node->level == RK_LEVEL_PARAMETER) return RK_NEST_PARAMETER;
  if (node->level == RK_LEVEL_PAIR) return RK_NEST_PAIR;
  return node->level == pass->reduction->level ? RK_NEST_ROW : RK_NEST_COLUMN;
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

static int is_number(const rk_node *node) { return node->operation == &rk_operation_number; }
static int is_variable(const rk_node *node) { return node->operation == &rk_operation_variable; }
static int moves(const rk_node *node) {
  return node->operation && node->operation->kind == RK_PIECES;
}
static int folds(const rk_node *node) {
  return node->operation && node->operation->kind == RK_FOLD;
}

/* Pieces that repeat their operand break the simple order of components. */
static int wraps(const rk_node *node) {
  rk_piece piece[RK_MAX_PIECES];
  int count = rk_node_pieces(node, piece);
  for (int k = 0; k < count; k++)
    if (node->operand[piece[k].operand]->dim > 1 &&
        (piece[k].divide != 1 || piece[k].length > piece[k].modulo))
      return 1;
  return 0;
}

static int add_slot(rk_pass *pass, const rk_node *node) {
  if (rk_slot_offset(pass, node) >= 0) return 1;
  rk_slots *slots = &pass->slots[rk_level_of(pass, node)];
  rk_slot *larger = realloc(slots->slot, (size_t)(slots->count + 1) * sizeof *larger);
  if (!larger) return 0;
  slots->slot = larger;
  slots->slot[slots->count++] = (rk_slot){node, slots->size};
  slots->size += node->dim;
  return 1;
}

static int add_variable(rk_pass *pass, int variable) {
  if (rk_variable_index(pass, variable) >= 0) return 1;
  int *larger = realloc(pass->variable, (size_t)(pass->variables + 1) * sizeof *larger);
  if (!larger) return 0;
  pass->variable = larger;
  pass->variable[pass->variables++] = variable;
  return 1;
}

/* ---- one nest ---- */

typedef struct {
  rk_pass *pass;
  rk_nest *nest;
  unsigned char *inside;  /* by node number: evaluated by this nest */
  int *uses;              /* by node number: readers in this nest */
  int *depth;             /* by node number: operations inside each other, all inline */
  int *ready;             /* by node number: the step after which the value is there */
  int size;
  int failed;
} nesting;

/* A value that only moves components of another level is not stored again: its reader moves. */
static int stored_elsewhere(const nesting *n, const rk_node *node) {
  return !moves(node) && !is_number(node) && rk_level_of(n->pass, node) != n->nest->kind;
}

static void include(nesting *n, const rk_node *root) {
  if (is_number(root)) return;
  if (stored_elsewhere(n, root)) {
    if (!add_slot(n->pass, root)) n->failed = 1;
    return;
  }
  n->inside[root->number] = 1;
}

static void collect(nesting *n) {
  for (int r = 0; r < n->nest->roots; r++) {
    include(n, n->nest->root[r]);
    n->uses[n->nest->root[r]->number]++;
  }
  for (int k = n->size - 1; k >= 0; k--) {
    if (!n->inside[k]) continue;
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    if (is_variable(node) && !add_variable(n->pass, node->variable)) n->failed = 1;
    for (int o = 0; o < node->operands; o++) {
      include(n, node->operand[o]);
      n->uses[node->operand[o]->number]++;
    }
  }
}

static double own_cost(const rk_node *node) {
  if (!node->operation || node->operation->kind != RK_ELEMENTWISE) return 0;
  if (!strncmp(node->operation->code, "rk_exp2", 7)) return 11;
  if (strstr(node->operation->code, "rk_num") || !strstr(node->operation->code, "rk_")) return 1;
  return strstr(node->operation->code, "rk_select") || strstr(node->operation->code, "rk_abs") ? 2
                                                                                              : 15;
}

int rk_is_library_call(const rk_node *node) {
  static const char *const few[] = {"rk_sqrt", "rk_rsqrt", "rk_floor", "rk_round", "rk_sign",
                                    "rk_step", "rk_relu",  "rk_powi",  "rk_min",   "rk_max"};
  if (own_cost(node) < 15) return 0;
  for (size_t k = 0; k < sizeof few / sizeof *few; k++)
    if (strstr(node->operation->code, few[k])) return 0;
  return 1;
}

static int needs_panel(const nesting *n, const rk_node *node) {
  return node->dim > 1 && !is_variable(node) &&
         ((n->uses[node->number] > 1 && n->nest->each[node->number] >= CHEAP) ||
          n->depth[node->number] >= DEEP);
}

/* Operands of a repetition must be stored, or their components cannot be told apart by position. */
static void store_repeated(nesting *n, const rk_node *node) {
  if (!moves(node) || !wraps(node)) return;
  const rk_node *operand = node->operand[0];
  if (n->inside[operand->number] && operand->dim > 1 && !is_variable(operand))
    n->nest->place[operand->number] = RK_PANEL;
}

static void place_nodes(nesting *n) {
  for (int k = 0; k < n->size; k++) {
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    if (!n->inside[k]) continue;
    store_repeated(n, node);
    n->nest->each[k] = own_cost(node);
    n->ready[k] = 0;
    n->depth[k] = 1;
    for (int o = 0; o < node->operands; o++) {
      int other = node->operand[o]->number;
      if (!n->inside[other]) continue;
      if (n->nest->place[other] == RK_INLINE) {
        n->nest->each[k] += n->nest->each[other];
        if (n->depth[other] >= n->depth[k]) n->depth[k] = n->depth[other] + 1;
      }
      if (n->ready[other] > n->ready[k]) n->ready[k] = n->ready[other];
    }
    unsigned char *place = &n->nest->place[k];
    if (folds(node)) *place = RK_SCALAR;
    else if (node->dim == 1 && !moves(node) && !is_variable(node)) *place = RK_LOCAL;
    else if (needs_panel(n, node)) *place = RK_PANEL;
    else *place = RK_INLINE;
  }
  for (int k = n->size - 1; k >= 0; k--)
    if (n->inside[k]) store_repeated(n, rk_graph_node(n->pass->graph, k));
}

/* Folds and panels are ready one step after what they read. */
static void time_nodes(nesting *n) {
  for (int k = 0; k < n->size; k++) {
    if (!n->inside[k]) continue;
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    n->ready[k] = 0;
    for (int o = 0; o < node->operands; o++) {
      int other = node->operand[o]->number;
      if (n->inside[other] && n->ready[other] > n->ready[k]) n->ready[k] = n->ready[other];
    }
    n->ready[k] += folds(node) || n->nest->place[k] == RK_PANEL;
  }
}

static int is_step_node(const nesting *n, int k) {
  return n->inside[k] && n->nest->place[k] != RK_INLINE && n->nest->place[k] != RK_ELSEWHERE;
}

static int loop_dim(const nesting *n, const rk_node *node) {
  if (folds(node)) return node->operand[0]->dim;
  return n->nest->place[node->number] == RK_PANEL ? node->dim : 0;
}

static void add_step(nesting *n, int ready, int dim) {
  rk_nest *nest = n->nest;
  int first = nest->nodes;
  for (int k = 0; k < n->size; k++) {
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    if (is_step_node(n, k) && n->ready[k] == ready && loop_dim(n, node) == dim)
      nest->node[nest->nodes++] = node;
  }
  if (nest->nodes > first) nest->step[nest->steps++] = (rk_step){dim, first, nest->nodes - first};
}

/* Loops first (what is ready at a time are the folds that end there), then the scalars. */
static void order_steps(nesting *n) {
  int last = 0;
  for (int k = 0; k < n->size; k++)
    if (n->inside[k] && n->ready[k] > last) last = n->ready[k];
  for (int ready = 0; ready <= last; ready++) {
    for (int k = 0; k < n->size; k++) {
      if (!is_step_node(n, k) || n->ready[k] != ready) continue;
      int dim = loop_dim(n, rk_graph_node(n->pass->graph, k)), done = dim == 0;
      for (int s = n->nest->steps - 1; s >= 0 && !done; s--) {
        const rk_node *other = n->nest->node[n->nest->step[s].first];
        if (n->ready[other->number] != ready) break;
        done = n->nest->step[s].dim == dim;
      }
      if (!done) add_step(n, ready, dim);
    }
    add_step(n, ready, 0);
  }
}

/* A scalar read by a later step outlives the step that makes it. */
static void keep_scalars(nesting *n) {
  for (int k = 0; k < n->size; k++) {
    if (!n->inside[k]) continue;
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    for (int o = 0; o < node->operands; o++) {
      int other = node->operand[o]->number;
      int same = n->nest->place[k] == RK_LOCAL && n->ready[k] == n->ready[other];
      if (n->inside[other] && n->nest->place[other] == RK_LOCAL && !same)
        n->nest->place[other] = RK_SCALAR;
    }
  }
  for (int r = 0; r < n->nest->roots; r++)
    if (n->nest->place[n->nest->root[r]->number] == RK_LOCAL)
      n->nest->place[n->nest->root[r]->number] = RK_SCALAR;
}

static void count_cost(nesting *n) {
  for (int k = 0; k < n->nest->nodes; k++) {
    const rk_node *node = n->nest->node[k];
    int dim = loop_dim(n, node);
    double each = own_cost(node) + folds(node);
    for (int o = 0; o < node->operands; o++) {
      int other = node->operand[o]->number;
      if (n->inside[other] && n->nest->place[other] == RK_INLINE) each += n->nest->each[other];
    }
    n->nest->cost += each * (dim ? dim : 1);
    if (n->nest->place[node->number] == RK_PANEL) n->nest->panel += node->dim;
  }
  for (int r = 0; r < n->nest->roots; r++) {
    const rk_node *root = n->nest->root[r];
    n->nest->cost += root->dim * (1 + (n->inside[root->number] &&
                     n->nest->place[root->number] == RK_INLINE ? n->nest->each[root->number] : 0));
  }
}

static int plan_nest(rk_pass *pass, rk_nest_kind kind, const rk_node *const *root, int roots) {
  size_t size = (size_t)rk_graph_size(pass->graph);
  rk_nest *nest = &pass->nest[kind];
  nest->kind = kind;
  nest->roots = roots;
  nest->root = calloc((size_t)roots + 1, sizeof *nest->root);
  nest->place = calloc(size, 1);
  nest->node = calloc(size, sizeof *nest->node);
  nest->step = calloc(size, sizeof *nest->step);
  nest->each = calloc(size, sizeof *nest->each);
  nesting n = {.pass = pass, .nest = nest, .size = (int)size,
               .inside = calloc(size, 1), .uses = calloc(size, sizeof *n.uses),
               .depth = calloc(size, sizeof *n.depth),
               .ready = calloc(size, sizeof *n.ready)};
  n.failed = !nest->root || !nest->place || !nest->node || !nest->step || !nest->each ||
             !n.inside || !n.uses || !n.depth || !n.ready;
  if (!n.failed) {
    if (roots) memcpy(nest->root, root, (size_t)roots * sizeof *root);
    collect(&n);
    place_nodes(&n);
    time_nodes(&n);
    keep_scalars(&n);
    order_steps(&n);
    count_cost(&n);
  }
  free(n.inside);
  free(n.uses);
  free(n.depth);
  free(n.ready);
  return !n.failed;
}

/* The nest that fills a level's slots; it may ask for more slots of the level below. */
static int plan_slots(rk_pass *pass, rk_nest_kind kind) {
  int count = pass->slots[kind].count;
  const rk_node **root = calloc((size_t)count + 1, sizeof *root);
  if (!root) return 0;
  for (int k = 0; k < count; k++) root[k] = pass->slots[kind].slot[k].node;
  int done = plan_nest(pass, kind, root, count);
  free(root);
  return done;
}

rk_status rk_plan_pass(rk_graph *graph, const rk_node *reduction, const rk_options *options,
                       rk_pass *pass, rk_error *error) {
  *pass = (rk_pass){.graph = graph, .source = reduction, .options = *options};
  pass->reduction = rk_rewrite(graph, reduction, options, error);
  if (!pass->reduction) return error->status;
  pass->state = rk_state_of(pass->reduction);
  const rk_node *const *root = pass->reduction->operand;
  if (plan_nest(pass, RK_NEST_PAIR, root, pass->reduction->operands) &&
      plan_slots(pass, RK_NEST_ROW) && plan_slots(pass, RK_NEST_COLUMN) &&
      plan_slots(pass, RK_NEST_PARAMETER))
    return RK_OK;
  rk_pass_free(pass);
  return rk_fail(error, RK_ERROR_MEMORY, "out of memory while planning a formula");
}

void rk_pass_free(rk_pass *pass) {
  for (int k = 0; k < RK_NESTS; k++) {
    free(pass->nest[k].root);
    free(pass->nest[k].step);
    free(pass->nest[k].each);
    free(pass->nest[k].node);
    free(pass->nest[k].place);
  }
  for (int k = 0; k < RK_NEST_PAIR; k++) free(pass->slots[k].slot);
  free(pass->variable);
  memset(pass, 0, sizeof *pass);
}

/* ---- tiles ---- */

double rk_pair_cost(const rk_pass *pass) {
  return pass->nest[RK_NEST_PAIR].cost + 2 +
         (pass->state.K > 1 ? (double)pass->state.K * pass->state.components : 0);
}

/* Vector registers hold the tile of folds and short sums: 16 of 32, 8 of 16. Panels and very wide
 * results live in memory: one row of vectors at a time keeps them near. K smallest with many lanes
 * change more often than with few. Measured with bench/gauss.R and bench/reductions.R. */
rk_tile rk_tile_choose(const rk_pass *pass, rk_lane_axis axis, int bytes) {
  rk_tile tile = {.axis = axis, .bytes = bytes, .lanes = bytes / rk_real_size(&pass->options),
                  .rows = bytes >= 64 ? 4 : 2, .columns = 4, .flush = 64};
  if (pass->state.K > 1) tile.rows = 2;
  if (pass->nest[RK_NEST_PAIR].panel > 8 || pass->state.components * pass->state.K > 2048)
    tile.rows = 1;
  return tile;
}

/* ---- printing ---- */

void rk_plan_print(const rk_pass *pass, const rk_tile *tile, const char *prefix, rk_text *text) {
  static const char *const level[] = {"parameters", "rows", "columns", "pairs"};
  static const char *const precision[] = {"float32", "float64", "float16"};
  rk_text_format(text, "%s%s_Reduction over %s, %d component%s, %s\n", prefix,
                 rk_reduction_name(pass->reduction->reduction),
                 pass->reduction->level == RK_LEVEL_I ? "j" : "i", pass->state.components,
                 pass->state.components == 1 ? "" : "s",
                 precision[pass->options.precision]);
  for (int k = 0; k < RK_NESTS; k++) {
    const rk_nest *nest = &pass->nest[k];
    rk_text_format(text, "%s%s: ", prefix, level[k]);
    if (k < RK_NEST_PAIR)
      rk_text_format(text, "%d slots of %d components, ", pass->slots[k].count,
                     pass->slots[k].size);
    rk_text_format(text, "%d steps, %.0f operations, panels of %d components\n", nest->steps,
                   nest->cost, nest->panel);
  }
  rk_text_format(text, "%stile: %d x %d vectors of %d bytes, lanes along the %s index\n", prefix,
                 tile->rows, tile->columns, tile->bytes,
                 tile->axis == RK_LANES_KEPT ? "kept" : "reduced");
}
