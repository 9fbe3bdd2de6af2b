/* The text of passes for a GPU, packing, merging and finishing included: frame.c (packing, the
 * walk, modules), frame_blocked.c, frame_state.c, staging.c. kernel.h says what its functions are
 * given. */
#ifndef RKEOPS_FRAME_H
#define RKEOPS_FRAME_H

#include "cuda/shape.h"
#include "emit/writer.h"

/* With n > 1 the functions of pass k have the suffix _k. */
rk_status rk_emit_cuda(const rk_pass *const *pass, const rk_gpu_shape *const *shape, int n,
                       const char *include_dir, rk_text *out, rk_error *error);

#define RK_ROLLED "_Pragma(\"unroll 1\")" /* before a loop: it stays one */

/* The type in which a side is packed, and a component of it as a number: `place` is text. */
const char *rk_stored_type(const rk_gpu_shape *shape, rk_nest_kind side);
void rk_read_text(const rk_gpu_shape *shape, rk_nest_kind side, const char *place, char *text,
                  size_t size);

/* rk_pair up to the range of its columns, start .. end - 1. `suffix` of the names of kernels: "",
 * "_0", "_1", ... */
void rk_write_pair_head(rk_writer *w, const rk_gpu_shape *shape, const char *suffix);

/* All `count` columns of a tile of at most `tile` enter the state: calls of rk_tile(nv, call). */
void rk_write_columns(rk_writer *w, const char *call, int tile);

/* The state of the block's rows goes out as part blockIdx.y; `row` is the row u of the thread,
 * `component` a format for its components. */
void rk_write_pair_end(rk_writer *w, const char *row);

/* Do short sums enter long ones now and then? */
int rk_flushes(const rk_writer *w);

/* frame_list.c. Which lists a block has, next .. last - 1; which columns, j .. count - 1, a tile
 * that begins at `from` has of `interval`; these as calls of rk_tile(nv, call, ...), `row` being
 * row u of the thread in its block, and by_four: columns are read four at once where j is a
 * multiple; all of it where one thread walks. */
void rk_write_list_head(rk_writer *w, const rk_gpu_shape *shape);
void rk_write_list_bounds(rk_writer *w, int tile);
void rk_write_list_columns(rk_writer *w, const char *call, const char *row, int by_four);
void rk_write_list_walk(rk_writer *w, const rk_gpu_shape *shape, int is_shared, const char *call,
                        const char *row);
void rk_write_gather(rk_writer *w, const char *suffix);

/* What rk_tile is given beside the data, where rows are masked. */
#define RK_MASKED_GIVEN ", const int masked, const ivec *low, const ivec *high, " \
                        "const int *restrict column_at"

/* frame_state.c: rk_merge and rk_finish. */
void rk_write_device_state(rk_writer *w, const char *suffix);

/* staging.c: what a loop reads of slots by way of shared memory, a chunk of components at a
 * time. */
enum { RK_MAX_STAGED = 8 };
typedef struct {
  int bytes;                      /* of one of two buffers */
  int threads;                    /* that copy */
  int block[RK_NEST_PAIR];        /* rows or columns of a packed block, by side */
  int half[RK_NEST_PAIR];
  const char *place[RK_NEST_PAIR];/* where the row or the column of a thread is in a block */
  struct { rk_nest_kind side; int first; } read[RK_MAX_STAGED];
  int reads;
  int open;                       /* inside a loop that stages */
} rk_cuda_staging;
rk_staging rk_staging_with(rk_cuda_staging *own);

void rk_write_blocked_kernel(rk_text *out, const rk_pass *pass, const rk_gpu_shape *shape,
                             const char *suffix);

#endif
