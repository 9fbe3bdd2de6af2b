/* How many threads a call uses. */
#ifndef RKEOPS_THREADS_H
#define RKEOPS_THREADS_H

#include "engine.h"
#include "text.h"

/* Notes that a call wanted `wanted` threads and could have `had` of them. */
void rk_threads_had(int wanted, int had);

/* Every input of the decision, as lines "key: value". */
void rk_threads_report(rk_text *out);

#endif
