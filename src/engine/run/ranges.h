/* In which ranges the numbers of inputs lie. */
#ifndef RKEOPS_RANGES_H
#define RKEOPS_RANGES_H

#include "caller.h"

/* Smallest and largest finite value of each component; INFINITY, -INFINITY where there is none. */
rk_status rk_range(const rk_array *x, double *low, double *high, rk_caller caller);

#endif
