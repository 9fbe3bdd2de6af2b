/* The loops of loops.h, with what every processor has and, where processors may have them, with
 * vectors of 32 bytes. */
#include "vecchia/kernels.h"
#include "build/build.h"

#include <float.h>
#include <math.h>

#define PASTE_(name, bytes) name##_##bytes
#define PASTE(name, bytes) PASTE_(name, bytes)
#define HERE(name) PASTE(name, BYTES)

#define BYTES 16
#define TARGET
#include "vecchia/loops.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)
#define BYTES 32
#define TARGET __attribute__((target("avx2,fma")))
#include "vecchia/loops.h"

static const rk_vecchia_kernels *widest(int bytes) {
  const int has_32 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return bytes >= 32 && has_32 ? &kernels_32 : &kernels_16;
}
#else
static const rk_vecchia_kernels *widest(int bytes) {
  (void)bytes;
  return &kernels_16;
}
#endif

const rk_vecchia_kernels *rk_vecchia_kernels_of(rk_error *error) {
  int bytes;
  return rk_build_vectors(&bytes, error) ? NULL : widest(bytes);
}
