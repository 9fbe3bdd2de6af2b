/* RK_LANES blocks in a row are a group: they are worked on together, each in a lane of its own. A
 * group has as many rows as its largest block; smaller blocks have rows of the unit matrix before
 * their own, so that the site itself is the last row of each. */
#ifndef RKEOPS_VECCHIA_GROUP_H
#define RKEOPS_VECCHIA_GROUP_H

#include "builtin/values.h"
#include "vecchia/kernels.h"

enum { RK_NO_ROW = -1 };

/* A formula at the pairs of a group. */
typedef struct {
  rk_formula_values *values;
  const rk_pair_values *given;
  int inputs, columns;        /* of sides that have rows, these have so many columns */
} rk_group_formula;

/* What a thread works with. Vectors have a number for each row and lane. */
typedef struct {
  int n;                      /* rows of the group */
  int32_t *row, *point;       /* of each number of a vector: from 0, or RK_NO_ROW; of some site */
  double *l, *inverse;        /* covariances, then their factor */
  double *a, *u, *z;          /* `z`: one for each column */
  double *slope;              /* cotangents of covariances */
  double *points, *tile, *out;
  void *work;
} rk_group;

/* formula.c */
rk_status rk_group_formula_make(rk_group_formula *f, const rk_pair_values *given, rk_error *error);
void rk_group_formula_free(rk_group_formula *f);
void rk_group_covariances(const rk_group_formula *f, const rk_group *g);

/* What becomes of component c of derivatives: it is added up over all pairs, or for each row of the
 * first or the second of them, at to[c]. */
typedef struct { const rk_pair_side *side; double *const *to; } rk_group_sums;
void rk_group_slopes(const rk_group_formula *f, const rk_group *g, rk_group_sums sums);

/* group.c: rows of group number `number`; its factor, of which failed[lane] says the row that has
 * none, or n, with the last row of its inverse; z of these rows; cotangents for those of w and of
 * log s, which lie as vectors of one number: of covariances, and in place of z those of it. */
void rk_group_begin(const rk_sets *s, int64_t number, rk_group *g);
void rk_group_factor(const rk_vecchia *v, const rk_vecchia_kernels *k, const rk_group *g,
                     int *failed);
void rk_group_take(const rk_vecchia *v, const rk_group *g);
void rk_group_pull(const rk_vecchia_kernels *k, const rk_group *g, int columns, const double *e_w,
                   const double *e_log);

/* Memory for groups of so many rows, cut out of one piece. */
typedef struct { int most, columns, inputs, points, components; size_t work; } rk_group_size;
size_t rk_group_bytes(const rk_group_size *size);
void rk_group_lay(const rk_group_size *size, void *memory, rk_group *g);

#endif
