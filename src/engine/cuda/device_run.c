/* Waiting for a device, loading code, launching.
 *
 * Waiting asks and sleeps rather than calling the driver's own waiting functions: those keep a
 * processor busy and cannot be interrupted. The first 50 microseconds are spent asking, so that a
 * small call answers at once; then sleeps grow from 50 microseconds to a millisecond. */
#include "cuda/device_parts.h"
#include "cuda/nvrtc.h"
#include "os.h"

enum { RESULT_OK = 0, NOT_READY = 600 };

/* ---- waiting -------------------------------------------------------------------------------- */

rk_status rk_device_wait_event(rk_device *device, rk_cu_handle event, double done,
                               rk_caller caller) {
  double start = rk_os_seconds(), polled = start, pause = 50e-6;
  for (;;) {
    int result = device->driver->event_query(event);
    if (result != NOT_READY)
      return rk_device_check(device, result, "waiting for a kernel or a copy", caller.error);
    double now = rk_os_seconds();
    if (caller.poll && now - polled >= 5e-3) {
      polled = now;
      if (rk_ask(caller, done)) return RK_CANCELLED;
    }
    if (now - start < 50e-6) continue;
    rk_os_sleep(pause);
    if (pause < 1e-3) pause *= 1.5;
  }
}

rk_status rk_device_wait(rk_device *device, rk_caller caller) {
  rk_status status = RK_OK;
  for (int k = 0; k < RK_STREAMS && !status; k++)
    status = rk_device_check(device,
                             device->driver->event_record(device->idle[k], device->stream[k]),
                             "recording an event", caller.error);
  for (int k = 0; k < RK_STREAMS && !status; k++)
    status = rk_device_wait_event(device, device->idle[k], 1, caller);
  return status;
}

/* ---- code ----------------------------------------------------------------------------------- */

static int is_refusal(int result) {
  switch (result) {
    case 200: /* invalid image */
    case 209: /* no code for this device */
    case 218: /* invalid PTX */
    case 221: /* the driver's compiler is missing */
    case 222: /* PTX of a later version */
    case 223: /* the driver's compiler is switched off */
      return 1;
    default: return 0;
  }
}

/* Mostly an NVRTC that is newer than the driver. */
static rk_status refused(rk_device *device, int result, const char *log, rk_error *error) {
  rk_error words = {.message = ""};
  int version = rk_driver_version();
  rk_status status = rk_device_check(device, result, "loading a kernel", &words);
  return rk_fail(error, status, "%s The driver is for CUDA %d.%d, the kernel was compiled by NVRTC "
                 "%s. If NVRTC is the newer of the two, update the driver, or set "
                 "RKEOPS_NVRTC_PATH to an older libnvrtc.%s%s", words.message, version / 1000,
                 version % 1000 / 10, rk_nvrtc_version(), *log ? "\n" : "", log);
}

rk_status rk_device_load(rk_device *device, const void *image, rk_cu_handle *module,
                         rk_error *error) {
  enum { LOG = 5, LOG_BYTES = 6, ROOM = 2048 };
  char log[ROOM] = {0};
  int option[] = {LOG, LOG_BYTES};
  void *value[] = {log, (void *)(uintptr_t)(ROOM - 1)};
  *module = NULL;
  int result = device->driver->module_load(module, image, 2, option, value);
  if (result == RESULT_OK) return RK_OK;
  *module = NULL;
  if (is_refusal(result)) return refused(device, result, log, error);
  return rk_device_check(device, result, "loading a kernel", error);
}

void rk_device_unload(rk_device *device, rk_cu_handle module) {
  if (!module || !rk_device_push(device)) return;
  device->driver->module_unload(module);
  rk_device_leave(device);
}

rk_status rk_device_function(rk_device *device, rk_cu_handle module, const char *name,
                             rk_cu_handle *function, rk_error *error) {
  *function = NULL;
  rk_text what = {0};
  rk_text_format(&what, "looking up the kernel %s", name);
  int result = device->driver->module_function(function, module, name);
  rk_status status = rk_device_check(device, result, rk_text_string(&what), error);
  rk_text_free(&what);
  return status;
}

/* The limits of every device of compute capability 3.0 or later. */
static int is_launchable(const rk_launch *shape) {
  for (int k = 0; k < 3; k++)
    if (shape->grid[k] < 1 || shape->grid[k] > (k == 0 ? 2147483647u : 65535u)) return 0;
  return shape->block >= 1 && shape->block <= 1024;
}

rk_status rk_device_launch(rk_device *device, rk_cu_handle function, const rk_launch *shape,
                           rk_cu_handle stream, void **parameters, rk_error *error) {
  if (!is_launchable(shape))
    return rk_fail(error, RK_ERROR_INTERNAL, "a GPU kernel of %u x %u x %u blocks of %u threads "
                   "cannot be launched", shape->grid[0], shape->grid[1], shape->grid[2],
                   shape->block);
  int result = device->driver->launch(function, shape->grid[0], shape->grid[1], shape->grid[2],
                                      shape->block, 1, 1, 0, stream, parameters, NULL);
  return rk_device_check(device, result, "launching a kernel", error);
}
