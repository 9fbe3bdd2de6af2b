#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A message may quote a formula or a path that is no valid text, and may have been cut within a
 * character: it is valid text all the same. Needs no memory, which may be what is lacking. */
static void make_readable(char *message, size_t size) {
  char piece[RK_PIECE], copy[sizeof ((rk_error *)NULL)->message];
  size_t n = 0, width;
  for (const char *at = message; *at; at += width) {
    width = rk_readable(at, piece);
    size_t length = strlen(piece);
    if (n + length >= size) break;
    memcpy(copy + n, piece, length);
    n += length;
  }
  while (n > 0 && copy[n - 1] == '\n') n--;
  memcpy(message, copy, n);
  message[n] = 0;
}

static rk_status fail(rk_error *error, rk_status status, const char *format, va_list arguments) {
  if (!error) return status;
  error->status = status;
  if (vsnprintf(error->message, sizeof error->message, format, arguments) < 0)
    error->message[0] = 0;
  make_readable(error->message, sizeof error->message);
  return status;
}

rk_status rk_fail(rk_error *error, rk_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fail(error, status, format, arguments);
  va_end(arguments);
  return status;
}

rk_status rk_fail_system(rk_error *error, const char *format, ...) {
  rk_status status = errno == ENOMEM ? RK_ERROR_MEMORY : RK_ERROR_SYSTEM;
  va_list arguments;
  va_start(arguments, format);
  fail(error, status, format, arguments);
  va_end(arguments);
  return status;
}

rk_status rk_fail_memory(rk_error *error, size_t bytes) {
  return rk_fail(error, RK_ERROR_MEMORY, "Out of memory: %zu bytes could not be allocated.", bytes);
}
