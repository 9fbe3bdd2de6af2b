/* The kernels of all texts, for each kind of vectors. */
#ifndef RKEOPS_KERNELS_TABLES_H
#define RKEOPS_KERNELS_TABLES_H

#include "kernels/kernels.h"

typedef struct { rk_built_function pair; size_t state; } rk_built_entry;

extern const rk_built_entry rk_built_16[];

/* Not on Windows, whose compilers do not align what 32 bytes need. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(_WIN32)
#define RK_HAS_WIDE_KERNELS 1
extern const rk_built_entry rk_built_32[];
#endif

#endif
