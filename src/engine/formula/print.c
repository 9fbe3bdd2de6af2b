/* See print.h. */
#include "formula/print.h"
#include "formula/operations.h"
#include "formula/reductions.h"

#include <stdlib.h>
#include <string.h>

enum {
  DEEP = 16,    /* operations inside each other in one line */
  HAS_NAME = -1 /* in place of a number of readers */
};

/* ---- which values get a name ---- */

/* From the last node to the first: who reads what is shown. What has a name already is not looked
 * into, save where that name is to be defined. */
static void count_readers(rk_printer *p, const unsigned char *is_made) {
  for (int k = rk_graph_size(p->graph) - 1; k >= 0; k--) {
    const rk_node *node = rk_graph_node(p->graph, k);
    if (!p->readers[k] && !is_made[k]) continue;
    int has_name = is_made[k] || p->name(p->data, node, NULL);
    for (int o = 0; o < node->operands && (is_made[k] || !has_name); o++)
      p->readers[node->operand[o]->number]++;
    if (has_name) p->readers[k] = HAS_NAME;
  }
}

static int is_named(const rk_printer *p, const rk_node *node) {
  int k = node->number;
  return node->operands && p->readers[k] > 0 && (p->readers[k] > 1 || p->height[k] > DEEP);
}

static void call_values(rk_printer *p) {
  int next = 1;
  for (int k = 0; k < rk_graph_size(p->graph); k++) {
    const rk_node *node = rk_graph_node(p->graph, k);
    if (p->readers[k] <= 0) continue;
    for (int o = 0; o < node->operands; o++)
      if (p->height[node->operand[o]->number] >= p->height[k])
        p->height[k] = p->height[node->operand[o]->number] + 1;
    if (!is_named(p, node)) continue;
    p->height[k] = 0;
    p->called[k] = p->counts ? next++ : k + 1;
  }
}

rk_status rk_printer_begin(rk_printer *p, const rk_node *const *root, int roots,
                           const rk_node *const *made, int mades) {
  size_t size = (size_t)rk_graph_size(p->graph) + 1;
  unsigned char *is_made = calloc(size, 1);
  p->readers = calloc(size, sizeof *p->readers);
  p->height = calloc(size, sizeof *p->height);
  p->called = calloc(size, sizeof *p->called);
  int good = is_made && p->readers && p->height && p->called;
  for (int r = 0; good && r < roots; r++) p->readers[root[r]->number]++;
  for (int m = 0; good && m < mades; m++) is_made[made[m]->number] = 1;
  if (good) {
    count_readers(p, is_made);
    call_values(p);
  }
  free(is_made);
  return good ? RK_OK : RK_ERROR_MEMORY;
}

void rk_printer_end(rk_printer *p) {
  free(p->readers);
  free(p->height);
  free(p->called);
}

/* ---- a value ---- */

static const rk_graph_variable *variable_of(const rk_graph *graph, int k) {
  return rk_graph_variable_at((rk_graph *)graph, k); /* only read */
}

static const char *infix_of(const rk_node *node) {
  if (!node->operation) return NULL;
  switch (node->operation->op) {
    case RK_OP_Add: return " + ";
    case RK_OP_Subtract: return " - ";
    case RK_OP_Mult: return " * ";
    case RK_OP_Divide: return " / ";
    case RK_OP_Minus: return "-";
    default: return NULL;
  }
}

/* In as few digits as say it. */
static void write_number(rk_text *to, double value) {
  char text[RK_NUMBER_TEXT];
  double back = 0;
  rk_read_number(rk_number_text(text, "%.15g", value), &back);
  rk_text_add(to, back == value ? text : rk_number_text(text, "%.17g", value));
}

/* Lifted ones too, where they are shown as numbers. */
static int is_negative_number(const rk_printer *p, const rk_node *node) {
  if (rk_node_is(node, RK_OP_Number)) return node->value < 0;
  if (p->counts || !rk_is_variable(node)) return 0;
  const rk_graph_variable *v = variable_of(p->graph, node->variable);
  return v->origin == RK_FROM_NUMBER && v->number < 0;
}

/* In parentheses where a sign or an operator is near. */
static void write_operand(rk_printer *p, const rk_node *node) {
  int is_long = infix_of(node) && !p->called[node->number] && p->readers[node->number] != HAS_NAME;
  int is_negative = is_negative_number(p, node);
  if (is_long || is_negative) rk_text_add(p->text, "(");
  rk_print_value(p, node);
  if (is_long || is_negative) rk_text_add(p->text, ")");
}

static void write_infix(rk_printer *p, const rk_node *node) {
  if (node->operands == 2) write_operand(p, node->operand[0]);
  rk_text_add(p->text, infix_of(node));
  write_operand(p, node->operand[node->operands - 1]);
}

/* The weights as a user writes them; NULL: there are none. */
static const rk_node *weight_of(const rk_node *node) {
  if (node->operands < 2) return NULL;
  const rk_node *weight = node->operand[1];
  if (node->reduction->unit && rk_node_is(weight, RK_OP_Concat) &&
      rk_is_number(weight->operand[0], 1))
    return weight->operand[1];
  int absent = rk_is_number(weight, 1) && node->reduction->weight != RK_WEIGHT_REQUIRED;
  return absent ? NULL : weight;
}

static void write_reduction(rk_printer *p, const rk_node *node) {
  static const char *const index[] = {"i", "j", "none"};
  rk_text_format(p->text, "%s_Reduction(", rk_reduction_name(node->reduction));
  rk_print_value(p, node->operand[0]);
  if (weight_of(node)) {
    rk_text_add(p->text, ", ");
    rk_print_value(p, weight_of(node));
  }
  if (node->reduction->ranked) rk_text_format(p->text, ", %d", node->integer[0]);
  rk_text_format(p->text, ", %s)", index[rk_reduced_kind(node)]);
}

static void write_call(rk_printer *p, const rk_node *node) {
  rk_text_format(p->text, "%s(", node->operation->name);
  for (int k = 0; k < node->operands; k++) {
    if (k) rk_text_add(p->text, ", ");
    rk_print_value(p, node->operand[k]);
  }
  for (int k = 0; k < node->integers; k++)
    rk_text_format(p->text, "%s%d", k || node->operands ? ", " : "", node->integer[k]);
  rk_text_add(p->text, ")");
}

void rk_print_made(rk_printer *p, const rk_node *node) {
  if (node->reduction) write_reduction(p, node);
  else if (rk_node_is(node, RK_OP_Number)) write_number(p->text, node->value);
  else if (infix_of(node)) write_infix(p, node);
  else write_call(p, node);
}

void rk_print_value(rk_printer *p, const rk_node *node) {
  int called = p->called[node->number];
  if (called) rk_text_format(p->text, "%s%d", p->letter, called - !p->counts);
  else if (!p->name(p->data, node, p->text)) rk_print_made(p, node);
}

void rk_print_named(rk_printer *p) {
  for (int k = 0; k < rk_graph_size(p->graph); k++) {
    if (!p->called[k]) continue;
    rk_text_format(p->text, "%s%s%d = ", p->prefix, p->letter, p->called[k] - !p->counts);
    rk_print_made(p, rk_graph_node(p->graph, k));
    rk_text_format(p->text, "%s\n", p->end);
  }
}

/* ---- a formula ---- */

/* What the user calls a variable, or what the engine made it for. */
static int write_variable(const void *graph, const rk_node *node, rk_text *text) {
  if (!rk_is_variable(node) || !text) return rk_is_variable(node);
  const rk_graph_variable *v = variable_of(graph, node->variable);
  switch (v->origin) {
    case RK_FROM_INPUT: rk_text_add(text, v->name); break;
    case RK_FROM_NUMBER: write_number(text, v->number); break;
    case RK_FROM_CENTRE: rk_text_format(text, "centre(n%d)", v->source); break;
    case RK_FROM_RANK: rk_text_format(text, "rank(n%d)", v->source); break;
    case RK_FROM_PASS: rk_text_format(text, "result(n%d)", v->source); break;
    case RK_FROM_POSITION: rk_text_add(text, v->kind == RK_KIND_I ? "place(i)" : "place(j)"); break;
    case RK_FROM_DIRECTION: rk_text_format(text, "direction(%d)", node->variable);
  }
  return 1;
}

/* "n", unless the user has such names. */
static const char *free_letter(const rk_graph *graph) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    const char *name = variable_of(graph, k)->name;
    if (name && name[0] == 'n' && rk_is_digit(name[1])) return "n_";
  }
  return "n";
}

rk_status rk_print_formula(const rk_graph *graph, const rk_node *const *root, int roots,
                           const char *prefix, rk_text *text) {
  rk_printer p = {.graph = graph, .text = text, .prefix = prefix, .end = ";",
                  .letter = free_letter(graph), .name = write_variable, .data = graph};
  rk_status status = rk_printer_begin(&p, root, roots, NULL, 0);
  if (!status) {
    rk_print_named(&p);
    for (int r = 0; r < roots; r++) {
      rk_text_add(text, prefix);
      rk_print_value(&p, root[r]);
      rk_text_add(text, r + 1 < roots ? ",\n" : "\n");
    }
  }
  rk_printer_end(&p);
  return status;
}

void rk_trace_graph(rk_trace stage, const rk_graph *graph, const rk_node *const *root, int roots) {
  rk_text text = {0};
  if (!rk_is_traced(stage)) return;
  if (!rk_print_formula(graph, root, roots, "  ", &text)) rk_trace_show(stage, &text);
  rk_text_free(&text);
}
