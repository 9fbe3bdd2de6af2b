/* The kernel cache, counters and the report of what was found on this machine. */
#include "r_glue.h"

SEXP rkeops_cache_usage(void) {
  rk_error error;
  int64_t files, bytes;
  if (rk_cache_usage(&files, &bytes, &error) != RK_OK) return status_object(&error);
  const char *names[] = {"files", "bytes", ""};
  SEXP out = PROTECT(Rf_mkNamed(REALSXP, names));
  REAL(out)[0] = (double)files;
  REAL(out)[1] = (double)bytes;
  UNPROTECT(1);
  return out;
}

SEXP rkeops_cache_clear(void) {
  rk_error error;
  if (rk_cache_clear(&error) != RK_OK) return status_object(&error);
  return R_NilValue;
}

SEXP rkeops_forget(void) {
  rk_forget();
  prepared_forget();
  return R_NilValue;
}

SEXP rkeops_counters(void) {
  rk_counters count = rk_count();
  const char *names[] = {"programs", "compiles", "memory_hits", "disk_hits", "gpu_seconds",
                         "prepared", "prepared_bytes", "prepared_hits", ""};
  SEXP out = PROTECT(Rf_mkNamed(REALSXP, names));
  REAL(out)[0] = (double)count.programs;
  REAL(out)[1] = (double)count.compiles;
  REAL(out)[2] = (double)count.memory_hits;
  REAL(out)[3] = (double)count.disk_hits;
  REAL(out)[4] = rk_gpu_seconds(); /* of the last run */
  REAL(out)[5] = (double)count.prepared;
  REAL(out)[6] = (double)count.prepared_bytes;
  REAL(out)[7] = (double)count.prepared_hits;
  UNPROTECT(1);
  return out;
}

SEXP rkeops_report(void) {
  rk_error error;
  char *text = NULL;
  if (rk_report(&text, &error) != RK_OK) return status_object(&error);
  return engine_text(text);
}
