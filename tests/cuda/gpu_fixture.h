/* What the tests of the engine on GPUs share: devices, budgets, programs, one run and its check. */
#ifndef RKEOPS_GPU_FIXTURE_H
#define RKEOPS_GPU_FIXTURE_H

#include "oracle.h"

#include "formula/parser.h"
#include "cuda/shape.h"
#include "cuda/device.h"

static rk_error last;

static const double eps_of[] = {0x1p-24, 0x1p-53, 0x1p-11};
static const char *const precision_name[] = {"float32", "float64", "float16"};

static inline void use(int n) {
  static const int number[] = {0, 1, 2, 3};
  if (!CHECK(use_devices(number, n, &last) == RK_OK, "devices are used"))
    printf("  %s\n", last.message);
}

static inline void budget(int64_t bytes) {
  rk_settings settings = {.gpu_memory = bytes};
  CHECK(rk_configure(&settings, &last) == RK_OK, "a budget is set");
}

/* ---- programs ---- */

static inline rk_program *program_for(const cloud *c, const char *text, const rk_options *options) {
  rk_program *program = NULL;
  if (rk_program_get(text, c->declaration, INPUTS, options, &program, &last))
    printf("  %s: %s\n", text, last.message);
  return program;
}

static inline rk_gpu_shape shape_of(const cloud *c, const char *text, const rk_options *options) {
  const rk_node *root[RK_MAX_RESULTS];
  int roots;
  rk_pass pass;
  rk_gpu_shape shape = {.row_block = 128, .column_block = 64};
  rk_graph *graph = rk_graph_new();
  if (!rk_parse_program(graph, text, c->declaration, INPUTS, root, &roots, &last) &&
      !rk_plan_pass(graph, root[0], options, &pass, &last)) {
    shape = rk_gpu_shape_choose(&pass);
    rk_pass_free(&pass);
  }
  rk_graph_free(graph);
  return shape;
}

/* Programs that are wanted soon, built with few compiles. */
static rk_program *ahead[1024];
static int ahead_n;
static inline void want(const cloud *c, const char *text, const rk_options *options) {
  rk_program *program = program_for(c, text, options);
  if (program && ahead_n < 1024) ahead[ahead_n++] = program;
}
static inline void build_ahead(void) {
  if (!CHECK(rk_build_many(ahead, ahead_n, NULL, NULL, &last) == RK_OK, "many are built at once"))
    printf("  %s\n", last.message);
  ahead_n = 0;
}

/* ---- one run ---- */

typedef struct { double *values, *positions; long size; } result;

static inline result result_new(long size) {
  result r = {malloc((size_t)size * 8 + 8), malloc((size_t)size * 8 + 8), size};
  for (long k = 0; k < size; k++) r.values[k] = r.positions[k] = NAN;
  return r;
}
static inline void result_free(result *r) {
  free(r->values);
  free(r->positions);
}

static inline rk_status run_rule(const rule *r, rk_program *program, const rk_array *input,
                                 result *to, rk_poll poll, void *data) {
  rk_output values = {.type = RK_OUT_DOUBLE, .data = to->values};
  rk_output positions = {.type = RK_OUT_DOUBLE, .data = to->positions, .none_double = -7};
  rk_output outputs[] = {r->values ? values : positions, positions};
  return rk_run(program, input, INPUTS, outputs, poll, data, &last);
}

static inline int wrong_in(const problem *q, const rk_options *options, const rk_array *input) {
  char text[128];
  rule_text(q->r, q->kind, q->index, text, sizeof text);
  rk_program *program = program_for(q->c, text, options);
  result r = result_new((long)kept_of(q) * rule_dim(q->c, q->r, q->kind));
  rk_status status = program ? run_rule(q->r, program, input, &r, NULL, NULL)
                             : RK_ERROR_INTERNAL;
  long wrong = status ? -1 : count_wrong(q, r.values, r.positions);
  if (status || wrong)
    printf("  %s, %s, %d x %d, D %d, E %d, %d devices: %ld of %ld wrong%s%s\n", text,
           precision_name[options->precision], q->c->m, q->c->n, q->c->D, q->c->E, rk_devices(),
           wrong, r.size, status ? ": " : "", status ? last.message : "");
  result_free(&r);
  return wrong != 0;
}

#endif
