/* A GPU of this process: its primary context, two streams, its memory, its kernels' launches. Each
 * buffer has one owner: an arena, which frees all of its buffers at once, on every path.
 *
 * Functions on a device are called between rk_device_enter and rk_device_leave of the thread, by
 * more than one thread when a call is made in the poll of one that shares its work among devices:
 * what changes of a device has a lock. Work of both is queued on the same streams, each in its
 * order; nothing else is shared. Every result of the driver is checked; one that leaves the context
 * unusable (illegal address, ...) marks the device, and every later call says so. */
#ifndef RKEOPS_DEVICE_H
#define RKEOPS_DEVICE_H

#include "cuda/driver.h"
#include "text.h"

enum { RK_STREAM_RUN, RK_STREAM_COPY, RK_STREAMS };

typedef struct {
  int multiprocessors, blocks, threads; /* of one multiprocessor: resident blocks, threads */
  int clock;                            /* kHz */
  int double_ratio;                     /* speed of float32 over that of float64 */
  int shared;                           /* bytes of shared memory a block may have */
  int major, minor;
} rk_device_limits;

typedef struct rk_device rk_device;

/* Of the call that runs now, else those that rk_devices_use chose. */
int rk_devices(void);                /* 0 where another backend is used */
rk_device *rk_device_at(int k);

enum { RK_MOST_DEVICES = 64 };
typedef struct {
  rk_device *device[RK_MOST_DEVICES];
  int n;
} rk_device_set;

/* Chooses devices by number; 0: none. See rk_use_backend. */
rk_status rk_devices_use(const int *device, int n, rk_error *error);

/* Those that were chosen, in use until they are released, also when others are chosen. */
rk_status rk_devices_hold(void **held, rk_error *error);
void rk_devices_release(void *held);

int rk_device_number(const rk_device *device);
const rk_device_limits *rk_device_limits_of(const rk_device *device);
const rk_driver *rk_device_driver(const rk_device *device);
rk_cu_handle rk_device_stream(const rk_device *device, int which);

rk_status rk_device_enter(rk_device *device, rk_error *error); /* checks for fork and for marks */
void rk_device_leave(rk_device *device);

/* RK_OK for result 0. Otherwise writes what was done and the driver's words: RK_ERROR_MEMORY when
 * it is out of memory, else RK_ERROR_DEVICE; marks the device if the error is one that stays. */
rk_status rk_device_check(rk_device *device, int result, const char *what, rk_error *error);

/* Buffers. Freed memory is kept for later calls, up to a bound, and given back to the driver before
 * an allocation fails. The device must have finished with a buffer when it is freed. */
typedef struct rk_arena rk_arena;
rk_arena *rk_arena_new(rk_device *device);                        /* NULL: no host memory */
rk_status rk_arena_take(rk_arena *arena, size_t bytes, rk_cu_pointer *pointer, rk_error *error);
/* Waits for the device, then frees all; used on every path. Works after fork (frees nothing on the
 * device then) and between any enter and leave. */
void rk_arena_free(rk_arena *arena);

/* Bytes that a call may take now: the setting gpu_memory, or nine tenths of what is free or pooled.
 */
rk_status rk_device_budget(rk_device *device, size_t *bytes, rk_error *error);
void rk_device_set_budget(int64_t bytes);
void rk_device_trim(rk_device *device);                           /* empties the pool */

/* Pinned host memory of RK_PINNED_BYTES, until it is given back; RK_PINNED_BUFFERS are then kept
 * for later. */
enum { RK_PINNED_BYTES = 4 << 20, RK_PINNED_BUFFERS = 2 };
rk_status rk_device_take_pinned(rk_device *device, void **pointer, rk_error *error);
void rk_device_give_pinned(rk_device *device, void *pointer);     /* NULL is fine */

/* Waits for an event or for both streams; asks the caller every few milliseconds (on the
 * calling thread of the engine only). RK_CANCELLED does not stop what is queued: wait again without
 * asking. */
rk_status rk_device_wait_event(rk_device *device, rk_cu_handle event, double done,
                               rk_caller caller);
rk_status rk_device_wait(rk_device *device, rk_caller caller);

/* Machine code -> functions of this device. */
rk_status rk_device_load(rk_device *device, const void *image, rk_cu_handle *module,
                         rk_error *error);
void rk_device_unload(rk_device *device, rk_cu_handle module);
rk_status rk_device_function(rk_device *device, rk_cu_handle module, const char *name,
                             rk_cu_handle *function, rk_error *error);

typedef struct { unsigned grid[3], block; } rk_launch;
rk_status rk_device_launch(rk_device *device, rk_cu_handle function, const rk_launch *shape,
                           rk_cu_handle stream, void **parameters, rk_error *error);

/* Lines "GPU 0: NVIDIA H200, 9.0, ..." for rk_report; what is missing, and what to do about it. */
void rk_devices_report(rk_text *report);

#endif
