/* The passes of a program in order: results of earlier ones become data of later ones, and what the
 * caller asked for is written. */
#ifndef RKEOPS_PROGRAM_H
#define RKEOPS_PROGRAM_H

#include "run/values.h"

struct rk_program_data {
  rk_graph *graph;
  rk_stage *const *stage;      /* built */
  int stages;
  const rk_program_info *info; /* NULL: of a graph that no text made */
  const rk_served *served;     /* by result */
  int results;
  const double *number;        /* by graph variable: what was lifted out of the formula */
  const rk_array *inputs;
  const int64_t *rows;         /* by rk_kind */
  const rk_walks *walks;       /* which pairs; NULL: all */
  int may_bound;               /* a sample of the data says whether passes are bounded */
  const rk_walk *bounded[RK_MAX_WANTED]; /* by stage: the same pairs, in an order in which some need
                                * not be walked; NULL: as they lie */
  const rk_output *outputs;    /* fields of all results, one after the other */
  const rk_watch *watch;       /* of the first pass, once; or NULL */
};

/* The walk of a stage; NULL: all pairs, as always where one of its indices is no index of data. */
const rk_walk *rk_walk_of(const rk_program_data *p, int stage);

/* The fields of a result: the first of its outputs. */
const rk_output *rk_outputs_of(const rk_program_data *p, int result);

/* What the user calls an input: programs of one plan differ in names. */
static inline const char *rk_input_name(const rk_program_data *p, int variable) {
  const rk_graph_variable *v = rk_graph_variable_at(p->graph, variable);
  return p->info ? p->info->variable[v->source].name : v->name;
}

/* With the backend of the call that runs; results of passes become values. */
rk_status rk_run_passes(const rk_program_data *data, rk_values *values, rk_caller caller);

#endif
