/* The loops that there are: floats, then doubles. */
#ifndef RKEOPS_LOOPS_TABLES_H
#define RKEOPS_LOOPS_TABLES_H

#include "loops/loops.h"

#include <stddef.h>
#include <string.h>

extern const rk_tile_loops *const rk_tile_loops_16[2];

/* Not on Windows, whose compilers do not align what 32 bytes need. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)
#define RK_HAS_WIDE_LOOPS 1
extern const rk_tile_loops *const rk_tile_loops_32[2], *const rk_tile_loops_64[2];
#endif

#endif
