/* Records of a point's coordinates and its row are sorted, not rows: what is read lies together.
 * Coordinates are floats there, taken anew where floats do not tell points apart: the order only
 * says how small boxes are, which are made of the values themselves. */
#include "near/order.h"
#include "error.h"
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

int32_t rk_cut_of(int32_t n) {
  int64_t unit = 4;
  for (int64_t next = 8; n > next; next *= next < RK_FINE_RUN ? 2 : RK_RUNS) unit = next;
  return (int32_t)((n + unit - 1) / unit / 2 * unit);
}

/* Parts of up to PART points are halved by one thread each. All points of a part may be equal. */
enum { PART = 32768, CLOSE = 1 << 12 };
typedef struct { int32_t from, end; int equal; } part;

typedef struct {
  const rk_cloud *cloud;
  cell *record;
  int size, least;
  part *part, *half;         /* of a round, and of the next one: two for each */
  int32_t parts;
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
  float low[RK_MAX_DIMS], high[RK_MAX_DIMS], farthest = 0;
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

/* Of the points of a part those of the first half come first. 0: it is not halved. */
static int32_t halve(const sorting *s, part *p) {
  cell *first = s->record + (int64_t)p->from * s->size;
  int32_t n = p->end - p->from, cut = n > s->least ? rk_cut_of(n) : 0;
  int close;
  if (!cut || p->equal) return cut;
  int side = longest_side(first, n, s->size, &close);
  if (close) {
    p->equal = !take_coordinates(s, first, n);
    side = longest_side(first, n, s->size, &close);
  }
  separate(first, n, cut, side, s->size);
  return cut;
}

static void halve_all(const sorting *s, part p) {
  int32_t cut = halve(s, &p);
  if (cut) {
    halve_all(s, (part){p.from, p.from + cut, p.equal});
    halve_all(s, (part){p.from + cut, p.end, p.equal});
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
  int32_t cut = p.end - p.from > PART ? halve(s, &p) : 0;
  (void)worker;
  s->half[2 * task] = (part){p.from, p.from + cut, p.equal};
  s->half[2 * task + 1] = (part){p.from + cut, p.end, p.equal};
}

/* All parts of a round at once, until they are small. */
static rk_status halve_rounds(sorting *s, int32_t placed, rk_caller caller) {
  rk_status status = RK_OK;
  s->part[0] = (part){0, placed, placed ? !take_coordinates(s, s->record, placed) : 1};
  s->parts = 1;
  for (int32_t largest = placed; largest > PART && !status;) {
    status = rk_parallel(s->parts, rk_call_threads(), half_task, s, caller);
    part *old = s->part;
    s->part = s->half;
    s->half = old;
    int32_t all = 2 * s->parts;
    for (int32_t k = s->parts = largest = 0; k < all; k++) {
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

/* Rows of finite coordinates; the others', ascending, to the end of the order. */
static int32_t take_rows(const rk_cloud *cloud, cell *record, int32_t *order) {
  int32_t rows = (int32_t)cloud->rows, last = rows, placed = 0;
  int size = cloud->dims + 1;
  for (int32_t row = rows - 1; row >= 0; row--)
    if (!is_finite(cloud, row)) order[--last] = row;
  for (int32_t row = 0; row < rows; row++) {
    if (last < rows && !is_finite(cloud, row)) continue;
    record[(int64_t)placed++ * size + cloud->dims].row = row;
  }
  return placed;
}

rk_status rk_order_make(const rk_cloud *cloud, int least, int32_t *order, int32_t *placed,
                        rk_caller caller) {
  size_t rows = (size_t)cloud->rows, size = (size_t)cloud->dims + 1;
  size_t parts = 4 * (rows / (PART / 8) + 2);
  sorting s = {cloud, malloc(rows * size * sizeof(cell) + 1), (int)size, least,
               malloc(parts * sizeof(part)), malloc(parts * sizeof(part)), 0};
  rk_status status = RK_OK;
  if (!s.record || !s.part || !s.half)
    status = rk_fail_memory(caller.error, rows * size * sizeof(cell));
  if (!status) {
    *placed = take_rows(cloud, s.record, order);
    status = halve_rounds(&s, *placed, caller);
  }
  for (int32_t k = 0; !status && k < *placed; k++)
    order[k] = s.record[(size_t)k * size + size - 1].row;
  free(s.record);
  free(s.part);
  free(s.half);
  return status;
}
