/* A look that waits until the first pass is packed: see look.h. */
#include "look/looking.h"
#include "error.h"

#include <stdlib.h>

static rk_status begin(void *data, rk_kind kind, int64_t tasks) {
  const rk_look *look = data;
  return rk_make_seen(look->waiting, &look->waiting->side[kind], tasks);
}

static void see(void *data, rk_kind kind, int64_t task, int64_t first, int64_t end) {
  const rk_look *look = data;
  rk_side *s = &look->waiting->side[kind];
  rk_see_arrays(look->waiting, s, first, end, s->seen + task * s->components);
}

static rk_status judge(void *data) {
  static const unsigned char none[RK_MAX_WANTED];
  rk_look *look = data;
  for (int kind = 0; kind < RK_KINDS; kind++) rk_merge_seen(&look->waiting->side[kind]);
  look->again = !rk_centres_hold(look->waiting);
  if (look->again) return RK_CANCELLED;
  rk_status status = rk_conclude(look->waiting, none);
  rk_look_end(look);
  return status;
}

/* Packing reads rows as they lie in arrays, of all values that are watched, and their centres are
 * plain. */
static int can_wait(rk_looking *l) {
  const rk_pass *first = &l->p->stage[0]->pass;
  if (first->options.precision != RK_FLOAT32 || !l->first_sees_all) return 0;
  if (!l->p->rows[rk_kept_kind(first->source)] || !l->p->rows[rk_reduced_kind(first->source)])
    return 0; /* nothing is packed */
  for (int kind = 0; kind < RK_KINDS; kind++)
    for (int k = 0; k < l->side[kind].count; k++) {
      const rk_plain *plain = &l->side[kind].value[k].plain;
      if (!plain->array || plain->resident) return 0;
    }
  return rk_centres_ahead(l);
}

int rk_wait(rk_look *look, rk_looking *l) {
  if (!can_wait(l)) return 0;
  look->waiting = l;
  look->watch = (rk_watch){look, begin, see, judge};
  return 1;
}
