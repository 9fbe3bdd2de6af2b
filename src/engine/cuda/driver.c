/* libcuda, opened at run time. See driver.h.
 *
 * One table holds names and places of all functions. A process that was forked after the driver
 * was initialised must not call it any more: the driver's threads and descriptors stayed with the
 * parent, and calls hang or crash. So every way to the table leads through rk_driver_open, and
 * rk_device_enter asks rk_driver_forked. */
#include "cuda/driver.h"
#include "error.h"
#include "os.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
static const char *const names[] = {"nvcuda.dll", NULL};
#else
static const char *const names[] = {"libcuda.so.1", "libcuda.so", "/usr/lib/wsl/lib/libcuda.so.1",
                                    NULL};
#endif

static const struct { const char *name; size_t offset; } entries[] = {
#define ENTRY(member, name, arguments) {name, offsetof(rk_driver, member)},
  RK_DRIVER_FUNCTIONS(ENTRY)
#undef ENTRY
};

static struct {
  rk_driver table;
  void *library;
  char *path;
  int ready; /* initialised, in this process or in the one it was forked from */
  int forks; /* of rk_os_forks when that was done */
} opened;

/* ---- finding it ----------------------------------------------------------------------------- */

static const char *given_path(void) {
  const char *path = getenv("RKEOPS_CUDA_PATH");
  return path && *path ? path : NULL;
}

/* `reason` is that of the last name, or of the path that was given. */
static int open_library(rk_text *reason) {
  const char *given = given_path();
  for (int k = 0; !opened.library && (given ? k == 0 : names[k] != NULL); k++) {
    if (reason) rk_text_clear(reason);
    const char *name = given ? given : names[k];
    opened.library = rk_os_open_library(name, reason);
    if (!opened.library || opened.path) continue;
    rk_text path = {0};
    if (!rk_os_library_path(opened.library, "cuInit", &path)) rk_text_add(&path, name);
    opened.path = rk_text_steal(&path);
  }
  return opened.library != NULL;
}

/* NULL, or the name of the first function that is not there. */
static const char *take_functions(void) {
  const char *missing = NULL;
  for (size_t k = 0; k < sizeof entries / sizeof *entries; k++) {
    void *symbol = rk_os_symbol(opened.library, entries[k].name);
    memcpy((char *)&opened.table + entries[k].offset, &symbol, sizeof symbol);
    if (!symbol && !missing) missing = entries[k].name;
  }
  return missing;
}

static const char *path_or(const char *otherwise) { return opened.path ? opened.path : otherwise; }

const char *rk_driver_path(int look) {
  if (look) open_library(NULL);
  return opened.library ? path_or("libcuda") : NULL;
}

int rk_driver_version(void) {
  int (*get)(int *) = NULL;
  int version = 0;
  if (!opened.library || rk_driver_forked()) return 0;
  void *symbol = rk_os_symbol(opened.library, "cuDriverGetVersion");
  memcpy(&get, &symbol, sizeof symbol);
  return get && get(&version) == 0 ? version : 0;
}

int rk_driver_forked(void) { return opened.ready && opened.forks != rk_os_forks(); }

/* ---- failures ------------------------------------------------------------------------------- */

enum { NOT_INITIALIZED = 3, NO_DEVICE = 100 };

static rk_status not_found(const rk_text *reason, rk_error *error) {
  if (given_path())
    return rk_fail(error, RK_ERROR_DEVICE, "The NVIDIA driver library that RKEOPS_CUDA_PATH names "
                   "could not be opened: %s", rk_text_string(reason));
  return rk_fail(error, RK_ERROR_DEVICE, "The NVIDIA driver (libcuda) was not found: install the "
                 "driver of the GPU, or set RKEOPS_CUDA_PATH to the path of the library.");
}

static rk_status too_old(const char *missing, rk_error *error) {
  int version = rk_driver_version();
  return rk_fail(error, RK_ERROR_DEVICE, "The NVIDIA driver (%s, for CUDA %d.%d) is too old: it "
                 "has no function %s. Install a driver for CUDA 11.2 or later.", path_or("libcuda"),
                 version / 1000, version % 1000 / 10, missing);
}

static rk_status was_forked(rk_error *error) {
  return rk_fail(error, RK_ERROR_DEVICE, "GPUs cannot be used in this process: it was forked from "
                 "one that had already started the NVIDIA driver. Compute on the CPU in forked "
                 "processes, or start the workers as new processes (a PSOCK cluster, for "
                 "instance).");
}

static rk_status not_initialised(int result, rk_error *error) {
  const char *name = NULL, *text = NULL;
  if (result == NO_DEVICE)
    return rk_fail(error, RK_ERROR_DEVICE, "The NVIDIA driver (%s) finds no GPU. Does nvidia-smi "
                   "list one, and does CUDA_VISIBLE_DEVICES, when it is set, name one?",
                   path_or("libcuda"));
  if (opened.table.error_name(result, &name) != 0 || !name) name = "unknown error";
  if (opened.table.error_string(result, &text) != 0 || !text) text = "no description";
  return rk_fail(error, RK_ERROR_DEVICE, "The NVIDIA driver (%s) could not be started: %s (%s, "
                 "%d).%s", path_or("libcuda"), text, name, result,
                 result == NOT_INITIALIZED && rk_os_forked() ? " This process was forked: if its "
                 "parent uses a GPU, it cannot." : "");
}

/* ---- opening -------------------------------------------------------------------------------- */

rk_status rk_driver_open(const rk_driver **driver, rk_error *error) {
  *driver = NULL;
  if (rk_driver_forked()) return was_forked(error);
  if (!opened.ready) {
    rk_text reason = {0};
    int found = open_library(&reason);
    rk_status status = found ? RK_OK : not_found(&reason, error);
    rk_text_free(&reason);
    if (status != RK_OK) return status;
    const char *missing = take_functions();
    if (missing) return too_old(missing, error);
    opened.forks = rk_os_forks(); /* from here on forks are noticed */
    int result = opened.table.init(0);
    if (result != 0) return not_initialised(result, error);
    opened.ready = 1;
  }
  *driver = &opened.table;
  return RK_OK;
}
