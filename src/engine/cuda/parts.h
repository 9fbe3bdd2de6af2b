/* What the files that run a pass offer to each other: module.c (functions), cut.c (sizes), feed.c
 * (data), share.c (a device's share of a pass), pass.c (shares together). */
#ifndef RKEOPS_GPU_PARTS_H
#define RKEOPS_GPU_PARTS_H

#include "cuda/cuda.h"
#include "cuda/kernel.h"
#include "cuda/pipe.h"

#include <stdatomic.h>

/* ---- module.c ------------------------------------------------------------------------------- */

/* On one device; what they are given is in kernel.h. */
typedef struct { rk_cu_handle parameters, rows, columns, pair, merge, finish; } rk_gpu_functions;

const rk_gpu_shape *rk_gpu_shape_of(const rk_stage *stage);

/* The functions of a stage that is built, loaded on this device, which is entered. */
rk_status rk_gpu_load(rk_stage *stage, rk_device *device, const rk_gpu_functions **functions,
                      rk_error *error);

/* ---- cut.c ---------------------------------------------------------------------------------- */

/* How a share of a pass is cut. The rows are taken in chunks; for each of them all columns pass by,
 * in chunks too when they do not fit, through two buffers; a launch takes a range of the rows of a
 * chunk and several parts of its columns. */
typedef struct {
  int64_t rows, columns;                /* of a chunk */
  int buffers;                          /* of columns: 1 when all are there at once */
  int64_t slab[RK_NEST_PAIR];           /* rows, or columns, that are packed by one launch */
  int64_t raw;                          /* bytes of a slab of arrays on the host */
  int64_t ld;                           /* rows of a state */
  int64_t launch_rows, launch_columns;
  int64_t part;                         /* columns of a part */
  int parts;                            /* of a launch, at most */
  int direct;                           /* one part in all: nothing to merge */
} rk_gpu_cut;

/* What the cuts depend on, and nothing else. */
typedef struct {
  const rk_pass *pass;
  const rk_gpu_shape *shape;
  const rk_device_limits *limits;
  int64_t rows, columns;                /* of the share */
  int64_t raw_dims[RK_NEST_PAIR];       /* components that come from arrays on the host */
  double fixed;                         /* bytes besides: parameters, a result that stays */
  double budget;                        /* bytes */
} rk_gpu_sizes;

/* 0: it does not fit; *least is then the number of bytes that would do. */
int rk_gpu_cut_choose(const rk_gpu_sizes *sizes, rk_gpu_cut *cut, double *least);

int64_t rk_gpu_least_columns(const rk_gpu_shape *shape); /* that are worth a block of their own */

/* ---- share.c -------------------------------------------------------------------------------- */

enum { RK_LAUNCHES = 3 }; /* that are queued at most */

typedef struct { rk_cu_pointer values, positions; } rk_gpu_state;

/* A pass on all devices. */
typedef struct {
  const rk_job *job;
  rk_caller caller;
  atomic_int stop;                      /* a share failed, or the user wants no more */
  int cancelled;
} rk_gpu_call;

/* One device's rectangle of it. */
typedef struct {
  rk_gpu_call *call;
  rk_device *device;
  const rk_gpu_functions *functions;
  rk_cu_pointer *resident;              /* where the variables of the pass lie here; 0: host */
  int64_t first_row, rows, first_column, columns;
  rk_states states;                     /* where they go, when columns are shared */
  size_t budget;                        /* bytes; what did not fit begins again with half */
  rk_caller caller;                     /* whose error is the next but one */
  rk_status status;
  rk_error error;
  double seconds;                       /* of rk_pair */
  atomic_int ended;

  /* while it runs */
  const rk_pass *pass;
  const rk_gpu_shape *shape;
  rk_gpu_cut cut;
  size_t kept_bytes;
  rk_cu_pointer kept;                   /* the result, when it stays here */
  int too_small;                        /* the budget, for any cut */
  rk_arena *arena;
  rk_pipe pipe;
  rk_cu_pointer raw, given, exact, packed, packed_rows, packed_columns[2];
  rk_gpu_state state, part;             /* of a chunk of rows; of the parts of a launch */
  rk_cu_handle filled[2], freed[2], finished, start[RK_LAUNCHES], stop[RK_LAUNCHES];
  double pairs[RK_LAUNCHES];            /* of the launches that are queued; 0: none */
  double pairs_done;
  int64_t launches, waited;
  int64_t chunk_row, chunk_rows;        /* the chunk of rows at work */
  int64_t chunk_column, chunk_columns;  /* the chunk of columns */
  int64_t at_row, at_column;            /* where in them the next launch begins */
  int buffer;
} rk_gpu_share;

void rk_gpu_share_run(rk_gpu_share *share);

typedef enum { RK_PUMP_READY, RK_PUMP_ALL } rk_pump;
/* Launches of the chunk at work: those that may be queued now, or all of them. */
rk_status rk_gpu_pump(rk_gpu_share *share, rk_pump mode, rk_error *error);

/* ---- feed.c --------------------------------------------------------------------------------- */

/* Components of the variables of a side, row or column, that come from the host. */
int64_t rk_gpu_raw_dims(const rk_pass *pass, const rk_array *value, rk_nest_kind side);
int64_t rk_gpu_parameter_numbers(const rk_pass *pass);

rk_status rk_gpu_feed_parameters(rk_gpu_share *share, rk_error *error);
/* Packs rows (columns) first .. first + n of the whole pass to `to`; on the copy stream. */
rk_status rk_gpu_feed_side(rk_gpu_share *share, rk_nest_kind side, int64_t first, int64_t n,
                           rk_cu_pointer to, rk_error *error);

#endif
