/* The body of a packing function, for all targets: the steps of a nest, then its slots. */
#include "emit/writer.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct { const rk_slot *slot; const char *store; } filling;

static void write_range(rk_writer *w, rk_range range, const void *data) {
  const filling *f = data;
  char held[96], at[RK_INDEX_TEXT];
  rk_index index = rk_open_range(w, range, 1e9);
  rk_open_tile(w, 0);
  snprintf(held, sizeof held, "%s", rk_component(w, f->slot->node, index));
  index.offset += f->slot->offset;
  rk_index_text(index, at, sizeof at);
  rk_line(w, f->store, at, held);
  rk_close_tile(w);
  rk_close(w);
}

static void write_slot(rk_writer *w, const rk_slot *slot, const char *store) {
  const filling f = {slot, store};
  rk_range *ranges;
  int count = rk_ranges(w, &slot->node, 1, slot->node->dim, &ranges);
  rk_write_ranges(w, ranges, count, write_range, &f);
  free(ranges);
}

enum { TOGETHER = 32 }; /* slots that a function of a large nest fills */

void rk_write_packing_parts(rk_writer *w, const char *parameters, const char *store) {
  const rk_slots *slots = &w->pass->slots[w->nest->kind];
  rk_write_parts(w, parameters);
  for (int first = 0; first < slots->count; first += TOGETHER) {
    int end = slots->count - first > TOGETHER ? first + TOGETHER : slots->count;
    rk_open(w, "RK_CALLED void rk_part(%s_slots_%d)(%s)", w->part, first, parameters);
    rk_declare_reads(w, first, end);
    for (int k = first; k < end; k++) write_slot(w, &slots->slot[k], store);
    rk_close(w);
  }
}

void rk_write_packing(rk_writer *w, const char *store) {
  const rk_slots *slots = &w->pass->slots[w->nest->kind];
  rk_write_steps(w, 0, w->nest->steps);
  for (int k = 0; k < slots->count && !w->part; k++) write_slot(w, &slots->slot[k], store);
  for (int k = 0; k < slots->count && w->part; k += TOGETHER)
    rk_line(w, "rk_part(%s_slots_%d)(%s);", w->part, k, w->arguments);
}
