/* Which pairs a pass computes: for each of its rows (the kept index) intervals of its columns. Rows
 * and columns lie in an order; what is said of them is said by place in it. Pairs can further be
 * limited to bands: differences of the positions that a column and a row have in the user's order.
 */
#ifndef RKEOPS_WALK_H
#define RKEOPS_WALK_H

#include "engine.h"
#include "interval.h"

/* A segment of rows has the intervals list_end[s - 1] .. list_end[s] - 1, ascending and disjoint.
 * Of an interval with `low` and `high` only rows low .. high - 1 of the segment take part. */
typedef struct {
  int64_t rows, columns;
  const int32_t *row_at, *column_at;       /* positions by place; NULL: as they lie */
  int64_t segments;
  const int32_t *segment_end;              /* places of rows */
  const int64_t *list_end, *list_columns;  /* how many columns the list has */
  const int32_t *from, *end;               /* places of columns */
  const int32_t *low, *high;               /* NULL: all rows of the segment */
  int bands;
  const int64_t *lower, *upper;            /* position of the column minus that of the row */
  const int32_t *run_end;                  /* by place of a column: how far positions ascend from
                                            * there; NULL: to the end, or nobody asks */
  struct rk_bounded *bounded;             /* says which of these pairs cannot matter; NULL: all
                                            * may (bound/bound.h) */
} rk_walk;

/* The walks of a call, by kept index. */
typedef struct {
  rk_walk of[2];                           /* RK_KIND_I, RK_KIND_J */
  int is_made[2];
  void *owned[18];
  int owns;
} rk_walks;

/* `rows` by rk_kind; `wanted` by kept index. RK_ERROR_ARGUMENT: blocks are not what engine.h says,
 * RK_ERROR_SHAPE: they are of other sizes. Freed by the caller, also on failure. */
rk_status rk_walks_make(rk_walks *walks, const rk_blocks *blocks, const int64_t *rows,
                        const int *wanted, rk_error *error);
void rk_walks_free(rk_walks *walks);

/* Are there columns that some row meets in another order than that of their positions? */
int rk_walk_reorders(const rk_walk *walk);

/* cut.c: blocks of at most `size` rows: block b has the places from[b] .. from[b + 1] - 1. Rows of
 * several segments are in one block where that saves columns. `columns` has how many a block walks
 * over, about. */
typedef struct { int64_t blocks, size; int32_t *from, *columns; double pairs; } rk_cut;
rk_status rk_walk_cut(const rk_walk *walk, int size, rk_cut *cut, rk_error *error);
void rk_cut_free(rk_cut *cut);

/* Rows of the blocks in order, each filled up to its size by its last row: the position of each.
 * Of blocks b .. end - 1, or of all: freed by the caller; NULL: out of memory. */
void rk_cut_rows(const rk_walk *walk, const rk_cut *cut, int64_t b, int64_t end, int32_t *to);
int32_t *rk_cut_positions(const rk_walk *walk, const rk_cut *cut);

/* Columns that blocks b .. end - 1 meet lie in these, of which they may leave some out. */
typedef struct { int32_t from, end; } rk_columns;
rk_columns rk_walk_columns(const rk_walk *walk, const rk_cut *cut, int64_t b, int64_t end);

/* Columns of an interval, on average. */
double rk_walk_interval(const rk_walk *walk);

/* Pairs that are computed where each segment is filled up to blocks of so many rows. */
double rk_walk_filled(const rk_walk *walk, int64_t rows);

typedef struct { rk_interval *at; int64_t count, room; int failed; } rk_intervals;

/* list.c: what a kernel walks over for block b, in place of what was there: ascending for each row.
 * What fills a block up has the columns of its last row. 0: out of memory. */
int rk_walk_list(const rk_walk *walk, const rk_cut *cut, int64_t b, rk_intervals *list);

/* How many blocks from b on, at most `most`, have the list of block b. */
int64_t rk_walk_alike(const rk_walk *walk, const rk_cut *cut, int64_t b, int64_t most);

void rk_intervals_add(rk_intervals *list, rk_interval one); /* or makes the last one longer */
void rk_intervals_append(rk_intervals *list, const rk_interval *more, int64_t n);
void rk_intervals_free(rk_intervals *list);
int64_t rk_intervals_columns(const rk_intervals *list);

/* From interval `at` on as many as have up to `columns` columns, the last one maybe cut; what was
 * cut off goes to `rest`, which is empty otherwise. How many they are. */
int64_t rk_intervals_take(rk_intervals *list, int64_t at, int64_t columns, rk_interval *rest);

#endif
