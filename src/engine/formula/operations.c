/* The table of operations and its use: see operations.def. */
#include "formula/operations.h"
#include "error.h"
#include "formula/parser.h"

#include <string.h>

/* First reading of the table: the rules on dimensions as functions. */
#define RULE_NAMES                                                                                 \
  const int da = d[0], db = d[1], dc = d[2], n = q[0], m = q[1];                                   \
  (void)da; (void)db; (void)dc; (void)n; (void)m
/* The line tells entries of one name apart. */
#define RK_RULE_(rule, name, line) rule##_##name##_##line
#define RK_RULE(rule, name, line) RK_RULE_(rule, name, line)
#define RULE(rule, name, line, value)                                                              \
  static int RK_RULE(rule, name, line)(const int *d, const int *q) { RULE_NAMES; return (value); }
#define D(...) 0
#define T(...) 0
#define ELEMENTWISE(name, operands, integers, result, code, rules, doc)
#define FOLD(name, start, next, place, end, rules, doc)
#define DEFINED(name, operands, integers, check_, expected, definition, doc)                       \
  RULE(check, name, __LINE__, check_)
#define GENERATED(name, operands, integers, dim_, check_, expected, code, rules, doc)              \
  RULE(dim, name, __LINE__, dim_) RULE(check, name, __LINE__, check_)
#define PIECES(name, operands, integers, dim_, check_, expected, rules, doc, ...)                  \
  RULE(dim, name, __LINE__, dim_) RULE(check, name, __LINE__, check_)                              \
  static int RK_RULE(pieces, name, __LINE__)(const int *d, const int *q, rk_piece *piece) {        \
    RULE_NAMES;                                                                                    \
    const rk_piece all[] = {__VA_ARGS__};                                                          \
    memcpy(piece, all, sizeof all);                                                                \
    return (int)(sizeof all / sizeof *all);                                                        \
  }
#include "formula/operations.def"
#undef D
#undef T
#undef ELEMENTWISE
#undef FOLD
#undef DEFINED
#undef GENERATED
#undef PIECES

/* Second reading: the table itself. */
#define NUMERIC RK_RESULT_NUMERIC
#define LOGICAL RK_RESULT_LOGICAL
#define LOGICAL_ONLY RK_RESULT_LOGICAL_ONLY
#define WHERE RK_RESULT_WHERE
#define D(...) .derivative = {__VA_ARGS__}
#define T(...) .transpose = {__VA_ARGS__}
#define ELEMENTWISE(name_, operands_, integers_, result_, code_, rules, doc)                       \
  {.name = #name_, .kind = RK_ELEMENTWISE, .operands = operands_, .integers = integers_,           \
   .result = result_, .code = #code_, rules, .documentation = doc},
#define GENERATED(name_, operands_, integers_, dim_, check_, expected_, code_, rules, doc)         \
  {.name = #name_, .kind = RK_ELEMENTWISE, .operands = operands_, .integers = integers_,           \
   .dim = RK_RULE(dim, name_, __LINE__), .check = RK_RULE(check, name_, __LINE__),     \
   .expected = expected_, .code = #code_, rules, .documentation = doc},
#define FOLD(name_, start_, next_, place_, end_, rules, doc)                                       \
  {.name = #name_, .kind = RK_FOLD, .operands = 1, .start = #start_, .next = #next_,               \
   .place = #place_, .end = #end_, rules, .documentation = doc},
#define PIECES(name_, operands_, integers_, dim_, check_, expected_, rules, doc, ...)              \
  {.name = #name_, .kind = RK_PIECES, .operands = operands_, .integers = integers_,                \
   .dim = RK_RULE(dim, name_, __LINE__), .check = RK_RULE(check, name_, __LINE__),     \
   .pieces = RK_RULE(pieces, name_, __LINE__), .expected = expected_, rules,                 \
   .documentation = doc},
#define DEFINED(name_, operands_, integers_, check_, expected_, definition_, doc)                  \
  {.name = #name_, .kind = RK_DEFINED, .operands = operands_, .integers = integers_,               \
   .check = RK_RULE(check, name_, __LINE__), .expected = expected_,                          \
   .definition = definition_, .documentation = doc},
static const rk_operation table[] = {
#include "formula/operations.def"
};
enum { TABLE_SIZE = sizeof table / sizeof *table };

const rk_operation rk_operation_variable = {.name = "Variable", .kind = RK_LEAF};
const rk_operation rk_operation_number = {.name = "Number", .kind = RK_LEAF};

const rk_operation *rk_operation_at(int k) { return k >= 0 && k < TABLE_SIZE ? &table[k] : NULL; }

const rk_operation *rk_operation_find(const char *name) {
  for (int k = 0; k < TABLE_SIZE; k++)
    if (!strcmp(table[k].name, name)) return &table[k];
  return NULL;
}

int rk_node_is(const rk_node *node, const char *name) {
  return node->operation && !strcmp(node->operation->name, name);
}

int rk_node_pieces(const rk_node *node, rk_piece *pieces) {
  int d[RK_MAX_OPERANDS] = {0};
  for (int k = 0; k < node->operands; k++) d[k] = node->operand[k]->dim;
  return node->operation->pieces(d, node->integer, pieces);
}

/* ---- checked application ---- */

typedef struct {
  rk_graph *graph;
  const rk_operation *operation;
  const rk_node *const *operand;
  const int *integer;
  int d[RK_MAX_OPERANDS], q[RK_MAX_INTEGERS];
  rk_error *error;
} application;

static void operand_dimensions(const application *app, rk_text *text) {
  for (int k = 0; k < app->operation->operands; k++)
    rk_text_format(text, "%s%d", k ? ", " : "", app->d[k]);
}

static const rk_node *refuse_dimensions(const application *app, const char *expected) {
  rk_text got = {0};
  operand_dimensions(app, &got);
  for (int k = 0; k < app->operation->integers; k++)
    rk_text_format(&got, "%s%d", k ? ", " : "; integers: ", app->q[k]);
  rk_fail(app->error, RK_ERROR_FORMULA, "%s: expected %s, found dimension%s %s",
          app->operation->name, expected, app->operation->operands > 1 ? "s" : "",
          rk_text_string(&got));
  rk_text_free(&got);
  return NULL;
}

/* The broadcast dimension: all operands have it, or dimension 1. 0 when they do not fit. */
static int broadcast_dim(const application *app) {
  int dim = 1;
  for (int k = 0; k < app->operation->operands; k++)
    if (app->d[k] > dim) dim = app->d[k];
  for (int k = 0; k < app->operation->operands; k++)
    if (app->d[k] != dim && app->d[k] != 1) return 0;
  return dim;
}

static int kinds_fit(const application *app) {
  if (app->operation->result == RK_RESULT_LOGICAL_ONLY) {
    for (int k = 0; k < app->operation->operands; k++)
      if (!app->operand[k]->is_logical) return 0;
  } else if (app->operation->result == RK_RESULT_WHERE) {
    return app->operand[0]->is_logical;
  }
  return 1;
}

static int gives_logical(const application *app) {
  const rk_operation *operation = app->operation;
  return operation->result == RK_RESULT_LOGICAL || operation->result == RK_RESULT_LOGICAL_ONLY ||
         (operation->kind == RK_PIECES && app->operand[0]->is_logical && operation->operands == 1);
}

static const rk_node *new_node(const application *app, int dim) {
  const rk_operation *operation = app->operation;
  rk_node node = {.operation = operation, .operands = operation->operands,
                  .integers = operation->integers, .dim = dim};
  for (int k = 0; k < operation->operands; k++) {
    node.operand[k] = app->operand[k];
    node.level |= app->operand[k]->level;
  }
  for (int k = 0; k < operation->integers; k++) node.integer[k] = app->q[k];
  node.is_logical = gives_logical(app);
  const rk_node *made = rk_graph_intern(app->graph, &node);
  if (!made) rk_fail(app->error, RK_ERROR_MEMORY, "out of memory while building a formula");
  return made;
}

/* Rules that change nothing but rounding: neutral elements and double signs. */
static const rk_node *local_rule(const application *app) {
  const rk_node *a = app->operand[0], *b = app->operation->operands > 1 ? app->operand[1] : NULL;
  const char *name = app->operation->name;
  if (!strcmp(name, "Minus")) return rk_node_is(a, "Minus") ? a->operand[0] : NULL;
  if (!strcmp(name, "Mult")) {
    if (rk_is_number(a, 1)) return b;
    if (rk_is_number(b, 1)) return a;
    if (rk_is_number(a, -1)) return rk_apply1(app->graph, "Minus", b, app->error);
    if (rk_is_number(b, -1)) return rk_apply1(app->graph, "Minus", a, app->error);
    if (a == b) return rk_apply1(app->graph, "Square", a, app->error);
  }
  if (!strcmp(name, "Divide")) {
    if (rk_is_number(b, 1)) return a;
    if (rk_is_number(a, 1)) return rk_apply1(app->graph, "Inv", b, app->error);
  }
  if (!strcmp(name, "Sum")) return a->dim == 1 && !a->is_logical ? a : NULL;
  if (!strcmp(name, "Pow") && app->q[0] == 1) return a;
  if (!strcmp(name, "Pow") && app->q[0] == 2) return rk_apply1(app->graph, "Square", a, app->error);
  if (!strcmp(name, "Pow") && app->q[0] == -1) return rk_apply1(app->graph, "Inv", a, app->error);
  if (!strcmp(name, "SumT") && app->q[0] == 1) return a;
  return NULL;
}

static const rk_node *apply_entry(application *app) {
  const rk_operation *operation = app->operation;
  if (operation->kind == RK_DEFINED)
    return rk_parse_definition(app->graph, operation->definition, app->operand,
                               operation->operands, app->q, app->error);
  int dim = operation->kind == RK_FOLD ? 1
            : operation->dim           ? operation->dim(app->d, app->q)
                                       : broadcast_dim(app);
  if (!dim) return refuse_dimensions(app, "equal dimensions, or dimension 1");
  if (dim > RK_MAX_DIM || dim < 1) {
    rk_fail(app->error, RK_ERROR_FORMULA, "%s: dimension %d is out of range (1 to %d)",
            operation->name, dim, RK_MAX_DIM);
    return NULL;
  }
  const rk_node *shorter = local_rule(app);
  if (shorter && shorter->dim == dim && shorter->is_logical == gives_logical(app)) return shorter;
  if (app->error && app->error->status) return NULL;
  return new_node(app, dim);
}

static const rk_node *refuse_arity(const rk_operation *operation, int operands, int integers,
                                   rk_error *error) {
  if (operands != operation->operands && integers == operation->integers)
    rk_fail(error, RK_ERROR_FORMULA, "%s: expected %d operand%s, found %d", operation->name,
            operation->operands, operation->operands == 1 ? "" : "s", operands);
  else
    rk_fail(error, RK_ERROR_FORMULA,
            "%s: expected %d operand%s and %d integer%s, found %d and %d", operation->name,
            operation->operands, operation->operands == 1 ? "" : "s", operation->integers,
            operation->integers == 1 ? "" : "s", operands, integers);
  return NULL;
}

static const rk_operation *matching_entry(application *app, const char *name) {
  for (int k = 0; k < TABLE_SIZE; k++) {
    if (strcmp(table[k].name, name)) continue;
    app->operation = &table[k];
    if (!table[k].check || table[k].check(app->d, app->q)) return app->operation;
  }
  return NULL;
}

const rk_node *rk_apply(rk_graph *graph, const char *name, const rk_node *const *operand,
                        int operands, const int *integer, int integers, rk_error *error) {
  application app = {.graph = graph, .operand = operand, .integer = integer, .error = error};
  const rk_operation *first = rk_operation_find(name);
  if (!first) {
    rk_fail(error, RK_ERROR_FORMULA, "unknown operation %s", name);
    return NULL;
  }
  if (operands != first->operands || integers != first->integers)
    return refuse_arity(first, operands, integers, error);
  for (int k = 0; k < operands; k++) {
    if (!operand[k]) return NULL;
    app.d[k] = operand[k]->dim;
  }
  for (int k = 0; k < integers; k++) app.q[k] = integer[k];
  if (!strcmp(name, "IfElse") && operand[0]->is_logical) name = "Where";
  app.operation = first;
  if (!matching_entry(&app, name)) return refuse_dimensions(&app, first->expected);
  if (!kinds_fit(&app)) {
    rk_fail(error, RK_ERROR_FORMULA,
            app.operation->result == RK_RESULT_WHERE
                ? "%s: expected a logical test (a comparison), found a number; use IfElse for a "
                  "test of a >= 0"
                : "%s: expected logical operands (comparisons), found a number",
            name);
    return NULL;
  }
  return apply_entry(&app);
}

const rk_node *rk_apply1(rk_graph *graph, const char *name, const rk_node *a, rk_error *error) {
  return rk_apply(graph, name, &a, 1, NULL, 0, error);
}

const rk_node *rk_apply2(rk_graph *graph, const char *name, const rk_node *a, const rk_node *b,
                         rk_error *error) {
  const rk_node *operand[] = {a, b};
  return rk_apply(graph, name, operand, 2, NULL, 0, error);
}
