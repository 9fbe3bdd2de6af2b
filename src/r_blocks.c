/* Blocks: lists of intervals of places of j for segments of places of i, see R/blocks.R.
 *
 * R code has checked what comes in, by blocks_fault. All memory is R's, so that an interrupt may
 * end these functions anywhere. */
#include "r_glue.h"
#include "order.h"

#include <limits.h>
#include <string.h>

enum { ASK_EVERY = 4096 }; /* segments between two looks at R */

typedef struct {
  int rows, columns, segments;
  const int *i_end, *list_end, *from, *to;
} lists;

static const int *integers(SEXP x, const char *name, int *n) {
  SEXP part = list_element(x, name);
  *n = Rf_length(part);
  return TYPEOF(part) == INTSXP ? INTEGER_RO(part) : NULL;
}

static lists lists_of(SEXP x) {
  lists l = {0};
  int n;
  const int *size = integers(x, "size", &n);
  l.rows = size[0];
  l.columns = size[1];
  l.list_end = integers(x, "list_end", &n);
  l.from = integers(x, "from", &n);
  l.to = integers(x, "to", &n);
  l.i_end = integers(x, "i_end", &l.segments);
  return l;
}

static int first_row(const lists *l, int s) { return s ? l->i_end[s - 1] : 0; }
static int first_interval(const lists *l, int s) { return s ? l->list_end[s - 1] : 0; }

static void ask(int step) {
  if (step % ASK_EVERY == 0) R_CheckUserInterrupt();
}

/* ---- checks ---------------------------------------------------------------------------------- */

static const char *order_fault(SEXP x, const char *name, int size) {
  int n;
  const int *order = integers(x, name, &n);
  if (!order) return NULL;
  if (n != size) return "an order is not as long as `size` says";
  char *seen = R_alloc((size_t)n + 1, 1);
  memset(seen, 0, (size_t)n + 1);
  return rk_is_order(order, n, 1, seen) ? NULL : "an order has no place for each row";
}

static const char *segments_fault(const lists *l, int intervals) {
  int last_row = l->segments ? l->i_end[l->segments - 1] : 0;
  int last = l->segments ? l->list_end[l->segments - 1] : 0;
  if (last_row != l->rows) return "the last of `i_end` is not the number of i";
  if (last != intervals) return "the last of `list_end` is not the number of intervals";
  for (int s = 0; s < l->segments; s++) {
    if (l->i_end[s] <= first_row(l, s)) return "`i_end` does not ascend";
    if (l->list_end[s] < first_interval(l, s)) return "`list_end` descends";
  }
  return NULL;
}

static const char *intervals_fault(const lists *l) {
  for (int s = 0; s < l->segments; s++) {
    int end = -1;
    for (int k = first_interval(l, s); k < l->list_end[s]; k++) {
      if (l->from[k] <= end || l->from[k] >= l->to[k] || l->to[k] > l->columns)
        return "intervals do not ascend apart from each other, up to the number of j";
      end = l->to[k];
    }
  }
  return NULL;
}

/* What is wrong with blocks of known size, or NULL. */
SEXP rkeops_blocks_fault(SEXP x) {
  lists l = lists_of(x);
  int segments, intervals, ends;
  integers(x, "list_end", &segments);
  integers(x, "from", &intervals);
  integers(x, "to", &ends);
  int same = l.rows == l.columns && list_element(x, "i_order") == list_element(x, "j_order");
  const char *fault = order_fault(x, "i_order", l.rows);
  if (!fault && !same) fault = order_fault(x, "j_order", l.columns);
  if (!fault && (segments != l.segments || intervals != ends))
    fault = "`i_end` and `list_end`, or `from` and `to`, are of different lengths";
  if (!fault) fault = segments_fault(&l, intervals);
  if (!fault) fault = intervals_fault(&l);
  return fault ? Rf_mkString(fault) : R_NilValue;
}

/* ---- parts of two lists ---------------------------------------------------------------------- */

/* Goes over the places 0 .. columns - 1 in parts from .. to - 1 that lie in an interval of a or
 * not, and in one of b or not: `in` has bit 0 for a, bit 1 for b. Where a list decides alone
 * outside of its intervals, parts are not told apart by the other one there. */
typedef struct { const int *from, *to; int n, decides; } list;
typedef struct { list a, b; int columns, from, to, in; } parts;

static list list_of(const lists *l, int s) {
  int first = first_interval(l, s);
  return (list){l->from + first, l->to + first, l->list_end[s] - first, 0};
}

static void drop(list *l, int n) {
  l->from += n;
  l->to += n;
  l->n -= n;
}

/* Whether `at` is in the list, of which intervals up to there are dropped; where that changes. */
static int is_in(list *l, int at, int *next) {
  for (int step = 1; l->n && *l->to <= at;) {
    int goes_on = step <= l->n && l->to[step - 1] <= at;
    if (goes_on) drop(l, step);
    step = goes_on ? 2 * step : step / 2;
  }
  int inside = l->n && *l->from <= at;
  if (l->n) *next = inside ? *l->to : *l->from;
  return inside;
}

static int next_part(parts *p) {
  if (p->to >= p->columns) return 0;
  p->from = p->to;
  int next_a = p->columns, next_b = p->columns;
  int in_a = is_in(&p->a, p->from, &next_a), in_b = is_in(&p->b, p->from, &next_b);
  p->in = in_a + 2 * in_b;
  p->to = next_a < next_b ? next_a : next_b;
  if (!in_a && p->a.decides) p->to = next_a;
  if (!in_b && p->b.decides && next_b > p->to) p->to = next_b;
  return 1;
}

/* ---- lists that are made --------------------------------------------------------------------- */

/* Intervals that are counted, or written where there is room for them. */
typedef struct { int64_t n, first; int *from, *to; } made;

static void add_interval(made *m, int from, int to) {
  if (m->from && m->n > m->first && m->to[m->n - 1] == from) {
    m->to[m->n - 1] = to;
    return;
  }
  if (m->from) {
    m->from[m->n] = from;
    m->to[m->n] = to;
  }
  m->n++;
}

static SEXP new_lists(int segments, int64_t intervals, int *at[4]) {
  const char *names[] = {"i_end", "list_end", "from", "to", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int k = 0; k < 4; k++) {
    SEXP part = Rf_allocVector(INTSXP, k < 2 ? segments : (R_xlen_t)intervals);
    SET_VECTOR_ELT(out, k, part);
    at[k] = INTEGER(part);
  }
  UNPROTECT(1);
  return out;
}

static void shorten(SEXP out, int segments, int64_t intervals) {
  for (int k = 0; k < 4; k++) {
    R_xlen_t length = k < 2 ? segments : (R_xlen_t)intervals;
    if (XLENGTH(VECTOR_ELT(out, k)) != length)
      SET_VECTOR_ELT(out, k, Rf_xlengthgets(VECTOR_ELT(out, k), length));
  }
}

/* ---- two blocks as one ----------------------------------------------------------------------- */

/* Segments with i_end, each of which is in one segment of x and one of y; what is kept of places in
 * none, in x, in y, in both. */
typedef struct { lists x, y; int segments; const int *i_end, *of_x, *of_y, *table; } pairing;

static void add_segment(const pairing *p, int s, made *m) {
  parts part = {.a = list_of(&p->x, p->of_x[s] - 1), .b = list_of(&p->y, p->of_y[s] - 1),
                .columns = p->x.columns};
  part.a.decides = p->table[0] == p->table[2];
  part.b.decides = p->table[0] == p->table[1];
  while (next_part(&part))
    if (p->table[part.in]) add_interval(m, part.from, part.to);
}

static int same_as_last(const made *m, int64_t before) {
  int64_t n = m->n - m->first;
  size_t bytes = (size_t)n * sizeof *m->from;
  return m->first - before == n && !memcmp(m->from + before, m->from + m->first, bytes) &&
         !memcmp(m->to + before, m->to + m->first, bytes);
}

/* Segments with the same list become one. */
static int write_segments(const pairing *p, made *m, int *i_end, int *list_end) {
  int n = 0;
  int64_t before = 0;
  for (int s = 0; s < p->segments; s++) {
    ask(s);
    m->first = m->n;
    add_segment(p, s, m);
    if (n && same_as_last(m, before)) {
      m->n = m->first;
    } else {
      before = m->first;
      n++;
    }
    i_end[n - 1] = p->i_end[s];
    list_end[n - 1] = (int)m->n;
  }
  return n;
}

/* NULL: there are too many intervals. */
SEXP rkeops_blocks_combined(SEXP x, SEXP y, SEXP i_end, SEXP of_x, SEXP of_y, SEXP table) {
  pairing p = {lists_of(x), lists_of(y), Rf_length(i_end), INTEGER_RO(i_end), INTEGER_RO(of_x),
               INTEGER_RO(of_y), LOGICAL_RO(table)};
  made m = {0};
  for (int s = 0; s < p.segments; s++) {
    ask(s);
    add_segment(&p, s, &m);
  }
  if (m.n > INT_MAX) return R_NilValue;
  int *at[4];
  SEXP out = PROTECT(new_lists(p.segments, m.n, at));
  m = (made){0, 0, at[2], at[3]};
  int segments = write_segments(&p, &m, at[0], at[1]);
  shorten(out, segments, m.n);
  UNPROTECT(1);
  return out;
}

/* ---- lists of cells -------------------------------------------------------------------------- */

/* Interval k stands for the cells that `cells` has from first[k] to last[k] - 1, of which each is a
 * run of places up to end. */
typedef struct { const int *list_end, *first, *last, *cells, *end; int *sorted; } cell_lists;

static void add_cells(const cell_lists *c, int from, int to, made *m) {
  int n = 0, ascending = 1;
  for (int k = from; k < to; k++)
    for (int at = c->first[k]; at < c->last[k]; at++) c->sorted[n++] = c->cells[at];
  for (int k = 1; k < n; k++) ascending &= c->sorted[k] > c->sorted[k - 1];
  if (!ascending) R_qsort_int(c->sorted, 1, (size_t)n);
  for (int k = 0; k < n; k++) {
    int cell = c->sorted[k] - 1;
    add_interval(m, cell ? c->end[cell - 1] : 0, c->end[cell]);
  }
}

SEXP rkeops_blocks_in_cells(SEXP list_end, SEXP first, SEXP last, SEXP cells, SEXP end) {
  cell_lists c = {INTEGER_RO(list_end), INTEGER_RO(first), INTEGER_RO(last), INTEGER_RO(cells),
                  INTEGER_RO(end), (int *)R_alloc((size_t)XLENGTH(cells) + 1, sizeof(int))};
  int64_t count = 0;
  for (R_xlen_t k = 0; k < XLENGTH(first); k++) count += c.last[k] - c.first[k];
  int segments = Rf_length(list_end), *at[4];
  SEXP out = PROTECT(new_lists(segments, count, at));
  made m = {0, 0, at[2], at[3]};
  for (int s = 0; s < segments; s++) {
    ask(s);
    m.first = m.n;
    add_cells(&c, s ? c.list_end[s - 1] : 0, c.list_end[s], &m);
    at[0][s] = at[1][s] = (int)m.n;
  }
  shorten(out, segments, m.n);
  UNPROTECT(1);
  return out;
}

/* ---- i and j exchanged ----------------------------------------------------------------------- */

/* Columns are cut in pieces wherever an interval begins or ends. `of` has the piece of each place,
 * `next` for each piece where its next interval is written. */
typedef struct { int pieces, *of; int64_t *next; int *from, *to; } transposition;

static void cut(const lists *l, transposition *t) {
  int intervals = l->segments ? l->list_end[l->segments - 1] : 0;
  t->of = (int *)R_alloc((size_t)l->columns + 1, sizeof(int));
  memset(t->of, 0, ((size_t)l->columns + 1) * sizeof(int));
  for (int k = 0; k < intervals; k++) t->of[l->from[k]] = t->of[l->to[k]] = 1;
  int piece = -1;
  for (int place = 0; place < l->columns; place++) {
    piece += !place || t->of[place];
    t->of[place] = piece;
  }
  t->pieces = t->of[l->columns] = piece + 1;
  t->next = (int64_t *)R_alloc((size_t)t->pieces + 1, sizeof(int64_t));
  memset(t->next, 0, ((size_t)t->pieces + 1) * sizeof(int64_t));
}

/* What differs between the lists of a segment and the one before it, which ends at `row`. */
static void add_changes(const lists *l, int s, transposition *t) {
  const list none = {0};
  parts part = {.a = s ? list_of(l, s - 1) : none, .b = s < l->segments ? list_of(l, s) : none,
                .columns = l->columns};
  int row = first_row(l, s);
  while (next_part(&part)) {
    if (part.in != 1 && part.in != 2) continue;
    for (int p = t->of[part.from]; p < t->of[part.to]; p++) {
      if (part.in == 2 && t->from) t->from[t->next[p]] = row;
      if (part.in == 1 && t->to) t->to[t->next[p]] = row;
      t->next[p] += part.in == 1;
    }
  }
}

static void add_all_changes(const lists *l, transposition *t) {
  for (int s = 0; s <= l->segments; s++) {
    ask(s);
    add_changes(l, s, t);
  }
}

/* NULL: there are too many intervals. */
SEXP rkeops_blocks_transposed(SEXP x) {
  lists l = lists_of(x);
  transposition t = {0};
  cut(&l, &t);
  add_all_changes(&l, &t);
  int64_t n = 0;
  for (int p = 0; p < t.pieces; p++) {
    int64_t count = t.next[p];
    t.next[p] = n;
    n += count;
  }
  if (n > INT_MAX) return R_NilValue;
  int *at[4];
  SEXP out = PROTECT(new_lists(t.pieces, n, at));
  t.from = at[2];
  t.to = at[3];
  add_all_changes(&l, &t);
  for (int place = 0; place < l.columns; place++) at[0][t.of[place]] = place + 1;
  for (int p = 0; p < t.pieces; p++) at[1][p] = (int)t.next[p];
  UNPROTECT(1);
  return out;
}

/* ---- numbers of pairs ------------------------------------------------------------------------ */

/* How many i meet each place of j. */
SEXP rkeops_blocks_covered(SEXP x) {
  lists l = lists_of(x);
  SEXP out = PROTECT(Rf_allocVector(REALSXP, l.columns));
  double *change = (double *)R_alloc((size_t)l.columns + 1, sizeof(double)), sum = 0;
  memset(change, 0, ((size_t)l.columns + 1) * sizeof(double));
  for (int s = 0; s < l.segments; s++)
    for (int k = first_interval(&l, s); k < l.list_end[s]; k++) {
      change[l.from[k]] += l.i_end[s] - first_row(&l, s);
      change[l.to[k]] -= l.i_end[s] - first_row(&l, s);
    }
  for (int place = 0; place < l.columns; place++) REAL(out)[place] = sum += change[place];
  UNPROTECT(1);
  return out;
}

/* Are these places of j in the lists of these segments? */
SEXP rkeops_blocks_listed(SEXP x, SEXP segment, SEXP place) {
  lists l = lists_of(x);
  R_xlen_t n = XLENGTH(place);
  const int *of = INTEGER_RO(segment), *at = INTEGER_RO(place);
  SEXP out = PROTECT(Rf_allocVector(LGLSXP, n));
  for (R_xlen_t k = 0; k < n; k++) {
    int low = first_interval(&l, of[k] - 1), end = l.list_end[of[k] - 1], high = end;
    while (low < high) { /* the first interval that ends at the place or behind it */
      int middle = low + (high - low) / 2;
      if (l.to[middle] >= at[k]) high = middle;
      else low = middle + 1;
    }
    LOGICAL(out)[k] = low < end && l.from[low] < at[k];
  }
  UNPROTECT(1);
  return out;
}

/* Positions by place, so that it is quick to count those of some places that are below a bound: for
 * each bit, from the highest on, places are sorted by it, stably, and it is kept how many before a
 * place have it not. Known as a wavelet matrix. */
enum { WORD = 64 };
typedef struct { int n, bits; uint64_t *bit[32]; int *zeros[32]; } wavelets;

static int zeros_before(const wavelets *w, int level, int place) {
  uint64_t part = ~w->bit[level][place / WORD] & (((uint64_t)1 << place % WORD) - 1);
  return w->zeros[level][place / WORD] + __builtin_popcountll(part);
}

static void sort_level(wavelets *w, int level, const int *from, int *to) {
  int words = w->n / WORD + 1, n = 0, shift = w->bits - 1 - level;
  w->bit[level] = (uint64_t *)R_alloc((size_t)words, sizeof(uint64_t));
  w->zeros[level] = (int *)R_alloc((size_t)words, sizeof(int));
  memset(w->bit[level], 0, (size_t)words * sizeof(uint64_t));
  for (int k = 0; k < w->n; k++) {
    if (k % WORD == 0) w->zeros[level][k / WORD] = n;
    if (from[k] >> shift & 1) w->bit[level][k / WORD] |= (uint64_t)1 << k % WORD;
    else to[n++] = from[k];
  }
  if (w->n % WORD == 0) w->zeros[level][words - 1] = n;
  for (int k = 0; k < w->n; k++)
    if (from[k] >> shift & 1) to[n++] = from[k];
}

static wavelets wavelets_of(const int *position, int n) {
  wavelets w = {.n = n, .bits = 1};
  while (w.bits < 31 && n >> w.bits) w.bits++;
  int *from = (int *)R_alloc((size_t)n + 1, sizeof(int));
  int *to = (int *)R_alloc((size_t)n + 1, sizeof(int));
  for (int k = 0; k < n; k++) from[k] = position[k] - 1;
  for (int level = 0; level < w.bits; level++) {
    sort_level(&w, level, from, to);
    int *sorted = to;
    to = from;
    from = sorted;
  }
  return w;
}

/* How many of the places from .. to - 1 have positions below `bound`, which is at most n. */
static int below(const wavelets *w, int from, int to, int bound) {
  int count = 0;
  for (int level = 0; level < w->bits; level++) {
    int zeros_from = zeros_before(w, level, from), zeros_to = zeros_before(w, level, to);
    if (bound >> (w->bits - 1 - level) & 1) {
      int zeros = zeros_before(w, level, w->n);
      count += zeros_to - zeros_from;
      from += zeros - zeros_from;
      to += zeros - zeros_to;
    } else {
      from = zeros_from;
      to = zeros_to;
    }
  }
  return count;
}

/* Of the places from .. to - 1, those with positions first .. end - 1. */
static int in_window(const wavelets *w, int from, int to, int first, int end) {
  if (w->n) return below(w, from, to, end) - below(w, from, to, first);
  from = from > first ? from : first; /* all lie as they are */
  to = to < end ? to : end;
  return to > from ? to - from : 0;
}

typedef struct { const double *lower, *upper; int n; } ranges;

static int within(double x, int most) { return x < 0 ? 0 : x > most ? most : (int)x; }

static double pairs_of_row(const lists *l, const wavelets *w, ranges r, int s, int i) {
  double pairs = 0;
  for (int o = 0; o < r.n; o++) {
    int first = within(i + r.lower[o], l->columns), end = within(i + r.upper[o] + 1, l->columns);
    for (int k = first_interval(l, s); first < end && k < l->list_end[s]; k++)
      pairs += in_window(w, l->from[k], l->to[k], first, end);
  }
  return pairs;
}

/* How many j each i meets, by position, where j - i is limited. */
SEXP rkeops_blocks_counted(SEXP x) {
  lists l = lists_of(x);
  SEXP offsets = list_element(x, "offsets"), out = PROTECT(Rf_allocVector(REALSXP, l.rows));
  ranges r = {REAL_RO(offsets), REAL_RO(offsets) + Rf_nrows(offsets), Rf_nrows(offsets)};
  int n, row = 0;
  const int *i_order = integers(x, "i_order", &n), *j_order = integers(x, "j_order", &n);
  wavelets w = {0};
  if (j_order) w = wavelets_of(j_order, l.columns);
  for (int s = 0; s < l.segments; s++)
    for (; row < l.i_end[s]; row++) {
      ask(row);
      int i = i_order ? i_order[row] - 1 : row;
      REAL(out)[i] = pairs_of_row(&l, &w, r, s, i);
    }
  UNPROTECT(1);
  return out;
}
