/* The ranks of values that are compared: those of a group are ranked together. */
#include "error.h"
#include "look/evaluate.h"
#include "look/looking.h"
#include "look/ranks.h"

#include <float.h>
#include <stdlib.h>

/* Values of a node for all rows, into memory of the variable's own. */
static rk_status fill_rows(rk_looking *l, int variable) {
  const rk_node *node = rk_graph_node(l->p->graph, rk_variable_of(l, variable)->source);
  int64_t rows = l->p->rows[rk_kind_of_level(node->level)];
  rk_evaluator e;
  if (!rk_values_own(l->values, variable, rows, node->dim))
    return rk_fail_memory(l->caller.error, (size_t)rows * (size_t)node->dim * sizeof(double));
  rk_status status = rk_evaluator_begin(&e, l->p->graph, l->host, &node, 1, l->caller.error);
  for (int64_t first = 0; first < rows && !status; first += e.block) {
    int n = rows - first < e.block ? (int)(rows - first) : e.block;
    rk_evaluate(&e, first, n);
    for (int c = 0; c < node->dim; c++)
      rk_copy_evaluated(&e, node, c, n, l->values->own[variable] + c * rows + first);
    if (first / RK_TASK_ROWS != (first + e.block) / RK_TASK_ROWS) status = rk_ask(l->caller, 0);
  }
  rk_evaluator_end(&e);
  return status;
}

/* One component of some variables, or all components together. */
static rk_status rank_component(rk_looking *l, const int *variable, int n, int component) {
  int columns = 0, all = 0;
  for (int k = 0; k < n; k++) all += rk_variable_of(l, variable[k])->dim;
  double **column = calloc((size_t)all + 1, sizeof *column);
  int64_t *length = calloc((size_t)all + 1, sizeof *length), ranks = 0;
  rk_status status = column && length ? RK_OK : rk_fail_memory(l->caller.error, (size_t)all * 16);
  for (int k = 0; k < n && !status; k++) {
    const rk_array *x = &l->values->value[variable[k]];
    for (int c = 0; c < x->dim; c++) {
      if (component >= 0 && c != component) continue;
      column[columns] = l->values->own[variable[k]] + c * x->rows;
      length[columns++] = x->rows;
    }
  }
  if (!status) status = rk_rank(column, length, columns, &ranks, l->caller);
  free(column);
  free(length);
  if (status || ranks <= 1 << FLT_MANT_DIG) return status;
  return rk_fail(l->caller.error, RK_ERROR_PRECISION,
                 "`%s` and what it is compared with have %lld different values: comparisons in "
                 "float32 tell %d apart, rkeops_use_float64() takes more",
                 rk_name_in(l, rk_graph_node(l->p->graph, rk_variable_of(l, variable[0])->source)),
                 (long long)ranks, 1 << FLT_MANT_DIG);
}

/* All variables of the group that variable `first` is of. */
static rk_status rank_group(rk_looking *l, int first) {
  const rk_graph_variable *group = rk_variable_of(l, first);
  int *variable = calloc((size_t)l->values->count + 1, sizeof *variable), n = 0, same = 1;
  if (!variable) return rk_fail_memory(l->caller.error, (size_t)l->values->count * 4);
  rk_status status = RK_OK;
  for (int k = first; k < l->values->count && !status; k++) {
    if (!rk_is_of_group(rk_variable_of(l, k), group)) continue;
    variable[n++] = k;
    same &= rk_variable_of(l, k)->dim == group->dim;
    status = fill_rows(l, k);
  }
  for (int c = same ? 0 : -1; c < (same ? group->dim : 0) && !status; c++)
    status = rank_component(l, variable, n, c);
  free(variable);
  return status;
}

rk_status rk_rank_groups(rk_looking *l) {
  rk_status status = RK_OK;
  for (int k = 0; k < l->values->count && !status; k++) {
    int waits = rk_variable_of(l, k)->origin == RK_FROM_RANK && !l->values->own[k];
    if (waits) status = rank_group(l, k);
  }
  return status;
}

