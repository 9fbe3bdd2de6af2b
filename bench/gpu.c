/* rkeops on a GPU, measured: see bench/gpu.sh, which builds and calls this.
 *
 *   gpu cases                 what is measured, one case a line, for the peers
 *   gpu run FOLDER            measures; lines "case ...", "other ..." and "device ...", and the
 *                             first rows of each result in FOLDER/KEY
 *   gpu start CACHE           seconds in this fresh process: driver, first call, next call
 *
 * Fields are separated by tabs. The kernel's time is that of the device's clock (rk_gpu_seconds),
 * the whole call's begins and ends with matrices of doubles in host memory; of both the best of
 * several is printed. Data are a hash of their place, so that peers have the same.
 *
 * The bound of a case is the time that the device needs at its highest clock for the least that has
 * to be done for a pair: float32 operations and special functions (16 a clock and multiprocessor),
 * both together at most 128 a clock, or float64 operations. Squared distances: D differences and D
 * multiply-adds, from D = 64 on D multiply-adds, as of a matrix product.
 *
 * RKEOPS_BENCH_DIVIDE=1000 divides all sizes, to try the program where there is no GPU. */
#include "engine.h"

#include "build/build.h"
#include "os.h"
#include "run/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE_ROWS = 16, MOST = 9, EXP_64 = 23, ROOT_64 = 12 };

/* ---- cases ---- */

typedef struct {
  const char *key, *task, *text;
  int D, columns, out;         /* of points, of b, of the result */
  double n[2];                 /* rows of both indices, in float32 and float64; 0: not measured */
  int flops, special, roots;   /* for a pair, besides the squared distance */
} bench_case;

#define GAUSS "Sum_Reduction(Exp(-SqDist(x,y))*b, j)"
static const bench_case cases[] = {
  {"gauss-1e6", "Gaussian product, D = 3", GAUSS, 3, 1, 1, {1e6, 1e6}, 1, 1, 0},
  {"gauss-1e5", "Gaussian product, D = 3", GAUSS, 3, 1, 1, {1e5, 1e5}, 1, 1, 0},
  {"gauss-1e4", "Gaussian product, D = 3", GAUSS, 3, 1, 1, {1e4, 1e4}, 1, 1, 0},
  {"gradient", "its gradient, D = 3", "Sum_Reduction(-2*Exp(-SqDist(x,y))*(x-y)*b, j)", 3, 1, 3,
   {1e6, 3e5}, 4, 1, 0},
  {"laplace", "Laplacian product, D = 3", "Sum_Reduction(Exp(-Norm2(x-y))*b, j)", 3, 1, 1,
   {1e6, 3e5}, 2, 1, 1},
  {"logsumexp", "log-sum-exp, D = 3", "LogSumExp_Reduction(-SqDist(x,y), j)", 3, 1, 1,
   {1e6, 3e5}, 3, 1, 0},
  {"nearest", "argKmin, K = 10, D = 3", "ArgKMin_Reduction(SqDist(x,y), 10, j)", 3, 1, 10,
   {1e6, 3e5}, 1, 0, 0},
  {"nearest-100", "argKmin, K = 10, D = 100", "ArgKMin_Reduction(SqDist(x,y), 10, j)", 100, 1, 10,
   {2e5, 1e5}, 1, 0, 0},
  {"gauss-15", "Gaussian product, D = 15, 15 columns", GAUSS, 15, 15, 15, {3e5, 1e5}, 15, 1, 0},
  {"gauss-64", "Gaussian product, D = 64", GAUSS, 64, 1, 1, {2e5, 1e5}, 1, 1, 0},
  {"gauss-100", "Gaussian product, D = 100", GAUSS, 100, 1, 1, {2e5, 1e5}, 1, 1, 0},
  {"gauss-784", "Gaussian product, D = 784", GAUSS, 784, 1, 1, {5e4, 2e4}, 1, 1, 0}};
enum { CASES = sizeof cases / sizeof *cases };
static const char *const precision_name[] = {"float32", "float64"};

static int64_t rows_of(double n) {
  const char *divide = getenv("RKEOPS_BENCH_DIVIDE");
  int64_t rows = (int64_t)(n / (divide ? atof(divide) : 1));
  return n > 0 && rows < SAMPLE_ROWS ? SAMPLE_ROWS : rows;
}

static double bound_of(const bench_case *c, int precision, int64_t n) {
  const rk_device_limits *l = rk_device_limits_of(rk_device_at(0));
  int few = (l->major == 7 || (l->major == 8 && l->minor == 0) || (l->major == 6 && !l->minor));
  double lanes = few ? 64 : 128, clocks;
  double flops = c->flops + (c->D < 64 ? 2 : 1) * c->D;
  if (precision == RK_FLOAT32) {
    double special = c->special + c->roots;
    clocks = fmax(fmax(flops / lanes, (flops + special) / 128), special / 16);
  } else {
    flops += EXP_64 * c->special + ROOT_64 * c->roots;
    clocks = flops / (lanes / (l->double_ratio > 0 ? l->double_ratio : 2));
  }
  return clocks * (double)n * (double)n / (l->multiprocessors * (l->clock * 1e3));
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
  for (int64_t r = 0; x && r < rows; r++)
    for (int d = 0; d < dim; d++)
      x[r + d * rows] = width * (number_at((uint64_t)(r * dim + d), (uint64_t)which) - 0.5);
  return x;
}

typedef struct {
  rk_array input[3];
  double *x, *y, *b, *out;
  rk_program *program;
} prepared;

static void release(prepared *p) {
  free(p->x);
  free(p->y);
  free(p->b);
  free(p->out);
}

static rk_status program_of(const bench_case *c, int precision, rk_program **program,
                            rk_error *error) {
  char declaration[3][24];
  const char *declarations[] = {declaration[0], declaration[1], declaration[2]};
  rk_options options = {.precision = (rk_precision)precision};
  snprintf(declaration[0], sizeof declaration[0], "x=Vi(%d)", c->D);
  snprintf(declaration[1], sizeof declaration[1], "y=Vj(%d)", c->D);
  snprintf(declaration[2], sizeof declaration[2], "b=Vj(%d)", c->columns);
  return rk_program_get(c->text, declarations, 3, &options, program, error);
}

static rk_status prepare(const bench_case *c, int precision, int64_t n, prepared *p,
                         rk_error *error) {
  double width = 3 / sqrt(c->D / 3.0);
  *p = (prepared){.x = make_array(n, c->D, 0, width), .y = make_array(n, c->D, 1, width),
                  .b = make_array(n, c->columns, 2, 2),
                  .out = malloc((size_t)n * (size_t)c->out * sizeof(double))};
  if (!p->x || !p->y || !p->b || !p->out) {
    snprintf(error->message, sizeof error->message, "no memory");
    return RK_ERROR_MEMORY;
  }
  p->input[0] = (rk_array){.data = p->x, .rows = n, .dim = c->D, .row_stride = 1,
                           .component_stride = n};
  p->input[1] = (rk_array){.data = p->y, .rows = n, .dim = c->D, .row_stride = 1,
                           .component_stride = n};
  p->input[2] = (rk_array){.data = p->b, .rows = n, .dim = c->columns, .row_stride = 1,
                           .component_stride = n};
  return program_of(c, precision, &p->program, error);
}

static rk_status call(const prepared *p, rk_error *error) {
  rk_output output = {.type = RK_OUT_DOUBLE, .data = p->out, .none_double = -1};
  return rk_run(p->program, p->input, 3, &output, NULL, NULL, error);
}

/* ---- measuring ---- */

typedef struct { double first, kernel, call, median; int times; } timing;

static int smaller(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The first call, then others, for about two seconds. */
static rk_status measure(const prepared *p, timing *t, rk_error *error) {
  double calls[MOST], begun = rk_os_seconds();
  rk_status status = call(p, error);
  *t = (timing){.first = rk_os_seconds() - begun, .kernel = INFINITY, .call = INFINITY};
  while (!status && t->times < MOST && (t->times < 3 || rk_os_seconds() - begun < 2)) {
    double start = rk_os_seconds();
    status = call(p, error);
    calls[t->times] = rk_os_seconds() - start;
    t->kernel = fmin(t->kernel, rk_gpu_seconds());
    t->call = fmin(t->call, calls[t->times++]);
  }
  qsort(calls, (size_t)t->times, sizeof *calls, smaller);
  t->median = t->times ? calls[t->times / 2] : 0;
  return status;
}

static void keep_sample(const char *folder, const bench_case *c, int precision, int64_t n,
                        const double *out) {
  char path[600];
  snprintf(path, sizeof path, "%s/%s-%s", folder, c->key, precision_name[precision]);
  FILE *file = fopen(path, "wb");
  for (int r = 0; file && r < SAMPLE_ROWS; r++)
    for (int k = 0; k < c->out; k++) fwrite(&out[r + k * n], sizeof *out, 1, file);
  if (file) fclose(file);
}

static int complain(const char *what, const rk_error *error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return 1;
}

static int run_case(const bench_case *c, int precision, const char *folder) {
  rk_error error = {0};
  prepared p = {.x = NULL};
  timing t;
  int64_t n = rows_of(c->n[precision]);
  rk_status status = prepare(c, precision, n, &p, &error);
  if (!status) status = measure(&p, &t, &error);
  if (!status) {
    keep_sample(folder, c, precision, n, p.out);
    printf("case\t%s\t%s\t%s\t%lld\t%.9g\t%.9g\t%.9g\t%.9g\n", c->key, precision_name[precision],
           c->task, (long long)n, t.kernel, t.call, t.median, bound_of(c, precision, n));
    fflush(stdout);
  }
  release(&p);
  return status ? complain(c->task, &error) : 0;
}

/* ---- memory: budgets and residents ---- */

static void say(const char *what, double best, double other, const char *unit) {
  printf("other\t%s\t%.9g\t%.9g\t%s\n", what, best, other, unit);
  fflush(stdout);
}

static rk_status with_budget(prepared *p, int64_t bytes, const char *what, rk_error *error) {
  rk_settings settings = {.gpu_memory = bytes};
  timing t;
  rk_status status = rk_configure(&settings, error);
  if (!status) status = measure(p, &t, error);
  if (!status) say(what, t.call, t.kernel, "");
  settings.gpu_memory = 0;
  rk_configure(&settings, error);
  return status;
}

static rk_status with_residents(prepared *p, rk_error *error) {
  rk_resident *resident[3] = {NULL};
  rk_array given[3];
  timing t;
  rk_status status = RK_OK;
  memcpy(given, p->input, sizeof given);
  for (int k = 0; k < 3 && !status; k++) {
    status = rk_resident_new(&given[k], &resident[k], NULL, NULL, error);
    if (!status) p->input[k] = rk_resident_array(resident[k]);
  }
  if (!status) status = measure(p, &t, error);
  if (!status) say("whole call, inputs kept on the GPU", t.call, t.kernel, "");
  for (int k = 0; k < 3; k++) rk_resident_free(resident[k]);
  memcpy(p->input, given, sizeof given);
  return status;
}

static int run_memory(void) {
  rk_error error = {0};
  prepared p = {.x = NULL};
  rk_status status = prepare(&cases[0], RK_FLOAT32, rows_of(cases[0].n[0]), &p, &error);
  if (!status) status = with_budget(&p, 0, "whole call, inputs in host memory", &error);
  if (!status) status = with_residents(&p, &error);
  if (!status) status = with_budget(&p, 16 << 20, "the same, gpu_memory 16 MiB", &error);
  if (!status) status = with_budget(&p, 4 << 20, "the same, gpu_memory 4 MiB", &error);
  release(&p);
  return status ? complain("memory", &error) : 0;
}

/* ---- latency ---- */

static const bench_case small = {"small", "", GAUSS, 3, 1, 1, {1000, 1000}, 1, 1, 0};

static int run_warm(void) {
  enum { CALLS = 1000 };
  static double times[CALLS];
  rk_error error = {0};
  prepared p = {.x = NULL};
  int calls = (int)rows_of(CALLS);
  rk_status status = prepare(&small, RK_FLOAT32, 1000, &p, &error);
  if (!status) status = call(&p, &error);
  for (int k = 0; k < calls && !status; k++) {
    double start = rk_os_seconds();
    status = call(&p, &error);
    times[k] = rk_os_seconds() - start;
  }
  qsort(times, (size_t)calls, sizeof *times, smaller);
  if (!status) say("warm call, N = 1000", times[0], times[calls / 2], "median");
  release(&p);
  return status ? complain("warm calls", &error) : 0;
}

static rk_status begin(const char *cache, rk_error *error) {
  const char *include = getenv("RKEOPS_INCLUDE");
  const int device[] = {0};
  rk_settings settings = {.include_dir = include ? include : "inst/include/rkeops",
                          .cache_dir = cache};
  rk_status status = rk_configure(&settings, error);
  return status ? status : rk_use_devices(device, 1, error);
}

/* The driver is started by a resident array, which needs no kernel. */
static int run_start(const char *cache) {
  rk_error error = {0};
  double one = 1, start = rk_os_seconds();
  rk_array number = {.data = &one, .rows = 1, .dim = 1, .row_stride = 1, .component_stride = 1};
  rk_resident *resident = NULL;
  prepared p = {.x = NULL};
  rk_status status = begin(cache, &error);
  if (!status) status = rk_resident_new(&number, &resident, NULL, NULL, &error);
  double started = rk_os_seconds();
  if (!status) status = prepare(&small, RK_FLOAT32, 1000, &p, &error);
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
  for (int precision = 0; precision < 2; precision++)
    for (int k = 0; k < CASES; k++)
      printf("%s\t%s\t%lld\t%d\t%d\t%d\t%s\n", cases[k].key, precision_name[precision],
             (long long)rows_of(cases[k].n[precision]), cases[k].D, cases[k].columns,
             cases[k].out, cases[k].text);
  return 0;
}

static int run_all(const char *folder) {
  rk_error error = {0};
  rk_device_info info;
  int failed = 0;
  rk_status status = begin(getenv("RKEOPS_CACHE"), &error);
  if (!status) status = rk_device_describe(0, &info, &error);
  if (status) return complain("no GPU", &error);
  int driver = rk_driver_version();
  printf("device\t%s, capability %d.%d, %d multiprocessors, at most %.0f MHz, %.0f GiB; driver for "
         "CUDA %d.%d, NVRTC %s\n", info.name, info.major, info.minor, info.multiprocessors,
         rk_device_limits_of(rk_device_at(0))->clock / 1e3, (double)info.memory / 0x1p30,
         driver / 1000, driver % 1000 / 10, rk_nvrtc_version());
  failed += run_warm();
  failed += run_memory();
  for (int precision = 0; precision < 2; precision++)
    for (int k = 0; k < CASES; k++) failed += run_case(&cases[k], precision, folder);
  return failed != 0;
}

int main(int arguments, char **argument) {
  if (arguments == 2 && !strcmp(argument[1], "cases")) return print_cases();
  if (arguments == 3 && !strcmp(argument[1], "run")) return run_all(argument[2]);
  if (arguments == 3 && !strcmp(argument[1], "start")) return run_start(argument[2]);
  fprintf(stderr, "usage: gpu cases | gpu run FOLDER | gpu start CACHE\n");
  return 2;
}
