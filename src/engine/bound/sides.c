/* See sides.h. */
#include "bound/sides.h"
#include "error.h"
#include "rounding.h"
#include "run/call.h"
#include "run/parallel.h"

#include <stdlib.h>

rk_status rk_ahead_begin(rk_records_ahead *side, const rk_pass *pass, const rk_values *values,
                         rk_nest_kind kind, int64_t rows, rk_error *error) {
  const rk_slots *slots = &pass->slots[kind];
  *side = (rk_records_ahead){.slots = slots, .rows = rows, .components = slots->size};
  const rk_node **root = calloc((size_t)slots->count + 1, sizeof *root);
  if (!root) return rk_fail_memory(error, (size_t)slots->count * sizeof *root);
  for (int k = 0; k < slots->count; k++) root[k] = slots->slot[k].node;
  rk_status status =
      rk_evaluator_begin(&side->evaluator, pass->graph, values->value, root, slots->count, error);
  free(root);
  return status;
}

void rk_ahead_end(rk_records_ahead *side) { rk_evaluator_end(&side->evaluator); }

void rk_ahead_row(rk_records_ahead *side, int64_t row, double *to, ptrdiff_t stride) {
  rk_evaluate(&side->evaluator, row, 1);
  for (int s = 0; s < side->slots->count; s++) {
    const rk_slot *slot = &side->slots->slot[s];
    for (int c = 0; c < slot->node->dim; c++)
      to[(slot->offset + c) * stride] = *rk_evaluated(&side->evaluator, slot->node, c).at;
  }
}

/* ---- all rows -------------------------------------------------------------------------------- */

enum { TASK_ROWS = 1 << 14 };

typedef struct {
  const rk_records_ahead *side;
  const int *component;
  int n, failed;
  double *const *to;
} copying;

static const rk_slot *slot_of(const rk_slots *slots, int component) {
  int k = 0;
  while (component >= slots->slot[k].offset + slots->slot[k].node->dim) k++;
  return &slots->slot[k];
}

static void copy_task(void *data, int64_t task, const rk_worker *worker) {
  copying *c = data;
  int64_t end = (task + 1) * TASK_ROWS < c->side->rows ? (task + 1) * TASK_ROWS : c->side->rows;
  rk_evaluator own;
  rk_error unread;
  (void)worker;
  if (rk_evaluator_another(&own, &c->side->evaluator, &unread)) c->failed = 1;
  for (int64_t first = task * TASK_ROWS; first < end && !c->failed; first += own.block) {
    int n = end - first < own.block ? (int)(end - first) : own.block;
    rk_evaluate(&own, first, n);
    for (int k = 0; k < c->n; k++) {
      const rk_slot *slot = slot_of(c->side->slots, c->component[k]);
      rk_copy_evaluated(&own, slot->node, c->component[k] - slot->offset, n, c->to[k] + first);
    }
  }
  rk_evaluator_end(&own);
}

rk_status rk_ahead_columns(rk_records_ahead *side, const int *component, int n, double *const *to,
                           rk_caller caller) {
  copying c = {side, component, n, 0, to};
  rk_status status = rk_parallel(rk_ceil_div(side->rows, TASK_ROWS), rk_call_threads(), copy_task,
                                 &c, caller);
  return status || !c.failed ? status : rk_fail_memory(caller.error, 1 << 19);
}
