/* Orders: of n numbers from `base` on, each once. */
#ifndef RKEOPS_ORDER_H
#define RKEOPS_ORDER_H

#include <stdint.h>
#include <string.h>

/* `seen`: n zeros. All numbers are in range, and none of them is missing: no step waits for the one
 * before it. */
static inline int rk_is_order(const int32_t *order, int64_t n, int32_t base, char *seen) {
  if (n > INT32_MAX) return 0;
  for (int64_t k = 0; k < n; k++) {
    uint64_t at = (uint64_t)((int64_t)order[k] - base);
    if (at >= (uint64_t)n) return 0;
    seen[at] = 1;
  }
  return n <= 0 || !memchr(seen, 0, (size_t)n);
}

#endif
