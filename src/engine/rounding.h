/* Division and multiples that round up, of numbers from 0 on. */
#ifndef RKEOPS_ROUNDING_H
#define RKEOPS_ROUNDING_H

#include <stdint.h>

static inline int64_t rk_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t rk_round_up(int64_t a, int64_t unit) { return rk_ceil_div(a, unit) * unit; }

#endif
