/* The GPUs of this machine: which there are, which are in use, their contexts and their errors. See
 * device.h; memory is in device_memory.c, waiting and launching in device_run.c.
 *
 * A device is opened when it is first used: its primary context (which other CUDA libraries of the
 * process share) is retained and stays so to the end of the process, since kernels and resident
 * arrays live in it. The context is current only between rk_device_enter and rk_device_leave, which
 * push and pop it: another library finds its own again.
 *
 * Some errors destroy a context: all that lay in it is lost, and so is the use of this device in
 * this process, for others too. Such a device is marked with the first of these errors. */
#include "cuda/device_parts.h"
#include "cuda/cuda.h"
#include "cuda/nvrtc.h"
#include "os.h"
#include "run/call.h"

#include <stdlib.h>
#include <string.h>

enum { WHOLE, BREAKING, BROKEN };
enum { RESULT_OK = 0, OUT_OF_MEMORY = 2, NON_BLOCKING = 1, NO_TIMING = 2 };

static rk_device *known[RK_MOST_DEVICES]; /* by number; never freed */
static int known_n;
static rk_device_set used;

static const rk_device_set *in_use(void) {
  static const rk_device_set none;
  const rk_call *call = rk_call_now();
  if (!call) return &used;
  return call->backend == &rk_backend_cuda ? call->held : &none;
}

int rk_devices(void) { return in_use()->n; }
rk_device *rk_device_at(int k) {
  const rk_device_set *set = in_use();
  return k >= 0 && k < set->n ? set->device[k] : NULL;
}
int rk_device_number(const rk_device *device) { return device->number; }
const rk_device_limits *rk_device_limits_of(const rk_device *device) { return &device->limits; }
const rk_driver *rk_device_driver(const rk_device *device) { return device->driver; }

rk_cu_handle rk_device_stream(const rk_device *device, int which) {
  return device->stream[which];
}

/* ---- errors --------------------------------------------------------------------------------- */

/* Those of which the driver's documentation says that the process can do no more work with CUDA
 * after them, or that the context is gone. */
static int is_lasting(int result) {
  switch (result) {
    case 4:   /* the driver is shutting down */
    case 214: /* uncorrectable ECC error */
    case 220: /* uncorrectable NVLink error */
    case 226: /* contained error */
    case 700: /* illegal address */
    case 702: /* launch timed out */
    case 709: /* context destroyed (by another library) */
    case 710: /* assertion */
    case 714: /* hardware stack */
    case 715: /* illegal instruction */
    case 716: /* misaligned address */
    case 717: /* invalid address space */
    case 718: /* invalid program counter */
    case 719: /* launch failed */
    case 721: /* tensor memory leak */
    case 911: /* external device */
      return 1;
    default: return 0;
  }
}

static void describe(const rk_device *device, int result, const char *what, rk_text *words) {
  const char *name = NULL, *text = NULL;
  if (device->driver->error_name(result, &name) != RESULT_OK || !name) name = "CUDA error";
  if (device->driver->error_string(result, &text) != RESULT_OK || !text) text = "unknown error";
  rk_text_format(words, "%s: %s (%s, %d)", what, text, name, result);
}

static rk_status fail_broken(const rk_device *device, rk_error *error) {
  return rk_fail(error, RK_ERROR_DEVICE, "GPU %d (%s) cannot be used any more in this process: %s. "
                 "Restart R to use it again.", device->number, device->name, device->broken);
}

/* The first error stays; two threads may meet one each. */
static void mark(rk_device *device, const char *words) {
  int state = WHOLE;
  if (!atomic_compare_exchange_strong(&device->broken_state, &state, BREAKING)) return;
  strncpy(device->broken, words, sizeof device->broken - 1);
  atomic_store(&device->broken_state, BROKEN);
}

int rk_device_is_broken(const rk_device *device) {
  return atomic_load(&device->broken_state) == BROKEN;
}

rk_status rk_device_check(rk_device *device, int result, const char *what, rk_error *error) {
  if (result == RESULT_OK) return RK_OK;
  rk_text words = {0};
  describe(device, result, what, &words);
  rk_status status = result == OUT_OF_MEMORY ? RK_ERROR_MEMORY : RK_ERROR_DEVICE;
  if (is_lasting(result)) {
    mark(device, rk_text_string(&words));
    fail_broken(device, error);
  } else {
    rk_fail(error, status, "GPU %d (%s): %s.", device->number, device->name,
            rk_text_string(&words));
  }
  rk_text_free(&words);
  return status;
}

rk_status rk_device_enter(rk_device *device, rk_error *error) {
  const rk_driver *driver;
  if (rk_driver_forked()) return rk_driver_open(&driver, error); /* says so */
  if (rk_device_is_broken(device)) return fail_broken(device, error);
  return rk_device_check(device, device->driver->context_push(device->context),
                         "making its context current", error);
}

void rk_device_leave(rk_device *device) {
  rk_cu_handle context;
  if (!rk_driver_forked()) device->driver->context_pop(&context);
}

int rk_device_push(rk_device *device) {
  if (rk_driver_forked() || !device->context) return 0;
  return device->driver->context_push(device->context) == RESULT_OK ||
         device->driver->context_push(device->context) == RESULT_OK;
}

/* Held for a moment, save while the driver is asked for memory. */
void rk_device_lock(rk_device *device) {
  while (atomic_flag_test_and_set(&device->lock)) rk_os_sleep(2e-5);
}

void rk_device_unlock(rk_device *device) { atomic_flag_clear(&device->lock); }

/* ---- knowing -------------------------------------------------------------------------------- */

static int attribute(const rk_device *device, int which, int otherwise) {
  int value = 0;
  int result = device->driver->device_attribute(&value, which, device->handle);
  return result == RESULT_OK && value > 0 ? value : otherwise;
}

/* What cannot be asked (old drivers, attributes that were withdrawn) is taken to be small. */
static void learn_limits(rk_device *device) {
  rk_device_limits *limits = &device->limits;
  limits->multiprocessors = attribute(device, 16, 1);
  limits->blocks = attribute(device, 106, 16);
  limits->threads = attribute(device, 39, 1024);
  limits->clock = attribute(device, 13, 1000000);
  limits->double_ratio = attribute(device, 87, 32);
  limits->shared = attribute(device, 8, 48 << 10);
  limits->minor = attribute(device, 76, 0);
}

static rk_status learn(rk_device *device, rk_error *error) {
  const rk_driver *driver = device->driver;
  rk_status status = rk_device_check(device, driver->device_get(&device->handle, device->number),
                                     "looking it up", error);
  if (!status)
    status = rk_device_check(device,
                             driver->device_name(device->name, sizeof device->name - 1,
                                                 device->handle), "asking for its name", error);
  if (!status)
    status = rk_device_check(device, driver->device_memory(&device->memory, device->handle),
                             "asking for its memory", error);
  if (!status)
    status = rk_device_check(device,
                             driver->device_attribute(&device->limits.major, 75, device->handle),
                             "asking for its compute capability", error);
  if (!status) learn_limits(device);
  return status;
}

static rk_status add_known(const rk_driver *driver, int number, rk_error *error) {
  rk_device *device = calloc(1, sizeof *device);
  if (!device) return rk_fail_memory(error, sizeof *device);
  device->number = number;
  device->driver = driver;
  atomic_flag_clear(&device->lock);
  strcpy(device->name, "unknown");
  rk_status status = learn(device, error);
  if (status == RK_OK) known[known_n++] = device;
  else free(device);
  return status;
}

/* Opens the driver and learns about all devices of the machine. */
rk_status rk_device_count(int *count, rk_error *error) {
  const rk_driver *driver;
  int n = 0;
  *count = 0;
  rk_status status = rk_driver_open(&driver, error);
  if (status != RK_OK) return status;
  int result = driver->device_count(&n);
  if (result != RESULT_OK)
    return rk_fail(error, RK_ERROR_DEVICE, "The NVIDIA driver does not say how many GPUs there are "
                   "(CUDA error %d).", result);
  if (n > RK_MOST_DEVICES) n = RK_MOST_DEVICES;
  while (status == RK_OK && known_n < n) status = add_known(driver, known_n, error);
  *count = known_n;
  return status;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* All that open_context made of it; modules, arrays and buffers must be gone. */
static void close_context(rk_device *device) {
  const rk_driver *driver = device->driver;
  int current = rk_device_push(device);
  for (int k = 0; k < RK_STREAMS; k++) {
    if (device->idle[k]) driver->event_destroy(device->idle[k]);
    if (device->stream[k]) driver->stream_destroy(device->stream[k]);
    device->idle[k] = device->stream[k] = NULL;
  }
  if (current) rk_device_leave(device);
  driver->primary_release(device->handle);
  device->context = NULL;
}

static rk_status make_streams(rk_device *device, rk_error *error) {
  const rk_driver *driver = device->driver;
  rk_status status = rk_device_enter(device, error);
  if (status != RK_OK) return status;
  for (int k = 0; k < RK_STREAMS && !status; k++) {
    status = rk_device_check(device, driver->stream_create(&device->stream[k], NON_BLOCKING),
                             "creating a stream", error);
    if (!status)
      status = rk_device_check(device, driver->event_create(&device->idle[k], NO_TIMING),
                               "creating an event", error);
  }
  rk_device_leave(device);
  return status;
}

static rk_status open_context(rk_device *device, rk_error *error) {
  rk_cu_handle context = NULL;
  rk_status status = rk_device_check(device,
                                     device->driver->primary_retain(&context, device->handle),
                                     "creating its context", error);
  if (status != RK_OK) return status;
  device->context = context;
  status = make_streams(device, error);
  if (status != RK_OK) close_context(device);
  return status;
}

/* ---- using ---------------------------------------------------------------------------------- */

static int position(rk_device *const *list, int n, const rk_device *device) {
  for (int k = 0; k < n; k++)
    if (list[k] == device) return k;
  return -1;
}

static rk_status check_number(int number, int count, rk_error *error) {
  if (number >= 0 && number < count) return RK_OK;
  if (count == 1)
    return rk_fail(error, RK_ERROR_DEVICE, "There is no GPU %d: the driver shows one GPU, which "
                   "has the number 0.", number);
  return rk_fail(error, RK_ERROR_DEVICE, "There is no GPU %d: the driver shows %d GPUs, numbered "
                 "from 0 to %d.", number, count, count - 1);
}

/* Numbers -> devices; opens nothing. */
static rk_status look_up(const int *number, int n, rk_device **device, rk_error *error) {
  int count;
  rk_status status = rk_device_count(&count, error);
  for (int k = 0; k < n && !status; k++) {
    status = check_number(number[k], count, error);
    if (status) break;
    device[k] = known[number[k]];
    if (position(device, k, device[k]) >= 0)
      status = rk_fail(error, RK_ERROR_ARGUMENT, "GPU %d is named twice.", number[k]);
    else if (rk_device_is_broken(device[k])) status = fail_broken(device[k], error);
  }
  return status;
}

static rk_status supported(const rk_device *device, rk_error *error) {
  rk_error problem;
  rk_status status = rk_nvrtc_supports(device->limits.major, device->limits.minor, &problem);
  if (status == RK_OK) return RK_OK;
  return rk_fail(error, status, "GPU %d (%s): %s", device->number, device->name, problem.message);
}

/* Those that are not open yet. On failure all is as it was. */
static rk_status open_all(rk_device **device, int n, rk_error *error) {
  rk_status status = RK_OK;
  int is_new[RK_MOST_DEVICES] = {0};
  for (int k = 0; k < n && !status; k++) {
    status = supported(device[k], error);
    if (status || device[k]->context) continue;
    status = open_context(device[k], error);
    is_new[k] = status == RK_OK;
  }
  for (int k = 0; k < n && status; k++)
    if (is_new[k]) close_context(device[k]);
  return status;
}

/* A device that nobody uses gives back what others could need. */
static void give_back_unused(rk_device *device) {
  if (!atomic_load(&device->is_used) && !device->calls) rk_device_give_back(device);
}

static void set_used(rk_device **device, int n) {
  rk_device_set before = used;
  memcpy(used.device, device, (size_t)n * sizeof *device);
  used.n = n;
  for (int k = 0; k < before.n; k++) atomic_store(&before.device[k]->is_used, 0);
  for (int k = 0; k < n; k++) atomic_store(&used.device[k]->is_used, 1);
  for (int k = 0; k < before.n; k++) give_back_unused(before.device[k]);
}

rk_status rk_devices_hold(void **held, rk_error *error) {
  rk_device_set *set = *held = malloc(sizeof *set);
  if (!set) return rk_fail_memory(error, sizeof *set);
  *set = used;
  for (int k = 0; k < set->n; k++) set->device[k]->calls++;
  return RK_OK;
}

void rk_devices_release(void *held) {
  rk_device_set *set = held;
  for (int k = 0; k < set->n; k++) {
    set->device[k]->calls--;
    give_back_unused(set->device[k]);
  }
  free(set);
}

/* The devices in use, as they are named; they can still be used. */
static int nothing_changes(const int *number, int n) {
  if (n != used.n || rk_driver_forked()) return 0;
  for (int k = 0; k < n; k++)
    if (used.device[k]->number != number[k] || rk_device_is_broken(used.device[k])) return 0;
  return 1;
}

rk_status rk_devices_use(const int *device, int n, rk_error *error) {
  rk_device *wanted[RK_MOST_DEVICES];
  rk_status status = RK_OK;
  if (n < 0 || n > RK_MOST_DEVICES || (n > 0 && !device))
    return rk_fail(error, RK_ERROR_ARGUMENT, "number of GPUs: expected 0 to %d, found %d",
                   RK_MOST_DEVICES, n);
  if (nothing_changes(device, n)) return RK_OK;
  if (n > 0) status = look_up(device, n, wanted, error);
  if (n > 0 && !status) status = rk_nvrtc_available(error);
  if (n > 0 && !status) status = open_all(wanted, n, error);
  if (!status) set_used(wanted, n);
  return status;
}

/* ---- describing ----------------------------------------------------------------------------- */

/* Bytes, or -1. A device that was never used gets a context for as long as it takes: a fraction of
 * a second. */
static int64_t ask_free(rk_device *device) {
  size_t bytes = 0;
  rk_cu_handle context = device->context;
  if (rk_device_is_broken(device)) return -1;
  if (!context && device->driver->primary_retain(&context, device->handle) != RESULT_OK) return -1;
  int good = device->driver->context_push(context) == RESULT_OK;
  if (good) {
    rk_device_lock(device);
    good = rk_device_free_bytes(device, &bytes) == RESULT_OK;
    rk_device_unlock(device);
    device->driver->context_pop(&context);
  }
  if (!device->context) device->driver->primary_release(device->handle);
  return good ? (int64_t)bytes : -1;
}

rk_status rk_device_describe(int number, rk_device_info *info, rk_error *error) {
  int count;
  memset(info, 0, sizeof *info);
  rk_status status = rk_device_count(&count, error);
  if (!status) status = check_number(number, count, error);
  if (status != RK_OK) return status;
  rk_device *device = known[number];
  memcpy(info->name, device->name, sizeof info->name);
  info->major = device->limits.major;
  info->minor = device->limits.minor;
  info->multiprocessors = device->limits.multiprocessors;
  info->memory = (int64_t)device->memory;
  info->free = ask_free(device);
  rk_device_lock(device);
  info->held = (int64_t)device->held;
  info->pooled = (int64_t)device->pooled;
  rk_device_unlock(device);
  return RK_OK;
}
