/* Loops whose results one other loop reads become one with it, and loops of neighbouring components
 * one loop over these: what lies in memory between two loops costs as much as an operation. Values
 * are written once, save those that folds keep, so that a reader may read what they are made of. */
#include "builtin/program.h"

#include <stdlib.h>

typedef struct {
  rk_tile_program *made;
  const rk_fused_loops *fused;
  int *maker;                /* by value: the last instruction that writes it */
  int *writes, *reads;       /* by value: how many do */
} fusing;

static int is_of(const fusing *f, const rk_instruction *in, rk_op op) {
  return in->loop && in->loop == f->made->loops->of[op];
}

/* What makes a value for one reader only; NULL: it is no such value. */
static rk_instruction *made_by(const fusing *f, rk_at x) {
  if (x.base != RK_AT_TILE || f->reads[x.offset] != 1 || f->writes[x.offset] != 1) return NULL;
  return &f->made->list[f->maker[x.offset]];
}

static rk_instruction *made_as(const fusing *f, rk_at x, rk_op op) {
  rk_instruction *maker = made_by(f, x);
  return maker && is_of(f, maker, op) ? maker : NULL;
}

/* The loop becomes `loop`, with the operands of what made some of its own. */
static void become(rk_instruction *in, rk_tile_loop loop, rk_at a, rk_at b, rk_at c, rk_at d) {
  in->loop = loop;
  in->x[0] = a;
  in->x[1] = b;
  in->x[2] = c;
  in->x[3] = d;
}

static void forget(rk_instruction *in) { in->loop = NULL; }

/* ---- two operations -------------------------------------------------------------------------- */

static void fuse_sum(const fusing *f, rk_instruction *in, int is_difference) {
  const rk_at none = in->x[3];
  for (int q = 0; q < 2; q++) {
    rk_instruction *product = made_as(f, in->x[q], RK_OP_Mult);
    if (!product) continue;
    const rk_at other = in->x[1 - q];
    become(in, !is_difference ? f->fused->muladd : q ? f->fused->submul : f->fused->mulsub,
           product->x[0], product->x[1], other, none);
    forget(product);
    return;
  }
}

static void fuse_product(const fusing *f, rk_instruction *in) {
  const rk_at none = in->x[3];
  for (int q = 0; q < 2; q++) {
    rk_instruction *sum = made_as(f, in->x[q], RK_OP_Add);
    if (!sum) continue;
    become(in, f->fused->addmul, sum->x[0], sum->x[1], in->x[1 - q], none);
    forget(sum);
    return;
  }
}

static void fuse_power(const fusing *f, rk_instruction *in) {
  const rk_at none = in->x[3];
  rk_instruction *maker = made_by(f, in->x[0]);
  in->loop = f->fused->exp2;
  if (!maker || !maker->loop) return;
  if (!is_of(f, maker, RK_OP_Mult) && maker->loop != f->made->loops->end[RK_OP_scaledsum]) return;
  become(in, f->fused->scaled_exp2, maker->x[0], maker->x[1], none, none);
  forget(maker);
}

/* A function of what another operation makes of two values. */
static void fuse_function(const fusing *f, rk_instruction *in, rk_op of, rk_tile_loop loop) {
  const rk_at none = in->x[3];
  rk_instruction *maker = made_as(f, in->x[0], of);
  if (!maker) return;
  become(in, loop, maker->x[0], maker->x[1], none, none);
  forget(maker);
}

static void fuse_choice(const fusing *f, rk_instruction *in) {
  rk_instruction *test = made_as(f, in->x[0], RK_OP_LessThan);
  if (!test) return;
  become(in, f->fused->where_less, test->x[0], test->x[1], in->x[1], in->x[2]);
  forget(test);
}

/* ---- terms ----------------------------------------------------------------------------------- */

/* Lanes first. */
static void order_operands(rk_instruction *in) {
  if (in->x[0].base == RK_AT_LANES || in->x[1].base != RK_AT_LANES) return;
  const rk_at first = in->x[0];
  in->x[0] = in->x[1];
  in->x[1] = first;
}

static void become_adding(const fusing *f, rk_instruction *in, rk_adds how, rk_instruction *of) {
  become(in, f->fused->add[how], of->x[0], of->x[1], in->x[3], in->x[3]);
  in->count = 1;
  in->n = 0;
  order_operands(in);
  forget(of);
}

/* A component enters a sum. */
static void fuse_term(const fusing *f, rk_instruction *in) {
  rk_instruction *term = made_by(f, in->x[0]), *minus = NULL, *difference;
  if (term && is_of(f, term, RK_OP_Minus)) {
    minus = term;
    term = made_by(f, minus->x[0]);
  }
  if (!term) return;
  if (is_of(f, term, RK_OP_Mult) && !minus) {
    become_adding(f, in, RK_ADD_PRODUCTS, term);
  } else if (is_of(f, term, RK_OP_Square) || (is_of(f, term, RK_OP_Abs) && !minus)) {
    difference = made_as(f, term->x[0], RK_OP_Subtract);
    if (!difference) return;
    const int squares = is_of(f, term, RK_OP_Square);
    become_adding(f, in, minus ? RK_ADD_MINUS_SQUARES : squares ? RK_ADD_SQUARES : RK_ADD_SIZES,
                  difference);
    forget(term);
    if (minus) forget(minus);
  }
}

/* A value of pairs enters a short sum. */
static void fuse_entering(const fusing *f, rk_instruction *in) {
  const rk_at none = in->x[3];
  rk_instruction *term = made_by(f, in->x[0]);
  if (!term) return;
  for (int k = 0; k < RK_LONG_SUMS; k++)
    if (term->loop && term->loop == f->made->loops->sums[k].weigh) {
      become(in, f->made->loops->sums[k].weigh_sum, term->x[0], none, none, none);
      forget(term);
      return;
    }
  if (!is_of(f, term, RK_OP_Mult)) return;
  int q = term->x[0].base == RK_AT_TILE && made_as(f, term->x[0], RK_OP_Subtract) ? 0 : 1;
  rk_instruction *difference = made_as(f, term->x[q], RK_OP_Subtract);
  if (difference && difference->x[0].base == RK_AT_LANES) {
    become(in, f->fused->sum_differences, term->x[1 - q], difference->x[0], difference->x[1], none);
    forget(difference);
  } else {
    q = term->x[0].base == RK_AT_TILE ? 1 : 0;
    become(in, f->fused->sum_products, term->x[1 - q], term->x[q], none, none);
  }
  in->count = 1;
  forget(term);
}

static void fuse_one(const fusing *f, rk_instruction *in) {
  const rk_tile_loops *loops = f->made->loops;
  if (!in->loop) return;
  if (is_of(f, in, RK_OP_Add)) fuse_sum(f, in, 0);
  else if (is_of(f, in, RK_OP_Subtract)) fuse_sum(f, in, 1);
  else if (is_of(f, in, RK_OP_Mult)) fuse_product(f, in);
  else if (is_of(f, in, RK_OP_exp2)) fuse_power(f, in);
  else if (is_of(f, in, RK_OP_Inv)) fuse_function(f, in, RK_OP_Add, f->fused->inverse_of_sum);
  else if (is_of(f, in, RK_OP_Sqrt)) fuse_function(f, in, RK_OP_Mult, f->fused->root_of_product);
  else if (is_of(f, in, RK_OP_Where)) fuse_choice(f, in);
  else if (in->loop == loops->next[RK_OP_Sum] || in->loop == loops->next[RK_OP_scaledsum])
    fuse_term(f, in);
  else if (in->loop == loops->sum) fuse_entering(f, in);
}

/* ---- neighbouring components ----------------------------------------------------------------- */

/* The operands go on from those of `first`, whose components come before: by the step that the
 * first two say. */
static int goes_on(rk_instruction *first, const rk_instruction *in) {
  int step[RK_AT_MOST];
  for (int q = 0; q < RK_AT_MOST; q++) {
    if (first->x[q].base != in->x[q].base) return 0;
    step[q] = in->x[q].offset - first->x[q].offset;
    if (step[q] && in->x[q].base == RK_AT_TILE) return 0;
    if (step[q] % first->count) return 0;
    step[q] /= first->count;
    if (first->count > 1 && step[q] != first->step[q]) return 0;
  }
  for (int q = 0; q < RK_AT_MOST; q++) first->step[q] = step[q];
  first->count++;
  return 1;
}

static int adds(const fusing *f, const rk_instruction *in) {
  for (int k = 0; k < RK_ADDS; k++)
    if (in->loop == f->fused->add[k]) return 1;
  return 0;
}

/* Terms of one sum, with what comes between them; the first one begins it. */
static void join_terms(const fusing *f, int *last) {
  rk_instruction *list = f->made->list;
  for (int k = 0; k < f->made->count; k++) {
    rk_instruction *in = &list[k];
    if (!in->loop || in->to.base != RK_AT_TILE) continue;
    const int to = in->to.offset, before = last[to];
    const rk_tile_loops *loops = f->made->loops;
    last[to] = k;
    if (before < 0 || !adds(f, in)) continue;
    if (list[before].loop == in->loop && goes_on(&list[before], in)) {
      forget(in);
      last[to] = before;
    } else if (list[before].loop == loops->start[RK_OP_Sum] ||
               list[before].loop == loops->start[RK_OP_scaledsum]) {
      forget(&list[before]);
      in->n = 1;
    }
  }
}

static void join_entering(const fusing *f) {
  rk_instruction *list = f->made->list, *first = NULL;
  for (int k = 0; k < f->made->count; k++) {
    rk_instruction *in = &list[k];
    if (!in->loop) continue;
    if (in->loop != f->fused->sum_products && in->loop != f->fused->sum_differences) {
      first = NULL;
      continue;
    }
    if (first && first->loop == in->loop && in->k == first->k + first->count && goes_on(first, in))
      forget(in);
    else first = in;
  }
}

/* What is left of the commonest operations. */
static void take_quick_loops(const fusing *f) {
  const rk_op common[] = {RK_OP_Add, RK_OP_Subtract, RK_OP_Mult};
  const rk_tile_loop quick[] = {f->fused->plus, f->fused->minus, f->fused->times};
  for (int k = 0; k < f->made->count; k++) {
    rk_instruction *in = &f->made->list[k];
    for (int q = 0; q < 3; q++)
      if (is_of(f, in, common[q])) in->loop = quick[q];
    if (in->loop && in->loop == f->made->loops->end[RK_OP_scaledsum]) in->loop = f->fused->times;
  }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void count_uses(const fusing *f) {
  for (int k = 0; k < f->made->count; k++) {
    const rk_instruction *in = &f->made->list[k];
    for (int q = 0; q < RK_AT_MOST; q++)
      if (in->x[q].base == RK_AT_TILE) f->reads[in->x[q].offset]++;
    if (in->to.base != RK_AT_TILE) continue;
    f->maker[in->to.offset] = k;
    f->writes[in->to.offset]++;
  }
}

static void close_gaps(rk_tile_program *made) {
  int kept = 0;
  for (int k = 0; k < made->count; k++)
    if (made->list[k].loop) made->list[kept++] = made->list[k];
  made->count = kept;
}

void rk_fuse_loops(rk_tile_program *made) {
  const size_t values = (size_t)made->tiles + 1;
  fusing f = {made, &made->loops->fused, calloc(values, sizeof *f.maker),
              calloc(values, sizeof *f.writes), calloc(values, sizeof *f.reads)};
  int *last = malloc(values * sizeof *last);
  if (f.maker && f.writes && f.reads && last) {
    for (size_t k = 0; k < values; k++) last[k] = -1;
    count_uses(&f);
    for (int k = 0; k < made->count; k++) fuse_one(&f, &made->list[k]);
    join_terms(&f, last);
    join_entering(&f);
    take_quick_loops(&f);
    close_gaps(made);
  } else {
    made->failed = 1;
  }
  free(f.maker);
  free(f.writes);
  free(f.reads);
  free(last);
}
