/* Identifiers of values of LazyTensors.
 *
 * A value made from others is named by a hash of how it is made, so equal sub-expressions of two
 * LazyTensors are one. A leaf is named by 128 random bits of the session and a counter: unlike an
 * address or a bare counter, that stays unique when objects are saved, sent to another process or
 * made in a forked child (the bits are drawn again when the process number changes).
 */
#include "r_glue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct {
  uint64_t a, b;
} bits128;

static uint64_t scramble(uint64_t x) { /* the finaliser of splitmix64 */
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static bits128 hash_bytes(const void *data, size_t n, bits128 h) {
  const unsigned char *byte = data;
  for (size_t k = 0; k < n; k++) {
    h.a = (h.a ^ byte[k]) * UINT64_C(0x00000100000001b3);
    h.b = ((h.b << 23) | (h.b >> 41)) + h.a;
    h.b = (h.b ^ byte[k]) * UINT64_C(0x9e3779b97f4a7c15);
  }
  h.a = scramble(h.a + n);
  h.b = scramble(h.b ^ h.a);
  return h;
}

/* /dev/urandom where there is one; time and addresses are mixed in for where there is none. */
static bits128 draw_session(int pid) {
  bits128 bits = {UINT64_C(0xcbf29ce484222325), (uint64_t)pid};
  struct timespec now;
  timespec_get(&now, TIME_UTC);
  bits = hash_bytes(&now.tv_sec, sizeof now.tv_sec, bits);
  bits = hash_bytes(&now.tv_nsec, sizeof now.tv_nsec, bits);
  const void *here = &bits;
  bits = hash_bytes(&here, sizeof here, bits);
  unsigned char noise[32];
  FILE *file = fopen("/dev/urandom", "rb");
  if (file) {
    if (fread(noise, 1, sizeof noise, file) == sizeof noise)
      bits = hash_bytes(noise, sizeof noise, bits);
    fclose(file);
  }
  return bits;
}

SEXP rkeops_fresh_id(SEXP pid) {
  static int drawn_for = -1;
  static bits128 session;
  static uint64_t counter;
  if (Rf_asInteger(pid) != drawn_for) {
    drawn_for = Rf_asInteger(pid);
    session = draw_session(drawn_for);
    counter = 0;
  }
  char id[64];
  snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64 ".%" PRIu64, session.a, session.b,
           ++counter);
  return Rf_mkString(id);
}

SEXP rkeops_hash(SEXP text) {
  const char *bytes = CHAR(STRING_ELT(text, 0));
  bits128 start = {UINT64_C(0xcbf29ce484222325), UINT64_C(0x6c62272e07bb0142)};
  bits128 h = hash_bytes(bytes, strlen(bytes), start);
  char id[40];
  snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64, h.a, h.b);
  return Rf_mkString(id);
}

/* The very same R object, not an equal one; copies of what to_gpu() made share its pointer. */
static int same_object(SEXP x, SEXP y) {
  if (x == y) return 1;
  if (!is_gpu_matrix(x) || !is_gpu_matrix(y)) return 0;
  SEXP pointer = list_element(x, "pointer");
  return TYPEOF(pointer) == EXTPTRSXP && pointer == list_element(y, "pointer");
}

/* For each element of the list `objects`, the position in the list `table` of the same object of
 * the same kind, 0 if there is none. Both lists keep theirs alive meanwhile, so an address means
 * one object. */
SEXP rkeops_match_objects(SEXP objects, SEXP kinds, SEXP table, SEXP table_kinds) {
  int n = Rf_length(objects);
  SEXP out = PROTECT(Rf_allocVector(INTSXP, n));
  for (int k = 0; k < n; k++) {
    INTEGER(out)[k] = 0;
    for (int t = 0; t < Rf_length(table); t++)
      if (same_object(VECTOR_ELT(objects, k), VECTOR_ELT(table, t)) &&
          STRING_ELT(kinds, k) == STRING_ELT(table_kinds, t)) {
        INTEGER(out)[k] = t + 1;
        break;
      }
  }
  UNPROTECT(1);
  return out;
}
