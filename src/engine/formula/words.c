/* What the code of an operation takes: the sum over its words. See words.def. */
#include "formula/operations.h"

#include <string.h>

typedef struct { const char *name; rk_effort effort; } word;

static const word words[] = {
#define WORD(name, cost, is_called, takes_memory) {#name, {cost, is_called, takes_memory}},
#include "formula/words.def"
#undef WORD
};

static int is_of_word(char c) { return rk_is_alnum(c) || c == '_'; }

static const word *find(const char *at, size_t length) {
  for (size_t k = 0; k < sizeof words / sizeof *words; k++)
    if (strlen(words[k].name) == length && !strncmp(words[k].name, at, length)) return &words[k];
  return NULL;
}

static void add(rk_effort *sum, const rk_effort *more) {
  sum->cost += more->cost;
  sum->is_called |= more->is_called;
  sum->takes_memory |= more->takes_memory;
}

int rk_code_effort(const char *code, rk_effort *effort) {
  int known = 1;
  *effort = (rk_effort){0};
  for (const char *at = code; *at;) {
    size_t length = 0;
    while (is_of_word(at[length])) length++;
    if (!length) {
      effort->cost += strchr("+-*/", *at) != NULL;
      at++;
      continue;
    }
    const word *w = strncmp(at, "rk_", 3) ? NULL : find(at, length);
    if (w) add(effort, &w->effort);
    else known &= strncmp(at, "rk_", 3) != 0;
    at += length;
  }
  return known;
}

/* What a plan has is known when it is made, so that threads which share the plan only read. */
const rk_effort *rk_effort_of(const rk_node *node) {
  static rk_effort effort[RK_OPS];
  static char is_known[RK_OPS];
  static const rk_effort nothing;
  if (!node->operation || node->operation->kind != RK_ELEMENTWISE) return &nothing;
  rk_op op = node->operation->op;
  if (!is_known[op]) {
    rk_code_effort(node->operation->code, &effort[op]);
    is_known[op] = 1;
  }
  return &effort[op];
}
