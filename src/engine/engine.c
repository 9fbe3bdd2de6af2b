/* The pipeline, and the programs that this process knows.
 *
 * A request (text, declarations, options) leads to a program; programs whose formulas differ in
 * their numbers only share a plan: its stages hold the kernels. What was done for an earlier
 * request is not done again.
 *
 * Programs and plans count their users: the tables, the caller who holds a program, calls that run
 * (a poll may forget everything), and for a plan its programs. The last one frees. */
#include "engine.h"
#include "build/build.h"
#include "call.h"
#include "derive/derive.h"
#include "emit/emit.h"
#include "error.h"
#include "formula/parser.h"
#include "os.h"
#include "run/gpu.h"
#include "run/program.h"
#include "run/threads.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PROGRAMS = 4096, TABLE = 16384, MAX_STAGES = RK_MAX_WANTED };

/* What programs with equal formulas share. */
typedef struct {
  int users;
  char *key;                 /* options and canonical graph */
  rk_graph *graph;
  const rk_node *root[RK_MAX_RESULTS];
  rk_served served[RK_MAX_RESULTS];
  int roots;
  rk_stage *stage;           /* in order */
  int stages;
} rk_plan;

struct rk_program {
  int users;
  char *key;                 /* options, declarations, text */
  rk_plan *plan;
  double *number;            /* by graph variable: what was lifted out of this text */
  rk_variable *variable;     /* by position */
  char *names;
  rk_result result[RK_MAX_RESULTS];
  rk_field field[2 * RK_MAX_RESULTS];
  rk_program_info info;
};

typedef struct { char *key; void *value; } entry;
typedef struct { entry slot[TABLE]; int count; } table;

static table programs, plans;
static table old_programs, old_plans; /* emptied last: callers may still hold these */
static char *include_dir;
static int64_t memory_hits, program_count;
static double gpu_seconds; /* of the rk_run that ended last */

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

/* Written at each call: printf would take longer than the rest of the way to a known program. */
static void write_options(rk_text *key, const rk_options *options, int vectors) {
  const unsigned field[] = {options->precision, options->scheme, options->accumulator,
                            options->fast_math, (unsigned)vectors};
  for (int k = 0; k < 5; k++) rk_text_natural(key, field[k], k < 4 ? " " : "\n");
}

static char *request_key(const char *text, const char *const *declarations, int n,
                         const rk_options *options, int vectors) {
  rk_text key = {0};
  write_options(&key, options, vectors);
  for (int k = 0; k < n; k++) {
    rk_text_natural(&key, strlen(declarations[k]), " ");
    rk_text_add(&key, declarations[k]);
    rk_text_add(&key, "\n");
  }
  rk_text_add(&key, text);
  return rk_text_steal(&key);
}

static char *plan_key(rk_graph *graph, const rk_node *const *root, int roots,
                      const rk_options *options, int vectors) {
  rk_text key = {0};
  write_options(&key, options, vectors);
  /* also of what the formula does not use: programs of one plan have the same variables */
  int all = rk_graph_variables(graph), inputs = 0;
  for (int k = 0; k < all; k++) inputs += rk_graph_variable_at(graph, k)->origin == RK_FROM_INPUT;
  rk_text_format(&key, "%d variables, %d inputs\n", all, inputs);
  if (rk_graph_print(graph, root, roots, &key)) key.failed = 1;
  return rk_text_steal(&key);
}

/* ---- planning ---- */

static void release_plan(rk_plan *plan) {
  if (!plan || --plan->users > 0) return;
  for (int k = 0; k < plan->stages; k++) {
    rk_gpu_forget(&plan->stage[k]);
    rk_pass_free(&plan->stage[k].pass);
  }
  free(plan->stage);
  rk_graph_free(plan->graph);
  free(plan->key);
  free(plan);
}

static int result_variable(rk_graph *graph, const rk_node *reduction) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    if (v->origin == RK_FROM_PASS && v->source == reduction->number) return k;
  }
  return -1;
}

/* Which stage a root is the result of, or a part of (see rk_fuse). */
static rk_served served_by(const rk_node *root, const rk_node *const *reduction, int count) {
  rk_served served = {.is_part = !root->reduction, .columns = root->dim};
  const rk_node *whole = rk_columns_of(root, &served.first);
  while (served.stage < count && reduction[served.stage] != whole) served.stage++;
  return served;
}

static rk_status plan_stages(rk_plan *plan, const rk_options *options, int vectors,
                             rk_error *error) {
  const rk_node *reduction[MAX_STAGES];
  rk_status status = rk_fuse(plan->graph, plan->root, plan->roots, error);
  if (status) return status;
  int count =
      rk_needed_reductions(plan->graph, plan->root, plan->roots, reduction, MAX_STAGES);
  if (count < 0) return rk_fail_memory(error, (size_t)rk_graph_size(plan->graph));
  if (count > MAX_STAGES)
    return rk_fail(error, RK_ERROR_FORMULA, "more than %d reductions in one formula", MAX_STAGES);
  plan->stage = calloc((size_t)count, sizeof *plan->stage);
  if (!plan->stage) return rk_fail_memory(error, (size_t)count * sizeof *plan->stage);
  for (int k = 0; k < count && !status; k++) {
    status = rk_plan_pass(plan->graph, reduction[k], options, &plan->stage[k].pass, error);
    plan->stages += !status;
  }
  for (int k = 0; k < count && !status; k++) {
    plan->stage[k].vectors = vectors;
    plan->stage[k].result = result_variable(plan->graph, reduction[k]);
  }
  for (int r = 0; r < plan->roots && !status; r++)
    plan->served[r] = served_by(plan->root[r], reduction, count);
  return status;
}

/* ---- programs ---- */

void rk_program_hold(rk_program *program) { program->users++; }

void rk_program_release(rk_program *program) {
  if (!program || --program->users > 0) return;
  release_plan(program->plan);
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
    rk_program_release(its_programs->slot[k].value);
    release_plan(its_plans->slot[k].value);
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

/* A derivative that cannot be had is an error at its place in the text. */
static rk_status marked(const char *text, int place, rk_error *error) {
  if (error->status && place >= 0) rk_mark_place(text, place, error);
  return error->status;
}

rk_status rk_expression(const char *text, const char *const *declarations, int n,
                        rk_expression_info *info, rk_error *error) {
  const rk_node *root;
  int place = -1;
  rk_graph *graph = rk_graph_new();
  error->status = RK_OK;
  if (!graph) return rk_fail_memory(error, 64);
  rk_status status = rk_parse_expression(graph, text, declarations, n, &root, error);
  if (!status) rk_derive_expression(graph, &root, &place, error);
  if (!status) status = marked(text, place, error);
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
                          int64_t rows[3], rk_error *error) {
  const char *first[3] = {NULL, NULL, NULL};
  rows[RK_KIND_I] = rows[RK_KIND_J] = rows[RK_KIND_PARAMETER] = 1;
  if (n != program->info.variables)
    return rk_fail(error, RK_ERROR_SHAPE, "expected %d inputs, found %d", program->info.variables,
                   n);
  for (int k = 0; k < n; k++) {
    const rk_variable *v = &program->variable[k];
    rk_status status = check_input(v, &inputs[k], &rows[v->kind], &first[v->kind], error);
    if (status) return status;
  }
  return RK_OK;
}

/* ---- the pipeline ---- */

/* What is asked for and what the stages made of it so far. */
typedef struct {
  const char *text;
  const char *const *declarations;
  int n;
  const rk_options *options;
  int vectors;                        /* bytes, for a CPU */
  rk_program *program;
  rk_graph *graph;                    /* until a plan owns it */
  const rk_node *root[RK_MAX_RESULTS];
  int roots;
  const rk_array *inputs;
  const rk_output *outputs;
  int64_t rows[3];                    /* by rk_kind */
  rk_wanted wanted[RK_MAX_WANTED];    /* passes that are to be built */
  int wanted_count;
  int together;                       /* of them in one text */
  rk_text source[RK_MAX_WANTED];
  rk_poll poll;
  void *poll_data;
  rk_error *error;
} request;

/* 1 text -> expression graph, numbers lifted out of it */
static rk_status parse(request *r) {
  if (r->program->plan) return RK_OK;
  r->graph = rk_graph_new();
  if (!r->graph) return rk_fail_memory(r->error, 64);
  return rk_parse_program(r->graph, r->text, r->declarations, r->n, r->root, &r->roots,
                          r->error);
}

/* 2 derivatives -> what they are */
static rk_status derive(request *r) {
  int place = -1;
  if (r->program->plan) return RK_OK;
  rk_derive(r->graph, r->root, r->roots, &place, r->error);
  return marked(r->text, place, r->error);
}

static void describe_results(rk_program *program, const rk_node *const *root, int roots) {
  rk_field *field = program->field;
  for (int k = 0; k < roots; k++) {
    int fields = rk_reduction_fields(root[k], field);
    program->result[k] = (rk_result){rk_kept_kind(root[k]), rk_reduced_kind(root[k]), fields,
                                     field, rk_reduction_name(root[k]->reduction)};
    field += fields;
  }
  program->info.results = roots;
  program->info.result = program->result;
}

static rk_status new_plan(request *r, char *key, rk_plan **made) {
  rk_plan *plan = calloc(1, sizeof *plan);
  if (!plan) {
    free(key);
    return rk_fail_memory(r->error, sizeof *plan);
  }
  *plan = (rk_plan){.users = 1, .key = key, .graph = r->graph, .roots = r->roots};
  memcpy(plan->root, r->root, sizeof plan->root);
  r->graph = NULL;
  rk_status status = plan_stages(plan, r->options, r->vectors, r->error);
  if (status) release_plan(plan);
  else *made = plan;
  return status;
}

static void use_plan(rk_program *program, rk_plan *plan) {
  plan->users++;
  program->plan = plan;
}

/* 3 graph -> passes: the plan of a formula that is equal but for its numbers, or a new one */
static rk_status plan(request *r) {
  if (r->program->plan) return RK_OK;
  if (!copy_variables(r->program, r->graph)) return rk_fail_memory(r->error, 1 << 12);
  describe_results(r->program, r->root, r->roots);
  char *key = plan_key(r->graph, r->root, r->roots, r->options, r->vectors);
  if (!key) return rk_fail_memory(r->error, 1 << 12);
  entry *place = place_of(&plans, key);
  if (place->key) {
    free(key);
    use_plan(r->program, place->value);
    return RK_OK;
  }
  rk_plan *made = NULL;
  rk_status status = new_plan(r, key, &made);
  if (status) return status;
  *place = (entry){made->key, made};
  plans.count++;
  use_plan(r->program, made);
  return RK_OK;
}

static int on_gpu(void) { return rk_devices() > 0; }

/* Has a pass what it needs to run here? `axis` is that of a CPU. */
static int is_built(const rk_stage *stage, rk_lane_axis axis) {
  return on_gpu() ? rk_gpu_is_built(stage) : stage->module[axis].pair != NULL;
}

static rk_status emit_wanted(request *r) {
  rk_status status = RK_OK;
  if (on_gpu() && r->wanted_count) {
    r->together = r->wanted_count;
    return rk_gpu_emit(r->wanted, r->wanted_count, r->source, r->error);
  }
  for (int k = 0; k < r->wanted_count && !status; k += r->together)
    status = rk_modules_emit(r->wanted + k, r->together, &r->source[k / r->together], r->error);
  return status;
}

/* 4 passes whose kernels are not there yet -> source texts, C or CUDA; in C one for each, so that
 * they are compiled side by side, and found again when another program has the same pass */
static rk_status emit(request *r) {
  rk_plan *plan = r->program->plan;
  r->wanted_count = 0;
  r->together = 1;
  for (int k = 0; k < plan->stages; k++) {
    rk_stage *stage = &plan->stage[k];
    rk_lane_axis axis =
        rk_choose_axis(stage, rk_kept_rows(stage, r->rows), rk_reduced_rows(stage, r->rows));
    if (!is_built(stage, axis)) r->wanted[r->wanted_count++] = (rk_wanted){stage, axis};
  }
  return emit_wanted(r);
}

/* 5 source text -> kernels, for the processor or for each GPU in use */
static rk_status build(request *r) {
  if (!r->wanted_count) return RK_OK;
  if (on_gpu())
    return rk_gpu_build(r->wanted, r->wanted_count, rk_text_string(r->source), r->poll,
                        r->poll_data, r->error);
  return rk_modules_build(r->wanted, r->wanted_count, r->together, r->source, r->poll,
                          r->poll_data, r->error);
}

/* 6 passes in order -> finished results */
static rk_status run(request *r) {
  rk_plan *plan = r->program->plan;
  const rk_passes passes = {plan->graph, plan->stage, plan->stages, plan->served, plan->roots,
                            r->program->number, r->inputs, r->rows, r->outputs, r->poll,
                            r->poll_data};
  return rk_run_passes(&passes, r->error);
}

/* The way of a formula. rk_program_get goes as far as the plan, rk_run all the way. */
static rk_status (*const stages[])(request *) = {parse, derive, plan, emit, build, run};
enum { PARSE, DERIVE, PLAN, EMIT, BUILD, RUN };

static void free_sources(request *r) {
  for (int k = 0; k < r->wanted_count; k++) rk_text_free(&r->source[k]);
}

static rk_status pipeline(request *r, int first, int last) {
  rk_status status = RK_OK;
  for (int k = first; k <= last && !status; k++) status = stages[k](r);
  rk_graph_free(r->graph);
  free_sources(r);
  return status;
}

rk_status rk_program_get(const char *text, const char *const *declarations, int n,
                         const rk_options *options, rk_program **found, rk_error *error) {
  int vectors;
  error->status = RK_OK;
  if (rk_build_vectors(&vectors, error)) return error->status;
  char *key = request_key(text, declarations, n, options, vectors);
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
  if (program) program->users = 1;
  request r = {.text = text, .declarations = declarations, .n = n, .options = options,
               .vectors = vectors, .program = program, .error = error};
  rk_status status = program ? pipeline(&r, PARSE, PLAN) : rk_fail_memory(error, sizeof *program);
  if (status) {
    rk_program_release(program);
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
                                 const int64_t *rows, rk_error *error) {
  for (int r = 0; r < program->info.results; r++)
    for (int k = 0; k < program->result[r].fields; k++, outputs++) {
      int64_t reduced = rows[program->result[r].reduced];
      if (program->result[r].field[k].is_position && outputs->type == RK_OUT_INT32 &&
          reduced > INT32_MAX - 1)
        return rk_fail(error, RK_ERROR_SHAPE, "positions in %lld rows do not fit in 32 bits",
                       (long long)reduced);
    }
  return RK_OK;
}

static rk_status check_precision(const rk_program *program, rk_error *error) {
  if (on_gpu() || program->plan->stage[0].pass.options.precision != RK_FLOAT16) return RK_OK;
  return rk_fail(error, RK_ERROR_DEVICE,
                 "float16 is for GPUs only: rkeops_use_gpu() first, or rkeops_use_float32()");
}

static void hold_inputs(const rk_array *inputs, int n) {
  for (int k = 0; k < n; k++)
    if (inputs[k].resident) rk_resident_hold(inputs[k].resident);
}

static void release_inputs(const rk_array *inputs, int n) {
  for (int k = 0; k < n; k++) rk_resident_free(inputs[k].resident);
}

static rk_status run_call(request *r, int n) {
  rk_status status = rk_program_rows(r->program, r->inputs, n, r->rows, r->error);
  if (!status) status = check_positions(r->program, r->outputs, r->rows, r->error);
  if (!status) status = check_precision(r->program, r->error);
  if (!status) status = rk_gpu_check(r->error);
  return status ? status : pipeline(r, EMIT, RUN);
}

rk_status rk_run(rk_program *program, const rk_array *inputs, int n, const rk_output *outputs,
                 rk_poll poll, void *poll_data, rk_error *error) {
  rk_call call;
  request r = {.program = program, .inputs = inputs, .outputs = outputs, .poll_data = &call,
               .error = error};
  rk_status status = rk_call_begin(&call, poll, poll_data, error);
  if (status) return status;
  r.poll = rk_call_poll(&call);
  rk_program_hold(program);
  hold_inputs(inputs, n);
  status = run_call(&r, n);
  gpu_seconds = call.gpu_seconds;
  release_inputs(inputs, n);
  rk_program_release(program);
  rk_call_end(&call);
  return status;
}

double rk_gpu_seconds(void) { return gpu_seconds; }

/* ---- building ahead, showing ---- */

/* Adds the passes of a program that are neither built nor asked for. */
static void want_stages(request *r, rk_plan *plan) {
  for (int s = 0; s < plan->stages && r->wanted_count < RK_MAX_WANTED; s++) {
    int known = is_built(&plan->stage[s], RK_LANES_KEPT);
    for (int c = 0; c < r->wanted_count; c++) known |= r->wanted[c].stage == &plan->stage[s];
    if (!known) r->wanted[r->wanted_count++] = (rk_wanted){&plan->stage[s], RK_LANES_KEPT};
  }
}

/* fast_math and vectors are options of the compilers too. */
static int go_together(const rk_program *a, const rk_program *b) {
  const rk_stage *x = &a->plan->stage[0], *y = &b->plan->stage[0];
  return x->pass.options.fast_math == y->pass.options.fast_math && x->vectors == y->vectors;
}

static rk_status build_call(rk_program *const *list, int n, rk_call *call, rk_error *error) {
  enum { TOGETHER = 24 };
  rk_status status = RK_OK;
  for (int k = 0; k < n && !status; k++) status = check_precision(list[k], error);
  if (!status) status = rk_gpu_check(error);
  for (int k = 0; k < n && !status;) {
    request r = {.poll = rk_call_poll(call), .poll_data = call, .error = error};
    const rk_program *first = list[k];
    do want_stages(&r, list[k++]->plan);
    while (k < n && r.wanted_count + list[k]->plan->stages <= TOGETHER &&
           go_together(first, list[k]));
    r.together = r.wanted_count;
    status = emit_wanted(&r);
    if (!status) status = pipeline(&r, BUILD, BUILD);
    free_sources(&r);
  }
  return status;
}

rk_status rk_build_many(rk_program *const *list, int n, rk_poll poll, void *poll_data,
                        rk_error *error) {
  rk_call call;
  rk_status status = rk_call_begin(&call, poll, poll_data, error);
  if (status) return status;
  for (int k = 0; k < n; k++) rk_program_hold(list[k]);
  status = build_call(list, n, &call, error);
  for (int k = 0; k < n; k++) rk_program_release(list[k]);
  rk_call_end(&call);
  return status;
}

static rk_status source_for_cpu(const rk_plan *plan, rk_text *out, rk_error *error) {
  rk_status status = RK_OK;
  for (int k = 0; k < plan->stages && !status; k++) {
    const rk_pass *pass = &plan->stage[k].pass;
    rk_tile tile = rk_tile_choose(pass, RK_LANES_KEPT, plan->stage[k].vectors);
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

double rk_seconds(void) { return rk_os_seconds(); }

void rk_watch_forks(void) { rk_os_forks(); }

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
  rk_threads_report(&out);
  rk_status status = rk_build_report(&out, error);
  if (!status) rk_devices_report(&out);
  *text = status ? NULL : rk_text_steal(&out);
  rk_text_free(&out);
  return status;
}
