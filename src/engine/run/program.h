/* The passes of a program in order: results of earlier ones become data of later ones, and what the
 * caller asked for is written. */
#ifndef RKEOPS_PROGRAM_H
#define RKEOPS_PROGRAM_H

#include "run/kernel.h"

/* Where a result comes from: all fields of a stage, or `columns` columns of its values from
 * `first` on. */
typedef struct { int stage, is_part, first, columns; } rk_served;

typedef struct {
  rk_graph *graph;
  rk_stage *stage;             /* built */
  int stages;
  const rk_served *served;     /* by result */
  int results;
  const double *number;        /* by graph variable, see rk_values_make */
  const rk_array *inputs;
  const int64_t *rows;         /* by rk_kind */
  const rk_output *outputs;    /* fields of all results, one after the other */
  rk_poll poll;
  void *poll_data;
} rk_passes;

rk_status rk_run_passes(const rk_passes *passes, rk_error *error);

#endif
