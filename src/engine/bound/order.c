/* Records of a point's coordinates and its row are sorted, not rows: what is read lies together.
 * Coordinates are floats there, from the box's low sides on in units of its longest weighted one:
 * the order only says how small boxes are, which are made of the values themselves. */
#include "bound/order.h"
#include "error.h"
#include "run/call.h"
#include "run/parallel.h"

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

typedef struct { int32_t from, end; } part;

/* Parts of up to PART points are halved by one thread each. */
enum { PART = 32768 };
typedef struct {
  cell *record;
  int dims, size, least;
  part *part;
  int32_t parts;
} sorting;

static int longest_side(const sorting *s, const cell *p, int32_t n) {
  float low[RK_MAX_DIMS], high[RK_MAX_DIMS];
  int longest = 0;
  for (int d = 0; d < s->dims; d++) low[d] = high[d] = p[d].x;
  for (int32_t k = 1; k < n; k++)
    for (int d = 0; d < s->dims; d++) {
      float x = p[(int64_t)k * s->size + d].x;
      low[d] = x < low[d] ? x : low[d];
      high[d] = x > high[d] ? x : high[d];
    }
  for (int d = 1; d < s->dims; d++)
    if (high[d] - low[d] > high[longest] - low[longest]) longest = d;
  return longest;
}

static void sort_rows(cell *p, int32_t n, int at, int size) {
  for (int32_t k = 1; k < n; k++)
    for (cell *one = p + (int64_t)k * size; one > p && one[at].row < (one - size)[at].row;
         one -= size)
      exchange(one, one - size, size);
}

static void halve(sorting *s, part p, int notes_parts) {
  cell *first = s->record + (int64_t)p.from * s->size;
  int32_t n = p.end - p.from, cut = p.from;
  if (notes_parts && n <= PART) {
    s->part[s->parts++] = p;
    return;
  }
  if (n > s->least) cut += rk_cut_of(n);
  if (cut == p.from) {
    sort_rows(first, n, s->dims, s->size);
    return;
  }
  separate(first, n, cut - p.from, longest_side(s, first, n), s->size);
  halve(s, (part){p.from, cut}, notes_parts);
  halve(s, (part){cut, p.end}, notes_parts);
}

static void part_task(void *data, int64_t task, const rk_worker *worker) {
  sorting *s = data;
  (void)worker;
  halve(s, s->part[task], 0);
}

/* ---- records --------------------------------------------------------------------------------- */

static int is_finite(const rk_cloud *cloud, int32_t row) {
  for (int d = 0; d < cloud->dims; d++)
    if (!isfinite(cloud->at[d][row])) return 0;
  return 1;
}

/* Where the box of all begins, and what a coordinate is multiplied by: the same for all of them but
 * for their weights. */
typedef struct { double low[RK_MAX_DIMS], by[RK_MAX_DIMS]; } scale;

static scale scale_of(const rk_cloud *cloud) {
  scale s;
  double longest = 0;
  for (int d = 0; d < cloud->dims; d++) {
    double low = INFINITY, high = -INFINITY;
    for (int64_t row = 0; row < cloud->rows; row++) {
      double x = cloud->at[d][row];
      low = x < low && x > -INFINITY ? x : low;
      high = x > high && x < INFINITY ? x : high;
    }
    s.low[d] = low;
    s.by[d] = cloud->weight ? cloud->weight[d] : 1;
    longest = (high - low) * s.by[d] > longest ? (high - low) * s.by[d] : longest;
  }
  for (int d = 0; d < cloud->dims; d++) s.by[d] = longest > 0 ? s.by[d] / longest : 0;
  return s;
}

/* Those of finite coordinates; the others' rows, ascending, to the end of the order. */
static int32_t gather(const rk_cloud *cloud, cell *record, int32_t *order) {
  const scale s = scale_of(cloud);
  int32_t rows = (int32_t)cloud->rows, last = rows, placed = 0;
  int size = cloud->dims + 1;
  for (int32_t row = rows - 1; row >= 0; row--)
    if (!is_finite(cloud, row)) order[--last] = row;
  for (int32_t row = 0; row < rows; row++) {
    if (last < rows && !is_finite(cloud, row)) continue;
    cell *to = record + (int64_t)placed++ * size;
    for (int d = 0; d < cloud->dims; d++)
      to[d].x = (float)((cloud->at[d][row] - s.low[d]) * s.by[d]);
    to[cloud->dims].row = row;
  }
  return placed;
}

rk_status rk_order_make(const rk_cloud *cloud, int least, int32_t *order, int32_t *placed,
                        rk_caller caller) {
  size_t rows = (size_t)cloud->rows, size = (size_t)cloud->dims + 1;
  sorting s = {malloc(rows * size * sizeof(cell) + 1), cloud->dims, (int)size, least,
               malloc((rows / (PART / 8) + 2) * sizeof(part)), 0};
  rk_status status = RK_OK;
  if (!s.record || !s.part) status = rk_fail_memory(caller.error, rows * size * sizeof(cell));
  if (!status) {
    *placed = gather(cloud, s.record, order);
    if (*placed) halve(&s, (part){0, *placed}, 1);
    status = rk_parallel(s.parts, rk_call_threads(), part_task, &s, caller);
  }
  for (int32_t k = 0; !status && k < *placed; k++)
    order[k] = s.record[(size_t)k * size + size - 1].row;
  free(s.record);
  free(s.part);
  return status;
}
