/* Errors that name their place, words, and names like those that are unknown. See reader.h. */
#include "formula/reader.h"
#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SHOWN = 160 };

/* ---- errors ---- */

/* The line of the text that holds `place`, cut around it when long, with a caret below. */
static void show_place(rk_reader *p, const char *place, rk_text *message) {
  const char *line = place;
  while (line > p->text && line[-1] != '\n') line--;
  const char *at = line, *last = place + MAX_SHOWN / 2;
  char piece[RK_PIECE];
  while (place - at > MAX_SHOWN / 2) at += rk_readable(at, piece);
  int column = at > line ? 3 : 0;
  rk_text_format(message, "\n  %s", column ? "..." : "");
  while (*at && *at != '\n' && at < last) {
    int is_before = at < place;
    at += rk_readable(at, piece);
    rk_text_add(message, piece);
    if (is_before) column += piece[0] == '\\' ? (int)strlen(piece) : 1;
  }
  rk_text_format(message, "%s\n  %*s^", *at && *at != '\n' ? "..." : "", column, "");
}

const rk_node *rk_fail_at(rk_reader *p, const char *place, const char *format, ...) {
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
const rk_node *rk_place_error(rk_reader *p, const char *place) {
  if (p->error->status != RK_ERROR_FORMULA || p->integer) return NULL;
  rk_error inner = *p->error;
  if (strstr(inner.message, "\n  ")) return NULL;
  p->error->status = RK_OK;
  return rk_fail_at(p, place, "%s", inner.message);
}

const rk_node *rk_in_graph(rk_reader *p, const rk_node *node) {
  if (!node && !p->error->status)
    rk_fail(p->error, RK_ERROR_MEMORY, "out of memory while reading a formula");
  return node;
}

/* ---- words ---- */

void rk_skip_blanks(rk_reader *p) {
  while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r') p->at++;
}

int rk_next_is(rk_reader *p, const char *symbol) {
  rk_skip_blanks(p);
  return !strncmp(p->at, symbol, strlen(symbol));
}

int rk_take(rk_reader *p, const char *symbol) {
  if (!rk_next_is(p, symbol)) return 0;
  p->at += strlen(symbol);
  return 1;
}

const char *rk_found(rk_reader *p, char *buffer) {
  rk_skip_blanks(p);
  if (!*p->at) return "the end of the text";
  const char *at = p->at;
  int length = 1;
  if (rk_is_alnum(*at))
    while (length < 40 && (rk_is_alnum(at[length]) || at[length] == '_')) length++;
  else while (length < 4 && (at[length] & 0xC0) == 0x80) length++; /* a whole UTF-8 character */
  memcpy(buffer + 1, at, (size_t)length);
  buffer[0] = buffer[length + 1] = '\'';
  buffer[length + 2] = 0;
  return buffer;
}

int rk_expect(rk_reader *p, const char *symbol, const char *after) {
  if (rk_take(p, symbol)) return 1;
  char buffer[64];
  const char *what = rk_found(p, buffer);
  rk_fail_at(p, p->at, "expected '%s' %s, found %s", symbol, after, what);
  return 0;
}

static int is_name_start(char c) { return rk_is_letter(c) || c == '_' || c == '.'; }
static int is_name_part(char c) { return rk_is_alnum(c) || c == '_' || c == '.'; }

/* Reads a name into `name`; 0 when there is none or it is too long. */
int rk_take_name(rk_reader *p, char *name) {
  rk_skip_blanks(p);
  if (!is_name_start(*p->at) || (*p->at == '.' && !is_name_start(p->at[1]))) return 0;
  int length = 0;
  while (is_name_part(p->at[length])) length++;
  if (length >= RK_MAX_NAME) {
    rk_fail_at(p, p->at, "a name of %d characters is too long (at most %d)", length,
               RK_MAX_NAME - 1);
    return 0;
  }
  memcpy(name, p->at, (size_t)length);
  name[length] = 0;
  p->at += length;
  return 1;
}

int rk_at_number(rk_reader *p) {
  rk_skip_blanks(p);
  return rk_is_digit(*p->at) || (*p->at == '.' && rk_is_digit(p->at[1]));
}

/* A decimal literal: neither "inf" nor "0x1" is one. */
int rk_take_number(rk_reader *p, double *value, int *is_integer) {
  if (!rk_at_number(p)) return 0;
  const char *at = p->at, *end = rk_read_number(at, value);
  while (rk_is_digit(*at)) at++;
  *is_integer = at == end;
  if (is_name_part(*end)) {
    rk_fail_at(p, end, "expected an operator after the number, found '%c'", *end);
    return 0;
  }
  p->at = end;
  return 1;
}

/* ---- nearest names ---- */

static int distance(const char *a, const char *b) {
  int la = (int)strlen(a), lb = (int)strlen(b), row[RK_MAX_NAME + 1];
  for (int k = 0; k <= lb; k++) row[k] = k;
  for (int i = 1; i <= la; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int k = 1; k <= lb; k++) {
      int change = diagonal + (rk_lower(a[i - 1]) != rk_lower(b[k - 1]));
      diagonal = row[k];
      if (row[k] + 1 < change) change = row[k] + 1;
      if (row[k - 1] + 1 < change) change = row[k - 1] + 1;
      row[k] = change;
    }
  }
  return row[lb];
}

void rk_consider(rk_nearest *n, const char *candidate) {
  if (!candidate || strlen(candidate) > RK_MAX_NAME || !strcmp(candidate, n->wanted)) return;
  int d = distance(n->wanted, candidate);
  if (d < n->distance) {
    n->distance = d;
    n->best = candidate;
  }
}

static const char *const special_names[] = {"Vi", "Vj", "Pm", "Var", "IntCst", "RatCst", "IntInv",
                                            "Zero"};
enum { SPECIAL_NAMES = sizeof special_names / sizeof *special_names };

int rk_is_special(const char *name) {
  for (int k = 0; k < SPECIAL_NAMES; k++)
    if (!strcmp(name, special_names[k])) return 1;
  return 0;
}

/* A known name like this one, or NULL: operations when it is called, variables when it is not. */
static const char *nearest_name(rk_reader *p, const char *name, int is_called) {
  rk_nearest n = {name, NULL, (int)strlen(name) / 3 + 2};
  const rk_operation *operation;
  if (is_called) {
    for (int k = 0; (operation = rk_operation_at(k)); k++)
      if (rk_is_upper(operation->name[0])) rk_consider(&n, operation->name);
    for (int k = 0; k < SPECIAL_NAMES; k++) rk_consider(&n, special_names[k]);
  } else {
    for (int k = 0; k < p->name_count; k++) rk_consider(&n, p->names[k].name);
    for (int k = 0; k < rk_graph_variables(p->graph); k++)
      rk_consider(&n, rk_graph_variable_at(p->graph, k)->name);
  }
  return n.best;
}

/* The reduction that "Sum_reduction" or "SumReduction" is meant to be, or NULL. */
static const char *nearest_reduction(const char *name) {
  static const char ending[] = "reduction";
  size_t rest = strlen(name), n = sizeof ending - 1;
  if (rest <= n || rest > RK_MAX_NAME || distance(name + rest - n, ending) > 1) return NULL;
  char wanted[RK_MAX_NAME + 1];
  rest -= n;
  snprintf(wanted, sizeof wanted, "%.*s", (int)(rest - (name[rest - 1] == '_')), name);
  const rk_reduction *entry;
  for (int k = 0; (entry = rk_reduction_at(k)); k++)
    if (!distance(wanted, rk_reduction_name(entry))) return rk_reduction_name(entry);
  return NULL;
}

const rk_node *rk_fail_unknown(rk_reader *p, const char *place, const char *name, int is_called) {
  const char *reduction = is_called ? nearest_reduction(name) : NULL;
  if (reduction)
    return rk_fail_at(p, place, "unknown operation '%s'; did you mean '%s_Reduction'?", name,
                      reduction);
  const char *like = nearest_name(p, name, is_called);
  return rk_fail_at(p, place, "unknown %s '%s'%s%s%s", is_called ? "operation" : "name", name,
                    like ? "; did you mean '" : is_called ? "" : ": neither declared nor defined",
                    like ? like : "", like ? "'?" : "");
}
