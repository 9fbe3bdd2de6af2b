/* Ranks instead of values that are only compared: whole numbers, which float32 has exactly. */
#ifndef RKEOPS_RANKS_H
#define RKEOPS_RANKS_H

#include "caller.h"

/* `n` values, replaced by their ranks among all of them: 0, 1, ...; equal ones have the same rank,
 * NaN stays NaN. Values that float32 tells apart as they are stay as they are. The number of ranks
 * is *ranks, 0 when nothing was replaced. RK_ERROR_MEMORY, RK_CANCELLED. */
rk_status rk_rank(double *const *column, const int64_t *length, int columns, int64_t *ranks,
                  rk_caller caller);

#endif
