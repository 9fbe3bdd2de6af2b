/* Where the panels of a nest lie in tile memory: a place is used again when nothing reads any more
 * what was there. See plan.h. */
#include "plan/plan.h"

#include <stdlib.h>

typedef struct {
  rk_nest *nest;
  int *last;                   /* by node number: the last step that reads the panel */
  int *seen;                   /* by node number: 1 + the last step for which it was visited */
  const rk_node **live;        /* panels that are still read, in no order */
  int count;
} placing;

/* Step `step` reads this value: the panels that it is made of. */
static void mark_read(placing *p, const rk_node *node, int step) {
  unsigned char place = p->nest->place[node->number];
  if (place == RK_PANEL) p->last[node->number] = step;
  if (place != RK_INLINE || p->seen[node->number] > step) return;
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

static void forget_dead(placing *p, int step) {
  int kept = 0;
  for (int k = 0; k < p->count; k++)
    if (p->last[p->live[k]->number] >= step) p->live[kept++] = p->live[k];
  p->count = kept;
}

/* The first place that no live panel takes. */
static int free_place(const placing *p, int dim) {
  int at = 0;
  for (int k = 0; k < p->count; k++) {
    int start = p->nest->at[p->live[k]->number], end = start + p->live[k]->dim;
    if (start >= at + dim || end <= at) continue;
    at = end;
    k = -1; /* once more: those before may take this one */
  }
  return at;
}

int rk_place_panels(rk_nest *nest, int size) {
  placing p = {.nest = nest, .last = calloc((size_t)size + 1, sizeof *p.last),
               .seen = calloc((size_t)size + 1, sizeof *p.seen),
               .live = calloc((size_t)size + 1, sizeof *p.live)};
  int good = p.last && p.seen && p.live;
  if (good) mark_all(&p);
  for (int s = 0; good && s < nest->steps; s++) {
    forget_dead(&p, s);
    for (int k = 0; k < nest->step[s].count; k++) {
      const rk_node *node = nest->node[nest->step[s].first + k];
      if (nest->place[node->number] != RK_PANEL) continue;
      if (p.last[node->number] < s) p.last[node->number] = s;
      nest->at[node->number] = free_place(&p, node->dim);
      if (nest->at[node->number] + node->dim > nest->panel)
        nest->panel = nest->at[node->number] + node->dim;
      p.live[p.count++] = node;
    }
  }
  free(p.last);
  free(p.seen);
  free(p.live);
  return good;
}
