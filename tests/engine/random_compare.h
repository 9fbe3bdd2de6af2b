/* One run of a random formula, and how many of its numbers are not what the evaluator says. */
#ifndef RANDOM_COMPARE_H
#define RANDOM_COMPARE_H

#include "random_oracle.h"

/* Where and how: `budget` cuts what a GPU may use so that data are streamed through it. */
typedef struct {
  int precision, threads, budget, times;
  const rk_blocks *blocks;
  int prunes;                /* pairs that cannot matter are left out */
} way;

typedef struct { double *first, *second; long size; } results;

/* What was found wrong off. */
static struct { double found; num want; long row; int column, result; } off;

static long compared, trusted; /* numbers, and those whose bound says something */

static int wrong(double found, num want, long row, int column) {
  if (isinf(want.e) || apart(found, want.v) <= 16 * unit * want.e + tiny * unit) return 0;
  off.found = found;
  off.want = want;
  off.row = row;
  off.column = column;
  return 1;
}

/* Is the bound a small part of the value, or of 1? A result counts with its first rows, so that a
 * few large ones are not nearly everything. */
enum { MOST_COUNTED = 4 };
static void count_number(num want, long row) {
  if (row >= MOST_COUNTED) return;
  compared++;
  if (!isfinite(want.v)) trusted += isfinite(want.e);
  else trusted += 16 * unit * want.e <= 1e-2 * (fabs(want.v) > 1 ? fabs(want.v) : 1);
}

/* ---- reductions that are not differentiated ---- */

static int by_value(const void *a, const void *b) {
  double x = ((const num *)a)->v, y = ((const num *)b)->v;
  return (x > y) - (x < y);
}

/* The values in order, each as often as it is repeated but at most K times; -1: unknown. */
static int sort_column(const column *c, int sign, int K, num *sorted, double *e) {
  int n = 0;
  *e = 0;
  for (int k = 0; k < c->n; k++) {
    num x = c->x[k].part[0];
    if (isinf(x.e)) return -1;
    if (x.e > *e) *e = x.e;
    if (isnan(x.v) || sign * x.v == INFINITY) continue; /* no candidate */
    for (int q = 0; q < c->times && q < K; q++) sorted[n++] = (num){sign * x.v, x.e};
  }
  qsort(sorted, (size_t)n, sizeof *sorted, by_value);
  return n;
}

/* Which of the values has the position p; -1: none. */
static int place_of(const column *c, double p) {
  if (!(p >= 0 && p < (double)reduced_rows * c->times) || p != floor(p)) return -1;
  for (int k = 0; k < c->n; k++)
    if (kept_at[k] == (long)p % reduced_rows) return k;
  return -1;
}

/* Ranks of the smallest (sign 1) or largest values: found values and positions of one row. */
static int wrong_ranks(const column *c, int sign, int K, const double *values,
                       const double *positions, long step, long row, int d) {
  num sorted[5 * MAX_PAIRS];
  double e;
  int n = sort_column(c, sign, K, sorted, &e);
  for (int r = 0; r < K; r++) {
    num want = r < n ? (num){sign * sorted[r].v, e} : (num){sign * INFINITY, 0};
    if (n < 0) want.e = INFINITY;
    count_number(want, row);
    if (n < 0) continue;
    int at = d * K + r;
    if (values && wrong(values[r * step], want, row, at)) return 1;
    if (!positions) continue;
    double p = positions[r * step];
    off.row = row, off.column = at, off.found = p, off.want = (num){NAN, 0};
    if (r >= n) {
      if (p != -1) return 1;
      continue;
    }
    int place = place_of(c, p);
    if (place < 0 || wrong(c->x[place].part[0].v, want, row, at)) return 1;
    for (int s = 0; s < r; s++) if (positions[s * step] == p) return 1;
    /* of equals the first, where nothing was rounded */
    for (int k = 0; r == 0 && e == 0 && k < place; k++)
      if (c->x[k].part[0].v == c->x[place].part[0].v) return 1;
  }
  return 0;
}

/* The numbers of one row of a reduction of exponentials. */
static int wrong_exponentials(const formula *f, const final *r, const sheet *s, int row,
                              const double *at, long step) {
  column c = {room[0], 0, 1}, w = {room[1], 0, 1};
  int dim = r->weight >= 0 ? f->node[r->weight].dim : 1, bad = 0;
  double top;
  take_column(f, s, r->root, 0, r->kept, row, &c);
  jet total = reduce_exp(&c, NULL, &top, 0);
  num most = ranked(&c, -1, 0).part[0];
  for (int d = 0; d < dim; d++) {
    jet sum = total;
    if (r->weight >= 0) {
      take_column(f, s, r->weight, d, r->kept, row, &w);
      sum = reduce_exp(&c, &w, &top, 0);
    }
    if (isinf(total.part[0].e)) sum = unknown();
    num want = sum.part[0];
    if (r->op == R_LSE || r->op == R_LSEW) want = log_of(sum, top, 0).part[0];
    else if (r->op == R_SOFTMAX) want = J2(DIVIDE, sum, total, 0).part[0];
    else if (isfinite(want.e) && isfinite(top)) {
      num head = {most.v, 2 * most.e + 4 * fabs(top)};
      want.e += 4 * fabs(want.v) * (head.e + fabs(top));
      bad += wrong(at[0], head, row, 0);
    }
    count_number(want, row); /* the reference stands before the sums */
    bad += wrong(at[(d + (r->op >= R_SHIFT)) * step], want, row, d);
  }
  return bad;
}

static int wrong_row(const formula *f, const final *r, const sheet *s, int row, long at_row,
                     long rows, const results *out) {
  if (is_exponential(r->op)) return wrong_exponentials(f, r, s, row, out->first + at_row, rows);
  int bad = 0;
  column c = {room[0], 0, 1};
  int sign = is_largest(r->op) ? -1 : 1;
  for (int d = 0; d < f->node[r->root].dim; d++) {
    long at = at_row + rows * d * r->K;
    take_column(f, s, r->root, d, r->kept, row, &c);
    if (r->op < R_LSE) {
      num want = reduce_column(&c, r->op, 0, 0).part[0];
      count_number(want, row);
      bad += wrong(out->first[at], want, at_row, d);
    } else {
      const double *positions = has_both(r->op)      ? out->second + at
                                : is_position(r->op) ? out->first + at : NULL;
      bad += wrong_ranks(&c, sign, r->K, is_position(r->op) ? NULL : out->first + at, positions,
                         rows, at_row, d);
    }
  }
  return bad;
}

/* ---- all results of a run ---- */

/* Elements of a derivative are looked at one by one, so many of them. */
enum { ELEMENTS = 10 };
typedef struct { long row; int column; num want; } element;

/* What is expected of a formula with its data in one precision. */
typedef struct { sheet s; element element[ELEMENTS]; int elements; num whole; } expected;

static void expect(const formula *f, const final *r, expected *e) {
  world w = {.L = 0};
  *e = (expected){.elements = 0};
  if (!f->M || !f->N) return;
  if (!r->steps) {
    evaluate(f, &w, r->root, r->weight, &e->s);
    return;
  }
  shape out = shape_after(f, r, r->steps);
  long all = rows_of(f, out.kind) * out.columns;
  for (long k = 0; k < all && k < ELEMENTS; k++) {
    element *x = &e->element[e->elements++];
    long at = all <= ELEMENTS ? k : below((int)all);
    x->row = at % rows_of(f, out.kind);
    x->column = (int)(at / rows_of(f, out.kind));
    x->want = derivative_element(f, r, x->row, x->column);
    /* the evaluator moves all repetitions of a row at once */
    x->want.v /= repeats[out.kind];
    x->want.e /= repeats[out.kind];
  }
  e->whole = derivative_whole(f, r);
}

/* Has a derivative the same value for all repetitions of a row? Not where one of equal values is
 * selected: then their sum is known. */
static int is_repeated(const formula *f, const final *r) {
  int reduces = f->node[r->root].reduces || (r->weight >= 0 && f->node[r->weight].reduces);
  return !reduces && (r->op == R_SUM || is_exponential(r->op));
}

static int count_wrong(const formula *f, const final *r, const expected *e, const results *out) {
  shape s = shape_after(f, r, r->steps);
  long base = rows_of(f, s.kind), rows = base * repeats[s.kind];
  int bad = 0;
  for (int k = 0; k < e->elements && (rows == base || is_repeated(f, r)); k++) {
    const element *x = &e->element[k];
    count_number(x->want, 0);
    const double *column = out->first + rows * x->column;
    bad += wrong(column[x->row], x->want, x->row, x->column);
    bad += wrong(column[rows - base + x->row], x->want, x->row, x->column);
  }
  long double whole = 0;
  for (long k = 0; r->steps && k < rows * s.columns; k++)
    whole += (long double)out->first[k] * whole_weight(k % rows % base, (int)(k / rows));
  bad += r->steps && wrong((double)whole, e->whole, -1, -1);
  for (long row = 0; !r->steps && row < rows; row++) /* of repetitions the first and the last */
    bad += (row < base || row >= rows - base) &&
           wrong_row(f, r, &e->s, (int)(row % base), row, rows, out);
  return bad;
}

/* Data as often as `repeats` says; freed by the caller. */
static rk_array input_of(const formula *f, int k, double **made) {
  const variable *v = &f->variable[k];
  long base = rows_of(f, v->kind), rows = base * repeats[v->kind];
  double *data = *made = malloc(sizeof(double) * (size_t)(rows * v->dim) + 1);
  for (long row = 0; row < rows; row++)
    for (int d = 0; d < v->dim; d++) {
      long q = row % base;
      double x = v->data[v->row_major ? q * v->dim + d : q + base * d];
      data[v->row_major ? row * v->dim + d : row + rows * d] = x;
    }
  rk_array input = columns_of(data, rows, v->dim);
  if (v->row_major) input.row_stride = v->dim, input.component_stride = 1;
  return input;
}

static void set_budget(int64_t bytes) {
  rk_error error;
  rk_configure(&(rk_settings){.gpu_memory = bytes}, &error);
}

/* The bytes that an error message asks for. */
static int64_t bytes_needed(const char *message) {
  const char *number = message;
  for (;;) {
    number = strstr(number, ": ");
    if (!number) return 0;
    number += 2;
    if (*number >= '0' && *number <= '9') return atoll(number);
  }
}

/* With as little memory of the GPU as will do, when the way says so. */
static rk_status run_within(rk_program *program, const rk_array *inputs, const way *w,
                            const rk_output *outputs, rk_error *error) {
  if (!w->budget || !check_on_gpu())
    return rk_run_blocks(program, w->blocks, inputs, outputs, NULL, NULL, error);
  int64_t bytes = 1 << 10;
  rk_status status = RK_ERROR_MEMORY;
  for (int k = 0; k < 40 && status == RK_ERROR_MEMORY && bytes; k++) {
    set_budget(bytes);
    status = rk_run_blocks(program, w->blocks, inputs, outputs, NULL, NULL, error);
    int64_t needed = status ? bytes_needed(error->message) : 0;
    bytes = needed > bytes ? needed + needed / 16 + 2 : bytes * 2;
  }
  set_budget(0);
  return status;
}

static double *numbers_of(long size) {
  double *x = malloc((size_t)size * 8 + 1);
  for (long k = 0; k < size; k++) x[k] = -777;
  return x;
}

/* Runs a program on the formula's data; `out` has one for each result. */
static rk_status run(const formula *f, const query *q, rk_program *program, const way *w,
                     results *out, rk_error *error) {
  rk_array inputs[VARIABLES];
  rk_output outputs[2 * RESULTS];
  double *made[VARIABLES];
  int fields = 0;
  for (int k = 0; k < q->n; k++) {
    shape s = shape_after(f, &q->r[k], q->r[k].steps);
    long size = rows_of(f, s.kind) * repeats[s.kind] * s.columns;
    out[k] = (results){numbers_of(size), numbers_of(size), size};
    rk_output output = {.type = RK_OUT_DOUBLE, .data = out[k].first, .none_double = -1};
    outputs[fields++] = output;
    output.data = out[k].second;
    if (has_both(q->r[k].op) && !q->r[k].steps) outputs[fields++] = output;
  }
  for (int k = 0; k < f->variables; k++) inputs[k] = input_of(f, k, &made[k]);
  rk_set_threads(w->threads, error);
  rk_set_pruning(w->prunes ? RK_PRUNE_ALWAYS : RK_PRUNE_NEVER);
  rk_status status = run_within(program, inputs, w, outputs, error);
  for (int k = 0; k < f->variables; k++) free(made[k]);
  return status;
}

static void free_results(results *out, int n) {
  for (int k = 0; k < n; k++) {
    free(out[k].first);
    free(out[k].second);
  }
}

/* What is expected of all results. */
static void expect_all(const formula *f, const query *q, expected *e) {
  for (int k = 0; k < q->n; k++) expect(f, &q->r[k], &e[k]);
}

static void forget_all(expected *e, int n) {
  for (int k = 0; k < n; k++) forget(&e[k].s);
}

static int count_all_wrong(const formula *f, const query *q, const expected *e,
                           const results *out) {
  int bad = 0;
  for (int k = 0; k < q->n && f->M && f->N; k++) {
    int more = count_wrong(f, &q->r[k], &e[k], &out[k]);
    if (more) off.result = k;
    bad += more;
  }
  return bad;
}

#endif
