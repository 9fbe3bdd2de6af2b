/* Source text in, loaded kernel out. Memory caching of programs is the caller's; here are the
 * disk cache, the C compiler, and NVRTC. Called from one thread at a time. */
#ifndef RK_BUILD_H
#define RK_BUILD_H

#include <stddef.h>
#include <stdint.h>

#include "../engine.h"
#include "../text.h"

/* Parts of every key. Raise the first when equal source must be compiled anew, the second when
 * the way kernels are called changes. */
#define RK_GENERATOR_VERSION "1"
#define RK_INTERFACE_VERSION "1"

/* A loaded shared object. It is never unloaded nor freed: a kernel stays valid to the end of the
 * process, also when its file is evicted. */
typedef struct rk_kernel rk_kernel;

/* Compiles and loads `source`, complete C text without #include, or finds it on the disk.
 * RK_ERROR_COMPILE (with the compiler's words), RK_ERROR_SYSTEM, RK_ERROR_MEMORY, RK_CANCELLED. */
rk_status rk_build_c(const char *source, rk_poll poll, void *poll_data, rk_kernel **kernel,
                     rk_error *error);

/* NULL when the kernel has no such symbol. */
void *rk_kernel_symbol(const rk_kernel *kernel, const char *name);

/* The same for functions: cast the result to the true type. (ISO C has no conversion from void *
 * to a function pointer.) */
typedef void (*rk_kernel_function)(void);
rk_kernel_function rk_kernel_entry(const rk_kernel *kernel, const char *name);

/* The part of rk_configure that concerns building. Strings are copied, NULL and numbers <= 0 keep
 * what was there. */
rk_status rk_build_configure(const rk_settings *settings, rk_error *error);

void rk_build_counters(int64_t *compiles, int64_t *disk_hits);

/* The folder that a kernel built now would be written to; made if it is not there. Valid until the
 * next rk_build_configure. NULL when there is none. */
const char *rk_build_folder(void);

/* Appends "compiler: ...", "compiler version: ...", "cpu features: ...", "cache: ...", "CUDA
 * driver: ..." and "NVRTC: ..." lines. Initialises no GPU. */
rk_status rk_build_report(rk_text *report, rk_error *error);

/* Compiles CUDA C with NVRTC, found at run time, for an architecture such as "sm_90", and forgets
 * the result: for tests. `log` (may be NULL) gets NVRTC's words, freed by rk_free; `cubin_bytes`
 * (may be NULL) the size of the machine code. RK_ERROR_DEVICE: there is no NVRTC here. */
rk_status rk_nvrtc_compile(const char *cuda_source, const char *arch, char **log,
                           size_t *cubin_bytes, rk_error *error);

#endif
