/* What a kernel compiled for the host (emulator.h) and the stand-in driver that runs it know of
 * each other. Plain C, read by both. */
#ifndef RKEOPS_EMULATED_H
#define RKEOPS_EMULATED_H

typedef struct { unsigned x, y, z; } rk_triple;

/* Where the thread that runs now is: threadIdx, blockIdx, blockDim, gridDim. */
typedef struct { rk_triple thread, block, threads, blocks; } rk_place;

typedef struct { void *to; const void *from; } rk_late_copy; /* of 16 bytes */

/* What a running kernel asks of the emulator. `line` is the line of the kernel's text. */
typedef struct {
  void (*barrier)(int line);
  void (*copy_later)(void *to, const void *from);
  int (*copy_next)(rk_late_copy *copy); /* takes the oldest copy that has not landed; 0: none */
  void (*fail)(const char *what, int line); /* does not return */
} rk_emulator_calls;

/* rk_emulated_NAME, for each __global__ function. */
typedef struct {
  void (*run)(void **parameters);
  const unsigned *size;      /* bytes of each parameter */
  int parameters;
  int most_threads;          /* __launch_bounds__ */
} rk_emulated_kernel;

/* rk_emulated_module. */
typedef struct {
  rk_place *place;
  const rk_emulator_calls **calls;
  const char *architecture;  /* "sm_90": machine code; "compute_90": PTX */
  char *shared, *shared_end; /* all __shared__ arrays; NULL when they belong to host threads */
  void (*prepare)(void);     /* called by a host thread before the fibers */
} rk_emulated_module;

#endif
