/* What the files of this folder share. */
#ifndef RKEOPS_DENSE_PARTS_H
#define RKEOPS_DENSE_PARTS_H

#include "caller.h"
#include "dense/kernels.h"
#include "run/parallel.h"

#include <stdatomic.h>

/* A call on its way. */
typedef struct {
  const rk_dense_kernels *kernels;
  int threads;
  rk_caller caller;
  double step, done, total; /* operations: of what runs now, before it, in all */
  double polled;
  void *memory;             /* rooms of `bytes`, one for each thread */
  atomic_int *taken;
  size_t bytes;
} rk_dense_work;

/* For operands of no more than so many rows, columns and inner dimensions. To be ended in any
 * case. */
typedef struct { int64_t rows, columns, depth; } rk_dense_size;
rk_status rk_dense_begin(rk_dense_work *work, const rk_dense *call, rk_dense_size size,
                         double operations);
void rk_dense_end(rk_dense_work *work);

/* A thread's own memory for a task. */
void *rk_dense_room(rk_dense_work *work);
void rk_dense_leave(rk_dense_work *work, void *room);

/* Tasks that make so many operations in all. */
rk_status rk_dense_parallel(rk_dense_work *work, int64_t tasks, rk_task task, void *data,
                            double operations);

/* c = a b, c + a b, or c - a b; where a triangle is asked for, elsewhere too or not. */
typedef struct {
  rk_matrix a, b, c;
  rk_fill fill;
  rk_triangle triangle;
} rk_dense_factors;
rk_status rk_dense_multiply(rk_dense_work *work, const rk_dense_factors *factors);

rk_matrix rk_dense_part(const rk_dense_work *work, rk_matrix x, int64_t row, int64_t column,
                  int64_t rows, int64_t columns);

#endif
