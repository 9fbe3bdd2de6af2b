/* What the tests of the engine share: counting, settings, random data, small helpers. */
#ifndef CHECK_H
#define CHECK_H

#include "engine.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_passed, check_failed, check_skipped;

static int check_that(int good, int line, const char *what) {
  if (good) check_passed++;
  else {
    check_failed++;
    printf("FAILED line %d: %s\n", line, what);
  }
  return good;
}
#define CHECK(condition, what) check_that(!!(condition), __LINE__, what)

static inline int check_end(void) {
  printf("%d passed, %d failed, %d skipped\n", check_passed, check_failed, check_skipped);
  return check_failed != 0;
}

static rk_error last; /* what was said last */

static inline int said(const char *words) {
  if (strstr(last.message, words)) return 1;
  printf("  the message is: %s\n", last.message);
  return 0;
}

/* RKEOPS_TEST_DEVICE="0,1": tests run on these GPUs, true ones or those of tests/cuda. */
static inline int check_devices(int *device, int most) {
  const char *text = getenv("RKEOPS_TEST_DEVICE");
  int n = 0;
  for (char *end; text && *text && n < most; text = end) {
    device[n++] = (int)strtol(text, &end, 10);
    if (end == text) return n - 1;
    end += *end == ',';
  }
  return n;
}
static inline int check_on_gpu(void) {
  int device[8];
  return check_devices(device, 8) > 0;
}

/* RKEOPS_TEST_SMALL: kernels are emulated, so that a pair costs a thousand times what it should. */
static inline int check_is_small(void) { return getenv("RKEOPS_TEST_SMALL") != NULL; }

/* So many rows that a call over all pairs takes long enough to be asked: 50 times a second. */
static inline int64_t check_long_rows(void) {
  const char *backend = getenv("RKEOPS_TEST_BACKEND");
  if (!check_is_small()) return 60000;
  return backend && !strcmp(backend, "reference") ? 800 : 8000;
}

/* RKEOPS_TEST_LOCALE: tests run in this locale, as in a process whose host has set one. */
static inline void check_locale(void) {
  const char *name = getenv("RKEOPS_TEST_LOCALE");
  if (!name || setlocale(LC_ALL, name)) return;
  printf("there is no locale %s\n", name);
  exit(2);
}

/* These GPUs; none: the CPU. */
static inline rk_status use_devices(const int *device, int n, rk_error *error) {
  return rk_use_backend(n ? "cuda" : "cpu", device, n, error);
}

/* RKEOPS_INCLUDE and RKEOPS_CACHE name the preludes and a scratch cache, RKEOPS_TEST_BACKEND another
 * backend than the first. */
static inline void check_configure(void) {
  check_locale();
  rk_error error;
  const char *include = getenv("RKEOPS_INCLUDE"), *cache = getenv("RKEOPS_CACHE");
  rk_settings settings = {.include_dir = include ? include : "inst/include/rkeops",
                          .cache_dir = cache ? cache : ".build/test-cache"};
  int device[8], n = check_devices(device, 8);
  const char *backend = getenv("RKEOPS_TEST_BACKEND");
  if (!backend) backend = n ? "cuda" : "cpu";
  if (rk_configure(&settings, &error) == RK_OK &&
      rk_use_backend(backend, device, n, &error) == RK_OK)
    return;
  printf("cannot configure: %s\n", error.message);
  exit(2);
}

static unsigned long long check_seed = 88172645463325252ull;
static inline double uniform(void) {
  check_seed ^= check_seed << 13;
  check_seed ^= check_seed >> 7;
  check_seed ^= check_seed << 17;
  return (double)(check_seed >> 11) * 0x1p-53;
}
static inline double *random_numbers(long n, double low, double high) {
  double *x = malloc(sizeof(double) * (size_t)(n > 0 ? n : 1));
  for (long k = 0; k < n; k++) x[k] = low + (high - low) * uniform();
  return x;
}

static inline rk_array columns_of(const double *data, long rows, int dim) {
  return (rk_array){data, rows, dim, 1, rows, NULL, 0};
}

/* Random data for declarations such as "x=Vi(3)": m rows, n columns, a row of parameters. */
enum { MOST_INPUTS = 8 };
typedef struct {
  int64_t m, n;
  int count;
  double *data[MOST_INPUTS], *out; /* room for results: four columns of m rows */
  rk_array inputs[MOST_INPUTS];
} sample;

static inline sample sample_of(const char *const *declarations, int count, int64_t m, int64_t n,
                               double low, double high) {
  sample s = {.m = m, .n = n, .count = count, .out = calloc((size_t)m * 4 + 1, sizeof *s.out)};
  for (int k = 0; k < count; k++) {
    const char *kind = strchr(declarations[k], '=') + 1;
    const int dim = atoi(kind + 3);
    const int64_t rows = !strncmp(kind, "Vi", 2) ? m : !strncmp(kind, "Vj", 2) ? n : 1;
    s.data[k] = random_numbers((long)rows * dim, low, high);
    s.inputs[k] = columns_of(s.data[k], (long)rows, dim);
  }
  return s;
}

static inline void sample_free(sample *s) {
  for (int k = 0; k < s->count; k++) free(s->data[k]);
  free(s->out);
}

static inline rk_program *program_of(const char *text, const char *const *declarations, int n,
                                     rk_precision precision) {
  rk_options options = {.precision = precision};
  rk_error error;
  rk_program *program = NULL;
  if (rk_program_get(text, declarations, n, &options, &program, &error) != RK_OK)
    printf("%s\n  %s\n", text, error.message);
  return program;
}

/* A symbol that is a function without arguments; NULL stays NULL. */
typedef int (*check_function)(void);
static inline check_function check_function_of(void *symbol) {
  check_function function;
  memcpy(&function, &symbol, sizeof function);
  return function;
}

/* A text that is refused with these words, and with a caret below the place where `mark` begins. */
static inline void refuse(const char *text, const char *const *declarations, int n,
                          const char *words, const char *mark) {
  rk_options options = {0};
  rk_program *program;
  rk_status status = rk_program_get(text, declarations, n, &options, &program, &last);
  if (!CHECK(status == RK_ERROR_FORMULA && said(words), text)) return;
  const char *caret = strrchr(last.message, '^'), *line = strrchr(last.message, '\n');
  const char *wanted = *mark ? strstr(text, mark) : text + strlen(text);
  CHECK(caret && line && wanted && caret - line - 3 == wanted - text, last.message);
}

static inline rk_status run_values(rk_program *program, const rk_array *inputs, int n, double *out,
                                   rk_error *error) {
  rk_output outputs[2] = {{.type = RK_OUT_DOUBLE, .data = out, .none_double = -1},
                          {.type = RK_OUT_DOUBLE, .data = out, .none_double = -1}};
  return rk_run(program, inputs, n, outputs, NULL, NULL, error);
}

#endif
