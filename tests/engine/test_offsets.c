/* In float64 nothing is lost to large offsets: kernels of differences against long double, for
 * coordinates far from 0 and in two clusters far from each other. A factor or a centre that acts on
 * coordinates before they are subtracted shows at once: 1e12 has 53 bits down to 1e-4.
 *
 * Bounds. With u = 2^-53, a difference of the given numbers is rounded once at most, a squared
 * distance s then has a relative error of (D + 2) u, an exponent (two more factors) of (D + 4) u,
 * so that e^-s is within (s (D + 4) + 4) u of the truth; a sum of M terms adds M u times the sum of
 * their sizes. */
#include "check.h"

enum { N = 20, M = 40, D = 2 };

static const double u = 0x1p-53;

typedef struct { double x[D * N], y[D * M], b[M], e[N]; } points;

/* A value, and what it may be wrong by. */
typedef struct { long double sum, error; } bounded;

static long double difference(const points *p, int i, int j, int d) {
  return (long double)p->x[d * N + i] - (long double)p->y[d * M + j];
}

static long double squares(const points *p, int i, int j) {
  long double s = 0;
  for (int d = 0; d < D; d++) s += difference(p, i, j, d) * difference(p, i, j, d);
  return s;
}

/* The term of a pair, e^-exponent times something, and an error that does not scale with it. */
typedef struct { long double term, exponent, more; } term;
typedef term (*pair)(const points *p, int i, int j, int k);

static bounded row_of(const points *p, int i, int k, pair of) {
  bounded row = {0, 0};
  for (int j = 0; j < M; j++) {
    term t = of(p, i, j, k);
    row.sum += t.term;
    row.error += (fabsl(t.term) * (t.exponent * (D + 4) + 12 + M) + t.more) * u;
  }
  return row;
}

/* ---- what is computed ---- */

static term scaled(const points *p, int i, int j, long double scale) {
  long double s = squares(p, i, j) * scale;
  return (term){expl(-s) * p->b[j], s, 0};
}
static term plain(const points *p, int i, int j, int k) { return (void)k, scaled(p, i, j, 1); }
static term ninth(const points *p, int i, int j, int k) { return (void)k, scaled(p, i, j, 1 / 9.0L); }
static term parameter(const points *p, int i, int j, int k) {
  return (void)k, scaled(p, i, j, 0.75L);
}

static term weight(const points *p, int i, int j, int k) {
  long double s = squares(p, i, j);
  (void)k;
  return (term){expl(-s), s, 0};
}

static term laplace(const points *p, int i, int j, int k) {
  long double s = sqrtl(squares(p, i, j));
  (void)k;
  return (term){expl(-s) * p->b[j], s, 0};
}

static term one_dimension(const points *p, int i, int j, int k) {
  long double s = difference(p, i, j, 0) * difference(p, i, j, 0) * 3;
  (void)k;
  return (term){expl(-s) * p->b[j], s, 0};
}

static term matrix(const points *p, int i, int j, int k) {
  long double a = difference(p, i, j, 0), b = difference(p, i, j, 1);
  (void)k;
  return (term){expl(-(2 * a * a + a * b + b * b)) * p->b[j], 2 * a * a + fabsl(a * b) + b * b, 0};
}

static term cauchy(const points *p, int i, int j, int k) {
  (void)k;
  return (term){powl(1 + squares(p, i, j), -0.75L) * p->b[j], 1, 0};
}

/* What is near 0 has an error, too. */
static term wave(const points *p, int i, int j, int k) {
  long double s = squares(p, i, j), turn = difference(p, i, j, 0), size = expl(-s);
  return (term){size * (k ? sinl(turn) : cosl(turn)), s, size * (s + fabsl(turn) + 4) * 8};
}

static term slope(const points *p, int i, int j, int k) {
  long double s = squares(p, i, j);
  return (term){-2 * difference(p, i, j, k) * expl(-s) * p->b[j] * p->e[i], s, 0};
}

/* What is made of the sums of a row. */
static bounded logarithm(const points *p, int i, bounded row) {
  long double value = logl(row.sum);
  (void)p, (void)i;
  return (bounded){value, row.error / row.sum + (fabsl(value) + 1) * 8 * u};
}

static bounded mean(const points *p, int i, bounded row) {
  bounded all = row_of(p, i, 0, weight);
  long double value = row.sum / all.sum;
  return (bounded){value, row.error / all.sum + fabsl(value) * (all.error / all.sum + 4 * u)};
}

typedef struct {
  const char *text;
  int dim;
  pair of;
  bounded (*finish)(const points *p, int i, bounded row); /* NULL: it is the sum */
} kernel;

static const kernel kernels[] = {
  {"Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 1, plain, NULL},
  {"Sum_Reduction(Exp(-SqDist(x,y)/9)*b, j)", 1, ninth, NULL},
  {"Sum_Reduction(Exp(-p*SqDist(x,y))*b, j)", 1, parameter, NULL},
  {"Sum_Reduction(Exp(-Norm2(x-y))*b, j)", 1, laplace, NULL},
  {"Sum_Reduction(Exp(-3*Square(Elem(x,0)-Elem(y,0)))*b, j)", 1, one_dimension, NULL},
  {"Sum_Reduction(Exp(-WeightedSqDist(w,x,y))*b, j)", 1, matrix, NULL},
  {"Sum_Reduction(Powf(1+SqDist(x,y),-0.75)*b, j)", 1, cauchy, NULL},
  {"Sum_Reduction(ComplexExp(Complex(-SqDist(x,y),Elem(x,0)-Elem(y,0))), j)", 2, wave, NULL},
  {"Grad(Sum_Reduction(Exp(-SqDist(x,y))*b, j), x, e)", D, slope, NULL},
  {"LogSumExp_Reduction(-SqDist(x,y), j)", 1, weight, logarithm},
  {"SumSoftMaxWeight_Reduction(-SqDist(x,y), b, j)", 1, plain, mean}};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static const char *const declarations[] = {"x=Vi(2)", "y=Vj(2)", "b=Vj(1)", "e=Vi(1)", "p=Pm(1)",
                                           "w=Pm(4)"};

/* ---- data ---- */

/* Coordinates in [0, 1) beside one of two places; multiples of 1/256, or of what doubles hold. */
static double coordinate(int k, const double place[2], int dyadic) {
  double value = uniform();
  return (dyadic ? floor(value * 256) / 256 : value) + place[k % 2];
}

static void draw(points *p, const double place[2], int dyadic) {
  for (int k = 0; k < D * N; k++) p->x[k] = coordinate(k, place, dyadic);
  for (int k = 0; k < D * M; k++) p->y[k] = coordinate(k, place, dyadic);
  for (int k = 0; k < M; k++) p->b[k] = 0.5 + uniform();
  for (int k = 0; k < N; k++) p->e[k] = 0.5 + uniform();
}

/* The largest error in units of what it may be. */
static double worst(rk_program *program, const kernel *kernel, const points *p) {
  static const double factor = 0.75, weights[] = {2, 0.5, 0.5, 1};
  const rk_array inputs[] = {columns_of(p->x, N, D), columns_of(p->y, M, D), columns_of(p->b, M, 1),
                             columns_of(p->e, N, 1), columns_of(&factor, 1, 1),
                             columns_of(weights, 1, 4)};
  double out[N * D], largest = 0;
  rk_error error;
  if (run_values(program, inputs, 6, out, &error)) return INFINITY;
  for (int i = 0; i < N; i++)
    for (int k = 0; k < kernel->dim; k++) {
      bounded row = row_of(p, i, k, kernel->of);
      if (kernel->finish) row = kernel->finish(p, i, row);
      double off = (double)(fabsl(out[k * N + i] - row.sum) / row.error);
      if (!(off <= largest)) largest = off;
    }
  return largest;
}

static void test_places(rk_program *const *program, const double place[2]) {
  points p;
  for (int dyadic = 0; dyadic < 2; dyadic++) {
    draw(&p, place, dyadic);
    for (int k = 0; k < KERNELS; k++) {
      double off = program[k] ? worst(program[k], &kernels[k], &p) : INFINITY;
      if (!CHECK(off <= 1, kernels[k].text))
        printf("  places %g, %g: %g times the bound\n", place[0], place[1], off);
    }
  }
}

int main(void) {
  static const double places[][2] = {{0, 0},      {4.5e6, 4.5e6}, {1e8, 1e8},
                                     {1e12, 1e12}, {-1e8, 1e8},    {0, 4.5e6}};
  rk_program *program[KERNELS];
  rk_error error;
  check_configure();
  for (int k = 0; k < KERNELS; k++)
    program[k] = program_of(kernels[k].text, declarations, 6, RK_FLOAT64);
  CHECK(rk_build_many(program, KERNELS, NULL, NULL, &error) == RK_OK, "kernels are built");
  for (size_t k = 0; k < sizeof places / sizeof *places; k++) test_places(program, places[k]);
  return check_end();
}
