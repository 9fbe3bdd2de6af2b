/* Graph -> program. A program is a list of passes; a pass is one walk over the pairs (row, column),
 * the row being the kept index and the column the reduced one, with one reduction.
 *
 * A pass is planned as four nests, one for each level: values of parameters, of rows, of columns
 * and of pairs. The first three are computed once, in double precision, while the data is packed;
 * what a higher level reads of a lower one is a slot of that level's record. The pair nest is the
 * kernel.
 */
#ifndef RKEOPS_PLAN_H
#define RKEOPS_PLAN_H

#include "formula/graph.h"
#include "formula/reductions.h"

typedef enum {
  RK_NEST_PARAMETER,
  RK_NEST_ROW,
  RK_NEST_COLUMN,
  RK_NEST_PAIR,
  RK_NESTS
} rk_nest_kind;

/* Where the value of a node is while a nest runs. */
typedef enum {
  RK_ELSEWHERE,  /* not of this nest: a slot of a lower level, or a number */
  RK_INLINE,     /* a vector, computed component by component where it is used */
  RK_LOCAL,      /* a scalar that one step makes and uses */
  RK_SCALAR,     /* a scalar kept for later steps */
  RK_PANEL       /* a vector kept for later steps, in tile memory */
} rk_place;

/* A step is one loop nest: scalars (no component loop), or a loop over `dim` components that makes
 * folds and panels together. */
typedef struct {
  int dim;                     /* 0: scalars */
  int first, count;            /* nodes[first .. first + count) of the nest */
} rk_step;

typedef struct { const rk_node *node; int offset; } rk_slot;
typedef struct { rk_slot *slot; int count, size; } rk_slots;   /* size: components in all */

typedef struct {
  rk_nest_kind kind;
  const rk_node **root;        /* what the nest is for: slots of its level, or what is reduced */
  int roots;
  rk_step *step;
  int steps;
  const rk_node **node;        /* in order of the steps */
  int nodes;
  int numbers;                 /* of nodes that place, each and at have room for */
  unsigned char *place;        /* rk_place by node number */
  double *each;                /* by node number: arithmetic operations of one component, operands
                                * that are computed inline included */
  double cost;                 /* arithmetic operations of one execution */
  int *at;                     /* by node number: components of tile memory before the panel */
  int panel;                   /* components of tile memory */
  int is_large;                /* its text is cut into functions: they share kept scalars too, which
                                * lie behind the panels then */
  int scalars;                 /* components of tile memory that these take */
} rk_nest;

/* Operations of a step of a large nest, and of a function that its steps are written into. */
enum { RK_PART = 256 };

typedef enum { RK_LANES_KEPT, RK_LANES_REDUCED } rk_lane_axis;

typedef struct {
  rk_graph *graph;
  const rk_node *reduction;    /* rewritten for the machine: of values scaled, shifted, in base 2 */
  const rk_node *source;       /* as the user wrote it */
  double factor;               /* of a sum: what leaves the kernel is multiplied by it */
  int split;                   /* joined values are sums of two floats, see join.c */
  rk_options options;
  rk_state_shape state;
  rk_nest nest[RK_NESTS];
  rk_slots slots[RK_NEST_PAIR];/* by level */
  int *variable;               /* graph variables that are read, in order; index = place in calls */
  int variables;
} rk_pass;

/* Operations for a pair, for estimates of time; entering a list of K costs K now and then. */
double rk_pair_cost(const rk_pass *pass);

/* What so many pairs take on one thread of a processor, with vectors of `lanes` numbers, on a slow
 * day. */
static inline double rk_pair_seconds(const rk_pass *pass, double pairs, int64_t lanes) {
  static const double operation_seconds = 4e-10;
  return rk_pair_cost(pass) * pairs * operation_seconds / (double)lanes;
}

/* The register tile, which the backend chooses. */
typedef struct {
  rk_lane_axis axis;
  int bytes;                   /* of a vector */
  int lanes;                   /* rows (or columns) in a vector of the kernel's type */
  int rows, columns;           /* vectors (or scalars) of rows times columns of a register tile */
  int flush;                   /* columns between two flushes of short sums */
  int masks;                   /* it may be that some rows of it take part only */
  int reorders;                /* columns do not come in the order of their positions */
} rk_tile;

/* How a sum adds up. Short sums of the kernel's type take as many terms as the tile says, and enter
 * long ones then; where `each` is set every term enters a long sum by itself, where `never` is, all
 * the terms of a state are one short sum. */
typedef enum { RK_SUM_SAME, RK_SUM_WIDE, RK_SUM_KAHAN } rk_long_sum; /* wide: double */
typedef struct { rk_long_sum longs; int each, never; } rk_summing;
rk_summing rk_summing_of(const rk_pass *pass);

/* What a program becomes: passes in order, and which of them each result comes from: all fields of
 * one, or `columns` columns of its values from `first` on. */
typedef struct { int pass, is_part, first, columns; } rk_served;
typedef struct {
  struct {
    rk_pass pass;
    int result;                /* graph variable that holds the result for later passes, or -1 */
  } *planned;                  /* freed by the caller, with each pass */
  int count;
  rk_served served[RK_MAX_RESULTS];
} rk_passes;

/* program.c: the list of what is done. `graph` grows; a root is a reduction afterwards, or some
 * columns of one. On failure `made` holds what there is. */
rk_status rk_plan_program(rk_graph *graph, const rk_node **root, int roots,
                          const rk_options *options, rk_passes *made, rk_error *error);

/* One pass of it. */
rk_status rk_plan_pass(rk_graph *graph, const rk_node *reduction, const rk_options *options,
                       rk_pass *pass, rk_error *error);

/* The same pass with joined values as sums of two floats. */
rk_status rk_plan_split(const rk_pass *pass, rk_pass *split, rk_error *error);
void rk_pass_free(rk_pass *pass);
int rk_place_panels(rk_nest *nest, int size); /* panels.c: fills `at`, `panel` and `scalars` */

/* Is graph variable `variable` data of the rows (columns) of this pass? Parameters are of neither
 * side, also where the index of a side is RK_KIND_PARAMETER. */
int rk_is_of_side(const rk_pass *pass, int variable, rk_nest_kind side);

/* The level of a node as a nest of this pass: parameter, row, column or pair. */
rk_nest_kind rk_level_of(const rk_pass *pass, const rk_node *node);

/* The slot of a node in its level's record, or -1. */
int rk_slot_offset(const rk_pass *pass, const rk_node *node);
int rk_variable_index(const rk_pass *pass, int variable);

int rk_real_size(const rk_options *options);           /* bytes of a number of the kernel */

/* nest.c: what evaluates the roots at their level, panels placed; adds the slots that it reads. */
rk_status rk_plan_nest(rk_pass *pass, rk_nest_kind kind, const rk_node *const *root, int roots,
                       rk_error *error);

/* means.c: sums of exp(F - log sum exp(F)) u become means of u. */
rk_status rk_find_means(rk_graph *graph, const rk_node **root, int roots, rk_error *error);

/* fuse.c: reductions that can share a walk over the pairs become one. */
rk_status rk_fuse(rk_graph *graph, const rk_node **root, int roots, rk_error *error);

/* The reduction whose result has the components of `node` as its columns from *first on; NULL when
 * there is none. */
const rk_node *rk_columns_of(const rk_node *node, int *first);

/* The reductions that the roots need, roots included, in order of evaluation; `found` has room for
 * `most`. Their number, which may exceed `most`; -1: out of memory. */
int rk_needed_reductions(const rk_graph *graph, const rk_node *const *root, int roots,
                         const rk_node **found, int most);

/* factor.c: takes the numbers that all terms of a plain sum have in common out of it. */
rk_status rk_take_factor(rk_pass *pass, rk_error *error);

/* rewrite.c: moves scale factors and the change of base of exp into the data. */
rk_status rk_rewrite(rk_pass *pass, rk_error *error);

/* collect.c: in float32, sums of values of rows and of columns become differences of two sums. */
rk_status rk_collect(rk_pass *pass, rk_error *error);

/* join.c: is a node made of inputs and numbers only, where that is known of its operands, by node
 * number? And a node with what was made of its operands; itself, where that is what they were. */
int rk_is_of_data(rk_graph *graph, const rk_node *node, const unsigned char *is_of_data);
const rk_node *rk_rebuilt(rk_graph *graph, const rk_node *node, const rk_node *const *made,
                          rk_error *error);

/* order.c: one form of what can be written in several, and the slots of the pair nest in order. */
rk_status rk_order(rk_pass *pass, rk_error *error);
rk_status rk_order_slots(rk_pass *pass, rk_error *error);

/* join.c: in float32, values that pairs see only together get a common centre, or ranks. */
rk_status rk_join(rk_pass *pass, rk_error *error);

/* In float16: is a side stored as half? It is when all that is stored of it is data, perhaps
 * shifted by a centre: other values could leave the range of half. The variable that a slot is
 * then, and that of its centre; -1: none. */
int rk_is_stored_as_half(const rk_pass *pass, rk_nest_kind side);
int rk_slot_of_data(const rk_pass *pass, const rk_node *slot, int *centre);

/* How the pairs of a pass are laid out: what a backend chose, as far as all of them have it. */
typedef struct {
  int rows, columns;           /* of the tile of pairs that is computed together */
  int bytes[RK_NEST_PAIR];     /* of a packed record, by level */
  int flush;                   /* terms of a short sum; 0: there are none, each term is added in
                                * double */
} rk_layout;

/* explain.c: what a pass computes, where and at which cost, for people: lines "key: value", in
 * sections "[rows]". `name` has what its variables are called, by graph variable. */
void rk_explain_pass(const rk_pass *pass, const char *const *name, const rk_layout *layout,
                     rk_text *text);

/* print.c: the pass for readers, each line after `prefix`: the formula as it is computed, what each
 * slot holds, what the steps keep. Variables, lifted numbers among them, go by their place in
 * calls: nothing that a user wrote stands there, and a kernel has one such text. */
rk_status rk_plan_print(const rk_pass *pass, const char *prefix, rk_text *text);

/* The same for the head of emitted source, which is shorter than what it says about. `tile` may be
 * NULL. */
void rk_plan_head(const rk_pass *pass, const rk_tile *tile, const char *prefix, rk_text *text);

#endif
