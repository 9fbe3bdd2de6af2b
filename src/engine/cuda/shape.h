/* How a pass is laid out on a GPU. */
#ifndef RKEOPS_SHAPE_H
#define RKEOPS_SHAPE_H

#include "plan/plan.h"
#include "walk/walk.h"

/* The shape of a pass on a GPU. A thread block has `row_block` kept rows; grid.x counts row blocks,
 * grid.y parts of the columns, grid.z groups of components of a wide result.
 *
 *  - walk: a thread owns tile.rows rows and walks over all columns of its part; columns are records
 *    of `column_stride` components, read from shared memory `column_block` at a time;
 *  - blocked, for large inner dimensions and wide results: the threads of a block share a tile of
 *    row_block x column_block pairs as in a matrix product, each having tile.rows x tile.columns of
 *    them; the scalars of the pairs then go through shared memory to the threads that own rows (and
 *    components) of the result. Columns are packed in blocks of column_block. */
typedef struct {
  int blocked;
  int threads;                 /* of a thread block */
  int row_block, column_block;
  int column_stride;           /* walk: components of a record, padding included */
  int half[RK_NEST_PAIR];      /* float16: which sides are stored as half (row, column) */
  int resident;                /* everything of a thread lies in registers */
  int stackless;               /* and no function of CUDA's library needs memory of its own: the
                                * compiler reports no stack and no spill (tested) */
  rk_tile tile;                /* what a thread has of the pairs */
  rk_tile enter;               /* blocked: what a thread has when values enter the state */
  int shared_steps;            /* blocked: steps of the pair nest that the tile of pairs makes; the
                                * others are made where values enter the state */
  int components;              /* components of the result of one thread */
  int component_groups;        /* blocked: grid.z */
} rk_gpu_shape;

/* What a kernel walks over: all columns; lists of them, for some of the rows of a block; lists of
 * columns in any order; the same with a block of as few threads as walk together. */
typedef enum {
  RK_GPU_ALL, RK_GPU_LISTS, RK_GPU_LISTS_NARROW, RK_GPU_REORDERED, RK_GPU_REORDERED_NARROW,
  RK_GPU_LAYS
} rk_gpu_lay;
rk_gpu_lay rk_gpu_lay_choose(const rk_pass *pass, const rk_walk *walk);
rk_gpu_shape rk_gpu_shape_choose(const rk_pass *pass, rk_gpu_lay lay);
void rk_gpu_shape_print(const rk_gpu_shape *shape, const char *prefix, rk_text *text);

/* The scalars of a pair that the first `steps` steps make and the others, or the reduction, read:
 * what a blocked pass exchanges. Their number, which may exceed `capacity`. */
enum { RK_MAX_EXCHANGED = 4 };
int rk_exchanged(const rk_pass *pass, int steps, const rk_node **node, int capacity);

#endif
