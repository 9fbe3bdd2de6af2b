/* A stand-in for libcuda.so.1: devices are memory of the host, kernels are code of the host that
 * the stand-in for NVRTC made. It exports the functions that src/engine/cuda/driver.c asks for, is
 * built without any header of CUDA, and is stricter than a true driver. README.md lists its
 * settings.
 *
 * One lock guards everything, kernels included. The thread sanitizer must not see it (it would
 * order the host threads of the engine, and hide their races), so it is made by hand, and this
 * library is built without that sanitizer. */
#define _GNU_SOURCE
#include "driver_parts.h"
#include "standin.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#define API RK_EXPORT int
enum { MOST_DEVICES = 8, MOST_PUSHED = 64 };
enum { ANYTIME, STARTED, IN_CONTEXT };

held alive;
static device devices[MOST_DEVICES];
static int device_number = -1; /* not initialised */
static int lock;
static long left_pushed;       /* contexts that threads left on their stacks */
static pid_t owner;

typedef struct { device *pushed[MOST_PUSHED]; int n; } context_stack;
static _Thread_local context_stack contexts;
static pthread_key_t thread_end;

/* ---- entering and leaving -------------------------------------------------------------------- */

static void take_lock(void) {
  for (int tries = 0; __atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE); tries++) {
    if (tries < 100) sched_yield();
    else usleep(50);
  }
}

static void release_lock(void) { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }

static device *current(void) { return contexts.n ? contexts.pushed[contexts.n - 1] : NULL; }

static int is_lasting(int code) {
  return code == CU_ILLEGAL_ADDRESS || (code >= 702 && code <= 719 && code != 704 && code != 705 &&
                                        code != 708 && code != 709 && code != 712 && code != 713);
}

void break_device(device *d, int code) {
  if (!d->broken && is_lasting(code)) d->broken = code;
}

/* Every call begins with one of these two and ends with leave. */
static int state_of(int needs) {
  if (needs == ANYTIME) return CU_OK;
  if (device_number < 0) return CU_NOT_INITIALIZED;
  if (needs == STARTED) return CU_OK;
  return current() ? current()->broken : CU_INVALID_CONTEXT;
}

static int enter(const char *name, int needs) {
  take_lock();
  int code = rk_count_call(name);
  if (code && current() && needs == IN_CONTEXT) break_device(current(), code);
  return code ? code : state_of(needs);
}

/* What gives something back does so also when it reports an error, often of earlier work. */
static int enter_release(const char *name, int needs, int *late) {
  int code = enter(name, needs);
  *late = code;
  return code == CU_NOT_INITIALIZED || code == CU_INVALID_CONTEXT ? code : CU_OK;
}

static int leave(int code) {
  release_lock();
  return code;
}

/* Functions that do no more than one call of another part; those that give back wait for what is
 * queued, as a true driver does. */
#define CALL(name, needs, parameters, work)                                                        \
  API name parameters {                                                                            \
    int code = enter(#name, needs);                                                                \
    if (!code) code = (work);                                                                      \
    return leave(code);                                                                            \
  }
#define RELEASE(name, parameters, work)                                                            \
  API name parameters {                                                                            \
    int late, code = enter_release(#name, IN_CONTEXT, &late);                                      \
    if (!code) code = (work);                                                                      \
    return leave(code ? code : late);                                                              \
  }

/* ---- start and end --------------------------------------------------------------------------- */

static void end_of_thread(void *stack) {
  left_pushed += ((context_stack *)stack)->n;
}

static int start(void) {
  int n = (int)rk_number_setting("RKEOPS_STANDIN_DEVICES", 1);
  if (n <= 0) return CU_NO_DEVICE;
  if (device_number >= 0) return CU_OK;
  device_number = n < MOST_DEVICES ? n : MOST_DEVICES;
  for (int d = 0; d < device_number; d++) devices[d].number = d;
  pthread_key_create(&thread_end, end_of_thread);
  owner = getpid();
  return CU_OK;
}

/* To the file RKEOPS_STANDIN_STATS. */
static void write_report(void) {
  const char *path = rk_text_setting("RKEOPS_STANDIN_STATS", NULL);
  FILE *f = path ? fopen(path, "w") : NULL;
  if (!f) return;
  for (int k = 0; k < device_number; k++) {
    const device *d = &devices[k];
    fprintf(f, "device %d launches %ld peak %zu held %zu buffers %ld contexts %d broken %d\n", k,
            d->launches, d->peak, d->used, d->buffers, d->retained, d->broken);
  }
  fprintf(f, "held streams %ld events %ld modules %ld pinned %ld pushed %ld overruns %ld\n",
          alive.streams, alive.events, alive.modules, alive.pinned, left_pushed + contexts.n,
          alive.overruns);
  for (int k = 0; k < RK_MOST_CALLS && rk_calls[k].name; k++)
    fprintf(f, "calls %s %ld\n", rk_calls[k].name, rk_calls[k].n);
  fclose(f);
}

__attribute__((destructor)) static void at_end(void) {
  if (device_number < 0 || getpid() != owner) return; /* not for forked children */
  write_report();
  modules_remove_files();
}

static long bytes_to_device; /* that were copied there so far */

/* For tests in the same process: calls of a function, or "bytes", "streams", "events", ... now. */
RK_EXPORT long rkeops_standin_count(const char *what) {
  long n = 0;
  take_lock();
  for (int k = 0; k < RK_MOST_CALLS && rk_calls[k].name; k++)
    if (rk_is_called(rk_calls[k].name, what)) n = rk_calls[k].n;
  for (int k = 0; k < device_number; k++) {
    if (!strcmp(what, "bytes")) n += (long)devices[k].used;
    if (!strcmp(what, "buffers")) n += devices[k].buffers;
    if (!strcmp(what, "launches")) n += devices[k].launches;
  }
  if (!strcmp(what, "to_device")) n = bytes_to_device;
  if (!strcmp(what, "streams")) n = alive.streams;
  if (!strcmp(what, "events")) n = alive.events;
  if (!strcmp(what, "modules")) n = alive.modules;
  if (!strcmp(what, "pinned")) n = alive.pinned;
  if (!strcmp(what, "pushed")) n = left_pushed + contexts.n;
  if (!strcmp(what, "overruns")) n = alive.overruns;
  release_lock();
  return n;
}

/* The same for R's .C(). */
RK_EXPORT void rkeops_standin_counts(char **what, double *n) {
  *n = (double)rkeops_standin_count(*what);
}

/* Devices that an error made unusable work again: for tests in the same process. */
RK_EXPORT void rkeops_standin_mend(void) {
  take_lock();
  for (int k = 0; k < MOST_DEVICES; k++) devices[k].broken = 0;
  release_lock();
}

/* ---- devices --------------------------------------------------------------------------------- */

int capability(void) { return (int)rk_number_setting("RKEOPS_STANDIN_CAPABILITY", 90); }

/* Those that the engine asks for. */
static int attribute(int which) {
  switch (which) {
  case 8: return 49152;                   /* shared memory of a block */
  case 13: return (int)rk_number_setting("RKEOPS_STANDIN_CLOCK", 1000000); /* kHz */
  case 16: return (int)rk_number_setting("RKEOPS_STANDIN_MULTIPROCESSORS", 4);
  case 39: return 2048;                   /* threads of a multiprocessor */
  case 75: return capability() / 10;
  case 76: return capability() % 10;
  case 87: return 2;                      /* float32 : float64 */
  case 106: return 32;                    /* blocks of a multiprocessor */
  default: return 0;
  }
}

CALL(cuInit, ANYTIME, (unsigned flags), flags ? CU_INVALID_VALUE : start())

API cuDriverGetVersion(int *version) {
  int code = enter("cuDriverGetVersion", ANYTIME);
  if (!code) *version = (int)rk_number_setting("RKEOPS_STANDIN_VERSION", 13000);
  return leave(code);
}

API cuDeviceGetCount(int *count) {
  int code = enter("cuDeviceGetCount", STARTED);
  if (!code) *count = device_number;
  return leave(code);
}

static int is_device(int k) { return k >= 0 && k < device_number; }

API cuDeviceGet(int *device, int ordinal) {
  int code = enter("cuDeviceGet", STARTED);
  if (!code && !is_device(ordinal)) code = CU_INVALID_DEVICE;
  if (!code) *device = ordinal;
  return leave(code);
}

API cuDeviceGetName(char *name, int length, int device) {
  int code = enter("cuDeviceGetName", STARTED);
  if (!code && !is_device(device)) code = CU_INVALID_DEVICE;
  if (!code) snprintf(name, (size_t)length, "Stand-in GPU %d", device);
  return leave(code);
}

API cuDeviceGetAttribute(int *value, int which, int device) {
  int code = enter("cuDeviceGetAttribute", STARTED);
  if (!code && !is_device(device)) code = CU_INVALID_DEVICE;
  if (!code) *value = attribute(which);
  return leave(code);
}

API cuDeviceTotalMem_v2(size_t *bytes, int device) {
  int code = enter("cuDeviceTotalMem_v2", STARTED);
  if (!code && !is_device(device)) code = CU_INVALID_DEVICE;
  if (!code) *bytes = memory_limit();
  return leave(code);
}

/* ---- contexts -------------------------------------------------------------------------------- */

API cuDevicePrimaryCtxRetain(device **context, int number) {
  int code = enter("cuDevicePrimaryCtxRetain", STARTED);
  if (!code && !is_device(number)) code = CU_INVALID_DEVICE;
  if (!code) {
    *context = &devices[number];
    devices[number].retained++;
  }
  return leave(code);
}

API cuDevicePrimaryCtxRelease_v2(int number) {
  int late, code = enter_release("cuDevicePrimaryCtxRelease_v2", STARTED, &late);
  if (!code && (!is_device(number) || !devices[number].retained)) code = CU_INVALID_DEVICE;
  if (!code && --devices[number].retained == 0) queue_drain(&devices[number]);
  return leave(code ? code : late);
}

static int is_context(const device *context) {
  for (int k = 0; k < device_number; k++)
    if (context == &devices[k]) return 1;
  return 0;
}

API cuCtxPushCurrent_v2(device *context) {
  int code = enter("cuCtxPushCurrent_v2", STARTED);
  if (!code && (!is_context(context) || !context->retained)) code = CU_INVALID_CONTEXT;
  if (!code && contexts.n == MOST_PUSHED) code = CU_INVALID_VALUE;
  if (!code) {
    pthread_setspecific(thread_end, &contexts);
    contexts.pushed[contexts.n++] = context;
  }
  return leave(code);
}

API cuCtxPopCurrent_v2(device **context) {
  int late, code = enter_release("cuCtxPopCurrent_v2", STARTED, &late);
  if (!code && !contexts.n) code = CU_INVALID_CONTEXT;
  if (!code) {
    device *d = contexts.pushed[--contexts.n];
    if (context) *context = d;
  }
  return leave(code ? code : late);
}

/* ---- memory ---------------------------------------------------------------------------------- */

API cuMemGetInfo_v2(size_t *unused, size_t *total) {
  int code = enter("cuMemGetInfo_v2", IN_CONTEXT);
  if (!code) {
    *total = memory_limit();
    *unused = *total > current()->used ? *total - current()->used : 0;
  }
  return leave(code);
}

CALL(cuMemAlloc_v2, IN_CONTEXT, (cu_pointer *pointer, size_t bytes),
     memory_alloc(current(), bytes, pointer))
RELEASE(cuMemFree_v2, (cu_pointer pointer),
        (queue_drain(current()), pointer ? memory_free(current(), pointer) : CU_OK))
CALL(cuMemHostAlloc, IN_CONTEXT, (void **pointer, size_t bytes, unsigned flags),
     flags > 7 ? CU_INVALID_VALUE : host_alloc(pointer, bytes))
RELEASE(cuMemFreeHost, (void *pointer), (queue_drain(current()), host_free(pointer)))

API cuMemcpyHtoDAsync_v2(cu_pointer to, const void *from, size_t bytes, stream *s) {
  int code = enter("cuMemcpyHtoDAsync_v2", IN_CONTEXT);
  if (!code) code = queue_to_device(current(), s, to, from, bytes);
  if (!code) bytes_to_device += (long)bytes;
  return leave(code);
}

CALL(cuMemcpyDtoHAsync_v2, IN_CONTEXT, (void *to, cu_pointer from, size_t bytes, stream *s),
     queue_to_host(current(), s, to, from, bytes))

/* ---- streams and events ---------------------------------------------------------------------- */

CALL(cuStreamCreate, IN_CONTEXT, (stream **s, unsigned flags),
     flags > 1 ? CU_INVALID_VALUE : stream_create(current(), s))
RELEASE(cuStreamDestroy_v2, (stream *s), stream_destroy(current(), s))
CALL(cuStreamSynchronize, IN_CONTEXT, (stream *s), stream_synchronize(current(), s))
CALL(cuStreamWaitEvent, IN_CONTEXT, (stream *s, event *e, unsigned flags),
     flags > 1 ? CU_INVALID_VALUE : stream_wait(current(), s, e))
CALL(cuEventCreate, IN_CONTEXT, (event **e, unsigned flags),
     flags > 7 ? CU_INVALID_VALUE : event_create(current(), flags, e))
RELEASE(cuEventDestroy_v2, (event *e), event_destroy(current(), e))
CALL(cuEventRecord, IN_CONTEXT, (event *e, stream *s), event_record(current(), e, s))
CALL(cuEventQuery, IN_CONTEXT, (event *e), event_query(current(), e))
CALL(cuEventElapsedTime, IN_CONTEXT, (float *milliseconds, event *from, event *to),
     event_elapsed(milliseconds, from, to))

/* ---- modules --------------------------------------------------------------------------------- */

API cuModuleLoadDataEx(module **m, const void *image, unsigned n, int *option, void **value) {
  int code = enter("cuModuleLoadDataEx", IN_CONTEXT);
  (void)option;
  (void)value;
  if (!code) code = n > 64 || !image ? CU_INVALID_VALUE : module_load(current(), image, m);
  return leave(code);
}

RELEASE(cuModuleUnload, (module *m), (queue_drain(current()), module_unload(current(), m)))
CALL(cuModuleGetFunction, IN_CONTEXT, (function **f, module *m, const char *name),
     module_function(current(), m, name, f))

API cuLaunchKernel(function *f, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared, stream *s,
                   void **parameters, void **extra) {
  launch *l = NULL;
  int code = enter("cuLaunchKernel", IN_CONTEXT);
  if (!code && (shared || extra)) code = CU_INVALID_VALUE; /* the engine uses neither */
  if (!code)
    code = launch_new(current(), f, (rk_triple){grid_x, grid_y, grid_z},
                      (rk_triple){block_x, block_y, block_z}, parameters, &l);
  if (!code) code = queue_launch(current(), s, l);
  return leave(code);
}

/* ---- words ----------------------------------------------------------------------------------- */

static const struct { int code; const char *name, *text; } words[] = {
  {CU_OK, "CUDA_SUCCESS", "no error"},
  {CU_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
  {CU_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
  {CU_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
  {CU_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
  {CU_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
  {CU_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
  {CU_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
  {CU_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
   "no kernel image is available for execution on the device"},
  {CU_UNSUPPORTED_PTX, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
   "the provided PTX was compiled with an unsupported toolchain."},
  {CU_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
  {CU_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
  {CU_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
  {CU_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
  {CU_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
   "too many resources requested for launch"},
  {CU_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
  {999, "CUDA_ERROR_UNKNOWN", "unknown error"}};

static int find_words(int code) {
  for (int k = 0; k < (int)(sizeof words / sizeof *words); k++)
    if (words[k].code == code) return k;
  return -1;
}

API cuGetErrorName(int code, const char **name) {
  int k = find_words(code);
  *name = k < 0 ? NULL : words[k].name;
  return k < 0 ? CU_INVALID_VALUE : CU_OK;
}

API cuGetErrorString(int code, const char **text) {
  int k = find_words(code);
  *text = k < 0 ? NULL : words[k].text;
  return k < 0 ? CU_INVALID_VALUE : CU_OK;
}
