/* Loops over a tile of pairs, or over rows, that are compiled with the engine: one for each entry
 * of the tables of operations and reductions, in both precisions, for each kind of vectors.
 *
 * A tile has `outer` times `lanes` numbers of each value, lanes one after the other. A value lies
 * there, or it is the same for all lanes, or for all that is outer, or for both. */
#ifndef RKEOPS_LOOPS_H
#define RKEOPS_LOOPS_H

#include "formula/operations.h"
#include "formula/reductions.h"
#include "interval.h"

/* Where a value lies: so many numbers behind a base. */
typedef enum {
  RK_AT_TILE,       /* of each pair */
  RK_AT_LANES,      /* of each lane: the record of a block, by components */
  RK_AT_SECOND,     /* other arrays of lanes */
  RK_AT_THIRD,
  RK_AT_OUTER,      /* of each that is outer: records */
  RK_AT_PARAMETER,
  RK_AT_NUMBER,
  RK_BASES
} rk_base;
typedef struct { int base, offset; } rk_at;
enum { RK_AT_MOST = 4 };     /* operands */
static inline int rk_is_along_lanes(rk_at x) { return x.base < RK_AT_OUTER; }

typedef struct rk_tile_run rk_tile_run;
typedef struct rk_instruction rk_instruction;
typedef void (*rk_tile_loop)(const rk_tile_run *run, const rk_instruction *in);

/* One loop over a tile. */
struct rk_instruction {
  rk_tile_loop loop;
  rk_at to, x[RK_AT_MOST];
  int n, m, k;       /* integers of an operation, and the component that it makes */
  int count;         /* of components, where a loop runs over several */
  int step[RK_AT_MOST]; /* from one component of an operand to the next */
};

/* A tile while it runs, and the state that it enters. */
struct rk_tile_run {
  char *base[RK_BASES];
  int step[RK_BASES];        /* numbers from one of the outer ones to the next */
  int lanes, outer;
  int K, components;
  int size;                  /* bytes of a number */
  const rk_reduction *entry;
  void *head, *shorts, *longs, *values, *positions;
  void *merged;              /* of lists that are merged: that of a pair */
  /* positions of the columns */
  int64_t column;            /* the first one of the tile, as they lie */
  const int *column_at;      /* or NULL */
  int along_lanes;           /* columns are lanes, else outer */
  void *low, *high;          /* of each lane, for masks: positions between these take part */
  int valid;                 /* lanes that take part, where they are columns, or are packed */
  /* packing: inputs, records */
  const double *const *input;
  const long long *ld;
  void *out;
  int record;                /* components of a record; 0: lanes lie together */
  /* where a state goes */
  double factor;
  long long first;
  double *to_values;
  long long *to_positions;
  long long to_ld;
};

/* Loops for sums that add up in one of three ways: rk_long_sum in plan.h, in its order. */
enum { RK_LONG_SUMS = 3 };
typedef struct {
  size_t bytes;                        /* of the long sum of a lane */
  void (*start)(const rk_tile_run *run);
  void (*flush)(const rk_tile_run *run);
  void (*leave)(const rk_tile_run *run);
  rk_tile_loop each;                   /* x[0] enters the long sum k by itself */
  rk_tile_loop weigh;                  /* exponents x[0] become weights: raises the reference */
  rk_tile_loop weigh_sum;              /* which enter short sum k only */
} rk_sum_loops;

/* Lists of K values, by what enters them: rk_entering. */
typedef struct {
  void (*start)(const rk_tile_run *run);
  void (*leave)(const rk_tile_run *run);
  rk_tile_loop enter, enter_of_any;    /* component k; where columns come in any order */
} rk_list_loops;

/* What a sum over components adds, of x[0] and x[1]. */
typedef enum {
  RK_ADD_PRODUCTS, RK_ADD_SQUARES, RK_ADD_MINUS_SQUARES, RK_ADD_SIZES, /* the last three: x0 - x1 */
  RK_ADDS
} rk_adds;

/* Several operations at once. */
typedef struct {
  rk_tile_loop exp2, scaled_exp2;      /* 2^x0, several vectors together, and 2^(x0 x1) */
  rk_tile_loop plus, minus, times;     /* those of the table, quicker */
  rk_tile_loop muladd, mulsub, submul; /* x0 x1 + x2, x0 x1 - x2, x2 - x0 x1 */
  rk_tile_loop addmul, inverse_of_sum; /* (x0 + x1) x2, 1 / (x0 + x1) */
  rk_tile_loop root_of_product;        /* sqrt(x0 x1) */
  rk_tile_loop where_less;             /* x0 < x1 ? x2 : x3 */
  rk_tile_loop add[RK_ADDS];           /* `count` components: onto `to`; with n set from 0 on */
  rk_tile_loop sum_products;           /* x0 x1 enters short sums k, ... for components of x1 */
  rk_tile_loop sum_differences;        /* x0 (x1 - x2) likewise, for those of x1 and x2 */
} rk_fused_loops;

typedef struct {
  int bytes, size;                     /* of a vector, of a number */
  rk_tile_loop of[RK_OPS];             /* elementwise: component k of x */
  rk_tile_loop start[RK_OPS], next[RK_OPS], place[RK_OPS], end[RK_OPS]; /* of folds: see code.h */
  rk_tile_loop fill;                   /* x[0] in all lanes */
  rk_tile_loop read;                   /* component k of input n, while data is packed */
  rk_tile_loop give[2];                /* x[0] as component k of a record of doubles, of floats */
  rk_tile_loop masks;                  /* 1 where a pair takes part, else 0 */
  rk_tile_loop keep;                   /* x[0] where x[1] is not 0, else x[2] */
  rk_tile_loop sum;                    /* x[0] enters short sum k */
  rk_sum_loops sums[RK_LONG_SUMS];
  rk_list_loops lists[RK_ENTERINGS];
  rk_fused_loops fused;
} rk_tile_loops;

/* Those for vectors of so many bytes, or narrower ones where there are none. */
const rk_tile_loops *rk_tile_loops_of(int bytes, int is_double);

/* Lanes come in multiples of so many bytes. */
enum { RK_LANE_BYTES = 64 };

#endif
