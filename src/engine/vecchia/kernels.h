/* What is done with the blocks of a few sites at once, a lane each. */
#ifndef RKEOPS_VECCHIA_KERNELS_H
#define RKEOPS_VECCHIA_KERNELS_H

#include "engine.h"

enum { RK_LANES = 4 };

/* Where number (i, j), j <= i, of a lower triangle by rows is; how many one of n rows has. */
static inline int64_t rk_triangle_at(int64_t i, int64_t j) { return i * (i + 1) / 2 + j; }
static inline int64_t rk_triangle_of(int64_t n) { return n * (n + 1) / 2; }

/* Each number is RK_LANES doubles, a vector of n of them n * RK_LANES, a matrix its lower triangle
 * by rows. Lanes know nothing of each other. */
typedef struct {
  /* l t(l) = a, in place; `inverse`: of the diagonal of l. Of each lane the number of the first row
   * whose pivot is not positive, or so small beside its diagonal that it may be rounding; n:
   * none. */
  void (*factor)(int n, double *a, double *inverse, int *failed);

  /* x = l^-1 x, x = t(l)^-1 x. */
  void (*forward)(int n, const double *l, const double *inverse, double *x);
  void (*backward)(int n, const double *l, const double *inverse, double *x);

  /* sum(x * y); x += f y with a factor of each lane. */
  void (*dot)(int n, const double *x, const double *y, double *sum);
  void (*add)(int n, double *x, const double *factor, const double *y);

  /* a u' + u a' below the diagonal and half of it there. */
  void (*outer)(int n, const double *a, const double *u, double *to);
} rk_vecchia_kernels;

/* NULL: RKEOPS_VECTORS names no vectors; `error` says so. */
const rk_vecchia_kernels *rk_vecchia_kernels_of(rk_error *error);

#endif
