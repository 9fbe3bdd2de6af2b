/* See centre.h.
 *
 * A difference of two values that are rounded to floats errs by their roundings, whatever it is
 * itself. That matters where values lie near each other: so the distance from a row to the columns
 * next to it is compared with the rounding, 2^-24 of what is left of the row without its centre.
 * In a sample that distance is as much larger as the sample has fewer columns; times their number
 * it is the width over which the data would lie, were it as dense everywhere.
 */
#include "look/centre.h"

#include <float.h>
#include <math.h>

#define RK_BYTES 16
#define RK_TYPE 64
#include "names.h"
#include "lanes.h"

/* One float is enough with so many digits: a Gaussian of a 20th of the width errs by 1e-5.
 * Of rows that no sample shows, because they are few, less is asked: data with long tails, where
 * distances grow with the distance from the centre, is none of two clusters. */
static const double ENOUGH = 22, ENOUGH_OF_FEW = 17;
enum { FEW = 32, NEXT = 8, BINS = 64, CENTRES = 4, CROWD = 6, GAP = 5, END_GAP = 3,
       INSERTED = 12, SHARE = 50, BESIDE = 3 }; /* one row in 50 may have fewer digits */

/* Moves the smaller of value[*left] to value[*right] before the larger ones, which begin at *left
 * afterwards, where the smaller ones end at *right. */
static void part_values(double *value, int *left, int *right) {
  double middle = value[*left + (*right - *left) / 2];
  while (*left <= *right) {
    while (value[*left] < middle) ++*left;
    while (value[*right] > middle) --*right;
    if (*left > *right) break;
    double other = value[*left];
    value[(*left)++] = value[*right];
    value[(*right)--] = other;
  }
}

static void sort_values(double *value, int low, int high) {
  while (high - low > INSERTED) {
    int left = low, right = high;
    part_values(value, &left, &right);
    if (right - low < high - left) {
      sort_values(value, low, right);
      low = left;
    } else {
      sort_values(value, left, high);
      high = right;
    }
  }
  for (int k = low + 1; k <= high; k++) {
    double one = value[k];
    int at = k;
    for (; at > low && value[at - 1] > one; at--) value[at] = value[at - 1];
    value[at] = one;
  }
}

/* Without what is not finite. */
static int finite_of(double *value, int n) {
  int kept = 0;
  for (int k = 0; k < n; k++)
    if (value[k] - value[k] == 0) value[kept++] = value[k];
  return kept;
}

static int distinct_of(double *value, int n) {
  int kept = 0;
  for (int k = 0; k < n; k++)
    if (!kept || value[k] != value[kept - 1]) value[kept++] = value[k];
  return kept;
}

/* Such that no value becomes larger than it was: shifting costs no accuracy then. */
static double plain_centre(double low, double high) {
  double middle = 0.5 * low + 0.5 * high;
  if (low > 0 && high < INFINITY) return middle < 2 * low ? middle : 2 * low;
  if (high < 0 && low > -INFINITY) return middle > 2 * high ? middle : 2 * high;
  return 0; /* on both sides of 0, or nothing finite */
}

/* ---- quickly ---- */

/* How many values each part of the range has, by the lane that found them. */
typedef struct { int bins; uint16_t count[RK_LANES][BINS + 2]; } spread;

/* In the low bits of its lane, the bin of a number; of one that is not finite, one that is none. */
static ivec bin_of(vec value, double low, double scale, int bins) {
  const vec place = rk_abs((value - rk_broadcast(low)) * rk_broadcast(scale));
  return (ivec)(rk_min(place, rk_broadcast(bins)) + rk_num(0x1.8p52));
}

static void fill_bins(const double *value, int64_t step, int n, double times, const rk_sample *s,
                      spread *to) {
  const double scale = (to->bins - 1) / (s->high - s->low);
  for (int k = 0; k < n; k += RK_LANES, value += RK_LANES * step) {
    vec next;
    for (int l = 0; l < RK_LANES; l++) next[l] = k + l < n ? times * value[l * step] : RK_NAN;
    const ivec bin = bin_of(next, s->low, scale, to->bins);
    for (int l = 0; l < RK_LANES; l++) to->count[l][bin[l] & 0xff]++;
  }
}

/* Half of the bins have values, no bin has very many, and there is no wide gap; at the ends, which
 * few of many values reach, it may be wider. */
static int is_even(const spread *s, int n) {
  const int bins = s->bins, crowd = CROWD * n / bins;
  int filled = 0, last = -1;
  for (int b = 0; b < bins; b++) {
    int count = 0;
    for (int l = 0; l < RK_LANES; l++) count += s->count[l][b];
    if (!count) continue;
    if (count > crowd || b - last > 1 + bins / (last < 0 ? END_GAP : GAP)) return 0;
    filled++;
    last = b;
  }
  return 2 * filled >= bins && bins - last <= 1 + bins / END_GAP;
}

/* Are the values spread over their range, and does one float keep enough digits around the centre
 * of `found`? */
static int is_spread(const rk_sample *s, rk_centring *found) {
  int n = s->rows + s->columns;
  spread all = {.bins = n / 4 < BINS ? n / 4 : BINS};
  found->width = s->high - s->low;
  found->digits = 24;
  if (s->opposite) return 1;
  if (n < FEW || !(found->width >= BINS * DBL_MIN && found->width < INFINITY))
    return 0; /* bins / width ends */
  found->digits = log2(found->width / rk_greatest_around(found->centre, s->low, s->high)) + 24;
  if (found->digits < ENOUGH) return 0;
  fill_bins(s->row, s->row_step, s->rows, 1, s, &all);
  fill_bins(s->column, s->column_step, s->columns, s->times, s, &all);
  return is_even(&all, n);
}

/* The centre is such that no value becomes larger: a difference errs by the roundings of the values
 * themselves at most. */
int rk_centre_quickly(const rk_sample *s, rk_centring *found) {
  found->centre = plain_centre(s->low, s->high);
  return is_spread(s, found);
}

void rk_set_range(rk_sample *s, rk_extremes rows, rk_extremes columns) {
  rk_extremes e = rk_widened(rows, columns);
  s->low = e.low;
  s->high = e.high;
  s->opposite = (rows.low >= 0 && columns.high <= 0) || (rows.high <= 0 && columns.low >= 0);
}

void rk_guess_range(rk_sample *s) {
  rk_set_range(s, rk_range_of(s->row, s->row_step, s->rows),
               rk_times(rk_range_of(s->column, s->column_step, s->columns), s->times));
  double more = (s->high - s->low) / 8;
  s->low -= more;
  s->high += more;
}

int rk_centre_holds(const rk_sample *s, rk_centring *found) {
  double centre = found->centre;
  int grows = centre > 0 ? centre > 2 * s->low : centre < 0 && centre < 2 * s->high;
  return !grows && is_spread(s, found);
}

/* ---- with care ---- */

/* The width of the columns as dense as they are around `value`; one that is equal to it is no
 * neighbour: their difference is exact. */
static double width_around(double value, const double *column, int columns) {
  int right = 0, end = columns, taken = 0;
  while (right < end) {
    int middle = (right + end) / 2;
    if (column[middle] < value) right = middle + 1;
    else end = middle;
  }
  int left = right - 1;
  double distance = 0;
  if (right < columns && column[right] == value) right++;
  for (; taken < NEXT && (left >= 0 || right < columns); taken++) {
    double below = left >= 0 ? value - column[left] : INFINITY;
    double above = right < columns ? column[right] - value : INFINITY;
    distance = below < above ? below : above;
    if (below < above) left--;
    else right++;
  }
  return taken ? 2 * distance * columns / taken : INFINITY;
}

/* The value that would have place k, were all in order. */
static double value_at(double *value, int n, int k) {
  for (int low = 0, high = n - 1; low < high;) {
    int left = low, right = high;
    part_values(value, &left, &right);
    if (k <= right) high = right;
    else if (k >= left) low = left;
    else break;
  }
  return n ? value[k] : INFINITY;
}

/* The digits that all but a few rows have; `width` by row. `room` is for as many rows. */
static double digits_around(double centre, const rk_sample *s, const double *width, double *room) {
  for (int k = 0; k < s->rows; k++) {
    double rest = s->row[k] - centre;
    room[k] = (double)(float)rest == rest ? INFINITY : width[k] / fabs(rest);
  }
  return log2(value_at(room, s->rows, s->rows / SHARE)) + 24;
}

static void sort_columns(rk_sample *s) {
  s->columns = finite_of(s->column, s->columns);
  sort_values(s->column, 0, s->columns - 1);
  s->columns = distinct_of(s->column, s->columns);
}

/* One of the values: what floats have exactly before, they have often afterwards. */
static double median_of(const rk_sample *s, double *room) {
  int n = 0;
  for (int k = 0; k < s->rows; k++) room[n++] = s->row[k];
  for (int k = 0; k < s->columns; k++) room[n++] = s->column[k];
  return n ? value_at(room, n, n / 2) : 0;
}

/* The first that is good, else the best, with which no value leaves the range of the type. */
static void choose_centre(const rk_sample *s, const double *width, double *room,
                          rk_centring *found) {
  const double centres[CENTRES] = {plain_centre(s->low, s->high), median_of(s, room),
                                   0.5 * s->low + 0.5 * s->high, 0};
  found->digits = -INFINITY;
  for (int k = 0; k < CENTRES && found->digits < ENOUGH + 1; k++) {
    double digits = digits_around(centres[k], s, width, room);
    if (!(digits > found->digits)) continue;
    if (k && rk_greatest_around(centres[k], s->low, s->high) > s->largest) continue;
    found->centre = centres[k];
    found->digits = digits;
  }
}

/* Puts the sample in order, too. */
static void fill_widths(rk_sample *s, double *width) {
  s->rows = finite_of(s->row, s->rows);
  sort_columns(s);
  for (int k = 0; k < s->rows; k++) width[k] = width_around(s->row[k], s->column, s->columns);
}

void rk_centre(const rk_sample *sample, rk_centring *found) {
  rk_sample s = *sample;
  double width[RK_SAMPLE_MOST], room[2 * RK_SAMPLE_MOST];
  if (s.rows > RK_SAMPLE_MOST) s.rows = RK_SAMPLE_MOST;
  if (s.columns > RK_SAMPLE_MOST) s.columns = RK_SAMPLE_MOST;
  fill_widths(&s, width);
  choose_centre(&s, width, room, found);
  found->width = value_at(width, s.rows, s.rows / 2);
}

int rk_centre_is_enough(const rk_centring *found, double rounding) {
  if (rounding == 0) return 1;
  return found->digits >= ENOUGH && log2(found->width / rounding) >= ENOUGH_OF_FEW;
}

/* The numbers are the rows and the columns of the sample. No centre is subtracted here, which costs
 * up to three digits of data that lies beside 0: these are not worth twice the memory. */
int rk_float_is_enough(const double *at, int64_t step, int64_t n, double low, double high) {
  double value[2][RK_SAMPLE], width[RK_SAMPLE], room[RK_SAMPLE];
  int count = n < RK_SAMPLE ? (int)n : RK_SAMPLE;
  rk_sample s = {value[0], value[1], count, count, 1, 1, 1, low, high, 0, FLT_MAX};
  for (int k = 0; k < count; k++) value[0][k] = value[1][k] = at[k * n / count * step];
  fill_widths(&s, width);
  rk_centring found = {0, 0, BESIDE + digits_around(0, &s, width, room)};
  found.width = value_at(width, s.rows, s.rows / 2);
  return rk_centre_is_enough(&found, rk_greatest_around(0, low, high) * 0x1p-25);
}
