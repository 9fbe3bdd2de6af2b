#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for n more bytes and the NUL. Doubling keeps the cost of many small appends linear. */
static int reserve(rk_text *text, size_t n) {
  if (text->failed) return 0;
  if (n < text->capacity && text->length < text->capacity - n) return 1;
  size_t wanted = text->capacity ? text->capacity : 256;
  while (wanted - 1 < text->length || wanted - 1 - text->length < n) {
    if (wanted > SIZE_MAX / 2) return text->failed = 1, 0;
    wanted *= 2;
  }
  char *bytes = realloc(text->bytes, wanted);
  if (!bytes) return text->failed = 1, 0;
  text->bytes = bytes;
  text->capacity = wanted;
  return 1;
}

void rk_text_bytes(rk_text *text, const void *bytes, size_t n) {
  if (!reserve(text, n)) return;
  if (n) memcpy(text->bytes + text->length, bytes, n);
  text->length += n;
  text->bytes[text->length] = 0;
}

void rk_text_add(rk_text *text, const char *string) {
  rk_text_bytes(text, string, strlen(string));
}

/* Tries the room that is left first: nearly every append fits. */
void rk_text_vformat(rk_text *text, const char *format, va_list arguments) {
  if (!reserve(text, 64)) return;
  va_list again;
  va_copy(again, arguments);
  size_t room = text->capacity - text->length;
  int n = vsnprintf(text->bytes + text->length, room, format, arguments);
  if (n >= 0 && (size_t)n >= room) {
    text->bytes[text->length] = 0;
    if (reserve(text, (size_t)n))
      n = vsnprintf(text->bytes + text->length, (size_t)n + 1, format, again);
    else
      n = 0;
  }
  va_end(again);
  if (n < 0) text->failed = 1;
  else text->length += (size_t)n;
  text->bytes[text->length] = 0;
}

void rk_text_format(rk_text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  rk_text_vformat(text, format, arguments);
  va_end(arguments);
}

const char *rk_text_string(const rk_text *text) { return text->bytes ? text->bytes : ""; }

char *rk_text_steal(rk_text *text) {
  if (!text->bytes) rk_text_bytes(text, "", 0);
  char *bytes = text->failed ? NULL : text->bytes;
  if (!bytes) free(text->bytes);
  *text = (rk_text){0};
  return bytes;
}

void rk_text_clear(rk_text *text) {
  text->length = 0;
  text->failed = 0;
  if (text->bytes) text->bytes[0] = 0;
}

void rk_text_free(rk_text *text) {
  free(text->bytes);
  *text = (rk_text){0};
}
