/* Loops over boxes for what most formulas are made of. */
#ifndef RKEOPS_BOUND_LOOPS_H
#define RKEOPS_BOUND_LOOPS_H

#include "bound/rules.h"

/* Both ends of a component in all boxes. Loops go over whole vectors: what lies behind the last
 * box, up to a multiple of so many, is a box too. */
enum { RK_BOX_LANES = 4 };
typedef struct { double *low, *high; } rk_ends;

/* They give 1 if no result is beyond what a kernel's numbers can be, else what they wrote is not
 * good. Operands are numbers within that range; where nothing is rounded they may be infinite, and
 * what comes is as they are. */
typedef int (*rk_loop)(const rk_format *format, const rk_ends *x, int count, int n, rk_ends out);

/* The loops for the vectors of this processor; NULL: there is none for an operation. */
typedef struct {
  rk_loop of[RK_OPS];
  rk_loop squares;        /* sum of squares of differences: minuends, then subtrahends */
  rk_loop minus_squares, scaled_squares; /* minus that; times a last operand */

  /* Ends of the result of a function, with what rounding adds. */
  int (*widen)(const rk_format *format, double ulps, rk_ends x, int n, rk_ends out);

  /* Ends of what is read: what a kernel may take for 0 is 0 too, which may be -0. `step` 0: one for
   * all. Gives 1 where all are numbers in range. */
  int (*read)(const rk_format *format, const double *low, const double *high, int step, int n,
              rk_ends out);
} rk_loops;
const rk_loops *rk_loops_here(void);

#endif
