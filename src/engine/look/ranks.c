/* See ranks.h. Sorting is by the digits of the numbers' bits, in eight rounds of which those are
 * left out in which all digits are equal: linear, and without comparisons. */
#include "look/ranks.h"
#include "error.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIGIT = 8, DIGITS = 1 << DIGIT, ROUNDS = 64 / DIGIT };

typedef struct { uint64_t key; double *at; } entry;

/* Larger numbers have larger keys; -0 is 0. */
static uint64_t key_of(double value) {
  uint64_t bits;
  value += 0.0;
  memcpy(&bits, &value, sizeof bits);
  return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

/* Kernels take what is smaller than the smallest normal float for 0. */
static int is_exact(double value) {
  return value != value || value == 0 || (fabs(value) >= FLT_MIN && (double)(float)value == value);
}

static int all_exact(double *const *column, const int64_t *length, int columns) {
  for (int k = 0; k < columns; k++)
    for (int64_t r = 0; r < length[k]; r++)
      if (!is_exact(column[k][r])) return 0;
  return 1;
}

static int64_t gather(double *const *column, const int64_t *length, int columns, entry *list) {
  int64_t n = 0;
  for (int k = 0; k < columns; k++)
    for (int64_t r = 0; r < length[k]; r++)
      if (column[k][r] == column[k][r])
        list[n++] = (entry){key_of(column[k][r]), &column[k][r]};
  return n;
}

/* One round: the lists change places. 0: all digits are equal, nothing was done. */
static int sort_by_digit(const entry *from, entry *to, int64_t n, int shift) {
  int64_t place[DIGITS] = {0}, next = 0;
  for (int64_t r = 0; r < n; r++) place[from[r].key >> shift & (DIGITS - 1)]++;
  for (int d = 0; d < DIGITS; d++) {
    if (place[d] == n) return 0;
    int64_t count = place[d];
    place[d] = next;
    next += count;
  }
  for (int64_t r = 0; r < n; r++) to[place[from[r].key >> shift & (DIGITS - 1)]++] = from[r];
  return 1;
}

static int64_t write_ranks(const entry *list, int64_t n) {
  int64_t rank = -1;
  for (int64_t r = 0; r < n; r++) {
    rank += !r || list[r].key != list[r - 1].key;
    *list[r].at = (double)rank;
  }
  return rank + 1;
}

rk_status rk_rank(double *const *column, const int64_t *length, int columns, int64_t *ranks,
                  rk_caller caller) {
  int64_t all = 0;
  *ranks = 0;
  if (all_exact(column, length, columns)) return RK_OK;
  for (int k = 0; k < columns; k++) all += length[k];
  entry *list = malloc((size_t)all * 2 * sizeof *list);
  if (!list) return rk_fail_memory(caller.error, (size_t)all * 2 * sizeof *list);
  entry *from = list, *other = list + all;
  int64_t n = gather(column, length, columns, list);
  rk_status status = RK_OK;
  for (int round = 0; round < ROUNDS && !status; round++) {
    status = rk_ask(caller, 0);
    if (!status && sort_by_digit(from, other, n, round * DIGIT)) {
      entry *sorted = other;
      other = from;
      from = sorted;
    }
  }
  if (!status) *ranks = write_ranks(from, n);
  free(list);
  return status;
}
