/* A reduction is a monoid over tiles: a state, how it starts, how values enter it (in lanes), how
 * two states merge, how it is finished. Each is one entry of the table in reductions.c; no other
 * file names one.
 *
 * The state of a kept row has, in `values`: one reference (`head`, only if there is one), then for
 * each component of the reduced values either K values in order or one sum; in `positions`: K
 * positions for each component, if positions are kept. Component c of row r lies at [c * ld + r].
 */
#ifndef RKEOPS_REDUCTIONS_H
#define RKEOPS_REDUCTIONS_H

#include "formula/graph.h"

#define RK_NO_POSITION INT64_MAX   /* after every position */

typedef enum { RK_WEIGHT_NONE, RK_WEIGHT_OPTIONAL, RK_WEIGHT_REQUIRED } rk_weight_rule;

/* What a finished number is made of: the reference, the sum, the first sum, or value and position.
 */
typedef struct { double head, sum, first, value; } rk_finish;

typedef struct {
  int is_position;
  int leading;                              /* columns made from the head before the components */
  double (*value)(const rk_finish *state, int column); /* column -1: leading; NULL for positions */
  const char *value_text;                 /* its body, for targets that finish on the device */
} rk_field_rule;

/* Which values do not change a state: any may; those larger than all that it holds, also where
 * others are NaN, or only where none is; terms that are 0, or too small beside a sum of terms of
 * one sign. */
typedef enum { RK_SKIP_NOTHING, RK_SKIP_LARGER, RK_SKIP_LARGER_NUMBERS, RK_SKIP_SMALL } rk_skip;

/* What enters lists, see entering.def; of an entry that tests add there is text only. */
typedef enum {
  RK_ENTERING_NONE,
#define ENTERS(name, ...) RK_ENTERING_##name,
#define ENTERS_SOME(name, ...) RK_ENTERING_##name,
#include "formula/entering.def"
#undef ENTERS
#undef ENTERS_SOME
  RK_ENTERINGS
} rk_entering;

struct rk_reduction {
  const char *name;
  rk_weight_rule weight;
  int ranked;               /* takes K and keeps the K first */
  int negate;               /* reduces -F, gives back minus the values */
  int unit;                 /* the first sum is that of the weight 1, not part of the result */
  int any_dim;              /* 0: F must have dimension 1 */
  int keeps_positions;
  /* lane code on v[0..K-1], p[0..K-1], the entering value g and its position j; NULL for sums */
  const char *enter;
  rk_entering entering;     /* the same, compiled with the engine */
  double neutral;           /* is there where nothing has entered, and changes nothing */
  const char *enter_both;   /* optional, without positions: for the values g and h of two columns */
  const char *guard;        /* optional: mask of lanes that g would change, or the smallest g of a
                             * tile, where `last` is v[K - 1] */
  const char *guard_of_equals; /* the same where equals enter before those of later positions */
  int is_least;             /* one rank: the smallest value and the first of its positions, which
                             * selects find for a whole tile; a guard says whether it changes */
  rk_skip skips;            /* what cannot change it */
  const char *rank;         /* optional, beside a guard: the function of the prelude that enters
                             * many values at once into a list of many */
  /* merges w, q into v, p: K values of one component, or (sums) all K values of the state */
  void (*merge)(double *v, int64_t *p, ptrdiff_t ld, const double *w, const int64_t *q,
                ptrdiff_t lw, int K);
  const char *merge_text;   /* its body, for targets that merge on the device */
  /* sums: a reduction of exp(F) scales its sums by 2^head; F enters multiplied by head_scale */
  int has_head;
  double head_scale;
  /* optional: the result, of the parts of a reduction that keeps them all (m the largest F, s the
   * sums of exp(F - m) with the weights, f the first of them): such ones over one F are fused */
  const char *of_parts;
  const char *mean;         /* optional: the sum of exp(a - result) u over the same index */
  int fields;
  rk_field_rule field[2];
  /* partial derivatives of each term by F and by its weight, as of elementwise operations: F and
   * weight are called a and b, the result r, the positions p, K n, the index o; NULL is 0 */
  const char *derivative[2];
  const char *selects;       /* instead: the terms that the result is, as a logical value */
  const char *no_derivative; /* why there is none */
  const char *documentation;
};

const rk_reduction *rk_reduction_at(int k);           /* NULL past the end */
const rk_reduction *rk_reduction_find(const char *name);
const rk_reduction *rk_plain_sum(void);               /* the entry that only adds */
const char *rk_reduction_name(const rk_reduction *reduction);

/* Adds an entry, for the tests of the table: it must stay where it is. */
rk_status rk_reduction_add(const rk_reduction *reduction);

/* The node of a reduction. An index of kind PARAMETER has one position: kept, the result is one
 * row; reduced, the reduction is a map over the kept index. */
typedef struct {
  const rk_reduction *reduction;
  const rk_node *formula, *weight; /* NULL: nothing comes of it; no weight */
  int K;                           /* 0 if unused */
  rk_kind kept, reduced;
} rk_reducing;
const rk_node *rk_reduce(rk_graph *graph, rk_reducing what, rk_error *error);
rk_kind rk_kept_kind(const rk_node *reduction);
rk_kind rk_reduced_kind(const rk_node *reduction);

/* Sizes that follow from the entry and the dimension of what enters it. `groups` groups of `group`
 * values, one after the other, merge each by itself. */
typedef struct { int components, K, values, positions, groups, group; } rk_state_shape;
rk_state_shape rk_state_of(const rk_node *reduction);
int rk_reduction_fields(const rk_node *reduction, rk_field *field);

int rk_keeps_values(const rk_reduction *reduction); /* K of them in order; else sums */

/* State operations on the host, on the states of kept rows: see the layout above. */
typedef struct { double *values; int64_t *positions; ptrdiff_t ld; } rk_states;
rk_states rk_states_from(rk_states states, ptrdiff_t row);
void rk_state_start(const rk_node *reduction, rk_states to, ptrdiff_t rows);
void rk_state_merge(const rk_node *reduction, rk_states to, rk_states from); /* of one row */
/* The state that one pair makes: its values, times `factor` where they are terms of a sum, and the
 * power of 2 that is the head of a reduction that has one, `most` the largest number that a kernel
 * has. 0: the pair is no candidate. */
typedef struct { const double *value; double factor, power, most; int64_t position; } rk_one_pair;
int rk_state_of_one(const rk_node *reduction, const rk_one_pair *one, rk_states to);
/* Row r of the states is that of row first + r, or row order[r], of the `all` rows of a result. */
typedef struct { const int32_t *order; int64_t first, all; } rk_result_rows;
void rk_state_finish(const rk_node *reduction, rk_states from, ptrdiff_t rows,
                     const rk_output *outputs, rk_result_rows to);
/* A position as element `at` of an output: with its base, or as its "no position". */
void rk_position_write(const rk_output *output, int64_t at, int64_t position);

#endif
