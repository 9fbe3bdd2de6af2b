/* Naive evaluation of one node of a formula at one pair. */
#ifndef RANDOM_NODES_H
#define RANDOM_NODES_H

#include "random_formula.h"

/* Along what a variable moves by an infinitesimal: one number, one component of all rows, all
 * numbers by fixed weights, another variable, or the values of a node by pair; the last two with
 * the infinitesimals below `level`. */
typedef struct {
  enum { ONE_NUMBER, ONE_COMPONENT, ALL_NUMBERS, A_VARIABLE, AN_ARRAY } what;
  long row;
  int component, variable, level, dim;
  const num *array;
} direction;

typedef struct { int variable; direction along; } seed;
typedef struct { seed seed[MOST_LEVEL]; int L; } world;

/* The values of the nodes that were asked for, [pair][component][part], pair = i + M j, and at
 * which pairs a slope is singular. */
typedef struct { num *value[NODES]; int L; char *singular[NODES]; } sheet;

static int repeats[3] = {1, 1, 1}; /* by kind: the engine gets the rows so many times over */

/* ---- variables ---- */

/* Multiples of 1/4, so that sums of them lose nothing. */
static double whole_weight(long row, int d) { return (double)((row * 3 + d * 5) % 7 - 2) / 4; }

static num leaf_part(const formula *f, const world *w, int v, long row, int d, int part, int pair);

static num direction_part(const formula *f, const world *w, const direction *a, long row, int d,
                          int part, int pair) {
  int inside = part < 1 << a->level;
  num found = nothing;
  switch (a->what) {
  case ONE_NUMBER: return (num){part == 0 && row == a->row && d == a->component, 0};
  case ONE_COMPONENT: return (num){part == 0 && d == a->component, 0};
  case ALL_NUMBERS: return (num){part == 0 ? whole_weight(row, d) : 0, 0};
  case A_VARIABLE: if (inside) found = leaf_part(f, w, a->variable, row, d, part, pair); break;
  case AN_ARRAY: if (inside) found = a->array[(((long)pair * a->dim + d) << a->level) + part];
  }
  return part == 0 && is_nothing(found) ? counted_zero : found;
}

static num leaf_part(const formula *f, const world *w, int v, long row, int d, int part, int pair) {
  const variable *x = &f->variable[v];
  if (!part) {
    long rows = rows_of(f, x->kind);
    return rounded(x->data[x->row_major ? row * x->dim + d : row + rows * d], 0, 1);
  }
  int l = part >= 4 ? 2 : part >= 2 ? 1 : 0;
  if (w->seed[l].variable != v) return nothing;
  return direction_part(f, w, &w->seed[l].along, row, d, part ^ (1 << l), pair);
}

static long row_of(const formula *f, rk_kind kind, int pair) {
  return kind == RK_KIND_I ? pair % f->M : kind == RK_KIND_J ? pair / f->M : 0;
}

/* ---- one node at one pair ---- */

typedef struct { const formula *f; const sheet *s; const node *x; int pair, L; } at;

static jet get(const at *p, int operand, int d) {
  jet out = {{{0, 0}}};
  int o = p->x->operand[operand];
  const num *v = p->s->value[o] + (((long)p->pair * p->f->node[o].dim + d) << p->L);
  for (int s = 0; s < 1 << p->L; s++) out.part[s] = v[s];
  return out;
}

static int dim_at(const at *p, int operand) {
  return p->x->operand[operand] < 0 ? 0 : p->f->node[p->x->operand[operand]].dim;
}

static jet unknown(void) {
  jet out;
  for (int s = 0; s < PARTS; s++) out.part[s] = (num){0, INFINITY};
  return out;
}

/* NaN, with derivatives that nobody knows. */
static jet undefined(void) {
  jet out = unknown();
  out.part[0] = (num){NAN, 0};
  return out;
}

/* Sums of all parts; `long_sum` units of rounding of each term. */
typedef struct { jet s; double size[PARTS]; int n; } total;

static void total_add(total *t, const jet *x, double times_over, int L) {
  for (int s = 0; s < 1 << L; s++) {
    t->s.part[s].v += x->part[s].v * times_over;
    t->s.part[s].e += x->part[s].e * times_over;
    t->size[s] += fabs(x->part[s].v) * times_over;
  }
  t->n++;
}

static jet total_end(const total *t, double roundings, int L) {
  jet out = t->s;
  for (int s = 0; s < 1 << L; s++) {
    double e = out.part[s].e + (isfinite(t->size[s]) ? roundings * t->size[s] : 0);
    if (s && is_nothing(out.part[s]) && t->size[s] == 0) continue;
    if (s && !isfinite(t->size[s])) e = INFINITY;
    out.part[s] = rounded(out.part[s].v, e, 1);
  }
  return out;
}

static jet sum_of(const jet *x, int n, int L) {
  total t = {.n = 0};
  for (int k = 0; k < n; k++) total_add(&t, &x[k], 1, L);
  return total_end(&t, n < 16 ? n : 16, L);
}

static jet product_sum(const jet *w, int dw, const jet *a, const jet *b, int n, int L) {
  jet t[MAX_D];
  for (int k = 0; k < n; k++) {
    t[k] = J2(MULT, a[k], b[k], L);
    if (w) t[k] = J2(MULT, w[dw == 1 ? 0 : k], t[k], L);
  }
  return sum_of(t, n, L);
}

static jet weighted_squares(const jet *w, int dw, const jet *a, int n, int L) {
  jet t[MAX_D];
  if (dw == 1) return J2(MULT, w[0], product_sum(NULL, 0, a, a, n, L), L);
  if (dw == n) return product_sum(w, dw, a, a, n, L);
  for (int k = 0; k < n * n; k++)
    t[k] = J2(MULT, J2(MULT, w[k], a[k / n], L), a[k % n], L);
  return sum_of(t, n * n, L);
}

/* Which of n jets comes first; `uncertain`: another one could be as well. */
static int best_place(const jet *x, int n, int sign, double *error, int *uncertain) {
  int best = -1;
  *error = *uncertain = 0;
  for (int k = 0; k < n; k++) {
    num v = x[k].part[0];
    if (isinf(v.e)) *error = INFINITY;
    if (!isnan(v.v) && (best < 0 || sign * v.v < sign * x[best].part[0].v)) best = k;
  }
  if (*error > 0) return best;
  for (int k = 0; k < n && best >= 0; k++) {
    num v = x[k].part[0], b = x[best].part[0];
    if (v.e > *error) *error = v.e;
    if (k != best && !isnan(v.v) && v.e + b.e > 0 && fabs(v.v - b.v) <= 8 * unit * (v.e + b.e))
      *uncertain = 1;
  }
  return best;
}

static jet best_of(int op, const jet *x, int n) {
  double error;
  int uncertain, sign = op == F_MAX || op == F_MAXNAN || op == F_ARGMAX ? -1 : 1;
  int best = best_place(x, n, sign, &error, &uncertain);
  if (isinf(error)) return unknown();
  jet out = best < 0 ? constant(NAN) : x[best];
  for (int k = 0; k < n && (op == F_MAXNAN || op == F_MINNAN); k++)
    if (isnan(x[k].part[0].v)) return undefined();
  if (op >= F_ARGMAX) {
    out = constant(best < 0 ? 0 : best);
    out.part[0].e = uncertain ? INFINITY : 0;
    return out;
  }
  out.part[0].e = error;
  for (int s = 1; s < PARTS; s++) if (uncertain) out.part[s].e = INFINITY;
  return out;
}

static jet fold_value(const at *p) {
  jet x[MAX_D];
  int n = dim_at(p, 0);
  for (int k = 0; k < n; k++) x[k] = get(p, 0, k);
  return p->x->op == F_SUM ? sum_of(x, n, p->L) : best_of(p->x->op, x, n);
}

static jet one_hot(jet a, int k) {
  double nearest = floor(a.part[0].v + 0.5), d = 4 * unit * a.part[0].e;
  jet out = constant(nearest == k);
  if (isnan(a.part[0].v) && d == 0) return out;
  if (isinf(d) || floor(a.part[0].v + 0.5 - d) != floor(a.part[0].v + 0.5 + d))
    out.part[0].e = INFINITY;
  return out;
}

/* What is put where an operation fills up with zeros. */
static jet filling(const at *p) {
  jet out = constant(0);
  for (int s = 1; s < 1 << p->L; s++) out.part[s] = counted_zero;
  return out;
}

static jet piece_value(const at *p, int k) {
  const node *x = p->x;
  int da = dim_at(p, 0), n = x->n, m = x->m;
  jet some[MAX_D];
  switch (x->op) {
  case P_SUMT: return get(p, 0, 0);
  case P_ELEM: case P_EXTRACT: return get(p, 0, n + k);
  case P_ELEMT: return k == x->m ? get(p, 0, 0) : filling(p);
  case P_EXTRACTT: return k >= n && k < n + da ? get(p, 0, k - n) : filling(p);
  case P_CONCAT: return k < da ? get(p, 0, k) : get(p, 1, k - da);
  case P_EACH: return get(p, 0, k / n);
  case P_ALL: return get(p, 0, k % da);
  case P_REVERSE: return get(p, 0, da - 1 - k);
  case P_REPEATBLOCKS: return get(p, 0, k / (n * m) * n + k % n);
  case P_SUMBLOCKS:
    for (int q = 0; q < m; q++) some[q] = get(p, 0, k / n * n * m + q * n + k % n);
    return sum_of(some, m, p->L);
  case P_SWAPAXES: { /* element (j, i, l) of a block m x n x l is (i, j, l) of one n x m x l */
    int block = n * m * x->l, at = k % block, i = at / x->l % n, j = at / (x->l * n);
    return get(p, 0, k / block * block + (i * m + j) * x->l + at % x->l);
  }
  case P_SUMEACH:
    for (int q = 0; q < n; q++) some[q] = get(p, 0, k * n + q);
    return sum_of(some, n, p->L);
  }
  return one_hot(get(p, 0, 0), k);
}

static void get_all(const at *p, int operand, jet *out) {
  for (int k = 0; k < dim_at(p, operand); k++) out[k] = get(p, operand, k);
}

static void defined_value(const at *p, jet *out) {
  jet a[MAX_D], b[MAX_D], c[MAX_D], d[MAX_D], r;
  int da = dim_at(p, 0), db = dim_at(p, 1), L = p->L;
  get_all(p, 0, a);
  if (db) get_all(p, 1, b);
  if (dim_at(p, 2)) get_all(p, 2, c);
  switch (p->x->op) {
  case D_SCALPROD: *out = product_sum(NULL, 0, a, b, da, L); break;
  case D_SQNORM2: *out = product_sum(NULL, 0, a, a, da, L); break;
  case D_NORM2: *out = J1(SQRT, product_sum(NULL, 0, a, a, da, L), L); break;
  case D_NORMALIZE:
    r = J1(RSQRT, product_sum(NULL, 0, a, a, da, L), L);
    for (int k = 0; k < da; k++) out[k] = J2(MULT, r, a[k], L);
    break;
  case D_SQDIST:
    for (int k = 0; k < da; k++) d[k] = J2(SUBTRACT, a[k], b[k], L);
    *out = product_sum(NULL, 0, d, d, da, L);
    break;
  case D_WSQNORM: *out = weighted_squares(a, da, b, db, L); break;
  case D_WSQDIST:
    for (int k = 0; k < db; k++) d[k] = J2(SUBTRACT, b[k], c[k], L);
    *out = weighted_squares(a, da, d, db, L);
    break;
  }
}

/* ---- complex numbers ---- */

typedef struct { jet re, im; } complex_jet;

static complex_jet get_complex(const at *p, int operand, int k) {
  if (dim_at(p, operand) == 1) return (complex_jet){get(p, operand, 0), constant(0)};
  if (dim_at(p, operand) == 2) k = 0;
  return (complex_jet){get(p, operand, 2 * k), get(p, operand, 2 * k + 1)};
}

static complex_jet complex_product(complex_jet a, complex_jet b, int L) {
  jet re = J2(SUBTRACT, J2(MULT, a.re, b.re, L), J2(MULT, a.im, b.im, L), L);
  return (complex_jet){re, J2(ADD, J2(MULT, a.re, b.im, L), J2(MULT, a.im, b.re, L), L)};
}

static jet squared_size(complex_jet a, int L) {
  return J2(ADD, J1(SQUARE, a.re, L), J1(SQUARE, a.im, L), L);
}

static complex_jet conjugate(complex_jet a, int L) {
  return (complex_jet){a.re, J1(MINUS, a.im, L)};
}

static complex_jet complex_quotient(complex_jet a, complex_jet b, int L) {
  complex_jet c = complex_product(a, conjugate(b, L), L);
  jet size = squared_size(b, L);
  return (complex_jet){J2(DIVIDE, c.re, size, L), J2(DIVIDE, c.im, size, L)};
}

static complex_jet complex_sum(const at *p) {
  complex_jet x[MAX_D / 2], out;
  jet part[MAX_D / 2] = {{{{0}}}};
  int n = dim_at(p, 0) / 2;
  for (int k = 0; k < n; k++) x[k] = (complex_jet){get(p, 0, 2 * k), get(p, 0, 2 * k + 1)};
  for (int k = 0; k < n; k++) part[k] = x[k].re;
  out.re = sum_of(part, n, p->L);
  for (int k = 0; k < n; k++) part[k] = x[k].im;
  out.im = sum_of(part, n, p->L);
  return out;
}

/* Number k of a result of complex numbers. */
static complex_jet complex_number(const at *p, int k) {
  int L = p->L, op = p->x->op;
  complex_jet a, b = {constant(0), constant(0)};
  if (op == C_MAKE) return (complex_jet){get(p, 0, k), get(p, 1, k)};
  if (op == C_FROM_REAL) return (complex_jet){get(p, 0, k), filling(p)};
  if (op == C_FROM_IMAG) return (complex_jet){filling(p), get(p, 0, k)};
  if (op == C_EXP1J)
    return (complex_jet){J1(COS, get(p, 0, k), L), J1(SIN, get(p, 0, k), L)};
  if (op == C_SUM) return complex_sum(p);
  a = get_complex(p, 0, k);
  if (complexes[op].operands == 2) b = get_complex(p, 1, k);
  switch (op) {
  case C_CONJ: return conjugate(a, L);
  case C_ADD: return (complex_jet){J2(ADD, a.re, b.re, L), J2(ADD, a.im, b.im, L)};
  case C_SUBTRACT: return (complex_jet){J2(SUBTRACT, a.re, b.re, L), J2(SUBTRACT, a.im, b.im, L)};
  case C_DIVIDE: return complex_quotient(a, b, L);
  case C_EXP: {
    jet r = J1(EXP, a.re, L);
    return (complex_jet){J2(MULT, r, J1(COS, a.im, L), L), J2(MULT, r, J1(SIN, a.im, L), L)};
  }
  case C_SUMT: return a;
  case C_REALSCAL: { /* the real one is no complex number with a part 0 */
    int first = dim_at(p, 0) == 1;
    jet s = first ? a.re : b.re;
    complex_jet z = first ? b : a;
    return (complex_jet){J2(MULT, s, z.re, L), J2(MULT, s, z.im, L)};
  }
  }
  return complex_product(a, b, L);
}

static jet real_of_complex(const at *p, int k) {
  complex_jet a = {get(p, 0, 2 * k), get(p, 0, 2 * k + 1)};
  switch (p->x->op) {
  case C_REAL: return a.re;
  case C_IMAG: return a.im;
  case C_SQUAREABS: return squared_size(a, p->L);
  case C_ABS: return J1(SQRT, squared_size(a, p->L), p->L);
  }
  return J2(ATAN2, a.im, a.re, p->L);
}

static jet complex_component(const at *p, int d) {
  int op = p->x->op;
  if (complexes[op].out == 1) return real_of_complex(p, d);
  complex_jet z = complex_number(p, d / 2);
  return d % 2 ? z.im : z.re;
}

/* ---- tensors ---- */

/* Digits of k by the sizes of a list, the last running fastest. */
static void digits_of(int k, const list *sizes, int *digit) {
  for (int a = sizes->count - 1; a >= 0; a--) {
    digit[a] = k % sizes->value[a];
    k /= sizes->value[a];
  }
}

static int number_of(const int *digit, const list *sizes) {
  int k = 0;
  for (int a = 0; a < sizes->count; a++) k = k * sizes->value[a] + digit[a];
  return k;
}

/* Kept axes of both operands in order; their sizes, and where each goes in the result. */
static list result_axes(const node *x, int *destination) {
  list sizes = {0, {0}}, out = {0, {0}};
  for (int side = 0; side < 2; side++)
    for (int a = 0; a < x->list[side].count; a++)
      if (!is_in(&x->list[2 + side], a)) sizes.value[sizes.count++] = x->list[side].value[a];
  out.count = sizes.count;
  for (int k = 0; k < sizes.count; k++) {
    destination[k] = x->list[4].count < 0 ? k : x->list[4].value[k];
    out.value[destination[k]] = sizes.value[k];
  }
  return out;
}

static jet dot_value(const at *p, int component) {
  const node *x = p->x;
  int destination[2 * AXES], out_digit[2 * AXES], digit[2][AXES], summed[AXES], terms = 0;
  list sizes = result_axes(x, destination), contracted = {x->list[2].count, {0}};
  jet t[MAX_D];
  for (int k = 0; k < contracted.count; k++)
    contracted.value[k] = x->list[0].value[x->list[2].value[k]];
  digits_of(component, &sizes, out_digit);
  for (int side = 0, kept = 0; side < 2; side++)
    for (int a = 0; a < x->list[side].count; a++)
      if (!is_in(&x->list[2 + side], a)) digit[side][a] = out_digit[destination[kept++]];
  for (int k = 0; k < product_of(&contracted); k++) {
    digits_of(k, &contracted, summed);
    for (int q = 0; q < contracted.count; q++)
      digit[0][x->list[2].value[q]] = digit[1][x->list[3].value[q]] = summed[q];
    t[terms++] = J2(MULT, get(p, 0, number_of(digit[0], &x->list[0])),
                    get(p, 1, number_of(digit[1], &x->list[1])), p->L);
  }
  return sum_of(t, terms, p->L);
}

/* As numpy.kron: axis t of the result has size df[t] dg[t]. */
static jet kron_value(const at *p, int component) {
  const list *df = &p->x->list[0], *dg = &p->x->list[1];
  list sizes = {df->count, {0}};
  int digit[AXES], one[AXES], two[AXES];
  for (int a = 0; a < df->count; a++) sizes.value[a] = df->value[a] * dg->value[a];
  digits_of(component, &sizes, digit);
  for (int a = 0; a < df->count; a++) {
    one[a] = digit[a] / dg->value[a];
    two[a] = digit[a] % dg->value[a];
  }
  return J2(MULT, get(p, 0, number_of(one, df)), get(p, 1, number_of(two, dg)), p->L);
}

static jet matrix_value(const at *p, int k) {
  int vector = p->x->op == T_MATVEC, n = dim_at(p, vector), columns = p->x->dim;
  jet t[MAX_D];
  for (int q = 0; q < n; q++)
    t[q] = vector ? J2(MULT, get(p, 0, k * n + q), get(p, 1, q), p->L)
                  : J2(MULT, get(p, 0, q), get(p, 1, q * columns + k), p->L);
  return sum_of(t, n, p->L);
}

/* Is a < b? Its bound is infinite when nobody can say. */
static num less(jet a, jet b) {
  num out = apply_value(&(doing){.op = LESS}, (num[]){a.part[0], b.part[0]});
  if (out.e > 0) out.e = INFINITY;
  return out;
}

static jet spline_weight(jet x, jet low, jet high, int L) {
  num proper = less(low, high);
  if (isinf(proper.e)) return unknown();
  if (!proper.v) return constant(0);
  return J2(DIVIDE, J2(SUBTRACT, x, low, L), J2(SUBTRACT, high, low, L), L);
}

/* All basis functions of degree n by the recursion of Cox and de Boor. */
static void spline_value(const at *p, jet *out) {
  jet t[MAX_D], B[MAX_D], x = get(p, 1, 0);
  int K = dim_at(p, 0), L = p->L;
  get_all(p, 0, t);
  for (int m = 0; m < K - 1; m++) {
    num left = less(x, t[m]), right = less(x, t[m + 1]);
    B[m] = constant(!left.v && right.v);
    if (isnan(t[m].part[0].v) || isnan(x.part[0].v)) B[m] = constant(0);
    if (isinf(left.e) || isinf(right.e) || isnan(x.part[0].v)) B[m] = unknown();
  }
  for (int k = 1; k <= p->x->n; k++)
    for (int m = 0; m + k < K - 1; m++) {
      jet w = spline_weight(x, t[m], t[m + k], L), v = spline_weight(x, t[m + 1], t[m + k + 1], L);
      jet rest = J2(SUBTRACT, constant(1), v, L);
      B[m] = J2(ADD, J2(MULT, w, B[m], L), J2(MULT, rest, B[m + 1], L), L);
    }
  for (int m = 0; m < p->x->dim; m++) out[m] = B[m];
}

static jet soft_minimum(const jet *x, int n, jet gamma, int L) {
  jet t[3];
  double error;
  int uncertain, best = best_place(x, n, 1, &error, &uncertain);
  if (isinf(error) || best < 0) return unknown();
  /* any shift gives the same, so that it may be taken as fixed */
  jet low = constant(x[best].part[0].v);
  low.part[0].e = error;
  for (int k = 0; k < n; k++) t[k] = J1(EXP, J2(DIVIDE, J2(SUBTRACT, low, x[k], L), gamma, L), L);
  return J2(SUBTRACT, low, J2(MULT, gamma, J1(LOG, sum_of(t, n, L), L), L), L);
}

static jet soft_dtw(const at *p) {
  jet r[8][8], x[8], y[8], gamma = get(p, 2, 0);
  int n = dim_at(p, 0), m = dim_at(p, 1), L = p->L;
  /* the engine divides by gamma first and multiplies by it at the end */
  if (n > 8 || m > 8 || !isfinite(gamma.part[0].v)) return unknown();
  get_all(p, 0, x);
  get_all(p, 1, y);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < m; j++) {
      jet d = J1(SQUARE, J2(SUBTRACT, x[i], y[j], L), L);
      if (!i && !j) r[i][j] = d;
      else if (!i || !j) r[i][j] = J2(ADD, d, i ? r[i - 1][j] : r[i][j - 1], L);
      else {
        jet before[] = {r[i - 1][j - 1], r[i][j - 1], r[i - 1][j]};
        r[i][j] = J2(ADD, d, soft_minimum(before, 3, gamma, L), L);
      }
    }
  return r[n - 1][m - 1];
}

static void tensor_value(const at *p, jet *out) {
  int op = p->x->op;
  if (op == T_BSPLINE) {
    spline_value(p, out);
    return;
  }
  int db = dim_at(p, 1);
  for (int k = 0; k < p->x->dim; k++)
    out[k] = op == T_SOFTDTW ? soft_dtw(p)
             : op == T_DOT   ? dot_value(p, k)
             : op == T_KRON  ? kron_value(p, k)
             : op == T_PROD  ? J2(MULT, get(p, 0, k / db), get(p, 1, k % db), p->L)
                             : matrix_value(p, k);
}

#endif
