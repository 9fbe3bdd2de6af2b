/* What the tests of devices share: a process knows one driver, opened once, so each test runs in a
 * child, and the first process never opens any. Counts are shared. */
#ifndef CHECK_DEVICE_H
#define CHECK_DEVICE_H

#include "cuda/nvrtc.h"
#include "check.h"
#include "children.h"
#include "os.h"
#include "cuda/device.h"

#include <dlfcn.h>
#include <sys/mman.h>

/* ---- children -------------------------------------------------------------------------------- */

typedef struct { int passed, failed, skipped; } counts;
static counts *all;

static inline void run_in_child(void (*test)(void), const char *name) {
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    test();
    all->passed += check_passed;
    all->failed += check_failed;
    all->skipped += check_skipped;
    exit(0); /* so that leaks are looked for */
  }
  int status = status_of(pid);
  if (!status) return;
  all->failed++;
  printf("FAILED %s: the process ended with status %d\n", name, status);
}
#define IN_CHILD(test) run_in_child(test, #test)

static inline void standin(const char *name, const char *value) {
  char variable[64];
  snprintf(variable, sizeof variable, "RKEOPS_STANDIN_%s", name);
  if (value) setenv(variable, value, 1);
  else unsetenv(variable);
}

/* A function of the stand-in driver; 0: it is not loaded. */
static inline int standin_function(const char *name, void *function) {
  void *library = dlopen(getenv("RKEOPS_CUDA_PATH"), RTLD_NOW | RTLD_NOLOAD);
  void *symbol = library ? dlsym(library, name) : NULL;
  if (library) dlclose(library);
  memcpy(function, &symbol, sizeof symbol);
  return symbol != NULL;
}

/* What the stand-in counts: calls of a function, "bytes", "streams", ...; -1: not loaded. */
static inline long count_of(const char *what) {
  long (*count)(const char *);
  return standin_function("rkeops_standin_count", &count) ? count(what) : -1;
}

/* An error that stays is forgotten. */
static inline void mend(void) {
  void (*forget)(void);
  if (standin_function("rkeops_standin_mend", &forget)) forget();
}

/* ---- shorthands ------------------------------------------------------------------------------ */

static inline rk_status use(int a, int b, int n) {
  int devices[] = {a, b};
  last.message[0] = 0;
  return use_devices(devices, n, &last);
}

static inline rk_device *first_device(void) {
  CHECK(use(0, 0, 1) == RK_OK, "GPU 0 can be used");
  rk_device *device = rk_device_at(0);
  CHECK(device && rk_device_enter(device, &last) == RK_OK, "and entered");
  return device;
}

static inline rk_device_info info_of(int number) {
  rk_device_info info;
  CHECK(rk_device_describe(number, &info, &last) == RK_OK, "a device is described");
  return info;
}

/* After this only streams, their events and the contexts are there. */
static inline void nothing_is_left(rk_device *device) {
  if (device) rk_device_leave(device);
  CHECK(use(0, 0, 0) == RK_OK && rk_devices() == 0, "back to the CPU");
  CHECK(count_of("bytes") == 0 && count_of("pinned") == 0 && count_of("modules") == 0,
        "no memory is left, on the device or pinned");
  CHECK(count_of("pushed") == 0, "no context is left current");
  CHECK(count_of("overruns") == 0, "nobody wrote where it must not");
}

/* ---- beginning and end ----------------------------------------------------------------------- */

/* 0: there is no stand-in driver. */
static inline int begin_children(void) {
  if (!getenv("RKEOPS_CUDA_PATH")) {
    printf("skipped: RKEOPS_CUDA_PATH does not name the stand-in driver\n");
    check_skipped = 1;
    return 0;
  }
  check_configure();
  all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) exit(2);
  return 1;
}

static inline int end_children(void) {
  if (all) {
    check_passed += all->passed;
    check_failed += all->failed;
    check_skipped += all->skipped;
  }
  return check_end();
}

#endif
