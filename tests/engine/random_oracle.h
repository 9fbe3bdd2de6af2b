/* The naive evaluator: every node for every pair, in double, with bounds; reductions and their
 * derivatives from that. Derivatives are in forward mode, one direction at a time: the gradient's
 * element k is <e, J u_k> for the k-th unit vector, whatever the engine does. */
#ifndef RANDOM_ORACLE_H
#define RANDOM_ORACLE_H

#include "random_nodes.h"

/* ---- reductions ---- */

/* The values of one row and component: of the pairs that are kept, at their positions. */
typedef struct { jet *x; int n, times; } column;
static const unsigned char *pair_kept; /* NULL: all */
static int kept_at[MAX_PAIRS], reduced_rows;

static void take_column(const formula *f, const sheet *s, int k, int d, int kept, int row,
                        column *c) {
  const node *x = &f->node[k];
  reduced_rows = kept ? f->M : f->N;
  c->n = 0;
  c->times = repeats[kept ? RK_KIND_I : RK_KIND_J];
  for (int q = 0; q < reduced_rows; q++) {
    int pair = kept ? q + f->M * row : row + f->M * q;
    if (pair_kept && !pair_kept[pair]) continue;
    const num *v = s->value[k] + (((long)pair * x->dim + d) << s->L);
    kept_at[c->n] = q;
    c->x[c->n] = (jet){{{0, 0}}};
    for (int part = 0; part < 1 << s->L; part++) c->x[c->n].part[part] = v[part];
    c->n++;
  }
}

/* Additions that a term goes through: short sums; in float64 the sum of these is not more exact. */
static double additions(const column *c) {
  double n = (double)c->n * c->times;
  return n < 80 ? n : 80 + (unit < 1e-12 ? n / 64 : 0);
}

static jet reduce_sum(const column *c, int L) {
  total t = {.n = 0};
  for (int k = 0; k < c->n; k++) total_add(&t, &c->x[k], c->times, L);
  return total_end(&t, additions(c), L);
}

/* -Inf, whose exponential adds nothing. */
static int is_least(const jet *x) { return x->part[0].v == -INFINITY && x->part[0].e == 0; }

/* sum of exp(F - top) w; w may be NULL */
static jet reduce_exp(const column *F, const column *w, double *top, int L) {
  total t = {.n = 0};
  *top = -INFINITY;
  for (int k = 0; k < F->n; k++) {
    if (w && !isfinite(w->x[k].part[0].v)) return unknown();
    if (is_least(&F->x[k])) continue;
    if (!isfinite(F->x[k].part[0].v)) return unknown();
    if (F->x[k].part[0].v > *top) *top = F->x[k].part[0].v;
  }
  for (int k = 0; k < F->n; k++) {
    jet a = F->x[k];
    if (is_least(&a)) continue;
    a.part[0].e += 2 * fabs(a.part[0].v) + 2 * fabs(*top);
    a.part[0].v -= *top;
    a = J1(EXP, a, L);
    if (w) a = J2(MULT, a, w->x[k], L);
    total_add(&t, &a, F->times, L);
  }
  jet out = total_end(&t, additions(F), L);
  if (t.n && !(out.part[0].e * unit < 1e-2 * t.size[0])) return unknown();
  return out;
}

static jet log_of(jet s, double top, int L) {
  if (top == -INFINITY && is_nothing(s.part[0])) return constant(-INFINITY);
  double rest = fabs(s.part[0].v) - 16 * unit * s.part[0].e;
  if (isinf(s.part[0].e) || !(rest > 0)) return unknown();
  jet out = J1(LOG, s, L);
  out.part[0].e += 4 * (fabs(top) + fabs(out.part[0].v) + 1);
  out.part[0].v += top;
  if (s.part[0].v < 0) out = constant(NAN);
  return out;
}

static int has_nan(const column *c) {
  for (int k = 0; k < c->n; k++)
    if (isnan(c->x[k].part[0].v) && isfinite(c->x[k].part[0].e)) return 1;
  return 0;
}

/* The value of rank `rank`, from 0; NaN is skipped, and what is infinitely far is no candidate. */
static jet ranked(const column *c, int sign, int rank) {
  int order[MAX_PAIRS], n = 0;
  double e = 0;
  for (int k = 0; k < c->n; k++) {
    double v = c->x[k].part[0].v;
    if (isnan(v) && isfinite(c->x[k].part[0].e)) continue;
    if (c->x[k].part[0].e > e) e = c->x[k].part[0].e;
    if (sign * v == INFINITY && isfinite(c->x[k].part[0].e)) continue;
    int at = n++;
    for (; at > 0 && sign * c->x[order[at - 1]].part[0].v > sign * v; at--)
      order[at] = order[at - 1];
    order[at] = k;
  }
  rank /= c->times;
  jet out = constant(sign * INFINITY);
  if (rank < n) out = c->x[order[rank]];
  out.part[0] = rounded(out.part[0].v, e, 1);
  if (isinf(e)) return unknown();
  for (int side = -1; side <= 1; side += 2) {
    int o = rank + side;
    if (rank >= n || o < 0 || o >= n || e == 0) continue;
    if (fabs(c->x[order[o]].part[0].v - out.part[0].v) <= 16 * unit * e)
      for (int s = 1; s < PARTS; s++) out.part[s].e = INFINITY;
  }
  return out;
}

/* A reduction of one component: a result of reduction `op`, save those that have weights. */
static jet reduce_column(const column *c, int op, int rank, int L) {
  int sign = is_largest(op) ? -1 : 1;
  if (op == R_SUM) return reduce_sum(c, L);
  if (sees_nan(op) && has_nan(c)) return undefined();
  if (op != R_LSE) return ranked(c, sign, rank);
  double top;
  jet s = reduce_exp(c, NULL, &top, L);
  return log_of(s, top, L);
}

static jet room[2][MAX_PAIRS];

/* Column `k` of row `row` of what is to be differentiated: components run fastest, then ranks. */
static jet result_value(const formula *f, const sheet *s, const final *r, int row, int k) {
  column c = {room[0], 0, 1}, w = {room[1], 0, 1};
  if (is_position(r->op)) return constant(0); /* its derivative at least */
  int dim = f->node[r->root].dim;
  take_column(f, s, r->root, k % dim, r->kept, row, &c);
  if (r->op < R_LSEW) return reduce_column(&c, r->op, k / dim, s->L);
  double top;
  take_column(f, s, r->weight, k, r->kept, row, &w);
  jet sum = reduce_exp(&c, &w, &top, s->L);
  if (r->op == R_LSEW) return log_of(sum, top, s->L);
  return J2(DIVIDE, sum, reduce_exp(&c, NULL, &top, s->L), s->L);
}

static void reduction_node(const formula *f, sheet *s, int k) {
  const node *x = &f->node[k];
  int rows = x->n ? f->N : f->M, width = 1 << s->L;
  column c = {room[0], 0, 1};
  for (int d = 0; d < x->dim; d++)
    for (int row = 0; row < rows; row++) {
      take_column(f, s, x->operand[0], d, x->n, row, &c);
      jet value = reduce_column(&c, x->op, 0, s->L);
      for (int q = 0; q < reduced_rows; q++) {
        int pair = x->n ? q + f->M * row : row + f->M * q;
        memcpy(s->value[k] + ((long)pair * x->dim + d) * width, value.part, sizeof(num) * width);
      }
    }
}

/* ---- all nodes ---- */

static void evaluate(const formula *f, const world *w, int root, int other, sheet *s);

static void forget(sheet *s) {
  for (int k = 0; k < NODES; k++) {
    free(s->value[k]);
    free(s->singular[k]);
    s->value[k] = NULL;
    s->singular[k] = NULL;
  }
}

/* Adds b times part `upper` of the jet at v to a, of level L. */
static void add_product(num *a, const num *b, const num *v, int upper, int L) {
  for (int s = 0; s < 1 << L; s++)
    for (int t = 0; t <= s; t++)
      if ((t & s) == t) a[s] = plus(a[s], times(b[t], v[upper + (s ^ t)]));
}

/* Does component d of a derivative come from direction `component`? */
static int is_touched(const node *x, int d, int component, int dim) {
  if (x->op == V_GRAD || x->op == V_ADJOINT) return d == component;
  return x->op != V_GRADMATRIX || d % dim == component;
}

/* One direction of a derivative of an expression. */
static void one_direction(const formula *f, const world *w, sheet *s, int k, int component,
                          int orders, const direction *along) {
  const node *x = &f->node[k];
  int F = x->operand[0], v = f->node[x->operand[1]].op, L = w->L, D = f->node[F].dim;
  int upper = orders == 2 ? 3 << L : 1 << L, width = 1 << L;
  world moved = *w;
  sheet t = {.L = 0};
  char before[MAX_PAIRS];
  memcpy(before, singular_at, sizeof before);
  memset(singular_at, 0, sizeof singular_at);
  for (int o = 0; o < orders; o++) moved.seed[moved.L++] = (seed){v, *along};
  evaluate(f, &moved, F, -1, &t);
  const num one[PARTS] = {{1, 0}};
  for (int p = 0; p < f->M * f->N; p++) {
    num *out = s->value[k] + (long)p * x->dim * width;
    for (int d = 0; d < D; d++) {
      const num *from = t.value[F] + (((long)p * D + d) << moved.L);
      int weighted = x->op != V_DIFF && x->operand[2] >= 0;
      const num *e = weighted ? s->value[x->operand[2]] + ((long)p * D + d) * width : one;
      int to = x->op == V_GRAD || x->op == V_ADJOINT ? component : x->op == V_DIFF ? d
               : x->op == V_GRADMATRIX ? d * f->variable[v].dim + component : 0;
      if ((x->op == V_DIVERGENCE || x->op == V_TRACE) && d != component) continue;
      add_product(out + to * width, e, from, upper, L);
    }
    for (int d = 0; d < x->dim && singular_at[p]; d++)
      for (int q = 0; q < width && is_touched(x, d, component, f->variable[v].dim); q++)
        out[d * width + q].e = INFINITY;
  }
  memcpy(singular_at, before, sizeof before);
  forget(&t);
}

static void derivative_node(const formula *f, const world *w, sheet *s, int k) {
  const node *x = &f->node[k];
  int v = f->node[x->operand[1]].op, dim = f->variable[v].dim;
  memset(s->value[k], 0, sizeof(num) * ((size_t)(f->M * f->N * x->dim) << s->L));
  if (x->op == V_DIFF) {
    direction u = {.what = AN_ARRAY, .level = w->L, .dim = dim, .array = s->value[x->operand[2]]};
    one_direction(f, w, s, k, 0, 1, &u);
    return;
  }
  for (int c = 0; c < dim; c++) {
    direction u = {.what = ONE_COMPONENT, .component = c};
    one_direction(f, w, s, k, c, x->op == V_LAPLACIAN ? 2 : 1, &u);
  }
}

static doing doing_at(const at *p) {
  const node *x = p->x;
  return (doing){x->op, x->n, x->m, x->operand[0] >= 0 && p->f->node[x->operand[0]].logical};
}

static void operands_at(const at *p, int d, jet *a) {
  for (int k = 0; k < each[p->x->op].operands; k++) a[k] = get(p, k, dim_at(p, k) == 1 ? 0 : d);
}

static void each_value(const at *p, jet *out) {
  doing o = doing_at(p);
  for (int d = 0; d < p->x->dim; d++) {
    jet a[3];
    operands_at(p, d, a);
    out[d] = apply(&o, a, p->L);
  }
}

/* Is operand k a branch that no component takes? */
static int is_dead(const at *p, int k) {
  if (p->x->group != EACH) return 0;
  doing o = doing_at(p);
  for (int d = 0; d < p->x->dim; d++) {
    jet a[3];
    operands_at(p, d, a);
    if (!is_not_taken(&o, k, a)) return 0;
  }
  return 1;
}

/* Singular slopes count where a way from the roots leads to them. What reductions are made of
 * counts for all pairs. */
static void find_singular(const formula *f, sheet *s, int root, int other) {
  char reduced[NODES] = {0};
  for (int p = 0; p < f->M * f->N; p++) {
    char live[NODES] = {0};
    live[root] = 1;
    if (other >= 0) live[other] = 1;
    for (int k = f->nodes - 1; k >= 0; k--) {
      const node *x = &f->node[k];
      at here = {f, s, x, p, s->L};
      if (live[k] && s->singular[k][p]) singular_at[p] = 1;
      for (int o = 0; live[k] && o < 3 && x->operand[o] >= 0; o++)
        if (x->group == REDUCTION) mark(f, x->operand[o], reduced);
        else if (!is_dead(&here, o)) live[x->operand[o]] = 1;
    }
  }
  for (int k = 0; k < f->nodes; k++)
    for (int p = 0; reduced[k] && p < f->M * f->N; p++) singular_at[p] |= s->singular[k][p];
}

static void node_at(const at *p, const world *w, jet *out) {
  const node *x = p->x;
  if (x->group == LEAF) {
    long row = row_of(p->f, p->f->variable[x->op].kind, p->pair);
    for (int d = 0; d < x->dim; d++)
      for (int s = 0; s < 1 << p->L; s++)
        out[d].part[s] = leaf_part(p->f, w, x->op, row, d, s, p->pair);
  } else if (x->group == LITERAL) {
    out[0] = constant(x->literal);
    out[0].part[0] = rounded(x->literal, 0, 1);
  } else if (x->group == FOLD) out[0] = fold_value(p);
  else if (x->group == PIECES) for (int d = 0; d < x->dim; d++) out[d] = piece_value(p, d);
  else if (x->group == DEFINED) defined_value(p, out);
  else if (x->group == COMPLEX) for (int d = 0; d < x->dim; d++) out[d] = complex_component(p, d);
  else if (x->group == TENSOR) tensor_value(p, out);
  else each_value(p, out);
}

/* What nodes `root` and `other` (or -1) are made of, in a world. */
static void evaluate(const formula *f, const world *w, int root, int other, sheet *s) {
  char used[NODES] = {0};
  jet out[MAX_D];
  s->L = w->L;
  mark(f, root, used);
  mark(f, other, used);
  for (int k = 0; k < f->nodes; k++) {
    const node *x = &f->node[k];
    if (!used[k]) continue;
    s->value[k] = malloc((sizeof(num) * (size_t)(f->M * f->N * x->dim) << s->L) + 1);
    s->singular[k] = calloc((size_t)(f->M * f->N) + 1, 1);
    singular_now = 0;
    if (x->group == DERIVATIVE) derivative_node(f, w, s, k);
    else if (x->group == REDUCTION) {
      reduction_node(f, s, k);
      memset(s->singular[k], singular_now, (size_t)(f->M * f->N));
    } else
      for (int p = 0; p < f->M * f->N; p++) {
        at here = {f, s, x, p, s->L};
        singular_now = 0;
        node_at(&here, w, out);
        s->singular[k][p] = singular_now;
        for (int d = 0; d < x->dim; d++)
          memcpy(s->value[k] + (((long)p * x->dim + d) << s->L), out[d].part, sizeof(num) << s->L);
      }
  }
  find_singular(f, s, root, other);
  singular_now = 0;
}

/* ---- derivatives of reductions ---- */

/* <what, the reduction after k steps>, in a world: one step is one more infinitesimal. */
static jet chain_value(const formula *f, const final *r, int k, const direction *what, world *w) {
  jet out = {{{0, 0}}};
  int L = w->L;
  if (k > 0) {
    const step *s = &r->step[k - 1];
    direction other = {.what = A_VARIABLE, .variable = s->other, .level = L};
    w->seed[w->L++] = (seed){s->variable, s->grad ? *what : other};
    jet inner = chain_value(f, r, k - 1, s->grad ? &other : what, w);
    w->L = L;
    for (int q = 0; q < 1 << L; q++) out.part[q] = inner.part[q + (1 << L)];
    return out;
  }
  sheet s = {.L = 0};
  shape base = shape_after(f, r, 0);
  evaluate(f, w, r->root, r->weight, &s);
  for (int row = 0; row < (int)rows_of(f, base.kind); row++)
    for (int c = 0; c < base.columns; c++) {
      num weight[PARTS];
      int all = 1;
      for (int q = 0; q < 1 << L; q++) {
        weight[q] = direction_part(f, w, what, row, c, q, -1);
        all &= is_nothing(weight[q]);
      }
      if (all) continue;
      jet value = result_value(f, &s, r, row, c);
      add_product(out.part, weight, value.part, 0, L);
    }
  forget(&s);
  return out;
}

/* <what, the result of all steps>. */
static num chain_number(const formula *f, const final *r, const direction *what) {
  world w = {.L = 0};
  memset(singular_at, 0, sizeof singular_at);
  num out = chain_value(f, r, r->steps, what, &w).part[0];
  if (singular_now) out.e = INFINITY; /* of the reduction itself */
  for (int p = 0; p < MAX_PAIRS; p++) if (singular_at[p]) out.e = INFINITY;
  return out;
}

/* Element (row, column) of the result of all steps. */
static num derivative_element(const formula *f, const final *r, long row, int c) {
  return chain_number(f, r, &(direction){.what = ONE_NUMBER, .row = row, .component = c});
}

/* The sum of all elements, each with its weight: <J'u, v> and <u, J v> at once. */
static num derivative_whole(const formula *f, const final *r) {
  return chain_number(f, r, &(direction){.what = ALL_NUMBERS});
}

#endif
