/* Memory of devices, waiting for them and running kernels on them, on the stand-in driver.
 * RKEOPS_CUDA_PATH and RKEOPS_NVRTC_PATH name the stand-ins. */
#include "check_device.h"

/* ---- memory ---------------------------------------------------------------------------------- */

static void freed_buffers_are_used_again(void) {
  rk_cu_pointer a, b, c;
  rk_device *device = first_device();
  rk_arena *arena = rk_arena_new(device);
  CHECK(rk_arena_take(arena, 100000, &a, &last) == RK_OK && a, "a buffer");
  CHECK(rk_arena_take(arena, 0, &b, &last) == RK_OK && b && b != a, "one of no bytes");
  CHECK(info_of(0).held >= 100000 && info_of(0).pooled == 0, "they are held");
  rk_arena_free(arena);
  CHECK(info_of(0).held == 0 && info_of(0).pooled >= 100000, "then kept");
  long calls = count_of("cuMemAlloc");
  arena = rk_arena_new(device);
  CHECK(rk_arena_take(arena, 99000, &c, &last) == RK_OK && c == a &&
        count_of("cuMemAlloc") == calls, "a size near it gets the same one");
  CHECK(rk_arena_take(arena, 50000, &b, &last) == RK_OK && b != a, "a much smaller one does not");
  rk_arena_free(arena);
  rk_device_trim(device);
  CHECK(info_of(0).pooled == 0 && count_of("bytes") == 0, "the pool is emptied");
  rk_arena_free(NULL);
  nothing_is_left(device);
}

static void buffers_outlive_the_use_of_a_device(void) {
  rk_cu_pointer p;
  rk_device *device = first_device();
  rk_arena *arena = rk_arena_new(device);
  rk_arena_take(arena, 5000, &p, &last);
  rk_device_leave(device);
  CHECK(use(0, 0, 0) == RK_OK && count_of("buffers") == 1, "back to the CPU");
  rk_arena_free(arena);
  nothing_is_left(NULL);
}

static void the_best_buffer_is_chosen(void) {
  rk_cu_pointer large, small, again;
  rk_device *device = first_device();
  rk_arena *arena = rk_arena_new(device);
  rk_arena_take(arena, 1070000, &large, &last);
  rk_arena_take(arena, 1000000, &small, &last);
  rk_arena_free(arena);
  arena = rk_arena_new(device);
  CHECK(rk_arena_take(arena, 999000, &again, &last) == RK_OK && again == small, "the smaller one");
  rk_arena_free(arena);
  nothing_is_left(device);
}

static void the_pool_is_bounded(void) {
  rk_cu_pointer p;
  standin("MEMORY", "40000000");
  rk_device *device = first_device();
  rk_arena *arena = rk_arena_new(device);
  for (int k = 0; k < 30; k++) rk_arena_take(arena, 1000000, &p, &last);
  rk_arena_free(arena);
  CHECK(info_of(0).pooled <= 10000000 && info_of(0).pooled >= 8000000, "by a quarter of all");
  arena = rk_arena_new(device);
  CHECK(rk_arena_take(arena, 15000000, &p, &last) == RK_OK, "a large one");
  rk_arena_free(arena);
  CHECK(info_of(0).pooled <= 10000000, "is not kept");
  arena = rk_arena_new(device);
  for (int k = 0; k < 300; k++)
    CHECK(rk_arena_take(arena, 1000, &p, &last) == RK_OK, "a small one");
  rk_arena_free(arena);
  CHECK(info_of(0).pooled <= 10000000 && info_of(0).held == 0, "many small ones");
  nothing_is_left(device);
}

static void out_of_memory_empties_the_pool_first(void) {
  rk_cu_pointer p = 1;
  standin("MEMORY", "10000000");
  rk_device *device = first_device();
  rk_arena *arena = rk_arena_new(device);
  rk_arena_take(arena, 2400000, &p, &last);
  rk_arena_free(arena);
  CHECK(info_of(0).pooled > 0, "something is kept");
  arena = rk_arena_new(device);
  CHECK(rk_arena_take(arena, 9990000, &p, &last) == RK_OK, "all of it, not rounded");
  CHECK(info_of(0).pooled == 0, "from what was kept");
  p = 1;
  CHECK(rk_arena_take(arena, 500000, &p, &last) == RK_ERROR_MEMORY && p == 0 &&
        last.status == RK_ERROR_MEMORY, "more is too much");
  CHECK(said("500224 bytes are needed") && said("9856 are available"), "bytes are said");
  CHECK(rk_arena_take(arena, (size_t)-1, &p, &last) == RK_ERROR_MEMORY, "an absurd size");
  rk_arena_free(arena);
  nothing_is_left(device);
}

static void another_error_while_allocating(void) {
  rk_cu_pointer p;
  rk_device *device = first_device();
  rk_arena *arena = rk_arena_new(device);
  standin("FAIL", "cuMemAlloc:1:999");
  CHECK(rk_arena_take(arena, 1000, &p, &last) == RK_ERROR_DEVICE && said("allocating memory"),
        "is told");
  CHECK(rk_arena_take(arena, 1000, &p, &last) == RK_OK, "and does not stay");
  rk_arena_free(arena);
  nothing_is_left(device);
}

static size_t budget(rk_device *device) {
  size_t bytes = 0;
  CHECK(rk_device_budget(device, &bytes, &last) == RK_OK, "a budget");
  return bytes;
}

static void budgets(void) {
  rk_cu_pointer p;
  standin("MEMORY", "20000000");
  rk_device *device = first_device();
  CHECK(budget(device) == 18000000, "nine tenths of what is free");
  rk_arena *arena = rk_arena_new(device);
  rk_arena_take(arena, 4000000, &p, &last);
  CHECK(budget(device) < 14500000, "less is free");
  rk_arena_free(arena);
  CHECK(budget(device) == 18000000, "what is kept counts as free");
  rk_device_set_budget(1000000);
  CHECK(budget(device) <= 1000000 && budget(device) > 900000, "the setting");
  rk_device_set_budget(-1);
  CHECK(budget(device) <= 1000000, "stays");
  rk_device_set_budget(1 << 30);
  CHECK(budget(device) == 18000000, "but what is not there is not there");
  rk_device_set_budget(0);
  CHECK(budget(device) == 18000000, "back to the default");
  long calls = count_of("cuMemGetInfo");
  for (int k = 0; k < 100; k++) budget(device);
  CHECK(count_of("cuMemGetInfo") <= calls + 1, "the driver is not asked each time");
  rk_device_trim(device);
  rk_os_sleep(0.25);
  standin("FAIL", "cuMemGetInfo:1:999");
  size_t bytes = 1;
  CHECK(rk_device_budget(device, &bytes, &last) == RK_ERROR_DEVICE && bytes == 0 &&
        said("free memory"), "a failure is told");
  nothing_is_left(device);
}

static void pinned_memory_is_kept(void) {
  void *a, *b, *again;
  rk_device *device = first_device();
  standin("FAIL", "cuMemHostAlloc:1:2");
  CHECK(rk_device_take_pinned(device, &a, &last) == RK_ERROR_MEMORY && !a, "it may fail");
  CHECK(rk_device_take_pinned(device, &a, &last) == RK_OK && a, "one");
  CHECK(rk_device_take_pinned(device, &b, &last) == RK_OK && b && b != a, "another");
  rk_device_give_pinned(device, a);
  CHECK(rk_device_take_pinned(device, &again, &last) == RK_OK && again == a, "the first again");
  CHECK(rk_device_take_pinned(device, &a, &last) == RK_OK && a != b && a != again, "a third");
  memset(a, 1, RK_PINNED_BYTES);
  CHECK(count_of("pinned") == 3, "three are pinned");
  rk_device_give_pinned(device, a);
  rk_device_give_pinned(device, b);
  rk_device_give_pinned(device, again);
  rk_device_give_pinned(device, NULL);
  CHECK(count_of("pinned") == 2, "two are kept");
  CHECK(rk_device_take_pinned(device, &a, &last) == RK_OK && a, "one that is used");
  CHECK(use_devices(NULL, 0, &last) == RK_OK && count_of("pinned") == 1, "stays");
  memset(a, 1, RK_PINNED_BYTES);
  rk_device_give_pinned(device, a);
  CHECK(count_of("pinned") == 0, "until it is given back");
  nothing_is_left(device);
}

/* ---- waiting and running --------------------------------------------------------------------- */

static int polls, stop_at;
static double last_done;
static int count_polls(void *data, double done) {
  CHECK(data == &polls, "poll gets its data");
  last_done = done;
  return ++polls == stop_at;
}

/* Queued work uses a buffer of an arena that is freed: the arena has to wait. */
static void freeing_waits_for_the_device(void) {
  static char sent[100000];
  void *pinned;
  rk_cu_pointer p;
  standin("LAZY", "1");
  memset(sent, 17, sizeof sent);
  rk_device *device = first_device();
  const rk_driver *driver = rk_device_driver(device);
  for (int k = 0; k < 3; k++) {
    rk_arena *arena = rk_arena_new(device);
    rk_arena_take(arena, 100000, &p, &last);
    rk_device_take_pinned(device, &pinned, &last);
    memset(pinned, 0, 100000);
    driver->copy_to_device(p, sent, sizeof sent, rk_device_stream(device, RK_STREAM_RUN));
    driver->copy_to_host(pinned, p, 100000, rk_device_stream(device, RK_STREAM_RUN));
    if (k == 1) standin("FAIL", "cuEventRecord:1:999");
    if (k == 2) standin("FAIL", "cuEventQuery:1:999");
    rk_arena_free(arena);
    CHECK(((char *)pinned)[99999] == 17, "what was queued came first");
    rk_device_give_pinned(device, pinned);
  }
  nothing_is_left(device);
}

static void waiting_polls_and_can_be_stopped(void) {
  rk_cu_handle event;
  rk_device *device = first_device();
  const rk_driver *driver = rk_device_driver(device);
  CHECK(driver->event_create(&event, 2) == 0 &&
        driver->event_record(event, rk_device_stream(device, RK_STREAM_RUN)) == 0, "an event");
  CHECK(rk_device_wait_event(device, event, 0.5, (rk_caller){count_polls, &polls, &last}) == RK_OK &&
        polls == 0, "a short wait does not poll");
  standin("FAIL", "cuEventQuery:1+:600");
  stop_at = 3;
  double start = rk_os_seconds();
  CHECK(rk_device_wait_event(device, event, 0.5, (rk_caller){count_polls, &polls, &last}) == RK_CANCELLED &&
        polls == 3 && last_done == 0.5, "a long one is stopped by poll");
  CHECK(rk_os_seconds() - start >= 0.015 && last.status == RK_CANCELLED, "every 5 ms");
  CHECK(count_of("cuEventQuery") < 3000, "it sleeps meanwhile");
  standin("FAIL", "cuEventQuery:20:999");
  standin("FAIL", NULL);
  CHECK(rk_device_wait_event(device, event, 0, (rk_caller){.error = &last}) == RK_OK, "then goes on");
  standin("FAIL", "cuEventRecord:2:999");
  CHECK(rk_device_wait(device, (rk_caller){.error = &last}) == RK_ERROR_DEVICE, "recording may fail");
  driver->event_destroy(event);
  nothing_is_left(device);
}

static const char kernel[] =
  "extern \"C\" __global__ void __launch_bounds__(128) twice(double *x, int n) {\n"
  "  int i = blockIdx.x * 128 + threadIdx.x;\n"
  "  if (i < n) x[i] = 2 * x[i];\n}\n";

/* Of the stand-in for NVRTC, which compiles for this machine; 190: for a true GPU. */
static int is_for_the_standin(const void *image, size_t bytes) {
  return bytes > 20 && !memcmp(image, "\177ELF", 4) && ((const unsigned char *)image)[18] != 190;
}

static void kernels_run(void) {
  void *image = NULL, *x;
  size_t bytes = 0;
  rk_cu_handle module, function;
  rk_cu_pointer p;
  int n = 1000;
  rk_device *device = first_device();
  const rk_driver *driver = rk_device_driver(device);
  const rk_device_limits *limits = rk_device_limits_of(device);
  CHECK(rk_build_cuda(kernel, limits->major, limits->minor, 0, &image, &bytes,
                                   (rk_caller){.error = &last}) == RK_OK, "built");
  if (!is_for_the_standin(image, bytes)) {
    check_skipped++;
    rk_free(image);
    nothing_is_left(device);
    return;
  }
  CHECK(rk_device_load(device, image, &module, &last) == RK_OK, "loaded");
  rk_arena *arena = rk_arena_new(device);
  CHECK(rk_device_function(device, module, "twice", &function, &last) == RK_OK, "found");
  CHECK(rk_device_function(device, module, "thrice", &(rk_cu_handle){0}, &last) ==
          RK_ERROR_DEVICE && said("thrice"), "another name is not there");
  rk_arena_take(arena, sizeof(double) * (size_t)n, &p, &last);
  rk_device_take_pinned(device, &x, &last);
  for (int k = 0; k < n; k++) ((double *)x)[k] = k;
  rk_cu_handle run = rk_device_stream(device, RK_STREAM_RUN);
  driver->copy_to_device(p, x, sizeof(double) * (size_t)n, run);
  void *parameters[] = {&p, &n};
  rk_launch shape = {{8, 1, 1}, 128};
  CHECK(rk_device_launch(device, function, &shape, run, parameters, &last) == RK_OK, "launched");
  driver->copy_to_host(x, p, sizeof(double) * (size_t)n, run);
  CHECK(rk_device_wait(device, (rk_caller){.error = &last}) == RK_OK && ((double *)x)[999] == 1998, "ran");
  const rk_launch wrong[] = {{{0, 1, 1}, 128}, {{1, 65536, 1}, 128}, {{1, 1, 1}, 1025},
                             {{1, 1, 0}, 1}, {{1u << 31, 1, 1}, 1}, {{1, 1, 1}, 0}};
  for (int k = 0; k < 6; k++)
    CHECK(rk_device_launch(device, function, &wrong[k], run, parameters, &last) ==
          RK_ERROR_INTERNAL, "a shape that no device takes");
  standin("FAIL", "cuLaunchKernel:1:701");
  CHECK(rk_device_launch(device, function, &shape, run, parameters, &last) == RK_ERROR_DEVICE &&
        said("launching a kernel"), "a failure is told");
  rk_device_give_pinned(device, x);
  rk_device_unload(device, module);
  rk_device_unload(device, NULL);
  rk_arena_free(arena);
  rk_free(image);
  nothing_is_left(device);
}

static void a_device_that_nvrtc_does_not_know_gets_ptx(void) {
  standin("CAPABILITY", "95");
  kernels_run();
}

static void code_that_cannot_be_loaded(void) {
  rk_cu_handle module;
  char nonsense[4096] = "nonsense";
  rk_device *device = first_device();
  CHECK(rk_device_load(device, nonsense, &module, &last) == RK_ERROR_DEVICE && !module,
        "nonsense is refused");
  standin("FAIL", "cuModuleLoadDataEx:1:222");
  standin("VERSION", "12040");
  CHECK(rk_device_load(device, nonsense, &module, &last) == RK_ERROR_DEVICE && said("CUDA 12.4") &&
        said("RKEOPS_NVRTC_PATH") && said(rk_nvrtc_version()), "versions are compared");
  standin("FAIL", "cuModuleLoadDataEx:1:2");
  CHECK(rk_device_load(device, nonsense, &module, &last) == RK_ERROR_MEMORY, "out of memory");
  nothing_is_left(device);
}

int main(void) {
  if (!begin_children()) return end_children();
  IN_CHILD(freed_buffers_are_used_again);
  IN_CHILD(buffers_outlive_the_use_of_a_device);
  IN_CHILD(the_best_buffer_is_chosen);
  IN_CHILD(the_pool_is_bounded);
  IN_CHILD(out_of_memory_empties_the_pool_first);
  IN_CHILD(another_error_while_allocating);
  IN_CHILD(budgets);
  IN_CHILD(pinned_memory_is_kept);
  IN_CHILD(freeing_waits_for_the_device);
  IN_CHILD(waiting_polls_and_can_be_stopped);
  IN_CHILD(kernels_run);
  IN_CHILD(a_device_that_nvrtc_does_not_know_gets_ptx);
  IN_CHILD(code_that_cannot_be_loaded);
  return end_children();
}
