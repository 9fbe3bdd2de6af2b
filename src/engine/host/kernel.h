/* What a backend for the processor gives to be run on threads: a module, functions that pack data
 * and walk over pairs. */
#ifndef RKEOPS_HOST_KERNEL_H
#define RKEOPS_HOST_KERNEL_H

#include "run/backend.h"
#include "walked.h"

/* Packing: n rows of the inputs (columns x[q] with stride ld[q], whole vectors of doubles) to the
 * record of a level. `params` are the parameter slots in double, `program` what the module has. */
typedef void (*rk_pack_function)(const double *const *x, const long long *ld,
                                 const double *params, void *out, long long n, char *work,
                                 const void *program);

typedef void (*rk_pair_function)(const rk_walked *w); /* walked.h */

typedef struct {
  rk_tile tile;
  size_t work, state;        /* bytes of tile memory, of the states of a block */
  rk_pack_function parameters, rows, columns;
  rk_pair_function pair;     /* NULL: not built yet */
  const void *program;       /* for functions that several modules have; NULL: there are none */
  uint64_t serial;           /* of the program: no other one of the process has it, ever */
} rk_module;

/* lay.c: how the pairs of a pass are laid out: lanes along which index, in which order columns
 * come, whether rows are masked; what a walk asks for, where narrow blocks have `lanes` rows and
 * wide ones `rows` times as many; rows of a block of the kept index, and columns of a block, 1 when
 * they are records. */
typedef enum {
  RK_LAY_KEPT, RK_LAY_REDUCED,
  RK_LAY_WALK, RK_LAY_WALK_NARROW,        /* lanes along the kept index, masked; a vector of rows */
  RK_LAY_REORDERED, RK_LAY_REORDERED_NARROW, /* and columns in any order */
  RK_LAYS
} rk_lay;
rk_lay rk_lay_of_walk(const rk_walk *walk, int lanes, int rows);
int rk_block_rows(const rk_tile *tile);
int rk_block_columns(const rk_tile *tile);

/* tasks.c */
rk_status rk_run_tasks(const rk_job *job, const rk_module *module, rk_caller caller);

/* lay.c: no processor has float16. */
rk_status rk_host_check(const rk_options *options, rk_error *error);

#endif
