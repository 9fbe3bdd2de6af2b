/* Source text in, loaded kernel out: from the disk, or by the C compiler. What is known in memory
 * is the caller's. Called from one thread at a time. */
#ifndef RKEOPS_BUILD_H
#define RKEOPS_BUILD_H

#include "caller.h"
#include "text.h"

#include <stddef.h>
#include <stdint.h>

/* Parts of every key. Raise the first when equal source must be compiled anew, the second when
 * the way kernels are called changes. */
#define RK_GENERATOR_VERSION "1"
#define RK_INTERFACE_VERSION "2"

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
rk_status rk_build_c(rk_to_build *list, int n, int vectors, int most, rk_caller caller);

/* NULL when the kernel has no such symbol. A function is copied out of it: ISO C has no conversion
 * from void * to a function pointer. */
void *rk_kernel_symbol(const rk_kernel *kernel, const char *name);

/* The part of rk_configure that concerns building. Strings are copied, NULL and numbers <= 0 keep
 * what was there. */
rk_status rk_build_configure(const rk_settings *settings, rk_error *error);

/* Settings that a call keeps while it runs: those of the process, there until they are released;
 * and which are used from now on, NULL: those of the process. */
typedef struct rk_build_settings rk_build_settings;
rk_build_settings *rk_build_settings_hold(void);
void rk_build_settings_release(rk_build_settings *settings);
void rk_build_settings_use(const rk_build_settings *settings);

void rk_build_counters(int64_t *compiles, int64_t *disk_hits);

/* The folder that a kernel built now would be written to; made if it is not there. Valid until the
 * next rk_build_configure. NULL when there is none. */
const char *rk_build_folder(void);

/* Appends "vectors: ...", "compiler: ...", "compiler version: ...", "cpu features: ..." and
 * "cache: ..." lines. */
void rk_build_report(rk_text *report);

/* Where the preludes are, as rk_settings or the environment variable RKEOPS_INCLUDE says. */
const char *rk_include_dir(void);

#endif
