/* Simplification at construction: patterns of rules.def, and numbers that are folded. */
#include "formula/rules.h"
#include "error.h"
#include "formula/parser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LETTERS = 4 };

/* What the letters of a pattern stand for. */
typedef struct {
  const rk_node *node[LETTERS];
  int integer[RK_MAX_INTEGERS];
  int has_integer[RK_NAMED_INTEGERS];
} binding;

typedef struct {
  const char *pattern;
  int (*holds)(const binding *bound);
  const char *result;
} rule;

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
#define RULE(pattern_, condition, result_) {pattern_, RK_HOLDS(__LINE__), result_},
static const rule rules[] = {
#include "formula/rules.def"
};
enum { RULES = sizeof rules / sizeof *rules };

/* ---- matching: each function goes past what it matched ---- */

static int match_node(const char **at, const rk_node *node, binding *bound);

static int match_integer(const char **at, int value, binding *bound) {
  if (!rk_is_letter(**at)) return strtol(*at, (char **)at, 10) == value;
  int k = rk_named_integer(*at, 1);
  (*at)++;
  if (bound->has_integer[k]) return bound->integer[k] == value;
  bound->has_integer[k] = 1;
  bound->integer[k] = value;
  return 1;
}

static int match_arguments(const char **at, const rk_operation *operation,
                           const rk_node *const *operand, const int *integer, binding *bound) {
  for (int k = 0; k < operation->operands + operation->integers; k++) {
    (*at)++; /* the parenthesis or the comma before */
    if (k < operation->operands ? !match_node(at, operand[k], bound)
                                : !match_integer(at, integer[k - operation->operands], bound))
      return 0;
  }
  return *(*at)++ == ')';
}

static int match_name(const char **at, const char *name) {
  size_t length = strlen(name);
  if (strncmp(*at, name, length) || (*at)[length] != '(') return 0;
  *at += length;
  return 1;
}

static int match_number(const char **at, const rk_node *node) {
  double value = NAN;
  *at = rk_read_number(*at, &value);
  return rk_is_number(node, value) && !signbit(node->value) == !signbit(value); /* zeros differ */
}

static int match_node(const char **at, const rk_node *node, binding *bound) {
  if (rk_is_lower(**at)) {
    const rk_node **place = &bound->node[*(*at)++ - 'a'];
    if (!*place) *place = node;
    return *place == node;
  }
  if (!rk_is_letter(**at)) return match_number(at, node);
  return node->operands && node->operation && match_name(at, node->operation->name) &&
         match_arguments(at, node->operation, node->operand, node->integer, bound);
}

static const rk_node *result_of(rk_graph *graph, const rule *rule, const binding *bound,
                                rk_error *error) {
  static const char *const letter[LETTERS] = {"a", "b", "c", "d"};
  rk_name names[LETTERS];
  int count = 0;
  for (int k = 0; k < LETTERS; k++)
    if (bound->node[k]) names[count++] = (rk_name){letter[k], bound->node[k]};
  return rk_parse_definition(graph, rule->result, names, count, bound->integer, NULL, error);
}

/* ---- numbers ---- */

static const rk_node *folded(rk_graph *graph, const rk_operation *operation,
                             const rk_node *const *operand) {
  double value = NAN, a, b;
  for (int k = 0; k < operation->operands; k++)
    if (!rk_node_is(operand[k], RK_OP_Number)) return NULL;
  if (operation->operands == 0 || operation->operands > 2 || operation->integers) return NULL;
  a = operand[0]->value;
  b = operation->operands > 1 ? operand[1]->value : 0;
  switch (operation->op) {
    case RK_OP_Add: value = a + b; break;
    case RK_OP_Subtract: value = a - b; break;
    case RK_OP_Mult: value = a * b; break;
    case RK_OP_Divide: value = a / b; break;
    case RK_OP_Minus: value = -a; break;
    case RK_OP_Square: value = a * a; break;
    case RK_OP_Inv: value = 1 / a; break;
    default: break;
  }
  return isfinite(value) && fabs(value) < 0x1p100 ? rk_number(graph, value) : NULL;
}

const rk_node *rk_simpler(rk_graph *graph, const rk_operation *operation,
                          const rk_node *const *operand, const int *integer, rk_error *error) {
  const rk_node *number = folded(graph, operation, operand);
  if (number) return number;
  for (int k = 0; k < RULES; k++) {
    const char *at = rules[k].pattern;
    binding bound = {.node = {NULL}};
    if (match_name(&at, operation->name) &&
        match_arguments(&at, operation, operand, integer, &bound) && rules[k].holds(&bound))
      return result_of(graph, &rules[k], &bound, error);
  }
  return NULL;
}
