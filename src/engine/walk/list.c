/* What a kernel walks over for a block of rows. See walk.h. */
#include "walk/walk.h"

#include <stdlib.h>
#include <string.h>

/* ---- lists ----------------------------------------------------------------------------------- */

void rk_intervals_free(rk_intervals *list) {
  free(list->at);
  *list = (rk_intervals){.count = 0};
}

static int is_same(const rk_interval *a, const rk_interval *b) {
  return a->masked == b->masked && a->first == b->first && a->last == b->last &&
         a->lower == b->lower && a->upper == b->upper;
}

static int has_room(rk_intervals *list, int64_t n) {
  if (list->count + n <= list->room) return 1;
  int64_t room = (list->count + n) * 2 + 16;
  rk_interval *at = realloc(list->at, (size_t)room * sizeof *at);
  list->failed |= !at;
  if (!at) return 0;
  list->at = at;
  list->room = room;
  return 1;
}

void rk_intervals_append(rk_intervals *list, const rk_interval *more, int64_t n) {
  if (!has_room(list, n)) return;
  for (int64_t k = 0; k < n; k++) list->at[list->count++] = more[k];
}

void rk_intervals_add(rk_intervals *list, rk_interval one) {
  rk_interval *last = list->count ? &list->at[list->count - 1] : NULL;
  if (last && last->end == one.from && is_same(last, &one)) {
    last->end = one.end;
    return;
  }
  rk_intervals_append(list, &one, 1);
}

int64_t rk_intervals_columns(const rk_intervals *list) {
  int64_t columns = 0;
  for (int64_t k = 0; k < list->count; k++) columns += list->at[k].end - list->at[k].from;
  return columns;
}

int64_t rk_intervals_take(rk_intervals *list, int64_t at, int64_t left, rk_interval *rest) {
  int64_t n = 0;
  *rest = (rk_interval){.end = 0};
  for (; at + n < list->count && left > 0; n++) {
    rk_interval *one = &list->at[at + n];
    if (one->end - one->from > left) {
      *rest = *one;
      one->end = rest->from = one->from + (int32_t)left;
    }
    left -= one->end - one->from;
  }
  return n;
}

/* ---- bands ----------------------------------------------------------------------------------- */

/* A block of rows: its places, and how many it is filled up to. */
typedef struct { const rk_walk *w; int32_t from, end, size; rk_intervals *list; } block;

static int64_t position(const int32_t *at, int64_t place) { return at ? at[place] : place; }

/* The first place of from .. end - 1, where positions ascend, whose position is `least` or more. */
static int32_t first_from(const rk_walk *w, int32_t from, int32_t end, int64_t least) {
  if (!w->column_at) return least < from ? from : least > end ? end : (int32_t)least;
  while (from < end) {
    int32_t middle = from + (end - from) / 2;
    if (position(w->column_at, middle) >= least) end = middle;
    else from = middle + 1;
  }
  return from;
}

static int is_whole(const block *b, const rk_interval *one) {
  return one->first == 0 && one->last == b->end - b->from;
}

static void add_part(const block *b, rk_interval one, int32_t from, int32_t end, int masked) {
  if (from >= end) return;
  one.from = from;
  one.end = end;
  one.masked = masked || !is_whole(b, &one);
  if (!one.masked) one.first = one.last = one.lower = one.upper = 0;
  else if (one.last == b->end - b->from) one.last = b->size; /* the last row, repeated */
  rk_intervals_add(b->list, one);
}

/* Positions of the rows that take part. */
static void limits_of(const block *b, const rk_interval *one, int64_t *least, int64_t *most) {
  int32_t first = b->from + one->first, last = b->from + one->last - 1;
  *least = position(b->w->row_at, first);
  *most = position(b->w->row_at, last);
  for (int32_t place = first; b->w->row_at && place <= last; place++) {
    int64_t at = b->w->row_at[place];
    if (at < *least) *least = at;
    if (at > *most) *most = at;
  }
}

/* Of a run of columns whose positions ascend: in the middle are those that all of the rows take. */
static void add_run(const block *b, const rk_interval *one, int64_t least, int64_t most) {
  const rk_walk *w = b->w;
  int32_t from = first_from(w, one->from, one->end, least + one->lower);
  int32_t end = first_from(w, from, one->end, most + one->upper + 1);
  int32_t all_from = first_from(w, from, end, most + one->lower);
  int32_t all_end = first_from(w, from, end, least + one->upper + 1);
  if (all_from >= all_end) all_from = all_end = end;
  add_part(b, *one, from, all_from, 1);
  add_part(b, *one, all_from, all_end, 0);
  add_part(b, *one, all_end, end, 1);
}

static void add_bands(const block *b, rk_interval one) {
  const rk_walk *w = b->w;
  int64_t least, most;
  int32_t last = one.end;
  limits_of(b, &one, &least, &most);
  for (; one.from < last; one.from = one.end) {
    one.end = w->run_end && w->run_end[one.from] < last ? w->run_end[one.from] : last;
    for (int k = 0; k < w->bands; k++) {
      one.lower = (int32_t)w->lower[k];
      one.upper = (int32_t)w->upper[k];
      add_run(b, &one, least, most);
    }
  }
}

/* Columns from .. end - 1 for the rows first .. last - 1 of the block. */
static void add(const block *b, int32_t from, int32_t end, int32_t first, int32_t last) {
  rk_interval one = {.from = from, .end = end, .first = first, .last = last,
                     .lower = (int32_t)-b->w->rows, .upper = (int32_t)b->w->columns};
  if (b->w->bands) add_bands(b, one);
  else add_part(b, one, from, end, 0);
}

/* ---- rows of several lists ------------------------------------------------------------------- */

/* Of the columns of a block: where rows first .. last - 1 begin, or end, to take part. */
typedef struct { int32_t column, first, last, change; } event;
typedef struct { event *at; int64_t count, room; int failed; } events;

static void add_event(events *e, event one) {
  if (e->count == e->room) {
    int64_t room = e->room * 2 + 64;
    event *at = realloc(e->at, (size_t)room * sizeof *at);
    e->failed |= !at;
    if (!at) return;
    e->at = at;
    e->room = room;
  }
  e->at[e->count++] = one;
}

static int by_column(const void *a, const void *b) {
  const event *x = a, *y = b;
  return (x->column > y->column) - (x->column < y->column);
}

/* Rows that take part in the same columns, side by side. */
typedef struct { int32_t first, last, from; } together;
typedef struct { together *at; int count; } row_runs;

/* The runs of rows that take part now; one that was there before began where it began. */
static void find_runs(const int32_t *active, int32_t rows, int32_t column, const row_runs *before,
                      row_runs *now) {
  now->count = 0;
  for (int32_t r = 0; r < rows; r++) {
    if (!active[r]) continue;
    together one = {r, r, column};
    while (r < rows && active[r]) r++;
    one.last = r;
    for (int k = 0; k < before->count; k++)
      if (before->at[k].first == one.first && before->at[k].last == one.last)
        one.from = before->at[k].from;
    now->at[now->count++] = one;
  }
}

static int goes_on(const together *one, const row_runs *now) {
  for (int k = 0; k < now->count; k++)
    if (now->at[k].first == one->first && now->at[k].last == one->last) return 1;
  return 0;
}

/* Adds what ends at `column`. So columns ascend for each row, since it is in one run at a time. */
static void add_ended(const block *b, row_runs *before, const row_runs *now, int32_t column) {
  for (int k = 0; k < before->count; k++)
    if (!goes_on(&before->at[k], now))
      add(b, before->at[k].from, column, before->at[k].first, before->at[k].last);
}

static void sweep(const block *b, events *e, int32_t *active, row_runs *before, row_runs *now) {
  int32_t rows = b->end - b->from;
  if (e->count) qsort(e->at, (size_t)e->count, sizeof *e->at, by_column);
  for (int64_t k = 0; k < e->count;) {
    int32_t column = e->at[k].column;
    for (; k < e->count && e->at[k].column == column; k++)
      for (int32_t r = e->at[k].first; r < e->at[k].last; r++) active[r] += e->at[k].change;
    find_runs(active, rows, column, before, now);
    add_ended(b, before, now, column);
    row_runs old = *before;
    *before = *now;
    *now = old;
  }
}

static int64_t segment_of(const rk_walk *w, int32_t place) {
  int64_t low = 0, high = w->segments - 1;
  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (w->segment_end[middle] > place) high = middle;
    else low = middle + 1;
  }
  return low;
}

static int32_t within(int32_t x, int32_t least, int32_t most) {
  return x < least ? least : x > most ? most : x;
}

/* The intervals of segment s as events, for those of its rows that are in the block. */
static void add_events(const block *b, int64_t s, events *e) {
  const rk_walk *w = b->w;
  int32_t start = s ? w->segment_end[s - 1] : 0, rows = b->end - b->from;
  for (int64_t k = s ? w->list_end[s - 1] : 0; k < w->list_end[s]; k++) {
    int32_t low = w->low ? start + w->low[k] : start;
    int32_t high = w->high ? start + w->high[k] : w->segment_end[s];
    event one = {w->from[k], within(low - b->from, 0, rows), within(high - b->from, 0, rows), 1};
    if (one.first >= one.last) continue;
    add_event(e, one);
    one.column = w->end[k];
    one.change = -1;
    add_event(e, one);
  }
}

static void add_several(const block *b, int64_t s) {
  const rk_walk *w = b->w;
  size_t rows = (size_t)b->size + 1;
  events e = {.count = 0};
  for (; s < w->segments && (s ? w->segment_end[s - 1] : 0) < b->end; s++) add_events(b, s, &e);
  int32_t *active = calloc(rows, sizeof *active);
  together *room = malloc(2 * rows * sizeof *room);
  if (active && room && !e.failed) {
    row_runs before = {room, 0}, now = {room + rows, 0};
    sweep(b, &e, active, &before, &now);
  } else {
    b->list->failed = 1;
  }
  free(active);
  free(room);
  free(e.at);
}

/* All rows of the block take all of these; as rk_intervals_add, of which there may be many. */
static void add_whole(const rk_walk *w, int64_t first, int64_t end, rk_intervals *list) {
  if (!has_room(list, end - first)) return;
  rk_interval *next = list->at;
  for (int64_t k = first; k < end; k++) {
    if (k > first && next[-1].end == w->from[k]) next[-1].end = w->end[k];
    else *next++ = (rk_interval){.from = w->from[k], .end = w->end[k]};
  }
  list->count = next - list->at;
}

int rk_walk_list(const rk_walk *w, const rk_cut *cut, int64_t number, rk_intervals *list) {
  block b = {w, cut->from[number], cut->from[number + 1], (int32_t)cut->size, list};
  list->count = 0;
  int64_t s = segment_of(w, b.from);
  int64_t first = s ? w->list_end[s - 1] : 0;
  if (!w->low && w->segment_end[s] >= b.end) {
    if (!w->bands) add_whole(w, first, w->list_end[s], list);
    for (int64_t k = first; k < w->list_end[s] && w->bands; k++)
      add(&b, w->from[k], w->end[k], 0, b.end - b.from);
  } else {
    add_several(&b, s);
  }
  return !list->failed;
}

double rk_walk_interval(const rk_walk *w) {
  int64_t n = w->segments ? w->list_end[w->segments - 1] : 0;
  double columns = 0;
  for (int64_t s = 0; s < w->segments; s++) columns += (double)w->list_columns[s];
  return n ? columns / (double)n : 0;
}

/* What bands leave of them, where rows and columns lie as they are. */
static rk_columns columns_in_bands(const rk_walk *w, int64_t first, int64_t last, rk_columns c) {
  if (!w->bands || w->row_at || w->column_at) return c;
  int64_t from = first + w->lower[0], end = last + w->upper[w->bands - 1] + 1;
  c.from = from > c.from ? (int32_t)(from < c.end ? from : c.end) : c.from;
  c.end = end < c.end ? (int32_t)(end > c.from ? end : c.from) : c.end;
  return c;
}

rk_columns rk_walk_columns(const rk_walk *w, const rk_cut *cut, int64_t b, int64_t end) {
  rk_columns c = {(int32_t)w->columns, 0};
  int32_t place = cut->from[b], last = cut->from[end];
  for (int64_t s = segment_of(w, place); place < last; place = w->segment_end[s++]) {
    int64_t first = s ? w->list_end[s - 1] : 0;
    if (first == w->list_end[s]) continue;
    if (w->from[first] < c.from) c.from = w->from[first];
    if (w->end[w->list_end[s] - 1] > c.end) c.end = w->end[w->list_end[s] - 1];
  }
  if (c.from >= c.end) return (rk_columns){0, 0};
  return columns_in_bands(w, cut->from[b], last - 1, c);
}

int64_t rk_walk_alike(const rk_walk *w, const rk_cut *cut, int64_t b, int64_t most) {
  int32_t end = w->segment_end[segment_of(w, cut->from[b])];
  int64_t n = 1;
  if (w->bands || w->low || cut->from[b + 1] > end) return 1;
  while (n < most && cut->from[b + n + 1] <= end) n++;
  return n;
}
