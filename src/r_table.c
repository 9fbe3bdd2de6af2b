/* The engine's tables of operations and reductions as lists of columns. */
#include "r_glue.h"

typedef int (*entry_reader)(int k, rk_entry *entry);

static SEXP text_or_na(const char *text) {
  return text ? Rf_mkCharCE(text, CE_UTF8) : NA_STRING;
}

static SEXP table_of(entry_reader read) {
  rk_entry entry;
  int n = 0;
  while (read(n, &entry)) n++;
  const char *names[] = {"name", "kind", "operands", "integers", "documentation", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int c = 0; c < 5; c++)
    SET_VECTOR_ELT(out, c, Rf_allocVector(c == 2 || c == 3 ? INTSXP : STRSXP, n));
  for (int k = 0; k < n; k++) {
    read(k, &entry);
    SET_STRING_ELT(VECTOR_ELT(out, 0), k, text_or_na(entry.name));
    SET_STRING_ELT(VECTOR_ELT(out, 1), k, text_or_na(entry.kind));
    INTEGER(VECTOR_ELT(out, 2))[k] = entry.operands;
    INTEGER(VECTOR_ELT(out, 3))[k] = entry.integers;
    SET_STRING_ELT(VECTOR_ELT(out, 4), k, text_or_na(entry.documentation));
  }
  UNPROTECT(1);
  return out;
}

SEXP rkeops_operation_table(void) { return table_of(rk_operation_entry); }

SEXP rkeops_reduction_table(void) { return table_of(rk_reduction_entry); }
