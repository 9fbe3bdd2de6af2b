/* What a row, or a block of rows, still wants of the columns, and whether a box of columns may have
 * it. */
#ifndef RKEOPS_NEED_H
#define RKEOPS_NEED_H

#include "bound/enclose.h"
#include "formula/reductions.h"

#include <math.h>

typedef struct {
  const rk_reduction *reduction;
  rk_state_shape shape;
  double bits;               /* terms by so many binary digits less than a sum are nothing */
  double factor;             /* of the sums in states */
  int knows_sums;
  double worst;              /* the largest value that a row holds, */
  int64_t position;          /* and the last position of such ones */
  double *running;           /* by component of a state: what terms up to are nothing */
  signed char *sign;         /* of all terms; 0: they have both, or nobody knows */
} rk_need;

/* `columns`: how many there are. 0: out of memory. */
int rk_need_begin(rk_need *need, const rk_pass *pass, int64_t columns);
void rk_need_end(rk_need *need);

void rk_need_anew(rk_need *need);                                 /* nothing was walked yet */
void rk_need_states(rk_need *need, rk_states states, int64_t rows); /* these hold what was */

/* The signs that terms have in n enclosed boxes of columns, which have all of them. */
void rk_need_signs(rk_need *need, const rk_encloser *e, int n);

/* How many roots have to be enclosed. */
static inline int rk_need_roots(const rk_need *need) { return 1 + need->reduction->has_head; }

/* Box k of those that are enclosed: does it matter? `first`: the least position in it. *key: boxes
 * with less should be walked before. */
int rk_need_matters(const rk_need *need, const rk_encloser *e, int k, int64_t first, double *key);

/* Boxes whose values all lie above this are not wanted, which is soon said of most. */
static inline double rk_need_limit(const rk_need *need, rk_enclosed value) {
  int says = rk_keeps_values(need->reduction) &&
             (need->reduction->skips == RK_SKIP_LARGER || !value.nan);
  return says ? need->worst : (double)INFINITY;
}

/* Are all terms of a plain sum known, so that they need not be walked? These are term[c]. */
int rk_need_knows(const rk_need *need, const rk_encloser *e, int k, double *term);

/* Does all of it matter, so that nothing comes of a look at its parts? */
int rk_need_surely(const rk_need *need, const rk_encloser *e, int k);

/* Are boxes of such a key, and of larger ones, not wanted any more? */
static inline int rk_need_is_over(const rk_need *need, double key) {
  return rk_keeps_values(need->reduction) && key > need->worst;
}

#endif
