/* Mistakes in kernels that the engine emitted: mutants/emitted.txt says which, and who must see
 * them. Each run is a process of its own: test_mutants FORMULA, RKEOPS_STANDIN_EDIT being set. */
#include "check.h"
#include "mutants.h"

typedef struct {
  const char *name, *text;
  int dim, width;            /* of x and y, of b */
  double (*value)(const double *x, const double *y, const double *b, int m, int n, int i, int j,
                  int c);    /* of a pair, component c */
  int nearest;               /* the position of the smallest, rather than a sum */
} formula;

static double square_distance(const double *x, const double *y, int m, int n, int i, int j,
                              int dim) {
  double sum = 0;
  for (int k = 0; k < dim; k++) {
    double d = x[i + k * m] - y[j + k * n];
    sum += d * d;
  }
  return sum;
}

static double gaussian(const double *x, const double *y, const double *b, int m, int n, int i,
                       int j, int c) {
  return exp(-square_distance(x, y, m, n, i, j, 3)) * b[j + c * n];
}

static double wide(const double *x, const double *y, const double *b, int m, int n, int i, int j,
                   int c) {
  return exp(-square_distance(x, y, m, n, i, j, 100)) * b[j + c * n];
}

static double distance(const double *x, const double *y, const double *b, int m, int n, int i,
                       int j, int c) {
  (void)b, (void)c;
  return square_distance(x, y, m, n, i, j, 3);
}

static const formula formulas[] = {
  {"gaussian", "Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 3, 2, gaussian, 0},
  {"nearest", "ArgMin_Reduction(SqDist(x,y) + 0*Sum(b), j)", 3, 2, distance, 1},
  {"wide", "Sum_Reduction(Exp(-SqDist(x,y))*b, j)", 100, 130, wide, 0}};
enum { FORMULAS = sizeof formulas / sizeof *formulas };

/* ---- one run --------------------------------------------------------------------------------- */

static double expected(const formula *f, const double *x, const double *y, const double *b, int m,
                       int n, int i, int c) {
  double sum = 0, least = INFINITY;
  int position = -1;
  for (int j = 0; j < n; j++) {
    double value = f->value(x, y, b, m, n, i, j, c);
    sum += value;
    if (value < least) position = j, least = value;
  }
  return f->nearest ? position : sum;
}

static int status_of(rk_status status, const char *message) {
  if (status) printf("%s\n", message);
  if (status != RK_ERROR_COMPILE) return FAULT;
  return strstr(message, "uninitialized") ? FAULT : NOT_EDITABLE;
}

static int run_size(const formula *f, rk_program *program, int m, int n) {
  double *x = random_numbers((long)f->dim * m, 0, 3 / sqrt(f->dim));
  double *y = random_numbers((long)f->dim * n, 0, 3 / sqrt(f->dim));
  double *b = random_numbers((long)f->width * n, 0, 1);
  int columns = f->nearest ? 1 : f->width, wrong = 0;
  double *out = random_numbers((long)columns * m, -1e9, 1e9);
  rk_array inputs[] = {columns_of(x, m, f->dim), columns_of(y, n, f->dim),
                       columns_of(b, n, f->width)};
  rk_error error;
  rk_status status = run_values(program, inputs, 3, out, &error);
  for (int i = 0; i < m && !status; i += m > 100 ? 3 : 1)
    for (int c = 0; c < columns; c++) {
      double want = expected(f, x, y, b, m, n, i, c);
      wrong += !(fabs(out[i + c * m] - want) <= 1e-4 * fabs(want) + (f->nearest ? 0 : 1e-5));
    }
  free(x);
  free(y);
  free(b);
  free(out);
  return status ? status_of(status, error.message) : wrong ? WRONG : RIGHT;
}

/* A cache of its own: the engine does not know of the edit. */
static void configure(void) {
  static char folder[600];
  const char *cache = getenv("RKEOPS_CACHE");
  snprintf(folder, sizeof folder, "%s-%ld", cache ? cache : "/tmp/rkeops-mutants", (long)getpid());
  setenv("RKEOPS_CACHE", folder, 1);
  setenv("RKEOPS_TEST_DEVICE", "0", 1);
  check_configure();
}

static int child(const char *name) {
  const formula *f = formulas;
  char declaration[3][16];
  while (f < formulas + FORMULAS && strcmp(f->name, name)) f++;
  if (f == formulas + FORMULAS) return NOT_EDITABLE;
  configure();
  snprintf(declaration[0], 16, "x=Vi(%d)", f->dim);
  snprintf(declaration[1], 16, "y=Vj(%d)", f->dim);
  snprintf(declaration[2], 16, "b=Vj(%d)", f->width);
  const char *declarations[] = {declaration[0], declaration[1], declaration[2]};
  rk_program *program = program_of(f->text, declarations, 3, RK_FLOAT32);
  if (!program) return FAULT;
  int status = run_size(f, program, f->dim > 3 ? 130 : 530, 301);
  if (!status) status = run_size(f, program, 3, 1500); /* columns split over blocks */
  rk_forget();
  rk_error error;
  rk_cache_clear(&error);
  return status;
}

int main(int n, char **argument) {
  if (n > 1) return child(argument[1]);
  for (int k = 0; k < FORMULAS; k++) test_right(argument[0], formulas[k].name);
  test_mutants(argument[0], "emitted.txt");
  return check_end();
}
