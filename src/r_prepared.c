/* Which R objects come again: the engine keeps what it makes of them (rk_stamp_new in engine.h).
 *
 * An object is known by where its numbers lie, so that Vi(x) of the same matrix is the same. It is
 * kept as long as it is known: its memory is no other object's then, and R code that modifies a
 * variable gets a copy, as of all objects that somebody else has. Compiled code may write where R
 * would not; some of the numbers are compared each time, so that what changes all of them is seen.
 *
 * Only what comes a second time gets a stamp: calls with new data cost what they did. */
#include "r_glue.h"

#include <string.h>

enum { MOST = 32, MOST_NEW = 8, LEAST = 1 << 13 /* numbers */, COMPARED = 64 };

typedef struct {
  const void *at;
  R_xlen_t n;
  SEXPTYPE type;
  double bytes;
  uint64_t print, stamp;     /* stamp 0: it has come in one call */
  uint64_t call;             /* that had it last */
} object;

static SEXP objects;         /* a list: the k-th is that of known[k] */
static object known[MOST];
static double most_bytes;
static uint64_t calls;

/* ---- one object ------------------------------------------------------------------------------ */

/* Of some numbers, from the first to the last. */
static uint64_t print_of(const object *x) {
  size_t size = x->type == REALSXP ? sizeof(double) : sizeof(int);
  uint64_t hash = 14695981039346656037u;
  for (R_xlen_t k = 0; k < COMPARED; k++) {
    uint64_t word = 0;
    R_xlen_t place = (R_xlen_t)((double)(x->n - 1) * (double)k / (COMPARED - 1));
    memcpy(&word, (const char *)x->at + (size_t)place * size, size);
    hash = (hash ^ word) * 1099511628211u;
    hash ^= hash >> 29;
  }
  return hash;
}

static void forget(int k) {
  if (known[k].stamp) rk_stamp_forget(known[k].stamp);
  memset(&known[k], 0, sizeof known[k]);
  SET_VECTOR_ELT(objects, k, R_NilValue);
}

/* Compiled code that asks for the numbers of a wrapper (ALTREP) moves them. */
static int is_there(int k) {
  return known[k].at && DATAPTR_OR_NULL(VECTOR_ELT(objects, k)) == known[k].at;
}

static int find(const object *x) {
  for (int k = 0; k < MOST; k++) {
    if (known[k].at != x->at || known[k].n != x->n || known[k].type != x->type) continue;
    if (is_there(k) && known[k].print == x->print) return k;
    forget(k);
  }
  return -1;
}

/* ---- all of them ----------------------------------------------------------------------------- */

typedef struct { int count, oldest; double bytes; } tally;

static tally count(int only_new) {
  tally t = {0, -1, 0};
  for (int k = 0; k < MOST; k++) {
    if (!known[k].at || (only_new && known[k].stamp)) continue;
    t.count++;
    t.bytes += known[k].bytes;
    if (t.oldest < 0 || known[k].call < known[t.oldest].call) t.oldest = k;
  }
  return t;
}

/* Objects that came once may take half of the memory. */
static void make_room(double bytes) {
  for (tally t = count(1); t.count && (t.count >= MOST_NEW || 2 * (t.bytes + bytes) > most_bytes);
       t = count(1))
    forget(t.oldest);
  for (tally t = count(0); t.count && (t.count >= MOST || t.bytes + bytes > most_bytes);
       t = count(0))
    forget(t.oldest);
}

static void add(SEXP x, object *new) {
  int k = 0;
  make_room(new->bytes);
  while (known[k].at) k++;
  known[k] = *new;
  SET_VECTOR_ELT(objects, k, x);
}

void prepared_begin(void) {
  calls++;
  if (objects) return;
  objects = Rf_allocVector(VECSXP, MOST);
  R_PreserveObject(objects);
}

static int is_much(SEXP x) {
  int type = TYPEOF(x);
  return (type == REALSXP || type == INTSXP || type == LGLSXP) && XLENGTH(x) >= LEAST;
}

uint64_t prepared_stamp(SEXP x, SEXP options) {
  if (!is_much(x) || options_of(options)->has_devices) return 0;
  object new = {.at = DATAPTR_OR_NULL(x), .n = XLENGTH(x),
                .type = (SEXPTYPE)TYPEOF(x), .bytes = 8.0 * (double)XLENGTH(x), .call = calls};
  if (!new.at || 2 * new.bytes > most_bytes) return 0;
  new.print = print_of(&new);
  int k = find(&new);
  if (k < 0) {
    add(x, &new);
    rk_prepared_hold((int64_t)count(0).bytes);
    return 0;
  }
  if (!known[k].stamp && known[k].call != calls) known[k].stamp = rk_stamp_new();
  known[k].call = calls;
  return known[k].stamp;
}

void prepared_configure(double bytes) {
  most_bytes = bytes;
  if (objects) make_room(0);
  rk_prepared_hold((int64_t)count(0).bytes);
}

void prepared_forget(void) {
  for (int k = 0; k < MOST; k++)
    if (known[k].at) forget(k);
  rk_prepared_clear();
  rk_prepared_hold(0);
}

SEXP rkeops_forget_prepared(void) {
  prepared_forget();
  return R_NilValue;
}
