#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A cut message still has to be UTF-8: an unfinished last character goes. */
static void drop_partial_character(char *text, size_t length) {
  size_t start = length;
  while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80) start--;
  if (start == 0) return;
  unsigned char lead = (unsigned char)text[start - 1];
  size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  if (length - (start - 1) < wanted) text[start - 1] = 0;
}

rk_status rk_fail(rk_error *error, rk_status status, const char *format, ...) {
  if (!error) return status;
  error->status = status;
  va_list arguments;
  va_start(arguments, format);
  int wanted = vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  if (wanted < 0) error->message[0] = 0;
  if (wanted >= (int)sizeof error->message)
    drop_partial_character(error->message, sizeof error->message - 1);
  for (size_t n = strlen(error->message); n > 0 && error->message[n - 1] == '\n'; n--)
    error->message[n - 1] = 0;
  return status;
}

rk_status rk_fail_memory(rk_error *error, size_t bytes) {
  return rk_fail(error, RK_ERROR_MEMORY, "Out of memory: %zu bytes could not be allocated.", bytes);
}
