/* See rows.h: the loops of a tile that has one row. */
#include "loops/rows.h"
#include "loops/tables.h"
#include "rounding.h"

#include <math.h>
#include <string.h>

/* Numbers of a vector of 16 bytes. */
enum { FLOATS = 4, DOUBLES = 2, OPERANDS = 3 };

/* Where a loop finds the operands: arrays, or numbers. */
static void set_operand(rk_tile_run *run, rk_instruction *in, int k, const void *at, int step) {
  const int base = step ? RK_AT_LANES + k : RK_AT_OUTER + k;
  run->base[base] = (char *)at;
  in->x[k] = (rk_at){base, 0};
}

static void run_loop(rk_tile_loop loop, rk_tile_run *run, rk_instruction *in, int lanes,
                     void *out) {
  run->base[RK_AT_TILE] = out;
  run->lanes = lanes;
  run->outer = 1;
  in->to = (rk_at){RK_AT_TILE, 0};
  loop(run, in);
}

static void run_doubles(rk_tile_loop loop, rk_instruction *in, const rk_operand *x, int rows,
                        double *out) {
  rk_tile_run run = {.size = sizeof(double)};
  for (int k = 0; k < OPERANDS; k++) set_operand(&run, in, k, x[k].at, x[k].step);
  run_loop(loop, &run, in, (int)rk_round_up(rows, DOUBLES), out);
}

/* A vector at a time; what was there is an operand too. */
static void run_floats(rk_tile_loop loop, rk_instruction *in, const rk_operand *x, int rows,
                       double *out) {
  for (int r = 0; r < rows; r += FLOATS) {
    rk_tile_run run = {.size = sizeof(float)};
    _Alignas(16) float own[OPERANDS][FLOATS], result[FLOATS];
    for (int k = 0; k < OPERANDS; k++) {
      for (int l = 0; l < FLOATS; l++) own[k][l] = (float)x[k].at[x[k].step * (r + l)];
      set_operand(&run, in, k, own[k], 1);
    }
    for (int l = 0; l < FLOATS; l++) result[l] = (float)out[r + l];
    run_loop(loop, &run, in, FLOATS, result);
    for (int l = 0; l < FLOATS; l++) out[r + l] = result[l];
  }
}

static void run_rows(int is_double, rk_tile_loop loop, const rk_node *node, int component,
                     const rk_operand *x, int rows, double *out) {
  rk_instruction in = {.n = node->integer[0], .m = node->integer[1], .k = component};
  if (is_double) run_doubles(loop, &in, x, rows, out);
  else run_floats(loop, &in, x, rows, out);
}

static void elementwise(int is_double, const rk_node *node, const rk_operand *x, int component,
                        int rows, double *out) {
  const rk_tile_loop loop = rk_tile_loops_16[is_double]->of[node->operation->op];
  if (loop) run_rows(is_double, loop, node, component, x, rows, out);
  else
    for (int r = 0; r < rows; r++) out[r] = NAN;
}

static void start(int is_double, const rk_node *node, int rows, double *s, double *p) {
  static const double none;
  const rk_operand x[OPERANDS] = {{&none, 0}, {&none, 0}, {&none, 0}};
  memset(p, 0, (size_t)rk_round_up(rows, is_double ? DOUBLES : FLOATS) * sizeof *p);
  memcpy(s, p, (size_t)rk_round_up(rows, is_double ? DOUBLES : FLOATS) * sizeof *s);
  run_rows(is_double, rk_tile_loops_16[is_double]->start[node->operation->op], node, 0, x,
           rows, s);
}

/* The position first: it sees what was there before. */
static void next(int is_double, const rk_node *node, const rk_operand *x, int component, int rows,
                 double *s, double *p) {
  const rk_tile_loops *loops = rk_tile_loops_16[is_double];
  const rk_operand with[OPERANDS] = {x[0], {s, 1}, x[0]};
  const rk_op op = node->operation->op;
  if (loops->place[op])
    run_rows(is_double, loops->place[op], node, component, with, rows, p);
  run_rows(is_double, loops->next[op], node, component, with, rows, s);
}

static void end(int is_double, const rk_node *node, const rk_operand *x, int rows, const double *s,
                const double *p, double *out) {
  const rk_tile_loops *loops = rk_tile_loops_16[is_double];
  const rk_operand with[OPERANDS] = {{strcmp(node->operation->end, "p") ? s : p, 1}, x[1], x[1]};
  const rk_tile_loop loop = loops->end[node->operation->op];
  memcpy(out, s, (size_t)rows * sizeof *out);
  run_rows(is_double, loop ? loop : loops->fill, node, 0, with, rows, out);
}

#define BOTH(bits, is_double)                                                                      \
  void rk_elementwise_##bits(const rk_node *node, const rk_operand *x, int component, int rows,    \
                             double *out) {                                                        \
    elementwise(is_double, node, x, component, rows, out);                                         \
  }                                                                                                \
  void rk_fold_start_##bits(const rk_node *node, int rows, double *s, double *p) {                 \
    start(is_double, node, rows, s, p);                                                            \
  }                                                                                                \
  void rk_fold_next_##bits(const rk_node *node, const rk_operand *x, int component, int rows,      \
                           double *s, double *p) {                                                 \
    next(is_double, node, x, component, rows, s, p);                                               \
  }                                                                                                \
  void rk_fold_end_##bits(const rk_node *node, const rk_operand *x, int rows, const double *s,     \
                          const double *p, double *out) {                                          \
    end(is_double, node, x, rows, s, p, out);                                                      \
  }
BOTH(32, 0)
BOTH(64, 1)
