/* A random formula that fails, made smaller as long as it still fails in the same manner, and
 * printed as an R call. */
#ifndef RANDOM_SHRINK_H
#define RANDOM_SHRINK_H

#include "random_compare.h"

typedef struct { formula f; query q; way w; } situation;

/* The index that the first result reduces: whose rows are repeated. */
static rk_kind reduced_kind(const query *q) { return q->r[0].kept ? RK_KIND_I : RK_KIND_J; }

/* 0: all is well; 1: not understood; 2: an error when run; 3: wrong numbers. */
static int manner_of(const situation *s, rk_error *error) {
  rk_program *program = request(&s->f, &s->q, s->w.precision, error);
  if (!program) return 1;
  rk_kind reduced = reduced_kind(&s->q);
  int before = repeats[reduced];
  repeats[reduced] = s->w.times > 1 ? s->w.times : 1;
  expected e[RESULTS];
  results out[RESULTS];
  set_precision(s->w.precision);
  unsigned long long random = check_seed;
  check_seed = 1; /* the same elements of derivatives each time */
  expect_all(&s->f, &s->q, e);
  check_seed = random;
  rk_status status = run(&s->f, &s->q, program, &s->w, out, error);
  int bad = status ? 2 : count_all_wrong(&s->f, &s->q, e, out) ? 3 : 0;
  forget_all(e, s->q.n);
  free_results(out, s->q.n);
  repeats[reduced] = before;
  return bad;
}

static int attempts, manner;

/* Takes `next` if it fails in the same manner. */
static int take(situation *s, const situation *next) {
  rk_error error;
  if (attempts <= 0) return 0;
  attempts--;
  if (manner_of(next, &error) != manner) return 0;
  *s = *next;
  return 1;
}

/* Cotangents and tangents of a result take its dimensions; 0: one is too small, or of another
 * kind. */
static int retype_steps(formula *f, const final *r) {
  for (int k = 0; k < r->steps; k++) {
    const step *t = &r->step[k];
    shape out = shape_after(f, r, k);
    int dim = t->grad ? out.columns : f->variable[t->variable].dim;
    if (f->variable[t->other].dim < dim) return 0;
    f->variable[t->other].dim = dim;
    if (t->grad && f->variable[t->other].kind != out.kind) return 0;
  }
  return 1;
}

/* Types anew what the formula needs; 0: it is no longer well typed. Variables keep their data, of
 * which a smaller dimension takes the first columns. */
static int retype(situation *s) {
  char used[NODES] = {0};
  formula *f = &s->f;
  mark_query(f, &s->q, used);
  for (int k = 0; k < f->nodes; k++)
    if (used[k] && !settle(f, &f->node[k])) return 0;
  for (int k = 0; k < s->q.n; k++) {
    const final *r = &s->q.r[k];
    if (is_exponential(r->op) && f->node[r->root].dim != 1) return 0;
    if (!retype_steps(f, r)) return 0;
  }
  return 1;
}

static void narrow_data(situation *next, const situation *s) {
  for (int k = 0; k < s->f.variables; k++) {
    const variable *from = &s->f.variable[k];
    variable *to = &next->f.variable[k];
    long rows = rows_of(&s->f, from->kind);
    if (to->dim == from->dim || !from->data) continue;
    to->data = malloc(sizeof(double) * (size_t)(rows * to->dim) + 1);
    to->row_major = 0;
    for (long q = 0; q < rows * to->dim; q++)
      to->data[q] = from->row_major ? from->data[q % rows * from->dim + q / rows] : from->data[q];
  }
}

static int try_next(situation *s, situation *next) {
  if (!retype(next)) return 0;
  narrow_data(next, s);
  return take(s, next);
}

/* ---- smaller formulas ---- */

static int shrink_results(situation *s) {
  for (int k = 0; k < s->q.n && s->q.n > 1; k++) {
    situation next = *s;
    next.q.r[0] = s->q.r[k];
    next.q.n = 1;
    if (try_next(s, &next)) return 1;
    next = *s;
    next.q.r[k] = next.q.r[--next.q.n];
    if (try_next(s, &next)) return 1;
  }
  return 0;
}

static int shrink_steps(situation *s, int k) {
  situation next = *s;
  final *r = &next.q.r[k];
  if (!r->steps) return 0;
  r->steps--;
  if (try_next(s, &next)) return 1;
  next = *s;
  for (int q = 1; q < r->steps; q++) r->step[q - 1] = r->step[q];
  r->steps--;
  return try_next(s, &next);
}

static int shrink_reduction(situation *s, int k) {
  situation next = *s;
  final *r = &next.q.r[k];
  int op = r->op, weight = r->weight, K = r->K;
  r->op = R_SUM, r->weight = -1, r->K = 1;
  if (op != R_SUM && try_next(s, &next)) return 1;
  r->root = weight;
  if (weight >= 0 && try_next(s, &next)) return 1;
  next = *s;
  r->K = 1;
  return K > 1 && try_next(s, &next);
}

static int shrink_root(situation *s, int k) {
  const node *x = &s->f.node[s->q.r[k].root];
  for (int o = 0; o < 3 && x->operand[o] >= 0; o++) {
    situation next = *s;
    next.q.r[k].root = x->operand[o];
    if (try_next(s, &next)) return 1;
  }
  return 0;
}

static int shrink_query(situation *s) {
  if (shrink_results(s)) return 1;
  for (int k = 0; k < s->q.n; k++)
    if (shrink_steps(s, k) || shrink_reduction(s, k) || shrink_root(s, k)) return 1;
  return 0;
}

/* Everything that uses node k uses node `by` instead. */
static void replace(situation *s, int k, int by) {
  for (int q = k + 1; q < s->f.nodes; q++)
    for (int o = 0; o < 3; o++)
      if (s->f.node[q].operand[o] == k) s->f.node[q].operand[o] = by;
  for (int q = 0; q < s->q.n; q++) {
    if (s->q.r[q].root == k) s->q.r[q].root = by;
    if (s->q.r[q].weight == k) s->q.r[q].weight = by;
  }
}

static int shrink_node(situation *s, int k) {
  const node *x = &s->f.node[k];
  for (int o = 0; o < 3 && x->operand[o] >= 0; o++) {
    situation next = *s;
    replace(&next, k, x->operand[o]);
    if (try_next(s, &next)) return 1;
  }
  for (int v = 0; v < s->f.variables && x->group != LEAF; v++) {
    situation next = *s;
    next.f.node[k] = blank(LEAF, v);
    if (s->f.variable[v].dim == x->dim && try_next(s, &next)) return 1;
  }
  if (x->group == LITERAL || x->dim != 1) return 0;
  situation next = *s;
  next.f.node[k] = blank(LITERAL, 0);
  next.f.node[k].literal = 1;
  return try_next(s, &next);
}

static int shrink_nodes(situation *s) {
  char used[NODES] = {0};
  mark_query(&s->f, &s->q, used);
  for (int k = s->f.nodes - 1; k >= 0; k--)
    if (used[k] && shrink_node(s, k)) return 1;
  return 0;
}

/* ---- smaller data ---- */

/* `n` rows of a kind, from row `from` on. */
static situation with_rows(const situation *s, rk_kind kind, long from, long n) {
  situation next = *s;
  long all = rows_of(&s->f, kind);
  for (int k = 0; k < s->f.variables; k++) {
    const variable *v = &s->f.variable[k];
    if (v->kind != kind || !v->data) continue;
    double *data = malloc(sizeof(double) * (size_t)(n * v->dim) + 1);
    for (long row = 0; row < n; row++)
      for (int d = 0; d < v->dim; d++)
        data[row + n * d] =
            v->data[v->row_major ? (row + from) * v->dim + d : row + from + all * d];
    next.f.variable[k].data = data;
    next.f.variable[k].row_major = 0;
  }
  *(kind == RK_KIND_I ? &next.f.M : &next.f.N) = (int)n;
  return next;
}

/* Without one half, or without one row at an end. */
static int shrink_rows(situation *s, rk_kind kind) {
  const long all = rows_of(&s->f, kind), half = all / 2;
  const struct { long from, rows; } part[] = {{0, half}, {half, all - half}, {1, all - 1}, {0, all - 1}};
  for (int k = 0; k < 4 && all > 1; k++) {
    situation next = with_rows(s, kind, part[k].from, part[k].rows);
    if (take(s, &next)) return 1;
  }
  return 0;
}

static int shrink_ways(situation *s) {
  situation plain = *s, fewer = *s;
  plain.w = (way){.precision = s->w.precision, .threads = 1, .times = 1};
  fewer.w.times = s->w.times / 2;
  int is_plain = s->w.threads == 1 && s->w.times == 1 && !s->w.budget;
  return (!is_plain && take(s, &plain)) || (s->w.times > 2 && take(s, &fewer));
}

/* ---- the R call ---- */

static void print_number(double x) {
  if (isnan(x)) printf("NaN");
  else if (isinf(x)) printf(x > 0 ? "Inf" : "-Inf");
  else printf("%.17g", x);
}

static void print_matrix(const situation *s, int k) {
  const variable *v = &s->f.variable[k];
  long rows = rows_of(&s->f, v->kind);
  printf("matrix(c(");
  for (long q = 0; q < rows * v->dim; q++) {
    if (q) printf(", ");
    print_number(v->data[v->row_major ? q % rows * v->dim + q / rows : q]);
  }
  printf("), nrow = %ld, ncol = %d)", rows, v->dim);
  if (s->w.times > 1 && v->kind == reduced_kind(&s->q))
    printf("[rep(seq_len(%ld), %d), , drop = FALSE]", rows, s->w.times);
}

static void print_call(const situation *s) {
  static writing w;
  const formula *f = &s->f;
  write_formula(f, &s->q, 1, &w);
  if (strlen(w.text) > 1500) write_formula(f, &s->q, 0, &w);
  static const char *const kinds[] = {"Vi", "Vj", "Pm"};
  printf("library(rkeops); rkeops_use_float%d()%s\nop <- keops_kernel(\"%s\",\n  c(",
         s->w.precision == RK_FLOAT32 ? 32 : 64, check_on_gpu() ? "; rkeops_use_gpu()" : "",
         w.text);
  for (int k = 0; k < f->variables; k++)
    printf("%s\"x%d=%s(%d)\"", k ? ", " : "", k, kinds[f->variable[k].kind], f->variable[k].dim);
  printf("))\nop(list(");
  for (int k = 0; k < f->variables && f->variable[k].data; k++) {
    if (k) printf(",\n  ");
    print_matrix(s, k);
  }
  printf("))\n");
}

static void shrink_and_show(const formula *f, const query *q, const way *w) {
  situation s = {*f, *q, *w};
  rk_error error;
  long numbers[] = {compared, trusted};
  attempts = 250;
  manner = manner_of(&s, &error);
  while (manner && (shrink_query(&s) || shrink_nodes(&s) || shrink_ways(&s) ||
                    shrink_rows(&s, RK_KIND_I) || shrink_rows(&s, RK_KIND_J))) {}
  attempts = 0;
  print_call(&s);
  if (!manner) printf("# fails only where it was found\n");
  else if (manner_of(&s, &error) < 3) printf("# %s\n", error.message);
  else
    printf("# result %d, %s %ld, column %d: found %.17g, expected %.17g +- %.2g\n", off.result + 1,
           off.row < 0 ? "weighted sum, row" : "row", off.row + 1, off.column + 1, off.found,
           off.want.v, 16 * unit * off.want.e);
  compared = numbers[0];
  trusted = numbers[1];
}

#endif
