/* The floating-point mode of kernels: what lies below the smallest normal number is zero, as an
 * operand and as a result. Many processors leave such numbers to microcode, at 100 cycles and more
 * for each operation, and whatever falls off with distance makes many of them: sums with a small
 * bandwidth took 10 to 50 times as long as others.
 *
 * The mode belongs to a thread, and the thread to the host. It is set around the call of a kernel
 * and put back after it, nowhere else: polls, packing, merging and threads that are made meanwhile
 * have the mode of the host by construction. Where nothing is known of the processor nothing is
 * done: kernels are right in either mode. */
#ifndef RKEOPS_FLOAT_MODE_H
#define RKEOPS_FLOAT_MODE_H

#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__)
enum { RK_FLUSHES = 1, RK_FLUSH_RESULTS = 1 << 15, RK_FLUSH_OPERANDS = 1 << 6 }; /* of MXCSR */
static inline uint64_t rk_float_mode(void) { return __builtin_ia32_stmxcsr(); }
static inline void rk_float_mode_set(uint64_t mode) { __builtin_ia32_ldmxcsr((unsigned)mode); }
#elif defined(__aarch64__) && defined(__GNUC__)
enum { RK_FLUSHES = 1, RK_FLUSH_RESULTS = 1 << 24, RK_FLUSH_OPERANDS = 1 << 24 }; /* FPCR.FZ */
static inline uint64_t rk_float_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
static inline void rk_float_mode_set(uint64_t mode) {
  __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
#else
enum { RK_FLUSHES = 0, RK_FLUSH_RESULTS = 0, RK_FLUSH_OPERANDS = 0 };
static inline uint64_t rk_float_mode(void) { return 0; }
static inline void rk_float_mode_set(uint64_t mode) { (void)mode; }
#endif

/* Sets the mode of kernels; gives what was there, for rk_float_mode_set. */
static inline uint64_t rk_float_mode_flush(void) {
  uint64_t before = rk_float_mode();
  rk_float_mode_set(before | RK_FLUSH_RESULTS | RK_FLUSH_OPERANDS);
  return before;
}

#endif
