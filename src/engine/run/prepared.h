/* What calls have made of inputs that did not change since: packed rows, extremes. Kept for later
 * calls, up to a number of bytes; what was used least recently is freed first.
 *
 * A thing is found by a key that has all that it was made of: numbers as they are, arrays by their
 * stamps (rk_array). Whoever finds or keeps one is its user until it is released, and it stays that
 * long, whatever becomes of the list: a poll may run calls of its own. */
#ifndef RKEOPS_PREPARED_H
#define RKEOPS_PREPARED_H

#include "engine.h"
#include "text.h"

/* {0} is an empty one. */
enum { RK_MOST_STAMPS = 8 };
typedef struct {
  rk_text bytes;
  uint64_t stamp[RK_MOST_STAMPS];
  int stamps;
  int is_unknown;            /* an array has no stamp, or there are too many: nothing is found */
} rk_key;
void rk_key_bytes(rk_key *key, const void *bytes, size_t n);
void rk_key_number(rk_key *key, uint64_t number);
void rk_key_array(rk_key *key, const rk_array *array); /* which numbers, and how they lie */
void rk_key_free(rk_key *key);

typedef struct rk_prepared rk_prepared;

/* NULL: there is none. A key without arrays finds nothing. */
rk_prepared *rk_prepared_find(const rk_key *key);

/* Takes over a value of so many bytes, which `free_value` frees later. NULL: it stays the caller's,
 * as where it is too large, or where rk_prepared_has_room said so before it was made. */
rk_prepared *rk_prepared_keep(const rk_key *key, void *value, size_t bytes,
                              void (*free_value)(void *value));
int rk_prepared_has_room(const rk_key *key, double bytes);

void *rk_prepared_value(const rk_prepared *prepared);
void rk_prepared_release(rk_prepared *prepared); /* NULL is fine */

void rk_prepared_configure(int64_t bytes);       /* at most; 0: as before; < 0: nothing */
void rk_prepared_count(rk_counters *counters);
void rk_prepared_report(rk_text *report);

#endif
