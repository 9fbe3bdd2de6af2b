/* What the files that run a pass offer to each other: module.c (functions), cut.c (sizes), feed.c
 * (data), launch.c and lists.c (kernels), share.c (a device's share of a pass), pass.c (shares
 * together). */
#ifndef RKEOPS_GPU_PARTS_H
#define RKEOPS_GPU_PARTS_H

#include "cuda/cuda.h"
#include "cuda/kernel.h"
#include "cuda/pipe.h"

#include <stdatomic.h>

/* ---- module.c ------------------------------------------------------------------------------- */

/* On one device; what they are given is in kernel.h. */
typedef struct {
  rk_cu_handle parameters, rows, columns, pair, merge, finish;
  rk_cu_handle gather;                  /* with a walk */
} rk_gpu_functions;

const rk_gpu_shape *rk_gpu_shape_of(const rk_job *job);

/* The functions of a job's stage, which is built, loaded on this device, which is entered. */
rk_status rk_gpu_load(const rk_job *job, rk_device *device, const rk_gpu_functions **functions,
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
  double work;                          /* blocks of rows times columns of a launch, about */
} rk_gpu_cut;

/* What the cuts depend on, and nothing else. */
typedef struct {
  const rk_pass *pass;
  const rk_gpu_shape *shape;
  const rk_device_limits *limits;
  int64_t rows, columns;                /* of the share */
  int64_t list;                         /* columns of the longest list; 0: no walk */
  int place_bytes[RK_NEST_PAIR];        /* of what is beside a packed row or column */
  int64_t raw_dims[RK_NEST_PAIR];       /* components that come from arrays on the host */
  double fixed;                         /* bytes besides: parameters, a result that stays */
  double budget;                        /* bytes */
} rk_gpu_sizes;

/* 0: it does not fit; *least is then the number of bytes that would do. */
int rk_gpu_cut_choose(const rk_gpu_sizes *sizes, rk_gpu_cut *cut, double *least);

/* Parts of so many columns for these blocks of rows, of which there is room for `most`. */
int64_t rk_gpu_parts(const rk_gpu_sizes *sizes, int64_t blocks, int64_t columns, double most);

int64_t rk_gpu_least_columns(const rk_gpu_shape *shape); /* that are worth a block of their own */

/* ---- share.c -------------------------------------------------------------------------------- */

enum { RK_LAUNCHES = 3 }; /* that are queued at most */

typedef struct { rk_cu_pointer values, positions; } rk_gpu_state;

/* Lists of blocks of rows, cut to the chunk of columns. */
typedef struct {
  rk_intervals own;                     /* of one block, ... */
  int64_t block, at;                    /* ... and how many of its intervals were launched */
  rk_intervals whole, cut;              /* of the blocks of a launch; of their parts */
  int32_t *end;                         /* where in `whole` the list of each block ends */
  int32_t *start;                       /* where in `cut` that of each part starts */
  int64_t ends, starts;                 /* that there is room for */
  unsigned char *chosen;                /* chunks of columns; NULL: all */
  int64_t first;                        /* column of the first of them */
} rk_gpu_lists;

/* A pass on all devices. */
typedef struct {
  const rk_job *job;
  rk_caller caller;
  rk_cut blocks;                        /* with a walk: the blocks of rows, ... */
  int32_t *position;                    /* ... and the position of each of their rows */
  atomic_int stop;                      /* a share failed, or the user wants no more */
  int cancelled;
} rk_gpu_call;

/* One device's rectangle of it. With a walk rows are places in its blocks, filled up. */
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
  rk_gpu_sizes sizes;
  rk_gpu_cut cut;
  double all_pairs;
  size_t kept_bytes;
  rk_cu_pointer kept;                   /* the result, when it stays here */
  int too_small;                        /* the budget, for any cut */
  rk_arena *arena;
  rk_pipe pipe;
  rk_cu_pointer raw, given, exact, packed, packed_rows, packed_columns[2];
  rk_gpu_state state, part;             /* of a chunk of rows; of the parts of a launch */
  rk_cu_pointer row_at, column_at[2];   /* with a walk: positions by place */
  rk_cu_pointer list[RK_LAUNCHES];
  int64_t list_room;                    /* numbers of 4 bytes */
  rk_gpu_lists lists;
  rk_cu_handle filled[2], freed[2], finished, listed, start[RK_LAUNCHES], stop[RK_LAUNCHES];
  double pairs[RK_LAUNCHES];            /* of the launches that are queued; 0: none */
  double pairs_done;
  int64_t launches, waited;
  int64_t chunk_row, chunk_rows;        /* the chunk of rows at work */
  int64_t chunk_column, chunk_columns;  /* the chunk of columns */
  int64_t at_row, at_column;            /* where in them the next launch begins; with a walk
                                         * at_column is 0 until all of them are launched */
  int buffer;
} rk_gpu_share;

void rk_gpu_share_run(rk_gpu_share *share);

/* ---- launch.c ------------------------------------------------------------------------------- */

/* Events are made when they are first recorded. */
enum { RK_WITH_TIME = 0, RK_WITHOUT_TIME = 2 };
rk_status rk_gpu_record(rk_gpu_share *share, rk_cu_handle *event, unsigned flags, int stream,
                        rk_error *error);
rk_status rk_gpu_let_wait(rk_gpu_share *share, int stream, rk_cu_handle event, rk_error *error);

/* rk_pair, timed; rk_merge of parts that are from_ld rows apart. */
rk_status rk_gpu_launch_pair(rk_gpu_share *share, const rk_launch *shape, double pairs,
                             void **parameters, rk_error *error);
typedef struct { int rows, parts, fresh; rk_gpu_state to, from; int64_t from_ld; } rk_gpu_merge;
rk_status rk_gpu_launch_merge(rk_gpu_share *share, rk_gpu_merge merge, rk_error *error);
rk_gpu_state rk_gpu_rows_from(rk_gpu_state state, int64_t row);
rk_status rk_gpu_wait_launches(rk_gpu_share *share, rk_error *error);

typedef enum { RK_PUMP_READY, RK_PUMP_ALL } rk_pump;
/* Launches of the chunk at work: those that may be queued now, or all of them. */
rk_status rk_gpu_pump(rk_gpu_share *share, rk_pump mode, rk_error *error);

/* ---- lists.c -------------------------------------------------------------------------------- */

/* The next blocks of rows of the chunk at work, and what they walk over. */
rk_status rk_gpu_launch_lists(rk_gpu_share *share, rk_error *error);
int64_t rk_gpu_list_room(const rk_gpu_share *share);

/* Which chunks of columns the rows of the chunk at work meet, and the first of these from column
 * `first` on, which begins a chunk. */
rk_status rk_gpu_choose_chunks(rk_gpu_share *share, rk_error *error);
int64_t rk_gpu_next_chunk(const rk_gpu_share *share, int64_t first);
void rk_gpu_lists_free(rk_gpu_lists *lists);

/* ---- feed.c --------------------------------------------------------------------------------- */

/* Components of the variables of a side, row or column, that pass through a slab. */
int64_t rk_gpu_raw_dims(const rk_gpu_share *share, rk_nest_kind side);
int64_t rk_gpu_parameter_numbers(const rk_pass *pass);

rk_status rk_gpu_feed_parameters(rk_gpu_share *share, rk_error *error);

/* Which row comes at each place; NULL: they come as they lie. */
const int32_t *rk_gpu_order(const rk_gpu_share *share, rk_nest_kind side);

/* Packs rows (columns) first .. first + n of the whole pass to `to`, and with an order this to
 * `places`; on the copy stream. */
rk_status rk_gpu_feed_side(rk_gpu_share *share, rk_nest_kind side, int64_t first, int64_t n,
                           rk_cu_pointer to, rk_cu_pointer places, rk_error *error);

#endif
