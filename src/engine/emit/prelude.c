/* Preludes are files of sections, "//@ name needs...": an emitted text gets the sections whose
 * functions it calls, and what these need, in the order of the file. */
#include "emit/writer.h"
#include "error.h"
#include "os.h"

#include <stdlib.h>
#include <string.h>

/* With more calls than this, mathematics is called rather than inlined: compile time. */
enum { MAX_SECTIONS = 96, MAX_FILES = 16, MANY_CALLS = 40 };

typedef struct { const char *head, *text; size_t head_length, length; } section;

typedef struct {
  char *path, *bytes;
  section section[MAX_SECTIONS];
  int sections;
} prelude;

static prelude loaded[MAX_FILES]; /* read once in a process */

static void split(prelude *p) {
  char *at = p->bytes;
  while (at && p->sections < MAX_SECTIONS) {
    if (strncmp(at, "//@", 3)) {
      at = strstr(at, "\n//@");
      if (at) at++;
      continue;
    }
    section *s = &p->section[p->sections++];
    char *end = strchr(at, '\n');
    if (!end) break;
    s->head = at + 3;
    s->head_length = (size_t)(end - s->head);
    s->text = end + 1;
    char *next = strstr(end, "\n//@");
    s->length = next ? (size_t)(next + 1 - s->text) : strlen(s->text);
    at = next ? next + 1 : NULL;
  }
}

static rk_status load(const char *dir, const char *file, prelude **out, rk_error *error) {
  rk_text path = {0};
  rk_text_format(&path, "%s/%s", dir ? dir : ".", file);
  char *name = rk_text_steal(&path);
  if (!name) return rk_fail_memory(error, 256);
  for (int k = 0; k < MAX_FILES; k++) {
    prelude *p = &loaded[k];
    if (p->path && strcmp(p->path, name)) continue;
    if (p->path) {
      free(name);
      *out = p;
      return RK_OK;
    }
    size_t length;
    if (!rk_os_read(name, &p->bytes, &length)) {
      rk_status status = rk_fail_system(error, "cannot read %s, a part of the package: %s", name,
                                        rk_os_reason());
      free(name);
      return status;
    }
    p->path = name;
    split(p);
    *out = p;
    return RK_OK;
  }
  free(name);
  return rk_fail(error, RK_ERROR_INTERNAL, "too many prelude files");
}

/* The next word of a section's first line; NULL at its end. */
static const char *word(const section *s, const char *at, size_t *length) {
  const char *end = s->head + s->head_length;
  while (at < end && rk_is_space(*at)) at++;
  size_t n = 0;
  while (at + n < end && !rk_is_space(at[n])) n++;
  *length = n;
  return n ? at : NULL;
}

static int is_name_part(char c) { return rk_is_alnum(c) || c == '_'; }

/* Does the text use this name? */
static int uses(const char *body, const char *name, size_t length) {
  for (const char *at = body; (at = strstr(at, "rk_")); at += 3)
    if (!strncmp(at, name, length) && !is_name_part(at[length]) &&
        (at == body || !is_name_part(at[-1])))
      return 1;
  return 0;
}

/* Does it use one of the functions that a section defines (lines that start with RK_...)? */
static int uses_section(const char *body, const section *s) {
  const char *end = s->text + s->length;
  for (const char *line = s->text; line < end; line = strchr(line, '\n') + 1) {
    const char *open = strchr(line, '('), *name = open;
    if (strncmp(line, "RK_", 3) || !open || open > strchr(line, '\n')) continue;
    while (name > line && is_name_part(name[-1])) name--;
    if (uses(body, name, (size_t)(open - name))) return 1;
  }
  return 0;
}

static int find(const prelude *p, const char *name, size_t length) {
  for (int k = 0; k < p->sections; k++) {
    size_t n;
    const char *own = word(&p->section[k], p->section[k].head, &n);
    if (own && n == length && !strncmp(own, name, n)) return k;
  }
  return -1;
}

static void want(const prelude *p, int k, char *wanted) {
  if (k < 0 || wanted[k]) return;
  wanted[k] = 1;
  size_t length;
  const section *s = &p->section[k];
  const char *at = word(s, s->head, &length);
  while (at && (at = word(s, at + length, &length))) want(p, find(p, at, length), wanted);
}

/* Names that one section defines for others: base is there once, types for each type. */
static int is_named(const section *s, const char *name) {
  size_t length;
  const char *own = word(s, s->head, &length);
  return own && length == strlen(name) && !strncmp(own, name, length);
}

static void wanted_sections(const prelude *p, const char *body, char *wanted) {
  for (int k = 0; k < p->sections; k++)
    if (is_named(&p->section[k], "types") || uses_section(body, &p->section[k]))
      want(p, k, wanted);
  int base = find(p, "base", 4);
  if (base >= 0) wanted[base] = 0; /* pasted on its own */
}

/* Sections of a few instructions, always inlined; the others are functions worth a call. */
static int is_small(const section *s) {
  static const char *const small[] = {"base", "types", "mask", "minmax", "abs", "positions", "powi",
                                      "sum_wide", "sum_same", "sum_kahan"};
  for (unsigned k = 0; k < sizeof small / sizeof *small; k++)
    if (is_named(s, small[k])) return 1;
  return 0;
}

/* How often the body calls what a section of mathematics defines. */
static int count_calls(const prelude *p, const char *body, const char *wanted) {
  int calls = 0;
  for (const char *at = body; (at = strstr(at, "= rk_")); at += 5) {
    size_t length = strcspn(at + 5, "(");
    int k = find(p, at + 5, length);
    calls += k >= 0 && wanted[k] && !is_small(&p->section[k]);
  }
  return calls;
}

static void paste(rk_text *out, const section *s, int as_call) {
  if (as_call) rk_text_add(out, "#undef RK_INLINE\n#define RK_INLINE RK_CALLED\n");
  rk_text_bytes(out, s->text, s->length);
  if (as_call) rk_text_add(out, "#undef RK_INLINE\n#define RK_INLINE RK_INLINED\n");
}

rk_status rk_write_prelude(rk_text *out, const char *include_dir, const char *file,
                           const char *body, rk_error *error) {
  prelude *p = NULL;
  char wanted[MAX_SECTIONS] = {0};
  rk_status status = load(include_dir, file, &p, error);
  if (status) return status;
  int base = find(p, "base", 4);
  if (body) wanted_sections(p, body, wanted);
  else if (base >= 0) wanted[base] = 1;
  int many = body && count_calls(p, body, wanted) > MANY_CALLS;
  for (int k = 0; k < p->sections; k++)
    if (wanted[k]) paste(out, &p->section[k], many && !is_small(&p->section[k]));
  return RK_OK;
}
