/* Did float32, or float16, lose the digits of a result? After a large run some rows of it are
 * computed once more in float64, by the backend that needs no compiler, and compared.
 *
 * Each pass over pairs is checked by itself, on what it read: results of earlier passes as they
 * are, inputs as they are given, in float16 as they are stored. So a warning names the reduction
 * that lost them, and what later passes make of its error is no reason for another one. What a
 * pass over no pairs computes is computed in double anyway.
 *
 * "Off" is what a value is wrong by, as a share of
 *   sums, means         the sum, or mean, of absolute values of the row
 *   log-sum-exp         1; with weights, it is the sum that is compared as a sum
 *   selected values,    the value itself and the mean absolute value of its row
 *   and values at selected positions that are worse than the best
 * where sums and means of a row count as a tenth at least of what those of all the rows are on
 * average: a row of next to nothing has no digits to lose.
 * A number that is not finite in float32 only is off by INFINITY; where float64 is not finite
 * nothing is compared. Two rows have to be off, or a number not finite, before it is said. */
#ifndef RKEOPS_SAMPLED_H
#define RKEOPS_SAMPLED_H

#include "run/program.h"

/* What a plan keeps for it: its passes in float64, once a run has been checked. */
typedef struct rk_sampled rk_sampled;
void rk_sampled_free(rk_sampled *sampled); /* NULL is fine */

/* Is a run one that is checked, if its turn comes? */
int rk_is_sampled(const rk_program_data *p);

/* Compares rows of a run that has ended, and writes what is off by too much to `warning`, as a
 * line. `values`: what the passes read and left. Nothing but RK_CANCELLED becomes of the call: what
 * cannot be checked, for want of memory too, is not. */
rk_status rk_sample(rk_sampled **kept, const rk_program_data *p, const rk_values *values,
                    rk_text *warning, rk_caller caller);

/* What the last check of a pass said, 0 where there was none: rows that were compared, and what is
 * off most. */
int rk_sampled_rows(const rk_sampled *sampled, int pass, double *off);

#endif
