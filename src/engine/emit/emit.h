/* Plan -> source text. One walk over the nests of a plan serves all targets; a target is a table of
 * spellings and the frame around the walk. */
#ifndef RKEOPS_EMIT_H
#define RKEOPS_EMIT_H

#include "plan/plan.h"

/* The whole module of n passes for a CPU: rk_parameters, rk_rows and rk_columns pack the data,
 * rk_pair runs a rectangle; see run/kernel.h for their types. With n > 1 the functions of pass k
 * have the suffix _k. */
rk_status rk_emit_c(const rk_pass *const *pass, const rk_tile *const *tile, int n,
                    const char *include_dir, rk_text *out, rk_error *error);

/* The same for a GPU, packing, merging and finishing included; see run/cuda_kernel.h for what the
 * functions are given. */
rk_status rk_emit_cuda(const rk_pass *const *pass, const rk_gpu_shape *const *shape, int n,
                       const char *include_dir, rk_text *out, rk_error *error);

/* Bytes of tile memory that an execution of rk_pair, or of the packing functions, needs. */
size_t rk_work_bytes(const rk_pass *pass, const rk_tile *tile);

#endif
