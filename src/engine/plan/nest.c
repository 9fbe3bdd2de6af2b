/* One nest of a pass: what it evaluates, where each value is, the order of its steps. See plan.h.
 */
#include "plan/plan.h"
#include "error.h"
#include "formula/operations.h"

#include <stdlib.h>
#include <string.h>

enum {
  CHEAP = 4,   /* operations below which a vector's component is computed again where used */
  DEEP = 1000, /* operations inside each other that are computed where used: the emitter recurs */
  LARGE = 256  /* nodes and roots of a nest beyond which the compiler gets its text in parts */
};

static int is_number(const rk_node *node) { return node->operation == &rk_operation_number; }

/* Does it repeat or permute its operand? Its components are then found by division. */
static int wraps(const rk_node *node) {
  rk_piece piece[RK_MAX_PIECES];
  if (!rk_moves(node)) return 0;
  int count = rk_node_pieces(node, piece);
  for (int k = 0; k < count; k++)
    if (node->operand[piece[k].operand]->dim > 1 && !rk_piece_is_affine(&piece[k])) return 1;
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

/* ---- what a nest evaluates ---- */

typedef struct {
  rk_pass *pass;
  rk_nest *nest;
  unsigned char *inside;  /* by node number: evaluated by this nest */
  int *uses;              /* by node number: readers in this nest */
  int *depth;             /* by node number: operations inside each other, all inline */
  int *ready;             /* by node number: the step after which the value is there */
  int *step;              /* by node number: the step that makes the value */
  int size;
  int failed;
} nesting;

/* A value that only moves components of another level is not stored again: its reader moves. A
 * permuted one is, since that takes no more room, and one that its reader repeats or permutes. */
static int stored_elsewhere(const nesting *n, const rk_node *node, const rk_node *reader) {
  if (is_number(node) || rk_level_of(n->pass, node) == n->nest->kind) return 0;
  if (!rk_moves(node)) return 1;
  return node->dim > 1 && ((reader && wraps(reader)) ||
                           (wraps(node) && node->dim <= node->operand[0]->dim));
}

static void include(nesting *n, const rk_node *node, const rk_node *reader) {
  if (is_number(node)) return;
  if (stored_elsewhere(n, node, reader)) {
    if (!add_slot(n->pass, node)) n->failed = 1;
    return;
  }
  n->inside[node->number] = 1;
}

/* Read where it is stored by one reader, by all of them. */
static int is_slot(const nesting *n, const rk_node *node) {
  return rk_level_of(n->pass, node) != n->nest->kind && rk_slot_offset(n->pass, node) >= 0;
}

static void collect(nesting *n) {
  for (int r = 0; r < n->nest->roots; r++) {
    include(n, n->nest->root[r], NULL);
    n->uses[n->nest->root[r]->number]++;
  }
  for (int k = n->size - 1; k >= 0; k--) {
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    if (n->inside[k] && is_slot(n, node)) n->inside[k] = 0;
    if (!n->inside[k]) continue;
    if (rk_is_variable(node) && !add_variable(n->pass, node->variable)) n->failed = 1;
    for (int o = 0; o < node->operands; o++) {
      include(n, node->operand[o], node);
      n->uses[node->operand[o]->number]++;
    }
  }
}

static int is_large(const nesting *n) {
  int nodes = n->nest->roots;
  for (int k = 0; k < n->size; k++) nodes += n->inside[k];
  return nodes > LARGE;
}

/* Slots are filled one by one: what several of them read is made once. The readers of a pair's
 * value are compared by loops instead, see share_vectors. */
static int needs_panel(const nesting *n, const rk_node *node) {
  int long_text = n->nest->is_large && n->nest->each[node->number] >= RK_PART / 2;
  int shared = n->nest->kind != RK_NEST_PAIR && n->uses[node->number] > 1 &&
               n->nest->each[node->number] >= CHEAP;
  return node->dim > 1 && !rk_is_variable(node) &&
         (shared || long_text || n->depth[node->number] >= DEEP);
}

/* Operands of a repetition must be stored, or their components cannot be told apart by position. */
static void store_repeated(nesting *n, const rk_node *node) {
  if (!wraps(node)) return;
  const rk_node *operand = node->operand[0];
  if (n->inside[operand->number] && operand->dim > 1 && !rk_is_variable(operand))
    n->nest->place[operand->number] = RK_PANEL;
}

static void place_nodes(nesting *n) {
  for (int k = 0; k < n->size; k++) {
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    if (!n->inside[k]) continue;
    store_repeated(n, node);
    n->nest->each[k] = rk_effort_of(node)->cost;
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
    if (rk_folds(node)) *place = node->operation->pieces ? RK_PANEL : RK_SCALAR;
    else if (node->dim == 1 && !rk_moves(node) && !rk_is_variable(node)) *place = RK_LOCAL;
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
    n->ready[k] += rk_folds(node) || n->nest->place[k] == RK_PANEL;
  }
}

static int is_step_node(const nesting *n, int k) {
  return n->inside[k] && n->nest->place[k] != RK_INLINE && n->nest->place[k] != RK_ELSEWHERE;
}

static int loop_dim(const nesting *n, const rk_node *node) {
  if (rk_folds(node)) return node->operand[0]->dim;
  return n->nest->place[node->number] == RK_PANEL ? node->dim : 0;
}

/* ---- vectors that several loops read ---- */

/* A loop is known by the step after which it is ready and its dimension; a vector whose components
 * are moved before they are read is another one, since they are found at other places. */
enum { NO_LOOP = 0, SEVERAL = -1, RESULT_LOOP = 1 };

static int64_t loop_of(const nesting *n, const rk_node *node) {
  return 2 + n->ready[node->number] * (RK_MAX_DIM + INT64_C(1)) + loop_dim(n, node);
}

static int64_t moved_loop(const nesting *n, const rk_node *node) {
  return 2 + (n->size + node->number + 1) * (RK_MAX_DIM + INT64_C(1));
}

/* Interleaved operands, as real and imaginary parts, are loops of their own. */
static int interleaves(const rk_node *node) {
  rk_piece piece[RK_MAX_PIECES];
  return rk_moves(node) && rk_node_pieces(node, piece) > 1 && piece[0].step > 1;
}

static void read_in(int64_t *loop, int64_t where) {
  *loop = *loop == NO_LOOP || *loop == where ? where : SEVERAL;
}

/* Operations of one component, each counted once: the writer names what it has written. */
static double distinct_cost(const nesting *n, const rk_node *node, int *seen, int stamp) {
  if (!n->inside[node->number] || seen[node->number] == stamp) return 0;
  seen[node->number] = stamp;
  double cost = rk_effort_of(node)->cost;
  for (int o = 0; o < node->operands; o++)
    if (n->nest->place[node->operand[o]->number] == RK_INLINE)
      cost += distinct_cost(n, node->operand[o], seen, stamp);
  return cost;
}

/* Inside a loop a value is computed once however often it is read; what several loops read, and is
 * not cheap, becomes a panel; of moved components that is what they come from. 0 when there was
 * nothing more to do. */
static int share_vectors(nesting *n, int64_t *loop, int *seen) {
  int changed = 0;
  memset(loop, 0, (size_t)n->size * sizeof *loop);
  for (int r = 0; r < n->nest->roots; r++) loop[n->nest->root[r]->number] = RESULT_LOOP;
  for (int k = n->size - 1; k >= 0; k--) {
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    if (!n->inside[k]) continue;
    int in_place = n->nest->place[k] == RK_INLINE;
    if (in_place && loop[k] == SEVERAL && node->dim > 1 && !rk_is_variable(node) &&
        !rk_moves(node) &&
        distinct_cost(n, node, seen, k + 1) >= CHEAP) {
      n->nest->place[k] = RK_PANEL;
      changed = 1;
      in_place = 0;
    }
    int64_t where = !in_place ? loop_of(n, node)
                 : loop[k] != SEVERAL && rk_moves(node) ? moved_loop(n, node) : loop[k];
    int apart = where == moved_loop(n, node) && interleaves(node);
    for (int o = 0; o < node->operands; o++)
      read_in(&loop[node->operand[o]->number], apart ? where + o : where);
  }
  memset(seen, 0, (size_t)n->size * sizeof *seen);
  return changed;
}

/* Each panel makes loops anew, and so perhaps more panels: a few rounds settle it; what is then
 * still read by several loops is computed in each. */
static void share_all(nesting *n) {
  enum { ROUNDS = 8 };
  int64_t *loop = calloc((size_t)n->size + 1, sizeof *loop);
  int *seen = calloc((size_t)n->size + 1, sizeof *seen);
  n->failed |= !loop || !seen;
  for (int round = 0; round < ROUNDS && !n->failed; round++) {
    time_nodes(n);
    if (n->nest->kind != RK_NEST_PAIR || !share_vectors(n, loop, seen)) break;
  }
  time_nodes(n);
  for (int k = 0; k < n->size && !n->failed; k++)
    if (is_step_node(n, k))
      n->nest->each[k] = distinct_cost(n, rk_graph_node(n->pass->graph, k), seen, k + 1);
  for (int r = 0; r < n->nest->roots && !n->failed; r++)
    n->nest->each[n->nest->root[r]->number] =
        distinct_cost(n, n->nest->root[r], seen, n->size + r + 1);
  free(loop);
  free(seen);
}

/* ---- steps ---- */

/* A node of a step and what puts it in order: scalars come after the loops, loops in the order of
 * their first nodes. */
typedef struct { const rk_node *node; int ready, dim, first; } entry;

static int by_loop(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->ready != y->ready) return x->ready < y->ready ? -1 : 1;
  if (x->dim != y->dim) return x->dim < y->dim ? -1 : 1;
  return x->node->number < y->node->number ? -1 : 1;
}

static int by_order(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->ready != y->ready) return x->ready < y->ready ? -1 : 1;
  if (!x->dim != !y->dim) return x->dim ? -1 : 1;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x->node->number < y->node->number ? -1 : 1;
}

static int same_loop(const entry *a, const entry *b) {
  return a->ready == b->ready && a->dim == b->dim;
}

/* Those of a large nest are cut. */
static void add_step(nesting *n, const entry *list, int count) {
  rk_nest *nest = n->nest;
  double cost = 0;
  for (int k = 0; k < count; k++) {
    const rk_node *node = list[k].node;
    if (!k || (nest->is_large && cost > RK_PART)) {
      nest->step[nest->steps++] = (rk_step){list[k].dim, nest->nodes, 0};
      cost = 0;
    }
    cost += nest->each[node->number] + 1;
    n->step[node->number] = nest->steps - 1;
    nest->step[nest->steps - 1].count++;
    nest->node[nest->nodes++] = node;
  }
}

/* Loops first (what is ready at a time are the folds that end there), then the scalars. */
static void order_steps(nesting *n) {
  entry *list = calloc((size_t)n->size + 1, sizeof *list);
  int count = 0, end;
  n->failed |= !list;
  for (int k = 0; k < n->size && list; k++) {
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    if (is_step_node(n, k)) list[count++] = (entry){node, n->ready[k], loop_dim(n, node), 0};
  }
  if (count) qsort(list, (size_t)count, sizeof *list, by_loop);
  for (int k = 0; k < count; k++)
    list[k].first = k && same_loop(&list[k], &list[k - 1]) ? list[k - 1].first
                                                           : list[k].node->number;
  if (count) qsort(list, (size_t)count, sizeof *list, by_order);
  for (int k = 0; k < count; k = end) {
    for (end = k + 1; end < count && same_loop(&list[k], &list[end]);) end++;
    add_step(n, list + k, end - k);
  }
  free(list);
}

/* A scalar read by a later step outlives the step that makes it. */
static void keep_scalars(nesting *n) {
  for (int k = 0; k < n->size; k++) {
    if (!n->inside[k]) continue;
    const rk_node *node = rk_graph_node(n->pass->graph, k);
    for (int o = 0; o < node->operands; o++) {
      int other = node->operand[o]->number;
      int same = n->nest->place[k] == RK_LOCAL && n->step[k] == n->step[other];
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
    double each = n->nest->each[node->number] + rk_folds(node);
    n->nest->cost += each * (dim ? dim : 1);
  }
  for (int r = 0; r < n->nest->roots; r++) {
    const rk_node *root = n->nest->root[r];
    n->nest->cost += root->dim * (1 + (n->inside[root->number] &&
                     n->nest->place[root->number] == RK_INLINE ? n->nest->each[root->number] : 0));
  }
}

rk_status rk_plan_nest(rk_pass *pass, rk_nest_kind kind, const rk_node *const *root, int roots,
                       rk_error *error) {
  size_t size = (size_t)rk_graph_size(pass->graph);
  rk_nest *nest = &pass->nest[kind];
  nest->kind = kind;
  nest->roots = roots;
  nest->numbers = (int)size;
  nest->root = calloc((size_t)roots + 1, sizeof *nest->root);
  nest->place = calloc(size, 1);
  nest->node = calloc(size, sizeof *nest->node);
  nest->step = calloc(size, sizeof *nest->step);
  nest->each = calloc(size, sizeof *nest->each);
  nest->at = calloc(size, sizeof *nest->at);
  nesting n = {.pass = pass, .nest = nest, .size = (int)size,
               .inside = calloc(size, 1), .uses = calloc(size, sizeof *n.uses),
               .depth = calloc(size, sizeof *n.depth),
               .ready = calloc(size, sizeof *n.ready), .step = calloc(size, sizeof *n.step)};
  n.failed = !nest->root || !nest->place || !nest->node || !nest->step || !nest->each ||
             !nest->at || !n.inside || !n.uses || !n.depth || !n.ready || !n.step;
  if (!n.failed) {
    if (roots) memcpy(nest->root, root, (size_t)roots * sizeof *root);
    collect(&n);
    nest->is_large = is_large(&n);
    place_nodes(&n);
    share_all(&n);
    order_steps(&n);
    keep_scalars(&n);
    count_cost(&n);
    if (!rk_place_panels(nest, (int)size)) n.failed = 1;
  }
  free(n.inside);
  free(n.uses);
  free(n.depth);
  free(n.ready);
  free(n.step);
  return n.failed ? rk_fail_memory(error, size * sizeof *nest->step) : RK_OK;
}
