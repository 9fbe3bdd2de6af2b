/* See values.h. The nests of parameters and of rows are lists as those of a module are; that of
 * pairs, which has no columns here, gives its values instead of summing them up. */
#include "builtin/values.h"
#include "builtin/program.h"
#include "rounding.h"

#include <stdlib.h>
#include <string.h>

enum { NEAR = 24576, PARAMETER_LANES = 8 };

struct rk_formula_values {
  rk_tile_program nest[RK_NESTS];
  int components, inputs, variables;
  int *input;                /* by variable of the pass: the position of its input, or -1: */
  double *number;            /* then the number that it is, PARAMETER_LANES times */
  rk_kind *kind;
  int *dim;
  int row_record, parameter_record;
  double factor;
  double *parameters;
};

static void run_list(const rk_tile_run *run, const rk_tile_program *p) {
  for (const rk_instruction *in = p->list; in < p->list + p->count; in++) in->loop(run, in);
}

void rk_formula_values_free(rk_formula_values *f) {
  if (!f) return;
  for (int k = 0; k < RK_NESTS; k++) {
    free(f->nest[k].list);
    free(f->nest[k].number);
  }
  free(f->input);
  free(f->number);
  free(f->kind);
  free(f->dim);
  free(f->parameters);
  free(f);
}

static int make_lists(rk_formula_values *f, const rk_stage *stage) {
  const int bytes = stage->vectors > 32 ? 32 : stage->vectors;
  int failed = 0;
  for (int k = 0; k < RK_NESTS; k++) {
    const rk_tile_shape shape = {
      .axis = RK_LANES_KEPT, .lanes = k == RK_NEST_PARAMETER ? PARAMETER_LANES : RK_VALUES_ROWS,
      .outer = 1, .gives = 1, .bytes = NEAR};
    f->nest[k].loops = rk_tile_loops_of(bytes, 1);
    if (k != RK_NEST_COLUMN) rk_make_program(&f->nest[k], &stage->pass, (rk_nest_kind)k, shape);
    failed |= f->nest[k].failed;
  }
  return !failed;
}

static void take_variables(rk_formula_values *f, const rk_pass *pass, const double *number) {
  for (int q = 0; q < pass->variables; q++) {
    const rk_graph_variable *v = rk_graph_variable_at(pass->graph, pass->variable[q]);
    f->input[q] = v->origin == RK_FROM_INPUT ? v->source : -1;
    for (int k = 0; k < PARAMETER_LANES; k++)
      f->number[q * PARAMETER_LANES + k] = number[pass->variable[q]];
    f->kind[q] = v->kind;
    f->dim[q] = v->dim;
  }
}

rk_formula_values *rk_formula_values_new(const rk_stage *stage, const double *number) {
  const rk_pass *pass = &stage->pass;
  rk_formula_values *f = calloc(1, sizeof *f);
  size_t n = (size_t)pass->variables + 1;
  if (!f) return NULL;
  f->components = pass->state.components;
  f->variables = pass->variables;
  f->row_record = pass->slots[RK_NEST_ROW].size;
  f->parameter_record = pass->slots[RK_NEST_PARAMETER].size;
  f->factor = pass->factor;
  f->input = calloc(n, sizeof *f->input);
  f->number = calloc(n, PARAMETER_LANES * sizeof *f->number);
  f->kind = calloc(n, sizeof *f->kind);
  f->dim = calloc(n, sizeof *f->dim);
  f->parameters = calloc((size_t)f->parameter_record + 1, sizeof *f->parameters);
  if (f->input && f->number && f->kind && f->dim && f->parameters && make_lists(f, stage)) {
    take_variables(f, pass, number);
    return f;
  }
  rk_formula_values_free(f);
  return NULL;
}

int rk_formula_components(const rk_formula_values *f) { return f->components; }

/* ---- memory of a thread: tiles, what rows have for pairs, inputs ----------------------------- */

static size_t rounded(size_t bytes) { return (size_t)rk_round_up((int64_t)bytes, 64); }

static size_t tile_bytes(const rk_formula_values *f) {
  size_t most = 0;
  for (int k = 0; k < RK_NESTS; k++) {
    const size_t n = (size_t)f->nest[k].tiles * (size_t)f->nest[k].lanes * sizeof(double);
    if (n > most) most = n;
  }
  return rounded(most);
}

static size_t record_bytes(const rk_formula_values *f) {
  return rounded((size_t)f->row_record * RK_VALUES_ROWS * sizeof(double));
}

static size_t input_bytes(const rk_formula_values *f) {
  return rounded((size_t)f->variables * sizeof(double *));
}

size_t rk_formula_work(const rk_formula_values *f) {
  return tile_bytes(f) + record_bytes(f) + input_bytes(f) +
         rounded((size_t)f->variables * sizeof(long long)) + 64;
}

/* ---- values ---------------------------------------------------------------------------------- */

static rk_tile_run run_of(const rk_formula_values *f, rk_nest_kind kind, void *work) {
  const rk_tile_program *p = &f->nest[kind];
  rk_tile_run run = {.outer = 1, .lanes = p->lanes, .valid = p->lanes, .size = sizeof(double)};
  run.base[RK_AT_TILE] = work;
  run.base[RK_AT_PARAMETER] = (char *)f->parameters;
  run.base[RK_AT_NUMBER] = (char *)p->number;
  run.base[RK_AT_LANES] = (char *)work + tile_bytes(f);
  run.step[RK_AT_TILE] = p->lanes;
  return run;
}

/* Copies of each number of a parameter, for a vector of lanes. */
static double *copy_parameter(const double *from, int dim, double *to) {
  for (int d = 0; d < dim; d++)
    for (int k = 0; k < PARAMETER_LANES; k++) *to++ = from[d];
  return to;
}

int rk_formula_parameters(rk_formula_values *f, const double *const *x) {
  size_t numbers = 0, n = (size_t)f->variables + 1;
  for (int q = 0; q < f->variables; q++) numbers += (size_t)f->dim[q] * PARAMETER_LANES;
  double *copies = malloc((numbers + 1) * sizeof *copies), *to = copies;
  const double **own = calloc(n, sizeof *own);
  long long *ld = calloc(n, sizeof *ld);
  void *work = malloc(rk_formula_work(f));
  const int done = copies && own && ld && work;
  for (int q = 0; q < f->variables && done; q++) {
    if (f->kind[q] != RK_KIND_PARAMETER) continue;
    own[q] = f->input[q] < 0 ? &f->number[q * PARAMETER_LANES] : to;
    ld[q] = PARAMETER_LANES;
    if (f->input[q] >= 0) to = copy_parameter(x[f->input[q]], f->dim[q], to);
  }
  if (done) {
    rk_tile_run run = run_of(f, RK_NEST_PARAMETER, work);
    run.valid = 1;
    run.record = 1;
    run.input = own;
    run.ld = ld;
    run.out = f->parameters;
    run_list(&run, &f->nest[RK_NEST_PARAMETER]);
  }
  free(copies);
  free(own);
  free(ld);
  free(work);
  return done;
}

void rk_formula_run(const rk_formula_values *f, rk_formula_rows rows, void *work, double *out) {
  char *at = (char *)work + tile_bytes(f) + record_bytes(f);
  const double **x = (const double **)at;
  long long *ld = (long long *)(at + input_bytes(f));
  for (int q = 0; q < f->variables; q++) {
    x[q] = f->input[q] < 0 ? &f->number[q * PARAMETER_LANES] : rows.x[f->input[q]];
    ld[q] = f->input[q] < 0 ? PARAMETER_LANES : rows.ld[f->input[q]];
  }
  rk_tile_run run = run_of(f, RK_NEST_ROW, work);
  run.input = x;
  run.ld = ld;
  run.out = run.base[RK_AT_LANES];
  run_list(&run, &f->nest[RK_NEST_ROW]);
  run = run_of(f, RK_NEST_PAIR, work);
  run.out = out;
  run_list(&run, &f->nest[RK_NEST_PAIR]);
  for (int k = 0; k < f->components * RK_VALUES_ROWS && f->factor != 1; k++) out[k] *= f->factor;
}
