/* Inside of bound/: what a sample of the data says of a pass. */
#ifndef RKEOPS_CHOOSE_H
#define RKEOPS_CHOOSE_H

#include "bound/enclose.h"
#include "near/order.h"
#include "bound/sides.h"

/* The components of a record that say most of the values of pairs, and how much each says for its
 * length. */
typedef struct {
  int dims, component[RK_MAX_DIMS];
  double weight[RK_MAX_DIMS];
} rk_telling;

/* Records of rows and of columns, of which there are some; a row meets `columns` of these. `share`:
 * of the pairs those that have to be walked, about. */
typedef struct {
  const rk_pass *pass;
  rk_encloser *encloser;
  const double *parameters;
  rk_records_ahead *side;    /* rows, columns */
  int64_t columns;
} rk_choosing;
rk_status rk_choose(const rk_choosing *c, rk_telling *telling, double *share, rk_caller caller);

#endif
