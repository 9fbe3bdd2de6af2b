/* What the data of a call asks of a plan in float32: centres, ranks, differences of two floats; and
 * what float32 cannot hold. Packing then works on what was found here. */
#ifndef RKEOPS_LOOK_H
#define RKEOPS_LOOK_H

#include "run/program.h"
#include "run/values.h"

/* Much data is not read for this alone: centres are what a sample says, packing shows the rows that
 * it reads, and then they are judged. */
typedef struct rk_looking rk_looking;
typedef struct {
  rk_looking *waiting; /* NULL: everything is known */
  rk_watch watch;
  int again;           /* the sample was wrong, or one float is not enough: the run of the passes
                        * ended before there were results. It is to be looked at and built anew */
} rk_look;

/* Fills the values of centres and ranks, and says of each pass whether its data asks for sums of
 * two floats (split, by pass). In float64 there is nothing to do. `look` is {0} the first time; if
 * it waits afterwards, p->watch is set.
 *
 * RK_ERROR_PRECISION: an input has a finite number that float32 has not, or more values are
 * compared than float32 can count, or they lie on a GPU as floats which were others before. What
 * becomes 0 or infinite in float32 otherwise is told in `warning`, as lines. */
rk_status rk_look_at(rk_look *look, rk_program_data *p, rk_values *values, unsigned char *split,
                     rk_text *warning, rk_caller caller);
void rk_look_end(rk_look *look);

#endif
