/* See need.h. */
#include "bound/need.h"

#include <math.h>
#include <stdlib.h>

/* What is left out of a sum is in all less than 2 to the power of minus that, beside the sum. */
static const double bits_double = 60, bits_float = 30;

int rk_need_begin(rk_need *need, const rk_pass *pass, int64_t columns) {
  size_t sums = (size_t)pass->state.values;
  int is_double = pass->options.precision == RK_FLOAT64;
  *need = (rk_need){.reduction = pass->reduction->reduction, .shape = pass->state,
                    .bits = (is_double ? bits_double : bits_float) + log2((double)columns + 1),
                    .factor = fabs(pass->factor), .running = calloc(sums + 1, sizeof(double)),
                    .sign = calloc(sums + 1, 1)};
  rk_need_anew(need);
  return need->running && need->sign;
}

void rk_need_end(rk_need *need) {
  free(need->running);
  free(need->sign);
}

void rk_need_anew(rk_need *need) {
  need->worst = INFINITY;
  need->position = INT64_MAX;
  need->knows_sums = 0;
}

/* ---- what states hold ------------------------------------------------------------------------ */

/* Of the last rank. A value that is not a number stays what it is. */
static void take_worst(rk_need *need, rk_states s, int64_t rows) {
  ptrdiff_t last = (need->shape.K - 1) * s.ld;
  int has_positions = need->shape.positions > 0;
  need->worst = -INFINITY;
  need->position = -1;
  for (int64_t r = 0; r < rows; r++) {
    double x = s.values[last + r];
    int64_t at = has_positions ? s.positions[last + r] : 0;
    if (x > need->worst || (x == need->worst && at > need->position)) {
      need->worst = x;
      need->position = at;
    }
  }
}

/* The least size of a sum over all rows; of those with a common exponent its logarithm. */
static void take_sums(rk_need *need, rk_states s, int64_t rows) {
  int head = need->reduction->has_head;
  for (int c = head; c < need->shape.values; c++) {
    double least = INFINITY;
    for (int64_t r = 0; r < rows; r++) {
      double x = fabs(s.values[c * s.ld + r]);
      if (head) x = s.values[r] + log2(x);
      least = !(x >= least) ? x : least;
    }
    need->running[c] = head ? least - need->bits : least / need->factor * exp2(-need->bits);
  }
  need->knows_sums = 1;
}

void rk_need_states(rk_need *need, rk_states s, int64_t rows) {
  if (rk_keeps_values(need->reduction)) take_worst(need, s, rows);
  else take_sums(need, s, rows);
}

void rk_need_signs(rk_need *need, const rk_encloser *e, int n) {
  int head = need->reduction->has_head;
  for (int c = head; !rk_keeps_values(need->reduction) && c < need->shape.values; c++) {
    rk_enclosed term = rk_enclosed_root(e, head, c - head);
    double low = INFINITY, high = -INFINITY;
    for (int k = 0; k < n; k++) {
      low = term.low[k] < low ? term.low[k] : low;
      high = term.high[k] > high ? term.high[k] : high;
    }
    need->sign[c] = low >= 0 ? 1 : high <= 0 ? -1 : 0;
  }
}

/* ---- what matters ---------------------------------------------------------------------------- */

static int has_nan(rk_enclosed x, int k) { return x.nan && x.nan[k]; }

static int value_matters(const rk_need *need, const rk_encloser *e, int k, int64_t first,
                         double *key) {
  rk_enclosed value = rk_enclosed_root(e, 0, 0);
  *key = value.low[k];
  if (need->reduction->skips == RK_SKIP_LARGER_NUMBERS && has_nan(value, k)) {
    *key = -INFINITY;
    return 1;
  }
  if (!(value.low[k] < INFINITY)) return 0; /* these never enter */
  if (value.low[k] != need->worst) return value.low[k] < need->worst;
  return need->shape.positions && first < need->position;
}

static double size_of(rk_enclosed x, int k) { return fmax(fabs(x.low[k]), fabs(x.high[k])); }

static int may_be_small(const rk_need *need, int c) { return need->knows_sums && need->sign[c]; }

/* Component c of the state of a plain sum. */
static int term_matters(const rk_need *need, const rk_encloser *e, int c, int k) {
  rk_enclosed term = rk_enclosed_root(e, 0, c);
  double size = size_of(term, k);
  if (has_nan(term, k)) return 1;
  return size != 0 && !(may_be_small(need, c) && size <= need->running[c]);
}

/* The same of terms with a common exponent: a power of 2 times a weight. */
static int weight_matters(const rk_need *need, const rk_encloser *e, int c, int k) {
  double exponent = rk_enclosed_root(e, 0, 0).high[k];
  rk_enclosed weight = rk_enclosed_root(e, 1, c - 1);
  double size = size_of(weight, k);
  if (has_nan(weight, k) || !(size < INFINITY)) return 1;
  if (size == 0 || exponent == -INFINITY) return 0;
  return !(may_be_small(need, c) && exponent + log2(size) <= need->running[c]);
}

static int sum_matters(const rk_need *need, const rk_encloser *e, int k, double *key) {
  rk_enclosed first = rk_enclosed_root(e, 0, 0);
  int head = need->reduction->has_head;
  *key = head ? -first.high[k] : -size_of(first, k);
  if (head && has_nan(first, k)) return 1;
  for (int c = head; c < need->shape.values; c++)
    if (head ? weight_matters(need, e, c, k) : term_matters(need, e, c, k)) return 1;
  return 0;
}

int rk_need_matters(const rk_need *need, const rk_encloser *e, int k, int64_t first, double *key) {
  return rk_keeps_values(need->reduction) ? value_matters(need, e, k, first, key)
                                          : sum_matters(need, e, k, key);
}

static double least_of(rk_enclosed x, int k) {
  return x.low[k] > 0 ? x.low[k] : x.high[k] < 0 ? -x.high[k] : 0;
}

/* Values that are wanted are few: of them this is not asked. One term that matters is enough. */
int rk_need_surely(const rk_need *need, const rk_encloser *e, int k) {
  int head = need->reduction->has_head;
  double exponent = rk_enclosed_root(e, 0, 0).low[k];
  if (rk_keeps_values(need->reduction)) return 0;
  for (int c = head; c < need->shape.values; c++) {
    double least = least_of(rk_enclosed_root(e, head, c - head), k);
    double nothing = !may_be_small(need, c) ? head ? -INFINITY : 0 : need->running[c];
    if (least > 0 && (head ? exponent + log2(least) : least) > nothing) return 1;
  }
  return 0;
}

int rk_need_knows(const rk_need *need, const rk_encloser *e, int k, double *term) {
  if (rk_keeps_values(need->reduction) || need->reduction->has_head) return 0;
  for (int c = 0; c < need->shape.values; c++) {
    rk_enclosed one = rk_enclosed_root(e, 0, c);
    if (has_nan(one, k) || one.low[k] != one.high[k] || isinf(one.low[k])) return 0;
    term[c] = one.low[k];
  }
  return 1;
}
