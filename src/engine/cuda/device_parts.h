/* What the files device*.c share. */
#ifndef RKEOPS_DEVICE_PARTS_H
#define RKEOPS_DEVICE_PARTS_H

#include "cuda/device.h"

#include <stdatomic.h>

enum { RK_POOL_ENTRIES = 128 };

typedef struct {
  rk_cu_pointer pointer;
  size_t bytes;
} rk_buffer;

/* Everything here is of one device. What the lock is for changes while calls run. */
struct rk_device {
  int number, handle;           /* from 0; the driver's CUdevice */
  char name[128];
  size_t memory;                /* bytes of the device */
  rk_device_limits limits;
  const rk_driver *driver;
  int calls;                    /* that run here; counted on the calling thread */
  atomic_int is_used;           /* by rk_use_backend; else freed memory is not kept */
  rk_cu_handle context;         /* the primary one; NULL: never used */
  rk_cu_handle stream[RK_STREAMS];
  rk_cu_handle idle[RK_STREAMS]; /* events that rk_device_wait records */
  atomic_int broken_state;      /* rk_device_is_broken */
  char broken[512];             /* the error that made the context unusable */
  atomic_flag lock;
  rk_buffer pool[RK_POOL_ENTRIES]; /* longest unused first */
  int pool_n;
  size_t held, pooled;          /* bytes */
  size_t free;                  /* of the device, as of `asked` */
  double asked;                 /* 0: not known */
  void *pinned[RK_PINNED_BUFFERS]; /* that nobody uses */
  int pinned_buffers;
};

int rk_device_is_broken(const rk_device *device);
void rk_device_lock(rk_device *device);
void rk_device_unlock(rk_device *device);

/* Makes the context current whether or not the caller did, for functions that cannot fail: what
 * they do not free now is lost, so it tries twice. 0: the driver must not be called, or cannot. */
int rk_device_push(rk_device *device);

/* Back to the driver: the pool and the pinned memory. Nothing after fork. */
void rk_device_give_back(rk_device *device);

/* Free bytes on the device, whose context is current; the driver's result. It is locked. */
int rk_device_free_bytes(rk_device *device, size_t *bytes);

#endif
