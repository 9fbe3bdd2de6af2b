/* Recursive descent over the grammar, one function for each rule; the rule stands above it.
 *
 *   text = { name "=" expression ";" } expression { "," expression } [ ";" ]
 *
 * From loosest to tightest: "&"; comparisons; "|"; "+ -"; "* /"; signs and "!"; powers; calls.
 * Errors name the place: the line of the text with a caret below it.
 */
#include "formula/parser.h"
#include "derive/derive.h"
#include "error.h"
#include "formula/operations.h"
#include "formula/reductions.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 3000, MAX_NAME = 200, MAX_SHOWN = 160 };

typedef struct {
  rk_graph *graph;
  const char *what;          /* "formula" or "declaration", for messages */
  const char *text, *at;
  rk_error *error;
  int depth;
  rk_name *names;            /* definitions; in a text of a table, operands */
  int name_count, name_capacity;
  const int *integer;        /* a text of a table: numbers are exact, integers have names */
  const rk_node *over;       /* there: the reduction whose index is called "o" */
  int positions;             /* declarations: 0 not known yet, 1 given, -1 not given */
} parser;

static const rk_node *expression(parser *p);
static const rk_node *unary(parser *p);

/* ---- errors ---- */

static const rk_node *fail_at(parser *p, const char *place, const char *format, ...)
    RK_PRINTF(3, 4);

/* The line of the text that holds `place`, cut around it when long, with a caret below. */
static void show_place(parser *p, const char *place, rk_text *message) {
  const char *first = place, *last = place;
  while (first > p->text && first[-1] != '\n' && place - first < MAX_SHOWN / 2) first--;
  while (*last && *last != '\n' && last - first < MAX_SHOWN) last++;
  int before = first > p->text && first[-1] != '\n', after = *last && *last != '\n';
  rk_text_format(message, "\n  %s%.*s%s\n  %*s^", before ? "..." : "", (int)(last - first), first,
                 after ? "..." : "", (int)(place - first) + (before ? 3 : 0), "");
}

static const rk_node *fail_at(parser *p, const char *place, const char *format, ...) {
  if (p->error->status) return NULL; /* the first error is the one that counts */
  rk_text message = {0};
  va_list arguments;
  va_start(arguments, format);
  rk_text_vformat(&message, format, arguments);
  va_end(arguments);
  rk_text_format(&message, " (character %ld of the %s)", (long)(place - p->text) + 1, p->what);
  show_place(p, place, &message);
  rk_fail(p->error, RK_ERROR_FORMULA, "%s", rk_text_string(&message));
  rk_text_free(&message);
  return NULL;
}

/* Adds the place to a message that rk_apply wrote. */
static const rk_node *place_error(parser *p, const char *place) {
  if (p->error->status != RK_ERROR_FORMULA || p->integer) return NULL;
  rk_error inner = *p->error;
  if (strstr(inner.message, "\n  ")) return NULL;
  p->error->status = RK_OK;
  return fail_at(p, place, "%s", inner.message);
}

static const rk_node *in_graph(parser *p, const rk_node *node) {
  if (!node && !p->error->status)
    rk_fail(p->error, RK_ERROR_MEMORY, "out of memory while reading a formula");
  return node;
}

/* ---- words ---- */

static void skip_blanks(parser *p) {
  while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r') p->at++;
}

static int next_is(parser *p, const char *symbol) {
  skip_blanks(p);
  return !strncmp(p->at, symbol, strlen(symbol));
}

static int take(parser *p, const char *symbol) {
  if (!next_is(p, symbol)) return 0;
  p->at += strlen(symbol);
  return 1;
}

static const char *found(parser *p, char *buffer) {
  skip_blanks(p);
  if (!*p->at) return "the end of the text";
  const unsigned char *at = (const unsigned char *)p->at;
  int length = 1;
  if (isalnum(*at)) while (length < 40 && (isalnum(at[length]) || at[length] == '_')) length++;
  else while (length < 4 && (at[length] & 0xC0) == 0x80) length++; /* a whole UTF-8 character */
  memcpy(buffer + 1, at, (size_t)length);
  buffer[0] = buffer[length + 1] = '\'';
  buffer[length + 2] = 0;
  return buffer;
}

static int expect(parser *p, const char *symbol, const char *after) {
  if (take(p, symbol)) return 1;
  char buffer[64];
  const char *what = found(p, buffer);
  fail_at(p, p->at, "expected '%s' %s, found %s", symbol, after, what);
  return 0;
}

static int is_name_start(char c) { return isalpha((unsigned char)c) || c == '_' || c == '.'; }
static int is_name_part(char c) { return isalnum((unsigned char)c) || c == '_' || c == '.'; }

/* Reads a name into `name`; 0 when there is none or it is too long. */
static int take_name(parser *p, char *name) {
  skip_blanks(p);
  if (!is_name_start(*p->at) || (*p->at == '.' && !is_name_start(p->at[1]))) return 0;
  int length = 0;
  while (is_name_part(p->at[length])) length++;
  if (length >= MAX_NAME) {
    fail_at(p, p->at, "a name of %d characters is too long (at most %d)", length, MAX_NAME - 1);
    return 0;
  }
  memcpy(name, p->at, (size_t)length);
  name[length] = 0;
  p->at += length;
  return 1;
}

static int at_number(parser *p) {
  skip_blanks(p);
  return isdigit((unsigned char)*p->at) || (*p->at == '.' && isdigit((unsigned char)p->at[1]));
}

/* A decimal literal, read by hand up to its end so that "inf", "0x1" and the locale play no part.
 */
static int take_number(parser *p, double *value, int *is_integer) {
  if (!at_number(p)) return 0;
  const char *at = p->at;
  *is_integer = 1;
  while (isdigit((unsigned char)*at)) at++;
  if (*at == '.') {
    *is_integer = 0;
    at++;
    while (isdigit((unsigned char)*at)) at++;
  }
  if (*at == 'e' || *at == 'E') {
    const char *digits = at + 1 + (at[1] == '+' || at[1] == '-');
    if (isdigit((unsigned char)*digits)) {
      *is_integer = 0;
      while (isdigit((unsigned char)*digits)) digits++;
      at = digits;
    }
  }
  *value = strtod(p->at, NULL);
  if (is_name_part(*at)) {
    fail_at(p, at, "expected an operator after the number, found '%c'", *at);
    return 0;
  }
  p->at = at;
  return 1;
}

/* ---- nearest names ---- */

static int distance(const char *a, const char *b) {
  int la = (int)strlen(a), lb = (int)strlen(b), row[MAX_NAME + 1];
  for (int k = 0; k <= lb; k++) row[k] = k;
  for (int i = 1; i <= la; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int k = 1; k <= lb; k++) {
      int change =
          diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[k - 1]));
      diagonal = row[k];
      if (row[k] + 1 < change) change = row[k] + 1;
      if (row[k - 1] + 1 < change) change = row[k - 1] + 1;
      row[k] = change;
    }
  }
  return row[lb];
}

typedef struct { const char *wanted, *best; int distance; } nearest;

static void consider(nearest *n, const char *candidate) {
  if (!candidate || strlen(candidate) > MAX_NAME || !strcmp(candidate, n->wanted)) return;
  int d = distance(n->wanted, candidate);
  if (d < n->distance) {
    n->distance = d;
    n->best = candidate;
  }
}

static const char *const special_names[] = {"Vi", "Vj", "Pm", "Var", "IntCst", "RatCst", "IntInv",
                                            "Zero"};
enum { SPECIAL_NAMES = sizeof special_names / sizeof *special_names };

/* A known name like this one, or NULL: operations when it is called, variables when it is not. */
static const char *nearest_name(parser *p, const char *name, int is_called) {
  nearest n = {name, NULL, (int)strlen(name) / 3 + 2};
  const rk_operation *operation;
  if (is_called) {
    for (int k = 0; (operation = rk_operation_at(k)); k++)
      if (isupper((unsigned char)operation->name[0])) consider(&n, operation->name);
    for (int k = 0; k < SPECIAL_NAMES; k++) consider(&n, special_names[k]);
  } else {
    for (int k = 0; k < p->name_count; k++) consider(&n, p->names[k].name);
    for (int k = 0; k < rk_graph_variables(p->graph); k++)
      consider(&n, rk_graph_variable_at(p->graph, k)->name);
  }
  return n.best;
}

static const rk_node *fail_unknown(parser *p, const char *place, const char *name, int is_called) {
  const char *like = nearest_name(p, name, is_called);
  return fail_at(p, place, "unknown %s '%s'%s%s%s", is_called ? "operation" : "name", name,
                 like ? "; did you mean '" : is_called ? "" : ": neither declared nor defined",
                 like ? like : "", like ? "'?" : "");
}

/* ---- variables ---- */

static int find_variable(rk_graph *graph, const char *name) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    if (v->origin == RK_FROM_INPUT && !strcmp(v->name, name)) return k;
  }
  return -1;
}

static int find_position(rk_graph *graph, int position) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    if (v->origin == RK_FROM_INPUT && v->source == position) return k;
  }
  return -1;
}

static int input_count(rk_graph *graph) {
  int count = 0;
  for (int k = 0; k < rk_graph_variables(graph); k++)
    count += rk_graph_variable_at(graph, k)->origin == RK_FROM_INPUT;
  return count;
}

static int integer_expression(parser *p, int *value);

typedef struct { rk_kind kind; int dim, position; const char *place; } variable_text;

static int kind_of_name(const char *name, rk_kind *kind) {
  static const char *const names[] = {"Vi", "Vj", "Pm"};
  for (int k = 0; k < 3; k++)
    if (!strcmp(name, names[k])) return *kind = (rk_kind)k, 1;
  return 0;
}

/* "(dim)" or "(position, dim)" after Vi, Vj, Pm; "(position, dim, category)" after Var. */
static int variable_arguments(parser *p, const char *name, variable_text *v) {
  int value[3], count = 0, is_var = !strcmp(name, "Var");
  v->position = -1;
  if (!expect(p, "(", "after the kind of a variable")) return 0;
  do {
    if (count == 3 || !integer_expression(p, &value[count])) break;
    count++;
  } while (take(p, ","));
  if (p->error->status || !expect(p, ")", "after the dimension of a variable")) return 0;
  if (is_var ? count != 3 : count < 1 || count > 2) {
    fail_at(p, v->place, "%s: expected %s", name,
            is_var ? "(position, dimension, category)" : "(dimension) or (position, dimension)");
    return 0;
  }
  if (is_var) {
    if (value[2] < 0 || value[2] > 2) {
      fail_at(p, v->place, "Var: expected category 0, 1 or 2, found %d", value[2]);
      return 0;
    }
    v->kind = (rk_kind)value[2];
  }
  v->dim = value[count == 1 ? 0 : 1];
  if (count > 1) v->position = value[0];
  if (v->dim < 1 || v->dim > RK_MAX_DIM) {
    fail_at(p, v->place, "expected a dimension from 1 to %d, found %d", RK_MAX_DIM, v->dim);
    return 0;
  }
  if (count > 1 && (v->position < 0 || v->position > 9999)) {
    fail_at(p, v->place, "expected a position from 0 to 9999, found %d", v->position);
    return 0;
  }
  return 1;
}

static int add_input(parser *p, const char *name, const variable_text *v, int position) {
  rk_graph_variable variable = {.name = rk_graph_copy_text(p->graph, name, strlen(name)),
                                .kind = v->kind, .dim = v->dim, .origin = RK_FROM_INPUT,
                                .source = position, .declared = 1};
  int added = variable.name ? rk_graph_add_variable(p->graph, &variable) : -1;
  if (added < 0) rk_fail(p->error, RK_ERROR_MEMORY, "out of memory while reading a formula");
  return added;
}

/* A variable written in the formula itself: the one of that position, or a new one. */
static const rk_node *variable_in_place(parser *p, const char *name, const char *place) {
  variable_text v = {.place = place};
  kind_of_name(name, &v.kind);
  if (!variable_arguments(p, name, &v)) return NULL;
  int position = v.position < 0 ? input_count(p->graph) : v.position;
  int k = find_position(p->graph, position);
  if (k >= 0) {
    const rk_graph_variable *known = rk_graph_variable_at(p->graph, k);
    if (known->kind != v.kind || known->dim != v.dim)
      return fail_at(p, place, "position %d is already '%s', of another kind or dimension (%d)",
                     position, known->name, known->dim);
  } else {
    char written[64];
    snprintf(written, sizeof written, "%s(%d,%d)", (const char *[]){"Vi", "Vj", "Pm"}[v.kind],
             position, v.dim);
    k = add_input(p, written, &v, position);
    if (k < 0) return NULL;
  }
  return in_graph(p, rk_variable_node(p->graph, k));
}

/* declaration = [ name "=" ] ("Vi"|"Vj"|"Pm"|"Var") arguments */
static void declaration(parser *p, int index) {
  char name[MAX_NAME] = "", kind[MAX_NAME];
  const char *place;
  skip_blanks(p);
  place = p->at;
  variable_text v = {.place = place};
  if (!take_name(p, kind)) {
    fail_at(p, p->at, "expected 'name = Vi(dimension)', Vj(dimension) or Pm(dimension)");
    return;
  }
  if (take(p, "=")) {
    strcpy(name, kind);
    skip_blanks(p);
    v.place = p->at;
    if (!take_name(p, kind)) kind[0] = 0;
  }
  if (!kind_of_name(kind, &v.kind) && strcmp(kind, "Var")) {
    fail_at(p, v.place, "expected Vi, Vj or Pm, found '%s'", kind);
    return;
  }
  if (!variable_arguments(p, kind, &v)) return;
  skip_blanks(p);
  if (*p->at) {
    fail_at(p, p->at, "expected the end of the declaration");
    return;
  }
  int given = v.position >= 0 ? 1 : -1;
  if (p->positions && p->positions != given) {
    fail_at(p, place, "either all declarations give a position or none does");
    return;
  }
  p->positions = given;
  int position = given > 0 ? v.position : index;
  if (!name[0]) snprintf(name, sizeof name, "%.3s(%d,%d)", kind, position, v.dim);
  if (find_variable(p->graph, name) >= 0) fail_at(p, place, "'%s' is declared twice", name);
  else if (find_position(p->graph, position) >= 0)
    fail_at(p, place, "position %d is declared twice", position);
  else add_input(p, name, &v, position);
}

/* ---- integers ---- */

static int named_integer(parser *p, const char *name, int *value) {
  if (!p->integer) return 0;
  int which = rk_named_integer(name, (int)strlen(name));
  if (which >= 0) return *value = p->integer[which], 1;
  for (int k = 0; k < p->name_count && name[0] == 'd'; k++)
    if (!strcmp(name + 1, p->names[k].name)) return *value = p->names[k].node->dim, 1;
  return 0;
}

/* integer_atom = {"-"} (digits | "(" integer ")") */
static int integer_atom(parser *p, long *value) {
  int small, sign = 1;
  while (take(p, "-")) sign = -sign;
  if (take(p, "(")) {
    if (!integer_expression(p, &small) || !expect(p, ")", "after an integer")) return 0;
    *value = sign * (long)small;
    return 1;
  }
  const char *place = p->at;
  char name[MAX_NAME], buffer[64];
  double number;
  int is_integer;
  if (take_name(p, name) && named_integer(p, name, &small)) return *value = sign * (long)small, 1;
  p->at = place;
  if (take_number(p, &number, &is_integer)) {
    if (number == floor(number) && number <= INT_MAX) return *value = sign * (long)number, 1;
    fail_at(p, place, "expected an integer, found %g", number);
    return 0;
  }
  const char *what = found(p, buffer);
  fail_at(p, p->at, "expected an integer, found %s", what);
  return 0;
}

/* integer = product { ("+"|"-") product },  product = atom { ("*"|"/") atom } */
static int integer_expression(parser *p, int *value) {
  const char *place = p->at;
  long sum = 0, sign = 1;
  if (++p->depth > MAX_DEPTH) {
    fail_at(p, place, "more than %d nested parentheses", MAX_DEPTH);
    return 0;
  }
  do {
    long product, factor;
    if (!integer_atom(p, &product)) return 0;
    for (int divided; (divided = take(p, "/")) || (!next_is(p, "**") && take(p, "*"));) {
      if (!integer_atom(p, &factor)) return 0;
      if (divided && (!factor || product % factor)) {
        fail_at(p, place, "expected an integer, found %ld / %ld", product, factor);
        return 0;
      }
      if (divided) product /= factor;
      else if (labs(product) <= INT_MAX) product *= factor;
    }
    sum += sign * product;
    if (labs(sum) > INT_MAX) {
      fail_at(p, place, "an integer is too large");
      return 0;
    }
    sign = next_is(p, "-") ? -1 : 1;
  } while (take(p, "+") || take(p, "-"));
  p->depth--;
  *value = (int)sum;
  return 1;
}

/* ---- numbers ---- */

/* 0, 1, -1 and 2 shape the graph; any other number becomes a parameter, so that its value never
 * decides what is compiled. */
static const rk_node *number_node(parser *p, double value) {
  if (p->integer || value == 0 || value == 1 || value == -1 || value == 2)
    return in_graph(p, rk_number(p->graph, value));
  rk_graph_variable variable = {.name = "", .kind = RK_KIND_PARAMETER, .dim = 1,
                                .origin = RK_FROM_NUMBER, .number = value};
  int added = rk_graph_add_variable(p->graph, &variable);
  if (added < 0) {
    rk_fail(p->error, RK_ERROR_MEMORY, "out of memory while reading a formula");
    return NULL;
  }
  rk_graph_variable_at(p->graph, added)->source = added;
  return in_graph(p, rk_variable_node(p->graph, added));
}

/* ---- calls ---- */

static const rk_node *apply_at(parser *p, const char *place, const char *name,
                               const rk_node *const *operand, int operands, const int *integer,
                               int integers) {
  for (int k = 0; k < operands; k++)
    if (!operand[k]) return NULL;
  const rk_node *made = rk_apply(p->graph, name, operand, operands, integer, integers, p->error);
  return made ? made : place_error(p, place);
}

static const rk_node *apply2_at(parser *p, const char *place, const char *name, const rk_node *a,
                                const rk_node *b) {
  const rk_node *operand[] = {a, b};
  return apply_at(p, place, name, operand, 2, NULL, 0);
}

static const rk_node *zeros(parser *p, const char *place, int dim) {
  if (dim < 1 || dim > RK_MAX_DIM)
    return fail_at(p, place, "expected a dimension from 1 to %d, found %d", RK_MAX_DIM, dim);
  const rk_node *zero = in_graph(p, rk_number(p->graph, 0));
  return zero ? apply_at(p, place, "SumT", &zero, 1, &dim, 1) : NULL;
}

/* IntCst(n), IntInv(n), RatCst(p, q), Zero(n) */
static const rk_node *constant_call(parser *p, const char *name, const char *place) {
  int value[2] = {0, 1}, wanted = !strcmp(name, "RatCst") ? 2 : 1;
  if (!expect(p, "(", "after a constant")) return NULL;
  for (int k = 0; k < wanted; k++) {
    if (k && !expect(p, ",", "between two integers")) return NULL;
    if (!integer_expression(p, &value[k])) return NULL;
  }
  if (!expect(p, ")", "after a constant")) return NULL;
  if (!strcmp(name, "IntCst")) return number_node(p, value[0]);
  if (!strcmp(name, "Zero")) return zeros(p, place, value[0]);
  int over = wanted == 2 ? value[1] : value[0];
  if (over == 0) return fail_at(p, place, "%s: division by zero", name);
  return number_node(p, (wanted == 2 ? value[0] : 1) / (double)over);
}

/* The two indices of a reduction. */
typedef struct { rk_kind kept, reduced; } indices;

static int reduced_index(parser *p, indices *of) {
  const char *place = p->at;
  if (take(p, "j") || take(p, "0")) *of = (indices){RK_KIND_I, RK_KIND_J};
  else if (take(p, "i") || take(p, "1")) *of = (indices){RK_KIND_J, RK_KIND_I};
  else if (p->over && take(p, "o"))
    *of = (indices){rk_kept_kind(p->over), rk_reduced_kind(p->over)};
  else return 0;
  skip_blanks(p);
  if (*p->at == ',' || *p->at == ')' || !*p->at) return 1;
  p->at = place;
  return 0;
}

static int require_index(parser *p, indices *of) {
  if (reduced_index(p, of)) return 1;
  char buffer[64];
  const char *what = found(p, buffer);
  fail_at(p, p->at, "expected the index that is reduced (0 or j, 1 or i), found %s", what);
  return 0;
}

/* index | weight "," index | index "," weight. A weight that is the number 0 or 1 looks like an
 * index: the last argument decides. */
static int weight_and_index(parser *p, const rk_node **weight, indices *of) {
  skip_blanks(p);
  const char *start = p->at;
  indices other;
  if (reduced_index(p, of)) {
    if (next_is(p, ")")) return 1;
    take(p, ",");
    const char *second = p->at;
    if (!reduced_index(p, &other) || !next_is(p, ")")) {
      p->at = second;
      *weight = expression(p);
      return *weight != NULL;
    }
    p->at = start;
  }
  *weight = expression(p);
  return *weight && expect(p, ",", "after the weight") && require_index(p, of);
}

/* Zero_Reduction(dimension, index): rows of zeros, KeOps's sum of nothing. */
static const rk_node *zero_reduction(parser *p, const char *place) {
  int dim;
  indices of;
  if (!expect(p, "(", "after the name of a reduction") || !integer_expression(p, &dim) ||
      !expect(p, ",", "after the dimension") || !require_index(p, &of) ||
      !expect(p, ")", "at the end of the reduction"))
    return NULL;
  const rk_node *zero = zeros(p, place, dim);
  return zero ? rk_reduce(p->graph, rk_plain_sum(), zero, NULL, 1, of.kept, RK_KIND_PARAMETER,
                          p->error)
              : NULL;
}

static const rk_node *reduction_call(parser *p, char *name, const char *place) {
  name[strlen(name) - strlen("_Reduction")] = 0;
  if (!strcmp(name, "Zero")) return zero_reduction(p, place);
  const rk_reduction *reduction = rk_reduction_find(name);
  if (!reduction || (islower((unsigned char)name[0]) && !p->integer)) {
    nearest n = {name, NULL, 6};
    const rk_reduction *entry;
    for (int k = 0; (entry = rk_reduction_at(k)); k++) consider(&n, rk_reduction_name(entry));
    return fail_at(p, place, "unknown reduction '%s'%s%s%s", name, n.best ? "; did you mean '" : "",
                   n.best ? n.best : "", n.best ? "'?" : "");
  }
  int K = 1;
  indices of = {RK_KIND_I, RK_KIND_J};
  if (!expect(p, "(", "after the name of a reduction")) return NULL;
  const rk_node *formula = expression(p), *weight = NULL;
  if (!formula || !expect(p, ",", "after the reduced formula")) return NULL;
  skip_blanks(p);
  const char *middle = p->at;
  if (reduction->ranked) {
    if (!integer_expression(p, &K)) return NULL;
    if (K < 1 || K > 10000)
      return fail_at(p, middle, "expected K from 1 to 10000, found %d", K);
    if (!expect(p, ",", "after K")) return NULL;
    if (!require_index(p, &of)) return NULL;
  } else if (reduction->weight == RK_WEIGHT_NONE) {
    if (!require_index(p, &of)) return NULL;
  } else if (!weight_and_index(p, &weight, &of)) {
    return NULL;
  }
  if (!expect(p, ")", "at the end of the reduction")) return NULL;
  if (reduction->weight == RK_WEIGHT_REQUIRED && !weight)
    return fail_at(p, place, "%s_Reduction: expected a weight: (formula, weight, index)", name);
  const rk_node *made = rk_reduce(p->graph, reduction, formula, weight, K, of.kept, of.reduced,
                                  p->error);
  return made ? made : place_error(p, place);
}

static int is_special(const char *name) {
  for (int k = 0; k < SPECIAL_NAMES; k++)
    if (!strcmp(name, special_names[k])) return 1;
  return 0;
}

static const rk_node *refuse_count(parser *p, const char *place, const rk_operation *operation,
                                   int given) {
  int most = operation->operands + operation->integers + operation->lists;
  char range[40];
  if (operation->optional) snprintf(range, sizeof range, "%d to %d", most - operation->optional,
                                    most);
  else snprintf(range, sizeof range, "%d", most);
  const char *s = most == 1 ? "" : "s";
  if (given > most)
    return fail_at(p, place, "%s: expected %s argument%s, found more", operation->name, range, s);
  return fail_at(p, place, "%s: expected %s argument%s, found %d", operation->name, range, s,
                 given);
}

/* ---- derivatives ---- */

enum { MAX_TUPLE = 16 };

/* An expression, or several in parentheses: their number; 0 after an error. */
static int take_tuple(parser *p, const rk_node **value) {
  int count = 0, round = next_is(p, "(");
  skip_blanks(p);
  const char *place = p->at;
  if (take(p, "[") || take(p, "(")) {
    do {
      if (count == MAX_TUPLE)
        return fail_at(p, p->at, "more than %d variables in one derivative", MAX_TUPLE), 0;
      if (!(value[count++] = expression(p))) return 0;
    } while (take(p, ","));
    if (count > 1 || !round) return expect(p, round ? ")" : "]", "after a list") ? count : 0;
    p->at = place; /* a parenthesis of the expression itself */
  }
  return (value[0] = expression(p)) != NULL;
}

/* The cotangent that the user left out: a new input. */
static const rk_node *new_cotangent(parser *p, const char *place, const rk_node *of,
                                    const rk_node *with_respect_to) {
  variable_text v = {.dim = of->dim, .place = place};
  rk_kind kind = rk_graph_variable_at(p->graph, with_respect_to->variable)->kind;
  if (of->is_result) v.kind = (rk_kind)(of->level == RK_LEVEL_I   ? RK_KIND_I
                                        : of->level == RK_LEVEL_J ? RK_KIND_J
                                                                  : RK_KIND_PARAMETER);
  else if (kind == RK_KIND_PARAMETER)
    return fail_at(p, place, "Grad with respect to a parameter: expected a third argument");
  else v.kind = kind == RK_KIND_I ? RK_KIND_J : RK_KIND_I;
  char name[64];
  int position = input_count(p->graph);
  snprintf(name, sizeof name, "Var(%d,%d,%d)", position, v.dim, v.kind);
  int added = add_input(p, name, &v, position);
  return added < 0 ? NULL : in_graph(p, rk_variable_node(p->graph, added));
}

/* Derivatives along several variables at once are summed. */
static const rk_node *derivative_of(parser *p, const rk_operation *operation, const char *place,
                                    const rk_node *const *operand, int operands) {
  const rk_node *made =
      rk_derivative(p->graph, operation, operand, operands, (int)(place - p->text), p->error);
  return made ? made : place_error(p, place);
}

static const rk_node *derivative_call(parser *p, const rk_operation *operation,
                                      const char *place) {
  const rk_node *variable[MAX_TUPLE], *along[MAX_TUPLE], *operand[RK_MAX_OPERANDS], *sum = NULL;
  int given = 1, count = 1, most = operation->operands;
  p->at++; /* the parenthesis that made this a call */
  if (!(operand[0] = expression(p))) return NULL;
  for (; take(p, ","); given++) {
    if (given == most) return refuse_count(p, p->at, operation, given + 1);
    if (given == 1 && !(count = take_tuple(p, variable))) return NULL;
    if (count > 1 && strncmp(operation->name, "Diff", 4))
      return fail_at(p, place, "%s: expected one variable, found a list of %d", operation->name,
                     count);
    if (given == 2 && count > 1) {
      int other = take_tuple(p, along);
      if (!other) return NULL;
      if (other != count)
        return fail_at(p, place, "%s: expected %d directions, one for each variable, found %d",
                       operation->name, count, other);
    } else if (given > 1 && !(operand[given] = expression(p))) return NULL;
  }
  if (given < most - operation->optional) return refuse_count(p, place, operation, given);
  if (!expect(p, ")", "or ',' in the arguments")) return NULL;
  for (int k = 0; k < count; k++) {
    operand[1] = variable[k];
    if (count > 1) operand[2] = along[k];
    if (given == 2 && !strcmp(operation->name, "Grad") && rk_node_is(operand[1], "Variable")) {
      if (!(operand[2] = new_cotangent(p, place, operand[0], operand[1]))) return NULL;
      given = 3;
    }
    const rk_node *term = derivative_of(p, operation, place, operand, given);
    sum = !term || !sum ? term : apply2_at(p, place, "Add", sum, term);
    if (!sum) return NULL;
  }
  return sum;
}

/* A keyword before a list. Lists are taken in order, so another one than permute could mislead. */
static int take_keyword(parser *p, int is_optional) {
  char name[MAX_NAME];
  skip_blanks(p);
  const char *place = p->at;
  if (!take_name(p, name)) return 1;
  if (!take(p, "=")) p->at = place;
  else if (!is_optional || strcmp(name, "permute")) {
    fail_at(p, place, "unknown keyword '%s': expected lists in order, or permute= for the last",
            name);
    return 0;
  }
  return 1;
}

/* list = ("[" | "(") [ integer { "," integer } ] ("]" | ")") */
static int take_list(parser *p, rk_list *list) {
  int round = next_is(p, "(");
  *list = (rk_list){0};
  if (!take(p, "[") && !take(p, "(")) {
    char buffer[64];
    fail_at(p, p->at, "expected a list of integers such as [0, 1], found %s", found(p, buffer));
    return 0;
  }
  while (!next_is(p, round ? ")" : "]")) {
    if (list->count == RK_MAX_LIST) {
      fail_at(p, p->at, "a list of more than %d integers", RK_MAX_LIST);
      return 0;
    }
    if (!integer_expression(p, &list->value[list->count++])) return 0;
    if (!take(p, ",")) break;
  }
  return expect(p, round ? ")" : "]", "after a list of integers");
}

/* Arguments in the order of the table: expressions, integers, lists. */
typedef struct {
  const rk_node *operand[RK_MAX_OPERANDS];
  int operands, integer[RK_NAMED_INTEGERS], integers;
  rk_list list[RK_MAX_LISTS];
  int lists;
} arguments;

static int take_argument(parser *p, const rk_operation *operation, arguments *all) {
  if (all->operands < operation->operands)
    return (all->operand[all->operands++] = expression(p)) != NULL;
  if (all->integers < operation->integers)
    return integer_expression(p, &all->integer[all->integers++]);
  int is_optional = operation->optional && all->lists == operation->lists - 1;
  return take_keyword(p, is_optional) && take_list(p, &all->list[all->lists++]);
}

/* call = name "(" argument { "," argument } ")" */
static const rk_node *operation_call(parser *p, const char *name, const char *place) {
  const rk_operation *operation = rk_operation_find(name);
  if (!operation || (islower((unsigned char)name[0]) && !p->integer))
    return fail_unknown(p, place, name, 1);
  if (operation->kind == RK_DERIVATIVE) return derivative_call(p, operation, place);
  arguments all = {0};
  int most = operation->operands + operation->integers + operation->lists, given = 0;
  p->at++; /* the parenthesis that made this a call */
  if (!next_is(p, ")")) do {
    skip_blanks(p);
    if (given == most) return refuse_count(p, p->at, operation, given + 1);
    if (!take_argument(p, operation, &all)) return NULL;
    given++;
  } while (take(p, ","));
  if (given < most - operation->optional && next_is(p, ")"))
    return refuse_count(p, place, operation, given);
  if (!expect(p, ")", "or ',' in the arguments")) return NULL;
  for (; all.lists < operation->lists; all.lists++) all.list[all.lists].count = -1;
  const rk_node *made =
      operation->lists
          ? rk_apply_lists(p->graph, name, all.operand, all.operands, all.integer, all.integers,
                           all.list, all.lists, p->error)
          : rk_apply(p->graph, name, all.operand, all.operands, all.integer, all.integers,
                     p->error);
  return made ? made : place_error(p, place);
}

static const rk_node *named_value(parser *p, const char *name, const char *place) {
  for (int k = 0; k < p->name_count; k++)
    if (!strcmp(p->names[k].name, name)) return p->names[k].node;
  int small, variable = p->integer ? -1 : find_variable(p->graph, name);
  if (variable >= 0) return in_graph(p, rk_variable_node(p->graph, variable));
  if (named_integer(p, name, &small)) return in_graph(p, rk_number(p->graph, small));
  return fail_unknown(p, place, name, 0);
}

/* atom = number | name | call | "(" expression ")" */
static const rk_node *atom(parser *p) {
  double number;
  int is_integer;
  char name[MAX_NAME], buffer[64];
  if (take(p, "(")) {
    const rk_node *inner = expression(p);
    return inner && expect(p, ")", "to close '('") ? inner : NULL;
  }
  if (take_number(p, &number, &is_integer)) return number_node(p, number);
  skip_blanks(p);
  const char *place = p->at;
  if (!p->error->status && take_name(p, name)) {
    if (!next_is(p, "(")) return named_value(p, name, place);
    size_t length = strlen(name), tail = strlen("_Reduction");
    if (length > tail && !strcmp(name + length - tail, "_Reduction"))
      return reduction_call(p, name, place);
    if (!is_special(name)) return operation_call(p, name, place);
    if (name[0] == 'V' || name[0] == 'P') return variable_in_place(p, name, place);
    return constant_call(p, name, place);
  }
  const char *what = found(p, buffer);
  return fail_at(p, p->at, "expected a value, found %s", what);
}

/* A signed number that is the whole exponent, possibly in parentheses. */
static int literal_exponent(parser *p, double *value) {
  const char *start = p->at;
  int is_integer, opened = take(p, "("), negative = take(p, "-");
  if (at_number(p) && take_number(p, value, &is_integer) && (!opened || take(p, ")")) &&
      !next_is(p, "^") && !next_is(p, "**")) {
    if (negative) *value = -*value;
    return 1;
  }
  p->at = start;
  return 0;
}

static const rk_node *power_of(parser *p, const char *place, const rk_node *base) {
  double exponent;
  if (!literal_exponent(p, &exponent))
    return apply2_at(p, place, "Powf", base, unary(p));
  if (exponent == 0.5) return apply_at(p, place, "Sqrt", &base, 1, NULL, 0);
  if (exponent == -0.5) return apply_at(p, place, "Rsqrt", &base, 1, NULL, 0);
  if (exponent != floor(exponent) || fabs(exponent) > 1000)
    return apply2_at(p, place, "Powf", base, number_node(p, exponent));
  int n = (int)exponent;
  return apply_at(p, place, "Pow", &base, 1, &n, 1);
}

/* power = atom [ ("^" | "**") unary ] */
static const rk_node *power(parser *p) {
  const rk_node *base = atom(p);
  skip_blanks(p);
  const char *place = p->at;
  if (base && (take(p, "**") || take(p, "^"))) return power_of(p, place, base);
  return base;
}

/* A number right after a sign, unless a power follows: "-2" is a number, "-2^2" is not. */
static int signed_number(parser *p, double *value) {
  const char *start = p->at;
  int is_integer;
  if (at_number(p) && take_number(p, value, &is_integer) && !next_is(p, "^") && !next_is(p, "**"))
    return 1;
  p->at = start;
  return 0;
}

static const rk_node *prefix(parser *p, const char *place, const char *name) {
  const rk_node *value = unary(p);
  return value ? apply_at(p, place, name, &value, 1, NULL, 0) : NULL;
}

/* unary = ("-" | "+" | "!") unary | power */
static const rk_node *unary(parser *p) {
  if (++p->depth > MAX_DEPTH)
    return fail_at(p, p->at, "more than %d nested parentheses or signs", MAX_DEPTH);
  skip_blanks(p);
  const char *place = p->at;
  const rk_node *value;
  double number;
  if (take(p, "-"))
    value = signed_number(p, &number) ? number_node(p, -number) : prefix(p, place, "Minus");
  else if (!next_is(p, "!=") && take(p, "!")) value = prefix(p, place, "Not");
  else value = take(p, "+") ? unary(p) : power(p);
  p->depth--;
  return value;
}

/* product = unary { ("*" | "/") unary } */
static const rk_node *product(parser *p) {
  const rk_node *value = unary(p);
  while (value) {
    skip_blanks(p);
    const char *place = p->at;
    if (!next_is(p, "**") && take(p, "*")) value = apply2_at(p, place, "Mult", value, unary(p));
    else if (take(p, "/")) {
      const rk_node *over = unary(p);
      if (over && rk_is_number(over, 0)) return fail_at(p, place, "division by zero");
      value = apply2_at(p, place, "Divide", value, over);
    } else break;
  }
  return value;
}

/* sum = product { ("+" | "-") product } */
static const rk_node *sum(parser *p) {
  const rk_node *value = product(p);
  while (value) {
    skip_blanks(p);
    const char *place = p->at;
    if (take(p, "+")) value = apply2_at(p, place, "Add", value, product(p));
    else if (take(p, "-")) value = apply2_at(p, place, "Subtract", value, product(p));
    else break;
  }
  return value;
}

/* bar = sum { "|" sum }: scalar product, or logical or */
static const rk_node *bar(parser *p) {
  const rk_node *value = sum(p);
  while (value) {
    skip_blanks(p);
    const char *place = p->at;
    if (!take(p, "|")) break;
    const rk_node *other = sum(p);
    if (!other) return NULL;
    value = apply2_at(p, place, value->is_logical && other->is_logical ? "Or" : "Scalprod", value,
                      other);
  }
  return value;
}

static const char *take_comparison(parser *p) {
  static const char *const symbols[] = {"<=", ">=", "==", "!=", "<", ">"};
  for (int k = 0; k < 6; k++)
    if (take(p, symbols[k])) return symbols[k];
  return NULL;
}

static const rk_node *compare(parser *p, const char *place, const char *symbol, const rk_node *a,
                              const rk_node *b) {
  if (symbol[0] == '>') {
    const rk_node *swap = a;
    a = b;
    b = swap;
  }
  const char *name = symbol[0] == '=' ? "Equal" : symbol[0] == '!' ? "NotEqual"
                     : symbol[1] ? "LessOrEqual" : "LessThan";
  return apply2_at(p, place, name, a, b);
}

/* comparison = bar [ symbol bar ] */
static const rk_node *comparison(parser *p) {
  const rk_node *value = bar(p);
  skip_blanks(p);
  const char *place = p->at, *symbol;
  if (!value || !(symbol = take_comparison(p))) return value;
  const rk_node *other = bar(p);
  if (!other) return NULL;
  value = compare(p, place, symbol, value, other);
  skip_blanks(p);
  place = p->at;
  if (value && take_comparison(p))
    return fail_at(p, place, "comparisons cannot be chained: write And(a < b, b < c)");
  return value;
}

/* expression = comparison { "&" comparison } */
static const rk_node *expression(parser *p) {
  if (++p->depth > MAX_DEPTH)
    return fail_at(p, p->at, "more than %d nested parentheses", MAX_DEPTH);
  const rk_node *value = comparison(p);
  while (value) {
    skip_blanks(p);
    const char *place = p->at;
    if (!take(p, "&")) break;
    value = apply2_at(p, place, "And", value, comparison(p));
  }
  p->depth--;
  return value;
}

/* ---- definitions and the whole text ---- */

static int bind(parser *p, const char *name, const rk_node *node) {
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
static int definition(parser *p) {
  skip_blanks(p);
  const char *place = p->at;
  char name[MAX_NAME];
  if (!take_name(p, name) || next_is(p, "==") || !take(p, "=")) {
    p->at = place;
    return 0;
  }
  for (int k = 0; k < p->name_count; k++)
    if (!strcmp(p->names[k].name, name)) fail_at(p, place, "'%s' is defined twice", name);
  if (find_variable(p->graph, name) >= 0)
    fail_at(p, place, "'%s' is declared as a variable and defined too", name);
  if (p->error->status) return 0;
  const rk_node *value = expression(p);
  return value && expect(p, ";", "after a definition") && bind(p, name, value);
}

static void check_result(parser *p, const char *place, const rk_node *root) {
  if (!root->is_result)
    fail_at(p, place, "expected a reduction such as %s_Reduction(formula, j), found an expression",
            rk_reduction_name(rk_reduction_at(0)));
}

static void whole_text(parser *p, const rk_node **root, int *roots, int results) {
  while (definition(p)) continue;
  *roots = 0;
  do {
    if (p->error->status) return;
    skip_blanks(p);
    const char *place = p->at;
    if (*roots == results) {
      fail_at(p, place, "expected the end of the formula: at most %d result%s", results,
              results == 1 ? "" : "s");
      return;
    }
    root[*roots] = in_graph(p, expression(p));
    if (root[*roots] && results > 1) check_result(p, place, root[*roots]);
    ++*roots;
  } while (take(p, ","));
  if (p->error->status) return;
  take(p, ";");
  skip_blanks(p);
  if (*p->at) fail_at(p, p->at, "expected the end of the formula");
}

static void check_positions(parser *p) {
  int count = input_count(p->graph);
  for (int k = 0; k < count; k++)
    if (find_position(p->graph, k) < 0) {
      rk_fail(p->error, RK_ERROR_FORMULA,
              "%d variables must have positions 0 to %d: none has position %d", count, count - 1,
              k);
      return;
    }
}

static rk_status parse(rk_graph *graph, const char *text, const char *const *declarations, int n,
                       const rk_node **root, int *roots, int results, rk_error *error) {
  parser p = {.graph = graph, .what = "declaration", .error = error};
  error->status = RK_OK;
  for (int k = 0; k < n && !error->status; k++) {
    p.text = p.at = declarations[k];
    declaration(&p, k);
  }
  p.what = "formula";
  p.text = p.at = text;
  if (!error->status) whole_text(&p, root, roots, results);
  if (!error->status) check_positions(&p);
  free(p.names);
  return error->status;
}

rk_status rk_parse_program(rk_graph *graph, const char *text, const char *const *declarations,
                           int n, const rk_node **root, int *roots, rk_error *error) {
  return parse(graph, text, declarations, n, root, roots, RK_MAX_RESULTS, error);
}

rk_status rk_parse_expression(rk_graph *graph, const char *text, const char *const *declarations,
                              int n, const rk_node **root, rk_error *error) {
  int roots;
  return parse(graph, text, declarations, n, root, &roots, 1, error);
}

void rk_mark_place(const char *text, int at, rk_error *error) {
  parser p = {.what = "formula", .text = text, .error = error};
  place_error(&p, text + at);
}

const rk_node *rk_parse_definition(rk_graph *graph, const char *text, const rk_name *names,
                                   int count, const int *integer, const rk_node *over,
                                   rk_error *error) {
  static const int none[RK_MAX_INTEGERS];
  rk_name copy[8];
  memcpy(copy, names, (size_t)count * sizeof *names);
  parser p = {.graph = graph, .what = "definition", .text = text, .at = text, .error = error,
              .names = copy, .name_count = count, .integer = integer ? integer : none,
              .over = over};
  return expression(&p);
}
