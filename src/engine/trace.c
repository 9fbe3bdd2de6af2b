/* See trace.h. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

#define NAME(name) #name,
static const char *const names[RK_TRACES] = {RK_TRACED_STAGES(NAME)};

static unsigned asked, traced; /* a bit for each stage: by rk_configure, and in all */
static void (*sink)(const char *text);

static void say_unknown(const char *word, size_t length) {
  rk_text text = {0};
  rk_text_add(&text, "rkeops: there is no stage \"");
  rk_text_bytes(&text, word, length);
  rk_text_add(&text, "\" to trace: expected all");
  for (int k = 0; k < RK_TRACES; k++) rk_text_format(&text, ", %s", names[k]);
  rk_text_add(&text, "\n");
  if (sink) sink(rk_text_string(&text));
  rk_text_free(&text);
}

static unsigned stage_named(const char *word, size_t length) {
  for (unsigned k = 0; k < RK_TRACES; k++)
    if (strlen(names[k]) == length && !memcmp(word, names[k], length)) return 1u << k;
  if (length == 3 && !memcmp(word, "all", 3)) return (1u << RK_TRACES) - 1;
  if (length) say_unknown(word, length);
  return 0;
}

static unsigned stages_of(const char *list) {
  unsigned found = 0;
  while (list) {
    size_t length = strcspn(list, ", ");
    found |= stage_named(list, length);
    list = list[length] ? list + length + 1 : NULL;
  }
  return found;
}

void rk_trace_configure(const char *stages, void (*write)(const char *text)) {
  if (write) sink = write;
  if (stages) asked = stages_of(stages);
}

void rk_trace_begin(void) { traced = asked | stages_of(getenv("RKEOPS_TRACE")); }

int rk_is_traced(rk_trace stage) { return sink && (traced >> stage & 1); }

const char *rk_traced_stage(int k) { return k >= 0 && k < RK_TRACES ? names[k] : NULL; }

void rk_trace_show(rk_trace stage, const rk_text *made) {
  rk_text text = {0};
  rk_text_format(&text, "rkeops %s:\n%s", names[stage], rk_text_string(made));
  sink(rk_text_string(&text));
  rk_text_free(&text);
}
