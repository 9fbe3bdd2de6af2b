/* A pass as text. See plan.h. */
#include "plan/plan.h"
#include "formula/operations.h"
#include "formula/print.h"

#include <stdlib.h>

/* ---- names ---- */

static void write_components(const char *name, int from, int dim, rk_text *text) {
  if (dim == 1) rk_text_format(text, "%s[%d]", name, from);
  else rk_text_format(text, "%s[%d:%d]", name, from, from + dim - 1);
}

static int write_variable(const rk_pass *pass, int variable, rk_text *text) {
  if (text) rk_text_format(text, "v%d", rk_variable_index(pass, variable));
  return 1;
}

/* In the formula of a pass: variables. */
static int formula_name(const void *pass, const rk_node *node, rk_text *text) {
  return rk_is_variable(node) ? write_variable(pass, node->variable, text) : 0;
}

static int is_kept(const rk_nest *nest, const rk_node *node) {
  return nest->place[node->number] == RK_SCALAR || nest->place[node->number] == RK_PANEL;
}

/* In a nest: slots of lower levels, values that steps keep (as in the emitted text), variables. */
static int nest_name(const void *data, const rk_node *node, rk_text *text) {
  static const char *const record[] = {"p", "x", "y"};
  const rk_nest *nest = ((const rk_nest *const *)data)[0];
  const rk_pass *pass = ((const rk_pass *const *)data)[1];
  rk_nest_kind level = rk_level_of(pass, node);
  int slot = level == nest->kind ? -1 : rk_slot_offset(pass, node);
  if (slot < 0 && !is_kept(nest, node)) return formula_name(pass, node, text);
  if (text && slot >= 0) write_components(record[level], slot, node->dim, text);
  else if (text) rk_text_format(text, "n%d", node->number);
  return 1;
}

/* ---- parts ---- */

static void print_variables(const rk_pass *pass, const char *prefix, rk_text *text) {
  static const char *const kind[] = {"Vi", "Vj", "Pm"};
  for (int k = 0; k < pass->variables; k++) {
    const rk_graph_variable *v = rk_graph_variable_at(pass->graph, pass->variable[k]);
    rk_text_format(text, "%s  v%d = %s(%d)\n", prefix, k, kind[v->kind], v->dim);
  }
}

static rk_status print_pass_formula(const rk_pass *pass, const char *prefix, rk_text *text) {
  rk_text line = {0};
  rk_text_format(&line, "%s  ", prefix);
  rk_printer p = {.graph = pass->graph, .text = text, .prefix = rk_text_string(&line), .end = "",
                  .letter = "t", .counts = 1, .name = formula_name, .data = pass};
  rk_status status = rk_printer_begin(&p, &pass->reduction, 1, NULL, 0);
  if (!status) {
    rk_print_named(&p);
    rk_text_add(text, p.prefix);
    rk_print_value(&p, pass->reduction);
    rk_text_add(text, "\n");
  }
  rk_printer_end(&p);
  rk_text_free(&line);
  return status;
}

static void print_steps(rk_printer *p, const rk_nest *nest) {
  for (int s = 0; s < nest->steps; s++) {
    if (nest->step[s].dim)
      rk_text_format(p->text, "%sstep %d, for each of %d components:\n", p->prefix, s + 1,
                     nest->step[s].dim);
    else rk_text_format(p->text, "%sstep %d:\n", p->prefix, s + 1);
    for (int k = 0; k < nest->step[s].count; k++) {
      const rk_node *node = nest->node[nest->step[s].first + k];
      if (!is_kept(nest, node)) continue;
      rk_text_format(p->text, "%s  n%d = ", p->prefix, node->number);
      rk_print_made(p, node);
      rk_text_add(p->text, "\n");
    }
  }
}

/* Slots are filled, or what is reduced enters the reduction. */
static void print_roots(rk_printer *p, const rk_pass *pass, const rk_nest *nest) {
  static const char *const record[] = {"p", "x", "y"};
  for (int r = 0; r < nest->roots; r++) {
    rk_text_add(p->text, p->prefix);
    if (nest->kind == RK_NEST_PAIR) rk_text_add(p->text, r ? "weighted by" : "reduced:");
    else
      write_components(record[nest->kind], pass->slots[nest->kind].slot[r].offset,
                       nest->root[r]->dim, p->text);
    rk_text_add(p->text, nest->kind == RK_NEST_PAIR ? " " : " = ");
    rk_print_value(p, nest->root[r]);
    rk_text_add(p->text, "\n");
  }
}

static rk_status print_values(const rk_pass *pass, const rk_nest *nest, const char *prefix,
                              rk_text *text) {
  const void *const names[] = {nest, pass};
  rk_printer p = {.graph = pass->graph, .text = text, .prefix = prefix, .end = "", .letter = "t",
                  .counts = 1, .name = nest_name, .data = names};
  const rk_node **kept = calloc((size_t)nest->nodes + 1, sizeof *kept);
  int count = 0;
  for (int k = 0; kept && k < nest->nodes; k++)
    if (is_kept(nest, nest->node[k])) kept[count++] = nest->node[k];
  rk_status status =
      kept ? rk_printer_begin(&p, nest->root, nest->roots, kept, count) : RK_ERROR_MEMORY;
  free(kept);
  if (!status) {
    print_steps(&p, nest);
    print_roots(&p, pass, nest);
    rk_print_named(&p);
  }
  rk_printer_end(&p);
  return status;
}

static rk_status print_nest(const rk_pass *pass, rk_nest_kind kind, const char *prefix,
                            rk_text *text) {
  static const char *const level[] = {"parameters", "rows", "columns", "pairs"};
  const rk_nest *nest = &pass->nest[kind];
  rk_text_format(text, "%s%s: ", prefix, level[kind]);
  if (kind < RK_NEST_PAIR)
    rk_text_format(text, "%d slots of %d components, ", pass->slots[kind].count,
                   pass->slots[kind].size);
  rk_text_format(text, "%d steps, %.0f operations, panels of %d components\n", nest->steps,
                 nest->cost, nest->panel);
  rk_text line = {0};
  rk_text_format(&line, "%s  ", prefix);
  rk_status status = print_values(pass, nest, rk_text_string(&line), text);
  rk_text_free(&line);
  return status;
}

/* ---- the whole ---- */

rk_status rk_plan_print(const rk_pass *pass, const char *prefix, rk_text *text) {
  static const char *const precision[] = {"float32", "float64", "float16"};
  static const char *const index[] = {"i", "j", "nothing"};
  rk_text_format(text, "%s%s_Reduction over %s, %d component%s, %s\n", prefix,
                 rk_reduction_name(pass->reduction->reduction),
                 index[rk_reduced_kind(pass->source)], pass->state.components,
                 pass->state.components == 1 ? "" : "s",
                 precision[pass->options.precision]);
  print_variables(pass, prefix, text);
  rk_status status = print_pass_formula(pass, prefix, text);
  for (int k = 0; k < RK_NESTS && !status; k++)
    status = print_nest(pass, (rk_nest_kind)k, prefix, text);
  return status;
}

enum { HEAD = 4096 }; /* bytes of a plan in emitted source */

/* Adds the lines of `all` as far as there is room. */
static void add_lines(rk_text *text, const rk_text *all, const char *prefix) {
  size_t length = all->length > HEAD ? HEAD : all->length;
  while (length && all->bytes[length - 1] != '\n') length--;
  rk_text_bytes(text, rk_text_string(all), length);
  if (length < all->length) rk_text_format(text, "%s...\n", prefix);
}

void rk_plan_head(const rk_pass *pass, const rk_tile *tile, const char *prefix, rk_text *text) {
  rk_text all = {0};
  text->failed |= rk_plan_print(pass, prefix, &all) || all.failed;
  add_lines(text, &all, prefix);
  rk_text_free(&all);
  if (!tile) return;
  rk_text_format(text, "%stile: %d x %d vectors of %d bytes, lanes along the %s index%s%s\n",
                 prefix, tile->rows, tile->columns, tile->bytes,
                 tile->axis == RK_LANES_KEPT ? "kept" : "reduced",
                 tile->masks ? ", may be masked" : "",
                 tile->reorders ? ", columns in any order" : "");
}
