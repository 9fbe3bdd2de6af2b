/* What this backend makes of a stage and of arrays, for its own files. */
#ifndef RKEOPS_CUDA_H
#define RKEOPS_CUDA_H

#include "cuda/device.h"
#include "run/resident.h"

extern const rk_backend rk_backend_cuda; /* pass.c */

/* module.c: passes -> source (sets the shape of each), source -> functions on every device in use,
 * found in the cache or compiled once for each compute capability. */
int rk_gpu_is_built(const rk_wanted *wanted);   /* for every device in use */
rk_status rk_gpu_source(const rk_wanted *wanted, int n, rk_text *text, rk_error *error);
rk_status rk_gpu_build(const rk_wanted *wanted, int n, const rk_text *source, rk_caller caller);
void rk_gpu_forget(rk_stage *stage);            /* unloads */
void rk_gpu_explain(const rk_wanted *wanted, rk_layout *layout, rk_text *lines);

/* resident.c: the functions of rk_memory, and where the data of an array lies on a device (copied
 * there if it is not there yet), column-major; and a resident made of a buffer of the engine's own:
 * on failure the arena stays the caller's. */
rk_status rk_resident_keep(const rk_array *x, rk_precision meant, rk_resident **made,
                           rk_caller caller);
rk_status rk_resident_copy_back(const rk_resident *resident, double *out, rk_caller caller);
void rk_resident_drop(rk_resident *resident);
int rk_resident_first_device(const rk_resident *resident);
rk_status rk_resident_on(rk_resident *resident, rk_device *device, rk_cu_pointer *data,
                         rk_error *error);
rk_status rk_resident_adopt(rk_device *device, rk_arena *arena, rk_cu_pointer data, int64_t rows,
                            int64_t dim, rk_resident **made, rk_error *error);

#endif
