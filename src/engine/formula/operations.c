/* The table of operations and its use: see operations.def. */
#include "formula/operations.h"
#include "error.h"
#include "formula/composed.h"
#include "formula/parser.h"
#include "formula/rules.h"

#include <string.h>

/* First reading of the table: the rules on dimensions as functions. */
#define RULE_NAMES                                                                                 \
  const int da = d[0], db = d[1], dc = d[2], n = q[0], m = q[1], l = q[2];                         \
  (void)da; (void)db; (void)dc; (void)n; (void)m; (void)l
/* The line tells entries of one name apart. */
#define RK_RULE_(rule, name, line) rule##_##name##_##line
#define RK_RULE(rule, name, line) RK_RULE_(rule, name, line)
#define RULE(rule, name, line, value)                                                              \
  static int RK_RULE(rule, name, line)(const int *d, const int *q) { RULE_NAMES; return (value); }
#define D(...) 0
#define T(...) 0
#define S(...) 0
#define ELEMENTWISE(name, operands, integers, result, code, rules, doc)
#define FOLD(name, operands, start, next, place, end, rules, doc)
#define COMPOSED(name, operands, integers, lists, optional, build, doc)
#define DERIVATIVE(name, operands, optional, doc)
#define DEFINED(name, operands, integers, check_, expected, definition, doc)                       \
  RULE(check, name, __LINE__, check_)
#define ALTERNATIVE DEFINED
#define GENERATED(name, operands, integers, result, dim_, check_, expected, code, rules, doc)      \
  RULE(dim, name, __LINE__, dim_) RULE(check, name, __LINE__, check_)
#define MOVES(name, dim_, check_, ...)                                                             \
  RULE(dim, name, __LINE__, dim_) RULE(check, name, __LINE__, check_)                              \
  static int RK_RULE(pieces, name, __LINE__)(const int *d, const int *q, rk_piece *piece) {        \
    RULE_NAMES;                                                                                    \
    const int all[][sizeof(rk_piece) / sizeof(int)] = {__VA_ARGS__};                               \
    memcpy(piece, all, sizeof all);                                                                \
    return (int)(sizeof all / sizeof *all);                                                        \
  }
#define PIECES(name, operands, integers, dim_, check_, expected, rules, doc, ...)                  \
  MOVES(name, dim_, check_, __VA_ARGS__)
#define GROUPS(name, integers, dim_, check_, expected, start, next, rules, doc, ...)               \
  MOVES(name, dim_, check_, __VA_ARGS__)
#include "formula/operations.def"
#undef D
#undef T
#undef S
#undef ELEMENTWISE
#undef FOLD
#undef DEFINED
#undef ALTERNATIVE
#undef GENERATED
#undef PIECES
#undef GROUPS
#undef MOVES
#undef COMPOSED
#undef DERIVATIVE

/* Second reading: the table itself. */
#define NUMERIC RK_RESULT_NUMERIC
#define LOGICAL RK_RESULT_LOGICAL
#define LOGICAL_ONLY RK_RESULT_LOGICAL_ONLY
#define WHERE RK_RESULT_WHERE
#define D(...) .derivative = {__VA_ARGS__}
#define T(...) .transpose = {__VA_ARGS__}
#define S(...) .selects = {__VA_ARGS__}
#define B(...) /* bound/rules.c */
#define ELEMENTWISE(name_, operands_, integers_, result_, code_, rules, doc)                       \
  {.name = #name_, .op = RK_OP_##name_, .kind = RK_ELEMENTWISE,                                    \
   .operands = operands_, .integers = integers_,                                                   \
   .result = result_, .code = #code_, rules, .documentation = doc},
#define GENERATED(name_, operands_, integers_, result_, dim_, check_, expected_, code_, rules,     \
                  doc)                                                                             \
  {.name = #name_, .op = RK_OP_##name_, .kind = RK_ELEMENTWISE,                                    \
   .operands = operands_, .integers = integers_,                                                   \
   .result = result_, .dim_text = #dim_, .dim = RK_RULE(dim, name_, __LINE__),                     \
   .check = RK_RULE(check, name_, __LINE__),                                                       \
   .expected = expected_, .code = #code_, rules, .documentation = doc},
#define FOLD(name_, operands_, start_, next_, place_, end_, rules, doc)                            \
  {.name = #name_, .op = RK_OP_##name_, .kind = RK_FOLD,                                           \
   .operands = operands_, .start = #start_, .next = #next_,                                        \
   .place = #place_, .end = #end_, rules, .documentation = doc},
#define PIECES(name_, operands_, integers_, dim_, check_, expected_, rules, doc, ...)              \
  {.name = #name_, .op = RK_OP_##name_, .kind = RK_PIECES,                                         \
   .operands = operands_, .integers = integers_,                                                   \
   .dim_text = #dim_, .dim = RK_RULE(dim, name_, __LINE__),                                        \
   .check = RK_RULE(check, name_, __LINE__),                                                       \
   .pieces = RK_RULE(pieces, name_, __LINE__), .expected = expected_, rules,                       \
   .documentation = doc},
#define GROUPS(name_, integers_, dim_, check_, expected_, start_, next_, rules, doc, ...)          \
  {.name = #name_, .op = RK_OP_##name_, .kind = RK_FOLD, .operands = 1,                            \
   .integers = integers_, .start = #start_,                                                        \
   .next = #next_, .place = "p", .end = "s", .dim_text = #dim_,                                    \
   .dim = RK_RULE(dim, name_, __LINE__),                                                           \
   .check = RK_RULE(check, name_, __LINE__), .pieces = RK_RULE(pieces, name_, __LINE__),           \
   .expected = expected_, rules, .documentation = doc},
#define MEANS(name_, op_, is_alternative_, operands_, integers_, check_, expected_, definition_,   \
              doc)                                                                                 \
  {.name = #name_, .op = op_, .is_alternative = is_alternative_, .kind = RK_DEFINED,               \
   .operands = operands_, .integers = integers_, .check = RK_RULE(check, name_, __LINE__),         \
   .expected = expected_, .definition = definition_, .documentation = doc},
#define DEFINED(name_, ...) MEANS(name_, RK_OP_##name_, 0, __VA_ARGS__)
#define ALTERNATIVE(name_, ...) MEANS(name_, RK_OP_##name_, 1, __VA_ARGS__)
#define COMPOSED(name_, operands_, integers_, lists_, optional_, build_, doc)                      \
  {.name = #name_, .op = RK_OP_##name_, .kind = RK_COMPOSED,                                       \
   .operands = operands_, .integers = integers_,                                                   \
   .lists = lists_, .optional = optional_, .build = build_, .documentation = doc},
#define DERIVATIVE(name_, operands_, optional_, doc)                                               \
  {.name = #name_, .op = RK_OP_##name_, .kind = RK_DERIVATIVE,                                     \
   .operands = operands_, .optional = optional_,                                                   \
   .documentation = doc},
static const rk_operation table[] = {
#include "formula/operations.def"
};
enum { TABLE_SIZE = sizeof table / sizeof *table };

const rk_operation rk_operation_variable = {.name = "Variable", .op = RK_OP_Variable,
                                            .kind = RK_LEAF};
const rk_operation rk_operation_number = {.name = "Number", .op = RK_OP_Number, .kind = RK_LEAF};

const rk_operation *rk_operation_at(int k) { return k >= 0 && k < TABLE_SIZE ? &table[k] : NULL; }

/* The leaves are not in the table. */
const rk_operation *rk_operation_of(rk_op op) { return &table[op - RK_OP_Number - 1]; }

/* A hash table of names, made at the first call. */
enum { PLACES = 1024 };
static const rk_operation *by_name[PLACES];

static const rk_operation **place_of(const char *name) {
  unsigned hash = 5381;
  for (const char *c = name; *c; c++) hash = hash * 33 + (unsigned char)*c;
  while (by_name[hash % PLACES] && strcmp(by_name[hash % PLACES]->name, name)) hash++;
  return &by_name[hash % PLACES];
}

const rk_operation *rk_operation_find(const char *name) {
  static int is_filled;
  for (int k = 0; k < TABLE_SIZE && !is_filled; k++)
    if (!table[k].is_alternative) *place_of(table[k].name) = &table[k];
  is_filled = 1;
  return *place_of(name);
}

int rk_named_integer(const char *name, int length) {
  static const char names[RK_NAMED_INTEGERS] = {'n', 'm', 'l', 'p'};
  for (int k = 0; k < RK_NAMED_INTEGERS && length == 1; k++)
    if (names[k] == *name) return k;
  return -1;
}

int rk_chosen_operand(const rk_node *node) {
  if (!rk_node_is(node, RK_OP_Where)) return 0;
  return rk_is_number(node->operand[2], 0) ? 1 : rk_is_number(node->operand[1], 0) ? 2 : 0;
}

int rk_piece_source(const rk_piece *piece, int component, int *source) {
  int t = (component - piece->start) / piece->step;
  if (component < piece->start || (component - piece->start) % piece->step || t >= piece->length)
    return 0;
  *source = piece->offset + t / piece->divide % piece->modulo * piece->stride;
  for (int k = 0; k < RK_MAX_DIGITS - 1; k++)
    if (piece->more[k].divide)
      *source += t / piece->more[k].divide % piece->more[k].modulo * piece->more[k].stride;
  return 1;
}

int rk_node_pieces(const rk_node *node, rk_piece *pieces) {
  int d[RK_MAX_OPERANDS] = {0};
  for (int k = 0; k < node->operands; k++) d[k] = node->operand[k]->dim;
  int count = node->operation->pieces(d, node->integer, pieces);
  for (int k = 0; k < count; k++) {
    if (!pieces[k].step) pieces[k].step = 1;
    if (!pieces[k].stride) pieces[k].stride = 1;
  }
  return count;
}

int rk_piece_digits(const rk_piece *piece, rk_digit *digits) {
  const rk_digit first = {piece->divide, piece->modulo, piece->stride};
  int count = 0;
  for (int k = 0; k < RK_MAX_DIGITS; k++) {
    rk_digit digit = k ? piece->more[k - 1] : first;
    if (!digit.divide || digit.modulo == 1 || digit.divide >= piece->length) continue;
    if ((piece->length + digit.divide - 1) / digit.divide <= digit.modulo) digit.modulo = 0;
    digits[count++] = digit;
  }
  return count;
}

int rk_piece_is_affine(const rk_piece *piece) {
  rk_digit digit[RK_MAX_DIGITS];
  int digits = rk_piece_digits(piece, digit);
  return digits == 0 || (digits == 1 && digit[0].divide == 1 && !digit[0].modulo);
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

/* b + a is a + b where that is there already. */
static const rk_node *with_operands_swapped(const rk_graph *graph, const rk_node *node) {
  static const rk_op commutative[] = {RK_OP_Add, RK_OP_Mult, RK_OP_Equal, RK_OP_NotEqual,
                                      RK_OP_And, RK_OP_Or};
  rk_node swapped = *node;
  swapped.operand[0] = node->operand[1];
  swapped.operand[1] = node->operand[0];
  for (size_t k = 0; k < sizeof commutative / sizeof *commutative; k++)
    if (rk_node_is(node, commutative[k])) return rk_graph_find(graph, &swapped);
  return NULL;
}

static const rk_node *new_node(const application *app, int dim) {
  const rk_operation *operation = app->operation;
  rk_node node = {.operation = operation, .operands = operation->operands,
                  .integers = operation->integers, .dim = dim};
  for (int k = 0; k < operation->operands; k++) {
    node.operand[k] = app->operand[k];
    node.level |= app->operand[k]->level;
    node.is_result |= app->operand[k]->is_result;
  }
  if (node.level == RK_LEVEL_PAIR) node.is_result = 0;
  for (int k = 0; k < operation->integers; k++) node.integer[k] = app->q[k];
  node.is_logical = gives_logical(app);
  const rk_node *made = with_operands_swapped(app->graph, &node);
  if (!made) made = rk_graph_intern(app->graph, &node);
  if (!made) rk_fail(app->error, RK_ERROR_MEMORY, "out of memory while building a formula");
  return made;
}

static const rk_node *parse_definition(const application *app) {
  static const char *const names[RK_MAX_OPERANDS] = {"a", "b", "c", "d"};
  rk_name name[RK_MAX_OPERANDS];
  for (int k = 0; k < app->operation->operands; k++)
    name[k] = (rk_name){names[k], app->operand[k]};
  return rk_parse_definition(app->graph, app->operation->definition, name,
                             app->operation->operands, app->q, NULL, app->error);
}

static const rk_node *apply_entry(application *app) {
  const rk_operation *operation = app->operation;
  if (operation->kind == RK_DEFINED)
    return parse_definition(app);
  if (operation->kind == RK_COMPOSED)
    return operation->build(app->graph, app->operand, app->q, NULL, app->error);
  int dim = operation->dim               ? operation->dim(app->d, app->q)
            : operation->kind == RK_FOLD ? 1
                                         : broadcast_dim(app);
  if (!dim) return refuse_dimensions(app, "equal dimensions, or dimension 1");
  if (dim > RK_MAX_DIM || dim < 1) {
    rk_fail(app->error, RK_ERROR_FORMULA, "%s: dimension %d is out of range (1 to %d)",
            operation->name, dim, RK_MAX_DIM);
    return NULL;
  }
  const rk_node *shorter = rk_simpler(app->graph, operation, app->operand, app->q, app->error);
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

/* The first entry of the operation's name whose check holds, or NULL. */
static const rk_operation *matching_entry(application *app, rk_op op) {
  app->operation = rk_operation_of(op);
  do {
    if (!app->operation->check || app->operation->check(app->d, app->q)) return app->operation;
    app->operation++;
  } while (app->operation < table + TABLE_SIZE && app->operation->is_alternative);
  return NULL;
}

const rk_node *rk_apply(rk_graph *graph, rk_op op, const rk_node *const *operand, int operands,
                        const int *integer, int integers, rk_error *error) {
  application app = {.graph = graph, .operand = operand, .integer = integer, .error = error};
  const rk_operation *first = rk_operation_of(op);
  if (operands != first->operands || integers != first->integers)
    return refuse_arity(first, operands, integers, error);
  for (int k = 0; k < operands; k++) {
    if (!operand[k]) return NULL;
    app.d[k] = operand[k]->dim;
  }
  for (int k = 0; k < integers; k++) app.q[k] = integer[k];
  if (op == RK_OP_IfElse && operand[0]->is_logical) op = RK_OP_Where;
  if (!matching_entry(&app, op)) {
    app.operation = rk_operation_of(op);
    return refuse_dimensions(&app, first->expected);
  }
  if (!kinds_fit(&app)) {
    rk_fail(error, RK_ERROR_FORMULA,
            app.operation->result == RK_RESULT_WHERE
                ? "%s: expected a logical test (a comparison), found a number; use IfElse for a "
                  "test of a >= 0"
                : "%s: expected logical operands (comparisons), found a number",
            app.operation->name);
    return NULL;
  }
  return apply_entry(&app);
}

const rk_node *rk_apply_lists(rk_graph *graph, rk_op op, const rk_arguments *given,
                              rk_error *error) {
  const rk_operation *operation = rk_operation_of(op);
  if (given->operands != operation->operands || given->integers != operation->integers)
    return refuse_arity(operation, given->operands, given->integers, error);
  return operation->build(graph, given->operand, given->integer, given->list, error);
}

const rk_node *rk_apply1(rk_graph *graph, rk_op op, const rk_node *a, rk_error *error) {
  return rk_apply(graph, op, &a, 1, NULL, 0, error);
}

const rk_node *rk_apply2(rk_graph *graph, rk_op op, const rk_node *a, const rk_node *b,
                         rk_error *error) {
  const rk_node *operand[] = {a, b};
  return rk_apply(graph, op, operand, 2, NULL, 0, error);
}
