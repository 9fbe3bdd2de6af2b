/* The loops of loops.h, for both precisions, with vectors of 16 bytes and, where processors may
 * have them, of 32 and 64. */
#include "dense/kernels.h"
#include "build/build.h"
#include "error.h"

#include <math.h>
#include <string.h>

#define PASTE_(name, number, bytes) name##_##number##_##bytes
#define PASTE(name, number, bytes) PASTE_(name, number, bytes)
#define HERE(name) PASTE(name, NUMBER, BYTES)

#define BYTES 16
#define TARGET
#include "dense/both.h"

/* Not on Windows, whose compilers do not align what 32 bytes need. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)
#define BYTES 32
#define TARGET __attribute__((target("avx2,fma")))
#include "dense/both.h"
#define BYTES 64
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#include "dense/both.h"

static const rk_dense_kernels *widest(int is_double, int bytes) {
  const int has_32 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (bytes == 64) return is_double ? &kernels_double_64 : &kernels_float_64;
  if (bytes == 32 && has_32) return is_double ? &kernels_double_32 : &kernels_float_32;
  return is_double ? &kernels_double_16 : &kernels_float_16;
}
#else
static const rk_dense_kernels *widest(int is_double, int bytes) {
  (void)bytes;
  return is_double ? &kernels_double_16 : &kernels_float_16;
}
#endif

const rk_dense_kernels *rk_dense_kernels_of(rk_precision precision, rk_error *error) {
  int bytes;
  if (rk_build_vectors(&bytes, error)) return NULL;
  if (precision != RK_FLOAT16) return widest(precision == RK_FLOAT64, bytes);
  rk_fail(error, RK_ERROR_ARGUMENT, "precision: expected float64 or float32, found float16");
  return NULL;
}
