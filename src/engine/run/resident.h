/* Arrays that lie with a backend, in the memory of its devices. */
#ifndef RKEOPS_RESIDENT_H
#define RKEOPS_RESIDENT_H

#include "run/backend.h"

/* What a backend keeps of one begins with this. */
struct rk_resident {
  const rk_backend *backend;
  int64_t rows, dim;
  size_t bytes;         /* of a number there: 8 or 4 */
  double *low, *high;   /* smallest and largest finite value of each component, one piece of memory
                         * that is freed with it; NULL for results of passes */
  rk_array sample;      /* RK_SAMPLED rows of it, or all, at equal steps: in the same memory */
  int is_exact;         /* its numbers are those that it was made of */
  int users;            /* of the calling thread: its owner, calls that read it */
};

enum { RK_SAMPLED = 1024 };

/* Row k of a sample of n of so many rows. */
static inline int64_t rk_sampled_row(int64_t k, int64_t rows, int64_t n) { return k * rows / n; }

/* One user more, who calls rk_resident_free when he is done. */
void rk_resident_hold(rk_resident *resident);

/* rk_resident_read inside a call. */
rk_status rk_resident_fetch(const rk_resident *resident, double *out, rk_caller caller);

#endif
