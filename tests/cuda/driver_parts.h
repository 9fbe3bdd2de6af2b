/* What the files of the stand-in driver offer to each other. All is called under the one lock of
 * driver.c; results are codes of the driver. */
#ifndef RKEOPS_DRIVER_PARTS_H
#define RKEOPS_DRIVER_PARTS_H

#include "emulator_run.h"

#include <stddef.h>

enum {
  CU_OK = 0,
  CU_INVALID_VALUE = 1,
  CU_OUT_OF_MEMORY = 2,
  CU_NOT_INITIALIZED = 3,
  CU_NO_DEVICE = 100,
  CU_INVALID_DEVICE = 101,
  CU_INVALID_IMAGE = 200,
  CU_INVALID_CONTEXT = 201,
  CU_NO_BINARY_FOR_GPU = 209,
  CU_UNSUPPORTED_PTX = 222,
  CU_INVALID_HANDLE = 400,
  CU_NOT_FOUND = 500,
  CU_NOT_READY = 600,
  CU_ILLEGAL_ADDRESS = 700,
  CU_LAUNCH_OUT_OF_RESOURCES = 701,
  CU_LAUNCH_FAILED = 719
};

typedef unsigned long long cu_pointer;

typedef struct device {
  int number;
  int retained;              /* of the primary context, which is this struct */
  int broken;                /* the error that stays */
  size_t used, peak;
  long buffers, launches;
} device;

/* What is alive, for the report. */
typedef struct { long streams, events, modules, pinned, overruns; } held;
extern held alive;

/* driver.c */
int capability(void);        /* 90 for 9.0 */
void break_device(device *d, int code);

/* driver_memory.c */
size_t memory_limit(void);
int memory_alloc(device *d, size_t bytes, cu_pointer *pointer);
int memory_free(device *d, cu_pointer pointer);
int memory_holds(const device *d, cu_pointer pointer, size_t bytes); /* a live buffer of it? */
void memory_show(const device *d, int visible); /* to the host, and so to its kernels */
void memory_show_one(const void *p, int visible);
int memory_is_foreign(const device *d, unsigned long long word); /* an address of something else */
void memory_explain(const device *d, const void *address, char *text, size_t size);
int host_alloc(void **pointer, size_t bytes);
int host_free(void *pointer);
int host_is_pinned(const void *pointer, size_t bytes);

/* driver_queue.c */
typedef struct stream stream;
typedef struct event event;
typedef struct launch launch;
int stream_create(device *d, stream **made);
int stream_destroy(device *d, stream *s);
int stream_synchronize(device *d, stream *s);
int stream_wait(device *d, stream *s, event *e);
int event_create(device *d, unsigned flags, event **made);
int event_destroy(device *d, event *e);
int event_record(device *d, event *e, stream *s);
int event_query(device *d, event *e);
int event_elapsed(float *milliseconds, event *from, event *to);
int queue_to_device(device *d, stream *s, cu_pointer to, const void *from, size_t bytes);
int queue_to_host(device *d, stream *s, void *to, cu_pointer from, size_t bytes);
int queue_launch(device *d, stream *s, launch *l); /* takes the launch */
void queue_drain(device *d);  /* all streams of the device */

/* driver_module.c */
typedef struct module module;
typedef struct function function;
void modules_remove_files(void); /* of modules that are still loaded */
int module_load(device *d, const void *image, module **made);
int module_unload(device *d, module *m);
int module_function(device *d, module *m, const char *name, function **found);
int launch_new(device *d, const function *f, rk_triple grid, rk_triple block, void **parameters,
               launch **made);
int launch_run(device *d, launch *l); /* now */
void launch_free(launch *l);

#endif
