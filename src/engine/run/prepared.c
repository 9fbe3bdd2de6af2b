/* See prepared.h. */
#include "run/prepared.h"

#include <stdlib.h>
#include <string.h>

struct rk_prepared {
  uint64_t hash;
  rk_key key;
  void *value;
  size_t bytes;
  void (*free_value)(void *value);
  int users;                 /* the list is one of them */
  uint64_t used;             /* when last, counted by uses */
};

enum { MOST = 64 };
static rk_prepared *list[MOST];
static int count;
static uint64_t uses, last_stamp;
static int64_t most_bytes = (int64_t)512 << 20, own_bytes, outside_bytes, hits;

/* ---- keys ------------------------------------------------------------------------------------ */

void rk_key_bytes(rk_key *key, const void *bytes, size_t n) {
  rk_text_bytes(&key->bytes, bytes, n);
}

void rk_key_number(rk_key *key, uint64_t number) { rk_key_bytes(key, &number, sizeof number); }

static void add_stamp(rk_key *key, uint64_t stamp) {
  for (int k = 0; k < key->stamps; k++)
    if (key->stamp[k] == stamp) return;
  if (key->stamps < RK_MOST_STAMPS) key->stamp[key->stamps++] = stamp;
  else key->is_unknown = 1;
}

void rk_key_array(rk_key *key, const rk_array *x) {
  if (!x->stamp || x->resident) {
    key->is_unknown = 1;
    return;
  }
  const int64_t layout[] = {x->rows, x->dim, x->row_stride, x->component_stride};
  add_stamp(key, x->stamp);
  rk_key_number(key, x->stamp);
  rk_key_bytes(key, layout, sizeof layout);
}

void rk_key_free(rk_key *key) { rk_text_free(&key->bytes); }

static int is_good(const rk_key *key) {
  return !key->is_unknown && key->stamps && !key->bytes.failed;
}

static uint64_t hash_of(const rk_key *key) {
  uint64_t hash = 14695981039346656037u;
  for (size_t k = 0; k < key->bytes.length; k++)
    hash = (hash ^ (unsigned char)key->bytes.bytes[k]) * 1099511628211u;
  return hash;
}

/* ---- the list -------------------------------------------------------------------------------- */

void rk_prepared_release(rk_prepared *p) {
  if (!p || --p->users > 0) return;
  p->free_value(p->value);
  rk_key_free(&p->key);
  free(p);
}

static void drop(int k) {
  rk_prepared *p = list[k];
  own_bytes -= (int64_t)p->bytes;
  list[k] = list[--count];
  rk_prepared_release(p);
}

static int oldest(void) {
  int k = 0;
  for (int n = 1; n < count; n++)
    if (list[n]->used < list[k]->used) k = n;
  return k;
}

static void make_room(int64_t bytes, int places) {
  while (count && (own_bytes + outside_bytes + bytes > most_bytes || count + places > MOST))
    drop(oldest());
}

static int place_of(const rk_key *key, uint64_t hash) {
  for (int k = 0; k < count; k++) {
    const rk_text *x = &list[k]->key.bytes;
    if (list[k]->hash == hash && x->length == key->bytes.length &&
        !memcmp(x->bytes, key->bytes.bytes, x->length))
      return k;
  }
  return -1;
}

rk_prepared *rk_prepared_find(const rk_key *key) {
  if (!count || !is_good(key)) return NULL;
  int k = place_of(key, hash_of(key));
  if (k < 0) return NULL;
  hits++;
  list[k]->used = ++uses;
  list[k]->users++;
  return list[k];
}

int rk_prepared_has_room(const rk_key *key, double bytes) {
  return is_good(key) && bytes + (double)outside_bytes <= (double)most_bytes;
}

rk_prepared *rk_prepared_keep(const rk_key *key, void *value, size_t bytes,
                              void (*free_value)(void *value)) {
  bytes += key->bytes.length + sizeof(rk_prepared);
  if (!rk_prepared_has_room(key, (double)bytes)) return NULL;
  uint64_t hash = hash_of(key);
  int before = place_of(key, hash); /* of a call in a poll of this one */
  rk_prepared *p = calloc(1, sizeof *p);
  if (!p) return NULL;
  p->key = *key;
  p->key.bytes = (rk_text){0};
  rk_text_bytes(&p->key.bytes, key->bytes.bytes, key->bytes.length);
  if (p->key.bytes.failed) {
    rk_key_free(&p->key);
    free(p);
    return NULL;
  }
  if (before >= 0) drop(before);
  make_room((int64_t)bytes, 1);
  p->hash = hash;
  p->value = value;
  p->bytes = bytes;
  p->free_value = free_value;
  p->users = 2;
  p->used = ++uses;
  list[count++] = p;
  own_bytes += (int64_t)bytes;
  return p;
}

void *rk_prepared_value(const rk_prepared *p) { return p->value; }

/* ---- what callers say ------------------------------------------------------------------------ */

uint64_t rk_stamp_new(void) { return ++last_stamp; }

void rk_stamp_forget(uint64_t stamp) {
  for (int k = count - 1; k >= 0; k--) {
    int has = 0;
    for (int s = 0; s < list[k]->key.stamps; s++) has |= list[k]->key.stamp[s] == stamp;
    if (has) drop(k);
  }
}

void rk_prepared_hold(int64_t bytes) {
  outside_bytes = bytes;
  make_room(0, 0);
}

void rk_prepared_clear(void) {
  while (count) drop(count - 1);
}

void rk_prepared_configure(int64_t bytes) {
  if (bytes) most_bytes = bytes > 0 ? bytes : 0;
  make_room(0, 0);
}

void rk_prepared_count(rk_counters *counters) {
  counters->prepared = count;
  counters->prepared_bytes = own_bytes;
  counters->prepared_hits = hits;
}

void rk_prepared_report(rk_text *report) {
  rk_text_format(report, "prepared data: %.0f MB, and %.0f MB of inputs; at most %.0f MB\n",
                 (double)own_bytes / 1e6, (double)outside_bytes / 1e6, (double)most_bytes / 1e6);
}
