/* A tree of boxes: points are halved at the longest side of their box, again and again. */
#include "near/boxes.h"
#include "run/parallel.h"

#include <math.h>
#include <stdlib.h>

typedef struct { double at[RK_MAX_NEAR]; int32_t row; } point;

/* ---- selection ------------------------------------------------------------------------------- */

enum { SAMPLE = 24, SMALL_SAMPLE = 5, SMALL = 1000, FEW = 12 };

static void swap(point *a, point *b) {
  point old = *a;
  *a = *b;
  *b = old;
}

static void sort_few(point *p, int32_t n, int axis) {
  for (int32_t k = 1; k < n; k++) {
    point one = p[k];
    int32_t at = k;
    for (; at && one.at[axis] < p[at - 1].at[axis]; at--) p[at] = p[at - 1];
    p[at] = one;
  }
}

/* About the k-th of n numbers: that of a sample which has as large a share below it. */
static double pivot(const point *p, int32_t n, int32_t k, int axis) {
  double sample[SAMPLE];
  int size = n < SMALL ? SMALL_SAMPLE : SAMPLE;
  for (int s = 0; s < size; s++) {
    double x = p[(int64_t)n * s / size].at[axis];
    int at = s;
    for (; at && sample[at - 1] > x; at--) sample[at] = sample[at - 1];
    sample[at] = x;
  }
  return sample[(int64_t)k * size / n];
}

/* Exchanges points until those at places below k have no larger coordinates than the others. */
static void separate(point *p, int32_t n, int32_t k, int axis) {
  while (n > FEW) {
    double middle = pivot(p, n, k, axis);
    int32_t low = 0, high = n - 1;
    while (low <= high) {
      while (p[low].at[axis] < middle) low++;
      while (p[high].at[axis] > middle) high--;
      if (low <= high) swap(&p[low++], &p[high--]);
    }
    if (k > high && k < low) return;
    if (k <= high) {
      n = high + 1;
    } else {
      p += low;
      k -= low;
      n -= low;
    }
  }
  sort_few(p, n, axis);
}

/* ---- tree ------------------------------------------------------------------------------------ */

/* A part of the tree that a thread makes by itself: its points, the number of its first box. */
enum { PART = 32768 };
typedef struct { int32_t from, end, number; } part;

typedef struct {
  point *point;
  rk_box *box;
  part *part;
  int32_t parts;
} tree;

/* Half of n points, in whole units of the largest size that makes two: boxes of these sizes, which
 * are full but for the last one, are what rows of a kernel are made of. */
static int32_t half(int32_t n) {
  static const int32_t unit[] = {64, 16, 8, RK_BOX_LEAF};
  int u = 0;
  while (n <= unit[u]) u++;
  return (n + unit[u] - 1) / unit[u] / 2 * unit[u];
}

/* How many boxes are made of n points. */
static int32_t boxes_of(int32_t n) {
  if (n <= RK_BOX_LEAF) return 1;
  return 1 + boxes_of(half(n)) + boxes_of(n - half(n));
}

static rk_box box_of(const point *points, int32_t from, int32_t end) {
  rk_box box = {.from = from, .end = end};
  for (int d = 0; d < RK_MAX_NEAR; d++) box.low[d] = box.high[d] = points[from].at[d];
  for (int32_t k = from + 1; k < end; k++)
    for (int d = 0; d < RK_MAX_NEAR; d++) {
      double x = points[k].at[d];
      box.low[d] = x < box.low[d] ? x : box.low[d];
      box.high[d] = x > box.high[d] ? x : box.high[d];
    }
  return box;
}

static int longest_side(const rk_box *box) {
  int longest = 0;
  for (int d = 1; d < RK_MAX_NEAR; d++)
    if (box->high[d] - box->low[d] > box->high[longest] - box->low[longest]) longest = d;
  return longest;
}

static void sort_rows(point *p, int32_t n) {
  for (int32_t k = 1; k < n; k++) {
    point one = p[k];
    int32_t at = k;
    for (; at && one.row < p[at - 1].row; at--) p[at] = p[at - 1];
    p[at] = one;
  }
}

/* Makes the box of these points, and those that it is split into: all, or where parts are noted
 * those of more than PART points. */
static void split(tree *t, part p, int notes_parts) {
  rk_box *box = &t->box[p.number];
  int32_t n = p.end - p.from, k = n > RK_BOX_LEAF ? p.from + half(n) : p.end;
  if (notes_parts && n <= PART) {
    t->part[t->parts++] = p;
    return;
  }
  *box = box_of(t->point, p.from, p.end);
  box->next = p.number + 1;
  if (k == p.end) {
    sort_rows(t->point + p.from, n);
    return;
  }
  separate(t->point + p.from, n, k - p.from, longest_side(box));
  split(t, (part){p.from, k, box->next}, notes_parts);
  box->next = notes_parts ? box->next + boxes_of(k - p.from) : t->box[box->next].next;
  split(t, (part){k, p.end, box->next}, notes_parts);
  box->next = notes_parts ? box->next + boxes_of(p.end - k) : t->box[box->next].next;
}

static void part_task(void *data, int64_t task, const rk_worker *worker) {
  tree *t = data;
  (void)worker;
  split(t, t->part[task], 0);
}

static rk_status make_tree(tree *t, const rk_boxes *boxes, rk_caller caller) {
  if (!boxes->boxed) return RK_OK;
  split(t, (part){0, boxes->boxed, 0}, 1);
  return rk_parallel(t->parts, rk_threads(), part_task, t, caller);
}

/* ---- points ---------------------------------------------------------------------------------- */

static int is_finite(const rk_points *points, int dimension, int64_t row) {
  for (int d = 0; d < dimension; d++)
    if (!isfinite(points->at[d * points->rows + row])) return 0;
  return 1;
}

static void gather(rk_boxes *boxes, point *to, const rk_points *points, int dimension) {
  int32_t last = boxes->n;
  for (int32_t row = boxes->n - 1; row >= 0; row--)
    if (!is_finite(points, dimension, row)) boxes->row_at[--last] = row;
  for (int32_t row = 0; row < boxes->n; row++) {
    if (!is_finite(points, dimension, row)) continue;
    point one = {.row = row};
    for (int d = 0; d < dimension; d++) one.at[d] = points->at[d * points->rows + row];
    to[boxes->boxed++] = one;
  }
}

rk_status rk_boxes_make(rk_boxes *boxes, const rk_points *points, int dimension,
                        rk_caller caller) {
  size_t rows = (size_t)points->rows;
  *boxes = (rk_boxes){.n = (int32_t)points->rows, .boxes = boxes_of((int32_t)points->rows)};
  boxes->row_at = malloc(rows * sizeof(int32_t) + 1);
  boxes->box = malloc((size_t)boxes->boxes * sizeof(rk_box));
  tree t = {malloc(rows * sizeof(point) + 1), boxes->box,
            malloc((rows / (PART / 4) + 2) * sizeof(part)), 0};
  rk_status status = RK_OK;
  if (!boxes->row_at || !boxes->box || !t.point || !t.part)
    status = rk_fail_memory(caller.error, rows * sizeof(point));
  if (!status) gather(boxes, t.point, points, dimension);
  boxes->boxes = boxes->boxed ? boxes_of(boxes->boxed) : 0;
  if (!status) status = make_tree(&t, boxes, caller);
  for (int32_t k = 0; k < boxes->boxed && !status; k++) boxes->row_at[k] = t.point[k].row;
  free(t.point);
  free(t.part);
  return status;
}

void rk_boxes_free(rk_boxes *boxes) {
  free(boxes->row_at);
  free(boxes->box);
  *boxes = (rk_boxes){.n = 0};
}
