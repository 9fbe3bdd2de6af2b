/* See values.h. */
#include "run/values.h"
#include "error.h"
#include "run/call.h"
#include "run/program.h"
#include "run/ranges.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static const int64_t POSITION_BASE = 1 << 20; /* as RK_FROM_POSITION says */

int rk_values_own(rk_values *v, int k, int64_t rows, int dim) {
  if ((double)rows * dim > 0x1p58) return 0;
  free(v->own[k]);
  v->own[k] = calloc((size_t)rows * (size_t)dim + 1, sizeof(double));
  v->value[k] = (rk_array){v->own[k], rows, dim, 1, rows, NULL, 0};
  return v->own[k] != NULL;
}

float rk_parameter_float(double value) {
  if (value > FLT_MAX && value < INFINITY) return FLT_MAX;
  if (value < -FLT_MAX && value > -INFINITY) return -FLT_MAX;
  return (float)value;
}

void rk_values_free(rk_values *v) {
  for (int k = 0; k < v->count; k++) {
    if (v->own) free(v->own[k]);
    if (v->kept) rk_resident_free(v->kept[k]);
  }
  free(v->own);
  free(v->kept);
  free(v->value);
  *v = (rk_values){0};
}

/* Parameters are gathered on the host, by every backend. */
static rk_status take_input(rk_values *v, int k, const rk_graph_variable *variable,
                            const rk_array *input, rk_caller caller) {
  v->value[k] = *input;
  if (!input->resident || (input->resident->backend == rk_call_now()->backend &&
                           variable->kind != RK_KIND_PARAMETER)) return RK_OK;
  if (!rk_values_own(v, k, input->rows, (int)input->dim))
    return rk_fail_memory(caller.error, (size_t)input->rows * (size_t)input->dim * sizeof(double));
  return rk_resident_fetch(input->resident, v->own[k], caller);
}

/* A number that becomes infinite when it is stored would be silently wrong. */
static rk_status check_half(const char *name, const rk_array *x, rk_caller caller) {
  const double *low = NULL, *high = NULL;
  double *own = NULL;
  char number[RK_NUMBER_TEXT];
  rk_status status = RK_OK;
  if (x->resident && x->resident->low) {
    low = x->resident->low;
    high = x->resident->high;
  } else {
    own = malloc((size_t)(2 * x->dim + 1) * sizeof *own);
    if (!own) return rk_fail_memory(caller.error, (size_t)x->dim * 16);
    low = own;
    high = own + x->dim;
    status = rk_range(x, own, own + x->dim, caller);
  }
  for (int64_t d = 0; d < x->dim && !status; d++) {
    double worst = -low[d] > high[d] ? low[d] : high[d];
    if (low[d] <= high[d] && (worst > RK_LARGEST_HALF || worst < -RK_LARGEST_HALF))
      status = rk_fail(caller.error, RK_ERROR_PRECISION,
                       "`%s`: %s is too large for float16, whose largest number is 65504; "
                       "rkeops_use_float32() takes it", name,
                       rk_number_text(number, "%.17g", worst));
  }
  free(own);
  return status;
}

/* Two digits: each is exact in float32, up to position 2^44. */
static rk_status make_positions(rk_values *v, int k, int64_t rows, rk_caller caller) {
  if (!rk_values_own(v, k, rows, 2)) return rk_fail_memory(caller.error, (size_t)rows * 16);
  double *low = v->own[k], *high = low + rows;
  for (int64_t first = 0; first < rows; first += POSITION_BASE) {
    int64_t n = rows - first < POSITION_BASE ? rows - first : POSITION_BASE;
    if (rk_ask(caller, 0)) return RK_CANCELLED;
    for (int64_t r = 0; r < n; r++) {
      low[first + r] = (double)r;
      high[first + r] = (double)(first / POSITION_BASE);
    }
  }
  return RK_OK;
}

static rk_status make_value(rk_values *v, const rk_program_data *p, int k, rk_caller caller) {
  const rk_graph_variable *variable = rk_graph_variable_at(p->graph, k);
  int half = p->stages && p->stage[0]->pass.options.precision == RK_FLOAT16;
  rk_status status = RK_OK;
  if (variable->origin == RK_FROM_POSITION)
    return make_positions(v, k, p->rows[variable->kind], caller);
  if (variable->origin == RK_FROM_INPUT) {
    const rk_array *input = &p->inputs[variable->source];
    if (half && variable->kind != RK_KIND_PARAMETER)
      status = check_half(rk_input_name(p, k), input, caller);
    if (!status) status = take_input(v, k, variable, input, caller);
  } else if (variable->origin == RK_FROM_NUMBER || variable->origin == RK_FROM_CENTRE) {
    if (!rk_values_own(v, k, 1, variable->dim)) return rk_fail_memory(caller.error, 1 << 10);
    if (variable->origin == RK_FROM_NUMBER) v->own[k][0] = p->number[k];
  }
  return status;
}

rk_status rk_values_make(rk_values *v, const rk_program_data *p, rk_caller caller) {
  rk_status status = RK_OK;
  v->count = rk_graph_variables(p->graph);
  v->value = calloc((size_t)v->count + 1, sizeof *v->value);
  v->own = calloc((size_t)v->count + 1, sizeof *v->own);
  v->kept = calloc((size_t)v->count + 1, sizeof *v->kept);
  if (!v->value || !v->own || !v->kept)
    return rk_fail_memory(caller.error, (size_t)v->count * sizeof *v->value);
  for (int k = 0; k < v->count && !status; k++) status = make_value(v, p, k, caller);
  return status;
}
