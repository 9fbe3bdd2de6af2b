/* In which interval the value lies that a pass reduces, for all pairs of the rows in one box and
 * the columns in another. It is what enters the states of the kernel: minus the user's value where
 * a reduction keeps the largest, times log2(e) where it counts in powers of 2, without
 * pass->factor. */
#ifndef RKEOPS_ENCLOSE_H
#define RKEOPS_ENCLOSE_H

#include "plan/plan.h"

enum { RK_ENCLOSE_BOXES = 64 }; /* that are looked at together, at most */

/* A component of a level's record, in n boxes: values lie from low[k] to high[k], or are NaN where
 * nan[k] says that some may be (NULL: nowhere). With step 0 it is one box for all of the n. Low
 * above high: all are NaN. Values are those of the packed records, to the last bit: made once more
 * elsewhere they may be others. */
typedef struct {
  const double *low, *high;
  const unsigned char *nan;
  int step;
} rk_slot_boxes;

/* The same of a component of a result; nan is NULL where none is NaN. */
typedef struct { const double *low, *high; const unsigned char *nan; } rk_enclosed;

typedef struct rk_enclosing rk_enclosing;

typedef struct {
  int is_bounded;          /* can it say anything of what is reduced? */
  int roots;               /* of so many first ones, 1 or, with weights, 2 */
  int components;          /* that it works on for each box */
  rk_enclosing *shared;    /* what is done, the same in all threads */
  int is_another;
  double *ends;            /* by component: the low ends of all boxes, then the high ones */
  unsigned char *nan, *kind;
  void *room;
} rk_encloser;

/* Freed by the caller, also on failure. The pass stays until then. */
rk_status rk_encloser_begin(rk_encloser *e, const rk_pass *pass, rk_error *error);

/* Another one of the same pass, for another thread; it ends before the first. */
rk_status rk_encloser_another(rk_encloser *e, const rk_encloser *first, rk_error *error);
void rk_encloser_end(rk_encloser *e);

/* Encloses the first `roots` roots of the nest of pairs, of which the first is what is reduced, the
 * second its weights, in n boxes, 1 to RK_ENCLOSE_BOXES of them. `parameters`: the packed record,
 * which is NULL where it is empty. `rows` and `columns`: by component of theirs. */
void rk_enclose(rk_encloser *e, const double *parameters, const rk_slot_boxes *rows,
                const rk_slot_boxes *columns, int n, int roots);

/* What that says of a component of a root: good until the next one. */
rk_enclosed rk_enclosed_root(const rk_encloser *e, int root, int component);

/* By which share values are narrower in box k than in box 0, summed over all scalars that are made
 * on the way to what is reduced. */
double rk_enclosed_narrowed(const rk_encloser *e, int k);

#endif
