/* Where in the buffer of a tile values lie: a place is used again when nothing reads any more what
 * was there. Loops read a vector of all operands before they write it, so a result may take the
 * place of an operand. */
#include "builtin/program.h"

#include <stdlib.h>

typedef struct {
  int *last;                 /* by value: the last instruction that reads or writes it */
  int *place;                /* by value, or -1 */
  int *idle;                 /* places that nothing takes */
  int idles, places;
} placing;

static void find_last(const rk_tile_program *made, placing *p) {
  for (int k = 0; k < made->count; k++) {
    const rk_instruction *in = &made->list[k];
    for (int q = 0; q < RK_AT_MOST; q++)
      if (in->x[q].base == RK_AT_TILE) p->last[in->x[q].offset] = k;
    if (in->to.base == RK_AT_TILE) p->last[in->to.offset] = k;
  }
}

/* Of an operand that stands there twice the place is left once. */
static void leave(placing *p, int value, int at) {
  if (p->last[value] != at) return;
  p->idle[p->idles++] = p->place[value];
  p->last[value] = -1;
}

static void place_all(rk_tile_program *made, placing *p) {
  for (int k = 0; k < made->count; k++) {
    rk_instruction *in = &made->list[k];
    const int to = in->to.base == RK_AT_TILE ? in->to.offset : -1;
    for (int q = 0; q < RK_AT_MOST; q++) {
      if (in->x[q].base != RK_AT_TILE) continue;
      const int value = in->x[q].offset;
      in->x[q].offset = p->place[value];
      if (value != to) leave(p, value, k);
    }
    if (to < 0) continue;
    if (p->place[to] < 0) p->place[to] = p->idles ? p->idle[--p->idles] : p->places++;
    in->to.offset = p->place[to];
    leave(p, to, k);
  }
}

/* Columns of a tile: as many as the first cache has room for. */
static int choose_outer(const rk_tile_program *made, size_t bytes) {
  enum { LEAST = 4 };
  size_t row = (size_t)(made->tiles + 1) * (size_t)made->lanes * (size_t)made->loops->size;
  int outer = made->outer;
  while (outer > LEAST && (size_t)outer * row > bytes) outer /= 2;
  return outer;
}

void rk_place_values(rk_tile_program *made, size_t bytes) {
  size_t values = (size_t)made->tiles + 1;
  placing p = {malloc(values * sizeof *p.last), malloc(values * sizeof *p.place),
               malloc(values * sizeof *p.idle), 0, 0};
  made->failed |= !p.last || !p.place || !p.idle;
  for (size_t k = 0; k < values && !made->failed; k++) p.place[k] = -1;
  if (!made->failed) {
    find_last(made, &p);
    place_all(made, &p);
    made->tiles = p.places;
    made->outer = choose_outer(made, bytes);
  }
  const int tile = made->lanes * made->outer;
  for (int k = 0; k < made->count && !made->failed; k++) {
    rk_instruction *in = &made->list[k];
    for (int q = 0; q < RK_AT_MOST; q++)
      if (in->x[q].base == RK_AT_TILE) in->x[q].offset *= tile;
    in->to.offset *= tile;
  }
  free(p.last);
  free(p.place);
  free(p.idle);
}
