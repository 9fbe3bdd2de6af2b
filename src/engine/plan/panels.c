/* Where the panels of a nest lie in tile memory: a place is used again when nothing reads any more
 * what was there. Kept scalars of a large nest lie behind them, placed likewise. See plan.h. */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

/* What is still read, by place. */
typedef struct { const rk_node **node; int count, size; } live_nodes;

typedef struct {
  rk_nest *nest;
  int *last;                   /* by node number: the last step that reads the panel */
  int *seen;                   /* by node number: 1 + the last step for which it was visited */
  live_nodes panels, scalars;
} placing;

static int is_placed(const placing *p, const rk_node *node) {
  unsigned char place = p->nest->place[node->number];
  return place == RK_PANEL || (place == RK_SCALAR && p->nest->is_large);
}

/* Step `step` reads this value: the panels that it is made of. */
static void mark_read(placing *p, const rk_node *node, int step) {
  if (is_placed(p, node)) p->last[node->number] = step;
  if (p->nest->place[node->number] != RK_INLINE || p->seen[node->number] > step) return;
  p->seen[node->number] = step + 1;
  for (int k = 0; k < node->operands; k++) mark_read(p, node->operand[k], step);
}

static void mark_all(placing *p) {
  const rk_nest *nest = p->nest;
  for (int s = 0; s < nest->steps; s++)
    for (int k = 0; k < nest->step[s].count; k++) {
      const rk_node *node = nest->node[nest->step[s].first + k];
      for (int o = 0; o < node->operands; o++) mark_read(p, node->operand[o], s);
    }
  for (int r = 0; r < nest->roots; r++) mark_read(p, nest->root[r], nest->steps);
}

static void forget_dead(const placing *p, live_nodes *live, int step) {
  int kept = 0;
  for (int k = 0; k < live->count; k++)
    if (p->last[live->node[k]->number] >= step) live->node[kept++] = live->node[k];
  live->count = kept;
}

/* The first place that nothing live takes. */
static void place_node(placing *p, live_nodes *live, const rk_node *node) {
  int at = 0, k = 0;
  for (; k < live->count; k++) {
    const rk_node *other = live->node[k];
    if (p->nest->at[other->number] >= at + node->dim) break;
    at = p->nest->at[other->number] + other->dim;
  }
  memmove(live->node + k + 1, live->node + k, (size_t)(live->count - k) * sizeof *live->node);
  live->node[k] = node;
  live->count++;
  p->nest->at[node->number] = at;
  if (at + node->dim > live->size) live->size = at + node->dim;
}

static void place_all(placing *p) {
  const rk_nest *nest = p->nest;
  for (int s = 0; s < nest->steps; s++) {
    forget_dead(p, &p->panels, s);
    forget_dead(p, &p->scalars, s);
    for (int k = 0; k < nest->step[s].count; k++) {
      const rk_node *node = nest->node[nest->step[s].first + k];
      if (!is_placed(p, node)) continue;
      if (p->last[node->number] < s) p->last[node->number] = s;
      place_node(p, nest->place[node->number] == RK_PANEL ? &p->panels : &p->scalars, node);
    }
  }
}

int rk_place_panels(rk_nest *nest, int size) {
  placing p = {.nest = nest, .last = calloc((size_t)size + 1, sizeof *p.last),
               .seen = calloc((size_t)size + 1, sizeof *p.seen),
               .panels.node = calloc((size_t)size + 1, sizeof *p.panels.node),
               .scalars.node = calloc((size_t)size + 1, sizeof *p.scalars.node)};
  int good = p.last && p.seen && p.panels.node && p.scalars.node;
  if (good) {
    mark_all(&p);
    place_all(&p);
    nest->panel = p.panels.size;
    nest->scalars = p.scalars.size;
    for (int k = 0; k < size; k++)
      if (nest->place[k] == RK_SCALAR) nest->at[k] += nest->panel;
  }
  free(p.last);
  free(p.seen);
  free(p.panels.node);
  free(p.scalars.node);
  return good;
}
