/* The CUDA driver API, opened at run time: the functions of libcuda that are used, in one table.
 * Types and numbers are those of the driver's documented interface; no header of CUDA is needed. */
#ifndef RKEOPS_DRIVER_H
#define RKEOPS_DRIVER_H

#include "caller.h"

typedef unsigned long long rk_cu_pointer;  /* an address on a device */
typedef void *rk_cu_handle;                /* context, stream, event, module, function */

typedef struct {
  int (*init)(unsigned flags);
  int (*driver_version)(int *version);
  int (*error_name)(int result, const char **name);
  int (*error_string)(int result, const char **text);
  int (*device_count)(int *count);
  int (*device_get)(int *device, int ordinal);
  int (*device_name)(char *name, int length, int device);
  int (*device_attribute)(int *value, int attribute, int device);
  int (*device_memory)(size_t *bytes, int device);
  int (*primary_retain)(rk_cu_handle *context, int device);
  int (*primary_release)(int device);
  int (*context_push)(rk_cu_handle context);
  int (*context_pop)(rk_cu_handle *context);
  int (*memory_info)(size_t *free, size_t *total);
  int (*memory_alloc)(rk_cu_pointer *pointer, size_t bytes);
  int (*memory_free)(rk_cu_pointer pointer);
  int (*host_alloc)(void **pointer, size_t bytes, unsigned flags);
  int (*host_free)(void *pointer);
  int (*copy_to_device)(rk_cu_pointer to, const void *from, size_t bytes, rk_cu_handle stream);
  int (*copy_to_host)(void *to, rk_cu_pointer from, size_t bytes, rk_cu_handle stream);
  int (*set_bytes)(rk_cu_pointer to, unsigned char value, size_t bytes, rk_cu_handle stream);
  int (*stream_create)(rk_cu_handle *stream, unsigned flags);
  int (*stream_destroy)(rk_cu_handle stream);
  int (*stream_synchronize)(rk_cu_handle stream);
  int (*stream_wait_event)(rk_cu_handle stream, rk_cu_handle event, unsigned flags);
  int (*event_create)(rk_cu_handle *event, unsigned flags);
  int (*event_destroy)(rk_cu_handle event);
  int (*event_record)(rk_cu_handle event, rk_cu_handle stream);
  int (*event_query)(rk_cu_handle event);
  int (*event_synchronize)(rk_cu_handle event);
  int (*event_elapsed)(float *milliseconds, rk_cu_handle from, rk_cu_handle to);
  int (*module_load)(rk_cu_handle *module, const void *image, unsigned options, int *option,
                     void **value);
  int (*module_unload)(rk_cu_handle module);
  int (*module_function)(rk_cu_handle *function, rk_cu_handle module, const char *name);
  int (*function_attribute)(int *value, int attribute, rk_cu_handle function);
  int (*launch)(rk_cu_handle function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                rk_cu_handle stream, void **parameters, void **extra);
} rk_driver;

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
