/* The walk over a nest, shared by the targets. */
#ifndef RKEOPS_WRITER_H
#define RKEOPS_WRITER_H

#include "emit/emit.h"

typedef struct rk_writer rk_writer;

/* Spellings of a target. The formats get the component as a string. */
typedef struct {
  const char *function, *rare;    /* how small functions start, and those that are seldom called */
  const char *parameter, *row, *column; /* a component of a slot: formats with one %s */
  const char *input;              /* component of an input, in packing: format with %d, %s, %d */
} rk_spelling;

struct rk_writer {
  rk_text *out;
  const rk_pass *pass;
  const rk_nest *nest;
  const rk_tile *tile;
  const rk_spelling *target;
  int indent;
  int names;                      /* temporaries so far */
  struct rk_memo { const rk_node *node; char index[64]; char name[96]; } *memo;
  int memos, memo_capacity;
};

void rk_line(rk_writer *w, const char *format, ...) RK_PRINTF(2, 3);
void rk_open(rk_writer *w, const char *format, ...) RK_PRINTF(2, 3); /* the line and " {" */
void rk_close(rk_writer *w);

/* A component: k + offset inside a loop over k, or a constant; possibly of a repeated vector. */
typedef struct { int symbolic, offset, divide, modulo, shift; } rk_index;
const char *rk_index_text(rk_index index, char *text, size_t size);

/* Ranges of components in which every moved component has one origin. Freed by the caller. */
typedef struct { int first, end; } rk_range;
int rk_ranges(const rk_writer *w, const rk_node *const *root, int roots, int dim,
              rk_range **ranges);

/* Opens the loop over a range, gives the index of its component. `cost`: operations of its body, of
 * which the loops that are unrolled depend. */
rk_index rk_open_range(rk_writer *w, rk_range range, double cost);

/* The loops over the columns and rows of the register tile; what was named inside is forgotten. */
void rk_open_tile(rk_writer *w, double cost);
void rk_close_tile(rk_writer *w);

/* With many ranges, the same body is written many times: how often that counts. */
int rk_repeated(int ranges);

/* Operations that make one component of a node where it is used. */
double rk_inline_cost(const rk_writer *w, const rk_node *node);

/* Name of the value of a component; writes the lines that make it. */
const char *rk_component(rk_writer *w, const rk_node *node, rk_index index);

/* Every step of the nest. */
void rk_write_steps(rk_writer *w);

/* reduction.c */
void rk_write_state(rk_writer *w);
void rk_write_accumulate(rk_writer *w);
size_t rk_state_bytes(const rk_pass *pass, const rk_tile *tile);

/* prelude.c: the sections of a prelude that `body` uses and what they need; without a body, its
 * base, which is there once. */
rk_status rk_write_prelude(rk_text *out, const char *include_dir, const char *file,
                           const char *body, rk_error *error);

#endif
