/* Inside of bound/: the records of the rows, or columns, of a pass as numbers in double, before
 * they are packed. */
#ifndef RKEOPS_SIDES_H
#define RKEOPS_SIDES_H

#include "look/evaluate.h"
#include "plan/plan.h"
#include "run/values.h"

typedef struct {
  const rk_slots *slots;
  int64_t rows;
  int components;            /* of a record */
  rk_evaluator evaluator;
} rk_records_ahead;

/* Of rk_values that are all there. */
rk_status rk_ahead_begin(rk_records_ahead *side, const rk_pass *pass, const rk_values *values,
                         rk_nest_kind kind, int64_t rows, rk_error *error);
void rk_ahead_end(rk_records_ahead *side);

/* All components of one row: c at [c * stride]. */
void rk_ahead_row(rk_records_ahead *side, int64_t row, double *to, ptrdiff_t stride);

/* Some components of all rows: the k-th of them, component[k], at to[k]. */
rk_status rk_ahead_columns(rk_records_ahead *side, const int *component, int n, double *const *to,
                           rk_caller caller);

#endif
