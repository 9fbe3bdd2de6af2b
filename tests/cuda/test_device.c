/* The driver and the devices, on the stand-in driver: opening, refusing, errors that stay,
 * fork, threads (any call failing: test_faults). RKEOPS_CUDA_PATH and RKEOPS_NVRTC_PATH name the
 * stand-ins. */
#include "check_device.h"

#include <pthread.h>

/* ---- the driver ------------------------------------------------------------------------------ */

static void the_cpu_does_not_touch_the_driver(void) {
  CHECK(use(0, 0, 0) == RK_OK && rk_devices() == 0 && !rk_device_at(0), "the CPU is the default");
  CHECK(!rk_driver_path(0) && count_of("bytes") == -1, "no library was opened");
}

static void without_a_driver(void) {
  int count = 7;
  unsetenv("RKEOPS_CUDA_PATH");
  if (dlopen("libcuda.so.1", RTLD_NOW) || dlopen("libcuda.so", RTLD_NOW)) {
    check_skipped++;
    return;
  }
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("install") && said("RKEOPS_CUDA_PATH"),
        "what to install is said");
  CHECK(rk_device_count(&count, &last) == RK_ERROR_DEVICE && count == 0, "no devices");
  CHECK(rk_devices() == 0 && use(0, 0, 0) == RK_OK, "the CPU works");
}

static void a_wrong_path_is_named(void) {
  setenv("RKEOPS_CUDA_PATH", "/nowhere/libcuda.so", 1);
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("/nowhere/libcuda.so") && said("RKEOPS_CUDA_PATH"),
        "the path is named");
}

static void a_library_without_functions_is_too_old(void) {
  setenv("RKEOPS_CUDA_PATH", "libm.so.6", 1);
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("too old") && said("cuInit"),
        "the missing function is named");
}

static void no_device(void) {
  standin("DEVICES", "0");
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("finds no GPU"), "there is no device");
  standin("DEVICES", "1");
  CHECK(use(0, 0, 1) == RK_OK, "later there may be one");
}

static void a_driver_that_does_not_start(void) {
  standin("FAIL", "cuInit:1:999");
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("unknown error") && said("CUDA_ERROR_UNKNOWN"),
        "the driver's words");
  standin("FAIL", "cuInit:1:12345");
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("12345"), "an error that the driver cannot name");
  CHECK(use(0, 0, 1) == RK_OK, "starting is tried again");
}

/* ---- choosing devices ------------------------------------------------------------------------ */

static void choosing_devices(void) {
  int count;
  standin("DEVICES", "3");
  CHECK(rk_device_count(&count, &last) == RK_OK && count == 3, "there are three");
  CHECK(count_of("streams") == 0, "counting opens none");
  CHECK(use(3, 0, 1) == RK_ERROR_DEVICE && said("no GPU 3") && said("3 GPUs"), "number too high");
  CHECK(use(-1, 0, 1) == RK_ERROR_DEVICE && said("no GPU -1"), "number too low");
  CHECK(use(1, 1, 2) == RK_ERROR_ARGUMENT && said("GPU 1 is named twice"), "named twice");
  CHECK(use_devices(NULL, 1, &last) == RK_ERROR_ARGUMENT &&
        use_devices(NULL, -1, &last) == RK_ERROR_ARGUMENT, "wrong arguments");
  CHECK(rk_devices() == 0, "nothing was chosen so far");
  CHECK(use(2, 0, 2) == RK_OK && rk_devices() == 2 && rk_device_number(rk_device_at(0)) == 2 &&
        rk_device_number(rk_device_at(1)) == 0 && !rk_device_at(2), "two, in that order");
  CHECK(count_of("streams") == 4, "two streams each");
  CHECK(use(2, 5, 2) == RK_ERROR_DEVICE && rk_devices() == 2, "a failure changes nothing");
  long calls = count_of("cuDeviceGetCount");
  CHECK(use(2, 0, 2) == RK_OK && count_of("cuDeviceGetCount") == calls, "the same again is cheap");
  CHECK(use(0, 2, 2) == RK_OK && rk_device_number(rk_device_at(0)) == 0, "another order");
  CHECK(count_of("cuDevicePrimaryCtxRetain") == 2, "contexts are retained once");
  nothing_is_left(NULL);
  CHECK(use(0, 0, 1) == RK_OK && count_of("cuDevicePrimaryCtxRetain") == 2, "and kept");
}

static void one_of_two_cannot_be_opened(void) {
  standin("DEVICES", "2");
  standin("FAIL", "cuDevicePrimaryCtxRetain:2:999");
  CHECK(use(0, 1, 2) == RK_ERROR_DEVICE && said("GPU 1") && said("creating its context"),
        "the second fails");
  CHECK(rk_devices() == 0 && count_of("streams") == 0 && count_of("events") == 0 &&
        count_of("cuDevicePrimaryCtxRelease") == 1, "the first is closed again");
  CHECK(use(0, 1, 2) == RK_OK && count_of("streams") == 4, "and later opened");
}

static void limits_are_those_of_the_device(void) {
  rk_device *device = first_device();
  const rk_device_limits *limits = rk_device_limits_of(device);
  CHECK(limits->multiprocessors == 4 && limits->blocks == 32 && limits->threads == 2048 &&
        limits->clock == 1000000 && limits->double_ratio == 2 && limits->shared == 49152 &&
        limits->major == 9 && limits->minor == 0, "limits");
  nothing_is_left(device);
}

static void describing_devices(void) {
  rk_device_info info;
  standin("DEVICES", "2");
  standin("MEMORY", "1000000");
  info = info_of(1);
  CHECK(!strcmp(info.name, "Stand-in GPU 1") && info.major == 9 && info.minor == 0 &&
        info.memory == 1000000 && info.free == 1000000 && info.multiprocessors == 4, "its data");
  CHECK(count_of("streams") == 0 && count_of("cuDevicePrimaryCtxRelease") == 1,
        "a context for describing is given back");
  CHECK(rk_device_describe(2, &info, &last) == RK_ERROR_DEVICE, "a device that is not there");
  standin("FAIL", "cuMemGetInfo:1+:999");
  CHECK(info_of(1).free > 0, "what is free was asked for a moment ago");
  CHECK(info_of(0).free == -1, "what is free cannot be told");
}

static void unknown_capabilities(void) {
  standin("CAPABILITY", "20");
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("2.0") && said("NVRTC") && said("GPU 0"),
        "NVRTC does not know it");
  CHECK(count_of("streams") == 0, "and it was not opened");
}

static void without_nvrtc(void) {
  setenv("RKEOPS_NVRTC_PATH", "/nowhere/libnvrtc.so", 1);
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("/nowhere/libnvrtc.so"), "NVRTC is needed, too");
}

static const char *nvrtc_version;

static void a_version_of_nvrtc_gets_the_options_that_it_knows(void) {
  static const char source[] = "extern \"C\" __global__ void f(float *x) { *x = 1; }\n";
  void *image = NULL;
  size_t bytes = 0;
  standin("NVRTC", nvrtc_version);
  CHECK(rk_nvrtc_image(source, "sm_90", 0, NULL, &image, &bytes, &last) == RK_OK && image,
        nvrtc_version);
  rk_free(image);
}

/* ---- errors that stay ------------------------------------------------------------------------ */

static void an_error_that_stays_marks_the_device(void) {
  rk_cu_pointer p;
  standin("DEVICES", "2");
  rk_device *device = first_device();
  rk_arena *arena = rk_arena_new(device);
  rk_arena_take(arena, 1000, &p, &last);
  standin("FAIL", "cuMemcpyHtoDAsync:1:700");
  int result =
      rk_device_driver(device)->copy_to_device(p, "zeros", 6, rk_device_stream(device, 0));
  CHECK(rk_device_check(device, result, "clearing", &last) == RK_ERROR_DEVICE &&
        said("clearing: an illegal memory access") && said("GPU 0") && said("Restart R"),
        "the first error says what it was");
  rk_arena_free(arena);
  rk_device_leave(device);
  for (int k = 0; k < 2; k++)
    CHECK(rk_device_enter(device, &last) == RK_ERROR_DEVICE && said("illegal memory access") &&
          said("cannot be used any more"), "and so do all later ones");
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("illegal"), "it cannot be chosen again");
  CHECK(use(1, 0, 2) == RK_ERROR_DEVICE && rk_devices() == 1, "nor with another one");
  CHECK(use(1, 0, 1) == RK_OK && rk_device_enter(rk_device_at(0), &last) == RK_OK,
        "the other one works");
  CHECK(info_of(0).free == -1 && info_of(0).held == 0, "it can still be described");
  nothing_is_left(rk_device_at(0));
}

static void which_errors_stay(void) {
  const int lasting[] = {4, 214, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719};
  const int passing[] = {1, 2, 3, 200, 209, 222, 400, 500, 600, 701, 999};
  standin("DEVICES", "8");
  for (int k = 0; k < 11; k++) {
    rk_device *device = first_device();
    CHECK(rk_device_check(device, passing[k], "testing", &last) ==
          (passing[k] == 2 ? RK_ERROR_MEMORY : RK_ERROR_DEVICE), "an error");
    CHECK(rk_device_enter(device, &last) == RK_OK, "that does not stay");
    rk_device_leave(device);
    rk_device_leave(device);
  }
  for (int k = 0; k < 8; k++) {
    CHECK(use(k, 0, 1) == RK_OK, "a new device");
    rk_device *device = rk_device_at(0);
    CHECK(rk_device_check(device, 0, "testing", &last) == RK_OK, "no error");
    CHECK(rk_device_check(device, lasting[k], "testing", &last) == RK_ERROR_DEVICE, "one");
    CHECK(rk_device_check(device, 1, "testing", NULL) == RK_ERROR_DEVICE, "and another");
    CHECK(rk_device_enter(device, &last) == RK_ERROR_DEVICE, "that stays");
  }
}

/* ---- fork, threads, the report --------------------------------------------------------------- */

static const char *const functions[] = {
  "cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName", "cuDeviceGetAttribute",
  "cuDeviceTotalMem", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease", "cuCtxPushCurrent",
  "cuCtxPopCurrent", "cuMemGetInfo", "cuMemAlloc", "cuMemFree", "cuMemHostAlloc", "cuMemFreeHost",
  "cuMemcpyHtoDAsync", "cuStreamCreate", "cuEventCreate", "cuEventRecord", "cuEventQuery", NULL};
static long all_calls(void) {
  long n = count_of("cuDriverGetVersion") + count_of("cuStreamSynchronize") +
           count_of("cuModuleUnload");
  for (int k = 0; functions[k]; k++) n += count_of(functions[k]);
  return n;
}

static rk_device *inherited;
static rk_arena *inherited_arena;

static void in_a_forked_process(void) {
  int count;
  rk_device_info info;
  rk_text report = {0};
  check_passed = check_failed = check_skipped = 0;
  long calls = all_calls();
  CHECK(rk_devices() == 1, "the setting is inherited");
  CHECK(rk_device_enter(inherited, &last) == RK_ERROR_DEVICE && said("forked") && said("CPU"),
        "entering says what happened");
  CHECK(use(0, 0, 1) == RK_ERROR_DEVICE && said("forked"), "so does choosing");
  CHECK(rk_device_count(&count, &last) == RK_ERROR_DEVICE && count == 0, "and counting");
  CHECK(rk_device_describe(0, &info, &last) == RK_ERROR_DEVICE, "and describing");
  rk_arena_free(inherited_arena);
  rk_device_trim(inherited);
  rk_device_unload(inherited, inherited);
  rk_device_leave(inherited);
  rk_devices_report(&report);
  CHECK(strstr(rk_text_string(&report), "forked"), "the report says it, too");
  rk_text_free(&report);
  CHECK(use(0, 0, 0) == RK_OK && rk_devices() == 0, "the CPU works");
  CHECK(all_calls() == calls, "the driver was not called");
}

static void a_forked_process_leaves_the_driver_alone(void) {
  rk_cu_pointer p;
  inherited = first_device();
  inherited_arena = rk_arena_new(inherited);
  rk_arena_take(inherited_arena, 1000, &p, &last);
  rk_arena *other = rk_arena_new(inherited);
  rk_arena_take(other, 2000, &p, &last);
  rk_arena_free(other);
  run_in_child(in_a_forked_process, "in_a_forked_process");
  CHECK(info_of(0).held > 0, "the parent has what it had");
  rk_arena_free(inherited_arena);
  nothing_is_left(inherited);
}

static void a_forked_process_may_be_the_first(void) {
  CHECK(rk_os_forked(), "it was forked");
  rk_device *device = first_device();
  nothing_is_left(device);
}

static void before_the_driver_is_opened(void) {
  rk_os_forked();
  run_in_child(a_forked_process_may_be_the_first, "a_forked_process_may_be_the_first");
}

static void *work_on(void *data) {
  rk_device *device = data;
  rk_error error;
  void *stage;
  rk_cu_pointer p;
  long bad = 0;
  for (int k = 0; k < 50; k++) {
    if (rk_device_enter(device, &error) != RK_OK) return (void *)1;
    rk_arena *arena = rk_arena_new(device);
    bad += rk_arena_take(arena, (size_t)(1000 * (k % 7 + 1)), &p, &error) != RK_OK;
    bad += rk_device_take_pinned(device, &stage, &error) != RK_OK;
    memset(stage, k, 1000);
    bad += rk_device_driver(device)->copy_to_device(p, stage, 1000,
                                                    rk_device_stream(device, k % 2)) != 0;
    bad += rk_device_wait(device, (rk_caller){.error = &error}) != RK_OK;
    rk_device_give_pinned(device, stage);
    rk_arena_free(arena);
    rk_device_leave(device);
  }
  return (void *)bad;
}

static void several_threads_use_several_devices(void) {
  enum { THREADS = 4 };
  pthread_t thread[THREADS];
  void *bad[THREADS];
  standin("DEVICES", "2");
  standin("LAZY", "1");
  CHECK(use(0, 1, 2) == RK_OK, "two devices");
  for (int k = 0; k < THREADS; k++)
    pthread_create(&thread[k], NULL, work_on, rk_device_at(k / 2));
  for (int k = 0; k < THREADS; k++) pthread_join(thread[k], &bad[k]);
  for (int k = 0; k < THREADS; k++) CHECK(!bad[k], "at the same time, two of them on each");
  nothing_is_left(NULL);
}

static void the_report(void) {
  rk_text report = {0};
  standin("DEVICES", "2");
  use(1, 0, 1);
  rk_devices_report(&report);
  const char *text = rk_text_string(&report);
  CHECK(strstr(text, "CUDA driver: /") && strstr(text, "for CUDA 13.0"), "the driver");
  CHECK(strstr(text, "GPU 0: Stand-in GPU 0, compute capability 9.0, 0.2 GiB, 0.2 GiB free\n"),
        "one");
  CHECK(strstr(text, "GPU 1: Stand-in GPU 1") && strstr(text, "in use\n"), "the one in use");
  rk_text_free(&report);
}

static void the_report_of_what_is_missing(void) {
  rk_text report = {0};
  standin("DEVICES", "0");
  rk_devices_report(&report);
  CHECK(strstr(rk_text_string(&report), "GPU: none: The NVIDIA driver (") &&
        strstr(rk_text_string(&report), "finds no GPU"), "no GPU");
  rk_text_clear(&report);
  rk_text_free(&report);
}

int main(void) {
  if (!begin_children()) return end_children();
  IN_CHILD(the_cpu_does_not_touch_the_driver);
  IN_CHILD(without_a_driver);
  IN_CHILD(a_wrong_path_is_named);
  IN_CHILD(a_library_without_functions_is_too_old);
  IN_CHILD(no_device);
  IN_CHILD(a_driver_that_does_not_start);
  IN_CHILD(choosing_devices);
  IN_CHILD(one_of_two_cannot_be_opened);
  IN_CHILD(limits_are_those_of_the_device);
  IN_CHILD(describing_devices);
  IN_CHILD(unknown_capabilities);
  IN_CHILD(without_nvrtc);
  static const char *const version[] = {"1208", "1209", "1300"};
  for (int k = 0; k < 3; k++) {
    nvrtc_version = version[k];
    IN_CHILD(a_version_of_nvrtc_gets_the_options_that_it_knows);
  }
  IN_CHILD(an_error_that_stays_marks_the_device);
  IN_CHILD(which_errors_stay);
  IN_CHILD(a_forked_process_leaves_the_driver_alone);
  IN_CHILD(before_the_driver_is_opened);
  IN_CHILD(several_threads_use_several_devices);
  IN_CHILD(the_report);
  IN_CHILD(the_report_of_what_is_missing);
  return end_children();
}
