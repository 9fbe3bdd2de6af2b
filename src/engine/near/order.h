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

/* Where n points are cut in two: after a whole number of runs of the largest size, of 4, 8, ...,
 * RK_FINE_RUN and RK_RUNS times as many each from there on, that makes two of them. So each run of
 * such a size that begins at a multiple of it, but for the last one, is all that one half had. */
enum { RK_FINE_RUN = 128, RK_RUNS = 8 };
int32_t rk_cut_of(int32_t n);

/* The point at each place: halved across the side of their box that is longest, again and again,
 * down to runs of `least`; within these as in the user's order. Points with a coordinate that is no
 * finite number have the last places; how many others there are in *placed. `order` has room for
 * all. */
rk_status rk_order_make(const rk_cloud *cloud, int least, int32_t *order, int32_t *placed,
                        rk_caller caller);

#endif
