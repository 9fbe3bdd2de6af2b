/* Statuses and texts of the engine as R objects. */
#include "error.h"
#include "r_glue.h"

#include <stdarg.h>
#include <stdio.h>

rk_status status_set(rk_error *error, rk_status status, const char *format, ...) {
  char message[sizeof error->message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return rk_fail(error, status, "%s", message);
}

/* The last part of the class of the condition, see R/conditions.R. */
static const char *status_name(rk_status status) {
  switch (status) {
  case RK_OK: return "ok";
  case RK_ERROR_FORMULA: return "formula";
  case RK_ERROR_SHAPE: return "shape";
  case RK_ERROR_ARGUMENT: return "argument";
  case RK_ERROR_COMPILE: return "compile";
  case RK_ERROR_DEVICE: return "device";
  case RK_ERROR_MEMORY: return "memory";
  case RK_ERROR_PRECISION: return "precision";
  case RK_ERROR_SYSTEM: return "system";
  case RK_ERROR_BUSY: return "busy";
  case RK_CANCELLED: return "cancelled";
  case RK_ERROR_INTERNAL: break;
  }
  return "internal";
}

static SEXP new_status(const char *kind, const char *message, SEXP condition) {
  const char *names[] = {"kind", "message", "condition", ""};
  SEXP object = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(object, 0, Rf_mkString(kind));
  SET_VECTOR_ELT(object, 1, Rf_ScalarString(Rf_mkCharCE(message, CE_UTF8)));
  SET_VECTOR_ELT(object, 2, condition);
  Rf_setAttrib(object, R_ClassSymbol, PROTECT(Rf_mkString("rkeops_status")));
  UNPROTECT(2);
  return object;
}

SEXP status_object(const rk_error *error) {
  return new_status(status_name(error->status), error->message, R_NilValue);
}

/* The call was cancelled by the error in `found`, or by an interrupt when there is none. */
static SEXP status_cancelled(SEXP found) {
  return new_status(status_name(RK_CANCELLED), "interrupted", VECTOR_ELT(found, 0));
}

/* What became of a call that may be cancelled. */
SEXP status_failure(rk_status status, rk_error *error, SEXP found) {
  if (status == RK_CANCELLED) return status_cancelled(found);
  error->status = status;
  return status_object(error);
}

SEXP engine_text(char *text) {
  SEXP out = PROTECT(Rf_ScalarString(Rf_mkCharCE(text, CE_UTF8)));
  rk_free(text);
  UNPROTECT(1);
  return out;
}
