/* The CUDA backend: is it there, build these passes, run a pass on the devices in use. The
 * counterpart for CPUs is run.c and module.c. */
#ifndef RKEOPS_GPU_H
#define RKEOPS_GPU_H

#include "run/device.h"
#include "run/kernel.h"

/* gpu_module.c: passes -> source (sets the shape of each), source -> functions on every device in
 * use, found in the cache or compiled once for each architecture. */
int rk_gpu_is_built(const rk_stage *stage);   /* for every device in use */
rk_status rk_gpu_emit(const rk_wanted *wanted, int n, rk_text *source, rk_error *error);
rk_status rk_gpu_build(const rk_wanted *wanted, int n, const char *source, rk_poll poll,
                       void *poll_data, rk_error *error);
void rk_gpu_forget(rk_stage *stage);          /* unloads */

/* gpu.c: one pass, whose code is built. `value[k]` are the data of graph variable k, on the host or
 * resident (parameters: on the host). The result goes to `outputs`, or, when `keep` is not NULL,
 * the first field stays on the device as *keep ("no position" is NaN there): with one device in use
 * and at least one row and column only. */
rk_status rk_gpu_run_stage(rk_stage *stage, const rk_array *value, int64_t kept_rows,
                           int64_t reduced_rows, const rk_output *outputs, rk_resident **keep,
                           rk_poll poll, void *poll_data, rk_error *error);

/* Can the devices in use be entered, by this process, now? */
rk_status rk_gpu_check(rk_error *error);
/* resident.c, besides engine.h: where the data of an array lies on a device (copied there if it is
 * not there yet), column-major; and a resident made of a buffer of the engine's own. */
rk_status rk_resident_on(rk_resident *resident, rk_device *device, rk_cu_pointer *data,
                         rk_error *error);
/* On failure the arena stays the caller's. */
rk_status rk_resident_adopt(rk_device *device, rk_arena *arena, rk_cu_pointer data, int64_t rows,
                            int64_t dim, rk_resident **made, rk_error *error);
/* One user more, who calls rk_resident_free when he is done. Users are of the calling thread. */
void rk_resident_hold(rk_resident *resident);
/* rk_resident_read inside a call. */
rk_status rk_resident_fetch(const rk_resident *resident, double *out, rk_poll poll,
                            void *poll_data, rk_error *error);
/* Smallest and largest finite value of each component (found while it was copied to the device);
 * NULL for results of passes. */
const double *rk_resident_low(const rk_resident *resident);
const double *rk_resident_high(const rk_resident *resident);

#endif
