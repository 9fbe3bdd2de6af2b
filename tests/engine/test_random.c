/* Random well-typed formulas against a naive evaluator: all operations, kinds of variables, shared
 * vectors, reductions of reductions, both precisions and directions, sizes around the tiles.
 *
 *   test_random [seed [formulas]]     RKEOPS_TEST_FULL=1: many more formulas
 *
 * The evaluator carries with every number a bound of its error, in units of rounding, found by
 * evaluating each operation at operands moved by theirs: jumps and poles become large bounds by
 * themselves. A failure prints the seed and the smallest part of the formula that fails alone. */
#include "check.h"

enum { NODES = 48, VARIABLES = 9, MAX_D = 70, MAX_PAIRS = 1600, TOGETHER = 24 };

typedef struct { double v, e; } num; /* a value, the bound of its error in units of rounding */

typedef enum { LEAF, LITERAL, EACH, FOLD, PIECES, DEFINED, REDUCTION } group;

typedef struct {
  group group;
  int op, operand[3], n, m, dim, logical, indices; /* indices: bits 1 (i) and 2 (j) */
  double literal;
  num *value;                                      /* [pair][component], pair = i + M j */
} node;

typedef struct { rk_kind kind; int dim, row_major; double *data; } variable;

typedef struct {
  node node[NODES];
  int nodes, variables;
  variable variable[VARIABLES];
  rk_program *program[2];
  int M, N;
} formula;

static double unit, limit, tiny;  /* of the precision at hand: rounding, what is too large or small */

static int below(int n) { return (int)(uniform() * n); }
static int chance(double p) { return uniform() < p; }

/* ---- operations component by component ---- */

typedef struct { const char *name; int operands, integers, logical; } operation;
enum { ADD, SUBTRACT, MULT, DIVIDE, MINUS, INV, SQUARE, POW, POWF, SQRT, RSQRT, EXP, EXPM1, LOG, LOG1P,
       XLOGX, SIN, COS, SINXDIVX, ASIN, ACOS, ATAN, SINH, COSH, TANH, ABS, SIGN, STEP, RELU, FLOOR,
       ROUND, CLAMPINT, DIFFCLAMPINT, ATAN2, CLAMP, MOD, IFELSE, WHERE, EQUAL, NOTEQUAL, LESS, LESSEQ,
       AND, OR, NOT, TAN, CEILING, TRUNC, EACHES };
static const operation each[EACHES] = {
  {"Add", 2, 0, 0}, {"Subtract", 2, 0, 0}, {"Mult", 2, 0, 0}, {"Divide", 2, 0, 0},
  {"Minus", 1, 0, 0}, {"Inv", 1, 0, 0}, {"Square", 1, 0, 0}, {"Pow", 1, 1, 0}, {"Powf", 2, 0, 0},
  {"Sqrt", 1, 0, 0}, {"Rsqrt", 1, 0, 0}, {"Exp", 1, 0, 0}, {"Expm1", 1, 0, 0}, {"Log", 1, 0, 0},
  {"Log1p", 1, 0, 0}, {"XLogX", 1, 0, 0}, {"Sin", 1, 0, 0}, {"Cos", 1, 0, 0},
  {"SinXDivX", 1, 0, 0}, {"Asin", 1, 0, 0}, {"Acos", 1, 0, 0}, {"Atan", 1, 0, 0},
  {"Sinh", 1, 0, 0}, {"Cosh", 1, 0, 0}, {"Tanh", 1, 0, 0}, {"Abs", 1, 0, 0}, {"Sign", 1, 0, 0},
  {"Step", 1, 0, 0}, {"ReLU", 1, 0, 0}, {"Floor", 1, 0, 0}, {"Round", 1, 1, 0},
  {"ClampInt", 1, 2, 0}, {"DiffClampInt", 1, 2, 0}, {"Atan2", 2, 0, 0}, {"Clamp", 3, 0, 0},
  {"Mod", 3, 0, 0}, {"IfElse", 3, 0, 0}, {"Where", 3, 0, 0}, {"Equal", 2, 0, 1},
  {"NotEqual", 2, 0, 1}, {"LessThan", 2, 0, 1}, {"LessOrEqual", 2, 0, 1}, {"And", 2, 0, 1},
  {"Or", 2, 0, 1}, {"Not", 1, 0, 1}, {"Tan", 1, 0, 0}, {"Ceiling", 1, 0, 0}, {"Trunc", 1, 0, 0}};

static double sign_of(double a) { return a > 0 ? 1 : a < 0 ? -1 : a == 0 ? 0 : a; }

static double plain(int op, double a, double b, double c, int n, int m, int logical_test) {
  switch (op) {
  case ADD: return a + b;
  case SUBTRACT: return a - b;
  case MULT: return a * b;
  case DIVIDE: return a / b;
  case MINUS: return -a;
  case INV: return 1 / a;
  case SQUARE: return a * a;
  case POW: return pow(a, n);
  case POWF: return pow(a, b);
  case SQRT: return sqrt(a);
  case RSQRT: return a == 0 ? 0 : 1 / sqrt(a);
  case EXP: return exp(a);
  case EXPM1: return expm1(a);
  case LOG: return log(a);
  case LOG1P: return log1p(a);
  case XLOGX: return a == 0 ? 0 : a * log(a);
  case SIN: return sin(a);
  case COS: return cos(a);
  case SINXDIVX: return a == 0 ? 1 : sin(a) / a;
  case ASIN: return asin(a);
  case ACOS: return acos(a);
  case ATAN: return atan(a);
  case SINH: return sinh(a);
  case COSH: return cosh(a);
  case TANH: return tanh(a);
  case ABS: return fabs(a);
  case SIGN: return sign_of(a);
  case STEP: return !(a < 0);
  case RELU: return a < 0 ? 0 : a;
  case FLOOR: return floor(a);
  case ROUND: return round(a * pow(10, n)) / pow(10, n);
  case CLAMPINT: return a < n ? n : a > m ? m : a;
  case DIFFCLAMPINT: return !(a < n || a > m);
  case ATAN2: return atan2(a, b);
  case CLAMP: return a < b ? b : a > c ? c : a;
  case MOD: return a - b * floor((a - c) / b);
  case IFELSE: return (logical_test ? a != 0 : a >= 0) ? b : c;
  case WHERE: return a != 0 ? b : c;
  case EQUAL: return a == b;
  case NOTEQUAL: return a != b;
  case LESS: return a < b;
  case LESSEQ: return a <= b;
  case AND: return a != 0 && b != 0;
  case OR: return a != 0 || b != 0;
  case NOT: return a == 0;
  case TAN: return tan(a);
  case CEILING: return ceil(a);
  case TRUNC: return trunc(a);
  }
  return NAN;
}

/* How far apart two values are: 0 when equal, NaN or infinite alike. */
static double apart(double a, double b) {
  if (a == b || (isnan(a) && isnan(b))) return 0;
  double d = fabs(a - b);
  return d == d ? d : INFINITY;
}

/* The value gets the rounding of its last operation and is trusted within the range of the type. */
static num rounded(double v, double e, double roundings) {
  if (isfinite(v)) e += roundings * fabs(v) + (v == 0 ? 0 : tiny);
  if (isfinite(v) && fabs(v) > limit) e = INFINITY;
  if (!(e >= 0)) e = INFINITY;
  return (num){v, e};
}

static num apply(int op, const num *x, int n, int m, int logical_test) {
  double at[3], v, e = 0;
  int operands = each[op].operands, exact = 0;
  for (int k = 0; k < 3; k++) at[k] = k < operands ? x[k].v : 0;
  v = plain(op, at[0], at[1], at[2], n, m, logical_test);
  for (int k = 0; k < operands; k++) {
    double d = 2 * unit * x[k].e;
    if (d == 0) continue;
    if (d > 1e300 || !isfinite(x[k].v)) { /* nothing known, unless this operand plays no part */
      if (isinf(x[k].e)) e = INFINITY;
      continue;
    }
    for (int s = -1; s <= 1; s += 2) {
      at[k] = x[k].v + s * d;
      double moved = apart(plain(op, at[0], at[1], at[2], n, m, logical_test), v) / (2 * unit);
      if (moved > e) e = moved;
    }
    at[k] = x[k].v;
    /* errors of several operands add up */
    if (k + 1 < operands) e *= 1.5;
  }
  if (each[op].logical || op == SIGN || op == STEP || op == FLOOR || op == MINUS || op == ABS)
    exact = 1;
  double roundings = exact ? 0 : op == POW ? 4 + 2 * abs(n) : op == POWF ? 16 : op == TAN ? 16 : 4;
  if (op == MOD || op == ROUND) e += 4 * (fabs(at[0]) + fabs(at[1]) + fabs(at[2])), roundings = 8;
  if (op == SIN || op == COS || op == TAN) e += fabs(at[0]) > 1e5 ? INFINITY : 2;
  if (op == ACOS || op == ASIN || op == ATAN2 || op == ATAN) e += 4;
  if (op == LOG || op == LOG1P || op == XLOGX || op == EXPM1) e += 1;
  return rounded(v, e, roundings);
}

static num apply1(int op, num a) { return apply(op, (num[]){a, a, a}, 0, 0, 0); }
static num apply2(int op, num a, num b) { return apply(op, (num[]){a, b, b}, 0, 0, 0); }

/* ---- other operations ---- */

enum { F_SUM, F_MAX, F_MIN, F_ARGMAX, F_ARGMIN, FOLDS };
static const char *const folds[] = {"Sum", "Max", "Min", "ArgMax", "ArgMin"};
enum { P_SUMT, P_ELEM, P_ELEMT, P_EXTRACT, P_EXTRACTT, P_CONCAT, P_EACH, P_ALL, P_ONEHOT, PIECE_KINDS };
static const char *const pieces[] = {"SumT", "Elem", "ElemT", "Extract", "ExtractT", "Concat",
                                     "RepeatEach", "RepeatAll", "OneHot"};
enum { D_SCALPROD, D_SQNORM2, D_NORM2, D_NORMALIZE, D_SQDIST, D_WSQNORM, D_WSQDIST, DEFINED_KINDS };
static const char *const defined[] = {"Scalprod", "SqNorm2", "Norm2", "Normalize", "SqDist",
                                      "WeightedSqNorm", "WeightedSqDist"};
enum { R_SUM, R_MIN, R_MAX, R_LSE, INNER, R_ARGMIN = INNER, R_ARGMAX, R_MINARG, R_MAXARG, R_KMIN,
       R_ARGKMIN, R_KMINARG, R_LSEW, R_SOFTMAX, R_SHIFT, R_SHIFTW, REDUCTIONS };
static const char *const reductions[] = {
  "Sum", "Min", "Max", "LogSumExp", "ArgMin", "ArgMax", "Min_ArgMin", "Max_ArgMax", "KMin",
  "ArgKMin", "KMin_ArgKMin", "LogSumExp", "SumSoftMaxWeight", "Max_SumShiftExp",
  "Max_SumShiftExpWeight"};

static num sum_of(const num *x, int n) {
  num s = {0, 0};
  double size = 0;
  for (int k = 0; k < n; k++) {
    s.v += x[k].v;
    s.e += x[k].e;
    size += fabs(x[k].v);
  }
  if (isfinite(size)) s.e += (n < 16 ? n : 16) * size;
  return rounded(s.v, s.e, 1);
}

static num product_sum(const num *w, int dw, const num *a, const num *b, int n) {
  num t[MAX_D * MAX_D];
  for (int k = 0; k < n; k++) {
    t[k] = apply2(MULT, a[k], b[k]);
    if (w) t[k] = apply2(MULT, w[dw == 1 ? 0 : k], t[k]);
  }
  return sum_of(t, n);
}

static num weighted_squares(const num *w, int dw, const num *a, int n) {
  static num t[MAX_D];
  if (dw == 1) return apply2(MULT, w[0], product_sum(NULL, 0, a, a, n));
  if (dw == n) return product_sum(w, dw, a, a, n);
  for (int r = 0; r < n; r++) t[r] = apply2(MULT, a[r], product_sum(NULL, 0, w + r * n, a, n));
  return sum_of(t, n);
}

static num best_of(int op, const num *x, int n) {
  int sign = op == F_MAX || op == F_ARGMAX ? -1 : 1, best = -1;
  num out = {NAN, 0};
  for (int k = 0; k < n; k++) {
    if (isinf(x[k].e)) out.e = INFINITY;
    if (!isnan(x[k].v) && (best < 0 || sign * x[k].v < sign * x[best].v)) best = k;
  }
  if (out.e > 0) return out;
  for (int k = 0; k < n && best >= 0; k++) {
    if (x[k].e > out.e) out.e = x[k].e;
    /* another component could be the one as well */
    if (op >= F_ARGMAX && k != best && !isnan(x[k].v) && x[k].e + x[best].e > 0 &&
        fabs(x[k].v - x[best].v) <= 8 * unit * (x[k].e + x[best].e)) out.e = INFINITY;
  }
  if (op < F_ARGMAX) out.v = best < 0 ? NAN : x[best].v;
  else out = (num){best < 0 ? 0 : best, isinf(out.e) ? INFINITY : 0};
  return out;
}

/* ---- naive evaluation of one node for one pair ---- */

static const num *operand_at(const formula *f, const node *x, int k, int pair) {
  const node *o = &f->node[x->operand[k]];
  return o->value + (long)pair * o->dim;
}

static void move_components(const formula *f, const node *x, int pair, num *out) {
  const num *a = operand_at(f, x, 0, pair);
  int da = f->node[x->operand[0]].dim;
  for (int k = 0; k < x->dim; k++) {
    out[k] = (num){0, 0};
    if (x->op == P_SUMT || x->op == P_ELEM || x->op == P_EXTRACT)
      out[k] = a[x->op == P_SUMT ? 0 : x->n + k];
    else if (x->op == P_ELEMT) { if (k == x->m) out[k] = a[0]; }
    else if (x->op == P_EXTRACTT) { if (k >= x->n && k < x->n + da) out[k] = a[k - x->n]; }
    else if (x->op == P_CONCAT) out[k] = k < da ? a[k] : operand_at(f, x, 1, pair)[k - da];
    else if (x->op == P_EACH) out[k] = a[k / x->n];
    else if (x->op == P_ALL) out[k] = a[k % da];
    else {
      double nearest = floor(a[0].v + 0.5), d = 4 * unit * a[0].e;
      out[k].v = nearest == k;
      if (isinf(d) || floor(a[0].v + 0.5 - d) != floor(a[0].v + 0.5 + d)) out[k].e = INFINITY;
      if (isnan(a[0].v) && d == 0) out[k].e = 0;
    }
  }
}

static void evaluate_defined(const formula *f, const node *x, int pair, num *out) {
  const num *a = operand_at(f, x, 0, pair);
  const num *b = x->operand[1] >= 0 ? operand_at(f, x, 1, pair) : NULL;
  int da = f->node[x->operand[0]].dim, db = b ? f->node[x->operand[1]].dim : 0;
  num d[MAX_D];
  switch (x->op) {
  case D_SCALPROD: *out = product_sum(NULL, 0, a, b, da); break;
  case D_SQNORM2: *out = product_sum(NULL, 0, a, a, da); break;
  case D_NORM2: *out = apply1(SQRT, product_sum(NULL, 0, a, a, da)); break;
  case D_NORMALIZE: {
    num r = apply1(RSQRT, product_sum(NULL, 0, a, a, da));
    for (int k = 0; k < da; k++) out[k] = apply2(MULT, r, a[k]);
    break;
  }
  case D_SQDIST:
    for (int k = 0; k < da; k++) d[k] = apply2(SUBTRACT, a[k], b[k]);
    *out = product_sum(NULL, 0, d, d, da);
    break;
  case D_WSQNORM: *out = weighted_squares(a, da, b, db); break;
  case D_WSQDIST:
    for (int k = 0; k < db; k++) d[k] = apply2(SUBTRACT, b[k], operand_at(f, x, 2, pair)[k]);
    *out = weighted_squares(a, da, d, db);
    break;
  }
}

/* ---- reductions ---- */

typedef struct { num *x; int n; } column; /* the values of one row and component */

static void take_column(const formula *f, const node *x, int d, int kept, int row, column *c) {
  c->n = kept ? f->M : f->N;
  for (int k = 0; k < c->n; k++) {
    int pair = kept ? k + f->M * row : row + f->M * k;
    c->x[k] = x->value[(long)pair * x->dim + d];
  }
}

static num reduce_sum(const column *c) {
  num s = {0, 0};
  double size = 0;
  for (int k = 0; k < c->n; k++) {
    s.v += c->x[k].v;
    s.e += c->x[k].e;
    size += fabs(c->x[k].v);
  }
  if (isfinite(size)) s.e += (c->n < 80 ? c->n : 80) * size;
  return rounded(s.v, s.e, 1);
}

/* sum of exp(F - m) w, relative to its true reference; w may be NULL */
static num reduce_exp(const column *F, const column *w, double *top) {
  num s = {0, 0};
  *top = -INFINITY;
  for (int k = 0; k < F->n; k++) {
    if (!isfinite(F->x[k].v) || (w && !isfinite(w->x[k].v))) return (num){0, INFINITY};
    if (F->x[k].v > *top) *top = F->x[k].v;
  }
  double size = 0;
  for (int k = 0; k < F->n; k++) {
    double t = exp(F->x[k].v - *top), weight = w ? w->x[k].v : 1;
    s.v += t * weight;
    size += t * fabs(weight);
    s.e += t * (fabs(weight) * (2 * F->x[k].e + 2 * fabs(F->x[k].v) + 2 * fabs(*top) + 8) +
                (w ? w->x[k].e : 0));
  }
  s.e += (F->n < 80 ? F->n : 80) * size;
  if (!(s.e * unit < 1e-2 * size)) s.e = INFINITY;
  return s;
}

static num log_of(num s, double top) {
  double rest = fabs(s.v) - 16 * unit * s.e;
  if (isinf(s.e) || !(rest > 0)) return (num){NAN, INFINITY};
  if (s.v < 0) return (num){NAN, 0};
  return (num){top + log(s.v), s.e / rest + 4 * (fabs(top) + fabs(log(s.v)) + 1)};
}

static num extreme(const column *c, int sign) {
  num out = {sign * INFINITY, 0};
  for (int k = 0; k < c->n; k++) {
    if (isnan(c->x[k].v) && c->x[k].e == 0) continue;
    if (c->x[k].e > out.e) out.e = c->x[k].e;
    if (sign * c->x[k].v < sign * out.v) out.v = c->x[k].v;
  }
  return rounded(out.v, out.e, 1);
}

static void evaluate_reduction(formula *f, node *x) {
  const node *o = &f->node[x->operand[0]];
  int rows = x->n ? f->N : f->M;
  static num room[MAX_PAIRS];
  column c = {room, 0};
  for (int d = 0; d < x->dim; d++)
    for (int row = 0; row < rows; row++) {
      double top = 0;
      take_column(f, o, d, x->n, row, &c);
      num value = x->op == R_SUM   ? reduce_sum(&c)
                  : x->op == R_LSE ? reduce_exp(&c, NULL, &top)
                                   : extreme(&c, x->op == R_MIN ? 1 : -1);
      if (x->op == R_LSE) value = log_of(value, top);
      for (int k = 0; k < c.n; k++) {
        int pair = x->n ? k + f->M * row : row + f->M * k;
        x->value[(long)pair * x->dim + d] = value;
      }
    }
}

static void evaluate_leaf(const formula *f, const node *x, int pair, num *out) {
  const variable *v = &f->variable[x->op];
  int row = v->kind == RK_KIND_I ? pair % f->M : v->kind == RK_KIND_J ? pair / f->M : 0;
  int rows = v->kind == RK_KIND_I ? f->M : v->kind == RK_KIND_J ? f->N : 1;
  for (int d = 0; d < x->dim; d++)
    out[d] = rounded(v->data[v->row_major ? row * v->dim + d : row + rows * d], 0, 1);
}

static void evaluate(formula *f) {
  int pairs = f->M * f->N;
  for (int k = 0; k < f->nodes; k++) {
    node *x = &f->node[k];
    x->value = malloc(sizeof(num) * (size_t)pairs * (size_t)x->dim + 1);
    if (x->group == REDUCTION) {
      evaluate_reduction(f, x);
      continue;
    }
    for (int p = 0; p < pairs; p++) {
      num *out = x->value + (long)p * x->dim;
      if (x->group == LEAF) evaluate_leaf(f, x, p, out);
      else if (x->group == LITERAL) *out = rounded(x->literal, 0, 1);
      else if (x->group == FOLD) {
        int da = f->node[x->operand[0]].dim;
        *out = x->op == F_SUM ? sum_of(operand_at(f, x, 0, p), da)
                              : best_of(x->op, operand_at(f, x, 0, p), da);
      } else if (x->group == PIECES) move_components(f, x, p, out);
      else if (x->group == DEFINED) evaluate_defined(f, x, p, out);
      else
        for (int d = 0; d < x->dim; d++) {
          num a[3] = {{0, 0}, {0, 0}, {0, 0}};
          for (int o = 0; o < each[x->op].operands; o++)
            a[o] = operand_at(f, x, o, p)[f->node[x->operand[o]].dim == 1 ? 0 : d];
          out[d] = apply(x->op, a, x->n, x->m, f->node[x->operand[0]].logical);
        }
    }
  }
}

static void forget_values(formula *f) {
  for (int k = 0; k < f->nodes; k++) {
    free(f->node[k].value);
    f->node[k].value = NULL;
  }
}

/* ---- random formulas ---- */

static int random_dim(void) {
  static const int wide[] = {15, 16, 17, 31, 32, 33};
  return chance(0.35) ? 1 : chance(0.8) ? 1 + below(8) : wide[below(6)];
}

static int add(formula *f, node x) {
  for (int k = 0; k < 3; k++)
    if (x.operand[k] >= 0 && x.group != LEAF && x.group != LITERAL)
      x.indices |= f->node[x.operand[k]].indices;
  f->node[f->nodes] = x;
  return f->nodes++;
}

static node blank(group g, int op, int dim) {
  return (node){.group = g, .op = op, .operand = {-1, -1, -1}, .dim = dim};
}

static int generate(formula *f, int dim, int depth);

static int leaf(formula *f, int dim) {
  if (dim == 1 && chance(0.12)) {
    node x = blank(LITERAL, 0, 1);
    x.literal = chance(0.4) ? below(4) - 1 : 0.25 + floor(uniform() * 100) / 64;
    return add(f, x);
  }
  int same[VARIABLES], count = 0;
  for (int k = 0; k < f->variables; k++)
    if (f->variable[k].dim == dim) same[count++] = k;
  int v = f->variables;
  if (count && (chance(0.5) || v == VARIABLES)) v = same[below(count)];
  else if (v == VARIABLES) { /* another dimension: a part or a repetition of a variable */
    node x = blank(LITERAL, 0, 1);
    x.literal = 0.75;
    int one = add(f, x);
    if (dim == 1) return one;
    node wide = blank(PIECES, P_SUMT, dim);
    wide.operand[0] = one;
    wide.n = dim;
    return add(f, wide);
  } else {
    double r = uniform();
    f->variable[f->variables++] =
        (variable){r < 0.42 ? RK_KIND_I : r < 0.84 ? RK_KIND_J : RK_KIND_PARAMETER, dim, chance(0.2), NULL};
  }
  node x = blank(LEAF, v, dim);
  x.indices = f->variable[v].kind == RK_KIND_I ? 1 : f->variable[v].kind == RK_KIND_J ? 2 : 0;
  return add(f, x);
}

static int logical_value(formula *f, int dim, int depth) {
  node x = blank(EACH, depth > 1 && chance(0.25) ? AND + below(3) : EQUAL + below(4), dim);
  x.logical = 1;
  for (int k = 0; k < each[x.op].operands; k++) {
    int d = k && chance(0.3) ? 1 : dim;
    x.operand[k] = x.op >= AND ? logical_value(f, d, depth - 1) : generate(f, d, depth - 1);
  }
  return add(f, x);
}

static int elementwise(formula *f, int dim, int depth) {
  static const int frequent[] = {ADD, SUBTRACT, MULT, MULT, SUBTRACT, DIVIDE, EXP, SQUARE, MINUS, IFELSE};
  if (chance(0.06)) return logical_value(f, dim, depth);
  int op = chance(0.5) ? frequent[below(10)] : below(EACHES);
  if (op >= AND && op <= NOT) op = LESS;
  node x = blank(EACH, op, dim);
  x.logical = each[op].logical;
  x.n = op == POW ? below(8) - 3 : op == ROUND ? below(3) : -below(3);
  x.m = below(3);
  int full = below(each[op].operands);
  for (int k = 0; k < each[op].operands; k++) {
    int d = k != full && chance(0.25) ? 1 : dim;
    x.operand[k] = (op == WHERE && k == 0) || (op == IFELSE && k == 0 && chance(0.4))
                       ? logical_value(f, d, depth - 1) : generate(f, d, depth - 1);
  }
  return add(f, x);
}

static int moved(formula *f, int dim, int depth) {
  int op = below(PIECE_KINDS), inner = 1;
  node x = blank(PIECES, op, dim);
  if (op == P_ELEM && dim != 1) op = P_EXTRACT;
  if (op == P_CONCAT && dim == 1) op = P_ELEM;
  if ((op == P_SUMT || op == P_ONEHOT) && dim == 1 && chance(0.9)) op = P_EXTRACT;
  x.op = op;
  x.n = dim;
  if (op == P_ELEM) inner = 1 + below(20), x.n = below(inner);
  if (op == P_ELEMT) x.m = below(dim);
  if (op == P_EXTRACT) inner = dim + below(8), x.n = below(inner - dim + 1), x.m = dim;
  if (op == P_EXTRACTT) inner = 1 + below(dim), x.n = below(dim - inner + 1), x.m = dim;
  if (op == P_CONCAT) inner = 1 + below(dim - 1);
  if (op == P_EACH || op == P_ALL) {
    do x.n = 1 + below(dim < 6 ? dim : 6); while (dim % x.n);
    inner = dim / x.n;
  }
  x.operand[0] = generate(f, inner, depth - 1);
  if (op == P_CONCAT) x.operand[1] = generate(f, dim - inner, depth - 1);
  else x.logical = op != P_ONEHOT && f->node[x.operand[0]].logical;
  return add(f, x);
}

static int fold(formula *f, int depth) {
  if (chance(0.5)) {
    node x = blank(FOLD, chance(0.5) ? F_SUM : below(FOLDS), 1);
    x.operand[0] = generate(f, random_dim(), depth - 1);
    return add(f, x);
  }
  node x = blank(DEFINED, below(DEFINED_KINDS), 1);
  int d = x.op >= D_WSQNORM && chance(0.4) ? 1 + below(4) : random_dim();
  if (x.op == D_NORMALIZE) x.op = D_SQDIST;
  if (x.op == D_WSQNORM || x.op == D_WSQDIST) {
    int w = below(3);
    x.operand[0] = generate(f, w == 0 ? 1 : w == 1 || d > 8 ? d : d * d, depth - 2);
    x.operand[1] = generate(f, d, depth - 1);
    if (x.op == D_WSQDIST) x.operand[2] = generate(f, d, depth - 1);
  } else {
    x.operand[0] = generate(f, d, depth - 1);
    if (x.op == D_SCALPROD || x.op == D_SQDIST) x.operand[1] = generate(f, d, depth - 1);
  }
  return add(f, x);
}

static int generate(formula *f, int dim, int depth) {
  if (chance(0.25)) /* something that is there already: used twice */
    for (int tries = 0; tries < 6 && f->nodes; tries++) {
      int k = below(f->nodes);
      if (f->node[k].dim == dim && f->node[k].group != LITERAL) return k;
    }
  if (depth <= 0 || f->nodes > NODES - 24 || chance(0.08)) return leaf(f, dim);
  double r = uniform();
  if (r < 0.05) {
    node x = blank(REDUCTION, below(dim == 1 ? INNER : INNER - 1), dim);
    x.n = below(2);
    x.operand[0] = generate(f, dim, depth - 1);
    int k = add(f, x);
    f->node[k].indices = x.n ? 2 : 1;
    return k;
  }
  if (dim == 1 && r < 0.4) return fold(f, depth);
  if (r < 0.6) return moved(f, dim, depth);
  if (dim > 1 && r < 0.65) {
    node x = blank(DEFINED, D_NORMALIZE, dim);
    x.operand[0] = generate(f, dim, depth - 1);
    return add(f, x);
  }
  return elementwise(f, dim, depth);
}

/* ---- text ---- */

static void write_node(const formula *f, int k, char *text, size_t size);

static void write_arguments(const formula *f, const node *x, const char *name, int integers,
                            char *text, size_t size) {
  size_t at = (size_t)snprintf(text, size, "%s(", name);
  for (int o = 0; o < 3 && x->operand[o] >= 0; o++) {
    if (o) at += (size_t)snprintf(text + at, size - at, ",");
    write_node(f, x->operand[o], text + at, size - at);
    at += strlen(text + at);
  }
  if (integers > 0) at += (size_t)snprintf(text + at, size - at, ",%d", x->n);
  if (integers > 1) at += (size_t)snprintf(text + at, size - at, ",%d", x->m);
  snprintf(text + at, size - at, ")");
}

static int nested; /* write operands out, for messages; else by the name of their definition */

static void write_value(const formula *f, int k, char *text, size_t size) {
  const node *x = &f->node[k];
  char name[40];
  if (x->group == LEAF) snprintf(text, size, "x%d", x->op);
  else if (x->group == LITERAL) snprintf(text, size, "%.17g", x->literal);
  else if (x->group == EACH) write_arguments(f, x, each[x->op].name, each[x->op].integers, text, size);
  else if (x->group == FOLD) write_arguments(f, x, folds[x->op], 0, text, size);
  else if (x->group == DEFINED) write_arguments(f, x, defined[x->op], 0, text, size);
  else if (x->group == PIECES)
    write_arguments(f, x, pieces[x->op],
                    x->op == P_CONCAT ? 0 : x->op == P_ELEMT || x->op == P_EXTRACT || x->op == P_EXTRACTT ? 2 : 1,
                    text, size);
  else {
    snprintf(name, sizeof name, "%s_Reduction", reductions[x->op]);
    write_arguments(f, x, name, 0, text, size);
    size_t at = strlen(text);
    if (at && at + 4 < size) snprintf(text + at - 1, size - at + 1, ",%s)", x->n ? "i" : "j");
  }
}

static void write_node(const formula *f, int k, char *text, size_t size) {
  const node *x = &f->node[k];
  if (size < 64) { if (size) *text = 0; return; }
  if (nested || x->group == LEAF || x->group == LITERAL) write_value(f, k, text, size);
  else snprintf(text, size, "t%d", k);
}

static void mark(const formula *f, int k, char *used) {
  if (k < 0 || used[k]) return;
  used[k] = 1;
  for (int o = 0; o < 3; o++) mark(f, f->node[k].operand[o], used);
}

enum { TEXT = 16384 };
typedef struct { int op, root, weight, K, kept; } final;

static void write_formula(const formula *f, const final *r, char *text) {
  char used[NODES] = {0};
  size_t at = 0;
  text[0] = 0;
  if (!nested) {
    mark(f, r->root, used);
    mark(f, r->weight, used);
    for (int k = 0; k < f->nodes; k++) {
      if (!used[k] || f->node[k].group == LEAF || f->node[k].group == LITERAL) continue;
      at += (size_t)snprintf(text + at, TEXT - at, "t%d = ", k);
      write_value(f, k, text + at, TEXT - at);
      at += strlen(text + at);
      at += (size_t)snprintf(text + at, TEXT - at, "; ");
    }
  }
  at += (size_t)snprintf(text + at, TEXT - at, "%s_Reduction(", reductions[r->op]);
  write_node(f, r->root, text + at, TEXT - at);
  at += strlen(text + at);
  if (r->op >= R_KMIN && r->op <= R_KMINARG) at += (size_t)snprintf(text + at, TEXT - at, ", %d", r->K);
  if (r->weight >= 0) {
    at += (size_t)snprintf(text + at, TEXT - at, ", ");
    write_node(f, r->weight, text + at, TEXT - at);
    at += strlen(text + at);
  }
  snprintf(text + at, TEXT - at, ", %s)", r->kept ? "i" : "j");
}

static rk_program *request(const formula *f, const final *r, int precision) {
  static char text[TEXT], declared[VARIABLES][24];
  const char *declarations[VARIABLES];
  static const char *const kinds[] = {"Vi", "Vj", "Pm"};
  for (int k = 0; k < f->variables; k++) {
    snprintf(declared[k], sizeof declared[k], "x%d=%s(%d)", k, kinds[f->variable[k].kind], f->variable[k].dim);
    declarations[k] = declared[k];
  }
  write_formula(f, r, text);
  return program_of(text, declarations, f->variables, (rk_precision)precision);
}

/* ---- comparison ---- */

static double last_found;
static num last_wanted;

static int wrong(double found, num want) {
  if (isinf(want.e) || apart(found, want.v) <= 16 * unit * want.e + tiny * unit) return 0;
  last_found = found;
  last_wanted = want;
  return 1;
}

static int by_value(const void *a, const void *b) {
  double x = ((const num *)a)->v, y = ((const num *)b)->v;
  return (x > y) - (x < y);
}

static long compared, trusted;

/* Ranks of the smallest (sign 1) or largest values: found values and positions of one row. */
static int wrong_ranks(column *c, int sign, int K, const double *values, const double *positions,
                       long step) {
  num sorted[MAX_PAIRS];
  int n = 0;
  double e = 0;
  for (int k = 0; k < c->n; k++) {
    if (isinf(c->x[k].e)) return 0;
    if (c->x[k].e > e) e = c->x[k].e;
    if (!isnan(c->x[k].v)) sorted[n++] = (num){sign * c->x[k].v, c->x[k].e};
  }
  qsort(sorted, (size_t)n, sizeof *sorted, by_value);
  trusted++;
  for (int r = 0; r < K; r++) {
    num want = r < n ? (num){sign * sorted[r].v, e} : (num){sign * INFINITY, 0};
    if (values && wrong(values[r * step], want)) return 1;
    if (!positions) continue;
    double p = positions[r * step];
    if (r >= n) {
      if (p != -1) return 1;
    } else if (!(p >= 0 && p < c->n) || p != floor(p) || wrong(c->x[(int)p].v, want)) return 1;
    for (int s = 0; s < r && p >= 0; s++)
      if (positions[s * step] == p) return 1;
    /* of equals the first, where nothing was rounded */
    for (int k = 0; r == 0 && e == 0 && n && k < (int)p; k++)
      if (c->x[k].v == c->x[(int)p].v) return 1;
  }
  return 0;
}

/* Number of wrong results of a reduction whose operands have been evaluated. */
static int compare(formula *f, const final *r, const double *first, const double *second) {
  static num room[2][MAX_PAIRS];
  column c = {room[0], 0}, w = {room[1], 0};
  const node *root = &f->node[r->root];
  long rows = r->kept ? f->N : f->M;
  int bad = 0;
  for (long row = 0; row < rows; row++) {
    if (r->op == R_LSE || r->op >= R_LSEW) {
      const node *weight = r->weight >= 0 ? &f->node[r->weight] : NULL;
      take_column(f, root, 0, r->kept, (int)row, &c);
      num one = {1, 0}, top = {0, 0};
      double m;
      num total = reduce_exp(&c, NULL, &m);
      top = extreme(&c, -1);
      for (int k = 0; k < c.n; k++) if (isinf(c.x[k].e)) total.e = INFINITY;
      for (int d = 0; d < (weight ? weight->dim : 1); d++) {
        num s = total;
        if (weight) {
          take_column(f, weight, d, r->kept, (int)row, &w);
          s = reduce_exp(&c, &w, &m);
        }
        const double *at = first + row + rows * d;
        (void)one;
        compared++;
        if (isinf(total.e) || isinf(s.e)) continue;
        trusted++;
        if (r->op == R_LSE || r->op == R_LSEW) bad += wrong(*at, log_of(s, m));
        else if (r->op == R_SOFTMAX)
          bad += wrong(*at, (num){s.v / total.v, 2 * (s.e + fabs(s.v) / total.v * total.e) / total.v});
        else {
          bad += wrong(first[row], (num){top.v, 2 * top.e + 4 * fabs(m)});
          s.e += 4 * fabs(s.v) * (top.e + fabs(m));
          bad += wrong(at[rows], s);
        }
      }
      continue;
    }
    for (int d = 0; d < root->dim; d++) {
      take_column(f, root, d, r->kept, (int)row, &c);
      compared++;
      const double *at = first + row + rows * d * r->K;
      if (r->op == R_SUM) {
        num s = reduce_sum(&c);
        trusted += isfinite(s.e);
        bad += wrong(*at, s);
      } else {
        int sign = r->op == R_MAX || r->op == R_ARGMAX || r->op == R_MAXARG ? -1 : 1;
        int has_values = r->op != R_ARGMIN && r->op != R_ARGMAX && r->op != R_ARGKMIN;
        int both = r->op == R_MINARG || r->op == R_MAXARG || r->op == R_KMINARG;
        const double *positions = both ? second + (at - first) : has_values ? NULL : at;
        bad += wrong_ranks(&c, sign, r->K, has_values ? at : NULL, positions, rows);
      }
    }
  }
  return bad;
}

/* Runs a program on the formula's data; the number of wrong results, -1 for an error. */
static int run_and_compare(formula *f, const final *r, rk_program *program, rk_error *error) {
  const rk_program_info *info = rk_program_info_of(program);
  rk_array inputs[VARIABLES];
  long rows = r->kept ? f->N : f->M, size = rows * info->field[0].dim * info->field[0].k;
  for (int k = 0; k < f->variables; k++) {
    const variable *v = &f->variable[k];
    long n = v->kind == RK_KIND_I ? f->M : v->kind == RK_KIND_J ? f->N : 1;
    inputs[k] = columns_of(v->data, n, v->dim);
    if (v->row_major) inputs[k].row_stride = v->dim, inputs[k].component_stride = 1;
  }
  double *first = malloc((size_t)size * 8 + 1), *second = malloc((size_t)size * 8 + 1);
  for (long k = 0; k < size; k++) first[k] = second[k] = -777;
  rk_output outputs[] = {{.type = RK_OUT_DOUBLE, .data = first, .none_double = -1},
                         {.type = RK_OUT_DOUBLE, .data = second, .none_double = -1}};
  rk_status status = rk_run(program, inputs, f->variables, outputs, NULL, NULL, error);
  int bad = status ? -1 : f->M && f->N ? compare(f, r, first, second) : 0;
  free(first);
  free(second);
  return bad;
}

static void set_precision(int precision) {
  unit = precision == RK_FLOAT32 ? 0x1p-24 : 0x1p-53;
  limit = precision == RK_FLOAT32 ? 1e18 : 1e150;
  tiny = precision == RK_FLOAT32 ? 1e-36 / unit : 1e-300 / unit;
}

/* The first part of the formula whose sum is wrong by itself. */
static void report(formula *f, const final *r, int precision, unsigned long long seed) {
  static char text[TEXT];
  rk_error error;
  final least = *r;
  for (int k = 0; k < f->nodes; k++) {
    if (f->node[k].group == LEAF || f->node[k].group == LITERAL) continue;
    final part = {R_SUM, k, -1, 1, r->kept};
    rk_program *p = request(f, &part, precision);
    if (p && run_and_compare(f, &part, p, &error) != 0) {
      least = part;
      break;
    }
  }
  nested = 1;
  write_formula(f, &least, text);
  nested = 0;
  printf("seed %llu, float%d, M = %d, N = %d, variables", seed, precision == RK_FLOAT32 ? 32 : 64,
         f->M, f->N);
  for (int k = 0; k < f->variables; k++)
    printf(" x%d=%s(%d)", k, (const char *[]){"Vi", "Vj", "Pm"}[f->variable[k].kind], f->variable[k].dim);
  printf("\n  %s\n  found %.17g, expected %.17g +- %.2g\n", text, last_found, last_wanted.v,
         16 * unit * last_wanted.e);
}

/* ---- the test ---- */

static void fill(formula *f) {
  int special = chance(0.12);
  double low = chance(0.5) ? 0.25 : -1;
  for (int k = 0; k < f->variables; k++) {
    variable *v = &f->variable[k];
    int n = v->kind == RK_KIND_I ? f->M : v->kind == RK_KIND_J ? f->N : 1;
    free(v->data);
    v->data = random_numbers((long)n * v->dim, low, 1.25);
    for (int q = 0; special && n && q < 2; q++)
      v->data[below(n * v->dim)] = (double[]){NAN, INFINITY, -INFINITY, 0}[below(4)];
  }
}

static formula *new_formula(final *r) {
  formula *f = calloc(1, sizeof *f);
  *r = (final){.op = chance(0.4) ? R_SUM : below(REDUCTIONS), .weight = -1, .K = 1, .kept = below(2)};
  int scalar = r->op == R_LSE || r->op >= R_LSEW;
  r->root = generate(f, scalar ? 1 : random_dim(), 1 + below(6));
  if (scalar && r->op != R_LSE && r->op != R_SHIFT) r->weight = generate(f, 1 + below(4), below(3));
  if (r->op >= R_KMIN && r->op <= R_KMINARG) r->K = 1 + below(5);
  if (chance(0.1) && f->variables < VARIABLES) /* declared, not used */
    f->variable[f->variables++] = (variable){(rk_kind)below(3), 2, 0, NULL};
  return f;
}

static int has_kind(const formula *f, rk_kind kind) {
  for (int k = 0; k < f->variables; k++)
    if (f->variable[k].kind == kind) return 1;
  return 0;
}

static void check_formula(formula *f, const final *r, unsigned long long seed, int narrow) {
  static const int sizes[][2] = {{1, 1}, {7, 3}, {8, 17}, {16, 65}, {17, 33}, {33, 8}, {65, 5}, {5, 31},
                                 {9, 130}, {0, 4}, {4, 0}, {129, 3}, {2, 40}, {70, 20}};
  static const int thin[][2] = {{1, 130}, {3, 300}, {2, 65}, {4, 129}, {1, 64}, {3, 257}};
  rk_error error;
  for (int round = 0; round < 2 + narrow; round++) {
    int pick = round == 2 ? below(6) : below(14);
    f->M = round == 2 ? thin[pick][0] : sizes[pick][0];
    f->N = round == 2 ? thin[pick][1] : sizes[pick][1];
    if (r->kept) { int M = f->M; f->M = f->N; f->N = M; }
    if (!has_kind(f, RK_KIND_I)) f->M = 1;
    if (!has_kind(f, RK_KIND_J)) f->N = 1;
    fill(f);
    for (int precision = 0; precision < 2; precision++) {
      if (!f->program[precision]) continue;
      set_precision(precision);
      evaluate(f);
      int bad = run_and_compare(f, r, f->program[precision], &error);
      if (bad < 0) printf("%s\n", error.message);
      if (!CHECK(bad == 0, "a random formula is what it says")) report(f, r, precision, seed);
      forget_values(f);
    }
  }
}

static void free_formula(formula *f) {
  for (int k = 0; k < f->variables; k++) free(f->variable[k].data);
  free(f);
}

static void check_batch(unsigned long long seed, int count, int narrow) {
  formula *f[TOGETHER];
  final r[TOGETHER];
  unsigned long long seeds[TOGETHER];
  rk_program *programs[2 * TOGETHER] = {NULL};
  rk_error error;
  int n = 0;
  for (int k = 0; k < count; k++) {
    seeds[k] = seed + (unsigned)k;
    check_seed = seeds[k] * 0x9E3779B97F4A7C15ull + 88172645463325252ull;
    for (int q = 0; q < 8; q++) uniform();
    f[k] = new_formula(&r[k]);
    for (int precision = 0; precision < 2; precision++) {
      f[k]->program[precision] = request(f[k], &r[k], precision);
      if (CHECK(f[k]->program[precision] != NULL, "a well-typed formula is understood"))
        programs[n++] = f[k]->program[precision];
    }
  }
  CHECK(rk_build_many(programs, n, NULL, NULL, &error) == RK_OK, "all of them compile");
  for (int k = 0; k < count; k++) {
    check_formula(f[k], &r[k], seeds[k], k < narrow);
    free_formula(f[k]);
  }
}

int main(int arguments, char **argument) {
  int full = getenv("RKEOPS_TEST_FULL") != NULL, many = full ? 1200 : check_is_small() ? 8 : 30;
  unsigned long long seed = arguments > 1 ? strtoull(argument[1], NULL, 10) : 20261;
  if (arguments > 2) many = atoi(argument[2]);
  check_configure();
  for (int k = 0; k < many; k += TOGETHER)
    check_batch(seed + (unsigned)k, many - k < TOGETHER ? many - k : TOGETHER, full ? 4 : 1);
  printf("%ld results compared, %ld of them with a useful bound\n", compared, trusted);
  return check_end();
}
