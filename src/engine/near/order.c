/* Records of a point's coordinates and its row are sorted, not rows: what is read lies together.
 * Coordinates are floats there, taken anew where floats do not tell points apart: the order only
 * says how small boxes are, which are made of the values themselves. */
#include "near/order.h"
#include "error.h"
#include "rounding.h"
#include "run/call.h"
#include "run/parallel.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef union { float x; int32_t row; } cell; /* a record: coordinates, then the row */

/* ---- selection ------------------------------------------------------------------------------- */

enum { SAMPLE = 48, SMALL_SAMPLE = 7, SMALL = 2000, FEW = 12 };

#define INLINE static inline __attribute__((always_inline))

INLINE void exchange(cell *a, cell *b, int size) {
  cell old[RK_MAX_DIMS + 1];
  memcpy(old, a, (size_t)size * sizeof *a);
  memmove(a, b, (size_t)size * sizeof *a);
  memcpy(b, old, (size_t)size * sizeof *a);
}

INLINE void sort_few(cell *p, int32_t n, int axis, int size) {
  for (int32_t k = 1; k < n; k++)
    for (cell *one = p + (int64_t)k * size; one > p && one[axis].x < (one - size)[axis].x;
         one -= size)
      exchange(one, one - size, size);
}

/* About the k-th of n numbers: that of a sample which has as large a share below it. */
INLINE float pivot(const cell *p, int32_t n, int32_t k, int axis, int size) {
  float sample[SAMPLE];
  int count = n < SMALL ? SMALL_SAMPLE : SAMPLE;
  for (int s = 0; s < count; s++) {
    float x = p[(int64_t)n * s / count * size + axis].x;
    int at = s;
    for (; at && sample[at - 1] > x; at--) sample[at] = sample[at - 1];
    sample[at] = x;
  }
  return sample[(int64_t)k * count / n];
}

/* Exchanges records until those that are less than `middle`, or not more, come first: how many they
 * are. Without branches, which half of the time would be foreseen wrongly. */
INLINE int32_t part_at(cell *p, int32_t n, float middle, int or_equal, int axis, int size) {
  int64_t low = 0;
  for (int64_t k = 0; k < n; k++) {
    float x = p[k * size + axis].x;
    exchange(p + low * size, p + k * size, size);
    low += or_equal ? x <= middle : x < middle;
  }
  return (int32_t)low;
}

/* Until those at places below k have no larger coordinates than the others. */
INLINE void separate_records(cell *p, int32_t n, int32_t k, int axis, int size) {
  while (n > FEW) {
    float middle = pivot(p, n, k, axis, size);
    int32_t low = part_at(p, n, middle, 0, axis, size);
    int is_least = !low; /* then those that equal it are taken off, of which there is one */
    if (is_least) low = part_at(p, n, middle, 1, axis, size);
    if (k < low) {
      if (is_least) return;
      n = low;
    } else {
      p += (int64_t)low * size;
      k -= low;
      n -= low;
    }
  }
  sort_few(p, n, axis, size);
}

/* Sizes that are known to the compiler take half the time. */
static void separate(cell *p, int32_t n, int32_t k, int axis, int size) {
  switch (size) {
    case 2: separate_records(p, n, k, axis, 2); break;
    case 3: separate_records(p, n, k, axis, 3); break;
    case 4: separate_records(p, n, k, axis, 4); break;
    case 6: separate_records(p, n, k, axis, 6); break;
    default: separate_records(p, n, k, axis, size);
  }
}

/* ---- halving --------------------------------------------------------------------------------- */

int32_t rk_cut_of(int32_t from, int32_t end, int32_t least) {
  int64_t cut = from;
  for (int64_t unit = least;; unit *= unit < RK_FINE_RUN ? 2 : RK_RUNS) {
    int64_t first = from / unit, all = rk_ceil_div(end, unit) - first;
    if (all < 2) return (int32_t)cut;
    cut = (first + all / 2) * unit;
  }
}

/* Parts of up to PART points are halved by one thread each. */
enum { PART = 32768, CLOSE = 1 << 12 };

/* Places, counted from `base` when they are cut. All points of a part may be equal. */
typedef enum { FRESH, TAKEN, EQUAL } coordinates;
typedef struct { int32_t from, end, base; coordinates state; } part;

typedef struct {
  const rk_cloud *cloud;
  cell *record;
  int size, least;
  part *part, *half;         /* of a round, and of the next one: two for each */
  int64_t parts;
} sorting;

static void sort_rows(cell *p, int32_t n, int at, int size) {
  for (int32_t k = 1; k < n; k++)
    for (cell *one = p + (int64_t)k * size; one > p && one[at].row < (one - size)[at].row;
         one -= size)
      exchange(one, one - size, size);
}

/* ---- coordinates ----------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The middle of some of n coordinates, and the length of all. */
static double middle_of(const sorting *s, const cell *p, int32_t n, int d, double *length) {
  enum { SOME = 33 };
  double some[SOME], low = INFINITY, high = -INFINITY;
  const double *at = s->cloud->at[d];
  for (int32_t k = 0; k < n; k++) {
    double x = at[p[(int64_t)k * s->size + s->cloud->dims].row];
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  for (int k = 0; k < SOME; k++)
    some[k] = at[p[(int64_t)n * k / SOME * s->size + s->cloud->dims].row];
  qsort(some, SOME, sizeof *some, by_size);
  *length = high / 2 - low / 2;
  return some[SOME / 2];
}

/* Coordinates of a part: floats are finest about its middle. 0: all points are as good as equal. */
static int take_coordinates(const sorting *s, cell *p, int32_t n) {
  int dims = s->cloud->dims;
  double middle[RK_MAX_DIMS], by[RK_MAX_DIMS], longest = 0;
  for (int d = 0; d < dims; d++) {
    double length;
    middle[d] = middle_of(s, p, n, d, &length);
    by[d] = s->cloud->weight ? s->cloud->weight[d] : 1;
    longest = length * by[d] > longest ? length * by[d] : longest;
  }
  if (!(longest > DBL_MIN)) return 0;
  for (int d = 0; d < dims; d++) {
    by[d] /= longest;
    middle[d] *= by[d];
  }
  for (int32_t k = 0; k < n; k++) {
    cell *one = p + (int64_t)k * s->size;
    for (int d = 0; d < dims; d++)
      one[d].x = (float)(s->cloud->at[d][one[dims].row] * by[d] - middle[d]);
  }
  return 1;
}

/* The number of the longest side. *close: all points are so near each other, beside what their
 * coordinates count from, that floats do not tell them apart well. */
INLINE int longest_side_of(const cell *p, int32_t n, int size, int *close) {
  float low[RK_MAX_DIMS] = {0}, high[RK_MAX_DIMS] = {0}, farthest = 0;
  int longest = 0;
  for (int d = 0; d < size - 1; d++) low[d] = high[d] = p[d].x;
  for (int32_t k = 1; k < n; k++)
    for (int d = 0; d < size - 1; d++) {
      float x = p[(int64_t)k * size + d].x;
      low[d] = x < low[d] ? x : low[d];
      high[d] = x > high[d] ? x : high[d];
    }
  for (int d = 0; d < size - 1; d++) {
    if (high[d] - low[d] > high[longest] - low[longest]) longest = d;
    farthest = fmaxf(farthest, fmaxf(-low[d], high[d]));
  }
  *close = !((high[longest] - low[longest]) * CLOSE > farthest);
  return longest;
}

static int longest_side(const cell *p, int32_t n, int size, int *close) {
  switch (size) {
    case 3: return longest_side_of(p, n, 3, close);
    case 4: return longest_side_of(p, n, 4, close);
    default: return longest_side_of(p, n, size, close);
  }
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Of the points of a part those of the first half come first: where the second one begins. */
static int32_t halve(const sorting *s, part *p) {
  cell *first = s->record + (int64_t)p->from * s->size;
  int32_t n = p->end - p->from;
  int32_t cut = p->base + rk_cut_of(p->from - p->base, p->end - p->base, s->least);
  int close = 1, side = 0;
  if (cut == p->from || p->state == EQUAL) return cut;
  if (p->state == TAKEN) side = longest_side(first, n, s->size, &close);
  if (close) {
    p->state = take_coordinates(s, first, n) ? TAKEN : EQUAL;
    side = longest_side(first, n, s->size, &close);
  }
  separate(first, n, cut - p->from, side, s->size);
  return cut;
}

static void halve_all(const sorting *s, part p) {
  int32_t cut = halve(s, &p);
  if (cut > p.from) {
    halve_all(s, (part){p.from, cut, p.base, p.state});
    halve_all(s, (part){cut, p.end, p.base, p.state});
  } else {
    int dims = s->cloud->dims;
    sort_rows(s->record + (int64_t)p.from * s->size, p.end - p.from, dims, s->size);
  }
}

static void all_task(void *data, int64_t task, const rk_worker *worker) {
  const sorting *s = data;
  (void)worker;
  halve_all(s, s->part[task]);
}

static void half_task(void *data, int64_t task, const rk_worker *worker) {
  const sorting *s = data;
  part p = s->part[task];
  int32_t cut = p.end - p.from > PART ? halve(s, &p) : p.from;
  (void)worker;
  s->half[2 * task] = (part){p.from, cut, p.base, p.state};
  s->half[2 * task + 1] = (part){cut, p.end, p.base, p.state};
}

/* All parts of a round at once, until they are small. */
static rk_status halve_rounds(sorting *s, int32_t largest, rk_caller caller) {
  rk_status status = RK_OK;
  while (largest > PART && !status) {
    status = rk_parallel(s->parts, rk_call_threads(), half_task, s, caller);
    part *old = s->part;
    s->part = s->half;
    s->half = old;
    int64_t all = 2 * s->parts;
    s->parts = largest = 0;
    for (int64_t k = 0; k < all; k++) {
      int32_t n = s->part[k].end - s->part[k].from;
      if (n) s->part[s->parts++] = s->part[k];
      largest = n > largest ? n : largest;
    }
  }
  return status ? status : rk_parallel(s->parts, rk_call_threads(), all_task, s, caller);
}

/* ---- points ---------------------------------------------------------------------------------- */

static int is_finite(const rk_cloud *cloud, int32_t row) {
  for (int d = 0; d < cloud->dims; d++)
    if (!isfinite(cloud->at[d][row])) return 0;
  return 1;
}

/* Rows of finite coordinates, then the others of the run: how many are finite. */
static int32_t take_rows(const sorting *s, const int32_t *at, int32_t from, int32_t end) {
  const rk_cloud *cloud = s->cloud;
  int32_t place = from, placed = 0;
  for (int finite = 1; finite >= 0 && place < end; finite--) {
    for (int32_t k = from; k < end; k++) {
      int32_t row = at ? at[k] : k;
      if (is_finite(cloud, row) == finite)
        s->record[(int64_t)place++ * s->size + cloud->dims].row = row;
    }
    if (finite) placed = place - from;
  }
  return placed;
}

/* A part for each run of points; *largest: how many the largest one has. */
static int32_t take_runs(sorting *s, const rk_runs *runs, int32_t *largest) {
  const int32_t rows = (int32_t)s->cloud->rows;
  const rk_runs whole = {1, &rows, NULL, 0};
  int32_t from = 0, all = 0;
  if (!runs) runs = &whole;
  for (int64_t r = *largest = 0; r < runs->count; from = runs->end[r++]) {
    int32_t placed = take_rows(s, runs->at, from, runs->end[r]);
    all += placed;
    if (placed > *largest) *largest = placed;
    if (placed) s->part[s->parts++] = (part){from, from + placed, runs->anew ? from : 0, FRESH};
  }
  return all;
}

rk_status rk_order_make(const rk_cloud *cloud, const rk_runs *runs, int least, int32_t *order,
                        int32_t *placed, rk_caller caller) {
  size_t rows = (size_t)cloud->rows, size = (size_t)cloud->dims + 1;
  size_t parts = 4 * (rows / (PART / 8) + 2) + 2 * (size_t)(runs ? runs->count : 1);
  sorting s = {cloud, malloc(rows * size * sizeof(cell) + 1), (int)size, least,
               malloc(parts * sizeof(part)), malloc(parts * sizeof(part)), 0};
  rk_status status = RK_OK;
  int32_t largest;
  if (!s.record || !s.part || !s.half)
    status = rk_fail_memory(caller.error, rows * size * sizeof(cell));
  if (!status) {
    *placed = take_runs(&s, runs, &largest);
    status = halve_rounds(&s, largest, caller);
  }
  for (size_t k = 0; !status && k < rows; k++) order[k] = s.record[k * size + size - 1].row;
  free(s.record);
  free(s.part);
  free(s.half);
  return status;
}
