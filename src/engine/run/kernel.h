/* The functions of an emitted module for a CPU, and a pass with what was built for it. */
#ifndef RKEOPS_KERNEL_H
#define RKEOPS_KERNEL_H

#include "build/build.h"
#include "plan/plan.h"

/* Packing: n rows of the inputs (columns x[q] with stride ld[q], whole vectors of doubles) to the
 * record of a level. `params` are the parameter slots in double. */
typedef void (*rk_pack_function)(const double *const *x, const long long *ld,
                                 const double *params, void *out, long long n, char *work);

/* A rectangle: `blocks` blocks of rows times n columns, the first of which has the position
 * `first`. The state of row r of the rectangle (lane r for lanes along the columns) goes to
 * values[c * ld + r] and positions[c * ld + r]. */
typedef void (*rk_pair_function)(const void *rows, const void *columns, const void *params,
                                 long long blocks, long long n, long long first,
                                 double *values, long long *positions, long long ld, char *work);

typedef struct {
  rk_tile tile;
  size_t work;               /* bytes of tile memory */
  rk_pack_function parameters, rows, columns;
  rk_pair_function pair;     /* NULL: not built yet */
} rk_module;

typedef struct rk_gpu_module rk_gpu_module; /* gpu_module.c */

typedef struct {
  rk_pass pass;
  rk_module module[2];       /* by rk_lane_axis */
  rk_gpu_module *gpu;        /* NULL: not built for any device */
  int vectors;               /* bytes of a vector of its modules */
  int result;                /* graph variable that holds the result for later passes, or -1 */
} rk_stage;

const char *rk_include_dir(void); /* where the preludes are; engine.c */

/* Passes that are compiled together, each with its lane axis. */
typedef struct { rk_stage *stage; rk_lane_axis axis; } rk_wanted;
enum { RK_MAX_WANTED = 64 };
rk_status rk_modules_emit(const rk_wanted *wanted, int n, rk_text *source, rk_error *error);

/* Builds n passes with a text for each `together` of them, side by side. */
rk_status rk_modules_build(const rk_wanted *wanted, int n, int together, const rk_text *source,
                           rk_poll poll, void *poll_data, rk_error *error);

/* Rows of a pass's kept and reduced index, of `rows` by rk_kind. */
int64_t rk_kept_rows(const rk_stage *stage, const int64_t *rows);
int64_t rk_reduced_rows(const rk_stage *stage, const int64_t *rows);

/* Which axis suits these sizes. */
rk_lane_axis rk_choose_axis(const rk_stage *stage, int64_t kept_rows, int64_t reduced_rows);

/* One pass, whose module for these sizes is built: `value[k]` are the data of graph variable k. */
rk_status rk_run_stage(rk_stage *stage, const rk_array *value, int64_t kept_rows,
                       int64_t reduced_rows, const rk_output *outputs, rk_poll poll,
                       void *poll_data, rk_error *error);

#endif
