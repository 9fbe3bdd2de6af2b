/* What the data of a call asks of a plan in float32: centres, ranks, differences of two floats; and
 * what float32 cannot hold. Packing then works on what was found here. */
#ifndef RKEOPS_LOOK_H
#define RKEOPS_LOOK_H

#include "run/program.h"
#include "run/values.h"

/* Fills the values of centres and ranks, and says of each pass whether its data asks for sums of
 * two floats (split, by pass). In float64 there is nothing to do.
 *
 * RK_ERROR_PRECISION: an input has a finite number that float32 has not, or more values are
 * compared than float32 can count, or they lie on a GPU as floats which were others before. What
 * becomes 0 or infinite in float32 otherwise is told in `warning`, as lines. */
rk_status rk_look(const rk_program_data *p, rk_values *values, unsigned char *split,
                  rk_text *warning, rk_caller caller);

#endif
