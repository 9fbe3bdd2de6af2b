/* Command lines and makefiles, read without running anything. */
#include "build/parts.h"

#include <stdlib.h>
#include <string.h>

int rk_words_add(rk_words *words, const char *word) {
  char **longer = realloc(words->word, ((size_t)words->n + 2) * sizeof *longer);
  if (!longer) return 0;
  words->word = longer;
  rk_text copy = {0};
  rk_text_add(&copy, word);
  longer[words->n] = rk_text_steal(&copy);
  if (!longer[words->n]) return 0;
  longer[++words->n] = NULL;
  return 1;
}

void rk_words_free(rk_words *words) {
  for (int k = 0; k < words->n; k++) free(words->word[k]);
  free(words->word);
  *words = (rk_words){0};
}

static int is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* One word: quotes and backslashes as in a shell. On Windows a backslash separates folders. */
static const char *scan_word(const char *p, rk_text *word) {
  char quote = 0;
  for (; *p && (quote || !is_space(*p)); p++) {
    if (quote ? *p == quote : (*p == '"' || *p == '\'')) {
      quote = quote ? 0 : *p;
      continue;
    }
#if !defined(_WIN32)
    if (*p == '\\' && quote != '\'' && p[1]) p++;
#endif
    rk_text_bytes(word, p, 1);
  }
  return p;
}

int rk_words_split(rk_words *words, const char *text) {
  rk_text word = {0};
  int good = 1;
  for (const char *p = text; good;) {
    while (is_space(*p)) p++;
    if (!*p) break;
    rk_text_clear(&word);
    p = scan_word(p, &word);
    good = !word.failed && rk_words_add(words, rk_text_string(&word));
  }
  rk_text_free(&word);
  return good;
}

/* The last line "name = value" counts, as for make. NULL when there is none. */
static const char *find_assignment(const char *makefile, const char *name, size_t *length) {
  const char *found = NULL;
  size_t n = strlen(name);
  for (const char *line = makefile; *line;) {
    size_t width = strcspn(line, "\n");
    const char *p = line + n;
    if (width > n && strncmp(line, name, n) == 0) {
      while (*p == ' ' || *p == '\t') p++;
      if ((*p == ':' || *p == '?') && p[1] == '=') p++;
      if (*p == '=') {
        found = p + 1;
        *length = width - (size_t)(found - line);
      }
    }
    line += width;
    if (*line) line++;
  }
  return found;
}

static int expand(const char *makefile, const char *name, rk_text *value, int depth) {
  size_t n = 0;
  const char *p = find_assignment(makefile, name, &n);
  if (!p || depth > 8) return 0;
  for (const char *end = p + n; p < end; p++) {
    char close = p + 1 < end && *p == '$' ? (p[1] == '(' ? ')' : p[1] == '{' ? '}' : 0) : 0;
    const char *stop = close ? memchr(p, close, (size_t)(end - p)) : NULL;
    if (*p == '#') break;
    if (!stop) {
      rk_text_bytes(value, p, 1);
      continue;
    }
    rk_text inner = {0};
    rk_text_bytes(&inner, p + 2, (size_t)(stop - p - 2));
    expand(makefile, rk_text_string(&inner), value, depth + 1);
    if (inner.failed) value->failed = 1;
    rk_text_free(&inner);
    p = stop;
  }
  return !value->failed;
}

int rk_makeconf_value(const char *makefile, const char *name, rk_text *value) {
  return expand(makefile, name, value, 0);
}
