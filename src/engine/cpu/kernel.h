/* The functions of an emitted module for a CPU, and what this backend makes of a pass. */
#ifndef RKEOPS_KERNEL_H
#define RKEOPS_KERNEL_H

#include "build/build.h"
#include "host/kernel.h"

extern const rk_backend rk_backend_cpu; /* module.c */

/* tile.c: how the pairs of a pass are laid out; the register tile for vectors of `bytes`. */
rk_lay rk_lay_choose(const rk_stage *stage, rk_sizes sizes, const rk_walk *walk);
rk_tile rk_tile_choose(const rk_pass *pass, rk_lay lay, int bytes);

/* frame.c: the text of n passes: rk_parameters, rk_rows and rk_columns pack the data, rk_pair runs
 * a rectangle. With n > 1 the functions of pass k have the suffix _k. And the bytes of tile memory
 * that an execution of one of them needs. */
rk_status rk_emit_c(const rk_pass *const *pass, const rk_tile *const *tile, int n,
                    const char *include_dir, rk_text *out, rk_error *error);
size_t rk_work_bytes(const rk_pass *pass, const rk_tile *tile);
size_t rk_state_stride(const rk_pass *pass, const rk_tile *tile);

#endif
