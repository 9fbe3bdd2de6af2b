/* Simplifications: every rule of rules.def fires, and changes results by rounding only, on operands
 * among which are NaN, infinities, zeros of both signs, huge and tiny numbers.
 *
 * The pattern of a rule is computed twice: as a formula, which is simplified, and one operation
 * after the other, each a program of its own that reads the results of those before as data, so
 * that nothing can be simplified. */
#include "check.h"

#include "formula/operations.h"
#include "formula/parser.h"

#include <float.h>

enum { LETTERS = 4, MOST = 80, ROWS = 200, TRIES = 2000000 };

typedef struct { const rk_node *node[LETTERS]; int integer[RK_NAMED_INTEGERS]; } binding;
typedef struct { const char *pattern, *result; int (*holds)(const binding *bound); } rule;

#define RK_HOLDS_(line) holds_##line
#define RK_HOLDS(line) RK_HOLDS_(line)
#define RULE(pattern_, condition, result_)                                                         \
  static int RK_HOLDS(__LINE__)(const binding *bound) {                                            \
    const rk_node *a = bound->node[0], *b = bound->node[1];                                        \
    const int n = bound->integer[0], m = bound->integer[1], l = bound->integer[2],                 \
              p = bound->integer[3];                                                               \
    (void)a; (void)b; (void)n; (void)m; (void)l; (void)p;                                          \
    return (condition);                                                                            \
  }
#include "formula/rules.def"
#undef RULE
#define RULE(pattern_, condition, result_) {pattern_, result_, RK_HOLDS(__LINE__)},
static const rule rules[] = {
#include "formula/rules.def"
};
enum { RULES = sizeof rules / sizeof *rules };

/* Values of the letters, row by row in columns; logical ones are 0 or 1, and tests in texts. */
typedef struct { int dim, is_logical; double data[ROWS * MOST]; } vector;
static vector letter[LETTERS];

static int below(int n) { return (int)(uniform() * n); }

static double special(void) {
  static const double values[] = {NAN, INFINITY, -INFINITY, 0, -0.0, 1, -1, 1.5e308, -1.5e308,
                                  2.5e-308, -2.5e-308, 3e154, 7e-155};
  int k = below(20);
  return k < 13 ? values[k] : 4 * uniform() - 2;
}

/* The text with integers in place of n, m, l, p and tests in place of logical letters; `da` becomes
 * a number too. */
static void with_integers(const char *text, const binding *bound, char *out, size_t size) {
  size_t used = 0;
  for (const char *at = text; *at && used + 16 < size;) {
    int length = 1;
    while (rk_is_letter(*at) && rk_is_alnum(at[length])) length++;
    int k = rk_named_integer(at, length);
    if (k >= 0) used += (size_t)snprintf(out + used, size - used, "%d", bound->integer[k]);
    else if (length == 2 && !strncmp(at, "da", 2))
      used += (size_t)snprintf(out + used, size - used, "%d", letter[0].dim);
    else if (length == 1 && *at >= 'a' && *at < 'a' + LETTERS && letter[*at - 'a'].is_logical)
      used += (size_t)snprintf(out + used, size - used, "NotEqual(%c,0)", *at);
    else used += (size_t)snprintf(out + used, size - used, "%.*s", length, at);
    at += length;
  }
}

static void declare(char (*text)[24], const char **declarations) {
  for (int k = 0; k < LETTERS; k++) {
    snprintf(text[k], sizeof text[k], "%c=Vi(%d)", 'a' + k, letter[k].dim);
    declarations[k] = text[k];
  }
}

/* Do pattern and result become the same node? */
static int fires(const char *pattern, const char *result) {
  char text[LETTERS][24], both[440];
  const char *declarations[LETTERS];
  const rk_node *root = NULL;
  rk_error error = {0};
  rk_graph *graph = rk_graph_new();
  declare(text, declarations);
  snprintf(both, sizeof both, "Concat(%.200s,%.200s)", pattern, result); /* of one graph */
  int good = rk_parse_expression(graph, both, declarations, LETTERS, &root, &error) == RK_OK;
  good = good && rk_node_is(root, RK_OP_Concat) && root->operand[0] == root->operand[1];
  rk_graph_free(graph);
  return good;
}

/* The values of a formula. A sum that starts at 0 loses the sign of -0: the inverse tells it. */
static int run_text(const char *text, const char *const *declarations, int n, rk_array *inputs,
                    vector *out) {
  char reduction[500];
  rk_expression_info info;
  rk_options options = {.precision = RK_FLOAT64};
  rk_program *program;
  rk_error error;
  snprintf(reduction, sizeof reduction, "f = %s; Sum_Reduction(Concat(f,Inv(f)), j)", text);
  if (rk_expression(text, declarations, n, &info, &error) ||
      rk_program_get(reduction, declarations, n, &options, &program, &error) ||
      run_values(program, inputs, n, out->data, &error)) {
    printf("  %s: %s\n", text, error.message);
    return 0;
  }
  out->dim = info.dim;
  for (int k = 0; k < ROWS * info.dim; k++)
    if (out->data[k] == 0 && out->data[ROWS * info.dim + k] < 0) out->data[k] = -0.0;
  return 1;
}

/* ---- one operation after the other ---- */

static int evaluate(const char **at, const binding *bound, vector *out);

static int wants_logical(const rk_operation *operation, int k) {
  return operation->result == RK_RESULT_LOGICAL_ONLY ||
         (operation->result == RK_RESULT_WHERE && k == 0);
}

static int evaluate_call(const char **at, const rk_operation *operation, const binding *bound,
                         vector *out) {
  vector *operand = calloc((size_t)operation->operands, sizeof *operand);
  char text[200], declaration[LETTERS][24];
  const char *declarations[LETTERS];
  rk_array inputs[LETTERS];
  int good = 1, used = snprintf(text, sizeof text, "%s(", operation->name);
  for (int k = 0; k < operation->operands + operation->integers; k++) {
    (*at)++; /* the parenthesis or the comma */
    if (k < operation->operands) {
      good = good && evaluate(at, bound, &operand[k]);
      snprintf(declaration[k], sizeof declaration[k], "%c=Vi(%d)", 'a' + k, operand[k].dim);
      declarations[k] = declaration[k];
      inputs[k] = columns_of(operand[k].data, ROWS, operand[k].dim);
      used += snprintf(text + used, sizeof text - (size_t)used,
                       wants_logical(operation, k) ? "%sNotEqual(%c,0)" : "%s%c", k ? "," : "",
                       'a' + k);
    } else {
      int which = rk_named_integer(*at, 1);
      int value = which >= 0 ? ((*at)++, bound->integer[which]) : (int)strtol(*at, (char **)at, 10);
      used += snprintf(text + used, sizeof text - (size_t)used, ",%d", value);
    }
  }
  (*at)++;
  snprintf(text + used, sizeof text - (size_t)used, ")");
  good = good && run_text(text, declarations, operation->operands, inputs, out);
  free(operand);
  return good;
}

static int evaluate(const char **at, const binding *bound, vector *out) {
  char name[40];
  int length = 0;
  if (rk_is_lower(**at)) {
    *out = letter[*(*at)++ - 'a'];
    return 1;
  }
  if (!rk_is_letter(**at)) {
    double value = NAN;
    *at = rk_read_number(*at, &value);
    out->dim = 1;
    for (int r = 0; r < ROWS; r++) out->data[r] = value;
    return 1;
  }
  while (rk_is_alnum((*at)[length])) length++;
  snprintf(name, sizeof name, "%.*s", length, *at);
  *at += length;
  return evaluate_call(at, rk_operation_find(name), bound, out);
}

/* ---- comparison ---- */

/* Equal up to four roundings, which may be those of tiny numbers. */
static int agrees(double x, double y) {
  if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
  if (isinf(x) || isinf(y)) return x == y;
  return fabs(x - y) <= 4 * DBL_EPSILON * fabs(y) + 4 * DBL_TRUE_MIN;
}

/* The sign of a zero may change where 0 is added that is no operand: the start of a sum, a gap
 * between components. */
static int same_zero(double x, double y, const char *pattern) {
  return x != 0 || y != 0 || signbit(x) == signbit(y) || !strncmp(pattern, "Sum", 3) ||
         !strncmp(pattern, "Add(Real2Complex", 16);
}

static int choose(const rule *rule, binding *bound, rk_node *node, char *pattern, char *result) {
  for (int t = 0; t < TRIES; t++) {
    for (int k = 0; k < LETTERS; k++) {
      letter[k].dim = 1 + below(6);
      letter[k].is_logical = uniform() < 0.1;
      node[k] = (rk_node){.dim = letter[k].dim, .level = RK_LEVEL_I,
                          .is_logical = letter[k].is_logical};
      bound->node[k] = &node[k];
    }
    for (int k = 0; k < RK_NAMED_INTEGERS; k++) bound->integer[k] = below(7);
    if (!rule->holds(bound)) continue;
    with_integers(rule->pattern, bound, pattern, 200);
    with_integers(rule->result, bound, result, 200);
    if (fires(pattern, result)) return 1;
  }
  return 0;
}

static void test_rule(const rule *rule) {
  binding bound = {{NULL}, {0}};
  rk_node node[LETTERS];
  static vector direct, stepwise;
  char pattern[200], result[200], text[LETTERS][24];
  const char *declarations[LETTERS], *at = rule->pattern;
  rk_array inputs[LETTERS];
  if (!CHECK(choose(rule, &bound, node, pattern, result), rule->pattern)) return;
  for (int k = 0; k < LETTERS; k++) {
    for (int r = 0; r < ROWS * letter[k].dim; r++)
      letter[k].data[r] = letter[k].is_logical ? below(2) : special();
    inputs[k] = columns_of(letter[k].data, ROWS, letter[k].dim);
  }
  declare(text, declarations);
  int good = run_text(pattern, declarations, LETTERS, inputs, &direct) &&
             evaluate(&at, &bound, &stepwise) && direct.dim == stepwise.dim;
  for (int k = 0; good && k < ROWS * direct.dim; k++) {
    good = agrees(direct.data[k], stepwise.data[k]) &&
           same_zero(direct.data[k], stepwise.data[k], rule->pattern);
    if (!good) printf("  %s = %g, not %g\n", pattern, direct.data[k], stepwise.data[k]);
  }
  CHECK(good, rule->pattern);
}

int main(void) {
  check_configure();
  for (int k = 0; k < RULES; k++) test_rule(&rules[k]);
  return check_end();
}
