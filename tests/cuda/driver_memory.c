/* Memory of the stand-in devices. A buffer begins on a boundary of 256 bytes, as the true driver
 * promises, and ends (but for that) at a page that nobody may touch. It is full of NaN at first.
 * The host cannot touch it at all; kernels only while a kernel of its device runs. Addresses are
 * never used twice, so that what was freed stays a fault. */
#define _GNU_SOURCE
#include "driver_parts.h"
#include "standin.h"

#include <stdint.h>
#include <sys/mman.h>

enum { ALIGNMENT = 256 };

typedef struct buffer {
  char *map, *data;
  size_t length, bytes;      /* of the map without its guard page; asked for */
  const device *owner;
  struct buffer *next;
} buffer;

typedef struct pinned {
  char *data;
  size_t bytes;
  struct pinned *next;
} pinned;

static buffer *buffers;
static pinned *pins;

extern void *__tsan_create_fiber(unsigned flags) __attribute__((weak));
extern void __asan_poison_memory_region(void const volatile *p, size_t n) __attribute__((weak));
extern void __asan_unpoison_memory_region(void const volatile *p, size_t n) __attribute__((weak));

size_t memory_limit(void) {
  return (size_t)rk_number_setting("RKEOPS_STANDIN_MEMORY", 256ll << 20);
}

/* Each device has a range of its own, where the thread sanitizer does not dictate addresses. */
#define RANGES 0x200000000000ull
enum { RANGE_BITS = 40, MOST_DEVICES = 8 };

static char *reserve(const device *d, size_t bytes) {
  static char *next[MOST_DEVICES];
  char **at = &next[d->number], *wanted = NULL;
  if (!__tsan_create_fiber) {
    if (!*at) *at = (char *)(uintptr_t)(RANGES + ((size_t)d->number << RANGE_BITS));
    wanted = *at;
    *at += bytes;
  }
  char *map = mmap(wanted, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return map == MAP_FAILED ? NULL : map;
}

static size_t page(void) { return 4096; }

static void show(const buffer *b, int visible) {
  mprotect(b->map, b->length, visible ? PROT_READ | PROT_WRITE : PROT_NONE);
}

static void watch_gap(const buffer *b, int on) {
  char *from = b->data + b->bytes;
  size_t n = (size_t)(b->map + b->length - from);
  if (on && __asan_poison_memory_region) __asan_poison_memory_region(from, n);
  if (!on && __asan_unpoison_memory_region) __asan_unpoison_memory_region(b->map, b->length);
}

int memory_alloc(device *d, size_t bytes, cu_pointer *pointer) {
  size_t length = (bytes + page() - 1) / page() * page();
  if (!bytes) return CU_INVALID_VALUE;
  if (bytes > memory_limit() || d->used > memory_limit() - bytes) return CU_OUT_OF_MEMORY;
  buffer *b = calloc(1, sizeof *b);
  char *map = b ? reserve(d, length + page()) : NULL;
  if (!map) {
    free(b);
    return CU_OUT_OF_MEMORY;
  }
  mprotect(map + length, page(), PROT_NONE);
  size_t gap = (length - bytes) / ALIGNMENT * ALIGNMENT;
  *b = (buffer){map, map + gap, length, bytes, d, buffers};
  buffers = b;
  memset(map, 0xff, length);
  watch_gap(b, 1);
  show(b, 0);
  d->used += bytes;
  d->buffers++;
  if (d->used > d->peak) d->peak = d->used;
  *pointer = (cu_pointer)(uintptr_t)b->data;
  return CU_OK;
}

/* What lies behind the last byte must be as it was. */
static void check_gap(const buffer *b) {
  show(b, 1);
  watch_gap(b, 0);
  for (const char *p = b->data + b->bytes; p < b->map + b->length; p++) {
    if (*p == (char)0xff) continue;
    fprintf(stderr, "stand-in: something was written %td bytes behind a buffer of %zu bytes\n",
            p - (b->data + b->bytes), b->bytes);
    alive.overruns++;
    break;
  }
}

int memory_free(device *d, cu_pointer pointer) {
  for (buffer **at = &buffers, *b; (b = *at); at = &b->next) {
    if (b->data != (char *)(uintptr_t)pointer || b->owner != d) continue;
    *at = b->next;
    check_gap(b);
    madvise(b->map, b->length, MADV_DONTNEED);
    show(b, 0);
    d->used -= b->bytes;
    d->buffers--;
    free(b);
    return CU_OK;
  }
  return CU_INVALID_VALUE;
}

static const buffer *buffer_of(const char *p, size_t bytes) {
  for (const buffer *b = buffers; b; b = b->next)
    if (p >= b->data && p <= b->data + b->bytes && bytes <= (size_t)(b->data + b->bytes - p))
      return b;
  return NULL;
}

int memory_holds(const device *d, cu_pointer pointer, size_t bytes) {
  const buffer *b = buffer_of((const char *)(uintptr_t)pointer, bytes);
  return b && b->owner == d;
}

void memory_show(const device *d, int visible) {
  for (const buffer *b = buffers; b; b = b->next)
    if (b->owner == d) show(b, visible);
}

void memory_show_one(const void *p, int visible) {
  const buffer *b = buffer_of(p, 0);
  if (b) show(b, visible);
}

/* A parameter of a kernel that is an address of the host or of another device. Small numbers are
 * none; a number that happens to be a mapped address is not to be expected. Other addresses in the
 * ranges of devices are a fault when they are used. */
int memory_is_foreign(const device *d, unsigned long long word) {
  unsigned char there;
  if (word < 1ull << 32 || word >= 1ull << 47) return 0;
  for (const buffer *b = buffers; b; b = b->next)
    if (word >= (uintptr_t)b->map && word < (uintptr_t)b->map + b->length + page())
      return b->owner != d;
  if (!__tsan_create_fiber && (word - RANGES) >> RANGE_BITS < MOST_DEVICES) return 0;
  return mincore((void *)(uintptr_t)(word / page() * page()), page(), &there) == 0;
}

/* In words, where an address lies. */
void memory_explain(const device *d, const void *address, char *text, size_t size) {
  const char *p = address;
  snprintf(text, size, "it touched %p, which is no memory of device %d", address, d->number);
  for (const buffer *b = buffers; b; b = b->next) {
    if (p >= b->map && p < b->map + b->length + page())
      snprintf(text, size, "it touched byte %td of a buffer of %zu bytes of device %d", p - b->data,
               b->bytes, b->owner->number);
  }
}

/* ---- pinned memory of the host --------------------------------------------------------------- */

int host_alloc(void **pointer, size_t bytes) {
  pinned *p = bytes ? calloc(1, sizeof *p) : NULL;
  if (!p) return bytes ? CU_OUT_OF_MEMORY : CU_INVALID_VALUE;
  p->data = malloc(bytes);
  if (!p->data) {
    free(p);
    return CU_OUT_OF_MEMORY;
  }
  memset(p->data, 0xff, bytes);
  p->bytes = bytes;
  p->next = pins;
  pins = p;
  alive.pinned++;
  *pointer = p->data;
  return CU_OK;
}

int host_free(void *pointer) {
  for (pinned **at = &pins, *p; (p = *at); at = &p->next) {
    if (p->data != pointer) continue;
    *at = p->next;
    free(p->data);
    free(p);
    alive.pinned--;
    return CU_OK;
  }
  return CU_INVALID_VALUE;
}

int host_is_pinned(const void *pointer, size_t bytes) {
  for (const pinned *p = pins; p; p = p->next)
    if ((const char *)pointer >= p->data && (const char *)pointer + bytes <= p->data + p->bytes)
      return 1;
  return 0;
}
