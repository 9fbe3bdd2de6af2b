/* What kernels walk over: for the engine, which fills it in, and for emitted text. */

//@ base
#ifndef RKEOPS_INTERVAL_H
#define RKEOPS_INTERVAL_H

/* Columns from .. end - 1, by place. If it is masked, for the rows first .. last - 1 of the block
 * only, of which each takes the columns with positions from its own + lower to its own + upper. */
typedef struct { int from, end, masked, first, last, lower, upper; } rk_interval;

#endif
