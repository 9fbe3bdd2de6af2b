/* Numbers of the naive evaluator of random formulas: a value with a bound of its error, in units of
 * rounding, and infinitesimal parts of the same kind.
 *
 * A jet of level L holds 2^L numbers: part S, a set of the infinitesimals e_0 .. e_{L-1} (bits), is
 * the factor of their product, so that part 1 is a first derivative and part 3 a mixed second one.
 * Bounds of values are found by evaluating each operation at operands moved by theirs: jumps and
 * poles become large bounds by themselves. Partial derivatives are written down here once more, on
 * purpose: nothing of the engine's table is used. */
#ifndef RANDOM_JET_H
#define RANDOM_JET_H

#include "check.h"

enum { MOST_LEVEL = 3, PARTS = 1 << MOST_LEVEL };

typedef struct { double v, e; } num; /* a value, the bound of its error in units of rounding */
typedef struct { num part[PARTS]; } jet;

/* Of the precision at hand: rounding, what is too large or too small. */
static double unit, limit, tiny;

static void set_precision(int precision) {
  int single = precision != RK_FLOAT64;
  unit = single ? 0x1p-24 : 0x1p-53;
  limit = single ? 1e18 : 1e150;
  tiny = single ? 1e-36 / unit : 1e-300 / unit;
}

/* ---- operations component by component ---- */

typedef struct { const char *name; int operands, integers, logical; } operation;
enum { ADD, SUBTRACT, MULT, DIVIDE, MINUS, INV, SQUARE, POW, POWF, SQRT, RSQRT, EXP, EXPM1, LOG,
       LOG1P, XLOGX, SIN, COS, SINXDIVX, ASIN, ACOS, ATAN, SINH, COSH, TANH, ABS, SIGN, STEP, RELU,
       FLOOR, ROUND, CLAMPINT, DIFFCLAMPINT, ATAN2, CLAMP, MOD, IFELSE, WHERE, EQUAL, NOTEQUAL,
       LESS, LESSEQ, AND, OR, NOT, TAN, CEILING, TRUNC, EACHES };
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

/* An operation with its integers, and whether its test is of logical kind. */
typedef struct { int op, n, m, logical; } doing;

static double sign_of(double a) { return a > 0 ? 1 : a < 0 ? -1 : a == 0 ? 0 : a; }

static double plain(const doing *o, double a, double b, double c) {
  int n = o->n, m = o->m;
  switch (o->op) {
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
  case IFELSE: return (o->logical ? a != 0 : a >= 0) ? b : c;
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

/* What the engine's functions add of their own, beyond the rounding of their result. */
static double own_error(const doing *o, const double *at, double *roundings) {
  int op = o->op;
  int exact = op == SIGN || op == STEP || op == FLOOR || op == MINUS || op == ABS;
  *roundings = each[op].logical || exact   ? 0
               : op == POW                 ? 4 + 2 * abs(o->n)
               : op == POWF || op == TAN ? 16 : 4;
  if (op == MOD || op == ROUND) {
    *roundings = 8;
    return 4 * (fabs(at[0]) + fabs(at[1]) + fabs(at[2]));
  }
  if (op == SIN || op == COS || op == TAN) return fabs(at[0]) > 1e5 ? INFINITY : 2;
  if (op == ACOS || op == ASIN || op == ATAN2 || op == ATAN) return 4;
  return op == LOG || op == LOG1P || op == XLOGX || op == EXPM1 ? 1 : 0;
}

static num apply_value(const doing *o, const num *x);

/* 1 where an operation takes its operand k: a test of the others, with the bound of a test. */
static num choice(const doing *o, const num *x, int k) {
  num at[3] = {x[0], {k == 1, 0}, {k == 2, 0}}, out = apply_value(o, at);
  if (out.e < 1 / unit) out.e = 0;
  return out;
}

static int is_choice(int op) { return op == IFELSE || op == WHERE; }

/* Is operand k the branch that is certainly not taken? */
static int plays_no_part(const doing *o, const num *x, int k) {
  if (!is_choice(o->op) || k == 0) return 0;
  num taken = choice(o, x, k);
  return taken.v == 0 && taken.e == 0;
}

static num apply_value(const doing *o, const num *x) {
  double at[3], v, e = 0, roundings;
  int operands = each[o->op].operands;
  for (int k = 0; k < 3; k++) at[k] = k < operands ? x[k].v : 0;
  v = plain(o, at[0], at[1], at[2]);
  for (int k = 0; k < operands; k++) {
    double d = 2 * unit * x[k].e;
    if (d == 0) continue;
    if (d > 1e300 || !isfinite(x[k].v)) { /* nothing known, unless this operand plays no part */
      if (isinf(x[k].e) && !plays_no_part(o, x, k)) e = INFINITY;
      continue;
    }
    for (int s = -1; s <= 1; s += 2) {
      at[k] = x[k].v + s * d;
      double moved = apart(plain(o, at[0], at[1], at[2]), v) / (2 * unit);
      if (moved > e) e = moved;
    }
    at[k] = x[k].v;
    /* errors of several operands add up */
    if (k + 1 < operands) e *= 1.5;
  }
  e += own_error(o, at, &roundings);
  return rounded(v, e, roundings);
}

/* ---- sums and products, of numbers and of jets ---- */

static const num nothing = {0, 0};
static int is_nothing(num a) { return a.v == 0 && a.e == 0; }

/* Of parts of jets: an exact zero is one that the engine need not have computed, so that nothing
 * is known of its product with what is not finite. */
static num times(num a, num b) {
  if (is_nothing(a) || is_nothing(b))
    return isfinite(a.v) && isfinite(b.v) && isfinite(a.e) && isfinite(b.e) ? nothing
                                                                            : (num){0, INFINITY};
  double e = fabs(a.v) * b.e + fabs(b.v) * a.e + 2 * unit * a.e * b.e;
  num out = rounded(a.v * b.v, e, 4);
  if (!isfinite(out.v)) out.e = INFINITY;
  return out;
}

static num plus(num a, num b) {
  if (is_nothing(a)) return b;
  if (is_nothing(b)) return a;
  return rounded(a.v + b.v, a.e + b.e, 4);
}

static jet constant(double v) { return (jet){{{v, 0}}}; }

/* A zero that is no `nothing`: what depends on it depends on the variable, as far as the engine
 * knows, which may well multiply it by NaN. */
static const num counted_zero = {0, 1e-300};

static jet jet_times(jet a, jet b, int L) {
  jet out = {{{0, 0}}};
  out.part[0] = apply_value(&(doing){.op = MULT}, (num[]){a.part[0], b.part[0]});
  for (int s = 1; s < 1 << L; s++)
    for (int t = 0; t <= s; t++)
      if ((t & s) == t) out.part[s] = plus(out.part[s], times(a.part[t], b.part[s ^ t]));
  return out;
}

static int has_upper(const jet *x, int L) {
  for (int s = 1 << (L - 1); s < 1 << L; s++)
    if (!is_nothing(x->part[s])) return 1;
  return 0;
}

/* ---- partial derivatives, and operations on jets ---- */

static jet apply(const doing *o, const jet *x, int L);

static jet J1(int op, jet a, int L) { return apply(&(doing){.op = op}, &a, L); }
static jet J2(int op, jet a, jet b, int L) { return apply(&(doing){.op = op}, (jet[]){a, b}, L); }
static jet scaled(double s, jet a, int L) { return jet_times(constant(s), a, L); }
static jet power(jet a, int n, int L) { return apply(&(doing){.op = POW, .n = n}, &a, L); }

static jet sine_quotient_slope(jet a, int L) {
  if (a.part[0].v == 0 && a.part[0].e == 0) return constant(0);
  return J2(SUBTRACT, J2(DIVIDE, J1(COS, a, L), a, L),
            J2(DIVIDE, J1(SIN, a, L), J1(SQUARE, a, L), L), L);
}

static jet chosen(const doing *o, const jet *x, int k) {
  jet out = {{{0, 0}}};
  out.part[0] = choice(o, (num[]){x[0].part[0], nothing, nothing}, k);
  return out;
}

static jet clamp_slope(const jet *x, int k) {
  num a = x[0].part[0], b = x[1].part[0], c = x[2].part[0];
  num low = apply_value(&(doing){.op = LESS}, (num[]){a, b});
  num high = apply_value(&(doing){.op = LESS}, (num[]){c, a});
  jet out = constant(k == 0 ? !low.v && !high.v : k == 1 ? low.v : !low.v && high.v);
  out.part[0].e = low.e + (low.v ? 0 : high.e);
  return out;
}

/* Powers, and a log a, have the slope 0 at 0 where they are finite there and their slope is not. */
static jet power_slope(const jet *x, int k, int L) {
  jet a = x[0], b = x[1];
  double d = 8 * unit * b.part[0].e, n = b.part[0].v;
  if (a.part[0].v == 0 && a.part[0].e == 0) {
    if (fabs(n) < d || (k == 0 && fabs(n - 1) < d)) return scaled(INFINITY, b, L);
    if (n >= 0 && (k || n < 1)) return constant(0);
  }
  return k ? J2(MULT, J1(LOG, a, L), J2(POWF, a, b, L), L)
           : J2(MULT, b, J2(POWF, a, J2(SUBTRACT, b, constant(1), L), L), L);
}

/* d operation / d operand k. */
static jet partial(const doing *o, int k, const jet *x, int L) {
  jet a = x[0], b = each[o->op].operands > 1 ? x[1] : constant(0), one = constant(1);
  switch (o->op) {
  case ADD: return one;
  case SUBTRACT: return constant(k ? -1 : 1);
  case MULT: return k ? a : b;
  case DIVIDE:
    return k ? J1(MINUS, J2(MULT, a, J1(SQUARE, J1(INV, b, L), L), L), L) : J1(INV, b, L);
  case MINUS: return constant(-1);
  case INV: return J1(MINUS, J1(SQUARE, J1(INV, a, L), L), L);
  case SQUARE: return scaled(2, a, L);
  case POW: return o->n ? scaled(o->n, power(a, o->n - 1, L), L) : constant(0);
  case POWF: return power_slope(x, k, L);
  case SQRT: return scaled(0.5, J1(RSQRT, a, L), L);
  case RSQRT: return scaled(-0.5, power(J1(RSQRT, a, L), 3, L), L);
  case EXP: case EXPM1: return J1(EXP, a, L);
  case LOG: return J1(INV, a, L);
  case LOG1P: return J1(INV, J2(ADD, one, a, L), L);
  case XLOGX:
    return a.part[0].v == 0 && a.part[0].e == 0 ? constant(0) : J2(ADD, J1(LOG, a, L), one, L);
  case SIN: return J1(COS, a, L);
  case COS: return J1(MINUS, J1(SIN, a, L), L);
  case SINXDIVX: return sine_quotient_slope(a, L);
  case ASIN: case ACOS:
    return scaled(o->op == ASIN ? 1 : -1, J1(RSQRT, J2(SUBTRACT, one, J1(SQUARE, a, L), L), L), L);
  case ATAN: return J1(INV, J2(ADD, one, J1(SQUARE, a, L), L), L);
  case SINH: return J1(COSH, a, L);
  case COSH: return J1(SINH, a, L);
  case TANH: return J2(SUBTRACT, one, J1(SQUARE, J1(TANH, a, L), L), L);
  case TAN: return J2(ADD, one, J1(SQUARE, J1(TAN, a, L), L), L);
  case ABS: return J1(SIGN, a, L);
  case RELU: return J1(STEP, a, L);
  case CLAMPINT: return apply(&(doing){DIFFCLAMPINT, o->n, o->m, 0}, &a, L);
  case ATAN2: {
    jet size = J2(ADD, J1(SQUARE, a, L), J1(SQUARE, b, L), L);
    return J2(DIVIDE, k ? J1(MINUS, a, L) : b, size, L);
  }
  case CLAMP: return clamp_slope(x, k);
  case MOD: {
    if (k == 0) return one;
    if (k == 2) return constant(0);
    jet q = J2(DIVIDE, J2(SUBTRACT, a, x[2], L), b, L);
    return J1(MINUS, J1(FLOOR, q, L), L);
  }
  case IFELSE: case WHERE: return k ? chosen(o, x, k) : constant(0);
  }
  return constant(0); /* steps and comparisons */
}

/* Pairs at which a slope was not finite, or unknown: the engine may give NaN for anything that goes
 * through there, since zero times that is NaN. Not where it is behind a branch that is not taken:
 * that gives 0, whatever the slopes are. singular_now: one was singular since this was set to 0. */
enum { MAX_PAIRS = 1600 };
static char singular_at[MAX_PAIRS], singular_now;

static void note_slope(const jet *p, int L) {
  for (int s = 0; s < 1 << L; s++)
    if (!isfinite(p->part[s].v) || isinf(p->part[s].e)) singular_now = 1;
}

/* Is the operation its operand k in some places, and certainly not here? */
static int is_not_taken(const doing *o, int k, const jet *x) {
  int selects = is_choice(o->op) ? k > 0 : o->op == RELU || o->op == CLAMP || o->op == CLAMPINT;
  return selects && is_nothing(partial(o, k, x, 0).part[0]);
}

static num slope_times(num slope, num tangent, int part) {
  num out = times(slope, tangent);
  return part == 0 && !is_nothing(tangent) && is_nothing(out) ? counted_zero : out;
}

/* f(a + d e) = f(a) + f'(a) d e, where a, d and e are of the level below. */
static jet apply(const doing *o, const jet *x, int L) {
  jet out = {{{0, 0}}};
  int operands = each[o->op].operands;
  if (L == 0) {
    num value[3] = {nothing, nothing, nothing};
    for (int k = 0; k < operands; k++) value[k] = x[k].part[0];
    out.part[0] = apply_value(o, value);
    return out;
  }
  int half = 1 << (L - 1);
  out = apply(o, x, L - 1);
  for (int k = 0; k < operands; k++) {
    if (!has_upper(&x[k], L)) continue;
    if (is_not_taken(o, k, x)) {
      for (int s = half; s < 2 * half; s++)
        if (!is_nothing(x[k].part[s])) out.part[s] = plus(out.part[s], counted_zero);
      continue;
    }
    jet p = partial(o, k, x, L - 1);
    note_slope(&p, L - 1);
    for (int s = 0; s < half; s++)
      for (int t = 0; t <= s; t++)
        if ((t & s) == t) {
          num product = slope_times(p.part[t], x[k].part[half + (s ^ t)], t);
          out.part[half + s] = plus(out.part[half + s], product);
        }
  }
  return out;
}

#endif
