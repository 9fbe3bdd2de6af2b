/* Naive evaluation in double, with bounds on what another order and another precision may give.
 *
 * A pair function gives the components of F at (i, j) and, for each, a bound on its error in units
 * of the rounding error of the inputs. A reduction of them is written out in plain loops. */
#ifndef RKEOPS_ORACLE_H
#define RKEOPS_ORACLE_H

#include "check.h"
#include "cuda/device.h"

enum { MOST_DIM = 130, INPUTS = 6, MOST_K = 8 };

typedef struct {
  int m, n, D, E;
  double shift;
  double *x, *y, *b, *w, *a, *p; /* Vi(D), Vj(D), Vj(E), Vj(1) positive, Vi(1), Pm(1) */
  rk_array input[INPUTS];
  char text[INPUTS][16];
  const char *declaration[INPUTS];
} cloud;

static inline double *whole_numbers(long n, int from, int to) {
  double *x = random_numbers(n, from, to + 1);
  for (long k = 0; k < n; k++) x[k] = floor(x[k]);
  return x;
}

/* Numbers in [shift, shift + 1], or small whole ones, which all precisions hold exactly. */
static inline cloud *cloud_new(int m, int n, int D, int E, double shift, int whole) {
  cloud *c = calloc(1, sizeof *c);
  *c = (cloud){.m = m, .n = n, .D = D, .E = E, .shift = shift};
  c->x = whole ? whole_numbers((long)m * D, -2, 2) : random_numbers((long)m * D, shift, shift + 1);
  c->y = whole ? whole_numbers((long)n * D, -2, 2) : random_numbers((long)n * D, shift, shift + 1);
  c->b = whole ? whole_numbers((long)n * E, -2, 2) : random_numbers((long)n * E, -1, 1);
  c->w = whole ? whole_numbers(n, 1, 3) : random_numbers(n, 0.5, 1.5);
  c->a = whole ? whole_numbers(m, -2, 2) : random_numbers(m, -1, 1);
  c->p = whole ? whole_numbers(1, 1, 2) : random_numbers(1, 0.5, 2);
  const double *data[] = {c->x, c->y, c->b, c->w, c->a, c->p};
  const int rows[] = {m, n, n, n, m, 1}, dim[] = {D, D, E, 1, 1, 1};
  static const char *const kind[] = {"x=Vi", "y=Vj", "b=Vj", "w=Vj", "a=Vi", "p=Pm"};
  for (int k = 0; k < INPUTS; k++) {
    c->input[k] = (rk_array){data[k], rows[k], dim[k], 1, rows[k], NULL, 0};
    snprintf(c->text[k], sizeof c->text[k], "%s(%d)", kind[k], dim[k]);
    c->declaration[k] = c->text[k];
  }
  return c;
}

static inline void cloud_free(cloud *c) {
  free(c->x);
  free(c->y);
  free(c->b);
  free(c->w);
  free(c->a);
  free(c->p);
  free(c);
}

/* ---- pair functions ---- */

typedef enum { SQUARE_DISTANCE, GAUSS, RATIONAL, PRODUCT, DIFFERENCE } pair_kind;
static const char *const pair_text[] = {
  "SqDist(x,y)", "Exp(-p*SqDist(x,y))*b", "b/(1+SqDist(x,y))", "p*(x|y)+a", "x-y"};

static inline int pair_dim(const cloud *c, pair_kind kind) {
  return kind == GAUSS || kind == RATIONAL ? c->E : kind == DIFFERENCE ? c->D : 1;
}

/* Of what is subtracted: far from 0 kernels take a centre from both first, 1 away at most. */
static inline double sizes(const cloud *c, double x, double y) {
  return c->shift != 0 ? 2 : fabs(x) + fabs(y);
}

static inline double square_distance(const cloud *c, int i, int j, double *error) {
  double sum = 0;
  *error = 0;
  for (int k = 0; k < c->D; k++) {
    double x = c->x[i + (long)k * c->m], y = c->y[j + (long)k * c->n], d = x - y;
    sum += d * d;
    *error += 2 * fabs(d) * (sizes(c, x, y) + fabs(d));
  }
  *error += (c->D + 4) * sum;
  return sum;
}

static inline double product(const cloud *c, int i, int j, double *error) {
  double sum = 0, size = 0;
  for (int k = 0; k < c->D; k++) {
    double term = c->p[0] * c->x[i + (long)k * c->m] * c->y[j + (long)k * c->n];
    sum += term;
    size += fabs(term);
  }
  *error = (c->D + 6) * size + 3 * fabs(c->a[i]);
  return sum + c->a[i];
}

static inline void pair_value(const cloud *c, pair_kind kind, int i, int j, double *v,
                              double *error) {
  double e, s = kind == PRODUCT ? product(c, i, j, &e) : square_distance(c, i, j, &e);
  int dim = pair_dim(c, kind);
  for (int k = 0; k < dim; k++) {
    double b = kind == GAUSS || kind == RATIONAL ? c->b[j + (long)k * c->n] : 0;
    if (kind == GAUSS) {
      v[k] = exp(-c->p[0] * s) * b;
      error[k] = fabs(v[k]) * (c->p[0] * (e + 4 * s) + 10);
    } else if (kind == RATIONAL) {
      v[k] = b / (1 + s);
      error[k] = fabs(v[k]) * (e / (1 + s) + 6);
    } else if (kind == DIFFERENCE) {
      double x = c->x[i + (long)k * c->m], y = c->y[j + (long)k * c->n];
      v[k] = x - y;
      error[k] = sizes(c, x, y) + fabs(v[k]);
    } else {
      v[k] = s;
      error[k] = e;
    }
  }
}

/* ---- reductions ---- */

typedef struct {
  const char *name;
  int ranked, weight;        /* K; 1: "w", 2: "b" as weights */
  int sign;                  /* of values in order: -1 for Max */
  int values, positions;     /* fields */
} rule;

static const rule rules[] = {
  {"Sum", 0, 0, 0, 1, 0},           {"Min", 0, 0, 1, 1, 0},
  {"Max", 0, 0, -1, 1, 0},          {"ArgMin", 0, 0, 1, 0, 1},
  {"ArgMax", 0, 0, -1, 0, 1},       {"Min_ArgMin", 0, 0, 1, 1, 1},
  {"Max_ArgMax", 0, 0, -1, 1, 1},   {"KMin", 5, 0, 1, 1, 0},
  {"ArgKMin", 3, 0, 1, 0, 1},       {"KMin_ArgKMin", 4, 0, 1, 1, 1},
  {"LogSumExp", 0, 0, 0, 1, 0},     {"LogSumExp", 0, 1, 0, 1, 0},
  {"LogSumExpWeight", 0, 1, 0, 1, 0}, {"SumSoftMaxWeight", 0, 2, 0, 1, 0},
  {"Max_SumShiftExp", 0, 0, 0, 1, 0}, {"Max_SumShiftExpWeight", 0, 1, 0, 1, 0}};
enum { RULES = sizeof rules / sizeof *rules, SUM = 0, ARG_MIN = 3, NEAREST = 9, FIRST_EXPONENTIAL = 10 };

static inline int rule_dim(const cloud *c, const rule *r, pair_kind kind) {
  if (r->weight == 2) return c->E;
  if (!strncmp(r->name, "Max_Sum", 7)) return 2;
  return pair_dim(c, kind) * (r->ranked ? r->ranked : 1);
}

static inline void rule_text(const rule *r, pair_kind kind, char index, char *text, size_t size) {
  char more[32] = "";
  if (r->ranked) snprintf(more, sizeof more, ", %d", r->ranked);
  if (r->weight) snprintf(more, sizeof more, ", %s", r->weight == 1 ? "w" : "b");
  snprintf(text, size, "%s_Reduction(%s%s, %c)", r->name, pair_text[kind], more, index);
}

/* What is known of one row of the result. */
typedef struct { double value[MOST_DIM * MOST_K], bound[MOST_DIM * MOST_K]; } expected;

typedef struct {
  const cloud *c;
  const rule *r;
  pair_kind kind;
  char index;                /* that is reduced */
  double eps;                /* rounding error of inputs */
  double summing;            /* of an addition, in eps, for each term */
  const rk_blocks *blocks;   /* NULL: all pairs; else those kept[i + m * j] */
  const unsigned char *kept;
} problem;

static inline int reduced_of(const problem *q) { return q->index == 'j' ? q->c->n : q->c->m; }
static inline int kept_of(const problem *q) { return q->index == 'j' ? q->c->m : q->c->n; }

static inline void value_at(const problem *q, int row, int k, double *v, double *error) {
  pair_value(q->c, q->kind, q->index == 'j' ? row : k, q->index == 'j' ? k : row, v, error);
}

static inline int meets(const problem *q, int row, int k) {
  int i = q->index == 'j' ? row : k, j = q->index == 'j' ? k : row;
  return !q->blocks || q->kept[i + (long)q->c->m * j];
}

static inline double weight_at(const problem *q, int row, int k, int d) {
  int j = q->index == 'j' ? k : row;
  return q->r->weight == 0 ? 1 : q->r->weight == 1 ? q->c->w[j] : q->c->b[j + (long)d * q->c->n];
}

/* Additions that a term goes through, in eps: short sums are part of the bounds, and in float64 the
 * sum of the short sums is not more exact than they are. */
static inline double additions(const problem *q) {
  return q->summing + (q->eps < 1e-12 ? reduced_of(q) / 64.0 : 0);
}

static inline void expect_sum(const problem *q, int row, expected *e) {
  double v[MOST_DIM], error[MOST_DIM];
  int dim = pair_dim(q->c, q->kind);
  for (int d = 0; d < dim; d++) e->value[d] = e->bound[d] = 0;
  for (int k = 0; k < reduced_of(q); k++) {
    if (!meets(q, row, k)) continue;
    value_at(q, row, k, v, error);
    for (int d = 0; d < dim; d++) {
      e->value[d] += v[d];
      e->bound[d] += 2 * q->eps * (error[d] + (4 + additions(q)) * fabs(v[d]));
    }
  }
}

/* Max_SumShiftExp gives log of what it means. */
static inline void expect_exponential(const problem *q, int row, expected *e) {
  double v, error, most = -INFINITY, all_error = 0;
  long double all = 0;
  int dim = q->r->weight == 2 ? q->c->E : 1;
  for (int k = 0; k < reduced_of(q); k++) {
    if (!meets(q, row, k)) continue;
    value_at(q, row, k, &v, &error);
    if (v > most) most = v;
  }
  for (int d = 0; d < dim; d++) {
    long double sum = 0;
    double bound = 0;
    all = all_error = 0;
    for (int k = 0; k < reduced_of(q); k++) {
      if (!meets(q, row, k)) continue;
      value_at(q, row, k, &v, &error);
      double term = exp(v - most), w = weight_at(q, row, k, d);
      double relative = 2 * q->eps * (error + 4 * fabs(v) + 12 + additions(q));
      sum += w * term;
      bound += fabs(w) * term * relative;
      all += term;
      all_error += term * relative;
    }
    if (q->r->weight == 2) {
      e->value[d] = (double)(sum / all);
      e->bound[d] = (bound + fabs(e->value[d]) * all_error) / (double)all;
    } else {
      e->value[d] = (double)(logl(sum) + most);
      e->bound[d] = bound / (double)sum + 4 * q->eps * fabs(e->value[d]);
    }
  }
}

/* Values in order, with their bounds; `at` gets positions (ties: lowest first). */
static inline void expect_ranks(const problem *q, int row, int d, int K, double *value,
                                double *bound, int *at) {
  double v[MOST_DIM], error[MOST_DIM];
  int found = 0;
  for (int k = 0; k < reduced_of(q); k++) {
    if (!meets(q, row, k)) continue;
    value_at(q, row, k, v, error);
    double g = q->r->sign * v[d];
    int r = found < K ? found : K - 1;
    if (found == K && !(g < value[K - 1])) continue;
    for (; r > 0 && g < value[r - 1]; r--) {
      value[r] = value[r - 1];
      bound[r] = bound[r - 1];
      at[r] = at[r - 1];
    }
    value[r] = g;
    bound[r] = 2 * q->eps * error[d];
    at[r] = k;
    if (found < K) found++;
  }
  for (int r = found; r < K; r++) value[r] = INFINITY, bound[r] = 0, at[r] = -1;
}

/* ---- comparing ---- */

static inline int near(double a, double b, double bound) {
  return a == b || fabs(a - b) <= bound || (isnan(a) && isnan(b));
}

/* A position may be another one of values that cannot be told apart; never when bounds are 0. */
static inline int good_position(const problem *q, int row, int d, double position, double value,
                                double bound, int at) {
  double v[MOST_DIM], error[MOST_DIM];
  if (at < 0) return position == -7;
  if (position == at) return 1;
  if (!(position >= 0 && position < reduced_of(q)) || bound == 0) return 0;
  if (!meets(q, row, (int)position)) return 0;
  value_at(q, row, (int)position, v, error);
  return fabs(q->r->sign * v[d] - value) <= bound + 2 * q->eps * error[d];
}

/* Number of wrong elements; values and positions are rows x columns, "no position" is -7. */
static inline long count_wrong_ranks(const problem *q, const double *values,
                                     const double *positions) {
  int K = q->r->ranked ? q->r->ranked : 1, dim = pair_dim(q->c, q->kind), rows = kept_of(q);
  long wrong = 0;
  for (int row = 0; row < rows; row++)
    for (int d = 0; d < dim; d++) {
      double value[MOST_K], bound[MOST_K];
      int at[MOST_K];
      expect_ranks(q, row, d, K, value, bound, at);
      for (int r = 0; r < K; r++) {
        long e = row + (long)rows * (r + (long)K * d);
        if (q->r->values) wrong += !near(values[e], q->r->sign * value[r], bound[r]);
        if (q->r->positions)
          wrong += !good_position(q, row, d, positions[e], value[r], bound[r], at[r]);
      }
    }
  return wrong;
}

static inline long count_wrong(const problem *q, const double *values, const double *positions) {
  if (q->r->sign) return count_wrong_ranks(q, values, positions);
  static expected e;
  int rows = kept_of(q), shifted = !strncmp(q->r->name, "Max_Sum", 7);
  int exponential = q->r - rules >= FIRST_EXPONENTIAL;
  int dim = shifted ? 1 : rule_dim(q->c, q->r, q->kind);
  long wrong = 0;
  /* float32 numbers below 1.2e-38 may be flushed to zero, terms among them */
  double tiny = q->eps > 1e-12 ? 4 * 1.2e-38 * reduced_of(q) : 1e-300;
  for (int row = 0; row < rows; row++) {
    if (exponential) expect_exponential(q, row, &e);
    else expect_sum(q, row, &e);
    for (int d = 0; d < dim; d++) {
      double got = values[row + (long)rows * d];
      if (shifted) got += log(values[row + (long)rows]);
      int good = near(got, e.value[d], e.bound[d] + tiny);
      if (!good && !wrong)
        printf("  row %d, column %d: %.17g, expected %.17g +- %.3g\n", row, d, got, e.value[d],
               e.bound[d]);
      wrong += !good;
    }
  }
  return wrong;
}

/* ---- one run ---- */

static const double eps_of[] = {0x1p-24, 0x1p-53, 0x1p-11};
static const char *const precision_name[] = {"float32", "float64", "float16"};

static inline rk_program *program_for(const cloud *c, const char *text, const rk_options *options) {
  rk_program *program = NULL;
  if (rk_program_get(text, c->declaration, INPUTS, options, &program, &last))
    printf("  %s: %s\n", text, last.message);
  return program;
}

typedef struct { double *values, *positions; long size; } result;

static inline result result_new(long size) {
  result r = {malloc((size_t)size * 8 + 8), malloc((size_t)size * 8 + 8), size};
  for (long k = 0; k < size; k++) r.values[k] = r.positions[k] = NAN;
  return r;
}
static inline void result_free(result *r) {
  free(r->values);
  free(r->positions);
}

/* For all pairs, or for those of `blocks`. */
static inline rk_status run_pairs(const rule *r, rk_program *program, const rk_blocks *blocks,
                                  const rk_array *input, result *to, rk_poll poll, void *data) {
  rk_output values = {.type = RK_OUT_DOUBLE, .data = to->values};
  rk_output positions = {.type = RK_OUT_DOUBLE, .data = to->positions, .none_double = -7};
  rk_output outputs[] = {r->values ? values : positions, positions};
  return rk_run_blocks(program, blocks, input, outputs, poll, data, &last);
}

static inline rk_status run_rule(const rule *r, rk_program *program, const rk_array *input,
                                 result *to, rk_poll poll, void *data) {
  return run_pairs(r, program, NULL, input, to, poll, data);
}

static inline int wrong_in(const problem *q, const rk_options *options, const rk_array *input) {
  char text[128];
  rule_text(q->r, q->kind, q->index, text, sizeof text);
  rk_program *program = program_for(q->c, text, options);
  result r = result_new((long)kept_of(q) * rule_dim(q->c, q->r, q->kind));
  rk_status status = program ? run_pairs(q->r, program, q->blocks, input, &r, NULL, NULL)
                             : RK_ERROR_INTERNAL;
  long wrong = status ? -1 : count_wrong(q, r.values, r.positions);
  if (status || wrong)
    printf("  %s, %s, %d x %d, D %d, E %d, %d devices: %ld of %ld wrong%s%s\n", text,
           precision_name[options->precision], q->c->m, q->c->n, q->c->D, q->c->E, rk_devices(),
           wrong, r.size, status ? ": " : "", status ? last.message : "");
  result_free(&r);
  return wrong != 0;
}

/* ---- reductions that tests choose ---- */

static inline pair_kind kind_for(int number) {
  return number == SUM ? GAUSS : number >= FIRST_EXPONENTIAL ? PRODUCT
         : number % 2 ? SQUARE_DISTANCE : DIFFERENCE;
}

/* Whole numbers are exact in every precision as long as nothing but +, -, * meets them. */
static inline problem problem_of(const cloud *c, const rule *r, pair_kind kind, char index,
                                 const rk_options *options, int whole) {
  double eps = eps_of[options->precision];
  int exact = whole && r->sign && (kind == SQUARE_DISTANCE || kind == DIFFERENCE);
  return (problem){c, r, kind, index, exact ? 0 : eps, 0, NULL, NULL};
}

static inline void check_rule(const cloud *c, int number, pair_kind kind, char index,
                              const rk_options *options, int whole) {
  problem q = problem_of(c, &rules[number], kind, index, options, whole);
  CHECK(!wrong_in(&q, options, c->input), "a reduction is right");
}

#endif
