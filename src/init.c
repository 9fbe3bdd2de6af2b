/* Registration of the native routines. When the package is loaded nothing else happens than that
 * forks are counted from then on. */
#include "r_glue.h"

#include <R_ext/Rdynload.h>

#define ENTRY(name, n) {"C_" #name, (DL_FUNC)&rkeops_##name, n},
static const R_CallMethodDef entries[] = {RKEOPS_ENTRIES(ENTRY) {NULL, NULL, 0}};
#undef ENTRY

void R_init_rkeops(DllInfo *dll) {
  R_registerRoutines(dll, NULL, entries, NULL, NULL);
  R_useDynamicSymbols(dll, FALSE);
  R_forceSymbols(dll, TRUE);
  rk_watch_forks();
}

