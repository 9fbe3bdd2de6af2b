/* The definitions that a LazyTensor is made of: a persistent map from identifiers to definitions.
 *
 * Each operation of R makes a new LazyTensor, so what it shares with its operands must not be
 * copied, compared or looked up again: in a flat list a sum of n terms costs n^2. And a LazyTensor
 * is plain data, so a hash table that grows in place will not do, nor a graph of definitions that
 * hold their operands, which R writes to a file once for each path through it.
 *
 * So the table is a tree over the hexadecimal digits of identifiers, which are hashes and therefore
 * spread evenly: an inner node is a list of 16 without names, a leaf is a definition, a named list
 * (id, op, operands, literals, maybe inline, in this order), and nothing is NULL (an empty list at
 * the top). Trees share what they have in common: adding a definition copies the few nodes on the
 * way to it, and merging two tables passes over every part that is the same R object in both. The
 * order in which definitions use each other is found when a text is needed.
 */
#include "r_glue.h"

#include <string.h>

enum { DIGITS = 16, LONGEST = 32 };

typedef enum { PART_none, PART_definition, PART_branch } part_kind;

/* Anybody can make such a list, so what is read from it is checked here. */
static part_kind kind_of(SEXP part) {
  if (part == R_NilValue) return PART_none;
  if (TYPEOF(part) == VECSXP) {
    if (!XLENGTH(part)) return PART_none;
    if (Rf_getAttrib(part, R_NamesSymbol) != R_NilValue) return PART_definition;
    if (XLENGTH(part) == DIGITS) return PART_branch;
  }
  Rf_error("a LazyTensor is not as rkeops makes them: was it saved by another version?");
}

SEXP definition_part(SEXP definition, int part) {
  static const char *const name[] = {"an identifier", "an operation", "operands", "literals"};
  SEXP out = part < LENGTH(definition) ? VECTOR_ELT(definition, part) : R_NilValue;
  int is_one = part < OPERANDS, n = TYPEOF(out) == STRSXP ? LENGTH(out) : -1;
  if (is_one ? n != 1 : n < 0 && out != R_NilValue)
    Rf_error("a LazyTensor has a definition without %s", name[part]);
  return out;
}

static SEXP id_of(SEXP definition) { return STRING_ELT(definition_part(definition, ID), 0); }

static int digit_at(SEXP id, int depth) {
  static const char digits[] = "0123456789abcdef";
  const char *found = NULL;
  if (depth < LONGEST && depth < LENGTH(id)) found = strchr(digits, CHAR(id)[depth]);
  if (!found || !*found) Rf_error("a LazyTensor has a definition with an unknown identifier");
  return (int)(found - digits);
}

/* A branch at `depth` that has only this definition, or the branch itself. */
static SEXP as_branch(SEXP part, int depth) {
  if (kind_of(part) == PART_branch) return part;
  SEXP branch = PROTECT(Rf_allocVector(VECSXP, DIGITS));
  SET_VECTOR_ELT(branch, digit_at(id_of(part), depth), part);
  UNPROTECT(1);
  return branch;
}

static SEXP merged(SEXP x, SEXP y, int depth) {
  if (x == y || kind_of(y) == PART_none) return x;
  if (kind_of(x) == PART_none) return y;
  if (kind_of(x) == PART_definition && kind_of(y) == PART_definition && id_of(x) == id_of(y))
    return x;
  y = PROTECT(as_branch(y, depth));
  PROTECT_INDEX place;
  SEXP out = as_branch(x, depth);
  PROTECT_WITH_INDEX(out, &place);
  for (int k = 0; k < DIGITS; k++) {
    SEXP part = merged(VECTOR_ELT(out, k), VECTOR_ELT(y, k), depth + 1);
    if (part == VECTOR_ELT(out, k)) continue;
    PROTECT(part);
    if (out == x) REPROTECT(out = Rf_shallow_duplicate(x), place); /* of somebody else, too */
    SET_VECTOR_ELT(out, k, part);
    UNPROTECT(1);
  }
  UNPROTECT(2);
  return out;
}

/* All definitions of two tables, of which one may be a single definition. */
SEXP rkeops_merge_definitions(SEXP x, SEXP y) { return merged(x, y, 0); }

int definitions_count(SEXP table) {
  part_kind kind = kind_of(table);
  if (kind != PART_branch) return kind == PART_definition;
  int count = 0;
  for (int k = 0; k < DIGITS; k++) count += definitions_count(VECTOR_ELT(table, k));
  return count;
}

SEXP rkeops_count_definitions(SEXP table) { return Rf_ScalarInteger(definitions_count(table)); }

SEXP definitions_find(SEXP table, SEXP id) {
  int depth = 0;
  while (kind_of(table) == PART_branch) table = VECTOR_ELT(table, digit_at(id, depth++));
  if (kind_of(table) == PART_none || id_of(table) != id)
    Rf_error("a LazyTensor has lost the definition of one of its values");
  return table;
}
