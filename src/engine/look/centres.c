/* The centres of values that meet in differences, and whether one float is enough for them. */
#include "error.h"
#include "look/centre.h"
#include "look/evaluate.h"
#include "look/looking.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* The extremes of a member's component, or of all of its components. */
static rk_extremes range_of(const rk_looking *l, const rk_node *node, int centre, int component) {
  const rk_side *s = &l->side[rk_kind_of_level(node->level)];
  const rk_watched *value = rk_find_watched(l, node, centre);
  rk_extremes e = rk_nothing;
  for (int c = 0; c < node->dim && value; c++)
    if (c == component || rk_variable_of(l, centre)->dim == 1)
      e = rk_widened(e, s->seen[value->first + c]);
  return e;
}

/* Of all members of one side, or of both. */
static rk_extremes side_range(const rk_looking *l, int variable, int component, rk_kind kind) {
  const rk_graph_variable *group = rk_variable_of(l, variable);
  rk_extremes e = rk_nothing;
  for (int k = 0; k < group->members; k++)
    if (rk_kind_of_level(group->member[k]->level) == kind)
      e = rk_widened(e, range_of(l, group->member[k], variable, component));
  return e;
}

static rk_extremes group_range(const rk_looking *l, int variable, int component) {
  return rk_widened(side_range(l, variable, component, RK_KIND_I),
                    side_range(l, variable, component, RK_KIND_J));
}

/* The variables that nodes read, a row in so many of each: a sample, and how long it is. */
static rk_status take_sample(rk_looking *l, const rk_evaluator *e, int n, rk_array *sample,
                             double **room) {
  for (int k = 0; k < e->nodes; k++) {
    if (!rk_is_variable(e->node[k])) continue;
    int v = e->node[k]->variable;
    const rk_array *x = &l->host[v];
    sample[v] = *x;
    if (e->node[k]->level == RK_LEVEL_PARAMETER) continue;
    double *to = room[v] = malloc((size_t)n * (size_t)x->dim * sizeof *to + 1);
    if (!to) return rk_fail_memory(l->caller.error, (size_t)n * (size_t)x->dim * sizeof *to);
    for (int64_t c = 0; c < x->dim; c++)
      for (int64_t r = 0; r < n; r++)
        to[c * n + r] = x->data[rk_sampled_row(r, x->rows, n) * x->row_stride +
                                c * x->component_stride];
    sample[v] = (rk_array){to, n, x->dim, 1, n, NULL, 0};
  }
  return RK_OK;
}

/* Sampled values of a group's members of one side: by component of the centre, `count` of each. */
typedef struct { double *value; int count; } sampled;

static int members_on(const rk_graph_variable *group, rk_kind kind, const rk_node **member) {
  int n = 0;
  for (int k = 0; k < group->members; k++)
    if (rk_kind_of_level(group->member[k]->level) == kind) member[n++] = group->member[k];
  return n;
}

static void collect(rk_evaluator *e, const rk_node *const *member, int members, int dim,
                    int rows, sampled *s) {
  for (int first = 0; first < rows; first += e->block) {
    int n = rows - first < e->block ? rows - first : e->block, part = 0;
    rk_evaluate(e, first, n);
    for (int m = 0; m < members; m++)
      for (int c = 0; c < member[m]->dim; c++) {
        double *to = s->value + (dim == 1 ? 0 : (size_t)c * (size_t)s->count) + part * rows + first;
        rk_copy_evaluated(e, member[m], c, n, to);
        if (dim == 1 || c == member[m]->dim - 1) part++;
      }
  }
}

static rk_status sample_members(rk_looking *l, const rk_graph_variable *group, rk_kind kind,
                                int wanted, sampled *s) {
  const rk_node **member = calloc((size_t)group->members + 1, sizeof *member);
  size_t variables = (size_t)l->values->count + 1;
  rk_array *sample = calloc(variables, sizeof *sample);
  double **room = calloc(variables, sizeof *room);
  rk_evaluator e = {0};
  rk_status status = member && sample && room ? RK_OK : rk_fail_memory(l->caller.error, variables);
  int members = status ? 0 : members_on(group, kind, member), parts = 0;
  int64_t all = l->side[kind].rows;
  int rows = all < wanted ? (int)all : wanted;
  for (int m = 0; m < members; m++) parts += group->dim == 1 ? member[m]->dim : 1;
  if (parts && rows > RK_SAMPLE_MOST / parts) rows = RK_SAMPLE_MOST / parts + 1;
  s->count = parts * rows;
  s->value = malloc((size_t)s->count * (size_t)group->dim * sizeof *s->value + 1);
  if (!status && !s->value) status = rk_fail_memory(l->caller.error, (size_t)s->count * 8);
  if (!status)
    status = rk_evaluator_begin(&e, l->p->graph, sample, member, members, l->caller.error);
  if (!status) status = take_sample(l, &e, rows, sample, room);
  if (!status) collect(&e, member, members, group->dim, rows, s);
  rk_evaluator_end(&e);
  for (size_t k = 0; k < variables && room; k++) free(room[k]);
  free(room);
  free(sample);
  free(member);
  return status;
}

/* ---- one group ---- */

/* A component of the samples, with the extremes of all values. */
static rk_sample sample_of(const rk_looking *l, int variable, const sampled *row,
                           const sampled *column, int c) {
  int half = l->p->stage[0]->pass.options.precision == RK_FLOAT16;
  rk_sample s = {row->value + (size_t)c * (size_t)row->count,
                 column->value + (size_t)c * (size_t)column->count, row->count, column->count,
                 1, 1, 1, 0, 0, 0, half ? RK_LARGEST_HALF : FLT_MAX};
  rk_set_range(&s, side_range(l, variable, c, RK_KIND_I), side_range(l, variable, c, RK_KIND_J));
  return s;
}

/* Fills centres and what is known of them by component; *all says whether that was quick. */
static rk_status centre_with(rk_looking *l, int variable, int wanted, rk_centring *found,
                             int *all) {
  const rk_graph_variable *group = rk_variable_of(l, variable);
  sampled row = {NULL, 0}, column = {NULL, 0};
  rk_status status = sample_members(l, group, RK_KIND_I, wanted, &row);
  if (!status) status = sample_members(l, group, RK_KIND_J, wanted, &column);
  *all = wanted == RK_SAMPLE_QUICK;
  for (int c = 0; c < group->dim && !status; c++) {
    rk_sample s = sample_of(l, variable, &row, &column, c);
    if (wanted == RK_SAMPLE_QUICK) *all &= rk_centre_quickly(&s, &found[c]);
    else rk_centre(&s, &found[c]);
    l->values->own[variable][c] = found[c].centre;
    l->digits[variable] = c ? fmin(l->digits[variable], found[c].digits) : found[c].digits;
  }
  free(row.value);
  free(column.value);
  return status;
}

/* A row and a column that stand in arrays, or are numbers times such, as most are. */
static int are_arrays(const rk_looking *l, int variable, rk_plain *row, rk_plain *column) {
  const rk_graph_variable *group = rk_variable_of(l, variable);
  if (group->members != 2) return 0;
  int first = group->member[0]->level == RK_LEVEL_J;
  const rk_watched *x = rk_find_watched(l, group->member[first], variable),
                   *y = rk_find_watched(l, group->member[!first], variable);
  if (!x || !y || x->node->level == y->node->level) return 0;
  *row = x->plain;
  *column = y->plain;
  return row->array && column->array && row->array->dim == column->array->dim;
}

/* In units of the scale of rows. */
static rk_sample sample_of_arrays(const rk_plain *row, const rk_plain *column, int component) {
  const rk_array *x = row->array, *y = column->array;
  int rows = x->rows < RK_SAMPLE_QUICK ? (int)x->rows : RK_SAMPLE_QUICK,
      columns = y->rows < RK_SAMPLE_QUICK ? (int)y->rows : RK_SAMPLE_QUICK;
  return (rk_sample){(double *)x->data + component * x->component_stride,
                     (double *)y->data + component * y->component_stride, rows, columns,
                     x->rows / rows, y->rows / columns, column->scale / row->scale, 0, 0, 0,
                     FLT_MAX};
}

/* Centres before the rows are seen, once they are, and whether those of before hold then. */
typedef enum { AHEAD, SEEN, HELD } moment;

/* Their centres, if they are found quickly. */
static int centre_arrays(const rk_looking *l, int variable, moment when) {
  double *centre = l->values->own[variable];
  rk_plain row, column;
  if (!are_arrays(l, variable, &row, &column)) return 0;
  l->digits[variable] = INFINITY;
  for (int c = 0; c < rk_variable_of(l, variable)->dim; c++) {
    rk_sample s = sample_of_arrays(&row, &column, c);
    rk_centring found = {.centre = centre[c] / row.scale};
    if (when == AHEAD) rk_guess_range(&s);
    else rk_set_range(&s, rk_times(side_range(l, variable, c, RK_KIND_I), 1 / row.scale),
                      rk_times(side_range(l, variable, c, RK_KIND_J), 1 / row.scale));
    if (when == HELD ? !rk_centre_holds(&s, &found) : !rk_centre_quickly(&s, &found)) return 0;
    centre[c] = found.centre * row.scale;
    l->digits[variable] = fmin(l->digits[variable], found.digits);
  }
  return 1;
}

static int is_used(const rk_looking *l, int variable) {
  const rk_graph_variable *group = rk_variable_of(l, variable);
  for (int k = 0; k < group->members; k++) {
    const rk_side *s = &l->side[rk_kind_of_level(group->member[k]->level)];
    if (!s->rows || !rk_find_watched(l, group->member[k], variable)) return 0;
  }
  return 1;
}

static int all_at(const rk_looking *l, moment when) {
  int are = 1;
  for (int k = 0; k < l->values->count && are; k++)
    if (rk_variable_of(l, k)->origin == RK_FROM_CENTRE && is_used(l, k))
      are = centre_arrays(l, k, when);
  return are;
}

int rk_centres_ahead(rk_looking *l) { return all_at(l, AHEAD); }
int rk_centres_hold(rk_looking *l) { return all_at(l, HELD); }

/* By graph variable: what is known of a centre by component, where it was not plain. */
static rk_status find_centres(rk_looking *l, rk_centring **found) {
  rk_status status = RK_OK;
  for (int k = 0; k < l->values->count && !status; k++) {
    const rk_graph_variable *v = rk_variable_of(l, k);
    int quick = 0;
    if (v->origin != RK_FROM_CENTRE || !is_used(l, k) || centre_arrays(l, k, SEEN))
      continue;
    found[k] = calloc((size_t)v->dim, sizeof **found);
    if (!found[k]) return rk_fail_memory(l->caller.error, (size_t)v->dim * sizeof **found);
    status = centre_with(l, k, RK_SAMPLE_QUICK, found[k], &quick);
    if (!status && !quick) status = centre_with(l, k, RK_SAMPLE, found[k], &quick);
    if (!status && quick) {
      free(found[k]);
      found[k] = NULL;
    }
  }
  return status;
}

/* The largest rounding of a component, or, before that was looked for, what it cannot exceed. */
static double rounding_of(const rk_looking *l, int variable, int component, int is_known) {
  double centre = l->values->own[variable][component];
  rk_extremes e = group_range(l, variable, component);
  return is_known ? e.rounding : 0x1p-25 * rk_greatest_around(centre, e.low, e.high);
}

static int is_enough(const rk_looking *l, int variable, const rk_centring *found, int is_known) {
  for (int c = 0; c < rk_variable_of(l, variable)->dim; c++)
    if (!rk_centre_is_enough(&found[c], rounding_of(l, variable, c, is_known))) return 0;
  return 1;
}

/* Which centres leave too few digits? */
static rk_status choose_splits(rk_looking *l, rk_centring *const *found, unsigned char *split) {
  int doubtful = 0;
  rk_status status = RK_OK;
  for (int k = 0; k < l->values->count; k++)
    doubtful |= found[k] && !is_enough(l, k, found[k], 0);
  if (!doubtful) return RK_OK;
  for (int kind = 0; kind < RK_KINDS && !status; kind++)
    status = rk_look_at_rows(l, &l->side[kind], 1);
  for (int s = 0; s < l->p->stages && !status; s++) {
    const rk_pass *pass = &l->p->stage[s]->pass;
    for (int q = 0; q < pass->variables; q++) {
      int k = pass->variable[q];
      if (found[k] && !is_enough(l, k, found[k], 1)) split[s] = 1;
    }
  }
  return status;
}

rk_status rk_find_centres(rk_looking *l, unsigned char *split) {
  size_t variables = (size_t)l->values->count;
  rk_centring **found = calloc(variables + 1, sizeof *found);
  if (!found) return rk_fail_memory(l->caller.error, variables * sizeof *found);
  rk_status status = find_centres(l, found);
  if (!status && l->p->stage[0]->pass.options.precision == RK_FLOAT32)
    status = choose_splits(l, found, split);
  for (size_t k = 0; k < variables; k++) free(found[k]);
  free(found);
  return status;
}

