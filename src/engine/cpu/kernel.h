/* The functions of an emitted module for a CPU, and what this backend makes of a pass. */
#ifndef RKEOPS_KERNEL_H
#define RKEOPS_KERNEL_H

#include "build/build.h"
#include "run/backend.h"
#include "walked.h"

extern const rk_backend rk_backend_cpu; /* module.c */

/* Packing: n rows of the inputs (columns x[q] with stride ld[q], whole vectors of doubles) to the
 * record of a level. `params` are the parameter slots in double. */
typedef void (*rk_pack_function)(const double *const *x, const long long *ld,
                                 const double *params, void *out, long long n, char *work);

typedef void (*rk_pair_function)(const rk_walked *w); /* walked.h */

typedef struct {
  rk_tile tile;
  size_t work, state;        /* bytes of tile memory, of the states of a block */
  rk_pack_function parameters, rows, columns;
  rk_pair_function pair;     /* NULL: not built yet */
} rk_module;

/* tile.c: how the pairs of a pass are laid out: lanes along which index, in which order columns
 * come, whether rows are masked; the register tile for vectors of `bytes`; rows of a block of the
 * kept index, and columns of a block, 1 when they are records. */
typedef enum {
  RK_LAY_KEPT, RK_LAY_REDUCED,
  RK_LAY_WALK, RK_LAY_WALK_NARROW,        /* lanes along the kept index, masked; a vector of rows */
  RK_LAY_REORDERED, RK_LAY_REORDERED_NARROW, /* and columns in any order */
  RK_LAYS
} rk_lay;
rk_lay rk_lay_choose(const rk_stage *stage, rk_sizes sizes, const rk_walk *walk);
rk_tile rk_tile_choose(const rk_pass *pass, rk_lay lay, int bytes);
int rk_block_rows(const rk_tile *tile);
int rk_block_columns(const rk_tile *tile);

/* frame.c: the text of n passes: rk_parameters, rk_rows and rk_columns pack the data, rk_pair runs
 * a rectangle. With n > 1 the functions of pass k have the suffix _k. And the bytes of tile memory
 * that an execution of one of them needs. */
rk_status rk_emit_c(const rk_pass *const *pass, const rk_tile *const *tile, int n,
                    const char *include_dir, rk_text *out, rk_error *error);
size_t rk_work_bytes(const rk_pass *pass, const rk_tile *tile);
size_t rk_state_stride(const rk_pass *pass, const rk_tile *tile);

/* module.c: what was built of a stage for these sizes and this walk. */
const rk_module *rk_module_of(const rk_stage *stage, rk_sizes sizes, const rk_walk *walk);

/* tasks.c */
rk_status rk_run_tasks(const rk_job *job, rk_caller caller);

#endif
