/* Loops over boxes for what most formulas are made of. */
#ifndef RKEOPS_BOUND_LOOPS_H
#define RKEOPS_BOUND_LOOPS_H

#include "bound/rules.h"

/* Both ends of a component in all boxes; there is room for whole vectors. */
typedef struct { double *low, *high; } rk_ends;

/* They give 1 if no result is beyond what a kernel's numbers can be, else what they wrote is not
 * good. Operands are numbers within that range. */
typedef int (*rk_loop)(const rk_format *format, const rk_ends *x, int count, int n, rk_ends out);
rk_loop rk_loop_of(rk_op op); /* NULL: there is none */

/* Ends of the result of a function, with what rounding adds. */
int rk_widen(const rk_format *format, double ulps, rk_ends x, int n, rk_ends out);

/* Ends of what is read: what a kernel may take for 0 is 0 too, which may be -0. `step` 0: one for
 * all. Gives 1 where all are numbers in range. */
int rk_read_ends(const rk_format *format, const double *low, const double *high, int step, int n,
                 rk_ends out);

#endif
