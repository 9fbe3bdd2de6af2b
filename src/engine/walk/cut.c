/* Which rows a kernel takes together. A row that shares a block with rows of another segment walks
 * over the columns of both: rows go together where that saves a block of its own that would cost
 * more. See walk.h. */
#include "walk/walk.h"
#include "error.h"
#include "rounding.h"

#include <stdlib.h>
#include <string.h>

/* The columns of the block that is open, as intervals that ascend apart from each other. */
typedef struct { int32_t from, end; } stretch;
typedef struct { stretch *at; int64_t count, columns; } columns_of;

typedef struct {
  const rk_walk *w;
  rk_cut *cut;
  int64_t room, rows;        /* blocks that there is room for; rows of the open block */
  columns_of open, both;
  int failed;
} cutting;

static void begin_block(cutting *c, int64_t place) {
  rk_cut *cut = c->cut;
  if (cut->blocks + 1 >= c->room) {
    int64_t room = c->room * 2 + 64;
    int32_t *from = realloc(cut->from, (size_t)room * sizeof *from);
    if (from) cut->from = from;
    int32_t *columns = realloc(cut->columns, (size_t)room * sizeof *columns);
    if (columns) cut->columns = columns;
    c->failed |= !from || !columns;
    if (c->failed) return;
    c->room = room;
  }
  cut->from[cut->blocks] = (int32_t)place;
  cut->columns[cut->blocks++] = 0;
}

static void add_stretch(columns_of *to, int32_t from, int32_t end) {
  stretch *last = to->count ? &to->at[to->count - 1] : NULL;
  if (last && from <= last->end) {
    if (end <= last->end) return;
    to->columns += end - last->end;
    last->end = end;
    return;
  }
  to->at[to->count++] = (stretch){from, end};
  to->columns += end - from;
}

/* What the open block and segment s walk over together, in `both`. */
static int64_t unite(cutting *c, int64_t first, int64_t end) {
  const rk_walk *w = c->w;
  const columns_of *a = &c->open;
  c->both.count = c->both.columns = 0;
  stretch *room = realloc(c->both.at, (size_t)(a->count + end - first + 1) * sizeof *room);
  c->failed |= !room;
  if (!room) return 0;
  c->both.at = room;
  int64_t k = 0;
  while (k < a->count || first < end) {
    int own = first == end || (k < a->count && a->at[k].from <= w->from[first]);
    if (own) add_stretch(&c->both, a->at[k].from, a->at[k].end);
    else add_stretch(&c->both, w->from[first], w->end[first]);
    k += own;
    first += !own;
  }
  return c->both.columns;
}

static void take_both(cutting *c) {
  columns_of old = c->open;
  c->open = c->both;
  c->both = old;
}

double rk_walk_filled(const rk_walk *w, int64_t block) {
  double pairs = 0;
  for (int64_t s = 0, place = 0; s < w->segments; place = w->segment_end[s++])
    pairs += (double)rk_round_up(w->segment_end[s] - place, block) * (double)w->list_columns[s];
  return pairs;
}

/* What it costs that so many rows of another segment go into the open block, in columns: those that
 * it would not walk over, and their share in the limits of rows that each interval has then. */
enum { LIMITS = 8 };

static int64_t cost_together(cutting *c, int64_t first, int64_t end, int64_t rows) {
  int64_t more = unite(c, first, end) - c->open.columns;
  return more ? more + LIMITS * c->both.count * rows / c->cut->size : 0;
}

/* How many rows of a segment with so many columns go into the open block. */
static int64_t rows_that_join(cutting *c, int64_t first, int64_t end, int64_t rows,
                              int64_t columns) {
  int64_t size = c->cut->size, free = c->cut->blocks ? size - c->rows : 0;
  if (!free || !c->rows) return 0;
  if (free > rows) free = rows;
  int64_t saved = columns * ((rows + size - 1) / size - (rows - free + size - 1) / size);
  if (!columns) return free == rows ? rows : 0;
  if (!saved || cost_together(c, first, end, free) >= saved) return 0;
  take_both(c);
  return free;
}

/* Columns that bands leave of the open block's, where rows and columns lie as they are. */
static int32_t columns_in_bands(const cutting *c) {
  const rk_walk *w = c->w;
  int64_t columns = c->open.columns, in_bands = 0, first = c->cut->from[c->cut->blocks - 1];
  if (!w->bands || w->row_at || w->column_at) return (int32_t)columns;
  for (int k = 0; k < w->bands; k++) {
    int64_t low = first + w->lower[k], high = first + c->rows + w->upper[k];
    low = low < 0 ? 0 : low;
    high = high > w->columns ? w->columns : high;
    in_bands += high > low ? high - low : 0;
  }
  return (int32_t)(in_bands < columns ? in_bands : columns);
}

static void note_block(cutting *c) {
  if (!c->cut->blocks || c->failed) return;
  int32_t columns = columns_in_bands(c);
  c->cut->columns[c->cut->blocks - 1] = columns;
  c->cut->pairs += (double)columns * (double)c->cut->size;
}

/* Rows from `place` on get blocks of their own. */
static void add_rows(cutting *c, int64_t place, int64_t rows, int64_t first, int64_t end) {
  for (int64_t k = 0; rows > 0 && !c->failed; k++, place += c->rows, rows -= c->rows) {
    note_block(c);
    begin_block(c, place);
    c->rows = rows < c->cut->size ? rows : c->cut->size;
    if (k) continue; /* they have the same columns */
    c->open.count = c->open.columns = 0;
    unite(c, first, end);
    take_both(c);
  }
}

rk_status rk_walk_cut(const rk_walk *w, int size, rk_cut *cut, rk_error *error) {
  cutting c = {.w = w, .cut = cut};
  *cut = (rk_cut){.size = size};
  int64_t place = 0, first = 0;
  for (int64_t s = 0; s < w->segments && !c.failed; s++) {
    int64_t rows = w->segment_end[s] - place, end = w->list_end[s];
    int64_t joined = rows_that_join(&c, first, end, rows, w->list_columns[s]);
    c.rows += joined;
    add_rows(&c, place + joined, rows - joined, first, end);
    place += rows;
    first = end;
  }
  note_block(&c);
  begin_block(&c, place);
  cut->blocks -= !c.failed;
  free(c.open.at);
  free(c.both.at);
  return c.failed ? rk_fail_memory(error, (size_t)c.room * 16) : RK_OK;
}

void rk_cut_free(rk_cut *cut) {
  free(cut->from);
  free(cut->columns);
  *cut = (rk_cut){.blocks = 0};
}

void rk_cut_rows(const rk_walk *w, const rk_cut *cut, int64_t b, int64_t end, int32_t *to) {
  for (; b < end; b++, to += cut->size) {
    int32_t from = cut->from[b], n = cut->from[b + 1] - from;
    for (int32_t r = 0; r < n; r++) to[r] = w->row_at ? w->row_at[from + r] : from + r;
    for (int64_t r = n; r < cut->size; r++) to[r] = to[n - 1];
  }
}

int32_t *rk_cut_positions(const rk_walk *w, const rk_cut *cut) {
  int32_t *made = malloc((size_t)(cut->blocks * cut->size) * sizeof *made + 1);
  if (made) rk_cut_rows(w, cut, 0, cut->blocks, made);
  return made;
}
