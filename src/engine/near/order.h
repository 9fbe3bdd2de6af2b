/* Points in an order in which those that are near each other lie together. */
#ifndef RKEOPS_NEAR_ORDER_H
#define RKEOPS_NEAR_ORDER_H

#include "caller.h"

/* `rows` points of `dims` coordinates: coordinate d of them from at[d] on, of which one counts as
 * weight[d] (NULL: 1). */
enum { RK_MAX_DIMS = 8 };
typedef struct {
  int64_t rows;                 /* below 2^31 */
  int dims;
  const double *at[RK_MAX_DIMS];
  const double *weight;
} rk_cloud;

/* Where places from .. end - 1 are cut in two: at the multiple of the largest size that one lies
 * within, of `least`, twice that and so on up to RK_FINE_RUN, and RK_RUNS times as much each from
 * there on, that is next to their middle; `from`: nowhere. So what lies between two multiples of
 * such a size is all that one half had. `least` is a power of 2. */
enum { RK_FINE_RUN = 128, RK_RUNS = 8 };
int32_t rk_cut_of(int32_t from, int32_t end, int32_t least);

/* Runs of places within which points may change theirs: up to end[r], at first with the points at[]
 * (NULL: as they lie). `anew`: each is cut as if it began at 0. */
typedef struct {
  int64_t count;
  const int32_t *end, *at;
  int anew;
} rk_runs;

/* The point at each place: halved across the side of their box that is longest, again and again,
 * down to runs of `least`; within these as in the user's order. Points with a coordinate that is no
 * finite number have the last places of a run; how many others there are in *placed. `runs` may be
 * NULL: one of all. `order` has room for all. */
rk_status rk_order_make(const rk_cloud *cloud, const rk_runs *runs, int least, int32_t *order,
                        int32_t *placed, rk_caller caller);

#endif
