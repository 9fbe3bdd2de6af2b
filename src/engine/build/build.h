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

/* Bytes of a vector of kernels that are asked for now: 16, 32 or 64, as the environment variable
 * RKEOPS_VECTORS says, or as many as the processor has. RK_ERROR_ARGUMENT: it says something else;
 * then *bytes are those of the processor. */
rk_status rk_build_vectors(int *bytes, rk_error *error);

/* Complete C text without #include, and what it became: NULL when that failed. */
typedef struct {
  const char *source;
  rk_kernel *kernel;
} rk_to_build;

/* Compiles and loads n texts, or finds them on the disk: what has to be compiled side by side,
 * `most` compilers at a time. `vectors`: the bytes of a vector that machine code may use.
 * RK_ERROR_COMPILE (with the compiler's words), RK_ERROR_SYSTEM, RK_ERROR_MEMORY, RK_CANCELLED: of
 * the first text, in order, that cannot be had; those before it are on the disk then. */
rk_status rk_build_c(rk_to_build *list, int n, int vectors, int most, rk_poll poll,
                     void *poll_data, rk_error *error);

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

/* Compiles CUDA C for a GPU of that compute capability with NVRTC, found at run time, or finds the
 * result on the disk. *image is machine code for just this capability, or PTX when NVRTC does not
 * know it yet (the driver compiles that); malloced, freed by rk_free, and what the driver loads
 * either way. `poll` is asked while compiling; NVRTC stops at once from 12.8 on, earlier ones end
 * what they began. compile_timeout does not apply.
 * RK_ERROR_COMPILE (with NVRTC's words), RK_ERROR_DEVICE (no NVRTC, or none for this GPU),
 * RK_ERROR_MEMORY, RK_CANCELLED. A result that cannot be stored on the disk is no error. */
rk_status rk_build_cuda(const char *source, int major, int minor, int fast_math, rk_poll poll,
                        void *poll_data, void **image, size_t *bytes, rk_error *error);

/* Is there an NVRTC, and does it know this compute capability or an earlier one of which PTX can
 * be made? RK_ERROR_DEVICE says what to install. Cheap after the first time. */
rk_status rk_nvrtc_available(rk_error *error);
rk_status rk_nvrtc_supports(int major, int minor, rk_error *error);

/* "13.0", "" before an NVRTC was opened. */
const char *rk_nvrtc_version(void);

/* Appends "vectors: ...", "compiler: ...", "compiler version: ...", "cpu features: ...",
 * "cache: ..." and "NVRTC: ..." lines. Touches no GPU. */
rk_status rk_build_report(rk_text *report, rk_error *error);

/* For tests: compiles with the options of rk_build_cuda for an architecture such as "sm_90"
 * (machine code) or "compute_90" (PTX); neither looks at the disk nor counts. `log` (may be NULL)
 * gets NVRTC's words, with registers and spills of each kernel; `image` (may be NULL) what
 * rk_build_cuda would give. Both are freed by rk_free. RK_ERROR_DEVICE: there is no NVRTC here. */
rk_status rk_nvrtc_image(const char *cuda_source, const char *arch, int fast_math, char **log,
                         void **image, size_t *bytes, rk_error *error);

/* The same without fast_math; forgets the result save its size. */
rk_status rk_nvrtc_compile(const char *cuda_source, const char *arch, char **log,
                           size_t *cubin_bytes, rk_error *error);

#endif
