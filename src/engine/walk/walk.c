/* Blocks -> walks. See walk.h. */
#include "walk/walk.h"
#include "error.h"
#include "order.h"

#include <stdlib.h>
#include <string.h>

static const char *const name_of[] = {"i", "j"};

static void *own(rk_walks *w, size_t bytes) {
  void *made = malloc(bytes + 1);
  w->owned[w->owns] = made;
  w->owns += made != NULL;
  return made;
}

void rk_walks_free(rk_walks *w) {
  while (w->owns) free(w->owned[--w->owns]);
}

static rk_status wrong(rk_error *error, const char *what) {
  return rk_fail(error, RK_ERROR_ARGUMENT, "`blocks`: %s", what);
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* Positions from 0, of an order that has each once; NULL where each lies at its own place. */
static rk_status take_order(rk_walks *w, const rk_blocks *b, int kind, const int32_t **order,
                            rk_error *error) {
  const int32_t *given = b->order[kind];
  int64_t n = b->size[kind], same = 0;
  *order = NULL;
  if (!given) return RK_OK;
  char *seen = calloc((size_t)n + 1, 1);
  int32_t *made = own(w, (size_t)n * sizeof *made);
  int has_memory = seen && made, good = has_memory && rk_is_order(given, n, b->base, seen);
  free(seen);
  if (!has_memory) return rk_fail_memory(error, (size_t)n * 5);
  if (!good)
    return rk_fail(error, RK_ERROR_ARGUMENT, "`blocks`: the order of %s has not each row once",
                   name_of[kind]);
  while (same < n && given[same] - b->base == same) same++;
  for (int64_t k = 0; k < n && same < n; k++) made[k] = given[k] - b->base;
  if (same < n) *order = made;
  return RK_OK;
}

/* As is common, i and j may lie in the same one. */
static rk_status take_orders(rk_walks *w, const rk_blocks *b, rk_walk *i, rk_error *error) {
  int same = b->order[0] == b->order[1] && b->size[0] == b->size[1];
  rk_status status = take_order(w, b, RK_KIND_I, &i->row_at, error);
  if (same) i->column_at = i->row_at;
  return status || same ? status : take_order(w, b, RK_KIND_J, &i->column_at, error);
}

/* For bands, how far positions ascend from each place. */
static rk_status find_runs(rk_walks *w, rk_walk *one, rk_error *error) {
  if (!one->column_at || !one->bands) return RK_OK;
  int32_t *end = own(w, (size_t)one->columns * sizeof *end);
  if (!end) return rk_fail_memory(error, (size_t)one->columns * sizeof *end);
  for (int64_t k = one->columns - 1; k >= 0; k--) {
    int goes_on = k + 1 < one->columns && one->column_at[k] < one->column_at[k + 1];
    end[k] = goes_on ? end[k + 1] : (int32_t)(k + 1);
  }
  one->run_end = end;
  return RK_OK;
}

int rk_walk_reorders(const rk_walk *walk) { return walk->column_at != NULL; }

/* ---- checks ---------------------------------------------------------------------------------- */

static rk_status check_sizes(const rk_blocks *b, const int64_t *rows, rk_error *error) {
  for (int kind = 0; kind < 2; kind++)
    if (b->size[kind] != rows[kind])
      return rk_fail(error, RK_ERROR_SHAPE, "`blocks` are of %lld rows of %s: expected %lld",
                     (long long)b->size[kind], name_of[kind], (long long)rows[kind]);
  if (rows[0] + rows[1] > INT32_MAX)
    return rk_fail(error, RK_ERROR_SHAPE,
                   "`blocks`: expected at most 2^31 - 1 rows of i and j together, found %lld",
                   (long long)(rows[0] + rows[1]));
  return RK_OK;
}

static rk_status check_list(const rk_blocks *b, int64_t first, int64_t end, rk_error *error) {
  int32_t last = 0;
  for (int64_t k = first; k < end; k++) {
    if (b->from[k] < last || b->end[k] <= b->from[k] || b->end[k] > b->size[1])
      return wrong(error, "intervals have to ascend, apart from each other, within the rows of j");
    last = b->end[k];
  }
  return RK_OK;
}

static rk_status check_segments(const rk_blocks *b, rk_error *error) {
  int32_t place = 0, list = 0;
  rk_status status = RK_OK;
  for (int64_t s = 0; s < b->segments && !status; s++) {
    if (b->row_end[s] <= place || b->list_end[s] < list)
      return wrong(error, "ends of segments have to ascend");
    status = check_list(b, list, b->list_end[s], error);
    place = b->row_end[s];
    list = b->list_end[s];
  }
  if (!status && place != b->size[0])
    return wrong(error, "the last segment has to end with the last row");
  return status;
}

static rk_status check_bands(const rk_blocks *b, rk_error *error) {
  for (int k = 0; k < b->bands; k++)
    if (!(b->lower[k] <= b->upper[k]) || (k && !(b->upper[k - 1] < b->lower[k])))
      return wrong(error, "bands have to ascend, apart from each other");
  return RK_OK;
}

/* ---- the walk of i --------------------------------------------------------------------------- */

static int64_t limited(double x, int64_t least, int64_t most) {
  return x < (double)least ? least : x > (double)most ? most : (int64_t)x;
}

/* Differences beyond all that there are would not fit in 32 bits beside a position. */
static rk_status take_bands(rk_walks *w, const rk_blocks *b, rk_walk *one, int sign,
                            rk_error *error) {
  int64_t *limits = own(w, (size_t)b->bands * 2 * sizeof *limits);
  if (!limits) return rk_fail_memory(error, (size_t)b->bands * 16);
  int64_t least = -one->rows, most = one->columns;
  one->bands = b->bands;
  one->lower = limits;
  one->upper = limits + b->bands;
  for (int k = 0; k < b->bands; k++) {
    int from = sign > 0 ? k : b->bands - 1 - k;
    double low = sign > 0 ? b->lower[from] : -b->upper[from];
    double high = sign > 0 ? b->upper[from] : -b->lower[from];
    limits[k] = limited(low, least, most + 1);
    limits[b->bands + k] = limited(high, least - 1, most);
  }
  return RK_OK;
}

static rk_status count_columns(rk_walks *w, rk_walk *one, rk_error *error) {
  int64_t *columns = own(w, (size_t)one->segments * sizeof *columns);
  if (!columns) return rk_fail_memory(error, (size_t)one->segments * sizeof *columns);
  for (int64_t s = 0, k = 0; s < one->segments; s++) {
    columns[s] = 0;
    for (; k < one->list_end[s]; k++) columns[s] += one->end[k] - one->from[k];
  }
  one->list_columns = columns;
  return RK_OK;
}

/* Without segments, one of all rows that has all columns. */
static rk_status take_segments(rk_walks *w, const rk_blocks *b, rk_walk *one, rk_error *error) {
  one->segments = b->segments ? b->segments : one->rows > 0;
  int64_t *list_end = own(w, (size_t)one->segments * sizeof *list_end);
  int32_t *whole = own(w, 3 * sizeof *whole);
  if (!list_end || !whole) return rk_fail_memory(error, (size_t)one->segments * sizeof *list_end);
  whole[0] = (int32_t)one->rows;
  whole[1] = 0;
  whole[2] = (int32_t)one->columns;
  one->list_end = list_end;
  one->segment_end = b->segments ? b->row_end : whole;
  one->from = b->segments ? b->from : whole + 1;
  one->end = b->segments ? b->end : whole + 2;
  if (!b->segments) list_end[0] = one->columns > 0;
  for (int64_t s = 0; s < b->segments; s++) list_end[s] = b->list_end[s];
  return count_columns(w, one, error);
}

/* ---- the walk of j: transposed --------------------------------------------------------------- */

enum { BIN = 64 };

static int by_number(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

static int64_t intervals_of(const rk_walk *w) {
  return w->segments ? w->list_end[w->segments - 1] : 0;
}

/* Ends of the segments of columns, in `ends`: where lists begin or end, or, where there would be
 * too many of those, every BIN places. */
static int64_t cut_columns(const rk_walk *w, int32_t *ends, int *exact) {
  int64_t n = intervals_of(w), count = 0, kept = 0;
  for (int64_t k = 0; k < n; k++) {
    if (w->from[k] > 0) ends[count++] = w->from[k];
    ends[count++] = w->end[k];
  }
  ends[count++] = (int32_t)w->columns;
  qsort(ends, (size_t)count, sizeof *ends, by_number);
  for (int64_t k = 0; k < count; k++)
    if (!kept || ends[k] != ends[kept - 1]) ends[kept++] = ends[k];
  *exact = kept <= w->columns / (BIN / 4) + 1;
  return *exact ? kept : -1;
}

/* Adds rows from .. end - 1 to the list of a segment of columns, or to its last interval. With
 * `fill` NULL it only counts. */
typedef struct { int32_t end, low, high; int64_t count; } last_added;
typedef struct { int32_t *from, *end, *low, *high; int64_t *start; } lists;

static void add_rows(last_added *last, const lists *fill, int64_t s, rk_interval rows) {
  int joins = last->count && last->end == rows.from && last->low == rows.first &&
              last->high == rows.last;
  last->count += !joins;
  last->end = rows.end;
  last->low = rows.first;
  last->high = rows.last;
  if (!fill) return;
  int64_t at = fill->start[s] + last->count - 1;
  if (!joins) fill->from[at] = rows.from;
  fill->end[at] = rows.end;
  if (fill->low) fill->low[at] = rows.first;
  if (fill->high) fill->high[at] = rows.last;
}

static int64_t segment_of(const int32_t *ends, int64_t n, int32_t place) {
  int64_t low = 0, high = n - 1;
  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (ends[middle] > place) high = middle;
    else low = middle + 1;
  }
  return low;
}

/* All of w's intervals to the lists of the segments of columns. */
static void transpose_into(const rk_walk *w, const int32_t *ends, int64_t n, last_added *last,
                           const lists *fill) {
  memset(last, 0, (size_t)n * sizeof *last);
  for (int64_t s = 0, k = 0; s < w->segments; s++) {
    int32_t first = s ? w->segment_end[s - 1] : 0;
    for (; k < w->list_end[s]; k++)
      for (int64_t c = segment_of(ends, n, w->from[k]); c < n; c++) {
        int32_t start = c ? ends[c - 1] : 0;
        if (start >= w->end[k]) break;
        int32_t low = w->from[k] > start ? w->from[k] - start : 0;
        int32_t high = (w->end[k] < ends[c] ? w->end[k] : ends[c]) - start;
        add_rows(&last[c], fill, c, (rk_interval){.from = first, .end = w->segment_end[s],
                                                  .first = low, .last = high});
      }
  }
}

static rk_status fill_lists(rk_walks *all, const rk_walk *w, rk_walk *to, last_added *last,
                            int exact, rk_error *error) {
  int64_t n = to->segments, total = 0;
  int64_t *list_end = own(all, (size_t)n * sizeof *list_end);
  int64_t *start = malloc((size_t)n * sizeof *start + 1);
  for (int64_t c = 0; c < n && list_end && start; c++) {
    start[c] = total;
    list_end[c] = total += last[c].count;
  }
  size_t bytes = (size_t)total * sizeof(int32_t);
  lists fill = {own(all, bytes), own(all, bytes), exact ? NULL : own(all, bytes),
                exact ? NULL : own(all, bytes), start};
  int has_memory = list_end && start && fill.from && fill.end && (exact || (fill.low && fill.high));
  if (has_memory) transpose_into(w, to->segment_end, n, last, &fill);
  free(start);
  to->list_end = list_end;
  to->from = fill.from;
  to->end = fill.end;
  to->low = fill.low;
  to->high = fill.high;
  return has_memory ? count_columns(all, to, error) : rk_fail_memory(error, 4 * bytes);
}

static rk_status transpose(rk_walks *all, const rk_walk *w, rk_walk *to, rk_error *error) {
  int exact = 1;
  size_t bytes = (size_t)(2 * intervals_of(w) + 1 + w->columns / BIN + 2) * sizeof(int32_t);
  int32_t *ends = own(all, bytes);
  if (!ends) return rk_fail_memory(error, bytes);
  to->segments = w->columns ? cut_columns(w, ends, &exact) : 0;
  if (to->segments < 0) {
    to->segments = 0;
    for (int64_t c = BIN; c < w->columns; c += BIN) ends[to->segments++] = (int32_t)c;
    ends[to->segments++] = (int32_t)w->columns;
  }
  to->segment_end = ends;
  last_added *last = calloc((size_t)to->segments + 1, sizeof *last);
  if (!last) return rk_fail_memory(error, (size_t)to->segments * sizeof *last);
  transpose_into(w, ends, to->segments, last, NULL);
  rk_status status = to->segments ? fill_lists(all, w, to, last, exact, error) : RK_OK;
  free(last);
  return status;
}

/* ---- both ------------------------------------------------------------------------------------ */

rk_status rk_walks_make(rk_walks *w, const rk_blocks *b, const int64_t *rows, const int *wanted,
                        rk_error *error) {
  *w = (rk_walks){.owns = 0};
  rk_status status = check_sizes(b, rows, error);
  if (!status && b->segments) status = check_segments(b, error);
  if (!status) status = check_bands(b, error);
  rk_walk *i = &w->of[RK_KIND_I], *j = &w->of[RK_KIND_J];
  i->rows = j->columns = rows[RK_KIND_I];
  i->columns = j->rows = rows[RK_KIND_J];
  if (!status) status = take_orders(w, b, i, error);
  j->row_at = i->column_at;
  j->column_at = i->row_at;
  if (!status) status = take_segments(w, b, i, error);
  if (!status) status = take_bands(w, b, i, 1, error);
  if (!status && wanted[RK_KIND_I]) status = find_runs(w, i, error);
  if (status || !wanted[RK_KIND_J]) return status;
  status = take_bands(w, b, j, -1, error);
  if (!status) status = find_runs(w, j, error);
  return status ? status : transpose(w, i, j, error);
}
