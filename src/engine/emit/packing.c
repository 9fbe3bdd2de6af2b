/* The walk of a packing function, for all targets: the steps of a level's nest, then its slots. */
#include "emit/writer.h"

#include <stdio.h>
#include <stdlib.h>

static void write_slot(rk_writer *w, const rk_slot *slot, const char *store) {
  rk_range *ranges;
  int count = rk_ranges(w, &slot->node, 1, slot->node->dim, &ranges);
  for (int r = 0; r < count; r++) {
    rk_index index = rk_open_range(w, ranges[r], 1e9);
    rk_open_tile(w, 0);
    char held[96], at[RK_INDEX_TEXT];
    snprintf(held, sizeof held, "%s", rk_component(w, slot->node, index));
    index.offset += slot->offset;
    rk_index_text(index, at, sizeof at);
    rk_line(w, store, at, held);
    rk_close_tile(w);
    rk_close(w);
  }
  free(ranges);
}

void rk_write_packing(rk_writer *w, const char *store) {
  const rk_slots *slots = &w->pass->slots[w->nest->kind];
  rk_write_steps(w, 0, w->nest->steps);
  for (int k = 0; k < slots->count; k++) write_slot(w, &slots->slot[k], store);
}
