/* Pass -> source text: what the frames of all compiled targets share (host/frame.c, cuda/frame*.c).
 *
 * In: a pass, a register tile, the spellings of a target. Out: lines of C, written where the frame
 * has opened a function: the steps of a nest, how slots are filled, how values enter a state; and a
 * module, the text of several passes after the sections of the preludes that it uses. */
#ifndef RKEOPS_WRITER_H
#define RKEOPS_WRITER_H

#include "plan/plan.h"
#include "formula/operations.h"

typedef struct rk_writer rk_writer;

/* Spellings of a target. The formats get the component as a string. */
typedef struct {
  const char *function, *rare, *called; /* how functions start: small ones, those that are seldom
                                         * called, those that are called from many places */
  const char *parameter, *row, *column; /* a component of a slot: formats with one %s */
  const char *input;              /* component of an input, in packing: format with %d, %s, %d */
  int unroll;                     /* loops of so many components are unrolled whatever that costs,
                                   * and all loops over rows and columns; 0: where it pays */
  int in_registers;               /* panels and states: what touches them is unrolled */
  const char *rolled;             /* in_registers: before a loop that must stay one */
  int lists_wait;                 /* values that enter long lists of ranks wait for others */
  int in_lanes;                   /* a value is a vector: a branch for its lanes is seldom foreseen,
                                   * and wide results lie in memory */
  int is_general;                 /* a text that many passes have: loops over components are
                                   * rk_span, whatever their length, numbers lie behind the
                                   * parameters, functions are given sizes (RK_TAKES, RK_GIVES) and
                                   * the factor of sums */
} rk_spelling;

/* The numbers of a general text, in the order in which they are read. */
enum { RK_MOST_NUMBERS = 16 };
typedef struct { double value[RK_MOST_NUMBERS]; int count; } rk_numbers;

/* A component: scale * k + offset inside a loop over k, or a constant. With digits, this value has
 * been divided: the component is shift + the sum of (value / divide) % modulo * stride. */
typedef struct {
  int symbolic, scale, offset, digits, shift;
  rk_digit digit[RK_MAX_DIGITS];
} rk_index;

/* Components first + step * k, k = 0 .. count - 1. */
typedef struct { int first, step, count; } rk_range;

/* How a target brings the components of long loops closer: the loop over a range, whose body `body`
 * writes for the component's index; and in it component k + first of a side as text, 0: it is read
 * as anywhere else. */
typedef void (*rk_loop_body)(rk_writer *w, const void *data, rk_index index);
typedef struct {
  void *own;                      /* what these two work with */
  void (*loop)(rk_writer *w, rk_range range, rk_loop_body body, const void *data);
  int (*read)(rk_writer *w, rk_nest_kind side, int first, char *text, size_t size);
} rk_staging;

/* The name of a component, as a mask or as a number. Of the nodes whose number, modulo the
 * capacity, is this place `first` is the last memo; `next` is the one before, or -1. */
struct rk_memo {
  const rk_node *node;
  rk_index index;
  char name[96];
  int as_mask, first, next;
};

struct rk_writer {
  rk_text *out;
  const rk_pass *pass;
  const rk_nest *nest;
  unsigned char *place;           /* the nest's own, or a copy once a node is somewhere else */
  const rk_tile *tile;
  const rk_spelling *target;
  int components;                 /* of the state; with `grouped` the first one is k0 */
  int grouped;                    /* a state has only some components of the result */
  int weighed;                    /* the exponent is a weight already, and m its reference */
  const rk_staging *staging;      /* or NULL */
  int indent;
  int names;                      /* temporaries so far */
  double unrolled;                /* operations in unrolled tiles so far */
  int repeated;                   /* how often the text at hand is written, 0: once */
  rk_numbers *numbers;            /* of a general text */
  const rk_node *running;         /* a fold of groups of which one is summed in s */
  struct rk_memo *memo;
  int memos, memo_capacity;       /* a power of 2 */
  const char *part, *arguments;   /* of the functions of a large nest: the start of their names, and
                                   * what they are called with; NULL: steps are written in place */
};

void rk_writer_free(rk_writer *w);
void rk_line(rk_writer *w, const char *format, ...) RK_PRINTF(2, 3);
void rk_open(rk_writer *w, const char *format, ...) RK_PRINTF(2, 3); /* the line and " {" */
void rk_close(rk_writer *w);

const char *rk_index_text(rk_index index, char *text, size_t size);

void rk_writer_free(rk_writer *w); /* what it has allocated */

/* Where the value of a node is, at this point of the text. */
rk_place rk_place_of(const rk_writer *w, const rk_node *node);
int rk_is_stored(const rk_writer *w, const rk_node *node); /* in a panel, or in a slot */

/* ranges.c: ranges in each of which every moved component has one origin. Freed by the caller. */
int rk_ranges(const rk_writer *w, const rk_node *const *root, int roots, int dim,
              rk_range **ranges);
rk_index rk_range_index(rk_range range);

/* Opens the loop over a range, gives the index of its component. `cost`: operations of its body, of
 * which the loops that are unrolled depend. */
rk_index rk_open_range(rk_writer *w, rk_range range, double cost);

/* The loops over the columns and rows of the register tile; what was named inside is forgotten. */
void rk_open_tile(rk_writer *w, double cost);
void rk_close_tile(rk_writer *w);

enum { RK_INDEX_TEXT = 256 };    /* bytes that hold an index */

/* repeats.c: writes the body for each range, or once in a loop for those whose texts are alike. */
typedef void (*rk_range_body)(rk_writer *w, rk_range range, const void *data);
void rk_write_ranges(rk_writer *w, const rk_range *range, int count, rk_range_body body,
                     const void *data);

/* Operations that make one component of a node where it is used. */
double rk_inline_cost(const rk_writer *w, const rk_node *node);

/* Name of the value of a component; writes the lines that make it. A logical value is 0 or 1. */
const char *rk_component(rk_writer *w, const rk_node *node, rk_index index);

/* Are powers of the vectors of a tile made together, by rk_exp2_tile and rk_pow_tile? */
int rk_makes_powers_together(const rk_writer *w);

/* Is the kept scalar a mask? Masks become numbers where they leave the registers. */
int rk_is_kept_as_mask(const rk_writer *w, const rk_node *node);

/* A constant, as kernels write it: "0.5", "RK_INF"; `text` has room for RK_NUMBER_TEXT. */
const char *rk_constant_text(char *text, double value);

/* The same into `held`, of a node that may be a scalar. */
void rk_hold(rk_writer *w, const rk_node *node, rk_index index, char *held, size_t size);

/* Of a component that is chosen or 0: what it is where it is chosen, and where that is, as a mask;
 * else NULL. Where such components are summed the sum is chosen instead, which leaves a
 * multiplication and the addition together. */
enum { RK_CHOICE_TEXT = 128 };
const rk_node *rk_choice(rk_writer *w, const rk_node *term, rk_index index, char *mask,
                         size_t size);

/* The steps of a large nest as functions with these parameters: the time of compilers grows faster
 * than the length of a function. `part` and `arguments` are set before. */
void rk_write_parts(rk_writer *w, const char *parameters);
void rk_declare_reads(rk_writer *w, int first, int end); /* declares what roots of the nest read */

/* Steps first .. end - 1 of the nest, or the calls of the functions that they are written into. */
void rk_write_steps(rk_writer *w, int first, int end);

/* A loop k = 0 .. n - 1 around what touches the state. */
void rk_open_each(rk_writer *w, const char *k, int n);

/* reduction.c */
void rk_write_state(rk_writer *w);
void rk_write_accumulate(rk_writer *w);
/* Columns; above 2^30: never. */
long long rk_flush_period(const rk_pass *pass, const rk_tile *tile);
size_t rk_state_bytes(const rk_pass *pass, const rk_tile *tile);

/* packing.c: fills the slots of a level; `store` is a format of a component's place and value. */
void rk_write_packing(rk_writer *w, const char *store);
void rk_write_packing_parts(rk_writer *w, const char *parameters, const char *store);

/* module.c: a text in two parts, of what works in double and in float, for n passes: with n > 1
 * the names that every pass defines get the suffix _k. */
typedef struct { rk_text part[2]; int n; const char *const *preludes; } rk_module_text;
void rk_begin_pass(rk_module_text *m, rk_text *part, int number);
void rk_end_pass(rk_module_text *m, rk_text *part);
rk_status rk_write_module(rk_module_text *m, const char *include_dir, rk_text *out,
                          rk_error *error); /* frees the parts */

/* prelude.c: the sections of a prelude that `body` uses and what they need; without a body, its
 * base, which is there once. */
rk_status rk_write_prelude(rk_text *out, const char *include_dir, const char *file,
                           const char *body, rk_error *error);

#endif
