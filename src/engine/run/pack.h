/* Inputs -> packed records of the three lower levels of a pass, in the kernel's type. */
#ifndef RKEOPS_PACK_H
#define RKEOPS_PACK_H

#include "run/kernel.h"

typedef struct {
  void *rows, *columns, *parameters; /* aligned to 64 bytes; rows and columns padded to blocks */
  int64_t row_blocks;
} rk_packed;

int rk_block_rows(const rk_tile *tile);     /* rows of a block of the kept index */
int rk_block_columns(const rk_tile *tile);  /* columns of a block; 1 when they are records */

rk_status rk_pack(const rk_stage *stage, const rk_module *module, const rk_array *value,
                  int64_t kept_rows, int64_t reduced_rows, int threads, rk_packed *packed,
                  rk_poll poll, void *poll_data, rk_error *error);
void rk_packed_free(rk_packed *packed);

/* Smallest and largest finite value of each component; INFINITY, -INFINITY where there is none. */
rk_status rk_range(const rk_array *x, double *low, double *high, rk_poll poll, void *poll_data,
                   rk_error *error);

/* The common centre of two inputs, per component: such that |x - centre| <= |x| for every finite x
 * of both, so that shifting never costs accuracy; 0 where the data lies on both sides of 0. */
rk_status rk_centre(const rk_array *x, const rk_array *y, double *centre, rk_poll poll,
                    void *poll_data, rk_error *error);

#endif
