/* What the tests of the engine on GPUs share: devices, budgets, programs, one run and its check. */
#ifndef RKEOPS_GPU_FIXTURE_H
#define RKEOPS_GPU_FIXTURE_H

#include "oracle.h"

#include "planned.h"
#include "cuda/shape.h"
#include "cuda/device.h"

#include <time.h>

static inline void use(int n) {
  static const int number[] = {0, 1, 2, 3};
  if (!CHECK(use_devices(number, n, &last) == RK_OK, "devices are used"))
    printf("  %s\n", last.message);
}

static inline void budget(int64_t bytes) {
  rk_settings settings = {.gpu_memory = bytes};
  CHECK(rk_configure(&settings, &last) == RK_OK, "a budget is set");
}

/* Other numbers in each run; RKEOPS_TEST_SEED repeats one. */
static inline void begin_seeded(void) {
  const char *seed = getenv("RKEOPS_TEST_SEED");
  check_seed ^= seed ? strtoull(seed, NULL, 10) : (unsigned long long)time(NULL);
  printf("seed %llu\n", check_seed ^ 88172645463325252ull);
}

/* The same, and on the first device: how many there are; 0: none, and it has been said. */
static inline int begin_on_gpu(void) {
  int devices;
  begin_seeded();
  check_configure();
  if (rk_device_count(&devices, &last) || !devices) {
    printf("no GPU: %s\n0 passed, 0 failed, 1 skipped\n", last.message);
    return 0;
  }
  use(1);
  return devices;
}

/* ---- programs ---- */

static inline rk_gpu_shape shape_of(const cloud *c, const char *text, const rk_options *options) {
  rk_gpu_shape shape = {.row_block = 128, .column_block = 64};
  planned p;
  if (!plan_text(&p, text, c->declaration, INPUTS, options))
    shape = rk_gpu_shape_choose(&p.pass, RK_GPU_ALL);
  free_planned(&p);
  return shape;
}

/* Programs that are wanted soon, built with few compiles. */
static rk_program *ahead[1024];
static int ahead_n;
static inline void want(const cloud *c, const char *text, const rk_options *options) {
  rk_program *program = program_for(c, text, options);
  if (program && ahead_n < 1024) ahead[ahead_n++] = program;
}
static inline void build_ahead(void) {
  if (!CHECK(rk_build_many(ahead, ahead_n, NULL, NULL, &last) == RK_OK, "many are built at once"))
    printf("  %s\n", last.message);
  ahead_n = 0;
}

#endif
