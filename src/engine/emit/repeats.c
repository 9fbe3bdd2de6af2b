/* Loops with many ranges, as those over components picked here and there. What is written for each
 * range often differs in positions only: then it is written once, in a loop over tables of these.
 * So the length of a text, and the compiler's time, do not grow with the number of ranges. */
#include "emit/writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  FEW = 16,    /* ranges that are written one by one */
  SHORT = 4,   /* the least that share a loop */
  SEVERAL = 8  /* texts from which on their number counts when loops are unrolled */
};

typedef struct { char *text; unsigned long hash; int place, group; } written;

static int is_name_part(char c) { return rk_is_alnum(c) || c == '_' || c == '.'; }

/* The length of an integer that is neither part of a name nor of a number with a point or an
 * exponent; or 0. */
static int integer_at(const char *text, const char *at) {
  int n = 0;
  if (at > text && (is_name_part(at[-1]) ||
                    (at > text + 1 && (at[-1] == '-' || at[-1] == '+') && at[-2] == 'e')))
    return 0;
  while (rk_is_digit(at[n])) n++;
  return n < 10 && !is_name_part(at[n]) ? n : 0;
}

/* The text without its integers, as a number. */
static unsigned long hash_of(const char *text) {
  unsigned long hash = 5381;
  for (const char *at = text; *at;) {
    int n = integer_at(text, at);
    hash = hash * 33 + (unsigned char)(n ? '#' : *at);
    at += n ? n : 1;
  }
  return hash;
}

/* Are they the same but for integers? */
static int alike(const written *a, const written *b) {
  const char *x = a->text, *y = b->text;
  if (a->hash != b->hash) return 0;
  while (*x && *y) {
    int n = integer_at(a->text, x), m = integer_at(b->text, y);
    if (!n != !m || (!n && *x != *y)) return 0;
    x += n ? n : 1;
    y += m ? m : 1;
  }
  return *x == *y;
}

static int by_hash(const void *a, const void *b) {
  const written *x = a, *y = b;
  if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
  return x->place - y->place;
}

static int by_group(const void *a, const void *b) {
  const written *x = a, *y = b;
  return x->group != y->group ? x->group - y->group : x->place - y->place;
}

/* Those that are alike become neighbours, in the order of their firsts. */
static void group(written *list, int count) {
  qsort(list, (size_t)count, sizeof *list, by_hash);
  for (int k = 0; k < count; k++)
    list[k].group = k && alike(&list[k], &list[k - 1]) ? list[k - 1].group : list[k].place;
  qsort(list, (size_t)count, sizeof *list, by_group);
}

/* The integer at these places: is it the same in all texts? */
static int is_same(const written *list, const char *const *at, int count, int length) {
  for (int k = 1; k < count; k++)
    if (integer_at(list[k].text, at[k]) != length || strncmp(at[k], at[0], (size_t)length))
      return 0;
  return 1;
}

/* One loop for `count` texts: the integers in which they differ are read from a table. */
static void write_alike(rk_writer *w, const written *list, int count) {
  const char **at = calloc((size_t)count, sizeof *at);
  rk_text body = {0}, table = {0};
  int columns = 0;
  for (int k = 0; k < count && at; k++) at[k] = list[k].text;
  while (at && *at[0]) {
    int n = integer_at(list[0].text, at[0]), same = !n || is_same(list, at, count, n);
    if (same) rk_text_bytes(&body, at[0], n ? (size_t)n : 1);
    else rk_text_format(&body, "table[%d][item]", columns++);
    for (int k = 0; k < count; k++) {
      int m = n ? integer_at(list[k].text, at[k]) : 1;
      if (!same) rk_text_format(&table, "%s%.*s", k ? ", " : "", m, at[k]);
      at[k] += m;
    }
    if (!same) rk_text_add(&table, "},\n{");
  }
  if (columns)
    rk_line(w, "{\nstatic const int table[%d][%d] = {{%s}};", columns + 1, count,
            rk_text_string(&table));
  rk_open(w, "for (int item = 0; item < %d; item++)", count);
  rk_text_add(w->out, rk_text_string(&body));
  rk_close(w);
  if (columns) rk_line(w, "}");
  if (!at || body.failed || table.failed) w->out->failed = 1;
  free(at);
  rk_text_free(&body);
  rk_text_free(&table);
}

/* Texts that groups are written in. */
static int texts_of(const written *list, int count) {
  int texts = 0, end;
  for (int k = 0; k < count; k = end) {
    for (end = k + 1; end < count && list[end].group == list[k].group;) end++;
    texts += end - k >= SHORT ? 1 : end - k;
  }
  return texts;
}

static void write_groups(rk_writer *w, const written *list, int count) {
  int end;
  for (int k = 0; k < count; k = end) {
    for (end = k + 1; end < count && list[end].group == list[k].group;) end++;
    if (end - k >= SHORT) write_alike(w, list + k, end - k);
    else for (int l = k; l < end; l++) rk_text_add(w->out, list[l].text);
  }
}

static void forget(written *list, int count) {
  for (int r = 0; r < count; r++) free(list[r].text);
  memset(list, 0, (size_t)count * sizeof *list);
}

typedef struct { const rk_range *range; int count; rk_range_body body; const void *data; } ranges;

/* Each by itself. Names of temporaries start anew: all are in blocks of their own. What is unrolled
 * counts once. */
static int write_each(rk_writer *w, const ranges *r, written *list) {
  rk_text *const out = w->out;
  const int names = w->names;
  const double unrolled = w->unrolled;
  int most = names;
  for (int k = 0; k < r->count && !out->failed; k++) {
    rk_text text = {0};
    w->names = names;
    w->unrolled = unrolled;
    w->out = &text;
    r->body(w, r->range[k], r->data);
    w->out = out;
    out->failed |= text.failed;
    list[k] = (written){.place = k, .text = rk_text_steal(&text)};
    if (list[k].text) list[k].hash = hash_of(list[k].text);
    else out->failed = 1;
    if (w->names > most) most = w->names;
  }
  w->names = most;
  if (!out->failed) group(list, r->count);
  return !out->failed;
}

static void write_many(rk_writer *w, const ranges *r, written *list) {
  w->repeated = 1;
  int texts = write_each(w, r, list) ? texts_of(list, r->count) : 0;
  if (texts >= SEVERAL) {
    forget(list, r->count);
    w->repeated = texts;
    write_each(w, r, list);
  }
  if (!w->out->failed) write_groups(w, list, r->count);
  forget(list, r->count);
}

void rk_write_ranges(rk_writer *w, const rk_range *range, int count, rk_range_body body,
                     const void *data) {
  const ranges r = {range, count, body, data};
  written *list = count > FEW ? calloc((size_t)count, sizeof *list) : NULL;
  if (list) write_many(w, &r, list);
  else if (count > FEW) w->out->failed = 1;
  w->repeated = count < SEVERAL ? 1 : count;
  for (int k = 0; k < count && count <= FEW; k++) body(w, range[k], data);
  w->repeated = 1;
  free(list);
}
