/* The pass that a text of one reduction is planned as. */
#ifndef PLANNED_H
#define PLANNED_H

#include "check.h"

#include "formula/parser.h"
#include "plan/plan.h"

typedef struct { rk_graph *graph; const rk_node *root[RK_MAX_RESULTS]; rk_pass pass; } planned;

/* To be freed whatever the status. */
static inline rk_status plan_text(planned *p, const char *text, const char *const *declarations,
                                  int n, const rk_options *options) {
  int roots;
  *p = (planned){.graph = rk_graph_new()};
  rk_status status = rk_parse_program(p->graph, text, declarations, n, p->root, &roots, &last);
  return status ? status : rk_plan_pass(p->graph, p->root[0], options, &p->pass, &last);
}

static inline void free_planned(planned *p) {
  rk_pass_free(&p->pass);
  rk_graph_free(p->graph);
}

#endif
