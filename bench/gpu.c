/* rkeops on a GPU, measured: see bench/gpu.sh, which builds and calls this.
 *
 *   gpu device                       the device in words
 *   gpu cases                        what is measured, one case a line, for bench/gpu_peers.py and
 *                                    bench/gpu.R
 *   gpu case KEY PRECISION FOLDER    measures one and compares some rows with loops in double; a
 *                                    line "case ...", and the first rows of the result in
 *                                    FOLDER/KEY-PRECISION
 *   gpu memory                       lines "other ...": budgets of memory, inputs on the GPU
 *   gpu warm                         a line "other ...": a call that has little to compute
 *   gpu start CACHE                  seconds in this fresh process: driver, first call, next call
 *
 * Fields are separated by tabs. The kernel's time is that of the device's clock (rk_gpu_seconds),
 * the whole call's begins and ends with matrices of doubles in host memory; of both the best of
 * several is printed. Data are a hash of their place, so that peers have the same.
 *
 * The bound of a case is the time that the device needs at its highest clock for the least that has
 * to be done for a pair: float32 operations and special functions (16 a clock and multiprocessor),
 * both together at most 128 a clock, or float64 operations. Squared distances: D differences and D
 * multiply-adds, from D = 64 on D multiply-adds, as of a matrix product; what is added to them (the
 * 1 of the Cauchy kernel, the largest exponent of a log-sum-exp) is where the first one starts.
 *
 * RKEOPS_BENCH_DIVIDE=1000 divides all sizes, to try the program where there is no GPU. */
#include "engine.h"

#include "cuda/device.h"
#include "cuda/nvrtc.h"
#include "os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_ROWS = 16, EXP_64 = 16, ROOT_64 = 12 };

/* ---- cases ---- */

typedef struct {
  const char *key, *task, *text;
  int precision;
  double m, n;                 /* rows of x and of y */
  int D, columns, out;         /* of points, of b, of the result */
  int flops, special, roots;   /* for a pair, besides the squared distance */
  double goal;                 /* of the kernel: seconds; negative: share of the bound; 0: none */
  double keops, torch;         /* the same: so many times as fast as they are */
} bench_case;

#define GAUSS "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"
#define GRADIENT "Grad(" GAUSS ", x, e)"
#define LAPLACE "Sum_Reduction(Exp(-Norm2(x-y))*b, j)"
#define CAUCHY "Sum_Reduction(b/(IntCst(1)+SqDist(x,y)), j)"
#define LOGSUMEXP "LogSumExp_Reduction(-SqDist(x,y), j)"
#define NEAREST "ArgKMin_Reduction(SqDist(x,y), 10, j)"

#define POINTS(key, n) \
  {key, "Gaussian product, D = 3", GAUSS, RK_FLOAT32, n, n, 3, 1, 1, 1, 1, 0, 0, 0, 0}
#define WIDTH(key, D) \
  {key, "Gaussian product, D = " #D, GAUSS, RK_FLOAT32, 1e5, 1e5, D, 1, 1, 1, 1, 0, 0, 0, 0}

/* First what has a goal, then time against N and against D, then float64. */
static const bench_case cases[] = {
  {"gauss", "Gaussian product, D = 3", GAUSS, RK_FLOAT32, 1e6, 1e6, 3, 1, 1, 1, 1, 0, 0.28, 2, 0},
  {"gradient", "its gradient, D = 3", GRADIENT, RK_FLOAT32, 1e6, 1e6, 3, 1, 3, 4, 1, 0, 0.42, 2, 0},
  {"laplace", "Laplacian product, D = 3", LAPLACE, RK_FLOAT32, 1e6, 1e6, 3, 1, 1, 2, 1, 1, -0.75,
   0, 0},
  {"cauchy", "Cauchy product, D = 3", CAUCHY, RK_FLOAT32, 1e6, 1e6, 3, 1, 1, 1, 1, 0, -0.75, 0, 0},
  {"logsumexp", "log-sum-exp, D = 3", LOGSUMEXP, RK_FLOAT32, 1e6, 1e6, 3, 1, 1, 1, 1, 0, 0.35, 0,
   0},
  {"nearest", "argKmin, K = 10, D = 3", NEAREST, RK_FLOAT32, 1e6, 1e6, 3, 1, 10, 1, 0, 0, 0.4, 2,
   0},
  {"columns", "Gaussian product, D = 15, 15 columns", GAUSS, RK_FLOAT32, 1e5, 1e5, 15, 15, 15, 15,
   1, 0, -0.6, 0, 0},
  {"D64", "Gaussian product, D = 64", GAUSS, RK_FLOAT32, 1e5, 1e5, 64, 1, 1, 1, 1, 0, -0.6, 0, 0},
  {"D100", "Gaussian product, D = 100", GAUSS, RK_FLOAT32, 1e5, 1e5, 100, 1, 1, 1, 1, 0, -0.6, 3,
   0},
  {"D784", "Gaussian product, D = 784", GAUSS, RK_FLOAT32, 1e5, 1e5, 784, 1, 1, 1, 1, 0, -0.6, 0,
   0},
  {"nearest-D100", "argKmin, K = 10, D = 100", NEAREST, RK_FLOAT32, 1e4, 1e6, 100, 1, 10, 1, 0, 0,
   -0.5, 0, 1},
  {"gauss", "Gaussian product, D = 3", GAUSS, RK_FLOAT64, 2e5, 2e5, 3, 1, 1, 1, 1, 0, -0.6, 0, 0},
  POINTS("N1000", 1e3), POINTS("N3000", 3e3), POINTS("N10000", 1e4), POINTS("N30000", 3e4),
  POINTS("N100000", 1e5), POINTS("N300000", 3e5),
  WIDTH("D10", 10), WIDTH("D15", 15), WIDTH("D32", 32), WIDTH("D200", 200),
  WIDTH("D500", 500), WIDTH("D1000", 1000),
  {"gradient", "gradient of the Gaussian product, D = 3", GRADIENT, RK_FLOAT64, 1e5, 1e5, 3, 1, 3,
   4, 1, 0, 0, 0, 0},
  {"laplace", "Laplacian product, D = 3", LAPLACE, RK_FLOAT64, 1e5, 1e5, 3, 1, 1, 2, 1, 1, 0, 0, 0},
  {"logsumexp", "log-sum-exp, D = 3", LOGSUMEXP, RK_FLOAT64, 1e5, 1e5, 3, 1, 1, 1, 1, 0, 0, 0, 0},
  {"nearest", "argKmin, K = 10, D = 3", NEAREST, RK_FLOAT64, 1e5, 1e5, 3, 1, 10, 1, 0, 0, 0, 0, 0},
  {"columns", "Gaussian product, D = 15, 15 columns", GAUSS, RK_FLOAT64, 5e4, 5e4, 15, 15, 15, 15,
   1, 0, 0, 0, 0},
  {"D100", "Gaussian product, D = 100", GAUSS, RK_FLOAT64, 3e4, 3e4, 100, 1, 1, 1, 1, 0, 0, 0, 0}};
enum { CASES = sizeof cases / sizeof *cases };
static const char *const precision_name[] = {"float32", "float64"};

static int64_t rows_of(double n) {
  const char *divide = getenv("RKEOPS_BENCH_DIVIDE");
  int64_t rows = (int64_t)(n / (divide ? atof(divide) : 1));
  return rows < SAMPLE_ROWS ? SAMPLE_ROWS : rows;
}

/* Seconds of all pairs. */
static double bound_of(const bench_case *c) {
  const rk_device_limits *l = rk_device_limits_of(rk_device_at(0));
  int few = (l->major == 7 || (l->major == 8 && l->minor == 0) || (l->major == 6 && !l->minor));
  double lanes = few ? 64 : 128, clocks, pairs = (double)rows_of(c->m) * (double)rows_of(c->n);
  double flops = c->flops + (c->D < 64 ? 2 : 1) * c->D;
  if (c->precision == RK_FLOAT32) {
    double special = c->special + c->roots;
    clocks = fmax(fmax(flops / lanes, (flops + special) / 128), special / 16);
  } else {
    flops += EXP_64 * c->special + ROOT_64 * c->roots;
    clocks = flops / (lanes / (l->double_ratio > 0 ? l->double_ratio : 2));
  }
  return clocks * pairs / (l->multiprocessors * (l->clock * 1e3));
}

/* ---- data ---- */

/* Uniform in [0, 1), of place k of array `which`. */
static double number_at(uint64_t k, uint64_t which) {
  uint64_t z = (k + (which << 40) + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Points of mean squared distance 4.5, and weights in [-1, 1); row-major places, as peers store. */
static double *make_array(int64_t rows, int dim, int which, double width) {
  double *x = malloc((size_t)rows * (size_t)dim * sizeof *x);
  for (int d = 0; x && d < dim; d++)
    for (int64_t r = 0; r < rows; r++)
      x[r + d * rows] = width * (number_at((uint64_t)(r * dim + d), (uint64_t)which) - 0.5);
  return x;
}

enum { X, Y, B, E, INPUTS };

typedef struct {
  double *data[INPUTS], *out;
  rk_array input[INPUTS];
  rk_program *program;
} prepared;

static void release(prepared *p) {
  for (int k = 0; k < INPUTS; k++) free(p->data[k]);
  free(p->out);
}

static rk_status program_of(const bench_case *c, rk_program **program, rk_error *error) {
  char declaration[INPUTS][24];
  const char *declarations[INPUTS];
  const int dim[] = {c->D, c->D, c->columns, c->columns};
  rk_options options = {.precision = (rk_precision)c->precision};
  for (int k = 0; k < INPUTS; k++) {
    snprintf(declaration[k], sizeof declaration[k], "%c=V%c(%d)", "xybe"[k], "ijji"[k], dim[k]);
    declarations[k] = declaration[k];
  }
  return rk_program_get(c->text, declarations, INPUTS, &options, program, error);
}

static rk_status prepare(const bench_case *c, prepared *p, rk_error *error) {
  int64_t m = rows_of(c->m), n = rows_of(c->n);
  const int64_t rows[] = {m, n, n, m};
  const int dim[] = {c->D, c->D, c->columns, c->columns};
  double width = 3 / sqrt(c->D / 3.0);
  *p = (prepared){.out = malloc((size_t)m * (size_t)c->out * sizeof(double))};
  int missing = !p->out;
  for (int k = 0; k < INPUTS; k++) {
    p->data[k] = make_array(rows[k], dim[k], k, k < B ? width : 2);
    p->input[k] = (rk_array){.data = p->data[k], .rows = rows[k], .dim = dim[k], .row_stride = 1,
                             .component_stride = rows[k]};
    missing |= !p->data[k];
  }
  if (missing) {
    snprintf(error->message, sizeof error->message, "no memory");
    return RK_ERROR_MEMORY;
  }
  return program_of(c, &p->program, error);
}

static rk_status call(const prepared *p, rk_error *error) {
  rk_output output = {.type = RK_OUT_DOUBLE, .data = p->out, .none_double = -1};
  return rk_run(p->program, p->input, INPUTS, &output, NULL, NULL, error);
}

/* ---- measuring ---- */

enum { LEAST = 3, MOST = 1000 };
#define SECONDS 0.7

typedef struct { double kernel, call, median; } timing;

static int smaller(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* A first call, which may compile, then others for SECONDS, at least LEAST. */
static rk_status measure(const prepared *p, timing *t, rk_error *error) {
  static double calls[MOST];
  rk_status status = call(p, error);
  double begun = rk_os_seconds();
  int n = 0;
  *t = (timing){.kernel = INFINITY};
  while (!status && n < MOST && (n < LEAST || rk_os_seconds() - begun < SECONDS)) {
    double start = rk_os_seconds();
    status = call(p, error);
    calls[n++] = rk_os_seconds() - start;
    t->kernel = fmin(t->kernel, rk_gpu_seconds());
  }
  qsort(calls, (size_t)n, sizeof *calls, smaller);
  t->call = calls[0];
  t->median = calls[n / 2];
  return status;
}

static void keep_sample(const char *folder, const bench_case *c, const double *out) {
  char path[600];
  snprintf(path, sizeof path, "%s/%s-%s", folder, c->key, precision_name[c->precision]);
  FILE *file = fopen(path, "wb");
  for (int r = 0; file && r < SAMPLE_ROWS; r++)
    for (int k = 0; k < c->out; k++) fwrite(&out[r + k * rows_of(c->m)], sizeof *out, 1, file);
  if (file) fclose(file);
}

/* ---- right first ---- */

enum { NEAREST_K = 10 };

typedef struct { double error, allowed; } accuracy;

/* The squared distances of row i to all columns. */
static void distances_of(const bench_case *c, const prepared *p, int64_t i, double *d2) {
  int64_t m = rows_of(c->m), n = rows_of(c->n);
  memset(d2, 0, (size_t)n * sizeof *d2);
  for (int d = 0; d < c->D; d++) {
    const double x = p->data[X][i + d * m], *y = p->data[Y] + d * n;
    for (int64_t j = 0; j < n; j++) d2[j] += (x - y[j]) * (x - y[j]);
  }
}

/* Largest difference of a row of sums, relative to the sums of absolute values. */
static double error_of_sums(const bench_case *c, const prepared *p, int64_t i, const double *d2) {
  int64_t m = rows_of(c->m), n = rows_of(c->n);
  int is_gradient = !strcmp(c->text, GRADIENT);
  double worst = 0;
  for (int k = 0; k < c->out; k++) {
    double sum = 0, size = 0;
    for (int64_t j = 0; j < n; j++) {
      double term = !strcmp(c->text, CAUCHY) ? 1 / (1 + d2[j])
                    : exp(!strcmp(c->text, LAPLACE) ? -sqrt(d2[j]) : -d2[j]);
      if (is_gradient)
        term *= -2 * p->data[B][j] * p->data[E][i] *
                (p->data[X][i + k * m] - p->data[Y][j + k * n]);
      else term *= p->data[B][j + k * n];
      sum += term;
      size += fabs(term);
    }
    worst = fmax(worst, fabs(p->out[i + k * m] - sum) / size);
  }
  return worst;
}

static double error_of_logsumexp(double got, const double *d2, int64_t n) {
  double least = INFINITY, sum = 0;
  for (int64_t j = 0; j < n; j++) least = fmin(least, d2[j]);
  for (int64_t j = 0; j < n; j++) sum += exp(least - d2[j]);
  double value = log(sum) - least;
  return fabs(got - value) / (1 + fabs(value));
}

/* Of distances, since positions may differ where those are equal but for rounding. */
static double error_of_nearest(const double *got, int64_t ld, const double *d2, int64_t n) {
  double best[NEAREST_K], worst = 0;
  for (int k = 0; k < NEAREST_K; k++) best[k] = INFINITY;
  for (int64_t j = 0; j < n; j++) {
    int k = NEAREST_K - 1;
    if (!(d2[j] < best[k])) continue;
    for (; k > 0 && d2[j] < best[k - 1]; k--) best[k] = best[k - 1];
    best[k] = d2[j];
  }
  for (int k = 0; k < NEAREST_K; k++) {
    double at = got[k * ld];
    worst = fmax(worst, at >= 0 && at < (double)n ? fabs(d2[(int64_t)at] - best[k]) : INFINITY);
  }
  return worst;
}

/* Of some rows, from the first to the last, beside loops in double. Coordinates are below w/2 with
 * w^2 D = 27, so that a squared distance is below 27 and, of inputs that were rounded, wrong by
 * less than 54 + (D + 4) 27 roundings; short sums of 64 terms and elementary functions add some. */
static accuracy check(const bench_case *c, const prepared *p) {
  int64_t m = rows_of(c->m), n = rows_of(c->n);
  double eps = c->precision == RK_FLOAT32 ? 0x1p-24 : 0x1p-53, worst = 0;
  double sums = c->precision == RK_FLOAT32 ? 64 : (double)n / 64;
#pragma omp parallel for reduction(max : worst)
  for (int r = 0; r < SAMPLE_ROWS; r++) {
    int64_t i = (m - 1) * r / (SAMPLE_ROWS - 1);
    double *d2 = malloc((size_t)n * sizeof *d2), error = INFINITY;
    if (d2) {
      distances_of(c, p, i, d2);
      if (!strcmp(c->text, NEAREST)) error = error_of_nearest(p->out + i, m, d2, n);
      else if (!strcmp(c->text, LOGSUMEXP)) error = error_of_logsumexp(p->out[i], d2, n);
      else error = error_of_sums(c, p, i, d2);
    }
    worst = error <= worst ? worst : error; /* NaN is an error, too */
    free(d2);
  }
  return (accuracy){worst, 2 * eps * (54 + 27 * (c->D + 4) + 32 + sums)};
}

static int complain(const char *what, const rk_error *error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return 1;
}

static int run_case(const bench_case *c, const char *folder) {
  rk_error error = {0};
  prepared p;
  timing t;
  rk_status status = prepare(c, &p, &error);
  if (!status) status = measure(&p, &t, &error);
  int is_wrong = 0;
  if (!status) {
    accuracy a = check(c, &p);
    double bound = bound_of(c), goal = c->goal < 0 ? -bound / c->goal : c->goal;
    keep_sample(folder, c, p.out);
    printf("case\t%s\t%s\t%s\t%lld\t%lld\t%d\t", c->key, precision_name[c->precision], c->task,
           (long long)rows_of(c->m), (long long)rows_of(c->n), c->D);
    printf("%.9g\t%.9g\t%.9g\t%.9g\t%.9g\t%g\t%g\t%.1e\t%.1e\n", t.kernel, t.call, t.median,
           bound, goal, c->keops, c->torch, a.error, a.allowed);
    is_wrong = !(a.error <= a.allowed);
    if (is_wrong)
      fprintf(stderr, "%s, %s: WRONG by %g, allowed %g\n", c->key, precision_name[c->precision],
              a.error, a.allowed);
  }
  release(&p);
  return status ? complain(c->task, &error) : is_wrong;
}

/* ---- memory: budgets and residents ---- */

/* A goal is text; what it is, is said by the caller: met is 1, 0, or -1 where there is none. */
static void say(const char *what, double best, double other, const char *unit, const char *goal,
                int met) {
  printf("other\t%s\t%.9g\t%.9g\t%s\t%s\t%s\n", what, best, other, unit, goal,
         met < 0 ? "" : met ? "met" : "not met");
  fflush(stdout);
}

static rk_status with_residents(prepared *p, rk_precision precision, timing *t,
                                rk_error *error) {
  rk_resident *resident[INPUTS] = {NULL};
  rk_array given[INPUTS];
  rk_status status = RK_OK;
  memcpy(given, p->input, sizeof given);
  for (int k = 0; k < INPUTS && !status; k++) {
    status = rk_resident_new(&given[k], precision, &resident[k], NULL, NULL, error);
    if (!status) p->input[k] = rk_resident_array(resident[k]);
  }
  if (!status) status = measure(p, t, error);
  for (int k = 0; k < INPUTS; k++) rk_resident_free(resident[k]);
  memcpy(p->input, given, sizeof given);
  return status;
}

/* Bytes 0: as much as there is. */
static rk_status with_budget(prepared *p, int64_t bytes, timing *t, rk_error *error) {
  rk_settings settings = {.gpu_memory = bytes};
  rk_status status = rk_configure(&settings, error);
  if (!status) status = measure(p, t, error);
  settings.gpu_memory = 0;
  rk_configure(&settings, error);
  return status;
}

/* Budgets in millions of bytes: the first is the goal's, the last ones force streaming for sure. */
static int run_memory(void) {
  static const int budget[] = {64, 16, 4};
  const char *divide = getenv("RKEOPS_BENCH_DIVIDE");
  rk_error error = {0};
  prepared p;
  timing resident, t;
  rk_status status = prepare(&cases[0], &p, &error);
  if (!status) status = with_budget(&p, 0, &t, &error);
  if (!status) say("whole call, inputs in host memory", t.call, t.kernel, "kernel", "", -1);
  if (!status) status = with_residents(&p, (rk_precision)cases[0].precision, &resident, &error);
  if (!status)
    say("whole call, inputs kept on the GPU", resident.call, resident.kernel, "kernel", "", -1);
  for (int k = 0; k < 3 && !status; k++) {
    char what[80], goal[80];
    double bytes = budget[k] * 1e6 / (divide ? atof(divide) : 1);
    status = with_budget(&p, (int64_t)fmax(bytes, 60000), &t, &error);
    snprintf(what, sizeof what, "inputs in host memory, gpu_memory %d MB", budget[k]);
    snprintf(goal, sizeof goal, "%.2f x inputs on the GPU%s", t.call / resident.call,
             k ? "" : " (1.2)");
    if (!status)
      say(what, t.call, t.kernel, "kernel", goal, k ? -1 : t.call <= 1.2 * resident.call);
  }
  release(&p);
  return status ? complain("memory", &error) : 0;
}

/* ---- latency ---- */

static const bench_case small = {.text = GAUSS, .m = 1000, .n = 1000, .D = 3, .columns = 1,
                                 .out = 1};

static int run_warm(void) {
  rk_error error = {0};
  prepared p;
  timing t;
  rk_status status = prepare(&small, &p, &error);
  if (!status) status = measure(&p, &t, &error);
  if (!status) say("warm call, M = N = 1000", t.call, t.median, "median", "", -1);
  release(&p);
  return status ? complain("warm calls", &error) : 0;
}

static rk_status begin(const char *cache, rk_error *error) {
  const char *include = getenv("RKEOPS_INCLUDE");
  const int device[] = {0};
  rk_settings settings = {.include_dir = include ? include : "inst/include/rkeops",
                          .cache_dir = cache};
  rk_status status = rk_configure(&settings, error);
  return status ? status : rk_use_backend("cuda", device, 1, error);
}

/* The driver is started by a resident array, which needs no kernel. */
static int run_start(const char *cache) {
  rk_error error = {0};
  double one = 1, start = rk_os_seconds();
  rk_array number = {.data = &one, .rows = 1, .dim = 1, .row_stride = 1, .component_stride = 1};
  rk_resident *resident = NULL;
  prepared p = {.out = NULL};
  rk_status status = begin(cache, &error);
  if (!status) status = rk_resident_new(&number, RK_FLOAT64, &resident, NULL, NULL, &error);
  double started = rk_os_seconds();
  if (!status) status = prepare(&small, &p, &error);
  double before = rk_os_seconds();
  if (!status) status = call(&p, &error);
  double first = rk_os_seconds();
  if (!status) status = call(&p, &error);
  if (!status)
    printf("%.6f %.6f %.6f\n", started - start, first - before, rk_os_seconds() - first);
  rk_resident_free(resident);
  release(&p);
  return status ? complain("first call", &error) : 0;
}

/* ---- all ---- */

static int print_cases(void) {
  for (int k = 0; k < CASES; k++)
    printf("%s\t%s\t%lld\t%lld\t%d\t%d\t%s\n", cases[k].key, precision_name[cases[k].precision],
           (long long)rows_of(cases[k].m), (long long)rows_of(cases[k].n), cases[k].D,
           cases[k].columns, cases[k].text);
  return 0;
}

static int print_device(void) {
  rk_error error = {0};
  rk_device_info info;
  if (rk_device_describe(0, &info, &error)) return complain("no GPU", &error);
  int driver = rk_driver_version();
  printf("device\t%s, capability %d.%d, %d multiprocessors, at most %.0f MHz, %.0f GiB; driver for "
         "CUDA %d.%d, NVRTC %s\n", info.name, info.major, info.minor, info.multiprocessors,
         rk_device_limits_of(rk_device_at(0))->clock / 1e3, (double)info.memory / 0x1p30,
         driver / 1000, driver % 1000 / 10, rk_nvrtc_version());
  return 0;
}

static int run_key(const char *key, const char *precision, const char *folder) {
  for (int k = 0; k < CASES; k++)
    if (!strcmp(cases[k].key, key) && !strcmp(precision_name[cases[k].precision], precision))
      return run_case(&cases[k], folder);
  fprintf(stderr, "no case %s, %s\n", key, precision);
  return 2;
}

static int usage(void) {
  fprintf(stderr, "usage: gpu cases | device | memory | warm | case KEY PRECISION FOLDER | "
                  "start CACHE\n");
  return 2;
}

int main(int n, char **argument) {
  rk_error error = {0};
  const char *what = n > 1 ? argument[1] : "";
  if (n == 2 && !strcmp(what, "cases")) return print_cases();
  if (n == 3 && !strcmp(what, "start")) return run_start(argument[2]);
  if (n < 2 || strcmp(what, "start") == 0) return usage();
  if (begin(getenv("RKEOPS_CACHE"), &error)) return complain("no GPU", &error);
  if (n == 2 && !strcmp(what, "device")) return print_device();
  if (n == 2 && !strcmp(what, "memory")) return run_memory();
  if (n == 2 && !strcmp(what, "warm")) return run_warm();
  if (n == 5 && !strcmp(what, "case")) return run_key(argument[2], argument[3], argument[4]);
  return usage();
}
