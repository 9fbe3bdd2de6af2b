/* Kernels that are part of the package, and how one is found by the general text of a pass. */
#ifndef RKEOPS_KERNELS_KERNELS_H
#define RKEOPS_KERNELS_KERNELS_H

#include "text.h"
#include "interval.h"
#include "walked.h"

#include <stddef.h>

/* Sizes that a general text leaves open: two at most, D and E. */
enum { RK_SIZES = 2, RK_LEAST_SIZE = 2, RK_MOST_COMPONENTS = 64 };

/* Runs a rectangle; `size` is what the text leaves open, `factor` what finished sums are multiplied
 * by. */
typedef void (*rk_built_function)(const rk_walked *w, int d, int e, double factor);

typedef struct {
  rk_built_function pair;
  size_t state;              /* bytes of the states of a block */
  int size[RK_SIZES];        /* of the pass: what `pair` is given */
  const char *name;          /* for people */
} rk_built;

/* The kernel with this general text (emit/writer.h), in double or float, for vectors of at most
 * `bytes`, which becomes how many it has. 0: there is none. */
int rk_built_find(const char *text, int is_double, int *bytes, rk_built *found);

/* ---- texts, see scan.c ---------------------------------------------------------------------- */

/* A text in which names of values count from 1 and each integer is a '#'; and the integers. */
enum { RK_MOST_INTEGERS = 1024 };
typedef struct {
  rk_text skeleton;
  int integer[RK_MOST_INTEGERS];
  unsigned char is_extent[RK_MOST_INTEGERS]; /* of an array in the state */
  int integers;
} rk_scanned;
int rk_scan(const char *text, rk_scanned *scanned); /* 0: too long */
void rk_scanned_free(rk_scanned *scanned);

/* An integer that follows from the sizes: of[0] + of[1] D + of[2] E. */
typedef struct { short at, of[1 + RK_SIZES]; } rk_varying;

/* What is known of the text of a kernel: its skeleton and its integers as a digest, those that vary
 * aside. */
typedef struct {
  const char *name;
  int is_double, integers, length, varyings;
  const rk_varying *varying;
  const char *digest;        /* hexadecimal */
} rk_built_text;
enum { RK_DIGEST_TEXT = 41 };
void rk_text_digest(const rk_scanned *scanned, const rk_varying *varying, int varyings,
                    char digest[RK_DIGEST_TEXT]);

extern const rk_built_text rk_built_texts[];
extern const int rk_built_text_count;

#endif
