/* The loops of vectors.h, for vectors of 16 bytes and, where processors may have them, of 32. */
#include "bound/loops.h"

#define PASTE_(name, bytes) name##_##bytes
#define PASTE(name, bytes) PASTE_(name, bytes)
#define HERE(name) PASTE(name, BYTES)

#define BYTES 16
#define TARGET
#include "bound/vectors.h"

/* Not on Windows, whose compilers do not align what 32 bytes need. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)
#define BYTES 32
#define TARGET __attribute__((target("avx2")))
#include "bound/vectors.h"
const rk_loops *rk_loops_here(void) {
  return __builtin_cpu_supports("avx2") ? &loops_32 : &loops_16;
}
#else
const rk_loops *rk_loops_here(void) { return &loops_16; }
#endif
