/* The list of passes that make a plan: what is done to a program, then to each reduction. */
#include "error.h"
#include "formula/print.h"
#include "plan/check.h"
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

/* ---- one reduction -------------------------------------------------------------------------- */

/* What a stage made is shown to who asked, and checked where tests run. */
static rk_status show_and_check(const rk_graph *graph, const rk_node *const *root, int roots,
                                rk_trace stage, rk_error *error) {
  rk_trace_graph(stage, graph, root, roots);
  return rk_check_graph(graph, root, roots, rk_traced_stage(stage), error);
}

static rk_status show_and_check_nests(const rk_pass *pass, rk_error *error) {
  rk_text text = {0};
  if (rk_is_traced(RK_TRACE_nest) && !rk_plan_print(pass, "  ", &text))
    rk_trace_show(RK_TRACE_nest, &text);
  rk_text_free(&text);
  return rk_check_pass(pass, error);
}

/* The nest that fills a level's slots; it may ask for more slots of the level below. */
static rk_status plan_slots(rk_pass *pass, rk_nest_kind kind, rk_error *error) {
  int count = pass->slots[kind].count;
  const rk_node **root = calloc((size_t)count + 1, sizeof *root);
  if (!root) return rk_fail_memory(error, (size_t)count * sizeof *root);
  for (int k = 0; k < count; k++) root[k] = pass->slots[kind].slot[k].node;
  rk_status status = rk_plan_nest(pass, kind, root, count, error);
  free(root);
  return status;
}

static rk_status plan_pairs(rk_pass *pass, rk_error *error) {
  const rk_node *reduction = pass->reduction;
  pass->state = rk_state_of(reduction);
  return rk_plan_nest(pass, RK_NEST_PAIR, reduction->operand, reduction->operands, error);
}

static rk_status plan_pass(rk_pass *pass, rk_error *error) {
  rk_graph *graph = pass->graph;
  rk_status status = rk_rewrite(pass, error);
  if (!status) status = show_and_check(graph, &pass->reduction, 1, RK_TRACE_rewrite, error);
  if (!status) status = rk_take_factor(pass, error);
  if (!status) status = show_and_check(graph, &pass->reduction, 1, RK_TRACE_factor, error);
  if (!status) status = rk_collect(pass, error);
  if (!status) status = rk_join(pass, error);
  if (!status) status = show_and_check(graph, &pass->reduction, 1, RK_TRACE_join, error);
  if (!status) status = rk_order(pass, error);
  if (!status) status = plan_pairs(pass, error);
  if (!status) status = rk_order_slots(pass, error);
  if (!status) status = plan_slots(pass, RK_NEST_ROW, error);
  if (!status) status = plan_slots(pass, RK_NEST_COLUMN, error);
  if (!status) status = plan_slots(pass, RK_NEST_PARAMETER, error);
  if (!status) status = show_and_check_nests(pass, error);
  if (status) rk_pass_free(pass);
  return status;
}

rk_status rk_plan_pass(rk_graph *graph, const rk_node *reduction, const rk_options *options,
                       rk_pass *pass, rk_error *error) {
  *pass = (rk_pass){.graph = graph, .source = reduction, .reduction = reduction,
                    .options = *options};
  return plan_pass(pass, error);
}

rk_status rk_plan_split(const rk_pass *pass, rk_pass *split, rk_error *error) {
  *split = (rk_pass){.graph = pass->graph, .source = pass->source, .reduction = pass->source,
                     .options = pass->options, .split = 1};
  return plan_pass(split, error);
}

/* ---- all of a program ----------------------------------------------------------------------- */

enum { MOST_PASSES = 64 };

static int result_variable(rk_graph *graph, const rk_node *reduction) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    if (v->origin == RK_FROM_PASS && v->source == reduction->number) return k;
  }
  return -1;
}

/* Which pass a root is the result of, or a part of (see rk_fuse). */
static rk_served served_by(const rk_node *root, const rk_node *const *reduction, int count) {
  rk_served served = {.is_part = !root->reduction, .columns = root->dim};
  const rk_node *whole = rk_columns_of(root, &served.first);
  while (served.pass < count && reduction[served.pass] != whole) served.pass++;
  return served;
}

static rk_status order_reductions(rk_graph *graph, const rk_node *const *root, int roots,
                                  const rk_node **reduction, int *count, rk_error *error) {
  *count = rk_needed_reductions(graph, root, roots, reduction, MOST_PASSES);
  if (*count < 0) return rk_fail_memory(error, (size_t)rk_graph_size(graph));
  if (*count <= MOST_PASSES) return RK_OK;
  return rk_fail(error, RK_ERROR_FORMULA, "more than %d reductions in one formula", MOST_PASSES);
}

static rk_status plan_passes(rk_graph *graph, const rk_node *const *reduction, int count,
                             const rk_options *options, rk_passes *made, rk_error *error) {
  rk_status status = RK_OK;
  made->planned = calloc((size_t)count + 1, sizeof *made->planned);
  if (!made->planned) return rk_fail_memory(error, (size_t)count * sizeof *made->planned);
  for (; made->count < count && !status; made->count += !status)
    status = rk_plan_pass(graph, reduction[made->count], options,
                          &made->planned[made->count].pass, error);
  for (int k = 0; k < made->count; k++)
    made->planned[k].result = result_variable(graph, reduction[k]);
  return status;
}

rk_status rk_plan_program(rk_graph *graph, const rk_node **root, int roots,
                          const rk_options *options, rk_passes *made, rk_error *error) {
  const rk_node *reduction[MOST_PASSES];
  int count = 0;
  *made = (rk_passes){0};
  rk_status status = rk_find_means(graph, root, roots, error);
  if (!status) status = show_and_check(graph, root, roots, RK_TRACE_means, error);
  if (!status) status = rk_fuse(graph, root, roots, error);
  if (!status) status = show_and_check(graph, root, roots, RK_TRACE_fuse, error);
  if (!status) status = order_reductions(graph, root, roots, reduction, &count, error);
  if (!status) status = plan_passes(graph, reduction, count, options, made, error);
  for (int r = 0; r < roots && !status; r++)
    made->served[r] = served_by(root[r], reduction, count);
  return status;
}
