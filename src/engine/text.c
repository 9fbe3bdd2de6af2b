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

void rk_text_natural(rk_text *text, size_t number, const char *behind) {
  char digit[3 * sizeof number], *first = digit + sizeof digit;
  do *--first = (char)('0' + number % 10); while (number /= 10);
  rk_text_bytes(text, first, (size_t)(digit + sizeof digit - first));
  rk_text_add(text, behind);
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

/* ---- numbers ---- */

/* What is neither digit, sign nor letter in a number of printf is the locale's decimal point, which
 * may have several bytes. */
const char *rk_number_text(char *text, const char *format, double value) {
  snprintf(text, RK_NUMBER_TEXT, format, value);
  char *to = text;
  for (const char *at = text; *at; at++) {
    int is_point = !rk_is_alnum(*at) && *at != '-' && *at != '+';
    if (!is_point) *to++ = *at;
    else if (to == text || to[-1] != '.') *to++ = '.';
  }
  *to = 0;
  return text;
}

/* No double, and no number half way between two, has more significant digits than 768: of those
 * that follow it matters only whether one is not 0. */
enum { SIGNIFICANT = 768, EXPONENT_LIMIT = 100000 };

typedef struct {
  char text[SIGNIFICANT + 24];
  int n;
  int64_t exponent;
} digits;

/* `shift`: what each of them adds to the exponent, -1 behind the point. */
static const char *take_digits(const char *at, digits *d, int shift) {
  for (; rk_is_digit(*at); at++) {
    int keep = d->n < SIGNIFICANT;
    if (keep && (d->n || *at != '0')) d->text[d->n++] = *at;
    else if (!keep && *at != '0') d->text[SIGNIFICANT] = '1';
    d->exponent += !keep + shift;
  }
  return at;
}

static const char *take_exponent(const char *at, digits *d) {
  if (*at != 'e' && *at != 'E') return at;
  const char *digit = at + 1 + (at[1] == '+' || at[1] == '-');
  int64_t exponent = 0;
  if (!rk_is_digit(*digit)) return at;
  for (; rk_is_digit(*digit); digit++)
    if (exponent < INT64_MAX / 100) exponent = 10 * exponent + (*digit - '0');
  d->exponent += at[1] == '-' ? -exponent : exponent;
  return digit;
}

/* strtod gets digits and an exponent: nothing that a locale has a say in. */
const char *rk_read_number(const char *at, double *value) {
  const int is_negative = *at == '-';
  const char *digit = at + is_negative;
  if (!rk_is_digit(digit[*digit == '.'])) return at;
  digits d = {.n = 0};
  d.text[SIGNIFICANT] = '0';
  at = take_digits(digit, &d, 0);
  if (*at == '.') at = take_digits(at + 1, &d, -1);
  at = take_exponent(at, &d);
  if (d.n == SIGNIFICANT) d.n++, d.exponent--;
  if (d.exponent > EXPONENT_LIMIT) d.exponent = EXPONENT_LIMIT;
  if (d.exponent < -EXPONENT_LIMIT) d.exponent = -EXPONENT_LIMIT;
  snprintf(d.text + d.n, sizeof d.text - (size_t)d.n, "%se%d", d.n ? "" : "0", (int)d.exponent);
  *value = strtod(d.text, NULL);
  if (is_negative) *value = -*value;
  return at;
}

/* ---- readable text ---- */

/* Length of the UTF-8 character at `at`, 0 when there is none: no overlong forms, no surrogates. */
static size_t character(const unsigned char *at) {
  static const struct { unsigned char low, high, second_low, second_high, length; } forms[] = {
      {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
      {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
      {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
  if (*at < 0x80) return (*at >= ' ' && *at != 0x7F) || *at == '\n' || *at == '\t';
  for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
    if (*at < forms[k].low || *at > forms[k].high) continue;
    if (at[1] < forms[k].second_low || at[1] > forms[k].second_high) return 0;
    for (size_t b = 2; b < forms[k].length; b++)
      if ((at[b] & 0xC0) != 0x80) return 0;
    return forms[k].length;
  }
  return 0;
}

size_t rk_readable(const char *at, char piece[RK_PIECE]) {
  size_t length = character((const unsigned char *)at);
  if (length) memcpy(piece, at, length);
  else snprintf(piece, RK_PIECE, "\\x%02X", (unsigned char)*at);
  if (!length) return 1;
  piece[length] = 0;
  return length;
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
