/* Variables, declared or written in place, integers and numbers. See reader.h. */
#include "formula/reader.h"
#include "error.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- variables ---- */

int rk_find_variable(rk_graph *graph, const char *name) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    if (v->origin == RK_FROM_INPUT && !strcmp(v->name, name)) return k;
  }
  return -1;
}

int rk_find_position(rk_graph *graph, int position) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    if (v->origin == RK_FROM_INPUT && v->source == position) return k;
  }
  return -1;
}

int rk_input_count(rk_graph *graph) {
  int count = 0;
  for (int k = 0; k < rk_graph_variables(graph); k++)
    count += rk_graph_variable_at(graph, k)->origin == RK_FROM_INPUT;
  return count;
}

static int kind_of_name(const char *name, rk_kind *kind) {
  static const char *const names[] = {"Vi", "Vj", "Pm"};
  for (int k = 0; k < 3; k++)
    if (!strcmp(name, names[k])) return *kind = (rk_kind)k, 1;
  return 0;
}

/* "(dim)" or "(position, dim)" after Vi, Vj, Pm; "(position, dim, category)" after Var. */
static int variable_arguments(rk_reader *p, const char *name, rk_variable_text *v) {
  int value[3], count = 0, is_var = !strcmp(name, "Var");
  v->position = -1;
  if (!rk_expect(p, "(", "after the kind of a variable")) return 0;
  do {
    if (count == 3 || !rk_integer_expression(p, &value[count])) break;
    count++;
  } while (rk_take(p, ","));
  if (p->error->status || !rk_expect(p, ")", "after the dimension of a variable")) return 0;
  if (is_var ? count != 3 : count < 1 || count > 2) {
    rk_fail_at(p, v->place, "%s: expected %s", name,
               is_var ? "(position, dimension, category)" : "(dimension) or (position, dimension)");
    return 0;
  }
  if (is_var) {
    if (value[2] < 0 || value[2] > 2) {
      rk_fail_at(p, v->place, "Var: expected category 0, 1 or 2, found %d", value[2]);
      return 0;
    }
    v->kind = (rk_kind)value[2];
  }
  v->dim = value[count == 1 ? 0 : 1];
  if (count > 1) v->position = value[0];
  if (v->dim < 1 || v->dim > RK_MAX_DIM) {
    rk_fail_at(p, v->place, "expected a dimension from 1 to %d, found %d", RK_MAX_DIM, v->dim);
    return 0;
  }
  if (count > 1 && (v->position < 0 || v->position > 9999)) {
    rk_fail_at(p, v->place, "expected a position from 0 to 9999, found %d", v->position);
    return 0;
  }
  return 1;
}

int rk_add_input(rk_reader *p, const char *name, const rk_variable_text *v, int position) {
  rk_graph_variable variable = {.name = rk_graph_copy_text(p->graph, name, strlen(name)),
                                .kind = v->kind, .dim = v->dim, .origin = RK_FROM_INPUT,
                                .source = position, .declared = 1};
  int added = variable.name ? rk_graph_add_variable(p->graph, &variable) : -1;
  if (added < 0) rk_fail(p->error, RK_ERROR_MEMORY, "out of memory while reading a formula");
  return added;
}

/* A variable written in the formula itself: the one of that position, or a new one. */
const rk_node *rk_variable_in_place(rk_reader *p, const char *name, const char *place) {
  rk_variable_text v = {.place = place};
  kind_of_name(name, &v.kind);
  if (!variable_arguments(p, name, &v)) return NULL;
  int position = v.position < 0 ? rk_input_count(p->graph) : v.position;
  int k = rk_find_position(p->graph, position);
  if (k >= 0) {
    const rk_graph_variable *known = rk_graph_variable_at(p->graph, k);
    if (known->kind != v.kind || known->dim != v.dim)
      return rk_fail_at(p, place, "position %d is already '%s', of another kind or dimension (%d)",
                        position, known->name, known->dim);
  } else {
    char written[64];
    snprintf(written, sizeof written, "%s(%d,%d)", (const char *[]){"Vi", "Vj", "Pm"}[v.kind],
             position, v.dim);
    k = rk_add_input(p, written, &v, position);
    if (k < 0) return NULL;
  }
  return rk_in_graph(p, rk_variable_node(p->graph, k));
}

/* declaration = [ name "=" ] ("Vi"|"Vj"|"Pm"|"Var") arguments */
void rk_declaration(rk_reader *p, int index) {
  char name[RK_MAX_NAME] = "", kind[RK_MAX_NAME];
  const char *place;
  rk_skip_blanks(p);
  place = p->at;
  rk_variable_text v = {.place = place};
  if (!rk_take_name(p, kind)) {
    rk_fail_at(p, p->at, "expected 'name = Vi(dimension)', Vj(dimension) or Pm(dimension)");
    return;
  }
  if (rk_take(p, "=")) {
    strcpy(name, kind);
    rk_skip_blanks(p);
    v.place = p->at;
    if (!rk_take_name(p, kind)) kind[0] = 0;
  }
  if (!kind_of_name(kind, &v.kind) && strcmp(kind, "Var")) {
    rk_fail_at(p, v.place, "expected Vi, Vj or Pm, found '%s'", kind);
    return;
  }
  if (!variable_arguments(p, kind, &v)) return;
  rk_skip_blanks(p);
  if (*p->at) {
    rk_fail_at(p, p->at, "expected the end of the declaration");
    return;
  }
  int given = v.position >= 0 ? 1 : -1;
  if (p->positions && p->positions != given) {
    rk_fail_at(p, place, "either all declarations give a position or none does");
    return;
  }
  p->positions = given;
  int position = given > 0 ? v.position : index;
  if (!name[0]) snprintf(name, sizeof name, "%.3s(%d,%d)", kind, position, v.dim);
  if (rk_find_variable(p->graph, name) >= 0) rk_fail_at(p, place, "'%s' is declared twice", name);
  else if (rk_find_position(p->graph, position) >= 0)
    rk_fail_at(p, place, "position %d is declared twice", position);
  else rk_add_input(p, name, &v, position);
}

/* ---- integers ---- */

int rk_integer_called(rk_reader *p, const char *name, int *value) {
  if (!p->integer) return 0;
  int which = rk_named_integer(name, (int)strlen(name));
  if (which >= 0) return *value = p->integer[which], 1;
  for (int k = 0; k < p->name_count && name[0] == 'd'; k++)
    if (!strcmp(name + 1, p->names[k].name)) return *value = p->names[k].node->dim, 1;
  return 0;
}

/* integer_atom = {"-"} (digits | "(" integer ")") */
static int integer_atom(rk_reader *p, long long *value) {
  int small, sign = 1;
  while (rk_take(p, "-")) sign = -sign;
  if (rk_take(p, "(")) {
    if (!rk_integer_expression(p, &small) || !rk_expect(p, ")", "after an integer")) return 0;
    *value = sign * (long long)small;
    return 1;
  }
  const char *place = p->at;
  char name[RK_MAX_NAME], buffer[64];
  double number;
  int is_integer;
  if (rk_take_name(p, name) && rk_integer_called(p, name, &small))
    return *value = sign * (long long)small, 1;
  p->at = place;
  if (rk_take_number(p, &number, &is_integer)) {
    if (number == floor(number) && number <= INT_MAX) return *value = sign * (long long)number, 1;
    char shown[RK_NUMBER_TEXT];
    rk_fail_at(p, place, "expected an integer, found %s", rk_number_text(shown, "%g", number));
    return 0;
  }
  const char *what = rk_found(p, buffer);
  rk_fail_at(p, p->at, "expected an integer, found %s", what);
  return 0;
}

/* integer = product { ("+"|"-") product },  product = atom { ("*"|"/") atom } */
int rk_integer_expression(rk_reader *p, int *value) {
  const char *place = p->at;
  long long sum = 0, sign = 1;
  if (++p->depth > RK_MAX_DEPTH) {
    rk_fail_at(p, place, "more than %d nested parentheses", RK_MAX_DEPTH);
    return 0;
  }
  do {
    long long product, factor;
    if (!integer_atom(p, &product)) return 0;
    for (int divided; (divided = rk_take(p, "/")) || (!rk_next_is(p, "**") && rk_take(p, "*"));) {
      if (!integer_atom(p, &factor)) return 0;
      if (divided && (!factor || product % factor)) {
        rk_fail_at(p, place, "expected an integer, found %lld / %lld", product, factor);
        return 0;
      }
      if (divided) product /= factor;
      else if (llabs(product) <= INT_MAX) product *= factor;
      else return rk_fail_at(p, place, "an integer is too large"), 0;
    }
    sum += sign * product;
    if (llabs(sum) > INT_MAX) {
      rk_fail_at(p, place, "an integer is too large");
      return 0;
    }
    sign = rk_next_is(p, "-") ? -1 : 1;
  } while (rk_take(p, "+") || rk_take(p, "-"));
  p->depth--;
  *value = (int)sum;
  return 1;
}

/* ---- numbers ---- */

/* The parameter that stands for a number, or -1. Equal means equal bits. */
static int parameter_of(rk_graph *graph, double value) {
  for (int k = 0; k < rk_graph_variables(graph); k++) {
    const rk_graph_variable *v = rk_graph_variable_at(graph, k);
    if (v->origin == RK_FROM_NUMBER && !memcmp(&v->number, &value, sizeof value)) return k;
  }
  return -1;
}

/* 0, 1, -1 and 2 shape the graph; any other number becomes a parameter, so that its value never
 * decides what is compiled. A number that is written twice is one parameter: only so is what is
 * made of it one node, as the root in (1 + Sqrt(5*D)) * Exp(-Sqrt(5*D)). Which numbers of a formula
 * are equal is then all that a plan knows of them: one that runs through many values needs one
 * compile, and one more if it meets another number of the formula on its way. */
const rk_node *rk_number_node(rk_reader *p, double value) {
  if (p->integer || value == 0 || value == 1 || value == -1 || value == 2)
    return rk_in_graph(p, rk_number(p->graph, value));
  int known = parameter_of(p->graph, value);
  if (known >= 0) return rk_in_graph(p, rk_variable_node(p->graph, known));
  rk_graph_variable variable = {.name = "", .kind = RK_KIND_PARAMETER, .dim = 1,
                                .origin = RK_FROM_NUMBER, .number = value};
  int added = rk_graph_add_variable(p->graph, &variable);
  if (added < 0) {
    rk_fail(p->error, RK_ERROR_MEMORY, "out of memory while reading a formula");
    return NULL;
  }
  rk_graph_variable_at(p->graph, added)->source = added;
  return rk_in_graph(p, rk_variable_node(p->graph, added));
}
