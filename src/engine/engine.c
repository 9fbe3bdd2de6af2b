/* The way of a formula, from text to results: parse, derive, plan; emit, build, run. */
#include "engine.h"
#include "backends.h"
#include "bound/bound.h"
#include "build/build.h"
#include "derive/derive.h"
#include "error.h"
#include "formula/parser.h"
#include "formula/print.h"
#include "os.h"
#include "programs.h"
#include "look/look.h"
#include "run/prepared.h"
#include "run/resident.h"
#include "run/threads.h"

#include <math.h>
#include <stdlib.h>

/* ---- text -> program ------------------------------------------------------------------------- */

/* A derivative that cannot be had is an error at its place in the text. */
static rk_status marked(const char *text, int place, rk_error *error) {
  if (error->status && place >= 0) rk_mark_place(text, place, error);
  return error->status;
}

/* What the parser made of a text. */
typedef struct {
  rk_graph *graph;
  const rk_node *root[RK_MAX_RESULTS];
  int roots;
} parsed;

static rk_status parse(const rk_request *r, parsed *p, rk_error *error) {
  p->graph = rk_graph_new();
  if (!p->graph) return rk_fail_memory(error, 64);
  rk_status status =
      rk_parse_program(p->graph, r->text, r->declarations, r->n, p->root, &p->roots, error);
  if (!status) rk_trace_graph(RK_TRACE_parse, p->graph, p->root, p->roots);
  return status;
}

static rk_status derive(const rk_request *r, parsed *p, rk_error *error) {
  int place = -1;
  if (!rk_derive(p->graph, p->root, p->roots, &place, error))
    rk_trace_graph(RK_TRACE_derive, p->graph, p->root, p->roots);
  return marked(r->text, place, error);
}

static void free_passes(rk_passes *passes) {
  for (int k = 0; k < passes->count; k++) rk_pass_free(&passes->planned[k].pass);
  free(passes->planned);
}

/* A new plan takes the graph over. */
static rk_status add_plan(const rk_request *r, char *key, parsed *p, rk_plan **plan,
                          rk_error *error) {
  rk_passes passes;
  rk_status status = rk_plan_program(p->graph, p->root, p->roots, r->options, &passes, error);
  if (!status) *plan = rk_plans_add(key, p->graph, p->root, p->roots, &passes, r->vectors);
  if (!status && !*plan) status = rk_fail_memory(error, sizeof **plan);
  if (status) free_passes(&passes);
  else p->graph = NULL;
  return status;
}

/* The plan of a formula that is equal but for its numbers, or a new one. */
static rk_status plan(const rk_request *r, parsed *p, rk_program *program, rk_error *error) {
  char *key;
  rk_plan *found = rk_plans_find(r, p->graph, p->root, p->roots, &key);
  if (!key) return rk_fail_memory(error, 1 << 12);
  rk_status status = found ? RK_OK : add_plan(r, key, p, &found, error);
  if (!found || found->key != key) free(key);
  if (!status) rk_program_use(program, found);
  return status;
}

static rk_status make_program(const rk_request *r, rk_program **made, rk_error *error) {
  parsed p = {0};
  rk_program *program = NULL;
  rk_trace_begin();
  rk_status status = parse(r, &p, error);
  if (!status) status = derive(r, &p, error);
  if (!status) program = rk_program_new(p.graph, p.root, p.roots);
  if (!status) status = program ? plan(r, &p, program, error) : rk_fail_memory(error, 1 << 12);
  rk_graph_free(p.graph);
  if (status) rk_program_release(program);
  else *made = program;
  return status;
}

rk_status rk_program_get(const char *text, const char *const *declarations, int n,
                         const rk_options *options, rk_program **program, rk_error *error) {
  rk_request r = {text, declarations, n, options, 0};
  char *key;
  error->status = RK_OK;
  if (rk_build_vectors(&r.vectors, error)) return error->status;
  rk_program *known = rk_programs_find(&r, &key);
  if (!key) return rk_fail_memory(error, 1 << 12);
  rk_status status = known ? RK_OK : make_program(&r, program, error);
  if (known) *program = known;
  if (known || status) free(key);
  else rk_programs_add(*program, key);
  return status;
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

/* ---- program -> kernels ---------------------------------------------------------------------- */

/* Passes that have to be built, and their texts by number. */
typedef struct {
  rk_wanted list[RK_MAX_WANTED];
  int n;
  rk_text source[RK_MAX_WANTED];
} work;

/* Passes have texts of their own where these are compiled side by side, to be found again when
 * another program has the same pass. One that computes nothing of pairs is compiled in the time in
 * which a compiler starts: it goes with the pass before. What goes together does not depend on the
 * number of threads: texts are what the cache knows. */
static void share_texts(work *w, const rk_backend *backend) {
  for (int k = 1; k < w->n; k++) {
    int joins = backend->one_text || !w->list[k].stage->pass.nest[RK_NEST_PAIR].steps;
    w->list[k].text = w->list[k - 1].text + !joins;
  }
}

/* The stages of a plan, those that data asks for where that is known: see rk_look. */
static rk_status stages_of(const rk_plan *plan, const unsigned char *split, rk_stage **stage,
                           rk_error *error) {
  rk_status status = RK_OK;
  for (int k = 0; k < plan->stages && !status; k++) {
    stage[k] = &plan->stage[k];
    if (split && split[k]) status = rk_stage_split(&plan->stage[k], &stage[k], error);
  }
  return status;
}

/* Adds the stages that are neither built nor asked for; `data` is NULL where none is known. */
static void want(work *w, const rk_backend *backend, rk_stage *const *stage, int n,
                 const rk_program_data *data) {
  for (int s = 0; s < n && w->n < RK_MAX_WANTED; s++) {
    rk_wanted one = {.stage = stage[s]};
    if (data) one.sizes = rk_sizes_of(stage[s], data->rows);
    if (data) one.walk = rk_walk_of(data, s);
    int known = backend->is_built(&one);
    for (int k = 0; k < w->n; k++) known |= w->list[k].stage == one.stage;
    if (!known) w->list[w->n++] = one;
  }
}

static rk_status emit(work *w, const rk_backend *backend, rk_error *error) {
  rk_status status = RK_OK;
  for (int k = 0, n; k < w->n && !status; k += n) {
    n = rk_wanted_together(w->list + k, w->n - k);
    rk_text *source = &w->source[w->list[k].text];
    status = backend->source(w->list + k, n, source, error);
    if (!status && rk_is_traced(RK_TRACE_emit)) rk_trace_show(RK_TRACE_emit, source);
  }
  return status;
}

static rk_status build(work *w, const rk_backend *backend, rk_caller caller) {
  rk_status status = emit(w, backend, caller.error);
  if (!status && w->n)
    status = backend->build(w->list, w->n, w->source, caller);
  for (int k = 0; k < w->n; k++) rk_text_free(&w->source[k]);
  return status;
}

/* ---- a call ---------------------------------------------------------------------------------- */

static double device_seconds; /* of the rk_run that ended last */
static rk_text warning;

double rk_gpu_seconds(void) { return device_seconds; }

const char *rk_warning(void) { return rk_text_string(&warning); }

static rk_status check_backend(const rk_backend *backend, const rk_program *program,
                               rk_error *error) {
  return backend->check ? backend->check(&program->plan->stage[0].pass.options, error) : RK_OK;
}

/* What the caller gave. */
typedef struct {
  const rk_array *inputs;
  int n;
  const rk_blocks *blocks;
  const rk_output *outputs;
} given;

/* What a call works on. */
typedef struct {
  const rk_plan *plan;
  rk_stage *stage[RK_MAX_WANTED];
  int64_t rows[3];
  rk_values values;
  rk_walks walks;
  rk_look look;
  unsigned char split[RK_MAX_WANTED];
  rk_pruned pruned;
  rk_program_data data;
} working;

/* What the data asked for decides what is built. */
static rk_status choose_and_build(working *c, rk_caller caller) {
  const rk_backend *backend = rk_call_now()->backend;
  work w = {.n = 0};
  rk_status status = stages_of(c->plan, c->split, c->stage, caller.error);
  if (!status && c->values.count < rk_graph_variables(c->plan->graph))
    status = rk_fail(caller.error, RK_ERROR_INTERNAL, "a split pass reads other variables");
  if (!status && c->data.may_bound)
    status = rk_pruned_make(&c->pruned, &c->data, &c->values, caller);
  if (status) return status;
  want(&w, backend, c->stage, c->plan->stages, &c->data);
  share_texts(&w, backend);
  return build(&w, backend, caller);
}

/* Walks in the directions that the plan has passes of. */
static rk_status make_walks(working *c, const given *g, rk_error *error) {
  int wanted[RK_KIND_PARAMETER + 1] = {0};
  if (!g->blocks) return RK_OK;
  c->data.walks = &c->walks;
  for (int k = 0; k < c->plan->stages; k++)
    wanted[rk_kept_kind(c->plan->stage[k].pass.source)] = 1;
  return rk_walks_make(&c->walks, g->blocks, c->rows, wanted, error);
}

static rk_status run_all(working *c, rk_text *warned, rk_caller caller) {
  rk_status status = stages_of(c->plan, NULL, c->stage, caller.error);
  c->data.may_bound = !status && rk_may_bound(&c->data);
  if (!status) status = rk_values_make(&c->values, &c->data, caller);
  for (int again = !status, refused = 0; again;) {
    /* what was seen of the data stays so, and is told once */
    status = refused ? RK_OK
                     : rk_look_at(&c->look, &c->data, &c->values, c->split, warned, caller);
    if (!status) status = choose_and_build(c, caller);
    if (!status) status = rk_run_passes(&c->data, &c->values, caller);
    refused = rk_pruned_refused(&c->pruned, &c->data);
    again = c->look.again || refused;
  }
  return status;
}

/* 1, 10, 100, ... */
static int is_turn(int64_t call) {
  while (call % 10 == 0) call /= 10;
  return call == 1;
}

/* Once a program was warned of, it is known. */
static rk_status check_precision(rk_program *program, const working *c, rk_text *warned,
                                 rk_caller caller) {
  const size_t before = warned->length;
  if (!rk_call_now()->checks_precision || program->is_warned || !rk_is_sampled(&c->data) ||
      !is_turn(++program->large_calls)) return RK_OK;
  rk_status status = rk_sample(&program->plan->sampled, &c->data, &c->values, warned, caller);
  program->is_warned = warned->length > before;
  return status;
}

static rk_status run(rk_program *program, const given *g, const rk_backend *backend,
                     rk_text *warned, rk_caller caller) {
  const rk_plan *plan = program->plan;
  working c = {.plan = plan};
  rk_status status = rk_program_check(program, g->inputs, g->n, g->blocks, g->outputs, c.rows,
                                      caller.error);
  if (!status) status = check_backend(backend, program, caller.error);
  if (status) return status;
  c.data = (rk_program_data){.graph = plan->graph, .stage = c.stage, .stages = plan->stages,
                             .info = &program->info, .served = plan->served,
                             .results = plan->roots, .number = program->number,
                             .inputs = g->inputs, .rows = c.rows, .outputs = g->outputs};
  status = make_walks(&c, g, caller.error);
  if (!status) status = run_all(&c, warned, caller);
  if (!status) status = check_precision(program, &c, warned, caller);
  rk_pruned_note(&c.pruned, plan->stage, plan->stages);
  rk_look_end(&c.look);
  rk_pruned_free(&c.pruned);
  rk_values_free(&c.values);
  rk_walks_free(&c.walks);
  return status;
}

static void hold_all(rk_program *program, const rk_array *inputs, int n) {
  rk_program_hold(program);
  for (int k = 0; k < n; k++)
    if (inputs[k].resident) rk_resident_hold(inputs[k].resident);
}

static void release_all(rk_program *program, const rk_array *inputs, int n) {
  for (int k = 0; k < n; k++) rk_resident_free(inputs[k].resident);
  rk_program_release(program);
}

/* 0 where rows do not fit: the call will say so. */
static double operations_of(const rk_program *program, const given *g) {
  int64_t rows[3];
  rk_error later;
  return rk_program_rows(program, g->blocks, g->inputs, g->n, rows, &later)
             ? 0 : rk_program_operations(program, rows);
}

static rk_status run_given(rk_program *program, const given *g, rk_caller caller) {
  rk_call call;
  rk_text warned = {0};
  double operations = operations_of(program, g);
  rk_status status = rk_call_begin(&call, rk_backend_chosen(operations), caller);
  if (status) return status;
  hold_all(program, g->inputs, g->n);
  status = run(program, g, call.backend, &warned, rk_call_caller(&call, caller.error));
  device_seconds = call.device_seconds;
  rk_text_free(&warning);
  warning = warned;
  release_all(program, g->inputs, g->n);
  rk_call_end(&call);
  return status;
}

rk_status rk_run(rk_program *program, const rk_array *inputs, int n, const rk_output *outputs,
                 rk_poll poll, void *poll_data, rk_error *error) {
  const given g = {inputs, n, NULL, outputs};
  return run_given(program, &g, (rk_caller){poll, poll_data, error});
}

rk_status rk_run_blocks(rk_program *program, const rk_blocks *blocks, const rk_array *inputs,
                        const rk_output *outputs, rk_poll poll, void *poll_data, rk_error *error) {
  const given g = {inputs, program->info.variables, blocks, outputs};
  return run_given(program, &g, (rk_caller){poll, poll_data, error});
}

/* ---- building ahead, showing ----------------------------------------------------------------- */

/* fast_math and vectors are options of the compilers too. */
static int go_together(const rk_program *a, const rk_program *b) {
  const rk_stage *x = &a->plan->stage[0], *y = &b->plan->stage[0];
  return x->pass.options.fast_math == y->pass.options.fast_math && x->vectors == y->vectors;
}

static rk_status build_all(rk_program *const *list, int n, const rk_backend *backend,
                           rk_caller caller) {
  enum { TOGETHER = 24 };
  rk_status status = RK_OK;
  for (int k = 0; k < n && !status; k++) status = check_backend(backend, list[k], caller.error);
  for (int k = 0; k < n && !status;) {
    work w = {.n = 0};
    const rk_program *first = list[k];
    do {
      rk_stage *stage[RK_MAX_WANTED];
      stages_of(list[k]->plan, NULL, stage, caller.error);
      want(&w, backend, stage, list[k++]->plan->stages, NULL);
    } while (k < n && w.n + list[k]->plan->stages <= TOGETHER && go_together(first, list[k]));
    status = build(&w, backend, caller);
  }
  return status;
}

rk_status rk_build_many(rk_program *const *list, int n, rk_poll poll, void *poll_data,
                        rk_error *error) {
  rk_call call;
  rk_status status =
      rk_call_begin(&call, rk_backend_chosen(INFINITY), (rk_caller){poll, poll_data, error});
  if (status) return status;
  for (int k = 0; k < n; k++) rk_program_hold(list[k]);
  status = build_all(list, n, call.backend, rk_call_caller(&call, error));
  for (int k = 0; k < n; k++) rk_program_release(list[k]);
  rk_call_end(&call);
  return status;
}

static rk_status finished(rk_text *out, char **text, rk_status status, rk_error *error) {
  *text = status ? NULL : rk_text_steal(out);
  rk_text_free(out);
  return status || *text ? status : rk_fail_memory(error, 1 << 16);
}

rk_status rk_source(rk_program *program, const char *backend, char **text, rk_error *error) {
  const rk_backend *named = rk_backend_named(backend, INFINITY, error);
  const rk_plan *plan = program->plan;
  rk_wanted list[RK_MAX_WANTED];
  rk_text out = {0};
  rk_status status = named ? RK_OK : error->status;
  for (int k = 0; k < plan->stages; k++) list[k] = (rk_wanted){&plan->stage[k], {0, 0}, 0, NULL};
  int together = named && named->one_text ? plan->stages : 1;
  for (int k = 0; k < plan->stages && !status; k += together)
    status = named->source(list + k, together, &out, error);
  return finished(&out, text, status, error);
}

/* ---- settings, counters, reports ------------------------------------------------------------- */

void rk_free(void *pointer) { free(pointer); }

double rk_seconds(void) { return rk_os_seconds(); }

void rk_watch_forks(void) { rk_os_forks(); }

rk_status rk_configure(const rk_settings *settings, rk_error *error) {
  rk_trace_configure(settings->trace, settings->write);
  for (int k = 0; rk_backends()[k]; k++)
    if (rk_backends()[k]->configure) rk_backends()[k]->configure(settings);
  rk_prepared_configure(settings->prepared_memory);
  return rk_build_configure(settings, error);
}

rk_counters rk_count(void) {
  rk_counters counters = {0};
  rk_programs_count(&counters);
  rk_prepared_count(&counters);
  rk_build_counters(&counters.compiles, &counters.disk_hits);
  return counters;
}

rk_status rk_report(char **text, rk_error *error) {
  rk_text out = {0};
  rk_threads_report(&out);
  for (int k = 0; rk_backends()[k]; k++)
    if (rk_backends()[k]->describe) rk_backends()[k]->describe(&out);
  rk_prepared_report(&out);
  return finished(&out, text, out.failed ? rk_fail_memory(error, out.length) : RK_OK, error);
}
