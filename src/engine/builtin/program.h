/* Nests as lists of loops over a tile, and the functions of a module that run them. */
#ifndef RKEOPS_BUILTIN_PROGRAM_H
#define RKEOPS_BUILTIN_PROGRAM_H

#include "emit/writer.h"
#include "host/kernel.h"
#include "kernels/kernels.h"
#include "loops/loops.h"
#include "plan/plan.h"

/* What evaluates a nest, and then fills records or enters a state. */
typedef struct {
  const rk_tile_loops *loops;
  rk_instruction *list;
  int count, room;
  int steps;                 /* what comes behind these enters a state, or fills records */
  int lanes, outer;          /* of a tile, at most */
  int tiles;                 /* of the buffer; while a list is made, values so far */
  double *number;            /* in double, then in the type of the loops */
  int numbers;
  int failed;
} rk_tile_program;

/* All that runs a pass in one layout. Tasks read no graph, to which a poll may add. */
typedef struct {
  rk_tile_program nest[RK_NESTS], masked; /* of pairs; of some pairs of a tile, where that may be */
  rk_tile tile;
  const rk_reduction *reduction;
  rk_state_shape state;
  rk_sum_loops sums;         /* of sums; */
  rk_list_loops list;        /* of lists, of which some */
  int is_sum, is_merged;     /* have states as the host has them */
  int record[RK_NEST_PAIR];  /* components */
  int size;                  /* bytes of a number of the kernel */
  int flush;                 /* columns of a lane between two flushes of short sums */
  double factor;
  uint64_t serial;
  rk_built built;            /* where it has no list for pairs, but a kernel; */
  rk_numbers numbers;        /* which reads these */
  size_t parameters_at;      /* behind the parameters, there in tile memory */
} rk_pair_program;

/* make.c: the program of a nest, whose tile has at most so many lanes, and outer ones as a buffer
 * of about `bytes` has room for; `masks`: some pairs do not take part. It is `failed` where memory
 * did not do. */
typedef struct {
  rk_lane_axis axis;
  int lanes, outer, masks, reorders;
  int gives;                 /* values of pairs are given to `out`, instead of entering a state */
  size_t bytes;
} rk_tile_shape;
void rk_make_program(rk_tile_program *made, const rk_pass *pass, rk_nest_kind kind,
                     rk_tile_shape shape);

/* fuse.c: loops that one can do become one. */
void rk_fuse_loops(rk_tile_program *made);

/* place.c: values get places in the buffer, which are used again; chooses `outer`. */
void rk_place_values(rk_tile_program *made, size_t bytes);

/* run.c: the functions of a module. */
void rk_pack_builtin_parameters(const double *const *x, const long long *ld, const double *params,
                                void *out, long long n, char *work, const void *program);
void rk_pack_builtin_rows(const double *const *x, const long long *ld, const double *params,
                          void *out, long long n, char *work, const void *program);
void rk_pack_builtin_columns(const double *const *x, const long long *ld, const double *params,
                             void *out, long long n, char *work, const void *program);
void rk_pair_builtin(const rk_walked *w);
size_t rk_builtin_state(const rk_pair_program *p); /* bytes of a block's */
size_t rk_builtin_work(const rk_pair_program *p);

/* kernel.c: is there a kernel for the pass, for vectors of at most so many bytes? Then what the
 * program has besides lists for packing: the kernel, its numbers, the tile; and with these lists
 * the memory of the module, and its function of pairs. `walks`: rows may be masked, columns come in
 * any order. */
int rk_find_built(const rk_pass *pass, int vectors, int walks, rk_pair_program *p);
rk_module rk_built_module(const rk_pass *pass, rk_pair_program *p);

/* merge.c: lists that are text only: values enter by what merges states. */
void rk_merge_start(const rk_tile_run *run);
void rk_merge_leave(const rk_tile_run *run);
void rk_merge_enter(const rk_tile_run *run, const rk_instruction *in);

#endif
