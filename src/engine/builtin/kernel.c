/* Passes whose kernel is part of the package: it walks over the pairs, while lists of loops pack
 * what it reads. */
#include "builtin/program.h"
#include "host/frame.h"
#include "rounding.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of the text lie behind the parameters. */
static size_t parameter_bytes(const rk_pair_program *p) {
  size_t numbers = (size_t)p->record[RK_NEST_PARAMETER] + (size_t)p->numbers.count;
  return p->numbers.count ? numbers * (size_t)p->size : 0;
}

static const void *parameters_of(const rk_pair_program *p, const rk_walked *given) {
  const size_t known = (size_t)p->record[RK_NEST_PARAMETER] * (size_t)p->size;
  char *all = given->work + p->parameters_at;
  if (!p->numbers.count) return given->params;
  memcpy(all, given->params, known);
  for (int k = 0; k < p->numbers.count; k++) {
    const double number = p->numbers.value[k];
    const float same = (float)number;
    memcpy(all + known + (size_t)(k * p->size), p->size == 8 ? (const void *)&number : &same,
           (size_t)p->size);
  }
  return all;
}

static void pair(const rk_walked *given) {
  const rk_pair_program *p = given->program;
  rk_walked w = *given;
  w.params = parameters_of(p, given);
  p->built.pair(&w, p->built.size[0], p->built.size[1], p->factor);
}

/* RKEOPS_KERNELS=none: tests, and measurements, of what runs without them. */
static int are_wanted(void) {
  const char *asked = getenv("RKEOPS_KERNELS");
  return !asked || strcmp(asked, "none");
}

/* Texts that keep positions are others where columns come in any order. */
int rk_find_built(const rk_pass *pass, int vectors, int walks, rk_pair_program *p) {
  const int is_double = pass->options.precision == RK_FLOAT64;
  rk_text text = {0};
  if (!are_wanted()) return 0;
  if (!pass->state.positions) walks = 1;
  int found = rk_emit_general(pass, walks, &text, &p->numbers) &&
              rk_built_find(rk_text_string(&text), is_double, &vectors, &p->built);
  rk_text_free(&text);
  if (found) p->tile = rk_general_tile(pass, vectors, walks);
  return found;
}

rk_module rk_built_module(const rk_pass *pass, rk_pair_program *p) {
  p->parameters_at = (size_t)rk_round_up(
      (int64_t)(p->built.state + rk_work_bytes(pass, &p->tile)), 64);
  size_t work = p->parameters_at + parameter_bytes(p), packing = rk_builtin_work(p);
  return (rk_module){.tile = p->tile, .work = work > packing ? work : packing,
                     .state = p->built.state, .pair = pair};
}
