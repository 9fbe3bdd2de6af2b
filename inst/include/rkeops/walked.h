/* What a kernel for a CPU is given: for the engine, which fills it in, and for emitted text, where
 * interval.h comes before it. */

//@ base
#ifndef RKEOPS_WALKED_H
#define RKEOPS_WALKED_H

/* `blocks` blocks of rows, each with all intervals of the list. A state that `starts` is new, else
 * it was left in `states`; when it `ends`, that of row r (lane r for lanes along the columns) goes to
 * values[c * ld + r] and positions[c * ld + r], else to `states`. */
typedef struct {
  const void *rows, *columns, *params;
  const rk_interval *list;
  long long intervals;
  const int *row_at, *column_at; /* positions of the rows, of the columns; NULL: as they lie */
  long long blocks, first;       /* what is added to a column for its position */
  int starts, ends;
  char *states;
  double *values;
  long long *positions;
  long long ld;
  char *work;
  const void *program;           /* what the module has */
} rk_walked;

#endif
