/* Orders: of n numbers from `base` on, each once. */
#ifndef RKEOPS_ORDER_H
#define RKEOPS_ORDER_H

#include <stdint.h>
#include <string.h>

/* `seen`: n zeros. All numbers are in range, and none of them is missing. No step waits for the one
 * before it. */
static inline int rk_is_order(const int32_t *order, int64_t n, int32_t base, char *seen) {
  int64_t outside = 0;
  for (int64_t k = 0; k < n; k++) {
    int64_t at = (int64_t)order[k] - base;
    int is_outside = at < 0 || at >= n;
    outside += is_outside;
    seen[is_outside ? 0 : at] = 1;
  }
  return !outside && (!n || !memchr(seen, 0, (size_t)n));
}

#endif
