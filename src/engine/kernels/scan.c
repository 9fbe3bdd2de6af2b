/* General texts, as far as they are compared: without the numbers of nodes, which follow from how a
 * formula was written, and with their integers apart. */
#include "kernels/kernels.h"
#include "build/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_part(char c) { return rk_is_alnum(c) || c == '_' || c == '.'; }

static int all_digits(const char *at, int n) {
  for (int k = 0; k < n; k++)
    if (!rk_is_digit(at[k])) return 0;
  return n > 0 && n < 10;
}

/* n12, s12: values of a node. Which number does it have among those so far? */
enum { MOST_NAMES = 256 };
typedef struct { int known[MOST_NAMES], count; } names;

static int number_of(names *all, int node) {
  int k = 0;
  while (k < all->count && all->known[k] != node) k++;
  if (k == MOST_NAMES) return 0;
  if (k == all->count) all->known[all->count++] = node;
  return k + 1;
}

static int add_integer(rk_scanned *s, int value, int is_extent) {
  if (s->integers == RK_MOST_INTEGERS) return 0;
  s->is_extent[s->integers] = (unsigned char)is_extent;
  s->integer[s->integers++] = value;
  rk_text_add(&s->skeleton, "#");
  return 1;
}

/* A word of letters, digits and points. */
static int scan_word(rk_scanned *s, names *all, const char *at, int length, int in_state) {
  const int is_node = (*at == 'n' || *at == 's') && all_digits(at + 1, length - 1);
  if (all_digits(at, length)) return add_integer(s, atoi(at), in_state);
  int number = is_node ? number_of(all, atoi(at + 1)) : 1;
  if (is_node) rk_text_format(&s->skeleton, "%c%d", *at, number);
  else rk_text_bytes(&s->skeleton, at, (size_t)length);
  return number;
}

int rk_scan(const char *text, rk_scanned *s) {
  names all = {.count = 0};
  s->skeleton = (rk_text){0};
  s->integers = 0;
  int good = 1, in_state = 0;
  for (const char *at = text; *at && good;) {
    int length = 0;
    while (is_part(at[length])) length++;
    if (!strncmp(at, "typedef struct", 14)) in_state = 1;
    if (*at == '}') in_state = 0;
    if (length) good = scan_word(s, &all, at, length, in_state);
    else rk_text_bytes(&s->skeleton, at, 1);
    at += length ? length : 1;
  }
  return good && !s->skeleton.failed;
}

void rk_scanned_free(rk_scanned *s) { rk_text_free(&s->skeleton); }

void rk_text_digest(const rk_scanned *s, const rk_varying *varying, int varyings,
                    char digest[RK_DIGEST_TEXT]) {
  unsigned char bytes[RK_HASH_BYTES];
  rk_sha256 hash;
  rk_text all = {0};
  for (int k = 0, v = 0; k < s->integers; k++) {
    if (v < varyings && varying[v].at == k) v++;
    else rk_text_format(&all, "%d:%d ", k, s->integer[k]);
  }
  rk_sha256_start(&hash);
  rk_sha256_field(&hash, rk_text_string(&s->skeleton));
  rk_sha256_field(&hash, rk_text_string(&all));
  rk_sha256_end(&hash, bytes);
  for (int k = 0; 2 * k + 1 < RK_DIGEST_TEXT; k++) snprintf(digest + 2 * k, 3, "%02x", bytes[k]);
  if (all.failed) digest[0] = 0; /* no memory: like none */
  rk_text_free(&all);
}
