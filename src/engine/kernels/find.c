/* Which kernel has a text, and which of its forms this processor runs. */
#include "kernels/tables.h"

#include <string.h>

#define TEXT(number, bits, name, integers, length, digest, ...)                                    \
  static const rk_varying varying_##number[] = {__VA_ARGS__};
#include "kernels/table.def"
#undef TEXT

#define TEXT(number, bits, name, integers, length, digest, ...)                                    \
  {name, bits == 64, integers, length, sizeof varying_##number / sizeof *varying_##number - 1,     \
   varying_##number, digest},
const rk_built_text rk_built_texts[] = {
#include "kernels/table.def"
};
#undef TEXT
const int rk_built_text_count = sizeof rk_built_texts / sizeof *rk_built_texts;

static int value_of(const rk_varying *v, const int *size) {
  int value = v->of[0];
  for (int k = 0; k < RK_SIZES; k++) value += v->of[1 + k] * size[k];
  return value;
}

/* The sizes, from the first integers that have each alone. */
static int solve(const rk_built_text *text, const rk_scanned *s, int *size) {
  for (int k = 0; k < RK_SIZES; k++) {
    size[k] = 0;
    for (int q = 0; q < text->varyings && !size[k]; q++) {
      const rk_varying *v = &text->varying[q];
      if (!v->of[0] && v->of[1 + k] == 1 && !v->of[2 - k]) size[k] = s->integer[v->at];
    }
  }
  for (int q = 0; q < text->varyings; q++) {
    const rk_varying *v = &text->varying[q];
    const int value = s->integer[v->at];
    if (value != value_of(v, size) || (s->is_extent[v->at] && value > RK_MOST_COMPONENTS)) return 0;
    for (int k = 0; k < RK_SIZES; k++)
      if (v->of[1 + k] && size[k] < RK_LEAST_SIZE) return 0;
  }
  return 1;
}

static int is_text(const rk_built_text *text, const rk_scanned *s, int is_double, int *size) {
  char digest[RK_DIGEST_TEXT];
  if (text->is_double != is_double || text->integers != s->integers ||
      text->length != (int)s->skeleton.length || !solve(text, s, size))
    return 0;
  rk_text_digest(s, text->varying, text->varyings, digest);
  return !strcmp(digest, text->digest);
}

/* The widest table that the processor has, of those that are not wider than asked. */
static const rk_built_entry *table_of(int *bytes) {
#ifdef RK_HAS_WIDE_KERNELS
  if (*bytes >= 32 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    *bytes = 32;
    return rk_built_32;
  }
#endif
  *bytes = 16;
  return rk_built_16;
}

int rk_built_find(const char *text, int is_double, int *bytes, rk_built *found) {
  rk_scanned s;
  int k = 0, good = rk_scan(text, &s);
  while (good && k < rk_built_text_count &&
         !is_text(&rk_built_texts[k], &s, is_double, found->size))
    k++;
  good = good && k < rk_built_text_count;
  rk_scanned_free(&s);
  if (!good) return 0;
  const rk_built_entry *entry = &table_of(bytes)[k];
  found->pair = entry->pair;
  found->state = entry->state;
  found->name = rk_built_texts[k].name;
  return found->pair != NULL;
}

