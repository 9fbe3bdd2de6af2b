/* The engine's tables of operations and reductions as lists of columns. */
#include "r_glue.h"

typedef int (*entry_reader)(int k, rk_entry *entry);

enum { NUMBERS = 5, TEXTS = 7, DERIVATIVES = sizeof((rk_entry){0}.derivatives) / sizeof(char *) };

static SEXP text_or_na(const char *text) {
  return text ? Rf_mkCharCE(text, CE_UTF8) : NA_STRING;
}

/* A character vector: the rule for each operand. */
static SEXP derivatives_of(const rk_entry *entry) {
  int n = entry->operands < DERIVATIVES ? entry->operands : DERIVATIVES;
  SEXP out = PROTECT(Rf_allocVector(STRSXP, n));
  for (int o = 0; o < n; o++) SET_STRING_ELT(out, o, text_or_na(entry->derivatives[o]));
  UNPROTECT(1);
  return out;
}

static SEXP table_of(entry_reader read) {
  rk_entry entry;
  int n = 0;
  while (read(n, &entry)) n++;
  const char *names[] = {"name", "kind", "dimension", "expected", "definition", "no_derivative",
                         "documentation", "operands", "integers", "lists", "optional",
                         "selects", "derivatives", ""};
  SEXP out = PROTECT(Rf_mkNamed(VECSXP, names));
  for (int c = 0; c < TEXTS + NUMBERS; c++)
    SET_VECTOR_ELT(out, c, Rf_allocVector(c < TEXTS ? STRSXP : INTSXP, n));
  SEXP derivatives = Rf_allocVector(VECSXP, n);
  SET_VECTOR_ELT(out, TEXTS + NUMBERS, derivatives);
  for (int k = 0; k < n; k++) {
    read(k, &entry);
    const char *texts[TEXTS] = {entry.name, entry.kind, entry.dimension, entry.expected,
                                entry.definition, entry.no_derivative, entry.documentation};
    int numbers[NUMBERS] = {entry.operands, entry.integers, entry.lists, entry.optional,
                            entry.selects};
    for (int c = 0; c < TEXTS; c++)
      SET_STRING_ELT(VECTOR_ELT(out, c), k, text_or_na(texts[c]));
    for (int c = 0; c < NUMBERS; c++) INTEGER(VECTOR_ELT(out, TEXTS + c))[k] = numbers[c];
    SET_VECTOR_ELT(derivatives, k, derivatives_of(&entry));
  }
  UNPROTECT(1);
  return out;
}

SEXP rkeops_operation_table(void) { return table_of(rk_operation_entry); }

SEXP rkeops_reduction_table(void) { return table_of(rk_reduction_entry); }
