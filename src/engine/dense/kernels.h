/* The loops that everything is made of, in the widest vectors of the processor. */
#ifndef RKEOPS_DENSE_KERNELS_H
#define RKEOPS_DENSE_KERNELS_H

#include "engine.h"

/* What becomes of what was there. */
typedef enum { RK_SET, RK_ADD, RK_SUBTRACT } rk_fill;

/* A product of packed operands, into c. */
typedef struct {
  const void *a, *b;
  int64_t depth;
  rk_matrix c;          /* row_step 1 is fast */
  rk_fill fill;
  rk_triangle triangle; /* tiles that have nothing of it are left out */
  int64_t below;        /* row less column, in the whole matrix, of the first element of c */
} rk_dense_block;

enum { RK_DENSE_BASE = 64 }; /* rows of triangles that are not cut further */

typedef struct {
  int size;             /* bytes of a number */
  int rows, columns;    /* of a tile: panels of a and b are so wide */
  int sides;            /* right-hand sides that are solved at once */

  /* Panels of `width` rows, by columns, with zeros behind the last row. The width is a multiple of
   * four. One panel goes back where it came from. */
  void (*pack)(rk_matrix from, int width, void *to);
  void (*give)(const void *from, int width, rk_matrix to);

  void (*multiply)(const rk_dense_block *block);
  /* l x = b in place of b, of n rows: t(l) is one panel of RK_DENSE_BASE, t(b) one of `sides`. */
  void (*solve)(int n, const void *l, void *b);
  /* The lower factor, one panel of RK_DENSE_BASE; n, or the row whose pivot is not positive. */
  int (*factor)(int n, void *l);

  void (*sum)(int64_t n, int parts, void *x); /* of `parts` times n numbers, into the first ones */
  /* Above the diagonal, else with what is below it. */
  void (*fill)(rk_matrix x, int with_zeros);
} rk_dense_kernels;

/* NULL: not for this precision, or RKEOPS_VECTORS names none; `error` says so. */
const rk_dense_kernels *rk_dense_kernels_of(rk_precision precision, rk_error *error);

#endif
