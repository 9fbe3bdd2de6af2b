/* A program for people: its passes in the user's names, as a backend lays them out. */
#include "backends.h"
#include "error.h"
#include "formula/expression.h"
#include "formula/operations.h"
#include "programs.h"

#include <math.h>
#include <stdlib.h>

static int write_name(const void *names, const rk_node *node, rk_text *text) {
  if (!rk_is_variable(node)) return 0;
  rk_text_add(text, ((char *const *)names)[node->variable]);
  return 1;
}

enum { MOST = 12 }; /* operations of a text */

/* "centre(x/s,y/s)": what has the centre in common. It is one word, as all names are. */
static void write_made(const char *what, const rk_node *const *of, int n, char *const *name,
                       rk_text *text) {
  const rk_naming naming = {write_name, name};
  rk_text member = {0};
  rk_text_format(text, "%s(", what);
  for (int k = 0; k < n; k++) {
    if (k) rk_text_add(text, ",");
    rk_text_clear(&member);
    rk_write_expression(of[k], &naming, MOST, &member);
    for (const char *at = rk_text_string(&member); *at; at++)
      if (*at != ' ') rk_text_bytes(text, at, 1);
  }
  rk_text_free(&member);
  rk_text_add(text, ")");
}

/* What a graph variable of the plan is called: programs of one plan differ in names and numbers. */
static char *name_of(const rk_program *program, char *const *name, int variable) {
  const rk_plan *plan = program->plan;
  const rk_graph_variable *v = rk_graph_variable_at(plan->graph, variable);
  rk_text text = {0};
  char number[RK_NUMBER_TEXT];
  const rk_node *ranked;
  int pass = 0;
  switch (v->origin) {
  case RK_FROM_INPUT: rk_text_add(&text, program->variable[v->source].name); break;
  case RK_FROM_NUMBER:
    rk_text_add(&text, rk_number_text(number, "%.7g", program->number[variable]));
    break;
  case RK_FROM_CENTRE: write_made("centre", v->member, v->members, name, &text); break;
  case RK_FROM_RANK:
    ranked = rk_graph_node(plan->graph, v->source);
    write_made("rank", &ranked, 1, name, &text);
    break;
  case RK_FROM_PASS:
    while (pass < plan->stages && plan->stage[pass].result != variable) pass++;
    rk_text_format(&text, "pass.%d", pass + 1);
    break;
  case RK_FROM_POSITION:
    rk_text_add(&text, v->kind == RK_KIND_I ? "position(i)" : "position(j)");
    break;
  case RK_FROM_DIRECTION: rk_text_add(&text, "direction"); break;
  }
  return rk_text_steal(&text);
}

static void free_names(char **name, int count) {
  for (int k = 0; name && k < count; k++) free(name[k]);
  free(name);
}

/* By graph variable; NULL: no memory. */
static char **make_names(const rk_program *program) {
  int count = rk_graph_variables(program->plan->graph);
  char **name = calloc((size_t)count + 1, sizeof *name);
  for (int k = 0; name && k < count; k++)
    if (!(name[k] = name_of(program, name, k))) {
      free_names(name, k);
      return NULL;
    }
  return name;
}

/* Without a backend's word: pairs one by one, records without padding. */
static rk_layout plain_layout(const rk_pass *pass) {
  rk_layout layout = {.rows = 1, .columns = 1};
  for (int k = 0; k < RK_NEST_PAIR; k++)
    layout.bytes[k] = pass->slots[k].size * rk_real_size(&pass->options);
  return layout;
}

static void write_number(double value, rk_text *text) {
  char number[RK_NUMBER_TEXT];
  rk_text_format(text, "%s ", value == value ? rk_number_text(number, "%.6g", value) : "NA");
}

/* What the last call has seen of its data: "slot: level dim largest centre digits formula". */
static void write_seen(const rk_stage *stage, char *const *name, rk_text *text) {
  const rk_naming naming = {write_name, name};
  if (!stage->seen) return;
  rk_text_format(text, "[data]\nsplit: %d\n", stage->was_split);
  for (int k = 0; k < stage->slots; k++) {
    const rk_slot_seen *seen = &stage->seen[k];
    int is_row = k < stage->pass.slots[RK_NEST_ROW].count;
    rk_text_format(text, "slot: %s %d ", is_row ? "row" : "column", seen->node->dim);
    write_number(seen->largest, text);
    write_number(seen->centre, text);
    write_number(seen->digits, text);
    rk_write_expression(seen->node, &naming, MOST, text);
    rk_text_add(text, "\n");
  }
}

static void write_bounds(const rk_stage *stage, rk_text *text) {
  if (!stage->bounds.asked) return;
  rk_text_format(text, "[bounds]\npruned: %d\nexpected: %.6g\nwalked: %.6g\n", stage->bounds.taken,
                 stage->bounds.expected, stage->bounds.walked);
}

static void write_check(const rk_plan *plan, int number, rk_text *text) {
  double off;
  const int rows = rk_sampled_rows(plan->sampled, number, &off);
  if (!rows) return;
  rk_text_format(text, "[check]\nrows: %d\noff: ", rows);
  write_number(off, text);
  rk_text_add(text, "\n");
}

static void explain_pass(const rk_plan *plan, int number, const rk_backend *backend,
                         const int64_t *rows, char *const *name, rk_text *text) {
  rk_stage *stage = &plan->stage[number];
  const rk_wanted wanted = {stage, rows ? rk_sizes_of(stage, rows) : (rk_sizes){0, 0}, 0, NULL};
  rk_layout layout = plain_layout(&stage->pass);
  rk_text lines = {0};
  if (backend->explain) backend->explain(&wanted, &layout, &lines);
  rk_text_add(text, "[pass]\n");
  for (int r = 0; r < plan->roots; r++)
    if (plan->served[r].pass == number) rk_text_format(text, "result: %d\n", r + 1);
  rk_explain_pass(&stage->pass, (const char *const *)name, &layout, text);
  rk_text_format(text, "[layout]\n%s", rk_text_string(&lines));
  write_bounds(stage, text);
  write_seen(stage, name, text);
  write_check(plan, number, text);
  text->failed |= lines.failed;
  rk_text_free(&lines);
}

rk_status rk_explain(const rk_program *program, const char *backend, const int64_t *rows,
                     char **text, rk_error *error) {
  double operations = rows ? rk_program_operations(program, rows) : INFINITY;
  const rk_backend *found = rk_backend_named(backend, operations, error);
  *text = NULL;
  if (!found) return error->status;
  rk_text out = {0};
  char **name = make_names(program);
  rk_text_format(&out, "backend: %s\n", found->name);
  for (int k = 0; name && k < program->plan->stages; k++)
    explain_pass(program->plan, k, found, rows, name, &out);
  if (name) *text = rk_text_steal(&out);
  free_names(name, rk_graph_variables(program->plan->graph));
  rk_text_free(&out);
  return *text ? RK_OK : rk_fail_memory(error, 1 << 16);
}
