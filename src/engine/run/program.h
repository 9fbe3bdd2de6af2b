/* The passes of a program in order: results of earlier ones become data of later ones, and what the
 * caller asked for is written. */
#ifndef RKEOPS_PROGRAM_H
#define RKEOPS_PROGRAM_H

#include "run/backend.h"

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
} rk_program_data;

/* With the backend of the call that runs. */
rk_status rk_run_passes(const rk_program_data *data, rk_caller caller);

#endif
