/* Recursive descent over the grammar, one function for each rule; the rule stands above it.
 *
 *   text = { name "=" expression ";" } expression { "," expression } [ ";" ]
 *
 * From loosest to tightest: "&"; comparisons; "|"; "+ -"; "* /"; signs and "!"; powers; calls.
 * Errors name the place: the line of the text with a caret below it.
 */
#include "formula/reader.h"
#include "error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const rk_node *unary(rk_reader *p);

static const rk_node *named_value(rk_reader *p, const char *name, const char *place) {
  for (int k = 0; k < p->name_count; k++)
    if (!strcmp(p->names[k].name, name)) return p->names[k].node;
  int small, variable = p->integer ? -1 : rk_find_variable(p->graph, name);
  if (variable >= 0) return rk_in_graph(p, rk_variable_node(p->graph, variable));
  if (rk_integer_called(p, name, &small)) return rk_in_graph(p, rk_number(p->graph, small));
  return rk_fail_unknown(p, place, name, 0);
}

/* atom = number | name | call | "(" expression ")" */
static const rk_node *atom(rk_reader *p) {
  double number;
  int is_integer;
  char name[RK_MAX_NAME], buffer[64];
  if (rk_take(p, "(")) {
    const rk_node *inner = rk_read_expression(p);
    return inner && rk_expect(p, ")", "to close '('") ? inner : NULL;
  }
  if (rk_take_number(p, &number, &is_integer)) return rk_number_node(p, number);
  rk_skip_blanks(p);
  const char *place = p->at;
  if (!p->error->status && rk_take_name(p, name)) {
    if (!rk_next_is(p, "(")) return named_value(p, name, place);
    size_t length = strlen(name), tail = strlen("_Reduction");
    if (length > tail && !strcmp(name + length - tail, "_Reduction"))
      return rk_reduction_call(p, name, place);
    if (!rk_is_special(name)) return rk_operation_call(p, name, place);
    if (name[0] == 'V' || name[0] == 'P') return rk_variable_in_place(p, name, place);
    return rk_constant_call(p, name, place);
  }
  const char *what = rk_found(p, buffer);
  return rk_fail_at(p, p->at, "expected a value, found %s", what);
}

/* A signed number that is the whole exponent, possibly in parentheses. */
static int literal_exponent(rk_reader *p, double *value) {
  const char *start = p->at;
  int is_integer, opened = rk_take(p, "("), negative = rk_take(p, "-");
  if (rk_at_number(p) && rk_take_number(p, value, &is_integer) && (!opened || rk_take(p, ")")) &&
      !rk_next_is(p, "^") && !rk_next_is(p, "**")) {
    if (negative) *value = -*value;
    return 1;
  }
  p->at = start;
  return 0;
}

static const rk_node *power_of(rk_reader *p, const char *place, const rk_node *base) {
  double exponent;
  if (!literal_exponent(p, &exponent))
    return rk_apply2_at(p, place, RK_OP_Powf, base, unary(p));
  if (exponent == 0.5) return rk_apply_at(p, place, RK_OP_Sqrt, &base, 1, NULL, 0);
  if (exponent == -0.5) return rk_apply_at(p, place, RK_OP_Rsqrt, &base, 1, NULL, 0);
  if (exponent != floor(exponent) || fabs(exponent) > 1000)
    return rk_apply2_at(p, place, RK_OP_Powf, base, rk_number_node(p, exponent));
  int n = (int)exponent;
  return rk_apply_at(p, place, RK_OP_Pow, &base, 1, &n, 1);
}

/* power = atom [ ("^" | "**") unary ] */
static const rk_node *power(rk_reader *p) {
  const rk_node *base = atom(p);
  rk_skip_blanks(p);
  const char *place = p->at;
  if (base && (rk_take(p, "**") || rk_take(p, "^"))) return power_of(p, place, base);
  return base;
}

/* A number right after a sign, unless a power follows: "-2" is a number, "-2^2" is not. */
static int signed_number(rk_reader *p, double *value) {
  const char *start = p->at;
  int is_integer;
  if (rk_at_number(p) && rk_take_number(p, value, &is_integer) && !rk_next_is(p, "^") &&
      !rk_next_is(p, "**"))
    return 1;
  p->at = start;
  return 0;
}

static const rk_node *prefix(rk_reader *p, const char *place, rk_op op) {
  const rk_node *value = unary(p);
  return value ? rk_apply_at(p, place, op, &value, 1, NULL, 0) : NULL;
}

/* unary = ("-" | "+" | "!") unary | power */
static const rk_node *unary(rk_reader *p) {
  if (++p->depth > RK_MAX_DEPTH)
    return rk_fail_at(p, p->at, "more than %d nested parentheses or signs", RK_MAX_DEPTH);
  rk_skip_blanks(p);
  const char *place = p->at;
  const rk_node *value;
  double number;
  if (rk_take(p, "-"))
    value = signed_number(p, &number) ? rk_number_node(p, -number) : prefix(p, place, RK_OP_Minus);
  else if (!rk_next_is(p, "!=") && rk_take(p, "!")) value = prefix(p, place, RK_OP_Not);
  else value = rk_take(p, "+") ? unary(p) : power(p);
  p->depth--;
  return value;
}

/* product = unary { ("*" | "/") unary } */
static const rk_node *product(rk_reader *p) {
  const rk_node *value = unary(p);
  while (value) {
    rk_skip_blanks(p);
    const char *place = p->at;
    if (!rk_next_is(p, "**") && rk_take(p, "*"))
      value = rk_apply2_at(p, place, RK_OP_Mult, value, unary(p));
    else if (rk_take(p, "/")) {
      const rk_node *over = unary(p);
      if (over && rk_is_number(over, 0)) return rk_fail_at(p, place, "division by zero");
      value = rk_apply2_at(p, place, RK_OP_Divide, value, over);
    } else break;
  }
  return value;
}

/* sum = product { ("+" | "-") product } */
static const rk_node *sum(rk_reader *p) {
  const rk_node *value = product(p);
  while (value) {
    rk_skip_blanks(p);
    const char *place = p->at;
    if (rk_take(p, "+")) value = rk_apply2_at(p, place, RK_OP_Add, value, product(p));
    else if (rk_take(p, "-")) value = rk_apply2_at(p, place, RK_OP_Subtract, value, product(p));
    else break;
  }
  return value;
}

/* bar = sum { "|" sum }: scalar product, or logical or */
static const rk_node *bar(rk_reader *p) {
  const rk_node *value = sum(p);
  while (value) {
    rk_skip_blanks(p);
    const char *place = p->at;
    if (!rk_take(p, "|")) break;
    const rk_node *other = sum(p);
    if (!other) return NULL;
    int is_or = value->is_logical && other->is_logical;
    value = rk_apply2_at(p, place, is_or ? RK_OP_Or : RK_OP_Scalprod, value, other);
  }
  return value;
}

static const char *take_comparison(rk_reader *p) {
  static const char *const symbols[] = {"<=", ">=", "==", "!=", "<", ">"};
  for (int k = 0; k < 6; k++)
    if (rk_take(p, symbols[k])) return symbols[k];
  return NULL;
}

static const rk_node *compare(rk_reader *p, const char *place, const char *symbol, const rk_node *a,
                              const rk_node *b) {
  if (symbol[0] == '>') {
    const rk_node *swap = a;
    a = b;
    b = swap;
  }
  rk_op op = symbol[0] == '=' ? RK_OP_Equal : symbol[0] == '!' ? RK_OP_NotEqual
             : symbol[1] ? RK_OP_LessOrEqual : RK_OP_LessThan;
  return rk_apply2_at(p, place, op, a, b);
}

/* comparison = bar [ symbol bar ] */
static const rk_node *comparison(rk_reader *p) {
  const rk_node *value = bar(p);
  rk_skip_blanks(p);
  const char *place = p->at, *symbol;
  if (!value || !(symbol = take_comparison(p))) return value;
  const rk_node *other = bar(p);
  if (!other) return NULL;
  value = compare(p, place, symbol, value, other);
  rk_skip_blanks(p);
  place = p->at;
  if (value && take_comparison(p))
    return rk_fail_at(p, place, "comparisons cannot be chained: write And(a < b, b < c)");
  return value;
}

/* expression = comparison { "&" comparison } */
const rk_node *rk_read_expression(rk_reader *p) {
  if (++p->depth > RK_MAX_DEPTH)
    return rk_fail_at(p, p->at, "more than %d nested parentheses", RK_MAX_DEPTH);
  const rk_node *value = comparison(p);
  while (value) {
    rk_skip_blanks(p);
    const char *place = p->at;
    if (!rk_take(p, "&")) break;
    value = rk_apply2_at(p, place, RK_OP_And, value, comparison(p));
  }
  p->depth--;
  return value;
}

/* ---- definitions and the whole text ---- */

static int bind(rk_reader *p, const char *name, const rk_node *node) {
  if (p->name_count == p->name_capacity) {
    int capacity = p->name_capacity ? 2 * p->name_capacity : 16;
    rk_name *larger = realloc(p->names, (size_t)capacity * sizeof *larger);
    if (!larger) return rk_fail(p->error, RK_ERROR_MEMORY, "out of memory"), 0;
    p->names = larger;
    p->name_capacity = capacity;
  }
  const char *copy = rk_graph_copy_text(p->graph, name, strlen(name));
  if (!copy) return rk_fail(p->error, RK_ERROR_MEMORY, "out of memory"), 0;
  p->names[p->name_count++] = (rk_name){copy, node};
  return 1;
}

/* definition = name "=" expression ";"   0 when the text goes on with something else */
static int definition(rk_reader *p) {
  rk_skip_blanks(p);
  const char *place = p->at;
  char name[RK_MAX_NAME];
  if (!rk_take_name(p, name) || rk_next_is(p, "==") || !rk_take(p, "=")) {
    p->at = place;
    return 0;
  }
  for (int k = 0; k < p->name_count; k++)
    if (!strcmp(p->names[k].name, name)) rk_fail_at(p, place, "'%s' is defined twice", name);
  if (rk_find_variable(p->graph, name) >= 0)
    rk_fail_at(p, place, "'%s' is declared as a variable and defined too", name);
  if (p->error->status) return 0;
  const rk_node *value = rk_read_expression(p);
  return value && rk_expect(p, ";", "after a definition") && bind(p, name, value);
}

static void check_result(rk_reader *p, const char *place, const rk_node *root) {
  if (!root->is_result)
    rk_fail_at(p, place,
               "expected a reduction such as %s_Reduction(formula, j), found an expression",
               rk_reduction_name(rk_reduction_at(0)));
}

/* At most *roots results; then their number. */
static void whole_text(rk_reader *p, const rk_node **root, int *roots) {
  int results = *roots;
  while (definition(p)) continue;
  *roots = 0;
  do {
    if (p->error->status) return;
    rk_skip_blanks(p);
    const char *place = p->at;
    if (*roots == results) {
      rk_fail_at(p, place, "expected the end of the formula: at most %d result%s", results,
                 results == 1 ? "" : "s");
      return;
    }
    root[*roots] = rk_in_graph(p, rk_read_expression(p));
    if (root[*roots] && results > 1) check_result(p, place, root[*roots]);
    ++*roots;
  } while (rk_take(p, ","));
  if (p->error->status) return;
  rk_take(p, ";");
  rk_skip_blanks(p);
  if (*p->at) rk_fail_at(p, p->at, "expected the end of the formula");
}

static void check_positions(rk_reader *p) {
  int count = rk_input_count(p->graph);
  for (int k = 0; k < count; k++)
    if (rk_find_position(p->graph, k) < 0) {
      rk_fail(p->error, RK_ERROR_FORMULA,
              "%d variables must have positions 0 to %d: none has position %d", count, count - 1,
              k);
      return;
    }
}

static rk_status parse(rk_graph *graph, const char *text, const char *const *declarations, int n,
                       const rk_node **root, int *roots, rk_error *error) {
  rk_reader p = {.graph = graph, .what = "declaration", .error = error};
  error->status = RK_OK;
  for (int k = 0; k < n && !error->status; k++) {
    p.text = p.at = declarations[k];
    rk_declaration(&p, k);
  }
  p.what = "formula";
  p.text = p.at = text;
  if (!error->status) whole_text(&p, root, roots);
  if (!error->status) check_positions(&p);
  free(p.names);
  return error->status;
}

rk_status rk_parse_program(rk_graph *graph, const char *text, const char *const *declarations,
                           int n, const rk_node **root, int *roots, rk_error *error) {
  *roots = RK_MAX_RESULTS;
  return parse(graph, text, declarations, n, root, roots, error);
}

rk_status rk_parse_expression(rk_graph *graph, const char *text, const char *const *declarations,
                              int n, const rk_node **root, rk_error *error) {
  int roots = 1;
  return parse(graph, text, declarations, n, root, &roots, error);
}

void rk_mark_place(const char *text, int at, rk_error *error) {
  rk_reader p = {.what = "formula", .text = text, .error = error};
  rk_place_error(&p, text + at);
}

const rk_node *rk_parse_definition(rk_graph *graph, const char *text, const rk_name *names,
                                   int count, const int *integer, const rk_node *over,
                                   rk_error *error) {
  static const int none[RK_MAX_INTEGERS];
  rk_name copy[8];
  memcpy(copy, names, (size_t)count * sizeof *names);
  rk_reader p = {.graph = graph, .what = "definition", .text = text, .at = text, .error = error,
              .names = copy, .name_count = count, .integer = integer ? integer : none,
              .over = over};
  return rk_read_expression(&p);
}
