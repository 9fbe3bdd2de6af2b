/* In which ranges the numbers of inputs lie. */
#ifndef RKEOPS_RANGES_H
#define RKEOPS_RANGES_H

#include "caller.h"

/* Smallest and largest finite value of each component; INFINITY, -INFINITY where there is none. */
rk_status rk_range(const rk_array *x, double *low, double *high, rk_caller caller);

/* The common centre of two inputs, per component: such that |x - centre| <= |x| for every finite x
 * of both, so that shifting never costs accuracy; 0 where the data lies on both sides of 0. */
rk_status rk_centre(const rk_array *x, const rk_array *y, double *centre, rk_caller caller);

#endif
