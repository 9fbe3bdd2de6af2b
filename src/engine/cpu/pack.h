/* Inputs -> packed records of the three lower levels of a pass, in the kernel's type. */
#ifndef RKEOPS_PACK_H
#define RKEOPS_PACK_H

#include "caller.h"
#include "cpu/kernel.h"

typedef struct {
  void *rows, *columns, *parameters; /* aligned to 64 bytes; rows and columns padded to blocks */
  int64_t row_blocks;
} rk_packed;

rk_status rk_pack(const rk_stage *stage, const rk_module *module, const rk_array *value,
                  rk_sizes sizes, int threads, rk_packed *packed, rk_caller caller);
void rk_packed_free(rk_packed *packed);

#endif
