/* Extremes of arrays that come again are known from an earlier call. */
#include "look/looking.h"

#include <stdlib.h>
#include <string.h>

static void write_key(const rk_watched *value, rk_key *key) {
  const rk_array *x = value->plain.array;
  key->is_unknown = !x;
  if (!x) return;
  rk_key_array(key, x);
  rk_key_bytes(key, &value->plain.scale, sizeof value->plain.scale);
  rk_key_number(key, value->centre < 0); /* what is looked for differs */
}

void rk_find_known(rk_watched *value) {
  rk_key key = {.stamps = 0};
  write_key(value, &key);
  value->known = rk_prepared_find(&key);
  rk_key_free(&key);
}

void rk_see_known(const rk_watched *value, rk_extremes *seen) {
  const rk_extremes *known = rk_prepared_value(value->known);
  for (int c = 0; c < value->node->dim; c++)
    seen[value->first + c] = rk_widened(seen[value->first + c], known[c]);
}

/* Roundings depend on the centre. */
void rk_keep_known(rk_watched *value, const rk_extremes *seen) {
  size_t bytes = (size_t)value->node->dim * sizeof *seen;
  rk_key key = {.stamps = 0};
  if (!value->known) write_key(value, &key);
  if (!value->known && rk_prepared_has_room(&key, (double)bytes)) {
    rk_extremes *kept = malloc(bytes);
    for (int c = 0; c < value->node->dim && kept; c++) {
      kept[c] = seen[value->first + c];
      kept[c].rounding = 0;
    }
    value->known = kept ? rk_prepared_keep(&key, kept, bytes, free) : NULL;
    if (!value->known) free(kept);
  }
  rk_key_free(&key);
}
