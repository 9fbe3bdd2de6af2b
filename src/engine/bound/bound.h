/* What cannot matter. The pairs of a pass whose result needs few of them are walked in an order in
 * which those that do come first; boxes of columns are left out once bounds of the formula over
 * them (enclose.h) say that they change no row of a block. */
#ifndef RKEOPS_BOUND_H
#define RKEOPS_BOUND_H

#include "bound/enclose.h"
#include "bound/levels.h"
#include "run/program.h"

#include <stdatomic.h>

/* A walk of all pairs or of those that were given, rows and columns in orders that keep those
 * together that are alike: rows within their segments, columns where no interval begins or ends. */
typedef struct rk_bounded {
  const rk_stage *stage;
  rk_encloser encloser;
  rk_walk walk;
  rk_walk unlimited;         /* the same without its bands, which a descent sees to */
  int32_t *order[2], first, place_end[2];
  int32_t *place;            /* of each row, where it does not meet the column of its own number and
                              * bands leave out nothing else; else NULL */
  int64_t list_end, list_columns;
  int is_taken;
  double share;              /* of the pairs, what a sample says has to be walked */
  double given;              /* of the pairs, those that were given */
  int must, is_refused;      /* it is asked for; some blocks took longer than all pairs would */
  atomic_llong walked, looked_at, blocks; /* columns of blocks of rows, boxes; these blocks */
} rk_bounded;

/* By pass of a program: NULL, or what is left out of it. Freed by the caller, also on failure; {0}
 * before. */
typedef struct { rk_bounded *of[RK_MAX_WANTED]; } rk_pruned;

/* May it be that some pass is bounded? Without data. */
int rk_may_bound(const rk_program_data *p);

/* Decides for each pass that is not decided yet, by a sample of its data, once centres are known:
 * fills p->bounded. */
rk_status rk_pruned_make(rk_pruned *pruned, rk_program_data *p, const rk_values *values,
                         rk_caller caller);
void rk_pruned_free(rk_pruned *pruned);

/* Was one refused? It is taken back, the others stay: the call is to be built and run anew. */
int rk_pruned_refused(rk_pruned *pruned, rk_program_data *p);

/* What became of it, for people: the k-th is noted in stage[k]. */
void rk_pruned_note(const rk_pruned *pruned, rk_stage *stage, int stages);

/* ---- one block of rows ---- */

typedef struct rk_descent rk_descent;

/* Operations of a block of rows, on average of those that were done; `column`: of a column. */
double rk_bounded_cost(const rk_bounded *bounded, double column);

/* For a thread: `columns` and `parameters` are those of the packed data, which the kernel reads.
 * NULL: out of memory. */
rk_descent *rk_descent_new(rk_bounded *bounded, const rk_levels *columns,
                           const double *parameters);
void rk_descent_free(rk_descent *d);

/* Begins with another block: all rows of the packed records, which lie at places of the order from
 * `place` on and have these positions. Columns are those of `within`, the list of the block in
 * bounded->unlimited, which stays until the block is done. */
void rk_descent_begin(rk_descent *d, const rk_records *rows, const int32_t *position,
                      int64_t place, const rk_intervals *within);

/* Columns that come next, for a kernel that goes on with the states of the block, which `states`
 * holds of what was walked before; none: there are no more that matter. 0: out of memory. */
int rk_descent_next(rk_descent *d, rk_states states, rk_intervals *list);

/* Once there are no more: terms of sums that were known without a walk enter the states. */
void rk_descent_finish(const rk_descent *d, rk_states states);

#endif
