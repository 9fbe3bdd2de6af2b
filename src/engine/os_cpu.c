/* The processor: what it can do, as far as the system lets us use it; memory for its vectors. */
#include "os.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/auxv.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#define RK_X86 1
#include <cpuid.h>
#endif

const char *rk_os_name(void) {
#if defined(__linux__)
  return "linux";
#elif defined(__APPLE__)
  return "macos";
#elif defined(_WIN32)
  return "windows";
#else
  return "unix";
#endif
}

static const char *architecture(void) {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "other";
#endif
}

static void add(char *text, size_t size, const char *word) {
  size_t n = strlen(text);
  snprintf(text + n, size - n, "%s%s", n ? " " : "", word);
}

#if defined(RK_X86)

/* Names that gcc and clang know both as a feature and as -m<name>. __builtin_cpu_supports asks the
 * processor and the operating system. */
static void find_features(char *text, size_t size) {
  __builtin_cpu_init();
#define FEATURE(name) if (__builtin_cpu_supports(name)) add(text, size, name);
  FEATURE("sse3") FEATURE("ssse3") FEATURE("sse4.1") FEATURE("sse4.2") FEATURE("popcnt")
  FEATURE("avx") FEATURE("avx2") FEATURE("fma") FEATURE("bmi") FEATURE("bmi2")
  FEATURE("avx512f") FEATURE("avx512cd") FEATURE("avx512bw") FEATURE("avx512dq")
  FEATURE("avx512vl") FEATURE("avx512ifma") FEATURE("avx512vbmi") FEATURE("avx512vbmi2")
  FEATURE("avx512vnni") FEATURE("avx512bitalg") FEATURE("avx512vpopcntdq")
#undef FEATURE
  unsigned a, b, c, d; /* __builtin_cpu_supports("f16c") is too new for some compilers */
  if (__builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1))
    add(text, size, "f16c");
}

/* -march=native looks at more than the names above: all feature words of the processor. */
static void find_identity(char *text, size_t size) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  char words[96] = "";
  size_t n = 0;
#define WORDS(...) n += (size_t)snprintf(words + n, sizeof words - n, __VA_ARGS__)
  if (__get_cpuid(1, &a, &b, &c, &d)) WORDS("cpuid:%x.%x", c, d);
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) WORDS(".%x.%x.%x", b, c, d);
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) WORDS(".%x.%x", a, d);
  if (__get_cpuid(0x80000001u, &a, &b, &c, &d)) WORDS(".%x.%x", c, d);
#undef WORDS
  add(text, size, words);
}

int rk_os_vector_bytes(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) return 64;
  return __builtin_cpu_supports("avx2") || __builtin_cpu_supports("avx") ? 32 : 16;
}

#else

static void find_features(char *text, size_t size) {
#if defined(__aarch64__)
  add(text, size, "neon");
#else
  (void)text, (void)size;
#endif
}

static void find_identity(char *text, size_t size) {
#if defined(__linux__)
  char words[64];
  snprintf(words, sizeof words, "hwcap:%lx.%lx", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
  add(text, size, words);
#else
  (void)text, (void)size;
#endif
}

int rk_os_vector_bytes(void) { return 16; }

#endif

const char *rk_os_cpu_features(void) {
  static char text[400];
  if (!text[0]) find_features(text, sizeof text);
  return text;
}

const char *rk_os_cpu_identity(void) {
  static char text[600];
  if (text[0]) return text;
  add(text, sizeof text, architecture());
  add(text, sizeof text, rk_os_cpu_features());
  find_identity(text, sizeof text);
  return text;
}

/* Before the memory stands what malloc gave: aligned allocation of the system takes several times
 * as long, and a call makes a dozen of them. */
enum { ALIGNED = 64 };

void *rk_os_aligned(size_t bytes) {
  char *given = malloc((bytes + 2 * ALIGNED - 1) / ALIGNED * ALIGNED + ALIGNED);
  if (!given) return NULL;
  void *memory = given + (ALIGNED - (uintptr_t)given % ALIGNED);
  ((void **)memory)[-1] = given;
  return memory;
}

void rk_os_aligned_free(void *memory) {
  if (memory) free(((void **)memory)[-1]);
}
