/* Random well-typed formulas. */
#ifndef RANDOM_GENERATE_H
#define RANDOM_GENERATE_H

#include "random_formula.h"

static int chance(double p) { return uniform() < p; }

/* ---- making them ---- */

static int most_order;  /* of derivatives in a formula that is being made */
static int differentiated; /* so that smooth functions are drawn more often */

static int random_dim(void) {
  static const int wide[] = {15, 16, 17, 31, 32, 33};
  return chance(0.35) ? 1 : chance(0.8) ? 1 + below(8) : wide[below(6)];
}

static int generate(formula *f, int dim, int depth);

static int add_variable(formula *f, rk_kind kind, int dim) {
  f->variable[f->variables] = (variable){kind, dim, chance(0.2), NULL};
  return f->variables++;
}

static int leaf_of(formula *f, int v) { return add(f, blank(LEAF, v)); }

enum { FREE = VARIABLES - 5 }; /* the last ones are for cotangents and tangents */

static int leaf(formula *f, int dim) {
  if (dim == 1 && chance(0.12)) {
    node x = blank(LITERAL, 0);
    x.literal = chance(0.4) ? below(4) - 1 : 0.25 + floor(uniform() * 100) / 64;
    return add(f, x);
  }
  int same[VARIABLES], count = 0;
  for (int k = 0; k < f->variables; k++)
    if (f->variable[k].dim == dim) same[count++] = k;
  if (count && (chance(0.35) || f->variables >= FREE)) return leaf_of(f, same[below(count)]);
  if (f->variables >= FREE) { /* another dimension: a repetition of a number */
    node one = blank(LITERAL, 0), wide = blank(PIECES, P_SUMT);
    one.literal = 0.75;
    wide.operand[0] = add(f, one);
    wide.n = dim;
    return dim == 1 ? wide.operand[0] : add(f, wide);
  }
  double r = uniform();
  rk_kind kind = r < 0.42 ? RK_KIND_I : r < 0.84 ? RK_KIND_J : RK_KIND_PARAMETER;
  return leaf_of(f, add_variable(f, kind, dim));
}

static int logical_value(formula *f, int dim, int depth) {
  node x = blank(EACH, depth > 1 && chance(0.25) ? AND + below(3) : EQUAL + below(4));
  for (int k = 0; k < each[x.op].operands; k++) {
    int d = k && chance(0.3) ? 1 : dim;
    x.operand[k] = x.op >= AND ? logical_value(f, d, depth - 1) : generate(f, d, depth - 1);
  }
  return add(f, x);
}

static int one_of(formula *f, int op, int a) {
  node x = blank(EACH, op);
  x.operand[0] = a;
  return add(f, x);
}

static int two_of(formula *f, int op, int a, int b) {
  node x = blank(EACH, op);
  x.operand[0] = a;
  x.operand[1] = b;
  return add(f, x);
}

static int number(formula *f, double value) {
  node x = blank(LITERAL, 0);
  x.literal = value;
  return add(f, x);
}

/* A branch that is singular, or overflows, wherever it is not taken: of h, which is 0 there. */
static int masked(formula *f, int dim, int depth) {
  static const int singular[] = {LOG, INV, XLOGX, SQRT, POWF, DIVIDE, EXP};
  int h = generate(f, dim, depth - 2), op = singular[below(7)], zero = number(f, 0), test, branch;
  if (op == EXP) {
    test = two_of(f, LESS, h, zero);
    branch = one_of(f, EXP, two_of(f, MULT, number(f, 2500), h));
  } else {
    int g = two_of(f, MULT, h, one_of(f, STEP, h)), other = generate(f, dim, depth - 2);
    test = chance(0.7) ? two_of(f, LESS, zero, g) : one_of(f, NOT, two_of(f, LESSEQ, g, zero));
    branch = op == DIVIDE ? two_of(f, DIVIDE, other, g)
             : op == POWF ? two_of(f, POWF, g, number(f, -1.5)) : one_of(f, op, g);
    if (chance(0.5)) branch = two_of(f, MULT, branch, other);
  }
  int taken = chance(0.8);
  node x = blank(EACH, chance(0.3) ? IFELSE : WHERE);
  x.operand[0] = taken ? test : one_of(f, NOT, test);
  x.operand[taken ? 1 : 2] = branch;
  x.operand[taken ? 2 : 1] = chance(0.5) ? zero : generate(f, dim, depth - 2);
  return add(f, x);
}

static int elementwise(formula *f, int dim, int depth) {
  if (chance(differentiated ? 0.12 : 0.03) && f->nodes < NODES - 36) return masked(f, dim, depth);
  static const int frequent[] = {ADD, SUBTRACT, MULT, MULT, SUBTRACT, DIVIDE, EXP, SQUARE, MINUS,
                                 IFELSE};
  static const int smooth[] = {EXP, SIN, COS, TANH, ATAN, INV, POW, SQUARE, MULT, DIVIDE, SUBTRACT,
                               SQRT, RSQRT, LOG, POWF, SINH, COSH, EXPM1, LOG1P, SINXDIVX, ATAN2,
                               TAN};
  if (chance(differentiated ? 0.02 : 0.06)) return logical_value(f, dim, depth);
  int op = chance(0.5) ? frequent[below(10)] : below(EACHES);
  if (differentiated && chance(0.6)) op = smooth[below(22)];
  if (op >= AND && op <= NOT) op = LESS;
  node x = blank(EACH, op);
  if (each[op].integers) x.n = op == POW ? below(8) - 3 : op == ROUND ? below(3) : -below(3);
  if (each[op].integers) x.m = below(3);
  int full = below(each[op].operands);
  for (int k = 0; k < each[op].operands; k++) {
    int d = k != full && chance(0.25) ? 1 : dim;
    x.operand[k] = (op == WHERE && k == 0) || (op == IFELSE && k == 0 && chance(0.4))
                       ? logical_value(f, d, depth - 1) : generate(f, d, depth - 1);
  }
  return add(f, x);
}

static int divisor_of(int dim, int most) {
  for (;;) {
    int n = 1 + below(dim < most ? dim : most);
    if (dim % n == 0) return n;
  }
}

static int moved(formula *f, int dim, int depth) {
  int op = below(PIECE_KINDS), inner = 1;
  if (!can_use(pieces[op].name)) op = P_EXTRACT;
  if (op == P_ELEM && dim != 1) op = P_EXTRACT;
  if (op == P_CONCAT && dim == 1) op = P_ELEM;
  if ((op == P_SUMT || op == P_ONEHOT) && dim == 1 && chance(0.9)) op = P_EXTRACT;
  node x = blank(PIECES, op);
  x.n = dim;
  if (op == P_ELEM) inner = 1 + below(20), x.n = below(inner);
  if (op == P_ELEMT) x.m = below(dim);
  if (op == P_EXTRACT) inner = dim + below(8), x.n = below(inner - dim + 1), x.m = dim;
  if (op == P_EXTRACTT) inner = 1 + below(dim), x.n = below(dim - inner + 1), x.m = dim;
  if (op == P_CONCAT) inner = 1 + below(dim - 1);
  if (op == P_EACH || op == P_ALL) x.n = divisor_of(dim, 6), inner = dim / x.n;
  if (op == P_SUMEACH) x.n = 1 + below(dim > 17 ? 2 : 4), inner = dim * x.n;
  if (op == P_REPEATBLOCKS) x.m = divisor_of(dim, 4), inner = dim / x.m;
  if (op == P_REPEATBLOCKS) x.n = divisor_of(inner, inner);
  if (op == P_SUMBLOCKS) x.m = 1 + below(dim > 17 ? 2 : 4), inner = dim * x.m;
  if (op == P_SUMBLOCKS) x.n = divisor_of(dim, dim);
  if (op == P_REVERSE || op == P_SWAPAXES) inner = dim;
  if (op == P_SWAPAXES) {
    x.n = divisor_of(dim, dim);
    x.m = divisor_of(dim / x.n, dim);
    x.l = divisor_of(dim / x.n / x.m, dim);
  }
  x.operand[0] = generate(f, inner, depth - 1);
  if (op == P_CONCAT) x.operand[1] = generate(f, dim - inner, depth - 1);
  return add(f, x);
}

static int fold(formula *f, int depth) {
  if (chance(0.5)) {
    node x = blank(FOLD, chance(0.5) ? F_SUM : below(FOLDS));
    x.operand[0] = generate(f, random_dim(), depth - 1);
    return add(f, x);
  }
  node x = blank(DEFINED, below(DEFINED_KINDS));
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

/* Complex operations whose result may have this dimension; -1: none was found. */
static int complex_value(formula *f, int dim, int depth) {
  node x = blank(COMPLEX, below(COMPLEXES));
  int n = dim / complexes[x.op].out, d = n * complexes[x.op].in;
  if (dim % complexes[x.op].out || !can_use(complexes[x.op].name)) return -1;
  if (x.op == C_SUM && dim != 2) return -1;
  if (x.op == C_SUM) d = 2 * (1 + below(5));
  if (x.op == C_SUMT) d = 2, x.n = dim;
  int two = complexes[x.op].operands == 2, first = two && chance(0.5);
  int other = x.op == C_REALSCAL ? 1 : x.op == C_SCAL ? 2 : x.op != C_MAKE && chance(0.3) ? 2 : d;
  if (x.op == C_SCAL) first = 0;
  x.operand[first] = generate(f, d, depth - 1);
  if (two) x.operand[!first] = generate(f, other, depth - 1);
  return add(f, x);
}

/* The factors of a number, in a list of at most AXES / 2. */
static list factors(int n) {
  list l = {0, {0}};
  int axes = 1 + below(3);
  while (l.count < axes - 1) {
    l.value[l.count] = divisor_of(n, n);
    n /= l.value[l.count++];
  }
  l.value[l.count++] = n;
  return l;
}

static void swap_axes(list *sizes, list *contracted, int a, int b) {
  int t = sizes->value[a];
  sizes->value[a] = sizes->value[b];
  sizes->value[b] = t;
  for (int k = 0; k < contracted->count; k++)
    contracted->value[k] = contracted->value[k] == a ? b : contracted->value[k] == b ? a
                           : contracted->value[k];
}

/* Lists of a TensorDot whose result has dimension dim: sizes, contracted axes, destinations. */
static void random_dot(node *x, int dim) {
  list *l = x->list;
  int mine = divisor_of(dim, dim), contracted = below(3);
  l[0] = factors(mine);
  l[1] = factors(dim / mine);
  int kept = l[0].count + l[1].count;
  for (int k = 0; k < contracted; k++) {
    int size = 1 + below(3);
    l[2].value[l[2].count++] = l[0].count;
    l[3].value[l[3].count++] = l[1].count;
    l[0].value[l[0].count++] = l[1].value[l[1].count++] = size;
  }
  for (int side = 0; side < 2; side++)
    for (int k = l[side].count - 1; k > 0; k--) swap_axes(&l[side], &l[2 + side], k, below(k + 1));
  l[4].count = chance(0.3) ? -1 : kept;
  for (int k = 0; k < kept; k++) l[4].value[k] = k;
  for (int k = kept - 1; k > 0; k--) {
    int o = below(k + 1), t = l[4].value[k];
    if (l[4].count < 0) break;
    l[4].value[k] = l[4].value[o];
    l[4].value[o] = t;
  }
}

static int positive(formula *f, int depth) {
  node square = blank(EACH, SQUARE), half = blank(LITERAL, 0), sum = blank(EACH, ADD);
  square.operand[0] = generate(f, 1, depth);
  half.literal = 0.5;
  sum.operand[0] = add(f, square);
  sum.operand[1] = add(f, half);
  return add(f, sum);
}

static int tensor(formula *f, int dim, int depth) {
  int op = below(TENSORS), d[2] = {0, 0}, p = 1 + below(4);
  node x = blank(TENSOR, op);
  if (!can_use(tensors[op].name) || (op == T_SOFTDTW && dim != 1) || (op == T_BSPLINE && dim > 12))
    return -1;
  if (dim > 17) p = 1;
  if (op == T_MATVEC) d[0] = dim * p, d[1] = p;
  if (op == T_VECMAT) d[0] = p, d[1] = dim * p;
  if (op == T_PROD || op == T_KRON) d[0] = divisor_of(dim, dim), d[1] = dim / d[0];
  if (op == T_KRON) {
    x.list[0] = factors(d[0]);
    do x.list[1] = factors(d[1]); while (x.list[1].count != x.list[0].count);
  }
  if (op == T_DOT) {
    random_dot(&x, dim);
    d[0] = product_of(&x.list[0]);
    d[1] = product_of(&x.list[1]);
  }
  if (op == T_BSPLINE) x.n = below(4), d[0] = dim + x.n + 1, d[1] = 1;
  if (op == T_SOFTDTW) d[0] = 1 + below(4), d[1] = 1 + below(4);
  if (d[0] > MAX_D || d[1] > MAX_D) return -1;
  x.operand[0] = generate(f, d[0], depth - 1);
  x.operand[1] = generate(f, d[1], depth - 1);
  if (op == T_SOFTDTW) x.operand[2] = positive(f, depth - 2);
  return add(f, x);
}

/* A variable of dimension dim (0: any) in what node k is made of, or one of that dimension that is
 * not there; -1: there is none. */
static int variable_in(const formula *f, int k, int dim) {
  char used[NODES] = {0};
  int found[NODES], count = 0;
  mark(f, k, used);
  for (int q = 0; q < f->nodes; q++)
    if (used[q] && f->node[q].group == LEAF && (!dim || f->node[q].dim == dim)) found[count++] = q;
  if (count && chance(0.95)) return f->node[found[below(count)]].op;
  for (int v = 0; v < f->variables; v++) if (f->variable[v].dim == dim) return v;
  return count ? f->node[found[0]].op : -1;
}

/* Something that does not depend on variable v. */
static int fixed_value(formula *f, int v, int dim) {
  static const int of_one[] = {EXP, SIN, SQUARE, COS, TANH};
  node x = blank(EACH, of_one[below(5)]), one = blank(LITERAL, 0), wide = blank(PIECES, P_SUMT);
  int found = -1;
  for (int k = 0; k < f->variables; k++)
    if (k != v && f->variable[k].dim == dim && (found < 0 || chance(0.5))) found = k;
  if (found < 0 && f->variables < FREE) found = add_variable(f, (rk_kind)below(3), dim);
  if (found >= 0) {
    x.operand[0] = leaf_of(f, found);
    return chance(0.5) ? x.operand[0] : add(f, x);
  }
  one.literal = 1.5;
  wide.operand[0] = add(f, one);
  wide.n = dim;
  return add(f, wide);
}

/* Variable v as a vector of another dimension. */
static int fitted(formula *f, int v, int dim) {
  int k = leaf_of(f, v), d = f->variable[v].dim;
  node x = blank(PIECES, dim < d ? P_EXTRACT : P_EXTRACTT);
  if (d == dim) return k;
  x.operand[0] = k;
  x.n = below(abs(d - dim) + 1);
  x.m = dim;
  return add(f, x);
}

/* A vector that is linear in variable v. */
static int linear_value(formula *f, int v, int dim, int depth) {
  if (depth <= 0 || f->nodes > NODES - 20) return fitted(f, v, dim);
  node x = blank(EACH, ADD);
  int inner = 1 + below(4), r = below(8);
  if (r < 2) {
    x.op = r ? ADD : SUBTRACT;
    x.operand[0] = linear_value(f, v, dim, depth - 1);
    x.operand[1] = linear_value(f, v, dim, depth - 1);
  } else if (r < 5) {
    x.op = r == 2 ? DIVIDE : MULT;
    x.operand[r == 4] = linear_value(f, v, chance(0.3) ? 1 : dim, depth - 1);
    x.operand[r != 4] = fixed_value(f, v, dim);
  } else if (r == 5 && dim > 1) {
    x = blank(PIECES, P_CONCAT);
    x.operand[0] = linear_value(f, v, 1, depth - 1);
    x.operand[1] = linear_value(f, v, dim - 1, depth - 1);
  } else if (r == 6 && dim == 1) {
    x = blank(FOLD, F_SUM);
    x.operand[0] = linear_value(f, v, inner, depth - 1);
  } else {
    x = blank(TENSOR, r == 7 ? T_MATVEC : T_VECMAT);
    x.operand[r == 7] = linear_value(f, v, inner, depth - 1);
    x.operand[r != 7] = fixed_value(f, v, dim * inner);
  }
  return add(f, x);
}

/* An operator of what is linear in a variable; -1 where none fits. */
static int linear_operator(formula *f, int dim, int depth) {
  node x = blank(DERIVATIVE, dim > 1 ? V_ADJOINT : V_ADJOINT + below(3));
  int v = -1, wanted = x.op == V_ADJOINT ? dim : 1 + below(3);
  if (!can_use(derivatives[x.op]) || !most_order) return -1;
  for (int k = 0; k < f->variables; k++) if (f->variable[k].dim == wanted) v = k;
  if (v < 0 && f->variables < FREE) v = add_variable(f, (rk_kind)below(3), wanted);
  if (v < 0) return -1;
  int d = x.op == V_TRACE ? wanted : 1 + below(4);
  x.operand[0] = linear_value(f, v, d, depth);
  x.operand[1] = leaf_of(f, v);
  if (x.op == V_ADJOINT || chance(0.5)) x.operand[2] = fixed_value(f, v, d);
  return settle(f, &x) && x.order <= most_order ? add(f, x) : -1;
}

/* A derivative of an expression; -1 where none fits. */
static int derived(formula *f, int dim, int depth) {
  node x = blank(DERIVATIVE, chance(0.5) ? below(2) : below(V_ADJOINT));
  int d = 1 + below(3);
  if (x.op == V_GRADMATRIX) d = divisor_of(dim, dim);
  if (chance(0.2)) return linear_operator(f, dim, depth - 1);
  if (!can_use(derivatives[x.op]) || (x.op >= V_DIVERGENCE && dim != 1)) return -1;
  if (x.op == V_LAPLACIAN) d = 1;
  if (x.op == V_DIFF) d = dim;
  int F = x.operand[0] = generate(f, d, depth - 1);
  int v = variable_in(f, F, x.op == V_GRAD ? dim : x.op == V_GRADMATRIX ? dim / d
                            : x.op == V_DIVERGENCE ? d : 0);
  if (v < 0 || f->node[F].reduces || f->node[F].order + 1 + (x.op == V_LAPLACIAN) > most_order)
    return -1;
  x.operand[1] = leaf_of(f, v);
  if (x.op == V_GRAD) x.operand[2] = generate(f, d, depth - 2);
  if (x.op == V_DIFF) x.operand[2] = generate(f, f->variable[v].dim, depth - 2);
  if (x.operand[2] >= 0 && f->node[x.operand[2]].reduces) return -1;
  return settle(f, &x) && x.order <= most_order ? add(f, x) : -1;
}

static int inner_reduction(formula *f, int dim, int depth) {
  node x = blank(REDUCTION, below(dim == 1 ? INNER : INNER - 1));
  x.n = below(2);
  x.operand[0] = generate(f, dim, depth - 1);
  return add(f, x);
}

static int generate(formula *f, int dim, int depth) {
  if (chance(0.15)) /* something that is there already: used twice */
    for (int tries = 0; tries < 6 && f->nodes; tries++) {
      int k = below(f->nodes);
      if (f->node[k].dim == dim && f->node[k].group != LITERAL) return k;
    }
  if (depth <= 0 || 2 * dim > MAX_D || f->nodes > NODES - 30 || chance(0.04)) return leaf(f, dim);
  double r = uniform();
  int k = -1;
  if (r < 0.05) return inner_reduction(f, dim, depth);
  if (r < 0.2 && most_order) k = derived(f, dim, depth);
  else if (r < 0.28) k = complex_value(f, dim, depth);
  else if (r < 0.35) k = tensor(f, dim, depth);
  if (k >= 0) return k;
  if (f->nodes > NODES - 24) return leaf(f, dim);
  r = uniform();
  if (dim == 1 && r < 0.3) return fold(f, depth);
  if (r < (dim == 1 ? 0.36 : 0.2)) return moved(f, dim, depth);
  if (dim > 1 && r < 0.24) {
    node x = blank(DEFINED, D_NORMALIZE);
    x.operand[0] = generate(f, dim, depth - 1);
    return add(f, x);
  }
  return elementwise(f, dim, depth);
}

/* ---- what is asked for ---- */

/* Differentiates once more, with a cotangent or tangent of its own. */
static void add_step(formula *f, final *r) {
  int v = variable_in(f, r->weight >= 0 && chance(0.4) ? r->weight : r->root, 0);
  if (r->steps && chance(0.15)) v = r->step[0].other;
  if (v < 0 || f->variables >= VARIABLES) return;
  step s = {chance(0.7), v, f->variables};
  shape out = shape_after(f, r, r->steps);
  if (s.grad) add_variable(f, out.kind, out.columns);
  else add_variable(f, f->variable[v].kind, f->variable[v].dim);
  r->step[r->steps++] = s;
}

/* The node that results may be made of: any that depends on something. */
static int some_node(const formula *f) {
  for (int tries = 0; tries < 20; tries++) {
    int k = below(f->nodes);
    if (f->node[k].group != LITERAL) return k;
  }
  return -1;
}

/* Another reduction of the same values, or of others; 0: none was found. */
static int other_result(const formula *f, const final *first, final *r) {
  *r = (final){.op = R_SUM, .root = chance(0.5) ? first->root : some_node(f), .weight = -1, .K = 1,
               .kept = chance(0.8) ? first->kept : !first->kept};
  if (r->root < 0) return 0;
  if (f->node[r->root].dim > 1 || chance(0.3)) return 1;
  r->op = (int[]){R_LSE, R_LSEW, R_SOFTMAX, R_SOFTMAX, R_MIN, R_MAXARG}[below(6)];
  if (r->op >= R_LSEW) r->weight = some_node(f);
  return r->op < R_LSEW || r->weight >= 0;
}

/* More results for the program: what the steps go through, a gradient with respect to another
 * variable, reductions of other values. */
static void add_results(const formula *f, query *q) {
  final first = q->r[0];
  for (int k = 0; k < first.steps; k++) {
    final *r = &q->r[q->n++];
    *r = first;
    r->steps = k;
  }
  if (first.steps && first.step[0].grad && q->n < RESULTS) {
    final *r = &q->r[q->n];
    *r = first;
    r->steps = 1;
    r->step[0].variable = variable_in(f, first.root, 0);
    q->n += r->step[0].variable >= 0;
  }
  while (q->n < RESULTS && (q->n == 1 || chance(0.4)))
    if (!other_result(f, &first, &q->r[q->n++])) q->n--;
}

/* `order`: derivatives of the reduction; most_order: of expressions in it. */
static formula *new_formula(query *q, int order) {
  formula *f = calloc(1, sizeof *f);
  final *r = &q->r[0];
  q->n = 1;
  *r = (final){.op = R_SUM, .weight = -1, .K = 1, .kept = below(2)};
  if (chance(0.6)) r->op = below(REDUCTIONS);
  if (order && (r->op >= R_SHIFT || (is_position(r->op) && chance(0.8)))) r->op = R_SUM;
  differentiated = order || most_order;
  int scalar = is_exponential(r->op), small = order || most_order;
  int dim = scalar ? 1 : small && chance(0.8) ? 1 + below(4) : random_dim();
  r->root = generate(f, dim, (small ? 2 : 3) + below(4));
  if (scalar && r->op != R_LSE && r->op != R_SHIFT) r->weight = generate(f, 1 + below(4), below(3));
  if (is_ranked(r->op)) r->K = 1 + below(order ? 3 : 5);
  for (int k = 0; k < order; k++) add_step(f, r);
  if (chance(0.1) && f->variables < VARIABLES) add_variable(f, (rk_kind)below(3), 2); /* not used */
  if (chance(order ? 0.5 : 0.2)) add_results(f, q);
  return f;
}

#endif
