/* See programs.h. */
#include "programs.h"
#include "error.h"
#include "run/prepared.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PROGRAMS = 4096, TABLE = 16384 };

typedef struct { char *key; void *value; } entry;
typedef struct { entry slot[TABLE]; int count; } table;

static table programs, plans;
static table old_programs, old_plans; /* emptied last: callers may still hold these */
static int64_t memory_hits, program_count;

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
static void write_options(rk_text *key, const rk_request *r) {
  const unsigned field[] = {r->options->precision, r->options->scheme, r->options->accumulator,
                            r->options->fast_math, (unsigned)r->vectors};
  for (int k = 0; k < 5; k++) rk_text_natural(key, field[k], k < 4 ? " " : "\n");
}

static char *request_key(const rk_request *r) {
  rk_text key = {0};
  write_options(&key, r);
  for (int k = 0; k < r->n; k++) {
    rk_text_natural(&key, strlen(r->declarations[k]), " ");
    rk_text_add(&key, r->declarations[k]);
    rk_text_add(&key, "\n");
  }
  rk_text_add(&key, r->text);
  return rk_text_steal(&key);
}

static char *plan_key(const rk_request *r, rk_graph *graph, const rk_node *const *root,
                      int roots) {
  rk_text key = {0};
  write_options(&key, r);
  /* also of what the formula does not use: programs of one plan have the same variables */
  int all = rk_graph_variables(graph), inputs = 0;
  for (int k = 0; k < all; k++) inputs += rk_graph_variable_at(graph, k)->origin == RK_FROM_INPUT;
  rk_text_format(&key, "%d variables, %d inputs\n", all, inputs);
  if (rk_graph_print(graph, root, roots, &key)) key.failed = 1;
  return rk_text_steal(&key);
}

/* ---- users ---- */

static void release_plan(rk_plan *plan) {
  if (!plan || --plan->users > 0) return;
  for (int k = 0; k < plan->stages; k++) rk_stage_empty(&plan->stage[k]);
  free(plan->stage);
  rk_sampled_free(plan->sampled);
  rk_graph_free(plan->graph);
  free(plan->key);
  free(plan);
}

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

/* ---- forgetting ---- */

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
  rk_prepared_clear();
}

/* ---- finding, adding ---- */

rk_program *rk_programs_find(const rk_request *request, char **key) {
  *key = request_key(request);
  if (!*key) return NULL;
  const entry *place = place_of(&programs, *key);
  if (!place->key) {
    make_room();
    return NULL;
  }
  memory_hits++;
  return place->value;
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

rk_program *rk_program_new(rk_graph *graph, const rk_node *const *root, int roots) {
  rk_program *program = calloc(1, sizeof *program);
  if (!program) return NULL;
  program->users = 1;
  if (copy_variables(program, graph)) {
    describe_results(program, root, roots);
    return program;
  }
  rk_program_release(program);
  return NULL;
}

void rk_programs_add(rk_program *program, char *key) {
  program->key = key;
  *place_of(&programs, key) = (entry){key, program};
  programs.count++;
  program_count++;
}

rk_plan *rk_plans_find(const rk_request *request, rk_graph *graph, const rk_node *const *root,
                       int roots, char **key) {
  *key = plan_key(request, graph, root, roots);
  return *key ? place_of(&plans, *key)->value : NULL;
}

/* The stages take the passes over. */
static rk_stage *stages_of(rk_passes *passes, int vectors) {
  rk_stage *stage = calloc((size_t)passes->count + 1, sizeof *stage);
  for (int k = 0; k < passes->count && stage; k++) {
    stage[k].pass = passes->planned[k].pass;
    stage[k].result = passes->planned[k].result;
    stage[k].vectors = vectors;
  }
  return stage;
}

rk_plan *rk_plans_add(char *key, rk_graph *graph, const rk_node *const *root, int roots,
                      rk_passes *passes, int vectors) {
  rk_plan *plan = calloc(1, sizeof *plan);
  rk_stage *stage = plan ? stages_of(passes, vectors) : NULL;
  if (!stage) {
    free(plan);
    return NULL;
  }
  *plan = (rk_plan){.users = 1, .key = key, .graph = graph, .roots = roots, .stage = stage,
                    .stages = passes->count};
  memcpy(plan->root, root, (size_t)roots * sizeof *root);
  memcpy(plan->served, passes->served, sizeof plan->served);
  free(passes->planned);
  *place_of(&plans, key) = (entry){key, plan};
  plans.count++;
  return plan;
}

void rk_program_use(rk_program *program, rk_plan *plan) {
  plan->users++;
  program->plan = plan;
}

const rk_program_info *rk_program_info_of(const rk_program *program) { return &program->info; }

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

rk_status rk_program_rows(const rk_program *program, const rk_blocks *blocks,
                          const rk_array *inputs, int n, int64_t rows[3], rk_error *error) {
  const char *first[3] = {NULL, NULL, NULL};
  rows[RK_KIND_I] = blocks ? blocks->size[RK_KIND_I] : 1;
  rows[RK_KIND_J] = blocks ? blocks->size[RK_KIND_J] : 1;
  rows[RK_KIND_PARAMETER] = 1;
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

double rk_program_operations(const rk_program *program, const int64_t rows[3]) {
  double operations = 0;
  for (int k = 0; k < program->plan->stages; k++) {
    const rk_stage *stage = &program->plan->stage[k];
    const rk_nest *nest = stage->pass.nest;
    const rk_sizes n = rk_sizes_of(stage, rows);
    const double kept = (double)n.kept, reduced = (double)n.reduced;
    operations += rk_pair_cost(&stage->pass) * kept * reduced + nest[RK_NEST_ROW].cost * kept +
                  nest[RK_NEST_COLUMN].cost * reduced;
  }
  return operations;
}

rk_status rk_program_check(const rk_program *program, const rk_array *inputs, int n,
                           const rk_blocks *blocks, const rk_output *outputs, int64_t rows[3],
                           rk_error *error) {
  rk_status status = rk_program_rows(program, blocks, inputs, n, rows, error);
  return status ? status : check_positions(program, outputs, rows, error);
}

void rk_programs_count(rk_counters *counters) {
  counters->programs = program_count;
  counters->memory_hits = memory_hits;
}
