/* See expression.h. The grammar, with what binds more tightly, is that of parser.c. */
#include "formula/expression.h"
#include "formula/operations.h"
#include "formula/reductions.h"

#include <string.h>

typedef struct {
  const rk_naming *naming;
  int left;               /* operations that may still be written */
  rk_text *text;
} writing;

enum { LOWEST, CONJUNCTION, COMPARISON, BAR, SUM, PRODUCT, UNARY };

typedef struct { rk_op op; int binds; const char *symbol; } sign;

static const sign signs[] = {
  {RK_OP_And, CONJUNCTION, " & "}, {RK_OP_Or, BAR, " | "},
  {RK_OP_Equal, COMPARISON, " == "}, {RK_OP_NotEqual, COMPARISON, " != "},
  {RK_OP_LessThan, COMPARISON, " < "}, {RK_OP_LessOrEqual, COMPARISON, " <= "},
  {RK_OP_Add, SUM, " + "}, {RK_OP_Subtract, SUM, " - "},
  {RK_OP_Mult, PRODUCT, " * "}, {RK_OP_Divide, PRODUCT, " / "}, {RK_OP_Minus, UNARY, "-"},
  {RK_OP_Not, UNARY, "!"}};

static const sign *sign_of(const rk_node *node) {
  for (size_t k = 0; k < sizeof signs / sizeof *signs; k++)
    if (rk_node_is(node, signs[k].op)) return &signs[k];
  return NULL;
}

static void write_node(writing *w, const rk_node *node, int binds);

static void write_number(writing *w, double value, int binds) {
  char number[RK_NUMBER_TEXT];
  int bracket = value < 0 && binds > SUM;
  rk_number_text(number, "%.7g", value);
  rk_text_format(w->text, bracket ? "(%s)" : "%s", number);
}

/* Of comparisons, differences and quotients only the left operand may be one too; of comparisons
 * not even that. */
static void write_signed(writing *w, const rk_node *node, const sign *s, int binds) {
  int bracket = s->binds < binds;
  if (bracket) rk_text_add(w->text, "(");
  if (node->operands == 2) write_node(w, node->operand[0], s->binds + (s->binds == COMPARISON));
  rk_text_add(w->text, s->symbol);
  write_node(w, node->operand[node->operands - 1], s->binds + (s->binds != UNARY));
  if (bracket) rk_text_add(w->text, ")");
}

static void write_operands(writing *w, const rk_node *node) {
  for (int k = 0; k < node->operands; k++) {
    if (k) rk_text_add(w->text, ", ");
    write_node(w, node->operand[k], LOWEST);
  }
}

static void write_reduction(writing *w, const rk_node *node) {
  static const char *const index[] = {"i", "j", "none"};
  rk_text_format(w->text, "%s_Reduction(", rk_reduction_name(node->reduction));
  write_operands(w, node);
  if (node->reduction->ranked) rk_text_format(w->text, ", %d", rk_state_of(node).K);
  rk_text_format(w->text, ", %s)", index[rk_reduced_kind(node)]);
}

static void write_call(writing *w, const rk_node *node) {
  rk_text_format(w->text, "%s(", node->operation->name);
  write_operands(w, node);
  for (int k = 0; k < node->integers; k++)
    rk_text_format(w->text, "%s%d", k || node->operands ? ", " : "", node->integer[k]);
  rk_text_add(w->text, ")");
}

/* What stands here binds at least as tightly as `binds`, or has brackets. */
static void write_node(writing *w, const rk_node *node, int binds) {
  const sign *s = sign_of(node);
  if (rk_node_is(node, RK_OP_Number)) write_number(w, node->value, binds);
  else if (w->naming->write(w->naming->names, node, w->text)) return;
  else if (w->left-- <= 0) rk_text_add(w->text, "...");
  else if (node->reduction) write_reduction(w, node);
  else if (s) write_signed(w, node, s, binds);
  else write_call(w, node);
}

void rk_write_expression(const rk_node *node, const rk_naming *naming, int most, rk_text *text) {
  writing w = {naming, most, text};
  write_node(&w, node, LOWEST);
}
