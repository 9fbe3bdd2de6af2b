/* Pairs of a group are taken in the order in which its covariances lie, lanes first: what formulas
 * read of them is copied in whole vectors from the points of the group. */
#include "vecchia/group.h"
#include "error.h"
#include "formula/reductions.h"
#include "programs.h"

#include <string.h>

enum { TOGETHER = RK_VALUES_ROWS / RK_LANES, MOST_INPUTS = 64 };

/* ---- formulas -------------------------------------------------------------------------------- */

static rk_status refused(rk_error *error, const char *what) {
  return rk_fail(error, RK_ERROR_ARGUMENT, "a covariance: %s", what);
}

static rk_status check(const rk_pair_values *given, rk_error *error) {
  const rk_program_info *info = &given->program->info;
  const rk_plan *plan = given->program->plan;
  if (info->results != 1 || plan->stages != 1 || plan->root[0]->reduction != rk_plain_sum() ||
      info->result[0].kept != RK_KIND_I || info->result[0].reduced != RK_KIND_J ||
      plan->stage[0].pass.options.precision != RK_FLOAT64)
    return refused(error, "expected values as one sum over j in float64");
  if (info->variables > MOST_INPUTS) return refused(error, "expected at most 64 variables");
  for (int k = 0; k < info->variables; k++) {
    const int is_parameter = given->side[k] == RK_OF_ALL;
    if ((info->variable[k].kind == RK_KIND_PARAMETER) != is_parameter ||
        info->variable[k].kind == RK_KIND_J || given->inputs[k].resident)
      return refused(error, "expected variables of i and parameters, on the host");
    if (given->inputs[k].dim != info->variable[k].dim)
      return refused(error, "inputs have other dimensions than the variables");
  }
  return RK_OK;
}

rk_status rk_group_formula_make(rk_group_formula *f, const rk_pair_values *given, rk_error *error) {
  const double *x[MOST_INPUTS];
  *f = (rk_group_formula){.given = given};
  rk_status status = check(given, error);
  if (status) return status;
  const rk_program *program = given->program;
  f->inputs = program->info.variables;
  f->values = rk_formula_values_new(&program->plan->stage[0], program->number);
  if (!f->values) return rk_fail_memory(error, RK_VALUES_ROWS * sizeof(double));
  for (int k = 0; k < f->inputs; k++) {
    x[k] = given->inputs[k].data;
    if (given->side[k] == RK_OF_I || given->side[k] == RK_OF_J)
      f->columns += (int)given->inputs[k].dim;
  }
  if (!rk_formula_parameters(f->values, x)) return rk_fail_memory(error, sizeof(double));
  return RK_OK;
}

void rk_group_formula_free(rk_group_formula *f) { rk_formula_values_free(f->values); }

/* ---- pairs ----------------------------------------------------------------------------------- */

/* The next ones: rows of both, and how many they are; the last one again behind the end. */
typedef struct { int i, j, n; int at[2][TOGETHER]; } pairs;

static void next_pairs(pairs *p, int rows) {
  p->n = 0;
  for (int t = 0; t < TOGETHER; t++) {
    const int is_pair = p->i < rows;
    p->at[0][t] = is_pair ? p->i : rows - 1;
    p->at[1][t] = is_pair ? p->j : rows - 1;
    p->n += is_pair;
    if (!is_pair) continue;
    const int is_last = p->j == p->i;
    p->i += is_last;
    p->j = is_last ? 0 : p->j + 1;
  }
}

static int has_points(const rk_group_formula *f, int input) {
  return f->given->side[input] == RK_OF_I || f->given->side[input] == RK_OF_J;
}

/* All coordinates of the points of the group that formulas read, column by column. */
static void take_points(const rk_group_formula *f, const rk_group *g) {
  double *to = g->points;
  for (int k = 0; k < f->inputs; k++) {
    const rk_array *x = &f->given->inputs[k];
    for (int64_t d = 0; has_points(f, k) && d < x->dim; d++) {
      const double *from = x->data + d * x->component_stride;
      for (int p = 0; p < g->n * RK_LANES; p++) *to++ = from[g->point[p] * x->row_stride];
    }
  }
}

static void fill_column(const double *from, const int *at, double *to) {
  for (int t = 0; t < TOGETHER; t++)
    memcpy(to + t * RK_LANES, from + at[t] * RK_LANES, RK_LANES * sizeof *to);
}

typedef struct { const double *x[MOST_INPUTS]; long long ld[MOST_INPUTS]; } columns;

static void fill_tile(const rk_group_formula *f, const rk_group *g, const pairs *p, columns *c) {
  const double *from = g->points;
  double *to = g->tile;
  for (int k = 0; k < f->inputs; k++) {
    if (!has_points(f, k)) continue;
    c->x[k] = to;
    c->ld[k] = RK_VALUES_ROWS;
    for (int64_t d = 0; d < f->given->inputs[k].dim; d++) {
      fill_column(from, p->at[f->given->side[k] == RK_OF_J], to);
      from += g->n * RK_LANES;
      to += RK_VALUES_ROWS;
    }
  }
}

void rk_group_covariances(const rk_group_formula *f, const rk_group *g) {
  const int64_t all = rk_triangle_of(g->n);
  pairs p = {.i = 0};
  columns c = {{NULL}, {0}};
  take_points(f, g);
  for (int64_t first = 0; first < all; first += TOGETHER) {
    next_pairs(&p, g->n);
    fill_tile(f, g, &p, &c);
    rk_formula_run(f->values, (rk_formula_rows){c.x, c.ld}, g->work, g->l + first * RK_LANES);
  }
}

static void add_component(const pairs *p, rk_pair_side side, const double *from, double *to) {
  if (side == RK_OF_ALL) {
    double sum[RK_LANES] = {0};
    for (int t = 0; t < p->n; t++)
      for (int lane = 0; lane < RK_LANES; lane++) sum[lane] += from[t * RK_LANES + lane];
    for (int lane = 0; lane < RK_LANES; lane++) *to += sum[lane];
    return;
  }
  const int *at = p->at[side == RK_OF_J];
  for (int t = 0; t < p->n; t++)
    for (int lane = 0; lane < RK_LANES; lane++)
      to[at[t] * RK_LANES + lane] += from[t * RK_LANES + lane];
}

void rk_group_slopes(const rk_group_formula *f, const rk_group *g, rk_group_sums sums) {
  const int64_t all = rk_triangle_of(g->n);
  pairs p = {.i = 0};
  columns c = {{NULL}, {0}};
  take_points(f, g);
  for (int64_t first = 0; first < all; first += TOGETHER) {
    next_pairs(&p, g->n);
    fill_tile(f, g, &p, &c);
    for (int k = 0; k < f->inputs; k++)
      if (f->given->side[k] == RK_OF_PAIRS) c.x[k] = g->slope + first * RK_LANES;
    rk_formula_run(f->values, (rk_formula_rows){c.x, c.ld}, g->work, g->out);
    for (int k = 0; k < rk_formula_components(f->values); k++)
      add_component(&p, sums.side[k], g->out + k * RK_VALUES_ROWS, sums.to[k]);
  }
}
