/* NVRTC, found at run time: CUDA text in, machine code for one compute capability out. */
#ifndef RKEOPS_NVRTC_H
#define RKEOPS_NVRTC_H

#include "build/parts.h"

/* Compiles CUDA C for a GPU of that compute capability with NVRTC, found at run time, or finds the
 * result on the disk. *image is machine code for just this capability, or PTX when NVRTC does not
 * know it yet (the driver compiles that); malloced, freed by rk_free, and what the driver loads
 * either way. The caller is asked while compiling; NVRTC stops at once from 12.8 on, earlier ones
 * end what they began. compile_timeout does not apply. RK_ERROR_COMPILE (with NVRTC's words),
 * RK_ERROR_DEVICE (no NVRTC, or none for this GPU), RK_ERROR_MEMORY, RK_CANCELLED. A result that
 * cannot be stored on the disk is no error. */
rk_status rk_build_cuda(const char *source, int major, int minor, int fast_math, void **image,
                        size_t *bytes, rk_caller caller);

/* Is there an NVRTC, and does it know this compute capability or an earlier one of which PTX can
 * be made? RK_ERROR_DEVICE says what to install. Cheap after the first time. */
rk_status rk_nvrtc_available(rk_error *error);
rk_status rk_nvrtc_supports(int major, int minor, rk_error *error);

/* "13.0", "" before an NVRTC was opened. */
const char *rk_nvrtc_version(void);

/* For tests: compiles with the options of rk_build_cuda for an architecture such as "sm_90"
 * (machine code) or "compute_90" (PTX); neither looks at the disk nor counts. `log` gets NVRTC's
 * words, with registers and spills of each kernel; `image` and `bytes` what rk_build_cuda would
 * give. Each may be NULL; log and image are freed by rk_free. RK_ERROR_DEVICE: no NVRTC here. */
rk_status rk_nvrtc_image(const char *cuda_source, const char *arch, int fast_math, char **log,
                         void **image, size_t *bytes, rk_error *error);

/* ---- nvrtc.c: what cubin.c is made of ------------------------------------------------------- */

/* Of the NVRTC that was opened; valid to the end of the process. */
typedef struct {
  char *path, *version;  /* where it lies; "13.0" */
  char *identity;        /* all that tells it from another one, for keys */
  int major, minor;
  const int *arch;       /* compute capabilities that it compiles for: 75, 80, ..., 120 */
  int archs;
} rk_nvrtc_facts;

/* Opens it, the first time. RK_ERROR_DEVICE says what to install. `facts` may be NULL. */
rk_status rk_nvrtc_get(const rk_nvrtc_facts **facts, rk_error *error);

typedef struct {
  char *log;
  void *image;   /* followed by a NUL */
  size_t bytes;
} rk_nvrtc_result;

/* Compiles; `result` is to be freed whatever the status. */
rk_status rk_nvrtc_run(const char *source, const rk_words *options, int is_ptx,
                       rk_nvrtc_result *result, rk_caller caller);
void rk_nvrtc_result_free(rk_nvrtc_result *result);

#endif
