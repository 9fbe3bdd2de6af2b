/* The stand-in libraries without the engine: for tests of the stand-ins themselves.
 * RKEOPS_CUDA_PATH and RKEOPS_NVRTC_PATH name them, RKEOPS_CUDA_KERNELS the folder of kernels/. */
#ifndef RKEOPS_CLIENT_H
#define RKEOPS_CLIENT_H

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long cu_pointer;
typedef void *handle;

#define CLIENT_DRIVER(X)                                                                          \
  X(cuInit, (unsigned))                                                                           \
  X(cuDevicePrimaryCtxRetain, (handle *, int))                                                    \
  X(cuDevicePrimaryCtxRelease_v2, (int))                                                          \
  X(cuCtxPushCurrent_v2, (handle))                                                                \
  X(cuCtxPopCurrent_v2, (handle *))                                                               \
  X(cuMemGetInfo_v2, (size_t *, size_t *))                                                        \
  X(cuMemAlloc_v2, (cu_pointer *, size_t))                                                        \
  X(cuMemFree_v2, (cu_pointer))                                                                   \
  X(cuMemHostAlloc, (void **, size_t, unsigned))                                                  \
  X(cuMemFreeHost, (void *))                                                                      \
  X(cuMemcpyHtoDAsync_v2, (cu_pointer, const void *, size_t, handle))                             \
  X(cuMemcpyDtoHAsync_v2, (void *, cu_pointer, size_t, handle))                                   \
  X(cuMemsetD8Async, (cu_pointer, unsigned char, size_t, handle))                                 \
  X(cuStreamCreate, (handle *, unsigned))                                                         \
  X(cuStreamDestroy_v2, (handle))                                                                 \
  X(cuStreamSynchronize, (handle))                                                                \
  X(cuStreamWaitEvent, (handle, handle, unsigned))                                                \
  X(cuEventCreate, (handle *, unsigned))                                                          \
  X(cuEventDestroy_v2, (handle))                                                                  \
  X(cuEventRecord, (handle, handle))                                                              \
  X(cuEventQuery, (handle))                                                                       \
  X(cuEventSynchronize, (handle))                                                                 \
  X(cuEventElapsedTime, (float *, handle, handle))                                                \
  X(cuModuleLoadDataEx, (handle *, const void *, unsigned, int *, void **))                       \
  X(cuModuleUnload, (handle))                                                                     \
  X(cuModuleGetFunction, (handle *, handle, const char *))                                        \
  X(cuFuncGetAttribute, (int *, int, handle))                                                     \
  X(cuLaunchKernel, (handle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,          \
                     unsigned, handle, void **, void **))
#define CLIENT_NVRTC(X)                                                                           \
  X(nvrtcCreateProgram, (handle *, const char *, const char *, int, const char *const *,          \
                         const char *const *))                                                    \
  X(nvrtcCompileProgram, (handle, int, const char *const *))                                      \
  X(nvrtcDestroyProgram, (handle *))                                                              \
  X(nvrtcGetProgramLogSize, (handle, size_t *))                                                   \
  X(nvrtcGetProgramLog, (handle, char *))                                                         \
  X(nvrtcGetCUBINSize, (handle, size_t *))                                                        \
  X(nvrtcGetCUBIN, (handle, char *))                                                              \
  X(nvrtcGetPTXSize, (handle, size_t *))                                                          \
  X(nvrtcGetPTX, (handle, char *))

#define CLIENT_FIELD(name, arguments) int (*name) arguments;
static struct {
  CLIENT_DRIVER(CLIENT_FIELD)
  CLIENT_NVRTC(CLIENT_FIELD)
  long (*count)(const char *what);
  void (*mend)(void);
} cu;

static inline void client_take(void *library, const char *name, void *function) {
  void *symbol = dlsym(library, name);
  if (!symbol) {
    printf("no %s\n", name);
    exit(2);
  }
  memcpy(function, &symbol, sizeof symbol);
}

static inline void *client_library(const char *variable) {
  const char *path = getenv(variable);
  void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (library) return library;
  printf("%s: %s\n", variable, path ? dlerror() : "not set");
  exit(2);
}

/* Also takes device 0's context. */
static inline void client_open(void) {
  void *driver = client_library("RKEOPS_CUDA_PATH"), *nvrtc = client_library("RKEOPS_NVRTC_PATH");
  handle context;
#define CLIENT_TAKE(name, arguments) client_take(driver, #name, &cu.name);
  CLIENT_DRIVER(CLIENT_TAKE)
#undef CLIENT_TAKE
#define CLIENT_TAKE(name, arguments) client_take(nvrtc, #name, &cu.name);
  CLIENT_NVRTC(CLIENT_TAKE)
#undef CLIENT_TAKE
  client_take(driver, "rkeops_standin_count", &cu.count);
  client_take(driver, "rkeops_standin_mend", &cu.mend);
  if (cu.cuInit(0) || cu.cuDevicePrimaryCtxRetain(&context, 0) || cu.cuCtxPushCurrent_v2(context)) {
    printf("no device\n");
    exit(2);
  }
}

static inline char *client_text(const char *kernel) {
  const char *folder = getenv("RKEOPS_CUDA_KERNELS");
  char path[512];
  snprintf(path, sizeof path, "%s/%s.cu", folder ? folder : "tests/cuda/kernels", kernel);
  FILE *f = fopen(path, "r");
  char *text = calloc(1, 1 << 16);
  if (!f || !text || !fread(text, 1, (1 << 16) - 1, f)) {
    printf("cannot read %s\n", path);
    exit(2);
  }
  fclose(f);
  return text;
}

/* The image of a text, freed by the caller; *code is that of NVRTC, *log its words (freed too). */
static inline char *client_compile(const char *text, const char *architecture, int *code,
                                   char **log) {
  handle program = NULL;
  char option[64], *image = NULL;
  const char *options[] = {option};
  size_t n = 0;
  snprintf(option, sizeof option, "--gpu-architecture=%s", architecture);
  *code = cu.nvrtcCreateProgram(&program, text, "kernel.cu", 0, NULL, NULL);
  if (!*code) *code = cu.nvrtcCompileProgram(program, 1, options);
  if (log) {
    cu.nvrtcGetProgramLogSize(program, &n);
    *log = calloc(n + 1, 1);
    cu.nvrtcGetProgramLog(program, *log);
  }
  int is_ptx = architecture[0] == 'c';
  if (!*code) *code = (is_ptx ? cu.nvrtcGetPTXSize : cu.nvrtcGetCUBINSize)(program, &n);
  if (!*code) image = calloc(n + 1, 1);
  if (image) *code = (is_ptx ? cu.nvrtcGetPTX : cu.nvrtcGetCUBIN)(program, image);
  cu.nvrtcDestroyProgram(&program);
  return image;
}

/* A device buffer with these contents. */
static inline cu_pointer client_copy(const void *from, size_t bytes) {
  cu_pointer p = 0;
  cu.cuMemAlloc_v2(&p, bytes);
  if (from) cu.cuMemcpyHtoDAsync_v2(p, from, bytes, NULL);
  return p;
}

#endif
