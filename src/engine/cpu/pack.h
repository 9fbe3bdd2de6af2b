/* Inputs -> packed records of the three lower levels of a pass, in the kernel's type. */
#ifndef RKEOPS_PACK_H
#define RKEOPS_PACK_H

#include "caller.h"
#include "cpu/kernel.h"

typedef struct {
  void *rows, *columns, *parameters; /* aligned to 64 bytes; rows and columns padded to blocks */
  size_t row_bytes, column_bytes;
  int64_t row_blocks;
} rk_packed;

/* `rows`: those of the data that lie in the row blocks, which are filled up, and `count` of them;
 * NULL: all, as they lie. */
typedef struct { const int32_t *rows; int64_t count; } rk_places;
rk_status rk_pack(const rk_job *job, const rk_module *module, rk_places places,
                  rk_packed *packed, rk_caller caller);
void rk_packed_free(rk_packed *packed);

#endif
