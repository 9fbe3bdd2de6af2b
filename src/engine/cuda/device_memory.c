/* Memory of a device: arenas, the pool of freed buffers, the budget, pinned memory.
 *
 * Asking the driver for memory takes longer than a small kernel, and giving it back waits for the
 * device. So freed buffers are kept, up to a quarter of the device's memory, and given out again to
 * requests that are at most an eighth smaller. Sizes are rounded up to one of sixteen steps between
 * powers of two: calls whose sizes differ a little get the same buffers, and at most a sixteenth is
 * wasted. Before an allocation fails the pool is emptied, and the size is not rounded.
 *
 * The functions of device.h lock the device; those that are static here are called with the lock.
 */
#include "cuda/device_parts.h"
#include "error.h"
#include "os.h"

#include <stdlib.h>
#include <string.h>

enum { RESULT_OK = 0, OUT_OF_MEMORY = 2, GRAIN = 256 };

struct rk_arena {
  rk_device *device;
  rk_buffer *buffer;
  int n, capacity;
};

/* ---- free memory ---------------------------------------------------------------------------- */

/* Asking the driver takes long: what it said is good for a fifth of a second, and followed. */
static const double good_for = 0.2;

int rk_device_free_bytes(rk_device *device, size_t *bytes) {
  size_t total, unused;
  double now = rk_os_seconds();
  if (device->asked == 0 || now - device->asked > good_for) {
    int result = device->driver->memory_info(&unused, &total);
    if (result != RESULT_OK) return result;
    device->free = unused;
    device->asked = now;
  }
  *bytes = device->free;
  return RESULT_OK;
}

static int allocate(rk_device *device, size_t bytes, rk_cu_pointer *pointer) {
  int result = device->driver->memory_alloc(pointer, bytes);
  if (result == RESULT_OK) device->free -= bytes < device->free ? bytes : device->free;
  else device->asked = 0;
  return result;
}

/* Results are not looked at: in a context that broke nothing can be freed, nor need be. */
static void release(rk_device *device, const rk_buffer *buffer) {
  if (device->driver->memory_free(buffer->pointer) == RESULT_OK) device->free += buffer->bytes;
}

/* ---- the pool ------------------------------------------------------------------------------- */

static size_t rounded(size_t bytes) {
  size_t step = GRAIN;
  if (bytes == 0) bytes = 1;
  while (step <= SIZE_MAX / 64 && bytes / 32 >= step) step *= 2; /* 16 to 32 steps in `bytes` */
  return bytes > SIZE_MAX - step ? bytes : (bytes + step - 1) / step * step;
}

static rk_buffer unpool(rk_device *device, int k) {
  rk_buffer buffer = device->pool[k];
  device->pooled -= buffer.bytes;
  device->pool_n--;
  memmove(&device->pool[k], &device->pool[k + 1],
          (size_t)(device->pool_n - k) * sizeof *device->pool);
  return buffer;
}

/* The smallest that is large enough and not much larger, or -1. */
static int best_fit(const rk_device *device, size_t bytes) {
  int best = -1;
  for (int k = 0; k < device->pool_n; k++) {
    size_t size = device->pool[k].bytes;
    if (size < bytes || size - bytes > bytes / 8) continue;
    if (best < 0 || size < device->pool[best].bytes) best = k;
  }
  return best;
}

static void keep(rk_device *device, const rk_buffer *buffer) {
  size_t bound = device->memory / 4;
  if (rk_device_is_broken(device) || !atomic_load(&device->is_used) || buffer->bytes > bound) {
    release(device, buffer);
    return;
  }
  while (device->pool_n == RK_POOL_ENTRIES ||
         (device->pool_n > 0 && device->pooled > bound - buffer->bytes)) {
    rk_buffer oldest = unpool(device, 0);
    release(device, &oldest);
  }
  device->pool[device->pool_n++] = *buffer;
  device->pooled += buffer->bytes;
}

static void empty_pool(rk_device *device) {
  while (device->pool_n) {
    rk_buffer last = unpool(device, device->pool_n - 1);
    release(device, &last);
  }
}

void rk_device_trim(rk_device *device) {
  if (!rk_device_push(device)) return;
  rk_device_lock(device);
  empty_pool(device);
  rk_device_unlock(device);
  rk_device_leave(device);
}

void rk_device_give_back(rk_device *device) {
  if (!rk_device_push(device)) return;
  rk_device_lock(device);
  empty_pool(device);
  while (device->pinned_buffers)
    device->driver->host_free(device->pinned[--device->pinned_buffers]);
  rk_device_unlock(device);
  rk_device_leave(device);
}

/* ---- arenas --------------------------------------------------------------------------------- */

rk_arena *rk_arena_new(rk_device *device) {
  rk_arena *arena = calloc(1, sizeof *arena);
  if (arena) arena->device = device;
  return arena;
}

static int has_room(rk_arena *arena) {
  if (arena->n < arena->capacity) return 1;
  int capacity = arena->capacity ? 2 * arena->capacity : 16;
  rk_buffer *longer = realloc(arena->buffer, (size_t)capacity * sizeof *longer);
  if (!longer) return 0;
  arena->buffer = longer;
  arena->capacity = capacity;
  return 1;
}

static rk_status fail_full(rk_device *device, size_t bytes, rk_error *error) {
  size_t available = 0;
  device->asked = 0;
  if (rk_device_free_bytes(device, &available) != RESULT_OK)
    return rk_fail(error, RK_ERROR_MEMORY, "GPU %d (%s) is out of memory: %zu bytes are needed.",
                   device->number, device->name, bytes);
  return rk_fail(error, RK_ERROR_MEMORY, "GPU %d (%s) is out of memory: %zu bytes are needed, %zu "
                 "are available.", device->number, device->name, bytes, available);
}

static rk_status obtain(rk_device *device, size_t bytes, rk_buffer *buffer, rk_error *error) {
  size_t exact = bytes > SIZE_MAX - GRAIN ? bytes : (bytes + !bytes + GRAIN - 1) / GRAIN * GRAIN;
  buffer->bytes = rounded(bytes);
  int k = best_fit(device, buffer->bytes);
  if (k >= 0) {
    *buffer = unpool(device, k);
    return RK_OK;
  }
  int result = allocate(device, buffer->bytes, &buffer->pointer);
  if (result == OUT_OF_MEMORY) {
    empty_pool(device);
    result = allocate(device, buffer->bytes, &buffer->pointer);
  }
  if (result == OUT_OF_MEMORY && exact < buffer->bytes) {
    buffer->bytes = exact;
    result = allocate(device, exact, &buffer->pointer);
  }
  if (result == OUT_OF_MEMORY) return fail_full(device, exact, error);
  return rk_device_check(device, result, "allocating memory", error);
}

rk_status rk_arena_take(rk_arena *arena, size_t bytes, rk_cu_pointer *pointer, rk_error *error) {
  rk_buffer buffer = {0};
  *pointer = 0;
  if (!has_room(arena))
    return rk_fail_memory(error, 2 * (size_t)arena->capacity * sizeof *arena->buffer);
  rk_device_lock(arena->device);
  rk_status status = obtain(arena->device, bytes, &buffer, error);
  if (status == RK_OK) arena->device->held += buffer.bytes;
  rk_device_unlock(arena->device);
  if (status != RK_OK) return status;
  arena->buffer[arena->n++] = buffer;
  *pointer = buffer.pointer;
  return RK_OK;
}

/* 1 when nothing is queued any more. When waiting fails the driver is left to wait, in freeing. */
static int settle(rk_device *device) {
  if (rk_device_wait(device, (rk_caller){0}) == RK_OK) return 1;
  int good = !rk_device_is_broken(device);
  for (int k = 0; k < RK_STREAMS; k++)
    if (device->driver->stream_synchronize(device->stream[k]) != RESULT_OK) good = 0;
  return good;
}

static void free_buffers(rk_arena *arena) {
  rk_device *device = arena->device;
  int settled = settle(device);
  rk_device_lock(device);
  for (int k = arena->n - 1; k >= 0; k--) {
    device->held -= arena->buffer[k].bytes;
    if (settled) keep(device, &arena->buffer[k]);
    else release(device, &arena->buffer[k]);
  }
  rk_device_unlock(device);
}

void rk_arena_free(rk_arena *arena) {
  if (!arena) return;
  if (arena->n && rk_device_push(arena->device)) {
    free_buffers(arena);
    rk_device_leave(arena->device);
  }
  free(arena->buffer);
  free(arena);
}

/* ---- budget --------------------------------------------------------------------------------- */

static int64_t set_budget; /* on the calling thread only */

void rk_device_set_budget(int64_t bytes) {
  if (bytes >= 0) set_budget = bytes;
}

/* Rounding may take a seventeenth of what a caller asks for. */
rk_status rk_device_budget(rk_device *device, size_t *bytes, rk_error *error) {
  size_t unused = 0;
  *bytes = 0;
  rk_device_lock(device);
  int result = rk_device_free_bytes(device, &unused);
  size_t pooled = device->pooled;
  rk_device_unlock(device);
  rk_status status = rk_device_check(device, result, "asking for its free memory", error);
  if (status != RK_OK) return status;
  size_t most = (unused + pooled) / 10 * 9;
  size_t wanted = set_budget > 0 && (uint64_t)set_budget < SIZE_MAX ? (size_t)set_budget : most;
  if (set_budget > 0) wanted -= wanted / 17;
  *bytes = wanted < most ? wanted : most;
  return RK_OK;
}

/* ---- pinned memory -------------------------------------------------------------------------- */

rk_status rk_device_take_pinned(rk_device *device, void **pointer, rk_error *error) {
  int result = RESULT_OK;
  *pointer = NULL;
  rk_device_lock(device);
  if (device->pinned_buffers) *pointer = device->pinned[--device->pinned_buffers];
  else result = device->driver->host_alloc(pointer, RK_PINNED_BYTES, 0);
  rk_device_unlock(device);
  if (result != RESULT_OK) *pointer = NULL;
  return rk_device_check(device, result, "allocating pinned host memory", error);
}

void rk_device_give_pinned(rk_device *device, void *pointer) {
  if (!pointer || !rk_device_push(device)) return;
  rk_device_lock(device);
  if (atomic_load(&device->is_used) && device->pinned_buffers < RK_PINNED_BUFFERS)
    device->pinned[device->pinned_buffers++] = pointer;
  else
    device->driver->host_free(pointer);
  rk_device_unlock(device);
  rk_device_leave(device);
}
