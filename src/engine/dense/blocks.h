/* How large the blocks are that are packed: rows of a for the second cache, columns of b for the
 * last one, and what a panel of both has for the first one. */
#ifndef RKEOPS_DENSE_BLOCKS_H
#define RKEOPS_DENSE_BLOCKS_H

#include "dense/kernels.h"

enum { RK_BLOCK_ROWS = 192, RK_BLOCK_COLUMNS = 512, RK_BLOCK_DEPTH = 256 };

static inline int64_t rk_dense_up_to(int64_t n, int64_t most, int64_t multiple) {
  return n < most ? (n + multiple - 1) / multiple * multiple : most;
}
static inline int64_t rk_dense_rows(const rk_dense_kernels *k, int64_t rows) {
  return rk_dense_up_to(rows, RK_BLOCK_ROWS, k->rows);
}
static inline int64_t rk_dense_columns(const rk_dense_kernels *k, int64_t columns) {
  return rk_dense_up_to(columns, RK_BLOCK_COLUMNS, k->columns);
}
static inline int64_t rk_dense_depth(int64_t depth) {
  return rk_dense_up_to(depth, RK_BLOCK_DEPTH, 1);
}

#endif
