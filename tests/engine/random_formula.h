/* Formulas of the random tests: their description, types and text. */
#ifndef RANDOM_FORMULA_H
#define RANDOM_FORMULA_H

#include "random_jet.h"
#include "text.h"

enum { NODES = 56, VARIABLES = 14, MAX_D = 70, LISTS = 5, AXES = 6, STEPS = 2,
       RESULTS = 4 };

typedef enum {
  LEAF, LITERAL, EACH, FOLD, PIECES, DEFINED, COMPLEX, TENSOR, DERIVATIVE, REDUCTION
} group;

typedef struct { int count, value[AXES]; } list;

typedef struct {
  group group;
  int op, operand[3], n, m, l, dim, logical, indices; /* indices: bits 1 (i) and 2 (j) */
  int order, reduces;                          /* derivatives, reductions in what it is made of */
  double literal;
  list list[LISTS];
} node;

typedef struct { rk_kind kind; int dim, row_major; double *data; } variable;

typedef struct {
  node node[NODES];
  int nodes, variables;
  variable variable[VARIABLES];
  int M, N;
} formula;

/* What is asked for: a reduction, differentiated `steps` times. */
typedef struct { int grad, variable, other; } step;
typedef struct { int op, root, weight, K, kept, steps; step step[STEPS]; } final;

/* The results of one program. */
typedef struct { final r[RESULTS]; int n; } query;

/* ---- names ---- */

enum { F_SUM, F_MAX, F_MIN, F_MAXNAN, F_MINNAN, F_ARGMAX, F_ARGMIN, FOLDS };
static const char *const folds[] = {"Sum", "Max", "Min", "MaxNaN", "MinNaN", "ArgMax", "ArgMin"};

enum { P_SUMT, P_ELEM, P_ELEMT, P_EXTRACT, P_EXTRACTT, P_CONCAT, P_EACH, P_ALL, P_ONEHOT, P_SUMEACH,
       P_REPEATBLOCKS, P_SUMBLOCKS, P_SWAPAXES, P_REVERSE, PIECE_KINDS };
static const struct { const char *name; int integers; } pieces[] = {
  {"SumT", 1}, {"Elem", 1}, {"ElemT", 2}, {"Extract", 2}, {"ExtractT", 2}, {"Concat", 0},
  {"RepeatEach", 1}, {"RepeatAll", 1}, {"OneHot", 1}, {"SumEach", 1},
  {"RepeatBlocks", 2}, {"SumBlocks", 2}, {"SwapAxes", 3}, {"Reverse", 0}};

enum { D_SCALPROD, D_SQNORM2, D_NORM2, D_NORMALIZE, D_SQDIST, D_WSQNORM, D_WSQDIST, DEFINED_KINDS };
static const char *const defined[] = {"Scalprod", "SqNorm2", "Norm2", "Normalize", "SqDist",
                                      "WeightedSqNorm", "WeightedSqDist"};

/* Complex operations: operands, and the dimensions of operands and result for n complex numbers. */
enum { C_MAKE, C_FROM_REAL, C_FROM_IMAG, C_REAL, C_IMAG, C_CONJ, C_ADD, C_SUBTRACT, C_MULT,
       C_DIVIDE, C_REALSCAL, C_SCAL, C_SQUAREABS, C_ABS, C_ANGLE, C_EXP, C_EXP1J, C_SUM, C_SUMT,
       COMPLEXES };
static const struct { const char *name; int operands, in, out; } complexes[] = {
  {"Complex", 2, 1, 2}, {"Real2Complex", 1, 1, 2}, {"Imag2Complex", 1, 1, 2},
  {"ComplexReal", 1, 2, 1}, {"ComplexImag", 1, 2, 1}, {"Conj", 1, 2, 2}, {"ComplexAdd", 2, 2, 2},
  {"ComplexSubtract", 2, 2, 2},
  {"ComplexMult", 2, 2, 2}, {"ComplexDivide", 2, 2, 2}, {"ComplexRealScal", 2, 2, 2},
  {"ComplexScal", 2, 2, 2}, {"ComplexSquareAbs", 1, 2, 1}, {"ComplexAbs", 1, 2, 1},
  {"ComplexAngle", 1, 2, 1}, {"ComplexExp", 1, 2, 2}, {"ComplexExp1j", 1, 1, 2},
  {"ComplexSum", 1, 2, 2}, {"ComplexSumT", 1, 2, 2}};

enum { T_MATVEC, T_VECMAT, T_PROD, T_DOT, T_KRON, T_BSPLINE, T_SOFTDTW, TENSORS };
static const struct { const char *name; int operands, integers, lists; } tensors[] = {
  {"MatVecMult", 2, 0, 0}, {"VecMatMult", 2, 0, 0}, {"TensorProd", 2, 0, 0}, {"TensorDot", 2, 0, 5},
  {"Kron", 2, 0, 2}, {"BSpline", 2, 1, 0}, {"SoftDTW_SqDist", 3, 0, 0}};

enum { V_GRAD, V_DIFF, V_GRADMATRIX, V_DIVERGENCE, V_LAPLACIAN, V_ADJOINT, V_TRACE, V_SUMLINEAR,
       DERIVATIVES };
static const char *const derivatives[] = {"Grad", "Diff", "GradMatrix", "Divergence", "Laplacian",
                                          "AdjointOperator", "TraceOperator", "SumLinOperator"};

enum { R_SUM, R_MIN, R_MAX, R_MINNAN, R_MAXNAN, R_LSE, INNER, R_ARGMIN = INNER, R_ARGMAX, R_MINARG, R_MAXARG, R_KMIN,
       R_ARGKMIN, R_KMINARG, R_LSEW, R_SOFTMAX, R_SHIFT, R_SHIFTW, REDUCTIONS };
static const char *const reductions[] = {
  "Sum", "Min", "Max", "MinNaN", "MaxNaN", "LogSumExp", "ArgMin", "ArgMax", "Min_ArgMin", "Max_ArgMax", "KMin",
  "ArgKMin", "KMin_ArgKMin", "LogSumExp", "SumSoftMaxWeight", "Max_SumShiftExp",
  "Max_SumShiftExpWeight"};

static int is_exponential(int op) { return op == R_LSE || op >= R_LSEW; }
static int is_ranked(int op) { return op >= R_KMIN && op <= R_KMINARG; }
static int has_both(int op) { return op == R_MINARG || op == R_MAXARG || op == R_KMINARG; }
static int sees_nan(int op) { return op == R_MINNAN || op == R_MAXNAN; }
static int is_largest(int op) {
  return op == R_MAX || op == R_MAXNAN || op == R_ARGMAX || op == R_MAXARG;
}
static int is_position(int op) { return op == R_ARGMIN || op == R_ARGMAX || op == R_ARGKMIN; }

/* Is there an operation of this name? */
static int is_known(const char *name) {
  rk_entry entry;
  for (int k = 0; rk_operation_entry(k, &entry); k++)
    if (!strcmp(entry.name, name)) return 1;
  return 0;
}

/* Operations that the engine does not know are not drawn, and counted. */
static int unknown_drawn;
static int can_use(const char *name) {
  static struct { const char *name; int known; } seen[64];
  static int count;
  for (int k = 0; k < count; k++)
    if (seen[k].name == name) return seen[k].known;
  int known = is_known(name);
  if (!known) unknown_drawn++, printf("  there is no %s\n", name);
  if (count < 64) seen[count].name = name, seen[count++].known = known;
  return known;
}

/* ---- types ---- */

static int broadcast(const int *d, int n, int unit_dim) {
  int most = unit_dim;
  for (int k = 0; k < n; k++) if (d[k] > most) most = d[k];
  for (int k = 0; k < n; k++) if (d[k] != most && d[k] != unit_dim) return 0;
  return most % unit_dim ? 0 : most;
}

static int product_of(const list *l) {
  int p = 1;
  for (int k = 0; k < l->count; k++) p *= l->value[k];
  return p;
}

static int is_in(const list *l, int value) {
  for (int k = 0; k < l->count; k++) if (l->value[k] == value) return 1;
  return 0;
}

static int pieces_dim(const node *x, const int *d) {
  switch (x->op) {
  case P_SUMT: case P_ONEHOT: return d[0] == 1 ? x->n : 0;
  case P_ELEM: return x->n < d[0];
  case P_ELEMT: return d[0] == 1 && x->m < x->n ? x->n : 0;
  case P_EXTRACT: return x->n + x->m <= d[0] ? x->m : 0;
  case P_EXTRACTT: return x->n + d[0] <= x->m ? x->m : 0;
  case P_CONCAT: return d[0] + d[1];
  case P_SUMEACH: return d[0] % x->n ? 0 : d[0] / x->n;
  case P_REPEATBLOCKS: return d[0] % x->n ? 0 : d[0] * x->m;
  case P_SUMBLOCKS: return d[0] % (x->n * x->m) ? 0 : d[0] / x->m;
  case P_SWAPAXES: return d[0] % (x->n * x->m * x->l) ? 0 : d[0];
  case P_REVERSE: return d[0];
  }
  return d[0] * x->n;
}

static int defined_dim(const node *x, const int *d) {
  if (x->op == D_NORMALIZE) return d[0];
  if (x->op == D_SCALPROD || x->op == D_SQDIST) return d[0] == d[1];
  if (x->op == D_WSQDIST && d[1] != d[2]) return 0;
  return x->op < D_WSQNORM || d[0] == 1 || d[0] == d[1] || d[0] == d[1] * d[1];
}

static int complex_dim(const node *x, const int *d) {
  switch (x->op) {
  case C_MAKE: return d[0] == d[1] ? 2 * d[0] : 0;
  case C_SUM: return d[0] % 2 ? 0 : 2;
  case C_SUMT: return d[0] == 2 && x->n % 2 == 0 ? x->n : 0;
  case C_REALSCAL: return d[0] == 1 && d[1] % 2 == 0 ? d[1] : d[1] == 1 && d[0] % 2 == 0 ? d[0] : 0;
  case C_SCAL: return d[1] == 2 && d[0] % 2 == 0 ? d[0] : 0;
  }
  if (complexes[x->op].operands == 2) return broadcast(d, 2, 2);
  return d[0] % complexes[x->op].in ? 0 : d[0] / complexes[x->op].in * complexes[x->op].out;
}

static int tensor_dim(const node *x, const int *d) {
  const list *l = x->list;
  switch (x->op) {
  case T_MATVEC: return d[0] % d[1] ? 0 : d[0] / d[1];
  case T_VECMAT: return d[1] % d[0] ? 0 : d[1] / d[0];
  case T_PROD: return d[0] * d[1];
  case T_KRON: return product_of(&l[0]) == d[0] && product_of(&l[1]) == d[1] ? d[0] * d[1] : 0;
  case T_BSPLINE: return d[1] == 1 && d[0] >= x->n + 2 ? d[0] - x->n - 1 : 0;
  case T_SOFTDTW: return d[2] == 1;
  }
  if (product_of(&l[0]) != d[0] || product_of(&l[1]) != d[1]) return 0;
  int dim = d[0] * d[1];
  for (int k = 0; k < l[2].count; k++)
    dim /= l[0].value[l[2].value[k]] * l[1].value[l[3].value[k]];
  return dim;
}

static int derivative_dim(const node *x, const int *d) {
  switch (x->op) {
  case V_GRAD: case V_ADJOINT: return d[2] == d[0] ? d[1] : 0;
  case V_TRACE: case V_SUMLINEAR:
    return (x->op == V_SUMLINEAR || d[0] == d[1]) && (x->operand[2] < 0 || d[2] == d[0]);
  case V_DIFF: return d[2] == d[1] ? d[0] : 0;
  case V_GRADMATRIX: return d[0] * d[1];
  case V_DIVERGENCE: return d[0] == d[1];
  }
  return d[0] == 1;
}

/* The dimension that follows from the operands; 0: they do not fit. */
static int dim_of(const formula *f, const node *x) {
  int d[3] = {0, 0, 0};
  for (int k = 0; k < 3; k++) if (x->operand[k] >= 0) d[k] = f->node[x->operand[k]].dim;
  int dim = x->group == LEAF ? f->variable[x->op].dim : x->group == LITERAL || x->group == FOLD ? 1
            : x->group == EACH ? broadcast(d, each[x->op].operands, 1)
            : x->group == PIECES ? pieces_dim(x, d) : x->group == DEFINED ? defined_dim(x, d)
            : x->group == COMPLEX ? complex_dim(x, d) : x->group == TENSOR ? tensor_dim(x, d)
            : x->group == DERIVATIVE ? derivative_dim(x, d)
            : x->op == R_LSE && d[0] != 1 ? 0 : d[0];
  return dim <= MAX_D ? dim : 0;
}

static int is_logical(const formula *f, const node *x) {
  if (x->group == EACH) return each[x->op].logical;
  int parts = x->group == COMPLEX && x->op >= C_FROM_REAL && x->op <= C_IMAG;
  if (parts) return f->node[x->operand[0]].logical;
  return x->group == PIECES && x->op != P_ONEHOT && x->op != P_CONCAT && x->op != P_SUMEACH &&
         x->op != P_SUMBLOCKS &&
         f->node[x->operand[0]].logical;
}

/* Everything of a node that follows from its operands; 0: it is not well typed. */
static int settle(formula *f, node *x) {
  x->indices = x->order = x->reduces = 0;
  for (int k = 0; k < 3 && x->operand[k] >= 0; k++) {
    const node *o = &f->node[x->operand[k]];
    x->indices |= o->indices;
    x->reduces |= o->reduces;
    if (o->order > x->order) x->order = o->order;
    int wants = x->group == EACH && ((x->op >= AND && x->op <= NOT) || (x->op == WHERE && k == 0));
    if (wants && !o->logical) return 0;
  }
  if (x->group == LEAF) x->indices = (int[]){1, 2, 0}[f->variable[x->op].kind];
  if (x->group == REDUCTION) x->indices = x->n ? 2 : 1, x->reduces = 1;
  if (x->group == DERIVATIVE) {
    x->order += x->op == V_LAPLACIAN ? 2 : 1;
    if (x->reduces || f->node[x->operand[1]].group != LEAF) return 0;
  }
  x->logical = is_logical(f, x);
  x->dim = dim_of(f, x);
  return x->dim > 0;
}

static int add(formula *f, node x) {
  settle(f, &x);
  f->node[f->nodes] = x;
  return f->nodes++;
}

static node blank(group g, int op) { return (node){.group = g, .op = op, .operand = {-1, -1, -1}}; }

/* ---- what is asked for ---- */

static void mark(const formula *f, int k, char *used) {
  if (k < 0 || used[k]) return;
  used[k] = 1;
  for (int o = 0; o < 3; o++) mark(f, f->node[k].operand[o], used);
}

/* Rows and columns of the result, and of what its first `steps` steps give. */
typedef struct { rk_kind kind; int columns; } shape;

static shape shape_after(const formula *f, const final *r, int steps) {
  int scalar = is_exponential(r->op), weight = r->weight >= 0 ? f->node[r->weight].dim : 1;
  shape s = {r->kept ? RK_KIND_J : RK_KIND_I,
             !scalar ? f->node[r->root].dim * r->K : weight + (r->op >= R_SHIFT)};
  for (int k = 0; k < steps; k++)
    if (r->step[k].grad) {
      const variable *v = &f->variable[r->step[k].variable];
      s = (shape){v->kind, v->dim};
    }
  return s;
}

static long rows_of(const formula *f, rk_kind kind) {
  return kind == RK_KIND_I ? f->M : kind == RK_KIND_J ? f->N : 1;
}

static int has_kind(const formula *f, rk_kind kind) {
  for (int k = 0; k < f->variables; k++)
    if (f->variable[k].kind == kind) return 1;
  return 0;
}

/* ---- text ---- */

enum { TEXT = 16384 };
typedef struct { char text[TEXT]; size_t at; int nested; } writing;

__attribute__((format(printf, 2, 3))) static void say(writing *w, const char *format, ...);

#include <stdarg.h>
static void say(writing *w, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(w->text + w->at, TEXT - w->at, format, arguments);
  va_end(arguments);
  w->at += (size_t)n < TEXT - w->at ? (size_t)n : TEXT - w->at - 1;
}

static const char *name_of(const node *x) {
  switch (x->group) {
  case EACH: return each[x->op].name;
  case FOLD: return folds[x->op];
  case DEFINED: return defined[x->op];
  case PIECES: return pieces[x->op].name;
  case COMPLEX: return complexes[x->op].name;
  case TENSOR: return tensors[x->op].name;
  case DERIVATIVE: return derivatives[x->op];
  default: return reductions[x->op];
  }
}

static int integers_of(const node *x) {
  return x->group == EACH ? each[x->op].integers : x->group == PIECES ? pieces[x->op].integers
         : x->group == TENSOR ? tensors[x->op].integers : x->group == COMPLEX && x->op == C_SUMT;
}

static void write_node(const formula *f, int k, writing *w);

static void write_list(const list *l, writing *w) {
  if (l->count < 0) return;
  say(w, ",[");
  for (int k = 0; k < l->count; k++) say(w, k ? ",%d" : "%d", l->value[k]);
  say(w, "]");
}

static void write_value(const formula *f, int k, writing *w) {
  char number[RK_NUMBER_TEXT];
  const node *x = &f->node[k];
  if (x->group == LEAF) say(w, "x%d", x->op);
  else if (x->group == LITERAL) say(w, "%s", rk_number_text(number, "%.17g", x->literal));
  else {
    say(w, x->group == REDUCTION ? "%s_Reduction(" : "%s(", name_of(x));
    for (int o = 0; o < 3 && x->operand[o] >= 0; o++) {
      if (o) say(w, ",");
      write_node(f, x->operand[o], w);
    }
    if (integers_of(x) > 0) say(w, ",%d", x->n);
    if (integers_of(x) > 1) say(w, ",%d", x->m);
    if (integers_of(x) > 2) say(w, ",%d", x->l);
    for (int l = 0; x->group == TENSOR && l < tensors[x->op].lists; l++) write_list(&x->list[l], w);
    say(w, x->group == REDUCTION ? x->n ? ",i)" : ",j)" : ")");
  }
}

/* Operands are written out, or by the name of their definition. */
static void write_node(const formula *f, int k, writing *w) {
  const node *x = &f->node[k];
  if (w->nested || x->group == LEAF || x->group == LITERAL) write_value(f, k, w);
  else say(w, "t%d", k);
}

static void mark_query(const formula *f, const query *q, char *used) {
  for (int k = 0; k < q->n; k++) {
    mark(f, q->r[k].root, used);
    mark(f, q->r[k].weight, used);
  }
}

static void write_definitions(const formula *f, const query *q, writing *w) {
  char used[NODES] = {0};
  mark_query(f, q, used);
  for (int k = 0; k < f->nodes; k++) {
    if (!used[k] || f->node[k].group == LEAF || f->node[k].group == LITERAL) continue;
    say(w, "t%d = ", k);
    write_value(f, k, w);
    say(w, "; ");
  }
}

static void write_result(const formula *f, const final *r, writing *w) {
  for (int k = r->steps - 1; k >= 0; k--) say(w, r->step[k].grad ? "Grad(" : "Diff(");
  say(w, "%s_Reduction(", reductions[r->op]);
  write_node(f, r->root, w);
  if (is_ranked(r->op)) say(w, ", %d", r->K);
  if (r->weight >= 0) {
    say(w, ", ");
    write_node(f, r->weight, w);
  }
  say(w, ", %s)", r->kept ? "i" : "j");
  for (int k = 0; k < r->steps; k++) say(w, ", x%d, x%d)", r->step[k].variable, r->step[k].other);
}

static void write_formula(const formula *f, const query *q, int nested, writing *w) {
  *w = (writing){.nested = nested};
  if (!nested) write_definitions(f, q, w);
  for (int k = 0; k < q->n; k++) {
    if (k) say(w, ", ");
    write_result(f, &q->r[k], w);
  }
}

static rk_program *request(const formula *f, const query *q, int precision, rk_error *error) {
  static writing w;
  static char declared[VARIABLES][24];
  const char *declarations[VARIABLES];
  static const char *const kinds[] = {"Vi", "Vj", "Pm"};
  for (int k = 0; k < f->variables; k++) {
    snprintf(declared[k], sizeof declared[k], "x%d=%s(%d)", k, kinds[f->variable[k].kind],
             f->variable[k].dim);
    declarations[k] = declared[k];
  }
  write_formula(f, q, 0, &w);
  rk_options options = {.precision = (rk_precision)precision};
  rk_program *program = NULL;
  rk_program_get(w.text, declarations, f->variables, &options, &program, error);
  return program;
}

#endif
