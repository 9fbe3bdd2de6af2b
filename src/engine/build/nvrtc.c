/* NVRTC, opened at run time. Only what a test that "CUDA text compiles" needs. */
#include "parts.h"

#include <stdlib.h>
#include <string.h>

#if defined(_WIN32)
static const char *const cuda_names[] = {"nvcuda.dll", NULL};
static const char *const nvrtc_names[] = {"nvrtc64_130_0.dll", "nvrtc64_120_0.dll",
                                          "nvrtc64_112_0.dll", NULL};
#else
static const char *const cuda_names[] = {"libcuda.so.1", "libcuda.so", NULL};
static const char *const nvrtc_names[] = {
  "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so.11.1", "libnvrtc.so.11.0",
  "libnvrtc.so", "/usr/local/cuda/lib64/libnvrtc.so", "/usr/local/cuda/lib64/libnvrtc.so.13",
  "/usr/local/cuda/lib64/libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.11.2", NULL};
#endif

const char *const *rk_cuda_names(void) { return cuda_names; }

const char *const *rk_nvrtc_names(void) {
  static const char *named[2];
  named[0] = getenv("RKEOPS_NVRTC_PATH");
  return named[0] && *named[0] ? named : nvrtc_names;
}

typedef struct rk_nvrtc_program *program_handle;

/* The part of nvrtc.h that is used; nvrtcResult is an enum, 0 is success. */
typedef struct {
  int (*create)(program_handle *, const char *source, const char *name, int headers,
                const char *const *text, const char *const *names);
  int (*compile)(program_handle, int options, const char *const *option);
  int (*destroy)(program_handle *);
  int (*log_size)(program_handle, size_t *);
  int (*log)(program_handle, char *);
  int (*cubin_size)(program_handle, size_t *);
  const char *(*error_string)(int);
} rk_nvrtc;

static int take(void *library, const char *name, void *function) {
  void *symbol = rk_os_symbol(library, name);
  memcpy(function, &symbol, sizeof symbol);
  return symbol != NULL;
}

static rk_status open_nvrtc(const rk_nvrtc **nvrtc, rk_error *error) {
  static rk_nvrtc functions;
  static int ready = 0;
  void *library = NULL;
  *nvrtc = &functions;
  if (ready) return RK_OK;
  for (const char *const *name = rk_nvrtc_names(); *name && !library; name++)
    library = rk_os_open_library(*name, NULL);
  if (!library)
    return rk_fail(error, RK_ERROR_DEVICE, "The NVRTC library (libnvrtc) was not found. Install "
                   "the CUDA toolkit, or set RKEOPS_NVRTC_PATH to the path of the library.");
  ready = take(library, "nvrtcCreateProgram", &functions.create) &&
          take(library, "nvrtcCompileProgram", &functions.compile) &&
          take(library, "nvrtcDestroyProgram", &functions.destroy) &&
          take(library, "nvrtcGetProgramLogSize", &functions.log_size) &&
          take(library, "nvrtcGetProgramLog", &functions.log) &&
          take(library, "nvrtcGetCUBINSize", &functions.cubin_size) &&
          take(library, "nvrtcGetErrorString", &functions.error_string);
  if (ready) return RK_OK;
  return rk_fail(error, RK_ERROR_DEVICE, "The NVRTC library is too old: version 11.1 or later is "
                 "needed.");
}

static char *get_log(const rk_nvrtc *nvrtc, program_handle program) {
  size_t n = 0;
  if (nvrtc->log_size(program, &n) != 0) n = 0;
  char *log = calloc(n + 1, 1);
  if (log && n && nvrtc->log(program, log) != 0) log[0] = 0;
  return log;
}

rk_status rk_nvrtc_compile(const char *cuda_source, const char *arch, char **log,
                           size_t *cubin_bytes, rk_error *error) {
  const rk_nvrtc *nvrtc;
  program_handle program = NULL;
  if (log) *log = NULL;
  if (cubin_bytes) *cubin_bytes = 0;
  rk_status status = open_nvrtc(&nvrtc, error);
  if (status != RK_OK) return status;
  int code = nvrtc->create(&program, cuda_source, "kernel.cu", 0, NULL, NULL);
  if (code != 0)
    return rk_fail(error, RK_ERROR_DEVICE, "NVRTC: %s.", nvrtc->error_string(code));
  rk_text option = {0};
  rk_text_format(&option, "--gpu-architecture=%s", arch);
  const char *options[] = {rk_text_string(&option)};
  code = nvrtc->compile(program, 1, options);
  char *words = get_log(nvrtc, program);
  if (code != 0)
    status = rk_fail(error, RK_ERROR_COMPILE, "NVRTC: %s.\n%s", nvrtc->error_string(code),
                     words ? words : "");
  else if (cubin_bytes)
    nvrtc->cubin_size(program, cubin_bytes);
  nvrtc->destroy(&program);
  rk_text_free(&option);
  if (log) *log = words;
  else free(words);
  return status;
}
