/* What holds after each pass of planning, said as a test: builds with RKEOPS_CHECK_PLANS (those of
 * the tests, see tools/engine.mk) run it, others have none of it. What does not hold is
 * RK_ERROR_INTERNAL, with the rule and the node in words. */
#ifndef RKEOPS_CHECK_H
#define RKEOPS_CHECK_H

#include "error.h"
#include "plan/plan.h"

#ifdef RKEOPS_CHECK_PLANS

/* What the roots are made of: operands come first, dimensions are those of the table, levels are
 * the union of the operands'. `stage` made it. */
rk_status rk_check_graph(const rk_graph *graph, const rk_node *const *root, int roots,
                         const char *stage, rk_error *error);

/* A planned pass: the slots of each level, the state, the steps and places of each nest. */
rk_status rk_check_pass(const rk_pass *pass, rk_error *error);

/* One nest of it: check_nest.c. */
rk_status rk_check_nest(const rk_pass *pass, rk_nest_kind kind, rk_error *error);

#else

static inline rk_status rk_check_graph(const rk_graph *graph, const rk_node *const *root, int roots,
                                       const char *stage, rk_error *error) {
  (void)graph, (void)root, (void)roots, (void)stage, (void)error;
  return RK_OK;
}

static inline rk_status rk_check_pass(const rk_pass *pass, rk_error *error) {
  (void)pass, (void)error;
  return RK_OK;
}

#endif
#endif
