/* Values of a formula of rows and parameters, some rows at a time: for callers that walk over their
 * rows by themselves, on any threads. */
#ifndef RKEOPS_BUILTIN_VALUES_H
#define RKEOPS_BUILTIN_VALUES_H

#include "run/backend.h"

enum { RK_VALUES_ROWS = 256 };       /* that are computed at a time, always */

typedef struct rk_formula_values rk_formula_values;

/* Of the values that a plain sum in float64 adds up, which have no column in them. NULL: no memory.
 * `number`: by graph variable, of those that were lifted out of the formula. */
rk_formula_values *rk_formula_values_new(const rk_stage *stage, const double *number);
void rk_formula_values_free(rk_formula_values *f);

int rk_formula_components(const rk_formula_values *f);
size_t rk_formula_work(const rk_formula_values *f); /* bytes of memory of a thread, from 64 on */

/* Once, before values: `x` are the inputs by position, of which parameters are read. 0: no
 * memory. */
int rk_formula_parameters(rk_formula_values *f, const double *const *x);

/* RK_VALUES_ROWS values of each component, one behind the other. Component d of input k is at
 * x[k] + d * ld[k]. */
typedef struct { const double *const *x; const long long *ld; } rk_formula_rows;
void rk_formula_run(const rk_formula_values *f, rk_formula_rows rows, void *work, double *out);

#endif
