/* The emulator as the stand-in driver calls it. */
#ifndef RKEOPS_EMULATOR_RUN_H
#define RKEOPS_EMULATOR_RUN_H

#include "emulated.h"

typedef enum { RK_FORWARD, RK_BACKWARD, RK_SHUFFLED } rk_emulation_order;

typedef struct {
  const char *name;
  const rk_emulated_module *module;
  const rk_emulated_kernel *kernel;
  rk_triple blocks;
  unsigned threads;          /* of a block */
  void **parameters;
  rk_emulation_order order;
  unsigned seed;
} rk_emulation;

/* Codes of the driver: CUDA_ERROR_... */
enum {
  RK_EMULATION_NO_MEMORY = 2,
  RK_EMULATION_FAULT = 700,  /* ILLEGAL_ADDRESS */
  RK_EMULATION_FAILED = 719  /* LAUNCH_FAILED; stderr says why */
};

/* Runs the whole launch in this host thread; 0 or a code. One launch of a module at a time. */
int rk_emulate(const rk_emulation *launch);

/* For handlers of signals: does this host thread run a kernel? If so, end the launch with FAULT;
 * that does not return. */
int rk_emulation_runs(void);
void rk_emulation_fault(const char *what);

#endif
