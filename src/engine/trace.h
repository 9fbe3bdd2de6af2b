/* Looking at what the stages make: RKEOPS_TRACE=parse,fuse in the environment, or
 * rk_settings.trace, names stages; what they make then goes to rk_settings.write, which the host
 * supplies, and nowhere when there is none: the engine itself never prints. Off, it costs a test of
 * one bit. */
#ifndef RKEOPS_TRACE_H
#define RKEOPS_TRACE_H

#include "text.h"

/* In the order in which a formula meets them. */
#define RK_TRACED_STAGES(each)                                                                     \
  each(parse) each(derive) each(means) each(fuse) each(rewrite) each(factor) each(join) each(nest) \
  each(emit)

#define RK_TRACED_STAGE(name) RK_TRACE_##name,
typedef enum { RK_TRACED_STAGES(RK_TRACED_STAGE) RK_TRACES } rk_trace;
#undef RK_TRACED_STAGE

/* What rk_configure is told: stages as in the environment, "" for none; NULL keeps what was. */
void rk_trace_configure(const char *stages, void (*write)(const char *text));

/* Reads the environment again: for each program that is made. */
void rk_trace_begin(void);

int rk_is_traced(rk_trace stage);

/* What a traced stage made. */
void rk_trace_show(rk_trace stage, const rk_text *made);

#endif
