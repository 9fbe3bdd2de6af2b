/* The pipeline, and the programs that this process knows.
 *
 * A request (text, declarations, options) leads to a program; programs whose formulas differ in
 * their numbers only share a plan: its stages hold the kernels. What was done for an earlier
 * request is not done again. */
#include "engine.h"
#include "build/build.h"
#include "emit/emit.h"
#include "error.h"
#include "formula/parser.h"
#include "os.h"
#include "run/gpu.h"
#include "run/kernel.h"
#include "run/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PROGRAMS = 4096, TABLE = 16384, MAX_STAGES = RK_MAX_WANTED };

/* What programs with equal formulas share. */
typedef struct {
  char *key;                 /* options and canonical graph */
  rk_graph *graph;
  const rk_node *root;
  rk_stage *stage;           /* in order; the last one gives the result */
  int stages;
} rk_plan;

struct rk_program {
  char *key;                 /* options, declarations, text */
  rk_plan *plan;
  double *number;            /* by graph variable: what was lifted out of this text */
  rk_variable *variable;     /* by position */
  char *names;
  rk_field field[2];
  rk_program_info info;
};

typedef struct { char *key; void *value; } entry;
typedef struct { entry slot[TABLE]; int count; } table;

static table programs, plans;
static table old_programs, old_plans; /* emptied last: callers may still hold these */
static char *include_dir;
static int64_t memory_hits, program_count;

const char *rk_include_dir(void) { return include_dir ? include_dir : getenv("RKEOPS_INCLUDE"); }

/* ---- tables ---- */

static size_t hash_of(const char *key) {
  uint64_t hash = 14695981039346656037u;
  for (; *key; key++) hash = (hash ^ (unsigned char)*key) * 1099511628211u;
  return (size_t)(hash % TABLE);
}

static entry *place_of(table *t, const char *key) {
  size_t k = hash_of(key);
  while (t->slot[k].key && strcmp(t->slot[k].key, key)) k = (k + 1) % TABLE;
  return &t->slot[k];
}

/* ---- requests ---- */

static void write_options(rk_text *key, const rk_options *options) {
  rk_text_format(key, "%d %d %d %d\n", options->precision, options->scheme, options->accumulator,
                 options->fast_math);
}

static char *request_key(const char *text, const char *const *declarations, int n,
                         const rk_options *options) {
  rk_text key = {0};
  write_options(&key, options);
  for (int k = 0; k < n; k++)
    rk_text_format(&key, "%zu %s\n", strlen(declarations[k]), declarations[k]);
  rk_text_add(&key, text);
  return rk_text_steal(&key);
}

static char *plan_key(rk_graph *graph, const rk_node *root, const rk_options *options) {
  rk_text key = {0};
  write_options(&key, options);
  /* also of what the formula does not use: programs of one plan have the same variables */
  int all = rk_graph_variables(graph), inputs = 0;
  for (int k = 0; k < all; k++) inputs += rk_graph_variable_at(graph, k)->origin == RK_FROM_INPUT;
  rk_text_format(&key, "%d variables, %d inputs\n", all, inputs);
  if (rk_graph_print(graph, root, &key)) key.failed = 1;
  return rk_text_steal(&key);
}

/* ---- planning ---- */

static void free_plan(rk_plan *plan) {
  if (!plan) return;
  for (int k = 0; k < plan->stages; k++) {
    rk_gpu_forget(&plan->stage[k]);
    rk_pass_free(&plan->stage[k].pass);
  }
  free(plan->stage);
  rk_graph_free(plan->graph);
  free(plan->key);
  free(plan);
}

/* The reductions that the root needs, itself last, in order of evaluation. */
static int needed_reductions(const rk_graph *graph, const rk_node *root, const rk_node **found) {
  char *wanted = calloc((size_t)root->number + 1, 1);
  int count = 0;
  if (!wanted) return -1;
  wanted[root->number] = 1;
  for (int k = root->number; k >= 0; k--) {
    const rk_node *node = rk_graph_node(graph, k);
    for (int o = 0; wanted[k] && o < node->operands; o++) wanted[node->operand[o]->number] = 1;
  }
  for (int k = 0; k <= root->number; k++)
    if (wanted[k] && rk_graph_node(graph, k)->reduction && count < MAX_STAGES)
      found[count++] = rk_graph_node(graph, k);
  free(wanted);
  return count;
}

static int result_variable(rk_graph *graph, const rk_node *reduction) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    if (v->origin == RK_FROM_PASS && v->source == reduction->number) return k;
  }
  return -1;
}

static rk_status plan_stages(rk_plan *plan, const rk_options *options, rk_error *error) {
  const rk_node *reduction[MAX_STAGES];
  int count = needed_reductions(plan->graph, plan->root, reduction);
  if (count < 0) return rk_fail_memory(error, (size_t)plan->root->number + 1);
  if (!count || reduction[count - 1] != plan->root)
    return rk_fail(error, RK_ERROR_FORMULA, "more than %d reductions in one formula", MAX_STAGES);
  plan->stage = calloc((size_t)count, sizeof *plan->stage);
  if (!plan->stage) return rk_fail_memory(error, (size_t)count * sizeof *plan->stage);
  for (int k = 0; k < count; k++) {
    rk_status status =
        rk_plan_pass(plan->graph, reduction[k], options, &plan->stage[k].pass, error);
    if (status) return status;
    plan->stages++;
  }
  for (int k = 0; k < count; k++)
    plan->stage[k].result = result_variable(plan->graph, reduction[k]);
  return RK_OK;
}

/* ---- programs ---- */

static void free_program(rk_program *program) {
  if (!program) return;
  free(program->key);
  free(program->number);
  free(program->variable);
  free(program->names);
  free(program);
}

static int copy_variables(rk_program *program, rk_graph *graph) {
  int all = rk_graph_variables(graph), inputs = 0;
  size_t bytes = 1;
  for (int k = 0; k < all; k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    if (v->origin == RK_FROM_INPUT) inputs++, bytes += strlen(v->name) + 1;
  }
  program->number = calloc((size_t)all + 1, sizeof *program->number);
  program->variable = calloc((size_t)inputs + 1, sizeof *program->variable);
  char *name = program->names = calloc(bytes, 1);
  if (!program->number || !program->variable || !name) return 0;
  for (int k = 0; k < all; k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    program->number[k] = v->number;
    if (v->origin != RK_FROM_INPUT) continue;
    program->variable[v->source] = (rk_variable){strcpy(name, v->name), v->kind, v->dim, v->source};
    name += strlen(name) + 1;
  }
  program->info.variables = inputs;
  program->info.variable = program->variable;
  return 1;
}

static void empty(table *its_programs, table *its_plans) {
  for (int k = 0; k < TABLE; k++) {
    free_program(its_programs->slot[k].value);
    free_plan(its_plans->slot[k].value);
  }
  memset(its_programs, 0, sizeof *its_programs);
  memset(its_plans, 0, sizeof *its_plans);
}

/* Texts may be without number (a literal that changes at each call): when the tables are full, new
 * ones are begun. The full ones stay until these are full too, so that a program is good for at
 * least MAX_PROGRAMS more requests. Kernels are found again on the disk. */
static void make_room(void) {
  if (programs.count < MAX_PROGRAMS && plans.count < MAX_PROGRAMS) return;
  empty(&old_programs, &old_plans);
  old_programs = programs;
  old_plans = plans;
  memset(&programs, 0, sizeof programs);
  memset(&plans, 0, sizeof plans);
}

void rk_forget(void) {
  empty(&old_programs, &old_plans);
  empty(&programs, &plans);
}

const rk_program_info *rk_program_info_of(const rk_program *program) { return &program->info; }

rk_status rk_expression(const char *text, const char *const *declarations, int n,
                        rk_expression_info *info, rk_error *error) {
  const rk_node *root;
  rk_graph *graph = rk_graph_new();
  if (!graph) return rk_fail_memory(error, 64);
  rk_status status = rk_parse_expression(graph, text, declarations, n, &root, error);
  if (!status) *info = (rk_expression_info){root->dim, root->is_logical, root->level};
  rk_graph_free(graph);
  return status;
}

/* ---- running ---- */

static rk_status check_input(const rk_variable *v, const rk_array *x, int64_t *rows,
                             const char **first, rk_error *error) {
  static const char *const kind[] = {"Vi", "Vj", "Pm"};
  if (x->dim != v->dim)
    return rk_fail(error, RK_ERROR_SHAPE,
                   "`%s`: expected %d component%s (declared %s(%d)), found %lld", v->name, v->dim,
                   v->dim == 1 ? "" : "s", kind[v->kind], v->dim, (long long)x->dim);
  if (v->kind == RK_KIND_PARAMETER) {
    if (x->rows == 1) return RK_OK;
    return rk_fail(error, RK_ERROR_SHAPE, "`%s`: expected one row (declared Pm), found %lld",
                   v->name, (long long)x->rows);
  }
  if (*first && *rows != x->rows)
    return rk_fail(error, RK_ERROR_SHAPE,
                   "`%s`: expected %lld rows as in `%s` (both declared %s), found %lld", v->name,
                   (long long)*rows, *first, kind[v->kind], (long long)x->rows);
  *first = v->name;
  *rows = x->rows;
  return RK_OK;
}

rk_status rk_program_rows(const rk_program *program, const rk_array *inputs, int n,
                          int64_t *kept_rows, int64_t *reduced_rows, rk_error *error) {
  int64_t rows[3] = {1, 1, 1};
  const char *first[3] = {NULL, NULL, NULL};
  if (n != program->info.variables)
    return rk_fail(error, RK_ERROR_SHAPE, "expected %d inputs, found %d", program->info.variables,
                   n);
  for (int k = 0; k < n; k++) {
    const rk_variable *v = &program->variable[k];
    rk_status status = check_input(v, &inputs[k], &rows[v->kind], &first[v->kind], error);
    if (status) return status;
  }
  *kept_rows = rows[program->info.kept];
  *reduced_rows = rows[program->info.kept == RK_KIND_I ? RK_KIND_J : RK_KIND_I];
  return RK_OK;
}

static int is_last(const rk_plan *plan, int k) { return k == plan->stages - 1; }

static int64_t kept_of(const rk_stage *stage, const int64_t *rows) {
  return rows[stage->pass.source->integer[1]];
}

static int64_t reduced_of(const rk_stage *stage, const int64_t *rows) {
  return rows[stage->pass.source->integer[1] == RK_KIND_I ? RK_KIND_J : RK_KIND_I];
}

/* ---- the pipeline ---- */

/* What is asked for and what the stages made of it so far. */
typedef struct {
  const char *text;
  const char *const *declarations;
  int n;
  const rk_options *options;
  rk_program *program;
  rk_graph *graph;                    /* until a plan owns it */
  const rk_node *root;
  const rk_array *inputs;
  const rk_output *outputs;
  int64_t rows[2];                    /* by rk_kind */
  rk_wanted wanted[RK_MAX_WANTED];    /* passes that are to be built */
  int wanted_count;
  rk_text source;
  rk_poll poll;
  void *poll_data;
  rk_error *error;
} request;

/* 1 text -> expression graph, numbers lifted out of it */
static rk_status parse(request *r) {
  if (r->program->plan) return RK_OK;
  r->graph = rk_graph_new();
  if (!r->graph) return rk_fail_memory(r->error, 64);
  return rk_parse_program(r->graph, r->text, r->declarations, r->n, &r->root, r->error);
}

static rk_status describe(rk_program *program, rk_graph *graph, const rk_node *root,
                          rk_error *error) {
  if (!copy_variables(program, graph)) return rk_fail_memory(error, 1 << 12);
  program->info.kept = (rk_kind)root->integer[1];
  program->info.fields = rk_reduction_fields(root, program->field);
  program->info.field = program->field;
  program->info.reduction = rk_reduction_name(root->reduction);
  return RK_OK;
}

static rk_status new_plan(request *r, char *key, rk_plan **made) {
  rk_plan *plan = calloc(1, sizeof *plan);
  if (!plan) {
    free(key);
    return rk_fail_memory(r->error, sizeof *plan);
  }
  *plan = (rk_plan){.key = key, .graph = r->graph, .root = r->root};
  r->graph = NULL;
  rk_status status = plan_stages(plan, r->options, r->error);
  if (status) free_plan(plan);
  else *made = plan;
  return status;
}

/* 2 graph -> passes: the plan of a formula that is equal but for its numbers, or a new one */
static rk_status plan(request *r) {
  if (r->program->plan) return RK_OK;
  rk_status status = describe(r->program, r->graph, r->root, r->error);
  if (status) return status;
  char *key = plan_key(r->graph, r->root, r->options);
  if (!key) return rk_fail_memory(r->error, 1 << 12);
  entry *place = place_of(&plans, key);
  if (place->key) {
    free(key);
    r->program->plan = place->value;
    return RK_OK;
  }
  rk_plan *made = NULL;
  status = new_plan(r, key, &made);
  if (status) return status;
  *place = (entry){made->key, made};
  plans.count++;
  r->program->plan = made;
  return RK_OK;
}

static int on_gpu(void) { return rk_devices() > 0; }

/* Has a pass what it needs to run here? `axis` is that of a CPU. */
static int is_built(const rk_stage *stage, rk_lane_axis axis) {
  return on_gpu() ? rk_gpu_is_built(stage) : stage->module[axis].pair != NULL;
}

static rk_status emit_wanted(request *r) {
  if (!r->wanted_count) return RK_OK;
  return (on_gpu() ? rk_gpu_emit : rk_modules_emit)(r->wanted, r->wanted_count, &r->source,
                                                    r->error);
}

/* 3 passes whose kernels are not there yet -> source text, C or CUDA */
static rk_status emit(request *r) {
  rk_plan *plan = r->program->plan;
  r->wanted_count = 0;
  for (int k = 0; k < plan->stages; k++) {
    rk_stage *stage = &plan->stage[k];
    rk_lane_axis axis = rk_choose_axis(stage, kept_of(stage, r->rows), reduced_of(stage, r->rows));
    if (!is_built(stage, axis)) r->wanted[r->wanted_count++] = (rk_wanted){stage, axis};
  }
  return emit_wanted(r);
}

/* 4 source text -> kernels, for the processor or for each GPU in use */
static rk_status build(request *r) {
  if (!r->wanted_count) return RK_OK;
  return (on_gpu() ? rk_gpu_build : rk_modules_build)(
      r->wanted, r->wanted_count, rk_text_string(&r->source), r->poll, r->poll_data, r->error);
}

static rk_status run_here(request *r, rk_stage *stage, const rk_values *v,
                          const rk_output *outputs, rk_resident **keep) {
  int64_t kept = kept_of(stage, r->rows), reduced = reduced_of(stage, r->rows);
  if (on_gpu())
    return rk_gpu_run_stage(stage, v->value, kept, reduced, outputs, keep, r->poll, r->poll_data,
                            r->error);
  return rk_run_stage(stage, v->value, kept, reduced, outputs, r->poll, r->poll_data, r->error);
}

/* A pass for later ones: they read its first field; "no position" is not a number there. On one
 * GPU the result stays where it is. */
static rk_status run_inner(request *r, rk_stage *stage, rk_values *v) {
  rk_output inner[2] = {{.type = RK_OUT_DOUBLE, .none_double = NAN},
                        {.type = RK_OUT_DOUBLE, .none_double = NAN}};
  int64_t kept = kept_of(stage, r->rows);
  int k = stage->result, dim = stage->pass.source->dim;
  if (rk_devices() == 1 && kept && reduced_of(stage, r->rows)) {
    rk_status status = run_here(r, stage, v, NULL, &v->kept[k]);
    if (!status) v->value[k] = rk_resident_array(v->kept[k]);
    return status;
  }
  rk_field field[2];
  size_t size = (size_t)kept * (size_t)dim * sizeof(double);
  double *unread = NULL;
  int made = rk_values_own(v, k, kept, dim);
  if (made && rk_reduction_fields(stage->pass.source, field) > 1)
    made = (unread = malloc(size + 1)) != NULL;
  if (!made) return rk_fail_memory(r->error, size);
  inner[0].data = v->own[k];
  inner[1].data = unread;
  rk_status status = run_here(r, stage, v, inner, NULL);
  free(unread);
  return status;
}

/* 5 passes in order -> finished result */
static rk_status run(request *r) {
  rk_plan *plan = r->program->plan;
  rk_values v = {0};
  rk_status status = rk_values_make(&v, plan->graph, r->program->number, r->inputs,
                                    plan->stage[0].pass.options.precision == RK_FLOAT16, r->poll,
                                    r->poll_data, r->error);
  for (int k = 0; k < plan->stages && !status; k++)
    status = is_last(plan, k) ? run_here(r, &plan->stage[k], &v, r->outputs, NULL)
                              : run_inner(r, &plan->stage[k], &v);
  rk_values_free(&v);
  return status;
}

/* The way of a formula. rk_program_get goes as far as the plan, rk_run all the way. */
static rk_status (*const stages[])(request *) = {parse, plan, emit, build, run};
enum { PARSE, PLAN, EMIT, BUILD, RUN };

static rk_status pipeline(request *r, int first, int last) {
  rk_status status = RK_OK;
  for (int k = first; k <= last && !status; k++) status = stages[k](r);
  rk_graph_free(r->graph);
  rk_text_free(&r->source);
  return status;
}

rk_status rk_program_get(const char *text, const char *const *declarations, int n,
                         const rk_options *options, rk_program **found, rk_error *error) {
  error->status = RK_OK;
  char *key = request_key(text, declarations, n, options);
  if (!key) return rk_fail_memory(error, strlen(text));
  entry *place = place_of(&programs, key);
  if (place->key) {
    free(key);
    memory_hits++;
    *found = place->value;
    return RK_OK;
  }
  make_room();
  rk_program *program = calloc(1, sizeof *program);
  request r = {.text = text, .declarations = declarations, .n = n, .options = options,
               .program = program, .error = error};
  rk_status status = program ? pipeline(&r, PARSE, PLAN) : rk_fail_memory(error, sizeof *program);
  if (status) {
    free_program(program);
    free(key);
    return status;
  }
  program->key = key;
  *place_of(&programs, key) = (entry){key, program};
  programs.count++;
  program_count++;
  *found = program;
  return RK_OK;
}

static rk_status check_positions(const rk_program *program, const rk_output *outputs,
                                 int64_t reduced, rk_error *error) {
  for (int k = 0; k < program->info.fields; k++)
    if (program->field[k].is_position && outputs[k].type == RK_OUT_INT32 && reduced > INT32_MAX - 1)
      return rk_fail(error, RK_ERROR_SHAPE, "positions in %lld rows do not fit in 32 bits",
                     (long long)reduced);
  return RK_OK;
}

static rk_status check_precision(const rk_program *program, rk_error *error) {
  if (on_gpu() || program->plan->stage[0].pass.options.precision != RK_FLOAT16) return RK_OK;
  return rk_fail(error, RK_ERROR_DEVICE,
                 "float16 is for GPUs only: rkeops_use_gpu() first, or rkeops_use_float32()");
}

rk_status rk_run(rk_program *program, const rk_array *inputs, int n, const rk_output *outputs,
                 rk_poll poll, void *poll_data, rk_error *error) {
  int64_t kept, reduced;
  error->status = RK_OK;
  rk_gpu_reset_clock();
  rk_status status = rk_program_rows(program, inputs, n, &kept, &reduced, error);
  if (!status) status = check_positions(program, outputs, reduced, error);
  if (!status) status = check_precision(program, error);
  if (!status) status = rk_gpu_check(error);
  if (status) return status;
  request r = {.program = program, .inputs = inputs, .outputs = outputs, .poll = poll,
               .poll_data = poll_data, .error = error};
  r.rows[program->info.kept] = kept;
  r.rows[program->info.kept == RK_KIND_I ? RK_KIND_J : RK_KIND_I] = reduced;
  return pipeline(&r, EMIT, RUN);
}

/* ---- building ahead, showing ---- */

/* Adds the passes of a program that are neither built nor asked for. */
static void want_stages(request *r, rk_plan *plan) {
  for (int s = 0; s < plan->stages && r->wanted_count < RK_MAX_WANTED; s++) {
    int known = is_built(&plan->stage[s], RK_LANES_KEPT);
    for (int c = 0; c < r->wanted_count; c++) known |= r->wanted[c].stage == &plan->stage[s];
    if (!known) r->wanted[r->wanted_count++] = (rk_wanted){&plan->stage[s], RK_LANES_KEPT};
  }
}

/* fast_math is an option of the compiler too. */
static int go_together(const rk_program *a, const rk_program *b) {
  return a->plan->stage[0].pass.options.fast_math == b->plan->stage[0].pass.options.fast_math;
}

rk_status rk_build_many(rk_program *const *list, int n, rk_poll poll, void *poll_data,
                        rk_error *error) {
  enum { TOGETHER = 24 };
  rk_status status = RK_OK;
  error->status = RK_OK;
  for (int k = 0; k < n && !status; k++) status = check_precision(list[k], error);
  if (!status) status = rk_gpu_check(error);
  for (int k = 0; k < n && !status;) {
    request r = {.poll = poll, .poll_data = poll_data, .error = error};
    const rk_program *first = list[k];
    while (k < n && r.wanted_count < TOGETHER && go_together(first, list[k]))
      want_stages(&r, list[k++]->plan);
    status = emit_wanted(&r);
    if (!status) status = pipeline(&r, BUILD, BUILD);
    rk_text_free(&r.source);
  }
  return status;
}

static rk_status source_for_cpu(const rk_plan *plan, rk_text *out, rk_error *error) {
  rk_status status = RK_OK;
  for (int k = 0; k < plan->stages && !status; k++) {
    const rk_pass *pass = &plan->stage[k].pass;
    rk_tile tile = rk_tile_choose(pass, RK_LANES_KEPT, rk_os_vector_bytes());
    const rk_tile *tiles = &tile;
    status = rk_emit_c(&pass, &tiles, 1, rk_include_dir(), out, error);
  }
  return status;
}

static rk_status source_for_gpu(const rk_plan *plan, rk_text *out, rk_error *error) {
  const rk_pass *pass[MAX_STAGES];
  const rk_gpu_shape *shape[MAX_STAGES];
  rk_gpu_shape chosen[MAX_STAGES];
  for (int k = 0; k < plan->stages; k++) {
    pass[k] = &plan->stage[k].pass;
    chosen[k] = rk_gpu_shape_choose(pass[k]);
    shape[k] = &chosen[k];
  }
  return rk_emit_cuda(pass, shape, plan->stages, rk_include_dir(), out, error);
}

rk_status rk_source(rk_program *program, rk_target target, char **text, rk_error *error) {
  rk_text out = {0};
  rk_status status = (target == RK_TARGET_C ? source_for_cpu : source_for_gpu)(program->plan, &out,
                                                                                error);
  *text = status ? NULL : rk_text_steal(&out);
  rk_text_free(&out);
  if (!status && !*text) status = rk_fail_memory(error, 1 << 16);
  return status;
}

void rk_free(void *pointer) { free(pointer); }

/* ---- settings, counters, reports ---- */

rk_status rk_configure(const rk_settings *settings, rk_error *error) {
  if (settings->include_dir) {
    size_t length = strlen(settings->include_dir) + 1;
    char *copy = malloc(length);
    if (!copy) return rk_fail_memory(error, length);
    memcpy(copy, settings->include_dir, length);
    free(include_dir);
    include_dir = copy;
  }
  if (settings->gpu_memory >= 0) rk_device_set_budget(settings->gpu_memory);
  return rk_build_configure(settings, error);
}

rk_counters rk_count(void) {
  rk_counters counters = {.programs = program_count, .memory_hits = memory_hits};
  rk_build_counters(&counters.compiles, &counters.disk_hits);
  return counters;
}

rk_status rk_report(char **text, rk_error *error) {
  rk_text out = {0};
  rk_text_format(&out, "threads: %d of %d processors, OpenMP %s\n", rk_threads(), rk_processors(),
                 rk_has_openmp() ? "yes" : "no");
  rk_text_format(&out, "vectors: %d bytes\n", rk_os_vector_bytes());
  rk_status status = rk_build_report(&out, error);
  if (!status) rk_devices_report(&out);
  *text = status ? NULL : rk_text_steal(&out);
  rk_text_free(&out);
  return status;
}
