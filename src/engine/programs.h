/* The programs that this process knows.
 *
 * A request (text, declarations, options) leads to a program; programs whose formulas differ in
 * their numbers only share a plan: its stages hold the kernels. What was done for an earlier
 * request is not done again.
 *
 * Programs and plans count their users: the tables, the caller who holds a program, calls that run
 * (a poll may forget everything), and for a plan its programs. The last one frees. */
#ifndef RKEOPS_PROGRAMS_H
#define RKEOPS_PROGRAMS_H

#include "run/backend.h"
#include "sampled.h"

/* What programs with equal formulas share. */
typedef struct {
  int users;
  char *key;                 /* options and canonical graph */
  rk_graph *graph;
  const rk_node *root[RK_MAX_RESULTS];
  int roots;
  rk_served served[RK_MAX_RESULTS];
  rk_stage *stage;           /* in order */
  int stages;
  rk_sampled *sampled;       /* NULL: no run has been checked */
} rk_plan;

struct rk_program {
  int users;
  char *key;                 /* options, declarations, text */
  rk_plan *plan;
  double *number;            /* by graph variable: what was lifted out of this text */
  rk_variable *variable;     /* by position */
  char *names;
  rk_result result[RK_MAX_RESULTS];
  rk_field field[2 * RK_MAX_RESULTS];
  rk_program_info info;
  int64_t large_calls;       /* that may be checked, see rk_is_sampled */
  int is_warned;             /* it was said that float32 has too few digits */
};

/* What is asked for. */
typedef struct {
  const char *text;
  const char *const *declarations;
  int n;
  const rk_options *options;
  int vectors;               /* bytes, see rk_build_vectors */
} rk_request;

/* The program of a request, or NULL. *key is the caller's until a program is added under it; NULL:
 * no memory. */
rk_program *rk_programs_find(const rk_request *request, char **key);

/* A new program of one user, of the graph that was made of the request's text: what of it is not
 * the plan. NULL: no memory. */
rk_program *rk_program_new(rk_graph *graph, const rk_node *const *root, int roots);
void rk_programs_add(rk_program *program, char *key);

/* The plan of a formula that is equal but for its numbers, or NULL; the key as above. */
rk_plan *rk_plans_find(const rk_request *request, rk_graph *graph, const rk_node *const *root,
                       int roots, char **key);

/* A new plan, known from now on, of passes; it owns the graph and all of the passes then. */
rk_plan *rk_plans_add(char *key, rk_graph *graph, const rk_node *const *root, int roots,
                      rk_passes *passes, int vectors);

/* The program has this plan. */
void rk_program_use(rk_program *program, rk_plan *plan);

/* Arithmetic operations of a call with these rows by rk_kind, all pairs computed. */
double rk_program_operations(const rk_program *program, const int64_t rows[3]);

/* Does what a caller gives fit? Rows by rk_kind are found as rk_program_rows says. */
rk_status rk_program_check(const rk_program *program, const rk_array *inputs, int n,
                           const rk_blocks *blocks, const rk_output *outputs, int64_t rows[3],
                           rk_error *error);

void rk_programs_count(rk_counters *counters);

#endif
