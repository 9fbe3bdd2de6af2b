/* The CUDA driver API, opened at run time: the functions of libcuda that are used, in one table.
 * Types and numbers are those of the driver's documented interface; no header of CUDA is needed. */
#ifndef RKEOPS_DRIVER_H
#define RKEOPS_DRIVER_H

#include "caller.h"

typedef unsigned long long rk_cu_pointer;  /* an address on a device */
typedef void *rk_cu_handle;                /* context, stream, event, module, function */

/* Each function: what it is called here, its name in libcuda, in the version that is there since
 * CUDA 11, and its arguments. */
#define RK_DRIVER_FUNCTIONS(each)                                                                  \
  each(init, "cuInit", (unsigned flags))                                                           \
  each(error_name, "cuGetErrorName", (int result, const char **name))                              \
  each(error_string, "cuGetErrorString", (int result, const char **text))                          \
  each(device_count, "cuDeviceGetCount", (int *count))                                             \
  each(device_get, "cuDeviceGet", (int *device, int ordinal))                                      \
  each(device_name, "cuDeviceGetName", (char *name, int length, int device))                       \
  each(device_attribute, "cuDeviceGetAttribute", (int *value, int attribute, int device))          \
  each(device_memory, "cuDeviceTotalMem_v2", (size_t *bytes, int device))                          \
  each(primary_retain, "cuDevicePrimaryCtxRetain", (rk_cu_handle *context, int device))            \
  each(primary_release, "cuDevicePrimaryCtxRelease_v2", (int device))                              \
  each(context_push, "cuCtxPushCurrent_v2", (rk_cu_handle context))                                \
  each(context_pop, "cuCtxPopCurrent_v2", (rk_cu_handle *context))                                 \
  each(memory_info, "cuMemGetInfo_v2", (size_t *free, size_t *total))                              \
  each(memory_alloc, "cuMemAlloc_v2", (rk_cu_pointer *pointer, size_t bytes))                      \
  each(memory_free, "cuMemFree_v2", (rk_cu_pointer pointer))                                       \
  each(host_alloc, "cuMemHostAlloc", (void **pointer, size_t bytes, unsigned flags))               \
  each(host_free, "cuMemFreeHost", (void *pointer))                                                \
  each(copy_to_device, "cuMemcpyHtoDAsync_v2", (rk_cu_pointer to, const void *from,                \
        size_t bytes, rk_cu_handle stream))                                                        \
  each(copy_to_host, "cuMemcpyDtoHAsync_v2", (void *to, rk_cu_pointer from, size_t bytes,          \
        rk_cu_handle stream))                                                                      \
  each(stream_create, "cuStreamCreate", (rk_cu_handle *stream, unsigned flags))                    \
  each(stream_destroy, "cuStreamDestroy_v2", (rk_cu_handle stream))                                \
  each(stream_synchronize, "cuStreamSynchronize", (rk_cu_handle stream))                           \
  each(stream_wait_event, "cuStreamWaitEvent", (rk_cu_handle stream, rk_cu_handle event,           \
        unsigned flags))                                                                           \
  each(event_create, "cuEventCreate", (rk_cu_handle *event, unsigned flags))                       \
  each(event_destroy, "cuEventDestroy_v2", (rk_cu_handle event))                                   \
  each(event_record, "cuEventRecord", (rk_cu_handle event, rk_cu_handle stream))                   \
  each(event_query, "cuEventQuery", (rk_cu_handle event))                                          \
  each(event_elapsed, "cuEventElapsedTime", (float *milliseconds, rk_cu_handle from,               \
        rk_cu_handle to))                                                                          \
  each(module_load, "cuModuleLoadDataEx", (rk_cu_handle *module, const void *image,                \
        unsigned options, int *option, void **value))                                              \
  each(module_unload, "cuModuleUnload", (rk_cu_handle module))                                     \
  each(module_function, "cuModuleGetFunction", (rk_cu_handle *function, rk_cu_handle module,       \
        const char *name))                                                                         \
  each(launch, "cuLaunchKernel", (rk_cu_handle function, unsigned grid_x, unsigned grid_y,         \
        unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,    \
        rk_cu_handle stream, void **parameters, void **extra))

#define RK_DRIVER_MEMBER(member, name, arguments) int (*member) arguments;
typedef struct { RK_DRIVER_FUNCTIONS(RK_DRIVER_MEMBER) } rk_driver;
#undef RK_DRIVER_MEMBER

/* Opens libcuda (RKEOPS_CUDA_PATH overrides its path) once and initialises it. RK_ERROR_DEVICE with
 * what to install, also for a process forked after that. */
rk_status rk_driver_open(const rk_driver **driver, rk_error *error);

/* Was this process forked from one in which rk_driver_open succeeded? Then it must not call the
 * driver. */
int rk_driver_forked(void);

/* The path of the library that was opened, NULL before that or when there is none; with `look` it
 * is opened for that, but not initialised. */
const char *rk_driver_path(int look);

/* Of the library that was opened: 13000 is CUDA 13.0; 0 when it cannot be asked. */
int rk_driver_version(void);

#endif
