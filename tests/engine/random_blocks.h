/* Random blocks of pairs, of every kind that callers make, and which pairs they mean. */
#ifndef RKEOPS_RANDOM_BLOCKS_H
#define RKEOPS_RANDOM_BLOCKS_H

#include "check.h"

/* What `pairs` points to, and the mask that it means: pair (i, j) at i + m * j. */
typedef struct {
  rk_blocks pairs;
  int32_t *order[2], *row_end, *list_end, *from, *end;
  double limits[8];
  unsigned char *kept;
} random_blocks;

typedef enum {
  BLOCKS_NOTHING, BLOCKS_ALL, BLOCKS_LABELS, BLOCKS_INTERVALS, BLOCKS_ROWS, BLOCKS_BANDS,
  BLOCKS_DIAGONAL, BLOCKS_SORTED_BANDS, BLOCKS_MIXED_BANDS, BLOCKS_GROUPS,
  BLOCKS_KINDS
} blocks_kind;

static inline int below(int n) { return (int)(uniform() * n); }

static inline int32_t *random_order(int n, int32_t base) {
  int32_t *order = malloc((size_t)(n + 1) * sizeof *order);
  for (int k = 0; k < n; k++) order[k] = k + base;
  for (int k = n - 1; k > 0; k--) {
    int other = below(k + 1);
    int32_t held = order[k];
    order[k] = order[other];
    order[other] = held;
  }
  return order;
}

/* Rows by label, in order within one; `ends` of the labels. */
static inline int32_t *sorted_order(int n, int labels, int32_t base, int32_t *ends) {
  int32_t *order = malloc((size_t)(n + 1) * sizeof *order);
  int *label = malloc((size_t)(n + 1) * sizeof *label), at = 0;
  for (int k = 0; k < n; k++) label[k] = below(labels);
  for (int l = 0; l < labels; l++) {
    for (int k = 0; k < n; k++)
      if (label[k] == l) order[at++] = k + base;
    ends[l] = at;
  }
  free(label);
  return order;
}

static inline void add_segment(random_blocks *b, int32_t row_end) {
  int64_t s = b->pairs.segments;
  if (row_end == (s ? b->row_end[s - 1] : 0)) return;
  b->row_end[s] = row_end;
  b->list_end[s] = s ? b->list_end[s - 1] : 0;
  b->pairs.segments++;
}

static inline void add_columns(random_blocks *b, int32_t from, int32_t end) {
  int64_t s = b->pairs.segments - 1, k = b->list_end[s];
  int32_t first = s ? b->list_end[s - 1] : 0;
  if (from >= end) return;
  if (k > first && b->end[k - 1] == from) {
    b->end[k - 1] = end;
    return;
  }
  b->from[k] = from;
  b->end[k] = end;
  b->list_end[s]++;
}

static inline void keep_labels(random_blocks *b, double share, int only_equal) {
  enum { LABELS = 6 };
  int32_t rows[LABELS], columns[LABELS];
  for (int kind = 0; kind < 2; kind++)
    b->order[kind] = sorted_order((int)b->pairs.size[kind], LABELS, b->pairs.base,
                                  kind ? columns : rows);
  for (int l = 0; l < LABELS; l++) {
    int64_t before = b->pairs.segments;
    add_segment(b, rows[l]);
    for (int c = 0; c < LABELS && b->pairs.segments > before; c++)
      if (only_equal ? c == l : uniform() < share)
        add_columns(b, c ? columns[c - 1] : 0, columns[c]);
  }
}

static inline void keep_intervals(random_blocks *b, int most_rows, int most_gap) {
  int32_t m = (int32_t)b->pairs.size[0], n = (int32_t)b->pairs.size[1];
  for (int32_t row = 0; row < m;) {
    row += 1 + below(most_rows);
    add_segment(b, row < m ? row : m);
    for (int32_t at = below(most_gap); at < n;) {
      int32_t end = at + 1 + below(most_gap / 2);
      add_columns(b, at, end < n ? end : n);
      at = end + 1 + below(most_gap);
    }
  }
}

static inline void keep_bands(random_blocks *b, int diagonal) {
  int m = (int)b->pairs.size[0];
  double *lower = b->limits, *upper = b->limits + 4, at = -m;
  b->pairs.lower = lower;
  b->pairs.upper = upper;
  if (diagonal) { /* all but the diagonal */
    lower[0] = -INFINITY;
    upper[0] = -1;
    lower[1] = 1;
    upper[1] = INFINITY;
    b->pairs.bands = 2;
    return;
  }
  for (int k = 0; k < 1 + below(3); k++) {
    lower[k] = at + below(m / 2 + 2);
    upper[k] = lower[k] + below(m + 3);
    at = upper[k] + 1 + below(5);
    b->pairs.bands = k + 1;
  }
  if (below(4) == 0) lower[0] = -INFINITY;
  if (below(4) == 0) upper[b->pairs.bands - 1] = INFINITY;
}

static inline void mark_kept(random_blocks *b) {
  const rk_blocks *p = &b->pairs;
  int m = (int)p->size[0], n = (int)p->size[1];
  b->kept = calloc((size_t)m * (size_t)n + 1, 1);
  for (int row = 0, s = 0; row < m; row++) {
    while (p->segments && p->row_end[s] <= row) s++;
    int first = p->segments && s ? p->list_end[s - 1] : 0;
    int last = p->segments ? p->list_end[s] : 1;
    for (int k = first; k < last; k++)
      for (int c = p->segments ? p->from[k] : 0; c < (p->segments ? p->end[k] : n); c++) {
        int i = p->order[0] ? p->order[0][row] - p->base : row;
        int j = p->order[1] ? p->order[1][c] - p->base : c, in = !p->bands;
        for (int q = 0; q < p->bands; q++) in |= j - i >= p->lower[q] && j - i <= p->upper[q];
        b->kept[i + (long)m * j] = (unsigned char)in;
      }
  }
}

static inline random_blocks blocks_of(blocks_kind kind, int m, int n) {
  random_blocks b = {.pairs = {.size = {m, n}, .base = below(2)}};
  size_t room = (size_t)(m + 8) * (size_t)(n + 8) * sizeof(int32_t);
  b.row_end = malloc(room);
  b.list_end = malloc(room);
  b.from = malloc(room);
  b.end = malloc(room);
  if (kind == BLOCKS_NOTHING) add_segment(&b, m);
  if (kind == BLOCKS_LABELS || kind == BLOCKS_SORTED_BANDS) keep_labels(&b, 0.5, 0);
  if (kind == BLOCKS_GROUPS) keep_labels(&b, 0, 1);
  if (kind == BLOCKS_INTERVALS || kind == BLOCKS_MIXED_BANDS)
    keep_intervals(&b, m / 2 + 1, n / 3 + 2);
  if (kind == BLOCKS_ROWS) keep_intervals(&b, 2, 6);
  if (kind == BLOCKS_MIXED_BANDS || (kind == BLOCKS_INTERVALS && below(2)))
    for (int k = 0; k < 2; k++) b.order[k] = random_order(k ? n : m, b.pairs.base);
  if (kind == BLOCKS_BANDS || kind == BLOCKS_SORTED_BANDS || kind == BLOCKS_MIXED_BANDS ||
      kind == BLOCKS_DIAGONAL)
    keep_bands(&b, kind == BLOCKS_DIAGONAL || below(3) == 0);
  for (int k = 0; k < 2; k++) b.pairs.order[k] = b.order[k];
  b.pairs.row_end = b.row_end;
  b.pairs.list_end = b.list_end;
  b.pairs.from = b.from;
  b.pairs.end = b.end;
  return b;
}

/* Where it stays: its pairs point into it. */
static inline void blocks_settle(random_blocks *b) {
  if (b->pairs.bands) {
    b->pairs.lower = b->limits;
    b->pairs.upper = b->limits + 4;
  }
  mark_kept(b);
}

static inline void blocks_free(random_blocks *b) {
  free(b->order[0]);
  free(b->order[1]);
  free(b->row_end);
  free(b->list_end);
  free(b->from);
  free(b->end);
  free(b->kept);
}

#endif
